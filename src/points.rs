//! The field as checked values: links, devices, points, and which point belongs to which element of the basin.
//!
//! A *point* is one value behind one Modbus address. The list order is the order of `devices.toml`, and a
//! [`PointId`] is a position in it, so readings are dense arrays and nothing is looked up by name while running.

mod link;

pub use link::{Link, Parity, SerialLine, TlsFiles, Transport};

use serde::{Deserialize, Serialize};

use crate::basin::{GateId, MeterId, Name};

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub usize);
    )*};
}

index! {
    /// Position in [`Field::links`].
    LinkId;
    /// Position in [`Field::devices`].
    DeviceId;
    /// Position in [`Field::points`], or behind them in [`Field::derived`].
    PointId;
    /// Position in [`Field::classes`].
    ClassId;
}

/// Everything that is reached over Modbus.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// One peer each: one connection, one task.
    pub links: Vec<Link>,
    /// Units behind the links.
    pub devices: Vec<Device>,
    /// All values behind an address, in file order.
    pub points: Vec<Point>,
    /// Names of values computed from others, as `q.duanshi/value`, in the order of [`crate::basin::Basin::ratings`]. Their
    /// [`PointId`]s follow those of the points.
    pub derived: Vec<String>,
    /// Scan periods.
    pub classes: Vec<ScanClass>,
    /// Points by element.
    pub wiring: Wiring,
}

/// One Modbus unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// The link it is behind.
    pub link: LinkId,
    /// Unit identifier, 0..=255 on TCP.
    pub unit: u8,
    /// Most registers one read may ask for, 1..=125.
    pub max_block: u16,
    /// Largest run of unused registers read along to save a request; without it as many as cost no more than the
    /// request saved.
    pub max_gap: Option<u16>,
    /// No read may cross a multiple of it.
    pub boundary: Option<u16>,
    /// Addresses that are never read, not even along.
    pub forbidden: Vec<Range>,
    /// Functions it takes writes by.
    pub writes: Writes,
    /// Other unit identifiers it may answer with, on TCP: some gateways put their own into the reply.
    pub accept_unit_ids: Vec<u8>,
    /// What it must show before anything else is believed or sent.
    pub identity: Option<Identity>,
    /// Period of watchdog writes, simulated seconds, for a device that stops without them.
    pub watchdog_s: Option<f64>,
    /// How its gates come back after it has acted by itself; for a device that shows it ([`Role::Fallback`]).
    pub watchdog_return: Option<WatchdogReturn>,
}

/// How a gate comes back after its box has acted by itself because its watchdog ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogReturn {
    /// When a person gives it back to automatic.
    Operator,
    /// When the box says that it obeys again.
    Auto,
}

impl Device {
    /// Most registers one read may ask for. Source: Modbus Application Protocol 1.1b3, 6.3.
    pub const MAX_BLOCK: u16 = 125;

    /// A device with no wishes of its own: blocks of [`Device::MAX_BLOCK`] with up to eight unused registers read along, every
    /// way of writing, no identity, no watchdog.
    pub fn plain(id: impl Into<String>, name: Name, link: LinkId, unit: u8) -> Self {
        Self {
            id: id.into(),
            name,
            link,
            unit,
            max_block: Self::MAX_BLOCK,
            max_gap: Some(8),
            boundary: None,
            forbidden: Vec::new(),
            writes: Writes::Both,
            accept_unit_ids: Vec::new(),
            identity: None,
            watchdog_s: None,
            watchdog_return: None,
        }
    }

    /// Whether one request may read `first` to `last` of a table.
    pub fn may_read(&self, table: Table, first: u32, last: u32) -> bool {
        let crosses =
            |boundary: u16| boundary > 0 && first / u32::from(boundary) != last / u32::from(boundary);
        let touches = |range: &Range| {
            range.table == table && first <= u32::from(range.to) && last >= u32::from(range.from)
        };
        !self.boundary.is_some_and(crosses) && !self.forbidden.iter().any(touches)
    }
}

/// Functions a device takes writes of registers by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// Function 6 for one register, 16 for several in one request.
    #[default]
    Both,
    /// Function 6 alone: one register after the other.
    Single,
    /// Function 16 alone, for one register too.
    Multiple,
}

/// Addresses of a table, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Table.
    pub table: Table,
    /// First.
    pub from: u16,
    /// Last.
    pub to: u16,
}

