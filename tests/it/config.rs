//! The shipped configuration, and another basin that is just another folder.

use std::path::Path;

use jiff::civil::date;
use qindan::basin::{Basin, NodeId, OnLinkLoss};
use qindan::config::{self, Config};
use qindan::control::routing::{self, Path as River};
use qindan::control::schedule::When;
use qindan::points::{Point, Role};
use qindan::registers;
use qindan::units::{Discharge, Opening};

fn load(folder: &str) -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    config::load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
}

fn shipped() -> Config {
    load("config")
}

fn alder() -> Config {
    load("tests/golden/config/alder")
}

fn path_to(basin: &Basin, section: &str) -> River {
    let id = basin.section(section).unwrap();
    routing::paths(basin).into_iter().find(|path| path.section == id).unwrap()
}

fn node_names<'b>(basin: &'b Basin, path: &River) -> Vec<&'b str> {
    path.nodes.iter().map(|(NodeId(at), _)| basin.nodes[*at].id.as_str()).collect()
}

#[test]
fn the_outlet_section_lies_at_the_dam() {
    let basin = shipped().basin;
    let path = path_to(&basin, "zf_out");
    assert_eq!(basin.reservoirs[path.source.0].id, "zhangfeng");
    assert_eq!(node_names(&basin, &path), ["zf_out"]);
    assert!(path.way.is_empty() && path.laterals.is_empty() && path.draws.is_empty());
}

/// Domain notes 1.7: 37 h at 1.0, 32 h at 1.5, 29 h at 2, 25 h at 3, 16 h at 10, 10 h at 50 m³/s, by the notes' own rounding.
#[test]
fn a_step_takes_a_day_and_a_third_to_runcheng() {
    let basin = shipped().basin;
    let path = path_to(&basin, "runcheng");
    let want = [
        "zf_out",
        "wangbi",
        "zhengzhuang",
        "duanshi",
        "wuan",
        "wuan_toe",
        "wuan_tail",
        "yuchi",
        "yuchi_toe",
        "yuchi_tail",
        "luwei_mouth",
        "runcheng",
    ];
    assert_eq!(node_names(&basin, &path), want);
    for (flow, hours) in [(1.0, 37.0), (1.5, 32.0), (2.0, 29.0), (3.0, 25.0), (10.0, 16.0), (50.0, 10.0)] {
        let lag = path.lag_h(&basin, Discharge::lossy(flow));
        assert!((lag - hours).abs() < 0.55, "{flow} m³/s: {lag} h, wanted {hours}");
    }
}

/// By hand from the losses of the reaches: 0.998^40 · 0.9985^16 · 0.997^16 = 0.9231 · 0.9763 · 0.9530 = 0.8589.
#[test]
fn the_bed_takes_a_seventh_on_the_way_to_runcheng() {
    let basin = shipped().basin;
    let path = path_to(&basin, "runcheng");
    assert!((path.gain - 0.8589).abs() < 2e-4, "{}", path.gain);
}

