//! The page and its API.
//!
//! [`router`] serves embedded files, the state as one event stream, trends, the action log and metrics, and takes
//! acts of people. It has no way to a gate: an act goes to the control cycle as a wish and through the interlocks
//! like any other. Every request passes the same two: the [`guard`], which refuses what names another host or comes from
//! another site, and the lookup of who asks in the one list of routes (`table`).

mod account;
mod acts;
pub mod assets;
mod auth;
mod basin;
mod control;
mod doors;
mod feed;
mod filings;
mod filings_page;
mod forecasts;
pub mod guard;
mod host;
mod listen;
mod markup;
mod metrics;
mod permits;
mod plain;
pub mod preview;
mod problem;
mod query;
mod schedule;
mod screens;
mod seen;
mod shift;
mod shift_page;
mod simulated;
mod state;
mod stream;
mod table;
pub mod tls;
mod tokens;
mod users;
mod users_page;
mod whatif;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

pub use acts::{ActAnswer, ActRequest};
pub use auth::Peer;
pub use host::host;
pub use metrics::{Health, HealthSource, LagRow, LinkRow, Metric, MetricKind, UnitRow};
pub use query::{ActionRow, Actions, ActionsSource, TraceSource, ViewBehind};
pub use table::{Route, routes};

use problem::failure;

use crate::config::Config;
use crate::control::Now;
use crate::control::status::Status;
use crate::shell::archive::Archive;
use crate::shell::forecast::Offers;
use crate::shell::people::{self, People};
use crate::shell::schedules::Schedules;
use crate::shell::trend::Trends;

/// Nothing is mounted there.
const NO_PAGE: &str = "no such page; the list is at /api/v1/openapi.json";

/// Most event streams open at once.
const STREAMS: usize = 256;

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
    /// Draft and versions of the calendar.
    pub schedules: Arc<Schedules>,
    /// Works out previews; [`preview::preview`] unless something knows better.
    pub preview: preview::Previewer,
    /// Real time.
    pub time: RealTime,
    /// Who may do what, who has signed in, who has control.
    pub people: Arc<People>,
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
    /// Served by TLS.
    tls: bool,
    /// What each route needs.
    routes: Vec<table::Route>,
    frames: watch::Receiver<Arc<feed::Frame>>,
    basin: Bytes,
    boot: String,
    book: tokens::Book,
    /// Drafts of the calendar that may be activated.
    ready: schedule::Tokens,
    streams: Arc<Semaphore>,
    /// Held by who judges a filing.
    filings: tokio::sync::Mutex<()>,
}

/// The service's routes, all behind the same guard and the same lookup of who asks.
///
/// Must be called within a tokio runtime: it starts the task that makes the frames.
pub fn router(web: WebState) -> Router {
    let web = Arc::new(web);
    let service = &web.config.service;
    let (is_secure, own) = (service.tls.is_some(), service.listen.ip());
    let site = Arc::new(guard::Site {
        tls: is_secure,
        names: service.names.clone(),
        address: Some(own).filter(|own| !own.is_loopback() && !own.is_unspecified()),
    });
    let (mounted, routes) = table::mount(table::rows(web.simulated_river.is_some()));
    let app = Arc::new(App {
        tls: is_secure,
        routes,
        frames: feed::start(web.clone()),
        basin: basin::document(&web.config, web.simulated_river.is_some()).to_string().into(),
        boot: people::secret().unwrap_or_default().chars().take(12).collect(),
        book: tokens::Book::default(),
        ready: schedule::Tokens::default(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        filings: tokio::sync::Mutex::default(),
        web,
    });
    mounted
        .fallback(async || failure(StatusCode::NOT_FOUND, NO_PAGE))
        .method_not_allowed_fallback(async |method: Method| {
            let why = format!("{method}: not here; the methods of each path are at /api/v1/openapi.json");
            failure(StatusCode::METHOD_NOT_ALLOWED, &why)
        })
        .layer(DefaultBodyLimit::max(guard::BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), auth::admit))
        .layer(middleware::from_fn_with_state(site, guard::guard))
        .with_state(app)
}

/// Serves the page until `stop` resolves, by TLS where a certificate is given. Event streams end with the process.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    web: WebState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = router(web);
    let listener = match tls {
        Some(tls) => Err(tls::Secure::new(listener, tls)?),
        None => Ok(listener),
    };
    let served = async {
        match listener {
            Ok(plain) => listen::take(plain, router).await,
            Err(secure) => listen::take(secure, router).await,
        }
    };
    tokio::select! {
        () = served => {}
        () = stop => {}
    }
    Ok(())
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
