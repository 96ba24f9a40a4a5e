//! Reads the kernel's own files under `/proc`. An unprivileged user can replace them in a namespace
//! of their own, and so fake another boot or clocks without a shift.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, open, openat, openat2};
use rustix::io::Errno;

/// The kernel's `/proc`, opened once for many files.
pub struct Proc(OwnedFd);

impl Proc {
    /// Opens it.
    ///
    /// # Errors
    /// When `/proc` is not a proc file system, or the system refuses.
    pub fn open() -> io::Result<Self> {
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let proc = open("/proc", directory, Mode::empty())?;
        refuse_other(&proc)?;
        Ok(Self(proc))
    }

    /// Reads a small file into `buffer`; returns its length. `name` is relative to `/proc`.
    ///
    /// # Errors
    /// When something is mounted over the file, or the system refuses.
    pub fn read(&self, name: &str, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(proc) = self;
        let file = open_in(proc, name)?;
        refuse_other(&file)?;
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::read(&file, &mut *buffer)
        })?)
    }

    /// The ids of all visible processes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn process_ids(&self) -> io::Result<Vec<i32>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.0, ".", flags, Mode::empty())?;
        let mut ids = Vec::new();
        for entry in rustix::fs::Dir::new(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            ids.extend(name.and_then(|name| name.parse::<i32>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Reads one small file of `/proc`, as [`Proc::read`].
///
/// # Errors
/// As [`Proc::open`] and [`Proc::read`].
pub fn read_proc(name: &str, buffer: &mut [u8]) -> io::Result<usize> {
    Proc::open()?.read(name, buffer)
}

fn open_in(proc: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    // Containers mount `sys` over itself to make it read-only; its content is the same for every
    // process.
    let resolve = if name.starts_with("self/") {
        ResolveFlags::NO_XDEV
    } else {
        ResolveFlags::empty()
    };
    match openat2(proc, name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => Err(mounted_over(name)),
        // Before Linux 5.6, or under a seccomp profile that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => Ok(openat(proc, name, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

fn refuse_other(file: &OwnedFd) -> io::Result<()> {
    if fstatfs(file)?.f_type == PROC_SUPER_MAGIC {
        Ok(())
    } else {
        Err(io::Error::other("/proc is not the kernel's"))
    }
}

fn mounted_over(name: &str) -> io::Error {
    io::Error::other(format!("something is mounted over /proc/{name}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_proc_is_read_and_one_of_another_file_system_is_refused() {
        let mut buffer = [0; 128];
        assert!(read_proc("self/stat", &mut buffer).unwrap() > 10);
        assert!(read_proc("self/no such file", &mut buffer).is_err());
        let elsewhere = open("/tmp", OFlags::RDONLY, Mode::empty()).unwrap();
        assert!(refuse_other(&elsewhere).is_err());
    }

    #[test]
    fn this_process_is_among_all_processes() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Proc::open().unwrap().process_ids().unwrap().contains(&own));
    }
}
