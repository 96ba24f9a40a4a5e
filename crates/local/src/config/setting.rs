//! One setting: its key, its value and where that is set.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The key, with its section: `password.policy`.
    pub key: Cow<'static, str>,
    /// The effective value.
    pub value: SettingValue,
    /// The line of the file that sets it, counted from 1; `None` for a default.
    pub line: Option<usize>,
}

/// A value as serialized for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SettingValue {
    /// A word, a path, or a duration in human notation.
    Text(String),
    /// A number.
    Number(u32),
    /// A boolean.
    Flag(bool),
    /// Words, in order.
    List(Vec<String>),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(words) if words.is_empty() => f.write_str("none"),
            Self::List(words) => f.write_str(&words.join(", ")),
        }
    }
}
