//! `taxi deploy` against the real server, looked at through Prefect's own command line.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::prefect::PrefectServer;

const READY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deployments.yaml");

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample");

/// The program, told of the server.
pub fn taxi(server: &PrefectServer) -> Taxi {
    server.access().into_iter().fold(Taxi::new(), |taxi, (name, value)| taxi.set(&name, value))
}

pub fn deploy(taxi: &Taxi, file: &Path, more: &[&str]) -> Ran {
    let file = file.to_str().unwrap();
    taxi.run([&["deploy", "--file", file, "--output", "json"], more].concat())
}

/// What was done, one a line, with the fields that changed.
pub fn steps(ran: &Ran) -> String {
    let mut said = Vec::new();
    for step in ran.json()["steps"].as_array().unwrap() {
        let text = |name: &str| step[name].as_str().unwrap().to_owned();
        said.push(format!("{} {} {}", text("action"), text("kind"), text("name")));
        if step["action"] != "changed" {
            continue;
        }
        for change in step["changes"].as_array().into_iter().flatten() {
            let field = change["field"].as_str().unwrap();
            said.push(format!("  {field}: {} -> {}", change["before"], change["after"]));
        }
    }
    said.join("\n")
}

/// Checks that there was something to be done and that all of it was done already.
pub fn assert_unchanged(ran: &Ran) {
    let steps = steps(ran);
    assert!(!steps.is_empty());
    assert!(steps.lines().all(|step| step.starts_with("unchanged ")), "{steps}");
}

/// A file of deployments in the program's folder.
pub fn file(taxi: &Taxi, deployments: &str) -> PathBuf {
    let path = taxi.folder().join("deployments.yaml");
    std::fs::write(&path, format!("deployments:\n{deployments}")).unwrap();
    path
}

#[tokio::test]
async fn the_ready_deployments_are_brought_again_and_again_without_harm() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let first = steps(&deploy(&taxi, Path::new(READY), &[]).exits(0));
    assert!(first.contains("created deployment etl-parent-flow/monthly"), "{first}");
    assert_unchanged(&deploy(&taxi, Path::new(READY), &[]).exits(0));

    let monthly = ["deployment", "inspect", "etl-parent-flow/monthly", "--output", "json"];
    let monthly = server.prefect(&monthly).json();
    let schedule = &monthly["schedules"][0];
    assert_eq!(schedule["schedule"]["cron"], "0 6 5 * *");
    assert_eq!(schedule["schedule"]["timezone"], "America/New_York");
    assert_eq!(schedule["active"], true);
    assert_eq!(monthly["parameters"], json!({ "colour": ["yellow", "green"], "lag_months": 2 }));
    assert_eq!(monthly["work_queue_name"], "monthly");
    assert_eq!(monthly["global_concurrency_limit"]["limit"], 1);
    assert_eq!(monthly["enforce_parameter_schema"], true);

    let docker = server.deployment("etl-parent-flow/docker_flow").await;
    let variables = &docker["job_variables"];
    assert_eq!(variables["image_pull_policy"], "IfNotPresent");
    assert_eq!(variables["auto_remove"], true);
    assert_eq!(variables["networks"], json!(["nyc-taxi"]));
    let pool = server.get("work_pools/nyc-taxi-docker").await;
    assert_eq!(pool["type"], "docker");
    let command = &pool["base_job_template"]["variables"]["properties"]["command"]["default"];
    assert_eq!(command, "flow-run execute");
}

