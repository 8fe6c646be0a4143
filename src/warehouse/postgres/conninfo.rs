//! What a connection string, the service file and the environment say of a database, as libpq
//! reads them (<https://www.postgresql.org/docs/current/libpq-connect.html>).
//!
//! Only reads: what the values mean is decided in `target`. A value is never part of an error,
//! since it may be a piece of a password that was written without its escapes.

use std::collections::BTreeMap;

use super::ConnectError;
use super::environment::{Environment, path_of};
use super::service_file::lines_of_service;

/// What is done about a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is followed.
    Read,
    /// It changes nothing for a connection of this program.
    Without,
    /// Only these values mean what this program does; others are refused.
    Only(&'static [&'static str]),
}

/// Every parameter of libpq 18, the variable that says the same, and what is done about it.
const PARAMETERS: &[(&str, Option<&str>, Use)] = &[
    ("application_name", Some("PGAPPNAME"), Use::Read),
    ("channel_binding", Some("PGCHANNELBINDING"), Use::Read),
    // The encoding of the session is always UTF-8.
    ("client_encoding", Some("PGCLIENTENCODING"), Use::Without),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Use::Read),
    ("dbname", Some("PGDATABASE"), Use::Read),
    ("fallback_application_name", None, Use::Read),
    // Kerberos is not spoken: only what demands it matters.
    ("gssdelegation", Some("PGGSSDELEGATION"), Use::Without),
    ("gssencmode", Some("PGGSSENCMODE"), Use::Only(&["", "disable", "prefer"])),
    ("gsslib", Some("PGGSSLIB"), Use::Without),
    ("host", Some("PGHOST"), Use::Read),
    ("hostaddr", Some("PGHOSTADDR"), Use::Read),
    ("keepalives", None, Use::Read),
    ("keepalives_count", None, Use::Read),
    ("keepalives_idle", None, Use::Read),
    ("keepalives_interval", None, Use::Read),
    ("krbsrvname", Some("PGKRBSRVNAME"), Use::Without),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Use::Read),
    (
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        Use::Only(&["", "3.0", "3.2", "latest"]),
    ),
    ("min_protocol_version", Some("PGMINPROTOCOLVERSION"), Use::Only(&["", "3.0"])),
    ("oauth_client_id", None, Use::Only(&[""])),
    ("oauth_client_secret", None, Use::Only(&[""])),
    ("oauth_issuer", None, Use::Only(&[""])),
    ("oauth_scope", None, Use::Only(&[""])),
    ("options", Some("PGOPTIONS"), Use::Read),
    ("passfile", Some("PGPASSFILE"), Use::Read),
    ("password", Some("PGPASSWORD"), Use::Read),
    ("port", Some("PGPORT"), Use::Read),
    ("replication", None, Use::Only(&["", "false", "off", "no", "0"])),
    ("require_auth", Some("PGREQUIREAUTH"), Use::Only(&[""])),
    ("requirepeer", Some("PGREQUIREPEER"), Use::Only(&[""])),
    ("scram_client_key", None, Use::Only(&[""])),
    ("scram_server_key", None, Use::Only(&[""])),
    ("service", Some("PGSERVICE"), Use::Read),
    ("servicefile", Some("PGSERVICEFILE"), Use::Read),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Use::Read),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Use::Read),
    ("sslcert", Some("PGSSLCERT"), Use::Read),
    ("sslcertmode", Some("PGSSLCERTMODE"), Use::Only(&["", "allow", "disable"])),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Use::Without),
    ("sslcrl", Some("PGSSLCRL"), Use::Read),
    ("sslcrldir", Some("PGSSLCRLDIR"), Use::Read),
    ("sslkey", Some("PGSSLKEY"), Use::Read),
    ("sslkeylogfile", None, Use::Only(&[""])),
    ("sslmode", Some("PGSSLMODE"), Use::Read),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Use::Read),
    ("sslpassword", None, Use::Only(&[""])),
    ("sslrootcert", Some("PGSSLROOTCERT"), Use::Read),
    ("sslsni", Some("PGSSLSNI"), Use::Read),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Use::Read),
    ("tcp_user_timeout", None, Use::Read),
    ("user", Some("PGUSER"), Use::Read),
];

