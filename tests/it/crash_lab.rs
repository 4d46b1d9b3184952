//! The crash laboratory: the real program with people who move its valves, ended at any moment of its life; what the field was
//! told on one side, what the record says on the other. What ends it, and what lies under its data folder, is another's: a kill
//! in `crash_kills`, a power cut in `crash_image`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use qindan::control::command::{Action, CommandId};
use qindan::control::record::Kind;
use qindan::shell::clock::Clock;
use qindan::shell::data_dir;
use qindan::shell::journal::{ACTIONS, Chain, Mark, Reader, Record, genesis};
use qindan::shell::log::{self, Verdict};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::crash_power::number;
use crate::crash_site::{Field, Fuse, GO, Pacer, VALVES, Written};
use crate::crash_told::{SETTLED, intents, settled_in_time, told_and_written};
use crate::door;
use crate::running::PATIENCE;

/// Service time for which a service whose disk is dead is watched.
const LINGERED: Duration = Duration::from_secs(20);

/// What lies under the data folder.
pub(crate) trait Ground {
    /// The data folder.
    fn data(&self) -> PathBuf;

    /// Made before a start: what else happens when that life ends, right before the kill.
    fn end(&mut self) -> Box<dyn FnMut() + Send> {
        Box::new(|| {})
    }

    /// Whether the service outlives this end, and is killed after it.
    fn outlived(&self, _random: &mut fastrand::Rng) -> bool {
        false
    }

    /// How many syncs at most may come back without an error though their disk had gone: those under way in the moment of the
    /// end. What was acknowledged or sent on the word of one, after the end had begun, may be without its record.
    fn false_syncs(&self) -> usize {
        0
    }

    /// After the kill, before anybody looks into the folder.
    fn mend(&mut self) {}

    /// A service has just taken the folder up.
    fn taken_up(&self) {}
}

/// What a test has put on the disk of `folder` is on it, as if it had been there for long.
pub(crate) fn synced(folder: &Path) {
    assert!(Command::new("sync").arg("--file-system").arg(folder).status().unwrap().success());
}

/// When a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// So many µs after the process was started: mostly while it opens what the last one left.
    Starting(u64),
    /// So many µs after an order was confirmed: before, at or behind its intent.
    Confirming(u64),
    /// At a request of the field after an order.
    Request(u32),
    /// At the write of the order.
    Writing,
    /// At the read-back.
    ReadBack,
    /// So many seconds of service time after the write: the valve moves or has arrived.
    Later(u64),
}

impl Moment {
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u32(..100) {
            0..14 => Self::Starting(random.u64(..400_000)),
            14..28 => Self::Confirming(random.u64(..12_000)),
            28..58 => Self::Request(random.u32(..40)),
            58..68 => Self::Writing,
            68..76 => Self::ReadBack,
            _ => Self::Later(random.u64(..150)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Starting(_) => "while it starts",
            Self::Confirming(_) => "while an order is confirmed",
            Self::Request(_) => "at some request to the field",
            Self::Writing => "at the write",
            Self::ReadBack => "at the read-back",
            Self::Later(_) => "behind the write",
        }
    }

    fn fuse(self) -> Fuse {
        match self {
            Self::Request(count) => Fuse::Queries(count),
            Self::Writing => Fuse::Write,
            Self::ReadBack => Fuse::BehindWrite,
            Self::Starting(_) | Self::Confirming(_) | Self::Later(_) => Fuse::None,
        }
    }
}

/// A process that serves.
struct Run {
    page: watch::Receiver<Option<std::net::SocketAddr>>,
    pacer: Pacer,
    died: watch::Receiver<bool>,
    first_poll: tokio::task::JoinHandle<Duration>,
    cookie: String,
    /// Its end has begun: nothing it answers has to be right any more.
    ending: Arc<AtomicBool>,
}

impl Run {
    /// Ends when the process has died, whoever killed it.
    async fn death(&self) {
        let mut died = self.died.clone();
        tokio::time::timeout(PATIENCE, died.wait_for(|died| *died)).await.expect("it dies in time").unwrap();
    }

