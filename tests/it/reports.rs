//! Bulletins and attainment: numbers worked out by hand, a month beside an independent calculation, the same bytes again, and
//! on schedule.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use qindan::basin::{Name, SectionId};
use qindan::config::Config;
use qindan::config::reports::{self, Exemption, Filing, Reports};
use qindan::control::Now;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::control::quality::{Quality, Reading};
use qindan::control::reason::Because;
use qindan::control::record::{Entry, Kind};
use qindan::report::day::{Day, DayBegins, Period};
use qindan::report::{Ground, Lang, csv, html};
use qindan::shell::history::Direct;
use qindan::shell::journal::{Journal, Names, Settings};
use qindan::shell::reports::{Daily, Folder as Reported};
use qindan::units::Opening;

use crate::fixture;
use crate::journal::{intent, outcome};
use crate::running::{Bench, Folder, PATIENCE};
use crate::site::{self, Drive, Site};

pub(crate) const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn reading(value: Option<f64>) -> Reading {
    let quality = if value.is_some() { Quality::Good } else { Quality::Bad };
    Reading { value, quality, reason: None, taken_at: None, last_good: None }
}

fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Samples every ten minutes from `from` until before `to`: what each point shows, by minutes since `from`.
fn fill(
    folder: &Folder,
    config: &Config,
    (from, to): (Timestamp, Timestamp),
    shows: impl Fn(&str, i64) -> Option<f64>,
) {
    let names: Vec<String> = config.field.names().map(str::to_owned).collect();
    let mut samples = Direct::open(&folder.journal(), &folder.store, names.clone()).unwrap();
    let (mut at, mut minute) = (from, 0);
    while at < to {
        let readings: Vec<_> = names.iter().map(|name| reading(shows(name, minute))).collect();
        samples.record(at, &readings);
        (at, minute) = (at + MINUTE * 10, minute + 10);
    }
    assert!(samples.write());
}

/// The day from 08:00 on 17 May to 08:00 on 18 May at the site.
pub(crate) fn seventeenth(config: &Config) -> Day {
    Day::new(date(2026, 5, 17), DayBegins::Eight, &config.basin.zone).unwrap()
}

/// The outlet at 1.1 m³/s, but for two hours from 10:00 at 0.7; the ford silent for five hours from 20:00; the lake at 742 m.
pub(crate) fn a_day(folder: &Folder, config: &Config) -> Day {
    let day = seventeenth(config);
    fill(folder, config, (day.from, day.to + MINUTE * 60), |point, minute| match point {
        "q.outlet/value" => Some(if (120..240).contains(&minute) { 0.7 } else { 1.1 }),
        "q.ford/value" => (!(720..1020).contains(&minute)).then_some(1.6),
        "z.lake/value" => Some(742.0),
        _ => None,
    });
    day
}

pub(crate) fn bytes(folder: &Folder, ground: Ground<'_>, what: Daily, day: Day) -> [String; 4] {
    let reported = Reported::open(folder.root.path(), ground, day.to).unwrap();
    let document = reported.daily(what, day).unwrap();
    [
        html::html(&document, Lang::Zh),
        html::html(&document, Lang::En),
        csv::csv(&document, Lang::Zh),
        csv::csv(&document, Lang::En),
    ]
}

