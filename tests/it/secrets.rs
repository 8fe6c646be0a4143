//! No secret is shown, however it is given and whatever goes wrong.
//!
//! Every secret here has this mark in it, which is looked for in all that is printed, logged,
//! journalled, posted or left in files.

mod traces;

use std::fs;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::web::{Fault, Web};

const MARK: &str = "MARKx7Qz";

/// The key of a service account whose private key is not one, so that nobody is asked.
fn key() -> String {
    let lines = format!("{MARK}{MARK}{MARK}{MARK}\\n").repeat(3);
    format!(
        "{{\"type\": \"service_account\", \"project_id\": \"p\", \"private_key_id\": \"{MARK}id\", \
         \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n{lines}-----END PRIVATE KEY-----\\n\", \
         \"client_email\": \"me@p.iam.gserviceaccount.com\"}}"
    )
}

/// Credentials of other types, with secrets in them.
fn others() -> Vec<String> {
    [
        ("external_account", "credential_source"),
        ("impersonated_service_account", "source_credentials"),
        ("external_account_authorized_user", "refresh_token"),
        ("gdch_service_account", "private_key"),
    ]
    .map(|(kind, secret)| format!("{{\"type\": \"{kind}\", \"{secret}\": \"{MARK}secret\"}}"))
    .into()
}

/// A key in the spellings that reach the program.
fn spellings() -> Vec<String> {
    let key = key();
    let base64 = BASE64_STANDARD.encode(&key);
    let wrapped: Vec<&str> =
        base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    vec![
        format!("'{key}'"),
        format!("\"{key}\""),
        serde_json::to_string(&key).unwrap(),
        key.replace('"', "\\\""),
        key.replace("\\n", "\n"),
        wrapped.join("\n"),
        BASE64_URL_SAFE_NO_PAD.encode(&key),
        base64,
        key,
    ]
}

/// What else may be given for one: what is left of one, a token, a path, another type.
fn all() -> Vec<String> {
    let key = key();
    let broken = [
        key[..key.len() - 40].to_owned(),
        BASE64_STANDARD.encode(&key)[4..].to_owned(),
        format!("{MARK}-token"),
        format!("/run/secrets/{MARK}"),
    ];
    spellings().into_iter().chain(broken).chain(others()).collect()
}

const COMMANDS: [&[&str]; 9] = [
    &["config"],
    &["config", "--output", "json"],
    &["connections", "list"],
    &["connections", "test"],
    &["status", "--colour", "green", "--year", "2020", "--to-warehouse", "bigquery"],
    &["verify", "--colour", "green", "--year", "2020", "--to-warehouse", "bigquery"],
    &["quarantine", "--month", "2020-01"],
    &["run", "etl-web-to-gcs", "--source", "./", "--dry-run"],
    &["run", "etl-parent-flow", "--source", "./", "--to-warehouse", "bigquery"],
];

