//! Pictures of every screen of the page, for people to judge and for the manual: made only when `QINDAN_PAGE_PICTURES`
//! names a folder, as `ops/screenshots` does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use qindan::basin::{Duty, GateId, Grade};
use qindan::control::incident::{Dilution, Report, What};
use qindan::control::quality::{Quality, Reading, Reason};
use qindan::control::status::AlarmStatus;
use qindan::control::warning::{Basis, Finding, Issued, Proposed, Sign};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::browser::Browser;
use crate::fixture;
use crate::live::open;
use crate::page::{TURN, basins};
use crate::{polluted, screens};

/// A desk, a small desk, a tablet, a telephone.
const SIZES: [(u32, u32); 4] = [(1920, 1080), (1366, 768), (1024, 768), (390, 844)];
const DRESSES: [(&str, &str); 4] = [("zh", "light"), ("en", "dark"), ("en", "light"), ("zh", "dark")];
/// Hours of the river before the first picture: a release is on its way, and the turbine has tripped.
const HOURS: u32 = 14;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("QINDAN_PAGE_PICTURES").map(PathBuf::from)?;
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

/// Takes a picture once nothing moves any more.
async fn take(browser: &Browser, file: &Path, (width, height): (u32, u32)) {
    browser.size(width, height).await;
    browser.wait(&format!("innerWidth === {width}")).await;
    browser.run("return new Promise(r => requestAnimationFrame(() => setTimeout(r, 250)))").await;
    browser.picture(file).await;
}

async fn dress(browser: &Browser, language: &str, theme: &str) {
    let script = format!(
        "localStorage.setItem('language', '{language}'); localStorage.setItem('theme', '{theme}'); location.reload()"
    );
    browser.run(&script).await;
    browser.says("clock", ":").await;
}

/// A virtual river with its service, in processes of their own; both end when this is dropped.
struct Demo {
    _child: Child,
    /// Signs the operator in, once.
    link: String,
    _data: tempfile::TempDir,
}

impl Demo {
    /// Needs `qindan-sim` and `qindan` beside the tests: `cargo build --workspace --bins`.
    async fn start() -> Self {
        let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("qindan-sim");
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(&program);
        command.args(["demo", "--port", "0", "--speed", "600", "--data"]).arg(data.path());
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Started by cargo it would build the service; it stands beside it already.
        command.env_remove("CARGO").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; build it with cargo build --workspace --bins", program.display())
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = Vec::new();
        let link = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("no page: {heard:#?}"));
            if let Some((_, link)) = line.split_once("open this once: ") {
                break link.to_owned();
            }
            heard.push(line);
        };
        // Read on, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { _child: child, link, _data: data }
    }
}

