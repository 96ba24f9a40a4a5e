//! Tests the session service over a scratch home, with a keeper, clocks and crashes that the test
//! controls.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::disallowed_methods
)]

mod deaths;
mod elsewhere;
mod ending;
mod failures;
mod interleavings;
mod lifecycle;
mod property;
mod revocation;
mod schedule;
mod vectors;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::keeper::{Keepers, PAYLOAD_LENGTH, Payload, Slot};
use super::surroundings::Surroundings;
use super::*;
use crate::config::{KeeperChoice, Limits};
use nightlatch_audit::{
    AuditError, AuditLog, AuditName, Details, Event, EventType, Limit, Origin, Query,
    TerminationReason,
};
use nightlatch_core::clock::test_clock::TestClock;
use nightlatch_core::clock::{Boot, Clock, Moment};
use nightlatch_core::crypto::{AccountKey, SessionKey};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_platform::fs::{Dir, FsError};

const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);
const IDLE: Duration = Duration::from_secs(900);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A clock that lets another actor of a test run at each use.
struct Stepping(Arc<TestClock>);

impl Clock for Stepping {
    fn now(&self) -> Moment {
        schedule::point();
        self.0.now()
    }

    fn boot(&self) -> std::io::Result<Boot> {
        self.0.boot()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
}

/// Holds payloads in a map, and fails on request.
#[derive(Default)]
struct FakeKeeper {
    held: Mutex<BTreeMap<Slot, ([u8; PAYLOAD_LENGTH], Duration)>>,
    fails_to_publish: AtomicBool,
    fails_to_read: AtomicBool,
    fails_to_destroy: AtomicBool,
    /// It cannot be used from here, like a keyring in a container.
    is_unusable: AtomicBool,
    /// No other actor runs between its steps.
    is_uneventful: bool,
}

impl FakeKeeper {
    fn uneventful() -> Self {
        Self {
            is_uneventful: true,
            ..Self::default()
        }
    }

    fn point(&self) {
        if !self.is_uneventful {
            schedule::point();
        }
    }

    /// Whether it can be used at all, and the step is not `broken`.
    fn answers(&self, broken: &AtomicBool) -> Result<(), KeeperError> {
        if self.is_unusable.load(Ordering::SeqCst) {
            let why = "not here".to_owned();
            let keeper = KeeperKind::Kernel;
            return Err(KeeperError::Unusable { keeper, why });
        }
        Self::works(broken)
    }

    fn works(broken: &AtomicBool) -> Result<(), KeeperError> {
        if broken.load(Ordering::SeqCst) {
            Err(KeeperError::NoAgent)
        } else {
            Ok(())
        }
    }

    fn is_empty(&self) -> bool {
        self.held.lock().unwrap().is_empty()
    }

    /// Drops everything, as the kernel does at a payload's deadline.
    fn forget(&self) {
        self.held.lock().unwrap().clear();
    }

    /// The lifetime of the one payload that it holds.
    fn lifetime(&self) -> Duration {
        self.held.lock().unwrap().values().next().unwrap().1
    }
}

impl Keeper for Arc<FakeKeeper> {
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError> {
        self.answers(&self.fails_to_publish)?;
        let held = (*payload.expose(), lifetime);
        self.point();
        self.held.lock().unwrap().insert(*slot, held);
        Ok(())
    }

    fn read(&self, slot: &Slot) -> Result<Option<Payload>, KeeperError> {
        self.answers(&self.fails_to_read)?;
        let held = self.held.lock().unwrap();
        let found = held
            .get(slot)
            .map(|(bytes, _)| Payload::init_with(|into| into.copy_from_slice(bytes)));
        drop(held);
        self.point();
        Ok(found)
    }

    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError> {
        self.answers(&self.fails_to_destroy)?;
        let was_there = self.held.lock().unwrap().remove(slot).is_some();
        self.point();
        Ok(was_there)
    }
}

/// The sessions that a process died holding.
#[derive(Default)]
struct FakeCrashes {
    seen: Mutex<Vec<SessionId>>,
    fails_to_forget: AtomicBool,
}

impl CrashWatch for Arc<FakeCrashes> {
    fn crashed(&self, session: SessionId) -> Result<bool, FsError> {
        schedule::point();
        Ok(self.seen.lock().unwrap().contains(&session))
    }

