//! Runs actors on separate threads, one at a time. Between any two effects of the service (on the
//! keeper, the files, the log, the lock), a schedule decides which actor runs next.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Metadata, Subscriber};

/// The name of the event that the service emits before it waits for its lock.
const LOCK_EVENT: &str = "session_lock";

/// Longer than a step takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    static ACTOR: RefCell<Option<(Arc<Schedule>, usize)>> = const { RefCell::new(None) };
}

/// Lets another actor run. Does nothing on a thread that is not an actor's.
pub(super) fn point() {
    arrive(At::Waiting);
}

fn arrive(at: At) {
    let actor = ACTOR.with_borrow(Clone::clone);
    if let Some((schedule, actor)) = actor {
        schedule.arrive(actor, at);
    }
}

/// The number of this moment: unique, and greater for later ones. The actor holds no lock.
pub(super) fn moment() -> u64 {
    ACTOR.with_borrow(|actor| {
        let (schedule, actor) = actor.as_ref().unwrap();
        let mut state = schedule.state.lock().unwrap();
        state.moment += 1;
        state.holder = state.holder.filter(|holder| holder != actor);
        state.moment
    })
}

/// Runs `actors` to their ends, one at a time, as `choices` decides. `locked` is the directory
/// whose lock the service takes: an actor about to wait for the lock does not run while it is held.
pub(super) fn run(
    actors: Vec<Box<dyn FnOnce() + Send + '_>>,
    locked: &Path,
    choices: Choices,
) -> Choices {
    // A call site that another test reached while the subscribers were created may have missed
    // them.
    let events = events();
    tracing::callsite::rebuild_interest_cache();
    let schedule = Arc::new(Schedule {
        state: Mutex::new(State {
            actors: vec![At::Away; actors.len()],
            turn: None,
            holder: None,
            moment: 0,
            stuck: false,
            choices,
        }),
        changed: Condvar::new(),
        lock: File::open(locked).unwrap(),
    });
    std::thread::scope(|scope| {
        for (number, act) in actors.into_iter().enumerate() {
            let schedule = schedule.clone();
            scope.spawn(move || {
                let _gone = Gone(schedule.clone(), number);
                ACTOR.set(Some((schedule, number)));
                tracing::dispatcher::with_default(events, || {
                    point();
                    act();
                });
            });
        }
    });
    let state = schedule.state.lock().unwrap();
    assert!(
        !state.stuck,
        "everyone waits for a lock that nobody gives back"
    );
    state.choices.clone()
}

/// The state of an actor.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Not started, or gone.
    Away,
    Waiting,
    WaitingForLock,
    Running,
    Gone,
}

struct State {
    actors: Vec<At>,
    turn: Option<usize>,
    /// The actor that was let to take the lock, and has not reported since that it holds none.
    holder: Option<usize>,
    moment: u64,
    stuck: bool,
    choices: Choices,
}

struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
    lock: File,
}

impl Schedule {
    fn arrive(&self, actor: usize, at: At) {
        let mut state = self.state.lock().unwrap();
        state.actors[actor] = at;
        if at != At::Waiting {
            state.holder = state.holder.filter(|&holder| holder != actor);
        }
        self.next(&mut state);
        while state.turn != Some(actor) && !state.stuck && at != At::Gone {
            let waited;
            (state, waited) = self.changed.wait_timeout(state, PATIENCE).unwrap();
            state.stuck |= waited.timed_out();
        }
    }

    fn is_free(&self) -> bool {
        let free = self.lock.try_lock().is_ok();
        if free {
            self.lock.unlock().unwrap();
        }
        free
    }

