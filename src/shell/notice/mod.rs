//! Notices of alarms beside the page, by mail and webhook: `notify.toml` says to whom, the desk decides what and when, and this
//! sends it, on a task of its own that nothing waits for.
//!
//! ```text
//!  status of each tick ─> desk ─> message ─> mail or webhook ─> what became of it ─> desk ─> record, metrics, alarm A46
//!                          └──> state/notices: what was told to whom goes on over a restart
//! ```
//!
//! It sees the newest picture only, so a slow server makes nothing pile up before the desk. After a restart it goes by the alarms
//! that stand: what was under way is sent again with its number, so a receiver may get a message twice and never none.

pub mod desk;
mod hook;
mod mail;
pub mod secret;
pub mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::desk::{Desk, Message, Outcome, Seen, Told};
use self::text::{About, Setting};
use super::clock::{Clock, Mark};
use super::counters::Counters;
use super::data_dir::DataDir;
use super::service::Stop;
use crate::basin::{Basin, GateId, NodeId, Place};
use crate::config::notify::{self, Language, Notify, Receiver, Way};
use crate::config::{self, Config};
use crate::control::Now;
use crate::control::record::{Entry, Kind};
use crate::control::status::{AlarmStatus, Status};

/// Name of the state file.
const FILE: &str = "notices";
/// Longest try to send, real time. Chosen: a server that takes longer is tried again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest time between two looks, real time: when no picture comes, what failed is tried again all the same.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the disk at the end, real time.
const LAST: Duration = Duration::from_secs(1);
/// Alarms named in one record.
const NAMED: usize = 20;

/// What is remembered over a restart, and when it was.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Civil time of the service.
    service: Timestamp,
    /// Civil time of the machine.
    machine: Timestamp,
    desk: Desk,
}

/// How one try ended: receiver, number of the message, outcome.
type End = (String, u64, Outcome);

/// Tells people of alarms.
pub(super) struct Notices {
    pub(super) config: Arc<Config>,
    /// Configuration folder with `notify.toml`.
    pub(super) folder: PathBuf,
    pub(super) dir: Arc<DataDir>,
    pub(super) clock: Clock,
    pub(super) status: watch::Receiver<Arc<Status>>,
    /// For the record.
    pub(super) sink: mpsc::Sender<Entry>,
    pub(super) counters: Counters,
    /// How many cannot be told, for the alarm.
    pub(super) deaf: Arc<AtomicU32>,
}

impl Notices {
    /// Tells until told to stop.
    pub(super) async fn keep(mut self, stop: Stop) {
        let Some(rules) = self.rules().await else { return };
        let rules = Arc::new(rules);
        let mut desk = self.load(&rules).await;
        let (ends, mut ended) = mpsc::channel::<End>(rules.receivers.len().max(1));
        let (mut saving, mut unsaved) = (None::<JoinHandle<()>>, false);
        let mut last = (self.clock.now(), self.clock.mark());
        loop {
            let mut told = Vec::new();
            tokio::select! {
                biased;
                _ = stop.told() => break,
                Some((to, number, outcome)) = ended.recv() => {
                    told.extend(desk.done(&to, number, outcome, fastrand::f64()));
                }
                changed = self.status.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(LOOK) => {}
            }
            last = self.pass(&mut desk, last);
            let seen = seen(&self.config.basin, &self.status.borrow().alarms);
            let time = self.config.basin.zone.to_datetime(last.0.utc).time();
            told.extend(desk.look(&rules, &seen, time));
            let (messages, withdrawn) = desk.due(&rules);
            told.extend(withdrawn);
            for message in messages {
                self.send(&rules, message, ends.clone());
            }
            for told in told {
                self.record(&rules, told);
            }
            let numbers = desk.numbers();
            self.deaf.store(numbers.deaf, Ordering::Relaxed);
            self.counters.update(|counters| counters.notices = numbers);
            unsaved |= desk.take_changed();
            if unsaved && saving.as_ref().is_none_or(JoinHandle::is_finished) {
                (saving, unsaved) = (Some(self.save(&desk, last.0)), false);
            }
        }
        let last_words = async {
            if let Some(saving) = saving {
                drop(saving.await);
            }
            if unsaved {
                drop(self.save(&desk, last.0).await);
            }
        };
        drop(tokio::time::timeout(LAST, last_words).await);
    }

