//! What HTTP is: connections, headers, cookies, limits, and the way from a request to an operation
//! of `api`.

mod address;
mod answer;
mod body;
mod cookies;
mod cross_site;
mod identity;
mod metrics;
mod openapi;
mod page;
mod path;
mod router;
mod server;
mod tls;

pub use address::host_of;
pub use router::{Router, RouterOptions};
pub use server::{Listener, ServeError, serve};
pub use tls::{Certificate, TlsError};
