//! `serve`: the server from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;
use tokio_rustls::TlsAcceptor;

use super::mailing::Mailing;
use super::settings::Start;
use super::{Failure, ui};
use crate::api::{App, Options};
use crate::config::{Config, Enumeration, IdentityHeader, Tls};
use crate::http::{Certificate, Listener, Router, RouterOptions, host_of, serve};
use crate::node::Node;
use crate::service::tokens::{TokenKey, Tokens};

/// How often the signing keys are looked at. Far shorter than a key is published before it signs.
const ROTATION: Duration = Duration::from_secs(60 * 60);
/// The file with the setup link, where nobody watches the terminal.
const SETUP_FILE: &str = "setup-link";

/// Serves until it is told to stop.
pub async fn run(start: Start) -> Result<u8, Failure> {
    let Start {
        config,
        settings,
        jwt_secret,
        smtp_password,
    } = start;
    // First the address: a second server must not touch the data of the first.
    let listener = Listener::bind(config.listen).await?;
    let address = listener.address;
    let node = Node::start(settings, Arc::new(SystemClock)).await?;
    let data = Dir::open_or_create(&config.data)?;
    let origins = origins(&config, address);
    let tls = tls(&config, &data)?;
    let tokens = tokens(&config, &origins[0], &node, jwt_secret).await?;
    let password = smtp_password.as_ref();
    let Mailing {
        mailer,
        counts,
        sending,
    } = Mailing::start(&config, &origins[0], password, &data, &node)?;
    let app = Arc::new(App {
        node,
        tokens,
        mail: mailer,
        mails: counts,
        options: Options {
            origin: origins[0].clone(),
            takes_user_id: config.identity_header == IdentityHeader::Guests,
            hides_accounts: config.enumeration == Enumeration::Hide,
        },
    });
    show_setup_link(&app, &data).await?;
    let options = RouterOptions {
        has_tls: origins[0].starts_with("https:"),
        origins,
        trusted_proxies: config.trusted_proxies.clone(),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let router = Arc::new(Router::new(Arc::clone(&app), options));
    let rotating = tokio::spawn(rotate(Arc::clone(&app), config.token_life));
    ui::print(&format!("listening on {scheme}://{address}"))?;
    serve(listener, tls, router, stopped()).await;
    if let Some(sending) = sending {
        sending.stop().await;
    }
    rotating.abort();
    // It ends with an error, since it was aborted; then it has let go of the app.
    let _ = rotating.await;
    if let Some(app) = Arc::into_inner(app) {
        app.node.stop().await;
    } else {
        tracing::warn!("some requests did not finish; what they changed is sealed");
    }
    Ok(0)
}

/// The origins under which browsers know this server; links start with the first.
fn origins(config: &Config, address: SocketAddr) -> Vec<String> {
    let scheme = if config.tls == Tls::Off {
        "http"
    } else {
        "https"
    };
    let port = address.port();
    let mut origins: Vec<String> = config.public_url.iter().cloned().collect();
    if address.ip().is_loopback() {
        origins.push(format!("{scheme}://{address}"));
        origins.push(format!("{scheme}://localhost:{port}"));
    }
    origins
}

fn tls(config: &Config, data: &Dir) -> Result<Option<TlsAcceptor>, Failure> {
    let certificate = match &config.tls {
        Tls::Off => return Ok(None),
        Tls::Files { certificate, key } => Certificate::read(certificate, key)?,
        Tls::SelfSigned => {
            let host = config.public_url.as_deref().map_or("localhost", host_of);
            let names = vec![host.to_owned(), "localhost".to_owned()];
            let certificate = Certificate::own(data, names)?;
            let fingerprint = certificate.fingerprint();
            ui::tell(&format!("certificate fingerprint (SHA-256): {fingerprint}"));
            certificate
        }
    };
    Ok(Some(certificate.acceptor()?))
}

/// Access tokens with the keys of all nodes, or with the shared secret.
async fn tokens(
    config: &Config,
    origin: &str,
    node: &Node,
    secret: Option<SecretBuffer>,
) -> Result<Tokens, Failure> {
    let keys = &node.services.signing_keys;
    let (keys, current) = match secret {
        Some(secret) => (vec![TokenKey::hs256(secret)], 0),
        None => keys.published(config.token_life).await?,
    };
    let issuer = config
        .token_issuer
        .clone()
        .unwrap_or_else(|| origin.to_owned());
    let audience = config.token_audience.clone();
    let tokens = Tokens::new(issuer, audience, config.token_life, keys, current);
    tokens.ok_or_else(|| "there is no key to sign tokens with".into())
}

/// Follows the rotation of keys.
async fn rotate(app: Arc<App>, token_life: Duration) {
    if app.tokens.algorithm() != crate::service::tokens::Algorithm::EdDsa {
        return;
    }
    let keys = &app.node.services.signing_keys;
    loop {
        tokio::time::sleep(ROTATION).await;
        let rotated = match keys.published(token_life).await {
            Ok((keys, current)) => app.tokens.replace_keys(keys, current),
            Err(error) => {
                tracing::warn!("cannot read the signing keys: {error}");
                true
            }
        };
        if !rotated {
            tracing::error!("the signing keys in the database cannot be used");
        }
    }
}

/// Shows the link that makes the first administrator, until there is one.
async fn show_setup_link(app: &App, data: &Dir) -> Result<(), Failure> {
    let Some(link) = app.node.services.links.setup().await? else {
        data.unlink(SETUP_FILE)?;
        return Ok(());
    };
    let link = app.link(&link.token);
    if ui::is_watched() {
        ui::tell(&format!(
            "There is no administrator yet. To become one, open {link}"
        ));
        return Ok(());
    }
    // Standard error is a log, where the link must not be.
    let path = data.path().join(SETUP_FILE);
    data.write_atomic(
        SETUP_FILE,
        format!("{link}\n").as_bytes(),
        nightlatch_platform::fs::Durability::Synced,
    )?;
    let shown = path.display();
    ui::tell(&format!(
        "There is no administrator yet. To become one, open the link in {shown}"
    ));
    Ok(())
}

/// Done when the server is told to stop.
#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, int) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut term), Ok(mut int)) = (term, int) else {
        tracing::error!("cannot wait for signals");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Done when the server is told to stop.
#[cfg(not(unix))]
async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!("cannot wait for Ctrl-C: {error}");
    }
}
