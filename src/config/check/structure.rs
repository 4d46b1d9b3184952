//! Gates, fixed openings, power stations.

use super::super::raw::Given;
use super::super::raw::structure::{
    RawFixedKind, RawFixedOpening, RawGate, RawGateKind, RawLock, RawSafeAction, RawStation, RawStroke,
};
use super::super::sheet::Spot;
use super::names::Names;
use super::{FINITE, NOT_NEGATIVE, Noted, PERCENT, POSITIVE, Rule};
use crate::basin::{
    Actuation, Duty, FixedOpening, FixedShape, Gate, GateKind, Lock, OnLinkLoss, PowerStation, Stroke,
    StrokeUnit,
};
use crate::units::{Discharge, Opening, Stage};

/// Angle of a raised leaf.
const ANGLE: Rule = Rule { holds: |x| x > 0.0 && x <= 90.0, must: "must be above 0 and at most 90" };

/// A discharge coefficient.
const COEFFICIENT: Rule = Rule { holds: |x| x > 0.0 && x <= 1.2, must: "must be above 0 and at most 1.2" };

/// A weir coefficient, m^0.5/s: from a rough broad crest to a round one.
const WEIR: Rule = Rule { holds: |x| (1.0..=2.5).contains(&x), must: "must be 1.0 to 2.5" };

/// A share of the stroke that is a step and not the whole.
const STEP: Rule = Rule { holds: |x| x > 0.0 && x <= 20.0, must: "must be above 0 and at most 20" };

pub(in crate::config) fn gate(names: &Names, id: &str, raw: RawGate, at: &Spot<'_>) -> Option<Gate> {
    let name = at.name(raw.name_zh.clone(), raw.name_en.clone());
    let kind = geometry(&raw, at);
    let actuation = at.need("actuation", raw.actuation, "say driven, passive or monitor_only");
    let duty = at.need("duty", raw.duty, "say what it is for: trim, standby, base, pass_on, supply, …");
    let from = names.place_at(at, "from", raw.from, "say where its water comes from");
    let to = names.place_at(at, "to", raw.to, "say where its water goes");
    let sill = at.level("sill_m", raw.sill_m, "give the lowest edge of the opening in m");
    let remedy = "give the level below it";
    let outlet_level = at.optional("outlet_level_m", raw.outlet_level_m, FINITE, remedy);
    let stroke = stroke(at, raw.stroke, kind);
    let remedy = "give the seconds for the whole stroke";
    let stroke_s = at.number("stroke_s", raw.stroke_s, POSITIVE, remedy);
    let opening = |key: &str, given, what: &str| at.number(key, given, PERCENT, what);
    let lowest = opening("lowest_pct", raw.lowest_pct, "give the lowest opening commands may ask for, in %");
    let highest =
        opening("highest_pct", raw.highest_pct, "give the highest opening commands may ask for, in %");
    let initial = opening("initial_pct", raw.initial_pct, "give the opening a simulation starts from, in %");
    if let (Some(lowest), Some(highest)) = (lowest, highest) {
        if lowest >= highest {
            let what = format!("is not above the lowest opening of {lowest}");
            at.key("highest_pct").complain(what, "correct one of the two");
        } else if let Some(start) = initial.filter(|start| !(lowest..=highest).contains(start)) {
            let what = format!("{start} lies outside {lowest} to {highest}, which commands may ask for");
            at.key("initial_pct").complain(what, "start inside the permitted travel");
        }
    }
    let remedy = "give the smallest useful movement in % of the stroke";
    let min_step = at.number("min_step_pct", raw.min_step_pct, STEP, remedy);
    let remedy = "say within how many % of the stroke it has arrived";
    let tolerance = at.number("tolerance_pct", raw.tolerance_pct, STEP, remedy);
    let remedy = "give the motor starts allowed per hour, at least 1";
    let max_starts = at.need("max_starts_per_hour", raw.max_starts_per_hour, remedy);
    if max_starts == Some(0) {
        at.key("max_starts_per_hour").complain("would never let it move", remedy);
    }
    let remedy = "give the pause between reversals in seconds";
    let pause = at.number("reversal_pause_s", raw.reversal_pause_s, NOT_NEGATIVE, remedy);
    let remedy = "say true only where automatic control may move it, false leaves it to people";
    let automatic = at.need("automatic", raw.automatic, remedy);
    let on_link_loss = on_link_loss(at, raw.on_link_loss, raw.on_link_loss_pct);
    let lock = lock(names, at, raw.lock);
    let flow_meter = names.meter(at, "flow_meter", raw.flow_meter);
    let responsible = names.responsible(at, raw.responsible);
    let gate = Gate {
        id: id.into(),
        name: name?,
        kind: kind?,
        actuation: actuation?,
        duty: duty?,
        from: from?,
        to: to?,
        sill: sill?,
        outlet_level: outlet_level.and_then(Stage::new),
        stroke: stroke?,
        lowest: percent(lowest?),
        highest: percent(highest?),
        stroke_s: stroke_s?,
        min_step: min_step? / 100.0,
        tolerance: tolerance? / 100.0,
        max_starts_per_hour: max_starts?,
        reversal_pause_s: pause?,
        automatic: automatic?,
        on_link_loss: on_link_loss?,
        lock: lock.ok()?,
        flow_meter: flow_meter.ok()?,
        initial: percent(initial?),
        responsible: responsible?,
    };
    contradictions(at, &gate);
    Some(gate)
}

