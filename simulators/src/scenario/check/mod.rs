//! From a scenario file to a checked scenario: every problem at once, with file, line, key and remedy.

mod acts;
mod flows;
mod forecasts;
mod happenings;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SpanRelativeTo, Timestamp};
use qindan::basin::{Basin, Name, NodeId, Place, ReachId, ReservoirId};
use qindan::config::sheet::{Entry, Sheet, Spot, nearest};
use qindan::config::{Config, Problem, Turn};
use qindan::control::operator::Mode;
use qindan::units::{Discharge, Stage};
use toml::value::Datetime;

use super::files::{Files, INCLUDE};
use super::happening::{Plans, What};
use super::raw::{RawExpect, RawIntake, RawLateral, RawLoss, RawReservoir, RawScenario, RawTurn, Tag, Year};
use super::{Expect, Running, Scenario, ScenarioError, Wants, monthly};
use crate::inflow::{Base, Source, instant, seconds};
use crate::plant::Plant;

/// Longest part of a run that is not scored. Source: task, replay.
const SPIN_UP_MOST: Duration = Duration::from_secs(3 * 86_400);

/// Length of a run nobody makes.
const HARMLESS: Duration = Duration::from_secs(3600);

/// Loads a scenario file and checks it against the configuration that `config` loads from a folder (the one the
/// scenario names, seen from its file; `None` when it names none).
///
/// # Errors
/// When a file cannot be read, and with every problem found.
pub fn load(
    file: &Path,
    config: impl FnOnce(Option<PathBuf>) -> Result<Config, ScenarioError>,
) -> Result<(Scenario, Config), ScenarioError> {
    let problems = RefCell::new(Vec::new());
    let files = Files::read(file, &problems)?;
    let sheet = files.sheet(&problems);
    sheet.only(&[
        INCLUDE,
        "scenario",
        "inflow",
        "intake",
        "lateral",
        "loss",
        "reservoir",
        "forecast",
        "event",
        "expect",
    ]);
    let head = sheet.single::<RawScenario>("scenario", HEAD);
    let named = head.as_ref().and_then(|(raw, at)| Some(beside(&at.key("config"), raw.config.as_ref()?)));
    let config = match config(named) {
        Ok(config) => config,
        Err(error) if problems.borrow().is_empty() => return Err(error),
        Err(error) => {
            if let ScenarioError::Config(wrong) = error {
                problems.borrow_mut().extend_from_slice(wrong.list());
            }
            return Err(ScenarioError::Wrong(sorted(problems)));
        }
    };
    let times = head.as_ref().map_or_else(Times::unknown, |(raw, at)| Times::new(raw, at, &config.basin));
    // Without a head the rest is checked all the same.
    let head = head.map_or_else(RawScenario::stand_in, |(raw, _)| raw);
    let (basin, notes) = (&config.basin, RefCell::default());
    let scope = Scope { config: &config, basin, times, seed: head.seed, notes, trial: OnceCell::new() };
    let scenario = scope.scenario(file, &head, &sheet);
    drop(scope);
    let found = sorted(problems);
    if found.is_empty() { Ok((scenario, config)) } else { Err(ScenarioError::Wrong(found)) }
}

/// What a scenario file says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Length of the run.
    pub duration: Duration,
    /// What it is for, one line.
    pub purpose: String,
    /// Why it is not run unless named.
    pub tags: Vec<Tag>,
}

/// The head of a scenario file; `None` when it is wrong, which has been said.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn head(file: &Path, problems: &RefCell<Vec<Problem>>) -> Result<Option<Head>, ScenarioError> {
    let files = Files::read(file, problems)?;
    let sheet = files.sheet(problems);
    let head = sheet.single::<RawScenario>("scenario", HEAD);
    Ok(head.and_then(|(head, at)| {
        let duration = span(&at.key("duration"), &head.duration)?;
        Some(Head { duration, purpose: head.purpose, tags: head.tags })
    }))
}

/// What to do about a missing head.
const HEAD: &str = "write [scenario] with name, seed, start and duration";

/// A path as written beside the file it stands in.
fn beside(spot: &Spot<'_>, path: &str) -> PathBuf {
    Path::new(spot.file()).parent().unwrap_or(Path::new(".")).join(path)
}

