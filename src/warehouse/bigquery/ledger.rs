//! The ledger: what was loaded, from what, when.
//!
//! A row is appended by a load job of its own: statements that write to one table at once would
//! stand in each other's way, and BigQuery has few a day of them
//! (<https://cloud.google.com/bigquery/quotas#load_jobs>). A view shows the latest of a month.

use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_schema::TableSchema;
use serde::Serialize;

use crate::flow::Progress;
use crate::trip::{Month, Provenance, TripFile};
use crate::warehouse::LedgerRow;

use super::BigQueryError;
use super::jobs::{JobIds, Jobs, LoadJob, Media};
use super::names::{Dataset, LOADS, LOG, literal};
use super::query::field;
use super::tables::{described, has_label, labels, view};

/// The columns of the ledger.
const COLUMNS: [(&str, FieldType, &str); 15] = [
    ("table_name", FieldType::String, "The table"),
    ("colour", FieldType::String, "The colour of the trips"),
    ("month", FieldType::Date, "The first day of the month"),
    ("rows_loaded", FieldType::Int64, "Rows, counted by BigQuery"),
    ("source", FieldType::String, "The address the file came from"),
    ("etag", FieldType::String, "The entity tag given with the file"),
    ("source_sha256", FieldType::String, "The digest of the file"),
    ("schema_digest", FieldType::String, "The digest of the schema it was read by"),
    ("rules_digest", FieldType::String, "The digest of the rules it was cleaned by"),
    ("lake_object", FieldType::String, "The address of the trips in the lake"),
    ("loaded_at", FieldType::Timestamp, "When it was loaded, by BigQuery's clock"),
    ("program", FieldType::String, "The program and its version"),
    ("job", FieldType::String, "The id of the job that loaded it"),
    ("provenance", FieldType::String, "All that the month says of itself, as JSON"),
    ("action", FieldType::String, "begun, loaded or dropped"),
];

/// What is done to a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// What is there is about to be replaced: from now on nobody knows what its partition has,
    /// until a row says that it is loaded.
    Begun,
    /// It is loaded.
    Loaded,
    /// It is taken out.
    Dropped,
}

impl Action {
    const ALL: [Self; 3] = [Self::Begun, Self::Loaded, Self::Dropped];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Loaded => "loaded",
            Self::Dropped => "dropped",
        }
    }
}

/// What was done to a month last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) month: Month,
    /// The id of the job that loaded it, or of the row that says something else.
    pub(super) job: String,
    /// When, in milliseconds since 1970.
    pub(super) at: i64,
    /// What was done; `None` if a later program did it.
    pub(super) action: Option<Action>,
    /// What the month was; `None` if a later program wrote the row.
    pub(super) provenance: Option<Provenance>,
}

impl Entry {
    /// What is loaded, where that is known.
    pub(super) fn loaded(&self) -> Option<&Provenance> {
        self.provenance.as_ref().filter(|_| self.action == Some(Action::Loaded))
    }
}

/// A row to append.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewEntry<'a> {
    pub(super) file: TripFile,
    pub(super) table: &'a str,
    pub(super) job: &'a str,
    pub(super) at: i64,
    pub(super) month: &'a Provenance,
    pub(super) lake_object: Option<&'a str>,
    pub(super) action: Action,
}

/// A row as it is written: that of every warehouse, and what only this one has.
#[derive(Serialize)]
struct LedgerLine<'a> {
    #[serde(flatten)]
    row: LedgerRow<'a>,
    loaded_at: String,
    job: &'a str,
    action: &'static str,
}

fn schema() -> TableSchema {
    let columns = COLUMNS.into_iter().map(|(name, kind, about)| described(name, kind, about));
    TableSchema::new(columns.collect())
}

/// The names of the columns that the view shows.
pub(super) fn shown() -> String {
    let names = COLUMNS.iter().map(|(name, ..)| *name).filter(|name| *name != "action");
    names.collect::<Vec<_>>().join(", ")
}

impl NewEntry<'_> {
    fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut row = LedgerRow::of(self.file, self.month, self.table, self.lake_object);
        if self.action != Action::Loaded {
            row.rows_loaded = 0;
        }
        let at = chrono::DateTime::from_timestamp_millis(self.at).unwrap_or_default();
        let mut line = serde_json::to_vec(&LedgerLine {
            row,
            loaded_at: at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            job: self.job,
            action: self.action.as_str(),
        })?;
        line.push(b'\n');
        Ok(line)
    }
}

impl Jobs {
    /// Makes the ledger and its view where they are missing, and refuses a table of that name
    /// that is none.
    pub(super) async fn make_ledger(&self) -> Result<(), BigQueryError> {
        let table = match self.api.table(&self.dataset, LOG).await? {
            Some(table) => table,
            None => {
                let (project, dataset) = (&self.dataset.project, &self.dataset.dataset);
                let mut table = Table::new(project, dataset, LOG, schema());
                table.description =
                    Some("Every load and drop of a month; the view loads has the latest".into());
                table.labels = Some(labels([]));
                self.api.make(table).await?
            }
        };
        let there = table.schema.fields.unwrap_or_default();
        let has = |name: &str| there.iter().any(|field: &TableFieldSchema| field.name == name);
        if !COLUMNS.iter().all(|(name, ..)| has(name)) {
            let (table, why) = (self.dataset.shown(LOG), "it is not a ledger of months".to_owned());
            return Err(BigQueryError::NotOurs { table, why });
        }
        self.make_loads().await
    }