#[tokio::test]
async fn runs_are_asked_for_by_prefect_s_own_command_line_and_wrong_ones_refused() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let file = file(
        &taxi,
        "  - {name: asked, flow: etl-parent-flow, parameters: {lag_months: 2}, \
         work_pool: {name: asked, work_queue_name: first}}\n",
    );
    deploy(&taxi, &file, &[]).exits(0);
    let run = |parameters: &[&str]| {
        let mut args = vec!["deployment", "run", "etl-parent-flow/asked"];
        for parameter in parameters {
            args.extend(["-p", parameter]);
        }
        server.prefect(&args)
    };
    run(&["months=[6,7]", "year=2019"]).went_well();
    for (parameters, why) in [
        ("months=[13]", "13 is greater than the maximum of 12"),
        ("month=[6]", "not found on the deployment: 'month'"),
    ] {
        let refused = run(&[parameters]);
        let said = refused.stdout + &refused.stderr;
        assert!(!refused.ok && said.contains(why), "{parameters}: {said}");
    }
    let id = server.deployment("etl-parent-flow/asked").await["id"].as_str().unwrap().to_owned();
    let create = format!("deployments/{id}/create_flow_run");
    for fine in [json!({ "color": "yellow" }), json!({ "colour": ["fhv", "green"] })] {
        server.post(&create, json!({ "parameters": fine })).await;
    }
    for (wrong, why) in [
        (json!({ "months": ["x"] }), "'x' is not of type 'integer'"),
        (json!({ "months": [] }), "[] should be non-empty"),
        (json!({ "colour": "blue" }), "'blue' is not one of"),
        (json!({ "from": "2019" }), "'2019' does not match"),
        (json!({ "lag_months": -1 }), "-1 is less than the minimum of 0"),
        (json!({ "to_warehouse": ["oracle"] }), "'oracle' is not one of"),
    ] {
        let said = server.refuses(&create, json!({ "parameters": wrong })).await;
        assert!(said.contains(why), "{wrong}: {said}");
    }
    let filter = json!({ "deployments": { "name": { "any_": ["asked"] } } });
    let runs = server.post("flow_runs/filter", filter).await;
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["work_queue_name"] == "first"), "{runs:?}");
    let june = json!({ "lag_months": 2, "months": [6, 7], "year": 2019 });
    assert!(runs.iter().any(|run| run["parameters"] == june), "{runs:?}");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_names_each_field() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let before = "  - name: dry
    flow: ingest-data
    description: Before
    parameters: {year: 2019}
    schedules: [{cron: 0 6 5 * *}, {interval: 3600, slug: hourly, anchor_date: 2025-01-01}]
    work_pool: {name: dry, job_variables: {env: {DATABASE_URL: 'postgres://u:s3cret@h'}}}
";
    let after = "  - name: dry
    flow: ingest-data
    description: After
    tags: [new]
    parameters: {year: 2020, months: [1]}
    schedules: [{cron: 0 6 6 * *, timezone: America/New_York}, {rrule: FREQ=WEEKLY}]
    concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW}
    work_pool:
      name: dry
      work_queue_name: other
      job_variables:
        env: {DATABASE_URL: 'postgres://u:an0ther@h'}
        command: PGPASSWORD=an0ther taxi --database-url postgres://u:an0ther@h flow-run execute
";
    let path = file(&taxi, before);
    let dry = deploy(&taxi, &path, &["--dry-run"]).exits(0);
    assert!(steps(&dry).contains("created deployment ingest-data/dry"), "{}", steps(&dry));
    let named = json!({ "deployments": { "name": { "any_": ["dry"] } } });
    assert_eq!(server.post("deployments/count", named).await, json!(0));

    deploy(&taxi, &path, &[]).exits(0);
    let one = server.deployment("ingest-data/dry").await;
    let path = file(&taxi, after);
    let dry = deploy(&taxi, &path, &["--dry-run"]).exits(0);
    insta::assert_snapshot!(steps(&dry), @r#"
        unchanged work pool dry
        created work queue dry/other
        unchanged flow ingest-data
        changed deployment ingest-data/dry
          concurrency_limit: null -> 2
          concurrency_options.collision_strategy: null -> "CANCEL_NEW"
          description: "Before" -> "After"
          job_variables.command: null -> "PGPASSWORD=******** taxi --database-url postgres://u:********@h flow-run execute"
          job_variables.env.DATABASE_URL: "********" -> "********"
          parameters.months: null -> [1]
          parameters.year: 2019 -> 2020
          tags: [] -> ["new"]
          work_queue_name: "default" -> "other"
        changed schedule ingest-data/dry cron
          schedule.cron: "0 6 5 * *" -> "0 6 6 * *"
          schedule.timezone: "UTC" -> "America/New_York"
        created schedule ingest-data/dry rrule
        removed schedule ingest-data/dry hourly
        "#);
    let mut still = server.deployment("ingest-data/dry").await;
    still["updated"] = one["updated"].clone();
    assert_eq!(still, one);

    let done = deploy(&taxi, &path, &[]).exits(0);
    assert_eq!(steps(&done), steps(&dry));
    assert_unchanged(&deploy(&taxi, &path, &[]).exits(0));
    let now = server.deployment("ingest-data/dry").await;
    assert_eq!(now["id"], one["id"]);
    assert_eq!(now["parameters"], json!({ "year": 2020, "months": [1] }));
    assert_eq!(now["global_concurrency_limit"]["limit"], 2);
    assert_eq!(now["concurrency_options"]["collision_strategy"], "CANCEL_NEW");
    let slugs = now["schedules"].as_array().unwrap().iter().map(|schedule| &schedule["slug"]);
    let mut slugs: Vec<_> = slugs.map(|slug| slug.as_str().unwrap()).collect();
    slugs.sort_unstable();
    assert_eq!(slugs, ["cron", "rrule"]);

    let less = deploy(&taxi, &file(&taxi, before), &[]).exits(0);
    assert!(steps(&less).contains("concurrency_limit: 2 -> null"), "{}", steps(&less));
    let now = server.deployment("ingest-data/dry").await;
    assert_eq!(now["global_concurrency_limit"], Value::Null);
    assert_eq!(now["tags"], json!([]));
    for said in [&dry, &done, &less] {
        let said = format!("{}{}", said.stdout, said.stderr);
        assert!(!said.contains("s3cret") && !said.contains("an0ther"), "{said}");
    }
}

