//! PostgreSQL: a pool of connections to the primary, wherever it is.

mod tls;

use std::time::Duration;

use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::error::StoreError;
use super::flow::Flow;
use super::value::{Row, Statement, Value};

/// How many connections a node has at most.
const CONNECTIONS: usize = 16;
/// How long a request waits for a connection, and for the server to accept a new one.
const WAIT: Duration = Duration::from_secs(3);
/// How long the database may take for a statement or a transaction. A host that vanished answers
/// nothing, not even that.
const ANSWER: Duration = Duration::from_secs(15);
/// How often a change is tried again that another one or a restart of the database interrupted
/// before its commit.
const TRIES: usize = 5;

/// A database of PostgreSQL.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
}

/// Why a try failed, and whether another may succeed.
enum Failure {
    /// Nothing was changed.
    Again(StoreError),
    /// Another try would fail too, or might change something twice.
    Final(StoreError),
}

impl Postgres {
    /// A pool for this connection string. Connects with the first statement.
    pub fn new(connection_string: &str) -> Result<Self, StoreError> {
        let (mut config, connector) = tls::read(connection_string).map_err(StoreError::Address)?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.application_name("nightlatch-server");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(WAIT);
        }
        config.keepalives_idle(Duration::from_secs(10));
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(ANSWER);
        }
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, connector, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(WAIT),
                create: Some(WAIT),
                recycle: Some(WAIT),
            })
            .build()
            .map_err(|error| StoreError::Broken(error.to_string()))?;
        Ok(Self { pool })
    }

    /// Runs a statement that only reads.
    pub async fn query(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let answer = tried(|| self.single(statement, before_commit));
        in_time(answer, StoreError::Unavailable).await
    }

    /// Runs a change of one statement, which is its own transaction.
    pub async fn write(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let own = self.clone();
        carried_out(async move { tried(|| own.single(&statement, in_commit)).await }).await
    }

    /// Runs a change and answers once it is durable.
    pub async fn change<T: Send + 'static>(
        &self,
        flow: impl Fn() -> Flow<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let own = self.clone();
        carried_out(async move { tried(|| own.transaction(flow())).await }).await
    }

    /// Runs a script in one transaction, after `first` and only if that returns a row.
    pub async fn script(&self, first: &Statement, script: &'static str) -> Result<(), StoreError> {
        tried(|| self.script_once(first, script)).await
    }

    async fn script_once(&self, first: &Statement, script: &'static str) -> Result<(), Failure> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.map_err(before_commit)?;
        let is_first = !run(&client, first).await.map_err(before_commit)?.is_empty();
        if is_first {
            client.batch_execute(script).await.map_err(before_commit)?;
        }
        client.batch_execute("COMMIT").await.map_err(in_commit)?;
        client.give_back();
        Ok(())
    }

    async fn single(
        &self,
        statement: &Statement,
        judge: fn(tokio_postgres::Error) -> Failure,
    ) -> Result<Vec<Row>, Failure> {
        let client = self.client().await?;
        let rows = run(&client, statement).await.map_err(judge)?;
        client.give_back();
        Ok(rows)
    }

    async fn transaction<T>(&self, mut flow: Flow<T>) -> Result<T, Failure> {
        let client = self.client().await?;
        let mut begun = false;
        loop {
            match flow {
                Flow::Run(statement, then) => {
                    let rows = if begun {
                        run(&client, &statement).await
                    } else {
                        begun = true;
                        // Both are sent at once.
                        let first = run(&client, &statement);
                        tokio::try_join!(client.batch_execute("BEGIN"), first)
                            .map(|((), rows)| rows)
                    };
                    flow = then(rows.map_err(before_commit)?).map_err(Failure::Final)?;
                }
                Flow::Commit(statements, value) => {
                    if !begun {
                        client.batch_execute("BEGIN").await.map_err(before_commit)?;
                    }
                    for statement in &statements {
                        run(&client, statement).await.map_err(before_commit)?;
                    }
                    client.batch_execute("COMMIT").await.map_err(in_commit)?;
                    client.give_back();
                    return Ok(value);
                }
                Flow::Abandon(value) => {
                    client
                        .batch_execute("ROLLBACK")
                        .await
                        .map_err(before_commit)?;
                    client.give_back();
                    return Ok(value);
                }
            }
        }
    }

    async fn client(&self) -> Result<Client, Failure> {
        match self.pool.get().await {
            Ok(client) => Ok(Client(Some(client))),
            // The pool has tried all hosts; another try would take as long again.
            Err(error) => Err(Failure::Final(StoreError::Unavailable(chain(&error)))),
        }
    }
}

