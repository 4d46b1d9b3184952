//! `qindan report`: arguments, and what they make.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use qindan::config::{Config, reports};
use qindan::report::day::{DayBegins, Period};
use qindan::report::document::Document;
use qindan::report::{Ground, Lang, csv, html};
use qindan::shell::clock::Clock;
use qindan::shell::filings;
use qindan::shell::reports::{Daily, Folder, write};

use crate::cli::{Configuration, Data, Language};

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Bulletin of a day: sections against their targets, reservoirs, intakes, wetlands, gates, warnings; one page.
    Daily(OfDay),
    /// Gate operation record of a day.
    Gates(OfDay),
    /// Dispatch log of a day: commands and acts of people with their grounds and ends.
    Orders(OfDay),
    /// Attainment of a month: days met, exempt, missing; deficit, episodes, completeness.
    Monthly(OfMonth),
    /// Attainment of a year.
    Yearly(OfYear),
    /// Hand-over of a shift: floors, what is not automatic, notes, alarms, commands and acts; one page.
    Shift(OfShift),
}

pub(crate) const NOTES: &str = "\
Reports are read from the data folder alone, also while the service runs or after it died. Floors and names come from the
configuration, rules and filings from reports.toml in it (config/README.md), and filings people entered on the page from the
record. The same data, configuration and rules make the same bytes. A day is called by the date it begins on, with either
boundary. Missing data is never a number: it lowers the completeness, and a day with too little of it is told as missing.

Without --out a report goes to standard output: a page of HTML to print, with --csv its tables. Each line of the CSV begins with
the name of its table; numbers in it are not rounded.

Examples:
  qindan report daily --data /var/lib/qindan > today.html
  qindan report daily --data /var/lib/qindan --date 2026-05-11 --lang en --out reports
  qindan report daily --data /var/lib/qindan --day-begins 00:00 --csv
  qindan report gates --data /var/lib/qindan --date 2026-05-11 --out reports
  qindan report shift --data /var/lib/qindan > handover.html     the last 12 h
  qindan report monthly --data /var/lib/qindan --date 2026-05 --out reports
  qindan report yearly --data /var/lib/qindan --date 2026 --csv | awk -F, '$1 == \"days\"'";

