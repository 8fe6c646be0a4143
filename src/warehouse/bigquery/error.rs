use std::io;
use std::path::PathBuf;
use std::time::Duration;

use gcp_bigquery_client::error::BQError;

use crate::flow::{Failure, Retry};
use crate::support::error_chain::innermost;
use crate::trip::TripFile;

use super::fault::{Fault, Faults};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TokenError {
    /// What is wrong, and what to do, without a word of what the credentials hold.
    pub what: String,
    /// Whether trying again can help.
    pub retry: Retry,
}

/// Why a month could not be loaded into BigQuery.
#[derive(Debug, thiserror::Error)]
pub enum BigQueryError {
    /// No project to load into.
    #[error(
        "no Google Cloud project is named: name it with --project or GOOGLE_CLOUD_PROJECT; the key \
         of a service account names its own"
    )]
    NoProject,
    /// A name that BigQuery does not take.
    #[error("'{name}' is no name of a {what}: use {rule}")]
    BadName {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
        /// What names are.
        rule: &'static str,
    },
    /// No token for the calls.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The client cannot be made.
    #[error("BigQuery cannot be called: {0}")]
    Client(String),
    /// BigQuery refuses a call.
    #[error("BigQuery, {step}: {}{}", said(*status, faults), advice(*status, faults))]
    Refused {
        /// What was being done.
        step: &'static str,
        /// The status of the answer.
        status: u16,
        /// What it says.
        faults: Faults,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// BigQuery cannot be reached, or the answer did not arrive.
    #[error("BigQuery{} cannot be reached, {step}: {}", at(host.as_deref()), innermost(source))]
    Unreachable {
        /// Its host and port, where they are known.
        host: Option<String>,
        /// What was being done.
        step: &'static str,
        /// The error of the connection.
        source: reqwest::Error,
    },
    /// An answer that makes no sense.
    #[error("BigQuery, {step}: the answer is not understood ({what})")]
    Garbled {
        /// What was being done.
        step: &'static str,
        /// What is odd about it.
        what: String,
    },
    /// A job ran and failed.
    #[error("the BigQuery job {id} failed: {faults}{}", advice(0, faults))]
    Job {
        /// Its id.
        id: String,
        /// All that it says.
        faults: Faults,
    },
    /// A table of the name that was not made by this program, or not for this.
    #[error(
        "{table} already exists and was not created by this program ({why}): it was not changed. Load into another \
         place with --table or --dataset, or rename it"
    )]
    NotOurs {
        /// The table.
        table: String,
        /// What tells.
        why: String,
    },
    /// A column that the schema does not know, kept with another type than the table has.
    #[error(
        "the column '{column}' is {wanted} in this month and {found} in {table}, and BigQuery cannot \
         change a type to text: leave the column out with --on-new-column warn, or load into another \
         table with --table"
    )]
    OtherType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type in the table.
        found: String,
        /// Its type in the month.
        wanted: String,
    },
    /// A table of ours that does not say which colour it holds.
    #[error(
        "{table} has no label 'colour', so it is not clear that its rows are {colour} trips: it was \
         not changed. If they are, set the label: bq update --set_label colour:{colour} {}",
        table.replacen('.', ":", 1)
    )]
    NoColour {
        /// The table.
        table: String,
        /// The colour to load.
        colour: crate::trip::Colour,
    },
    /// The dataset is elsewhere than asked for.
    #[error(
        "the dataset {dataset} is in {found} and not in {asked}, and a dataset does not move: leave \
         --location out, or name another dataset with --dataset"
    )]
    DatasetElsewhere {
        /// The dataset.
        dataset: String,
        /// Where it is.
        found: String,
        /// Where it was asked to be.
        asked: String,
    },
    /// The lake's bucket is where the dataset cannot load from.
    #[error(
        "the bucket {bucket} is in {bucket_location} and the dataset {dataset} in \
         {dataset_location}: BigQuery loads only from a bucket beside the dataset. Name another \
         dataset with --dataset and, where it is still to be made, --location {bucket_location}; or \
         another bucket with --lake"
    )]
    BucketElsewhere {
        /// The bucket.
        bucket: String,
        /// Where it is.
        bucket_location: String,
        /// The dataset.
        dataset: String,
        /// Where it is.
        dataset_location: String,
    },
    /// The table forgets the month as soon as it is loaded.
    #[error(
        "{table} deletes a partition {days} days after its month began ({by}): {file} would be gone \
         as soon as it is loaded, and was not loaded. Take the limit off with: bq update \
         --time_partitioning_expiration 0 {}; a project without billing (the sandbox) has it in \
         any case. Or name a dataset without one with --dataset",
        table.replacen('.', ":", 1)
    )]
    Expires {
        /// The month.
        file: TripFile,
        /// The table.
        table: String,
        /// How long its partitions live.
        days: u64,
        /// What says so: the table, or the default of its dataset.
        by: &'static str,
    },
    /// An object that BigQuery would take for a pattern.
    #[error(
        "BigQuery reads a '*' in an address as a pattern, and cannot load {address} alone: use a \
         lake whose prefix has no '*'"
    )]
    Pattern {
        /// The object.
        address: String,
    },
    /// BigQuery counts other rows than the lake.
    #[error(
        "{file}: the lake promises {kept} rows, the load job wrote {written} and the partition has \
         {counted}: the month is not in the ledger. Load it again with --force, or bring it to the \
         lake anew"
    )]
    Unbalanced {
        /// The month.
        file: TripFile,
        /// Rows the footer promises.
        kept: u64,
        /// Rows the job says it wrote.
        written: u64,
        /// Rows the partition has.
        counted: u64,
    },
    /// The upload of a file came to no end.
    #[error("the upload of {} broke off {tries} times at byte {at}: {last}", path.display())]
    Upload {
        /// The file.
        path: PathBuf,
        /// How often.
        tries: u32,
        /// Where.
        at: u64,
        /// Why, the last time.
        last: Box<BigQueryError>,
    },
    /// The file to upload.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// What BigQuery says, or where it says nothing that is understood, the status.
