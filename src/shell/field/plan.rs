//! What to read together: points of a link into as few requests as its devices allow. Pure.

use std::time::Duration;

use tokio_modbus::{Request, Response};

use super::pdu::{MAX_READ, MAX_READ_BITS};
use crate::control::quality::Reason;
use crate::points::{ClassId, DeviceId, Field, LinkId, Point, PointId, Table, Transport};
use crate::registers::{self, Layout, Scaling};

/// One request of a scan, and the points it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The device.
    pub device: DeviceId,
    /// Its unit identifier.
    pub unit: u8,
    /// Table read from.
    pub table: Table,
    /// Scan class.
    pub class: ClassId,
    /// First address.
    pub start: u16,
    /// Registers, or bits of a bit table.
    pub count: u16,
    /// Points in it, by address; every one lies wholly inside.
    pub points: Vec<PointId>,
}

/// How a link is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Requests, by device, table, class and address.
    pub blocks: Vec<Block>,
    /// Points no request can bring: they run past the end of their table or are wider than a block.
    pub unreadable: Vec<PointId>,
}

/// What a unit on a serial line takes to answer before it has been measured. Assumed: between the 5 ms of a quick one and
/// the 50 ms of a slow one.
pub const TURNAROUND: Duration = Duration::from_millis(20);

/// Plans the scanned points of `link`: joined within a device, table and class while the gap and the block
/// stay within what the device allows, never cutting a value, never touching what must not be read. On a serial line
/// the gap of a device that names none comes from the `turnaround` of its units.
pub fn plan(field: &Field, link: LinkId, turnaround: Duration) -> Plan {
    let of_link = |point: &&Wanted| field.devices.get(point.0.0).is_some_and(|device| device.link == link);
    join(field, turnaround, wanted(field).iter().filter(of_link).copied().collect())
}

/// The plans of all links, in file order, before anything was measured: each point is looked at once, however many links
/// there are.
pub fn plans(field: &Field) -> Vec<Plan> {
    let mut by_link = vec![Vec::new(); field.links.len()];
    for point in wanted(field) {
        let link = field.devices.get(point.0.0).map(|device| device.link);
        if let Some(of_link) = link.and_then(|link| by_link.get_mut(link.0)) {
            of_link.push(point);
        }
    }
    by_link.into_iter().map(|wanted| join(field, TURNAROUND, wanted)).collect()
}

/// The run of unused registers at which one read costs as much as two: on a serial line another request takes thirteen
/// characters, two silences and a turnaround, another register two characters. On TCP a register costs nothing beside
/// a round trip.
pub fn break_even(transport: &Transport, turnaround: Duration) -> u16 {
    match transport {
        Transport::Tcp(_) | Transport::Tls { .. } => MAX_READ,
        Transport::RtuOverTcp { line, .. } | Transport::Rtu { line, .. } => {
            let request = line.wire(13) + 2 * line.silence() + turnaround;
            u16::try_from(request.as_nanos() / line.wire(2).as_nanos().max(1))
                .unwrap_or(MAX_READ)
                .min(MAX_READ)
        }
    }
}

/// A scanned point, in the order of planning: device, table, class, address, which, registers.
type Wanted = (DeviceId, Table, ClassId, u16, PointId, u16);

fn wanted(field: &Field) -> Vec<Wanted> {
    let points = field.points.iter().enumerate();
    points
        .filter_map(|(at, point)| {
            Some((point.device, point.table, point.class?, point.address, PointId(at), width(point)))
        })
        .collect()
}

fn join(field: &Field, turnaround: Duration, mut wanted: Vec<Wanted>) -> Plan {
    wanted.sort_unstable();
    let mut plan = Plan::default();
    for (device, table, class, address, point, width) in wanted {
        let Some(spec) = field.devices.get(device.0) else { continue };
        let gap = spec.max_gap.unwrap_or_else(|| {
            let link = field.links.get(spec.link.0);
            link.map_or(0, |link| break_even(&link.transport, turnaround))
        });
        let (most, gap) = if is_bits(table) {
            (spec.max_block.saturating_mul(16).clamp(1, MAX_READ_BITS), gap.saturating_mul(16))
        } else {
            (spec.max_block.clamp(1, MAX_READ), gap)
        };
        let (first, last) = (u32::from(address), u32::from(address) + u32::from(width) - 1);
        if width > most || last > 65_535 || !spec.may_read(table, first, last) {
            plan.unreadable.push(point);
            continue;
        }
        let joined = plan.blocks.last_mut().is_some_and(|block| {
            (block.device, block.table, block.class) == (device, table, class)
                && spec.may_read(table, u32::from(block.start), last)
                && block.join(address, width, most, gap)
        });
        if joined {
            if let Some(block) = plan.blocks.last_mut() {
                block.points.push(point);
            }
        } else {
            let unit = spec.unit;
            let points = vec![point];
            plan.blocks.push(Block { device, unit, table, class, start: address, count: width, points });
        }
    }
    plan
}