/// Out of 0 to 100 has been noted already.
fn percent(value: f64) -> Opening {
    Opening::clamped(value / 100.0)
}

/// What cannot be true of one gate at once.
fn contradictions(at: &Spot<'_>, gate: &Gate) {
    if gate.automatic {
        let why = match (gate.actuation, gate.duty) {
            (Actuation::Passive, _) => Some("cannot be: a passive gate takes no commands"),
            (Actuation::MonitorOnly, _) => Some("cannot be: the gate takes no target position over the link"),
            (Actuation::Driven, Duty::Flood) => {
                Some("cannot be: flood gates are moved by people with an order")
            }
            (Actuation::Driven, Duty::Emergency) => Some("cannot be: emergency gates are moved by people"),
            (Actuation::Driven, _) => None,
        };
        if let Some(why) = why {
            at.key("automatic").complain(why, "set it to false");
        }
    }
    if gate.duty == Duty::SeasonLock && gate.lock.is_none() {
        at.key("lock").complain(
            "is missing on a season-locked gate",
            "give { signatures = 2, max_minutes = …, notify = \"…\" }",
        );
    }
    if gate.lock.is_some() && gate.on_link_loss == OnLinkLoss::Open {
        let what = "would open a season-locked gate when the link is lost";
        at.key("on_link_loss").complain(what, "choose shut or hold, as the site really does");
    }
    if gate.from == gate.to {
        at.key("to").complain("is where its water comes from", "say where its water goes");
    }
    if let (GateKind::Turbine { .. }, Some(tail)) = (gate.kind, gate.outlet_level)
        && gate.sill > tail
    {
        let what = "lies above outlet_level_m: the head of a turbine counts from the higher of the two";
        at.key("sill_m").complain(what, "give the tail water level for both");
    }
    if matches!(gate.kind, GateKind::Turbine { .. }) && gate.outlet_level.is_none() {
        at.key("outlet_level_m").complain("is missing on a turbine", "give its tail water level");
    }
}

