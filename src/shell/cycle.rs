//! The cycle: freeze, decide, journal, send, publish, then feed the watchdogs.
//!
//! ```text
//! samples + reports + acts ─> decide ─> intents durable ─> orders to the field ─> status, answers ─> feed
//! ```
//!
//! One tick at a time on the grid of service time. A late one is skipped and counted, never made up for. A tick
//! that has begun is finished; a stop is taken between two.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::clock::{Clock, ClockStep, Mark};
use super::counters::Counters;
use super::field::{FieldHandle, WriteOrder};
use super::forecast::{OfferRequest, Weighed};
use super::history::History;
use super::memory::Memory;
use super::notify::Notify;
use super::people::People;
use super::record::{RecordError, RecordHandle};
use super::service::Stop;
use super::snapshots::{Closing, Snapshots};
use super::web::{ActAnswer, ActRequest};
use crate::basin::Basin;
use crate::control::command::{NotSent, OpenIntent, WriteReport, WriteResult};
use crate::control::forecast::{Offer, Verdict};
use crate::control::interlock::{Cleared, Purpose};
use crate::control::operator::OperatorAct;
use crate::control::quality::Sample;
use crate::control::record::{Entry, Kind};
use crate::control::status::Status;
use crate::control::{Controller, Decision, Now, Snapshot};

/// Acts that may wait for the next tick.
pub(super) const ACTS: usize = 32;
/// Texts of forecasts that may wait for the next tick.
pub(super) const OFFERS: usize = 8;
/// Notes about people that may wait for the next tick.
pub(super) const NOTES: usize = 1024;
/// Longest wait for the record in one tick, real time: a disk takes milliseconds, one that hangs must not keep
/// the protective commands.
const RECORD_PATIENCE: Duration = Duration::from_secs(1);
/// Least real time between two pictures when nothing happened in between: fast bench runs tick more often than
/// anybody looks.
const SPACING: Duration = Duration::from_millis(50);
/// Ticks per tick run, on average over a second of real time, above which the cycle does not keep up.
const BEHIND: u64 = 5;

/// Everything a tick needs.
pub(super) struct Parts {
    pub(super) basin: Arc<Basin>,
    pub(super) clock: Clock,
    pub(super) controller: Controller,
    pub(super) field: FieldHandle,
    pub(super) record: RecordHandle,
    pub(super) history: History,
    pub(super) memory: Memory,
    pub(super) snapshots: Snapshots,
    pub(super) acts: mpsc::Receiver<ActRequest>,
    pub(super) offers: mpsc::Receiver<OfferRequest>,
    /// What happens at the door, for the record.
    pub(super) notes: mpsc::Receiver<Entry>,
    pub(super) people: Arc<People>,
    /// Receivers of notices that cannot be told.
    pub(super) deaf: Arc<AtomicU32>,
    pub(super) recovered: Vec<OpenIntent>,
    pub(super) counters: Counters,
}

/// The cycle between two ticks.
pub(super) struct Cycle {
    parts: Parts,
    period: Duration,
    /// Time of the newest tick.
    now: Now,
    due: Duration,
    status: watch::Sender<Arc<Status>>,
    published: Mark,
    /// A tick whose picture was left out stands: shown when no other comes soon.
    unpublished: bool,
    notify: Notify,
    /// Reports about commands that were not handed to the field, for the next tick.
    unsent: Vec<WriteReport>,
    /// Room for the next freeze.
    samples: Vec<Sample>,
    load: Load,
    stop: Stop,
}

type Reply = oneshot::Sender<Result<ActAnswer, String>>;

impl Cycle {
    /// Runs the first tick, so that there is a picture to show, unless told to stop already.
    pub(super) async fn begin(parts: Parts, stop: Stop) -> Self {
        let now = parts.clock.now();
        let mut cycle = Self {
            period: Duration::from_secs_f64(parts.basin.control.tick_s),
            now,
            due: now.mono,
            status: watch::Sender::new(Arc::new(parts.controller.status(now))),
            published: parts.clock.mark(),
            unpublished: false,
            notify: Notify::from_environment(&parts.clock),
            unsent: Vec::new(),
            samples: Vec::new(),
            load: Load { since: parts.clock.mark(), ticks: 0, skipped: 0, behind: false },
            stop,
            parts,
        };
        if !cycle.stop.is_told() {
            cycle.tick().await;
            cycle.notify.ready();
        }
        cycle
    }

