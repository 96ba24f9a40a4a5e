//! A change that is durable.

use crate::account::directory::{Directory, DirectoryError, Writing};

/// The result of a change that is durable, and the account directory, which is still open. Release
/// the session lock before what follows: it may copy the whole log of the database, and waits for
/// other processes that read it.
#[must_use = "what the change overwrote stays in the file until it is erased"]
pub(crate) struct Committed<T> {
    value: T,
    directory: Directory,
}

impl<T> Committed<T> {
    /// Commits, with the result `value`.
    ///
    /// # Errors
    /// From the directory; nothing is changed then.
    pub(super) fn new(writing: Writing, value: T) -> Result<Self, DirectoryError> {
        let directory = writing.commit()?;
        Ok(Self { value, directory })
    }

    /// Closes the directory after a change that overwrote no key.
    pub fn close(self) -> T {
        self.value
    }

    /// Erases what the change overwrote, and closes the directory.
    pub fn erase_leftovers(self) -> T {
        self.directory.erase_leftovers();
        self.value
    }
}
