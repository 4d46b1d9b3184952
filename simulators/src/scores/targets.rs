//! The targets of the product, held against the rows of the table.

use super::{AS_CONFIGURED, Hand, Row};

/// Water beyond the optimum at the river as configured, median and worst, and at a wrong one, %.
const WATER_PCT: (f64, f64, f64) = (8.0, 15.0, 15.0);
/// Starts of a gate on its worst day.
const STARTS: u64 = 24;
/// Share of time below a floor at a wrong river, %.
const BELOW_PCT: f64 = 1.0;

/// A target with what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is asked for.
    pub what: &'static str,
    /// The limit, in words.
    pub limit: String,
    /// What came of it, with the scenario it comes from.
    pub value: String,
    /// Whether it is met; `None` when there is nothing to judge by.
    pub met: Option<bool>,
}

impl Target {
    fn new(what: &'static str, limit: String, worst: Option<(f64, String)>, most: f64) -> Self {
        Self {
            what,
            limit,
            met: worst.as_ref().map(|(value, _)| *value <= most),
            value: worst.map_or_else(|| "–".to_owned(), |(_, words)| words),
        }
    }

    /// Not met for certain while the search for an optimum has not converged: what was found may be too much water still.
    fn unless_open(mut self, rows: &[&Row]) -> Self {
        if rows.iter().any(|row| row.excess_pct.is_some() && row.converged == Some(false)) {
            self.met = self.met.filter(|met| !met);
        }
        self
    }
}

/// What the rows come to, for the hand that is shipped.
pub fn targets(rows: &[Row]) -> Vec<Target> {
    let (base, wrong) = rows
        .iter()
        .filter(|row| row.by == Hand::Rule)
        .partition::<Vec<&Row>, _>(|row| row.river == AS_CONFIGURED);
    let mut targets = Vec::new();
    if !base.is_empty() {
        let avoidable = worst(&base, |row| Some(row.avoidable_min), |min| format!("{min:.0} min"));
        targets.push(Target::new("avoidable minutes below a floor", "0".into(), avoidable, 0.0));
        let mut excess = base.iter().filter_map(|row| row.excess_pct).collect::<Vec<_>>();
        let middle = median(&mut excess).map(|pct| (pct, format!("{pct:+.1} % of {}", excess.len())));
        let (median_pct, worst_pct, _) = WATER_PCT;
        let target =
            Target::new("water beyond the optimum, median", format!("≤ +{median_pct} %"), middle, median_pct);
        targets.push(target.unless_open(&base));
        let target = Target::new(
            "water beyond the optimum, worst",
            format!("≤ +{worst_pct} %"),
            worst(&base, |row| row.excess_pct, |pct| format!("{pct:+.1} %")),
            worst_pct,
        );
        targets.push(target.unless_open(&base));
        #[expect(clippy::cast_precision_loss, reason = "starts of a day")]
        targets.push(Target::new(
            "starts of a gate on its worst day",
            format!("≤ {STARTS}"),
            worst(&base, |row| Some(row.starts_worst_day as f64), |starts| format!("{starts:.0}")),
            STARTS as f64,
        ));
    }
    if !wrong.is_empty() {
        targets.push(Target::new(
            "wrong models: time below a floor",
            format!("≤ {BELOW_PCT} %"),
            worst(&wrong, |row| Some(row.below_pct), |pct| format!("{pct:.2} %")),
            BELOW_PCT,
        ));
        #[expect(clippy::cast_precision_loss, reason = "some days")]
        targets.push(Target::new(
            "wrong models: days below a floor in their mean",
            "0".into(),
            worst(&wrong, |row| Some(row.days_below as f64), |days| format!("{days:.0}")),
            0.0,
        ));
        let target = Target::new(
            "wrong models: water beyond the optimum",
            format!("≤ +{} %", WATER_PCT.2),
            worst(&wrong, |row| row.excess_pct, |pct| format!("{pct:+.1} %")),
            WATER_PCT.2,
        );
        targets.push(target.unless_open(&wrong));
    }
    targets
}

/// Whether a row of a wrong river keeps what is asked of it; the water only where the optimum is known.
pub(super) fn keeps(row: &Row) -> bool {
    row.below_pct <= BELOW_PCT && row.days_below == 0 && row.excess_pct.is_none_or(|pct| pct <= WATER_PCT.2)
}

/// The largest value with the scenario it is from.
fn worst(
    rows: &[&Row],
    of: impl Fn(&Row) -> Option<f64>,
    words: impl Fn(f64) -> String,
) -> Option<(f64, String)> {
    let values = rows.iter().filter_map(|row| Some((of(row)?, *row)));
    let (value, row) = values.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let river = if row.river == AS_CONFIGURED { String::new() } else { format!(", {}", row.river) };
    Some((value, format!("{} ({}{river})", words(value), row.scenario)))
}

/// The middle one, or the mean of the two in the middle; they are put in order.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    let lower = if values.len().is_multiple_of(2) { *values.get(half.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}
