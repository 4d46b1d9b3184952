//! Pond stations: what their own controller does with the turbines, once a minute.
//!
//! It holds the pond at its normal level with the water that comes, leaves the minimum release to the weir and stops when
//! the river carries too little. Withdrawn stations stand still. Units that the service dispatches are not touched.

use qindan::basin::{Basin, GateKind, PowerStation, StationClass};

/// Time constant of the inflow the controller goes by, s. Assumed.
const SMOOTH_S: f64 = 1800.0;
/// The pond is brought back to its level within this time, s. Assumed.
const RETURN_S: f64 = 3600.0;
/// Flow changes below this share of a unit's rated flow are left alone. Assumed.
const DEAD_BAND: f64 = 0.08;
/// Once stopped, the river must carry this much more than it takes to go on before the units start again. Assumed.
const RESTART: f64 = 1.10;
/// A pond without a declared lowest level is drawn down this far, m. Assumed.
const DRAWDOWN_M: f64 = 0.8;

/// How a station is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// By the river.
    River,
    /// By the demand for power: filling the pond.
    Filling,
    /// By the demand for power: emptying the pond.
    Emptying,
}

/// A pond station's controller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Station {
    /// Its units that nobody else commands.
    pub(crate) units: Vec<usize>,
    pub(crate) pond: usize,
    rated: Vec<f64>,
    least: f64,
    normal: f64,
    lowest: f64,
    min_release: f64,
    stop_below: f64,
    withdrawn: bool,
    pub(crate) regime: Regime,
    inflow: Option<f64>,
    running: bool,
    /// Total flow asked of the units, m³/s.
    asked: f64,
}

impl Station {
    pub(crate) fn new(basin: &Basin, station: &PowerStation) -> Option<Self> {
        let pond = station.pond?;
        let body = basin.reservoirs.get(pond.0)?;
        let own = |id: &&qindan::basin::GateId| {
            super::site::is_pond(basin, pond.0)
                && basin.gates.get(id.0).is_some_and(|gate| !gate.is_dispatched())
        };
        let units = station.units.iter().filter(own).map(|id| id.0).collect::<Vec<_>>();
        let rating = |unit: &usize| match basin.gates[*unit].kind {
            GateKind::Turbine { rated, minimum, .. } => (rated.get(), minimum.get()),
            GateKind::Radial { .. }
            | GateKind::Plane { .. }
            | GateKind::Valve { .. }
            | GateKind::Flap { .. } => (0.0, 0.0),
        };
        let normal = body.normal_level.unwrap_or(body.initial_level).get();
        (!units.is_empty()).then(|| Self {
            rated: units.iter().map(|unit| rating(unit).0).collect(),
            least: units.iter().map(|unit| rating(unit).1).fold(0.0, f64::max),
            pond: pond.0,
            normal,
            lowest: body.dead_level.map_or(normal - DRAWDOWN_M, qindan::units::Stage::get),
            min_release: station.min_release.get(),
            stop_below: station.stop_below.get(),
            withdrawn: station.class == StationClass::Withdraw,
            regime: Regime::River,
            inflow: None,
            running: false,
            asked: 0.0,
            units,
        })
    }

    /// Openings for the units, given what the pond shows; `dt` seconds since the last time. `None` leaves them.
    pub(crate) fn decide(&mut self, level: f64, area: f64, inflow: f64, dt: f64) -> Option<Vec<f64>> {
        let smooth = match self.inflow {
            Some(before) => before + (inflow - before) * dt / (SMOOTH_S + dt),
            None => inflow,
        };
        self.inflow = Some(smooth);
        if level >= self.normal {
            self.regime = if self.regime == Regime::Filling { Regime::Emptying } else { self.regime };
        } else if level <= self.lowest {
            self.regime = if self.regime == Regime::Emptying { Regime::Filling } else { self.regime };
        }
        let all = self.rated.iter().sum::<f64>();
        let wanted = if self.withdrawn || level <= self.lowest {
            0.0
        } else {
            match self.regime {
                Regime::Filling => 0.0,
                Regime::Emptying => all,
                Regime::River => self.by_the_river(level, area, smooth).min(all),
            }
        };
        let unit = self.rated.iter().copied().fold(0.0, f64::max);
        let stops = wanted == 0.0 && self.asked > 0.0;
        if !stops && (wanted - self.asked).abs() < DEAD_BAND * unit {
            return None;
        }
        self.asked = wanted;
        Some(self.share_out(wanted))
    }