    /// What the page says to a request whose line and headers begin so; `None` when its process died over it.
    async fn exchange(&self, line: &str, more: &str) -> Option<(u16, String)> {
        let address = (*self.page.borrow())?;
        let cookie = &self.cookie;
        let request =
            format!("{line} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nconnection: close\r\n{more}");
        let talk = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let status = answer.split(' ').nth(1)?.parse().ok()?;
            Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
        };
        tokio::time::timeout(PATIENCE, talk).await.expect("an answer or an end in time")
    }

    /// An answer to a body that is posted.
    async fn ask(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let (address, body) = ((*self.page.borrow())?, body.to_string());
        let more = format!(
            "origin: http://{address}\r\nx-qindan: 1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = self.exchange(&format!("POST {path}"), &more).await?;
        Some((status, serde_json::from_str(&answer).ok()?))
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        self.exchange(&format!("GET {path}"), "\r\n").await
    }

    /// Whether an answer is as it has to be. It has to, as long as the service has its disk.
    fn is_right(&self, is_right: bool, answer: &Value) -> bool {
        assert!(is_right || self.ending.load(Ordering::SeqCst), "{answer}");
        is_right
    }

    /// Shows an act and confirms it; the number of its record, and its request, once that is acknowledged.
    async fn act(&self, act: Value, request: &str) -> Option<(u64, String)> {
        // No start has it from the one before.
        let take = json!({ "rivers": ["alder"], "password": door::PASSWORD });
        let (status, answer) = self.ask("/api/v1/control/take", &take).await?;
        if !self.is_right(status == 200, &answer) {
            return None;
        }
        let (status, mut shown) = self.ask("/api/v1/acts/preview", &act).await?;
        if !self.is_right(status == 200, &shown) {
            return None;
        }
        for attempt in 0..10 {
            let confirm = json!({ "request": format!("{request}-{attempt}"), "token": shown["token"] });
            let (status, mut answer) = self.ask("/api/v1/acts/confirm", &confirm).await?;
            match (status, answer["renewed"].take()) {
                (200, _) => {
                    // Without a number it was taken and could not be recorded: nobody was told that it is on the disk.
                    let told = answer["taken"]["record"].as_u64();
                    self.is_right(told.is_some(), &answer);
                    return Some((told?, confirm["request"].as_str().unwrap().to_owned()));
                }
                // A valve moves: the picture has changed since it was shown.
                (409, renewed) if renewed.is_object() => shown = renewed,
                // The interlocks do not permit it as the other valves stand.
                (409, _) => return None,
                _ => {
                    self.is_right(false, &answer);
                    return None;
                }
            }
        }
        None
    }
}

/// The laboratory: field, data folder, and what is known about both.
pub(crate) struct Lab<G> {
    pub(crate) seed: u64,
    pub(crate) random: fastrand::Rng,
    /// Before the ground: a failed test takes the service off it first.
    pub(crate) field: Field,
    config: tempfile::TempDir,
    pub(crate) ground: G,
    cookie: String,
    utc: Arc<Mutex<Timestamp>>,
    /// Every record found so far, and the chain head behind the last.
    pub(crate) records: Vec<Record>,
    head: Chain,
    /// Acts whose confirmation was answered: number of the record, and the request.
    pub(crate) acknowledged: Vec<(u64, String)>,
    /// Those answered while the end was under way: they may be there or not.
    pub(crate) in_doubt: Vec<(u64, String)>,
    /// Writes on the word of a false sync.
    pub(crate) unproved: Vec<Written>,
    /// The highest number a service said it had acknowledged before its end, in its metrics.
    claimed: u64,
    /// By start of the service, from 1: its boot identifier once it stands in the record, and how long it lived.
    pub(crate) boots: BTreeMap<usize, (String, Duration)>,
    pub(crate) starts: usize,
    orders: u64,
    pub(crate) first_polls: Vec<Duration>,
    /// Ends by kind: all, and those that left intents without an outcome.
    pub(crate) ends: BTreeMap<&'static str, (u32, u32)>,
    /// Services that outlived the end of their disk: those that held, and those that ended of themselves.
    pub(crate) outlived: (u32, u32),
}

