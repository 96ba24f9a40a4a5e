//! A database of each kind for each test.

use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_server::clock::Millis;
use nightlatch_server::store::rows::SessionClass;
use nightlatch_server::store::{Database, Found, Kept, NewSession, NewUser, Store};
use nightlatch_server::token::{Digest, SessionToken};

/// The time at which most tests happen.
pub const NOW: Millis = Millis(1_800_000_000_000);
/// An idle timeout, in milliseconds.
pub const IDLE: i64 = 900_000;
/// An absolute timeout, in milliseconds.
pub const MAX: i64 = 12 * 3_600_000;

/// What the database keeps: 90 days.
pub const KEPT: Kept = Kept {
    sessions: 90 * 24 * 3_600_000,
    links: 90 * 24 * 3_600_000,
};

/// Runs each test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::fixture::Fixture::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(fixture) = crate::fixture::Fixture::postgres().await {
                        super::$name(fixture).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use on_both;

/// An empty database with its tables.
pub struct Fixture {
    pub store: Store,
    pub database: Database,
    _scratch: Option<tempfile::TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let fixture = Self::empty_sqlite();
        fixture.store.migrate(NOW).await.unwrap();
        fixture
    }

    pub async fn postgres() -> Option<Self> {
        let fixture = Self::empty_postgres().await?;
        fixture.store.migrate(NOW).await.unwrap();
        Some(fixture)
    }

    /// Without tables.
    pub fn empty_sqlite() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(scratch.path().join("server.sqlite"));
        Self {
            store: Store::open(&database).unwrap(),
            database,
            _scratch: Some(scratch),
        }
    }

    /// Without tables.
    pub async fn empty_postgres() -> Option<Self> {
        let cluster = tokio::task::spawn_blocking(crate::postgres::shared)
            .await
            .unwrap()?;
        let database = Database::Postgres(cluster.database().await);
        Some(Self {
            store: Store::open(&database).unwrap(),
            database,
            _scratch: None,
        })
    }

    /// A second node on the same database.
    pub fn second(&self) -> Store {
        Store::open(&self.database).unwrap()
    }

    /// Runs a script that the store has no verb for.
    pub async fn script(&self, sqlite: &str, postgres: &str) {
        match &self.database {
            Database::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(sqlite).unwrap();
            }
            Database::Postgres(string) => {
                let client = crate::postgres::connect(string).await;
                client.batch_execute(postgres).await.unwrap();
            }
        }
    }

    /// A user with a live session.
    pub async fn user(&self, email: &str) -> Found {
        let registered = self
            .store
            .register(user(email), session(SessionClass::Web), NOW, |_| Vec::new())
            .await;
        registered.unwrap().expect("a new user")
    }

    /// A guest with a live session.
    pub async fn guest(&self) -> Found {
        let id = AccountId::random().unwrap();
        let session = session(SessionClass::Guest);
        let begun = self.store.begin_guest(id, session, NOW, Vec::new()).await;
        begun.unwrap().expect("a new guest")
    }
}

/// A user to create.
pub fn user(email: &str) -> NewUser {
    NewUser {
        id: AccountId::random().unwrap(),
        email: email.to_owned(),
        email_norm: email.to_lowercase(),
        name: Some("Alice".to_owned()),
        password: None,
        is_admin: false,
        claim: None,
    }
}

/// A session to begin.
pub fn session(class: SessionClass) -> NewSession {
    NewSession {
        hash: digest(),
        id: SessionId::random().unwrap(),
        class,
        idle: IDLE,
        max: MAX,
        address: Some("192.0.2.1".to_owned()),
        user_agent: None,
        password: None,
    }
}

pub fn digest() -> Digest {
    SessionToken::random().unwrap().digest()
}

/// Runs so many at once and returns what each returned.
pub async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    one: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..count).map(|at| tokio::spawn(one(at))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
