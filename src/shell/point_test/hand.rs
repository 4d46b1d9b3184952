//! The hand of a movement test: the same controller, interlocks, record and field tasks as the service, on the gates of
//! one device, while no service runs.
//!
//! ```text
//! typed confirmation ─> set-point of a person ─> decide, review ─> intent on disk ─> field task: one write ─> position
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::clock::Clock;
use super::super::data_dir::{self, DataDir, DataDirError};
use super::super::field::{self, Access, FieldHandle, WriteOrder};
use super::super::journal::{Journal, JournalError, Names, Settings};
use super::super::memory;
use super::super::record::RecordHandle;
use crate::basin::{Basin, GateId, MeterId, MeterKind};
use crate::config::Config;
use crate::control::command::{NotSent, OpenIntent, WriteReport, WriteResult};
use crate::control::gate::GateFacts;
use crate::control::interlock::{Cleared, Purpose};
use crate::control::operator::{Mode, OperatorAct, Order};
use crate::control::record::{Entry, Kind};
use crate::control::status::GateStatus;
use crate::control::{Controller, Decision, Snapshot};
use crate::points::{self, DeviceId, Element, LinkId, PointId};

/// Longest wait for the first readings, real time.
const FIRST_READINGS: Duration = Duration::from_secs(10);
/// Longest wait for the disk, real time. Nobody waits for protection here: a slow disk may take its time.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for the thread of the record to end, real time.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A movement test that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The data folder: not there, of another basin, or held by a service.
    #[error(
        "{0}; the test holds the data folder while it moves gates, so that no service commands beside it"
    )]
    Data(#[from] DataDirError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No thread for the record.
    #[error("start the thread of the record: {0}")]
    Thread(std::io::Error),
    /// A gate nobody knows.
    #[error("{gate}: no such gate in basin.toml")]
    NoGate {
        /// As given.
        gate: String,
    },
    /// A step nobody would call small.
    #[error("--step-pct {0}: must be above 0 and at most 10")]
    Step(f64),
}

/// The right to move gates: the data folder is held, and what to move is known.
#[derive(Debug)]
pub struct Moves {
    dir: DataDir,
    clock: Clock,
    pub(super) gate: Option<GateId>,
    /// Step asked for, share of the stroke.
    pub(super) step: Option<f64>,
}

impl Moves {
    /// Takes the data folder at `data`; `gate` alone is moved when given, by `step_pct` when given.
    ///
    /// # Errors
    /// When a service holds the folder, or gate or step make no sense.
    pub fn take(
        config: &Config,
        data: &Path,
        gate: Option<&str>,
        step_pct: Option<f64>,
        clock: Clock,
    ) -> Result<Self, MoveError> {
        let known = |id: &str| config.basin.gate(id).ok_or_else(|| MoveError::NoGate { gate: id.into() });
        let gate = gate.map(known).transpose()?;
        if let Some(pct) = step_pct.filter(|pct| !(*pct > 0.0 && *pct <= 10.0)) {
            return Err(MoveError::Step(pct));
        }
        let dir = DataDir::open(data, Some(&config.basin.id))?;
        Ok(Self { dir, clock, gate, step: step_pct.map(|pct| pct / 100.0) })
    }
}

/// What a tick of the hand brought.
pub(super) struct Ticked {
    pub(super) decision: Decision,
    /// The disk did not take the intents: nothing of them was sent.
    pub(super) unrecorded: bool,
}

/// Moves the gates of one device.
pub(super) struct Hand<'m> {
    config: &'m Config,
    pub(super) clock: &'m Clock,
    controller: Controller,
    field: FieldHandle,
    record: Option<RecordHandle>,
    thread: Option<JoinHandle<()>>,
    recovered: Vec<OpenIntent>,
    unsent: Vec<WriteReport>,
    gates: Vec<GateId>,
    by: String,
    asked: u32,
    pub(super) due: Duration,
}