/// How a device is known to be the one of the configuration: asked after each connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Registers that hold fixed words.
    Words {
        /// Table, input or holding.
        table: Table,
        /// First address.
        address: u16,
        /// What stands there.
        words: Vec<u16>,
    },
    /// Device identification, function 43/14: object number and text.
    Objects(Vec<(u8, String)>),
}

/// Period at which points are read, in service time.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanClass {
    /// Identifier.
    pub id: String,
    /// Period, s.
    pub period_s: f64,
    /// A reading older than this is stale, s; at least the period.
    pub stale_s: f64,
}

impl ScanClass {
    /// Periods after which a reading is stale when the configuration says nothing else.
    pub const STALE_SCANS: f64 = 3.0;

    /// A class whose readings are stale after [`ScanClass::STALE_SCANS`] periods.
    pub fn new(id: impl Into<String>, period_s: f64) -> Self {
        Self { id: id.into(), period_s, stale_s: Self::STALE_SCANS * period_s }
    }
}

/// Modbus table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Read-write bits, FC 1, 5, 15.
    Coil,
    /// Read-only bits, FC 2.
    Discrete,
    /// Read-only registers, FC 4.
    Input,
    /// Read-write registers, FC 3, 6, 16.
    Holding,
}

/// How registers make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// Unsigned 16 bit.
    U16,
    /// Signed 16 bit.
    I16,
    /// Unsigned 32 bit.
    U32,
    /// Signed 32 bit.
    I32,
    /// Unsigned 64 bit, as far as `f64` holds whole numbers: 2⁵³ − 1.
    U64,
    /// Signed 64 bit, likewise.
    I64,
    /// IEEE 754 single.
    F32,
    /// IEEE 754 double.
    F64,
    /// Four decimal digits, four bits each: 0x1234 is 1234.
    Bcd16,
    /// Eight decimal digits.
    Bcd32,
    /// One bit of a register (see [`Point::bit`]), or a coil or discrete input: 0 or 1.
    Bit,
}

impl DataType {
    /// Registers it takes (a bit in a register takes one).
    pub const fn registers(self) -> u16 {
        match self {
            Self::U16 | Self::I16 | Self::Bcd16 | Self::Bit => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Bcd32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    /// Whether its raw numbers are whole.
    pub const fn is_whole(self) -> bool {
        match self {
            Self::U16
            | Self::I16
            | Self::U32
            | Self::I32
            | Self::U64
            | Self::I64
            | Self::Bcd16
            | Self::Bcd32
            | Self::Bit => true,
            Self::F32 | Self::F64 => false,
        }
    }
}

/// Order of bytes on the wire, named by the value 0xAABBCCDD in two registers.
///
/// The same two choices, which word and which byte of a word comes first, hold for every width:
///
/// | order | 2 registers, 0xAABBCCDD | 4 registers, 0xAABBCCDDEEFF0011 | 1 register, 0xAABB |
/// | --- | --- | --- | --- |
/// | ABCD | AABB CCDD | AABB CCDD EEFF 0011 | AABB |
/// | CDAB | CCDD AABB | 0011 EEFF CCDD AABB | AABB |
/// | BADC | BBAA DDCC | BBAA DDCC FFEE 1100 | BBAA |
/// | DCBA | DDCC BBAA | 1100 FFEE DDCC BBAA | BBAA |
///
/// Four registers in CDAB are reversed whole; a device that only swaps within each half (CCDD AABB 0011 EEFF) has
/// an order of its own that is not supported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ByteOrder {
    /// High word first, high byte first.
    #[default]
    #[serde(rename = "ABCD")]
    Abcd,
    /// Low word first, high byte first.
    #[serde(rename = "CDAB")]
    Cdab,
    /// High word first, low byte first.
    #[serde(rename = "BADC")]
    Badc,
    /// Low word first, low byte first.
    #[serde(rename = "DCBA")]
    Dcba,
}

/// What a point means to its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The measured value of a meter, in the meter's unit.
    Value,
    /// Present position of a gate, in its stroke unit.
    Position,
    /// Target position, in the stroke unit; read back and written.
    Target,
    /// Command word: 3 stop, 4 go to target (layout A); written.
    Command,
    /// Watchdog counter; written.
    Watchdog,
    /// Sequence of the newest command; written.
    Sequence,
    /// Echo of the sequence by the device.
    SequenceEcho,
    /// 1 while the key stands on remote.
    Remote,
    /// 1 while the emergency stop is pressed.
    Estop,
    /// 1 while opening.
    MovingOpen,
    /// 1 while shutting.
    MovingShut,
    /// 1 at the upper limit switch.
    TopLimit,
    /// 1 at the lower limit switch.
    BottomLimit,
    /// 1 on any drive fault (overload, phase loss, sensor fault).
    Fault,
    /// 1 after a unit trip.
    Trip,
    /// 1 while the box acts by itself because its watchdog ran out.
    Fallback,
    /// Flow through the gate as its box reports it, m³/s.
    Flow,
    /// Level above, m above the datum.
    LevelUp,
    /// Level below, m above the datum.
    LevelDown,
    /// Hoist load or power: shown only.
    Load,
    /// Shown only.
    Other,
}

