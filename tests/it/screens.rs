//! The screens of the page beyond the overview, in a headless Chromium against the real router.

use std::fmt::Write as _;
use std::time::Duration;

use qindan::control::alarm;
use qindan::control::operator::Order;
use qindan::control::status::{AlarmStatus, AsideStatus, Balance, FloodStatus};
use qindan::control::ticket::Permit;
use qindan::shell::people::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::browser::Browser;
use crate::door::PASSWORD;
use crate::fixture;
use crate::live::{Service, open, sign_in};
use crate::page::{TURN, basins};

/// Every screen of a basin by its address behind the `#`.
pub(crate) async fn screens(browser: &Browser) -> Vec<String> {
    let list =
        "return [...document.querySelectorAll('[data-testid=nav] a')].map(a => a.getAttribute('href'))";
    let links = browser.run(list).await;
    links.as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect()
}

/// Goes to a screen and waits until it stands.
pub(crate) async fn go(browser: &Browser, address: &str) {
    let name = address.trim_start_matches("#/").split('/').next().unwrap_or_default();
    let name = if name.is_empty() { "overview" } else { name };
    browser.run(&format!("location.hash = {}", json!(address))).await;
    browser.wait(&format!("document.querySelector('main.scr-{name} .panel h2')")).await;
}

async fn small() -> (Service, Browser) {
    let config = fixture::small();
    let status = fixture::status(&config);
    open(config, status).await
}

