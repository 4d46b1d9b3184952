//! Register lists become device templates, or the list of everything that is wrong with them.

use std::fs;
use std::path::Path;

use qindan::config;
use qindan::config::import::{First, Wanted, template};
use qindan::points::{ByteOrder, DataType, Point, Role, Table};
use qindan::registers;

const WANTED: Wanted<'_> = Wanted { file: "list.csv", layout: "site_meter", about: None, first: None };

fn made(list: &str, wanted: Wanted<'_>) -> String {
    template(list.as_bytes(), wanted).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What is said about a list, one problem a line.
fn said(list: &str, wanted: Wanted<'_>) -> Vec<String> {
    template(list.as_bytes(), wanted).unwrap_err().iter().map(ToString::to_string).collect()
}

/// Registers of the open-channel meter of the domain notes 6.1, addresses in three ways of writing them.
const METER: &str = "\u{feff}name;address;table;type;order;scale;unit;role;sentinels;remark\r
velocity;4x00001;;f32;ABCD;;m/s;other;;first register\r
stage;400003;;f32;ABCD;;m;other;-9999 -1;\r
value;4;holding;f32;ABCD;1;m3/s;;;\"by the \"\"note\"\"; m³/s\"\r
total;10;holding;u32;ABCD;1;m3;other;;\r
\r
";

#[test]
fn a_list_becomes_a_template() {
    let text = made(METER, Wanted { first: Some(First::Zero), ..WANTED });
    let (origin, rest) = text.split_once("\n# Addresses").unwrap();
    assert!(origin.starts_with("# Imported register list. source: list.csv, 4 points, SHA-256 "), "{origin}");
    let wanted = " are zero-based; behind each stands its notation counted from 1.
[layout.site_meter]
about = \"Imported from list.csv\"
[layout.site_meter.points]
velocity = { table = \"holding\", address = 0, type = \"f32\", order = \"ABCD\", unit = \"m/s\", role = \"other\" } # 4x00001, first register
stage = { table = \"holding\", address = 2, type = \"f32\", order = \"ABCD\", sentinels = [-9999.0, -1.0], unit = \"m\", role = \"other\" } # 4x00003
value = { table = \"holding\", address = 4, type = \"f32\", order = \"ABCD\", scale = 1.0, unit = \"m3/s\" } # 4x00005, by the \"note\"; m³/s
total = { table = \"holding\", address = 10, type = \"u32\", order = \"ABCD\", scale = 1.0, unit = \"m3\", role = \"other\" } # 4x00011
";
    assert_eq!(rest, wanted);
}

/// The template serves the ford of the Alder, and `check` finds nothing to say.
#[test]
fn an_imported_list_is_a_layout_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let alder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    simulators::vary::copy(&alder, folder.path(), &[]).unwrap();
    let text = made(METER, Wanted { first: Some(First::Zero), ..WANTED });
    fs::write(folder.path().join("devices/site_meter.toml"), text).unwrap();
    let file = folder.path().join("devices.toml");
    let devices = fs::read_to_string(&file).unwrap();
    let (before, after) = devices.split_once("[wire.\"q.ford\"]").unwrap();
    let after = after.replacen("layout = \"gauge\"", "layout = \"site_meter\"", 1);
    fs::write(&file, format!("{before}[wire.\"q.ford\"]{after}")).unwrap();
    let config = config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
    let point = |id: &str| -> &Point { &config.field.points[config.field.point(id).unwrap().0] };
    let value = point("q.ford/value");
    let place = (value.table, value.address, value.data_type, value.order, value.role);
    // The wire begins at 8.
    assert_eq!(place, (Table::Holding, 12, DataType::F32, ByteOrder::Abcd, Role::Value));
    // The answer of the notes: 3E08527C is 0.13313 m³/s.
    let flow = registers::decode(value, &[0x3e08, 0x527c]).unwrap();
    assert!((flow - 0.13313).abs() < 5e-6, "{flow}");
    assert_eq!(point("q.ford/total").address, 18);
    assert_eq!(point("q.ford/stage").sentinels, [-9999.0, -1.0]);
}

#[test]
fn every_bad_row_is_named_at_once() {
    let list = "\
name,table,address,type,bit,order,scale,unit,role
position,holding,40001,u16,,,\"0,1\",mm,
,holding,4x00003,u16,,,,,
flow,holding,4x00005,float,,ABCD,,m3/s,
load,holding,4x00009,u32,,,,kN,
remote,holding,4x00012,bit,,,,,
fault,holding,4x00012,bit,16,,,,
oil,holding,4x00013,u16,,,,,
target,holding,21,u16,,,,mm,
command,register,4x00022,u16,,,,,
estop,discrete,1x00001,u16,,,,,
level_up,holding,4x00008,u32,,CDAB,,m,
load2,input,4x00030,u16,,,,,other
short,holding
trip,coil,0x00001,bit,,,,,boom
";
    let wanted = [
        "list.csv:2  address = 40001: may be an address or the old five-digit notation; write 4x00001 for the notation, \
         4x40002 for the address",
        "list.csv:2  scale = 0,1: is no number; write a decimal point, not a comma",
        "list.csv:3  name: is missing; name the point: by its role, or as the list calls it",
        "list.csv:4  type = float: no such word: `float`; it must be one of",
        "list.csv:5  order: is missing on a value of several registers; say ABCD, CDAB, BADC or DCBA, as the manual or a \
         test with a known value tells",
        "list.csv:6  bit: is missing; give the bit of the register in a column bit, 0 is the least significant",
        "list.csv:7  bit = 16: must be 0 to 15; give the bit of the register, 0 is the least",
        "list.csv:8  name = oil: names no role; say its role in a column role, other for what is shown only",
        "list.csv:9  address = 21: does not say from which number the list counts; say with --first-address whether the \
         list counts from 0 or 1, or write the address as 4x00021",
        "list.csv:10  table = register: no such word: `register`; it must be one of",
        "list.csv:11  type = u16: cannot stand in a table of bits; say bit, or input or holding for the table",
        "list.csv:12  address = 4x00008: takes a register of load on line 5; correct address or type",
        "list.csv:13  address = 4x00030: begins with the digit of another table than Input; correct the table or the address",
        "list.csv:14  has 2 cells, but the headers are 9; put cells with a separator in them into quotes",
        "list.csv:15  role = boom: is no role; use other for what is shown only",
    ];
    let said = said(list, WANTED);
    for (said, wanted) in said.iter().zip(wanted) {
        assert!(said.starts_with(wanted), "{said}\n{wanted}");
    }
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
}

#[test]
fn headers_are_told_apart_and_rows_wait_for_them() {
    let list = "name,adress,type,Scale,scale,hoist\nposition,x,y,,,\n";
    let wanted = [
        "list.csv:1  address: is missing; add the column",
        "list.csv:1  adress: no such column; did you mean address?",
        "list.csv:1  hoist: no such column; remove it, or call it remark; columns are name",
        "list.csv:1  scale: is a second column of this name; keep one of the two",
    ];
    let said = said(list, WANTED);
    for (said, wanted) in said.iter().zip(wanted) {
        assert!(said.starts_with(wanted), "{said}\n{wanted}");
    }
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
}

#[test]
fn names_and_roles_stand_once() {
    let list =
        "name,address,type,role\nvalue,4x00001,u16,\nvalue,4x00002,u16,other\nflow2,4x00003,u16,value\n";
    let wanted = [
        "list.csv:3  name = value: stands on line 2 too; give one of them another name",
        "list.csv:4  role = value: is the role of value on line 2 too; say other for one of the two",
    ];
    assert_eq!(said(list, WANTED), wanted);
}

#[test]
fn what_is_no_list_is_told() {
    let line = |list: &[u8]| {
        let problems = template(list, WANTED).unwrap_err();
        let [only] = problems.as_slice() else { panic!("{problems:#?}") };
        only.to_string()
    };
    assert!(line(b"").starts_with("list.csv:1  is empty;"));
    assert!(line(b"name,address,type\n").starts_with("list.csv:1  has headers and no registers;"));
    assert!(line(b"name\taddress\ttype\n").starts_with("list.csv:1  has no headers with one separator;"));
    // 流量 in GBK, as spreadsheets in China save it.
    let gbk = b"name,address,type,remark\nvalue,4x00001,u16,\xc1\xf7\xc1\xbf\n";
    assert_eq!(line(gbk), "list.csv:2  is not UTF-8 text; save the list as CSV UTF-8");
}
