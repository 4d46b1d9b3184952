//! Making a copy beside a running service.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::copy::{anything_in, files_below, hash_file, make_dir, mode, put, sha256, sync_tree};
use super::error::{BackupError, failed};
use super::manifest::{Copied, FORMAT, Manifest, Records, Stream};
use super::{MANIFEST, Progress, RUN, SEALED};
use crate::shell::checkpoint::public_path;
use crate::shell::data_dir::Identity;
use crate::shell::journal::{
    ACTIONS, JournalError, Mark, Prefix, SAMPLES, SegmentFile, genesis, hex, prefix, segments,
};
use crate::shell::levels::{HOURS, MINUTES};

/// Permissions of files whose own say nothing: the record is not for everybody.
const MODE: u32 = 0o640;
/// How often the mark is read again when a writer was in the middle of it.
const READS: usize = 100;
/// Longest name tried for a folder of one run.
const RUNS: u32 = 1000;

/// What to copy where.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The configuration folder.
    pub config: &'a Path,
    /// The folder of the backup; made when it is not there.
    pub to: &'a Path,
}

/// A copy that was made.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it holds.
    pub manifest: Manifest,
    /// Files written.
    pub copied: usize,
    /// Bytes written.
    pub bytes: u64,
    /// Sealed segments that were there already.
    pub kept: usize,
    /// What somebody should know.
    pub notes: Vec<String>,
}

/// Copies a data folder and its configuration, also beside a running service, and tells `told` how far it is. What was copied
/// before is not copied again; the last copy stays what it is until this one is whole.
///
/// # Errors
/// When the folder is damaged, has lost records that are in the copy, or a disk refuses.
pub fn make(order: Order<'_>, utc: Timestamp, told: &mut dyn FnMut(&Progress)) -> Result<Done, BackupError> {
    let identity = Identity::read(order.data)?;
    if !order.config.is_dir() {
        return Err(BackupError::NoConfig { dir: order.config.to_path_buf() });
    }
    let _lock = take(order)?;
    let before = Manifest::read(order.to)?;
    if let Some(before) = before.as_ref().filter(|before| before.store != identity.store) {
        return Err(BackupError::OtherStore {
            dir: order.to.to_path_buf(),
            found: before.store.clone(),
            basin: before.basin.clone(),
            wanted: identity.store,
        });
    }
    let run = make_run(order.to, utc)?;
    let mut copy = Copy {
        order,
        before: before.as_ref(),
        run: run.clone(),
        progress: Progress { doing: "backup", file: String::new(), done: 0, total: total(order.data) },
        told,
        files: Vec::new(),
        copied: 0,
        bytes: 0,
        kept: 0,
        notes: Vec::new(),
    };
    let made = copy.all(&identity, utc);
    let manifest = match made {
        Ok(manifest) => manifest,
        Err(error) => {
            drop(fs::remove_dir_all(order.to.join(&run)));
            return Err(error);
        }
    };
    let Copy { copied, bytes, kept, mut notes, .. } = copy;
    if let Err(error) = tidy(order.to, &manifest, &run) {
        notes.push(format!("what the last backup needed could not be removed: {error}"));
    }
    Ok(Done { manifest, copied, bytes, kept, notes })
}

/// Takes the folder of the backup for this process.
fn take(order: Order<'_>) -> Result<File, BackupError> {
    let Order { data, to, .. } = order;
    let whole = |path: &Path| path.canonicalize().map_err(failed(path, "find"));
    let is_ours = |name: &str| name == MANIFEST || name == SEALED || name == "lock" || name.starts_with(RUN);
    if !to.join(MANIFEST).exists()
        && let Some(found) = anything_in(to)?.filter(|found| !is_ours(found))
    {
        return Err(BackupError::NotEmpty { dir: to.to_path_buf(), found });
    }
    make_dir(to)?;
    if whole(to)?.starts_with(whole(data)?) {
        return Err(BackupError::Inside { to: to.to_path_buf(), data: data.to_path_buf() });
    }
    make_dir(&to.join(SEALED))?;
    let path = to.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(&path);
    let lock = lock.map_err(failed(&path, "open"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(BackupError::Busy { dir: to.to_path_buf() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(&path, "lock")(error)),
    }
}

/// Makes the folder of this run and gives its name.
fn make_run(to: &Path, utc: Timestamp) -> Result<String, BackupError> {
    let stamp = utc.strftime("%Y%m%dT%H%M%SZ");
    for number in 1..RUNS {
        let name = if number == 1 { format!("{RUN}{stamp}") } else { format!("{RUN}{stamp}-{number}") };
        let path = to.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, "make")(error)),
        }
    }
    Err(failed(to, "name a run in")(io::ErrorKind::AlreadyExists.into()))
}

/// Bytes of all segments; for the progress, so errors count as nothing here.
fn total(data: &Path) -> u64 {
    let journal = data.join("journal");
    let of = |stream| segments(&journal, stream).unwrap_or_default();
    let size = |file: &SegmentFile| fs::metadata(&file.path).map_or(0, |about| about.len());
    [ACTIONS, SAMPLES, MINUTES, HOURS].into_iter().flat_map(of).map(|file| size(&file)).sum()
}

