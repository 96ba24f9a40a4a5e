//! JSON: one object, with a value for each name. A value is a string, or bytes as `{"base64": …}`.
//!
//! This reader exists because general ones keep strings in memory of their own.

use base64ct::{Base64, Encoding};

use super::problem::{ImportFile, line_after};
use nightlatch_core::memory::SecretBuffer;

/// How deep objects and lists that are passed over may nest.
const DEPTH: usize = 64;

/// The file is not one JSON object. Nothing of it is used then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: not a JSON object")]
pub struct BadJson {
    /// The line where reading ended, counted from 1.
    pub line: usize,
}

/// The secrets of a JSON object.
///
/// # Errors
/// When it is not one JSON object. Values that are no text and no bytes are named in the result.
pub fn read_json(text: &[u8]) -> Result<ImportFile, BadJson> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader { text, at: 0 };
    reader.object().ok_or(BadJson {
        line: reader.line(),
    })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// A value, as far as it can be a secret's.
enum Value {
    Bytes(SecretBuffer),
    NotBase64,
    Other,
}

impl Reader<'_> {
    fn object(&mut self) -> Option<ImportFile> {
        let mut file = ImportFile::default();
        self.byte(b'{')?;
        if !self.is_next(b'}') {
            loop {
                self.blanks();
                let line = self.line();
                let name = self.string()?;
                self.byte(b':')?;
                let value = self.value()?;
                let name = std::str::from_utf8(name.expose()).ok()?;
                match value {
                    Value::Bytes(value) if !value.is_empty() => file.add(line, name, value),
                    Value::Bytes(_) => file.problem_of(line, name, "is empty"),
                    Value::NotBase64 => file.problem_of(line, name, "is not valid base64"),
                    Value::Other => file.problem_of(line, name, "is not a text"),
                }
                if !self.is_next(b',') {
                    break;
                }
            }
            self.byte(b'}')?;
        }
        self.blanks();
        (self.at == self.text.len()).then_some(file)
    }

    fn value(&mut self) -> Option<Value> {
        self.blanks();
        match self.peek()? {
            b'"' => self.string().map(Value::Bytes),
            b'{' => {
                let start = self.at;
                if let Some(value) = self.base64() {
                    return Some(value);
                }
                self.at = start;
                self.pass_over(DEPTH)?;
                Some(Value::Other)
            }
            _ => {
                self.pass_over(DEPTH)?;
                Some(Value::Other)
            }
        }
    }

    /// `{"base64": "…"}`
    fn base64(&mut self) -> Option<Value> {
        self.byte(b'{')?;
        if self.string()?.expose() != b"base64" {
            return None;
        }
        self.byte(b':')?;
        let encoded = self.string()?;
        self.byte(b'}')?;
        let mut decoded = SecretBuffer::copy_of(encoded.expose());
        let length = Base64::decode(encoded.expose(), decoded.expose_mut()).map(<[u8]>::len);
        Some(match length {
            Ok(length) => {
                decoded.truncate(length);
                Value::Bytes(decoded)
            }
            Err(_) => Value::NotBase64,
        })
    }

    /// Passes over any value.
    fn pass_over(&mut self, depth: usize) -> Option<()> {
        self.blanks();
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.pass_over_all(b'}', depth.checked_sub(1)?, true),
            b'[' => self.pass_over_all(b']', depth.checked_sub(1)?, false),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn pass_over_all(&mut self, end: u8, depth: usize, has_names: bool) -> Option<()> {
        self.at += 1;
        if self.is_next(end) {
            return Some(());
        }
        loop {
            if has_names {
                self.blanks();
                self.string()?;
                self.byte(b':')?;
            }
            self.pass_over(depth)?;
            if self.is_next(end) {
                return Some(());
            }
            self.byte(b',')?;
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        {
            self.at += 1;
        }
        let number = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        let digits = number.strip_prefix('-').unwrap_or(number);
        let (whole, rest) = digits.split_at(digits.find(['.', 'e', 'E']).unwrap_or(digits.len()));
        let (fraction, exponent) = rest.split_at(rest.find(['e', 'E']).unwrap_or(rest.len()));
        let is_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_whole = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
        let is_fraction = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_digits);
        let exponent = exponent
            .strip_prefix(['e', 'E'])
            .map_or(Some("0"), |exponent| {
                Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
            })?;
        (is_whole && is_fraction && is_digits(exponent)).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// A string, unescaped into memory of its own.
    fn string(&mut self) -> Option<SecretBuffer> {
        self.blanks();
        self.byte(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let raw = self.text.get(start..self.at)?;
        self.at += 1;
        let mut value = SecretBuffer::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
            let (before, escaped) = rest.split_at(at);
            rest = unescape(escaped, &mut value, before)?;
        }
        let fits = value.push(rest);
        debug_assert!(fits, "a string is no longer than what it is written as");
        // Text is UTF-8 all through.
        std::str::from_utf8(value.expose()).is_ok().then_some(value)
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.is_next(byte).then_some(())
    }

    /// Whether this byte comes next, which is then taken.
    fn is_next(&mut self, byte: u8) -> bool {
        self.blanks();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn line(&self) -> usize {
        line_after(&self.text[..self.at.min(self.text.len())])
    }
}

/// Appends `before` and the escaped character at the beginning of `text`; returns what follows.
fn unescape<'a>(text: &'a [u8], value: &mut SecretBuffer, before: &[u8]) -> Option<&'a [u8]> {
    let mut utf8 = [0; 4];
    let (character, rest): (&[u8], _) = match text.get(1)? {
        b'n' => (b"\n", &text[2..]),
        b'r' => (b"\r", &text[2..]),
        b't' => (b"\t", &text[2..]),
        b'b' => (b"\x08", &text[2..]),
        b'f' => (b"\x0c", &text[2..]),
        b'"' | b'\\' | b'/' => (&text[1..2], &text[2..]),
        b'u' => {
            let first = hex4(text.get(2..6)?)?;
            let (code, rest) = match (first, text.get(6..12)) {
                (0xd800..=0xdbff, Some([b'\\', b'u', low @ ..])) => {
                    let low = hex4(low)?.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
                    (0x10000 + ((first - 0xd800) << 10) + low, &text[12..])
                }
                _ => (first, &text[6..]),
            };
            (
                char::from_u32(code)?.encode_utf8(&mut utf8).as_bytes(),
                rest,
            )
        }
        _ => return None,
    };
    (value.push(before) && value.push(character)).then_some(rest)
}

