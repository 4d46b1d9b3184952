//! What happens in a scenario: each entry of `event` with one cause and one effect.

use std::cell::RefCell;
use std::time::Duration;

use jiff::SignedDuration;
use qindan::basin::{GateId, InflowId, IntakeId, NodeId, ReservoirId, SectionId, WetlandId};
use qindan::config::sheet::{Entry, Sheet, Spot, nearest};
use qindan::points::LinkId;
use toml::{Table, Value};

use super::super::happening::{Condition, Plan, Plans, Quantity, What};
use super::super::raw::RawCondition;
use super::acts::who;
use super::{Scope, find, listed, span, unknown_name};
use crate::plant::{Event, Forcing, Impossible, Plant};

/// Least distance of what happens again and again. Chosen: the control cycle; more often is a fault that lasts.
const EVERY_LEAST: Duration = Duration::from_secs(60);
/// Most a wall clock jumps. Chosen: beyond it a run would show another year.
const STEP_MOST_S: f64 = 366.0 * 86_400.0;
/// Slowest answer, s. Chosen: far beyond every time-out.
const SLOW_MOST_S: f64 = 600.0;

/// Most an intake wants, m³/s. Chosen: beyond the floods of the basin; it gets its greatest rate anyhow.
const RATE_MOST_M3S: f64 = 10_000.0;

/// Keys of an entry that say when it happens and how long.
const CAUSES: [&str; 7] = ["at", "after", "delay", "when", "every", "until", "lasts"];

/// What brings an entry about.
enum Cause {
    At(Duration),
    After { id: String, delay: Duration },
    When(Condition),
}

