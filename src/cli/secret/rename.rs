//! `secret rename`: another name for a secret.

use super::report::shown;
use crate::cli::args::SecretRename;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::ui::{GOOD, STRONG};

pub fn run(context: &Context, args: &SecretRename) -> Result<End, Failure> {
    let guard = context.guard()?;
    let secrets = guard.secrets()?;
    let is_so_named = args.name == args.new;
    if is_so_named {
        secrets.facts(&args.name)?;
    } else {
        secrets.rename(&args.name, &args.new)?;
    }
    if context.ui.json {
        let object = serde_json::json!({ "schema": 1, "name": args.new.as_str() });
        context.ui.json(&object)?;
    } else if is_so_named {
        let name = shown(&args.name);
        context.ui.say(&format!("{name} has that name already"));
    } else {
        context.ui.say(&format!(
            "{GOOD}●{GOOD:#} {} is now {STRONG}{}{STRONG:#}",
            shown(&args.name),
            shown(&args.new)
        ));
    }
    Ok(End::Done)
}
