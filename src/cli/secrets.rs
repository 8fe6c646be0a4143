//! The secrets of the environment, which nothing shows.

use std::path::Path;

use crate::redact::{remember, url_secrets};

/// The variables that hold a secret and nothing else.
pub(super) const SECRETS: [&str; 3] = ["PGPASSWORD", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"];

/// Those that hold a key, or the path of one.
const KEYS: [&str; 2] = ["GOOGLE_APPLICATION_CREDENTIALS", "TAXI_CREDENTIALS"];

/// Those that hold an address, which may have a secret in it.
const ADDRESSES: [&str; 3] = ["DATABASE_URL", "TAXI_SOURCE", "TAXI_ZONES"];

/// Takes what the environment has of secrets out of all that is shown, before anything is.
pub(super) fn remember_environment() {
    let value = |name: &&str| std::env::var(name).ok();
    SECRETS.iter().filter_map(value).for_each(|secret| remember(&secret));
    let keys = KEYS.iter().filter_map(value);
    keys.filter(|key| !Path::new(key).exists()).for_each(|key| remember(&key));
    for address in ADDRESSES.iter().filter_map(value) {
        for secret in url_secrets(&address) {
            remember(&secret);
        }
    }
}
