//! Service files (<https://www.postgresql.org/docs/current/libpq-pgservice.html>).

use std::path::{Path, PathBuf};

use super::ConnectError;
use super::environment::{Environment, path_of};

/// The folder of the service file for all users, if `PGSYSCONFDIR` names none: Debian's.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// What a service says of one parameter.
pub(super) struct ServiceLine {
    /// The file and the line, for people.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// What a service file says of a service: the user's own file, else the system's.
pub(super) fn lines_of_service(
    service: &str,
    named: Option<PathBuf>,
    environment: Environment<'_>,
) -> Result<Vec<ServiceLine>, ConnectError> {
    let home = environment("HOME").map(path_of).map(|home| home.join(".pg_service.conf"));
    let own = named.or_else(|| home.filter(|path| path.exists()));
    let system = environment("PGSYSCONFDIR").map_or_else(|| SYSTEM_FOLDER.into(), path_of);
    let system = Some(system.join("pg_service.conf")).filter(|path| path.exists());
    for path in own.into_iter().chain(system) {
        if let Some(lines) = read(&path, service)? {
            return Ok(lines);
        }
    }
    Err(ConnectError::Service(format!("the service '{service}' is not defined in a service file")))
}

fn read(path: &Path, service: &str) -> Result<Option<Vec<ServiceLine>>, ConnectError> {
    let wrong = |why: String| ConnectError::Service(format!("{}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines: Option<Vec<ServiceLine>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if lines.is_some() {
                break;
            }
            if name.split(']').next() == Some(service) {
                lines = Some(Vec::new());
            }
            continue;
        }
        let Some(lines) = &mut lines else { continue };
        let place = format!("line {}", number + 1);
        if line.starts_with("ldap") {
            return Err(wrong(format!("{place}: services from LDAP are not supported")));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong(format!("{place} is not written as key=value")));
        };
        if ["service", "servicefile"].contains(&name) {
            return Err(wrong(format!("{place}: a service cannot name another one")));
        }
        let place = format!("{}: {place}", path.display());
        lines.push(ServiceLine { place, name: name.to_owned(), value: value.to_owned() });
    }
    Ok(lines)
}
