//! Merging a guest into an account. The guest's account becomes a tombstone that names the target;
//! its documents are read through it, so that a late write is not lost and nothing is copied.

use std::sync::Arc;

use nightlatch_audit::Details;
use nightlatch_core::id::AccountId;

use super::context::{Context, about};
use super::error::ServiceError;
use super::items::OF_A_USER;
use super::sessions::ActiveSession;
use crate::clock::Millis;
use crate::record::event;
use crate::requester::Client;
use crate::store;
use crate::store::rows::AccountKind;
use crate::token::SessionToken;

/// The answer to a merge.
pub struct Merged {
    /// What happened.
    pub status: MergeStatus,
    /// How many documents came along.
    pub items: u64,
    /// When.
    pub at: Millis,
    /// The guest.
    pub source: AccountId,
    /// The account.
    pub target: AccountId,
    /// What replaces the cookie's token, if this merged the guest: what the session may do has
    /// changed, and whoever knew its token before need not know it any longer.
    pub token: Option<SessionToken>,
}

/// What a merge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStatus {
    /// The guest was merged.
    Completed,
    /// It had been merged into the same account before.
    AlreadyMerged,
    /// The guest was merged and had no documents.
    NoData,
}

/// Why a guest was not merged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MergeError {
    /// 404 ANONYMOUS_SESSION_NOT_FOUND: there is no such guest.
    #[error("there is no such guest")]
    NotFound,
    /// 409 MERGE_CONFLICT: it was merged into another account.
    #[error("the guest was merged into another account")]
    Conflict {
        /// The other account.
        merged_to: AccountId,
        /// When.
        merged_at: Millis,
    },
    /// 409 QUOTA_EXCEEDED: the account stores as much as it may already.
    #[error("this account has no room for the guest's documents; remove some first")]
    NoRoom,
    /// The session belongs to a guest. 403.
    #[error("only a registered account can take over a guest")]
    NotAnAccount,
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Merges guests into accounts.
pub struct Merge {
    context: Arc<Context>,
}

impl Merge {
    /// The merges of a node.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Merges the guest `source` into the account of `session`. `cookie` is the token that the
    /// request showed, if it did; a merge replaces it.
    ///
    /// # Errors
    /// [`MergeError`].
    pub async fn merge(
        &self,
        session: &ActiveSession,
        source: AccountId,
        cookie: Option<&SessionToken>,
        client: &Client,
    ) -> Result<Merged, MergeError> {
        if session.kind() != AccountKind::User {
            return Err(MergeError::NotAnAccount);
        }
        let target = session.account().id;
        let (context, client) = (self.context.clone(), client.clone());
        let (account, id) = (session.account().clone(), session.id());
        let record = move |end: &store::Merge| {
            let store::Merge::Done(items) = end else {
                return Vec::new();
            };
            let merged = Details::AccountsMerged {
                guest: context.guest_tag(source),
                items: u64::try_from(*items).unwrap_or(0),
            };
            let merged = event(merged, &client).in_session(id);
            context.record(&[about(merged, &account)])
        };
        let renewed = cookie.map(|old| SessionToken::random().map(|new| (old.digest(), new)));
        let renewed = renewed.transpose().map_err(ServiceError::from)?;
        let tokens = renewed.as_ref().map(|(old, new)| (*old, new.digest()));
        let now = self.context.now();
        let store = &self.context.store;
        let merge = store.merge(source, target, OF_A_USER, tokens, now, record);
        let end = self.context.change(merge).await?;
        let mut merged = answer(&end, source, target, now)?;
        if let store::Merge::Done(_) = end {
            merged.token = renewed.map(|(_, new)| new);
        }
        Ok(merged)
    }
}

fn answer(
    end: &store::Merge,
    source: AccountId,
    target: AccountId,
    now: Millis,
) -> Result<Merged, MergeError> {
    let merged = |status, items: i64, at| Merged {
        status,
        items: u64::try_from(items).unwrap_or(0),
        at,
        source,
        target,
        token: None,
    };
    match end {
        store::Merge::Done(0) => Ok(merged(MergeStatus::NoData, 0, now)),
        store::Merge::Done(items) => Ok(merged(MergeStatus::Completed, *items, now)),
        store::Merge::Refused(Some(guest), items) => match guest.merged {
            Some((to, at)) if to == target => Ok(merged(MergeStatus::AlreadyMerged, *items, at)),
            Some((merged_to, merged_at)) => Err(MergeError::Conflict {
                merged_to,
                merged_at,
            }),
            None if guest.kind == AccountKind::Guest => Err(MergeError::NoRoom),
            None => Err(MergeError::NotFound),
        },
        store::Merge::Refused(None, _) => Err(MergeError::NotFound),
    }
}