    /// The rules; `None` when nobody is to be told, or nobody can be.
    async fn rules(&self) -> Option<Notify> {
        let (folder, basin) = (self.folder.clone(), Arc::clone(&self.config.basin));
        let loaded = tokio::task::spawn_blocking(move || notify::load(&folder, &basin)).await;
        match loaded.ok()? {
            Ok(Some(rules)) if self.config.service.bench && !rules.on_bench => {
                tracing::info!("a bench tells nobody of alarms unless on_bench is set in notify.toml");
                None
            }
            Ok(rules) => rules,
            Err(problems) => {
                // Places only: what stands there may be a secret somebody typed into the wrong file.
                let place = |one: &config::Problem| {
                    let line = one.line.map_or_else(String::new, |line| format!(":{line}"));
                    format!("{}{line} {}", notify::FILE, one.key)
                };
                let places: Vec<_> = problems.list().iter().map(place).collect();
                tracing::error!(?places, "nobody is told of alarms but on the page; `qindan check` says why");
                self.deaf.store(1, Ordering::Relaxed);
                let mut entry = Entry::new(Kind::Notice, "service");
                entry.detail = Some(json!({ "what": "no_rules", "why": places }));
                self.note(entry);
                None
            }
        }
    }

    /// What the run before told to whom.
    async fn load(&self, rules: &Notify) -> Desk {
        let dir = Arc::clone(&self.dir);
        let bytes = tokio::task::spawn_blocking(move || dir.load_state(FILE)).await;
        let stored = match bytes {
            Ok(Ok(Some(bytes))) => {
                serde_json::from_slice::<Stored>(&bytes).map_err(|error| error.to_string())
            }
            Ok(Ok(None)) => return Desk::default(),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match stored {
            Ok(Stored { service, machine, mut desk }) => {
                let since = |now: Timestamp, then| now.duration_since(then).as_secs_f64().max(0.0);
                desk.pass(since(self.clock.now().utc, service), since(Clock::machine_utc(), machine));
                desk.fit(rules);
                desk
            }
            Err(why) => {
                tracing::warn!(why, "alarms that stand are told anew");
                Desk::default()
            }
        }
    }

    fn save(&self, desk: &Desk, now: Now) -> JoinHandle<()> {
        let stored = Stored { service: now.utc, machine: Clock::machine_utc(), desk: desk.clone() };
        let dir = Arc::clone(&self.dir);
        tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec(&stored).unwrap_or_default();
            if let Err(error) = dir.save_state(FILE, &bytes) {
                tracing::warn!(%error, "what was told of alarms does not outlive a restart");
            }
        })
    }

    /// Lets the time pass since the last look.
    fn pass(&self, desk: &mut Desk, (before, mark): (Now, Mark)) -> (Now, Mark) {
        let now = self.clock.now();
        let real = mark.elapsed();
        let mark = self.clock.mark();
        desk.pass(now.mono.saturating_sub(before.mono).as_secs_f64(), real.as_secs_f64());
        (now, mark)
    }

    fn send(&self, rules: &Arc<Notify>, message: Message, ends: mpsc::Sender<End>) {
        let (config, rules) = (Arc::clone(&self.config), Arc::clone(rules));
        let store = self.dir.identity().store.clone();
        tokio::spawn(async move {
            let id = format!("{}-{}", store.get(..8).unwrap_or(&store), message.number);
            let (to, number) = (message.to.clone(), message.number);
            let outcome = match rules.receivers.iter().find(|receiver| receiver.id == to) {
                Some(receiver) => send(&config, &rules, receiver, &About::Alarms(message), &id).await,
                None => Outcome::Never("no such receiver any more".to_owned()),
            };
            // The service may have ended.
            drop(ends.send((to, number, outcome)).await);
        });
    }

    fn record(&self, rules: &Notify, told: Told) {
        let Told { what, to, message, alarms, tries, why } = told;
        let receiver = rules.receivers.iter().find(|receiver| receiver.id == to);
        let way = receiver.map(|receiver| receiver.way.word());
        if what == "failed" {
            tracing::error!(to, why, "a message about alarms was given up");
        }
        let mut entry = Entry::new(Kind::Notice, "service");
        let named: Vec<_> = alarms.iter().take(NAMED).collect();
        entry.detail = Some(json!({
            "what": what, "to": to, "way": way, "message": message, "alarms": named, "count": alarms.len(), "tries": tries,
            "why": why,
        }));
        self.note(entry);
    }

    fn note(&self, entry: Entry) {
        if let Err(error) = self.sink.try_send(entry) {
            tracing::warn!(%error, "not recorded, too much at once");
        }
    }
}

