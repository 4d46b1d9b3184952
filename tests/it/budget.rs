//! What the page may cost, each figure beside its limit (`cargo test … --test it -- budget:: --nocapture`). Bytes, writes and
//! growth are asserted; times depend on the machine and are printed.

use std::sync::Arc;
use std::time::Duration;

use qindan::control::operator::Mode;
use qindan::points::ScanClass;
use qindan::shell::clock::Clock;
use qindan::shell::people::{Book, Role};
use qindan::shell::web::assets::{ASSETS, find};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::browser::Browser;
use crate::live::open;
use crate::page::{TURN, basins};
use crate::running::{Bench, Folder, PATIENCE, at_rest};
use crate::site::{self, Drive, FORD, Site};
use crate::{door, fixture, screens};

/// Hours of the river the page is watched when `QINDAN_SOAK_H` does not say; with it all figures come from larger samples.
const SHORT_H: u32 = 2;

fn soak_h() -> Option<u32> {
    let hours = std::env::var("QINDAN_SOAK_H").ok()?;
    Some(hours.parse().expect("QINDAN_SOAK_H: whole hours"))
}

/// Samples of a figure: few in the tests of every change, which only have to show that it is told and what is asserted, the
/// whole number in `ops/long budgets`.
fn samples<T>(few: T, whole: T) -> T {
    if soak_h().is_some() { whole } else { few }
}

/// Longest run of one script of these tests.
const LONG: Duration = Duration::from_secs(120);

#[expect(clippy::print_stdout, reason = "figures are for people to read")]
fn tell(what: &str, figure: &str, limit: &str) {
    println!("budget: {what}: {figure} (limit {limit})");
}

/// The value below which a share of all lie.
pub(crate) fn quantile(of: &[f64], share: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[test]
fn all_assets_fit_compressed() {
    const MOST: usize = 120 * 1024;
    // Every file a browser can be given: both languages, those of a demonstration, of the sign-in page. Licences are no part of it.
    let loaded = || ASSETS.iter().filter(|asset| !asset.name.ends_with("LICENSE"));
    let all: usize = loaded().map(|asset| asset.brotli.len()).sum();
    let words = |name: &str| find(name).map_or(0, |asset| asset.brotli.len());
    let one = all - words("en.js").min(words("zh.js"));
    tell("assets, compressed, both languages", &format!("{all} bytes"), &format!("{MOST}"));
    tell("assets, compressed, the larger language alone", &format!("{one} bytes"), &format!("{MOST}"));
    assert!(all <= MOST, "{all}");
}

/// A service on a site, with the shift leader of the fixtures, who has a password.
async fn served(speed: f64, scan_s: f64) -> (Folder, Site, Bench) {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Manual);
    let mut field = (*config.field).clone();
    field.classes = vec![ScanClass::new("normal", scan_s)];
    config.field = Arc::new(field);
    let bench = Bench::start(folder.options(config, speed)).await;
    bench.until("at rest", at_rest).await;
    (folder, site, bench)
}

async fn sign_in(bench: &Bench, browser: &Browser, user: &str) {
    let origin = format!("http://{}", bench.running.address());
    browser.open(&format!("{origin}/login")).await;
    browser.fill("name", user).await;
    browser.fill("password", door::PASSWORD).await;
    browser.click("sign-in").await;
    browser.says("clock", ":").await;
}

