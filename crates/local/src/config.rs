//! The configuration file: TOML, every key optional, unknown keys refused.
//!
//! A key is an entry in the table in `config/keys.rs`, a field of [`Config`] and its default.
//! Reading, checking and showing use that table.
//!
//! ```toml
//! idle = "10m"            # lock after this long without activity; 1s to 15m
//! max = "2h"              # lock this long after sign-in at the latest; 1s to 12h
//! keeper = "auto"         # where the session key is kept: auto, kernel, agent
//!
//! [password]
//! policy = "nist"         # nist or pci
//! memory_kib = 65536      # Argon2id memory, 19456 to 1048576
//! passes = 3              # Argon2id passes, 2 to 16
//!
//! [audit]
//! retention = "90d"       # how long to keep events; 1d or more
//! syslog = true           # report the end of the audit log to the system log
//! syslog_socket = "/dev/log"
//! forward = "off"         # forward each event: off, syslog, journald
//! on_tamper = "COMMAND"   # run by `audit verify --alert` and on lockout
//!
//! [guard]
//! commands = ["psql"]     # commands that `nightlatch hook` wraps in the shell
//! account = "EMAIL"       # the only account whose session counts; default: any
//! on_end = "warn"         # what happens to a running command when its session ends
//!
//! [guard.psql]            # what psql gets whenever it runs: variables, and names of secrets
//! secrets = { PGPASSWORD = "prod/db" }
//! secret_files = { PGPASSFILE = "prod/pgpass" }
//! ```

mod command_name;
mod command_section;
mod configured_secrets;
mod error;
mod keeper_choice;
mod keys;
mod name_in;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;
mod read;
mod salvage;
mod setting;
mod settings;
mod values;

pub use command_name::{BadCommandName, CommandName};
pub use configured_secrets::ConfiguredSecrets;
pub use error::{ConfigError, ConfigProblem};
pub use keeper_choice::{KeeperChoice, UnknownKeeper};
pub use salvage::guarded_commands_despite_mistakes;
pub use setting::{Setting, SettingValue};
pub use settings::Settings;
pub use values::{Config, ForwardChoice, OnEnd};