fn is_bits(table: Table) -> bool {
    match table {
        Table::Coil | Table::Discrete => true,
        Table::Input | Table::Holding => false,
    }
}

fn width(point: &Point) -> u16 {
    if is_bits(point.table) { 1 } else { point.data_type.registers() }
}

/// The value `at` that place of the reply to a read.
pub(super) fn value(
    reply: &Response,
    at: usize,
    layout: Layout,
    scaling: Scaling<'_>,
) -> Result<f64, Reason> {
    if let Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) = reply {
        return registers::decode_bit_as(layout, scaling, *bits.get(at).ok_or(Reason::CommError)?);
    }
    let (Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) = reply else {
        return Err(Reason::CommError);
    };
    registers::decode_as(layout, scaling, words.get(at..).ok_or(Reason::CommError)?)
}

/// The read of `count` registers or bits from `start`.
pub(super) fn request(table: Table, start: u16, count: u16) -> Request<'static> {
    match table {
        Table::Coil => Request::ReadCoils(start, count),
        Table::Discrete => Request::ReadDiscreteInputs(start, count),
        Table::Input => Request::ReadInputRegisters(start, count),
        Table::Holding => Request::ReadHoldingRegisters(start, count),
    }
}

impl Block {
    /// Grows to take in `width` items at `address` (not before the start), if that stays allowed.
    fn join(&mut self, address: u16, width: u16, most: u16, gap: u16) -> bool {
        let (start, end) = (u32::from(self.start), u32::from(self.start) + u32::from(self.count));
        let (from, to) = (u32::from(address), u32::from(address) + u32::from(width));
        if from > end + u32::from(gap) || to.max(end) - start > u32::from(most) {
            return false;
        }
        self.count = u16::try_from(to.max(end) - start).unwrap_or(self.count);
        true
    }

