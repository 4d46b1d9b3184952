//! Power cuts under the action journal. Two hundred, or as many as `QINDAN_POWER_CUTS` says; `QINDAN_SEED` for another course.
//!
//! The model, by the journal's own hook before each operation of the disk: what a file held at its last successful sync is kept.
//! Of every 512 bytes written since, the old or the new are there; a length may be the old or the new; a file whose folder was
//! not synced since it was made may be gone, empty, or zeros; one removed since may be there again. What the mark says is
//! unsynced between two syncs of its own. Some syncs fail: their bytes are unsynced for good, whatever comes later. A real file
//! system below the real program is cut in `crash_image`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use qindan::control::record::Kind;
use qindan::shell::journal::{ACTIONS, DiskOp, FaultHook, Journal, JournalError, Mark, Reader, Record};

use crate::journal::{note, now, settings};

const SECTOR: usize = 512;
/// Chosen: long enough for several segments of 4096 bytes, short enough to be copied at each operation.
const BATCHES: u32 = 12;
/// Cuts of one life, each on its own; the last is what the next life begins with.
const CUTS_OF_A_LIFE: u64 = 4;
/// Cuts until a folder is begun anew.
const SERIES: u64 = 8 * CUTS_OF_A_LIFE;

/// What an environment variable says, for seeds and campaigns.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |count| count.parse().unwrap())
}

/// Names and bytes of a folder.
type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// A moment in which the power may go.
#[derive(Clone)]
struct Instant {
    durable: Files,
    seen: Files,
    acknowledged: usize,
    what: String,
}

/// Watches a folder operation by operation.
struct Disk {
    dir: std::path::PathBuf,
    random: fastrand::Rng,
    durable: Files,
    before: Files,
    /// The operation under way since the last look, and whether it was let through.
    last: Option<(DiskOp, bool)>,
    /// The file of the last write.
    written: Option<String>,
    acknowledged: usize,
    instants: Vec<Instant>,
}

impl Disk {
    /// Everything that stands there is on the disk.
    fn new(dir: &Path, random: fastrand::Rng, acknowledged: usize) -> Self {
        let all = files(dir);
        let (durable, before) = (all.clone(), all);
        let dir = dir.to_path_buf();
        Self { dir, random, durable, before, last: None, written: None, acknowledged, instants: Vec::new() }
    }

    /// Takes in what the last operation came to.
    fn look(&mut self, what: &str) {
        let seen = files(&self.dir);
        match self.last.take() {
            Some((DiskOp::Write, true)) => {
                // The only file written by this operation; the mark is written by another one, before it.
                let changed =
                    |name: &&String| name.starts_with("action-") && self.before.get(*name) != seen.get(*name);
                self.written = seen.keys().find(changed).cloned();
            }
            Some((DiskOp::Sync, true)) => {
                let name = self.written.clone().unwrap();
                let new = !self.durable.contains_key(&name);
                self.durable.insert(name.clone(), seen[&name].clone());
                if new {
                    // A new segment is followed by a sync of its folder.
                    self.durable.retain(|name, _| seen.contains_key(name));
                    for name in seen.keys() {
                        self.durable.entry(name.clone()).or_default();
                    }
                }
            }
            Some((DiskOp::Cut, true)) => {
                for (name, bytes) in &seen {
                    if self.before.get(name).is_some_and(|before| before.len() != bytes.len()) {
                        self.durable.insert(name.clone(), bytes.clone());
                    }
                }
            }
            Some((DiskOp::Create, _) | (DiskOp::Write | DiskOp::Sync | DiskOp::Cut, false)) | None => {}
        }
        self.before.clone_from(&seen);
        let durable = self.durable.clone();
        let (acknowledged, what) = (self.acknowledged, what.to_owned());
        self.instants.push(Instant { durable, seen, acknowledged, what });
    }

    /// Before an operation: some syncs and writes are refused.
    fn ask(&mut self, op: DiskOp) -> Option<std::io::Error> {
        self.look(&format!("before {op:?}"));
        let refused = match op {
            DiskOp::Sync => self.random.u32(..12) == 0,
            DiskOp::Write => self.random.u32(..40) == 0,
            DiskOp::Create | DiskOp::Cut => false,
        };
        self.last = Some((op, !refused));
        refused.then(|| std::io::Error::from_raw_os_error(5))
    }
}

/// What the power leaves of a file: `old` is on the disk, `new` is what the program saw.
fn torn(old: &[u8], new: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let length = if random.bool() { old.len() } else { new.len() };
    let mut left = Vec::with_capacity(length);
    for at in (0..length).step_by(SECTOR) {
        let end = (at + SECTOR).min(length);
        let of = if random.bool() { old } else { new };
        let there = of.get(at..end.min(of.len())).unwrap_or_default();
        left.extend_from_slice(there);
        left.resize(end, 0);
    }
    left
}

/// How much of what was not synced is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    All,
    None,
    Some,
}

