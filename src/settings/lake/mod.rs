//! The lake: its address, and a group of settings for each store that it can be in.

mod google;

use clap::Args;
use serde::Deserialize;
use toml::de::Error;

use crate::lake::{LakeAddress, OpenOptions, StoreOptions};
use crate::redact::name_or_mask;

use super::by_type::ByType;
use super::connection_kind::ConnectionKind;
use super::error::SettingsError;
use super::file::File;
use super::keys::closest;
use super::layers::{Layer, Picker, Show};
use super::origin::Origin;
use super::reference::LakeReference;
use super::resolved_connection::{DEFAULT, ResolvedConnection};
use super::secret_names::SecretNames;
use super::settings_group::SettingsGroup;
use super::table::{FromTable, SpannedTable, Table};
use super::values::from_text;

pub use google::GoogleOptions;

pub(super) use google::HEADING as GOOGLE_HEADING;

const HEADING: &str = "Lake settings";

/// The headings of its flags, and of those of its stores.
pub(super) const HEADINGS: &[&str] = &[HEADING, google::HEADING];

/// Where the secrets of its stores are said outside `taxi.toml`.
pub(super) const SECRETS: [SecretNames; 1] = [google::SECRETS];

/// The options for the lake.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = HEADING)]
pub struct LakeOptions {
    /// Where months are published: a lake of taxi.toml, a folder, or gs://bucket/prefix [default:
    /// data]
    #[arg(
        id = "lake",
        long = "lake",
        value_name = "LAKE",
        env = "TAXI_LAKE",
        hide_env_values = true
    )]
    pub address: Option<LakeReference>,
    /// The options for its stores.
    #[command(flatten)]
    pub stores: LakeStores,
}

/// What is said of the stores that a lake can be in: a group for each.
#[derive(Debug, Clone, Default, Args)]
pub struct LakeStores {
    /// Google Cloud Storage.
    #[command(flatten)]
    pub google: GoogleOptions,
}

impl LakeStores {
    /// What is said of each store, beside other groups.
    pub(super) fn groups(&self, groups: ByType) -> ByType {
        groups.with(self.google.clone())
    }

    /// How the stores are spoken to. The credentials of those that the lake is not in are not
    /// asked for.
    fn resolve(from: &mut Picker<'_>, lake: &LakeAddress) -> Result<StoreOptions, SettingsError> {
        Ok(StoreOptions { gcs: GoogleOptions::resolve(from, lake.scheme() == "gs")? })
    }
}

impl FromTable for LakeStores {
    fn keys() -> Vec<&'static str> {
        GoogleOptions::keys()
    }

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, Error> {
        Ok(Self { google: GoogleOptions::take(table)? })
    }
}

/// The key of the lake at the top of `taxi.toml`, or in a profile.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LakeKey {
    #[serde(deserialize_with = "from_text")]
    lake: Option<LakeReference>,
}

impl FromTable for LakeOptions {
    fn keys() -> Vec<&'static str> {
        [LakeKey::keys(), LakeStores::keys()].concat()
    }

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, Error> {
        let LakeKey { lake } = LakeKey::take(table)?;
        Ok(Self { address: lake, stores: LakeStores::take(table)? })
    }
}

/// `[lakes.NAME]`
#[derive(Debug, Clone)]
pub(super) struct LakeConnection {
    pub(super) address: LakeReference,
    stores: LakeStores,
}

/// The key of it that is not a store's.
#[derive(Deserialize)]
struct AddressKey {
    address: LakeReference,
}

impl FromTable for LakeConnection {
    fn keys() -> Vec<&'static str> {
        [AddressKey::keys(), LakeStores::keys()].concat()
    }

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, Error> {
        let AddressKey { address } = AddressKey::take(table)?;
        Ok(Self { address, stores: LakeStores::take(table)? })
    }
}

/// The lake.
#[derive(Debug, Clone)]
pub struct LakeSettings {
    /// How it is opened.
    pub open: OpenOptions,
    /// What says where it is.
    from: Origin,
}

impl LakeSettings {
    /// Where it is.
    pub const fn address(&self) -> &LakeAddress {
        &self.open.address
    }

