//! The identity of a home: a random id in the file `home`, and the identity of that file, which
//! distinguishes the home from its copies.

use nightlatch_core::id::HomeId;
use nightlatch_platform::fs::{Dir, FileIdentity, FsError, read_bounded};

/// The name of the file.
pub const HOME: &str = "home";
/// Room for an id and a newline only.
const HOME_LIMIT: usize = 64;

/// A home's id, and the identity of the file that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Identifies the home to the keepers. A copy of the home has the same id.
    pub id: HomeId,
    /// The file that the id was read from. A copy of the home has a different one.
    pub place: FileIdentity,
}

/// The identity of the home `dir`; `None` when it has no id, or a garbled one.
///
/// # Errors
/// When it is not a private regular file of this user (see [`nightlatch_platform::fs`]), or cannot
/// be read.
pub fn identity(dir: &Dir) -> Result<Option<Identity>, FsError> {
    let Some(file) = dir.open_file(HOME)? else {
        return Ok(None);
    };
    let path = dir.path().join(HOME);
    let content = read_bounded(&file, &path, HOME_LIMIT)?;
    let Some(id) = parse(&content) else {
        return Ok(None);
    };
    let place = FileIdentity::of(&file).map_err(|error| FsError::new("inspect", path, error))?;
    Ok(Some(Identity { id, place }))
}

/// The content of the file.
pub fn content(id: HomeId) -> String {
    format!("{id}\n")
}

/// Parses the id from the file's content; `None` when it is garbled.
fn parse(content: &[u8]) -> Option<HomeId> {
    let text = std::str::from_utf8(content).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_what_was_written_and_from_nothing_else() {
        let id = HomeId::from_bytes([7; 16]);
        let written = content(id);
        assert_eq!(parse(written.as_bytes()), Some(id));
        for length in 0..written.len() {
            assert_eq!(parse(&written.as_bytes()[..length]), None, "{length}");
        }
        assert_eq!(parse(format!("{written}\n").as_bytes()), None);
    }
}
