//! The source is queried without fetching anything.

use taxi_test_support::web::Fault;
use taxi_test_support::web::Web;

use super::Stores;

#[tokio::test]
async fn the_source_says_what_it_has_what_changed_and_what_is_not_there_yet() {
    let stores = Stores::new().await;
    let web = Web::start().await;
    let serve = |month: u8, rows: u64| {
        stores.file(month, rows);
        let file = stores.taxi.folder().join(format!("files/green_tripdata_2020-{month:02}.csv"));
        web.put(&format!("/green-2020-{month:02}"), std::fs::read(file).unwrap());
    };
    for month in [1, 2, 3] {
        serve(month, 200);
    }
    let source = format!("{}/{{colour}}-{{year}}-{{month}}", web.url());
    let months = ["--colour", "green", "--year", "2020", "--months"];
    let args = [&["run", "etl-web-to-gcs"], &months[..], &["1-2", "--source", &source]].concat();
    stores.taxi.run(args).exits(0);
    serve(2, 150);
    web.always("/green-2020-05", Fault::status(500));
    web.clear_log();
    let args = [&["status"], &months[..], &["1-5", "--check-source", "--source", &source]].concat();
    let shown = stores.taxi.run(args).exits(1).stdout;
    insta::assert_snapshot!(stores.plain(&shown).replace(&web.url(), "http://host"), @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o    .    -    .
      5 months: 2 in the lake, 2 not in the lake, 1 beyond the source

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o    .    -    .
      5 months: 2 in the lake, 2 not in the lake, 1 beyond the source

    green trips, source
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   =    *    +    _    ?
      5 months: 1 as it was fetched, 1 changed since, 1 published, 1 not published,
      1 could not be asked
      2020-05 not asked: http://host/green-2020-05 answers 500

    o in the lake   . not in the lake   - beyond the source   = as it was fetched
    * changed since   + published   _ not published   ? could not be asked

    To repair:
      taxi run etl-parent-flow --colour green --from 2020-02 --to 2020-05 --to-warehouse postgres
      taxi run etl-gcs-to-postgres --colour green --from 2020-01 --to 2020-01
    ");
    assert_eq!(web.count("GET", "/green"), 0);
    assert!(web.most_at_once() <= 2);
}
