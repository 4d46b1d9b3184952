//! The data folder: made by `qindan init` and nothing else, used by one service at a time.
//!
//! ```text
//!  identity.json   basin, store id, format version     lock       held by the running service, with its pid
//!  journal/        the record of truth                 sled/      the view queries read, a directory a quarter of a year
//!  state/          small files replaced atomically     reserve    32 MiB given up when the disk is full
//!  keys/           what signs the checkpoints: a secret only the service reads, and its public part
//!  snapshots/      the exact inputs of every decision, for some days
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checkpoint::Signer;
use super::journal::hex;
use super::lock::patiently;

/// Version of the folder layout this build makes and reads.
pub const FORMAT: u32 = 1;
/// Room for the last words, bytes.
pub const RESERVE_BYTES: u64 = 32 * 1024 * 1024;
/// Below this many free bytes samples stop.
const LOW_BYTES: u64 = 512 * 1024 * 1024;
/// Below this share of the disk (1 in so many) samples stop.
const LOW_SHARE: u64 = 20;
/// How long a held lock is tried again before the folder counts as in use, real time.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// What is wrong with a data folder, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The operating system refused.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// `init` on a folder that is one already.
    #[error("{}: already the data folder of basin {basin}; start with `qindan run`", dir.display())]
    Exists {
        /// Folder.
        dir: PathBuf,
        /// Its basin.
        basin: String,
    },
    /// `init` on a folder with something else in it.
    #[error("{}: not empty (holds {found}); name a new or empty folder", dir.display())]
    NotEmpty {
        /// Folder.
        dir: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// No data folder there.
    #[error(
        "{}: no data folder (no identity.json); make one with `qindan init --data {}`, or check the path and that its \
         disk is mounted", dir.display(), dir.display()
    )]
    NoFolder {
        /// Folder.
        dir: PathBuf,
    },
    /// Identity that cannot be read.
    #[error("{}: identity.json: {why}; restore it from a backup", dir.display())]
    BadIdentity {
        /// Folder.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another basin's folder.
    #[error(
        "{}: belongs to basin {found}, the configuration is of {wanted}; name the folder of {wanted} with --data",
        dir.display()
    )]
    OtherBasin {
        /// Folder.
        dir: PathBuf,
        /// Its basin.
        found: String,
        /// The configuration's.
        wanted: String,
    },
    /// Made by another version.
    #[error(
        "{}: format version {found}, this build reads {FORMAT}; use the build that wrote it, nothing was changed",
        dir.display()
    )]
    OtherFormat {
        /// Folder.
        dir: PathBuf,
        /// Its version.
        found: u32,
    },
    /// In use.
    #[error("{}: in use by process {pid}; stop that service first, or name another folder", dir.display())]
    Locked {
        /// Folder.
        dir: PathBuf,
        /// Who holds it.
        pid: String,
    },
    /// The service has given the folder back.
    #[error("the service has stopped; start it again")]
    Stopped,
    /// A state file whose checksum does not match.
    #[error("{}: {why}; set aside as {}, going on without it", path.display(), aside.display())]
    BrokenState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
        /// Where it is now.
        aside: PathBuf,
    },
    /// No key stands in its file.
    #[error("{}: no key; set the file aside, the next start makes a new key and says so", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A name that is no plain file name.
    #[error("state {name}: use lower-case letters, digits, - and _ only")]
    StateName {
        /// The name.
        name: String,
    },
}

pub(super) fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_path_buf();
    move |source| DataDirError::Io { path, what, source }
}

