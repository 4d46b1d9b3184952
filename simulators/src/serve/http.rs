//! A small control on loopback beside the Modbus servers: faults in, truth out.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /fault` | one [`Event`] as JSON happens |
//! | `GET /events` | every event there is: what it does, its keys with their types |
//! | `GET /truth` | what the river really does |
//! | `POST /advance` `{"ms": 1000}` | lock-step only: the river goes on by so much, 0 to a day; tells where it is then |
//! | `GET /tricks` | the disturbances a demonstration offers, and whether they are on |
//! | `POST /tricks` `{"trick": "drought", "on": true}` | brings one about, or puts it right |

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use qindan::basin::{Basin, GateId, IntakeId, MeterId, NodeId, ReservoirId, SectionId, WetlandId};
use qindan::config::Config;
use qindan::points::{DeviceId, Field, LinkId};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::ServeError;
use super::tricks::{Shown, Switching, Tricks};
use crate::live::Live;
use crate::plant::{Balance, Event, Plugged};
use crate::world::{SharedWorld, World, lock};

/// What one gate really does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateTruth {
    /// Opening, 0..=1.
    pub opening: f64,
    /// Flow, m³/s.
    pub flow_m3s: f64,
    /// Motor starts since the beginning.
    pub starts: u64,
    /// Travel since the beginning, strokes.
    pub travel: f64,
    /// What ails it: `local`, `estop`, `fault`, `trip`.
    pub ails: Vec<&'static str>,
}

/// What the river really does, by the names of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Civil time of the river.
    pub utc: jiff::Timestamp,
    /// Seconds since it began.
    pub elapsed_s: f64,
    /// Flow through the sections, m³/s.
    pub sections_m3s: BTreeMap<String, f64>,
    /// Flow past the nodes, m³/s.
    pub nodes_m3s: BTreeMap<String, f64>,
    /// Levels of reservoirs and ponds, m.
    pub reservoirs_m: BTreeMap<String, f64>,
    /// Levels of wetlands, m.
    pub wetlands_m: BTreeMap<String, f64>,
    /// What intakes get, m³/s.
    pub intakes_m3s: BTreeMap<String, f64>,
    /// Gates.
    pub gates: BTreeMap<String, GateTruth>,
    /// What sound meters would show.
    pub meters: BTreeMap<String, f64>,
    /// Meters with a fault.
    pub faulty_meters: Vec<String>,
    /// Devices that do not answer.
    pub unplugged: Vec<String>,
    /// Links that are cut.
    pub cut_links: Vec<String>,
    /// All water.
    pub balance: Balance,
}

impl Truth {
    /// What `world` does now.
    pub fn of(world: &World, basin: &Basin, field: &Field) -> Self {
        let plant = &world.plant;
        let (elapsed, utc) = plant.now();
        let gate = |(at, gate): (usize, &qindan::basin::Gate)| {
            let id = GateId(at);
            let drive = plant.drive(id);
            let ails = drive.map_or_else(Vec::new, |drive| {
                let all = [
                    (!drive.remote, "local"),
                    (drive.estop, "estop"),
                    (drive.fault, "fault"),
                    (drive.trip, "trip"),
                ];
                all.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
            });
            let truth = GateTruth {
                opening: plant.gate_opening(id),
                flow_m3s: plant.gate_flow(id),
                starts: plant.gate_starts(id),
                travel: plant.gate_travel(id),
                ails,
            };
            (gate.id.clone(), truth)
        };
        Self {
            utc,
            elapsed_s: elapsed.as_secs_f64(),
            sections_m3s: named(basin.sections.iter().map(|e| &e.id), |at| plant.section_flow(SectionId(at))),
            nodes_m3s: named(basin.nodes.iter().map(|e| &e.id), |at| plant.node_flow(NodeId(at))),
            reservoirs_m: named(basin.reservoirs.iter().map(|e| &e.id), |at| {
                plant.reservoir_level(ReservoirId(at))
            }),
            wetlands_m: named(basin.wetlands.iter().map(|e| &e.id), |at| plant.wetland_level(WetlandId(at))),
            intakes_m3s: named(basin.intakes.iter().map(|e| &e.id), |at| plant.intake_flow(IntakeId(at))),
            gates: basin.gates.iter().enumerate().map(gate).collect(),
            meters: named(basin.meters.iter().map(|e| &e.id), |at| plant.meter_truth(MeterId(at))),
            faulty_meters: (0..basin.meters.len())
                .filter(|at| !plant.meter_is_sound(MeterId(*at)))
                .map(|at| basin.meters[at].id.clone())
                .collect(),
            unplugged: (0..field.devices.len())
                .filter(|at| plant.plugged(DeviceId(*at)) != Plugged::Yes)
                .map(|at| field.devices[at].id.clone())
                .collect(),
            cut_links: (0..field.links.len())
                .filter(|at| plant.is_cut(LinkId(*at)))
                .map(|at| field.links[at].id.clone())
                .collect(),
            balance: plant.balance(),
        }
    }
}