#[test]
fn a_bulletin_has_the_numbers_of_its_samples() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let issuer = Some(Name { zh: "水务局".into(), en: "Water bureau".into() });
    let rules = Reports { issuer, ..Reports::default() };
    let ground = Ground { config: &config, reports: &rules };
    let [zh, en, csv, _] = bytes(&folder, ground, Daily::Bulletin, day);

    // Mean of the outlet: (22 · 1.1 + 2 · 0.7) / 24 = 25.6 / 24 = 1.0667; missed: 0.3 · 7200 s = 2160 m³.
    for text in [
        "桤木河日报",
        "2026-05-17 08:00 – 2026-05-18 08:00",
        "水务局",
        "出口断面",
        "<td class=\"n\">1.07</td>",
        "0.700 <small>05-17 10:00</small>",
        "日均达标，时段低于目标 2.0 h，缺水 2160 m³",
        "缺测",
        "有效小时 19/24",
        "四舍六入五成双",
    ] {
        assert!(zh.contains(text), "{text} is not in {zh}");
    }
    for text in
        ["Alder river: daily bulletin", "Outlet section", "19 of 24 hours valid", "mean passes, below"]
    {
        assert!(en.contains(text), "{text} is not in {en}");
    }
    for html in [&zh, &en] {
        assert!(!html.contains("<script") && !html.contains("http"), "nothing comes from elsewhere");
    }
    let row = |id: &str| csv.lines().find(|line| line.contains(id)).unwrap().split(',').collect::<Vec<_>>();
    let outlet = row(",outlet,");
    // table, number, section, name, target, at 08:00, mean, least, when, verdict, kind, completeness, hours met, h below, m³.
    assert_eq!(outlet[..6], ["sections", "1", "outlet", "出口断面", "1", "1.1"]);
    assert!((outlet[6].parse::<f64>().unwrap() - 25.6 / 24.0).abs() < 1e-12);
    assert_eq!(outlet[7..14], ["0.7", "2026-05-17T10:00:00+08:00", "pass", "", "1", "22", "2"]);
    assert!((outlet[14].parse::<f64>().unwrap() - 2160.0).abs() < 1e-6);
    let ford = row(",ford,");
    // 19 of 24 hours: no mean and no verdict, but a least value.
    assert_eq!((ford[6], ford[7], ford[9]), ("", "1.6", "missing"));
    assert!((ford[11].parse::<f64>().unwrap() - 19.0 / 24.0).abs() < 1e-12);
    // 1 + 299 · 42 / 60 = 210.3 million m³; the level has not changed.
    let lake = row("reservoirs,lake");
    assert_eq!(lake[3], "742");
    assert!((lake[4].parse::<f64>().unwrap() - 21_030.0).abs() < 1e-6);
    assert_eq!((lake[5], lake[6]), ("0", ""), "its inflow has no meter");
}

#[test]
fn a_rerun_gives_the_same_bytes_whatever_came_later() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let rules = Reports::default();
    let ground = Ground { config: &config, reports: &rules };
    let all = [Daily::Bulletin, Daily::Gates, Daily::Orders];
    let before = all.map(|what| bytes(&folder, ground, what, day));
    fill(&folder, &config, (day.to + MINUTE * 60, day.to + MINUTE * 600), |_, _| Some(9.0));
    let settings = Settings::new(&folder.store, "later");
    let now = Now { mono: Duration::from_secs(1), utc: day.to + MINUTE * 30 };
    Journal::open(&folder.journal(), settings, now).unwrap().append(&[intent(1, 0.5)], now).unwrap();
    assert_eq!(all.map(|what| bytes(&folder, ground, what, day)), before);
}

