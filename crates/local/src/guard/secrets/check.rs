//! Whether the database has the secrets that the audit log says it has.

use super::{SecretError, Secrets};
use crate::account::Directory;
use crate::guard::{Guard, GuardError, Home};
use crate::secrets::{SecretsState, state_of};
use nightlatch_audit::{AuditError, Details, EventType, Limit, Query, QueryResult};

/// How the secrets in the database compare with those that the log recorded last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsCheck {
    /// They are those that were recorded.
    AsRecorded,
    /// The last change was recorded and is not there: the program was killed before it was written,
    /// or the database was put back by one change. Changes before it may have been killed too.
    LastChangeMissing {
        /// How many secrets there should be.
        recorded: u64,
        /// How many there are.
        found: u64,
    },
    /// The last record of a change is past the retention of the log, so there is nothing to compare
    /// with.
    NotRecorded,
    /// The database was removed, changed, or put back to an earlier state.
    Different {
        /// How many secrets there should be.
        recorded: u64,
        /// How many there are.
        found: u64,
    },
}

impl SecretsCheck {
    fn compare(recorded: &Recorded, found: SecretsState) -> Self {
        let Recorded {
            states,
            before,
            is_whole,
        } = recorded;
        if states.is_empty() && !is_whole {
            return Self::NotRecorded;
        }
        // Before the first change there is none.
        let before_all = is_whole.then(SecretsState::empty);
        let last = states.first().copied().unwrap_or_default();
        let before = before.or(states.get(1).copied().or(before_all).map(|it| it.digest));
        let (recorded, count) = (last.count, found.count);
        if found == last {
            Self::AsRecorded
        } else if Some(found.digest) == before {
            Self::LastChangeMissing {
                recorded,
                found: count,
            }
        } else {
            Self::Different {
                recorded,
                found: count,
            }
        }
    }
}

impl Guard {
    /// Compares the secrets of every account with the log, by email. It needs no session and no
    /// key, and changes nothing.
    ///
    /// # Errors
    /// When the database or the log cannot be read.
    pub fn check_secrets(&self) -> Result<Vec<(String, SecretsCheck)>, GuardError> {
        let Some(home) = &self.home else {
            return Ok(Vec::new());
        };
        let Some(directory) = Directory::open_existing(&home.dir)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for account in directory.all()? {
            let email = account.email.normalized().to_owned();
            found.push((email, state_of(&directory, account.id)?));
        }
        // Only now: a change is recorded before it is in the database.
        let latest = latest(home)?;
        let mut checks = Vec::with_capacity(found.len());
        for (email, state) in found {
            let recorded = recorded(home, &latest, &email)?;
            checks.push((email, SecretsCheck::compare(&recorded, state)));
        }
        Ok(checks)
    }
}

impl Secrets<'_> {
    /// Compares the account's secrets with the log. Call it while there is a live session.
    ///
    /// # Errors
    /// When the database or the log cannot be read.
    pub fn check(&self) -> Result<SecretsCheck, SecretError> {
        let directory = Directory::open_existing(&self.home.dir)?;
        let directory = directory.ok_or(SecretError::NoDatabase)?;
        let account = self.owner.account;
        let record = directory.by_id(account)?.ok_or(SecretError::NoDatabase)?;
        let found = state_of(&directory, account)?;
        // Only now: a change is recorded before it is in the database.
        let latest = latest(self.home)?;
        let recorded = recorded(self.home, &latest, record.account.email.normalized())?;
        Ok(SecretsCheck::compare(&recorded, found))
    }
}

/// The newest page of [`changes`], a small one: the newest change alone says what to compare with,
/// unless it is about another account.
fn latest(home: &Home) -> Result<QueryResult, AuditError> {
    let query = changes().limit(Limit::default());
    home.audit.query_unrecorded(&query)
}

/// The newest events that say what secrets an account has.
fn changes() -> Query {
    Query::default()
        .types([
            EventType::SecretSet,
            EventType::SecretRemoved,
            EventType::EmailChanged,
            EventType::AccountRemoved,
        ])
        .limit(Limit::MAX)
}

/// What the log recorded of an account's secrets.
struct Recorded {
    /// The last state, and the one before unless `before` is known.
    states: Vec<SecretsState>,
    /// The digest of the state that the last change was made in. It is that of the state before,
    /// unless that change was killed.
    before: Option<[u8; 32]>,
    /// Whether the log goes back to the account's first secret.
    is_whole: bool,
}

