//! Counters of requests, as Prometheus reads them.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::api::{METHODS, ROUTES};
use crate::service::mail::MailCounts;

/// The status codes that are counted by themselves.
const STATUSES: [u16; 20] = [
    200, 201, 202, 204, 303, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 421, 423, 429, 500,
    503,
];

/// The upper ends of the buckets of durations, in microseconds.
const BUCKETS: [u64; 10] = [
    500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// Where a request that matches no route is counted.
const NO_ROUTE: usize = ROUTES.len();

/// Counters of one node.
pub struct Metrics {
    /// By route, the last for no route, and by status.
    requests: Vec<[AtomicU64; STATUSES.len()]>,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    /// The sum of durations, in microseconds.
    duration: AtomicU64,
}

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Self {
        Self {
            requests: (0..=NO_ROUTE).map(|_| zeros()).collect(),
            buckets: zeros(),
            duration: AtomicU64::new(0),
        }
    }

    /// Counts a request to the route at this index, or to none.
    pub fn count(&self, route: Option<usize>, status: u16, took: Duration) {
        let route = self.requests.get(route.unwrap_or(NO_ROUTE));
        let status = STATUSES.iter().position(|&known| known == status);
        if let (Some(route), Some(status)) = (route, status) {
            route[status].fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|&end| end < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.duration.fetch_add(micros, Ordering::Relaxed);
    }

    /// All counters as text.
    pub fn render(&self) -> String {
        let mut text = String::from("# TYPE nightlatch_requests_total counter\n");
        for (at, counts) in self.requests.iter().enumerate() {
            let (method, path) = ROUTES.get(at).map_or(("", ""), |route| {
                let method = METHODS.iter().find(|(_, method)| *method == route.method);
                (method.map_or("", |(name, _)| name), route.path)
            });
            for (status, count) in STATUSES.iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    line(
                        &mut text,
                        format_args!(
                            "nightlatch_requests_total{{method=\"{method}\",route=\"{path}\",\
                             status=\"{status}\"}} {count}"
                        ),
                    );
                }
            }
        }
        text.push_str("# TYPE nightlatch_request_seconds histogram\n");
        let mut sum = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let end = BUCKETS
                .get(at)
                .map_or_else(|| "+Inf".to_owned(), |&end| seconds(end));
            let bucket = format_args!("nightlatch_request_seconds_bucket{{le=\"{end}\"}} {sum}");
            line(&mut text, bucket);
        }
        let duration = seconds(self.duration.load(Ordering::Relaxed));
        line(
            &mut text,
            format_args!("nightlatch_request_seconds_sum {duration}"),
        );
        line(
            &mut text,
            format_args!("nightlatch_request_seconds_count {sum}"),
        );
        text
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// What became of mails.
pub fn mails(counts: &MailCounts) -> String {
    let mut text = String::from("# TYPE nightlatch_mails_total counter\n");
    let outcomes = [
        ("sent", &counts.sent),
        ("refused", &counts.refused),
        ("expired", &counts.expired),
    ];
    for (outcome, count) in outcomes {
        let count = count.load(Ordering::Relaxed);
        line(
            &mut text,
            format_args!("nightlatch_mails_total{{outcome=\"{outcome}\"}} {count}"),
        );
    }
    text
}

/// Microseconds as seconds, without rounding.
pub fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_by_its_route_and_status() {
        let metrics = Metrics::new();
        metrics.count(Some(0), 201, Duration::from_micros(700));
        metrics.count(Some(0), 201, Duration::from_secs(9));
        metrics.count(None, 404, Duration::ZERO);
        let text = metrics.render();
        for line in [
            "nightlatch_requests_total{method=\"POST\",route=\"/api/v2/auth/anonymous\",status=\"201\"} 2",
            "nightlatch_requests_total{method=\"\",route=\"\",status=\"404\"} 1",
            "nightlatch_request_seconds_bucket{le=\"0.001000\"} 2",
            "nightlatch_request_seconds_bucket{le=\"+Inf\"} 3",
            "nightlatch_request_seconds_sum 9.000700",
            "nightlatch_request_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
