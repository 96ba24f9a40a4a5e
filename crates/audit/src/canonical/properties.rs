//! Properties of parsing that hold for any bytes in place of a line; see `nightlatch::fuzz`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Canonical;
use crate::hash::LineHash;
use crate::record::Record;
use nightlatch_core::clock::Timestamp;

/// A canonical line means the same to another JSON reader and writer, and can be read like any
/// line. That other reader also rejects a line that is not canonical.
pub(crate) fn audit_canonical(bytes: &[u8]) -> bool {
    let parsed = Canonical::parse(bytes);
    assert_eq!(parsed.is_some(), slowly(bytes).is_some());
    let Some(parsed) = parsed else {
        return false;
    };
    if parsed.event_type.parse::<crate::EventType>().is_ok() {
        let Some(record) = Record::parse(bytes) else {
            unreachable!("a canonical line was not read")
        };
        assert_eq!(record.seq, parsed.seq);
        assert_eq!(record.timestamp, parsed.timestamp);
        assert_eq!(record.success, parsed.success);
        assert_eq!(record.details.get().as_bytes(), parsed.details);
        assert_eq!(record.prev, parsed.prev);
        assert_eq!(record.hash, parsed.parts.hash);
        let session = record.session_id.map(|id| id.to_string());
        let parsed_session = parsed.session_id.map(<[u8; 36]>::as_slice);
        assert_eq!(session.as_deref().map(str::as_bytes), parsed_session);
        assert_eq!(record.username.is_some(), parsed.username.is_some());
    }
    true
}

/// The same rules, implemented differently: serde_json parses the line and prints it again, and the
/// two texts must be equal.
#[allow(clippy::items_after_statements)]
fn slowly(bytes: &[u8]) -> Option<()> {
    if bytes.len() > 65_535 {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let _: Unique = serde_json::from_str(text).ok()?;
    let line: Map<String, Value> = serde_json::from_str(text).ok()?;
    let again = serde_json::to_string(&line).ok()?;
    let keys: Vec<_> = line.keys().map(String::as_str).collect();
    const KEYS: [&str; 15] = [
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
        "seal",
    ];
    let is_sealed = line.contains_key("seal");
    let text_at = |key: &str| line[key].as_str();
    let text_or_null = |key: &str| line[key].is_null() || line[key].is_string();
    let small = |key: &str| line[key].as_u64().is_some_and(|id| id <= u32::MAX.into());
    let holds = again == text
        && keys == KEYS[..14 + usize::from(is_sealed)]
        && (1..10_000_000_000_000_000).contains(&line["seq"].as_u64()?)
        && text_at("id").is_some_and(|id| is_uuid(id, Some(7)))
        && text_at("timestamp").is_some_and(is_time)
        && text_at("event_type").is_some_and(is_type)
        && text_or_null("username")
        && (line["session_id"].is_null() || is_uuid(text_at("session_id")?, None))
        && line["success"].is_boolean()
        && line["details"].is_object()
        && is_shallow(&line["details"], 4)
        && line["host"].is_string()
        && small("uid")
        && small("pid")
        && text_or_null("tty")
        && LineHash::parse(text_at("prev")?.as_bytes()).is_some()
        && LineHash::parse(text_at("hash")?.as_bytes()).is_some()
        && line.get("seal").is_none_or(is_seal);
    holds.then_some(())
}

fn is_uuid(text: &str, version: Option<usize>) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| {
        let is_right = version.is_none_or(|version| {
            id.get_version_num() == version && id.get_variant() == uuid::Variant::RFC4122
        });
        is_right && id.as_hyphenated().to_string() == text
    })
}

fn is_time(text: &str) -> bool {
    let year = text.get(..4).and_then(|year| year.parse().ok());
    year.is_some_and(|year: u32| (1678..=2261).contains(&year))
        && Timestamp::parse_rfc3339(text).is_some_and(|time| time.to_rfc3339() == text)
}

