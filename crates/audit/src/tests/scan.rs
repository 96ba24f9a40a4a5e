//! The fast scan gives the same result as parsing every line.

use std::ffi::OsStr;

use proptest::prelude::*;

use super::*;
use crate::scan_options::ScanOptions;
use crate::seal::Parts;
use nightlatch_core::crypto::Key;
use nightlatch_core::id::{ExecId, SessionId};

const MINUTE: i64 = 60_000_000_000;

/// A step in building a log.
#[derive(Clone, Debug)]
enum Step {
    /// Appends this many events, from this index in a list of kinds on.
    Append(usize, usize),
    /// Moves the clock forward or back by this many nanoseconds.
    Clock(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2 * MINUTE).prop_map(Step::Clock),
        6 => (1..40_usize, 0..90_usize).prop_map(|(count, kind)| Step::Append(count, kind)),
        4 => (0..40 * MINUTE).prop_map(Step::Clock),
        1 => (0..30 * 60 * MINUTE).prop_map(Step::Clock),
        1 => (-5 * 60 * MINUTE..0).prop_map(Step::Clock),
    ]
}

fn session(number: usize) -> SessionId {
    SessionId::from_bytes([u8::try_from(number % 3).unwrap(); 16])
}

fn exec(number: usize) -> ExecId {
    ExecId::from_bytes([u8::try_from(number % 4).unwrap(); 16])
}

fn digest(number: usize) -> ArgvDigest {
    let key = Key::init_with(|bytes| bytes.fill(7));
    ArgvDigest::of(&key, [format!("psql {}", number % 2).as_bytes()])
}

fn event(kind: usize) -> Event {
    let user = AuditName::known(["alice@example.com", "bob@example.com"][kind % 2]);
    let program = |name: &str| ProgramName::new(OsStr::new(name));
    let event = match kind % 9 {
        0 => Event::new(Details::LoginFailure {
            reason: LoginFailure::WrongCredentials,
            attempts: None,
        }),
        // A text that looks like the search pattern.
        1 => used("\"event_type\":\"LOGIN_FAILURE\" \"success\":false"),
        2 => Event::new(Details::SessionExtended),
        3 => Event::new(Details::CommandStarted {
            exec: exec(kind),
            program: program(["psql", "a \"b\""][kind % 2]),
            argv: digest(kind),
        }),
        4 => Event::new(Details::CommandFinished {
            exec: exec(kind),
            end: [
                CommandEnd::Exited(0),
                CommandEnd::Exited(3),
                CommandEnd::Signalled(15),
                CommandEnd::Failed(CommandFailure::NotFound),
            ][kind / 9 % 4],
            took: Duration::from_secs(1),
        }),
        5 => Event::new(Details::CommandRefused {
            program: program("psql"),
            reason: CommandRefusal::NoSession,
        }),
        _ => used("exec"),
    };
    event.about(user).in_session(session(kind))
}

/// One of two origins.
fn origin(kind: usize) -> Origin {
    let (host, tty) = [("ws1", Some("pts/3")), ("ws2", None)][kind % 2];
    Origin::new(host, 1000, 4242, tty)
}

fn query() -> impl Strategy<Value = Query> {
    let time = || {
        proptest::option::weighted(0.5, -300 * MINUTE..3000 * MINUTE)
            .prop_map(|after| after.map(|after| Timestamp::from_unix_nanos(START + after)))
    };
    let types = prop_oneof![
        Just(vec![]),
        Just(vec![EventType::LoginFailure.into()]),
        Just(vec![
            EventType::SessionExtended.into(),
            EventType::SegmentClosed.into()
        ]),
    ];
    let exit = prop_oneof![
        Just(ExitFilter::NonZero),
        Just(ExitFilter::Code(3)),
        Just(ExitFilter::AnySignal),
        Just(ExitFilter::Signal(15)),
    ];
    let asked = (0..12_u8, any::<bool>(), exit);
    (types, time(), time(), asked, 1..200_u64).prop_map(
        |(types, since, until, (who, failed_only, exit), limit)| Query {
            user: (who == 1).then(|| "alice@example.com".to_owned()),
            session: (who == 2).then(|| session(1)),
            failed_only: failed_only && who > 2,
            program: (who == 5).then(|| "a \"b\"".to_owned()),
            execs: match who {
                6 => vec![exec(3)],
                7 => vec![exec(0), exec(1)],
                _ => vec![],
            },
            argv: (who == 8).then(|| digest(1)),
            exit: (who == 9).then_some(exit),
            tty: (who == 10).then(|| "pts/3".to_owned()),
            host: (who == 11).then(|| "ws2".to_owned()),
            limit: Limit::new(limit).unwrap(),
            // Most kinds of filters by themselves.
            types: if who > 4 { vec![] } else { types },
            since,
            until,
            ..Query::default()
        },
    )
}

