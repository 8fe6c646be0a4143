use std::fmt;

/// What a task does, by the name that the journal, progress, reports and concurrency limits know
/// it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskName {
    /// Downloads a month from its source to the spool.
    Fetch,
    /// Cleans what was fetched, from the spool to the spool.
    Clean,
    /// Publishes what was cleaned to the lake.
    WriteGcs,
    /// Loads from the lake into Postgres.
    WritePostgres,
    /// Has BigQuery load from the lake.
    WriteBq,
    /// Cleans and copies into Postgres while the month is fetched.
    Ingest,
    /// Asks the source whether it has a month.
    Ask,
    /// Counts a month in the lake.
    CountLake,
    /// Counts a month in Postgres.
    CountPostgres,
    /// Counts a month in BigQuery.
    CountBigQuery,
    /// Takes a month out of a store.
    Drop,
}

impl TaskName {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Clean => "clean",
            Self::WriteGcs => "write-gcs",
            Self::WritePostgres => "write-postgres",
            Self::WriteBq => "write-bq",
            Self::Ingest => "ingest",
            Self::Ask => "ask",
            Self::CountLake => "count lake",
            Self::CountPostgres => "count postgres",
            Self::CountBigQuery => "count bigquery",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
