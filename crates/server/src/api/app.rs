//! What the routes work with.

use std::sync::Arc;

use nightlatch_core::email::Email;

use crate::node::Node;
use crate::service::mail::{MailCounts, Mailer};
use crate::service::tokens::Tokens;
use crate::token::LinkToken;

use super::error::ApiError;
use crate::service::ServiceError;

/// The running server, as the routes see it.
pub struct App {
    /// The services over the database.
    pub node: Node,
    /// Access tokens.
    pub tokens: Tokens,
    /// Mails.
    pub mail: Mailer,
    /// What became of mails, where a mail server takes them.
    pub mails: Option<Arc<MailCounts>>,
    /// Settings of the API.
    pub options: Options,
}

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Options {
    /// What browsers call this server: `https://login.example.com`.
    pub origin: String,
    /// Whether `X-User-ID` identifies guests.
    pub takes_user_id: bool,
    /// Whether registering hides that an email has an account.
    pub hides_accounts: bool,
}

impl App {
    /// The address of a link.
    pub fn link(&self, token: &LinkToken) -> String {
        format!("{}/l/{}", self.options.origin, token.to_text().as_str())
    }

    /// Mails a link to `email`.
    ///
    /// # Errors
    /// When the mail cannot be handed over; the link is then useless, and the request fails.
    pub fn send_link(
        &self,
        email: &Email,
        subject: &str,
        token: &LinkToken,
    ) -> Result<(), ApiError> {
        let link = self.link(token);
        let text = format!(
            "Open this link to sign in:\n\n{link}\n\nIt works once, within an hour. If you did not \
             ask for it, ignore this mail.\n"
        );
        let sent = self.mail.send(email, subject, &text, self.node.clock.now());
        sent.map_err(|error| {
            tracing::error!("cannot send a mail: {error}");
            ServiceError::Unavailable.into()
        })
    }
}
