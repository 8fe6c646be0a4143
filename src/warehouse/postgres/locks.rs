//! What others hold while a load waits for it: said while it waits, and when it gives up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::{GenericClient, Row, Transaction};

use crate::flow::Progress;
use crate::support::text::printable;

use super::PostgresError;
use super::connection::Session;
use super::names::{Names, literal};
use super::target::Target;
use super::wire::Heard;

/// How long a swap waits for the readers of the table before it lets them pass and tries anew.
/// Less than the second after which the server looks for deadlocks: a reader that goes from a
/// month to the table is never broken off.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(900);

/// How often it is looked whether the server answers.
const LOOK: Duration = Duration::from_secs(1);

/// How long a statement goes unanswered before it is asked what it waits for.
const SILENCE: Duration = Duration::from_secs(3);

/// How often the same wait is told of.
const REPEAT: Duration = Duration::from_secs(30);

/// What a session is, for people. Of sessions of other roles the server may keep the times.
const WHO: &str = "concat('process ', a.pid, ' (', concat_ws(', ', nullif(a.application_name, ''),
    'role ' || a.usename, 'since ' || to_char(coalesce(a.query_start, a.xact_start), 'YYYY-MM-DD HH24:MI:SS TZ')), ')')";

/// A lock that lasts until the transaction ends, by its name.
pub(super) fn advisory(name: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", literal(name))
}

/// Looks, from a connection of its own, what a session waits for.
struct Watcher {
    target: Target,
    heard: Arc<Heard>,
}

impl Watcher {
    fn of(session: &Session) -> Self {
        Self { target: session.target.clone(), heard: Arc::clone(&session.heard) }
    }

    /// Tells people of waits, for as long as it is polled. Ends if a commit has waited for a
    /// standby for as long as the session waits for a lock: the server itself would for ever.
    async fn watch(&self) -> PostgresError {
        let mut told = Told::default();
        let mut committing: Option<Instant> = None;
        let mut second: Option<Session> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(process) = self.heard.session() else { continue };
            if self.heard.silence().is_none_or(|silence| silence < SILENCE) {
                continue;
            }
            if second.as_ref().is_none_or(|session| session.client.is_closed()) {
                second = self.target.connect().await.ok();
            }
            let Some(session) = &second else {
                tokio::time::sleep(REPEAT).await;
                continue;
            };
            let standbys = standbys(&session.client, process).await.ok().flatten();
            if let Some((standbys, patience)) = standbys {
                told.tell(&format!(
                    "a synchronous standby to confirm the commit (synchronous_standby_names is {standbys})"
                ));
                let waited = committing.get_or_insert_with(Instant::now).elapsed();
                if patience.is_some_and(|patience| waited >= patience) {
                    return PostgresError::Unreplicated { standbys, seconds: waited.as_secs() };
                }
                continue;
            }
            committing = None;
            let held = blockers(&session.client, process).await.ok().flatten();
            if let Some(held) = &held {
                told.tell(held);
            }
            self.heard.is_held(held);
        }
    }
}

/// Does something in a session while it is watched what the session waits for. If the run is told
/// to stop, or the watch ends, the server is asked to stop too.
pub(super) async fn watched<T, E: From<PostgresError>>(
    session: &mut Session,
    progress: &Progress,
    work: impl AsyncFnOnce(&mut Session) -> Result<T, E>,
) -> Result<T, E> {
    let watcher = Watcher::of(session);
    let stopped = tokio::select! {
        done = Box::pin(work(session)) => return done,
        () = progress.cancelled() => PostgresError::Interrupted,
        stopped = watcher.watch() => stopped,
    };
    session.cancel().await;
    Err(stopped.into())
}

/// What people were told of last.
#[derive(Default)]
pub(super) struct Told(Option<(Instant, String)>);

impl Told {
    pub(super) fn tell(&mut self, held: &str) {
        let again = |(at, text): &(Instant, String)| text != held || at.elapsed() >= REPEAT;
        if self.0.as_ref().is_none_or(again) {
            tracing::warn!("waiting for {held}");
            self.0 = Some((Instant::now(), held.to_owned()));
        }
    }
}

/// The standbys that a process waits for with its commit, if it does, and for how long it may.
async fn standbys(
    client: &impl GenericClient,
    process: i32,
) -> Result<Option<(String, Option<Duration>)>, PostgresError> {
    let sql =
        "SELECT pg_catalog.quote_literal(pg_catalog.current_setting('synchronous_standby_names'))
                 FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'";
    let found = client.query_opt(sql, &[&process]).await;
    let Some(row) = found.map_err(PostgresError::at("asking what is waited for"))? else {
        return Ok(None);
    };
    let patience = limit(client).await?;
    Ok(Some((row.get(0), (!patience.is_zero()).then_some(patience))))
}

/// What a process waits for, and who holds it.
async fn blockers(
    client: &impl GenericClient,
    process: i32,
) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT CASE WHEN a.pid IS NULL THEN 'a prepared transaction' ELSE {WHO} END,
                (SELECT CASE locktype WHEN 'relation' THEN 'the lock of ' || relation::regclass
                                      WHEN 'advisory' THEN 'another load or drop'
                                      ELSE 'a lock' END
                   FROM pg_locks WHERE pid = $1 AND NOT granted LIMIT 1)
           FROM unnest(pg_blocking_pids($1)) AS b (pid)
           LEFT JOIN pg_stat_activity a ON a.pid = b.pid
          ORDER BY 1"
    );
    Ok(listed(&client.query(&sql, &[&process]).await?))
}

/// Who holds the table or its month, or the turn to change it.
pub(super) async fn holders(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<Option<String>, PostgresError> {
    let sql = format!(
        "SELECT DISTINCT {WHO}, 'the lock of ' || $1
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
          WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
            AND (l.locktype = 'relation' AND l.relation IN (to_regclass($1), to_regclass($2))
                 OR l.locktype = 'advisory' AND l.objsubid = 1
                    AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended($1, 0))
          ORDER BY 1"
    );
    let (table, month) = (names.qualified(&names.table), names.qualified(&names.partition));
    let rows = transaction.query(&sql, &[&table, &month]).await;
    Ok(listed(&rows.map_err(PostgresError::at("asking who holds the table"))?))
}

fn listed(rows: &[Row]) -> Option<String> {
    let what: Option<&str> = rows.first()?.get(1);
    let who: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    // Each session names itself.
    Some(printable(&format!("{}, held by {}", what.unwrap_or("a lock"), who.join(" and "))))
}

/// How long the session waits for a lock.
pub(super) async fn limit(client: &impl GenericClient) -> Result<Duration, PostgresError> {
    let sql = "SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout'";
    let row = client.query_one(sql, &[]).await;
    let row = row.map_err(PostgresError::at("asking how long to wait"))?;
    Ok(Duration::from_millis(row.get::<_, i64>(0).unsigned_abs()))
}
