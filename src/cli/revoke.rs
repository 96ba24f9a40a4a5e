//! `revoke`: ends sessions for a reason, with the commands under them, even if other things are
//! broken, and reports those afterwards.

use nightlatch_local::guard::{CommandsUnder, EndedCommand, Revoke, Revoked};
use nightlatch_local::session::keeper::answer_within;

use super::args;
use super::context::{Given, context};
use super::end::End;
use super::exit::Failure;
use super::lock::{TO_LOCK, conclude, drop_bad_accounts, drop_bad_keeper, open, summary};
use super::sessions::CommandRow;
use super::text::escape;
use super::ui::Ui;

pub fn run(mut given: Given, args: &args::Revoke) -> Result<End, Failure> {
    let reason = args.reason.parse()?;
    let whose = match args.whose.as_deref() {
        None if args.all => Revoke::All,
        None => Revoke::Selected,
        Some(text) if text.contains('@') => Revoke::OfAccount(text.parse()?),
        Some(text) => Revoke::Session(text.parse().map_err(|_| {
            let text = escape(text);
            Failure::usage(format!(
                "\"{text}\" is neither an email nor the id of a session"
            ))
            .hint("see nightlatch sessions".to_owned())
        })?),
    };
    let mut wrong = drop_bad_keeper(&mut given);
    if !matches!(whose, Revoke::Selected) {
        wrong.extend(drop_bad_accounts(&mut given));
    }
    let context = context(given)?;
    let guard = open(&context, &mut wrong)?;
    answer_within(TO_LOCK);
    let commands = if args.keep_commands {
        CommandsUnder::Keep
    } else {
        CommandsUnder::End
    };
    let revoked = guard.revoke(&whose, &reason, commands)?;
    report(context.ui, revoked, &wrong)
}

#[derive(serde::Serialize)]
struct CommandReport<'a> {
    #[serde(flatten)]
    command: CommandRow<'a>,
    killed: bool,
    left: bool,
}

/// Reports what was revoked and what is wrong.
fn report(ui: Ui, revoked: Revoked, wrong: &[String]) -> Result<End, Failure> {
    let Revoked {
        ending,
        commands,
        commands_failure,
        ..
    } = revoked;
    if ui.json {
        let usernames = ending.ended.iter().map(|session| &session.username);
        let commands = commands.iter().map(|ended| CommandReport {
            command: CommandRow::of(&ended.command),
            killed: ended.was_killed,
            left: ended.left.is_some(),
        });
        ui.json(&serde_json::json!({
            "schema": 1,
            "revoked": ending.ended.len(),
            "accounts": usernames.collect::<Vec<_>>(),
            "commands": commands.collect::<Vec<_>>(),
        }))?;
    }
    let done = [summary("revoked", &ending.ended), commands_ended(&commands)];
    let done: Vec<String> = done.into_iter().flatten().collect();
    let mut failures: Vec<_> = commands.iter().filter_map(still_running).collect();
    failures.extend(commands_failure.map(|error| Failure::failed("commands", error.to_string())));
    conclude(ui, ending, &done, failures, wrong)
}

fn still_running(ended: &EndedCommand) -> Option<Failure> {
    let why = ended.left.as_ref()?;
    let program = escape(&ended.command.program);
    Some(Failure::failed(
        "command_left",
        format!("{program} could not be ended: {why}"),
    ))
}

/// The message about the commands that were ended; `None` if there were none.
fn commands_ended(commands: &[EndedCommand]) -> Option<String> {
    let ended = commands.iter().filter(|ended| ended.left.is_none());
    let names: Vec<_> = ended
        .map(|ended| {
            let how = if ended.was_killed { ", killed" } else { "" };
            match ended.command.pid {
                Some(pid) => format!("{} (process {pid}{how})", ended.command.program),
                None => format!("{}{how}", ended.command.program),
            }
        })
        .collect();
    match names.len() {
        0 => None,
        1 => Some(format!("ended {}", names[0])),
        count => Some(format!("ended {count} commands: {}", names.join(", "))),
    }
}
