//! Ponds on the way: what they give of their own water or keep back, from their levels, and what they can still give.
//!
//! Without it water that a pond gives would be learnt as an unmetered inflow below it, and what it takes to fill again as a
//! loss: the dam a day and a half above would follow both.

use serde::{Deserialize, Serialize};

use super::arrival::{Band, When, arriving};
use super::dispatch;
use super::estimate::{River, Scene};
use super::routing::{self, LateralSource, Pace, Path, Stretch};
use super::series::{BIN_S, Series};
use crate::basin::{Basin, Reservoir, ReservoirId};
use crate::units::{Discharge, Stage};

/// Hours before now around which a promise is held against what came: the middle of the three it is the mean of.
const PROMISED_AGO_H: f64 = 1.5;

/// Depth over the level a pond lends down to within which it gives less and less, m. Assumed.
const FADE_M: f64 = 0.2;

/// Time for which what a pond can give must last before the margin at the dam relies on it, s: a day, in which the dam can
/// make up for what was missed. Assumed.
const LASTS_S: f64 = 86_400.0;

/// Memory of one pond.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pond {
    sum: f64,
    count: u32,
    /// Volume at the mean level of the last bin, m³.
    volume: Option<f64>,
    /// What it gave of its own water by bin, m³/s; negative: kept back.
    gives: Series,
    /// What it keeps back until it is full enough again, whoever waits below, m³/s, and for how long, h.
    fills: Option<(f64, f64)>,
}

impl Pond {
    /// Adds a level of this tick, m.
    fn add(&mut self, level: Option<f64>) {
        if let Some(level) = level {
            self.sum += level;
            self.count += 1;
        }
    }

    /// Closes a bin.
    fn close(&mut self, body: &Reservoir) {
        let level = (self.count > 0).then(|| Stage::lossy(self.sum / f64::from(self.count)));
        (self.sum, self.count) = (0.0, 0);
        let volume = level.map(|level| body.volume_at(level).get());
        if self.gives.is_empty() && volume.is_some() {
            // What is not known of the time before is that nothing was given.
            self.gives.add(Some(0.0));
        } else if let (Some(before), Some(now)) = (self.volume, volume) {
            self.gives.add(Some((before - now) / BIN_S));
        }
        self.gives.close();
        self.volume = volume;
        // Down to where it lends it fills from what is over; below, at the cost of what lies further down.
        let kept = self.gives.hour(0.5).filter(|gives| *gives < 0.0).map(|gives| -gives);
        let full = body.lends_above.or(body.normal_level).map(|level| body.volume_at(level).get());
        self.fills = kept.zip(full.zip(volume)).and_then(|(rate, (full, now))| {
            let hours = (full - now) / rate / 3600.0;
            (hours > 0.0).then_some((rate, hours))
        });
    }

    fn skip(&mut self, bins: usize) {
        self.gives.skip(bins);
        (self.volume, self.fills) = (None, None);
    }

    /// What it gives `lead` hours from now: nothing, unless it has to fill first.
    fn ahead(&self, lead: f64) -> Band {
        let kept = self.fills.filter(|(_, hours)| lead <= *hours).map_or(0.0, |(rate, _)| rate);
        Band { low: -kept, mid: -kept, high: 0.0 }
    }
}

/// Share of what is asked of it that a pond gives of its own water, by its level.
pub(super) fn lends(body: &Reservoir, level: Stage) -> f64 {
    let over = body.lends_above.map(|least| (level - least).get());
    over.map_or(0.0, |over| (over / FADE_M).clamp(0.0, 1.0))
}

/// What a pond can give before it gives less and less, m³.
fn stock(body: &Reservoir, level: Stage) -> f64 {
    let Some(least) = body.lends_above else { return 0.0 };
    let least = Stage::lossy(least.get() + FADE_M);
    let full = body.normal_level.filter(|normal| *normal < level).unwrap_or(level);
    (body.volume_at(full).get() - body.volume_at(least).get()).max(0.0)
}

impl River {
    /// Adds the levels of this tick.
    pub(super) fn add_levels(&mut self, level: impl Fn(ReservoirId) -> Option<f64>) {
        for (id, pond) in &mut self.ponds {
            pond.add(level(*id));
        }
    }

    /// Closes a bin of every pond.
    pub(super) fn close_ponds(&mut self, basin: &Basin) {
        for (id, pond) in &mut self.ponds {
            if let Some(body) = basin.reservoirs.get(id.0) {
                pond.close(body);
            }
        }
    }

    /// Notes that the service was away for `bins`.
    pub(super) fn skip_ponds(&mut self, bins: usize) {
        for pond in self.ponds.values_mut() {
            pond.skip(bins);
        }
    }

    /// What a pond gives, as it counts after travelling the way of `lateral`.
    pub(super) fn given(&self, id: ReservoirId, way: &[Stretch], pace: &Pace, when: When) -> Band {
        let Some(pond) = self.ponds.get(&id) else { return Band::default() };
        arriving(pace, way, when, &pond.gives, |lead| pond.ahead(lead)).unwrap_or_default()
    }

