//! The river against books: normal depth, backwater curves, fronts on a dry bed, water that levels out, a tank that
//! empties. `tests/it/swmm.rs` holds it against a program of others.

use std::time::Duration;

use qindan::basin::{
    Berm, CurvePoint, FixedOpening, FixedShape, NodeId, Place, Reach, ReachId, Reservoir, ReservoirId,
    ReservoirKind,
};
use qindan::units::Volume;

use super::{Forcing, Plant};
use crate::testing::{self, body, chain, config, name, reach, stage, steady};

const MINUTE: Duration = Duration::from_secs(60);

fn run(plant: &mut Plant, forcing: &Forcing, hours: u32) {
    for _ in 0..60 * hours {
        plant.advance(MINUTE, forcing);
    }
}

/// Depth `km` below the head of reach `at`.
fn depth(plant: &Plant, at: usize, km: f64) -> f64 {
    plant.depth(Place::Along { reach: ReachId(at), km })
}

/// Manning's formula for a trapezoid, worked out from the depth: A, P, Q = A·(A/P)^(2/3)·√S/n.
fn manning(h: f64, b: f64, z: f64, n: f64, slope: f64) -> f64 {
    let area = h * (b + z * h);
    let edge = b + 2.0 * h * (1.0 + z * z).sqrt();
    area * (area / edge).powf(2.0 / 3.0) * slope.sqrt() / n
}

#[test]
fn it_stands_as_deep_as_manning_says_from_drought_to_flood() {
    // From a twentieth to four thousand, through nine decades of a day's change each, on one river.
    let spec = reach("A", 0, 1, 20.0, [0.0033, 18.0, 2.5, 0.052, 0.0]);
    let mut plant = Plant::new(&config(chain(vec![spec])), 1, testing::start(), &steady(0.05));
    for flow in [0.05, 0.5, 1.5, 10.0, 300.0, 4000.0, 40.0, 1.0, 0.05] {
        // A decade down at a twentieth takes days: 0.05 m³/s moves at 0.15 m/s and drains its bed.
        run(&mut plant, &steady(flow), if flow < 5.0 { 120 } else { 24 });
        let stands = depth(&plant, 0, 10.0);
        let carries = manning(stands, 18.0, 2.5, 0.052, 0.0033);
        assert!((carries / flow - 1.0).abs() < 0.01, "{stands} m carry {carries} for {flow}");
    }
    let balance = plant.balance();
    assert!(balance.error_m3.abs() < 1e-9 * balance.inflow_m3, "{balance:?}");
}

#[test]
fn a_flood_fills_its_plain() {
    // 20 m wide, upright, n 0.04, 2 m deep; plain 100 m, n 0.1; S = 0.002; at 3 m: channel A 60, P 24,
    // K = 60 · 2.5^(2/3)/0.04 = 2763.0; plain A 100, P 102, K = 100 · 0.98039^(2/3)/0.1 = 986.9; Q = √0.002 · 3749.9 = 167.70.
    let plain = Berm { foot_m: 2.0, width_m: 100.0, side_slope: 0.0, manning: 0.1 };
    let spec = Reach { berms: vec![plain], ..reach("A", 0, 1, 20.0, [0.002, 20.0, 0.0, 0.04, 0.0]) };
    let mut plant = Plant::new(&config(chain(vec![spec])), 1, testing::start(), &steady(1.0));
    run(&mut plant, &steady(167.70), 48);
    assert!((depth(&plant, 0, 10.0) - 3.0).abs() < 0.003, "{}", depth(&plant, 0, 10.0));
}