fn named<'a>(ids: impl Iterator<Item = &'a String>, value: impl Fn(usize) -> f64) -> BTreeMap<String, f64> {
    ids.enumerate().map(|(at, id)| (id.clone(), value(at))).collect()
}

/// Longest step in lock-step.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A scenario that goes on when it is told to.
pub type LockStep = Arc<Mutex<Live>>;

#[derive(Clone)]
struct Shared {
    world: SharedWorld,
    basin: Arc<Basin>,
    field: Arc<Field>,
    live: Option<LockStep>,
    tricks: Arc<Mutex<Tricks>>,
}

/// The routes of the control; with `live` the river goes on by `POST /advance`.
pub fn router(config: &Config, world: SharedWorld, live: Option<LockStep>) -> Router {
    let shared = Shared {
        world,
        basin: Arc::clone(&config.basin),
        field: Arc::clone(&config.field),
        live,
        tricks: Arc::new(Mutex::new(Tricks::of(&config.basin))),
    };
    Router::new()
        .route("/fault", post(fault))
        .route("/events", get(events))
        .route("/truth", get(truth))
        .route("/advance", post(advance))
        .route("/tricks", get(tricks).post(switch))
        .with_state(shared)
}

/// Serves the control on a loopback address (port 0 takes a free one) until the returned task is dropped or aborted.
///
/// # Errors
///
/// The address is not loopback, or cannot be listened on.
pub async fn start(
    config: &Config,
    world: SharedWorld,
    live: Option<LockStep>,
    address: SocketAddr,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { link: "fault control".into(), address });
    }
    let refused = |source| ServeError::Bind { link: "fault control".into(), address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let app = router(config, world, live);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the fault control has ended");
        }
    });
    Ok((address, task))
}

async fn fault(State(shared): State<Shared>, Json(event): Json<Event>) -> Response {
    match lock(&shared.world).apply(&event) {
        Ok(()) => {
            tracing::info!(?event, "event");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn events() -> Json<serde_json::Value> {
    Json(schemars::schema_for!(Event).to_value())
}

async fn truth(State(shared): State<Shared>) -> Json<Truth> {
    Json(Truth::of(&lock(&shared.world), &shared.basin, &shared.field))
}

/// How far the river is to go on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

/// Where the river is after a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advanced {
    /// Civil time of the river.
    pub utc: jiff::Timestamp,
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// A drive moves, or something changed: whoever steps had better make short steps.
    pub restless: bool,
    /// What happened of the scenario.
    pub happened: Vec<String>,
}

async fn advance(State(shared): State<Shared>, Json(Advance { ms }): Json<Advance>) -> Response {
    let Some(live) = &shared.live else {
        return (StatusCode::CONFLICT, "time goes on by itself here; start serve with --lock-step")
            .into_response();
    };
    let by = Duration::from_millis(ms);
    if by > LONGEST {
        let most = LONGEST.as_millis();
        return (StatusCode::UNPROCESSABLE_ENTITY, format!("ms is {ms}; give 0 to {most}")).into_response();
    }
    let happened = live.lock().unwrap_or_else(PoisonError::into_inner).leap(by);
    let plant = &lock(&shared.world).plant;
    let (elapsed, utc) = plant.now();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    Json(Advanced { utc, elapsed_ms, restless: plant.is_restless(), happened }).into_response()
}

async fn tricks(State(shared): State<Shared>) -> Json<Vec<Shown>> {
    Json(shared.tricks.lock().unwrap_or_else(PoisonError::into_inner).shown())
}

async fn switch(State(shared): State<Shared>, Json(wanted): Json<Switching>) -> Response {
    let mut tricks = shared.tricks.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(events) = tricks.events(wanted) else {
        let why = format!("{wanted:?}: this basin has nothing to show it on");
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    };
    let mut world = lock(&shared.world);
    for event in &events {
        if let Err(error) = world.apply(event) {
            return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response();
        }
        tracing::info!(?event, "event");
    }
    tricks.note(wanted);
    Json(tricks.shown()).into_response()
}
