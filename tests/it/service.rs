//! The running service over real sockets: a gate box, a data folder, the page, and what goes wrong between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use qindan::control::Now;
use qindan::control::command::{Action, CommandId, FailReason, Terminal};
use qindan::control::operator::Mode;
use qindan::control::quality::{Quality, Reason};
use qindan::control::record::{Entry, Kind};
use qindan::control::status::Status;
use qindan::points::DataType;
use qindan::shell::data_dir;
use qindan::shell::field::Access;
use qindan::shell::journal::{FaultHook, Journal, Settings};
use qindan::shell::probe;
use qindan::shell::service::{Options, Running, StartError, Stop, Time};
use qindan::units::Opening;
use serde_json::{Value, json};

use crate::fixture;
use crate::running::{Bench, Folder, PATIENCE, at_rest, ended};
use crate::site::{self, Drive, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_recorded_then_written_once_then_verified() {
    let folder = Folder::new();
    // 14 % pass 0.887 m³/s: below the floor of 1.0, the valve is opened at once.
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Automatic), 60.0)).await;
    assert_eq!(bench.page.get("/readyz").await.0, 200);
    let status = bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    bench.end().await;
    assert!(status.gates[0].opening > Opening::from_fraction(0.15), "{:?}", status.gates[0].opening);
    let written = site.written();
    assert!(written.iter().all(|write| write.recorded), "{written:?}");
    let intents = folder.of_kind(Kind::Intent);
    let sent: Vec<_> = written.iter().map(|write| write.sequence).collect();
    let recorded: Vec<_> = intents.iter().map(|intent| intent.command.unwrap().register()).collect();
    assert_eq!(sent, recorded, "each command is written once, in order");
    assert_eq!(intents[0].actor, "failsafe");
    let outcomes = folder.of_kind(Kind::Outcome);
    assert_eq!(outcomes.len(), intents.len());
    assert_eq!(outcomes[0].outcome, Some(Terminal::Verified));
    assert_eq!(outcomes[0].of, Some(intents[0].seq));
    let kinds: Vec<_> = folder.records().iter().map(|record| record.kind).collect();
    assert_eq!(kinds[..2], [Kind::Boot, Kind::Config]);
    assert_eq!(kinds.last(), Some(&Kind::Stop));
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_set_point_ends_at_the_register_of_the_gate() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    bench.until("at rest", at_rest).await;
    let (status, answer) = bench.page.set_point(27.5, "set-point-1").await;
    assert_eq!(status, 200, "{answer}");
    bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    assert_eq!(site.get(site::TARGET), site::hundredths(27.5));
    let act = folder.of_kind(Kind::Operator).remove(0);
    assert_eq!(answer["taken"]["record"], act.seq);
    // The same request again is answered, not carried out.
    let again =
        bench.page.post("/api/v1/acts/confirm", json!({ "request": "set-point-1", "token": "x" })).await;
    assert_eq!(again, (200, answer));
    let (_, metrics) = bench.page.get("/metrics").await;
    assert!(metrics.contains("qindan_commands_ended_total{outcome=\"verified\"} 1\n"), "{metrics}");
    assert!(metrics.contains("qindan_commands_sent_total 1\n"), "{metrics}");
    let (_, actions) = bench.page.get("/api/v1/actions?limit=5").await;
    let actions: Value = serde_json::from_str(&actions).unwrap();
    assert_eq!(actions["actions"][0]["outcome"]["state"], "verified", "{actions}");
    bench.end().await;
    assert_eq!(site.written().len(), 1);
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_all_stops_a_moving_gate_and_lasts_over_a_restart() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Slow, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Manual);
    let bench = Bench::start(folder.options(config.clone(), 20.0)).await;
    bench.until("at rest", at_rest).await;
    assert_eq!(bench.page.set_point(30.0, "set-point-1").await.0, 200);
    bench.until("moving", |status| status.gates[0].moving == Some(1)).await;
    let (status, answer) = bench.page.hold_all().await;
    assert_eq!(status, 200, "{answer}");
    bench.until("stopped", |status| ended(status, &Terminal::Verified) && at_rest(status)).await;
    let commands: Vec<_> = site.written().iter().map(|write| (write.command, write.recorded)).collect();
    assert_eq!(commands, [(site::GO, true), (site::STOP, true)]);
    let (status, answer) = bench.page.set_point(30.0, "set-point-2").await;
    assert_eq!(status, 409, "{answer}");
    bench.end().await;
    let outcomes: Vec<_> = folder.of_kind(Kind::Outcome).into_iter().filter_map(|r| r.outcome).collect();
    assert_eq!(outcomes, [Terminal::Superseded, Terminal::Verified]);

    let bench = Bench::start(folder.options(config, 20.0)).await;
    let status = bench.until("at rest", at_rest).await;
    assert_eq!(status.hold_all.as_deref(), Some("li"));
    bench.end().await;
    assert_eq!(site.written().len(), 2);
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_writes_nothing_and_leaves_the_mode_as_it_was() {
    let folder = Folder::new();
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Automatic);
    let options = Options { access: Access::Observe, ..folder.options(config.clone(), 600.0) };
    let bench = Bench::start(options).await;
    let status = bench.until("half an hour", |status| status.mono > Duration::from_secs(1800)).await;
    assert!(status.observing && status.mode == Mode::Observe);
    bench.end().await;
    assert_eq!(site.device.writes(), Vec::new());
    assert_eq!(folder.of_kind(Kind::Intent), Vec::new());
    assert_eq!(folder.records()[0].detail.as_ref().unwrap()["observe"], true);
    let bench = Bench::start(folder.options(config, 60.0)).await;
    let status = bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    assert_eq!(status.mode, Mode::Automatic);
    bench.end().await;
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unplugged_device_goes_stale_then_bad_and_nothing_moves() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    // Advice sends nothing by itself; what is looked at here is what a lost device does to readings and alarms.
    let mut config = site::config(&site.device, Mode::Automatic);
    let mut basin = (*config.basin).clone();
    basin.gates[0].automatic = false;
    basin.meters.iter_mut().for_each(|meter| meter.hold_s = 120.0);
    config.basin = Arc::new(basin);
    let bench = Bench::start(folder.options(config, 60.0)).await;
    bench.until("good", |status| status.image[0].quality == Quality::Good).await;
    let Site { device, .. } = site;
    let before = device.writes().len();
    device.stop().await;
    let stale = bench.until("stale", |status| status.image[0].quality == Quality::Stale).await;
    assert!(stale.image[0].value.is_some());
    let alarmed = |status: &Status| status.alarms.iter().any(|alarm| alarm.id == "A10" && alarm.active);
    let status = bench
        .until("bad and alarmed", |status| status.image[0].quality == Quality::Bad && alarmed(status))
        .await;
    assert_eq!((status.image[0].value, status.image[0].reason), (None, Some(Reason::CommError)));
    let alarm = status.alarms.iter().find(|alarm| alarm.id == "A10").unwrap();
    assert_eq!(alarm.element, "dam.rtu");
    let (_, metrics) = bench.page.get("/metrics").await;
    assert!(metrics.contains("qindan_link_up{link=\"dam\"} 0\n"), "{metrics}");
    let commands = folder.of_kind(Kind::Intent).len();
    bench.end().await;
    assert_eq!(commands, before, "no command after the device was gone");
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_answers_without_values_is_not_lost() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Manual);
    let mut field = (*config.field).clone();
    field.points.iter_mut().for_each(|point| point.sentinels = vec![65_535.0]);
    config.field = Arc::new(field);
    let bench = Bench::start(folder.options(config, 60.0)).await;
    bench.until("good", |status| status.image[0].quality == Quality::Good).await;
    (0..=24).for_each(|address| site.set(address, 65_535));
    let quiet =
        bench.until("no values", |status| status.image[0].reason == Some(Reason::Sentinel)).await.mono;
    // Twice the time after which a silent device is told.
    let status = bench.until("a minute", |status| status.mono > quiet + Duration::from_secs(60)).await;
    assert!(status.alarms.iter().all(|alarm| alarm.id != "A10" && alarm.id != "A11"), "{:?}", status.alarms);
    bench.end().await;
    folder.verify();
}

