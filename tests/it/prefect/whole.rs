//! A deploy is checked whole before anything is sent, by what the servers themselves take; and
//! names that people choose.

use std::fmt::Write;

use serde_json::json;

use crate::harness::taxi::Taxi;
use crate::prefect::deploy::{assert_unchanged, deploy, file, steps, taxi};
use taxi_test_support::prefect::{PrefectServer, Version, python};

/// Expressions as people write them, right and wrong.
const CRONS: &[&str] = &[
    "0 6 5 * *",
    "*/5 * * * *",
    "0 0 * * mon-fri",
    "0 0 * * MON,WED",
    "@daily",
    "@WEEKLY",
    "@yearly",
    "@reboot",
    "@ daily",
    "0 0 L * *",
    "0 0 1,L * *",
    "0 0 5-L * *",
    "0 0 L-3 * *",
    "0 0 15W * *",
    "0 0 * * fri#2",
    "0 0 * * 5#2",
    "0 0 * * 5#6",
    "0 0 * * 5#0",
    "0 0 * * L5",
    "0 0 * * 5L",
    "0 0 * * mon-wed#1",
    "0 0 * * 1-3#1",
    "0 0 * * 1,fri#2",
    "0 0 * * *#2",
    "0 0 * * 7",
    "0 0 * * 8",
    "0 0 * * sun-sat",
    "0 0 * * fri-mon",
    "0 0 ? * mon",
    "0 0 ? * ?",
    "0 ? * * *",
    "0 0 1? * *",
    "0 0 * * * 30",
    "0 0 * * 7 30",
    "0 0 0 * * 30",
    "0 0 0 * *",
    "0 0 1 1 * 0 2027",
    "0 0 1 1 * 0 1969",
    "0 0 1 1 * 0 2100",
    "0 0 1 1 * 0 2027 1",
    "0 0 1 0 *",
    "0 0 1 jan-mar *",
    "0 0 1 dec-feb *",
    "0 0 1 january *",
    "0 0 32 * *",
    "0 24 * * *",
    "60 * * * *",
    "-1 * * * *",
    "10/5 * * * *",
    "*/0 * * * *",
    "1-10/3 * * * *",
    "1-10/0 * * * *",
    "10-1 * * * *",
    "5-5 * * * *",
    "1-2-3 * * * *",
    "*/5/3 * * * *",
    "5/ * * * *",
    "/5 * * * *",
    ",5 * * * *",
    "5,,6 * * * *",
    "5, * * * *",
    "*,5 * * * *",
    "a * * * *",
    "0x5 * * * *",
    "1.5 * * * *",
    "H * * * *",
    "h/15 * * * *",
    "0 0 * * mon,tue#1,wed#2",
    "0 0 * * tue#1,wed#2",
    "0 0 * jan#2 *",
    "* * * *",
    "",
    "* * * * * * * *",
    "5 4  *\t* sun",
    "0 0 1-0 * *",
    "0 0 0-5 * *",
    "0 0 l * l3",
    "0 0 * * l",
    "*-5 * * * *",
    "00 06 05 * *",
];

