//! A server of the test binary's own on each database, and clients of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nightlatch_server::client::{Browser, Request, Response};
use serde_json::{Value, json};

use crate::postgres;

/// A password that every policy takes.
pub const PASSWORD: &str = "7 gulls on the harbour wall!";

/// A test on SQLite and on PostgreSQL, each on the server that the tests of this binary share.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(crate::fixture::sqlite()); })*
        }
        mod postgres {
            $(#[test] fn $name() {
                if let Some(server) = crate::fixture::postgres() { super::$name(server); }
            })*
        }
    };
}
pub(crate) use on_both;

/// Runs the program until standard input ends, which is when the test binary ends, however it does.
const SCRIPT: &str = r#"
dir=$1
shift
"$@" </dev/null &
pid=$!
read -r word || true
kill "$pid" 2>/dev/null
wait "$pid"
echo "ended with $?"
[ "$word" = keep ] || rm -rf "$dir"
"#;

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub data: PathBuf,
    script: Option<(Child, BufReader<std::process::ChildStdout>)>,
    addresses: AtomicU32,
}

/// The server on SQLite that the tests share.
pub fn sqlite() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("", &[]))
}

/// The server on PostgreSQL that the tests share, where PostgreSQL is installed.
pub fn postgres() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Some(Server::start(&settings(&database()?), &[])));
    server.as_ref()
}

/// Settings of servers of their own: on SQLite, and where PostgreSQL is installed on that.
pub fn either_database() -> impl Iterator<Item = String> {
    [Some(String::new()), database().as_deref().map(settings)]
        .into_iter()
        .flatten()
}

fn settings(url: &str) -> String {
    format!("database = \"{url}\"\n")
}

/// The address of a new PostgreSQL database.
pub fn database() -> Option<String> {
    postgres::shared().map(url)
}

/// The address of a new database of this cluster.
pub fn url(cluster: &postgres::Cluster) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let string = runtime.block_on(cluster.database());
    let name = string.rsplit_once('=').unwrap().1;
    let host = cluster.directory.display().to_string().replace('/', "%2F");
    format!("postgres://test@/{name}?host={host}")
}

/// The program.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightlatch-server"));
    command.env_clear();
    command
}

impl Server {
    /// Starts a server with these settings over those of tests: cheap hashing, and clients that say
    /// where they are.
    pub fn start(config: &str, environment: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap().keep();
        let file = data.join("config.toml");
        let (top, sections) = match config.find('[') {
            Some(at) => config.split_at(at),
            None => (config, ""),
        };
        let text = format!(
            "trusted_proxies = [\"127.0.0.0/8\"]\n{top}\n\
             [password]\nmemory_kib = 19456\npasses = 2\nthreads = 2\n{sections}"
        );
        std::fs::write(&file, text).unwrap();
        Self::run(&data, environment)
    }

