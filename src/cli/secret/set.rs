//! `secret set`: a new secret, or a new version of one.

use nightlatch_audit::SecretChange;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::guard::Expected;
use nightlatch_local::secrets::{SecretStoreError, VALUE_MAX_BYTES, generate};

use super::report::say_set;
use super::sources;
use crate::cli::args::SecretSet;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::password_input::Question;
use crate::cli::prompt::PromptError;

pub fn run(context: &Context, args: &SecretSet) -> Result<End, Failure> {
    let guard = context.guard()?;
    // Before anybody types a value for nothing.
    let secrets = guard.secrets()?;
    let value = if args.stdin {
        from_stdin()?
    } else if let Some(path) = &args.file {
        sources::file(path, VALUE_MAX_BYTES)?
    } else if let Some(length) = args.generate {
        generate(length).map_err(|error| Failure::failed("random", error.to_string()))?
    } else {
        let _live = guard.require("secret set")?;
        asked(context, args)?
    };
    let how = match args.generate {
        Some(_) => SecretChange::Generated,
        None => SecretChange::Set,
    };
    let version = secrets.set_if(&args.name, Expected::Anything, &value, how)?;
    say_set(context, &args.name, version)
}

/// Standard input to its end. A single line loses its line end, which `echo` adds; of several lines,
/// as of a key file, the last one keeps it.
fn from_stdin() -> Result<SecretBuffer, Failure> {
    let mut value = sources::standard_input(VALUE_MAX_BYTES)?;
    if sources::lines(&value) < 2 {
        sources::drop_line_end(&mut value);
    }
    Ok(value)
}

/// Asks for the value on the terminal twice, without showing it. What the terminal may have cut is
/// refused, and so is a paste of several lines, whose rest is dropped: the shell would run it.
fn asked(context: &Context, args: &SecretSet) -> Result<SecretBuffer, Failure> {
    let Some(mut terminal) = context.terminal() else {
        return Err(Failure::new(
            Code::Usage,
            "no_terminal",
            "there is no terminal to ask for the value on",
        )
        .hint("hand it in with --stdin or --file, or let --generate make one".to_owned()));
    };
    let questions = [
        Question::SecretValue(&args.name),
        Question::SecretValueAgain,
    ];
    let questions = questions.map(|question| question.to_string());
    let questions = questions.each_ref().map(String::as_str);
    let answers = terminal.read_single_lines(questions, |first| !first.is_empty());
    let refusal = match answers {
        Ok([first, second]) if first.expose() == second.expose() => return Ok(first),
        Ok(_) => refused("the two values are not the same"),
        Err(PromptError::NotAccepted) => SecretStoreError::EmptyValue.into(),
        Err(error @ (PromptError::TooLong { .. } | PromptError::SeveralLines)) => {
            refused(&error.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    terminal.drop_paste();
    Err(refusal)
}

fn refused(message: &str) -> Failure {
    Failure::new(Code::Refused, "bad_value", message)
        .hint("hand a long value or one of several lines in with --stdin or --file".to_owned())
}
