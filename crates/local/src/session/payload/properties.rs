//! Properties of payloads that hold for any input.

use std::time::Duration;

use super::{PAYLOAD_LENGTH, Payload, USED, array, decode, encode, number};
use nightlatch_core::clock::{Boot, BootTime, Moment, Timestamp};

/// The input is a payload, then the time at which it is judged (wall clock and boot clock, 8 bytes
/// each), then the idle limit. An accepted payload re-encodes unchanged, and is live only within
/// the idle limit and before the deadline, on both clocks.
pub fn keeper_payload(bytes: &[u8]) -> bool {
    let Some((held, rest)) = bytes.split_first_chunk::<PAYLOAD_LENGTH>() else {
        return false;
    };
    let held = Payload::init_with(|into| *into = *held);
    let Ok(activity) = decode(&held) else {
        return false;
    };
    assert!(
        encode(&activity).expose() == held.expose(),
        "two ways to write one payload"
    );
    assert!(held.expose()[USED..].iter().all(|&byte| byte == 0));

    let mut times = [0; 24];
    let given = rest.len().min(times.len());
    times[..given].copy_from_slice(&rest[..given]);
    let now = Moment {
        wall: Timestamp::from_unix_nanos(number(&times[..8]).cast_signed()),
        boot: BootTime::from_nanos(number(&times[8..16])),
    };
    let idle = Duration::from_nanos(u64::from_le_bytes(array(&times[16..])));
    let lifetime = activity.lifetime(idle);
    let boot = |id, clock_shifted| Boot { id, clock_shifted };
    if let Ok(live) = lifetime.judge(now, boot(activity.boot_id, false)) {
        assert!(live.remaining > Duration::ZERO && live.remaining <= idle);
        assert!(activity.last.boot <= now.boot && now.boot.since(activity.last.boot) < idle);
        assert!(now.wall.since(activity.last.wall) < idle);
        assert!(now.boot < activity.deadline.boot && now.wall < activity.deadline.wall);
        assert!(live.remaining <= activity.deadline.boot.since(now.boot));
        assert!(live.remaining <= activity.deadline.wall.since(now.wall));
        // A session that has just been used remains live at least as long.
        assert!(lifetime.after_activity(now).remaining >= live.remaining);
    }
    let mut other = activity.boot_id;
    other[0] ^= 1;
    assert!(lifetime.judge(now, boot(other, false)).is_err());
    assert!(lifetime.judge(now, boot(activity.boot_id, true)).is_err());
    true
}
