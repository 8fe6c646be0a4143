//! Columns that the schema does not know, kept in the lake's file and in the table.

use crate::new_columns::{KEEP, ROWS, month, run};

use super::Warehouse;

#[tokio::test]
async fn new_columns_are_added_to_the_table_and_a_type_that_cannot_change_is_told() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.green([2]);
    run(&warehouse.taxi, "2020-01", &month(1, "moon", |at| at.to_string()), KEEP).exits(0);
    warehouse.run("green", "2020-01", "2020-02", &[]).exits(0);
    let sum = warehouse.lines("SELECT SUM(moon), COUNT(moon), COUNT(*) FROM {}.green_trips");
    let rows = warehouse.count("green_trips");
    assert_eq!(sum, format!("{} {ROWS} {rows}\n", ROWS * (ROWS - 1) / 2));

    run(&warehouse.taxi, "2020-03", &month(3, "moon", |_| "full".to_owned()), KEEP).exits(0);
    let error = warehouse.error(warehouse.run("green", "2020-03", "2020-03", &[]));
    insta::assert_snapshot!(error, @"the column 'moon' is STRING in this month and INT64 in local.DATASET.green_trips, and BigQuery cannot change a type to text: leave the column out with --on-new-column warn, or load into another table with --table");
    assert_eq!(warehouse.count("green_trips"), rows);
}
