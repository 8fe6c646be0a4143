//! The parent flow: every month to the lake and on to the warehouses.

use super::*;
use taxi_test_support::web::Fault;

fn states(ran: &Ran) -> Vec<String> {
    each(ran, |month| &month["state"])
}

fn loads(ran: &Ran) -> Vec<String> {
    each(ran, |month| &month["loads"][0]["state"])
}

#[tokio::test]
async fn every_month_goes_to_the_lake_and_on_to_the_warehouse_and_a_rerun_costs_nothing() {
    let backfill = Backfill::of(6, 3000).await;
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(
        (states(&ran), loads(&ran)),
        (vec!["published".into(); 6], vec!["loaded".into(); 6])
    );
    backfill.assert_whole().await;
    let client = backfill.database.client().await;
    let zones: i64 =
        client.query_one("SELECT count(*) FROM nyc_taxi.zones", &[]).await.unwrap().get(0);
    assert_eq!(zones, 1);

    let loaded = "SELECT string_agg(loaded_at::text, ' ' ORDER BY month) FROM nyc_taxi.loads";
    let loaded_at = async || client.query_one(loaded, &[]).await.unwrap().get::<_, String>(0);
    let before = loaded_at().await;
    backfill.web.clear_log();
    let again = backfill.run(&[]).exits(0);
    assert_eq!(states(&again), ["unchanged"; 6]);
    assert_eq!(loads(&again), ["unchanged"; 6]);
    let asked = backfill.web.requests();
    assert_eq!(asked.len(), 6, "one conditional request a month, and none for the zones");
    assert!(asked.iter().all(|request| request.header("if-none-match").is_some()));
    assert_eq!(loaded_at().await, before);
}

#[tokio::test]
async fn a_rerun_does_what_is_missing_changed_or_gone() {
    let mut backfill = Backfill::of(5, 2000).await;
    backfill.run(&[]).exits(0);
    let client = backfill.database.client().await;
    client.batch_execute("DROP TABLE nyc_taxi.green_trips_2020_02").await.unwrap();
    std::fs::remove_file(backfill.taxi.lake("green/green_tripdata_2020-03.parquet")).unwrap();
    let recipe = Recipe::new(Colour::Green, 2020, 4).form(Form::CsvGz).seed(7);
    let (bytes, made) = recipe.rows(1900).bytes();
    backfill.web.put(&path(4), bytes);
    backfill.made.insert(4, made);
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(states(&ran), ["unchanged", "unchanged", "published", "published", "unchanged"]);
    // The third was loaded from the same bytes before.
    assert_eq!(loads(&ran), ["unchanged", "loaded", "unchanged", "loaded", "unchanged"]);
    backfill.assert_whole().await;
}

#[tokio::test]
async fn a_month_that_fails_stops_no_other_and_the_next_run_does_it() {
    let backfill = Backfill::of(5, 2000).await;
    backfill.web.always(&path(2), Fault::status(410));
    let client = backfill.database.client().await;
    // Another's table in the place of the fourth.
    client
        .batch_execute("CREATE SCHEMA nyc_taxi; CREATE TABLE nyc_taxi.green_trips_2020_04 ()")
        .await
        .unwrap();
    let ran = backfill.run(&[]).exits(1);
    assert_eq!(states(&ran), ["published", "failed", "published", "failed", "published"]);
    assert_eq!(loads(&ran), ["loaded", "null", "loaded", "failed", "loaded"]);
    let months = &ran.json()["months"];
    let error = months[1]["error"].as_str().unwrap();
    assert!(error.contains("410"), "{error}");
    let error = months[3]["loads"][0]["error"].as_str().unwrap();
    assert!(error.contains("green_trips_2020_04"), "{error}");
    assert!(months[3]["lake"].is_string(), "the lake has it");

    backfill.web.heal();
    client.batch_execute("DROP TABLE nyc_taxi.green_trips_2020_04").await.unwrap();
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(loads(&ran), ["unchanged", "loaded", "unchanged", "loaded", "unchanged"]);
    backfill.assert_whole().await;
}

#[tokio::test]
async fn a_month_that_is_not_published_yet_goes_nowhere() {
    let mut backfill = Backfill::of(2, 100).await;
    backfill.web.remove(&path(2));
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(states(&ran), ["published", "not_published"]);
    assert_eq!(loads(&ran), ["loaded", "null"]);
    backfill.made.remove(&2);
    backfill.assert_whole().await;
}

#[tokio::test]
async fn a_month_that_the_source_has_no_more_goes_on_from_the_lake() {
    let backfill = Backfill::of(2, 100).await;
    backfill.run(&[]).exits(0);
    backfill.web.remove(&path(2));
    let client = backfill.database.client().await;
    client.batch_execute("DROP TABLE nyc_taxi.green_trips_2020_02").await.unwrap();
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(states(&ran), ["unchanged", "not_published"]);
    assert_eq!(loads(&ran), ["unchanged", "loaded"]);
    backfill.assert_whole().await;
}
