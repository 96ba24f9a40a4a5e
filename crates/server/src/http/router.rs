//! From a request to its answer.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HOST, USER_AGENT};
use hyper::{HeaderMap, Request};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::answer::{Reply, append, complete, of_answer, of_error, reply};
use super::body::Format;
use super::metrics::{self, Metrics};
use super::{address, body, cross_site, identity, openapi, page, path};
use crate::api::fields::Fields;
use crate::api::{self, Access, ApiError, App, Body, Call, Given, METHODS, Method, ROUTES, Route};
use crate::config::Network;
use crate::pages;
use crate::service::Client;

/// Settings of the router.
#[derive(Clone, Debug)]
pub struct RouterOptions {
    /// The origins under which browsers know this server.
    pub origins: Vec<String>,
    /// The proxies whose headers count.
    pub trusted_proxies: Vec<Network>,
    /// Whether browsers reach this server by TLS.
    pub has_tls: bool,
}

/// Answers requests.
pub struct Router {
    app: Arc<App>,
    options: RouterOptions,
    metrics: Metrics,
    openapi: String,
}

/// A request without its body.
struct Head {
    method: hyper::Method,
    path: String,
    query: String,
    headers: HeaderMap,
    client: IpAddr,
}

impl Router {
    /// A router over `app`.
    pub fn new(app: Arc<App>, options: RouterOptions) -> Self {
        let openapi = openapi::describe(&app.options.origin).to_string();
        Self {
            app,
            options,
            metrics: Metrics::new(),
            openapi,
        }
    }

    /// Answers `request`, which came over a connection from `peer`. A change that was begun is
    /// finished also when the client leaves.
    pub async fn answer(self: Arc<Self>, peer: IpAddr, request: Request<Incoming>) -> Reply {
        let has_tls = self.options.has_tls;
        let task = tokio::spawn(async move { self.counted(peer, request).await });
        let mut reply = task.await.unwrap_or_else(|error| {
            tracing::error!("a request failed: {error}");
            of_error(&ApiError::new(500, "INTERNAL_ERROR", "internal error"))
        });
        complete(&mut reply, has_tls);
        reply
    }

    async fn counted(&self, peer: IpAddr, request: Request<Incoming>) -> Reply {
        let begun = Instant::now();
        let (parts, incoming) = request.into_parts();
        let client = address::client(peer, &parts.headers, &self.options.trusted_proxies);
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let head = Head {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            client,
        };
        let (route, reply) = match self.own_page(&head, peer).await {
            Some(reply) => (None, reply),
            None => match self.check_host(&head.headers, authority.as_deref()) {
                Err(error) => (None, of_error(&error)),
                Ok(()) if pages::is_page(&head.path) => (None, self.page(&head, incoming).await),
                Ok(()) => self.routed(&head, incoming).await,
            },
        };
        let (status, took) = (reply.status().as_u16(), begun.elapsed());
        self.metrics.count(route, status, took);
        let path = route
            .and_then(|at| ROUTES.get(at))
            .map_or("", |route| route.path);
        tracing::debug!(method = %head.method, route = path, status, ?took, %client, "request");
        reply
    }

