//! What the database need not keep: it is removed in small steps, so that no request waits long.

use nightlatch_core::throttle::FORGOTTEN_AFTER;

use super::flow::Flow;
use super::value::{Row, Statement, Value};
use super::{Store, StoreError, all};
use crate::clock::{Millis, millis};

/// How many rows one step removes at most.
const STEP: usize = 500;
/// The ranges of keys that are walked through one after the other: the first byte of each.
const RANGES: std::ops::RangeInclusive<u8> = 0..=u8::MAX;

/// For how long rows are kept that nothing needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Sessions after their end, in milliseconds. With a guest's last session, the guest and its
    /// documents go.
    pub sessions: i64,
    /// Links after they expired, in milliseconds.
    pub links: i64,
}

/// How many rows were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Sessions that had ended or expired.
    pub sessions: usize,
    /// Guests without a session.
    pub guests: usize,
    /// Sign-in links.
    pub links: usize,
    /// Attempts that no limit counts any more.
    pub attempts: usize,
}

impl Store {
    /// Removes what need not be kept. It may be stopped and repeated at any time.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn tidy(&self, now: Millis, kept: Kept) -> Result<Removed, StoreError> {
        let forgotten = millis(FORGOTTEN_AFTER);
        let mut removed = Removed {
            links: self.remove_all(links(now.plus(-kept.links))).await?,
            attempts: self.remove_all(attempts(now.plus(-forgotten), now)).await?,
            ..Removed::default()
        };
        let before = now.plus(-kept.sessions);
        for range in RANGES {
            removed.sessions += self.remove_all(sessions(before, range)).await?;
        }
        for range in RANGES {
            removed.guests += self.remove_guests(before, range).await?;
        }
        Ok(removed)
    }

    /// Repeats a step until it removes less than it may.
    async fn remove_all(&self, step: Statement) -> Result<usize, StoreError> {
        let mut sum = 0;
        loop {
            let removed = self.write(step.clone()).await?.len();
            sum += removed;
            if removed < STEP {
                return Ok(sum);
            }
        }
    }

    /// Removes guests of whom no session is left, with their documents.
    async fn remove_guests(&self, before: Millis, range: u8) -> Result<usize, StoreError> {
        let mut sum = 0;
        loop {
            let removed = self.change(move || guests(before, range)).await?;
            sum += removed;
            if removed < STEP {
                return Ok(sum);
            }
        }
    }
}

fn links(before: Millis) -> Statement {
    Statement::new(
        "DELETE FROM link WHERE hash IN \
         (SELECT hash FROM link WHERE expires < $1 ORDER BY expires LIMIT $2) RETURNING hash",
        [before.0.into(), step()],
    )
}

fn attempts(before: Millis, now: Millis) -> Statement {
    Statement::new(
        "DELETE FROM throttle WHERE name IN \
         (SELECT name FROM throttle WHERE since < $1 AND coalesce(locked_until, 0) < $2 LIMIT $3) \
         AND since < $1 AND coalesce(locked_until, 0) < $2 RETURNING name",
        [before.0.into(), now.0.into(), step()],
    )
}

/// Sessions that ended or expired before `before`. By the primary key, since an index by time would
/// have to be changed at each request.
fn sessions(before: Millis, range: u8) -> Statement {
    let end = range
        .checked_add(1)
        .map_or(vec![u8::MAX; 33], |end| vec![end]);
    Statement::new(
        "DELETE FROM session WHERE hash IN (SELECT hash FROM session \
         WHERE hash >= $2 AND hash < $3 AND created < $1 AND (ended_at < $1 OR ended_at IS NULL \
         AND (seen + idle < $1 OR absolute_end < $1)) LIMIT $4) \
         AND (ended_at < $1 OR seen + idle < $1 OR absolute_end < $1) RETURNING id",
        [
            before.0.into(),
            Value::Bytes(vec![range]),
            Value::Bytes(end),
            step(),
        ],
    )
}

/// Guests that nobody can be any more. Those that were merged stay: their documents are read
/// through them.
fn guests(before: Millis, range: u8) -> Flow<usize> {
    let end = range
        .checked_add(1)
        .map_or("g".to_owned(), |end| format!("{end:02x}"));
    let guests = Statement::new(
        "DELETE FROM account WHERE id IN (SELECT id FROM account \
         WHERE id >= $2 AND id < $3 AND kind = 'guest' AND merged_to IS NULL AND created < $1 \
         AND NOT EXISTS (SELECT 1 FROM session WHERE session.account = account.id) LIMIT $4) \
         AND merged_to IS NULL \
         AND NOT EXISTS (SELECT 1 FROM session WHERE session.account = account.id) RETURNING id",
        [
            before.0.into(),
            format!("{range:02x}").into(),
            end.into(),
            step(),
        ],
    );
    Flow::run(guests, |rows| {
        let guests = all(rows, Row::text)?;
        let count = guests.len();
        let documents = guests
            .into_iter()
            .map(|guest| Statement::new("DELETE FROM item WHERE account = $1", [guest.into()]));
        Ok(Flow::Commit(documents.collect(), count))
    })
}

fn step() -> Value {
    Value::Int(i64::try_from(STEP).unwrap_or(i64::MAX))
}
