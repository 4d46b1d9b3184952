//! The page in a headless Chromium against the real router: what an operator sees and what pressing does.

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::GateId;
use qindan::config::Config;
use qindan::control::alarm;
use qindan::control::operator::{Authority, Mode, Order};
use qindan::control::quality::{Quality, Reading, Reason};
use qindan::control::reason::{Because, Limit};
use qindan::control::status::AlarmStatus;
use qindan::shell::clock::Clock;
use qindan::shell::web::assets::{ASSETS, find};
use qindan::units::Opening;
use serde_json::json;

use crate::browser::Browser;
use crate::live::{Service, open};
use crate::{door, fixture};

/// One browser at a time: four of them on two cores would only measure each other.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The page of the small basin, open and live.
pub(crate) async fn small_page() -> (Service, Browser, Config) {
    let config = fixture::small();
    let status = fixture::status(&config);
    let (service, browser) = open(config.clone(), status).await;
    (service, browser, config)
}

#[tokio::test]
async fn values_come_with_unit_quality_and_margin_in_both_languages() {
    let _turn = TURN.lock().await;
    let (_service, browser, _) = small_page().await;
    // 1.5 · 1.087 = 1.6305: two decimals below 10, and 8.7 % above the floor.
    browser.says("flow-ford", "1.63").await;
    assert_eq!(browser.text("flow-ford").await, "1.63m³/s");
    assert_eq!(browser.text("margin-ford").await, "+9 %");
    let quality = browser.text("quality-ford").await;
    assert!(quality.starts_with('好') && quality.ends_with(" s"), "{quality}");
    assert_eq!(browser.text("mode").await, "自动");
    assert_eq!(browser.text("season").await, "非汛期");
    assert!(browser.text("data").await.ends_with("4/4 好"));
    assert!(browser.text("clock").await.starts_with("14:3"), "times are those of the site");
    assert!(browser.text("date").await.contains("2026-05-18 周一 +08:00"));
    assert_eq!(browser.run("return document.documentElement.lang").await, "zh-CN");
    assert!(browser.sees("bench").await);
    assert!(!browser.sees("blind").await);

    browser.click("language").await;
    browser.says("mode", "AUTO").await;
    assert_eq!(browser.run("return document.documentElement.lang").await, "en");
    assert_eq!(browser.run("return document.querySelector('h1').textContent").await, "Alder river");
    assert!(browser.text("quality-ford").await.starts_with("good"));
    browser.run("location.reload()").await;
    browser.says("mode", "AUTO").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_good_is_never_a_plain_number() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.says("flow-ford", "1.63").await;
    let quality = |id: &str| format!("document.querySelector('[data-testid={id}]').dataset.q");
    assert_eq!(browser.run(&format!("return {}", quality("flow-ford"))).await, "good");

    service.change(|s| {
        let reading = &mut s.sections[1].reading;
        reading.quality = Quality::Stale;
        reading.reason = Some(Reason::Stale);
        reading.taken_at = Some(s.mono.saturating_sub(Duration::from_secs(12 * 60)));
    });
    browser.wait(&format!("{} === 'stale'", quality("flow-ford"))).await;
    assert_eq!(browser.text("flow-ford").await, "1.63m³/s12 min");
    let hatched = browser
        .run("return getComputedStyle(document.querySelector('[data-testid=flow-ford]')).backgroundImage")
        .await;
    assert!(hatched.as_str().unwrap().contains("repeating-linear-gradient"));

    service.change(|s| {
        let at = s.mono.saturating_sub(Duration::from_secs(3600));
        s.sections[1].reading = Reading {
            value: None,
            quality: Quality::Bad,
            reason: Some(Reason::CommError),
            taken_at: Some(at),
            last_good: Some(1.62),
        };
        s.sections[1].estimate.flow = Some(fixture::q(1.58));
        s.sections[1].estimate.quality = Quality::Substituted;
    });
    browser.wait(&format!("{} === 'substituted'", quality("flow-ford"))).await;
    assert_eq!(browser.text("flow-ford").await, "1.58m³/s估");
    // 14:32 and a few seconds, less an hour.
    browser.says("own-ford", "—").await;
    assert!(browser.text("own-ford").await.contains("(1.62 于 13:32)"));
    assert!(browser.text("quality-ford").await.contains("通信无应答"));

    service.change(|s| s.sections[1].estimate.flow = None);
    browser.wait(&format!("{} === 'bad'", quality("flow-ford"))).await;
    assert!(browser.text("flow-ford").await.starts_with('—'));
    assert_eq!(browser.text("margin-ford").await, "–");
}

