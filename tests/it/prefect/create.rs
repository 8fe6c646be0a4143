//! `taxi flow-run create`: a backfill of a deployment, split by month.

use serde_json::json;

use crate::harness::taxi::{Ran, Taxi};
use crate::prefect::deploy::{deploy, file, taxi};
use taxi_test_support::prefect::PrefectServer;

fn create(taxi: &Taxi, deployment: &str, more: &[&str]) -> Ran {
    taxi.run([&["flow-run", "create", deployment], more].concat())
}

/// The months with what became of them.
fn months(ran: &Ran) -> String {
    let runs = ran.json()["runs"].clone();
    let month = |run: &serde_json::Value| {
        format!(
            "{} {} {} {}",
            run["month"],
            run["created"],
            run["state"],
            run["flow_run"].is_string()
        )
    };
    runs.as_array().unwrap().iter().map(month).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn each_month_and_colour_is_a_run_of_its_own_and_asked_for_once() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let yaml = "  - {name: split, flow: etl-parent-flow, work_pool: {name: split}, \
                parameters: {lag_months: 2, to_warehouse: [bigquery]}}\n";
    deploy(&taxi, &file(&taxi, yaml), &[]).exits(0);
    let name = "etl-parent-flow/split";
    let runs = json!({ "deployments": { "name": { "any_": ["split"] } } });

    let asked = ["--colour", "green,yellow", "--from", "2019-12", "--to", "2020-01"];
    let asked = [&asked[..], &["--to-warehouse", "postgres", "--output", "json"]].concat();
    let dry = create(&taxi, name, &[&asked[..], &["--dry-run"]].concat()).exits(0);
    insta::assert_snapshot!(months(&dry), @r#"
    "green 2019-12" true null false
    "green 2020-01" true null false
    "yellow 2019-12" true null false
    "yellow 2020-01" true null false
    "#);
    assert_eq!(server.post("flow_runs/count", runs.clone()).await, json!(0));

    let ran = create(&taxi, name, &asked).exits(0);
    assert_eq!((&ran.json()["created"], &ran.json()["there_already"]), (&json!(4), &json!(0)));
    assert!(months(&ran).starts_with(r#""green 2019-12" true "Scheduled" true"#), "{}", ran.stdout);
    let run = ran.json()["runs"][3]["flow_run"].as_str().unwrap().to_owned();
    let made = server.get(&format!("flow_runs/{run}")).await;
    assert_eq!((&made["name"], &made["tags"]), (&json!("yellow 2020-01"), &json!(["backfill"])));
    let parameters = json!({
        "colour": "yellow", "from": "2020-01", "to": "2020-01", "to_warehouse": ["postgres"],
        "lag_months": 2,
    });
    assert_eq!(made["parameters"], parameters);

    // Once more, and with a month more.
    let longer = asked.iter().map(|&arg| if arg == "2020-01" { "2020-02" } else { arg });
    let longer: Vec<_> = longer.collect();
    let ran = create(&taxi, name, &longer).exits(0);
    assert_eq!((&ran.json()["created"], &ran.json()["there_already"]), (&json!(2), &json!(4)));
    assert_eq!(ran.json()["runs"][4]["flow_run"], json!(run));
    assert_eq!(server.post("flow_runs/count", runs.clone()).await, json!(6));

    let ran = create(&taxi, name, &[&asked[..], &["--tag", "again"]].concat()).exits(0);
    assert_eq!(ran.json()["created"], json!(4));
    assert_eq!(server.post("flow_runs/count", runs).await, json!(10));
}

#[tokio::test]
async fn what_became_of_runs_that_are_there_is_told() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let yaml = "  - {name: told, flow: ingest-data, work_pool: {name: told}}\n";
    deploy(&taxi, &file(&taxi, yaml), &[]).exits(0);
    let name = "ingest-data/told";
    let first = create(&taxi, name, &["--output", "json"]).exits(0);
    let run = first.json()["runs"][1]["flow_run"].as_str().unwrap().to_owned();
    let crashed = json!({ "state": { "type": "CRASHED", "name": "Crashed" }, "force": true });
    server.post(&format!("flow_runs/{run}/set_state"), crashed).await;

    let ran = create(&taxi, name, &["--year", "2020", "--months", "1-3"]).exits(0);
    // Without the ids.
    let plain = ran.stdout.lines().map(|line| line.get(..42).unwrap_or(line).trim_end());
    let plain: Vec<_> = plain.collect();
    insta::assert_snapshot!(plain[..4].join("\n"), @"
    month          is             state
    green 2020-01  there already  Scheduled
    green 2020-02  there already  Crashed
    green 2020-03  created        Scheduled
    ");
    assert!(ran.stdout.ends_with("1 created, 2 there already (1 Crashed, 1 Scheduled)\n"));
    assert!(ran.stderr.contains("1 of these runs failed"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_backfill_that_makes_no_sense_is_refused() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let said = [
        create(&taxi, "ingest-data/none", &[]),
        create(&taxi, "ingest-data", &[]),
        create(&taxi, "ingest-date/none", &[]),
        create(&taxi, "ingest-data/none", &["--to-warehouse", "postgres"]),
        create(&taxi, "ingest-data/none", &["--from", "2020-02", "--to", "2020-01"]),
    ];
    let said = said.map(|ran| ran.exits(2).stderr.replace(&server.url(), "SERVER"));
    insta::assert_snapshot!(said.concat(), @"
    error: there is no deployment 'ingest-data/none' on SERVER: 'taxi deploy' creates those in deployments.yaml
    error: invalid value 'ingest-data' for '<FLOW/DEPLOYMENT>': write it as flow/name, such as etl-parent-flow/monthly

    For more information, try '--help'.
    error: unknown flow 'ingest-date'; expected one of etl-web-to-gcs, etl-gcs-to-bq, etl-gcs-to-postgres, ingest-data, etl-parent-flow
    error: the parameters of ingest-data are not understood: there is no parameter 'to_warehouse'; did you mean 'to'?
    error: the months 2020-02 to 2020-01 are in the wrong order: put the earlier one first
    ");
}
