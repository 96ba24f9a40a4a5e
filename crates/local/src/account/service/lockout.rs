//! Whether an email is locked after failed sign-ins, asked without an attempt.

use crate::account::directory::{Directory, DirectoryError};
use crate::account::throttle::{self, FAILURES_TO_LOCK};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::email::Email;

use super::{AccountService, tag};

/// An account that failed sign-ins have locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// The account's email, normalized.
    pub email: String,
    /// When the lock runs out.
    pub until: Timestamp,
}

impl AccountService {
    /// Until when no password is accepted for `email`; `None` while one is. It is no attempt, so it
    /// counts nothing and changes nothing. An email without an account is locked as any other is.
    ///
    /// # Errors
    /// The directory's.
    pub fn locked_until(&self, email: &Email) -> Result<Option<Timestamp>, DirectoryError> {
        let Some(directory) = Directory::open_existing(&self.home)? else {
            return Ok(None);
        };
        let tag = tag(&directory.tag_key()?, email);
        let failures = directory.failures(&tag)?;
        Ok(throttle::locked_until(failures, self.clock.now().wall))
    }

    /// Which of the first `limit` accounts are locked, by email, read without a trace as
    /// [`AccountService::emails_at_rest`] does.
    ///
    /// # Errors
    /// When the account directory cannot be read so.
    pub fn lockouts_at_rest(&self, limit: u32) -> Result<Vec<Lockout>, DirectoryError> {
        let Some(directory) = Directory::open_at_rest(&self.home)? else {
            return Ok(Vec::new());
        };
        // Mostly nobody is locked, and then no email has to be read.
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
