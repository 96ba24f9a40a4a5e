//! The manual pages.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use unicode_width::UnicodeWidthStr;

use crate::support::{Home, Run, files_in};

/// The options in the `--help` of a command.
fn options(help: &str) -> Vec<&str> {
    let words = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('-'));
    let words = words.filter_map(|line| line.split("--").nth(1).or(line.strip_prefix('-')));
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    words.map(|word| word.split(end).next().unwrap()).collect()
}

/// The pages, and the home that wrote them.
fn pages() -> (Home, Vec<PathBuf>) {
    let home = Home::bare();
    let pages = home.outside("man");
    home.run(&["man", "--dir", pages.to_str().unwrap()])
        .succeeds();
    let files = files_in(&pages);
    assert!(files.len() > 25, "{files:?}");
    (home, files)
}

/// The words of the command that `page` describes.
fn command_of(page: &Path) -> Vec<&str> {
    let name = page.file_stem().unwrap().to_str().unwrap();
    name.split('-').skip(1).collect()
}

/// The lines of the section with this heading.
fn section<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = page.lines().skip_while(|line| {
        let named = line
            .strip_prefix(".SH ")
            .map(|name| name.replace(['"', '\\'], ""));
        named.as_deref() != Some(heading)
    });
    let lines = lines.skip(1).take_while(|line| !line.starts_with(".SH"));
    lines.collect()
}

#[test]
fn every_help_fits_80_columns_and_40_lines() {
    let (home, pages) = pages();
    for page in pages {
        let mut arguments = command_of(&page);
        arguments.push("--help");
        let help = home.run(&arguments).succeeds().stdout;
        let widest = help.lines().map(UnicodeWidthStr::width).max();
        assert!(widest <= Some(80), "{arguments:?}: {widest:?}\n{help}");
        assert!(help.lines().count() <= 40, "{arguments:?}\n{help}");
        // An option and its description are on one line.
        let options = help
            .lines()
            .filter(|line| line.trim_start().starts_with('-'));
        for option in options {
            assert!(
                option.trim_start().contains("  "),
                "{arguments:?}: {option}"
            );
        }
        let mut wide = home.command(&arguments);
        wide.env("COLUMNS", "200");
        assert_eq!(Run::of(wide).succeeds().stdout, help);
        *arguments.last_mut().unwrap() = "-h";
        assert_eq!(home.run(&arguments).succeeds().stdout, help);
    }
}

#[test]
fn every_page_explains_its_command_beyond_the_help() {
    let (home, pages) = pages();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let mut arguments = command_of(&page);
        arguments.push("--help");
        let help = home.run(&arguments).succeeds().stdout;
        let description = section(&text, "DESCRIPTION").join(" ");
        assert!(
            description.len() > 100 && description.len() > help.lines().next().unwrap().len(),
            "{}: {description}",
            page.display()
        );
        assert!(!section(&text, "EXIT STATUS").is_empty());
    }
}

#[test]
fn every_page_is_formatted_without_warnings_within_80_columns() {
    let (_home, pages) = pages();
    let groff = |page: &Path| {
        let mut groff = Command::new("groff");
        groff
            .args(["-man", "-Tutf8", "-ww", "-rLL=80n", "-P-cbou"])
            .arg(page);
        groff.output()
    };
    for page in pages {
        let Ok(output) = groff(&page) else {
            println!("SKIPPED: there is no groff");
            return;
        };
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{warnings}");
        let text = String::from_utf8(output.stdout).unwrap();
        let widest = text.lines().map(UnicodeWidthStr::width).max();
        assert!(widest <= Some(80), "{}: {widest:?}\n{text}", page.display());
    }
}

#[test]
fn every_command_has_a_page_with_all_of_its_options_examples_and_codes() {
    let home = Home::bare();
    let pages = home.outside("man");
    let mut command = home.command(&["man", "--dir", pages.to_str().unwrap()]);
    command.env_remove("HOME").env_remove("NIGHTLATCH_HOME");
    Run::of(command).succeeds();
    let files = files_in(&pages);
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let arguments: Vec<_> = name.split('-').skip(1).chain(["--help"]).collect();
        let help = home.run(&arguments).succeeds().stdout;
        assert!(options(&help).len() > 5, "{help}");
        for option in options(&help) {
            let written = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(text.contains(&written), "{name}: no {option}");
        }
        for section in ["NAME", "SYNOPSIS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            let heading = section.replace(' ', "\\ ");
            let is_there = text.contains(&format!(".SH {section}\n"))
                || text.contains(&format!(".SH \"{section}\"\n"))
                || text.contains(&format!(".SH {heading}\n"));
            assert!(is_there, "{name}: no {section} in {text}");
        }
        for line in text.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split_whitespace().next().unwrap();
            let known = [
                ".TH", ".nh", ".ad", ".SH", ".TP", ".PP", ".nf", ".fi", ".br", ".ie", ".el", ".sp",
                ".RS", ".RE", ".IP",
            ];
            assert!(known.contains(&request), "{name}: {line}");
        }
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444, "{name} is for all to read");
    }
    assert!(!home.path().exists());
}

#[test]
fn the_pages_refer_only_to_pages_there_are() {
    let home = Home::bare();
    let pages = home.outside("man");
    home.run(&["man", "--dir", pages.to_str().unwrap()])
        .succeeds();
    for file in files_in(&pages) {
        let text = std::fs::read_to_string(&file).unwrap().replace("\\fR", "");
        let text = text.replace("\\fB", "").replace("\\-", "-");
        for (at, _) in text.match_indices("(1)") {
            let start = text[..at].rfind([' ', '\n']).map_or(0, |start| start + 1);
            let page = pages.join(format!("{}.1", &text[start..at]));
            assert!(page.is_file(), "{}: {}", file.display(), page.display());
        }
    }
}

#[test]
fn the_page_of_the_program_goes_to_standard_output_and_has_every_exit_code() {
    let home = Home::bare();
    let page = home.run(&["man"]).succeeds().stdout;
    assert!(page.starts_with(".TH NIGHTLATCH 1 "), "{page}");
    let codes = home.run(&["--exit-codes", "--json"]).succeeds().json();
    let readme = include_str!("../../README.md");
    for code in codes["exit_codes"].as_array().unwrap() {
        let number = &code["code"];
        assert!(page.contains(&format!("\\fB{number}\\fR\n")), "{number}");
        if number.as_u64().unwrap() < 100 {
            let row = format!("| {number} | {} |", code["meaning"].as_str().unwrap());
            assert!(readme.contains(&row), "README.md has no {row}");
        }
    }
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_that_names_it() {
    let home = Home::new();
    let file = home.path().join("config.toml");
    let inside = file.join("man");
    home.run(&["man", "--dir", inside.to_str().unwrap()])
        .refuses(1, "config.toml/man");
}