#[tokio::test]
async fn a_pause_and_the_schedules_of_people_outlast_a_redeploy() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let yaml = |cron: &str| {
        format!(
            "  - {{name: paused, flow: ingest-data, work_pool: {{name: paused}}, \
             schedules: [{{cron: {cron}}}]}}\n"
        )
    };
    let name = "ingest-data/paused";
    deploy(&taxi, &file(&taxi, &yaml("0 6 5 * *")), &[]).exits(0);
    let deployed = server.deployment(name).await;
    let schedule = deployed["schedules"][0]["id"].as_str().unwrap();
    server.prefect(&["deployment", "schedule", "pause", name, schedule]).went_well();
    server.prefect(&["deployment", "schedule", "create", name, "--interval", "86400"]).went_well();

    let again = deploy(&taxi, &file(&taxi, &yaml("0 7 5 * *")), &[]).exits(0);
    let said = steps(&again);
    assert!(said.contains("schedule.cron: \"0 6 5 * *\" -> \"0 7 5 * *\""), "{said}");
    let deployed = server.deployment(name).await;
    let schedules = deployed["schedules"].as_array().unwrap();
    let ours = schedules.iter().find(|schedule| schedule["slug"] == "cron").unwrap();
    assert_eq!(ours["id"], schedule);
    assert_eq!((&ours["active"], &ours["schedule"]["cron"]), (&json!(false), &json!("0 7 5 * *")));
    assert_eq!(schedules.len(), 2, "{schedules:?}");

    // Who says it in the file decides it.
    let on = yaml("0 7 5 * *").replace("{cron", "{active: true, cron");
    let said = steps(&deploy(&taxi, &file(&taxi, &on), &[]).exits(0));
    assert!(said.contains("active: false -> true"), "{said}");
}

#[test]
fn what_makes_no_sense_is_refused_before_the_server_is_asked() {
    let taxi = Taxi::new().set("PREFECT_API_URL", "http://127.0.0.1:9/api");
    let wrong = [
        "  - {name: a, flow: etl-parent-flo, work_pool: {name: p}}\n",
        "  - {name: a, flow: ingest-data, work_pool: {name: p}, parameters: {months: [13]}}\n",
        "  - {name: a, flow: ingest-data, work_pool: {name: p}, parameters: {month: [1]}}\n",
        "  - name: a\n    flow: ingest-data\n    work_pool: {name: p}\n    parameters: {year: 2020}\n    schedules: [{cron: 0 6 5 * *, parameters: {from: 2020-01}}]\n",
        "  - {name: a, flow: ingest-data, work_pool: {name: p, job_variable: {}}}\n",
    ];
    let said = wrong.map(|yaml| {
        let path = file(&taxi, yaml);
        let ran = taxi.run(["deploy"]).exits(2);
        ran.stderr.replace(path.to_str().unwrap(), "deployments.yaml")
    });
    insta::assert_snapshot!(said.concat(), @"
    error: deployments.yaml, line 2: there is no flow 'etl-parent-flo': did you mean 'etl-parent-flow'?
    error: deployments.yaml, line 2: ingest-data/a: there is no month 13: months go from 1 to 12
    error: deployments.yaml, line 2: ingest-data/a: the parameters of ingest-data are not understood: there is no parameter 'month'; did you mean 'months'?
    error: deployments.yaml, line 6: ingest-data/a: 'from' is given without 'to': a range needs both ends
    error: deployments.yaml, line 2: there is no key 'job_variable': did you mean 'job_variables'?
    ");
    let path = file(&taxi, "  - {name: a, flow: ingest-data, work_pool: {name: p}}\n");
    let ran = deploy(&taxi, &path, &["--only", "b"]).exits(2);
    assert!(ran.stderr.contains("it has ingest-data/a"), "{}", ran.stderr);
    let ran = taxi.set("TAXI_LOG", "error").run(["deploy"]).exits(1);
    insta::assert_snapshot!(ran.stderr, @"
    error: GET http://127.0.0.1:9/api/work_pools/p: Connection refused (os error 111). Does the Prefect server run, and is PREFECT_API_URL its address?
    ");
}

#[tokio::test]
async fn a_pool_that_is_another_than_the_file_says_is_left_alone() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    server.prefect(&["work-pool", "create", "other-kind", "--type", "docker"]).went_well();
    let pool = |more: &str| {
        format!("  - {{name: kind, flow: ingest-data, work_pool: {{name: other-kind{more}}}}}\n")
    };
    let ran = deploy(&taxi, &file(&taxi, &pool(", type: process")), &[]).exits(2);
    assert!(ran.stderr.contains("is of type docker, not process"), "{}", ran.stderr);
    let network = ", job_variables: {network: [a]}";
    let ran = deploy(&taxi, &file(&taxi, &pool(network)), &[]).exits(2);
    assert!(ran.stderr.contains("did you mean 'networks'?"), "{}", ran.stderr);
    let ran = deploy(&taxi, &file(&taxi, &pool(", job_variables: {networks: [a]}")), &[]).exits(0);
    assert!(steps(&ran).contains("properties.image.default"), "{}", steps(&ran));
}

#[tokio::test]
async fn every_kind_of_pool_is_made() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    for (kind, on_server, command) in [
        ("docker", "docker", "flow-run execute"),
        ("kubernetes", "kubernetes", "flow-run execute"),
        ("cloud-run", "cloud-run-v2", "taxi flow-run execute"),
        ("process", "process", "'/opt/my taxi' flow-run execute"),
    ] {
        let pool = format!("kind-{kind}");
        let yaml =
            format!("  - {{name: {kind}, flow: ingest-data, work_pool: {{name: {pool}}}}}\n");
        let more = ["--pool-type", kind, "--program", "/opt/my taxi"];
        deploy(&taxi, &file(&taxi, &yaml), &more).exits(0);
        let made = server.get(&format!("work_pools/{pool}")).await;
        let default = &made["base_job_template"]["variables"]["properties"]["command"]["default"];
        assert_eq!((&made["type"], default), (&json!(on_server), &json!(command)));
    }
}

