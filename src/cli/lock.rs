//! `lock` and `logout`: end sessions even if other things are broken, and report those afterwards.

use std::time::Duration;

use nightlatch_local::account::Email;
use nightlatch_local::config::KeeperChoice;
use nightlatch_local::guard::{Guard, GuardError};
use nightlatch_local::session::keeper::answer_within;
use nightlatch_local::session::{EndedSession, Ending};

use super::context::{Context, Given, context};
use super::end::End;
use super::exit::Failure;
use super::text;
use super::ui::Ui;

const EVERY_SESSION: &str = "to end every session: nightlatch lock";
/// How long `lock` waits for an agent's answer before it kills the agent, and so ends all its
/// sessions.
pub(super) const TO_LOCK: Duration = Duration::from_secs(1);
/// How long `logout` waits before it reports that the agent does not answer.
const TO_SIGN_OUT: Duration = Duration::from_secs(2);

/// `lock`, and `logout --all`: ends the sessions of all accounts.
pub fn lock(mut given: Given) -> Result<End, Failure> {
    let mut wrong = drop_bad_keeper(&mut given);
    // All sessions are ended, whichever account is named.
    wrong.extend(drop_bad_accounts(&mut given));
    let context = context(given)?;
    let guard = open(&context, &mut wrong)?;
    answer_within(TO_LOCK);
    report(context.ui, guard.lock(), &wrong)
}

/// `logout`: ends the account's session. If there is none, it succeeds, too.
pub fn logout(mut given: Given) -> Result<End, Failure> {
    let mut wrong = drop_bad_keeper(&mut given);
    let context = context(given).map_err(|failure| failure.or_hint(EVERY_SESSION))?;
    let guard = open(&context, &mut wrong)?;
    answer_within(TO_SIGN_OUT);
    let ending = guard.sign_out().map_err(Failure::from);
    let ending = ending.map_err(|failure| failure.or_hint(EVERY_SESSION))?;
    report(context.ui, ending, &wrong)
}

/// Removes an invalid `NIGHTLATCH_KEEPER`; sessions are ended in both keepers then.
pub(super) fn drop_bad_keeper(given: &mut Given) -> Vec<String> {
    let keeper = given.surroundings.keeper.as_ref();
    let parsed = keeper.map(|keeper| keeper.to_string_lossy().parse::<KeeperChoice>());
    let Some(Err(error)) = parsed else {
        return Vec::new();
    };
    given.surroundings.keeper = None;
    vec![format!("NIGHTLATCH_KEEPER: {error}")]
}

/// Removes the account that is named, which does not matter. Returns what is wrong with it.
pub(super) fn drop_bad_accounts(given: &mut Given) -> Vec<String> {
    let variable = given.surroundings.account.take();
    let variable = variable.map(|account| account.to_string_lossy().into_owned());
    let named = [
        ("--account", given.global.account.take()),
        ("NIGHTLATCH_ACCOUNT", variable),
    ];
    let wrong = named.into_iter().filter_map(|(name, account)| {
        let error = account?.parse::<Email>().err()?;
        Some(format!("{name}: {error}"))
    });
    wrong.collect()
}

pub(super) fn open(context: &Context, wrong: &mut Vec<String>) -> Result<Guard, Failure> {
    let (guard, config) = Guard::open_to_lock(context.config.clone())?;
    wrong.extend(config.map(|error| error.to_string()));
    Ok(guard)
}

/// Reports what was ended and what is wrong.
fn report(ui: Ui, ending: Ending, wrong: &[String]) -> Result<End, Failure> {
    if ui.json {
        let usernames = ending.ended.iter().map(|session| &session.username);
        ui.json(&serde_json::json!({
            "schema": 1,
            "ended": ending.ended.len(),
            "accounts": usernames.collect::<Vec<_>>(),
        }))?;
    }
    let done = summary("ended", &ending.ended);
    conclude(ui, ending, &Vec::from_iter(done), Vec::new(), wrong)
}

/// Says what was `done`, and what is `wrong`. The first failure of the sessions' end, or else of
/// `others`, determines the exit code.
pub(super) fn conclude(
    ui: Ui,
    ending: Ending,
    done: &[String],
    others: Vec<Failure>,
    wrong: &[String],
) -> Result<End, Failure> {
    let failures = ending.failures.into_iter().map(GuardError::from);
    let mut failures = failures.map(Failure::from).chain(others);
    let first = failures.next();
    if !ui.json && first.is_none() {
        if done.is_empty() {
            ui.say("○ nobody was signed in");
        }
        for line in done {
            ui.say(&format!("○ {}", text::escape(line)));
        }
    }
    for wrong in wrong {
        ui.warn(wrong);
    }
    if ending.without_lock && !ending.ended.is_empty() {
        ui.warn(
            "another process holds the session lock; what it was starting when the session was ended \
             may still run",
        );
    }
    for failure in failures {
        ui.warn(&failure.message);
    }
    match first {
        None => Ok(End::Done),
        Some(failure) if done.is_empty() => Err(failure),
        Some(failure) => Err(Failure {
            message: format!("{}; but {}", done.join("; "), failure.message),
            ..failure
        }),
    }
}

/// The message about what was `done` with these sessions; `None` if there are none.
pub(super) fn summary(done: &str, ended: &[EndedSession]) -> Option<String> {
    let name = |session: &EndedSession| {
        let known = session.username.clone();
        known.unwrap_or_else(|| format!("account {}", session.account))
    };
    match ended {
        [] => None,
        [one] => {
            let key = if one.key_destroyed {
                "its key is destroyed"
            } else {
                "its key is out of reach from here, and opens nothing any more"
            };
            Some(format!("{done} the session of {}; {key}", name(one)))
        }
        several => {
            let names: Vec<_> = several.iter().map(name).collect();
            let (count, names) = (several.len(), names.join(", "));
            let keys = if several.iter().all(|session| session.key_destroyed) {
                "their keys are destroyed"
            } else {
                "their keys are destroyed where they could be reached, and open nothing any more"
            };
            Some(format!("{done} {count} sessions; {keys}: {names}"))
        }
    }
}