    /// The answers for whoever operates the server, which need no name of the server.
    async fn own_page(&self, head: &Head, peer: IpAddr) -> Option<Reply> {
        let is_get = head.method == hyper::Method::GET || head.method == hyper::Method::HEAD;
        if !is_get {
            return None;
        }
        match head.path.as_str() {
            "/healthz" => Some(reply(200, "application/json", r#"{"status":"ok"}"#)),
            "/readyz" if self.app.node.is_ready().await => {
                Some(reply(200, "application/json", r#"{"status":"ready"}"#))
            }
            "/readyz" => Some(of_error(&ApiError::new(503, "UNAVAILABLE", "not ready"))),
            // Not even through a proxy that is not among those trusted.
            "/metrics"
                if peer.to_canonical().is_loopback()
                    && self.is_called_by_address(&head.headers)
                    && !head.headers.contains_key(address::FORWARDED_FOR) =>
            {
                Some(reply(
                    200,
                    "text/plain; version=0.0.4",
                    self.measured().await,
                ))
            }
            "/openapi.json" => Some(reply(200, "application/json", self.openapi.clone())),
            _ => None,
        }
    }

    /// The counters, and what is measured now.
    async fn measured(&self) -> String {
        let node = &self.app.node;
        let lag = metrics::seconds(u64::try_from(node.sealer_lag()).unwrap_or(0) * 1000);
        let mut text = self.metrics.render();
        text.push_str("# TYPE nightlatch_sealer_lag_seconds gauge\n");
        text.extend(["nightlatch_sealer_lag_seconds ", &lag, "\n"]);
        if let Ok(count) = node.events_set_aside().await {
            let line = format!(
                "# TYPE nightlatch_events_set_aside gauge\nnightlatch_events_set_aside {count}\n"
            );
            text.push_str(&line);
        }
        if let Ok((guests, users)) = node.live_sessions().await {
            text.push_str("# TYPE nightlatch_sessions_live gauge\n");
            for (class, count) in [("guest", guests), ("user", users)] {
                let line = format!("nightlatch_sessions_live{{class=\"{class}\"}} {count}\n");
                text.push_str(&line);
            }
        }
        if let Ok(count) = self.app.mail.waiting() {
            let line = format!(
                "# TYPE nightlatch_mails_waiting gauge\nnightlatch_mails_waiting {count}\n"
            );
            text.push_str(&line);
        }
        if let Some(mails) = &self.app.mails {
            text.push_str(&metrics::mails(mails));
        }
        text
    }

    /// Checks that the request names this server, once.
    fn check_host(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<(), ApiError> {
        let host = identity::single(headers, &HOST)?;
        let is_own = |host: &str| address::is_own_host(host, &self.options.origins);
        if host.is_some_and(is_own) && authority.is_none_or(is_own) {
            return Ok(());
        }
        let message = "this server is not known under this name; see public_url";
        Err(ApiError::new(421, "UNKNOWN_HOST", message))
    }

    /// Whether the request names this server, or its address.
    fn is_called_by_address(&self, headers: &HeaderMap) -> bool {
        let host = identity::single(headers, &HOST).ok().flatten();
        host.is_some_and(address::is_address) || self.check_host(headers, None).is_ok()
    }

    /// A page for people.
    async fn page(&self, head: &Head, incoming: Incoming) -> Reply {
        let is_post = head.method == hyper::Method::POST;
        if !is_post && !is_method(Method::Get, &head.method) {
            return not_allowed(&[Method::Get, Method::Post]);
        }
        let answered = async {
            if is_post {
                self.check_site(&head.headers)?;
            }
            let body = if is_post {
                Some(body::read(incoming).await?)
            } else {
                None
            };
            let body = body.as_ref().map(|body| body.as_slice());
            page::answer(
                &self.app,
                &head.path,
                &head.query,
                &head.headers,
                head.client,
                body,
            )
            .await
        };
        answered.await.unwrap_or_else(|error| of_error(&error))
    }

    /// Refuses a request that a page of another site sent.
    fn check_site(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if cross_site::is_from_elsewhere(headers, &self.options.origins) {
            let message = "a page of another site sent this request";
            return Err(ApiError::new(403, "CROSS_SITE_REQUEST", message));
        }
        Ok(())
    }

    /// The answer of a route of the API, and its index.
    async fn routed(&self, head: &Head, incoming: Incoming) -> (Option<usize>, Reply) {
        let mut allowed = Vec::new();
        for (at, route) in ROUTES.iter().enumerate() {
            let Some(values) = path::matches(route.path, &head.path) else {
                continue;
            };
            if !is_method(route.method, &head.method) {
                allowed.push(route.method);
                continue;
            }
            let reply = match self.call(route, values, head, incoming).await {
                Ok(reply) => reply,
                Err(error) => of_error(&error),
            };
            return (Some(at), reply);
        }
        if allowed.is_empty() {
            return (
                None,
                of_error(&ApiError::not_found("there is nothing here")),
            );
        }
        (None, not_allowed(&allowed))
    }

    async fn call(
        &self,
        route: &Route,
        values: Vec<String>,
        head: &Head,
        incoming: Incoming,
    ) -> Result<Reply, ApiError> {
        let headers = &head.headers;
        if route.method != Method::Get {
            self.check_site(headers)?;
        }
        let query = path::pairs(&head.query)
            .ok_or_else(|| ApiError::new(400, "INVALID_QUERY", "the query cannot be read"))?;
        let given = match identity::given(headers) {
            Ok(given) => given,
            // Whoever signs in may send what does not identify anybody anymore.
            Err(error) if route.access == Access::Open && error.status == 401 => Given::default(),
            Err(error) => return Err(error),
        };
        let owner = values.first().map(String::as_str);
        let bytes = match route.body {
            Body::None => Zeroizing::new(Vec::new()),
            Body::Json(_) | Body::Form(_) | Body::Document => body::read(incoming).await?,
        };
        // After the body, which a client can hold back while its session ends.
        let session = api::admit(&self.app, route, &given, owner).await?;
        let (fields, document) = check(route.body, headers, &bytes)?;
        let user_agent = headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok());
        let call = Call {
            client: Client::new(Some(head.client), user_agent),
            given,
            session,
            fields,
            document,
            path: values,
            query,
        };
        let answer = api::answer(&self.app, route.operation, call).await?;
        Ok(of_answer(answer))
    }
}

/// Checks the body that a route takes.
fn check(
    takes: Body,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<(Fields, serde_json::Value), ApiError> {
    let (fields, format) = match takes {
        Body::None => return Ok((Fields::default(), serde_json::Value::Null)),
        Body::Document if bytes.is_empty() => {
            return Err(ApiError::new(400, "INVALID_JSON", "the body is empty"));
        }
        Body::Document => {
            let document = body::parse(headers, bytes, Format::Json)?;
            return Ok((Fields::default(), document));
        }
        Body::Json(fields) => (fields, Format::Json),
        Body::Form(fields) => (fields, Format::JsonOrForm),
    };
    let value = body::parse(headers, bytes, format)?;
    Ok((Fields::check(value, fields)?, serde_json::Value::Null))
}

/// The answer to a method that a path does not have.
fn not_allowed(allowed: &[Method]) -> Reply {
    let message = "this method is not for this path";
    let mut reply = of_error(&ApiError::new(405, "METHOD_NOT_ALLOWED", message));
    let names = METHODS
        .iter()
        .filter(|(_, method)| allowed.contains(method));
    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
    append(reply.headers_mut(), ALLOW, &names.join(", "));
    reply
}

fn is_method(own: Method, method: &hyper::Method) -> bool {
    let name = METHODS
        .iter()
        .find(|(_, known)| *known == own)
        .map(|(name, _)| *name);
    name == Some(method.as_str()) || own == Method::Get && method == hyper::Method::HEAD
}
