//! What a person can do about the errors of the library's parts, which say what happened. The hints
//! for failed operations of a guard are in `exit`, beside their exit codes.

use std::io;

use nightlatch_audit::AuditError;
use nightlatch_local::account::{BadEmail, DirectoryError, PolicyRefusal};
use nightlatch_local::config::ConfigError;
use nightlatch_local::guard::run::RunError;
use nightlatch_local::secrets::SecretStoreError;
use nightlatch_local::session::{AgentError, KeeperError, KeeperKind};
use nightlatch_platform::fs::shell_path;
use nightlatch_platform::fs::{FsError, FsProblem};

/// A failure that may have a hint.
pub trait Hint {
    /// How the person can correct it, if possible.
    fn hint(&self) -> Option<String>;
}

impl Hint for BadEmail {
    fn hint(&self) -> Option<String> {
        Some("an email looks like alice@example.com".to_owned())
    }
}

impl Hint for PolicyRefusal {
    fn hint(&self) -> Option<String> {
        match self {
            Self::TooWeak { suggestions, .. } if !suggestions.is_empty() => {
                Some(suggestions.join(" "))
            }
            Self::Empty | Self::TooShort { .. } | Self::TooWeak { .. } => {
                Some("four or five unrelated words make a good password".to_owned())
            }
            _ => None,
        }
    }
}

impl Hint for SecretStoreError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some("see nightlatch secret list".to_owned()),
            Self::OtherCase { .. } => Some("write its name as it is stored".to_owned()),
            Self::Exists { .. } => Some("choose another name".to_owned()),
            Self::NoVersion { .. } => Some("see nightlatch secret history".to_owned()),
            Self::NoVariable { .. } => Some("give it as a file: --secret-file NAME=VAR".to_owned()),
            Self::Damaged { .. } => Some(
                "put a backup of accounts.db back; nightlatch doctor says what else is wrong"
                    .to_owned(),
            ),
            Self::Directory(error) => error.hint(),
            _ => None,
        }
    }
}

impl Hint for FsError {
    fn hint(&self) -> Option<String> {
        let path = self.path.display();
        Some(match &self.problem {
            FsProblem::Symlink => "name the real place instead; links are not followed".to_owned(),
            FsProblem::DanglingLink => {
                format!("put back what {path} leads to, or remove the link")
            }
            FsProblem::NotRegular | FsProblem::NotDirectory => {
                format!("move {path} out of the way, or choose another place with --home")
            }
            FsProblem::ForeignOwner { .. } => {
                "use a home of your own: --home DIR or NIGHTLATCH_HOME".to_owned()
            }
            FsProblem::WritableByOthers { .. } => {
                let path = shell_path(&self.path);
                format!("make sure nobody changed it, then: chmod go-rwx -- {path}")
            }
            FsProblem::OpenToOthers { .. } => "the next command that uses it closes it".to_owned(),
            FsProblem::HardLinked { .. } => {
                format!("remove the other names of {path}: somebody may keep a hold on it")
            }
            FsProblem::NoPrivateFiles => {
                "sessions need Linux; here `nightlatch audit verify DIR` checks the copy of a log"
                    .to_owned()
            }
            FsProblem::Io(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("check who owns {path} and its mode, or choose another --home")
                }
                io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                    format!("move {path} out of the way, or choose another place with --home")
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some disk space and try again".to_owned()
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    "the disk is mounted read-only; choose another place with --home".to_owned()
                }
                _ => return None,
            },
            FsProblem::Held { by: Some(by) } => format!(
                "see what it does with `ps -p {by}`; if it was stopped, resume it with `kill -CONT {by}`"
            ),
            FsProblem::NotAHome => {
                "name a directory of its own, which need not exist: --home DIR or NIGHTLATCH_HOME"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

impl Hint for AuditError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint(),
            Self::Damaged { .. } => {
                let directory = self.directory()?;
                let (shown, word) = (directory.display(), shell_path(&directory));
                Some(format!(
                    "see what is wrong: nightlatch audit verify; to begin a new log, move {shown} and seal beside it away, keep them as evidence, and: mkdir -m 700 -- {word}"
                ))
            }
            Self::Gone { directory } => Some(format!(
                "put it back; to begin a new log, move seal beside it away, and: mkdir -m 700 -- {}",
                shell_path(directory)
            )),
            Self::SetBack { .. } => Some(
                "keep the log as it is, and see what an anchor says: nightlatch audit verify --anchor FILE"
                    .to_owned(),
            ),
            Self::HoldUnreadable { .. } => Some(
                "nothing is removed until they can be read; see: nightlatch audit verify"
                    .to_owned(),
            ),
            Self::Busy { .. } => Some("see who it is: nightlatch doctor".to_owned()),
            _ => None,
        }
    }
}

