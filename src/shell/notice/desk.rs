//! Who is to be told of what, and when: pure. It is told what alarms stand and how much time has passed, and gives messages to be
//! sent; whoever sends them says what became of it.
//!
//! ```text
//!  an alarm on a route:   quiet ──morning──> first told ──after──> second told ──after──> … last told
//!                           any of them ──acknowledged, over, put aside, left out──> forgotten; it is told anew when it comes again
//!  a receiver:            nothing ──an alarm──> waiting ──room in the hour──> under way ──sent──> nothing
//!                                                  under way ──failed──> waits longer each time ──> under way
//!                                                                └──too often, or for good──> given up; the next in the chain is told
//! ```
//!
//! An alarm that nobody has to be told of any more leaves what waits. All that waits for a receiver goes in one message, so a flood of
//! alarms is one. The hour has room for so many messages: the first half at any time, the second half spaced out over the hour unless
//! an alarm of priority 1 waits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::notify::{Notify, Route};

/// Times a message is tried. Chosen: with [`pause_s`] between them over twenty minutes, in which a server is started again.
pub const TRIES: u32 = 10;
/// Pause after the first failure, s; doubled after each.
const PAUSE_S: f64 = 3.0;
/// Longest pause, s.
const PAUSE_MOST_S: f64 = 600.0;
/// Failures in a row after which a receiver counts as deaf before its message is given up.
const DEAF_TRIES: u32 = 3;
/// A receiver that was not tried for so long is not known to be deaf any more, s: a day.
const DEAF_S: f64 = 86_400.0;
/// Alarms that wait for one receiver at most.
pub const WAITING_MOST: usize = 1000;
/// An hour, s.
const HOUR_S: f64 = 3600.0;

/// An alarm as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Key: identifier and element.
    pub key: String,
    /// Identifier from the alarm list.
    pub id: String,
    /// Element it is about.
    pub element: String,
    /// Priority, 1 to 4.
    pub priority: u8,
    /// When it came.
    pub since: Timestamp,
    /// Rivers it is about; empty: none in particular.
    pub rivers: Vec<String>,
    /// Numbers and names for its text.
    pub detail: Value,
}

/// One alarm in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// See [`Seen::key`].
    pub key: String,
    /// See [`Seen::id`].
    pub id: String,
    /// See [`Seen::element`].
    pub element: String,
    /// See [`Seen::priority`].
    pub priority: u8,
    /// See [`Seen::since`].
    pub since: Timestamp,
    /// See [`Seen::detail`]; as it was when it began to wait.
    pub detail: Value,
    /// Route it came by.
    pub route: String,
    /// How many were told before.
    pub step: usize,
    /// How long it has waited, s.
    pub age_s: f64,
}

/// What one receiver is told at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Running number of the installation: the same at every try.
    pub number: u64,
    /// Receiver, by identifier.
    pub to: String,
    /// Alarms, by priority and age; at least one.
    pub news: Vec<News>,
    /// Further alarms that came since the last message and were over or acknowledged before this one.
    pub gone: u64,
    /// Further alarms for which there was no room.
    pub dropped: u64,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's server took it.
    Sent,
    /// Not now, for this reason.
    Again(String),
    /// Never, for this reason.
    Never(String),
}

/// What the record is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// `sent`, `failed`, `withdrawn` or `dropped`.
    pub what: &'static str,
    /// Receiver, by identifier.
    pub to: String,
    /// Number of the message; `None` for what never became one.
    pub message: Option<u64>,
    /// Keys of the alarms.
    pub alarms: Vec<String>,
    /// Tries.
    pub tries: u32,
    /// Why not.
    pub why: Option<String>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Messages taken by the receivers' servers.
    pub sent: u64,
    /// Messages given up.
    pub failed: u64,
    /// Alarms there was no room for.
    pub dropped: u64,
    /// Alarms that wait.
    pub waiting: usize,
    /// Age of the oldest of them, s.
    pub oldest_s: f64,
    /// Receivers that cannot be told.
    pub deaf: u32,
}

