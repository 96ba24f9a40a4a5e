//! The guarded commands configured when the home was last used: a shell keeps wrapping these when
//! the configuration cannot be read. This list only informs; it allows and refuses nothing.

use std::path::Path;

use super::home_dir::home_to_look;
use crate::config::CommandName;
use nightlatch_platform::fs::{Dir, Durability, FsError, read_bounded};

/// One name per line.
const FILE: &str = "guarded";
/// More than any list needs.
const LIMIT: usize = 64 * 1024;

/// Saves `commands` if they differ from the saved ones. Best effort: no command fails because this
/// does.
pub(super) fn note(home: &Dir, commands: &[CommandName]) {
    let names = commands.iter().map(CommandName::as_str);
    let lines = names.fold(String::new(), |lines, name| lines + name + "\n");
    let is_noted = read(home).is_ok_and(|noted| noted == lines.as_bytes());
    let written = match (is_noted, lines.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => home.unlink(FILE).map(drop),
        (false, false) => home.write_atomic(FILE, lines.as_bytes(), Durability::Volatile),
    };
    if let Err(error) = written {
        tracing::debug!(%error, "cannot note the guarded commands");
    }
}

/// The commands that were guarded when the home at `path` was last used; empty when there is no
/// home or the list cannot be read. Changes nothing.
pub fn last_guarded_commands(path: &Path) -> Vec<CommandName> {
    let home = home_to_look(path).ok().flatten();
    let noted = home.and_then(|home| read(&home).ok()).unwrap_or_default();
    let noted = String::from_utf8_lossy(&noted);
    noted.lines().filter_map(|name| name.parse().ok()).collect()
}

fn read(home: &Dir) -> Result<Vec<u8>, FsError> {
    match home.open_file(FILE)? {
        Some(file) => read_bounded(&file, &home.path().join(FILE), LIMIT),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(commands: &[CommandName]) -> Vec<&str> {
        commands.iter().map(CommandName::as_str).collect()
    }

    #[test]
    fn what_was_noted_last_is_known_and_garbage_names_no_command() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("home");
        let home = Dir::open_or_create(&path).unwrap();
        home.create_new("accounts.db").unwrap();
        assert_eq!(names(&last_guarded_commands(&path)), [""; 0]);
        let commands = ["psql", "kubectl"].map(|name| name.parse().unwrap());
        note(&home, &commands);
        assert_eq!(names(&last_guarded_commands(&path)), ["psql", "kubectl"]);
        let garbage = b"psql\nx; id\n../y\ncd\n\xff\n$(id)\n\nkubectl";
        home.write_atomic(FILE, garbage, Durability::Volatile)
            .unwrap();
        assert_eq!(names(&last_guarded_commands(&path)), ["psql", "kubectl"]);
        let long = vec![b'a'; LIMIT + 1];
        home.write_atomic(FILE, &long, Durability::Volatile)
            .unwrap();
        assert_eq!(names(&last_guarded_commands(&path)), [""; 0]);
        note(&home, &[]);
        assert!(
            !home.contains(FILE).unwrap(),
            "it is mended by the next use"
        );
    }
}
