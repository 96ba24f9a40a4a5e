//! Every change is in the sealed audit log: its event is committed with it, and a thread of the
//! node seals what waits.

mod event;
mod identity;
mod log;
mod outbox;
mod sealable;
mod sealer;

pub use event::event;
pub use log::SealedLog;
pub use outbox::{Backlog, Behind, Outbox};
pub use sealer::Sealer;
