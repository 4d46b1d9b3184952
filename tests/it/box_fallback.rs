//! A gate box whose watchdog runs out while the link is away: it acts by itself, says so until it is fed again, and is not
//! overruled by the first command that comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::config::Config;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::control::quality::Quality;
use qindan::control::reason::Limit;
use qindan::control::record::Kind;
use qindan::control::status::Status;
use qindan::points::{Point, PointId, Role, WatchdogReturn};
use serde_json::json;

use crate::device::{Bank, Device, Query, reply};
use crate::running::{Bench, Folder, Page, at_rest, ended};
use crate::site::{self, COMMAND, ECHO, GO, POSITION, SEQUENCE, TARGET, hundredths};

const WATCHDOG: u16 = 22;
/// 1 while the box acts by itself.
const FALLBACK: u16 = 9;
/// Where it goes then, %: below the floor, so that protection too would want it back.
const SAFE: f64 = 10.0;

/// A box on the site's registers that takes its sign back when it is fed.
struct GateBox {
    device: Device,
    bank: Arc<Mutex<Bank>>,
    away: Arc<AtomicBool>,
    /// Food does not take its sign back.
    stubborn: Arc<AtomicBool>,
}

impl GateBox {
    async fn start() -> Self {
        let mut bank = Bank::default();
        (0..=24).for_each(|address| bank.set(1, address, 0));
        bank.set(1, site::FORD, 1_800);
        bank.set(1, site::LAKE, 42_000);
        bank.set(1, site::REMOTE, 1);
        bank.set(1, TARGET, hundredths(24.0));
        site::move_to(&mut bank, hundredths(24.0));
        let bank = Arc::new(Mutex::new(bank));
        let away = Arc::new(AtomicBool::new(false));
        let stubborn = Arc::new(AtomicBool::new(false));
        let (registers, silent, keeps) = (Arc::clone(&bank), Arc::clone(&away), Arc::clone(&stubborn));
        let device = Device::start(move |query: &Query| {
            if silent.load(Ordering::Acquire) {
                return Vec::new();
            }
            let mut bank = registers.lock().unwrap();
            let answer = reply(query, &bank.serve(query));
            if query.writes() && !keeps.load(Ordering::Acquire) {
                bank.set(1, FALLBACK, 0);
            }
            if is_command(query) {
                let (sequence, target) = (bank.get(1, SEQUENCE), bank.get(1, TARGET));
                bank.set(1, ECHO, sequence);
                if bank.get(1, COMMAND) == GO {
                    site::move_to(&mut bank, target);
                }
            }
            vec![answer]
        })
        .await;
        Self { device, bank, away, stubborn }
    }

    fn config(&self, back: WatchdogReturn) -> Config {
        let mut config = site::config(&self.device, Mode::Automatic);
        let mut field = (*config.field).clone();
        let position = field.points[usize::from(POSITION)].clone();
        let shown = Point {
            id: "v1/fallback".into(),
            address: FALLBACK,
            role: Role::Fallback,
            scale: 1.0,
            ..position
        };
        field.points.push(shown);
        field.wiring.gates[0].fallback = Some(PointId(field.points.len() - 1));
        field.devices[0].watchdog_s = Some(5.0);
        field.devices[0].watchdog_return = Some(back);
        field.links[0].timeout_s = 0.2;
        config.field = Arc::new(field);
        config
    }

    fn get(&self, address: u16) -> u16 {
        self.bank.lock().unwrap().get(1, address)
    }

    fn commands(&self) -> usize {
        self.device.log().iter().filter(|query| is_command(query)).count()
    }

    /// Nobody is heard for longer than the box waits: it acts by itself.
    fn act(&self) {
        let mut bank = self.bank.lock().unwrap();
        bank.set(1, FALLBACK, 1);
        bank.set(1, TARGET, hundredths(SAFE));
        site::move_to(&mut bank, hundredths(SAFE));
    }
}

/// A write that is more than food for the watchdog.
fn is_command(query: &Query) -> bool {
    query.writes() && query.address() != WATCHDOG
}

fn told(status: &Status) -> bool {
    status.alarms.iter().any(|alarm| alarm.key == "A43:v1" && alarm.active)
}

/// What the box is called in the alarm.
fn called(status: &Status) -> Option<String> {
    let alarm = status.alarms.iter().find(|alarm| alarm.key == "A43:v1" && alarm.active)?;
    Some(alarm.detail["box"].as_str()?.to_owned())
}

