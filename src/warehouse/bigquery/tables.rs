//! The dataset and its tables: made where they are missing, refused where they are others'.

use std::collections::HashMap;
use std::time::Duration;

use gcp_bigquery_client::model::clustering::Clustering;
use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_schema::TableSchema;
use gcp_bigquery_client::model::time_partitioning::TimePartitioning;
use gcp_bigquery_client::model::view_definition::ViewDefinition;

use reqwest::Method;
use serde::Deserialize;

use crate::schema::{self, Column, Kind, PICKUP};
use crate::support::http::percent_encoded;
use crate::trip::{Colour, KeptColumn};

use super::BigQueryError;
use super::api::Api;
use super::names::Dataset;

pub(super) const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// The label of all that is made by this program.
pub(super) const MADE_BY: (&str, &str) = ("made-by", "nyc_taxi_etl");

/// The label that says which colour a table holds.
const COLOUR: &str = "colour";

/// By which column the rows of a partition are put in order.
const CLUSTERED_BY: &str = "pickup_location_id";

/// Where a dataset is made that is to be nowhere else
/// (<https://cloud.google.com/bigquery/docs/locations#specify_locations>).
const DEFAULT_LOCATION: &str = "US";

/// The longest description of a column that BigQuery takes.
const LONGEST_DESCRIPTION: usize = 1024;

/// The labels of what is made by this program.
pub(super) fn labels<'a>(
    more: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> HashMap<String, String> {
    let all = std::iter::once(MADE_BY).chain(more);
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Whether a table has a label of this value.
pub(super) fn has_label(table: &Table, (key, value): (&str, &str)) -> bool {
    let labels = table.labels.as_ref();
    labels.and_then(|labels| labels.get(key)).is_some_and(|found| found == value)
}

/// Whether a table says that it holds trips.
pub(super) fn holds_trips(table: &Table) -> bool {
    table.labels.as_ref().is_some_and(|labels| labels.contains_key(COLOUR))
}

/// The type of a kind of column. The lake's files have times without a zone, which BigQuery
/// reads as DATETIME, and integers of 16 and 32 bits, which it reads as INT64
/// (<https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#parquet_conversions>).
const fn field_type(kind: Kind) -> FieldType {
    match kind {
        Kind::Code(_) | Kind::Seconds | Kind::Whole => FieldType::Int64,
        Kind::Number => FieldType::Float64,
        Kind::Time => FieldType::Datetime,
        Kind::Text | Kind::Base | Kind::Flag | Kind::Any => FieldType::String,
    }
}

/// The name of a type, whichever of its two names is given.
pub(super) const fn kind(field_type: &FieldType) -> &'static str {
    match field_type {
        FieldType::String => "STRING",
        FieldType::Bytes => "BYTES",
        FieldType::Integer | FieldType::Int64 => "INT64",
        FieldType::Float | FieldType::Float64 => "FLOAT64",
        FieldType::Numeric => "NUMERIC",
        FieldType::Bignumeric => "BIGNUMERIC",
        FieldType::Boolean | FieldType::Bool => "BOOL",
        FieldType::Timestamp => "TIMESTAMP",
        FieldType::Date => "DATE",
        FieldType::Time => "TIME",
        FieldType::Datetime => "DATETIME",
        FieldType::Record | FieldType::Struct => "STRUCT",
        FieldType::Geography => "GEOGRAPHY",
        FieldType::Json => "JSON",
        FieldType::Interval => "INTERVAL",
    }
}

/// The type of a kind of column, in SQL.
pub(super) const fn sql_type(kind: Kind) -> &'static str {
    self::kind(&field_type(kind))
}

/// A view of ours.
pub(super) fn view(dataset: &Dataset, name: &str, query: String, about: &str) -> Table {
    let mut view =
        Table::new(&dataset.project, &dataset.dataset, name, TableSchema { fields: None });
    view.view = Some(ViewDefinition {
        query,
        use_legacy_sql: Some(false),
        user_defined_function_resources: None,
    });
    view.description = Some(about.to_owned());
    view.labels = Some(labels([]));
    view
}

/// A column that may be null, with its description.
pub(super) fn described(name: &str, field_type: FieldType, about: &str) -> TableFieldSchema {
    let mut field = TableFieldSchema::new(name, field_type);
    field.mode = Some("NULLABLE".to_owned());
    field.description = Some(about.chars().take(LONGEST_DESCRIPTION).collect());
    field
}

fn declared(column: &Column) -> TableFieldSchema {
    let mut field = described(column.name, field_type(column.kind), column.about);
    if column.name == PICKUP {
        field.mode = Some("REQUIRED".to_owned());
    }
    field
}

