//! `man`: the manual pages, generated from the command line so that they stay up to date.

mod explained;

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Cli, Man};
use super::end::End;
use super::exit::{Code, Failure};
use super::system;
use super::ui::Ui;
use explained::{ACCOUNTS, EXPLAINED, Explained, SECRETS};

pub fn run(ui: Ui, args: &Man) -> Result<End, Failure> {
    let mut program = without_help_commands(Cli::command());
    program.build();
    match &args.dir {
        None => {
            ui.bytes(&page(&program, &program)?)?;
        }
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, &error))?;
            write_pages(dir, &program, &program)?;
        }
    }
    Ok(End::Done)
}

/// Removes the `help` commands, which the pages replace.
fn without_help_commands(command: Command) -> Command {
    let names: Vec<_> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, without_help_commands)
    })
}

/// Writes the pages of `command` and of its subcommands.
fn write_pages(dir: &Path, command: &Command, program: &Command) -> Result<(), Failure> {
    let path = dir.join(format!("{}.1", name(command)));
    let text = page(command, program)?;
    let written = system::file_for_all(dir).and_then(|mut file| {
        file.write_all(&text)?;
        file.persist(&path).map_err(|error| error.error)
    });
    written.map_err(|error| unwritten(&path, &error))?;
    for sub in subcommands(command) {
        write_pages(dir, sub, program)?;
    }
    Ok(())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed("file", format!("cannot write {}: {error}", path.display()))
}

/// The subcommands with a page of their own.
fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|sub| !sub.is_hide_set())
}

/// The page's name, such as `nightlatch-audit-list`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

/// The explanations of all pages.
fn every_page() -> impl Iterator<Item = &'static Explained> {
    EXPLAINED.iter().chain(ACCOUNTS).chain(SECRETS)
}

fn page(command: &Command, program: &Command) -> Result<Vec<u8>, Failure> {
    let version = program.get_version().unwrap_or_default();
    let explained = every_page().find(|page| page.page == name(command));
    let mut described = command
        .clone()
        .mut_args(|argument| argument.hide_possible_values(false));
    if let Some(explained) = explained {
        described = described.long_about(explained.description);
    }
    let man = clap_mangen::Man::new(described);
    let mut text = Vec::new();
    (|| {
        // Written by hand: without a date, the other fields would move to the wrong place.
        let (title, own) = (name(command).to_uppercase(), name(program));
        writeln!(
            text,
            ".TH {title} 1 \"\" \"{own} {version}\" \"Nightlatch\""
        )?;
        // Do not hyphenate: names and options must not be broken.
        writeln!(text, ".nh\n.ad l")?;
        man.render_name_section(&mut text)?;
        synopsis(command).to_writer(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        if subcommands(command).next().is_some() {
            man.render_subcommands_section(&mut text)?;
        }
        rest(command, explained, program).to_writer(&mut text)
    })()
    .map_err(|error| Failure::failed("output", error.to_string()))?;
    Ok(text)
}

/// The synopsis, as in the help.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.control("nf", []);
    for line in usage.trim_start_matches("Usage:").lines() {
        roff.text([roman(line.trim())]);
    }
    roff.control("fi", []);
    roff
}

