//! Queries: small ones, of ledgers and counts.

use gcp_bigquery_client::model::query_request::QueryRequest;
use gcp_bigquery_client::model::query_response::QueryResponse;
use gcp_bigquery_client::model::table_row::TableRow;
use reqwest::Method;

use crate::support::http::percent_encoded;

use super::BigQueryError;
use super::jobs::Jobs;

/// How long the server is to wait for a query before it answers that it is not done.
const WAIT_MS: i32 = 60_000;

/// A row: its fields as text, null where they are.
pub(super) type Row = Vec<Option<String>>;

impl Jobs {
    /// The rows of a query, in the location of the dataset
    /// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query>).
    pub(super) async fn query(
        &self,
        step: &'static str,
        sql: String,
    ) -> Result<Vec<Row>, BigQueryError> {
        let Self { api, dataset, location, .. } = self;
        let mut request = QueryRequest::new(sql);
        request.timeout_ms = Some(WAIT_MS);
        request.location = Some(location.clone());
        let path = format!("projects/{}/queries", percent_encoded(&dataset.project));
        let mut answer: QueryResponse =
            api.ask(step, api.request(Method::POST, &path), Some(&request)).await?;
        let (mut rows, mut job) = (Vec::new(), None);
        loop {
            let complete = answer.job_complete == Some(true);
            rows.extend(answer.rows.take().into_iter().flatten().map(fields));
            job = answer.job_reference.take().and_then(|job| job.job_id).or(job);
            let token = answer.page_token.take().filter(|token| !token.is_empty());
            if complete && token.is_none() {
                return Ok(rows);
            }
            let Some(job) = &job else {
                let what = "a query that goes on has no id".to_owned();
                return Err(BigQueryError::Garbled { step, what });
            };
            let mut next = api
                .request(Method::GET, &format!("{path}/{}", percent_encoded(job)))
                .query(&[("location", location.as_str()), ("timeoutMs", &WAIT_MS.to_string())]);
            if let Some(token) = &token {
                next = next.query(&[("pageToken", token)]);
            }
            answer = api.ask(step, next, None::<&()>).await?;
        }
    }
}

fn fields(row: TableRow) -> Row {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    row.columns.into_iter().flatten().map(|cell| cell.value.and_then(text)).collect()
}

/// A field of a row, read as what it must be.
pub(super) fn field<T: std::str::FromStr>(
    step: &'static str,
    row: &Row,
    index: usize,
) -> Result<T, BigQueryError> {
    let text = row.get(index).and_then(Option::as_deref);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| BigQueryError::Garbled {
        step,
        what: format!("field {index} is {}", text.unwrap_or("null")),
    })
}