#[tokio::test]
async fn a_worker_starts_the_program_in_its_folder_and_writes_no_traceback_when_it_crashes() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let program = taxi.folder().join("program");
    std::fs::write(&program, "#!/bin/sh\necho \"$@\" > said\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let yaml = "  - {name: worked, flow: ingest-data, work_pool: {name: worked}}\n";
    deploy(&taxi, &file(&taxi, yaml), &["--program", program.to_str().unwrap()]).exits(0);
    let worker = server.worker("worked", None).await;
    let id = server.deployment("ingest-data/worked").await["id"].as_str().unwrap().to_owned();
    let run = server.post(&format!("deployments/{id}/create_flow_run"), json!({})).await;
    let state = server.ended(run["id"].as_str().unwrap(), Duration::from_secs(60)).await;
    assert_eq!(state["type"], "CRASHED", "{}", worker.log());
    let said = std::fs::read_to_string(taxi.folder().join("said")).unwrap();
    assert_eq!(said.trim(), "flow-run execute");
    let began = std::time::Instant::now();
    while !worker.log().contains("deployment steps completed") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!worker.log().contains("Traceback"), "{}", worker.log());
}

#[tokio::test]
async fn a_run_of_the_command_line_names_its_months_in_place_of_its_deployment_s() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let yaml = format!(
        "  - name: lagging
    flow: etl-parent-flow
    parameters: {{lag_months: 2, colour: yellow}}
    work_pool: {{name: lagging, job_variables: {{env: {{TAXI_SOURCE: {SAMPLES}}}}}}}
"
    );
    deploy(&taxi, &file(&taxi, &yaml), &[]).exits(0);
    let worker = server.worker("lagging", None).await;
    let run = ["deployment", "run", "etl-parent-flow/lagging", "--watch"];
    let june = ["-p", "months=[1,2]", "-p", "year=2020", "-p", "color=green"];
    let said = server.prefect(&[&run[..], &june].concat());
    assert!(said.ok, "{}{}{}", said.stdout, said.stderr, worker.log());
    assert_eq!(taxi.files("data/green").len(), 2);
    assert!(taxi.files("data/yellow").is_empty());
}

#[tokio::test]
async fn a_server_on_postgres_is_deployed_to_as_well() {
    let database = PostgresServer::shared().await.database().await;
    let url = database.url().replace("postgres://", "postgresql+asyncpg://");
    let server = PrefectServer::start(&[("PREFECT_SERVER_DATABASE_CONNECTION_URL", &url)]).await;
    let taxi = taxi(&server);
    let first = steps(&deploy(&taxi, Path::new(READY), &[]).exits(0));
    insta::assert_snapshot!(first, @"
    created work pool nyc-taxi
    created work pool nyc-taxi-docker
    created work queue nyc-taxi/backfill
    created work queue nyc-taxi/monthly
    created flow etl-parent-flow
    created deployment etl-parent-flow/monthly
    created schedule etl-parent-flow/monthly monthly
    created deployment etl-parent-flow/green-backfill
    created flow ingest-data
    created deployment ingest-data/local
    created deployment etl-parent-flow/docker_flow
    ");
    let again = steps(&deploy(&taxi, Path::new(READY), &[]).exits(0));
    assert_eq!(again, first.replace("created ", "unchanged "));
}
