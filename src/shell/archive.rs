//! What the page reads of the data folder: records, alarms, samples, reports. All of it reads only, beside the running service,
//! on threads for slow things; nothing waits for it but the person who asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::aggregates_csv::aggregates;
use super::alarm_log::{self, AlarmLog};
use super::filings::{self, Filed};
use super::history::{self, Kept};
use super::incident_log;
use super::journal::Record;
use super::levels::Level;
use super::reports::Folder;
use super::rows::rows;
use super::store::{Query, Store};
use super::web::ActionRow;
use crate::config::Config;
use crate::config::reports::Reports;
use crate::control::record::Kind;
use crate::report::{Ground, Lang, csv, html};

/// Records looked at for one answer, so that a rare name does not read years.
const LOOKED_AT: usize = 20_000;

/// Records of one incident at most.
const INCIDENT_MOST: usize = 10 * LOOKED_AT;
/// Records asked for at once.
const PIECE: usize = 1000;

/// Records after a command among which its end is looked for.
const AFTER: u64 = 5000;

/// Which records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Rows at most.
    pub rows: usize,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// About this gate.
    pub gate: Option<String>,
    /// By an actor whose name holds this.
    pub who: Option<String>,
    /// From and before.
    pub utc: Option<(Timestamp, Timestamp)>,
    /// Older than this number.
    pub before: Option<u64>,
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<ActionRow>,
    /// Where the next page begins; null at the end.
    pub next_before: Option<u64>,
}

/// A report file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportFile {
    /// Its name, without a folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

/// How finely samples are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fineness {
    /// As kept.
    Samples,
    /// By minute or hour.
    By(Level),
}

/// A data folder as the page sees it.
#[derive(Clone, Debug)]
pub struct Archive {
    data: PathBuf,
    config: Arc<Config>,
    store: Store,
}

impl Archive {
    /// Of the folder `data` with its view.
    pub fn new(data: PathBuf, config: Arc<Config>, store: Store) -> Self {
        Self { data, config, store }
    }

    /// A page of records, commands with what became of them.
    ///
    /// # Errors
    /// When the record cannot be read, in words.
    pub async fn records(&self, wanted: Wanted) -> Result<Page, String> {
        // What became of the commands of this page may stand on the page before.
        let mut found = match wanted.before {
            Some(before) => {
                let query = Query {
                    count: PIECE,
                    gate: wanted.gate.clone(),
                    kinds: vec![Kind::Outcome],
                    seqs: Some((before, before.saturating_add(AFTER))),
                    ..Query::default()
                };
                self.store.find(query).await.map_err(|error| error.to_string())?
            }
            None => Vec::new(),
        };
        let newer = found.len();
        let mut before = wanted.before;
        let mut looked_at = 0;
        let enough = wanted.rows.saturating_mul(2) + 64;
        loop {
            let seqs = before.map(|before| (0, before.saturating_sub(1)));
            let query = Query {
                count: PIECE,
                gate: wanted.gate.clone(),
                kinds: wanted.kinds.clone(),
                seqs,
                utc: wanted.utc,
                // Looked for here, piece by piece: the store would read years for a rare name.
                actor: None,
            };
            let piece = self.store.find(query).await.map_err(|error| error.to_string())?;
            let (count, oldest) = (piece.len(), piece.last().map(|record| record.seq));
            looked_at += count;
            found.extend(piece.into_iter().filter(|record| is_by(record, wanted.who.as_deref())));
            before = oldest.filter(|oldest| *oldest > 0 && count == PIECE);
            if before.is_none() || found.len() - newer >= enough || looked_at >= LOOKED_AT {
                break;
            }
        }
        let rows = rows(&found, wanted.rows);
        // A page ends with its last row; one that found too few goes on where it stopped looking.
        let next_before = if rows.len() >= wanted.rows { rows.last().map(|row| row.seq) } else { before };
        Ok(Page { rows, next_before })
    }