    fn unsettled(&self) -> Result<Vec<String>, FsError> {
        schedule::point();
        let seen = self.seen.lock().unwrap();
        Ok(seen.iter().map(ToString::to_string).collect())
    }

    fn forget(&self, crashes: &[String]) -> Result<(), FsError> {
        schedule::point();
        if self.fails_to_forget.load(Ordering::SeqCst) {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(FsError::new("remove", "a lease", full));
        }
        let mut seen = self.seen.lock().unwrap();
        seen.retain(|session| !crashes.contains(&session.to_string()));
        Ok(())
    }
}

/// A home with a session service, and control over everything it depends on.
struct Bench {
    temp: tempfile::TempDir,
    clock: Arc<TestClock>,
    surroundings: Arc<Mutex<Surroundings>>,
    is_filtered: Arc<AtomicBool>,
    keeper: Arc<FakeKeeper>,
    agent: Arc<FakeKeeper>,
    crashes: Arc<FakeCrashes>,
    audit: Arc<AuditLog>,
    service: SessionService,
}

impl Bench {
    fn new() -> Self {
        Self::with_choice(KeeperChoice::Kernel)
    }

    fn with_choice(choice: KeeperChoice) -> Self {
        // In memory if possible: these tests are not about how long a disk takes to sync.
        let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let temp = temp.unwrap();
        let home = Arc::new(Dir::open_or_create(&temp.path().join("home")).unwrap());
        let clock = Arc::new(TestClock::new());
        let keeper = Arc::new(FakeKeeper::default());
        let crashes = Arc::new(FakeCrashes::default());
        let origin = Origin::new("ws1", 1000, 4242, None);
        let audit = Arc::new(
            AuditLog::new(home.clone(), Arc::new(Stepping(clock.clone()))).with_origin(origin),
        );
        let surroundings = Arc::new(Mutex::new(Surroundings {
            machine: [5; 16],
            user_namespace: 1,
        }));
        let agent = Arc::new(FakeKeeper::uneventful());
        let keepers = Keepers::of(choice, Box::new(keeper.clone()), Box::new(agent.clone()));
        let mut service = SessionService::new(
            home,
            keepers,
            Arc::new(Stepping(clock.clone())),
            audit.clone(),
            Box::new(crashes.clone()),
            Box::new(|account| (account == ALICE).then(|| AuditName::known("alice@example.com"))),
        );
        let here = surroundings.clone();
        service.surroundings = Box::new(move || Ok(*here.lock().unwrap()));
        let is_filtered = Arc::new(AtomicBool::new(false));
        let filtered = is_filtered.clone();
        service.is_filtered = Box::new(move || filtered.load(Ordering::SeqCst));
        Self {
            temp,
            clock,
            surroundings,
            is_filtered,
            keeper,
            agent,
            crashes,
            audit,
            service,
        }
    }

    /// Another service of the same home and machine, with this keeper configured.
    fn service_with(&self, choice: KeeperChoice) -> SessionService {
        let keepers = Keepers::of(
            choice,
            Box::new(self.keeper.clone()),
            Box::new(self.agent.clone()),
        );
        self.service_at(&self.home(), keepers)
    }

    /// A service of the home at `home`, on the same machine, with `keepers`.
    fn service_at(&self, home: &std::path::Path, keepers: Keepers) -> SessionService {
        let home = Arc::new(Dir::open_or_create(home).unwrap());
        let mut service = SessionService::new(
            home,
            keepers,
            self.clock.clone(),
            self.audit.clone(),
            Box::new(self.crashes.clone()),
            Box::new(|_| None),
        );
        let here = self.surroundings.clone();
        service.surroundings = Box::new(move || Ok(*here.lock().unwrap()));
        let filtered = self.is_filtered.clone();
        service.is_filtered = Box::new(move || filtered.load(Ordering::SeqCst));
        service
    }

