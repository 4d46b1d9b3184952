//! What the field has delivered last, by point. The actors write, the cycle freezes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::control::quality::{Reason, Sample};
use crate::points::PointId;

/// The samples of all points, in file order.
#[derive(Debug)]
pub(super) struct Image(Mutex<Vec<Slot>>);

/// A sample in three quarters of its room: there are many, and each reply writes some.
#[derive(Clone, Copy, Debug)]
struct Slot {
    value: f64,
    /// When it arrived, service time in ns; [`NEVER`] without a value.
    at_ns: u64,
    fault: Option<Reason>,
}

/// No time a value can have: 584 years.
const NEVER: u64 = u64::MAX;

impl Slot {
    fn sample(&self) -> Sample {
        let good = (self.at_ns != NEVER).then(|| (self.value, Duration::from_nanos(self.at_ns)));
        Sample { good, fault: self.fault }
    }
}

impl Image {
    /// Nothing read yet.
    pub(super) fn new(points: usize) -> Self {
        let never = Slot { value: 0.0, at_ns: NEVER, fault: Some(Reason::NeverRead) };
        Self(Mutex::new(vec![never; points]))
    }

    /// Takes in one reply as a whole: its values bear one time. A fault never touches the last good value.
    pub(super) fn update(&self, at: Duration, values: impl Iterator<Item = (PointId, Result<f64, Reason>)>) {
        let at_ns = u64::try_from(at.as_nanos()).unwrap_or(NEVER - 1);
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (point, value) in values {
            let Some(slot) = slots.get_mut(point.0) else { continue };
            match value {
                Ok(value) => *slot = Slot { value, at_ns, fault: None },
                Err(reason) => slot.fault = Some(reason),
            }
        }
    }

    /// Marks points as not delivered. What the device itself said about a point (a sentinel, a refused
    /// address) is not overwritten by a lost line.
    pub(super) fn lost(&self, points: impl Iterator<Item = PointId>) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for point in points {
            if let Some(slot) = slots.get_mut(point.0) {
                slot.fault = match slot.fault {
                    Some(
                        kept @ (Reason::Sentinel
                        | Reason::ConfigError
                        | Reason::OutOfRange
                        | Reason::WrongDevice),
                    ) => Some(kept),
                    Some(_) | None => Some(Reason::CommError),
                };
            }
        }
    }

    /// A copy of all samples, consistent per reply, in place of what `samples` held.
    pub(super) fn freeze(&self, samples: &mut Vec<Sample>) {
        samples.clear();
        samples.extend(self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Slot::sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(image: &Image) -> Vec<Sample> {
        let mut samples = Vec::new();
        image.freeze(&mut samples);
        samples
    }

    #[test]
    fn bad_never_overwrites_the_last_good_value() {
        let image = Image::new(2);
        assert_eq!(frozen(&image)[0], Sample { good: None, fault: Some(Reason::NeverRead) });
        let at = Duration::from_secs(7);
        image.update(at, [(PointId(0), Ok(1.5)), (PointId(1), Err(Reason::Sentinel))].into_iter());
        image.update(Duration::from_secs(8), [(PointId(0), Err(Reason::Exception(6)))].into_iter());
        let exception = Sample { good: Some((1.5, at)), fault: Some(Reason::Exception(6)) };
        assert_eq!(frozen(&image)[0], exception);
        image.lost([PointId(0), PointId(1)].into_iter());
        assert_eq!(frozen(&image)[0].fault, Some(Reason::CommError));
        assert_eq!(frozen(&image)[1].fault, Some(Reason::Sentinel));
    }
}
