//! Secrets come from the environment, from a file that only its owner can read, or from systemd's
//! credentials; never from the command line or the configuration file.

use std::path::{Path, PathBuf};

use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::fs::{FsError, read_user_file};

/// The longest secret, in bytes.
const LIMIT: usize = 4096;

/// Reads an environment variable.
pub type Variable = fn(&str) -> Option<std::ffi::OsString>;

/// Where secrets are looked up.
#[derive(Clone, Copy)]
pub struct Secrets {
    variable: Variable,
}

/// A secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read, or others could read or write it.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file that a variable names does not exist.
    #[error("{variable}: there is no file {}", .path.display())]
    Missing {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// Others could read the file.
    #[error("{}: others can read it; close it with chmod 600", .0.display())]
    Open(PathBuf),
    /// Longer than any secret may be.
    #[error("{0} is longer than {LIMIT} bytes")]
    TooLong(String),
}

impl Secrets {
    /// Secrets of the environment that `variable` reads.
    pub fn new(variable: Variable) -> Self {
        Self { variable }
    }

    /// The secret called `name`, such as `database-password`: the variable
    /// `NIGHTLATCH_DATABASE_PASSWORD`, else the file that `NIGHTLATCH_DATABASE_PASSWORD_FILE`
    /// names, else the systemd credential `database-password`.
    ///
    /// # Errors
    /// When a file was named and cannot be used.
    pub fn find(&self, name: &str) -> Result<Option<SecretBuffer>, SecretError> {
        let variable = format!("NIGHTLATCH_{}", name.replace('-', "_").to_ascii_uppercase());
        if let Some(value) = (self.variable)(&variable).filter(|value| !value.is_empty()) {
            return secret(&variable, value.as_encoded_bytes()).map(Some);
        }
        let file_variable = format!("{variable}_FILE");
        let path = match (self.variable)(&file_variable).filter(|value| !value.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => match (self.variable)("CREDENTIALS_DIRECTORY") {
                Some(directory) => {
                    let path = PathBuf::from(directory).join(name);
                    return match read_user_file(&path, LIMIT)? {
                        Some(content) => secret(name, &content).map(Some),
                        None => Ok(None),
                    };
                }
                None => return Ok(None),
            },
        };
        check_private(&path)?;
        match read_user_file(&path, LIMIT)? {
            Some(content) => secret(&file_variable, &content).map(Some),
            None => Err(SecretError::Missing {
                variable: file_variable,
                path,
            }),
        }
    }
}

/// Refuses a file with a secret that others can read. (A file that is not there is found missing by
/// whoever reads it.)
///
/// # Errors
/// [`SecretError::Open`].
#[cfg(unix)]
pub fn check_private(path: &Path) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            Err(SecretError::Open(path.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Other systems have no mode: the file is protected as its directory is.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
pub fn check_private(_: &Path) -> Result<(), SecretError> {
    Ok(())
}

/// The secret in `bytes`, without the newline at its end.
fn secret(name: &str, bytes: &[u8]) -> Result<SecretBuffer, SecretError> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut secret = SecretBuffer::with_capacity(LIMIT);
    if secret.push(bytes) {
        Ok(secret)
    } else {
        Err(SecretError::TooLong(name.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_variable_and_no_other_is_one() {
        let secrets = Secrets::new(|name| (name == "NIGHTLATCH_JWT_SECRET").then(|| "s\n".into()));
        assert_eq!(secrets.find("jwt-secret").unwrap().unwrap().expose(), b"s");
        assert!(secrets.find("database-password").unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let secrets = Secrets::new(|name| {
            (name == "NIGHTLATCH_JWT_SECRET_FILE").then(|| "/nowhere/secret".into())
        });
        assert!(matches!(
            secrets.find("jwt-secret"),
            Err(SecretError::Missing { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_secret_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let with_mode = |mode| {
            std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
            check_private(file.path())
        };
        assert!(with_mode(0o600).is_ok());
        assert!(with_mode(0o400).is_ok());
        for mode in [0o640, 0o604, 0o644] {
            assert!(
                matches!(with_mode(mode), Err(SecretError::Open(_))),
                "{mode:o}"
            );
        }
    }
}