/// The keys of each kind of gate.
fn geometry(raw: &RawGate, at: &Spot<'_>) -> Option<GateKind> {
    let kind = at.need("kind", raw.kind.clone(), "say radial, plane, valve, flap or turbine")?;
    let of = |kinds: &[RawGateKind]| kinds.contains(&kind);
    let (surface, valve) = (of(&[RawGateKind::Radial, RawGateKind::Plane]), of(&[RawGateKind::Valve]));
    let (flap, turbine) = (of(&[RawGateKind::Flap]), of(&[RawGateKind::Turbine]));
    let foreign = [
        ("width_m", raw.width_m.is_there() && !surface && !flap),
        ("height_m", raw.height_m.is_there() && !surface),
        ("bore_m", raw.bore_m.is_there() && !valve),
        ("cd_full", raw.cd_full.is_there() && !valve),
        ("leaf_m", raw.leaf_m.is_there() && !flap),
        ("raised_deg", raw.raised_deg.is_there() && !flap),
        ("rated_m3s", raw.rated_m3s.is_there() && !turbine),
        ("rated_head_m", raw.rated_head_m.is_there() && !turbine),
        ("minimum_m3s", raw.minimum_m3s.is_there() && !turbine),
        ("power_kw", raw.power_kw.is_there() && !turbine),
    ];
    at.refuse(&foreign, "a gate of this kind");
    let number =
        |key: &str, given: &Given<f64>, rule: Rule, remedy: &str| at.number(key, given.clone(), rule, remedy);
    match kind {
        RawGateKind::Radial | RawGateKind::Plane => {
            let width = number("width_m", &raw.width_m, POSITIVE, "give the width in m");
            let height =
                number("height_m", &raw.height_m, POSITIVE, "give the clear opening when fully open in m");
            let (width_m, height_m) = (width?, height?);
            Some(match kind {
                RawGateKind::Radial => GateKind::Radial { width_m, height_m },
                RawGateKind::Plane | RawGateKind::Valve | RawGateKind::Flap | RawGateKind::Turbine => {
                    GateKind::Plane { width_m, height_m }
                }
            })
        }
        RawGateKind::Valve => {
            let bore = number("bore_m", &raw.bore_m, POSITIVE, "give the bore in m");
            let cd = number(
                "cd_full",
                &raw.cd_full,
                COEFFICIENT,
                "give the discharge coefficient when fully open",
            );
            Some(GateKind::Valve { bore_m: bore?, cd_full: cd? })
        }
        RawGateKind::Flap => {
            let width = number("width_m", &raw.width_m, POSITIVE, "give the width over all leaves in m");
            let leaf = number("leaf_m", &raw.leaf_m, POSITIVE, "give the length of the leaf in m");
            let raised =
                number("raised_deg", &raw.raised_deg, ANGLE, "give the angle when raised in degrees");
            Some(GateKind::Flap { width_m: width?, leaf_m: leaf?, raised_deg: raised? })
        }
        RawGateKind::Turbine => {
            let rated = number("rated_m3s", &raw.rated_m3s, POSITIVE, "give the rated flow");
            let head = number("rated_head_m", &raw.rated_head_m, POSITIVE, "give the rated head in m");
            let remedy = "give the least flow it can run at, below the rated one";
            let minimum = number("minimum_m3s", &raw.minimum_m3s, NOT_NEGATIVE, remedy);
            if let (Some(rated), Some(minimum)) = (rated, minimum)
                && minimum >= rated
            {
                at.key("minimum_m3s").complain(format!("is not below the rated flow of {rated}"), remedy);
            }
            let power_kw = number("power_kw", &raw.power_kw, POSITIVE, "give the rated power in kW");
            Some(GateKind::Turbine {
                rated: Discharge::new(rated?)?,
                rated_head_m: head?,
                minimum: Discharge::new(minimum?)?,
                power_kw: power_kw?,
            })
        }
    }
}

