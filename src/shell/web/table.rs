//! The one list of routes. Each row says what it needs of whoever asks; nothing is mounted that does not stand here, and
//! a row without its need does not compile.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};
use serde::Serialize;

use super::{
    App, account, acts, assets, basin_document, control, doors, filings, filings_page, forecasts, guard,
    metrics, openapi, plain, query, schedule, screens, seen, shift, shift_page, simulated, state_document,
    stream, users, users_page, whatif,
};
use crate::shell::forecast::TEXT_MOST;
use crate::shell::people::Need;

/// A route as the description and the tests see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Its path, with names in braces.
    pub path: &'static str,
    /// Its method.
    pub method: &'static str,
    /// What it needs.
    pub needs: Need,
}

/// A route with what answers it.
pub(super) struct Row {
    pub(super) route: Route,
    answers: MethodRouter<Arc<App>>,
}

impl Row {
    fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, needs: Need, answers: H) -> Self {
        Self { route: Route { path, method: "GET", needs }, answers: get(answers) }
    }

    fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, needs: Need, answers: H) -> Self {
        Self { route: Route { path, method: "POST", needs }, answers: post(answers) }
    }

    fn delete<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, needs: Need, answers: H) -> Self {
        Self { route: Route { path, method: "DELETE", needs }, answers: delete(answers) }
    }

    fn up_to(mut self, bytes: usize) -> Self {
        self.answers = self.answers.layer(DefaultBodyLimit::max(bytes));
        self
    }
}

/// Every route; `river` adds those of a demonstration.
pub(super) fn rows(river: bool) -> Vec<Row> {
    use Need::{Administer, Diagnose, Forecast, Lead, Metrics, Operate, Person, Public, Schedule, View};
    let mut rows = vec![
        Row::get("/", View, assets::page),
        Row::get("/status", View, plain::status),
        Row::get("/assets/app.css", Public, assets::common_style),
        Row::get("/assets/login.css", Public, assets::login_style),
        Row::get("/assets/icon.svg", Public, assets::icon),
        Row::get("/assets/{*name}", View, assets::file),
        Row::get("/login", Public, doors::login_page),
        Row::post("/login", Public, doors::login),
        Row::get("/enter", Public, doors::enter_page),
        Row::post("/enter", Public, doors::enter),
        Row::get("/first-run", Public, doors::first_page),
        Row::post("/first-run", Public, doors::first),
        Row::post("/logout", Person, doors::logout),
        Row::get("/account", Person, account::page),
        Row::post("/account/end", Person, account::end),
        Row::post("/account/password", Person, account::password),
        Row::get("/users", Administer, users_page::page),
        Row::post("/users", Administer, users_page::change),
        Row::get("/shift", View, shift_page::page),
        // Two thousand characters of three bytes, each byte written as three.
        Row::post("/shift", Operate, shift_page::note).up_to(32 * 1024),
        Row::get("/filings", View, filings_page::page),
        Row::post("/filings", Operate, filings_page::enter),
        Row::post("/filings/verdict", Lead, filings_page::judge),
        Row::get("/api/v1/session", View, doors::session),
        Row::post("/api/v1/session", Public, doors::sign_in),
        Row::delete("/api/v1/session", Person, doors::sign_out),
        Row::get("/api/v1/basin", View, basin_document),
        Row::get("/api/v1/state", View, state_document),
        Row::get("/api/v1/stream", View, stream::events),
        Row::get("/api/v1/trends", View, query::trends),
        Row::get("/api/v1/actions", View, query::actions),
        Row::get(guard::FORECASTS, View, forecasts::held),
        Row::post(guard::FORECASTS, Forecast, forecasts::push).up_to(TEXT_MOST),
        Row::get("/api/v1/schedule", View, schedule::shown),
        Row::get("/api/v1/schedule.csv", View, schedule::export),
        Row::get("/api/v1/schedule/versions/{version}", View, schedule::one_version),
        Row::post("/api/v1/schedule/draft", Schedule, schedule::save).up_to(schedule::TEXT_MOST),
        Row::post(guard::CALENDAR, Schedule, schedule::import).up_to(schedule::TEXT_MOST),
        Row::post("/api/v1/schedule/discard", Schedule, schedule::discard),
        Row::post("/api/v1/schedule/preview", Schedule, schedule::preview),
        Row::post("/api/v1/schedule/activate", Schedule, schedule::activate),
        Row::get("/api/v1/links", View, screens::links),
        Row::get("/api/v1/links/{id}/trace", Diagnose, query::trace),
        Row::get("/api/v1/meters/{id}", View, screens::meter),
        Row::get("/api/v1/gates/{id}/what-if", View, whatif::answer),
        Row::get("/api/v1/records", View, screens::records),
        Row::get("/api/v1/records/{seq}", View, screens::record),
        Row::get("/api/v1/alarms", View, screens::alarms),
        Row::get("/api/v1/reports", View, screens::reports),
        Row::get("/api/v1/reports/{name}", View, screens::report),
        Row::get("/api/v1/history", View, screens::history),
        Row::get("/api/v1/incident-log", View, screens::incident_log),
        Row::get("/api/v1/filings", View, filings::list),
        Row::post("/api/v1/filings", Operate, filings::enter),
        Row::post("/api/v1/filings/verdict", Lead, filings::judge),
        Row::get("/api/v1/shift", View, shift::report),
        Row::post("/api/v1/notes", Operate, shift::note),
        Row::post("/api/v1/acts/hold-all", Operate, acts::hold_all),
        Row::post("/api/v1/acts/stop", Operate, acts::stop),
        Row::post("/api/v1/acts/acknowledge", Operate, seen::acknowledge),
        Row::post("/api/v1/acts/preview", Operate, acts::preview),
        Row::post("/api/v1/acts/confirm", Operate, acts::confirm),
        Row::post("/api/v1/control/take", Operate, control::take),
        Row::post("/api/v1/control/ask", Operate, control::ask),
        Row::post("/api/v1/control/hand-over", Operate, control::hand_over),
        Row::post("/api/v1/control/release", Operate, control::release),
        Row::get("/api/v1/users", Administer, users::list),
        Row::post("/api/v1/users", Administer, users::change),
        Row::get("/api/v1/openapi.json", View, openapi),
        Row::get("/metrics", Metrics, metrics::metrics),
        Row::get("/healthz", Public, metrics::healthz),
        Row::get("/readyz", Public, metrics::readyz),
    ];
    if river {
        rows.push(Row::get(RIVER, View, simulated::shown));
        rows.push(Row::post(RIVER, Operate, simulated::switch));
    }
    rows
}

const RIVER: &str = "/api/v1/simulated-river";

/// Every route of an installation, for the description and the tests: of the same list that is mounted.
pub fn routes() -> Vec<Route> {
    rows(false).into_iter().map(|row| row.route).collect()
}

/// Mounts the rows; what they need, to be asked with each request.
pub(super) fn mount(rows: Vec<Row>) -> (Router<Arc<App>>, Vec<Route>) {
    let mut needs = Vec::new();
    let mut router = Router::new();
    for Row { route, answers } in rows {
        router = router.route(route.path, answers);
        needs.push(route);
    }
    (router, needs)
}

/// What a request to a mounted path needs; `None` for a method it does not have.
pub(super) fn need(routes: &[Route], path: &str, method: &Method) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    routes.iter().find(|route| route.path == path && method == route.method).map(|route| route.needs)
}
