//! What goes wrong with a call to BigQuery, in the words of its REST reference
//! (<https://cloud.google.com/bigquery/docs/error-messages>).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::http::header;

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum BigQueryFault {
    /// Answers this and makes no call.
    Status { code: u16, headers: Vec<(String, String)>, body: Bytes },
    /// Breaks the connection by an RST and makes no call.
    Reset,
    /// Never answers and makes no call.
    Stall,
    /// Makes the call, then breaks the connection: the answer is lost.
    DropAnswer,
    /// Makes the call and never answers it.
    StallAnswer,
    /// Waits, then makes the call.
    Delay(Duration),
    /// Makes the call; the job in its answer is said to be running still.
    Running,
    /// The job that this call would start fails with these errors and does nothing. It is there
    /// from then on, and its id is taken.
    JobFails(Vec<JobError>),
    /// Of the bytes of a resumable upload that this call brings, so many arrive; then the
    /// connection breaks, or the answer says how many there are.
    PartArrives { bytes: usize, breaks: bool },
    /// Makes the call and puts this into its answer, as a merge patch.
    Patch(Value),
}

/// One of the errors of a job: a reason and a message.
pub type JobError = (&'static str, &'static str);

impl BigQueryFault {
    /// An error as the API says it.
    pub fn error(code: u16, reason: &str, message: &str) -> Self {
        let status = match code {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let errors = json!([{ "message": message, "domain": "global", "reason": reason }]);
        let body = json!({ "error": {
            "code": code, "message": message, "errors": errors, "status": status,
        } });
        let headers = vec![header("content-type", "application/json; charset=UTF-8")];
        Self::Status { code, headers, body: body.to_string().into() }
    }

    /// The page of a front end that has no server behind it.
    pub fn html(code: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html lang=en>\n<title>Error {code} (Server Error)!!1</title>\n\
             <p><b>{code}.</b> <ins>That’s an error.</ins>\n"
        );
        let headers = vec![header("content-type", "text/html; charset=UTF-8")];
        Self::Status { code, headers, body: body.into() }
    }

    /// With a Retry-After in seconds, if it is a `Status`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push(header("retry-after", seconds.to_string()));
        }
        self
    }

    /// A job that fails with one error.
    pub fn job_fails(reason: &'static str, message: &'static str) -> Self {
        Self::JobFails(vec![(reason, message)])
    }
}
