mod stories;
mod wrong;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::config::Config;
use tempfile::TempDir;

use super::*;
use crate::live::Live;
use crate::plant::Event;
use crate::run::Run;
use crate::world::World;

/// A dry May week in which nothing happens by itself.
const HEAD: &str = "[scenario]\nname_zh = \"试\"\nname_en = \"test\"\npurpose = \"a test\"\nseed = 7\n\
                    start = 2026-05-11T00:00:00\nduration = \"4d\"\nspin_up = \"1d\"\nyear = \"dry\"\n";

fn shipped() -> Config {
    qindan::config::load(&above("config").unwrap()).unwrap()
}

/// A folder with `files` by name.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn load_in(folder: &Path) -> Result<Case, String> {
    let loaded = load(&folder.join("s.toml"), |_| Ok(shipped()));
    let place = format!("{}/", folder.display());
    loaded
        .map(|(scenario, config)| Case::new(scenario, config))
        .map_err(|error| error.to_string().replace(&place, ""))
}

fn loaded(text: &str) -> Case {
    load_in(folder(&[("s.toml", &format!("{HEAD}{text}"))]).path()).unwrap()
}

/// The problems of the head and `text`, without the closing line.
fn problems(text: &str) -> Vec<String> {
    let said = load_in(folder(&[("s.toml", &format!("{HEAD}{text}"))]).path()).unwrap_err();
    let mut lines = said.lines().map(str::to_owned).collect::<Vec<_>>();
    lines.pop();
    lines
}

fn happenings(case: &Case) -> Vec<(&str, u64)> {
    case.scenario.happenings.iter().map(|it| (it.id.as_str(), it.at.as_secs() / 60)).collect()
}

#[test]
fn what_is_included_lies_below_and_each_path_counts_from_its_file() {
    let record = "time,flow_m3s\n2026-05-11T00:00:00+08:00,3.0\n2026-05-16T00:00:00+08:00,3.0\n";
    let may =
        "include = [\"water.toml\"]\n[event.trip]\nat = \"1d\"\nevent = \"trip\"\ngate = \"zf.hp.u1\"\n";
    let water = "[inflow.zhangfeng]\ncsv = { file = \"data/in.csv\", values = \"instantaneous\" }\n\
                 [inflow.longqu]\nconstant_m3s = 9.0\nscale = 2.0\n";
    let own = format!(
        "include = [\"parts/may.toml\", \"parts/water.toml\"]\n{HEAD}[event.trip]\ngate = \"zf.hp.u2\"\n\
         [inflow.longqu]\nconstant_m3s = 0.5\n"
    );
    let files = [
        ("s.toml", own.as_str()),
        ("parts/may.toml", may),
        ("parts/water.toml", water),
        ("parts/data/in.csv", record),
    ];
    let case = load_in(folder(&files).path()).unwrap();
    let inflow = |id: &str| {
        let at = case.config.basin.inflows.iter().position(|inflow| inflow.id == id).unwrap();
        case.forcing(Duration::from_hours(5)).inflows[at]
    };
    // The record; the constant of the file itself times the scale of what it includes.
    assert!((inflow("zhangfeng") - 3.0).abs() < 1e-12 && (inflow("longqu") - 1.0).abs() < 1e-12);
    let [trip] = case.scenario.happenings.as_slice() else { panic!("{:?}", case.scenario.happenings) };
    assert_eq!(trip.what, What::Event(Event::Trip { gate: "zf.hp.u2".into() }));
    assert_eq!(trip.at, Duration::from_hours(24));
}

#[test]
fn circles_missing_files_and_problems_in_parts_are_told_with_their_place() {
    let own = format!("include = [\"parts/a.toml\",\n  \"parts/none.toml\"]\n{HEAD}");
    let a = "include = [\"b.toml\"]\n[inflow.longq]\nconstant_m3s = 1.0\n";
    let b = "# circle\ninclude = [\"a.toml\"]\n";
    let files = [("s.toml", own.as_str()), ("parts/a.toml", a), ("parts/b.toml", b)];
    let said = load_in(folder(&files).path()).unwrap_err();
    assert_eq!(
        said,
        "parts/a.toml:2  inflow longq: the configuration has no inflow \"longq\"; did you mean longqu?\n\
         parts/b.toml:2  include[0] = \"a.toml\": goes in a circle: parts/a.toml includes parts/b.toml includes \
         parts/a.toml; remove one of them\n\
         s.toml:2  include[1] = \"parts/none.toml\": parts/none.toml: cannot be read: No such file or directory (os \
         error 2); name an existing file; the path counts from the file this stands in\n\
         3 problems; nothing was run"
    );
}

