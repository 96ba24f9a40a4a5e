//! `config show` and `config check`.

use super::{Failure, settings, ui};
use crate::config::{Config, effective};

/// Prints every setting as it would be written in the file.
pub fn show(config: &Config) -> Result<u8, Failure> {
    let settings = effective(config);
    let mut section = "";
    for (name, value) in &settings {
        let (own, key) = name.split_once('.').unwrap_or(("", name));
        if own != section {
            section = own;
            ui::print(&format!("\n[{section}]"))?;
        }
        ui::print(&format!("{key} = {value}"))?;
    }
    Ok(0)
}

/// Checks what can be checked without starting.
pub fn check(config: &Config) -> Result<u8, Failure> {
    settings::check(config)?;
    ui::print("The configuration is valid.")?;
    Ok(0)
}
