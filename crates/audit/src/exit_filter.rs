//! A filter on how guarded commands ended.

use std::str::FromStr;

use super::command_end::CommandEnd;
use super::forms::written;

/// A filter on the ends of guarded commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitFilter {
    /// Any end except exit code 0.
    NonZero,
    /// With this exit code.
    Code(i32),
    /// By any signal.
    AnySignal,
    /// By this signal.
    Signal(i32),
}

/// The text is not a valid filter on the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write nonzero, an exit code from 0 to 255, signal, or signal:N")]
#[non_exhaustive]
pub struct BadExitFilter;

impl ExitFilter {
    /// Whether an event with this end matches.
    pub(super) fn takes(self, end: Option<CommandEnd>) -> bool {
        match (self, end) {
            (Self::NonZero, Some(end)) => end != CommandEnd::Exited(0),
            (Self::Code(wanted), Some(CommandEnd::Exited(code))) => code == wanted,
            (Self::Signal(wanted), Some(CommandEnd::Signalled(signal))) => signal == wanted,
            (Self::AnySignal, Some(CommandEnd::Signalled(_))) => true,
            _ => false,
        }
    }
}

written!(ExitFilter, |text| text.parse().ok());

impl std::fmt::Display for ExitFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NonZero => f.write_str("nonzero"),
            Self::Code(code) => write!(f, "{code}"),
            Self::AnySignal => f.write_str("signal"),
            Self::Signal(signal) => write!(f, "signal:{signal}"),
        }
    }
}

impl FromStr for ExitFilter {
    type Err = BadExitFilter;

    fn from_str(text: &str) -> Result<Self, BadExitFilter> {
        let number = |text: &str, most| {
            text.parse()
                .ok()
                .filter(|number| (0..=most).contains(number))
                .ok_or(BadExitFilter)
        };
        match text {
            "nonzero" => Ok(Self::NonZero),
            "signal" => Ok(Self::AnySignal),
            _ => match text.strip_prefix("signal:") {
                Some(signal) => number(signal, 64).map(Self::Signal),
                None => number(text, 255).map(Self::Code),
            },
        }
    }
}
