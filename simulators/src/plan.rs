//! `qindan-sim snapshot` and `qindan-sim plan`: a state of the controller in a file, and what it would do from there.
//!
//! A snapshot holds what the service keeps over a restart and what its field showed at the moment. A plan is made by the same
//! `decide` as live: the controller starts on the snapshot as after a restart at that moment, adopts the gates in its first
//! tick, and decides in the next control cycle, with the field as it was. What a gate did in its last minutes is therefore
//! not known: a pause between two moves may be shorter than live. Beside it stands what the programme over four days sees from
//! there, with the limits that bind it and their prices, whether the configuration follows it (`follow_plan`) or not.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use qindan::basin::{Basin, IntakeId, SectionId};
use qindan::config::{Config, Schedules, Turn};
use qindan::control::carry::Carry;
use qindan::control::command::Action;
use qindan::control::reason::{Because, Limit};
use qindan::control::status::Rung;
use qindan::control::{Controller, Now, Settings, Snapshot};
use qindan::shell::clock::Clock;
use qindan::units::{Discharge, Opening};
use serde::{Deserialize, Serialize};

use crate::inflow::instant;
use crate::replay;
use crate::run::Run;

/// Version of the file; another one is refused.
const VERSION: u32 = 1;

/// A state of the controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Of the form of this file.
    pub version: u32,
    /// Where it comes from.
    pub origin: String,
    /// SHA-256 over the configuration.
    pub config: String,
    /// When.
    pub now: Now,
    /// What the controller remembers over a restart.
    pub carry: Carry,
    /// What the field showed.
    pub seen: Snapshot,
    /// Turns it was told about; those of a scenario stand in no file of the configuration.
    pub turns: Vec<Announced>,
}

/// A turn of an intake the service was told about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    /// The intake.
    pub intake: String,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Rate, m³/s.
    pub rate_m3s: f64,
}

/// Where a snapshot is taken.
#[derive(Clone, Debug, Default)]
pub struct Take {
    /// Name or file.
    pub scenario: String,
    /// Civil time of the basin, as `2026-05-15 08:00`.
    pub at: String,
    /// File to write.
    pub out: PathBuf,
    /// Another seed than the scenario's.
    pub seed: Option<u64>,
    /// Another configuration folder than the scenario's.
    pub config: Option<PathBuf>,
}

/// What to plan from.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The snapshot.
    pub snapshot: PathBuf,
    /// Configuration folder.
    pub config: Option<PathBuf>,
    /// As JSON.
    pub json: bool,
}

/// A movement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Move {
    /// Its gate.
    pub gate: String,
    /// From, %.
    pub from_pct: Option<f64>,
    /// To, %; `None` for a stop.
    pub to_pct: Option<f64>,
    /// Why.
    pub because: Vec<Because>,
    /// Limits that narrowed it.
    pub narrowed_by: Vec<Limit>,
    /// What it changes at the sections.
    pub effects: Vec<Effect>,
}

/// Change of flow at a section.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The section.
    pub section: String,
    /// Change, m³/s.
    pub change_m3s: f64,
    /// First and full arrival, h from now.
    pub arrives_h: (f64, f64),
}

/// Release of a dispatched reservoir.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    /// The reservoir.
    pub reservoir: String,
    /// Wanted, m³/s.
    pub target_m3s: f64,
    /// Now, m³/s.
    pub actual_m3s: Option<f64>,
    /// Why, most important first.
    pub because: Vec<Because>,
}

/// What a section is to expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ahead {
    /// The section.
    pub section: String,
    /// Its floor today, m³/s.
    pub floor_m3s: Option<f64>,
    /// What it is operated to, m³/s.
    pub setpoint_m3s: Option<f64>,
    /// Hours from now with the flow expected, its least and its largest, m³/s.
    pub flow: Vec<(f64, f64, f64, f64)>,
}

/// A gate that cannot go wherever it likes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bounded {
    /// The gate.
    pub gate: String,
    /// Permitted, %.
    pub permitted_pct: (f64, f64),
    /// What sets the lowest and the highest, and what keeps it from moving at all.
    pub by: Vec<Limit>,
}

/// A limit that binds a programme.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Priced {
    /// The limit; a section with the hours from now.
    pub limit: serde_json::Value,
    /// Water that one m³/s more of room would save, m³/s·h.
    pub price_m3s_h: f64,
}

