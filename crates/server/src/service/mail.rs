//! Mails: one `.eml` file each in the outbox directory, from where [`Delivery`] or another program
//! sends them.

mod address;
mod delivery;
mod smtp;

pub use address::{SmtpAddress, SmtpTls};
pub use delivery::{Delivery, MailCounts};
pub use smtp::{SendError, Smtp, SmtpError};

use std::sync::Arc;

use nightlatch_core::email::Email;
use nightlatch_platform::fs::{Dir, Durability, FsError};
use time::format_description::well_known::Rfc2822;
use tokio::sync::Notify;

use crate::clock::Millis;

/// Writes mails.
pub struct Mailer {
    outbox: Dir,
    from: String,
    /// Shows a mail to the operator, where the server runs in a terminal.
    announce: fn(&str),
    /// Wakes whatever delivers mails.
    more: Arc<Notify>,
}

/// A mail was not written.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The file.
    #[error(transparent)]
    File(#[from] FsError),
    /// Its name.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Mailer {
    /// Writes to `outbox` in the name of `from`, and tells `announce` and `more` of each mail.
    pub fn new(outbox: Dir, from: String, announce: fn(&str), more: Arc<Notify>) -> Self {
        Self {
            outbox,
            from,
            announce,
            more,
        }
    }

    /// Writes a mail, readable by this user only, under a name that sorts by time. It goes to the
    /// normalized email, by which accounts are found: another spelling may be the mailbox of
    /// somebody else.
    ///
    /// # Errors
    /// When the file cannot be written and synced.
    pub fn send(
        &self,
        to: &Email,
        subject: &str,
        text: &str,
        now: Millis,
    ) -> Result<(), MailError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(MailError::Random)?;
        let id = format!("{}-{:016x}", now.0, u64::from_be_bytes(random));
        let date = now.timestamp().to_offset_date_time();
        let date = date.format(&Rfc2822).unwrap_or_default();
        let host = self
            .from
            .rsplit_once('@')
            .map_or("localhost", |(_, host)| host);
        let mail = format!(
            "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{host}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
             Auto-Submitted: auto-generated\r\n\r\n{text}",
            from = self.from,
            to = to.normalized(),
            text = text.replace('\n', "\r\n"),
        );
        // Atomic, because a mail program may watch the directory.
        let name = format!("{id}.eml");
        self.outbox
            .write_atomic(&name, mail.as_bytes(), Durability::Synced)?;
        let to = to.normalized();
        (self.announce)(&format!("mail to {to}: {subject}\n{text}"));
        self.more.notify_one();
        Ok(())
    }

    /// How many mails are in the outbox now.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn waiting(&self) -> Result<usize, FsError> {
        delivery::waiting(&self.outbox).map(|mails| mails.len())
    }
}

/// The part of an email that may be shown to whoever asks: `a***@example.com`.
pub fn masked(email: &str) -> String {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_one_private_file_in_the_outbox() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("outbox");
        let mailer = Mailer::new(
            Dir::open_or_create(&path).unwrap(),
            "login@example.com".to_owned(),
            |_| (),
            Arc::default(),
        );
        let to = "ann@example.com".parse().unwrap();
        mailer
            .send(&to, "Sign in", "a\nb\n", Millis(1_763_682_067_123))
            .unwrap();
        let files: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(mailer.waiting().unwrap(), 1);
        assert_eq!(files[0].path().extension().unwrap(), "eml");
        let mail = std::fs::read_to_string(files[0].path()).unwrap();
        assert!(
            mail.contains("Date: Thu, 20 Nov 2025 23:41:07 +0000\r\n"),
            "{mail}"
        );
        assert!(mail.ends_with("\r\n\r\na\r\nb\r\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = files[0].metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_masked_email_shows_its_first_letter_and_its_domain() {
        assert_eq!(masked("ann@example.com"), "a***@example.com");
        assert_eq!(masked("\u{e4}nn@example.com"), "\u{e4}***@example.com");
    }
}
