//! Determines a directory's file system, and whether overwriting a file there erases its old
//! content.

mod judge;
mod kinds;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use super::archive::Archive;
use super::content::read_bounded;
use super::dir::Dir;
use super::error::FsError;
use judge::{Facts, Mount};
pub use kinds::{Erasure, Kept, Storage, Unsure};

/// Larger than the mount table of any machine.
const MOUNTS_LIMIT: usize = 4 * 1024 * 1024;

impl Dir {
    /// Disables copy-on-write for files created in the directory from now on, if the file system
    /// supports that. Returns whether it is off.
    ///
    /// Best effort: most file systems have neither copy-on-write nor the flag, and the caller can
    /// do nothing about one that refuses.
    ///
    /// # Errors
    /// When the system fails for another reason than a missing flag.
    pub fn disable_copy_on_write(&self) -> Result<bool, FsError> {
        let failed =
            |error: Errno| FsError::new("set flags of", self.path(), io::Error::from(error));
        let is_lacking = |error: Errno| {
            matches!(
                error,
                Errno::NOTTY
                    | Errno::OPNOTSUPP
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::PERM
                    | Errno::ACCESS
            )
        };
        let flags = match ioctl_getflags(self.handle()) {
            Ok(flags) if flags.contains(IFlags::NOCOW) => return Ok(true),
            Ok(flags) => flags,
            Err(error) if is_lacking(error) => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        match ioctl_setflags(self.handle(), flags | IFlags::NOCOW) {
            // Some accept the flag without supporting it.
            Ok(()) => Ok(flags_of(self.handle()).contains(IFlags::NOCOW)),
            Err(error) if is_lacking(error) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The file system of the directory at `path`; `None` when the system does not say. Changes
/// nothing.
pub fn storage(path: &Path) -> Option<Storage> {
    let real = std::fs::canonicalize(path).ok()?;
    let mounts = small_file("/proc/self", "mountinfo", MOUNTS_LIMIT);
    let mount = mounts.and_then(|mounts| Mount::of(real.as_os_str().as_bytes(), &mounts));
    let Some(mut mount) = mount else {
        let found = rustix::fs::statfs(&real).ok()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 32 bits everywhere
        return Storage::of_magic(found.f_type as u32);
    };
    if let Some(more) = ext_options(&mount) {
        mount.options.push_str(&more.replace('\n', ","));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let flags = rustix::fs::open(&real, flags, Mode::empty()).map_or(IFlags::empty(), flags_of);
    Some(Storage::of(&Facts {
        mount: &mount,
        no_copy_on_write: flags.contains(IFlags::NOCOW),
        journals_data: flags.contains(IFlags::JOURNALING),
    }))
}

fn flags_of(directory: impl std::os::fd::AsFd) -> IFlags {
    ioctl_getflags(directory).unwrap_or(IFlags::empty())
}

/// All options of an ext file system. Its defaults, stored in the superblock, are not among the
/// mount options.
fn ext_options(mount: &Mount) -> Option<String> {
    if !mount.file_system.starts_with("ext") {
        return None;
    }
    let device = std::fs::read_link(format!("/sys/dev/block/{}", mount.device)).ok()?;
    let name = device.file_name()?.to_str()?;
    let options = small_file(&format!("/proc/fs/ext4/{name}"), "options", 64 * 1024)?;
    Some(format!(",{}", String::from_utf8(options).ok()?))
}

fn small_file(directory: &str, name: &str, limit: usize) -> Option<Vec<u8>> {
    let directory = Path::new(directory);
    let file = Archive::open(directory).ok()?.open_file(name).ok()??;
    read_bounded(&file, &directory.join(name), limit).ok()
}

#[cfg(test)]
mod tests;
