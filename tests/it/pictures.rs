//! Pictures of every screen of the page, for people to judge: made only when `QINDAN_PAGE_PICTURES` names a folder.

use std::path::PathBuf;
use std::time::Duration;

use qindan::control::quality::{Quality, Reading, Reason};
use qindan::control::status::AlarmStatus;
use serde_json::json;

use crate::fixture;
use crate::live::open;
use crate::page::{TURN, basins};
use crate::screens;

#[tokio::test]
async fn pictures() {
    let _turn = TURN.lock().await;
    let Some(folder) = std::env::var_os("QINDAN_PAGE_PICTURES").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let config = basins().pop().unwrap();
    let status = fixture::status(&config);
    let (mut service, browser) = open(config.clone(), status).await;
    let look = async |name: &str, width: u32, height: u32| {
        browser.size(width, height).await;
        browser.wait(&format!("innerWidth === {width} && document.querySelector('.plot canvas')")).await;
        browser.run("return new Promise(r => requestAnimationFrame(() => setTimeout(r, 250)))").await;
        browser.picture(&folder.join(format!("{name}-{width}.png"))).await;
    };
    let dress = async |language: &str, theme: &str| {
        let script = format!(
            "localStorage.setItem('language', '{language}'); localStorage.setItem('theme', '{theme}'); location.reload()"
        );
        browser.run(&script).await;
        browser.says("clock", ":").await;
    };
    for (language, theme) in [("zh", "light"), ("en", "dark"), ("en", "light"), ("zh", "dark")] {
        dress(language, theme).await;
        for (width, height) in [(1920, 1080), (1366, 768), (911, 700), (390, 844)] {
            look(&format!("normal-{language}-{theme}"), width, height).await;
        }
    }
    // Every other screen, in every language, theme and size.
    let mut addresses = screens::screens(&browser).await;
    addresses.retain(|address| address != "#/overview");
    addresses.push(format!("#/meters/{}", config.basin.meters[0].id));
    addresses.push(format!("#/links/{}", config.field.links[0].id));
    for (language, theme) in [("zh", "light"), ("en", "dark"), ("en", "light"), ("zh", "dark")] {
        dress(language, theme).await;
        for address in &addresses {
            screens::go(&browser, address).await;
            let name = address.trim_start_matches("#/").replace('/', "-");
            for (width, height) in [(1920, 1080), (1366, 768), (390, 844)] {
                browser.size(width, height).await;
                browser.wait(&format!("innerWidth === {width}")).await;
                browser.run("return new Promise(r => requestAnimationFrame(() => setTimeout(r, 250)))").await;
                browser.picture(&folder.join(format!("{name}-{language}-{theme}-{width}.png"))).await;
            }
        }
    }
    screens::go(&browser, "#/overview").await;
    let far = fixture::far_section(&config);
    dress("zh", "light").await;
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
    look("alarm-zh-light", 1920, 1080).await;
    look("alarm-zh-light", 1366, 768).await;
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
    browser.says("held", "保持").await;
    look("stale-zh-light", 1920, 1080).await;
    dress("en", "dark").await;
    look("stale-en-dark", 1366, 768).await;
    service.change(|s| *s = fixture::status(&config));
    let trim = config.basin.gates.iter().find(|g| g.duty == qindan::basin::Duty::Trim).unwrap();
    browser.click(&format!("gate-{}", trim.id)).await;
    browser.fill("set-point", "27").await;
    browser.fill("reason", "margin at the section").await;
    look("faceplate-en-dark", 1366, 768).await;
    browser.click("preview").await;
    browser.says("from-to", "27.0").await;
    look("confirm-en-dark", 1366, 768).await;
    look("confirm-en-dark", 390, 844).await;
    dress("zh", "light").await;
    browser.size(1366, 768).await;
    browser.click("mode").await;
    look("mode-zh-light", 1366, 768).await;
    browser.click("mode-manual").await;
    browser.says("confirm", "手动").await;
    look("mode-confirm-zh-light", 1366, 768).await;
    browser.run("document.querySelector('dialog').close()").await;
    service.kill();
    browser.wait("!document.querySelector('[data-testid=blind]').hidden").await;
    look("blind-zh-light", 1920, 1080).await;
    look("blind-zh-light", 1366, 768).await;
}