/// Fails if a mark is in what was said, or in a file that the program left. What is in base64 or
/// cut has no mark of its own: its beginning is looked for.
fn assert_hidden(taxi: &Taxi, ran: &Ran, given: &str, what: &str) {
    let begins: String = given.chars().take(24).collect();
    let mut texts = vec![ran.stdout.clone(), ran.stderr.clone()];
    for file in taxi.files("") {
        if !["taxi.toml", "key.json"].contains(&file.as_str()) {
            let bytes = fs::read(taxi.folder().join(&file)).unwrap();
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    for text in texts {
        assert!(!text.contains(MARK), "{what}: {text}");
        let own = begins.len() == 24 && !begins.starts_with('{');
        assert!(!own || !text.contains(&begins), "{what}: {text}");
    }
}

#[test]
fn credentials_are_hidden_in_every_spelling_by_every_command() {
    for given in all() {
        for how in ["TAXI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"] {
            let taxi = Taxi::new()
                .set("TAXI_LAKE", "gs://lake/trips")
                .set("TAXI_PROJECT", "p")
                .set("TAXI_LOG", "trace")
                .set(how, given.clone());
            for command in COMMANDS {
                let ran = taxi.run(command);
                assert_hidden(&taxi, &ran, &given, &format!("{how} {command:?}"));
            }
        }
    }
}

#[test]
fn credentials_of_a_flag_are_hidden_and_left_out_of_the_commands_that_mend() {
    let taxi = Taxi::new().set("TAXI_LAKE", "there").set("TAXI_PROJECT", "p");
    fs::create_dir(taxi.folder().join("there")).unwrap();
    let spelled = |command: &'static [&str], given: &str| {
        let given = ["--credentials".to_owned(), given.to_owned()];
        taxi.run(command.iter().map(|&word| word.to_owned()).chain(given))
    };
    for given in all() {
        for command in COMMANDS {
            assert_hidden(&taxi, &spelled(command, &given), &given, &format!("{command:?}"));
        }
    }
    let status: &[&str] = &["status", "--colour", "green", "--year", "2020", "--output", "json"];
    let mend = spelled(status, &key()).exits(0).json()["mend"].to_string();
    assert!(mend.contains("etl-web-to-gcs") && !mend.contains("credentials"), "{mend}");
    fs::write(taxi.folder().join("key.json"), key()).unwrap();
    let mend = spelled(status, "key.json").exits(0).json()["mend"].to_string();
    assert!(mend.contains("--credentials key.json"), "{mend}");
}

#[test]
fn a_key_in_any_spelling_is_used() {
    for given in spellings() {
        // What is wrong with it is found out only when it is used.
        let taxi = Taxi::new().set("TAXI_LAKE", "gs://lake").set("TAXI_CREDENTIALS", given);
        let said = taxi.run(["run", "etl-web-to-gcs", "--source", "./"]).exits(2).stderr;
        assert!(said.contains("their private key cannot be read"), "{said}");
    }
}

#[test]
fn credentials_that_cannot_be_used_are_refused_by_their_type() {
    for (kind, words) in [
        ("external_account", "workload identity federation"),
        ("impersonated_service_account", "impersonation"),
    ] {
        let json = format!("{{\"type\": \"{kind}\", \"audience\": \"{MARK}\"}}");
        let taxi = Taxi::new().set("TAXI_LAKE", "gs://lake/trips").set("TAXI_CREDENTIALS", json);
        let said = taxi.run(["run", "etl-web-to-gcs"]).exits(2).stderr;
        assert!(said.contains(&format!("'{kind}'")) && said.contains(words), "{said}");
        assert!(!said.contains(MARK), "{said}");
    }
}

#[test]
fn the_command_line_is_refused_without_repeating_a_secret() {
    let taxi = Taxi::new();
    let key = key();
    let key = key.as_str();
    let url = format!("postgres://me:{MARK}@h/d");
    let (s3, signed) = (format!("s3://KEY:{MARK}@b/p"), format!("https://h/x?sig={MARK}"));
    let base64 = BASE64_STANDARD.encode(format!("{{\"refresh_token\": \"{MARK}\"}}"));
    let dsn = format!("host=h password={MARK}");
    let (typo, joined) = (format!("--credential={key}"), format!("--lake={s3}"));
    let wrong: &[&[&str]] = &[
        &["run", "etl-web-to-gcs", key],
        &["run", "etl-web-to-gcs", "--credential", key],
        &["run", "etl-web-to-gcs", &typo],
        &["run", "etl-web-to-gcs", "--lake", &s3],
        &["run", "etl-web-to-gcs", &joined],
        &["run", "etl-web-to-gcs", "--lake", key],
        &["run", "etl-web-to-gcs", "--lake", &url],
        &["run", "etl-web-to-gcs", "--lake", &base64],
        &["run", "etl-web-to-gcs", "--year", &base64],
        &["run", "etl-web-to-gcs", "--source", &signed],
        &["run", "etl-web-to-gcs", "--months", &url],
        &["run", "etl-web-to-gcs", "--jobs", &url],
        &["run", "etl-web-to-gcs", "--profile", key],
        &["run", "etl-gcs-to-bq", "--bigquery", key],
        &["run", "etl-gcs-to-postgres", "--postgres", &url],
        &["run", "etl-gcs-to-postgres", "--postgres", &dsn],
        &["run", key],
        &["connections", "test", &url],
        &["status", "--credentials", MARK, "--database-url", &url, "--jobs", "x"],
        &[key],
    ];
    for args in wrong {
        let ran = taxi.run(*args).exits(2);
        assert_hidden(&taxi, &ran, key, &format!("{args:?}"));
        assert!(!ran.stderr.contains(&base64), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    for (name, value) in
        [("TAXI_LAKE", s3.as_str()), ("TAXI_MONTHS", url.as_str()), ("TAXI_JOBS", key)]
    {
        let taxi = Taxi::new().set(name, value);
        let ran = taxi.run(["run", "etl-web-to-gcs"]).exits(2);
        assert_hidden(&taxi, &ran, value, name);
    }
}

#[tokio::test]
async fn passwords_and_signatures_are_hidden_whatever_fails() {
    let web = Web::start().await;
    web.always("/*", Fault::status(410));
    let source = web.url().replace("http://", &format!("http://me:{MARK}pass@"))
        + "/{colour}/{year}-{month}";
    let source = format!("{source}?sig={MARK}%2Fsig");
    let hook = web.url() + "/services/" + MARK;
    let database = format!("postgres://me:{MARK}%40word@127.0.0.1:1/d?connect_timeout=1");
    let toml = format!(
        "retries = 0\n[notify]\nwebhook = '{hook}'\n[postgres.far]\nurl = '{database}'\n\
         [postgres.parts]\nhost = '127.0.0.1'\nport = 1\npassword = '{MARK}parts'\n"
    );
    let taxi = Taxi::new()
        .set("TAXI_SOURCE", &source)
        .set("TAXI_ZONES", format!("{}/zones?sig={MARK}", web.url()))
        .set("DATABASE_URL", &database)
        .set("PGPASSWORD", format!("{MARK}env"))
        .set("TAXI_LOG", "trace");
    fs::write(taxi.folder().join("taxi.toml"), toml).unwrap();
    let commands: &[&[&str]] = &[
        &["config"],
        &["connections", "list", "--output", "json"],
        &["connections", "test"],
        &["status", "--year", "2020", "--to-warehouse", "postgres", "--check-source"],
        &["verify", "--year", "2020", "--to-warehouse", "postgres"],
        &["run", "etl-web-to-gcs", "--year", "2020", "--months", "1"],
        &["run", "etl-zones"],
        &["run", "ingest-data", "--year", "2020", "--months", "1"],
        &["run", "etl-parent-flow", "--months", "1", "--to-warehouse", "postgres"],
        &["run", "etl-gcs-to-postgres", "--months", "1", "--postgres", "parts"],
        &["drop", "--colour", "green", "--month", "2020-01", "--yes"],
        &["runs"],
        &["runs", "show", "last"],
    ];
    for command in commands {
        for form in [&[][..], &["--progress", "json"]] {
            if command[0] != "run" && !form.is_empty() {
                continue;
            }
            let ran = taxi.run([*command, form].concat());
            assert_hidden(&taxi, &ran, &database, &format!("{command:?}"));
        }
    }
    let posted = web.requests().into_iter().filter(|request| request.method == "POST").count();
    assert!(posted > 0, "the webhook was told");
}

/// A password that is a plain word: only its place in an address gives it away.
const PLAIN: &str = "wildhorses";

#[test]
fn a_slip_in_the_settings_shows_no_value() {
    for toml in [
        "database_url = { env = 'MARK' }",
        "database_url = { file = 'MARK' }",
        "database_url = { envv = 'MARK' }",
        "database_url = ['MARK']",
        "postgres = { local = 'postgres://u:MARK@h/d' }",
        "postgres = { 'postgres://u:MARK@h/d' = 1 }",
        "[postgres]\nurl = 'postgres://u:MARK@h/d'",
        "[postgres]\n'u:MARK@h' = { url = 'x' }",
        "[postgres.default]\npassword = { env = 'MARK' }\nhost = 'h'",
        "[postgres.default]\npassword = { file = 'MARK' }\nhost = 'h'",
        "[postgres.default.password]\nenv = 'MARK'",
        "[postgres.default.password]\nvalue = 'MARK'",
        "[postgres.default]\nhost = 'u:MARK@127.0.0.1'\nport = 1",
        "[postgres.default]\nhost = 'postgres://u:MARK@127.0.0.1/d'\nport = 1",
        "[postgres.default]\nport = 'MARK'",
        "[postgres.default]\nport = 1\nhost = '127.0.0.1'\ndatabase = 'postgres://u:MARK@h/d'",
        "[postgres.default]\nport = 1\nhost = '127.0.0.1'\nsslmode = 'MARK'",
        "credentials = { env = 'MARK' }",
        "credentials = { file = 'MARK' }",
        "[bigquery.default]\ncredentials = { env = 'MARK' }\nproject = 'p'",
        "[notify]\nwebhook = { env = 'MARK' }\non = 'always'",
        "[notify]\nwebhook = { file = 'MARK' }\non = 'always'",
        "[notify]\nwebhook = 'me:MARK@h/x'\non = 'always'",
        "[notify]\non = 'http://u:MARK@h'",
        "on_new_column = 'password=MARK'",
        "source = 'me:MARK@h/{colour}/{year}-{month}.csv'",
        "source = 'https:me:MARK@h/{colour}/{year}-{month}.csv'",
        "source = { env = 'MARK' }",
        "zones = 'me:MARK@h/zones.csv'",
        "'token=MARK' = 1",
        "[rules]\n'u:MARK@h' = 'off'",
        "[profiles]\n'u:MARK@h' = 1",
        "database_url = MARK",
        "database_url = 'postgres://u:MARK@h/d",
        "database_url = 'postgresql+psycopg2://u:MARK@h/d'",
        "database_url = 'u:MARK@h/d'",
    ] {
        let taxi = Taxi::new().set("TAXI_RETRIES", "0");
        fs::write(taxi.folder().join("taxi.toml"), toml.replace("MARK", MARK)).unwrap();
        for command in [
            &["config"][..],
            &["connections", "list", "--output", "json"],
            &["connections", "test"],
            &["run", "etl-zones"],
            &["run", "etl-web-to-gcs", "--year", "2020", "--months", "1"],
            &["run", "etl-gcs-to-postgres", "--year", "2020", "--months", "1"],
        ] {
            // What it takes for the web is not asked.
            if command[1..].first() == Some(&"etl-web-to-gcs") && !toml.starts_with("source") {
                continue;
            }
            if command[1..].first() == Some(&"etl-zones") && !toml.starts_with("zones") {
                continue;
            }
            let ran = taxi.run(command);
            assert_hidden(&taxi, &ran, MARK, &format!("{toml}: {command:?}"));
        }
    }
}

#[test]
fn the_password_of_an_endpoint_is_hidden() {
    for password in [MARK, PLAIN] {
        for address in ["http://me:PW@127.0.0.1:1", "me:PW@127.0.0.1:1"] {
            let address = address.replace("PW", password);
            let taxi = Taxi::new()
                .set("TAXI_LAKE", "gs://lake/trips")
                .set("TAXI_PROJECT", "p")
                .set("TAXI_RETRIES", "0")
                .set("TAXI_LOG", "trace")
                .set("STORAGE_EMULATOR_HOST", &address)
                .set("BIGQUERY_EMULATOR_HOST", &address)
                .set("PREFECT_API_URL", format!("{}/api", address.split('?').next().unwrap()));
            fs::write(taxi.folder().join("deployments.yaml"), "deployments: []\n").unwrap();
            for command in [
                &["config"][..],
                &["config", "--output", "json"],
                &["connections", "list"],
                &["connections", "test"],
                &["connections", "test", "--output", "json"],
                &["verify", "--colour", "green", "--year", "2020", "--to-warehouse", "bigquery"],
                &["run", "etl-gcs-to-bq", "--year", "2020", "--months", "1"],
                &["deploy"],
                &["deploy", "--output", "json"],
            ] {
                let ran = taxi.run(command);
                let what = format!("{address} {command:?}");
                assert_hidden(&taxi, &ran, password, &what);
                for said in [&ran.stdout, &ran.stderr] {
                    assert!(!said.contains(PLAIN), "{what}: {said}");
                }
            }
        }
    }
}
