//! A gate before an HTTP server whose answers are small: it lets calls through, turns them away
//! or loses their answers, as it is told.
use std::io;
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method};

use super::control::{Faults, Log};
use super::http::{Answer, Connection, Server, header};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum GateFault {
    /// Answers this and makes no call.
    Status(u16),
    /// Breaks the connection by an RST and makes no call.
    Reset,
    /// Makes the call, then breaks the connection: the answer is lost.
    LoseAnswer,
}

/// The gate; it ends on drop. Calls are picked by their method (empty: any) and a part of their
/// path.
pub struct Gate {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Call {
    method: String,
    part: String,
}

struct Shared {
    client: Client,
    url: String,
    faults: Mutex<Faults<Call, GateFault>>,
    log: Log,
}

impl Gate {
    /// Before a server at `http://HOST:PORT`.
    pub async fn before(url: &str) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        let (faults, log) = (Mutex::default(), Log::default());
        let shared = Arc::new(Shared { client, url: url.to_owned(), faults, log });
        let state = Arc::clone(&shared);
        let server = Server::start(0, move |connection| serve(Arc::clone(&state), connection));
        Self { server: server.await.unwrap(), shared }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Queues a fault: each call that matches uses one up.
    pub fn fault(&self, method: &str, part: &str, fault: GateFault) {
        self.shared.faults.lock().unwrap().once(call(method, part), fault);
    }

    /// A fault of all calls that match.
    pub fn always(&self, method: &str, part: &str, fault: GateFault) {
        self.shared.faults.lock().unwrap().always(call(method, part), fault);
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// How many calls came that match.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let requests = self.shared.log.requests();
        requests.iter().filter(|request| request.matches(method, part)).count()
    }
}

fn call(method: &str, part: &str) -> Call {
    Call { method: method.to_owned(), part: part.to_owned() }
}

async fn serve(shared: Arc<Shared>, mut connection: Connection) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        let _in_flight = shared.log.enter(&request);
        let body = connection.body(&request).await?;
        let matches = |call: &Call| request.matches(&call.method, &call.part);
        let fault = shared.faults.lock().unwrap().take(matches).pop();
        match fault {
            Some(GateFault::Reset) => return connection.reset().await,
            Some(GateFault::Status(status)) => {
                connection.answer(&request, &Answer::new(status, "{}")).await?;
                continue;
            }
            Some(GateFault::LoseAnswer) | None => {}
        }
        let mut headers = request.headers.clone();
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            headers.remove(name);
        }
        let method = Method::try_from(request.method.as_str()).map_err(io::Error::other)?;
        let made = shared.client.request(method, format!("{}{}", shared.url, request.target));
        let made = made.headers(headers).body(body).send().await;
        let Ok(answered) = made else { return connection.reset().await };
        if fault.is_some() {
            return connection.reset().await;
        }
        let status = answered.status().as_u16();
        let kind = answered.headers().get("content-type").cloned();
        let body = answered.bytes().await.map_err(io::Error::other)?;
        let kind = kind.and_then(|kind| Some(header("content-type", kind.to_str().ok()?)));
        let headers = kind.into_iter().collect();
        connection.answer(&request, &Answer { status, headers, body }).await?;
    }
    Ok(())
}
