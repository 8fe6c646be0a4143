//! Neighbours in the same database who may create where others look for names.

use super::{Warehouse, january};
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::postgres::PostgresServer;

/// Functions, operators and casts of the names that a loader calls, each of which writes down
/// who called it.
fn traps(schema: &str) -> String {
    let functions = [
        ("hashtextextended(text, integer)", "bigint", "1"),
        ("to_regclass(varchar)", "regclass", "NULL"),
        ("pg_get_expr(pg_node_tree, integer)", "text", "NULL"),
        ("pg_advisory_xact_lock(integer)", "void", ""),
        ("obj_description(oid, text)", "text", "NULL"),
        ("has_schema_privilege(oid, varchar)", "boolean", "true"),
        ("to_char(date, text)", "text", "NULL"),
        ("count(integer)", "bigint", "0"),
        ("clock_timestamp(integer)", "timestamptz", "NULL"),
        ("floor(numeric)", "numeric", "0"),
        ("abs(real)", "real", "0"),
        ("pg_backend_pid(integer)", "integer", "0"),
        ("set_config(text, text, integer)", "text", "NULL"),
    ];
    let mut sql = format!(
        "CREATE TABLE {schema}.callers (who name, what text);
         GRANT ALL ON {schema}.callers TO PUBLIC;"
    );
    for (signature, returns, value) in functions {
        let value =
            if value.is_empty() { String::new() } else { format!(" SELECT {value}::{returns};") };
        sql += &format!(
            "CREATE FUNCTION {schema}.{signature} RETURNS {returns} LANGUAGE sql AS $f$
                INSERT INTO {schema}.callers VALUES (current_user, '{signature}');{value} $f$;"
        );
    }
    let operators =
        [("=", "name", "varchar"), ("<", "timestamp", "date"), (">=", "timestamp", "date")];
    for (at, (operator, left, right)) in operators.into_iter().enumerate() {
        sql += &format!(
            "CREATE FUNCTION {schema}.compare_{at}({left}, {right}) RETURNS boolean
                LANGUAGE sql AS $f$ INSERT INTO {schema}.callers VALUES (current_user, '{operator}');
                SELECT true; $f$;
             CREATE OPERATOR {schema}.{operator} (FUNCTION = {schema}.compare_{at},
                LEFTARG = {left}, RIGHTARG = {right});"
        );
    }
    sql
}

#[tokio::test]
async fn functions_and_operators_of_a_neighbour_never_run_as_the_loader() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let warehouse = Warehouse::on(server).await;
        let neighbour = warehouse.database.role("neighbour", "").await;
        let loader = warehouse.database.role("loader", "SUPERUSER").await;
        let name = &warehouse.database.name;
        warehouse
            .client
            .batch_execute(&format!(
                "GRANT CREATE ON SCHEMA public TO {neighbour}; GRANT CREATE ON DATABASE {name} TO {neighbour};
                 ALTER DATABASE {name} SET search_path = public, nyc_taxi, pg_catalog"
            ))
            .await
            .unwrap();
        let hostile = warehouse.database.client_as(&neighbour).await;
        hostile.batch_execute(&traps("public")).await.unwrap();
        let url = warehouse.database.url_as(&loader);
        warehouse.publish(&january(100));
        warehouse.publish(&Recipe::new(Colour::Green, 2020, 2).rows(50));
        let load = |more: &[&str]| {
            let more = [&["--database-url", &*url], more].concat();
            warehouse.run("green", "2020-01", "2020-02", &more).exits(0)
        };
        load(&[]);
        // Now in the schema of the trips too.
        let grant = format!("GRANT CREATE, USAGE ON SCHEMA nyc_taxi TO {neighbour}");
        warehouse.client.batch_execute(&grant).await.unwrap();
        hostile.batch_execute(&traps("nyc_taxi")).await.unwrap();
        assert_eq!(load(&[]).state(), "unchanged");
        assert_eq!(load(&["--force"]).state(), "loaded");
        let taxi = &warehouse.taxi;
        let asked = |command: &[&str]| {
            let mut command = taxi.command(command.iter().copied());
            command.env("DATABASE_URL", &url).output().unwrap()
        };
        assert!(
            asked(&["verify", "--colour", "green", "--to-warehouse", "postgres"]).status.success()
        );
        assert!(
            asked(&["status", "--colour", "green", "--to-warehouse", "postgres"]).status.success()
        );
        assert!(asked(&["connections", "test"]).status.success());
        let dropped = asked(&["drop", "--colour", "green", "--month", "2020-02", "--yes"]);
        assert!(dropped.status.success(), "{}", String::from_utf8_lossy(&dropped.stderr));
        for schema in ["public", "nyc_taxi"] {
            let callers = format!("SELECT who || ' ' || what FROM {schema}.callers");
            assert_eq!(warehouse.lines(&callers).await, "");
        }
    }
}
