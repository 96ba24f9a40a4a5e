//! Sessions, and the epochs that revoke them.

use nightlatch_core::id::{AccountId, SessionId};

use super::accounts::{self, account_columns};
use super::flow::Flow;
use super::rows::{AccountRow, EndKind, Ended, SessionClass, SessionRow};
use super::value::{Row, Statement};
use super::{Store, StoreError, all, first};
use crate::clock::Millis;
use crate::token::Digest;

/// The columns of a session, as [`read`] reads them.
macro_rules! session_columns {
    () => {
        "session.id, session.account, session.class, session.created, session.seen, session.idle, \
         session.absolute_end, session.ended_at, session.ended_how, session.address, \
         session.user_agent, account.epoch - session.account_epoch, account.epoch_at, \
         account.epoch_reason, epoch.epoch - session.kind_epoch, epoch.epoch_at, \
         epoch.epoch_reason"
    };
}

/// A session with its account and the epochs that may have revoked it.
macro_rules! joined {
    () => {
        " FROM session JOIN account ON account.id = session.account \
         JOIN epoch ON epoch.kind = session.kind WHERE "
    };
}
pub(super) use joined;

/// Finds sessions with their accounts.
macro_rules! found {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            account_columns!(),
            joined!(),
            $rest
        )
    };
}

/// A session to begin.
#[derive(Clone)]
pub struct NewSession {
    /// The digest of its token.
    pub hash: Digest,
    /// Its id.
    pub id: SessionId,
    /// Its class.
    pub class: SessionClass,
    /// How long it lives without activity, in milliseconds.
    pub idle: i64,
    /// How long it lives at most, in milliseconds.
    pub max: i64,
    /// The client's address.
    pub address: Option<String>,
    /// The client's user agent.
    pub user_agent: Option<String>,
    /// The hash of the password that was checked for it: it must be the account's still.
    pub password: Option<String>,
}

/// How a session is found.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// By the digest of its token.
    Token(Digest),
    /// By its id.
    Id(SessionId),
    /// The newest one of this guest.
    Guest(AccountId),
}

/// A session that was found, live or not.
#[derive(Clone, Debug)]
pub struct Found {
    /// The session. What revoked it counts as its end.
    pub session: SessionRow,
    /// Its account.
    pub account: AccountRow,
}

fn read(row: &mut Row) -> Result<SessionRow, StoreError> {
    let mut session = SessionRow {
        id: row.parsed()?,
        account: row.parsed()?,
        class: row.parsed()?,
        created: Millis(row.int()?),
        seen: Millis(row.int()?),
        idle: row.int()?,
        absolute_end: Millis(row.int()?),
        ended: row
            .optional_int()?
            .zip(row.optional_parsed()?)
            .map(|(at, how)| Ended {
                at: Millis(at),
                how,
                reason: None,
            }),
        address: row.optional_text()?,
        user_agent: row.optional_text()?,
    };
    for _ in 0..2 {
        let (epochs, at, reason) = (row.int()?, row.optional_int()?, row.optional_text()?);
        if epochs > 0 && session.ended.is_none() {
            session.ended = Some(Ended {
                at: Millis(at.unwrap_or_default()),
                how: EndKind::Revoked,
                reason,
            });
        }
    }
    Ok(session)
}

fn read_found(row: &mut Row) -> Result<Found, StoreError> {
    Ok(Found {
        session: read(row)?,
        account: accounts::read(row)?,
    })
}

/// Begins a session of an account, in its current epochs. Returns a row unless there is no such
/// account, it may have none, its password was replaced, or there is a session with this token.
pub(super) fn insert(session: &NewSession, account: AccountId, now: Millis) -> Statement {
    Statement::new(
        "INSERT INTO session (hash, id, account, kind, class, created, seen, idle, absolute_end, \
         account_epoch, kind_epoch, address, user_agent) \
         SELECT $1, $2, account.id, account.kind, $3, CAST($4 AS BIGINT), CAST($4 AS BIGINT), $5, \
         CAST($6 AS BIGINT), account.epoch, epoch.epoch, $7, $8 \
         FROM account JOIN epoch ON epoch.kind = account.kind \
         WHERE account.id = $9 AND account.merged_to IS NULL AND account.is_disabled = 0 \
         AND (CAST($10 AS TEXT) IS NULL OR account.password = $10) \
         ON CONFLICT (hash) DO NOTHING RETURNING id",
        [
            session.hash.as_bytes().as_slice().into(),
            session.id.to_string().into(),
            session.class.as_str().into(),
            now.0.into(),
            session.idle.into(),
            now.plus(session.max).0.into(),
            session.address.as_deref().into(),
            session.user_agent.as_deref().into(),
            account.to_string().into(),
            session.password.as_deref().into(),
        ],
    )
}

/// Finds a session.
pub(super) fn find(key: Key) -> Statement {
    match key {
        Key::Token(hash) => Statement::new(
            found!("session.hash = $1"),
            [hash.as_bytes().as_slice().into()],
        ),
        Key::Id(id) => Statement::new(found!("session.id = $1"), [id.to_string().into()]),
        Key::Guest(account) => Statement::new(
            found!(
                "session.account = $1 AND session.class = 'guest' \
                 ORDER BY session.created DESC LIMIT 1"
            ),
            [account.to_string().into()],
        ),
    }
}

/// Records activity in a live session. Returns a row if it did.
fn touch(id: SessionId, now: Millis) -> Statement {
    Statement::new(
        "UPDATE session SET seen = $1 WHERE id = $2 AND ended_at IS NULL \
         AND $1 - seen < idle AND $1 < absolute_end AND seen < $1 RETURNING id",
        [now.0.into(), id.to_string().into()],
    )
}

