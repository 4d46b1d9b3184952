//! A vendor's register list (CSV) to a device template. Nothing is guessed: what the list does not say is a problem,
//! and all of them are named at once.

mod address;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::value::{Error as PlainError, StrDeserializer};
use sha2::{Digest, Sha256};

pub use address::First;
use rows::{NoTable, Row};

use super::addresses::{notation, word};
use super::check::layouts::{ROLES, role_named};
use super::check::registers::width;
use super::files::hex;
use super::problem::Problem;
use super::sheet::{line_of, nearest, plain, quoted};
use crate::points::{ByteOrder, DataType, Role, Table};

/// Columns a list may have; the first three it must have.
const COLUMNS: [&str; 15] = [
    "name",
    "address",
    "type",
    "table",
    "bit",
    "order",
    "scale",
    "offset",
    "unit",
    "role",
    "min",
    "max",
    "sentinels",
    "written_only",
    "remark",
];
const NEEDED: usize = 3;

/// What is made of a list.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Name of the file, for problems and for the origin of the numbers.
    pub file: &'a str,
    /// Name of the layout.
    pub layout: &'a str,
    /// What device has it; without it the name of the file is said.
    pub about: Option<&'a str>,
    /// From which number plain addresses count.
    pub first: Option<First>,
}

/// The template a list comes to, as TOML.
///
/// # Errors
/// Everything that is wrong with the list.
pub fn template(bytes: &[u8], wanted: Wanted<'_>) -> Result<String, Vec<Problem>> {
    let mut list = List { file: wanted.file, first: wanted.first, problems: Vec::new() };
    let registers = list.read(bytes);
    list.apart(&registers);
    if list.problems.is_empty() {
        return Ok(write(&registers, bytes, wanted));
    }
    list.problems.sort();
    Err(list.problems)
}

/// One point of the list.
struct Register {
    line: usize,
    name: String,
    table: Table,
    address: u16,
    data_type: DataType,
    bit: Option<u8>,
    role: Role,
    /// Keys that are written as the list gives them.
    more: Vec<(&'static str, String)>,
    remark: String,
}

/// A list being read.
struct List<'a> {
    file: &'a str,
    first: Option<First>,
    problems: Vec<Problem>,
}

/// One row by column.
struct Cells<'r> {
    line: usize,
    by_column: BTreeMap<&'static str, &'r str>,
}

impl<'r> Cells<'r> {
    /// What stands in a column; `None` for nothing.
    fn get(&self, column: &str) -> Option<&'r str> {
        self.by_column.get(column).copied().filter(|cell| !cell.is_empty())
    }
}

