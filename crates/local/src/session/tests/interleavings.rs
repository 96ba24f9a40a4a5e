//! Runs ends of sessions against all other operations, in every possible order for two actors and
//! in a few thousand orders for three: nothing comes back to life, and no end is lost.

mod acts;
mod comebacks;

use std::sync::atomic::{AtomicU64, AtomicUsize};

use acts::{Act, ENDS, LONG, OTHERS, every_pair};
use comebacks::nothing_came_back;

use super::schedule::{Choices, below, moment, point, run};
use super::*;

/// The result of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Began {
        session: SessionId,
        generation: u64,
    },
    Used {
        session: SessionId,
        extended: bool,
    },
    /// The session was used, and a command was started under it at this moment.
    Started {
        session: SessionId,
        at: u64,
    },
    Seen(Option<SessionId>),
    Ended,
    Refused,
}

/// One operation, with its start and end.
#[derive(Debug)]
struct Done {
    act: Act,
    from: u64,
    to: u64,
    outcome: Outcome,
}

/// The first session, and what is done to it.
struct Story {
    bench: Bench,
    first: SessionId,
    generation: AtomicU64,
    done: Mutex<Vec<Done>>,
}

const GENERATION: u64 = 7;

impl Story {
    fn new() -> Self {
        let (bench, first) = Bench::signed_in();
        let (session, generation) = (first, GENERATION);
        let began = Done {
            act: Act::Login,
            from: 0,
            to: 0,
            outcome: Outcome::Began {
                session,
                generation,
            },
        };
        Self {
            bench,
            first,
            generation: AtomicU64::new(GENERATION),
            done: Mutex::new(vec![began]),
        }
    }

    fn act(&self, act: Act) {
        let from = moment();
        let outcome = self.outcome(act);
        let to = moment();
        self.done.lock().unwrap().push(Done {
            act,
            from,
            to,
            outcome,
        });
    }

    fn outcome(&self, act: Act) -> Outcome {
        let (bench, service) = (&self.bench, &self.bench.service);
        match act {
            Act::Login => self.login(ALICE, |_| self.generation.load(Ordering::SeqCst)),
            Act::CarelessLogin => self.login(ALICE, |proven| proven),
            Act::BobLogin => self.login(BOB, |proven| proven),
            Act::Exec => self.exec(true),
            Act::HastyExec => self.exec(false),
            Act::Validate => self.touch(false),
            Act::Status => Outcome::Seen({
                let status = bench.status();
                status
                    .session_id
                    .filter(|_| status.state == SessionState::Active)
            }),
            Act::Logout => self.logout(ALICE),
            Act::BobLogout => self.logout(BOB),
            Act::LogoutAll => {
                let mut accounts = service.accounts().unwrap();
                accounts.extend(service.current().unwrap());
                point();
                for account in accounts {
                    self.logout(account);
                }
                Outcome::Ended
            }
            Act::Passwd => {
                let lock = service.lock().unwrap();
                let reason = TerminationReason::PasswordChanged;
                lock.terminate(ALICE.into(), reason).unwrap();
                point();
                self.generation.fetch_add(1, Ordering::SeqCst);
                point();
                Outcome::Ended
            }
            Act::Revoke => {
                let ending = service.end_one(ALICE, revoked("lost laptop")).record();
                assert!(ending.failures.is_empty() && !ending.without_lock);
                Outcome::Ended
            }
            Act::Idle => {
                bench.clock.advance(IDLE);
                Outcome::Ended
            }
            Act::KeyGone => {
                bench.keeper.forget();
                Outcome::Ended
            }
            Act::Crash => {
                bench.crashes.seen.lock().unwrap().push(self.first);
                Outcome::Ended
            }
            Act::LocklessExtend => self.lockless_extend(),
            Act::LocklessLogout => self.lockless_logout(),
        }
    }

    fn login(&self, account: AccountId, current: impl FnOnce(u64) -> u64) -> Outcome {
        let generation = self.generation.load(Ordering::SeqCst);
        point();
        let new = NewSession {
            generation,
            ..new_session(account)
        };
        let lock = self.bench.service.lock_to_use(account).unwrap();
        point();
        match lock.create(new, Some(current(generation)), Vec::new()) {
            Ok(session) => Outcome::Began {
                session: session.id(),
                generation,
            },
            Err(SessionError::AccountChanged) => Outcome::Refused,
            Err(error) => panic!("{error}"),
        }
    }

