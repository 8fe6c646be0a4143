//! A database, as a connection string, a service and the environment name it together.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};

use crate::redact::{MASK, is_plain, lacks_scheme, without_secrets};

use super::ConnectError;
use super::conninfo::Conninfo;
use super::environment::{Environment, path_of};
use super::passfile::from_passfile;
use super::tls::{RevokedIn, Roots, TlsSettings, Verify};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

const PORT: u16 = 5432;

/// Where a server of this machine has its socket, if a package manager brought it. Not in
/// `/tmp`, where anybody may put one.
const SOCKETS: [&str; 2] = ["/run/postgresql", "/var/run/postgresql"];

/// The variables that name a database to connect to.
const NAMING: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGPORT", "PGSERVICE"];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A database to load into, as a URL or the environment names it.
#[derive(Clone)]
pub struct Target {
    pub(super) endpoints: Vec<Endpoint>,
    /// User, database and what else the driver is told.
    pub(super) config: Config,
    pub(super) encryption: Encryption,
    pub(super) tls: Option<TlsSettings>,
    pub(super) direct_tls: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) wanted: Wanted,
    pub(super) shuffled: bool,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) user_timeout: Option<Duration>,
    secrets: Vec<String>,
}

/// One of its hosts.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// As it is named: what a certificate must bear.
    pub(super) host: String,
    /// Whether it is named at all, and not by its address alone (`hostaddr`).
    pub(super) is_named: bool,
    pub(super) at: Place,
    pub(super) port: u16,
    pub(super) password: Option<Vec<u8>>,
}

/// What is dialled.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or an address.
    Tcp(String),
    /// The folder of a socket; after an `@` a name that is in no folder.
    Socket(String),
}

/// Whether the line is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    Disable,
    /// Only if the server wants it.
    Allow,
    /// Unless the server or the handshake refuses.
    Prefer,
    Require,
}

/// What kind of session is wanted (`target_session_attrs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// How a silent line is tried.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keepalive {
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.place()).finish()
    }
}

impl Endpoint {
    /// Host and port, for people.
    pub(super) fn place(&self) -> String {
        let host = shown(&self.host);
        let host = if host.contains(':') && !host.contains('/') {
            format!("[{host}]")
        } else {
            host.into_owned()
        };
        format!("{host}:{}", self.port)
    }
}

/// The name of a host or a database for people, which may be a whole address by a slip.
fn shown(name: &str) -> Cow<'_, str> {
    if name.contains("://") || lacks_scheme(name) {
        return without_secrets(name).into();
    }
    let pairs = name.contains('=') && !is_plain(name);
    if pairs { MASK.into() } else { name.into() }
}

fn environment(name: &str) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    std::env::var_os(name).map(OsStringExt::into_vec).filter(|value| !value.is_empty())
}

impl Target {
    /// The variable of the environment, if one, that names a database when no URL does.
    pub fn variable() -> Option<&'static str> {
        NAMING.into_iter().find(|name| environment(name).is_some())
    }

    /// The database that a URL or a string of `key=value` names; parameters in `parts` replace
    /// what it says of them. Without either it is the one that the environment names. What is
    /// left out is read and decided as libpq does.
    pub fn resolve(text: Option<&str>, parts: &[(&str, &str)]) -> Result<Self, ConnectError> {
        Self::resolve_with(text, parts, &environment)
    }

    fn resolve_with(
        text: Option<&str>,
        parts: &[(&str, &str)],
        environment: Environment<'_>,
    ) -> Result<Self, ConnectError> {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        let named = NAMING.iter().any(|name| environment(name).is_some());
        if text.is_none() && parts.is_empty() && !named {
            return Err(ConnectError::NoTarget);
        }
        let mut said = Conninfo::parse(text.unwrap_or_default())?;
        for (name, value) in parts {
            said.set(name, *value)?;
        }
        Reader { said: said.complete(environment)?, environment }.target()
    }

    /// Hosts, ports and database, for people: no user, no password.
    pub fn place(&self) -> String {
        let hosts: Vec<String> = self.endpoints.iter().map(Endpoint::place).collect();
        format!("{}/{}", hosts.join(","), self.database())
    }

    /// One of its hosts, for people.
    pub(super) fn place_of(&self, endpoint: &Endpoint) -> String {
        format!("{}/{}", endpoint.place(), self.database())
    }

    fn database(&self) -> Cow<'_, str> {
        shown(self.config.get_dbname().unwrap_or_default())
    }

    /// Its passwords in every spelling, wherever they come from: to be hidden.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