    /// Published after each tick.
    pub(super) fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    /// Ticks until told to stop; then ends the field and records how everything ended.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let why = loop {
            tokio::select! {
                biased;
                why = stop.told() => break why,
                () = self.parts.clock.sleep_until(self.due) => self.tick().await,
                () = tokio::time::sleep(SPACING), if self.unpublished => self.publish(),
            }
        };
        self.close(&why).await;
    }

    /// One tick.
    async fn tick(&mut self) {
        let now = self.parts.clock.now();
        self.now = now;
        self.schedule(now.mono);
        let step = self.parts.clock.take_step();
        let (acts, replies) = self.take_acts();
        let (offers, askers) = self.take_offers();
        let seen = self.freeze(acts, offers);
        self.parts.snapshots.begin(&self.parts.controller, now);
        let started = self.parts.clock.mark();
        let mut decision = self.parts.controller.decide(&seen, now);
        self.note(&decision, started.elapsed(), replies.len());
        let told = decision.clone();
        decision.entries.extend(step.as_ref().map(clock_entry));
        while let Ok(note) = self.parts.notes.try_recv() {
            decision.entries.push(note);
        }
        let happened = decision.cycle || !decision.entries.is_empty();
        let places = operator_records(&decision);
        let recorded = self.record(std::mem::take(&mut decision.entries), now).await;
        self.parts.record.pass_time(now);
        self.send(&decision.commands, recorded.as_ref().err(), now);
        let at_once = !replies.is_empty() || !askers.is_empty();
        self.parts.memory.keep(&self.parts.controller, now, at_once).await;
        self.unpublished = true;
        if happened || self.published.elapsed() >= SPACING {
            self.publish();
        }
        self.tell(std::mem::take(&mut decision.verdicts), askers);
        self.answer(decision, replies, &places, recorded.ok().as_deref());
        // A control cycle has just been published.
        let picture = told.cycle.then(|| Arc::clone(&self.status.borrow()));
        self.parts.snapshots.moment(&seen, now, told, picture);
        self.samples = seen.samples;
        self.parts.history.record(now.utc, self.parts.controller.readings());
        self.count();
        self.parts.field.feed();
        self.notify.alive();
    }

    /// Shows the picture of the newest tick.
    fn publish(&mut self) {
        (self.published, self.unpublished) = (self.parts.clock.mark(), false);
        self.status.send_replace(Arc::new(self.parts.controller.status(self.now)));
    }

    /// Moves the due time past `now`, leaving out and counting what cannot be made up for.
    fn schedule(&mut self, now: Duration) {
        let lateness = now.saturating_sub(self.due);
        let skipped = lateness.as_nanos() / self.period.as_nanos().max(1);
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX - 1);
        self.due += self.period * (skipped + 1);
        let behind = self.load.note(u64::from(skipped), &self.parts.clock);
        self.parts.counters.update(|counters| {
            counters.ticks += 1;
            counters.skipped += u64::from(skipped);
            counters.lateness = lateness;
            counters.behind = behind;
        });
    }

    fn note(&self, decision: &Decision, took: Duration, acts: usize) {
        self.parts.counters.update(|counters| {
            counters.decide.add(took);
            counters.acts += acts as u64;
            decision
                .entries
                .iter()
                .filter_map(|entry| entry.outcome.as_ref())
                .for_each(|end| counters.ended(end));
        });
    }

    fn take_acts(&mut self) -> (Vec<OperatorAct>, Vec<Reply>) {
        let mut taken = (Vec::new(), Vec::new());
        while taken.0.len() < ACTS
            && let Ok((act, reply)) = self.parts.acts.try_recv()
        {
            taken.0.push(act);
            taken.1.push(reply);
        }
        taken
    }

    fn take_offers(&mut self) -> (Vec<Offer>, Vec<oneshot::Sender<Weighed>>) {
        let mut taken = (Vec::new(), Vec::new());
        while taken.0.len() < OFFERS
            && let Ok((offer, reply)) = self.parts.offers.try_recv()
        {
            taken.0.push(offer);
            taken.1.push(reply);
        }
        taken
    }

    /// Nothing in the snapshot changes while deciding.
    fn freeze(&mut self, acts: Vec<OperatorAct>, offers: Vec<Offer>) -> Snapshot {
        let mut writes = std::mem::take(&mut self.unsent);
        writes.extend(self.parts.field.take_reports());
        let mut samples = std::mem::take(&mut self.samples);
        self.parts.field.freeze_into(&mut samples);
        Snapshot {
            samples,
            writes,
            acts,
            offers,
            recovered: std::mem::take(&mut self.parts.recovered),
            record_ok: self.parts.record.record_ok(),
            refused_sign_ins: self.parts.people.failures(),
            deaf_receivers: self.parts.deaf.load(Ordering::Relaxed),
        }
    }

    /// Makes entries durable; their numbers, or why not.
    async fn record(&self, entries: Vec<Entry>, now: Now) -> Result<Vec<u64>, RecordError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let started = self.parts.clock.mark();
        let recorded = self.parts.record.append_within(entries, now, RECORD_PATIENCE).await;
        self.parts.counters.update(|counters| counters.append.add(started.elapsed()));
        if let Err(error) = &recorded {
            tracing::error!(%error, "the record is behind, only protective commands are sent");
        }
        recorded
    }

    /// Hands commands to the field; without their record only those that protect.
    fn send(&mut self, commands: &[Cleared], unrecorded: Option<&RecordError>, now: Now) {
        let mut early = Vec::new();
        for cleared in commands {
            let refused = if unrecorded.is_some() && cleared.purpose() != Purpose::Protective {
                Some(NotSent::Unrecorded)
            } else if self.parts.clock.now().mono > cleared.valid_until() {
                // The record took that long, or the clock runs that fast.
                Some(NotSent::Expired)
            } else if let Some(order) = WriteOrder::from_cleared(cleared, &self.parts.basin) {
                self.parts.field.send(order);
                early.push(cleared.id());
                None
            } else {
                Some(NotSent::ReadOnly)
            };
            self.parts.counters.update(|counters| match refused {
                Some(_) => counters.withheld += 1,
                None => counters.sent += 1,
            });
            if let Some(why) = refused {
                let (command, gate) = (cleared.id(), cleared.gate());
                let result = WriteResult::NotSent(why);
                self.unsent.push(WriteReport { command, gate, result, at: now.mono });
            }
        }
        if let (Some(RecordError::Slow(_)), false) = (unrecorded, early.is_empty()) {
            let mut note = Entry::new(Kind::Recovered, "service");
            note.detail = Some(json!({ "what": "sent before its record was acknowledged", "sent": early }));
            // What cannot be handed in is in the system log.
            drop(self.parts.record.append_later(vec![note], now));
        }
    }

    /// Tells what became of forecasts; whoever sent them may have gone.
    fn tell(&self, verdicts: Vec<Vec<Verdict>>, askers: Vec<oneshot::Sender<Weighed>>) {
        let tick = self.status.borrow().tick;
        for (verdicts, asker) in verdicts.into_iter().zip(askers) {
            drop(asker.send((tick, verdicts)));
        }
    }

    /// Tells people what became of their acts, with the number of the record.
    fn answer(
        &self,
        decision: Decision,
        replies: Vec<Reply>,
        places: &[(String, usize)],
        numbers: Option<&[u64]>,
    ) {
        let tick = self.status.borrow().tick;
        for ((request, answer), reply) in decision.answers.into_iter().zip(replies) {
            let place = places.iter().find(|(known, _)| *known == request).map(|(_, at)| *at);
            let record = place.and_then(|at| numbers?.get(at).copied());
            // Whoever asked may have gone.
            drop(reply.send(answer.map(|_| ActAnswer { tick, record })));
        }
    }

    fn count(&self) {
        let Parts { counters, record, history, memory, snapshots, .. } = &self.parts;
        counters.update(|counters| {
            counters.records = record.last_seq();
            counters.kept = record.kept();
            counters.history_dropped = history.dropped();
            counters.snapshots_dropped = snapshots.dropped();
            counters.saves_failed = memory.failed();
        });
    }

    /// Stops in order: no command is sent any more, what is in flight gets its end, the record its last word.
    async fn close(self, why: &str) {
        self.notify.stopping();
        let Parts { clock, mut controller, field, record, mut notes, mut memory, mut snapshots, .. } =
            self.parts;
        let mut reports = self.unsent;
        reports.extend(field.shutdown().await);
        let now = clock.now();
        let mut entries = controller.close(&reports, now);
        snapshots.close(Closing { now, reports, entries: entries.clone() });
        while let Ok(note) = notes.try_recv() {
            entries.push(note);
        }
        let mut stop = Entry::new(Kind::Stop, "service");
        stop.detail = Some(json!({ "why": why }));
        entries.push(stop);
        if let Err(error) = record.append_within(entries, now, RECORD_PATIENCE).await {
            tracing::error!(%error, "the stop was not recorded");
        }
        memory.keep(&controller, now, true).await;
        memory.end();
    }
}

