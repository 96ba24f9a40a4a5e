//! Writes a line of the log in its one form, and hashes its bytes.

use uuid::Uuid;

use super::event::Event;
use super::event_source::Origin;
use super::hash::LineHash;
use super::json::Object;
use super::line::Link;
use super::seal::Seal;
use nightlatch_core::clock::Timestamp;

/// The time that every line has, and the origin of events that have none of their own.
pub(super) struct Stamp<'a> {
    pub(super) origin: &'a Origin,
    pub(super) timestamp: Timestamp,
    pub(super) id: Uuid,
}

/// Writes `event` as the line after `previous` at the end of `out`, with the seal that `seal`
/// returns for it. Returns the link for the next line.
pub(super) fn write(
    out: &mut Vec<u8>,
    previous: Link,
    event: &Event,
    stamp: &Stamp<'_>,
    seal: impl FnOnce(Link) -> Option<Seal>,
) -> Link {
    let start = out.len();
    let seq = previous.seq + 1;
    let mut line = Object::open(out);
    line.token("seq", seq);
    line.plain("id", stamp.id.as_hyphenated());
    line.plain("timestamp", stamp.timestamp);
    line.plain("event_type", event.event_type());
    line.text_or_null("username", event.who().map(super::AuditName::as_str));
    match event.session() {
        Some(session) => line.plain("session_id", session),
        None => line.token("session_id", "null"),
    }
    line.token("success", event.details().success());
    line.value("details", &event.written_details());
    let origin = stamp.origin;
    line.text("host", origin.host());
    line.token("uid", origin.uid());
    line.token("pid", origin.pid());
    line.text_or_null("tty", origin.tty());
    line.plain("prev", previous.hash);
    let hash = LineHash::of(&line.written()[start..]);
    line.plain("hash", hash);
    let written = Link { seq, hash };
    if let Some(seal) = seal(written) {
        let mut object = line.object("seal");
        object.plain("key", seal.next);
        if let Some(key) = seal.next_segment {
            object.plain("segment_key", key);
        }
        object.plain("sig", seal.signature);
        object.close();
    }
    line.close();
    out.push(b'\n');
    written
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::line::{LINE_LIMIT, Line};
    use super::super::seal::Parts;
    use super::super::tests::catalogue::catalogue;
    use super::super::text::{Action, ProgramName, RevocationReason};
    use super::super::{AuditName, CommandRefusal, Details};
    use super::*;
    use nightlatch_core::id::SessionId;

    const KEYS: [&str; 14] = [
        "seq",
        "id",
        "timestamp",
        "event_type",
        "username",
        "session_id",
        "success",
        "details",
        "host",
        "uid",
        "pid",
        "tty",
        "prev",
        "hash",
    ];

    fn stamp(origin: &Origin) -> Stamp<'_> {
        Stamp {
            origin,
            timestamp: Timestamp::from_unix_nanos(1_763_682_067_123_456_789),
            id: Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001),
        }
    }

    fn rendered(previous: Link, event: &Event, origin: &Origin) -> (String, Link) {
        let mut out = Vec::new();
        let next = write(&mut out, previous, event, &stamp(origin), |_| None);
        (String::from_utf8(out).unwrap(), next)
    }

    /// The hash in a line, and whether it matches the line's bytes.
    fn judged(line: &str) -> Option<(LineHash, bool)> {
        let (parts, is_right) = Parts::judged(line.as_bytes())?;
        Some((parts.hash, is_right))
    }

    /// The exact format, byte for byte: changing it breaks every existing log.
    #[test]
    fn a_line_is_written_exactly_so() {
        let origin = Origin::new("ws1", 1000, 4242, Some("pts/3"));
        let event = Event::new(Details::LoginSuccess).about(AuditName::known("alice@example.com"));
        let (line, first) = rendered(Link::GENESIS, &event, &origin);
        let body = format!(
            "{{\"seq\":1,\"id\":\"01970000-0000-7000-8000-000000000001\",\
             \"timestamp\":\"2025-11-20T23:41:07.123456Z\",\"event_type\":\"LOGIN_SUCCESS\",\
             \"username\":\"alice@example.com\",\"session_id\":null,\"success\":true,\
             \"details\":{{}},\"host\":\"ws1\",\"uid\":1000,\"pid\":4242,\"tty\":\"pts/3\",\
             \"prev\":\"{}\"",
            "0".repeat(64)
        );
        // printf '%s' "$body" | sha256sum
        let hash = "e4c82949d8bbc73662cec019ba72db869cfc1fa21aff96e439144751b310edf1";
        assert_eq!(line, format!("{body},\"hash\":\"{hash}\"}}\n"));

        let event =
            Event::new(Details::SessionExtended).in_session(SessionId::from_bytes([0x22; 16]));
        let (second, _) = rendered(first, &event, &Origin::new("ws1", 0, 1, None));
        assert!(second.starts_with("{\"seq\":2,"));
        assert!(second.contains(
            "\"username\":null,\"session_id\":\"22222222-2222-2222-2222-222222222222\","
        ));
        assert!(second.contains(&format!("\"tty\":null,\"prev\":\"{hash}\",\"hash\":\"")));
    }

    #[test]
    fn the_hash_of_every_event_is_found_by_its_bytes_alone() {
        let origin = Origin::new("ws1", 1000, 4242, None);
        for (details, _) in catalogue() {
            let (line, next) = rendered(Link::GENESIS, &Event::new(details), &origin);
            assert_eq!(line.matches(",\"hash\":").count(), 1, "{line}");
            assert_eq!(judged(line.trim_end()), Some((next.hash, true)));
        }
    }

    fn keys_in_order(line: &str) -> Vec<String> {
        struct Keys(Vec<String>);
        impl<'de> Deserialize<'de> for Keys {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visit;
                impl<'de> serde::de::Visitor<'de> for Visit {
                    type Value = Keys;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Keys, A::Error> {
                        let mut keys = Vec::new();
                        while let Some((key, _)) =
                            map.next_entry::<String, serde::de::IgnoredAny>()?
                        {
                            keys.push(key);
                        }
                        Ok(Keys(keys))
                    }
                }
                from.deserialize_map(Visit)
            }
        }
        serde_json::from_str::<Keys>(line).unwrap().0
    }

    proptest! {
        #[test]
        fn whatever_the_strings_a_line_is_one_line_and_reads_back(
            email in any::<String>(),
            text in "\\PC{0,600}|[\\x00-\\x7f]{0,600}|(?s:.){0,600}",
            host in any::<String>(),
            tty in proptest::option::of(any::<String>()),
            shape in 0..3,
        ) {
            let origin = Origin::new(&host, u32::MAX, u32::MAX, tty.as_deref());
            let (details, key, written) = match shape {
                0 => {
                    let action = Action::new(&text);
                    let written = action.to_string();
                    (Details::SessionValidated { action }, "action", written)
                }
                1 => {
                    let reason = RevocationReason::new(&text);
                    let written = reason.to_string();
                    let revoked = Details::SessionRevoked {
                        reason,
                        incident: None,
                        scope: None,
                        sessions: None,
                        by: None,
                    };
                    (revoked, "reason", written)
                }
                _ => {
                    let program = ProgramName::new(OsStr::new(&text));
                    let written = program.to_string();
                    let reason = CommandRefusal::NoSession;
                    (Details::CommandRefused { program, reason }, "program", written)
                }
            };
            let event = Event::new(details).about(AuditName::known(&email));
            let previous = Link { seq: u64::MAX - 1, hash: LineHash::of(b"x") };
            let (line, next) = rendered(previous, &event, &origin);

            prop_assert!(line.len() < LINE_LIMIT);
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let line = line.trim_end_matches('\n');
            prop_assert_eq!(keys_in_order(line), KEYS);
            prop_assert_eq!(judged(line), Some((next.hash, true)));
            let read = Line::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(read.link(), Some(next));
            prop_assert_eq!(&read.username.unwrap().0, event.who().unwrap().as_str());
            prop_assert_eq!(&read.host.0, origin.host());
            prop_assert_eq!(read.tty.as_ref().map(|tty| &*tty.0), origin.tty());
            let details: serde_json::Value = serde_json::from_str(read.details.get()).unwrap();
            prop_assert_eq!(details[key].as_str().unwrap(), written);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Line::parse(&bytes);
        }
    }
}