pub(super) fn sorted(problems: RefCell<Vec<Problem>>) -> Vec<Problem> {
    let mut list = problems.into_inner();
    list.sort();
    list.dedup();
    list
}

/// Start and length of the run.
#[derive(Clone, Copy, Debug)]
struct Times {
    start: Timestamp,
    duration: Duration,
    spin_up: Duration,
    /// Start and length are those of the file; where one of them is wrong, nothing is held against them.
    known: bool,
}

impl Times {
    /// What cannot be read becomes a harmless value after the complaint.
    fn new(head: &RawScenario, at: &Spot<'_>, basin: &Basin) -> Self {
        let start = stamp(&at.key("start"), &head.start, basin).filter(|_| at.key("start").is_shaped());
        let length = |key: &str, text: &str| span(&at.key(key), text).filter(|_| at.key(key).is_shaped());
        let duration = length("duration", &head.duration);
        let spin_up = length("spin_up", &head.spin_up).unwrap_or_default();
        if spin_up > SPIN_UP_MOST {
            at.key("spin_up").complain("is longer than three days", "shorten it: what follows is scored");
        } else if duration.is_some_and(|duration| spin_up >= duration) {
            at.key("spin_up")
                .complain("leaves nothing of the run to score", "shorten it or lengthen duration");
        }
        match (start, duration) {
            (Some(start), Some(duration)) => Self { start, duration, spin_up, known: true },
            (_, _) => Self { start: start.unwrap_or_default(), ..Self::unknown() },
        }
    }

    fn unknown() -> Self {
        Self { start: Timestamp::default(), duration: HARMLESS, spin_up: Duration::ZERO, known: false }
    }

    /// The end of the run after its start, when it is known.
    fn end(&self) -> Option<Duration> {
        self.known.then_some(self.duration)
    }
}

/// An instant: with its offset, or in the time of the site.
fn stamp(spot: &Spot<'_>, written: &Datetime, basin: &Basin) -> Option<Timestamp> {
    let text = written.to_string();
    let civil = || {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        basin.zone.to_ambiguous_timestamp(civil).unambiguous().ok()
    };
    let parsed = if written.offset.is_some() { text.parse().ok() } else { civil() };
    if parsed.is_none() {
        spot.complain("is no instant", "write date and time of the site, as 2026-05-01T00:00:00");
    }
    parsed
}

/// A span of time in words, as `2d 6h`; a day is 24 hours.
pub fn words(text: &str) -> Option<Duration> {
    let span = text.parse::<jiff::Span>().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

fn span(spot: &Spot<'_>, text: &str) -> Option<Duration> {
    let parsed = words(text).filter(|span| !span.is_zero() || text.contains('0'));
    if parsed.is_none() {
        spot.complain("is no length of time", "write it as \"7d\", \"36h\" or \"2d 6h 30min\"");
    }
    parsed
}

/// What a file is checked against.
struct Scope<'a> {
    config: &'a Config,
    basin: &'a Basin,
    times: Times,
    seed: u64,
    notes: RefCell<Vec<String>>,
    /// A river to try events on, made when the first is to be tried.
    trial: OnceCell<RefCell<Plant>>,
}