#[tokio::test]
async fn the_page_says_within_five_seconds_that_it_is_blind_and_comes_back() {
    let _turn = TURN.lock().await;
    let (mut service, browser, config) = small_page().await;
    browser.says("flow-ford", "1.63").await;
    browser
        .wait(
            "document.querySelector('[data-testid=hold-all]').checkVisibility({ visibilityProperty: true })",
        )
        .await;
    let clock = Clock::real();
    let killed = clock.mark();
    service.kill();
    browser.wait("!document.querySelector('[data-testid=blind]').hidden").await;
    let took = killed.elapsed();
    assert!(took <= Duration::from_secs(5), "{took:?}");
    assert!(browser.text("blind").await.contains("失去实时"));
    assert!(browser.text("blind-since").await.contains("14:3"));
    assert!(!browser.sees("hold-all").await, "no command where nothing is seen");
    let crossed =
        "return getComputedStyle(document.querySelector('[data-testid=flow-ford] b')).textDecorationLine";
    assert_eq!(browser.run(crossed).await, "line-through");

    let status = fixture::status(&config);
    let service = service.again(config, status);
    browser.wait("document.querySelector('[data-testid=blind]').hidden").await;
    browser.says("flow-ford", "1.63").await;
    browser
        .wait(
            "document.querySelector('[data-testid=hold-all]').checkVisibility({ visibilityProperty: true })",
        )
        .await;
    drop(service);
}

#[tokio::test]
async fn a_cycle_that_publishes_nothing_is_said_too() {
    let _turn = TURN.lock().await;
    let (mut service, browser, _) = small_page().await;
    browser.says("flow-ford", "1.63").await;
    service.stop_cycle();
    browser.says("blind", "控制周期停止").await;
    assert!(!browser.sees("hold-all").await);
}

#[tokio::test]
async fn hold_all_takes_a_press_of_one_second() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.press("hold-all", Duration::from_millis(600)).await;
    assert_eq!(service.acts(), [], "a short press does nothing");
    browser.press("hold-all", Duration::from_millis(1300)).await;
    browser.says("held", "全部保持").await;
    assert_eq!(service.acts(), [Order::HoldAll]);
    assert!(!browser.sees("hold-all").await);

    browser.click("release-hold").await;
    browser.says("confirm", "解除").await;
    browser.wait("!document.querySelector('[data-testid=confirm]').disabled").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    assert_eq!(service.acts(), [Order::HoldAll, Order::ReleaseHold]);
    browser.click("cancel").await;

    browser.wait("!document.querySelector('[data-testid=hold-all]').hidden").await;
    browser.hold_key("h", Duration::from_millis(500)).await;
    assert_eq!(service.acts().len(), 2);
    browser.hold_key("h", Duration::from_millis(1300)).await;
    browser.says("held", "全部保持").await;
    assert_eq!(service.acts().len(), 3);
}

