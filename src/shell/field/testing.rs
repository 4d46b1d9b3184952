//! Small values for the unit tests of the field.

use std::net::SocketAddr;

use crate::basin::Name;
use crate::points::{
    ByteOrder, ClassId, DataType, Device, DeviceId, Element, Field, Link, LinkId, Point, Role, ScanClass,
    Table, Transport, Wiring,
};

/// A holding register of a device, scanned in the first class.
pub(super) fn point(id: &str, device: usize) -> Point {
    Point {
        id: id.into(),
        device: DeviceId(device),
        table: Table::Holding,
        address: 0,
        data_type: DataType::U16,
        order: ByteOrder::Abcd,
        bit: 0,
        scale: 1.0,
        offset: 0.0,
        sentinels: Vec::new(),
        min: None,
        max: None,
        unit: String::new(),
        class: Some(ClassId(0)),
        element: Element::None,
        role: Role::Other,
    }
}

/// One device, unit 3, behind one link.
pub(super) fn field(points: Vec<Point>, max_block: u16, max_gap: u16) -> Field {
    let name = Name { zh: "d".into(), en: "d".into() };
    let class = ScanClass::new;
    Field {
        links: vec![Link {
            id: "l".into(),
            transport: Transport::Tcp(SocketAddr::from(([127, 0, 0, 1], 502))),
            timeout_s: 0.5,
            connect_timeout_s: 1.0,
            window: 1,
            gap_s: 0.0,
        }],
        devices: vec![Device { max_block, max_gap: Some(max_gap), ..Device::plain("d", name, LinkId(0), 3) }],
        points,
        derived: Vec::new(),
        classes: vec![class("fast", 1.0), class("slow", 60.0)],
        wiring: Wiring::default(),
    }
}
