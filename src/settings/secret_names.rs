/// Where the secrets of a group are said outside `taxi.toml`.
#[derive(Debug, Clone, Copy)]
pub struct SecretNames {
    /// Variables that hold a secret and nothing else.
    pub variables: &'static [&'static str],
    /// Variables that hold a key, or the path of one.
    pub keys: &'static [&'static str],
    /// Variables that hold an address, which may have a secret in it.
    pub addresses: &'static [&'static str],
    /// Flags whose values may be secrets.
    pub flags: &'static [&'static str],
}

impl SecretNames {
    pub(super) const NONE: Self = Self { variables: &[], keys: &[], addresses: &[], flags: &[] };
}
