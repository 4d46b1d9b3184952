//! The forecasts that are held: the newest issue of each target.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::estimate::Band;
use super::{Forecast, Target};
use crate::basin::Basin;

/// An issue that ended this long ago is forgotten, s: a week. Its alarm ends with it. Assumed.
const FORGOTTEN_S: i64 = 7 * 86_400;

/// Forecasts as they came in at one go, read but not judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// `page` or `folder`.
    pub source: String,
    /// Where it came from: an address, or the name of a file.
    pub from: String,
    /// SHA-256 over what was read, hex.
    pub digest: String,
    /// The issues in it, or everything that is wrong with it.
    pub issues: Result<Vec<Forecast>, Vec<String>>,
}

/// What became of one issue, or of an offer that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the target; empty for an offer that could not be read.
    pub target: String,
    /// Taken, held already, or why not.
    pub answer: Answer,
}

/// See [`Verdict`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is the one in force now.
    Taken,
    /// It is in force already.
    Known,
    /// Why not, with a remedy.
    Refused(Vec<String>),
}

/// What is held of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The issue.
    pub forecast: Forecast,
    /// Where it came from, as in [`Offer`].
    pub source: String,
    /// See [`Offer`].
    pub from: String,
    /// See [`Offer`].
    pub digest: String,
}

/// The newest issue of each target, by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Forecasts {
    held: BTreeMap<String, Held>,
}

impl Forecasts {
    /// Flow foretold of a target `ahead_h` hours from `now`; see [`Forecast::at`].
    pub fn at(&self, target: Target, now: Timestamp, ahead_h: f64) -> Option<Band> {
        self.of(target)?.at(now, ahead_h)
    }

    /// The issue held of a target; it may have ended.
    pub fn of(&self, target: Target) -> Option<&Forecast> {
        self.held().map(|held| &held.forecast).find(|issue| issue.target == target)
    }

    /// What is held, in the order of names; also what has ended and waits for a successor.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Takes an issue when it is newer than the one held and valid at `now`.
    pub fn take(&mut self, new: Held, now: Timestamp) -> Answer {
        let issue = &new.forecast;
        let refused = |what: String, remedy: &str| Answer::Refused(vec![format!("{what}: {remedy}")]);
        if issue.issued > now {
            let what = format!("issued at {}, which is ahead of {now}", issue.issued);
            return refused(what, "compare the clocks");
        }
        if issue.expires <= now {
            return refused(format!("expired at {}", issue.expires), "send the newest issue");
        }
        // One that lies ahead since the clock was put back keeps nobody out.
        if let Some(old) = self.held.get(issue.name()).filter(|old| old.forecast.issued <= now) {
            let held = old.forecast.issued;
            if old.forecast == *issue {
                return Answer::Known;
            }
            if held == issue.issued {
                let what = format!("another forecast issued at {held} is held");
                return refused(what, "give a correction an issue time of its own");
            }
            if held > issue.issued {
                let what = format!("issued at {}, one of {held} is held", issue.issued);
                return refused(what, "an older issue never takes the place of a newer one");
            }
        }
        self.held.insert(issue.name.clone(), new);
        Answer::Taken
    }

    /// Issues that have ended without a successor.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = &Forecast> {
        self.held().map(|held| &held.forecast).filter(move |issue| issue.expires <= now)
    }

    /// Whether an issue ended so long ago that it is not worth keeping.
    pub fn has_forgettable(&self, now: Timestamp) -> bool {
        self.held().any(|held| is_forgettable(&held.forecast, now))
    }

    /// Drops those, and what the configuration does not know any more; the rest finds its targets anew.
    pub fn tidy(&mut self, basin: &Basin, now: Timestamp) {
        self.held.retain(|name, held| {
            let target = Target::named(name, basin);
            let Some(target) = target else { return false };
            held.forecast.target = target;
            !is_forgettable(&held.forecast, now)
        });
    }
}