/// Runs a change to its end even if the caller leaves.
async fn carried_out<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(in_time(change, StoreError::Uncertain))
        .await
        .map_err(|error| StoreError::Uncertain(error.to_string()))?
}

/// The result of what the database is asked, or this failure if that takes too long. The connection
/// is closed then.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
    late: fn(String) -> StoreError,
) -> Result<T, StoreError> {
    let silent = |_| late(format!("the database has not answered in {ANSWER:?}"));
    tokio::time::timeout(ANSWER, answer).await.map_err(silent)?
}

/// Runs `attempt` until it succeeds, another try would be of no use, or none is left.
async fn tried<T, A>(attempt: impl Fn() -> A) -> Result<T, StoreError>
where
    A: Future<Output = Result<T, Failure>>,
{
    let mut left = TRIES;
    loop {
        left -= 1;
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(Failure::Again(error)) if left > 0 => tracing::debug!("trying again: {error}"),
            Err(Failure::Again(error) | Failure::Final(error)) => return Err(error),
        }
    }
}

/// A connection of the pool. Unless it is given back, it is closed: after a failure its state is
/// unknown, and closing it undoes its transaction.
struct Client(Option<Object>);

impl Client {
    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl std::ops::Deref for Client {
    type Target = Object;

    #[allow(clippy::expect_used)] // only what consumes a client takes its connection
    fn deref(&self) -> &Object {
        self.0.as_ref().expect("a connection")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

async fn run(client: &Client, statement: &Statement) -> Result<Vec<Row>, tokio_postgres::Error> {
    let prepared = client.prepare_cached(statement.text).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> = statement
        .parameters
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect();
    let rows = client.query(&prepared, &parameters).await?;
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|column| row.try_get(column))
                .collect::<Result<_, _>>()
                .map(Row::new)
        })
        .collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql_checked(kind, out),
            Self::Text(value) => value.to_sql_checked(kind, out),
            Self::Bytes(value) => value.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *kind {
            Type::INT8 => i64::from_sql(kind, raw).map(Self::Int),
            Type::BYTEA => Vec::from_sql(kind, raw).map(Self::Bytes),
            _ => String::from_sql(kind, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::BYTEA | Type::TEXT | Type::VARCHAR)
    }
}

/// Judges an error before the commit was sent: nothing was changed.
#[allow(clippy::needless_pass_by_value)] // for map_err
fn before_commit(error: tokio_postgres::Error) -> Failure {
    if is_conflict(&error) || is_lost(&error) {
        Failure::Again(StoreError::Unavailable(told(&error)))
    } else {
        Failure::Final(refused(&error))
    }
}

/// Judges an error of a commit, or of a single statement: the answer may be what was lost.
#[allow(clippy::needless_pass_by_value)] // for map_err
fn in_commit(error: tokio_postgres::Error) -> Failure {
    if is_conflict(&error) {
        Failure::Again(StoreError::Unavailable(told(&error)))
    } else if is_lost(&error) {
        Failure::Final(StoreError::Uncertain(told(&error)))
    } else {
        Failure::Final(refused(&error))
    }
}

/// Another transaction was in the way; the database undid this one.
fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
        || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}

/// The connection is lost, or leads to a server that is no primary any more.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    let by_code = error.code().is_some_and(|code| {
        let name = code.code();
        // Connection exceptions, shutdowns, and a primary that became a standby.
        name.starts_with("08")
            || name.starts_with("57P")
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION
    });
    let source = std::error::Error::source(error);
    by_code
        || error.is_closed()
        || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

fn refused(error: &tokio_postgres::Error) -> StoreError {
    let class = error.code().map_or("", |code| &code.code()[..2]);
    match class {
        // Insufficient resources, operator intervention, system error.
        "53" | "57" | "58" => StoreError::Unavailable(told(error)),
        _ => StoreError::Broken(told(error)),
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(detail) => format!("{} ({})", detail.message(), detail.code().code()),
        None => error.to_string(),
    }
}

/// An error with what is behind it, such as what is wrong with a certificate.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |told, source| {
        let source = source.to_string();
        // Some errors repeat the one behind them.
        if told.ends_with(&source) {
            told
        } else {
            format!("{told}: {source}")
        }
    })
}
