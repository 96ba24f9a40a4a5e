//! The command line: serve, administer, verify, show.

mod admin;
mod args;
mod audit;
mod backup;
mod config_command;
mod failure;
mod mailing;
mod running;
mod serve;
mod settings;
mod tour;
mod ui;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nightlatch_core::memory;

use crate::config::Secrets;
use args::{Arguments, Command, ConfigCommand};
use settings::Start;

pub(crate) use failure::Failure;

/// What the program gets from its surroundings.
pub struct Surroundings {
    /// The command line, with the program's name.
    pub arguments: Vec<OsString>,
    /// Reads an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
    /// The program itself.
    pub program: Option<PathBuf>,
}

/// Runs the program: 0 when all went well, 1 when the command failed, 2 for a command line that
/// cannot be read, 3 when the audit log does not verify.
pub fn run(surroundings: &Surroundings) -> ExitCode {
    let arguments = match Arguments::try_parse_from(&surroundings.arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is no failure of a help text.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    memory::harden();
    ui::log(arguments.verbose);
    match command(arguments, surroundings) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            ui::tell(&format!("nightlatch-server: {error}"));
            ExitCode::from(1)
        }
    }
}

fn command(arguments: Arguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let secrets = Secrets::new(surroundings.variable);
    let config = settings::config(&arguments)?;
    match arguments.command {
        Some(Command::Config {
            command: ConfigCommand::Show,
        }) => config_command::show(&config),
        Some(Command::Config {
            command: ConfigCommand::Check,
        }) => config_command::check(&config),
        Some(Command::Audit { command }) => audit::run(&config, &command),
        Some(Command::Admin { command }) => {
            let start = Start::new(config, secrets)?;
            running::block_on(admin::run(start, command))
        }
        Some(Command::Migrate) => {
            let start = Start::new(config, secrets)?;
            running::block_on(admin::migrate(start))
        }
        Some(Command::Backup { directory }) => {
            backup::back_up_to(&Start::new(config, secrets)?, &directory)
        }
        Some(Command::Restore { directory }) => {
            let start = Start::new(config, secrets)?;
            running::block_on(backup::restore_from(start, &directory))
        }
        Some(Command::Tour) => {
            let program = surroundings.program.clone();
            let program = program.ok_or("cannot tell where this program lies")?;
            running::block_on(tour::run(Start::new(config, secrets)?, program))
        }
        None | Some(Command::Serve) => {
            settings::check(&config)?;
            let start = Start::new(config, secrets)?;
            running::block_on(serve::run(start))
        }
    }
}