const RRULES: &[&str] = &[
    "FREQ=DAILY",
    "freq=weekly;byday=mo",
    "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=DAILY;COUNT=3",
    "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=0;BYSECOND=0;WKST=SU",
    "FREQ=MONTHLY;BYDAY=1MO,-1FR",
    "FREQ=MONTHLY;BYDAY=MO(+1)",
    "FREQ=DAILY;UNTIL=20301231T000000",
    "FREQ=DAILY;UNTIL=20301231",
    "FREQ=DAILY;UNTIL=20301231T000000Z",
    "FREQ=DAILY;UNTIL=someday",
    "FREQ=FORTNIGHTLY",
    "DAILY",
    "",
    "FREQ=DAILY;",
    "FREQ=DAILY;;COUNT=1",
    "FREQ=WEEKLY;BYDAY=XX",
    "FREQ=WEEKLY;BYDAY=0MO",
    "FREQ=WEEKLY;BYDAYS=MO",
    "FREQ=DAILY;BYHOUR=six",
    "FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO",
    "FREQ=DAILY;INTERVAL=x",
    "DTSTART:20260101T060000\nRRULE:FREQ=DAILY",
    "DTSTART:20260101T060000",
    "RDATE:20260101T060000",
    "DTSTART:20260101T060000Z\nRRULE:FREQ=DAILY;UNTIL=20301231T000000Z",
    "DTSTART:20260101T060000Z\nRRULE:FREQ=DAILY;UNTIL=20301231T000000",
    "DTSTART;TZID=America/New_York:20260101T060000\nRRULE:FREQ=DAILY",
    "FREQ=DAILY\nEXDATE:20260704T060000",
    "DTSTART;X=1:20260101T060000\nRRULE:FREQ=DAILY",
    "BEGIN:VEVENT",
    "EXRULE:FREQ=DAILY",
];

/// What only this program refuses: the server takes these, and then fails to find their next time
/// or finds none.
const STRICTER: &[&str] = &["EXRULE", "FREQ=DAILY;UNTIL=20301231T000000Z"];

/// Whether the server's own validator takes each.
fn taken(validator: &str, texts: &[&str]) -> Vec<bool> {
    let program = format!(
        "import json, sys, warnings
warnings.simplefilter('ignore')
from prefect._internal.schemas.validators import {validator} as check
def fine(text):
    try:
        check(text)
    except Exception:
        return False
    return True
print(json.dumps([fine(text) for text in json.load(sys.stdin)]))"
    );
    let mut all = Version::ALL.map(|version| {
        let said = python(version, &program, &json!(texts).to_string());
        serde_json::from_str::<Vec<bool>>(said.trim()).unwrap()
    });
    assert_eq!(all[0], all[1], "the versions differ");
    std::mem::take(&mut all[0])
}

/// A deployment with these schedules.
fn scheduled(name: &str, kind: &str, texts: &[&str]) -> String {
    let mut yaml = format!(
        "  - name: {name}\n    flow: ingest-data\n    work_pool: {{name: whole-{kind}}}\n    schedules:\n"
    );
    for text in texts {
        let _ = writeln!(yaml, "      - {kind}: {}\n        active: false", json!(text));
    }
    yaml
}

/// Each is refused here exactly if the server refuses it, and what is taken here is taken there.
async fn agrees(kind: &str, validator: &str, texts: &[&str]) {
    let taken = taken(validator, texts);
    let local = Taxi::new().set("PREFECT_API_URL", "http://127.0.0.1:9/api");
    let mut fine = Vec::new();
    for (text, taken) in texts.iter().zip(taken) {
        let stricter = STRICTER.iter().any(|start| text.starts_with(start));
        if taken && !stricter {
            fine.push(*text);
        } else if !taken {
            let path = file(
                &local,
                &scheduled("wrong", kind, &["@daily", text][usize::from(kind != "cron")..]),
            );
            let ran = deploy(&local, &path, &["--dry-run"]);
            assert_eq!(ran.code, Some(2), "{text:?}: {}", ran.stderr);
            assert!(ran.stderr.contains("deployments.yaml, line "), "{text:?}: {}", ran.stderr);
        }
    }
    for version in Version::ALL {
        let server = PrefectServer::shared_version(version).await;
        let taxi = taxi(server);
        let path = file(&taxi, &scheduled(&format!("all-{kind}"), kind, &fine));
        deploy(&taxi, &path, &[]).exits(0);
        let deployed = server.deployment(&format!("ingest-data/all-{kind}")).await;
        assert_eq!(deployed["schedules"].as_array().unwrap().len(), fine.len());
        assert_unchanged(&deploy(&taxi, &path, &[]).exits(0));
        server.delete(&format!("deployments/{}", deployed["id"].as_str().unwrap())).await;
    }
}

