//! What makes a session ours.
//!
//! A server, a database and a role may each bring settings that change what a statement means
//! or break it off, and whoever may create in a schema of the search path can put a function of
//! their own in the way of one that is called by its bare name. So the path holds the system's
//! catalog alone, tables are always qualified, and what matters is set here, once.

use std::fmt::Write as _;
use std::time::Duration;

use tokio_postgres::{Client, IsolationLevel, SimpleQueryMessage, Transaction};

use super::connection::Session;
use super::target::Target;
use super::{ConnectError, PostgresError};

/// How long a lock is waited for. The connection's own `options=-c lock_timeout=...` goes first.
const LOCK_WAIT: &str = "10min";

/// Before all others: how a text is read, and where names are looked for.
const FIRST: &str = "SET standard_conforming_strings = on; SET statement_timeout = 0; \
                     SET search_path = pg_catalog, pg_temp; \
                     SET client_min_messages = warning";

/// Settings of a session. Those that the server does not have, or that this role may not set,
/// are left out.
const SETTINGS: &[(&str, &str)] = &[
    // What a statement means.
    ("array_nulls", "on"),
    ("backslash_quote", "safe_encoding"),
    ("escape_string_warning", "off"),
    ("quote_all_identifiers", "off"),
    ("transform_null_equals", "off"),
    ("restrict_nonsystem_relation_kind", ""),
    // Checks are not computed while a query is planned.
    ("constraint_exclusion", "partition"),
    // Rows are never left out by a policy: the server says so instead.
    ("row_security", "off"),
    // Triggers and foreign keys work.
    ("session_replication_role", "origin"),
    // How values are written.
    ("bytea_output", "hex"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("TimeZone", "UTC"),
    // What a transaction sees and waits for.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("exit_on_error", "off"),
    ("statement_timeout", "0"),
    ("transaction_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    // How it is done.
    ("jit", "off"),
    ("plan_cache_mode", "auto"),
];

/// How long a pooler may take to hand out a second session.
const SECOND: Duration = Duration::from_secs(4);

/// How often two sessions are compared that may be one.
const COMPARISONS: usize = 3;

impl Target {
    /// A session of ours.
    pub(super) async fn connect(&self) -> Result<Session, ConnectError> {
        let session = self.dial().await?;
        make_ours(&session).await?;
        Ok(session)
    }
}

/// Refuses a pooler that changes sessions, and sets what matters.
async fn make_ours(session: &Session) -> Result<(), ConnectError> {
    refuse_pooler(session).await?;
    let set = async {
        session.client.batch_execute(FIRST).await?;
        session.client.batch_execute(&settings()).await
    };
    set.await.map_err(|source| session.refused(source))
}

fn settings() -> String {
    let mut values = String::new();
    for (name, value) in SETTINGS {
        let comma = if values.is_empty() { "" } else { ", " };
        let _ = write!(values, "{comma}('{name}', '{value}')");
    }
    // A month that was reported is not lost with the server's next crash; who asks for more than
    // that gets it. A limit on locks is kept if the connection itself says it.
    format!(
        "SELECT set_config(s.name, w.value, false)
           FROM (VALUES {values}) AS w (name, value)
           JOIN pg_settings s ON lower(s.name) = lower(w.name)
          WHERE s.setting <> w.value AND (s.context = 'user'
                OR s.context = 'superuser' AND current_setting('is_superuser') = 'on');
         SELECT set_config('role', 'none', false)
           FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
          WHERE d.datname = current_database() AND s.setrole = 0
            AND 'role=' || current_setting('role') = ANY (s.setconfig)
            AND NOT EXISTS (SELECT FROM pg_db_role_setting r JOIN pg_roles u ON u.oid = r.setrole
                             WHERE u.rolname = session_user
                               AND 'role=' || current_setting('role') = ANY (r.setconfig));
         SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '{LOCK_WAIT}' ELSE 'on' END, false)
           FROM pg_settings
          WHERE name = 'lock_timeout' AND NOT (source = 'client' AND setting <> '0')
             OR name = 'synchronous_commit' AND setting = 'off'"
    )
}

impl Session {
    /// Begins a transaction, as they all are.
    pub(super) async fn begin(&mut self) -> Result<Transaction<'_>, PostgresError> {
        let (place, known) = (self.target.place_of(&self.endpoint), self.heard.session());
        let begun = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .deferrable(false)
            .start()
            .await;
        let transaction = begun.map_err(PostgresError::at("beginning"))?;
        let now = process_of(transaction.simple_query(PROCESS).await);
        let now = now.map_err(PostgresError::at("beginning"))?;
        if known.is_some() && now != known {
            return Err(ConnectError::Pooler { place }.into());
        }
        Ok(transaction)
    }

    fn refused(&self, source: tokio_postgres::Error) -> ConnectError {
        ConnectError::refused(self.target.place_of(&self.endpoint), source)
    }
}

const PROCESS: &str = "SELECT pg_catalog.pg_backend_pid()";

/// The process that the server says it is. Asked without a prepared statement, which a pooler
/// may not have in its next session.
async fn process(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    process_of(client.simple_query(PROCESS).await)
}

fn process_of(
    answer: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>,
) -> Result<Option<i32>, tokio_postgres::Error> {
    Ok(answer?.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    }))
}

/// A server says in its greeting which process it is, and a pooler says something else there.
/// What kind of pooler it is shows when a second session asks for its process: one that hands
/// out sessions by the statement or the transaction gives it the first one's, or gives the first
/// another one next. Nothing is set before that is known: it would stay in a session of others.
async fn refuse_pooler(session: &Session) -> Result<(), ConnectError> {
    let refused = |source| session.refused(source);
    let pooled = || ConnectError::Pooler { place: session.target.place_of(&session.endpoint) };
    let first = process(&session.client).await.map_err(refused)?;
    session.heard.is_session(first);
    if first.is_none() || first == session.heard.process() {
        return Ok(());
    }
    // It is held until the first one was asked again. That it is not to be had proves nothing: a
    // pooler with no second session to give now keeps the first for us, or is found out when a
    // transaction begins.
    let second = tokio::time::timeout(SECOND, second(session, first)).await;
    if let Ok(Ok(Second::IsFirst)) = second {
        return Err(pooled());
    }
    for _ in 0..COMPARISONS {
        if process(&session.client).await.map_err(refused)? != first {
            return Err(pooled());
        }
    }
    Ok(())
}

/// What a second session turns out to be.
enum Second {
    /// The first one.
    IsFirst,
    /// Another one, in a transaction if it may begin one.
    Other { _session: Box<Session> },
}

async fn second(session: &Session, first: Option<i32>) -> Result<Second, ConnectError> {
    let second = session.target.dial().await?;
    let refused = |source| second.refused(source);
    // A pooler that hands out sessions by the statement has no transactions.
    let mut is_first = process(&second.client).await.map_err(refused)? == first;
    if !is_first && second.client.batch_execute("BEGIN").await.is_ok() {
        is_first = process(&second.client).await.map_err(refused)? == first;
    }
    Ok(if is_first { Second::IsFirst } else { Second::Other { _session: Box::new(second) } })
}
