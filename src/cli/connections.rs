//! `taxi connections`: the connections to lakes and warehouses, and a test of each.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use futures_util::future::join_all;
use serde::Serialize;

use crate::lake::LakeAccess;
use crate::prefect::ServerBlocks;
use crate::redact::name_or_mask;
use crate::settings::{Connection, ConnectionKind, Group, Options, Settings};

use super::examples;
use super::exit::{Error, Exit};
use super::output::{Output, OutputArgs};
use super::terminal::{print, table, warn};

/// A server that says nothing for so long is not there.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings that they read.
const READ: &[Group] = &[Group::Lake, Group::Warehouses];

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionsArgs {
    /// Show the connections of taxi.toml, and those in effect without a name
    #[command(after_help = examples::CONNECTIONS_LIST)]
    List(ListArgs),
    /// Connect, and show what the credentials permit
    #[command(after_help = examples::CONNECTIONS_TEST)]
    Test(TestArgs),
}

#[derive(Debug, Args)]
#[command(mut_args = Group::only(READ))]
pub(super) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
#[command(mut_args = Group::only(READ))]
pub(super) struct TestArgs {
    /// The connections of this name; all of them where none is named
    name: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    options: Options,
}

impl ConnectionsArgs {
    pub(super) async fn execute(self) -> Result<Exit, Error> {
        match self {
            Self::List(args) => list(&args).await,
            Self::Test(args) => test(&args).await,
        }
    }
}

/// The connections; a warning if the lake that was named is not there.
async fn all(options: &Options) -> Result<Vec<Connection>, Error> {
    let settings = Settings::resolve_to_look(options, &ServerBlocks).await?;
    if let Err(error) = settings.lake.refuse_missing() {
        warn(&error.to_string());
    }
    Ok(Connection::all(options, &ServerBlocks).await?)
}

async fn list(args: &ListArgs) -> Result<Exit, Error> {
    let all = all(&args.options).await?;
    match args.output.output {
        Output::Json => print(&serde_json::to_string_pretty(&all)?)?,
        Output::Table => {
            let rows = all.iter().map(|connection| {
                let Connection { kind, address, from, .. } = connection;
                [shown(connection), kind.to_string(), address.clone(), from.to_string()]
            });
            print(&table(["name", "kind", "address", "from"], rows))?;
        }
    }
    Ok(Exit::Done)
}

/// The name, marked where it is what a run uses that is told nothing else.
fn shown(connection: &Connection) -> String {
    let mark = if connection.in_force { " *" } else { "" };
    format!("{}{mark}", connection.name.as_deref().unwrap_or("-"))
}

/// What a test came to.
#[derive(Debug, Serialize)]
struct Tested {
    name: Option<String>,
    kind: ConnectionKind,
    address: String,
    ok: bool,
    /// What may be done there.
    may: Option<String>,
    seconds: f64,
    error: Option<String>,
}

async fn test(args: &TestArgs) -> Result<Exit, Error> {
    let mut all = all(&args.options).await?;
    if let Some(name) = &args.name {
        all.retain(|connection| connection.name.as_ref() == Some(name));
        if all.is_empty() {
            let name = name_or_mask(name);
            let what = format!("there is no connection '{name}': taxi connections list shows all");
            return Err(what.into());
        }
    }
    let tested = join_all(all.iter().map(async |connection| {
        let started = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, ask(connection, &args.options)).await;
        let asked = asked
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()).into()));
        Tested {
            name: connection.name.clone(),
            kind: connection.kind,
            address: connection.address.clone(),
            ok: asked.is_ok(),
            seconds: started.elapsed().as_secs_f64(),
            error: asked.as_ref().err().map(ToString::to_string),
            may: asked.ok(),
        }
    }));
    let tested = tested.await;
    match args.output.output {
        Output::Json => print(&serde_json::to_string_pretty(&tested)?)?,
        Output::Table => {
            let rows = tested.iter().zip(&all).map(|(tested, connection)| {
                let said = tested.may.as_deref().map(|may| format!("ok: {may}"));
                let said = said.or_else(|| tested.error.clone()).unwrap_or_default();
                let seconds = format!("{:.2}", tested.seconds);
                [shown(connection), tested.kind.to_string(), tested.address.clone(), seconds, said]
            });
            print(&table(["name", "kind", "address", "seconds", "result"], rows))?;
        }
    }
    Ok(if tested.iter().all(|tested| tested.ok) { Exit::Done } else { Exit::Failed })
}

/// What may be done there.
async fn ask(connection: &Connection, options: &Options) -> Result<String, Error> {
    let settings = connection.settings(options, &ServerBlocks).await?;
    match connection.kind {
        ConnectionKind::Lake => Ok(match settings.lake.open.probe().await? {
            LakeAccess::Write => "can be read and written".to_owned(),
            LakeAccess::Read => "can be read, not written".to_owned(),
            LakeAccess::Missing => "does not exist yet; the first run creates it".to_owned(),
        }),
        ConnectionKind::Warehouse(kind) => Ok(settings.warehouse(kind)?.probe().await?),
    }
}
