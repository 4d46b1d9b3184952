//! The calendar of gates: what stands against an entry, what the rules make of it, and how it begins, against sums by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{Actuation, Basin, Duty, MeterId, NodeId, Place};
use qindan::config::{self, Config, Schedules};
use qindan::control::command::Action;
use qindan::control::gate::GateMemory;
use qindan::control::operator::{Authority, Order};
use qindan::control::quality::Quality;
use qindan::control::reason::{Because, Limit};
use qindan::control::record::Kind;
use qindan::control::rules::{self, Asked};
use qindan::control::schedule::check::{self, Conflict, Finding, Ground};
use qindan::control::schedule::row::Row;
use qindan::control::schedule::steps::{Active, Memory};
use qindan::control::schedule::{self, Entry};
use qindan::control::status::{Estimate, Status};
use qindan::shell::schedules::Version;
use qindan::units::Opening;

use crate::core::{Core, V1};
use crate::fixture::{self, NOW, SHUT_AT_REST, q};

/// An entry by the cells of its row.
pub(crate) fn entry(cells: &[(&str, &str)]) -> Entry {
    let mut row = Row::default();
    for (column, text) in cells {
        (*text).clone_into(row.column(column).unwrap());
    }
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    row.entry(&zone).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A calendar without entries that was activated once.
pub(crate) fn version_one() -> Version {
    let (hash, since) = (schedule::hash(&[]), fixture::utc(0));
    Version {
        role: "scheduler".into(),
        active: Active { version: 1, hash, by: "li".into(), since, entries: Vec::new() },
    }
}

fn shipped() -> Config {
    config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap()
}

/// What stands against entries in the shipped basin on 1 May 2026, beside the river: entry, refused, finding.
fn against(entries: &[Entry]) -> Vec<(String, bool, Finding)> {
    let config = shipped();
    let now = "2026-05-01T00:00:00Z".parse().unwrap();
    let ground = Ground { basin: &config.basin, now: Some(now), river: None };
    let found = check::conflicts(&ground, entries, &[]);
    found.into_iter().map(|Conflict { entry, refused, finding, .. }| (entry, refused, finding)).collect()
}

/// One entry for May, by what it asks.
fn for_may(kind: &str, element: &str, value: (&str, &str)) -> Entry {
    let mut cells = vec![("id", "e"), ("kind", kind), ("element", element)];
    cells.extend([("season_from", "05-01"), ("season_to", "05-31")]);
    if !value.0.is_empty() {
        cells.push(value);
    }
    entry(&cells)
}

#[test]
fn what_a_gate_cannot_or_may_not_do_is_refused() {
    let alone = |entry: Entry| {
        let found = against(&[entry]);
        assert!(found.iter().all(|(_, refused, _)| *refused), "{found:?}");
        found.into_iter().map(|(.., finding)| finding).collect::<Vec<_>>()
    };
    assert_eq!(alone(for_may("opening", "no.such", ("opening_pct", "5"))), [Finding::Unknown]);
    assert_eq!(alone(for_may("opening", "zf.tunnel.g1", ("opening_pct", "5"))), [Finding::NotDriven]);
    assert_eq!(alone(for_may("opening", "zf.eco.v1", ("opening_pct", "50"))), [Finding::HoldsRelease]);
    assert_eq!(alone(for_may("shut", "wa.sluice.g1", ("", ""))), [Finding::HoldsMinimum]);
    assert_eq!(alone(for_may("level", "by.valve", ("level_m", "700"))), [Finding::NoLevel]);
    assert_eq!(alone(for_may("flow", "libi.dam", ("flow_m3s", "1"))), [Finding::NoMeter]);
    // The return gate is locked outside June to September.
    assert_eq!(alone(for_may("opening", "ret.duanshi", ("opening_pct", "10"))), [Finding::SeasonLock]);
    let summer = entry(&[
        ("id", "e"),
        ("kind", "opening"),
        ("element", "ret.duanshi"),
        ("opening_pct", "10"),
        ("season_from", "06-01"),
        ("season_to", "09-30"),
    ]);
    assert_eq!(against(&[summer]), []);
    // Runcheng's floor is 1.5 m³/s.
    let floor_m3s = q(1.5);
    assert_eq!(
        alone(for_may("floor", "runcheng", ("floor_m3s", "1.4"))),
        [Finding::BelowFloor { floor_m3s }]
    );
    assert_eq!(alone(for_may("floor", "no_such", ("floor_m3s", "2"))), [Finding::Unknown]);
    assert_eq!(against(&[for_may("stay", "wa.sluice.g1", ("", ""))]), []);
    assert_eq!(against(&[for_may("flow", "xz.canal", ("flow_m3s", "0.1"))]), []);
}

#[test]
fn a_flow_above_what_its_users_are_permitted_is_refused() {
    let config = shipped();
    let basin = &config.basin;
    let valve = basin.gate("rz.supply").unwrap();
    let to = basin.gates[valve.0].to;
    let permitted: f64 =
        basin.intakes.iter().filter(|intake| intake.from == to).map(|intake| intake.max_rate.get()).sum();
    assert!(permitted > 0.0);
    let ask = |flow: f64| against(&[for_may("flow", "rz.supply", ("flow_m3s", &flow.to_string()))]);
    assert_eq!(ask(permitted), []);
    let permitted_m3s = q(permitted);
    assert_eq!(ask(permitted + 0.01), [("e".to_owned(), true, Finding::Permit { permitted_m3s })]);
}

#[test]
fn two_entries_of_one_rank_for_one_gate_are_refused_and_a_higher_one_is_shown() {
    let weekly = |id: &str, days: &str, begin: &str, end: &str| {
        entry(&[
            ("id", id),
            ("kind", "opening"),
            ("element", "xz.canal"),
            ("opening_pct", "5"),
            ("days", days),
            ("begin", begin),
            ("end", end),
        ])
    };
    // Friday night runs into Saturday morning.
    let (night, morning) =
        (weekly("night", "fri", "22:00", "06:00"), weekly("morning", "sat", "05:00", "07:00"));
    let other = "night".to_owned();
    assert_eq!(
        against(&[night.clone(), morning]),
        [("morning".to_owned(), true, Finding::Overlap { other: other.clone() })]
    );
    assert_eq!(against(&[night.clone(), weekly("late", "sat", "06:00", "07:00")]), []);
    let once = entry(&[
        ("id", "once"),
        ("kind", "shut"),
        ("element", "xz.canal"),
        ("from", "2026-05-01T23:00"),
        ("to", "2026-05-02T01:00"),
    ]);
    assert_eq!(
        against(&[night.clone(), once]),
        [("night".to_owned(), false, Finding::Covered { other: "once".to_owned() })]
    );
    let twice = against(&[night.clone(), night]);
    assert!(twice.contains(&("night".to_owned(), true, Finding::SameName)), "{twice:?}");
    let over = entry(&[
        ("id", "over"),
        ("kind", "shut"),
        ("element", "xz.canal"),
        ("from", "2026-04-01T00:00"),
        ("to", "2026-04-02T00:00"),
    ]);
    assert_eq!(against(&[over]), [("over".to_owned(), false, Finding::Never)]);
}

/// The small basin with a second gate that takes from the river at the mouth, 20 km above the ford, for somebody outside.
fn with_offtake() -> (Config, Status) {
    let mut config = fixture::small();
    let mut basin = Basin::clone(&config.basin);
    let gate = &mut basin.gates[1];
    (gate.actuation, gate.automatic, gate.duty) = (Actuation::Driven, true, Duty::Supply);
    (gate.from, gate.to, gate.flow_meter) = (Place::Node(NodeId(1)), Place::Outside, Some(MeterId(0)));
    config.basin = Arc::new(basin);
    let mut status = fixture::status(&config);
    status.gates[1].flow = Estimate { flow: Some(q(0.1)), quality: Quality::Good, reason: None };
    let ford = &mut status.sections[1];
    ford.forecast = (0..=48).map(|hour| (f64::from(hour), q(1.8))).collect();
    ford.forecast_band = vec![(q(1.7), q(1.9)); 49];
    (config, status)
}

/// The ford is expected to have 1.8 m³/s and 1.7 at least, its floor is 1.5; 0.1 is taken already. From the mouth water takes ten
/// hours or less, from the dam fourteen or less.
#[test]
fn what_would_take_a_section_below_its_floor_before_the_dam_can_help_is_refused() {
    let (config, status) = with_offtake();
    let ask = |flow: &str, in_hours: i64| {
        let text = |hours: i64| Timestamp::from_second(NOW + 3600 * hours).unwrap().to_string();
        let (from, to) = (text(in_hours), text(in_hours + 6));
        let cells = [
            ("id", "e"),
            ("kind", "flow"),
            ("element", "g2"),
            ("flow_m3s", flow),
            ("from", from.as_str()),
            ("to", to.as_str()),
        ];
        let ground =
            Ground { basin: &config.basin, now: Some(status.utc), river: Some((&config.field, &status)) };
        let found = check::conflicts(&ground, &[entry(&cells)], &[]);
        found.into_iter().map(|conflict| (conflict.refused, conflict.finding)).collect::<Vec<_>>()
    };
    let short =
        |left: f64| Finding::Short { section: "ford".to_owned(), floor_m3s: q(1.5), left_m3s: q(left) };
    // 0.2 more: 1.5 of the low bound are left, which is enough.
    assert_eq!(ask("0.3", 1), []);
    // 0.25 more: of the low bound 1.45, of what is expected 1.55.
    assert_eq!(ask("0.35", 1), [(false, short(1.45))]);
    // 0.4 more: 1.4 of what is expected, after nine hours at the earliest.
    assert_eq!(ask("0.5", 1), [(true, short(1.4))]);
    // In ten hours the dam has time to make up for it.
    assert_eq!(ask("0.5", 10), [(false, short(1.4))]);
    // Less than now takes nothing.
    assert_eq!(ask("0.05", 1), []);
    // Nobody knows what passes.
    let mut blind = status.clone();
    blind.gates[1].flow.flow = None;
    let ground = Ground { basin: &config.basin, now: Some(blind.utc), river: Some((&config.field, &blind)) };
    let cells = [
        ("id", "e"),
        ("kind", "flow"),
        ("element", "g2"),
        ("flow_m3s", "0.5"),
        ("begin", "00:00"),
        ("end", "24:00"),
    ];
    let found = check::conflicts(&ground, &[entry(&cells)], &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].refused, &found[0].finding),
        (false, &Finding::NotTold { section: "ford".to_owned() })
    );
}

