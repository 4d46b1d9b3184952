//! From a configuration and a data folder to everything the cycle needs: what may run at all, and what the last
//! run left behind.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use rustls::ServerConfig;
use serde_json::json;

use super::checkpoint::Signer;
use super::clock::Clock;
use super::data_dir::{self, DataDir, DataDirError};
use super::field::Access;
use super::history::{History, Keep};
use super::journal::{ACTIONS, FaultHook, Journal, JournalError, Names, Reader, Record, Settings};
use super::memory::{self, Memory};
use super::pace::{BadPace, Pace};
use super::people::PeopleError;
use super::record::RecordHandle;
use super::refill::refill;
use super::schedules::Schedules;
use super::snapshots::{self, Snapshots, Stream};
use super::starts::Starts;
use super::store::Store;
use super::trend::Trends;
use super::web::tls::{self, TlsError};
use crate::config::{Config, Service, Tls};
use crate::control::carry::Carry;
use crate::control::command::{OpenIntent, Terminal};
use crate::control::record::{Entry, Kind};
use crate::control::{self, Controller};

/// Why the service does not start, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The page on an address others can reach.
    #[error(
        "listen = {0}: can be reached from other machines; give tls and names in [service] of service.toml, or use \
         127.0.0.1:{port} and reach it from elsewhere through an SSH tunnel", port = .0.port()
    )]
    Listen(SocketAddr),
    /// The address of the page is taken or not ours.
    #[error(
        "listen = {listen}: {source}; look whether another service runs, or name another address with --listen"
    )]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Another time than the machine's on an installation that is not a bench.
    #[error(
        "{0}: only on a bench; the river runs in real time. Set bench = true in service.toml of a bench \
         configuration, never on site"
    )]
    NotBench(&'static str),
    /// A simulated run that would talk to something outside this machine.
    #[error(
        "--pace: link {link} is {peer}, which is not this machine; simulated runs talk to simulated \
         devices only, use the configuration of the simulator"
    )]
    NotLoopback {
        /// The link.
        link: String,
        /// Its address or port.
        peer: String,
    },
    /// A virtual river on another machine.
    #[error(
        "--simulated-river {0}: not a loopback address; the river of a demonstration runs on this machine"
    )]
    ForeignRiver(SocketAddr),
    /// A speed that is none.
    #[error("--time-scale {0}: must be above 0 and at most 100000")]
    Speed(f64),
    /// A start in a time that is the machine's.
    #[error("--start: the time of the machine cannot be set; add --time-scale to run in a time of its own")]
    StartAlone,
    /// Standard input ended without a pace.
    #[error("--pace: standard input ended before the first line")]
    NoPace,
    /// A wrong pace.
    #[error(transparent)]
    Pace(#[from] BadPace),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The certificate of the page.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of people.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The operating system.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Its answer.
        source: std::io::Error,
    },
}

/// In which time the service runs.
#[derive(Debug)]
pub enum Time {
    /// The machine's.
    Real,
    /// Faster or slower, from a given civil time, else from now or, after a restart, from where the last run was.
    Scaled {
        /// Service seconds in a real one.
        speed: f64,
        /// Civil time at the start.
        start: Option<Timestamp>,
    },
    /// As a plant says.
    Paced(super::pace::Paces),
}

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// The data folder.
    pub data: std::path::PathBuf,
    /// With [`Access::Observe`] nothing is ever written to the field.
    pub access: Access,
    /// Address of the page in place of the configured one.
    pub listen: Option<SocketAddr>,
    /// Control of the virtual river of a demonstration, for the page; bench and loopback only.
    pub simulated_river: Option<SocketAddr>,
    /// In which time.
    pub time: Time,
    /// Configuration folder with rules and filings of the bulletins; `None`: none are made.
    pub reports: Option<std::path::PathBuf>,
    /// Failing disk under the action journal, for tests.
    pub fault: Option<FaultHook>,
}

impl Options {
    /// The address of the page.
    ///
    /// # Errors
    /// When others could reach it.
    pub(super) fn address(&self) -> Result<SocketAddr, StartError> {
        let address = self.listen.unwrap_or(self.config.service.listen);
        let service = &self.config.service;
        let is_open = service.tls.is_some() && !service.names.is_empty();
        if address.ip().is_loopback() || is_open { Ok(address) } else { Err(StartError::Listen(address)) }
    }