/// Opens a stream with a session, reads its first event and goes away.
async fn visit(folder: &Folder, bench: &Bench) -> TcpStream {
    let address = bench.running.address();
    let cookie = door::cookie(&folder.store);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let mut bytes = vec![0; 16 * 1024];
    let reading = async {
        while !String::from_utf8_lossy(&seen).contains("event: full") {
            let some = stream.read(&mut bytes).await.unwrap();
            assert!(some > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend(&bytes[..some]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("a state in time");
    stream
}

/// Presses everything on a screen that can be pressed, but for what begins with one of the words; answers how much it was.
/// What opens is closed again, and where a press leads elsewhere it goes back.
fn press_all(address: &str, but: &[&str]) -> String {
    format!(
        "const but = {}, home = {};
         const pause = () => new Promise(r => setTimeout(r, 20));
         const can = () => [...document.querySelectorAll('button, summary, select, input[type=checkbox], input[type=radio], main a[href^=\"#/\"], tr[tabindex], [role=button], [role=tab]')]
           .filter(el => el.checkVisibility({{ visibilityProperty: true }}) && !el.disabled)
           .filter(el => !but.some(word => (el.dataset.testid ?? '').startsWith(word)));
         return (async () => {{
           const done = new Set(); let count = 0;
           const name = el => el.dataset.testid ?? `${{el.tagName}} ${{el.textContent.trim().slice(0, 40)}}`;
           for (let round = 0; round < 400; round += 1) {{
             const next = can().find(el => !done.has(name(el)));
             if (!next) break;
             done.add(name(next)); count += 1;
             if (next.tagName === 'SELECT') {{ next.selectedIndex = next.options.length - 1; next.dispatchEvent(new Event('change')); }}
             else next.click();
             await pause();
             for (const open of document.querySelectorAll('dialog[open]')) {{
               for (const el of open.querySelectorAll('button')) {{
                 if (but.some(word => (el.dataset.testid ?? '').startsWith(word)) || el.disabled || done.has(name(el))) continue;
                 done.add(name(el)); count += 1; el.click(); await pause();
               }}
               open.close?.();
             }}
             if (location.hash !== home) {{ location.hash = home; await pause(); }}
           }}
           return count;
         }})();",
        json!(but),
        json!(address),
    )
}

/// What a shift leader's presses do to the world begins with these; all else only looks.
const ACTS: [&str; 16] = [
    "hold-all",
    "release-hold",
    "stop",
    "ack",
    "page-ack",
    "page-shelve",
    "shelf-",
    "unshelve",
    "take-",
    "hand-over",
    "control",
    "asked",
    "confirm",
    "sign-out",
    "mode-",
    "trick-",
];

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_writes_nothing() {
    let _turn = TURN.lock().await;
    let (folder, site, bench) = served(1.0, 1.0).await;
    for _ in 0..200 {
        drop(visit(&folder, &bench).await);
    }
    let after_visits = site.written().len();
    tell("write frames after 200 connects and disconnects", &after_visits.to_string(), "0");
    assert_eq!(after_visits, 0);
    Book::edit(folder.root.path(), |book| {
        book.add("wall", (Role::Viewer, None), door::PASSWORD, fixture::utc(0))?;
        book.add("zhao", (Role::ShiftLeader, None), door::PASSWORD, fixture::utc(0))
    })
    .unwrap();
    // Whatever the page sends that is no plain question is noted.
    let watch = "const ask = window.fetch;
        window.fetch = (what, how) => { if ((how?.method ?? 'GET') !== 'GET') sessionStorage.sent = `${sessionStorage.sent ?? ''} ${what}`; return ask(what, how); };";
    for (user, but, may_send) in
        [("wall", &["sign-out"][..], &[][..]), ("zhao", &ACTS[..], &["/api/v1/acts/preview"][..])]
    {
        let browser = Browser::start().await;
        browser.size(1366, 768).await;
        browser.before_each_page(watch).await;
        sign_in(&bench, &browser, user).await;
        let mut pressed = 0;
        let mut addresses = screens::screens(&browser).await;
        addresses.extend(["#/meters/q.ford".to_owned(), "#/links/dam".to_owned()]);
        for address in &addresses {
            screens::go(&browser, address).await;
            let count = browser.run_long(&press_all(address, but), LONG).await;
            pressed += count.as_u64().unwrap_or_else(|| panic!("{address}: {count}"));
        }
        let sent = browser.run("return sessionStorage.sent ?? ''").await;
        let mut sent = sent.as_str().unwrap().split_whitespace();
        assert!(sent.all(|path| may_send.contains(&path)), "{user}: {sent:?}");
        assert!(pressed > 40, "{user}: {pressed}");
        let written = site.written().len();
        let what = format!("write frames after {pressed} presses of {user} that only look");
        tell(&what, &written.to_string(), "0");
        assert_eq!(written, 0);
    }
    bench.end().await;
    let acts = folder.of_kind(qindan::control::record::Kind::Operator);
    assert!(acts.is_empty(), "{acts:?}");
    folder.verify();
}

/// Takes the place of the stream: states come as the test gives them.
const OWN_STREAM: &str = "window.EventSource = class {
      constructor() { window.stream = this; this.heard = {}; this.readyState = 1; }
      addEventListener(name, act) { (this.heard[name] ??= []).push(act); }
      close() {}
      send(name, data, id) { for (const act of this.heard[name] ?? []) act({ data: JSON.stringify(data), lastEventId: id }); }
    };
    window.EventSource.CLOSED = 2;";

/// Gives the page a number of seconds of a river that moves, each as a patch; every value that has a number gets another one.
/// Every ten minutes an alarm comes or goes, every hour something moves.
const FEED: &str = "window.feed ??= async (seconds, painted) => {
      const stream = window.stream; let state = window.fed;
      const wave = (v, k, s) => Math.round((v * (1 + 0.02 * Math.sin(k * 1.7 + s / 37))) * 1e4) / 1e4;
      for (let k = 0; k < seconds; k += 1) {
        const s = state.seconds += 1, at = state.at0 + s;
        const of = (list, key) => Object.fromEntries(list.flatMap((one, i) => {
          const r = key ? one[key] : one; if (r?.v === undefined || r.v === null) return [];
          const p = { v: wave(r.v, i, s), at }; return [[i, key ? { [key]: p } : p]]; }));
        const patch = { tick: state.tick0 + s, at, utc_ms: state.utc0 + 1000 * s,
          sections: of(state.sections, 'reading'), gates: of(state.gates, 'position'), meters: of(state.meters, null) };
        if (s % 600 === 0) patch.alarms = s % 1200 === 0 ? state.alarms : state.alarms.slice(1);
        if (s % 3600 === 0) patch.why = [{ ...state.why[1], utc_s: Math.round(patch.utc_ms / 1000) }, ...state.why].slice(0, 12);
        stream.send('patch', { seq: state.seq + 1, base: state.seq, patch }, `boot-${state.seq + 1}`);
        state.seq += 1;
        if (painted || k % 60 === 59) await new Promise(r => requestAnimationFrame(() => setTimeout(r, 0)));
      }
      return state.sections.length + state.gates.length + state.meters.length;
    };";
const BEGIN: &str = "return fetch('/api/v1/state').then(r => r.json()).then(state => {
      window.fed = { ...structuredClone(state), seconds: 0, at0: state.at, tick0: state.tick, utc0: state.utc_ms };
      window.stream.send('full', state, `boot-${state.seq}`);
      return Object.keys(state).length; })";

