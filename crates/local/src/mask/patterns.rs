//! The secrets to be masked, in every form, and the search for them.
//!
//! The search is that of Wu and Manber: it looks at the last two bytes of a window of six and skips
//! ahead by as much as no secret could begin in between. Its tables say which pairs of bytes occur
//! in the secrets, so they are in wiped memory, as the secrets are.

use nightlatch_core::memory::{Secret, SecretBuffer};

use super::form::{Form, Spelling};

/// The least bytes of a secret that is masked: shorter ones occur by accident, and masking them
/// would garble output and give them away.
pub const SHORTEST: usize = 6;

/// The length of the search window: every form of a secret is at least as long as a secret.
const WINDOW: usize = SHORTEST;
/// The fewest characters between two line ends within base64: encoders write longer lines.
const SHORTEST_LINE: usize = WINDOW;
/// The line ends within base64, the longest last.
const LINE_ENDS: [&[u8]; 2] = [b"\n", b"\r\n"];
/// How many pairs of bytes the tables distinguish, a power of two.
const PAIRS: usize = 8192;
/// The size of an index in a table.
const INDEX: usize = 4;

/// The secret is too short to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shorter than {SHORTEST} bytes")]
pub struct TooShort;

/// Secrets, and how to find them.
pub struct Patterns {
    secrets: Vec<SecretBuffer>,
    spelled: Vec<Pattern>,
    entries: Vec<Entry>,
    /// For each pair of bytes at the end of the window, how far the window can be moved; 0 where a
    /// secret may begin.
    shifts: Secret<PAIRS>,
    /// For each pair, one more than the index of the first entry that has it at the end of the
    /// window; 0 for none.
    firsts: Secret<{ PAIRS * INDEX }>,
    /// For each byte, 1 if a pattern begins with it.
    beginnings: Secret<256>,
    longest: usize,
}

/// A secret in one form.
struct Pattern {
    secret: usize,
    form: Form,
    start: Secret<WINDOW>,
}

/// A pattern with a certain pair at the end of the window.
struct Entry {
    pattern: usize,
    /// Whether a line end is in the window.
    is_wrapped: bool,
    /// One more than the index of the next entry with the same pair; 0 for none.
    next: usize,
}

/// What begins at one place.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// The length of the longest secret there; 0 for none.
    pub(super) length: usize,
    /// Whether a longer one may begin there, of which the end is yet to come.
    pub(super) is_open: bool,
}

impl Found {
    const OPEN: Self = Self {
        length: 0,
        is_open: true,
    };

    fn whole(length: usize) -> Self {
        Self {
            length,
            is_open: false,
        }
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            spelled: Vec::new(),
            entries: Vec::new(),
            shifts: Secret::init_with(|shifts| shifts.fill(FARTHEST)),
            firsts: Secret::zeroed(),
            beginnings: Secret::zeroed(),
            longest: 0,
        }
    }
}

/// The pair at the end of the window cannot occur in a secret's first bytes: only its last byte may
/// begin one.
#[allow(clippy::cast_possible_truncation)] // 5
const FARTHEST: u8 = (WINDOW - 1) as u8;

impl Patterns {
    /// Adds a secret. Line ends at its end are not part of it: they are lost when a shell uses it.
    ///
    /// # Errors
    /// [`TooShort`].
    pub fn add(&mut self, secret: &[u8]) -> Result<(), TooShort> {
        let secret = without_line_ends(secret);
        if secret.len() < SHORTEST {
            return Err(TooShort);
        }
        let known = self.spelled.len();
        for form in Form::all() {
            let is_new = |pattern: &Pattern| !form.spell(secret).eq(pattern.form.spell(secret));
            if self.spelled[known..].iter().all(is_new) {
                self.add_pattern(secret, form);
            }
        }
        self.secrets.push(SecretBuffer::copy_of(secret));
        Ok(())
    }

    fn add_pattern(&mut self, secret: &[u8], form: Form) {
        let mut length = form.spell(secret).count();
        if form.is_base64() {
            length += LINE_ENDS[1].len() * (length / SHORTEST_LINE + 1);
        }
        self.longest = self.longest.max(length);
        let start = Secret::init_with(|start| start_of(secret, form, None, start));
        self.beginnings.expose_mut()[usize::from(start.expose()[0])] = 1;
        self.add_entry(&start, false);
        if form.is_base64() {
            let mut wrapped = Secret::zeroed();
            for line_end in LINE_ENDS {
                for at in 1..WINDOW {
                    start_of(secret, form, Some((at, line_end)), wrapped.expose_mut());
                    self.add_entry(&wrapped, true);
                }
            }
        }
        self.spelled.push(Pattern {
            secret: self.secrets.len(),
            form,
            start,
        });
    }

