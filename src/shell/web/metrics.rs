//! `/metrics` (Prometheus text), `/healthz` and `/readyz`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use crate::control::operator::{Authority, Mode};
use crate::control::quality::Quality;
use crate::control::status::Status;
use crate::shell::field::engine::Counters;
use crate::shell::field::health::{LinkState, UnitState};

/// A state older than this means the cycle does not run, real time.
pub(super) const BLIND_AFTER: Duration = Duration::from_secs(5);

/// Health of the parts the page does not see itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Links to the field.
    pub links: Vec<LinkRow>,
    /// Further numbers of the service.
    pub counters: Vec<Metric>,
}

/// One family of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// `qindan_…`, with its unit.
    pub name: &'static str,
    /// What kind of number.
    pub kind: MetricKind,
    /// One line of explanation.
    pub help: &'static str,
    /// Values, each with its label where there are several.
    pub rows: Vec<(Option<(&'static str, &'static str)>, f64)>,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Only rises, from 0 at the start of the service.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Metric {
    /// A single number that only rises.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, kind: MetricKind::Counter, help, rows: vec![(None, value)] }
    }

    /// A single number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, kind: MetricKind::Gauge, help, rows: vec![(None, value)] }
    }
}

/// One link to the field.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkRow {
    /// Identifier.
    pub id: String,
    /// Connected now.
    pub up: bool,
    /// What was counted of it.
    pub counters: Counters,
    /// By scan class: how far its reads come behind.
    pub lags: Vec<LagRow>,
    /// Units behind it that do not answer.
    pub units_down: usize,
    /// What is known of the connection.
    pub state: LinkState,
    /// Since when, s of service time.
    pub since_s: f64,
    /// Newest error, in words; kept after recovery.
    pub last_error: Option<String>,
    /// Watchdog writes that were answered.
    pub watchdog_writes: u64,
    /// Units, in file order.
    pub units: Vec<UnitRow>,
}

/// One unit behind a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnitRow {
    /// Identifier of the device.
    pub device: String,
    /// Its unit number.
    pub unit: u8,
    /// What is known of it.
    pub state: UnitState,
    /// Requests missed in a row.
    pub failures: u32,
    /// Last reply, s of service time.
    pub last_reply_s: Option<f64>,
}

/// One scan class on one link.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LagRow {
    /// Identifier of the class.
    pub class: String,
    /// Delay of the newest read behind its due time, s of service time.
    pub newest_s: f64,
    /// Largest since the start, s of service time.
    pub most_s: f64,
    /// Scans left out because the link could not keep up.
    pub skipped: u64,
}

