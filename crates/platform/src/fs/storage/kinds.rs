//! A file system, and whether overwriting erases there.

/// The file system that a directory lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Storage {
    /// As the system calls it: `ext4`, `btrfs`, `fuse.sshfs`.
    pub file_system: String,
    /// Whether overwriting a file of the directory erases what it held.
    pub erasure: Erasure,
}

/// Whether overwriting a file in place erases what it held, as far as the file system is concerned. A
/// disk may keep old blocks all the same, as those that level wear do, and so does a snapshot below the
/// file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Erasure {
    /// The new bytes replace the old ones.
    InPlace,
    /// The old bytes stay on the disk until their place happens to be used again.
    Kept(Kept),
    /// It cannot be told.
    Unknown(Unsure),
}

/// What keeps the old bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// Every version is written to another place (btrfs, ZFS, bcachefs).
    CopyOnWrite,
    /// Every version is appended to a log (F2FS, NILFS2).
    LogStructured,
    /// Data goes through the journal, which keeps it (ext3 or ext4 with `data=journal`).
    DataJournal,
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsure {
    /// Another machine, or the host, stores the bytes.
    Remote,
    /// A program stores the bytes (FUSE).
    Program,
    /// Another file system below stores the bytes (overlay).
    Layer,
    /// The file system is not known here.
    Unfamiliar,
}

impl Storage {
    /// Whether other machines may store there too, whose locks are their own matter.
    pub fn is_remote(&self) -> bool {
        self.erasure == Erasure::Unknown(Unsure::Remote)
    }

    /// Whether it is in memory, and gone after a reboot.
    pub fn is_in_memory(&self) -> bool {
        matches!(&*self.file_system, "tmpfs" | "ramfs")
    }
}
