//! The identity of an open file, which distinguishes it from its copies.

use std::fs::File;
use std::io;

/// The identity of a file. It does not change when the file or the directories above it are
/// renamed, and no copy has it.
///
/// Some file systems (overlayfs over several others, mergerfs, FUSE, FAT) give a file another inode
/// number once it has been evicted from the cache. The change time stays the same, and nobody can
/// set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The device number of the file system.
    pub device: u64,
    /// The inode number in it.
    pub inode: u64,
    /// The change time (content, mode or name) in nanoseconds since 1970 (UTC).
    pub changed: i64,
}

impl FileIdentity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// When the system refuses.
    #[cfg(unix)]
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )] // signs and widths depend on the platform
    pub fn of(file: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        let seconds = (stat.st_ctime as i64).saturating_mul(1_000_000_000);
        Ok(Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            changed: seconds.saturating_add(stat.st_ctime_nsec as i64),
        })
    }

    /// Fails: not implemented on this platform yet.
    ///
    /// # Errors
    /// Always.
    #[cfg(windows)]
    pub fn of(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether both identify the same file, as far as can be determined: the same device, and the
    /// same inode or the same change time.
    pub fn is_same(self, other: Self) -> bool {
        self.device == other.device && (self.inode == other.inode || self.changed == other.changed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_identity_when_renamed_and_a_copy_with_all_its_times_has_another() {
        let temp = tempfile::tempdir().unwrap();
        let [file, moved, copy] = ["file", "moved", "copy"].map(|name| temp.path().join(name));
        std::fs::write(&file, "content").unwrap();
        let identity = |path| FileIdentity::of(&File::open(path).unwrap()).unwrap();
        let first = identity(&file);
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([&file, &copy])
            .status();
        assert!(copied.unwrap().success());
        assert!(!identity(&copy).is_same(first));
        std::fs::rename(&file, &moved).unwrap();
        assert!(identity(&moved).is_same(first));
    }

    #[test]
    fn another_inode_number_alone_does_not_make_another_file() {
        let first = FileIdentity {
            device: 1,
            inode: 2,
            changed: 3,
        };
        assert!(FileIdentity { inode: 9, ..first }.is_same(first));
        assert!(
            FileIdentity {
                changed: 9,
                ..first
            }
            .is_same(first)
        );
        assert!(
            !FileIdentity {
                inode: 9,
                changed: 9,
                ..first
            }
            .is_same(first)
        );
        // A snapshot has the same inode numbers and times.
        assert!(!FileIdentity { device: 9, ..first }.is_same(first));
    }
}
