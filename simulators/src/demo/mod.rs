//! `qindan-sim demo`: virtual river on Modbus sockets, the service in a second process, both in one accelerated time.
//!
//! ```text
//!  this process                                             qindan run --pace
//!  ┌ river, devices ┐<─────────── Modbus TCP ──────────────>┌ field tasks, cycle, record, page ┐
//!  └ pace, score    ┘──── time and speed, 50 × a second ───>└                                  ┘
//! ```
//!
//! Around an event time runs slower, so that who looks sees what is done about it.
//!
//! Scans, cycle, travel and expiry run in simulated time; socket time-outs and the page run in real time. Whoever cannot
//! keep up slows both down, and it is said. While the service is away, time runs at real speed, so that its absence lasts
//! as long as it does.

mod alone;
mod ask;
mod service;
mod voice;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use qindan::shell::clock::{Clock, Mark};
use qindan::shell::pace::Pace;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::live::Live;
use crate::run::Run;
use crate::scenario::{self, Case};
use crate::score::Score;
use crate::serve::{Bind, Serving, http};
use crate::vary::Change;
use crate::world::lock;
pub use alone::{Alone, alone};
use ask::Seen;
use service::{Bench, Folders, Keys, Service};
use voice::Voice;

/// Real time between two steps of the river.
const BEAT: Duration = Duration::from_millis(10);
/// Beats between two lines of pace.
const PACE_BEATS: u64 = 2;
/// Beats between two looks at what there is to tell.
const SHOW_BEATS: u64 = 25;
/// Beats between two looks at the load.
const LOAD_BEATS: u64 = 100;
/// Most real time one beat makes up for; what a stalled machine loses beyond it is lost to both sides. No more than the
/// service waits for a line of pace, so that no reading grows old in one leap.
const LATE_MOST: Duration = Duration::from_millis(60);
/// Longest time stands still for a device that waits to be asked, real time: its link may be probed only now and then.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// Speed around an event. At it one beat of the river and a write to the disk are less than the second in which the dam
/// is scanned: what the service does about a trip is then what it would do on site, on any machine.
const SLOW_MOTION: f64 = 30.0;
/// Slow motion begins this long before an event of the scenario, river time.
const SLOW_BEFORE: Duration = Duration::from_secs(20);
/// Slow motion goes on this long after an event, river time: in it the outlet is to be back at its floor.
const SLOW_AFTER: Duration = Duration::from_secs(60);
/// Real time lost between two looks at the load that makes it run slower.
const LOST_MOST: Duration = Duration::from_millis(200);
/// Real time between two questions to the service.
const ASK: Duration = Duration::from_millis(500);
/// Longest wait for a stopping service.
const STOP_MOST: Duration = Duration::from_secs(15);
/// A service that dies this often has something wrong with it.
const RESTARTS_MOST: u32 = 20;

/// What to show, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name or file.
    pub scenario: String,
    /// Simulated seconds in a real one.
    pub speed: f64,
    /// Simulated time after which it ends; until interrupted when not given.
    pub length: Option<Duration>,
    /// Folder for everything of this demonstration; a fresh one when not given.
    pub data: Option<PathBuf>,
    /// Port of the page; a free one if it is taken.
    pub port: u16,
    /// Another configuration folder.
    pub config: Option<PathBuf>,
    /// Changes of the configuration.
    pub set: Vec<String>,
    /// Another seed.
    pub seed: Option<u64>,
}

/// Runs the demonstration; true when every floor was kept where it could be and the record is whole.
///
/// # Errors
/// What is wrong with scenario or configuration, with sockets, or with the service.
pub fn demo(order: &Order) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(show(order))
}

async fn show(order: &Order) -> Result<bool> {
    let voice = Voice::new();
    let program = service::program(&mut |text| voice.say(text)).await?;
    let changes = order.set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
    let case = crate::replay::load(&order.scenario, order.config.as_deref(), &changes)?;
    voice.say(&format!("{}: {}", case.scenario.id, case.scenario.purpose));
    let (live, score) = settle(case, order, &voice);
    let root = match &order.data {
        Some(folder) => folder.clone(),
        None => tempfile::Builder::new().prefix("qindan-demo-").tempdir()?.keep(),
    };
    let folders = Folders::below(&root);
    let serving = Serving::start(&live.case().config.field, live.world(), Bind::FreePorts).await?;
    let page = free(order.port).await?;
    let faults = SocketAddr::from(([127, 0, 0, 1], 0));
    let (faults, _control) = http::start(&live.case().config, Arc::clone(live.world()), None, faults).await?;
    let from = order
        .config
        .clone()
        .or_else(|| scenario::above("config"))
        .context("no folder config here or above")?;
    let bench = Bench { links: serving.addresses(), page, step_s: river_step(order.speed).as_secs_f64() };
    service::configure(live.case(), &from, &changes, &folders.config, &bench)?;
    Service::init(&program, &folders).await?;
    let keys = Service::keys(&program, &folders).await?;
    voice.say(&format!(
        "the river is on {} Modbus links, faults and truth at http://{faults}",
        serving.addresses().len()
    ));
    voice.say(&format!("everything of this run is in {}", root.display()));
    let service = Service::start(&program, &folders, faults)?;
    let mut stage = Stage::new(order, live, score, service, (program, folders, faults), (page, keys), voice);
    stage.play().await?;
    stage.end().await
}