    /// TLS of the page, where it has it.
    ///
    /// # Errors
    /// When certificate or key do not serve.
    pub(super) fn tls(&self, address: SocketAddr) -> Result<Option<ServerConfig>, StartError> {
        Ok(match &self.config.service.tls {
            None => None,
            Some(Tls::Files { certificate, key }) => Some(tls::files(certificate, key)?),
            Some(Tls::Generate) => {
                let names = &self.config.service.names;
                Some(tls::generated(&self.data, names, address.ip(), Clock::machine_utc())?)
            }
        })
    }

    /// The control of the virtual river.
    ///
    /// # Errors
    /// On an installation that is not a bench, and for one that is not on this machine.
    pub(super) fn river(&self) -> Result<Option<SocketAddr>, StartError> {
        match self.simulated_river {
            Some(_) if !self.config.service.bench => Err(StartError::NotBench("--simulated-river")),
            Some(address) if !address.ip().is_loopback() => Err(StartError::ForeignRiver(address)),
            river => Ok(river),
        }
    }

    /// Whether the time asked for is allowed with this configuration.
    pub(super) fn check_time(&self) -> Result<(), StartError> {
        let bench = self.config.service.bench;
        match &self.time {
            Time::Scaled { .. } if !bench => Err(StartError::NotBench("--time-scale")),
            Time::Scaled { speed, .. } if !(*speed > 0.0 && *speed <= 100_000.0) => {
                Err(StartError::Speed(*speed))
            }
            Time::Real | Time::Scaled { .. } => Ok(()),
            Time::Paced(_) if !bench => Err(StartError::NotBench("--pace")),
            Time::Paced(_) => {
                let foreign =
                    self.config.field.links.iter().find(|link| {
                        link.transport.address().is_none_or(|address| !address.ip().is_loopback())
                    });
                foreign.map_or(Ok(()), |link| {
                    Err(StartError::NotLoopback { link: link.id.clone(), peer: link.transport.to_string() })
                })
            }
        }
    }
}

/// How the clock of a run came about, for the record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pacing {
    Real,
    Scaled(f64),
    Paced(Pace),
}

/// The data folder, taken by this process.
pub(super) struct Folder {
    dir: Arc<DataDir>,
    starts: Starts,
    carry: Option<Carry>,
    trouble: Option<String>,
}

impl Folder {
    /// Takes the folder and notes the start.
    pub(super) fn open(config: &Config, data: &Path) -> Result<Self, StartError> {
        let dir = Arc::new(DataDir::open(data, Some(&config.basin.id))?);
        let starts = Starts::begin(&dir, Clock::machine_utc());
        let (carry, trouble) = memory::load(&dir);
        Ok(Self { dir, starts, carry, trouble })
    }

    /// The folder taken.
    pub(super) fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// The clock of this run. A bench run without a start goes on where the last one was.
    pub(super) fn clock(&self, pacing: Pacing, start: Option<Timestamp>) -> Clock {
        match pacing {
            Pacing::Real => Clock::real(),
            Pacing::Paced(first) => Clock::paced(first.utc),
            Pacing::Scaled(speed) => {
                let go_on = || Clock::machine_utc().max(self.last_words());
                Clock::scaled(speed, start.unwrap_or_else(go_on))
            }
        }
    }

    /// Civil time of the last record, as far as it can be read.
    fn last_words(&self) -> Timestamp {
        let newest = Reader::open(&self.dir.journal(), ACTIONS).and_then(|reader| reader.last(1, |_| true));
        let newest = newest.ok().and_then(|frames| Record::of(frames.first()?).ok());
        newest.map_or(Timestamp::MIN, |record| record.utc)
    }

