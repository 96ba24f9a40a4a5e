//! The origins of the home, the account and the keeper.

use super::args::Global;
use super::surroundings::Surroundings;

/// The origin of a value that does not come from the configuration file alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    Variable(&'static str),
    /// No value was given.
    Unset,
}

impl Origin {
    fn of<T, U>(flag: (&'static str, &Option<T>), variable: (&'static str, &Option<U>)) -> Self {
        match (flag, variable) {
            ((name, Some(_)), _) => Self::Flag(name),
            (_, (name, Some(_))) => Self::Variable(name),
            _ => Self::Unset,
        }
    }
}

/// The origins of the home, the account and the keeper.
pub struct Origins {
    pub home: Origin,
    pub account: Origin,
    pub keeper: Origin,
}

impl Origins {
    pub fn of(global: &Global, surroundings: &Surroundings) -> Self {
        Self {
            home: Origin::of(
                ("--home", &global.home),
                ("NIGHTLATCH_HOME", &surroundings.home),
            ),
            account: Origin::of(
                ("--account", &global.account),
                ("NIGHTLATCH_ACCOUNT", &surroundings.account),
            ),
            keeper: Origin::of::<(), _>(("", &None), ("NIGHTLATCH_KEEPER", &surroundings.keeper)),
        }
    }
}
