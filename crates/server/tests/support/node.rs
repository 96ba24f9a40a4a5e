//! Nodes of tests, without HTTP.

use std::path::Path;

use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_server::node::{Database, Settings};
use nightlatch_server::service::retention::Retention;
use nightlatch_server::service::{PasswordPolicy, Timeouts};

/// The settings of a node on `database`, with cheap hashing.
pub fn settings(data: &Path, database: Database) -> Settings {
    Settings {
        database,
        data: data.to_owned(),
        timeouts: Timeouts::default(),
        passwords: PasswordPolicy::Classic,
        hash_cost: Argon2Params::FLOOR,
        hash_threads: 1,
        item_kinds: vec!["tasks".to_owned()],
        retention: Retention::default(),
    }
}
