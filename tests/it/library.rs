//! The program as a library.

#[allow(dead_code)]
#[path = "../../examples/parent_flow.rs"]
mod parent_flow;

#[tokio::test]
async fn the_parent_flow_runs_from_a_program_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let report = parent_flow::bring_months(&lake).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(report.months.len(), 2);
    for month in ["2020-01", "2020-02"] {
        let trips = lake.join(format!("green/green_tripdata_{month}.parquet"));
        assert!(trips.is_file(), "{}", trips.display());
    }
}
