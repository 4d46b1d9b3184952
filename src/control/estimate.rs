//! What the river is doing and will do: short memory of the flows, what nobody metered, and the flow
//! expected at each gauge from water that is already on its way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::arrival::{ARRIVAL, Band, Lag};
use super::arrival::{When, arriving};
use super::forecast::Trust;
use super::foretold::Foretold;
use super::learnt::{Learnt, blend};
use super::outlook::Outlook;
use super::pond::Pond;
use super::promise::Promises;
use super::routing::{self, Draw, Lateral, LateralSource, Pace, Path};
pub use super::scene::Scene;
use super::segment::Segment;
use super::series::{BIN_S, Series};
use super::timing::{CHANGE_H, Timing};
use crate::basin::{Basin, MeterId, ReservoirId};
use crate::units::Discharge;

/// Hours a promise is held against: an hour of a gauge in a natural bed is mostly noise. Assumed.
const PROMISED_H: usize = 3;

/// The same.
const HOURS: f64 = 3.0;

/// Bins after which the balance of a whole way counts: six hours. Assumed.
const MET: u32 = 36;

/// Half of the hour a flow is the mean of, h.
const HALF_H: f64 = 0.5;

/// Flow below which a change is no share of it, m³/s. Assumed.
const LEAST_FLOW: f64 = 0.5;

/// Memory of the river; survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct River {
    /// Measured flow below each dispatched reservoir, by reservoir position.
    pub outflow: BTreeMap<usize, Series>,
    /// Flows of the meters the paths use.
    pub meters: BTreeMap<MeterId, Series>,
    /// One per path.
    #[serde(default)]
    pub by_path: Vec<PathMemory>,
    /// Where each of `meters` is heading; worked out when a bin closes.
    #[serde(default)]
    pub(super) outlooks: BTreeMap<MeterId, Outlook>,
    /// Ponds on the paths.
    #[serde(default)]
    pub(super) ponds: BTreeMap<ReservoirId, Pond>,
    /// How far the forecasts of `meters` have proved themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) trust: BTreeMap<MeterId, Trust>,
    /// What is foretold of them, as of the last bin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) foretold: BTreeMap<MeterId, Foretold>,
}

/// What is remembered of one path, by segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PathMemory {
    /// In flow direction.
    pub segments: Vec<SegmentMemory>,
    /// What nobody metered between dam and section. A gauge between them that shows too much or too little has no word in it.
    #[serde(default)]
    pub whole: Learnt,
    /// What was foretold of its section.
    pub promises: Promises,
    /// What was foretold of it when the water passed the furthest pond that lends.
    #[serde(default)]
    pub near: Promises,
    /// What the ponds on it can stand in for, m³/s.
    #[serde(default)]
    pub relief: f64,
    /// What has been left to them: by how much less left the dam than a cautious view asked for, m³/s.
    #[serde(default)]
    pub left_to_ponds: Series,
}

/// What is remembered of one segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentMemory {
    /// What nobody metered.
    pub learnt: Learnt,
    /// How long waves take.
    pub timing: Timing,
    /// Flow at its foot, as estimated from the gauge and from the water above; without a usable reading from the water
    /// alone.
    pub foot: Series,
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
    /// Hours until it is known what is on its way.
    pub young_h: f64,
    /// What the release is less by because others foretell more inflow than is expected here, as it counts at the section.
    pub staked: f64,
}

/// Flows expected along a path from now on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ahead {
    /// By segment, at its foot, in steps of [`Ahead::STEP_H`].
    feet: Vec<Vec<Band>>,
}

impl Ahead {
    /// Step, h.
    pub const STEP_H: f64 = 0.5;

    /// Flow at the section, in steps of [`Ahead::STEP_H`] from now on.
    pub fn section(&self) -> &[Band] {
        self.feet.last().map_or(&[], Vec::as_slice)
    }

    /// Of one foot `hours` from now, the nearest later step.
    pub(super) fn at(steps: &[Band], hours: f64) -> Option<Band> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the table")]
        let step = (hours.max(0.0) / Self::STEP_H).ceil().min(1e6) as usize;
        steps.get(step.min(steps.len().checked_sub(1)?)).copied()
    }
}

