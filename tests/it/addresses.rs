//! The address table, as text and as CSV.

use std::path::Path;

use qindan::config::addresses::Addresses;
use qindan::config::{self, Config};

fn alder() -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    config::load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
}

/// By hand from the files of the Alder: the valve's layout begins at 100, its target is ten further; the level of the lake
/// counts from 400 m, at 4 in the input registers; the gauge at the ford reads litres per second at 8.
#[test]
fn every_point_has_its_address_in_both_notations() {
    let table = Addresses::new(&alder(), None).unwrap().csv();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 7, "{table}");
    let header = "device,link,peer,unit_id,table,address,notation,type,bit,order,scale,offset,unit,class,period_s,element,\
                  role,point";
    assert_eq!(lines[0], header);
    for line in [
        "valve,dam,127.0.0.1:16021,1,discrete,100,1x00101,bit,,,1,0,,fast,2,lake.valve,remote,lake.valve/remote",
        "valve,dam,127.0.0.1:16021,1,holding,110,4x00111,u16,,,0.1,0,%,fast,2,lake.valve,target,lake.valve/target",
        "valve,dam,127.0.0.1:16021,1,holding,111,4x00112,u16,,,1,0,,written only,,lake.valve,command,lake.valve/command",
        "dam_rtu,dam,127.0.0.1:16021,2,coil,3,0x00004,bit,,,1,0,,calm,30,,other,dam.mains",
        "dam_rtu,dam,127.0.0.1:16021,2,input,4,3x00005,i32,,CDAB,0.001,400,m,calm,30,z.lake,value,z.lake/value",
        "ford_rtu,ford,127.0.0.1:16022,1,input,8,3x00009,i32,,CDAB,0.001,0,m³/s,fast,2,q.ford,value,q.ford/value",
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{table}");
    }
}

#[test]
fn one_device_one_element_or_one_point_can_be_asked_for() {
    let config = alder();
    let text = |of: &str| Addresses::new(&config, Some(of)).unwrap().text();
    let wanted = "\
ford_rtu  link ford  127.0.0.1:16022  unit 1
  table  address  notation  type  order  scale  offset  unit  class     point
  input        8  3x00009   i32   CDAB   0.001       0  m³/s  fast 2 s  q.ford/value
";
    assert_eq!(text("ford_rtu"), wanted);
    assert_eq!(text("q.ford"), wanted);
    assert_eq!(text("q.ford/value"), wanted);
    assert_eq!(text("dam_rtu").lines().count(), 2 + 2);
    assert!(text("dam.mains").contains("dam.mains (other)"));
    let unknown = Addresses::new(&config, Some("q.fort")).unwrap_err().to_string();
    assert_eq!(unknown, "q.fort: neither device nor element nor point of the field; did you mean q.ford?");
}

/// The governor of a turbine sets bit 13 of its status word, register 11, when the unit trips.
#[test]
fn a_bit_of_a_register_says_which() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let config = config::load(&folder).unwrap_or_else(|problems| panic!("{problems}"));
    let text = Addresses::new(&config, Some("zf.hp.u1/trip")).unwrap().text();
    let last = text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(last, ["holding", "11", "4x00012", "bit", "13", "1", "0", "dam", "1", "s", "zf.hp.u1/trip"]);
}
