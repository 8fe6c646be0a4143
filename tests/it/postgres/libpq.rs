//! Connection strings, read by this program and by `psql`: both connect, or neither.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::postgres::{Database, PostgresServer, psql};
use taxi_test_support::tls::TlsProxy;

/// A home folder, and the two that connect from it.
pub(super) struct Clients {
    taxi: Taxi,
    home: tempfile::TempDir,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { taxi: Taxi::new(), home: tempfile::tempdir().unwrap() }
    }

    pub(super) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn prepare<'a>(&self, command: &'a mut Command, variables: &[(&str, &str)]) -> &'a mut Command {
        command.env("HOME", self.home.path()).current_dir(self.home.path());
        command.env_remove("DATABASE_URL").envs(variables.iter().copied())
    }

    /// What this program says of a connection.
    pub(super) fn taxi(&self, text: &str, variables: &[(&str, &str)]) -> (bool, String) {
        let mut command = self.taxi.command(["connections", "test", "--output", "json"]);
        let ran: Ran = self
            .prepare(&mut command, variables)
            .env("DATABASE_URL", text)
            .output()
            .unwrap()
            .into();
        if ran.code == Some(2) || ran.stdout.is_empty() {
            return (false, ran.stderr);
        }
        let all = ran.json();
        let tested = all.as_array().unwrap().iter().find(|tested| tested["kind"] == "postgres");
        let Some(tested) = tested else { return (false, ran.stdout) };
        let said = |name: &str| tested.get(name).and_then(Value::as_str).unwrap_or_default();
        (tested["ok"] == true, format!("{} {}", said("may"), said("error")))
    }

    /// What this program logs when it tests a connection.
    pub(super) fn logged(&self, text: &str) -> String {
        let mut command = self.taxi.command(["connections", "test", "--output", "json"]);
        let ran: Ran =
            self.prepare(&mut command, &[]).env("DATABASE_URL", text).output().unwrap().into();
        ran.stderr
    }

    pub(super) fn psql(&self, text: &str, variables: &[(&str, &str)]) -> (bool, String) {
        let mut command = Command::new(psql());
        let ran = self
            .prepare(&mut command, variables)
            .args(["-X", "-w", "-c", "SELECT 1", text])
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    }

    /// Both connect, or neither does.
    pub(super) fn agree(&self, connects: bool, text: &str, variables: &[(&str, &str)]) {
        let psql = self.psql(text, variables);
        assert_eq!(psql.0, connects, "psql {text} {variables:?}: {}", psql.1);
        let taxi = self.taxi(text, variables);
        assert_eq!(taxi.0, connects, "taxi {text} {variables:?}: {}", taxi.1);
    }
}

const PASSWORD: &str = "a  b'\\#?:%@/\u{e9}";
const IN_URL: &str = "a%20%20b'\\#?:%25%40%2F\u{e9}";
const IN_PAIRS: &str = "'a  b\\'\\\\#?:%@/\u{e9}'";

async fn locked(server: &PostgresServer) -> (Database, String) {
    let database = server.database().await;
    let escaped = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let role = database.role("libpq", &format!("PASSWORD E'{escaped}'")).await;
    let lines = format!(
        "host {0} {role} 127.0.0.1/32 scram-sha-256\nlocal {0} {role} scram-sha-256",
        database.name
    );
    server.admit(&lines).await;
    (database, role)
}

