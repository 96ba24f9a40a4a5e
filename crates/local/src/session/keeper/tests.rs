//! One test suite for all keepers, and tests that need separate processes. The agent runs as a real
//! process here: this test program again, running only the test that serves.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod forbidden;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::config::KeeperChoice;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;

/// Longer than any test, and short enough that leftovers of a failed one soon expire.
const LONG: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A separate home, and so separate slots.
pub(super) struct Scratch {
    pub(super) home: Arc<Dir>,
    id: HomeId,
    _temp: tempfile::TempDir,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Arc::new(Dir::open_or_create(&temp.path().join("home")).unwrap());
        Self {
            home,
            id: HomeId::random().unwrap(),
            _temp: temp,
        }
    }

    pub(super) fn slot(&self) -> Slot {
        Slot::new(self.id, AccountId::random().unwrap())
    }

    fn agent(&self) -> AgentKeeper {
        AgentKeeper::new(
            Arc::clone(&self.home),
            Some(launch(launcher(self.home.path()))),
        )
    }

    fn keepers(&self, choice: KeeperChoice) -> Keepers {
        let launcher = launcher(self.home.path());
        Keepers::new(choice, Arc::clone(&self.home), Some(launch(launcher)))
    }
}

/// The arguments that make this program run one ignored test, with parameters for that test.
fn test_args(name: &str, told: &[&str]) -> Vec<std::ffi::OsString> {
    ["--ignored", "--exact", "--nocapture", "--test-threads=1"]
        .into_iter()
        .chain([name])
        .chain(told.iter().copied())
        .map(Into::into)
        .collect()
}

fn launch(launcher: AgentLauncher) -> AgentLaunch {
    Arc::new(move || Some(launcher.clone()))
}

fn launcher(home: &Path) -> AgentLauncher {
    let args = test_args(
        "session::keeper::tests::process_that_serves",
        &[home.to_str().unwrap()],
    );
    AgentLauncher::new(std::env::current_exe().unwrap(), args)
}