impl Scope<'_> {
    /// All entries of `event`.
    pub(super) fn plans(&self, sheet: &Sheet<'_>) -> Plans {
        let entries = sheet.entries::<Table>("event");
        let ids = entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        let mut plans = Plans::default();
        let mut after = Vec::new();
        for Entry { id, raw, spot } in entries {
            let Some(mut raw) = raw else { continue };
            // Both are looked at, so that all that is wrong is told.
            let cause = self.cause(&spot, &mut raw);
            let every = self.every(&spot, &mut raw);
            let lasts = raw.remove("lasts").and_then(|lasts| length(&spot.key("lasts"), &lasts));
            let what = self.what(&spot, raw);
            if lasts.is_some() && !matches!(what, Some(What::Demand { rate: Some(_), .. }) | None) {
                spot.key("lasts").complain("is only for a demand", "remove it, or give want and rate_m3s");
            }
            let (Some(cause), Some(what)) = (cause, what) else { continue };
            let plan = plans.plans.len();
            match cause {
                Cause::At(at) => plans.timed.push((plan, at)),
                Cause::When(condition) => plans.awaited.push((plan, condition)),
                Cause::After { id, delay } => after.push((spot.key("after"), plan, id, delay)),
            }
            plans.plans.push(Plan { id, what, lasts, every, followers: Vec::new() });
        }
        for (spot, plan, id, delay) in after {
            let Some(before) = plans.plans.iter().position(|plan| plan.id == id) else {
                // One that is there but wrong has been told.
                if !ids.contains(&id) {
                    find(&spot, "event", &id, ids.iter().map(String::as_str));
                }
                continue;
            };
            if leads_to(&plans, plan, before) {
                spot.complain("waits for itself", "let one of them happen at a time or on a condition");
            } else if let Some(before) = plans.plans.get_mut(before) {
                before.followers.push((plan, delay));
            }
        }
        plans
    }

    fn cause(&self, spot: &Spot<'_>, raw: &mut Table) -> Option<Cause> {
        let (at, after, when) = (raw.remove("at"), raw.remove("after"), raw.remove("when"));
        let delay = raw.remove("delay").map(|delay| length(&spot.key("delay"), &delay));
        if after.is_none() && delay.is_some() {
            spot.key("delay").complain("follows nothing", "remove it, or give after");
        }
        match (at, after, when) {
            (Some(at), None, None) => {
                let spot = spot.key("at");
                let at = self.moment(&spot, &at)?;
                if self.times.end().is_some_and(|end| at > end) {
                    spot.complain(
                        "lies after the end of the run",
                        "give an earlier moment, or lengthen duration",
                    );
                }
                Some(Cause::At(at))
            }
            (None, Some(Value::String(id)), None) => {
                Some(Cause::After { id, delay: delay.unwrap_or(Some(Duration::ZERO))? })
            }
            (None, Some(_), None) => {
                spot.key("after").complain("is no name", "give the name of another event in quotes");
                None
            }
            (None, None, Some(_)) => {
                let spot = spot.key("when");
                let raw = spot.read::<RawCondition>()?;
                Some(Cause::When(self.condition(&spot, &raw)?))
            }
            (None, None, None) => {
                let remedy = "give at, as \"2d 6h\" after the start or an instant, or after = \"EVENT\", or when = { … }";
                spot.complain("has no time", remedy);
                None
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                spot.complain("has more than one cause", "keep one of at, after, when");
                None
            }
        }
    }

    /// Distance and end of what happens again and again.
    fn every(&self, spot: &Spot<'_>, raw: &mut Table) -> Option<(Duration, Duration)> {
        let (every, until) = (raw.remove("every"), raw.remove("until"));
        let Some(every) = every else {
            if until.is_some() {
                spot.key("until").complain("ends nothing", "remove it, or give every");
            }
            return None;
        };
        let until = until.map(|until| self.moment(&spot.key("until"), &until));
        let every = length(&spot.key("every"), &every)?;
        if every < EVERY_LEAST {
            spot.key("every").complain("is too often", "give a minute or more");
            return None;
        }
        let end = self.times.end()?;
        Some((every, until.unwrap_or(Some(end))?.min(end)))
    }

    fn condition(&self, spot: &Spot<'_>, raw: &RawCondition) -> Option<Condition> {
        let named = [
            ("section", &raw.section),
            ("node", &raw.node),
            ("reservoir", &raw.reservoir),
            ("wetland", &raw.wetland),
            ("inflow", &raw.inflow),
            ("intake", &raw.intake),
            ("gate", &raw.gate),
        ];
        let mut given = named.iter().filter_map(|(kind, id)| Some((*kind, id.as_ref()?)));
        let (Some((kind, id)), None) = (given.next(), given.next()) else {
            let kinds = listed(named.iter().map(|(kind, _)| *kind));
            spot.complain("needs one element", format!("give one of {kinds}"));
            return None;
        };
        let at = find(&spot.key(kind), kind, id, self.ids(kind).iter().map(String::as_str))?;
        let (of, unit) = match kind {
            "section" => (Quantity::Section(SectionId(at)), "m3s"),
            "node" => (Quantity::Node(NodeId(at)), "m3s"),
            "reservoir" => (Quantity::Reservoir(ReservoirId(at)), "m"),
            "wetland" => (Quantity::Wetland(WetlandId(at)), "m"),
            "inflow" => (Quantity::Inflow(InflowId(at)), "m3s"),
            "intake" => (Quantity::Intake(IntakeId(at)), "m3s"),
            _ => (Quantity::Gate(GateId(at)), "pct"),
        };
        let bounds = [
            ("m3s", raw.above_m3s, raw.below_m3s),
            ("m", raw.above_m, raw.below_m),
            ("pct", raw.above_pct, raw.below_pct),
        ];
        for (other, above, below) in bounds.iter().filter(|(other, ..)| *other != unit) {
            for (side, _) in [("above", above), ("below", below)].iter().filter(|(_, value)| value.is_some())
            {
                let remedy = format!("give {side}_{unit}");
                spot.key(&format!("{side}_{other}")).complain(format!("is no unit of a {kind}"), remedy);
            }
        }
        let (_, above, below) = bounds.into_iter().find(|(bound, ..)| *bound == unit)?;
        if above.is_none() && below.is_none() {
            spot.complain("has no bound", format!("give above_{unit}, below_{unit} or both"));
            return None;
        }
        if let (Some(above), Some(below)) = (above, below)
            && above >= below
        {
            let remedy = format!("put above_{unit} below below_{unit}, or keep one");
            spot.key(&format!("below_{unit}")).complain(format!("is never met above {above}"), remedy);
        }
        self.within_reach(spot, of, unit, [above, below]);
        let hold = match &raw.hold {
            Some(text) => span(&spot.key("for"), text),
            None => Some(Duration::ZERO),
        };
        let from = match &raw.from {
            Some(from) => self.moment(&spot.key("from"), from),
            None => Some(Duration::ZERO),
        };
        let (hold, from) = (hold?, from?);
        if let Some(end) = self.times.end().filter(|end| from + hold > *end) {
            let key = if hold > end { "for" } else { "from" };
            spot.key(key).complain("leaves nothing of the run", "shorten it or lengthen duration");
        }
        Some(Condition { of, above, below, hold, from })
    }

    /// Complains about bounds that can never be crossed.
    fn within_reach(&self, spot: &Spot<'_>, of: Quantity, unit: &str, bounds: [Option<f64>; 2]) {
        let reach = match of {
            Quantity::Reservoir(id) => {
                let curve = self.basin.reservoirs.get(id.0).map(|body| &body.curve);
                curve.and_then(|curve| Some((curve.first()?.level.get(), curve.last()?.level.get())))
            }
            Quantity::Gate(_) => Some((0.0, 100.0)),
            Quantity::Section(_) | Quantity::Node(_) | Quantity::Inflow(_) | Quantity::Intake(_) => {
                Some((0.0, f64::INFINITY))
            }
            Quantity::Wetland(_) => None,
        };
        let Some((low, high)) = reach else { return };
        for (side, bound) in ["above", "below"].iter().zip(bounds) {
            if bound.is_some_and(|bound| !(low..=high).contains(&bound)) {
                let remedy = format!("give {low} to {high}");
                spot.key(&format!("{side}_{unit}")).complain("can never be reached", remedy);
            }
        }
    }

    fn what(&self, spot: &Spot<'_>, raw: Table) -> Option<What> {
        let kinds = ["event", "act", "want", "clock_step_s", "slow_link", "note"];
        let given = kinds.iter().copied().filter(|kind| raw.contains_key(*kind)).collect::<Vec<_>>();
        let [kind] = given.as_slice() else {
            let what = if given.is_empty() {
                "says not what happens"
            } else {
                "says more than one thing that happens"
            };
            let remedy = "give one of event, as \"trip\"; act, as \"hold_all\"; want, an intake; clock_step_s, as 3600.0; slow_link, a link; note, a line";
            spot.complain(what, remedy);
            return None;
        };
        match *kind {
            "event" => {
                let named = self.known_names(spot, &raw);
                let event = spot.tagged("event", &CAUSES);
                let sized = opening(spot, &raw);
                named.and(sized)?;
                Some(What::Event(self.tried(spot, event?)?))
            }
            "act" => {
                let left_out = [&CAUSES[..], &["who"]].concat();
                let named = self.known_names(spot, &raw);
                let act = spot.tagged("act", &left_out);
                let sized = opening(spot, &raw);
                let who = who(spot, &raw);
                named.and(sized)?;
                Some(What::Act(self.deed(spot, who?, act?)?))
            }
            "want" => self.demand(spot, raw),
            "slow_link" => self.slow_link(spot, raw),
            "note" => note(spot, raw),
            _ => clock_step(spot, raw),
        }
    }

    /// Lets an event happen to a river that nobody uses, and complains where it cannot.
    fn tried(&self, spot: &Spot<'_>, event: Event) -> Option<Event> {
        let river = self.trial.get_or_init(|| {
            let dry = Forcing::dry(self.basin, 5);
            RefCell::new(Plant::new(self.config, self.seed, self.times.start, &dry))
        });
        match river.borrow_mut().apply(&event) {
            Ok(()) => return Some(event),
            Err(Impossible::Size { key, remedy, .. }) => {
                spot.key(key).complain("cannot be", format!("give {remedy}"));
            }
            Err(Impossible::Unknown(unknown)) => {
                let (what, remedy) = unknown_name(unknown.kind, &unknown.id, &self.ids(unknown.kind));
                spot.complain(what, remedy);
            }
        }
        None
    }

    /// Complains about elements that the configuration does not have, whatever the event.
    fn known_names(&self, spot: &Spot<'_>, raw: &Table) -> Option<()> {
        let mut sound = Some(());
        for (key, id) in raw.iter().filter_map(|(kind, id)| Some((kind.as_str(), id.as_str()?))) {
            // The other device of a shared unit.
            let kind = if key == "with" { "device" } else { key };
            let ids = self.ids(kind);
            // A key that names no kind of element is something else.
            if !ids.is_empty() && find(&spot.key(key), kind, id, ids.iter().map(String::as_str)).is_none() {
                sound = None;
            }
        }
        sound
    }

    /// Names of all elements of a kind; none when there is no such kind.
    fn ids(&self, kind: &str) -> Vec<String> {
        let (basin, field) = (self.basin, &self.config.field);
        match kind {
            "gate" => basin.gates.iter().map(|gate| gate.id.clone()).collect(),
            "meter" => basin.meters.iter().map(|meter| meter.id.clone()).collect(),
            "station" => basin.stations.iter().map(|station| station.id.clone()).collect(),
            "device" => field.devices.iter().map(|device| device.id.clone()).collect(),
            "link" => field.links.iter().map(|link| link.id.clone()).collect(),
            "section" => basin.sections.iter().map(|section| section.id.clone()).collect(),
            "node" => basin.nodes.iter().map(|node| node.id.clone()).collect(),
            "reach" => basin.reaches.iter().map(|reach| reach.id.clone()).collect(),
            "reservoir" => basin.reservoirs.iter().map(|body| body.id.clone()).collect(),
            "wetland" => basin.wetlands.iter().map(|wetland| wetland.id.clone()).collect(),
            "inflow" => basin.inflows.iter().map(|inflow| inflow.id.clone()).collect(),
            "intake" => basin.intakes.iter().map(|intake| intake.id.clone()).collect(),
            _ => Vec::new(),
        }
    }

    fn slow_link(&self, spot: &Spot<'_>, mut raw: Table) -> Option<What> {
        let link = raw.remove("slow_link");
        let Some(id) = link.as_ref().and_then(Value::as_str) else {
            spot.key("slow_link").complain("is no name", "give a link in quotes");
            return None;
        };
        let at = find(&spot.key("slow_link"), "link", id, self.ids("link").iter().map(String::as_str));
        let Some(by) = raw.remove("by_s") else {
            spot.complain(
                "says not how slow",
                "give by_s, the seconds an answer comes later; 0 is quick again",
            );
            return None;
        };
        let alone = only(spot, &raw, &["slow_link", "by_s"]);
        let by = number(&spot.key("by_s"), &by, 0.0, SLOW_MOST_S)?;
        alone?;
        Some(What::SlowLink { link: LinkId(at?), by: Duration::from_secs_f64(by) })
    }

    fn demand(&self, spot: &Spot<'_>, mut raw: Table) -> Option<What> {
        let want = raw.remove("want");
        let Some(id) = want.as_ref().and_then(Value::as_str) else {
            spot.key("want").complain("is no name", "give an intake in quotes");
            return None;
        };
        let at = find(&spot.key("want"), "intake", id, self.ids("intake").iter().map(String::as_str));
        let rate = raw.remove("rate_m3s");
        let alone = only(spot, &raw, &["want", "rate_m3s", "lasts"]);
        let rate = match rate {
            None => None,
            Some(rate) => Some(number(&spot.key("rate_m3s"), &rate, 0.0, RATE_MOST_M3S)?),
        };
        alone?;
        Some(What::Demand { intake: IntakeId(at?), rate })
    }
}