#[tokio::test]
async fn a_set_point_goes_out_after_preview_and_confirmation() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.click("gate-v1").await;
    browser.says("face-position", "24.0").await;
    browser.fill("set-point", "30").await;
    browser.click("preview").await;
    assert!(browser.sees("select").await, "no preview without a reason");
    browser.fill("reason", "检修配合").await;
    browser.click("preview").await;
    browser.says("from-to", "24.0 → 30.0 %").await;
    // A valve passes in proportion to its opening: 1.11 · 30 / 24 = 1.3875, and 0.28 more reaches the outlet at 2.31.
    browser.says("faceplate", "1.11 → 1.39").await;
    browser.says("reached-outlet", "2.31 → 2.59").await;
    assert!(browser.text("reached-outlet").await.contains("+159 %"));
    browser.wait("!document.querySelector('[data-testid=confirm]').disabled").await;
    browser.click("confirm").await;
    assert_eq!(service.acts(), [], "a click is no confirmation");

    service.change(|s| s.gates[0].fault = Some(true));
    browser.says("badges-v1", "故障").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("flow-note", "画面已变化").await;
    assert_eq!(service.acts(), [], "nothing goes out on an old picture");
    browser.wait("!document.querySelector('[data-testid=confirm]').disabled").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "884214").await;
    let orders = service.acts();
    let [Order::SetPoint { gate, opening, reason }] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!((gate.0, *opening, reason.as_str()), (0, Opening::clamped(0.3), "检修配合"));
    browser.says("badges-v1", "手").await;
    browser.click("cancel").await;
    assert!(browser.sees("select").await);

    browser.click("take-automatic").await;
    browser.wait("!document.querySelector('[data-testid=dialog] [data-testid=confirm]').disabled").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    browser.click("stop").await;
    browser.says("face-answer", "4711").await;
    let orders = service.acts();
    let back = Order::SetAuthority { gate: GateId(0), authority: Authority::Automatic };
    assert_eq!(orders[1..], [back, Order::StopGate { gate: GateId(0) }]);
    assert_eq!(browser.complaints().await.len(), 1, "only the refused confirmation (409)");
}

#[tokio::test]
async fn a_gate_chosen_before_the_first_state_opens_with_it() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    let late = "const held = new Promise((go) => { window.letStatesCome = go; });
        window.EventSource = class extends EventSource {
          addEventListener(name, act) { super.addEventListener(name, (event) => held.then(() => act(event))); }
        };";
    browser.before_each_page(late).await;
    browser.open(&service.page()).await;
    browser.click("gate-v1").await;
    assert!(!browser.sees("faceplate").await, "nothing is known of it yet");
    browser.run("window.letStatesCome()").await;
    browser.says("face-position", "24.0").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_and_cannot_be_confirmed() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    service.change(|s| {
        s.gates[0].permitted = (Opening::clamped(0.2), Opening::clamped(0.27));
        let ramp = Limit::RampUp { flow: fixture::q(2.6) };
        s.gates[0].permitted_by = (None, Some(ramp));
    });
    browser.click("gate-v1").await;
    browser.says("face-permitted", "20.0–27.0 %").await;
    browser.fill("set-point", "30").await;
    browser.fill("reason", "test").await;
    browser.click("preview").await;
    browser.says("blocked", "涨水变率，现在最多放 2.60 m³/s").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    assert_eq!(service.acts(), []);
}

#[tokio::test]
async fn modes_and_alarms_take_their_acts() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.says("unacked", "1").await;
    let alarm = "alarm-A05:v1";
    browser.says(alarm, "闸门未到位").await;
    assert!(browser.text(alarm).await.contains("计划的水没有放出"));
    browser.click("ack-A05:v1").await;
    browser.says(alarm, "已确认").await;
    browser.click("mode").await;
    browser.click("mode-manual").await;
    browser.wait("!document.querySelector('[data-testid=confirm]')?.disabled").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("flow-note", "reason").await;
    browser.fill("mode-reason", "检修").await;
    browser.fill("own-password", "something else").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("flow-note", "wrong").await;
    assert_eq!(service.acts().len(), 1, "only the acknowledgement");
    browser.fill("own-password", door::PASSWORD).await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("mode", "手动").await;
    let expected = [Order::Acknowledge { alarm: "A05:v1".into() }, Order::SetMode { mode: Mode::Manual }];
    assert_eq!(service.acts(), expected);
}

#[tokio::test]
async fn a_crowd_of_alarms_shares_an_entry() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    service.change(|s| {
        let lost = |k: usize| AlarmStatus {
            key: format!("A11:site{k}"),
            id: "A11".into(),
            element: format!("site{k}"),
            acknowledged: false,
            ..s.alarms[1].clone()
        };
        s.alarms = (0..5).map(lost).chain(s.alarms.iter().cloned()).collect();
    });
    browser.says("alarm-A11:*", "5 处").await;
    assert!(browser.text("alarm-A11:*").await.contains("site0、site1、site2"));
    browser.says("alarm-A05:v1", "闸门未到位").await;
    browser.click("ack-A11:*").await;
    browser.says("alarm-A11:*", "已确认").await;
    let alarms = (0..5).map(|k| format!("A11:site{k}")).collect();
    assert_eq!(service.acts(), [Order::AcknowledgeMany { alarms }]);
}

