//! The note of an account's revocations, beside its session file: how many there were, which is part
//! of the generation of its sessions, and the last one, until the next sign-in.
//!
//! A session holds the number of revocations before it. With another number it is over, whichever
//! copy, machine, keeper or boot it comes back from.

use serde::{Deserialize, Serialize};

use nightlatch_audit::RevocationReason;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

/// Room for the longest reason, each of its characters escaped.
pub const NOTE_LIMIT: usize = 8 * 1024;
/// More than the number of revocations that can be noted: the note is damaged.
const DAMAGED: u32 = u32::MAX;

/// The last revocation of an account's session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocation {
    /// The session, if it could be determined.
    pub session_id: Option<SessionId>,
    /// The account's normalized email, if it could be determined.
    pub username: Option<String>,
    /// When it was revoked.
    pub at: Timestamp,
    /// Why, in the words of the person who revoked it.
    pub reason: RevocationReason,
}

/// The revocations of an account's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// How many there were.
    pub count: u32,
    /// The last one, if nobody has signed in since.
    pub last: Option<Revocation>,
}

/// The note as JSON.
#[derive(Serialize, Deserialize)]
struct Content {
    revocations: u32,
    #[serde(flatten)]
    last: Option<Last>,
}

#[derive(Serialize, Deserialize)]
struct Last {
    session_id: Option<String>,
    username: Option<String>,
    revoked_at: String,
    reason: String,
}

impl Revocations {
    /// What a damaged note stands for: more revocations than there can be, so that no session lives
    /// until the next sign-in replaces the note.
    pub fn damaged() -> Self {
        Self {
            count: DAMAGED,
            last: None,
        }
    }

    /// Parses a note.
    pub fn parse(content: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Content>(content).ok();
        parsed.and_then(Self::of).unwrap_or_else(Self::damaged)
    }

    fn of(Content { revocations, last }: Content) -> Option<Self> {
        let last = match last {
            None => None,
            Some(last) => Some(Revocation {
                session_id: match last.session_id {
                    None => None,
                    Some(id) => Some(id.parse().ok()?),
                },
                username: last.username,
                at: Timestamp::parse_rfc3339(&last.revoked_at)?,
                reason: last.reason.parse().ok()?,
            }),
        };
        Some(Self {
            count: revocations,
            last,
        })
    }

    /// The note.
    ///
    /// # Errors
    /// None in practice: the content can always be written as JSON.
    pub fn content(&self) -> std::io::Result<Vec<u8>> {
        let last = self.last.as_ref().map(|last| Last {
            session_id: last.session_id.map(|id| id.to_string()),
            username: last.username.clone(),
            revoked_at: last.at.to_rfc3339(),
            reason: last.reason.as_str().to_owned(),
        });
        let content = Content {
            revocations: self.count,
            last,
        };
        let mut bytes = serde_json::to_vec(&content)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The note after one more revocation.
    #[must_use]
    pub fn and(&self, last: Revocation) -> Self {
        Self {
            count: self.sound_count(last.at).saturating_add(1).min(DAMAGED - 1),
            last: Some(last),
        }
    }

    /// The note for a session that begins `now`.
    #[must_use]
    pub fn at_sign_in(&self, now: Timestamp) -> Self {
        Self {
            count: self.sound_count(now),
            last: None,
        }
    }

    /// The number of revocations. In place of one that was lost, the seconds since 1970: more than
    /// there ever were.
    fn sound_count(&self, now: Timestamp) -> u32 {
        if self.count == DAMAGED {
            u32::try_from(now.unix_nanos() / 1_000_000_000).unwrap_or(DAMAGED - 1)
        } else {
            self.count
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn revocation(reason: &str) -> Revocation {
        Revocation {
            session_id: Some(SessionId::from_bytes([1; 16])),
            username: Some("alice@example.com".to_owned()),
            at: NOW,
            reason: reason.parse().unwrap(),
        }
    }

    #[test]
    fn a_revocation_is_read_back_and_counted() {
        let first = Revocations::default().and(revocation("lost laptop"));
        assert_eq!(first.count, 1);
        assert_eq!(Revocations::parse(&first.content().unwrap()), first);
        let second = first.and(revocation("again"));
        assert_eq!(second.count, 2);
        let signed_in = second.at_sign_in(NOW);
        assert_eq!((signed_in.count, &signed_in.last), (2, &None));
        assert_eq!(Revocations::parse(&signed_in.content().unwrap()), signed_in);
    }

    #[test]
    fn the_longest_reason_fits_the_note() {
        let longest = "\u{10FFFF}".repeat(500);
        let note = Revocations::default().and(revocation(&longest));
        let content = note.content().unwrap();
        assert!(content.len() <= NOTE_LIMIT);
        assert_eq!(Revocations::parse(&content), note);
    }

    #[test]
    fn a_damaged_note_counts_as_more_revocations_than_any_session_has_seen() {
        for damage in [&b""[..], b"{", b"{\"revocations\":-1}", b"\xff", b"[]"] {
            let damaged = Revocations::parse(damage);
            assert_eq!(damaged, Revocations::damaged());
            let count = damaged.at_sign_in(NOW).count;
            assert_eq!(count, 1_800_000_000);
            assert_eq!(damaged.and(revocation("x")).count, count + 1);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_note_or_damaged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let note = Revocations::parse(&bytes);
            if note.count != DAMAGED {
                prop_assert_eq!(Revocations::parse(&note.content().unwrap()), note);
            }
        }
    }
}
