//! `qindan-sim studio`: the workbench as a page on loopback.
//!
//! Pick a scenario, change values, run, read the report, put two runs side by side. It runs simulations and nothing
//! else: no plant is behind it, no order to a gate can be given, and it writes into its own folder only.

mod guard;
mod runs;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{DefaultBodyLimit, Path as Part, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::compare::{self, Side};
use crate::{crew, scenario, vary};

pub use runs::{Row, Runs, Wish};

/// Largest order, bytes.
const BODY_LIMIT: usize = 16 * 1024;
/// Real time between two looks at the runs for the page.
const LOOK: Duration = Duration::from_millis(400);
/// Files of a run that are served, with their kinds.
const FILES: [(&str, &str); 9] = [
    ("report.html", "text/html; charset=utf-8"),
    ("account.zh.html", "text/html; charset=utf-8"),
    ("account.en.html", "text/html; charset=utf-8"),
    ("account.zh.csv", "text/csv; charset=utf-8"),
    ("account.en.csv", "text/csv; charset=utf-8"),
    ("summary.json", "application/json"),
    ("series.csv", "text/csv; charset=utf-8"),
    ("actions.csv", "text/csv; charset=utf-8"),
    ("decisions.jsonl", "application/jsonl; charset=utf-8"),
];

/// Where and what.
#[derive(Clone, Debug)]
pub struct Order {
    /// Port on loopback; a free one if it is taken.
    pub port: u16,
    /// Folder for the runs.
    pub data: PathBuf,
    /// Another configuration folder.
    pub config: Option<PathBuf>,
    /// Runs at once; all cores when not given.
    pub jobs: Option<usize>,
}

/// Serves the page until interrupted.
///
/// # Errors
/// When the folder or the port cannot be had.
pub fn studio(order: &Order) -> Result<bool> {
    let runs = Arc::new(Runs::open(&order.data, order.config.clone())?);
    let config = order
        .config
        .clone()
        .or_else(|| scenario::above("config"))
        .context("no folder config here or above")?;
    let threads = crew::size(order.jobs, usize::MAX);
    let workers = (0..threads).map(|_| {
        let runs = Arc::clone(&runs);
        std::thread::spawn(move || runs.work())
    });
    let workers = workers.collect::<Vec<_>>();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(order, &runs, config))?;
    runs.close();
    for worker in workers {
        anyhow::ensure!(worker.join().is_ok(), "a run ended in a panic");
    }
    Ok(true)
}

async fn serve(order: &Order, runs: &Arc<Runs>, config: PathBuf) -> Result<()> {
    use std::io::Write;
    let listener = match TcpListener::bind(("127.0.0.1", order.port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on loopback")?,
    };
    // Nobody reads a closed pipe.
    let _ = writeln!(
        std::io::stdout(),
        "studio at http://{}, runs in {}; end with Ctrl-C",
        listener.local_addr()?,
        order.data.display()
    );
    let page = router(Arc::clone(runs), config);
    // An open page never ends its stream: what is open is dropped.
    tokio::select! {
        served = std::future::IntoFuture::into_future(axum::serve(listener, page)) => served?,
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    Ok(())
}

#[derive(Clone)]
struct App {
    runs: Arc<Runs>,
    config: Arc<PathBuf>,
}

/// The page and what it asks for.
pub fn router(runs: Arc<Runs>, config: PathBuf) -> Router {
    let asset =
        |kind: &'static str, text: &'static str| get(move || async move { ([(CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("studio.html")))
        .route("/studio.js", asset("text/javascript; charset=utf-8", include_str!("studio.js")))
        .route("/studio.css", asset("text/css; charset=utf-8", include_str!("studio.css")))
        .route("/api/scenarios", get(scenarios))
        .route("/api/keys", get(keys))
        .route("/api/runs", get(list).post(begin))
        .route("/api/runs/{id}/cancel", post(cancel))
        .route("/api/stream", get(stream))
        .route("/runs/{id}/{file}", get(file))
        .route("/compare", get(side_by_side))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(guard::guard))
        .with_state(App { runs, config: Arc::new(config) })
}

fn failure(status: StatusCode, error: &anyhow::Error) -> Response {
    (status, Json(json!({ "error": format!("{error:#}") }))).into_response()
}

/// Work that reads files, off the threads that answer.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("broken off")?
}

#[derive(Serialize)]
struct Story {
    id: String,
    days: f64,
    purpose: String,
}

async fn scenarios() -> Response {
    let all = aside(|| {
        let story = |file: &PathBuf| {
            let head = scenario::head(file).ok()?;
            let id = file.file_stem()?.to_string_lossy().into_owned();
            Some(Story { id, days: head.duration.as_secs_f64() / 86_400.0, purpose: head.purpose })
        };
        Ok(scenario::files()?.iter().filter_map(story).collect::<Vec<_>>())
    });
    match all.await {
        Ok(all) => Json(all).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

async fn keys(State(app): State<App>) -> Response {
    match aside(move || Ok(vary::keys(&app.config)?)).await {
        Ok(keys) => Json(keys).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

async fn list(State(app): State<App>) -> Json<Vec<Row>> {
    Json(app.runs.rows())
}

async fn begin(State(app): State<App>, Json(wish): Json<Wish>) -> Response {
    match aside(move || app.runs.order(wish)).await {
        Ok(id) => (StatusCode::CREATED, Json(json!({ "id": id }))).into_response(),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
}

async fn cancel(State(app): State<App>, Part(id): Part<u32>) -> StatusCode {
    if app.runs.cancel(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// The list of runs whenever it changed.
async fn stream(State(app): State<App>) -> Response {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let next = |(app, mut looks, told): (App, tokio::time::Interval, Option<Vec<Row>>)| async move {
        loop {
            looks.tick().await;
            let rows = app.runs.rows();
            if told.as_ref() != Some(&rows) {
                let event = Event::default().event("runs").json_data(&rows).unwrap_or_default();
                return Some((Ok::<_, Infallible>(event), (app, looks, Some(rows))));
            }
        }
    };
    let keep = axum::response::sse::KeepAlive::default();
    Sse::new(futures_util::stream::unfold((app, looks, None), next)).keep_alive(keep).into_response()
}

async fn file(State(app): State<App>, Part((id, wanted)): Part<(u32, String)>) -> Response {
    // By name from a list, never by path.
    let known = FILES.iter().find(|(name, _)| *name == wanted);
    let (Some((name, kind)), Some(folder)) = (known, app.runs.done(id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read(folder.join(name)).await {
        Ok(bytes) => ([(CONTENT_TYPE, *kind)], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct Pair {
    a: u32,
    b: u32,
}

async fn side_by_side(State(app): State<App>, Query(Pair { a, b }): Query<Pair>) -> Response {
    let (Some(left), Some(right)) = (app.runs.done(a), app.runs.done(b)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let page = aside(move || {
        let side = |id: u32, folder: &Path| -> Result<Side> {
            let mut side = Side::read("", folder)?;
            let words = [vec![format!("run {id}"), side.summary.scenario.clone()], side.summary.set.clone()];
            side.label = words.concat().join(" ");
            Ok(side)
        };
        let (a, b) = (side(a, &left)?, side(b, &right)?);
        let first = compare::first_difference(&a, &b)?;
        compare::page(&a, &b, first.as_ref())
    });
    match page.await {
        Ok(page) => Html(page).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}