impl<'m> Hand<'m> {
    /// Opens the record, starts the field tasks that the gates need, and waits for the first readings.
    pub(super) async fn open(
        config: &'m Config,
        moves: &'m Moves,
        device: DeviceId,
        gates: Vec<GateId>,
        by: &str,
    ) -> Result<Self, MoveError> {
        let now = moves.clock.now();
        let store = moves.dir.identity().store.clone();
        let settings = Settings {
            config: config.digest.clone(),
            bench: config.service.bench,
            names: Names::of(&config.basin),
            reserve: Some(moves.dir.reserve()),
            ..Settings::new(&store, data_dir::random_id(8)?)
        };
        let journal = Journal::open(&moves.dir.journal(), settings, now)?;
        let mine = |intent: &OpenIntent| {
            gates.iter().any(|id| config.basin.gates.get(id.0).is_some_and(|gate| gate.id == intent.gate))
        };
        let recovered = journal.open_intents().into_iter().filter(mine).collect();
        let next = journal.last_command_id().map_or(1, |last| last.0 + 1);
        let (record, thread) = RecordHandle::start(journal, None).map_err(MoveError::Thread)?;
        // A hold the service was left in holds here too; its mode does not matter, a person moves.
        let (carry, _) = memory::load(&moves.dir);
        let carry = carry.map(|carry| crate::control::carry::Carry { mode: Mode::Manual, ..carry });
        let mut manual = config.clone();
        manual.service.start_mode = Mode::Manual;
        let settings = crate::control::Settings { observing: false, bench: config.service.bench };
        let mut controller = Controller::new(&manual, settings, carry, now.utc);
        controller.number_from(next);
        let narrowed = Arc::new(narrowed(config, device, &gates));
        let field = field::start(narrowed, moves.clock.clone(), Access::Command);
        let mut hand = Self {
            config,
            clock: &moves.clock,
            controller,
            field,
            record: Some(record),
            thread: Some(thread),
            recovered,
            unsent: Vec::new(),
            gates,
            by: by.into(),
            asked: 0,
            due: Duration::ZERO,
        };
        hand.settle().await;
        hand.tick(Vec::new()).await;
        Ok(hand)
    }

    async fn settle(&self) {
        let mut progress = self.field.progress();
        let settled = async {
            while !self.field.is_settled() {
                if progress.changed().await.is_err() {
                    break;
                }
            }
        };
        // A device that is away is found away by the preconditions of each gate.
        drop(tokio::time::timeout_at(self.clock.real_deadline(FIRST_READINGS), settled).await);
    }

    /// An order of the person, for the next tick; with the name of its request.
    pub(super) fn act(&mut self, order: Order) -> OperatorAct {
        self.asked += 1;
        let request = format!("point-test-{}-{}", self.clock.now().utc.as_millisecond(), self.asked);
        OperatorAct {
            request,
            who: self.by.clone(),
            role: String::new(),
            address: "console".into(),
            order,
            reason: None,
        }
    }

    /// One tick, as the service makes it: freeze, decide, record, send. What is not of this test is neither recorded
    /// nor sent.
    pub(super) async fn tick(&mut self, acts: Vec<OperatorAct>) -> Ticked {
        let now = self.clock.now();
        self.due = now.mono + Duration::from_secs_f64(self.config.basin.control.tick_s);
        let mut writes = std::mem::take(&mut self.unsent);
        writes.extend(self.field.take_reports());
        let seen = Snapshot {
            samples: self.field.freeze(),
            writes,
            acts,
            offers: Vec::new(),
            recovered: std::mem::take(&mut self.recovered),
            record_ok: self.record.as_ref().is_some_and(RecordHandle::record_ok),
            refused_sign_ins: 0,
            deaf_receivers: 0,
        };
        let mut decision = self.controller.decide(&seen, now);
        let actor = format!("operator:{}", self.by);
        decision.entries.retain(|entry| entry.actor == actor || entry.actor == "recovery");
        let recorded = match &self.record {
            Some(record) => {
                record.append_within(decision.entries.clone(), now, RECORD_PATIENCE).await.is_ok()
            }
            None => false,
        };
        let (own, other): (Vec<_>, Vec<_>) = std::mem::take(&mut decision.commands)
            .into_iter()
            .partition(|cleared| cleared.actor() == actor && self.gates.contains(&cleared.gate()));
        for cleared in &other {
            self.withheld(cleared, NotSent::ReadOnly, now.mono);
        }
        for cleared in &own {
            self.send(cleared, recorded, now.mono);
        }
        decision.commands = own;
        self.field.feed();
        Ticked { decision, unrecorded: !recorded }
    }

    /// No intent on disk, no movement; a stop goes out all the same.
    fn send(&mut self, cleared: &Cleared, recorded: bool, now: Duration) {
        if !recorded && cleared.purpose() != Purpose::Protective {
            return self.withheld(cleared, NotSent::Unrecorded, now);
        }
        match WriteOrder::from_cleared(cleared, &self.config.basin) {
            Some(order) => self.field.send(order),
            None => self.withheld(cleared, NotSent::ReadOnly, now),
        }
    }

    fn withheld(&mut self, cleared: &Cleared, why: NotSent, at: Duration) {
        let (command, gate) = (cleared.id(), cleared.gate());
        self.unsent.push(WriteReport { command, gate, result: WriteResult::NotSent(why), at });
    }

    /// The gate as the page would show it.
    pub(super) fn status(&self, id: GateId) -> Option<GateStatus> {
        self.controller.status(self.clock.now()).gates.into_iter().find(|gate| gate.gate == id)
    }

    /// What is read of the gate.
    pub(super) fn facts(&self, id: GateId) -> Option<GateFacts> {
        self.controller.facts(id)
    }

