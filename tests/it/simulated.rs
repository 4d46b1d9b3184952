//! The strip of a demonstration: there with a virtual river and only then, moving nothing, and every press undone by the next.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::shell::service::{Options, Running, Stop};
use serde_json::json;
use simulators::plant::Forcing;
use simulators::serve::http;
use simulators::world::{World, lock};

use crate::browser::Browser;
use crate::live::{Service, open, sign_in};
use crate::page::{TURN, basins};
use crate::running::options;
use crate::{door, fixture};

#[tokio::test]
async fn the_strip_of_a_demonstration_disturbs_its_river_and_moves_nothing() {
    let _turn = TURN.lock().await;
    let config = basins().pop().unwrap();
    let valve = config.basin.gate("zf.eco.v1").unwrap();
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 7, fixture::utc(0), &forcing)));
    let any = "127.0.0.1:0".parse().unwrap();
    let (river, _control) = http::start(&config, Arc::clone(&world), None, any).await.unwrap();
    let status = fixture::status(&config);
    let service = Service::beside(Some(river), any, config.clone(), status);
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    sign_in(&service, &browser, door::USER, false).await;
    browser.says("simulated", "仿真河流").await;
    for (language, drought) in [("zh", "干旱"), ("en", "Drought")] {
        browser.run(&format!("localStorage.setItem('language', '{language}'); location.reload()")).await;
        browser.says("trick-drought", drought).await;
        for (width, height) in [(1366, 768), (1920, 1080)] {
            browser.size(width, height).await;
            browser.wait(&format!("innerWidth === {width} && document.querySelector('.plot canvas')")).await;
            browser.run("return new Promise(r => requestAnimationFrame(() => setTimeout(r, 250)))").await;
            assert_eq!(browser.run(MOVED).await, json!([]), "{language} {width}");
            assert_eq!(browser.run(CUT).await, json!([]), "{language} {width}");
            if let Some(folder) = std::env::var_os("QINDAN_PAGE_PICTURES") {
                browser.picture(&Path::new(&folder).join(format!("simulated-{language}-{width}.png"))).await;
            }
        }
    }
    let is_on = async |trick: &str, on: bool| {
        let pressed = format!(
            "document.querySelector('[data-testid=trick-{trick}]')?.getAttribute('aria-pressed') === '{on}'"
        );
        browser.wait(&pressed).await;
    };
    for trick in ["drought", "flood_pulse", "stuck_gate", "lying_meter", "second_master"] {
        is_on(trick, false).await;
        browser.click(&format!("trick-{trick}")).await;
        is_on(trick, true).await;
        browser.says("trick-note", "press again").await;
        lock(&world).step(Duration::from_secs(60), &forcing);
        if trick == "second_master" {
            // 0.15 is what the other master asks for.
            assert_eq!(lock(&world).plant.drive(valve).map(|drive| drive.setpoint), Some(0.15));
        }
        browser.click(&format!("trick-{trick}")).await;
        is_on(trick, false).await;
    }
    let sound =
        |id: &str| config.basin.meter(id).is_some_and(|meter| lock(&world).plant.meter_is_sound(meter));
    assert!(sound("q.runcheng") && lock(&world).plant.drive(valve).is_some_and(|drive| !drive.fault));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Elements that stand elsewhere with the strip than without.
const MOVED: &str = "
    const strip = document.querySelector('.simulated');
    const seen = () => [...document.querySelectorAll('.head, main, main *, .head *')].filter(el => !strip.contains(el))
      .map(el => [el.className, JSON.stringify(el.getBoundingClientRect())]);
    const withIt = seen();
    strip.style.display = 'none';
    const without = seen();
    strip.style.display = '';
    return withIt.filter(([, at], i) => at !== without[i][1]).map(([name]) => name)";

/// What is cut of the strip, and what of the page it covers.
const CUT: &str = "
    const strip = document.querySelector('.simulated');
    const wrong = [...strip.querySelectorAll('*')]
      .filter(el => el.clientWidth > 0 && (el.scrollWidth > el.clientWidth + 1 || el.scrollHeight > el.clientHeight + 4))
      .map(el => `cut: ${el.textContent}`);
    const words = document.createRange();
    words.selectNodeContents(document.querySelector('[data-testid=bench]'));
    const band = words.getBoundingClientRect();
    const below = document.querySelector('.left-side').getBoundingClientRect().top;
    for (const tab of strip.children) {
      const at = tab.getBoundingClientRect();
      if (at.right > band.left && at.left < band.right) wrong.push(`over the band: ${tab.textContent}`);
      if (at.bottom > below || at.left < 0 || at.right > innerWidth) wrong.push(`over the page: ${tab.textContent}`);
    }
    return wrong";

#[tokio::test]
async fn a_page_on_site_knows_nothing_of_it() {
    let _turn = TURN.lock().await;
    let config = fixture::small();
    let status = fixture::status(&config);
    let (_service, browser) = open(config, status).await;
    browser.says("flow-ford", "1.63").await;
    assert!(!browser.sees("simulated").await);
    let answers = "['/api/v1/simulated-river', '/assets/simulated.js', '/assets/simulated.css']";
    let found = browser
        .run(&format!("return Promise.all({answers}.map(path => fetch(path).then(r => r.status)))"))
        .await;
    assert_eq!(found, json!([404, 404, 404]));
}

#[tokio::test]
async fn a_river_elsewhere_or_beside_a_real_installation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |river: &str, bench: bool| {
        let mut config = fixture::small();
        config.service.bench = bench;
        let river = Some(river.parse().unwrap());
        let options = Options { simulated_river: river, ..options(config, folder.path(), 1.0) };
        Running::start(options, Stop::default()).await.unwrap_err().to_string()
    };
    let foreign = refused("10.1.2.3:15000", true).await;
    assert!(foreign.starts_with("--simulated-river 10.1.2.3:15000: not a loopback address"), "{foreign}");
    assert!(refused("127.0.0.1:15000", false).await.contains("only on a bench"));
}