/// What the programme over four days sees from here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Programme {
    /// The reservoir.
    pub reservoir: String,
    /// Why there is none.
    pub failed: Option<String>,
    /// Releases: begin and length in h from now, and m³/s.
    pub steps: Vec<(f64, f64, f64)>,
    /// Limits that bind, the dearest first.
    pub binding: Vec<Priced>,
    /// Water the sections will lack whatever is released, m³.
    pub unavoidable_m3: f64,
    /// Iterations of the solver.
    pub iterations: u32,
    /// Whether the configuration follows it.
    pub followed: bool,
    /// Time it took, ms.
    pub solve_ms: f64,
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// When the state was.
    pub utc: Timestamp,
    /// Rung of the ladder it stands on.
    pub rung: Rung,
    /// Releases.
    pub releases: Vec<Release>,
    /// Movements of the next control cycle.
    pub moves: Vec<Move>,
    /// Sections below a dispatched reservoir.
    pub sections: Vec<Ahead>,
    /// Limits in force at the outlets.
    pub limits: Vec<Bounded>,
    /// What the programme sees, by dispatched reservoir; none before the river is known.
    pub programmes: Vec<Programme>,
    /// Time the decision took, ms.
    pub solve_ms: f64,
}

/// Runs a scenario to a moment and writes the state then.
///
/// # Errors
/// What is wrong with the scenario, the moment or the file.
pub fn take(order: &Take, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let case = replay::load(&order.scenario, order.config.as_deref(), &[])?;
    let zone = case.config.basin.zone.clone();
    let civil: DateTime = order.at.parse().with_context(|| {
        format!("--at {}: write a civil time of the basin, as \"2026-05-15 08:00\"", order.at)
    })?;
    let at = zone.to_ambiguous_timestamp(civil).compatible()?;
    let (start, end) = (case.scenario.start, instant(case.scenario.start, case.scenario.duration));
    if at <= start || at > end {
        bail!("--at {}: the scenario runs from {start} to {end}; name a time in it", order.at);
    }
    let after = Duration::try_from(at.duration_since(start))?;
    let seed = order.seed.unwrap_or(case.scenario.seed);
    let origin = format!("scenario {}, seed {seed}", case.scenario.id);
    let mut run = Run::new(case, seed);
    run.until(after, |_, _| {});
    let state = State {
        version: VERSION,
        origin,
        config: run.case().config.digest.clone(),
        now: Now { mono: run.now(), utc: at },
        carry: run.controller().carry(at),
        seen: Snapshot { samples: run.samples().to_vec(), record_ok: true, ..Snapshot::default() },
        turns: announced(&run.case().config),
    };
    let file = order.out.display();
    fs::write(&order.out, serde_json::to_vec(&state)?)
        .with_context(|| format!("{file}: cannot be written"))?;
    writeln!(out, "{file}: {} at {at}", state.origin)?;
    Ok(true)
}

fn announced(config: &Config) -> Vec<Announced> {
    let each = config.schedules.turns.iter().map(|turn| Announced {
        intake: config.basin.intakes.get(turn.intake.0).map(|intake| intake.id.clone()).unwrap_or_default(),
        from: turn.from,
        to: turn.to,
        rate_m3s: turn.rate.get(),
    });
    each.collect()
}

/// The configuration with the turns of a state.
fn with_turns(config: &Config, state: &State) -> anyhow::Result<Config> {
    let turns = state.turns.iter().enumerate().map(|(at, turn)| {
        let intake = config.basin.intakes.iter().position(|intake| intake.id == turn.intake);
        let rate = Discharge::new(turn.rate_m3s);
        let (Some(intake), Some(rate)) = (intake, rate) else {
            bail!("turn {} of the snapshot: no intake {} or no rate", at + 1, turn.intake);
        };
        Ok(Turn {
            id: format!("snapshot-{}", at + 1),
            intake: IntakeId(intake),
            from: turn.from,
            to: turn.to,
            rate,
        })
    });
    let turns = turns.collect::<anyhow::Result<Vec<_>>>()?;
    let schedules = Schedules { turns, ..Schedules::clone(&config.schedules) };
    Ok(Config { schedules: Arc::new(schedules), ..config.clone() })
}

/// Reads a snapshot, plans, and prints the plan.
///
/// # Errors
/// What is wrong with the file, or that it belongs to another configuration.
pub fn plan(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let folder = order.config.clone().or_else(|| crate::scenario::above("config"));
    let config = qindan::config::load(&folder.unwrap_or_else(|| PathBuf::from("config")))?;
    let state = read(&order.snapshot)?;
    let plan = of(&config, &state)?;
    if order.json {
        serde_json::to_writer_pretty(&mut *out, &plan)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&plan, &state))?;
    }
    Ok(true)
}

