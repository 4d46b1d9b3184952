//! What an order says in registers, and what registers say about an order: pure, so that a replay without
//! sockets writes and judges the same words.

use tokio_modbus::Request;

use super::order::{FieldAction, WriteOrder};
use crate::control::command::{CommandId, NotSent, WriteResult};
use crate::points::{Device, DeviceId, Field, GatePoints, Point, PointId, Table, Writes};
use crate::registers;

/// Command word: stop.
const STOP: u16 = 3;
/// Command word: go to the target.
const GO: u16 = 4;

/// Consecutive holding registers written by one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The device.
    pub device: DeviceId,
    /// Its unit identifier.
    pub unit: u8,
    /// First address.
    pub address: u16,
    /// What is written.
    pub words: Vec<u16>,
    /// Functions the device takes writes by.
    pub writes: Writes,
}

/// An order in the words of its device.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// Requests, in the order they are sent.
    pub runs: Vec<Run>,
    /// The register that tells afterwards whether the order stands: the target, or for a stop the command.
    pub told_by: PointId,
    /// What stands in it then.
    pub ours: Vec<u16>,
}

impl Run {
    pub(super) fn request(&self) -> Request<'_> {
        match self.words.as_slice() {
            [word] if self.writes != Writes::Multiple => Request::WriteSingleRegister(self.address, *word),
            words => Request::WriteMultipleRegisters(self.address, words.into()),
        }
    }
}

impl Words {
    /// The words of `order`; `watchdog` is the next value of the watchdog register, when the device has one.
    ///
    /// # Errors
    /// Why it cannot be written, without anything having left.
    pub fn of(field: &Field, order: &WriteOrder, watchdog: Option<u16>) -> Result<Self, WriteResult> {
        let read_only = WriteResult::NotSent(NotSent::ReadOnly);
        let points = field.wiring.gates.get(order.gate().0).ok_or(read_only)?;
        match order.action {
            FieldAction::Goto(position) => {
                let (told_by, target) = holding(field, points.target).ok_or(read_only)?;
                let ours = registers::encode(target, position).map_err(|_| WriteResult::Refused(0))?;
                let device = field.devices.get(target.device.0).ok_or(read_only)?;
                if ours.len() > 1 && device.writes == Writes::Single {
                    return Err(read_only);
                }
                let runs = going(field, order.command(), points, target, &ours, watchdog);
                Ok(Self { runs, told_by, ours })
            }
            FieldAction::Stop => {
                let (told_by, command) = holding(field, points.command).ok_or(read_only)?;
                let run = single(field, command, STOP).ok_or(read_only)?;
                Ok(Self { runs: vec![run], told_by, ours: vec![STOP] })
            }
        }
    }
}

/// A point in the table that can be written as a whole.
pub(super) fn holding(field: &Field, id: Option<PointId>) -> Option<(PointId, &Point)> {
    let id = id?;
    let point = field.points.get(id.0)?;
    (point.table == Table::Holding).then_some((id, point))
}

fn single(field: &Field, point: &Point, word: u16) -> Option<Run> {
    let Device { unit, writes, .. } = *field.devices.get(point.device.0)?;
    Some(Run { device: point.device, unit, address: point.address, words: vec![word], writes })
}

/// All registers in one request when they join without a gap, else target, sequence and last the command that
/// sets them in motion.
fn going(
    field: &Field,
    command: CommandId,
    points: &GatePoints,
    target: &Point,
    ours: &[u16],
    watchdog: Option<u16>,
) -> Vec<Run> {
    let one = |id, word: Option<u16>| single(field, holding(field, id)?.1, word?);
    let first = single(field, target, 0).map(|run| Run { words: ours.to_vec(), ..run });
    let Some(first) = first else { return Vec::new() };
    let go = one(points.command, Some(GO));
    let sequence = one(points.sequence, Some(command.register()));
    let watchdog = one(points.watchdog, watchdog);
    let parts = [Some(first), sequence, go];
    let mut all = parts.iter().flatten().cloned().chain(watchdog).collect::<Vec<_>>();
    all.sort_by_key(|run| run.address);
    let joined = all.into_iter().map(Some).reduce(|joined, next| join(joined?, next?)).flatten();
    joined.map_or_else(|| parts.into_iter().flatten().collect(), |run| vec![run])
}

/// Two runs as one, when the second begins where the first ends.
fn join(mut first: Run, second: Run) -> Option<Run> {
    let end = usize::from(first.address) + first.words.len();
    if first.device != second.device || first.writes == Writes::Single || end != usize::from(second.address) {
        return None;
    }
    first.words.extend(second.words);
    Some(first)
}

/// What `words` in the target register say about our write of `ours` over `before`.
pub fn judge(point: &Point, words: &[u16], ours: &[u16], before: Option<&[u16]>) -> WriteResult {
    if words == ours || same_value(point, words, ours) {
        WriteResult::Accepted
    } else if before.is_none_or(|before| before == words) {
        // Without a value from before nobody else can be blamed.
        WriteResult::NotDone
    } else {
        WriteResult::Foreign
    }
}

/// Whether a float came back as the device stores it: within a thousandth. A whole number comes back or does not.
fn same_value(point: &Point, a: &[u16], b: &[u16]) -> bool {
    if point.data_type.is_whole() {
        return false;
    }
    match (registers::decode(point, a), registers::decode(point, b)) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-3 * b.abs().max(1e-3),
        (Ok(_) | Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::point;
    use super::*;
    use crate::points::DataType;

    /// 100 000 and 100 001 differ by less than a thousandth; a float may be stored so, a whole number may not.
    #[test]
    fn only_floats_come_back_about_right() {
        let as_type = |data_type| Point { data_type, ..point("g/target", 0) };
        let before = Some([0, 0].as_slice());
        // 47C35000 and 47C35080 as IEEE 754 singles.
        let stored = judge(&as_type(DataType::F32), &[0x47C3, 0x5080], &[0x47C3, 0x5000], before);
        assert_eq!(stored, WriteResult::Accepted);
        let whole = [(DataType::U32, [0x1, 0x86A1], [0x1, 0x86A0]), (DataType::Bcd32, [0x10, 1], [0x10, 0])];
        for (kind, stands, ours) in whole {
            assert_eq!(judge(&as_type(kind), &stands, &ours, before), WriteResult::Foreign, "{kind:?}");
            assert_eq!(judge(&as_type(kind), &ours, &ours, before), WriteResult::Accepted, "{kind:?}");
        }
    }
}
