//! What the screens beyond the overview ask for: links, meters, records, alarms, reports, samples.
//!
//! All of it reads only. What is asked for names an element of the configuration, a number, a time or a file of a list; none of
//! it becomes part of a path.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::in_chinese;
use super::{App, LinkRow, failure, problem};
use crate::basin::MeterId;
use crate::config::Config;
use crate::control::record::Kind;
use crate::points::{Point, PointId};
use crate::shell::archive::{Archive, Fineness, Wanted, qualities};
use crate::shell::levels::Level;

/// Most rows in one answer.
const ROWS_LIMIT: usize = 500;
/// Longest time the alarms are counted over, h: 31 days.
const ALARM_HOURS: f64 = 744.0;
/// Most series in one file of samples.
const SERIES_LIMIT: usize = 16;
/// Longest time in one file of samples or minutes, h.
const FINE_HOURS: i64 = 31 * 24;
/// Longest time in one file of hours, h: ten years.
const COARSE_HOURS: i64 = 3660 * 24;
/// How far back the quality of a meter is told, h.
const QUALITY_HOURS: i64 = 24;

/// The data folder, or why there is nothing.
pub(super) fn archive(app: &App) -> Result<&Archive, Box<Response>> {
    let why = "no data folder is open here";
    app.web.archive.as_ref().ok_or_else(|| Box::new(failure(StatusCode::SERVICE_UNAVAILABLE, why)))
}

pub(super) fn unreadable(why: &str) -> Response {
    problem::inner(problem::UNREADABLE, why)
}

pub(super) async fn links(State(app): State<Arc<App>>) -> Response {
    let health = (app.web.health)();
    let at_s = app.web.status.borrow().mono.as_secs_f64();
    let rows: Vec<_> = health.links.iter().map(|row| link(row, at_s)).collect();
    Json(json!({ "at": at_s, "links": rows })).into_response()
}

fn link(row: &LinkRow, at_s: f64) -> Value {
    let counters = &row.counters;
    let ms = |share| counters.round_trips.within(share).map(|s| (s * 10_000.0).round() / 10.0);
    let last = row.units.iter().filter_map(|unit| unit.last_reply_s).reduce(f64::max);
    let codes: Vec<_> = counters.codes.iter().enumerate().filter(|(_, count)| **count > 0).collect();
    json!({
        "id": row.id, "state": row.state, "up": row.up, "since_at": row.since_s, "error": row.last_error,
        "reply_age_s": last.map(|last| (at_s - last).max(0.0)),
        "p50_ms": ms(0.5), "p99_ms": ms(0.99),
        "requests": counters.requests, "replies": counters.replies, "writes": counters.writes,
        "watchdog_writes": row.watchdog_writes,
        "timeouts": counters.timeouts, "late": counters.late, "late_max_ms": counters.late_max_ms,
        "exceptions": counters.exceptions, "codes": codes,
        "mismatches": counters.mismatches + counters.other_unit + counters.stray,
        "broken": counters.framing + counters.garbled,
        "connects": counters.connects, "bytes_in": counters.bytes_in, "bytes_out": counters.bytes_out,
        "lag_s": row.lags.iter().map(|lag| lag.newest_s).reduce(f64::max),
        "skipped": row.lags.iter().map(|lag| lag.skipped).sum::<u64>(),
        "units": row.units.iter().map(|unit| json!({
            "device": unit.device, "unit": unit.unit, "state": unit.state, "failures": unit.failures,
            "reply_age_s": unit.last_reply_s.map(|last| (at_s - last).max(0.0)),
        })).collect::<Vec<_>>(),
    })
}

