//! Readings that a person enters in place of a meter 人工置数: a staff gauge read by the river while the meter is down.
//!
//! An entry stands in where dispatch *looks*: estimates, floors, levels, alarms, the page. It never stands in where a loop
//! *follows* a measurement: a number that does not answer to the gate would wind the gate to its end. It has a name, a reason and
//! an end, after which the meter counts again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Now;
use super::controller::Controller;
use super::quality::{Quality, Reading, Reason};
use crate::basin::{Basin, Meter, MeterId};

/// Longest an entry stands, min: water changes within hours, and a staff gauge can be read again. Assumed.
pub const MOST_MIN: u32 = 240;

/// A reading entered by a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered {
    /// The meter it stands for.
    pub meter: String,
    /// The value, in the unit of the meter.
    pub value: f64,
    /// Who entered it.
    pub by: String,
    /// What it was read off, or why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// When the meter counts again.
    pub until: Timestamp,
}

/// Whether a value can be what a meter stands for.
///
/// # Errors
/// What is wrong, and the range.
pub fn check(meter: &Meter, value: f64, minutes: u32) -> Result<(), String> {
    let (low, high) = (meter.min, meter.max);
    if !value.is_finite() || value < low || value > high {
        return Err(format!(
            "{}: value = {value}: must be from {low} to {high}, as the meter has it",
            meter.id
        ));
    }
    if minutes == 0 || minutes > MOST_MIN {
        return Err(format!("{}: minutes = {minutes}: must be from 1 to {MOST_MIN}", meter.id));
    }
    Ok(())
}

impl Controller {
    /// Takes an entry; one of the same meter gives way to it.
    pub(super) fn enter(
        &mut self,
        (meter, value, minutes): (&str, f64, u32),
        (who, reason): (&str, &str),
        now: Now,
    ) -> Result<String, String> {
        let spec = self.basin.meter(meter).and_then(|id| self.basin.meters.get(id.0));
        check(spec.ok_or_else(|| format!("{meter}: no such meter"))?, value, minutes)?;
        let span = SignedDuration::from_secs(60 * i64::from(minutes));
        let until = now.utc.saturating_add(span).map_err(|_| "the clock is at its end".to_owned())?;
        let (meter, by, reason) = (meter.to_owned(), who.to_owned(), reason.to_owned());
        self.carry.entered.retain(|entry| entry.meter != meter);
        self.carry.entered.push(Entered { meter, value, by, reason, at: now.utc, until });
        Ok("entered".into())
    }

    /// Takes an entry back.
    pub(super) fn withdraw(&mut self, meter: &str) -> Result<String, String> {
        let before = self.carry.entered.len();
        self.carry.entered.retain(|entry| entry.meter != meter);
        if self.carry.entered.len() == before {
            return Err(format!("{meter}: no value is entered for it"));
        }
        Ok("withdrawn".into())
    }

    /// Puts the entries in place of what their meters show; those that have ended are forgotten. A clock that was set back behind
    /// the entry ends it too: nobody knows how old it is then.
    pub(super) fn stand_in(&mut self, now: Now) {
        if self.carry.entered.is_empty() {
            return;
        }
        self.carry.entered.retain(|entry| entry.at <= now.utc && now.utc < entry.until);
        for entry in &self.carry.entered {
            let point = self.basin.meter(&entry.meter).and_then(|id| *self.field.wiring.meters.get(id.0)?);
            let Some(reading) = point.and_then(|point| self.readings.get_mut(point.0)) else { continue };
            let age = now.utc.duration_since(entry.at).unsigned_abs();
            *reading = Reading {
                value: Some(entry.value),
                quality: Quality::Substituted,
                reason: Some(Reason::Manual),
                taken_at: Some(now.mono.saturating_sub(age)),
                last_good: reading.last_good,
            };
        }
    }

    /// Value of a meter for a loop that follows it: as [`Controller::meter`], but never one a person entered.
    pub(super) fn followed(&self, id: MeterId) -> Option<f64> {
        let reading = self.meter_reading(id);
        reading.usable().filter(|_| reading.reason != Some(Reason::Manual))
    }
}

