//! A log as a team's machine would have it after ninety days: what happens and when follows from a
//! seed; ids and keys are drawn anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::AuditLog;
use nightlatch_audit::{
    Action, ArgvDigest, AuditName, CommandEnd, DangerUnsynced, Details, Event, LoginFailure,
    Origin, ProgramName, TerminationReason,
};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::{ExecId, SessionId};
use nightlatch_core::memory::Secret;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;

/// 2026-01-01T00:00:00Z
pub const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
pub const DAYS: u64 = 90;
const PROGRAMS: [&str; 6] = ["kubectl", "psql", "deploy", "terraform", "ssh", "vault"];
const USERS: [&str; 5] = ["ann", "bob", "eve", "dan", "kim"];

/// Work comes in bursts of about so many events: a sign-in or its like, then commands in quick
/// succession. Appends have two events, as those of guarded commands do.
const BURST: u64 = 58;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn id(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_le_bytes()
    }
}

/// Writes `count` events, give or take a handful, over ninety days into the new home `path`.
pub fn generate(path: &Path, count: u64, seed: u64) -> Arc<Dir> {
    let home = Arc::new(Dir::open_or_create(path).expect("a home"));
    let log = AuditLog::new(home.clone(), Arc::new(SystemClock)).with_origin(Origin::new(
        "ws1",
        1000,
        41_873,
        Some("pts/3"),
    ));
    let mut out = DangerUnsynced::new(&home, log).expect("a new log");
    let mut random = Random(seed);
    let key = Secret::init_with(|bytes| bytes.fill(7));
    let pause = DAYS * 86_400_000_000_000 / (count / BURST).max(1);
    let mut written = 0;
    let mut burst = 0;
    while written < count {
        let mut now = START.plus(Duration::from_nanos(burst * pause));
        burst += 1;
        let user = USERS[usize::try_from(random.below(5)).unwrap_or(0)];
        let name = AuditName::known(&format!("{user}@acme.test"));
        let session = SessionId::from_bytes(random.id());
        let mut put = |now, events: &[Event]| {
            let about = events.iter().map(|event| event.clone().about(name.clone()));
            let events: Vec<_> = about.collect();
            out.append(now, &events).expect("appended");
            written += events.len() as u64;
        };
        if random.below(9) == 0 {
            let reason = LoginFailure::WrongCredentials;
            let attempts = Some(1);
            put(
                now,
                &[Event::new(Details::LoginFailure { reason, attempts })],
            );
        }
        let (idle, max) = (Duration::from_secs(900), Duration::from_secs(43_200));
        if random.below(3) == 0 {
            let reason = TerminationReason::Logout;
            put(
                now,
                &[Event::new(Details::SessionTerminated { reason }).in_session(session)],
            );
        } else {
            put(
                now,
                &[Event::new(Details::SessionCreated { idle, max }).in_session(session)],
            );
        }
        for _ in 0..BURST / 2 {
            let step = random.below((pause / BURST).clamp(1, 1_500_000_000));
            now = now.plus(Duration::from_nanos(step));
            let exec = ExecId::from_bytes(random.id());
            let number = random.next();
            let program = PROGRAMS[usize::try_from(number % 6).unwrap_or(0)];
            let program = ProgramName::new(program.as_ref());
            if number.is_multiple_of(5) {
                let action = Action::new("exec");
                let used = [
                    Details::SessionValidated { action },
                    Details::SessionExtended,
                ];
                put(
                    now,
                    &used.map(|details| Event::new(details).in_session(session)),
                );
                continue;
            }
            let argv = ArgvDigest::of(&key, [&number.to_le_bytes()[..]]);
            let started = Details::CommandStarted {
                exec,
                program,
                argv,
            };
            let took = Duration::from_millis(random.below(90_000));
            let end = CommandEnd::Exited(i32::from(random.below(12) == 0));
            let finished = Details::CommandFinished { exec, end, took };
            put(
                now,
                &[started, finished].map(|details| Event::new(details).in_session(session)),
            );
        }
    }
    out.finish().expect("the state is written");
    home
}
