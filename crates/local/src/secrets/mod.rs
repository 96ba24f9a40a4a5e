//! Secrets of an account: values under names, sealed under keys derived from the account key.
//!
//! This layer has no session: [`Secrets`](crate::guard::Secrets) requires one for each use.

mod error;
pub mod formats;
mod generate;
mod limits;
mod name;
mod rows;
mod seal;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use error::SecretStoreError;
pub use generate::{GENERATED_LENGTHS, generate};
pub use limits::{KEPT_VERSIONS, VALUE_MAX_BYTES};
pub use name::{BadSecretName, NAME_MAX_CHARS, SecretName};
pub(crate) use seal::SecretKeys;
pub use state::SecretsState;
pub(crate) use store::{Sealed, Store, reseal, state_of};
pub use store::{SecretFacts, VersionFacts};