/// The page of the shipped basin on a stream of our own.
async fn fed() -> (crate::live::Service, Browser) {
    let config = basins().pop().unwrap();
    let (service, browser) = open(config.clone(), fixture::status(&config)).await;
    browser.before_each_page(OWN_STREAM).await;
    browser.open(&service.page()).await;
    browser.wait("Boolean(window.stream?.heard?.patch)").await;
    browser.run(BEGIN).await;
    browser.says("clock", ":").await;
    browser.run(FEED).await;
    (service, browser)
}

/// Hours of the river in some minutes; what the scripts hold after the first of them and at the end.
#[tokio::test]
async fn the_heap_of_the_page_stays_flat() {
    const GROWTH: u64 = 1 << 20;
    const MOST: u64 = 40_000_000;
    let hours = soak_h().unwrap_or(SHORT_H).max(2);
    let _turn = TURN.lock().await;
    let (_service, browser) = fed().await;
    let mut heaps = Vec::new();
    for _ in 0..hours {
        for _ in 0..6 {
            browser.run_long(&format!("{FEED} return window.feed(600, false)"), LONG).await;
        }
        heaps.push(browser.heap().await);
    }
    let (first, last) = (heaps[0], *heaps.last().unwrap());
    let what =
        format!("heap of the page after {hours} h of states, {last} bytes, grown since the first hour by");
    let grown = i64::try_from(last).unwrap() - i64::try_from(first).unwrap();
    tell(&what, &format!("{grown} bytes"), &format!("{GROWTH}, {MOST} in all"));
    println!("budget: by hour {heaps:?}");
    assert!(last < first + GROWTH && last < MOST, "{heaps:?}");
}

