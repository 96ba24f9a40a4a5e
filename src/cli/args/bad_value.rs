//! Why an argument's value was not accepted.

use std::ops::RangeBounds;
use std::str::FromStr;

/// A value that an argument does not take.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BadValue {
    pub message: String,
    /// What to write instead, where the message does not say so.
    pub hint: Option<&'static str>,
}

/// Reads a whole number within `range`, which is `what`, such as "a number from 1 to 9".
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
