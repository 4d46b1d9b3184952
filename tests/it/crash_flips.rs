//! Flipped bits and cut files anywhere in a data folder: the right answer or a refusal by name, never silence, and never a
//! panic that gets out. Forty of them, or as many as `QINDAN_FLIPS` says (`ops/long crashes`: a thousand).
//!
//! The folder is one a real run left. It is opened as the service opens it. What the journal alone makes of every bit of a
//! small one stands in `journal`.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::shell::checkpoint::Signer;
use qindan::shell::data_dir::{DataDir, DataDirError};
use qindan::shell::history::{self, History, Keep, Kept};
use qindan::shell::journal::{ACTIONS, Frame, Journal, Reader, Record, SAMPLES, Settings};
use qindan::shell::log::Verdict;
use qindan::shell::snapshots::{self, Opened, Step, Tail};
use qindan::shell::store::{Query, Store};
use qindan::shell::verify::{self, Part};

use crate::crash_power::number;
use crate::journal::{now, settings};
use crate::running::{Bench, Folder, at_rest, ended};
use crate::site::{self, Drive, Site};

/// What a folder says, as far as anybody relies on it.
struct Said {
    /// Files as they stand, by path below the folder.
    files: BTreeMap<PathBuf, Vec<u8>>,
    store: String,
    records: Vec<Frame>,
    samples: BTreeMap<String, Vec<Kept>>,
    steps: BTreeMap<PathBuf, Vec<Step>>,
    state: BTreeMap<&'static str, Vec<u8>>,
    key: String,
}

const STATES: [&str; 2] = ["controller", "starts"];

/// Files below `folder`. The room held for the last words has no content, and the lock is nobody's answer.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                todo.push(entry);
            } else if !entry.ends_with("reserve") && !entry.ends_with("lock") {
                let mut bytes = fs::read(&entry).unwrap();
                if entry.extension().is_some_and(|extension| extension == "seg") {
                    // As a sealed segment: without the zeros set aside behind its records.
                    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    bytes.truncate(end);
                }
                found.insert(entry.strip_prefix(folder).unwrap().to_path_buf(), bytes);
            }
        }
    }
    found
}

fn frames(folder: &Path) -> Vec<Frame> {
    Reader::open(&folder.join("journal"), ACTIONS).unwrap().records(0).map(Result::unwrap).collect()
}

fn samples(folder: &Path) -> BTreeMap<String, Vec<Kept>> {
    history::read(&folder.join("journal"), &[], Timestamp::MIN, Timestamp::MAX).unwrap()
}

/// The steps of a file of snapshots until its end or damage, and whether that was told.
fn steps(path: &Path) -> (Vec<Step>, bool) {
    let Ok(Some(mut opened)) = Opened::read(path) else { return (Vec::new(), true) };
    let mut found = Vec::new();
    loop {
        match opened.step() {
            Ok(Some(step)) => found.push(step),
            Ok(None) => return (found, opened.tail() != Some(Tail::Whole)),
            Err(_) => return (found, true),
        }
    }
}

/// A folder in which a valve was moved, with everything in it that a service keeps.
async fn lived(folder: &Folder) -> Said {
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    for start in 0..2 {
        let config = site::config(&site.device, Mode::Manual);
        let bench = Bench::start(folder.options(config, 60.0)).await;
        for (at, percent) in [30.0, 26.0].into_iter().enumerate() {
            bench.until("at rest", at_rest).await;
            let request = format!("set-point-{start}-{at}");
            assert_eq!(bench.page.set_point(percent, &request).await.0, 200);
            bench
                .until("in flight", |status| {
                    status.gates[0].in_flight.is_some() || ended(status, &Terminal::Verified)
                })
                .await;
        }
        bench.until("at rest", at_rest).await;
        bench.end().await;
    }
    let path = folder.root.path();
    let dir = DataDir::open(path, Some("alder")).unwrap();
    let state = STATES.map(|name| (name, dir.load_state(name).unwrap().unwrap())).into();
    let named = snapshots::files(&snapshots::folder(path)).unwrap();
    let steps = named.into_iter().map(|file| {
        let (steps, told) = steps(&file.path);
        assert!(!steps.is_empty() && !told, "{}", file.path.display());
        (file.path.strip_prefix(path).unwrap().to_path_buf(), steps)
    });
    Said {
        store: folder.store.clone(),
        records: frames(path),
        samples: samples(path),
        steps: steps.collect(),
        state,
        key: Signer::of(path).unwrap().0.public().to_owned(),
        files: files(path),
    }
}