    /// Lets the next pattern be found by a `start`.
    fn add_entry(&mut self, start: &Secret<WINDOW>, is_wrapped: bool) {
        let shifts = self.shifts.expose_mut();
        for (shift, pair) in (0..FARTHEST).rev().zip(start.expose().windows(2)) {
            let place = &mut shifts[pair_of(pair[0], pair[1])];
            *place = shift.min(*place);
        }
        let next = self.first(start.expose());
        let pattern = self.spelled.len();
        let is_known = |entry: &Entry| entry.pattern == pattern && entry.is_wrapped;
        let latest = next.checked_sub(1).map(|index| &self.entries[index]);
        if is_wrapped && latest.is_some_and(is_known) {
            return;
        }
        self.entries.push(Entry {
            pattern,
            is_wrapped,
            next,
        });
        let [.., one, other] = *start.expose();
        let index = u32::try_from(self.entries.len()).unwrap_or_default();
        let (firsts, _) = self.firsts.expose_mut().as_chunks_mut::<INDEX>();
        firsts[pair_of(one, other)] = index.to_le_bytes();
    }

    /// One more than the index of the first entry with the pair at the end of `window`.
    #[allow(clippy::trivially_copy_pass_by_ref)] // no copies of secrets
    fn first(&self, window: &[u8; WINDOW]) -> usize {
        let [.., one, other] = *window;
        let (firsts, _) = self.firsts.expose().as_chunks::<INDEX>();
        u32::from_le_bytes(firsts[pair_of(one, other)]) as usize
    }

    /// Whether [`Patterns::add`] takes `secret`.
    pub fn is_long_enough(secret: &[u8]) -> bool {
        without_line_ends(secret).len() >= SHORTEST
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The length of the longest secret in its longest form.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The next place at or after `from` where a secret may begin, as far as it can be told without
    /// looking at all of it.
    pub(super) fn next_start(&self, data: &[u8], from: usize) -> usize {
        let shifts = self.shifts.expose();
        let mut at = from;
        while let Some(&[one, other]) = data.get(at + WINDOW - 2..).and_then(<[u8]>::first_chunk) {
            let shift = shifts[pair_of(one, other)];
            if shift == 0 {
                break;
            }
            at += usize::from(shift);
        }
        at
    }

    /// What begins at the start of `data`.
    pub(super) fn at_start(&self, data: &[u8]) -> Found {
        let mut found = Found::default();
        let Some(window) = data.first_chunk() else {
            let begins = |&byte: &u8| self.beginnings.expose()[usize::from(byte)] == 1;
            let may_begin = |pattern: &Pattern| self.matches(pattern, data).is_open;
            found.is_open = data.first().is_some_and(begins) && self.spelled.iter().any(may_begin);
            return found;
        };
        let mut next = self.first(window);
        while let Some(entry) = next.checked_sub(1).map(|index| &self.entries[index]) {
            next = entry.next;
            let pattern = &self.spelled[entry.pattern];
            let start = pattern.start.expose();
            if start == window || entry.is_wrapped && start[0] == window[0] {
                let here = self.matches(pattern, data);
                found.length = found.length.max(here.length);
                found.is_open |= here.is_open;
            }
        }
        found
    }

    /// Whether `data` begins with the pattern, or is its beginning.
    fn matches(&self, pattern: &Pattern, data: &[u8]) -> Found {
        let secret = self.secrets[pattern.secret].expose();
        match pattern.form {
            Form::Plain if data.starts_with(secret) => Found::whole(secret.len()),
            Form::Plain if secret.starts_with(data) => Found::OPEN,
            Form::Plain => Found::default(),
            form => matches(form.spell(secret), form.is_base64(), data),
        }
    }
}

/// As [`Patterns::matches`], for a spelled secret that may be wrapped: between two of its characters,
/// there may be line ends.
fn matches(spelling: Spelling<'_>, may_wrap: bool, data: &[u8]) -> Found {
    let mut length = 0;
    // Unknown for the first line, which may begin with something else.
    let mut in_line = SHORTEST_LINE;
    for expected in spelling {
        if may_wrap && length > 0 && in_line >= SHORTEST_LINE {
            let line_end = match &data[length..] {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                b"\r" => return Found::OPEN,
                _ => 0,
            };
            if line_end > 0 {
                length += line_end;
                in_line = 0;
            }
        }
        match data.get(length) {
            None => return Found::OPEN,
            Some(&byte) if byte == expected => length += 1,
            Some(_) => return Found::default(),
        }
        in_line += 1;
    }
    Found::whole(length)
}

/// The first bytes of a secret in a form, with a line end before the character of that number.
fn start_of(secret: &[u8], form: Form, wrapped: Option<(usize, &[u8])>, start: &mut [u8; WINDOW]) {
    let (before, line_end) = wrapped.unwrap_or((WINDOW, b""));
    let mut characters = form.spell(secret);
    let mut line_end = line_end.iter().copied();
    for (at, place) in start.iter_mut().enumerate() {
        let next = if at < before { None } else { line_end.next() };
        *place = next.or_else(|| characters.next()).unwrap_or_default();
    }
}

fn without_line_ends(secret: &[u8]) -> &[u8] {
    let end = secret.iter().rposition(|byte| !b"\r\n".contains(byte));
    &secret[..end.map_or(0, |end| end + 1)]
}

fn pair_of(one: u8, other: u8) -> usize {
    (usize::from(one) ^ (usize::from(other) << 5)) % PAIRS
}