/// An alarm on its way along a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    since: Timestamp,
    /// How many have been told.
    told: usize,
    /// Time since the last of them was, s.
    waited_s: f64,
    /// The last of them could not be reached.
    lost: bool,
}

/// A message that is being sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flight {
    message: Message,
    tries: u32,
    /// Until the next try, s.
    left_s: f64,
    #[serde(skip)]
    under_way: bool,
}

/// What one receiver gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tray {
    waiting: Vec<News>,
    flight: Option<Flight>,
    /// Ages of the messages of the last hour, s.
    sent_s: Vec<f64>,
    gone: u64,
    dropped: u64,
    /// Time since a message was given up, s; `None` since one has got through.
    deaf_s: Option<f64>,
}

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Desk {
    /// By route and key.
    chains: BTreeMap<String, BTreeMap<String, Chain>>,
    /// By receiver.
    trays: BTreeMap<String, Tray>,
    messages: u64,
    #[serde(skip)]
    standing: BTreeSet<(String, Timestamp)>,
    #[serde(skip)]
    counted: Numbers,
    /// Something other than an age has changed since it was stored.
    #[serde(skip)]
    changed: bool,
}

/// Pause after `tries` failures, s: doubled each time, and moved by up to half so that not everybody comes back at once. `jitter` lies
/// within 0..=1.
pub fn pause_s(tries: u32, jitter: f64) -> f64 {
    let doubled = PAUSE_S * 2.0_f64.powi(i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX));
    doubled.min(PAUSE_MOST_S) * (0.5 + jitter.clamp(0.0, 1.0))
}

/// Whether `time` lies in the hours between two times, which may run over midnight.
fn within((from, to): (Time, Time), time: Time) -> bool {
    if from <= to { from <= time && time < to } else { from <= time || time < to }
}

fn leads(route: &Route, alarm: &Seen) -> bool {
    route.priorities.contains(&alarm.priority)
        && (route.alarms.is_empty() || route.alarms.contains(&alarm.id))
        && (route.rivers.is_empty()
            || alarm.rivers.is_empty()
            || alarm.rivers.iter().any(|river| route.rivers.contains(river)))
}

impl Desk {
    /// Lets time pass: `service_s` for what people have to do, `real_s` for servers and hours.
    pub fn pass(&mut self, service_s: f64, real_s: f64) {
        for chain in self.chains.values_mut().flat_map(BTreeMap::values_mut) {
            chain.waited_s += service_s;
        }
        for tray in self.trays.values_mut() {
            tray.waiting.iter_mut().for_each(|news| news.age_s += real_s);
            if let Some(flight) = &mut tray.flight {
                flight.left_s -= real_s;
                flight.message.news.iter_mut().for_each(|news| news.age_s += real_s);
            }
            tray.sent_s.iter_mut().for_each(|age| *age += real_s);
            tray.sent_s.retain(|age| *age < HOUR_S);
            tray.deaf_s = tray.deaf_s.map(|age| age + real_s).filter(|age| *age < DEAF_S);
        }
    }

