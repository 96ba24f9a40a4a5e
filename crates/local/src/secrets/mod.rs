//! Secrets of an account: values under names, sealed under keys derived from the account key.
//!
//! This layer has no session: [`Secrets`](crate::guard::Secrets) requires one for each use.

mod error;
pub mod formats;
mod generate;
mod limits;
mod rows;
mod seal;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use crate::binding::{BadSecretName, NAME_MAX_CHARS, SecretBinding, SecretGiven, SecretName};
pub use error::SecretStoreError;
pub use generate::{GENERATED_LENGTHS, generate};
pub use limits::{KEPT_VERSIONS, VALUE_MAX_BYTES};
pub(crate) use seal::SecretKeys;
pub use state::SecretsState;
pub(crate) use store::{Sealed, Store, reseal, state_of};
pub use store::{SecretFacts, VersionFacts};
