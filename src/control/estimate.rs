//! What the river is doing and will do: short memory of the flows, what nobody metered, and the flow
//! expected at each section from water that is already on its way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::outlook::Outlook;
use super::routing::{self, Draw, Lateral, LateralSource, Pace, Path, Stretch};
use super::series::{BIN_S, Series};
use crate::basin::{Basin, IntakeId, MeterId};
use crate::config::Schedules;
use crate::units::Discharge;

/// Earliest and latest arrival as a share of the tabled travel time. Assumed: pools and a rough low-flow bed
/// delay a step more than the table, a rise steepens and comes a little early.
pub const ARRIVAL: (f64, f64) = (0.88, 1.2);

/// Share of the usual weight with which a flow within its band teaches. Assumed: a day for the six hours outside.
const SLOWLY: f64 = 0.25;

/// Share of the usual weight for the lasting part. Assumed: four days for six hours, longer than a wave recedes.
const LASTING: f64 = 1.0 / 16.0;

/// Memory of the river; survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct River {
    /// Measured flow below each dispatched reservoir, by reservoir position.
    pub outflow: BTreeMap<usize, Series>,
    /// Flows of the meters the paths use.
    pub meters: BTreeMap<MeterId, Series>,
    /// One per path.
    pub paths: Vec<PathMemory>,
    /// Where each of `meters` is heading; worked out when a bin closes.
    #[serde(skip)]
    outlooks: BTreeMap<MeterId, Outlook>,
}

/// What is learnt about one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PathMemory {
    /// Flow at the section that metered water does not explain, m³/s; negative is loss. As seen lately.
    pub unexplained: f64,
    /// The same over days: what does not go away when a wave has passed.
    #[serde(default)]
    pub lasting: f64,
    /// Mean size of what the estimate still missed lately, m³/s.
    pub error: f64,
    /// Set once the estimate has been started from a reading.
    pub primed: bool,
    /// Bins seen since then.
    #[serde(default)]
    pub bins: u32,
}

/// Least, expected and largest flow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Band {
    /// Least.
    pub low: f64,
    /// Expected.
    pub mid: f64,
    /// Largest.
    pub high: f64,
}

impl Band {
    fn add(&mut self, gain: f64, other: Self) {
        self.low += gain * other.low;
        self.mid += gain * other.mid;
        self.high += gain * other.high;
    }

    fn subtract(&mut self, gain: f64, other: Self) {
        self.low -= gain * other.high;
        self.mid -= gain * other.mid;
        self.high -= gain * other.low;
    }
}

/// The fixed things an estimate looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// Announced turns.
    pub schedules: &'a Schedules,
    /// Civil time now.
    pub utc: Timestamp,
}

impl Scene<'_> {
    fn date(&self) -> Date {
        self.basin.date_at(self.utc)
    }

    fn month(&self) -> i8 {
        self.date().month()
    }

    /// Month at the site `hours` from now.
    fn month_in(&self, hours: f64) -> i8 {
        let then = jiff::SignedDuration::from_secs(hours_to_s(hours));
        self.basin.date_at(self.utc.saturating_add(then).unwrap_or(self.utc)).month()
    }
}

/// When a flow is asked for at the end of its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// So many hours from now, on the clock.
    At(f64),
    /// Together with water that leaves now and takes so many hours. A slow river is slow for both, so only the
    /// difference of their travel times is uncertain.
    With(f64),
}

impl When {
    /// Hours ago at which a flow entered that needs `lag` hours: earliest arrival, tabled, latest, in no order.
    /// Negative lies ahead.
    fn entered(self, lag: f64) -> (f64, f64, f64) {
        match self {
            Self::At(ahead) => (ARRIVAL.0 * lag - ahead, lag - ahead, ARRIVAL.1 * lag - ahead),
            Self::With(other) => (ARRIVAL.0 * (lag - other), lag - other, ARRIVAL.1 * (lag - other)),
        }
    }

