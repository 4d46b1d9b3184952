//! What the field has delivered last, by point. The actors write, the cycle freezes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::control::quality::{Reason, Sample};
use crate::points::PointId;

/// The samples of all points, in file order.
#[derive(Debug)]
pub(super) struct Image(Mutex<Vec<Sample>>);

impl Image {
    /// Nothing read yet.
    pub(super) fn new(points: usize) -> Self {
        let never = Sample { good: None, fault: Some(Reason::NeverRead) };
        Self(Mutex::new(vec![never; points]))
    }

    /// Takes in one reply as a whole: its values bear one time. A fault never touches the last good value.
    pub(super) fn update(&self, at: Duration, values: impl Iterator<Item = (PointId, Result<f64, Reason>)>) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (point, value) in values {
            let Some(sample) = samples.get_mut(point.0) else { continue };
            match value {
                Ok(value) => *sample = Sample { good: Some((value, at)), fault: None },
                Err(reason) => sample.fault = Some(reason),
            }
        }
    }

    /// Marks points as not delivered. What the device itself said about a point (a sentinel, a refused
    /// address) is not overwritten by a lost line.
    pub(super) fn lost(&self, points: impl Iterator<Item = PointId>) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for point in points {
            if let Some(sample) = samples.get_mut(point.0) {
                sample.fault = match sample.fault {
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

    /// A copy of all samples, consistent per reply.
    pub(super) fn freeze(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_never_overwrites_the_last_good_value() {
        let image = Image::new(2);
        assert_eq!(image.freeze()[0], Sample { good: None, fault: Some(Reason::NeverRead) });
        let at = Duration::from_secs(7);
        image.update(at, [(PointId(0), Ok(1.5)), (PointId(1), Err(Reason::Sentinel))].into_iter());
        image.update(Duration::from_secs(8), [(PointId(0), Err(Reason::Exception(6)))].into_iter());
        let exception = Sample { good: Some((1.5, at)), fault: Some(Reason::Exception(6)) };
        assert_eq!(image.freeze()[0], exception);
        image.lost([PointId(0), PointId(1)].into_iter());
        assert_eq!(image.freeze()[0].fault, Some(Reason::CommError));
        assert_eq!(image.freeze()[1].fault, Some(Reason::Sentinel));
    }
}
