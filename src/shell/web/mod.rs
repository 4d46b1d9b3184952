//! The page and its API.
//!
//! [`router`] serves embedded files, the state as one event stream, trends, the action log and metrics, and takes
//! acts of people. It has no way to a gate: an act goes to the control cycle as a wish and through the interlocks
//! like any other. Until the page has users, the service listens on loopback only, and requests that name another
//! host or come from another site are refused.

mod acts;
pub mod assets;
mod basin;
mod feed;
mod forecasts;
pub mod guard;
mod metrics;
pub mod preview;
mod query;
mod screens;
mod simulated;
mod state;
mod stream;
mod tokens;

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

pub use acts::{ActAnswer, ActRequest};
pub use metrics::{Health, HealthSource, LagRow, LinkRow, Metric, MetricKind, UnitRow};
pub use query::{ActionRow, Actions, ActionsSource, TraceSource, ViewBehind};

use crate::config::Config;
use crate::control::Now;
use crate::control::status::Status;
use crate::shell::archive::Archive;
use crate::shell::forecast::{Offers, TEXT_MOST};
use crate::shell::trend::Trends;

/// Most event streams open at once.
const STREAMS: usize = 64;

/// Every path the router answers, for the API description and its test.
pub const ROUTES: &[&str] = &[
    "/",
    "/assets/{name}",
    "/api/v1/basin",
    "/api/v1/state",
    "/api/v1/stream",
    "/api/v1/trends",
    "/api/v1/actions",
    "/api/v1/forecasts",
    "/api/v1/links/{id}/trace",
    "/api/v1/links",
    "/api/v1/meters/{id}",
    "/api/v1/records",
    "/api/v1/records/{seq}",
    "/api/v1/alarms",
    "/api/v1/reports",
    "/api/v1/reports/{name}",
    "/api/v1/history",
    "/api/v1/acts/hold-all",
    "/api/v1/acts/stop",
    "/api/v1/acts/acknowledge",
    "/api/v1/acts/preview",
    "/api/v1/acts/confirm",
    "/api/v1/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
];

/// Real time for the page (heartbeats, token life), never service time; tests hand in their own.
#[derive(Clone)]
pub struct RealTime(Arc<dyn Fn() -> Now + Send + Sync>);

impl RealTime {
    /// Reads both times through `read`; `mono` must never step back.
    pub fn new(read: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Both times now.
    pub fn now(&self) -> Now {
        (self.0)()
    }
}

/// What the page shows and where it sends acts.
#[derive(Clone)]
pub struct WebState {
    /// Names and limits.
    pub config: Arc<Config>,
    /// Published by the cycle each tick.
    pub status: watch::Receiver<Arc<Status>>,
    /// Acts of people, to the cycle.
    pub acts: mpsc::Sender<ActRequest>,
    /// Forecasts, to the cycle.
    pub offers: Offers,
    /// The action log.
    pub actions: ActionsSource,
    /// Recent history; the page feeds it from `status`.
    pub trends: Trends,
    /// Links and counters.
    pub health: HealthSource,
    /// The last frames of a link.
    pub traces: TraceSource,
    /// Records, samples and reports of the data folder; none where there is no folder.
    pub archive: Option<Archive>,
    /// Works out previews; [`preview::preview`] unless something knows better.
    pub preview: preview::Previewer,
    /// Real time.
    pub time: RealTime,
    /// Control of the virtual river of a demonstration; none on site.
    pub simulated_river: Option<SocketAddr>,
}

impl fmt::Debug for WebState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebState").field("basin", &self.config.basin.id).finish_non_exhaustive()
    }
}

/// What the handlers share.
struct App {
    web: Arc<WebState>,
    frames: watch::Receiver<Arc<feed::Frame>>,
    basin: Bytes,
    boot: String,
    book: tokens::Book,
    tokens: Tokens,
    streams: Arc<Semaphore>,
}

/// Makes tokens nobody can guess: a hash of a secret of this run and a counter.
struct Tokens {
    secret: [u8; 32],
    count: AtomicU64,
}

impl Tokens {
    fn new() -> Self {
        let mut hash = Sha256::new();
        for part in 0_u8..4 {
            hash.update(RandomState::new().hash_one(part).to_be_bytes());
        }
        Self { secret: hash.finalize().into(), count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.secret).chain_update(count.to_be_bytes()).finalize();
        digest.iter().take(16).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The service's routes, all behind the same guard.
///
/// Must be called within a tokio runtime: it starts the task that makes the frames.
pub fn router(web: WebState) -> Router {
    let web = Arc::new(web);
    let tokens = Tokens::new();
    let app = Arc::new(App {
        frames: feed::start(web.clone()),
        basin: basin::document(&web.config, web.simulated_river.is_some()).to_string().into(),
        boot: tokens.next().chars().take(12).collect(),
        book: tokens::Book::default(),
        tokens,
        streams: Arc::new(Semaphore::new(STREAMS)),
        web,
    });
    let mut routes = Router::new()
        .route("/", get(assets::page))
        .route("/assets/{*name}", get(assets::file))
        .route("/api/v1/basin", get(basin_document))
        .route("/api/v1/state", get(state_document))
        .route("/api/v1/stream", get(stream::events))
        .route("/api/v1/trends", get(query::trends))
        .route("/api/v1/actions", get(query::actions))
        .route(
            guard::FORECASTS,
            get(forecasts::held).post(forecasts::push).layer(DefaultBodyLimit::max(TEXT_MOST)),
        )
        .route("/api/v1/links/{id}/trace", get(query::trace))
        .route("/api/v1/acts/hold-all", post(acts::hold_all))
        .route("/api/v1/acts/stop", post(acts::stop))
        .route("/api/v1/acts/acknowledge", post(acts::acknowledge))
        .route("/api/v1/acts/preview", post(acts::preview))
        .route("/api/v1/acts/confirm", post(acts::confirm))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(metrics::healthz))
        .route("/readyz", get(metrics::readyz))
        .merge(screens::routes());
    if app.web.simulated_river.is_some() {
        let river = get(simulated::shown).post(simulated::switch);
        routes = routes.route("/api/v1/simulated-river", river);
    }
    routes
        .fallback(async || {
            failure(StatusCode::NOT_FOUND, "no such page; the list is at /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(guard::BODY_LIMIT))
        .layer(middleware::from_fn(guard::guard))
        .with_state(app)
}

/// Serves the page until `stop` resolves. Event streams end with the process.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    web: WebState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(web).into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        result = async { axum::serve(listener, service).await } => result,
        () = stop => Ok(()),
    }
}

async fn basin_document(State(app): State<Arc<App>>) -> Response {
    json_bytes(app.basin.clone())
}

async fn state_document(State(app): State<Arc<App>>) -> Response {
    json_bytes(app.frames.borrow().full.clone())
}

async fn openapi() -> Response {
    json_bytes(Bytes::from_static(include_bytes!("openapi.json")))
}

fn json_bytes(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer that says what was wrong and what to do.
fn failure(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
