//! What the statements return, as types.

use nightlatch_core::id::{AccountId, SessionId};

use crate::clock::Millis;

/// The names of an enumeration's values in the database.
macro_rules! named {
    ($kind:ident, $($value:ident => $name:literal),+) => {
        impl $kind {
            /// Its name in the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $name),+
                }
            }
        }

        impl std::str::FromStr for $kind {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text {
                    $($name => Ok(Self::$value),)+
                    _ => Err(()),
                }
            }
        }
    };
}
pub(super) use named;

named!(AccountKind, Guest => "guest", User => "user");
named!(SessionClass, Web => "web", Guest => "guest", Cli => "cli");
named!(EndKind, SignedOut => "signed-out", Revoked => "revoked");

/// What kind of account a person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// Started without registration, on first use.
    Guest,
    /// Has an email.
    User,
}

/// The class of a session, which decides its timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionClass {
    /// A person's browser: 15 minutes idle, 12 hours absolute by default.
    Web,
    /// A guest's browser: 30 days idle.
    Guest,
    /// Reserved for terminals.
    Cli,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// Guest or user.
    pub kind: AccountKind,
    /// The email as typed; `None` for guests.
    pub email: Option<String>,
    /// The name shown to the person; `None` for guests and accounts made by a link.
    pub name: Option<String>,
    /// Whether it may use the administrative routes.
    pub is_admin: bool,
    /// Whether it was disabled.
    pub is_disabled: bool,
    /// When it was created.
    pub created: Millis,
    /// When its profile was last changed.
    pub updated: Millis,
    /// The account it was merged into, and when.
    pub merged: Option<(AccountId, Millis)>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id; not a secret.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Its class.
    pub class: SessionClass,
    /// When it began.
    pub created: Millis,
    /// The last recorded activity.
    pub seen: Millis,
    /// How long it lives without activity, in milliseconds.
    pub idle: i64,
    /// When it ends regardless of activity.
    pub absolute_end: Millis,
    /// When and why it was ended, if it was.
    pub ended: Option<Ended>,
    /// The client's address when it began.
    pub address: Option<String>,
    /// The client's user agent when it began.
    pub user_agent: Option<String>,
}

/// The recorded end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Millis,
    /// How.
    pub how: EndKind,
    /// The reason that an administrator gave.
    pub reason: Option<String>,
}

/// How a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndKind {
    /// The person signed out, or ended it from the list of sessions.
    SignedOut,
    /// An administrator revoked it.
    Revoked,
}

/// A document that belongs to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// Its id.
    pub id: String,
    /// The document: JSON text.
    pub body: String,
    /// When it was created.
    pub created: Millis,
    /// When it was last changed.
    pub updated: Millis,
}
