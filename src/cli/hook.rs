//! `hook`: prints shell code that guards commands and shows the session in the prompt.

use std::path::{Path, PathBuf};

use askama::Template;
use nightlatch_local::config::Config;
use nightlatch_local::config::{CommandName, guarded_commands_despite_mistakes};
use nightlatch_local::guard::{GuardError, last_guarded_commands};
use nightlatch_platform::fs::shell_word;

use super::args::{Hook, HookShell};
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::system::is_same_file;
use super::{install, search_path, text};

/// The values for the templates.
struct Parts {
    /// The guarded commands, with names that every shell accepts unquoted.
    commands: Vec<CommandName>,
    /// The same names, separated by spaces.
    names: String,
    /// This program with its global options, quoted for the shell.
    nightlatch: String,
    places_prompt: bool,
}

#[derive(Template)]
#[template(path = "hook/bash.sh", escape = "none")]
struct Bash<'a> {
    hook: &'a Parts,
}

#[derive(Template)]
#[template(path = "hook/zsh.zsh", escape = "none")]
struct Zsh {
    body: String,
}

#[derive(Template)]
#[template(path = "hook/zsh-body.zsh", escape = "none")]
struct ZshBody<'a> {
    hook: &'a Parts,
}

#[derive(Template)]
#[template(path = "hook/fish.fish", escape = "none")]
struct Fish<'a> {
    hook: &'a Parts,
}

pub fn run(context: &Context, args: &Hook) -> Result<End, Failure> {
    let quote = match args.shell {
        HookShell::Bash | HookShell::Zsh => shell_word,
        HookShell::Fish => quote_for_fish,
    };
    if args.install {
        let mut words = this_program(context)?;
        // Use the plain name if it leads to this program.
        let as_typed = context.search_path.as_ref();
        let as_typed = as_typed.and_then(|path| search_path::find(path, "nightlatch".as_ref()));
        if as_typed.is_some_and(|found| is_same_file(&found, Path::new(&words[0]))) {
            "nightlatch".clone_into(&mut words[0]);
        }
        let quoted = |word: &String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@".contains(c);
            if word.chars().all(is_plain) {
                word.clone()
            } else {
                quote(word)
            }
        };
        let words: Vec<_> = words.iter().map(quoted).collect();
        return install::hook(context, args.shell, &words);
    }
    let file = context.config.config_file();
    let (commands, mistake) = match Config::load(file) {
        Ok(config) => (config.guarded_commands, None),
        Err(error) => {
            // Each wrapper refuses to run until the mistake is fixed. Without wrappers nothing
            // would be guarded.
            let mut commands = guarded_commands_despite_mistakes(file);
            for known in last_guarded_commands(context.config.home()) {
                if !commands.contains(&known) {
                    commands.push(known);
                }
            }
            let mistake = Failure::from(GuardError::from(error));
            if commands.is_empty() {
                return Err(mistake);
            }
            (commands, Some(mistake))
        }
    };
    let names: Vec<_> = commands.iter().map(CommandName::as_str).collect();
    let hook = Parts {
        names: names.join(" "),
        nightlatch: this_program(context)?
            .iter()
            .map(|word| quote(word))
            .collect::<Vec<_>>()
            .join(" "),
        places_prompt: !args.no_prompt,
        commands,
    };
    let code = match args.shell {
        HookShell::Bash => Bash { hook: &hook }.render(),
        HookShell::Zsh => ZshBody { hook: &hook }.render().and_then(|body| {
            Zsh {
                body: quote_on_one_line(&body),
            }
            .render()
        }),
        HookShell::Fish => Fish { hook: &hook }.render(),
    };
    let code = code.map_err(|error| Failure::failed("output", error.to_string()))?;
    context.ui.bytes(format!("{code}\n").as_bytes())?;
    mistake.map_or(Ok(End::Done), Err)
}

/// The words that run this program, from any directory, with the home and the account from the
/// command line. Those from the environment stay in the environment.
fn this_program(context: &Context) -> Result<Vec<String>, Failure> {
    let program = (context.program)().ok_or_else(|| {
        Failure::failed("hook", "cannot tell where this program lies")
            .hint("mount /proc, or start it by its full path".to_owned())
    })?;
    let program = found_as(context, &program).unwrap_or(program);
    let mut words = vec![plain(&program)?];
    if let Some(home) = &context.global.home {
        let home: PathBuf = std::path::absolute(home)
            .map_err(|error| Failure::failed("file", format!("{}: {error}", home.display())))?;
        words.extend(["--home".to_owned(), plain(&home)?]);
    }
    if let (Some(_), Some(account)) = (&context.global.account, &context.account) {
        words.extend(["--account".to_owned(), account.normalized().to_owned()]);
    }
    Ok(words)
}

/// The path by which `program` was found, if it leads to it: an upgrade replaces the program at
/// that path, and may remove its actual location.
fn found_as(context: &Context, program: &Path) -> Option<PathBuf> {
    let named = Path::new(&context.invoked_as);
    let found = if named.components().count() > 1 {
        std::path::absolute(named).ok()?
    } else {
        search_path::find(context.search_path.as_ref()?, named)?
    };
    (found.is_absolute() && is_same_file(&found, program)).then_some(found)
}

/// The path as text that is safe to show on a terminal, where people look at a hook first.
fn plain(path: &Path) -> Result<String, Failure> {
    match path.to_str() {
        Some(text) if text::escape(text) == text => Ok(text.to_owned()),
        _ => Err(Failure::failed(
            "hook",
            format!(
                "{}: no shell code can safely name this path",
                path.display()
            ),
        )
        .hint("use a path of plain, visible characters".to_owned())),
    }
}

/// Quotes for zsh on one line: its option `csh_junkie_quotes` forbids a newline in single quotes.
fn quote_on_one_line(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('\'', r"\'");
    format!("$'{}'", escaped.replace('\n', r"\n"))
}

/// Quotes for fish, where a backslash is special in quotes, too.
fn quote_for_fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_has_no_quote_that_ends_it_early() {
        assert_eq!(quote_for_fish(r"a'b $c\"), r"'a\'b $c\\'");
        assert_eq!(quote_on_one_line("a'b\n$c\\"), r"$'a\'b\n$c\\'");
    }
}
