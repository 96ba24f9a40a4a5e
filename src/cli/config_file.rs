//! `config path`, `config init`, `config edit`: the configuration file itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use nightlatch_local::config::{SettingValue, Settings};
use nightlatch_platform::fs::Dir;

use super::context::Context;
use super::editor::{self, Copies};
use super::end::End;
use super::exit::{Code, Failure};
use super::text;
use super::ui::GOOD;

/// `config path`: prints where the file is or would be.
pub fn path(context: &Context) -> Result<End, Failure> {
    let file = context.config.config_file();
    if context.ui.json {
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "file": file.display().to_string(),
            "file_exists": file.exists(),
        }))?;
    } else {
        let shown = text::escape(&file.display().to_string());
        context.ui.data(&format!("{shown}\n"))?;
    }
    Ok(End::Done)
}

/// `config init`: creates a file with every key and its default, all commented out.
pub fn init(context: &Context) -> Result<End, Failure> {
    let file = context.config.config_file();
    // A dangling link counts as existing.
    if file.symlink_metadata().is_ok() {
        let message = format!("{} is there already", file.display());
        return Err(Failure::new(Code::Refused, "file_exists", message)
            .hint("change it with: nightlatch config edit".to_owned()));
    }
    create(file)?;
    let shown = text::escape(&file.display().to_string());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} {shown} has every setting, commented out; change it with: nightlatch config edit"
    ));
    path(context)
}

/// `config edit`: opens the file in the person's editor. It is to be checked afterwards.
pub fn edit(context: &Context) -> Result<(), Failure> {
    let file = context.config.config_file();
    if file.symlink_metadata().is_err() {
        create(file)?;
    }
    editor::edit(context, file, Copies::Allowed)
}

fn create(file: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed("file", format!("cannot write {}: {error}", file.display()))
    };
    let dir = file.parent().unwrap_or(file);
    if !dir.exists() {
        if let Some(above) = dir.parent() {
            std::fs::create_dir_all(above).map_err(failed)?;
        }
        Dir::open_or_create(dir)?;
    }
    let mut new = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    new.write_all(defaults().as_bytes()).map_err(failed)?;
    // A file that was created meanwhile is kept.
    new.persist_noclobber(file)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// Every key with its default, commented out, by section.
fn defaults() -> String {
    let mut text =
        "# Nightlatch's settings, each with its default. Remove the # of a line to change it.\n\
         # What they mean: docs/config.md. What is in force: nightlatch config show\n\n"
            .to_owned();
    let mut section = String::new();
    for setting in Settings::default().iter() {
        let (of, key) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        if of != section {
            let _ = writeln!(text, "\n[{of}]");
            of.clone_into(&mut section);
        }
        let _ = match as_toml(&setting.value) {
            Some(value) => writeln!(text, "# {key} = {value}"),
            None => writeln!(text, "# {key} is not set"),
        };
    }
    text
}

/// The value in TOML; `None` if it is not set.
fn as_toml(value: &SettingValue) -> Option<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    Some(match value {
        SettingValue::Text(text) if text.is_empty() => return None,
        SettingValue::Text(text) => quoted(text),
        SettingValue::List(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            format!("[{}]", words.join(", "))
        }
        other => other.to_string(),
    })
}
