//! Properties of requests and responses that hold for any input.

use super::{
    REQUEST_LENGTH, Request, Response, bounded, encode_destroy, encode_publish, encode_read,
};

/// Both sides accept only messages of the fixed length, and re-encode them unchanged.
pub fn agent_protocol(bytes: &[u8]) -> bool {
    let as_request = request(bytes);
    assert!(!as_request || bytes.len() == REQUEST_LENGTH);
    as_request || response(bytes)
}

fn request(bytes: &[u8]) -> bool {
    let again = match Request::decode(bytes) {
        Ok(Request::Publish(slot, payload, lifetime)) => {
            assert_eq!(lifetime, bounded(lifetime));
            encode_publish(&slot, &payload, lifetime)
        }
        Ok(Request::Read(slot)) => encode_read(&slot),
        Ok(Request::Destroy(slot)) => encode_destroy(&slot),
        Err(_) => return false,
    };
    assert!(again.expose() == bytes, "two ways to write one request");
    true
}

/// The client reads exactly as many bytes as a response has.
fn response(bytes: &[u8]) -> bool {
    let Some(response) = bytes.try_into().ok().map(Response::decode) else {
        return false;
    };
    let Ok(response) = response else {
        return false;
    };
    let again = response.encode();
    assert!(again.expose() == bytes, "two ways to write one response");
    true
}