fn said(status: u16, faults: &Faults) -> String {
    if faults.is_empty() { format!("it answers with status {status}") } else { faults.to_string() }
}

/// What to do about it.
fn advice(status: u16, faults: &Faults) -> &'static str {
    if faults.has("quotaExceeded") {
        ". A quota of the project is used up: wait until it is renewed (most are each midnight, \
         Pacific time), or raise it: https://cloud.google.com/bigquery/quotas"
    } else if faults.has("billingNotEnabled") {
        ". Give the project a billing account, or stay within the sandbox: \
         https://cloud.google.com/bigquery/docs/sandbox"
    } else if faults.has("accessNotConfigured") {
        ". Switch the API on: gcloud services enable bigquery.googleapis.com"
    } else if status == 401 {
        ". The credentials are refused: name the key of a service account with --credentials or \
         GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login"
    } else if faults.has("accessDenied") || status == 403 && faults.pass() != Some(true) {
        ". The account needs the roles BigQuery Job User on the project, BigQuery Data Editor on \
         the dataset, and Storage Object Viewer on the bucket"
    } else if faults.has("notFound") || status == 404 {
        ". Are --project, --dataset and --lake right, and is the dataset in the location of the \
         bucket?"
    } else {
        ""
    }
}

/// Where it is, and for an emulator what says so.
fn at(host: Option<&str>) -> String {
    match host {
        Some(host) if host.ends_with(".googleapis.com") => format!(" at {host}"),
        Some(host) => format!(" at {host}, which BIGQUERY_EMULATOR_HOST names,"),
        None => String::new(),
    }
}

impl BigQueryError {
    /// The error of a call made by the crate's client.
    pub(super) fn of_client(step: &'static str, error: BQError) -> Self {
        match error {
            BQError::ResponseError { error } => {
                let error = error.error;
                let faults = error.errors.into_iter().map(|mut entry| {
                    let mut take = |key: &str| entry.remove(key).unwrap_or_default();
                    let (reason, message) = (take("reason"), take("message"));
                    Fault { reason, message, location: entry.remove("location") }
                });
                let status = u16::try_from(error.code).unwrap_or_default();
                Self::Refused { step, status, faults: Faults::of(faults), retry_after: None }
            }
            BQError::RequestError(error) if error.is_decode() => {
                Self::Garbled { step, what: "it is no JSON of BigQuery".to_owned() }
            }
            BQError::RequestError(source) => Self::unreachable(step, source),
            error => Self::Client(error.to_string()),
        }
    }

