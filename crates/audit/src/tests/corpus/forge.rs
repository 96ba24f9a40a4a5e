//! A log writer that has all keys and follows only the rules that a test wants.
//!
//! It is written from docs/formats.md and shares only the primitives with the real writer, so that
//! a mistake in one is not repeated in the other.

use std::collections::BTreeMap;

use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::derive;
use nightlatch_core::crypto::labels::{self, Label};
use nightlatch_core::crypto::sign::{KeyPair, PublicKey};
use nightlatch_core::crypto::{Key, hex, sha256, unhex};

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
/// 2025-11-20T10:00:00.123456Z, in microseconds.
const START: i64 = 1_763_632_800_123_456;

type Seed = [u8; 32];

/// A pseudorandom generator with the same numbers in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(super) fn seed(&mut self) -> Seed {
        let mut seed = [0; 32];
        for part in seed.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        seed
    }

    fn uuid(&mut self, version: char) -> String {
        let mut digits = hex(&self.seed()[..16]);
        digits.replace_range(12..13, &version.to_string());
        digits.replace_range(16..17, "8");
        let part = |range: std::ops::Range<usize>| digits[range].to_owned();
        [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ]
        .join("-")
    }
}

/// An event: its type and its details in JSON.
pub(super) type Said = (&'static str, String);

pub(super) fn said(event_type: &'static str, details: &str) -> Said {
    (event_type, details.to_owned())
}

/// The keys of a seal: the one that signs, and those that it announces.
struct Keys {
    own: Seed,
    next: PublicKey,
    next_segment: Option<PublicKey>,
}

/// A writer; see the module.
pub(super) struct Forge {
    pub(super) random: Random,
    segment_seed: Seed,
    seal_seed: Option<Seed>,
    pub(super) fingerprint: String,
    /// The number and the hash of the last line.
    pub(super) last: (u64, String),
    /// Segments by name, and any other files.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) segment: String,
    /// Microseconds since 1970.
    pub(super) now: i64,
    written_at: i64,
    /// The first line of every segment.
    firsts: BTreeMap<String, String>,
}

impl Forge {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let segment_seed = random.seed();
        Self {
            fingerprint: public(segment_key(&segment_seed)).to_string(),
            random,
            segment_seed,
            seal_seed: None,
            last: (0, "0".repeat(64)),
            files: BTreeMap::new(),
            segment: String::new(),
            now: START,
            written_at: START,
            firsts: BTreeMap::new(),
        }
    }

    /// The bytes of a line before its hash.
    pub(super) fn body(&mut self, event: &Said, at: i64) -> String {
        let (event_type, details) = event;
        let session = match *event_type {
            "SESSION_VALIDATED" => format!("\"{}\"", self.random.uuid('4')),
            _ => "null".to_owned(),
        };
        format!(
            "{{\"seq\":{},\"id\":\"{}\",\"timestamp\":\"{}\",\"event_type\":\"{event_type}\",\
             \"username\":\"alice@example.com\",\"session_id\":{session},\"success\":true,\
             \"details\":{details},\"host\":\"ws1\",\"uid\":1000,\"pid\":4242,\"tty\":\"pts/3\",\
             \"prev\":\"{}\"",
            self.last.0 + 1,
            self.random.uuid('7'),
            time(at),
            self.last.1
        )
    }

    /// Appends a line to the open segment; its number is taken from its bytes.
    fn put(&mut self, body: &str, at: i64, keys: Option<&Keys>) -> String {
        let line = format!("{}\n", hashed(body, keys));
        let digits = body.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        self.last = (digits.parse().unwrap_or(0), hex(&sha256(body.as_bytes())));
        self.written_at = at;
        let file = self.files.entry(self.segment.clone()).or_default();
        file.extend_from_slice(line.as_bytes());
        line
    }

    fn seal_keys(&mut self) -> Keys {
        let seed = self.seal_seed.unwrap();
        let next = step(&seed, labels::AUDIT_NEXT_SEAL);
        self.seal_seed = Some(next);
        Keys {
            own: seal_key(&seed),
            next: public(seal_key(&next)),
            next_segment: None,
        }
    }

    pub(super) fn open(&mut self) {
        self.open_with(|body| body);
    }

    /// Opens a segment whose first line is modified by `change`.
    pub(super) fn open_with(&mut self, change: impl FnOnce(String) -> String) {
        self.segment = segment_name(self.last.0 + 1);
        let seed = self.segment_seed;
        let own = segment_key(&seed);
        let seal_seed = step(&seed, labels::AUDIT_FIRST_SEAL);
        self.segment_seed = step(&seed, labels::AUDIT_NEXT_SEGMENT);
        self.seal_seed = Some(seal_seed);
        let details = format!(
            "{{\"segment\":\"{}\",\"fingerprint\":\"{}\",\"key\":\"{}\",\"reason\":\"day\",\
             \"version\":\"0.1.0\",\"idle_seconds\":900,\"syslog\":true}}",
            self.segment,
            self.fingerprint,
            public(own)
        );
        let keys = Keys {
            own,
            next: public(seal_key(&seal_seed)),
            next_segment: Some(public(segment_key(&self.segment_seed))),
        };
        let body = self.body(&("SEGMENT_OPENED", details), self.now);
        let line = self.put(&change(body), self.now, Some(&keys));
        self.firsts.insert(self.segment.clone(), line);
    }

    pub(super) fn close(&mut self) {
        self.close_with(|body| body);
    }

    /// Closes the segment with a last line modified by `change`.
    pub(super) fn close_with(&mut self, change: impl FnOnce(String) -> String) {
        let keys = Keys {
            own: seal_key(&self.seal_seed.take().unwrap()),
            next: public(segment_key(&self.segment_seed)),
            next_segment: None,
        };
        let details = format!("{{\"segment\":\"{}\"}}", self.segment);
        let at = self.written_at;
        let body = self.body(&("SEGMENT_CLOSED", details), at);
        self.put(&change(body), at, Some(&keys));
    }

    /// Appends events, with a seal on the last one.
    pub(super) fn append(&mut self, events: &[Said]) {
        self.append_with(events, |body| body);
    }

    /// Like [`Forge::append`], with the last line modified by `change` before it is hashed and
    /// sealed.
    pub(super) fn append_with(&mut self, events: &[Said], change: impl FnOnce(String) -> String) {
        if self.segment.is_empty() {
            self.open();
        }
        let at = self.now;
        let (last, others) = events.split_last().unwrap();
        self.unsealed(others);
        let body = self.body(last, at);
        let keys = self.seal_keys();
        self.put(&change(body), at, Some(&keys));
    }

    /// Appends events without a seal, as anybody can.
    pub(super) fn unsealed(&mut self, events: &[Said]) {
        for event in events {
            let body = self.body(event, self.now);
            self.put(&body, self.now, None);
        }
    }

    /// Closes the segment and opens one on the next day.
    pub(super) fn next_day(&mut self) {
        self.close();
        self.now += DAY;
        self.open();
    }

    /// Several appends of different sizes, as sessions make them.
    pub(super) fn work(&mut self, appends: usize) {
        for _ in 0..appends {
            self.now += SECOND * i64::try_from(self.random.below(60)).unwrap();
            let action = |at: usize| said("SESSION_VALIDATED", &format!("{{\"action\":\"{at}\"}}"));
            let events = match self.random.below(5) {
                0 => vec![
                    said("LOGIN_ATTEMPT", "{}"),
                    said("LOGIN_SUCCESS", "{}"),
                    said(
                        "SESSION_CREATED",
                        "{\"idle_seconds\":900,\"max_seconds\":14400}",
                    ),
                ],
                1 => (0..=self.random.below(16)).map(action).collect(),
                2 => vec![said(
                    "COMMAND_FINISHED",
                    "{\"exit_code\":-1,\"duration_ms\":18446744073709551615}",
                )],
                3 => vec![said(
                    "FUTURE_EVENT",
                    "{\"a\":[1,{\"\u{e9}\\u0001\\\\\":[true,null]}],\"b\":{}}",
                )],
                _ => vec![
                    action(0),
                    said(
                        "COMMAND_STARTED",
                        "{\"program\":\"psql \\\"\u{1d11e}\u{7f}\"}",
                    ),
                ],
            };
            self.append(&events);
        }
    }

    /// The head for the current end.
    pub(super) fn head(&self) -> Vec<u8> {
        self.head_of(&self.last, &self.fingerprint)
    }

    /// A head for any line, signed with the key that the last seal announced.
    pub(super) fn head_of(&self, line: &(u64, String), fingerprint: &str) -> Vec<u8> {
        let key = match &self.seal_seed {
            Some(seed) => seal_key(seed),
            None => segment_key(&self.segment_seed),
        };
        let (seq, hash) = line;
        let message = [
            labels::AUDIT_HEAD.as_bytes(),
            &[0],
            &bytes(hash),
            &seq.to_le_bytes(),
            &bytes(fingerprint),
        ];
        let sig = KeyPair::of(&secret(&key)).sign(&message.concat());
        let text = format!(
            "{{\"seq\":{seq},\"hash\":\"{hash}\",\"fingerprint\":\"{fingerprint}\",\"sig\":\"{sig}\"}}"
        );
        format!("{text:<511}\n").into_bytes()
    }

    /// The current files, with the head.
    pub(super) fn log(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        files.insert("head".to_owned(), self.head());
        files
    }

    /// The details of an AUDIT_PRUNED for the oldest `count` segments.
    pub(super) fn pruned(&self, count: usize, retention_seconds: i64) -> String {
        let firsts: Vec<_> = self.firsts.values().collect();
        let last: u64 = number_of(firsts[count]) - 1;
        format!(
            "{{\"segments\":{count},\"first_seq\":1,\"last_seq\":{last},\"last_hash\":\"{}\",\
             \"from\":\"{}\",\"to\":\"{}\",\"retention_seconds\":{retention_seconds}}}",
            text_after(firsts[count], "\"prev\":\"", 64),
            text_after(firsts[0], "\"timestamp\":\"", 27),
            text_after(firsts[count], "\"timestamp\":\"", 27),
        )
    }

    /// Removes the files of the oldest `count` segments, and keeps their first lines.
    pub(super) fn remove(&mut self, count: usize) {
        let firsts: Vec<_> = self.firsts.iter().take(count).collect();
        let kept: String = firsts.iter().map(|(_, line)| line.as_str()).collect();
        self.files
            .insert("removed.jsonl".to_owned(), kept.into_bytes());
        for (name, _) in firsts {
            self.files.remove(name);
        }
    }

    /// The anchor of the last line, as a line of JSON.
    pub(super) fn anchor(&self) -> String {
        self.anchor_of(self.last.0, &self.last.1)
    }

    /// The anchor of the first line of the log.
    pub(super) fn anchor_of_first(&self) -> String {
        let line = self.firsts.values().next().unwrap();
        self.anchor_of(number_of(line), text_after(line, ",\"hash\":\"", 64))
    }

    pub(super) fn anchor_of(&self, seq: u64, hash: &str) -> String {
        let fingerprint = &self.fingerprint;
        format!(
            "{{\"schema\":1,\"seq\":{seq},\"hash\":\"{hash}\",\"fingerprint\":\"{fingerprint}\"}}\n"
        )
    }
}

