//! Edited lines: by somebody without keys, and by somebody with all of them.

use super::bases::{days, uses};
use super::case::{
    Case, Lines, NO_UTF8, SURROGATE, is_sealed, lines_of, rechain, rehashed, with_lines,
};
use super::forge::Random;

type Change = fn(&str) -> String;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(bytes());
    cases.extend(fields());
    cases.extend(forms());
    cases.extend(signed_forms());
    cases.extend(line_ends());
    cases
}

/// Any bit of any line.
fn bytes() -> Vec<Case> {
    let (forge, mut random) = (days(), Random::new(10));
    let log = forge.log();
    let names: Vec<_> = log
        .keys()
        .filter(|name| name.starts_with('0'))
        .cloned()
        .collect();
    let flip = |at: usize| {
        let mut log = log.clone();
        let name = &names[at % names.len()];
        let file = log.get_mut(name).unwrap();
        let place = random.below(file.len());
        file[place] ^= 1 << random.below(8);
        Case::new(
            format!("a bit of byte {place} of {name}"),
            log,
            &[2, 3, 4, 5, 6, 7, 8, 9, 11, 12],
        )
        .noted(&forge)
    };
    (0..40).map(flip).collect()
}

/// One changed value: alone, with a new hash, and with new hashes for all later lines.
fn fields() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    let changes: &[(&str, Change, &[u8])] = &[
        ("a name", |line| line.replacen("alice@", "mallory@", 1), &[]),
        ("a host", |line| line.replacen("\"ws1\"", "\"ws2\"", 1), &[]),
        (
            "a user id",
            |line| line.replacen("\"uid\":1000", "\"uid\":0", 1),
            &[],
        ),
        (
            "an outcome",
            |line| line.replacen("\"success\":true", "\"success\":false", 1),
            &[],
        ),
        (
            "a terminal",
            |line| line.replacen("\"pts/3\"", "null", 1),
            &[],
        ),
        (
            "a number",
            |line| line.replacen("{\"seq\":", "{\"seq\":9", 1),
            &[4],
        ),
        (
            "a year",
            |line| line.replacen("\"timestamp\":\"2025", "\"timestamp\":\"2024", 1),
            &[9, 10],
        ),
        (
            "a type",
            |line| line.replacen("\"event_type\":\"", "\"event_type\":\"X", 1),
            &[6],
        ),
        ("a link", |line| with_prev(line, &"f".repeat(64)), &[5]),
    ];
    let mut cases = Vec::new();
    for (what, change, more) in changes {
        for at in [1, lines.len() / 2, lines.len() - 3] {
            let mut changed = lines.clone();
            changed[at].1 = change(&changed[at].1);
            let may = |rules: &[u8]| [rules, more].concat();
            let name = |how: &str| format!("{what} in line {at}{how}");
            let case = |name, lines: &Lines, may: &[u8]| {
                Case::new(name, with_lines(&log, lines), may).noted(&forge)
            };
            cases.push(case(name(""), &changed, &may(&[3])));
            changed[at].1 = rehashed(&changed[at].1);
            cases.push(case(name(", new hash"), &changed, &may(&[5, 7])));
            rechain(&mut changed, at);
            // Rechaining restores a number or a link.
            if changed == lines {
                continue;
            }
            cases.push(case(name(", new hashes"), &changed, &may(&[6, 7, 11])));
        }
    }
    cases
}