#[derive(Debug, Args)]
pub(crate) struct OfDay {
    /// Date the day begins on; without it the newest day that is over.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct OfMonth {
    /// The month; without it the one of the newest day that is over.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    date: Option<Period>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct OfYear {
    /// The year; without it the one of the newest day that is over.
    #[arg(long, value_name = "YYYY", value_parser = year)]
    date: Option<Period>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct OfShift {
    /// End of the shift, civil time of the site; without it now.
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM")]
    to: Option<DateTime>,
    /// Its length.
    #[arg(long, value_name = "H", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=72))]
    hours: u32,
    #[command(flatten)]
    common: Common,
}

fn month(text: &str) -> Result<Period, String> {
    Period::month(text).ok_or_else(|| "give a month as 2026-05".to_owned())
}

fn year(text: &str) -> Result<Period, String> {
    Period::year(text).ok_or_else(|| "give a year as 2026".to_owned())
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    config: Configuration,
    /// When a day begins.
    #[arg(long, value_enum, default_value_t)]
    day_begins: Begins,
    /// Language of what goes to standard output; files are made in both.
    #[arg(long, value_enum, default_value = "zh")]
    lang: Language,
    /// The tables as CSV instead of the page.
    #[arg(long, conflicts_with = "out")]
    csv: bool,
    /// Folder for files: page and CSV, each in Chinese and English.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Begins {
    /// Dispatch and rain bulletins.
    #[default]
    #[value(name = "08:00")]
    Eight,
    /// Yearbook and environmental monitoring.
    #[value(name = "00:00")]
    Midnight,
}

impl From<Begins> for DayBegins {
    fn from(begins: Begins) -> Self {
        match begins {
            Begins::Eight => Self::Eight,
            Begins::Midnight => Self::Midnight,
        }
    }
}

/// Makes a report and puts it where it was asked for.
pub(crate) fn report(
    asked: &Report,
    load: impl Fn(&Path) -> Result<Config>,
    out: &mut dyn Write,
) -> Result<()> {
    let common = match asked {
        Report::Daily(OfDay { common, .. })
        | Report::Gates(OfDay { common, .. })
        | Report::Orders(OfDay { common, .. })
        | Report::Monthly(OfMonth { common, .. })
        | Report::Yearly(OfYear { common, .. })
        | Report::Shift(OfShift { common, .. }) => common,
    };
    let path = &common.config.config;
    let config = load(path)?;
    let rules = reports::load(path, &config.basin);
    let mut rules =
        rules.with_context(|| format!("{} cannot be used", path.join(reports::FILE).display()))?;
    rules.filings.extend(filings::recorded(&common.data.data, &config.basin)?);
    let ground = Ground { config: &config, reports: &rules };
    let folder = Folder::open(&common.data.data, ground, Clock::machine_utc())?;
    let begins = DayBegins::from(common.day_begins);
    let (stem, document) = match asked {
        Report::Daily(of) => of_day(&folder, Daily::Bulletin, of.date, begins)?,
        Report::Gates(of) => of_day(&folder, Daily::Gates, of.date, begins)?,
        Report::Orders(of) => of_day(&folder, Daily::Orders, of.date, begins)?,
        Report::Monthly(of) => {
            let period = of.date.map_or_else(|| newest(&folder, begins).map(Period::month_of), Ok)?;
            attainment(&folder, "monthly", period, begins)?
        }
        Report::Yearly(of) => {
            let year = |date: Date| Period::Year(date.year());
            let period = of.date.map_or_else(|| newest(&folder, begins).map(year), Ok)?;
            attainment(&folder, "yearly", period, begins)?
        }
        Report::Shift(of) => of_shift(&folder, of)?,
    };
    if let Some(into) = &common.out {
        for path in write(into, &stem, &document)? {
            writeln!(out, "{}", path.display())?;
        }
        return Ok(());
    }
    let lang = match common.lang {
        Language::Zh => Lang::Zh,
        Language::En => Lang::En,
    };
    let text = if common.csv { csv::csv(&document, lang) } else { html::html(&document, lang) };
    Ok(out.write_all(text.as_bytes())?)
}

fn newest(folder: &Folder<'_>, begins: DayBegins) -> Result<Date> {
    Ok(folder.day(None, begins)?.date)
}

fn of_day(
    folder: &Folder<'_>,
    what: Daily,
    date: Option<Date>,
    begins: DayBegins,
) -> Result<(String, Document)> {
    let day = folder.day(date, begins)?;
    Ok((what.stem(day), folder.daily(what, day)?))
}

fn of_shift(folder: &Folder<'_>, of: &OfShift) -> Result<(String, Document)> {
    let zone = &folder.ground.config.basin.zone;
    let end = match of.to {
        Some(civil) => {
            zone.to_timestamp(civil).with_context(|| format!("--to {civil}: no such time at the site"))?
        }
        // To the minute: asked twice within one it is the same report.
        None => Timestamp::from_second(folder.now.as_second().div_euclid(60) * 60)?,
    };
    let begin = end.checked_sub(SignedDuration::from_hours(of.hours.into()))?;
    let stem = format!("shift_{}", zone.to_datetime(end).strftime("%Y-%m-%d_%H%M"));
    Ok((stem, folder.shift(begin, end)?))
}

fn attainment(
    folder: &Folder<'_>,
    kind: &str,
    period: Period,
    begins: DayBegins,
) -> Result<(String, Document)> {
    let stem = format!("{kind}_{}_{}", period.key(), begins.key());
    Ok((stem, folder.attainment(period, begins)?))
}