/// Where and what.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Gone,
}

impl Said {
    /// Puts the folder back as it was, but for the damage.
    fn put(&self, folder: &Path, hurt: &Path, damage: Damage) {
        for dir in ["journal", "sled", "sled.bad", "snapshots", "state", "keys"] {
            let _ = fs::remove_dir_all(folder.join(dir));
        }
        for (path, bytes) in &self.files {
            let to = folder.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut bytes = bytes.clone();
            if path == hurt {
                match damage {
                    Damage::Flip(at, bit) => bytes[at] ^= 1 << bit,
                    Damage::Cut(at) => bytes.truncate(at),
                    Damage::Gone => {
                        let _ = fs::remove_file(&to);
                        continue;
                    }
                }
            }
            fs::write(to, bytes).unwrap();
        }
    }

    /// Opens everything in the order of a start. What was refused or mended by name; a wrong answer fails the test.
    fn open(&self, folder: &Path, what: &str) -> Vec<String> {
        let mut told = Vec::new();
        let verified = verify::check(folder, &[], Part::WHOLE);
        told.extend(verified.problems.iter().map(|(verdict, why)| format!("verify {verdict:?}: {why}")));
        let dir = match DataDir::open(folder, Some("alder")) {
            Ok(dir) => dir,
            // The basin is known to who starts the service, not to the folder's own check.
            Err(error) => {
                told.push(error.to_string());
                return told;
            }
        };
        for name in STATES {
            match dir.load_state(name) {
                Ok(bytes) if bytes.as_ref() == self.state.get(name) => {}
                // The file is gone: a first start. The journal goes on counting starts and commands.
                Ok(None) if !what.contains("state/") => panic!("{what}: {name} is lost"),
                Ok(None) => told.push(format!("{name}: begun anew")),
                Ok(Some(bytes)) => panic!("{what}: {name} is now {}", String::from_utf8_lossy(&bytes)),
                Err(error @ DataDirError::BrokenState { .. }) => told.push(error.to_string()),
                Err(error) => panic!("{what}: {error}"),
            }
        }
        match Signer::of(folder) {
            Ok((signer, made)) if signer.public() != self.key => {
                // Another key is one of its own: the list of keys shows it from now on.
                assert!(made || what.contains("keys/"), "{what}: signs with another key");
                told.push("signs with another key, which the list of keys shows".into());
            }
            Ok(_) => {}
            Err(error) => told.push(error.to_string()),
        }
        let store = dir.identity().store.clone();
        let more = Settings { store: store.clone(), boot: "boot-after".into(), ..settings() };
        let journal = match Journal::open(&dir.journal(), more, now(0)) {
            Ok(journal) => journal,
            Err(error) => {
                let silent = verified.verdict() == Verdict::Right;
                assert!(!silent, "{what}: log verify found nothing wrong, but: {error}");
                told.push(error.to_string());
                return told;
            }
        };
        assert_eq!(store, self.store, "{what}: another identity");
        self.look_at_records(folder, what, &mut told);
        let open = journal.open_intents();
        assert!(open.is_empty(), "{what}: {open:?}");
        drop(journal);
        self.look_at_view(folder, what);
        self.look_at_samples(folder, what, &mut told);
        self.look_at_snapshots(folder, what, &mut told);
        told
    }

    fn look_at_records(&self, folder: &Path, what: &str, told: &mut Vec<String>) {
        let records = frames(folder);
        let (old, new) = records.split_at_checked(self.records.len()).unwrap_or_else(|| {
            panic!("{what}: {} records of {}", records.len(), self.records.len());
        });
        assert!(old == self.records, "{what}: other records");
        told.extend(new.iter().map(|frame| Record::of(frame).unwrap().detail.unwrap().to_string()));
    }

    /// The view tells what the journal says, made anew where it was damaged.
    fn look_at_view(&self, folder: &Path, what: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (view, thread) = Store::start(folder).unwrap();
        while view.is_stale() {
            std::thread::yield_now();
        }
        let found = runtime.block_on(view.find(Query::newest(usize::MAX))).unwrap();
        drop(view);
        thread.join().unwrap();
        let said: Vec<_> = frames(folder).iter().rev().map(|frame| Record::of(frame).unwrap()).collect();
        assert!(found == said, "{what}: the view answers with other records");
        assert!(said.len() >= self.records.len());
    }