#[tokio::test]
async fn cron_is_read_as_the_servers_read_it() {
    agrees("cron", "validate_cron_string", CRONS).await;
}

#[tokio::test]
async fn rrules_are_read_as_the_servers_read_them() {
    agrees("rrule", "validate_rrule_string", RRULES).await;
}

#[tokio::test]
async fn intervals_anchors_and_time_zones_are_taken_by_the_servers_as_they_pass_here() {
    let yaml = "  - name: anchored
    flow: ingest-data
    work_pool: {name: whole-anchored}
    schedules:
      - {interval: 1, slug: a, active: false}
      - {interval: 3600.5, slug: b, anchor_date: 2026-01-31}
      - {interval: 86400, slug: c, anchor_date: '2026-01-31T06:00:00Z', timezone: US/Eastern}
      - {interval: 86400, slug: d, anchor_date: '2026-01-31 06:00:00', timezone: UTC}
      - {interval: 86400, slug: e, anchor_date: '2026-01-31T06:00', timezone: Europe/Paris}
      - {interval: 86400, slug: f, anchor_date: '2026-01-31T06:00:00.5+01:00'}
      - {interval: 3162240000, slug: g, anchor_date: '1999-12-31', timezone: Etc/GMT+5}
";
    for version in Version::ALL {
        let server = PrefectServer::shared_version(version).await;
        let taxi = taxi(server);
        let path = file(&taxi, yaml);
        deploy(&taxi, &path, &[]).exits(0);
        assert_unchanged(&deploy(&taxi, &path, &[]).exits(0));
    }
}

#[tokio::test]
async fn one_wrong_deployment_of_three_and_nothing_is_deployed() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let wrong = [
        ("    schedules: [{cron: 0 6 5 * *, timezone: America/New_Yrok}]\n", "New_York"),
        ("    schedules:\n      - cron: 0 6 5 * *\n      - cron: 0 6 32 * *\n", "day of month"),
        ("    schedules: [{rrule: FREQ=DAYLY}]\n", "FREQ=DAYLY"),
        ("    schedules: [{rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31}]\n", "never comes"),
        ("    tags: [null]\n", "a text is wanted here"),
        ("    schedules: [{interval: 3600, anchor_date: 31.01.2026}]\n", "anchor_date"),
        ("    schedules: [{interval: -5}]\n", "interval"),
        ("    parameters: {month: [1]}\n", "did you mean 'months'?"),
        ("    parameters: {color: green, colour: green}\n", "are the same parameter"),
        ("    parameters: {months: 1-3}\n", "'months' must be a list"),
        ("    concurrency_limit: {limit: 1, grace_period_seconds: 10}\n", "from 60 to 86400"),
    ];
    let pools = [
        ("prefect-half", "reserved by Prefect"),
        ("'half%'", "does not allow"),
        ("half, work_queue_name: a/b", "does not allow"),
        (
            "half, job_variables: {stream_output: often}",
            "'stream_output' of pool 'half' must be true or false",
        ),
        (
            "half, job_variables: {env: {PORT: 5432}}",
            "'env.PORT' of pool 'half' must be a text in quotes",
        ),
        ("half, job_variables: {comand: x}", "did you mean 'command'?"),
    ];
    let one = |name: &str, pool: &str, more: &str| {
        format!("  - name: {name}\n    flow: ingest-data\n    work_pool: {{name: {pool}}}\n{more}")
    };
    let wrong = wrong.map(|(more, why)| (one("half-2", "half", more), why));
    let pools = pools.map(|(pool, why)| (one("half-2", pool, ""), why));
    for (second, why) in wrong.into_iter().chain(pools) {
        let yaml = one("half-1", "half", "") + &second + &one("half-3", "half", "");
        let path = file(&taxi, &yaml);
        let [dry, real] = [&["--dry-run"][..], &[]].map(|more| deploy(&taxi, &path, more).exits(2));
        assert_eq!(dry.stderr, real.stderr);
        assert!(real.stderr.contains(why), "{why}: {}", real.stderr);
        let line: usize = real
            .stderr
            .split(", line ")
            .nth(1)
            .unwrap()
            .split(':')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!((5..=12).contains(&line), "{}", real.stderr);
    }
    let named = json!({ "deployments": { "name": { "like_": "half-" } } });
    assert_eq!(server.post("deployments/count", named).await, json!(0));
    let pools = server.post("work_pools/filter", json!({})).await;
    assert!(pools.as_array().unwrap().iter().all(|pool| pool["name"] != "half"), "{pools}");
}

