//! The order of uses, checked from outside: hours in which a lower use was served while a higher one was short and could have
//! been helped.
//!
//! From the book alone, with the travel times of the configuration. A lower use could have helped when its water, left
//! where it was taken, would have come to the higher one in the hour in which that was short, and when the shortage had
//! shown before it was taken: for the whole arrival window from 0.8 to 1.2 travel times the lower use must have been
//! served, and an hour before it the higher one must have been short already. Hours in which only a prophet could have
//! known are counted apart. What is taken from a reservoir comes to the river below only when it is let go: then the lower
//! use is at fault when the reservoir was too low to help, and else the reservoir could have helped itself.

use jiff::Timestamp;
use qindan::basin::{Place, ReservoirId};

use super::cause::{BAND, LEAST};
use super::{Book, Cause, Net, Use, User};

/// A use is served from this flow on, m³/s: shut gates leak. Assumed.
const SERVED: f64 = 0.005;
/// Bounds of an arrival window in travel times.
const EARLY: f64 = 0.8;
/// The same.
const LATE: f64 = 1.2;

/// Two uses out of order.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// The one that was short, by position among the users.
    pub higher: usize,
    /// The one that was served.
    pub lower: usize,
    /// Travel time of the water, h.
    pub travel_h: f64,
    /// Hours in which the water of the lower use would have helped, and the shortage had shown in time.
    pub hours: usize,
    /// Hours in which the reservoir itself could have helped, while the lower use drew on it.
    pub store_hours: usize,
    /// Further hours in which the shortage had not shown in time.
    pub unforeseen_hours: usize,
    /// What the lower use could have given in the hours of both kinds, m³.
    pub could_m3: f64,
    /// Begin of the first of them.
    pub first: Timestamp,
}

impl Breach {
    /// Whether the order was broken where it could be seen.
    pub const fn counts(&self) -> bool {
        self.hours + self.store_hours > 0
    }
}

/// All pairs out of order, the most hours first.
pub fn breaches(book: &Book, net: &Net) -> Vec<Breach> {
    let mut found = Vec::new();
    for (higher, of) in book.users.iter().enumerate().filter(|(_, user)| user.wants() && user.is_fed) {
        if !book.hours.iter().any(|hour| hour.causes[higher].is_some()) {
            continue;
        }
        let lower = book.users.iter().enumerate().filter(|(_, other)| other.rank > of.rank);
        for (lower, other) in lower {
            if let Some(way) = Way::between(other, of, net) {
                found.extend(pair(book, (higher, lower), way));
            }
        }
    }
    found.sort_by_key(|breach| {
        std::cmp::Reverse((breach.hours + breach.store_hours, breach.unforeseen_hours))
    });
    found
}

/// The way from a lower use to a higher one, in hours of the book.
#[derive(Clone, Copy, Debug)]
struct Way {
    travel_h: f64,
    early: usize,
    late: usize,
    /// Delays of the two between their place and their meter.
    of_higher: usize,
    of_lower: usize,
    /// What the lower one gives back comes to the higher one too.
    returns: bool,
    /// Both hang on this reservoir.
    store: Option<ReservoirId>,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hours")]
const fn whole(hours: f64) -> usize {
    hours as usize
}

impl Way {
    fn between(lower: &User, higher: &User, net: &Net) -> Option<Self> {
        let travel_h = net.hours(lower.place, higher.place)?;
        let returns = lower.back.is_some_and(|back| net.hours(back, higher.place).is_some());
        let store = match (lower.place, lower.of) {
            // A pond that fills keeps back what it would pass on.
            (Place::Reservoir(_), Use::Filling(_)) => None,
            (Place::Reservoir(body), _) if net.is_store(body) => Some(body),
            (
                Place::Reservoir(_)
                | Place::Node(_)
                | Place::Along { .. }
                | Place::Wetland(_)
                | Place::Outside,
                _,
            ) => None,
        };
        Some(Self {
            travel_h,
            early: whole((EARLY * travel_h).floor()),
            late: whole((LATE * travel_h).ceil()),
            of_higher: whole(higher.delay_h.round()),
            of_lower: whole(lower.delay_h.round()),
            returns,
            store,
        })
    }
}

fn pair(book: &Book, (higher, lower): (usize, usize), way: Way) -> Option<Breach> {
    let mut breach: Option<Breach> = None;
    for (now, hour) in book.hours.iter().enumerate() {
        if !is_short(book, now, higher) {
            continue;
        }
        let Some(first_taken) = now.checked_sub(way.of_higher + way.late) else { continue };
        let Some(last_taken) = now.checked_sub(way.of_higher + way.early) else { continue };
        let takes = |at: usize| {
            let hour = book.hours.get(at + way.of_lower)?;
            Some(if way.returns { hour.nets[lower] } else { hour.gets[lower] })
        };
        let least = (first_taken..=last_taken).map(takes).try_fold(f64::INFINITY, |a, b| Some(a.min(b?)));
        let Some(least) = least.filter(|least| *least > SERVED) else { continue };
        let shown = first_taken.checked_sub(1).is_some_and(|before| is_short(book, before, higher));
        let holds = way.store.map(|store| book.hours[first_taken].holds.get(store.0) == Some(&true));
        // What is cut by a level is short of the reservoir, whatever still stands in it.
        let low = hour.causes[higher] == Some(Cause::LowStore);
        let by_store = holds == Some(true) && !low;
        let told = breach.get_or_insert(Breach {
            higher,
            lower,
            travel_h: way.travel_h,
            hours: 0,
            store_hours: 0,
            unforeseen_hours: 0,
            could_m3: 0.0,
            first: hour.begin,
        });
        match (shown, by_store) {
            (false, _) => {
                told.unforeseen_hours += 1;
                continue;
            }
            (true, true) => told.store_hours += 1,
            (true, false) => told.hours += 1,
        }
        if told.hours + told.store_hours == 1 {
            told.first = hour.begin;
        }
        told.could_m3 += least.min(hour.wants[higher] - hour.gets[higher]) * hour.seconds;
    }
    breach
}

/// Whether a user was short beyond what its meter can tell.
fn is_short(book: &Book, at: usize, user: usize) -> bool {
    let Some((hour, cause)) = book.hours.get(at).and_then(|hour| Some((hour, hour.causes[user]?))) else {
        return false;
    };
    let (wants, short) = (hour.wants[user], hour.wants[user] - hour.gets[user]);
    let least = match book.users.get(user).map(|user| user.of) {
        // Held to half a per cent by the book itself.
        Some(Use::Floor(_)) | None => LEAST,
        Some(
            Use::Intake(_)
            | Use::Share(..)
            | Use::Survival(_)
            | Use::Design(_)
            | Use::Release(_)
            | Use::Filling(_),
        ) => (BAND * wants).max(LEAST),
    };
    cause != Cause::Band && short > least
}