/// Positions among the entries of the records of acts, by request.
fn operator_records(decision: &Decision) -> Vec<(String, usize)> {
    let is_act = |entry: &Entry| matches!(entry.kind, Kind::Operator | Kind::Schedule);
    let acts = decision.entries.iter().enumerate().filter(|(_, entry)| is_act(entry));
    acts.filter_map(|(at, entry)| Some((entry.detail.as_ref()?["request"].as_str()?.to_owned(), at)))
        .collect()
}

/// A step of civil time, said in the system log too.
fn clock_entry(step: &ClockStep) -> Entry {
    tracing::warn!(by_s = step.by.as_secs_f64(), "civil time stepped");
    let mut entry = Entry::new(Kind::Clock, "service");
    entry.detail = Some(json!({
        "by_s": step.by.as_secs_f64(), "noticed_utc": step.at.utc, "noticed_mono_s": step.at.mono.as_secs_f64() }));
    entry
}

/// Whether the cycle keeps up, looked at once a second of real time.
struct Load {
    since: Mark,
    ticks: u64,
    skipped: u64,
    behind: bool,
}

impl Load {
    /// Notes a tick and how many were left out before it.
    fn note(&mut self, skipped: u64, clock: &Clock) -> bool {
        self.ticks += 1;
        self.skipped += skipped;
        if self.since.elapsed() >= Duration::from_secs(1) {
            let behind = self.skipped > self.ticks * (BEHIND - 1);
            if behind && !self.behind {
                let (run, left_out, speed) = (self.ticks, self.skipped, clock.speed());
                tracing::warn!(
                    run,
                    left_out,
                    speed,
                    "the cycle does not keep up with its clock, slow it down"
                );
            } else if self.behind && !behind {
                tracing::info!("the cycle keeps up again");
            }
            *self = Self { since: clock.mark(), ticks: 0, skipped: 0, behind };
        }
        self.behind
    }
}
