//! Reports of a data folder: reads samples and records, also while the service runs or after it died, and writes files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::data_dir::{DataDirError, Identity, replace};
use super::history;
use super::journal::{ACTIONS, JournalError, Reader, Record, hex};
use crate::aggregate::Running;
use crate::basin::Basin;
use crate::config::Problems;
use crate::control::record::Kind;
use crate::report::day::{Day, DayBegins, Period};
use crate::report::document::Document;
use crate::report::period::{Judged, Sources, attainment};
use crate::report::{Ground, Lang, Recorded, Samples, csv, daily, gates, html, orders, shift, uses};

/// Why there is no report, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The data folder belongs to another basin.
    #[error("{}: holds basin {found}, the configuration is of {wanted}; name the configuration it belongs to", dir.display())]
    OtherBasin {
        /// Folder.
        dir: PathBuf,
        /// Its basin.
        found: String,
        /// That of the configuration.
        wanted: String,
    },
    /// Samples that cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Rules and filings.
    #[error(transparent)]
    Rules(#[from] Problems),
    /// The day or period has not ended, or not begun.
    #[error("{what} is not over; the newest day that is over is {last} (days begin at {begins})")]
    NotOver {
        /// What was asked for.
        what: String,
        /// The newest day that is over.
        last: Date,
        /// Day boundary.
        begins: &'static str,
    },
    /// A date outside of the calendar.
    #[error("{0}: no such date")]
    NoDate(String),
}

/// A data folder with what its reports are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    /// The folder.
    pub data: &'a Path,
    /// Configuration, rules, filings.
    pub ground: Ground<'a>,
    /// Now: what is not over by then is not reported.
    pub now: Timestamp,
}

/// A report of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daily {
    /// Bulletin.
    Bulletin,
    /// Gate operation record.
    Gates,
    /// Dispatch log.
    Orders,
}

impl Daily {
    /// As in file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bulletin => "daily",
            Self::Gates => "gates",
            Self::Orders => "orders",
        }
    }

    /// Name of its files for a day, without the endings.
    pub fn stem(self, day: Day) -> String {
        format!("{}_{}_{}", self.key(), day.date, day.begins.key())
    }
}

impl<'a> Folder<'a> {
    /// The folder, when it is one of this basin. A service in a time of its own may be ahead of the machine's.
    ///
    /// # Errors
    /// When it is not.
    pub fn open(data: &'a Path, ground: Ground<'a>, machine: Timestamp) -> Result<Self, ReportError> {
        let identity = Identity::read(data)?;
        let wanted = &ground.config.basin.id;
        if identity.basin != *wanted {
            let (dir, found, wanted) = (data.to_path_buf(), identity.basin, wanted.clone());
            return Err(ReportError::OtherBasin { dir, found, wanted });
        }
        let mut folder = Self { data, ground, now: machine };
        let newest = history::span(&folder.journal())?.map(|(_, newest)| newest);
        folder.now = machine.max(newest.unwrap_or(machine));
        Ok(folder)
    }

    fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }

    fn basin(&self) -> &'a Basin {
        &self.ground.config.basin
    }

    /// The day that begins on `date`, or the newest that is over.
    ///
    /// # Errors
    /// When it is not over.
    pub fn day(&self, date: Option<Date>, begins: DayBegins) -> Result<Day, ReportError> {
        let last = Day::last_before(self.now, begins, &self.basin().zone);
        let last = last.ok_or_else(|| ReportError::NoDate(self.now.to_string()))?;
        let Some(date) = date else { return Ok(last) };
        let day = Day::new(date, begins, &self.basin().zone);
        let day = day.ok_or_else(|| ReportError::NoDate(date.to_string()))?;
        if day.to <= self.now { Ok(day) } else { Err(not_over(date.to_string(), last.date, begins)) }
    }

    /// A report of a day.
    ///
    /// # Errors
    /// When samples or records cannot be read. A journal that is damaged further on is told in the report.
    pub fn daily(&self, what: Daily, day: Day) -> Result<Document, ReportError> {
        let recorded = self.recorded(day.from, day.to)?;
        let read = |points: &[String], from: Timestamp| self.samples(points, daily::since(from), day.to);
        let ground = self.ground;
        Ok(match what {
            Daily::Bulletin => {
                let begin = Period::Year(day.date.year()).first();
                let year =
                    Day::new(begin, day.begins, &self.basin().zone).map_or(day.from, |first| first.from);
                let to_date = self.water_to_date(&uses::yearly_points(ground), year, day.to)?;
                daily::daily(ground, day, &to_date, &read(&daily::points(ground), day.from)?, &recorded)
            }
            Daily::Gates => gates::gates(ground, day, &read(&gates::points(ground), day.from)?, &recorded),
            Daily::Orders => orders::orders(ground, day, &recorded),
        })
    }

    /// Hand-over of the shift from `from` until before `to`.
    ///
    /// # Errors
    /// When samples or records cannot be read. A journal that is damaged further on is told in the report.
    pub fn shift(&self, from: Timestamp, to: Timestamp) -> Result<Document, ReportError> {
        let recorded = self.recorded(from, to)?;
        let samples = self.samples(&shift::points(self.ground), daily::since(from), to)?;
        Ok(shift::shift(self.ground, (from, to), &samples, &recorded))
    }

    /// Monthly or yearly attainment.
    ///
    /// # Errors
    /// When no day of it is over, or samples or records cannot be read.
    pub fn attainment(&self, period: Period, begins: DayBegins) -> Result<Document, ReportError> {
        let now = self.judged(period, begins)?;
        let (Some(from), Some(to)) = (
            now.iter().flatten().map(|day| day.day.from).min(),
            now.iter().flatten().map(|day| day.day.to).max(),
        ) else {
            let last = Day::last_before(self.now, begins, &self.basin().zone);
            let last = last.map_or_else(|| period.first(), |last| last.date);
            return Err(not_over(period.key(), last, begins));
        };
        let before = self.judged(period.before(), begins)?;
        let year_before = match period {
            Period::Month(..) => self.judged(period.year_before(), begins)?,
            Period::Year(_) => before.clone(),
        };
        let water = match period {
            Period::Month(..) => None,
            Period::Year(_) => Some(self.water_to_date(&uses::account_points(self.ground), from, to)?),
        };
        let sources = Sources { period, begins, now, before, year_before, water };
        Ok(attainment(self.ground, &sources, &self.recorded(from, to)?))
    }

    /// The days of a period that are over, judged for each section. Samples are read a month at a time.
    fn judged(&self, period: Period, begins: DayBegins) -> Result<Judged, ReportError> {
        let basin = self.basin();
        let mut judged: Judged = vec![Vec::new(); basin.sections.len()];
        let mut days = period.days(begins, &basin.zone);
        days.retain(|day| day.to <= self.now);
        let meters = basin.sections.iter().filter_map(|section| self.ground.point_of(section.meter));
        let points: Vec<_> = meters.map(str::to_owned).collect();
        for month in days.chunk_by(|a, b| a.date.month() == b.date.month()) {
            let (Some(first), Some(last)) = (month.first(), month.last()) else { continue };
            let samples = self.samples(&points, daily::since(first.from), last.to)?;
            for day in month {
                let (since, until) = (daily::since(day.from), day.to);
                let of_day = samples.iter().map(|(point, kept)| {
                    let kept = kept.iter().filter(|kept| since <= kept.utc && kept.utc <= until);
                    (point.clone(), kept.copied().collect())
                });
                let of_day: Samples = of_day.collect();
                let sections = daily::sections(self.ground, *day, &of_day);
                for (list, section) in judged.iter_mut().zip(sections) {
                    list.push(section);
                }
            }
        }
        Ok(judged)
    }

    /// What points come to from `from` until `to`. A year of samples is hundreds of megabytes a point: they are counted as they
    /// are read.
    fn water_to_date(
        &self,
        points: &[String],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<uses::ToDate, JournalError> {
        let (begin, end) = (from.as_millisecond(), to.as_millisecond());
        let mut running: BTreeMap<&str, Running> =
            points.iter().map(|point| (point.as_str(), Running::since(begin))).collect();
        if running.is_empty() || end <= begin {
            return Ok(uses::ToDate::new());
        }
        let names: Vec<_> = running.keys().copied().collect();
        history::each_sample(&self.journal(), &names, daily::since(from), to, |point, kept| {
            if let Some(running) = running.get_mut(point) {
                running.take(&kept);
            }
        })?;
        let counted = running.into_iter().map(|(point, mut running)| {
            let bin = running.close(end);
            #[expect(clippy::cast_precision_loss, reason = "a year has 3·10¹⁰ ms")]
            let seconds = |ms: i64| ms as f64 / 1000.0;
            let known = bin.map_or(0.0, |bin| seconds(bin.covered_ms));
            (point.to_owned(), (bin.map(|bin| bin.mean() * known), known / seconds(end - begin)))
        });
        Ok(counted.collect())
    }

    /// Samples from `from` until `to`, that moment included.
    fn samples(&self, points: &[String], from: Timestamp, to: Timestamp) -> Result<Samples, JournalError> {
        let names: Vec<_> = points.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Ok(Samples::new());
        }
        let end = to.saturating_add(jiff::SignedDuration::from_millis(1)).unwrap_or(to);
        history::read(&self.journal(), &names, from, end)
    }

    /// The part of the action journal a report from `from` until before `to` needs.
    fn recorded(&self, from: Timestamp, to: Timestamp) -> Result<Recorded, JournalError> {
        #[derive(Deserialize)]
        struct Dated {
            utc: Timestamp,
        }
        let mut recorded = Recorded::default();
        for frame in Reader::open(&self.journal(), ACTIONS)?.records(0) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    recorded.broken = Some(error.to_string());
                    break;
                }
            };
            // A record of a later build says at least when.
            let Ok(Dated { utc }) = serde_json::from_slice(&frame.body) else { continue };
            if utc < to {
                recorded.head = Some((frame.seq, hex(&frame.chain)));
            }
            let is = |kind: Kind| frame.kind == kind as u8;
            // Alarms may stand from before, and what people have taken over; commands may end after.
            let stands = is(Kind::Alarm) || is(Kind::Operator);
            let wanted = if utc < to { from <= utc || stands } else { is(Kind::Outcome) };
            if let (true, Ok(record)) = (wanted, Record::of(&frame)) {
                let is_mine = record.of.is_some_and(|of| {
                    recorded.records.binary_search_by_key(&of, |record| record.seq).is_ok()
                });
                if utc < to || is_mine {
                    recorded.records.push(record);
                }
            }
        }
        Ok(recorded)
    }
}

fn not_over(what: String, last: Date, begins: DayBegins) -> ReportError {
    ReportError::NotOver { what, last, begins: begins.clock() }
}

/// Writes a report as HTML and CSV in both languages; the Chinese page comes last, so that a report with it is whole.
///
/// # Errors
/// What the disk says.
pub fn write(folder: &Path, stem: &str, document: &Document) -> Result<Vec<PathBuf>, DataDirError> {
    std::fs::create_dir_all(folder).map_err(|source| DataDirError::Io {
        path: folder.to_path_buf(),
        what: "make",
        source,
    })?;
    let mut paths = Vec::new();
    for lang in [Lang::En, Lang::Zh] {
        let (csv, html) = (csv::csv(document, lang), html::html(document, lang));
        for (ending, text) in [("csv", csv), ("html", html)] {
            let path = folder.join(format!("{stem}.{}.{ending}", lang.key()));
            replace(&path, text.as_bytes())?;
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The file whose presence says that a report is whole.
pub fn whole(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}.{}.html", Lang::Zh.key()))
}
