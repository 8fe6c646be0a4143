use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::flow::{Failure, Retry};

use super::error::{broke, passes};
use super::tls::{Verify, connector};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A database to load into, as a URL or the environment names it.
#[derive(Clone)]
pub struct Target {
    config: Config,
    tls: Option<(Verify, Option<PathBuf>)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// None named.
    #[error(
        "no Postgres is named: set DATABASE_URL=postgres://user:password@host/database, or PGHOST \
         and its kin. A local one in one line: make postgres (or: docker run --rm -d -p 5432:5432 \
         -e POSTGRES_PASSWORD=taxi postgres)"
    )]
    NoTarget,
    /// A URL that is not understood. It is not shown: a password may be in it.
    #[error(
        "the database URL is not understood: {0}. Write it as postgres://user:password@host:5432/database"
    )]
    Url(String),
    /// A part of it that is kept elsewhere is not to be had.
    #[error("the database cannot be named: {0}")]
    Secret(String),
    /// An `sslmode` that is none.
    #[error("'{0}' is no sslmode: use disable, prefer, require, or verify-full")]
    SslMode(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The server cannot be reached, or refuses.
    #[error("cannot connect to Postgres at {place}: {}", reason(source))]
    Refused {
        /// Host, port and database.
        place: String,
        /// The driver's error.
        source: tokio_postgres::Error,
    },
}

fn reason(source: &tokio_postgres::Error) -> String {
    if let Some(error) = source.as_db_error() {
        return error.message().to_owned();
    }
    let mut inner: &dyn std::error::Error = source;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

impl Failure for ConnectError {
    fn retry(&self) -> Retry {
        match self {
            Self::Refused { source, .. } if source.code().map_or_else(|| broke(source), passes) => {
                Retry::Backoff
            }
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        false
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.place()).finish()
    }
}

/// A connection, and what it takes to cancel its statement.
pub(super) struct Session {
    pub(super) client: Client,
    tls: Option<MakeRustlsConnect>,
}

impl Session {
    /// Asks the server to stop what it is doing for this session.
    pub(super) async fn cancel(&self) {
        let token = self.client.cancel_token();
        let asked = match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        };
        if let Err(error) = asked {
            tracing::debug!("cannot cancel the statement: {error}");
        }
    }
}

/// The variables that name a database to connect to.
const NAMING: [&str; 4] = ["PGHOST", "PGDATABASE", "PGUSER", "PGPORT"];

impl Target {
    /// The variable of the environment, if one, that names a database where no URL does.
    pub fn variable() -> Option<&'static str> {
        NAMING
            .into_iter()
            .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    }

    /// The database a URL or a string of `key=value` names, else the one that `PGHOST` and its
    /// kin do; what neither says is as libpq has it.
    pub fn resolve(url: Option<&str>) -> Result<Self, ConnectError> {
        Self::resolve_with(url, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn resolve_with(
        url: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let named = NAMING.iter().any(|name| env(name).is_some());
        let (text, mode, roots) = match url {
            Some(url) => split(url)?,
            None if named => (String::new(), None, None),
            None => return Err(ConnectError::NoTarget),
        };
        let mut config =
            Config::from_str(&text).map_err(|error| ConnectError::Url(reason(&error)))?;
        if config.get_hosts().is_empty() {
            config.host(env("PGHOST").as_deref().unwrap_or("localhost"));
        }
        if config.get_ports().is_empty()
            && let Some(port) = env("PGPORT")
        {
            let bad = |_| ConnectError::Url(format!("PGPORT is '{port}', which is no port"));
            config.port(port.parse().map_err(bad)?);
        }
        if config.get_user().is_none() {
            let user = env("PGUSER").or_else(|| env("USER")).unwrap_or_else(|| "postgres".into());
            config.user(&user);
        }
        if config.get_dbname().is_none() {
            let user = config.get_user().unwrap_or_default().to_owned();
            config.dbname(env("PGDATABASE").as_deref().unwrap_or(&user));
        }
        if config.get_password().is_none()
            && let Some(password) = env("PGPASSWORD").or_else(|| from_passfile(&config, &env))
        {
            config.password(password);
        }
        config.application_name("taxi").connect_timeout(CONNECT_TIMEOUT);
        let roots = roots.or_else(|| env("PGSSLROOTCERT")).map(PathBuf::from);
        let mode = mode.or_else(|| env("PGSSLMODE")).unwrap_or_else(|| "prefer".to_owned());
        let tls = match mode.as_str() {
            "disable" => None,
            "allow" | "prefer" => {
                config.ssl_mode(SslMode::Prefer);
                Some((Verify::Nothing, roots))
            }
            "require" => {
                config.ssl_mode(SslMode::Require);
                Some((Verify::Nothing, roots))
            }
            "verify-ca" | "verify-full" => {
                config.ssl_mode(SslMode::Require);
                Some((Verify::Full, roots))
            }
            other => return Err(ConnectError::SslMode(other.to_owned())),
        };
        if tls.is_none() {
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Self { config, tls })
    }

    /// Host, port and database, for people: no user, no password.
    pub fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }

    /// Its password, wherever that comes from: to be hidden.
    pub fn password(&self) -> Option<String> {
        let password = self.config.get_password()?;
        Some(String::from_utf8_lossy(password).into_owned())
    }

    pub(super) async fn connect(&self) -> Result<Session, ConnectError> {
        let refused = |source| ConnectError::Refused { place: self.place(), source };
        if let Some((verify, roots)) = &self.tls {
            let tls = connector(*verify, roots.as_deref())?;
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(refused)?;
            tokio::spawn(async move { log_end(connection.await) });
            Ok(Session { client, tls: Some(tls) })
        } else {
            let (client, connection) = self.config.connect(NoTls).await.map_err(refused)?;
            tokio::spawn(async move { log_end(connection.await) });
            Ok(Session { client, tls: None })
        }
    }
}

