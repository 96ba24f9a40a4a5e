//! The command line: each command is a file that tells its story from top to bottom.

mod args;
mod ask;
mod audit;
mod columns;
mod completions;
mod config;
mod config_file;
mod doctor;
mod ending;
mod exec;
mod exit;
mod export;
mod hold;
mod hook;
mod install;
mod lock;
mod login;
mod man;
mod pager;
mod passwd;
mod plain;
mod progress;
#[cfg(unix)]
mod prompt;
#[cfg(windows)]
#[path = "prompt_absent.rs"]
mod prompt;
mod prune;
mod register;
mod report;
mod search_path;
mod session;
mod stats;
#[cfg(unix)]
mod system;
#[cfg(windows)]
#[path = "system_windows.rs"]
mod system;
#[cfg(unix)]
mod terminal;
#[cfg(windows)]
#[path = "terminal_absent.rs"]
mod terminal;
mod text;
mod tour;
mod ui;
mod usage;
mod watch;
mod when;

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use nightlatch::account::{BadEmail, Email};
use nightlatch::config::KeeperChoice;
use nightlatch::guard::signals::survive_file_size_limit;
use nightlatch::memory::{CoreLimit, harden};
use nightlatch::session::AgentLauncher;
use nightlatch::{Guard, GuardConfig};

use args::{Cli, Command, Global};
use exit::Failure;
use terminal::Terminal;
use ui::Ui;
use when::Zone;

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
    fn is_utf8(&self) -> bool {
        self.locale.as_ref().is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        })
    }
}

/// How a command that did not fail ends.
enum End {
    Done,
    /// With the exit code of the command it ran, or of the question it answered.
    Code(u8),
    /// By the signal that ended the command it ran.
    Signal(i32),
}

/// Where something that the configuration file does not decide alone came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Flag(&'static str),
    Variable(&'static str),
    /// Neither was given.
    Unset,
}

impl Origin {
    fn of<T, U>(flag: (&'static str, &Option<T>), variable: (&'static str, &Option<U>)) -> Self {
        match (flag, variable) {
            ((name, Some(_)), _) => Self::Flag(name),
            (_, (name, Some(_))) => Self::Variable(name),
            _ => Self::Unset,
        }
    }
}

/// Where the home, the account and the keeper came from.
struct Origins {
    home: Origin,
    account: Origin,
    keeper: Origin,
}

impl Origins {
    fn of(global: &Global, surroundings: &Surroundings) -> Self {
        Self {
            home: Origin::of(
                ("--home", &global.home),
                ("NIGHTLATCH_HOME", &surroundings.home),
            ),
            account: Origin::of(
                ("--account", &global.account),
                ("NIGHTLATCH_ACCOUNT", &surroundings.account),
            ),
            keeper: Origin::of::<(), _>(("", &None), ("NIGHTLATCH_KEEPER", &surroundings.keeper)),
        }
    }
}

/// What every command needs.
struct Context {
    ui: Ui,
    config: GuardConfig,
    origins: Origins,
    /// As given on the command line.
    global: Global,
    account: Option<Email>,
    /// Tells where this program lies.
    program: fn() -> Option<PathBuf>,
    /// Whether the terminal is of a kind that acts on escape sequences.
    takes_escapes: bool,
    /// The program's own name, as it was called.
    invoked_as: OsString,
    /// `PATH`.
    search_path: Option<OsString>,
    /// `HOME`.
    user_home: Option<OsString>,
    editor: Option<OsString>,
    zone: Zone,
    pager: Option<OsString>,
    may_ask: bool,
}

impl Context {
    fn guard(&self) -> Result<Guard, Failure> {
        Ok(Guard::open(self.config.clone())?)
    }

    /// For whoever only looks: nothing in the home is made or changed.
    fn guard_to_look(&self) -> Result<Guard, Failure> {
        Ok(Guard::open_to_look(self.config.clone())?)
    }

    fn guard_or_create(&self) -> Result<Guard, Failure> {
        Ok(Guard::open_or_create(self.config.clone())?)
    }

    /// What stands where text was cut.
    fn sign(&self) -> char {
        if self.ui.is_utf8 { '…' } else { '~' }
    }

    /// The person's terminal, when there is one and it may be used.
    fn terminal(&self) -> Option<Terminal> {
        let terminal = if self.may_ask { Terminal::open() } else { None };
        terminal.map(|terminal| terminal.taking_escapes(self.takes_escapes))
    }
}

/// Runs the command line: what `main` returns.
pub fn run(surroundings: Surroundings) -> ExitCode {
    if let Some(code) = completions::answer(&surroundings) {
        return code;
    }
    let core_limit = harden();
    let cli = match plain::parse(&surroundings.arguments)
        .map_or_else(|| Cli::try_parse_from(&surroundings.arguments), Ok)
    {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error, &surroundings.arguments),
    };
    let ui = Ui {
        json: cli.global.json,
        quiet: cli.global.quiet,
        on_terminal: std::io::stdout().is_terminal(),
        is_utf8: surroundings.is_utf8(),
    };
    init_tracing(cli.global.verbose);
    // Those that only look write nothing, and are in a hurry.
    if !matches!(cli.command, Some(Command::Status(_) | Command::Whoami)) {
        // Best effort: without it the signal ends us, and no command starts either.
        let _ = survive_file_size_limit();
    }
    let result = match cli.command {
        _ if cli.exit_codes => exit::print_codes(ui),
        None => {
            Err(Failure::usage("no command was given").hint("see nightlatch --help".to_owned()))
        }
        Some(command) => {
            let given = Given {
                ui,
                global: cli.global,
                surroundings,
                core_limit,
            };
            dispatch(given, command)
        }
    };
    match result {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Code(code)) => ExitCode::from(code),
        Ok(End::Signal(signal))
        | Err(Failure {
            signal: Some(signal),
            ..
        }) => end_by(signal),
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}

