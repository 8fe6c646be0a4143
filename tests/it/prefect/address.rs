//! PREFECT_API_URL is not the address of Prefect's API.

use crate::harness::taxi::Taxi;
use crate::prefect::deploy::file;
use taxi_test_support::http::{Answer, Server};
use taxi_test_support::prefect::{PrefectServer, Version};

const RUN: &str = "8ffd4d6a-6a0b-4b09-9e0a-0e7b3b6b6d3f";

/// What each command that speaks to the server says at this address.
fn said(url: &str) -> Vec<String> {
    let taxi = Taxi::new().set("PREFECT_API_URL", url);
    file(&taxi, "  - {name: a, flow: ingest-data, work_pool: {name: p}}\n");
    let commands: [&[&str]; 5] = [
        &["deploy"],
        &["deploy", "--dry-run"],
        &["flow-run", "create", "ingest-data/a"],
        &["flow-run", "execute", "--id", RUN],
        &["run", "etl-web-to-gcs", "--lake", "prefect:gcs-bucket/zoom"],
    ];
    let ran = commands.map(|command| {
        let ran = taxi.run(command);
        assert!(matches!(ran.code, Some(1 | 2)), "{command:?}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout, "", "{command:?}");
        ran.stderr
    });
    ran.into()
}

/// A server that answers everything like this.
async fn server(answer: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> Server {
    let server = Server::start(0, move |mut connection| {
        let answer = answer.clone();
        async move {
            while let Some(request) = connection.request().await? {
                connection.body(&request).await?;
                connection.answer(&request, &answer(&request.target)).await?;
            }
            Ok(())
        }
    });
    server.await.unwrap()
}

#[tokio::test]
async fn that_api_is_missing_is_said_by_every_command() {
    for version in Version::ALL {
        let url = PrefectServer::shared_version(version).await.url();
        let bare = url.trim_end_matches("/api");
        for given in [bare.to_owned(), format!("{bare}/")] {
            for said in said(&given) {
                assert!(said.contains("('/api' is missing): set PREFECT_API_URL="), "{said}");
                assert!(said.contains(&url), "{said}");
            }
        }
        // Copied from the browser.
        for page in ["dashboard", "api/docs", "v2/runs"] {
            for said in said(&format!("{bare}/{page}")) {
                assert!(said.contains(&format!("set PREFECT_API_URL={url}")), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn that_api_is_missing_is_said_behind_a_path_and_beside_the_pages_of_the_ui() {
    let proxy = server(|target| match target {
        "/prefect/api/health" => Answer::new(200, "true"),
        // The pages of the UI answer whatever they are asked for.
        _ => Answer::new(200, "<!DOCTYPE html><title>Prefect</title>"),
    });
    let proxy = proxy.await;
    for said in said(&format!("{}/prefect", proxy.url())) {
        assert!(said.contains("('/api' is missing)"), "{said}");
        assert!(said.contains(&format!("{}/prefect/api", proxy.url())), "{said}");
    }
}

#[tokio::test]
async fn what_is_not_prefect_is_told_as_that() {
    let pages = server(|_| Answer::new(200, "<html>Welcome</html>")).await;
    let nothing = server(|_| Answer::new(404, "<html>nginx</html>")).await;
    let json = server(|_| Answer::new(404, r#"{"detail": "Not Found"}"#)).await;
    for (server, page) in [(&pages, true), (&nothing, true), (&json, false)] {
        for said in said(&format!("{}/api", server.url())) {
            assert!(said.contains("no Prefect API answers there"), "{said}");
            assert_eq!(said.contains("a page for a browser"), page, "{said}");
            assert!(!said.contains("<html>"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_login_page_before_the_server_is_told_with_where_it_leads() {
    let to = "https://login.example/start?secret=s3cret";
    let gate = server(move |_| Answer::new(302, "").with("location", to)).await;
    for said in said(&format!("{}/api", gate.url())) {
        assert!(said.contains("answers 302 and leads to https://login.example: "), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_which_setting_says_who_it_is() {
    let taxi = |url: String, name: &str, value: &str| {
        let taxi = Taxi::new().set("PREFECT_API_URL", url).set(name, value);
        file(&taxi, "  - {name: a, flow: ingest-data, work_pool: {name: p}}\n");
        taxi.run(["deploy"]).exits(2).stderr
    };
    let asks = server(|_| Answer::new(401, "{}")).await;
    let url = format!("{}/api", asks.url());
    let mut said = taxi(url.clone(), "NO_COLOR", "1");
    said += &taxi(url.clone(), "PREFECT_API_KEY", "pnu_s3cret");
    said += &taxi(url.clone(), "PREFECT_API_AUTH_STRING", "admin:s3cret");
    let forbids = server(|_| Answer::new(403, r#"{"detail": "s3cret may not"}"#)).await;
    let other = format!("{}/api", forbids.url());
    said += &taxi(other.clone(), "PREFECT_API_AUTH_STRING", "admin:s3cret");
    let said = said.replace(&url, "SERVER").replace(&other, "SERVER");
    insta::assert_snapshot!(said, @"
    error: GET SERVER/work_pools/p: the Prefect server answers 401: it asks who you are; set PREFECT_API_AUTH_STRING to the user:password of the server, or PREFECT_API_KEY to a key of Prefect Cloud
    error: GET SERVER/work_pools/p: the Prefect server answers 401: it does not accept PREFECT_API_KEY, which is for Prefect Cloud; a server of your own takes PREFECT_API_AUTH_STRING (user:password) instead
    error: GET SERVER/work_pools/p: the Prefect server answers 401: it does not accept PREFECT_API_AUTH_STRING; set it to the user:password that the server was started with
    error: GET SERVER/work_pools/p: the Prefect server answers 403: it does not allow this to whoever PREFECT_API_KEY or PREFECT_API_AUTH_STRING says you are (******** may not)
    ");
}