    /// A bench with a session of Alice's.
    fn signed_in() -> (Self, SessionId) {
        let bench = Self::new();
        let session = bench.create().unwrap().id();
        (bench, session)
    }

    fn create(&self) -> Result<Session, SessionError> {
        self.create_for(ALICE)
    }

    fn create_for(&self, account: AccountId) -> Result<Session, SessionError> {
        let success = Event::new(Details::LoginSuccess);
        create_with(&self.service, new_session(account), vec![success])
    }

    /// Uses Alice's session, as activity.
    fn touch(&self) -> Result<Session, SessionError> {
        self.touch_as(touch(true))
    }

    /// Uses Alice's session.
    fn touch_as(&self, how: Use<'_>) -> Result<Session, SessionError> {
        let used = self.service.use_now(ALICE.into(), how);
        used.map(|used| used.session)
    }

    fn terminate(&self) -> Result<bool, SessionError> {
        self.service
            .terminate(ALICE.into(), TerminationReason::Logout)
    }

    fn status(&self) -> SessionStatus {
        self.service.status(ALICE.into()).unwrap()
    }

    fn is_active(&self) -> bool {
        self.status().state == SessionState::Active
    }

    fn home(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    fn file(&self) -> PathBuf {
        self.home()
            .join("sessions")
            .join(format!("{ALICE}.session"))
    }

    /// The recorded events, in order: each one's type and reason.
    fn events(&self) -> Vec<String> {
        self.records().into_iter().map(|(event, _)| event).collect()
    }

    /// The recorded events except those about the log's own segments, with each one's session.
    fn records(&self) -> Vec<(String, Option<SessionId>)> {
        let query = Query::default().limit(Limit::MAX);
        let found = self.audit.query_unrecorded(&query).unwrap();
        assert_eq!(found.unreadable, 0);
        let happened = found.events.into_iter().filter(|record| {
            !matches!(
                record.event_type.known(),
                Some(EventType::SegmentOpened | EventType::SegmentClosed)
            )
        });
        let told = |record: nightlatch_audit::Record| {
            let details: serde_json::Value = serde_json::from_str(record.details.get()).unwrap();
            let reason = details["reason"].as_str();
            let told = [Some(record.event_type.as_str()), reason];
            let told: Vec<&str> = told.into_iter().flatten().collect();
            (told.join(" "), record.session_id)
        };
        happened.map(told).collect()
    }

    /// The events recorded after the first `known` ones.
    fn events_after(&self, known: usize) -> Vec<String> {
        self.events().split_off(known)
    }

    /// Makes recording fail from now on.
    fn break_audit(&self) {
        let audit = self.home().join("audit");
        std::fs::rename(&audit, self.home().join("audit.aside")).unwrap();
        std::fs::write(&audit, "").unwrap();
    }

    /// Makes recording work again.
    fn mend_audit(&self) {
        let audit = self.home().join("audit");
        std::fs::remove_file(&audit).unwrap();
        std::fs::rename(self.home().join("audit.aside"), &audit).unwrap();
    }
}

/// Creates a session of an account that has not changed since it signed in.
fn create_with(
    service: &SessionService,
    new: NewSession,
    also: Vec<Event>,
) -> Result<Session, SessionError> {
    let generation = Some(new.generation);
    let lock = service.lock_to_use(new.account)?;
    lock.create(new, generation, also)
}

fn revoked(reason: &str) -> EndCause {
    EndCause::Revoked(reason.parse().unwrap())
}

fn new_session(account: AccountId) -> NewSession {
    NewSession {
        account,
        username: "alice@example.com".to_owned(),
        generation: 7,
        account_key: AccountKey::init_with(|key| key.fill(0xAB)),
        limits: Limits::default(),
    }
}

fn touch(extend: bool) -> Use<'static> {
    Use {
        action: "exec",
        extend,
        min_remaining: Duration::ZERO,
    }
}
