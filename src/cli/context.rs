//! The context that every command needs, built from the arguments and the environment.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::memory::CoreLimit;
use nightlatch_local::account::{BadEmail, Email};
use nightlatch_local::config::KeeperChoice;
use nightlatch_local::guard::{Guard, GuardConfig};
use nightlatch_local::session::AgentLauncher;

use super::args::Global;
use super::exit::Failure;
use super::local_time::Zone;
use super::origin::Origins;
use super::surroundings::Surroundings;
use super::terminal::Terminal;
use super::text;
use super::ui::Ui;
use crate::cli::hints::Hint;

/// The input, before anything is accessed.
pub struct Given {
    pub ui: Ui,
    pub global: Global,
    pub surroundings: Surroundings,
    pub core_limit: CoreLimit,
}

impl Given {
    /// The same for reading a copy of a log, without this machine's home.
    pub fn for_copy(mut self, directory: &Path) -> Self {
        self.global.home = Some(directory.to_owned());
        self.global.account = None;
        self.surroundings.account = None;
        self.surroundings.keeper = None;
        self
    }
}

/// The context that every command needs.
pub struct Context {
    pub ui: Ui,
    pub config: GuardConfig,
    pub origins: Origins,
    /// The global options from the command line.
    pub global: Global,
    pub account: Option<Email>,
    /// Returns the path of this program.
    pub program: fn() -> Option<PathBuf>,
    /// Whether the terminal interprets escape sequences.
    pub takes_escapes: bool,
    /// The program's name as it was invoked.
    pub invoked_as: OsString,
    /// `PATH`.
    pub search_path: Option<OsString>,
    /// `HOME`.
    pub user_home: Option<OsString>,
    pub editor: Option<OsString>,
    pub zone: Zone,
    pub pager: Option<OsString>,
    pub may_ask: bool,
    /// Whether there is a desktop of Wayland.
    pub has_wayland: bool,
    /// Whether there is a desktop that takes programs of X11.
    pub has_x11: bool,
}

impl Context {
    pub fn guard(&self) -> Result<Guard, Failure> {
        Ok(Guard::open(self.config.clone())?)
    }

    /// A guard for read-only commands: it creates and changes nothing in the home.
    pub fn guard_to_look(&self) -> Result<Guard, Failure> {
        Ok(Guard::open_to_look(self.config.clone())?)
    }

    pub fn guard_or_create(&self) -> Result<Guard, Failure> {
        Ok(Guard::open_or_create(self.config.clone())?)
    }

    /// The sign in the place of a secret.
    pub fn mask(&self) -> &'static str {
        if self.ui.is_utf8 {
            "••••"
        } else {
            "****"
        }
    }

    /// The sign that marks where text was cut.
    pub fn ellipsis(&self) -> char {
        if self.ui.is_utf8 { '…' } else { '~' }
    }

    /// The person's terminal, if there is one and prompting is allowed.
    pub fn terminal(&self) -> Option<Terminal> {
        let terminal = if self.may_ask { Terminal::open() } else { None };
        terminal.map(|terminal| terminal.taking_escapes(self.takes_escapes))
    }
}

/// Builds the context. Opens nothing.
///
/// # Errors
/// When the environment names an invalid account or keeper, or there is no place for a home.
pub fn context(given: Given) -> Result<Context, Failure> {
    let Given {
        ui,
        global,
        surroundings,
        core_limit,
    } = given;
    let program = surroundings.program;
    let origins = Origins::of(&global, &surroundings);
    let home = global.home.clone().or(surroundings.home.map(PathBuf::from));
    let mut config = match &home {
        Some(home) => GuardConfig::under(home),
        None => GuardConfig::of_environment().map_err(nightlatch_local::guard::GuardError::from)?,
    }
    .core_limit(core_limit);

    let account = match (&global.account, &surroundings.account) {
        (Some(account), _) => Some(account.parse::<Email>()?),
        (None, Some(account)) => Some(account_of_environment(account)?),
        (None, None) => None,
    };
    if let Some(account) = &account {
        config = config.account(account.clone());
    }
    if let Some(keeper) = &surroundings.keeper {
        let choice: KeeperChoice = keeper
            .to_string_lossy()
            .parse()
            .map_err(|error| Failure::usage(format!("NIGHTLATCH_KEEPER: {error}")))?;
        config = config.keeper(choice);
    }
    let home = config.home().to_owned();
    config = config.launched_by(Arc::new(move || {
        // The agent starts in another directory and with an empty environment.
        let home = std::path::absolute(&home).ok()?;
        let args = ["--home".into(), home.into_os_string(), "agent".into()];
        Some(AgentLauncher::new(program()?, args))
    }));
    config = config.on_delay(Arc::new(move |delay| {
        if std::io::stderr().is_terminal() {
            let span = text::span(delay + Duration::from_millis(999)); // rounded up
            ui.say(&format!("waiting {span}, because of failed sign-ins"));
        }
    }));
    nightlatch_platform::fs::tell_of_waits(move |wait| ui.say(&text::waiting(wait)));
    config = config.on_alert_failure(Arc::new(move |failed| {
        ui.warn(&failed.to_string());
    }));
    Ok(Context {
        ui,
        config,
        origins,
        account,
        program,
        takes_escapes: surroundings.term.is_some_and(|term| term != "dumb"),
        invoked_as: surroundings
            .arguments
            .into_iter()
            .next()
            .unwrap_or_default(),
        search_path: surroundings.path,
        user_home: surroundings.user_home,
        editor: surroundings.editor,
        zone: Zone::new(surroundings.zone),
        pager: surroundings.pager,
        may_ask: !global.non_interactive,
        has_wayland: surroundings.wayland.is_some(),
        has_x11: surroundings.x11.is_some(),
        global,
    })
}

/// The account that `NIGHTLATCH_ACCOUNT` names. The error names the variable, which may have been
/// set long ago, somewhere else.
fn account_of_environment(value: &OsStr) -> Result<Email, Failure> {
    let wrong = |what: String| Failure::usage(format!("NIGHTLATCH_ACCOUNT: {what}"));
    let text = value
        .to_str()
        .ok_or_else(|| wrong("it is not UTF-8 text".to_owned()))?;
    text.parse()
        .map_err(|error: BadEmail| wrong(error.to_string()).hint(error.hint()))
}
