//! Which home this is: a random id in the file `home`, and the place of that file, which tells the home from
//! its copies.

use crate::fs::FileIdentity;
use crate::id::HomeId;

/// The name of the file.
pub const HOME: &str = "home";
/// Room for an id and a newline, and nothing else.
pub const HOME_LIMIT: usize = 64;

/// A home's id, and where its file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names the home in the keepers. A copy of the home has the same one.
    pub id: HomeId,
    /// Which file the id was read from. A copy of the home has another one.
    pub place: FileIdentity,
}

/// The content of the file.
pub fn content(id: HomeId) -> String {
    format!("{id}\n")
}

/// The id in such a content; `None` when it is garbled.
pub fn parse(content: &[u8]) -> Option<HomeId> {
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