    /// One record in full, as `qindan log show` prints it; `None` when there is no such record.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    pub async fn record(&self, seq: u64) -> Result<Option<String>, String> {
        let (data, config) = (self.data.clone(), Arc::clone(&self.config));
        let shown = move || {
            let mut out = Vec::new();
            match super::log::show(&data, seq, Some(&config), &mut out) {
                Ok(()) => Ok(Some(String::from_utf8_lossy(&out).into_owned())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        };
        aside(shown).await?
    }

    /// What alarms did from `from` until before `to`, with the newest `rows`.
    ///
    /// # Errors
    /// When the record cannot be read, in words.
    pub async fn alarms(&self, from: Timestamp, to: Timestamp, rows: usize) -> Result<AlarmLog, String> {
        let query = Query { kinds: vec![Kind::Alarm], utc: Some((from, to)), ..Query::newest(LOOKED_AT) };
        let records = self.store.find(query).await.map_err(|error| error.to_string())?;
        Ok(alarm_log::of(&records, from, to, rows))
    }

    /// The filings on record, in order of their numbers.
    ///
    /// # Errors
    /// When the record cannot be read, in words.
    pub async fn filings(&self) -> Result<Vec<Filed>, String> {
        let query = Query { kinds: vec![Kind::Filing], ..Query::newest(LOOKED_AT) };
        let records = self.store.find(query).await.map_err(|error| error.to_string())?;
        Ok(filings::of(&records))
    }

    /// Number of the record of a filing that came with this request after `since`.
    ///
    /// # Errors
    /// When the record cannot be read, in words.
    pub async fn filing_of(&self, request: &str, since: Timestamp) -> Result<Option<u64>, String> {
        let utc = Some((since, Timestamp::MAX));
        let query = Query { kinds: vec![Kind::Filing], utc, ..Query::newest(PIECE) };
        let records = self.store.find(query).await.map_err(|error| error.to_string())?;
        let is_it = |detail: &Value| detail["request"] == request;
        let found = records.iter().find(|record| record.detail.as_ref().is_some_and(is_it));
        Ok(found.map(|record| record.seq))
    }

    /// The report files there are, newest name first.
    ///
    /// # Errors
    /// When the folder cannot be read, in words.
    pub async fn reports(&self) -> Result<Vec<ReportFile>, String> {
        let folder = self.folder();
        let list = move || {
            let files = report_files(&folder).map_err(|error| error.to_string())?;
            let file = |(name, path): (String, PathBuf)| {
                Some(ReportFile { bytes: fs::metadata(path).ok()?.len(), name })
            };
            Ok(files.into_iter().rev().filter_map(file).collect())
        };
        aside(list).await?
    }

    /// The report of this name, when it is one of [`Archive::reports`].
    ///
    /// # Errors
    /// When it cannot be read, in words.
    pub async fn report(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let (folder, name) = (self.folder(), name.to_owned());
        let read = move || {
            // By name from the list: what is asked for is never part of a path.
            let files = report_files(&folder).map_err(|error| error.to_string())?;
            let Some(path) = files.get(&name) else { return Ok(None) };
            fs::read(path).map(Some).map_err(|error| error.to_string())
        };
        aside(read).await?
    }

    /// The hand-over of a shift as a page, or its tables as CSV.
    ///
    /// # Errors
    /// When samples or records cannot be read, in words.
    pub async fn shift(
        &self,
        (from, to): (Timestamp, Timestamp),
        lang: Lang,
        as_csv: bool,
    ) -> Result<Vec<u8>, String> {
        let (data, config) = (self.data.clone(), Arc::clone(&self.config));
        let make = move || {
            // Neither issuer nor rules stand in it.
            let rules = Reports::default();
            let ground = Ground { config: &config, reports: &rules };
            let folder = Folder { data: &data, ground, now: to };
            let document = folder.shift(from, to).map_err(|error| error.to_string())?;
            let text = if as_csv { csv::csv(&document, lang) } else { html::html(&document, lang) };
            Ok(text.into_bytes())
        };
        aside(make).await?
    }

    /// The log of a pollution incident as CSV; `None` when no incident of this number is on record.
    ///
    /// # Errors
    /// When the record cannot be read, in words.
    pub async fn incident(&self, incident: u64) -> Result<Option<Vec<u8>>, String> {
        let find = async |kinds: Vec<Kind>, utc, newest: u64| {
            let query = Query { kinds, utc, seqs: Some((0, newest)), ..Query::newest(LOOKED_AT) };
            self.store.find(query).await.map_err(|error| error.to_string())
        };
        let of_kind = find(vec![Kind::Incident], None, u64::MAX).await?;
        let Some((from, closed)) = incident_log::span(&of_kind, incident) else { return Ok(None) };
        // What follows the closing in the same second belongs to it.
        let second = SignedDuration::from_secs(1);
        let to = closed.and_then(|closed| closed.checked_add(second).ok()).unwrap_or(Timestamp::MAX);
        let (mut records, mut newest) = (Vec::new(), u64::MAX);
        while records.len() <= INCIDENT_MOST {
            let found = find(incident_log::KINDS.to_vec(), Some((from, to)), newest).await?;
            let oldest = found.iter().map(|record| record.seq).min();
            let is_all = found.len() < LOOKED_AT;
            records.extend(found);
            let Some(seq) = oldest.filter(|seq| !is_all && *seq > 0) else {
                records.sort_by_key(|record| record.seq);
                return Ok(Some(incident_log::csv(&records).into_bytes()));
            };
            newest = seq - 1;
        }
        Err(format!("more than {INCIDENT_MOST} records; take them with qindan log export"))
    }

    /// Samples of some points as CSV.
    ///
    /// # Errors
    /// When they cannot be read, in words.
    pub async fn csv(
        &self,
        points: Vec<String>,
        (from, to): (Timestamp, Timestamp),
        fineness: Fineness,
    ) -> Result<Vec<u8>, String> {
        let journal = self.data.join("journal");
        let write = move || {
            let points: Vec<&str> = points.iter().map(String::as_str).collect();
            let mut out = Vec::new();
            let written = match fineness {
                Fineness::Samples => history::export(&journal, &points, from, to, &mut out),
                Fineness::By(level) => aggregates(&journal, level, &points, (from, to), &mut out),
            };
            written.map(|()| out).map_err(|error| error.to_string())
        };
        aside(write).await?
    }

    /// Samples of one point.
    ///
    /// # Errors
    /// When they cannot be read, in words.
    pub async fn samples(&self, point: String, from: Timestamp, to: Timestamp) -> Result<Vec<Kept>, String> {
        let journal = self.data.join("journal");
        let read = move || history::read(&journal, &[&point], from, to).map_err(|error| error.to_string());
        Ok(aside(read).await??.into_values().next().unwrap_or_default())
    }

    fn folder(&self) -> PathBuf {
        self.data.join("reports")
    }
}

/// Runs something slow on a thread for it.
async fn aside<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(act).await.map_err(|_| "the service is about to stop".to_owned())
}

