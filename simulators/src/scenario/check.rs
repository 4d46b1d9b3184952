//! From a scenario file to a checked scenario: every problem at once, with file, line, key and remedy.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SpanRelativeTo, Timestamp};
use qindan::basin::{Basin, Name, NodeId, Place, ReachId, ReservoirId};
use qindan::config::sheet::{Entry, Sheet, Spot, nearest};
use qindan::config::{Config, Problem, Turn};
use qindan::control::operator::{Mode, Order};
use qindan::units::{Discharge, Opening, Stage};
use toml::value::Datetime;

use super::raw::{
    RawAct, RawCsv, RawFlood, RawIntake, RawLateral, RawLoss, RawReservoir, RawScenario, RawSource, RawTurn,
    Year,
};
use super::{Happening, Running, Scenario, ScenarioError, Wants, What, monthly};
use crate::inflow::csv::{self, Spec};
use crate::inflow::{Base, Flood, Record, Source, instant, seconds};

/// Longest part of a run that is not scored. Source: task, replay.
const SPIN_UP_MOST: Duration = Duration::from_secs(3 * 86_400);

/// Loads a scenario file and checks it against the configuration that `config` loads from a folder (the one the
/// scenario names, seen from its file; `None` when it names none).
///
/// # Errors
/// When a file cannot be read, and with every problem found.
pub fn load(
    file: &Path,
    config: impl FnOnce(Option<PathBuf>) -> Result<Config, ScenarioError>,
) -> Result<(Scenario, Config), ScenarioError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ScenarioError::Read { file: file.to_path_buf(), source })?;
    let problems = RefCell::new(Vec::new());
    let shown = file.display().to_string();
    let sheet = Sheet::parse(&shown, Some(&text), &problems);
    sheet.only(&["scenario", "inflow", "intake", "lateral", "loss", "reservoir", "event"]);
    let head =
        sheet.single::<RawScenario>("scenario", "write [scenario] with name, seed, start and duration");
    let folder = file.parent().unwrap_or(Path::new("."));
    let named = head.as_ref().and_then(|(raw, _)| raw.config.as_ref()).map(|named| folder.join(named));
    let config = match config(named) {
        Ok(config) => config,
        Err(error) if problems.borrow().is_empty() => return Err(error),
        Err(_) => return Err(ScenarioError::Wrong(sorted(problems))),
    };
    let Some((head, at)) = head else { return Err(ScenarioError::Wrong(sorted(problems))) };
    let times = Times::new(&head, &at, &config.basin);
    let scope = Scope { config: &config, basin: &config.basin, folder, times, notes: RefCell::default() };
    let scenario = scope.scenario(file, &head, &sheet);
    let found = sorted(problems);
    if found.is_empty() { Ok((scenario, config)) } else { Err(ScenarioError::Wrong(found)) }
}

/// Length in days and purpose of a scenario file.
///
/// # Errors
/// When the file cannot be read, or its head is wrong.
pub fn purpose(file: &Path) -> Result<(f64, String), ScenarioError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ScenarioError::Read { file: file.to_path_buf(), source })?;
    let problems = RefCell::new(Vec::new());
    let shown = file.display().to_string();
    let sheet = Sheet::parse(&shown, Some(&text), &problems);
    let head =
        sheet.single::<RawScenario>("scenario", "write [scenario] with name, seed, start and duration");
    let read = head.and_then(|(head, at)| {
        let duration = span(&at.key("duration"), &head.duration)?;
        Some((duration.as_secs_f64() / 86_400.0, head.purpose))
    });
    drop(sheet);
    read.ok_or_else(|| ScenarioError::Wrong(sorted(problems)))
}

fn sorted(problems: RefCell<Vec<Problem>>) -> Vec<Problem> {
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
}

