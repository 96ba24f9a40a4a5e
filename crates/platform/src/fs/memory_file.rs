//! Files in memory: they have no name, and are gone when nobody has them open.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};

/// A file in memory that only this process has open, until it is shared with a child.
pub struct MemoryFile {
    file: File,
}

impl MemoryFile {
    /// A file with this content, which its owner may read, and write if `writable`.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn with(content: &[u8], writable: bool) -> io::Result<Self> {
        let file = memfd_create("nightlatch", MemfdFlags::CLOEXEC)?;
        let mode = if writable { 0o600 } else { 0o400 };
        fchmod(&file, Mode::from_raw_mode(mode))?;
        let mut file = File::from(file);
        file.write_all(content)?;
        Ok(Self { file })
    }

    /// Lets children that are started from now on inherit it, and gives the path under which they,
    /// and their own children, find it. Any child gets it, so start only the one that is meant.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn share(&self) -> io::Result<PathBuf> {
        fcntl_setfd(&self.file, FdFlags::empty())?;
        Ok(format!("/proc/self/fd/{}", self.file.as_raw_fd()).into())
    }

    /// The file itself, to read what a child wrote.
    pub fn file(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_reads_a_shared_memory_file_and_others_find_no_name() {
        let file = MemoryFile::with(b"content", false).unwrap();
        let path = file.share().unwrap();
        let read = Command::new("sh")
            .args(["-c", "cat \"$0\"; cat \"$0\""])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(read.stdout, b"contentcontent");
        let found = file.file().metadata().unwrap();
        assert_eq!((found.mode() & 0o777, found.nlink()), (0o400, 0));
    }

    #[test]
    fn a_memory_file_that_is_not_shared_is_closed_in_a_child() {
        let file = MemoryFile::with(b"content", false).unwrap();
        let path = format!("/proc/self/fd/{}", file.file().as_raw_fd());
        let read = Command::new("cat").arg(path).output().unwrap();
        assert!(!read.status.success());
    }
}
