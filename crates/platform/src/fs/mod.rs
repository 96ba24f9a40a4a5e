//! File access through directory handles, never through links, with checks on the open handle.
//!
//! Every file of ours is regular, belongs to this user, has one hard link, and is closed to
//! everyone else. A file that others could only read is closed to them and used. A file that others
//! could have written is refused.

#[cfg(unix)]
mod archive;
mod content;
#[cfg(unix)]
mod dir;
mod error;
#[cfg(unix)]
mod file;
mod identity;
#[cfg(unix)]
mod lock;
#[cfg(target_os = "linux")]
mod memory_file;
#[cfg(not(target_os = "linux"))]
#[path = "memory_file_absent.rs"]
mod memory_file;
#[cfg(unix)]
mod names;
#[cfg(unix)]
mod private_group;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(target_os = "linux")]
mod process_stat;
mod shell_word;
#[cfg(target_os = "linux")]
mod storage;
#[cfg(not(target_os = "linux"))]
#[path = "storage_absent.rs"]
mod storage;
#[cfg(unix)]
mod survey;
#[cfg(unix)]
mod unopened;
mod waits;
#[cfg(windows)]
mod windows;

/// Reading and writing at an offset in a file.
#[cfg(unix)]
pub use std::os::unix::fs::FileExt;

#[cfg(unix)]
pub use archive::Archive;
pub use content::{Durability, is_locked, read_bounded};
#[cfg(unix)]
pub use dir::Dir;
pub use error::{FsError, FsProblem};
#[cfg(unix)]
pub use file::{has_lost_name, read_any_file, read_user_file};
pub use identity::FileIdentity;
#[cfg(unix)]
pub use lock::{DirLock, LockHolder, record_lock_holder, with_stops, without_stops};
pub use memory_file::MemoryFile;
#[cfg(target_os = "linux")]
pub use proc::{Proc, read_proc};
#[cfg(target_os = "linux")]
pub use process_stat::ProcessStat;
pub use shell_word::{shell_path, shell_word};
pub use storage::{Erasure, Kept, Storage, Unsure, storage};
#[cfg(unix)]
pub use survey::{Survey, survey};
#[cfg(unix)]
pub use unopened::check_unopened;
#[cfg(unix)]
pub use waits::{SPOKEN_OF, tell};
pub use waits::{Wait, tell_of_waits};
#[cfg(windows)]
pub use windows::{
    Archive, Dir, DirLock, FileExt, Survey, check_unopened, has_lost_name, read_any_file,
    read_user_file, survey,
};
