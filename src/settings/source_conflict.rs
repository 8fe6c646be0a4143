//! Sources that must be a mistake, found before anything is read.

use std::path::{Component, Path, PathBuf};

use crate::redact::without_secrets;
use crate::source::{Address, Source, UnknownSource};
use crate::trip::{Colour, TripFile};

use super::Settings;

/// Why a source cannot be read for these months.
#[derive(Debug, thiserror::Error)]
pub enum SourceConflict {
    /// Several colours would be read from one address.
    #[error(
        "the source {address} is the same for {colours}: the trips of one would be read as those of \
         the other. Put {{colour}} into the address, or run one colour at a time"
    )]
    OneForAll {
        /// The source, without its secrets.
        address: String,
        /// The colours.
        colours: String,
    },
    /// The source is what the run would write.
    #[error(
        "the source {address} is inside the lake's own folder {lake}: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake"
    )]
    OwnLake {
        /// The source.
        address: String,
        /// The lake.
        lake: String,
    },
    /// The source has no address for a month.
    #[error(transparent)]
    Unknown(#[from] UnknownSource),
}

impl Settings {
    /// Checks that the source can be read for these months, asking nobody: it tells colours
    /// apart, and is not the lake that a flow would write.
    pub fn check_source(&self, files: &[TripFile], into_lake: bool) -> Result<(), SourceConflict> {
        let address = || without_secrets(&self.source.source.to_string());
        let mut colours: Vec<Colour> = files.iter().map(|file| file.colour).collect();
        colours.sort_unstable();
        colours.dedup();
        if colours.len() > 1 && !self.source.source.tells_colours() {
            let colours: Vec<_> = colours.iter().map(|colour| colour.as_str()).collect();
            return Err(SourceConflict::OneForAll {
                address: address(),
                colours: colours.join(" and "),
            });
        }
        let Some(lake) = self.lake.address().as_folder() else {
            return Ok(());
        };
        if into_lake && reads_lake(&self.source.source, files, lake)? {
            let lake = lake.display().to_string();
            return Err(SourceConflict::OwnLake { address: address(), lake });
        }
        Ok(())
    }
}

/// Whether a place where the source looks for a month is one where the lake keeps them. Other
/// folders below the lake's, such as `raw` and `sample`, are not.
fn reads_lake(source: &Source, files: &[TripFile], lake: &Path) -> Result<bool, UnknownSource> {
    let lake = resolved(lake);
    let quarantine = lake.join("quarantine");
    let mut own: Vec<PathBuf> = Colour::ALL.iter().map(|it| lake.join(it.as_str())).collect();
    own.push(lake);
    // A colour's folder may be a link to elsewhere.
    let mut linked: Vec<PathBuf> = own.iter().map(|folder| resolved(folder)).collect();
    own.append(&mut linked);
    let is_own = |path: &Path| {
        path.parent().is_some_and(|folder| own.iter().any(|own| own == folder))
            || path.starts_with(&quarantine)
    };
    for file in files {
        if let Address::Local(paths) = source.locate(*file)? {
            for path in paths {
                let folder = path.parent().map(resolved).unwrap_or_default();
                let beside = folder.join(path.file_name().unwrap_or_default());
                if is_own(&beside) || is_own(&resolved(&path)) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// A path from the root, links followed as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = found.pop(),
            Component::CurDir => {}
            part => found.push(part),
        }
        if let Ok(linked) = std::fs::canonicalize(&found) {
            found = linked;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(source: &str, lake: &Path) -> bool {
        let file = TripFile::new(Colour::Green, "2020-01".parse().unwrap());
        reads_lake(&source.parse().unwrap(), &[file], lake).unwrap()
    }

    #[test]
    fn the_lake_is_known_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let lake = root.join("lake");
        for made in ["lake/green", "lake/raw/green", "lake/in", "in/green"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        std::os::unix::fs::symlink(&lake, root.join("link")).unwrap();
        std::os::unix::fs::symlink(lake.join("green"), root.join("greens")).unwrap();
        let month = "green_tripdata_2020-01.parquet";
        std::fs::write(lake.join("green").join(month), "x").unwrap();
        std::os::unix::fs::symlink(
            lake.join("green").join(month),
            root.join("in").join("x.parquet"),
        )
        .unwrap();
        let root = root.display();
        for own in [
            "lake",
            "lake/",
            "./lake/.",
            "in/../lake",
            "link",
            "link/green",
            "lake/green",
            "greens",
            "lake/{colour}/{colour}_tripdata_{year}-{month}.parquet",
            "link/green/green_tripdata_{year}-{month}.parquet",
            "lake/missing/../green",
            "in/{year}/../x.parquet",
            "lake/quarantine/{colour}/{year}-{month}.parquet",
        ] {
            assert!(reads(&format!("{root}/{own}"), &lake), "{own}");
            let linked = lake.with_file_name("link");
            assert!(reads(&format!("{root}/{own}"), &linked), "{own}");
        }
        assert!(reads(&format!("file://{root}/lake"), &lake));
        for other in [
            "in",
            "in/green",
            "lake/raw",
            "lake/raw/green",
            "lake/in",
            "lakes",
            "lake/in/{year}-{month}.csv",
            "in/{year}-{month}.parquet",
        ] {
            assert!(!reads(&format!("{root}/{other}"), &lake), "{other}");
        }
        assert!(!reads("tlc", &lake) && !reads("raw", &lake));
    }
}
