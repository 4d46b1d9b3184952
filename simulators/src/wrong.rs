//! Rivers and instruments that are not what the service takes them for.
//!
//! The configuration stays as it is, and with it all the controller predicts with; only the virtual river, or what its meters
//! show, is another. So a controller is tried whose model is wrong in a known way.

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::{Basin, InflowKind, MeterId, NodeId, Place};
use qindan::config::Config;
use qindan::control::routing;

use crate::inflow::Source;
use crate::plant::Event;
use crate::scenario::{Case, Happening, What};

/// In a wide channel depth goes with n^0.6 at the same flow (Manning), and so do the water under way and the travel time of
/// a wave.
const TIME_BY_ROUGHNESS: f64 = 0.6;
/// Lost above the last section, m³/s. Chosen: an eighth of its floor, more than half of an irrigation pump.
const LOSS: f64 = 0.2;

/// What is not as the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Waves take 30 % longer.
    LagsLonger,
    /// Waves take 30 % less.
    LagsShorter,
    /// Manning's n of every bed is 20 % higher.
    Rougher,
    /// Manning's n of every bed is 20 % lower.
    Smoother,
    /// Somebody nobody meters takes 0.2 m³/s just above the last section.
    Loss,
    /// The meters of the sections show 5 % too much.
    MetersHigh,
    /// The meters of the sections show 5 % too little.
    MetersLow,
    /// The gauge of the largest metered tributary is dead.
    DeadTributary,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LagsLonger,
        Self::LagsShorter,
        Self::Rougher,
        Self::Smoother,
        Self::Loss,
        Self::MetersHigh,
        Self::MetersLow,
        Self::DeadTributary,
    ];

    /// As it is written on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::LagsLonger => "lags+30",
            Self::LagsShorter => "lags-30",
            Self::Rougher => "roughness+20",
            Self::Smoother => "roughness-20",
            Self::Loss => "loss-0.2",
            Self::MetersHigh => "meters+5",
            Self::MetersLow => "meters-5",
            Self::DeadTributary => "dead-tributary",
        }
    }

    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::LagsLonger => "waves travel 30 % longer than the service believes",
            Self::LagsShorter => "waves travel 30 % shorter than the service believes",
            Self::Rougher => "every bed is 20 % rougher (Manning's n)",
            Self::Smoother => "every bed is 20 % smoother (Manning's n)",
            Self::Loss => "0.2 m³/s are taken just above the last section, and nobody meters it",
            Self::MetersHigh => "the meters of the sections show 5 % too much",
            Self::MetersLow => "the meters of the sections show 5 % too little",
            Self::DeadTributary => "the gauge of the largest metered tributary is dead",
        }
    }

    /// From its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wrong| wrong.name() == name)
    }

    /// Makes it so for a case before its run.
    pub fn befall(self, case: &mut Case) {
        case.truth.names.push(self.name());
        match self {
            Self::LagsLonger => case.truth.roughness *= 1.3_f64.powf(1.0 / TIME_BY_ROUGHNESS),
            Self::LagsShorter => case.truth.roughness *= 0.7_f64.powf(1.0 / TIME_BY_ROUGHNESS),
            Self::Rougher => case.truth.roughness *= 1.2,
            Self::Smoother => case.truth.roughness *= 0.8,
            Self::Loss => {
                let last = far_paths(&case.config.basin).max_by_key(|path| path.way.len());
                let place = last.and_then(|path| {
                    let reach = path.way.last()?.reach;
                    let km = case.config.basin.reaches.get(reach.0)?.length_km;
                    Some(Place::Along { reach, km: 0.5 * km })
                });
                case.scenario.laterals.extend(place.map(|place| (place, Source::constant(LOSS), -1.0)));
            }
            Self::MetersHigh => case.truth.misread_sections(&case.config.basin, 1.05),
            Self::MetersLow => case.truth.misread_sections(&case.config.basin, 0.95),
            Self::DeadTributary => {
                let meter = largest_tributary(&case.config.basin);
                silence(case, meter.as_slice(), Duration::ZERO);
            }
        }
    }
}

