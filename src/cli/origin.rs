//! Where the choice of a home, an account or a keeper came from.

use super::args::Global;
use super::surroundings::Surroundings;

/// Where something that the configuration file does not decide alone came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    Variable(&'static str),
    /// Neither was given.
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

/// Where the home, the account and the keeper came from.
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
