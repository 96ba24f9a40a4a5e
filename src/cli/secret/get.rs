//! `secret get`: the value, and nothing else.

use std::io::IsTerminal;

use nightlatch::memory::SecretBuffer;
use nightlatch::secrets::SecretName;

use super::report::shown;
use crate::cli::args::SecretGet;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;

pub fn run(context: &Context, args: &SecretGet) -> Result<End, Failure> {
    let guard = context.guard()?;
    let value = guard.secrets()?.get(&args.name, args.version)?;
    if context.ui.on_terminal {
        on_terminal(context, &args.name, &value)?;
    } else {
        context.ui.secret(value.expose())?;
    }
    Ok(End::Done)
}

/// A terminal interprets some bytes, so a value that has them is not printed there.
fn on_terminal(context: &Context, name: &SecretName, value: &SecretBuffer) -> Result<(), Failure> {
    let is_text = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    };
    if !std::str::from_utf8(value.expose()).is_ok_and(is_text) {
        return Err(
            Failure::failed("not_text", "the value is not text that a terminal can show").hint(
                format!(
                    "write it to a file: nightlatch secret get {} >FILE",
                    nightlatch::shell_word(name.as_str())
                ),
            ),
        );
    }
    context
        .ui
        .say(&format!("the value of {} is shown here:", shown(name)));
    context.ui.secret(value.expose())?;
    if std::io::stderr().is_terminal() {
        context.ui.say("");
    }
    Ok(())
}
