//! TLS to PostgreSQL: `sslmode` and `sslrootcert` of a connection string, as libpq reads them.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use nightlatch_platform::fs::read_user_file;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as RustlsStream;

/// Larger than any file of certificates.
const LIMIT: usize = 1024 * 1024;
/// The `sslrootcert` that means those of the system.
const SYSTEM: &str = "system";
/// The `sslmode` that checks everything.
const FULL: &str = "verify-full";

/// What is checked of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Nothing: it keeps listeners away, but no impostor.
    Nothing,
    /// Who signed it.
    Authority,
    /// Who signed it, and that it is for this host.
    Full,
}

/// Reads a connection string, and how its connections are encrypted.
///
/// # Errors
/// What is wrong with it.
pub fn read(connection_string: &str) -> Result<(Config, Connector), String> {
    let (rest, mode, roots) = split(connection_string)?;
    let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
        let source = std::error::Error::source(&error);
        source.map_or_else(|| error.to_string(), ToString::to_string)
    })?;
    let check = match (mode.as_deref(), roots.as_deref()) {
        // What tokio-postgres reads may have a mode.
        (None, None) => Check::Nothing,
        (mode, Some(SYSTEM)) => {
            // As libpq: one of so many authorities signs for whoever asks, so that the name counts.
            if let Some(weak) = mode.filter(|mode| *mode != FULL) {
                return Err(format!(
                    "sslmode \"{weak}\" is too weak for sslrootcert=system; use {FULL}"
                ));
            }
            config.ssl_mode(SslMode::Require);
            Check::Full
        }
        (mode, roots) => {
            // As libpq: who names an authority wants it checked.
            let named = roots.map_or(Check::Nothing, |_| Check::Authority);
            let (mode, check) = match mode.unwrap_or("prefer") {
                "disable" => (SslMode::Disable, Check::Nothing),
                "prefer" => (SslMode::Prefer, named),
                "require" => (SslMode::Require, named),
                "verify-ca" => (SslMode::Require, Check::Authority),
                FULL => (SslMode::Require, Check::Full),
                mode => {
                    let known = "disable, prefer, require, verify-ca or verify-full";
                    return Err(format!("sslmode must be {known}, not \"{mode}\""));
                }
            };
            config.ssl_mode(mode);
            check
        }
    };
    let connector = Connector::new(check, roots.as_deref())?;
    Ok((config, connector))
}

type Split = (String, Option<String>, Option<String>);

/// Takes `sslmode` and `sslrootcert` out of an address, since tokio-postgres knows fewer of them.
/// Only an address has them: what a connection string in libpq's other form says is left to
/// tokio-postgres.
fn split(connection_string: &str) -> Result<Split, String> {
    let is_address = connection_string.contains("://");
    let Some((path, query)) = connection_string.split_once('?').filter(|_| is_address) else {
        return Ok((connection_string.to_owned(), None, None));
    };
    let (mut kept, mut mode, mut roots) = (Vec::new(), None, None);
    for pair in query.split('&') {
        let into = match pair.split_once('=') {
            Some(("sslmode", value)) => Some((&mut mode, value)),
            Some(("sslrootcert", value)) => Some((&mut roots, value)),
            _ => None,
        };
        match into {
            None => kept.push(pair),
            Some((place, value)) => {
                let value = decoded(value).ok_or("the connection string is not UTF-8 text")?;
                if place.replace(value).is_some() {
                    return Err(format!("\"{pair}\" is there twice"));
                }
            }
        }
    }
    let rest = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    Ok((rest, mode, roots))
}