#[tokio::test]
async fn the_rail_keeps_its_place_and_any_gate_is_two_clicks_away() {
    let _turn = TURN.lock().await;
    let (_service, browser) = small().await;
    let places = "return [...document.querySelectorAll('[data-testid=nav] a')].map(a => { const r = a.getBoundingClientRect(); return [a.dataset.testid, Math.round(r.x), Math.round(r.y)]; })";
    let at_first = browser.run(places).await;
    let addresses = screens(&browser).await;
    assert_eq!(addresses.len(), 11, "{addresses:?}");
    for address in &addresses {
        go(&browser, address).await;
        assert_eq!(browser.run(places).await, at_first, "{address}");
        let here = browser
            .run(
                "return document.querySelector('[data-testid=nav] [aria-current=page]').getAttribute('href')",
            )
            .await;
        assert_eq!(here, json!(address));
        assert!(
            browser.sees("hold-all").await && browser.sees("count-1").await && browser.sees("clock").await,
            "{address}"
        );
        // One click to the overview, one to the gate.
        browser.click("nav-overview").await;
        browser.click("gate-v1").await;
        browser.says("face-position", "24.0").await;
        browser.click("faceplate-close").await;
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_screen_has_an_address_and_goes_blind_like_any_other() {
    let _turn = TURN.lock().await;
    let (mut service, browser) = small().await;
    browser.open(&format!("{}#/reach/ford", service.page())).await;
    browser.says("reach-flow", "1.63").await;
    browser.click("nav-alarms").await;
    browser.says("alarm-shown", "/").await;
    browser.run("history.back()").await;
    browser.says("reach-flow", "1.63").await;
    browser.run("location.hash = '#/nowhere'").await;
    browser.says("flow-ford", "1.63").await;
    go(&browser, "#/alarms").await;
    assert!(browser.sees("page-ack-A05:v1").await);
    service.kill();
    browser.wait("!document.querySelector('[data-testid=blind]').hidden").await;
    assert!(
        !browser.sees("page-ack-A05:v1").await && !browser.sees("ack-page").await,
        "no command where nothing is seen"
    );
}

#[tokio::test]
async fn a_reach_tells_what_comes_when_and_what_binds() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    service.change(|s| {
        s.sections[1].balance = vec![Balance {
            foot: qindan::basin::MeterId(1),
            unexplained: -0.214,
            lasting: -0.18,
            error: 0.05,
            primed: true,
        }];
        s.sections[1].promise_error = Some(0.07);
    });
    go(&browser, "#/reach/ford").await;
    browser.says("reach-flow", "1.63").await;
    browser.says("reach-margin", "+9 %").await;
    let panel = |name: &str| format!("return document.querySelector('.{name}').innerText");
    let order = browser.run(&panel("reach-order")).await;
    let order = order.as_str().unwrap().to_owned();
    // The valve's water has 30 km to go, at once is only what is at the section itself.
    assert!(order.contains("生态放水阀") && order.contains("即时"), "{order}");
    browser.wait("document.querySelector('.reach-balance').innerText.includes('−0.21')").await;
    browser.wait("document.querySelector('.reach-balance').innerText.includes('0.07')").await;
    let slack = browser.run(&panel("reach-slack")).await;
    // 1.6305 less the floor of 1.5.
    assert!(slack.as_str().unwrap().contains("+0.13"), "{slack}");
    let count = "return document.querySelectorAll('[data-testid=reach-transit] li').length";
    assert!(browser.run(count).await.as_u64().unwrap() >= 1);
    browser.click("reach-gate-v1").await;
    browser.says("face-position", "24.0").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_trend_has_windows_from_an_hour_to_a_month_and_a_table_and_gaps_stay_gaps() {
    let _turn = TURN.lock().await;
    let (_service, browser) = small().await;
    go(&browser, "#/reach/ford").await;
    for hours in [1, 6, 24, 72, 168, 720] {
        browser.click(&format!("window-{hours}")).await;
        browser
            .wait(&format!("document.querySelector('[data-testid=pens-plot]').dataset.hours === '{hours}'"))
            .await;
    }
    browser.click("window-24").await;
    browser.wait("document.querySelector('[data-testid=pens-plot]').dataset.hours === '24'").await;
    browser.click("pens-as-table").await;
    browser.says("pens-table", "1.6").await;
    // The history of the fixtures is silent for forty minutes.
    browser.wait("[...document.querySelectorAll('[data-testid=pens-table] td')].some(td => td.textContent.startsWith('—'))").await;
    let href =
        browser.run("return document.querySelector('[data-testid=pens-csv]').getAttribute('href')").await;
    let csv = browser.wait(&format!("window.csv ?? (window.asked ??= fetch({href}).then(r => r.text()).then(text => {{ window.csv = {{ text }} }}), null)")).await;
    assert!(csv["text"].as_str().unwrap().starts_with("time,point,value,quality\n"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_acknowledged_is_what_was_on_the_screen() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    service.change(|s| {
        let one = |key: &str, priority: u8| AlarmStatus {
            key: key.into(),
            id: key.split(':').next().unwrap().into(),
            element: key.split(':').nth(1).unwrap().into(),
            priority,
            active: true,
            acknowledged: false,
            since: fixture::utc(-700),
            detail: json!({}),
        };
        s.alarms = vec![one("A01:ford", 1), one("A05:v1", 2), one("A10:dam.rtu", 3)];
    });
    go(&browser, "#/alarms").await;
    browser.says("page-alarm-A01:ford", "立即").await;
    let row = browser.text("page-alarm-A05:v1").await;
    assert!(row.contains("计划的水没有放出") && row.contains("1 小时内"), "{row}");
    assert!(!browser.sees("page-shelve-A01:ford").await, "the first priority is not put aside");
    browser.click("filter-p3").await;
    browser.says("alarm-shown", "2 / 3").await;
    browser.click("ack-page").await;
    assert!(
        !browser.text("ack-covered").await.contains("设备通信中断"),
        "what is filtered out is not covered"
    );
    // One more comes while the list is read.
    service.change(|s| {
        let mut late = s.alarms[1].clone();
        (late.key, late.id) = ("A14:v1".into(), "A14".into());
        s.alarms.push(late);
    });
    browser.click("ack-page-go").await;
    browser.wait("!document.querySelector('dialog')").await;
    let seen =
        |keys: &[&str]| Order::AcknowledgeMany { alarms: keys.iter().map(|&key| key.into()).collect() };
    assert_eq!(service.acts(), [seen(&["A01:ford", "A05:v1"])]);
    // What has been raised anew since it was shown is not acknowledged with it.
    service.change(|s| {
        s.alarms.iter_mut().filter(|a| a.key == "A14:v1").for_each(|a| a.since = fixture::utc(-1));
    });
    let shown = fixture::utc(-700).as_second();
    let asked = async |what: &str| {
        let request = format!(
            "return fetch('/api/v1/acts/acknowledge', {{ method: 'POST', headers: {{ 'content-type': 'application/json', 'x-qindan': '1' }},
             body: JSON.stringify({{ request: crypto.randomUUID(), {what} }}) }}).then(async r => [r.status, (await r.json()).left ?? null])"
        );
        browser.run(&request).await
    };
    let stale = format!("{{ alarm: 'A14:v1', since_s: {shown} }}");
    assert_eq!(asked(&format!("alarm: 'A14:v1', since_s: {shown}")).await, json!([409, null]));
    assert_eq!(asked(&format!("alarms: [{stale}]")).await, json!([409, null]));
    assert_eq!(service.acts().len(), 1);
    // Nor does it keep the others back.
    let both = asked(&format!("alarms: [{stale}, {{ alarm: 'A10:dam.rtu', since_s: {shown} }}]")).await;
    assert_eq!(both, json!([200, ["A14:v1"]]));
    assert_eq!(service.acts()[1..], [seen(&["A10:dam.rtu"])]);
    // One or many, and no more than a hundred.
    let crowd = format!("alarms: Array(101).fill({stale})");
    let two = format!("alarm: 'A14:v1', alarms: [{stale}]");
    for wrong in [two.as_str(), crowd.as_str(), "", "alarms: []"] {
        assert_eq!(asked(wrong).await, json!([422, null]), "{wrong}");
    }
    assert_eq!(service.acts().len(), 2);
}

#[tokio::test]
async fn an_alarm_is_put_aside_with_a_reason_and_taken_back() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    go(&browser, "#/alarms").await;
    browser.click("page-shelve-A05:v1").await;
    browser.click("shelf-next").await;
    assert!(browser.sees("shelf-reason").await, "not without a reason");
    browser.fill("shelf-reason", "检修").await;
    browser.click("shelf-next").await;
    browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    browser.says("aside-A05:v1", "检修").await;
    let expected = Order::Shelve { alarm: "A05:v1".into(), minutes: 60, reason: "检修".into() };
    assert_eq!(service.acts(), [expected]);
    assert!(!browser.sees("page-alarm-A05:v1").await);
    browser.click("unshelve-A05:v1").await;
    browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    assert_eq!(service.acts()[1], Order::Unshelve { alarm: "A05:v1".into() });
}

