//! A file system, and whether overwriting a file erases its old content there.

/// The file system that a directory lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Storage {
    /// The system's name for it: `ext4`, `btrfs`, `fuse.sshfs`.
    pub file_system: String,
    /// Whether overwriting a file in the directory erases its old content.
    pub erasure: Erasure,
}

/// Whether overwriting a file in place erases its old content, as far as the file system is
/// concerned. A disk with wear levelling may still keep old blocks, and so may a snapshot below the
/// file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Erasure {
    /// The new bytes replace the old ones.
    InPlace,
    /// The old bytes stay on the disk until their blocks happen to be reused.
    Kept(Kept),
    /// It is unknown.
    Unknown(Unsure),
}

/// Why the old bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// Every version is written to another location (btrfs, ZFS, bcachefs).
    CopyOnWrite,
    /// Every version is appended to a log (F2FS, NILFS2).
    LogStructured,
    /// Data is written to the journal, which keeps it (ext3 or ext4 with `data=journal`).
    DataJournal,
}

/// Why it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsure {
    /// Another machine, or the host, stores the bytes.
    Remote,
    /// A program stores the bytes (FUSE).
    Program,
    /// Another file system below stores the bytes (overlay).
    Layer,
    /// We do not know the file system.
    Unfamiliar,
}

impl Storage {
    /// Whether other machines may store files there too, whose locks may not be visible here.
    pub fn is_remote(&self) -> bool {
        self.erasure == Erasure::Unknown(Unsure::Remote)
    }

    /// Whether it is in memory, and lost on reboot.
    pub fn is_in_memory(&self) -> bool {
        matches!(&*self.file_system, "tmpfs" | "ramfs")
    }
}