/// What the calendar of one entry for all of May asks of a gate that stands at `opening`, when the meters show `shown`.
fn asked(entry: Entry, gate: &str, opening: f64, shown: &dyn Fn(&str) -> Option<f64>) -> Asked {
    let config = shipped();
    let basin = &config.basin;
    let id = basin.gate(gate).unwrap();
    let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
    facts[id.0].opening = Some(Opening::clamped(opening));
    let schedules = Schedules { turns: Vec::new(), entries: vec![entry] };
    let meter = |meter: MeterId| shown(&basin.meters[meter.0].id);
    let scene = rules::Scene {
        basin,
        schedules: &schedules,
        calendar: &Memory::default(),
        meter: &meter,
        owed: &|_| None,
        facts: &facts,
        gates: &vec![GateMemory::default(); basin.gates.len()],
        now: Duration::from_secs(86_400),
        utc: "2026-05-15T04:00:00Z".parse().unwrap(),
        flood_season: false,
        tickets: &qindan::control::ticket::Tickets::default(),
    };
    rules::asked(&scene, id).unwrap().1
}

#[test]
fn a_flow_is_trimmed_by_the_meter_of_its_gate() {
    let flow = |passes: Option<f64>| {
        let entry = for_may("flow", "xz.canal", ("flow_m3s", "0.15"));
        asked(entry, "xz.canal", 0.4, &|meter| passes.filter(|_| meter == "q.wetland.xuezhuang"))
    };
    // 0.2 pass at 40 %: 0.15 pass at 30 %, a step of a tenth.
    let Asked::Go { to, why, cut: None } = flow(Some(0.2)) else { panic!("{:?}", flow(Some(0.2))) };
    assert!((to.fraction() - 0.3).abs() < 1e-9, "{to}");
    assert_eq!(why, Some(Because::Demand { flow: q(0.15) }));
    // Within 5 % of it nothing moves.
    assert_eq!(flow(Some(0.157)), Asked::There);
    assert!(matches!(flow(None), Asked::Blind(Limit::InputLost { .. })));
}

