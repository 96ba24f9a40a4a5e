//! The machine and user namespace of a process, which determine what other processes can see of it.

use std::io;

use nightlatch_core::crypto::sha256;

/// The machine and the user namespace that a process runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Identifies this machine across reboots; a digest, not a secret.
    pub machine: [u8; 16],
    /// The kernel's number of the user namespace; 0 where there are none.
    pub user_namespace: u64,
}

impl Surroundings {
    /// The surroundings of this process.
    ///
    /// # Errors
    /// When the system does not provide them; then it is unknown whether a session is gone or only
    /// out of sight.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            machine: machine()?,
            user_namespace: user_namespace()?,
        })
    }
}

/// A digest of the machine id, which systemd and others set up once, or of the host name where
/// there is none.
#[cfg(unix)]
fn machine() -> io::Result<[u8; 16]> {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::{Errno, read};
    let mut named = b"nightlatch machine v1\0".to_vec();
    let mut text = [0; 64];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let length = match open("/etc/machine-id", flags, Mode::empty()) {
        Ok(file) => read(&file, &mut text)?,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => 0,
        Err(error) => return Err(error.into()),
    };
    match text[..length].trim_ascii() {
        b"" | b"uninitialized" => named.extend(rustix::system::uname().nodename().to_bytes()),
        id => named.extend(id),
    }
    let digest = sha256(&named);
    let mut machine = [0; 16];
    machine.copy_from_slice(&digest[..16]);
    Ok(machine)
}

/// There are no sessions on Windows, so none can be on another machine.
#[cfg(windows)]
#[allow(clippy::unnecessary_wraps)] // the same signature as elsewhere
fn machine() -> io::Result<[u8; 16]> {
    Ok(sha256(b"nightlatch machine v1\0")[..16]
        .try_into()
        .unwrap_or_default())
}

#[cfg(target_os = "linux")]
#[allow(clippy::unnecessary_cast)] // its width depends on the platform
fn user_namespace() -> io::Result<u64> {
    match rustix::fs::stat("/proc/self/ns/user") {
        Ok(stat) => Ok(stat.st_ino as u64),
        Err(rustix::io::Errno::NOENT) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// This platform has no user namespaces.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps)] // the same signature as on Linux
fn user_namespace() -> io::Result<u64> {
    Ok(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_surroundings_of_a_process_stay_the_same() {
        let here = Surroundings::of_this_process().unwrap();
        assert_eq!(Surroundings::of_this_process().unwrap(), here);
        assert_ne!(here.machine, [0; 16]);
    }
}
