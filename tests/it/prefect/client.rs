//! The client: who asks, and troubles that pass.

use std::time::Duration;

use nyc_taxi_etl::flow::Policy;
use nyc_taxi_etl::prefect::{Access, Api, Auth, PrefectError};
use serde_json::{Value, json};

use crate::harness::taxi::Taxi;
use taxi_test_support::prefect::{CSRF, PrefectServer};

fn api(url: String, auth: Auth) -> Api {
    let soon = Duration::from_millis(10);
    let policy = Policy { retries: 4, first_delay: soon, longest_delay: soon };
    Api::new(&Access { url, auth }).unwrap().patient(policy)
}

#[tokio::test]
async fn a_guarded_server_is_told_who_asks_and_that_nothing_is_forged() {
    let asked = ("PREFECT_SERVER_API_AUTH_STRING", "admin:s3cret");
    let server = PrefectServer::start(&[asked, (CSRF, "true")]).await;
    let known = api(server.url(), Auth::Basic("admin:s3cret".to_owned()));
    let one = known.flow("etl-parent-flow").await.unwrap();
    assert_eq!(known.flow("etl-parent-flow").await.unwrap(), one);
    for auth in [Auth::None, Auth::Basic("admin:wrong".to_owned())] {
        let error = api(server.url(), auth).flow("x").await.unwrap_err();
        assert!(matches!(error, PrefectError::Unauthorized { status: 401, .. }), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    let deploy = |auth: &str| {
        let taxi = Taxi::new().set("PREFECT_API_URL", server.url());
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deployments.yaml");
        let ran = taxi.set("PREFECT_API_AUTH_STRING", auth).run(["deploy", "--file", file]);
        (ran.code, ran.stdout + &ran.stderr)
    };
    assert_eq!(deploy("admin:s3cret").0, Some(0));
    let (code, said) = deploy("admin:wrong");
    assert!(code == Some(2) && said.contains("401") && !said.contains("wrong"), "{said}");
}

#[tokio::test]
async fn what_the_server_refuses_is_told_in_its_words() {
    let server = PrefectServer::shared().await;
    let api = api(server.url(), Auth::None);
    let missing = api.get::<Value>("deployments/name/no-flow/none").await.unwrap_err();
    assert!(missing.is_missing(), "{missing}");
    let error = api.post::<Value>("deployments/", &json!({ "name": "x" })).await.unwrap_err();
    assert!(error.to_string().contains("flow_id: Field required"), "{error}");
}

#[tokio::test]
async fn a_passing_trouble_is_met_with_patience() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use taxi_test_support::http::{Answer, Server};
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Server::start(0, move |mut connection| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(request) = connection.request().await? {
                connection.body(&request).await?;
                let answer = match counted.fetch_add(1, Ordering::SeqCst) {
                    0 => Answer::new(429, "").with("retry-after", "0"),
                    1 => Answer::new(503, "{}"),
                    2 => return connection.reset().await,
                    _ => {
                        let key = request.headers.get("authorization").unwrap();
                        Answer::new(200, json!({ "id": key.to_str().unwrap() }).to_string())
                    }
                };
                connection.answer(&request, &answer).await?;
            }
            Ok(())
        }
    });
    let server = server.await.unwrap();
    let api = api(server.url(), Auth::Key("pnu_1".to_owned()));
    assert_eq!(api.flow("f").await.unwrap().as_str(), "Bearer pnu_1");
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}