impl<G: Ground> Lab<G> {
    /// On `ground`; `QINDAN_SEED` or else `seed` says what happens.
    pub(crate) async fn new(ground: G, seed: u64) -> Self {
        let seed = number("QINDAN_SEED", seed);
        eprintln!("seed {seed}");
        let field = Field::start().await;
        let config = field.config();
        let utc: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let identity = data_dir::init(&ground.data(), "alder", utc).unwrap();
        door::furnish(&ground.data());
        synced(&ground.data());
        Self {
            seed,
            random: fastrand::Rng::with_seed(seed),
            field,
            config,
            ground,
            cookie: door::cookie(&identity.store),
            utc: Arc::new(Mutex::new(utc)),
            records: Vec::new(),
            head: genesis(&identity.store),
            acknowledged: Vec::new(),
            in_doubt: Vec::new(),
            unproved: Vec::new(),
            claimed: 0,
            boots: BTreeMap::new(),
            starts: 0,
            orders: 0,
            first_polls: Vec::new(),
            ends: BTreeMap::new(),
            outlived: (0, 0),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.ground.data()
    }

    /// Starts the program and does not wait for it.
    fn spawn(&mut self) -> Run {
        self.field.ends_with(self.ground.end());
        let random = &mut self.random;
        self.field.go_on_alone(|| random.u32(..10) < 7);
        let mut progress = self.field.progress();
        let before = progress.borrow_and_update().queries;
        let mark = Clock::real().mark();
        let mut child = Command::new(env!("CARGO_BIN_EXE_qindan"))
            .args(["run", "--pace", "--log", "json", "--config"])
            .arg(self.config.path())
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.starts += 1;
        let pipe = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        self.field.take(child);
        let ((told, page), (gone, died)) = (watch::channel(None), watch::channel(false));
        let ending = self.field.ending();
        let ends = Arc::clone(&ending);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = said["fields"]["address"].as_str().and_then(|text| text.parse().ok()) {
                    told.send_replace(Some(address));
                } else if line.contains("\"ERROR\"")
                    && !line.contains("coming up in hold")
                    && !ends.load(Ordering::SeqCst)
                {
                    eprintln!("{line}");
                }
            }
            gone.send_replace(true);
        });
        let first_poll = tokio::spawn(async move {
            let _ended = progress.wait_for(|progress| progress.queries > before).await;
            mark.elapsed()
        });
        let pacer = Pacer::start(pipe, Arc::clone(&self.utc), &self.field);
        Run { page, pacer, died, first_poll, cookie: self.cookie.clone(), ending }
    }

    /// Waits until a started process serves, and releases the hold in which the third start in ten minutes comes up.
    async fn serving(&mut self, run: &mut Run) {
        let mut page = run.page.clone();
        let served = tokio::time::timeout(PATIENCE, page.wait_for(Option::is_some)).await;
        assert!(matches!(served, Ok(Ok(_))), "start {} serves no page, seed {}", self.starts, self.seed);
        drop(served);
        self.first_polls.push((&mut run.first_poll).await.unwrap());
        let sent = self.field.written().iter().filter(|write| write.start == self.starts).count();
        assert_eq!(sent, 0, "start {}: nothing is sent before anybody decides anew", self.starts);
        self.ground.taken_up();
        self.order(run, json!({ "order": "release_hold" })).await;
    }

    /// Gives an order; one whose confirmation was answered is kept in mind.
    async fn order(&mut self, run: &Run, act: Value) -> bool {
        self.orders += 1;
        let request = format!("crash-order-{}", self.orders);
        let told = run.act(act, &request).await;
        let taken = told.is_some();
        if self.ground.false_syncs() > 0 && self.field.is_ending() {
            self.in_doubt.extend(told);
        } else {
            self.acknowledged.extend(told);
        }
        taken
    }

    /// Another opening for a valve, far enough from where it was sent last.
    fn set_point(&mut self, valve: usize) -> Value {
        let last = self.field.target(valve);
        let to = loop {
            let to = f64::from(self.random.u32(150..850)) / 10.0;
            if (to - last).abs() > 5.0 {
                break to;
            }
        };
        json!({ "order": "set_point", "gate": VALVES[valve].0, "opening_pct": to, "reason": "crash laboratory" })
    }

    /// One life of the service, and its end.
    pub(crate) async fn round(&mut self, moment: Moment) {
        let outlived = self.ground.outlived(&mut self.random);
        let mut run = self.spawn();
        self.field.spare(outlived);
        if let Moment::Starting(micros) = moment {
            let _early = tokio::time::timeout(Duration::from_micros(micros), run.death()).await;
        } else {
            self.serving(&mut run).await;
            let mut valves = [0, 1, 2];
            self.random.shuffle(&mut valves);
            let several = self.random.usize(1..=3);
            let (last, others) = valves[..several].split_last().unwrap();
            for valve in others {
                let writes = self.field.written().len();
                let act = self.set_point(*valve);
                if self.order(&run, act).await {
                    self.until_written(&run, writes).await;
                }
            }
            self.note_claim(&run).await;
            let before = run.pacer.lived();
            self.end_by(&run, moment, *last).await;
            if outlived && self.field.is_ending() {
                // How long it had its disk is not known better.
                self.died(run, moment, before).await;
                return;
            }
        }
        let lived = run.pacer.lived();
        self.died(run, moment, lived).await;
    }

    /// What the service says it has acknowledged, of records nobody was told of too.
    async fn note_claim(&mut self, run: &Run) {
        let Some((_, metrics)) = run.get("/metrics").await else { return };
        let records = metrics.lines().find_map(|line| line.strip_prefix("qindan_records "));
        self.claimed = self.claimed.max(records.unwrap().parse::<f64>().unwrap() as u64);
    }

    /// The end of a life that lasted so long.
    async fn died(&mut self, run: Run, moment: Moment, lived: Duration) {
        if self.field.strike() {
            self.linger(&run).await;
        }
        self.field.kill();
        drop(run);
        self.ground.mend();
        let open = self.post_mortem(lived);
        let (all, between) = self.ends.entry(moment.name()).or_default();
        (*all, *between) = (*all + 1, *between + u32::from(open > 0));
    }

    /// A service on a dead disk ends, or says that the record cannot be written and takes no orders. What it sends meanwhile
    /// must have its intent on the disk, as everything else.
    async fn linger(&mut self, run: &Run) {
        let held = async {
            let mut page = run.page.clone();
            // One that has not come up yet comes up or ends.
            page.wait_for(Option::is_some).await.ok()?;
            loop {
                // The first one leaves the hold a third start comes up in.
                let mut acts = vec![json!({ "order": "release_hold" })];
                acts.extend((0..VALVES.len()).map(|valve| self.set_point(valve)));
                for act in acts {
                    assert!(!self.order(run, act).await, "acknowledged on a dead disk, seed {}", self.seed);
                }
                if run.get("/readyz").await?.0 == 503 {
                    break;
                }
            }
            run.pacer.pass(LINGERED).await;
            run.get("/healthz").await
        };
        let held = tokio::time::timeout(PATIENCE, held).await.expect("it holds or ends in time");
        if let Some((status, text)) = held {
            assert_eq!(status, 200, "{text}");
            self.outlived.0 += 1;
        } else {
            run.death().await;
            self.outlived.1 += 1;
        }
    }

    /// The last order of a life, and the kill that comes with it or after it.
    async fn end_by(&mut self, run: &Run, moment: Moment, valve: usize) {
        let writes = self.field.written().len();
        let act = self.set_point(valve);
        self.field.light(moment.fuse());
        match moment {
            Moment::Confirming(micros) => {
                let order = self.order(run, act);
                let _given = tokio::time::timeout(Duration::from_micros(micros), order).await;
            }
            Moment::Request(_) | Moment::Writing | Moment::ReadBack => {
                self.order(run, act).await;
                // An order the interlocks refused is not written: then this is a kill like any other.
                tokio::select! {
                    () = run.death() => {}
                    () = run.pacer.pass(Duration::from_secs(30)) => {}
                }
            }
            Moment::Later(seconds) => {
                if self.order(run, act).await {
                    self.until_written(run, writes).await;
                }
                run.pacer.pass(Duration::from_secs(seconds)).await;
            }
            Moment::Starting(_) => {}
        }
    }

    /// Waits for one more write, or until it is clear that there is none.
    async fn until_written(&self, run: &Run, writes: usize) {
        let mut progress = self.field.progress();
        tokio::select! {
            _ = progress.wait_for(|progress| progress.writes > writes) => {}
            () = run.pacer.pass(Duration::from_secs(20)) => {}
        }
    }

    /// What the dead process left: every record that stood there before stands there still, and every write has its intent.
    /// The number of intents without an outcome.
    fn post_mortem(&mut self, lived: Duration) -> usize {
        let (journal, seed, start) = (self.data().join("journal"), self.seed, self.starts);
        let frames = Reader::open(&journal, ACTIONS).unwrap().records(self.records.len() as u64 + 1);
        for frame in frames {
            let frame = frame.unwrap_or_else(|error| panic!("start {start}, seed {seed}: {error}"));
            let told = (frame.seq, frame.prev);
            assert_eq!(told, (self.records.len() as u64 + 1, self.head), "start {start}, seed {seed}");
            self.head = frame.chain;
            self.records.push(Record::of(&frame).unwrap());
        }
        let mark = Mark::read(&Mark::path(&journal, ACTIONS)).unwrap().map_or(0, |mark| mark.seq);
        let known = mark.max(self.claimed);
        assert!(
            self.records.len() as u64 >= known,
            "start {start}, seed {seed}: {} records, but {} acknowledged as a service said, {mark} by the mark",
            self.records.len(),
            self.claimed
        );
        for (seq, request) in &self.acknowledged {
            let record = &self.records[*seq as usize - 1];
            let told = record.detail.as_ref().and_then(|detail| detail["request"].as_str());
            let what = format!("start {start}, seed {seed}: {request} was acknowledged as record {seq}");
            assert_eq!((record.kind, told), (Kind::Operator, Some(request.as_str())), "{what}");
        }
        if let Some(boot) = self.records.iter().rfind(|record| record.kind == Kind::Boot)
            && self.boots.values().all(|(known, _)| *known != boot.boot)
        {
            self.boots.insert(start, (boot.boot.clone(), lived));
        }
        let mut written = self.field.written();
        written.retain(|write| write.start == start && self.intent_of(write).is_none());
        let falsely = written.iter().all(|write| write.late) && written.len() <= self.ground.false_syncs();
        assert!(falsely, "start {start}, seed {seed}: no intent on disk: {written:?}");
        self.unproved.extend(written);
        intents(&self.records).values().filter(|(_, outcome)| outcome.is_none()).count()
    }

    /// One life more, long enough for everything to end, and an orderly stop; then field and record must say the same.
    pub(crate) async fn last_life(&mut self) {
        let mut run = self.spawn();
        self.serving(&mut run).await;
        run.pacer.pass(SETTLED * 4).await;
        let lived = run.pacer.lived();
        let mut child = self.field.give_back().unwrap();
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        drop(run);
        self.ground.mend();
        assert_eq!(self.post_mortem(lived), 0, "seed {}: every intent has its outcome", self.seed);
        let mut said = Vec::new();
        let verdict = log::verify(&self.data(), &mut said).unwrap();
        assert_eq!(verdict, Verdict::Right, "{}", String::from_utf8_lossy(&said));
        told_and_written(self);
        settled_in_time(self);
    }

    /// The intent a write belongs to: same number, valve, opening and start of the service.
    pub(crate) fn intent_of(&self, write: &Written) -> Option<CommandId> {
        let (boot, _) = self.boots.get(&write.start)?;
        let of = self.records.iter().filter(|record| record.kind == Kind::Intent && record.boot == *boot);
        let found = of.filter(|record| {
            let asked = match record.action {
                Some(Action::Goto(to)) => (to.percent() * 10.0).round() as u16 == write.target,
                Some(Action::Stop) | None => false,
            };
            let valve = record.gate.as_deref() == Some(VALVES[write.valve].0);
            asked && valve && record.command.map(CommandId::register) == Some(write.sequence)
        });
        let mut found = found.filter_map(|record| record.command);
        found.next().filter(|_| write.command == GO)
    }
}