    fn hours(self) -> f64 {
        match self {
            Self::At(hours) | Self::With(hours) => hours,
        }
    }
}

/// What a section needs of the release that leaves now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Release.
    pub release: f64,
    /// Lateral inflow expected then, as it counts at the section.
    pub inflow: f64,
    /// Intakes expected then, as they count at the section.
    pub intakes: f64,
    /// Loss to the bed and everything unexplained, as it counts at the section.
    pub losses: f64,
    /// Hours until the release arrives.
    pub lag_h: f64,
}

impl River {
    /// An empty memory for `paths`.
    pub fn new(basin: &Basin, paths: &[Path]) -> Self {
        let mut river = Self { paths: vec![PathMemory::default(); paths.len()], ..Self::default() };
        for path in paths {
            river.outflow.entry(path.source.0).or_default();
            let laterals = path.laterals.iter().filter_map(|l| match l.source {
                LateralSource::Meter(meter) => Some(meter),
                LateralSource::Table(..) => None,
            });
            let draws = path.draws.iter().filter_map(|d| basin.intakes.get(d.intake.0)?.meter);
            let section = basin.sections.get(path.section.0).map(|s| s.meter);
            for meter in laterals.chain(draws).chain(section) {
                river.meters.entry(meter).or_default();
            }
        }
        river
    }

    /// Adds readings of this tick; `None` where there is no usable one.
    pub fn add(&mut self, outflow: impl Fn(usize) -> Option<f64>, meter: impl Fn(MeterId) -> Option<f64>) {
        for (at, series) in &mut self.outflow {
            series.add(outflow(*at));
        }
        for (id, series) in &mut self.meters {
            series.add(meter(*id));
        }
    }

    /// Closes a bin of [`BIN_S`] and learns from it.
    pub fn close(&mut self, scene: &Scene<'_>, paths: &[Path], target: impl Fn(usize) -> f64) {
        for series in self.outflow.values_mut().chain(self.meters.values_mut()) {
            series.close();
        }
        let control = &scene.basin.control;
        self.outlooks = self.meters.iter().map(|(id, series)| (*id, Outlook::of(series, control))).collect();
        for (at, path) in paths.iter().enumerate() {
            let release = target(path.source.0);
            let section = scene.basin.sections.get(path.section.0).map(|s| s.meter);
            let seen = section.and_then(|meter| self.meters.get(&meter)).and_then(Series::latest);
            let (Some(seen), Some(band)) =
                (seen, self.explained(scene, path, &self.pace(scene, path, release), release, 0.0))
            else {
                continue;
            };
            let floor = scene.basin.sections.get(path.section.0).and_then(|s| s.floor_on(scene.date()));
            if let Some(memory) = self.paths.get_mut(at) {
                let floor = floor.map_or(seen, Discharge::get);
                memory.learn(seen, band, floor, BIN_S / scene.basin.control.loss_filter_s);
            }
        }
    }

    /// Notes that the service was away for `bins`.
    pub fn skip(&mut self, bins: usize) {
        for series in self.outflow.values_mut().chain(self.meters.values_mut()) {
            series.skip(bins);
        }
        self.outlooks.clear();
    }

    /// Flow expected at a path's section `ahead` hours from now when the release stays at `release`; `pace` is
    /// [`River::pace`] then.
    pub fn expected(
        &self,
        scene: &Scene<'_>,
        paths: &[Path],
        at: usize,
        pace: &Pace,
        release: f64,
        ahead: f64,
    ) -> Option<Band> {
        let (path, memory) = (paths.get(at)?, self.paths.get(at)?);
        let mut band = self.explained(scene, path, pace, release, ahead)?;
        for part in [&mut band.low, &mut band.mid, &mut band.high] {
            *part = (*part + memory.unexplained).max(0.0);
        }
        Some(band)
    }

