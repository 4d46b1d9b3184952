//! What to read together: points of a link into as few requests as its devices allow. Pure.

use std::time::Duration;

use tokio_modbus::{Request, Response};

use super::pdu::{MAX_READ, MAX_READ_BITS};
use crate::control::quality::Reason;
use crate::points::{ClassId, DeviceId, Field, LinkId, Point, PointId, Table};
use crate::registers;

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

/// Plans the scanned points of `link`: joined within a device, table and class while the gap and the block
/// stay within what the device allows, never cutting a value, never touching what must not be read.
pub fn plan(field: &Field, link: LinkId) -> Plan {
    let mut wanted = Vec::new();
    for (at, point) in field.points.iter().enumerate() {
        let (Some(class), Some(device)) = (point.class, field.devices.get(point.device.0)) else { continue };
        if device.link == link {
            wanted.push((point.device, point.table, class, point.address, PointId(at), width(point)));
        }
    }
    wanted.sort_unstable();
    let mut plan = Plan::default();
    for (device, table, class, address, point, width) in wanted {
        let Some(spec) = field.devices.get(device.0) else { continue };
        let (most, gap) = if is_bits(table) {
            (spec.max_block.saturating_mul(16).clamp(1, MAX_READ_BITS), spec.max_gap.saturating_mul(16))
        } else {
            (spec.max_block.clamp(1, MAX_READ), spec.max_gap)
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
        match self.table {
            Table::Coil => Request::ReadCoils(self.start, self.count),
            Table::Discrete => Request::ReadDiscreteInputs(self.start, self.count),
            Table::Input => Request::ReadInputRegisters(self.start, self.count),
            Table::Holding => Request::ReadHoldingRegisters(self.start, self.count),
        }
    }

    /// The value of one of its points in the reply.
    ///
    /// # Errors
    ///
    /// As [`registers::decode`]; [`Reason::CommError`] when the reply does not hold the point.
    pub fn value(&self, point: &Point, reply: &Response) -> Result<f64, Reason> {
        let at = usize::from(point.address.checked_sub(self.start).ok_or(Reason::CommError)?);
        if let Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) = reply {
            let on = bits.get(at).ok_or(Reason::CommError)?;
            return registers::decode_bit(point, *on);
        }
        let (Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) = reply else {
            return Err(Reason::CommError);
        };
        registers::decode(point, words.get(at..).ok_or(Reason::CommError)?)
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
    use crate::points::{DataType, Device, Link, ScanClass, Wiring};
    use crate::shell::field::testing;
    use proptest::prelude::*;

    fn field(points: Vec<Point>, max_block: u16, max_gap: u16) -> Field {
        let name = crate::basin::Name { zh: "d".into(), en: "d".into() };
        let class = |id: &str, period_s| ScanClass { id: id.into(), period_s };
        Field {
            links: vec![Link {
                id: "l".into(),
                transport: crate::points::Transport::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], 502))),
                timeout_s: 0.5,
                connect_timeout_s: 1.0,
                window: 1,
                gap_s: 0.0,
            }],
            devices: vec![Device {
                id: "d".into(),
                name,
                link: LinkId(0),
                unit: 3,
                max_block,
                max_gap,
                boundary: None,
                forbidden: Vec::new(),
                identity: None,
                watchdog_s: None,
            }],
            points,
            derived: Vec::new(),
            classes: vec![class("fast", 1.0), class("slow", 60.0)],
            wiring: Wiring::default(),
        }
    }

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
        assert_eq!(spans(&plan(&field(points.clone(), 125, 8), LinkId(0))), [(0, 25)]);
        assert_eq!(spans(&plan(&field(points.clone(), 125, 7), LinkId(0))), [(0, 12), (20, 5)]);
        assert_eq!(spans(&plan(&field(points, 12, 125), LinkId(0))), [(0, 12), (20, 5)]);
    }

    #[test]
    fn a_value_is_never_cut() {
        let points = (0..4).map(|i| at(2 * i, DataType::F32)).collect::<Vec<_>>();
        assert_eq!(spans(&plan(&field(points.clone(), 5, 0), LinkId(0))), [(0, 4), (4, 4)]);
        let wide = plan(&field(points, 1, 0), LinkId(0));
        assert_eq!((wide.blocks.len(), wide.unreadable.len()), (0, 4));
    }

    #[test]
    fn bits_of_one_register_cannot_be_split_apart() {
        let bits = (0..6).map(|bit| Point { bit, ..at(11, DataType::Bit) });
        let field = field(bits.chain([at(12, DataType::U16)]).collect(), 125, 0);
        let block = plan(&field, LinkId(0)).blocks.remove(0);
        let (left, right) = block.split(&field).unwrap();
        assert_eq!((left.start, left.count, left.points.len()), (11, 1, 6));
        assert_eq!((right.start, right.count, right.points.len()), (12, 1, 1));
        assert_eq!((left.split(&field), right.split(&field)), (None, None));
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
            let plan = plan(&field, LinkId(0));
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