fn spawn(name: &str, told: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(test_args(name, told))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The parameters of the test in a separate process: the last `N` arguments, if there are that
/// many.
fn told<const N: usize>() -> Option<[String; N]> {
    let args: Vec<String> = std::env::args().skip(6).collect();
    args.try_into().ok()
}

#[test]
#[ignore = "the agent process of other tests"]
fn process_that_serves() {
    let Some([home]) = told() else { return };
    let home = Dir::open(Path::new(&home)).unwrap().unwrap();
    serve_agent(&home, &SystemClock).unwrap();
}

pub(super) fn payload(fill: u8) -> Payload {
    Payload::init_with(|bytes| bytes.fill(fill))
}

/// The byte that fills a whole payload; `None` when there is no payload. A torn payload fails the
/// test.
pub(super) fn fill_of(keeper: &dyn Keeper, slot: &Slot) -> Option<u8> {
    let payload = keeper.read(slot).unwrap()?;
    let first = payload.expose()[0];
    assert!(payload.expose().iter().all(|&byte| byte == first), "torn");
    Some(first)
}

fn what_is_published_is_read_until_it_is_destroyed(keeper: &dyn Keeper, slot: Slot) {
    assert_eq!(fill_of(keeper, &slot), None);
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    let read = keeper.read(&slot).unwrap().unwrap();
    assert!(read.expose() == payload(1).expose());
    assert!(keeper.destroy(&slot).unwrap());
    assert_eq!(fill_of(keeper, &slot), None);
    assert!(!keeper.destroy(&slot).unwrap());
    keeper.publish(&slot, &payload(2), LONG).unwrap();
    assert_eq!(fill_of(keeper, &slot), Some(2));
    keeper.destroy(&slot).unwrap();
}

fn a_later_publish_replaces_and_renews(keeper: &dyn Keeper, slot: Slot) {
    keeper.publish(&slot, &payload(1), SECOND).unwrap();
    keeper.publish(&slot, &payload(2), LONG).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(fill_of(keeper, &slot), Some(2));
    keeper.publish(&slot, &payload(3), SECOND).unwrap();
    assert_eq!(fill_of(keeper, &slot), Some(3));
    std::thread::sleep(Duration::from_millis(3200));
    assert_eq!(fill_of(keeper, &slot), None);
}

fn a_payload_lives_its_lifetime_and_is_then_dropped(keeper: &dyn Keeper, slot: Slot) {
    let lifetime = Duration::from_millis(1200);
    let start = Instant::now();
    keeper.publish(&slot, &payload(1), lifetime).unwrap();
    loop {
        let read = fill_of(keeper, &slot);
        let age = start.elapsed();
        match read {
            None => {
                assert!(age >= lifetime, "gone after {age:?}");
                return;
            }
            Some(_) => assert!(age < Duration::from_millis(3600), "alive after {age:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn slots_are_independent(keeper: &dyn Keeper, slots: [Slot; 2]) {
    keeper.publish(&slots[0], &payload(1), LONG).unwrap();
    assert_eq!(fill_of(keeper, &slots[1]), None);
    keeper.publish(&slots[1], &payload(2), LONG).unwrap();
    assert!(keeper.destroy(&slots[0]).unwrap());
    assert_eq!(fill_of(keeper, &slots[1]), Some(2));
    keeper.destroy(&slots[1]).unwrap();
}

fn a_reader_never_sees_a_part_or_none_while_others_publish(
    keeper: &dyn Keeper,
    slot: Slot,
    rounds: usize,
) {
    keeper.publish(&slot, &payload(0), LONG).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(fill_of(keeper, &slot).is_some());
                }
            });
        }
        let publishers: Vec<_> = (1..4)
            .map(|fill| {
                scope.spawn(move || {
                    for _ in 0..rounds {
                        keeper.publish(&slot, &payload(fill), LONG).unwrap();
                    }
                })
            })
            .collect();
        let ended = publishers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join);
        let ended: Vec<_> = ended.collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    keeper.destroy(&slot).unwrap();
}

macro_rules! suite {
    ($module:ident, $keeper:expr, $rounds:literal) => {
        mod $module {
            use super::*;

            fn keeper(scratch: &Scratch) -> impl Keeper + use<> {
                let make: fn(&Scratch) -> _ = $keeper;
                make(scratch)
            }

            #[test]
            fn what_is_published_is_read_until_it_is_destroyed() {
                let scratch = Scratch::new();
                super::what_is_published_is_read_until_it_is_destroyed(
                    &keeper(&scratch),
                    scratch.slot(),
                );
            }

            #[test]
            fn a_later_publish_replaces_and_renews() {
                let scratch = Scratch::new();
                super::a_later_publish_replaces_and_renews(&keeper(&scratch), scratch.slot());
            }

            #[test]
            fn a_payload_lives_its_lifetime_and_is_then_dropped() {
                let scratch = Scratch::new();
                super::a_payload_lives_its_lifetime_and_is_then_dropped(
                    &keeper(&scratch),
                    scratch.slot(),
                );
            }

            #[test]
            fn slots_are_independent() {
                let scratch = Scratch::new();
                let slots = [scratch.slot(), scratch.slot()];
                super::slots_are_independent(&keeper(&scratch), slots);
            }

            #[test]
            fn a_reader_never_sees_a_part_or_none_while_others_publish() {
                let scratch = Scratch::new();
                super::a_reader_never_sees_a_part_or_none_while_others_publish(
                    &keeper(&scratch),
                    scratch.slot(),
                    $rounds,
                );
            }
        }
    };
}

suite!(kernel, |_| KernelKeeper, 2000);
suite!(agent, |scratch| scratch.agent(), 300);

