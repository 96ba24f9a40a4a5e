//! `--install`: adds the hook or a completion to the place where a shell reads it. It first shows
//! the change, and makes it only if the person agrees.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{HookShell, Shell};
use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::password_input::{Question, agrees};
use super::ui::{GOOD, STRONG};
use super::{system, text};

/// Larger than any real startup file.
const FILE_LIMIT: usize = 1 << 20;

/// Adds the line that loads the hook to the shell's startup file; `words` run this program.
pub fn hook(context: &Context, shell: HookShell, words: &[String]) -> Result<End, Failure> {
    let program = words.join(" ");
    let (file, line) = match shell {
        HookShell::Bash => (".bashrc", format!("eval \"$({program} hook bash)\"")),
        HookShell::Zsh => (".zshrc", format!("eval \"$({program} hook zsh)\"")),
        HookShell::Fish => (
            ".config/fish/config.fish",
            format!("{program} hook fish | source"),
        ),
    };
    let path = user_home(context)?.join(file);
    let shown = text::escape(&path.display().to_string());
    let before = system::read(&path, FILE_LIMIT).unwrap_or_default();
    if takes_hook(&before) {
        context.ui.say(&format!("{shown} takes the hook already"));
        return Ok(End::Done);
    }
    let asked = format!("This line goes to the end of {STRONG}{shown}{STRONG:#}:\n\n  {line}\n");
    if !agreed(context, &asked)? {
        return Ok(End::Code(Code::Failed as u8));
    }
    let separator = if before.is_empty() || before.ends_with(b"\n") {
        ""
    } else {
        "\n"
    };
    make_directory(&path)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{separator}{line}\n").as_bytes()))
        .map_err(|error| unwritten(&path, &error))?;
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} added; new shells take it, and this one after: {line}"
    ));
    Ok(End::Done)
}

/// Whether a line of a startup file loads the hook.
pub fn takes_hook(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    let mut lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.any(|line| line.contains("nightlatch") && line.contains(" hook "))
}

/// Writes the completion `script` to the place where the shell looks for it.
pub fn completion(context: &Context, shell: Shell, script: &str) -> Result<End, Failure> {
    let file = match shell {
        Shell::Bash => ".local/share/bash-completion/completions/nightlatch",
        Shell::Zsh => ".zfunc/_nightlatch",
        Shell::Fish => ".config/fish/completions/nightlatch.fish",
        Shell::Powershell | Shell::Elvish => {
            return Err(
                Failure::usage("this shell has no place of its own for completions")
                    .hint("see nightlatch completions --help".to_owned()),
            );
        }
    };
    let path = user_home(context)?.join(file);
    let shown = text::escape(&path.display().to_string());
    if system::read(&path, FILE_LIMIT).is_some_and(|found| found == script.as_bytes()) {
        context.ui.say(&format!("{shown} is up to date"));
        return Ok(End::Done);
    }
    let asked = format!("The completion is written to {STRONG}{shown}{STRONG:#}.");
    if !agreed(context, &asked)? {
        return Ok(End::Code(Code::Failed as u8));
    }
    let dir = make_directory(&path)?;
    system::file_for_all(dir)
        .and_then(|mut new| {
            new.write_all(script.as_bytes())?;
            new.persist(&path).map_err(|error| error.error)
        })
        .map_err(|error| unwritten(&path, &error))?;
    let more = match shell {
        Shell::Zsh => "; zsh looks there with, before compinit: fpath+=~/.zfunc",
        _ => "; new shells complete",
    };
    context.ui.say(&format!("{GOOD}●{GOOD:#} written{more}"));
    Ok(End::Done)
}

/// Shows the change and asks for confirmation.
fn agreed(context: &Context, shown: &str) -> Result<bool, Failure> {
    let Some(mut terminal) = context.terminal() else {
        return Err(Failure::new(
            Code::Usage,
            "no_terminal",
            "there is no terminal to ask on, so nothing was changed",
        )
        .hint("without --install it is printed, to be put there by hand".to_owned()));
    };
    context.ui.say(shown);
    let is_yes = agrees(&mut terminal, Question::Add)?;
    if !is_yes {
        context.ui.say("nothing was changed");
    }
    Ok(is_yes)
}

fn user_home(context: &Context) -> Result<PathBuf, Failure> {
    let home = context.user_home.clone().map(PathBuf::from);
    home.filter(|home| home.is_absolute())
        .ok_or_else(|| Failure::failed("no_home", "HOME does not say where your own files are"))
}

/// The directory of `path`, created if it does not exist.
fn make_directory(path: &Path) -> Result<&Path, Failure> {
    let dir = path.parent().unwrap_or(path);
    std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, &error))?;
    Ok(dir)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed("file", format!("cannot write {}: {error}", path.display()))
}
