use std::ffi::OsString;

use async_trait::async_trait;

use super::*;
use crate::lake::GoogleCredentials;

struct TestSettings {
    folder: tempfile::TempDir,
    options: Options,
}

impl TestSettings {
    fn of(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taxi.toml");
        std::fs::write(&path, toml).unwrap();
        let mut options = Options::default();
        options.file.config = Some(path);
        Self { folder, options }
    }

    fn flag(mut self, key: &str, set: impl FnOnce(&mut Options)) -> Self {
        set(&mut self.options);
        self.options.flagged.0.insert(key.to_owned());
        self
    }

    fn env(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(&mut self.options);
        self
    }

    fn shown(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn resolve(&self) -> Result<Settings, String> {
        Settings::resolve(&self.options).map_err(|error| self.shown(&error.to_string()))
    }

    /// These settings, one per line, and where they come from.
    fn says(&self, keys: &[&str]) -> String {
        let settings = self.resolve().unwrap();
        let said = settings.effective().iter().filter(|e| keys.contains(&e.key.as_str()));
        let said = said.map(|Effective { key, value, from }| format!("{key} {value} <- {from}"));
        self.shown(&said.collect::<Vec<_>>().join("\n"))
    }
}

const TOML: &str = "\
lake = 'data/months'
retries = 1
retry_delay = '10ms'
jobs = 3
schema = 'top'
credentials = { file = 'top.json' }

[rules]
negative_fare = 'reject'
unknown_code = 'off'

[lakes.prod]
address = 'gs://bucket/trips'
credentials = { file = 'prod.json' }

[postgres.local]
url = 'postgres://me:hush@host/db'
schema = 'connection'

[profiles.cloud]
lake = 'prod'
jobs = 8
to_warehouse = ['postgres']

[profiles.cloud.rules]
unknown_code = 'reject'
";

fn cloud(options: &mut Options) {
    options.file.profile = Some("cloud".to_owned());
}

#[test]
fn flags_go_before_the_environment_a_connection_a_profile_the_file_and_the_defaults() {
    let keys = ["lake", "credentials", "jobs", "retries", "spool", "schema"];
    insta::assert_snapshot!(TestSettings::of(TOML).says(&keys), @r#"
        lake "data/months" <- taxi.toml, line 1
        credentials "top.json" <- taxi.toml, line 6
        spool "data/spool" <- default
        jobs 3 <- taxi.toml, line 4
        retries 1 <- taxi.toml, line 2
        schema "top" <- taxi.toml, line 5
        "#);
    insta::assert_snapshot!(TestSettings::of(TOML).env(cloud).says(&keys), @r#"
        lake "gs://bucket/trips" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
        credentials "prod.json" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
        spool "data/spool" <- default
        jobs 8 <- taxi.toml, line 22 (profile cloud)
        retries 1 <- taxi.toml, line 2
        schema "top" <- taxi.toml, line 5
        "#);
    let asked = TestSettings::of(TOML)
        .env(cloud)
        .env(|o| o.run.jobs = Some(5))
        .env(|o| o.postgres.database_url = Some("postgres://other/db".into()))
        .flag("postgres", |o| o.postgres.connection = Some("local".parse().unwrap()))
        .flag("credentials", |o| {
            o.lake.stores.google.credentials = Some(OsString::from("flag.json").into());
        });
    insta::assert_snapshot!(asked.says(&keys), @r#"
        lake "gs://bucket/trips" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
        credentials "********" <- --credentials
        spool "data/spool" <- default
        jobs 5 <- TAXI_JOBS
        retries 1 <- taxi.toml, line 2
        schema "connection" <- taxi.toml, line 16 (postgres.local, named by --postgres)
        "#);
    let asked = TestSettings::of(TOML)
        .env(|o| o.postgres.connection = Some("local".parse().unwrap()))
        .env(|o| o.postgres.schema = Some("asked".to_owned()))
        .flag("database_url", |o| o.postgres.database_url = Some("postgres://other/db".into()));
    insta::assert_snapshot!(asked.says(&["schema", "database_url"]), @r#"
        database_url "other:5432/db" <- --database-url
        schema "asked" <- TAXI_SCHEMA
        "#);
}

#[test]
fn the_level_of_a_rule_is_that_of_the_first_who_says_one() {
    let keys = ["rules.negative_fare", "rules.unknown_code", "rules.duration_over_24h"];
    let asked = TestSettings::of(TOML)
        .env(cloud)
        .flag("off", |o| o.cleaning.off = vec!["negative_fare".parse().unwrap()]);
    insta::assert_snapshot!(asked.says(&keys), @r#"
        rules.negative_fare "off" <- --off
        rules.duration_over_24h "flag" <- default
        rules.unknown_code "reject" <- taxi.toml, line 26 (profile cloud)
        "#);
}

#[test]
fn a_connection_named_default_is_in_force_where_none_is_named() {
    let toml = "[lakes.default]\naddress = 'gs://b/p'\n[postgres.default]\nhost = 'h'\ndatabase = 'd'\nuser = 'u'\npassword = 'a b&c'\nport = 5433";
    let asked = TestSettings::of(toml);
    insta::assert_snapshot!(asked.says(&["lake", "database_url"]), @r#"
        lake "gs://b/p" <- taxi.toml, line 1 (lakes.default)
        database_url "h:5433/d" <- taxi.toml, line 3 (postgres.default)
        "#);
    let database = asked.resolve().unwrap().postgres.database.unwrap();
    let target = database.target().unwrap();
    assert_eq!(
        (target.place().as_str(), target.secrets()),
        ("h:5433/d", &["a b&c".to_owned()][..])
    );
}

#[test]
fn a_secret_is_looked_up_where_it_is_kept_and_only_when_it_is_needed() {
    let asked = TestSettings::of(
        "[postgres.p]\nurl = { env = 'TAXI_TEST_UNSET' }\n[lakes.l]\naddress = 'gs://b'\ncredentials = { env = 'TAXI_TEST_UNSET' }",
    );
    let asked = asked.flag("postgres", |o| o.postgres.connection = Some("p".parse().unwrap()));
    let database = asked.resolve().unwrap().postgres.database.unwrap();
    insta::assert_snapshot!(database.target().unwrap_err(), @"the database cannot be named: the environment variable TAXI_TEST_UNSET is not set");
    let asked = asked.flag("lake", |o| o.lake.address = Some("l".parse().unwrap()));
    let settings = asked.resolve().unwrap();
    let error = settings.lake.open.open().unwrap_err().to_string();
    insta::assert_snapshot!(asked.shown(&error), @"the credentials of the settings cannot be used: the environment variable TAXI_TEST_UNSET is not set (taxi.toml, line 3 (lakes.l, named by --lake)). Name the JSON key of a service account with --credentials or GOOGLE_APPLICATION_CREDENTIALS");

    let asked = TestSettings::of("[postgres.p]\nhost = 'h'\npassword = { file = 'PATH' }");
    let secret = asked.folder.path().join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    let config = asked.options.file.config.clone().unwrap();
    let toml = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, toml.replace("PATH", secret.to_str().unwrap())).unwrap();
    let asked = asked.flag("postgres", |o| o.postgres.connection = Some("p".parse().unwrap()));
    let settings = asked.resolve().unwrap();
    let target = settings.postgres.database.as_ref().unwrap().target().unwrap();
    assert_eq!(target.secrets(), ["hush"]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_key_may_be_given_where_its_file_is_named_and_is_not_shown() {
    let key = r#"{"private_key": "hush"}"#;
    let asked = TestSettings::of("lake = 'gs://bucket'");
    let asked = asked.env(|o| o.lake.stores.google.credentials = Some(OsString::from(key).into()));
    insta::assert_snapshot!(asked.says(&["credentials"]), @r#"credentials "********" <- TAXI_CREDENTIALS"#);
    let settings = asked.resolve().unwrap();
    assert_eq!(
        settings.lake.open.stores.gcs.credentials,
        Some(GoogleCredentials::Text(key.to_owned()))
    );
    assert!(!format!("{settings:?}").contains("hush"));
}

#[test]
fn what_is_to_be_hidden_is_known_however_it_is_written() {
    let webhook = "[notify]\nwebhook = 'https://hooks.example/services/T0/hush'\n";
    for url in [
        "postgres://me:p%40ss@h/d",
        "host=h user=me password=p@ss",
        "postgres://h/d?password=p%40ss",
    ] {
        let asked = TestSettings::of(&format!("database_url = '{url}'\n{webhook}"));
        let secrets = asked.resolve().unwrap().secrets();
        for secret in ["p@ss", "/services/T0/hush"] {
            assert!(secrets.iter().any(|known| known == secret), "{url}: {secret}");
        }
    }
}

#[test]
fn what_the_file_should_not_say_is_named_with_its_line_and_what_was_meant() {
    let wrong = [
        "jobs = 2\nlakess = 'x'",
        "to_warehouses = ['postgres']",
        "[lakes.a]\naddres = 'x'",
        "[lakes.a]\ncredentials = 'x'",
        "[lakes]\na = 'gs://b'",
        "[lakes.a]\naddress = 's3://b'",
        "[postgres.a]\nhost = 'h'\npasword = 'hush'",
        "[postgres.a]\npassword = 31415",
        "[postgres.a]\npassword = { text = 'hush' }",
        "[profiles.a]\nlakes = 'x'",
        "[profiles.a.rules]\nnegative_fares = 'off'",
        "[rules]\n\nno_pickup = 'off'",
        "[rules]\nnegative_fare = 'offf'",
        "[notify]\nweb_hook = 'x'",
        "[notify]\non = 'sometimes'",
        "jobs = 'many'",
        "rules = 'off'",
        "[postgres.a]\nport = 'hush'",
        "credentials = { env = 31415 }",
        "to_warehouse = 'postgres'",
        "jobs = \n",
        "retry_delay = 'soon'",
        "to_warehouse = ['postgress']",
        "lake = 'prd'\n[lakes.prod]\naddress = 'x'",
        "postgres = 'locl'",
        "postgres = 'postgres://me:hush@host/db'",
        "[profiles.a]\npostgres = 'locl'\n[postgres.local]\nhost = 'h'",
    ];
    let said = wrong.map(|toml| TestSettings::of(toml).resolve().map(|_| ()).unwrap_err());
    for said in &said {
        assert!(!said.contains("hush") && !said.contains("31415"), "{said}");
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
        taxi.toml, line 2, is not understood: there is no setting 'lakess' here: did you mean 'lakes'?
        taxi.toml, line 1, is not understood: there is no setting 'to_warehouses' here: did you mean 'to_warehouse'?
        taxi.toml, line 2, is not understood: there is no setting 'addres' here: did you mean 'address'?
        taxi.toml, line 1, is not understood: 'address' is missing
        taxi.toml, line 2, is not understood: 'a' must be a table: [lakes.a]
        taxi.toml, line 2, is not understood: 's3://b' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
        taxi.toml, line 3, is not understood: there is no setting 'pasword' here: did you mean 'password'?
        taxi.toml, line 2, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
        taxi.toml, line 2, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
        taxi.toml, line 2, is not understood: there is no setting 'lakes' here: did you mean 'lake'?
        taxi.toml, line 2, is not understood: there is no rule 'negative_fares': did you mean 'negative_fare'?
        taxi.toml, line 3, is not understood: the rule 'no_pickup' always rejects, because such a record is not a trip of its file; these rules can be changed: dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9, zero_passengers, zero_distance, total_not_positive
        taxi.toml, line 2, is not understood: the level of a rule must be reject, flag or off
        taxi.toml, line 2, is not understood: there is no setting 'web_hook' here: did you mean 'webhook'?
        taxi.toml, line 2, is not understood: 'on' cannot be 'sometimes': choose from 'failure', 'always'
        taxi.toml, line 1, is not understood: 'jobs' must be a whole number, 0 or more
        taxi.toml, line 1, is not understood: 'rules' must be a table
        taxi.toml, line 2, is not understood: 'port' must be a whole number from 0 to 65535
        taxi.toml, line 1, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
        taxi.toml, line 1, is not understood: 'to_warehouse' must be a list in brackets
        taxi.toml, line 1, is not understood: string values must be quoted, expected literal string
        taxi.toml, line 1, is not understood: write it as 500ms, 30s or 2m
        taxi.toml, line 1, is not understood: 'to_warehouse' cannot be 'postgress': choose from 'postgres', 'bigquery'
        taxi.toml, line 1: there is no [lakes.prd] in taxi.toml: did you mean 'prod'? A new folder is ./prd
        taxi.toml, line 1: there is no [postgres.locl] in taxi.toml: there are none
        taxi.toml, line 1: expected the name of a connection in [postgres] of taxi.toml, not an address. Put an address into DATABASE_URL or the setting database_url
        taxi.toml, line 2 (profile a): there is no [postgres.locl] in taxi.toml: did you mean 'local'?
        "#);
    let asked =
        TestSettings::of(TOML).flag("profile", |o| o.file.profile = Some("clod".to_owned()));
    insta::assert_snapshot!(asked.resolve().unwrap_err(), @"there is no profile 'clod' in taxi.toml: did you mean 'cloud'?");
    let asked = TestSettings::of(TOML)
        .flag("postgres", |o| o.postgres.connection = Some("locla".parse().unwrap()));
    insta::assert_snapshot!(asked.resolve().unwrap_err(), @"--postgres: there is no [postgres.locla] in taxi.toml: did you mean 'local'?");
}

struct Server;

#[async_trait]
impl Blocks for Server {
    async fn read(&self, block: &BlockName) -> Result<BlockContents, BlockError> {
        match (block.kind.as_str(), block.name.as_str()) {
            ("gcs-bucket", "zoom-gcs") => Ok(BlockContents {
                lake: Some("gs://bucket/zoom".parse()?),
                credentials: Some("{}".into()),
                ..BlockContents::default()
            }),
            ("sqlalchemy-connector", _) => Ok(BlockContents {
                database_url: Some("postgres://me:hush@blocks/db".into()),
                ..BlockContents::default()
            }),
            _ => Err("there is no such block".into()),
        }
    }
}

#[tokio::test]
async fn a_connection_may_be_a_block_of_a_server() {
    let toml = "lake = 'prefect:gcs-bucket/zoom-gcs'\n[postgres.p]\nurl = 'prefect:sqlalchemy-connector/c'\nschema = 's'";
    let asked = TestSettings::of(toml)
        .flag("postgres", |o| o.postgres.connection = Some("p".parse().unwrap()));
    insta::assert_snapshot!(asked.resolve().unwrap_err(), @"prefect:gcs-bucket/zoom-gcs is a block of a Prefect server, and no server is named");
    let settings = Settings::resolve_with(&asked.options, &Server).await.unwrap();
    assert_eq!(settings.lake.address().to_string(), "gs://bucket/zoom");
    assert_eq!(
        settings.lake.open.stores.gcs.credentials,
        Some(GoogleCredentials::Text("{}".to_owned()))
    );
    assert_eq!(settings.postgres.database.as_ref().unwrap().place(), "blocks:5432/db");
    assert_eq!(settings.postgres.schema, "s");
    let asked = TestSettings::of("database_url = 'prefect:sqlalchemy-connector/c'");
    let settings = Settings::resolve_with(&asked.options, &Server).await.unwrap();
    assert_eq!(settings.postgres.database.as_ref().unwrap().place(), "blocks:5432/db");
    let asked = TestSettings::of("lake = 'prefect:s3-bucket/b'");
    let error = Settings::resolve_with(&asked.options, &Server).await.unwrap_err();
    insta::assert_snapshot!(error, @"prefect:s3-bucket/b cannot be read: there is no such block");
}
