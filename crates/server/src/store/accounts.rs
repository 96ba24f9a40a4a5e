//! Accounts: guests and users.

use nightlatch_core::id::AccountId;
use zeroize::Zeroizing;

use super::flow::Flow;
use super::rows::AccountRow;
use super::value::{Row, Statement, Value};
use super::{Store, StoreError, first};
use crate::clock::Millis;
use crate::token::Digest;

/// Why the sessions of an account end when the person of its email comes for the first time, and
/// another browser had registered it.
pub const RECLAIMED: &str = "the owner of the email signed in with a link, and the password set \
                             before was removed";

/// The columns of an account, as [`read`] reads them.
macro_rules! account_columns {
    () => {
        "account.id, account.kind, account.email, account.name, account.is_admin, \
         account.is_disabled, account.created, account.updated, account.merged_to, \
         account.merged_at"
    };
}
pub(super) use account_columns;

/// An account to create.
#[derive(Clone)]
pub struct NewUser {
    /// Its id, unless there is an account with the email.
    pub id: AccountId,
    /// The email as typed.
    pub email: String,
    /// The email that is unique.
    pub email_norm: String,
    /// The name, if the person gave one.
    pub name: Option<String>,
    /// The hash of the password, if there is one.
    pub password: Option<String>,
    /// Whether it is an administrator.
    pub is_admin: bool,
    /// The browser that registers; `None` if the email is known to be the person's.
    pub claim: Option<Digest>,
}

/// The account that a link leads to.
#[derive(Clone, Copy)]
pub(super) struct Entered {
    /// Its id.
    pub(super) account: AccountId,
    /// Whether the password and the sessions of whoever had registered it were removed.
    pub(super) is_reclaimed: bool,
}

/// An account and the hash of its password.
pub struct WithPassword {
    /// The account.
    pub account: AccountRow,
    /// The hash.
    pub password: Option<Zeroizing<String>>,
    /// Whether its email is known to be its person's.
    pub is_proven: bool,
}

pub(super) fn read(row: &mut Row) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        id: row.parsed()?,
        kind: row.parsed()?,
        email: row.optional_text()?,
        name: row.optional_text()?,
        is_admin: row.flag()?,
        is_disabled: row.flag()?,
        created: Millis(row.int()?),
        updated: Millis(row.int()?),
        merged: row.optional_parsed()?.zip(row.optional_int()?.map(Millis)),
    })
}

/// Creates a guest.
pub(super) fn insert_guest(id: AccountId, now: Millis) -> Statement {
    Statement::new(
        "INSERT INTO account (id, kind, created, updated) VALUES ($1, 'guest', $2, $2)",
        [id.to_string().into(), now.0.into()],
    )
}

/// Creates a user, unless there is one with the email.
macro_rules! insert_user {
    ($($otherwise:expr),+) => {
        concat!(
            "INSERT INTO account (id, kind, email, email_norm, name, password, is_admin, created, \
             updated, proven_at, claim) \
             VALUES ($1, 'user', $2, $3, $4, $5, $6, $7, $7, $8, $9) \
             ON CONFLICT (email_norm) DO UPDATE SET ",
            $($otherwise),+
        )
    };
}

/// Whether nobody has proven the email, and another browser than `$10` registered.
macro_rules! is_strange {
    () => {
        "account.proven_at IS NULL AND (account.claim IS NULL OR account.claim <> $10)"
    };
}

fn user_values(user: &NewUser, now: Millis) -> [Value; 9] {
    let proven_at = user.claim.is_none().then_some(now.0);
    let claim = user.claim.as_ref().map(|claim| claim.as_bytes().as_slice());
    [
        user.id.to_string().into(),
        user.email.as_str().into(),
        user.email_norm.as_str().into(),
        user.name.as_deref().into(),
        user.password.as_deref().into(),
        i64::from(user.is_admin).into(),
        now.0.into(),
        proven_at.into(),
        claim.into(),
    ]
}

/// Creates a user, or finds the one with the email. Returns its id: the new one, if it was created.
pub(super) fn insert_user(user: &NewUser, now: Millis) -> Statement {
    let text = insert_user!("email_norm = excluded.email_norm RETURNING id");
    Statement::new(text, user_values(user, now))
}

/// Creates a user, or finds the one with the email, for whoever was mailed a link there. If nobody
/// was before, and another browser than `claim` registered, its password and its sessions may be a
/// stranger's and are removed. Read by [`entered`].
pub(super) fn enter(user: &NewUser, claim: Digest, now: Millis) -> Statement {
    let text = insert_user!(
        "password = CASE WHEN ",
        is_strange!(),
        " THEN NULL ELSE account.password END, epoch = CASE WHEN ",
        is_strange!(),
        " THEN account.epoch + 1 ELSE account.epoch END, epoch_at = CASE WHEN ",
        is_strange!(),
        " THEN $7 ELSE account.epoch_at END, epoch_reason = CASE WHEN ",
        is_strange!(),
        " THEN $11 ELSE account.epoch_reason END, \
         claim = NULL, proven_at = coalesce(account.proven_at, excluded.proven_at) \
         RETURNING id, \
         CAST(CASE WHEN epoch_at = $7 AND epoch_reason = $11 THEN 1 ELSE 0 END AS BIGINT)"
    );
    let mut parameters = Vec::from(user_values(user, now));
    parameters.extend([claim.as_bytes().as_slice().into(), RECLAIMED.into()]);
    Statement { text, parameters }
}

