//! Small values for the unit tests of the field.

use crate::points::{ByteOrder, ClassId, DataType, DeviceId, Element, Point, Role, Table};

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
