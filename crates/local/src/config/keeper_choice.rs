//! The configured keeper of session keys.

use super::name_in::name_in;

/// Where the session's key may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeeperChoice {
    /// The kernel's keyring where it is usable, else the agent.
    #[default]
    Auto,
    /// The kernel's keyring only.
    Kernel,
    /// The agent only.
    Agent,
}

impl KeeperChoice {
    pub(super) const ALL: [(&str, Self); 3] = [
        ("auto", Self::Auto),
        ("kernel", Self::Kernel),
        ("agent", Self::Agent),
    ];
}

/// The word is not the name of a keeper.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no keeper: use auto, kernel or agent")]
pub struct UnknownKeeper(String);

impl std::str::FromStr for KeeperChoice {
    type Err = UnknownKeeper;

    fn from_str(text: &str) -> Result<Self, UnknownKeeper> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map_or_else(
            || Err(UnknownKeeper(text.to_owned())),
            |(_, choice)| Ok(*choice),
        )
    }
}

impl std::fmt::Display for KeeperChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(name_in(&Self::ALL, self))
    }
}