/// The columns of a load: those that the table has, as it has them, and those that it gains.
pub(super) fn load_schema(table: &Table, colour: Colour, kept: &[KeptColumn]) -> TableSchema {
    let there = fields(table);
    let as_there = |column: &&Column| {
        let found = there.iter().find(|field| field.name.eq_ignore_ascii_case(column.name));
        found.cloned().unwrap_or_else(|| declared(column))
    };
    TableSchema::new(schema::columns_with(colour, kept).iter().map(as_there).collect())
}

/// A kept column whose values the table's column of that name cannot hold: its name, the type
/// that it has in the table and the one that it has in the month.
pub(super) fn misfit(table: &Table, kept: &[KeptColumn]) -> Option<(String, String, String)> {
    kept.iter().find_map(|column| {
        let there = fields(table).iter().find(|it| it.name.eq_ignore_ascii_case(&column.name))?;
        let wanted = sql_type(schema::kept_kind(column));
        let found = kind(&there.r#type);
        (found != wanted).then(|| (column.name.clone(), found.to_owned(), wanted.to_owned()))
    })
}

fn fields(table: &Table) -> &[TableFieldSchema] {
    table.schema.fields.as_deref().unwrap_or_default()
}

/// The table of a colour, as it is made.
fn of_colour(dataset: &Dataset, name: &str, colour: Colour) -> Table {
    let columns = schema::columns(colour).into_iter().map(declared).collect();
    let mut table = Table::new(&dataset.project, &dataset.dataset, name, TableSchema::new(columns));
    table.description = Some(format!(
        "{colour} trips, a partition a month; the view loads says what was loaded from where"
    ));
    table.labels = Some(labels([(COLOUR, colour.as_str())]));
    table.time_partitioning = Some(TimePartitioning::per_month().field(PICKUP));
    table.clustering = Some(Clustering { fields: Some(vec![CLUSTERED_BY.to_owned()]) });
    table
}

/// Why a table is none of ours for this colour.
fn refusal(shown: &str, table: &Table, colour: Colour) -> Option<BigQueryError> {
    let not_ours = |why: String| Some(BigQueryError::NotOurs { table: shown.to_owned(), why });
    let fields = fields(table);
    match table.r#type.as_deref() {
        None | Some("TABLE") => {}
        Some(other) => return not_ours(format!("it is a {}", other.to_lowercase())),
    }
    let raw: Vec<&str> = fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| !schema::columns(colour).iter().any(|column| column.name == *name))
        .filter(|name| {
            let name = name.to_lowercase();
            schema::columns(colour).iter().any(|column| column.is_called(&name))
        })
        .collect();
    if !raw.is_empty() && !fields.iter().any(|field| field.name == PICKUP) {
        let some = raw[..raw.len().min(3)].join(", ");
        return not_ours(format!("it has the columns of the raw files: {some}"));
    }
    match &table.time_partitioning {
        Some(parts) if parts.r#type == "MONTH" && parts.field.as_deref() == Some(PICKUP) => {}
        Some(parts) => {
            let by = parts.field.as_deref().unwrap_or("the time of arrival");
            let every = parts.r#type.to_lowercase();
            return not_ours(format!("it is partitioned by the {every} of {by}"));
        }
        None if table.range_partitioning.is_some() => {
            return not_ours("it is partitioned by ranges of numbers".to_owned());
        }
        None => return not_ours("it is not partitioned by month".to_owned()),
    }
    for column in schema::columns(colour) {
        let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(column.name));
        let wanted = sql_type(column.kind);
        if let Some(found) = found.filter(|found| kind(&found.r#type) != wanted) {
            let (name, found) = (column.name, kind(&found.r#type));
            return not_ours(format!("its column {name} is {found} and not {wanted}"));
        }
    }
    match table.labels.as_ref().and_then(|labels| labels.get(COLOUR)) {
        Some(other) if *other == colour.as_str() => None,
        Some(other) => not_ours(format!("it holds {other} trips")),
        None => Some(BigQueryError::NoColour { table: shown.to_owned(), colour }),
    }
}

/// A table, unless it is none of ours for this colour.
fn ours(dataset: &Dataset, table: Table, colour: Colour) -> Result<Table, BigQueryError> {
    let shown = dataset.shown(&table.table_reference.table_id);
    refusal(&shown, &table, colour).map_or(Ok(table), Err)
}

/// A dataset as it is found
/// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset>).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundDataset {
    location: Option<String>,
    default_partition_expiration_ms: Option<String>,
    default_table_expiration_ms: Option<String>,
}

impl FoundDataset {
    pub(super) fn location(&self) -> String {
        self.location.clone().unwrap_or_else(|| DEFAULT_LOCATION.to_owned())
    }

