//! The catalogue, event by event.
#![allow(clippy::unwrap_used)]

pub(super) mod catalogue;

use std::time::Duration;

use super::*;