/// What is true of river and instruments, where it is not what the configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// What is wrong, by name.
    pub names: Vec<&'static str>,
    /// Manning's n of every bed over that of the configuration.
    pub roughness: f64,
    /// What meters show over what they should, errors of their class apart.
    pub readings: Vec<(MeterId, f64)>,
}

impl Default for Truth {
    fn default() -> Self {
        Self { names: Vec::new(), roughness: 1.0, readings: Vec::new() }
    }
}

impl Truth {
    /// The configuration of the river as it really is.
    pub fn of(&self, config: &Config) -> Config {
        if self.roughness.to_bits() == 1.0_f64.to_bits() {
            return config.clone();
        }
        let mut basin = Basin::clone(&config.basin);
        for reach in &mut basin.reaches {
            reach.manning *= self.roughness;
            reach.berms.iter_mut().for_each(|berm| berm.manning *= self.roughness);
        }
        Config { basin: Arc::new(basin), ..config.clone() }
    }

    fn misread_sections(&mut self, basin: &Basin, factor: f64) {
        self.readings.extend(basin.sections.iter().map(|section| (section.meter, factor)));
    }
}

/// Ways from a dam to sections that are not at its foot.
fn far_paths(basin: &Basin) -> impl Iterator<Item = routing::Path> {
    routing::paths(basin).into_iter().filter(|path| !path.way.is_empty())
}

/// The devices of these meters give no answer from `at` on.
pub(crate) fn silence(case: &mut Case, meters: &[MeterId], at: Duration) {
    let field = &case.config.field;
    let devices = meters.iter().filter_map(|meter| {
        let point = field.wiring.meters.get(meter.0).copied()??;
        let device = field.points.get(point.0)?.device;
        Some(field.devices.get(device.0)?.id.clone())
    });
    let happenings = devices.map(|device| Happening {
        id: format!("silent:{device}"),
        at,
        what: What::Event(Event::Unplug { device, silent: true }),
    });
    let scenario = &mut case.scenario;
    scenario.happenings.extend(happenings);
    scenario.happenings.sort_by_key(|happening| happening.at);
}

/// The meters of all sections further down from a dam.
pub(crate) fn far_meters(basin: &Basin) -> Vec<MeterId> {
    let sections = far_paths(basin).filter_map(|path| basin.sections.get(path.section.0));
    let mut meters = sections.map(|section| section.meter).collect::<Vec<_>>();
    meters.sort_by_key(|meter| meter.0);
    meters.dedup();
    meters
}