#[test]
#[ignore = "a process that other tests start"]
fn process_that_publishes() {
    let Some([home, account]) = told() else {
        return;
    };
    let slot = Slot::new(home.parse().unwrap(), account.parse().unwrap());
    let keeper = KernelKeeper;
    for fill in 0..1000_u32 {
        let fill = payload(u8::try_from(fill % 251).unwrap());
        keeper.publish(&slot, &fill, LONG).unwrap();
    }
}

#[test]
fn processes_that_publish_at_once_never_tear_or_hide_a_payload() {
    let scratch = Scratch::new();
    let slot = scratch.slot();
    let keeper = KernelKeeper;
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    let (home, account) = (slot.home.to_string(), slot.account.to_string());
    let name = "session::keeper::tests::process_that_publishes";
    let mut children: Vec<_> = (0..4).map(|_| spawn(name, &[&home, &account])).collect();
    let mut reads = 0;
    while children
        .iter_mut()
        .any(|child| child.try_wait().unwrap().is_none())
    {
        assert!(fill_of(&keeper, &slot).is_some(), "after {reads} reads");
        reads += 1;
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // The last of a thousand rounds, in whatever order the writers finished.
    assert_eq!(fill_of(&keeper, &slot), Some(246));
    assert!(keeper.destroy(&slot).unwrap());
    assert_eq!(fill_of(&keeper, &slot), None);
}

#[test]
fn a_kernel_key_of_another_length_is_corrupt_and_can_be_destroyed() {
    use linux_keyutils::{KeyRing, KeyRingIdentifier};
    let scratch = Scratch::new();
    let slot = scratch.slot();
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, true).unwrap();
    for length in [1, PAYLOAD_LENGTH - 1, PAYLOAD_LENGTH + 1] {
        let key = user.add_key(&slot.to_string(), &vec![0; length]).unwrap();
        key.set_timeout(30).unwrap();
        match KernelKeeper.read(&slot) {
            Err(KeeperError::Corrupt { length: found, .. }) => assert_eq!(found, length),
            _ => panic!("a key of {length} bytes was taken"),
        }
    }
    assert!(KernelKeeper.destroy(&slot).unwrap());
    assert!(KernelKeeper.read(&slot).unwrap().is_none());
}

#[test]
fn a_kernel_key_is_closed_to_everyone_but_its_possessor_and_always_times_out() {
    let scratch = Scratch::new();
    let slot = scratch.slot();
    for _ in 0..2 {
        KernelKeeper.publish(&slot, &payload(1), LONG).unwrap();
        let keys = std::fs::read_to_string("/proc/keys").unwrap();
        // 0f3a… flags usage timeout permissions uid gid type description
        let lines: Vec<Vec<&str>> = keys
            .lines()
            .filter(|line| line.contains(&slot.to_string()))
            .map(|line| line.split_whitespace().collect())
            .collect();
        for line in &lines {
            assert_eq!(line[4], "3b000000", "{line:?}");
            assert_ne!(line[3], "perm", "{line:?}");
        }
        assert!(!lines.is_empty());
    }
    KernelKeeper.destroy(&slot).unwrap();
}

#[test]
fn a_payload_is_seen_by_who_chose_its_keeper_and_destroyed_by_all_who_may_ask_it() {
    use KeeperKind::{Agent, Kernel};
    let scratch = Scratch::new();
    let slot = scratch.slot();
    let choices = [
        KeeperChoice::Auto,
        KeeperChoice::Kernel,
        KeeperChoice::Agent,
    ];
    let [auto, kernel, agent] = choices.map(|choice| scratch.keepers(choice));
    let destroy = |keepers: &Keepers| {
        let stays = Unresponsive::Stays;
        keepers.destroy(&slot, None, stays, |payload| payload.expose()[0] == 3)
    };
    let seen = |keepers: &Keepers| keepers.read(&slot).unwrap().map(|(_, kind)| kind);
    auto.publish(Kernel, &slot, &payload(1), LONG).unwrap();
    assert_eq!(
        [&auto, &kernel, &agent].map(seen),
        [Some(Kernel), Some(Kernel), None]
    );
    // With the agent configured, no keyring system call is made at all.
    assert!(!destroy(&agent).unwrap());
    assert!(destroy(&auto).unwrap());
    auto.publish(Agent, &slot, &payload(2), LONG).unwrap();
    assert_eq!(
        [&auto, &kernel, &agent].map(seen),
        [Some(Agent), None, Some(Agent)]
    );
    auto.publish(Agent, &slot, &payload(3), LONG).unwrap();
    assert!(!destroy(&kernel).unwrap());
    auto.publish(Agent, &slot, &payload(2), LONG).unwrap();
    assert!(destroy(&kernel).unwrap());
    assert_eq!([&auto, &kernel, &agent].map(seen), [None; 3]);
}

