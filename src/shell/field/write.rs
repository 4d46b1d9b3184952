//! Carries out one order: fresh read, one write, read-back. Nothing is ever sent a second time.
//!
//! ```text
//! goto:  read target ─> expiry ─> write (one FC16 where registers join) ─> read target and sequence back
//! stop:  expiry ─> write command 3 ─> echo; after silence, read the command register
//! ```

use std::time::Duration;

use tokio_modbus::{Request, Response};

use super::engine::{Access, Engine};
use super::error::FieldError;
use super::order::{FieldAction, WriteOrder};
use super::words::{self, Run, Words};
use crate::basin::GateId;
use crate::control::command::{CommandId, NotSent, WriteResult};
use crate::points::{Field, GatePoints, Point, PointId, Table};
use crate::shell::clock::Clock;

/// Read-backs before the old value counts as the answer. Chosen: a controller's own cycle is 5 to 100 ms.
const READ_BACKS: u32 = 4;
/// Pause between them, real time.
const READ_BACK_PAUSE: Duration = Duration::from_millis(50);
/// Exception: accepted and running; the register will follow.
const ACKNOWLEDGE: u8 = 5;

/// A write without an answer whose register has not told yet what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unresolved {
    pub(super) gate: GateId,
    pub(super) command: CommandId,
    target: PointId,
    ours: Vec<u16>,
    before: Option<Vec<u16>>,
    /// Every request of it has left, the one that sets the gate in motion too.
    whole: bool,
}

/// What came of an order.
#[derive(Debug, PartialEq)]
pub(super) struct Done {
    pub(super) result: WriteResult,
    pub(super) unresolved: Option<Unresolved>,
}

impl From<WriteResult> for Done {
    fn from(result: WriteResult) -> Self {
        Self { result, unresolved: None }
    }
}

/// The hand that writes, for the time of one order.
pub(super) struct Hand<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) field: &'a Field,
    pub(super) clock: &'a Clock,
    pub(super) access: Access,
    /// Whether a lost connection may be opened anew in the middle of an order. Not where a device has to show who it is:
    /// that is asked after each connect, and not from here.
    pub(super) may_connect: bool,
    /// Next value of the watchdog register, when the device has one.
    pub(super) watchdog: Option<u16>,
}

/// How far a series of writes got.
enum Sent {
    /// Every request was answered as it should.
    Answered,
    /// The last request sent has no answer; `all` when none was left to send.
    Doubtful { all: bool },
    /// Ended with a result.
    Ended(WriteResult),
}

