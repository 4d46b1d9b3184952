//! The account of a run: who wanted how much water hour by hour, who got it, and why not.
//!
//! ```text
//!  plant ledger ──hour──> Book { users, hours, edges } ──> breaches   the order of uses, see [`order`]
//!                                                     └──> document   the page of the year, see [`page`]
//! ```
//!
//! Nothing here looks at what dispatch thinks: wants come from the scenario and the configuration, water from the
//! ledger of the plant, travel times from the configuration ([`net`]). It begins when scoring begins.

mod cause;
mod closing;
mod net;
pub mod order;
pub mod page;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{
    Basin, Duty, GateId, IntakeId, Name, NodeId, Place, Priority, ReservoirId, ReservoirKind, SectionId,
    Transfer, WetlandId,
};
use qindan::config::Config;
use serde::{Deserialize, Serialize};

use crate::plant::{Plant, Volumes};
use crate::scenario::Case;
use crate::score::{Step, tolerated};

pub use closing::Closing;
pub use net::Net;
pub use tables::words;

/// Length of an hour of the book, s.
pub const HOUR_S: f64 = 3600.0;

/// What a use is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The floor of a section.
    Floor(SectionId),
    /// An intake.
    Intake(IntakeId),
    /// A share of a transfer: its transfer and place among the shares.
    Share(usize, usize),
    /// What keeps a wetland alive.
    Survival(WetlandId),
    /// What a wetland should have beyond that.
    Design(WetlandId),
    /// Release of a reservoir for the river below it. It wants nothing of its own: the floors do.
    Release(ReservoirId),
    /// Water a pond with a station keeps back. It wants nothing either.
    Filling(ReservoirId),
}

/// Somebody who uses water.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// As the configuration calls it.
    pub id: String,
    /// For the page.
    pub name: Name,
    /// What it is.
    pub of: Use,
    /// Its rank.
    pub rank: Priority,
    /// Where its water leaves the river; the body itself for what is fed by the supply gate of a reservoir alone.
    pub place: Place,
    /// Where the water of a wetland comes back.
    pub back: Option<Place>,
    /// From there to where it is metered, h.
    pub delay_h: f64,
    /// Most it may take a year, m³.
    pub permit_m3: Option<f64>,
    /// More water at its place comes to it: not so for a wetland that no gate feeds, which takes of high water or of its own
    /// catchment.
    pub is_fed: bool,
}

impl User {
    /// Whether it wants water itself.
    pub const fn wants(&self) -> bool {
        match self.of {
            Use::Floor(_) | Use::Intake(_) | Use::Share(..) | Use::Survival(_) | Use::Design(_) => true,
            Use::Release(_) | Use::Filling(_) => false,
        }
    }
}

/// Why a use did not get what it wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its reservoir stood so low that its rank is cut, or at its dead level.
    LowStore,
    /// There was no water where it takes it, and no reservoir above that could give any.
    Natural,
    /// Something nobody could know happened too shortly before.
    Surprise,
    /// Within what a canal head is held by, the class of its meter twice.
    Band,
    /// There was water, and it was not brought.
    Avoidable,
}

impl Cause {
    /// All of them, as the page lists them.
    pub const ALL: [Self; 5] = [Self::LowStore, Self::Natural, Self::Surprise, Self::Band, Self::Avoidable];
}

/// An hour, flows in m³/s; lists by user.
#[derive(Clone, Debug, PartialEq)]
pub struct Hour {
    /// Its begin.
    pub begin: Timestamp,
    /// Its civil year and month.
    pub month: (i16, i8),
    /// Its length, s; an hour but for the last.
    pub seconds: f64,
    /// Wanted.
    pub wants: Vec<f64>,
    /// Got, of what was wanted; of those who want nothing, used.
    pub gets: Vec<f64>,
    /// Of it what did not come back to the river.
    pub nets: Vec<f64>,
    /// Why it was short.
    pub causes: Vec<Option<Cause>>,
    /// Whether each reservoir stood above its dead level.
    pub holds: Vec<bool>,
    /// Level of each, m.
    pub levels: Vec<f64>,
}

impl Hour {
    /// Missing, m³.
    pub fn short_m3(&self, user: usize) -> f64 {
        (self.wants[user] - self.gets[user]).max(0.0) * self.seconds
    }
}

/// Volumes since the start at the end of a month, and at both ends of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// When.
    pub utc: Timestamp,
    /// Civil year and month that begin here, or run on.
    pub month: (i16, i8),
    /// All volumes so far.
    pub volumes: Volumes,
}

