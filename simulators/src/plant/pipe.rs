//! A full pipe: what enters leaves after its delay, never more than it carries.

use std::collections::VecDeque;

/// Length of a slot of the delay line, s.
pub(crate) const SLOT_S: f64 = 60.0;

/// Water under way in a pipe, in slots of a minute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipe {
    /// Most it carries, m³/s.
    pub(crate) capacity: f64,
    /// Volumes by minute of arrival, m³; the first is arriving now.
    slots: VecDeque<f64>,
    /// Flow at its end during the last step, m³/s.
    pub(crate) outflow: f64,
}

impl Pipe {
    /// An empty pipe. Delays below a minute count as one.
    pub(crate) fn new(lag_s: f64, capacity: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let slots = (lag_s / SLOT_S).round().max(1.0) as usize;
        Self { capacity, slots: vec![0.0; slots + 1].into(), outflow: 0.0 }
    }

    /// Fills it with a steady flow, m³/s, when this share of the present minute is left.
    pub(crate) fn fill(&mut self, flow: f64, left: f64) {
        self.slots.iter_mut().for_each(|slot| *slot = flow * SLOT_S);
        if let Some(leaving) = self.slots.front_mut() {
            *leaving *= left;
        }
        if let Some(entering) = self.slots.back_mut() {
            *entering *= 1.0 - left;
        }
        self.outflow = flow;
    }

    /// Takes in up to its capacity over `dt` seconds; gives what it took, m³.
    pub(crate) fn enter(&mut self, volume: f64, dt: f64) -> f64 {
        let got = volume.clamp(0.0, self.capacity * dt);
        if let Some(slot) = self.slots.back_mut() {
            *slot += got;
        }
        got
    }

    /// Delivers for `dt` seconds of the `left` seconds that remain in the present slot, m³.
    pub(crate) fn deliver(&mut self, dt: f64, left: f64) -> f64 {
        let Some(slot) = self.slots.front_mut() else { return 0.0 };
        let out = if dt >= left { *slot } else { *slot * (dt / left) };
        *slot -= out;
        self.outflow = if dt > 0.0 { out / dt } else { self.outflow };
        out
    }

    /// Goes on to the next minute.
    pub(crate) fn turn(&mut self) {
        let rest = self.slots.pop_front().unwrap_or(0.0);
        if let Some(slot) = self.slots.front_mut() {
            *slot += rest;
        }
        self.slots.push_back(0.0);
    }

    /// Water in the pipe, m³.
    pub(crate) fn storage(&self) -> f64 {
        self.slots.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_water_arrives_after_the_delay_and_in_full() {
        let mut pipe = Pipe::new(600.0, 3.49);
        assert!((pipe.enter(240.0, 60.0) - 209.4).abs() < 1e-9);
        let mut arrived = Vec::new();
        for _ in 0..12 {
            arrived.push(pipe.deliver(30.0, 60.0) + pipe.deliver(30.0, 30.0));
            pipe.turn();
        }
        assert_eq!(arrived.iter().position(|v| *v > 0.0), Some(10));
        assert!((arrived[10] - 209.4).abs() < 1e-9 && pipe.storage() == 0.0);
    }
}