impl Times {
    /// What cannot be read becomes a harmless value after the complaint.
    fn new(head: &RawScenario, at: &Spot<'_>, basin: &Basin) -> Self {
        let start = stamp(&at.key("start"), &head.start, basin).unwrap_or_default();
        let length = |key: &str, text: &str| span(&at.key(key), text).unwrap_or(Duration::from_secs(3600));
        let duration = length("duration", &head.duration);
        let spin_up = length("spin_up", &head.spin_up);
        if spin_up > SPIN_UP_MOST {
            at.key("spin_up").complain("is longer than three days", "shorten it: what follows is scored");
        } else if spin_up >= duration {
            at.key("spin_up")
                .complain("leaves nothing of the run to score", "shorten it or lengthen duration");
        }
        Self { start, duration, spin_up }
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
    folder: &'a Path,
    times: Times,
    notes: RefCell<Vec<String>>,
}

impl Scope<'_> {
    fn scenario(&self, file: &Path, head: &RawScenario, sheet: &Sheet<'_>) -> Scenario {
        let (intakes, announced) = self.intakes(sheet);
        let Times { start, duration, spin_up } = self.times;
        Scenario {
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
            announced,
            happenings: self.happenings(sheet),
            notes: self.notes.take(),
        }
    }

    fn inflows(&self, sheet: &Sheet<'_>, year: Year) -> Vec<Source> {
        let table = |at: usize, year| {
            self.basin.inflows.get(at).map_or(Base::Constant(0.0), |i| Base::Monthly(monthly(i, year)))
        };
        let mut sources: Vec<_> =
            (0..self.basin.inflows.len()).map(|at| Source::of(table(at, year))).collect();
        let ids = || self.basin.inflows.iter().map(|inflow| inflow.id.as_str());
        for entry in sheet.entries::<RawSource>("inflow") {
            let Some(at) = known(&entry, "inflow", ids()) else { continue };
            let Some(raw) = entry.raw else { continue };
            let base = table(at, raw.year.unwrap_or(year));
            if let (Some(slot), Some(source)) = (sources.get_mut(at), self.source(&entry.spot, &raw, base)) {
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
                wants.flow = self.source(&entry.spot.key("flow"), flow, usual(at));
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
        let (from, to) = (at("from", &raw.from)?, at("to", &raw.to)?);
        let other = |key: &str, value: &Option<toml::Value>, usual| match value {
            Some(value) => at(key, value),
            None => Some(usual),
        };
        let told_from = other("announced_from", &raw.announced_from, from)?;
        let told_to = other("announced_to", &raw.announced_to, to)?;
        let told_rate = raw.announced_rate_m3s.unwrap_or(raw.rate_m3s);
        if from >= to || told_from >= told_to {
            spot.complain("ends before it begins", "put from before to");
            return None;
        }
        if raw.rate_m3s < 0.0 || told_rate < 0.0 {
            spot.key("rate_m3s").complain("is negative", "give the rate taken, in m³/s");
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
            let place = self.place(&entry.spot, &raw)?;
            let source = self.source(&entry.spot.key("flow"), &raw.flow, Base::Constant(0.0))?;
            Some((place, source, if raw.loss.unwrap_or(false) { -1.0 } else { 1.0 }))
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
            let (level, body) = (Stage::new(entry.raw?.level_m)?, self.basin.reservoirs.get(at)?);
            let (low, high) = (body.curve.first()?.level, body.curve.last()?.level);
            if level < low || level > high {
                let remedy = format!("give {low} to {high}");
                entry.spot.key("level_m").complain("lies outside the table of the reservoir", remedy);
            }
            Some((ReservoirId(at), level))
        };
        sheet.entries("reservoir").into_iter().filter_map(one).collect()
    }

    fn happenings(&self, sheet: &Sheet<'_>) -> Vec<Happening> {
        let entries = sheet.entries::<toml::Table>("event");
        let one = |entry: Entry<'_, toml::Table>| {
            let mut raw = entry.raw?;
            let Some(at) = raw.remove("at") else {
                entry.spot.complain("has no time", "give at, as \"2d 6h\" after the start or an instant");
                return None;
            };
            let at = self.moment(&entry.spot.key("at"), &at)?;
            let what = self.what(&entry.spot, raw)?;
            Some(Happening { id: entry.id, at, what })
        };
        let mut all: Vec<_> = entries.into_iter().filter_map(one).collect();
        all.sort_by_key(|happening| happening.at);
        all
    }

    fn what(&self, spot: &Spot<'_>, raw: toml::Table) -> Option<What> {
        let act = raw.contains_key("act");
        if !act && !raw.contains_key("event") {
            spot.complain("says not what happens", "give event, as \"trip\", or act, as \"hold_all\"");
            return None;
        }
        for (kind, ids) in self.names() {
            if let Some(toml::Value::String(id)) = raw.get(kind) {
                find(&spot.key(kind), kind, id, ids.iter().map(String::as_str))?;
            }
        }
        let value = toml::Value::Table(raw);
        let wrong = |error: toml::de::Error| {
            let first = error.message().lines().next().unwrap_or_default().to_owned();
            spot.complain(first, "correct it");
        };
        if act {
            let act = value.try_into::<RawAct>().map_err(wrong).ok()?;
            return Some(What::Act(self.order(spot, act)?));
        }
        Some(What::Event(value.try_into().map_err(wrong).ok()?))
    }

    /// Names an event may use, by key.
    fn names(&self) -> [(&'static str, Vec<String>); 3] {
        [
            ("gate", self.basin.gates.iter().map(|gate| gate.id.clone()).collect()),
            ("meter", self.basin.meters.iter().map(|meter| meter.id.clone()).collect()),
            ("station", self.basin.stations.iter().map(|station| station.id.clone()).collect()),
        ]
    }

    fn order(&self, spot: &Spot<'_>, act: RawAct) -> Option<Order> {
        Some(match act {
            RawAct::HoldAll {} => Order::HoldAll,
            RawAct::ReleaseHold {} => Order::ReleaseHold,
            RawAct::SetMode { mode } => Order::SetMode { mode },
            RawAct::SetAuthority { gate, authority } => {
                Order::SetAuthority { gate: self.basin.gate(&gate)?, authority }
            }
            RawAct::StopGate { gate } => Order::StopGate { gate: self.basin.gate(&gate)? },
            RawAct::SetPoint { gate, opening, reason } => {
                let Some(opening) = Opening::from_fraction(opening) else {
                    spot.key("opening").complain("is no opening", "give a fraction from 0 to 1");
                    return None;
                };
                Order::SetPoint { gate: self.basin.gate(&gate)?, opening, reason }
            }
        })
    }

    /// A moment of the run, as an instant or as a time after the start.
    fn moment(&self, spot: &Spot<'_>, value: &toml::Value) -> Option<Duration> {
        let after = match value {
            toml::Value::Datetime(written) => {
                let after = stamp(spot, written, self.basin)?.duration_since(self.times.start);
                let Ok(after) = Duration::try_from(after) else {
                    spot.complain("lies before the start", "give an instant of the run");
                    return None;
                };
                after
            }
            toml::Value::String(text) => span(spot, text)?,
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                spot.complain("is no moment", "write it as \"2d 6h\" after the start, or as an instant");
                return None;
            }
        };
        Some(after)
    }

    fn source(&self, spot: &Spot<'_>, raw: &RawSource, usual: Base) -> Option<Source> {
        let given =
            [raw.constant_m3s.is_some(), raw.monthly_m3s.is_some(), raw.year.is_some(), raw.csv.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            spot.complain(
                "begins with more than one flow",
                "keep one of constant_m3s, monthly_m3s, year, csv",
            );
            return None;
        }
        let base = if let Some(q) = raw.constant_m3s {
            Base::Constant(q)
        } else if let Some(months) = &raw.monthly_m3s {
            let Ok(months) = <[f64; 12]>::try_from(months.as_slice()) else {
                spot.key("monthly_m3s").complain("is no list of twelve flows", "give one per month");
                return None;
            };
            Base::Monthly(months)
        } else if let Some(csv) = &raw.csv {
            Base::Record(self.record(&spot.key("csv"), csv)?)
        } else {
            usual
        };
        let shape = match &raw.shape {
            Some(csv) => Some(self.record(&spot.key("shape"), csv)?),
            None => None,
        };
        let daily = match &raw.daily {
            Some(hours) => Some(<[f64; 24]>::try_from(hours.as_slice()).ok().or_else(|| {
                spot.key("daily").complain("is no list of 24 factors", "give one per hour of the civil day");
                None
            })?),
            None => None,
        };
        let floods = raw.flood.iter().enumerate();
        let floods =
            floods.filter_map(|(at, flood)| self.flood(&spot.key("flood").item(at), flood)).collect();
        Some(Source { base, shape, daily, floods, positive: true }.scaled(raw.scale.unwrap_or(1.0)))
    }

    fn flood(&self, spot: &Spot<'_>, raw: &RawFlood) -> Option<Flood> {
        let begin = self.moment(&spot.key("begin"), &raw.begin)?;
        if raw.to_peak_h <= 0.0 {
            spot.key("to_peak_h").complain("is no time", "give hours above 0, as 8.0");
            return None;
        }
        let begin = seconds(instant(self.times.start, begin));
        Some(Flood { begin, peak: raw.peak_m3s, to_peak: raw.to_peak_h * 3600.0 })
    }

    fn record(&self, spot: &Spot<'_>, raw: &RawCsv) -> Option<Record> {
        let instant_at = |key: &str, written: &Option<Datetime>| match written {
            Some(written) => stamp(&spot.key(key), written, self.basin).map(Some),
            None => Some(None),
        };
        let spec = Spec {
            file: self.folder.join(&raw.file),
            shown: raw.file.clone(),
            column: raw.column.clone().unwrap_or_else(|| "flow_m3s".into()),
            scale: raw.scale.unwrap_or(1.0),
            offset: raw.offset_m3s.unwrap_or(0.0),
            window: (instant_at("from", &raw.from)?, instant_at("to", &raw.to)?),
            moved_to: instant_at("at", &raw.at)?,
            values: raw.values,
            on_gap: raw.on_gap,
            on_negative: raw.on_negative,
            on_bad_row: raw.on_bad_row,
            on_end: raw.on_end,
        };
        match csv::read(&spec) {
            Ok(read) => {
                self.notes.borrow_mut().extend(read.notes);
                self.covers(spot, raw, &read.record);
                Some(read.record)
            }
            Err(flaws) => {
                for flaw in flaws {
                    let line = flaw.line.map_or_else(String::new, |line| format!(" line {line}"));
                    spot.key("file").complain(format!("{}{line}: {}", raw.file, flaw.what), flaw.remedy);
                }
                None
            }
        }
    }

    fn covers(&self, spot: &Spot<'_>, raw: &RawCsv, record: &Record) {
        let (begin, end) = record.covers();
        let start = seconds(self.times.start);
        let needed = start + self.times.duration.as_secs_f64();
        let text = |t: f64| {
            let after = jiff::SignedDuration::try_from_secs_f64(t).unwrap_or_default();
            Timestamp::UNIX_EPOCH.saturating_add(after).unwrap_or_default().to_string()
        };
        if raw.on_end.is_none() && (begin > start || end < needed) {
            spot.complain(
                format!(
                    "covers {} to {}, the run goes from {} to {}",
                    text(begin),
                    text(end),
                    text(start),
                    text(needed)
                ),
                "move it with at, or say on_end = \"hold\" or \"repeat\"",
            );
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

fn find<'n>(
    spot: &Spot<'_>,
    kind: &str,
    id: &str,
    ids: impl Iterator<Item = &'n str> + Clone,
) -> Option<usize> {
    let found = ids.clone().position(|known| known == id);
    if found.is_none() {
        let remedy = match nearest(id, ids.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the configuration has {}", ids.collect::<Vec<_>>().join(", ")),
        };
        spot.complain(format!("the configuration has no {kind} {id:?}"), remedy);
    }
    found
}
