//! Notices of a session's end on Windows, where no command can be run.

use std::thread::Scope;

use nightlatch_core::id::SessionId;
use nightlatch_local::config::OnEnd;
use nightlatch_local::guard::HangUp;
use nightlatch_local::guard::run::CommandTerminal;

use super::super::context::Context;

/// A running command, and the session that allowed it to start. There is none on Windows.
#[allow(dead_code)] // nothing is watched
pub(super) struct Watched<'a> {
    pub(super) session: SessionId,
    pub(super) username: &'a str,
    pub(super) program: &'a str,
    pub(super) on_end: OnEnd,
    pub(super) hang_up: HangUp,
    pub(super) terminal: Option<CommandTerminal>,
}

/// Watches nothing.
pub(super) struct EndWatch;

impl EndWatch {
    /// Does nothing.
    pub(super) fn begin<'scope, 'env>(
        _: &'scope Scope<'scope, 'env>,
        _: &'env Context,
        _: Watched<'env>,
    ) -> Option<Self> {
        None
    }
}
