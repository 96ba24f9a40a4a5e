//! A timer for poll(2) that counts time asleep.

use std::time::Duration;

use rustix::event::Timespec;
#[cfg(target_os = "linux")]
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// A timer on the clock that goes on through suspend, so that a deadline that has passed meanwhile is
/// seen the moment the machine wakes up. A timeout of poll(2) counts time awake.
#[cfg(target_os = "linux")]
pub struct Alarm {
    timer: OwnedFd,
}

#[cfg(target_os = "linux")]
#[allow(clippy::unnecessary_wraps)] // the same face as the others'
impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> rustix::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { timer })
    }

    /// Sets it to go off `after` from now, in place of what it was set to; what remains to be
    /// waited for by poll(2) itself: nothing here.
    pub fn set(&self, after: Duration) -> rustix::io::Result<Option<Timespec>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};
        // Zero would switch it off.
        let value = timespec(after.max(Duration::from_nanos(1)));
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(None)
    }

    /// What becomes readable when it goes off; setting it again makes it unreadable.
    pub fn handle(&self) -> Option<BorrowedFd<'_>> {
        Some(self.timer.as_fd())
    }
}

/// Waits by poll's own timeout.
#[cfg(not(target_os = "linux"))]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the same face as Linux's
impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Self)
    }

    /// What is to be waited for by poll(2) itself: all of it.
    pub fn set(&self, after: Duration) -> rustix::io::Result<Option<Timespec>> {
        Ok(Some(timespec(after)))
    }

    /// Nothing to watch.
    pub fn handle(&self) -> Option<rustix::fd::BorrowedFd<'_>> {
        None
    }
}

/// As the system writes it; saturates.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