#[test]
fn what_repeats_and_what_follows_happens_each_time() {
    let case = loaded(
        "[event.trip]\nat = \"6h\"\nevery = \"1d\"\nuntil = \"3d\"\nevent = \"trip\"\ngate = \"zf.hp.u1\"\n\
         [event.reset]\nafter = \"trip\"\ndelay = \"90min\"\nevent = \"reset_trip\"\ngate = \"zf.hp.u1\"\n\
         [event.pump]\nafter = \"reset\"\nwant = \"in.duanshi_irr\"\nrate_m3s = 0.2\nlasts = \"2h\"\n",
    );
    let mut seen = happenings(&case);
    seen.retain(|(id, _)| !id.starts_with("pump"));
    let day = 24 * 60;
    let expected = [
        ("trip", 360),
        ("reset", 450),
        ("trip-2", 360 + day),
        ("reset-2", 450 + day),
        ("trip-3", 360 + 2 * day),
        ("reset-3", 450 + 2 * day),
    ];
    assert_eq!(seen, expected);
    let pump = case.config.basin.intakes.iter().position(|intake| intake.id == "in.duanshi_irr").unwrap();
    let taken = |minute| case.forcing(Duration::from_mins(minute)).intakes[pump];
    // From the reset at 7:30 on for two hours; the plan of the configuration has no turn before 14 May.
    let day_two = [449, 450, 569, 570, 450 + day].map(taken);
    assert!(
        day_two.iter().zip([0.0, 0.2, 0.2, 0.0, 0.2]).all(|(is, was)| (is - was).abs() < 1e-12),
        "{day_two:?}"
    );
}

/// The stand-by valve of the dam is opened on site, its key on local, at 26 h; the condition on its opening has held for 30 minutes at 26 h 31 min at
/// the latest, a minute and its travel of three after it. It fires once, and what follows comes 2 h later.
#[test]
fn a_condition_fires_once_after_its_hold() {
    let case = loaded(
        "[event.key]\nat = \"26h\"\nevent = \"local\"\ngate = \"zf.eco.v2\"\n\
         [event.open]\nat = \"26h\"\nevent = \"move_on_site\"\ngate = \"zf.eco.v2\"\nopening = 0.9\n\
         [event.freeze]\nwhen = { gate = \"zf.eco.v2\", above_pct = 50.0, for = \"30min\" }\n\
         event = \"meter_frozen\"\nmeter = \"q.runcheng\"\n\
         [event.thaw]\nafter = \"freeze\"\ndelay = \"2h\"\nevent = \"meter_normal\"\nmeter = \"q.runcheng\"\n\
         [event.never]\nwhen = { gate = \"zf.eco.v2\", below_pct = 1.0, from = \"27h\" }\nact = \"hold_all\"\n",
    );
    let mut run = Run::new(case, 7);
    run.until(Duration::from_hours(40), |_, _| {});
    let seen = run.happened().iter().map(|it| (it.id.as_str(), it.at.as_secs() / 60)).collect::<Vec<_>>();
    let at = |id: &str| seen.iter().filter(|(name, _)| *name == id).map(|(_, at)| *at).collect::<Vec<_>>();
    let [freeze] = at("freeze")[..] else { panic!("{seen:?}") };
    // Past 50 % after half of its stroke of 120 s; looked at on whole minutes.
    assert!((26 * 60 + 31..=26 * 60 + 34).contains(&freeze), "{seen:?}");
    assert_eq!(at("thaw"), [freeze + 120]);
    assert_eq!(at("never"), Vec::<u64>::new());
    let meter = run.case().config.basin.meters.iter().position(|meter| meter.id == "q.runcheng").unwrap();
    assert!(run.plant().meter_is_sound(qindan::basin::MeterId(meter)));
}

