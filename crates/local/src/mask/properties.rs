//! Properties of masking that hold for any secrets, any stream and any chunks.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::clock::BootTime;

use super::form::Form;
use super::{HOLD, Masker, Patterns};

/// Occurs in no stream of these properties.
const SIGN: u8 = 0xff;

/// Takes secrets, a stream that contains them in all forms, and chunks from `bytes`, and checks that
/// the masked stream is what a simple search through the whole stream says, for every cut into
/// chunks and every pause between them.
pub fn masking(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let mut patterns = Patterns::default();
    let mut forms: Vec<Spelled> = Vec::new();
    for _ in 0..=input.number() % 3 {
        let length = input.number() % 12;
        let secret: Vec<u8> = (0..length).map(|_| input.letter()).collect();
        if patterns.add(&secret).is_ok() {
            let end = secret.iter().rposition(|byte| !b"\r\n".contains(byte));
            let secret = &secret[..=end.unwrap_or_default()];
            forms.extend(Form::all().map(|form| Spelled {
                bytes: form.spell(secret).collect(),
                may_wrap: form.is_base64(),
            }));
        }
    }
    forms.dedup();
    let patterns = Arc::new(patterns);
    let (mut stream, mut cuts) = (Vec::new(), Vec::new());
    while !input.0.is_empty() && stream.len() < 120 {
        match input.number() {
            // A form of a secret, or its beginning.
            kind @ 0..=127 if !forms.is_empty() => {
                let form = &forms[(input.number() * 7 + kind) % forms.len()];
                let mut form = form.wrapped(&mut input);
                if kind >= 96 {
                    form.truncate(input.number() % form.len());
                }
                stream.append(&mut form);
            }
            128..=159 => cuts.push((stream.len(), false)),
            160..=175 => cuts.push((stream.len(), true)),
            _ => stream.push(input.letter()),
        }
    }
    stream.retain(|&byte| byte != SIGN);
    cuts.retain(|&(at, _)| at <= stream.len());

    let occurrences = occurrences(&forms, &stream);
    let expected = masked_by_hand(&stream, &occurrences);
    let whole = [(stream.len(), false)];
    let each: Vec<_> = (0..=stream.len()).map(|at| (at, false)).collect();
    let unhurried: Vec<_> = cuts.iter().map(|&(at, _)| (at, false)).collect();
    for cuts in [&whole[..], &each, &unhurried] {
        assert_eq!(masked(&patterns, &stream, cuts), expected);
    }
    let output = masked(&patterns, &stream, &cuts);
    assert_eq!(
        once_each(&output),
        with_pauses_by_hand(&stream, &occurrences, &cuts)
    );
    !occurrences.is_empty()
}

/// What a masker makes of `stream`, cut at `cuts`, of which some are pauses.
fn masked(patterns: &Arc<Patterns>, stream: &[u8], cuts: &[(usize, bool)]) -> Vec<u8> {
    let mut masker = Masker::new(Arc::clone(patterns), "\u{0}");
    let mut output: Vec<u8> = Vec::new();
    let (mut now, mut done) = (BootTime::from_nanos(1), 0);
    let mut write = |bytes: &[u8]| match bytes {
        b"\0" => output.push(SIGN),
        bytes => output.extend(bytes),
    };
    for &(at, pauses) in cuts {
        masker.push(&stream[done..at], now, &mut write);
        done = at;
        if pauses {
            now = now.plus(HOLD);
            if let Some(wait) = masker.wait(now) {
                assert_eq!(wait, Duration::ZERO);
                masker.flush(&mut write);
            }
            assert_eq!(masker.wait(now), None);
        }
    }
    masker.push(&stream[done..], now, &mut write);
    masker.flush(&mut write);
    output
}

/// A secret in one form.
#[derive(PartialEq)]
struct Spelled {
    bytes: Vec<u8>,
    may_wrap: bool,
}

