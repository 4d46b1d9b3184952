//! Gates whose box has acted by itself: its watchdog ran out, and it did what `on_link_loss` says. What it did is not
//! undone at once, nor by the first command that happens to come.
//!
//! ```text
//! Obeys ──it acts──> Acts ──obeys again, auto──> Obeys
//!   ^                 ^ └──obeys again, operator──> Waits ──given back to automatic──> Obeys
//!   └─────────────────┴──────────it acts──────────────┘
//! ```

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::alarm::Condition;
use super::controller::Controller;
use crate::basin::GateId;
use crate::points::WatchdogReturn;

/// What is known of one box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// It obeys, or has no way to show that it does not.
    #[default]
    Obeys,
    /// It acts by itself.
    Acts,
    /// It obeys again; a person has to give the gate back.
    Waits,
}

impl Fallback {
    /// After a reading of what it shows; without a usable one (`None`) nothing is known anew.
    fn next(self, acts: Option<bool>, back: WatchdogReturn) -> Self {
        match (self, acts, back) {
            (Self::Obeys | Self::Acts | Self::Waits, Some(true), _) | (Self::Acts, None, _) => Self::Acts,
            (Self::Acts, Some(false), WatchdogReturn::Operator) | (Self::Waits, Some(false) | None, _) => {
                Self::Waits
            }
            (Self::Acts, Some(false), WatchdogReturn::Auto) | (Self::Obeys, Some(false) | None, _) => {
                Self::Obeys
            }
        }
    }

    /// A person has looked and gives the gate back to automatic.
    fn given_back(self) -> Self {
        match self {
            Self::Obeys | Self::Waits => Self::Obeys,
            Self::Acts => Self::Acts,
        }
    }
}

impl Controller {
    /// Looks at the boxes. Where one has acted by itself, position and set-point are taken over as they are found: they
    /// were moved by nobody else.
    pub(super) fn look_at_boxes(&mut self) {
        self.carry.fallbacks.resize(self.basin.gates.len(), Fallback::default());
        for ((state, memory), points) in
            self.carry.fallbacks.iter_mut().zip(&mut self.gates).zip(&self.field.wiring.gates)
        {
            let Some(point) = points.fallback else { continue };
            let device = self.field.points.get(point.0).and_then(|p| self.field.devices.get(p.device.0));
            let back = device.and_then(|d| d.watchdog_return).unwrap_or(WatchdogReturn::Operator);
            let reading = self.readings.get(point.0).and_then(super::quality::Reading::usable);
            *state = state.next(reading.map(|value| value >= 0.5), back);
            if *state != Fallback::Obeys {
                (memory.known_target, memory.rest) = (None, None);
            }
        }
    }

    /// Whether the box of a gate has acted by itself and is not to be commanded by itself yet.
    pub(super) fn has_fallen_back(&self, gate: GateId) -> bool {
        self.carry.fallbacks.get(gate.0).is_some_and(|state| *state != Fallback::Obeys)
    }

    /// A person gives a gate back to automatic.
    pub(super) fn give_back_box(&mut self, gate: GateId) {
        if let Some(state) = self.carry.fallbacks.get_mut(gate.0) {
            *state = state.given_back();
        }
    }

    /// Boxes that have acted by themselves.
    pub(super) fn fallbacks(&self, out: &mut Vec<Condition>) {
        for ((gate, facts), state) in self.basin.gates.iter().zip(&self.facts).zip(&self.carry.fallbacks) {
            if *state != Fallback::Obeys {
                out.push(Condition::new("A43", &gate.id, json!({ "opening": facts.opening, "box": state })));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_has_acted_waits_for_a_person_or_comes_back_as_configured() {
        use WatchdogReturn::{Auto, Operator};
        let acts = Fallback::Obeys.next(Some(true), Operator);
        assert_eq!(acts, Fallback::Acts);
        // Nobody gives back what still acts, and silence is no sign.
        assert_eq!((acts.given_back(), acts.next(None, Auto)), (Fallback::Acts, Fallback::Acts));
        assert_eq!(acts.next(Some(false), Auto), Fallback::Obeys);
        let waits = acts.next(Some(false), Operator);
        assert_eq!((waits, waits.next(Some(false), Operator)), (Fallback::Waits, Fallback::Waits));
        assert_eq!(waits.next(None, Operator), Fallback::Waits);
        assert_eq!(waits.next(Some(true), Operator), Fallback::Acts);
        assert_eq!(waits.given_back(), Fallback::Obeys);
        assert_eq!(Fallback::Obeys.next(None, Operator), Fallback::Obeys);
    }
}
