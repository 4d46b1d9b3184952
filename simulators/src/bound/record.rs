//! What the search needs of a closed loop: taken down while it runs, so that no scenario runs twice for its score.

use super::course::Course;
use super::script::{HOUR, Script, count};
use crate::run::{Run, Tick};
use crate::scenario::Case;

/// Takes a closed loop down.
pub struct Recorder {
    script: Script,
    course: Course,
    start: Option<Run>,
}

/// A closed loop that is over, with the river and the controller as they were when scoring began.
pub struct Record {
    pub(super) script: Script,
    pub(super) course: Course,
    pub(super) start: Run,
}

impl Recorder {
    /// For a case before its run; `None` when the basin has no dam that keeps floors.
    pub fn new(case: &Case) -> Option<Self> {
        let script = Script::of(case)?;
        Some(Self { course: Course::new(&script), script, start: None })
    }

    /// Takes in a tick of the run.
    pub fn add(&mut self, run: &Run, tick: &Tick) {
        self.course.add(&self.script, run.plant(), 0.0, tick.now.mono, tick.dt);
        if self.start.is_none() && tick.now.mono >= HOUR * count(self.script.scored) {
            self.start = Some(run.clone());
        }
    }

    /// Of a run that is over; `None` when it never came to the begin of scoring.
    pub fn finish(self, run: &Run) -> Option<Record> {
        Some(Record { script: self.script.went(run), course: self.course, start: self.start? })
    }
}

impl Record {
    /// Runs a case for it.
    pub fn of(case: &Case, seed: u64) -> Option<Self> {
        let mut recorder = Recorder::new(case)?;
        let end = case.scenario.duration;
        let mut run = Run::new(case.clone(), seed);
        run.until(end, |run, tick| recorder.add(run, tick));
        recorder.finish(&run)
    }
}