    /// What a pond gave of its own water in the last half hour, m³/s.
    pub(super) fn gave_lately(&self, id: ReservoirId) -> Option<f64> {
        let bins = [0.0, 1.0, 2.0].map(|bin| self.ponds.get(&id)?.gives.bin(bin * BIN_S / 3600.0));
        let [one, two, three] = bins;
        Some((one? + two? + three?) / 3.0)
    }

    /// Part of what passed a section in the hours a promise is held against that ponds gave, m³/s.
    pub(super) fn lent(&self, path: &Path, pace: &Pace) -> f64 {
        let ponds = path.laterals.iter().filter_map(|lateral| match lateral.source {
            LateralSource::Pond(id) => Some((lateral, id)),
            LateralSource::Meter(_) | LateralSource::Table(..) => None,
        });
        let each = ponds.map(|(lateral, id)| {
            lateral.gain * self.given(id, &lateral.way, pace, When::At(-PROMISED_AGO_H)).mid
        });
        each.sum()
    }

    /// Notes for every path what the ponds on it can stand in for from now on: `level` is of those whose sluices obey, `release`
    /// what leaves a dam. What was left to them while water that has not arrived yet left the dam, they may have to give still.
    pub(super) fn rely_on(
        &mut self,
        scene: &Scene<'_>,
        paths: &[Path],
        level: impl Fn(ReservoirId) -> Option<Stage>,
        release: impl Fn(usize) -> Option<f64>,
    ) {
        for (at, path) in paths.iter().enumerate() {
            if path.lenders(scene.basin).next().is_none() {
                continue;
            }
            let on_way = path.lenders(scene.basin);
            let all: f64 = on_way.filter_map(|(id, body)| Some(stock(body, level(id)?))).sum();
            let Some(release) = release(path.source.0) else { continue };
            let pace = self.pace(scene, (path, at), release);
            let asked = self.by_path.get(at).and_then(|memory| {
                let section = scene.basin.sections.get(path.section.0)?;
                let error = memory.promises.margin();
                let setpoint = dispatch::setpoint_ahead(scene, path, section, error, scene.date())?;
                Some(self.cautiously(scene, (path, at), setpoint.get(), &pace))
            });
            let lag_h = pace.over(&path.way).mid;
            let Some(memory) = self.by_path.get_mut(at) else { continue };
            memory.left_to_ponds.add(asked.map(|asked| ((asked - release) * path.gain).max(0.0)));
            memory.left_to_ponds.close();
            let owing = memory.left_to_ponds.window(0.0, lag_h).map_or(0.0, |(_, mean, _)| mean);
            memory.relief = (all - owing * lag_h * 3600.0).max(0.0) / LASTS_S;
        }
    }

    /// Release that a section needs by a cautious view, m³/s.
    fn cautiously(&self, scene: &Scene<'_>, (path, at): (&Path, usize), setpoint: f64, pace: &Pace) -> f64 {
        let (inflow, intakes) = self.met(scene, path, pace);
        let counted = self.counted(scene, (path, at), path.way.len());
        ((setpoint - counted - inflow + intakes) / path.gain).max(0.0)
    }

    /// Flow that has to pass a node of a path with `left` stretches below it now, so that the section stands at
    /// `setpoint`: less what joins below, more what is taken and lost there.
    pub fn owed_at_node(
        &self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        left: usize,
        setpoint: f64,
    ) -> Option<Owed> {
        let pace = &self.pace(scene, (path, at), setpoint);
        let below = path.way.get(path.way.len().checked_sub(left)?..)?;
        let when = When::With(pace.over(below));
        let counted = self.counted(scene, (path, at), left);
        let (mut passed, mut given) = (setpoint - counted.min(0.0), setpoint - counted);
        for lateral in path.laterals.iter().filter(|l| l.on_main < left) {
            let joins = self.lateral(scene, lateral, pace, when);
            passed -= lateral.gain * joins.low;
            given -= lateral.gain * joins.mid;
        }
        for draw in path.draws.iter().filter(|d| d.on_main < left) {
            let taken = self.draw(scene, draw, pace, when);
            passed += draw.gain * taken.high;
            given += draw.gain * taken.mid;
        }
        let gain = routing::way_gain(scene.basin, below);
        let [passed, given] = [passed, given].map(|flow| Discharge::lossy((flow / gain).max(0.0)));
        Some(Owed { passed, lent: given })
    }

    /// What promises of a path's section fell short by at most, nearly always, less what ponds can stand in for; m³/s. What
    /// comes too late for the ponds too is left to the margin.
    pub fn error(&self, at: usize) -> f64 {
        self.by_path.get(at).map_or(0.0, |path| {
            let far = path.promises.margin();
            if path.relief > 0.0 { far.min(path.near.margin().max(far - path.relief)) } else { far }
        })
    }