#[tokio::test]
async fn connection_strings_connect_as_with_psql() {
    let server = PostgresServer::shared().await;
    let (database, role) = locked(server).await;
    let (port, name, socket) = (server.port(), &database.name, server.socket().display());
    let clients = Clients::new();
    let other = "127.0.0.1:1";
    let encoded = socket.to_string().replace('/', "%2F");
    for (connects, text) in [
        // Passwords.
        (true, format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}")),
        (true, format!("postgresql://{role}:{IN_URL}@127.0.0.1:{port}/{name}?sslmode=disable&")),
        (true, format!("host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS}")),
        (
            true,
            format!(
                "host = 127.0.0.1  port = '{port}'\tuser= {role} password ={IN_PAIRS} dbname={name}"
            ),
        ),
        (false, format!("host=127.0.0.1 port={port} user={role} dbname={name} password='a b'")),
        (false, format!("postgres://{role}@127.0.0.1:{port}/{name}")),
        (false, format!("postgres://{role}:pass@word@127.0.0.1:{port}/{name}")),
        (false, format!("postgres://{role}:100%@127.0.0.1:{port}/{name}")),
        // Hosts.
        (
            true,
            format!(
                "postgres://127.0.0.1:{port}/{name}?user={role}&password=a%20%20b'\\#?:%25@/\u{e9}"
            ),
        ),
        (true, format!("host={socket} port={port} user={role} dbname={name} password={IN_PAIRS}")),
        (true, format!("postgresql://{role}:{IN_URL}@/{name}?host={socket}&port={port}")),
        (true, format!("postgresql://{role}:{IN_URL}@{encoded}:{port}/{name}")),
        (true, format!("host=@taxi port={port} user={role} dbname={name} password={IN_PAIRS}")),
        (
            true,
            format!(
                "host=nowhere.invalid hostaddr=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS}"
            ),
        ),
        (
            true,
            format!("hostaddr=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS}"),
        ),
        (true, format!("postgres://{role}:{IN_URL}@{other},127.0.0.1:{port}/{name}")),
        (
            true,
            format!(
                "postgres://{role}:{IN_URL}@nowhere.invalid,localhost:{port}/{name}?port={port}"
            ),
        ),
        (false, format!("postgres://{role}:{IN_URL}@{other},{other}/{name}")),
        (false, format!("postgres://{role}:{IN_URL}@127.0.0.1:{port},{other}/{name}_no")),
        (
            false,
            format!(
                "host=127.0.0.1,127.0.0.1,127.0.0.1 port={port},{port} user={role} dbname={name}"
            ),
        ),
        (false, format!("host=127.0.0.1 port=0 user={role} dbname={name}")),
        // TLS that the server does not have.
        (
            true,
            format!(
                "host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS} sslmode = prefer"
            ),
        ),
        (
            false,
            format!(
                "host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS} sslmode = require"
            ),
        ),
        (
            false,
            format!(
                "host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS} requiressl=1"
            ),
        ),
        (
            false,
            format!(
                "host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS} sslmode=verify-ca"
            ),
        ),
        (
            false,
            format!(
                "host=127.0.0.1 port={port} user={role} dbname={name} password={IN_PAIRS} sslmode='require '"
            ),
        ),
        (
            true,
            format!(
                "host={socket} port={port} user={role} dbname={name} password={IN_PAIRS} sslmode=require"
            ),
        ),
        (false, format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?ssl=true")),
        (
            false,
            format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?channel_binding=require"),
        ),
        // What is not understood.
        (false, format!("postgresql+psycopg2://{role}:{IN_URL}@127.0.0.1:{port}/{name}")),
        (false, format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?sslmode")),
        (false, format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?nonsense=1")),
        (false, format!("host=127.0.0.1 port={port} user={role} dbname={name} password='a")),
        (false, format!("host=127.0.0.1 port={port} user={role} dbname={name} gssencmode=require")),
        // Kinds of sessions.
        (
            true,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?target_session_attrs=read-write"
            ),
        ),
        (
            true,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?target_session_attrs=prefer-standby"
            ),
        ),
        (
            false,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?target_session_attrs=standby"
            ),
        ),
        (
            false,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?target_session_attrs=read-only"
            ),
        ),
        (
            true,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?connect_timeout=20&keepalives=1&keepalives_idle=9&tcp_user_timeout=9000"
            ),
        ),
        (
            true,
            format!("postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?options=-c%20geqo%3Doff"),
        ),
        (
            false,
            format!(
                "postgres://{role}:{IN_URL}@127.0.0.1:{port}/{name}?options=-c%20nonsense%3Doff"
            ),
        ),
    ] {
        clients.agree(connects, &text, &[]);
    }
}

