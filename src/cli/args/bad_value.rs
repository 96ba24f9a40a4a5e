//! The error for an argument's value that is not accepted.

use std::ops::RangeBounds;
use std::str::FromStr;

/// A value that an argument does not accept.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BadValue {
    pub message: String,
    /// What to write instead, if the message does not say so.
    pub hint: Option<&'static str>,
}

/// Parses a whole number in `range`, which `what` describes, such as "a number from 1 to 9".
pub fn number<T: FromStr + PartialOrd>(
    range: impl RangeBounds<T> + Clone + Send + Sync + 'static,
    what: &'static str,
) -> impl Fn(&str) -> Result<T, BadValue> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| BadValue {
            message: format!("{text:?} is not {what}"),
            hint: None,
        })
    }
}
