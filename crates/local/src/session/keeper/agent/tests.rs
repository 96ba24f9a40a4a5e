//! Tests the agent, running on a thread, with misbehaving clients.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::protocol::{REQUEST_LENGTH, encode_read};
use super::socket::{SOCKET, socket_path};
use super::*;
use crate::session::keeper::tests::{Scratch, fill_of, payload};
use crate::session::keeper::{Keeper, KeeperError};
use nightlatch_core::id::HomeId;
use nightlatch_platform::clock::SystemClock;

const LONG: Duration = Duration::from_secs(30);

struct Serving {
    stop: UnixStream,
    thread: JoinHandle<Result<(), AgentError>>,
}

impl Serving {
    fn start(home: &Arc<Dir>) -> Self {
        let (home, (watched, stop)) = (Arc::clone(home), UnixStream::pair().unwrap());
        let (send, ready) = channel();
        let thread = std::thread::spawn(move || {
            server::run(&home, &SystemClock, &watched, || send.send(()).unwrap())
        });
        ready.recv().unwrap();
        Self { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap().unwrap();
    }
}

fn keeper(home: &Arc<Dir>) -> AgentKeeper {
    AgentKeeper::new(Arc::clone(home), None)
}

fn connect(home: &Dir) -> UnixStream {
    let run = home.subdir(RUN).unwrap().unwrap();
    UnixStream::connect(socket_path(&run)).unwrap()
}

/// Reads until the agent hangs up.
fn rest_of(mut stream: &UnixStream) -> Vec<u8> {
    let mut said = Vec::new();
    // The agent may hang up before it has read all of our request.
    let _ = stream.read_to_end(&mut said);
    said
}

#[test]
fn without_an_agent_or_a_launcher_there_is_no_agent() {
    let scratch = Scratch::new();
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    let result = keeper.publish(&slot, &payload(1), LONG);
    assert!(matches!(result, Err(KeeperError::NoAgent)));
    assert!(keeper.read(&slot).unwrap().is_none());
    assert!(!keeper.destroy(&slot).unwrap());
}

#[test]
fn the_socket_is_closed_to_others_and_gone_at_the_end() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let run = scratch.home.path().join(RUN);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&run), 0o700);
    assert_eq!(mode(&run.join(SOCKET)), 0o600);
    assert!(keeper(&scratch.home).has("agent.sock"));
    serving.stop();
    assert!(!keeper(&scratch.home).has("agent.sock"));
}

#[test]
fn a_stale_socket_is_no_agent_and_is_replaced() {
    let scratch = Scratch::new();
    let run = scratch.home.subdir_or_create(RUN).unwrap();
    drop(UnixListener::bind(socket_path(&run)).unwrap());
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    assert!(keeper.has("agent.sock"));
    assert!(keeper.read(&slot).unwrap().is_none());
    let serving = Serving::start(&scratch.home);
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    assert_eq!(fill_of(&keeper, &slot), Some(1));
    serving.stop();
}

#[test]
fn a_second_agent_leaves_the_first_alone() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let (watched, _stop) = UnixStream::pair().unwrap();
    server::run(&scratch.home, &SystemClock, &watched, || {
        panic!("it serves")
    })
    .unwrap();
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    serving.stop();
}

#[test]
fn it_leaves_when_it_holds_nothing_any_more() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let (keeper, slots) = (keeper(&scratch.home), [scratch.slot(), scratch.slot()]);
    for slot in &slots {
        keeper.publish(slot, &payload(1), LONG).unwrap();
    }
    assert!(keeper.destroy(&slots[0]).unwrap());
    assert_eq!(fill_of(&keeper, &slots[1]), Some(1));
    assert!(keeper.destroy(&slots[1]).unwrap());
    serving.thread.join().unwrap().unwrap();
    assert!(!keeper.has("agent.sock"));
}

