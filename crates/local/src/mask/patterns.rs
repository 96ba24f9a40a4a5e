//! The secrets to be masked, in every form, and the search for them.
//!
//! The search is that of Wu and Manber: it looks at the last two bytes of a window of six and skips
//! ahead by as much as no secret could begin in between. Its tables say which pairs of bytes occur
//! in the secrets, so they are in wiped memory, as the secrets are.

use nightlatch_core::memory::{Secret, SecretBuffer};

use super::form::Form;

/// The least bytes of a secret that is masked: shorter ones occur by accident, and masking them
/// would garble output and give them away.
pub const SHORTEST: usize = 6;

/// The length of the search window: every form of a secret is at least as long as a secret.
const WINDOW: usize = SHORTEST;
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
    /// For each pair of bytes at the end of the window, how far the window can be moved; 0 where a
    /// secret may begin.
    shifts: Secret<PAIRS>,
    /// For each pair, one more than the index of the first pattern that has it at the end of the
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
    length: usize,
    start: Secret<WINDOW>,
    /// One more than the index of the next pattern with the same pair; 0 for none.
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

impl Default for Patterns {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            spelled: Vec::new(),
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
        let mut kept = SecretBuffer::with_capacity(secret.len());
        let fits = kept.push(secret);
        debug_assert!(fits, "the buffer was made for it");
        self.secrets.push(kept);
        Ok(())
    }

    fn add_pattern(&mut self, secret: &[u8], form: Form) {
        let length = form.spell(secret).count();
        self.longest = self.longest.max(length);
        let start = Secret::init_with(|start: &mut [u8; WINDOW]| {
            for (place, byte) in start.iter_mut().zip(form.spell(secret)) {
                *place = byte;
            }
        });
        let shifts = self.shifts.expose_mut();
        for (shift, pair) in (0..FARTHEST).rev().zip(start.expose().windows(2)) {
            let place = &mut shifts[pair_of(pair[0], pair[1])];
            *place = shift.min(*place);
        }
        self.beginnings.expose_mut()[usize::from(start.expose()[0])] = 1;
        let next = self.first(start.expose());
        self.spelled.push(Pattern {
            secret: self.secrets.len(),
            form,
            length,
            next,
            start,
        });
        let pattern = &self.spelled[self.spelled.len() - 1];
        let [.., one, other] = *pattern.start.expose();
        let index = u32::try_from(self.spelled.len()).unwrap_or_default();
        let (firsts, _) = self.firsts.expose_mut().as_chunks_mut::<INDEX>();
        firsts[pair_of(one, other)] = index.to_le_bytes();
    }

    /// One more than the index of the first pattern with the pair at the end of `window`.
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
            let may_begin = |pattern: &Pattern| pattern.start.expose().starts_with(data);
            found.is_open = data.first().is_some_and(begins) && self.spelled.iter().any(may_begin);
            return found;
        };
        let mut next = self.first(window);
        while let Some(pattern) = next.checked_sub(1).map(|index| &self.spelled[index]) {
            next = pattern.next;
            if pattern.start.expose() != window || !self.agrees(pattern, data) {
                continue;
            }
            if pattern.length > data.len() {
                found.is_open = true;
            } else {
                found.length = found.length.max(pattern.length);
            }
        }
        found
    }

    /// Whether `data` begins with the pattern, or the pattern with `data`.
    fn agrees(&self, pattern: &Pattern, data: &[u8]) -> bool {
        let secret = self.secrets[pattern.secret].expose();
        match pattern.form {
            Form::Plain => {
                let length = secret.len().min(data.len());
                secret[..length] == data[..length]
            }
            form => form
                .spell(secret)
                .zip(data)
                .all(|(expected, &byte)| expected == byte),
        }
    }
}

fn without_line_ends(secret: &[u8]) -> &[u8] {
    let end = secret.iter().rposition(|byte| !b"\r\n".contains(byte));
    &secret[..end.map_or(0, |end| end + 1)]
}

fn pair_of(one: u8, other: u8) -> usize {
    (usize::from(one) ^ (usize::from(other) << 5)) % PAIRS
}
