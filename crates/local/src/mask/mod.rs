//! Masking: replaces secrets in a stream of output, however the stream is cut into chunks.
//!
//! [`Patterns`] holds the secrets and finds them, also in base64 (all three alignments, and in
//! lines), URL-encoded and JSON-escaped. [`Masker`] applies them to one stream. Neither reads, writes
//! or asks for the time, and everything in them that could reveal a secret is in memory that is wiped.
//!
//! What masking cannot do is listed in docs/guarding.md: it is a safety net against accidents, not
//! a barrier against a command that wants to reveal its secrets.

mod form;
mod masker;
mod patterns;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

pub use masker::{HOLD, Masker, Masking};
pub use patterns::{Patterns, SHORTEST, TooShort};
