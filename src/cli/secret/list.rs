//! `secret list`: the names, without values.

use nightlatch_local::guard::SecretsCheck;
use nightlatch_local::secrets::SecretFacts;

use super::report::shown;
use crate::cli::context::Context;
use crate::cli::doctor::secrets::explained;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::table::{Column, Header, Shrink, table};

/// A secret in JSON output.
#[derive(serde::Serialize)]
pub(super) struct SecretRow<'a> {
    name: &'a str,
    version: u64,
    created_at: String,
    set_at: String,
}

impl<'a> SecretRow<'a> {
    pub fn of(facts: &'a SecretFacts) -> Self {
        Self {
            name: facts.name.as_str(),
            version: facts.version,
            created_at: facts.created_at.to_rfc3339(),
            set_at: facts.set_at.to_rfc3339(),
        }
    }
}

#[derive(serde::Serialize)]
struct Listing<'a> {
    schema: u32,
    /// Whether the database is as the audit log recorded it; `null` when that cannot be told.
    as_recorded: Option<bool>,
    secrets: Vec<SecretRow<'a>>,
}

pub fn run(context: &Context) -> Result<End, Failure> {
    let guard = context.guard()?;
    let secrets = guard.secrets()?;
    let all = secrets.list()?;
    let check = secrets.check()?;
    let wrong = explained(check);
    if let Some((found, advice)) = &wrong {
        context.ui.warn(&format!("{found}; {advice}"));
    }
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            as_recorded: (check != SecretsCheck::NotRecorded).then_some(wrong.is_none()),
            secrets: all.iter().map(SecretRow::of).collect(),
        })?;
        return Ok(End::Done);
    }
    if all.is_empty() {
        context
            .ui
            .say("there are no secrets; set one: nightlatch secret set NAME");
        return Ok(End::Done);
    }
    let columns = vec![
        Column::new(
            "NAME",
            Shrink::Down(12),
            all.iter().map(|facts| shown(&facts.name)),
        ),
        Column::new(
            "VERSION",
            Shrink::All(7),
            all.iter().map(|facts| facts.version.to_string()),
        ),
        Column::new(
            "SET",
            Shrink::All(10),
            all.iter().map(|facts| context.zone.second(facts.set_at)),
        ),
    ];
    let width = context.ui.width();
    let text = table(columns, 2, width, context.ellipsis(), Header::Shown);
    context.ui.data(&text)?;
    Ok(End::Done)
}
