//! The disturbances a demonstration offers by name, each with what brings it about and what puts it right.

use qindan::basin::{Basin, Duty, InflowKind};
use serde::{Deserialize, Serialize};

use crate::plant::Event;

/// In a drought of the demonstration the natural inflows fall to this share, over these hours. Chosen: the river goes on.
const DROUGHT: f64 = 0.5;
const DROUGHT_H: f64 = 6.0;
/// Flood pulse: a thunderstorm over the largest tributary. Chosen: thirty times its base flow in May, and gone in a day.
const PULSE_M3S: f64 = 25.0;
const PULSE_H: f64 = 3.0;
/// A lying meter shows this much of the truth. Chosen: beyond its class, well within what one believes.
const LIE: f64 = 1.25;
/// Opening the other master asks for, and how often.
const OTHER: f64 = 0.15;
const OTHER_S: f64 = 120.0;

/// A disturbance with a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trick {
    /// The natural inflows fall to half.
    Drought,
    /// A wave comes down the largest tributary.
    FloodPulse,
    /// The drive of the trim gate seizes.
    StuckGate,
    /// The meter of the last section with a floor shows too much.
    LyingMeter,
    /// Somebody else commands the trim gate.
    SecondMaster,
}

const ALL: [Trick; 5] =
    [Trick::Drought, Trick::FloodPulse, Trick::StuckGate, Trick::LyingMeter, Trick::SecondMaster];

/// What is wanted of a disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switching {
    /// Which.
    pub trick: Trick,
    /// Brought about, or put right.
    pub on: bool,
}

/// A disturbance as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Which.
    pub trick: Trick,
    /// It was brought about and not put right.
    pub on: bool,
    /// What it acts on, by its name in the configuration; none for the whole river.
    pub element: Option<String>,
}

/// The disturbances of one basin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tricks {
    gate: Option<String>,
    meter: Option<String>,
    inflow: Option<String>,
    on: Vec<Trick>,
}

impl Tricks {
    /// Those of `basin`: on its trim gate, its last section with a floor, its largest tributary.
    pub fn of(basin: &Basin) -> Self {
        let trim = basin.gates.iter().find(|gate| gate.is_dispatched() && gate.duty == Duty::Trim);
        let gate = trim.or_else(|| basin.gates.iter().find(|gate| gate.is_dispatched()));
        let section = basin.sections.iter().rfind(|section| section.floor.is_some());
        let tributaries = basin.inflows.iter().filter(|inflow| inflow.kind == InflowKind::Tributary);
        let yearly =
            |inflow: &qindan::basin::Inflow| inflow.monthly_normal.iter().map(|flow| flow.get()).sum::<f64>();
        let inflow = tributaries.max_by(|one, two| yearly(one).total_cmp(&yearly(two)));
        Self {
            gate: gate.map(|gate| gate.id.clone()),
            meter: section
                .and_then(|section| basin.meters.get(section.meter.0))
                .map(|meter| meter.id.clone()),
            inflow: inflow.or(basin.inflows.first()).map(|inflow| inflow.id.clone()),
            on: Vec::new(),
        }
    }

    /// All of them as they stand.
    pub fn shown(&self) -> Vec<Shown> {
        let shown = |trick: &Trick| Shown {
            trick: *trick,
            on: self.on.contains(trick),
            element: self.element(*trick).cloned(),
        };
        ALL.iter().map(shown).collect()
    }

    /// It is so now.
    pub fn note(&mut self, Switching { trick, on }: Switching) {
        self.on.retain(|other| *other != trick);
        if on {
            self.on.push(trick);
        }
    }

    fn element(&self, trick: Trick) -> Option<&String> {
        match trick {
            Trick::Drought => None,
            Trick::FloodPulse => self.inflow.as_ref(),
            Trick::StuckGate | Trick::SecondMaster => self.gate.as_ref(),
            Trick::LyingMeter => self.meter.as_ref(),
        }
    }

    /// What brings it about, or puts it right; `None` when the basin has nothing to show it on.
    pub fn events(&self, Switching { trick, on }: Switching) -> Option<Vec<Event>> {
        let element = || self.element(trick).cloned();
        Some(vec![match (trick, on) {
            (Trick::Drought, true) => Event::Inflows { factor: DROUGHT, over_h: DROUGHT_H },
            (Trick::Drought, false) => Event::Inflows { factor: 1.0, over_h: DROUGHT_H },
            (Trick::FloodPulse, true) => {
                Event::Wave { inflow: element()?, peak_m3s: PULSE_M3S, to_peak_h: PULSE_H }
            }
            (Trick::FloodPulse, false) => Event::Ebb {},
            (Trick::StuckGate, true) => Event::Stick { gate: element()? },
            (Trick::StuckGate, false) => Event::Free { gate: element()? },
            (Trick::LyingMeter, true) => Event::MeterBias { meter: element()?, add: 0.0, factor: LIE },
            (Trick::LyingMeter, false) => Event::MeterNormal { meter: element()? },
            (Trick::SecondMaster, true) => {
                Event::SecondMaster { gate: element()?, opening: OTHER, every_s: OTHER_S }
            }
            (Trick::SecondMaster, false) => Event::SecondMasterGone { gate: element()? },
        }])
    }
}
