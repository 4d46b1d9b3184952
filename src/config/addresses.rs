//! The address table a configuration comes to, for people with the register list of a site in hand.

use std::fmt::Write as _;

use super::Config;
use super::sheet::nearest;
use crate::points::{DataType, Element, Point, Table};

/// Nothing of this name is in the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: neither device nor element nor point of the field; {remedy}")]
pub struct Unknown {
    /// As asked for.
    pub name: String,
    /// What to do.
    pub remedy: String,
}

/// Headers of the table, in order; also those of the CSV.
const COLUMNS: [&str; 18] = [
    "device", "link", "peer", "unit_id", "table", "address", "notation", "type", "bit", "order", "scale",
    "offset", "unit", "class", "period_s", "element", "role", "point",
];

/// One point, by column.
type Row = [String; COLUMNS.len()];

/// The addresses of a field, of one device, of one element or of one point: by device, table and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    rows: Vec<Row>,
}

impl Addresses {
    /// The table of `config`; of what is called `of` alone, if that is given.
    ///
    /// # Errors
    /// When nothing is called so.
    pub fn new(config: &Config, of: Option<&str>) -> Result<Self, Unknown> {
        let field = &config.field;
        let named = |point: &&Point| {
            let device = field.devices.get(point.device.0).map(|device| device.id.as_str());
            of.is_none_or(|of| device == Some(of) || element(config, point) == of || point.id == of)
        };
        let mut points: Vec<&Point> = field.points.iter().filter(named).collect();
        if let Some(of) = of.filter(|_| points.is_empty()) {
            return Err(unknown(config, of));
        }
        points.sort_by_key(|point| (point.device, point.table, point.address, point.bit));
        Ok(Self { rows: points.into_iter().map(|point| row(config, point)).collect() })
    }

    /// As aligned text: a heading for each device, then a line for each point.
    pub fn text(&self) -> String {
        let mut lines = vec![
            ["table", "address", "notation", "type", "order", "scale", "offset", "unit", "class", "point"]
                .map(str::to_owned),
        ];
        lines.extend(self.rows.iter().map(line));
        let mut widths = [0; 10];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut out = String::new();
        let mut device = None;
        let mut lines = lines.iter();
        let header = lines.next();
        for (row, line) in self.rows.iter().zip(lines) {
            let [own, link, peer, unit, ..] = row;
            if device != Some(own) {
                let gap = if device.is_some() { "\n" } else { "" };
                // Writing to a text cannot fail.
                let _ = writeln!(out, "{gap}{own}  link {link}  {peer}  unit {unit}");
                if let Some(header) = header {
                    aligned(&mut out, header, &widths);
                }
                device = Some(own);
            }
            aligned(&mut out, line, &widths);
        }
        out
    }

    /// As comma-separated values with a line of headers.
    pub fn csv(&self) -> String {
        let header = COLUMNS.map(str::to_owned);
        let mut out = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells = row.each_ref().map(|cell| escaped(cell));
            let _ = writeln!(out, "{}", cells.join(","));
        }
        out
    }
}

fn aligned(out: &mut String, line: &[String; 10], widths: &[usize; 10]) {
    let mut text = String::from("  ");
    for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
        // Addresses and factors are compared by their last digits.
        let _ = match at {
            1 | 5 | 6 => write!(text, "{cell:>width$}  "),
            _ => write!(text, "{cell:<width$}  "),
        };
    }
    let _ = writeln!(out, "{}", text.trim_end());
}

/// What of a row stands in a line of the text.
fn line(row: &Row) -> [String; 10] {
    let [
        _,
        _,
        _,
        _,
        table,
        address,
        notation,
        kind,
        bit,
        order,
        scale,
        offset,
        unit,
        class,
        period,
        _,
        role,
        point,
    ] = row.clone();
    let kind = if bit.is_empty() { kind } else { format!("{kind} {bit}") };
    let class = if period.is_empty() { class } else { format!("{class} {period} s") };
    // The role is said where the name does not say it.
    let point = if point.ends_with(&format!("/{role}")) { point } else { format!("{point} ({role})") };
    [table, address, notation, kind, order, scale, offset, unit, class, point]
}

fn row(config: &Config, point: &Point) -> Row {
    let field = &config.field;
    let device = field.devices.get(point.device.0);
    let link = device.and_then(|device| field.links.get(device.link.0));
    let class = point.class.and_then(|class| field.classes.get(class.0));
    let registers = matches!(point.table, Table::Input | Table::Holding);
    let bit = registers && point.data_type == DataType::Bit;
    [
        device.map(|device| device.id.clone()).unwrap_or_default(),
        link.map(|link| link.id.clone()).unwrap_or_default(),
        link.map(|link| link.transport.to_string()).unwrap_or_default(),
        device.map(|device| device.unit.to_string()).unwrap_or_default(),
        word(&point.table),
        point.address.to_string(),
        notation(point.table, point.address),
        word(&point.data_type),
        if bit { point.bit.to_string() } else { String::new() },
        if point.data_type.registers() > 1 { word(&point.order) } else { String::new() },
        point.scale.to_string(),
        point.offset.to_string(),
        point.unit.clone(),
        class.map_or_else(|| "written only".into(), |class| class.id.clone()),
        class.map(|class| class.period_s.to_string()).unwrap_or_default(),
        element(config, point).to_owned(),
        word(&point.role),
        point.id.clone(),
    ]
}

/// The explicit notation of an address: digit of the table, x, number counted from 1, as `4x00001`.
pub fn notation(table: Table, address: u16) -> String {
    let digit = match table {
        Table::Coil => 0,
        Table::Discrete => 1,
        Table::Input => 3,
        Table::Holding => 4,
    };
    format!("{digit}x{:05}", u32::from(address) + 1)
}

/// A value as the configuration writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Name of the element of a point; empty when it belongs to none.
fn element<'c>(config: &'c Config, point: &Point) -> &'c str {
    let name = match point.element {
        Element::Gate(at) => config.basin.gates.get(at.0).map(|gate| gate.id.as_str()),
        Element::Meter(at) => config.basin.meters.get(at.0).map(|meter| meter.id.as_str()),
        Element::None => None,
    };
    name.unwrap_or_default()
}

fn unknown(config: &Config, of: &str) -> Unknown {
    let field = &config.field;
    let devices = field.devices.iter().map(|device| device.id.as_str());
    let points = field.points.iter().flat_map(|point| [element(config, point), point.id.as_str()]);
    let remedy = match nearest(of, devices.chain(points)) {
        Some(near) => format!("did you mean {near}?"),
        None if std::path::Path::new(of).is_dir() => {
            format!("a folder goes first: qindan check {of} --addresses")
        }
        None => "name one of devices.toml, or leave it out for all".into(),
    };
    Unknown { name: of.into(), remedy }
}

/// A cell of the CSV, in quotes where it must be.
fn escaped(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notation counts from 1: the first holding register is 4x00001, the last one 4x65536.
    #[test]
    fn an_address_has_two_notations() {
        assert_eq!(notation(Table::Holding, 0), "4x00001");
        assert_eq!(notation(Table::Holding, 65_535), "4x65536");
        assert_eq!(notation(Table::Input, 108), "3x00109");
        assert_eq!(notation(Table::Coil, 3), "0x00004");
        assert_eq!(notation(Table::Discrete, 99), "1x00100");
    }

    #[test]
    fn a_cell_with_a_separator_stands_in_quotes() {
        assert_eq!(escaped("a"), "a");
        assert_eq!(escaped("a,b"), "\"a,b\"");
        assert_eq!(escaped("a\"b"), "\"a\"\"b\"");
    }
}
