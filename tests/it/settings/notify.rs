//! Notifications about the end of a run.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::with;
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::http::{Answer, Server};
use taxi_test_support::web::{Fault, Web};

/// A server that takes messages as Slack does, and answers as it is told: 0 is silence.
struct Hook {
    server: Server,
    answers: Arc<Mutex<Vec<u16>>>,
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    async fn start() -> Self {
        let answers = Arc::<Mutex<Vec<u16>>>::default();
        let posted = Arc::<Mutex<Vec<Value>>>::default();
        let shared = (Arc::clone(&answers), Arc::clone(&posted));
        let server = Server::start(0, move |mut connection| {
            let (answers, posted) = shared.clone();
            async move {
                while let Some(request) = connection.request().await? {
                    assert_eq!(request.header("content-type"), Some("application/json"));
                    let body = connection.body(&request).await?;
                    posted.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    let answer = answers.lock().unwrap().pop().unwrap_or(200);
                    if answer == 0 {
                        return connection.stall().await;
                    }
                    connection.answer(&request, &Answer::new(answer, "ok")).await?;
                }
                Ok(())
            }
        });
        Self { server: server.await.unwrap(), answers, posted }
    }

    /// The answers to come, the first last.
    fn answers(&self, answers: &[u16]) {
        *self.answers.lock().unwrap() = answers.to_vec();
    }

    /// What was posted since it was last asked.
    fn posted(&self) -> Vec<Value> {
        std::mem::take(&mut self.posted.lock().unwrap())
    }

    /// A program that tells this server, and knows the address from the environment.
    fn taxi(&self, on: &str) -> Taxi {
        let toml = format!("retries = 0\n[notify]\nwebhook = {{ env = 'HOOK' }}\non = '{on}'\n");
        with(&toml).set("HOOK", format!("{}/services/hush", self.server.url()))
    }
}

/// Runs a month that fails, and that may not be shown.
async fn failing(taxi: &Taxi) -> Ran {
    let web = Web::start().await;
    web.always("/*", Fault::status(410));
    let source = format!("{}/{{colour}}-{{year}}-{{month}}?sig=hush", web.url());
    taxi.run(month_args("green", "2020-01", &source)).exits(1)
}

#[tokio::test]
async fn a_failed_run_tells_which_months_failed_and_why() {
    let hook = Hook::start().await;
    let ran = failing(&hook.taxi("failure")).await;
    assert!(!ran.stderr.contains("told"), "{}", ran.stderr);
    let posted = hook.posted();
    let [message] = posted.as_slice() else { panic!("{posted:?}") };
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("*etl-web-to-gcs* on "), "{text}");
    assert!(text.contains(": 1 of 1 month failed, in "), "{text}");
    assert!(text.contains("• green 2020-01: "), "{text}");
    assert!(text.contains("answers 410"), "{text}");
    assert!(text.contains("month          state   read  kept  set aside  loaded"), "{text}");
    assert_eq!(message["blocks"][2]["text"]["type"], "mrkdwn");
    assert!(!message.to_string().contains("hush"), "{message}");
}

#[tokio::test]
async fn a_run_that_ends_well_tells_only_who_asks_for_it() {
    let hook = Hook::start().await;
    let args = month_args("green", "2020-01", "./");
    hook.taxi("failure").run(&args).exits(0);
    assert_eq!(hook.posted(), Vec::<Value>::new());
    hook.taxi("always").run(&args).exits(0);
    let posted = hook.posted();
    assert!(posted[0]["text"].as_str().unwrap().contains("1 month done"), "{posted:?}");
}

#[tokio::test]
async fn a_webhook_that_fails_fails_no_run() {
    let hook = Hook::start().await;
    let taxi = hook.taxi("always");
    let args = month_args("green", "2020-01", "./");
    hook.answers(&[200, 503]);
    let ran = taxi.run(&args).exits(0);
    assert!(!ran.stderr.contains("the notification was not sent"), "{}", ran.stderr);
    assert_eq!(hook.posted().len(), 2, "once more after a passing trouble");

    hook.answers(&[200, 404]);
    let ran = taxi.run(&args).exits(0);
    assert!(
        ran.stderr.contains("the webhook at 127.0.0.1 answers 404 Not Found"),
        "{}",
        ran.stderr
    );
    assert_eq!(hook.posted().len(), 1, "and not after another");

    let ran = hook.taxi("always").set("HOOK", "http://127.0.0.1:1/hush").run(&args).exits(0);
    assert!(ran.stderr.contains("cannot be reached: Connection refused"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);

    let ran = hook.taxi("always").set("HOOK", "").run(&args).exits(0);
    assert!(ran.stderr.contains("the environment variable HOOK is not set"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_silent_webhook_is_given_up() {
    let hook = Hook::start().await;
    hook.answers(&[0, 0]);
    let started = Instant::now();
    let ran = hook.taxi("always").run(month_args("green", "2020-01", "./")).exits(0);
    assert!(ran.stderr.contains("no answer within 10 s"), "{}", ran.stderr);
    assert!(started.elapsed() < Duration::from_secs(120));
    assert_eq!(hook.posted().len(), 2);
}