/// How deep a password could be written wrongly is not known, so nothing is shown.
const IN_PASSWORD: &str =
    "in a password, write @ as %40, / as %2F and % as %25, or give the password in PGPASSWORD";

/// What is said of a connection. A later word replaces an earlier one of the same layer; a
/// layer says only what those before it left out.
#[derive(Clone, Default)]
pub(super) struct Conninfo {
    said: BTreeMap<&'static str, Vec<u8>>,
    /// Passwords as they are written, escapes and all: to be hidden too.
    written: Vec<Vec<u8>>,
}

impl Conninfo {
    /// Reads a URL, or a string of `key=value`.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectError> {
        let mut conninfo = Self::default();
        match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => conninfo.read_url(rest)?,
            None => match scheme(text) {
                Some(scheme) => return Err(bad(&other_scheme(scheme))),
                None => conninfo.read_pairs(text)?,
            },
        }
        Ok(conninfo)
    }

    /// What is said of a parameter, if anything; empty if it is said to be nothing.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.said.get(name).map(Vec::as_slice)
    }

    /// The same as text, and only if there is something.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, ConnectError> {
        match self.bytes(name) {
            None | Some([]) => Ok(None),
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(bad(&format!("{name} is not UTF-8"))),
            },
        }
    }

    /// Sets a parameter, whatever was said of it before.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), ConnectError> {
        let value = value.into();
        if name == "requiressl" {
            // The word of old for sslmode.
            let mode = if value.first() == Some(&b'1') { "require" } else { "prefer" };
            self.said.insert("sslmode", mode.into());
            return Ok(());
        }
        let known = PARAMETERS.iter().find(|(known, ..)| *known == name);
        let Some((known, _, used)) = known else {
            // A name may be a piece of a password that was written without quotes.
            let plain =
                name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let named = if plain { format!(" '{name}'") } else { String::new() };
            return Err(bad(&format!("it has a parameter{named} that libpq does not know")));
        };
        if let Use::Only(values) = used
            && !values.iter().any(|only| only.as_bytes() == value)
        {
            return Err(ConnectError::Unsupported(known));
        }
        self.said.insert(known, value);
        Ok(())
    }

    /// Adds what the service and the environment say of what is left out.
    pub(super) fn complete(mut self, environment: Environment<'_>) -> Result<Self, ConnectError> {
        let from_variable = |conninfo: &Self, name: &str, variable: &str| {
            let said = conninfo.bytes(name).map(<[u8]>::to_vec);
            said.or_else(|| environment(variable)).filter(|value| !value.is_empty())
        };
        if let Some(service) = from_variable(&self, "service", "PGSERVICE") {
            let file = from_variable(&self, "servicefile", "PGSERVICEFILE");
            let service = String::from_utf8_lossy(&service).into_owned();
            let mut said = Self::default();
            for line in lines_of_service(&service, file.map(path_of), environment)? {
                // The first word on a parameter counts.
                let known = PARAMETERS.iter().any(|(known, ..)| *known == line.name);
                if !(known && said.said.contains_key(line.name.as_str())) {
                    said.set(&line.name, line.value.as_str()).map_err(|error| {
                        ConnectError::Service(format!("{}: {error}", line.place))
                    })?;
                }
            }
            self.add(said);
        }
        for (name, variable, _) in PARAMETERS {
            if let Some(variable) = variable
                && !self.said.contains_key(name)
                && let Some(value) = environment(variable)
            {
                self.set(name, value)?;
            }
        }
        if !self.said.contains_key("sslmode")
            && environment("PGREQUIRESSL").is_some_and(|value| value.first() == Some(&b'1'))
        {
            self.set("sslmode", "require")?;
        }
        Ok(self)
    }

    /// Every spelling of a password in it.
    pub(super) fn passwords(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes("password").into_iter().chain(self.written.iter().map(Vec::as_slice))
    }

    fn add(&mut self, other: Self) {
        for (name, value) in other.said {
            self.said.entry(name).or_insert(value);
        }
        self.written.extend(other.written);
    }

    fn set_decoded(&mut self, name: &str, written: &str) -> Result<(), ConnectError> {
        if name == "password" {
            self.written.push(written.as_bytes().to_vec());
        }
        let value = decoded(written)?;
        self.set(name, value)
    }

    /// A URL after its scheme. The steps and their order are those of libpq: a password may
    /// hold `#`, `?` and blanks as they are, since the `@` is looked for first.
    fn read_url(&mut self, rest: &str) -> Result<(), ConnectError> {
        let mut rest = rest;
        let mut with_user = false;
        if let Some(at) = rest.find(['@', '/'])
            && rest[at..].starts_with('@')
        {
            let user = &rest[..at];
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            if !user.is_empty() {
                self.set_decoded("user", user)?;
            }
            if !password.is_empty() {
                self.set_decoded("password", password)?;
            }
            rest = &rest[at + 1..];
            with_user = true;
        }
        let (mut hosts, mut ports) = (String::new(), String::new());
        loop {
            let end = if let Some(address) = rest.strip_prefix('[') {
                let end = address.find(']').filter(|end| *end > 0);
                let end = end.ok_or_else(|| bad("its IPv6 address has no end"))?;
                hosts.push_str(&address[..end]);
                rest = &address[end + 1..];
                if !(rest.is_empty() || rest.starts_with([':', '/', '?', ','])) {
                    return Err(bad("something follows its IPv6 address"));
                }
                0
            } else {
                let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
                hosts.push_str(&rest[..end]);
                end
            };
            rest = &rest[end..];
            if let Some(port) = rest.strip_prefix(':') {
                let end = port.find(['/', '?', ',']).unwrap_or(port.len());
                ports.push_str(&port[..end]);
                rest = &port[end..];
            }
            let Some(next) = rest.strip_prefix(',') else { break };
            hosts.push(',');
            ports.push(',');
            rest = next;
        }
        if hosts.contains('@') {
            return Err(bad(&format!("it has more than one @: {IN_PASSWORD}")));
        }
        if !hosts.is_empty() {
            self.set_decoded("host", &hosts)?;
        }
        if !ports.is_empty() {
            self.set_decoded("port", &ports)?;
        }
        if let Some(path) = rest.strip_prefix('/') {
            let (name, query) = path.split_once('?').map_or((path, None), |(n, q)| (n, Some(q)));
            if !with_user && name.contains('@') {
                return Err(bad(&format!("a / comes before its @: {IN_PASSWORD}")));
            }
            if !name.is_empty() {
                self.set_decoded("dbname", name)?;
            }
            return query.map_or(Ok(()), |query| self.read_query(query));
        }
        rest.strip_prefix('?').map_or(Ok(()), |query| self.read_query(query))
    }

    fn read_query(&mut self, query: &str) -> Result<(), ConnectError> {
        // What is after a last & is nothing, what is between two of them is not.
        let query = query.strip_suffix('&').unwrap_or(query);
        if query.is_empty() {
            return Ok(());
        }
        for pair in query.split('&') {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(bad("a parameter of it has no value"));
            };
            if value.contains('=') {
                return Err(bad("a parameter of it has two = (write the second as %3D)"));
            }
            let name = decoded(name)?;
            match (name.as_slice(), value) {
                // As JDBC says it.
                (b"ssl", "true") => self.set("sslmode", "require")?,
                _ => self.set_decoded(&String::from_utf8_lossy(&name), value)?,
            }
        }
        Ok(())
    }

    /// A string of `key=value`: blanks around the `=`, values in single quotes, a backslash
    /// before what is to be taken as it is.
    fn read_pairs(&mut self, text: &str) -> Result<(), ConnectError> {
        let blank = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
        let mut rest = text.trim_start_matches(blank);
        while !rest.is_empty() {
            let end = rest.find(|c| c == '=' || blank(c)).unwrap_or(rest.len());
            let name = &rest[..end];
            let Some(value) = rest[end..].trim_start_matches(blank).strip_prefix('=') else {
                return Err(bad(
                    "a word of it is followed by no = (put values with blanks in quotes)",
                ));
            };
            let value = value.trim_start_matches(blank);
            let (quoted, inner) = match value.strip_prefix('\'') {
                Some(inner) => (true, inner),
                None => (false, value),
            };
            let mut said = String::new();
            let mut characters = inner.char_indices();
            let mut end = None;
            while let Some((at, character)) = characters.next() {
                match character {
                    '\\' => said.extend(characters.next().map(|(_, escaped)| escaped)),
                    '\'' if quoted => {
                        end = Some(at + 1);
                        break;
                    }
                    other if !quoted && blank(other) => {
                        end = Some(at);
                        break;
                    }
                    other => said.push(other),
                }
            }
            if quoted && end.is_none() {
                return Err(bad("a quote of it has no end"));
            }
            let end = end.unwrap_or(inner.len());
            if name == "password" {
                let written = &inner[..end - usize::from(quoted)];
                self.written.push(written.as_bytes().to_vec());
            }
            self.set(name, said)?;
            rest = inner[end..].trim_start_matches(blank);
        }
        Ok(())
    }
}