#[test]
fn it_leaves_by_its_own_timer_when_the_last_payload_ends() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let start = Instant::now();
    let lifetime = Duration::from_millis(300);
    let slot = scratch.slot();
    keeper(&scratch.home)
        .publish(&slot, &payload(1), lifetime)
        .unwrap();
    serving.thread.join().unwrap().unwrap();
    assert!(start.elapsed() >= lifetime);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn it_leaves_when_nobody_publishes() {
    let scratch = Scratch::new();
    let start = Instant::now();
    let serving = Serving::start(&scratch.home);
    serving.thread.join().unwrap().unwrap();
    let waited = start.elapsed();
    assert!((5..8).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_hundred_clients_at_once_are_all_served() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let slot = scratch.slot();
    keeper(&scratch.home)
        .publish(&slot, &payload(7), LONG)
        .unwrap();
    // All connect before the first sends, more than the agent accepts at a time.
    let clients: Vec<_> = (0..100).map(|_| connect(&scratch.home)).collect();
    let others: Vec<_> = (0..100)
        .map(|_| {
            let keeper = keeper(&scratch.home);
            std::thread::spawn(move || fill_of(&keeper, &slot))
        })
        .collect();
    for mut client in clients {
        client.write_all(encode_read(&slot).expose()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest_of(&client).last(), Some(&7));
    }
    for other in others {
        assert_eq!(other.join().unwrap(), Some(7));
    }
    serving.stop();
}

#[test]
fn garbage_and_wrong_lengths_get_no_answer_and_harm_nobody_else() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    keeper.publish(&slot, &payload(7), LONG).unwrap();
    let right = encode_read(&slot).expose().to_vec();
    let mut longer = right.clone();
    longer.push(0);
    let requests = [
        Vec::new(),
        right[..REQUEST_LENGTH - 1].to_vec(),
        longer,
        vec![0xff; REQUEST_LENGTH],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![1; 1 << 20],
    ];
    for request in requests {
        let mut client = connect(&scratch.home);
        // The agent may hang up before all of it is written.
        let _ = client.write_all(&request);
        let _ = client.shutdown(Shutdown::Write);
        assert!(rest_of(&client).is_empty(), "{} bytes", request.len());
        assert_eq!(fill_of(&keeper, &slot), Some(7));
    }
    serving.stop();
}

#[test]
fn a_silent_client_is_dropped_after_two_seconds_and_holds_up_nobody() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    keeper.publish(&slot, &payload(7), LONG).unwrap();
    let start = Instant::now();
    let silent = connect(&scratch.home);
    let mut stalled = connect(&scratch.home);
    stalled.write_all(&[1, 2]).unwrap();
    assert_eq!(fill_of(&keeper, &slot), Some(7));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(rest_of(&silent).is_empty());
    assert!(rest_of(&stalled).is_empty());
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(2) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
    serving.stop();
}

#[test]
fn whoever_is_connected_when_it_leaves_does_not_hang() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.home);
    let clients: Vec<_> = (0..80).map(|_| connect(&scratch.home)).collect();
    serving.stop();
    for client in clients {
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let start = Instant::now();
        assert!(rest_of(&client).is_empty());
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn an_agent_that_hangs_up_on_everyone_is_an_error_not_an_absence() {
    let scratch = Scratch::new();
    let run = scratch.home.subdir_or_create(RUN).unwrap();
    let listener = UnixListener::bind(socket_path(&run)).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    assert!(matches!(
        keeper.read(&slot),
        Err(KeeperError::System { .. })
    ));
    assert!(matches!(
        keeper.destroy(&slot),
        Err(KeeperError::System { .. })
    ));
}

#[test]
fn an_answer_of_another_version_is_an_error() {
    let scratch = Scratch::new();
    let run = scratch.home.subdir_or_create(RUN).unwrap();
    let listener = UnixListener::bind(socket_path(&run)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            rest_of(&stream);
            let _ = stream.write_all(&[9; 512]);
        }
    });
    let result = keeper(&scratch.home).read(&scratch.slot());
    assert!(matches!(result, Err(KeeperError::Protocol)));
}

#[test]
fn a_home_deeper_than_a_socket_address_is_long_works() {
    let temp = tempfile::tempdir().unwrap();
    let deep = temp.path().join("d".repeat(100)).join("e".repeat(100));
    let home = Arc::new(Dir::open_or_create(&deep).unwrap());
    let serving = Serving::start(&home);
    let account = nightlatch_core::id::AccountId::random().unwrap();
    let slot = crate::session::keeper::Slot::new(HomeId::random().unwrap(), account);
    let keeper = keeper(&home);
    keeper.publish(&slot, &payload(1), LONG).unwrap();
    assert_eq!(fill_of(&keeper, &slot), Some(1));
    serving.stop();
}

#[test]
fn a_run_directory_open_to_others_is_closed() {
    let scratch = Scratch::new();
    let run = scratch.home.path().join(RUN);
    std::fs::create_dir(&run).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).unwrap();
    Serving::start(&scratch.home).stop();
    assert_eq!(std::fs::metadata(&run).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn an_end_waits_for_an_agent_that_is_slow_to_leave_and_a_prompt_does_not() {
    let scratch = Scratch::new();
    let run = scratch.home.subdir_or_create(RUN).unwrap();
    let lock = run.lock_within(Duration::ZERO).unwrap().unwrap();
    let (keeper, slot) = (keeper(&scratch.home), scratch.slot());
    assert!(matches!(keeper.read(&slot), Err(KeeperError::NoSocket)));
    std::thread::scope(|scope| {
        let end = scope.spawn(|| keeper.destroy(&slot));
        std::thread::sleep(Duration::from_millis(600));
        drop(lock);
        assert!(!end.join().unwrap().unwrap());
    });
}