#[tokio::test]
async fn a_gate_shut_by_season_opens_with_a_ticket_of_two() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    let lock = qindan::basin::Lock { signatures: 2, max_minutes: 120, notify: "ecology_bureau".into() };
    std::sync::Arc::make_mut(&mut config.basin).gates[0].lock = Some(lock);
    let status = fixture::status(&config);
    let (service, browser) = open(config, status).await;
    browser.click("gate-v1").await;
    browser.click("ticket-ask").await;
    browser.fill("ticket-minutes", "90").await;
    browser.fill("ticket-reason", "泵站进水").await;
    browser.click("ticket-next").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    browser.says("ticket-state", "待签署").await;
    browser.says("ticket-state", "泵站进水").await;
    browser.click("ticket-sign").await;
    // Whoever signs gives the password and a reason: it is the act of a shift leader.
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.fill("own-password", PASSWORD).await;
    browser.fill("mode-reason", "已核实").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    browser.says("ticket-state", "ecology_bureau").await;
    let gate = qindan::basin::GateId(0);
    let (reason, permit) = ("泵站进水".to_owned(), Permit::Season);
    assert_eq!(
        service.acts(),
        [Order::AskTicket { gate, minutes: 90, reason, permit }, Order::SignTicket { gate, ticket: 1 }]
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_flood_gate_is_moved_by_an_order_of_two() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    std::sync::Arc::make_mut(&mut config.basin).gates[0].duty = qindan::basin::Duty::Flood;
    let status = fixture::status(&config);
    let (service, browser) = open(config, status).await;
    browser.click("gate-v1").await;
    assert!(!browser.sees("select").await, "nothing is sent without an order");
    browser.click("ticket-ask").await;
    browser.fill("ticket-minutes", "90").await;
    browser.fill("ticket-reason", "入库上涨").await;
    browser.click("ticket-next").await;
    assert!(browser.sees("ticket-number").await, "not without the number of the order");
    browser.fill("ticket-number", "汛令 12").await;
    browser.fill("ticket-giver", "市防办").await;
    browser.click("ticket-next").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    browser.says("ticket-state", "汛令 12").await;
    assert!(!browser.sees("select").await, "one person is not enough");
    service.change(|s| s.tickets[0].in_force = true);
    browser.wait("document.querySelector('[data-testid=select]') !== null").await;
    let (number, giver) = ("汛令 12".to_owned(), "市防办".to_owned());
    let gate = qindan::basin::GateId(0);
    let (reason, permit) = ("入库上涨".to_owned(), Permit::Order { number, giver });
    assert_eq!(service.acts(), [Order::AskTicket { gate, minutes: 90, reason, permit }]);
    service.change(|s| s.tickets.clear());
    browser.wait("document.querySelector('[data-testid=select]') === null").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_reading_is_entered_in_place_of_a_meter_with_a_name_and_an_end() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    go(&browser, "#/meters/q.ford").await;
    browser.wait("document.querySelector('[data-testid=meter-raw]')").await;
    assert!(!browser.sees("meter-withdraw").await, "nothing is entered yet");
    browser.click("meter-enter").await;
    browser.fill("enter-value", "1.58").await;
    browser.click("enter-next").await;
    assert!(browser.sees("enter-reason").await, "not without what it was read off");
    browser.fill("enter-reason", "水尺 1.32 m").await;
    browser.click("enter-next").await;
    browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    let reason = "水尺 1.32 m".to_owned();
    let expected = Order::Enter { meter: "q.ford".into(), value: 1.58, minutes: 60, reason };
    assert_eq!(service.acts(), [expected]);
    browser.run("document.querySelector('dialog').close()").await;
    browser.says("meter-entered", "1.58").await;
    browser.says("meter-entered", "水尺 1.32 m").await;
    browser.click("meter-withdraw").await;
    browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    assert_eq!(service.acts()[1], Order::Withdraw { meter: "q.ford".into() });
    // Out of range, too long, no such meter: told with the key and the range.
    for (order, word) in [
        (json!({ "order": "enter", "meter": "q.ford", "value": -1, "minutes": 60, "reason": "x" }), "value"),
        (
            json!({ "order": "enter", "meter": "q.ford", "value": 1, "minutes": 241, "reason": "x" }),
            "minutes",
        ),
        (json!({ "order": "enter", "meter": "q.moon", "value": 1, "minutes": 60, "reason": "x" }), "q.moon"),
        (json!({ "order": "withdraw", "meter": "q.outlet" }), "q.outlet"),
    ] {
        let script = format!(
            "return fetch('/api/v1/acts/preview', {{ method: 'POST', headers: {{ 'content-type': 'application/json', 'x-qindan': '1' }},
            body: JSON.stringify({order}) }}).then(async r => [r.status, await r.text()])"
        );
        let answer = browser.run(&script).await;
        assert_eq!(answer[0], 422, "{answer}");
        assert!(answer[1].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(service.acts().len(), 2);
}