fn read(file: &Path) -> anyhow::Result<State> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
    let state: State = serde_json::from_str(&text).with_context(|| {
        format!("{shown}: no snapshot of this version; make one with qindan-sim snapshot")
    })?;
    if state.version != VERSION {
        bail!("{shown}: version {}, this program reads {VERSION}; make it anew", state.version);
    }
    Ok(state)
}

/// The plan from a state.
///
/// # Errors
/// When the state does not fit the configuration: nothing is then planned on guesses.
pub fn of(config: &Config, state: &State) -> anyhow::Result<Plan> {
    let points = config.field.points.len();
    if state.config != config.digest || state.seen.samples.len() != points {
        bail!(
            "the snapshot was taken with another configuration ({}, {} points; this is {}, {points}); name its folder with --config",
            state.config,
            state.seen.samples.len(),
            config.digest
        );
    }
    let config = &with_turns(config, state)?;
    let settings = Settings { observing: false, bench: true };
    let mut controller = Controller::new(config, settings, Some(state.carry.clone()), state.now.utc);
    let mut commands = controller.decide(&state.seen, state.now).commands;
    let cycle = Duration::from_secs_f64(config.basin.control.cycle_s);
    let now = Now { mono: state.now.mono + cycle, utc: instant(state.now.utc, cycle) };
    let mut seen = state.seen.clone();
    for (_, taken) in seen.samples.iter_mut().filter_map(|sample| sample.good.as_mut()) {
        *taken += cycle;
    }
    let clock = Clock::real();
    let mark = clock.mark();
    commands.extend(controller.decide(&seen, now).commands);
    let solve_ms = 1e3 * mark.elapsed().as_secs_f64();
    let basin = &config.basin;
    let status = controller.status(now);
    let name = |id: SectionId| basin.sections.get(id.0).map(|section| section.id.clone()).unwrap_or_default();
    let moves = commands.iter().map(|cleared| {
        let to = match cleared.action() {
            Action::Goto(to) => Some(to),
            Action::Stop => None,
        };
        let effects =
            to.map_or_else(Vec::new, |to| controller.effect(cleared.gate(), cleared.before(), to, now));
        let effect = |(section, change, first, full): (SectionId, Discharge, f64, f64)| Effect {
            section: name(section),
            change_m3s: change.get(),
            arrives_h: (first, full),
        };
        Move {
            gate: basin.gates.get(cleared.gate().0).map(|gate| gate.id.clone()).unwrap_or_default(),
            from_pct: cleared.before().map(Opening::percent),
            to_pct: to.map(Opening::percent),
            because: cleared.because().to_vec(),
            narrowed_by: cleared.narrowed_by().to_vec(),
            effects: effects.into_iter().map(effect).collect(),
        }
    });
    let sections = status.sections.iter().filter(|section| !section.forecast.is_empty()).map(|section| {
        let each = section.forecast.iter().zip(&section.forecast_band);
        Ahead {
            section: name(section.section),
            floor_m3s: section.floor.map(Discharge::get),
            setpoint_m3s: section.setpoint.map(Discharge::get),
            flow: each.map(|((hour, mid), (low, high))| (*hour, mid.get(), low.get(), high.get())).collect(),
        }
    });
    let releases = status.release.iter().map(|release| Release {
        reservoir: basin.reservoirs.get(release.reservoir).map(|body| body.id.clone()).unwrap_or_default(),
        target_m3s: release.target.get(),
        actual_m3s: release.actual.flow.map(Discharge::get),
        because: release.because.clone(),
    });
    Ok(Plan {
        utc: state.now.utc,
        rung: status.rung,
        releases: releases.collect(),
        moves: moves.collect(),
        sections: sections.collect(),
        limits: limits(basin, &status),
        programmes: programmes(basin, &controller, now, &clock),
        solve_ms,
    })
}