    /// Openings with which it begins on a river of `inflow` m³/s and a pond at its normal level.
    pub(crate) fn settle(&mut self, inflow: f64) -> Option<Vec<f64>> {
        self.inflow = Some(inflow);
        self.running = inflow >= self.stop_below;
        let level = self.normal;
        self.asked = f64::INFINITY;
        self.decide(level, 0.0, inflow, 0.0)
    }

    /// Leaves a unit to somebody else.
    pub(crate) fn release(&mut self, unit: usize) {
        if let Some(at) = self.units.iter().position(|own| *own == unit) {
            self.units.remove(at);
            self.rated.remove(at);
        }
    }

    /// To start, the river alone must carry the minimum release and a unit at its least load, and the pond must not be
    /// low: a pond that stands high is no reason, a low one a reason to wait, or the units would only stop again. They
    /// stop before they draw the pond down.
    fn by_the_river(&mut self, level: f64, area: f64, inflow: f64) -> f64 {
        let spare = inflow - self.min_release;
        let flow = spare + (level - self.normal) * area / RETURN_S;
        self.running = if self.running {
            inflow >= self.stop_below && flow >= self.least
        } else {
            inflow >= self.stop_below * RESTART && spare.min(flow) >= RESTART * self.least
        };
        if self.running { flow } else { 0.0 }
    }

    /// As few units as can pass it, evenly loaded.
    fn share_out(&self, wanted: f64) -> Vec<f64> {
        let mut room = 0.0;
        let mut count = 0;
        for rated in &self.rated {
            if room >= wanted {
                break;
            }
            room += rated;
            count += 1;
        }
        let load = if room > 0.0 { (wanted / room).min(1.0) } else { 0.0 };
        (0..self.rated.len()).map(|unit| if unit < count { load } else { 0.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station() -> Station {
        Station {
            units: vec![0, 1],
            pond: 0,
            rated: vec![5.5, 5.5],
            least: 1.5,
            normal: 516.0,
            lowest: 515.0,
            min_release: 1.2,
            stop_below: 2.7,
            withdrawn: false,
            regime: Regime::River,
            inflow: None,
            running: false,
            asked: 0.0,
        }
    }

    #[test]
    fn it_leaves_the_minimum_release_and_stops_when_the_river_is_low() {
        let mut station = station();
        // 8.0 − 1.2 = 6.8: both units, 0.618 each.
        let openings = station.decide(516.0, 20_000.0, 8.0, 60.0).unwrap();
        assert!(openings.iter().all(|o| (o - 6.8 / 11.0).abs() < 1e-12), "{openings:?}");
        station.inflow = Some(2.6);
        assert_eq!(station.decide(516.0, 20_000.0, 2.6, 60.0), Some(vec![0.0, 0.0]));
        // Above the stop rule, but not by the tenth a restart takes.
        station.inflow = Some(2.8);
        assert_eq!(station.decide(516.0, 20_000.0, 2.8, 60.0), None);
    }

    #[test]
    fn a_high_pond_alone_starts_nothing() {
        // 3.0 is above the stop rule and a tenth; 3.0 − 1.2 = 1.8 is a tenth above the least load of 1.5.
        let mut station = Station { stop_below: 2.4, least: 1.7, ..station() };
        assert_eq!(station.decide(516.1, 40_000.0, 3.0, 60.0), None);
        station.least = 1.5;
        assert!(station.decide(516.1, 40_000.0, 3.0, 60.0).is_some());
    }

    #[test]
    fn peaking_fills_to_the_normal_level_and_empties_to_the_lowest() {
        let mut station = station();
        station.regime = Regime::Filling;
        assert_eq!(station.decide(515.5, 20_000.0, 2.0, 60.0), None);
        assert_eq!(station.decide(516.0, 20_000.0, 2.0, 60.0), Some(vec![1.0, 1.0]));
        assert_eq!(station.decide(515.0, 20_000.0, 2.0, 60.0), Some(vec![0.0, 0.0]));
        assert_eq!(station.regime, Regime::Filling);
    }

    #[test]
    fn a_withdrawn_station_stands_still() {
        let mut station = Station { withdrawn: true, ..station() };
        assert_eq!(station.decide(516.5, 20_000.0, 30.0, 60.0), None);
    }
}