/// Begins a session in a flow and returns it with its account, or `None` if there was no account
/// to begin it for.
pub(super) fn begin<T: 'static>(
    session: &NewSession,
    account: AccountId,
    now: Millis,
    then: impl FnOnce(Option<Found>, bool) -> Result<Flow<T>, StoreError> + Send + 'static,
) -> Flow<T> {
    let key = Key::Token(session.hash);
    Flow::run(insert(session, account, now), move |inserted| {
        let is_new = !inserted.is_empty();
        Ok(Flow::run(find(key), move |rows| {
            then(first(rows, read_found)?, is_new)
        }))
    })
}

impl Store {
    /// Finds a session, live or not.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn session(&self, key: Key) -> Result<Option<Found>, StoreError> {
        first(self.query(&find(key)).await?, read_found)
    }

    /// Records activity in a live session. `false` if it is not live, or later activity is recorded
    /// already.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn touch(&self, id: SessionId, now: Millis) -> Result<bool, StoreError> {
        Ok(!self.write(touch(id, now)).await?.is_empty())
    }

    /// Records activity in a live session, as [`Self::touch`], and commits `record` with it if the
    /// last activity was more than so many milliseconds ago.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn refresh(
        &self,
        id: SessionId,
        now: Millis,
        record_every: i64,
        record: Vec<Statement>,
    ) -> Result<(), StoreError> {
        self.change(move || {
            let record = record.clone();
            let before = Statement::new(
                "SELECT seen FROM session WHERE id = $1",
                [id.to_string().into()],
            );
            Flow::run(before, move |rows| {
                let seen = first(rows, Row::int)?.map_or(now, Millis);
                let recorded = now.since(seen) >= record_every;
                Ok(Flow::run(touch(id, now), move |rows| {
                    let recorded = recorded && !rows.is_empty();
                    Ok(Flow::Commit(if recorded { record } else { Vec::new() }, ()))
                }))
            })
        })
        .await
    }

    /// Begins a guest with its first session.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn begin_guest(
        &self,
        guest: AccountId,
        session: NewSession,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<Option<Found>, StoreError> {
        self.change(move || {
            let (session, record) = (session.clone(), record.clone());
            Flow::run(accounts::insert_guest(guest, now), move |_| {
                Ok(begin(&session, guest, now, move |found, _| {
                    Ok(Flow::Commit(record, found))
                }))
            })
        })
        .await
    }

    /// Begins a session of an account that exists; `None` if it may have none.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn begin_session(
        &self,
        account: AccountId,
        session: NewSession,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<Option<Found>, StoreError> {
        self.change(move || {
            let record = record.clone();
            begin(&session, account, now, move |found, _| {
                Ok(match found {
                    Some(found) => Flow::Commit(record, Some(found)),
                    None => Flow::Abandon(None),
                })
            })
        })
        .await
    }

    /// Creates a user with a first session. `None` if there is an account with the email.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn register(
        &self,
        user: accounts::NewUser,
        session: NewSession,
        now: Millis,
        record: impl Fn(bool) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Option<Found>, StoreError> {
        self.change(move || {
            let (user, session, record) = (user.clone(), session.clone(), record.clone());
            Flow::run(accounts::insert_user(&user, now), move |rows| {
                if first(rows, Row::parsed)? != Some(user.id) {
                    return Ok(Flow::Commit(record(false), None));
                }
                Ok(begin(&session, user.id, now, move |found, _| {
                    Ok(Flow::Commit(record(true), found))
                }))
            })
        })
        .await
    }

    /// Ends a session of an account; `false` if the account has no such session, or it was ended
    /// already.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_session(
        &self,
        account: AccountId,
        id: SessionId,
        how: EndKind,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<bool, StoreError> {
        self.change(move || {
            let record = record.clone();
            let change = Statement::new(
                "UPDATE session SET ended_at = $1, ended_how = $2 \
                 WHERE id = $3 AND account = $4 AND ended_at IS NULL RETURNING id",
                [
                    now.0.into(),
                    how.as_str().into(),
                    id.to_string().into(),
                    account.to_string().into(),
                ],
            );
            Flow::run(change, move |rows| {
                Ok(if rows.is_empty() {
                    Flow::Abandon(false)
                } else {
                    Flow::Commit(record, true)
                })
            })
        })
        .await
    }

    /// Ends the live sessions of an account but this one, and returns their ids.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_other_sessions(
        &self,
        account: AccountId,
        but: SessionId,
        now: Millis,
        record: impl Fn(&[SessionId]) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.change(move || {
            let record = record.clone();
            let change = Statement::new(
                "UPDATE session SET ended_at = $1, ended_how = 'signed-out' \
                 WHERE account = $2 AND id <> $3 AND ended_at IS NULL \
                 AND $1 - seen < idle AND $1 < absolute_end RETURNING id",
                [
                    now.0.into(),
                    account.to_string().into(),
                    but.to_string().into(),
                ],
            );
            Flow::run(change, move |rows| {
                let ended = all(rows, Row::parsed)?;
                Ok(Flow::Commit(record(&ended), ended))
            })
        })
        .await
    }

    /// The newest sessions of an account, live or not.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn sessions_of(
        &self,
        account: AccountId,
        limit: i64,
    ) -> Result<Vec<Found>, StoreError> {
        let statement = Statement::new(
            found!("session.account = $1 ORDER BY session.created DESC, session.id LIMIT $2"),
            [account.to_string().into(), limit.into()],
        );
        all(self.query(&statement).await?, read_found)
    }
}
