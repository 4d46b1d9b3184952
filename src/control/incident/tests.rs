use std::sync::Arc;

use super::spread::{LEADING, SLOWEST, Waters, spread};
use super::*;

fn shipped() -> Arc<Basin> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    crate::config::load(&folder).unwrap().basin
}

/// Where the water of `km` of a reach goes with these flows; every pond holds 40 000 m³.
fn go(basin: &Basin, reach: &str, km: f64, flow: impl Fn(&str) -> Option<f64>) -> Vec<Reached> {
    let at = ReachId(basin.reaches.iter().position(|one| one.id == reach).unwrap());
    let flow = |node: NodeId| flow(&basin.nodes[node.0].id);
    let volume = |_: ReservoirId| Some(40_000.0);
    spread(&Waters { basin, flow: &flow, volume: &volume }, (at, km))
}

fn travel(reached: &[Reached], element: &str) -> Travel {
    reached.iter().find(|one| one.element == element).unwrap().travel.unwrap()
}

#[test]
fn time_is_length_over_velocity() {
    // One kilometre of R4 (20 m wide, side slope 2.5, n 0.05, 3.2 per mille) down to the pump at 2 m³/s: 0.2322 m deep,
    // 0.41843 m/s (solved apart from this code), so 1000 / 0.41843 / 3600 = 0.66385 h.
    let basin = shipped();
    let reached = go(&basin, "R4", 0.0, |_| Some(2.0));
    let pump = travel(&reached, "in.duanshi_irr");
    assert!((pump.peak_h - 0.663_85).abs() < 1e-4, "{pump:?}");
    assert!(
        (pump.first_h - LEADING * 0.663_85).abs() < 1e-4 && (pump.late_h - SLOWEST * 0.663_85).abs() < 1e-4
    );
    assert_eq!((pump.share, pump.km), (1.0, 1.0));
    // From half way it takes half as long, and what lies above is not reached.
    let half = travel(&go(&basin, "R4", 0.5, |_| Some(2.0)), "in.duanshi_irr");
    assert!((half.peak_h - 0.5 * 0.663_85).abs() < 1e-4, "{half:?}");
    assert!(go(&basin, "R4", 1.5, |_| Some(2.0)).iter().all(|one| one.element != "in.duanshi_irr"));
}

#[test]
fn from_the_dam_to_runcheng_the_water_takes_as_long_as_the_domain_notes_say() {
    // Domain notes 1.7: 47 h at 2 m³/s over 72 km, where the wave takes 29 h. Through the turbines it is spared the two dewatered
    // reaches, 2.2 km at 0.418 m/s and 1.6 km at 0.430, 1.46 and 1.03 h: 46.88 - 2.49 = 44.39 h over 68.2 km.
    let reached = go(&shipped(), "R1", 0.0, |_| Some(2.0));
    let runcheng = travel(&reached, "runcheng");
    assert!((runcheng.peak_h - 44.39).abs() < 0.05, "{runcheng:?}");
    assert!((runcheng.km - 68.2).abs() < 0.01, "{runcheng:?}");
    // Two ponds of 40 000 m³ hold it for 40 000 / 2 / 3600 = 5.56 h each at most.
    let most = SLOWEST * runcheng.peak_h + 2.0 * 40_000.0 / 2.0 / 3600.0;
    assert!((runcheng.late_h - most).abs() < 1.0, "{runcheng:?} {most}");
    // Every intake of the reach and the side inlet of the wetland, in the order of the river.
    let order: Vec<_> = reached.iter().map(|one| one.element.as_str()).collect();
    let at = |id: &str| order.iter().position(|one| *one == id).unwrap_or_else(|| panic!("{id} {order:?}"));
    let way = [
        "in.zhengzhuang_town",
        "in.coalbed",
        "in.duanshi_irr",
        "in.jiafeng_power",
        "jiuquwan",
        "in.runcheng_lift",
        "runcheng",
    ];
    for pair in way.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{order:?}");
    }
    // What the dam itself supplies lies above.
    assert!(!order.contains(&"in.first_trunk") && !order.contains(&"zf.canal.g1"), "{order:?}");
}

