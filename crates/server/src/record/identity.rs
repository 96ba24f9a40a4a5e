//! The id of a node, in its data directory, and the lock that makes one process its sealer.

use std::fs::File;
use std::io::Write;

use nightlatch_core::id::HomeId;
use nightlatch_platform::fs::{Dir, FsError, is_locked, read_bounded};

/// The file with the id.
const NAME: &str = "node-id";
/// The longest content of it.
const LENGTH: usize = 64;

/// The node that a data directory belongs to.
pub struct NodeIdentity {
    /// The node's id.
    pub id: String,
    /// Whether this process has the lock, and so seals the node's events.
    pub is_sealer: bool,
    /// Holds the lock.
    _file: File,
}

impl NodeIdentity {
    /// Whether a process has the lock.
    ///
    /// # Errors
    /// When that cannot be determined.
    pub fn is_taken(home: &Dir) -> Result<bool, FsError> {
        let Some(file) = home.open_file(NAME)? else {
            return Ok(false);
        };
        is_locked(&file).map_err(|error| FsError::new("lock", home.path().join(NAME), error))
    }

    /// Reads the id, or makes one. Takes the lock if no other process has it.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has something else in it.
    pub fn take(home: &Dir) -> Result<Self, FsError> {
        let path = home.path().join(NAME);
        let mut file = home.open_update(NAME)?;
        // Whoever has the lock writes the id. Another process that comes before that fails.
        let is_sealer = file.try_lock().is_ok();
        let content = read_bounded(&file, &path, LENGTH)?;
        let stored = std::str::from_utf8(&content).ok().map(str::trim);
        let id = match stored.and_then(|text| text.parse::<HomeId>().ok()) {
            Some(id) => id,
            None if content.is_empty() && is_sealer => {
                let failed = |error| FsError::new("write", &path, error);
                let random = |error| failed(std::io::Error::other(error));
                let id = HomeId::random().map_err(random)?;
                writeln!(file, "{id}")
                    .and_then(|()| file.sync_all())
                    .map_err(failed)?;
                home.sync()?;
                id
            }
            None => {
                let error = std::io::Error::other("it has no node's id in it");
                return Err(FsError::new("read", path, error));
            }
        };
        Ok(Self {
            id: id.to_string(),
            is_sealer,
            _file: file,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_id_and_one_process_seals() {
        let scratch = tempfile::tempdir().unwrap();
        let home = Dir::open_or_create(&scratch.path().join("data")).unwrap();
        let first = NodeIdentity::take(&home).unwrap();
        let second = NodeIdentity::take(&home).unwrap();
        assert!(first.is_sealer && !second.is_sealer);
        assert!(NodeIdentity::is_taken(&home).unwrap());
        assert_eq!(first.id, second.id);
        drop((first, second));
        assert!(!NodeIdentity::is_taken(&home).unwrap());
        assert!(NodeIdentity::take(&home).unwrap().is_sealer);
    }

    #[test]
    fn a_damaged_id_is_not_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let home = Dir::open_or_create(&scratch.path().join("data")).unwrap();
        drop(NodeIdentity::take(&home).unwrap());
        home.write_atomic(NAME, b"x", nightlatch_platform::fs::Durability::Synced)
            .unwrap();
        assert!(NodeIdentity::take(&home).is_err());
    }
}
