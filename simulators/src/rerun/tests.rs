//! A short story with everything in it that may reach the controller, recorded once.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError, Weak};

use jiff::SignedDuration;
use qindan::control::command::Terminal;
use qindan::control::operator::{Authority, Mode, Order as Act};
use qindan::control::reason::Because;
use qindan::control::schedule::{self, row::Row};
use qindan::shell::snapshots::{About, Limits, Stream, files, folder};
use qindan::units::Opening;

use super::*;
use crate::plant::Event;
use crate::run::{Ending, Run};
use crate::scenario::{Case, Happening, What as Happens};

struct Recorded {
    folder: tempfile::TempDir,
    ticks: u64,
    commands: usize,
}

/// Faults, acts, a step of the clock, an orderly restart, and a kill with a command in flight.
fn story() -> Case {
    let mut case = crate::replay::load("may_dry", None, &[]).unwrap();
    let valve = case.config.basin.gate("zf.eco.v1").unwrap();
    let (unit, device) = (String::from("zf.hp.u1"), String::from("box.zf.eco.v1"));
    let opening = Opening::from_fraction(0.4).unwrap();
    let happens = [
        (20, Happens::Act(Act::SetPoint { gate: valve, opening, reason: "a test".into() }.into())),
        (28, Happens::Act(Act::HoldAll.into())),
        (30, Happens::Act(Act::ReleaseHold.into())),
        (31, Happens::Act(Act::SetAuthority { gate: valve, authority: Authority::Automatic }.into())),
        (40, Happens::Event(Event::Trip { gate: unit.clone() })),
        (50, Happens::Event(Event::Unplug { device: device.clone(), silent: true })),
        (56, Happens::Event(Event::Plug { device })),
        (66, Happens::ClockStep(SignedDuration::from_secs(-95))),
        (70, Happens::Act(Act::Acknowledge { alarm: "A31:zf.hp.u1".into() }.into())),
        (80, Happens::Act(Act::SetMode { mode: Mode::Advice }.into())),
        (90, Happens::Act(Act::SetMode { mode: Mode::Automatic }.into())),
        (100, Happens::Act(Act::SetAuthority { gate: valve, authority: Authority::Advice }.into())),
        (105, Happens::Act(Act::SetAuthority { gate: valve, authority: Authority::Automatic }.into())),
        (110, Happens::Event(Event::ResetTrip { gate: unit.clone() })),
        (150, Happens::Act(Act::SetPoint { gate: valve, opening, reason: "another".into() }.into())),
    ];
    case.scenario.happenings = happens
        .into_iter()
        .enumerate()
        .map(|(at, (minute, what))| Happening {
            id: format!("it-{at}"),
            at: Duration::from_mins(minute),
            what,
        })
        .collect();
    case
}

/// The record, made once for the tests that run side by side and removed with the last of them.
fn recorded() -> Arc<Recorded> {
    static SHARED: Mutex<Weak<Recorded>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let made = Arc::new(record());
        *shared = Arc::downgrade(&made);
        made
    })
}

fn record() -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let case = story();
    let seed = case.scenario.seed;
    let mut run = Run::new(case, seed);
    run.record(folder.path());
    run.until(Duration::from_mins(75), |_, _| {});
    run.restart(Ending::Stopped).unwrap();
    run.until(Duration::from_mins(150), |_, _| {});
    let open = |run: &Run| run.given().iter().any(|act| act.outcome.is_none());
    while !open(&run) {
        run.tick(Duration::from_mins(160));
    }
    run.restart(Ending::Killed).unwrap();
    run.until(Duration::from_mins(240), |_, _| {});
    assert!(!open(&run), "{:?}", run.given());
    let (ticks, commands) = (run.ticks(), run.given().len());
    run.take_recorder().unwrap().finish().unwrap();
    Recorded { folder, ticks, commands }
}

fn order(data: &Path) -> Order {
    Order { data: data.to_path_buf(), ..Order::default() }
}

fn again(order: &Order) -> anyhow::Result<Rerun> {
    of(order, &configuration(order)?)
}

/// A copy of the record to spoil.
fn copy() -> tempfile::TempDir {
    let recorded = recorded();
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(folder(copy.path())).unwrap();
    for file in files(&folder(recorded.folder.path())).unwrap() {
        fs::copy(&file.path, folder(copy.path()).join(file.name.file_name())).unwrap();
    }
    copy
}

fn told(done: anyhow::Result<Rerun>) -> String {
    format!("{:#}", done.unwrap_err())
}

