//! Putting a copy back: proved in a scratch folder first, then moved into place, its identity last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Progress;
use super::copy::{anything_in, make_dir, mode, put, sha256, sync_tree};
use super::error::{BackupError, failed};
use super::manifest::{Manifest, Stream};
use crate::control::Now;
use crate::control::record::{Entry, Kind};
use crate::shell::checkpoint::Signer;
use crate::shell::data_dir::{Identity, random_id};
use crate::shell::journal::{
    ACTIONS, Journal, JournalError, Mark, RESTORED, Reader, Record, SAMPLES, Settings, genesis, hex, prefix,
};
use crate::shell::levels::{self, HOURS, MINUTES};
use crate::shell::log::{self, Verdict};
use crate::shell::{history, store};

/// The scratch folder, in the target: the same disk, so that what was proved is what is used.
const SCRATCH: &str = ".restoring";
/// Written last of all.
const IDENTITY: &str = "identity.json";

/// What to do with a copy that is what its manifest says, while `log verify` finds problems the old folder must have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problems {
    /// Refuse it.
    Refuse,
    /// Put it in place and print them.
    Accept,
}

/// A data folder that was put in place.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the copy held.
    pub manifest: Manifest,
    /// The record that tells of it; none when the copy held no records.
    pub record: Option<u64>,
    /// Its epoch.
    pub epoch: u64,
    /// What the proof said.
    pub proof: String,
    /// Where the configuration of the copy is, when it holds one.
    pub config: Option<PathBuf>,
}

/// Puts the backup `from` into `to`, a new or empty folder, after proving it there: hashes, chain, counts, the view made anew and
/// asked. The journal goes on in a new epoch, with a `recovered` record; the first start comes up in hold.
///
/// # Errors
/// When there is no backup, a file of it is damaged (it is named), it does not prove, the target is not empty, or a disk
/// refuses. Nothing is in place then.
pub fn restore(
    from: &Path,
    to: &Path,
    problems: Problems,
    utc: Timestamp,
    told: &mut dyn FnMut(&Progress),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(from)?.ok_or_else(|| BackupError::NoBackup { dir: from.to_path_buf() })?;
    if let Some(found) = anything_in(to)? {
        return Err(BackupError::NotEmpty { dir: to.to_path_buf(), found });
    }
    let is_new = !to.exists();
    let scratch = to.join(SCRATCH);
    make_dir(&scratch)?;
    let work = Work { from, scratch: &scratch, manifest: &manifest, problems };
    let done = work.all(utc, told).and_then(|proved| put_in_place(&scratch, to).map(|()| proved));
    let (record, epoch, proof) = done.inspect_err(|_| {
        drop(fs::remove_dir_all(&scratch));
        if is_new {
            drop(fs::remove_dir(to));
        }
    })?;
    let config = manifest.files.iter().find_map(|copied| {
        let below = copied.file.strip_suffix(copied.of.strip_prefix("config/")?)?;
        Some(from.join(below.trim_end_matches('/')))
    });
    Ok(Restored { manifest, record, epoch, proof, config })
}

struct Work<'a> {
    from: &'a Path,
    scratch: &'a Path,
    manifest: &'a Manifest,
    problems: Problems,
}