/// Waits until so many hours of the river have gone by.
async fn hours(browser: &Browser, wanted: u32) {
    browser.run("window.look = setInterval(() => fetch('/api/v1/state').then(r => r.json()).then(s => { window.begun ??= s.utc_ms; window.at = s.utc_ms; }), 500)").await;
    for hour in 1..=wanted {
        browser.wait(&format!("window.at - window.begun > {hour} * 3600000")).await;
    }
    browser.run("clearInterval(window.look)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_demonstration() {
    let _turn = TURN.lock().await;
    let Some(folder) = folder() else { return };
    let (demo, browser) = (Demo::start().await, Browser::start().await);
    browser.size(1366, 768).await;
    browser.open(&demo.link).await;
    browser.click("enter").await;
    browser.says("clock", ":").await;
    hours(&browser, HOURS).await;
    let addresses = screens::screens(&browser).await;
    let details = browser.run("return fetch('/api/v1/basin').then(r => r.json()).then(b => [b.meters[0].id, b.links[0].id, b.gates.find(g => g.duty === 'trim').id])").await;
    let detail = |at: usize| details[at].as_str().unwrap();
    let mut all = addresses.clone();
    all.extend([format!("#/meters/{}", detail(0)), format!("#/links/{}", detail(1))]);
    // For the manual first: the river is as told there.
    for language in ["zh", "en"] {
        dress(&browser, language, "light").await;
        for name in ["overview", "reach"] {
            let prefix = format!("#/{name}");
            let address = all.iter().rfind(|address| address.starts_with(&prefix)).unwrap();
            screens::go(&browser, address).await;
            take(&browser, &folder.join(format!("manual-{name}.{language}.png")), (1366, 768)).await;
        }
        screens::go(&browser, "#/overview").await;
        browser.click(&format!("gate-{}", detail(2))).await;
        browser.fill("set-point", "27").await;
        browser.fill("reason", if language == "zh" { "断面余量" } else { "margin at the section" }).await;
        browser.click("preview").await;
        browser.says("from-to", "27.0").await;
        take(&browser, &folder.join(format!("manual-gate.{language}.png")), (1366, 768)).await;
        browser.run("document.querySelector('dialog')?.close()").await;
    }
    screens::go(&browser, "#/overview").await;
    browser.click("trick-second_master").await;
    for language in ["zh", "en"] {
        dress(&browser, language, "light").await;
        screens::go(&browser, "#/alarms").await;
        browser.wait("document.querySelector('[data-testid^=\"page-alarm-A12\"]')").await;
        take(&browser, &folder.join(format!("manual-alarms.{language}.png")), (1366, 768)).await;
    }
    screens::go(&browser, "#/overview").await;
    browser.click("trick-second_master").await;
    for (language, theme) in DRESSES {
        dress(&browser, language, theme).await;
        for address in &all {
            screens::go(&browser, address).await;
            let name = address.trim_start_matches("#/").replace('/', "-");
            for size in SIZES {
                let file = format!("{name}.{language}.{theme}.{}x{}.png", size.0, size.1);
                take(&browser, &folder.join(file), size).await;
            }
        }
        for name in ["status", "account", "login"] {
            let origin = demo.link.split("/enter").next().unwrap();
            browser.open(&format!("{origin}/{name}")).await;
            for size in SIZES {
                let file = format!("{name}.{language}.{theme}.{}x{}.png", size.0, size.1);
                take(&browser, &folder.join(file), size).await;
            }
        }
        browser.open(&format!("{}/", demo.link.split("/enter").next().unwrap())).await;
        browser.says("clock", ":").await;
    }
    index(&folder);
}

/// What is seldom: an alarm of the first priority, values that are not good, a command on its way, a page that is blind.
#[tokio::test]
async fn pictures_of_what_is_seldom() {
    let _turn = TURN.lock().await;
    let Some(folder) = folder() else { return };
    let config = basins().pop().unwrap();
    let far = fixture::far_section(&config);
    let trim = config.basin.gates.iter().find(|g| g.duty == Duty::Trim).unwrap();
    for (language, theme) in DRESSES {
        let (mut service, browser) = open(config.clone(), fixture::status(&config)).await;
        dress(&browser, language, theme).await;
        let look = async |name: &str| {
            for size in SIZES {
                let file = format!("{name}.{language}.{theme}.{}x{}.png", size.0, size.1);
                take(&browser, &folder.join(file), size).await;
            }
            browser.size(1366, 768).await;
        };
        service.change(|s| {
            let low = s.sections[far.0].floor.unwrap().get() * 0.91;
            s.sections[far.0].reading = fixture::good(low, 1);
            let section = &config.basin.sections[far.0].id;
            let alarm = AlarmStatus {
                key: format!("A01:{section}"),
                id: "A01".into(),
                element: section.clone(),
                priority: 1,
                active: true,
                acknowledged: false,
                since: fixture::utc(-700),
                detail: json!({ "flow_m3s": low, "floor_m3s": s.sections[far.0].floor }),
            };
            s.alarms.insert(0, alarm);
        });
        browser.says("count-1", "1").await;
        look("state-alarm").await;
        service.change(|s| {
            let at = s.mono.saturating_sub(Duration::from_secs(40 * 60));
            s.alarms.remove(0);
            s.sections[far.0].reading = Reading {
                value: None,
                quality: Quality::Bad,
                reason: Some(Reason::CommError),
                taken_at: Some(at),
                last_good: Some(1.62),
            };
            s.sections[far.0].estimate.quality = Quality::Substituted;
            s.sections[0].reading.quality = Quality::Stale;
            s.sections[0].reading.reason = Some(Reason::Stale);
            s.sections[0].reading.taken_at = Some(s.mono.saturating_sub(Duration::from_secs(12 * 60)));
            s.hold_all = Some("console".into());
        });
        browser.wait("document.querySelector('[data-testid=held]')?.checkVisibility()").await;
        look("state-stale-held").await;
        service.change(|s| *s = fixture::status(&config));
        browser.click(&format!("gate-{}", trim.id)).await;
        browser.fill("set-point", "27").await;
        browser.fill("reason", "检修配合").await;
        look("state-faceplate").await;
        browser.click("preview").await;
        browser.says("from-to", "27.0").await;
        look("state-confirm").await;
        browser.run("document.querySelector('dialog')?.close()").await;
        service.kill();
        browser.wait("!document.querySelector('[data-testid=blind]').hidden").await;
        look("state-blind").await;
    }
    index(&folder);
}

/// Warnings proposed and in force, a pollution incident with what is proposed for it, and what is asked for both.
#[tokio::test]
async fn pictures_of_warnings_and_incidents() {
    let _turn = TURN.lock().await;
    let Some(folder) = folder() else { return };
    let config = basins().pop().unwrap();
    let basin = &config.basin;
    let trim = basin.gates.iter().position(|gate| gate.duty == Duty::Trim).unwrap();
    let far = &basin.sections[fixture::far_section(&config).0].id;
    let wetland = basin.wetlands.iter().find(|one| one.inlet.is_some()).unwrap();
    for (language, theme) in DRESSES {
        let (service, browser) = open(config.clone(), fixture::status(&config)).await;
        dress(&browser, language, theme).await;
        let look = async |name: &str| {
            for size in SIZES {
                let file = format!("{name}.{language}.{theme}.{}x{}.png", size.0, size.1);
                take(&browser, &folder.join(file), size).await;
            }
            browser.size(1366, 768).await;
        };
        service.change(|s| {
            let since = s.utc;
            let found = |sign, basis, value, limit, in_h| Some(Finding { sign, basis, value, limit, in_h });
            for watch in &mut s.warnings {
                if watch.element == *far {
                    (watch.known, watch.grade) = (true, Some(Grade::Orange));
                    watch.found = found(Sign::HourMean, Basis::Measured, 1.42, 1.5, None);
                    watch.proposed = Some(Proposed { grade: Some(Grade::Orange), since });
                    let before = found(Sign::Forecast, Basis::Foretold, 1.38, 1.5, Some(19.5));
                    let (cause, measure) = ("上游取水未报".into(), "削减端氏灌溉，通知润城提水站".into());
                    let (by, at) = ("li".into(), fixture::utc(-7200));
                    watch.issued = Some(Issued { id: 7, grade: Grade::Yellow, at, by, cause, measure, found: before });
                } else if watch.element == wetland.id {
                    (watch.known, watch.grade) = (true, Some(Grade::Red));
                    watch.found = found(Sign::Level, Basis::Estimated, 699.31, 699.5, None);
                    watch.proposed = Some(Proposed { grade: Some(Grade::Red), since });
                }
            }
            let report = Report {
                reach: "R4".into(),
                km: 2.5,
                happened: fixture::utc(-1800),
                lasts_min: 60,
                what: "油罐车侧翻，柴油入河".into(),
                mass_kg: Some(500.0),
                limit_mg_l: Some(0.05),
            };
            polluted::incident(s, report, (What::Wetland, &wetland.id), far, wetland.inlet.unwrap());
            s.incidents[0].taken = vec!["rz.supply".into()];
            s.incidents[0].dilution = Some(Dilution { gate: GateId(trim), hold_m3s: 2.2, dilute_m3s: Some(6.4) });
            let alarm = |id: &str, element: &str, priority, detail| AlarmStatus {
                key: format!("{id}:{element}"),
                id: id.into(),
                element: element.into(),
                priority,
                active: true,
                acknowledged: false,
                since: fixture::utc(-600),
                detail,
            };
            let spill = json!({ "incident": 1, "km": 2.5, "name": { "zh": "端氏至嘉峰", "en": "Duanshi to Jiafeng" }, "in_h": 2.0, "by": "operator:li" });
            let found = json!({ "grade": "orange", "flow_m3s": 1.42, "floor_m3s": 1.5 });
            s.alarms.insert(0, alarm("A56", "R4", 1, spill));
            s.alarms.push(alarm("A51", far, 3, found));
            s.alarms.push(alarm("A53", far, 3, json!({ "warning": 7, "by": "operator:li", "flow_m3s": 1.38, "floor_m3s": 1.5, "in_h": 19.5 })));
        });
        browser.says("count-1", "1").await;
        look("warned-overview").await;
        screens::go(&browser, "#/warnings").await;
        look("warned-warnings").await;
        browser.click(&format!("issue-{far}")).await;
        look("warned-issue").await;
        browser.run("document.querySelector('dialog')?.close()").await;
        screens::go(&browser, "#/incident").await;
        look("polluted-incident").await;
        browser.click("incident-open").await;
        look("polluted-open").await;
        browser.run("document.querySelector('dialog')?.close()").await;
        browser.click("incident-dam-1").await;
        look("polluted-dam").await;
        browser.click("ticket-ask").await;
        look("polluted-release").await;
    }
    index(&folder);
}

/// A page with every picture there is, by screen.
fn index(folder: &Path) {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "png"))
        .collect();
    names.sort();
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>qindan</title><style>body{font:14px sans-serif}figure{display:inline-block;margin:4px}img{height:260px;border:1px solid #888}</style>\n",
    );
    let mut screen = String::new();
    for name in names {
        let first = name.split('.').next().unwrap();
        if screen != first {
            first.clone_into(&mut screen);
            writeln!(page, "<h2>{screen}</h2>").unwrap();
        }
        writeln!(page, "<figure><a href='{name}'><img src='{name}' loading=lazy></a><figcaption>{name}</figcaption></figure>")
            .unwrap();
    }
    std::fs::write(folder.join("index.html"), page).unwrap();
}
