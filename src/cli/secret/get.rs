//! `secret get`: the value and nothing else, or the value in the clipboard.

use std::io::IsTerminal;

use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::secrets::SecretName;

use super::clipboard::{CLEARED_AFTER, Clipboard};
use super::report::shown;
use crate::cli::args::SecretGet;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;

pub fn run(context: &Context, args: &SecretGet) -> Result<End, Failure> {
    // Before the reading is recorded, which would be in vain without one.
    let clipboard = if args.copy {
        Some(Clipboard::find(context)?)
    } else {
        None
    };
    let guard = context.guard()?;
    let value = guard.secrets()?.get(&args.name, args.version)?;
    if let Some(clipboard) = clipboard {
        if !is_text(&value) {
            return Err(no_text(&args.name, "that can be pasted"));
        }
        let after = args.clear_after.unwrap_or(CLEARED_AFTER);
        clipboard.lend(context, (&shown(&args.name), value), after)?;
    } else if context.ui.on_terminal {
        on_terminal(context, &args.name, &value)?;
    } else {
        context.ui.secret(value.expose())?;
    }
    Ok(End::Done)
}

/// A terminal interprets some bytes, so a value that has them is not printed there.
fn on_terminal(context: &Context, name: &SecretName, value: &SecretBuffer) -> Result<(), Failure> {
    if !is_text(value) {
        return Err(no_text(name, "that a terminal can show"));
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

/// Whether the value is text without control characters but line ends and tabs.
fn is_text(value: &SecretBuffer) -> bool {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    std::str::from_utf8(value.expose()).is_ok_and(|text| text.chars().all(is_plain))
}

fn no_text(name: &SecretName, which: &str) -> Failure {
    let name = nightlatch_platform::fs::shell_word(name.as_str());
    Failure::failed("not_text", format!("the value is not text {which}")).hint(format!(
        "write it to a file: nightlatch secret get {name} >FILE"
    ))
}
