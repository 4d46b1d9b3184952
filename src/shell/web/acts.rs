//! `POST /api/v1/acts/…`: what people ask for.
//!
//! Stopping is one step: hold-all, stop of a gate, acknowledgement. Everything that moves water is two: a preview
//! with a token bound to the act, to the session and to what was seen, then its confirmation within 30 s, which is refused
//! when that picture is no longer true or the session has no control of the river. A mode asks for a shift leader, the own
//! password and a reason. Every act carries an identifier; the second of two equal requests is answered with the result of the
//! first.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::auth::{From, Known};
use super::permits::{needs_password, needs_reason, permit, rivers};
use super::preview::Basis;
use super::tokens::{LIFE, Shown};
use super::{App, control, doors, failure, problem};
use crate::basin::{GateId, Grade};
use crate::control::alarm::SHELF_MOST;
use crate::control::entered;
use crate::control::incident::{self, Report};
use crate::control::operator::{Authority, Mode, OperatorAct, Order};
use crate::control::ticket::Permit;
use crate::shell::people::{self, Person};
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
        if self.0.is_success() {
            (self.0, Json(self.1)).into_response()
        } else {
            problem::response(self.0, self.1)
        }
    }
}

impl Answer {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self(status, body)
    }

    pub(super) fn refused(status: StatusCode, why: &str) -> Self {
        Self::refused_with(status, why, &Value::Null)
    }

    /// With further members.
    pub(super) fn refused_with(status: StatusCode, why: &str, more: &Value) -> Self {
        Self(status, problem::document(status, why, more))
    }

    pub(super) fn is_ok(&self) -> bool {
        self.0.is_success()
    }

    /// The same with one more key.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        if let Value::Object(parts) = &mut self.1 {
            parts.insert(key.to_owned(), value);
        }
        self
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
pub(super) struct Confirm {
    request: String,
    token: String,
    /// The own password, where the act needs it.
    #[serde(default)]
    password: Option<String>,
    /// Why, where the act has no place for it.
    #[serde(default)]
    reason: Option<String>,
}

