//! What a run would do, shown without doing it.

use super::*;

/// What would be done to each month, a line each.
fn acts(ran: &Ran) -> String {
    let json = ran.json();
    let months = json["months"].as_array().unwrap().iter().map(|month| {
        let steps = month["steps"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let steps = steps.map(|step| {
            format!("{} {} ({})", text(&step["store"]), text(&step["act"]), text(&step["why"]))
        });
        format!("{}: {}", text(&month["month"]), steps.collect::<Vec<_>>().join(", "))
    });
    months.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_why_and_does_nothing() {
    let backfill = Backfill::of(4, 300).await;
    let before = backfill.run(&["--dry-run"]).exits(0);
    let first = acts(&before);
    assert_eq!(backfill.web.requests().len(), 0, "the source is not asked");
    assert_eq!(backfill.taxi.files(""), [""; 0]);

    backfill.run(&[]).exits(0);
    let client = backfill.database.client().await;
    client.batch_execute("DROP TABLE nyc_taxi.green_trips_2020_02").await.unwrap();
    std::fs::remove_file(backfill.taxi.lake("green/green_tripdata_2020-03.parquet")).unwrap();
    backfill.web.clear_log();
    let after = acts(&backfill.run(&["--dry-run"]).exits(0));
    let rules = acts(&backfill.run(&["--dry-run", "--reject", "negative_fare"]).exits(0));
    let forced = acts(&backfill.run(&["--dry-run", "--force"]).exits(0));
    assert_eq!(backfill.web.requests().len(), 0);
    let all = [first, after, rules, forced].join("\n\n");
    insta::assert_snapshot!(all, @r"
        2020-01: lake fetch (it is not there), postgres load (it is not there)
        2020-02: lake fetch (it is not there), postgres load (it is not there)
        2020-03: lake fetch (it is not there), postgres load (it is not there)
        2020-04: lake fetch (it is not there), postgres load (it is not there)

        2020-01: lake ask (it is there), postgres nothing (it is what the lake has)
        2020-02: lake ask (it is there), postgres load (the month is in the ledger, but its partition is missing)
        2020-03: lake fetch (it is not there), postgres load (if what is fetched differs)
        2020-04: lake ask (it is there), postgres nothing (it is what the lake has)

        2020-01: lake fetch (it was cleaned with another schema or other rules), postgres load (if what is fetched differs)
        2020-02: lake fetch (it was cleaned with another schema or other rules), postgres load (the month is in the ledger, but its partition is missing)
        2020-03: lake fetch (it is not there), postgres load (if what is fetched differs)
        2020-04: lake fetch (it was cleaned with another schema or other rules), postgres load (if what is fetched differs)

        2020-01: lake fetch (--force), postgres load (--force)
        2020-02: lake fetch (--force), postgres load (--force)
        2020-03: lake fetch (--force), postgres load (--force)
        2020-04: lake fetch (--force), postgres load (--force)
        ");
    let runs = backfill.taxi.run(["runs", "--output", "json"]).json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "a dry run is none");
}

#[tokio::test]
async fn each_flow_plans_its_own_way() {
    let backfill = Backfill::of(2, 300).await;
    let args = |flow: &str| {
        let args = ["run", flow, "--from", "2020-01", "--to", "2020-02", "--dry-run"];
        args.map(str::to_owned)
    };
    backfill.taxi.month("green", "2020-01", &(backfill.web.url() + "/{colour}/{year}-{month}"));
    let flows = ["etl-web-to-gcs", "etl-gcs-to-postgres", "ingest-data"];
    let tables = flows.map(|flow| backfill.taxi.run(args(flow)).exits(0).stdout);
    insta::assert_snapshot!(tables.join("\n"), @r"
        ──────────────────────────────────────
         month          lake   why
        ══════════════════════════════════════
         green 2020-01  ask    it is there
         green 2020-02  fetch  it is not there
        ──────────────────────────────────────
         1 to fetch, 1 to check at the source, 0 to load: nothing was done

        ───────────────────────────────────────────────
         month          postgres  why
        ═══════════════════════════════════════════════
         green 2020-01  load      it is not there
         green 2020-02  fail      it is not in the lake
        ───────────────────────────────────────────────
         0 to fetch, 0 to check at the source, 1 to load: nothing was done

        ─────────────────────────────────────────
         month          postgres  why
        ═════════════════════════════════════════
         green 2020-01  fetch     it is not there
         green 2020-02  fetch     it is not there
        ─────────────────────────────────────────
         2 to fetch, 0 to check at the source, 0 to load: nothing was done
        ");
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_says_why() {
    let backfill = Backfill::of(1, 300).await;
    let backfill = backfill.set("DATABASE_URL", "postgres://u@127.0.0.1:1/d");
    let ran = backfill.run(&["--dry-run"]).exits(1);
    let acts = acts(&ran);
    assert!(acts.contains("lake fetch (it is not there)"), "{acts}");
    assert!(acts.contains("postgres unknown (cannot connect to Postgres at 127.0.0.1:1"), "{acts}");
}