fn hex4(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_hex = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, Vec<u8>)> {
        let file = read_json(text.as_bytes()).unwrap();
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        let owned = file
            .items
            .iter()
            .map(|item| (item.name.to_string(), item.value.expose().to_vec()));
        owned.collect()
    }

    #[test]
    fn a_json_object_is_read_with_its_escapes_and_bytes() {
        let text = r#" { "a" : "x\n\"\u00e9\ud83d\ude00\/" , "b/c": {"base64":"AP8="} } "#;
        let expected = [
            ("a".to_owned(), "x\n\"é😀/".as_bytes().to_vec()),
            ("b/c".to_owned(), vec![0, 255]),
        ];
        assert_eq!(values(text), expected);
        assert_eq!(values("{}"), []);
    }

    #[test]
    fn what_is_no_text_in_a_json_object_is_named_by_its_line() {
        let text = "{\"a\": 1,\n\"b\": [1, {\"c\": null}],\n\"d\": {\"base64\": \"?\"},\n\"ok\": \"x\",\n\
            \"e\": \"\",\n\"//\": \"y\", \"f\": {}}";
        let file = read_json(text.as_bytes()).unwrap();
        assert_eq!(file.items.len(), 1);
        let lines: Vec<_> = file.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6, 6]);
    }

    #[test]
    fn what_is_no_text_in_a_json_object_is_named_by_its_key() {
        let text = br#"{"port": 1, "key": {"base64": "?"}, "none": "", "-x": null}"#;
        let problems = read_json(text).unwrap().problems;
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "line 1: the value of port is not a text",
            "line 1: the value of key is not valid base64",
            "line 1: the value of none is empty",
            "line 1: the value is not a text",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn broken_json_gives_nothing_but_the_line() {
        for text in [
            "",
            "[]",
            "\"a\"",
            "{",
            "{\"a\"}",
            "{\"a\":\"b\"",
            "{\"a\":\"b\",}",
            "{\"a\":\"b\"} x",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\ud83d\\u0041\"}",
            "{\"a\":\"\\ud83d\\udaae\"}",
            "{\"a\":\"\\udbff\\ue000\"}",
            "{\"a\":\"b\nc\"}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":tru}",
            "{\"a\":\"b\\",
            "{\"a\":\"\\u12",
        ] {
            assert!(read_json(text.as_bytes()).is_err(), "{text:?}");
        }
        let bad = read_json(b"{\"a\":\"secret\",\n\"b\" \"c\"}")
            .err()
            .unwrap();
        assert_eq!(bad.to_string(), "line 2: not a JSON object");
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read_json(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn json_is_read_as_a_general_reader_reads_it(
            pairs in prop::collection::vec(("[a-z]{1,8}", ".{1,20}"), 0..6),
            mangled in any::<(prop::sample::Index, u8)>(),
            mangles in any::<bool>(),
        ) {
            let object: serde_json::Map<_, _> = pairs
                .iter()
                .map(|(name, value)| (name.clone(), serde_json::json!(value)))
                .collect();
            let mut text = serde_json::to_vec(&object).unwrap();
            if mangles {
                let at = mangled.0.index(text.len());
                text[at] = mangled.1;
            }
            let theirs = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text);
            prop_assert_eq!(read_json(&text).is_ok(), theirs.is_ok());
            if !mangles {
                let ours = values(std::str::from_utf8(&text).unwrap());
                let theirs: Vec<_> = theirs.unwrap().into_iter().map(|(name, value)| {
                    (name, value.as_str().unwrap().as_bytes().to_vec())
                }).collect();
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
