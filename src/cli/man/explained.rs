//! What the manual pages explain beyond the help: one entry per page, in the order of the commands.

mod account;
mod secret;

pub use account::ACCOUNTS;
pub use secret::SECRETS;

/// The explanation on one page.
pub struct Explained {
    /// The page's name.
    pub page: &'static str,
    /// The description: paragraphs separated by empty lines.
    pub description: &'static str,
    /// Environment variables that the command reads.
    pub environment: &'static [(&'static str, &'static str)],
    /// Files that the command reads or writes.
    pub files: &'static [(&'static str, &'static str)],
}

const HOME: (&str, &str) = (
    "~/.local/share/nightlatch",
    "The home: accounts, sealed session files and the audit log, readable by its owner alone. \
     $XDG_DATA_HOME/nightlatch if that variable is set; DIR with --home DIR.",
);

const CONFIGURATION: (&str, &str) = (
    "~/.config/nightlatch/config.toml",
    "The configuration, which is optional. $XDG_CONFIG_HOME/nightlatch/config.toml if that \
     variable is set; DIR/config.toml with --home DIR.",
);

const LOG: (&str, &str) = (
    "~/.local/share/nightlatch/audit",
    "The audit log: JSON lines in files named by their first event, and head, its signed end.",
);

const EDITOR: (&str, &str) = ("VISUAL, EDITOR", "The editor to use; vi if neither is set.");

const PAGER: (&str, &str) = (
    "NIGHTLATCH_PAGER, PAGER",
    "The pager for long tables on a terminal; less -FRX if neither is set.",
);

const WAYLAND: (&str, &str) = (
    "WAYLAND_DISPLAY",
    "The Wayland desktop whose clipboard to use.",
);

const X11: (&str, &str) = ("DISPLAY", "The X11 desktop whose clipboard to use.");

const ZONE: (&str, &str) = (
    "TZ",
    "The time zone of times for people, and of times given without an offset.",
);

