//! A flow that comes from a level: through the very same `decide` in service and replay, to the state people see.

use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::MeterId;
use qindan::config::{self, Config};
use qindan::control::quality::{Quality, Reading, Reason, Sample};
use qindan::control::{Controller, Now, Settings, Snapshot};
use qindan::points::PointId;
use serde_json::{Value, json};

use crate::broken_config::rated;
use crate::web;

fn config() -> Config {
    let folder = rated();
    config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn meter(config: &Config, id: &str) -> (MeterId, PointId) {
    let meter = config.basin.meter(id).unwrap();
    (meter, config.field.wiring.meters[meter.0].unwrap())
}

/// A controller that has seen this level at Duanshi at `taken_s`, at `now_s`, on a day.
fn seen(config: &Config, level: Sample, now_s: u64, utc: &str) -> (Controller, Now) {
    let now = Now { mono: Duration::from_secs(now_s), utc: utc.parse::<Timestamp>().unwrap() };
    let mut controller = Controller::new(config, Settings::default(), None, now.utc);
    let mut samples = vec![Sample::default(); config.field.points.len()];
    samples[meter(config, "z.duanshi").1.0] = level;
    controller.decide(&Snapshot { samples, record_ok: true, ..Snapshot::default() }, now);
    (controller, now)
}

fn flow(config: &Config, level: Sample, now_s: u64, utc: &str) -> Reading {
    let (controller, _) = seen(config, level, now_s, utc);
    controller.readings()[meter(config, "q.duanshi").1.0]
}

const AT: Duration = Duration::from_secs(100);
const MAY: &str = "2026-05-18T04:00:00Z";

fn level(value: f64) -> Sample {
    Sample { good: Some((value, AT)), fault: None }
}

/// 22.89 · 0.21^1.67 = 22.89 · exp(1.67 · ln 0.21) = 22.89 · exp(−2.60628) = 22.89 · 0.073808 = 1.6895 m³/s.
#[test]
fn quality_reason_and_age_of_a_level_are_those_of_its_flow() {
    let config = config();
    let good = flow(&config, level(0.21), 103, MAY);
    assert!((good.usable().unwrap() - 1.6895).abs() < 1e-4, "{good:?}");
    assert_eq!((good.quality, good.reason, good.taken_at), (Quality::Good, None, Some(AT)));
    // The field class scans every 5 s: three scans later the level is stale, and half an hour later it is gone.
    let stale = flow(&config, Sample { fault: Some(Reason::CommError), ..level(0.21) }, 400, MAY);
    assert_eq!((stale.quality, stale.reason), (Quality::Stale, Some(Reason::CommError)));
    assert_eq!((stale.taken_at, stale.value), (Some(AT), good.value));
    let gone = flow(&config, Sample { fault: Some(Reason::CommError), ..level(0.21) }, 1_901, MAY);
    assert_eq!((gone.quality, gone.reason, gone.value), (Quality::Bad, Some(Reason::CommError), None));
    assert_eq!((gone.taken_at, gone.last_good), (Some(AT), good.value));
    let never = flow(&config, Sample::default(), 103, MAY);
    assert_eq!((never.quality, never.reason, never.value), (Quality::Bad, Some(Reason::NeverRead), None));
}

/// New Year's Eve in UTC is New Year's Day at the site; the highest gauging of 2026 is 9.60 m³/s, a tenth more 10.56:
/// 23.63 · 0.62^1.705 = 10.46, 23.63 · 0.63^1.705 = 10.75.
#[test]
fn the_curve_of_the_day_decides_and_its_limits_hold() {
    let config = config();
    let reason = |value, utc| flow(&config, level(value), 103, utc).reason;
    assert_eq!(reason(0.21, "2026-01-10T04:00:00Z"), Some(Reason::RatingVoid));
    assert_eq!(reason(0.21, "2025-03-30T04:00:00Z"), Some(Reason::NoRating));
    assert_eq!((reason(0.62, MAY), reason(0.63, MAY)), (None, Some(Reason::AboveRating)));
    // Between 0.2 m (1.6) and 0.5 m (7.2) the table of 2025 is straight: half way at 0.35 m is 4.4 m³/s.
    let old = flow(&config, level(0.35), 103, "2025-05-06T04:00:00Z");
    assert!((old.usable().unwrap() - 4.4).abs() < 1e-9, "{old:?}");
    // The last day of the old version at the site has begun while UTC has the day before.
    let eve = flow(&config, level(0.35), 103, "2026-03-31T15:59:00Z");
    assert!((eve.usable().unwrap() - 4.4).abs() < 1e-9, "{eve:?}");
    let after = flow(&config, level(0.35), 103, "2026-03-31T16:01:00Z");
    assert!((after.usable().unwrap() - 22.89 * 0.35_f64.powf(1.67)).abs() < 1e-9, "{after:?}");
    let dry = flow(&config, level(-0.12), 103, MAY);
    assert_eq!((dry.usable(), dry.quality), (Some(0.0), Quality::Good));
}

#[tokio::test]
async fn the_state_says_which_version_is_used() {
    let config = config();
    let (controller, now) = seen(&config, level(0.21), 103, MAY);
    let ((flow, value), (level, _)) = (meter(&config, "q.duanshi"), meter(&config, "z.duanshi"));
    assert_eq!(config.field.names().nth(value.0), Some("q.duanshi/value"));
    let page = web::bench(config, controller.status(now));
    let body = page.get("/api/v1/state").await.into_body();
    let state: Value =
        serde_json::from_slice(&axum::body::to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    assert_eq!(
        state["ratings"],
        json!([{
            "id": "duanshi", "name": { "zh": "端氏水位流量关系", "en": "Duanshi rating" }, "meter": flow,
            "level_meter": level, "valid_from": "2026-04-01", "uncertainty": 0.08, "limit_m3s": 10.56, "void": null,
        }])
    );
    assert_eq!(state["meters"][flow.0], json!({ "v": 1.6895, "q": "good", "at": 100.0 }));
}

#[test]
fn the_ratings_of_a_folder_are_shown_with_their_residuals() {
    let text = config::ratings::text(&config());
    for wanted in [
        "duanshi  端氏水位流量关系 / Duanshi rating\n  q.duanshi from z.duanshi\n  void 12-15 to 02-20: 冰期 / ice\n",
        "from 2025-04-01, until 2026-03-31; levels 0.00 to 1.00 m; ±8.0 %\n    table of 4 rows, straight on plain paper\n",
        "from 2026-04-01, open; levels 0.00 to 1.50 m; ±8.0 %\n",
        "highest gauging 9.600 m³/s at 0.60 m (2026-04-29); read off up to 10.560 m³/s",
        // 1.72 / 1.6895 − 1 = +1.8 %; √(8² + 5²) = 9.4 %. 9.60 / 9.890 − 1 = −2.9 %.
        "2026-04-12       0.21      1.720       1.689      +1.8        9.4  gauging duty",
        "2026-04-29       0.60      9.600       9.890      -2.9        9.4  gauging duty",
    ] {
        assert!(text.contains(wanted), "{wanted}\nis not in\n{text}");
    }
    assert_eq!(
        config::ratings::summary(&config().basin).as_deref(),
        Some("1 rating curves in 2 versions, 3 gaugings")
    );
}

/// The river of the simulator routes by Manning's formula in its own cells and knows no rating. The gauge at Duanshi stands
/// in the uppermost cell of R4: b = 20 m, m = 2.5, n = 0.05, S = 3.2 ‰, so that 0.2 m passes
/// (4.1 m²) · (4.1 / 21.08)^⅔ · √0.0032 / 0.05 = 1.557 m³/s, which the curve gives at that depth too. What it reads off the
/// level must be what passes there: within 8 % of the curve, and the 1.67 · 0.01 m / 0.2 m = 8 % of the level's own noise.
#[test]
fn in_a_replay_the_flow_from_the_level_is_what_passes_in_the_river() {
    let folder = rated();
    let case = simulators::replay::load("may_dry", Some(folder.path()), &[]).unwrap();
    let config = case.config.clone();
    let ((_, value), duanshi) = (meter(&config, "q.duanshi"), config.basin.node("duanshi").unwrap());
    let mut run = simulators::run::Run::new(case, 7);
    let mut seen = Vec::new();
    for hour in 1..=8 {
        run.until(Duration::from_secs(hour * 3600), |_, _| {});
        let reading = run.controller().readings()[value.0];
        seen.push((reading.usable().unwrap_or(f64::NAN), run.plant().node_flow(duanshi)));
    }
    assert!(seen.iter().all(|(flow, truth)| (flow / truth - 1.0).abs() < 0.16), "{seen:?}");
    let mean: f64 = seen.iter().map(|(flow, truth)| flow / truth - 1.0).sum::<f64>() / 8.0;
    assert!(mean.abs() < 0.08, "{mean} {seen:?}");
}