/// Who wanted, who got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Users in order of rank.
    pub users: Vec<User>,
    /// Hours without a gap.
    pub hours: Vec<Hour>,
    /// Months: one more than there are months, once the run is over.
    pub edges: Vec<Edge>,
}

/// Sums of a user, m³.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Wanted.
    pub wanted_m3: f64,
    /// Got of it.
    pub got_m3: f64,
    /// Missing, by cause.
    pub short_m3: BTreeMap<Cause, f64>,
    /// Hours with something missing.
    pub short_h: f64,
}

impl Served {
    /// Missing, whatever the cause.
    pub fn missing_m3(&self) -> f64 {
        self.short_m3.values().sum()
    }

    fn add(&mut self, hour: &Hour, user: usize) {
        self.wanted_m3 += hour.wants[user] * hour.seconds;
        self.got_m3 += hour.gets[user].min(hour.wants[user]) * hour.seconds;
        if let Some(cause) = hour.causes[user] {
            *self.short_m3.entry(cause).or_default() += hour.short_m3(user);
            self.short_h += hour.seconds / HOUR_S;
        }
    }
}

impl Book {
    /// Sums of a user over the months that `counts` lets pass.
    pub fn served(&self, user: usize, counts: impl Fn((i16, i8)) -> bool) -> Served {
        let mut served = Served::default();
        self.hours.iter().filter(|hour| counts(hour.month)).for_each(|hour| served.add(hour, user));
        served
    }

    /// Volumes of each month in order, with it.
    pub fn months(&self) -> Vec<((i16, i8), Volumes)> {
        let pairs = self.edges.iter().zip(self.edges.iter().skip(1));
        pairs.map(|(begin, end)| (begin.month, end.volumes.since(&begin.volumes))).collect()
    }
}

/// The users of a basin, most urgent first, each with its place.
pub fn users(basin: &Basin) -> Vec<User> {
    let user = |id: &str, name: &Name, of, rank, place| User {
        id: id.to_owned(),
        name: name.clone(),
        of,
        rank,
        place: net::store_of(basin, place),
        back: None,
        delay_h: 0.0,
        permit_m3: None,
        is_fed: true,
    };
    let mut users = Vec::new();
    for (at, section) in basin.sections.iter().enumerate() {
        if section.floor.is_some() || !section.seasonal_floors.is_empty() {
            let of = Use::Floor(SectionId(at));
            // A section is where it is, also just below a dam.
            let floor = user(&section.id, &section.name, of, Priority::Ecology, section.at);
            users.push(User { place: section.at, ..floor });
        }
    }
    for (at, intake) in basin.intakes.iter().enumerate() {
        let of = Use::Intake(IntakeId(at));
        let permit_m3 = Some(intake.permit_m3);
        users.push(User { permit_m3, ..user(&intake.id, &intake.name, of, intake.priority, intake.from) });
    }
    for (at, transfer) in basin.transfers.iter().enumerate() {
        let delay_h = net::pipe_h(basin, transfer.head);
        for (share_at, share) in transfer.shares.iter().enumerate() {
            let of = Use::Share(at, share_at);
            let id = format!("{}/{}", transfer.id, share_at + 1);
            let head = Place::Node(transfer.head);
            users.push(User { delay_h, ..user(&id, &share.name, of, share.priority, head) });
        }
    }
    for (at, wetland) in basin.wetlands.iter().enumerate() {
        let parts = [
            (Use::Survival(WetlandId(at)), Priority::Ecology, "survival"),
            (Use::Design(WetlandId(at)), Priority::Amenity, "design"),
        ];
        for (of, rank, part) in parts {
            let id = format!("{}/{part}", wetland.id);
            let place = wetland.source;
            let is_fed = wetland.inlet.is_some();
            let user = user(&id, &wetland.name, of, rank, place);
            users.push(User { back: wetland.returns_to, is_fed, ..user });
        }
    }
    for (at, body) in basin.reservoirs.iter().enumerate() {
        let id = ReservoirId(at);
        let place = Place::Reservoir(id);
        if body.kind == ReservoirKind::Reservoir && river_gates(basin, id).next().is_some() {
            users.push(user(&body.id, &body.name, Use::Release(id), Priority::Ecology, place));
        }
        if body.kind == ReservoirKind::Pond && basin.stations.iter().any(|station| station.pond == Some(id)) {
            users.push(user(&body.id, &body.name, Use::Filling(id), Priority::Power, place));
        }
    }
    users.sort_by_key(|user| user.rank);
    users
}