/// The gauge of the tributary that brings most in a dry year of those that join above a section further down.
fn largest_tributary(basin: &Basin) -> Option<MeterId> {
    let ends = far_paths(basin).flat_map(|path| path.nodes.into_iter().map(|(node, _)| node));
    let ends = ends.collect::<Vec<_>>();
    let joins = |from: NodeId| {
        let mut at = from;
        // A river without circles passes each node once.
        for _ in 0..=basin.nodes.len() {
            if ends.contains(&at) {
                return true;
            }
            let Some(reach) = basin.reaches.iter().find(|reach| reach.from == at) else { return false };
            at = reach.to;
        }
        false
    };
    let tributaries = basin.inflows.iter().filter(|inflow| inflow.kind == InflowKind::Tributary);
    let joining = tributaries.filter(|inflow| {
        let node = |(place, _): &(Place, f64)| match place {
            Place::Node(node) => joins(*node),
            Place::Along { .. } | Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => false,
        };
        inflow.into.iter().any(node)
    });
    let year = |inflow: &qindan::basin::Inflow| inflow.monthly_dry.iter().map(|q| q.get()).sum::<f64>();
    let metered = joining.filter_map(|inflow| Some((inflow.meter?, year(inflow))));
    metered.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(meter, _)| meter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay;
    use crate::run::Run;
    use crate::travel;

    fn case() -> Case {
        replay::load("may_normal", None, &[]).unwrap()
    }

    fn with(wrong: Wrong) -> Case {
        let mut case = case();
        wrong.befall(&mut case);
        case
    }

    #[test]
    fn every_name_is_found_again() {
        for wrong in Wrong::ALL {
            assert_eq!(Wrong::parse(wrong.name()), Some(wrong));
        }
        assert_eq!(Wrong::parse("lags"), None);
    }

    /// Travel times of a small wave at the flows at which the river is held, by the plant's own river: 30 % longer and
    /// shorter by what they are called; with n times 1.2 and 0.8, 1.2^0.6 = 1.116 and 0.8^0.6 = 0.875 in a wide channel. Side
    /// slopes take some of that: within three hundredths.
    #[test]
    fn waves_take_as_much_longer_as_it_says() {
        let case = case();
        let path = far_paths(&case.config.basin).max_by_key(|path| path.way.len()).unwrap();
        for flow in [1.5, 3.0] {
            let usual = travel::along(&case.config, &path, flow).wave_h;
            for (wrong, expected) in [
                (Wrong::LagsLonger, 1.3),
                (Wrong::LagsShorter, 0.7),
                (Wrong::Rougher, 1.116),
                (Wrong::Smoother, 0.875),
            ] {
                let case = with(wrong);
                let river = case.truth.of(&case.config);
                let factor = travel::along(&river, &path, flow).wave_h / usual;
                assert!((factor - expected).abs() < 0.03, "{} at {flow}: {factor}", wrong.name());
                assert_eq!(case.config.basin, self::case().config.basin);
            }
        }
    }

    /// Two runs before anything is decided: the same river, and meters that show a twentieth more and less of it.
    #[test]
    fn meters_show_a_twentieth_too_much_or_too_little() {
        let shown = |case: Case| {
            let section = case.config.basin.section("runcheng").unwrap();
            let meter = case.config.basin.sections[section.0].meter;
            let point = case.config.field.wiring.meters[meter.0].unwrap();
            let mut run = Run::new(case, 1);
            run.tick(Duration::from_secs(1));
            let flow = run.controller().readings()[point.0].usable().unwrap();
            (flow, run.plant().section_flow(section))
        };
        let (usual, high, low) =
            (shown(case()), shown(with(Wrong::MetersHigh)), shown(with(Wrong::MetersLow)));
        assert!((high.1 - usual.1).abs() < 1e-9 && (low.1 - usual.1).abs() < 1e-9);
        // Registers hold litres; what the meter errs by its class comes on top of all three alike.
        assert!(((high.0 - usual.0) / usual.1 - 0.05).abs() < 2e-3, "{usual:?} {high:?}");
        assert!(((low.0 - usual.0) / usual.1 + 0.05).abs() < 2e-3, "{usual:?} {low:?}");
    }

    /// The steady river loses exactly what somebody takes just above the section, less the share the bed would have
    /// lost of it on the rest of the way.
    #[test]
    fn the_loss_is_missing_at_the_last_section() {
        let at_rest = |case: &Case| {
            let run = Run::new(case.clone(), 1);
            let flows = ["runcheng", "zf_out"].map(|id| {
                let section = case.config.basin.section(id).unwrap();
                run.plant().section_flow(section)
            });
            (flows[0], flows[1])
        };
        let (usual, less) = (at_rest(&case()), at_rest(&with(Wrong::Loss)));
        assert!((usual.1 - less.1).abs() < 1e-9);
        assert!((usual.0 - less.0 - LOSS).abs() < 0.01, "{usual:?} {less:?}");
    }

    /// By the table of the domain notes the Duanshi brings 35 % of what joins, more than any other that is metered.
    #[test]
    fn the_dead_gauge_is_the_duanshis() {
        let case = with(Wrong::DeadTributary);
        let first = case.scenario.happenings.first().unwrap();
        assert_eq!((first.id.as_str(), first.at), ("silent:m.q.duanshihe", Duration::ZERO));
        let far = far_meters(&case.config.basin);
        let names = far.iter().map(|meter| case.config.basin.meters[meter.0].id.as_str());
        assert!(names.collect::<Vec<_>>().contains(&"q.runcheng"));
    }
}