    /// Opens record, view, samples and trends, wakes the controller, and records the start.
    pub(super) fn wake(self, options: &Options, clock: &Clock, pacing: Pacing) -> Result<Awake, StartError> {
        let Self { dir, starts, carry, trouble } = self;
        let config = &options.config;
        let now = clock.now();
        let observing = options.access == Access::Observe;
        if let Err(error) = dir.renew_reserve(config.service.least_free()) {
            tracing::warn!(%error, "no reserve for the last words of the journal");
        }
        let store = dir.identity().store.clone();
        let boot = data_dir::random_id(8)?;
        let settings = Settings {
            config: config.digest.clone(),
            bench: config.service.bench,
            names: Names::of(&config.basin),
            reserve: Some(dir.reserve()),
            fault: options.fault.clone(),
            ..Settings::new(&store, boot.as_str())
        };
        let mut journal = Journal::open(&dir.journal(), settings, now)?;
        let restored = journal.restored().map(|detail| detail["copied"].to_string());
        let key = sign(&mut journal, &dir);
        let (known, gone): (Vec<_>, Vec<_>) =
            journal.open_intents().into_iter().partition(|intent| config.basin.gate(&intent.gate).is_some());
        let next_command = journal.last_command_id().map_or(1, |last| last.0 + 1);

        let start = Start { config, options, starts: &starts, carry: carry.as_ref(), pacing };
        let mut entries = vec![start.boot(&known), start.config()];
        entries.extend(trouble.map(|why| {
            tracing::error!(why, "the controller begins with a fresh memory");
            noted(json!({ "what": "memory of the controller begun anew", "why": why }))
        }));
        entries.extend(key);
        if !known.is_empty() {
            entries.push(noted(json!({ "what": "intents taken up", "commands": numbers(&known) })));
        }
        entries.extend(gone.iter().map(abandoned));

        let settings = control::Settings { observing, bench: config.service.bench };
        let memory = Memory::new(Arc::clone(&dir), starts.clone(), clock.clone());
        let memory = if observing { memory.observing(carry.as_ref(), config, now.utc) } else { memory };
        let mut controller = Controller::new(config, settings, carry, now.utc);
        controller.number_from(next_command);
        let calendars = take_up(&dir, &mut controller, &mut entries);
        if starts.hold() {
            let why = format!("service: start {} within ten minutes", starts.count());
            tracing::error!("{why}: coming up in hold, a person has to release it");
            controller.hold(&why);
        }

        if let Some(copied) = restored {
            let why =
                format!("service: restored from a backup of {copied}, what was ordered since is not known");
            tracing::error!("{why}: coming up in hold, a person has to release it");
            controller.hold(&why);
        }

        let system = |what: &str| {
            let what = what.to_owned();
            move |source| StartError::System { what, source }
        };
        let (view, view_thread) =
            Store::start_later(dir.path()).map_err(system("start the thread of the view"))?;
        let (record, record_thread) = RecordHandle::start(journal, Some(view.clone()))
            .map_err(system("start the thread of the record"))?;
        let least_free = config.service.least_free();
        let points = config.field.names().map(str::to_owned).collect();
        let (history, history_thread) =
            History::start(&dir.journal(), &store, points, keep(&config.service), least_free)?;
        let trends = Trends::default();
        if let Err(error) = refill(&trends, config, &dir.journal(), now.utc) {
            tracing::warn!(%error, "the trends begin empty");
        }
        let about = snapshots::About::new(config, boot, settings);
        let limits = snapshots::Limits {
            days: config.service.snapshot_days,
            bytes: u64::from(config.service.snapshot_mb) * 1_000_000,
        };
        let stream = Stream::new(&snapshots::folder(dir.path()), limits, about);
        let (snapshots, snapshots_thread) =
            Snapshots::start(stream, least_free).map_err(system("start the thread of the snapshots"))?;
        let threads = vec![record_thread, history_thread, snapshots_thread, view_thread];
        Ok(Awake {
            dir,
            calendars,
            memory,
            controller,
            recovered: known,
            entries,
            record,
            history,
            snapshots,
            view,
            trends,
            threads,
        })
    }
}

/// The calendar people made, with the controller and the data folder at one about what runs: where a memory was lost or a
/// crash came between the two, each takes from the other.
fn take_up(dir: &Arc<DataDir>, controller: &mut Controller, entries: &mut Vec<Entry>) -> Arc<Schedules> {
    let (calendars, trouble) = Schedules::load(dir);
    entries.extend(trouble.map(|why| {
        tracing::error!(why, "draft and versions of the calendar begin anew");
        noted(json!({ "what": "draft and versions of the calendar begun anew", "why": why }))
    }));
    if controller.activated().is_none()
        && let Some(newest) = calendars.newest()
    {
        let told = json!({ "what": "calendar taken up", "version": newest.version, "hash": newest.hash });
        entries.push(noted(told));
        controller.take_up_calendar(newest);
    }
    if let Some(active) = controller.activated()
        && let Err(error) = calendars.take_in(active)
    {
        tracing::error!(%error, "the versions of the calendar are not complete");
    }
    Arc::new(calendars)
}