#[tokio::test]
async fn scripts_of_a_second_and_first_paint_and_trends_are_told() {
    let _turn = TURN.lock().await;
    let (service, browser) = fed().await;
    let seconds = samples(30_u32, 120);
    for address in ["#/overview", "#/meters"] {
        screens::go(&browser, address).await;
        browser.run_long(&format!("{FEED} return window.feed(20, true)"), LONG).await;
        let before = browser.script_s().await;
        let values = browser.run_long(&format!("{FEED} return window.feed({seconds}, true)"), LONG).await;
        let per_state = (browser.script_s().await - before) * 1000.0 / f64::from(seconds);
        let values = values.as_f64().unwrap();
        let scaled = per_state * 500.0 / values;
        let what =
            format!("script a second on {address}, {values} values at 1 Hz {per_state:.2} ms, for 500");
        tell(&what, &format!("{scaled:.2} ms"), "4 ms");
    }
    let mut paints = Vec::new();
    for _ in 0..7 {
        browser.open("about:blank").await;
        browser.open(&service.page()).await;
        let paint =
            browser.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime").await;
        paints.push(paint.as_f64().unwrap());
    }
    tell("first paint, median of 7", &format!("{:.0} ms", quantile(&paints, 0.5)), "300 ms");
    let asked = "return fetch('/api/v1/basin').then(r => r.json()).then(async b => {
        const names = [...b.sections.slice(0, 4).map(s => `section:${s.id}`), ...b.gates.filter(g => g.automatic).slice(0, 4).map(g => `gate:${g.id}`)].map(encodeURIComponent).join(',');
        const times = [];
        for (let k = 0; k < 9; k += 1) { const began = performance.now();
          const body = await (await fetch(`/api/v1/trends?hours=168&points=480&series=${names}`)).json();
          times.push(performance.now() - began); if (Object.keys(body.series).length !== 8) throw new Error('eight'); }
        return times; })";
    let times = browser.run_long(asked, LONG).await;
    let times: Vec<f64> = times.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    tell("seven days of eight series, median of 9", &format!("{:.0} ms", quantile(&times, 0.5)), "150 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_the_field_is_told_on_the_page() {
    const SCAN_MS: f64 = 1000.0;
    let _turn = TURN.lock().await;
    let (_folder, site, bench) = served(1.0, SCAN_MS / 1000.0).await;
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    sign_in(&bench, &browser, door::USER).await;
    browser.says("flow-ford", "1.80").await;
    let watch = "window.changed = {};
        new MutationObserver(() => { const v = parseFloat(document.querySelector('[data-testid=flow-ford]').textContent); window.changed[v] ??= performance.timeOrigin + performance.now(); })
          .observe(document.body, { subtree: true, childList: true, characterData: true });";
    browser.run(watch).await;
    let mut delays = Vec::new();
    let steps = samples(8_u16, 24);
    for step in 1..=steps {
        let wanted = 1.80 + 0.01 * f64::from(step);
        // At another moment of scan and tick each time.
        browser
            .run(&format!("return new Promise(r => setTimeout(r, {}))", u32::from(step) * 370 % 1000))
            .await;
        let at = Clock::machine_utc();
        site.set(FORD, 1_800 + 10 * step);
        let seen = browser.wait(&format!("window.changed[{wanted:.2}]")).await;
        let set = at.as_microsecond() as f64 / 1000.0;
        delays.push(seen.as_f64().unwrap() - set);
    }
    let figure = format!("{:.0} ms, median {:.0}", quantile(&delays, 0.95), quantile(&delays, 0.5));
    let what = format!("field change to pixel, 95th of {steps}, scan 1 s, tick 1 s");
    tell(&what, &figure, "1250 ms: scan + 250");
    bench.end().await;
}

/// How far apart ticks are from what they should be, ms of real time; a tick is published when its decision is made.
pub(crate) async fn jitter(bench: &Bench, ticks: usize, period: Duration) -> Vec<f64> {
    let mut status = bench.running.status();
    status.changed().await.unwrap();
    let clock = Clock::real();
    let mut last = clock.mark();
    let mut found = Vec::new();
    for _ in 0..ticks {
        status.changed().await.unwrap();
        let took = last.elapsed();
        last = clock.mark();
        found.push((took.as_secs_f64() - period.as_secs_f64()).abs() * 1000.0);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_do_not_move_the_cycle() {
    const CLIENTS: usize = 200;
    let ticks = samples(25, 100);
    let _turn = TURN.lock().await;
    // Five ticks a real second.
    let (folder, _site, bench) = served(5.0, 1.0).await;
    let period = Duration::from_millis(200);
    let alone = jitter(&bench, ticks, period).await;
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        streams.push(visit(&folder, &bench).await.into_std().unwrap());
    }
    // Readers on a thread of their own: what they take of the processors counts, what they take of our runtime must not.
    let (stop, stopped) = oneshot::channel::<()>();
    let readers = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for stream in streams {
                let mut stream = TcpStream::from_std(stream).unwrap();
                tasks.spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    let mut all = 0;
                    while let Ok(some @ 1..) = stream.read(&mut bytes).await {
                        all += some;
                    }
                    all
                });
            }
            drop(stopped.await);
            let mut alive = CLIENTS;
            while tasks.try_join_next().is_some() {
                alive -= 1;
            }
            alive
        })
    });
    let beside = jitter(&bench, ticks, period).await;
    stop.send(()).unwrap();
    assert_eq!(readers.join().unwrap(), CLIENTS, "all of them were still read");
    let show = |of: &[f64]| {
        format!("{:.2} / {:.2} / {:.2} ms", quantile(of, 0.5), quantile(of, 0.95), quantile(of, 1.0))
    };
    println!(
        "budget: jitter of the cycle, median / 95th / largest: alone {}, beside {CLIENTS} streams {}",
        show(&alone),
        show(&beside)
    );
    let ratio = quantile(&beside, 0.95) / quantile(&alone, 0.95);
    tell("ratio of the 95th", &format!("{ratio:.2}"), "unchanged: 1");
    let (_, metrics) = bench.page.get("/metrics").await;
    assert!(metrics.contains("\nqindan_ticks_skipped_total 0\n"), "a tick was left out");
    bench.end().await;
}
