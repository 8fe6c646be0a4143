//! Brings flows, pools, queues and deployments of a file to a server: again and again without
//! harm.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::settings::{own_before_added, suggestion};
use crate::support::http::percent_encoded;

use super::change::{Action, Step};
use super::form::form;
use super::manifest::{Deployment, Manifest, ManifestError, Schedule, time};
use super::pools::{Launch, PoolKind, takes_command, variables};
use super::runs::Made;
use super::schema::{Misfit, misfit};
use super::{Api, Id, PrefectError};

/// A Python function that any worker can import and that has no hooks.
///
/// A worker whose run crashed or was cancelled looks for hooks of the flow at the deployment's
/// entrypoint, and without one writes a traceback to the run's log. What it finds there it turns
/// into a flow and never runs.
const ENTRYPOINT: &str = "subprocess:run";

/// With a step of its own the worker fetches no code.
fn pull_steps() -> Value {
    json!([{ "prefect.deployments.steps.set_working_directory": { "directory": "." } }])
}

/// The flows that there are.
pub trait Flows: Sync {
    /// The JSON Schema of a flow's parameters; none where there is no such flow.
    fn schema(&self, flow: &str) -> Option<Value>;

    /// The names of all.
    fn names(&self) -> Vec<&'static str>;

    /// Why a flow would not take these parameters.
    fn check(&self, flow: &str, parameters: &Map<String, Value>) -> Result<(), String>;
}

/// How a file is deployed.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the pools are of which the file does not say it and the server has none.
    pub pool_kind: PoolKind,
    /// What they start.
    pub launch: Launch,
    /// The version of deployments that name none.
    pub version: String,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// Why a file cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// It says something wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The server.
    #[error(transparent)]
    Prefect(#[from] PrefectError),
    /// A pool is another than the file says.
    #[error(
        "the work pool '{pool}' is of type {has}, not {wanted}: name another pool in the file, or \
         delete this one with 'prefect work-pool delete \"{pool}\"'"
    )]
    PoolKind {
        /// The pool.
        pool: String,
        /// What it is.
        has: String,
        /// What the file says.
        wanted: &'static str,
    },
}

/// Brings the deployments of a file to a server; what was done, or with `dry_run` would be.
///
/// What is wrong with the file, or does not go with what the server has, is found before anything
/// is changed: nothing is half deployed.
pub async fn deploy(
    api: &Api,
    manifest: &Manifest,
    flows: &dyn Flows,
    options: &Options,
) -> Result<Vec<Step>, DeployError> {
    check(manifest, flows)?;
    let looking = Options { dry_run: true, ..options.clone() };
    let steps = bring(api, manifest, flows, &looking).await?;
    if options.dry_run {
        return Ok(steps);
    }
    bring(api, manifest, flows, options).await
}

async fn bring(
    api: &Api,
    manifest: &Manifest,
    flows: &dyn Flows,
    options: &Options,
) -> Result<Vec<Step>, DeployError> {
    let mut steps = Vec::new();
    let mut deploying = Deploying { api, manifest, options, steps: &mut steps };
    deploying.pools().await?;
    let mut done = BTreeSet::new();
    for deployment in &manifest.deployments {
        let new = done.insert(&deployment.flow);
        let flow = deploying.flow(&deployment.flow, new).await?;
        let schema = flows.schema(&deployment.flow).map(|schema| form(&schema));
        deploying.deployment(deployment, flow.as_ref(), &schema.unwrap_or_default()).await?;
    }
    Ok(steps)
}

/// Refuses what the flows or the server would refuse, before the server is asked anything.
fn check(manifest: &Manifest, flows: &dyn Flows) -> Result<(), ManifestError> {
    for deployment in &manifest.deployments {
        let flow = &deployment.flow;
        let Some(schema) = flows.schema(flow) else {
            let what = format!("there is no flow '{flow}'{}", suggestion(flow, flows.names()));
            return Err(manifest.wrong(deployment.line, what));
        };
        let form = form(&schema);
        let wrong = |line: u64, what: String| {
            manifest.wrong(line, format!("{}: {what}", deployment.full_name()))
        };
        let takes = |line: u64, parameters: &Map<String, Value>| {
            flows.check(flow, parameters).map_err(|what| wrong(line, what))?;
            match misfit(&json!(parameters), &form, &form) {
                Some(Misfit { place, expected }) => {
                    Err(wrong(line, format!("the parameter '{place}' must be {expected}")))
                }
                None => Ok(()),
            }
        };
        takes(deployment.line, &deployment.parameters)?;
        for schedule in &deployment.schedules {
            let mut parameters = deployment.parameters.clone();
            parameters.extend(schedule.parameters.clone());
            let parameters = own_before_added(parameters, &deployment.parameters);
            takes(schedule.line, &parameters)?;
        }
    }
    Ok(())
}

