//! `POST /api/v1/acts/…`: what people ask for.
//!
//! Stopping is one step: hold-all, stop of a gate, acknowledgement. Everything that moves water is two: a preview
//! with a token bound to the act and to what was seen, then its confirmation within 30 s, which is refused when
//! that picture is no longer true. Every act carries an identifier; the second of two equal requests is answered
//! with the result of the first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::preview::Basis;
use super::tokens::{LIFE, Shown};
use super::{App, failure};
use crate::basin::GateId;
use crate::control::alarm::SHELF_MOST;
use crate::control::operator::{Authority, Mode, OperatorAct, Order};
use crate::units::Opening;

/// How long the cycle may take to answer, real time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest identifier, reason or key, characters.
const TEXT_LIMIT: usize = 200;

/// What the cycle says about an act it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActAnswer {
    /// Tick in which it took effect.
    pub tick: u64,
    /// Number of its record, when it could be written.
    pub record: Option<u64>,
}

/// An act on its way to the cycle, with the place for the answer: taken, or refused with the reason.
pub type ActRequest = (OperatorAct, oneshot::Sender<Result<ActAnswer, String>>);

/// Status and body of an answer, kept for repeated requests.
#[derive(Clone, Debug)]
pub(super) struct Answer(StatusCode, Value);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl Answer {
    fn refused(status: StatusCode, why: &str) -> Self {
        Self(status, json!({ "error": why }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    request: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForGate {
    request: String,
    gate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForAlarm {
    request: String,
    alarm: String,
    /// Since when, Unix seconds, as it was shown: what came after that is not acknowledged with it.
    since_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirm {
    request: String,
    token: String,
}

/// An act that needs a preview.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "order", deny_unknown_fields)]
pub(super) enum Asked {
    ReleaseHold {},
    SetMode { mode: Mode },
    SetAuthority { gate: String, authority: Authority },
    SetPoint { gate: String, opening_pct: f64, reason: String },
    Shelve { alarm: String, minutes: u32, reason: String },
    Unshelve { alarm: String },
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// Where a request came from, if the server knows.
pub(super) struct From(pub(super) String);

impl From {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Self(peer.map_or_else(|| "loopback".to_owned(), |peer| peer.0.ip().to_string()))
    }
}

pub(super) async fn hold_all(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    body: Body<Plain>,
) -> Response {
    match body {
        Ok(Json(asked)) => {
            once(&app, &asked.request, send(&app, &asked.request, &extensions, Order::HoldAll)).await
        }
        Err(error) => malformed(&error),
    }
}

pub(super) async fn stop(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    body: Body<ForGate>,
) -> Response {
    match body {
        Ok(Json(asked)) => match gate(&app, &asked.gate) {
            Ok(gate) => {
                let order = Order::StopGate { gate };
                once(&app, &asked.request, send(&app, &asked.request, &extensions, order)).await
            }
            Err(why) => failure(StatusCode::UNPROCESSABLE_ENTITY, &why),
        },
        Err(error) => malformed(&error),
    }
}

pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    body: Body<ForAlarm>,
) -> Response {
    match body {
        Ok(Json(asked)) => {
            let open = app.web.status.borrow().alarms.iter().find(|alarm| alarm.key == asked.alarm).cloned();
            let Some(open) = open else {
                return failure(StatusCode::NOT_FOUND, "alarm: not open; the list on the page is the newest");
            };
            if asked.since_s.is_some_and(|shown| open.since.as_second() != shown) {
                let why =
                    "alarm: has been raised anew since it was shown; look at it and acknowledge it again";
                return failure(StatusCode::CONFLICT, why);
            }
            let order = Order::Acknowledge { alarm: asked.alarm };
            once(&app, &asked.request, send(&app, &asked.request, &extensions, order)).await
        }
        Err(error) => malformed(&error),
    }
}

pub(super) async fn preview(State(app): State<Arc<App>>, body: Body<Asked>) -> Response {
    match body {
        Ok(Json(asked)) => match order(&app, asked) {
            Ok(order) => (StatusCode::OK, Json(show(&app, order))).into_response(),
            Err(why) => failure(StatusCode::UNPROCESSABLE_ENTITY, &why),
        },
        Err(error) => malformed(&error),
    }
}

pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    extensions: Extensions,
    body: Body<Confirm>,
) -> Response {
    match body {
        Ok(Json(asked)) => {
            let act = confirmed(&app, &asked.request, &asked.token, &extensions);
            once(&app, &asked.request, act).await
        }
        Err(error) => malformed(&error),
    }
}

/// Checks an act against configuration and range.
fn order(app: &App, asked: Asked) -> Result<Order, String> {
    Ok(match asked {
        Asked::ReleaseHold {} => Order::ReleaseHold,
        Asked::SetMode { mode } => Order::SetMode { mode },
        Asked::SetAuthority { gate: id, authority } => {
            Order::SetAuthority { gate: gate(app, &id)?, authority }
        }
        Asked::SetPoint { gate: id, opening_pct, reason } => {
            let gate = gate(app, &id)?;
            let opening = Opening::from_fraction(opening_pct / 100.0)
                .ok_or_else(|| format!("{id}: opening_pct = {opening_pct}: must be from 0 to 100"))?;
            let known = app.web.config.basin.gates.get(gate.0);
            let known = known.ok_or_else(|| format!("{id}: no such gate; names are in /api/v1/basin"))?;
            if !known.is_driven() {
                return Err(format!("{id}: cannot be commanded; it moves by hand or by water alone"));
            }
            let (lowest, highest) = (known.lowest.percent(), known.highest.percent());
            if opening < known.lowest || opening > known.highest {
                return Err(format!("{id}: opening_pct = {opening_pct}: must be from {lowest} to {highest}"));
            }
            let reason = reason.trim().to_owned();
            if reason.is_empty() || reason.chars().count() > TEXT_LIMIT {
                return Err(format!("{id}: reason: must have 1 to {TEXT_LIMIT} characters"));
            }
            Order::SetPoint { gate, opening, reason }
        }
        Asked::Shelve { alarm, minutes, reason } => {
            let reason = reason.trim().to_owned();
            if reason.is_empty() || reason.chars().count() > TEXT_LIMIT {
                return Err(format!("{alarm}: reason: must have 1 to {TEXT_LIMIT} characters"));
            }
            let most = SHELF_MOST.as_secs() / 60;
            if minutes == 0 || u64::from(minutes) > most {
                return Err(format!("{alarm}: minutes = {minutes}: must be from 1 to {most}"));
            }
            let status = app.web.status.borrow();
            let open = status.alarms.iter().find(|open| open.key == alarm);
            match open.map(|open| open.priority) {
                None => return Err(format!("{alarm}: not open; the list on the page is the newest")),
                Some(1) => return Err(format!("{alarm}: has priority 1, it is not put aside")),
                Some(_) => Order::Shelve { alarm, minutes, reason },
            }
        }
        Asked::Unshelve { alarm } => Order::Unshelve { alarm },
    })
}

fn gate(app: &App, id: &str) -> Result<GateId, String> {
    app.web.config.basin.gate(id).ok_or_else(|| format!("{id}: no such gate; names are in /api/v1/basin"))
}

/// Makes a preview, keeps it under a new token, and tells both.
fn show(app: &App, order: Order) -> Value {
    let web = &app.web;
    let status = web.status.borrow().clone();
    let preview = (web.preview)(&web.config, &status, &order);
    let basis = Basis::of(&web.config, &status, &order);
    let token = app.tokens.next();
    let answer = json!({
        "token": token, "expires_in_s": LIFE.as_secs(), "tick": status.tick, "order": order, "preview": preview,
    });
    app.book.keep(token, Shown { order, basis, until: web.time.now().mono + LIFE });
    answer
}

async fn confirmed(app: &App, request: &str, token: &str, extensions: &Extensions) -> Answer {
    let shown = match app.book.take(token, app.web.time.now().mono) {
        Ok(shown) => shown,
        Err(why) => return Answer::refused(StatusCode::GONE, &why.to_string()),
    };
    let status = app.web.status.borrow().clone();
    if shown.basis.still_holds(&Basis::of(&app.web.config, &status, &shown.order)) {
        return send(app, request, extensions, shown.order).await;
    }
    let why = "the picture changed since the preview; read the new one and confirm again";
    Answer(StatusCode::CONFLICT, json!({ "error": why, "renewed": show(app, shown.order) }))
}

/// Runs an act once for its request identifier.
async fn once(app: &App, request: &str, act: impl Future<Output = Answer>) -> Response {
    let length = request.chars().count();
    if !(8..=TEXT_LIMIT).contains(&length) {
        return failure(
            StatusCode::UNPROCESSABLE_ENTITY,
            "request: must have 8 to 200 characters, new for each act",
        );
    }
    app.book.answer(request).get_or_init(|| act).await.clone().into_response()
}

/// Hands an act to the cycle and waits for its word.
async fn send(app: &App, request: &str, extensions: &Extensions, order: Order) -> Answer {
    let act = OperatorAct {
        request: request.to_owned(),
        who: "console".to_owned(),
        address: From::of(extensions).0,
        order,
    };
    let (reply, answer) = oneshot::channel();
    if app.web.acts.try_send((act, reply)).is_err() {
        let why = "the control cycle does not take acts now; use the panel on site and look at /readyz";
        return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(Ok(taken))) => Answer(StatusCode::OK, json!({ "taken": taken })),
        Ok(Ok(Err(why))) => Answer::refused(StatusCode::CONFLICT, &why),
        Ok(Err(_)) => {
            Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "the control cycle stopped before answering")
        }
        Err(_) => {
            let why =
                "no word from the control cycle within 5 s; the act may still be taken, watch the action log";
            Answer::refused(StatusCode::GATEWAY_TIMEOUT, why)
        }
    }
}

fn malformed(error: &JsonRejection) -> Response {
    failure(error.status(), &error.body_text())
}
