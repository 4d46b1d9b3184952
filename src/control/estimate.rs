//! What the river is doing and will do: short memory of the flows, what nobody metered, and the flow
//! expected at each section from water that is already on its way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::Outlook;
use super::routing::{self, Draw, Lateral, LateralSource, Path, Stretch};
use super::series::{BIN_S, Series};
use crate::basin::{Basin, IntakeId, MeterId};
use crate::config::Schedules;
use crate::units::Discharge;

/// Earliest and latest arrival as a share of the tabled travel time. Assumed: pools and a rough low-flow bed
/// delay a step more than the table, a rise steepens and comes a little early.
pub const ARRIVAL: (f64, f64) = (0.88, 1.2);

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
    /// Flow at the section that metered water does not explain, m³/s; negative is loss.
    pub unexplained: f64,
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
    fn month(&self) -> i8 {
        self.basin.date_at(self.utc).month()
    }

    /// Month at the site `hours` from now.
    fn month_in(&self, hours: f64) -> i8 {
        let then = jiff::SignedDuration::from_secs(hours_to_s(hours));
        self.basin.date_at(self.utc.saturating_add(then).unwrap_or(self.utc)).month()
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
            let (Some(seen), Some(band)) = (seen, self.explained(scene, path, release, 0.0)) else {
                continue;
            };
            if let Some(memory) = self.paths.get_mut(at) {
                memory.learn(seen, band, BIN_S / scene.basin.control.loss_filter_s);
            }
        }
    }

    /// Notes that the service was away for `bins`.
    pub fn skip(&mut self, bins: usize) {
        for series in self.outflow.values_mut().chain(self.meters.values_mut()) {
            series.skip(bins);
        }
    }

    /// Flow expected at a path's section `ahead` hours from now when the release stays at `release`.
    pub fn expected(
        &self,
        scene: &Scene<'_>,
        paths: &[Path],
        at: usize,
        release: f64,
        ahead: f64,
    ) -> Option<Band> {
        let (path, memory) = (paths.get(at)?, self.paths.get(at)?);
        let mut band = self.explained(scene, path, release, ahead)?;
        for part in [&mut band.low, &mut band.mid, &mut band.high] {
            *part = (*part + memory.unexplained).max(0.0);
        }
        Some(band)
    }

    /// Flow that metered and tabled water explains at the section, `ahead` hours from now.
    fn explained(&self, scene: &Scene<'_>, path: &Path, release: f64, ahead: f64) -> Option<Band> {
        let outflow = self.outflow.get(&path.source.0)?;
        let base = self.base_flow(scene, path, release);
        let mut band = Band::default();
        band.add(path.gain, arriving(scene.basin, &path.way, base, ahead, outflow, |_| release)?);
        for lateral in &path.laterals {
            band.add(lateral.gain, self.lateral(scene, lateral, base, ahead));
        }
        for draw in &path.draws {
            band.subtract(draw.gain, self.draw(scene, draw, base, ahead));
        }
        Some(band)
    }

    /// Flow that sets the travel time: between what leaves the dam and what passes the section.
    fn base_flow(&self, scene: &Scene<'_>, path: &Path, release: f64) -> Discharge {
        let section = scene.basin.sections.get(path.section.0).map(|s| s.meter);
        let seen = section.and_then(|meter| self.meters.get(&meter)).and_then(|s| s.ago(0.0));
        Discharge::lossy(seen.map_or(release, |seen| 0.5 * (seen + release)))
    }

    /// Where a meter's flow is heading; after a restart it is worked out on the way until the first bin closes.
    fn outlook(&self, scene: &Scene<'_>, meter: MeterId) -> Outlook {
        self.outlooks.get(&meter).copied().unwrap_or_else(|| {
            self.meters.get(&meter).map_or_else(Outlook::default, |s| Outlook::of(s, &scene.basin.control))
        })
    }

    fn lateral(&self, scene: &Scene<'_>, lateral: &Lateral, base: Discharge, ahead: f64) -> Band {
        match lateral.source {
            LateralSource::Meter(meter) => {
                let Some(series) = self.meters.get(&meter) else { return Band::default() };
                let outlook = self.outlook(scene, meter);
                let future = |lead: f64| outlook.cautious(lead, &scene.basin.control);
                arriving(scene.basin, &lateral.way, base, ahead, series, future).unwrap_or_default()
            }
            LateralSource::Table(inflow, share) => {
                let q = routing::table_rate(scene.basin, inflow, share, scene.month()).get();
                Band { low: q, mid: q, high: q }
            }
        }
    }

    fn draw(&self, scene: &Scene<'_>, draw: &Draw, base: Discharge, ahead: f64) -> Band {
        let Some(intake) = scene.basin.intakes.get(draw.intake.0) else { return Band::default() };
        let empty = Series::default();
        let series = intake.meter.and_then(|meter| self.meters.get(&meter)).unwrap_or(&empty);
        let future = |lead: f64| self.announced(scene, draw.intake, lead);
        arriving(scene.basin, &draw.way, base, ahead, series, future).unwrap_or_else(|| {
            let q = self.announced(scene, draw.intake, ahead);
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
        // A pump that runs though nothing is announced is taken to run on: nobody knows until when.
        let unannounced = now.unwrap_or(0.0) - turn(0.0);
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
            let lag_h = path.lag_h(scene.basin, base);
            let worst = [ARRIVAL.0, 1.0, ARRIVAL.1]
                .map(|share| self.need_at(scene, path, memory, setpoint, base, share * lag_h))
                .into_iter()
                .max_by(|a, b| a.release.total_cmp(&b.release))?;
            q = worst.release;
            need = Some(Need { lag_h, ..worst });
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
        ahead: f64,
    ) -> Need {
        let inflow: f64 =
            path.laterals.iter().map(|l| l.gain * self.lateral(scene, l, base, ahead).low).sum();
        let intakes: f64 = path.draws.iter().map(|d| d.gain * self.draw(scene, d, base, ahead).high).sum();
        let counted = memory.unexplained.min(if memory.young_for(ahead) > 0.0 { 0.0 } else { f64::INFINITY });
        let release = ((setpoint - counted - inflow + intakes) / path.gain).max(0.0);
        let losses = release * (1.0 - path.gain) - counted;
        Need { release, inflow, intakes, losses, lag_h: ahead }
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
        let base = self.base_flow(scene, path, release);
        let below = path.way.get(path.way.len() - left..)?;
        let ahead = routing::lag_h(scene.basin, below, base);
        let rest: f64 = below.iter().map(|s| routing::stretch_gain(scene.basin, *s)).product();
        let outflow = self.outflow.get(&path.source.0)?;
        let mut q = path.gain * arriving(scene.basin, &path.way, base, ahead, outflow, |_| release)?.mid;
        for lateral in path.laterals.iter().filter(|l| l.on_main >= left) {
            q += lateral.gain * self.lateral(scene, lateral, base, ahead).mid;
        }
        for draw in path.draws.iter().filter(|d| d.on_main >= left) {
            q -= draw.gain * self.draw(scene, draw, base, ahead).mid;
        }
        let done = 1.0
            - f64::from(u32::try_from(left).ok()?) / f64::from(u32::try_from(path.way.len().max(1)).ok()?);
        Some((q / rest + memory.unexplained * done).max(0.0))
    }
}

impl PathMemory {
    /// Hours until every drop at the section left the dam under our eyes, when a wave takes `lag_h`. Until then
    /// nobody knows what is on its way, and flow nobody metered may be gone tomorrow.
    pub fn young_for(&self, lag_h: f64) -> f64 {
        (ARRIVAL.1 * lag_h - f64::from(self.bins) * BIN_S / 3600.0).max(0.0)
    }

    /// Moves the unexplained flow towards what this bin allows. While the arrival time of a change leaves the
    /// expected flow open within a band, only what lies outside the band teaches anything.
    fn learn(&mut self, seen: f64, band: Band, weight: f64) {
        if !self.primed {
            *self = Self { unexplained: seen - band.mid, error: 0.0, primed: true, bins: 0 };
            return;
        }
        self.bins = self.bins.saturating_add(1);
        let (low, high) = (seen - band.high, seen - band.low);
        let allowed = self.unexplained.clamp(low.min(high), high.max(low));
        let missed = (allowed - self.unexplained).abs();
        self.unexplained += weight.min(1.0) * (allowed - self.unexplained);
        self.error += 0.25 * weight.min(1.0) * (missed - self.error);
    }
}

/// Band of a flow `series` after travelling `way`, `ahead` hours from now; `future` gives what enters `lead`
/// hours from now. `None` when nothing is known of it.
fn arriving(
    basin: &Basin,
    way: &[Stretch],
    base: Discharge,
    ahead: f64,
    series: &Series,
    future: impl Fn(f64) -> f64,
) -> Option<Band> {
    let lag = routing::lag_h(basin, way, base);
    // Hours ago it entered; negative lies ahead.
    let (early, late) = (ARRIVAL.0 * lag - ahead, ARRIVAL.1 * lag - ahead);
    let mid_at = lag - ahead;
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
