#![allow(clippy::unwrap_used, clippy::panic)]

mod changes;
mod recovery;
mod resealing;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nightlatch_core::clock::{Boot, BootTime, Moment, Timestamp};
use nightlatch_core::password::secret;
use nightlatch_core::throttle::{FORGOTTEN_AFTER, Failures, LOCK};

use super::tags::tag;
use super::*;

pub(super) const PASSWORD: &str = "violet tractor humming";
pub(super) const OTHER: &str = "seventeen damp lanterns";
const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// Stands still, except that waiting advances it at once and is recorded.
struct TestClock {
    now: Mutex<Timestamp>,
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment {
            wall: *self.now.lock().unwrap(),
            boot: BootTime::from_nanos(0),
        }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        self.advance(duration);
    }
}

impl AccountService {
    pub(super) fn create(
        &self,
        new: NewAccount,
        sponsor: Option<Sponsor>,
    ) -> Result<Authenticated, RegisterError> {
        let registration = self.begin_registration(new, sponsor)?;
        Ok(registration.commit()?.proven)
    }

    fn sign_in(&self, email: &Email, password: SecretBuffer) -> Result<Authenticated, SignInError> {
        Ok(self.attempt(email)?.check(password)?.proven)
    }

    pub(super) fn change_password(
        &self,
        proven: Authenticated,
        new: SecretBuffer,
    ) -> Result<Account, ChangeError> {
        let prepared = self.prepare_password(proven, new)?;
        let change = self.begin_password_change(prepared)?;
        Ok(change.commit()?.erase_leftovers())
    }
}

pub(super) struct Scratch {
    _temp: tempfile::TempDir,
    home: Arc<Dir>,
    clock: Arc<TestClock>,
    pub(super) service: AccountService,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Arc::new(Dir::open_or_create(&temp.path().join("home")).unwrap());
        let clock = Arc::new(TestClock {
            now: Mutex::new(START),
            slept: Mutex::default(),
        });
        let service = service(&home, &clock, Argon2Params::FLOOR);
        Self {
            _temp: temp,
            home,
            clock,
            service,
        }
    }

    pub(super) fn with_alice() -> (Self, Account) {
        let scratch = Self::new();
        let name = "Alice".parse().unwrap();
        let prepared = scratch
            .service
            .prepare(&alice(), Some(&name), secret(PASSWORD));
        let alice = scratch.service.create(prepared.unwrap(), None).unwrap();
        (scratch, alice.account)
    }

    /// Creates another account, authorized by Alice.
    fn enrol(&self, service: &AccountService, email: &Email, password: &str) {
        let sponsor = self.sign_in(&alice(), PASSWORD).unwrap().sponsor();
        let prepared = service.prepare(email, None, secret(password)).unwrap();
        assert!(service.create(prepared, Some(sponsor)).is_ok());
    }

    pub(super) fn sign_in(
        &self,
        email: &Email,
        password: impl AsRef<[u8]>,
    ) -> Result<Authenticated, SignInError> {
        self.service.sign_in(email, secret(password))
    }

    fn refusal(&self, email: &Email, password: impl AsRef<[u8]>) -> SignInError {
        self.sign_in(email, password).err().unwrap()
    }

    fn failures(&self, email: &Email) -> Option<Failures> {
        failures(&self.home, email)
    }

    fn record(&self, email: &Email) -> Record {
        let directory = Directory::open_existing(&self.home).unwrap().unwrap();
        directory.by_email(email).unwrap().unwrap()
    }
}

fn service(home: &Arc<Dir>, clock: &Arc<TestClock>, params: Argon2Params) -> AccountService {
    let (home, clock) = (Arc::clone(home), Arc::clone(clock));
    AccountService::new(home, clock, PasswordRules::Nist, params)
}

/// The failures as another connection sees them.
fn failures(home: &Dir, email: &Email) -> Option<Failures> {
    let directory = Directory::open_existing(home).unwrap().unwrap();
    let tag = tag(&directory.tag_key().unwrap(), email);
    directory.failures(&tag).unwrap()
}

