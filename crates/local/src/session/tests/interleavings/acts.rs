//! The operations that are run against each other, and which pairs of them.

/// An operation of an actor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Login,
    Exec,
    Validate,
    Status,
    Logout,
    LogoutAll,
    Passwd,
    Revoke,
    BobLogin,
    BobLogout,
    /// Nothing happens for as long as a session lives without activity.
    Idle,
    /// The kernel drops every key.
    KeyGone,
    /// A guard process dies while it holds Alice's first session.
    Crash,
    /// A faulty operation, which our programs never perform: publishes what it read, without the
    /// lock.
    LocklessExtend,
    /// Also faulty: ends a session without the lock.
    LocklessLogout,
    /// Also faulty: starts its command without judging the session again.
    HastyExec,
    /// Also faulty: does not check whether the password has changed.
    CarelessLogin,
}

pub(super) const ENDS: [Act; 4] = [Act::Logout, Act::LogoutAll, Act::Passwd, Act::Login];
pub(super) const OTHERS: [Act; 6] = [
    Act::Exec,
    Act::Validate,
    Act::Status,
    Act::Idle,
    Act::KeyGone,
    Act::Crash,
];
/// These pairs have more orders than all others together.
pub(super) const LONG: [(Act, Act); 11] = [
    (Act::LogoutAll, Act::Status),
    (Act::Passwd, Act::Status),
    (Act::Login, Act::Status),
    (Act::LogoutAll, Act::LogoutAll),
    (Act::Revoke, Act::LogoutAll),
    (Act::Revoke, Act::Passwd),
    (Act::Revoke, Act::Validate),
    (Act::Revoke, Act::Status),
    (Act::Revoke, Act::Idle),
    (Act::Revoke, Act::KeyGone),
    (Act::Revoke, Act::Crash),
];

/// Each end paired with every other operation, and with every end.
pub(super) fn every_pair() -> impl Iterator<Item = (Act, Act)> {
    let each = |(at, &end)| {
        let others = ENDS[at..].iter().chain(&OTHERS);
        others.map(move |&other| (end, other)).collect::<Vec<_>>()
    };
    ENDS.iter().enumerate().flat_map(each)
}