#[test]
fn a_run_with_faults_acts_and_restarts_is_made_again_to_the_bit() {
    let recorded = recorded();
    let done = again(&order(recorded.folder.path())).unwrap();
    assert_eq!((done.differences.as_slice(), done.gaps.as_slice()), (&[][..], &[][..]), "{done:?}");
    assert_eq!(done.ticks, recorded.ticks);
    // Files begin at 0, 60, 75 (restart), 135, about 150 (killed) and 210 minutes; three of them go on.
    assert_eq!(done.states, 3, "{done:?}");
    // One a minute, a few less where a restart moves their grid between the ticks.
    assert!(done.cycles >= 200, "{done:?}");
    assert!(recorded.commands >= 4 && done.told > 3 * recorded.commands as u64, "{done:?}");
    assert!(done.notes.iter().any(|note| note.contains("stopped in order")), "{:?}", done.notes);
    assert!(done.notes.iter().any(|note| note.contains("without a word")), "{:?}", done.notes);
    let mut out = Vec::new();
    assert!(rerun(&order(recorded.folder.path()), &mut out).unwrap());
    assert!(String::from_utf8(out).unwrap().ends_with("no difference\n"));
}

/// A calendar activated half an hour after the start: the valve of a wetland goes to 45 %, and a sluice is shut as far as its weir
/// lets it. The virtual gate moves, the command names its entry, and the decisions come out the same again.
#[test]
fn an_activated_calendar_moves_its_gates_and_is_made_again_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut case = crate::replay::load("may_dry", None, &[]).unwrap();
    let row = |id: &str, gate: &str, pct: &str| {
        let (begin, end) = ("00:00".to_owned(), "24:00".to_owned());
        let mut row =
            Row { id: id.into(), kind: "opening".into(), element: gate.into(), begin, end, ..Row::default() };
        row.opening_pct = pct.into();
        row.entry(&case.config.basin.zone).unwrap()
    };
    let entries = vec![row("wetland", "by.valve", "45"), row("weir", "wa.sluice.g1", "0")];
    let act = Act::ActivateSchedule { version: 1, hash: schedule::hash(&entries), entries };
    let config = case.config.clone();
    let at = Duration::from_mins(30);
    case.scenario.happenings = vec![Happening { id: "calendar".into(), at, what: Happens::Act(act.into()) }];
    let seed = case.scenario.seed;
    let mut run = Run::new(case, seed);
    run.record(folder.path());
    run.until(Duration::from_secs(3600), |_, _| {});
    let valve = config.basin.gate("by.valve").unwrap();
    let moved: Vec<_> = run.given().iter().filter(|act| act.gate == valve && act.at >= at).collect();
    let [moved] = moved.as_slice() else { panic!("{moved:?}") };
    assert_eq!(moved.because, [Because::Schedule { entry: "wetland".into(), order: None }]);
    assert_eq!(moved.outcome, Some(Terminal::Verified));
    let stands = run.plant().gate_opening(valve);
    assert!((stands - 0.45).abs() <= config.basin.gates[valve.0].tolerance, "{stands}");
    run.take_recorder().unwrap().finish().unwrap();
    let done = of(&order(folder.path()), &config).unwrap();
    assert_eq!((done.differences.as_slice(), done.gaps.as_slice()), (&[][..], &[][..]), "{done:?}");
}

/// Two and a half days in which instruments and drives fail, with forecasts of five members and the plan in force.
const DAYS: &str = r#"
[scenario]
name_zh = "试"
name_en = "test"
purpose = "faults, forecasts and plans, recorded and made again"
seed = 11
start = 2026-05-11T00:00:00
duration = "60h"
spin_up = "1d"
year = "dry"
[inflow.longqu]
constant_m3s = 1.0
recession = [{ flow_m3s = 2.0, constant_d = 1.0 }]
[forecast.bureau]
target = "inflow:longqu"
every = "6h"
horizon = "48h"
step = "1h"
valid_for = "7h"
members = 5
noise = { share = 0.3, correlation_h = 6.0 }
[event.freezes]
at = "20h"
event = "meter_frozen"
meter = "q.runcheng"
[event.again]
at = "26h"
event = "meter_normal"
meter = "q.runcheng"
[event.silent]
at = "40h"
event = "meter_sentinel"
meter = "q.duanshi"
[event.off]
at = "44h"
event = "unplug"
device = "box.zf.eco.v1"
silent = true
[event.on]
at = "45h"
event = "plug"
device = "box.zf.eco.v1"
[event.sticks]
at = "47h"
event = "stick"
gate = "zf.eco.v2"
[event.trip]
at = "49h"
event = "trip"
gate = "zf.hp.u1"
[event.stranger]
at = "52h"
event = "foreign_target"
gate = "yc.sluice.g1"
opening = 0.1
"#;