    /// How long partitions live in the tables that are made in it; `None` for good.
    pub(super) fn partitions_live(&self) -> Option<Duration> {
        lifetime(self.default_partition_expiration_ms.as_deref())
    }

    /// How long the tables live that are made in it; `None` for good. Where partitions have a
    /// limit of their own, a partitioned table has none.
    pub(super) fn tables_live(&self) -> Option<Duration> {
        let tables = lifetime(self.default_table_expiration_ms.as_deref());
        tables.filter(|_| self.partitions_live().is_none())
    }
}

fn lifetime(milliseconds: Option<&str>) -> Option<Duration> {
    let milliseconds = milliseconds?.parse().ok().filter(|&milliseconds| milliseconds > 0)?;
    Some(Duration::from_millis(milliseconds))
}

/// How long the partitions of a table live, counted from the beginning of their month; `None` for
/// good
/// (<https://cloud.google.com/bigquery/docs/managing-partitioned-tables#partition-expiration>).
pub(super) fn partitions_live(table: &Table) -> Option<Duration> {
    lifetime(table.time_partitioning.as_ref()?.expiration_ms.as_deref())
}

impl Api {
    /// The dataset; `None` if there is no such dataset.
    pub(super) async fn look_at_dataset(
        &self,
        dataset: &Dataset,
    ) -> Result<Option<FoundDataset>, BigQueryError> {
        let path = format!(
            "projects/{}/datasets/{}",
            percent_encoded(&dataset.project),
            percent_encoded(&dataset.dataset)
        );
        let request = self.request(Method::GET, &path);
        match self.ask("looking for the dataset", request, None::<&()>).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if BigQueryError::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The location of the dataset; `None` if there is no such dataset.
    pub(super) async fn find_dataset(
        &self,
        dataset: &Dataset,
    ) -> Result<Option<String>, BigQueryError> {
        Ok(self.look_at_dataset(dataset).await?.map(|found| found.location()))
    }

    /// The location of the dataset, which is made where it is missing: in the one asked for, or
    /// in Google's default.
    pub(super) async fn dataset(
        &self,
        dataset: &Dataset,
        asked: Option<&str>,
    ) -> Result<String, BigQueryError> {
        let location = match self.find_dataset(dataset).await? {
            Some(location) => location,
            None => self.make_dataset(dataset, asked).await?,
        };
        match asked {
            Some(asked) if !asked.eq_ignore_ascii_case(&location) => {
                Err(BigQueryError::DatasetElsewhere {
                    dataset: format!("{}.{}", dataset.project, dataset.dataset),
                    found: location,
                    asked: asked.to_owned(),
                })
            }
            _ => Ok(location),
        }
    }

    async fn make_dataset(
        &self,
        dataset: &Dataset,
        asked: Option<&str>,
    ) -> Result<String, BigQueryError> {
        let Dataset { project, dataset: name } = dataset;
        let mut new = gcp_bigquery_client::model::dataset::Dataset::new(project, name);
        new.location = asked.map(str::to_owned);
        new.labels = Some(labels([]));
        let made = self.client().await?.dataset().create(new).await;
        match made.map_err(|error| BigQueryError::of_client("making the dataset", error)) {
            Ok(made) => Ok(made.location.unwrap_or_else(|| DEFAULT_LOCATION.to_owned())),
            // Another run made it just now.
            Err(error) if error.is_there() => self.find_dataset(dataset).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// The table of a colour, which is made where it is missing.
    pub(super) async fn trips(
        &self,
        dataset: &Dataset,
        name: &str,
        colour: Colour,
    ) -> Result<Table, BigQueryError> {
        match self.found_trips(dataset, name, colour).await? {
            Some(table) => Ok(table),
            None => {
                let made = self.make(of_colour(dataset, name, colour)).await?;
                ours(dataset, made, colour)
            }
        }
    }

    /// The table of a colour; `None` if there is none.
    pub(super) async fn found_trips(
        &self,
        dataset: &Dataset,
        name: &str,
        colour: Colour,
    ) -> Result<Option<Table>, BigQueryError> {
        let found = self.table(dataset, name).await?;
        found.map(|table| ours(dataset, table, colour)).transpose()
    }

    /// A table; `None` if there is none.
    pub(super) async fn table(
        &self,
        dataset: &Dataset,
        name: &str,
    ) -> Result<Option<Table>, BigQueryError> {
        let found = self.client().await?.table();
        let found = found.get(&dataset.project, &dataset.dataset, name, None).await;
        match found.map_err(|error| BigQueryError::of_client("looking at the table", error)) {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a table or a view; where another run made it just now, that one.
    pub(super) async fn make(&self, table: Table) -> Result<Table, BigQueryError> {
        let step = "making the table";
        let reference = table.table_reference.clone();
        let made = self.client().await?.table().create(table).await;
        match made.map_err(|error| BigQueryError::of_client(step, error)) {
            Err(error) if error.is_there() => {
                let dataset =
                    Dataset { project: reference.project_id, dataset: reference.dataset_id };
                self.table(&dataset, &reference.table_id).await?.ok_or(error)
            }
            made => made,
        }
    }

    /// Changes what is given of a table or a view.
    pub(super) async fn change(&self, table: Table) -> Result<(), BigQueryError> {
        let to = table.table_reference.clone();
        let calls = self.client().await?.table();
        let changed = calls.patch(&to.project_id, &to.dataset_id, &to.table_id, table).await;
        changed.map(drop).map_err(|error| BigQueryError::of_client("changing the table", error))
    }

    /// Deletes a table, or a partition of one; one that is not there is as good.
    pub(super) async fn delete(&self, dataset: &Dataset, name: &str) -> Result<(), BigQueryError> {
        let calls = self.client().await?.table();
        let deleted = calls.delete(&dataset.project, &dataset.dataset, name).await;
        match deleted.map_err(|error| BigQueryError::of_client("deleting the partition", error)) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        Dataset::new("p".into(), "d".into()).unwrap()
    }

    fn said(change: impl FnOnce(&mut Table)) -> String {
        let mut table = of_colour(&dataset(), "trips", Colour::Green);
        change(&mut table);
        let error = refusal("p.d.trips", &table, Colour::Green);
        error.map_or_else(|| "ours".to_owned(), |error| error.to_string())
    }

    #[test]
    fn a_table_of_ours_is_known_again() {
        assert_eq!(said(|_| {}), "ours");
        assert_eq!(said(|table| table.r#type = Some("TABLE".into())), "ours");
        // The columns of tomorrow are added, and those of users stay.
        assert_eq!(
            said(|table| {
                let fields = table.schema.fields.as_mut().unwrap();
                fields.pop();
                fields.push(TableFieldSchema::string("note"));
            }),
            "ours"
        );
    }

    #[test]
    fn a_table_of_others_is_refused_with_the_way_out() {
        insta::assert_snapshot!(
            [
                said(|table| table.labels = Some(labels([(COLOUR, "yellow")]))),
                said(|table| table.labels = None),
                said(|table| table.time_partitioning = None),
                said(|table| table.time_partitioning = Some(TimePartitioning::per_day())),
                said(|table| table.r#type = Some("VIEW".into())),
                said(|table| {
                    table.time_partitioning = None;
                    table.schema = TableSchema::new(vec![
                        TableFieldSchema::integer("VendorID"),
                        TableFieldSchema::timestamp("lpep_pickup_datetime"),
                    ]);
                }),
                said(|table| {
                    table.schema.fields.as_mut().unwrap()[0].r#type = FieldType::String;
                }),
            ]
            .join("\n"),
            @r"
            p.d.trips already exists and was not created by this program (it holds yellow trips): it was not changed. Load into another place with --table or --dataset, or rename it
            p.d.trips has no label 'colour', so it is not clear that its rows are green trips: it was not changed. If they are, set the label: bq update --set_label colour:green p:d.trips
            p.d.trips already exists and was not created by this program (it is not partitioned by month): it was not changed. Load into another place with --table or --dataset, or rename it
            p.d.trips already exists and was not created by this program (it is partitioned by the day of the time of arrival): it was not changed. Load into another place with --table or --dataset, or rename it
            p.d.trips already exists and was not created by this program (it is a view): it was not changed. Load into another place with --table or --dataset, or rename it
            p.d.trips already exists and was not created by this program (it has the columns of the raw files: VendorID, lpep_pickup_datetime): it was not changed. Load into another place with --table or --dataset, or rename it
            p.d.trips already exists and was not created by this program (its column vendor_id is STRING and not INT64): it was not changed. Load into another place with --table or --dataset, or rename it
            "
        );
    }

    #[test]
    fn a_load_takes_the_columns_as_the_table_has_them() {
        let mut table = of_colour(&dataset(), "t", Colour::Green);
        let fields = table.schema.fields.as_mut().unwrap();
        fields.retain(|field| field.name != "trip_type");
        for field in fields.iter_mut() {
            field.mode = Some("NULLABLE".into());
        }
        let schema = load_schema(&table, Colour::Green, &[]).fields.unwrap();
        assert_eq!(schema.len(), schema::columns(Colour::Green).len());
        assert!(schema.iter().all(|field| field.mode.as_deref() == Some("NULLABLE")));
    }
}
