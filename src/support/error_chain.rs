//! The causes of an error.

use std::error::Error;

/// The error and its causes, from the outermost to the innermost.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What the innermost cause says: "connection refused" rather than "error sending request".
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// The outermost cause of a type.
pub(crate) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer one")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_innermost_cause_is_told_and_any_is_found_by_its_type() {
        let error = Outer(io::Error::new(io::ErrorKind::NotFound, "the inner one"));
        assert_eq!(innermost(&error), "the inner one");
        assert_eq!(cause::<io::Error>(&error).unwrap().kind(), io::ErrorKind::NotFound);
        assert!(cause::<std::fmt::Error>(&error).is_none());
        assert_eq!(innermost(&std::fmt::Error), std::fmt::Error.to_string());
    }
}