    /// Takes in the alarms that stand and that nobody has acknowledged; `time` is civil time at the site.
    pub fn look(&mut self, rules: &Notify, alarms: &[Seen], time: Time) -> Vec<Told> {
        self.standing = alarms.iter().map(|alarm| (alarm.key.clone(), alarm.since)).collect();
        let mut dropped = BTreeMap::<String, Vec<String>>::new();
        self.withdraw();
        for route in &rules.routes {
            let mut chains = self.chains.remove(&route.id).unwrap_or_default();
            let before = chains.len();
            chains.retain(|key, chain| self.standing.contains(&(key.clone(), chain.since)));
            self.changed |= chains.len() != before;
            for alarm in alarms.iter().filter(|alarm| leads(route, alarm)) {
                let waits = alarm.priority >= 3 && route.quiet.is_some_and(|quiet| within(quiet, time));
                if waits {
                    // Nobody is told, and nobody has to answer meanwhile.
                    if let Some(chain) = chains.get_mut(&alarm.key) {
                        chain.waited_s = 0.0;
                    }
                    continue;
                }
                let fresh = Chain { since: alarm.since, told: 0, waited_s: 0.0, lost: false };
                let chain = chains.entry(alarm.key.clone()).or_insert(fresh);
                let due = chain.told == 0 || chain.lost || chain.waited_s >= route.after.as_secs_f64();
                let next = route.chain.get(chain.told).and_then(|at| rules.receivers.get(*at));
                let Some(receiver) = next.filter(|_| due) else { continue };
                let news = News {
                    key: alarm.key.clone(),
                    id: alarm.id.clone(),
                    element: alarm.element.clone(),
                    priority: alarm.priority,
                    since: alarm.since,
                    detail: alarm.detail.clone(),
                    route: route.id.clone(),
                    step: chain.told,
                    age_s: 0.0,
                };
                *chain = Chain { since: alarm.since, told: chain.told + 1, waited_s: 0.0, lost: false };
                self.changed = true;
                if let Some(left_out) = self.trays.entry(receiver.id.clone()).or_default().put(news) {
                    self.counted.dropped += 1;
                    dropped.entry(receiver.id.clone()).or_default().push(left_out);
                }
            }
            if !chains.is_empty() {
                self.chains.insert(route.id.clone(), chains);
            }
        }
        let told = dropped.into_iter().map(|(to, alarms)| {
            let why = Some(format!("{WAITING_MOST} wait already"));
            Told { what: "dropped", to, message: None, alarms, tries: 0, why }
        });
        told.collect()
    }

    /// Takes out of what waits the alarms nobody has to be told of any more.
    fn withdraw(&mut self) {
        for tray in self.trays.values_mut() {
            let before = tray.waiting.len();
            tray.waiting.retain(|news| self.standing.contains(&(news.key.clone(), news.since)));
            let gone = before - tray.waiting.len();
            tray.gone += u64::try_from(gone).unwrap_or_default();
            self.changed |= gone > 0;
        }
    }

    /// Messages to be sent now, and what was withdrawn instead of being tried again.
    pub fn due(&mut self, rules: &Notify) -> (Vec<Message>, Vec<Told>) {
        let (mut messages, mut told) = (Vec::new(), Vec::new());
        for receiver in &rules.receivers {
            let Some(tray) = self.trays.get_mut(&receiver.id) else { continue };
            if let Some(flight) = &mut tray.flight {
                if flight.under_way || flight.left_s > 0.0 {
                    continue;
                }
                let stands = |news: &News| self.standing.contains(&(news.key.clone(), news.since));
                if flight.message.news.iter().any(stands) {
                    (flight.under_way, flight.tries) = (true, flight.tries + 1);
                    messages.push(flight.message.clone());
                    continue;
                }
                let why = "over or acknowledged before it got through".to_owned();
                told.push(flight.told("withdrawn", Some(why)));
                tray.flight = None;
                self.changed = true;
            }
            if tray.waiting.is_empty() || !tray.has_room(rules.per_hour) {
                continue;
            }
            self.messages += 1;
            let message = tray.message(self.messages, &receiver.id);
            messages.push(message.clone());
            tray.sent_s.push(0.0);
            tray.flight = Some(Flight { message, tries: 1, left_s: 0.0, under_way: true });
            self.changed = true;
        }
        (messages, told)
    }

    /// What became of a try; `jitter` lies within 0..=1.
    pub fn done(&mut self, to: &str, number: u64, outcome: Outcome, jitter: f64) -> Option<Told> {
        let tray = self.trays.get_mut(to)?;
        let flight = tray.flight.as_mut().filter(|flight| flight.message.number == number)?;
        self.changed = true;
        flight.under_way = false;
        let why = match outcome {
            Outcome::Sent => {
                let told = flight.told("sent", None);
                (tray.flight, tray.deaf_s) = (None, None);
                self.counted.sent += 1;
                return Some(told);
            }
            Outcome::Again(_) if flight.tries < TRIES => {
                flight.left_s = pause_s(flight.tries, jitter);
                return None;
            }
            Outcome::Again(why) | Outcome::Never(why) => why,
        };
        let told = flight.told("failed", Some(why));
        for news in &flight.message.news {
            let chain = self.chains.get_mut(&news.route).and_then(|chains| chains.get_mut(&news.key));
            // Unless somebody after this one has been told already.
            if let Some(chain) =
                chain.filter(|chain| chain.since == news.since && chain.told == news.step + 1)
            {
                chain.lost = true;
            }
        }
        (tray.flight, tray.deaf_s) = (None, Some(0.0));
        self.counted.failed += 1;
        Some(told)
    }

