//! Flow from level by a rating curve, and readings of meters that have no register of their own.
//!
//! A reading made here is worth what its level is worth: quality, reason and time are the level's. Where the curve
//! does not hold there is no number, and the reason names why.

use std::time::Duration;

use jiff::civil::Date;

use super::quality::{Quality, Reading, Reason};
use crate::basin::{Basin, Between, Branch, Curve, Meter, Rating};
use crate::points::Field;
use crate::units::{Discharge, Stage};

/// A flow read off a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// The flow; zero at and below the level of no flow.
    pub flow: Discharge,
    /// Position in [`Rating::versions`] of the curve it was read off.
    pub version: usize,
}

/// Why a level gives no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFlow {
    /// No version holds on that date.
    NoVersion,
    /// The rating is void on that day of the year.
    Void,
    /// Below the lowest point of the curve, and not known to be dry.
    Below,
    /// Above the curve, or further above the highest gauging than may be read off it.
    Above,
}

impl From<NoFlow> for Reason {
    fn from(why: NoFlow) -> Self {
        match why {
            NoFlow::NoVersion => Self::NoRating,
            NoFlow::Void => Self::RatingVoid,
            NoFlow::Below => Self::BelowRating,
            NoFlow::Above => Self::AboveRating,
        }
    }
}

/// The flow at `level` on `date`, a civil date of the site.
///
/// # Errors
///
/// Why there is none: the curve is not in force, void, or does not reach there. A level at or below that of no flow
/// is dry, which is a flow of zero and no error.
pub fn flow(rating: &Rating, level: Stage, date: Date) -> Result<Flow, NoFlow> {
    if rating.void_on(date).is_some() {
        return Err(NoFlow::Void);
    }
    let at = rating.version_on(date).ok_or(NoFlow::NoVersion)?;
    let version = rating.versions.get(at).ok_or(NoFlow::NoVersion)?;
    let flow = on_curve(&version.curve, level)?;
    if flow > version.limit() { Err(NoFlow::Above) } else { Ok(Flow { flow, version: at }) }
}

/// The flow at `level` by the curve alone, whatever was gauged.
///
/// Never falls with rising level: where two branches meet within their tolerance, the upper one begins no lower than the
/// lower one ends.
///
/// # Errors
///
/// When the curve does not reach there.
pub fn on_curve(curve: &Curve, level: Stage) -> Result<Discharge, NoFlow> {
    let flow = match curve {
        Curve::Branches(branches) => on_branches(branches, level)?,
        Curve::Table { rows, zero, between } => {
            let lowest = rows.first().ok_or(NoFlow::Below)?;
            let dry = zero.or((lowest.1 == Discharge::ZERO).then_some(lowest.0));
            if dry.is_some_and(|dry| level <= dry) {
                return Ok(Discharge::ZERO);
            }
            on_rows(rows, *zero, *between, level)?
        }
    };
    Ok(Discharge::lossy(flow))
}

fn on_branches(branches: &[Branch], level: Stage) -> Result<f64, NoFlow> {
    let lowest = branches.first().ok_or(NoFlow::Below)?;
    if level <= lowest.zero {
        return Ok(0.0);
    }
    if level < lowest.from {
        return Err(NoFlow::Below);
    }
    let at = branches.iter().position(|branch| level <= branch.to).ok_or(NoFlow::Above)?;
    let below = branches.iter().take(at).map(|branch| branch_flow(branch, branch.to));
    let here = branches.get(at).map_or(0.0, |branch| branch_flow(branch, level));
    Ok(below.fold(here, f64::max))
}

/// Flow of one branch, as if it went on: Q = c · (H − H₀)^β, zero at and below H₀.
pub fn branch_flow(branch: &Branch, level: Stage) -> f64 {
    branch.factor * (level - branch.zero).get().max(0.0).powf(branch.exponent)
}

fn on_rows(
    rows: &[(Stage, Discharge)],
    zero: Option<Stage>,
    between: Between,
    level: Stage,
) -> Result<f64, NoFlow> {
    let upper = rows.partition_point(|(row, _)| *row < level);
    let high = rows.get(upper).ok_or(NoFlow::Above)?;
    if high.0 == level {
        return Ok(high.1.get());
    }
    let low = upper.checked_sub(1).and_then(|at| rows.get(at)).ok_or(NoFlow::Below)?;
    let ((h1, q1), (h2, q2)) = ((low.0.get(), low.1.get()), (high.0.get(), high.1.get()));
    Ok(match (between, zero) {
        (Between::Log, Some(zero)) => {
            let depth = |h: f64| (h - zero.get()).ln();
            let share = (depth(level.get()) - depth(h1)) / (depth(h2) - depth(h1));
            (q1.ln() + share * (q2 / q1).ln()).exp().clamp(q1, q2)
        }
        // A logarithmic table without its level of no flow is refused at check time.
        (Between::Linear, _) | (Between::Log, None) => q1 + (q2 - q1) * (level.get() - h1) / (h2 - h1),
    })
}