/// The folder as it is found when the power is back.
fn cut(instant: &Instant, loss: Loss, random: &mut fastrand::Rng) -> Files {
    match loss {
        Loss::All => return instant.durable.clone(),
        Loss::None => return instant.seen.clone(),
        Loss::Some => {}
    }
    let (durable, seen) = (&instant.durable, &instant.seen);
    let mut left = Files::new();
    for name in durable.keys().chain(seen.keys().filter(|name| !durable.contains_key(*name))) {
        let bytes = match (durable.get(name), seen.get(name)) {
            (Some(old), Some(new)) => Some(torn(old, new, random)),
            (Some(old), None) => random.bool().then(|| old.clone()),
            (None, Some(new)) => random.bool().then(|| torn(&[], new, random)),
            (None, None) => None,
        };
        left.extend(bytes.map(|bytes| (name.clone(), bytes)));
    }
    left
}

fn put(dir: &Path, files: &Files) {
    fs::create_dir_all(dir).unwrap();
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// The notes of a journal, in order.
fn notes(dir: &Path) -> Result<Vec<String>, JournalError> {
    let mut found = Vec::new();
    for frame in Reader::open(dir, ACTIONS)?.records(0) {
        let detail = Record::of(&frame?)?.detail.unwrap();
        found.extend(detail.as_str().map(str::to_owned));
    }
    Ok(found)
}

/// Appends until the end of a life, and every instant of it in which the power may go.
fn live(dir: &Path, known: &mut Vec<String>, random: &mut fastrand::Rng, life: u64) -> Vec<Instant> {
    let mut journal = Journal::open(dir, settings(), now(0)).unwrap();
    drop(journal);
    let disk = Arc::new(Mutex::new(Disk::new(dir, random.fork(), known.len())));
    let asked = Arc::clone(&disk);
    let fault = Some(FaultHook::new(move |op| asked.lock().unwrap().ask(op)));
    journal = Journal::open(dir, qindan::shell::journal::Settings { fault, ..settings() }, now(0)).unwrap();
    for batch in 0..BATCHES {
        let count = random.usize(1..7);
        // From one sector to several in a batch.
        let filling = "x".repeat(random.usize(..500));
        let texts: Vec<_> = (0..count).map(|i| format!("{life}/{batch}/{i} {filling}")).collect();
        let entries: Vec<_> = texts.iter().map(|text| note(text)).collect();
        let appended = journal.append(&entries, now(batch));
        let mut disk = disk.lock().unwrap();
        disk.look("after an append");
        if appended.is_ok() {
            known.extend(texts);
            disk.acknowledged = known.len();
            disk.look("after its acknowledgement");
        }
        if random.u32(..4) == 0 {
            journal.sync_mark().unwrap();
            let mark = Mark::path(dir, ACTIONS).file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = disk.before[&mark].clone();
            disk.durable.insert(mark, bytes);
        }
    }
    disk.lock().unwrap().instants.clone()
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let (cuts, seed) = (number("QINDAN_POWER_CUTS", 200), number("QINDAN_SEED", 0x706f_7765));
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let root = tempfile::tempdir().unwrap();
    let (mut known, mut dir) = (Vec::new(), root.path().join("life-0"));
    let mut tried: BTreeMap<String, u32> = BTreeMap::new();
    let mut instants = Vec::new();
    let mut mended: BTreeMap<String, u32> = BTreeMap::new();
    fs::create_dir_all(&dir).unwrap();
    for round in 0..cuts {
        if round % SERIES == 0 {
            known.clear();
            dir = root.path().join(format!("life-{round}"));
            fs::create_dir_all(&dir).unwrap();
        }
        if round % CUTS_OF_A_LIFE == 0 {
            instants = live(&dir, &mut known, &mut random, round);
            fs::remove_dir_all(&dir).unwrap();
        }
        let instant = &instants[random.usize(..instants.len())];
        let loss = [Loss::All, Loss::None, Loss::Some, Loss::Some][random.usize(..4)];
        let left = cut(instant, loss, &mut random);
        let what = format!("cut {round}, seed {seed}, {loss:?} lost, {}", instant.what);
        *tried.entry(format!("{loss:?} lost, {}", instant.what)).or_default() += 1;
        dir = root.path().join(format!("after-{round}"));
        put(&dir, &left);
        if let Err(error) = Journal::open(&dir, settings(), now(0)) {
            let sizes: Vec<_> = left.iter().map(|(name, bytes)| (name, bytes.len())).collect();
            panic!("{what}: does not open: {error}; {sizes:?}");
        }
        let found = notes(&dir).unwrap();
        let acknowledged = instant.acknowledged;
        assert!(found.len() >= acknowledged, "{what}: {} of {acknowledged}", found.len());
        assert_eq!(found[..acknowledged], known[..acknowledged], "{what}");
        // What this opening had to mend stands last.
        let newest = Reader::open(&dir, ACTIONS).unwrap().last(3, |_| true).unwrap();
        let newest = newest.iter().rev().map(|frame| Record::of(frame).unwrap());
        for record in newest.take_while(|record| record.kind == Kind::Recovered) {
            let told = record.detail.unwrap()["what"].as_str().unwrap_or_default().to_owned();
            *mended.entry(told).or_default() += 1;
        }
        if (round + 1) % CUTS_OF_A_LIFE == 0 {
            // What was not acknowledged and is there all the same stays: the next life goes on with this one.
            known = found;
        } else {
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    eprintln!("{cuts} cuts, by what was lost and when: {tried:#?}");
    eprintln!("mended, and said so in the record: {mended:?}");
}
