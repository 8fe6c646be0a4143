//! The table of the warehouses' groups of settings.

use crate::warehouse::WarehouseKind;

use super::bigquery::BigQueryGroup;
use super::postgres::PostgresGroup;
use super::warehouse_group::WarehouseGroup;

/// The group of a kind.
pub(super) fn group(kind: WarehouseKind) -> &'static dyn WarehouseGroup {
    match kind {
        WarehouseKind::Postgres => &PostgresGroup,
        WarehouseKind::BigQuery => &BigQueryGroup,
    }
}
