//! Several runs at once: threads that take the next job, and bars that show how far they are.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How many run at once: as many as there are cores, or as asked for; never more than jobs.
pub fn size(asked: Option<usize>, jobs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.unwrap_or(cores).clamp(1, jobs.max(1))
}

/// Does `work` on every job with so many threads; results in the order of the jobs.
pub fn each<Job: Sync, Result: Send>(
    jobs: &[Job],
    threads: usize,
    work: impl Fn(&Job) -> Result + Sync,
) -> Vec<Result> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { return };
                    let result = work(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Bars on the terminal, one for each run at work and one for all; without a terminal a line for each run that is over.
pub struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// For runs of these lengths in all.
    pub fn new(lengths: impl IntoIterator<Item = Duration>) -> Self {
        let bars = MultiProgress::new();
        let (mut count, mut minutes) = (0, 0);
        for length in lengths {
            (count, minutes) = (count + 1, minutes + length.as_secs() / 60);
        }
        let total = ProgressBar::new(minutes);
        total.set_style(style("{prefix:<28} [{wide_bar}] {percent:>3} %  {elapsed} gone, about {eta} left"));
        total.set_prefix(format!("all {count} runs"));
        let total = if count > 1 { bars.add(total) } else { total };
        Self { bars, total, quiet: !std::io::stderr().is_terminal() }
    }

    /// All runs are over.
    pub fn end(&self) {
        self.total.finish_and_clear();
    }

    /// A run begins.
    pub fn begin(&self, name: &str, length: Duration) -> One<'_> {
        let bar = ProgressBar::new(length.as_secs() / 60);
        bar.set_style(style("{prefix:<28} [{wide_bar}] {percent:>3} %  {elapsed} gone, about {eta} left"));
        bar.set_prefix(name.to_owned());
        let bar = if self.quiet { bar } else { self.bars.insert_before(&self.total, bar) };
        One { all: self, bar, name: name.to_owned(), minutes: 0 }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// The bar of one run.
pub struct One<'a> {
    all: &'a Progress,
    bar: ProgressBar,
    name: String,
    minutes: u64,
}

impl One<'_> {
    /// It has come so far.
    pub fn at(&mut self, now: Duration) -> ControlFlow<()> {
        let minutes = now.as_secs() / 60;
        if minutes != self.minutes && !self.all.quiet {
            self.bar.set_position(minutes);
            self.all.total.inc(minutes - self.minutes);
        }
        self.minutes = minutes;
        ControlFlow::Continue(())
    }

    /// It is over; `words` say how.
    pub fn end(self, words: &str) {
        use std::io::Write;
        self.bar.finish_and_clear();
        if self.all.quiet {
            // Nobody reads a closed pipe.
            let _ = writeln!(std::io::stderr(), "{}: {words}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        let jobs = (0..100).collect::<Vec<u64>>();
        let squares = each(&jobs, 4, |job| job * job);
        assert_eq!(squares, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
    }
}
