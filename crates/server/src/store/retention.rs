//! What the database need not keep: it is removed in small steps, so that no request waits long.

use nightlatch_core::throttle::FORGOTTEN_AFTER;

use super::flow::Flow;
use super::rows::named;
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

/// What is counted.
#[derive(Clone, Copy)]
enum Kind {
    Sessions,
    Guests,
    Links,
    Attempts,
}

named!(Kind, Sessions => "sessions", Guests => "guests", Links => "links", Attempts => "attempts");

/// How many rows were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Sessions that had ended or expired.
    pub sessions: u64,
    /// Guests without a session.
    pub guests: u64,
    /// Sign-in links.
    pub links: u64,
    /// Attempts that no limit counts any more.
    pub attempts: u64,
}

impl Store {
    /// Removes what need not be kept, and commits `record` with the count of what was removed since
    /// the last record, if anything was. It may be stopped and repeated at any time: what a round
    /// has removed until then is counted in the record of the next one.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn tidy(
        &self,
        now: Millis,
        kept: Kept,
        record: impl Fn(&Removed) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Removed, StoreError> {
        let old_links = links(now.plus(-kept.links));
        self.remove_all(Kind::Links, old_links).await?;
        let old_attempts = attempts(now.plus(-millis(FORGOTTEN_AFTER)), now);
        self.remove_all(Kind::Attempts, old_attempts).await?;
        let before = now.plus(-kept.sessions);
        for range in RANGES {
            let old_sessions = sessions(before, range);
            self.remove_all(Kind::Sessions, old_sessions).await?;
        }
        for range in RANGES {
            self.remove_guests(before, range).await?;
        }
        self.change(move || {
            let record = record.clone();
            Flow::run(take_counts(), move |rows| {
                let mut removed = Removed::default();
                for (kind, count) in all(rows, read)? {
                    *removed.of(kind) = u64::try_from(count).unwrap_or(0);
                }
                let is_nothing = removed == Removed::default();
                let record = if is_nothing {
                    Vec::new()
                } else {
                    record(&removed)
                };
                Ok(Flow::Commit(record, removed))
            })
        })
        .await
    }

    /// Repeats a step until it removes less than it may.
    async fn remove_all(&self, kind: Kind, step: Statement) -> Result<(), StoreError> {
        loop {
            let step = step.clone();
            let remove = move || {
                Flow::run(step.clone(), move |rows| {
                    Ok(Flow::Commit(counted(kind, rows.len()), rows.len()))
                })
            };
            if self.change(remove).await? < STEP {
                return Ok(());
            }
        }
    }

    /// Removes guests of whom no session is left, with their documents.
    async fn remove_guests(&self, before: Millis, range: u8) -> Result<(), StoreError> {
        while self.change(move || guests(before, range)).await? == STEP {}
        Ok(())
    }
}

impl Removed {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Sessions => &mut self.sessions,
            Kind::Guests => &mut self.guests,
            Kind::Links => &mut self.links,
            Kind::Attempts => &mut self.attempts,
        }
    }
}

/// The statements that count what a step removed, in the same transaction.
fn counted(kind: Kind, count: usize) -> Vec<Statement> {
    if count == 0 {
        return Vec::new();
    }
    vec![Statement::new(
        "INSERT INTO retention_count (kind, removed) VALUES ($1, $2) \
         ON CONFLICT (kind) DO UPDATE SET removed = retention_count.removed + excluded.removed",
        [
            kind.as_str().into(),
            i64::try_from(count).unwrap_or(i64::MAX).into(),
        ],
    )]
}

/// Takes what was counted, so that one node alone records it.
fn take_counts() -> Statement {
    Statement::new("DELETE FROM retention_count RETURNING kind, removed", [])
}

fn read(row: &mut Row) -> Result<(Kind, i64), StoreError> {
    Ok((row.parsed()?, row.int()?))
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
        let counted = counted(Kind::Guests, count);
        Ok(Flow::Commit(documents.chain(counted).collect(), count))
    })
}

fn step() -> Value {
    Value::Int(i64::try_from(STEP).unwrap_or(i64::MAX))
}
