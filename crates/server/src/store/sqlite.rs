//! SQLite: one thread that writes, in groups that share a commit, and a few connections that read.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::flow::Flow;
use super::value::{Row, Statement, Value};

/// How many connections read.
const READERS: usize = 2;
/// How many changes wait at most; more are refused as unavailable.
const QUEUE: usize = 4096;
/// How many changes share a commit at most.
const GROUP: usize = 256;
/// How long to wait for another process that writes, such as an administrative command.
const BUSY: Duration = Duration::from_secs(5);

/// A change, run by the writer; it returns how to answer once the group is committed.
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
/// Answers a change with the outcome of its group's commit.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A database in a file.
pub struct Sqlite {
    writer: mpsc::Sender<Job>,
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    thread: JoinHandle<()>,
}

impl Sqlite {
    /// Opens the file, creating it with mode 0600 if there is none, and starts the writer.
    pub fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        create_private(path)?;
        let connection = connect(path)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL")
            .map_err(refused)?;
        let readers = (0..READERS)
            .map(|_| connect(path).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write(&connection, jobs))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Arc::new(Self {
            writer,
            readers,
            turn: AtomicUsize::new(0),
            thread,
        }))
    }

    /// Finishes what waits and closes the file.
    pub fn close(self) -> Result<(), StoreError> {
        drop(self.writer);
        drop(self.readers);
        self.thread
            .join()
            .map_err(|_| StoreError::Uncertain("the writer has stopped".to_owned()))
    }

    /// Runs a statement that only reads. Its rows show every change that was answered before.
    pub fn query(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let reader = &self.readers[turn % READERS];
        let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
        run(&connection, statement)
    }

    /// Runs a change and answers once it is durable.
    pub async fn change<T: Send + 'static>(
        &self,
        flow: impl FnOnce() -> Flow<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(move |connection| in_savepoint(connection, || follow(connection, flow())))
            .await
    }

    /// Runs a change of one statement.
    pub async fn write(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.submit(move |connection| run(connection, &statement))
            .await
    }

    /// Runs a script, after `first` and only if that returns a row.
    pub async fn script(&self, first: Statement, script: &'static str) -> Result<(), StoreError> {
        self.submit(move |connection| {
            in_savepoint(connection, || {
                if !run(connection, &first)?.is_empty() {
                    connection.execute_batch(script).map_err(refused)?;
                }
                Ok(((), Keep::Yes))
            })
        })
        .await
    }

    async fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = change(connection);
            Box::new(move |committed| {
                // Nobody may wait any more; the change was made all the same.
                let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
            })
        });
        self.writer
            .try_send(job)
            .map_err(|_| StoreError::Unavailable("too many changes are waiting".to_owned()))?;
        answered
            .await
            .map_err(|_| StoreError::Uncertain("the writer has stopped".to_owned()))?
    }
}

/// An empty file of mode 0600, so that the database does not take its mode from the umask.
#[cfg(unix)]
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)] // as its twin
fn create_private(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        // Each commit is durable.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    };
    open().map_err(|error| match refused(error) {
        StoreError::Unavailable(what)
        | StoreError::Uncertain(what)
        | StoreError::Address(what)
        | StoreError::Broken(what) => {
            StoreError::Unavailable(format!("{}: {what}", path.display()))
        }
    })
}

/// Runs the changes that wait, and answers them once they are committed together.
fn write(connection: &Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut answers: Vec<Answer> = Vec::new();
    while let Some(first) = jobs.blocking_recv() {
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(refused);
        let mut next = Some(first);
        while let Some(job) = next {
            if begun.is_ok() && !connection.is_autocommit() {
                answers.push(job(connection));
            } else {
                // Not begun, or a full disk undid the transaction. Dropping the job answers it.
                drop(job);
            }
            next = (answers.len() < GROUP)
                .then(|| jobs.try_recv().ok())
                .flatten();
        }
        let committed = match begun {
            Err(error) => Err(error),
            Ok(()) if connection.is_autocommit() => Err(StoreError::Unavailable(
                "the database undid the changes".to_owned(),
            )),
            Ok(()) => connection.execute_batch("COMMIT").map_err(refused),
        };
        if committed.is_err() && !connection.is_autocommit() {
            // Nothing else can be done with it; if it fails too, the next BEGIN does.
            let _ = connection.execute_batch("ROLLBACK");
        }
        for answer in answers.drain(..) {
            answer(committed.clone());
        }
    }
}

/// Runs `statements` so that their failure undoes only them, not the others of their group.
fn in_savepoint<T>(
    connection: &Connection,
    statements: impl FnOnce() -> Result<(T, Keep), StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT one").map_err(refused)?;
    let end = statements();
    let close = if matches!(end, Ok((_, Keep::Yes))) {
        "RELEASE one"
    } else {
        "ROLLBACK TO one; RELEASE one"
    };
    let closed = connection.execute_batch(close).map_err(refused);
    let (value, _) = end?;
    closed.map(|()| value)
}

/// Whether statements are kept or undone.
enum Keep {
    Yes,
    No,
}