/// Writes what a run left that was killed between the intent and its outcome.
fn killed_with_open_intent(folder: &Folder, gate: &str, to: f64) {
    let settings = Settings::new(&folder.store, "0123456789abcdef");
    let now = Now { mono: Duration::from_secs(500), utc: fixture::utc(-60) };
    let mut journal = Journal::open(&folder.journal(), settings, now).unwrap();
    let mut intent = Entry::new(Kind::Intent, "dispatch");
    intent.gate = Some(gate.into());
    intent.command = Some(CommandId(41));
    intent.action = Some(Action::Goto(Opening::from_fraction(to).unwrap()));
    intent.before = Opening::from_fraction(0.24);
    journal.append(&[intent], now).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_without_an_outcome_is_explained_from_the_gate_and_numbers_go_on() {
    // Set-point in the device now; how the command of the run before ended.
    let cases = [
        (30.0, Terminal::Verified),
        (24.0, Terminal::Failed { why: FailReason::NotDone }),
        (50.0, Terminal::Failed { why: FailReason::Foreign }),
    ];
    for (percent, expected) in cases {
        let folder = Folder::new();
        killed_with_open_intent(&folder, "v1", 0.30);
        let site = Site::start(percent, Drive::Quick, &folder.journal()).await;
        let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
        bench.until("at rest", at_rest).await;
        assert_eq!(site.written(), [], "nothing is sent again");
        assert_eq!(bench.page.set_point(percent + 2.0, "set-point-1").await.0, 200);
        bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
        bench.end().await;
        let outcome = folder.of_kind(Kind::Outcome).remove(0);
        assert_eq!((outcome.command, outcome.outcome), (Some(CommandId(41)), Some(expected)));
        assert_eq!(outcome.detail, Some(json!({ "recovered": true })));
        assert_eq!(folder.of_kind(Kind::Intent)[1].command, Some(CommandId(42)));
        folder.verify();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_intent_whose_gate_is_away_or_gone_keeps_the_log_right() {
    let folder = Folder::new();
    killed_with_open_intent(&folder, "v1", 0.30);
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Manual);
    site.device.stop().await;
    let bench = Bench::start(folder.options(config.clone(), 20.0)).await;
    bench.until("some ticks", |status| status.tick > 5).await;
    bench.end().await;
    assert_eq!(folder.of_kind(Kind::Outcome), []);
    folder.verify();

    let mut renamed = config;
    let mut basin = (*renamed.basin).clone();
    basin.gates[0].id = "v1.new".into();
    renamed.basin = Arc::new(basin);
    Bench::start(folder.options(renamed, 20.0)).await.end().await;
    let outcome = folder.of_kind(Kind::Outcome).remove(0);
    assert_eq!((outcome.command, outcome.outcome), (Some(CommandId(41)), Some(Terminal::Abandoned)));
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_disk_stops_what_can_wait_and_lets_protection_through() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Slow, &folder.journal()).await;
    let dead = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&dead);
    let fault =
        FaultHook::new(move |_| asked.load(Ordering::SeqCst).then(|| std::io::Error::from_raw_os_error(5)));
    let config = site::config(&site.device, Mode::Manual);
    let bench = Bench::start(Options { fault: Some(fault), ..folder.options(config, 20.0) }).await;
    bench.until("at rest", at_rest).await;
    // Who takes control is recorded too: on a dead disk that could be what tells of it first.
    bench.page.control().await;
    bench.until("control on record", |_| !folder.of_kind(Kind::Lease).is_empty()).await;
    dead.store(true, Ordering::SeqCst);
    // Nobody knows yet that the disk is dead: the set-point is taken, its intent fails, nothing is sent.
    assert_eq!(bench.page.set_point_in_control(30.0, "set-point-1").await.0, 200);
    let not_sent = Terminal::Failed { why: FailReason::NotSent };
    bench.until("not sent", |status| ended(status, &not_sent)).await;
    assert_eq!(site.written(), []);
    bench.until("an alarm", |status| status.alarms.iter().any(|alarm| alarm.id == "A20")).await;
    assert_eq!(bench.page.get("/readyz").await.0, 503);
    assert_eq!(bench.page.set_point(31.0, "set-point-2").await.0, 409);
    // The outlet falls below its floor: protection goes on.
    site.set(site::OUTLET, 900);
    let sent = |site: &Site| site.written().iter().filter(|write| write.command == site::GO).count();
    bench.until("protected", |status| status.gates[0].moving == Some(1)).await;
    assert_eq!(sent(&site), 1);
    assert!(!site.written()[0].recorded);
    dead.store(false, Ordering::SeqCst);
    bench.until("record back", |status| status.record_ok).await;
    bench.end().await;
    let late = folder.of_kind(Kind::LateIntent);
    let causes: Vec<_> = late.iter().map(|record| record.actor.as_str()).collect();
    assert_eq!(causes, ["operator:li", "failsafe"]);
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_keeps_neither_the_cycle_nor_protection() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Slow, &folder.journal()).await;
    // The disk waits while there is something in the channel's way: until its sender is dropped.
    let hanging = Arc::new(Mutex::new(None::<std::sync::mpsc::Receiver<()>>));
    let waits = Arc::clone(&hanging);
    let hook = FaultHook::new(move |_| {
        let wait = waits.lock().unwrap().take();
        let _ = wait.map(|wait| wait.recv());
        None
    });
    let config = site::config(&site.device, Mode::Manual);
    let bench = Bench::start(Options { fault: Some(hook), ..folder.options(config, 20.0) }).await;
    bench.until("at rest", at_rest).await;
    let (wakes, wait) = std::sync::mpsc::channel();
    *hanging.lock().unwrap() = Some(wait);
    site.set(site::OUTLET, 900);
    bench.until("protected", |status| status.gates[0].moving == Some(1)).await;
    let tick = bench.until("record lost", |status| !status.record_ok).await.tick;
    bench.until("ticking on", |status| status.tick > tick + 20).await;
    assert_eq!(site.written().len(), 1);
    drop(wakes);
    bench.until("record back", |status| status.record_ok).await;
    bench.end().await;
    let noted = folder.of_kind(Kind::Recovered);
    let what = noted[0].detail.as_ref().unwrap()["what"].as_str().unwrap();
    assert_eq!(what, "sent before its record was acknowledged");
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_start_without_an_orderly_stop_comes_up_in_hold() {
    let folder = Folder::new();
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    {
        let dir = data_dir::DataDir::open(folder.root.path(), None).unwrap();
        for _ in 0..2 {
            qindan::shell::starts::Starts::begin(&dir, qindan::shell::clock::Clock::machine_utc());
        }
    }
    let config = site::config(&site.device, Mode::Automatic);
    let bench = Bench::start(folder.options(config.clone(), 600.0)).await;
    let status = bench.until("an alarm", |status| status.alarms.iter().any(|alarm| alarm.id == "A36")).await;
    assert_eq!(status.hold_all.as_deref(), Some("service: start 3 within ten minutes"));
    bench.until("ten minutes", |status| status.mono > Duration::from_secs(600)).await;
    assert_eq!(site.written(), []);
    bench.page.control().await;
    let (status, shown) = bench.page.post("/api/v1/acts/preview", json!({ "order": "release_hold" })).await;
    assert_eq!(status, 200, "{shown}");
    let confirm = json!({ "request": "release-1", "token": shown["token"] });
    assert_eq!(bench.page.post("/api/v1/acts/confirm", confirm).await.0, 200);
    bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    bench.end().await;
    // Stopped in order: the count begins anew.
    let bench = Bench::start(folder.options(config, 600.0)).await;
    assert_eq!(bench.until("a tick", |_| true).await.hold_all, None);
    bench.end().await;
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pace_from_outside_sets_the_clock_and_its_end_stops_the_service() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let (lines, paces) = tokio::sync::mpsc::channel(8);
    let pace = |second: i64, speed: f64| {
        let utc = Timestamp::from_second(1_777_593_600 + second).unwrap();
        Ok(qindan::shell::pace::Pace { utc, speed })
    };
    lines.send(pace(0, 0.0)).await.unwrap();
    let config = site::config(&site.device, Mode::Manual);
    let bench = Bench::start(Options { time: Time::Paced(paces), ..folder.options(config, 1.0) }).await;
    let first = bench.until("a tick", |_| true).await;
    assert_eq!((first.mono, first.utc.as_second()), (Duration::ZERO, 1_777_593_600));
    lines.send(pace(7_200, 0.0)).await.unwrap();
    let later = bench.until("two hours", |status| status.mono >= Duration::from_secs(7_200)).await;
    assert_eq!(later.utc.as_second(), 1_777_600_800);
    drop(lines);
    tokio::time::timeout(PATIENCE, bench.running.ended()).await.unwrap();
    let stop = folder.of_kind(Kind::Stop).remove(0);
    assert_eq!(stop.detail, Some(json!({ "why": "the pace ended" })));
    assert!(stop.bench);
    folder.verify();
}