struct Deploying<'a> {
    api: &'a Api,
    manifest: &'a Manifest,
    options: &'a Options,
    steps: &'a mut Vec<Step>,
}

/// A pool as it should be.
struct PoolPlan {
    /// None where its type is not known here.
    kind: Option<PoolKind>,
    template: Value,
    step: Step,
}

impl Deploying<'_> {
    async fn pools(&mut self) -> Result<(), DeployError> {
        let mut pools: Vec<(&str, Option<PoolKind>)> = Vec::new();
        let mut queues = BTreeSet::new();
        for deployment in &self.manifest.deployments {
            let pool = &deployment.work_pool;
            match pools.iter_mut().find(|(name, _)| *name == pool.name) {
                None => pools.push((&pool.name, pool.kind)),
                Some((_, kind)) => match (*kind, pool.kind) {
                    (Some(one), Some(other)) if one != other => {
                        let what = format!(
                            "the work pool '{}' is of type {} here and {} before",
                            pool.name,
                            other.as_str(),
                            one.as_str()
                        );
                        return Err(self.manifest.wrong(deployment.pool_line, what).into());
                    }
                    (one, other) => *kind = one.or(other),
                },
            }
            if let Some(queue) = &pool.work_queue_name {
                queues.insert((pool.name.as_str(), queue.as_str()));
            }
        }
        let mut plans = Vec::new();
        for (name, kind) in pools {
            let plan = self.pool(name, kind).await?;
            self.job_variables(name, &plan.template)?;
            plans.push(plan);
        }
        for plan in plans {
            self.bring_pool(plan).await?;
        }
        for (pool, queue) in queues {
            self.queue(pool, queue).await?;
        }
        Ok(())
    }

    /// A pool as it should be: made, or with the command it starts up to date.
    async fn pool(&self, name: &str, asked: Option<PoolKind>) -> Result<PoolPlan, DeployError> {
        let launch = &self.options.launch;
        let Some(pool) = self.api.pool(name).await? else {
            let kind = asked.unwrap_or(self.options.pool_kind);
            let template = kind.with_defaults(&self.api.template(kind).await?, launch);
            let step =
                Step::create("work pool", name.to_owned(), &json!({ "type": kind.on_server() }));
            return Ok(PoolPlan { kind: Some(kind), template, step });
        };
        let kind = PoolKind::of_server(&pool.kind);
        if let (Some(asked), true) = (asked, kind != asked) {
            let (pool, has) = (name.to_owned(), pool.kind);
            return Err(DeployError::PoolKind { pool, has, wanted: asked.as_str() });
        }
        let before = pool.base_job_template;
        let after = match kind {
            Some(kind) if takes_command(&before) => kind.with_defaults(&before, launch),
            Some(kind) => kind.with_defaults(&self.api.template(kind).await?, launch),
            // Of a type that is not known here: who made it knows what it starts.
            None => before.clone(),
        };
        let [before, after] =
            [before, after].map(|template| json!({ "base_job_template": template }));
        let step = Step::towards("work pool", name.to_owned(), &before, &after);
        Ok(PoolPlan { kind, template: after["base_job_template"].clone(), step })
    }

    async fn bring_pool(&mut self, plan: PoolPlan) -> Result<(), DeployError> {
        let PoolPlan { kind, template, step } = plan;
        match (step.action, kind) {
            _ if self.options.dry_run => {}
            (Action::Created, Some(kind)) => {
                let body = json!({
                    "name": step.name, "type": kind.on_server(), "base_job_template": template,
                    "description": "Runs the flows of taxi",
                });
                self.api.post::<Value>("work_pools/", &body).await?;
            }
            (Action::Changed, _) => {
                let body = json!({ "base_job_template": template });
                self.api
                    .patch(&format!("work_pools/{}", percent_encoded(&step.name)), &body)
                    .await?;
            }
            _ => {}
        }
        self.steps.push(step);
        Ok(())
    }

    /// Refuses job variables that the pool's template does not declare, which Prefect passes over
    /// in silence, and values that it would refuse.
    fn job_variables(&self, pool: &str, template: &Value) -> Result<(), DeployError> {
        let known = variables(template);
        let nothing = json!({});
        let schema = template.get("variables").unwrap_or(&nothing);
        for deployment in &self.manifest.deployments {
            let work_pool = &deployment.work_pool;
            if work_pool.name != pool {
                continue;
            }
            let wrong = |what| self.manifest.wrong(deployment.pool_line, what);
            let unknown =
                work_pool.job_variables.keys().find(|name| !known.contains(&name.as_str()));
            if let (false, Some(name)) = (known.is_empty(), unknown) {
                let meant = suggestion(name, known);
                let what = format!("the work pool '{pool}' takes no job variable '{name}'{meant}");
                return Err(wrong(what).into());
            }
            if let Some(found) = misfit(&json!(work_pool.job_variables), schema, schema) {
                let Misfit { place, expected } = found;
                let what =
                    format!("the job variable '{place}' of pool '{pool}' must be {expected}");
                return Err(wrong(what).into());
            }
        }
        Ok(())
    }

    async fn queue(&mut self, pool: &str, queue: &str) -> Result<(), DeployError> {
        let name = format!("{pool}/{queue}");
        let queues = format!("work_pools/{}/queues", percent_encoded(pool));
        let path = format!("{queues}/{}", percent_encoded(queue));
        let step = match self.api.find_one::<Value>(&path).await? {
            Some(_) => Step::towards("work queue", name, &Value::Null, &Value::Null),
            None => Step::create("work queue", name, &Value::Null),
        };
        if step.action == Action::Created && !self.options.dry_run {
            let made = self.api.post::<Value>(&queues, &json!({ "name": queue })).await;
            match made {
                // Of another deploy at the same time.
                Err(error) if error.is_conflict() => {}
                made => drop(made?),
            }
        }
        self.steps.push(step);
        Ok(())
    }

    /// The flow's id; none where it would only be made.
    async fn flow(&mut self, name: &str, new: bool) -> Result<Option<Id>, DeployError> {
        let has: Option<Made> =
            self.api.find_one(&format!("flows/name/{}", percent_encoded(name))).await?;
        if new {
            let step = match has {
                Some(_) => Step::towards("flow", name.to_owned(), &Value::Null, &Value::Null),
                None => Step::create("flow", name.to_owned(), &Value::Null),
            };
            self.steps.push(step);
        }
        match (has, self.options.dry_run) {
            (Some(flow), _) => Ok(Some(flow.id)),
            (None, true) => Ok(None),
            (None, false) => Ok(Some(self.api.flow(name).await?)),
        }
    }

    async fn deployment(
        &mut self,
        deployment: &Deployment,
        flow: Option<&Id>,
        schema: &Value,
    ) -> Result<(), DeployError> {
        let name = deployment.full_name();
        let body = self.body(deployment, schema);
        let has: Option<Value> = match flow {
            Some(_) => {
                let (flow, name) =
                    (percent_encoded(&deployment.flow), percent_encoded(&deployment.name));
                self.api.find_one(&format!("deployments/name/{flow}/{name}")).await?
            }
            None => None,
        };
        let Some(has) = has else {
            self.steps.push(Step {
                changes: Vec::new(),
                ..Step::create("deployment", name.clone(), &Value::Null)
            });
            for schedule in &deployment.schedules {
                let name = format!("{name} {}", schedule.slug);
                self.steps.push(Step::create("schedule", name, &schedule.when));
            }
            if let (Some(flow), false) = (flow, self.options.dry_run) {
                let mut body = body;
                body["name"] = json!(deployment.name);
                body["flow_id"] = json!(flow);
                body["schedules"] = deployment.schedules.iter().map(new_schedule).collect();
                self.api.post::<Value>("deployments/", &body).await?;
            }
            return Ok(());
        };
        let step = Step::towards("deployment", name.clone(), &as_written(&has), &body);
        let id = has["id"].as_str().unwrap_or_default();
        if step.action == Action::Changed && !self.options.dry_run {
            // Only what changes: each change takes the runs that are scheduled anew.
            let mut changed: Map<String, Value> = Map::new();
            for (field, value) in body.as_object().into_iter().flatten() {
                if step.changed(field) {
                    changed.insert(field.clone(), value.clone());
                }
            }
            if step.changed("work_pool_name") || step.changed("work_queue_name") {
                // One is looked up in the other.
                for field in ["work_pool_name", "work_queue_name"] {
                    changed.insert(field.to_owned(), body[field].clone());
                }
            }
            self.api.patch(&format!("deployments/{id}"), &changed).await?;
        }
        self.steps.push(step);
        self.schedules(deployment, id, &has["schedules"]).await
    }

    /// A deployment as it should be, but for its schedules.
    fn body(&self, deployment: &Deployment, schema: &Value) -> Value {
        let limit = deployment.limit;
        let options = limit.map(|limit| {
            let mut options = json!({ "collision_strategy": limit.collision_strategy });
            if let Some(seconds) = limit.grace_period_seconds {
                options["grace_period_seconds"] = json!(seconds);
            }
            options
        });
        json!({
            "description": deployment.description,
            "version": deployment.version.as_ref().unwrap_or(&self.options.version),
            "tags": deployment.tags,
            "parameters": deployment.parameters,
            "parameter_openapi_schema": schema,
            "enforce_parameter_schema": true,
            "work_pool_name": deployment.work_pool.name,
            "work_queue_name": deployment.work_pool.work_queue_name.as_deref().unwrap_or("default"),
            "job_variables": deployment.work_pool.job_variables,
            "concurrency_limit": limit.map(|limit| limit.limit),
            "concurrency_options": options,
            "entrypoint": ENTRYPOINT,
            "pull_steps": pull_steps(),
        })
    }

    /// Makes, changes and removes schedules by their slugs. Those without one are of people, and
    /// stay.
    async fn schedules(
        &mut self,
        deployment: &Deployment,
        id: &str,
        has: &Value,
    ) -> Result<(), DeployError> {
        let has = has.as_array().map(Vec::as_slice).unwrap_or_default();
        let of = format!("deployments/{id}/schedules");
        for schedule in &deployment.schedules {
            let name = format!("{} {}", deployment.full_name(), schedule.slug);
            let Some(old) = has.iter().find(|old| old["slug"] == schedule.slug.as_str()) else {
                self.steps.push(Step::create("schedule", name, &schedule.when));
                if !self.options.dry_run {
                    self.api.post::<Value>(&of, &[new_schedule(schedule)]).await?;
                }
                continue;
            };
            let mut after = json!({ "schedule": schedule.when, "parameters": schedule.parameters });
            if let Some(active) = schedule.active {
                after["active"] = json!(active);
            }
            let mut before = old.clone();
            before["schedule"] = comparable(&old["schedule"], &schedule.when);
            let step = Step::towards("schedule", name, &before, &after);
            if step.action == Action::Changed && !self.options.dry_run {
                let path = format!("{of}/{}", old["id"].as_str().unwrap_or_default());
                self.api.patch(&path, &after).await?;
            }
            self.steps.push(step);
        }
        for old in has {
            let slug = old["slug"].as_str().filter(|slug| !slug.is_empty());
            let Some(slug) = slug else { continue };
            if deployment.schedules.iter().all(|schedule| schedule.slug != slug) {
                let name = format!("{} {slug}", deployment.full_name());
                let step =
                    Step { kind: "schedule", name, action: Action::Removed, changes: vec![] };
                self.steps.push(step);
                if !self.options.dry_run {
                    let path = format!("{of}/{}", old["id"].as_str().unwrap_or_default());
                    self.api.delete(&path).await?;
                }
            }
        }
        Ok(())
    }
}