/// A wide, flat reach of 40 km that ends in a pool whose weir begins `level` m above the bed of its mouth.
fn into_a_pool(level: f64, flow: f64) -> Plant {
    let spec = reach("A", 0, 1, 40.0, [0.0002, 200.0, 0.0, 0.03, 0.0]);
    let mut basin = chain(vec![spec, reach("B", 2, 3, 1.0, [0.002, 200.0, 0.0, 0.03, 0.0])]);
    let pool = body("pool", ReservoirKind::Pond, 1, &[(90.0, 0.0), (120.0, 30e6)], 100.0 + level);
    basin.reservoirs = vec![Reservoir { normal_level: Some(stage(100.0)), ..pool }];
    basin.fixed_openings = vec![FixedOpening {
        id: "weir".into(),
        name: name("weir"),
        shape: FixedShape::Crest { width_m: 500.0, coefficient: 1.8 },
        from: ReservoirId(0),
        to: Place::Node(NodeId(2)),
        sill: stage(100.0 + level),
    }];
    Plant::new(&config(basin), 1, testing::start(), &steady(flow))
}

/// Depths of the backwater curve dh/dx = S − Sf, Sf = (q·n)²/h^(10/3) for a wide channel, upstream from depth `h` at the
/// mouth, every metre by the midpoint rule; at `at` m from the mouth.
fn backwater(h: f64, at: &[f64]) -> Vec<f64> {
    let (q, n, slope) = (100.0 / 200.0, 0.03, 0.0002);
    // Hydraulic radius of the rectangle, not its depth: 200 m wide.
    let fall = |h: f64| slope - (q * n / h).powi(2) / (h * 200.0 / (200.0 + 2.0 * h)).powf(4.0 / 3.0);
    let (mut x, mut depth, mut found) = (0.0, h, Vec::new());
    for wanted in at {
        while x < *wanted {
            let middle = depth - 0.5 * fall(depth);
            depth -= fall(middle);
            x += 1.0;
        }
        found.push(depth);
    }
    found
}

#[test]
fn a_pool_backs_the_river_up_as_the_backwater_curve_says() {
    // 100 m³/s stand 1.04 m deep without it; the pool stands at 3.2 m over the mouth: felt for 15 km.
    let mut plant = into_a_pool(3.0, 100.0);
    run(&mut plant, &steady(100.0), 24 * 10);
    let level = plant.reservoir_level(ReservoirId(0)) - 100.0;
    let km = [0.25, 2.25, 5.25, 10.25, 15.25, 25.25];
    let curve = backwater(level, &km.map(|km| km * 1000.0));
    for (km, expected) in km.iter().zip(curve) {
        let stands = depth(&plant, 0, 40.0 - km);
        assert!((stands / expected - 1.0).abs() < 0.01, "{km} km: {stands} m for {expected} m");
    }
    let leaves = plant.reach_outflow(ReachId(0));
    assert!((leaves - 100.0).abs() < 0.05, "{leaves}");
}

#[test]
fn a_river_begins_on_its_backwater_curve() {
    let mut plant = into_a_pool(3.0, 100.0);
    let before = [1.25, 6.25, 12.25].map(|km| depth(&plant, 0, 40.0 - km));
    run(&mut plant, &steady(100.0), 48);
    for (km, before) in [1.25, 6.25, 12.25].iter().zip(before) {
        let now = depth(&plant, 0, 40.0 - km);
        assert!((now / before - 1.0).abs() < 0.02, "{km} km: {now} m from {before} m");
    }
}

#[test]
fn a_front_on_a_dry_bed_runs_with_the_water_behind_it() {
    // Continuity over a front that keeps its shape on a dry bed: its speed is Q/A of the uniform flow behind it.
    for flow in [1.0, 50.0, 1000.0] {
        let spec = reach("A", 0, 1, 30.0, [0.0033, 18.0, 2.5, 0.052, 0.0]);
        let mut plant = Plant::new(&config(chain(vec![spec])), 1, testing::start(), &steady(0.0));
        let mut h = 0.01;
        while manning(h, 18.0, 2.5, 0.052, 0.0033) < flow {
            h += 1e-4;
        }
        let by_hand = 30_000.0 / (flow / (h * (18.0 + 2.5 * h)));
        let mut seconds = 0.0_f64;
        while plant.reach_outflow(ReachId(0)) < 0.5 * flow && seconds < 3e5 {
            plant.advance(MINUTE, &steady(flow));
            seconds += 60.0;
        }
        assert!((seconds / by_hand - 1.0).abs() < 0.04, "{flow}: {seconds} s for {by_hand} s");
    }
}

