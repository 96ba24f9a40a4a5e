//! The mailer of a server and, where a mail server is configured, the task that sends its mails.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::fs::{Dir, read_user_file};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{Failure, ui};
use crate::config::Config;
use crate::http::host_of;
use crate::node::Node;
use crate::service::links::LINK_LIFE;
use crate::service::mail::{Delivery, MailCounts, Mailer, Smtp};

/// Larger than any file of certificates.
const AUTHORITY: usize = 1024 * 1024;
/// How long the mail that is being sent may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// What sends the mails of a server.
pub struct Mailing {
    /// Writes mails.
    pub mailer: Mailer,
    /// What became of them, where a mail server takes them.
    pub counts: Option<Arc<MailCounts>>,
    /// The task that sends them.
    pub sending: Option<Sending>,
}

/// The task that sends mails.
pub struct Sending {
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Mailing {
    /// Starts to send mails, those first that an earlier run left.
    ///
    /// # Errors
    /// When the settings of the mail server cannot be used.
    pub fn start(
        config: &Config,
        origin: &str,
        password: Option<&SecretBuffer>,
        data: &Dir,
        node: &Node,
    ) -> Result<Self, Failure> {
        let more = Arc::new(Notify::new());
        let outbox = || data.subdir_or_create("outbox");
        let from = config.mail_from.clone();
        let Some(address) = config.mail_smtp.clone() else {
            return Ok(Self {
                mailer: Mailer::new(outbox()?, from, ui::show_mail, more),
                counts: None,
                sending: None,
            });
        };
        let authority = match &config.mail_ca {
            Some(path) => {
                let found = read_user_file(path, AUTHORITY)?;
                Some(found.ok_or_else(|| format!("{}: there is no such file", path.display()))?)
            }
            None => None,
        };
        let name = host_of(origin);
        let smtp = Smtp::new(address, password, authority.as_deref(), name, &from)?;
        let counts = Arc::new(MailCounts::default());
        let delivery = Delivery {
            outbox: outbox()?,
            smtp,
            clock: Arc::clone(&node.clock),
            life: LINK_LIFE,
            more: Arc::clone(&more),
            counts: Arc::clone(&counts),
        };
        let (stop, stopped) = watch::channel(());
        Ok(Self {
            // The link is in the person's mail; a terminal need not show it.
            mailer: Mailer::new(outbox()?, from, |_| (), more),
            counts: Some(counts),
            sending: Some(Sending {
                stop,
                task: tokio::spawn(delivery.run(stopped)),
            }),
        })
    }
}

impl Sending {
    /// Lets the mail finish that is being sent. The others wait for the next start.
    pub async fn stop(self) {
        drop(self.stop);
        if tokio::time::timeout(DRAIN, self.task).await.is_err() {
            tracing::warn!("a mail was being sent and may be sent again at the next start");
        }
    }
}