    /// What the ponds on a path can stand in for beyond what [`River::error`] has taken of it, m³/s.
    pub(super) fn relief_left(&self, at: usize) -> f64 {
        let relief = self.by_path.get(at).map_or(0.0, |path| path.relief - path.promises.margin());
        (relief + self.error(at)).max(0.0)
    }
}

impl Path {
    /// Hours from the furthest pond that lends on it to the section, when there is one.
    pub(super) fn near_h(&self, basin: &Basin, pace: &Pace) -> Option<f64> {
        let hours = self.laterals.iter().filter_map(|lateral| match lateral.source {
            LateralSource::Pond(id) => {
                basin.reservoirs.get(id.0)?.lends_above?;
                Some(pace.over(&lateral.way).mid)
            }
            LateralSource::Meter(_) | LateralSource::Table(..) => None,
        });
        hours.reduce(f64::max)
    }

    /// Ponds on the way that lend.
    pub(super) fn lenders<'a>(
        &'a self,
        basin: &'a Basin,
    ) -> impl Iterator<Item = (ReservoirId, &'a Reservoir)> {
        self.laterals.iter().filter_map(|lateral| match lateral.source {
            LateralSource::Pond(id) => {
                let body = basin.reservoirs.get(id.0)?;
                body.lends_above.map(|_| (id, body))
            }
            LateralSource::Meter(_) | LateralSource::Table(..) => None,
        })
    }
}

/// What must pass a pond for a section below it, m³/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    /// By a cautious view of what joins further down: what is passed on as far as it comes.
    pub passed: Discharge,
    /// As expected: what is given of the pond's own water where less comes.
    pub lent: Discharge,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::{CurvePoint, GateKind, ReservoirKind};
    use crate::control::testing;
    use crate::units::Volume;

    /// A pond of 1000 m² whatever its level, full at 10 m, that gives down to 9 m.
    fn body() -> Reservoir {
        let basin = testing::basin(testing::gate(GateKind::Plane { width_m: 1.0, height_m: 1.0 }, 0.0));
        let row = |level, volume| CurvePoint { level: Stage::lossy(level), volume: Volume::lossy(volume) };
        Reservoir {
            kind: ReservoirKind::Pond,
            curve: vec![row(0.0, 0.0), row(20.0, 20_000.0)],
            normal_level: Some(Stage::lossy(10.0)),
            lends_above: Some(Stage::lossy(9.0)),
            ..basin.reservoirs[0].clone()
        }
    }

    fn pond(levels: &[Option<f64>]) -> Pond {
        let mut pond = Pond::default();
        for level in levels {
            pond.add(*level);
            pond.close(&body());
        }
        pond
    }

    #[test]
    fn what_a_pond_gives_is_what_its_level_loses() {
        // 6 cm of 1000 m² in 600 s are 0.1 m³/s.
        let pond = pond(&[Some(10.0), Some(9.94)]);
        assert!((pond.gives.latest().unwrap() - 0.1).abs() < 1e-9);
        // Before it was seen it is taken to have given nothing.
        assert_eq!(pond.gives.ago(1.0), Some(0.0));
    }

    #[test]
    fn a_level_nobody_saw_gives_nothing_that_is_known() {
        let pond = pond(&[Some(10.0), None, Some(9.0)]);
        assert_eq!(pond.gives.latest(), None);
    }

    #[test]
    fn a_pond_that_was_emptied_keeps_back_until_it_lends_again() {
        // 3 cm a bin are 0.05 m³/s; from 8.64 m, 360 m³ are missing to 9 m: two hours.
        let emptied = (1..=12).map(|bin| Some(8.28 + 0.03 * f64::from(bin))).collect::<Vec<_>>();
        let pond = pond(&emptied);
        for (lead, kept) in [(0.5, 0.05), (1.9, 0.05), (2.1, 0.0)] {
            assert!((pond.ahead(lead).mid + kept).abs() < 1e-3, "{lead} h: {:?}", pond.ahead(lead));
        }
        assert!(pond.ahead(0.5).high.abs() < 1e-12);
    }

    #[test]
    fn a_pond_gives_less_and_less_and_counts_only_what_it_gives_in_full() {
        let level = Stage::lossy;
        for (at, share) in [(8.9, 0.0), (9.0, 0.0), (9.1, 0.5), (9.2, 1.0), (11.0, 1.0)] {
            assert!((lends(&body(), level(at)) - share).abs() < 1e-9, "{at}");
        }
        // From 10 m to 9.2 m; what stands over the normal level runs off by itself.
        assert!((stock(&body(), level(10.3)) - 800.0).abs() < 1e-6);
        assert!((stock(&body(), level(9.5)) - 300.0).abs() < 1e-6);
        assert!(stock(&body(), level(9.1)).abs() < 1e-6);
        let none = Reservoir { lends_above: None, ..body() };
        assert!(stock(&none, level(10.0)).abs() < 1e-12 && lends(&none, level(10.0)).abs() < 1e-12);
    }
}
