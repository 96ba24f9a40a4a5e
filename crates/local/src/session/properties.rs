//! What must hold for any bytes where a session's formats are read; see `nightlatch::fuzz`.

pub use super::file::properties::session_file;
pub use super::keeper::properties::agent_protocol;
pub use super::payload::properties::keeper_payload;