#[tokio::test]
async fn a_flood_is_told_grouped_by_site_with_the_first_one_marked() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    service.change(|s| {
        let one = |id: &str, element: &str, priority: u8| AlarmStatus {
            key: format!("{id}:{element}"),
            id: id.into(),
            element: element.into(),
            priority,
            active: true,
            acknowledged: false,
            since: fixture::utc(-60),
            detail: json!({}),
        };
        s.alarms =
            vec![one("A05", "v1", 2), one("A10", "dam.rtu", 3), one("A13", "v1", 3), one("A45", "f", 4)];
        s.flood = Some(FloodStatus { since: fixture::utc(-30), first: "A10:dam.rtu".into() });
        let parent = Some("A01:ford".to_owned());
        s.aside = vec![AsideStatus { alarm: one("A03", "ford", 2), shelf: None, parent }];
    });
    go(&browser, "#/alarms").await;
    browser.says("flood", "报警泛滥").await;
    browser.says("page-alarm-A10:dam.rtu", "首发").await;
    let heads = "return [...document.querySelectorAll('.group-head')].map(h => h.textContent)";
    let heads = browser.run(heads).await;
    assert_eq!(
        heads,
        json!(["优先级 1、2\u{2009}·\u{2009}1", "大坝\u{2009}·\u{2009}2", "服务\u{2009}·\u{2009}1"])
    );
    browser.says("aside-A03:ford", "已抑制").await;
    assert!(browser.text("aside-A03:ford").await.contains("断面流量低于下限"));
    browser.says("alarm-numbers", "13").await;
}

