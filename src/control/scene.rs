//! The fixed things an estimate looks at.

use jiff::Timestamp;
use jiff::civil::Date;

use super::estimate::hours_to_s;
use super::forecast::{Forecast, Forecasts, Target};
use crate::basin::Basin;
use crate::config::Schedules;

/// Basin, calendar and time of one look at the river.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// Announced turns.
    pub schedules: &'a Schedules,
    /// Civil time now.
    pub utc: Timestamp,
    /// What others foretell.
    forecasts: Option<&'a Forecasts>,
    /// At the site.
    date: Date,
    /// Begin of the next month at the site: most looks ahead end before it and need no calendar.
    month_ends: Timestamp,
    /// The same as hours from now, rounded down.
    month_left_h: f64,
}

impl<'a> Scene<'a> {
    /// Looks at `utc`, with nothing foretold by others.
    pub fn new(basin: &'a Basin, schedules: &'a Schedules, utc: Timestamp) -> Self {
        let date = basin.date_at(utc);
        let next = date.last_of_month().tomorrow().ok();
        let begin = next.and_then(|day| basin.zone.to_timestamp(day.at(0, 0, 0, 0)).ok());
        let month_ends = begin.unwrap_or(utc);
        let whole_hours = utc.duration_until(month_ends).as_hours();
        let month_left_h = i32::try_from(whole_hours).map_or(0.0, f64::from);
        Self { basin, schedules, utc, forecasts: None, date, month_ends, month_left_h }
    }

    /// The same with what others foretell.
    pub fn foretold(
        basin: &'a Basin,
        schedules: &'a Schedules,
        forecasts: &'a Forecasts,
        utc: Timestamp,
    ) -> Self {
        Self { forecasts: Some(forecasts), ..Self::new(basin, schedules, utc) }
    }

    /// The issue held of a target.
    pub(super) fn forecast(&self, target: Target) -> Option<&'a Forecast> {
        self.forecasts?.of(target)
    }

    pub(super) fn date(&self) -> Date {
        self.date
    }

    pub(super) fn month(&self) -> i8 {
        self.date.month()
    }

    /// Month at the site `hours` from now, not before now.
    pub(super) fn month_in(&self, hours: f64) -> i8 {
        if (0.0..self.month_left_h).contains(&hours) {
            return self.month();
        }
        let then = self.after(hours);
        if then < self.month_ends { self.month() } else { self.basin.date_at(then).month() }
    }

    /// Date at the site `hours` from now.
    pub(super) fn date_in(&self, hours: f64) -> Date {
        self.basin.date_at(self.after(hours))
    }

    fn after(&self, hours: f64) -> Timestamp {
        let then = jiff::SignedDuration::from_secs(hours_to_s(hours));
        self.utc.saturating_add(then).unwrap_or(self.utc)
    }
}