    /// The error of a connection. Only its host is told: an address holds the id of an upload,
    /// which is as good as a key.
    pub(super) fn unreachable(step: &'static str, source: reqwest::Error) -> Self {
        let host = source.url().and_then(|url| {
            let host = url.host_str()?;
            Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        });
        Self::Unreachable { host, step, source: source.without_url() }
    }

    /// Whether what was asked for is not there.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether what was to be made is there already.
    pub(super) const fn is_there(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

impl Failure for BigQueryError {
    fn retry(&self) -> Retry {
        match self {
            Self::Token(error) => error.retry,
            Self::Upload { last, .. } => last.retry(),
            Self::Unreachable { .. } | Self::Garbled { .. } => Retry::Backoff,
            Self::Job { faults, .. } if faults.pass() == Some(true) => Retry::Backoff,
            Self::Refused { status, faults, retry_after, .. } => {
                let passes = match faults.pass() {
                    Some(passes) if *status < 500 && *status != 429 => passes,
                    _ => matches!(status, 408 | 429 | 500 | 502..=599),
                };
                match (passes, retry_after) {
                    (true, Some(wait)) => Retry::After(*wait),
                    (true, None) => Retry::Backoff,
                    (false, _) => Retry::Never,
                }
            }
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, reason: &str, retry_after: Option<u64>) -> BigQueryError {
        let body = serde_json::json!({"error": {"message": "m", "errors":
            [{"reason": reason, "message": "It says so."}]}});
        BigQueryError::Refused {
            step: "starting the job",
            status,
            faults: Faults::of_answer(body.to_string().as_bytes()),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_nothing_else() {
        for (error, retry) in [
            (refused(500, "backendError", None), Retry::Backoff),
            (refused(503, "", None), Retry::Backoff),
            (refused(429, "rateLimitExceeded", Some(7)), Retry::After(Duration::from_secs(7))),
            (refused(403, "rateLimitExceeded", None), Retry::Backoff),
            (refused(403, "quotaExceeded", Some(7)), Retry::Never),
            (refused(403, "accessDenied", None), Retry::Never),
            (refused(401, "authError", None), Retry::Never),
            (refused(404, "notFound", None), Retry::Never),
            (refused(400, "invalid", None), Retry::Never),
            (refused(501, "notImplemented", None), Retry::Never),
        ] {
            assert_eq!(error.retry(), retry, "{error:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_named_and_its_path_is_not() {
        let sent = reqwest::get("http://127.0.0.1:1/upload?upload_id=secret").await;
        let error = BigQueryError::unreachable("sending the file", sent.unwrap_err()).to_string();
        let named =
            "BigQuery at 127.0.0.1:1, which BIGQUERY_EMULATOR_HOST names, cannot be reached";
        assert!(error.starts_with(&format!("{named}, sending the file: ")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn errors_say_what_to_do() {
        insta::assert_snapshot!(
            [
                refused(401, "authError", None),
                refused(403, "accessDenied", None),
                refused(403, "quotaExceeded", None),
                refused(404, "notFound", None),
                refused(503, "backendError", None),
            ]
            .map(|error| error.to_string())
            .join("\n"),
            @r"
        BigQuery, starting the job: It says so (authError). The credentials are refused: name the key of a service account with --credentials or GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login
        BigQuery, starting the job: It says so (accessDenied). The account needs the roles BigQuery Job User on the project, BigQuery Data Editor on the dataset, and Storage Object Viewer on the bucket
        BigQuery, starting the job: It says so (quotaExceeded). A quota of the project is used up: wait until it is renewed (most are each midnight, Pacific time), or raise it: https://cloud.google.com/bigquery/quotas
        BigQuery, starting the job: It says so (notFound). Are --project, --dataset and --lake right, and is the dataset in the location of the bucket?
        BigQuery, starting the job: It says so (backendError)
        "
        );
    }
}
