//! The core alone: snapshots in, decisions out, for the small basin with the gate box of [`crate::site`].

use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::GateId;
use qindan::config::Config;
use qindan::control::command::{Action, WriteReport, WriteResult};
use qindan::control::forecast::Offer;
use qindan::control::interlock::Cleared;
use qindan::control::operator::{Mode, OperatorAct, Order};
use qindan::control::quality::{Reason, Sample};
use qindan::control::record::Entry;
use qindan::control::status::Status;
use qindan::control::{Controller, Now, Settings, Snapshot};
use qindan::points::{Element, Role};

use crate::site;

pub(crate) const V1: GateId = GateId(0);

/// A core and what the field shows it. Every point is read each second until told otherwise; nothing moves by itself.
pub(crate) struct Core {
    pub(crate) config: Config,
    controller: Controller,
    samples: Vec<Sample>,
    /// Points that are not read any more.
    silent: Vec<bool>,
    pub(crate) second: u64,
    acts: Vec<OperatorAct>,
    pub(crate) offers: Vec<Offer>,
    writes: Vec<WriteReport>,
    /// Whether the device takes commands: its set-point becomes that of the command a second later.
    pub(crate) takes: bool,
    pub(crate) entries: Vec<Entry>,
}

impl Core {
    /// The valve stands at `opening`, on remote and in order, with the lake 40 m above its sill; the outlet shows `flow`.
    pub(crate) fn new(config: Config, opening: f64, flow: f64) -> Self {
        let count = config.field.points.len();
        let start = Timestamp::from_second(crate::fixture::NOW).unwrap();
        let mut core = Self {
            controller: Controller::new(&config, Settings::default(), None, start),
            config,
            samples: vec![Sample { good: Some((0.0, Duration::ZERO)), fault: None }; count],
            silent: vec![false; count],
            second: 0,
            acts: Vec::new(),
            offers: Vec::new(),
            writes: Vec::new(),
            takes: true,
            entries: Vec::new(),
        };
        core.meter("q.outlet", flow);
        core.meter("q.ford", 1.8);
        core.meter("z.lake", 742.0);
        core.gate(V1, Role::Remote, 1.0);
        core.stand(opening);
        core.gate(V1, Role::Target, 100.0 * opening);
        core
    }

    /// In automatic.
    pub(crate) fn automatic(opening: f64, flow: f64) -> Self {
        Self::new(site::config_at("127.0.0.1:15020".parse().unwrap(), Mode::Automatic), opening, flow)
    }

    fn put(&mut self, at: usize, value: f64) {
        self.samples[at].good = Some((value, Duration::from_secs(self.second)));
    }

    fn gate_point(&self, gate: GateId, role: Role) -> usize {
        let points = &self.config.field.points;
        points.iter().position(|p| p.role == role && p.element == Element::Gate(gate)).unwrap()
    }

    pub(crate) fn gate(&mut self, gate: GateId, role: Role, value: f64) {
        self.put(self.gate_point(gate, role), value);
    }

    /// The valve stands at an opening.
    pub(crate) fn stand(&mut self, opening: f64) {
        self.gate(V1, Role::Position, 100.0 * opening);
    }

    pub(crate) fn meter(&mut self, id: &str, value: f64) {
        self.put(self.config.field.point(&format!("{id}/value")).unwrap().0, value);
    }

    /// A meter says that it has no value.
    pub(crate) fn fails(&mut self, id: &str) {
        let point = self.config.field.point(&format!("{id}/value")).unwrap();
        self.samples[point.0].fault = Some(Reason::Sentinel);
    }

    /// The box of the valve answers, or no longer.
    pub(crate) fn plugged(&mut self, answers: bool) {
        for (at, point) in self.config.field.points.iter().enumerate() {
            if point.element == Element::Gate(V1) {
                self.silent[at] = !answers;
                self.samples[at].fault = (!answers).then_some(Reason::CommError);
            }
        }
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.order_because(order, None);
    }

    /// An order with a reason of its own.
    pub(crate) fn order_because(&mut self, order: Order, reason: Option<&str>) {
        let request = format!("request-{}-{}", self.second, self.acts.len());
        self.acts.push(OperatorAct {
            request,
            who: "console".into(),
            role: String::new(),
            address: "test".into(),
            order,
            reason: reason.map(str::to_owned),
        });
    }

    /// The service starts again with what it had stored.
    pub(crate) fn restart(&mut self) {
        let utc = self.now().utc;
        let carry = Some(self.controller.carry(utc));
        self.controller = Controller::new(&self.config, Settings::default(), carry, utc);
    }

    pub(crate) fn now(&self) -> Now {
        let utc = Timestamp::from_second(crate::fixture::NOW + i64::try_from(self.second).unwrap()).unwrap();
        Now { mono: Duration::from_secs(self.second), utc }
    }

    /// One second: what was decided.
    pub(crate) fn tick(&mut self) -> Vec<Cleared> {
        self.second += 1;
        let at = Duration::from_secs(self.second);
        for (sample, silent) in self.samples.iter_mut().zip(&self.silent) {
            sample.good = sample.good.map(|(value, old)| (value, if *silent { old } else { at }));
        }
        let seen = Snapshot {
            samples: self.samples.clone(),
            writes: std::mem::take(&mut self.writes),
            acts: std::mem::take(&mut self.acts),
            offers: std::mem::take(&mut self.offers),
            recovered: Vec::new(),
            record_ok: true,
            refused_sign_ins: 0,
            deaf_receivers: 0,
        };
        let decision = self.controller.decide(&seen, self.now());
        for cleared in decision.commands.iter().filter(|_| self.takes) {
            let result = WriteResult::Accepted;
            self.writes.push(WriteReport { command: cleared.id(), gate: cleared.gate(), result, at });
            if let Action::Goto(to) = cleared.action() {
                let target = self.gate_point(cleared.gate(), Role::Target);
                self.samples[target].good = Some((100.0 * to.fraction(), at));
            }
        }
        self.entries.extend(decision.entries);
        decision.commands
    }

    /// So many seconds: what was commanded, and in which.
    pub(crate) fn ticks(&mut self, seconds: u64) -> Vec<(u64, Cleared)> {
        let mut commanded = Vec::new();
        for _ in 0..seconds {
            commanded.extend(self.tick().into_iter().map(|cleared| (self.second, cleared)));
        }
        commanded
    }

    pub(crate) fn status(&self) -> Status {
        self.controller.status(self.now())
    }

    /// Identifiers and elements of the open alarms, highest priority first.
    pub(crate) fn alarms(&self) -> Vec<String> {
        self.status().alarms.into_iter().filter(|alarm| alarm.active).map(|alarm| alarm.key).collect()
    }
}
