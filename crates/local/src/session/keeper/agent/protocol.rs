//! The protocol between client and agent: one request and one response per connection, each of a
//! fixed size, on a stream that the client closes for writing after its request.
//!
//! ```text
//! request   version 1 | operation 1 | zero 2 | home 16 | account 16 | lifetime ns 8 | payload 192
//! response  version 1 | status 1    | zero 2 | payload 192
//! ```
//! Integers are little-endian. Fields that an operation does not use are zero; anything else is
//! refused.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use std::time::Duration;

use nightlatch_core::id::{AccountId, HomeId};
use nightlatch_core::memory::Secret;

use super::super::{PAYLOAD_LENGTH, Payload, Slot, bounded};

/// The only protocol version so far.
const VERSION: u8 = 1;
const SLOT_AT: usize = 4;
const LIFETIME_AT: usize = SLOT_AT + 32;
const REQUEST_PAYLOAD_AT: usize = LIFETIME_AT + 8;
const RESPONSE_PAYLOAD_AT: usize = 4;

/// The size of every request in bytes.
pub(super) const REQUEST_LENGTH: usize = REQUEST_PAYLOAD_AT + PAYLOAD_LENGTH;
/// The size of every response in bytes.
pub(super) const RESPONSE_LENGTH: usize = RESPONSE_PAYLOAD_AT + PAYLOAD_LENGTH;

const PUBLISH: u8 = 1;
const READ: u8 = 2;
const DESTROY: u8 = 3;

const DONE: u8 = 1;
const FOUND: u8 = 2;
const ABSENT: u8 = 3;
const FULL: u8 = 4;

/// Not a message of this protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A request to the agent.
pub(super) enum Request {
    /// Hold this payload for this long.
    Publish(Slot, Payload, Duration),
    /// Return the payload.
    Read(Slot),
    /// Forget the payload.
    Destroy(Slot),
}

/// The agent's response.
pub(super) enum Response {
    /// Published, or destroyed.
    Done,
    /// The requested payload.
    Found(Payload),
    /// There was nothing to read or destroy.
    Absent,
    /// There is no room for another payload.
    Full,
}

/// Encodes a publish request from a borrowed payload.
pub(super) fn encode_publish(
    slot: &Slot,
    payload: &Payload,
    lifetime: Duration,
) -> Secret<REQUEST_LENGTH> {
    let mut bytes = encode_request(PUBLISH, slot);
    // Bounded to half a day, so the nanoseconds fit.
    let nanos = u64::try_from(bounded(lifetime).as_nanos()).unwrap_or(0);
    let all = bytes.expose_mut();
    all[LIFETIME_AT..REQUEST_PAYLOAD_AT].copy_from_slice(&nanos.to_le_bytes());
    all[REQUEST_PAYLOAD_AT..].copy_from_slice(payload.expose());
    bytes
}

/// Encodes a request for the payload of `slot`.
pub(super) fn encode_read(slot: &Slot) -> Secret<REQUEST_LENGTH> {
    encode_request(READ, slot)
}

/// Encodes a request to forget the payload of `slot`.
pub(super) fn encode_destroy(slot: &Slot) -> Secret<REQUEST_LENGTH> {
    encode_request(DESTROY, slot)
}

fn encode_request(operation: u8, slot: &Slot) -> Secret<REQUEST_LENGTH> {
    Secret::init_with(|bytes| {
        bytes[0] = VERSION;
        bytes[1] = operation;
        bytes[SLOT_AT..SLOT_AT + 16].copy_from_slice(slot.home.as_bytes());
        bytes[SLOT_AT + 16..LIFETIME_AT].copy_from_slice(slot.account.as_bytes());
    })
}

impl Request {
    /// Decodes a request.
    ///
    /// # Errors
    /// [`Malformed`] for a wrong length, version or operation, and for nonzero bytes in unused
    /// fields.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes: &[u8; REQUEST_LENGTH] = bytes.try_into().map_err(|_| Malformed)?;
        let operation = header(bytes)?;
        let home = HomeId::from_bytes(field(bytes, SLOT_AT)?);
        let account = AccountId::from_bytes(field(bytes, SLOT_AT + 16)?);
        let slot = Slot::new(home, account);
        let lifetime = Duration::from_nanos(u64::from_le_bytes(field(bytes, LIFETIME_AT)?));
        match operation {
            PUBLISH if lifetime == bounded(lifetime) => {
                let payload =
                    Payload::init_with(|room| room.copy_from_slice(&bytes[REQUEST_PAYLOAD_AT..]));
                Ok(Self::Publish(slot, payload, lifetime))
            }
            READ if is_zero(&bytes[LIFETIME_AT..]) => Ok(Self::Read(slot)),
            DESTROY if is_zero(&bytes[LIFETIME_AT..]) => Ok(Self::Destroy(slot)),
            _ => Err(Malformed),
        }
    }
}

impl Response {
    /// Encodes the response.
    pub(super) fn encode(&self) -> Secret<RESPONSE_LENGTH> {
        Secret::init_with(|bytes| {
            bytes[0] = VERSION;
            bytes[1] = match self {
                Self::Done => DONE,
                Self::Found(_) => FOUND,
                Self::Absent => ABSENT,
                Self::Full => FULL,
            };
            if let Self::Found(payload) = self {
                bytes[RESPONSE_PAYLOAD_AT..].copy_from_slice(payload.expose());
            }
        })
    }

