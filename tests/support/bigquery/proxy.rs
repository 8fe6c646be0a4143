//! A proxy before a BigQuery server: what an emulator can't do, done to real calls.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::super::control::{Faults, Log};
use super::super::http::{Answer, Connection, Request, Server, header};
use super::fault::{BigQueryFault, JobError};

/// The proxy; it ends on drop. Calls are picked by their method (empty: any) and a part of their
/// path and query: `("POST", "/jobs")`, `("PUT", "upload_id=")`, `("GET", "/jobs/")`.
pub struct BigQueryProxy {
    proxy: Server,
    shared: Arc<Shared>,
}

/// Which calls: their method, a part of their path and query, and a part of what they send.
struct Calls {
    method: String,
    part: String,
    body: String,
}

impl Calls {
    fn matches(&self, request: &Request, body: &[u8]) -> bool {
        let said = || body.windows(self.body.len()).any(|window| window == self.body.as_bytes());
        request.matches(&self.method, &self.part) && (self.body.is_empty() || said())
    }
}

struct Shared {
    upstream: String,
    client: Client,
    faults: Mutex<Faults<Calls, BigQueryFault>>,
    log: Log,
    jobs: Mutex<Jobs>,
}

/// The jobs that clients sent, as they sent them.
#[derive(Default)]
struct Jobs {
    sent: Vec<Value>,
    /// By the id of the upload that brings their data.
    uploads: HashMap<String, Value>,
    /// How many bytes of an upload have arrived.
    arrived: HashMap<String, usize>,
    /// As they are answered, by their id: the server knows nothing of them.
    failed: HashMap<String, Value>,
}

impl BigQueryProxy {
    /// Starts before a server that runs at this URL, on a free port.
    pub async fn before(upstream: &str) -> Self {
        // The server closes what is idle, at times when a call is on its way.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: client.expect("a client can be built"),
            faults: Mutex::default(),
            log: Log::default(),
            jobs: Mutex::default(),
        });
        let state = Arc::clone(&shared);
        let proxy = Server::start(0, move |connection| serve(Arc::clone(&state), connection));
        Self { proxy: proxy.await.expect("127.0.0.1 has a free port"), shared }
    }

    /// `http://127.0.0.1:PORT`, for BIGQUERY_EMULATOR_HOST.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// Queues a fault: each call that matches uses one up.
    pub fn fault(&self, method: &str, part: &str, fault: BigQueryFault) {
        self.fault_of(method, part, "", fault);
    }

    /// Queues a fault of a call that sends this among others.
    pub fn fault_of(&self, method: &str, part: &str, body: &str, fault: BigQueryFault) {
        let calls = Calls { method: method.into(), part: part.into(), body: body.into() };
        self.shared.faults.lock().unwrap().once(calls, fault);
    }

    /// A fault of all calls that match, on top of which queued ones come.
    pub fn always(&self, method: &str, part: &str, fault: BigQueryFault) {
        let calls = Calls { method: method.into(), part: part.into(), body: String::new() };
        self.shared.faults.lock().unwrap().always(calls, fault);
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// How many calls came that match, those that met a fault among them.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.requests().iter().filter(|request| request.matches(method, part)).count()
    }

    pub fn clear_log(&self) {
        self.shared.log.clear();
        self.shared.jobs.lock().unwrap().sent.clear();
    }

    /// The jobs that were sent, those that met a fault among them, as they were sent.
    pub fn jobs(&self) -> Vec<Value> {
        self.shared.jobs.lock().unwrap().sent.clone()
    }

    /// Those of them that load.
    pub fn loads(&self) -> Vec<Value> {
        self.jobs().into_iter().filter(|job| job["configuration"]["load"].is_object()).collect()
    }
}

async fn serve(shared: Arc<Shared>, mut connection: Connection) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        let _in_flight = shared.log.enter(&request);
        let body = connection.body(&request).await?;
        let faults = shared.faults.lock().unwrap().take(|calls| calls.matches(&request, &body));
        let job = shared.sent_job(&request, &body);
        let mut call = Call { shared: &shared, request: &request, body, job };
        let mut instead = call.of_a_failed_job();
        let mut patch = None;
        let mut after = None;
        for fault in faults {
            match fault {
                BigQueryFault::Status { code, headers, body } => {
                    instead = Some(Answer { status: code, headers, body });
                }
                BigQueryFault::JobFails(errors) => {
                    instead = instead.or_else(|| call.fails(&errors));
                }
                BigQueryFault::Reset => return connection.reset().await,
                BigQueryFault::Stall => return connection.stall().await,
                BigQueryFault::Delay(time) => tokio::time::sleep(time).await,
                BigQueryFault::Running => {
                    patch = Some(json!({
                        "status": { "state": "RUNNING", "errorResult": null, "errors": null },
                        "statistics": { "endTime": null, "load": null },
                    }));
                }
                BigQueryFault::Patch(value) => patch = Some(value),
                BigQueryFault::PartArrives { bytes, breaks } => {
                    call.body.truncate(bytes);
                    if breaks {
                        after = Some(BigQueryFault::DropAnswer);
                    }
                }
                fault => after = Some(fault),
            }
        }
        let answer = match instead {
            Some(answer) => answer,
            None => call.forward(patch).await,
        };
        match after {
            Some(BigQueryFault::DropAnswer) => return connection.reset().await,
            Some(BigQueryFault::StallAnswer) => return connection.stall().await,
            _ => connection.answer(&request, &answer).await?,
        }
    }
    Ok(())
}

