//! Extracts the guarded commands from an invalid configuration, so that a shell can keep guarding
//! them.

use std::path::Path;

use super::command_name::CommandName;
use nightlatch_platform::fs;

/// Larger than any list of names.
const LIMIT: usize = 1 << 20;

/// The commands that the file at `path` lists under `commands`, as far as they can be recognized,
/// whatever else is wrong with it. Leaves out names that no shell should wrap. It is for a shell
/// that takes its wrappers from a file with a mistake: each wrapper refuses to run until the
/// mistake is fixed, whereas without wrappers nothing would be guarded.
pub fn guarded_commands_despite_mistakes(path: &Path) -> Vec<CommandName> {
    // Whoever can write to it could only cause a command to be refused.
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

/// The text between the brackets after a key, or the rest of the text if they are not closed.
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