#[tokio::test]
async fn names_with_any_character_are_deployed_once_and_a_person_s_schedule_stays() {
    let names = [
        "nightly #1",
        "is it?",
        "Zürich + Genève",
        r"back\slash",
        "a+b=c;d",
        "it's \"quoted\"",
        "~.-_",
    ];
    for version in Version::ALL {
        let server = PrefectServer::shared_version(version).await;
        let taxi = taxi(server);
        let mut yaml = String::new();
        for name in names {
            let text = json!(name);
            let _ = writeln!(
                yaml,
                "  - {{name: {text}, flow: ingest-data, schedules: [{{cron: '@monthly'}}], \
                 work_pool: {{name: {text}, work_queue_name: {text}}}}}"
            );
        }
        let path = file(&taxi, &yaml);
        deploy(&taxi, &path, &[]).exits(0);
        let mut made = Vec::new();
        for name in names {
            let filter = json!({ "deployments": { "name": { "any_": [name] } } });
            let found = server.post("deployments/filter", filter).await;
            let [one] = &found.as_array().unwrap()[..] else { panic!("{name}: {found}") };
            assert_eq!(
                (&one["work_pool_name"], &one["work_queue_name"]),
                (&json!(name), &json!(name))
            );
            let id = one["id"].as_str().unwrap().to_owned();
            let schedule = json!([{ "schedule": { "interval": 86400 } }]);
            server.post(&format!("deployments/{id}/schedules"), schedule).await;
            made.push(id);
        }
        for more in [&["--dry-run"][..], &[], &[]] {
            assert_unchanged(&deploy(&taxi, &path, more).exits(0));
        }
        // And changed where it is.
        let path = file(&taxi, &yaml.replace("@monthly", "@weekly"));
        let changed = steps(&deploy(&taxi, &path, &[]).exits(0));
        assert_eq!(changed.matches("changed schedule ").count(), names.len(), "{changed}");
        for (name, id) in names.iter().zip(made) {
            let now = server.get(&format!("deployments/{id}")).await;
            assert_eq!(
                now["schedules"].as_array().unwrap().len(),
                2,
                "{name}: {}",
                now["schedules"]
            );
            let full = format!("ingest-data/{name}");
            let ran = taxi.run(["flow-run", "create", &full, "--output", "json"]).exits(0);
            assert_eq!(ran.json()["created"], json!(2));
        }
    }
}

#[tokio::test]
async fn what_the_server_refuses_shows_no_value_of_the_environment() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    // A pool of people whose template wants more than this program looks at.
    let template = json!({
        "job_configuration": { "command": "{{ command }}", "env": "{{ env }}" },
        "variables": { "type": "object", "properties": {
            "command": { "type": "string" },
            "env": { "type": "object", "additionalProperties": { "type": "string", "maxLength": 5 } },
        } },
    });
    let pool = json!({ "name": "strict", "type": "process", "base_job_template": template });
    server.post("work_pools/", pool).await;
    let yaml = "  - {name: strict, flow: ingest-data, work_pool: {name: strict, job_variables: \
                {env: {DATABASE_URL: 'postgres://u:s3cret@h/d'}}}}\n";
    let ran = deploy(&taxi, &file(&taxi, yaml), &[]).exits(1);
    assert!(ran.stderr.contains("env.DATABASE_URL"), "{}", ran.stderr);
    assert!(!(ran.stdout + &ran.stderr).contains("s3cret"));
}
