//! What a person at the desk hears, reaches without a mouse, and sees when a link is lost; what a telephone shows; and what the
//! accessibility checker says of every page and dialog, in both languages and colours.

use std::time::Duration;

use qindan::control::operator::{Mode, Order};
use qindan::control::status::{AlarmStatus, FloodStatus};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::live::{Service, open};
use crate::page::{TURN, small_page};
use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};
use crate::{door, fixture, screens};

/// Keys as the driver names them.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const SPACE: &str = " ";

async fn type_in(browser: &Browser, words: &str) {
    for letter in words.chars() {
        browser.hold_key(&letter.to_string(), Duration::ZERO).await;
    }
}

/// Presses Tab until the focus is on the element with this identifier, name or text.
async fn reach(browser: &Browser, wanted: &str) {
    let focus =
        "const el = document.activeElement; return [el?.dataset?.testid, el?.name, el?.textContent?.trim()]";
    for _ in 0..120 {
        let here = browser.run(focus).await;
        if here.as_array().unwrap().iter().any(|one| one == wanted) {
            return;
        }
        browser.hold_key(TAB, Duration::ZERO).await;
    }
    panic!("{wanted} is not reached by Tab");
}

/// From the sign-in page to a set-point that was taken, without touching a mouse.
#[tokio::test]
async fn a_set_point_is_given_by_keyboard_alone_from_the_sign_in() {
    let _turn = TURN.lock().await;
    let config = fixture::small();
    let service = Service::start(config.clone(), fixture::status(&config));
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    browser.open(&format!("{}login", service.page())).await;
    reach(&browser, "name").await;
    type_in(&browser, door::USER).await;
    reach(&browser, "password").await;
    type_in(&browser, door::PASSWORD).await;
    reach(&browser, "with-control").await;
    browser.hold_key(SPACE, Duration::ZERO).await;
    reach(&browser, "sign-in").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.says("clock", ":").await;
    reach(&browser, "nav-alarms").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.says("page-alarm-A05:v1", "闸门未到位").await;
    reach(&browser, "面板").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.wait("document.activeElement.dataset.testid === 'faceplate'").await;
    reach(&browser, "set-point").await;
    browser.run("document.activeElement.select()").await;
    type_in(&browser, "30").await;
    reach(&browser, "reason").await;
    type_in(&browser, "keyboard").await;
    reach(&browser, "preview").await;
    browser.hold_key(ENTER, Duration::ZERO).await;
    browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
    reach(&browser, "confirm").await;
    // Let go too early it does nothing.
    browser.hold_key(SPACE, Duration::from_millis(300)).await;
    assert!(service.acts().is_empty());
    browser.hold_key(SPACE, Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    let acts = service.acts();
    let [Order::SetPoint { opening, reason, .. }] = acts.as_slice() else { panic!("{acts:?}") };
    assert_eq!((opening.percent().round() as i64, reason.as_str()), (30, "keyboard"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// What the service refuses stands on the page in its language: here an identifier the page would never send.
#[tokio::test]
async fn a_refusal_is_told_in_the_language_of_the_page() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    let short = "const ask = window.fetch;
        window.fetch = (what, how) => ask(what, String(what).endsWith('/hold-all') ? { ...how, body: JSON.stringify({ request: 'short' }) } : how);";
    browser.before_each_page(short).await;
    browser.open(&service.page()).await;
    browser.says("clock", ":").await;
    browser.press("hold-all", Duration::from_millis(1300)).await;
    browser.says("hold-answer", "须为 8 至 200 字").await;
    browser.click("language").await;
    browser.says("mode", "AUTO").await;
    browser.press("hold-all", Duration::from_millis(1300)).await;
    browser.says("hold-answer", "must have 8 to 200 characters").await;
    assert!(service.acts().is_empty());
}

/// Whatever acts, by what it is called in the page.
const ACTING: &str = "[...document.querySelectorAll('.command, .hold, .work, .steps, [data-testid^=edit-], [data-testid^=remove-], [data-testid=control]')]
    .filter(el => el.checkVisibility({ visibilityProperty: true })).map(el => el.dataset.testid ?? el.className)";

#[tokio::test]
async fn a_telephone_shows_everything_and_commands_nothing() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    let acting = format!("return {ACTING}");
    let at_the_desk = browser.run(&acting).await;
    assert!(at_the_desk.as_array().unwrap().iter().any(|one| one == "hold-all"), "{at_the_desk}");
    assert!(!browser.sees("only-looks").await);
    let addresses = screens::screens(&browser).await;
    for (width, height, finger) in [(390, 844, false), (390, 844, true), (700, 360, true), (844, 390, true)] {
        browser.command("Emulation.setTouchEmulationEnabled", json!({ "enabled": finger })).await;
        browser.size(width, height).await;
        browser.wait(&format!("innerWidth === {width}")).await;
        browser.says("only-looks", "手机上只能查看").await;
        assert!(browser.sees("only-looks").await);
        for address in &addresses {
            screens::go(&browser, address).await;
            assert_eq!(browser.run(&acting).await, json!([]), "{address} {width}");
        }
        screens::go(&browser, "#/alarms").await;
        browser.says("page-alarm-A05:v1", "闸门未到位").await;
        browser.run("[...document.querySelectorAll('.alarm-acts button')].find(b => b.textContent === '面板').click()").await;
        browser.says("face-position", "24.0").await;
        assert_eq!(browser.run(&acting).await, json!([]), "faceplate {width}");
        // Nor by the key that holds all, nor by the mode.
        browser.hold_key("h", Duration::from_millis(1300)).await;
        browser.run("document.querySelector('[data-testid=mode]').click()").await;
        assert_eq!(browser.run("return document.querySelectorAll('dialog').length").await, 0);
        browser.run("document.querySelector('[data-testid=faceplate-close]').click()").await;
    }
    assert!(service.acts().is_empty());
    browser.command("Emulation.setTouchEmulationEnabled", json!({ "enabled": false })).await;
    browser.size(1366, 768).await;
    browser
        .wait("innerWidth === 1366 && document.querySelector('[data-testid=hold-all]').checkVisibility()")
        .await;
    assert!(!browser.sees("only-looks").await);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_faceplate_tells_the_last_ten_commands_of_its_gate() {
    let _turn = TURN.lock().await;
    let (_service, browser, _) = small_page().await;
    browser.click("gate-v1").await;
    browser.wait("document.querySelectorAll('[data-testid=face-commands] li').length === 10").await;
    // The newest of the page's own list stands first, older ones of the record below it.
    let first =
        browser.run("return document.querySelector('[data-testid=face-commands] li').textContent").await;
    assert!(first.as_str().unwrap().contains("24.0"), "{first}");
    let ends = browser.run("return [...document.querySelectorAll('[data-testid=face-commands] li')].every(li => /[✓✗…–]/.test(li.textContent))").await;
    assert_eq!(ends, true, "each with how it ended");
}

/// Stands in for the sound of the browser, which a machine without a sound card may not have; counts the tones.
const EARS: &str = "window.tones = 0;
    window.AudioContext = class {
      state = 'suspended'; currentTime = 0; destination = {};
      resume() { this.state = 'running'; return Promise.resolve(); }
      createOscillator() { return { frequency: {}, connect: (next) => next, start: () => { window.tones += 1; }, stop() {} }; }
      createGain() { return { gain: { setValueAtTime() {}, linearRampToValueAtTime() {} }, connect: (next) => next }; }
    };";

#[tokio::test]
async fn the_horn_sounds_when_it_was_allowed_until_it_is_muted_or_the_alarm_is_seen() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.before_each_page(EARS).await;
    browser.open(&service.page()).await;
    browser.says("clock", ":").await;
    let is = async |wanted: &str| {
        browser
            .wait(&format!("document.querySelector('[data-testid=horn]')?.dataset.horn === '{wanted}'"))
            .await;
    };
    let push = |id: &str, ago: i64| {
        service.change(|s| {
            s.alarms.push(AlarmStatus {
                key: format!("{id}:v1"),
                id: id.into(),
                element: "v1".into(),
                priority: 3,
                active: true,
                acknowledged: false,
                since: fixture::utc(-ago),
                detail: json!({}),
            });
        });
    };
    is("off").await;
    service.change(|s| s.alarms.clear());
    push("A05", 700);
    browser.says("alarm-total", "1 ").await;
    assert_eq!(browser.run("return window.tones").await, 0, "nobody has allowed it");
    browser.click("horn").await;
    is("sounds").await;
    browser.wait("window.tones > 0").await;
    browser.click("horn").await;
    is("muted").await;
    // Mute until the next one.
    push("A14", 5);
    is("sounds").await;
    browser.click("horn").await;
    is("muted").await;
    // A flood calls once, whatever comes in it.
    service.change(|s| s.flood = Some(FloodStatus { since: fixture::utc(-3), first: "A14:v1".into() }));
    push("A13", 4);
    is("sounds").await;
    browser.click("horn").await;
    is("muted").await;
    push("A12", 3);
    browser.says("alarm-total", "4 ").await;
    is("muted").await;
    // Seen by a person, in whichever browser: nothing is left to call for.
    service.change(|s| s.alarms.iter_mut().for_each(|alarm| alarm.acknowledged = true));
    is("on").await;
    // What a browser lets out after a reload needs a touch; what was allowed stays allowed.
    browser.open(&service.page()).await;
    is("waits").await;
    browser.click("nav-overview").await;
    is("on").await;
    browser.click("horn").await;
    is("off").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// The cable of the only device is pulled: within three scans no number that hangs on it stands there as good.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_marks_every_number_that_hangs_on_it_within_three_scans() {
    const SCAN_S: f64 = 1.0;
    let _turn = TURN.lock().await;
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Manual);
    let mut field = (*config.field).clone();
    field.classes = vec![qindan::points::ScanClass::new("normal", SCAN_S)];
    config.field = std::sync::Arc::new(field);
    let bench = Bench::start(folder.options(config, 1.0)).await;
    bench.until("at rest", at_rest).await;
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    let origin = format!("http://{}", bench.running.address());
    browser.open(&format!("{origin}/login")).await;
    browser.fill("name", door::USER).await;
    browser.fill("password", door::PASSWORD).await;
    browser.click("sign-in").await;
    browser.says("flow-ford", "1.80").await;
    // The faceplate shows its own numbers beside those of the overview.
    browser.click("gate-v1").await;
    browser.says("face-position", "24").await;
    let good = "[...document.querySelectorAll('.val[data-q=good]')]";
    let before = browser.run(&format!("return {good}.length")).await.as_u64().unwrap();
    assert!(before >= 4, "{before}");
    let watch = format!(
        "window.lost = null; const began = performance.now();
         const look = () => {{ if (window.lost === null && {good}.length === 0) window.lost = performance.now() - began; }};
         new MutationObserver(look).observe(document.body, {{ subtree: true, attributes: true, attributeFilter: ['data-q'] }});"
    );
    browser.run(&watch).await;
    site.pull();
    let took = browser.wait("window.lost").await.as_f64().unwrap() / 1000.0;
    let still = format!("return {good}.map(el => el.dataset.testid ?? el.textContent)");
    assert_eq!(browser.run(&still).await, json!([]));
    println!("{before} numbers, scan {SCAN_S} s: none of them good {took:.2} s after the link was pulled");
    // Three scans, the tick that sees it, and what the way to the page takes on a busy machine.
    assert!(took < 3.0 * SCAN_S + 1.0 + 1.5, "{took}");
    // Hatched with their age, or without a number; never a plain one.
    let looks = "return [...document.querySelectorAll('.val')].filter(el => el.checkVisibility() && !['stale', 'bad', 'substituted', 'suspect'].includes(el.dataset.q)).length";
    assert_eq!(browser.run(looks).await, 0);
    let ford = browser.run("const el = document.querySelector('[data-testid=flow-ford]'); return [el.dataset.q, getComputedStyle(el).backgroundImage]").await;
    assert_ne!(ford[0], "good", "{ford}");
    bench.end().await;
}

/// What the checker finds serious on the page as it stands.
async fn serious(browser: &Browser, axe: &str) -> Value {
    browser.run(axe).await;
    browser
        .run("return axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
            .then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 300), v.nodes[0].any.map(a => a.message)]))")
        .await
}