    /// Starts a server with `config.toml` and `data` in this directory, which is removed at the end.
    pub fn run(root: &Path, environment: &[(&str, &str)]) -> Self {
        let (file, data) = (root.join("config.toml"), root.join("data"));
        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(data.parent().unwrap())
            .arg(env!("CARGO_BIN_EXE_nightlatch-server"))
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(&data)
            .args(["--listen", "127.0.0.1:0"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.parent().unwrap().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(script.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .rsplit_once("://")
            .map(|(_, address)| address.parse());
        let Some(Ok(address)) = address else {
            let log = std::fs::read_to_string(data.parent().unwrap().join("log"));
            panic!("the server did not start: {line} {log:?}");
        };
        Self {
            address,
            data,
            script: Some((script, output)),
            addresses: AtomicU32::new(0),
        }
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.parent().unwrap().join("log")).unwrap()
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        let answer = Request::new("GET", "/metrics").send(self.address).unwrap();
        String::from_utf8(answer.body).unwrap()
    }

    /// Waits until `line` is among the metrics.
    #[track_caller]
    pub fn wait_for_metric(&self, line: &str) {
        let has_line = || self.metrics().lines().any(|found| found == line);
        wait_until(line, has_line, || self.metrics() + &self.log());
    }

    /// Runs `audit` on the server's log; whether it succeeded, and what it printed.
    fn try_audit(&self, arguments: &[&str]) -> Output {
        let mut audit = program();
        let audit = audit.arg("audit").args(arguments);
        audit.arg("--data").arg(&self.data).output().unwrap()
    }

    /// What `audit` prints about the server's log. An event is sealed soon after the request that
    /// caused it, not before its answer: wait for it, or stop the server first.
    #[track_caller]
    pub fn audit(&self, arguments: &[&str]) -> String {
        let output = self.try_audit(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until an event with `part` in its line is among the newest of the server's log.
    #[track_caller]
    pub fn wait_for_event(&self, part: &str) {
        let list = || {
            // As a copy: what is read here must not fill the log.
            let log = self.data.join("audit");
            let arguments = ["list", "--limit", "1000", "--dir", log.to_str().unwrap()];
            let output = self.try_audit(&arguments);
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        wait_until(part, || list().contains(part), list);
    }

    /// Runs SQL on the server's database, beside it.
    pub fn execute(&self, sql: &str) {
        let config = self.data.parent().unwrap().join("config.toml");
        let config = std::fs::read_to_string(config).unwrap();
        let url = config.split_once("database = \"");
        if let Some((_, url)) = url {
            let url = url.split('"').next().unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let client = crate::postgres::connect(url).await;
                client.batch_execute(sql).await.unwrap();
            });
        } else {
            let connection = rusqlite::Connection::open(self.data.join("server.db")).unwrap();
            connection
                .busy_timeout(std::time::Duration::from_secs(10))
                .unwrap();
            connection.execute_batch(sql).unwrap();
        }
    }

    /// Stops the server by SIGTERM and returns how it ended. Its data stay until `self` is dropped.
    pub fn stop(&mut self) -> String {
        use std::io::Write;
        let (mut script, mut output) = self.script.take().unwrap();
        writeln!(script.stdin.take().unwrap(), "keep").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        script.wait().unwrap();
        line
    }

    /// A client at an address in a network of its own, and mostly of a provider of its own, without
    /// cookies.
    pub fn visitor(&self) -> Visitor {
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        let [_, b, c, d] = number.to_be_bytes();
        Visitor {
            address: format!("{}.{d}.{c}.1", 10 + b),
            browser: Browser::new(self.address),
        }
    }

    /// A client that has just registered with a fresh email, and its user id.
    pub fn user(&self) -> User {
        let email = fresh_email();
        let mut visitor = self.visitor();
        let body = json!({ "email": email, "name": "Ann", "password": PASSWORD });
        let answer = visitor.post("/api/auth/register", &body);
        assert_eq!(answer.status, 201, "{}", answer.json());
        User::of(visitor, &answer, email)
    }

    /// A guest that has just begun.
    pub fn guest(&self) -> User {
        let mut visitor = self.visitor();
        let answer = visitor.post("/api/v2/auth/anonymous", &json!({}));
        assert_eq!(answer.status, 201, "{}", answer.json());
        User::of(visitor, &answer, String::new())
    }

    /// An administrator, made by the operator's command beside the running server.
    pub fn admin(&self) -> User {
        let email = fresh_email();
        let config = self.data.parent().unwrap().join("config.toml");
        let output = with_input(
            program()
                .arg("--config")
                .arg(config)
                .arg("--data")
                .arg(&self.data)
                .args(["admin", "create", &email, "--password-stdin"]),
            PASSWORD,
        );
        assert!(output.status.success(), "{output:?}");
        let mut visitor = self.visitor();
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = visitor.post("/api/auth/login", &body);
        assert_eq!(answer.status, 200, "{}", answer.json());
        User::of(visitor, &answer, email)
    }

    /// The token of the newest link that was mailed to `email`.
    pub fn mailed_token(&self, email: &str) -> String {
        let to = format!("\r\nTo: {email}\r\n");
        let mut mails: Vec<PathBuf> = files(&self.data.join("outbox"));
        mails.sort();
        let mails = mails
            .iter()
            .rev()
            .map(|mail| std::fs::read_to_string(mail).unwrap());
        let mail = mails.into_iter().find(|mail| mail.contains(&to)).unwrap();
        link_token(&mail).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self.script.take() {
            // Its standard input ends, and with it the server.
            Some((mut script, _)) => {
                drop(script.stdin.take());
                script.wait().unwrap();
            }
            None => std::fs::remove_dir_all(self.data.parent().unwrap()).unwrap(),
        }
    }
}

/// Runs `command` with `input` on its standard input.
pub fn with_input(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{input}").unwrap();
    child.wait_with_output().unwrap()
}

/// The token of the link in a mail.
pub fn link_token(mail: &str) -> &str {
    let link = mail.split_once("/l/").unwrap().1;
    link.split_whitespace().next().unwrap()
}

pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// An email that no other test of this run has.
pub fn fresh_email() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("person{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A client at an address of its own.
#[derive(Clone)]
pub struct Visitor {
    pub address: String,
    pub browser: Browser,
}

impl Visitor {
    pub fn send(&mut self, request: Request) -> Response {
        let request = request.header("X-Forwarded-For", &self.address);
        self.browser.send(request).unwrap()
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(Request::new("GET", path))
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Response {
        self.send(Request::new("POST", path).json(body))
    }

    pub fn delete(&mut self, path: &str) -> Response {
        self.send(Request::new("DELETE", path))
    }
}

/// A client with an account or as a guest.
#[derive(Clone)]
pub struct User {
    pub visitor: Visitor,
    pub id: String,
    pub email: String,
    pub token: String,
}

impl User {
    fn of(visitor: Visitor, answer: &Response, email: String) -> Self {
        let body = answer.json();
        let id = body.pointer("/user/id").or(body.get("user_id"));
        Self {
            visitor,
            id: id.unwrap().as_str().unwrap().to_owned(),
            email,
            token: body["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// A request with the access token and without cookies.
    pub fn with_token(&self, request: Request) -> Response {
        let request = request.header("Authorization", &format!("Bearer {}", self.token));
        let request = request.header("X-Forwarded-For", &self.visitor.address);
        Browser::new(self.visitor.browser.address())
            .send(request)
            .unwrap()
    }

    /// The path of its documents.
    pub fn tasks(&self) -> String {
        format!("/api/users/{}/tasks", self.id)
    }
}

/// Checks the status and the kind of an error, and its one form.
#[track_caller]
pub fn refused(answer: &Response, status: u16, kind: &str) -> Value {
    let body = answer.json();
    assert_eq!(
        (answer.status, body["error"].as_str()),
        (status, Some(kind)),
        "{body}"
    );
    assert_eq!(body["code"], body["error"]);
    assert_eq!(body["detail"], body["message"]);
    assert!(body["details"].is_object());
    body
}

/// Checks the status of an answer and returns its body.
#[track_caller]
pub fn accepted(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.json());
    answer.json()
}

/// Waits until something holds that comes after the answer of a request. The deadline is far beyond
/// what a loaded machine needs; after it `state` says how it is instead.
#[track_caller]
pub fn wait_until(what: &str, holds: impl Fn() -> bool, state: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "no {what}: {}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Does `work` as many times at once, and returns the results.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|at| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(at)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
