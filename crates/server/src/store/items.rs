//! Documents of accounts. An account's documents are its own and those of the guests that were
//! merged into it, so that what a guest writes late is not lost.

use nightlatch_core::id::AccountId;

use super::flow::Flow;
use super::rows::{AccountRow, ItemRow};
use super::value::{Row, Statement};
use super::{Store, StoreError, accounts, all, first};
use crate::clock::Millis;
use crate::token::Digest;

/// The documents of the account `$1`.
macro_rules! owned {
    () => {
        "(account = $1 OR account IN (SELECT guest.id FROM account AS guest \
         WHERE guest.merged_to = $1))"
    };
}

/// The bytes of all documents of the account `$1`.
macro_rules! stored_bytes {
    () => {
        concat!(
            "(SELECT COALESCE(sum(octet_length(stored.body)), 0) FROM item AS stored WHERE ",
            owned!(),
            ")"
        )
    };
}

/// The most that an account may store, with the guests that were merged into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many documents.
    pub documents: i64,
    /// How many bytes of JSON text.
    pub bytes: i64,
}

fn read(row: &mut Row) -> Result<ItemRow, StoreError> {
    Ok(ItemRow {
        id: row.text()?,
        body: row.text()?,
        created: Millis(row.int()?),
        updated: Millis(row.int()?),
    })
}

/// How many documents were made by an account itself.
pub(super) fn count(account: AccountId) -> Statement {
    Statement::new(
        "SELECT count(*) FROM item WHERE account = $1",
        [account.to_string().into()],
    )
}

/// Makes a guest the tombstone that names `target`, unless it is one already, `target` is not a user,
/// or `target` has no room left: what the guest stored may be more. Returns a row if it did.
pub(super) fn make_tombstone(
    guest: AccountId,
    target: AccountId,
    quota: Quota,
    now: Millis,
) -> Statement {
    Statement::new(
        concat!(
            "UPDATE account SET merged_to = $1, merged_at = $2 \
             WHERE id = $3 AND kind = 'guest' AND merged_to IS NULL \
             AND EXISTS (SELECT 1 FROM account AS target \
                 WHERE target.id = $1 AND target.kind = 'user' AND target.is_disabled = 0) \
             AND (SELECT count(*) FROM item AS stored WHERE ",
            owned!(),
            ") < CAST($4 AS BIGINT) AND ",
            stored_bytes!(),
            " < CAST($5 AS BIGINT) RETURNING id"
        ),
        [
            target.to_string().into(),
            now.0.into(),
            guest.to_string().into(),
            quota.documents.into(),
            quota.bytes.into(),
        ],
    )
}

/// Replaces the token of a session.
fn renew(account: AccountId, old: Digest, new: Digest) -> Statement {
    Statement::new(
        "UPDATE session SET hash = $1 WHERE hash = $2 AND account = $3",
        [
            new.as_bytes().as_slice().into(),
            old.as_bytes().as_slice().into(),
            account.to_string().into(),
        ],
    )
}

/// The end of a merge.
pub enum Merge {
    /// The guest was merged, with this many documents.
    Done(i64),
    /// It was not: this is its account, if there is one.
    Refused(Option<AccountRow>, i64),
}

impl Store {
    /// Merges a guest into an account, once, and gives the session with the token `old` the token
    /// `new`, if there is such a session of the account.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn merge(
        &self,
        guest: AccountId,
        target: AccountId,
        quota: Quota,
        tokens: Option<(Digest, Digest)>,
        now: Millis,
        record: impl Fn(&Merge) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<Merge, StoreError> {
        self.change(move || {
            let record = record.clone();
            Flow::run(make_tombstone(guest, target, quota, now), move |rows| {
                let done = !rows.is_empty();
                Ok(Flow::run(count(guest), move |rows| {
                    let count = first(rows, Row::int)?.unwrap_or(0);
                    if done {
                        let merge = Merge::Done(count);
                        let mut changes = record(&merge);
                        changes.extend(tokens.map(|(old, new)| renew(target, old, new)));
                        return Ok(Flow::Commit(changes, merge));
                    }
                    Ok(Flow::run(accounts::by_id(guest), move |rows| {
                        let merge = Merge::Refused(first(rows, accounts::read)?, count);
                        Ok(Flow::Commit(record(&merge), merge))
                    }))
                }))
            })
        })
        .await
    }

    /// The documents of a kind, the oldest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn items(&self, owner: AccountId, kind: &str) -> Result<Vec<ItemRow>, StoreError> {
        let statement = Statement::new(
            concat!(
                "SELECT id, body, created, updated FROM item WHERE ",
                owned!(),
                " AND kind = $2 ORDER BY created, id"
            ),
            [owner.to_string().into(), kind.into()],
        );
        all(self.query(&statement).await?, read)
    }

    /// One document.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn item(
        &self,
        owner: AccountId,
        kind: &str,
        id: &str,
    ) -> Result<Option<ItemRow>, StoreError> {
        let statement = Statement::new(
            concat!(
                "SELECT id, body, created, updated FROM item WHERE ",
                owned!(),
                " AND kind = $2 AND id = $3"
            ),
            [owner.to_string().into(), kind.into(), id.into()],
        );
        first(self.query(&statement).await?, read)
    }

    /// Creates a document, if there is room for it. Returns whether there was.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_item(
        &self,
        owner: AccountId,
        kind: &str,
        item: &ItemRow,
        quota: Quota,
    ) -> Result<bool, StoreError> {
        let statement = Statement::new(
            concat!(
                "INSERT INTO item (account, id, kind, body, created, updated) \
                 SELECT $1, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT) WHERE \
                 (SELECT count(*) FROM item AS stored WHERE ",
                owned!(),
                ") < CAST($7 AS BIGINT) AND ",
                stored_bytes!(),
                " + octet_length(CAST($4 AS TEXT)) <= CAST($8 AS BIGINT) RETURNING id"
            ),
            [
                owner.to_string().into(),
                item.id.as_str().into(),
                kind.into(),
                item.body.as_str().into(),
                item.created.0.into(),
                item.updated.0.into(),
                quota.documents.into(),
                quota.bytes.into(),
            ],
        );
        Ok(!self.write(statement).await?.is_empty())
    }

    /// Replaces a document; `None` if there is none, or no room for one that is larger than before.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn update_item(
        &self,
        owner: AccountId,
        kind: &str,
        id: &str,
        body: &str,
        quota: Quota,
        now: Millis,
    ) -> Result<Option<ItemRow>, StoreError> {
        let statement = Statement::new(
            concat!(
                "UPDATE item SET body = $4, updated = $5 WHERE ",
                owned!(),
                " AND kind = $2 AND id = $3 AND (octet_length(CAST($4 AS TEXT)) <= octet_length(body) \
                 OR ",
                stored_bytes!(),
                " - octet_length(body) + octet_length(CAST($4 AS TEXT)) <= CAST($6 AS BIGINT)) \
                 RETURNING id, body, created, updated"
            ),
            [
                owner.to_string().into(),
                kind.into(),
                id.into(),
                body.into(),
                now.0.into(),
                quota.bytes.into(),
            ],
        );
        first(self.write(statement).await?, read)
    }

    /// Removes a document; `false` if there is none.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_item(
        &self,
        owner: AccountId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let statement = Statement::new(
            concat!(
                "DELETE FROM item WHERE ",
                owned!(),
                " AND kind = $2 AND id = $3 RETURNING id"
            ),
            [owner.to_string().into(), kind.into(), id.into()],
        );
        Ok(!self.write(statement).await?.is_empty())
    }
}
