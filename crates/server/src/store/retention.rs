//! What the database need not keep.

use nightlatch_core::throttle::FORGOTTEN_AFTER;

use super::flow::Flow;
use super::value::Statement;
use super::{Store, StoreError};
use crate::clock::Millis;

/// How long a link is remembered after it expired, in milliseconds: 90 days, so that whoever finds
/// an old mail is told that its link was used or has expired.
const LINKS: i64 = 90 * 24 * 3_600_000;

impl Store {
    /// Removes links that expired 90 days ago, and attempts that no limit counts any more.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn tidy(&self, now: Millis) -> Result<(), StoreError> {
        let forgotten = i64::try_from(FORGOTTEN_AFTER.as_millis()).unwrap_or(i64::MAX);
        let links = Statement::new(
            "DELETE FROM link WHERE expires < $1",
            [now.plus(-LINKS).0.into()],
        );
        let attempts = Statement::new(
            "DELETE FROM throttle WHERE since < $1 AND coalesce(locked_until, 0) < $2",
            [now.plus(-forgotten).0.into(), now.0.into()],
        );
        self.change(move || Flow::Commit(vec![links.clone(), attempts.clone()], ()))
            .await
    }
}