impl Hint for ConfigError {
    fn hint(&self) -> Option<String> {
        let correct = "correct the file, or remove it to use the defaults";
        Some(match self {
            Self::File(error) => error.hint().unwrap_or_else(|| correct.to_owned()),
            Self::Invalid { problems, .. } if problems.len() > 1 => {
                format!("see them all: nightlatch config check; {correct}")
            }
            _ => correct.to_owned(),
        })
    }
}

impl Hint for DirectoryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Busy { .. } => Some("try again in a moment".to_owned()),
            Self::NotADatabase { path } | Self::Foreign { path } => Some(format!(
                "move {} out of the way, or choose another place with --home",
                path.display()
            )),
            Self::Newer { .. } => Some("update nightlatch".to_owned()),
            Self::Corrupt { path, .. } => Some(format!(
                "put a backup of {} back; nothing in it was changed",
                path.display()
            )),
            Self::DiskFull { .. } => Some("free some disk space and try again".to_owned()),
            Self::Inaccessible { path, .. } => {
                let directory = path.parent().unwrap_or(path).display();
                Some(format!(
                    "make sure that {directory} can be written to and is not on a disk that is \
                     full or mounted read-only"
                ))
            }
            _ => None,
        }
    }
}

impl Hint for KeeperError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable {
                keeper: KeeperKind::Kernel,
                ..
            } => "set keeper = \"auto\" or NIGHTLATCH_KEEPER=agent to use the agent instead".into(),
            Self::Quota {
                keeper: KeeperKind::Kernel,
            } => "your share of kernel keys is used up: see /proc/key-users, raise \
                  /proc/sys/kernel/keys/maxkeys and maxbytes, or set NIGHTLATCH_KEEPER=agent"
                .into(),
            Self::NoAgent => "sign in with `nightlatch login`, which starts one".into(),
            Self::AgentStart { .. } | Self::Protocol => {
                "to see what keeps the agent from working, run `nightlatch -v agent`".into()
            }
            Self::NoAnswer { process } if *process > 0 => format!(
                "if it was stopped, resume it with `kill -CONT {process}`; to give it up, and the \
                 sessions it holds, `kill -KILL {process}`"
            ),
            Self::NoSocket => {
                "resume the agent if it was stopped; to give it up, and the sessions it \
                               holds, end the process `nightlatch agent` of this home"
                    .into()
            }
            Self::ForeignPeer { .. } => {
                "use a home that nobody else can write to: --home DIR or NIGHTLATCH_HOME".into()
            }
            Self::Corrupt { .. } => "end the session with `nightlatch logout`, then sign in".into(),
            Self::Fs(error) => return error.hint(),
            // Do not give the hint of an unusable kernel: it says to use the agent, which does not
            // work.
            Self::None { kernel, agent } => {
                return agent.hint().or_else(|| match **kernel {
                    Self::Quota { .. } => kernel.hint(),
                    _ => None,
                });
            }
            _ => return None,
        })
    }
}

impl Hint for AgentError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint(),
            _ => None,
        }
    }
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { .. } => {
                "check its spelling; shell aliases, functions and builtins need: sh -c '...'"
                    .to_owned()
            }
            Self::NoInterpreter { program } => {
                format!("see its first line: head -n1 -- {}", shell_path(program))
            }
            Self::NotExecutable { program } => {
                format!("if it should be: chmod u+x -- {}", shell_path(program))
            }
            Self::UnknownFormat { .. } => {
                "a script must begin with a line such as #!/bin/sh".to_owned()
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_audit::Damage;
    use nightlatch_local::account::Strength;

    use super::*;

    #[test]
    fn a_weak_password_is_refused_with_advice() {
        let suggestions = vec!["Add another word.".to_owned()];
        for (suggestions, advice) in [
            (Vec::new(), "four or five unrelated words"),
            (suggestions, "Add another word."),
        ] {
            let refusal = PolicyRefusal::TooWeak {
                strength: Strength { score: 1 },
                warning: None,
                suggestions,
            };
            assert!(refusal.hint().is_some_and(|hint| hint.starts_with(advice)));
        }
    }

    #[test]
    fn a_damaged_log_is_to_be_kept_as_evidence() {
        for segment in ["h/audit/0000000000000001.jsonl", "h/audit", "h/seal/state"] {
            let error = AuditError::Damaged {
                segment: segment.into(),
                damage: Damage::NoSeal,
            };
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("move h/audit and seal beside it away, keep them as evidence"));
        }
    }

    #[test]
    fn a_full_keyring_is_named_with_the_limits_to_raise() {
        let keeper = KeeperKind::Kernel;
        let full = || KeeperError::Quota { keeper };
        let neither = KeeperError::None {
            kernel: Box::new(full()),
            agent: Box::new(KeeperError::NoAgent),
        };
        for (error, word) in [(full(), "/proc/sys/kernel/keys"), (neither, "login")] {
            assert!(error.hint().is_some_and(|hint| hint.contains(word)));
        }
    }
}
