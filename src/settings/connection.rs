//! The connections that `taxi.toml` names.

use serde::Serialize;

use crate::warehouse::WarehouseKind;

use super::blocks::Blocks;
use super::connection_kind::ConnectionKind;
use super::lake::LakeConnection;
use super::origin::{FileLine, Origin};
use super::{Options, Settings, SettingsError};

/// A connection, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// Its name; null for one that the settings give without a name.
    pub name: Option<String>,
    /// What it leads to.
    pub kind: ConnectionKind,
    /// Where it leads, secrets masked.
    pub address: String,
    /// Whether a run uses it by default.
    pub in_force: bool,
    /// Where it comes from.
    pub from: Origin,
}

impl Connection {
    /// All of them: those that the file names, and what is in force without a name.
    pub async fn all(options: &Options, blocks: &dyn Blocks) -> Result<Vec<Self>, SettingsError> {
        let file = options.read_file()?;
        let settings = Settings::resolve_to_look(options, blocks).await?;
        let place = |line| Origin::File { place: FileLine::new(&file.path, line) };
        let lakes = file.connections::<LakeConnection>().iter().map(|(name, lake)| {
            (ConnectionKind::Lake, (name.clone(), lake.value.address.to_string(), lake.line))
        });
        let warehouses = WarehouseKind::all().flat_map(|kind| {
            let all = settings.in_force(kind).connections(&file);
            all.into_iter().map(move |connection| (ConnectionKind::Warehouse(kind), connection))
        });
        let mut all: Vec<Self> = lakes
            .chain(warehouses)
            .map(|(kind, (name, address, line))| Self {
                name: Some(name),
                kind,
                address,
                in_force: false,
                from: place(line),
            })
            .collect();
        for kind in ConnectionKind::all() {
            let Some((address, from)) = settings.leads_to(kind) else { continue };
            let named = match &from {
                Origin::Connection { place: Some(place), .. } => all.iter_mut().find(|named| {
                    named.kind == kind && named.from == Origin::File { place: place.clone() }
                }),
                _ => None,
            };
            match named {
                Some(named) => named.in_force = true,
                None => all.push(Self { name: None, kind, address, in_force: true, from }),
            }
        }
        Ok(all)
    }

    /// The settings in force where this connection is named, for commands that only look.
    pub async fn settings(
        &self,
        options: &Options,
        blocks: &dyn Blocks,
    ) -> Result<Settings, SettingsError> {
        let mut options = options.clone();
        if let Some(name) = &self.name {
            options.name(self.kind, name);
        }
        Settings::resolve_to_look(&options, blocks).await
    }
}