/// Tries once to send to a receiver.
async fn send(config: &Config, rules: &Notify, receiver: &Receiver, about: &About, id: &str) -> Outcome {
    let setting = Setting { basin: &config.basin, rules, bench: config.service.bench };
    let tried = async {
        match &receiver.way {
            Way::Mail(address) => {
                let Some(server) = &rules.mail else {
                    return Outcome::Never("there is no mail server in notify.toml".to_owned());
                };
                let name = match receiver.language {
                    Language::Zh => receiver.name.zh.as_str(),
                    Language::En => receiver.name.en.as_str(),
                };
                let text = text::text(setting, receiver, about);
                mail::send(server, (name, address), &text, id, PATIENCE).await
            }
            Way::Hook(address) => {
                let body = text::json(setting, receiver, about, id).to_string().into_bytes();
                let at = Clock::machine_utc().as_second();
                hook::post(address, hook::Post { id: id.to_owned(), body, at }).await
            }
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, tried).await;
    outcome.unwrap_or_else(|_| Outcome::Again(format!("no answer within {} s", PATIENCE.as_secs())))
}

/// What became of a test message.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Receiver.
    pub to: String,
    /// How, as it may be shown.
    pub way: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, real time.
    pub took: Duration,
}

/// Sends a test message to every receiver, or to the one called `only`, one after the other, each once.
pub async fn test(config: &Config, rules: &Notify, only: Option<&str>) -> Vec<Tried> {
    let clock = Clock::real();
    let id = format!("test-{}", Clock::machine_utc().as_second());
    let mut tried = Vec::new();
    for receiver in rules.receivers.iter().filter(|receiver| only.is_none_or(|only| receiver.id == only)) {
        let mark = clock.mark();
        let outcome = send(config, rules, receiver, &About::Test, &id).await;
        let way = text::shown(&receiver.way);
        tried.push(Tried { to: receiver.id.clone(), way, outcome, took: mark.elapsed() });
    }
    tried
}

/// The alarms somebody has to be told of: they stand, and nobody has acknowledged them.
fn seen(basin: &Basin, alarms: &[AlarmStatus]) -> Vec<Seen> {
    let open = alarms.iter().filter(|alarm| alarm.active && !alarm.acknowledged);
    let seen = open.map(|alarm| Seen {
        key: alarm.key.clone(),
        id: alarm.id.clone(),
        element: alarm.element.clone(),
        priority: alarm.priority,
        since: alarm.since,
        rivers: river(basin, &alarm.element).into_iter().collect(),
        detail: alarm.detail.clone(),
    });
    seen.collect()
}

/// The river an element belongs to; `None` where it is of none in particular, as a link.
fn river(basin: &Basin, id: &str) -> Option<String> {
    let node = |node: NodeId| basin.nodes.get(node.0).map(|node| node.river.clone());
    let place = |place: Place| match place {
        Place::Node(at) => node(at),
        Place::Along { .. } => basin.upstream_node(place).and_then(node),
        Place::Reservoir(body) => basin.reservoirs.get(body.0).and_then(|body| node(body.at)),
        Place::Wetland(_) | Place::Outside => None,
    };
    let gate = |gate: GateId| basin.river_of(gate).map(str::to_owned);
    let section = || basin.sections.iter().find(|one| one.id == id).map(|section| section.river.clone());
    let meter = || basin.meters.iter().find(|one| one.id == id).and_then(|meter| place(meter.at));
    let body = || basin.reservoirs.iter().find(|one| one.id == id).and_then(|body| node(body.at));
    let station = || basin.stations.iter().find(|one| one.id == id).and_then(|one| node(one.weir_toe));
    let reach = || basin.reaches.iter().find(|one| one.id == id).map(|reach| reach.river.clone());
    let wetland = || {
        let wetland = basin.wetlands.iter().find(|one| one.id == id)?;
        wetland.inlet.and_then(gate).or_else(|| place(wetland.source))
    };
    basin
        .gate(id)
        .and_then(gate)
        .or_else(section)
        .or_else(meter)
        .or_else(body)
        .or_else(station)
        .or_else(wetland)
        .or_else(reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_about_the_river_of_its_element() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let basin = crate::config::load(&folder).unwrap().basin;
        // As config/basin.toml has them.
        for (element, wanted) in
            [("zf.eco.v1", Some("qin")), ("runcheng", Some("qin")), ("", None), ("nothing", None)]
        {
            assert_eq!(river(&basin, element).as_deref(), wanted, "{element}");
        }
        for section in &basin.sections {
            assert_eq!(river(&basin, &section.id), Some(section.river.clone()));
        }
        for station in &basin.stations {
            assert!(river(&basin, &station.id).is_some(), "{}", station.id);
        }
    }
}
