//! The spellings of a secret that are recognized in output.

/// A way to spell a secret.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// The bytes themselves.
    Plain,
    /// With a carriage return before each line feed, as a terminal writes it.
    Lines,
    /// Base64. Line ends in it, of which encoders put one after every so many characters, are not
    /// part of the spelling.
    Base64 {
        /// The last two characters of the alphabet.
        last: [u8; 2],
        /// How many bytes precede the secret in its group of three.
        before: usize,
        /// Whether the encoded text ends with the secret, so that the bits that follow in its last
        /// character are zero. Otherwise a character that other bytes share in is left out.
        is_closed: bool,
    },
    /// URL encoding.
    Percent {
        /// The characters that stay as they are beside letters and digits; `None` when everything
        /// is encoded.
        kept: Option<&'static [u8]>,
        is_lower: bool,
        /// What a space becomes; `%20` if `None`.
        space: Option<u8>,
    },
    /// The inside of a JSON string.
    Json(Json),
}

/// How a JSON writer escapes what it need not, or may escape in several ways.
#[derive(Clone, Copy)]
pub(super) struct Json {
    /// Characters written as `\uXXXX` although JSON has no need to.
    unicode: &'static [u8],
    /// Characters beyond ASCII likewise.
    is_ascii: bool,
    /// Whether `/` is written as `\/`.
    escapes_slash: bool,
    is_lower: bool,
}

const BASE64: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// RFC 3986; JavaScript's encodeURIComponent; a path (Python); Java and HTML forms; JavaScript's
/// encodeURI; everything encoded.
const KEPT: [Option<&[u8]>; 6] = [
    Some(b"-_.~"),
    Some(b"-_.~!*'()"),
    Some(b"-_.~/"),
    Some(b"-_.*"),
    Some(b"-_.~!*'();/?:@&=+$,#"),
    None,
];

const PLAIN_JSON: Json = Json {
    unicode: b"",
    is_ascii: false,
    escapes_slash: false,
    is_lower: true,
};

const JSON: [Json; 8] = [
    // serde, JavaScript, jq.
    PLAIN_JSON,
    // Jackson.
    Json {
        is_lower: false,
        ..PLAIN_JSON
    },
    // Python.
    Json {
        is_ascii: true,
        ..PLAIN_JSON
    },
    Json {
        is_ascii: true,
        is_lower: false,
        ..PLAIN_JSON
    },
    // PHP, with and without JSON_UNESCAPED_UNICODE.
    Json {
        is_ascii: true,
        escapes_slash: true,
        ..PLAIN_JSON
    },
    Json {
        escapes_slash: true,
        ..PLAIN_JSON
    },
    // Go, Rails.
    Json {
        unicode: b"<>&",
        ..PLAIN_JSON
    },
    // .NET.
    Json {
        unicode: b"\"'<>&+`\x7f",
        is_ascii: true,
        is_lower: false,
        ..PLAIN_JSON
    },
];

impl Form {
    /// Every form, [`Form::Plain`] first. Many spell a secret alike.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let base64 = [*b"+/", *b"-_"].into_iter().flat_map(|last| {
            (0..3).flat_map(move |before| {
                [false, true].map(|is_closed| Self::Base64 {
                    last,
                    before,
                    is_closed,
                })
            })
        });
        let percent = KEPT.into_iter().flat_map(|kept| {
            [None, Some(b'+')].into_iter().flat_map(move |space| {
                [false, true].map(|is_lower| Self::Percent {
                    kept,
                    is_lower,
                    space,
                })
            })
        });
        [Self::Plain, Self::Lines]
            .into_iter()
            .chain(base64)
            .chain(percent)
            .chain(JSON.into_iter().map(Self::Json))
    }

    /// Whether line ends may be anywhere in it.
    pub(super) fn is_base64(self) -> bool {
        matches!(self, Self::Base64 { .. })
    }

    /// Spells `secret`, a byte at a time: nothing keeps a copy.
    pub(super) fn spell(self, secret: &[u8]) -> Spelling<'_> {
        Spelling {
            form: self,
            rest: secret,
            bit: match self {
                // The first bit of the secret that begins a character.
                Self::Base64 { before, .. } => (6 - before * 8 % 6) % 6,
                _ => 0,
            },
            step: Step::default(),
        }
    }
}

/// The bytes of a spelled secret.
pub(super) struct Spelling<'a> {
    form: Form,
    rest: &'a [u8],
    /// For base64: the next bit of `rest`.
    bit: usize,
    step: Step,
}

/// What one character of the secret becomes, as far as it has not been returned.
#[derive(Default)]
struct Step {
    bytes: [u8; 12],
    at: usize,
    length: usize,
}

impl Step {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

impl Iterator for Spelling<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let Form::Base64 {
            last, is_closed, ..
        } = self.form
        {
            return self.next_base64(last, is_closed);
        }
        if self.step.at == self.step.length {
            self.step = Step::default();
            let taken = self.take_step()?;
            self.rest = &self.rest[taken..];
        }
        self.step.at += 1;
        Some(self.step.bytes[self.step.at - 1])
    }
}

