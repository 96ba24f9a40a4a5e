//! Shows more than a screen of text in a pager, as git and man do.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use super::context::Context;
use super::exit::Failure;
use super::terminal::{interruption, lines};

/// Quits if everything fits, shows colours, and leaves the text on the screen.
const LESS: (&str, &str) = ("less", "-FRX");

/// Prints `text` to stdout, through the pager if it is longer than the terminal. Text from
/// elsewhere must already be escaped.
///
/// # Errors
/// When writing to stdout fails.
pub fn page(context: &Context, text: &str) -> Result<(), Failure> {
    let fits = |screen| text.lines().count() < screen;
    let is_short = !io::stdout().is_terminal() || lines(io::stdout()).is_none_or(fits);
    if is_short || !is_paged(context, text) {
        context.ui.data(text)?;
    }
    Ok(())
}

/// Whether a pager showed the text.
fn is_paged(context: &Context, text: &str) -> bool {
    let mut command = match &context.pager {
        None => {
            let mut less = Command::new(LESS.0);
            less.arg(LESS.1);
            less
        }
        Some(pager) => {
            let words = pager.to_str().and_then(super::text::words);
            let Some((program, arguments)) = words.as_deref().and_then(<[_]>::split_first) else {
                context.ui.warn("cannot read the pager's command line");
                return false;
            };
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    };
    // The pager handles Ctrl-C.
    let _ = interruption();
    let mut pager = match command.stdin(Stdio::piped()).spawn() {
        Ok(pager) => pager,
        Err(error) => {
            if context.pager.is_some() {
                context.ui.warn(&format!("cannot start the pager: {error}"));
            }
            return false;
        }
    };
    if let Some(mut input) = pager.stdin.take() {
        let is_plain = AutoStream::choice(&io::stdout()) == ColorChoice::Never;
        // The person quit the pager early, which is not an error.
        let _ = if is_plain {
            input.write_all(strip_str(text).to_string().as_bytes())
        } else {
            input.write_all(text.as_bytes())
        };
    }
    let _ = pager.wait();
    true
}