    /// Notes in the record what the test itself does, as its begin and end.
    pub(super) async fn note(&self, detail: serde_json::Value) {
        let mut entry = Entry::new(Kind::Operator, format!("operator:{}", self.by));
        entry.detail = Some(detail);
        if let Some(record) = &self.record {
            let noted = record.append_within(vec![entry], self.clock.now(), RECORD_PATIENCE).await;
            if let Err(error) = noted {
                tracing::error!(%error, "the record of the point test in the journal is incomplete");
            }
        }
    }

    /// Ends the field tasks and the record; commands in flight get their end.
    pub(super) async fn close(mut self) {
        let mut reports = std::mem::take(&mut self.unsent);
        reports.extend(self.field.shutdown().await);
        let now = self.clock.now();
        let actor = format!("operator:{}", self.by);
        let mut entries = self.controller.close(&reports, now);
        entries.retain(|entry| entry.actor == actor);
        if let Some(record) = self.record.take()
            && let Err(error) = record.append_within(entries, now, RECORD_PATIENCE).await
        {
            tracing::error!(%error, "the end of the point test was not recorded");
        }
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(move || drop(thread.join()));
            drop(tokio::time::timeout_at(self.clock.real_deadline(LAST_WORDS), ended).await);
        }
    }
}

/// The driven gates whose registers are on a device.
pub(super) fn gates_of(config: &Config, device: DeviceId) -> Vec<GateId> {
    let field = &config.field;
    let on_device = |id: Option<PointId>| {
        id.and_then(|id| field.points.get(id.0)).is_some_and(|point| point.device == device)
    };
    let gates = config.basin.gates.iter().zip(&field.wiring.gates).enumerate();
    gates
        .filter(|(_, (gate, points))| gate.is_driven() && on_device(points.target.or(points.command)))
        .map(|(at, _)| GateId(at))
        .collect()
}

/// The field as far as the test needs it: the device, and what the limits of its gates stand on. Other links are not
/// opened, other watchdogs not fed: their boxes must not take this test for the service.
fn narrowed(config: &Config, device: DeviceId, gates: &[GateId]) -> points::Field {
    let mut field = points::Field::clone(&config.field);
    let (meters, beside) = behind(&config.basin, gates);
    let level_of = |rated: MeterId| config.basin.ratings.iter().find(|r| r.flow == rated).map(|r| r.level);
    let wanted = |point: &points::Point| match point.element {
        _ if point.device == device => true,
        Element::Meter(id) => meters.contains(&id) || meters.iter().any(|m| level_of(*m) == Some(id)),
        Element::Gate(id) => beside.contains(&id),
        Element::None => false,
    };
    let mut devices = BTreeSet::from([device]);
    for point in &mut field.points {
        if wanted(point) {
            devices.insert(point.device);
        } else {
            point.class = None;
        }
    }
    let of_device = |id: &DeviceId| config.field.devices.get(id.0).map(|device| device.link);
    let links: Vec<LinkId> =
        devices.iter().filter_map(of_device).collect::<BTreeSet<_>>().into_iter().collect();
    field.links = links.iter().filter_map(|id| config.field.links.get(id.0).cloned()).collect();
    for (at, spec) in field.devices.iter_mut().enumerate() {
        // A device behind no link of this test is behind none.
        let place = links.iter().position(|link| *link == spec.link).unwrap_or(usize::MAX);
        spec.link = LinkId(place);
        if DeviceId(at) != device {
            spec.watchdog_s = None;
        }
    }
    field
}

/// What the river limits of gates stand on: levels and flows of their dams, and the other gates there.
fn behind(basin: &Basin, gates: &[GateId]) -> (BTreeSet<MeterId>, BTreeSet<GateId>) {
    let (mut meters, mut beside) = (BTreeSet::new(), BTreeSet::new());
    for gate in gates.iter().filter_map(|id| basin.gates.get(id.0)) {
        let body = basin.reservoirs.iter().enumerate();
        let bodies = body
            .filter(|(at, _)| gate.from == crate::basin::Place::Reservoir(crate::basin::ReservoirId(*at)));
        let Some((_, body)) = bodies.into_iter().next() else { continue };
        meters.extend(body.level_meter);
        let below = basin.meters.iter().enumerate();
        let below = below.filter(|(_, meter)| meter.kind == MeterKind::RiverFlow && meter.at == gate.to);
        meters.extend(below.map(|(at, _)| MeterId(at)));
        meters.extend(basin.sections.iter().filter(|section| section.at == gate.to).map(|s| s.meter));
        for (at, other) in basin.gates.iter().enumerate().filter(|(_, other)| other.from == gate.from) {
            beside.insert(GateId(at));
            meters.extend(other.flow_meter);
        }
    }
    (meters, beside)
}
