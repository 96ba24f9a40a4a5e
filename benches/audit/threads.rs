//! Many threads of one process that record at once: one group writer against an append each.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nightlatch_audit::AuditLog;
use nightlatch_audit::{Details, Event, SystemClock};
use nightlatch_platform::fs::Dir;

fn log(home: &Path) -> AuditLog {
    let home = Arc::new(Dir::open_or_create(home).expect("a home"));
    AuditLog::new(home, Arc::new(SystemClock))
}

/// Has `threads` threads call `append` `each` times: how long the last of them took.
fn timed(threads: u32, each: u32, append: impl Fn() + Sync) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| append()));
        }
    });
    start.elapsed()
}

/// Prints durable events per second, in homes below `scratch`.
pub fn measure(scratch: &Path, measuring: bool) {
    println!("durable appends by threads, each waiting for its own:");
    for threads in [1, 8, 64] {
        let each = if measuring { 4_000 / threads } else { 1 };
        let event = || Event::new(Details::SessionExtended);
        let alone = log(&scratch.join(format!("alone-{threads}")));
        let single = timed(threads, each, || {
            alone.append_durable(&[event()]).expect("appended");
        });
        let writer = log(&scratch.join(format!("group-{threads}"))).into_writer();
        let group = timed(threads, each, || {
            writer.append(event()).expect("appended");
        });
        let rate = |took: Duration| f64::from(threads * each) / took.as_secs_f64();
        println!(
            "  {threads:>2} threads: group writer {:>7.0}/s, an append each {:>7.0}/s, {:.1} times",
            rate(group),
            rate(single),
            rate(group) / rate(single)
        );
    }
}
