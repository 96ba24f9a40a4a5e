//! The clocks of Windows, as provided by the standard library.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use nightlatch_core::clock::{BootTime, Moment, Timestamp};

/// Both clocks. The monotonic clock counts from its first use in this process, not from boot. That
/// is enough to measure durations, but means nothing to another process. No session is judged by
/// it, because the identity of the boot is not available either.
#[allow(clippy::disallowed_methods)] // the only place where this system's clocks are read
pub(super) fn now() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    let nanos =
        |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let wall = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    };
    let running = nanos(START.get_or_init(Instant::now).elapsed());
    Moment {
        wall: Timestamp::from_unix_nanos(wall),
        boot: BootTime::from_nanos(u64::try_from(running).unwrap_or(0)),
    }
}