/// A value of an address without its percent-encoding.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        (rest, bytes) = match byte {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                (after.get(2..)?, bytes)
            }
            _ => {
                bytes.push(first);
                (after, bytes)
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// Encrypts connections.
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    fn new(check: Check, roots: Option<&str>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let failed = |error: rustls::Error| error.to_string();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let authorities = match check {
            Check::Nothing => None,
            Check::Authority | Check::Full => {
                let roots = Arc::new(authorities(roots)?);
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Some(verifier.build().map_err(|error| error.to_string())?)
            }
        };
        let verifier: Arc<dyn ServerCertVerifier> = match (check, authorities) {
            (Check::Full, Some(verifier)) => verifier,
            (_, authorities) => Arc::new(AnyName {
                authorities,
                provider,
            }),
        };
        let config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

/// The authorities in a PEM file, or those of this system.
fn authorities(roots: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots.filter(|roots| *roots != SYSTEM) {
        None => {
            // What cannot be read is no authority.
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
        }
        Some(file) => {
            let wrong = |problem: String| format!("sslrootcert {file}: {problem}");
            let text = read_user_file(Path::new(file), LIMIT);
            let text = text.map_err(|error| wrong(error.to_string()))?;
            let text = text.ok_or_else(|| wrong("there is no such file".to_owned()))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                store
                    .add(certificate)
                    .map_err(|error| wrong(error.to_string()))?;
            }
        }
    }
    if store.is_empty() {
        let place = roots.unwrap_or(SYSTEM);
        return Err(format!(
            "sslrootcert {place}: there is no certificate authority in it"
        ));
    }
    Ok(store)
}

/// Accepts a certificate for any name: of the authorities, or of anybody where there are none. The
/// server has to prove in any case that the certificate is its own.
#[derive(Debug)]
struct AnyName {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        // The name is looked at last.
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        Ok(Handshake {
            connector: self.0.clone(),
            host: host.to_owned(),
        })
    }
}

/// The encryption of one connection.
pub struct Handshake {
    connector: TlsConnector,
    /// Empty for a Unix socket, which is never encrypted.
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let host = ServerName::try_from(self.host).map_err(io::Error::other)?;
            let stream = self.connector.connect(host, stream).await?;
            Ok(Encrypted(Box::new(stream)))
        })
    }
}

/// An encrypted connection.
pub struct Encrypted(Box<RustlsStream<Socket>>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_and_sslrootcert_are_taken_out_of_an_address() {
        let address = "postgres://app@db/app?sslmode=verify-full&port=1&sslrootcert=%2Fetc%2Fa%20b";
        let (rest, mode, roots) = split(address).unwrap();
        assert_eq!(rest, "postgres://app@db/app?port=1");
        assert_eq!(mode.unwrap(), "verify-full");
        assert_eq!(roots.unwrap(), "/etc/a b");
        let other = "host=db user=app sslmode=require";
        assert_eq!(split(other).unwrap(), (other.to_owned(), None, None));
    }

    #[test]
    fn an_unknown_sslmode_and_a_missing_sslrootcert_are_refused() {
        for (query, problem) in [
            ("sslmode=allow", "sslmode must be"),
            ("sslmode=", "sslmode must be"),
            ("sslmode=require&sslmode=disable", "twice"),
            ("sslmode=verify-full&sslrootcert=%2Fnowhere", "no such file"),
            ("sslrootcert=%2Fnowhere", "no such file"),
            ("sslmode=verify-full&sslrootcert=%ff", "UTF-8"),
            ("sslmode=require&sslrootcert=system", "too weak"),
            ("sslmode=disable&sslrootcert=system", "too weak"),
            ("sslcert=%2Fetc%2Fclient", "sslcert"),
        ] {
            let refused = read(&format!("postgres://app@db/app?{query}"));
            let error = refused.err().unwrap();
            assert!(error.contains(problem), "{query}: {error}");
        }
    }

    #[test]
    fn every_sslmode_of_an_address_is_honoured() {
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=require", SslMode::Require),
            ("?sslrootcert=system", SslMode::Require),
            ("?sslmode=verify-full&sslrootcert=system", SslMode::Require),
        ] {
            let (config, _) = read(&format!("postgres://app@db/app{query}")).unwrap();
            assert_eq!(config.get_ssl_mode(), mode, "{query}");
        }
    }
}
