//! What is handed to a field task: a cleared command in the units of its registers.

use std::time::Duration;

use crate::basin::{Basin, GateId};
use crate::control::command::{Action, CommandId};
use crate::control::interlock::Cleared;

/// What the registers shall say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldAction {
    /// Go to this position, in the stroke unit of the gate. Absolute, never a step.
    Goto(f64),
    /// Stop where you are.
    Stop,
}

/// One write, to be sent at most once. Only a [`Cleared`] command becomes one.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteOrder {
    pub(super) command: CommandId,
    pub(super) gate: GateId,
    pub(super) action: FieldAction,
    pub(super) valid_until: Duration,
}

impl WriteOrder {
    /// The order for a cleared command; `None` when `basin` has no such gate.
    pub fn from_cleared(cleared: &Cleared, basin: &Basin) -> Option<Self> {
        let gate = basin.gates.get(cleared.gate().0)?;
        let action = match cleared.action() {
            Action::Goto(opening) => FieldAction::Goto(gate.stroke.position(opening)),
            Action::Stop => FieldAction::Stop,
        };
        Some(Self { command: cleared.id(), gate: cleared.gate(), action, valid_until: cleared.valid_until() })
    }

    /// Its command.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// Its gate.
    pub fn gate(&self) -> GateId {
        self.gate
    }
}