    /// Refuses a lake to look at that was named, and is a folder that is not there: most likely a
    /// slip. What the file of settings says of it may be there later.
    pub fn refuse_missing(&self) -> Result<(), SettingsError> {
        let address = self.address();
        let bare = address.as_folder().is_some_and(|path| path.components().count() == 1);
        let named = match &self.from {
            Origin::Flag { .. } | Origin::Environment { .. } => true,
            Origin::Profile { .. } | Origin::File { .. } => bare,
            Origin::Connection { .. } | Origin::Default => false,
        };
        if named && self.open.closed.is_none() && address.is_missing() {
            let name = name_or_mask(&address.to_string()).to_owned();
            return Err(SettingsError::NoLake { name, by: Box::new(self.from.clone()) });
        }
        Ok(())
    }
}

impl SettingsGroup for LakeSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let (address, closed, origin) = locate(from)?;
        from.note("lake", address.show(), origin.clone());
        let stores = LakeStores::resolve(from, &address)?;
        from.connection = None;
        Ok(Self { open: OpenOptions { address, stores, closed }, from: origin })
    }

    fn secrets(&self) -> Vec<String> {
        self.open.stores.secrets()
    }
}

/// Where the lake is, why it cannot be asked, what says so. If it is a connection, what that says
/// has precedence over the rest of the file.
fn locate(from: &mut Picker<'_>) -> Result<(LakeAddress, Option<String>, Origin), SettingsError> {
    let default = || (LakeReference::Name(DEFAULT.to_owned()), Origin::Default);
    let given = from.find("lake", |o: &LakeOptions| &o.address);
    let given = given
        .or_else(|| from.file.connections::<LakeConnection>().contains_key(DEFAULT).then(default));
    let Some((reference, by)) = given else {
        return Ok((LakeAddress::folder("data"), None, Origin::Default));
    };
    match open(from, &reference, &by) {
        Err(SettingsError::UnreadBlock { block, why }) => {
            let address = LakeAddress::folder(block.to_string());
            let why = SettingsError::UnreadBlock { block, why }.to_string();
            Ok((address, Some(why), by))
        }
        opened => {
            let ResolvedConnection { to, groups, origin } = opened?;
            from.connection = Some(Layer::connection(groups, origin.clone()));
            Ok((to, None, origin))
        }
    }
}

/// The lake that a setting refers to. A connection has precedence over a folder of its name.
fn open(
    from: &Picker<'_>,
    reference: &LakeReference,
    by: &Origin,
) -> Result<ResolvedConnection<LakeAddress>, SettingsError> {
    let mut stores = LakeStores::default();
    let (reference, origin) = match reference {
        LakeReference::Name(name) => match from.file.connections::<LakeConnection>().get(name) {
            Some(Table { value, line, .. }) => {
                stores = value.stores.clone();
                (&value.address, from.file.says(ConnectionKind::Lake, name, by, *line))
            }
            None => {
                refuse_slip(from.file, name, by)?;
                (reference, by.clone())
            }
        },
        LakeReference::Block(block) => (reference, Origin::block(block, by)),
        LakeReference::Address(_) => (reference, by.clone()),
    };
    let to = match reference {
        LakeReference::Name(folder) => LakeAddress::folder(folder),
        LakeReference::Address(address) => address.clone(),
        LakeReference::Block(block) => {
            let contents = block.among(from.blocks)?;
            let google = &mut stores.google;
            google.credentials =
                google.credentials.take().or_else(|| contents.credentials.clone().map(Into::into));
            let says = || SettingsError::BlockSays { block: block.clone(), what: "lake" };
            contents.lake.clone().ok_or_else(says)?
        }
    };
    Ok(ResolvedConnection { to, groups: stores.groups(ByType::default()), origin })
}

/// Refuses what is most likely a connection's name with a slip in it: the months would go to
/// a new folder of that name.
fn refuse_slip(file: &File, name: &str, by: &Origin) -> Result<(), SettingsError> {
    if name.contains('/') || std::fs::exists(name).unwrap_or(false) {
        return Ok(());
    }
    match closest(name, file.connections::<LakeConnection>().keys().map(String::as_str)) {
        Some(meant) => {
            let meant = format!(": did you mean '{meant}'? A new folder is ./{name}");
            Err(file.no_connection(ConnectionKind::Lake, name, by, meant))
        }
        None => Ok(()),
    }
}

/// Refuses the name of a connection that is not there.
pub(super) fn check(file: &File, layer: &Layer) -> Result<(), SettingsError> {
    match layer.group::<LakeOptions>().and_then(|said| said.address.as_ref()) {
        Some(LakeReference::Name(name))
            if !file.connections::<LakeConnection>().contains_key(name) =>
        {
            refuse_slip(file, name, &layer.origin("lake"))
        }
        _ => Ok(()),
    }
}
