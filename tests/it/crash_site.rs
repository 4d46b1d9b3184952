//! The field of the crash laboratory: three valves that move by their own scans, and a list of all that was ever written to
//! them, kept outside of the service that is killed. Its configuration is the Alder of the golden files with more valves and
//! limits so wide that a person may move them all the time.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::device::{Act, Bank, Device, Query, reply};

/// The valves, and the units they answer as.
pub(crate) const VALVES: [(&str, u8); 3] = [("lake.valve", 1), ("lake.v2", 3), ("lake.v3", 4)];
/// Unit of the gauges.
const RTU: u8 = 2;

const POSITION: u16 = 3;
const REMOTE: u16 = 4;
const MOVING_OPEN: u16 = 5;
const MOVING_SHUT: u16 = 6;
const TARGET: u16 = 20;
const COMMAND: u16 = 21;
const SEQUENCE: u16 = 22;
const ECHO: u16 = 23;

/// Command word: go to the target.
pub(crate) const GO: u16 = 4;
/// How far a valve moves between two scans of it, tenths of a percent: the stroke of 90 s at a scan a second.
const STEP: u16 = 11;

/// Real time after which the next second comes though nobody scanned in the last one: while a process starts or is dead.
const UNSCANNED: Duration = Duration::from_millis(20);

/// A write as the field saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Valve, by its place in [`VALVES`].
    pub(crate) valve: usize,
    pub(crate) sequence: u16,
    pub(crate) command: u16,
    pub(crate) target: u16,
    /// In which start of the service.
    pub(crate) start: usize,
    /// The end of that start was under way.
    pub(crate) late: bool,
}

/// When the service is to be killed, in things the field sees. The kill happens before the field answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fuse {
    /// Not by the field.
    None,
    /// At the request after so many.
    Queries(u32),
    /// At the next write, which has reached the field.
    Write,
    /// At the first request behind the next write.
    BehindWrite,
}

#[derive(Debug, Default)]
struct Seen {
    writes: Vec<Written>,
    start: usize,
}

/// What the field and the hand that kills share.
struct Inside {
    bank: Bank,
    fuse: Fuse,
    child: Option<Child>,
    /// What else happens when a life ends, right before the kill.
    end: Box<dyn FnMut() + Send>,
    /// That the end of this life has begun.
    ending: Arc<AtomicBool>,
    /// The service outlives its end, until it is killed.
    spared: bool,
    seen: Seen,
}

impl Inside {
    fn strike(&mut self) {
        self.fuse = Fuse::None;
        if !self.ending.swap(true, Ordering::SeqCst) {
            (self.end)();
        }
        if !self.spared {
            self.kill();
        }
    }

    fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
        }
    }

    /// Burns the fuse by one request.
    fn burn(&mut self, query: &Query) {
        self.fuse = match self.fuse {
            Fuse::Queries(0) => return self.strike(),
            Fuse::Queries(left) => Fuse::Queries(left - 1),
            Fuse::Write if query.writes() => return self.strike(),
            Fuse::BehindWrite if query.writes() => Fuse::Queries(0),
            fuse @ (Fuse::None | Fuse::Write | Fuse::BehindWrite) => fuse,
        };
    }

    /// A scan of a valve: it goes on moving.
    fn scanned(&mut self, unit: u8) {
        let [at, to] = [POSITION, TARGET].map(|address| self.bank.get(unit, address));
        self.stand(unit, if at < to { (at + STEP).min(to) } else { at.saturating_sub(STEP).max(to) });
    }

    /// Puts a valve somewhere on its way.
    fn stand(&mut self, unit: u8, at: u16) {
        let to = self.bank.get(unit, TARGET);
        for (address, value) in
            [(POSITION, at), (MOVING_OPEN, u16::from(at < to)), (MOVING_SHUT, u16::from(at > to))]
        {
            self.bank.set(unit, address, value);
        }
    }
}

/// What the field tells whoever waits: requests, scans of the first valve and writes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) queries: u64,
    pub(crate) scans: u64,
    pub(crate) writes: usize,
}

/// A running field.
pub(crate) struct Field {
    device: Device,
    inside: Arc<Mutex<Inside>>,
    progress: watch::Receiver<Progress>,
}

