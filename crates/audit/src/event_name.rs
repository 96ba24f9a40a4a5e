//! The type of an event that was read: from the catalogue, or from a later version.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::catalogue::EventType;
use super::catalogue::row::Row;
use super::forms::written;
use super::outcome::Outcome;

/// The longest name of an event type, in characters.
const LONGEST: usize = 64;

/// The name of an event type, whether or not this version knows it: `A` to `Z`, then `A` to `Z`,
/// `0` to `9` and `_`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Cow<'static, str>);

/// The word cannot be the name of an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an event type")]
pub struct BadEventName(String);

impl EventName {
    /// The type, if this version knows it.
    pub fn known(&self) -> Option<EventType> {
        self.0.parse().ok()
    }

    /// Its row in the catalogue, if this version knows it.
    pub(super) fn row(&self) -> Option<&'static Row> {
        self.known().map(EventType::row)
    }

    /// The outcome of an event of this type with this `success`.
    pub(super) fn outcome(&self, success: bool) -> Outcome {
        if success {
            Outcome::Ok
        } else {
            self.row().map_or(Outcome::Failed, |row| row.failure)
        }
    }

    /// The name as in the log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `bytes` have the form of a name.
    pub(super) fn is_formed(bytes: &[u8]) -> bool {
        let is_part =
            |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        bytes.len() <= LONGEST
            && bytes.first().is_some_and(u8::is_ascii_uppercase)
            && bytes.iter().all(is_part)
    }
}

impl From<EventType> for EventName {
    fn from(event_type: EventType) -> Self {
        Self(Cow::Borrowed(event_type.as_str()))
    }
}

impl FromStr for EventName {
    type Err = BadEventName;

    /// The exact name, in capitals.
    fn from_str(text: &str) -> Result<Self, BadEventName> {
        if let Ok(known) = text.parse::<EventType>() {
            Ok(known.into())
        } else if Self::is_formed(text.as_bytes()) {
            Ok(Self(Cow::Owned(text.to_owned())))
        } else {
            Err(BadEventName(text.chars().take(LONGEST).collect()))
        }
    }
}

impl PartialEq<EventType> for EventName {
    fn eq(&self, other: &EventType) -> bool {
        self.as_str() == other.as_str()
    }
}

written!(EventName, |text| text.parse().ok());

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_and_every_other_well_formed_name_is_read() {
        for known in EventType::ALL {
            let name: EventName = known.as_str().parse().unwrap();
            assert_eq!(name, *known);
            assert_eq!(name.known(), Some(*known));
        }
        let longest = "A".repeat(LONGEST);
        for other in ["SECRET_READ_V2", "X", "A1_", &longest] {
            let name: EventName = other.parse().unwrap();
            assert_eq!((name.as_str(), name.known()), (other, None));
        }
    }

    #[test]
    fn what_the_format_does_not_allow_is_no_event_type() {
        let too_long = "A".repeat(LONGEST + 1);
        for bad in ["", "login", "1A", "_A", "A-B", "A B", "Ä", "A\n", &too_long] {
            assert!(bad.parse::<EventName>().is_err(), "{bad}");
        }
    }
}