#[test]
fn still_water_levels_out() {
    // A nearly level reach above a pool: what is poured in at its head lies level after a while, with nobody's help.
    let mut plant = into_a_pool(5.0, 0.0);
    run(&mut plant, &steady(60.0), 12);
    run(&mut plant, &steady(0.0), 24 * 20);
    // Surface above the bed of the mouth: depth plus the rise of the bed, 0.2 m per km.
    let surface = [1.25, 5.25, 9.25, 13.25].map(|km| depth(&plant, 0, 40.0 - km) + 0.2 * km);
    let level = plant.reservoir_level(ReservoirId(0)) - 100.0;
    for height in surface {
        assert!((height - level).abs() < 0.02, "{surface:?} for {level}");
    }
    assert!(plant.balance().error_m3.abs() < 1e-6 * plant.balance().inflow_m3);
}

#[test]
fn a_flood_in_the_stem_holds_a_brook_back() {
    // Brook and stem on the same gentle bed join at node 2; 300 m³/s in the stem stand deeper than the brook's own 2.
    let gentle = |id: &str, from, to, width| reach(id, from, to, 10.0, [0.0003, width, 0.0, 0.03, 0.0]);
    let mut basin =
        chain(vec![gentle("stem", 0, 2, 60.0), gentle("brook", 1, 2, 10.0), gentle("on", 2, 3, 60.0)]);
    let brook = testing::inflow(
        "brook",
        qindan::basin::InflowKind::Tributary,
        vec![(Place::Node(NodeId(1)), 1.0)],
        2.0,
    );
    basin.inflows.push(brook);
    let both = |stem: f64| Forcing { inflows: vec![stem, 2.0], ..Forcing::default() };
    let mut plant = Plant::new(&config(basin), 1, testing::start(), &both(2.0));
    let before = depth(&plant, 1, 9.75);
    run(&mut plant, &both(300.0), 72);
    let (brook, stem) = (depth(&plant, 1, 9.75), depth(&plant, 2, 0.25));
    assert!(before < 0.6 && (brook - stem).abs() < 0.2, "{before} m, then {brook} m beside {stem} m");
    assert!((plant.reach_outflow(ReachId(1)) - 2.0).abs() < 0.02);
}

#[test]
fn a_tank_empties_as_torricelli_says() {
    // Upright walls of 10 000 m², an orifice of 0.5 m, Cd 0.6, its axis at 0: √h falls straight with time,
    // √h₀ − √h = Cd·a·√(2g)/(2·A)·t; from 9 m to 4 m: t = 2 · 10 000 · 1/(0.6 · 0.19635 · 4.42945) = 38 327 s.
    let mut basin = chain(vec![reach("B", 1, 2, 1.0, [0.01, 20.0, 0.0, 0.03, 0.0])]);
    let table = [(90.0, 0.0), (120.0, 300_000.0)];
    basin.reservoirs = vec![Reservoir {
        curve: table
            .map(|(level, volume)| CurvePoint { level: stage(level), volume: Volume::new(volume).unwrap() })
            .into(),
        ..body("tank", ReservoirKind::Reservoir, 0, &table, 109.25)
    }];
    basin.fixed_openings = vec![FixedOpening {
        id: "hole".into(),
        name: name("hole"),
        shape: FixedShape::Orifice { bore_m: 0.5, cd: 0.6 },
        from: ReservoirId(0),
        to: Place::Node(NodeId(1)),
        sill: stage(100.0),
    }];
    // `body` gives it some evaporation: none here.
    basin.reservoirs[0].net_evaporation_mm = 0.0;
    let mut plant = Plant::new(&config(basin), 1, testing::start(), &steady(0.0));
    let mut seconds = 0.0_f64;
    while plant.reservoir_level(ReservoirId(0)) > 104.25 && seconds < 1e5 {
        plant.advance(MINUTE, &steady(0.0));
        seconds += 60.0;
    }
    assert!((seconds / 38_327.0 - 1.0).abs() < 0.005, "{seconds} s");
}
