//! `man`: the manual pages, made of the command line itself, so that they cannot fall behind it.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::End;
use super::args::{Cli, Man};
use super::exit::{Code, Failure};
use super::system;
use super::ui::Ui;

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NIGHTLATCH_HOME", "As --home, which goes before it."),
    ("NIGHTLATCH_ACCOUNT", "As --account, which goes before it."),
    (
        "NIGHTLATCH_KEEPER",
        "Where the session's key lives: auto, kernel or agent. Goes before the configuration file.",
    ),
    (
        "NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM",
        "Whether output has colour.",
    ),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "Whether more than ASCII is drawn.",
    ),
    (
        "TZ",
        "The time zone in which people are shown times. JSON, CSV and exports are in UTC.",
    ),
    (
        "XDG_DATA_HOME, XDG_CONFIG_HOME, HOME",
        "Where the home and the configuration are.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "~/.local/share/nightlatch",
        "The home: accounts, sealed session files, the audit log. For its owner alone.",
    ),
    (
        "~/.config/nightlatch/config.toml",
        "The configuration; it need not exist. Under --home DIR it is DIR/config.toml.",
    ),
];

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

/// The command `help` says what the pages say.
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

/// The page of `command` and those of the commands below it.
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

/// Those with a page of their own.
fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|sub| !sub.is_hide_set())
}

/// `nightlatch-audit-list`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn page(command: &Command, program: &Command) -> Result<Vec<u8>, Failure> {
    let is_program = name(command) == name(program);
    let version = program.get_version().unwrap_or_default();
    let man = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    (|| {
        // Written here, as without a date the other fields would take its place.
        let (title, own) = (name(command).to_uppercase(), name(program));
        writeln!(
            text,
            ".TH {title} 1 \"\" \"{own} {version}\" \"Nightlatch\""
        )?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        if subcommands(command).next().is_some() {
            man.render_subcommands_section(&mut text)?;
        }
        rest(command, is_program, program).to_writer(&mut text)
    })()
    .map_err(|error| Failure::failed("output", error.to_string()))?;
    Ok(text)
}

/// What the command line does not know of itself: examples, exit codes, surroundings.
fn rest(command: &Command, is_program: bool, program: &Command) -> Roff {
    let mut roff = Roff::new();
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    let (text, codes) = after.split_once("Exit codes: ").unwrap_or((&after, ""));
    let (mut examples, mut notes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(example) => examples.push(example),
            None if line.starts_with("Example") || line.is_empty() => {}
            None => notes.push(line),
        }
    }
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
        roff.text([roman(notes.join("\n"))]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    if is_program {
        for (code, meaning) in Code::MEANINGS {
            roff.control("TP", []);
            roff.text([bold((code as u8).to_string())]);
            roff.text([roman(meaning)]);
        }
        roff.control("PP", []);
        roff.text([roman(Code::OF_COMMANDS)]);
    } else {
        if !codes.is_empty() {
            roff.text([roman(codes)]);
            roff.control("PP", []);
        }
        roff.text([
            roman("All codes are in "),
            bold(name(program)),
            roman("(1)."),
        ]);
    }
    if is_program {
        for (heading, entries) in [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
            roff.control("SH", [heading]);
            for (name, meaning) in entries {
                roff.control("TP", []);
                roff.text([italic(*name)]);
                roff.text([roman(*meaning)]);
            }
        }
    }
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for example in examples {
            roff.text([roman(example)]);
        }
        roff.control("fi", []);
    }
    see_also(&mut roff, command, program);
    roff
}

/// The pages above, beside and below.
fn see_also(roff: &mut Roff, command: &Command, program: &Command) {
    let own = name(command);
    let parent = own.rsplit_once('-').map(|(parent, _)| parent);
    let mut pages: Vec<&str> = subcommands(command).map(name).collect();
    if let Some(parent) = parent {
        pages.push(parent);
        pages.extend(below(program, parent).filter(|page| *page != own));
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

/// The pages right below that of `parent`.
fn below<'a>(program: &'a Command, parent: &str) -> impl Iterator<Item = &'a str> {
    let found = if name(program) == parent {
        Some(program)
    } else {
        subcommands(program).find(|sub| name(sub) == parent)
    };
    found.into_iter().flat_map(subcommands).map(name)
}