#[test]
fn the_report_names_floors_links_and_travel_times() {
    let report = config::report(&shipped());
    for part in [
        "沁河丹河生态流量 Qin and Dan rivers (qindan)",
        "127.0.0.1:15021",
        "floor 1 m³/s     by q.zf_out",
        "floor 1.5 m³/s   by q.runcheng",
        "held by zhangfeng, 72 km above: 37.5 h at 1, 32.2 h at 1.5, 24.9 h at 3 m³/s; 86 % arrives",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

/// Domain notes 2.3: in a dry May 1.99 m³/s hold Runcheng at 1.50 with the irrigation pump on, 1.61 with it cut; in a dry
/// January 1.78. Steady, with what the configuration says about inflows, intakes and losses, and nothing else.
#[test]
fn the_steady_balance_of_dry_months_is_that_of_the_notes() {
    let basin = shipped().basin;
    let path = path_to(&basin, "runcheng");
    let steady = |month: usize, pump: bool| {
        let inflows = &basin.inflows;
        let from_qin =
            ["longqu", "xian", "xian_lower", "duanshi", "luwei", "qin_diffuse", "of.qinshui", "of.mine"];
        let joins: f64 = from_qin
            .iter()
            .map(|id| inflows.iter().find(|inflow| inflow.id == *id).unwrap())
            .map(|inflow| inflow.monthly_dry[month].get())
            .sum();
        // All of it arrives with the loss of about half the way: the notes count 0.90 of it.
        let taken: f64 = path
            .draws
            .iter()
            .map(|draw| (&basin.intakes[draw.intake.0], draw.gain))
            .filter(|(intake, _)| pump || !intake.by_turns)
            .map(|(intake, gain)| intake.monthly_use[month].get() * gain)
            .sum();
        (1.5 - 0.90 * joins + taken) / path.gain
    };
    for (month, pump, wanted) in [(4, true, 1.99), (4, false, 1.61), (0, true, 1.78)] {
        let release = steady(month, pump);
        assert!((release - wanted).abs() < 0.03, "month {}: {release}, wanted {wanted}", month + 1);
    }
}

/// The release a simulation starts with, by hand: valve 0.6 · 0.28274 · √(2g · 40) · 0.235 = 1.117 m³/s, unit 1
/// 1.8 · √(48/55) · 0.6 = 1.009 m³/s.
#[test]
fn a_simulation_starts_with_a_release_for_a_dry_may() {
    let basin = shipped().basin;
    let level = basin.reservoirs[0].initial_level;
    let of = |id: &str| {
        let gate = &basin.gates[basin.gate(id).unwrap().0];
        qindan::control::structure::flow(gate, gate.initial, level).get()
    };
    assert!((of("zf.eco.v1") - 1.117).abs() < 0.002, "{}", of("zf.eco.v1"));
    assert!((of("zf.hp.u1") - 1.009).abs() < 0.002, "{}", of("zf.hp.u1"));
    assert!(["zf.eco.v2", "zf.hp.u2", "zf.tunnel.g1", "zf.spillway.g1"].iter().all(|id| of(id) == 0.0));
}

#[test]
fn people_alone_move_flood_gates_and_every_automatic_gate_can_be_driven() {
    let config = shipped();
    for (gate, points) in config.basin.gates.iter().zip(&config.field.wiring.gates) {
        let flood = gate.id.starts_with("zf.tunnel") || gate.id.starts_with("zf.spillway");
        assert!(!(flood && gate.automatic), "{}", gate.id);
        if gate.is_dispatched() {
            assert!(
                points.target.is_some() && points.command.is_some() && points.remote.is_some(),
                "{}",
                gate.id
            );
        }
    }
}

#[test]
fn the_digest_changes_with_the_files_and_only_with_them() {
    assert_eq!(shipped().digest, shipped().digest);
    assert_ne!(shipped().digest, alder().digest);
    assert_eq!(shipped().digest.len(), 64);
}

#[test]
fn another_basin_is_another_folder() {
    let config = alder();
    let basin = &config.basin;
    let path = path_to(basin, "ford");
    assert_eq!(node_names(basin, &path), ["dam", "mill", "ford"]);
    // At the tabled flows 3 + 2 and 1.8 + 1.2 h; between them the power law, √(5 · 3) at the geometric mean of 1 m³/s.
    for (flow, hours) in [(0.5, 5.0), (1.0, 3.873), (2.0, 3.0)] {
        assert!((path.lag_h(basin, Discharge::lossy(flow)) - hours).abs() < 0.001);
    }
    assert!((path.gain - 0.99_f64.powi(4)).abs() < 1e-12);
    let ford = &basin.sections[0];
    assert_eq!(ford.floor_on(date(2026, 5, 1)), Discharge::new(0.6));
    assert_eq!(ford.floor_on(date(2026, 7, 1)), Discharge::new(0.4));
    let valve = &basin.gates[0];
    assert_eq!(valve.on_link_loss, OnLinkLoss::Goto { opening: Opening::clamped(0.35) });
    assert!(basin.flood_season.contains(date(2026, 1, 6)) && !basin.flood_season.contains(date(2026, 7, 6)));
}

#[test]
fn a_layout_becomes_points_with_base_and_differences() {
    let config = alder();
    let point = |id: &str| -> &Point { &config.field.points[config.field.point(id).unwrap().0] };
    let target = point("lake.valve/target");
    assert_eq!((target.address, target.min, target.max), (110, Some(0.0), Some(100.0)));
    assert_eq!(registers::encode(target, 35.0), Ok(vec![350]));
    // 12 345 mm over the bed at 400 m, low word first.
    assert_eq!(registers::decode(point("z.lake/value"), &[12_345, 0]), Ok(412.345));
    assert!(registers::decode(point("z.lake/value"), &[0xffff, 0xffff]).is_err());
    assert_eq!((point("q.ford/value").address, point("q.ford/value").unit.as_str()), (8, "m³/s"));
    assert_eq!((point("dam.mains").role, point("dam.mains").unit.as_str()), (Role::Other, ""));
}

/// What device templates say may as well stand in devices.toml: the points and their order are the same.
#[test]
fn templates_and_one_file_give_the_same_field() {
    let copy = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for file in ["basin.toml", "devices.toml", "schedules.toml", "service.toml"] {
        std::fs::copy(from.join(file), copy.path().join(file)).unwrap();
    }
    let mut one_file = std::fs::read_to_string(from.join("devices.toml")).unwrap();
    let mut templates = 0;
    for entry in std::fs::read_dir(from.join("devices")).unwrap() {
        one_file.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        templates += 1;
    }
    assert!(templates >= 8, "{templates}");
    std::fs::write(copy.path().join("devices.toml"), one_file).unwrap();
    let together = config::load(copy.path()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(together.field, shipped().field);
    assert_ne!(together.digest, shipped().digest);
}

/// Another template, or another byte in one, is another configuration.
#[test]
fn the_digest_covers_the_templates() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    let copy = tempfile::tempdir().unwrap();
    simulators::vary::copy(&from, copy.path(), &[]).unwrap();
    let digest = || config::load(copy.path()).unwrap_or_else(|problems| panic!("{problems}")).digest;
    assert_eq!(digest(), alder().digest);
    let gauge = copy.path().join("devices/gauge.toml");
    let text = std::fs::read_to_string(&gauge).unwrap();
    std::fs::write(&gauge, text + "\n").unwrap();
    assert_ne!(digest(), alder().digest);
}

#[test]
fn a_wire_says_more_than_its_device_and_that_more_than_the_layout() {
    let copy = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    simulators::vary::copy(&from, copy.path(), &[]).unwrap();
    let file = copy.path().join("devices.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let device = r#"override = { value = { unit = "m3/s" } }"#;
    assert_eq!(text.matches(device).count(), 1);
    let more = r#"override = { value = { unit = "m3/s", scale = 1.0, order = "ABCD" } }"#;
    let text = text.replace(device, more) + "\n[wire.\"q.ford\".override.value]\nscale = 0.01\nmax = 50.0\n";
    std::fs::write(&file, text).unwrap();
    let config = config::load(copy.path()).unwrap_or_else(|problems| panic!("{problems}"));
    let point = &config.field.points[config.field.point("q.ford/value").unwrap().0];
    // The layout: type i32 in the input table; the device: order; the wire: scale and limit. 0x0001_0000 = 65 536.
    assert_eq!(registers::decode(point, &[1, 0]), Ok(655.36));
    assert_eq!((point.max, point.unit.as_str()), (Some(50.0), "m³/s"));
}

#[test]
fn civil_time_is_that_of_the_site() {
    let schedules = alder().schedules;
    let [night, summer] = schedules.turns.as_slice() else { panic!("{schedules:?}") };
    // The hour from half past two to half past two in the night the clocks go back.
    assert_eq!(night.to.as_second() - night.from.as_second(), 3600);
    assert_eq!(summer.from.to_string(), "2026-07-01T06:00:00Z");
    let When::Once { from, .. } = schedules.entries[0].when else { panic!("{schedules:?}") };
    assert_eq!(from.to_string(), "2026-09-01T07:00:00Z");
}
