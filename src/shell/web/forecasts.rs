//! `/api/v1/forecasts`: what is held, and what comes in as JSON or CSV.
//!
//! A forecast moves nothing by itself, so it needs no preview; it passes the same guard as every act. One sent twice is
//! known the second time, which is why it needs no identifier either.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::auth::From;
use super::{App, failure, guard, problem};
use crate::control::forecast::{Answer, Held, Verdict};
use crate::shell::forecast::{self, Form, TEXT_MOST};
use crate::shell::people::Caller;

/// How long the cycle may take to answer, real time.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET`: the forecasts held, with their bands by value.
pub(super) async fn held(State(app): State<Arc<App>>) -> Response {
    let status = app.web.status.borrow().clone();
    let all = status.forecasts.held().map(|held| one(held, status.utc)).collect::<Vec<_>>();
    Json(json!({ "now_s": status.utc.as_second(), "forecasts": all })).into_response()
}

fn one(held: &Held, now: Timestamp) -> Value {
    let issue = &held.forecast;
    let round = |flow: f64| (flow * 1e4).round() / 1e4;
    let bands = issue.bands().collect::<Vec<_>>();
    json!({
        "target": issue.name(), "valid": issue.is_valid(now),
        "issued": issue.issued(), "expires": issue.expires(),
        "begin_s": issue.begin().as_second(), "step_s": issue.step_s(), "members": issue.members(),
        "low_m3s": bands.iter().map(|band| round(band.low)).collect::<Vec<_>>(),
        "mid_m3s": bands.iter().map(|band| round(band.mid)).collect::<Vec<_>>(),
        "high_m3s": bands.iter().map(|band| round(band.high)).collect::<Vec<_>>(),
        "source": held.source, "from": held.from, "digest": held.digest,
    })
}

/// `POST`: reads the text, hands it to the cycle and tells what became of each issue. What cannot be read goes to the cycle
/// too, for the record.
pub(super) async fn push(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    From(from): From,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("more than {TEXT_MOST} bytes; send fewer targets, members or values at once");
            return failure(StatusCode::PAYLOAD_TOO_LARGE, &why);
        }
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    let form = if guard::kind(&headers) == Some("text/csv") { Form::Csv } else { Form::Json };
    let by = match &caller {
        Caller::Person(person) => person.name.clone(),
        Caller::Token { name, .. } => format!("token {name}"),
        Caller::Nobody => String::new(),
    };
    let offer = forecast::offer(&body, form, &app.web.config.basin, "page", &format!("{by} {from}"));
    let problems = offer.issues.as_ref().err().cloned();
    let (reply, answer) = oneshot::channel();
    let handed = app.web.offers.try_send((offer, reply)).is_ok();
    if let Some(problems) = problems {
        let why = format!("{}; nothing was taken", problems.first().map_or("", String::as_str));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return problem::response(status, problem::document(status, &why, &json!({ "problems": problems })));
    }
    if !handed {
        let why = "the control cycle does not take forecasts now; look at /readyz and send it again";
        return failure(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok((tick, verdicts))) => told(tick, &verdicts),
        Ok(Err(_)) => failure(StatusCode::SERVICE_UNAVAILABLE, "the control cycle stopped before answering"),
        Err(_) => {
            let why = "no word from the control cycle within 5 s; the forecast may still be taken, look at what is held";
            failure(StatusCode::GATEWAY_TIMEOUT, why)
        }
    }
}

fn told(tick: u64, verdicts: &[Verdict]) -> Response {
    let mut refused = None;
    let mut rows = Vec::new();
    for Verdict { target, answer } in verdicts {
        let (word, why) = match answer {
            Answer::Taken => ("taken", None),
            Answer::Known => ("known", None),
            Answer::Refused(why) => ("refused", Some(why)),
        };
        if let Some(first) = why.and_then(|why| why.first()) {
            refused.get_or_insert_with(|| format!("{target}: {first}"));
        }
        rows.push(json!({ "target": target, "answer": word, "why": why }));
    }
    match refused {
        None => (StatusCode::OK, Json(json!({ "tick": tick, "forecasts": rows }))).into_response(),
        Some(why) => {
            let (status, more) = (StatusCode::CONFLICT, json!({ "tick": tick, "forecasts": rows }));
            problem::response(status, problem::document(status, &why, &more))
        }
    }
}
