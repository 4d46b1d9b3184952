//! A small control on loopback beside the Modbus servers: faults in, truth out.
//!
//! `POST /fault` takes one [`Event`] as JSON; `GET /truth` tells what the river really does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use qindan::basin::{Basin, GateId, IntakeId, MeterId, NodeId, ReservoirId, SectionId, WetlandId};
use qindan::config::Config;
use qindan::points::{DeviceId, Field, LinkId};
use serde::Serialize;
use tokio::net::TcpListener;

use super::ServeError;
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

#[derive(Clone)]
struct Shared {
    world: SharedWorld,
    basin: Arc<Basin>,
    field: Arc<Field>,
}

/// The routes of the control.
pub fn router(config: &Config, world: SharedWorld) -> Router {
    let shared = Shared { world, basin: Arc::clone(&config.basin), field: Arc::clone(&config.field) };
    Router::new().route("/fault", post(fault)).route("/truth", get(truth)).with_state(shared)
}

/// Serves the control on a loopback address (port 0 takes a free one) until the returned task is dropped or aborted.
///
/// # Errors
///
/// The address is not loopback, or cannot be listened on.
pub async fn start(
    config: &Config,
    world: SharedWorld,
    address: SocketAddr,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { link: "fault control".into(), address });
    }
    let refused = |source| ServeError::Bind { link: "fault control".into(), address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let app = router(config, world);
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

async fn truth(State(shared): State<Shared>) -> Json<Truth> {
    Json(Truth::of(&lock(&shared.world), &shared.basin, &shared.field))
}
