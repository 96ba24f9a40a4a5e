//! `account list` and `account show`.

use std::fmt::Write as _;

use nightlatch_local::account::{Account, DisplayName};
use nightlatch_local::guard::{AccountOverview, Profile};
use nightlatch_local::session::SessionState;
use serde::Serialize;

use super::meant::meant;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::session::describe;
use crate::cli::table::{Column, Header, Shrink, table};
use crate::cli::text::escape;
use crate::cli::ui::{FAINT, STRONG};

/// An account in JSON output.
#[derive(Serialize)]
struct Row<'a> {
    account_id: String,
    email: &'a str,
    name: Option<&'a str>,
    created_at: String,
    updated_at: String,
    current: bool,
    signed_in: bool,
}

#[derive(Serialize)]
struct Listing<'a> {
    schema: u32,
    accounts: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    #[serde(flatten)]
    account: Row<'a>,
    expires_at: Option<String>,
    recovery_code_created_at: Option<String>,
    secrets: u64,
}

impl<'a> Row<'a> {
    fn of_overview(overview: &'a AccountOverview) -> Self {
        let AccountOverview {
            account,
            is_current,
            is_signed_in,
            ..
        } = overview;
        Self::of(account, *is_current, *is_signed_in)
    }

    fn of(account: &'a Account, current: bool, signed_in: bool) -> Self {
        Self {
            account_id: account.id.to_string(),
            email: account.email.as_str(),
            name: account.name.as_ref().map(DisplayName::as_str),
            created_at: account.created_at.to_rfc3339(),
            updated_at: account.updated_at.to_rfc3339(),
            current,
            signed_in,
        }
    }
}

pub fn list(context: &Context) -> Result<End, Failure> {
    let accounts = context.guard_to_look()?.list_accounts()?;
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            accounts: accounts.iter().map(Row::of_overview).collect(),
        })?;
        return Ok(End::Done);
    }
    if accounts.is_empty() {
        context
            .ui
            .say("there is no account yet; create one with: nightlatch register");
        return Ok(End::Done);
    }
    let column = |heading, gives, cell: &dyn Fn(&AccountOverview) -> String| {
        Column::new(heading, gives, accounts.iter().map(cell))
    };
    let name = |it: &AccountOverview| {
        let name = it.account.name.as_ref();
        name.map_or_else(|| "-".to_owned(), |name| escape(name.as_str()))
    };
    let state = |it: &AccountOverview| match (it.is_current, it.is_signed_in) {
        (true, true) => "in use, signed in",
        (true, false) => "in use",
        (false, true) => "signed in",
        (false, false) => "-",
    };
    let columns = vec![
        column("EMAIL", Shrink::Down(12), &|it| {
            escape(it.account.email.as_str())
        }),
        column("NAME", Shrink::All(6), &name),
        column("CREATED", Shrink::All(10), &|it| {
            context.zone.minute(it.account.created_at)
        }),
        column("STATE", Shrink::Nothing, &|it| state(it).to_owned()),
    ];
    let (width, sign) = (context.ui.width(), context.ellipsis());
    context
        .ui
        .data(&table(columns, 2, width, sign, Header::Shown))?;
    Ok(End::Done)
}

pub fn show(context: &Context, named: Option<&str>) -> Result<End, Failure> {
    let guard = context.guard_to_look()?;
    let account = meant(&guard, named)?;
    let profile = guard.profile(&account)?;
    let is_signed_in = profile.session.state == SessionState::Active;
    if context.ui.json {
        context.ui.json(&Shown {
            schema: 1,
            account: Row::of(&account, profile.is_current, is_signed_in),
            expires_at: profile
                .session
                .expires_at
                .filter(|_| is_signed_in)
                .map(nightlatch_core::clock::Timestamp::to_rfc3339),
            recovery_code_created_at: profile
                .recovery_code_since
                .map(nightlatch_core::clock::Timestamp::to_rfc3339),
            secrets: profile.secrets,
        })?;
    } else {
        context.ui.data(&in_words(context, &profile))?;
    }
    Ok(End::Done)
}

fn in_words(context: &Context, profile: &Profile) -> String {
    let account = &profile.account;
    let time = |time| context.zone.second(time);
    let name = account.name.as_ref().map_or("-", DisplayName::as_str);
    let code = profile.recovery_code_since.map_or_else(
        || "none; make one with: nightlatch account recovery --new".to_owned(),
        |since| format!("made {}", time(since)),
    );
    let in_use = if profile.is_current { ", in use" } else { "" };
    let email = escape(account.email.as_str());
    let mut text = format!("{STRONG}{email}{STRONG:#}{in_use}\n");
    for (key, value) in [
        ("name", escape(name)),
        ("created", time(account.created_at)),
        ("changed", time(account.updated_at)),
        ("recovery code", code),
        ("secrets", profile.secrets.to_string()),
    ] {
        let _ = writeln!(text, "  {FAINT}{key:<13}{FAINT:#}  {value}");
    }
    text + &describe(&profile.session, &context.zone)
}
