//! The daily bulletin on schedule: some minutes after the end of each day, with both day boundaries, below the data folder.
//! Days that were missed while the service stood are made good, one at a time.
//!
//! ```text
//!  reports/2026-05/daily_2026-05-11_0800.zh.html   .en.html   .zh.csv   .en.csv
//! ```
//!
//! It works beside the cycle on a thread for slow things, reads files only, and is never waited for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock::Clock;
use super::filings;
use super::history;
use super::reports::{Daily, Folder, ReportError, whole, write};
use super::service::Stop;
use crate::config::{Config, reports};
use crate::report::Ground;
use crate::report::day::{Day, DayBegins};

/// Service time between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Service time until the next try after a failure.
const AGAIN: Duration = Duration::from_secs(600);
/// Real time between two bulletins that are made good, so that the machine has air.
const AIR: Duration = Duration::from_secs(2);

/// What is kept, and where.
#[derive(Clone, Debug)]
pub(super) struct Bulletins {
    config: Arc<Config>,
    /// Configuration folder with rules and filings.
    rules: PathBuf,
    data: PathBuf,
    /// The first sample as far as it is known. It only becomes later, so that samples are read when a day may be missing, and not
    /// at every look in the first days of a service.
    first: Option<Timestamp>,
}

impl Bulletins {
    /// Those of a configuration, with the folder of its rules and filings, below a data folder.
    pub(super) const fn new(config: Arc<Config>, rules: PathBuf, data: PathBuf) -> Self {
        Self { config, rules, data, first: None }
    }

    /// Keeps the bulletins until told to stop.
    pub(super) async fn keep(mut self, clock: Clock, stop: Stop) {
        if self.config.service.bulletin_days == 0 {
            return;
        }
        let mut trouble = String::new();
        loop {
            let now = clock.now();
            let looked = tokio::task::spawn_blocking(move || (self.next(now.utc), self)).await;
            // It panicked, which ends the process, or the service ends.
            let Ok((made, this)) = looked else { return };
            self = this;
            let (pause, until) = match made {
                Ok(Some(day)) => {
                    tracing::info!(date = %day.date, begins = day.begins.clock(), "daily bulletin made");
                    trouble.clear();
                    (AIR, now.mono)
                }
                Ok(None) => (Duration::ZERO, now.mono + LOOK),
                Err(error) => {
                    let told = error.to_string();
                    if told != trouble {
                        tracing::error!(error = told, "no daily bulletin; it is tried again");
                        trouble = told;
                    }
                    (Duration::ZERO, now.mono + AGAIN)
                }
            };
            let wait = async {
                tokio::time::sleep(pause).await;
                clock.sleep_until(until).await;
            };
            tokio::select! {
                _ = stop.told() => return,
                () = wait => {}
            }
        }
    }

    /// Makes the oldest bulletin that is missing, if one is.
    fn next(&mut self, now: Timestamp) -> Result<Option<Day>, ReportError> {
        let Some(day) = self.missing(now)? else { return Ok(None) };
        let mut rules = reports::load(&self.rules, &self.config.basin)?;
        rules.filings.extend(filings::recorded(&self.data, &self.config.basin)?);
        let ground = Ground { config: &self.config, reports: &rules };
        let folder = Folder::open(&self.data, ground, now)?;
        let document = folder.daily(Daily::Bulletin, day)?;
        write(&month(&self.data, day), &Daily::Bulletin.stem(day), &document)?;
        Ok(Some(day))
    }

    /// The oldest day without a bulletin among those the setting looks back to and the samples reach.
    fn missing(&mut self, now: Timestamp) -> Result<Option<Day>, ReportError> {
        let after = SignedDuration::from_mins(i64::from(self.config.service.bulletin_after_min));
        let due = now.saturating_sub(after).unwrap_or(now);
        if self.oldest(due, self.first.unwrap_or(Timestamp::MIN)).is_none() {
            return Ok(None);
        }
        // Only now: this reads files. A day before the first sample is nobody's.
        self.first = history::span(&self.data.join("journal"))?.map(|(first, _)| first);
        Ok(self.first.and_then(|first| self.oldest(due, first)))
    }

    /// The oldest day over at `due` without a bulletin that ends after `first`.
    fn oldest(&self, due: Timestamp, first: Timestamp) -> Option<Day> {
        let zone = &self.config.basin.zone;
        let mut missing: Option<Day> = None;
        for begins in DayBegins::ALL {
            let mut day = Day::last_before(due, begins, zone);
            for _ in 0..self.config.service.bulletin_days {
                let Some(this) = day.filter(|day| day.to > first) else { break };
                if !whole(&month(&self.data, this), &Daily::Bulletin.stem(this)).exists()
                    && missing.is_none_or(|known| this.to < known.to)
                {
                    missing = Some(this);
                }
                day = this.date.yesterday().ok().and_then(|date| Day::new(date, begins, zone));
            }
        }
        missing
    }
}

fn month(data: &Path, day: Day) -> PathBuf {
    data.join("reports").join(day.date.strftime("%Y-%m").to_string())
}