#[tokio::test]
async fn pages_made_by_the_server_and_dialogs_have_nothing_serious_for_axe() {
    let _turn = TURN.lock().await;
    let axe =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vendor/axe-core/axe.min.js"))
            .unwrap();
    let mut config = fixture::small();
    let lock = qindan::basin::Lock { signatures: 2, max_minutes: 120, notify: "ecology_bureau".into() };
    std::sync::Arc::make_mut(&mut config.basin).gates[0].lock = Some(lock);
    let mut status = fixture::status(&config);
    status.tickets.push(fixture::ticket(qindan::basin::GateId(0), 60, "泵站进水"));
    let (service, browser) = open(config, status).await;
    service.add("gao", qindan::shell::people::Role::Administrator);
    let colours = async |theme: &str| {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        browser.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    };
    for theme in ["light", "dark"] {
        colours(theme).await;
        for page in ["status", "account", "shift", "filings", "enter"] {
            browser.open(&format!("{}{page}", service.page())).await;
            browser.wait("document.querySelector('main')").await;
            assert_eq!(serious(&browser, &axe).await, json!([]), "{page} {theme}");
        }
    }
    for (language, theme) in [("zh", "dark"), ("en", "light"), ("zh", "light"), ("en", "dark")] {
        colours(theme).await;
        browser.open(&service.page()).await;
        browser.run(&format!("localStorage.setItem('language', '{language}'); localStorage.setItem('theme', '{theme}'); location.reload()")).await;
        browser.says("clock", ":").await;
        browser.click("gate-v1").await;
        browser.says("face-position", "24.0").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "faceplate {language} {theme}");
        browser.fill("set-point", "30").await;
        browser.fill("reason", "axe").await;
        browser.click("preview").await;
        browser.wait("document.querySelector('[data-testid=confirm]')?.disabled === false").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "preview {language} {theme}");
        browser.click("cancel").await;
        browser.click("faceplate-close").await;
        for (opens, name) in [("mode", "modes"), ("control", "control")] {
            browser.click(opens).await;
            browser.wait("document.querySelector('dialog[open]')").await;
            assert_eq!(serious(&browser, &axe).await, json!([]), "{name} {language} {theme}");
            browser.run("document.querySelector('dialog').close()").await;
        }
        screens::go(&browser, "#/alarms").await;
        for (opens, name) in [("page-shelve-A05:v1", "shelve"), ("ack-page", "acknowledge")] {
            browser.click(opens).await;
            browser.wait("document.querySelector('dialog[open]')").await;
            assert_eq!(serious(&browser, &axe).await, json!([]), "{name} {language} {theme}");
            browser.run("document.querySelector('dialog').close()").await;
        }
        screens::go(&browser, "#/incident").await;
        browser.click("incident-open").await;
        browser.wait("document.querySelector('dialog[open]')").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "incident {language} {theme}");
    }
    // Signed out, and with the list of users.
    for theme in ["light", "dark"] {
        colours(theme).await;
        browser.command("Network.clearBrowserCookies", json!({})).await;
        browser.open(&format!("{}login", service.page())).await;
        browser.wait("document.querySelector('[data-testid=sign-in]')").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "login {theme}");
        browser.fill("name", "gao").await;
        browser.fill("password", "wrong password").await;
        browser.click("sign-in").await;
        browser.wait("document.querySelector('[data-testid=refused]')").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "refused {theme}");
        browser.fill("password", door::PASSWORD).await;
        browser.click("sign-in").await;
        browser.says("clock", ":").await;
        browser.open(&format!("{}users", service.page())).await;
        browser.wait("document.querySelector('main')").await;
        assert_eq!(serious(&browser, &axe).await, json!([]), "users {theme}");
    }
}