impl Hand<'_> {
    /// Carries `order` out.
    pub(super) async fn carry_out(&mut self, order: &WriteOrder) -> Done {
        if self.access == Access::Observe {
            return WriteResult::NotSent(NotSent::Observing).into();
        }
        let Some(points) = self.field.wiring.gates.get(order.gate.0).copied() else {
            return WriteResult::NotSent(NotSent::ReadOnly).into();
        };
        match order.action {
            FieldAction::Goto(_) => self.go(order, &points).await,
            FieldAction::Stop => self.stop(order).await.into(),
        }
    }

    fn expired(&self, order: &WriteOrder) -> bool {
        self.clock.mono() > order.valid_until
    }

    async fn go(&mut self, order: &WriteOrder, points: &GatePoints) -> Done {
        let Words { runs, told_by: target, ours } = match Words::of(self.field, order, self.watchdog) {
            Ok(words) => words,
            Err(refused) => return refused.into(),
        };
        let Some(point) = self.field.points.get(target.0).cloned() else {
            return WriteResult::NotSent(NotSent::ReadOnly).into();
        };
        // Read afresh: what stands there now tells an old value from a stranger's, and that the unit is there.
        let before = match self.read(&point).await {
            Ok(words) => Some(words),
            // A register that can only be written is refused as address or function.
            Err(FieldError::Refused { code: 1..=3, .. }) => None,
            Err(FieldError::Refused { code, .. }) if !is_gateway(code) => {
                return WriteResult::Refused(code).into();
            }
            Err(_) => return WriteResult::NotSent(NotSent::LinkDown).into(),
        };
        let sent = self.send(order, &runs).await;
        let unanswered = match sent {
            Sent::Ended(result) => return result.into(),
            Sent::Answered => None,
            Sent::Doubtful { all } => Some(all),
        };
        let whole = unanswered.is_none_or(|all| all);
        let pending = Unresolved { gate: order.gate, command: order.command, target, ours, before, whole };
        self.settle(points, &point, pending, unanswered).await
    }

    /// Reads back until the registers tell; after silence an old value tells nothing yet.
    async fn settle(
        &mut self,
        points: &GatePoints,
        point: &Point,
        pending: Unresolved,
        unanswered: Option<bool>,
    ) -> Done {
        let mut last = WriteResult::Unknown;
        for attempt in 0..READ_BACKS {
            if attempt > 0 {
                tokio::time::sleep_until(self.clock.real_deadline(READ_BACK_PAUSE)).await;
            }
            let Ok(words) = self.read(point).await else { break };
            last = self.judge(points, point, &pending, &words).await;
            if matches!(last, WriteResult::Accepted | WriteResult::Foreign) {
                break;
            }
        }
        match (last, unanswered) {
            // The target stands, the order to go there never left.
            (WriteResult::Accepted, Some(false)) => WriteResult::NotDone.into(),
            (WriteResult::Accepted, Some(true)) if !self.tells(points, &pending) => {
                WriteResult::Unknown.into()
            }
            (WriteResult::NotDone | WriteResult::Unknown, Some(_)) | (WriteResult::Unknown, None) => {
                Done { result: WriteResult::Unknown, unresolved: Some(pending) }
            }
            (result, _) => result.into(),
        }
    }

    /// Whether our value in the target register shows that an unanswered write was carried out: not when it stood there
    /// before, unless a sequence tells the commands apart. The gate will show it by moving, or not.
    fn tells(&self, points: &GatePoints, pending: &Unresolved) -> bool {
        let has_sequence = words::holding(self.field, points.sequence).is_some();
        (has_sequence && points.sequence_echo.is_some()) || pending.before.as_ref() != Some(&pending.ours)
    }

    /// What the target register and the sequence register say about our write. The target alone does not tell: it
    /// may have held this value before.
    async fn judge(
        &mut self,
        points: &GatePoints,
        point: &Point,
        pending: &Unresolved,
        words: &[u16],
    ) -> WriteResult {
        let told = words::judge(point, words, &pending.ours, pending.before.as_deref());
        if told == WriteResult::Accepted { self.sequence(points, pending.command).await } else { told }
    }

    /// Whether the device has taken up the command of this number; accepted where it has no such register.
    async fn sequence(&mut self, points: &GatePoints, command: CommandId) -> WriteResult {
        let written = words::holding(self.field, points.sequence).is_some();
        let echo = points.sequence_echo.and_then(|id| self.field.points.get(id.0)).cloned();
        let (true, Some(echo)) = (written, echo) else { return WriteResult::Accepted };
        match self.read(&echo).await {
            Ok(words) if words.first() == Some(&command.register()) => WriteResult::Accepted,
            Ok(_) => WriteResult::NotDone,
            // A register that cannot be read says nothing against the command.
            Err(FieldError::Refused { code: 1..=3, .. }) => WriteResult::Accepted,
            Err(_) => WriteResult::Unknown,
        }
    }

    async fn stop(&mut self, order: &WriteOrder) -> WriteResult {
        let Words { runs, told_by, ours } = match Words::of(self.field, order, None) {
            Ok(words) => words,
            Err(refused) => return refused,
        };
        let Some(point) = self.field.points.get(told_by.0).cloned() else {
            return WriteResult::NotSent(NotSent::ReadOnly);
        };
        match self.send(order, &runs).await {
            Sent::Ended(result) => result,
            Sent::Answered => WriteResult::Accepted,
            Sent::Doubtful { .. } => match self.read(&point).await {
                Ok(words) if words == ours => WriteResult::Accepted,
                // The controller may clear the word when it has obeyed: anything else tells nothing.
                Ok(_) | Err(_) => WriteResult::Unknown,
            },
        }
    }

    /// Looks again at a write without an answer.
    pub(super) async fn look_again(&mut self, pending: &Unresolved) -> WriteResult {
        let field = self.field;
        let (Some(points), Some(point)) =
            (field.wiring.gates.get(pending.gate.0), field.points.get(pending.target.0))
        else {
            return WriteResult::Unknown;
        };
        let Ok(words) = self.read(point).await else { return WriteResult::Unknown };
        let told = self.judge(points, point, pending, &words).await;
        if told != WriteResult::Accepted {
            told
        } else if !pending.whole {
            // The target stands, the order to go there never left.
            WriteResult::NotDone
        } else if self.tells(points, pending) {
            WriteResult::Accepted
        } else {
            WriteResult::Unknown
        }
    }

    /// Opens the connection anew, where that may be done here.
    async fn connect(&mut self) -> Result<(), FieldError> {
        if self.may_connect { self.engine.connect().await } else { Err(self.engine.away()) }
    }

    fn unit(&self, point: &Point) -> Option<u8> {
        self.field.devices.get(point.device.0).map(|device| device.unit)
    }

    /// Sends each request once, in order; stops at the first that is not answered as it should.
    async fn send(&mut self, order: &WriteOrder, runs: &[Run]) -> Sent {
        if self.expired(order) {
            return Sent::Ended(WriteResult::NotSent(NotSent::Expired));
        }
        for (at, run) in runs.iter().enumerate() {
            let mut answer = self.engine.request(run.unit, &run.request()).await;
            if let Err(FieldError::Unsent { .. }) = answer
                && self.connect().await.is_ok()
            {
                if at == 0 && self.expired(order) {
                    return Sent::Ended(WriteResult::NotSent(NotSent::Expired));
                }
                // Not a byte had left: this is still the first time.
                answer = self.engine.request(run.unit, &run.request()).await;
            }
            match answer {
                Ok(_) | Err(FieldError::Refused { code: ACKNOWLEDGE, .. }) => {}
                Err(FieldError::ReadOnly { .. }) => {
                    return Sent::Ended(WriteResult::NotSent(NotSent::Observing));
                }
                Err(error) if error.leaves_doubt() => return Sent::Doubtful { all: at + 1 == runs.len() },
                Err(FieldError::Refused { code, .. }) => return Sent::Ended(WriteResult::Refused(code)),
                Err(_) if at == 0 => return Sent::Ended(WriteResult::NotSent(NotSent::LinkDown)),
                Err(_) => return Sent::Doubtful { all: false },
            }
        }
        Sent::Answered
    }

    /// The registers of a point as they stand in the device; connects again once if need be.
    async fn read(&mut self, point: &Point) -> Result<Vec<u16>, FieldError> {
        if !self.engine.is_connected() {
            self.connect().await?;
        }
        let unit = self.unit(point).unwrap_or_default();
        let count = point.data_type.registers();
        let request = match point.table {
            Table::Input => Request::ReadInputRegisters(point.address, count),
            Table::Holding | Table::Coil | Table::Discrete => {
                Request::ReadHoldingRegisters(point.address, count)
            }
        };
        let mut answer = self.engine.request(unit, &request).await;
        if let Err(FieldError::Unsent { .. }) = answer {
            self.connect().await?;
            answer = self.engine.request(unit, &request).await;
        }
        let (Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) = answer? else {
            return Ok(Vec::new());
        };
        Ok(words)
    }
}

/// Exceptions of a gateway about the device behind it.
fn is_gateway(code: u8) -> bool {
    matches!(code, 0x0A | 0x0B)
}
