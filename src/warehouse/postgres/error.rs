use tokio_postgres::error::{DbError, SqlState};

use crate::flow::{Failure, Retry};
use crate::guard::Refusal;
use crate::support::text::printable;
use crate::trip::TripFile;

use super::connect_error::{ConnectError, broke, passes};
use super::wire::LastWord;

/// A value that the type of its column does not hold.
#[derive(Debug, thiserror::Error)]
#[error(
    "the column {column} of the table has the type {declared}, which does not hold the value \
     {value}: nothing was loaded. Give the column a wider type (ALTER TABLE ... ALTER COLUMN \
     {column} TYPE ...), or load into another place with --schema or --table"
)]
pub struct Misfit {
    pub(super) column: String,
    pub(super) declared: String,
    pub(super) value: String,
}

/// Why a month could not be loaded into Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refuses or fails at a step.
    #[error("Postgres, {step}: {}{}", said(source), advice(source))]
    Query {
        /// What was being done.
        step: &'static str,
        /// The server's error, or the connection's.
        source: tokio_postgres::Error,
    },
    /// A table of the name that was not made by this program.
    #[error(
        "{table} already exists and was not created by this program ({why}): it was not changed. Load into another \
         place with --schema or --table, or rename it"
    )]
    NotOurs {
        /// The table.
        table: String,
        /// What tells.
        why: String,
    },
    /// A table that belongs to a role which this session's role is not a member of.
    #[error(
        "{table} belongs to the role {owner}, of which {role} is not a member, so it is treated as \
         another user's table and was not changed. If it is yours: GRANT {owner} TO {role}, or ALTER \
         TABLE {table} OWNER TO {role}; if not, load into another place with --schema or --table"
    )]
    OthersTable {
        /// The table.
        table: String,
        /// Its owner.
        owner: String,
        /// The role of the session.
        role: String,
    },
    /// A schema whose owner could put other tables in the place of ours.
    #[error(
        "the schema {schema} belongs to the role {owner}, of which {role} is not a member: {owner} \
         could replace the program's tables at any time. If {owner} is to be trusted: GRANT {owner} \
         TO {role}; if not, ALTER SCHEMA {schema} OWNER TO {role}, or load into another one with \
         --schema"
    )]
    OthersSchema {
        /// The schema.
        schema: String,
        /// Its owner.
        owner: String,
        /// The role of the session.
        role: String,
    },
    /// Something keeps a month from becoming a partition of the table.
    #[error("{table} cannot take the month: {why}. {remedy}")]
    Obstacle {
        /// The table.
        table: String,
        /// What it is.
        why: String,
        /// The way out.
        remedy: String,
    },
    /// Privileges that the role lacks.
    #[error("the role {role} may not do this in the schema {schema}: it needs {needs}")]
    Lacking {
        /// The role of the session.
        role: String,
        /// The schema.
        schema: String,
        /// What it lacks, and the statements that grant it.
        needs: String,
    },
    /// A value that the type of its column does not hold.
    #[error(transparent)]
    Misfit(Misfit),
    /// The table was changed by others while the month was copied.
    #[error("{table} was changed while the month was copied: nothing was loaded")]
    Changed {
        /// The table.
        table: String,
    },
    /// A name too long for the server, or for its partitions.
    #[error("the {what} name '{name}' is too long: {most} bytes at most")]
    LongName {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
        /// The most bytes.
        most: usize,
    },
    /// The server counts other rows than the lake.
    #[error(
        "{file}: the server counts {loaded} rows and the lake {kept}: nothing was loaded. Publish the \
         month to the lake again with --force"
    )]
    Unbalanced {
        /// The month.
        file: TripFile,
        /// Rows the server counts.
        loaded: u64,
        /// Rows the footer promises.
        kept: u64,
    },
    /// A column of a type this program does not write.
    #[error("the column '{column}' has the type {found}, which the lake's files never have")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// The month's file cannot be read.
    #[error("the lake's file cannot be read: {0}")]
    Read(arrow::error::ArrowError),
    /// Readers held the table the whole time.
    #[error(
        "{table} was in use for {seconds} s, so none of its months was changed. {}. Is a long query \
         or an open transaction reading it?", who(held.as_deref())
    )]
    Busy {
        /// The table.
        table: String,
        /// How long it was tried.
        seconds: u64,
        /// What was waited for, and who held it.
        held: Option<String>,
    },
    /// Others held what a step needs for longer than the session waits.
    #[error(
        "Postgres, {step}: waited too long, nothing was changed. {}. Try again later, or wait longer \
         than 10 minutes with options=-c lock_timeout=1h in the connection string",
        who(held.as_deref())
    )]
    Locked {
        /// What was being done.
        step: &'static str,
        /// What was waited for, and who held it.
        held: Option<String>,
    },
    /// The server ended the session.
    #[error("Postgres, {step}: {}. The server ended the connection: nothing was changed", word.message)]
    Ended {
        /// What was being done.
        step: &'static str,
        /// Its last word.
        word: LastWord,
    },
    /// No standby confirmed a commit.
    #[error(
        "no synchronous standby confirmed the commit within {seconds} s (synchronous_standby_names is \
         {standbys}): the change is on this server only, and would be lost with it. Start the standby, \
         or remove it from synchronous_standby_names; then run this again"
    )]
    Unreplicated {
        /// The server's setting, in quotes.
        standbys: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// An edition that must not take the place of the month that is there.
    #[error(transparent)]
    EditionRefused(#[from] Box<Refusal>),
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
}

fn who(held: Option<&str>) -> String {
    let held = held.unwrap_or("a lock that others had");
    format!("It waited for {held}")
}

impl From<arrow::error::ArrowError> for PostgresError {
    /// What goes wrong with a value on the way comes through the batches.
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Self>() {
                Ok(error) => *error,
                Err(inner) => Self::Read(arrow::error::ArrowError::ExternalError(inner)),
            },
            error => Self::Read(error),
        }
    }
}