/// Removes folders of other runs, and sealed samples that the data folder keeps no longer.
fn tidy(to: &Path, manifest: &Manifest, run: &str) -> io::Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(RUN) && name != run {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for entry in fs::read_dir(to.join(SEALED))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let expendable = [SAMPLES, MINUTES, HOURS].iter().any(|stream| name.starts_with(stream));
        if expendable && manifest.file(&format!("{SEALED}/{name}")).is_none() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Copy<'a> {
    order: Order<'a>,
    before: Option<&'a Manifest>,
    /// Folder of what changes, below the backup.
    run: String,
    progress: Progress,
    told: &'a mut dyn FnMut(&Progress),
    files: Vec<Copied>,
    copied: usize,
    bytes: u64,
    kept: usize,
    notes: Vec<String>,
}

impl Copy<'_> {
    fn all(&mut self, identity: &Identity, utc: Timestamp) -> Result<Manifest, BackupError> {
        let (data, to) = (self.order.data, self.order.to);
        let actions = self.stream(ACTIONS, &hex(&genesis(&identity.store)))?;
        self.holds_the_last_copy(actions.as_ref())?;
        let [samples, minutes, hours] = [SAMPLES, MINUTES, HOURS].map(|stream| self.expendable(stream));
        self.changing(&data.join("identity.json"), "identity.json")?;
        if public_path(data).exists() {
            self.changing(&public_path(data), "keys/checkpoint.pub")?;
        }
        for (from, below) in [(data.join("state"), "state"), (self.order.config.to_path_buf(), "config")] {
            for name in files_below(&from)? {
                // How often the old machine was started is nothing to a new one; and files that are being replaced.
                if below == "state" && (name == Path::new("starts") || is_passing(&name)) {
                    continue;
                }
                self.changing(&from.join(&name), &format!("{below}/{}", name.display()))?;
            }
        }
        let reports = data.join("reports");
        if reports.is_dir() {
            for name in files_below(&reports)?.into_iter().filter(|name| !is_passing(name)) {
                self.changing(&reports.join(&name), &format!("reports/{}", name.display()))?;
            }
        }
        sync_tree(&to.join(SEALED))?;
        sync_tree(&to.join(&self.run))?;
        let manifest = Manifest {
            format: FORMAT,
            basin: identity.basin.clone(),
            store: identity.store.clone(),
            made: utc,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            actions,
            samples,
            minutes,
            hours,
            files: std::mem::take(&mut self.files),
        };
        manifest.write(to)?;
        Ok(manifest)
    }

    /// Samples, minutes and hours are expendable: damage in them is told and does not keep the actions from being copied.
    fn expendable(&mut self, stream: &str) -> Option<Stream> {
        let files = self.files.len();
        match self.stream(stream, "") {
            Ok(stream) => stream,
            Err(error) => {
                let name = if stream == SAMPLES { "samples" } else { stream };
                self.notes.push(format!("{name}: not in this copy: {error}"));
                self.files.truncate(files);
                None
            }
        }
    }

    /// Copies a stream up to its mark. `genesis` is the hash a first record follows; empty: not looked at, and what is
    /// between two segments neither.
    fn stream(&mut self, stream: &str, genesis: &str) -> Result<Option<Stream>, BackupError> {
        let journal = self.order.data.join("journal");
        // First the mark: whatever is read later holds at least as much.
        let mark = read_mark(&Mark::path(&journal, stream))?;
        let files = segments(&journal, stream)?;
        let mark = match mark {
            Some(mark) => mark.seq,
            None if files.is_empty() => return Ok(None),
            None => return Err(BackupError::NoMark { path: Mark::path(&journal, stream) }),
        };
        let mut whole: Option<Stream> = None;
        let mut follows = genesis.to_owned();
        for (at, file) in files.iter().enumerate() {
            if file.name.first > mark {
                break;
            }
            let next = files.get(at + 1).map(|next| &next.name).filter(|next| next.first <= mark);
            let upto = next.map_or(mark, |next| next.first - 1);
            let Some(found) = self.segment(file, upto, next.is_some())? else { continue };
            if !genesis.is_empty() {
                let risen = next.is_some_and(|next| next.epoch > file.name.epoch);
                self.joins(file, &found, &follows, if risen { found.last } else { upto })?;
            }
            follows = hex(&found.head);
            let first = whole.as_ref().map_or(found.first, |whole| whole.first);
            let records = whole.as_ref().map_or(0, |whole| whole.records) + found.records();
            whole =
                Some(Stream { epoch: found.epoch, first, last: found.last, records, head: follows.clone() });
        }
        Ok(whole)
    }

    /// Whether a segment follows the one before, and ends where it should.
    fn joins(&self, file: &SegmentFile, found: &Prefix, follows: &str, upto: u64) -> Result<(), BackupError> {
        if found.last < upto {
            let dir = self.order.data.join("journal");
            return Err(JournalError::Missing { dir, from: found.last + 1, to: upto }.into());
        }
        if hex(&found.prev) != follows && !(found.first > 1 && self.files.len() == 1) {
            let why = "the segment does not follow the one before";
            return Err(JournalError::Chain { path: file.path.clone(), seq: found.first, why }.into());
        }
        Ok(())
    }

    /// Copies one segment up to a record; `None` when retention has removed it meanwhile.
    fn segment(
        &mut self,
        file: &SegmentFile,
        upto: u64,
        sealed: bool,
    ) -> Result<Option<Prefix>, BackupError> {
        let bytes = match fs::read(&file.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && file.name.stream != ACTIONS => {
                return Ok(None);
            }
            Err(error) => return Err(failed(&file.path, "read")(error)),
        };
        let last = self.before.filter(|_| file.name.stream == ACTIONS);
        let last = last.and_then(|before| Some((before.made, before.actions.as_ref()?)));
        let mut changed = None;
        let found = prefix(&file.path, &bytes, upto, |seq, chain| {
            if let Some((made, last)) = last.filter(|(_, last)| last.last == seq && last.head != hex(chain)) {
                changed = Some((made, last.last));
            }
        })?;
        if let Some((made, seq)) = changed {
            return Err(self.lost(seq, made, "another one stands there now"));
        }
        let name = file.name.file_name();
        let content = if sealed { bytes.as_slice() } else { bytes.get(..found.end).unwrap_or_default() };
        let place = if sealed { format!("{SEALED}/{name}") } else { format!("{}/journal/{name}", self.run) };
        let sha256 = sha256(content);
        if sealed && self.is_there(&file.path, &place, &sha256)? {
            self.kept += 1;
        } else {
            self.write(&place, content, MODE)?;
        }
        self.files.push(Copied {
            file: place,
            of: format!("journal/{name}"),
            bytes: content.len() as u64,
            sha256,
            records: Some(Records { first: found.first, last: found.last, head: hex(&found.head) }),
        });
        self.progress.done += bytes.len() as u64;
        self.progress.file = name;
        (self.told)(&self.progress);
        Ok(Some(found))
    }

    /// Whether a sealed segment is in the copy already, the same.
    fn is_there(&mut self, path: &Path, place: &str, sha256: &str) -> Result<bool, BackupError> {
        let there = hash_file(&self.order.to.join(place))?;
        let listed = self.before.and_then(|before| Some((before.made, before.file(place)?)));
        if let Some((made, _)) = listed.filter(|(_, listed)| listed.sha256 != sha256) {
            return Err(BackupError::Changed { path: path.to_path_buf(), made: made.to_string() });
        }
        let same = there.as_ref().is_some_and(|(hash, _)| hash == sha256);
        if !same && listed.is_some() {
            self.notes
                .push(format!("{place}: the copy was damaged or gone, made anew; look after that disk"));
        }
        Ok(same)
    }

    /// The last copy must be the beginning of this one.
    fn holds_the_last_copy(&self, now: Option<&Stream>) -> Result<(), BackupError> {
        let Some((before, last)) = self.before.and_then(|before| Some((before, before.actions.as_ref()?)))
        else {
            return Ok(());
        };
        // A number left out by a restore is in no segment.
        let here = self.files.iter().filter_map(|file| file.records.as_ref());
        let here = here.into_iter().any(|records| (records.first..=records.last).contains(&last.last));
        match now {
            Some(now) if now.last >= last.last && here => Ok(()),
            Some(_) | None => Err(self.lost(last.last, before.made, "is not in the data folder any more")),
        }
    }

    fn lost(&self, seq: u64, made: Timestamp, what: &'static str) -> BackupError {
        BackupError::Lost { data: self.order.data.to_path_buf(), seq, made: made.to_string(), what }
    }

    /// Copies a small file into the folder of this run.
    fn changing(&mut self, from: &Path, of: &str) -> Result<(), BackupError> {
        let content = match fs::read(from) {
            Ok(content) => content,
            // State files come and go, reports are made again.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && (of.starts_with("state/") || of.starts_with("reports/")) =>
            {
                return Ok(());
            }
            Err(error) => return Err(failed(from, "read")(error)),
        };
        let place = format!("{}/{of}", self.run);
        self.write(&place, &content, mode(from)?)?;
        let (bytes, sha256) = (content.len() as u64, sha256(&content));
        self.files.push(Copied { file: place, of: of.to_owned(), bytes, sha256, records: None });
        Ok(())
    }

    fn write(&mut self, place: &str, content: &[u8], mode: u32) -> Result<(), BackupError> {
        let path: PathBuf = self.order.to.join(place);
        make_dir(path.parent().unwrap_or(self.order.to))?;
        put(&path, content, mode)?;
        self.copied += 1;
        self.bytes += content.len() as u64;
        Ok(())
    }
}

/// A file that is about to replace another.
fn is_passing(name: &Path) -> bool {
    name.extension().is_some_and(|end| end == "new")
}

/// The mark, read again while its writer is in the middle of it.
fn read_mark(path: &Path) -> Result<Option<Mark>, JournalError> {
    let mut read = Mark::read(path);
    for _ in 0..READS {
        if !matches!(read, Err(JournalError::BadMark { .. })) {
            break;
        }
        std::thread::yield_now();
        read = Mark::read(path);
    }
    read
}