#[test]
fn gate_operations_and_the_dispatch_log_tell_commands_and_their_ends() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let settings = Settings { names: Names::of(&config.basin), ..Settings::new(&folder.store, "b") };
    let at = |minutes: i32| Now { mono: Duration::from_secs(60), utc: day.from + MINUTE * minutes };
    let mut journal = Journal::open(&folder.journal(), settings, at(0)).unwrap();
    let mut asked = intent(1, 0.275);
    asked.gate = Some("v1".into());
    asked.before = Opening::from_fraction(0.25);
    asked.because = vec![Because::OutletFloor { section: SectionId(0), setpoint: fixture::q(1.08) }];
    let mut ended = outcome(1);
    ended.gate = Some("v1".into());
    ended.after = Opening::from_fraction(0.27);
    let mut failed = outcome(2);
    failed.outcome = Some(Terminal::Failed { why: qindan::control::command::FailReason::NoArrival });
    let mut person = Entry::new(Kind::Operator, "operator:王芳");
    person.gate = Some("v1".into());
    person.detail = Some(serde_json::json!({
        "request": "r", "order": { "order": "stop_gate", "gate": 0 }, "answer": "stopping", "accepted": true }));
    journal.append(&[asked.clone()], at(10)).unwrap();
    journal.append(&[ended], at(13)).unwrap();
    journal.append(&[person], at(20)).unwrap();
    // Begun within the day, ended after it.
    let last = Entry { command: Some(qindan::control::command::CommandId(2)), ..asked.clone() };
    journal.append(&[last], at(1439)).unwrap();
    journal.append(&[failed], at(1442)).unwrap();
    // Of the next day.
    let next = Entry { command: Some(qindan::control::command::CommandId(3)), ..asked };
    journal.append(&[next], at(1441)).unwrap();

    let rules = Reports::default();
    let ground = Ground { config: &config, reports: &rules };
    let [zh, _, csv, _] = bytes(&folder, ground, Daily::Gates, day);
    let rows: Vec<Vec<&str>> =
        csv.lines().filter(|l| l.starts_with("gate_operations,")).map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{csv}");
    // table, record, gate, name, above, below, before, before %, target, target %, after, after %, flow, by, start, end, key, end.
    assert_eq!(rows[0][..4], ["gate_operations", "1", "v1", "生态放水阀"]);
    // The valve takes from the lake.
    assert_eq!(rows[0][4], "742");
    assert_eq!((rows[0][6], rows[0][8], rows[0][10]), ("25.0 %", "27.5 %", "27.0 %"));
    assert_eq!(rows[0][13..16], ["自动调度", "2026-05-17T08:10:00+08:00", "2026-05-17T08:13:00+08:00"]);
    assert_eq!(rows[0][17], "已核实");
    assert_eq!((rows[1][15], rows[1][17]), ("2026-05-18T08:02:00+08:00", "失败：未到位"));
    assert!(zh.contains("闸门启闭记录"), "{zh}");

    let [_, en, csv, _] = bytes(&folder, ground, Daily::Orders, day);
    let log: Vec<_> = csv.lines().filter(|line| line.starts_with("dispatch_log,")).collect();
    assert_eq!(log.len(), 3, "{csv}");
    assert!(
        log[0].contains("生态放水阀 → 27.5 %") && log[0].contains("出口断面本身要到设定 1.08 m³/s"),
        "{log:?}"
    );
    assert!(log[0].contains(",27,-0.5") || log[0].contains(",-0.5"), "{log:?}");
    assert!(log[1].contains("王芳") && log[1].contains("停闸") && log[1].contains("已受理"), "{log:?}");
    assert!(en.contains("outlet needs its set point of 1.08"), "{en}");
    // The commands of the day stand in the bulletin too: two, one of them failed.
    let [_, _, csv, _] = bytes(&folder, ground, Daily::Bulletin, day);
    assert!(csv.contains("gates,v1,生态放水阀,2,1,1,0,27\n"), "{csv}");
}

