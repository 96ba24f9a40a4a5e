//! What must hold for any bytes where a session's formats are read; see `crate::fuzz`.

pub(crate) use super::file::properties::session_file;
pub(crate) use super::keeper::properties::agent_protocol;
pub(crate) use super::payload::properties::keeper_payload;
