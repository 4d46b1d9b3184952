//! Runs asked for on the page: a queue, as many threads as cores, and a folder for each.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::play;
use crate::replay;
use crate::scenario::{self, Case};
use crate::summary::Summary;
use crate::vary::Change;

/// Runs waiting at most.
const WAITING: usize = 64;
/// Changes of one run at most.
const CHANGES: usize = 32;

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Name of a scenario of the library; no path.
    pub scenario: String,
    /// Changes of the configuration, as `--set` takes them.
    #[serde(default)]
    pub set: Vec<String>,
    /// Another seed. Told as a text: a script has no whole numbers of that size.
    #[serde(default, serialize_with = "as_text")]
    pub seed: Option<u64>,
}

#[expect(clippy::ref_option, reason = "the form serde asks for")]
fn as_text<S: serde::Serializer>(seed: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    seed.map(|seed| seed.to_string()).serialize(to)
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// In the queue.
    Waiting,
    /// Being run.
    Running,
    /// Over; its files are there.
    Done {
        /// Whether it passed.
        passed: bool,
        /// Minutes below a floor.
        below_min: f64,
        /// Released above the steady need, %.
        above_need_pct: Option<f64>,
    },
    /// Broken off.
    Failed {
        /// Why.
        why: String,
    },
    /// Called off.
    Cancelled,
}

/// A run as the page shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its number, the name of its folder.
    pub id: u32,
    /// What was asked for.
    #[serde(flatten)]
    pub wish: Wish,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Part of it that is done, per mille.
    pub permille: u32,
}

struct Job {
    wish: Wish,
    state: State,
    /// Until it is taken up.
    case: Option<Box<Case>>,
    permille: Arc<AtomicU32>,
    cancel: Arc<AtomicBool>,
}

#[derive(Default)]
struct Desk {
    jobs: BTreeMap<u32, Job>,
    /// Grows with every change.
    version: u64,
    closed: bool,
}

/// All runs of a folder.
pub struct Runs {
    folder: PathBuf,
    config: Option<PathBuf>,
    desk: Mutex<Desk>,
    bell: Condvar,
}

