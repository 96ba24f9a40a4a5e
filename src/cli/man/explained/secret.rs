//! What the pages of `secret` explain.

use super::{EDITOR, Explained, HOME, WAYLAND, X11, ZONE};

/// The explanations of these pages.
pub const SECRETS: &[Explained] = &[
    Explained {
        page: "nightlatch-secret",
        description: "Secrets are values that only a live session opens: passwords, tokens, keys. \
            Each is sealed under a key derived from the account's, which the password opens. Every \
            use needs a live session, counts as activity, and is recorded in the audit log before \
            a value is printed or changed, with a keyed tag in place of the name.\n\
            \n\
            A name has up to 200 characters; slashes divide it into parts. It has no =, { or }, and \
            names that differ only in case are one. The last 10 versions of a value are kept.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-set",
        description: "Sets a secret, or a new version of one. Without an option it asks on the \
            terminal, twice, and shows nothing of what is typed. A value typed there is one line of \
            at most 4,094 bytes; several pasted lines are refused. A value is never an argument, because \
            arguments show in ps. --stdin drops the line end of a single line, which echo adds, and \
            keeps everything else.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-get",
        description: "Prints the value, byte for byte and without a line end. On a terminal it says \
            so first, and refuses a value that a terminal would interpret. The reading is on record \
            before the value is printed.\n\
            \n\
            --copy puts it into the clipboard by wl-copy or xclip, or else by the terminal, which \
            must take OSC 52. The command stays until the clipboard is cleared: after 45 seconds, or \
            earlier with Ctrl-C. What was copied meanwhile is left alone, except by the terminal, \
            which cannot be asked. Other programs of the desktop can read the clipboard, and some keep a history of \
            it.",
        environment: &[WAYLAND, X11],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-list",
        description: "Lists names, versions and times. It compares the database with the last \
            recorded change, and says when the database was removed, changed or put back.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-show",
        description: "Shows the version of a secret and when it was set and created. The value is \
            not opened.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-rename",
        description: "Gives a secret another name, and keeps its versions. Each is sealed again, \
            because its seal binds the name.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-rm",
        description: "Removes a secret with all of its versions, after asking, and overwrites them \
            in the database. What a backup or a snapshot of the disk has, it cannot remove.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-edit",
        description: "Opens the value in an editor, as a file in memory that has no name on disk. \
            vim and Neovim are told to keep no swap file, backup, undo file or history. Tell other \
            editors not to keep copies of what they edit. If the secret was changed or removed \
            meanwhile, it is left as it is, and what was edited is kept as NAME.edited.",
        environment: &[EDITOR],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-history",
        description: "Lists the versions that are kept, the oldest first, and when each was set.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-restore",
        description: "Makes the value of an older version the current one. It becomes a new version, \
            so that none is lost.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-import",
        description: "Takes over the secrets of another program: NAME=value lines, a JSON object, \
            the credentials of the AWS command line (as aws/PROFILE/KEY), or the directory of pass, \
            which gpg decrypts. Of a file of pass, the first line is the secret, and the others \
            become NAME/notes. All is set in one step; what cannot be is named, and the rest is \
            taken.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-export",
        description: "Writes every secret with its value, after asking for the password again. JSON \
            has binary values as {\"base64\": ...}, and is what import reads. The export is as \
            sensitive as the secrets themselves, and nothing protects it.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-secret-inject",
        description: "Writes a template with values in place of {{ nightlatch://NAME }}. Double \
            braces that are followed by anything else are left as they are. With a broken \
            reference or a missing secret nothing is written. A file appears whole or not at all, \
            and only its owner may read it.",
        environment: &[],
        files: &[HOME],
    },
];
