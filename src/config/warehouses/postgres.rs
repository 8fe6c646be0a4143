//! The Postgres that the settings name.

use std::sync::Arc;

use crate::config::database::Database;
use crate::config::file::File;
use crate::config::origin::Origin;
use crate::config::{Options, Settings};
use crate::warehouse::postgres::{Postgres, PostgresError, Target};
use crate::warehouse::{Warehouse, WarehouseError};

use super::WarehouseSettings;

/// The group of settings of Postgres.
pub(super) struct PostgresSettings;

impl Settings {
    /// The Postgres that is loaded into; asks nobody yet.
    pub fn postgres(&self) -> Result<Postgres, PostgresError> {
        let target = match &self.database {
            Some(database) => database.target()?,
            None => Target::resolve(None, &[])?,
        };
        Postgres::new(target, self.schema.clone(), self.table.clone())
    }
}

impl WarehouseSettings for PostgresSettings {
    fn open(&self, settings: &Settings) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        Ok(Arc::new(settings.postgres()?))
    }

    fn is_named(&self, settings: &Settings) -> bool {
        !matches!(self.open(settings), Err(WarehouseError::Unnamed(_)))
    }

    fn leads_to(&self, settings: &Settings) -> Option<(String, Origin)> {
        settings.shown("database_url")
    }

    fn connections(&self, file: &File, _: &Settings) -> Vec<(String, String, usize)> {
        let all = file.postgres.iter();
        all.map(|(name, it)| (name.clone(), Database::from(&it.value).place(), it.line)).collect()
    }

    fn names<'a>(&self, file: &'a File) -> Vec<&'a str> {
        file.postgres.keys().map(String::as_str).collect()
    }

    fn chosen<'a>(&self, options: &'a Options) -> Option<&'a String> {
        options.postgres.as_ref()
    }

    fn choose(&self, options: &mut Options, name: &str) {
        options.postgres = Some(name.to_owned());
        options.database_url = None;
    }

    fn keys(&self) -> &'static [&'static str] {
        &["postgres", "schema"]
    }

    fn secrets(&self, settings: &Settings) -> Vec<String> {
        match &settings.database {
            Some(database) => database.secrets(),
            // The password of the environment, or of a file, for the database that those name.
            None => {
                let named = Target::resolve(None, &[]);
                named.map(|target| target.secrets().to_vec()).unwrap_or_default()
            }
        }
    }
}