fn programmes(basin: &Basin, controller: &Controller, now: Now, clock: &Clock) -> Vec<Programme> {
    let mark = clock.mark();
    let made = controller.programmes(now);
    let solve_ms =
        1e3 * mark.elapsed().as_secs_f64() / f64::from(u32::try_from(made.len().max(1)).unwrap_or(1));
    let told = made.into_iter().map(|(reservoir, made)| {
        let reservoir = basin.reservoirs.get(reservoir.0).map(|body| body.id.clone()).unwrap_or_default();
        let followed = basin.control.follow_plan;
        let none = Programme {
            reservoir,
            failed: None,
            steps: Vec::new(),
            binding: Vec::new(),
            unavoidable_m3: 0.0,
            iterations: 0,
            followed,
            solve_ms,
        };
        match made {
            Err(error) => Programme { failed: Some(error.to_string()), ..none },
            Ok(plan) => Programme {
                steps: plan.steps.iter().map(|step| (step.start_h, step.length_h, step.release)).collect(),
                binding: plan
                    .binding
                    .iter()
                    .map(|(limit, price)| Priced { limit: limit.told(basin), price_m3s_h: *price })
                    .collect(),
                unavoidable_m3: plan.short_m3,
                iterations: plan.iterations,
                ..none
            },
        }
    });
    told.collect()
}

/// Limits of the outlets of dispatched reservoirs.
fn limits(basin: &Basin, status: &qindan::control::status::Status) -> Vec<Bounded> {
    let dams = crate::need::dams(basin);
    let outlets: Vec<_> = dams.iter().flat_map(|dam| crate::need::outlets(basin, dam)).collect();
    let ours = status.gates.iter().filter(|gate| outlets.contains(&gate.gate));
    let bounded = ours.filter_map(|gate| {
        let set = [&gate.permitted_by.0, &gate.permitted_by.1].into_iter().flatten();
        let mut by: Vec<Limit> = gate.blocked_by.clone();
        by.extend(set.cloned());
        by.dedup();
        Some(Bounded {
            gate: basin.gates.get(gate.gate.0)?.id.clone(),
            permitted_pct: (gate.permitted.0.percent(), gate.permitted.1.percent()),
            by,
        })
    });
    bounded.filter(|bounded| !bounded.by.is_empty()).collect()
}

/// The plan for people.
fn text(plan: &Plan, state: &State) -> String {
    let mut out = String::new();
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let _ = writeln!(
        out,
        "plan from {} at {}, rung {:?}, {:.2} ms",
        state.origin, plan.utc, plan.rung, plan.solve_ms
    );
    for release in &plan.releases {
        let actual = release.actual_m3s.map_or_else(|| "unknown".into(), |flow| format!("{flow:.3}"));
        let _ =
            writeln!(out, "  {}: release {:.3} m³/s, now {actual}", release.reservoir, release.target_m3s);
        for because in &release.because {
            let _ = writeln!(out, "    because {}", json(serde_json::to_string(because)));
        }
    }
    if plan.moves.is_empty() {
        let _ = writeln!(out, "  no movement");
    }
    for movement in &plan.moves {
        let pct = |pct: Option<f64>| pct.map_or_else(|| "-".to_owned(), |pct| format!("{pct:.1} %"));
        let _ = writeln!(out, "  {}: {} to {}", movement.gate, pct(movement.from_pct), pct(movement.to_pct));
        for effect in &movement.effects {
            let _ = writeln!(
                out,
                "    {}: {:+.3} m³/s, arrives in {:.1} to {:.1} h",
                effect.section, effect.change_m3s, effect.arrives_h.0, effect.arrives_h.1
            );
        }
        for limit in &movement.narrowed_by {
            let _ = writeln!(out, "    narrowed by {}", json(serde_json::to_string(limit)));
        }
    }
    for section in &plan.sections {
        let flow = |flow: Option<f64>| flow.map_or_else(|| "-".to_owned(), |flow| format!("{flow:.2}"));
        let _ = writeln!(
            out,
            "  {}: floor {}, operated to {} m³/s; expected with this release held (least to largest):",
            section.section,
            flow(section.floor_m3s),
            flow(section.setpoint_m3s)
        );
        for (hour, mid, low, high) in section.flow.iter().step_by(6) {
            let _ = writeln!(out, "    in {hour:>2.0} h {mid:.3} ({low:.3} to {high:.3})");
        }
    }
    for gate in &plan.limits {
        let (low, high) = gate.permitted_pct;
        let by: Vec<_> = gate.by.iter().map(|limit| json(serde_json::to_string(limit))).collect();
        let _ = writeln!(out, "  {}: permitted {low:.1} to {high:.1} %, by {}", gate.gate, by.join(", "));
    }
    for programme in &plan.programmes {
        of_programme(programme, &mut out);
    }
    out
}

