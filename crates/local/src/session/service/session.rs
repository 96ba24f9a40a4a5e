//! A session that was found live.

use std::time::Duration;

use crate::session::keeper::KeeperKind;
use crate::session::model::{Activity, Claims, Live};
use crate::session::status::SessionStatus;
use nightlatch_audit::{AuditName, Details, Event};
use nightlatch_core::clock::{Moment, Timestamp};
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::id::{AccountId, SessionId};

/// A live session as found at one moment.
pub struct Session {
    pub(crate) claims: Claims,
    pub(super) activity: Activity,
    pub(super) live: Live,
    pub(super) at: Moment,
    pub(super) keeper: KeeperKind,
}

impl Session {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.claims.session
    }

    /// The account it belongs to.
    pub fn account(&self) -> AccountId {
        self.claims.account
    }

    /// The account's normalized email.
    pub fn username(&self) -> &str {
        &self.claims.username
    }

    /// The account's generation at sign-in.
    pub(crate) fn generation(&self) -> u64 {
        self.activity.account_generation()
    }

    /// The remaining time without activity, from when it was judged.
    pub fn remaining(&self) -> Duration {
        self.live.remaining
    }

    /// When it ends without activity.
    pub fn expires_at(&self) -> Timestamp {
        self.activity
            .lifetime(self.claims.idle)
            .expires_at(self.live, self.at)
    }

    /// An event about this session.
    pub(crate) fn event(&self, details: Details) -> Event {
        Event::new(details)
            .about(AuditName::known(self.username()))
            .in_session(self.id())
    }

    /// The account's key, from which the keys of its data are derived.
    pub(crate) fn account_key(&self) -> &AccountKey {
        &self.claims.account_key
    }

    /// The session as `status` reports it.
    pub fn status(&self) -> SessionStatus {
        SessionStatus::active(
            &self.claims,
            &self.activity,
            self.live,
            self.at,
            self.keeper,
        )
    }
}