/// Lets the river settle under our own controller in virtual time, so that the service finds one that flows.
fn settle(case: Case, order: &Order, voice: &Voice) -> (Live, Score) {
    let spin_up = case.scenario.spin_up;
    voice.say(&format!("the river settles for {} h of its own time first", spin_up.as_secs() / 3600));
    let mut score = Score::new(&case);
    let seed = order.seed.unwrap_or(case.scenario.seed);
    let mut run = Run::new(case, seed);
    run.until(spin_up, |run, tick| score.add(run.case(), run.plant(), tick.step()));
    let (world, case, agenda) = run.into_world();
    (Live::new(case, Arc::new(Mutex::new(world)), agenda, spin_up), score)
}

/// The wanted port on loopback, or a free one.
async fn free(port: u16) -> Result<SocketAddr> {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    if let Ok(listener) = TcpListener::bind(wanted).await {
        return Ok(listener.local_addr()?);
    }
    let any =
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("no free port on loopback")?;
    Ok(any.local_addr()?)
}

/// Simulated time between two steps of the river at `speed`: nothing is scanned more often.
fn river_step(speed: f64) -> Duration {
    BEAT.mul_f64(speed)
}

/// The demonstration while it runs.
struct Stage {
    live: Live,
    score: Score,
    service: Service,
    /// Program, folders, and the control of the river.
    made_of: (PathBuf, Folders, SocketAddr),
    page: SocketAddr,
    keys: Keys,
    /// How to sign in has been said.
    told_how: bool,
    voice: Voice,
    asked: f64,
    speed: f64,
    end: Option<Duration>,
    begin: Duration,
    restarts: u32,
    /// The service has been ready since it was last started.
    ready: bool,
    quiet: u32,
    /// Speed told last.
    told: f64,
    /// Real time that time has stood still for devices that wait; none while it runs.
    stood: Duration,
    clock: Clock,
}

impl Stage {
    fn new(
        order: &Order,
        live: Live,
        score: Score,
        service: Service,
        made_of: (PathBuf, Folders, SocketAddr),
        (page, keys): (SocketAddr, Keys),
        voice: Voice,
    ) -> Self {
        let begin = live.now().mono;
        Self {
            live,
            score,
            service,
            made_of,
            page,
            keys,
            told_how: false,
            voice,
            asked: order.speed,
            speed: 1.0,
            end: order.length.map(|length| begin + length),
            begin,
            restarts: 0,
            ready: false,
            quiet: 0,
            told: 0.0,
            stood: Duration::ZERO,
            clock: Clock::real(),
        }
    }

