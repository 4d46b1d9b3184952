//! `GET /api/v1/trends` and `GET /api/v1/actions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{App, failure, problem};
use crate::config::Config;
use crate::points::LinkId;
use crate::shell::trend::{Bucket, Series, Window};

/// Most series in one request.
const SERIES_LIMIT: usize = 16;
/// Most points of one series in one answer.
const POINTS_LIMIT: usize = 2000;
/// Longest time back, hours: a quarter of a year, as [`crate::shell::trend::HOURS`].
const HOURS_LIMIT: f64 = 2208.0;
/// Most rows of the action log in one answer.
const ROWS_LIMIT: usize = 500;

/// One row of the action log as the page shows it. Elements are named by identifier, since the log outlives a
/// configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionRow {
    /// Number of the record.
    pub seq: u64,
    /// When.
    pub utc: Timestamp,
    /// Kind of the record, as `intent`, `operator`, `refusal`.
    pub kind: String,
    /// Who: `dispatch`, `operator:NAME`, `failsafe`, `recovery`, `service`.
    pub actor: String,
    /// Gate identifier, if one was concerned.
    pub gate: Option<String>,
    /// Opening before, 0..=1.
    pub from: Option<f64>,
    /// Opening after or asked for, 0..=1.
    pub to: Option<f64>,
    /// Causes (list of [`crate::control::reason::Because`], elements by identifier or position).
    pub because: Value,
    /// Limits that narrowed or refused (list of [`crate::control::reason::Limit`]).
    pub limits: Value,
    /// Terminal state ([`crate::control::command::Terminal`]); null while open or when there is none.
    pub outcome: Value,
    /// From intent to terminal state, ms of service time.
    pub took_ms: Option<u64>,
    /// For acts of people: what was asked and answered; null otherwise.
    pub detail: Value,
}

/// The last frames of a link as text; `None` for a link there is not.
pub type TraceSource = Arc<dyn Fn(LinkId) -> Option<String> + Send + Sync>;

/// `GET /api/v1/links/{id}/trace`: a file for whoever looks for a fault of the field.
pub(super) async fn trace(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let link = app.web.config.field.links.iter().position(|link| link.id == id).map(LinkId);
    match link.and_then(|link| (app.web.traces)(link)) {
        Some(text) => {
            let name = format!("attachment; filename=\"{id}.trace.txt\"");
            ([(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)], text)
                .into_response()
        }
        None => failure(StatusCode::NOT_FOUND, "no link of this name; /api/v1/basin lists them"),
    }
}

/// The newest rows of the action log, newest first: commands with their outcome, refusals and acts of people.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Actions {
    /// The rows.
    #[serde(rename = "actions")]
    pub rows: Vec<ActionRow>,
    /// While they come from the journal, since the view of the log is behind or being made: how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewBehind>,
}

/// How far the view of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ViewBehind {
    /// Number of its last record.
    pub at: u64,
    /// Number of the last record of the journal.
    pub of: u64,
}

/// Returns the newest rows of the action log, at most so many. The error is a text for the page.
pub type ActionsSource = Arc<dyn Fn(usize) -> BoxFuture<'static, Result<Actions, String>> + Send + Sync>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// `section:ID`, `meter:ID` or `gate:ID`, separated by commas.
    series: String,
    /// Length back from the newest state, hours, up to 2208; by hour when above 72.
    hours: Option<f64>,
    /// Most points per series.
    points: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limited {
    limit: Option<usize>,
}

pub(super) async fn trends(
    State(app): State<Arc<App>>,
    span: Result<Query<Span>, QueryRejection>,
) -> Response {
    let span = match span {
        Ok(Query(span)) => span,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let hours = span.hours.unwrap_or(24.0);
    if !(0.0..=HOURS_LIMIT).contains(&hours) {
        return failure(StatusCode::BAD_REQUEST, "hours: must be from 0 to 2208");
    }
    let to = app.web.status.borrow().utc;
    let back = SignedDuration::try_from_secs_f64(hours * 3600.0).unwrap_or_default();
    let from = to.checked_sub(back).unwrap_or(to);
    let points = span.points.unwrap_or(480).clamp(1, POINTS_LIMIT);
    let mut answer = Map::new();
    for name in span.series.split(',').take(SERIES_LIMIT) {
        let Some(series) = series(&app.web.config, name) else {
            let why = format!("series: {name}: unknown; write section:ID, meter:ID or gate:ID");
            return failure(StatusCode::NOT_FOUND, &why);
        };
        answer.insert(name.to_owned(), columns(&app.web.trends.window(series, from, to, points)));
    }
    Json(json!({ "to_s": to.as_second(), "series": answer })).into_response()
}

fn series(config: &Config, name: &str) -> Option<Series> {
    let basin = &config.basin;
    match name.split_once(':')? {
        ("section", id) => basin.section(id).map(|section| Series::Section(section.0)),
        ("meter", id) => basin.meter(id).map(|meter| Series::Meter(meter.0)),
        ("gate", id) => basin.gate(id).map(|gate| Series::Gate(gate.0)),
        _ => None,
    }
}

/// A window as columns; numbers to four decimals.
fn columns(window: &Window) -> Value {
    let column = |pick: fn(&Bucket) -> f64| {
        let values = window.buckets.iter().map(|b| b.as_ref().map(|b| (pick(b) * 1e4).round() / 1e4));
        values.collect::<Vec<_>>()
    };
    let estimated: Vec<_> = window
        .buckets
        .iter()
        .enumerate()
        .filter(|(_, b)| b.is_some_and(|b| b.estimated))
        .map(|(i, _)| i)
        .collect();
    json!({
        "from_s": window.from_s, "step_s": window.step_s,
        "mean": column(|b| b.mean), "min": column(|b| b.min), "max": column(|b| b.max), "estimated": estimated,
    })
}

/// Beside what a refused act was answered on record, the same in Chinese; limits stand where those of other refusals do.
pub(super) fn in_chinese(rows: &mut [ActionRow]) {
    for row in rows.iter_mut().filter(|row| row.detail["accepted"] == false) {
        let Some(answer) = row.detail["answer"].as_str() else { continue };
        let (known, limits) = (problem::known(answer), problem::limits(answer));
        if let Some(known) = known {
            row.detail["answer_zh"] = known.zh.into();
        }
        if let Some(limits) = limits {
            row.limits = limits;
        }
    }
}

pub(super) async fn actions(
    State(app): State<Arc<App>>,
    query: Result<Query<Limited>, QueryRejection>,
) -> Response {
    let limit = match query {
        Ok(Query(query)) => query.limit.unwrap_or(20).clamp(1, ROWS_LIMIT),
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    match (app.web.actions)(limit).await {
        Ok(mut actions) => {
            in_chinese(&mut actions.rows);
            Json(actions).into_response()
        }
        Err(why) => problem::inner("the actions cannot be read now; the system log says why", &why),
    }
}