/// Puts the readings of all derived meters behind those of the points, in the order of [`Basin::ratings`].
pub(super) fn derive(basin: &Basin, field: &Field, date: Date, now: Duration, readings: &mut Vec<Reading>) {
    readings.truncate(field.points.len());
    for rating in &basin.ratings {
        let level = field.wiring.meters.get(rating.level.0).copied().flatten();
        let level = level.and_then(|point| readings.get(point.0)).copied().unwrap_or(Reading::NEVER);
        let meter = basin.meters.get(rating.flow.0);
        readings.push(meter.map_or(Reading::NEVER, |meter| reading(meter, rating, level, date, now)));
    }
}

/// The reading of a flow `meter` made of the reading of its level.
fn reading(meter: &Meter, rating: &Rating, level: Reading, date: Date, now: Duration) -> Reading {
    let at = |level: f64| flow(rating, Stage::lossy(level), date);
    let last_good = level.last_good.and_then(|level| at(level).ok()).map(|found| found.flow.get());
    let seen = Reading { value: None, last_good, ..level };
    let bad = |reason: Option<Reason>| Reading { quality: Quality::Bad, reason, ..seen };
    // A level that is itself in doubt keeps its first cause.
    let first = |why: Reason| level.reason.filter(|_| level.usable().is_none()).unwrap_or(why);
    let Some(computed) = level.value.map(at) else { return seen };
    let flow = match computed {
        Ok(found) => found.flow.get(),
        Err(why) => return bad(Some(first(why.into()))),
    };
    if level.age(now).is_some_and(|age| age.as_secs_f64() > meter.hold_s) {
        return bad(Some(level.reason.unwrap_or(Reason::Stale)));
    }
    if flow < meter.min || flow > meter.max {
        let reason = Some(first(Reason::OutOfRange));
        return Reading { value: Some(flow), quality: Quality::Suspect, reason, ..seen };
    }
    Reading { value: Some(flow), ..seen }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::basin::{Gauging, MeterId, MeterKind, Place, Season, Version, Void};
    use crate::control::testing::{name, responsible};
    use jiff::civil::date;

    fn stage(level: f64) -> Stage {
        Stage::new(level).unwrap()
    }

    fn gauging(level: f64, flow: f64) -> Gauging {
        Gauging {
            date: date(2026, 4, 2),
            level: stage(level),
            flow: Discharge::new(flow).unwrap(),
            uncertainty: 0.05,
            who: "gauging duty".into(),
        }
    }

    fn branch(from: f64, to: f64, factor: f64, zero: f64, exponent: f64) -> Branch {
        Branch { from: stage(from), to: stage(to), factor, zero: stage(zero), exponent }
    }

    /// Low branch 10 · (H − 0.20)² to 0.70 m, where it gives 10 · 0.5² = 2.500; high branch 5.661 · (H − 0.10)^1.6, which
    /// begins there with 5.661 · 0.6^1.6 = 5.661 · 0.44161 = 2.49997. Highest gauging 5.0 m³/s.
    fn branches() -> Curve {
        Curve::Branches(vec![branch(0.20, 0.70, 10.0, 0.20, 2.0), branch(0.70, 3.0, 5.661, 0.10, 1.6)])
    }

    fn version(curve: Curve) -> Version {
        Version {
            from: date(2026, 4, 1),
            to: None,
            curve,
            gaugings: vec![gauging(0.5, 0.91), gauging(1.02, 5.0)],
            extrapolate: 0.10,
            uncertainty: 0.08,
        }
    }

    fn rating() -> Rating {
        let ice = Void { season: Season { from: (12, 15), to: (2, 20) }, why: name("ice") };
        let old = Curve::Table {
            rows: vec![(stage(0.1), Discharge::ZERO), (stage(2.1), Discharge::new(20.0).unwrap())],
            zero: None,
            between: Between::Linear,
        };
        let old = Version {
            from: date(2025, 1, 1),
            to: Some(date(2025, 12, 31)),
            gaugings: vec![gauging(2.1, 20.0)],
            ..version(old)
        };
        Rating {
            id: "ford".into(),
            name: name("ford"),
            note: None,
            level: MeterId(0),
            flow: MeterId(1),
            void: vec![ice],
            versions: vec![old, version(branches())],
        }
    }

    const MAY: Date = date(2026, 5, 18);

    fn q(level: f64) -> Result<f64, NoFlow> {
        flow(&rating(), stage(level), MAY).map(|found| found.flow.get())
    }

    #[test]
    fn each_branch_is_its_power_law() {
        // 10 · 0.3² = 0.900; 5.661 · 0.98^1.6 = 5.661 · 0.968193 = 5.4809.
        assert!((q(0.5).unwrap() - 0.9).abs() < 1e-9);
        assert!((q(1.08).unwrap() - 5.4809).abs() < 1e-4);
    }

    #[test]
    fn below_the_level_of_no_flow_is_dry_and_not_unknown() {
        assert_eq!(q(0.20), Ok(0.0));
        assert_eq!(q(-0.35), Ok(0.0));
    }

    /// The highest gauging is 5.0 m³/s and a tenth of it may be added: 5.5 m³/s, which 1.08 m keeps (5.481) and
    /// 1.09 m does not (5.661 · 0.99^1.6 = 5.571). The curve itself goes on to 3 m.
    #[test]
    fn no_number_is_read_off_further_than_a_tenth_above_the_highest_gauging() {
        assert!(q(1.08).is_ok());
        assert_eq!(q(1.09), Err(NoFlow::Above));
        assert_eq!(q(9.0), Err(NoFlow::Above));
    }

    #[test]
    fn the_version_in_force_is_that_of_the_date() {
        let at = |day| flow(&rating(), stage(1.1), day);
        // The straight line from 0.1 m to 20 m³/s at 2.1 m is 10 m³/s half way up.
        let old = at(date(2025, 3, 1)).unwrap();
        assert_eq!((old.flow.get(), old.version), (10.0, 0));
        assert_eq!(at(date(2025, 12, 31)), Err(NoFlow::Void));
        let half = flow(&rating(), stage(0.5), date(2026, 4, 1)).unwrap();
        assert_eq!(half.version, 1);
        assert_eq!(at(date(2024, 7, 1)), Err(NoFlow::NoVersion));
        // The first version has ended and the second not begun.
        assert_eq!(at(date(2026, 3, 1)), Err(NoFlow::NoVersion));
        assert_eq!(at(date(2026, 1, 3)), Err(NoFlow::Void));
    }

    /// Through (1 m, 1 m³/s) and (4 m, 16 m³/s) with no flow at 0 m, straight on logarithmic paper is Q = H².
    #[test]
    fn a_table_is_straight_on_plain_or_on_logarithmic_paper() {
        let rows = vec![(stage(1.0), Discharge::lossy(1.0)), (stage(4.0), Discharge::lossy(16.0))];
        let at = |between, level| {
            let curve = Curve::Table { rows: rows.clone(), zero: Some(stage(0.0)), between };
            on_curve(&curve, stage(level)).map(Discharge::get)
        };
        assert!((at(Between::Log, 2.0).unwrap() - 4.0).abs() < 1e-12);
        assert!((at(Between::Log, 3.0).unwrap() - 9.0).abs() < 1e-12);
        assert!((at(Between::Linear, 2.0).unwrap() - 6.0).abs() < 1e-12);
        assert_eq!(at(Between::Log, 4.0), Ok(16.0));
        assert_eq!((at(Between::Log, 4.1), at(Between::Log, 0.9)), (Err(NoFlow::Above), Err(NoFlow::Below)));
        assert_eq!(at(Between::Linear, -1.0), Ok(0.0));
    }

    fn flow_meter() -> Meter {
        Meter {
            id: "q.ford".into(),
            name: name("q.ford"),
            kind: MeterKind::RiverFlow,
            at: Place::Outside,
            of: Vec::new(),
            min: 0.0,
            max: 4.0,
            accuracy: 0.08,
            accuracy_abs: 0.0,
            principle: "rating_curve".into(),
            least_depth: None,
            max_rate_per_min: None,
            hold_s: 1800.0,
            twin: None,
            responsible: responsible(),
        }
    }

    fn made_of(level: Reading, day: Date, now_s: u64) -> Reading {
        reading(&flow_meter(), &rating(), level, day, Duration::from_secs(now_s))
    }

    fn good(level: f64) -> Reading {
        let taken_at = Some(Duration::from_secs(100));
        let value = Some(level);
        Reading { value, quality: Quality::Good, reason: None, taken_at, last_good: value }
    }

    #[test]
    fn a_flow_is_worth_what_its_level_is_worth() {
        let seen = made_of(good(0.5), MAY, 103);
        assert!((seen.usable().unwrap() - 0.9).abs() < 1e-9);
        assert_eq!((seen.quality, seen.reason, seen.taken_at), (Quality::Good, None, good(0.5).taken_at));
        let stale = Reading { quality: Quality::Stale, reason: Some(Reason::CommError), ..good(0.5) };
        let seen = made_of(stale, MAY, 400);
        assert_eq!((seen.quality, seen.reason), (Quality::Stale, Some(Reason::CommError)));
        assert_eq!((seen.taken_at, seen.value.is_some()), (stale.taken_at, true));
        let gone = Reading { value: None, quality: Quality::Bad, ..stale };
        let seen = made_of(gone, MAY, 4000);
        assert_eq!((seen.value, seen.quality, seen.reason), (None, Quality::Bad, Some(Reason::CommError)));
        assert!((seen.last_good.unwrap() - 0.9).abs() < 1e-9);
        let jumped = Reading { quality: Quality::Suspect, reason: Some(Reason::Rate), ..good(0.5) };
        assert_eq!(made_of(jumped, MAY, 103).usable(), None);
        assert_eq!(made_of(Reading::NEVER, MAY, 103), Reading::NEVER);
    }

    #[test]
    fn where_the_curve_does_not_hold_there_is_no_number_and_a_reason() {
        let why = |level, day| {
            let seen = made_of(good(level), day, 103);
            assert_eq!((seen.value, seen.quality), (None, Quality::Bad));
            seen.reason
        };
        assert_eq!(why(0.5, date(2026, 1, 3)), Some(Reason::RatingVoid));
        assert_eq!(why(0.5, date(2024, 5, 3)), Some(Reason::NoRating));
        assert_eq!(why(2.0, MAY), Some(Reason::AboveRating));
        // 1.0 m is 5.661 · 0.9^1.6 = 4.78 m³/s, more than this meter can show.
        let seen = made_of(good(1.0), MAY, 103);
        assert_eq!((seen.quality, seen.reason), (Quality::Suspect, Some(Reason::OutOfRange)));
    }

    #[test]
    fn a_flow_is_held_no_longer_than_its_own_meter_allows() {
        let seen = made_of(Reading { quality: Quality::Stale, ..good(0.5) }, MAY, 100 + 1801);
        assert_eq!((seen.value, seen.quality, seen.reason), (None, Quality::Bad, Some(Reason::Stale)));
    }

    /// Two branches that meet: the upper factor is the one that makes them, up to `error`.
    fn met(zero: f64, depth: f64, exponents: (f64, f64), lift: f64, error: f64) -> Curve {
        let joint = zero + depth;
        let low = 4.0 * depth.powf(exponents.0);
        let high = low * (1.0 + error) / (depth + lift).powf(exponents.1);
        Curve::Branches(vec![
            branch(zero, joint, 4.0, zero, exponents.0),
            branch(joint, joint + 9.0, high, zero - lift, exponents.1),
        ])
    }

    proptest! {
        #[test]
        fn flow_never_falls_with_level_and_does_not_jump(
            zero in -2.0..500.0_f64,
            depth in 0.2..2.0_f64,
            low in 1.5..2.5_f64,
            high in 1.5..2.5_f64,
            lift in 0.0..0.5_f64,
            error in -0.005..0.005_f64,
            levels in prop::collection::vec(-1.0..6.0_f64, 2..20),
        ) {
            let curve = met(zero, depth, (low, high), lift, error);
            let at = |level: f64| on_curve(&curve, stage(level)).unwrap().get();
            let mut levels = levels;
            levels.sort_by(f64::total_cmp);
            for pair in levels.windows(2) {
                prop_assert!(at(zero + pair[0]) <= at(zero + pair[1]));
            }
            for level in levels.into_iter().map(|level| zero + level).chain([zero, zero + depth]) {
                let (here, above) = (at(level), at(level + 1e-9));
                prop_assert!(here >= 0.0 && above - here <= 0.0051 * here + 1e-6, "{here} to {above}");
            }
        }

        #[test]
        fn a_table_passes_its_rows_and_never_falls(
            steps in prop::collection::vec((0.05..1.0_f64, 0.1..9.0_f64), 2..8),
            log in any::<bool>(),
            levels in prop::collection::vec(0.0..1.0_f64, 2..20),
        ) {
            let mut rows = Vec::new();
            let (mut level, mut flow) = (700.0, 0.0);
            for (up, more) in steps {
                (level, flow) = (level + up, flow + more);
                rows.push((stage(level), Discharge::lossy(flow)));
            }
            let between = if log { Between::Log } else { Between::Linear };
            let (first, last) = (rows[0].0.get(), level);
            let curve = Curve::Table { rows: rows.clone(), zero: Some(stage(700.0)), between };
            let at = |level: f64| on_curve(&curve, stage(level)).unwrap().get();
            for (level, flow) in rows {
                prop_assert!((at(level.get()) - flow.get()).abs() < 1e-9);
            }
            let mut levels: Vec<f64> = levels.into_iter().map(|share| first + share * (last - first)).collect();
            levels.sort_by(f64::total_cmp);
            for pair in levels.windows(2) {
                prop_assert!(at(pair[0]) <= at(pair[1]) + 1e-12);
            }
        }
    }
}