/// A shuffle that nobody can foresee, as good as the hashes of a map.
pub(super) fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    let random = RandomState::new();
    for at in (1..items.len()).rev() {
        items.swap(at, (random.hash_one(at) % (at as u64 + 1)) as usize);
    }
    items
}

/// Decides what the words mean.
struct Reader<'a> {
    said: Conninfo,
    environment: Environment<'a>,
}

impl Reader<'_> {
    fn target(&self) -> Result<Target, ConnectError> {
        let mut config = Config::new();
        let user = match self.said.text("user")? {
            Some(user) => user.to_owned(),
            None => whoami::username()
                .map_err(|error| ConnectError::Url(format!("it names no user: {error}")))?,
        };
        config.user(&user).dbname(self.said.text("dbname")?.unwrap_or(&user));
        if let Some(options) = self.said.text("options")? {
            config.options(options);
        }
        let name = self.said.text("application_name")?;
        let name = name.or(self.said.text("fallback_application_name")?);
        config.application_name(name.unwrap_or("taxi"));
        config.channel_binding(self.one_of(
            "channel_binding",
            &[
                ("prefer", ChannelBinding::Prefer),
                ("disable", ChannelBinding::Disable),
                ("require", ChannelBinding::Require),
            ],
        )?);
        let endpoints = self.endpoints(&user, config.get_dbname().unwrap_or_default())?;
        // Nobody listens in on a socket of this machine: libpq does not encrypt there.
        let local = endpoints.iter().all(|endpoint| matches!(endpoint.at, Place::Socket(_)));
        let mode = self.mode()?;
        let (encryption, tls) =
            if local { (Encryption::Disable, None) } else { self.encryption(mode)? };
        let verifies_names = tls.as_ref().is_some_and(|tls| tls.verify == Verify::Full);
        if verifies_names && endpoints.iter().any(|endpoint| !endpoint.is_named) {
            return Err(ConnectError::NoName);
        }
        let direct_tls = self.one_of("sslnegotiation", &[("postgres", false), ("direct", true)])?;
        if direct_tls && !local && encryption != Encryption::Require {
            let mode = mode.to_owned();
            return Err(ConnectError::WeakMode { mode, with: "sslnegotiation=direct" });
        }
        // The line is asked for TLS before the driver has it.
        config.ssl_mode(SslMode::Disable).ssl_negotiation(SslNegotiation::Direct);
        let from_file = endpoints.iter().filter_map(|endpoint| endpoint.password.as_deref());
        let mut secrets: Vec<String> = self
            .said
            .passwords()
            .chain(from_file)
            .map(|password| String::from_utf8_lossy(password).into_owned())
            .filter(|password| !password.is_empty())
            .collect();
        secrets.dedup();
        let keepalive = Keepalive {
            idle: self.seconds("keepalives_idle")?,
            interval: self.seconds("keepalives_interval")?,
            count: self.number("keepalives_count")?.and_then(|n| u32::try_from(n).ok()),
        };
        let user_timeout = self.number("tcp_user_timeout")?.filter(|millis| *millis > 0);
        Ok(Target {
            endpoints,
            config,
            encryption,
            tls,
            direct_tls,
            timeout: match self.number("connect_timeout")? {
                None => Some(CONNECT_TIMEOUT),
                Some(seconds) => {
                    Some(seconds).filter(|s| *s > 0).map(|s| Duration::from_secs(s.unsigned_abs()))
                }
            },
            wanted: self.one_of(
                "target_session_attrs",
                &[
                    ("any", Wanted::Any),
                    ("read-write", Wanted::ReadWrite),
                    ("read-only", Wanted::ReadOnly),
                    ("primary", Wanted::Primary),
                    ("standby", Wanted::Standby),
                    ("prefer-standby", Wanted::PreferStandby),
                ],
            )?,
            shuffled: self.one_of("load_balance_hosts", &[("disable", false), ("random", true)])?,
            keepalive: (self.number("keepalives")? != Some(0)).then_some(keepalive),
            user_timeout: user_timeout.map(|millis| Duration::from_millis(millis.unsigned_abs())),
            secrets,
        })
    }

    /// One of several words; the first if nothing is said.
    fn one_of<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T, ConnectError> {
        let Some(said) = self.said.text(name)? else { return Ok(words[0].1) };
        let found = words.iter().find(|(word, _)| *word == said);
        found.map(|(_, means)| *means).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            ConnectError::Value { name, expected: format!("one of {}", words.join(", ")) }
        })
    }

    fn number(&self, name: &'static str) -> Result<Option<i64>, ConnectError> {
        let Some(said) = self.said.text(name)? else { return Ok(None) };
        match said.trim().parse::<i32>() {
            Ok(number) => Ok(Some(number.into())),
            Err(_) => Err(ConnectError::Value { name, expected: "a whole number".into() }),
        }
    }

    fn seconds(&self, name: &'static str) -> Result<Option<Duration>, ConnectError> {
        let seconds = self.number(name)?.filter(|seconds| *seconds > 0);
        Ok(seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs())))
    }

    fn home(&self) -> Option<PathBuf> {
        (self.environment)("HOME").map(path_of)
    }

    fn file(&self, name: &'static str) -> Option<PathBuf> {
        self.said.bytes(name).filter(|path| !path.is_empty()).map(|path| path_of(path.to_vec()))
    }

    /// A file that is named, or the one of the home folder if that is there.
    fn file_or(&self, name: &'static str, usual: &str) -> Option<PathBuf> {
        self.file(name).or_else(|| {
            let usual = self.home()?.join(".postgresql").join(usual);
            usual.exists().then_some(usual)
        })
    }

    fn endpoints(&self, user: &str, database: &str) -> Result<Vec<Endpoint>, ConnectError> {
        let list = |name| -> Result<Vec<&str>, ConnectError> {
            Ok(self.said.text(name)?.map(|list| list.split(',').collect()).unwrap_or_default())
        };
        let (hosts, addresses, ports) = (list("host")?, list("hostaddr")?, list("port")?);
        let count = if addresses.is_empty() { hosts.len() } else { addresses.len() };
        if !addresses.is_empty() && !hosts.is_empty() && hosts.len() != addresses.len() {
            let (left, right) = (hosts.len(), addresses.len());
            return Err(ConnectError::Url(format!("it has {left} hosts and {right} addresses")));
        }
        let count = count.max(1);
        if ports.len() > 1 && ports.len() != count {
            return Err(ConnectError::Url(format!(
                "it has {} ports and {count} hosts",
                ports.len()
            )));
        }
        let passfile = self.passfile();
        let mut endpoints = Vec::new();
        for at in 0..count {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or_default().trim();
            let port = if port.is_empty() {
                PORT
            } else {
                let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                let expected = "a number from 1 to 65535".to_owned();
                port.ok_or(ConnectError::Value { name: "port", expected })?
            };
            let host = hosts.get(at).copied().unwrap_or_default();
            let address = addresses.get(at).copied().unwrap_or_default();
            let is_named = address.is_empty() || !host.is_empty();
            let (host, place) = if !address.is_empty() {
                if address.parse::<IpAddr>().is_err() {
                    let expected = "an IP address".to_owned();
                    return Err(ConnectError::Value { name: "hostaddr", expected });
                }
                let host = if host.is_empty() { address } else { host };
                (host.to_owned(), Place::Tcp(address.to_owned()))
            } else if host.starts_with(['/', '@']) {
                (host.to_owned(), Place::Socket(host.to_owned()))
            } else if !host.is_empty() {
                (host.to_owned(), Place::Tcp(host.to_owned()))
            } else if let Some(folder) = usual_socket(port) {
                (folder.to_owned(), Place::Socket(folder.to_owned()))
            } else {
                ("localhost".to_owned(), Place::Tcp("localhost".to_owned()))
            };
            let said = self.said.bytes("password").filter(|password| !password.is_empty());
            let password = said.map(<[u8]>::to_vec).or_else(|| {
                let local = SOCKETS.contains(&host.as_str());
                let host = if local { "localhost" } else { host.as_str() };
                let port = port.to_string();
                let found = from_passfile(passfile.as_deref()?, [host, &port, database, user]);
                found.filter(|password| !password.is_empty())
            });
            endpoints.push(Endpoint { host, is_named, at: place, port, password });
        }
        Ok(endpoints)
    }

    /// The password file, if it is there and nobody else may read it.
    fn passfile(&self) -> Option<Vec<u8>> {
        use std::os::unix::fs::PermissionsExt;
        if self.said.bytes("password").is_some_and(|password| !password.is_empty()) {
            return None;
        }
        let path = self.file("passfile").or_else(|| Some(self.home()?.join(".pgpass")))?;
        let found = std::fs::metadata(&path).ok()?;
        if !found.is_file() {
            tracing::warn!("{} is not used: it is not a file", path.display());
            return None;
        }
        if found.permissions().mode() & 0o077 != 0 {
            let path = path.display();
            tracing::warn!("{path} is not used: others may read it (chmod 600 mends that)");
            return None;
        }
        std::fs::read(&path).ok()
    }

    /// The word of `sslmode`.
    fn mode(&self) -> Result<&str, ConnectError> {
        let of_system = self.said.bytes("sslrootcert") == Some(b"system");
        let mode = self.said.text("sslmode")?;
        let mode = mode.unwrap_or(if of_system { "verify-full" } else { "prefer" });
        if SSL_MODES.contains(&mode) { Ok(mode) } else { Err(ConnectError::SslMode) }
    }

    /// How the line is encrypted, and how the server proves who it is
    /// (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>).
    fn encryption(&self, mode: &str) -> Result<(Encryption, Option<TlsSettings>), ConnectError> {
        let roots = self.file("sslrootcert");
        let of_system = roots.as_deref() == Some(Path::new("system"));
        let (encryption, asked) = match mode {
            "disable" => return Ok((Encryption::Disable, None)),
            "allow" => (Encryption::Allow, Verify::Nothing),
            "prefer" => (Encryption::Prefer, Verify::Nothing),
            "require" => (Encryption::Require, Verify::Nothing),
            "verify-ca" => (Encryption::Require, Verify::Authority),
            _ => (Encryption::Require, Verify::Full),
        };
        if of_system && asked != Verify::Full {
            let mode = mode.to_owned();
            return Err(ConnectError::WeakMode { mode, with: "sslrootcert=system" });
        }
        // As libpq has it, a root certificate that is there is used in every mode.
        let file = self.file_or("sslrootcert", "root.crt").filter(|_| !of_system);
        let there = file.clone().filter(|file| file.exists());
        let (verify, roots) = match (asked, file, there) {
            (Verify::Nothing, _, Some(file)) => (Verify::Authority, Roots::File(file)),
            (Verify::Nothing, Some(file), None) if encryption == Encryption::Require => {
                let missing = "No such file: the server cannot be verified by it";
                return Err(ConnectError::Tls(format!("{}: {missing}", file.display())));
            }
            (Verify::Authority, None, _) => return Err(ConnectError::NoRoots),
            (asked, Some(file), _) => (asked, Roots::File(file)),
            (asked, None, _) => (asked, Roots::System),
        };
        let certificate = self.file_or("sslcert", "postgresql.crt");
        let shown = self.said.text("sslcertmode")? != Some("disable");
        let client = certificate.filter(|path| shown && path.exists()).map(|certificate| {
            let home = || Some(self.home()?.join(".postgresql/postgresql.key"));
            (certificate, self.file("sslkey").or_else(home).unwrap_or_default())
        });
        if let Some(named) = self.file("sslcert").filter(|path| !path.exists()) {
            tracing::warn!("{} is not there: no client certificate is shown", named.display());
        }
        let sni = self.one_of("sslsni", &[("1", true), ("0", false)])?;
        // The list of the home folder belongs to the root of the home folder.
        let file = match roots {
            Roots::File(_) => self.file_or("sslcrl", "root.crl"),
            Roots::System => self.file("sslcrl"),
        };
        let revoked = RevokedIn { file, folder: self.file("sslcrldir") };
        let revoked = Some(revoked)
            .filter(|revoked| verify != Verify::Nothing && *revoked != RevokedIn::default());
        let versions = self.versions()?;
        Ok((encryption, Some(TlsSettings { verify, roots, revoked, client, versions, sni })))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, ConnectError> {
        let least = self.one_of(
            "ssl_min_protocol_version",
            &[("TLSv1.2", 2), ("TLSv1", 2), ("TLSv1.1", 2), ("TLSv1.3", 3)],
        )?;
        let most = self.one_of("ssl_max_protocol_version", &[("TLSv1.3", 3), ("TLSv1.2", 2)])?;
        let all: [(i32, &'static SupportedProtocolVersion); 2] = [(3, &TLS13), (2, &TLS12)];
        let versions: Vec<_> = all
            .into_iter()
            .filter(|(version, _)| (least..=most).contains(version))
            .map(|(_, version)| version)
            .collect();
        if versions.is_empty() {
            return Err(ConnectError::Url("its TLS versions leave none".to_owned()));
        }
        Ok(versions)
    }
}

/// The folder of a server's socket on this machine, if there is one.
fn usual_socket(port: u16) -> Option<&'static str> {
    SOCKETS.into_iter().find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn target(url: Option<&str>, env: &[(&str, &str)]) -> Result<Target, String> {
        let found = |name: &str| {
            let value = env.iter().find(|(n, _)| *n == name);
            value.map(|(_, v)| v.as_bytes().to_vec())
        };
        Target::resolve_with(url, &[], &found).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_or_the_environment_names_the_database() {
        let place = |url, env: &[_]| target(url, env).unwrap().place();
        assert_eq!(place(Some("postgres://u:p@h:5433/d?sslmode=require"), &[]), "h:5433/d");
        assert_eq!(place(Some("host=h dbname=d user=u sslmode=disable"), &[]), "h:5432/d");
        assert_eq!(place(None, &[("PGHOST", "h"), ("PGUSER", "u")]), "h:5432/u");
        assert_eq!(place(Some("postgres://h"), &[("PGDATABASE", "d")]), "h:5432/d");
        assert_eq!(place(None, &[("PGDATABASE", "d"), ("PGPORT", "1")]), "localhost:1/d");
        assert_eq!(place(Some(""), &[("PGHOST", "h"), ("PGDATABASE", "d")]), "h:5432/d");
        assert_eq!(
            place(None, &[("PGHOST", "a,/run/x,@y"), ("PGPORT", "1,,3"), ("PGDATABASE", "d")]),
            "a:1,/run/x:5432,@y:3/d"
        );
        assert_eq!(place(Some("host=h hostaddr=::1 dbname=d"), &[]), "h:5432/d");
        assert_eq!(place(Some("hostaddr=::1 dbname=d"), &[]), "[::1]:5432/d");
    }

    #[test]
    fn what_is_not_understood_is_refused_without_the_password() {
        for url in [
            "postgres://u:secret@h:x/d",
            "mysql://u:secret@h/d",
            "postgres://u:secret@h/d?sslmode=no",
            "postgres://u:secret@h/d?connect_timeout=secret",
            "postgres://u:secret@h/d?target_session_attrs=secret",
            "host=a,b port=1,2,3 password=secret",
            "host=a hostaddr=secret",
            "sslrootcert=system sslmode=require password=secret",
            "sslmode=verify-ca password=secret",
            "nonsense",
        ] {
            let error = target(Some(url), &[]).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(target(None, &[]).unwrap_err().contains("DATABASE_URL"));
        assert!(target(Some(""), &[]).unwrap_err().contains("DATABASE_URL"));
    }

    #[test]
    fn an_address_in_the_place_of_a_name_shows_no_password() {
        for text in [
            "host=u:hush@h dbname=d",
            "host=postgres://u:hush@h/x dbname=d",
            "host=h dbname=postgres://u:hush@h/d",
            "host=h dbname='user=u password=hush'",
        ] {
            let place = target(Some(text), &[]).unwrap().place();
            assert!(!place.contains("hush"), "{text}: {place}");
        }
    }

    #[test]
    fn a_target_shows_no_password() {
        let target = target(Some("postgres://u:se%63ret@h/d"), &[]).unwrap();
        assert!(!format!("{target:?}").contains("secret"));
        let secrets: BTreeSet<&str> = target.secrets().iter().map(String::as_str).collect();
        assert_eq!(secrets, BTreeSet::from(["se%63ret", "secret"]));
    }

    #[test]
    fn the_password_file_is_read_for_each_host() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        std::fs::write(&path, "h:5432:d:u:one\n*:*:*:*:last\n").unwrap();
        let env = [("PGPASSFILE", path.to_str().unwrap())];
        let passwords = |url| {
            let target = target(Some(url), &env).unwrap();
            let passwords = target.endpoints.into_iter().map(|endpoint| endpoint.password);
            passwords.map(|p| p.map(|p| String::from_utf8(p).unwrap())).collect::<Vec<_>>()
        };
        let found = |text: &str| Some(text.to_owned());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(passwords("postgres://u@h,i/d"), [found("one"), found("last")]);
        assert_eq!(passwords("postgres://u:own@h,i/d"), [found("own"), found("own")]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(passwords("postgres://u@h/d"), [None]);
    }

    #[test]
    fn sslmode_is_as_strict_as_libpq_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.crt");
        std::fs::write(&root, "").unwrap();
        let read = |text: &str| {
            let target = target(Some(&format!("host=h {text}")), &[])?;
            Ok::<_, String>((target.encryption, target.tls.map(|tls| tls.verify)))
        };
        let named = format!("sslrootcert='{}'", root.display());
        let none = "sslrootcert=/none.pem";
        assert_eq!(read("").unwrap(), (Encryption::Prefer, Some(Verify::Nothing)));
        assert_eq!(read("sslmode = disable").unwrap(), (Encryption::Disable, None));
        assert_eq!(read("sslmode=require").unwrap(), (Encryption::Require, Some(Verify::Nothing)));
        for mode in ["require", "verify-ca"] {
            let read = read(&format!("sslmode={mode} {named}")).unwrap();
            assert_eq!(read, (Encryption::Require, Some(Verify::Authority)), "{mode}");
        }
        assert_eq!(read(&named).unwrap(), (Encryption::Prefer, Some(Verify::Authority)));
        assert_eq!(read(none).unwrap(), (Encryption::Prefer, Some(Verify::Nothing)));
        assert!(read(&format!("sslmode=require {none}")).unwrap_err().contains("none.pem"));
        assert_eq!(read("sslrootcert=system").unwrap(), (Encryption::Require, Some(Verify::Full)));
        assert!(read("sslmode=verify-ca").unwrap_err().contains("sslrootcert"));
        assert!(read("sslnegotiation=direct").unwrap_err().contains("sslnegotiation"));
    }
}