#[test]
fn a_filing_exempts_and_is_named() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let filing = Filing {
        id: "2026-17".into(),
        sections: vec![SectionId(1)],
        kind: Exemption::DeviceFailure,
        from: day.from + MINUTE * 720,
        to: day.from + MINUTE * 1020,
        filed: day.from + MINUTE * 800,
        document: "〔2026〕17号".into(),
        approved_by: None,
        reason: Name { zh: "测站断电".into(), en: "power of the gauge".into() },
        standing: reports::Standing::Listed,
    };
    let rules = Reports { filings: vec![filing], ..Reports::default() };
    let ground = Ground { config: &config, reports: &rules };
    let [zh, _, csv, _] = bytes(&folder, ground, Daily::Bulletin, day);
    assert!(csv.contains(",exempt,device_failure,"), "{csv}");
    assert!(zh.contains("免考 <small>设备或供电故障</small>") && zh.contains("〔2026〕17号"), "{zh}");
    let folder = Reported::open(folder.root.path(), ground, day.to).unwrap();
    let month = folder.attainment(Period::Month(2026, 5), DayBegins::Eight).unwrap();
    let csv = csv::csv(&month, Lang::En);
    // The 18th is not over at its begin: 17 days, of which samples tell of one.
    assert!(csv.contains("attainment,outlet,Outlet section,17,1,1,0,,16,1,0.9,too little data,,\n"), "{csv}");
    assert!(
        csv.contains("attainment,ford,Ford section,17,0,0,1,device or power failure 1,16,,0.9,—,,\n"),
        "{csv}"
    );
    assert!(
        csv.contains("episodes,outlet,Outlet section,2026-05-17T10:00:00+08:00,2026-05-17T12:00:00+08:00,2,"),
        "{csv}"
    );
}

#[test]
fn a_day_that_is_not_over_and_another_basin_are_refused() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let rules = Reports::default();
    let ground = Ground { config: &config, reports: &rules };
    let reported = Reported::open(folder.root.path(), ground, Timestamp::UNIX_EPOCH).unwrap();
    // The newest sample is of 08:50 on the 18th, whatever the machine says.
    assert_eq!(reported.day(None, DayBegins::Eight).unwrap(), day);
    let error = reported.day(Some(date(2026, 5, 18)), DayBegins::Eight).unwrap_err().to_string();
    assert!(error.contains("2026-05-18 is not over") && error.contains("2026-05-17"), "{error}");
    let shipped = qindan::config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
    let ground = Ground { config: &shipped, reports: &rules };
    let error = Reported::open(folder.root.path(), ground, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
    assert!(error.contains("holds basin alder"), "{error}");
}

/// What is wrong with the file is told with file, line, key, value and remedy, all at once.
#[test]
fn rules_and_filings_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let basin = fixture::small_basin();
    assert_eq!(reports::load(folder.path(), &basin).unwrap(), Reports::default());
    let text = r#"[rule."2026"]
valid_from = 2026-01-01
hour_valid_pct = 180.0
day_valid_pct = 80.0
tolerance_m3s = 0.0
episode_h = 1.0
exempt_pct = 20.0
filing_within_h = 24.0
exemptions = ["holiday"]

[filing.one]
sections = ["bridge"]
kind = "maintenance"
from = 2026-05-12T16:00:00
to = 2026-05-12T08:00:00
filed = 2026-05-11T15:00:00
document = ""
reason_zh = "检修"
reason_en = "maintenance"
colour = "red"
"#;
    let path = folder.path().join(reports::FILE);
    fs::write(&path, text).unwrap();
    let told = reports::load(folder.path(), &basin).unwrap_err().to_string();
    let file = path.display();
    for expected in [
        format!("{file}:3  rule 2026.hour_valid_pct = 180.0: must be above 0, at most 100"),
        format!("{file}:9  rule 2026.exemptions[0] = \"holiday\""),
        format!(
            "{file}:12  filing one.sections[0] = \"bridge\": is no section of the basin; list sections of outlet, ford"
        ),
        format!("{file}:15  filing one.to = 2026-05-12T08:00:00: is not after the start"),
        format!("{file}:17  filing one.document = \"\": must not be empty"),
        format!("{file}:20  filing one.colour = \"red\": no such key"),
        "approved_by: is missing: maintenance counts with an approval only".into(),
    ] {
        assert!(told.contains(&expected), "{expected} is not in {told}");
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let config = qindan::config::load(&shipped).unwrap();
    let rules = reports::load(&shipped, &config.basin).unwrap();
    assert_eq!((rules.rules.len(), rules.filings.len()), (1, 0));
    let built_in =
        reports::Rule { id: "2026".into(), valid_from: date(2026, 1, 1), ..reports::Rule::built_in() };
    assert_eq!(rules.rules, [built_in], "the shipped rule is the built-in one with a date");
}

