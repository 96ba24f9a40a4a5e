//! Records when a session of each account last ended, so that no earlier session comes back.
//!
//! A key that could not be reached when its session ended may become reachable again, and the
//! session file may be restored from a copy. Any session that began before the recorded end, by the
//! boot clock, is over.

use std::fmt::Write;

use nightlatch_core::clock::BootTime;
use nightlatch_core::id::AccountId;

/// The name of the file.
pub const ENDED: &str = "ended";
/// Far more accounts than any home has.
const ACCOUNT_LIMIT: usize = 1024;
/// Room for that many lines.
pub const ENDED_LIMIT: usize = 64 * (ACCOUNT_LIMIT + 1);

/// The last ends on one boot, oldest first.
pub struct Ends {
    boot_id: [u8; 16],
    last: Vec<(AccountId, BootTime)>,
}

impl Ends {
    /// The ends in `content` from this boot. Ignores those of another boot, whose sessions are not
    /// live anyway, and garbled lines.
    pub fn parse(content: &[u8], boot_id: [u8; 16]) -> Self {
        let mut ends = Self {
            boot_id,
            last: Vec::new(),
        };
        let mut lines = std::str::from_utf8(content).unwrap_or("").lines();
        if lines.next() != Some(&ends.first_line()) {
            return ends;
        }
        ends.last.extend(lines.filter_map(|line| {
            let (account, nanos) = line.split_once(' ')?;
            Some((
                account.parse().ok()?,
                BootTime::from_nanos(nanos.parse().ok()?),
            ))
        }));
        ends
    }

    /// When a session of `account` last ended.
    pub fn of(&self, account: AccountId) -> Option<BootTime> {
        let mut of_account = self.last.iter().filter(|(of, _)| *of == account);
        of_account.next_back().map(|(_, at)| *at)
    }

    /// Records that a session of `account` ended `at` this time.
    pub fn note(&mut self, account: AccountId, at: BootTime) {
        let at = self.of(account).map_or(at, |before| before.max(at));
        self.last.retain(|(of, _)| *of != account);
        let too_many = (self.last.len() + 1).saturating_sub(ACCOUNT_LIMIT);
        self.last.drain(..too_many);
        self.last.push((account, at));
    }

    /// The content of the file.
    pub fn content(&self) -> String {
        let mut content = self.first_line();
        content.push('\n');
        for (account, at) in &self.last {
            let _ = writeln!(content, "{account} {}", at.nanos());
        }
        content
    }

    fn first_line(&self) -> String {
        format!("boot {:032x}", u128::from_be_bytes(self.boot_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; 16] = [7; 16];
    const ALICE: AccountId = AccountId::from_bytes([1; 16]);
    const BOB: AccountId = AccountId::from_bytes([2; 16]);

    fn at(nanos: u64) -> BootTime {
        BootTime::from_nanos(nanos)
    }

    #[test]
    fn the_last_end_of_each_account_is_read_back_on_the_same_boot() {
        let mut ends = Ends::parse(b"", BOOT);
        for (account, nanos) in [(ALICE, 5), (BOB, 6), (ALICE, 9), (ALICE, 8)] {
            ends.note(account, at(nanos));
        }
        let content = ends.content();
        let read = Ends::parse(content.as_bytes(), BOOT);
        assert_eq!((read.of(ALICE), read.of(BOB)), (Some(at(9)), Some(at(6))));
        let other = Ends::parse(content.as_bytes(), [8; 16]);
        assert_eq!(other.of(ALICE), None);
        assert_eq!(Ends::parse(b"\xff\n\n", BOOT).of(ALICE), None);
    }

    #[test]
    fn the_file_stays_small_and_keeps_the_latest_ends() {
        let mut ends = Ends::parse(b"", BOOT);
        for number in 0..1500_u16 {
            let mut bytes = [0; 16];
            bytes[..2].copy_from_slice(&number.to_le_bytes());
            ends.note(AccountId::from_bytes(bytes), at(u64::MAX));
        }
        ends.note(ALICE, at(1));
        let content = ends.content();
        assert!(content.len() <= ENDED_LIMIT);
        assert_eq!(content.lines().count(), ACCOUNT_LIMIT + 1);
        assert_eq!(Ends::parse(content.as_bytes(), BOOT).of(ALICE), Some(at(1)));
    }
}
