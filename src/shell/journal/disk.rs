//! The few file operations a journal needs, each a place where a test may put a failing disk.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// An operation that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskOp {
    /// Making and preallocating a segment.
    Create,
    /// Writing frames.
    Write,
    /// `fdatasync`.
    Sync,
    /// Cutting a file short.
    Cut,
}

/// Says which error an operation ends with instead of being done; for tests of full and failing disks.
#[derive(Clone)]
pub struct FaultHook(Arc<dyn Fn(DiskOp) -> Option<io::Error> + Send + Sync>);

impl FaultHook {
    /// A hook that asks `fault` before each operation.
    pub fn new(fault: impl Fn(DiskOp) -> Option<io::Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fault))
    }
}

impl fmt::Debug for FaultHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultHook")
    }
}

#[derive(Clone, Debug, Default)]
pub(in crate::shell) struct Disk(pub(in crate::shell) Option<FaultHook>);

impl Disk {
    pub(in crate::shell) fn ask(&self, op: DiskOp) -> io::Result<()> {
        self.0.as_ref().and_then(|hook| (hook.0)(op)).map_or(Ok(()), Err)
    }

    /// A new file of `bytes` zeros whose space is taken; fails when it exists.
    pub(super) fn create(&self, path: &Path, bytes: u64) -> io::Result<File> {
        self.ask(DiskOp::Create)?;
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // A file system without preallocation: the zeros are then a hole.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes)?,
            Err(error) => {
                drop(fs::remove_file(path));
                return Err(error.into());
            }
        }
        Ok(file)
    }

    pub(in crate::shell) fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.ask(DiskOp::Write)?;
        file.write_all_at(bytes, at)
    }

    pub(in crate::shell) fn sync(&self, file: &File) -> io::Result<()> {
        self.ask(DiskOp::Sync)?;
        file.sync_data()
    }

    pub(super) fn cut(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.ask(DiskOp::Cut)?;
        file.set_len(bytes)?;
        file.sync_all()
    }
}

/// Makes names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
