//! The secrets in the environment, which are never shown.

use std::path::Path;

use crate::redact::{remember, remember_address};
use crate::settings::SecretNames;

/// Takes what the environment has of secrets out of all that is shown, before anything is.
pub(super) fn remember_environment() {
    let value = |name: &&str| std::env::var(name).ok();
    for names in SecretNames::all() {
        names.variables.iter().filter_map(value).for_each(|secret| remember(&secret));
        let keys = names.keys.iter().filter_map(value);
        keys.filter(|key| !Path::new(key).exists()).for_each(|key| remember(&key));
        for address in names.addresses.iter().filter_map(value) {
            remember_address(&address);
        }
    }
}