fn options() -> impl Strategy<Value = ScanOptions> {
    let sizes = (1..300_000_usize, 1..60_000_u64, 600..20_000_u64, 1..4_usize);
    (sizes, any::<bool>()).prop_map(
        |((chunk, piece, narrow, threads), counts_all)| ScanOptions {
            chunk,
            piece,
            narrow,
            threads: Some(threads),
            counts_all,
        },
    )
}

/// Every line of the log up to its last seal that parses and matches, in order, and the number that
/// do not parse.
fn naive(home: &Home, query: &Query) -> (Vec<String>, u64) {
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    let mut names = home.names();
    names.retain(|name| name.contains(".jsonl"));
    for (at, name) in names.iter().enumerate() {
        let bytes = std::fs::read(home.audit().join(name)).unwrap();
        let mut of_segment: Vec<_> = bytes
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let torn = of_segment.pop().unwrap();
        lines.extend(of_segment);
        if at + 1 < names.len() && !torn.is_empty() {
            lines.push(torn);
        }
    }
    let is_sealed = |line: &Vec<u8>| Parts::of(line).is_some_and(|parts| parts.seal.is_some());
    lines.truncate(lines.iter().rposition(is_sealed).map_or(0, |last| last + 1));
    let mut unreadable = 0;
    for line in lines {
        let Some(record) = Record::parse(&line) else {
            unreadable += 1;
            continue;
        };
        if passes(&record, query) {
            found.push(record.raw);
        }
    }
    (found, unreadable)
}

fn passes(record: &Record, query: &Query) -> bool {
    let details: serde_json::Value = serde_json::from_str(record.details.get()).unwrap();
    let text = |key: &str| details[key].as_str().map(str::to_owned);
    let is = |wanted: &Option<String>, said: Option<String>| wanted.is_none() || *wanted == said;
    let ended = |exit: ExitFilter| match exit {
        ExitFilter::NonZero => !record.success,
        ExitFilter::Code(code) => details["exit_code"] == code,
        ExitFilter::AnySignal => details["signal"].is_i64(),
        ExitFilter::Signal(signal) => details["signal"] == signal,
    };
    let finished = record.event_type == EventType::CommandFinished;
    is(&query.user, record.username.clone())
        && (query.types.is_empty() || query.types.contains(&record.event_type))
        && query.since.is_none_or(|since| record.timestamp >= since)
        && query.until.is_none_or(|until| record.timestamp < until)
        && query.session.is_none_or(|id| record.session_id == Some(id))
        && !(query.failed_only && (record.success || finished))
        && is(&query.program, text("program"))
        && is(
            &query.argv.map(|digest| digest.to_string()),
            text("argv_digest"),
        )
        && (query.execs.is_empty()
            || query
                .execs
                .iter()
                .any(|id| text("exec_id") == Some(id.to_string())))
        && query.exit.is_none_or(|exit| finished && ended(exit))
        && is(&query.tty, record.tty.clone())
        && is(&query.host, Some(record.host.clone()))
}