fn follow<T>(connection: &Connection, mut flow: Flow<T>) -> Result<(T, Keep), StoreError> {
    loop {
        match flow {
            Flow::Run(statement, then) => flow = then(run(connection, &statement)?)?,
            Flow::Commit(statements, value) => {
                for statement in &statements {
                    run(connection, statement)?;
                }
                return Ok((value, Keep::Yes));
            }
            Flow::Abandon(value) => return Ok((value, Keep::No)),
        }
    }
}

fn run(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, StoreError> {
    run_raw(connection, statement).map_err(refused)
}

fn run_raw(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(statement.text)?;
    for (at, value) in statement.parameters.iter().enumerate() {
        let name = format!("${}", at + 1);
        let Some(index) = prepared.parameter_index(&name)? else {
            return Err(rusqlite::Error::InvalidParameterName(name));
        };
        match value {
            Value::Null => prepared.raw_bind_parameter(index, rusqlite::types::Null)?,
            Value::Int(value) => prepared.raw_bind_parameter(index, value)?,
            Value::Text(value) => prepared.raw_bind_parameter(index, value)?,
            Value::Bytes(value) => prepared.raw_bind_parameter(index, value)?,
        }
    }
    let columns = prepared.column_count();
    let mut found = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).map(owned));
        found.push(Row::new(values.collect::<Result<_, _>>()?));
    }
    Ok(found)
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
        ValueRef::Blob(value) => Value::Bytes(value.to_owned()),
        // No column is a floating-point number; a sum that overflows would be one.
        ValueRef::Real(value) => Value::Text(value.to_string()),
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn refused(error: rusqlite::Error) -> StoreError {
    let unavailable = [
        ErrorCode::CannotOpen,
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        ErrorCode::DiskFull,
        ErrorCode::OutOfMemory,
        ErrorCode::PermissionDenied,
        ErrorCode::ReadOnly,
        ErrorCode::SystemIoFailure,
    ];
    match error.sqlite_error_code() {
        Some(code) if unavailable.contains(&code) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Broken(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn insert(value: i64) -> Statement {
        Statement::new("INSERT INTO t (n) VALUES ($1)", [value.into()])
    }

    fn values(database: &Sqlite) -> Vec<i64> {
        let all = Statement::new("SELECT n FROM t ORDER BY n", []);
        let rows = database.query(&all).unwrap();
        rows.into_iter().map(|mut row| row.int().unwrap()).collect()
    }

    /// A database whose writer waits until the sender is dropped, so that what comes meanwhile is
    /// one group.
    async fn held(path: &Path) -> (Arc<Sqlite>, std::sync::mpsc::Sender<()>) {
        let database = Sqlite::open(path).unwrap();
        let create = Statement::new("CREATE TABLE t (n BIGINT NOT NULL UNIQUE)", []);
        database.write(create).await.unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let writer = database.clone();
        tokio::spawn(async move {
            let wait = move |_: &Connection| {
                let _ = released.recv();
                Ok(())
            };
            writer.submit(wait).await
        });
        (database, release)
    }

    #[tokio::test]
    async fn a_failing_change_undoes_itself_and_none_of_its_group() {
        let scratch = tempfile::tempdir().unwrap();
        let (database, release) = held(&scratch.path().join("x")).await;
        let change = |first, second| {
            let database = database.clone();
            tokio::spawn(async move {
                let flow = move || {
                    let second = insert(second);
                    Flow::run(insert(first), move |_| Ok(Flow::Commit(vec![second], ())))
                };
                database.change(flow).await
            })
        };
        let good = change(1, 2);
        tokio::task::yield_now().await;
        let bad = change(3, 1);
        tokio::task::yield_now().await;
        let after = change(4, 5);
        tokio::task::yield_now().await;
        drop(release);
        assert!(good.await.unwrap().is_ok());
        assert!(matches!(bad.await.unwrap(), Err(StoreError::Broken(_))));
        assert!(after.await.unwrap().is_ok());
        assert_eq!(values(&database), [1, 2, 4, 5]);
    }

    #[tokio::test]
    async fn an_abandoned_change_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let (database, release) = held(&scratch.path().join("x")).await;
        drop(release);
        let flow = || Flow::run(insert(1), |_| Ok(Flow::Abandon(7)));
        assert_eq!(database.change(flow).await.unwrap(), 7);
        assert!(values(&database).is_empty());
    }

    #[tokio::test]
    async fn a_change_is_made_although_the_caller_left() {
        let scratch = tempfile::tempdir().unwrap();
        let (database, release) = held(&scratch.path().join("x")).await;
        let writer = database.clone();
        let caller = tokio::spawn(async move { writer.write(insert(1)).await });
        tokio::task::yield_now().await;
        caller.abort();
        drop(release);
        database.write(insert(2)).await.unwrap();
        assert_eq!(values(&database), [1, 2]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        let (database, release) = held(&path).await;
        drop(release);
        database.write(insert(1)).await.unwrap();
        for name in ["x", "x-wal", "x-shm"] {
            let mode = std::fs::metadata(scratch.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