impl Scope<'_> {
    fn scenario(&self, file: &Path, head: &RawScenario, sheet: &Sheet<'_>) -> Scenario {
        let (intakes, announced) = self.intakes(sheet);
        let Times { start, duration, spin_up, known: _ } = self.times;
        let plans = self.plans(sheet);
        let mut scenario = Scenario {
            id: file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
            file: file.to_path_buf(),
            name: Name { zh: head.name_zh.clone(), en: head.name_en.clone() },
            purpose: head.purpose.clone(),
            seed: head.seed,
            start,
            duration,
            spin_up,
            mode: head.mode.unwrap_or(Mode::Automatic),
            inflows: self.inflows(sheet, head.year),
            intakes,
            laterals: self.laterals(sheet),
            extra_loss: extra_loss(sheet),
            levels: self.levels(sheet),
            forecasts: self.forecasts(sheet),
            announced,
            happenings: plans.known(),
            demands: Vec::new(),
            expect: self.expect(sheet, &plans),
            plans,
            tags: head.tags.clone(),
            notes: self.notes.take(),
        };
        scenario.note_demands();
        scenario
    }

    fn expect(&self, sheet: &Sheet<'_>, plans: &Plans) -> Expect {
        if !sheet.has("expect") {
            return Expect::default();
        }
        let Some((raw, spot)) = sheet.single::<RawExpect>("expect", "") else { return Expect::default() };
        let floors = self.basin.sections.iter().filter(|section| section.floor.is_some());
        let floors = floors.map(|section| section.id.as_str());
        for (key, list) in [("kept", &raw.kept), ("undercut", &raw.undercut)] {
            for (at, id) in list.iter().enumerate() {
                find(&spot.key(key).item(at), "section with a floor", id, floors.clone());
            }
        }
        let awaited = plans.awaited.iter().filter_map(|(plan, _)| plans.plans.get(*plan));
        let awaited = awaited.map(|plan| plan.id.as_str());
        let waited_for = [("happened", &raw.happened), ("never_happened", &raw.never_happened)];
        let waited_for = waited_for
            .iter()
            .flat_map(|(key, list)| list.iter().enumerate().map(|(at, id)| (spot.key(key).item(at), id)));
        for (spot, id) in waited_for {
            if !awaited.clone().any(|known| known == id) {
                let remedy = match listed(awaited.clone()) {
                    none if none.is_empty() => "give an event a condition with when = { … }".to_owned(),
                    some => format!("name one of those that do: {some}"),
                };
                spot.complain("waits for no condition", remedy);
            }
        }
        for (key, list) in [("raised", &raw.raised), ("never_raised", &raw.never_raised)] {
            for (at, wanted) in list.iter().enumerate() {
                let id = wanted.split(':').next().unwrap_or_default();
                let known = id.strip_prefix('A').is_some_and(|number| {
                    number.len() == 2 && number.chars().all(|digit| digit.is_ascii_digit())
                });
                if !known {
                    let remedy = "write its number, as \"A31\", or with its element, as \"A31:zf.hp.u1\"";
                    spot.key(key).item(at).complain("is no alarm", remedy);
                }
            }
        }
        let acts = plans.plans.iter().filter(|plan| matches!(plan.what, What::Act(_)));
        let acts = acts.map(|plan| plan.id.as_str());
        for (key, list) in [("accepted", &raw.accepted), ("refused", &raw.refused)] {
            for (at, id) in list.iter().enumerate() {
                find(&spot.key(key).item(at), "act", id, acts.clone());
            }
        }
        for (at, id) in raw.undercut.iter().enumerate().filter(|(_, id)| raw.kept.contains(id)) {
            let what = format!("{id} cannot be kept and undercut");
            spot.key("undercut").item(at).complain(what, "remove it from one of the two");
        }
        let RawExpect {
            kept,
            undercut,
            raised,
            never_raised,
            happened,
            never_happened,
            accepted,
            refused,
            in_order,
        } = raw;
        Expect { kept, undercut, raised, never_raised, happened, never_happened, accepted, refused, in_order }
    }

    fn inflows(&self, sheet: &Sheet<'_>, year: Year) -> Vec<Source> {
        let table = |at: usize, year| {
            self.basin.inflows.get(at).map_or(Base::Constant(0.0), |i| Base::Monthly(monthly(i, year)))
        };
        let mut sources: Vec<_> =
            (0..self.basin.inflows.len()).map(|at| Source::of(table(at, year))).collect();
        let ids = || self.basin.inflows.iter().map(|inflow| inflow.id.as_str());
        for entry in sheet.entries::<flows::RawSource>("inflow") {
            let Some(at) = known(&entry, "inflow", ids()) else { continue };
            let Some(raw) = entry.raw else { continue };
            let base = table(at, raw.year.unwrap_or(year));
            let source = self.source(&entry.spot, &entry.id, &raw, base);
            if let (Some(slot), Some(source)) = (sources.get_mut(at), source) {
                *slot = source;
            }
        }
        sources
    }

    fn intakes(&self, sheet: &Sheet<'_>) -> (Vec<Wants>, Vec<Turn>) {
        let usual = |at: usize| {
            let months = self.basin.intakes.get(at).map_or([0.0; 12], |i| i.monthly_use.map(Discharge::get));
            Base::Monthly(months)
        };
        let mut all: Vec<_> = self
            .basin
            .intakes
            .iter()
            .enumerate()
            .map(|(at, intake)| Wants {
                // One that works in turns takes nothing between them.
                flow: (!intake.by_turns).then(|| Source::of(usual(at))),
                turns: self.configured(at),
            })
            .collect();
        let mut announced = self.config.schedules.turns.clone();
        let ids = || self.basin.intakes.iter().map(|intake| intake.id.as_str());
        for entry in sheet.entries::<RawIntake>("intake") {
            let Some(at) = known(&entry, "intake", ids()) else { continue };
            let (Some(raw), Some(wants)) = (entry.raw, all.get_mut(at)) else { continue };
            if let Some(flow) = &raw.flow {
                if flow.year.is_some() {
                    entry.spot.key("flow").key("year").complain("an intake has no year", "remove it");
                }
                wants.flow = self.source(&entry.spot.key("flow"), &entry.id, flow, usual(at));
            }
            if raw.turns.is_some() {
                announced.retain(|turn| turn.intake.0 != at);
                wants.turns.clear();
            }
            for (number, turn) in raw.turns.iter().flatten().enumerate() {
                let spot = entry.spot.key("turns").item(number);
                let Some((running, told)) = self.turn(&spot, turn) else { continue };
                wants.turns.push(running);
                announced.extend(told.map(|(from, to, rate)| Turn {
                    id: format!("{} {}", entry.id, number + 1),
                    intake: qindan::basin::IntakeId(at),
                    from,
                    to,
                    rate: Discharge::lossy(rate),
                }));
            }
        }
        (all, announced)
    }

    /// The turns of an intake in the schedules of the configuration.
    fn configured(&self, at: usize) -> Vec<Running> {
        let turns = self.config.schedules.turns.iter().filter(|turn| turn.intake.0 == at);
        let running =
            |turn: &Turn| Running { from: turn.from, to: turn.to, rate: turn.rate.get(), announced: true };
        turns.map(running).collect()
    }

    #[expect(clippy::type_complexity, reason = "what happens, and what was announced of it: from, to, rate")]
    fn turn(&self, spot: &Spot<'_>, raw: &RawTurn) -> Option<(Running, Option<(Timestamp, Timestamp, f64)>)> {
        let at = |key: &str, value: &toml::Value| {
            Some(instant(self.times.start, self.moment(&spot.key(key), value)?))
        };
        let (from, to) = (at("from", &raw.from), at("to", &raw.to));
        let mut sound = true;
        for (key, rate) in [("rate_m3s", Some(raw.rate_m3s)), ("announced_rate_m3s", raw.announced_rate_m3s)]
        {
            if rate.is_some_and(|rate| !(rate >= 0.0 && rate.is_finite())) {
                spot.key(key).complain("is negative", "give the rate taken, in m³/s");
                sound = false;
            }
        }
        let (from, to) = (from?, to?);
        let other = |key: &str, value: &Option<toml::Value>, usual| match value {
            Some(value) => at(key, value),
            None => Some(usual),
        };
        let told_from = other("announced_from", &raw.announced_from, from)?;
        let told_to = other("announced_to", &raw.announced_to, to)?;
        let told_rate = raw.announced_rate_m3s.unwrap_or(raw.rate_m3s);
        // Moments are told apart only in a run whose times are known.
        if self.times.known && (from >= to || told_from >= told_to) {
            spot.complain("ends before it begins", "put from before to");
            return None;
        }
        if !sound {
            return None;
        }
        let announced = raw.announced.unwrap_or(true);
        let as_told = (told_from, told_to) == (from, to) && raw.announced_rate_m3s.is_none();
        let running = Running { from, to, rate: raw.rate_m3s, announced: announced && as_told };
        Some((running, announced.then_some((told_from, told_to, told_rate))))
    }

    fn laterals(&self, sheet: &Sheet<'_>) -> Vec<(Place, Source, f64)> {
        let entries = sheet.entries::<RawLateral>("lateral");
        let one = |entry: Entry<'_, RawLateral>| {
            let raw = entry.raw?;
            let place = self.place(&entry.spot, &raw);
            let source = self.source(&entry.spot.key("flow"), &entry.id, &raw.flow, Base::Constant(0.0));
            Some((place?, source?, if raw.loss.unwrap_or(false) { -1.0 } else { 1.0 }))
        };
        entries.into_iter().filter_map(one).collect()
    }

    fn place(&self, spot: &Spot<'_>, raw: &RawLateral) -> Option<Place> {
        match (&raw.node, &raw.reach) {
            (Some(node), None) => {
                let ids = self.basin.nodes.iter().map(|node| node.id.as_str());
                Some(Place::Node(NodeId(find(&spot.key("node"), "node", node, ids)?)))
            }
            (None, Some(id)) => {
                let ids = self.basin.reaches.iter().map(|reach| reach.id.as_str());
                let at = find(&spot.key("reach"), "reach", id, ids)?;
                let length = self.basin.reaches.get(at)?.length_km;
                let km = raw.km.unwrap_or(0.5 * length);
                if !(0.0..=length).contains(&km) {
                    spot.key("km").complain("lies outside the reach", format!("give 0 to {length} km"));
                    return None;
                }
                Some(Place::Along { reach: ReachId(at), km })
            }
            (None, None) | (Some(_), Some(_)) => {
                spot.complain("needs one place", "give node, or reach with km");
                None
            }
        }
    }

    fn levels(&self, sheet: &Sheet<'_>) -> Vec<(ReservoirId, Stage)> {
        let ids = || self.basin.reservoirs.iter().map(|body| body.id.as_str());
        let one = |entry: Entry<'_, RawReservoir>| {
            let at = known(&entry, "reservoir", ids())?;
            let (level, body) = (entry.raw?.level_m, self.basin.reservoirs.get(at)?);
            let Some(level) = Stage::new(level) else {
                entry.spot.key("level_m").complain("is no level", "give m above the datum");
                return None;
            };
            let (low, high) = (body.curve.first()?.level, body.curve.last()?.level);
            if level < low || level > high {
                let remedy = format!("give {low} to {high}");
                entry.spot.key("level_m").complain("lies outside the table of the reservoir", remedy);
            }
            Some((ReservoirId(at), level))
        };
        sheet.entries("reservoir").into_iter().filter_map(one).collect()
    }

    /// A moment of the run, as an instant or as a time after the start.
    fn moment(&self, spot: &Spot<'_>, value: &toml::Value) -> Option<Duration> {
        let at = self.second(spot, value)? - seconds(self.times.start);
        if !self.times.known {
            return Some(Duration::ZERO);
        }
        let after = Duration::try_from_secs_f64(at).ok();
        if after.is_none() {
            spot.complain("lies before the start", "give an instant of the run");
        }
        after
    }

    /// A moment, also one before the start, as seconds since 1970.
    fn second(&self, spot: &Spot<'_>, value: &toml::Value) -> Option<f64> {
        match value {
            toml::Value::Datetime(written) => stamp(spot, written, self.basin).map(seconds),
            toml::Value::String(text) => Some(seconds(self.times.start) + span(spot, text)?.as_secs_f64()),
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                spot.complain("is no moment", "write it as \"2d 6h\" after the start, or as an instant");
                None
            }
        }
    }
}

