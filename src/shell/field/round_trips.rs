//! How long replies take, by size class: each class is 1.4 times as wide as the one before, from a quarter of a millisecond
//! to ten seconds. What is old counts less and less.

use std::time::Duration;

use serde::Serialize;

/// Upper end of the first class, s.
const FIRST: f64 = 0.000_25;
/// Width of a class over that of the one before.
const GROWTH: f64 = 1.4;
/// Replies after which all counts are halved, so that the newest five hundred or so are what is seen.
const HALVED_AT: u32 = 1024;

/// Counts of replies by how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RoundTrips([u16; 32]);

impl RoundTrips {
    /// A reply took so long.
    pub(super) fn note(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        let mut end = FIRST;
        let last = self.0.len() - 1;
        let mut class = 0;
        while class < last && took > end {
            end *= GROWTH;
            class += 1;
        }
        if let Some(count) = self.0.get_mut(class) {
            *count = count.saturating_add(1);
        }
        if self.count() >= HALVED_AT {
            self.0.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|count| u32::from(*count)).sum()
    }

    /// The time within which the `share` quickest came, to the upper end of its class, s; `None` before the first.
    pub fn within(&self, share: f64) -> Option<f64> {
        let wanted = share * f64::from(self.count());
        let mut sum = 0.0;
        let mut end = FIRST;
        for count in &self.0 {
            sum += f64::from(*count);
            if sum > 0.0 && sum >= wanted {
                return Some(end);
            }
            end *= GROWTH;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_slowest_are_told_to_the_width_of_a_class() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.within(0.5), None);
        for _ in 0..98 {
            trips.note(Duration::from_millis(20));
        }
        trips.note(Duration::from_millis(900));
        trips.note(Duration::from_millis(900));
        let (middle, slowest) = (trips.within(0.5).unwrap(), trips.within(0.99).unwrap());
        assert!((0.020..=0.028).contains(&middle), "{middle}");
        assert!((0.9..=1.26).contains(&slowest), "{slowest}");
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut trips = RoundTrips::default();
        for _ in 0..1000 {
            trips.note(Duration::from_secs(3));
        }
        for _ in 0..3000 {
            trips.note(Duration::from_millis(5));
        }
        assert!(trips.within(0.99).unwrap() < 0.01 || trips.within(0.5).unwrap() < 0.01);
        // More than the last class takes in is still counted.
        trips.note(Duration::from_secs(3600));
        assert!(trips.within(1.0).unwrap() > 8.0);
    }
}
