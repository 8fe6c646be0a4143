//! The names that a Prefect server takes, found out on 3.8.8 and 3.9.1 (`prefect.types.names`,
//! `prefect.server.api.workers`).

/// The characters that Prefect takes in no name.
const BANNED: [char; 5] = ['/', '%', '&', '<', '>'];

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Deployment,
    WorkPool,
    WorkQueue,
}

impl Named {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::WorkPool => "work pool",
            Self::WorkQueue => "work queue",
        }
    }

    /// Refuses a name that the server would refuse, or that could not be asked for afterwards.
    pub(super) fn check(self, name: &str) -> Result<(), String> {
        let kind = self.as_str();
        if name.trim_matches([' ', '\'', '"']).is_empty() {
            return Err(format!("the name of a {kind} is empty: give it one"));
        }
        if name.contains(BANNED) {
            return Err(format!(
                "'{name}' cannot be the name of a {kind}: Prefect does not allow / % & < > in it"
            ));
        }
        if name == "." || name == ".." {
            return Err(format!(
                "'{name}' cannot be the name of a {kind}: it has another meaning in addresses"
            ));
        }
        if name.contains(char::is_control) {
            return Err(format!(
                "{name:?} cannot be the name of a {kind}: it has a line break or another control \
                 character in it"
            ));
        }
        if self == Self::WorkPool && name.to_lowercase().starts_with("prefect") {
            return Err(format!(
                "'{name}' cannot be the name of a work pool: names that begin with 'prefect' are \
                 reserved by Prefect; choose another"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_prefect_does_not_take_is_refused_with_the_reason() {
        let refused = [
            (Named::Deployment, "a/b"),
            (Named::Deployment, " "),
            (Named::Deployment, ".."),
            (Named::WorkPool, "Prefect-managed"),
            (Named::WorkPool, "100%"),
            (Named::WorkPool, "''"),
            (Named::WorkQueue, "a<b"),
            (Named::WorkQueue, "a\nb"),
        ];
        let said = refused.map(|(kind, name)| kind.check(name).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @r#"
        'a/b' cannot be the name of a deployment: Prefect does not allow / % & < > in it
        the name of a deployment is empty: give it one
        '..' cannot be the name of a deployment: it has another meaning in addresses
        'Prefect-managed' cannot be the name of a work pool: names that begin with 'prefect' are reserved by Prefect; choose another
        '100%' cannot be the name of a work pool: Prefect does not allow / % & < > in it
        the name of a work pool is empty: give it one
        'a<b' cannot be the name of a work queue: Prefect does not allow / % & < > in it
        "a\nb" cannot be the name of a work queue: it has a line break or another control character in it
        "#);
        for (kind, name) in [
            (Named::Deployment, "prefect#1 (is it?)"),
            (Named::WorkPool, "Zürich + Genève"),
            (Named::WorkQueue, r"a\b"),
        ] {
            assert_eq!(kind.check(name), Ok(()));
        }
    }
}