/// Entries whose meter the basin still has.
pub(super) fn fitting(mut entered: Vec<Entered>, basin: &Basin) -> Vec<Entered> {
    entered.retain(|entry| basin.meter(&entry.meter).is_some());
    entered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Snapshot;
    use crate::control::controller::Settings;
    use crate::control::operator::{OperatorAct, Order};
    use std::path::Path;
    use std::time::Duration;

    fn now(seconds: u64) -> Now {
        let utc = "2026-05-04T02:00:00Z".parse::<Timestamp>().unwrap();
        let utc = utc + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        Now { mono: Duration::from_secs(seconds), utc }
    }

    fn shipped() -> (crate::config::Config, MeterId) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let meter = config.basin.meter("q.runcheng").unwrap();
        (config, meter)
    }

    fn act(request: &str, order: Order) -> OperatorAct {
        OperatorAct {
            request: request.into(),
            who: "li".into(),
            role: String::new(),
            address: "test".into(),
            order,
            reason: None,
        }
    }

    fn entry(value: f64, minutes: u32) -> Order {
        Order::Enter { meter: "q.runcheng".into(), value, minutes, reason: "staff gauge 1.32 m".into() }
    }

    #[test]
    fn an_entry_stands_in_with_its_name_until_its_end() {
        let (config, meter) = shipped();
        let mut controller = Controller::new(&config, Settings::default(), None, now(0).utc);
        let acts = vec![act("request1", entry(1.62, 60))];
        let seen = Snapshot { acts, record_ok: true, ..Snapshot::default() };
        let decision = controller.decide(&seen, now(10));
        assert_eq!(decision.answers, vec![("request1".to_owned(), Ok("entered".to_owned()))]);
        let quiet = Snapshot { record_ok: true, ..Snapshot::default() };
        controller.decide(&quiet, now(310));
        let reading = controller.own_reading(meter);
        assert_eq!((reading.value, reading.reason), (Some(1.62), Some(Reason::Manual)));
        assert_eq!(reading.quality, Quality::Substituted);
        assert_eq!(reading.age(now(310).mono), Some(Duration::from_secs(300)));
        // For dispatch it is a number, for a loop it is none.
        assert_eq!((controller.meter(meter), controller.followed(meter)), (Some(1.62), None));
        let told = controller.status(now(310)).entered;
        assert_eq!(told.iter().map(|entry| entry.by.as_str()).collect::<Vec<_>>(), ["li"]);
        controller.decide(&quiet, now(10 + 3600));
        assert_eq!(controller.own_reading(meter).value, None);
        assert!(controller.status(now(10 + 3600)).entered.is_empty());
    }

    #[test]
    fn an_entry_is_taken_back_and_a_newer_one_replaces_it() {
        let (config, meter) = shipped();
        let mut controller = Controller::new(&config, Settings::default(), None, now(0).utc);
        let withdrawn = || Order::Withdraw { meter: "q.runcheng".into() };
        let acts = vec![act("request1", entry(1.62, 60)), act("request2", entry(1.70, 60))];
        controller.decide(&Snapshot { acts, record_ok: true, ..Snapshot::default() }, now(10));
        controller.decide(&Snapshot { record_ok: true, ..Snapshot::default() }, now(11));
        assert_eq!(controller.meter(meter), Some(1.70));
        let acts = vec![act("request3", withdrawn()), act("request4", withdrawn())];
        let decision = controller.decide(&Snapshot { acts, record_ok: true, ..Snapshot::default() }, now(12));
        let good = decision.answers.iter().map(|(_, answer)| answer.is_ok()).collect::<Vec<_>>();
        assert_eq!(good, [true, false]);
        controller.decide(&Snapshot { record_ok: true, ..Snapshot::default() }, now(13));
        assert_eq!(controller.meter(meter), None);
    }

    #[test]
    fn an_entry_outlives_a_restart_and_not_a_clock_that_was_set_back() {
        let (config, meter) = shipped();
        let mut controller = Controller::new(&config, Settings::default(), None, now(0).utc);
        let acts = vec![act("request1", entry(1.62, 60))];
        controller.decide(&Snapshot { acts, record_ok: true, ..Snapshot::default() }, now(1000));
        let stored = controller.carry(now(1001).utc);
        let restarted = |back: i64| {
            let begin = now(1010).utc - SignedDuration::from_secs(back);
            let mut next = Controller::new(&config, Settings::default(), Some(stored.clone()), begin);
            let quiet = Snapshot { record_ok: true, ..Snapshot::default() };
            next.decide(&quiet, Now { mono: Duration::from_secs(1), utc: begin });
            next.meter(meter)
        };
        assert_eq!(restarted(0), Some(1.62));
        assert_eq!(restarted(3600), None);
    }

    #[test]
    fn what_the_meter_cannot_show_is_refused() {
        let (config, meter) = shipped();
        let spec = &config.basin.meters[meter.0];
        for (value, minutes) in [(-0.1, 60), (f64::NAN, 60), (spec.max + 1.0, 60), (1.5, 0), (1.5, 241)] {
            assert!(check(spec, value, minutes).is_err(), "{value} {minutes}");
        }
        assert!(check(spec, 1.5, MOST_MIN).is_ok());
    }
}
