//! The system clocks.

#[cfg(unix)]
pub mod alarm;
#[cfg(windows)]
mod windows;

use std::time::Duration;

use nightlatch_core::clock::{Boot, Clock, Moment};
#[cfg(unix)]
use nightlatch_core::clock::{BootTime, Timestamp};

#[cfg(target_os = "linux")]
use crate::fs::read_proc;

/// The system clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(unix)]
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        // On macOS, CLOCK_MONOTONIC runs through sleep, as CLOCK_BOOTTIME does on Linux.
        #[cfg(target_os = "linux")]
        const BOOT_CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const BOOT_CLOCK: ClockId = ClockId::Monotonic;
        let nanos = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec.saturating_mul(1_000_000_000) + time.tv_nsec
        };
        Moment {
            wall: Timestamp::from_unix_nanos(nanos(ClockId::Realtime)),
            boot: BootTime::from_nanos(u64::try_from(nanos(BOOT_CLOCK)).unwrap_or(0)),
        }
    }

    #[cfg(windows)]
    fn now(&self) -> Moment {
        windows::now()
    }

    /// Read once: neither the boot nor the time namespace of a running process changes.
    #[cfg(target_os = "linux")]
    fn boot(&self) -> std::io::Result<Boot> {
        static BOOT: std::sync::OnceLock<Boot> = std::sync::OnceLock::new();
        if let Some(boot) = BOOT.get() {
            return Ok(*boot);
        }
        let boot = read_boot()?;
        Ok(*BOOT.get_or_init(|| boot))
    }

    #[cfg(not(target_os = "linux"))]
    fn boot(&self) -> std::io::Result<Boot> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "this platform's boot id is not read yet, so there are no sessions here; use it on Linux",
        ))
    }

    #[allow(clippy::disallowed_methods)] // the only place where a process sleeps
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// The identity of the boot from the kernel.
#[cfg(target_os = "linux")]
fn read_boot() -> std::io::Result<Boot> {
    let mut text = [0; 64];
    let length = read_proc("sys/kernel/random/boot_id", &mut text)?;
    let id = std::str::from_utf8(&text[..length])
        .ok()
        .and_then(|text| uuid::Uuid::try_parse(text.trim()).ok())
        .ok_or_else(|| std::io::Error::other("the kernel's boot id is not a UUID"))?;
    Ok(Boot {
        id: id.into_bytes(),
        clock_shifted: clock_shifted()?,
    })
}

/// Whether `/proc/self/timens_offsets` has a nonzero offset. A kernel without time namespaces has
/// no such file, and shifts nothing. But a `/proc` of another PID namespace does not show this
/// process either, and then the answer is unknown.
#[cfg(target_os = "linux")]
fn clock_shifted() -> std::io::Result<bool> {
    let mut text = [0; 256];
    match read_proc("self/timens_offsets", &mut text) {
        Ok(length) => Ok(offsets_are_shifted(&text[..length])),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match read_proc("self/stat", &mut text) {
                Ok(_) => Ok(false),
                Err(_) => Err(std::io::Error::other("/proc does not show this process")),
            }
        }
        Err(error) => Err(error),
    }
}

/// Parses lines of `name seconds nanoseconds`; a nonzero number shifts a clock.
#[cfg(target_os = "linux")]
fn offsets_are_shifted(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        line.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .skip(1)
            .any(|word| word != b"0")
    })
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_and_the_boot_has_an_id() {
        let (first, second) = (SystemClock.now(), SystemClock.now());
        assert!(second.boot >= first.boot);
        assert_ne!(SystemClock.boot().unwrap().id, [0; 16]);
    }

    #[test]
    fn only_a_time_namespace_with_an_offset_shifts_the_clock() {
        assert!(!offsets_are_shifted(
            b"monotonic           0         0\nboottime            0         0\n"
        ));
        assert!(offsets_are_shifted(
            b"monotonic           0         0\nboottime            100         0\n"
        ));
        assert!(offsets_are_shifted(b"monotonic -3 0\nboottime 0 0\n"));
        assert!(!offsets_are_shifted(b""));
    }
}
