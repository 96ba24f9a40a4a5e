//! The geometry of the charts, which the template draws.

use std::collections::BTreeMap;

use nightlatch_audit::{Bucket, CommandEnd, CommandSpan, Count, SessionSpan};
use nightlatch_core::clock::Timestamp;

use super::time::minute;
use crate::cli::text::span;

use super::text::shown;

/// The width of the charts, in their own units.
pub const WIDTH: f64 = 960.0;
/// The width of the names and numbers on the left.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 12.0;
const LANE: f64 = 40.0;
/// Accounts with a lane of their own; the others share one.
const LANES: usize = 8;
const HEIGHT: f64 = 140.0;
/// The height of a band of bars.
const BAND_HEIGHT: f64 = 56.0;
/// The height of the title above it.
const BAND_TITLE: f64 = 24.0;
const TOP: f64 = 14.0;
const NARROW_LEFT: f64 = 56.0;

/// A rectangle with a tooltip.
pub struct Mark {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub class: &'static str,
    pub title: String,
}

/// A grid line with its label.
pub struct Tick {
    pub at: String,
    pub label: String,
    /// The label's `text-anchor`, chosen so that no label is cut off at the edge.
    pub anchor: &'static str,
}

pub struct Lane {
    pub name: String,
    pub text_y: String,
    pub line_y: String,
    pub marks: Vec<Mark>,
}

pub struct Timeline {
    pub height: String,
    pub axis_y: String,
    pub label_y: String,
    pub lanes: Vec<Lane>,
    pub ticks: Vec<Tick>,
}

/// Several kinds of bars, stacked, each with its own scale.
pub struct Bands {
    pub kinds: [Band; 3],
    pub has_any: bool,
    pub ticks: Vec<Tick>,
    pub label_y: String,
    pub height: String,
}

pub struct Band {
    pub name: &'static str,
    pub most: u64,
    pub name_y: String,
    pub top: String,
    pub bottom: String,
    pub marks: Vec<Mark>,
}

pub struct Columns {
    pub marks: Vec<Mark>,
    pub ticks: Vec<Tick>,
    pub most: u64,
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

fn mark(x: f64, y: f64, width: f64, height: f64, class: &'static str, title: String) -> Mark {
    Mark {
        x: number(x),
        y: number(y),
        width: number(width),
        height: number(height),
        class,
        title,
    }
}

/// Maps a time to a position between two others.
struct Scale {
    from: Timestamp,
    to: Timestamp,
}

#[allow(clippy::cast_precision_loss)] // a chart is not that precise
impl Scale {
    fn x(&self, time: Timestamp) -> f64 {
        let whole = self.to.since(self.from).as_secs_f64().max(1.0);
        LEFT + (RIGHT - LEFT) * (time.since(self.from).as_secs_f64() / whole).min(1.0)
    }

