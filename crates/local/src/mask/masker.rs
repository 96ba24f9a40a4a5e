//! Masks one stream.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::clock::BootTime;
use nightlatch_core::memory::SecretBuffer;

use super::patterns::Patterns;

/// How long bytes that may begin a secret are held back. With the time that it takes to notice, no
/// more than 20 ms.
pub const HOLD: Duration = Duration::from_millis(15);

/// How much of a chunk is looked at in one go.
const PIECE: usize = 16 * 1024;

/// What to mask, and how.
#[derive(Clone)]
pub struct Masking {
    /// The secrets.
    pub patterns: Arc<Patterns>,
    /// What is written in the place of each.
    pub sign: &'static str,
}

impl Masking {
    /// A masker for one stream.
    pub fn masker(&self) -> Masker {
        Masker::new(Arc::clone(&self.patterns), self.sign)
    }
}

/// Replaces the secrets of [`Patterns`] in one stream with a sign.
///
/// Occurrences that overlap become one sign. Bytes that may begin a secret are held back until the
/// following bytes decide, or until [`Masker::flush`], which the caller calls after
/// [`Masker::wait`]. Of a secret that is completed after a flush, the rest is masked.
pub struct Masker {
    patterns: Arc<Patterns>,
    sign: &'static str,
    /// The latest bytes, from the first that may begin a secret.
    window: SecretBuffer,
    /// How many bytes of the window have been output or masked.
    shown: usize,
    /// The end of the last masked bytes in the window; at most `shown`.
    masked: usize,
    /// When the oldest of the held bytes arrived.
    since: BootTime,
}

impl Masker {
    /// A masker that writes `sign` for each secret.
    pub fn new(patterns: Arc<Patterns>, sign: &'static str) -> Self {
        Self {
            window: SecretBuffer::with_capacity(patterns.longest() + PIECE),
            patterns,
            sign,
            shown: 0,
            masked: 0,
            since: BootTime::from_nanos(0),
        }
    }

    /// Takes the next bytes of the stream, and calls `output` with what can be written now.
    pub fn push(&mut self, chunk: &[u8], now: BootTime, mut output: impl FnMut(&[u8])) {
        for piece in chunk.chunks(PIECE) {
            let old = self.window.len();
            let fits = self.window.push(piece);
            debug_assert!(fits, "less than the longest secret was kept");
            let dropped = self.scan(Open::Waits, &mut output);
            // Whether none of the bytes from before this push is still held.
            if self.shown + dropped >= old {
                self.since = now;
            }
        }
    }

    /// How long the held bytes may still be held; `None` when there are none.
    pub fn wait(&self, now: BootTime) -> Option<Duration> {
        let is_holding = self.shown < self.window.len();
        is_holding.then(|| HOLD.saturating_sub(now.since(self.since)))
    }

    /// Gives up waiting for the rest of a secret, or for the end of the stream: calls `output` with
    /// everything that was held back, of which complete secrets are masked.
    pub fn flush(&mut self, mut output: impl FnMut(&[u8])) {
        self.scan(Open::IsGivenUp, &mut output);
    }

    /// Decides what the window holds as far as possible, and drops what is no longer needed from its
    /// front. Returns how much that was.
    fn scan(&mut self, open: Open, output: &mut impl FnMut(&[u8])) -> usize {
        let data = self.window.expose();
        let mut first_open = None;
        let mut end = data.len();
        let mut at = 0;
        loop {
            at = self.patterns.next_start(data, at);
            if at >= data.len() {
                break;
            }
            let found = self.patterns.at_start(&data[at..]);
            let found_end = at + found.length;
            if found.length > 0 && found_end > self.shown {
                if at > self.shown {
                    output(&data[self.shown..at]);
                }
                let continues_a_sign = at < self.masked && self.masked == self.shown;
                if !continues_a_sign {
                    output(self.sign.as_bytes());
                }
                self.shown = found_end;
                self.masked = found_end;
            }
            if found.is_open {
                first_open.get_or_insert(at);
                if open == Open::Waits {
                    end = at;
                    break;
                }
            }
            at += 1;
        }
        if end > self.shown {
            output(&data[self.shown..end]);
            self.shown = end;
        }
        let decided = first_open.unwrap_or(data.len());
        self.window.drop_front(decided);
        self.shown -= decided;
        self.masked = self.masked.saturating_sub(decided);
        decided
    }
}