pub use nightlatch_core::limits::{
    FLOOR, IDLE_CEILING, LimitOutOfRange, Limits, MAX_CEILING, MAX_DEFAULT, PCI_RETENTION_FLOOR,
};
pub use nightlatch_core::password::PasswordRules;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::parse(b"").unwrap();
        assert_eq!(config.limits.idle(), Duration::from_secs(900));
        assert_eq!(config.limits.max(), Duration::from_secs(4 * 3600));
    }

    fn problem(content: &str) -> String {
        let problems = Config::parse(content.as_bytes()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn an_idle_limit_above_fifteen_minutes_is_refused_not_clamped() {
        let told = problem("idle = \"15m 1ms\"");
        assert!(told.contains("from 1s to 15m"), "{told}");
        assert!(Config::parse(b"idle = \"15m\"").is_ok());
        assert!(Config::parse(b"idle = \"0s\"").is_err());
        assert!(Config::parse(b"max = \"13h\"").is_err());
    }

    #[test]
    fn unknown_keys_and_values_are_named_with_what_was_likely_meant() {
        for (content, told) in [
            (
                "idel = \"5m\"",
                "line 1: unknown key \"idel\" (did you mean \"idle\"?)",
            ),
            (
                "[password]\nrules = 1",
                "line 2: unknown key \"password.rules\" (under [password] are: policy, memory_kib, passes)",
            ),
            (
                "policy = \"pci\"",
                "line 1: unknown key \"policy\" (it belongs under [password])",
            ),
            (
                "\n[adit]\nsyslog = false",
                "line 2: unknown section [adit] (did you mean [audit]?)",
            ),
            (
                "audit = 3",
                "line 1: audit = 3: it is a section (write [audit] above its keys)",
            ),
            (
                "keeper = \"kernal\"",
                "line 1: keeper = \"kernal\": it is one of auto, kernel, agent (did you mean \"kernel\"?)",
            ),
            (
                "[password]\npolicy = \"disk\"",
                "line 2: password.policy = \"disk\": it is one of nist, pci",
            ),
            (
                "idle = 5",
                "line 1: idle = 5: it is a length of time (write \"10m\")",
            ),
            (
                "[password]\npasses = 1",
                "line 2: password.passes = 1: it is a number from 2 to 16",
            ),
            (
                "[audit]\nretention = \"23h\"",
                "line 2: audit.retention = \"23h\": it is a day or more (write \"400d\")",
            ),
            (
                "[audit]\nsyslog_socket = \"log\"",
                "line 2: audit.syslog_socket = \"log\": it is an absolute path (write \"/dev/log\")",
            ),
            (
                "[audit]\nsyslog = \"no\"",
                "line 2: audit.syslog = \"no\": it is true or false, without quotes",
            ),
        ] {
            assert_eq!(problem(content), told);
        }
        let not_text = Config::parse(b"\xff").unwrap_err();
        assert!(not_text[0].to_string().contains("UTF-8"), "{not_text:?}");
    }

    #[test]
    fn the_pci_policy_keeps_the_log_for_400_days_unless_more_is_configured() {
        let retention = |content: &str| {
            let days = Config::parse(content.as_bytes()).unwrap().audit_retention;
            days.as_secs() / 86_400
        };
        let pci = "[password]\npolicy = \"pci\"\n";
        assert_eq!(retention(""), 90);
        assert_eq!(retention("[password]\npolicy = \"nist\""), 90);
        assert_eq!(retention(pci), 400);
        assert_eq!(
            retention(&format!("{pci}[audit]\nretention = \"365d\"")),
            365
        );
        assert_eq!(
            retention(&format!("{pci}[audit]\nretention = \"3650d\"")),
            3650
        );
    }

    #[test]
    fn the_pci_policy_refuses_a_retention_of_less_than_12_months_and_names_both_keys() {
        let told = "line 2: audit.retention = \"364d\": password.policy = \"pci\" demands 365d or more \
                    (PCI DSS 10.5.1) (write \"400d\", or leave it out)";
        for content in [
            "[audit]\nretention = \"364d\"\n[password]\npolicy = \"pci\"",
            "password = { policy = \"pci\" }\naudit = { retention = \"364d\" }",
        ] {
            assert_eq!(problem(content), told);
        }
        // One mistake is reported once.
        let short = problem("[audit]\nretention = \"1h\"\n[password]\npolicy = \"pci\"");
        assert!(short.contains("a day or more"), "{short}");
        let other = problem("[audit]\nretention = \"2d\"\n[password]\npolicy = \"pcj\"");
        assert!(other.contains("one of nist, pci"), "{other}");
    }

    #[test]
    fn every_mistake_in_a_file_is_told_in_the_order_of_its_lines() {
        let content = b"max = \"13h\"\n[password]\nmax_age = 3\npasses = 1\n[audit]\nsyslog = 1";
        let lines: Vec<_> = Config::parse(content)
            .unwrap_err()
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(lines, [Some(1), Some(3), Some(4), Some(6)]);
    }

    #[test]
    fn a_flag_shortens_the_idle_limit_and_never_lengthens_it() {
        let limits = Config::parse(b"idle = \"60s\"").unwrap().limits;
        assert!(
            limits
                .for_session(Some(Duration::from_secs(61)), None)
                .is_err()
        );
        let shorter = limits
            .for_session(Some(Duration::from_secs(59)), None)
            .unwrap();
        assert_eq!(shorter.idle(), Duration::from_secs(59));
    }

    #[test]
    fn a_flag_lengthens_the_absolute_limit_only_where_none_is_configured() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let limits = Config::default().limits;
        assert!(limits.for_session(None, hours(12)).is_ok());
        assert!(limits.for_session(None, hours(13)).is_err());
        let configured = Config::parse(b"max = \"2h\"").unwrap().limits;
        assert!(configured.for_session(None, hours(3)).is_err());
        assert_eq!(
            configured.for_session(None, hours(1)).map(Limits::max).ok(),
            hours(1)
        );
    }

    #[test]
    fn a_bad_or_repeated_name_of_a_guarded_command_is_named_with_what_to_do() {
        let config = Config::parse(b"[guard]\ncommands = [\"psql\", \"g++\"]").unwrap();
        let names: Vec<_> = config
            .guarded_commands
            .iter()
            .map(CommandName::as_str)
            .collect();
        assert_eq!(names, ["psql", "g++"]);
        for (bad, told) in [
            ("\"a b\"", "without a path or arguments"),
            ("\"cd\"", "leave it out"),
            ("\"psql\"", "named twice"),
            ("3", "it is a list of names"),
        ] {
            let error = problem(&format!("[guard]\ncommands = [\"psql\", {bad}]"));
            assert!(error.contains(told), "{error}");
        }
        assert!(problem("[guard]\ncommand = []").contains("did you mean \"commands\"?"));
    }

    #[test]
    fn the_account_that_counts_is_an_email_and_nothing_else() {
        let config = Config::parse(b"[guard]\naccount = \"Alice@Example.com\"").unwrap();
        let email = config.guard_account.unwrap();
        assert_eq!(email.normalized(), "alice@example.com");
        assert_eq!(
            problem("[guard]\naccount = \"alice\""),
            "line 2: guard.account = \"alice\": the email is not of the form name@example.com"
        );
        for not_text in ["3", "[\"alice@example.com\"]", "\"\""] {
            let told = problem(&format!("[guard]\naccount = {not_text}"));
            assert!(told.contains("email"), "{told}");
        }
    }

    #[test]
    fn a_missing_file_is_the_defaults_and_a_directory_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        assert!(Config::load(&temp.path().join("none.toml")).is_ok());
        assert!(Config::load(temp.path()).is_err());
    }
}