#[tokio::test]
async fn words_from_outside_stay_words() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    let mut basin = (*config.basin).clone();
    let evil = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>";
    basin.name.zh = evil.into();
    for gate in &mut basin.gates {
        gate.name.zh = evil.into();
    }
    config.basin = Arc::new(basin);
    let mut status = fixture::status(&config);
    status.mode_by = format!("operator:{evil}");
    status.alarms.push(AlarmStatus {
        key: format!("A05:{evil}"),
        element: evil.into(),
        detail: json!({ "address": evil, "by": evil }),
        ..status.alarms[0].clone()
    });
    let (_service, browser) = open(config, status).await;
    browser.says("mode-since", "onerror").await;
    assert_eq!(browser.run("return document.querySelectorAll('img, body script').length").await, 0);
    assert!(browser.run("return document.title").await.as_str().unwrap().contains("onerror"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_matters_needs_no_scrolling_and_nothing_runs_off_the_side() {
    let _turn = TURN.lock().await;
    for config in basins() {
        let status = fixture::status(&config);
        let (_service, browser) = open(config, status).await;
        for language in ["zh", "en"] {
            for (width, height) in [(1920, 1080), (1366, 768), (1280, 720), (911, 512), (390, 844)] {
                browser.size(width, height).await;
                browser.wait(&format!("innerWidth === {width}")).await;
                let wide = browser.run("return document.documentElement.scrollWidth").await;
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{language} {width}: {wide}");
                if width < 1366 {
                    continue;
                }
                let hidden = browser
                    .run(
                        "return [...document.querySelectorAll('.top, .section, .strip-panel, .reservoir, .why, .alarms, .actions')]
                           .filter(el => { const r = el.getBoundingClientRect(); return r.bottom > innerHeight + 1 || r.right > innerWidth + 1; })
                           .map(el => `${el.className} ${Math.round(el.getBoundingClientRect().bottom)}`)",
                    )
                    .await;
                assert_eq!(hidden, json!([]), "{language} {width}×{height}");
            }
            browser.size(1366, 768).await;
            browser.click("language").await;
            browser.says("language", if language == "zh" { "中文" } else { "EN" }).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_of_any_other_origin_and_both_languages_say_the_same() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.says("flow-ford", "1.63").await;
    let foreign = browser
        .run("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin + '/'))")
        .await;
    assert_eq!(foreign, json!([]));
    let paint = browser.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime").await;
    println!("first paint: {:.0} ms", paint.as_f64().unwrap());
    let differ = browser
        .wait(
            "window.differ ?? (window.asked ??= Promise.all(['zh', 'en'].map(f => import(`/assets/${f}.js`))).then(([a, b]) => {
               const keys = (x, at) => Object.entries(x).flatMap(([k, v]) => typeof v === 'object' ? keys(v, `${at}.${k}`) : [`${at}.${k}`]);
               const [zh, en] = [keys(a.default, ''), keys(b.default, '')].map(k => new Set(k));
               window.differ = { keys: [...zh].filter(k => !en.has(k)).concat([...en].filter(k => !zh.has(k))) };
             }), null)",
        )
        .await;
    assert_eq!(differ["keys"], json!([]));
    // In one scope a name of a module must not hide one of the browser from another.
    let scripts = own_files().into_iter().filter(|name| is_of(name, "js")).map(|name| fixture::asset(&name));
    let declared = |line: &str| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = ["function ", "const ", "let "].iter().find_map(|word| line.strip_prefix(word))?;
        rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().map(str::to_owned)
    };
    let names: Vec<_> =
        scripts.flat_map(|text| text.lines().filter_map(declared).collect::<Vec<_>>()).collect();
    assert!(names.len() > 150, "{names:?}");
    let hidden = browser.run(&format!("return {}.filter(name => name in window)", json!(names))).await;
    assert_eq!(hidden, json!([]));
    drop(service);
}