/// The sections that the command line does not provide: exit codes, environment, files, examples.
fn rest(command: &Command, explained: Option<&Explained>, program: &Command) -> Roff {
    let mut roff = Roff::new();
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    let (blocks, codes) = after.split_once("Exit codes: ").unwrap_or((&after, ""));
    let (examples, notes): (Vec<_>, Vec<_>) = blocks
        .split("\n\n")
        .filter(|block| !block.is_empty())
        .partition(|block| block.starts_with("Example"));
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
        for note in notes {
            block(&mut roff, note);
        }
    }
    roff.control("SH", ["EXIT STATUS"]);
    if name(command) == name(program) {
        let meanings = Code::MEANINGS.map(|(code, meaning)| ((code as u8).to_string(), meaning));
        let meanings = meanings.iter();
        terms(
            &mut roff,
            meanings.map(|(code, meaning)| (&**code, *meaning)),
        );
        roff.control("PP", []);
        roff.text([roman(Code::OF_COMMANDS)]);
    } else {
        exit_codes(&mut roff, codes);
        roff.control("PP", []);
        roff.text([
            roman("All codes are in "),
            bold(name(program)),
            roman("(1)."),
        ]);
    }
    let (environment, files) = explained.map_or((&[][..], &[][..]), |explained| {
        (explained.environment, explained.files)
    });
    for (heading, entries) in [("ENVIRONMENT", environment), ("FILES", files)] {
        if !entries.is_empty() {
            roff.control("SH", [heading]);
            terms(&mut roff, entries.iter().copied());
        }
    }
    roff.control("SH", ["EXAMPLES"]);
    for example in examples {
        let example = example.trim_end();
        let own_line = example.strip_prefix("Example: ").unwrap_or_default();
        let lines = example
            .split_once('\n')
            .map_or(own_line, |(_, lines)| lines);
        block(&mut roff, lines);
    }
    see_also(&mut roff, command, program);
    roff
}

/// Lines of the help: indented lines verbatim, others as text.
fn block(roff: &mut Roff, lines: &str) {
    let mut is_as_written = false;
    roff.control("PP", []);
    for line in lines.lines() {
        let as_written = line.strip_prefix("  ");
        if as_written.is_some() != is_as_written {
            is_as_written = as_written.is_some();
            roff.control(if is_as_written { "nf" } else { "fi" }, []);
        }
        roff.text([roman(as_written.unwrap_or(line))]);
    }
    if is_as_written {
        roff.control("fi", []);
    }
}

/// A list of terms with their meanings.
fn terms<'a>(roff: &mut Roff, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    for (term, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text([roman(meaning)]);
    }
}

/// Splits `3 too little time left; 4 no live session` into one entry per code.
fn exit_codes(roff: &mut Roff, codes: &str) {
    let codes = codes.replace('\n', " ");
    let parts = codes.trim_end_matches('.').split("; ");
    for part in parts.filter(|part| !part.is_empty()) {
        let end = part.find(|c: char| !c.is_ascii_digit());
        match part.split_at(end.unwrap_or(part.len())) {
            ("", text) => {
                roff.text([roman(text)]);
            }
            (code, meaning) => terms(roff, [(code, meaning.trim_start())].into_iter()),
        }
    }
}

/// The parent, sibling and child pages.
fn see_also(roff: &mut Roff, command: &Command, program: &Command) {
    let own = name(command);
    let parent = own.rsplit_once('-').map(|(parent, _)| parent);
    let mut pages: Vec<&str> = subcommands(command).map(name).collect();
    if let Some(parent) = parent {
        pages.push(parent);
        let above = subcommands(program).find(|sub| name(sub) == parent);
        let beside = above.into_iter().flat_map(subcommands).map(name);
        pages.extend(beside.filter(|page| *page != own));
    }
    pages.sort_unstable();
    pages.dedup();
    roff.control("SH", ["SEE ALSO"]);
    let last = pages.len().saturating_sub(1);
    for (at, page) in pages.into_iter().enumerate() {
        let end = if at == last { "(1)" } else { "(1)," };
        roff.text([bold(page), roman(end)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_explained_and_no_other() {
        fn gather(command: &Command, pages: &mut Vec<String>) {
            pages.push(name(command).to_owned());
            for sub in subcommands(command) {
                gather(sub, pages);
            }
        }
        let mut program = without_help_commands(Cli::command());
        program.build();
        let mut pages = Vec::new();
        gather(&program, &mut pages);
        let mut explained: Vec<_> = every_page().map(|page| page.page).collect();
        explained.sort_unstable();
        pages.sort_unstable();
        assert_eq!(explained, pages);
    }

    #[test]
    fn no_description_has_two_spaces_in_a_row() {
        for page in every_page() {
            assert!(!page.description.contains("  "), "{}", page.page);
        }
    }
}