    /// Flow that metered and tabled water explains at the section, `ahead` hours from now.
    fn explained(
        &self,
        scene: &Scene<'_>,
        path: &Path,
        pace: &Pace,
        release: f64,
        ahead: f64,
    ) -> Option<Band> {
        let outflow = self.outflow.get(&path.source.0)?;
        let when = When::At(ahead);
        let mut band = Band::default();
        band.add(path.gain, arriving(pace, &path.way, when, outflow, |_| release)?);
        for lateral in &path.laterals {
            band.add(lateral.gain, self.lateral(scene, lateral, pace, when));
        }
        for draw in &path.draws {
            band.subtract(draw.gain, self.draw(scene, draw, pace, when));
        }
        Some(band)
    }

    /// Flow that sets the travel time: between what leaves the dam and what passes the section.
    fn base_flow(&self, scene: &Scene<'_>, path: &Path, release: f64) -> Discharge {
        let section = scene.basin.sections.get(path.section.0).map(|s| s.meter);
        let seen = section.and_then(|meter| self.meters.get(&meter)).and_then(|s| s.ago(0.0));
        Discharge::lossy(seen.map_or(release, |seen| 0.5 * (seen + release)))
    }

    /// The pace of waves along a path with `release` at its head.
    pub fn pace(&self, scene: &Scene<'_>, path: &Path, release: f64) -> Pace {
        Pace::at(scene.basin, self.base_flow(scene, path, release))
    }

    /// Where a meter's flow is heading; after a restart it is worked out on the way until the first bin closes.
    fn outlook(&self, scene: &Scene<'_>, meter: MeterId) -> Outlook {
        self.outlooks.get(&meter).copied().unwrap_or_else(|| {
            self.meters.get(&meter).map_or_else(Outlook::default, |s| Outlook::of(s, &scene.basin.control))
        })
    }

    fn lateral(&self, scene: &Scene<'_>, lateral: &Lateral, pace: &Pace, when: When) -> Band {
        match lateral.source {
            LateralSource::Meter(meter) => {
                let Some(series) = self.meters.get(&meter) else { return Band::default() };
                let outlook = self.outlook(scene, meter);
                let future = |lead: f64| outlook.cautious(lead, &scene.basin.control);
                arriving(pace, &lateral.way, when, series, future).unwrap_or_default()
            }
            LateralSource::Table(inflow, share) => {
                let q = routing::table_rate(scene.basin, inflow, share, scene.month()).get();
                Band { low: q, mid: q, high: q }
            }
        }
    }

    fn draw(&self, scene: &Scene<'_>, draw: &Draw, pace: &Pace, when: When) -> Band {
        let Some(intake) = scene.basin.intakes.get(draw.intake.0) else { return Band::default() };
        let empty = Series::default();
        let series = intake.meter.and_then(|meter| self.meters.get(&meter)).unwrap_or(&empty);
        let future = |lead: f64| self.announced(scene, draw.intake, lead);
        arriving(pace, &draw.way, when, series, future).unwrap_or_else(|| {
            let q = self.announced(scene, draw.intake, when.hours());
            Band { low: q, mid: q, high: q }
        })
    }

    /// Rate an intake is expected to take `lead` hours from now: its announced turn, or what it takes now.
    fn announced(&self, scene: &Scene<'_>, id: IntakeId, lead: f64) -> f64 {
        let Some(intake) = scene.basin.intakes.get(id.0) else { return 0.0 };
        let Outlook { now, day_high, .. } =
            intake.meter.map_or_else(Outlook::default, |meter| self.outlook(scene, meter));
        if !intake.by_turns {
            // A new month may take more than the old one: its users are on their way up already.
            let usual = |hours: f64| {
                let month = usize::try_from(scene.month_in(hours) - 1).unwrap_or(0);
                intake.monthly_use.get(month).map_or(0.0, |rate| rate.get())
            };
            let rise = (usual(lead) - usual(0.0)).max(0.0);
            return (day_high.unwrap_or_else(|| usual(0.0)) + rise).min(intake.max_rate.get());
        }
        let turn = |hours: f64| turn_rate(scene, id, hours);
        // A pump that runs though nothing is announced is taken to run on: nobody knows until when. What is known of
        // it is the mean of a bin that may have begun two bins ago, in a turn that has ended since.
        let lately = [0.0, 1.0, 2.0].map(|bins| turn(-bins * BIN_S / 3600.0));
        let unannounced = now.unwrap_or(0.0) - lately.into_iter().fold(0.0, f64::max);
        let extra = if unannounced > 0.2 * intake.max_rate.get() { unannounced } else { 0.0 };
        (turn(lead) + extra).min(intake.max_rate.get())
    }