#[tokio::test]
async fn the_environment_services_and_password_files_are_used_as_psql_uses_them() {
    let server = PostgresServer::shared().await;
    let (database, role) = locked(server).await;
    let (port, name) = (server.port().to_string(), &database.name);
    let socket = server.socket().to_str().unwrap();
    let clients = Clients::new();
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    clients.put(".pgpass", &format!("# c\n127.0.0.1:{port}:*:{role}:{escaped}\n"));
    let by_socket = clients.put("sockets", &format!("{socket}:{port}:{name}:{role}:{escaped}\n"));
    clients.put(
        ".pg_service.conf",
        &format!(
            "[other]\nhost=127.0.0.1\nport=1\n[trips]\nhost=127.0.0.1\nport={port}\ndbname={name}\nuser={role}\n[bad]\nnonsense=1\n"
        ),
    );
    let system = clients
        .put("etc/pg_service.conf", &format!("[far]\nhost={socket}\nport={port}\ndbname={name}\n"));
    let folder = system.parent().unwrap().to_str().unwrap();
    let named = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        let all = [("PGPORT", port.as_str()), ("PGDATABASE", name), ("PGUSER", &role)];
        let all = all.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let two = format!("1,{port}");
    for (connects, text, variables) in [
        (true, "", named(&[("PGHOST", "127.0.0.1")])),
        (true, "", named(&[("PGHOST", "127.0.0.1,127.0.0.1"), ("PGPORT", &two)])),
        (true, "", named(&[("PGHOSTADDR", "127.0.0.1")])),
        (true, "", named(&[("PGHOST", socket), ("PGPASSWORD", PASSWORD)])),
        (true, "", named(&[("PGHOST", socket), ("PGPASSFILE", by_socket.to_str().unwrap())])),
        (false, "", named(&[("PGHOST", socket)])),
        (false, "", named(&[("PGHOST", "127.0.0.1"), ("PGPASSWORD", "wrong")])),
        (false, "", named(&[("PGHOST", "127.0.0.1"), ("PGSSLMODE", "require")])),
        (false, "", named(&[("PGHOST", "127.0.0.1"), ("PGREQUIRESSL", "1")])),
        (true, "sslmode=disable", named(&[("PGHOST", "127.0.0.1"), ("PGSSLMODE", "require")])),
        (true, "service=trips", vec![]),
        (true, "postgres:///?service=trips", vec![]),
        (false, "service=trips port=1", vec![]),
        (false, "service=none", vec![]),
        (false, "service=bad", vec![]),
        (true, "", vec![("PGSERVICE".to_owned(), "trips".to_owned())]),
        (true, "service=far", named(&[("PGSYSCONFDIR", folder), ("PGPASSWORD", PASSWORD)])),
        (
            true,
            "service=far",
            named(&[("PGSERVICEFILE", system.to_str().unwrap()), ("PGPASSWORD", PASSWORD)]),
        ),
        (false, "service=trips", named(&[("PGSERVICEFILE", "nowhere")])),
    ] {
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        clients.agree(connects, text, &variables);
    }
    // What follows the password, and marks that mean nothing there.
    for (connects, line) in [
        (true, format!("127.0.0.1:{port}:*:{role}:{escaped}:more:fields")),
        (true, format!("127.0.0.1:{port}:*:{role}:{escaped}\r")),
        (true, format!("*:*:*:\\{role}:{escaped}")),
        (false, format!("\\*:*:*:*:{escaped}")),
        (false, format!("*:*:*:*:{escaped}\\")),
        (false, format!("*:*:*:*x:{escaped}")),
        (false, "*:*:*:*:".to_owned()),
        (false, format!("*:*:*:*::{escaped}")),
    ] {
        clients.put(".pgpass", &format!("{line}\n"));
        clients.agree(connects, "service=trips", &[]);
    }
    clients.put(".pgpass", &format!("*:*:*:*:{escaped}\n"));
    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(clients.home.path().join(".pgpass"), open).unwrap();
    clients.agree(false, "service=trips", &[]);
}