    fn touch(&self, extend: bool) -> Outcome {
        let used = self.record(extend).and_then(|recorded| {
            // Taking a lease.
            point();
            recorded.publish()
        });
        match used {
            Ok(used) => Outcome::Used {
                session: used.session.id(),
                extended: extend,
            },
            Err(SessionError::None | SessionError::Ended(_) | SessionError::Revoked(_)) => {
                Outcome::Refused
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn record(&self, extend: bool) -> Result<Recorded<'_>, SessionError> {
        let lock = self.bench.service.lock_to_use(ALICE)?;
        let judged = lock.judge(ALICE.into(), touch(extend))?;
        judged.await_log()?.record(None)
    }

    /// Uses the session, waits for the disk without the lock, and starts a command.
    fn exec(&self, judges_again: bool) -> Outcome {
        let service = &self.bench.service;
        let used = service.use_now(ALICE.into(), touch(true));
        let started = used.and_then(|used| {
            let session = used.session.id();
            let judged = if judges_again {
                Some(service.lock()?.judge_again(used.session)?)
            } else {
                // Syncing the disk takes time.
                point();
                None
            };
            let at = moment();
            drop(judged);
            Ok(Outcome::Started { session, at })
        });
        match started {
            Ok(outcome) => outcome,
            Err(SessionError::None | SessionError::Ended(_) | SessionError::Revoked(_)) => {
                Outcome::Refused
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn logout(&self, account: AccountId) -> Outcome {
        let reason = TerminationReason::Logout;
        self.bench
            .service
            .terminate(account.into(), reason)
            .unwrap();
        Outcome::Ended
    }

    fn slot(&self, account: AccountId) -> Slot {
        let home = self.bench.service.store.identity().unwrap().unwrap();
        Slot::new(home.id, account)
    }

    fn lockless_extend(&self) -> Outcome {
        let slot = self.slot(ALICE);
        if let Some(payload) = self.bench.keeper.read(&slot).unwrap() {
            self.bench.keeper.publish(&slot, &payload, IDLE).unwrap();
        }
        Outcome::Refused
    }

    fn lockless_logout(&self) -> Outcome {
        let found = self.bench.status();
        self.bench.keeper.destroy(&self.slot(ALICE)).unwrap();
        let _ = std::fs::remove_file(self.bench.file());
        if let Some(session) = found.session_id {
            let reason = TerminationReason::Logout;
            let event = Event::new(Details::SessionTerminated { reason }).in_session(session);
            self.bench.audit.append_durable(&[event]).unwrap();
        }
        Outcome::Ended
    }

    /// Fails when something happened that must not.
    fn judge(&self) -> Result<(), String> {
        let done = self.done.lock().unwrap();
        nothing_came_back(&done, self.first)?;
        for account in [ALICE, BOB] {
            let status = self.bench.service.status(account.into()).unwrap();
            let live = self.live_by_the_log(&done, account)?;
            let told = match status.state {
                SessionState::Revoked => None,
                _ => status.session_id,
            };
            if told != live {
                return Err(format!(
                    "{live:?} is live by the log, and {told:?} is there"
                ));
            }
            if live.is_none()
                && self
                    .bench
                    .keeper
                    .read(&self.slot(account))
                    .unwrap()
                    .is_some()
            {
                return Err("a key is held of a session that has ended".to_owned());
            }
            // Whatever there is, live or dead, ends now.
            self.logout(account);
            if let Some(live) = self.live_by_the_log(&done, account)? {
                return Err(format!("the end of {live} is lost"));
            }
        }
        if !self.bench.keeper.is_empty() || self.bench.file().exists() {
            return Err("a key or a file is left of a session that has ended".to_owned());
        }
        Ok(())
    }

    /// The account's session that has no recorded end. Fails when the log shows two live at a time,
    /// two ends of one, or any use of one after its end.
    fn live_by_the_log(
        &self,
        done: &[Done],
        account: AccountId,
    ) -> Result<Option<SessionId>, String> {
        let bobs: Vec<_> = done
            .iter()
            .filter(|done| done.act == Act::BobLogin)
            .map(Done::session)
            .collect();
        let mut live = None;
        for (event, session) in self.bench.records() {
            if event == "LOGIN_SUCCESS" || bobs.contains(&session) != (account == BOB) {
                continue;
            }
            if event.starts_with("SESSION_REVOKED") && session.is_none() {
                if live.is_some() {
                    return Err(format!("{live:?} was live and is not said to be revoked"));
                }
            } else if event == "SESSION_CREATED" {
                if live.is_some() {
                    return Err(format!("{session:?} began before the end of {live:?}"));
                }
                live = session;
            } else if live.is_none() || live != session {
                return Err(format!("{event} of {session:?} while {live:?} was live"));
            } else if !["SESSION_VALIDATED", "SESSION_EXTENDED"].contains(&event.as_str()) {
                live = None;
            }
        }
        Ok(live)
    }
}

impl Done {
    /// Alice's session that it found live, or created.
    fn session(&self) -> Option<SessionId> {
        match self.outcome {
            Outcome::Began { session, .. }
            | Outcome::Used { session, .. }
            | Outcome::Started { session, .. } => Some(session),
            Outcome::Seen(session) => session,
            Outcome::Ended | Outcome::Refused => None,
        }
    }
}

/// Plays `scripts` against each other, one actor for each.
fn play(scripts: &[Vec<Act>], choices: Choices) -> (Result<(), String>, Choices) {
    let story = Story::new();
    let actors = scripts.iter().map(|script| {
        let story = &story;
        let actor: Box<dyn FnOnce() + Send + '_> =
            Box::new(move || script.iter().for_each(|&act| story.act(act)));
        actor
    });
    let choices = run(
        actors.collect(),
        &story.bench.home().join("sessions"),
        choices,
    );
    (story.judge(), choices)
}

/// Plays them in every possible order. Returns how many there are, and the first failure.
fn explore(scripts: &[Vec<Act>]) -> (usize, Result<(), String>) {
    let (mut count, mut next) = (0, Some(Choices::default()));
    while let Some(choices) = next {
        let (judged, made) = play(scripts, choices);
        count += 1;
        if let Err(what) = judged {
            return (count, Err(format!("{scripts:?}: {what}\n{made:?}")));
        }
        next = made.following();
    }
    (count, Ok(()))
}

/// Plays each of `pairs` in every possible order. Returns how many there are. Several at a time, as
/// most of the time is spent waiting for the disk.
fn all_are_safe(pairs: impl IntoIterator<Item = (Act, Act)>) -> usize {
    let left = Mutex::new(pairs.into_iter().collect::<Vec<_>>());
    let orders = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some((end, other)) = next else { break };
                    let (count, judged) = explore(&[vec![end], vec![other]]);
                    judged.unwrap();
                    orders.fetch_add(count, Ordering::SeqCst);
                }
            });
        }
    });
    orders.into_inner()
}

