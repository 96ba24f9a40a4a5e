//! A bounded queue that is fair between networks: they take turns, and none holds more places than
//! it leaves free, nor do all those of one provider. However much one of them sends, there is a place
//! for another one, and its turn comes next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

/// The queue, for the threads that do the work and for those who want it done.
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    /// How many places are free.
    free: usize,
    /// How many places a network or a provider holds, if any.
    held: HashMap<String, usize>,
    /// The jobs of each network that has any; the network at the front has its turn.
    waiting: VecDeque<(String, VecDeque<Job>)>,
    is_closed: bool,
}

/// A place in the queue, until the job in it is done.
pub struct Place {
    queue: Arc<Queue>,
    network: String,
    provider: String,
}

impl Queue {
    /// A queue with so many places.
    pub(super) fn new(places: usize) -> Arc<Self> {
        let state = State {
            free: places,
            held: HashMap::new(),
            waiting: VecDeque::new(),
            is_closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            more: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; `None` when the network or its provider would hold more of them than are left.
    pub(super) fn take(self: &Arc<Self>, network: String, provider: String) -> Option<Place> {
        let mut state = self.lock();
        let free = state.free;
        let has_share = |name| state.held.get(name).copied().unwrap_or(0) < free;
        if !has_share(&network) || !has_share(&provider) {
            return None;
        }
        state.free -= 1;
        for name in [&network, &provider] {
            *state.held.entry(name.clone()).or_default() += 1;
        }
        drop(state);
        Some(Place {
            queue: self.clone(),
            network,
            provider,
        })
    }

    /// The next job. Waits for one; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some((network, mut jobs)) = state.waiting.pop_front() {
                let job = jobs.pop_front();
                if !jobs.is_empty() {
                    state.waiting.push_back((network, jobs));
                }
                if job.is_some() {
                    return job;
                }
            } else if state.is_closed {
                return None;
            } else {
                state = self
                    .more
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Lets the threads end when they have done what waits.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.more.notify_all();
    }
}

impl Place {
    /// Leaves `work` to be done in its turn.
    pub(super) fn run(self, work: impl FnOnce() + Send + 'static) {
        let (queue, network) = (self.queue.clone(), self.network.clone());
        let job: Job = Box::new(move || {
            work();
            drop(self);
        });
        let mut state = queue.lock();
        match state.waiting.iter_mut().find(|(own, _)| *own == network) {
            Some((_, jobs)) => jobs.push_back(job),
            None => state.waiting.push_back((network, VecDeque::from([job]))),
        }
        drop(state);
        queue.more.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.free += 1;
        for name in [&self.network, &self.provider] {
            match state.held.get_mut(name) {
                Some(held) if *held > 1 => *held -= 1,
                _ => {
                    state.held.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn take(queue: &Arc<Queue>, network: &str) -> Option<Place> {
        let provider = format!("provider of {network}");
        queue.take(network.to_owned(), provider)
    }

    /// Takes all places that a network gets.
    fn fill(queue: &Arc<Queue>, network: &str) -> Vec<Place> {
        std::iter::from_fn(|| take(queue, network)).collect()
    }

    #[test]
    fn the_networks_of_one_provider_leave_places_to_others() {
        let queue = Queue::new(100);
        let mut networks = 0..1000;
        let of_provider = || {
            let network = format!("192.0.{}.0/24", networks.next()?);
            queue.take(network, "192.0.0.0/16".to_owned())
        };
        let places: Vec<_> = std::iter::from_fn(of_provider).collect();
        assert_eq!(places.len(), 50);
        assert!(take(&queue, "203.0.113.0/24").is_some());
        drop(places);
        assert!(queue.lock().held.is_empty());
    }

    #[test]
    fn a_network_leaves_places_to_others() {
        let queue = Queue::new(100);
        let first = fill(&queue, "192.0.2.0/24");
        assert_eq!(first.len(), 50);
        let second = fill(&queue, "198.51.100.0/24");
        assert_eq!(second.len(), 25);
        assert!(take(&queue, "203.0.113.0/24").is_some());
        drop(first);
        assert_eq!(fill(&queue, "192.0.2.0/24").len(), 38);
        drop(second);
        assert_eq!(queue.lock().free, 100);
        assert!(queue.lock().held.is_empty());
    }

    #[test]
    fn networks_take_turns() {
        let queue = Queue::new(100);
        let (done, order) = channel();
        let waiting = ["a", "a", "a", "b", "c", "b"];
        for network in waiting {
            let done = done.clone();
            let place = take(&queue, network).unwrap();
            place.run(move || done.send(network).unwrap());
        }
        queue.close();
        while let Some(job) = queue.next() {
            job();
        }
        drop(done);
        assert_eq!(order.iter().collect::<String>(), "abcaba");
        assert_eq!(queue.lock().free, 100);
    }
}
