//! Checks whether an email is locked after failed sign-ins, without making an attempt.

use crate::account::directory::{Directory, DirectoryError};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::email::Email;
use nightlatch_core::throttle::{self, FAILURES_TO_LOCK};

use super::AccountService;
use super::tags::tag;

/// An account locked by failed sign-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// The account's email, normalized.
    pub email: String,
    /// When the lock expires.
    pub until: Timestamp,
}

impl AccountService {
    /// When the lock on `email` expires; `None` when it is not locked. This is not an attempt: it
    /// counts nothing and changes nothing. An email without an account is locked like any other.
    ///
    /// # Errors
    /// From the directory.
    pub fn locked_until(&self, email: &Email) -> Result<Option<Timestamp>, DirectoryError> {
        let Some(directory) = Directory::open_existing(&self.home)? else {
            return Ok(None);
        };
        let tag = tag(&directory.tag_key()?, email);
        let failures = directory.failures(&tag)?;
        Ok(throttle::locked_until(failures, self.clock.now().wall))
    }

    /// The locked accounts among the first `limit` ones, ordered by email. Changes nothing; see
    /// [`AccountService::emails_at_rest`].
    ///
    /// # Errors
    /// When the account directory cannot be read that way.
    pub fn lockouts_at_rest(&self, limit: u32) -> Result<Vec<Lockout>, DirectoryError> {
        let Some(directory) = Directory::open_at_rest(&self.home)? else {
            return Ok(Vec::new());
        };
        // Usually nothing is locked, and then no email has to be read.
        if !directory.has_failures(FAILURES_TO_LOCK)? {
            return Ok(Vec::new());
        }
        let (tag_key, now) = (directory.tag_key()?, self.clock.now().wall);
        let mut lockouts = Vec::new();
        for email in directory.emails(limit)? {
            let Ok(parsed) = email.parse::<Email>() else {
                continue;
            };
            let failures = directory.failures(&tag(&tag_key, &parsed))?;
            if let Some(until) = throttle::locked_until(failures, now) {
                lockouts.push(Lockout { email, until });
            }
        }
        Ok(lockouts)
    }
}
