//! Settings of a server, a database or a role that change what a load means or break it off.

use super::{Warehouse, january};
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::postgres::PostgresServer;

/// What somebody may have set for the database, and since which version.
const SETTINGS: &[(u32, &str)] = &[
    (0, "standard_conforming_strings = off"),
    (0, "backslash_quote = on"),
    (0, "quote_all_identifiers = on"),
    (0, "DateStyle = 'SQL, DMY'"),
    (0, "IntervalStyle = sql_standard"),
    (0, "TimeZone = 'Pacific/Apia'"),
    (0, "extra_float_digits = -15"),
    (0, "bytea_output = escape"),
    (0, "array_nulls = off"),
    (0, "transform_null_equals = on"),
    (0, "statement_timeout = 150"),
    (0, "lock_timeout = 1"),
    (0, "idle_in_transaction_session_timeout = 1"),
    (14, "idle_session_timeout = 1000"),
    (17, "transaction_timeout = 150"),
    (0, "default_transaction_isolation = serializable"),
    (0, "default_transaction_deferrable = on"),
    (0, "exit_on_error = on"),
    (0, "session_replication_role = replica"),
    (0, "synchronous_commit = off"),
    (0, "search_path = nowhere"),
    (0, "client_min_messages = debug1"),
    (0, "client_encoding = LATIN1"),
    (0, "plan_cache_mode = force_generic_plan"),
];

#[tokio::test]
async fn no_setting_of_a_database_changes_what_is_loaded() {
    for (server, version) in
        [(PostgresServer::shared().await, 18), (PostgresServer::debian().await, 15)]
    {
        let warehouse = Warehouse::on(server).await;
        let name = &warehouse.database.name;
        for (since, setting) in SETTINGS {
            if *since <= version {
                let set = format!("ALTER DATABASE {name} SET {setting}");
                warehouse.client.batch_execute(&set).await.unwrap();
            }
        }
        let made = warehouse.january(20_000);
        assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
        assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
        assert_eq!(warehouse.load(&["--force"]).exits(0).state(), "loaded");
        assert_eq!(warehouse.rows("green_trips").await as u64, made.rows_kept);
        let verify = ["verify", "--colour", "green", "--output", "json"];
        warehouse.taxi.run(verify).exits(0);
        let loaded = "SELECT loaded_at > now() - interval '1 hour' AND loaded_at <= now()
                        FROM nyc_taxi.loads WHERE colour IS NOT NULL AND table_name = 'green_trips'";
        assert!(warehouse.value::<bool>(loaded).await);
    }
}

#[tokio::test]
async fn a_source_with_a_backslash_and_a_quote_runs_nothing() {
    let warehouse = Warehouse::new().await;
    let name = &warehouse.database.name;
    let set = format!("ALTER DATABASE {name} SET standard_conforming_strings = off");
    warehouse.client.batch_execute(&set).await.unwrap();
    let folder = "it\\'s \\', NULL); CREATE TABLE public.owned (); -- ' \\";
    let place = warehouse.taxi.folder().join(folder);
    std::fs::create_dir_all(&place).unwrap();
    Recipe::new(Colour::Green, 2020, 1).rows(50).write(&place.join("green_tripdata_2020-01.csv"));
    let source = format!("./{folder}");
    let publish = ["run", "etl-web-to-gcs", "--months", "1", "--source", &source];
    warehouse.taxi.run(publish).exits(0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
    let ingest = ["run", "ingest-data", "--months", "1", "--source", &source, "--force"];
    let odd = ["--table", "o\\'dd\"; --", "--output", "json"];
    let ran = warehouse.taxi.run(ingest.iter().chain(&odd)).exits(0);
    assert_eq!(ran.state(), "loaded");
    assert_eq!(warehouse.relations("public").await, "");
    let source = "SELECT source FROM nyc_taxi.loads WHERE table_name = 'green_trips'";
    assert!(warehouse.value::<String>(source).await.contains(folder));
}

#[tokio::test]
async fn the_application_name_of_the_user_is_kept() {
    let warehouse = Warehouse::new().await;
    warehouse.january(50);
    let set = "CREATE TABLE seen (name text); CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$
               BEGIN INSERT INTO public.seen VALUES (current_setting('application_name')); END $$;
               CREATE EVENT TRIGGER see ON ddl_command_end EXECUTE FUNCTION see()";
    warehouse.client.batch_execute(set).await.unwrap();
    let url = warehouse.database.url() + "?application_name=night%20load";
    warehouse.load(&["--database-url", &url]).exits(0);
    let mut command =
        warehouse.taxi.command(super::args("green", "2020-01", "2020-01", &["--force"]));
    assert!(command.env("PGAPPNAME", "by name").status().unwrap().success());
    warehouse.load(&["--force"]).exits(0);
    let seen = "SELECT DISTINCT name FROM public.seen ORDER BY 1";
    assert_eq!(warehouse.lines(seen).await, "by name\nnight load\ntaxi\n");
}

#[tokio::test]
async fn a_letter_that_the_databases_encoding_lacks_is_told_with_a_way_out() {
    let warehouse = Warehouse::new().await;
    let name = format!("{}_latin1", warehouse.database.name);
    let create = format!("CREATE DATABASE {name} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0");
    warehouse.client.batch_execute(&create).await.unwrap();
    let url = warehouse.database.url() + "_latin1";
    let folder = warehouse.taxi.folder().join("files");
    let file = folder.join("green_tripdata_2020-01.csv");
    std::fs::create_dir_all(&folder).unwrap();
    let made = january(50).write(&file);
    let ingest = ["run", "ingest-data", "--months", "1", "--source", "./files", "--output", "json"];
    let load = || warehouse.taxi.run(ingest.iter().chain(&["--database-url", &url]));
    load().exits(0);
    let mut text = std::fs::read_to_string(&file).unwrap();
    let row = text.lines().nth(1).unwrap().replacen(',', ",\u{17d}ivio \u{20ac}", 1);
    text.push_str(&row);
    text.push('\n');
    std::fs::write(&file, text).unwrap();
    let error = warehouse.error(load());
    assert!(error.contains("has no equivalent in encoding \"LATIN1\""), "{error}");
    assert!(error.contains("ENCODING 'UTF8'"), "{error}");
    let _ = made;
}