/// Inserts malformed lines into the segments, never before their first line.
fn spoil(home: &Home, garbage: &[(usize, usize, Vec<u8>)], torn: usize) {
    let mut names = home.names();
    names.retain(|name| name.contains(".jsonl"));
    for (segment, place, bytes) in garbage {
        let path = home.audit().join(&names[segment % names.len()]);
        let mut content = std::fs::read(&path).unwrap();
        let ends: Vec<_> = memchr::memchr_iter(b'\n', &content).collect();
        let at = ends[place % ends.len()] + 1;
        content.splice(at..at, bytes.iter().copied().chain([b'\n']));
        std::fs::write(&path, content).unwrap();
    }
    let path = home.audit().join(names.last().unwrap());
    let content = std::fs::read(&path).unwrap();
    std::fs::write(
        path,
        &content[..content.len() - torn.min(content.len() / 2)],
    )
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_answer_is_that_of_parsing_every_line(
        steps in proptest::collection::vec(step(), 1..40),
        garbage in proptest::collection::vec(
            (any::<usize>(), any::<usize>(), prop_oneof![
                4 => proptest::collection::vec(any::<u8>().prop_filter("no line end", |&byte| byte != b'\n'), 0..200),
                2 => Just(b"{\"seq\":7,\"event_type\":\"LOGIN_FAILURE\",\"success\":false}".to_vec()),
                1 => Just(vec![b'x'; 150_000]),
            ]),
            0..4,
        ),
        torn in prop_oneof![Just(0_usize), 1..600_usize],
        asked in proptest::collection::vec((query(), options()), 20),
    ) {
        let home = Home::new();
        let log = home.log();
        drop(log.append(&[event(0)]).unwrap());
        for step in &steps {
            match *step {
                Step::Append(count, kind) => {
                    let events: Vec<_> = (0..count).map(|at| event(kind + at)).collect();
                    drop(home.log().with_origin(origin(kind)).append(&events).unwrap());
                }
                Step::Clock(by) => {
                    home.clock.0.fetch_add(by, Ordering::Relaxed);
                }
            }
        }
        spoil(&home, &garbage, torn);
        let everything = log.query(&Query { limit: Limit::MAX, ..Query::default() }).unwrap();
        for (at, (query, options)) in asked.iter().enumerate() {
            // Use the times of events as bounds, where an off-by-one error would show.
            let mut query = query.clone();
            if at % 2 == 0 && !everything.events.is_empty() {
                let record = &everything.events[at * 37 % everything.events.len()];
                query.since = query.since.map(|_| record.timestamp);
                query.until = query.until.map(|until| until.max(record.timestamp));
            }
            let query = &query;
            let (expected, unreadable) = naive(&home, query);
            let progress = Progress::default();
            let answer = log.query_by(query, options, &progress).unwrap();
            let (done, all) = progress.get();
            let limit = usize::from(query.limit.get());
            if options.counts_all {
                prop_assert_eq!(done, all, "all that was to be read");
                prop_assert_eq!(answer.total, expected.len() as u64, "{:?} {:?}", query, options);
                prop_assert_eq!(answer.has_more, expected.len() > limit);
            } else {
                let counted = answer.events.len() as u64..=expected.len() as u64;
                prop_assert!(counted.contains(&answer.total));
                prop_assert!(answer.has_more || expected.len() <= limit);
            }
            let newest = &expected[expected.len().saturating_sub(limit)..];
            let found: Vec<_> = answer.events.iter().map(|record| record.raw.clone()).collect();
            prop_assert_eq!(found, newest);
            let everything = Query { limit: query.limit, ..Query::default() };
            if *query == everything && options.counts_all {
                prop_assert_eq!(answer.unreadable, unreadable);
            } else {
                prop_assert!(answer.unreadable <= unreadable);
            }
            prop_assert_eq!(answer.end, log.query(&everything).unwrap().end);
        }
    }
}

#[test]
fn a_clock_set_back_opens_a_new_segment_so_that_times_in_each_rise() {
    let home = Home::new();
    let log = home.log();
    for by in [0, 10 * MINUTE, -5 * MINUTE, MINUTE] {
        home.clock.0.fetch_add(by, Ordering::Relaxed);
        drop(log.append(&[used("exec")]).unwrap());
    }
    let segments: Vec<_> = home
        .names()
        .into_iter()
        .filter(|name| name.contains(".jsonl"))
        .collect();
    assert_eq!(segments.len(), 2);
    let since = Some(Timestamp::from_unix_nanos(START + 10 * MINUTE));
    let answer = log
        .query(&Query {
            since,
            types: vec![EventType::SessionValidated.into()],
            ..Query::default()
        })
        .unwrap();
    assert_eq!(actions(&answer.events), ["exec"]);
}
