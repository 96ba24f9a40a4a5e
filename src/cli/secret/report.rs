//! What the commands of `secret` have in common in their reports.

use nightlatch_local::secrets::SecretName;

use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::text;
use crate::cli::ui::{GOOD, STRONG};

/// A name for a person.
pub fn shown(name: &SecretName) -> String {
    text::escape(name.as_str())
}

/// Reports that a secret has a new version.
pub fn say_set(context: &Context, name: &SecretName, version: u64) -> Result<End, Failure> {
    if context.ui.json {
        let object = serde_json::json!({ "schema": 1, "name": name.as_str(), "version": version });
        context.ui.json(&object)?;
    } else {
        context.ui.say(&format!(
            "{GOOD}●{GOOD:#} {STRONG}{}{STRONG:#} is set, version {version}",
            shown(name)
        ));
    }
    Ok(End::Done)
}