/// Wu'an with the water at its crest, 535.20 m: 0.895 m³/s pass by the eco pipe, 1.0 are owed at the toe of the weir, and the sand
/// sluice passes 34.65 for its whole stroke (see `rules`).
#[test]
fn no_entry_takes_the_minimum_release_of_a_weir() {
    let shut = for_may("opening", "wa.sluice.g1", ("opening_pct", "0"));
    let level = |meter: &str| (meter == "z.wuan").then_some(535.2);
    let config = shipped();
    let wuan = config.basin.reservoirs.iter().find(|body| body.id == "wuan").unwrap();
    assert_eq!(config.basin.meters[wuan.level_meter.unwrap().0].id, "z.wuan");
    let Asked::Go { to, cut, .. } = asked(shut, "wa.sluice.g1", 0.02, &level) else { panic!() };
    assert!((to.fraction() - 0.105 / 34.65).abs() < 2e-4, "{to}");
    assert_eq!(cut, Some(Limit::MinRelease { owed: q(1.0) }));
    let stay = for_may("stay", "wa.sluice.g1", ("", ""));
    assert_eq!(asked(stay, "wa.sluice.g1", 0.02, &level), Asked::There);
}

/// The small basin with its valve for a canal: only the calendar moves it.
pub(crate) fn canal(config: &mut Config) {
    let mut basin = Basin::clone(&config.basin);
    (basin.gates[0].duty, basin.gates[0].to) = (Duty::Supply, Place::Outside);
    config.basin = Arc::new(basin);
}

