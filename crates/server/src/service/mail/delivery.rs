//! The task that hands mails from the outbox directory to a mail server, until the server has taken
//! each or the link in it has expired.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nightlatch_core::email::Email;
use nightlatch_platform::fs::{Dir, FsError, read_bounded};
use tokio::sync::{Notify, watch};

use super::smtp::{Connection, SendError, Smtp};
use crate::clock::{Millis, ServerClock, duration, millis};

/// Larger than any mail of ours.
const LIMIT: usize = 64 * 1024;
/// The first and the longest pause after a failure, in milliseconds.
const FIRST_PAUSE: i64 = 1000;
const LONGEST_PAUSE: i64 = 60_000;
/// How long to wait when nothing is to be done; mails are announced before that.
const IDLE: Duration = Duration::from_secs(60);

/// What became of mails since the start.
#[derive(Debug, Default)]
pub struct MailCounts {
    /// Taken by the mail server.
    pub sent: AtomicU64,
    /// Refused for good.
    pub refused: AtomicU64,
    /// Not taken before their link expired.
    pub expired: AtomicU64,
}

/// Delivers mails.
pub struct Delivery {
    /// The outbox directory.
    pub outbox: Dir,
    /// The mail server.
    pub smtp: Smtp,
    /// The clock that the names of mails come from.
    pub clock: Arc<ServerClock>,
    /// A mail is good for so long.
    pub life: Duration,
    /// Announces mails.
    pub more: Arc<Notify>,
    /// The counters.
    pub counts: Arc<MailCounts>,
}

/// When to try again.
#[derive(Default)]
struct Retries {
    /// Mails that were not taken: how often, and when they are tried next.
    mails: BTreeMap<String, (u32, Millis)>,
    /// How often in a row the server could not be used.
    server: u32,
}

impl Delivery {
    /// Delivers until `stop` changes; the mails that are left wait for the next start.
    pub async fn run(self, mut stop: watch::Receiver<()>) {
        let mut retries = Retries::default();
        loop {
            let pause = match self.deliver(&mut retries, &stop).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!("mails are not sent: {error}");
                    IDLE
                }
            };
            tokio::select! {
                _ = stop.changed() => return,
                // A server that cannot be used is not tried more often because there are more mails.
                () = self.more.notified(), if retries.server == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tries every mail that is due. Returns how long to wait after that.
    async fn deliver(
        &self,
        retries: &mut Retries,
        stop: &watch::Receiver<()>,
    ) -> Result<Duration, FsError> {
        let mails = waiting(&self.outbox)?;
        retries.mails.retain(|name, _| mails.contains_key(name));
        let mut connection = None;
        for (name, made) in mails {
            // The sender is gone once the server stops.
            if stop.has_changed().is_err() {
                break;
            }
            let now = self.clock.now();
            if now.since(made) > millis(self.life) {
                tracing::warn!(mail = name, "not sent in time; its link has expired");
                self.remove(&name, &self.counts.expired)?;
                continue;
            }
            if retries.mails.get(&name).is_some_and(|(_, due)| *due > now) {
                continue;
            }
            match self.try_one(&mut connection, &name).await? {
                Ok(()) => self.remove(&name, &self.counts.sent)?,
                Err(error @ SendError::Recipient(_)) => {
                    connection = None;
                    tracing::warn!(mail = name, "{error}");
                    self.remove(&name, &self.counts.refused)?;
                }
                Err(error) => {
                    connection = None;
                    tracing::warn!(mail = name, "{error}");
                    let (tries, due) = retries.mails.entry(name).or_insert((0, now));
                    *due = now.plus(pause(*tries));
                    *tries += 1;
                    if let SendError::Server(_) = error {
                        // The next try is for another mail: this one may be what breaks connections.
                        let pause = pause(retries.server);
                        retries.server += 1;
                        return Ok(duration(pause));
                    }
                }
            }
            retries.server = 0;
        }
        if let Some(connection) = connection {
            connection.close().await;
        }
        let next = retries.mails.values().map(|(_, due)| *due).min();
        Ok(next.map_or(IDLE, |due| duration(due.since(self.clock.now()))))
    }

    async fn try_one<'a>(
        &'a self,
        connection: &mut Option<Connection<'a>>,
        name: &str,
    ) -> Result<Result<(), SendError>, FsError> {
        let Some(file) = self.outbox.open_file(name)? else {
            // Somebody removed it.
            return Ok(Ok(()));
        };
        let mail = read_bounded(&file, &self.outbox.path().join(name), LIMIT)?;
        let Some(to) = recipient(&mail) else {
            return Ok(Err(SendError::Recipient("no recipient in it".to_owned())));
        };
        let ready = match connection.take() {
            Some(ready) => Ok(ready),
            None => self.smtp.connect().await,
        };
        match ready {
            Ok(ready) => Ok(connection.insert(ready).send(&to, &mail).await),
            Err(error) => Ok(Err(error)),
        }
    }

    fn remove(&self, name: &str, count: &AtomicU64) -> Result<(), FsError> {
        if self.outbox.unlink(name)? {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The mails in the outbox, the oldest first, and when they were made.
pub fn waiting(outbox: &Dir) -> Result<BTreeMap<String, Millis>, FsError> {
    let names = outbox.names()?;
    let made = |name: String| {
        let millis = name.strip_suffix(".eml")?.split_once('-')?.0.parse().ok()?;
        Some((name, Millis(millis)))
    };
    Ok(names.into_iter().filter_map(made).collect())
}

/// The pause after this many failures.
fn pause(failures: u32) -> i64 {
    LONGEST_PAUSE.min(FIRST_PAUSE << failures.min(16))
}

/// The recipient in the head of a mail of ours.
fn recipient(mail: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(mail).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let to = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("To: "))?;
    to.parse::<Email>().ok().map(|_| to.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_tries_doubles_up_to_a_minute() {
        let pauses: Vec<i64> = (0..8).map(pause).collect();
        assert_eq!(
            pauses,
            [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(pause(u32::MAX), 60_000);
    }

    #[test]
    fn the_recipient_is_that_of_the_head_only() {
        let mail = b"From: a@example.com\r\nTo: ann@example.com\r\n\r\nTo: eve@example.com\r\n";
        assert_eq!(recipient(mail).unwrap(), "ann@example.com");
        assert_eq!(
            recipient(b"From: a@example.com\r\n\r\nTo: eve@example.com\r\n"),
            None
        );
        assert_eq!(recipient(b"To: no address\r\n\r\n"), None);
    }
}