/// Where a meter is read, what it must keep to, and how good it has been.
pub(super) async fn meter(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let config = &app.web.config;
    let Some(at) = config.basin.meter(&id) else {
        return failure(StatusCode::NOT_FOUND, "no such meter; /api/v1/basin lists them");
    };
    let point = config.field.wiring.meters.get(at.0).copied().flatten();
    let history = match (point.and_then(|point| name(config, point)), &app.web.archive) {
        (Some(name), Some(archive)) => {
            let to = app.web.status.borrow().utc;
            let from = to.saturating_sub(SignedDuration::from_hours(QUALITY_HOURS)).unwrap_or(to);
            let end = to.saturating_add(SignedDuration::from_secs(1)).unwrap_or(to);
            match archive.samples(name, from, end).await {
                Ok(samples) => json!(qualities(&samples)),
                Err(why) => return unreadable(&why),
            }
        }
        (None, _) | (Some(_), None) => Value::Null,
    };
    Json(described(config, at, point, &history)).into_response()
}

fn described(config: &Config, id: MeterId, at: Option<PointId>, history: &Value) -> Value {
    let meter = config.basin.meters.get(id.0);
    let field = &config.field;
    let point = at.and_then(|at| field.points.get(at.0));
    let device = point.and_then(|point| field.devices.get(point.device.0));
    let class = point.and_then(|point| field.classes.get(point.class?.0));
    let stale_s = at.and_then(|at| field.stale_s(at));
    let bound = |own: fn(&Point) -> Option<f64>, of_meter: Option<f64>| point.and_then(own).or(of_meter);
    json!({
        "point": point.map(|point| json!({
            "id": point.id, "table": point.table, "address": point.address, "type": point.data_type,
            "order": point.order, "bit": point.bit, "scale": point.scale, "offset": point.offset,
            "sentinels": point.sentinels, "unit": point.unit,
        })),
        "derived": at.is_some() && point.is_none(),
        "device": device.map(|device| json!({
            "id": device.id, "name": device.name, "unit": device.unit,
            "link": field.links.get(device.link.0).map(|link| &link.id),
        })),
        "period_s": class.map(|class| class.period_s), "stale_s": stale_s,
        "hold_s": meter.map(|meter| meter.hold_s),
        "min": bound(|point| point.min, meter.map(|meter| meter.min)),
        "max": bound(|point| point.max, meter.map(|meter| meter.max)),
        "max_rate_per_min": meter.and_then(|meter| meter.max_rate_per_min),
        "twin": meter.and_then(|meter| meter.twin.as_ref()).map(|twin| twin.meter),
        "quality_hours": QUALITY_HOURS, "qualities": history,
    })
}

