//! Whether there is room for a server: one on a full disk says it is healthy and then fails at
//! whatever a test happens to ask of it.

use std::path::Path;

/// What a server and a test write at most, with some to spare.
const NEEDED: u64 = 512 << 20;

/// Fails the test unless the folder of temporary files has room for a server's data.
pub fn has_room() {
    let folder = std::env::temp_dir();
    if let Err(why) = enough(&folder, NEEDED) {
        panic!("{why}");
    }
}

/// Why a folder's disk has not so much room left.
pub fn enough(folder: &Path, needed: u64) -> Result<(), String> {
    let disk = rustix::fs::statvfs(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    if free >= needed {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes >> 20;
    Err(format!(
        "the disk is full: {} has {} MB left, and a server needs {} MB; free some, or set TMPDIR to \
         a folder on another disk",
        folder.display(),
        megabytes(free),
        megabytes(needed),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_before_a_server_starts() {
        has_room();
        let why = enough(&std::env::temp_dir(), u64::MAX).unwrap_err();
        assert!(why.starts_with("the disk is full: ") && why.contains("set TMPDIR"), "{why}");
    }
}