/// How much of the history is kept.
fn keep(service: &Service) -> Keep {
    Keep {
        samples_days: service.history_days,
        minutes_days: service.minutes_days,
        hours_days: service.hours_days,
        bytes: Some(u64::from(service.history_mb) * 1_000_000),
    }
}

/// Gives the journal its key; a note for the record when the key was made now. Without one the service runs all the same, and
/// says so: checkpoints are evidence, not control.
fn sign(journal: &mut Journal, dir: &DataDir) -> Option<Entry> {
    match Signer::of(dir.path()) {
        Ok((signer, made)) => {
            let key = signer.public().to_owned();
            journal.sign_with(signer);
            made.then(|| noted(json!({ "what": "a new key signs the checkpoints", "key": key })))
        }
        Err(error) => {
            tracing::error!(%error, "checkpoints are not signed and not made");
            Some(noted(json!({ "what": "no checkpoints: the key cannot be used", "why": error.to_string() })))
        }
    }
}

/// Everything that came out of the data folder.
pub(super) struct Awake {
    pub(super) dir: Arc<DataDir>,
    pub(super) calendars: Arc<Schedules>,
    pub(super) memory: Memory,
    pub(super) controller: Controller,
    /// Intents without an outcome whose gates are known.
    pub(super) recovered: Vec<OpenIntent>,
    /// First words of this run.
    pub(super) entries: Vec<Entry>,
    pub(super) record: RecordHandle,
    pub(super) history: History,
    pub(super) snapshots: Snapshots,
    pub(super) view: Store,
    pub(super) trends: Trends,
    /// In the order in which they end.
    pub(super) threads: Vec<JoinHandle<()>>,
}

/// What the first records of a run say.
struct Start<'a> {
    config: &'a Config,
    options: &'a Options,
    starts: &'a Starts,
    carry: Option<&'a Carry>,
    pacing: Pacing,
}

impl Start<'_> {
    fn boot(&self, open: &[OpenIntent]) -> Entry {
        let mut entry = Entry::new(Kind::Boot, "service");
        let (time, speed) = match self.pacing {
            Pacing::Real => ("real", 1.0),
            Pacing::Scaled(speed) => ("scaled", speed),
            Pacing::Paced(first) => ("paced", first.speed),
        };
        entry.detail = Some(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "observe": self.options.access == Access::Observe,
            "bench": self.config.service.bench,
            "time": time,
            "speed": speed,
            "after_orderly_stop": self.starts.after_orderly_stop(),
            "starts_in_ten_minutes": self.starts.count(),
            "hold": self.starts.hold(),
            "memory_of": self.carry.map(|carry| carry.stored),
            "open_intents": numbers(open),
        }));
        entry
    }

    fn config(&self) -> Entry {
        let (basin, field) = (&self.config.basin, &self.config.field);
        let mut entry = Entry::new(Kind::Config, "service");
        entry.detail = Some(json!({
            "digest": self.config.digest, "basin": basin.id, "sections": basin.sections.len(),
            "gates": basin.gates.len(), "links": field.links.len(), "points": field.points.len(),
        }));
        entry
    }
}

fn numbers(intents: &[OpenIntent]) -> Vec<u64> {
    intents.iter().map(|intent| intent.command.0).collect()
}

fn noted(detail: serde_json::Value) -> Entry {
    let mut entry = Entry::new(Kind::Recovered, "recovery");
    entry.detail = Some(detail);
    entry
}

/// The end of a command whose gate is not in the configuration any more.
fn abandoned(intent: &OpenIntent) -> Entry {
    let mut entry = Entry::new(Kind::Outcome, "recovery");
    entry.gate = Some(intent.gate.clone());
    entry.command = Some(intent.command);
    entry.action = Some(intent.action);
    entry.before = intent.before;
    entry.outcome = Some(Terminal::Abandoned);
    entry.detail = Some(json!({ "recovered": true, "why": "the gate is not in the configuration any more" }));
    entry
}