/// The same river watched in steps of 1 s, of 7 s and of an hour: the condition is met at the same minute.
#[test]
fn when_a_condition_is_met_does_not_depend_on_the_steps() {
    let case = loaded(
        "[inflow.zhangfeng]\nrecession = [{ flow_m3s = 5.0, constant_d = 1.0 }]\n\
         [event.dry]\nwhen = { inflow = \"zhangfeng\", below_m3s = 4.0, for = \"10min\" }\n\
         event = \"peaking\"\nstation = \"hp.yuchi\"\non = true\n",
    );
    let fired = |step: u64, hours: u64| {
        let mut case = case.clone();
        let mut plant =
            crate::plant::Plant::new(&case.config, 7, case.scenario.start, &case.forcing(Duration::ZERO));
        let mut agenda = Agenda::new(&case.scenario);
        let mut now = Duration::ZERO;
        while now < Duration::from_hours(hours) {
            let due = agenda.due(&case.scenario, now).unwrap_or(Duration::MAX);
            let next = due.min(now + Duration::from_secs(step));
            let dt = next.saturating_sub(now);
            plant.advance(dt, &case.forcing(now + dt / 2));
            now = next;
            agenda.look(&mut case, &plant, now);
            while agenda.take(&case.scenario, now).is_some() {}
        }
        agenda.past(&case.scenario).iter().map(|it| (it.id.clone(), it.at)).collect::<Vec<_>>()
    };
    // 2.02 of May and 5 · e^(−t): 4.0 after ln(5/1.98) = 0.926 days, 22 h 14 min, and ten minutes.
    let hourly = fired(3600, 24);
    assert_eq!(hourly.len(), 1);
    let minute = hourly[0].1.as_secs() / 60;
    assert!((1343..=1346).contains(&minute), "{minute}");
    assert_eq!(fired(7, 24), hourly);
}

/// A world at the pace of a clock, advanced by 13 s or by 47 min at a time: the pond falls past its bound at the same minute,
/// and a demand answers it.
#[test]
fn a_live_world_meets_a_condition_at_the_same_minute_whatever_its_pace() {
    let case = loaded(
        "[event.key]\nat = \"1h\"\nevent = \"local\"\ngate = \"wa.sluice.g1\"\n\
         [event.opened]\nafter = \"key\"\nevent = \"move_on_site\"\ngate = \"wa.sluice.g1\"\nopening = 0.2\n\
         [event.low]\nwhen = { reservoir = \"wuan\", below_m = 535.0, for = \"5min\" }\n\
         want = \"in.duanshi_irr\"\nrate_m3s = 0.3\nlasts = \"1h\"\n",
    );
    let told = |by: u64| {
        let forcing = case.forcing(Duration::ZERO);
        let world = World::new(&case.config, 7, case.scenario.start, &forcing);
        let agenda = Agenda::new(&case.scenario);
        let mut live = Live::new(case.clone(), Arc::new(Mutex::new(world)), agenda, Duration::ZERO);
        while live.now().mono < Duration::from_hours(10) {
            live.advance(Duration::from_secs(by), |_, _, _| {});
        }
        live.case().scenario.happenings.iter().map(|it| (it.id.clone(), it.at)).collect::<Vec<_>>()
    };
    let slow = told(13);
    let names = slow.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["key", "opened", "low", "low-over"]);
    assert_eq!(told(47 * 60), slow);
}

#[test]
fn a_jump_of_the_clock_is_seen_by_the_service_alone() {
    let case = loaded("[event.back]\nat = \"2h\"\nclock_step_s = -5400.0\n");
    let mut run = Run::new(case, 7);
    let mut clocks = Vec::new();
    run.until(Duration::from_hours(3), |run, tick| {
        clocks.push((tick.now.mono, run.clock().as_secs()));
    });
    let before = clocks.iter().filter(|(at, _)| *at < Duration::from_hours(2));
    assert!(before.clone().count() > 100 && before.into_iter().all(|(_, ahead)| *ahead == 0));
    assert_eq!(clocks.last(), Some(&(Duration::from_hours(3), -5400)));
}