/// A number of a scan class on a link: family, kind, explanation, value.
type LagFamily = (&'static str, &'static str, &'static str, fn(&LagRow) -> f64);

const LAG_FAMILIES: &[LagFamily] = &[
    ("qindan_link_lag_seconds", "gauge", "Delay of the newest read behind its due time", |lag| lag.newest_s),
    ("qindan_link_lag_max_seconds", "gauge", "Largest delay of a read behind its due time", |lag| lag.most_s),
    (
        "qindan_link_scans_skipped_total",
        "counter",
        "Scans left out because the link could not keep up",
        |lag| count(lag.skipped),
    ),
];

/// A number of a link: family, kind, explanation, value.
type LinkFamily = (&'static str, &'static str, &'static str, fn(&LinkRow) -> f64);

const LINK_FAMILIES: &[LinkFamily] = &[
    ("qindan_link_up", "gauge", "A link to the field is connected", |link| flag(link.up)),
    ("qindan_link_requests_total", "counter", "Requests sent on a link", |link| {
        count(link.counters.requests)
    }),
    ("qindan_link_replies_total", "counter", "Replies that fitted", |link| count(link.counters.replies)),
    ("qindan_link_writes_total", "counter", "Writes sent on a link", |link| count(link.counters.writes)),
    ("qindan_link_exceptions_total", "counter", "Exceptions received", |link| {
        count(link.counters.exceptions)
    }),
    ("qindan_link_timeouts_total", "counter", "Requests without an answer in time", |link| {
        count(link.counters.timeouts)
    }),
    ("qindan_link_late_total", "counter", "Replies that came after their time-out", |link| {
        count(link.counters.late)
    }),
    ("qindan_link_late_max_ms", "gauge", "Largest delay of such a reply since its request", |link| {
        count(link.counters.late_max_ms)
    }),
    ("qindan_link_stray_total", "counter", "Replies to no request of ours", |link| {
        count(link.counters.stray)
    }),
    ("qindan_link_other_unit_total", "counter", "Replies from another unit", |link| {
        count(link.counters.other_unit)
    }),
    ("qindan_link_mismatches_total", "counter", "Whole replies that did not fit their request", |link| {
        count(link.counters.mismatches)
    }),
    ("qindan_link_broken_frames_total", "counter", "Connections ended for a broken frame", |link| {
        count(link.counters.framing)
    }),
    ("qindan_link_garbled_total", "counter", "Pieces of a line that belonged to no frame", |link| {
        count(link.counters.garbled)
    }),
    ("qindan_link_canaries_total", "counter", "Reads sent ahead after a time-out on a line", |link| {
        count(link.counters.canaries)
    }),
    ("qindan_link_connects_total", "counter", "Connections opened", |link| count(link.counters.connects)),
    ("qindan_link_bytes_in_total", "counter", "Bytes received", |link| count(link.counters.bytes_in)),
    ("qindan_link_bytes_out_total", "counter", "Bytes sent", |link| count(link.counters.bytes_out)),
    ("qindan_link_units_down", "gauge", "Units behind a link that do not answer", |link| {
        count(u64::try_from(link.units_down).unwrap_or(u64::MAX))
    }),
];

/// Reports [`Health`] now; called for `/metrics` only.
pub type HealthSource = Arc<dyn Fn() -> Health + Send + Sync>;

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the cycle runs and the record can be written.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let made_at = app.frames.borrow().made_at;
    let status = app.web.status.borrow();
    let age = app.web.time.now().mono.saturating_sub(made_at);
    let ended = app.web.status.has_changed().is_err();
    if ended || age > BLIND_AFTER {
        (StatusCode::SERVICE_UNAVAILABLE, "no cycle for 5 s\n").into_response()
    } else if !status.record_ok {
        (StatusCode::SERVICE_UNAVAILABLE, "the record cannot be written\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let status = app.web.status.borrow().clone();
    let text = render(&app, &status);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn render(app: &App, status: &Status) -> String {
    let basin = &app.web.config.basin;
    let mut page = Page::default();
    page.one("qindan_tick", "counter", "Ticks since start", count(status.tick));
    let age = app.web.time.now().mono.saturating_sub(app.frames.borrow().made_at);
    page.one("qindan_state_age_seconds", "gauge", "Age of the published state, real time", age.as_secs_f64());
    page.one("qindan_record_ok", "gauge", "The record can be written", flag(status.record_ok));
    page.one("qindan_hold_all", "gauge", "Hold-all is on", flag(status.hold_all.is_some()));
    page.one("qindan_bench", "gauge", "Bench installation", flag(status.bench));
    page.one(
        "qindan_ladder_rung",
        "gauge",
        "Rung of the fallback ladder, 0 to 3",
        f64::from(status.rung as u8),
    );
    page.family("qindan_mode", "gauge", "Mode of the service");
    for (mode, name) in [
        (Mode::Observe, "observe"),
        (Mode::Advice, "advice"),
        (Mode::Automatic, "automatic"),
        (Mode::Manual, "manual"),
    ] {
        page.row("qindan_mode", &[("mode", name)], flag(status.mode == mode));
    }
    page.family("qindan_section_flow_m3s", "gauge", "Flow at a section as measured");
    page.family("qindan_section_floor_m3s", "gauge", "Floor in force at a section");
    for (section, now) in basin.sections.iter().zip(&status.sections) {
        let label = [("section", section.id.as_str())];
        if let Some(value) = now.reading.usable() {
            page.row("qindan_section_flow_m3s", &label, value);
        }
        if let Some(floor) = now.floor {
            page.row("qindan_section_floor_m3s", &label, floor.get());
        }
    }
    page.family("qindan_release_target_m3s", "gauge", "Release wanted at a reservoir");
    for release in &status.release {
        let id = basin.reservoirs.get(release.reservoir).map_or("", |body| body.id.as_str());
        page.row("qindan_release_target_m3s", &[("reservoir", id)], release.target.get());
    }
    page.family("qindan_gate_opening_ratio", "gauge", "Opening of a gate, 0 to 1");
    page.family("qindan_gate_manual", "gauge", "The gate is under manual authority");
    page.family("qindan_gate_not_automatic", "gauge", "The gate is in advice, in manual or only watched");
    page.family("qindan_gate_starts_day", "gauge", "Motor starts in the last 24 h");
    for (gate, now) in basin.gates.iter().zip(&status.gates) {
        let label = [("gate", gate.id.as_str())];
        if let Some(opening) = now.opening {
            page.row("qindan_gate_opening_ratio", &label, opening.fraction());
        }
        page.row("qindan_gate_manual", &label, flag(now.authority == Authority::Manual));
        page.row("qindan_gate_not_automatic", &label, flag(now.authority != Authority::Automatic));
        page.row("qindan_gate_starts_day", &label, f64::from(now.starts.1));
    }
    page.family("qindan_points", "gauge", "Points that are read, by quality");
    for (quality, name) in [
        (Quality::Good, "good"),
        (Quality::Simulated, "simulated"),
        (Quality::Substituted, "substituted"),
        (Quality::Stale, "stale"),
        (Quality::Suspect, "suspect"),
        (Quality::Bad, "bad"),
    ] {
        let scanned = app.web.config.field.points.iter().map(|point| point.class.is_some());
        let of_quality =
            status.image.iter().zip(scanned).filter(|(r, scanned)| *scanned && r.quality == quality);
        let number = of_quality.count();
        page.row("qindan_points", &[("quality", name)], count(u64::try_from(number).unwrap_or(u64::MAX)));
    }
    page.family("qindan_alarms", "gauge", "Open alarms by priority");
    for (priority, name) in [(1, "1"), (2, "2"), (3, "3"), (4, "4")] {
        let number = status.alarms.iter().filter(|alarm| alarm.priority == priority).count();
        page.row("qindan_alarms", &[("priority", name)], count(u64::try_from(number).unwrap_or(u64::MAX)));
    }
    let health = (app.web.health)();
    for (name, kind, help, value) in LINK_FAMILIES {
        page.family(name, kind, help);
        for link in &health.links {
            page.row(name, &[("link", link.id.as_str())], value(link));
        }
    }
    for (name, kind, help, value) in LAG_FAMILIES {
        page.family(name, kind, help);
        for link in &health.links {
            for lag in &link.lags {
                page.row(name, &[("link", link.id.as_str()), ("class", lag.class.as_str())], value(lag));
            }
        }
    }
    for metric in &health.counters {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        page.family(metric.name, kind, metric.help);
        for (label, value) in &metric.rows {
            page.row(metric.name, label.as_slice(), *value);
        }
    }
    page.finish()
}

/// Families in order of first mention, with their rows together as the format wants.
#[derive(Default)]
struct Page(Vec<(String, String)>);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push((name.to_owned(), format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")));
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let Some((_, text)) = self.0.iter_mut().find(|(known, _)| known == name) else { return };
        let labels: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.row(name, &[], value);
    }

    fn finish(self) -> String {
        self.0.into_iter().map(|(_, text)| text).collect()
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double by definition")]
fn count(number: u64) -> f64 {
    number as f64
}