impl Runs {
    /// Takes in the runs that stand in a folder, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(folder: &Path, config: Option<PathBuf>) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let folder = folder.canonicalize()?;
        let mut desk = Desk::default();
        for entry in fs::read_dir(&folder).with_context(|| format!("{}: cannot be read", folder.display()))? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            // What is broken off has no summary, and a foreign folder no number: both are left alone.
            if let (Some(id), Some(summary)) = (id, read_summary(&path)) {
                let wish = Wish {
                    scenario: summary.scenario.clone(),
                    set: summary.set.clone(),
                    seed: Some(summary.seed),
                };
                desk.jobs.insert(id, Job::new(wish, done(&summary), None));
            }
        }
        Ok(Self { folder, config, desk: Mutex::new(desk), bell: Condvar::new() })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a run.
    ///
    /// # Errors
    /// The same that the command line says of a wrong scenario, key or value.
    pub fn order(&self, wish: Wish) -> anyhow::Result<u32> {
        let known = scenario::files()?;
        // Only what is in the library: a path would lead anywhere.
        let file = known.iter().find(|file| file.file_stem().is_some_and(|stem| *stem == *wish.scenario));
        let file = file.with_context(|| format!("{}: no such scenario in the library", wish.scenario))?;
        anyhow::ensure!(
            wish.set.len() <= CHANGES,
            "more than {CHANGES} changes; edit a copy of the configuration"
        );
        let changes = wish.set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
        let file = file.display().to_string();
        let case = replay::load_in(&file, self.config.as_deref(), &changes, Some(&self.folder))?;
        let mut desk = self.desk();
        let waiting = desk.jobs.values().filter(|job| job.state == State::Waiting).count();
        anyhow::ensure!(waiting < WAITING, "{WAITING} runs are waiting; let some end, or cancel them");
        // A folder of a run that was broken off keeps its number.
        let mut id = desk.jobs.keys().next_back().map_or(1, |last| last + 1);
        while self.folder.join(name(id)).exists() {
            id += 1;
        }
        desk.jobs.insert(id, Job::new(wish, State::Waiting, Some(Box::new(case))));
        desk.version += 1;
        self.bell.notify_one();
        Ok(id)
    }

    /// Calls a run off; false when there is none that could be.
    pub fn cancel(&self, id: u32) -> bool {
        let mut desk = self.desk();
        let Some(job) = desk.jobs.get_mut(&id) else { return false };
        match job.state {
            State::Waiting => {
                job.state = State::Cancelled;
                job.case = None;
            }
            State::Running => job.cancel.store(true, Ordering::Relaxed),
            State::Done { .. } | State::Failed { .. } | State::Cancelled => return false,
        }
        desk.version += 1;
        true
    }

    /// Calls everything off and lets the threads end.
    pub fn close(&self) {
        let mut desk = self.desk();
        desk.closed = true;
        desk.jobs.values().for_each(|job| job.cancel.store(true, Ordering::Relaxed));
        self.bell.notify_all();
    }

    /// All runs, the newest first.
    pub fn rows(&self) -> Vec<Row> {
        let desk = self.desk();
        let row = |(id, job): (&u32, &Job)| Row {
            id: *id,
            wish: job.wish.clone(),
            state: job.state.clone(),
            permille: job.permille.load(Ordering::Relaxed),
        };
        desk.jobs.iter().rev().map(row).collect()
    }

    /// Folder of a run that is done.
    pub fn done(&self, id: u32) -> Option<PathBuf> {
        let desk = self.desk();
        let job = desk.jobs.get(&id)?;
        matches!(job.state, State::Done { .. }).then(|| self.folder.join(name(id)))
    }

    /// Works off the queue until it is closed.
    pub fn work(&self) {
        while let Some((id, case, wish, permille, cancel)) = self.next() {
            let state = match self.run(id, *case, &wish, &permille, &cancel) {
                Ok(Some(summary)) => done(&summary),
                Ok(None) => State::Cancelled,
                Err(error) => State::Failed { why: format!("{error:#}") },
            };
            let mut desk = self.desk();
            if let Some(job) = desk.jobs.get_mut(&id) {
                job.state = state;
            }
            desk.version += 1;
        }
    }

    #[expect(clippy::type_complexity, reason = "what one run needs, for the one caller")]
    fn next(&self) -> Option<(u32, Box<Case>, Wish, Arc<AtomicU32>, Arc<AtomicBool>)> {
        let mut desk = self.desk();
        loop {
            if desk.closed {
                return None;
            }
            let next = desk.jobs.iter_mut().find(|(_, job)| job.state == State::Waiting);
            if let Some((id, job)) = next
                && let Some(case) = job.case.take()
            {
                let id = *id;
                job.state = State::Running;
                let taken = (id, case, job.wish.clone(), Arc::clone(&job.permille), Arc::clone(&job.cancel));
                desk.version += 1;
                return Some(taken);
            }
            desk = self.bell.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(
        &self,
        id: u32,
        case: Case,
        wish: &Wish,
        permille: &AtomicU32,
        cancel: &AtomicBool,
    ) -> anyhow::Result<Option<Summary>> {
        let folder = self.folder.join(name(id));
        let seed = wish.seed.unwrap_or(case.scenario.seed);
        let length = case.scenario.duration.as_secs().max(1);
        let played = play::play(case, seed, &wish.set, Some(&folder), false, |now| {
            let done = now.as_secs() * 1000 / length;
            permille.store(u32::try_from(done).unwrap_or(1000), Ordering::Relaxed);
            if cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(mut played) = played else {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{}: cannot be removed", folder.display()))?;
            return Ok(None);
        };
        play::write(&mut played, &folder)
            .with_context(|| format!("{}: cannot be written", folder.display()))?;
        Ok(Some(played.summary))
    }
}

impl Job {
    fn new(wish: Wish, state: State, case: Option<Box<Case>>) -> Self {
        let permille = if case.is_some() { 0 } else { 1000 };
        Self { wish, state, case, permille: Arc::new(AtomicU32::new(permille)), cancel: Arc::default() }
    }
}

fn name(id: u32) -> String {
    format!("{id:04}")
}

fn read_summary(folder: &Path) -> Option<Summary> {
    serde_json::from_slice(&fs::read(folder.join("summary.json")).ok()?).ok()
}

fn done(summary: &Summary) -> State {
    State::Done {
        passed: summary.passes(),
        below_min: summary.sections.values().map(|section| section.minutes_below).sum(),
        above_need_pct: summary.water.above_need.map(|share| 100.0 * share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a thread has taken up ends at its next tick, its folder goes with it, and its number is free again.
    #[test]
    fn a_run_at_work_is_called_off_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path(), None).unwrap();
        let wish = Wish {
            scenario: "may_dry".into(),
            set: vec!["control.min_interval_s=900".into()],
            seed: Some(3),
        };
        let id = runs.order(wish).unwrap();
        let (taken, case, wish, permille, cancel) = runs.next().unwrap();
        assert_eq!((taken, &runs.rows()[0].state), (id, &State::Running));
        assert!(runs.cancel(id));
        assert_eq!(runs.run(id, *case, &wish, &permille, &cancel).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn runs_of_before_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("0007");
        fs::create_dir(&old).unwrap();
        fs::write(old.join("summary.json"), serde_json::to_string(&crate::summary::example()).unwrap())
            .unwrap();
        fs::create_dir(folder.path().join("notes")).unwrap();
        fs::create_dir(folder.path().join("0008")).unwrap();
        let runs = Runs::open(folder.path(), None).unwrap();
        let rows = runs.rows();
        assert_eq!((rows.len(), rows[0].id, rows[0].wish.scenario.as_str()), (1, 7, "example"));
        assert_eq!(serde_json::to_value(&rows[0]).unwrap()["seed"], "1");
        assert!(runs.done(7).is_some() && runs.done(8).is_none());
        let wish = Wish { scenario: "may_dry".into(), set: Vec::new(), seed: None };
        // Eight was broken off once; its folder is not written over.
        assert_eq!(runs.order(wish).unwrap(), 9);
    }
}