#[test]
fn another_seed_brings_other_noise_and_the_same_seed_the_same() {
    let case = loaded("[inflow.longqu]\nconstant_m3s = 1.0\nnoise = { share = 0.2, correlation_h = 3.0 }\n");
    let longqu = case.config.basin.inflows.iter().position(|inflow| inflow.id == "longqu").unwrap();
    let flow = |case: &Case| case.forcing(Duration::from_hours(50)).inflows[longqu].to_bits();
    let mut other = case.clone();
    other.scenario.reseed(8);
    assert_ne!(flow(&other), flow(&case));
    other.scenario.reseed(7);
    assert_eq!(flow(&other), flow(&case));
}

#[test]
fn whatever_is_wrong_with_a_generator_is_told_at_once() {
    let said = problems(
        "[inflow.longqu]\n\
         recession = [{ flow_m3s = 1.0, constant_d = 0.0 }, { flow_m3s = -1.0, constant_d = 5.0 }]\n\
         [inflow.xian]\nnoise = { share = 1.5, correlation_h = 6.0 }\n\
         [inflow.duanshi]\nhydropeaking = [{ blocks_h = [[7.0, 7.2], [20.0, 26.0]], on_m3s = 1.0, off_m3s = 0.0, ramp_h = 0.5 }]\n\
         [inflow.luwei]\nsnow_melt = [{ begin = 2026-05-01T00:00:00, end = 2026-04-01T00:00:00, peak_m3s = 1.0, daily_share = 0.3, top_h = 16.0 }]\n\
         [inflow.bagong]\nstorms = { interval_d = 3.0, peak_m3s = 2.0, to_peak_h = 8.0, steam = \"x\" }\n",
    );
    assert_eq!(
        said,
        [
            "s.toml:11  inflow longqu.recession[0].constant_d = 0.0: is not above 0; give a positive number",
            "s.toml:11  inflow longqu.recession[1].flow_m3s = -1.0: is negative; give 0 or more",
            "s.toml:13  inflow xian.noise.share = 1.5: is no share; give 0 to 1, as 0.3",
            "s.toml:15  inflow duanshi.hydropeaking[0].blocks_h[0] = [7.0, 7.2]: is no block; give two hours of one day, \
             0 to 24, at least ramp_h apart; past midnight, give two blocks",
            "s.toml:15  inflow duanshi.hydropeaking[0].blocks_h[1] = [20.0, 26.0]: is no block; give two hours of one day, \
             0 to 24, at least ramp_h apart; past midnight, give two blocks",
            "s.toml:17  inflow luwei.snow_melt[0].end = 2026-04-01T00:00:00: does not lie after begin; put begin before end",
            "s.toml:19  inflow bagong.storms.steam = \"x\": no such key; did you mean stream?",
        ]
    );
}