impl List<'_> {
    fn complain(
        &mut self,
        line: usize,
        (key, value): (&str, &str),
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: self.file.into(),
            line: Some(line),
            key: key.into(),
            value: (!value.is_empty()).then(|| value.into()),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// The registers as far as they are right.
    fn read(&mut self, bytes: &[u8]) -> Vec<Register> {
        let Some(rows) = self.rows(bytes) else { return Vec::new() };
        let mut rows = rows.iter();
        let Some(columns) = rows.next().and_then(|header| self.columns(header)) else { return Vec::new() };
        if rows.len() == 0 {
            self.complain(1, ("", ""), "has headers and no registers", "give a row for each register");
        }
        let mut registers = Vec::new();
        for row in rows {
            if row.cells.len() != columns.len() {
                let what = format!("has {} cells, but the headers are {}", row.cells.len(), columns.len());
                self.complain(row.line, ("", ""), what, "put cells with a separator in them into quotes");
                continue;
            }
            let by_column = columns.iter().copied().zip(row.cells.iter().map(String::as_str)).collect();
            registers.extend(self.register(&Cells { line: row.line, by_column }));
        }
        registers
    }

    fn rows(&mut self, bytes: &[u8]) -> Option<Vec<Row>> {
        let text = match std::str::from_utf8(bytes) {
            // The mark some spreadsheets put before UTF-8.
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = line_of(&String::from_utf8_lossy(bytes), error.valid_up_to());
                self.complain(line, ("", ""), "is not UTF-8 text", "save the list as CSV UTF-8");
                return None;
            }
        };
        let (line, what, remedy) = match rows::rows(text) {
            Ok(rows) => return Some(rows),
            Err(NoTable::Empty) => (1, "is empty", "give a line of headers and a row for each register"),
            Err(NoTable::Separator) => (
                1,
                "has no headers with one separator",
                "separate all columns by commas, or all by semicolons",
            ),
            Err(NoTable::Quote(line)) => (line, "has a quote that is never closed", "close it"),
        };
        self.complain(line, ("", ""), what, remedy);
        None
    }

    /// The columns in the order of the list; `None` when one is wrong or missing, which hides the rows.
    fn columns(&mut self, header: &Row) -> Option<Vec<&'static str>> {
        let before = self.problems.len();
        let mut columns = Vec::new();
        for cell in &header.cells {
            let lower = cell.to_lowercase();
            match COLUMNS.into_iter().find(|column| *column == lower) {
                Some(column) if columns.contains(&column) => {
                    self.complain(
                        header.line,
                        (column, ""),
                        "is a second column of this name",
                        "keep one of the two",
                    );
                }
                Some(column) => columns.push(column),
                None => {
                    let remedy = match nearest(&lower, COLUMNS.into_iter()) {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("remove it, or call it remark; columns are {}", COLUMNS.join(", ")),
                    };
                    self.complain(header.line, (cell, ""), "no such column", remedy);
                }
            }
        }
        for needed in COLUMNS.into_iter().take(NEEDED).filter(|needed| !columns.contains(needed)) {
            self.complain(header.line, (needed, ""), "is missing", "add the column");
        }
        (self.problems.len() == before).then_some(columns)
    }

    fn register(&mut self, cells: &Cells<'_>) -> Option<Register> {
        let line = cells.line;
        let name = cells.get("name");
        if name.is_none() {
            self.complain(
                line,
                ("name", ""),
                "is missing",
                "name the point: by its role, or as the list calls it",
            );
        }
        let tables = "say coil, discrete, input or holding";
        let table = self.word::<Table>(cells, "table", tables);
        let place = match (cells.get("address"), table) {
            (Some(text), Ok(table)) => match address::parse(text, table, self.first) {
                Ok(place) => Some(place),
                Err((what, remedy)) => {
                    self.complain(line, ("address", text), what, remedy);
                    None
                }
            },
            (Some(_), Err(Noted)) => None,
            (None, _) => {
                self.complain(line, ("address", ""), "is missing", "give the address");
                None
            }
        };
        let data_type = self.word::<DataType>(cells, "type", "say how its registers make a number");
        if data_type == Ok(None) {
            self.complain(
                line,
                ("type", ""),
                "is missing",
                "say u16, i16, u32, i32, u64, i64, f32, f64, bcd16, bcd32 or bit",
            );
        }
        let role = self.role(cells, name);
        let more = self.keys(cells);
        let bit = self.bit(cells);
        let (name, (table, address), data_type) = (name?, place?, data_type.ok().flatten()?);
        let bit = bit.ok()?;
        self.encoding(cells, table, address, data_type, bit);
        Some(Register {
            line,
            name: name.into(),
            table,
            address,
            data_type,
            bit,
            role: role?,
            more: more?,
            remark: cells.get("remark").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// A cell with one of the words of the configuration.
    fn word<'de, T: Deserialize<'de>>(
        &mut self,
        cells: &Cells<'de>,
        column: &'static str,
        remedy: &str,
    ) -> Result<Option<T>, Noted> {
        let Some(text) = cells.get(column) else { return Ok(None) };
        match T::deserialize(StrDeserializer::<PlainError>::new(text)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.complain(cells.line, (column, text), plain(&error.to_string()), remedy);
                Err(Noted)
            }
        }
    }

    fn number(&mut self, cells: &Cells<'_>, column: &'static str, text: &str) -> Result<f64, Noted> {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| {
            let remedy = if text.contains(',') {
                "write a decimal point, not a comma"
            } else {
                "write a number, as 0.001"
            };
            self.complain(cells.line, (column, text), "is no number", remedy);
            Noted
        })
    }

    fn role(&mut self, cells: &Cells<'_>, name: Option<&str>) -> Option<Role> {
        if let Some(text) = cells.get("role") {
            let role = role_named(text);
            if role.is_none() {
                let remedy = format!("use other for what is shown only, or {}", ROLES.join(", "));
                self.complain(cells.line, ("role", text), "is no role", remedy);
            }
            return role;
        }
        let name = name?;
        let role = role_named(name);
        if role.is_none() {
            let remedy = match nearest(name, ROLES.into_iter()) {
                Some(near) => {
                    format!("did you mean {near}? Say other in a column role for what is shown only")
                }
                None => "say its role in a column role, other for what is shown only".into(),
            };
            self.complain(cells.line, ("name", name), "names no role", remedy);
        }
        role
    }

    fn bit(&mut self, cells: &Cells<'_>) -> Result<Option<u8>, Noted> {
        let Some(text) = cells.get("bit") else { return Ok(None) };
        let bit = text.parse::<u8>().ok().filter(|bit| *bit <= 15);
        bit.map(Some).ok_or_else(|| {
            self.complain(
                cells.line,
                ("bit", text),
                "must be 0 to 15",
                "give the bit of the register, 0 is the least",
            );
            Noted
        })
    }

    /// The keys that are taken over as they are, in the order they are written.
    fn keys(&mut self, cells: &Cells<'_>) -> Option<Vec<(&'static str, String)>> {
        let before = self.problems.len();
        let mut keys = Vec::new();
        if let Ok(Some(order)) = self.word::<ByteOrder>(
            cells,
            "order",
            "say ABCD, CDAB, BADC or DCBA, as the manual or a test tells",
        ) {
            keys.push(("order", format!("{:?}", word(&order))));
        }
        for column in ["scale", "offset", "min", "max"] {
            let Some(text) = cells.get(column) else { continue };
            if let Ok(number) = self.number(cells, column, text) {
                if column == "scale" && number == 0.0 {
                    self.complain(
                        cells.line,
                        (column, text),
                        "would make every value the same",
                        "give value per raw unit",
                    );
                }
                keys.push((column, format!("{number:?}")));
            }
        }
        if let Some(text) = cells.get("sentinels") {
            let list = text.split_whitespace().map(|part| self.number(cells, "sentinels", part));
            let list = list.collect::<Vec<_>>().into_iter().flatten().collect::<Vec<_>>();
            keys.push(("sentinels", format!("{list:?}")));
        }
        if let Some(unit) = cells.get("unit") {
            keys.push(("unit", text(unit)));
        }
        match cells.get("written_only") {
            None | Some("false") => {}
            Some("true") => keys.push(("written_only", "true".into())),
            Some(other) => {
                let remedy = "say true for a register that is written and never read, or leave it empty";
                self.complain(cells.line, ("written_only", other), "must be true or false", remedy);
            }
        }
        (self.problems.len() == before).then_some(keys)
    }

    /// Type, bit and order against the table.
    fn encoding(
        &mut self,
        cells: &Cells<'_>,
        table: Table,
        address: u16,
        data_type: DataType,
        bit: Option<u8>,
    ) {
        let line = cells.line;
        let bits = matches!(table, Table::Coil | Table::Discrete);
        let kind = cells.get("type").unwrap_or_default();
        if bits && data_type != DataType::Bit {
            let remedy = "say bit, or input or holding for the table";
            self.complain(line, ("type", kind), "cannot stand in a table of bits", remedy);
        }
        match (!bits && data_type == DataType::Bit, bit) {
            (true, None) => {
                let remedy = "give the bit of the register in a column bit, 0 is the least significant";
                self.complain(line, ("bit", ""), "is missing", remedy);
            }
            (false, Some(bit)) => {
                self.complain(
                    line,
                    ("bit", &bit.to_string()),
                    "belongs to a bit of a register only",
                    "remove it",
                );
            }
            (true, Some(_)) | (false, None) => {}
        }
        if !bits && data_type.registers() > 1 && cells.get("order").is_none() {
            let remedy = "say ABCD, CDAB, BADC or DCBA, as the manual or a test with a known value tells";
            self.complain(line, ("order", ""), "is missing on a value of several registers", remedy);
        }
        if u32::from(address) + u32::from(width(table, data_type)) > 65_536 {
            let given = cells.get("address").unwrap_or_default();
            self.complain(
                line,
                ("address", given),
                "runs past the end of the table",
                "correct address or type",
            );
        }
    }

    /// Names and roles that stand twice, and registers two points take.
    fn apart(&mut self, registers: &[Register]) {
        for (at, register) in registers.iter().enumerate() {
            for before in registers.iter().take(at) {
                let said = format!("line {}", before.line);
                if before.name == register.name {
                    let what = format!("stands on {said} too");
                    self.complain(
                        register.line,
                        ("name", &register.name),
                        what,
                        "give one of them another name",
                    );
                } else if before.role == register.role && register.role != Role::Other {
                    let what = format!("is the role of {} on {said} too", before.name);
                    self.complain(
                        register.line,
                        ("role", &word(&register.role)),
                        what,
                        "say other for one of the two",
                    );
                }
                if overlap(before, register) {
                    let what = format!("takes a register of {} on {said}", before.name);
                    let place = notation(register.table, register.address);
                    self.complain(register.line, ("address", &place), what, "correct address or type");
                }
            }
        }
    }
}

