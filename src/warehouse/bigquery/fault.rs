//! What BigQuery says is wrong, and whether it passes.

use std::fmt;

use gcp_bigquery_client::model::error_proto::ErrorProto;
use serde::Deserialize;

/// One entry of the errors that BigQuery gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Fault {
    /// A word for the kind of trouble, as the list of errors has it.
    pub(super) reason: String,
    /// A sentence.
    pub(super) message: String,
    /// Where in the input.
    pub(super) location: Option<String>,
}

/// All that BigQuery says of one trouble, each thing once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// The reasons that pass by themselves
/// (<https://cloud.google.com/bigquery/docs/error-messages>).
const PASSING: [&str; 7] = [
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
    "tableUnavailable",
];

impl Faults {
    /// What an answer with a status of failure says in its body.
    pub(super) fn of_answer(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct ErrorResponse {
            error: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            message: String,
            #[serde(default)]
            status: String,
            #[serde(default)]
            errors: Vec<Fault>,
        }
        match serde_json::from_slice::<ErrorResponse>(body) {
            Ok(ErrorResponse { error }) if error.errors.is_empty() => {
                Self::of([Fault { reason: error.status, message: error.message, location: None }])
            }
            Ok(ErrorResponse { error }) => Self::of(error.errors),
            Err(_) => Self::default(),
        }
    }

    /// What a job says that failed: its result first, then the rest.
    pub(super) fn of_job(result: &ErrorProto, all: &[ErrorProto]) -> Self {
        let fault = |error: &ErrorProto| Fault {
            reason: error.reason.clone().unwrap_or_default(),
            message: error.message.clone().unwrap_or_default(),
            location: error.location.clone().filter(|place| !place.is_empty()),
        };
        Self::of(std::iter::once(result).chain(all).map(fault))
    }

    pub(super) fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        let mut once = Vec::new();
        for fault in faults {
            if !once.contains(&fault) {
                once.push(fault);
            }
        }
        Self(once)
    }

    /// Whether one of them has this reason.
    pub(super) fn has(&self, reason: &str) -> bool {
        self.0.iter().any(|fault| fault.reason == reason)
    }

    /// Whether the first of them, which decides, passes by itself; `None` if nothing is said.
    pub(super) fn pass(&self) -> Option<bool> {
        let first = self.0.first().filter(|fault| !fault.reason.is_empty())?;
        Some(PASSING.contains(&first.reason.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let Fault { reason, message, location } = fault;
            let separator = if number == 0 { "" } else { "; " };
            // What a server says must not steer the terminal.
            let message: String =
                message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            write!(f, "{separator}{}", message.trim().trim_end_matches('.'))?;
            match location {
                Some(place) if !reason.is_empty() => write!(f, " ({reason}, in {place})")?,
                None if !reason.is_empty() => write!(f, " ({reason})")?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proto(reason: &str, message: &str) -> ErrorProto {
        ErrorProto {
            reason: Some(reason.into()),
            message: Some(message.into()),
            ..ErrorProto::default()
        }
    }

    #[test]
    fn every_error_is_said_once() {
        let result = proto("invalid", "Too many errors.");
        let row = ErrorProto { location: Some("gs://b/k".into()), ..proto("invalid", "Row 7") };
        let faults = Faults::of_job(&result, &[result.clone(), row, proto("stopped", "Row 9")]);
        assert_eq!(
            faults.to_string(),
            "Too many errors (invalid); Row 7 (invalid, in gs://b/k); Row 9 (stopped)"
        );
        assert_eq!(faults.pass(), Some(false));
    }

    #[test]
    fn an_answer_is_read_with_and_without_a_list_of_errors() {
        let listed = br#"{"error": {"code": 403, "message": "m", "errors":
            [{"message": "Exceeded rate limits", "domain": "global", "reason": "rateLimitExceeded"}]}}"#;
        let faults = Faults::of_answer(listed);
        assert_eq!(faults.to_string(), "Exceeded rate limits (rateLimitExceeded)");
        assert_eq!(faults.pass(), Some(true));
        let plain = br#"{"error": {"code": 401, "message": "No.", "status": "UNAUTHENTICATED"}}"#;
        assert_eq!(Faults::of_answer(plain).to_string(), "No (UNAUTHENTICATED)");
        assert_eq!(Faults::of_answer(b"<html>503</html>").pass(), None);
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let _ = Faults::of_answer(&body).to_string();
            let json = serde_json::json!({"error": {"message": text, "errors": [{"reason": text, "message": text}]}});
            let faults = Faults::of_answer(json.to_string().as_bytes());
            prop_assert_eq!(faults.has(&text), true);
        }
    }
}