    /// What section `at` needs of the release that leaves now to stand at `setpoint` when it arrives, over the
    /// whole arrival window.
    pub fn need(
        &self,
        scene: &Scene<'_>,
        paths: &[Path],
        at: usize,
        setpoint: f64,
        release: f64,
    ) -> Option<Need> {
        let (path, memory) = (paths.get(at)?, self.paths.get(at)?);
        let mut q = release;
        let mut need = None;
        // The travel time depends on the answer; two rounds settle it to minutes.
        for _ in 0..2 {
            let base = self.base_flow(scene, path, q);
            let at_base = self.need_at(scene, path, memory, setpoint, base);
            q = at_base.release;
            need = Some(at_base);
        }
        need
    }

    fn need_at(
        &self,
        scene: &Scene<'_>,
        path: &Path,
        memory: &PathMemory,
        setpoint: f64,
        base: Discharge,
    ) -> Need {
        let pace = &Pace::at(scene.basin, base);
        let lag_h = pace.over(&path.way);
        let when = When::With(lag_h);
        let inflow: f64 = path.laterals.iter().map(|l| l.gain * self.lateral(scene, l, pace, when).low).sum();
        let intakes: f64 = path.draws.iter().map(|d| d.gain * self.draw(scene, d, pace, when).high).sum();
        let counted = memory.counted().min(if memory.young_for(lag_h) > 0.0 { 0.0 } else { f64::INFINITY });
        let release = ((setpoint - counted - inflow + intakes) / path.gain).max(0.0);
        let losses = release * (1.0 - path.gain) - counted;
        Need { release, inflow, intakes, losses, lag_h }
    }

    /// Flow expected now at a node of a path that has `left` stretches below it.
    pub fn at_node(
        &self,
        scene: &Scene<'_>,
        path: &Path,
        memory: &PathMemory,
        left: usize,
        release: f64,
    ) -> Option<f64> {
        let pace = &self.pace(scene, path, release);
        let (lag_h, rest) = rest_of(scene.basin, path, left, pace)?;
        let when = When::At(lag_h);
        let outflow = self.outflow.get(&path.source.0)?;
        let mut q = path.gain * arriving(pace, &path.way, when, outflow, |_| release)?.mid;
        for lateral in path.laterals.iter().filter(|l| l.on_main >= left) {
            q += lateral.gain * self.lateral(scene, lateral, pace, when).mid;
        }
        for draw in path.draws.iter().filter(|d| d.on_main >= left) {
            q -= draw.gain * self.draw(scene, draw, pace, when).mid;
        }
        let done = 1.0 - share(left, path.way.len());
        Some((q / rest + memory.unexplained * done).max(0.0))
    }

    /// Flow that has to pass a node of a path with `left` stretches below it now, so that the section stands at
    /// `setpoint`: less what joins below, more what is taken and lost there.
    pub fn owed_at_node(
        &self,
        scene: &Scene<'_>,
        path: &Path,
        memory: &PathMemory,
        left: usize,
        setpoint: f64,
    ) -> Option<f64> {
        let pace = &self.pace(scene, path, setpoint);
        let (lag_h, rest) = rest_of(scene.basin, path, left, pace)?;
        let when = When::With(lag_h);
        let mut q = setpoint - memory.counted().min(0.0) * share(left, path.way.len());
        for lateral in path.laterals.iter().filter(|l| l.on_main < left) {
            q -= lateral.gain * self.lateral(scene, lateral, pace, when).low;
        }
        for draw in path.draws.iter().filter(|d| d.on_main < left) {
            q += draw.gain * self.draw(scene, draw, pace, when).high;
        }
        Some(q / rest)
    }
}