impl Field {
    pub(crate) async fn start() -> Self {
        let mut bank = Bank::default();
        for (_, unit) in VALVES {
            for address in 0..=ECHO {
                bank.set(unit, address, 0);
            }
            bank.set(unit, REMOTE, 1);
            bank.set(unit, POSITION, 300);
            bank.set(unit, TARGET, 300);
        }
        // 415 m above a zero of 400, 1 m³/s at the ford and 1.5 below the dam, in the order CDAB.
        for (address, words) in [(4, [15_000, 0]), (8, [1_000, 0]), (12, [1_500, 0])] {
            bank.set(RTU, address, words[0]);
            bank.set(RTU, address + 1, words[1]);
        }
        let seen = Seen::default();
        let inside = Arc::new(Mutex::new(Inside {
            bank,
            fuse: Fuse::None,
            child: None,
            end: Box::new(|| {}),
            ending: Arc::default(),
            spared: false,
            seen,
        }));
        let (told, progress) = watch::channel(Progress::default());
        let shared = Arc::clone(&inside);
        let device = Device::start(move |query: &Query| -> Vec<Act> {
            let mut inside = shared.lock().unwrap();
            let answer = inside.bank.serve(query);
            let valve = VALVES.iter().position(|(_, unit)| *unit == query.unit);
            if let (Some(valve), true) = (valve, query.writes()) {
                let unit = query.unit;
                let [sequence, command, target] =
                    [SEQUENCE, COMMAND, TARGET].map(|address| inside.bank.get(unit, address));
                inside.bank.set(unit, ECHO, sequence);
                let (start, late) = (inside.seen.start, inside.ending.load(Ordering::SeqCst));
                inside.seen.writes.push(Written { valve, sequence, command, target, start, late });
            }
            let reads = |address| (query.address()..query.address() + query.count()).contains(&address);
            let scan = valve.filter(|_| !query.writes() && reads(POSITION));
            if scan.is_some() {
                inside.scanned(query.unit);
            }
            inside.burn(query);
            let writes = inside.seen.writes.len();
            told.send_modify(|progress| {
                progress.queries += 1;
                progress.scans += u64::from(scan == Some(0));
                progress.writes = writes;
            });
            vec![reply(query, &answer)]
        });
        Self { device: device.await, inside, progress }
    }

    /// Takes a service that runs: from now on the field may kill it.
    pub(crate) fn take(&self, child: Child) {
        let mut inside = self.inside.lock().unwrap();
        inside.seen.start += 1;
        inside.fuse = Fuse::None;
        inside.ending = Arc::default();
        inside.spared = false;
        inside.child = Some(child);
    }

    /// What else happens when the next life ends.
    pub(crate) fn ends_with(&self, end: Box<dyn FnMut() + Send>) {
        self.inside.lock().unwrap().end = end;
    }

    /// Whether the service outlives its end until [`Field::kill`].
    pub(crate) fn spare(&self, spared: bool) {
        self.inside.lock().unwrap().spared = spared;
    }