    /// The request that reads it.
    pub fn request(&self) -> Request<'static> {
        request(self.table, self.start, self.count)
    }

    /// The value of one of its points in the reply.
    ///
    /// # Errors
    ///
    /// As [`registers::decode`]; [`Reason::CommError`] when the reply does not hold the point.
    pub fn value(&self, point: &Point, reply: &Response) -> Result<f64, Reason> {
        let at = usize::from(point.address.checked_sub(self.start).ok_or(Reason::CommError)?);
        value(reply, at, Layout::of(point), Scaling::of(point))
    }

    /// Two smaller requests for the same points, or `None` when all of them share one address.
    pub fn split(&self, field: &Field) -> Option<(Self, Self)> {
        let address = |id: &PointId| field.points.get(id.0).map(|point| point.address);
        let middle = self.points.len() / 2;
        // The border between two addresses that lies nearest to the middle.
        let border = (1..self.points.len())
            .filter(|at| self.points.get(at - 1).map(address) != self.points.get(*at).map(address))
            .min_by_key(|at| at.abs_diff(middle))?;
        let (left, right) = self.points.split_at_checked(border)?;
        Some((self.part(field, left)?, self.part(field, right)?))
    }

    fn part(&self, field: &Field, points: &[PointId]) -> Option<Self> {
        let spans = points.iter().filter_map(|id| field.points.get(id.0));
        let ends = spans.clone().map(|point| u32::from(point.address) + u32::from(width(point)));
        let start = spans.map(|point| point.address).min()?;
        let count = u16::try_from(ends.max()? - u32::from(start)).ok()?;
        Some(Self { start, count, points: points.to_vec(), ..self.clone() })
    }

    /// How long between two reads, service time.
    pub fn period(&self, field: &Field) -> Duration {
        let period_s = field.classes.get(self.class.0).map_or(60.0, |class| class.period_s);
        Duration::try_from_secs_f64(period_s)
            .unwrap_or(Duration::from_secs(60))
            .max(Duration::from_millis(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::DataType;
    use crate::shell::field::testing::{self, field};
    use proptest::prelude::*;

    fn at(address: u16, data_type: DataType) -> Point {
        Point { address, data_type, ..testing::point("p", 0) }
    }

    fn spans(plan: &Plan) -> Vec<(u16, u16)> {
        plan.blocks.iter().map(|block| (block.start, block.count)).collect()
    }

    /// The gate box: 0..=11, then 20..=24; the gap of 8 is read along only when allowed.
    #[test]
    fn a_gate_box_is_one_request_when_its_gap_is_allowed() {
        let points = [0, 2, 4, 11, 20, 21, 24].map(|address| at(address, DataType::U16)).to_vec();
        assert_eq!(spans(&plan(&field(points.clone(), 125, 8), LinkId(0), TURNAROUND)), [(0, 25)]);
        assert_eq!(spans(&plan(&field(points.clone(), 125, 7), LinkId(0), TURNAROUND)), [(0, 12), (20, 5)]);
        assert_eq!(spans(&plan(&field(points, 12, 125), LinkId(0), TURNAROUND)), [(0, 12), (20, 5)]);
    }

    #[test]
    fn a_value_is_never_cut() {
        let points = (0..4).map(|i| at(2 * i, DataType::F32)).collect::<Vec<_>>();
        assert_eq!(spans(&plan(&field(points.clone(), 5, 0), LinkId(0), TURNAROUND)), [(0, 4), (4, 4)]);
        let wide = plan(&field(points, 1, 0), LinkId(0), TURNAROUND);
        assert_eq!((wide.blocks.len(), wide.unreadable.len()), (0, 4));
    }

    #[test]
    fn bits_of_one_register_cannot_be_split_apart() {
        let bits = (0..6).map(|bit| Point { bit, ..at(11, DataType::Bit) });
        let field = field(bits.chain([at(12, DataType::U16)]).collect(), 125, 0);
        let block = plan(&field, LinkId(0), TURNAROUND).blocks.remove(0);
        let (left, right) = block.split(&field).unwrap();
        assert_eq!((left.start, left.count, left.points.len()), (11, 1, 6));
        assert_eq!((right.start, right.count, right.points.len()), (12, 1, 1));
        assert_eq!((left.split(&field), right.split(&field)), (None, None));
    }

    /// Table of the field notes, 6: g for a turnaround of 5 and 20 ms.
    #[test]
    fn a_gap_is_read_along_while_that_costs_no_more_than_a_request() {
        let rows = [
            (1200, 10, 11),
            (2400, 11, 12),
            (9600, 12, 19),
            (19_200, 14, 27),
            (38_400, 21, 48),
            (57_600, 29, 68),
        ];
        for (baud, quick, slow) in rows.into_iter().chain([(115_200, 51, 125)]) {
            let line = crate::points::SerialLine { baud, ..Default::default() };
            let transport = Transport::Rtu { path: "/dev/ttyS0".into(), line };
            let gap = |ms| i32::from(break_even(&transport, Duration::from_millis(ms)));
            // The table is rounded.
            assert!(
                (gap(5) - quick).abs() <= 1 && (gap(20) - slow).abs() <= 1,
                "{baud}: {} {}",
                gap(5),
                gap(20)
            );
        }
    }

    #[test]
    fn without_a_gap_of_its_own_a_device_on_tcp_is_read_whole() {
        let points = [0, 90].map(|address| at(address, DataType::U16)).to_vec();
        let mut field = field(points, 125, 0);
        field.devices[0].max_gap = None;
        assert_eq!(spans(&plan(&field, LinkId(0), TURNAROUND)), [(0, 91)]);
        let line = crate::points::SerialLine::default();
        field.links[0].transport = Transport::Rtu { path: "/dev/ttyS0".into(), line };
        assert_eq!(spans(&plan(&field, LinkId(0), TURNAROUND)), [(0, 1), (90, 1)]);
        // A unit that takes 200 ms makes even 90 unused registers the cheaper way: (14.9 + 8 + 200) / 2.29 = 97.
        assert_eq!(spans(&plan(&field, LinkId(0), Duration::from_millis(200))), [(0, 91)]);
    }

    proptest! {
        #[test]
        fn every_point_is_in_exactly_one_block_whole(
            addresses in prop::collection::vec((any::<u16>(), 0..4_usize, 0..2_usize), 1..60),
            max_block in 4..=125_u16, max_gap in 0..50_u16,
        ) {
            let kinds = [DataType::U16, DataType::F32, DataType::F64, DataType::Bit];
            let points = addresses.iter().map(|(address, kind, class)| {
                Point { class: Some(ClassId(*class)), ..at(*address, kinds[*kind]) }
            });
            let field = field(points.collect(), max_block, max_gap);
            let plan = plan(&field, LinkId(0), TURNAROUND);
            let mut seen = vec![0; field.points.len()];
            for block in &plan.blocks {
                prop_assert!(block.count >= 1 && block.count <= max_block);
                for id in &block.points {
                    let point = &field.points[id.0];
                    seen[id.0] += 1;
                    prop_assert_eq!(point.class, Some(block.class));
                    prop_assert!(point.address >= block.start);
                    prop_assert!(
                        u32::from(point.address) + u32::from(point.data_type.registers())
                            <= u32::from(block.start) + u32::from(block.count)
                    );
                }
            }
            plan.unreadable.iter().for_each(|id| seen[id.0] += 1);
            prop_assert!(seen.iter().all(|times| *times == 1));
        }
    }
}