impl PathMemory {
    /// Hours until every drop at the section left the dam under our eyes, when a wave takes `lag_h`. Until then
    /// nobody knows what is on its way, and flow nobody metered may be gone tomorrow.
    pub fn young_for(&self, lag_h: f64) -> f64 {
        (ARRIVAL.1 * lag_h - f64::from(self.bins) * BIN_S / 3600.0).max(0.0)
    }

    /// Unexplained flow a release may rely on: a surplus only when it lasts, a shortage as soon as it shows.
    fn counted(&self) -> f64 {
        self.unexplained.min(self.lasting)
    }

    /// Moves the unexplained flow towards what this bin allows. While the arrival time of a change leaves the
    /// expected flow open within a band, what lies outside the band teaches at once, the middle of the band slowly:
    /// over days arrivals are as often early as late.
    ///
    /// What counts is the loss near the floor. At many times the floor the estimate is off by a share of the flow, so
    /// it is brought down to the floor by that share, and weighs by it.
    fn learn(&mut self, seen: f64, band: Band, floor: f64, weight: f64) {
        let share = floor / seen.max(band.mid).max(floor);
        let near_floor = |missed: f64| share * missed;
        if !self.primed {
            let unexplained = near_floor(seen - band.mid);
            *self = Self { unexplained, lasting: unexplained, error: 0.0, primed: true, bins: 0 };
            return;
        }
        self.bins = self.bins.saturating_add(1);
        let weight = weight.min(1.0) * share;
        let (low, high) = (near_floor(seen - band.high), near_floor(seen - band.low));
        let middle = near_floor(seen - band.mid);
        let allowed = self.unexplained.clamp(low.min(high), high.max(low));
        let missed = (allowed - self.unexplained).abs();
        self.unexplained += weight * (allowed - self.unexplained);
        self.unexplained += SLOWLY * weight * (middle - self.unexplained);
        // A plain mean until there is enough of it: one noisy reading must not stand for days.
        let lasting = (LASTING * weight).max(1.0 / f64::from(self.bins + 1));
        self.lasting += lasting * (middle - self.lasting);
        self.error += 0.25 * weight * (missed - self.error);
    }
}

/// Band of a flow `series` after travelling `way`; `future` gives what enters `lead` hours from now. `None` when
/// nothing is known of it.
fn arriving(
    pace: &Pace,
    way: &[Stretch],
    when: When,
    series: &Series,
    future: impl Fn(f64) -> f64,
) -> Option<Band> {
    let (one, mid_at, other) = when.entered(pace.over(way));
    // Hours ago it entered; negative lies ahead.
    let (early, late) = (one.min(other), one.max(other));
    let past = if late >= 0.0 { series.window(early.max(0.0), late) } else { None };
    let mid_past = if mid_at >= 0.0 { series.ago(mid_at) } else { None };
    let mut band = match past {
        Some((low, mid, high)) => Band { low, mid: mid_past.unwrap_or(mid), high },
        None if late < 0.0 => {
            let mid = future(-mid_at);
            Band { low: mid, mid, high: mid }
        }
        None => {
            let last = series.ago(0.0)?;
            Band { low: last, mid: last, high: last }
        }
    };
    if mid_at < 0.0 {
        band.mid = future(-mid_at);
    }
    for lead in [-early, -late, -mid_at].into_iter().filter(|lead| *lead > 0.0) {
        let q = future(lead);
        band.low = band.low.min(q);
        band.high = band.high.max(q);
    }
    Some(band)
}

