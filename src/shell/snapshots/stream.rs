//! The writer of the stream: one file after another, each with its head and state first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use jiff::{SignedDuration, Timestamp};

use super::codec::Codec;
use super::frame::{At, FileName, Kind, MAGIC, files, look, put};
use super::{About, Closing, Moment};
use crate::control::Now;
use crate::control::state::State;
use crate::shell::journal::{Disk, DiskOp, FaultHook};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Days.
    pub days: u32,
    /// Bytes; the newest file is kept whatever its size.
    pub bytes: u64,
}

/// Writes moments, without a thread of its own.
#[derive(Debug)]
pub struct Stream {
    dir: PathBuf,
    limits: Limits,
    about: About,
    disk: Disk,
    /// Number of the next file, once the folder has been looked at.
    next: Option<u64>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    end: u64,
    codec: Codec,
    deflate: Compress,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Stream {
    /// A stream into `dir`, which is made with the first file.
    pub fn new(dir: &Path, limits: Limits, about: About) -> Self {
        Self { dir: dir.to_path_buf(), limits, about, disk: Disk::default(), next: None, open: None }
    }

    /// On a disk that fails as `fault` says, for tests.
    #[must_use]
    pub fn failing(mut self, fault: FaultHook) -> Self {
        self.disk = Disk(Some(fault));
        self
    }

    /// For another start of the service.
    #[must_use]
    pub fn of_start(mut self, boot: &str) -> Self {
        self.end();
        boot.clone_into(&mut self.about.boot);
        self
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The number of the next file. At the first time the folder is made, and what the last run left half written is cut.
    fn next_number(&mut self) -> io::Result<u64> {
        if let Some(number) = self.next {
            return Ok(number);
        }
        fs::create_dir_all(&self.dir)?;
        let newest = files(&self.dir)?.pop();
        if let Some(newest) = &newest {
            cut(&newest.path)?;
        }
        let number = newest.map_or(1, |newest| newest.name.number + 1);
        self.next = Some(number);
        Ok(number)
    }

    /// Begins a file with what the controller remembers before the moment at `now`; what is over its time or the quota goes.
    ///
    /// # Errors
    /// When the disk refuses; nothing can be written then before the next begin.
    pub fn begin(&mut self, state: &State, now: Now) -> io::Result<()> {
        self.end();
        let number = self.next_number()?;
        let mut state_deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut state_deflated, state)?;
        let mut content = MAGIC.to_vec();
        put(&mut content, Kind::Head, &serde_json::to_vec(&self.about.head(state.ticks(), now))?);
        put(&mut content, Kind::State, &state_deflated.finish()?);
        self.disk.ask(DiskOp::Create)?;
        let path = self.dir.join(FileName { number, utc: now.utc }.file_name());
        let file = File::create_new(&path)?;
        let mut open = Open {
            file,
            path,
            end: 0,
            codec: Codec::default(),
            deflate: Compress::new(Compression::default(), false),
            plain: Vec::new(),
            packed: Vec::new(),
        };
        self.next = Some(number + 1);
        if let Err(error) = open.write(&self.disk, &content) {
            drop(fs::remove_file(&open.path));
            return Err(error);
        }
        self.open = Some(open);
        if let Err(error) = retain(&self.dir, self.limits, now.utc) {
            tracing::warn!(%error, "old snapshots could not be removed");
        }
        Ok(())
    }

    /// Appends a moment.
    ///
    /// # Errors
    /// When the disk refuses, or no file was begun; the file ends with the moment before then.
    pub fn moment(&mut self, moment: &Moment, now: Now) -> io::Result<()> {
        self.append(Kind::Moment, |open| {
            open.codec.encode(moment, now, &mut open.plain);
            Ok(())
        })
    }

    /// Appends the orderly stop, and ends the file.
    ///
    /// # Errors
    /// As [`Stream::moment`].
    pub fn close(&mut self, closing: &Closing) -> io::Result<()> {
        self.append(Kind::Close, |open| Ok(serde_json::to_writer(&mut open.plain, closing)?))?;
        self.end();
        Ok(())
    }

    /// Ends the file.
    pub fn end(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = self.disk.sync(&open.file)
        {
            tracing::warn!(%error, "{}: the newest snapshots may be lost with the power", open.path.display());
        }
    }

    fn append(&mut self, kind: Kind, plain: impl FnOnce(&mut Open) -> io::Result<()>) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Err(io::Error::other("no file was begun")) };
        open.plain.clear();
        plain(&mut open)?;
        open.packed.clear();
        deflate(&mut open.deflate, &open.plain, &mut open.packed)?;
        let mut frame = Vec::with_capacity(open.packed.len() + 16);
        put(&mut frame, kind, &open.packed);
        let written = open.write(&self.disk, &frame);
        if written.is_ok() {
            self.open = Some(open);
        } else {
            // What was written of it is no frame; if the disk does not even let it be cut, the next start does.
            drop(open.file.set_len(open.end));
        }
        written
    }
}

impl Open {
    fn write(&mut self, disk: &Disk, bytes: &[u8]) -> io::Result<()> {
        disk.write(&self.file, bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Packs `plain` so that it can be unpacked without what follows.
fn deflate(deflate: &mut Compress, plain: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = plain;
    loop {
        packed.reserve(rest.len() / 2 + 64);
        let before = deflate.total_in();
        let status = deflate.compress_vec(rest, packed, FlushCompress::Sync)?;
        let taken = usize::try_from(deflate.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        // Room left over: everything has come out.
        if rest.is_empty() && (packed.len() < packed.capacity() || status == Status::BufError) {
            return Ok(());
        }
    }
}

/// Cuts what the last run left half written. Damage in the middle is left as it is: whoever reads it is told.
fn cut(path: &Path) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let mut at = MAGIC.len();
    let mut moments = false;
    let why = loop {
        match look(&bytes, at) {
            At::Frame(kind, _, end) => {
                at = end;
                moments |= matches!(kind, Kind::State | Kind::Moment | Kind::Close);
            }
            At::End if moments => return Ok(()),
            At::End => break "no state",
            At::Torn(why) => break why,
            At::Damaged(why) => {
                tracing::warn!(at, why, "{}: damaged", path.display());
                return Ok(());
            }
        }
    };
    let shown = path.display();
    if moments {
        tracing::warn!(at, bytes = bytes.len() - at, why, "{shown}: torn tail of the snapshots cut");
        let file = File::options().write(true).open(path)?;
        file.set_len(at as u64)?;
        file.sync_all()
    } else {
        tracing::warn!(why, "{shown}: begun and never written, removed");
        fs::remove_file(path)
    }
}

/// Removes the oldest files: those that ended before so many days, then those over the quota.
fn retain(dir: &Path, limits: Limits, newest: Timestamp) -> io::Result<()> {
    let files = files(dir)?;
    let horizon = newest.saturating_sub(SignedDuration::from_hours(24 * i64::from(limits.days)));
    let horizon = horizon.unwrap_or(Timestamp::MIN);
    let mut total: u64 = files.iter().map(|file| file.bytes).sum();
    for pair in files.windows(2) {
        let [old, next] = pair else { continue };
        if next.name.utc > horizon && total <= limits.bytes {
            return Ok(());
        }
        if next.name.utc > horizon {
            tracing::warn!(
                limits.bytes,
                "the quota of the snapshots is used up, {} goes",
                old.path.display()
            );
        }
        fs::remove_file(&old.path)?;
        total -= old.bytes;
    }
    Ok(())
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}