#[tokio::test]
async fn records_open_with_their_inputs_and_reports_open_in_a_page_of_their_own() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    go(&browser, "#/records").await;
    browser.says("records-said", "50").await;
    browser.click("records-older").await;
    browser.wait("!document.querySelector('[data-testid=records-newer]').disabled").await;
    let first =
        browser.run("return document.querySelector('[data-testid=records] button').dataset.testid").await;
    let first = first.as_str().unwrap().to_owned();
    browser.click(&first).await;
    browser.says(&first.replace("record-", "record-text-"), "inputs").await;
    browser.run("const k = document.querySelector('[data-testid=records-kind]'); k.value = 'people'; k.dispatchEvent(new Event('change'))").await;
    browser.wait("document.querySelectorAll('[data-testid=records] button').length === 1").await;
    browser.says("reports", "日报 2026-05-17 08:00").await;
    let report =
        browser.run("return document.querySelector('[data-testid=reports] a').getAttribute('href')").await;
    browser.open(&format!("{}{}", service.page().trim_end_matches('/'), report.as_str().unwrap())).await;
    browser.wait("document.body.textContent.includes('1.07')").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_link_shows_its_frames_and_a_meter_its_checks() {
    let _turn = TURN.lock().await;
    let (service, browser) = small().await;
    go(&browser, "#/links").await;
    browser.says("link-dam", "12").await;
    assert!(browser.text("link-dam").await.contains("2×3"), "three times exception 2");
    go(&browser, "#/links/dam").await;
    browser.says("frames", "工程师").await;
    service.add("sun", Role::Engineer);
    sign_in(&service, &browser, "sun", false).await;
    go(&browser, "#/links/dam").await;
    browser.says("frames", "1.000 > 00 01").await;
    go(&browser, "#/meters").await;
    browser.says("meters-sum", "/3").await;
    go(&browser, "#/meters/q.ford").await;
    browser.says("meter-value", "1.63").await;
    // 1.6305 over the scale of 0.01.
    browser.says("meter-raw", "163").await;
    browser.says("meter-checks", "量程内").await;
    browser.wait("document.querySelectorAll('[data-testid=quality-strip] i').length === 3").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn every_screen_fits_is_reached_by_keyboard_and_has_nothing_serious_for_axe() {
    let _turn = TURN.lock().await;
    let axe =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vendor/axe-core/axe.min.js"))
            .unwrap();
    for config in basins() {
        let status = fixture::status(&config);
        let is_small = config.basin.gates.len() == fixture::small_basin().gates.len();
        let (_service, browser) = open(config, status).await;
        let mut addresses = screens(&browser).await;
        let meter = browser.run("return fetch('/api/v1/basin').then(r => r.json()).then(b => [b.meters[0].id, b.links[0].id])").await;
        addresses.push(format!("#/meters/{}", meter[0].as_str().unwrap()));
        addresses.push(format!("#/links/{}", meter[1].as_str().unwrap()));
        // Both languages in both colours on the small basin.
        let looks: &[_] = if is_small {
            &[("zh", "light"), ("en", "dark"), ("zh", "dark"), ("en", "light")]
        } else {
            &[("zh", "light"), ("en", "dark")]
        };
        for (language, theme) in looks {
            browser.run(&format!("localStorage.setItem('language', '{language}'); localStorage.setItem('theme', '{theme}'); location.reload()")).await;
            browser.says("clock", ":").await;
            browser.run(&axe).await;
            for address in &addresses {
                go(&browser, address).await;
                for (width, height) in [(1920, 1080), (1366, 768), (390, 844)] {
                    browser.size(width, height).await;
                    browser.wait(&format!("innerWidth === {width}")).await;
                    let wide = browser.run("return document.documentElement.scrollWidth").await;
                    assert!(
                        wide.as_u64().unwrap() <= u64::from(width),
                        "{address} {language} {width}: {wide}"
                    );
                }
                browser.size(1366, 768).await;
                browser.wait("innerWidth === 1366 && !document.body.classList.contains('looks')").await;
                let found = browser.run("return axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
                    .then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 300), v.nodes[0].any.map(a => a.message)]))").await;
                assert_eq!(found, json!([]), "{address} {language} {theme}");
            }
        }
    }
}

