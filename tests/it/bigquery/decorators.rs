//! The server itself: a partition decorator means there what Google documents, as told by
//! Google's own client. Without this the other tests would prove nothing.

use super::Warehouse;

/// A table `t` by month of `at`, and `load(name, rows, **options)` that loads rows of
/// `(at, zone)` into `name`, and says how many or what is wrong.
const LOADING: &str = r#"
import io, json
MONTHLY = bigquery.TimePartitioning(type_="MONTH", field="at")
FIELDS = [bigquery.SchemaField("at", "DATETIME", description="when"), bigquery.SchemaField("zone", "INT64")]
def load(name, rows, write="WRITE_TRUNCATE", fields=FIELDS, by=MONTHLY, clustered=["zone"], options=[]):
    config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", schema=fields,
        write_disposition=write, time_partitioning=by, clustering_fields=clustered,
        schema_update_options=options)
    text = "\n".join(json.dumps(dict(zip([f.name for f in fields], row))) for row in rows)
    job = client.load_table_from_file(io.BytesIO(text.encode()), f"{DATASET}.{name}", job_config=config)
    try:
        return job.result().output_rows
    except Exception as error:
        return error.errors[0]["message"]
JANUARY, FEBRUARY = [("2020-01-01T00:00:00", 1), ("2020-01-31T23:59:59.999999", 2)], [("2020-02-01T00:00:00", 3)]
"#;

impl Warehouse {
    fn tried(&self, script: &str) -> String {
        self.make_dataset("US");
        let script = format!("DATASET = '{}'\n{LOADING}\n{script}", self.dataset);
        let answers = self.server.read(&script);
        let lines = answers.as_array().unwrap().iter().map(|answer| format!("{answer}\n"));
        self.plain(&lines.collect::<String>())
    }
}

#[tokio::test]
async fn the_server_replaces_a_partition_and_no_other() {
    let warehouse = Warehouse::with_folder().await;
    let tried = warehouse.tried(
        r#"
answer = [
    load("t$202001", JANUARY * 5), load("t$202002", FEBRUARY * 3),
    load("t$202001", JANUARY), load("t$202002", FEBRUARY, write="WRITE_APPEND"),
    load("t$202001", JANUARY, write="WRITE_EMPTY"),
    rows(f"SELECT partition_id, total_rows FROM {DATASET}.INFORMATION_SCHEMA.PARTITIONS ORDER BY 1"),
    client.get_table(f"{DATASET}.t$202001").num_rows, client.get_table(f"{DATASET}.t").num_rows,
    [t.table_id for t in client.list_tables(DATASET)],
]
client.delete_table(f"{DATASET}.t$202001")
answer.append(rows(f"SELECT at, zone FROM {DATASET}.t"))
client.copy_table(f"{DATASET}.t$202002", f"{DATASET}.copied").result()
answer.append(client.get_table(f"{DATASET}.copied").num_rows)
"#,
    );
    insta::assert_snapshot!(tried, @r#"
    10
    3
    2
    1
    "Already Exists: Table local:DATASET.t$202001"
    [["202001",2],["202002",4]]
    2
    6
    ["t"]
    [["2020-02-01T00:00:00",3],["2020-02-01T00:00:00",3],["2020-02-01T00:00:00",3],["2020-02-01T00:00:00",3]]
    4
    "#);
}

#[tokio::test]
async fn the_server_refuses_rows_of_another_month_and_another_layout() {
    let warehouse = Warehouse::with_folder().await;
    let tried = warehouse.tried(
        r#"
NEW = FIELDS + [bigquery.SchemaField("new", "STRING", description="new")]
TEXT = [FIELDS[0], bigquery.SchemaField("zone", "STRING")]
DAILY = bigquery.TimePartitioning(type_="DAY", field="at")
answer = [
    load("t$202001", JANUARY),
    load("t$202001", JANUARY + FEBRUARY),
    load("t$202001", [(None, 1)]),
    load("t$20200101", JANUARY[:1]),
    load("t$202001", JANUARY, by=DAILY),
    load("t$202001", JANUARY, clustered=["at"]),
    load("t$202001", [("2020-01-01T00:00:00", "x")], fields=TEXT),
    load("t$202001", [("2020-01-01T00:00:00", 1, "x")], fields=NEW),
    load("t$202001", [("2020-01-01T00:00:00", 1, "x")], fields=NEW, options=["ALLOW_FIELD_ADDITION"]),
    load("nothing$202001", JANUARY, by=None, clustered=None),
    [[f.name, f.field_type, f.description] for f in client.get_table(f"{DATASET}.t").schema],
]
"#,
    );
    insta::assert_snapshot!(tried, @r#"
    2
    "Some rows belong to different partitions rather than destination partition local:DATASET.t$202001"
    "Some rows belong to different partitions rather than destination partition local:DATASET.t$202001"
    "Invalid partition id 20200101: local:DATASET.t is partitioned by MONTH"
    "Incompatible table partitioning specification for local:DATASET.t. Expects ('MONTH', 'at'), but input partitioning specification is ('DAY', 'at')"
    "Incompatible table clustering specification for local:DATASET.t. Expects ['zone'], but input clustering specification is ['at']"
    "Provided Schema does not match Table local:DATASET.t. Field zone has changed type from INTEGER to STRING"
    "Provided Schema does not match Table local:DATASET.t$202001. Cannot add fields (field: new)"
    1
    "Cannot use a partition decorator: local:DATASET.nothing is not partitioned by time"
    [["at","DATETIME","when"],["zone","INTEGER",null],["new","STRING","new"]]
    "#);
}