impl Work<'_> {
    /// Copies, proves and goes on; record, epoch and what the proof said.
    fn all(
        &self,
        utc: Timestamp,
        told: &mut dyn FnMut(&Progress),
    ) -> Result<(Option<u64>, u64, String), BackupError> {
        self.copy(told)?;
        let Manifest { actions, samples, minutes, hours, store, basin, .. } = self.manifest;
        let identity = Identity::read(self.scratch)?;
        if identity.store != *store || identity.basin != *basin {
            return Err(self.not_proved("identity and manifest name different folders"));
        }
        let journal = self.scratch.join("journal");
        for (name, stream) in [(ACTIONS, actions), (SAMPLES, samples), (MINUTES, minutes), (HOURS, hours)] {
            if let Some(stream) = stream {
                Mark { seq: stream.last }.make(&Mark::path(&journal, name))?;
            }
        }
        told(&Progress { doing: "proving", file: "chain".into(), done: 0, total: 0 });
        if let Some(actions) = actions {
            self.counts(&journal, actions)?;
        }
        let (signer, _) = Signer::of(self.scratch)?;
        let (record, epoch) = match actions {
            Some(actions) => self.go_on(&journal, actions, signer, utc)?,
            None => (None, 1),
        };
        if samples.is_some() {
            history::begin_epoch(&journal, store, utc)?;
        }
        levels::begin_epoch(&journal, store)?;
        told(&Progress { doing: "proving", file: "view".into(), done: 0, total: 0 });
        let last = store::prove(self.scratch).map_err(|why| self.not_proved(&why))?;
        if last != record.unwrap_or(0) {
            return Err(self.not_proved("the view ends at another record than the journal"));
        }
        let mut said = Vec::new();
        let verdict = log::verify(self.scratch, &mut said).map_err(failed(self.scratch, "verify"))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        // What never matched on the old machine is no fault of the copy.
        let right = matches!(verdict, Verdict::Right | Verdict::Unmatched);
        if right || self.problems == Problems::Accept {
            return Ok((record, epoch, said));
        }
        let why = format!("{}; with --with-problems it is put in place all the same", said.trim_end());
        Err(self.not_proved(&why))
    }

    fn not_proved(&self, why: &str) -> BackupError {
        BackupError::NotProved { from: self.from.to_path_buf(), why: why.to_owned() }
    }

    /// Copies what belongs into a data folder, each file against the manifest.
    fn copy(&self, told: &mut dyn FnMut(&Progress)) -> Result<(), BackupError> {
        for name in ["journal", "state"] {
            make_dir(&self.scratch.join(name))?;
        }
        let total = self.manifest.files.iter().map(|copied| copied.bytes).sum();
        let mut progress = Progress { doing: "restore", file: String::new(), done: 0, total };
        for copied in &self.manifest.files {
            let path = self.from.join(&copied.file);
            let damaged = |why: String| BackupError::Damaged { path: path.clone(), why };
            let bytes = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
            let (size, hash) = (bytes.len() as u64, sha256(&bytes));
            if size != copied.bytes {
                return Err(damaged(format!("{size} bytes, the manifest says {}", copied.bytes)));
            }
            if hash != copied.sha256 {
                return Err(damaged("its SHA-256 is not that of the manifest".to_owned()));
            }
            if let Some(records) = &copied.records {
                let found = prefix(&path, &bytes, records.last, |_, _| {})?;
                let (first, last, head) = (found.first, found.last, hex(&found.head));
                if (first, last) != (records.first, records.last) || head != records.head {
                    return Err(damaged("its records are not those of the manifest".to_owned()));
                }
            }
            progress.done += size;
            progress.file.clone_from(&copied.of);
            told(&progress);
            // The configuration is checked with the rest and put in place by people.
            if copied.of.starts_with("config/") {
                continue;
            }
            let target = self.scratch.join(&copied.of);
            make_dir(target.parent().unwrap_or(self.scratch))?;
            put(&target, &bytes, mode(&path)?)?;
        }
        Ok(())
    }

    /// Walks the whole chain and compares it with the manifest.
    fn counts(&self, journal: &Path, wanted: &Stream) -> Result<(), BackupError> {
        let mut found: Option<Stream> = None;
        let mut records = Reader::open(journal, ACTIONS)?.records(0);
        for frame in &mut records {
            let frame = frame?;
            if frame.seq == 1 && frame.prev != genesis(&self.manifest.store) {
                return Err(self.not_proved("the chain begins with the hash of another store"));
            }
            let stream = found.get_or_insert_with(|| Stream {
                epoch: 0,
                first: frame.seq,
                last: 0,
                records: 0,
                head: String::new(),
            });
            (stream.last, stream.records) = (frame.seq, stream.records + 1);
            stream.head = hex(&frame.chain);
        }
        let epoch = records.tail().map_or(0, |tail| tail.epoch);
        let found = found.map(|found| Stream { epoch, ..found });
        if found.as_ref() != Some(wanted) {
            return Err(self.not_proved("records, chain head or epoch are not those of the manifest"));
        }
        Ok(())
    }

    /// Begins the next epoch with the record that tells of the restore; its sequence and epoch.
    fn go_on(
        &self,
        journal: &Path,
        copied: &Stream,
        signer: Signer,
        utc: Timestamp,
    ) -> Result<(Option<u64>, u64), BackupError> {
        let newest = Reader::open(journal, ACTIONS)?.last(1, |_| true)?;
        let newest = newest.first().map(Record::of).transpose()?;
        let settings = Settings {
            config: newest.as_ref().map(|record| record.config.clone()).unwrap_or_default(),
            bench: newest.as_ref().is_some_and(|record| record.bench),
            ..Settings::new(self.manifest.store.as_str(), random_id(8)?)
        };
        let now = Now { mono: Duration::ZERO, utc };
        let mut log = Journal::open(journal, settings, now)?;
        // Nothing may be mended here: that would give a number of the old epoch to a new record.
        if log.last_seq() != copied.last {
            return Err(JournalError::Unavailable("the copy had to be mended").into());
        }
        let mut entry = Entry::new(Kind::Recovered, "recovery");
        entry.detail = Some(json!({
            "what": RESTORED, "copied": self.manifest.made, "head": copied.head, "key": signer.public(),
        }));
        log.sign_with(signer);
        let frame = log.begin_epoch(entry, now)?;
        log.sync_mark()?;
        Ok((Some(frame.seq), copied.epoch + 1))
    }
}

/// Moves what was proved out of the scratch folder; a folder without an identity is none, so that comes last.
fn put_in_place(scratch: &Path, to: &Path) -> Result<(), BackupError> {
    drop(fs::remove_file(scratch.join("lock")));
    sync_tree(scratch)?;
    let mut moved = Vec::new();
    let mut move_to = |name: PathBuf| {
        let (from, to) = (scratch.join(&name), to.join(&name));
        fs::rename(&from, &to).map_err(failed(&to, "put in place"))?;
        moved.push(to);
        Ok::<(), BackupError>(())
    };
    let entries = fs::read_dir(scratch).map_err(failed(scratch, "list"))?;
    let names: Result<Vec<_>, _> =
        entries.map(|entry| entry.map(|entry| PathBuf::from(entry.file_name()))).collect();
    let mut names = names.map_err(failed(scratch, "list"))?;
    names.sort_by_key(|name| name == Path::new(IDENTITY));
    let done = names.into_iter().try_for_each(&mut move_to);
    if let Err(error) = done {
        for path in moved.iter().rev() {
            drop(if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) });
        }
        return Err(error);
    }
    fs::remove_dir(scratch).map_err(failed(scratch, "remove"))?;
    File::open(to).and_then(|dir| dir.sync_all()).map_err(failed(to, "sync"))
}