/// What to do about the beginning of a secret of which the end has not come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Waits,
    IsGivenUp,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mask::TooShort;

    const START: BootTime = BootTime::from_nanos(1_000_000);

    fn masker(secrets: &[&str]) -> Masker {
        let mut patterns = Patterns::default();
        for secret in secrets {
            patterns.add(secret.as_bytes()).unwrap();
        }
        Masker::new(Arc::new(patterns), "****")
    }

    /// What comes out after each chunk, and in the end.
    fn outputs(masker: &mut Masker, chunks: &[&str]) -> Vec<String> {
        let mut outputs = Vec::new();
        for chunk in chunks {
            let mut output: Vec<u8> = Vec::new();
            masker.push(chunk.as_bytes(), START, |bytes| {
                output.extend_from_slice(bytes);
            });
            outputs.push(String::from_utf8(output).unwrap());
        }
        let mut output: Vec<u8> = Vec::new();
        masker.flush(|bytes| output.extend_from_slice(bytes));
        outputs.push(String::from_utf8(output).unwrap());
        outputs
    }

    #[track_caller]
    fn masks(secrets: &[&str], text: &str, expected: &str) {
        assert_eq!(outputs(&mut masker(secrets), &[text]).concat(), expected);
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let text = "hunter2!/ aHVudGVyMiEv eA==aHVudGVyMiEveA hunter2%21%2F hunter2!\\/";
        masks(&["hunter2!/"], text, "**** **** eA==****eA **** ****");
    }

    #[test]
    fn base64_in_lines_is_masked_wherever_a_line_ends() {
        // "a password: " and a secret.
        let encoded = "YSBwYXNzd29yZDogY29ycmVjdC1ob3JzZS1iYXR0ZXJ5";
        for line_end in ["\n", "\r\n"] {
            for width in 6..=encoded.len() {
                let lines = encoded.as_bytes().chunks(width);
                let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
                let text = lines.join(line_end) + line_end;
                let start: String = text
                    .char_indices()
                    .scan(0, |seen, (at, character)| {
                        *seen += usize::from(character.is_ascii_alphanumeric());
                        (*seen <= 16).then_some(&text[at..=at])
                    })
                    .collect();
                masks(
                    &["correct-horse-battery"],
                    &text,
                    &format!("{start}****{line_end}"),
                );
            }
        }
        // Something that is not base64 has its line ends where it has them.
        let text = "correct-\nhorse-battery Y29y\ncm\nVjdC1ob3JzZS1iYXR0ZXJ5";
        masks(&["correct-horse-battery"], text, text);
    }

    #[test]
    fn overlapping_secrets_become_one_sign() {
        masks(&["abcdef", "defghi", "cdefgh"], "-abcdefghi-", "-****-");
        masks(&["aaaaaa"], "baaaaaaaaaab", "b****b");
        masks(&["aaaaaa", "aaaaaaaaa"], "aaaaaaaaab", "****b");
        masks(&["abcdef"], "abcdefabcdef", "********");
    }

    #[test]
    fn line_ends_after_a_secret_are_not_part_of_it() {
        masks(&["secret\r\n\n"], "secret-secret\n", "****-****\n");
        masks(&["one\ntwo"], "one\r\ntwo one\ntwo", "**** ****");
    }

    #[test]
    fn a_secret_shorter_than_six_bytes_is_refused() {
        let mut patterns = Patterns::default();
        for short in ["", "\n", "12345", "12345\n"] {
            assert_eq!(patterns.add(short.as_bytes()), Err(TooShort));
        }
        assert!(patterns.is_empty());
        assert_eq!(patterns.add(b"123456"), Ok(()));
    }

    #[test]
    fn only_what_may_begin_a_secret_is_held_back() {
        let chunks = ["a sec", "ond ", "s", "e", "cret", " s"];
        let outputs = outputs(&mut masker(&["secret"]), &chunks);
        assert_eq!(outputs, ["a ", "second ", "", "", "****", " ", "s"]);
    }

    #[test]
    fn bytes_are_held_no_longer_than_the_limit_counted_from_the_oldest() {
        let mut masker = masker(&["secret"]);
        let mut output: Vec<u8> = Vec::new();
        assert_eq!(masker.wait(START), None);
        masker.push(b"x se", START, |bytes| output.extend_from_slice(bytes));
        assert_eq!(masker.wait(START), Some(HOLD));
        let later = START.plus(HOLD / 3);
        masker.push(b"c", later, |bytes| output.extend_from_slice(bytes));
        assert_eq!(masker.wait(later), Some(HOLD / 3 * 2));
        // Something else begins, which arrived later.
        masker.push(b" se", later, |bytes| output.extend_from_slice(bytes));
        assert_eq!(masker.wait(later), Some(HOLD));
        assert_eq!(masker.wait(later.plus(HOLD * 2)), Some(Duration::ZERO));
        masker.flush(|bytes| output.extend_from_slice(bytes));
        assert_eq!(masker.wait(later), None);
        assert_eq!(output, b"x sec se");
    }

    #[test]
    fn of_a_secret_that_pauses_the_rest_is_masked() {
        let mut masker = masker(&["secret"]);
        let mut output: Vec<u8> = Vec::new();
        masker.push(b"se", START, |bytes| output.extend_from_slice(bytes));
        masker.flush(|bytes| output.extend_from_slice(bytes));
        masker.push(b"cret!", START, |bytes| output.extend_from_slice(bytes));
        assert_eq!(output, b"se****!");
    }

    #[test]
    fn a_secret_of_the_largest_size_is_masked_in_small_chunks() {
        let numbers: Vec<_> = (0..16_384).map(|number| format!("{number:04x}")).collect();
        let large = numbers.concat();
        let mut masker = masker(&[&large, "another"]);
        let text = format!("({large}) another");
        let mut output: Vec<u8> = Vec::new();
        for chunk in text.as_bytes().chunks(4096) {
            masker.push(chunk, START, |bytes| output.extend_from_slice(bytes));
        }
        masker.flush(|bytes| output.extend_from_slice(bytes));
        assert_eq!(output, b"(****) ****");
    }
}
