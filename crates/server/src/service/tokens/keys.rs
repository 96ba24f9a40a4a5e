//! The keys that sign tokens, which the nodes share.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::crypto::Key;
use nightlatch_core::crypto::sign::KeyPair;

use super::{TokenKey, rotation};
use crate::clock::{ServerClock, millis};
use crate::service::ServiceError;
use crate::store::{Store, StoreError};

/// What the names of signing keys begin with; their epoch follows.
const NAME: &str = "token key ";

/// The signing keys in the database.
pub struct SigningKeys {
    store: Store,
    clock: Arc<ServerClock>,
}

impl SigningKeys {
    /// The keys of a database.
    pub fn new(store: Store, clock: Arc<ServerClock>) -> Self {
        Self { store, clock }
    }

    /// The keys that are published now for tokens that live at most `token_life`, and which of them
    /// signs. Makes those that are missing, and removes those of which no token can be valid.
    ///
    /// # Errors
    /// When the database cannot be reached, or a key in it is damaged.
    pub async fn published(
        &self,
        token_life: Duration,
    ) -> Result<(Vec<TokenKey>, usize), ServiceError> {
        let now = self.clock.now();
        let (mut keys, mut current) = (Vec::new(), 0);
        for epoch in rotation::published(now.0, millis(token_life)) {
            if epoch == rotation::current(now.0) {
                current = keys.len();
            }
            let fresh = Key::random()?;
            let name = format!("{NAME}{epoch}");
            let seed = self.store.shared_secret(&name, fresh.expose(), now).await?;
            let damaged = |_| StoreError::Broken(format!("the {name} is damaged"));
            let seed = <&[u8; 32]>::try_from(seed.as_slice()).map_err(damaged)?;
            let seed = Key::init_with(|bytes| bytes.copy_from_slice(seed));
            keys.push(TokenKey::ed_dsa(KeyPair::of(&seed)));
        }
        for secret in self.store.secrets(NAME).await? {
            let epoch = secret.name.strip_prefix(NAME);
            let epoch: Option<i64> = epoch.and_then(|epoch| epoch.parse().ok());
            if epoch.is_some_and(|epoch| epoch < rotation::oldest(now.0)) {
                self.store.remove_secret(&secret.name).await?;
            }
        }
        Ok((keys, current))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nightlatch_core::clock::test_clock::TestClock;

    use super::*;
    use crate::store::Database;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[tokio::test]
    async fn a_signing_key_is_removed_when_no_token_of_it_can_be_valid() {
        let data = tempfile::tempdir().unwrap();
        let machine = Arc::new(TestClock::new());
        let clock = Arc::new(ServerClock::of_this_machine(machine.clone()));
        let store = Store::open(&Database::Sqlite(data.path().join("x"))).unwrap();
        store.migrate(clock.now()).await.unwrap();
        let keys = SigningKeys::new(store.clone(), clock.clone());
        let first = rotation::current(clock.now().0);
        let key_of_first = format!("{NAME}{first}");
        for (periods, is_kept) in [(0, true), (1, true), (2, false)] {
            let (published, current) = keys.published(7 * DAY).await.unwrap();
            let kept = store.secrets(NAME).await.unwrap();
            let kept: Vec<_> = kept.iter().map(|secret| secret.name.as_str()).collect();
            assert_eq!(kept.contains(&&*key_of_first), is_kept, "{kept:?}");
            assert!(kept.contains(&&*format!("{NAME}{}", first + periods)));
            assert!(current < published.len() && published.len() <= kept.len());
            machine.advance(30 * DAY);
        }
    }
}
