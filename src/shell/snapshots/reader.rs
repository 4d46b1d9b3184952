//! Reading a file of the stream, also beside a running service.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::codec::{Codec, Malformed};
use super::frame::{At, Kind, MAGIC, look};
use super::{Closing, FORMAT, Head, Moment};
use crate::control::Now;
use crate::control::state::{self, State};

/// Most bytes a moment unpacks to; more is damage.
const MOST: usize = 1 << 30;

/// A file that cannot be read, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// Bytes that are none of the stream.
    #[error(
        "{}: damaged at byte {at}: {why}; take it from a backup, or leave it out with --from and --to", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: usize,
        /// What is wrong.
        why: String,
    },
    /// An intact memory of another form.
    #[error(
        "{}: the memory written by build {build} has another form than this build's: {why}; use the build that wrote it",
        path.display()
    )]
    Memory {
        /// The file.
        path: PathBuf,
        /// The build that wrote it.
        build: String,
        /// What does not fit.
        why: serde_json::Error,
    },
    /// Another version wrote it.
    #[error(
        "{}: {what} of version {found}, this build reads {wanted}; use the build that wrote it", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// Its version.
        found: u32,
        /// Ours.
        wanted: u32,
    },
}

/// What follows in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A call of [`crate::control::Controller::decide`].
    Moment(Box<Moment>, Now),
    /// A call of [`crate::control::Controller::close`], the last thing of a run.
    Close(Closing),
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole frame.
    Whole,
    /// With so many bytes that are none: the service was ended while it wrote, or writes now.
    Torn(usize),
}

/// A file whose head and state have been read.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    head: Head,
    /// JSON of the state.
    memory: Vec<u8>,
    bytes: Vec<u8>,
    at: usize,
    codec: Codec,
    inflate: Decompress,
    plain: Vec<u8>,
    tail: Option<Tail>,
}

impl Opened {
    /// Reads a file and its first two frames; `None` when its service was ended before it had written them.
    ///
    /// # Errors
    /// What [`ReadError`] names.
    pub fn read(path: &Path) -> Result<Option<Self>, ReadError> {
        let bytes = fs::read(path).map_err(|source| ReadError::Io { path: path.to_path_buf(), source })?;
        let damaged =
            |at, why: &str| ReadError::Damaged { path: path.to_path_buf(), at, why: why.to_owned() };
        if MAGIC.starts_with(&bytes) && bytes.len() < MAGIC.len() {
            return Ok(None);
        }
        if !bytes.starts_with(MAGIC) {
            return Err(damaged(0, "no file of snapshots"));
        }
        let at = MAGIC.len();
        let (head, next) = match look(&bytes, at) {
            At::Frame(Kind::Head, body, next) => (read_head(path, at, body)?, next),
            At::End | At::Torn(_) => return Ok(None),
            At::Frame(..) => return Err(damaged(at, "no head where one must stand")),
            At::Damaged(why) => return Err(damaged(at, why)),
        };
        let (memory, end) = match look(&bytes, next) {
            At::Frame(Kind::State, body, end) => (unpacked(body), end),
            At::End | At::Torn(_) => return Ok(None),
            At::Frame(..) => return Err(damaged(next, "no state where one must stand")),
            At::Damaged(why) => return Err(damaged(next, why)),
        };
        let memory = memory.map_err(|error| damaged(next, &format!("state: {error}")))?;
        Ok(Some(Self {
            path: path.to_path_buf(),
            head,
            memory,
            bytes,
            at: end,
            codec: Codec::default(),
            inflate: Decompress::new(false),
            plain: Vec::new(),
            tail: None,
        }))
    }

    /// What its head says.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the controller remembered before its first moment.
    ///
    /// # Errors
    /// When this build remembers other things.
    pub fn state(&self) -> Result<State, ReadError> {
        serde_json::from_slice(&self.memory).map_err(|why| ReadError::Memory {
            path: self.path.clone(),
            build: self.head.build.clone(),
            why,
        })
    }

    /// The same as it stands there: JSON.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// How it ends; `None` before everything has been read.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// What follows; `None` at the end.
    ///
    /// # Errors
    /// On damage.
    pub fn step(&mut self) -> Result<Option<Step>, ReadError> {
        let at = self.at;
        let damaged = |path: &Path, why: String| ReadError::Damaged { path: path.to_path_buf(), at, why };
        let (kind, body, end) = match look(&self.bytes, at) {
            At::Frame(kind, body, end) => (kind, body, end),
            At::End => {
                self.tail = Some(Tail::Whole);
                return Ok(None);
            }
            At::Torn(_) => {
                self.tail = Some(Tail::Torn(self.bytes.len() - at));
                return Ok(None);
            }
            At::Damaged(why) => return Err(damaged(&self.path, why.to_owned())),
        };
        self.plain.clear();
        let step = match kind {
            Kind::Moment => inflate(&mut self.inflate, body, &mut self.plain)
                .and_then(|()| self.codec.decode(&self.plain))
                .map(|(moment, now)| Step::Moment(Box::new(moment), now))
                .map_err(|why| why.to_string()),
            Kind::Close => inflate(&mut self.inflate, body, &mut self.plain)
                .map_err(|why| why.to_string())
                .and_then(|()| serde_json::from_slice(&self.plain).map_err(|error| error.to_string()))
                .map(Step::Close),
            Kind::Head | Kind::State => Err("a second head or state".to_owned()),
        };
        self.at = end;
        step.map(Some).map_err(|why| damaged(&self.path, why))
    }
}

fn read_head(path: &Path, at: usize, body: &[u8]) -> Result<Head, ReadError> {
    let damaged = |why: String| ReadError::Damaged { path: path.to_path_buf(), at, why };
    let head: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| damaged(format!("head: {error}")))?;
    let version = |what, key: &str, wanted| {
        let found = head.get(key).and_then(serde_json::Value::as_u64).and_then(|it| u32::try_from(it).ok());
        match found {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(ReadError::Version { path: path.to_path_buf(), what, found, wanted }),
            None => Err(damaged(format!("head: no version as {key}"))),
        }
    };
    version("file", "format", FORMAT)?;
    version("state", "state", state::VERSION)?;
    serde_json::from_value(head).map_err(|error| damaged(format!("head: {error}")))
}

fn unpacked(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    DeflateDecoder::new(body).take(MOST as u64).read_to_end(&mut text)?;
    Ok(text)
}

fn inflate(inflate: &mut Decompress, packed: &[u8], plain: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut rest = packed;
    loop {
        plain.reserve(rest.len() * 4 + 64);
        let before = inflate.total_in();
        let status = inflate.decompress_vec(rest, plain, FlushDecompress::Sync);
        let status = status.map_err(|_| Malformed("cannot be unpacked"))?;
        let taken = usize::try_from(inflate.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() && (plain.len() < plain.capacity() || status == Status::BufError) {
            return Ok(());
        }
        if status == Status::StreamEnd || (taken == 0 && status == Status::BufError) || plain.len() > MOST {
            return Err(Malformed("cannot be unpacked"));
        }
    }
}