/// The basins the screens are tried on: the invented one, and the one in `config/`.
pub(crate) fn basins() -> Vec<Config> {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    vec![fixture::small(), qindan::config::load(&shipped).unwrap_or_else(|problems| panic!("{problems}"))]
}

/// The budget: every file a browser can be given, in both languages and with those of a demonstration, compressed as it asks for
/// them by TLS and from this machine. Only licences are for people who look for them.
#[test]
fn the_whole_page_is_small() {
    let loaded = || ASSETS.iter().filter(|asset| !asset.name.ends_with("LICENSE"));
    let bytes: usize = loaded().map(|asset| asset.brotli.len()).sum();
    println!("page: {} files, {bytes} bytes compressed, both languages", loaded().count());
    assert!(bytes <= 120 * 1024, "{bytes}");
}

/// Files of the page as they are written, but for those of others.
fn own_files() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shell/web/assets");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn is_of(name: &str, kind: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|own| own == kind)
}

/// The build leaves out indentation and lines of comments: no text may run over several lines, and no comment begin one that
/// goes on after it.
#[test]
fn scripts_and_styles_can_be_slimmed() {
    for name in own_files().iter().filter(|name| is_of(name, "js") || is_of(name, "css")) {
        for (at, line) in fixture::asset(name).lines().enumerate() {
            let place = format!("{name}:{}: {line}", at + 1);
            assert!(line.matches('`').count() % 2 == 0, "a text over several lines: {place}");
            let after = line.trim().strip_prefix("/*").and_then(|rest| rest.split_once("*/"));
            assert!(after.is_none_or(|(_, after)| after.is_empty()), "code after a comment: {place}");
        }
    }
}

/// First paint waits for no chain of imports: one script has all the modules of the page, but for those of a demonstration and the
/// texts, of which one language is loaded.
#[test]
fn the_page_has_one_script_beside_what_is_loaded_later() {
    let html = std::str::from_utf8(find("index.html").unwrap().plain).unwrap();
    let scripts: Vec<_> = ASSETS
        .iter()
        .filter(|asset| asset.mime.starts_with("text/javascript"))
        .map(|asset| asset.name)
        .collect();
    assert_eq!(scripts, ["app.js", "en.js", "simulated.js", "vendor/uplot/uPlot.iife.min.js", "zh.js"]);
    for name in ["app.js", "vendor/uplot/uPlot.iife.min.js"] {
        assert!(html.contains(&format!("/assets/{name}\"")), "{name}");
    }
    let one = std::str::from_utf8(find("app.js").unwrap().plain).unwrap();
    assert!(!one.contains("import{") && one.contains("function buildAlarmScreen("), "all of it is inside");
}

/// Whatever comes from outside becomes text: nothing of the page makes markup from it.
#[test]
fn no_script_of_the_page_makes_markup() {
    let own = ASSETS
        .iter()
        .filter(|asset| asset.mime.starts_with("text/javascript") && !asset.name.starts_with("vendor/"));
    for asset in own {
        let text = std::str::from_utf8(asset.plain).unwrap();
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!text.contains(word), "{}: {word}", asset.name);
        }
    }
}

/// The page says of each alarm what `ops/alarms.md` says: its name in both languages, and in English all of it.
#[test]
fn every_alarm_is_explained_in_both_languages() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ops/alarms.md")).unwrap();
    let row = |file: &str, id: &str| {
        let start = format!("{id}: {{");
        fixture::asset(file)
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("{file}: {id}"))
            .to_owned()
    };
    for (id, ..) in alarm::LIST {
        let cells = manual.lines().find(|line| line.starts_with(&format!("| {id} |"))).unwrap();
        let cells: Vec<_> = cells.trim_matches('|').split('|').map(str::trim).collect();
        let [.., zh, en, cause, consequence, action] = cells.as_slice() else { panic!("{id}: {cells:?}") };
        assert!(row("zh.js", id).contains(&format!("title: {},", json!(zh))), "{id}: {zh}");
        let (cause, consequence) = (json!(cause), json!(consequence));
        let english = format!(
            "{{ title: {}, cause: {cause}, consequence: {consequence}, action: {} }}",
            json!(en),
            json!(action)
        );
        assert!(row("en.js", id).contains(&english), "{id}: {english}");
    }
}

