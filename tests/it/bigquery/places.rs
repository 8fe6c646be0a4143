//! Where the bucket and the dataset are, and whose credentials are shown to whom.

use serde_json::json;

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::gcs::GcsFault;

use super::Warehouse;

impl Warehouse {
    /// Says of the bucket that it is in this location.
    fn bucket_in(&self, location: &str) {
        let body = json!({ "kind": "storage#bucket", "name": self.bucket, "location": location });
        let fault =
            GcsFault::Status { code: 200, headers: Vec::new(), body: body.to_string().into() };
        self.gcs.always("GET", &format!("/storage/v1/b/{}", self.bucket), fault);
    }
}

#[tokio::test]
async fn a_bucket_far_from_the_dataset_fails_before_any_work() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.make_dataset("EU");
    warehouse.bucket_in("US-EAST1");
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"the bucket BUCKET is in US-EAST1 and the dataset local.DATASET in EU: BigQuery loads only from a bucket beside the dataset. Name another dataset with --dataset and, where it is still to be made, --location US-EAST1; or another bucket with --lake");
    assert_eq!(warehouse.bigquery.jobs().len(), 0);
    warehouse.bucket_in("EUROPE-WEST1");
}

#[tokio::test]
async fn a_bucket_beside_the_dataset_is_loaded_from() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.make_dataset("EU");
    warehouse.bucket_in("EUROPE-WEST1");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
}

#[tokio::test]
async fn a_bucket_that_may_not_be_looked_at_is_a_warning() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let look = format!("/storage/v1/b/{}", warehouse.bucket);
    warehouse.gcs.always("GET", &look, GcsFault::status(403));
    let ran = warehouse.load(&[]).exits(0);
    assert_eq!(ran.state(), "loaded");
    let warning = format!("cannot find the location of gs://{}", warehouse.bucket);
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
}

#[tokio::test]
async fn a_dataset_is_made_where_it_is_asked_for_and_does_not_move() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.bucket_in("EU");
    warehouse.load(&["--location", "EU"]).exits(0);
    let dataset = warehouse
        .server
        .read(&format!("answer = client.get_dataset('{}').to_api_repr()", warehouse.dataset));
    assert_eq!(dataset["location"], "EU");
    assert_eq!(warehouse.load(&["--location", "eu"]).exits(0).state(), "unchanged");
    let error = warehouse.error(warehouse.load(&["--location", "us-central1"]));
    insta::assert_snapshot!(error, @"the dataset local.DATASET is in EU and not in us-central1, and a dataset does not move: leave --location out, or name another dataset with --dataset");
}

#[tokio::test]
async fn a_project_that_is_not_named_is_asked_for() {
    let warehouse = Warehouse::new().await;
    let args = ["run", "etl-gcs-to-bq", "--colour", "green", "--year", "2020", "--months", "1"];
    let ran = warehouse.taxi.run(args).exits(2);
    insta::assert_snapshot!(ran.stderr, @"error: no Google Cloud project is named: name it with --project or GOOGLE_CLOUD_PROJECT; the key of a service account names its own");
}

/// A run against Google itself, which cannot be reached: the way there is a port where nobody is.
fn unreachable(taxi: &Taxi, credentials: &str) -> Ran {
    let args = ["run", "etl-gcs-to-bq", "--year", "2020", "--months", "1", "--project", "local"];
    let rest = ["--dataset", "d", "--output", "json"];
    let mut command = taxi.command(args.iter().chain(&rest));
    command
        .env("GOOGLE_APPLICATION_CREDENTIALS", credentials)
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("TAXI_LOG", "trace");
    command.output().unwrap().into()
}

#[tokio::test]
async fn what_credentials_hold_is_never_said() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.january(100);
    let taxi = Taxi::new();
    std::fs::create_dir_all(taxi.folder().join("data/green")).unwrap();
    let month = "data/green/green_tripdata_2020-01.parquet";
    std::fs::copy(warehouse.taxi.folder().join(month), taxi.folder().join(month)).unwrap();
    let key = warehouse.server.read(
        "from cryptography.hazmat.primitives.asymmetric import rsa\n\
         from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat\n\
         key = rsa.generate_private_key(public_exponent=65537, key_size=2048)\n\
         answer = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()",
    );
    let inside = key.as_str().unwrap().lines().nth(3).unwrap().to_owned();
    let holders = [
        json!({ "type": "service_account", "project_id": "local", "private_key_id": "KEY-ID-SECRET",
                "private_key": key, "client_email": "loader@local.iam.gserviceaccount.com",
                "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token" }),
        json!({ "type": "authorized_user", "client_id": "ID-SECRET", "client_secret": "CLIENT-SECRET",
                "refresh_token": "REFRESH-SECRET" }),
    ];
    for holder in holders {
        std::fs::write(taxi.folder().join("key.json"), holder.to_string()).unwrap();
        let ran = unreachable(&taxi, "key.json").exits(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for secret in [inside.as_str(), "SECRET", "PRIVATE KEY", "Bearer ey", "ya29"] {
            assert!(!said.contains(secret), "{secret} is said:\n{said}");
        }
        assert!(said.contains("cannot be reached") || said.contains("token"), "{said}");
    }
}
