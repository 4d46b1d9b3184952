//! Bytes to files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{BackupError, failed};
use crate::shell::journal::hex;

/// SHA-256, hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 and size of a file; `None` when there is none.
pub(super) fn hash_file(path: &Path) -> Result<Option<(String, u64)>, BackupError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "read")(error)),
    };
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        let count = file.read(&mut buffer).map_err(failed(path, "read"))?;
        if count == 0 {
            return Ok(Some((hex(&hash.finalize()), bytes)));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

/// Writes a file aside, syncs it and puts it in place, with the permissions `mode`.
pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), BackupError> {
    let aside = aside(path);
    drop(fs::remove_file(&aside));
    let file = File::options().write(true).create_new(true).mode(mode & 0o777).open(&aside);
    let mut file = file.map_err(failed(&aside, "make"))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(&aside, "write"));
    written.and_then(|()| fs::rename(&aside, path).map_err(failed(path, "put in place"))).inspect_err(|_| {
        // No use to anybody, and in the way of the next attempt on a full disk.
        drop(fs::remove_file(&aside));
    })
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// Permissions of a file.
pub(super) fn mode(path: &Path) -> Result<u32, BackupError> {
    Ok(fs::metadata(path).map_err(failed(path, "look at"))?.permissions().mode())
}

/// Makes a folder and those above it.
pub(super) fn make_dir(dir: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(dir).map_err(failed(dir, "make"))
}

/// Makes the names in a folder and those below it durable.
pub(super) fn sync_tree(dir: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(dir).map_err(failed(dir, "list"))? {
        let path = entry.map_err(failed(dir, "list"))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir, "sync"))
}

/// All regular files below a folder, as names relative to it, sorted. Links are followed, other things left out.
pub(super) fn files_below(dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(below) = todo.pop() {
        let here = dir.join(&below);
        for entry in fs::read_dir(&here).map_err(failed(&here, "list"))? {
            let name = below.join(entry.map_err(failed(&here, "list"))?.file_name());
            let kind = fs::metadata(dir.join(&name)).map_err(failed(&dir.join(&name), "look at"))?;
            if kind.is_dir() {
                todo.push(name);
            } else if kind.is_file() {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One thing in a folder that is there and not empty, but for what a file system puts there itself.
pub(super) fn anything_in(dir: &Path) -> Result<Option<String>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(dir, "list")(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed(dir, "list"))?.file_name().to_string_lossy().into_owned();
        if name != "lost+found" {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