/// What stands before `://`, if that is a scheme and not a piece of a value.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let mark = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte);
    let begins = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (begins && scheme.len() <= 40 && scheme.bytes().all(mark)).then_some(scheme)
}

/// Other libraries have a driver in the scheme, or their own word before it.
fn other_scheme(scheme: &str) -> String {
    let words = scheme.to_ascii_lowercase();
    if words.split([':', '+', '.', '-']).any(|word| matches!(word, "postgres" | "postgresql")) {
        format!("its scheme is '{scheme}', as another library has it; use postgresql:// instead")
    } else {
        format!("its scheme is '{scheme}'")
    }
}

fn bad(why: &str) -> ConnectError {
    ConnectError::Url(why.to_owned())
}

/// A part of a URL, its percents undone. Blanks around it do not belong to it.
fn decoded(written: &str) -> Result<Vec<u8>, ConnectError> {
    let mut bytes = written.trim_matches(' ').bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        match (digit(), digit()) {
            (Some(0), Some(0)) => return Err(bad("%00 stands for nothing that it may hold")),
            (Some(high), Some(low)) => decoded.push((high * 16 + low) as u8),
            _ => {
                return Err(bad(&format!(
                    "a % of it is not followed by two hex digits: {IN_PASSWORD}"
                )));
            }
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, in the order of the names; or why it is not.
    fn read(text: &str) -> String {
        match Conninfo::parse(text) {
            Ok(conninfo) => {
                let said = conninfo.said.iter();
                let said = said.map(|(name, value)| format!("{name}={}", value.escape_ascii()));
                said.collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (url, said) in [
            ("postgres://", ""),
            ("postgresql:///d", "dbname=d"),
            ("postgres://u:p@h:5433/d", "dbname=d host=h password=p port=5433 user=u"),
            ("postgres://u:a#b?c%20d@h/d", "dbname=d host=h password=a#b?c d user=u"),
            ("postgres://u:%FF%40:x@h", "host=h password=\\xff@:x user=u"),
            ("postgres://u:a  b@h/d", "dbname=d host=h password=a  b user=u"),
            ("postgres://h1:1,h2:2,[::1]:3/d", "dbname=d host=h1,h2,::1 port=1,2,3"),
            ("postgres://h1,h2:2/d", "dbname=d host=h1,h2 port=,2"),
            ("postgres://%2Frun%2Fpg/d", "dbname=d host=/run/pg"),
            ("postgresql:///d?host=/cloudsql/p:r:i&user=u", "dbname=d host=/cloudsql/p:r:i user=u"),
            ("postgres://h/d?sslrootcert=%2Fa%2Fb.pem&", "dbname=d host=h sslrootcert=/a/b.pem"),
            ("postgres://h?ssl=true", "host=h sslmode=require"),
            ("postgres://h?requiressl=1", "host=h sslmode=require"),
            ("postgres://h/?dbname=e&port=1", "dbname=e host=h port=1"),
        ] {
            assert_eq!(read(url), said, "{url}");
        }
    }

    #[test]
    fn strings_of_pairs_are_read_as_libpq_reads_them() {
        for (text, said) in [
            ("", ""),
            (" host = h  dbname=d ", "dbname=d host=h"),
            ("sslmode = require\tuser=u", "sslmode=require user=u"),
            ("password='a  b' user=u", "password=a  b user=u"),
            ("password='it\\'s \\\\' user=u", "password=it\\'s \\\\ user=u"),
            ("password=a\\ b user=u", "password=a b user=u"),
            ("host='' user=u", "host= user=u"),
            ("host= user=u", "host=user=u"),
            ("user=u user=v", "user=v"),
            ("password=postgres://x user=u", "password=postgres://x user=u"),
        ] {
            assert_eq!(read(text), said, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_without_a_piece_of_it() {
        for text in [
            "postgres://u:hush/hush@h/d",
            "postgres://u:1/hush@h/d",
            "postgres://u:hush@hush@h/d",
            "postgres://u:hush%zz@h/d",
            "postgres://u:hush%2@h/d",
            "postgres://u@h/d?hush",
            "postgres://u@h/d?password=a=hush",
            "postgres://u@h/d?HUSHhush=1",
            "postgres://[::1/hush",
            "mysql://u:hush@h/d",
            "postgresql+psycopg2://u:hush@h/d",
            "jdbc:postgresql://h/d?password=hush",
            "hush",
            "password=a hush",
            "password='hush",
            "user=u HUSHhush=1",
        ] {
            let error = read(text);
            assert!(error.starts_with("! "), "{text}: {error}");
            assert!(!error.to_lowercase().contains("hush"), "{error}");
        }
        for scheme in ["postgresql+psycopg2", "postgres+asyncpg", "jdbc:postgresql", "POSTGRES"] {
            let error = read(&format!("{scheme}://u:p@h/d"));
            assert!(
                error.contains(scheme) && error.contains("use postgresql:// instead"),
                "{error}"
            );
        }
        let error = read("host=h require_auth=scram-sha-256");
        assert!(error.contains("require_auth"), "{error}");
        assert_eq!(read("host=h require_auth=''"), "host=h require_auth=");
        assert_eq!(read("gssencmode=prefer"), "gssencmode=prefer");
        assert!(read("gssencmode=require").contains("gssencmode"));
    }

    #[test]
    fn a_service_says_what_is_left_out_and_the_environment_what_that_leaves_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services");
        let text = "# c\n[a]\nhost=a\n[b]\nhost=b\nport=1\nport=2\nuser = x\n";
        std::fs::write(&file, text.replace("user = x", "user=s")).unwrap();
        let path = file.to_str().unwrap();
        let complete = |text: &str, more: &[(&str, &str)]| {
            let set = [&[("PGSERVICEFILE", path), ("PGUSER", "e"), ("PGDATABASE", "e")], more];
            let set = set.concat();
            let found = |name: &str| {
                let value = set.iter().find(|(n, _)| *n == name);
                value.map(|(_, value)| value.as_bytes().to_vec())
            };
            let said = Conninfo::parse(text).and_then(|conninfo| conninfo.complete(&found));
            said.map(|conninfo| {
                ["host", "port", "user", "dbname"]
                    .map(|name| conninfo.text(name).unwrap().unwrap_or("-").to_owned())
                    .join(" ")
            })
            .map_err(|error| error.to_string())
        };
        assert_eq!(complete("service=b host=h", &[]).unwrap(), "h 1 s e");
        assert_eq!(complete("", &[("PGSERVICE", "a")]).unwrap(), "a - e e");
        assert!(complete("service=c", &[]).unwrap_err().contains("'c' is not defined"));
        std::fs::write(&file, text).unwrap();
        let error = complete("service=b", &[]).unwrap_err();
        assert!(error.contains("services: line 8"), "{error}");
    }
}
