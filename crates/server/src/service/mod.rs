//! The rules, over the store. What an HTTP route may do is a method here, with a typed result.

pub mod accounts;
mod context;
pub mod error;
mod hashing;
pub mod items;
pub mod links;
pub mod mail;
pub mod merge;
mod policy;
pub mod retention;
pub mod revocation;
pub mod sessions;
pub mod throttle;
pub mod tokens;

pub use crate::requester::Client;
pub use context::{Context, Timeouts};
pub use error::ServiceError;
pub use hashing::Hashing;
pub use policy::PasswordPolicy;

use std::sync::Arc;

/// All services of a node. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Registration, sign-in, profiles and lookups.
    pub accounts: Arc<accounts::Accounts>,
    /// Guests, checks, refresh and ends of sessions.
    pub sessions: Arc<sessions::Sessions>,
    /// Sign-in links.
    pub links: Arc<links::Links>,
    /// Merging guests into accounts.
    pub merge: Arc<merge::Merge>,
    /// The andon cord.
    pub revocation: Arc<revocation::Revocation>,
    /// Documents of accounts.
    pub items: Arc<items::Items>,
    /// The keys that sign tokens.
    pub signing_keys: Arc<tokens::SigningKeys>,
}

impl Services {
    /// The services over what they share.
    pub fn new(
        context: Arc<Context>,
        hashing: Arc<Hashing>,
        policy: PasswordPolicy,
        item_kinds: Vec<String>,
    ) -> Self {
        let throttle = Arc::new(throttle::Throttle::new(context.clone()));
        let accounts = accounts::Accounts::new(context.clone(), throttle.clone(), hashing, policy);
        let accounts = Arc::new(accounts);
        let sessions = sessions::Sessions::new(context.clone(), throttle.clone());
        let links = links::Links::new(context.clone(), throttle, accounts.clone());
        let keys = tokens::SigningKeys::new(context.store.clone(), context.clock.clone());
        Self {
            accounts,
            sessions: Arc::new(sessions),
            links: Arc::new(links),
            merge: Arc::new(merge::Merge::new(context.clone())),
            revocation: Arc::new(revocation::Revocation::new(context.clone())),
            items: Arc::new(items::Items::new(context, item_kinds)),
            signing_keys: Arc::new(keys),
        }
    }
}
