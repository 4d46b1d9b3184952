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
    pub(super) config: Arc<Config>,
    /// Configuration folder with rules and filings.
    pub(super) rules: PathBuf,
    pub(super) data: PathBuf,
}

impl Bulletins {
    /// Keeps the bulletins until told to stop.
    pub(super) async fn keep(self, clock: Clock, stop: Stop) {
        if self.config.service.bulletin_days == 0 {
            return;
        }
        let mut trouble = String::new();
        loop {
            let now = clock.now();
            let this = self.clone();
            let made = tokio::task::spawn_blocking(move || this.next(now.utc)).await;
            let (pause, until) = match made {
                Ok(Ok(Some(day))) => {
                    tracing::info!(date = %day.date, begins = day.begins.clock(), "daily bulletin made");
                    trouble.clear();
                    (AIR, now.mono)
                }
                Ok(Ok(None)) => (Duration::ZERO, now.mono + LOOK),
                Ok(Err(error)) => {
                    let told = error.to_string();
                    if told != trouble {
                        tracing::error!(error = told, "no daily bulletin; it is tried again");
                        trouble = told;
                    }
                    (Duration::ZERO, now.mono + AGAIN)
                }
                // It panicked, which ends the process, or the service ends.
                Err(_) => return,
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
    fn next(&self, now: Timestamp) -> Result<Option<Day>, ReportError> {
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
    fn missing(&self, now: Timestamp) -> Result<Option<Day>, ReportError> {
        let after = SignedDuration::from_mins(i64::from(self.config.service.bulletin_after_min));
        let due = now.saturating_sub(after).unwrap_or(now);
        if self.oldest(due, Timestamp::MIN).is_none() {
            return Ok(None);
        }
        // Only now: this reads files. A day before the first sample is nobody's.
        let span = history::span(&self.data.join("journal"))?;
        Ok(span.and_then(|(first, _)| self.oldest(due, first)))
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