    /// Tells when the end of this life has begun.
    pub(crate) fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.inside.lock().unwrap().ending)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending().load(Ordering::SeqCst)
    }

    /// Begins the end, if the field has not; whether the service outlives it.
    pub(crate) fn strike(&self) -> bool {
        let mut inside = self.inside.lock().unwrap();
        inside.strike();
        inside.spared
    }

    pub(crate) fn light(&self, fuse: Fuse) {
        self.inside.lock().unwrap().fuse = fuse;
    }

    /// kill -9 of what the end has left, now; a process that is dead already stays so. Returns when nothing of it is left.
    pub(crate) fn kill(&self) {
        let mut inside = self.inside.lock().unwrap();
        inside.strike();
        inside.kill();
        if let Some(mut child) = inside.child.take() {
            child.wait().unwrap();
        }
    }

    /// The child, to be ended in order, and its end with it.
    pub(crate) fn give_back(&self) -> Option<Child> {
        self.inside.lock().unwrap().child.take()
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        self.inside.lock().unwrap().seen.writes.clone()
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The valves go on without the service: where `arrive` says so, to where they were sent.
    pub(crate) fn go_on_alone(&self, mut arrive: impl FnMut() -> bool) {
        let mut inside = self.inside.lock().unwrap();
        for (_, unit) in VALVES {
            if arrive() {
                let to = inside.bank.get(unit, TARGET);
                inside.stand(unit, to);
            }
        }
    }

    /// Where a valve was sent last, percent.
    pub(crate) fn target(&self, valve: usize) -> f64 {
        f64::from(self.inside.lock().unwrap().bank.get(VALVES[valve].1, TARGET)) / 10.0
    }

    /// The configuration of a service that commands this field, as a folder.
    pub(crate) fn config(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let alder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
        simulators::vary::copy(&alder, folder.path(), &[]).unwrap();
        let change = |file: &str, act: &dyn Fn(String) -> String| {
            let path = folder.path().join(file);
            fs::write(&path, act(fs::read_to_string(&path).unwrap())).unwrap();
        };
        change("basin.toml", &|text| {
            let (head, rest) = text.split_once("[gate.\"lake.valve\"]").unwrap();
            let (valve, rest) = rest.split_once("\n[").unwrap();
            let valves = VALVES.map(|(id, _)| format!("[gate.\"{id}\"]{valve}\n")).concat();
            let wide = [
                ("change_m3s = 0.5", "change_m3s = 500.0"),
                ("change_m3s = 0.3", "change_m3s = 500.0"),
                ("siren_above_m3s = 3.0", "siren_above_m3s = 900.0"),
                ("max_starts_per_hour = 6", "max_starts_per_hour = 100000"),
                ("reversal_pause_s = 60.0", "reversal_pause_s = 0.0"),
            ];
            // Without a meter below the dam people may only open.
            let (before, meter) = rest.split_once("[meter.\"q.ford\"]").unwrap();
            let (meter, behind) = meter.split_once("\n[").unwrap();
            let below = meter.replace("node = \"ford\"", "node = \"dam\"");
            let meters = format!("[meter.\"q.ford\"]{meter}\n[meter.\"q.dam\"]{below}\n[{behind}");
            let text = format!("{head}{valves}\n[{before}{meters}");
            wide.iter().fold(text, |text, (from, to)| text.replace(from, to))
        });
        // Room for samples on a small disk too.
        change("service.toml", &|text| text.replace("127.0.0.1:8090\"", "127.0.0.1:0\"\nfree_mb = 100"));
        change("devices.toml", &|_| self.devices());
        folder
    }

    fn devices(&self) -> String {
        let mut text = format!(
            "[class.fast]\nperiod_s = 1.0\n\n[layout.box]\nabout = \"Valve box\"\n[layout.box.points]\n\
             position = {{ table = \"holding\", address = {POSITION}, type = \"u16\", scale = 0.1, unit = \"%\" }}\n\
             target = {{ table = \"holding\", address = {TARGET}, type = \"u16\", scale = 0.1, unit = \"%\" }}\n\
             command = {{ table = \"holding\", address = {COMMAND}, type = \"u16\", written_only = true }}\n\
             sequence = {{ table = \"holding\", address = {SEQUENCE}, type = \"u16\", written_only = true }}\n\
             sequence_echo = {{ table = \"holding\", address = {ECHO}, type = \"u16\" }}\n"
        );
        for (name, address) in
            [("remote", REMOTE), ("moving_open", MOVING_OPEN), ("moving_shut", MOVING_SHUT)]
        {
            writeln!(
                text,
                "{name} = {{ table = \"holding\", address = {address}, type = \"bit\", bit = 0 }}"
            )
            .unwrap();
        }
        writeln!(text, "\n[link.dam]\naddress = \"{}\"\ntimeout_s = 2.0\nconnect_timeout_s = 2.0\nwindow = 1\ngap_s = 0.0",
            self.device.address).unwrap();
        let mut unit = |name: &str, number: u8| {
            writeln!(
                text,
                "\n[device.{name}]\nname_zh = \"箱\"\nname_en = \"Box\"\nlink = \"dam\"\nunit = {number}\n\
                 max_block = 60\nmax_gap = 0"
            )
            .unwrap();
        };
        unit("rtu", RTU);
        for (at, (_, number)) in VALVES.iter().enumerate() {
            unit(&format!("box{at}"), *number);
        }
        for (at, (id, _)) in VALVES.iter().enumerate() {
            writeln!(
                text,
                "\n[wire.\"{id}\"]\ndevice = \"box{at}\"\nlayout = \"box\"\nbase = 0\nclass = \"fast\""
            )
            .unwrap();
        }
        for (meter, base, value) in [
            ("z.lake", 4, "offset = 400.0"),
            ("q.ford", 8, "unit = \"m3/s\""),
            ("q.dam", 12, "unit = \"m3/s\""),
        ] {
            writeln!(
                text,
                "\n[wire.\"{meter}\"]\ndevice = \"rtu\"\nlayout = \"gauge\"\nbase = {base}\nclass = \"fast\"\n\
                 override = {{ value = {{ {value} }} }}"
            )
            .unwrap();
        }
        text
    }
}

impl Drop for Field {
    /// A failed test leaves no service behind.
    fn drop(&mut self) {
        let child = self.inside.lock().unwrap_or_else(PoisonError::into_inner).child.take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The time of a service: one second after the other, each when the field has been scanned in the one before. So service time
/// is as fast as the machine and never runs ahead of what the service has done, however slow that is.
pub(crate) struct Pacer {
    task: tokio::task::JoinHandle<()>,
    lived: watch::Receiver<Duration>,
}

impl Pacer {
    /// Goes on from `utc`, which is moved along.
    pub(crate) fn start(mut pipe: ChildStdin, utc: Arc<Mutex<Timestamp>>, field: &Field) -> Self {
        let (told, lived) = watch::channel(Duration::ZERO);
        let mut progress = field.progress();
        let task = tokio::spawn(async move {
            loop {
                let scans = progress.borrow_and_update().scans;
                let now = {
                    let mut utc = utc.lock().unwrap();
                    *utc += SignedDuration::from_secs(1);
                    *utc
                };
                // A pipe nobody reads any more: the service was killed.
                if writeln!(pipe, "{{\"utc\":\"{now}\",\"speed\":0}}").is_err() {
                    break;
                }
                let scanned = progress.wait_for(|progress| progress.scans > scans);
                match tokio::time::timeout(UNSCANNED, scanned).await {
                    Ok(Ok(_)) | Err(_) => {}
                    Ok(Err(_)) => break,
                }
                told.send_modify(|lived| *lived += Duration::from_secs(1));
            }
        });
        Self { task, lived }
    }

    /// Service time seen to pass.
    pub(crate) fn lived(&self) -> Duration {
        *self.lived.borrow()
    }

    /// Waits until so much more service time has passed; ends early with the service only when the caller stops waiting.
    pub(crate) async fn pass(&self, time: Duration) {
        let mut lived = self.lived.clone();
        let until = *lived.borrow() + time;
        let _ended = lived.wait_for(|lived| *lived >= until).await;
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