#[test]
fn reading_and_destroying_start_no_agent() {
    let scratch = Scratch::new();
    let keepers = scratch.keepers(KeeperChoice::Auto);
    assert!(keepers.read(&scratch.slot()).unwrap().is_none());
    assert!(
        !keepers
            .destroy(&scratch.slot(), None, Unresponsive::Stays, |_| false)
            .unwrap()
    );
    assert!(scratch.home.names().unwrap().is_empty());
}

#[test]
fn a_program_that_cannot_serve_is_an_error_at_once() {
    let scratch = Scratch::new();
    for program in ["/does/not/exist", "/bin/false"] {
        let launcher = AgentLauncher::new(program, [""; 0]);
        let keeper = AgentKeeper::new(Arc::clone(&scratch.home), Some(launch(launcher)));
        let start = Instant::now();
        let result = keeper.publish(&scratch.slot(), &payload(1), LONG);
        assert!(matches!(result, Err(KeeperError::AgentStart { .. })));
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}

/// Checks what the process inherited from its parent. Only root can read that, because the process
/// is not dumpable.
fn assert_inherits_nothing(process: &str, not_this: &impl std::os::fd::AsRawFd) {
    let environment = match std::fs::read(format!("{process}/environ")) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        read => read.unwrap(),
    };
    assert!(environment.is_empty());
    assert_eq!(
        std::fs::read_link(format!("{process}/cwd")).unwrap(),
        Path::new("/")
    );
    let inherited = std::fs::read_link(format!("/proc/self/fd/{}", not_this.as_raw_fd())).unwrap();
    for entry in std::fs::read_dir(format!("{process}/fd")).unwrap() {
        let entry = entry.unwrap();
        let Ok(open) = std::fs::read_link(entry.path()) else {
            continue; // the connection of the last request, closed since
        };
        assert_ne!(open, inherited);
        if matches!(entry.file_name().to_str(), Some("0" | "1" | "2")) {
            assert_eq!(open, Path::new("/dev/null"));
        }
    }
}

#[test]
fn the_agent_process_keeps_nothing_of_ours_and_its_death_is_no_agent() {
    use std::os::fd::AsRawFd;
    let scratch = Scratch::new();
    let slot = scratch.slot();
    // A pipe that children inherit, as from a job runner.
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let keeper = scratch.agent();
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    let run = scratch.home.subdir("run").unwrap().unwrap();
    let path = format!("/proc/self/fd/{}/agent.sock", run.handle().as_raw_fd());
    let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    let pid = rustix::net::sockopt::socket_peercred(&stream).unwrap().pid;
    drop(stream);

    assert_inherits_nothing(&format!("/proc/{}", pid.as_raw_nonzero()), &writer);
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    drop((reader, writer));

    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(fill_of(&keeper, &slot), Some(1));

    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    while keeper.has("agent.sock") {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(fill_of(&keeper, &slot), None);

    // The agent exited normally; the next publish starts another.
    keeper.publish(&slot, &payload(2), LONG).unwrap();
    assert_eq!(fill_of(&keeper, &slot), Some(2));
    keeper.destroy(&slot).unwrap();
}