impl Spelled {
    /// With line ends, mostly where they may be.
    fn wrapped(&self, input: &mut Input<'_>) -> Vec<u8> {
        let number = if self.may_wrap { input.number() } else { 0 };
        let (first, width) = (number % 7, 5 + number / 7 % 7);
        let line_end: &[u8] = if number < 128 { b"\n" } else { b"\r\n" };
        let mut wrapped = Vec::new();
        for (at, &byte) in self.bytes.iter().enumerate() {
            if number > 0 && at % width == first {
                wrapped.extend(line_end);
            }
            wrapped.push(byte);
        }
        wrapped
    }

    /// How many bytes it has at the start of `stream`, which it need not be.
    fn length_at(&self, stream: &[u8]) -> Option<usize> {
        if !self.may_wrap {
            return stream.starts_with(&self.bytes).then_some(self.bytes.len());
        }
        let mut left = &self.bytes[..];
        let mut length = 0;
        for (number, line) in stream.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if text.starts_with(left) {
                return Some(length + left.len());
            }
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let is_too_short = text.len() < if number == 0 { 1 } else { 6 };
            if is_too_short || !line.ends_with(b"\n") {
                return None;
            }
            left = left.strip_prefix(text)?;
            length += line.len();
        }
        None
    }
}

/// Where secrets are, in order of their beginnings.
fn occurrences(forms: &[Spelled], stream: &[u8]) -> Vec<(usize, usize)> {
    let at = |start: usize| {
        let lengths = forms
            .iter()
            .filter_map(move |form| form.length_at(&stream[start..]));
        lengths.map(move |length| (start, start + length))
    };
    (0..stream.len()).flat_map(at).collect()
}

/// One sign for each run of overlapping occurrences, and everything else unchanged.
fn masked_by_hand(stream: &[u8], occurrences: &[(usize, usize)]) -> Vec<u8> {
    let (mut output, mut done) = (Vec::new(), 0);
    for &(start, end) in occurrences {
        if start >= done {
            output.extend(&stream[done..start]);
            output.push(SIGN);
        }
        done = done.max(end);
    }
    output.extend(&stream[done..]);
    output
}

/// A byte is masked if an occurrence has it that is complete before the next pause.
fn with_pauses_by_hand(
    stream: &[u8],
    occurrences: &[(usize, usize)],
    cuts: &[(usize, bool)],
) -> Vec<u8> {
    let limit = |at: usize| {
        let pauses = cuts.iter().filter(|&&(cut, pauses)| pauses && cut > at);
        pauses.map(|&(cut, _)| cut).min().unwrap_or(stream.len())
    };
    let byte = |(at, &byte): (usize, &u8)| {
        let limit = limit(at);
        let mut here = occurrences.iter();
        let is_masked = here.any(|&(start, end)| (start..end).contains(&at) && end <= limit);
        if is_masked { SIGN } else { byte }
    };
    once_each(&stream.iter().enumerate().map(byte).collect::<Vec<_>>())
}

/// Makes one sign of several in a row.
fn once_each(output: &[u8]) -> Vec<u8> {
    let mut once = output.to_vec();
    once.dedup_by(|next, byte| *next == SIGN && *byte == SIGN);
    once
}

/// A stream of small decisions; zeros at its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn number(&mut self) -> usize {
        self.0.split_off_first().copied().unwrap_or_default().into()
    }

    /// A byte; mostly of a few that make secrets overlap and look alike.
    fn letter(&mut self) -> u8 {
        const FEW: &[u8] = b"aaaabbbc \"\\\n\r/%+&<\xc3\xa9\x01=";
        match self.number() {
            0 | 0xff => b'a',
            number @ 1..=199 => FEW[number % FEW.len()],
            number => number.to_le_bytes()[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_chunking_lets_a_secret_through_and_nothing_else_changes(
            bytes in prop::collection::vec(any::<u8>(), 0..120)
        ) {
            masking(&bytes);
        }
    }
}