fn note(spot: &Spot<'_>, mut raw: Table) -> Option<What> {
    let note = raw.remove("note")?;
    let alone = only(spot, &raw, &["note"]);
    let text = note.as_str();
    if text.is_none() {
        spot.key("note").complain("is no text", "write one line in quotes");
    }
    alone?;
    text.map(|text| What::Note(text.into()))
}

fn clock_step(spot: &Spot<'_>, mut raw: Table) -> Option<What> {
    let step = raw.remove("clock_step_s")?;
    let alone = only(spot, &raw, &["clock_step_s"]);
    let step = number(&spot.key("clock_step_s"), &step, -STEP_MOST_S, STEP_MOST_S)?;
    alone?;
    Some(What::ClockStep(SignedDuration::try_from_secs_f64(step).ok()?))
}

/// Whether `plan` brings about `other`, by itself or through others.
fn leads_to(plans: &Plans, plan: usize, other: usize) -> bool {
    plan == other
        || plans
            .plans
            .get(plan)
            .is_some_and(|plan| plan.followers.iter().any(|(next, _)| leads_to(plans, *next, other)))
}

fn length(spot: &Spot<'_>, value: &Value) -> Option<Duration> {
    if let Some(text) = value.as_str() {
        return span(spot, text);
    }
    spot.complain("is no length of time", "write it as \"7d\", \"36h\" or \"2d 6h 30min\"");
    None
}

