//! Markup planted in every text that people or configuration give (CVE-2021-26829 and its kind): every screen shows it as text, in
//! a headless Chromium, and nothing of it runs or is reported by the content policy.

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::{GateId, Grade, Lock, Name};
use qindan::control::incident::{Report, What};
use qindan::control::operator::Mode;
use qindan::control::schedule::{self, steps::Active};
use qindan::control::status::{AlarmStatus, AsideStatus};
use qindan::control::warning::Issued;
use serde_json::json;

use crate::browser::Browser;
use crate::live::open;
use crate::page::TURN;
use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};
use crate::{door, fixture, polluted, screens};

/// A text that would run if it became markup, in an element, an attribute or a script.
fn planted(place: &str) -> String {
    format!(
        "{place}\"'><img src=x onerror=\"window.ran='{place}'\"><svg onload=\"window.ran='{place}'\"></script><b>"
    )
}

fn name(place: &str) -> Name {
    Name { zh: planted(place), en: planted(place) }
}

/// Notes what the policy of the page stopped.
const WATCH: &str = "window.stopped = []; addEventListener('securitypolicyviolation', (event) => window.stopped.push(`${event.violatedDirective} ${event.blockedURI}`), true);";

/// Nothing ran, nothing was stopped, no element came of it; the texts of these places stand on the page.
async fn harmless(browser: &Browser, at: &str, places: &[&str]) {
    for place in places {
        let seen = format!(
            "[document.body.textContent, ...[...document.querySelectorAll('[title], [aria-label], input, textarea')].flatMap(el => [el.title, el.ariaLabel, el.value])]
               .some(text => text?.includes({}))",
            json!(format!("{place}\"'><img"))
        );
        browser.wait(&format!("({seen}) || null")).await;
    }
    let found = browser
        .run("return [window.ran ?? null, window.stopped ?? [], document.querySelectorAll('img, [onload], [onerror]').length]")
        .await;
    assert_eq!(found, json!([null, [], 0]), "{at}");
}

#[tokio::test]
async fn what_is_planted_in_names_and_acts_stays_text_on_every_screen() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    let basin = Arc::make_mut(&mut config.basin);
    basin.name = name("basin");
    basin.gates[0].lock = Some(Lock { signatures: 2, max_minutes: 120, notify: planted("notify") });
    for gate in &mut basin.gates {
        gate.name = name("gate");
        gate.responsible.person = planted("person");
    }
    basin.meters.iter_mut().for_each(|meter| meter.name = name("meter"));
    basin.sections.iter_mut().for_each(|section| section.name = name("section"));
    basin.reservoirs.iter_mut().for_each(|reservoir| reservoir.name = name("lake"));
    basin.reaches.iter_mut().for_each(|reach| reach.name = name("reach"));
    basin.intakes.iter_mut().for_each(|intake| intake.name = name("intake"));
    let field = Arc::make_mut(&mut config.field);
    field.devices.iter_mut().for_each(|device| device.name = name("device"));
    let mut status = fixture::status(&config);
    let (hold, mode_by) = (planted("holder"), planted("setter"));
    (status.hold_all, status.mode_by) = (Some(hold), mode_by);
    let alarm = AlarmStatus {
        key: "A14:v1".into(),
        id: "A14".into(),
        element: "v1".into(),
        priority: 3,
        active: true,
        acknowledged: true,
        since: fixture::utc(-700),
        detail: json!({ "by": planted("detail"), "unit": planted("detail"), "entry": planted("detail") }),
    };
    let aside = AlarmStatus {
        key: "A10:dam.rtu".into(),
        id: "A10".into(),
        element: planted("element"),
        ..alarm.clone()
    };
    status.alarms.push(alarm);
    status.aside.push(AsideStatus {
        alarm: aside,
        shelf: Some(fixture::shelf(&planted("shelf"), 60)),
        parent: None,
    });
    status.tickets.push(fixture::ticket(GateId(0), 60, &planted("ticket")));
    status.entered.push(fixture::entered("q.ford", 1.5, (60, &planted("reading"))));
    for watch in &mut status.warnings {
        let (at, by) = (fixture::utc(-600), planted("issuer"));
        let (cause, measure) = (planted("cause"), planted("measure"));
        watch.issued = Some(Issued { id: 1, grade: Grade::Yellow, at, by, cause, measure, found: None });
    }
    let report = Report {
        reach: "A1".into(),
        km: 2.0,
        happened: fixture::utc(-3600),
        lasts_min: 60,
        what: planted("spill"),
        mass_kg: None,
        limit_mg_l: None,
    };
    polluted::incident(&mut status, report, (What::Intake, "in.mill"), "ford", GateId(0));
    let mut entry = crate::schedule::entry(&[
        ("id", "turn"),
        ("kind", "opening"),
        ("element", "v1"),
        ("opening_pct", "40"),
        ("from", "2026-05-18T15:00"),
        ("to", "2026-05-18T18:00"),
    ]);
    entry.name = planted("turn");
    let (hash, since) = (schedule::hash(std::slice::from_ref(&entry)), fixture::utc(-60));
    let active = Active { version: 1, hash, by: planted("scheduler"), since, entries: vec![entry] };
    status.calendar.active = Some(Arc::new(active));
    let (service, browser) = open(config, status).await;
    browser.before_each_page(WATCH).await;
    for language in ["zh", "en"] {
        browser.run(&format!("localStorage.setItem('language', '{language}')")).await;
        browser.open(&service.page()).await;
        browser.says("clock", ":").await;
        let mut addresses = screens::screens(&browser).await;
        addresses.extend(["#/meters/q.ford".to_owned(), "#/links/dam".to_owned()]);
        for address in &addresses {
            screens::go(&browser, address).await;
            // Each shows the name of the basin, and what is its own.
            let own: &[&str] = match address.as_str() {
                "#/alarms" => &["basin", "shelf"],
                "#/warnings" => &["basin", "cause", "measure"],
                "#/incident" => &["basin", "spill"],
                "#/meters/q.ford" => &["basin", "meter", "reading"],
                "#/meters" => &["basin", "meter"],
                "#/map" => &["basin", "section"],
                "#/schedule" => &["basin", "turn"],
                _ => &["basin"],
            };
            harmless(&browser, address, own).await;
        }
        screens::go(&browser, "#/overview").await;
        browser.click("gate-v1").await;
        harmless(&browser, "faceplate", &["gate", "person", "ticket"]).await;
        browser.click("faceplate-close").await;
        for server_made in ["status", "account", "shift", "filings", "login"] {
            browser.open(&format!("{}{server_made}", service.page())).await;
            harmless(&browser, server_made, &[]).await;
        }
    }
}

