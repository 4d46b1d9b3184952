//! The shipped basin whole: the virtual river behind Modbus, the service, and a turbine that trips.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use qindan::config;
use qindan::control::command::Terminal;
use qindan::control::quality::Quality;
use qindan::control::status::Status;
use qindan::points::Point;
use qindan::shell::data_dir;
use qindan::shell::field::Access;
use qindan::shell::log::{self, Verdict};
use qindan::shell::pace::Pace;
use qindan::shell::service::{Options, Time};
use simulators::plant::{Event, Forcing};
use simulators::serve::{Bind, Serving};
use simulators::world::{World, lock};
use tokio::sync::mpsc;

use crate::running::Bench;

const SECOND: Duration = Duration::from_secs(1);

/// River and service one second at a time: the river steps, the clock follows, a tick is waited for.
struct Lockstep {
    world: Arc<Mutex<World>>,
    forcing: Forcing,
    start: Timestamp,
    second: u64,
    paces: mpsc::Sender<Result<Pace, qindan::shell::pace::BadPace>>,
    bench: Bench,
}

impl Lockstep {
    async fn step(&mut self) -> Arc<Status> {
        self.second += 1;
        lock(&self.world).step(SECOND, &self.forcing);
        let now = Duration::from_secs(self.second);
        self.paces.send(Ok(Pace { utc: self.start + now, speed: 0.0 })).await.unwrap();
        self.bench.until("a tick", |status| status.mono >= now).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tripped_turbine_is_made_good_by_the_valve_within_seconds() {
    let mut config = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 1, start, &forcing)));
    let serving = Serving::start(&config.field, &world, Bind::FreePorts).await.unwrap();
    config.field = Arc::new(serving.field().clone());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    data_dir::init(&data, &config.basin.id, start).unwrap();
    crate::door::furnish(&data);
    let section = config.basin.section("zf_out").unwrap();
    let floor = config.basin.sections[section.0].floor.unwrap().get();
    let (valve, unit) = (config.basin.gate("zf.eco.v1").unwrap(), "zf.hp.u1");
    let (paces, receiver) = mpsc::channel(4);
    paces.send(Ok(Pace { utc: start, speed: 0.0 })).await.unwrap();
    let options = Options {
        config: Arc::new(config.clone()),
        data: data.clone(),
        access: Access::Command,
        listen: Some("127.0.0.1:0".parse().unwrap()),
        simulated_river: None,
        time: Time::Paced(receiver),
        reports: None,
        fault: None,
    };
    let bench = Bench::start(options).await;
    let mut run = Lockstep { world, forcing, start, second: 0, paces, bench };

    for _ in 0..20 {
        run.step().await;
    }
    let status = run.step().await;
    // The virtual river has no rain.
    let shown = |point: &Point| point.class.is_some() && !point.id.starts_with("r.");
    let scanned = config.field.points.iter().zip(status.image.iter()).filter(|(point, _)| shown(point));
    let poor: Vec<_> = scanned.filter(|(_, r)| r.quality != Quality::Good).map(|(p, r)| (&p.id, r)).collect();
    assert!(poor.is_empty(), "{poor:?}");
    assert!(status.alarms.iter().all(|alarm| alarm.id != "A10" && alarm.id != "A11"), "{:?}", status.alarms);
    assert_eq!(status.gates[valve.0].in_flight, None);

    lock(&run.world).apply(&Event::Trip { gate: unit.into() }).unwrap();
    let tripped = run.second;
    let mut commanded = None;
    let mut restored = None;
    for _ in 0..60 {
        let status = run.step().await;
        if commanded.is_none() && status.gates[valve.0].in_flight.is_some() {
            commanded = Some(run.second - tripped);
        }
        let flow = lock(&run.world).plant.section_flow(section);
        if flow >= floor - 1e-3 {
            restored = restored.or(Some(run.second - tripped));
        } else {
            restored = None;
        }
    }
    // The register shows the trip at once, a scan later it is read, a tick later it is answered.
    assert!(commanded.is_some_and(|seconds| seconds <= 3), "commanded after {commanded:?} s");
    assert!(
        restored.is_some_and(|seconds| seconds <= 60),
        "the outlet stands at its floor after {restored:?} s"
    );
    let status = run.bench.until("a picture", |_| true).await;
    assert!(status.alarms.iter().any(|alarm| alarm.key == format!("A31:{unit}")), "{:?}", status.alarms);
    let made_good = status.why.iter().find(|why| why.actor == "failsafe").unwrap();
    assert_eq!(made_good.gate, Some(valve));
    assert!(matches!(made_good.outcome, Some(Terminal::Verified | Terminal::Superseded)), "{made_good:?}");
    let Lockstep { bench, .. } = run;
    bench.end().await;
    let mut said = Vec::new();
    assert_eq!(log::verify(&data, &mut said).unwrap(), Verdict::Right, "{}", String::from_utf8_lossy(&said));
}