pub(super) fn segment_name(first: u64) -> String {
    format!("{first:016}.jsonl")
}

pub(super) fn time(micros: i64) -> String {
    Timestamp::from_unix_nanos(micros * 1000).to_string()
}

/// The number in a line.
pub(super) fn number_of(line: &str) -> u64 {
    line["{\"seq\":".len()..]
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn text_after<'a>(line: &'a str, key: &str, length: usize) -> &'a str {
    let at = line.find(key).unwrap() + key.len();
    &line[at..at + length]
}

/// Makes a line from a body: with its hash, and sealed if there are keys.
fn hashed(body: &str, keys: Option<&Keys>) -> String {
    let hash = sha256(body.as_bytes());
    let mut line = format!("{body},\"hash\":\"{}\"", hex(&hash));
    if let Some(Keys {
        own,
        next,
        next_segment,
    }) = keys
    {
        let more = next_segment.map(|key| *key.as_bytes());
        let mut message = [labels::AUDIT_SEAL.as_bytes(), &[0], &hash, next.as_bytes()].concat();
        message.extend(more.iter().flatten());
        let sig = KeyPair::of(&secret(own)).sign(&message);
        let segment_key = next_segment.map(|key| format!("\"segment_key\":\"{key}\","));
        let segment_key = segment_key.unwrap_or_default();
        line += &format!(",\"seal\":{{\"key\":\"{next}\",{segment_key}\"sig\":\"{sig}\"}}");
    }
    line + "}"
}

fn secret(seed: &Seed) -> Key {
    Key::init_with(|into| into.copy_from_slice(seed))
}

fn step(seed: &Seed, label: Label) -> Seed {
    *derive(&secret(seed), label, &[]).expose()
}

fn segment_key(seed: &Seed) -> Seed {
    step(seed, labels::AUDIT_SEGMENT_KEY)
}

fn seal_key(seed: &Seed) -> Seed {
    step(seed, labels::AUDIT_SEAL_KEY)
}

fn public(own: Seed) -> PublicKey {
    KeyPair::of(&secret(&own)).public()
}

fn bytes(hex: &str) -> [u8; 32] {
    unhex(hex.as_bytes()).unwrap()
}
