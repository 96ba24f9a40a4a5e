//! Which home this is: a random id in the file `home`, and the place of that file, which tells the home from
//! its copies.

use nightlatch_core::id::HomeId;
use nightlatch_platform::fs::{Dir, FileIdentity, FsError, read_bounded};

/// The name of the file.
pub const HOME: &str = "home";
/// Room for an id and a newline, and nothing else.
const HOME_LIMIT: usize = 64;

/// A home's id, and where its file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names the home in the keepers. A copy of the home has the same one.
    pub id: HomeId,
    /// Which file the id was read from. A copy of the home has another one.
    pub place: FileIdentity,
}

/// Which home `dir` is; `None` when it has no id, or a garbled one.
///
/// # Errors
/// When what stands in the file's place is not a file of ours alone, or cannot be read.
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

/// The id in such a content; `None` when it is garbled.
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
