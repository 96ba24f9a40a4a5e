//! Login sessions: where their key lives, when they are live, how they end.

pub mod keeper;
