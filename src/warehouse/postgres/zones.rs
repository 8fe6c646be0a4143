//! The dimension of the taxi zones.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int16Type};
use tokio_postgres::error::SqlState;
use tokio_postgres::{GenericClient, Transaction};

use crate::trip::{Colour, SourceFacts, TripFile};
use crate::warehouse::Batches;

use super::code::Scope;
use super::names::{literal, quoted};
use super::relation::{Relation, find};
use super::transaction::execute;
use super::writes::Change;
use super::{Postgres, PostgresError, copied, locks, privileges, writes};

const TABLE: &str = "zones";

/// How a table of ours is known, with the digest of the bytes it was made from.
const MARK: &str = "nyc_taxi_etl: taxi zones";

const COLUMNS: [&str; 4] = ["location_id", "borough", "zone", "service_zone"];

/// The zones, a column each.
#[derive(Default)]
struct Zones {
    ids: Vec<i16>,
    texts: [Vec<Option<String>>; 3],
}

impl Postgres {
    /// Replaces the zones by these rows, unless they are there already; false if a table of
    /// that name is not ours and was left alone. A zone that other tables refer to stays.
    pub(super) async fn replace_zones(
        &self,
        source: &SourceFacts,
        rows: Batches,
    ) -> Result<bool, PostgresError> {
        let mut session = self.target().connect().await?;
        self.make_schema(&mut session).await?;
        let mark = format!("{MARK} {}", source.sha256);
        let found = find(&session.client, self.schema(), TABLE).await?;
        if let Some(found) = &found {
            let comment = found.comment.as_deref().unwrap_or_default();
            if found.kind != 'r' || !comment.starts_with(MARK) {
                return Ok(false);
            }
            // Whoever owns a table writes its description.
            refuse_others(&session.client, self.schema(), found).await?;
            // Rows that cannot be seen are taken for there.
            let table = format!("{}.{}", quoted(self.schema()), quoted(TABLE));
            if comment == mark
                && (!found.may_be_read(&session.client).await?
                    || copied::has_rows(&session.client, &table, COLUMNS[0]).await?)
            {
                return Ok(true);
            }
        }
        // The month does not matter: the name of the schema does.
        let names = self.names(TripFile::new(Colour::Green, Colour::Green.first_month()));
        let asked = (TABLE, found.as_ref());
        privileges::to_load_zones(&session.client, &names, asked).await?;
        if found.is_none() {
            super::relation::refuse_type(&session.client, self.schema(), TABLE).await?;
        }
        let key = Change::Upsert(&["location_id"]);
        writes::refuse_altered(&session.client, &names, TABLE, &COLUMNS, key).await?;
        let zones = read(rows)?;
        let mut transaction = session.begin().await?;
        let table = format!("{}.{}", quoted(self.schema()), quoted(TABLE));
        execute(&transaction, "waiting for the zones", &locks::advisory(&table)).await?;
        if find(&transaction, self.schema(), TABLE).await?.is_none() {
            let make = format!(
                "CREATE TABLE {table} (location_id smallint PRIMARY KEY, borough text, zone text,
                    service_zone text)"
            );
            execute(&transaction, "making the zones", &make).await?;
        }
        let lock = format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
        execute(&transaction, "making the zones", &lock).await?;
        if let Some(there) = find(&transaction, self.schema(), TABLE).await? {
            refuse_others(&transaction, self.schema(), &there).await?;
            replace(&mut transaction, &table, &there, &zones).await?;
        }
        let comment = format!("COMMENT ON TABLE {table} IS {}", literal(&mark));
        execute(&transaction, "describing the zones", &comment).await?;
        transaction.commit().await.map_err(PostgresError::at("committing"))?;
        Ok(true)
    }
}

async fn refuse_others(
    client: &impl GenericClient,
    schema: &str,
    zones: &Relation,
) -> Result<(), PostgresError> {
    zones.refuse_others(schema, TABLE)?;
    zones.refuse_code_of_others(client, schema, TABLE, Scope::Tree).await
}

fn read(rows: Batches) -> Result<Zones, PostgresError> {
    let mut zones = Zones::default();
    for batch in rows {
        let batch = batch?;
        let refused = |array: &ArrayRef, column: &str| PostgresError::ColumnType {
            column: column.to_owned(),
            found: array.data_type().to_string(),
        };
        for (at, array) in batch.columns().iter().enumerate().take(COLUMNS.len()) {
            match (at, array.data_type()) {
                (0, DataType::Int16) => {
                    zones.ids.extend_from_slice(array.as_primitive::<Int16Type>().values());
                }
                (1.., DataType::Utf8) => {
                    let texts = array.as_string::<i32>().iter();
                    zones.texts[at - 1].extend(texts.map(|text| text.map(str::to_owned)));
                }
                (1.., DataType::Utf8View) => {
                    let texts = array.as_string_view().iter();
                    zones.texts[at - 1].extend(texts.map(|text| text.map(str::to_owned)));
                }
                _ => return Err(refused(array, COLUMNS[at])),
            }
        }
    }
    Ok(zones)
}

/// Rows are changed in place: foreign keys that refer to them hold.
async fn replace(
    transaction: &mut Transaction<'_>,
    table: &str,
    there: &Relation,
    zones: &Zones,
) -> Result<(), PostgresError> {
    let step = || PostgresError::at("replacing the zones");
    let [borough, zone, service_zone] = &zones.texts;
    let sql = format!(
        "INSERT INTO {table} AS there (location_id, borough, zone, service_zone)
         SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[])
         ON CONFLICT (location_id) DO UPDATE SET borough = excluded.borough,
             zone = excluded.zone, service_zone = excluded.service_zone"
    );
    transaction.execute(&sql, &[&zones.ids, borough, zone, service_zone]).await.map_err(step())?;
    let sql = format!("SELECT location_id FROM {table} WHERE location_id <> ALL ($1) ORDER BY 1");
    let gone = transaction.query(&sql, &[&zones.ids]).await.map_err(step())?;
    // Deleting would go on to the rows that refer to them, or empty their columns.
    let sql = "SELECT FROM pg_catalog.pg_constraint
                WHERE contype = 'f' AND confrelid = $1 AND confdeltype IN ('c', 'n', 'd')";
    let spreads = !transaction.query(sql, &[&there.oid]).await.map_err(step())?.is_empty();
    execute(transaction, "replacing the zones", "SET CONSTRAINTS ALL IMMEDIATE").await?;
    let mut kept = Vec::new();
    for row in gone {
        let id: i16 = row.get(0);
        if spreads {
            kept.push(id.to_string());
            continue;
        }
        let attempt = transaction.savepoint("zone").await.map_err(step())?;
        let sql = format!("DELETE FROM {table} WHERE location_id = $1");
        match attempt.execute(&sql, &[&id]).await {
            Ok(_) => attempt.commit().await.map_err(step())?,
            Err(error) if is_referred_to(error.code()) => {
                attempt.rollback().await.map_err(step())?;
                kept.push(id.to_string());
            }
            Err(error) => return Err(step()(error)),
        }
    }
    if !kept.is_empty() {
        tracing::warn!(
            "zones: {} stay in the table though the source no longer has them: other tables \
             refer to them",
            kept.join(", ")
        );
    }
    Ok(())
}

fn is_referred_to(code: Option<&SqlState>) -> bool {
    // The second is that of a key with ON DELETE RESTRICT, from version 18 on.
    code == Some(&SqlState::FOREIGN_KEY_VIOLATION) || code == Some(&SqlState::RESTRICT_VIOLATION)
}