#[test]
fn days_with_faults_forecasts_and_plans_are_made_again_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("days.toml");
    fs::write(&file, DAYS).unwrap();
    let mut case = crate::replay::load(&file.display().to_string(), None, &[]).unwrap();
    Arc::make_mut(&mut case.config.basin).control.follow_plan = true;
    let config = case.config.clone();
    let mut run = Run::new(case, 11);
    run.record(folder.path());
    run.until(Duration::from_hours(60), |_, _| {});
    run.take_recorder().unwrap().finish().unwrap();
    let done = of(&order(folder.path()), &config).unwrap();
    assert_eq!((done.differences.as_slice(), done.gaps.as_slice()), (&[][..], &[][..]), "{done:?}");
    // A file an hour, the last one with the tick of the 60th; all but the first go on.
    assert_eq!((done.ticks, done.states), (run.ticks(), 60), "{done:?}");
    assert!(done.cycles >= 3590 && done.told > 100, "{done:?}");
    // All that this day was to bring stands in the last memory: forecasts, a plan, what lies ahead, alarms.
    let last = files(&snapshots::folder(folder.path())).unwrap().pop().unwrap();
    let memory = String::from_utf8(Opened::read(&last.path).unwrap().unwrap().memory().to_vec()).unwrap();
    for part in ["inflow:longqu", "\"made\":", "\"feet\":", "\"A31:zf.hp.u1\""] {
        assert!(memory.contains(part), "no {part} in {memory}");
    }
}

#[test]
fn a_stretch_begins_at_the_state_before_it() {
    let recorded = recorded();
    // The story begins at midnight of the site, UTC+8; its clock is 95 s behind from 66 minutes on.
    let (from, to) = (Some("2026-05-11 01:30".into()), Some("2026-05-11 02:00".into()));
    let done = again(&Order { from, to, ..order(recorded.folder.path()) }).unwrap();
    assert_eq!((done.count(), done.gaps.len()), (0, 0), "{done:?}");
    let minutes = (done.span.unwrap().1.duration_since(done.span.unwrap().0)).as_mins();
    assert!((29..=30).contains(&minutes) && done.cycles >= 14, "{done:?}");
    let before = Order { from: Some("2026-05-10 23:00".into()), ..order(recorded.folder.path()) };
    assert!(told(again(&before)).contains("what is kept begins at"));
    let after = Order { to: Some("2026-05-12 00:00".into()), ..order(recorded.folder.path()) };
    assert!(again(&after).unwrap().gaps[0].contains("nothing is kept from"));
    let noon = Order { to: Some("noon".into()), ..order(recorded.folder.path()) };
    assert!(told(again(&noon)).contains("write a civil time"));
}

#[test]
fn another_configuration_is_refused_or_its_differences_named() {
    let recorded = recorded();
    let set = vec!["control.margin.class_share_pct=40.0".into()];
    let other = Order { set, ..order(recorded.folder.path()) };
    assert!(told(again(&other)).contains("--other-config"));
    let done = again(&Order { other_config: true, ..other }).unwrap();
    let first = &done.differences[0];
    // The first control cycle publishes another set point: above 1 m³/s the root of the squares of 0.05 for a forecast
    // without a record, and of 70 or 40 % of the class of the meter, 3 % of that 1 m³/s: 1.0542 and 1.0514.
    assert_eq!(
        (first.utc.to_string().as_str(), first.what),
        ("2026-05-10T16:00:00Z", What::Published),
        "{done:?}"
    );
    let (recorded, now) = first.text.split_once(", now ").unwrap();
    assert!(recorded.starts_with("set point of zf_out, m³/s: recorded 1.0542"), "{first}");
    assert!(now.starts_with("1.0514"), "{first}");
    assert!(done.counts[&What::Published] > 0, "{done:?}");
    assert!(text(&done).contains("first difference: 2026-05-10T16:00:00Z, "), "{}", text(&done));
}

#[test]
fn a_flipped_bit_is_refused_with_its_place() {
    let copy = copy();
    let file = &files(&folder(copy.path())).unwrap()[0].path;
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
    let said = told(again(&order(copy.path())));
    assert!(said.contains("damaged at byte") && said.contains("take it from a backup"), "{said}");
}

