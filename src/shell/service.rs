//! The running service: data folder, field, cycle and page joined, and taken apart again in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread::JoinHandle as Thread;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::archive::Archive;
use super::bulletins::Bulletins;
use super::clock::Clock;
use super::counters::Counters;
use super::cycle::{ACTS, Cycle, NOTES, OFFERS, Parts};
use super::data_dir::DataDir;
use super::field::{self, FieldHandle};
use super::forecast;
use super::notice::Notices;
use super::pace;
use super::people::{self, People};
use super::room::Room;
use super::rows::actions_source;
use super::start::{Folder, Pacing};
pub use super::start::{Options, StartError, Time};
use super::store::Store;
use super::web::{self, RealTime, WebState, preview};
use crate::config::Config;
use crate::control::record::Entry;
use crate::control::status::Status;

/// Longest wait for the first readings before the first decision, real time: long enough for a device that is away
/// to be known as such.
const FIRST_READINGS: Duration = Duration::from_secs(10);
/// Longest wait until the start is recorded, real time.
const FIRST_RECORDS: Duration = Duration::from_secs(5);
/// Longest wait for the threads of record, samples, snapshots and view to end, real time.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Tells a service to stop, at any time of its life; clones tell the same one.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Option<String>>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Stop {
    /// Says why; the first word counts.
    pub fn now(&self, why: &str) {
        self.0.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert_with(|| why.to_owned());
            first
        });
    }

    /// Waits for the word.
    pub(super) async fn told(&self) -> String {
        let mut told = self.0.subscribe();
        let why = told.wait_for(Option::is_some).await;
        // The sender lives in `self`.
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// Whether it was said.
    pub(super) fn is_told(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// Place of the view's thread among those that end: after record, samples and snapshots.
const VIEW_LAST: usize = 3;

/// A service that runs, until its [`Stop`] is told.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    status: watch::Receiver<Arc<Status>>,
    ended: JoinHandle<()>,
}

impl Running {
    /// Takes the data folder, recovers what the last run left, connects, runs the first tick and serves the page.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// What [`StartError`] names; nothing runs then.
    pub async fn start(mut options: Options, stop: Stop) -> Result<Self, StartError> {
        options.check_time()?;
        let listen = options.address()?;
        let simulated_river = options.river()?;
        let listener = TcpListener::bind(listen).await.and_then(|l| Ok((l.local_addr()?, l)));
        let (address, listener) = listener.map_err(|source| StartError::Bind { listen, source })?;
        let (pacing, start, paces) = paced(std::mem::replace(&mut options.time, Time::Real), &stop).await?;
        if options.config.service.listen != listen {
            let mut config = Config::clone(&options.config);
            config.service.listen = listen;
            options.config = Arc::new(config);
        }
        let config = Arc::clone(&options.config);
        let access = options.access;
        let data = options.data.clone();
        let folder = options.reports.clone();
        let bulletins = folder.clone().map(|rules| Bulletins::new(Arc::clone(&config), rules, data.clone()));
        let (door, from_door) = mpsc::channel(NOTES);
        let notes = door.clone();
        let opened = move || {
            let folder = Folder::open(&options.config, &options.data)?;
            let clock = folder.clock(pacing, start);
            // First: nothing is opened for a start that is refused.
            let people = people(&options, folder.dir(), door)?;
            let tls = options.tls(listen)?;
            let awake = folder.wake(&options, &clock, pacing)?;
            Ok::<_, StartError>((clock, awake, people, tls))
        };
        let (clock, awake, people, tls) = tokio::task::spawn_blocking(opened).await.map_err(|error| {
            StartError::System { what: "open the data folder".into(), source: error.into() }
        })??;
        if let Some((first, paces)) = paces {
            tokio::spawn(keep_pace(clock.clone(), first, paces, stop.clone()));
        }
        if let Err(error) = awake.record.append_within(awake.entries, clock.now(), FIRST_RECORDS).await {
            tracing::error!(%error, "the start was not recorded");
        }
        let field = field::start(Arc::clone(&config.field), clock.clone(), access);
        settle(&field, &clock, &stop).await;
        let counters = Counters::default();
        let view = awake.view.clone();
        let room = Room::watched(data.clone(), config.service.backup_folder.clone());
        let (health, traces) =
            (counters.health_source(&config, field.monitor(), view, room), field.monitor());
        let (acts, waiting) = mpsc::channel(ACTS);
        let (offers, offered) = mpsc::channel(OFFERS);
        if let Some(folder) = config.service.forecast_folder.clone() {
            tokio::spawn(forecast::watch(folder, Arc::clone(&config.basin), offers.clone()));
        }
        if let Some(bulletins) = bulletins {
            tokio::spawn(bulletins.keep(clock.clone(), stop.clone()));
        }
        let deaf = Arc::new(AtomicU32::new(0));
        let parts = Parts {
            basin: Arc::clone(&config.basin),
            clock: clock.clone(),
            controller: awake.controller,
            field,
            record: awake.record,
            history: awake.history,
            memory: awake.memory,
            snapshots: awake.snapshots,
            acts: waiting,
            offers: offered,
            notes: from_door,
            people: Arc::clone(&people),
            deaf: Arc::clone(&deaf),
            recovered: awake.recovered,
            counters: counters.clone(),
        };
        let cycle = Cycle::begin(parts, stop.clone()).await;
        // Not before: a view that has to be made anew takes disk and processor for a while, and nothing waits for it.
        awake.view.begin();
        let status = cycle.status();
        let notices = tell(folder, &config, (&awake.dir, clock), &status, (notes, counters, deaf), &stop);
        let time = real_time();
        let archive = Archive::new(data, Arc::clone(&config), awake.view.clone());
        let state = WebState {
            config,
            status: status.clone(),
            acts,
            offers,
            actions: actions_source(awake.view.clone()),
            trends: awake.trends,
            health,
            traces: Arc::new(move |link| traces.trace(link)),
            archive: Some(archive),
            schedules: awake.calendars,
            preview: Arc::new(preview::preview),
            time,
            people,
            simulated_river,
        };
        let page = web::host(listener, tls, state, async move { drop(stop.told().await) });
        let page = page.map_err(|source| StartError::System { what: "serve the page".into(), source })?;
        let ended = tokio::spawn(run(cycle.run(), (page, notices), awake.view, awake.threads, awake.dir));
        tracing::info!(%address, "the service runs");
        Ok(Self { address, status, ended })
    }

    /// Where the page is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Published after each tick.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// Waits until the service has stopped in order, as told: nothing is sent any more, commands in flight have
    /// their end, memory and record are closed.
    pub async fn ended(self) {
        // A task that panicked has ended too; the panic has been told.
        drop(self.ended.await);
    }
}

type Paced = (Pacing, Option<Timestamp>, Option<(pace::Pace, pace::Paces)>);

/// How service time runs, when it begins if not now, and what goes on telling it.
async fn paced(time: Time, stop: &Stop) -> Result<Paced, StartError> {
    Ok(match time {
        Time::Real => (Pacing::Real, None, None),
        Time::Scaled { speed, start } => (Pacing::Scaled(speed), start, None),
        Time::Paced(mut paces) => {
            let first = tokio::select! {
                first = paces.recv() => first,
                _ = stop.told() => None,
            };
            let first = first.ok_or(StartError::NoPace)??;
            (Pacing::Paced(first), None, Some((first, paces)))
        }
    })
}

/// Begins to tell people of alarms, where a folder says whom; ends when told to.
fn tell(
    folder: Option<PathBuf>,
    config: &Arc<Config>,
    (dir, clock): (&Arc<DataDir>, Clock),
    status: &watch::Receiver<Arc<Status>>,
    (sink, counters, deaf): (mpsc::Sender<Entry>, Counters, Arc<AtomicU32>),
    stop: &Stop,
) -> Option<JoinHandle<()>> {
    let (config, dir, status) = (Arc::clone(config), Arc::clone(dir), status.clone());
    let notices = folder.map(|folder| Notices { config, folder, dir, clock, status, sink, counters, deaf });
    notices.map(|notices| tokio::spawn(notices.keep(stop.clone())))
}

fn real_time() -> RealTime {
    let real = Clock::real();
    RealTime::new(move || real.now())
}

/// Who may do what; what of it goes into the record is handed to the cycle, in whose order and time it stands there.
fn people(options: &Options, dir: &DataDir, notes: mpsc::Sender<Entry>) -> Result<Arc<People>, StartError> {
    let settings = people::Settings {
        rivers: options.config.basin.commanded_rivers(),
        limits: options.config.service.session_limits(),
        time: real_time(),
        sink: Arc::new(move |entry| {
            if let Err(error) = notes.try_send(entry) {
                tracing::warn!(%error, "not recorded, too much at once");
            }
        }),
        instance: dir.identity().store.clone(),
    };
    Ok(Arc::new(People::open(dir.path(), settings)?))
}

async fn keep_pace(clock: Clock, first: pace::Pace, paces: pace::Paces, stop: Stop) {
    match pace::follow(&clock, first, paces).await {
        Ok(()) => stop.now("the pace ended"),
        Err(error) => {
            tracing::error!(%error, "stopping");
            stop.now(&error.to_string());
        }
    }
}

/// Waits for the first readings of the field, so that the first decision stands on them and not on nothing.
async fn settle(field: &FieldHandle, clock: &Clock, stop: &Stop) {
    let mut progress = field.progress();
    let settled = async {
        while !field.is_settled() {
            if progress.changed().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = settled => {}
        _ = stop.told() => {}
        () = tokio::time::sleep_until(clock.real_deadline(FIRST_READINGS)) => {
            tracing::warn!("not every device has been heard, the first decision is made without the others");
        }
    }
}

/// The service from its first tick to its last word.
async fn run(
    cycle: impl Future<Output = ()>,
    (page, notices): (JoinHandle<()>, Option<JoinHandle<()>>),
    view: Store,
    threads: Vec<Thread<()>>,
    dir: Arc<DataDir>,
) {
    // Ends the field and drops the handles of record, samples and snapshots: their threads end then.
    cycle.await;
    // It was told to stop as the cycle was; its clients are let go of.
    drop(tokio::time::timeout(LAST_WORDS, page).await);
    // It has the folder too, and stores what it has not told yet.
    if let Some(notices) = notices {
        drop(tokio::time::timeout(LAST_WORDS, notices).await);
    }
    let last_words = tokio::task::spawn_blocking(move || {
        for (at, thread) in threads.into_iter().enumerate() {
            if at == VIEW_LAST {
                // After the record's last one. The page may still hold the view.
                view.close();
            }
            drop(thread.join());
        }
        // Nobody else may have the folder before.
        drop(dir);
    });
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        tracing::error!("the disk did not take everything in time; the next start compares journal and view");
    } else {
        tracing::info!("stopped in order");
    }
}