/// Whose folder it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Layout version.
    pub format: u32,
    /// Basin it was made for.
    pub basin: String,
    /// Random identifier; the journal's chain begins with its hash.
    pub store: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Identity {
    /// Reads the identity of a folder, without taking its lock.
    ///
    /// # Errors
    /// When it is no data folder, or of another format.
    pub fn read(dir: &Path) -> Result<Self, DataDirError> {
        let path = dir.join("identity.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::NoFolder { dir: dir.to_path_buf() });
            }
            Err(error) => return Err(failed(&path, "read")(error)),
        };
        let bad = |why| DataDirError::BadIdentity { dir: dir.to_path_buf(), why };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        let format = format.and_then(|format| u32::try_from(format).ok());
        match format {
            Some(FORMAT) => serde_json::from_value(value).map_err(|error| bad(error.to_string())),
            Some(found) => Err(DataDirError::OtherFormat { dir: dir.to_path_buf(), found }),
            None => Err(bad("no format version".to_owned())),
        }
    }
}

/// Makes a data folder for `basin`. Its parent is made too; an existing folder must be empty.
///
/// # Errors
/// When there is something already, or the disk refuses.
pub fn init(dir: &Path, basin: &str, utc: Timestamp) -> Result<Identity, DataDirError> {
    if let Ok(identity) = Identity::read(dir) {
        return Err(DataDirError::Exists { dir: dir.to_path_buf(), basin: identity.basin });
    }
    fs::create_dir_all(dir).map_err(failed(dir, "make"))?;
    for entry in fs::read_dir(dir).map_err(failed(dir, "list"))? {
        let found = entry.map_err(failed(dir, "list"))?.file_name().to_string_lossy().into_owned();
        if found != "lost+found" {
            return Err(DataDirError::NotEmpty { dir: dir.to_path_buf(), found });
        }
    }
    for name in ["journal", "state"] {
        let path = dir.join(name);
        fs::create_dir(&path).map_err(failed(&path, "make"))?;
    }
    make_reserve(dir)?;
    Signer::of(dir)?;
    let identity = Identity { format: FORMAT, basin: basin.to_owned(), store: random_id(16)?, created: utc };
    let text = serde_json::to_vec_pretty(&identity)
        .map_err(|error| DataDirError::BadIdentity { dir: dir.to_path_buf(), why: error.to_string() })?;
    // Last: a folder without an identity is none.
    replace(&dir.join("identity.json"), &text)?;
    Ok(identity)
}

/// `bytes` random bytes in hexadecimal: store and boot identifiers.
///
/// # Errors
/// When the kernel gives none.
pub fn random_id(bytes: usize) -> Result<String, DataDirError> {
    let path = Path::new("/dev/urandom");
    let mut random = vec![0; bytes];
    File::open(path).and_then(|mut file| file.read_exact(&mut random)).map_err(failed(path, "read"))?;
    Ok(hex(&random))
}

/// A data folder held by this process.
#[derive(Debug)]
pub struct DataDir {
    dir: PathBuf,
    identity: Identity,
    /// Locked as long as it is open.
    _lock: File,
}