    /// Chooses the next actor once every actor has reached a point, so that no other one is
    /// running.
    fn next(&self, state: &mut State) {
        let busy = |at: &At| matches!(at, At::Away | At::Running);
        if state.actors.iter().any(busy) || state.stuck {
            return;
        }
        let mut free = self.is_free();
        // A child process that another test starts may hold a released lock for a moment.
        let deadline = Instant::now() + PATIENCE;
        while !free && state.holder.is_none() && Instant::now() < deadline {
            std::thread::yield_now();
            free = self.is_free();
        }
        let able = |at: At| at == At::Waiting || (at == At::WaitingForLock && free);
        let able: Vec<usize> = (0..state.actors.len())
            .filter(|&actor| able(state.actors[actor]))
            .collect();
        if able.is_empty() {
            state.stuck = state.actors.contains(&At::WaitingForLock);
        } else {
            let chosen = able[state.choices.choose(able.len())];
            if state.actors[chosen] == At::WaitingForLock {
                state.holder = Some(chosen);
            }
            state.actors[chosen] = At::Running;
            state.turn = Some(chosen);
        }
        self.changed.notify_all();
    }
}

/// Lets the others go on when an actor is done, or has panicked.
struct Gone(Arc<Schedule>, usize);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.arrive(self.1, At::Gone);
    }
}

/// The decisions of a run, wherever there was a choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    /// What was chosen, or will be, and out of how many.
    made: Vec<(usize, usize)>,
    next: usize,
    /// The seed for decisions not made yet; `None` takes the first alternative.
    random: Option<u64>,
}

impl Choices {
    /// Random decisions, the same for the same seed.
    pub(super) fn random(seed: u64) -> Self {
        Self {
            random: Some(seed),
            ..Self::default()
        }
    }

    fn choose(&mut self, count: usize) -> usize {
        if count == 1 {
            return 0;
        }
        if self.next == self.made.len() {
            let chosen = self.random.as_mut().map_or(0, |seed| below(seed, count));
            self.made.push((chosen, count));
        }
        let (chosen, of) = self.made[self.next];
        assert_eq!(of, count, "the same decisions lead elsewhere");
        self.next += 1;
        chosen
    }

    /// The next run in order; `None` after the last.
    pub(super) fn following(mut self) -> Option<Self> {
        while let Some((chosen, count)) = self.made.pop() {
            if chosen + 1 < count {
                self.made.push((chosen + 1, count));
                self.next = 0;
                return Some(self);
            }
        }
        None
    }
}

/// A random number below `count` (splitmix64).
pub(super) fn below(seed: &mut u64, count: usize) -> usize {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((bits ^ (bits >> 31)) % count as u64).unwrap()
}

/// Makes the service's trace events scheduling points as well.
struct Events;

/// Two subscribers: with one alone, a call site first reached by a thread without it is disabled
/// for all.
fn events() -> &'static Dispatch {
    static EVENTS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    &EVENTS.get_or_init(|| [Dispatch::new(Events), Dispatch::new(Events)])[0]
}

impl Subscriber for Events {
    /// Ignores events above DEBUG level, which accompany no effect.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() >= tracing::Level::DEBUG
    }

    fn event(&self, event: &tracing::Event<'_>) {
        arrive(match event.metadata().name() {
            LOCK_EVENT => At::WaitingForLock,
            _ => At::Waiting,
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

mod tests {
    use super::*;

    /// Two actors each read a number and write back one more. Returns in how many runs an increment
    /// is lost.
    fn lost_of(locks: bool) -> (usize, usize) {
        let temp = tempfile::tempdir().unwrap();
        let (mut lost, mut runs) = (0, 0);
        let mut choices = Some(Choices::default());
        while let Some(these) = choices {
            let count = Mutex::new(0);
            let act = || {
                let _lock = locks.then(|| {
                    tracing::trace!(name: LOCK_EVENT, "waiting");
                    let lock = File::open(temp.path()).unwrap();
                    lock.lock().unwrap();
                    lock
                });
                let read = *count.lock().unwrap();
                point();
                *count.lock().unwrap() = read + 1;
            };
            let done = run(vec![Box::new(act), Box::new(act)], temp.path(), these);
            lost += usize::from(*count.lock().unwrap() != 2);
            runs += 1;
            choices = done.following();
        }
        (lost, runs)
    }

    #[test]
    fn every_order_is_tried_once_and_a_lock_excludes() {
        // Two steps each: six orders, in two of which one actor reads after the other wrote.
        assert_eq!(lost_of(false), (4, 6));
        let (lost, runs) = lost_of(true);
        assert_eq!(lost, 0);
        assert!(runs > 2, "{runs}");
    }
}