/// Reads the last two states from the log, of which `latest` is the newest page; an account that was
/// removed has none. Follows the account back through its earlier emails.
fn recorded(home: &Home, latest: &QueryResult, email: &str) -> Result<Recorded, AuditError> {
    let mut query = changes();
    let mut email = email.to_owned();
    let mut recorded = Recorded {
        states: Vec::new(),
        before: None,
        is_whole: true,
    };
    let mut oldest = u64::MAX;
    let mut page = latest;
    let mut older;
    loop {
        for record in page
            .events
            .iter()
            .rev()
            .filter(|record| record.seq < oldest)
        {
            let is_about = record.username.as_deref() == Some(&email);
            let (state, before) = match record.read_details() {
                Some(Details::EmailChanged { failure: None, to }) if to.as_str() == email => {
                    email = record.username.clone().unwrap_or_default();
                    continue;
                }
                Some(
                    Details::SecretSet {
                        count,
                        digest,
                        before,
                        ..
                    }
                    | Details::SecretRemoved {
                        count,
                        digest,
                        before,
                        ..
                    },
                ) if is_about => {
                    let digest = *digest.as_bytes();
                    (SecretsState { count, digest }, before)
                }
                Some(Details::AccountRemoved { .. }) if is_about => return Ok(recorded),
                _ => continue,
            };
            let states = &mut recorded.states;
            if states.is_empty() {
                recorded.before = before.map(|before| *before.as_bytes());
            }
            // The records of one step all have the state that it led to.
            if states.last() != Some(&state) {
                states.push(state);
            }
            if states.len() == 2 || recorded.before.is_some() {
                return Ok(recorded);
            }
        }
        let Some(first) = page.events.first().filter(|_| page.has_more) else {
            recorded.is_whole = page.removed.is_empty();
            return Ok(recorded);
        };
        // An import records its secrets at one time. When a whole page is of one time, what else is
        // of that time is of the same step, and has the same state.
        let goes_back = first.seq < oldest;
        oldest = oldest.min(first.seq);
        let within = std::time::Duration::from_micros(u64::from(goes_back));
        query.until = Some(first.timestamp.plus(within));
        older = home.audit.query_unrecorded(&query)?;
        page = &older;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_with_the_last_two_recorded_states() {
        let state = |count| SecretsState {
            count,
            digest: [count.to_le_bytes()[0]; 32],
        };
        let compare_with = |states: &[SecretsState], is_whole, found| {
            let recorded = Recorded {
                states: states.to_vec(),
                before: None,
                is_whole,
            };
            SecretsCheck::compare(&recorded, found)
        };
        let compare = |states: &[SecretsState], found| compare_with(states, true, found);
        let empty = SecretsState::empty();
        assert_eq!(compare(&[], empty), SecretsCheck::AsRecorded);
        assert_eq!(
            compare(&[state(3), state(2)], state(3)),
            SecretsCheck::AsRecorded
        );
        let one = |recorded, found| SecretsCheck::LastChangeMissing { recorded, found };
        assert_eq!(compare(&[state(3), state(2)], state(2)), one(3, 2));
        assert_eq!(compare(&[state(1)], empty), one(1, 0));
        let other = |recorded, found| SecretsCheck::Different { recorded, found };
        assert_eq!(compare(&[state(3), state(2)], state(1)), other(3, 1));
        assert_eq!(compare(&[state(3), state(2)], empty), other(3, 0));
        assert_eq!(compare(&[], state(1)), other(0, 1));
        assert_eq!(
            compare_with(&[], false, state(1)),
            SecretsCheck::NotRecorded
        );
        assert_eq!(compare_with(&[state(1)], false, empty), other(1, 0));
    }
    #[test]
    fn of_several_killed_changes_only_the_last_is_missing() {
        let state = |count| SecretsState {
            count,
            digest: [count.to_le_bytes()[0]; 32],
        };
        let recorded = Recorded {
            states: vec![state(4)],
            before: Some(state(2).digest),
            is_whole: true,
        };
        let (recorded_count, found) = (4, 2);
        assert_eq!(
            SecretsCheck::compare(&recorded, state(2)),
            SecretsCheck::LastChangeMissing {
                recorded: recorded_count,
                found
            }
        );
        assert!(matches!(
            SecretsCheck::compare(&recorded, state(3)),
            SecretsCheck::Different { .. }
        ));
    }
}
