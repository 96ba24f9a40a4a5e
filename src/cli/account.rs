//! `account`: lists, shows, changes, switches and removes accounts.

mod change;
mod meant;
pub mod recovery;
mod remove;
mod show;

use super::args::AccountCommand;
use super::context::Context;
use super::end::End;
use super::exit::Failure;

pub fn run(context: &Context, command: &AccountCommand) -> Result<End, Failure> {
    match command {
        AccountCommand::List => show::list(context),
        AccountCommand::Show(args) => show::show(context, args.email.as_deref()),
        AccountCommand::Switch(args) => change::switch(context, &args.email),
        AccountCommand::Rename(args) => change::rename(context, &args.name),
        AccountCommand::Email(args) => change::email(context, args),
        AccountCommand::Remove(args) => remove::run(context, args),
        AccountCommand::Recovery(args) => recovery::run(context, args),
    }
}