/// What [`enter`] returns.
pub(super) fn entered(row: &mut Row) -> Result<Entered, StoreError> {
    Ok(Entered {
        account: row.parsed()?,
        is_reclaimed: row.flag()?,
    })
}

/// Finds an account.
pub(super) fn by_id(id: AccountId) -> Statement {
    Statement::new(
        concat!("SELECT ", account_columns!(), " FROM account WHERE id = $1"),
        [id.to_string().into()],
    )
}

/// Finds an administrator.
pub(super) fn any_admin() -> Statement {
    let text = "SELECT id FROM account WHERE is_admin = 1 AND is_disabled = 0 LIMIT 1";
    Statement::new(text, [])
}

/// Starts a new epoch of an account, which revokes its sessions. Returns a row if there is one.
pub(super) fn revoke(id: AccountId, reason: &str, now: Millis) -> Statement {
    Statement::new(
        "UPDATE account SET epoch = epoch + 1, epoch_at = $1, epoch_reason = $2 WHERE id = $3 \
         RETURNING id",
        [now.0.into(), reason.into(), id.to_string().into()],
    )
}

impl Store {
    /// Finds an account by its normalized email.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn account_of(&self, email_norm: &str) -> Result<Option<WithPassword>, StoreError> {
        let statement = Statement::new(
            concat!(
                "SELECT ",
                account_columns!(),
                ", account.password, account.proven_at FROM account WHERE email_norm = $1"
            ),
            [email_norm.into()],
        );
        first(self.query(&statement).await?, |row| {
            Ok(WithPassword {
                account: read(row)?,
                password: row.optional_text()?.map(Zeroizing::new),
                is_proven: row.optional_int()?.is_some(),
            })
        })
    }

    /// Whether there is an administrator.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn has_admin(&self) -> Result<bool, StoreError> {
        Ok(!self.query(&any_admin()).await?.is_empty())
    }

    /// Changes a name, and records it. `None` if there is no such account.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn rename(
        &self,
        id: AccountId,
        name: String,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<Option<AccountRow>, StoreError> {
        let change = Statement::new(
            concat!(
                "UPDATE account SET name = $1, updated = $2 WHERE id = $3 RETURNING ",
                account_columns!()
            ),
            [name.into(), now.0.into(), id.to_string().into()],
        );
        self.change(move || {
            let record = record.clone();
            Flow::run(change.clone(), move |rows| {
                Ok(Flow::Commit(record, first(rows, read)?))
            })
        })
        .await
    }

    /// Creates an administrator, or makes the account with the email one, with this password.
    /// Sessions of an account that existed are revoked. Returns its id.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn put_admin(
        &self,
        user: NewUser,
        now: Millis,
        record: impl Fn(AccountId) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<AccountId, StoreError> {
        self.change(move || {
            let (user, record) = (user.clone(), record.clone());
            Flow::run(insert_user(&user, now), move |rows| {
                let id: Option<AccountId> = first(rows, Row::parsed)?;
                let id = id.unwrap_or(user.id);
                let mut statements = record(id);
                if id != user.id {
                    statements.push(revoke(id, "the account became an administrator's", now));
                }
                statements.push(Statement::new(
                    "UPDATE account SET is_admin = 1, is_disabled = 0, password = $1, \
                     updated = $2, proven_at = coalesce(proven_at, $2), claim = NULL \
                     WHERE id = $3",
                    [
                        Value::from(user.password.as_deref()),
                        now.0.into(),
                        id.to_string().into(),
                    ],
                ));
                Ok(Flow::Commit(statements, id))
            })
        })
        .await
    }

    /// Takes the administrator's rights from an account and revokes its sessions; `false` if it is
    /// no administrator's.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn remove_admin(
        &self,
        id: AccountId,
        now: Millis,
        record: Vec<Statement>,
    ) -> Result<bool, StoreError> {
        self.change(move || {
            let mut record = record.clone();
            let change = Statement::new(
                "UPDATE account SET is_admin = 0, updated = $1 WHERE id = $2 AND is_admin = 1 \
                 RETURNING id",
                [now.0.into(), id.to_string().into()],
            );
            Flow::run(change, move |rows| {
                if rows.is_empty() {
                    return Ok(Flow::Abandon(false));
                }
                record.push(revoke(
                    id,
                    "the account is no administrator's any more",
                    now,
                ));
                Ok(Flow::Commit(record, true))
            })
        })
        .await
    }
}