impl Spelling<'_> {
    fn next_base64(&mut self, last: [u8; 2], is_closed: bool) -> Option<u8> {
        let (index, offset) = (self.bit / 8, self.bit % 8);
        let first = *self.rest.get(index)?;
        let second = self.rest.get(index + 1).copied();
        if second.is_none() && offset > 2 && !is_closed {
            return None;
        }
        self.bit += 6;
        let both = u16::from_be_bytes([first, second.unwrap_or(0)]);
        let value = usize::from(both >> (10 - offset) & 63);
        Some(match value.checked_sub(BASE64.len()) {
            Some(beyond) => last[beyond],
            None => BASE64[value],
        })
    }

    /// Spells the next character, and returns how many bytes of the secret it has.
    fn take_step(&mut self) -> Option<usize> {
        let &byte = self.rest.first()?;
        match self.form {
            Form::Lines if byte == b'\n' => self.step.push(b"\r\n"),
            Form::Percent {
                kept,
                is_lower,
                space,
            } => match (byte, space) {
                (b' ', Some(space)) => self.step.push(&[space]),
                _ if kept
                    .is_some_and(|kept| byte.is_ascii_alphanumeric() || kept.contains(&byte)) =>
                {
                    self.step.push(&[byte]);
                }
                _ => {
                    let [high, low] = hex(byte, is_lower);
                    self.step.push(&[b'%', high, low]);
                }
            },
            Form::Json(style) => return Some(self.take_json(byte, style)),
            _ => self.step.push(&[byte]),
        }
        Some(1)
    }

    fn take_json(&mut self, byte: u8, style: Json) -> usize {
        if !byte.is_ascii()
            && style.is_ascii
            && let Some(character) = first_character(self.rest)
        {
            for unit in character.encode_utf16(&mut [0; 2]) {
                self.push_unit(*unit, style);
            }
            return character.len_utf8();
        }
        let short = match byte {
            b'"' | b'\\' => Some(byte),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            8 => Some(b'b'),
            12 => Some(b'f'),
            b'/' if style.escapes_slash => Some(byte),
            _ => None,
        };
        if style.unicode.contains(&byte) || (short.is_none() && byte < b' ') {
            self.push_unit(byte.into(), style);
        } else if let Some(short) = short {
            self.step.push(&[b'\\', short]);
        } else {
            self.step.push(&[byte]);
        }
        1
    }

    fn push_unit(&mut self, unit: u16, style: Json) {
        self.step.push(b"\\u");
        for byte in unit.to_be_bytes() {
            self.step.push(&hex(byte, style.is_lower));
        }
    }
}

fn hex(byte: u8, is_lower: bool) -> [u8; 2] {
    let digits = if is_lower {
        b"0123456789abcdef"
    } else {
        b"0123456789ABCDEF"
    };
    [byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)])
}

/// The character that `bytes` begin with, if they are UTF-8.
fn first_character(bytes: &[u8]) -> Option<char> {
    let start = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).ok()?,
    };
    valid.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spellings(secret: &str) -> Vec<String> {
        let spelled = Form::all().map(|form| form.spell(secret.as_bytes()).collect());
        spelled
            .map(|bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    #[track_caller]
    fn spells(secret: &str, expected: &[&str]) {
        let all = spellings(secret);
        for form in expected {
            assert!(all.iter().any(|spelled| spelled == form), "{form}: {all:?}");
        }
    }

    #[test]
    fn base64_is_known_at_all_three_alignments() {
        // The whole of "hunter2!", "?hunter2!?" and "??hunter2!??" in base64, less what the question
        // marks share in.
        spells(
            "hunter2!",
            &[
                "aHVudGVyMi",
                "aHVudGVyMiE",
                "h1bnRlcjIh",
                "odW50ZXIyI",
                "odW50ZXIyIQ",
            ],
        );
        spells("<<???>>>", &["PDw/Pz8+Pj", "PDw_Pz8-Pj"]);
    }

    #[test]
    fn url_encodings_of_common_libraries_are_known() {
        spells(
            "a b/c~(ü)",
            &[
                "a%20b%2Fc~%28%C3%BC%29",
                "a+b%2fc~%28%c3%bc%29",
                "a%20b%2Fc~(%C3%BC)",
                "a%20b/c~%28%C3%BC%29",
                "a+b%2Fc%7E%28%C3%BC%29",
                "a%20b/c~(%C3%BC)",
                "%61%20%62%2F%63%7E%28%C3%BC%29",
            ],
        );
    }

    #[test]
    fn json_escapes_of_common_writers_are_known() {
        spells(
            "a\"\\/\n\u{1}<é😀",
            &[
                r#"a\"\\/\n\u0001<é😀"#,
                r#"a\"\\/\n\u0001<\u00e9\ud83d\ude00"#,
                r#"a\"\\\/\n\u0001<\u00e9\ud83d\ude00"#,
                r#"a\"\\/\n\u0001\u003cé😀"#,
                r"a\u0022\\/\n\u0001\u003C\u00E9\uD83D\uDE00",
            ],
        );
    }

    #[test]
    fn a_terminal_s_line_ends_are_known() {
        spells("one\ntwo", &["one\r\ntwo"]);
    }
}