    /// Samples are right or missing; what is missing was in a segment that is set aside, cut, or refused.
    fn look_at_samples(&self, folder: &Path, what: &str, told: &mut Vec<String>) {
        let journal = folder.join("journal");
        let before = samples(folder);
        let points = self.samples.keys().cloned().collect();
        match History::start(&journal, &self.store, points, Keep::ALL, Some(0)) {
            Ok((history, thread)) => {
                drop(history);
                thread.join().unwrap();
            }
            Err(error) => told.push(error.to_string()),
        }
        for found in [before, samples(folder)] {
            let mut fewer = false;
            for (point, kept) in &self.samples {
                let now = found.get(point).map_or(&[][..], Vec::as_slice);
                assert!(now.iter().all(|sample| kept.contains(sample)), "{what}: other samples of {point}");
                fewer |= now.len() < kept.len();
            }
            assert!(found.keys().all(|point| self.samples.contains_key(point)), "{what}: unknown point");
            if fewer {
                let aside = fs::read_dir(&journal).unwrap().any(|entry| {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    name.starts_with("sample-") && (name.contains(".bad") || name.contains(".torn-at-"))
                });
                let refused = Reader::open(&journal, SAMPLES).unwrap().records(0).find_map(Result::err);
                assert!(
                    aside || refused.is_some() || what.contains("Gone"),
                    "{what}: samples are lost in silence"
                );
                told.push(format!("samples set aside or left out: {refused:?}"));
            }
        }
    }

    /// Snapshots are right up to where a file is said to end early or to be damaged.
    fn look_at_snapshots(&self, folder: &Path, what: &str, told: &mut Vec<String>) {
        for (path, whole) in &self.steps {
            let (found, said) = steps(&folder.join(path));
            assert!(whole.starts_with(&found), "{what}: other snapshots in {}", path.display());
            // A file cut where a frame ends looks like one whose service was killed there: nothing else can be known.
            let clean = found.len() < whole.len() && !said;
            assert!(!clean || what.contains("Cut"), "{what}: snapshots are lost in silence");
            if found.len() < whole.len() {
                told.push(format!("{}: {} of {} moments", path.display(), found.len(), whole.len()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_anywhere_in_a_data_folder_is_mended_or_named() {
    let (flips, seed) = (number("QINDAN_FLIPS", 40), number("QINDAN_SEED", 0x666c_6970));
    eprintln!("seed {seed}");
    let folder = Folder::new();
    let said = lived(&folder).await;
    let path = folder.root.path().to_path_buf();
    let tried = tokio::task::spawn_blocking(move || damage(&said, &path, flips, seed)).await.unwrap();
    eprintln!("{flips} damages, right at once and refused or mended by name: {tried:#?}");
}

/// Which kind of file a path is, for the count.
fn kind(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
    let name = path.file_name().unwrap().to_str().unwrap();
    if first == "journal" { format!("journal, {}", name.split('-').next().unwrap()) } else { first }
}

fn damage(said: &Said, folder: &Path, flips: u64, seed: u64) -> BTreeMap<String, (u32, u32)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tried: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    // Each kind as often as any other, though the view is nine tenths of the bytes.
    let mut kinds: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for (path, bytes) in &said.files {
        if !bytes.is_empty() {
            kinds.entry(kind(path)).or_default().push(path);
        }
    }
    let kinds: Vec<_> = kinds.into_iter().collect();
    for round in 0..flips {
        let (kind, paths) = &kinds[round as usize % kinds.len()];
        let hurt = paths[random.usize(..paths.len())];
        let length = said.files[hurt].len();
        let damage = match random.u32(..20) {
            0..13 => Damage::Flip(random.usize(..length), random.u8(..8)),
            13..19 => Damage::Cut(random.usize(..length)),
            _ => Damage::Gone,
        };
        said.put(folder, hurt, damage);
        let what = format!("damage {round}, seed {seed}: {damage:?} of {length} in {}", hurt.display());
        let told = catch_unwind(AssertUnwindSafe(|| said.open(folder, &what)));
        let told =
            told.unwrap_or_else(|_| panic!("{what}: a panic got out or an answer was wrong, see above"));
        let count = tried.entry(kind.clone()).or_default();
        if told.is_empty() { count.0 += 1 } else { count.1 += 1 }
    }
    tried
}
