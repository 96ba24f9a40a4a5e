//! The guarded commands of a configuration that cannot be used: what a shell goes on guarding.

use std::path::Path;

use super::command_name::CommandName;
use nightlatch_platform::fs;

/// More than a file of names has.
const LIMIT: usize = 1 << 20;

/// The commands that the file at `path` names under `commands`, whatever else is wrong with it, as far as
/// that can be told; names that no shell should wrap are left out. For a shell that takes its wrappers
/// from a file with a mistake: each of them refuses until the mistake is gone, where none would guard
/// nothing.
pub fn guarded_commands_despite_mistakes(path: &Path) -> Vec<CommandName> {
    // Who could write to it could only have a command refused.
    let content = fs::read_any_file(path, LIMIT).ok().flatten();
    let content = content.unwrap_or_default();
    named_in(&String::from_utf8_lossy(&content))
}

fn named_in(text: &str) -> Vec<CommandName> {
    let lines = text.lines();
    let kept: Vec<_> = lines
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let text = kept.join("\n");
    let mut names = Vec::new();
    for (at, key) in text.match_indices("commands") {
        let Some(list) = list_after(&text[at + key.len()..]) else {
            continue;
        };
        let quoted = list.split(['"', '\'']).skip(1).step_by(2);
        for name in quoted.filter_map(|name| name.parse::<CommandName>().ok()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What stands between the brackets after a key, or up to the end of what was begun.
fn list_after(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(['"', '\'']).trim_start();
    let text = text.strip_prefix('=')?.trim_start().strip_prefix('[')?;
    let end = text
        .find(']')
        .or_else(|| text.find("\n["))
        .unwrap_or(text.len());
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_beside_whatever_mistake() {
        let found = |text: &str| {
            let names = named_in(text);
            names
                .iter()
                .map(CommandName::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        for text in [
            "idel = 5\n[guard]\ncommands = [\"psql\", 'kubectl']\n",
            "[guard]\ncommands = [\n  \"psql\", # a word\n  \"kubectl\",\n]\n[audit\n",
            "[guard\ncommands=[\"psql\",\"kubectl\"",
            "guard.commands = [\"psql\", \"kubectl\", \"cd\", \"a b\", \"psql\"]",
            "[guard]\ncommands = [\"psql\", \"kubectl\"\n[audit]\nretention = \"90d\"",
        ] {
            assert_eq!(found(text), "psql kubectl", "{text}");
        }
        for text in [
            "",
            "commands",
            "# commands = [\"ls\"]",
            "commands = \"ls\"",
            "[guard]",
        ] {
            assert_eq!(found(text), "", "{text}");
        }
    }
}