/// The ends of the position registers, and whether they fit the geometry.
fn stroke(at: &Spot<'_>, given: Given<RawStroke>, kind: Option<GateKind>) -> Option<Stroke> {
    const REMEDY: &str =
        "give { unit = \"mm\", \"%\" or \"deg\", shut_at = …, open_at = … } as in the registers";
    let raw = at.need("stroke", given, REMEDY)?;
    let here = at.key("stroke");
    let stroke = Stroke { unit: raw.unit, shut_at: raw.shut_at, open_at: raw.open_at };
    if !(raw.shut_at.is_finite() && raw.open_at.is_finite()) || stroke.length() <= 0.0 {
        here.complain("has no length", REMEDY);
        return None;
    }
    let off = |wanted: f64| (stroke.length() - wanted).abs() > 0.01 * wanted;
    match (kind?, stroke.unit) {
        (GateKind::Radial { height_m, .. } | GateKind::Plane { height_m, .. }, StrokeUnit::Millimetre)
            if off(height_m * 1000.0) =>
        {
            let what = format!("is {} mm long, but height_m says {} mm", stroke.length(), height_m * 1000.0);
            here.complain(what, "let the stroke be the clear opening when fully open");
        }
        (GateKind::Flap { raised_deg, .. }, StrokeUnit::Degree) if off(raised_deg) => {
            let what = format!("is {}° long, but raised_deg says {raised_deg}°", stroke.length());
            here.complain(what, "let the stroke go from the raised angle to 0");
        }
        (_, StrokeUnit::Percent) if off(100.0) => {
            here.complain(format!("is {} % long", stroke.length()), "let it go from 0 to 100 or back");
        }
        (GateKind::Valve { .. } | GateKind::Turbine { .. }, StrokeUnit::Millimetre | StrokeUnit::Degree)
        | (GateKind::Radial { .. } | GateKind::Plane { .. }, StrokeUnit::Degree)
        | (GateKind::Flap { .. }, StrokeUnit::Millimetre) => {
            here.key("unit").complain(
                "does not fit this kind of gate",
                "use mm or % for plane and radial gates, \
                % for valves and turbines, deg or % for flaps",
            );
        }
        (
            GateKind::Radial { .. }
            | GateKind::Plane { .. }
            | GateKind::Valve { .. }
            | GateKind::Flap { .. }
            | GateKind::Turbine { .. },
            StrokeUnit::Millimetre | StrokeUnit::Percent | StrokeUnit::Degree,
        ) => {}
    }
    Some(stroke)
}

/// Shutting is not the safe act at every gate, so each states its own.
fn on_link_loss(at: &Spot<'_>, given: Given<RawSafeAction>, pct: Given<f64>) -> Option<OnLinkLoss> {
    const REMEDY: &str = "say what the site does by itself: hold, shut, open or goto";
    let action = at.need("on_link_loss", given, REMEDY)?;
    if action != RawSafeAction::Goto {
        at.refuse(&[("on_link_loss_pct", pct.is_there())], "this action");
    }
    Some(match action {
        RawSafeAction::Hold => OnLinkLoss::Hold,
        RawSafeAction::Shut => OnLinkLoss::Shut,
        RawSafeAction::Open => OnLinkLoss::Open,
        RawSafeAction::Goto => {
            let remedy = "give the opening it goes to by itself, in %";
            OnLinkLoss::Goto { opening: percent(at.number("on_link_loss_pct", pct, PERCENT, remedy)?) }
        }
    })
}

fn lock(names: &Names, at: &Spot<'_>, given: Given<RawLock>) -> Result<Option<Lock>, Noted> {
    const REMEDY: &str = "give { signatures = 2, max_minutes = …, notify = \"…\" }";
    if !given.is_there() {
        return Ok(None);
    }
    let raw = at.need("lock", given, REMEDY).ok_or(Noted)?;
    let here = at.key("lock");
    if raw.signatures < 2 {
        here.key("signatures").complain("is too few for an emergency opening", "ask for two people");
    }
    if raw.max_minutes == 0 {
        here.key("max_minutes").complain("leaves no time", "give the longest emergency opening in minutes");
    }
    if raw.notify.trim().is_empty() {
        here.key("notify").complain("must not be empty", "name the office an opening is reported to");
    } else {
        names.office(&here.key("notify"), &raw.notify);
    }
    Ok(Some(Lock { signatures: raw.signatures, max_minutes: raw.max_minutes, notify: raw.notify }))
}

