//! Parses `/proc/PID/stat`.

use super::proc::Proc;

/// What `/proc/PID/stat` says of a process.
pub struct ProcessStat(String);

impl ProcessStat {
    /// Reads it for `process`, an id or `self`; `None` if there is no such process, or `/proc` cannot
    /// be read.
    pub fn read(proc: &Proc, process: &str) -> Option<Self> {
        let mut bytes = [0; 1024];
        let length = proc.read(&format!("{process}/stat"), &mut bytes).ok()?;
        Self::parse(bytes.get(..length)?)
    }

    /// Parses its line. The second field is the program's name in parentheses, which may hold any
    /// character, so the fields are counted from the last parenthesis.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let behind = line.iter().rposition(|&byte| byte == b')')? + 1;
        Some(Self(std::str::from_utf8(&line[behind..]).ok()?.to_owned()))
    }

    /// The field with this number in proc(5), from 3 (the state) on.
    pub fn field<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        let mut fields = self.0.split_ascii_whitespace();
        fields.nth(number.checked_sub(3)?)?.parse().ok()
    }

    /// When it was started, in clock ticks after boot.
    pub fn start_time(&self) -> Option<u64> {
        self.field(22)
    }

    /// Its state, a letter: `T` when it is stopped.
    pub fn state(&self) -> Option<char> {
        self.field(3)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_state_and_start_time_are_found_behind_any_program_name() {
        let stat = b"7 (a ) (b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        let stat = ProcessStat::parse(stat).unwrap();
        assert_eq!(stat.start_time(), Some(4242));
        assert_eq!(stat.state(), Some('R'));
        assert_eq!(stat.field::<i32>(4), Some(1));
        assert_eq!(stat.field::<i32>(2), None);
        assert!(ProcessStat::parse(b"7 (a").is_none());
        let state = |stat| ProcessStat::parse(stat).unwrap().state();
        assert_eq!(state(b"12 (sh) T 1 12"), Some('T'));
        assert_eq!(state(b"12 (a) S (b)) R 1 12"), Some('R'));
        assert_eq!(state(b"12 (sh)"), None);
        let own = ProcessStat::read(&Proc::open().unwrap(), "self").unwrap();
        assert!(own.start_time() > Some(0));
    }
}
