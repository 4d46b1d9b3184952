//! Two meters of one level, by the core alone: row 13 of the fault table. Limits go by the safer one, an alarm names both,
//! and dispatch falls to the safe constant; one alone is used.
//!
//! The fully open valve of the fixture, 0.8 · π/4 · 0.6² = 0.22619 m² of it, passes 0.22619 · √(2 · 9.81 · 40) =
//! 6.3367 m³/s with the lake at 742 m and 0.22619 · √(2 · 9.81 · 30) = 5.4878 m³/s at 732 m.

use jiff::civil::date;
use qindan::basin::{FloodLimit, MeterId, Season, Twin};
use qindan::config::Config;
use qindan::control::quality::{Quality, Reason};
use qindan::control::status::Rung;
use qindan::points::{Element, Point, PointId};
use qindan::units::Stage;

use crate::core::Core;

/// The lake may stand at 750 m at most, the year round, and has a second meter that may differ by 0.10 m.
fn config() -> Config {
    let config = Core::automatic(0.3, 2.0).config;
    let (mut basin, mut field) = ((*config.basin).clone(), (*config.field).clone());
    let season = Season { from: (1, 1), to: (12, 31) };
    assert!(season.contains(date(2026, 5, 18)));
    basin.reservoirs[0].flood_limits = vec![FloodLimit { season, level: Stage::new(750.0).unwrap() }];
    let mut twin = basin.meters[2].clone();
    twin.id = "z.lake2".into();
    basin.meters[2].twin = Some(Twin { meter: MeterId(3), tolerance: 0.10 });
    basin.meters.push(twin);
    let point = Point {
        id: "z.lake2/value".into(),
        element: Element::Meter(MeterId(3)),
        address: 40,
        ..field.points[2].clone()
    };
    field.wiring.meters.push(Some(PointId(field.points.len())));
    field.points.push(point);
    Config { basin: basin.into(), field: field.into(), ..config }
}

/// At rest with 2.2 m³/s, both meters at 742 m, for two hours.
fn at_rest() -> Core {
    let mut core = Core::new(config(), 2.2 / 6.3367, 2.2);
    core.meter("z.lake2", 742.0);
    core.ticks(7200);
    assert_eq!(core.status().rung, Rung::F2);
    core
}

fn permitted(core: &Core) -> (f64, f64) {
    let (lowest, highest) = core.status().gates[0].permitted;
    (lowest.fraction(), highest.fraction())
}

#[track_caller]
fn close(got: (f64, f64), expected: (f64, f64)) {
    assert!(
        (got.0 - expected.0).abs() < 1e-3 && (got.1 - expected.1).abs() < 1e-3,
        "{got:?}, not {expected:?}"
    );
}

fn quality(core: &Core, meter: usize) -> (Quality, Option<Reason>) {
    let point = core.config.field.wiring.meters[meter].unwrap();
    let reading = core.status().image[point.0];
    (reading.quality, reading.reason)
}

#[test]
fn limits_go_by_the_safer_of_two_levels_that_disagree() {
    let mut core = at_rest();
    // Within half an hour the release may fall by 0.5 to 1.7, within ten minutes rise by 1.0 to 3.2 m³/s.
    close(permitted(&core), (1.7 / 6.3367, 3.2 / 6.3367));
    core.meter("z.lake2", 732.0);
    core.ticks(60);
    assert_eq!(quality(&core, 2), (Quality::Good, None));
    core.ticks(10);
    // What must pass at least takes more of an opening by the lower level, what may pass at most less by the higher.
    close(permitted(&core), (1.7 / 5.4878, 3.2 / 6.3367));
    assert_eq!([2, 3].map(|meter| quality(&core, meter)), [(Quality::Suspect, Some(Reason::Disagree)); 2]);
    let told = core.status().alarms.into_iter().find(|alarm| alarm.id == "A44").unwrap();
    assert_eq!((told.element.as_str(), told.priority), ("z.lake", 2));
    let detail = serde_json::json!({ "level_m": 742.0, "twin": "z.lake2", "twin_m": 732.0 });
    assert_eq!(told.detail, detail);
}

#[test]
fn a_flood_is_told_by_the_higher_of_two_levels_that_disagree() {
    let mut core = at_rest();
    core.meter("z.lake2", 749.9);
    core.ticks(50);
    assert_eq!(core.alarms(), Vec::<String>::new());
    core.ticks(20);
    // 750 m less a margin of 0.2 m.
    let alarms = core.alarms();
    assert!(
        alarms.contains(&"A32:lake".to_owned()) && alarms.contains(&"A44:z.lake".to_owned()),
        "{alarms:?}"
    );
}

#[test]
fn dispatch_falls_to_the_safe_constant_and_comes_back_with_one_meter_alone() {
    let mut core = at_rest();
    core.meter("z.lake2", 741.0);
    core.ticks(180);
    assert_eq!(core.status().rung, Rung::F3);
    assert!(core.alarms().contains(&"A30:".to_owned()), "{:?}", core.alarms());
    // Somebody takes the wrong one out of service: the other is used alone.
    core.fails("z.lake2");
    core.ticks(180);
    assert_eq!(core.status().rung, Rung::F2);
    assert_eq!(quality(&core, 2), (Quality::Good, None));
    assert_eq!(core.alarms(), Vec::<String>::new());
}

#[test]
fn a_meter_that_fails_is_stood_in_for() {
    let mut core = at_rest();
    core.fails("z.lake");
    core.meter("z.lake2", 749.9);
    core.ticks(20);
    assert_eq!(quality(&core, 2).0, Quality::Bad);
    // By the second one alone.
    assert_eq!(core.alarms(), ["A32:lake"]);
}
