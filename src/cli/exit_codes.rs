//! The exit codes, for people and programs.

use std::fmt::Write;

use super::end::End;
use super::exit::{Code, Failure};
use super::ui::Ui;

/// `--exit-codes`: prints the meaning of each.
pub fn print(ui: Ui) -> Result<End, Failure> {
    if ui.json {
        let codes = Code::MEANINGS
            .map(|(code, meaning)| serde_json::json!({ "code": code as u8, "meaning": meaning }));
        ui.json(&serde_json::json!({ "schema": 1, "exit_codes": codes }))?;
        return Ok(End::Done);
    }
    let mut text = String::new();
    for (code, meaning) in Code::MEANINGS {
        let _ = writeln!(text, "{:>3}  {meaning}", code as u8);
    }
    let _ = writeln!(text, "     {}", Code::OF_COMMANDS);
    ui.data(&text)?;
    Ok(End::Done)
}
