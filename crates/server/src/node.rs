//! A node: the database, the clock, the record and the services, put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nightlatch_core::clock::Clock;
use nightlatch_core::crypto::Key;
use nightlatch_core::crypto::kdf::Argon2Params;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backup::Staged;
use crate::clock::{Millis, ServerClock};
use crate::record::{Backlog, Outbox, SealedLog, Sealer};
use crate::service::retention::{Retention, keep_to};
use crate::service::{Context, Hashing, PasswordPolicy, ServiceError, Services, Timeouts};
pub use crate::store::Database;
use crate::store::{Store, StoreError};

/// How often the clock of a shared database is read.
const CLOCK_READ_EVERY: Duration = Duration::from_secs(10);
/// How long the oldest event may wait for its seal before the node is not ready, in milliseconds.
const READY_WITHIN: i64 = 5000;
/// How long the database may take to answer that it is there.
const ANSWER: Duration = Duration::from_secs(2);

/// The settings of the lower half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The database.
    pub database: Database,
    /// The directory of this node's audit log. Created with mode 0700.
    pub data: PathBuf,
    /// The timeouts of sessions.
    pub timeouts: Timeouts,
    /// The rules for new passwords.
    pub passwords: PasswordPolicy,
    /// The cost of hashing a password.
    pub hash_cost: Argon2Params,
    /// The number of threads that hash passwords: one for each processor.
    pub hash_threads: usize,
    /// The kinds of documents: `tasks`, `configurations` and those configured.
    pub item_kinds: Vec<String>,
    /// What is removed from the database, and when.
    pub retention: Retention,
}

/// A running node.
pub struct Node {
    /// The services, for the routes.
    pub services: Services,
    /// The clock.
    pub clock: Arc<ServerClock>,
    /// The node's audit log.
    pub log: Arc<SealedLog>,
    store: Store,
    backlog: Arc<Backlog>,
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process is the node of this data directory.
    #[error("{} is in use by another nightlatch-server", .0.display())]
    InUse(PathBuf),
    /// A restore of the database was killed.
    #[error("{}: a restore did not finish; repeat it", .0.display())]
    Restoring(PathBuf),
    /// The data directory, the audit log in it, or a thread.
    #[error("{0}")]
    Data(String),
}

impl Node {
    /// Starts the server's node: opens the database, brings its tables up to date, opens the log
    /// and starts the threads.
    ///
    /// # Errors
    /// [`StartError`]; [`StartError::InUse`] while another process is this node.
    pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let log = SealedLog::open(&settings.data).map_err(StartError::Data)?;
        if !log.is_ours() {
            return Err(StartError::InUse(settings.data));
        }
        Self::with_log(log, settings, clock).await
    }

    /// As [`Self::start`], for a command that may run beside the server: then the server seals the
    /// events.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_command(
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let log = SealedLog::open(&settings.data).map_err(StartError::Data)?;
        Self::with_log(log, settings, clock).await
    }

    async fn with_log(
        log: SealedLog,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        // An empty database in its place would keep the restore from being repeated.
        if let Database::Sqlite(path) = &settings.database
            && Staged::is_left(path)
        {
            return Err(StartError::Restoring(path.clone()));
        }
        let store = Store::open(&settings.database)?;
        let clock = Arc::new(match store.shared_clock().await? {
            Some(reading) => ServerClock::of_the_database(clock, reading),
            None => ServerClock::of_this_machine(clock),
        });
        store.migrate(clock.now()).await?;
        let data = |error: std::io::Error| StartError::Data(error.to_string());
        let hashing = Hashing::start(settings.hash_threads, settings.hash_cost).map_err(data)?;
        let tag_key = tag_key(&store, clock.now()).await?;
        let backlog = Arc::new(Backlog::default());
        let node = log.node().to_owned();
        let context = Context {
            store: store.clone(),
            clock: clock.clone(),
            outbox: Outbox::new(node.clone(), clock.clone(), backlog.clone()),
            timeouts: settings.timeouts,
            tag_key,
        };
        let context = Arc::new(context);
        let services = Services::new(
            context.clone(),
            Arc::new(hashing),
            settings.passwords,
            settings.item_kinds,
        );
        let (stop, stopped) = watch::channel(());
        let log = Arc::new(log);
        let mut tasks = Vec::new();
        if log.is_ours() {
            let (store, clock, log) = (store.clone(), clock.clone(), log.clone());
            let sealer = Sealer::new(store, clock, node, log, backlog.clone());
            tasks.push(tokio::spawn(sealer.run(stopped.clone())));
        }
        let retention = settings.retention;
        let tidy = keep_to(retention, context, stopped.clone());
        tasks.push(tokio::spawn(tidy));
        if let Database::Postgres(_) = settings.database {
            tasks.push(tokio::spawn(follow(store.clone(), clock.clone(), stopped)));
        }
        Ok(Self {
            services,
            clock,
            log,
            store,
            backlog,
            stop,
            tasks,
        })
    }

    /// Whether the database answers in time and the sealer keeps up.
    pub async fn is_ready(&self) -> bool {
        let is_behind = self.sealer_lag() > READY_WITHIN;
        let answer = tokio::time::timeout(ANSWER, self.store.ping());
        !is_behind && matches!(answer.await, Ok(Ok(())))
    }

    /// For how many milliseconds the oldest event has been waiting for its seal.
    pub fn sealer_lag(&self) -> i64 {
        let since = self.backlog.since();
        since.map_or(0, |since| self.clock.now().since(since).max(0))
    }

    /// How many events were set aside on all nodes, because they could not be read.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn events_set_aside(&self) -> Result<i64, ServiceError> {
        Ok(self.store.count_set_aside().await?)
    }

    /// How many sessions of guests and of users are live.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn live_sessions(&self) -> Result<(i64, i64), ServiceError> {
        Ok(self.store.live_sessions(self.clock.now()).await?)
    }

    /// Seals what waits and stops. After the last request.
    pub async fn stop(self) {
        drop(self.stop);
        for task in self.tasks {
            // A task ends without a result; if it panicked, that was reported.
            let _ = task.await;
        }
    }
}

/// The key of the tags in the log, which the nodes share.
async fn tag_key(store: &Store, now: Millis) -> Result<Key, StartError> {
    let failed = |error: getrandom::Error| StartError::Data(error.to_string());
    let fresh = Key::random().map_err(failed)?;
    let stored = store
        .shared_secret("audit-tags", fresh.expose(), now)
        .await?;
    let bytes: &[u8; 32] = stored
        .as_slice()
        .try_into()
        .map_err(|_| StartError::Data("the key of the audit log's tags is damaged".to_owned()))?;
    Ok(Key::init_with(|key| key.copy_from_slice(bytes)))
}

/// Follows the clock of the database until `stop` changes.
async fn follow(store: Store, clock: Arc<ServerClock>, mut stop: watch::Receiver<()>) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(CLOCK_READ_EVERY) => {}
        }
        match store.shared_clock().await {
            Ok(Some(reading)) => clock.follow(reading),
            Ok(None) => return,
            Err(error) => tracing::warn!("the clock of the database was not read: {error}"),
        }
    }
}
