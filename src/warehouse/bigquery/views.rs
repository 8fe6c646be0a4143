//! What makes the tables pleasant to ask: a view of the ledger, and one over the taxis.

use gcp_bigquery_client::model::table::Table;

use crate::schema::COLUMNS;
use crate::trip::Colour;

use super::BigQueryError;
use super::jobs::Jobs;
use super::names::{Dataset, literal, trips};
use super::tables::{MADE_BY, has_label, sql_type, view};

/// The view over yellow and green.
pub(super) const TRIPS: &str = "trips";

impl Jobs {
    /// Makes the view over those of the two tables that are there, where its name is free and
    /// where it is not as it should be.
    pub(super) async fn make_trips(&self) -> Result<(), BigQueryError> {
        let mut tables = Vec::new();
        for colour in [Colour::Yellow, Colour::Green] {
            if self.api.table(&self.dataset, &trips(colour)).await?.is_some() {
                tables.push(colour);
            }
        }
        if tables.is_empty() {
            return Ok(());
        }
        let about = "The trips of yellow and green taxis";
        let wanted = view(&self.dataset, TRIPS, select(&self.dataset, &tables), about);
        match self.api.table(&self.dataset, TRIPS).await? {
            None => self.api.make(wanted).await.map(drop),
            Some(there) => {
                let query = |view: &Table| view.view.as_ref().map(|view| view.query.clone());
                let ours = has_label(&there, MADE_BY) && there.view.is_some();
                if ours && query(&there) != query(&wanted) {
                    self.api.change(wanted).await?;
                }
                Ok(())
            }
        }
    }
}

/// The columns of both colours over each table; null where a colour lacks one.
fn select(dataset: &Dataset, tables: &[Colour]) -> String {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| column.colours.iter().any(|c| matches!(c, Colour::Yellow | Colour::Green)))
        .collect();
    let of = |colour: &Colour| {
        let list = columns.iter().map(|column| {
            if column.colours.contains(colour) {
                column.name.to_owned()
            } else {
                format!("CAST(NULL AS {}) AS {}", sql_type(column.kind), column.name)
            }
        });
        let list = list.collect::<Vec<_>>().join(", ");
        let table = dataset.quoted(&trips(*colour));
        format!("SELECT {} AS colour, {list} FROM {table}", literal(colour.as_str()))
    };
    tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ")
}
