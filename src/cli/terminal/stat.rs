//! Parses `/proc/PID/stat`.

use rustix::fs::{Mode, OFlags};

/// The name of this process in `/proc`.
pub(super) const SELF: &str = "self";

/// Reads the line of `process`, a number or [`SELF`].
pub(super) fn read(process: &str) -> Option<Stat> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(format!("/proc/{process}/stat"), flags, Mode::empty()).ok()?;
    let mut bytes = [0; 512];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut bytes)).ok()?;
    Stat::of(bytes.get(..length)?)
}

/// The fields after the process name, which is in parentheses and may contain anything.
pub(super) struct Stat(String);

impl Stat {
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let behind = line.iter().rposition(|&byte| byte == b')')? + 1;
        Some(Self(std::str::from_utf8(&line[behind..]).ok()?.to_owned()))
    }

    /// The field with this number in proc(5); the third is the first available.
    pub(super) fn field<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        let mut fields = self.0.split_whitespace();
        fields.nth(number.checked_sub(3)?)?.parse().ok()
    }
}
