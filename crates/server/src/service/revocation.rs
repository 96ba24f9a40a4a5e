//! The andon cord: an administrator ends the sessions of some or all accounts at once.

use std::sync::Arc;

use nightlatch_audit::{Details, IncidentId, RevocationReason, RevocationScope};
use nightlatch_core::id::AccountId;

use super::context::{Context, about, name_of};
use super::error::ServiceError;
use super::sessions::Admin;
use crate::record::event;
use crate::requester::Client;
use crate::store::Statement;
use crate::store::rows::AccountKind;

/// Whose sessions are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of these accounts.
    Specific(Vec<AccountId>),
    /// Those of all guests.
    AllAnonymous,
    /// Those of all registered accounts.
    AllAuthenticated,
    /// All.
    All,
}

/// The reason of a revocation: 1 to 500 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// From the administrator's words; `None` if they are empty, too long or have control
    /// characters.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=500).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer to a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// How many live sessions it ended.
    pub count: u64,
    /// The accounts that do not exist.
    pub failed: Vec<AccountId>,
}

/// Revokes sessions.
pub struct Revocation {
    context: Arc<Context>,
}

impl Revocation {
    /// The revocations of a node.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Ends the sessions of `scope`; in force on every node when it returns. The administrator's
    /// own sessions end too if they are in the scope. Works also while the audit log takes no
    /// other changes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn revoke(
        &self,
        admin: Admin<'_>,
        scope: Scope,
        reason: &Reason,
        incident: Option<&IncidentId>,
        client: &Client,
    ) -> Result<Revoked, ServiceError> {
        let kinds: &[AccountKind] = match &scope {
            Scope::Specific(_) => &[],
            Scope::AllAnonymous => &[AccountKind::Guest],
            Scope::AllAuthenticated => &[AccountKind::User],
            // In one order everywhere, so that two of these do not wait for each other.
            Scope::All => &[AccountKind::Guest, AccountKind::User],
        };
        let (name, accounts) = match scope {
            Scope::Specific(accounts) => (RevocationScope::Specific, accounts),
            Scope::AllAnonymous => (RevocationScope::AllAnonymous, Vec::new()),
            Scope::AllAuthenticated => (RevocationScope::AllAuthenticated, Vec::new()),
            Scope::All => (RevocationScope::All, Vec::new()),
        };
        let record = self.recorder(name, admin, reason, incident, client);
        let (now, reason) = (self.context.now(), reason.as_str().to_owned());
        let (count, failed) = if name == RevocationScope::Specific {
            let record = move |count, _: &[AccountId]| record(count);
            let revoke = self
                .context
                .store
                .revoke_accounts(accounts, reason, now, record);
            self.context.end(revoke).await?
        } else {
            let revoke = self.context.store.revoke_kinds(kinds, reason, now, record);
            (self.context.end(revoke).await?, Vec::new())
        };
        Ok(Revoked {
            count: number(count),
            failed,
        })
    }

    /// The event of a revocation.
    fn recorder(
        &self,
        scope: RevocationScope,
        admin: Admin<'_>,
        reason: &Reason,
        incident: Option<&IncidentId>,
        client: &Client,
    ) -> impl Fn(i64) -> Vec<Statement> + Clone + Send + Sync + 'static {
        let context = self.context.clone();
        let (reason, incident) = (RevocationReason::new(reason.as_str()), incident.cloned());
        let (session, client) = (admin.session(), client.clone());
        let (account, id) = (session.account().clone(), session.id());
        move |count| {
            let revoked = Details::SessionRevoked {
                reason: reason.clone(),
                incident: incident.clone(),
                scope: Some(scope),
                sessions: Some(number(count)),
                by: name_of(&account),
            };
            let revoked = event(revoked, &client).in_session(id);
            context.record(&[about(revoked, &account)])
        }
    }
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