/// [`Core`] with such a valve at 24 %, in automatic.
fn core() -> Core {
    let mut config = crate::site::config_at(
        "127.0.0.1:15020".parse().unwrap(),
        qindan::control::operator::Mode::Automatic,
    );
    canal(&mut config);
    Core::new(config, 0.24, 1.5)
}

/// Opens the valve to `pct` from so many seconds after the begin of the test on, for an hour.
fn opens(pct: &str, after_s: i64, if_missed: &str) -> Entry {
    let at = |second: i64| Timestamp::from_second(NOW + second).unwrap().to_string();
    let (from, to) = (at(after_s), at(after_s + 3600));
    entry(&[
        ("id", "open"),
        ("kind", "opening"),
        ("element", "v1"),
        ("opening_pct", pct),
        ("from", from.as_str()),
        ("to", to.as_str()),
        ("if_missed", if_missed),
        ("order_number", "晋水调〔2026〕15号"),
    ])
}

fn activate(version: u32, entries: Vec<Entry>) -> Order {
    Order::ActivateSchedule { version, hash: schedule::hash(&entries), entries }
}

#[test]
fn an_activated_entry_moves_its_gate_in_its_time_and_names_itself() {
    let mut core = core();
    core.ticks(120);
    core.order(activate(1, vec![opens("40", 600, "late")]));
    // Ten minutes: nothing before its time.
    assert_eq!(core.ticks(470), []);
    let commanded = core.ticks(100);
    let [(second, cleared)] = commanded.as_slice() else { panic!("{commanded:?}") };
    assert!((600..=660).contains(second), "{second}");
    assert_eq!(cleared.action(), Action::Goto(Opening::clamped(0.4)));
    let order = Some("晋水调〔2026〕15号".to_owned());
    assert_eq!(cleared.because(), [Because::Schedule { entry: "open".into(), order }]);
    core.stand(0.4);
    assert_eq!(core.ticks(600), [], "once");
    assert_eq!(core.alarms(), Vec::<String>::new());
    let record = core.entries.iter().find(|entry| entry.kind == Kind::Schedule).unwrap();
    let detail = record.detail.as_ref().unwrap();
    assert_eq!(detail["order"]["changes"]["added"][0]["id"], "open", "{detail}");
    assert_eq!((record.actor.as_str(), &detail["accepted"]), ("operator:console", &true.into()));
    let status = core.status();
    assert!(status.calendar.steps["open"].started);
    assert_eq!(status.calendar.active.unwrap().version, 1);
}

