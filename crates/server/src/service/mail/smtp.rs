//! One mail server, and how a mail is handed to it. What the server says in words is never logged:
//! it may repeat an address.

use std::net::IpAddr;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpFailure;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use nightlatch_core::memory::SecretBuffer;
use tokio::time::timeout;

use super::address::{SmtpAddress, SmtpTls};

/// How long a mail server may take to be ready, and to take a mail.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a password may be sent by. Not LOGIN's older relatives: the connection is encrypted.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// The settings of the mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A user without a password, or the reverse.
    #[error("mail.smtp names a user, so NIGHTLATCH_SMTP_PASSWORD is needed, and only then")]
    Password,
    /// The password is not text.
    #[error("NIGHTLATCH_SMTP_PASSWORD is not UTF-8 text")]
    PasswordText,
    /// The certificates in `mail.ca`.
    #[error("mail.ca: {0}")]
    Authority(String),
    /// `mail.from`.
    #[error("mail.from: {0}")]
    From(String),
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server refuses this recipient for good.
    #[error("the mail server refuses the recipient ({0})")]
    Recipient(String),
    /// The server refuses this mail now; another may be taken.
    #[error("the mail server does not take the mail now ({0})")]
    NotNow(String),
    /// The server cannot be reached, or refuses this sender: no mail would be taken.
    #[error("the mail server cannot be used: {0}")]
    Server(String),
}

/// The mail server that takes mails.
pub struct Smtp {
    address: SmtpAddress,
    credentials: Option<Credentials>,
    tls: Option<TlsParameters>,
    hello: ClientId,
    from: Address,
}

/// A connection that is ready for mails.
pub struct Connection<'a> {
    smtp: &'a Smtp,
    connection: AsyncSmtpConnection,
}

impl Smtp {
    /// The server at `address`, which knows this one as `name`, a host name or an IP address. `authority` has the certificates,
    /// in PEM form, that may have signed the server's; by default those of this system.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub fn new(
        address: SmtpAddress,
        password: Option<&SecretBuffer>,
        authority: Option<&[u8]>,
        name: &str,
        from: &str,
    ) -> Result<Self, SmtpError> {
        let credentials = match (&address.user, password) {
            (Some(user), Some(password)) => {
                let password = std::str::from_utf8(password.expose());
                let password = password.map_err(|_| SmtpError::PasswordText)?;
                Some(Credentials::new(user.clone(), password.to_owned()))
            }
            (None, None) => None,
            _ => return Err(SmtpError::Password),
        };
        let tls = match address.tls {
            SmtpTls::None => None,
            SmtpTls::Implicit | SmtpTls::StartTls => Some(parameters(&address.host, authority)?),
        };
        let from = from.parse();
        let from = from
            .map_err(|error: lettre::address::AddressError| SmtpError::From(error.to_string()))?;
        Ok(Self {
            address,
            credentials,
            tls,
            hello: client_id(name),
            from,
        })
    }

    /// Connects and signs in.
    ///
    /// # Errors
    /// [`SendError::Server`].
    pub async fn connect(&self) -> Result<Connection<'_>, SendError> {
        let connection = timeout(PATIENCE, self.sign_in()).await;
        let connection = connection.map_err(|_| SendError::Server("it is too slow".to_owned()))?;
        let connection = connection.map_err(|error| SendError::Server(told(&error)))?;
        Ok(Connection {
            smtp: self,
            connection,
        })
    }

    async fn sign_in(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let server = (self.address.host.as_str(), self.address.port);
        let implicit = match self.address.tls {
            SmtpTls::Implicit => self.tls.clone(),
            SmtpTls::StartTls | SmtpTls::None => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(PATIENCE),
            &self.hello,
            implicit,
            None,
        )
        .await?;
        if let (SmtpTls::StartTls, Some(tls)) = (self.address.tls, &self.tls) {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

impl Connection<'_> {
    /// Hands a mail over. Once this returns, the server is responsible for it.
    ///
    /// # Errors
    /// [`SendError`]; then the connection must not be used again.
    pub async fn send(&mut self, to: &str, mail: &[u8]) -> Result<(), SendError> {
        let sent = timeout(PATIENCE, self.hand_over(to, mail)).await;
        sent.unwrap_or_else(|_| Err(SendError::Server("it is too slow".to_owned())))
    }

    async fn hand_over(&mut self, to: &str, mail: &[u8]) -> Result<(), SendError> {
        let to: Address = to
            .parse()
            .map_err(|_| SendError::Recipient("no address of a mail".to_owned()))?;
        let info = self.connection.server_info();
        let mut parameters = Vec::new();
        if !AsRef::<str>::as_ref(&to).is_ascii() {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                return Err(SendError::Recipient("no SMTPUTF8".to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = Mail::new(Some(self.smtp.from.clone()), parameters);
        let server = |error: SmtpFailure| SendError::Server(told(&error));
        self.connection.command(from).await.map_err(server)?;
        let recipient = self.connection.command(Rcpt::new(to, Vec::new())).await;
        recipient.map_err(|error| {
            if error.is_permanent() {
                SendError::Recipient(told(&error))
            } else {
                not_now(&error)
            }
        })?;
        self.connection
            .command(Data)
            .await
            .map_err(|error| not_now(&error))?;
        self.connection
            .message(mail)
            .await
            .map_err(|error| not_now(&error))?;
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The mails are handed over, whatever the server answers.
        let _ = timeout(PATIENCE, self.connection.quit()).await;
    }
}

/// How this server calls itself: by its name, or by its address where it has none.
fn client_id(name: &str) -> ClientId {
    match name.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(name.to_owned()),
    }
}

fn parameters(host: &str, authority: Option<&[u8]>) -> Result<TlsParameters, SmtpError> {
    let wrong = |error: SmtpFailure| SmtpError::Authority(error.to_string());
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(authority) = authority {
        let certificates = Certificate::from_pem(authority).map_err(wrong)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificates);
    }
    builder.build().map_err(wrong)
}

/// An answer of the server about one mail, or the loss of the connection.
fn not_now(error: &SmtpFailure) -> SendError {
    match error.status() {
        Some(_) => SendError::NotNow(told(error)),
        None => SendError::Server(told(error)),
    }
}

/// The code of an answer without its words, or why there is none.
fn told(error: &SmtpFailure) -> String {
    if let Some(code) = error.status() {
        return format!("it answered {code}");
    }
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
