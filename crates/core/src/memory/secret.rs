//! The secret types: keys of fixed size and bounded buffers that never grow.

use zeroize::Zeroize;

use super::block::Block;
use super::process::{self, AsFile};

/// `N` secret bytes, wiped when dropped and kept out of swap where the system allows it.
pub struct Secret<const N: usize> {
    /// Exactly `N` bytes.
    block: Block,
}

impl<const N: usize> Secret<N> {
    /// Creates `N` zero bytes, to be filled in place through [`Secret::expose_mut`].
    pub fn zeroed() -> Self {
        Self {
            block: Block::zeroed(N),
        }
    }

    /// Lets `fill` write straight into the secret's own memory.
    pub fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self::zeroed();
        fill(secret.expose_mut());
        secret
    }

    /// `N` bytes from the operating system's random source.
    ///
    /// # Errors
    /// When the system provides no random numbers (never on a booted Linux).
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self::zeroed();
        getrandom::fill(secret.expose_mut())?;
        Ok(secret)
    }

    /// Borrows the bytes. Copying them elsewhere defeats the wiping.
    pub fn expose(&self) -> &[u8; N] {
        match self.block.bytes().first_chunk() {
            Some(bytes) => bytes,
            None => unreachable!("a secret has as many bytes as its type says"),
        }
    }

    /// Borrows the bytes to fill them in place.
    pub fn expose_mut(&mut self) -> &mut [u8; N] {
        match self.block.bytes_mut().first_chunk_mut() {
            Some(bytes) => bytes,
            None => unreachable!("a secret has as many bytes as its type says"),
        }
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadSecretError {
    /// The source could not be read.
    #[error("cannot read the secret")]
    Io(#[source] std::io::Error),
    /// The source holds more bytes than the secret can.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The most bytes that fit.
        limit: usize,
    },
}

/// Up to `capacity` secret bytes (a password) in a buffer that never moves and never grows.
///
/// ```
/// use nightlatch_core::memory::SecretBuffer;
///
/// let mut password = SecretBuffer::with_capacity(8);
/// assert!(password.push(b"violet"));
/// assert!(!password.push(b"tractor"), "it has only eight bytes");
/// assert_eq!(password.expose(), b"violet");
/// ```
pub struct SecretBuffer {
    block: Block,
    len: usize,
}

impl SecretBuffer {
    /// An empty buffer that can hold `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            block: Block::zeroed(capacity),
            len: 0,
        }
    }

    /// A buffer that holds a copy of `bytes` and has no room for more.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        let fits = buffer.push(bytes);
        debug_assert!(fits, "the buffer is as long as the bytes");
        buffer
    }

    /// Borrows the bytes held so far, to change them in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.block.bytes_mut()[..self.len]
    }

    /// The secret bytes held so far.
    pub fn expose(&self) -> &[u8] {
        &self.block.bytes()[..self.len]
    }

    /// How many bytes are held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `more`; `false`, without appending anything, when it does not fit.
    #[must_use]
    pub fn push(&mut self, more: &[u8]) -> bool {
        let room = self.len..self.len + more.len();
        let Some(room) = self.block.bytes_mut().get_mut(room) else {
            return false;
        };
        room.copy_from_slice(more);
        self.len += more.len();
        true
    }

    /// Keeps the first `len` bytes and wipes the rest.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.block.bytes_mut()[len..self.len].zeroize();
            self.len = len;
        }
    }

    /// Removes the first `count` bytes, at most all, and wipes the room that this leaves at the end.
    pub fn drop_front(&mut self, count: usize) {
        let count = count.min(self.len);
        if count > 0 {
            let held = &mut self.block.bytes_mut()[..self.len];
            held.copy_within(count.., 0);
            let left = self.len - count;
            held[left..].zeroize();
            self.len = left;
        }
    }

    /// One read(2) straight into the free part of the buffer; returns the number of bytes read, 0
    /// at the end of the source.
    ///
    /// # Errors
    /// [`ReadSecretError::TooLong`] when the buffer is full, [`ReadSecretError::Io`] otherwise.
    pub fn read_once(&mut self, source: impl AsFile) -> Result<usize, ReadSecretError> {
        let room = &mut self.block.bytes_mut()[self.len..];
        if room.is_empty() {
            return Err(ReadSecretError::TooLong { limit: self.len });
        }
        let count = process::read_once(source, room).map_err(ReadSecretError::Io)?;
        self.len += count;
        Ok(count)
    }

    /// Reads to the end of `source`, unbuffered. It needs room for one byte more than the source
    /// has.
    ///
    /// # Errors
    /// As [`SecretBuffer::read_once`].
    pub fn read_all(&mut self, source: impl AsFile) -> Result<(), ReadSecretError> {
        while self.read_once(&source)? > 0 {}
        Ok(())
    }

    /// Reads to the end of `source`, unbuffered, and strips one trailing newline, including a
    /// carriage return before it on Windows.
    ///
    /// # Errors
    /// As [`SecretBuffer::read_once`].
    pub fn read_to_end(&mut self, source: impl AsFile) -> Result<(), ReadSecretError> {
        self.read_all(source)?;
        if let Some(line) = self.expose().strip_suffix(b"\n") {
            let end = line.strip_suffix(b"\r").unwrap_or(line).len();
            self.truncate(end);
        }
        Ok(())
    }

    /// Splits at the first newline (LF or CRLF) into two buffers; `None` when there is no newline.
    pub fn split_line(mut self) -> Option<(Self, Self)> {
        let at = self.expose().iter().position(|&byte| byte == b'\n')?;
        let mut second = Self::with_capacity(self.block.bytes().len());
        let fits = second.push(&self.expose()[at + 1..]);
        debug_assert!(fits, "the second half is shorter than the whole");
        let line = &self.expose()[..at];
        let end = line.strip_suffix(b"\r").unwrap_or(line).len();
        self.truncate(end);
        Some((self, second))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pipe_with(content: &[u8]) -> std::io::PipeReader {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(content).unwrap();
        reader
    }

    #[test]
    fn one_trailing_newline_is_stripped_and_no_more() {
        let mut buffer = SecretBuffer::with_capacity(64);
        buffer.read_to_end(pipe_with(b"two lines\n\n")).unwrap();
        assert_eq!(buffer.expose(), b"two lines\n");
        for (read, kept) in [
            (&b"of Windows\r\n"[..], &b"of Windows"[..]),
            (b"two\r\n\r\n", b"two\r\n"),
            (b"none\r", b"none\r"),
            (b"\r\n", b""),
        ] {
            let mut buffer = SecretBuffer::with_capacity(32);
            buffer.read_to_end(pipe_with(read)).unwrap();
            assert_eq!(buffer.expose(), kept);
        }
    }

    #[test]
    fn reading_all_keeps_the_bytes_as_they_are() {
        let mut buffer = SecretBuffer::with_capacity(8);
        buffer.read_all(pipe_with(b"a\0b\n")).unwrap();
        assert_eq!(buffer.expose(), b"a\0b\n");
        assert_eq!(SecretBuffer::copy_of(buffer.expose()).expose(), b"a\0b\n");
    }

    #[test]
    fn a_source_longer_than_the_buffer_is_refused() {
        let mut buffer = SecretBuffer::with_capacity(4);
        let result = buffer.read_to_end(pipe_with(b"12345"));
        assert!(matches!(result, Err(ReadSecretError::TooLong { limit: 4 })));
    }

    #[test]
    fn truncation_wipes_what_it_cuts_off() {
        let mut buffer = SecretBuffer::with_capacity(8);
        assert!(buffer.push(b"secret"));
        buffer.truncate(1);
        assert_eq!(buffer.block.bytes(), b"s\0\0\0\0\0\0\0");
    }

    #[test]
    fn dropping_the_front_keeps_the_rest_and_wipes_what_it_leaves() {
        let mut buffer = SecretBuffer::with_capacity(8);
        assert!(buffer.push(b"secret"));
        buffer.drop_front(4);
        assert_eq!(buffer.expose(), b"et");
        assert_eq!(buffer.block.bytes(), b"et\0\0\0\0\0\0");
        buffer.drop_front(9);
        assert!(buffer.is_empty());
    }

    #[test]
    fn lines_split_into_separate_buffers() {
        let mut buffer = SecretBuffer::with_capacity(64);
        assert!(buffer.push(b"old one\nnew one"));
        let (old, new) = buffer.split_line().unwrap();
        assert_eq!(
            (old.expose(), new.expose()),
            (&b"old one"[..], &b"new one"[..])
        );
    }

    #[test]
    fn a_push_that_does_not_fit_changes_nothing() {
        let mut buffer = SecretBuffer::with_capacity(4);
        assert!(!buffer.push(b"12345"));
        assert!(buffer.is_empty());
    }

    #[test]
    fn random_secrets_differ() {
        let (a, b) = (
            Secret::<32>::random().unwrap(),
            Secret::<32>::random().unwrap(),
        );
        assert_ne!(a.expose(), b.expose());
    }
}