impl River {
    /// An empty memory for `paths`.
    pub fn new(basin: &Basin, paths: &[Path]) -> Self {
        let memory = |path: &Path| PathMemory {
            segments: vec![SegmentMemory::default(); path.segments.len()],
            ..PathMemory::default()
        };
        let mut river = Self { by_path: paths.iter().map(memory).collect(), ..Self::default() };
        for path in paths {
            river.outflow.entry(path.source.0).or_default();
            let laterals = path.laterals.iter().filter_map(|l| match l.source {
                LateralSource::Meter(meter) => Some(meter),
                LateralSource::Table(..) | LateralSource::Pond(_) => None,
            });
            let draws = path.draws.iter().filter_map(|d| basin.intakes.get(d.intake.0)?.meter);
            let feet = path.segments.iter().map(|segment| segment.foot);
            for meter in laterals.chain(draws).chain(feet) {
                river.meters.entry(meter).or_default();
            }
            for lateral in &path.laterals {
                if let LateralSource::Pond(id) = lateral.source {
                    river.ponds.entry(id).or_default();
                }
            }
        }
        river
    }

    /// Whether this is a memory of the same rivers as `other`.
    pub fn fits(&self, other: &Self) -> bool {
        let feet = |river: &Self| river.by_path.iter().map(|path| path.segments.len()).collect::<Vec<_>>();
        self.meters.keys().eq(other.meters.keys())
            && self.outflow.keys().eq(other.outflow.keys())
            && self.ponds.keys().eq(other.ponds.keys())
            && feet(self) == feet(other)
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

    /// Closes a bin of [`BIN_S`] and learns from it: `outflow` is what leaves a dam, `asked` what the service asks of it.
    pub fn close(
        &mut self,
        scene: &Scene<'_>,
        paths: &[Path],
        outflow: impl Fn(usize) -> Option<f64>,
        asked: impl Fn(usize) -> Option<f64>,
    ) {
        let target = |source| outflow(source).unwrap_or(0.0);
        for series in self.outflow.values_mut().chain(self.meters.values_mut()) {
            series.close();
        }
        self.close_ponds(scene.basin);
        let control = &scene.basin.control;
        self.outlooks = self.meters.iter().map(|(id, series)| (*id, Outlook::of(series, control))).collect();
        self.close_forecasts(scene, paths);
        for (at, path) in paths.iter().enumerate() {
            let pace = self.pace(scene, (path, at), target(path.source.0));
            let floor = scene.basin.sections.get(path.section.0).and_then(|s| s.floor_on(scene.date()));
            for (nth, segment) in path.segments.iter().enumerate() {
                let seen = self.meters.get(&segment.foot).and_then(Series::latest);
                let expected = self.explained(scene, (path, at), nth, &pace);
                let Some(memory) = self.by_path.get_mut(at).and_then(|path| path.segments.get_mut(nth))
                else {
                    continue;
                };
                let seen = match (seen, expected) {
                    (Some(seen), Some(band)) => memory.learnt.believed(seen, band),
                    (seen, _) => seen,
                };
                if let (Some(seen), Some(band)) = (seen, expected) {
                    let floor = floor.map_or(seen, Discharge::get);
                    let seen = memory.learnt.credible(seen, band);
                    memory.learnt.learn(seen, band, floor, BIN_S / control.loss_filter_s);
                }
                let guess = expected.filter(|_| memory.learnt.primed);
                let guess = guess.map(|band| band.raised(memory.learnt.unexplained).mid);
                let passed = match (seen, guess) {
                    (Some(seen), Some(guess)) => Some(blend(seen, guess)),
                    (one, other) => one.or(other),
                };
                memory.foot.add(passed);
                memory.foot.close();
                self.time(scene, (path, at), nth, target(path.source.0));
            }
            let foot = path.segments.last().and_then(|last| self.meters.get(&last.foot));
            let (Some(foot), Some(floor)) = (foot, floor) else { continue };
            let (latest, lately) = (foot.latest(), foot.means(PROMISED_H, PROMISED_H).next());
            let whole = self.whole(scene, path, &pace);
            let lent = self.lent(path, &pace);
            let Some(memory) = self.by_path.get_mut(at) else { continue };
            let is_believed = memory.segments.last().is_some_and(|last| last.learnt.doubted == 0);
            let (latest, lately) = (latest.filter(|_| is_believed), lately.filter(|_| is_believed));
            if let (Some(seen), Some(band)) = (latest, whole) {
                let seen = memory.whole.credible(seen, band);
                memory.whole.learn(seen, band, floor.get(), BIN_S / control.loss_filter_s);
            }
            if path.way.is_empty() {
                // What leaves the dam is held to what was asked of it, bin by bin.
                let Some(asked) = asked(path.source.0) else {
                    memory.promises.forget();
                    continue;
                };
                memory.promises.lower(asked);
                memory.promises.pass(latest, floor.get());
                memory.promises.make(1, asked);
            } else {
                // What a pond gave the dam had not promised.
                memory.promises.pass(lately.map(|seen| seen - lent), floor.get());
                memory.near.pass(lately, floor.get());
            }
        }
    }

    /// Notes that the service was away for `bins`.
    pub fn skip(&mut self, bins: usize) {
        for path in &mut self.by_path {
            path.promises.forget();
            path.near.forget();
        }
        self.skip_ponds(bins);
        self.skip_forecasts();
        let feet =
            self.by_path.iter_mut().flat_map(|path| &mut path.segments).map(|segment| &mut segment.foot);
        for series in self.outflow.values_mut().chain(self.meters.values_mut()).chain(feet) {
            series.skip(bins);
        }
        self.outlooks.clear();
    }

    /// Memory of what passes the head of a segment.
    fn head(&self, (path, at): (&Path, usize), nth: usize) -> Option<&Series> {
        match nth.checked_sub(1) {
            None => self.outflow.get(&path.source.0),
            Some(above) => self.by_path.get(at)?.segments.get(above).map(|memory| &memory.foot),
        }
    }

    /// Flow that what passed the head explains at the foot of a segment now.
    fn explained(
        &self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        nth: usize,
        pace: &Pace,
    ) -> Option<Band> {
        let head = self.head((path, at), nth)?;
        let last = head.ago(0.0)?;
        self.at_foot(scene, path.segments.get(nth)?, pace, head, 0.0, |_| Band::sure(last))
    }

    /// Flow that metered water explains at the section of a path now, whatever the gauges between say; `None` until all of it
    /// left the dam under our eyes.
    fn whole(&self, scene: &Scene<'_>, path: &Path, pace: &Pace) -> Option<Band> {
        let head = self.outflow.get(&path.source.0)?;
        head.around(pace.over(&path.way).late)?;
        let (when, last) = (When::At(0.0), head.ago(0.0)?);
        let mut band = Band::default();
        band.add(path.gain, arriving(pace, &path.way, when, head, |_| Band::sure(last))?);
        for lateral in &path.laterals {
            band.add(lateral.gain, self.lateral(scene, lateral, pace, when));
        }
        for draw in &path.draws {
            band.subtract(draw.gain, self.draw(scene, draw, pace, when));
        }
        Some(band)
    }

    /// Flow that metered and tabled water explains at the foot of a segment `ahead` hours from now.
    fn at_foot(
        &self,
        scene: &Scene<'_>,
        segment: &Segment,
        pace: &Pace,
        head: &Series,
        ahead: f64,
        coming: impl Fn(f64) -> Band,
    ) -> Option<Band> {
        let when = When::At(ahead);
        let mut band = Band::default();
        band.add(segment.gain, arriving(pace, &segment.way, when, head, coming)?);
        for lateral in &segment.laterals {
            band.add(lateral.gain, self.lateral(scene, lateral, pace, when));
        }
        for draw in &segment.draws {
            band.subtract(draw.gain, self.draw(scene, draw, pace, when));
        }
        Some(band)
    }

    /// Flows expected along a path over `horizon_h` hours when the dam releases `release` so many hours from now.
    pub fn ahead(
        &self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        pace: &Pace,
        release: impl Fn(f64) -> f64,
        horizon_h: f64,
    ) -> Ahead {
        let mut feet = Vec::<Vec<Band>>::with_capacity(path.segments.len());
        for (nth, segment) in path.segments.iter().enumerate() {
            let (Some(head), Some(memory)) =
                (self.head((path, at), nth), self.by_path.get(at).and_then(|path| path.segments.get(nth)))
            else {
                break;
            };
            let coming = |lead: f64| match feet.last() {
                None => Band::sure(release(lead)),
                Some(above) => Ahead::at(above, lead).unwrap_or_default(),
            };
            let steps = (0_u32..).map(|step| Ahead::STEP_H * f64::from(step));
            let bands = steps.take_while(|ahead| *ahead <= horizon_h).map_while(|ahead| {
                let band = self.at_foot(scene, segment, pace, head, ahead, coming)?;
                Some(band.raised(memory.learnt.unexplained))
            });
            let bands = bands.collect();
            feet.push(bands);
        }
        if feet.len() < path.segments.len() { Ahead::default() } else { Ahead { feet } }
    }

    /// Whether every segment of a path has been met.
    pub fn is_primed(&self, at: usize) -> bool {
        self.by_path.get(at).is_some_and(|path| path.segments.iter().all(|segment| segment.learnt.primed))
    }

    /// Hours until every drop of a path has passed a gauge under our eyes.
    pub fn young_for(&self, (path, at): (&Path, usize), pace: &Pace) -> f64 {
        let memories = self.by_path.get(at).into_iter().flat_map(|path| &path.segments);
        let each = path.segments.iter().zip(memories);
        each.map(|(segment, memory)| memory.learnt.young_for(pace.over(&segment.way))).fold(0.0, f64::max)
    }

    /// Promises what `release` is decided on: the flow at the section of a path that is relied on when it arrives, `most` at most
    /// (more than its set point nobody relies on), unless nobody knows yet what is on its way. Once an hour.
    pub fn promise(
        &mut self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        pace: &Pace,
        (ahead, release): (&Ahead, f64),
        most: f64,
    ) {
        let lag_h = pace.over(&path.way).mid;
        if lag_h <= 0.0 || self.young_for((path, at), pace) > 0.0 {
            return;
        }
        let (inflow, intakes) = self.met(scene, path, pace);
        let flow = release * path.gain + inflow - intakes + self.counted(scene, (path, at), path.way.len());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a travel time in bins")]
        let bins = |hours: f64| ((hours + 0.5 * HOURS) * 3600.0 / BIN_S).round().clamp(1.0, 1e6) as u32;
        let near = path.near_h(scene.basin, pace);
        let near = near.and_then(|hours| Some((hours, Ahead::at(ahead.section(), hours)?.mid)));
        if let Some(memory) = self.by_path.get_mut(at) {
            memory.promises.make(bins(lag_h), flow.min(most));
            if let Some((hours, flow)) = near {
                memory.near.make(bins(hours), flow.min(most));
            }
        }
    }

    /// Unexplained flow between a node with `left` stretches below it and the section, as far as a release may rely on
    /// it: a surplus only when it lasts, a shortage as soon as it shows.
    pub(super) fn counted(&self, scene: &Scene<'_>, (path, at): (&Path, usize), left: usize) -> f64 {
        let memories = self.by_path.get(at).into_iter().flat_map(|path| &path.segments);
        let (mut lately, mut lasting) = (0.0, 0.0);
        for (segment, memory) in path.segments.iter().zip(memories) {
            let below = left.saturating_sub(segment.left).min(segment.way.len());
            let part = if left >= path.way.len() { 1.0 } else { share(below, segment.way.len()) };
            lately += part * segment.onward * memory.learnt.unexplained;
            lasting += part * segment.onward * memory.learnt.lasting;
        }
        let counted = lately.min(lasting);
        if left < path.way.len() || path.segments.len() < 2 {
            return counted;
        }
        // A gauge on the way that shows too much explains away below it what it made up above, but only after the water has
        // arrived. Until then the balance of the whole way has the last word on a surplus; and where the two are further
        // apart than the least margin covers, on a shortage too.
        let Some(memory) = self.by_path.get(at).filter(|memory| memory.whole.bins >= MET) else {
            return counted;
        };
        let Learnt { unexplained, lasting, .. } = memory.whole;
        let covered = scene.basin.control.margin.least.get();
        let is_contradicted = lately > unexplained + covered;
        counted.min(if is_contradicted {
            lasting.min(unexplained + covered)
        } else {
            lasting.max(unexplained)
        })
    }

    /// How much of the unexplained flow of a path a release may not rely on, m³/s; never negative.
    pub(super) fn not_relied_on(&self, scene: &Scene<'_>, (path, at): (&Path, usize), pace: &Pace) -> f64 {
        let memories = self.by_path.get(at).into_iter().flat_map(|path| &path.segments);
        let each = path.segments.iter().zip(memories);
        let all: f64 = each.map(|(segment, memory)| segment.onward * memory.learnt.unexplained).sum();
        let relied_on = if self.young_for((path, at), pace) > 0.0 { 0.0 } else { f64::INFINITY };
        all - self.counted(scene, (path, at), path.way.len()).min(relied_on).min(all)
    }

    /// Flow that sets the travel time: between what leaves the dam and what passes the section.
    fn base_flow(&self, scene: &Scene<'_>, path: &Path, release: f64) -> Discharge {
        let section = scene.basin.sections.get(path.section.0).map(|s| s.meter);
        let seen = section.and_then(|meter| self.meters.get(&meter)).and_then(|s| s.ago(0.0));
        Discharge::lossy(seen.map_or(release, |seen| 0.5 * (seen + release)))
    }

    /// The pace of waves along a path with `release` at its head.
    pub fn pace(&self, scene: &Scene<'_>, (path, at): (&Path, usize), release: f64) -> Pace {
        let mut pace = Pace::along(scene.basin, path, self.base_flow(scene, path, release));
        let memories = self.by_path.get(at).into_iter().flat_map(|path| &path.segments);
        for (segment, memory) in path.segments.iter().zip(memories) {
            pace.correct(&segment.way, memory.timing.factor());
        }
        pace
    }

    /// Learns how long waves take through a segment from what changed at its foot lately.
    fn time(&mut self, scene: &Scene<'_>, (path, at): (&Path, usize), nth: usize, release: f64) {
        let Some(segment) = path.segments.get(nth).filter(|segment| !segment.way.is_empty()) else { return };
        let pace = Pace::along(scene.basin, path, self.base_flow(scene, path, release));
        let change = |series: &Series, hours: f64| Some(series.hour(hours)? - series.hour(hours + CHANGE_H)?);
        let Some(foot) = self.meters.get(&segment.foot) else { return };
        let (Some(seen), Some(flow), Some(head)) =
            (change(foot, HALF_H), foot.hour(HALF_H), self.head((path, at), nth))
        else {
            return;
        };
        let flow = flow.max(LEAST_FLOW);
        let metered = |lateral: &Lateral| match lateral.source {
            LateralSource::Meter(meter) => self.meters.get(&meter),
            LateralSource::Table(..) | LateralSource::Pond(_) => None,
        };
        let drawn = |draw: &Draw| self.meters.get(&scene.basin.intakes.get(draw.intake.0)?.meter?);
        let expected = |factor: f64| {
            let ago = |way| HALF_H + factor * pace.over(way).mid;
            let mut sum = segment.gain * change(head, ago(&segment.way))?;
            for (lateral, series) in segment.laterals.iter().filter_map(|l| Some((l, metered(l)?))) {
                sum += lateral.gain * change(series, ago(&lateral.way)).unwrap_or(0.0);
            }
            for (draw, series) in segment.draws.iter().filter_map(|d| Some((d, drawn(d)?))) {
                sum -= draw.gain * change(series, ago(&draw.way)).unwrap_or(0.0);
            }
            Some(sum / flow)
        };
        let mut timing = self
            .by_path
            .get(at)
            .and_then(|path| path.segments.get(nth))
            .map_or_else(Timing::default, |memory| memory.timing.clone());
        timing.learn(seen / flow, expected);
        if let Some(memory) = self.by_path.get_mut(at).and_then(|path| path.segments.get_mut(nth)) {
            memory.timing = timing;
        }
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
        let path = paths.get(at)?;
        let mut q = release;
        let mut need = None;
        // The travel time depends on the answer; two rounds settle it to minutes.
        for _ in 0..2 {
            let pace = self.pace(scene, (path, at), q);
            let at_base = self.need_at(scene, (path, at), setpoint, &pace);
            q = at_base.release;
            need = Some(at_base);
        }
        need
    }

    fn need_at(&self, scene: &Scene<'_>, (path, at): (&Path, usize), setpoint: f64, pace: &Pace) -> Need {
        let lag = pace.over(&path.way);
        let (inflow, intakes) = self.met(scene, path, pace);
        let young_h = self.young_for((path, at), pace);
        let relied_on = if young_h > 0.0 { 0.0 } else { f64::INFINITY };
        let counted = self.counted(scene, (path, at), path.way.len()).min(relied_on);
        let cautious = setpoint - counted - inflow + intakes;
        // What a cautious view asks for more than a fair one, the ponds on the way stand in for as far as they last.
        let relief = self.relief_left(at);
        let (asked, staked) = if relief > 0.0 {
            let (inflow, intakes) = self.met_fairly(scene, path, pace);
            let asked = (setpoint - counted - inflow + intakes).max(cautious - relief).min(cautious);
            (asked, self.staked(scene, path, pace, relief - (cautious - asked)))
        } else {
            (cautious, 0.0)
        };
        let release = ((asked - staked) / path.gain).max(0.0);
        let losses = release * (1.0 - path.gain) - counted;
        Need { release, inflow, intakes, losses, lag_h: lag.mid, young_h, staked }
    }

    /// Flow expected now at a node of a path that has `left` stretches below it, from the gauge above it.
    pub fn at_node(
        &self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        left: usize,
        release: f64,
    ) -> Option<f64> {
        let pace = &self.pace(scene, (path, at), release);
        let nth = path.segments.iter().position(|segment| segment.left <= left)?;
        let segment = path.segments.get(nth)?;
        let (lag_h, rest) = rest_of(scene.basin, segment, left, pace)?;
        let when = When::At(lag_h);
        let head = self.head((path, at), nth)?;
        let last = head.ago(0.0)?;
        let coming = |_| Band::sure(if nth == 0 { release } else { last });
        let mut q = segment.gain * arriving(pace, &segment.way, when, head, coming)?.mid;
        for lateral in segment.laterals.iter().filter(|l| l.passes(left)) {
            q += lateral.gain * self.lateral(scene, lateral, pace, when).mid;
        }
        for draw in segment.draws.iter().filter(|d| d.on_main >= left) {
            q -= draw.gain * self.draw(scene, draw, pace, when).mid;
        }
        let learnt = self.by_path.get(at)?.segments.get(nth)?.learnt;
        let done = 1.0 - share(left - segment.left, segment.way.len());
        Some((q / rest + learnt.unexplained * done).max(0.0))
    }
}

/// Travel time in hours from a node with `left` stretches of its path below it to the foot of its segment, and the share
/// of a flow that arrives there.
fn rest_of(basin: &Basin, segment: &Segment, left: usize, pace: &Pace) -> Option<(f64, f64)> {
    let below = segment.way.get((segment.way.len() + segment.left).checked_sub(left)?..)?;
    Some((pace.over(below).mid, routing::way_gain(basin, below)))
}

/// Stretches left as a share of all.
fn share(left: usize, all: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    count(left) / count(all.max(1))
}

#[expect(clippy::cast_possible_truncation, reason = "a lead is at most some days")]
pub(super) fn hours_to_s(hours: f64) -> i64 {
    (hours * 3600.0) as i64
}
