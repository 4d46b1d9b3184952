//! A folder in which others put forecasts as CSV files. A file is read once it has not changed between two looks, so that
//! none is read half written, and again when it has changed. Nothing in the folder is moved or removed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::{Form, Offers, TEXT_MOST};
use crate::basin::Basin;

/// Time between two looks, real time.
const PERIOD: Duration = Duration::from_secs(5);
/// Most files that are looked at.
const FILES_MOST: usize = 1000;

/// What a file looked like: its size and when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    size: u64,
    written: Option<SystemTime>,
}

impl Look {
    fn of(data: &Metadata) -> Self {
        Self { size: data.len(), written: data.modified().ok() }
    }
}

/// What is known of the files of a folder.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By path: how it looked, and whether it has been read like that.
    files: BTreeMap<PathBuf, (Look, bool)>,
}

impl Known {
    /// Looks at the folder: files that are whole and have not been read yet, in the order of their names.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(super) fn look(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut there = BTreeMap::new();
        let mut whole = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
            // A file that has gone in between is not there.
            let Some(data) = fs::metadata(&path).ok().filter(|data| is_csv && data.is_file()) else {
                continue;
            };
            if there.len() >= FILES_MOST {
                continue;
            }
            let look = Look::of(&data);
            let before = self.files.get(&path).filter(|(old, _)| *old == look);
            let is_read = before.is_some_and(|(_, read)| *read);
            if before.is_some() && !is_read {
                whole.push(path.clone());
            }
            there.insert(path, (look, before.is_some()));
        }
        self.files = there;
        whole.sort();
        Ok(whole)
    }
}

/// Watches `folder` for as long as the cycle takes forecasts.
pub(crate) async fn watch(folder: PathBuf, basin: Arc<Basin>, offers: Offers) {
    let mut known = Known::default();
    let mut is_lost = false;
    let mut looks = tokio::time::interval(PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (place, basin) = (folder.clone(), Arc::clone(&basin));
        let looked = tokio::task::spawn_blocking(move || {
            let found = known.look(&place);
            let found = found.map(|files| files.iter().map(|file| read(file, &basin)).collect::<Vec<_>>());
            (known, found)
        });
        // A look that panicked has ended the process.
        let Ok((back, found)) = looked.await else { return };
        known = back;
        match found {
            Ok(found) => {
                is_lost = false;
                for offer in found {
                    let (reply, _) = oneshot::channel();
                    if offers.send((offer, reply)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) if !is_lost => {
                is_lost = true;
                tracing::error!(%error, "{}: forecasts cannot be read; make the folder or its rights right", folder.display());
            }
            Err(_) => {}
        }
    }
}

/// A file as an offer; one that cannot be read says why.
fn read(file: &Path, basin: &Basin) -> crate::control::forecast::Offer {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = match fs::metadata(file) {
        // Not taken into memory: what is over the limit says so by its size.
        Ok(data) if data.len() > TEXT_MOST as u64 => Err(format!(
            "{} bytes, more than {TEXT_MOST}: send fewer targets, members or values at once",
            data.len()
        )),
        Ok(_) | Err(_) => {
            fs::read(file).map_err(|error| format!("cannot be read: {error}: look at its rights"))
        }
    };
    let mut offer = match text {
        Ok(text) => super::offer(&text, Form::Csv, basin, "folder", &name),
        Err(why) => crate::control::forecast::Offer {
            source: "folder".into(),
            from: name.clone(),
            digest: String::new(),
            issues: Err(vec![why]),
        },
    };
    if let Err(why) = &mut offer.issues {
        for line in why.iter_mut() {
            *line = format!("{name}: {line}");
        }
        tracing::error!(mistakes = why.len(), "{}", why.first().map_or("", String::as_str));
    }
    offer
}
