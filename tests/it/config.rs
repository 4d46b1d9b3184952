//! The shipped configuration, and folders that are wrong.

use std::path::Path;

use qindan::basin::{Basin, NodeId};
use qindan::config::{self, Config};
use qindan::control::routing::{self, Path as River};
use qindan::units::Discharge;

fn shipped() -> Config {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config"));
    config::load(folder).unwrap_or_else(|problems| panic!("{problems}"))
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
