//! Clients that send requests over connections of their own and measure the answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After this time.
    Time(Duration),
    /// After so many requests.
    Count(u64),
    /// When this is set.
    Set(&'static AtomicBool),
}

/// What came back.
#[derive(Default)]
pub struct Outcome {
    pub elapsed: Duration,
    /// In ascending order.
    pub latencies: Vec<Duration>,
    pub statuses: BTreeMap<u16, u64>,
}

impl Outcome {
    /// The latency that this percentage of the answers did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = last * percent / 100;
        self.latencies.get(at).copied().unwrap_or_default()
    }

    pub fn count(&self) -> u64 {
        self.statuses.values().sum()
    }
}

/// Sends the requests that `request` makes of their number. With a pace, each client starts one
/// every so often, and its time counts from when it was due; without one, as soon as the last was
/// answered.
pub fn run(
    address: SocketAddr,
    clients: usize,
    until: Until,
    pace: Option<Duration>,
    request: &(impl Fn(u64) -> String + Sync),
) -> Outcome {
    let next = AtomicU64::new(0);
    let connections: Vec<_> = (0..clients).map(|_| Connection::new(address)).collect();
    let start = Instant::now();
    let client = |mut connection: Connection, at: usize| {
        let mut outcome = Outcome::default();
        let clients = u32::try_from(clients).unwrap();
        // Not all at once.
        let mut due = pace.map(|pace| start + pace * u32::try_from(at).unwrap() / clients);
        loop {
            if let Some(due) = due {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let number = next.fetch_add(1, Ordering::Relaxed);
            let is_over = match until {
                Until::Time(length) => start.elapsed() >= length,
                Until::Count(count) => number >= count,
                Until::Set(flag) => flag.load(Ordering::Relaxed),
            };
            if is_over {
                return outcome;
            }
            let text = request(number);
            let sent = due.unwrap_or_else(Instant::now);
            let status = connection.send(&text);
            outcome.latencies.push(sent.elapsed());
            *outcome.statuses.entry(status).or_default() += 1;
            due = due.zip(pace).map(|(due, pace)| due + pace);
        }
    };
    let mut whole = Outcome::default();
    std::thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(at, connection)| scope.spawn(move || client(connection, at)))
            .collect();
        for thread in threads {
            let part = thread.join().unwrap();
            whole.latencies.extend(part.latencies);
            for (status, count) in part.statuses {
                *whole.statuses.entry(status).or_default() += count;
            }
        }
    });
    whole.elapsed = start.elapsed();
    whole.latencies.sort_unstable();
    whole
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends a request and reads its whole answer; returns the status.
    fn send(&mut self, request: &str) -> u16 {
        self.stream.write_all(request.as_bytes()).unwrap();
        self.buffer.clear();
        let mut piece = [0; 8192];
        loop {
            let length = self.stream.read(&mut piece).unwrap();
            assert!(length > 0, "the server closed a connection");
            self.buffer.extend_from_slice(&piece[..length]);
            if let Some(status) = status_of_whole(&self.buffer) {
                return status;
            }
        }
    }
}

/// The status of an answer that is there as a whole.
fn status_of_whole(answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let is_whole = match header("content-length") {
        Some(length) => answer.len() >= end + length.parse::<usize>().unwrap(),
        None if header("transfer-encoding").is_some() => answer.ends_with(b"\r\n0\r\n\r\n"),
        None => true,
    };
    is_whole.then_some(status)
}