/// Ends by `signal`, so that the shell sees it, and stops a loop at Ctrl-C: everything is wiped and the
/// terminal restored by now, and this process leaves no core. Where it cannot, the exit code says it.
fn end_by(signal: i32) -> ExitCode {
    // Who sees a SIGKILL looks for who sent it, and for a lack of memory.
    if signal != SIGKILL {
        terminal::die_of(signal);
    }
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

/// The signal that cannot be caught; the number is the same on every system.
const SIGKILL: i32 = 9;

/// What there is before anything is looked at.
struct Given {
    ui: Ui,
    global: Global,
    surroundings: Surroundings,
    core_limit: CoreLimit,
}

impl Given {
    /// The same, where a copy of a log is read: nothing of this machine's home has a part in it.
    fn for_copy(mut self, directory: &Path) -> Self {
        self.global.home = Some(directory.to_owned());
        self.global.account = None;
        self.surroundings.account = None;
        self.surroundings.keeper = None;
        self
    }
}

fn dispatch(given: Given, command: Command) -> Result<End, Failure> {
    match command {
        Command::Status(args) => session::status(&context(given)?, &args),
        Command::Extend => session::extend(&context(given)?),
        Command::Whoami => session::whoami(&context(given)?),
        Command::Exec(args) => exec::run(&context(given)?, &args),

        Command::Register(args) => register::run(&context(given)?, &args),
        Command::Login(args) => login::run(&context(given)?, &args),
        // These have to work where no other command does.
        Command::Lock => lock::lock(given),
        Command::Logout(args) if args.all => lock::lock(given),
        Command::Logout(_) => lock::logout(given),
        Command::Hook(args) => hook::run(&context(given)?, &args),
        Command::Passwd(args) => passwd::run(&context(given)?, &args),
        Command::Audit(args) => {
            // A copy on some machine: nothing of this one's home, account or settings has a part in it.
            if let Some((args, directory)) = audit::copy_to_verify(&args) {
                return audit::verify(given.ui, args, directory);
            }
            let given = match audit::copy_to_read(&args) {
                Some(directory) => given.for_copy(directory),
                None => given,
            };
            audit::run(&context(given)?, *args)
        }
        Command::Config(args) => config::run(&context(given)?, &args.command),
        // It has to work where no other command does.
        Command::Doctor => doctor::run(given.ui, given.global, given.surroundings),
        Command::Tour => tour::run(&context(given)?),
        // What these print is the same in every home, and where there is none.
        Command::Completions(args) if args.install => completions::install(&context(given)?, &args),
        Command::Completions(args) => completions::run(given.ui, &args),
        Command::Man(args) => man::run(given.ui, &args),
        Command::Agent => session::agent(&context(given)?),
    }
}

fn context(given: Given) -> Result<Context, Failure> {
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
        None => GuardConfig::of_environment().map_err(nightlatch::GuardError::from)?,
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
        Some(AgentLauncher {
            program: program()?,
            args: vec!["--home".into(), home.into(), "agent".into()],
        })
    }));
    config = config.on_delay(Arc::new(move |delay| {
        if std::io::stderr().is_terminal() {
            let span = text::span(delay + Duration::from_millis(999)); // rounded up
            ui.say(&format!("waiting {span}, because of failed sign-ins"));
        }
    }));
    nightlatch::tell_of_waits(move |wait| ui.say(&text::waiting(wait)));
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
        global,
    })
}

/// The account that `NIGHTLATCH_ACCOUNT` names. Says so when it names none: it may have been set long
/// ago, and somewhere else.
fn account_of_environment(value: &OsStr) -> Result<Email, Failure> {
    let wrong = |what: String| Failure::usage(format!("NIGHTLATCH_ACCOUNT: {what}"));
    let text = value
        .to_str()
        .ok_or_else(|| wrong("it is not UTF-8 text".to_owned()))?;
    text.parse()
        .map_err(|error: BadEmail| wrong(error.to_string()).hint(error.hint()))
}

/// `-v` tells what is going on, on stderr; without it nothing is set up.
fn init_tracing(verbose: u8) {
    use tracing::Level;
    use tracing_subscriber::field::MakeExt;
    use tracing_subscriber::fmt::format::debug_fn;
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colour)
        .with_target(false)
        // Paths and other people's words are among the values.
        .fmt_fields(
            debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                let value = text::bounded(&value);
                let value = text::escape(&value);
                match field.name() {
                    "message" => write!(writer, "{value}"),
                    name => write!(writer, "{name}={value}"),
                }
            })
            .delimited(" "),
        )
        .with_writer(std::io::stderr)
        .init();
}
