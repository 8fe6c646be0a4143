//! Work pools: where Prefect's own workers start the program.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::support::http::percent_encoded;

use super::{Api, PrefectError};

/// The image of the program, unless a pool or a deployment names another.
const IMAGE: &str = "nyc-taxi-etl:latest";

/// What the workers of a pool start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// Processes on the machine of the worker.
    #[default]
    Process,
    /// Docker containers.
    Docker,
    /// Kubernetes jobs.
    Kubernetes,
    /// Google Cloud Run jobs.
    CloudRun,
}

/// What a pool's runs are, unless a deployment says otherwise.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program of process pools, as a shell would be told of it.
    pub program: String,
    /// The folder that process pools run it in: relative paths of the lake and of `taxi.toml`
    /// mean this one. Prefect's own default is a folder that is removed afterwards.
    pub folder: String,
}

/// A pool as the server has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pool {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) base_job_template: Value,
}

impl PoolKind {
    /// Its name in files and flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
            Self::CloudRun => "cloud-run",
        }
    }

    /// Its name on the server, of which the first version of Cloud Run's API is another.
    pub(super) const fn on_server(self) -> &'static str {
        match self {
            Self::CloudRun => "cloud-run-v2",
            kind => kind.as_str(),
        }
    }

    pub(super) fn of_server(name: &str) -> Option<Self> {
        [Self::Process, Self::Docker, Self::Kubernetes, Self::CloudRun]
            .into_iter()
            .find(|kind| kind.on_server() == name)
    }

    /// The variables whose defaults are ours.
    fn defaults(self, launch: &Launch) -> Vec<(&'static str, String)> {
        const EXECUTE: &str = "flow-run execute";
        match self {
            Self::Process => vec![
                ("command", format!("{} {EXECUTE}", launch.program)),
                ("working_dir", launch.folder.clone()),
            ],
            // Arguments of the image's entry point.
            Self::Docker | Self::Kubernetes => {
                vec![("command", EXECUTE.to_owned()), ("image", IMAGE.to_owned())]
            }
            // In place of the entry point.
            Self::CloudRun => {
                vec![("command", format!("taxi {EXECUTE}")), ("image", IMAGE.to_owned())]
            }
        }
    }

    /// A template with our defaults. Those that people have set of an image stay.
    pub(super) fn with_defaults(self, template: &Value, launch: &Launch) -> Value {
        let mut template = template.clone();
        for (name, value) in self.defaults(launch) {
            let variable = template.pointer_mut(&format!("/variables/properties/{name}"));
            let Some(Value::Object(variable)) = variable else { continue };
            let prefects =
                |image: &Value| image.as_str().is_some_and(|image| image.starts_with("prefecthq/"));
            let set = variable.get("default").filter(|image| !image.is_null() && !prefects(image));
            if name != "image" || set.is_none() {
                variable.insert("default".to_owned(), json!(value));
            }
        }
        template
    }
}

/// Whether a template asks for a command: one that does not is nobody's.
pub(super) fn takes_command(template: &Value) -> bool {
    template.pointer("/variables/properties/command").is_some()
}

/// The names of the variables a template declares.
pub(super) fn variables(template: &Value) -> Vec<&str> {
    let declared = template.pointer("/variables/properties").and_then(Value::as_object);
    declared.into_iter().flat_map(Map::keys).map(String::as_str).collect()
}

impl Api {
    pub(super) async fn pool(&self, name: &str) -> Result<Option<Pool>, PrefectError> {
        self.find_one(&format!("work_pools/{}", percent_encoded(name))).await
    }

    /// The template that Prefect itself gives a new pool: every variable that it uses is
    /// declared, else the server refuses it.
    pub(super) async fn template(&self, kind: PoolKind) -> Result<Value, PrefectError> {
        const VIEW: &str = "collections/views/aggregate-worker-metadata";
        let collections: Map<String, Value> = self.get(VIEW).await?;
        let found = collections.values().find_map(|collection| collection.get(kind.on_server()));
        found.and_then(|worker| worker.get("default_base_job_configuration")).cloned().ok_or_else(
            || PrefectError::Answer {
                call: format!("GET {}/{VIEW}", self.url()),
                what: format!("no workers of type {}", kind.on_server()),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_starts_the_program_and_an_image_that_people_chose_stays() {
        let launch = Launch { program: "/opt/taxi".to_owned(), folder: "/srv".to_owned() };
        let template = |image: Value| {
            json!({ "variables": { "properties": {
                "command": { "type": "string" }, "working_dir": {}, "image": { "default": image },
            } } })
        };
        let default = |kind: PoolKind, image: Value, name: &str| {
            let made = kind.with_defaults(&template(image), &launch);
            made["variables"]["properties"][name]["default"].clone()
        };
        let none = Value::Null;
        let process = PoolKind::Process;
        assert_eq!(default(process, none.clone(), "command"), "/opt/taxi flow-run execute");
        assert_eq!(default(process, none.clone(), "working_dir"), "/srv");
        assert_eq!(default(PoolKind::Docker, none.clone(), "command"), "flow-run execute");
        assert_eq!(default(PoolKind::Docker, none.clone(), "working_dir"), none);
        assert_eq!(default(PoolKind::Docker, none, "image"), IMAGE);
        assert_eq!(default(PoolKind::Docker, json!("mine:1"), "image"), "mine:1");
        let prefects = json!("prefecthq/prefect:3-latest");
        assert_eq!(default(PoolKind::CloudRun, prefects, "image"), IMAGE);
    }
}
