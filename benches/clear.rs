//! How long it takes to clear a secret: the drop of each kind there is.
//!
//! `cargo bench --bench clear` prints medians. Results and what they mean: docs/performance.md.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)] // a bench

use std::time::{Duration, Instant};

use nightlatch_core::memory::{Secret, SecretBuffer};

/// As the program frees memory.
#[global_allocator]
static ALLOCATOR: nightlatch_core::memory::WipingAllocator =
    nightlatch_core::memory::WipingAllocator;

const ROUNDS: usize = 10_000;

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measuring { ROUNDS } else { 1 };
    println!("{:<16} {:>10} {:>10}", "cleared", "median", "longest");
    report("key", rounds, || Secret::<32>::init_with(|key| key.fill(1)));
    report("payload", rounds, || {
        Secret::<192>::init_with(|payload| payload.fill(1))
    });
    report("password", rounds, || {
        let mut password = SecretBuffer::with_capacity(1026);
        assert!(password.push(&[1; 1024]), "it fits");
        password
    });
}

fn report<T>(name: &str, rounds: usize, make: impl Fn() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let secret = make();
            let start = Instant::now();
            drop(secret);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (median, longest) = (times[rounds / 2], times[rounds - 1]);
    println!("{name:<16} {median:>10.2?} {longest:>10.2?}");
}
