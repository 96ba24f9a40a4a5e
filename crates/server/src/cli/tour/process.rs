//! The server that `tour` shows: the program itself, in a scratch directory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::cli::{Failure, ui};

/// Where the server of the tour keeps its data.
pub struct Scratch {
    directory: TempDir,
    schema: Option<Schema>,
}

/// A schema of its own in a database that others use too.
struct Schema {
    /// The address of the database, which may be on a command line.
    address: String,
    /// The same with the password.
    url: String,
    name: String,
}

impl Scratch {
    /// Creates it: a private directory, and a schema where a database is given by its address and
    /// its address with the password.
    ///
    /// # Errors
    /// When either cannot be created.
    pub async fn create(database: Option<(String, String)>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)] // inaccessible to others whatever the umask
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let directory = builder.prefix("nightlatch-server-tour-").tempdir()?;
        let schema = match database {
            None => None,
            Some((address, url)) => {
                let mut id = [0; 8];
                getrandom::fill(&mut id)?;
                let name = format!("nightlatch_tour_{:016x}", u64::from_be_bytes(id));
                execute(&url, &format!("CREATE SCHEMA {name}")).await?;
                Some(Schema { address, url, name })
            }
        };
        Ok(Self { directory, schema })
    }

    /// The directory.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// The arguments that make the program use it. It finds the password where this process did.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--data".to_owned(), self.data().display().to_string()];
        if let Some(Schema { address, name, .. }) = &self.schema {
            let separator = if address.contains('?') { '&' } else { '?' };
            let url = format!("{address}{separator}options=-csearch_path%3D{name}");
            arguments.extend(["--database".to_owned(), url]);
        }
        arguments
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When something is left.
    pub async fn remove(self) -> Result<(), Failure> {
        if let Some(Schema { url, name, .. }) = &self.schema {
            execute(url, &format!("DROP SCHEMA {name} CASCADE")).await?;
        }
        Ok(self.directory.close()?)
    }
}

async fn execute(url: &str, statement: &str) -> Result<(), Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(statement).await?;
    drop(client);
    Ok(connection.await??)
}

/// The running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it on a free port of the loopback interface.
    ///
    /// # Errors
    /// When it does not say that it listens.
    pub fn start(program: &Path, scratch: &Scratch) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(scratch.arguments())
            .args(["--listen", "127.0.0.1:0", "serve"])
            .env_remove("NIGHTLATCH_JWT_SECRET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child
            .stdout
            .take()
            .ok_or("the server has no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            // Whatever it is, it must not be left running.
            child.kill()?;
            child.wait()?;
            return Err("the server did not start; run it with serve to see why".into());
        };
        ui::print(&format!("The server listens on http://{address}"))?;
        Ok(Self { child, address })
    }

    /// Tells the server to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> Result<(), Failure> {
        terminate(&mut self.child)?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the server ended with {status}").into())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless the tour broke off.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("the server has no process id")?;
    Ok(kill_process(pid, Signal::TERM)?)
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) -> Result<(), Failure> {
    Ok(child.kill()?)
}

/// Verifies the audit log that the server left.
///
/// # Errors
/// When it does not verify.
pub fn verify_log(program: &Path, scratch: &Scratch) -> Result<(), Failure> {
    ui::print("\nThe sealed audit log verifies.\n   nightlatch-server audit verify")?;
    let data: PathBuf = scratch.data().to_owned();
    let output = Command::new(program)
        .args(["audit", "verify", "--data"])
        .arg(data)
        .output()?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        ui::print(&format!("   {line}"))?;
    }
    if output.status.success() {
        Ok(())
    } else {
        Err("the audit log does not verify".into())
    }
}