pub(super) fn alice() -> Email {
    "Alice@Example.com".parse().unwrap()
}

pub(super) fn nobody() -> Email {
    "nobody@example.com".parse().unwrap()
}

fn wrong_of(error: &SignInError) -> (Option<AccountId>, u32, bool, u32) {
    match error {
        SignInError::Wrong {
            known,
            remaining_attempts,
            just_locked,
            failures,
            ..
        } => (*known, *remaining_attempts, *just_locked, *failures),
        error => panic!("{error:?}"),
    }
}

#[test]
fn who_registered_signs_in_by_any_spelling_and_always_gets_the_same_key() {
    let (scratch, account) = Scratch::with_alice();
    let first = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let shouted = "ALICE@EXAMPLE.COM".parse().unwrap();
    let second = scratch.sign_in(&shouted, PASSWORD).ok().unwrap();
    assert_eq!((&first.account, &second.account), (&account, &account));
    assert_eq!(first.account_key.expose(), second.account_key.expose());
    assert_eq!(
        scratch.service.find(&shouted).unwrap(),
        Some(account.clone())
    );
    assert_eq!(
        scratch.service.by_id(account.id).unwrap(),
        Some(account.clone())
    );
    assert_eq!(scratch.service.only().unwrap(), Some(account.clone()));
    assert_eq!(scratch.service.generation(account.id).unwrap(), Some(0));
}

#[test]
fn looking_for_accounts_creates_nothing() {
    let scratch = Scratch::new();
    let id = AccountId::random().unwrap();
    assert_eq!(scratch.service.find(&alice()).unwrap(), None);
    assert_eq!(scratch.service.generation(id).unwrap(), None);
    assert_eq!(scratch.service.only().unwrap(), None);
    assert_eq!(scratch.service.count().unwrap(), 0);
    assert!(scratch.home.names().unwrap().is_empty());
}

#[test]
fn a_weak_password_and_a_taken_email_make_no_account() {
    let (scratch, _) = Scratch::with_alice();
    let service = &scratch.service;
    let weak = service.prepare(&nobody(), None, secret("short"));
    assert!(matches!(weak, Err(PrepareError::Policy(_))));
    let taken = "alice@EXAMPLE.com".parse().unwrap();
    let sponsor = scratch.sign_in(&alice(), PASSWORD).unwrap().sponsor();
    let prepared = service.prepare(&taken, None, secret(OTHER)).unwrap();
    let taken = service.begin_registration(prepared, Some(sponsor)).err();
    assert!(matches!(taken, Some(RegisterError::EmailTaken)));
    assert_eq!(scratch.service.count().unwrap(), 1);
}

#[test]
fn an_account_that_was_begun_exists_only_once_it_is_committed() {
    let scratch = Scratch::new();
    let service = &scratch.service;
    let start = || {
        let prepared = service.prepare(&alice(), None, secret(PASSWORD)).unwrap();
        service.begin_registration(prepared, None).unwrap()
    };
    drop(start());
    assert_eq!(service.count().unwrap(), 0);
    let registration = start();
    // Not visible yet to other connections.
    assert_eq!(service.count().unwrap(), 0);
    assert!(registration.commit().is_ok());
    assert_eq!(service.count().unwrap(), 1);
}

