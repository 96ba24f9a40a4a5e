//! How fast output with secrets is masked, in megabytes per second: the masker alone.
//!
//! `cargo bench --bench mask` prints medians. Results and what they mean: docs/performance.md.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)] // a bench

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightlatch_core::clock::Clock;
use nightlatch_local::mask::{Masker, Patterns};
use nightlatch_platform::clock::SystemClock;

/// As the program frees memory.
#[global_allocator]
static ALLOCATOR: nightlatch_core::memory::WipingAllocator =
    nightlatch_core::memory::WipingAllocator;

/// As much as a pipe holds.
const CHUNK: usize = 64 * 1024;
const SECRETS: usize = 20;

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let (rounds, chunks) = if measuring { (15, 1024) } else { (1, 1) };
    println!("{:<28} {:>8}", "output", "MB/s");
    let secrets = secrets();
    let log =
        "2026-11-29T10:00:00.123Z INFO  request served path=/api/v2/users status=200 took=12ms\n";
    let base64 = "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2Npbmcg\n";
    let with_one = format!("{}{}\n", log.repeat(10), secrets[3]);
    let alike = "sk_live_key_of_another_account sk_live_\n";
    for (name, text) in [
        ("log", log),
        ("base64", base64),
        ("a secret in every kilobyte", &with_one),
        ("beginnings of secrets", alike),
    ] {
        let chunk: Vec<u8> = text.bytes().cycle().take(CHUNK).collect();
        report(name, &secrets, &chunk, rounds, chunks);
    }
    let noise: Vec<u8> = numbers(1)
        .map(|number| number.to_le_bytes()[5])
        .take(CHUNK)
        .collect();
    report("random bytes", &secrets, &noise, rounds, chunks);
}

fn report(name: &str, secrets: &[String], chunk: &[u8], rounds: usize, chunks: u32) {
    let mut patterns = Patterns::default();
    for secret in secrets {
        assert!(patterns.add(secret.as_bytes()).is_ok(), "long enough");
    }
    let patterns = Arc::new(patterns);
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let mut masker = Masker::new(Arc::clone(&patterns), "****");
            let mut written = 0;
            let start = Instant::now();
            for _ in 0..chunks {
                let now = SystemClock.now().boot;
                masker.push(black_box(chunk), now, |bytes| written += bytes.len());
            }
            black_box(written);
            start.elapsed() / chunks
        })
        .collect();
    times.sort_unstable();
    let nanos = times[rounds / 2].as_nanos().max(1);
    println!("{name:<28} {:>8}", chunk.len() as u128 * 1000 / nanos);
}

/// Keys and passwords as they are in use: some begin alike, some need escapes.
fn secrets() -> Vec<String> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/!&\" ";
    let mut numbers = numbers(7);
    (0..SECRETS)
        .map(|index| {
            let start = ["", "sk_live_", "ghp_", ""][index % 4];
            let rest = numbers.by_ref().take(8 + 4 * index);
            let letter = |number: u64| char::from(letters[(number >> 33) as usize % letters.len()]);
            start.chars().chain(rest.map(letter)).collect()
        })
        .collect()
}

/// Numbers that look random, the same in every run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |number| {
        Some(
            number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    })
}
