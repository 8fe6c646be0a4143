use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::redact::MASK;

use super::PrefectError;

/// Which server, and who asks: from the environment, else from Prefect's active profile, where
/// `prefect config set` and `prefect cloud login` leave them.
#[derive(Clone)]
pub struct Access {
    /// The address of its API.
    pub url: String,
    /// Who asks.
    pub auth: Auth,
}

/// How the server knows who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// It does not ask.
    #[default]
    None,
    /// A key of Prefect Cloud.
    Key(String),
    /// The `user:password` of a server of one's own.
    Basic(String),
}

// Never shown.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Key(_) => write!(f, "Key({MASK})"),
            Self::Basic(_) => write!(f, "Basic({MASK})"),
        }
    }
}

// Its address may have a password in it.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// Prefect's `profiles.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profiles {
    active: Option<String>,
    profiles: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

impl Access {
    /// As the environment and the active profile say.
    pub fn find() -> Result<Self, PrefectError> {
        // What is copied may end in a line break.
        let variable = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        // Who names a server means that one, with its own keys.
        let profile = match variable("PREFECT_API_URL") {
            Some(_) => BTreeMap::new(),
            None => active(variable)?,
        };
        let setting = |name: &str| {
            variable(name).or_else(|| profile.get(name).and_then(|v| v.as_str().map(str::to_owned)))
        };
        let url = setting("PREFECT_API_URL").ok_or(PrefectError::NoServer)?;
        let auth = match (setting("PREFECT_API_KEY"), setting("PREFECT_API_AUTH_STRING")) {
            (Some(key), _) => Auth::Key(key),
            (None, Some(pair)) => Auth::Basic(pair),
            (None, None) => Auth::None,
        };
        Ok(Self { url, auth })
    }
}

/// The settings of the active profile.
fn active(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, toml::Value>, PrefectError> {
    let path = match (variable("PREFECT_PROFILES_PATH"), variable("PREFECT_HOME")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(home)) => PathBuf::from(home).join("profiles.toml"),
        (None, None) => match variable("HOME") {
            Some(home) => PathBuf::from(home).join(".prefect/profiles.toml"),
            None => return Ok(BTreeMap::new()),
        },
    };
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(BTreeMap::new()) };
    let mut profiles: Profiles = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let path = path.display().to_string();
        PrefectError::Profiles { path, what: error.message().to_owned() }
    })?;
    let name = variable("PREFECT_PROFILE").or(profiles.active.take());
    Ok(name.and_then(|name| profiles.profiles.remove(&name)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_profile_names_the_server() {
        let home = tempfile::tempdir().unwrap();
        let text = "active = 'local'\n[profiles.local]\nPREFECT_API_URL = 'http://one/api'\n\
                    [profiles.other]\nPREFECT_API_URL = 'http://two/api'\n";
        std::fs::write(home.path().join("profiles.toml"), text).unwrap();
        let url = |profile: Option<&str>| {
            let settings = active(|name| match name {
                "PREFECT_HOME" => home.path().to_str().map(str::to_owned),
                "PREFECT_PROFILE" => profile.map(str::to_owned),
                _ => None,
            });
            let found = settings.unwrap().remove("PREFECT_API_URL");
            found.and_then(|url| url.as_str().map(str::to_owned))
        };
        assert_eq!(url(None).as_deref(), Some("http://one/api"));
        assert_eq!(url(Some("other")).as_deref(), Some("http://two/api"));
        assert_eq!(url(Some("none")), None);
    }

    #[test]
    fn keys_are_never_shown() {
        let access =
            Access { url: "http://u:inurl@x/api".to_owned(), auth: Auth::Basic("a:b".to_owned()) };
        let shown = format!("{access:?} {:?}", Auth::Key("pnu_1".to_owned()));
        assert!(!shown.contains("a:b") && !shown.contains("pnu_1"), "{shown}");
        let shown = format!("{access:?} {:?}", crate::prefect::Api::new(&access).unwrap());
        assert!(!shown.contains("inurl") && !shown.contains("a:b"), "{shown}");
    }
}
