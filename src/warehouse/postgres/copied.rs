//! Rows of tables that may belong to anybody, copied out of them: a copy computes nothing of what
//! the table's owner put on it, as a query would (see [`super::code`]).

use std::ops::ControlFlow;

use futures_util::TryStreamExt;
use tokio_postgres::GenericClient;

use crate::schema::Sums;

use super::PostgresError;
use super::names::quoted;

/// Copies columns of a table row by row until there are no more or `each` has seen enough. A value
/// is `None` if it is null.
pub(super) async fn rows(
    client: &impl GenericClient,
    table: &str,
    columns: &[&str],
    mut each: impl FnMut(Vec<Option<String>>) -> ControlFlow<()>,
) -> Result<(), PostgresError> {
    let step = || PostgresError::at("copying rows of the table");
    let list = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    let copy = format!("COPY {table} ({list}) TO STDOUT");
    let stream = client.client().copy_out(&copy).await.map_err(step())?;
    let mut stream = std::pin::pin!(stream);
    let mut rest = Vec::new();
    while let Some(bytes) = stream.try_next().await.map_err(step())? {
        rest.extend_from_slice(&bytes);
        while let Some(end) = memchr::memchr(b'\n', &rest) {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest.drain(..=end);
            if each(line.split('\t').map(value).collect()).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a table has a row.
pub(super) async fn has_rows(
    client: &impl GenericClient,
    table: &str,
    column: &str,
) -> Result<bool, PostgresError> {
    let mut found = false;
    rows(client, table, &[column], |_| {
        found = true;
        ControlFlow::Break(())
    })
    .await?;
    Ok(found)
}

/// Counts the rows of a table in which a column is not null.
pub(super) async fn count(
    client: &impl GenericClient,
    table: &str,
    column: &str,
) -> Result<u64, PostgresError> {
    let mut count = 0;
    rows(client, table, &[column], |row| {
        count += u64::from(row.first().is_some_and(Option::is_some));
        ControlFlow::Continue(())
    })
    .await?;
    Ok(count)
}

/// Adds the rows of a table up.
pub(super) async fn sums(
    client: &impl GenericClient,
    table: &str,
    columns: &[&'static str],
    sums: &mut Sums,
) -> Result<(), PostgresError> {
    rows(client, table, columns, |row| {
        sums.rows += 1;
        for (column, value) in columns.iter().zip(row) {
            sums.add(column, value.and_then(|text| text.parse().ok()).into_iter());
        }
        ControlFlow::Continue(())
    })
    .await
}

/// A value as the server writes it in a copy.
fn value(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next() {
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => break,
            },
            other => other,
        });
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_server_escapes_them() {
        assert_eq!(value("\\N"), None);
        assert_eq!(value("").as_deref(), Some(""));
        assert_eq!(value("a\\tb\\nc\\\\N").as_deref(), Some("a\tb\nc\\N"));
        assert_eq!(value("\\\\x").as_deref(), Some("\\x"));
    }
}