/// Gates by which a reservoir feeds the river below it, floods apart.
fn river_gates(basin: &Basin, body: ReservoirId) -> impl Iterator<Item = usize> + '_ {
    basin.gates.iter().enumerate().filter_map(move |(at, gate)| {
        let serves = matches!(gate.duty, Duty::Trim | Duty::Base | Duty::Standby);
        (gate.from == Place::Reservoir(body) && serves).then_some(at)
    })
}

/// Collects the book of a run.
pub struct Account {
    /// What is known so far; whole once [`Account::finish`] has been called.
    pub book: Book,
    net: Net,
    surprises: (usize, Vec<Duration>),
    /// Volumes at the begin of the present hour, and when that was.
    hour: Option<(Duration, Timestamp, Volumes)>,
    /// Wanted and got in it so far where no ledger knows, m³ by user.
    wanted: Vec<f64>,
    got: Vec<f64>,
}

impl Account {
    /// An empty book.
    pub fn new(config: &Config) -> Self {
        let users = users(&config.basin);
        let count = users.len();
        Self {
            net: Net::new(&config.basin),
            book: Book { users, ..Book::default() },
            surprises: (usize::MAX, Vec::new()),
            hour: None,
            wanted: vec![0.0; count],
            got: vec![0.0; count],
        }
    }

    /// Takes in the river after a step.
    pub fn add(&mut self, case: &Case, plant: &Plant, step: Step<'_>) {
        if step.now.mono < case.scenario.spin_up {
            return;
        }
        let Some((begin, ..)) = self.hour else {
            self.open(case, plant, step);
            return;
        };
        let dt = step.dt.as_secs_f64();
        if dt <= 0.0 {
            return;
        }
        if self.surprises.0 != case.scenario.happenings.len() {
            let surprises = crate::score::surprises(case);
            self.surprises = (case.scenario.happenings.len(), surprises);
        }
        self.watch(case, plant, step, dt);
        if step.now.mono.saturating_sub(begin).as_secs_f64() >= HOUR_S {
            self.close(case, plant, step);
        }
    }

    /// Closes the last hour and the last month.
    pub fn finish(&mut self, case: &Case, plant: &Plant, step: Step<'_>) {
        if self.hour.as_ref().is_some_and(|(begin, ..)| *begin < step.now.mono) {
            self.close(case, plant, step);
        }
        let month = month(case, step.now.utc);
        if self.book.edges.last().is_some_and(|edge| edge.utc < step.now.utc) {
            self.book.edges.push(Edge { utc: step.now.utc, month, volumes: plant.volumes() });
        }
    }

    /// Who could help whom, and who did not.
    pub fn breaches(&self) -> Vec<order::Breach> {
        order::breaches(&self.book, &self.net)
    }

    fn open(&mut self, case: &Case, plant: &Plant, step: Step<'_>) {
        let volumes = plant.volumes();
        let month = month(case, step.now.utc);
        self.book.edges.push(Edge { utc: step.now.utc, month, volumes: volumes.clone() });
        self.hour = Some((step.now.mono, step.now.utc, volumes));
    }

    /// What the ledger does not know: floors, and whether a wetland is full.
    fn watch(&mut self, case: &Case, plant: &Plant, step: Step<'_>, dt: f64) {
        let basin = &case.config.basin;
        let middle = crate::inflow::instant(case.scenario.start, step.now.mono.saturating_sub(step.dt / 2));
        let date = basin.date_at(middle);
        for (at, user) in self.book.users.iter().enumerate() {
            match user.of {
                Use::Floor(id) => {
                    let Some(floor) = basin.sections[id.0].floor_on(date) else { continue };
                    let (floor, flow) = (floor.get(), plant.section_flow(id));
                    self.wanted[at] += floor * dt;
                    self.got[at] += if flow < tolerated(floor) { flow } else { floor } * dt;
                }
                Use::Survival(id) => self.wanted[at] += basin.wetlands[id.0].survival.get() * dt,
                Use::Design(id) => {
                    let wetland = &basin.wetlands[id.0];
                    let full = plant.wetland_level(id) > wetland.level_band[2].get();
                    let beyond = (wetland.design - wetland.survival).get().max(0.0);
                    self.wanted[at] += if full { 0.0 } else { beyond * dt };
                }
                Use::Intake(_) | Use::Share(..) | Use::Release(_) | Use::Filling(_) => {}
            }
        }
    }