/// The explanations of all pages.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        page: "nightlatch",
        description: "Nightlatch gives terminal work a login session that locks itself. Sign in \
            once; every terminal of yours then has the session. It locks 15 minutes after your \
            last guarded command, and 4 hours after sign-in in any case. Both limits can be \
            configured within 15 minutes and 12 hours.\n\
            \n\
            A guarded command runs only with a live session. Guard one with nightlatch exec, or \
            name it in the configuration and load the shell code that nightlatch hook prints. Rust \
            programs can guard themselves with the library.\n\
            \n\
            The key of a session is never on disk. The Linux kernel's keyring holds it with a \
            timeout, or else one small agent process per home does. Sign-ins, guarded commands, \
            refusals and ends of sessions are recorded in an audit log that is chained by hash \
            and sealed, so that later tampering shows.\n\
            \n\
            Nightlatch checks that you are there. It does not stop a program from being run \
            without it, and does not defend against root or against code that runs as you while a \
            session is live.",
        environment: &[
            ("NIGHTLATCH_HOME", "Like --home, which has precedence."),
            (
                "NIGHTLATCH_ACCOUNT",
                "Like --account, which has precedence.",
            ),
            (
                "NIGHTLATCH_KEEPER",
                "Where session keys are held: auto, kernel or agent. Overrides the configuration.",
            ),
            PAGER,
            (
                "NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM",
                "Whether output is coloured.",
            ),
            (
                "LC_ALL, LC_CTYPE, LANG",
                "Whether output may contain more than ASCII: the first one that is set counts.",
            ),
            (
                "TZ",
                "The time zone of times for people. JSON, CSV and exports are in UTC.",
            ),
            (
                "XDG_DATA_HOME, XDG_CONFIG_HOME, HOME",
                "Where the home and the configuration are.",
            ),
        ],
        files: &[HOME, CONFIGURATION],
    },
    Explained {
        page: "nightlatch-register",
        description: "Creates an account: an email and a password, on this machine only. On a \
            terminal it asks for what is missing, shows how strong the password is, and signs in. \
            With --password-stdin or --password-fd the email is required, and nobody is signed \
            in.\n\
            \n\
            A password needs 15 characters, or with the configured policy \"pci\" 12 with a \
            letter, a digit and a symbol. Common passwords are refused.\n\
            \n\
            The first account also creates the home and the audit log, and its fingerprint is \
            printed to standard error. Keep a copy elsewhere: it proves later that the log is \
            the same one. Another account can be created only while somebody is signed in, or \
            with the password of an existing account.\n\
            \n\
            A recovery code is printed once to standard error: it sets a new password if this one \
            is forgotten, see nightlatch-recover(1). With --quiet none is made.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-login",
        description: "Signs in: begins a session, which replaces the account's earlier one, if \
            any. Without an email it uses the account that --account names, the last one that \
            signed in, or the only one. While that account is signed in, login says so and asks \
            for nothing.\n\
            \n\
            --idle can only shorten the configured idle limit. --max sets the absolute limit, and \
            can only shorten one that is configured.\n\
            \n\
            A wrong password and an unknown email give the same error. Five failures in a row \
            lock sign-in with that email for 30 minutes. On a terminal, a wrong password is asked \
            for again, up to three times.\n\
            \n\
            --password-stdin reads standard input to its end, and strips one trailing newline. A \
            password is never taken from an argument or the environment.\n\
            \n\
            After signing in, segments of the audit log that are older than the retention are \
            removed; see nightlatch-audit-prune(1).",
        environment: &[(
            "NIGHTLATCH_KEEPER",
            "Where the session's key is held: auto, kernel or agent.",
        )],
        files: &[HOME, CONFIGURATION],
    },
    Explained {
        page: "nightlatch-lock",
        description: "Ends the sessions of all accounts of this home, in every terminal. It asks \
            for no password and destroys the keys first; what is wrong otherwise is reported \
            afterwards. It works with a mistake in the configuration, a full disk or a damaged \
            home. If another process holds the session lock for more than two seconds, the \
            sessions are ended without the lock.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-logout",
        description: "Ends the session of one account, in every terminal: of the account that \
            --account names, else of the last one that signed in. Commands that are running go \
            on; no further guarded command starts.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-status",
        description: "Shows whether there is a live session, whose it is, and when it locks. It \
            does not restart the idle timer, records nothing and waits for nothing. If there is no \
            session, it says when and why the last one ended.\n\
            \n\
            The exit code is 0 with a live session and 4 without one, with every option. --check \
            prints nothing. --prompt prints when the session locks, in local time, or nothing. \
            --watch counts down once a second until the session ends.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-sessions",
        description: "Lists the live session of every account, with the time left, its limit and \
            where its key is kept, and the guarded commands that run under it: program, process, \
            terminal and running time. A command that still runs under a session that has ended is \
            listed, too. It restarts no idle timer, records nothing and waits for nothing.",
        environment: &[ZONE],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-revoke",
        description: "Ends sessions and the guarded commands under them, whatever else is broken: \
            of the account in use, of the account or session that is named, or with --all of every \
            account. The reason is recorded, and status and every refused command show it until \
            the next sign-in. No copy of a revoked session lives again, on any machine.\n\
            \n\
            The commands and all processes that they started get SIGTERM, and SIGKILL after five \
            seconds, also in process groups and sessions of their own. Commands left behind by a \
            killed guard end, too. A process that removed NIGHTLATCH_EXEC_ID from its environment \
            and left its parent and process group is not found.\n\
            \n\
            Whoever is at the terminal may revoke, as they may lock: it gives no access, and they \
            could end the processes anyway.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-extend",
        description: "Restarts the idle timer without running a command. The absolute limit stays \
            as it is. Recorded in the audit log.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-whoami",
        description: "Prints the email of the account whose session is live. It does not restart \
            the idle timer.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-exec",
        description: "Runs a command if there is a live session, and restarts the idle timer. The \
            command runs as if it had been started directly: with the same terminal, directory, \
            environment, signals and job control. That it starts is recorded before it does; if \
            that fails, it does not start.\n\
            \n\
            Without a live session, exec asks on the terminal to sign in, and then runs the \
            command. Without a terminal, or with --non-interactive, it refuses.\n\
            \n\
            Options go before the command; everything after its first word belongs to the \
            command. Put -- before a command that begins with a dash.\n\
            \n\
            exec ends as the command ended: with its exit code, or of the same signal. If exec \
            itself is killed, the session ends, and the command goes on.\n\
            \n\
            Secrets that the command gets are replaced in its standard output and error, also in \
            base64, URL-encoded and JSON-escaped; --no-mask leaves them. This protects against \
            accidents, not against a command that wants to reveal them. If standard output is \
            the terminal, the command gets one of its own behind yours, which works the same.\n\
            \n\
            The command gets four variables, none of which is secret: NIGHTLATCH_SESSION_ID, \
            NIGHTLATCH_ACCOUNT, NIGHTLATCH_SESSION_EXPIRES_AT and NIGHTLATCH_EXEC_ID.",
        environment: &[(
            "PATH",
            "Where a command without a slash in its name is looked for.",
        )],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-hook",
        description: "Prints code for a shell. It replaces each command that is named in the \
            configuration with a function, so that typing psql runs nightlatch exec -- psql, and \
            shows before the prompt when the session locks. Showing it does not restart the idle \
            timer.\n\
            \n\
            --install shows the line to add and the file it belongs in, asks, and adds it. Load \
            the hook after anything else that sets the prompt.\n\
            \n\
            A command that is run by its path, by a script, or through the shell's own builtin \
            named command is not guarded.",
        environment: &[],
        files: &[
            CONFIGURATION,
            ("~/.bashrc, ~/.zshrc", "Where --install adds the line."),
            ("~/.config/fish/config.fish", "The same for fish."),
        ],
    },
    Explained {
        page: "nightlatch-passwd",
        description: "Changes the password of an account and ends its session. On a terminal it \
            asks for the current password, and then twice for the new one. A wrong current \
            password counts as a failed sign-in.\n\
            \n\
            With --password-stdin or --password-fd it reads two lines: the current password, and \
            the new one.",
        environment: &[],
        files: &[HOME],
    },
    Explained {
        page: "nightlatch-audit",
        description: "The audit log records sign-ins, guarded commands, refusals, ends of sessions \
            and readings of the log. Each event is a line of JSON, chained to the one before by \
            hash. The last line of every append is signed with a key that is then erased, so that \
            whoever takes over the machine later cannot change, cut or remove earlier events \
            unnoticed.\n\
            \n\
            Without a command, audit lists events and takes the options of \
            nightlatch-audit-list(1).",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-list",
        description: "Lists events, the newest last. In the table a guarded command is one row, \
            with how it ended and how long it took. The formats json, jsonl and csv have every \
            event. One event is recorded for the reading, with its filters.\n\
            \n\
            An event is listed if it passes all filters. Times are written as today, yesterday, \
            14:00, 2026-11-20, \"2026-11-20 14:00\", as the table shows them, as RFC 3339, or as \
            an age such as 2h or 7d. --failed selects failed sign-ins and refusals; --exit nonzero \
            selects commands that did not end with exit code 0.\n\
            \n\
            --argv-of compares keyed digests of command lines, so it needs a live session of the \
            account that ran the command.",
        environment: &[PAGER, ZONE],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-export",
        description: "Writes all matching events to standard output, oldest first, one JSON object \
            a line: as the log's own lines, as OCSF 1.3.0, or as ECS 8.17.0. One event is recorded \
            for the reading, before anything is written.\n\
            \n\
            A collector that keeps the number of the last event it received and passes it to \
            --after gets every later event once, across restarts, rotation and removal. Events \
            that the retention removed before they were read are named on standard error.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-stats",
        description: "Counts events by type, account and hour of the day; failed sign-ins, refusals \
            and lockouts over time; and shows the longest sessions, with what kept them alive. \
            One event is recorded for the reading.",
        environment: &[ZONE],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-report",
        description: "Writes one HTML page: the result of verifying the whole log, removed events, \
            legal holds, a timeline of sessions and commands, charts, and the newest 1,000 events. \
            The page loads nothing from elsewhere and works without scripts. Filters apply to the \
            events, not to the verification. One event is recorded for the reading.\n\
            \n\
            FILE is replaced in one step and gets mode 0600.",
        environment: &[ZONE],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-verify",
        description: "Checks the log, or a copy of it in DIR, for tampering. It needs no account, \
            writes nothing and records nothing. A copy can be verified on any machine.\n\
            \n\
            The log alone cannot show that it is the right log, or that it was cut and everything \
            set back together. --fingerprint shows the first; --anchor and --anchors show the \
            second, with anchors that were kept elsewhere. What could not be checked is printed as \
            \"not checked\".\n\
            \n\
            Each finding names the file, the line, the event and the numbered rule of the format \
            that it breaks. Warnings, such as a session used after its end, leave the exit code \
            at 0.",
        environment: &[],
        files: &[
            LOG,
            (
                "~/.local/share/nightlatch/seal",
                "The sealing state. It is secret; keep it out of copies and backups.",
            ),
        ],
    },
    Explained {
        page: "nightlatch-audit-fingerprint",
        description: "Prints the first public key of the log: 64 hexadecimal digits, which stay the \
            same for the life of the log. Keep a copy where the log's writer cannot change it, and \
            pass it to nightlatch-audit-verify(1). Records nothing.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-anchor",
        description: "Prints the number and hash of the event that was sealed last, and the log's \
            fingerprint. Kept elsewhere, an anchor shows a log that was cut or set back; pass what \
            --json prints to nightlatch-audit-verify(1). Anchors are also sent to the system log \
            at sign-in and when a segment ends. Records nothing.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-prune",
        description: "Removes whole segments of the log that are older than the retention, and \
            records the removal first, so that the rest still verifies. login does the same after \
            signing in. The retention is 90 days, or 400 with the password policy \"pci\", unless \
            it is configured. While a legal hold is in force, nothing is removed.",
        environment: &[],
        files: &[LOG, CONFIGURATION],
    },
    Explained {
        page: "nightlatch-audit-hold",
        description: "A legal hold keeps the whole log: while one is in force, neither audit prune \
            nor login removes anything from it. Adding and removing a hold is recorded with the \
            account, and needs a live session.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-hold-add",
        description: "Adds a legal hold. Its name and reason are part of the audit log, and show in \
            the report and in the result of verification.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-hold-list",
        description: "Lists the legal holds in force: name, since when, by which account, and why. \
            Needs no session and records nothing.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-audit-hold-remove",
        description: "Removes a legal hold. Unless another one is in force, the next audit prune or \
            sign-in removes what is older than the retention.",
        environment: &[],
        files: &[LOG],
    },
    Explained {
        page: "nightlatch-config",
        description: "The configuration is a TOML file that is optional, as is each setting in it. \
            It sets limits of sessions, the keeper of keys, password rules, the audit log's \
            retention and forwarding, and the commands to guard. With a mistake in it every \
            command that needs it refuses; only lock, logout and doctor go on.",
        environment: &[],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-config-show",
        description: "Shows each setting with its value, and whether it comes from a default, the \
            file, the environment or an option.",
        environment: &[],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-config-check",
        description: "Lists every mistake in the configuration file, with its line and what was \
            probably meant. Changes nothing. A file that does not exist has no mistakes, unless it \
            was named.",
        environment: &[],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-config-path",
        description: "Prints the path of the configuration file, whether it exists or not.",
        environment: &[],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-config-init",
        description: "Creates a configuration file that has every setting with its default, \
            commented out. An existing file is left alone.",
        environment: &[],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-config-edit",
        description: "Opens the configuration file in an editor, creating it if it does not exist, \
            and then checks it as config check does.",
        environment: &[EDITOR],
        files: &[CONFIGURATION],
    },
    Explained {
        page: "nightlatch-doctor",
        description: "Checks the home, its files, the configuration, the accounts, the keeper of \
            session keys, the audit log, the shell hook and the machine. Each check is a line: ok, \
            warn or fail, what was found, and what to do about it. It changes, creates and records \
            nothing.",
        environment: &[],
        files: &[HOME, CONFIGURATION],
    },
    Explained {
        page: "nightlatch-tour",
        description: "Runs this program in a scratch home that is removed afterwards: registers, \
            signs in, runs a guarded command, lets the session lock, and verifies the audit log. \
            It does not touch your own home.",
        environment: &[("TMPDIR", "Where the scratch home is made.")],
        files: &[],
    },
    Explained {
        page: "nightlatch-completions",
        description: "Prints a script that completes commands, options, accounts and event types in \
            a shell. Each time, the script runs nightlatch as found in PATH, which asks for \
            nothing and records nothing. --install works for bash, zsh and fish.",
        environment: &[],
        files: &[],
    },
    Explained {
        page: "nightlatch-man",
        description: "Prints the manual page of nightlatch. With --dir, writes it and a page for \
            each command to DIR, which is created if necessary. Existing pages are replaced.",
        environment: &[],
        files: &[],
    },
];
