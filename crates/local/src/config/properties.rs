//! Properties of configuration files that hold for any input.

use std::time::Duration;

use super::{Config, FLOOR, IDLE_CEILING, Limits, MAX_CEILING};

/// An accepted configuration keeps the ceilings, whatever a session then requests.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(config) = Config::parse(bytes) else {
        return false;
    };
    let limits = config.limits;
    assert!((FLOOR..=IDLE_CEILING).contains(&limits.idle()));
    assert!((FLOOR..=MAX_CEILING).contains(&limits.max()));
    assert!((limits.max()..=MAX_CEILING).contains(&limits.max_ceiling()));
    let tick = Duration::from_nanos(1);
    assert_eq!(
        limits.for_session(None, None).ok().map(Limits::idle),
        Some(limits.idle())
    );
    assert!(
        limits
            .for_session(Some(limits.idle() + tick), None)
            .is_err()
    );
    assert!(
        limits
            .for_session(None, Some(limits.max_ceiling() + tick))
            .is_err()
    );
    let short = FLOOR.saturating_sub(tick);
    assert!(limits.for_session(Some(short), None).is_err());
    assert!(limits.for_session(None, Some(short)).is_err());
    true
}
