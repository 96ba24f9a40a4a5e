//! `secret history`: the versions of a secret.

use crate::cli::args::SecretHistory;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;

#[derive(serde::Serialize)]
struct Version {
    version: u64,
    set_at: String,
}

#[derive(serde::Serialize)]
struct History<'a> {
    schema: u32,
    name: &'a str,
    versions: Vec<Version>,
}

pub fn run(context: &Context, args: &SecretHistory) -> Result<End, Failure> {
    let guard = context.guard()?;
    let versions = guard.secrets()?.history(&args.name)?;
    if context.ui.json {
        let versions = versions.iter().map(|facts| Version {
            version: facts.version,
            set_at: facts.set_at.to_rfc3339(),
        });
        context.ui.json(&History {
            schema: 1,
            name: args.name.as_str(),
            versions: versions.collect(),
        })?;
        return Ok(End::Done);
    }
    let lines = versions.iter().map(|facts| {
        let set = context.zone.second(facts.set_at);
        format!("{:>7}  {set}\n", facts.version)
    });
    context.ui.data(&lines.collect::<String>())?;
    Ok(End::Done)
}
