//! The forms in which details are written, and from which they are read back: one spelling a value.

use std::fmt;
use std::marker::PhantomData;

use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_core::id::{ExecId, SessionId};
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};
use uuid::Uuid;

/// A value that is written as a string.
pub(super) trait Written: fmt::Display + Sized {
    /// Parses the string; `None` if the value is not written like this.
    fn read(text: &str) -> Option<Self>;
}

impl Written for ExecId {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Written for SessionId {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Written for PublicKey {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text.as_bytes())
    }
}

impl Written for Timestamp {
    fn read(text: &str) -> Option<Self> {
        Self::parse_rfc3339(text).filter(|time| time.to_rfc3339() == text)
    }
}

impl Written for Uuid {
    fn read(text: &str) -> Option<Self> {
        let id = Self::try_parse(text).ok()?;
        (id.as_hyphenated().to_string() == text).then_some(id)
    }
}

/// Reads a string as a value.
struct Reader<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value as the log writes it")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::read(text).ok_or_else(|| E::custom("not as the log writes it"))
    }
}

/// A value of another crate, for `#[serde(with)]`.
pub(super) mod string {
    use super::{Deserializer, PhantomData, Reader, Serializer, Written};

    pub(in super::super) fn serialize<T: Written, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T: Written, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        from.deserialize_str(Reader(PhantomData))
    }
}

/// A value of another crate that may be absent, for `#[serde(with)]` beside `default` and
/// `skip_serializing_if`.
pub(super) mod optional {
    use super::{Deserializer, Serializer, Written};

    #[allow(clippy::ref_option)] // serde's signature
    pub(in super::super) fn serialize<T: Written, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T: Written, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        super::string::deserialize(from).map(Some)
    }
}

/// A value that is `None` if it is malformed, for `#[serde(deserialize_with)]` beside `default`.
pub(super) fn lenient<'de, T: Written, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let value: serde_json::Value = serde::Deserialize::deserialize(from)?;
    Ok(value.as_str().and_then(T::read))
}

/// A duration in whole seconds, for `#[serde(with)]`.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::Deserialize;

    use super::{Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(duration.as_secs())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// A duration in whole milliseconds, for `#[serde(with)]`.
pub(super) mod millis {
    use std::time::Duration;

    use serde::Deserialize;

    use super::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// Implements [`Written`] and serde for types of this crate. `read` is a function from `&str` to
/// `Option<Self>`.
macro_rules! written {
    ($type:ident, $read:expr) => {
        impl $crate::forms::Written for $type {
            fn read(text: &str) -> Option<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                read(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::forms::string::serialize(self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::forms::string::deserialize(from)
            }
        }
    };
}
pub(super) use written;
