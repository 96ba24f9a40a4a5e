//! The pages of `recover` and of `account` and its subcommands.

use super::{Explained, HOME, ZONE};

/// The pages of `recover` and of `account` and its subcommands.
pub const ACCOUNTS: &[Explained] = &[
    Explained {
        page: "nightlatch-recover",
        description: "Sets a new password with the account's recovery code, which register or \
            account recovery --new has printed. On a terminal it asks for the code, and then twice \
            for the new password. It ends the account's session, uses the code up, and prints a \
            new one.\n\
            \n\
            A code is read in capital or small letters, with or without spaces and hyphens. A \
            typing mistake is noticed and counts as no attempt. A wrong code, an unknown email and \
            an account without a code give the same error; five in a row lock recovery for 30 \
            minutes. Sign-in with the password is counted apart.\n\
            \n\
            With --password-stdin or --password-fd it reads two lines: the code, and the new \
            password.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account",
        description: "Shows and changes accounts. Each change is recorded in the audit log. A new \
            name takes a live session; a new email, a new recovery code and a removal take the \
            account's password.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-list",
        description: "Lists the accounts: email, name, when each was created, which one is in use, \
            and which are signed in. Needs no session and records nothing.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-show",
        description: "Shows one account: its name, when it was created and last changed, when its \
            recovery code was made, how many secrets it has, and its session. Needs no session and \
            records nothing.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-switch",
        description: "Makes another account the one that commands use where none is named, as a \
            sign-in to it would. It authorizes nothing: commands still need a live session of \
            that account.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-rename",
        description: "Changes the name of the account's owner. Needs a live session of the account, \
            and counts as activity. The audit log does not contain names.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-email",
        description: "Changes the email with which the account signs in, and ends its session. It \
            asks for the password, because the account's key is sealed for the email too. The \
            password, the recovery code and the secrets stay.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-remove",
        description: "Removes an account with its recovery code, its secrets and its session. It \
            says what goes, asks, and takes the account's password. Nothing brings them back. The \
            audit log keeps its events. Once the last account is removed, anybody at the terminal \
            can register a first one.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-account-recovery",
        description: "Says whether the account has a recovery code, and since when. With --new it \
            asks for the password and prints a new code, alone, to standard output; an earlier \
            code is no longer accepted. The code is stored nowhere and cannot be shown again.",
        environment: &[ZONE],
        files: &[HOME],
    },
];