#[test]
fn of_ten_concurrent_registrations_of_one_email_exactly_one_succeeds_and_is_announced() {
    let (scratch, _) = Scratch::with_alice();
    let sponsor = scratch.sign_in(&alice(), PASSWORD).unwrap().sponsor();
    let announced = AtomicUsize::new(0);
    let register = || {
        let service = &scratch.service;
        let prepared = service.prepare(&nobody(), None, secret(OTHER)).unwrap();
        let registration = service.begin_registration(prepared, Some(sponsor))?;
        announced.fetch_add(1, Ordering::SeqCst);
        Ok::<_, RegisterError>(registration.commit()?)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(register)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(announced.into_inner(), 1);
    let taken = |outcome: &&_| matches!(outcome, Err(RegisterError::EmailTaken));
    assert_eq!(outcomes.iter().filter(taken).count(), 9);
}

#[test]
fn the_fifth_failure_locks_even_for_the_right_password_until_half_an_hour_has_passed() {
    let (scratch, account) = Scratch::with_alice();
    for (failure, remaining) in [(1, 4), (2, 3), (3, 2), (4, 1), (5, 0)] {
        let error = scratch.refusal(&alice(), OTHER);
        let expected = (Some(account.id), remaining, failure == 5, failure);
        assert_eq!(wrong_of(&error), expected);
    }
    let until = scratch.failures(&alice()).unwrap().locked_until.unwrap();
    let error = scratch.refusal(&alice(), PASSWORD);
    assert!(
        matches!(error, SignInError::Locked { known, until: told, .. }
            if known == Some(account.id) && told == until),
        "{error:?}"
    );
    scratch.clock.advance(LOCK);
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
    assert_eq!(scratch.failures(&alice()), None);
}

#[test]
fn an_unknown_email_is_refused_delayed_and_locked_as_a_known_one_is() {
    let (scratch, _) = Scratch::with_alice();
    let said = |email: &Email| {
        let said: Vec<String> = (0..6)
            .map(|_| scratch.refusal(email, OTHER).to_string())
            .collect();
        let slept = std::mem::take(&mut *scratch.clock.slept.lock().unwrap());
        *scratch.clock.now.lock().unwrap() = START;
        (said, slept)
    };
    let (known, unknown) = (said(&alice()), said(&nobody()));
    assert_eq!(known, unknown);
    assert_eq!(known.1, [Duration::from_secs(1), Duration::from_secs(2)]);
    assert!(known.0[5].contains("locked"), "{known:?}");
    let error = scratch.refusal(&nobody(), OTHER);
    let SignInError::Locked {
        tag, known: None, ..
    } = error
    else {
        panic!("{error:?}")
    };
    let attempt = nobody();
    let attempt = scratch.service.attempt(&attempt).unwrap();
    assert_eq!((attempt.known(), attempt.tag()), (None, tag));
    let left = |email: &Email| {
        scratch.clock.advance(2 * LOCK);
        wrong_of(&scratch.refusal(email, OTHER)).1
    };
    assert_eq!((left(&alice()), left(&nobody())), (4, 4));
}

#[test]
fn unknown_wrong_locked_and_impossible_passwords_cost_one_hash_of_the_same_cost() {
    let (mut scratch, _) = Scratch::with_alice();
    let hashed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hashed);
    scratch.service.hasher = Box::new(move |password, salt, params| {
        seen.lock().unwrap().push((*salt, params));
        argon2id(password, salt, params)
    });
    let work = |email: &Email, password: &[u8]| {
        assert!(scratch.sign_in(email, password).is_err());
        std::mem::take(&mut *hashed.lock().unwrap())
    };
    let unknown = work(&nobody(), OTHER.as_bytes());
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].1, Argon2Params::FLOOR);
    assert_eq!(
        unknown,
        work(&nobody(), PASSWORD.as_bytes()),
        "a stable salt"
    );
    let known = work(&alice(), OTHER.as_bytes());
    assert_eq!(known.len(), 1);
    for impossible in [&b"\xff\xfe"[..], &[b'a'; 1025], b"", OTHER.as_bytes()] {
        assert_eq!(known, work(&alice(), impossible));
    }
    assert_eq!(known, work(&alice(), PASSWORD.as_bytes()), "locked by now");
}

