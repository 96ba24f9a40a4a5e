//! Counted attempts. A row holds on all nodes at once.

use nightlatch_core::clock::Timestamp;
use nightlatch_core::throttle::{self, Failures, Gate};

use super::flow::Flow;
use super::value::{Row, Statement, Value};
use super::{Store, StoreError, first};
use crate::clock::Millis;

/// The attempts under a name, this one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many there were in the current window.
    pub count: i64,
    /// When the window began.
    pub since: Millis,
}

/// Milliseconds of a time of the rules in `core`.
fn millis(time: Timestamp) -> i64 {
    time.unix_nanos().div_euclid(1_000_000)
}

fn read_failures(row: &mut Row) -> Result<Failures, StoreError> {
    Ok(Failures {
        count: u32::try_from(row.int()?).unwrap_or(u32::MAX),
        last_at: Millis(row.int()?).timestamp(),
        locked_until: row.optional_int()?.map(|until| Millis(until).timestamp()),
    })
}

fn failures(name: &str) -> Statement {
    Statement::new(
        "SELECT attempts, since, locked_until FROM throttle WHERE name = $1",
        [name.into()],
    )
}

/// The statement that forgets the failed sign-ins under a name.
pub fn forget_sign_ins(name: &str) -> Statement {
    Statement::new("DELETE FROM throttle WHERE name = $1", [name.into()])
}

/// Stores what follows `before`, unless it changed in the meantime. Returns a row if it did.
fn replace(name: &str, before: Option<Failures>, after: Failures) -> Statement {
    let until = |failures: Failures| failures.locked_until.map(millis);
    let mut parameters: Vec<Value> = vec![
        name.into(),
        i64::from(after.count).into(),
        millis(after.last_at).into(),
        until(after).into(),
    ];
    let text = match before {
        None => {
            "INSERT INTO throttle (name, attempts, since, locked_until) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO NOTHING RETURNING name"
        }
        Some(before) => {
            parameters.extend([
                i64::from(before.count).into(),
                millis(before.last_at).into(),
                until(before).unwrap_or(-1).into(),
            ]);
            "UPDATE throttle SET attempts = $2, since = $3, locked_until = $4 \
             WHERE name = $1 AND attempts = $5 AND since = $6 \
             AND coalesce(locked_until, -1) = $7 RETURNING name"
        }
    };
    Statement { text, parameters }
}

/// Counts a sign-in, and starts again if another one was counted in between.
fn count_sign_in(name: String, now: Millis, record: Vec<Statement>) -> Flow<Gate> {
    Flow::run(failures(&name), move |rows| {
        let before = first(rows, read_failures)?;
        let (after, gate) = throttle::begin(before, now.timestamp());
        if matches!(gate, Gate::TooEarly { .. }) {
            return Ok(Flow::Abandon(gate));
        }
        Ok(Flow::run(replace(&name, before, after), move |rows| {
            let locks = gate == Gate::Counted && after.locked_until.is_some();
            Ok(if rows.is_empty() {
                count_sign_in(name, now, record)
            } else if locks {
                Flow::Commit(record, gate)
            } else {
                Flow::Commit(Vec::new(), gate)
            })
        }))
    })
}

impl Store {
    /// Counts an attempt under `name` in a window of so many milliseconds.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count(
        &self,
        name: &str,
        window: i64,
        now: Millis,
    ) -> Result<Attempts, StoreError> {
        let statement = Statement::new(
            "INSERT INTO throttle (name, attempts, since) VALUES ($1, 1, $2) \
             ON CONFLICT (name) DO UPDATE SET \
             attempts = CASE WHEN throttle.since > $3 AND throttle.since < $4 \
             THEN throttle.attempts + 1 ELSE 1 END, \
             since = CASE WHEN throttle.since > $3 AND throttle.since < $4 \
             THEN throttle.since ELSE excluded.since END \
             RETURNING attempts, since",
            [
                name.into(),
                now.0.into(),
                now.plus(-window).0.into(),
                // What was counted while the clock was ahead ends now.
                now.plus(window).0.into(),
            ],
        );
        let counted = first(self.write(statement).await?, |row| {
            Ok(Attempts {
                count: row.int()?,
                since: Millis(row.int()?),
            })
        })?;
        counted.ok_or_else(|| StoreError::Broken("an attempt was not counted".to_owned()))
    }

    /// Counts a sign-in as failed before its password is checked, by the rules of `core`, and
    /// commits `record` with it if it locks. A sign-in that must come later is not counted.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_sign_in(
        &self,
        name: &str,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<Gate, StoreError> {
        let name = name.to_owned();
        self.change(move || count_sign_in(name.clone(), now, record.clone()))
            .await
    }

    /// Takes back one count of a sign-in, and the lock that it may have set.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn uncount_sign_in(&self, name: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "UPDATE throttle SET attempts = attempts - 1, locked_until = NULL \
             WHERE name = $1 AND attempts > 0",
            [name.into()],
        );
        self.write(statement).await.map(drop)
    }
}
