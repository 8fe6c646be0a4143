//! Variables of the environment, as libpq reads them.

use std::path::PathBuf;

/// A variable of the environment, as bytes: a password may be anything.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// A path in bytes.
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}