/// Travel time in hours over the last `left` stretches of a path, and the share of a flow that arrives over them.
fn rest_of(basin: &Basin, path: &Path, left: usize, pace: &Pace) -> Option<(f64, f64)> {
    let below = path.way.get(path.way.len().checked_sub(left)?..)?;
    let gain = below.iter().map(|s| routing::stretch_gain(basin, *s)).product();
    Some((pace.over(below), gain))
}

/// Stretches left as a share of all.
fn share(left: usize, all: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    count(left) / count(all.max(1))
}

/// Sum of the announced turns of an intake `lead` hours from now.
fn turn_rate(scene: &Scene<'_>, id: IntakeId, lead: f64) -> f64 {
    let at = scene.utc.as_second() + hours_to_s(lead);
    scene
        .schedules
        .turns
        .iter()
        .filter(|turn| turn.intake == id && turn.from.as_second() <= at && at < turn.to.as_second())
        .map(|turn| turn.rate.get())
        .sum()
}

#[expect(clippy::cast_possible_truncation, reason = "a lead is at most some days")]
fn hours_to_s(hours: f64) -> i64 {
    (hours * 3600.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day and six hours of bins.
    const DAY: usize = 144;
    const SIX_HOURS: usize = 36;
    /// The usual weight: ten minutes of six hours.
    const WEIGHT: f64 = 1.0 / 36.0;

    fn band(mid: f64) -> Band {
        Band { low: mid - 0.05, mid, high: mid + 0.05 }
    }

    fn taught(bins: usize, seen: f64, mid: f64, memory: PathMemory) -> PathMemory {
        let mut memory = memory;
        for _ in 0..bins {
            memory.learn(seen, band(mid), 1.5, WEIGHT);
        }
        memory
    }

    /// A river that the estimate meets for a week.
    fn known() -> PathMemory {
        taught(7 * DAY, 1.5, 1.5, PathMemory::default())
    }

    #[test]
    fn a_shortage_counts_within_a_day_a_surplus_only_when_it_lasts() {
        let shortage = taught(DAY, 1.3, 1.5, known());
        assert!(shortage.counted() < -0.15, "{}", shortage.counted());
        let surplus = taught(DAY, 1.5, 1.3, known());
        assert!(surplus.unexplained > 0.1 && surplus.counted() < 0.06, "{surplus:?}");
        let lasting = taught(21 * DAY, 1.5, 1.3, known());
        assert!(lasting.counted() > 0.15, "{}", lasting.counted());
    }

    #[test]
    fn a_flood_missed_by_a_tenth_is_a_tenth_of_the_floor() {
        // 9.0 seen where 10.0 was expected: at the floor of 1.5 the same share is 0.15.
        let memory = taught(30 * DAY, 9.0, 10.0, known());
        assert!((memory.unexplained + 0.15).abs() < 0.01, "{}", memory.unexplained);
        // And six hours of it say less than six hours at the floor do.
        let [wave, calm] =
            [(9.0, 10.0), (1.35, 1.5)].map(|(seen, mid)| taught(SIX_HOURS, seen, mid, known()));
        assert!(wave.unexplained > 0.5 * calm.unexplained, "{} {}", wave.unexplained, calm.unexplained);
    }

    #[test]
    fn one_noisy_first_reading_does_not_stand_for_days() {
        let mut memory = PathMemory::default();
        memory.learn(1.9, band(1.5), 1.5, WEIGHT);
        let memory = taught(DAY, 1.5, 1.5, memory);
        assert!(memory.lasting.abs() < 0.01, "{}", memory.lasting);
    }

    #[test]
    fn water_that_travels_together_arrives_together() {
        // 30 h and 20 h: what enters the side river 10 h from now meets what leaves the dam now, a tenth or a fifth
        // earlier or later, never by a share of the whole 20 h.
        let (early, middle, late) = When::With(30.0).entered(20.0);
        for (got, expected) in [(early, -8.8), (middle, -10.0), (late, -12.0)] {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
        let (early, middle, late) = When::At(30.0).entered(20.0);
        for (got, expected) in [(early, -12.4), (middle, -10.0), (late, -6.0)] {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }
}
