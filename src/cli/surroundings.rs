//! What the process was given by its surroundings.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the process was given by its surroundings.
pub struct Surroundings {
    /// The command line, the program's own name first.
    pub arguments: Vec<OsString>,
    /// `NIGHTLATCH_HOME`.
    pub home: Option<OsString>,
    /// `NIGHTLATCH_ACCOUNT`.
    pub account: Option<OsString>,
    /// `NIGHTLATCH_KEEPER`.
    pub keeper: Option<OsString>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `NIGHTLATCH_COMPLETE`: the shell that asks how a command line may go on.
    pub completing: Option<OsString>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG`: which characters the terminal shows.
    pub locale: Option<OsString>,
    /// `TERM`: the kind of terminal.
    pub term: Option<OsString>,
    /// `HOME`: where the shells' own files are.
    pub user_home: Option<OsString>,
    /// The first of `VISUAL` and `EDITOR`: what changes a text.
    pub editor: Option<OsString>,
    /// `TZ`: the time zone of times for people.
    pub zone: Option<OsString>,
    /// The first of `NIGHTLATCH_PAGER` and `PAGER`: what shows more than a screen.
    pub pager: Option<OsString>,
    /// Tells where this program lies: only those that start another need to know.
    pub program: fn() -> Option<PathBuf>,
}

impl Surroundings {
    /// Whether the terminal shows more than ASCII.
    pub fn is_utf8(&self) -> bool {
        self.locale.as_ref().is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        })
    }
}