    /// Decodes a response.
    ///
    /// # Errors
    /// [`Malformed`] for a wrong version or status, and for nonzero bytes in unused fields.
    pub(super) fn decode(bytes: &[u8; RESPONSE_LENGTH]) -> Result<Self, Malformed> {
        let payload = &bytes[RESPONSE_PAYLOAD_AT..];
        match header(bytes)? {
            FOUND => Ok(Self::Found(Payload::init_with(|room| {
                room.copy_from_slice(payload);
            }))),
            DONE if is_zero(payload) => Ok(Self::Done),
            ABSENT if is_zero(payload) => Ok(Self::Absent),
            FULL if is_zero(payload) => Ok(Self::Full),
            _ => Err(Malformed),
        }
    }
}

/// The second byte of a message, after checking version and padding.
fn header(bytes: &[u8]) -> Result<u8, Malformed> {
    match bytes {
        [VERSION, kind, 0, 0, ..] => Ok(*kind),
        _ => Err(Malformed),
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    bytes
        .get(at..at + N)
        .and_then(|field| field.try_into().ok())
        .ok_or(Malformed)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot::new(HomeId::from_bytes([7; 16]), AccountId::from_bytes([9; 16]))
    }

    fn payload() -> Payload {
        Payload::init_with(|bytes| bytes.fill(0xa5))
    }

    #[test]
    fn requests_read_back_as_written() {
        let lifetime = Duration::new(899, 999_999_999);
        let bytes = encode_publish(&slot(), &payload(), lifetime);
        let Ok(Request::Publish(to, read, read_lifetime)) = Request::decode(bytes.expose()) else {
            panic!("not a publish request");
        };
        assert!(read.expose() == payload().expose());
        assert_eq!((to, read_lifetime), (slot(), lifetime));
        let bytes = encode_read(&slot());
        assert!(matches!(Request::decode(bytes.expose()), Ok(Request::Read(to)) if to == slot()));
        let bytes = encode_destroy(&slot());
        assert!(
            matches!(Request::decode(bytes.expose()), Ok(Request::Destroy(to)) if to == slot())
        );
    }

    #[test]
    fn responses_read_back_as_written() {
        let found = Response::Found(payload()).encode();
        assert!(
            matches!(Response::decode(found.expose()), Ok(Response::Found(read)) if read.expose() == payload().expose())
        );
        let decode = |response: &Response| Response::decode(response.encode().expose());
        assert!(matches!(decode(&Response::Done), Ok(Response::Done)));
        assert!(matches!(decode(&Response::Absent), Ok(Response::Absent)));
        assert!(matches!(decode(&Response::Full), Ok(Response::Full)));
    }

    #[test]
    fn every_other_length_is_refused() {
        let bytes = encode_read(&slot());
        let mut longer = bytes.expose().to_vec();
        longer.push(0);
        assert!(Request::decode(&longer).is_err());
        for length in 0..REQUEST_LENGTH {
            assert!(
                Request::decode(&bytes.expose()[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn every_other_version_operation_and_padding_is_refused() {
        for (at, allowed) in [
            (0, 1..=VERSION),
            (1, PUBLISH..=DESTROY),
            (2, 0..=0),
            (3, 0..=0),
        ] {
            for value in 0..=u8::MAX {
                let mut bytes = encode_read(&slot());
                bytes.expose_mut()[at] = value;
                let accepted = Request::decode(bytes.expose()).is_ok();
                assert_eq!(accepted, allowed.contains(&value), "byte {at} is {value}");
            }
        }
        for (at, allowed) in [(0, 1..=VERSION), (1, DONE..=FULL), (2, 0..=0), (3, 0..=0)] {
            for value in 0..=u8::MAX {
                let mut bytes = Response::Absent.encode();
                bytes.expose_mut()[at] = value;
                let accepted = Response::decode(bytes.expose()).is_ok();
                assert_eq!(accepted, allowed.contains(&value), "byte {at} is {value}");
            }
        }
    }

    #[test]
    fn what_an_operation_does_not_use_must_be_zero() {
        for at in LIFETIME_AT..REQUEST_LENGTH {
            for encode in [encode_read, encode_destroy] {
                let mut bytes = encode(&slot());
                bytes.expose_mut()[at] = 1;
                assert!(Request::decode(bytes.expose()).is_err(), "byte {at}");
            }
        }
        for at in RESPONSE_PAYLOAD_AT..RESPONSE_LENGTH {
            let mut bytes = Response::Done.encode();
            bytes.expose_mut()[at] = 1;
            assert!(Response::decode(bytes.expose()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_lifetime_beyond_the_longest_session_is_cut_by_the_client_and_refused_by_the_agent() {
        let mut bytes = encode_publish(&slot(), &payload(), Duration::MAX);
        let Ok(Request::Publish(_, _, lifetime)) = Request::decode(bytes.expose()) else {
            panic!("not a publish request");
        };
        assert_eq!(lifetime, crate::config::MAX_CEILING);
        bytes.expose_mut()[LIFETIME_AT..REQUEST_PAYLOAD_AT].fill(0xff);
        assert!(Request::decode(bytes.expose()).is_err());
    }
}
