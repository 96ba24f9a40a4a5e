//! Properties of leases and process status lines that hold for any input.

use super::{Content, lease_in, lines_of, session_named};
use nightlatch_platform::fs::ProcessStat;

/// A lease names at most one session, and still names it when rewritten. A command's name does not
/// change its parsed start time.
pub fn lease(bytes: &[u8]) -> bool {
    let status = [
        b"7 (".as_slice(),
        bytes,
        b") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n",
    ];
    let started = |stat: &[u8]| ProcessStat::parse(stat)?.start_time();
    assert_eq!(started(&status.concat()), Some(4711));
    let _ = started(bytes);

    let Some(session) = session_named(bytes) else {
        return false;
    };
    if let Some(lease) = lease_in(bytes) {
        assert_eq!(lease.run.session, session);
        assert!(lease.guard >= 0 && lease.command.is_none_or(|command| command.pid > 0));
    }
    let again = serde_json::from_slice::<Content>(lines_of(bytes).0)
        .and_then(|content| serde_json::to_vec(&content))
        .unwrap_or_default();
    assert_eq!(session_named(&again), Some(session));
    true
}