    /// Round times, at most seven.
    fn ticks(&self) -> Vec<Tick> {
        const STEPS: [i64; 17] = [
            1, 5, 10, 30, 60, 180, 360, 720, 1440, 2880, 10_080, 20_160, 40_320, 87_600, 525_600,
            5_256_000, 52_560_000,
        ];
        let minutes = |time: Timestamp| time.unix_nanos().div_euclid(60_000_000_000);
        let (from, to) = (minutes(self.from), minutes(self.to));
        let fits = |step: &&i64| to.div_euclid(**step) - from.div_euclid(**step) <= 7;
        let step = STEPS.iter().find(fits).unwrap_or(&STEPS[16]);
        let ticks: Vec<Tick> = (from.div_euclid(*step)..=to.div_euclid(*step))
            .map(|at| Timestamp::from_unix_seconds(at * step * 60))
            .filter(|time| *time >= self.from && *time <= self.to)
            .map(|time| {
                let label = minute(time);
                let x = self.x(time);
                Tick {
                    at: number(x),
                    anchor: if x > RIGHT - 50.0 { "end" } else { "middle" },
                    label: if *step >= 1440 {
                        label[..10].to_owned()
                    } else {
                        label
                    },
                }
            })
            .collect();
        if ticks.is_empty() {
            // The whole range is within one minute.
            return vec![Tick {
                at: number(LEFT),
                label: minute(self.from),
                anchor: "middle",
            }];
        }
        ticks
    }
}

/// Sessions above the commands that ran in them, with a lane per account.
pub fn timeline(sessions: &[SessionSpan], commands: &[CommandSpan]) -> Option<Timeline> {
    let starts = sessions.iter().map(|span| span.start);
    let starts = starts.chain(commands.iter().map(|span| span.start));
    let ends = sessions.iter().map(|span| span.end);
    let scale = Scale {
        from: starts.min()?,
        to: ends.chain(commands.iter().map(|span| span.end)).max()?,
    };
    let mut sizes: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let names = sessions.iter().map(|span| &span.username);
    for name in names.chain(commands.iter().map(|span| &span.username)) {
        *sizes.entry(name.as_deref()).or_default() += 1;
    }
    let mut names: Vec<_> = sizes.into_iter().collect();
    names.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let others = names.len().saturating_sub(LANES);
    let lane_of = |name: Option<&str>| {
        names[..names.len() - others]
            .iter()
            .position(|(of, _)| *of == name)
    };
    let count = names.len() - others + usize::from(others > 0);
    let mut lanes: Vec<Lane> = (0..count)
        .map(|at| Lane {
            name: match names[at].0 {
                _ if at == LANES => format!("{others} other accounts"),
                name => shown(name.unwrap_or("(no account)"), 27),
            },
            text_y: number(TOP + LANE * top(at) + 18.0),
            line_y: number(TOP + LANE * top(at) + LANE),
            marks: Vec::new(),
        })
        .collect();
    for session in sessions {
        let at = lane_of(session.username.as_deref()).unwrap_or(LANES);
        lanes[at]
            .marks
            .push(session_mark(&scale, session, TOP + LANE * top(at) + 6.0));
    }
    for command in commands {
        let at = lane_of(command.username.as_deref()).unwrap_or(LANES);
        lanes[at]
            .marks
            .push(command_mark(&scale, command, TOP + LANE * top(at) + 22.0));
    }
    let bottom = TOP + LANE * top(count);
    Some(Timeline {
        height: number(bottom + 26.0),
        axis_y: number(bottom),
        label_y: number(bottom + 17.0),
        lanes,
        ticks: scale.ticks(),
    })
}

#[allow(clippy::cast_precision_loss)] // there are nine
fn top(lane: usize) -> f64 {
    lane as f64
}

fn session_mark(scale: &Scale, session: &SessionSpan, y: f64) -> Mark {
    let (x, end) = (scale.x(session.start), scale.x(session.end));
    let ended = session
        .ended_by
        .map_or("no end on record".to_owned(), |by| by.to_string());
    let title = format!(
        "{}: session from {}, {}, {ended}",
        shown(session.username.as_deref().unwrap_or("-"), 100),
        minute(session.start),
        span(session.length()),
    );
    mark(x, y, (end - x).max(2.0), 12.0, "session", title)
}

fn command_mark(scale: &Scale, command: &CommandSpan, y: f64) -> Mark {
    let (x, end) = (scale.x(command.start), scale.x(command.end));
    let (class, how) = match command.ended {
        Some(CommandEnd::Exited(0)) => ("command", "succeeded".to_owned()),
        Some(end) => ("nonzero", super::super::text::command_end(end)),
        None => ("unknown", "no end on record".to_owned()),
    };
    let title = format!(
        "{}: {} at {}, {}, {how}",
        shown(command.username.as_deref().unwrap_or("-"), 100),
        shown(&command.program, 100),
        minute(command.start),
        span(command.end.since(command.start)),
    );
    // Failed commands are also taller, because not everybody sees the colour.
    let height = if class == "nonzero" { 14.0 } else { 8.0 };
    mark(x, y, (end - x).max(2.0), height, class, title)
}

/// Failures over time, with a band for each kind.
pub fn failures(parts: &[Bucket]) -> Bands {
    let label = |part: &Bucket| match part.width.as_secs() {
        86_400.. => minute(part.from)[..10].to_owned(),
        _ => minute(part.from),
    };
    let values: Vec<_> = parts.iter().map(|part| (label(part), part.count)).collect();
    let kinds: [(_, _, Number); 3] = [
        ("Failed sign-ins", "failed", |count| count.failed),
        ("Refusals", "refused", |count| count.refused),
        ("Commands that returned non-zero", "nonzero", |count| {
            count.nonzero
        }),
    ];
    let mut top = 0.0;
    let kinds = kinds.map(|(name, class, of)| {
        let area = Area {
            top: top + BAND_TITLE,
            height: BAND_HEIGHT,
        };
        let (marks, most) = bars(&values, &area, class, of);
        let band = Band {
            name,
            most,
            name_y: number(top + 14.0),
            top: number(area.top),
            bottom: number(area.bottom()),
            marks,
        };
        top = area.bottom() + 10.0;
        band
    });
    Bands {
        has_any: kinds.iter().any(|band| band.most > 0),
        kinds,
        ticks: labels(&values, 6),
        label_y: number(top + 8.0),
        height: number(top + 14.0),
    }
}

/// Events by the hour of the day.
pub fn hours(hours: &[Count; 24]) -> Columns {
    let label = |(hour, count): (usize, &Count)| (format!("{hour:02}:00"), *count);
    let values: Vec<_> = hours.iter().enumerate().map(label).collect();
    let area = Area {
        top: TOP,
        height: HEIGHT,
    };
    let (marks, most) = bars(&values, &area, "session", |count| count.events);
    Columns {
        marks,
        ticks: labels(&values, 8),
        most,
    }
}

/// Selects one of the numbers of a count.
type Number = fn(&Count) -> u64;

/// The vertical range of the bars.
struct Area {
    top: f64,
    height: f64,
}

impl Area {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

#[allow(clippy::cast_precision_loss)] // a chart is not that precise
fn step(count: usize) -> f64 {
    (RIGHT - NARROW_LEFT) / count.max(1) as f64
}

#[allow(clippy::cast_precision_loss)] // there are at most some hundred
fn labels(values: &[(String, Count)], most: usize) -> Vec<Tick> {
    let every = values.len().div_ceil(most).max(1);
    let marked = values.iter().enumerate().step_by(every);
    let ticks =
        marked.map(|(at, (label, _))| (NARROW_LEFT + step(values.len()) * at as f64, label));
    ticks
        .filter(|(x, _)| *x < RIGHT - 110.0)
        .map(|(x, label)| Tick {
            at: number(x),
            label: label.clone(),
            anchor: "start",
        })
        .collect()
}

/// A bar for each value except 0, and the largest value.
#[allow(clippy::cast_precision_loss)] // a chart is not that precise
fn bars(
    values: &[(String, Count)],
    area: &Area,
    class: &'static str,
    of: Number,
) -> (Vec<Mark>, u64) {
    let most = values.iter().map(|(_, count)| of(count)).max().unwrap_or(0);
    let tall = |value: u64| area.height * value as f64 / most.max(1) as f64;
    let step = step(values.len());
    let width = (step * 0.8).min(40.0);
    let mut marks = Vec::new();
    for (at, (label, count)) in values.iter().enumerate() {
        let value = of(count);
        if value == 0 {
            continue;
        }
        let x = NARROW_LEFT + step * at as f64;
        let title = format!(
            "{label}: {} events, {} failed sign-ins, {} refusals ({} lockouts), {} commands non-zero",
            count.events, count.failed, count.refused, count.lockouts, count.nonzero
        );
        let height = tall(value).max(1.5);
        let y = area.bottom() - height;
        marks.push(mark(x, y, width, height, class, title.clone()));
        if class == "refused" && count.lockouts > 0 {
            let height = tall(count.lockouts).max(3.0);
            let y = area.bottom() - height;
            // Narrower, because not everybody sees the colour.
            marks.push(mark(x, y, width / 2.0, height, "locked", title));
        }
    }
    (marks, most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn command(account: u32, seconds: i64, ended: Option<CommandEnd>) -> CommandSpan {
        let start = Timestamp::from_unix_seconds(1_763_682_067 + seconds);
        CommandSpan {
            username: Some(format!("user{account}@example.com")),
            program: "psql".to_owned(),
            start,
            end: start.plus(Duration::from_secs(60)),
            ended,
        }
    }

    #[test]
    fn accounts_beyond_the_eighth_share_a_lane_and_no_mark_is_lost_or_outside() {
        let commands: Vec<_> = (0..30)
            .map(|at| command(at % 12, i64::from(at) * 86_400, Some(CommandEnd::Exited(1))))
            .collect();
        let timeline = timeline(&[], &commands).unwrap();
        assert_eq!(timeline.lanes.len(), 9);
        assert_eq!(timeline.lanes[8].name, "4 other accounts");
        let marks: Vec<_> = timeline.lanes.iter().flat_map(|lane| &lane.marks).collect();
        assert_eq!(marks.len(), commands.len());
        for mark in marks {
            let (x, width): (f64, f64) = (mark.x.parse().unwrap(), mark.width.parse().unwrap());
            assert!(x >= LEFT && x + width <= WIDTH, "{x} {width}");
            assert_eq!(mark.class, "nonzero");
        }
        assert!((1..=8).contains(&timeline.ticks.len()));
    }

    #[test]
    fn without_sessions_and_commands_there_is_no_timeline_and_a_short_one_has_a_tick() {
        assert!(timeline(&[], &[]).is_none());
        let mut short = command(0, 0, Some(CommandEnd::Exited(0)));
        short.end = short.start;
        assert_eq!(timeline(&[], &[short]).unwrap().ticks.len(), 1);
    }

    #[test]
    fn a_column_is_as_tall_as_its_value_and_nothing_is_drawn_for_none() {
        let mut counts = [Count::default(); 24];
        (counts[3].events, counts[4].events) = (10, 5);
        let chart = hours(&counts);
        let heights: Vec<_> = chart.marks.iter().map(|mark| &*mark.height).collect();
        assert_eq!(heights, ["140.0", "70.0"]);
        assert_eq!(chart.most, 10);
    }

    #[test]
    fn each_kind_of_failure_has_its_own_band_and_scale() {
        let part = |day: i64, failed, refused, lockouts, nonzero| Bucket {
            from: Timestamp::from_unix_seconds(day * 86_400),
            width: Duration::from_secs(86_400),
            count: Count {
                events: failed + refused + nonzero,
                failed,
                refused,
                nonzero,
                lockouts,
            },
        };
        let chart = failures(&[part(0, 2, 0, 0, 500), part(1, 1, 4, 1, 0)]);
        let most = chart.kinds.each_ref().map(|band| band.most);
        assert_eq!(most, [2, 4, 500]);
        let marks = chart.kinds.each_ref().map(|band| {
            let marks = band.marks.iter();
            marks
                .map(|mark| (mark.class, &*mark.height))
                .collect::<Vec<_>>()
        });
        assert_eq!(marks[0], [("failed", "56.0"), ("failed", "28.0")]);
        assert_eq!(marks[1], [("refused", "56.0"), ("locked", "14.0")]);
        assert_eq!(marks[2], [("nonzero", "56.0")]);
        assert!(!failures(&[part(0, 0, 0, 0, 0)]).has_any);
    }
}
