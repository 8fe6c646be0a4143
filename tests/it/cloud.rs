//! A lake in a bucket of the fake GCS server, and the program that writes to it.

use serde_json::Value;

use crate::harness::running::{Objects, Running, Trips, assert_same, until};
use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::web::Web;

/// A bucket `lake`, a web server with one month, and the program between them.
pub struct Cloud {
    pub proxy: GcsProxy,
    pub web: Web,
    pub taxi: Taxi,
    month: &'static Trips,
}

impl Cloud {
    pub async fn with(month: &'static Trips) -> Self {
        let (proxy, web) = (GcsProxy::start().await, Web::start().await);
        proxy.make_bucket("lake").await;
        month.serve(&web);
        let taxi = Taxi::new()
            .set("TAXI_LAKE", "gs://lake/trips")
            .set("STORAGE_EMULATOR_HOST", proxy.url());
        Self { proxy, web, taxi, month }
    }

    /// Another machine, with a spool of its own, that writes to the same lake.
    pub fn neighbour(&self) -> Taxi {
        Taxi::new()
            .set("TAXI_LAKE", "gs://lake/trips")
            .set("STORAGE_EMULATOR_HOST", self.proxy.url())
    }

    pub fn args(&self, more: &[&str]) -> Vec<String> {
        self.month.args(&self.web, more)
    }

    pub fn run(&self, more: &[&str]) -> Ran {
        self.taxi.run(self.args(more))
    }

    pub fn start(&self, more: &[&str]) -> Running {
        Running::start(self.taxi.command(self.args(more)))
    }

    /// Waits for a call to the server.
    pub fn until_called(&self, method: &str, part: &str) {
        until(part, || self.proxy.count(method, part) > 0);
    }

    /// The objects of the lake, by their key below its prefix.
    pub async fn objects(&self) -> Objects {
        objects(&self.proxy, "lake").await
    }

    /// Fails unless the lake holds just what an undisturbed run of these arguments publishes
    /// to a folder, and nothing is left over.
    pub async fn assert_published(&self, more: &[&str]) {
        let wanted = self.month.undisturbed(&self.web, more);
        assert_same(&self.objects().await, &wanted);
        assert_eq!(self.proxy.uploads(), Vec::<String>::new());
        assert_eq!(self.taxi.files("data"), Vec::<String>::new(), "in the spool");
    }
}

/// The objects of the lake `gs://BUCKET/trips`, by their key below its prefix, as the JSON API
/// has them.
pub async fn objects(proxy: &GcsProxy, bucket: &str) -> Objects {
    let url = proxy.url();
    let get = async |path: String| {
        let answer = reqwest::get(format!("{url}/storage/v1/b/{bucket}/o{path}")).await;
        answer.unwrap().bytes().await.unwrap()
    };
    let listing: Value = serde_json::from_slice(&get(String::new()).await).unwrap();
    let mut objects = Objects::new();
    for item in listing["items"].as_array().into_iter().flatten() {
        let name = item["name"].as_str().unwrap();
        let bytes = get(format!("/{}?alt=media", name.replace('/', "%2F"))).await;
        let key = name.strip_prefix("trips/").expect("it is in the lake");
        objects.insert(key.to_owned(), bytes);
    }
    objects
}
