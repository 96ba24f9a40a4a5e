//! Counts over time ranges of any length.

use std::collections::BTreeMap;
use std::time::Duration;

use super::count::Count;
use crate::record::Record;
use nightlatch_core::clock::Timestamp;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Weeks begin on Monday; the epoch was a Thursday.
const OFFSET: i64 = 3 * DAY;
/// The maximum number of parts kept; if there are more, each becomes wider.
const MAX_PARTS: usize = 1000;
/// The possible widths in seconds, each a multiple of the one before. With the last one, the whole
/// range of timestamps has fewer than `MAX_PARTS` parts.
const KEPT: [i64; 5] = [HOUR, DAY, 7 * DAY, 70 * DAY, 700 * DAY];
/// The widths that are shown.
const SHOWN: [i64; 12] = [
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    70 * DAY,
    140 * DAY,
    700 * DAY,
    7000 * DAY,
];

/// A part of the time range that the log covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Bucket {
    /// Its start.
    pub from: Timestamp,
    /// How long it is.
    pub width: Duration,
    /// What happened in it.
    pub count: Count,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// An index into [`KEPT`].
    step: usize,
    parts: BTreeMap<i64, Count>,
}

impl Series {
    pub(super) fn add(&mut self, record: &Record) {
        let seconds = record.timestamp.unix_nanos().div_euclid(1_000_000_000) + OFFSET;
        let part = seconds.div_euclid(KEPT[self.step]);
        self.parts.entry(part).or_default().add(record);
        while self.parts.len() > MAX_PARTS && self.step + 1 < KEPT.len() {
            self.step += 1;
            self.parts = self.merged(KEPT[self.step - 1], KEPT[self.step]);
        }
    }

    fn merged(&self, from: i64, to: i64) -> BTreeMap<i64, Count> {
        let mut wider: BTreeMap<i64, Count> = BTreeMap::new();
        for (part, &count) in &self.parts {
            wider
                .entry(part.div_euclid(to / from))
                .or_default()
                .merge(count);
        }
        wider
    }

    pub(super) fn dense(&self, columns: usize) -> Vec<Bucket> {
        let kept = KEPT[self.step];
        let (Some((&first, _)), Some((&last, _))) =
            (self.parts.first_key_value(), self.parts.last_key_value())
        else {
            return Vec::new();
        };
        let fits = |width: i64| {
            let times = width / kept;
            let count = last.div_euclid(times) - first.div_euclid(times) + 1;
            usize::try_from(count).is_ok_and(|count| count <= columns)
        };
        let width = SHOWN
            .into_iter()
            .filter(|width| width % kept == 0)
            .find(|&width| fits(width))
            .unwrap_or(SHOWN[SHOWN.len() - 1]);
        let parts = self.merged(kept, width);
        let times = width / kept;
        (first.div_euclid(times)..=last.div_euclid(times))
            .map(|part| Bucket {
                from: Timestamp::from_unix_seconds(part * width - OFFSET),
                width: Duration::from_secs(width.unsigned_abs()),
                count: parts.get(&part).copied().unwrap_or_default(),
            })
            .collect()
    }
}