/// Variants of a line with the same meaning, a similar one, or none.
const FORMS: &[(&str, Change)] = &[
    ("a space after a colon", |line| {
        line.replacen("\"uid\":", "\"uid\": ", 1)
    }),
    ("a space after a comma", |line| {
        line.replacen(",\"uid\"", ", \"uid\"", 1)
    }),
    ("a space before it", |line| format!(" {line}")),
    ("a byte order mark", |line| format!("\u{feff}{line}")),
    ("a tab in it", |line| {
        line.replacen("{\"seq\"", "{\t\"seq\"", 1)
    }),
    ("a number with a fraction", |line| {
        line.replacen("\"uid\":1000", "\"uid\":1000.0", 1)
    }),
    ("a number with an exponent", |line| {
        line.replacen("\"uid\":1000", "\"uid\":1e3", 1)
    }),
    ("a number with a zero before it", |line| {
        line.replacen("\"uid\":1000", "\"uid\":01000", 1)
    }),
    ("a number that is negative", |line| {
        line.replacen("\"uid\":1000", "\"uid\":-1", 1)
    }),
    ("a number of 33 bits", |line| {
        line.replacen("\"uid\":1000", "\"uid\":4294967296", 1)
    }),
    ("a process id that is a string", |line| {
        line.replacen("\"pid\":4242", "\"pid\":\"4242\"", 1)
    }),
    ("an event number 0", |line| with_seq(line, "0")),
    ("an event number of 17 digits", |line| {
        with_seq(line, "10000000000000000")
    }),
    ("an event number that is null", |line| {
        with_seq(line, "null")
    }),
    ("an escape that need not be", |line| {
        line.replacen("ws1", "ws\\u0031", 1)
    }),
    ("an escaped solidus", |line| {
        line.replacen("pts/3", "pts\\/3", 1)
    }),
    ("an escape in capitals", |line| {
        line.replacen("ws1", "ws\\u001F", 1)
    }),
    ("a short escape spelled long", |line| {
        line.replacen("ws1", "ws\\u000a", 1)
    }),
    ("an escaped delete", |line| {
        line.replacen("ws1", "ws\\u007f", 1)
    }),
    ("half a surrogate pair", |line| {
        line.replacen("ws1", "ws\\ud800", 1)
    }),
    ("an unknown escape", |line| {
        line.replacen("ws1", "ws\\x31", 1)
    }),
    ("a control character", |line| {
        line.replacen("ws1", "ws\u{1f}", 1)
    }),
    ("a NUL", |line| line.replacen("ws1", "ws\0", 1)),
    ("a NUL in front", |line| format!("\0{line}")),
    ("invalid UTF-8", |line| {
        line.replacen("ws1", &format!("ws{NO_UTF8}"), 1)
    }),
    ("a surrogate in UTF-8", |line| {
        line.replacen("ws1", &format!("ws{SURROGATE}"), 1)
    }),
    ("a key twice", |line| {
        line.replacen("\"pid\":", "\"uid\":1000,\"pid\":", 1)
    }),
    ("a key twice that says more", |line| {
        line.replacen("\"uid\":1000", "\"uid\":1000,\"uid\":0", 1)
    }),
    ("a key missing", |line| {
        line.replacen("\"uid\":1000,", "", 1)
    }),
    ("a key too many", |line| {
        line.replacen("\"pid\":", "\"gid\":0,\"pid\":", 1)
    }),
    ("keys in another order", |line| {
        line.replacen("\"uid\":1000,\"pid\":4242", "\"pid\":4242,\"uid\":1000", 1)
    }),
    ("a key in capitals", |line| {
        line.replacen("\"uid\"", "\"UID\"", 1)
    }),
    ("a detail twice", |line| {
        with_details(line, "{\"a\":1,\"a\":1}")
    }),
    ("a detail twice, deep", |line| {
        with_details(line, "{\"a\":[{\"b\":1,\"b\":2}]}")
    }),
    ("a detail twice, spelled otherwise", |line| {
        with_details(line, "{\"a\":1,\"\\u0061\":1}")
    }),
    ("details with a comma at the end", |line| {
        with_details(line, "{\"a\":1,}")
    }),
    ("details five deep", |line| {
        with_details(line, "{\"a\":[[[[]]]]}")
    }),
    ("details six objects deep", |line| {
        with_details(line, "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}")
    }),
    ("details with a fraction", |line| {
        with_details(line, "{\"a\":0.5}")
    }),
    ("details with minus zero", |line| {
        with_details(line, "{\"a\":-0}")
    }),
    ("details with 65 bits", |line| {
        with_details(line, "{\"a\":18446744073709551616}")
    }),
    ("details with 65 bits, negative", |line| {
        with_details(line, "{\"a\":-9223372036854775809}")
    }),
    ("details with a number of 5000 digits", |line| {
        with_details(line, &format!("{{\"a\":{}}}", "9".repeat(5000)))
    }),
    ("details with no number", |line| {
        with_details(line, "{\"a\":NaN}")
    }),
    ("details with an infinity", |line| {
        with_details(line, "{\"a\":-Infinity}")
    }),
    ("details that are a list", |line| with_details(line, "[]")),
    ("details that are null", |line| with_details(line, "null")),
    ("details with a space", |line| with_details(line, "{ }")),
    ("details that nest without end", |line| {
        with_details(line, &format!("{{\"a\":{}", "[".repeat(20_000)))
    }),
    ("details of a whole line's length", |line| {
        with_details(line, &format!("{{\"a\":\"{}\"}}", "x".repeat(65_536)))
    }),
    ("February 30", |line| {
        with_time(line, "2025-02-30T10:00:00.000000Z")
    }),
    ("hour 24", |line| {
        with_time(line, "2025-11-20T24:00:00.000000Z")
    }),
    ("a leap second", |line| {
        with_time(line, "2025-11-20T23:59:60.000000Z")
    }),
    ("the year 1677", |line| {
        with_time(line, "1677-11-20T10:00:00.000000Z")
    }),
    ("the year 2262", |line| {
        with_time(line, "2262-01-01T00:00:00.000000Z")
    }),
    ("a time zone", |line| {
        with_time(line, "2025-11-20T10:00:00.0000+01")
    }),
    ("a time in small letters", |line| {
        with_time(line, "2025-11-20t10:00:00.000000z")
    }),
    ("digits that are not ASCII", |line| {
        with_time(line, "2025-11-20T10:00:00.00000\u{0661}Z")
    }),
    ("a type in small letters", |line| {
        line.replacen("SESSION_VALIDATED", "SESSION_validated", 1)
    }),
    ("a type of 65 letters", |line| {
        line.replacen("SESSION_VALIDATED", &"A".repeat(65), 1)
    }),
    ("a type that begins with a digit", |line| {
        line.replacen("SESSION_VALIDATED", "1SESSION", 1)
    }),
    ("no type", |line| line.replacen("SESSION_VALIDATED", "", 1)),
    ("an id in capitals", |line| {
        line.replacen("\"id\":\"", "\"id\":\"A", 1)
            .replacen("-7", "-", 1)
    }),
    ("an id of version 4", |line| line.replacen("-7", "-4", 1)),
    ("a success that is a number", |line| {
        line.replacen("\"success\":true", "\"success\":1", 1)
    }),
    ("a name that is a number", |line| {
        line.replacen("\"alice@example.com\"", "7", 1)
    }),
    ("a link in capitals", |line| {
        with_prev(line, &"F".repeat(64))
    }),
];