#[test]
fn whatever_is_wrong_with_what_happens_is_told_at_once() {
    let said = problems(
        "[event.none]\nevent = \"trip\"\ngate = \"zf.hp.u1\"\n\
         [event.both]\nat = \"1d\"\nafter = \"none\"\nevent = \"trip\"\ngate = \"zf.hp.u9\"\n\
         [event.late]\nat = \"5d\"\nevent = \"cut_link\"\nlink = \"dem\"\n\
         [event.a]\nafter = \"b\"\nact = \"hold_all\"\n\
         [event.b]\nafter = \"a\"\nact = \"release_hold\"\n\
         [event.lost]\nafter = \"aa\"\nact = \"release_hold\"\n\
         [event.unit]\nwhen = { section = \"runcheng\", below_m = 1.0, above_m3s = 2.0, below_m3s = 1.5 }\nact = \"hold_all\"\n\
         [event.high]\nwhen = { reservoir = \"zhangfeng\", above_m = 800.0 }\nact = \"hold_all\"\n\
         [event.often]\nat = \"1d\"\nevery = \"5s\"\nclock_step_s = \"1h\"\n\
         [expect]\nkept = [\"duanshi\"]\nraised = [\"trip\"]\nhappened = [\"late\"]\n",
    );
    assert_eq!(
        said,
        [
            "s.toml:10  event none: has no time; give at, as \"2d 6h\" after the start or an instant, or after = \"EVENT\", \
             or when = { … }",
            "s.toml:13  event both: has more than one cause; keep one of at, after, when",
            "s.toml:17  event both.gate = \"zf.hp.u9\": the configuration has no gate \"zf.hp.u9\"; did you mean zf.hp.u1?",
            "s.toml:19  event late.at = \"5d\": lies after the end of the run; give an earlier moment, or lengthen duration",
            "s.toml:21  event late.link = \"dem\": the configuration has no link \"dem\"; did you mean dam?",
            "s.toml:26  event b.after = \"a\": waits for itself; let one of them happen at a time or on a condition",
            "s.toml:29  event lost.after = \"aa\": the configuration has no event \"aa\"; did you mean a?",
            "s.toml:32  event unit.when.below_m = 1.0: is no unit of a section; give below_m3s",
            "s.toml:32  event unit.when.below_m3s = 1.5: is never met above 2; put above_m3s below below_m3s, or keep one",
            "s.toml:35  event high.when.above_m = 800.0: can never be reached; give 693 to 763",
            "s.toml:39  event often.every = \"5s\": is too often; give a minute or more",
            "s.toml:40  event often.clock_step_s = \"1h\": is no such number; give -31622400 to 31622400",
            "s.toml:42  expect.kept[0] = \"duanshi\": the configuration has no section with a floor \"duanshi\"; the \
             configuration has zf_out, runcheng",
            "s.toml:43  expect.raised[0] = \"trip\": is no alarm; write its number, as \"A31\", or with its element, as \
             \"A31:zf.hp.u1\"",
            "s.toml:44  expect.happened[0] = \"late\": waits for no condition; name one of those that \
             do: unit, high",
        ]
    );
}

/// Every file of the library, long ones included, stands its check; each says what it should show in one line.
#[test]
fn the_library_is_in_order() {
    let mut said = Vec::new();
    let sound = check_all(&[], None, &mut said).unwrap();
    assert!(sound, "{}", String::from_utf8_lossy(&said));
    for file in files().unwrap() {
        let head = head(&file).unwrap();
        assert!((20..=240).contains(&head.purpose.chars().count()), "{}: {}", file.display(), head.purpose);
    }
}

/// The bands a forecast of the scenario gives `hours` from the start, as the controller has them after some hours.
fn foretold(case: &Case, after_h: u64, hours: f64) -> Vec<Option<f64>> {
    let (start, seed) = (case.scenario.start, case.scenario.seed);
    let targets = case.scenario.forecasts.iter().map(|it| it.target).collect::<Vec<_>>();
    let mut run = Run::new(case.clone(), seed);
    run.until(Duration::from_hours(after_h), |_, _| {});
    let now = crate::inflow::instant(start, Duration::from_hours(after_h));
    let after = |target| run.controller().forecasts().at(target, now, hours).map(|band| band.mid);
    targets.into_iter().map(after).collect()
}

const LONGQU: &str =
    "[inflow.longqu]\nrecession = [{ flow_m3s = 2.0, constant_d = 1.0 }]\nconstant_m3s = 1.0\n";
const MADE: &str = "every = \"6h\"\nhorizon = \"48h\"\nstep = \"1h\"\nvalid_for = \"7h\"\n";