    fn close(&mut self, case: &Case, plant: &Plant, step: Step<'_>) {
        let now = plant.volumes();
        let Some((begin, utc, then)) = self.hour.replace((step.now.mono, step.now.utc, now.clone())) else {
            return;
        };
        let basin = &case.config.basin;
        let seconds = step.now.mono.saturating_sub(begin).as_secs_f64();
        let passed = now.since(&then);
        let count = self.book.users.len();
        let mut hour = Hour {
            begin: utc,
            month: month(case, utc),
            seconds,
            wants: Vec::with_capacity(count),
            gets: Vec::with_capacity(count),
            nets: Vec::with_capacity(count),
            causes: vec![None; count],
            holds: (0..basin.reservoirs.len()).map(|at| holds(basin, plant, at)).collect(),
            levels: (0..basin.reservoirs.len()).map(|at| plant.reservoir_level(ReservoirId(at))).collect(),
        };
        for (at, user) in self.book.users.iter().enumerate() {
            let seen = (self.wanted[at], self.got[at]);
            let [wanted, got, net] = volumes_of(basin, user, &passed, seen, seconds);
            hour.wants.push(wanted / seconds);
            hour.gets.push(got / seconds);
            hour.nets.push(net / seconds);
        }
        self.wanted.fill(0.0);
        self.got.fill(0.0);
        let look = cause::Look {
            basin,
            plant,
            passed: &passed,
            net: &self.net,
            surprises: &self.surprises.1,
            now: step.now.mono,
        };
        let causes = (0..count).map(|at| look.cause(&self.book, &hour, at)).collect();
        hour.causes = causes;
        self.book.hours.push(hour);
        let next = month(case, step.now.utc);
        if self.book.edges.last().is_some_and(|edge| edge.month != next) {
            self.book.edges.push(Edge { utc: step.now.utc, month: next, volumes: now });
        }
    }
}

/// Wanted, got and kept from the river of a user in a span, m³; `seen` is what was watched of it, `passed` what the ledger knows.
fn volumes_of(basin: &Basin, user: &User, passed: &Volumes, seen: (f64, f64), seconds: f64) -> [f64; 3] {
    let of = |list: &[f64], at: usize| list.get(at).copied().unwrap_or(0.0);
    match user.of {
        Use::Floor(_) => [seen.0, seen.1, 0.0],
        Use::Intake(id) => {
            let got = of(&passed.intakes, id.0);
            [of(&passed.wanted, id.0), got, got]
        }
        Use::Share(transfer, share) => {
            let rate = basin.transfers.get(transfer).and_then(|t: &Transfer| t.shares.get(share));
            let got = passed.shares.get(transfer).map_or(0.0, |shares| of(shares, share));
            [rate.map_or(0.0, |share| share.rate.get() * seconds), got, got]
        }
        Use::Survival(id) => {
            let got = of(&passed.supplied, id.0).min(seen.0);
            [seen.0, got, got.min(kept(passed, id))]
        }
        Use::Design(id) => {
            let survival = basin.wetlands.get(id.0).map_or(0.0, |w| w.survival.get() * seconds);
            let got = (of(&passed.supplied, id.0) - survival).max(0.0);
            [seen.0, got, got.min(kept(passed, id))]
        }
        Use::Release(id) => {
            let got = river_gates(basin, id).map(|gate| of(&passed.gates, gate)).sum::<f64>();
            [0.0, got, got]
        }
        Use::Filling(id) => {
            let got = of(&passed.bodies, id.0).max(0.0);
            [0.0, got, got]
        }
    }
}

/// What a wetland did not give back, m³.
fn kept(passed: &Volumes, id: WetlandId) -> f64 {
    let of = |list: &[f64]| list.get(id.0).copied().unwrap_or(0.0);
    (of(&passed.supplied) - of(&passed.returned)).max(0.0)
}

/// Whether a reservoir stands above its dead level.
fn holds(basin: &Basin, plant: &Plant, at: usize) -> bool {
    let Some(body) = basin.reservoirs.get(at) else { return false };
    body.dead_level.is_none_or(|dead| plant.reservoir_level(ReservoirId(at)) > dead.get())
}

fn month(case: &Case, utc: Timestamp) -> (i16, i8) {
    let date = case.config.basin.date_at(utc);
    (date.year(), date.month())
}

/// The gates of a wetland.
fn inlets(basin: &Basin, id: WetlandId) -> impl Iterator<Item = GateId> + '_ {
    let wetland = basin.wetlands.get(id.0);
    wetland
        .into_iter()
        .flat_map(|wetland| wetland.inlet.into_iter().chain(wetland.more_inlets.iter().copied()))
}

/// The reservoir whose supply gate feeds a node, if any.
fn supplied_by(basin: &Basin, node: NodeId) -> Option<ReservoirId> {
    basin.gates.iter().find_map(|gate| match gate.from {
        Place::Reservoir(body) if gate.duty == Duty::Supply && gate.to == Place::Node(node) => Some(body),
        Place::Reservoir(_) | Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => {
            None
        }
    })
}
