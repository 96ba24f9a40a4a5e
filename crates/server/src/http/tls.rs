//! TLS: a certificate from files, or one that the server makes for itself.

use std::path::Path;
use std::sync::Arc;

use nightlatch_core::crypto::sha256;
use nightlatch_platform::fs::{Dir, Durability, FsError, read_user_file};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::config::{SecretError, check_private};

/// Larger than any certificate chain.
const LIMIT: usize = 1024 * 1024;
/// The files of a certificate that the server made, in the data directory.
const CERTIFICATE: &str = "tls.pem";
const KEY: &str = "tls.key";

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A file does not exist.
    #[error("{0}: there is no such file")]
    Missing(String),
    /// Others could read the key.
    #[error(transparent)]
    Open(#[from] SecretError),
    /// A file has no certificate or key in PEM form.
    #[error("{path}: {problem}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The certificate and the key do not fit, or are of an unknown kind.
    #[error("cannot use the certificate: {0}")]
    Rustls(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
}

/// A certificate with its key.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// Reads two PEM files. The key must be readable by its owner only.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let shown = key.display().to_string();
        check_private(key)?;
        let text = read_user_file(key, LIMIT)?.ok_or_else(|| TlsError::Missing(shown.clone()))?;
        let key_text = Zeroizing::new(text);
        let path = certificate.display().to_string();
        let text = read_user_file(certificate, LIMIT)?;
        let text = text.ok_or_else(|| TlsError::Missing(path.clone()))?;
        Self::parse((&path, &text), (&shown, &key_text))
    }

    fn parse(
        (path, certificate): (&str, &[u8]),
        (key_path, key): (&str, &[u8]),
    ) -> Result<Self, TlsError> {
        let bad = |path: &str, problem: String| TlsError::Pem {
            path: path.to_owned(),
            problem,
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| bad(path, error.to_string()))?;
        if chain.is_empty() {
            return Err(bad(path, "there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|error| bad(key_path, error.to_string()))?;
        Ok(Self { chain, key })
    }

    /// The certificate that the server made for itself in `data`, or a new one for `names`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn own(data: &Dir, names: Vec<String>) -> Result<Self, TlsError> {
        let path = |name: &str| data.path().join(name);
        if !data.contains(CERTIFICATE)? {
            let made = rcgen::generate_simple_self_signed(names);
            let made = made.map_err(|error| TlsError::Make(error.to_string()))?;
            let key = Zeroizing::new(made.signing_key.serialize_pem());
            // The key first: a certificate without a key would be kept.
            data.write_atomic(KEY, key.as_bytes(), Durability::Synced)?;
            let certificate = made.cert.pem();
            data.write_atomic(CERTIFICATE, certificate.as_bytes(), Durability::Synced)?;
        }
        Self::read(&path(CERTIFICATE), &path(KEY))
    }

    /// The SHA-256 fingerprint of the certificate, as browsers show it.
    pub fn fingerprint(&self) -> String {
        let first = self.chain.first().map_or(&[][..], |first| first.as_ref());
        let pairs: Vec<String> = sha256(first)
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        pairs.join(":")
    }

    /// What accepts TLS connections with this certificate: TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// When the key does not fit the certificate.
    pub fn acceptor(self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
