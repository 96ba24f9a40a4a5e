//! Sessions: their claims, when they are live, where their keys are kept, and operations on them.

mod ended;
mod file;
mod home;
pub mod keeper;
mod model;
mod payload;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;
mod reasons;
mod revocation;
mod service;
mod status;
mod store;
mod surroundings;
#[cfg(test)]
mod tests;

pub use keeper::{
    AgentError, AgentLaunch, AgentLauncher, Keeper, KeeperError, KeeperKind, serve_agent,
};
pub use model::{Elsewhere, EndReason, LimitedBy, Live, WALL_CLOCK_SLACK};
pub use revocation::Revocation;
pub use service::{
    CrashWatch, EndCause, EndedSession, Ending, Judged, NameLookup, NewSession, Owner, Recorded,
    Recording, Session, SessionError, SessionLock, SessionService, StillLive, UnrecordedEnding,
    Use, Used,
};
pub use status::{SessionState, SessionStatus};

pub(crate) use home::identity as home_identity;
pub(crate) use store::SESSIONS;
pub use store::{AccountInUse, InUse};
