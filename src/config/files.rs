//! The files of a configuration folder as read: four by name, rating curves where there are some, and the device templates beside them.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::sheet::line_of;

/// The files every folder has.
pub(super) const FILES: [&str; 4] = ["basin.toml", "devices.toml", "schedules.toml", "service.toml"];

/// The file a folder may have: rating curves.
pub(super) const RATINGS: &str = "ratings.toml";

/// Folder of the device templates inside a configuration folder; a folder without it has none.
pub const TEMPLATES: &str = "devices";

/// One file.
pub(super) struct Source {
    /// As it is named in problems.
    pub(super) name: String,
    /// `None` when it cannot be read, which has been said.
    pub(super) text: Option<String>,
}

/// All files of a folder.
pub(super) struct Sources {
    /// In the order of [`FILES`].
    pub(super) files: [Source; 4],
    /// [`RATINGS`], where there is one.
    pub(super) ratings: Option<Source>,
    /// By file name.
    pub(super) templates: Vec<Source>,
    /// SHA-256 over names and bytes, hex.
    pub(super) digest: String,
}

/// Reads a folder; whatever cannot be read goes to `problems`.
pub(super) fn read(folder: &Path, problems: &RefCell<Vec<Problem>>) -> Sources {
    let mut digest = Sha256::new();
    let mut one = |file: &str, remedy: &str| {
        let path = folder.join(file);
        let name = path.display().to_string();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                problems.borrow_mut().push(unreadable(&name, &error, remedy));
                return Source { name, text: None };
            }
        };
        for part in [file.as_bytes(), &bytes] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let text = Some(text(bytes, &name, problems));
        Source { name, text }
    };
    let remedy = format!("a configuration folder has {}; name it with --config", FILES.join(", "));
    let files = FILES.map(|file| one(file, &remedy));
    // A link that leads nowhere is a file that cannot be read, not a folder without ratings.
    let there = folder.join(RATINGS).symlink_metadata().is_ok();
    let ratings =
        there.then(|| one(RATINGS, "make it a readable file of [rating.NAME] tables, or remove it"));
    let templates = match templates(folder) {
        Ok(list) => list,
        Err(error) => {
            let name = folder.join(TEMPLATES).display().to_string();
            let remedy = "make it a folder of device templates, or remove it";
            problems.borrow_mut().push(unreadable(&name, &error, remedy));
            Vec::new()
        }
    };
    let remedy = "make it a readable file of [layout.NAME] tables, or remove it";
    let templates = templates.iter().map(|file| one(&format!("{TEMPLATES}/{file}"), remedy)).collect();
    Sources { files, ratings, templates, digest: hex(&digest.finalize()) }
}

/// Names of the template files of a folder, sorted.
fn templates(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder.join(TEMPLATES)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|ending| ending == "toml") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

pub(super) fn unreadable(name: &str, error: &io::Error, remedy: &str) -> Problem {
    Problem {
        file: name.into(),
        line: None,
        key: String::new(),
        value: None,
        what: format!("cannot be read ({})", plain_error(error)),
        remedy: remedy.into(),
    }
}

/// Without the number of the operating system where a word will do.
fn plain_error(error: &io::Error) -> String {
    let plain = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::IsADirectory, "it is a folder"),
        (io::ErrorKind::NotADirectory, "it is no folder"),
    ];
    let plain = plain.into_iter().find(|(kind, _)| *kind == error.kind());
    plain.map_or_else(|| error.to_string(), |(_, words)| words.to_owned())
}

/// Damaged bytes are noted; the readable rest is looked at.
pub(super) fn text(bytes: Vec<u8>, name: &str, problems: &RefCell<Vec<Problem>>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            problems.borrow_mut().push(Problem {
                file: name.into(),
                line: Some(line_of(&lossy, good)),
                key: String::new(),
                value: None,
                what: "is not UTF-8 text".into(),
                remedy: "save the file as UTF-8".into(),
            });
            lossy
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
