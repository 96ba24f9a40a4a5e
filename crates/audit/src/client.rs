//! The client of a server that an event came from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::text::UserAgent;

/// Where a request to a server came from. It is written at the end of an event's details, because
/// the line's own origin is the process that recorded the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<UserAgent>,
}

impl Client {
    /// A client at `address`, with the `User-Agent` of its request if there was one.
    pub fn new(address: IpAddr, user_agent: Option<UserAgent>) -> Self {
        Self {
            address,
            user_agent,
        }
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it calls itself.
    pub fn user_agent(&self) -> Option<&UserAgent> {
        self.user_agent.as_ref()
    }
}