#[test]
fn no_order_of_an_end_and_anything_else_brings_a_session_back_or_loses_its_end() {
    let pairs = every_pair().filter(|pair| !LONG.contains(pair));
    let orders = all_are_safe(pairs);
    assert!(orders >= 1000, "only {orders} orders");
}

#[test]
fn no_order_of_a_revocation_and_anything_else_brings_a_session_back_or_loses_its_end() {
    let others = [Act::Exec, Act::Login, Act::Logout, Act::Revoke];
    let orders = all_are_safe(others.map(|other| (Act::Revoke, other)));
    assert!(orders >= 100, "only {orders} orders");
}

#[test]
#[ignore = "takes half a minute: more than 5,000 orders"]
fn the_pairs_of_the_most_orders_do_not_either() {
    let orders = all_are_safe(LONG);
    assert!(orders >= 5000, "only {orders} orders");
}

#[test]
fn no_order_of_three_actors_tried_by_chance_does_either() {
    let acts = [
        &ENDS[..],
        &OTHERS,
        &[Act::Exec, Act::BobLogin, Act::BobLogout, Act::Revoke],
    ]
    .concat();
    for seed in 0..500 {
        let mut chance = seed;
        let scripts: Vec<Vec<Act>> = (0..3)
            .map(|_| {
                (0..3)
                    .map(|_| acts[below(&mut chance, acts.len())])
                    .collect()
            })
            .collect();
        let (judged, _) = play(&scripts, Choices::random(seed));
        judged.unwrap_or_else(|what| panic!("{what}: seed {seed}, {scripts:?}"));
    }
}

#[test]
fn a_crash_while_another_account_signs_in_or_out_is_not_forgotten() {
    for other in [Act::BobLogin, Act::BobLogout] {
        let (_, judged) = explore(&[vec![Act::Crash, Act::Exec], vec![other]]);
        judged.unwrap();
    }
}

#[test]
fn the_search_finds_what_is_wrong_with_each_broken_program() {
    for (broken, other, wrong) in [
        (Act::LocklessExtend, Act::Logout, "None is live by the log"),
        (Act::LocklessLogout, Act::Logout, "while None was live"),
        (Act::LocklessLogout, Act::Exec, "while None was live"),
        (Act::CarelessLogin, Act::Passwd, "after Done { act: Passwd"),
        (Act::HastyExec, Act::Logout, "after Done { act: Logout"),
    ] {
        let (_, judged) = explore(&[vec![broken], vec![other, Act::Status]]);
        let found = judged.unwrap_err();
        assert!(found.contains(wrong), "{broken:?}: {found}");
    }
}
