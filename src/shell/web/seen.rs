//! `POST /api/v1/acts/acknowledge`: one alarm, or many in one act. A flood of hundreds would otherwise take a place of the queue
//! for each of them, and keep out a stop.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::acts::{Who, malformed, once, send};
use super::auth::{From, Known};
use super::{App, failure};
use crate::control::operator::Order;
use crate::control::status::AlarmStatus;

/// Most alarms of one act: with the longest keys they fit into half a body. Assumed.
const MOST: usize = 100;
/// One that came back is another than was seen.
const ANEW: &str = "alarm: has been raised anew since it was shown; look at it and acknowledge it again";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForAlarms {
    request: String,
    alarm: Option<String>,
    /// Since when, Unix seconds, as it was shown: what came after that is not acknowledged with it.
    since_s: Option<i64>,
    #[serde(default)]
    alarms: Vec<Shown>,
}

/// An alarm as it was shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    alarm: String,
    since_s: i64,
}

pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<ForAlarms>, JsonRejection>,
) -> Response {
    let ForAlarms { request, alarm, since_s, alarms } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return malformed(&error),
    };
    let open = app.web.status.borrow().alarms.clone();
    let found = match (alarm, since_s, alarms.len()) {
        (Some(alarm), since_s, 0) => one(&open, alarm, since_s).map(|order| (order, None)),
        (None, None, 1..=MOST) => many(&open, alarms).map(|(order, left)| (order, Some(left))),
        (Some(_) | None, _, _) => {
            let why = format!("alarms: must be 1 to {MOST}, each with its since_s; or name one in alarm");
            return failure(StatusCode::UNPROCESSABLE_ENTITY, &why);
        }
    };
    let (order, left) = match found {
        Ok(found) => found,
        Err((status, why)) => return failure(status, why),
    };
    let who = Who::new(person, address);
    let act = async {
        let answer = send(&app, &request, &who, order).await;
        match left {
            Some(left) if answer.is_ok() => answer.with("left", json!(left)),
            Some(_) | None => answer,
        }
    };
    once(&app, &request, act).await
}

type Refusal = (StatusCode, &'static str);

fn one(open: &[AlarmStatus], alarm: String, since_s: Option<i64>) -> Result<Order, Refusal> {
    let Some(found) = open.iter().find(|open| open.key == alarm) else {
        return Err((StatusCode::NOT_FOUND, "alarm: not open; the list on the page is the newest"));
    };
    if since_s.is_some_and(|shown| found.since.as_second() != shown) {
        return Err((StatusCode::CONFLICT, ANEW));
    }
    Ok(Order::Acknowledge { alarm })
}

/// Those that stand as they were shown; the keys of the others are left.
fn many(open: &[AlarmStatus], alarms: Vec<Shown>) -> Result<(Order, Vec<String>), Refusal> {
    let stands = |shown: &Shown| {
        open.iter().any(|open| open.key == shown.alarm && open.since.as_second() == shown.since_s)
    };
    let (same, other): (Vec<_>, Vec<_>) = alarms.into_iter().partition(stands);
    if same.is_empty() {
        return Err((StatusCode::CONFLICT, "alarms: none stands as it was shown; look at the newest list"));
    }
    let keys = |alarms: Vec<Shown>| alarms.into_iter().map(|shown| shown.alarm).collect();
    Ok((Order::AcknowledgeMany { alarms: keys(same) }, keys(other)))
}