async fn give_back(page: Page) {
    page.control().await;
    let asked = json!({ "order": "set_authority", "gate": "v1", "authority": "automatic" });
    let (status, shown) = page.post("/api/v1/acts/preview", asked).await;
    assert_eq!(status, 200, "{shown}");
    let confirm = json!({ "request": "give-back-1", "token": shown["token"] });
    let (status, answer) = page.post("/api/v1/acts/confirm", confirm).await;
    assert_eq!(status, 200, "{answer}");
}

/// Lets the watchdog run out while the link is away; gives how many commands the box had got by then.
async fn run_out(bench: &Bench, gate: &GateBox) -> usize {
    bench.until("at rest", |status| at_rest(status) && status.mono > Duration::from_secs(30)).await;
    assert!(gate.device.writes().iter().any(|query| query.address() == WATCHDOG), "it is fed");
    gate.away.store(true, Ordering::Release);
    bench.until("away", |status| status.image[0].quality != Quality::Good).await;
    while bench.page.get("/metrics").await.1.contains("qindan_link_up{link=\"dam\"} 1\n") {
        tokio::task::yield_now().await;
    }
    gate.act();
    gate.device.forget();
    let before = gate.commands();
    gate.away.store(false, Ordering::Release);
    before
}

/// Between the return of the link and the first food for the watchdog the sign was read.
fn was_read_before_it_was_fed(gate: &GateBox) {
    let log = gate.device.log();
    let fed = log.iter().position(Query::writes).unwrap();
    let shows = |query: &Query| {
        query.function() == 3 && (query.address()..query.address() + query.count()).contains(&FALLBACK)
    };
    assert!(log[..fed].iter().any(shows), "{:?}", &log[..=fed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_acted_by_itself_is_left_so_until_a_person_gives_it_back() {
    let (folder, gate) = (Folder::new(), GateBox::start().await);
    let bench = Bench::start(folder.options(gate.config(WatchdogReturn::Operator), 40.0)).await;
    run_out(&bench, &gate).await;
    let status =
        bench.until("obeys again, and is told", |status| called(status).as_deref() == Some("waits")).await;
    was_read_before_it_was_fed(&gate);
    assert_eq!(gate.get(FALLBACK), 0, "fed again");
    // A control cycle later nobody has touched it, though the floor is not held.
    let later = status.mono + Duration::from_secs(65);
    let status = bench.until("a cycle", |status| status.mono > later).await;
    assert_eq!((gate.commands(), gate.get(POSITION)), (0, hundredths(SAFE)));
    assert!(told(&status) && status.alarms.iter().all(|alarm| !["A04", "A12"].contains(&alarm.id.as_str())));
    bench.end().await;
    let refused = folder.of_kind(Kind::Refusal);
    let limit = serde_json::to_value(Limit::FallenBack).unwrap();
    let says = |limits: &[serde_json::Value]| limits.contains(&limit);
    assert!(refused.iter().any(|refusal| says(&refusal.limits)), "{refused:?}");

    // It is not forgotten over a restart.
    let bench = Bench::start(folder.options(gate.config(WatchdogReturn::Operator), 40.0)).await;
    let status =
        bench.until("at rest", |status| at_rest(status) && status.mono > Duration::from_secs(30)).await;
    assert_eq!((gate.commands(), called(&status).as_deref()), (0, Some("waits")));
    give_back(bench.page).await;
    bench.until("verified", |status| ended(status, &Terminal::Verified) && !told(status)).await;
    bench.end().await;
    assert!(gate.commands() >= 1 && gate.get(POSITION) > hundredths(15.0));
    folder.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_configured_so_comes_back_when_it_obeys_again() {
    let (folder, gate) = (Folder::new(), GateBox::start().await);
    let bench = Bench::start(folder.options(gate.config(WatchdogReturn::Auto), 40.0)).await;
    // Alarms are looked at every five seconds; fed at once it might have come and gone in between.
    gate.stubborn.store(true, Ordering::Release);
    run_out(&bench, &gate).await;
    bench.until("told", told).await;
    gate.stubborn.store(false, Ordering::Release);
    bench
        .until("verified", |status| {
            let opened = status.gates[0].opening.is_some_and(|opening| opening.percent() > 15.0);
            opened && at_rest(status) && !told(status)
        })
        .await;
    bench.end().await;
    was_read_before_it_was_fed(&gate);
    assert!(gate.commands() >= 1);
    folder.verify();
}