    /// Until the end, or until interrupted.
    async fn play(&mut self) -> Result<()> {
        let mut seen = watch_service(self.page, self.keys.token.clone());
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut last = self.clock.mark();
        let mut missed = Duration::ZERO;
        let mut beat = 0_u64;
        self.pace().await;
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                ended = self.service.ended() => {
                    self.restart(ended?)?;
                    self.pace().await;
                }
                _ = tokio::signal::ctrl_c() => {
                    self.voice.say("interrupted");
                    return Ok(());
                }
            }
            beat += 1;
            missed += self.step(&mut last);
            if !self.ready {
                // A service that starts takes the processor for a moment: no word about the speed asked for.
                missed = Duration::ZERO;
            }
            if self.speed_now().to_bits() != self.told.to_bits() {
                self.pace().await;
            }
            if self.end.is_some_and(|end| self.live.now().mono >= end) {
                return Ok(());
            }
            if beat.is_multiple_of(PACE_BEATS) {
                self.pace().await;
            }
            if beat.is_multiple_of(SHOW_BEATS) {
                let now = seen.borrow_and_update().clone();
                self.welcome(&now).await;
                self.voice.show(&self.live, &self.score, &now, self.tempo(), self.share());
            }
            if beat.is_multiple_of(LOAD_BEATS) {
                let behind = seen.borrow().behind;
                self.adapt(behind, std::mem::take(&mut missed)).await;
            }
        }
    }

    /// Brings the river up to the present; gives the real time that could not be made up for.
    fn step(&mut self, last: &mut Mark) -> Duration {
        let real = last.elapsed();
        *last = self.clock.mark();
        if self.stands(real) {
            return real;
        }
        let made_up = real.min(LATE_MOST);
        let by = made_up.mul_f64(self.tempo());
        let by = self.end.map_or(by, |end| by.min(end.saturating_sub(self.live.now().mono)));
        let score = &mut self.score;
        let happened = self.live.advance(by, |case, plant, step| score.add(case, plant, step));
        for text in happened {
            self.voice.say(&text);
        }
        real.saturating_sub(made_up)
    }

    /// Whether time stands still, so that a device is asked as often as it would be on a machine quick enough.
    fn stands(&mut self, real: Duration) -> bool {
        let waits =
            self.ready && lock(self.live.world()).devices.wait(self.live.now().mono, river_step(self.asked));
        self.stood = if waits && self.stood < WAIT_MOST { self.stood + real } else { Duration::ZERO };
        !self.stood.is_zero()
    }

    /// Tells the service the time.
    async fn pace(&mut self) {
        self.told = self.speed_now();
        self.service.pace(Pace { utc: self.live.now().utc, speed: self.told }).await;
    }

    /// The speed now: none while time stands still.
    fn speed_now(&self) -> f64 {
        if self.stood.is_zero() { self.tempo() } else { 0.0 }
    }

    /// The speed of running time: less around an event.
    fn tempo(&self) -> f64 {
        let soon = self.live.until_event().is_some_and(|left| left < SLOW_BEFORE);
        let last = lock(self.live.world()).plant.last_event();
        let recent = last.is_some_and(|at| self.live.now().mono.saturating_sub(at) < SLOW_AFTER);
        if soon || recent { self.speed.min(SLOW_MOTION) } else { self.speed }
    }

    /// Once the service is ready, time runs as asked for.
    async fn welcome(&mut self, seen: &Seen) {
        if self.ready || !seen.ready {
            return;
        }
        self.ready = true;
        self.speed = self.asked;
        self.pace().await;
        let pid = self.service.id().map_or_else(String::new, |id| format!(", process {id}"));
        self.voice.say(&format!("the page is at http://{}{pid}; time runs × {:.0}", self.page, self.speed));
        if !std::mem::replace(&mut self.told_how, true) {
            let (user, Keys { link, password, .. }) = (service::OPERATOR, &self.keys);
            self.voice
                .say(&format!("everybody may look; to operate, open this once: http://{}{link}", self.page));
            self.voice.say(&format!("(signs in {user} with control; later on the password is {password})"));
        }
    }

    /// A service that has died is started again.
    fn restart(&mut self, how: std::process::ExitStatus) -> Result<()> {
        let (program, folders, river) = &self.made_of;
        if self.restarts == 0 && !self.ready {
            anyhow::bail!("the service did not start ({how}); what it said is in {}", folders.log.display());
        }
        self.restarts += 1;
        anyhow::ensure!(
            self.restarts <= RESTARTS_MOST,
            "the service has died {} times ({how})",
            self.restarts
        );
        self.voice.say(&format!(
            "the service has ended ({how}); it is started again, time runs × 1 until it is back"
        ));
        self.service = Service::start(program, folders, *river)?;
        self.ready = false;
        self.speed = 1.0;
        Ok(())
    }

    /// Slower when one side does not keep up, faster again after ten quiet seconds.
    async fn adapt(&mut self, behind: bool, lost: Duration) {
        if !self.ready {
            return;
        }
        if behind || lost > LOST_MOST {
            self.quiet = 0;
            self.speed = (0.7 * self.speed).max(1.0);
            let who = if behind { "the service does" } else { "this machine does" };
            self.voice.say(&format!("{who} not keep up: time runs × {:.0} now", self.speed));
            self.pace().await;
        } else if self.speed < self.asked {
            self.quiet += 1;
            if self.quiet >= 10 {
                self.quiet = 0;
                self.speed = (1.3 * self.speed).min(self.asked);
                self.pace().await;
            }
        }
    }

    /// How much of the run is over, 0..=1.
    fn share(&self) -> Option<f64> {
        let gone = self.live.now().mono.saturating_sub(self.begin).as_secs_f64();
        self.end.map(|end| gone / end.saturating_sub(self.begin).as_secs_f64().max(1.0))
    }

    /// Stops the service in order, sums up, lets the record be verified.
    async fn end(mut self) -> Result<bool> {
        self.speed = 0.0;
        self.pace().await;
        self.voice.say("the service stops");
        let stopped = tokio::time::timeout(STOP_MOST, self.service.stop()).await;
        let in_order = matches!(&stopped, Ok(Ok(status)) if status.success());
        if !in_order {
            self.voice.say("the service did not stop in order; see its log");
        }
        let (program, folders, _) = &self.made_of;
        let (whole, said) = service::verify(program, folders).await?;
        self.score.finish(self.live.case());
        let plant = lock(self.live.world()).plant.clone();
        let kept = voice::summary(&self.voice, self.live.case(), &self.score, &plant, self.restarts);
        self.voice.say(&said);
        self.voice.say(&format!(
            "read it with: {} log tail --data {}",
            program.display(),
            folders.data.display()
        ));
        let workbench = std::env::current_exe()?;
        self.voice.say(&format!(
            "make its decisions again with: {} rerun {} --config {}",
            workbench.display(),
            folders.data.display(),
            folders.config.display()
        ));
        Ok(kept && whole && in_order)
    }
}

/// Asks the service twice a second.
fn watch_service(page: SocketAddr, token: String) -> watch::Receiver<Seen> {
    let (sender, receiver) = watch::channel(Seen::default());
    tokio::spawn(async move {
        let mut beats = interval(ASK);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !sender.is_closed() {
            beats.tick().await;
            sender.send_replace(ask::seen(page, &token).await);
        }
    });
    receiver
}
