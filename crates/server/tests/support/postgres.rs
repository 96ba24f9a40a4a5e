//! A PostgreSQL of this test binary's own, where one is installed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Creates a cluster, serves it until its standard input ends, and removes it. Nothing is synced,
/// unless the second argument says so. The others are more settings, a certificate and its key, and
/// whether there is a synchronous standby.
const SCRIPT: &str = r#"
set -e
bin=$1 sync=$2 settings=$3 certificate=$4 key=$5 standby=$6
dir=$(mktemp -d /tmp/nightlatch-postgres.XXXXXXXX)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"$bin/initdb" -D data -A trust -U test -E UTF8 --locale=C -N >initdb.log 2>&1
cat >>data/postgresql.conf <<END
fsync = $sync
listen_addresses = ''
max_connections = 500
unix_socket_directories = '$dir'
$settings
END
if [ -n "$certificate" ]; then
    umask 077
    printf '%s' "$certificate" >data/server.crt
    printf '%s' "$key" >data/server.key
fi
serve() {
    "$bin/pg_ctl" -D data -l log -w -t 60 start >pg_ctl.log 2>&1
}
serve
if [ -n "$standby" ]; then
    "$bin/pg_basebackup" -h "$dir" -U test -D standby -R -c fast >basebackup.log 2>&1
    printf 'port = 5433\n' >>standby/postgresql.conf
    "$bin/pg_ctl" -D standby -l standby.log -w -t 60 start >pg_ctl.log 2>&1
    # From here on a commit waits until the standby has it.
    printf "synchronous_standby_names = '*'\n" >>data/postgresql.conf
    "$bin/pg_ctl" -D data reload >pg_ctl.log 2>&1
    state="SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    until [ "$("$bin/psql" -h "$dir" -U test -d postgres -AtXc "$state")" = 1 ]; do sleep 0.1; done
fi
echo "$dir"
while read -r command; do
    case $command in
    kill) kill -9 "$(head -n 1 data/postmaster.pid)" ;;
    'fail over')
        kill -9 "$(head -n 1 data/postmaster.pid)"
        "$bin/pg_ctl" -D standby -w -t 60 promote >pg_ctl.log 2>&1
        echo done
        continue
        ;;
    restart) "$bin/pg_ctl" -D data -m immediate stop >pg_ctl.log 2>&1 || true ;;
    esac
    # The server's other processes notice only after a while.
    until serve; do sleep 0.1; done
    echo done
done
for data in data standby; do
    "$bin/pg_ctl" -D "$data" -m immediate stop >pg_ctl.log 2>&1 || true
done
"#;

/// A running cluster.
pub struct Cluster {
    /// The directory of its socket.
    pub directory: PathBuf,
    /// Its standard input keeps it running, and takes commands.
    script: Mutex<(Child, BufReader<std::process::ChildStdout>)>,
    databases: AtomicU32,
}

/// The cluster that the tests of this binary share; `None`, with a loud line, where PostgreSQL is
/// not installed.
pub fn shared() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start("off")).as_ref()
}

/// The directory of PostgreSQL's programs.
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

impl Cluster {
    /// Starts a cluster of its own. `fsync` is `on` or `off`.
    pub fn start(fsync: &str) -> Option<Self> {
        Self::start_with(fsync, "", ["", ""])
    }

    /// Starts a primary with a synchronous standby.
    pub fn with_standby() -> Option<Self> {
        Self::run(["off", "", "", "", "standby"])
    }

    /// As [`Self::start`], with more settings, and with a certificate and its key, in PEM form.
    pub fn start_with(fsync: &str, settings: &str, [certificate, key]: [&str; 2]) -> Option<Self> {
        Self::run([fsync, settings, certificate, key, ""])
    }

    fn run(arguments: [&str; 5]) -> Option<Self> {
        let Some(bin) = programs() else {
            eprintln!("\n*** SKIPPED: PostgreSQL is not installed, so it is not tested here ***\n");
            return None;
        };
        // PostgreSQL does not run as root.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let mut script = command
            .args(["-c", SCRIPT, "sh"])
            .arg(bin)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(script.stdout.take().unwrap());
        let mut directory = String::new();
        output.read_line(&mut directory).unwrap();
        assert!(!directory.is_empty(), "PostgreSQL did not start");
        Some(Self {
            directory: PathBuf::from(directory.trim_end()),
            script: (script, output).into(),
            databases: AtomicU32::new(0),
        })
    }

    /// The connection string of a new, empty database.
    pub async fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let host = self.directory.display();
        let admin = format!("host={host} user=test dbname=postgres");
        let client = connect(&admin).await;
        let create = format!("CREATE DATABASE {name} STRATEGY file_copy");
        client.batch_execute(&create).await.unwrap();
        format!("host={host} user=test dbname={name}")
    }

    /// The same, with the hosts of the primary and of its standby.
    pub async fn database_on_both(&self) -> String {
        let host = self.directory.display().to_string();
        let both = format!("host={host},{host} port=5432,5433");
        self.database()
            .await
            .replace(&format!("host={host}"), &both)
    }

    /// Ends the server: with `kill` by SIGKILL of its first process, with `restart` at once by its
    /// own means. Then starts it again. With `fail over` it is
    /// killed, and its standby promoted.
    pub fn command(&self, command: &str) {
        use std::io::Write;
        let mut script = self.script.lock().unwrap();
        writeln!(script.0.stdin.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        script.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

/// A connection for the test itself.
pub async fn connect(string: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(string, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
