//! What a scan takes out of its reply: twelve bytes a value. The points themselves are ten times that, and a scan of
//! a thousand devices would fetch them all through the cache each second.

use tokio_modbus::Response;

use super::plan;
use crate::control::quality::Reason;
use crate::points::{Field, Point, PointId};
use crate::registers::{Layout, Scaling};

/// One value of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    point: u32,
    /// Place in [`Scales`].
    scale: u16,
    /// Distance from the start of the block.
    at: u16,
    layout: Layout,
}

/// The scalings there are, each once: most points share a few, and 65 536 are more than there will be. A point beyond
/// them would never be read, and say so.
#[derive(Debug, Default)]
pub(super) struct Scales(Vec<Scale>);

#[derive(Debug)]
struct Scale {
    factor: f64,
    offset: f64,
    sentinels: Box<[f64]>,
}

impl Scale {
    fn is_of(&self, point: &Point) -> bool {
        let bits = |list: &[f64]| list.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        self.factor.to_bits() == point.scale.to_bits()
            && self.offset.to_bits() == point.offset.to_bits()
            && bits(&self.sentinels) == bits(&point.sentinels)
    }
}

impl Scales {
    /// Of all points.
    pub(super) fn of(field: &Field) -> Self {
        let mut scales = Self::default();
        for point in &field.points {
            if scales.place(point).is_none() {
                let sentinels = point.sentinels.clone().into_boxed_slice();
                scales.0.push(Scale { factor: point.scale, offset: point.offset, sentinels });
            }
        }
        scales
    }

    fn place(&self, point: &Point) -> Option<usize> {
        self.0.iter().position(|scale| scale.is_of(point))
    }
}

impl Read {
    /// The values of `points` in a block that starts at `start`.
    pub(super) fn list(field: &Field, scales: &Scales, start: u16, points: &[PointId]) -> Box<[Self]> {
        let read = |id: &PointId| {
            let point = field.points.get(id.0)?;
            Some(Self {
                point: u32::try_from(id.0).ok()?,
                scale: u16::try_from(scales.place(point)?).ok()?,
                at: point.address.checked_sub(start)?,
                layout: Layout::of(point),
            })
        };
        points.iter().filter_map(read).collect()
    }

    /// Which point.
    pub(super) fn point(&self) -> PointId {
        PointId(usize::try_from(self.point).unwrap_or(usize::MAX))
    }

    /// Its value in the reply.
    ///
    /// # Errors
    ///
    /// As [`decode`](crate::registers::decode); [`Reason::CommError`] when the reply does not hold it.
    pub(super) fn value(&self, scales: &Scales, reply: &Response) -> Result<f64, Reason> {
        let scale = scales.0.get(usize::from(self.scale));
        let Scale { factor, offset, sentinels } = scale.ok_or(Reason::ConfigError)?;
        let scaling = Scaling { scale: *factor, offset: *offset, sentinels };
        plan::value(reply, usize::from(self.at), self.layout, scaling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_stays_small() {
        // Thirty values of a device in six lines of the cache.
        assert_eq!(size_of::<Read>(), 12);
    }
}
