//! Telling of a session's end while a command runs, where no command runs: Windows.

use std::thread::Scope;

use nightlatch::id::SessionId;

use super::super::context::Context;

/// A command that runs, and the session that let it start; there is none.
#[allow(dead_code)] // nothing is watched
pub(super) struct Watched<'a> {
    pub(super) session: SessionId,
    pub(super) username: &'a str,
    pub(super) program: &'a str,
}

/// Watches nothing.
pub(super) struct EndWatch;

impl EndWatch {
    /// None.
    pub(super) fn begin<'scope, 'env>(
        _: &'scope Scope<'scope, 'env>,
        _: &'env Context,
        _: Watched<'env>,
    ) -> Option<Self> {
        None
    }
}
