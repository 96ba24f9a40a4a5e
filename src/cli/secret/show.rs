//! `secret show`: what is known of a secret, without its value.

use super::list::SecretRow;
use super::report::shown;
use crate::cli::args::SecretShow;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::ui::{FAINT, STRONG};

#[derive(serde::Serialize)]
struct Shown<'a> {
    schema: u32,
    #[serde(flatten)]
    secret: SecretRow<'a>,
}

pub fn run(context: &Context, args: &SecretShow) -> Result<End, Failure> {
    let guard = context.guard()?;
    let facts = guard.secrets()?.facts(&args.name)?;
    if context.ui.json {
        let secret = SecretRow::of(&facts);
        context.ui.json(&Shown { schema: 1, secret })?;
        return Ok(End::Done);
    }
    let zone = &context.zone;
    context.ui.data(&format!(
        "{STRONG}{}{STRONG:#}\n  {FAINT}version{FAINT:#}  {}\n  {FAINT}set{FAINT:#}      {}\n  {FAINT}created{FAINT:#}  {}\n",
        shown(&facts.name),
        facts.version,
        zone.second(facts.set_at),
        zone.second(facts.created_at),
    ))?;
    Ok(End::Done)
}
