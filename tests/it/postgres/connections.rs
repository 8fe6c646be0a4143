//! Passwords and TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::taxi::Ran;
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::tls::TlsProxy;

use super::{Warehouse, args, until_locked};

const PASSWORD: &str = "p:ss\\w%rd /?#";
const IN_URL: &str = "p%3Ass%5Cw%25rd%20%2F%3F%23";

/// A warehouse, and a role in it that needs the password.
async fn locked() -> (Warehouse, String) {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let role = warehouse.database.role("locked", &format!("SUPERUSER PASSWORD '{PASSWORD}'")).await;
    let line = format!("host {} {role} 127.0.0.1/32 scram-sha-256", warehouse.database.name);
    PostgresServer::shared().await.admit(&line).await;
    (warehouse, role)
}

impl Warehouse {
    /// A forced load with other variables than DATABASE_URL, and all that it logs.
    fn load_with(&self, variables: &[(&str, &str)], more: &[&str]) -> Ran {
        let more = [&["--force", "--log", "trace"], more].concat();
        let mut command = self.taxi.command(args("green", "2020-01", "2020-01", &more));
        command.env_remove("DATABASE_URL").env("TAXI_RETRIES", "0");
        command.envs(variables.iter().copied()).output().unwrap().into()
    }

    fn names(&self, role: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.database.port.to_string()),
            ("PGUSER", role.to_owned()),
            ("PGDATABASE", self.database.name.clone()),
        ]
    }
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The password is in nothing that was said.
fn silent(ran: Ran) -> Ran {
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(PASSWORD) && !said.contains(IN_URL), "{said}");
    }
    ran
}

#[tokio::test]
async fn a_password_in_the_environment_is_used_and_never_shown() {
    let (warehouse, role) = locked().await;
    let url = warehouse.database.url_as(&format!("{role}:{IN_URL}"));
    let ran = warehouse.load_with(&[("DATABASE_URL", &url)], &[]);
    assert_eq!(silent(ran).exits(0).state(), "loaded");
    let mut names = warehouse.names(&role);
    names.push(("PGPASSWORD", PASSWORD.to_owned()));
    let ran = warehouse.load_with(&borrowed(&names), &[]);
    assert_eq!(silent(ran).exits(0).state(), "loaded");
    let bare = warehouse.database.url_as(&role);
    let ran = warehouse.load_with(&[("DATABASE_URL", &bare), ("PGPASSWORD", PASSWORD)], &[]);
    assert_eq!(silent(ran).exits(0).state(), "loaded");
    let ran = warehouse.taxi.run(["run", "etl-gcs-to-postgres", "--help"]);
    silent(ran).exits(0);
}

#[tokio::test]
async fn a_password_in_the_environment_is_not_in_the_process_list() {
    let (warehouse, role) = locked().await;
    let holder = warehouse.database.client().await;
    warehouse.load(&[]).exits(0);
    holder.batch_execute("BEGIN; SELECT FROM nyc_taxi.green_trips LIMIT 1").await.unwrap();
    let url = warehouse.database.url_as(&format!("{role}:{IN_URL}"));
    let mut command = warehouse.taxi.command(args("green", "2020-01", "2020-01", &["--force"]));
    let load = command.env("DATABASE_URL", url).spawn().unwrap();
    until_locked(&warehouse.client).await;
    let listed = Command::new("ps").args(["-o", "args=", "-p", &load.id().to_string()]).output();
    holder.batch_execute("COMMIT").await.unwrap();
    let ran: Ran = load.wait_with_output().unwrap().into();
    ran.exits(0);
    let listed: Ran = listed.unwrap().into();
    assert!(silent(listed).stdout.contains("etl-gcs-to-postgres"));
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_not_shown() {
    let (warehouse, role) = locked().await;
    let wrong = warehouse.database.url_as(&format!("{role}:{IN_URL}x"));
    let ran = silent(warehouse.load_with(&[("DATABASE_URL", &wrong)], &[]));
    let error = warehouse.error(ran);
    let none = warehouse.database.url_as(&role);
    let ran = silent(warehouse.load_with(&[("DATABASE_URL", &none)], &[]));
    insta::assert_snapshot!([error, warehouse.error(ran)].join("\n"), @r#"
    cannot connect to Postgres at 127.0.0.1:PORT/DATABASE: password authentication failed for user "locked_DATABASE"
    cannot connect to Postgres at 127.0.0.1:PORT/DATABASE: password missing
    "#);
    assert_eq!(warehouse.relations("nyc_taxi").await, "");
}

#[tokio::test]
async fn the_password_file_of_the_home_folder_is_used() {
    let (warehouse, role) = locked().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let (port, name) = (warehouse.database.port, &warehouse.database.name);
    let lines = format!("127.0.0.1:1:*:*:no\n127.0.0.1:{port}:{name}:{role}:{escaped}\n");
    std::fs::write(&file, lines).unwrap();
    let mut names = warehouse.names(&role);
    names.push(("HOME", home.path().to_string_lossy().into_owned()));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ran = warehouse.load_with(&borrowed(&names), &[]);
    assert_eq!(silent(ran).exits(0).state(), "loaded");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = silent(warehouse.load_with(&borrowed(&names), &[])).exits(1);
    assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
}

/// A certificate for `localhost` that signs itself, and its key.
fn certificate(folder: &Path) {
    let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "root.pem"])
        .args(subject)
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_strict_as_sslmode_says() {
    let (warehouse, role) = locked().await;
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let proxy = TlsProxy::start(folder.path(), warehouse.database.port).await;
    let root = folder.path().join("root.pem");
    let load = |host: &str, query: &str| {
        let (port, name) = (proxy.port(), &warehouse.database.name);
        let url = format!("postgres://{role}:{IN_URL}@{host}:{port}/{name}?{query}");
        silent(warehouse.load_with(&[("DATABASE_URL", &url)], &[]))
    };
    let encrypted = |query: &str| {
        let before = proxy.encrypted();
        load("localhost", query).exits(0);
        proxy.encrypted() > before
    };
    assert!(!encrypted("sslmode=disable"));
    assert!(encrypted("sslmode=prefer"));
    assert!(encrypted("sslmode=require"));
    assert!(encrypted(&format!("sslmode=verify-full&sslrootcert={}", root.display())));

    let unknown = load("localhost", "sslmode=verify-full").exits(1);
    let query = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let other_name = load("127.0.0.1", &query).exits(1);
    let no_file = load("localhost", "sslmode=verify-full&sslrootcert=none.pem").exits(1);
    let errors = [unknown, other_name, no_file].map(|ran| warehouse.error(ran));
    let errors = errors.join("\n").replace(&proxy.port().to_string(), "PORT");
    insta::assert_snapshot!(errors, @r#"
    cannot connect to Postgres at localhost:PORT/DATABASE: the server's certificate is not trusted: no trusted root has signed it (sslrootcert names the file of the roots)
    cannot connect to Postgres at 127.0.0.1:PORT/DATABASE: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")
    TLS cannot be set up: none.pem: I/O error: No such file or directory (os error 2)
    "#);

    let plain = warehouse.database.url_as(&format!("{role}:{IN_URL}")) + "?sslmode=require";
    let ran = silent(warehouse.load_with(&[("DATABASE_URL", &plain)], &[]));
    insta::assert_snapshot!(warehouse.error(ran), @"cannot connect to Postgres at 127.0.0.1:PORT/DATABASE: server does not support TLS");
    let ran = warehouse.load_with(&[("DATABASE_URL", "postgres://h/d?sslmode=maybe")], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}