#[test]
fn a_missing_file_and_decisions_left_out_are_told() {
    let copy = copy();
    let all = files(&folder(copy.path())).unwrap();
    fs::remove_file(&all[1].path).unwrap();
    let mut out = Vec::new();
    let said = format!("{:#}", rerun(&order(copy.path()), &mut out).unwrap_err());
    assert!(said.contains("something is missing"), "{said}");
    assert!(String::from_utf8(out).unwrap().contains("missing: files 2 to 2 are missing"));

    let cut = copy_without_end(&all[0].path);
    let done = again(&order(cut.path())).unwrap();
    assert!(done.gaps[0].starts_with("1 decisions after"), "{done:?}");
    assert_eq!(done.count(), 0, "{done:?}");
}

#[test]
fn a_service_killed_while_it_wrote_leaves_a_torn_end_that_is_told_and_costs_one_decision() {
    let copy = copy();
    let last = files(&folder(copy.path())).unwrap().pop().unwrap().path;
    let whole = fs::read(&last).unwrap();
    let ticks = again(&order(copy.path())).unwrap().ticks;
    for lost in [1, 9] {
        fs::write(&last, &whole[..whole.len() - lost]).unwrap();
        let done = again(&order(copy.path())).unwrap();
        assert_eq!((done.count(), done.gaps.as_slice(), done.ticks), (0, &[][..], ticks - 1), "{done:?}");
        assert!(done.notes.iter().any(|note| note.contains("of an unfinished moment")), "{:?}", done.notes);
    }
    // Killed before the first frames were whole.
    fs::write(&last, &whole[..100]).unwrap();
    let done = again(&order(copy.path())).unwrap();
    assert!(done.notes.iter().any(|note| note.contains("begun and not written")), "{:?}", done.notes);
    assert_eq!(done.count(), 0, "{done:?}");
}

/// The record whose first file has lost its last moment.
fn copy_without_end(first: &Path) -> tempfile::TempDir {
    let cut = copy();
    let file = folder(cut.path()).join(first.file_name().unwrap());
    let bytes = fs::read(&file).unwrap();
    // The last byte of the last frame is gone, and so is the frame.
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    cut
}

/// One level a hair beside what it was, in one moment; and one record with another word.
#[test]
fn one_input_or_one_record_that_was_another_is_named() {
    let recorded = recorded();
    let first = files(&folder(recorded.folder.path())).unwrap().remove(0);
    let config = configuration(&Order::default()).unwrap();
    let level = config.basin.meters.iter().position(|meter| meter.id == "z.zf").unwrap();
    let point = config.field.wiring.meters[level].unwrap();
    for what in [What::Published, What::Record] {
        let changed = tempfile::tempdir().unwrap();
        let mut opened = Opened::read(&first.path).unwrap().unwrap();
        let head = opened.head().clone();
        let about = About {
            basin: head.basin,
            config: head.config,
            boot: head.boot,
            settings: head.settings,
            turns: head.turns,
        };
        let limits = Limits { days: 1, bytes: u64::MAX };
        let mut stream = Stream::new(&folder(changed.path()), limits, about);
        stream.begin(&opened.state().unwrap(), head.now).unwrap();
        let mut bent = None;
        while let Some(Step::Moment(mut moment, now)) = opened.step().unwrap() {
            let at = now.mono >= Duration::from_mins(30);
            let record = String::from_utf8(moment.told.clone()).unwrap();
            let due = at && bent.is_none();
            if due && what == What::Published && !moment.picture.is_empty() {
                let (value, _) = moment.seen.samples[point.0].good.as_mut().unwrap();
                *value = value.next_up();
                bent = Some(now.utc);
            } else if due && what == What::Record && record.contains("\"kind\":\"operator\"") {
                moment.told = record.replace("operator:scenario", "operator:nobody").into_bytes();
                bent = Some(now.utc);
            }
            stream.moment(&moment, now).unwrap();
        }
        stream.end();
        let done = again(&order(changed.path())).unwrap();
        assert!(done.differences.iter().all(|found| Some(found.utc) == bent), "{done:?}");
        let of_kind = |found: &&Difference| found.what == what;
        let found = done.differences.iter().find(of_kind).unwrap();
        if what == What::Record {
            assert_eq!(done.count(), 1, "{done:?}");
            let expected = "operator: actor recorded \"operator:nobody\", now \"operator:scenario\"";
            assert!(found.text.ends_with(expected), "{}", found.text);
        } else {
            // Where a gate was moved in that moment, the digest of the inputs in its intent tells it too.
            assert!(found.text.starts_with("readings: now "), "{done:?}");
        }
    }
}