    /// Forgets routes and receivers there are no more.
    pub fn fit(&mut self, rules: &Notify) {
        self.chains.retain(|route, _| rules.routes.iter().any(|known| known.id == *route));
        self.trays.retain(|to, _| rules.receivers.iter().any(|known| known.id == *to));
    }

    /// Whether it is to be stored; asked once.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What is counted, and what waits now.
    pub fn numbers(&self) -> Numbers {
        let in_flight = |tray: &'_ Tray| tray.flight.as_ref().map_or(0, |flight| flight.message.news.len());
        let ages = |tray: &Tray| {
            let flight = tray.flight.iter().flat_map(|flight| &flight.message.news);
            tray.waiting.iter().chain(flight).map(|news| news.age_s).fold(0.0, f64::max)
        };
        let is_deaf = |tray: &&Tray| {
            tray.deaf_s.is_some() || tray.flight.as_ref().is_some_and(|flight| flight.tries > DEAF_TRIES)
        };
        Numbers {
            waiting: self.trays.values().map(|tray| tray.waiting.len() + in_flight(tray)).sum(),
            oldest_s: self.trays.values().map(ages).fold(0.0, f64::max),
            deaf: u32::try_from(self.trays.values().filter(is_deaf).count()).unwrap_or(u32::MAX),
            ..self.counted
        }
    }
}

impl Flight {
    fn told(&self, what: &'static str, why: Option<String>) -> Told {
        Told {
            what,
            to: self.message.to.clone(),
            message: Some(self.message.number),
            alarms: self.message.news.iter().map(|news| news.key.clone()).collect(),
            tries: self.tries,
            why,
        }
    }
}

impl Tray {
    /// Puts an alarm to what waits; the key of the one for which there is no room.
    fn put(&mut self, news: News) -> Option<String> {
        let same = |known: &News| known.key == news.key && known.since == news.since;
        let flown = self.flight.as_ref().is_some_and(|flight| flight.message.news.iter().any(same));
        if flown || self.waiting.iter().any(same) {
            return None;
        }
        self.waiting.push(news);
        if self.waiting.len() <= WAITING_MOST {
            return None;
        }
        self.dropped += 1;
        // The newest of the least urgent.
        let least = self.waiting.iter().enumerate().max_by_key(|(at, news)| (news.priority, *at));
        let at = least.map(|(at, _)| at)?;
        Some(self.waiting.remove(at).key)
    }

    /// Whether another message may go now.
    fn has_room(&self, per_hour: u32) -> bool {
        let sent = u32::try_from(self.sent_s.len()).unwrap_or(u32::MAX);
        let at_once = per_hour.div_ceil(2);
        if sent >= per_hour {
            return false;
        }
        let spaced = HOUR_S / f64::from((per_hour - at_once).max(1));
        let last = self.sent_s.iter().copied().fold(f64::INFINITY, f64::min);
        sent < at_once || last >= spaced || self.waiting.iter().any(|news| news.priority == 1)
    }

    /// All that waits as one message.
    fn message(&mut self, number: u64, to: &str) -> Message {
        let mut news = std::mem::take(&mut self.waiting);
        news.sort_by(|a, b| a.priority.cmp(&b.priority).then(a.since.cmp(&b.since)));
        let (gone, dropped) = (std::mem::take(&mut self.gone), std::mem::take(&mut self.dropped));
        Message { number, to: to.to_owned(), news, gone, dropped }
    }
}

#[cfg(test)]
mod tests;