/// Something is wrong and has been noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Noted;

/// Whether two points take one register; different bits of one may stand side by side.
fn overlap(one: &Register, other: &Register) -> bool {
    let end = |register: &Register| {
        u32::from(register.address) + u32::from(width(register.table, register.data_type))
    };
    let both_bits = one.data_type == DataType::Bit && other.data_type == DataType::Bit;
    one.table == other.table
        && u32::from(one.address) < end(other)
        && u32::from(other.address) < end(one)
        && !(both_bits && one.bit != other.bit)
}

/// A text as TOML writes it.
fn text(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

fn write(registers: &[Register], bytes: &[u8], wanted: Wanted<'_>) -> String {
    let Wanted { file, layout, about, .. } = wanted;
    let s = if registers.len() == 1 { "" } else { "s" };
    let about = about.map_or_else(|| format!("Imported from {file}"), str::to_owned);
    let layout = quoted(layout);
    // Control characters of a file name would end a comment.
    let file = file.replace(char::is_control, " ");
    let mut out = format!(
        "# Imported register list. source: {file}, {} point{s}, SHA-256 {}.\n# Addresses are zero-based; behind each \
         stands its notation counted from 1.\n[layout.{layout}]\nabout = {}\n[layout.{layout}.points]\n",
        registers.len(),
        hex(&Sha256::digest(bytes)),
        text(&about),
    );
    for register in registers {
        let Register { name, table, address, data_type, bit, role, more, remark, .. } = register;
        let mut keys = vec![
            ("table", format!("{:?}", word(table))),
            ("address", address.to_string()),
            ("type", format!("{:?}", word(data_type))),
        ];
        keys.extend(bit.map(|bit| ("bit", bit.to_string())));
        keys.extend(more.iter().cloned());
        if role_named(name) != Some(*role) {
            keys.push(("role", format!("{:?}", word(role))));
        }
        let keys = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ");
        let remark = if remark.is_empty() { String::new() } else { format!(", {remark}") };
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{} = {{ {keys} }} # {}{remark}", quoted(name), notation(*table, *address));
    }
    out
}
