//! A timer for poll(2) that includes suspend.

use std::time::Duration;

use rustix::event::Timespec;
#[cfg(target_os = "linux")]
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// A timer on the boot clock, so that a deadline that passes during suspend is noticed as soon as
/// the machine wakes. A timeout of poll(2) does not count suspend.
#[cfg(target_os = "linux")]
pub struct Alarm {
    timer: OwnedFd,
}

#[cfg(target_os = "linux")]
#[allow(clippy::unnecessary_wraps)] // the same signature as on other systems
impl Alarm {
    /// Creates a timer that is not set.
    pub fn new() -> rustix::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { timer })
    }

    /// Sets the timer to fire `after` from now, replacing its previous time. Returns the timeout to
    /// pass to poll(2): none here.
    pub fn set(&self, after: Duration) -> rustix::io::Result<Option<Timespec>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};
        // Zero would disarm it.
        let value = timespec(after.max(Duration::from_nanos(1)));
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(None)
    }

    /// The descriptor that becomes readable when it fires, until it is set again.
    pub fn handle(&self) -> Option<BorrowedFd<'_>> {
        Some(self.timer.as_fd())
    }
}

/// Uses poll's own timeout.
#[cfg(not(target_os = "linux"))]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the same signature as on Linux
impl Alarm {
    /// Creates a timer that is not set.
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Self)
    }

    /// Returns the timeout to pass to poll(2): all of `after`.
    pub fn set(&self, after: Duration) -> rustix::io::Result<Option<Timespec>> {
        Ok(Some(timespec(after)))
    }

    /// No descriptor to poll.
    pub fn handle(&self) -> Option<rustix::fd::BorrowedFd<'_>> {
        None
    }
}

/// Converts to the system's type; saturates.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
