//! Properties of the session formats that hold for any input; see `nightlatch::fuzz`.

pub use super::file::properties::session_file;
pub use super::keeper::properties::agent_protocol;
pub use super::payload::properties::keeper_payload;