fn with_seq(line: &str, seq: &str) -> String {
    format!("{{\"seq\":{seq},{}", line.split_once(',').unwrap().1)
}

fn with_details(line: &str, details: &str) -> String {
    let (before, rest) = line.split_once("\"details\":").unwrap();
    let (_, after) = rest.split_once(",\"host\":").unwrap();
    format!("{before}\"details\":{details},\"host\":{after}")
}

fn with_prev(line: &str, prev: &str) -> String {
    let at = line.rfind("\"prev\":\"").unwrap() + 8;
    format!("{}{prev}{}", &line[..at], &line[at + 64..])
}

fn with_time(line: &str, time: &str) -> String {
    let (before, rest) = line.split_once("\"timestamp\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}\"timestamp\":\"{time}\"{after}")
}

/// The index of another use of a session, on the first day, with some lines after it.
fn a_use(lines: &Lines) -> usize {
    let is_use = |(at, (_, line)): (usize, &(String, String))| {
        (at > 1 && line.contains("SESSION_VALIDATED") && is_sealed(line)).then_some(at)
    };
    lines.iter().enumerate().find_map(is_use).unwrap()
}

/// The variants in place of a line, with a matching hash and no other change.
fn forms() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    let at = a_use(&lines);
    let case = |what: &str, line: String| {
        let mut lines = lines.clone();
        lines[at].1 = line;
        Case::new(format!("{what}, keyless"), with_lines(&log, &lines), &[2]).noted(&forge)
    };
    let line = &lines[at].1;
    let keyless = FORMS.iter().map(|(what, change)| {
        let changed = change(line);
        assert_ne!(&changed, line, "{what}");
        let is_whole = changed.contains(",\"hash\":\"");
        case(
            what,
            if is_whole {
                rehashed(&changed)
            } else {
                changed
            },
        )
    });
    let after_the_hash: &[(&str, Change)] = &[
        ("a key after the seal", |line| {
            line.replacen("\"}}", "\"},\"note\":1}", 1)
        }),
        ("a key before the seal", |line| {
            line.replacen(",\"seal\"", ",\"note\":1,\"seal\"", 1)
        }),
        ("a key in the seal", |line| {
            line.replacen("\"}}", "\",\"note\":1}}", 1)
        }),
        ("two seals", |line| {
            format!("{line}{}", &line[line.find(",\"seal\"").unwrap()..])
        }),
        ("a seal that is null", |line| {
            format!(
                "{},\"seal\":null}}",
                &line[..line.find(",\"seal\"").unwrap()]
            )
        }),
        ("a seal in another order", |line| {
            line.replacen("\"seal\":{", "\"seal\":{\"sig\":\"\",", 1)
        }),
        ("a seal's digits in capitals", |line| {
            line.replacen("\"sig\":\"", "\"sig\":\"A", 1)
        }),
        ("two lines in one", |line| format!("{line}{line}")),
        ("a space after the line", |line| format!("{line} ")),
        ("a carriage return", |line| format!("{line}\r")),
        ("an empty line", |line| format!("\n{line}")),
        ("no hash", |line| {
            format!("{}}}", &line[..line.find(",\"hash\"").unwrap()])
        }),
        ("words", |_| "This is no JSON.".to_owned()),
        ("a string", |_| "\"x\"".to_owned()),
        ("a list", |_| "[]".to_owned()),
        ("an object", |_| "{}".to_owned()),
        ("nothing", |_| String::new()),
        ("a million bytes", |_| "x".repeat(1 << 20)),
        ("65,536 bytes and a line end", |_| "x".repeat(65_536)),
    ];
    let after = after_the_hash
        .iter()
        .map(|(what, change)| case(what, change(line)));
    keyless.chain(after).collect()
}