impl DataDir {
    /// Takes the folder for this process; `basin` is checked when given.
    ///
    /// # Errors
    /// When it is no data folder, of another basin or format, or in use.
    pub fn open(dir: &Path, basin: Option<&str>) -> Result<Self, DataDirError> {
        let identity = Identity::read(dir)?;
        if let Some(wanted) = basin.filter(|basin| *basin != identity.basin) {
            return Err(DataDirError::OtherBasin {
                dir: dir.to_path_buf(),
                found: identity.basin,
                wanted: wanted.to_owned(),
            });
        }
        let path = dir.join("lock");
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = lock.map_err(failed(&path, "open"))?;
        let held = |tried: &Result<(), TryLockError>| matches!(tried, Err(TryLockError::WouldBlock));
        match patiently(LOCK_PATIENCE, held, || lock.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                drop(lock.read_to_string(&mut pid));
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                return Err(DataDirError::Locked { dir: dir.to_path_buf(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, "lock")(error)),
        }
        // A full disk must not keep the service from starting for the sake of this number.
        if let Err(error) = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())) {
            tracing::warn!(%error, "{}: cannot say who holds it", path.display());
        }
        Ok(Self { dir: dir.to_path_buf(), identity, _lock: lock })
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Folder of the journal.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// The file given up when the disk is full.
    pub fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    /// Makes the reserve again when it was given up, or holds less room than it should, and there is room for it, see
    /// [`Space::is_low`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew_reserve(&self, least_free: Option<u64>) -> Result<(), DataDirError> {
        // Its room, not its length: a copied or cut file may say more than it holds.
        let held = fs::metadata(self.reserve()).map_or(0, |about| about.blocks().saturating_mul(512));
        if held >= RESERVE_BYTES || self.space()?.is_low(least_free) {
            return Ok(());
        }
        make_reserve(&self.dir)
    }

    /// Room on the disk of the folder.
    ///
    /// # Errors
    /// When the disk does not say.
    pub fn space(&self) -> Result<Space, DataDirError> {
        space_at(&self.dir)
    }

    /// Replaces a small state file: written aside, synced, renamed, so that there is always a whole one.
    ///
    /// # Errors
    /// When the name is not plain or the disk refuses.
    pub fn save_state(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let path = self.state_path(name)?;
        let mut content = format!("{:08x} {}\n", crc32c::crc32c(bytes), bytes.len()).into_bytes();
        content.extend_from_slice(bytes);
        replace(&path, &content)
    }

    /// Reads a state file; `None` when there is none.
    ///
    /// # Errors
    /// [`DataDirError::BrokenState`] once for a damaged file, which is set aside.
    pub fn load_state(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let path = self.state_path(name)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, "read")(error)),
        };
        let why = match state_content(&bytes) {
            Ok(content) => return Ok(Some(content.to_vec())),
            Err(why) => why,
        };
        let aside = path.with_extension("bad");
        fs::rename(&path, &aside).map_err(failed(&path, "set aside"))?;
        Err(DataDirError::BrokenState { path, why, aside })
    }

    fn state_path(&self, name: &str) -> Result<PathBuf, DataDirError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(DataDirError::StateName { name: name.to_owned() });
        }
        Ok(self.dir.join("state").join(name))
    }
}

fn state_content(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no checksum line")?;
    let (line, rest) = bytes.split_at(end);
    let content = rest.get(1..).unwrap_or_default();
    let expected = format!("{:08x} {}", crc32c::crc32c(content), content.len());
    if line == expected.as_bytes() { Ok(content) } else { Err("checksum does not match") }
}

fn make_reserve(dir: &Path) -> Result<(), DataDirError> {
    let path = dir.join("reserve");
    let file = File::create(&path).map_err(failed(&path, "make"))?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES) {
        // A file system without preallocation gives no reserve; the journal says so when space ends.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(error) => {
            drop(fs::remove_file(&path));
            Err(failed(&path, "take 32 MiB for")(error.into()))
        }
    }
}

/// Writes `path` so that at every moment the old or the new content is there whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary).map_err(failed(&temporary, "make"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(&temporary, "write"))?;
    fs::rename(&temporary, path).map_err(failed(path, "replace"))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir, "sync"))
}