/// An act that needs a preview.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "order", deny_unknown_fields)]
pub(super) enum Asked {
    ReleaseHold {},
    SetMode {
        mode: Mode,
    },
    SetAuthority {
        gate: String,
        authority: Authority,
    },
    SetPoint {
        gate: String,
        opening_pct: f64,
        reason: String,
    },
    Shelve {
        alarm: String,
        minutes: u32,
        reason: String,
    },
    Unshelve {
        alarm: String,
    },
    Accept {
        gate: String,
        proposal: u64,
    },
    Reject {
        gate: String,
        proposal: u64,
        reason: String,
    },
    AskTicket {
        gate: String,
        minutes: u32,
        reason: String,
        #[serde(default)]
        permit: Permit,
    },
    SignTicket {
        gate: String,
        ticket: u64,
    },
    EndTicket {
        gate: String,
        ticket: u64,
    },
    Enter {
        meter: String,
        value: f64,
        minutes: u32,
        reason: String,
    },
    Withdraw {
        meter: String,
    },
    IssueWarning {
        element: String,
        grade: Grade,
        cause: String,
        measure: String,
    },
    CancelWarning {
        element: String,
        warning: u64,
        reason: String,
    },
    OpenIncident {
        reach: String,
        km: f64,
        /// Unix seconds.
        happened_s: i64,
        lasts_min: u32,
        what: String,
        #[serde(default)]
        mass_kg: Option<f64>,
        #[serde(default)]
        limit_mg_l: Option<f64>,
    },
    CloseIncident {
        incident: u64,
        reason: String,
    },
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// Who acts, and from where.
pub(super) struct Who {
    pub(super) person: Person,
    address: String,
    reason: Option<String>,
}

impl Who {
    pub(super) fn new(person: Person, address: String) -> Self {
        Self { person, address, reason: None }
    }
}

pub(super) async fn hold_all(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<Plain>,
) -> Response {
    match body {
        Ok(Json(asked)) => {
            let who = Who::new(person, address);
            once(&app, &asked.request, send(&app, &asked.request, &who, Order::HoldAll)).await
        }
        Err(error) => malformed(&error),
    }
}

pub(super) async fn stop(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<ForGate>,
) -> Response {
    match body {
        Ok(Json(asked)) => match gate(&app, &asked.gate) {
            Ok(gate) => {
                let order = Order::StopGate { gate };
                let who = Who::new(person, address);
                once(&app, &asked.request, send(&app, &asked.request, &who, order)).await
            }
            Err(why) => failure(StatusCode::UNPROCESSABLE_ENTITY, &why),
        },
        Err(error) => malformed(&error),
    }
}

pub(super) async fn preview(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<Asked>,
) -> Response {
    match body {
        Ok(Json(asked)) => match order(&app, asked) {
            Ok(order) => match permit(&app, &person, &address, &order) {
                Ok(()) => match show(&app, &person, order) {
                    Ok(shown) => Json(shown).into_response(),
                    Err(answer) => answer.into_response(),
                },
                Err(answer) => answer.into_response(),
            },
            Err(why) => failure(StatusCode::UNPROCESSABLE_ENTITY, &why),
        },
        Err(error) => malformed(&error),
    }
}

pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<Confirm>,
) -> Response {
    let Confirm { request, token, password, reason } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return malformed(&error),
    };
    let mut who = Who::new(person, address);
    // Before the token is used up: it is good still when control has been taken or the password typed right.
    if let Some(order) = app.book.order(&token, &who.person.session) {
        if let Err(answer) = permit(&app, &who.person, &who.address, &order) {
            return answer.into_response();
        }
        if let Err(why) = app.web.people.has_control(&who.person, &rivers(&app, &order)) {
            return control::refused(&app, &why);
        }
        let reason = reason.unwrap_or_default().trim().to_owned();
        let needed = needs_password(&order) || needs_reason(&order);
        if (needed && reason.is_empty()) || reason.chars().count() > TEXT_LIMIT {
            return failure(StatusCode::UNPROCESSABLE_ENTITY, "reason: must have 1 to 200 characters");
        }
        if needs_password(&order) {
            let password = password.unwrap_or_default();
            if let Err(error) = app.web.people.confirm(&who.person, &password, &who.address).await {
                return doors::refused(&error, true);
            }
        }
        who.reason = Some(reason).filter(|reason| !reason.is_empty());
    }
    once(&app, &request, confirmed(&app, &request, &token, &who)).await
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
            let (gate, opening) = set_point(app, &id, opening_pct)?;
            let reason = reasoned(&id, &reason)?;
            Order::SetPoint { gate, opening, reason }
        }
        Asked::Shelve { alarm, minutes, reason } => {
            let reason = reasoned(&alarm, &reason)?;
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
        Asked::Accept { gate: id, proposal } => {
            let gate = gate(app, &id)?;
            let status = app.web.status.borrow();
            let open = status.proposals.iter().find(|open| open.gate == gate && open.id == proposal);
            let open = open.ok_or_else(|| format!("{id}: this proposal is no longer open"))?;
            Order::Accept { gate, proposal, opening: open.to, second: !open.signed.is_empty() }
        }
        Asked::Reject { gate: id, proposal, reason } => {
            let gate = gate(app, &id)?;
            let reason = reasoned(&id, &reason)?;
            Order::Reject { gate, proposal, reason }
        }
        Asked::AskTicket { gate: id, minutes, reason, permit } => {
            let gate = ask_ticket(app, &id, minutes, &permit)?;
            let reason = reasoned(&id, &reason)?;
            Order::AskTicket { gate, minutes, reason, permit }
        }
        Asked::SignTicket { gate: id, ticket } => {
            Order::SignTicket { gate: ticketed(app, &id, ticket)?, ticket }
        }
        Asked::EndTicket { gate: id, ticket } => {
            Order::EndTicket { gate: ticketed(app, &id, ticket)?, ticket }
        }
        Asked::Enter { meter, value, minutes, reason } => {
            let basin = &app.web.config.basin;
            let known = basin.meter(&meter).and_then(|id| basin.meters.get(id.0));
            let known = known.ok_or_else(|| format!("{meter}: no such meter; names are in /api/v1/basin"))?;
            entered::check(known, value, minutes)?;
            let reason = reasoned(&meter, &reason)?;
            Order::Enter { meter, value, minutes, reason }
        }
        Asked::Withdraw { meter } => {
            if app.web.status.borrow().entered.iter().all(|entry| entry.meter != meter) {
                return Err(format!("{meter}: no value is entered for it"));
            }
            Order::Withdraw { meter }
        }
        Asked::IssueWarning { element, grade, cause, measure } => {
            if app.web.status.borrow().warnings.iter().all(|watch| watch.element != element) {
                return Err(format!(
                    "{element}: no warning is given of it; names are in warnings of /api/v1/state"
                ));
            }
            let measure = texted(&element, "measure", &measure)?;
            Order::IssueWarning { cause: texted(&element, "cause", &cause)?, element, grade, measure }
        }
        Asked::CancelWarning { element, warning, reason } => {
            let status = app.web.status.borrow();
            let watch = status.warnings.iter().find(|watch| watch.element == element);
            let in_force = watch.and_then(|watch| watch.issued.as_ref()).map(|issued| issued.id);
            if in_force != Some(warning) {
                return Err(format!("{element}: this warning is not in force any more"));
            }
            let reason = reasoned(&element, &reason)?;
            Order::CancelWarning { element, warning, reason }
        }
        Asked::OpenIncident { reach, km, happened_s, lasts_min, what, mass_kg, limit_mg_l } => {
            let happened = Timestamp::from_second(happened_s);
            let happened = happened.map_err(|_| format!("{reach}: happened_s: must be Unix seconds"))?;
            let what = texted(&reach, "what", &what)?;
            let report = Report { reach, km, happened, lasts_min, what, mass_kg, limit_mg_l };
            incident::check(&app.web.config.basin, &report, app.web.status.borrow().utc)?;
            Order::OpenIncident { report }
        }
        Asked::CloseIncident { incident, reason } => {
            if app.web.status.borrow().incidents.iter().all(|open| open.id != incident) {
                return Err(format!("incident {incident} is not open any more"));
            }
            Order::CloseIncident { incident, reason: reasoned("incident", &reason)? }
        }
    })
}