/// Signed by the log's own writer, as by one that was taken over: only the form is wrong.
fn signed_forms() -> Vec<Case> {
    let signed = |(what, change): &(&str, Change)| {
        let mut forge = days();
        forge.append(&uses(1));
        let before = forge.last.0;
        forge.append_with(&uses(1), |body| change(&body));
        forge.last.0 = before + 1;
        forge.work(2);
        Case::new(format!("{what}, signed"), forge.log(), &[2]).noted(&forge)
    };
    let has_its_place = |(_, change): &&(&str, Change)| {
        let body = days().body(&uses(1)[0], 0);
        let changed = change(&body);
        changed != body && !changed.contains([NO_UTF8, SURROGATE])
    };
    FORMS.iter().filter(has_its_place).map(signed).collect()
}

/// Missing or extra line ends.
fn line_ends() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let first = log.keys().next().unwrap();
    let text = String::from_utf8(log[first].clone()).unwrap();
    let middle = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap();
    let case = |what: &str, text: String| {
        let mut log = log.clone();
        log.insert(first.clone(), text.into_bytes());
        Case::new(what, log, &[2, 6]).noted(&forge)
    };
    let without = format!("{}{}", &text[..middle], &text[middle + 1..]);
    vec![
        case("no line end within", without),
        case(
            "two line ends within",
            format!("{}\n{}", &text[..middle], &text[middle..]),
        ),
        case(
            "no line end at the end of a segment",
            text[..text.len() - 1].to_owned(),
        ),
        case("two line ends at the end of a segment", format!("{text}\n")),
        case("bytes after the end of a segment", format!("{text}{{")),
        case("a line after the end of a segment", format!("{text}{{}}\n")),
    ]
}
