//! Whether two series of times can be told apart; shared with the bench of the server.

/// The z or t beyond which a difference counts as found (dudect's).
const FOUND: f64 = 4.5;

/// A fixed sequence, so that a run can be repeated (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(0x6e69_6768_746c_6174)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("small")
    }

    /// The numbers below `N` in random order.
    pub fn order<const N: usize>(&mut self) -> [usize; N] {
        let mut order: [usize; N] = std::array::from_fn(|at| at);
        for at in (1..N).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}

/// Prints the median and the quartiles of each series, in milliseconds.
pub fn summarize(what: &str, names: &[&str], times: &[Vec<f64>]) {
    println!("\n{what:<18} {:>10} {:>10}", "median", "quartiles");
    for (name, times) in names.iter().zip(times) {
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(times, part));
        println!("{name:<18} {middle:>7.3} ms {low:>7.3} to {high:.3} ms");
    }
}

/// Prints how much the series of each pair differ.
pub fn compare(names: &[&str], times: &[Vec<f64>], pairs: &[(usize, usize)]) {
    println!("{:<36} {:>10} {:>7} {:>7}", "", "medians", "z", "t");
    for &(one, two) in pairs {
        let (a, b) = (&times[one], &times[two]);
        let (z, t) = (rank_z(a, b), welch_t(a, b));
        let pair = format!("{} / {}", names[one], names[two]);
        let differ = (quantile(b, 0.5) - quantile(a, 0.5)) * 1000.0;
        let found = if z.abs().max(t.abs()) > FOUND {
            "told apart"
        } else {
            ""
        };
        println!("{pair:<36} {differ:>+7.0} us {z:>+7.2} {t:>+7.2} {found}");
    }
}

fn sorted(times: &[f64]) -> Vec<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times
}

fn quantile(times: &[f64], part: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an index
    let at = (times.len() as f64 * part) as usize;
    sorted(times)[at.min(times.len() - 1)]
}

/// Mann and Whitney's U, as a standard normal z; above 0 where `b` is the slower.
fn rank_z(a: &[f64], b: &[f64]) -> f64 {
    let a = sorted(a);
    let smaller: usize = b.iter().map(|b| a.partition_point(|a| a < b)).sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    (smaller as f64 - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// Welch's t of the faster nine tenths of both, as the slowest are the machine's affair.
fn welch_t(a: &[f64], b: &[f64]) -> f64 {
    let both = [a, b].concat();
    let cut = quantile(&both, 0.9);
    let moments = |times: &[f64]| {
        let kept: Vec<f64> = times.iter().copied().filter(|&time| time <= cut).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let spread = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
        (mean, spread / (count - 1.0) / count)
    };
    let ((a, a_spread), (b, b_spread)) = (moments(a), moments(b));
    (b - a) / (a_spread + b_spread).sqrt()
}