pub(in crate::config) fn fixed_opening(
    names: &Names,
    id: &str,
    raw: RawFixedOpening,
    at: &Spot<'_>,
) -> Option<FixedOpening> {
    let name = at.name(raw.name_zh, raw.name_en);
    let shape = match at.need("kind", raw.kind, "say orifice or crest") {
        Some(RawFixedKind::Orifice) => {
            let crest = [("width_m", raw.width_m.is_there()), ("coefficient", raw.coefficient.is_there())];
            at.refuse(&crest, "an orifice");
            let bore = at.number("bore_m", raw.bore_m, POSITIVE, "give the bore in m");
            let cd = at.number("cd", raw.cd, COEFFICIENT, "give the discharge coefficient");
            bore.zip(cd).map(|(bore_m, cd)| FixedShape::Orifice { bore_m, cd })
        }
        Some(RawFixedKind::Crest) => {
            at.refuse(&[("bore_m", raw.bore_m.is_there()), ("cd", raw.cd.is_there())], "a crest");
            let width = at.number("width_m", raw.width_m, POSITIVE, "give the length of the crest in m");
            let remedy = "give C of Q = C·b·H^1.5, about 1.7";
            let coefficient = at.number("coefficient", raw.coefficient, WEIR, remedy);
            width.zip(coefficient).map(|(width_m, coefficient)| FixedShape::Crest { width_m, coefficient })
        }
        None => None,
    };
    let from = names.reservoir(at, "from", raw.from);
    let to = names.place_at(at, "to", raw.to, "say where its water goes");
    let sill = at.level("sill_m", raw.sill_m, "give the invert of the pipe or the level of the crest");
    Some(FixedOpening { id: id.into(), name: name?, shape: shape?, from: from?, to: to?, sill: sill? })
}

pub(in crate::config) fn station(
    names: &Names,
    id: &str,
    raw: RawStation,
    at: &Spot<'_>,
) -> Option<PowerStation> {
    let name = at.name(raw.name_zh, raw.name_en);
    let units = at.need("turbines", raw.turbines, "name its turbines among the gates").and_then(|list| {
        if list.is_empty() {
            at.key("turbines").complain("must not be empty", "name its turbines among the gates");
        }
        let gates = list.iter().enumerate();
        gates.map(|(row, gate)| names.gate(&at.key("turbines").item(row), gate)).collect::<Option<Vec<_>>>()
    });
    let class = at.need("class", raw.class, "say keep, rectify or withdraw");
    let weir_toe = names.node(at, "weir_toe", raw.weir_toe);
    let remedy = "give the flow owed below the weir";
    let min_release = at.flow("min_release_m3s", raw.min_release_m3s, POSITIVE, remedy);
    let remedy = "give the river flow below which it must not run, not below min_release_m3s";
    let stop_below = at.flow("stop_below_m3s", raw.stop_below_m3s, POSITIVE, remedy);
    if let (Some(owed), Some(stop)) = (min_release, stop_below)
        && stop < owed
    {
        at.key("stop_below_m3s").complain(format!("is below the minimum release of {}", owed.get()), remedy);
    }
    let pond = match raw.pond {
        Given::Absent => Some(None),
        given @ (Given::Wrong(_) | Given::Value(_)) => names.reservoir(at, "pond", given).map(Some),
    };
    let responsible = names.responsible(at, raw.responsible);
    Some(PowerStation {
        id: id.into(),
        name: name?,
        units: units?,
        class: class?,
        weir_toe: weir_toe?,
        min_release: min_release?,
        stop_below: stop_below?,
        pond: pond?,
        responsible: responsible?,
    })
}