#[tokio::test]
async fn causes_are_told_with_all_their_numbers() {
    let _turn = TURN.lock().await;
    let (service, browser, config) = small_page().await;
    let section = fixture::far_section(&config);
    let told = [
        (Because::StillLearning { section, hours_left: 7.25 }, "7.3 h"),
        (Because::UnitTrip { unit: GateId(0), lost: fixture::q(1.2) }, "生态放水阀 跳机，补足 1.20 m³/s"),
        (Because::KeepLevel { level_m: 702.14, target_m: 702.2 }, "702.14 m → 702.20 m"),
        (Because::Trim { error: fixture::q(0.12) }, "+0.12 m³/s"),
        (Because::DeadLevel { flow: fixture::q(0.8) }, "0.80 m³/s"),
        (
            Because::Cut { level_m: 733.4, asked: fixture::q(3.49), flow: fixture::q(2.4) },
            "（733.40 m）：按次序压减，3.49 m³/s 中供 2.40 m³/s",
        ),
        (Because::Operator { who: "console".into(), reason: "检修".into() }, "控制台：检修"),
    ];
    for (cause, words) in told {
        service.change(|s| s.why[0].because = vec![cause]);
        browser.says("why", words).await;
        let first = browser.text("why").await;
        assert!(!first.split("10:20").next().unwrap().contains('–'), "{first}");
    }
}

/// Every cause and every limit control can give has its words in both languages.
#[test]
fn every_reason_has_words_in_both_languages() {
    let source =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/control/reason.rs")).unwrap();
    let variants = source.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.trim_end_matches([',', '{', ' ']);
        let one_word = name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
        one_word.then_some(name)
    });
    let variants: Vec<_> = variants.collect();
    assert!(variants.len() > 35, "{variants:?}");
    for file in ["zh.js", "en.js"] {
        let words = fixture::asset(file);
        for variant in &variants {
            let mut key = String::from(" ");
            for (at, letter) in variant.char_indices() {
                if at > 0 && letter.is_uppercase() {
                    key.push('_');
                }
                key.extend(letter.to_lowercase());
            }
            assert!(words.contains(&format!("{}: \"", key.trim_start())), "{file}:{key}");
        }
    }
}

/// Two rows of the bar would push the overview off a screen of 768 lines.
#[tokio::test]
async fn the_top_bar_keeps_to_one_row_while_everything_is_held() {
    let _turn = TURN.lock().await;
    for config in basins() {
        let mut status = fixture::status(&config);
        status.hold_all = Some("li".into());
        let (_service, browser) = open(config, status).await;
        browser.wait("document.querySelector('[data-testid=release-hold]')?.hidden === false").await;
        for language in ["zh", "en"] {
            for (width, height) in [(1920, 1080), (1366, 768), (1024, 768)] {
                browser.size(width, height).await;
                browser.wait(&format!("innerWidth === {width}")).await;
                let tall =
                    browser.run("return document.querySelector('[data-testid=header]').offsetHeight").await;
                // A row is 46 px at least; the second would be as many more.
                assert!(tall.as_u64().unwrap() < 70, "{language} {width}: {tall}");
            }
            browser.size(1366, 768).await;
            browser.click("language").await;
            browser.says("language", if language == "zh" { "中文" } else { "EN" }).await;
        }
    }
}

#[tokio::test]
async fn a_phone_shows_every_screen_of_the_rail_at_once() {
    let _turn = TURN.lock().await;
    for config in basins() {
        let status = fixture::status(&config);
        let (_service, browser) = open(config, status).await;
        browser.size(390, 844).await;
        browser.wait("innerWidth === 390").await;
        let off = "return [...document.querySelectorAll('.rail-nav a')].filter((a) => { const r = a.getBoundingClientRect();
            return r.left < 0 || r.right > innerWidth + 1 || r.width < 24; }).map((a) => a.textContent)";
        assert_eq!(browser.run(off).await, json!([]));
    }
}