/// The statement in hand hears of a broken connection too: it says so to people.
fn log_end(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        tracing::debug!("the connection to Postgres ended: {error}");
    }
}

/// A URL or string of settings without the two that the driver does not know, and these.
fn split(url: &str) -> Result<(String, Option<String>, Option<String>), ConnectError> {
    let (mut mode, mut roots) = (None, None);
    let mut ours = |name: &str, value: &str| {
        let kept = match name {
            "sslmode" => &mut mode,
            "sslrootcert" => &mut roots,
            _ => return false,
        };
        *kept = Some(value.to_owned());
        true
    };
    let rest = if url.contains("://") {
        let mut parsed = Url::parse(url).map_err(|error| ConnectError::Url(error.to_string()))?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(ConnectError::Url(format!("its scheme is '{}'", parsed.scheme())));
        }
        // The others stay as they are written: the driver reads %20 and no plus sign.
        let query = parsed.query().unwrap_or_default().to_owned();
        let others = query.split('&').filter(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            !pair.is_empty() && !ours(name, value)
        });
        let others = others.collect::<Vec<_>>().join("&");
        parsed.set_query((!others.is_empty()).then_some(others.as_str()));
        parsed.to_string()
    } else {
        let parts = url.split_whitespace().filter(|part| match part.split_once('=') {
            Some((name, value)) => !ours(name, value.trim_matches('\'')),
            None => true,
        });
        parts.collect::<Vec<_>>().join(" ")
    };
    Ok((rest, mode, roots))
}

/// The password that the password file has for this target
/// (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn from_passfile(config: &Config, env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let path = env("PGPASSFILE")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env("HOME")?).join(".pgpass")))?;
    let text = std::fs::read_to_string(&path).ok()?;
    let open =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).ok()?.permissions());
    if open & 0o077 != 0 {
        tracing::warn!("{} is not used: others may read it (chmod 600 mends that)", path.display());
        return None;
    }
    let host = match config.get_hosts().first()? {
        Host::Tcp(host) => host.clone(),
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [host.as_str(), &port, config.get_dbname()?, config.get_user()?];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = passfile_fields(line);
        let [first @ .., password] = fields.as_slice() else {
            return None;
        };
        let fits = first.len() == 4
            && first.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| password.clone())
    })
}

/// The fields of a line, `\:` and `\\` undone.
fn passfile_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(characters.next())),
            other => fields.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: Option<&str>, env: &[(&str, &str)]) -> Result<Target, String> {
        let found = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Target::resolve_with(url, found).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_or_the_environment_names_the_database() {
        let place = |url, env: &[_]| target(url, env).unwrap().place();
        assert_eq!(place(Some("postgres://u:p@h:5433/d?sslmode=require"), &[]), "h:5433/d");
        assert_eq!(place(Some("host=h dbname=d user=u sslmode=disable"), &[]), "h:5432/d");
        assert_eq!(place(None, &[("PGHOST", "h"), ("PGUSER", "u")]), "h:5432/u");
        assert_eq!(place(Some("postgres://h"), &[("PGDATABASE", "d")]), "h:5432/d");
        assert_eq!(place(None, &[("PGDATABASE", "d"), ("PGPORT", "1")]), "localhost:1/d");
    }

    #[test]
    fn what_is_not_understood_is_refused_without_the_password() {
        let secret = "postgres://u:secret@h:x/d";
        for url in
            [secret, "mysql://u:secret@h/d", "postgres://u:secret@h/d?sslmode=no", "nonsense"]
        {
            let error = target(Some(url), &[]).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(target(None, &[]).unwrap_err().contains("DATABASE_URL"));
    }

    #[test]
    fn a_target_shows_no_password() {
        let shown = format!("{:?}", target(Some("postgres://u:secret@h/d"), &[]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_password_file_is_read_as_libpq_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        std::fs::write(&path, "# c\nother:*:*:*:no\nh:5432:d:u:a\\:b\\\\c\n*:*:*:*:last\n")
            .unwrap();
        let env = [("PGPASSFILE", path.to_str().unwrap())];
        let password = || {
            let target = target(Some("postgres://u@h/d"), &env).unwrap();
            target.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(password().as_deref(), Some("a:b\\c"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(password(), None);
    }
}
