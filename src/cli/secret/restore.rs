//! `secret restore`: an older value as the current one.

use super::report::say_set;
use crate::cli::args::SecretRestore;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;

pub fn run(context: &Context, args: &SecretRestore) -> Result<End, Failure> {
    let guard = context.guard()?;
    let version = guard.secrets()?.restore(&args.name, args.version)?;
    say_set(context, &args.name, version)
}