/// 1 + 2 · e^(−t/24 h): at 2 h 2.8401, at 4 h 2.6930.
#[test]
fn a_forecast_is_what_comes_with_its_bias_and_lag() {
    let text = format!(
        "{LONGQU}[forecast.plain]\ntarget = \"inflow:longqu\"\n{MADE}[forecast.off]\ntarget = \"intake:in.duanshi_irr\"\n\
         {MADE}\n[intake.\"in.duanshi_irr\"]\nturns = [{{ from = \"0h\", to = \"3d\", rate_m3s = 0.2 }}]\n"
    );
    let case = loaded(&text);
    let near = |found: Option<f64>, by_hand: f64| found.is_some_and(|flow| (flow - by_hand).abs() < 1e-3);
    // In the order of the file's names: off, plain.
    let at = foretold(&case, 1, 3.0);
    let names = case.scenario.forecasts.iter().map(|it| it.id.as_str()).collect::<Vec<_>>();
    let by = |name: &str, found: &[Option<f64>]| found[names.iter().position(|it| *it == name).unwrap()];
    assert!(near(by("plain", &at), 2.6930) && near(by("off", &at), 0.2), "{at:?}");
    let off = "target = \"inflow:longqu\"\nbias = 1.5\nlag_h = 2.0\n";
    let spoilt = loaded(&text.replace("target = \"inflow:longqu\"\n", off));
    // Two hours too late and half as much again: 1.5 · 2.8401.
    assert!(near(by("plain", &foretold(&spoilt, 1, 3.0)), 4.2602));
}

#[test]
fn noise_depends_on_the_seed_and_what_goes_stale_ends() {
    let text = |extra: &str| format!("{LONGQU}[forecast.x]\ntarget = \"inflow:longqu\"\n{MADE}{extra}");
    let noisy = loaded(&text("members = 5\nnoise = { share = 0.3, correlation_h = 6.0 }\n"));
    let mut other = noisy.clone();
    other.scenario.reseed(8);
    let [a, b, c] = [&noisy, &noisy, &other].map(|case| foretold(case, 1, 3.0)[0].unwrap());
    assert!((a - b).abs() < 1e-12 && (a - c).abs() > 1e-6 && (a - 2.6930).abs() > 1e-6, "{a} {b} {c}");
    // The issue of 6 h is the last, it ends at 13 h; its successor at 12 h never comes.
    let stale = loaded(&text("stale_after = \"11h\"\n"));
    assert!(foretold(&stale, 12, 1.0)[0].is_some());
    assert_eq!(foretold(&stale, 13, 1.0), [None]);
}

#[test]
fn a_forecast_file_is_sent_issue_by_issue_at_its_time() {
    let rows = |day: u32, flow: f64| {
        let issued = format!("2020-01-0{day}T00:00:00Z");
        let end = format!("2020-01-0{}T12:00:00Z", day + 1);
        [0, 8, 16]
            .map(|hour| format!("inflow:longqu,{issued},{end},2020-01-0{day}T{hour:02}:00:00Z,{flow}\n"))
            .concat()
    };
    let file = format!("target,issued,expires,time,flow_m3s\n{}{}", rows(2, 5.0), rows(1, 4.0));
    let own = format!(
        "{HEAD}[forecast.bureau]\ntarget = \"inflow:longqu\"\nfile = \"f.csv\"\nat = 2026-05-11T00:00:00\n"
    );
    let case = load_in(folder(&[("s.toml", &own), ("f.csv", &file)]).path()).unwrap();
    assert_eq!(foretold(&case, 2, 1.0), [Some(4.0)]);
    assert_eq!(foretold(&case, 25, 1.0), [Some(5.0)]);
    // Sixteen hours are given, no more.
    assert_eq!(foretold(&case, 2, 15.0), [None]);
}

#[test]
fn a_wrong_forecast_is_told_with_its_key() {
    let said = problems(
        "[forecast.a]\ntarget = \"inflow:longq\"\nevery = \"6h\"\nstep = \"10s\"\nvalid_for = \"7h\"\nbias = -1.0\n\
         [forecast.b]\ntarget = \"meter:q.runcheng\"\nevery = \"6h\"\nhorizon = \"48h\"\nstep = \"1h\"\nvalid_for = \"7h\"\n\
         [forecast.c]\ntarget = \"inflow:longqu\"\nfile = \"none.csv\"\nmembers = 3\n",
    );
    for part in [
        "did you mean inflow:longqu?",
        "forecast a.horizon",
        "forecast a.step",
        "forecast a.bias",
        "what a meter will show is not known beforehand",
        "none.csv: cannot be read",
        "is given by the file",
    ] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    }
}