/// Whether a record is by an actor whose name holds `who`. Outcomes belong to their intents and pass.
fn is_by(record: &Record, who: Option<&str>) -> bool {
    who.is_none_or(|who| record.kind == Kind::Outcome || record.actor.contains(who))
}

/// Report files by name: those in the folder and in its folders of months.
fn report_files(folder: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for inner in fs::read_dir(entry.path())? {
                put(&mut files, &inner?)?;
            }
        } else {
            put(&mut files, &entry)?;
        }
    }
    Ok(files)
}

fn put(files: &mut BTreeMap<String, PathBuf>, entry: &fs::DirEntry) -> std::io::Result<()> {
    let name = entry.file_name().to_string_lossy().into_owned();
    let path = entry.path();
    let ending = path.extension().and_then(|ending| ending.to_str());
    // A link could lead anywhere.
    if entry.file_type()?.is_file() && matches!(ending, Some("html" | "csv")) {
        files.insert(name, path);
    }
    Ok(())
}

/// Runs of quality in the samples of a point: since when, which, and the value then.
pub fn qualities(samples: &[Kept]) -> Vec<Value> {
    let mut runs: Vec<Value> = Vec::new();
    let mut last = None;
    for kept in samples {
        if last == Some(kept.quality) {
            continue;
        }
        last = Some(kept.quality);
        runs.push(serde_json::json!({ "s": kept.utc.as_second(), "q": kept.quality, "v": kept.value }));
    }
    runs
}