/// Limits of a programme that are printed; --json has them all.
const DEAREST: usize = 8;

fn of_programme(programme: &Programme, out: &mut String) {
    let followed = if programme.followed { "followed" } else { "beside the rule, not followed" };
    let _ = writeln!(
        out,
        "  {}: programme over four days ({followed}), {:.1} ms",
        programme.reservoir, programme.solve_ms
    );
    if let Some(why) = &programme.failed {
        let _ = writeln!(out, "    none: {why}");
        return;
    }
    let _ = writeln!(
        out,
        "    {} iterations; shortage whatever is released: {:.0} m³",
        programme.iterations, programme.unavoidable_m3
    );
    for (start, length, release) in programme.steps.iter().step_by(6) {
        let _ = writeln!(out, "    in {start:>2.0} h for {length:.0} h {release:.3} m³/s");
    }
    for Priced { limit, price_m3s_h } in programme.binding.iter().take(DEAREST) {
        let _ =
            writeln!(out, "    bound by {limit}: 1 m³/s more of room saves {:.0} m³", 3600.0 * price_m3s_h);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two days into the dry May: the plan of the stored state wants the release that the running controller wanted, and
    /// foresees the floor kept.
    #[test]
    fn a_plan_of_a_stored_state_is_that_of_the_running_controller() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("snapshot.json");
        let take_it = Take {
            scenario: "may_dry".into(),
            at: "2026-05-13 08:00".into(),
            out: file.clone(),
            ..Take::default()
        };
        take(&take_it, &mut Vec::new()).unwrap();
        let case = replay::load("may_dry", None, &[]).unwrap();
        let state = read(&file).unwrap();
        let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
        let made = of(&config, &state).unwrap();
        let seed = case.scenario.seed;
        let mut run = Run::new(case, seed);
        run.until(Duration::from_hours(56), |_, _| {});
        let live = run.controller().status(Now { mono: run.now(), utc: state.now.utc });
        let target = live.release[0].target.get();
        assert!((made.releases[0].target_m3s - target).abs() < 0.05, "{made:?} {target}");
        assert_eq!(made.rung, live.rung);
        let runcheng = made.sections.iter().find(|section| section.section == "runcheng").unwrap();
        assert!(runcheng.flow.iter().all(|(_, mid, low, high)| low <= mid && mid <= high), "{runcheng:?}");
        // What leaves after this plan arrives a day and a half later; until then the floor is kept.
        let near = runcheng.flow.iter().filter(|(hour, ..)| *hour <= 30.0);
        assert!(near.clone().all(|(_, mid, ..)| *mid > 1.5), "{runcheng:?}");
        // The programme beside it holds Runcheng with nothing to spare, and says at which hours and for what price: what
        // one m³/s less at the section saves is at least what leaves the dam for it.
        let programme = &made.programmes[0];
        assert!(programme.failed.is_none() && !programme.followed && programme.unavoidable_m3 < 1.0);
        assert!((programme.steps.iter().map(|step| step.1).sum::<f64>() - 96.0).abs() < 1e-9);
        let at_runcheng = programme.binding.iter().filter(|priced| priced.limit["section"] == "runcheng");
        assert!(at_runcheng.map(|priced| priced.price_m3s_h).sum::<f64>() > 1.0, "{programme:?}");
        assert!(programme.binding.windows(2).all(|two| two[0].price_m3s_h >= two[1].price_m3s_h));
        // The same state, the same plan.
        let untimed = |plan: Plan| {
            let programmes = plan.programmes.into_iter().map(|one| Programme { solve_ms: 0.0, ..one });
            Plan { solve_ms: 0.0, programmes: programmes.collect(), ..plan }
        };
        let again = of(&config, &state).unwrap();
        assert_eq!(untimed(again), untimed(made));
    }

    #[test]
    fn a_moment_outside_of_the_scenario_and_a_foreign_file_are_refused() {
        let take_it = |at: &str| Take { scenario: "may_dry".into(), at: at.into(), ..Take::default() };
        let told = |at: &str| format!("{:#}", take(&take_it(at), &mut Vec::new()).unwrap_err());
        assert!(told("2027-01-01 00:00").contains("name a time in it"));
        assert!(told("noon").contains("write a civil time"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        fs::write(&file, "{}").unwrap();
        assert!(format!("{:#}", read(&file).unwrap_err()).contains("no snapshot"));
    }
}
