//! Connections: accepted, encrypted, limited in time and number, and drained at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::router::Router;

/// How many connections may be open at once; more wait to be accepted.
const CONNECTIONS: usize = 8192;
/// How long a client may take for the TLS handshake, for a request's head, also while a connection
/// is kept open between two requests, and until it reads more of an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest head of a request, in bytes.
const HEAD: usize = 32 * 1024;
/// The most headers of a request.
const HEADERS: usize = 64;
/// How long requests that were begun may take at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

/// A bound address.
pub struct Listener {
    socket: TcpListener,
    /// The address, with the port that the system chose for port 0.
    pub address: SocketAddr,
}

impl Listener {
    /// Binds `address`.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source| ServeError { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }
}

/// Serves until `stop` is done; then finishes the requests that were begun.
pub async fn serve(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    router: Arc<Router>,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = async {
        loop {
            // Closed only with the program.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.socket.accept().await {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        peer,
                        router: Arc::clone(&router),
                        watcher: graceful.watcher(),
                        _place: place,
                    };
                    tokio::spawn(connection.begin(stream, tls.clone()));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in {DRAIN:?}");
    }
}

struct Connection {
    peer: SocketAddr,
    router: Arc<Router>,
    watcher: hyper_util::server::graceful::Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn begin(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(PATIENCE));
        let stream = Box::pin(stream);
        let Some(tls) = tls else {
            return self.run(stream).await;
        };
        match timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, "no TLS: {error}"),
            Err(_) => tracing::debug!(peer = %self.peer, "no TLS in time"),
        }
    }

    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (router, peer) = (self.router, self.peer);
        let service = service_fn(move |request| {
            let router = Arc::clone(&router);
            async move { Ok::<_, std::convert::Infallible>(router.answer(peer.ip(), request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%peer, "connection: {error}");
        }
    }
}
