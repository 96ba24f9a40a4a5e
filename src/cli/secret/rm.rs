//! `secret rm`: removes a secret, after asking.

use super::report::shown;
use crate::cli::args::SecretRm;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::password_input::{Question, agrees};
use crate::cli::ui::STRONG;

pub fn run(context: &Context, args: &SecretRm) -> Result<End, Failure> {
    let guard = context.guard()?;
    let secrets = guard.secrets()?;
    if !args.yes {
        // Says that it does not exist before anybody is asked about it.
        secrets.facts(&args.name)?;
        if !agreed(context, args)? {
            return Ok(End::Code(Code::Failed as u8));
        }
    }
    secrets.remove(&args.name)?;
    if context.ui.json {
        let object = serde_json::json!({ "schema": 1, "removed": args.name.as_str() });
        context.ui.json(&object)?;
    } else {
        context.ui.say(&format!(
            "○ {STRONG}{}{STRONG:#} is removed",
            shown(&args.name)
        ));
    }
    Ok(End::Done)
}

fn agreed(context: &Context, args: &SecretRm) -> Result<bool, Failure> {
    let Some(mut terminal) = context.terminal() else {
        return Err(Failure::new(
            Code::Usage,
            "no_terminal",
            "there is no terminal to ask on, so nothing was removed",
        )
        .hint("confirm with --yes".to_owned()));
    };
    let is_yes = agrees(&mut terminal, Question::RemoveSecret(&args.name))?;
    if !is_yes {
        context.ui.say("nothing was removed");
    }
    Ok(is_yes)
}
