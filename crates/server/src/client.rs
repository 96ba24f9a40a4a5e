//! A small HTTP client over one plain connection for each request, for `tour` and the tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// More headers than `Host`, `Connection` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self {
            body: body.to_string().into_bytes(),
            ..self.header("Content-Type", "application/json")
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the request to `address` and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks or what comes is not an answer.
    pub fn send(&self, address: SocketAddr) -> io::Result<Response> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has_host = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"));
        if !has_host {
            head.extend(["Host: ", &address.to_string(), "\r\n"]);
        }
        for (name, value) in &self.headers {
            head.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        if !self.body.is_empty() {
            head.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        // A server may answer and close before it has read a body that is too large.
        let written = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        if let Some(response) = Response::parse(&answer) {
            return Ok(response);
        }
        written?;
        read?;
        let kind = io::ErrorKind::InvalidData;
        Err(io::Error::new(kind, "not an HTTP answer"))
    }
}

impl Response {
    /// Reads an answer whose body ends with the connection.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self {
            status,
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The cookies that the answer sets, as `name=value`.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        let set = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        set.filter_map(|(_, value)| value.split(';').next())
    }
}

/// A client that keeps its cookies, as a browser does.
#[derive(Clone, Debug)]
pub struct Browser {
    address: SocketAddr,
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: Vec::new(),
        }
    }

    /// The server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request with the cookies, and keeps those of the answer.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn send(&mut self, request: Request) -> io::Result<Response> {
        let request = match self.cookie_header() {
            Some(cookies) => request.header("Cookie", &cookies),
            None => request,
        };
        let response = request.send(self.address)?;
        for cookie in response.cookies() {
            let Some((name, value)) = cookie.split_once('=') else {
                continue;
            };
            // A replaced cookie keeps its place (RFC 6265 section 5.3).
            match self.cookies.iter().position(|(own, _)| own == name) {
                Some(at) if value.is_empty() => drop(self.cookies.remove(at)),
                Some(at) => value.clone_into(&mut self.cookies[at].1),
                None if value.is_empty() => {}
                None => self.cookies.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(response)
    }

    /// The `Cookie` header that the next request will have.
    pub fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }
}