    async fn make_loads(&self) -> Result<(), BigQueryError> {
        let query = loads(&self.dataset);
        match self.api.table(&self.dataset, LOADS).await? {
            None => {
                let about = "The latest load of each month of each table";
                self.api.make(view(&self.dataset, LOADS, query, about)).await?;
            }
            Some(there) if has_label(&there, super::tables::MADE_BY) => {}
            Some(_) => tracing::warn!(
                "{} already exists and was not created by this program: it was not changed; the ledger is {LOG}",
                self.dataset.shown(LOADS)
            ),
        }
        Ok(())
    }

    /// What was done last to each month of a table, or to one.
    pub(super) async fn entries(
        &self,
        table: &str,
        month: Option<Month>,
    ) -> Result<Vec<Entry>, BigQueryError> {
        let step = "reading the ledger";
        let of_month =
            month.map(|month| format!(" AND month = DATE '{month}-01'")).unwrap_or_default();
        let sql = format!(
            "SELECT FORMAT_DATE('%Y-%m', month), job, UNIX_MILLIS(loaded_at), action, provenance
               FROM {} WHERE table_name = {}{of_month}
            QUALIFY ROW_NUMBER() OVER (PARTITION BY month ORDER BY loaded_at DESC) = 1",
            self.dataset.quoted(LOG),
            literal(table)
        );
        let rows = self.query(step, sql).await?;
        let entry = |row: super::query::Row| {
            let action: String = field(step, &row, 3)?;
            Ok(Entry {
                month: field(step, &row, 0)?,
                job: field(step, &row, 1)?,
                at: field(step, &row, 2)?,
                action: Action::ALL.into_iter().find(|known| known.as_str() == action),
                provenance: LedgerRow::read(row.get(4).and_then(Option::as_deref)),
            })
        };
        rows.into_iter().map(entry).collect()
    }

    /// What was done last to a month of a table.
    pub(super) async fn latest(
        &self,
        table: &str,
        month: Month,
    ) -> Result<Option<Entry>, BigQueryError> {
        Ok(self.entries(table, Some(month)).await?.pop())
    }

    /// Appends a row, once for each job.
    pub(super) async fn append(&self, new: NewEntry<'_>) -> Result<(), BigQueryError> {
        let garbled = |error: serde_json::Error| BigQueryError::Garbled {
            step: "writing the ledger",
            what: error.to_string(),
        };
        let line = new.line().map_err(garbled)?;
        let (colour, month) = (new.file.colour.as_str(), new.file.month.to_string());
        let job = LoadJob {
            ids: JobIds::after(new.job, "ledger"),
            load: JobConfigurationLoad {
                destination_table: Some(self.dataset.reference(LOG)),
                source_format: Some("NEWLINE_DELIMITED_JSON".to_owned()),
                create_disposition: Some("CREATE_NEVER".to_owned()),
                write_disposition: Some("WRITE_APPEND".to_owned()),
                schema: Some(schema()),
                ..JobConfigurationLoad::default()
            },
            labels: labels([("colour", colour), ("month", &month)]),
            media: Media::Bytes(&line),
        };
        let there = async |_: &_| {
            let latest = self.latest(new.table, new.file.month).await?;
            Ok(latest.is_some_and(|latest| latest.job == new.job))
        };
        self.settle(&job, &Progress::unwatched(), there).await?;
        Ok(())
    }
}

/// The latest row of each month, where it says that the month is there.
fn loads(dataset: &Dataset) -> String {
    let (columns, log) = (shown(), dataset.quoted(LOG));
    format!(
        "SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY table_name, month \
         ORDER BY loaded_at DESC) AS place FROM {log} WHERE action <> '{begun}') \
         WHERE place = 1 AND action = '{loaded}'",
        begun = Action::Begun.as_str(),
        loaded = Action::Loaded.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use crate::trip::{Colour, Counts, Digest, SourceFacts};

    use super::*;

    #[test]
    fn a_row_has_every_column_of_the_ledger() {
        let month = Provenance {
            colour: Colour::Green,
            month: "2020-01".parse().unwrap(),
            source: SourceFacts {
                address: "https://h/x".into(),
                etag: None,
                last_modified: None,
                size: 1,
                sha256: Digest::of(b"x"),
            },
            counts: Counts { rows_read: 3, rows_kept: 2, rows_quarantined: 1, ..Counts::default() },
            unknown_columns: vec![],
            kept_columns: None,
            missing_columns: Vec::new(),
            universal_times: Vec::new(),
            quarantine: None,
            schema_digest: Digest::of(b"s"),
            rules_digest: Digest::of(b"r"),
            program: Provenance::PROGRAM.into(),
        };
        let new = NewEntry {
            file: TripFile::new(Colour::Green, month.month),
            table: "green_trips",
            job: "j",
            at: 1_577_836_800_123,
            month: &month,
            lake_object: Some("gs://b/k"),
            action: Action::Loaded,
        };
        let line: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&new.line().unwrap()).unwrap();
        let mut names: Vec<&str> = line.keys().map(String::as_str).collect();
        let mut columns: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        columns.sort_unstable();
        assert_eq!(names, columns);
        assert_eq!(line["loaded_at"], "2020-01-01T00:00:00.123Z");
        assert_eq!(line["rows_loaded"], 2);
        let said: Provenance = serde_json::from_str(line["provenance"].as_str().unwrap()).unwrap();
        assert_eq!(said, month);
    }
}
