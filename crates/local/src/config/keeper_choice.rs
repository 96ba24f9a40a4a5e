//! Which keeper is to hold the session's key.

use super::name_in;

/// Where the session's key may live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeeperChoice {
    /// The kernel's keyring where it is usable, else the agent.
    #[default]
    Auto,
    /// The kernel's keyring or nothing.
    Kernel,
    /// The agent or nothing.
    Agent,
}

impl KeeperChoice {
    pub(super) const ALL: [(&str, Self); 3] = [
        ("auto", Self::Auto),
        ("kernel", Self::Kernel),
        ("agent", Self::Agent),
    ];
}

/// A word that names no keeper.
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