fn name(config: &Config, point: PointId) -> Option<String> {
    config.field.names().nth(point.0).map(str::to_owned)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedRecords {
    limit: Option<usize>,
    before: Option<u64>,
    from_s: Option<i64>,
    to_s: Option<i64>,
    gate: Option<String>,
    kind: Option<String>,
    who: Option<String>,
}

/// Kinds by the word the page asks with.
fn kinds(word: &str) -> Option<Vec<Kind>> {
    Some(match word {
        "acts" => {
            let moves = [Kind::Intent, Kind::LateIntent, Kind::Outcome, Kind::Refusal];
            moves.into_iter().chain([Kind::Operator, Kind::Order, Kind::Schedule]).collect()
        }
        "moves" => vec![Kind::Intent, Kind::LateIntent, Kind::Outcome],
        "refusals" => vec![Kind::Refusal],
        "people" => vec![Kind::Operator, Kind::Order, Kind::Lease, Kind::Schedule, Kind::Note, Kind::Filing],
        "schedule" => vec![Kind::Schedule],
        "warnings" => vec![Kind::Warning],
        "incidents" => vec![Kind::Incident],
        "notes" => vec![Kind::Note],
        "filings" => vec![Kind::Filing],
        "decisions" => vec![Kind::Decision, Kind::Plan],
        "alarms" => vec![Kind::Alarm],
        "service" => vec![
            Kind::Boot,
            Kind::Config,
            Kind::Clock,
            Kind::Recovered,
            Kind::Checkpoint,
            Kind::Trim,
            Kind::Stop,
            Kind::Forecast,
            Kind::Notice,
        ],
        _ => return None,
    })
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    query: Result<Query<AskedRecords>, QueryRejection>,
) -> Response {
    let asked = match query {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let Some(kinds) = kinds(asked.kind.as_deref().unwrap_or("acts")) else {
        let why = "kind: must be acts, moves, refusals, people, schedule, warnings, incidents, notes, filings, decisions, alarms or service";
        return failure(StatusCode::BAD_REQUEST, why);
    };
    let time = |second: Option<i64>, otherwise| {
        second.map_or(Some(otherwise), |second| Timestamp::from_second(second).ok())
    };
    let Some(utc) = time(asked.from_s, Timestamp::MIN).zip(time(asked.to_s, Timestamp::MAX)) else {
        return failure(StatusCode::BAD_REQUEST, "from_s, to_s: must be Unix seconds");
    };
    let wanted = Wanted {
        rows: asked.limit.unwrap_or(50).clamp(1, ROWS_LIMIT),
        kinds,
        gate: asked.gate.filter(|gate| !gate.is_empty()),
        who: asked.who.filter(|who| !who.is_empty()),
        utc: (asked.from_s.is_some() || asked.to_s.is_some()).then_some(utc),
        before: asked.before,
    };
    match archive(&app) {
        Ok(archive) => match archive.records(wanted).await {
            Ok(mut page) => {
                in_chinese(&mut page.rows);
                Json(page).into_response()
            }
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

pub(super) async fn record(State(app): State<Arc<App>>, Path(seq): Path<String>) -> Response {
    let Ok(seq) = seq.parse::<u64>() else {
        return failure(StatusCode::BAD_REQUEST, "a record is named by its number");
    };
    match archive(&app) {
        Ok(archive) => match archive.record(seq).await {
            Ok(Some(text)) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
            Ok(None) => failure(StatusCode::NOT_FOUND, "no record of this number"),
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedAlarms {
    hours: Option<f64>,
    limit: Option<usize>,
}

pub(super) async fn alarms(
    State(app): State<Arc<App>>,
    query: Result<Query<AskedAlarms>, QueryRejection>,
) -> Response {
    let asked = match query {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let hours = asked.hours.unwrap_or(24.0);
    if !(0.0..=ALARM_HOURS).contains(&hours) {
        return failure(StatusCode::BAD_REQUEST, "hours: must be from 0 to 744");
    }
    let now = app.web.status.borrow().utc;
    let back = SignedDuration::try_from_secs_f64(hours * 3600.0).unwrap_or_default();
    let from = now.saturating_sub(back).unwrap_or(now);
    let to = now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let rows = asked.limit.unwrap_or(100).clamp(1, ROWS_LIMIT);
    match archive(&app) {
        Ok(archive) => match archive.alarms(from, to, rows).await {
            Ok(log) => Json(log).into_response(),
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

pub(super) async fn reports(State(app): State<Arc<App>>) -> Response {
    match archive(&app) {
        Ok(archive) => match archive.reports().await {
            Ok(files) => Json(json!({ "reports": files })).into_response(),
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

pub(super) async fn report(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let found = match archive(&app) {
        Ok(archive) => archive.report(&name).await,
        Err(response) => return *response,
    };
    match found {
        Ok(Some(body)) if is_csv(&name) => as_file(&name, body),
        Ok(Some(body)) => {
            let policy = policy_for(&String::from_utf8_lossy(&body));
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)], body).into_response()
        }
        Ok(None) => failure(StatusCode::NOT_FOUND, "no report of this name; /api/v1/reports lists them"),
        Err(why) => unreadable(&why),
    }
}

fn is_csv(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending == "csv")
}

/// A file to keep. The name came from a list or from identifiers; a quote in it would end it.
pub(super) fn as_file(name: &str, body: Vec<u8>) -> Response {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let disposition = format!("attachment; filename=\"{name}\"");
    let kind = "text/csv; charset=utf-8".to_owned();
    ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)], body).into_response()
}

/// Permits the one style a report has, by its hash, and nothing else.
pub(super) fn policy_for(html: &str) -> HeaderValue {
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = style.map_or_else(String::new, |(style, _)| {
        format!("'sha256-{}'", base64(&Sha256::digest(style.as_bytes())))
    });
    let policy = format!(
        "default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-modals",
        if hash.is_empty() { "'none'" } else { &hash }
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// Standard base64, as a policy wants it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = usize::try_from(word >> (18 - 6 * at) & 63).unwrap_or_default();
            let digit = DIGITS.get(index).copied().unwrap_or(b'=');
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedLog {
    incident: u64,
}

/// The log of a pollution incident, as a file.
pub(super) async fn incident_log(
    State(app): State<Arc<App>>,
    query: Result<Query<AskedLog>, QueryRejection>,
) -> Response {
    let AskedLog { incident } = match query {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let found = match archive(&app) {
        Ok(archive) => archive.incident(incident).await,
        Err(response) => return *response,
    };
    match found {
        Ok(Some(csv)) => as_file(&format!("incident-{incident}.csv"), csv),
        Ok(None) => failure(StatusCode::NOT_FOUND, "no incident of this number on record"),
        Err(why) => unreadable(&why),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedHistory {
    /// `meter:ID` or `gate:ID`, separated by commas.
    series: String,
    from_s: i64,
    to_s: i64,
    /// `samples`, `minutes` or `hours`.
    by: Option<String>,
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    query: Result<Query<AskedHistory>, QueryRejection>,
) -> Response {
    let asked = match query {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let (fineness, most) = match asked.by.as_deref().unwrap_or("samples") {
        "samples" => (Fineness::Samples, FINE_HOURS),
        "minutes" => (Fineness::By(Level::Minutes), FINE_HOURS),
        "hours" => (Fineness::By(Level::Hours), COARSE_HOURS),
        _ => return failure(StatusCode::BAD_REQUEST, "by: must be samples, minutes or hours"),
    };
    let times = Timestamp::from_second(asked.from_s).ok().zip(Timestamp::from_second(asked.to_s).ok());
    let Some((from, to)) = times.filter(|(from, to)| from < to) else {
        return failure(StatusCode::BAD_REQUEST, "from_s, to_s: must be Unix seconds, in this order");
    };
    if to.duration_since(from) > SignedDuration::from_hours(most) {
        let why = format!("from_s, to_s: at most {} days in one file", most / 24);
        return failure(StatusCode::BAD_REQUEST, &why);
    }
    let mut points = Vec::new();
    for series in asked.series.split(',').take(SERIES_LIMIT) {
        let Some(point) = point_of(&app.web.config, series) else {
            let why = format!("series: {series}: unknown or not read; write meter:ID or gate:ID");
            return failure(StatusCode::NOT_FOUND, &why);
        };
        points.push(point);
    }
    match archive(&app) {
        Ok(archive) => match archive.csv(points, (from, to), fineness).await {
            Ok(csv) => as_file(&format!("qindan-{}-{}.csv", asked.from_s, asked.to_s), csv),
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

/// Name of the point whose samples are a series.
fn point_of(config: &Config, series: &str) -> Option<String> {
    let wiring = &config.field.wiring;
    let point = match series.split_once(':')? {
        ("meter", id) => wiring.meters.get(config.basin.meter(id)?.0).copied().flatten(),
        ("section", id) => {
            let section = config.basin.sections.get(config.basin.section(id)?.0)?;
            wiring.meters.get(section.meter.0).copied().flatten()
        }
        ("gate", id) => wiring.gates.get(config.basin.gate(id)?.0).and_then(|points| points.position),
        _ => None,
    };
    name(config, point?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_rfc_4648_says() {
        // Test vectors of section 10.
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_report_may_have_its_style_and_nothing_else() {
        let policy = policy_for("<head><style>\nb{}</style></head>");
        // printf '\nb{}' | openssl dgst -sha256 -binary | base64
        let hash = "style-src 'sha256-jH0lUn02eClrG3HpikS4zPlH/X0z+JSDdqykyXqEUmI='";
        assert!(policy.to_str().unwrap().contains(hash));
        assert!(policy.to_str().unwrap().contains("default-src 'none'"));
        assert!(policy_for("<p>").to_str().unwrap().contains("style-src 'none'"));
    }
}