impl Shared {
    /// The job that a call starts, or whose upload it goes on with.
    fn sent_job(&self, request: &Request, body: &[u8]) -> Option<Value> {
        let mut jobs = self.jobs.lock().unwrap();
        if let Some(upload) = request.param("upload_id") {
            return jobs.uploads.get(&upload).cloned();
        }
        if request.method != "POST" || !request.path.ends_with("/jobs") {
            return None;
        }
        // In a multipart upload the job is the first part.
        let job = serde_json::from_slice(body).ok().or_else(|| first_part(body))?;
        jobs.sent.push(job);
        jobs.sent.last().cloned()
    }
}

fn first_part(body: &[u8]) -> Option<Value> {
    let start = body.iter().position(|&byte| byte == b'{')?;
    serde_json::Deserializer::from_slice(&body[start..]).into_iter().next()?.ok()
}

struct Call<'a> {
    shared: &'a Shared,
    request: &'a Request,
    body: Bytes,
    job: Option<Value>,
}

impl Call<'_> {
    /// What is answered to a call about a job that failed by a fault.
    fn of_a_failed_job(&self) -> Option<Answer> {
        let jobs = self.shared.jobs.lock().unwrap();
        if let Some(job) = &self.job {
            let id = job["jobReference"]["jobId"].as_str()?;
            jobs.failed.get(id)?;
            let message = format!("Already Exists: Job local:US.{id}");
            let errors = json!([{ "message": message, "domain": "global", "reason": "duplicate" }]);
            let error = json!({ "code": 409, "message": message, "errors": errors,
                                "status": "ALREADY_EXISTS" });
            return Some(json_answer(409, &json!({ "error": error })));
        }
        let id = self.request.path.rsplit_once("/jobs/")?.1;
        jobs.failed.get(id).map(|job| json_answer(200, job))
    }

    /// Keeps the job of this call as one that failed.
    fn fails(&self, errors: &[JobError]) -> Option<Answer> {
        let mut job = self.job.clone()?;
        let id = job["jobReference"]["jobId"].as_str()?.to_owned();
        let errors: Vec<Value> = errors
            .iter()
            .map(|(reason, message)| json!({ "reason": reason, "message": message }))
            .collect();
        job["kind"] = "bigquery#job".into();
        job["jobReference"]["projectId"] = "local".into();
        job["jobReference"]["location"] = "US".into();
        job["statistics"] = json!({ "creationTime": "1577836800000", "startTime": "1577836800000",
                                    "endTime": "1577836801000" });
        job["status"] = json!({ "state": "DONE", "errorResult": errors[0], "errors": errors });
        let answer = json_answer(200, &job);
        self.shared.jobs.lock().unwrap().failed.insert(id, job);
        Some(answer)
    }

    /// How many of the first bytes that this call brings have arrived already. Google's servers
    /// pass over them (<https://cloud.google.com/storage/docs/performing-resumable-uploads>);
    /// the one behind this proxy would take them for what comes next.
    fn known(&self, upload: &str) -> usize {
        let jobs = self.shared.jobs.lock().unwrap();
        let arrived = jobs.arrived.get(upload).copied().unwrap_or_default();
        let range = self.request.header("content-range").unwrap_or_default();
        let first = range.trim_start_matches("bytes ").split('-').next().unwrap_or_default();
        let first = first.parse().unwrap_or(arrived);
        arrived.saturating_sub(first).min(self.body.len())
    }

    /// Makes the call and merges a patch into what is answered.
    async fn forward(&self, patch: Option<Value>) -> Answer {
        let Self { shared, request, body, .. } = self;
        let mut headers = request.headers.clone();
        for name in ["host", "connection", "content-length", "transfer-encoding", "expect"] {
            headers.remove(name);
        }
        headers.insert("accept-encoding", "identity".parse().expect("it is a value"));
        let upload = request.param("upload_id").unwrap_or_default();
        let body = body.slice(self.known(&upload)..);
        let method = Method::try_from(request.method.as_str()).expect("it is a method");
        let target = format!("{}{}", shared.upstream, request.target);
        let call = shared.client.request(method, target).headers(headers).body(body);
        let response = match call.send().await {
            Ok(response) => response,
            Err(error) => return Answer::new(502, format!("nothing behind the proxy: {error}\n")),
        };
        let mut answer = Answer::new(response.status().as_u16(), "");
        if let Some(bytes) = last_byte(&response) {
            shared.jobs.lock().unwrap().arrived.insert(upload, bytes + 1);
        }
        for name in ["content-type", "location", "range", "x-guploader-uploadid"] {
            let Some(value) = response.headers().get(name).and_then(|it| it.to_str().ok()) else {
                continue;
            };
            let here = format!("http://{}", request.header("host").unwrap_or_default());
            answer.headers.push(header(name, value.replace(&shared.upstream, &here)));
            if name == "x-guploader-uploadid" {
                let job = self.job.clone().unwrap_or_default();
                shared.jobs.lock().unwrap().uploads.insert(value.to_owned(), job);
            }
        }
        answer.body = response.bytes().await.unwrap_or_default();
        if let Some(patch) = patch {
            let mut value = serde_json::from_slice(&answer.body).unwrap_or_default();
            merge(&mut value, &patch);
            answer.body = value.to_string().into();
        }
        answer
    }
}

/// Of `Range: bytes=0-99`, 99.
fn last_byte(response: &reqwest::Response) -> Option<usize> {
    let range = response.headers().get("range")?.to_str().ok()?;
    range.rsplit_once('-')?.1.parse().ok()
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Answer::new(status, body.to_string()).with("content-type", "application/json; charset=UTF-8")
}

/// A merge patch as RFC 7396 has it: null takes a member away.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, member) in members {
        if member.is_null() {
            value.as_object_mut().expect("it is one now").remove(name);
        } else {
            merge(&mut value[name.as_str()], member);
        }
    }
}