/// Notes and filings as people send them to a running service, read back from its record.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_in_notes_and_filings_stays_text_in_record_and_pages() {
    let _turn = TURN.lock().await;
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    bench.until("at rest", at_rest).await;
    let note = json!({ "text": planted("note"), "gate": null, "section": null });
    assert_eq!(bench.page.post("/api/v1/notes", note).await.0, 200);
    let filing = json!({ "sections": ["ford"], "kind": "maintenance", "from_s": 1_778_983_200, "to_s": 1_778_990_400, "document": planted("document"), "reason": planted("reason") });
    let (status, said) =
        bench.page.post("/api/v1/filings", json!({ "request": "planted-filing", "filing": filing })).await;
    assert_eq!(status, 200, "{said}");
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    browser.before_each_page(WATCH).await;
    let origin = format!("http://{}", bench.running.address());
    browser.open(&format!("{origin}/login")).await;
    browser.fill("name", door::USER).await;
    browser.fill("password", door::PASSWORD).await;
    browser.click("sign-in").await;
    browser.says("clock", ":").await;
    for (page, places) in [("filings", &["document", "reason"][..]), ("shift", &["note"][..])] {
        browser.open(&format!("{origin}/{page}")).await;
        harmless(&browser, page, places).await;
    }
    // The report of the shift has its notes, as a page of its own with its own policy.
    browser.open(&format!("{origin}/api/v1/shift?lang=en")).await;
    harmless(&browser, "report", &["note"]).await;
    browser.open(&format!("{origin}/#/records")).await;
    browser.says("clock", ":").await;
    for (kind, places) in [("notes", &["note"][..]), ("filings", &[])] {
        browser.run(&format!("const form = document.querySelector('[data-testid=records-filter]'); form.querySelector('select').value = '{kind}'; form.requestSubmit()")).await;
        harmless(&browser, kind, places).await;
        browser.wait("document.querySelector('tbody button.row-name')").await;
        browser.run("document.querySelector('tbody button.row-name').click()").await;
        browser.wait("document.querySelector('pre.frames')?.textContent.length > 40 || null").await;
        harmless(&browser, "a record", &[]).await;
    }
    tokio::time::timeout(Duration::from_secs(60), bench.end()).await.expect("ended");
}