pub(crate) fn qindan(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_qindan")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Days of a section in a report as the script prints them.
fn days(report: &str, section: &str) -> Vec<Vec<String>> {
    let begin = format!("days,{section},");
    let rows = report.lines().filter_map(|line| line.strip_prefix(&begin));
    rows.map(|row| {
        let all: Vec<&str> = row.split(',').collect();
        // date, target, mean, least, when, verdict, kind, due h, valid h, met h, due min, known min, s below, m³, …
        [0, 2, 3, 8, 9, 11, 12, 13, 5].map(|at| all[at].to_owned()).to_vec()
    })
    .collect()
}

/// A month of the shipped basin: a wandering flow around the floor with silence, stale and bad values in it, by two programs.
#[test]
fn a_month_agrees_number_by_number_with_an_independent_calculation() {
    let root = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (config, data) = (shipped.to_str().unwrap(), root.path().join("data"));
    let data = data.to_str().unwrap();
    qindan(&["init", "--config", config, "--data", data]);
    let store = qindan::shell::data_dir::Identity::read(Path::new(data)).unwrap().store;
    let points = ["q.zf_out/value", "q.runcheng/value"];
    let journal = Path::new(data).join("journal");
    let mut samples =
        Direct::open(&journal, &store, points.iter().map(|point| (*point).to_owned()).collect()).unwrap();
    let mut random = fastrand::Rng::with_seed(20_260_501);
    let (mut at, end) = (utc("2026-04-30T08:00:00Z"), utc("2026-06-01T02:00:00Z"));
    let (mut flows, mut silent) = ([1.05, 1.58], [0_i64, 0]);
    while at < end {
        let mut readings = [reading(None); 2];
        for (index, floor) in [1.0, 1.5].into_iter().enumerate() {
            flows[index] += 0.004 * (random.f64() - 0.5) + 0.0015 * (floor * 1.005 - flows[index]);
            silent[index] = if random.u32(0..1800) == 0 { random.i64(10..400) } else { silent[index] - 1 };
            readings[index] = reading(Some(flows[index]));
            readings[index].quality = match random.u32(0..400) {
                0 => Quality::Stale,
                1 => Quality::Suspect,
                2 => Quality::Substituted,
                _ => Quality::Good,
            };
            if silent[index] > 0 {
                readings[index] = reading(None);
            }
        }
        samples.record(at, &readings);
        at += SignedDuration::from_secs(17 + random.i64(0..90));
    }
    assert!(samples.write());

    let exported = qindan(&["history", "export", "--data", data]);
    let file = root.path().join("samples.csv");
    fs::write(&file, exported).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/attainment.py");
    let mut verdicts = Vec::new();
    for begins in ["08:00", "00:00"] {
        let asked = ["report", "monthly", "--config", config, "--data", data, "--date", "2026-05"];
        let args = [&asked[..], &["--day-begins", begins, "--csv"]].concat();
        let report = qindan(&args);
        assert_eq!(qindan(&args), report, "the same bytes");
        for (section, point, floor) in [("zf_out", points[0], "1.0"), ("runcheng", points[1], "1.5")] {
            let hour = begins.trim_end_matches(":00").trim_start_matches('0');
            let hour = if hour.is_empty() { "0" } else { hour };
            let args = [file.to_str().unwrap(), point, floor, "8", hour, "2026", "5"];
            let other = Command::new("python3").arg(&script).args(args).output().unwrap();
            assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
            let other = String::from_utf8(other.stdout).unwrap();
            let other: Vec<Vec<&str>> = other.lines().map(|line| line.split(',').collect()).collect();
            let mine = days(&report, section);
            assert_eq!((mine.len(), other.len()), (31, 31));
            for (mine, other) in mine.iter().zip(&other) {
                for (mine, other) in mine.iter().zip(other) {
                    let same = match (mine.parse::<f64>(), other.parse::<f64>()) {
                        (Ok(mine), Ok(other)) => (mine - other).abs() <= 1e-9 * other.abs().max(1.0),
                        _ => mine == other,
                    };
                    assert!(same, "{section} {begins}: {mine} and {other}");
                }
                verdicts.push(mine[8].clone());
            }
        }
    }
    // The month has days of every kind, or it would show little.
    for kind in ["pass", "fail", "missing"] {
        assert!(verdicts.iter().filter(|verdict| *verdict == kind).count() > 3, "{kind}: {verdicts:?}");
    }
}

/// Two days of the river of the demonstration, replayed and recorded: the bulletin of a day beside what a script makes of the rows of
/// the run. No sample, dead band or journal stands behind those, so numbers agree within what a dead band and a meter may differ.
#[test]
fn a_bulletin_agrees_with_the_rows_of_the_run_it_tells_of() {
    let root = tempfile::tempdir().unwrap();
    let story = fs::read_to_string(simulators::scenario::file("may_dry").unwrap()).unwrap();
    let changed = [
        ("start = 2026-05-11T00:00:00", "start = 2026-05-14T00:00:00"),
        ("duration = \"9d\"", "duration = \"36h\""),
        ("spin_up = \"2d\"", "spin_up = \"1h\""),
    ];
    let story = changed.iter().fold(story, |story, (from, to)| {
        assert!(story.contains(from), "may_dry has no {from}");
        story.replace(from, to)
    });
    let (file, out) = (root.path().join("two_days.toml"), root.path().join("out"));
    fs::write(&file, story).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let case = simulators::replay::load(file.to_str().unwrap(), Some(&shipped), &[]).unwrap();
    let seed = case.scenario.seed;
    let mut run = simulators::run::Run::new(case, seed);
    run.record(&out);
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let mut played = simulators::play::play_run(run, seed, &[], Some(&out), false, go_on).unwrap().unwrap();
    simulators::play::write(&mut played, &out).unwrap();

    let (config, data) = (shipped.to_str().unwrap(), out.join("data"));
    let asked = ["report", "daily", "--config", config, "--data", data.to_str().unwrap()];
    let report = qindan(&[&asked[..], &["--date", "2026-05-14", "--csv"]].concat());
    let row = |begin: &str, at: usize, id: &str| -> Vec<String> {
        let all = report.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        all.into_iter()
            .find(|row| row[0] == begin && row[at] == id)
            .unwrap_or_else(|| panic!("{id}: {report}"))
    };
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rows_of_a_run.py");
    let series = out.join("series.csv");
    let args = [series.to_str().unwrap(), "8", "8", "2026-05-14"];
    let other = Command::new("python3").arg(&script).args(args).output().unwrap();
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
    let mut compared = 0;
    for line in String::from_utf8(other.stdout).unwrap().lines() {
        let told: Vec<&str> = line.split(',').collect();
        let pairs: Vec<(f64, f64, f64)> = match told[0] {
            // Mean: a dead band of 0.2 % either way. Least: between what the rows of a minute show and the true dip between two of
            // them, a class of 5 % of the meter below it.
            "section" => {
                let mine = row("sections", 2, told[1]);
                let (mean, shown, dip) = (number(told[2]), number(told[3]), number(told[4]));
                let (low, high) = (0.998 * shown.min(0.95 * dip), 1.002 * shown);
                let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
                vec![(number(&mine[6]), mean, 0.004 * mean), (number(&mine[7]), middle, half)]
            }
            // What a user got and what its meter told: a class of 5 %; 10⁴ m³.
            "intake" => {
                let mine = row("intakes", 1, told[1]);
                let (day, so_far) = (number(told[2]) / 1e4, number(told[3]) / 1e4);
                vec![
                    (number(&mine[4]), day, 0.05 * day + 0.002),
                    (number(&mine[6]), so_far, 0.05 * so_far + 0.002),
                ]
            }
            // Two centimetres of a level meter.
            _ => match report.lines().find(|line| line.starts_with(&format!("reservoirs,{},", told[1]))) {
                Some(_) => vec![(number(&row("reservoirs", 1, told[1])[3]), number(told[2]), 0.02)],
                // A pond is no reservoir of the bulletin.
                None => continue,
            },
        };
        for (mine, other, within) in pairs {
            assert!((mine - other).abs() <= within, "{line}: {mine} and {other}, within {within}");
            compared += 1;
        }
    }
    assert!(compared > 12, "{compared} numbers");
}

#[test]
fn the_command_writes_pages_and_tables_in_both_languages() {
    let root = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let [data, out] = ["data", "out"].map(|name| root.path().join(name).to_str().unwrap().to_owned());
    let config = shipped.to_str().unwrap();
    qindan(&["init", "--config", config, "--data", &data]);
    let asked =
        ["report", "daily", "--config", config, "--data", &data, "--date", "2025-05-11", "--out", &out];
    let told = qindan(&asked);
    let names: Vec<String> = ["en.csv", "en.html", "zh.csv", "zh.html"]
        .map(|ending| format!("{out}/daily_2025-05-11_0800.{ending}"))
        .to_vec();
    assert_eq!(told.lines().collect::<Vec<_>>(), names);
    let read = || names.iter().map(|name| fs::read(name).unwrap()).collect::<Vec<_>>();
    let first = read();
    qindan(&asked);
    assert_eq!(read(), first);
    // Without a single sample nothing is a number: neither mean nor least, and nothing complete.
    let csv = String::from_utf8(first[2].clone()).unwrap();
    assert!(
        csv.contains("sections,1,zf_out,沁河张峰水库出口断面,1,,,,,missing,,0,0,0,0,有效小时 0/24"),
        "{csv}"
    );
}

fn made(folder: &Folder) -> Vec<PathBuf> {
    let months = fs::read_dir(folder.root.path().join("reports")).into_iter().flatten();
    let files = months.flat_map(|month| fs::read_dir(month.unwrap().path()).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".zh.html"));
    files.sort();
    files
}