#[tokio::test]
async fn a_host_of_the_wanted_kind_is_found_among_several() {
    let primary = PostgresServer::start().await;
    let standby = primary.standby().await;
    let clients = Clients::new();
    let (first, second) = (primary.port(), standby.port());
    for (connects, wanted, on_standby) in [
        (true, "any", true),
        (true, "read-write", false),
        (true, "primary", false),
        (true, "read-only", true),
        (true, "standby", true),
        (true, "prefer-standby", true),
    ] {
        let url = format!(
            "postgres://postgres@127.0.0.1:{second},127.0.0.1:{first}/postgres?target_session_attrs={wanted}"
        );
        clients.agree(connects, &url, &[]);
        let said = clients.taxi(&url, &[]).1;
        assert_eq!(said.contains("may not"), on_standby, "{wanted}: {said}");
    }
    for wanted in ["read-write", "primary"] {
        let url = format!(
            "postgres://postgres@127.0.0.1:{second}/postgres?target_session_attrs={wanted}"
        );
        clients.agree(false, &url, &[]);
    }
}

/// Runs openssl in a folder.
pub(super) fn openssl(folder: &Path, args: &str) {
    let ran = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{args}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A root and a certificate of `localhost` that it has signed, of X.509 version 1 or 3.
fn certified(folder: &Path, version: u8) {
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=ca",
    );
    openssl(
        folder,
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost",
    );
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let names = if version == 3 { " -extfile names" } else { "" };
    openssl(
        folder,
        &format!(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out root.pem{names}"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_looked_at_as_psql_does() {
    let server = PostgresServer::shared().await;
    let (database, role) = locked(server).await;
    let other = tempfile::tempdir().unwrap();
    certified(other.path(), 3);
    let wrong = other.path().join("ca.pem");
    for version in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        certified(folder.path(), version);
        let proxy = TlsProxy::start(folder.path(), server.port()).await;
        let clients = Clients::new();
        let right = folder.path().join("ca.pem");
        let (right, wrong) = (right.display(), wrong.display());
        let encoded = right.to_string().replace('/', "%2F");
        for (connects, host, query) in [
            (true, "localhost", "sslmode=disable".to_owned()),
            (true, "localhost", "sslmode=allow".to_owned()),
            (true, "localhost", "sslmode=prefer".to_owned()),
            (true, "localhost", "sslmode=require".to_owned()),
            (true, "localhost", format!("sslmode=require&sslrootcert={right}")),
            (false, "localhost", format!("sslmode=require&sslrootcert={wrong}")),
            (true, "127.0.0.1", format!("sslmode=verify-ca&sslrootcert={encoded}")),
            (false, "127.0.0.1", format!("sslmode=verify-ca&sslrootcert={wrong}")),
            (false, "127.0.0.1", "sslmode=verify-ca".to_owned()),
            (true, "localhost", format!("sslmode=verify-full&sslrootcert={encoded}")),
            (false, "127.0.0.1", format!("sslmode=verify-full&sslrootcert={right}")),
            (false, "localhost", format!("sslmode=verify-full&sslrootcert={wrong}")),
            (true, "localhost", "sslmode=require&ssl_min_protocol_version=TLSv1.3".to_owned()),
            (true, "localhost", "sslmode=require&ssl_max_protocol_version=TLSv1.2".to_owned()),
        ] {
            let (port, name) = (proxy.port(), &database.name);
            let url = format!("postgres://{role}:{IN_URL}@{host}:{port}/{name}?{query}");
            clients.agree(connects, &url, &[]);
        }
        // The root of the home folder is used by itself.
        clients.put(
            ".postgresql/root.crt",
            &std::fs::read_to_string(other.path().join("ca.pem")).unwrap(),
        );
        let url =
            format!("postgres://{role}:{IN_URL}@localhost:{}/{}", proxy.port(), database.name);
        clients.agree(false, &format!("{url}?sslmode=require"), &[]);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let clients = Clients::new();
    for parameter in [
        "require_auth=scram-sha-256",
        "requirepeer=postgres",
        "gssencmode=require",
        "sslpassword=hush",
        "sslcertmode=require",
        "replication=database",
        "min_protocol_version=3.2",
        "scram_client_key=hush",
        "oauth_client_secret=hush",
    ] {
        let name = parameter.split('=').next().unwrap();
        let (connects, said) = clients.taxi(&format!("host=127.0.0.1 port=1 {parameter}"), &[]);
        assert!(!connects && said.contains(name) && !said.contains("hush"), "{parameter}: {said}");
    }
}