#[test]
fn an_unknown_email_costs_what_some_account_does_though_the_default_was_raised() {
    let (scratch, _) = Scratch::with_alice();
    let [dearer, dearest] = [3, 4].map(|passes| Argon2Params::new(20 * 1024, passes, 1).unwrap());
    let bob = "bob@example.com".parse().unwrap();
    let other = service(&scratch.home, &scratch.clock, dearer);
    scratch.enrol(&other, &bob, PASSWORD);
    // An account that authorizes another signs in first, which raises its cost if the configured
    // one is higher. Here it is not.
    assert_eq!(scratch.record(&alice()).sealed.params, Argon2Params::FLOOR);
    let hashed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hashed);
    let mut raised = service(&scratch.home, &scratch.clock, dearest);
    raised.hasher = Box::new(move |_, _, params| {
        seen.lock().unwrap().push(params);
        Ok(Key::zeroed())
    });
    let costs = || {
        for number in 0..20 {
            let email = format!("nobody{number}@example.com").parse().unwrap();
            assert!(raised.sign_in(&email, secret(OTHER)).is_err());
        }
        std::mem::take(&mut *hashed.lock().unwrap())
    };
    let first = costs();
    assert_eq!(first.len(), 20);
    let theirs = [Argon2Params::FLOOR, dearer];
    assert!(first.iter().all(|cost| theirs.contains(cost)), "{first:?}");
    assert_eq!(first, costs(), "each email its own, every time");
}

#[test]
fn a_failure_is_on_disk_before_the_password_is_hashed() {
    let (mut scratch, _) = Scratch::with_alice();
    let home = Arc::clone(&scratch.home);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let counts = Arc::clone(&seen);
    scratch.service.hasher = Box::new(move |password, salt, params| {
        let failures = failures(&home, &alice()).unwrap();
        counts
            .lock()
            .unwrap()
            .push((failures.count, failures.locked_until.is_some()));
        argon2id(password, salt, params)
    });
    for _ in 0..4 {
        scratch.refusal(&alice(), OTHER);
    }
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
    let expected = [(1, false), (2, false), (3, false), (4, false), (5, true)];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(scratch.failures(&alice()), None);
}

#[test]
fn many_right_passwords_at_once_all_sign_in() {
    let (scratch, _) = Scratch::with_alice();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert!(scratch.sign_in(&alice(), PASSWORD).is_ok()));
        }
    });
    assert!(scratch.clock.slept.lock().unwrap().is_empty());
}

#[test]
fn a_delay_is_waited_for_without_the_lock_that_others_need() {
    let (scratch, _) = Scratch::with_alice();
    for _ in 0..3 {
        scratch.refusal(&alice(), OTHER);
    }
    let (home, waited) = (Arc::clone(&scratch.home), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&waited);
    let told: DelayNotice = Arc::new(move |_| {
        let turns = home.subdir_or_create(TURNS).unwrap();
        for turn in turns.names().unwrap() {
            let turn = turns.subdir_or_create(&turn).unwrap();
            assert!(!turn.is_locked().unwrap());
        }
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let waiting = service(&scratch.home, &scratch.clock, Argon2Params::FLOOR).on_delay(Some(told));
    assert!(waiting.sign_in(&alice(), secret(OTHER)).is_err());
    assert_eq!(waited.load(Ordering::SeqCst), 1);
    assert_eq!(
        *scratch.clock.slept.lock().unwrap(),
        [Duration::from_secs(1)]
    );
}

#[test]
fn many_wrong_passwords_at_once_get_five_guesses() {
    let (scratch, _) = Scratch::with_alice();
    let guesses = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                if matches!(scratch.refusal(&alice(), OTHER), SignInError::Wrong { .. }) {
                    guesses.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(guesses.into_inner(), 5);
}

#[test]
fn failures_long_past_are_pruned_and_locks_are_not() {
    let (scratch, _) = Scratch::with_alice();
    scratch.refusal(&nobody(), OTHER);
    scratch
        .clock
        .advance(FORGOTTEN_AFTER + Duration::from_secs(1));
    scratch.refusal(&alice(), OTHER);
    assert_eq!(scratch.failures(&nobody()), None);
    assert!(scratch.failures(&alice()).is_some());
}

#[test]
fn composed_and_decomposed_passwords_sign_in() {
    let scratch = Scratch::new();
    let composed = secret("caf\u{e9} lanterns tractor");
    let prepared = scratch.service.prepare(&alice(), None, composed).unwrap();
    assert!(scratch.service.create(prepared, None).is_ok());
    assert!(
        scratch
            .sign_in(&alice(), "cafe\u{301} lanterns tractor")
            .is_ok()
    );
}