fn is_forgettable(issue: &Forecast, now: Timestamp) -> bool {
    now.duration_since(issue.expires) >= SignedDuration::from_secs(FORGOTTEN_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::InflowId;

    fn time(hour: i64) -> Timestamp {
        "2026-05-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
    }

    /// Issued at an hour of the day, for six, with one flow throughout.
    fn issued(hour: i64, flow: f64) -> Held {
        let forecast = Forecast {
            target: Target::Inflow(InflowId(0)),
            name: "inflow:brook".into(),
            issued: time(hour),
            expires: time(hour + 6),
            begin: time(hour),
            step_s: 3600,
            members: vec![vec![flow; 48]],
        };
        Held { forecast, source: "folder".into(), from: "a.csv".into(), digest: String::new() }
    }

    fn flow(book: &Forecasts, hour: i64) -> Option<f64> {
        book.at(Target::Inflow(InflowId(0)), time(hour), 1.0).map(|band| band.mid)
    }

    fn why(answer: Answer) -> String {
        let Answer::Refused(why) = answer else { panic!("{answer:?}") };
        why.join("; ")
    }

    #[test]
    fn an_older_issue_never_takes_the_place_of_a_newer_one() {
        let mut book = Forecasts::default();
        assert_eq!(book.take(issued(8, 1.0), time(9)), Answer::Taken);
        assert_eq!(book.take(issued(9, 2.0), time(9)), Answer::Taken);
        assert!(why(book.take(issued(8, 1.0), time(9))).contains("older"));
        assert_eq!(flow(&book, 9), Some(2.0));
        // Not even when the newer one has ended and the older one, longer, has not.
        let mut long = issued(8, 3.0);
        long.forecast.expires = time(40);
        assert!(why(book.take(long, time(20))).contains("older"));
        assert_eq!(flow(&book, 20), None);
    }

    #[test]
    fn one_that_is_sent_twice_is_known_and_another_of_the_same_time_refused() {
        let mut book = Forecasts::default();
        book.take(issued(8, 1.0), time(8));
        let again = Held { source: "page".into(), ..issued(8, 1.0) };
        assert_eq!(book.take(again, time(9)), Answer::Known);
        assert!(why(book.take(issued(8, 2.0), time(9))).contains("issue time of its own"));
        assert_eq!(flow(&book, 9), Some(1.0));
    }

    #[test]
    fn one_from_the_future_or_of_the_past_is_refused() {
        let mut book = Forecasts::default();
        assert!(why(book.take(issued(10, 1.0), time(9))).contains("compare the clocks"));
        assert_eq!(book.take(issued(9, 1.0), time(9)), Answer::Taken);
        let mut book = Forecasts::default();
        assert!(why(book.take(issued(9, 1.0), time(15))).contains("expired"));
        assert_eq!(book.held().count(), 0);
    }

    #[test]
    fn one_that_lies_ahead_since_the_clock_was_put_back_keeps_nobody_out() {
        let mut book = Forecasts::default();
        book.take(issued(18, 1.0), time(18));
        assert_eq!(flow(&book, 8), None);
        assert_eq!(book.take(issued(8, 2.0), time(8)), Answer::Taken);
        assert_eq!(flow(&book, 8), Some(2.0));
    }

    #[test]
    fn one_that_has_ended_is_named_for_a_week() {
        let mut book = Forecasts::default();
        book.take(issued(8, 1.0), time(8));
        assert_eq!(book.ended(time(13)).count(), 0);
        assert_eq!(book.ended(time(14)).count(), 1);
        assert!(!book.has_forgettable(time(14 + 167)) && book.has_forgettable(time(14 + 168)));
    }

    #[test]
    fn what_is_stored_comes_back_whole() {
        let mut book = Forecasts::default();
        book.take(issued(8, 1.25), time(8));
        let text = serde_json::to_string(&book).unwrap();
        assert_eq!(serde_json::from_str::<Forecasts>(&text).unwrap(), book);
    }
}