/// Keys as the driver names them.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// All that can be pressed can be reached by keyboard: nothing that acts is a plain element.
#[tokio::test]
async fn the_way_from_an_alarm_to_its_gate_needs_no_mouse() {
    let _turn = TURN.lock().await;
    let (_service, browser) = small().await;
    let focus = "return document.activeElement?.dataset?.testid ?? document.activeElement?.textContent";
    let reach = async |wanted: &str| {
        for _ in 0..80 {
            browser.hold_key(TAB, Duration::ZERO).await;
            if browser.run(focus).await.as_str() == Some(wanted) {
                return;
            }
        }
        panic!("{wanted} is not reached by Tab");
    };
    browser.run("document.body.focus()").await;
    reach("nav-alarms").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.says("page-alarm-A05:v1", "闸门未到位").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "main");
    reach("面板").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.wait("document.activeElement.dataset.testid === 'faceplate'").await;
    reach("set-point").await;
}

#[test]
fn the_accessibility_checker_is_the_one_that_was_published() {
    let bytes = include_bytes!("../vendor/axe-core/axe.min.js");
    let hash = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    assert_eq!(hash, "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb");
    let readme = include_str!("../vendor/axe-core/README.md");
    assert!(readme.contains(&hash));
}

/// Each alarm has a time to act on the page, and `ops/alarms.md` says the same.
#[test]
fn every_alarm_has_a_time_to_act_in_both_languages() {
    let text = fixture::asset;
    let page = text("alarmscreen.js");
    let (zh, en) = (text("zh.js"), text("en.js"));
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ops/alarms.md")).unwrap();
    for (id, ..) in alarm::LIST {
        let (_, after) =
            page.split_once(&format!("{id}: \"")).unwrap_or_else(|| panic!("{id} has no time to act"));
        let within = after.split('"').next().unwrap();
        let word = |texts: &str| {
            let line =
                texts.lines().find(|line| line.trim_start().starts_with("within: {")).unwrap().to_owned();
            let (_, rest) = line.split_once(&format!("{within}: \"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let row = manual.lines().find(|line| line.starts_with(&format!("| {} | {} |", word(&zh), word(&en))));
        let row = row.unwrap_or_else(|| panic!("ops/alarms.md has no row for {within}"));
        assert!(row.contains(id), "{id}: {row}");
    }
}

/// A month of eight series, asked of the service and drawn.
#[tokio::test]
async fn a_month_of_eight_series_is_there_in_time() {
    let _turn = TURN.lock().await;
    let config = basins().pop().unwrap();
    let status = fixture::status(&config);
    let (_service, browser) = open(config, status).await;
    let series = "window.series ??= fetch('/api/v1/basin').then(r => r.json()).then(b => [...b.sections.slice(0, 4).map(s => `section:${s.id}`), ...b.gates.filter(g => g.automatic).slice(0, 4).map(g => `gate:${g.id}`)].map(encodeURIComponent).join(','))";
    browser.run(&format!("return ({series}).then(() => 1)")).await;
    let took: Value = browser
        .run(
            "return window.series.then(async names => { const times = []; for (let k = 0; k < 9; k += 1) { const began = performance.now();
               const body = await (await fetch(`/api/v1/trends?hours=720&points=480&series=${names}`)).json();
               times.push([performance.now() - began, Object.keys(body.series).length]); } return times.sort((a, b) => a[0] - b[0])[4]; })",
        )
        .await;
    println!("a month of {} series: {:.0} ms", took[1], took[0].as_f64().unwrap());
    assert_eq!(took[1], 8);
    assert!(took[0].as_f64().unwrap() <= 150.0, "{took}");
}