/// Room on the disk that holds `path`.
///
/// # Errors
/// When the disk does not say.
pub fn space_at(path: &Path) -> Result<Space, DataDirError> {
    let stat =
        rustix::fs::statvfs(path).map_err(|error| failed(path, "measure free space of")(error.into()))?;
    Ok(Space {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

/// Room on a disk, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free for this user.
    pub free: u64,
    /// Size of the disk.
    pub total: u64,
}

impl Space {
    /// Below `least` free bytes, or without one below 5 % or 512 MiB: samples stop, so that actions can still be recorded.
    pub fn is_low(self, least: Option<u64>) -> bool {
        self.free < least.unwrap_or_else(|| LOW_BYTES.max(self.total / LOW_SHARE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn only_init_makes_a_folder_and_only_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("data");
        let message = DataDir::open(&dir, None).unwrap_err().to_string();
        assert!(message.contains("qindan init --data"), "{message}");
        assert!(!dir.exists());
        let identity = init(&dir, "alder", CREATED).unwrap();
        assert_eq!((identity.basin.as_str(), identity.store.len()), ("alder", 32));
        assert!(matches!(init(&dir, "alder", CREATED), Err(DataDirError::Exists { .. })));
        fs::write(root.path().join("letter.txt"), "x").unwrap();
        assert!(matches!(init(root.path(), "alder", CREATED), Err(DataDirError::NotEmpty { .. })));
        assert!(matches!(DataDir::open(&dir, Some("oak")), Err(DataDirError::OtherBasin { .. })));
        assert_eq!(DataDir::open(&dir, Some("alder")).unwrap().identity(), &identity);
    }

    #[test]
    fn a_newer_format_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), "alder", CREATED).unwrap();
        let path = dir.path().join("identity.json");
        let newer = fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 2");
        fs::write(&path, &newer).unwrap();
        let refused = DataDir::open(dir.path(), None);
        assert!(matches!(refused, Err(DataDirError::OtherFormat { found: 2, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn a_second_instance_is_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), "alder", CREATED).unwrap();
        let first = DataDir::open(dir.path(), None).unwrap();
        let message = DataDir::open(dir.path(), None).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(first);
        DataDir::open(dir.path(), None).unwrap();
    }

    #[test]
    fn a_state_file_is_whole_or_set_aside() {
        let root = tempfile::tempdir().unwrap();
        init(root.path(), "alder", CREATED).unwrap();
        let dir = DataDir::open(root.path(), None).unwrap();
        assert_eq!(dir.load_state("controller").unwrap(), None);
        dir.save_state("controller", b"one").unwrap();
        dir.save_state("controller", b"two\nlines").unwrap();
        assert_eq!(dir.load_state("controller").unwrap().as_deref(), Some(&b"two\nlines"[..]));
        let path = root.path().join("state/controller");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(dir.load_state("controller"), Err(DataDirError::BrokenState { .. })));
        assert_eq!(dir.load_state("controller").unwrap(), None);
        assert!(matches!(dir.save_state("../x", b""), Err(DataDirError::StateName { .. })));
    }

    #[test]
    fn a_reserve_that_was_given_up_or_holds_too_little_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        init(root.path(), "alder", CREATED).unwrap();
        let dir = DataDir::open(root.path(), None).unwrap();
        let held = || fs::metadata(dir.reserve()).map_or(0, |about| about.blocks() * 512);
        let whole = held();
        if whole < RESERVE_BYTES {
            // A file system without preallocation holds no reserve.
            return;
        }
        fs::remove_file(dir.reserve()).unwrap();
        dir.renew_reserve(Some(0)).unwrap();
        assert!(held() >= RESERVE_BYTES);
        // A hole of the right length.
        File::create(dir.reserve()).unwrap().set_len(RESERVE_BYTES).unwrap();
        assert!(held() < RESERVE_BYTES);
        dir.renew_reserve(Some(0)).unwrap();
        assert!(held() >= RESERVE_BYTES);
        // Not where the room is needed.
        fs::write(dir.reserve(), "x").unwrap();
        dir.renew_reserve(Some(u64::MAX)).unwrap();
        assert!(held() < RESERVE_BYTES);
    }

    #[test]
    fn space_is_low_below_a_twentieth_or_512_mib() {
        let gib = 1 << 30;
        assert!(!Space { free: 60 * gib, total: 1000 * gib }.is_low(None));
        assert!(Space { free: 49 * gib, total: 1000 * gib }.is_low(None));
        assert!(Space { free: gib / 4, total: gib }.is_low(None));
        assert!(!Space { free: 3 * gib, total: 1000 * gib }.is_low(Some(2 * gib)));
        assert!(Space { free: 2 * gib - 1, total: 4 * gib }.is_low(Some(2 * gib)));
    }
}
