//! The manual pages.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, Run, files_in};

/// The options that `--help` of a command lists.
fn options(help: &str) -> Vec<&str> {
    let words = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('-'));
    let words = words.filter_map(|line| line.split("--").nth(1).or(line.strip_prefix('-')));
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    words.map(|word| word.split(end).next().unwrap()).collect()
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
                ".TH", ".SH", ".TP", ".PP", ".nf", ".fi", ".br", ".ie", ".el", ".sp", ".RS", ".RE",
                ".IP",
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
