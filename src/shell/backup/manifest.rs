//! The list of what a copy holds.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::MANIFEST;
use super::error::{BackupError, failed};
use crate::shell::data_dir::replace;

/// Version of the manifest this build makes and reads.
pub const FORMAT: u32 = 1;

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Basin of the data folder.
    pub basin: String,
    /// Its identifier.
    pub store: String,
    /// When the copy was made.
    pub made: Timestamp,
    /// Version of the build that made it.
    pub build: String,
    /// The actions; none in a folder that no service has used yet.
    pub actions: Option<Stream>,
    /// The samples.
    pub samples: Option<Stream>,
    /// Their minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Stream>,
    /// Their hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Stream>,
    /// Every file.
    pub files: Vec<Copied>,
}

/// A stream of records as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Epoch of the last record.
    pub epoch: u64,
    /// Sequence of the first record.
    pub first: u64,
    /// Sequence of the last record.
    pub last: u64,
    /// How many there are.
    pub records: u64,
    /// Chain hash of the last record, hex.
    pub head: String,
}

/// One file of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Where it is in the copy.
    pub file: String,
    /// Where it was: below the data folder, or `config/…`.
    pub of: String,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Its records, when it is a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
}

/// Records of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// Sequence of the first.
    pub first: u64,
    /// Sequence of the last.
    pub last: u64,
    /// Chain hash of the last, hex.
    pub head: String,
}

impl Manifest {
    /// The manifest of a backup; `None` when there is none.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, BackupError> {
        let path = dir.join(MANIFEST);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, "read")(error)),
        };
        let bad = |why| BackupError::BadManifest { path: path.clone(), why };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(bad(format!("format {}, this build reads {FORMAT}", manifest.format)));
        }
        manifest.check().map_err(bad)?;
        Ok(Some(manifest))
    }

    /// Every name is one below its folder, and stands there once.
    fn check(&self) -> Result<(), String> {
        let mut places = BTreeSet::new();
        for copied in &self.files {
            for name in [&copied.file, &copied.of] {
                let plain = |part| matches!(part, Component::Normal(_));
                if name.is_empty() || !Path::new(name).components().all(plain) {
                    return Err(format!("{name}: no name below the folder"));
                }
            }
            if !places.insert(copied.of.as_str()) {
                return Err(format!("{}: stands in it twice", copied.of));
            }
        }
        Ok(())
    }

    /// Puts it in the place of the one before.
    pub(super) fn write(&self, dir: &Path) -> Result<(), BackupError> {
        let path = dir.join(MANIFEST);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::BadManifest { path: path.clone(), why: error.to_string() })?;
        text.push(b'\n');
        Ok(replace(&path, &text)?)
    }

    /// The entry of a file by where it is in the copy.
    pub(super) fn file(&self, file: &str) -> Option<&Copied> {
        self.files.iter().find(|copied| copied.file == file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let copied = |of: &str| Copied {
            file: "run-1/x".into(),
            of: of.into(),
            bytes: 0,
            sha256: String::new(),
            records: None,
        };
        let manifest = |files| Manifest {
            format: FORMAT,
            basin: "alder".into(),
            store: "s".into(),
            made: Timestamp::UNIX_EPOCH,
            build: String::new(),
            actions: None,
            samples: None,
            minutes: None,
            hours: None,
            files,
        };
        assert_eq!(manifest(vec![copied("journal/a"), copied("state/b")]).check(), Ok(()));
        for bad in ["../x", "/etc/passwd", "journal/../../x", ""] {
            assert!(manifest(vec![copied(bad)]).check().is_err(), "{bad}");
        }
        assert!(manifest(vec![copied("a"), copied("a")]).check().is_err());
    }
}
