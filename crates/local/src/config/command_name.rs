//! Names of commands to wrap in a shell function: plain words that no shell interprets otherwise.

use std::fmt;
use std::str::FromStr;

/// Names with a meaning to bash, zsh or fish: keywords, builtins, and functions that a shell calls
/// by itself. They are one string, because a table of strings would slow every start of the
/// program.
const TAKEN: &str = "\
_ abbr alias and argparse autoload begin bg bind bindkey block break breakpoint builtin bye caller case cd chdir chpwd \
command command_not_found_handle command_not_found_handler commandline compadd comparguments compcall compctl \
compdescribe compfiles compgen compgroups complete compopt compquote compset comptags comptry compvalues contains \
continue coproc count declare dirs disable disown do done echo echotc echoti elif else emit emulate enable end esac eval \
exec exit export false fc fg fi float for foreach function functions getln getopts hash help history if in integer jobs \
kill let limit local log logout mapfile math nocorrect noglob not or path periodic popd precmd preexec print printf \
private prompt pushd pushln pwd r random read readarray readonly realpath rehash repeat return sched select set \
set_color setopt shift shopt source status string suspend switch test then time times trap true ttyctl type typeset \
ulimit umask unalias unfunction unhash unlimit unset unsetopt until vared wait whence where which while zcompile \
zformat zle zmodload zparseopts zregexparse zshaddhistory zshexit zstyle \
add-zsh-hook add-zle-hook-widget compdef compinit is-at-least isatty promptinit";

/// Prefixes of functions that a shell calls by itself, or that the hook defines.
const TAKEN_BEGINNINGS: [&str; 7] = [
    "TRAP",
    "fish_",
    "__fish",
    "zsh_",
    "zle-",
    "prompt_",
    "__nightlatch",
];

/// Longer than any program's name.
const LONGEST: usize = 100;

/// A program's name, such as `psql`: letters, digits and `_ - . +`, starting with a letter, a digit
/// or `_`. Not a path, not a word that a shell interprets, and not `nightlatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandName(String);

impl CommandName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be the name of a wrapped command.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCommandName {
    /// It is empty, too long, or contains other characters.
    #[error(
        "is no plain program name: write it as it is typed, without a path or arguments, in letters, digits and _ - . +"
    )]
    NotPlain,
    /// It is a shell keyword or builtin, or a function that a shell calls by itself.
    #[error("means something to a shell itself: leave it out, and guard programs only")]
    Taken,
    /// It is this program's name.
    #[error("is the guard itself: leave it out")]
    Guard,
}

impl FromStr for CommandName {
    type Err = BadCommandName;

    fn from_str(text: &str) -> Result<Self, BadCommandName> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_plain = text.len() <= LONGEST
            && text.bytes().next().is_some_and(is_word)
            && text
                .bytes()
                .all(|byte| is_word(byte) || b"-.+".contains(&byte));
        if !is_plain {
            return Err(BadCommandName::NotPlain);
        }
        if text == "nightlatch" {
            return Err(BadCommandName::Guard);
        }
        let begins_taken = TAKEN_BEGINNINGS.iter().any(|begin| text.starts_with(begin));
        if begins_taken || TAKEN.split(' ').any(|taken| taken == text) {
            return Err(BadCommandName::Taken);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The configured names, without duplicates.
pub(super) fn all(commands: &[String]) -> Result<Vec<CommandName>, String> {
    let mut names: Vec<CommandName> = Vec::with_capacity(commands.len());
    for command in commands {
        let wrong = |what: &dyn fmt::Display| format!("[guard] commands: \"{command}\" {what}");
        let name = command
            .parse::<CommandName>()
            .map_err(|error| wrong(&error))?;
        if names.contains(&name) {
            return Err(wrong(&"is named twice: name it once"));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_programs_are_taken_as_they_are() {
        for name in [
            "psql",
            "kubectl",
            "docker-compose",
            "g++",
            "python3.11",
            "7z",
            "_x",
            "X",
        ] {
            assert_eq!(name.parse::<CommandName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_a_shell_would_interpret_is_no_name_of_a_command() {
        for name in [
            "",
            " ",
            "a b",
            "./psql",
            "/bin/ls",
            "a;b",
            "$x",
            "a$(b)",
            "`a`",
            "a'b",
            "a\"b",
            "a\\b",
            "a\nb",
            "*",
            "a?",
            "[",
            "a=b",
            "-x",
            "+x",
            ".",
            "..",
            ".x",
            "~",
            "!",
            "a!",
            "#",
            "a&",
            "a|b",
            "a>b",
            "{a}",
            "(a)",
            "a%",
            "a:b",
            "a,b",
            "a@b",
            "ä",
            "a\u{202e}",
            "\u{1b}[31m",
        ] {
            assert_eq!(
                name.parse::<CommandName>(),
                Err(BadCommandName::NotPlain),
                "{name:?}"
            );
        }
        assert!("x".repeat(LONGEST + 1).parse::<CommandName>().is_err());
    }

    #[test]
    fn keywords_builtins_and_the_guard_itself_are_not_wrapped() {
        for name in [
            "if",
            "cd",
            "exec",
            "builtin",
            "command",
            "end",
            "precmd",
            "fish_prompt",
            "TRAPINT",
            "zsh_directory_name",
            "zsh_directory_name_of_mine",
            "zle-line-init",
            "prompt_adam1_setup",
            "__fish_complete_path",
            "add-zsh-hook",
            "_",
        ] {
            assert_eq!(
                name.parse::<CommandName>(),
                Err(BadCommandName::Taken),
                "{name}"
            );
        }
        assert_eq!(
            "nightlatch".parse::<CommandName>(),
            Err(BadCommandName::Guard)
        );
    }
}