#[tokio::test]
async fn a_probe_shows_registers_with_their_points_and_writes_nothing() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let field = site::config(&site.device, Mode::Manual).field;
    let device = qindan::points::DeviceId(0);
    let spans = probe::spans(&field, device);
    let text = probe::read(&field, device, &spans, DataType::U32).await.unwrap();
    // The lake stands at 742 m: 42 000 mm above the offset, with the position 2400 behind it: 42000 · 65536 + 2400.
    let lake = text.lines().find(|line| line.contains("z.lake/value")).unwrap();
    assert!(lake.contains("0xa410  42000 -23536") && lake.contains("2.753e9"), "{text}");
    assert!(text.contains("v1/20 (U16)"), "{text}");
    assert_eq!(site.device.writes(), Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_reach_beyond_a_bench_is_refused_with_a_remedy() {
    let folder = Folder::new();
    let config = || fixture::small();
    let refused = async |options: Options| {
        let error = Running::start(options, Stop::default()).await.unwrap_err();
        (error.to_string(), error)
    };
    let anywhere = Options { listen: Some("0.0.0.0:8080".parse().unwrap()), ..folder.options(config(), 1.0) };
    let (text, error) = refused(anywhere).await;
    assert!(matches!(error, StartError::Listen(_)) && text.contains("127.0.0.1:8080"), "{text}");
    let mut real = config();
    real.service.bench = false;
    let (text, _) = refused(folder.options(real.clone(), 60.0)).await;
    assert!(text.starts_with("--time-scale: only on a bench"), "{text}");
    let (_sender, paces) = tokio::sync::mpsc::channel(1);
    let (text, _) = refused(Options { time: Time::Paced(paces), ..folder.options(real, 1.0) }).await;
    assert!(text.starts_with("--pace: only on a bench"), "{text}");
    let mut remote = config();
    let mut field = (*remote.field).clone();
    field.links[0].transport = qindan::points::Transport::Tcp("192.0.2.7:502".parse().unwrap());
    remote.field = Arc::new(field);
    let (_sender, paces) = tokio::sync::mpsc::channel(1);
    let (text, _) = refused(Options { time: Time::Paced(paces), ..folder.options(remote, 1.0) }).await;
    assert!(text.contains("link dam") && text.contains("192.0.2.7:502"), "{text}");
    let (text, _) = refused(folder.options(config(), 0.0)).await;
    assert!(text.starts_with("--time-scale 0"), "{text}");
    let none = Options { data: folder.root.path().join("none"), ..folder.options(config(), 1.0) };
    let (text, _) = refused(none).await;
    assert!(text.contains("qindan init --data"), "{text}");
}