/// What the server says, without the driver's own words. Names of others are in it.
fn said(source: &tokio_postgres::Error) -> String {
    match source.as_db_error() {
        Some(error) => {
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            printable(&format!("{}{detail}", error.message()))
        }
        None => source.to_string(),
    }
}

fn advice(source: &tokio_postgres::Error) -> &'static str {
    // The server has one code for what is not granted and for rows that a policy hides.
    let routine = source.as_db_error().and_then(DbError::routine);
    match source.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) if routine == Some("check_enable_rls") => {
            ". Its policies hide rows from this role: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY if \
             the role owns the table, else ALTER ROLE ... BYPASSRLS"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            ". The role needs CREATE on the schema, or on the database if the schema does not exist"
        }
        Some(
            &(SqlState::CHECK_VIOLATION
            | SqlState::NOT_NULL_VIOLATION
            | SqlState::UNIQUE_VIOLATION
            | SqlState::EXCLUSION_VIOLATION
            | SqlState::FOREIGN_KEY_VIOLATION),
        ) => {
            ". A row of the month does not meet a constraint of the table: nothing was loaded. Change \
             or drop the constraint, or load into another place with --schema or --table"
        }
        Some(&SqlState::DISK_FULL) => ". The server's disk is full: nothing was loaded",
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            ". The server or the role is read-only: name the primary server"
        }
        Some(&SqlState::UNTRANSLATABLE_CHARACTER) => {
            ". The database's encoding has no such letter: load into a database that has them all \
             (CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0)"
        }
        None if source.is_closed() => ". The server went away: nothing was loaded",
        _ => "",
    }
}

impl PostgresError {
    /// Something keeps a month from the table. Names that others chose can be in it.
    pub(super) fn obstacle(
        table: impl AsRef<str>,
        why: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        let [table, why, remedy] = [table.as_ref(), why.as_ref(), remedy.as_ref()].map(printable);
        Self::Obstacle { table, why, remedy }
    }

    pub(super) fn at(step: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { step, source }
    }

    /// Whether others held what was asked for, for too long or crosswise.
    pub(super) fn is_blocked(&self) -> bool {
        let blocked = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Query { source, .. } if source.code().is_some_and(|code| blocked.contains(code)))
    }
}

impl Failure for PostgresError {
    fn retry(&self) -> Retry {
        let passing = match self {
            Self::Connect(error) => return error.retry(),
            Self::Ended { word, .. } => passes(&word.code),
            Self::Query { source, .. } => match source.code() {
                Some(code) => passes(code) || is_race(source, code),
                // No word of the server.
                None => broke(source),
            },
            Self::Changed { .. } => true,
            _ => false,
        };
        if passing { Retry::Backoff } else { Retry::Never }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

/// Whether another session made the same thing at the same moment: the next try finds it.
fn is_race(source: &tokio_postgres::Error, code: &SqlState) -> bool {
    let made = [SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_OBJECT];
    let in_catalog = || source.as_db_error().and_then(|error| error.schema()) == Some("pg_catalog");
    made.contains(code) || *code == SqlState::UNIQUE_VIOLATION && in_catalog()
}