#[test]
fn what_joins_dilutes_and_what_the_bed_takes_does_not() {
    // 2 m³/s come to Wangbi less 0.2 % a kilometre over 4 km, 2 · 0.998^4 = 1.98405; with the Longqu there are 4: 0.49601.
    let basin = shipped();
    let reached = go(&basin, "R1", 0.0, |node| Some(if node == "zf_out" { 2.0 } else { 4.0 }));
    let town = travel(&reached, "in.zhengzhuang_town");
    assert!((town.share - 0.496_01).abs() < 1e-4, "{town:?}");
}

#[test]
fn without_a_flow_nobody_can_tell_when() {
    let reached = go(&shipped(), "R4", 0.0, |_| None);
    let pump = reached.iter().find(|one| one.element == "in.duanshi_irr").unwrap();
    assert_eq!(pump.travel, None);
    // Nor beyond a place of the way where it is not known.
    let reached = go(&shipped(), "R1", 0.0, |node| (node != "wangbi").then_some(2.0));
    let of = |id: &str| reached.iter().find(|one| one.element == id).unwrap().travel;
    assert_eq!(of("runcheng"), None);
}

#[test]
fn where_nothing_joins_what_came_passes_on() {
    // The Luwei has one gauge, at its head. From km 2 to the inlet of its wetland 6 km at 0.4045 m³/s: bed 8 m, side slope 2, n 0.05,
    // 6 per mille; 0.1278 m deep, A = 1.0551 m², P = 8.5715 m, R = 0.12309 m, v = 0.24745 · 0.0774597 / 0.05 = 0.38335 m/s, so
    // 6000 / 0.38335 / 3600 = 4.348 h. There are 1.5 km more to the Qin, where others join, and nobody knows what passes.
    let reached = go(&shipped(), "LW1a", 2.0, |node| (node == "luwei_head").then_some(0.4045));
    let inlet = travel(&reached, "lw.inlet");
    assert!((inlet.peak_h - 4.348).abs() < 0.01 && (inlet.km - 6.0).abs() < 1e-9, "{inlet:?}");
    assert!((inlet.flow_m3s - 0.4045).abs() < 1e-9 && (inlet.share - 1.0).abs() < 1e-9, "{inlet:?}");
    let runcheng = reached.iter().find(|one| one.element == "runcheng").unwrap();
    assert_eq!(runcheng.travel, None);
}

#[test]
fn water_of_the_dan_comes_to_the_supply_of_the_city() {
    let reached = go(&shipped(), "D1", 11.0, |_| Some(1.0));
    assert!(reached.iter().any(|one| one.what == What::Gate && one.element == "rz.supply"), "{reached:?}");
}

#[test]
fn a_report_that_cannot_be_is_refused() {
    let basin = shipped();
    let now: Timestamp = "2026-05-14T00:00:00Z".parse().unwrap();
    let report = Report {
        reach: "R4".into(),
        km: 5.0,
        happened: "2026-05-13T23:00:00Z".parse().unwrap(),
        lasts_min: 60,
        what: "柴油".into(),
        mass_kg: Some(200.0),
        limit_mg_l: None,
    };
    assert!(check(&basin, &report, now).is_ok());
    let wrong = [
        (Report { reach: "R99".into(), ..report.clone() }, "no such reach"),
        (Report { reach: "T1".into(), ..report.clone() }, "pipe"),
        (Report { km: 10.1, ..report.clone() }, "from 0 to 10"),
        (Report { km: f64::NAN, ..report.clone() }, "from 0 to 10"),
        (Report { happened: "2026-05-14T00:00:01Z".parse().unwrap(), ..report.clone() }, "168 h"),
        (Report { happened: "2026-05-06T00:00:00Z".parse().unwrap(), ..report.clone() }, "168 h"),
        (Report { lasts_min: 0, ..report.clone() }, "from 1 to"),
        (Report { mass_kg: Some(0.0), ..report.clone() }, "mass_kg: must be positive"),
        (Report { limit_mg_l: Some(-1.0), ..report.clone() }, "limit_mg_l: must be positive"),
    ];
    for (report, words) in wrong {
        let said = check(&basin, &report, now).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}
