//! `qindan-sim serve`: only the river and its devices, where the configuration says they listen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use qindan::shell::clock::Clock;
use tokio::time::{MissedTickBehavior, interval};

use super::BEAT;
use super::voice::Voice;
use crate::live::Live;
use crate::scenario::Agenda;
use crate::serve::{Bind, Serving, http};
use crate::world::{World, lock};

/// Most real time one beat makes up for.
const LATE_MOST: Duration = Duration::from_millis(200);

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Name or file.
    pub scenario: String,
    /// Simulated seconds in a real one.
    pub speed: f64,
    /// Address of the fault control.
    pub control: SocketAddr,
    /// Another configuration folder.
    pub config: Option<PathBuf>,
    /// Where to name a terminal for each link, for masters that speak RTU.
    pub pty: Option<PathBuf>,
    /// The river goes on only by `POST /advance`.
    pub lock_step: bool,
}

/// Serves until interrupted.
///
/// # Errors
/// What is wrong with scenario, configuration or sockets.
pub fn alone(order: &Alone) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(order))
}

async fn serve(order: &Alone) -> Result<bool> {
    let voice = Voice::new();
    let case = crate::replay::load(&order.scenario, order.config.as_deref(), &[])?;
    let forcing = case.forcing(Duration::ZERO);
    let world = World::new(&case.config, case.scenario.seed, case.scenario.start, &forcing);
    let agenda = Agenda::new(&case.scenario);
    let live = Live::new(case, Arc::new(Mutex::new(world)), agenda, Duration::ZERO);
    let config = live.case().config.clone();
    let world = Arc::clone(live.world());
    let mut serving = Serving::start(&config.field, &world, Bind::AsConfigured).await?;
    for (link, address) in config.field.links.iter().zip(serving.addresses()) {
        voice.say(&format!("{address}  {}", link.id));
    }
    if let Some(folder) = &order.pty {
        for path in serving.terminals(&config.field, &world, folder)? {
            voice.say(&format!("{}  RTU, at any speed", path.display()));
        }
    }
    if order.lock_step {
        let live = Arc::new(Mutex::new(live));
        let (control, _task) = http::start(&config, world, Some(live), order.control).await?;
        voice.say(&format!(
            "faults, truth and time at http://{control}: the river goes on by POST /advance; end with Ctrl-C"
        ));
        tokio::signal::ctrl_c().await?;
        return Ok(true);
    }
    let (control, _task) = http::start(&config, world, None, order.control).await?;
    voice.say(&format!(
        "faults and truth at http://{control}; time runs × {:.0}; end with Ctrl-C",
        order.speed
    ));
    run(live, order.speed, &voice).await
}

/// Lets the river go on at the speed of a clock until interrupted.
async fn run(mut live: Live, speed: f64, voice: &Voice) -> Result<bool> {
    let clock = Clock::real();
    let mut last = clock.mark();
    lock(live.world()).speed = speed;
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            _ = tokio::signal::ctrl_c() => return Ok(true),
        }
        let by = last.elapsed().min(LATE_MOST).mul_f64(speed);
        last = clock.mark();
        for text in live.advance(by, |_, _, _| {}) {
            voice.say(&text);
        }
    }
}
