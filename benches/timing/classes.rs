//! The kinds of refused sign-ins whose times are compared, for the program and the server.

pub const RIGHT: &str = "7 brass kettles on a fence!";
pub const WRONG: &str = "7 brass kettles on a roofs!";
/// Emails with and without an account each.
pub const EMAILS: usize = 8;
pub const ROUNDS: usize = 400;

#[derive(Clone, Copy)]
pub struct Class {
    pub name: &'static str,
    pub known: bool,
    pub password: &'static str,
    pub locked: bool,
    /// Does a little more: a leak put there, to see that it is found.
    pub control: bool,
}

pub const fn class(name: &'static str, known: bool, password: &'static str, locked: bool) -> Class {
    Class {
        name,
        known,
        password,
        locked,
        control: false,
    }
}

pub const CLASSES: [Class; 6] = [
    class("wrong", true, WRONG, false),
    class("unknown", false, WRONG, false),
    class("locked, wrong", true, WRONG, true),
    class("locked, right", true, RIGHT, true),
    class("locked, unknown", false, WRONG, true),
    Class {
        control: true,
        ..class("control", true, WRONG, false)
    },
];