/// What a point belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// A gate, valve, flap or turbine.
    Gate(GateId),
    /// A meter.
    Meter(MeterId),
    /// Nothing the basin knows; shown only.
    None,
}

/// One value behind one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// `ELEMENT/ROLE`, unique, as `zf.eco.v1/position`.
    pub id: String,
    /// The unit it is read from.
    pub device: DeviceId,
    /// Table.
    pub table: Table,
    /// Zero-based PDU address.
    pub address: u16,
    /// Encoding.
    pub data_type: DataType,
    /// Byte order of multi-register values.
    pub order: ByteOrder,
    /// Bit number for [`DataType::Bit`] in a register, 0 = least significant.
    pub bit: u8,
    /// value = raw · scale + offset.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// Raw values (before scale, as a number) that mean "no value".
    pub sentinels: Vec<f64>,
    /// Least credible value after scaling.
    pub min: Option<f64>,
    /// Largest credible value after scaling.
    pub max: Option<f64>,
    /// Unit for the screens.
    pub unit: String,
    /// Scan class; `None` for points that are written only.
    pub class: Option<ClassId>,
    /// What it belongs to.
    pub element: Element,
    /// What it means there.
    pub role: Role,
}

/// Points by element, resolved once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wiring {
    /// By [`MeterId`]: the point with its value, or the derived value.
    pub meters: Vec<Option<PointId>>,
    /// By [`GateId`].
    pub gates: Vec<GatePoints>,
}

/// The points of one gate; `None` where the site has no such register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatePoints {
    /// [`Role::Position`].
    pub position: Option<PointId>,
    /// [`Role::Target`].
    pub target: Option<PointId>,
    /// [`Role::Command`].
    pub command: Option<PointId>,
    /// [`Role::Watchdog`].
    pub watchdog: Option<PointId>,
    /// [`Role::Sequence`].
    pub sequence: Option<PointId>,
    /// [`Role::SequenceEcho`].
    pub sequence_echo: Option<PointId>,
    /// [`Role::Remote`].
    pub remote: Option<PointId>,
    /// [`Role::Estop`].
    pub estop: Option<PointId>,
    /// [`Role::MovingOpen`].
    pub moving_open: Option<PointId>,
    /// [`Role::MovingShut`].
    pub moving_shut: Option<PointId>,
    /// [`Role::Fault`].
    pub fault: Option<PointId>,
    /// [`Role::Trip`].
    pub trip: Option<PointId>,
    /// [`Role::Fallback`].
    pub fallback: Option<PointId>,
    /// [`Role::Flow`].
    pub flow: Option<PointId>,
}

impl Field {
    /// Names of all values in the order of the readings: points, then what is derived.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.points.iter().map(|point| point.id.as_str()).chain(self.derived.iter().map(String::as_str))
    }

    /// The point called `id`.
    pub fn point(&self, id: &str) -> Option<PointId> {
        self.points.iter().position(|point| point.id == id).map(PointId)
    }

    /// Period of a point, s; `None` when it is not scanned.
    pub fn period_s(&self, point: PointId) -> Option<f64> {
        let class = self.points.get(point.0)?.class?;
        self.classes.get(class.0).map(|class| class.period_s)
    }

    /// Age at which a reading of a point is stale, s; `None` when it is not scanned.
    pub fn stale_s(&self, point: PointId) -> Option<f64> {
        let class = self.points.get(point.0)?.class?;
        self.classes.get(class.0).map(|class| class.stale_s)
    }
}