fn is_type(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(members) => levels > 0 && members.values().all(|v| is_shallow(v, levels - 1)),
        Value::Array(elements) => levels > 0 && elements.iter().all(|v| is_shallow(v, levels - 1)),
        Value::Number(number) => number.is_u64() || number.is_i64(),
        _ => true,
    }
}

fn is_seal(seal: &Value) -> bool {
    let Some(seal) = seal.as_object() else {
        return false;
    };
    let keys: Vec<_> = seal.keys().map(String::as_str).collect();
    let is_hex = |key: &str, digits: usize| {
        let text = seal[key].as_str().unwrap_or_default();
        text.len() == digits
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (keys == ["key", "sig"] || keys == ["key", "segment_key", "sig"] && is_hex("segment_key", 64))
        && is_hex("key", 64)
        && is_hex("sig", 128)
}

/// JSON in which no object has a duplicate key.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(serde::de::Error::custom("a key is repeated"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use uuid::Uuid;

    use super::*;
    use crate::line::Link;
    use crate::line_writer::{Stamp, write};
    use crate::seal::Seal;
    use crate::tests::catalogue::catalogue;
    use crate::{Action, AuditName, Details, Event, Origin};
    use nightlatch_core::crypto::sign::{PublicKey, Signature};
    use nightlatch_core::id::SessionId;

    fn seal(opens: bool) -> Seal {
        Seal {
            next: PublicKey::from_bytes([7; 32]),
            next_segment: opens.then_some(PublicKey::from_bytes([8; 32])),
            signature: Signature::parse(&[b'5'; 128]).unwrap(),
        }
    }

    /// The line without its line end.
    fn written(event: &Event, origin: &Origin, seal: Option<Seal>) -> Vec<u8> {
        let stamp = Stamp {
            origin,
            timestamp: Timestamp::from_unix_nanos(1_763_682_067_123_456_789),
            id: Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001),
        };
        let previous = Link {
            seq: 41,
            hash: LineHash::from_bytes([0xab; 32]),
        };
        let mut out = Vec::new();
        write(&mut out, previous, event, &stamp, |_| seal);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    fn line() -> String {
        let event = Event::new(Details::SessionValidated {
            action: Action::new("exec"),
        })
        .about(AuditName::known("alice@example.com"))
        .in_session(SessionId::from_bytes([0x22; 16]));
        let origin = Origin::new("ws1", 1000, 4242, Some("pts/3"));
        String::from_utf8(written(&event, &origin, None)).unwrap()
    }

    fn with_details(details: &str) -> Vec<u8> {
        line()
            .replace("{\"action\":\"exec\"}", details)
            .into_bytes()
    }

    #[test]
    fn every_event_of_the_catalogue_is_written_in_canonical_form() {
        let origin = Origin::new("ws1", 1000, 4242, None);
        for (details, text) in catalogue() {
            for seal in [None, Some(seal(false)), Some(seal(true))] {
                let line = written(&Event::new(details.clone()), &origin, seal);
                let parsed = Canonical::parse(&line).unwrap();
                assert_eq!(parsed.seq, 42);
                assert_eq!(parsed.event_type, details.event_type().as_str());
                assert_eq!(parsed.details, text.as_bytes());
                assert_eq!(
                    parsed.timestamp,
                    Timestamp::from_unix_nanos(1_763_682_067_123_456_000)
                );
                assert_eq!(parsed.parts.seal, seal);
                assert_eq!(parsed.prev, LineHash::from_bytes([0xab; 32]));
                assert!(audit_canonical(&line));
            }
        }
    }

    #[test]
    fn details_of_every_kind_of_value_have_one_spelling() {
        let good = [
            "{}",
            r#"{"":""}"#,
            r#"{"a":[]}"#,
            r#"{"a":[true,false,null,{},[]],"b":{"a":0}}"#,
            r#"{"a":18446744073709551615,"b":-9223372036854775808}"#,
            r#"{"a":[[[1]]]}"#,
            r#"{"a":{"a":{"a":{}}}}"#,
            r#"{"a":"\"\\\b\t\n\f\r\u0000\u001f\u000b/é𝄞"}"#,
            "{\"a\":\"\u{7f}\u{2028}\"}",
        ];
        for details in good {
            assert!(audit_canonical(&with_details(details)), "{details}");
        }
        let bad = [
            "",
            "[]",
            "null",
            r#"{"a":1,}"#,
            r#"{"a":1 }"#,
            r#"{ "a":1}"#,
            r#"{"a": 1}"#,
            "{a:1}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":"","\u0061":""}"#,
            r#"{"a":[[[[1]]]]}"#,
            r#"{"a":{"a":{"a":{"a":{}}}}}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":-}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e1}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":-9223372036854775809}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\u0008"}"#,
            r#"{"a":"\u001F"}"#,
            r#"{"a":"\u00e9"}"#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\v"}"#,
            "{\"a\":\"\t\"}",
            "{\"a\":\"\0\"}",
            r#"{"a":True}"#,
            r#"{"a":NaN}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
        ];
        for details in bad {
            assert!(!audit_canonical(&with_details(details)), "{details}");
        }
        let mut line = with_details(r#"{"a":"é"}"#);
        let at = memchr::memchr(0xc3, &line).unwrap();
        line[at + 1] = b'"';
        assert!(!audit_canonical(&line));
    }

    #[test]
    fn an_object_of_thousands_of_keys_has_none_twice() {
        let keys = |last: usize| {
            let keys: Vec<String> = (0..2000)
                .chain([last])
                .map(|key| format!("\"{key}\":0"))
                .collect();
            with_details(&format!("{{{}}}", keys.join(",")))
        };
        assert!(audit_canonical(&keys(2000)));
        for twice in [0, 15, 16, 17, 1999] {
            assert!(!audit_canonical(&keys(twice)), "{twice}");
        }
    }

    #[test]
    fn every_other_spelling_of_a_part_is_refused() {
        let genuine = line();
        let long_type = format!("\"event_type\":\"{}\"", "A".repeat(65));
        let changes = [
            ("\"seq\":42", "\"seq\":042"),
            ("\"seq\":42", "\"seq\":0"),
            ("\"seq\":42", "\"seq\":10000000000000000"),
            ("-7000-8", "-4000-8"),
            ("-7000-8", "-7000-c"),
            ("01970000-", "0197A000-"),
            ("01970000-", "01970000_"),
            ("23:41:07", "23:41:60"),
            ("23:41:07", "24:00:00"),
            ("23:41:07", "23:60:00"),
            ("2025-11-20", "2025-11-31"),
            ("2025-11-20", "2025-02-29"),
            ("2025-11-20", "2100-02-29"),
            ("2025-11-20", "2025-13-20"),
            ("2025-11-20", "2025-00-20"),
            ("2025-11-20", "2025-11-00"),
            ("2025-11-20", "1677-12-31"),
            ("2025-11-20", "2262-01-01"),
            ("123456Z", "12345Z"),
            ("123456Z", "123456z"),
            (
                "\"event_type\":\"SESSION_VALIDATED\"",
                "\"event_type\":\"\"",
            ),
            (
                "\"event_type\":\"SESSION_VALIDATED\"",
                "\"event_type\":\"1A\"",
            ),
            (
                "\"event_type\":\"SESSION_VALIDATED\"",
                "\"event_type\":\"_A\"",
            ),
            (
                "\"event_type\":\"SESSION_VALIDATED\"",
                "\"event_type\":\"Aa\"",
            ),
            ("\"event_type\":\"SESSION_VALIDATED\"", &long_type),
            ("22222222-2222", "22222222-222G"),
            ("\"success\":true", "\"success\":1"),
            ("\"uid\":1000", "\"uid\":4294967296"),
            ("\"uid\":1000", "\"uid\":-1"),
            ("\"pid\":4242", "\"pid\":04242"),
            ("\"tty\":\"pts/3\"", "\"tty\":3"),
            (",\"tty\":\"pts/3\"", ""),
            (
                "\"host\":\"ws1\",\"uid\":1000",
                "\"uid\":1000,\"host\":\"ws1\"",
            ),
            ("\"prev\":\"ab", "\"prev\":\"AB"),
            ("\"prev\":\"ab", "\"prev\":\""),
            ("\"}", "\"} "),
            ("\"}", "\",\"more\":1}"),
            ("{\"seq\"", " {\"seq\""),
        ];
        assert!(audit_canonical(genuine.as_bytes()));
        for (from, to) in changes {
            let other = if from == "\"}" {
                format!("{}{to}", genuine.strip_suffix(from).unwrap())
            } else {
                genuine.replacen(from, to, 1)
            };
            assert_ne!(other, genuine);
            assert!(!audit_canonical(other.as_bytes()), "{from} -> {to}");
        }
        for (from, to) in [
            ("2025-11-20", "2024-02-29"),
            ("2025-11-20", "1678-01-01"),
            ("2025-11-20", "2261-12-31"),
            ("SESSION_VALIDATED", "A_TYPE_OF_2099"),
            ("\"alice@example.com\"", "null"),
            ("\"22222222-2222-2222-2222-222222222222\"", "null"),
        ] {
            assert!(
                audit_canonical(genuine.replacen(from, to, 1).as_bytes()),
                "{to}"
            );
        }
    }

    #[test]
    fn a_line_of_65535_bytes_is_canonical_and_a_longer_one_is_not() {
        let length = with_details(r#"{"a":""}"#).len();
        let of =
            |bytes: usize| with_details(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - length)));
        assert!(audit_canonical(&of(65_535)));
        assert!(!audit_canonical(&of(65_536)));
    }

    proptest! {
        #[test]
        fn times_are_those_that_the_calendar_has(nanos in any::<i64>(), text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}Z") {
            let written = Timestamp::from_unix_nanos(nanos).to_rfc3339();
            for text in [written, text] {
                let expected = is_time(&text).then(|| Timestamp::parse_rfc3339(&text)).flatten();
                prop_assert_eq!(super::super::time(text.as_bytes().try_into().unwrap()), expected, "{}", text);
            }
        }

        #[test]
        fn whatever_the_texts_a_line_is_written_in_canonical_form(
            email: String,
            action: String,
            host: String,
            tty: Option<String>,
            is_sealed: bool,
        ) {
            let event = Event::new(Details::SessionValidated { action: Action::new(&action) })
                .about(AuditName::known(&email));
            let origin = Origin::new(&host, u32::MAX, 0, tty.as_deref());
            prop_assert!(audit_canonical(&written(&event, &origin, is_sealed.then(|| seal(false)))));
        }

        #[test]
        fn a_changed_line_is_refused_or_canonical_still(
            text: String,
            at: Index,
            change in 0..4,
            byte in prop_oneof![any::<u8>(), prop::sample::select(&b"\"\\{}[],:0123456789aAeE-+. \t\0"[..])],
            is_sealed: bool,
        ) {
            let event = Event::new(Details::SessionValidated { action: Action::new(&text) })
                .about(AuditName::known("alice@example.com"))
                .in_session(SessionId::from_bytes([0x22; 16]));
            let origin = Origin::new("ws1", 1000, 4242, Some("pts/3"));
            let mut line = written(&event, &origin, is_sealed.then(|| seal(true)));
            let at = at.index(line.len());
            match change {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                2 => drop(line.remove(at)),
                _ => line[at] ^= 1 << (byte % 8),
            }
            audit_canonical(&line);
        }
    }
}
