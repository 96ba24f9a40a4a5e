//! A small mail server: it takes mails over SMTP and keeps them, and answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};

/// The user and the password that a server with TLS asks for.
pub const USER: &str = "login@example.com";
pub const PASSWORD: &str = "mail pass 1!";

/// How clients connect.
#[derive(Clone, Copy, PartialEq)]
pub enum Security {
    Plain,
    StartTls,
    Implicit,
}

/// A mail as it came.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub text: String,
}

/// What to answer to a command instead of the usual: `None` is the usual, an empty line hangs up.
pub type Answers = fn(command: &str, seen: usize) -> Option<&'static str>;

/// A running mail server.
pub struct SmtpServer {
    pub address: SocketAddr,
    /// Where its certificate lies, in PEM form.
    pub certificate: PathBuf,
    shared: Arc<Shared>,
    _directory: tempfile::TempDir,
}

struct Shared {
    security: Security,
    tls: Arc<rustls::ServerConfig>,
    answers: Answers,
    seen: Mutex<Vec<String>>,
    mails: Mutex<Vec<Mail>>,
    more: Condvar,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

enum End {
    Closed,
    StartTls,
}

/// Keeps a port for a server that does not run yet.
pub fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl SmtpServer {
    pub fn start(security: Security, answers: Answers) -> Self {
        Self::on(port(), security, answers)
    }

    /// Starts on a port that is bound.
    pub fn on(listener: TcpListener, security: Security, answers: Answers) -> Self {
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificate = directory.path().join("ca.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let shared = Arc::new(Shared {
            security,
            tls: Arc::new(tls),
            answers,
            seen: Mutex::default(),
            mails: Mutex::default(),
            more: Condvar::new(),
        });
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.connection(stream.unwrap()));
            }
        });
        Self {
            address,
            certificate,
            shared,
            _directory: directory,
        }
    }

    /// Waits until there are at least so many mails, and returns them.
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        let mails = self.shared.mails.lock().unwrap();
        let patience = Duration::from_secs(120);
        let fewer = |mails: &mut Vec<Mail>| mails.len() < count;
        let (mails, late) = self
            .shared
            .more
            .wait_timeout_while(mails, patience, fewer)
            .unwrap();
        assert!(!late.timed_out(), "no mail came; seen: {:?}", self.seen());
        mails.clone()
    }

    /// The mails that came.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// Every command that was seen.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn connection(&self, mut stream: TcpStream) {
        if self.security == Security::Implicit {
            self.encrypted(stream, true);
        } else if let Ok(End::StartTls) = self.session(&mut stream, true, false) {
            self.encrypted(stream, false);
        }
    }

    fn encrypted(&self, stream: TcpStream, greets: bool) {
        let connection = rustls::ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        // A client that does not trust the certificate leaves.
        let _ = self.session(&mut stream, greets, true);
    }

    fn session(
        &self,
        stream: &mut dyn Stream,
        greets: bool,
        is_encrypted: bool,
    ) -> std::io::Result<End> {
        let mut stream = BufReader::new(stream);
        if greets {
            stream
                .get_mut()
                .write_all(b"220 mail.example.com ready\r\n")?;
        }
        let (mut from, mut to, mut may_send) = (String::new(), String::new(), !is_encrypted);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(End::Closed);
            }
            let line = line.trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
            let seen = {
                let mut all = self.seen.lock().unwrap();
                all.push(line.clone());
                all.iter().filter(|seen| seen.starts_with(&verb)).count()
            };
            let mut answer = match verb.as_str() {
                "EHLO" if is_encrypted => "250-mail.example.com\r\n250-8BITMIME\r\n250 AUTH PLAIN",
                "EHLO" if self.security == Security::StartTls => {
                    "250-mail.example.com\r\n250 STARTTLS"
                }
                "EHLO" => "250-mail.example.com\r\n250 8BITMIME",
                "STARTTLS" => "220 go on",
                "AUTH" => {
                    let expected =
                        Base64::encode_string(format!("\0{USER}\0{PASSWORD}").as_bytes());
                    may_send = line == format!("AUTH PLAIN {expected}");
                    if may_send { "235 ok" } else { "535 wrong" }
                }
                "MAIL" if !may_send => "530 sign in first",
                "MAIL" | "RCPT" => "250 ok",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "502 unknown",
            };
            if let Some(other) = (self.answers)(&line, seen) {
                answer = other;
            }
            if answer.is_empty() {
                return Ok(End::Closed);
            }
            stream
                .get_mut()
                .write_all(format!("{answer}\r\n").as_bytes())?;
            stream.get_mut().flush()?;
            let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            match (verb.as_str(), &answer[..3]) {
                ("MAIL", _) => from = address(),
                ("RCPT", _) => to = address(),
                ("STARTTLS", "220") => return Ok(End::StartTls),
                ("DATA", "354") => {
                    let mut text = String::new();
                    while !text.ends_with("\r\n.\r\n") {
                        if stream.read_line(&mut text)? == 0 {
                            return Ok(End::Closed);
                        }
                    }
                    let end = (self.answers)("end of data", seen).unwrap_or("250 taken");
                    if end.starts_with('2') {
                        let mail = Mail {
                            from: from.clone(),
                            to: to.clone(),
                            text,
                        };
                        self.mails.lock().unwrap().push(mail);
                        self.more.notify_all();
                    }
                    stream
                        .get_mut()
                        .write_all(format!("{end}\r\n").as_bytes())?;
                    stream.get_mut().flush()?;
                }
                ("QUIT", _) => return Ok(End::Closed),
                _ => {}
            }
        }
    }
}