fn extra_loss(sheet: &Sheet<'_>) -> f64 {
    if !sheet.has("loss") {
        return 0.0;
    }
    let Some((raw, spot)) = sheet.single::<RawLoss>("loss", "") else { return 0.0 };
    if !(0.0..0.1).contains(&raw.extra_per_km) {
        spot.key("extra_per_km").complain("is no share per km", "give 0 to 0.1, as 0.001");
    }
    raw.extra_per_km
}

/// Position of an entry's name among `ids`, complaining when it is not there.
fn known<'n, T>(
    entry: &Entry<'_, T>,
    kind: &str,
    ids: impl Iterator<Item = &'n str> + Clone,
) -> Option<usize> {
    find(&entry.spot, kind, &entry.id, ids)
}

/// Names in one line.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn find<'n>(
    spot: &Spot<'_>,
    kind: &str,
    id: &str,
    ids: impl Iterator<Item = &'n str> + Clone,
) -> Option<usize> {
    let found = ids.clone().position(|known| known == id);
    if found.is_none() {
        let (what, remedy) = unknown_name(kind, id, &ids.collect::<Vec<_>>());
        spot.complain(what, remedy);
    }
    found
}

/// What is wrong with a name that is none of `known`, and what to do.
fn unknown_name<N: AsRef<str>>(kind: &str, id: &str, known: &[N]) -> (String, String) {
    let names = || known.iter().map(AsRef::as_ref);
    let remedy = match nearest(id, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the configuration has {}", listed(names())),
    };
    (format!("the configuration has no {kind} {id:?}"), remedy)
}