#[test]
fn a_gate_in_manual_misses_its_entry_and_does_it_late_or_not_at_all() {
    for (if_missed, moves) in [("late", 1), ("skip", 0)] {
        let mut core = core();
        core.ticks(60);
        core.order(activate(1, vec![opens("40", 120, if_missed)]));
        core.order(Order::SetAuthority { gate: V1, authority: Authority::Manual });
        assert_eq!(core.ticks(330), []);
        assert!(!core.alarms().contains(&"A22:v1".to_owned()), "not before five minutes are over");
        assert_eq!(core.ticks(120), []);
        assert!(core.alarms().contains(&"A22:v1".to_owned()), "{:?}", core.alarms());
        let missed = core.entries.iter().filter(|entry| entry.kind == Kind::Schedule);
        let missed = missed.filter(|entry| entry.actor == "service").collect::<Vec<_>>();
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].limits, [Limit::Manual]);
        core.order(Order::SetAuthority { gate: V1, authority: Authority::Automatic });
        let commanded = core.ticks(120);
        assert_eq!(commanded.len(), moves, "{if_missed}: {commanded:?}");
        assert_eq!(core.alarms().contains(&"A22:v1".to_owned()), moves == 0, "{if_missed}");
    }
}

#[test]
fn a_gate_in_advice_begins_its_entry_when_a_person_accepts() {
    let mut core = core();
    core.ticks(60);
    core.order(activate(1, vec![opens("40", 120, "late")]));
    core.order(Order::SetAuthority { gate: V1, authority: Authority::Advice });
    assert_eq!(core.ticks(240), []);
    let open = core.status().proposals.first().cloned().unwrap();
    assert_eq!((open.gate, open.to), (V1, Opening::clamped(0.4)));
    core.order(Order::Accept { gate: V1, proposal: open.id, opening: open.to, second: false });
    assert_eq!(core.tick().len(), 1);
    core.stand(0.4);
    core.ticks(600);
    assert!(!core.alarms().contains(&"A22:v1".to_owned()), "{:?}", core.alarms());
}

#[test]
fn an_entry_cut_by_a_limit_is_told() {
    // The travel of the valve ends at 90 %: the calendar of a file that is older than that is cut.
    let mut config = core().config;
    let entry = Entry {
        target: schedule::Target::Opening { gate: "v1".into(), opening: Opening::FULL },
        ..opens("90", 60, "late")
    };
    config.schedules = Arc::new(Schedules { turns: Vec::new(), entries: vec![entry] });
    let mut core = Core::new(config, 0.24, 1.5);
    let commanded = core.ticks(180);
    assert_eq!(commanded.len(), 1, "{commanded:?}");
    assert_eq!(commanded[0].1.action(), Action::Goto(Opening::clamped(0.9)));
    core.stand(0.9);
    core.ticks(600);
    assert_eq!(core.alarms(), ["A21:v1"]);
}

