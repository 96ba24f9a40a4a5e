//! Writes JSON objects into a buffer, with keys in the order given.

use std::io::Write;

/// An object being written at the end of a buffer.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Keys are constants that need no escaping.
    fn key(&mut self, key: &'static str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        push_string(self.out, value);
    }

    /// `null` for `None`.
    pub(super) fn text_or_null(&mut self, key: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.token(key, "null"),
        }
    }

    /// A quoted value that needs no escaping, such as an id or one of our names.
    pub(super) fn plain(&mut self, key: &'static str, value: impl std::fmt::Display) {
        self.key(key);
        // Writing to memory cannot fail.
        let _ = write!(self.out, "\"{value}\"");
    }

    /// An unquoted value: a number, `true`, `null`.
    pub(super) fn token(&mut self, key: &'static str, value: impl std::fmt::Display) {
        self.key(key);
        // Writing to memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A list of strings.
    pub(super) fn texts(&mut self, key: &'static str, values: &[&str]) {
        self.key(key);
        self.out.push(b'[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            push_string(self.out, value);
        }
        self.out.push(b']');
    }

    /// Any value.
    pub(super) fn value(&mut self, key: &'static str, value: &impl serde::Serialize) {
        self.key(key);
        push(self.out, value);
    }

    /// An object as a value.
    pub(super) fn object(&mut self, key: &'static str) -> Object<'_> {
        self.key(key);
        Object::open(self.out)
    }

    /// The content of the buffer so far.
    pub(super) fn written(&self) -> &[u8] {
        self.out
    }
}

/// A JSON string. Only quotes, backslashes and control characters are escaped.
pub(super) fn push_string(out: &mut Vec<u8>, value: &str) {
    push(out, value);
}

fn push<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Unreachable: values of the log always serialize, and writing to memory cannot fail.
    #[allow(clippy::expect_used)]
    serde_json::to_writer(out, value).expect("a value into memory");
}
