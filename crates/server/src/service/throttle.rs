//! Limits on attempts: rows in the database, so that they hold on all nodes at once. An attempt is
//! counted before the work that it causes.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::error::ServiceError;
use crate::clock::millis;

/// At most `count` attempts in `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The name of the limit, part of the row's key.
    pub name: &'static str,
    /// How many attempts are allowed.
    pub count: u32,
    /// In which time.
    pub window: Duration,
}

/// Guest sessions per address.
pub const GUESTS: Limit = Limit {
    name: "guest",
    count: 10,
    window: Duration::from_secs(60),
};
/// Refreshes per account.
pub const REFRESHES: Limit = Limit {
    name: "refresh",
    count: 30,
    window: Duration::from_secs(60),
};
/// Sign-in links that a network asks for, per email.
pub const LINKS: Limit = Limit {
    name: "link",
    count: 5,
    window: Duration::from_secs(3600),
};
/// Sign-in links per address, whatever the emails.
pub const LINKS_OF_ADDRESS: Limit = Limit {
    name: "link-from",
    count: 60,
    window: Duration::from_secs(3600),
};
/// Sign-in links per email, whoever asks.
pub const LINKS_OF_EMAIL: Limit = Limit {
    name: "link-to",
    count: 20,
    window: Duration::from_secs(3600),
};
/// Redemptions that are refused, per address: they are recorded.
pub const REFUSALS: Limit = Limit {
    name: "refusal",
    count: 30,
    window: Duration::from_secs(60),
};
/// Sign-ins with a password per address.
pub const SIGN_INS: Limit = Limit {
    name: "sign-in",
    count: 100,
    window: Duration::from_secs(60),
};
/// Registrations per address.
pub const REGISTRATIONS: Limit = Limit {
    name: "registration",
    count: 100,
    window: Duration::from_secs(60),
};

/// Counts attempts.
pub struct Throttle {
    context: Arc<Context>,
}

impl Throttle {
    /// The limits of a node.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Counts an attempt by `key` under `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when there were too many.
    pub async fn count(&self, limit: Limit, key: &str) -> Result<(), ServiceError> {
        let now = self.context.now();
        let window = millis(limit.window);
        let name = format!("{}:{key}", limit.name);
        let attempts = self.context.store.count(&name, window, now).await?;
        if attempts.count <= i64::from(limit.count) {
            return Ok(());
        }
        let left = attempts.since.plus(window).since(now).max(1);
        Err(ServiceError::Throttled {
            retry_after: Duration::from_millis(u64::try_from(left).unwrap_or(1)),
        })
    }
}
