//! Slows guessing down and never locks anybody out for good.
//!
//! By address: after ten failures within ten minutes further tries have to wait, 2 s and twice as long each time up to a
//! minute, and are refused unseen meanwhile. A try within the wait does not lengthen it. By name, whatever the address: after five
//! failures the answer comes later, up to 5 s, right or wrong. So who guesses from many addresses is slow for each name, and
//! a person who knows the password gets in, late by seconds.

use std::collections::BTreeMap;
use std::time::Duration;

/// Time after which a failure is forgotten, real time.
const MEMORY: Duration = Duration::from_secs(600);
/// Failures of an address that cost nothing.
const FREE_ADDRESS: usize = 10;
/// Failures of a name that cost nothing.
const FREE_NAME: usize = 5;
/// Longest refusal of an address.
const WAIT_MOST: Duration = Duration::from_secs(60);
/// Longest delay of an answer.
const DELAY_MOST: Duration = Duration::from_secs(5);
/// Names and addresses remembered; the oldest give way.
const KNOWN: usize = 4096;
/// Failures remembered of each.
const KEPT: usize = 32;
/// Over this time failures are counted for the alarm. Source: page notes, A27.
const ALARM_WINDOW: Duration = Duration::from_secs(300);

/// Failures of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Brake {
    addresses: BTreeMap<String, Vec<Duration>>,
    names: BTreeMap<String, Vec<Duration>>,
    all: Vec<Duration>,
}

fn recent(failures: Option<&Vec<Duration>>, now: Duration) -> (usize, Duration) {
    let fresh = failures.into_iter().flatten().filter(|at| now.saturating_sub(**at) < MEMORY);
    fresh.fold((0, Duration::ZERO), |(count, last), at| (count + 1, last.max(*at)))
}

/// 2 s for the first beyond what is free, twice as long for each further one.
fn growing(over: usize, most: Duration) -> Duration {
    let doublings = u32::try_from(over.min(8)).unwrap_or(8);
    Duration::from_secs(1).saturating_mul(2_u32.pow(doublings)).min(most)
}

fn note(book: &mut BTreeMap<String, Vec<Duration>>, key: &str, now: Duration) {
    if book.len() >= KNOWN && !book.contains_key(key) {
        book.retain(|_, failures| failures.last().is_some_and(|at| now.saturating_sub(*at) < MEMORY));
        if book.len() >= KNOWN
            && let Some(oldest) =
                book.iter().min_by_key(|(_, at)| at.last().copied()).map(|(key, _)| key.clone())
        {
            book.remove(&oldest);
        }
    }
    let failures = book.entry(key.to_owned()).or_default();
    if failures.len() >= KEPT {
        failures.remove(0);
    }
    failures.push(now);
}

impl Brake {
    /// How long an address has still to wait.
    pub(super) fn wait(&self, address: &str, now: Duration) -> Option<Duration> {
        let (count, last) = recent(self.addresses.get(address), now);
        let over = count.checked_sub(FREE_ADDRESS)?;
        let left = (last + growing(over + 1, WAIT_MOST)).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// By how much the answer for a name comes later.
    pub(super) fn delay(&self, name: &str, now: Duration) -> Duration {
        let (count, _) = recent(self.names.get(name), now);
        count.checked_sub(FREE_NAME).map_or(Duration::ZERO, |over| growing(over, DELAY_MOST))
    }

    /// Notes a failure.
    pub(super) fn failed(&mut self, name: &str, address: &str, now: Duration) {
        note(&mut self.names, name, now);
        note(&mut self.addresses, address, now);
        self.all.retain(|at| now.saturating_sub(*at) < ALARM_WINDOW);
        if self.all.len() < KNOWN {
            self.all.push(now);
        }
    }

    /// The person has shown who it is: what went wrong under this name before is forgotten.
    pub(super) fn right(&mut self, name: &str, address: &str) {
        self.names.remove(name);
        self.addresses.remove(address);
    }

    /// Failures of the last five minutes.
    pub(super) fn count(&self, now: Duration) -> u32 {
        let fresh = self.all.iter().filter(|at| now.saturating_sub(**at) < ALARM_WINDOW);
        u32::try_from(fresh.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_waits_up_to_a_minute_and_never_longer() {
        let mut brake = Brake::default();
        for _ in 0..10 {
            assert_eq!(brake.wait("10.0.0.9", s(100)), None);
            brake.failed("li", "10.0.0.9", s(100));
        }
        assert_eq!(brake.wait("10.0.0.9", s(100)), Some(s(2)));
        assert_eq!(brake.wait("10.0.0.8", s(100)), None, "another address is not held back");
        assert_eq!(brake.wait("10.0.0.9", s(102)), None);
        for _ in 0..30 {
            brake.failed("li", "10.0.0.9", s(102));
        }
        assert_eq!(brake.wait("10.0.0.9", s(102)), Some(s(60)));
        assert_eq!(brake.wait("10.0.0.9", s(162)), None, "tries meanwhile have not lengthened it");
        assert_eq!(brake.count(s(162)), 40);
        assert_eq!(brake.count(s(402)), 0);
        assert_eq!(brake.wait("10.0.0.9", s(800)), None);
    }

    #[test]
    fn a_name_is_slowed_by_seconds_whatever_the_address() {
        let mut brake = Brake::default();
        for number in 0..5 {
            brake.failed("li", &format!("10.0.0.{number}"), s(0));
            assert_eq!(brake.delay("li", s(0)), if number == 4 { s(1) } else { s(0) });
        }
        for number in 0..500 {
            brake.failed("li", &format!("10.0.1.{number}"), s(0));
        }
        assert_eq!(brake.delay("li", s(0)), s(5));
        assert_eq!(brake.delay("wang", s(0)), s(0));
        brake.right("li", "10.0.0.1");
        assert_eq!(brake.delay("li", s(0)), s(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut brake = Brake::default();
        for number in 0..10_000 {
            brake.failed(&format!("user{number}"), &format!("10.{number}"), s(number));
        }
        assert!(brake.names.len() <= KNOWN && brake.addresses.len() <= KNOWN && brake.all.len() <= KNOWN);
    }
}
