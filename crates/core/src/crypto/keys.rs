//! Keys by what they are for: a type each, so that the compiler refuses one in place of another.

use super::Key;

macro_rules! keys {
    ($($(#[$doc:meta])+ $name:ident)+) => {$(
        $(#[$doc])+
        pub struct $name(Key);

        impl $name {
            /// A new key from the system's random source.
            ///
            /// # Errors
            /// When the system provides no random numbers (never on a booted Linux).
            pub fn random() -> Result<Self, getrandom::Error> {
                Key::random().map(Self)
            }

            /// Lets `fill` write straight into the key's own memory.
            pub fn init_with(fill: impl FnOnce(&mut [u8; 32])) -> Self {
                Self(Key::init_with(fill))
            }

            /// Borrows the bytes. Copying them elsewhere defeats the wiping.
            pub fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }

            /// For a function that takes any key: to derive others from it, or to seal it.
            pub fn key(&self) -> &Key {
                &self.0
            }
        }

        /// A key that was opened.
        impl From<Key> for $name {
            fn from(key: Key) -> Self {
                Self(key)
            }
        }
    )+};
}

keys! {
    /// The key of an account, from which the keys of its data are derived. The password and the
    /// recovery code open it.
    ///
    /// ```
    /// use nightlatch_core::crypto::AccountKey;
    ///
    /// fn opens_secrets(_: &AccountKey) {}
    /// opens_secrets(&AccountKey::random()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A session's key does not do in its place, and neither does a key that may be any:
    ///
    /// ```compile_fail,E0308
    /// use nightlatch_core::crypto::{AccountKey, SessionKey};
    ///
    /// fn opens_secrets(_: &AccountKey) {}
    /// opens_secrets(&SessionKey::random()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// ```compile_fail,E0308
    /// use nightlatch_core::crypto::{AccountKey, Key};
    ///
    /// fn opens_secrets(_: &AccountKey) {}
    /// opens_secrets(&Key::random()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    AccountKey

    /// The key of a session, K, which opens its file. A keeper holds it, and no file does.
    ///
    /// ```compile_fail,E0308
    /// use nightlatch_core::crypto::{AccountKey, SessionKey};
    ///
    /// fn opens_the_file(_: &SessionKey) {}
    /// opens_the_file(&AccountKey::random()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    SessionKey
}