/// A gate and where it is to go.
fn set_point(app: &App, id: &str, opening_pct: f64) -> Result<(GateId, Opening), String> {
    let gate = gate(app, id)?;
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
    Ok((gate, opening))
}

/// The gate a ticket is asked for.
fn ask_ticket(app: &App, id: &str, minutes: u32, permit: &Permit) -> Result<GateId, String> {
    let gate = gate(app, id)?;
    let basin = &app.web.config.basin;
    let known = basin.gates.get(gate.0);
    let known = known.ok_or_else(|| format!("{id}: no such gate; names are in /api/v1/basin"))?;
    let (_, most) = permit.terms(basin, known)?;
    if minutes == 0 || minutes > most {
        return Err(format!("{id}: minutes = {minutes}: must be from 1 to {most}"));
    }
    Ok(gate)
}

/// A reason as it is kept: what is asked about `what` needs one.
fn reasoned(what: &str, reason: &str) -> Result<String, String> {
    texted(what, "reason", reason)
}

/// The text `key` of an act about `what`.
fn texted(what: &str, key: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_LIMIT {
        return Err(format!("{what}: {key}: must have 1 to {TEXT_LIMIT} characters"));
    }
    Ok(text.to_owned())
}

/// The gate of an open ticket.
fn ticketed(app: &App, id: &str, ticket: u64) -> Result<GateId, String> {
    let gate = gate(app, id)?;
    let is_open = app.web.status.borrow().tickets.iter().any(|open| open.gate == gate && open.id == ticket);
    if is_open { Ok(gate) } else { Err(format!("{id}: this ticket is no longer open")) }
}

fn gate(app: &App, id: &str) -> Result<GateId, String> {
    app.web.config.basin.gate(id).ok_or_else(|| format!("{id}: no such gate; names are in /api/v1/basin"))
}

/// Makes a preview, keeps it under a new token, and tells both.
fn show(app: &App, person: &Person, order: Order) -> Result<Value, Answer> {
    let web = &app.web;
    let status = web.status.borrow().clone();
    let preview = (web.preview)(&web.config, &status, &order);
    let basis = Basis::of(&web.config, &status, &order);
    // Without random bytes there is no token, and nothing can be confirmed.
    let Ok(token) = people::secret() else {
        return Err(Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "no token can be made on this machine"));
    };
    let answer = json!({
        "needs_control": control::missing(app, person, &rivers(app, &order)), "needs_password": needs_password(&order),
        "needs_reason": needs_password(&order) || needs_reason(&order),
        "token": token, "expires_in_s": LIFE.as_secs(), "tick": status.tick, "order": order, "preview": preview,
    });
    let session = person.session.clone();
    app.book.keep(token, Shown { session, order, basis, until: web.time.now().mono + LIFE });
    Ok(answer)
}

async fn confirmed(app: &App, request: &str, token: &str, who: &Who) -> Answer {
    let shown = match app.book.take(token, &who.person.session, app.web.time.now().mono) {
        Ok(shown) => shown,
        Err(why) => return Answer::refused(StatusCode::GONE, &why.to_string()),
    };
    let status = app.web.status.borrow().clone();
    if shown.basis.still_holds(&Basis::of(&app.web.config, &status, &shown.order)) {
        return send(app, request, who, shown.order).await;
    }
    let why = "the picture changed since the preview; read the new one and confirm again";
    let renewed = show(app, &who.person, shown.order).unwrap_or_default();
    Answer::refused_with(StatusCode::CONFLICT, why, &json!({ "renewed": renewed }))
}

/// Runs an act once for its request identifier.
pub(super) async fn once(app: &App, request: &str, act: impl Future<Output = Answer>) -> Response {
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
pub(super) async fn send(app: &App, request: &str, who: &Who, order: Order) -> Answer {
    let act = OperatorAct {
        request: request.to_owned(),
        who: who.person.name.clone(),
        role: who.person.role.name().to_owned(),
        address: who.address.clone(),
        order,
        reason: who.reason.clone(),
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

pub(super) fn malformed(error: &JsonRejection) -> Response {
    failure(error.status(), &error.body_text())
}