#[test]
fn a_calendar_that_is_refused_or_old_changes_nothing() {
    let mut core = core();
    core.ticks(60);
    let told = |core: &mut Core, order: Order| {
        core.order(order);
        core.ticks(2);
        let entry = core.entries.iter().rfind(|entry| entry.kind == Kind::Schedule).unwrap();
        let detail = entry.detail.clone().unwrap();
        (detail["accepted"].clone(), detail["answer"].as_str().unwrap().to_owned())
    };
    let wrong =
        Entry { target: schedule::Target::Shut { gate: "no.such".into() }, ..opens("40", 600, "late") };
    let (accepted, answer) = told(&mut core, activate(1, vec![wrong]));
    assert_eq!(accepted, false);
    assert!(answer.contains("no gate or section of this name"), "{answer}");
    let entries = vec![opens("40", 600, "late")];
    let other = Order::ActivateSchedule { version: 1, hash: "0".repeat(64), entries: entries.clone() };
    assert_eq!(told(&mut core, other).0, false);
    assert_eq!(told(&mut core, activate(2, entries.clone())).0, true);
    let (accepted, answer) = told(&mut core, activate(2, Vec::new()));
    assert_eq!(accepted, false);
    assert!(answer.contains("version 2 is active already"), "{answer}");
    assert_eq!(core.status().calendar.active.unwrap().entries, entries);
}

/// A floor of 1.3 m³/s in place of 1.0 at the outlet, for two hundred seconds. The margin above it is the root of the squares of half the
/// meter's class of 5 % of the floor, 0.025 and 0.0325, and of what the forecast missed, which stays as it is for ten minutes.
#[test]
fn a_raised_floor_raises_the_set_point_while_it_holds() {
    let mut core = Core::automatic(0.24, 1.52);
    core.ticks(120);
    let setpoint = |core: &Core| core.status().sections[0].setpoint.unwrap().get();
    let before = setpoint(&core);
    let margin = before - 1.0;
    assert!(margin > 0.05 && margin < 0.1, "between the least and the cap: {margin}");
    let at = |second: i64| Timestamp::from_second(NOW + second).unwrap().to_string();
    let (from, to) = (at(300), at(500));
    core.order(activate(
        1,
        vec![entry(&[
            ("id", "high"),
            ("kind", "floor"),
            ("element", "outlet"),
            ("floor_m3s", "1.3"),
            ("from", from.as_str()),
            ("to", to.as_str()),
        ])],
    ));
    core.ticks(170);
    assert_eq!(setpoint(&core), before, "not yet");
    core.ticks(20);
    let raised = 1.3 + (margin.powi(2) - 0.025_f64.powi(2) + 0.0325_f64.powi(2)).sqrt();
    assert!((setpoint(&core) - raised).abs() < 1e-9, "{} {raised}", setpoint(&core));
    assert_eq!(core.status().sections[0].floor, Some(q(1.0)), "the legal floor is as it was");
    core.ticks(200);
    assert_eq!(setpoint(&core), before, "over");
}

#[test]
fn a_controller_remembers_its_calendar_over_a_restart() {
    let mut config = fixture::small();
    canal(&mut config);
    let start = Timestamp::from_second(NOW).unwrap();
    let settings = qindan::control::Settings::default();
    let mut controller = qindan::control::Controller::new(&config, settings, None, start);
    let entries = vec![opens("40", 600, "late")];
    let active = Active {
        version: 7,
        hash: schedule::hash(&entries),
        by: "li".into(),
        since: start,
        entries: entries.clone(),
    };
    controller.take_up_calendar(active);
    assert_eq!(controller.calendar(), entries);
    let stored = serde_json::to_string(&controller.carry(start)).unwrap();
    let carry = serde_json::from_str(&stored).unwrap();
    let again = qindan::control::Controller::new(&config, settings, Some(carry), start);
    assert_eq!(again.calendar(), entries);
    let remembered = qindan::control::Controller::remembering(&config, settings, controller.state()).unwrap();
    assert_eq!(remembered.calendar(), entries);
}
