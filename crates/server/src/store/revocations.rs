//! Revocation: a new epoch, before which no session lives.

use std::sync::Arc;

use nightlatch_core::id::AccountId;

use super::flow::Flow;
use super::rows::AccountKind;
use super::sessions::joined;
use super::value::{Row, Statement};
use super::{Store, StoreError, accounts, first};
use crate::clock::Millis;

/// Whether a session lives at `$1`, and nothing ended or revoked it.
macro_rules! live {
    () => {
        "session.ended_at IS NULL AND $1 - session.seen < session.idle \
         AND $1 < session.absolute_end AND account.merged_to IS NULL AND account.is_disabled = 0 \
         AND session.account_epoch = account.epoch AND session.kind_epoch = epoch.epoch"
    };
}

impl Store {
    /// How many sessions of each kind are live: guests, then users.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn live_sessions(&self, now: Millis) -> Result<(i64, i64), StoreError> {
        let mut counts = [0, 0];
        for (kind, count) in [AccountKind::Guest, AccountKind::User]
            .into_iter()
            .zip(&mut counts)
        {
            let rows = self.query(&count_of_kind(kind, now)).await?;
            *count = first(rows, Row::int)?.unwrap_or(0);
        }
        Ok(counts.into())
    }

    /// Starts a new epoch for all accounts of these kinds, which revokes their sessions. Returns
    /// how many were live.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn revoke_kinds(
        &self,
        kinds: &'static [AccountKind],
        reason: String,
        now: Millis,
        record: impl Fn(i64) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<i64, StoreError> {
        self.change(move || revoke_kinds(kinds, 0, reason.clone(), now, record.clone()))
            .await
    }

    /// Starts a new epoch for each of these accounts, which revokes its sessions. Returns how many
    /// were live, and the accounts that do not exist.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn revoke_accounts(
        &self,
        mut accounts: Vec<AccountId>,
        reason: String,
        now: Millis,
        record: impl Fn(i64, &[AccountId]) -> Vec<Statement> + Clone + Send + Sync + 'static,
    ) -> Result<(i64, Vec<AccountId>), StoreError> {
        // In one order everywhere, so that two of these do not wait for each other.
        accounts.sort_unstable();
        accounts.dedup();
        self.change(move || {
            let progress = Progress::default();
            revoke_accounts(
                accounts.clone(),
                progress,
                reason.clone(),
                now,
                record.clone(),
            )
        })
        .await
    }
}

impl Store {
    /// Ends every session of a user and removes pending links, in a database that was restored.
    /// Returns how many sessions were live.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_restored(
        &self,
        reason: &'static str,
        now: Millis,
        record: Arc<dyn Fn(i64) -> Vec<Statement> + Send + Sync>,
    ) -> Result<i64, StoreError> {
        self.change(move || {
            let record = Arc::clone(&record);
            let recorded = move |count| {
                let links = Statement::new("DELETE FROM link WHERE used_at IS NULL", []);
                [vec![links], record(count)].concat()
            };
            revoke_kinds(&[AccountKind::User], 0, reason.to_owned(), now, recorded)
        })
        .await
    }
}

/// The number of live sessions of a kind of account.
fn count_of_kind(kind: AccountKind, now: Millis) -> Statement {
    Statement::new(
        concat!(
            "SELECT count(*)",
            joined!(),
            "session.kind = $2 AND ",
            live!()
        ),
        [now.0.into(), kind.as_str().into()],
    )
}

fn revoke_kinds(
    kinds: &'static [AccountKind],
    count: i64,
    reason: String,
    now: Millis,
    record: impl Fn(i64) -> Vec<Statement> + Send + 'static,
) -> Flow<i64> {
    let Some((&kind, rest)) = kinds.split_first() else {
        return Flow::Commit(record(count), count);
    };
    Flow::run(count_of_kind(kind, now), move |rows| {
        let count = count + first(rows, Row::int)?.unwrap_or(0);
        let change = Statement::new(
            "UPDATE epoch SET epoch = epoch + 1, epoch_at = $1, epoch_reason = $2 WHERE kind = $3",
            [now.0.into(), reason.as_str().into(), kind.as_str().into()],
        );
        Ok(Flow::run(change, move |_| {
            Ok(revoke_kinds(rest, count, reason, now, record))
        }))
    })
}

/// What the revocation of several accounts did so far.
#[derive(Default)]
struct Progress {
    count: i64,
    missing: Vec<AccountId>,
}

fn revoke_accounts(
    mut accounts: Vec<AccountId>,
    mut progress: Progress,
    reason: String,
    now: Millis,
    record: impl Fn(i64, &[AccountId]) -> Vec<Statement> + Send + 'static,
) -> Flow<(i64, Vec<AccountId>)> {
    let Some(account) = accounts.pop() else {
        let record = record(progress.count, &progress.missing);
        return Flow::Commit(record, (progress.count, progress.missing));
    };
    let live = Statement::new(
        concat!(
            "SELECT count(*)",
            joined!(),
            "session.account = $2 AND ",
            live!()
        ),
        [now.0.into(), account.to_string().into()],
    );
    Flow::run(live, move |rows| {
        progress.count += first(rows, Row::int)?.unwrap_or(0);
        let change = accounts::revoke(account, &reason, now);
        Ok(Flow::run(change, move |rows| {
            if rows.is_empty() {
                progress.missing.push(account);
            }
            Ok(revoke_accounts(accounts, progress, reason, now, record))
        }))
    })
}
