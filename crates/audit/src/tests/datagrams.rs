//! A socket in place of the system log's.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// A socket at `path` that waits for nothing.
pub(super) fn listener(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// The messages sent so far, each up to 256 KiB.
pub(super) fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => all.push(String::from_utf8(buffer[..length].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}
