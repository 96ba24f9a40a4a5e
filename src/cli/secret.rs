//! `secret`: values that a session protects.

mod clipboard;
mod edit;
mod export;
mod get;
mod history;
mod import;
pub mod inject;
mod list;
mod pass;
mod rename;
mod report;
mod restore;
mod rm;
mod set;
mod show;
pub mod sources;

use super::args::SecretCommand;
use super::context::Context;
use super::end::End;
use super::exit::Failure;

pub fn run(context: &Context, command: &SecretCommand) -> Result<End, Failure> {
    match command {
        SecretCommand::Set(args) => set::run(context, args),
        SecretCommand::Get(args) => get::run(context, args),
        SecretCommand::List => list::run(context),
        SecretCommand::Show(args) => show::run(context, args),
        SecretCommand::Rename(args) => rename::run(context, args),
        SecretCommand::Rm(args) => rm::run(context, args),
        SecretCommand::Edit(args) => edit::run(context, args),
        SecretCommand::History(args) => history::run(context, args),
        SecretCommand::Restore(args) => restore::run(context, args),
        SecretCommand::Import(args) => import::run(context, args),
        SecretCommand::Export(args) => export::run(context, args),
        SecretCommand::Inject(args) => inject::run(context, args),
    }
}