fn new_schedule(schedule: &Schedule) -> Value {
    json!({
        "slug": schedule.slug,
        "schedule": schedule.when,
        "parameters": schedule.parameters,
        "active": schedule.active.unwrap_or(true),
    })
}

/// A deployment of the server in the words of a new one: its limit is kept elsewhere.
fn as_written(has: &Value) -> Value {
    let mut has = has.clone();
    has["concurrency_limit"] = has["global_concurrency_limit"]["limit"].clone();
    has
}

/// A schedule of the server, as it would have been written: without what the server adds, and
/// with its time in our words where that is the same.
fn comparable(has: &Value, written: &Value) -> Value {
    let mut has = has.clone();
    if let Some(fields) = has.as_object_mut() {
        let anchored = written.get("anchor_date").is_some();
        fields.retain(|name, _| name != "anchor_date" || anchored);
    }
    let [one, other] =
        [&has, written].map(|schedule| schedule["anchor_date"].as_str().and_then(time));
    if one.is_some() && one == other {
        has["anchor_date"] = written["anchor_date"].clone();
    }
    let anchored = written["rrule"].as_str().is_some_and(|rule| rule.contains("DTSTART"));
    if let (Some(rule), false) = (has["rrule"].as_str(), anchored) {
        let lines = rule.lines().filter(|line| !line.starts_with("DTSTART"));
        has["rrule"] = json!(lines.collect::<Vec<_>>().join("\n"));
    }
    has
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_adds_to_a_schedule_is_no_difference() {
        let same = |has: Value, written: Value| {
            let before = json!({ "schedule": comparable(&has, &written) });
            let after = json!({ "schedule": written });
            Step::towards("", String::new(), &before, &after).action == Action::Unchanged
        };
        assert!(same(
            json!({ "interval": 60.0, "anchor_date": "2026-01-01T00:00:00Z", "timezone": "UTC" }),
            json!({ "interval": 60, "timezone": "UTC" }),
        ));
        let hourly = |anchor: &str| json!({ "interval": 3600, "anchor_date": anchor });
        assert!(same(hourly("2025-01-01T00:00:00Z"), hourly("2025-01-01")));
        assert!(!same(hourly("2025-01-01T00:00:00Z"), hourly("2025-01-02")));
        let rule = |rule: &str| json!({ "rrule": rule });
        assert!(same(rule("DTSTART:20200101T000000\nFREQ=DAILY"), rule("FREQ=DAILY")));
        assert!(!same(rule("FREQ=DAILY"), rule("FREQ=WEEKLY")));
        assert!(!same(json!({ "cron": "0 6 5 * *" }), json!({ "interval": 60 })));
    }
}
