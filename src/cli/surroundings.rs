//! The process's arguments and environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// The process's arguments and environment.
pub struct Surroundings {
    /// The command line, beginning with the program's own name.
    pub arguments: Vec<OsString>,
    /// `NIGHTLATCH_HOME`.
    pub home: Option<OsString>,
    /// `NIGHTLATCH_ACCOUNT`.
    pub account: Option<OsString>,
    /// `NIGHTLATCH_KEEPER`.
    pub keeper: Option<OsString>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `NIGHTLATCH_COMPLETE`: the shell that asks for completions.
    pub completing: Option<OsString>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG`: the terminal's character set.
    pub locale: Option<OsString>,
    /// `TERM`: the type of terminal.
    pub term: Option<OsString>,
    /// `HOME`: the directory of the shells' startup files.
    pub user_home: Option<OsString>,
    /// The first of `VISUAL` and `EDITOR`: the text editor.
    pub editor: Option<OsString>,
    /// `TZ`: the time zone for people.
    pub zone: Option<OsString>,
    /// The first of `NIGHTLATCH_PAGER` and `PAGER`: the pager.
    pub pager: Option<OsString>,
    /// `WAYLAND_DISPLAY`: the desktop, if it is one of Wayland.
    pub wayland: Option<OsString>,
    /// `DISPLAY`: the desktop, if it takes programs of X11.
    pub x11: Option<OsString>,
    /// Returns the path of this program, which only commands that start another process need.
    pub program: fn() -> Option<PathBuf>,
}

impl Surroundings {
    /// Whether the terminal shows characters beyond ASCII.
    pub fn is_utf8(&self) -> bool {
        self.locale.as_ref().is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        })
    }
}