async fn until_made(folder: &Folder, count: usize) -> Vec<PathBuf> {
    let waited = async {
        loop {
            let files = made(folder);
            if files.len() >= count {
                return files;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("{:?}", made(folder)))
}

/// The service of the fixtures begins at 14:32 on 18 May; samples reach back to 10:00 on the 17th.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_makes_missing_bulletins_and_makes_them_good_after_a_restart() {
    let folder = Folder::new();
    let site = Site::start(25.0, Drive::Quick, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Observe);
    let day = seventeenth(&config);
    fill(&folder, &config, (day.from + MINUTE * 120, fixture::utc(0)), |_, _| Some(1.2));
    let rules = tempfile::tempdir().unwrap();
    let start = || {
        let config = site::config(&site.device, Mode::Observe);
        Bench::start(qindan::shell::service::Options {
            reports: Some(rules.path().to_path_buf()),
            ..folder.options(config, 1.0)
        })
    };
    let bench = start().await;
    let files = until_made(&folder, 2).await;
    bench.end().await;
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["daily_2026-05-17_0000.zh.html", "daily_2026-05-17_0800.zh.html"]);
    let text = fs::read_to_string(&files[1]).unwrap();
    assert!(text.contains("有效小时 22/24"), "from 10:00 on: {text}");

    fs::remove_file(&files[1]).unwrap();
    let bench = start().await;
    assert_eq!(until_made(&folder, 2).await, files);
    bench.end().await;
    assert_eq!(fs::read_to_string(&files[1]).unwrap(), text, "the same bytes");
}