#[expect(clippy::cast_precision_loss, reason = "seconds and flows, far below 2⁵³")]
fn lossy(whole: i64) -> f64 {
    whole as f64
}

fn number(spot: &Spot<'_>, value: &Value, least: f64, most: f64) -> Option<f64> {
    let number = value.as_float().or(value.as_integer().map(lossy));
    let sound = number.filter(|number| (least..=most).contains(number));
    if sound.is_none() {
        spot.complain("is no such number", format!("give {least} to {most}"));
    }
    sound
}

/// Complains about keys beside those of this kind of entry.
fn only(spot: &Spot<'_>, rest: &Table, known: &[&str]) -> Option<()> {
    for key in rest.keys() {
        let remedy = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("remove it; keys here are {}", listed(known.iter().copied())),
        };
        spot.key(key).complain("no such key", remedy);
    }
    rest.is_empty().then_some(())
}

/// Complains about an opening that is none, whatever the entry; one of another shape is told elsewhere.
fn opening(spot: &Spot<'_>, raw: &Table) -> Option<()> {
    match raw.get("opening") {
        Some(value @ (Value::Float(_) | Value::Integer(_))) => {
            let given = value.as_float().or(value.as_integer().map(lossy));
            let sound = given.is_some_and(|given| (0.0..=1.0).contains(&given));
            if !sound {
                spot.key("opening").complain("is no opening", "give a fraction from 0 to 1");
            }
            sound.then_some(())
        }
        Some(_) | None => Some(()),
    }
}
