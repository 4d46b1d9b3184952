//! Only the device of the configuration is believed and commanded, and only what may be read is read.

use std::collections::BTreeSet;

use qindan::control::command::{NotSent, WriteResult};
use qindan::control::quality::Reason;
use qindan::points::{Identity, Range, Table};
use qindan::shell::field::Access;

use crate::device::{Query, reply};
use crate::modbus::{boxes, first_report, half, order, peer, start, until, value};

/// Where the box keeps its type.
const TYPE: u16 = 90;

/// Basic identification of ACME, P1, V2.11. Source: vectors of the field notes.
const ACME: &[u8] = b"\x2B\x0E\x01\x01\x00\x00\x03\x00\x04ACME\x01\x02P1\x02\x05V2.11";

fn is_identification(query: &Query) -> bool {
    query.function() == 0x2B
}

#[tokio::test]
async fn another_device_is_neither_believed_nor_commanded() {
    let (device, bank) = peer(|_, _| None).await;
    let mut field = boxes(&device, 2);
    let words = vec![0x5144, 7];
    field.devices[0].identity =
        Some(Identity::Words { table: Table::Holding, address: TYPE, words: words.clone() });
    // A pump stands where the gate box should be; the other device need not show anything.
    bank.lock().unwrap().set(1, TYPE, 0x5050);
    let handle = start(field, Access::Command);
    until(&handle, |h| (h.freeze()[0].fault == Some(Reason::WrongDevice)).then_some(())).await;
    until(&handle, |h| value(h, 6)).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::WrongDevice));
    assert_eq!(device.writes(), Vec::new());
    let read =
        device.log().iter().filter(|query| query.unit == 1).map(Query::address).collect::<BTreeSet<_>>();
    assert_eq!(read, BTreeSet::from([TYPE]), "nothing else is asked of it");
}

#[tokio::test]
async fn a_device_that_shows_its_words_is_read_and_commanded() {
    let (device, bank) = peer(|_, _| None).await;
    let mut field = boxes(&device, 1);
    field.devices[0].identity =
        Some(Identity::Words { table: Table::Holding, address: TYPE, words: vec![0x5144, 7] });
    bank.lock().unwrap().set(1, TYPE, 0x5144);
    bank.lock().unwrap().set(1, TYPE + 1, 7);
    let handle = start(field, Access::Command);
    until(&handle, |h| value(h, 0)).await;
    assert_eq!((device.log()[0].address(), device.log()[0].count()), (TYPE, 2), "asked before all else");
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
}

#[tokio::test]
async fn texts_of_the_device_identification_are_compared() {
    let object = |number: u8, text: &str| (number, text.to_owned());
    for (wanted, fits) in [
        (vec![object(0, "ACME"), object(2, "V2.11")], true),
        (vec![object(0, "ACME"), object(1, "P2")], false),
    ] {
        let (device, _bank) =
            peer(|query, _| is_identification(query).then(|| vec![reply(query, ACME)])).await;
        let mut field = boxes(&device, 1);
        field.devices[0].identity = Some(Identity::Objects(wanted));
        let handle = start(field, Access::Observe);
        if fits {
            until(&handle, |h| value(h, 0)).await;
            // Function 43 only reads: it may leave while observing.
            assert_eq!(device.log()[0].pdu, [0x2B, 0x0E, 1, 0]);
        } else {
            until(&handle, |h| (h.freeze()[0].fault == Some(Reason::WrongDevice)).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn forbidden_addresses_and_boundaries_are_never_read_over() {
    let (device, _bank) = peer(|_, _| None).await;
    let mut field = boxes(&device, 2);
    for unit in &mut field.devices {
        unit.max_gap = Some(30);
    }
    // Position at 0, target at 20, echo at 24: one block of 25, but for what must not be touched.
    field.devices[0].forbidden = vec![Range { table: Table::Holding, from: 10, to: 12 }];
    field.devices[1].boundary = Some(24);
    let handle = start(field, Access::Observe);
    until(&handle, |h| (h.is_settled()).then_some(())).await;
    let asked = |unit: u8| {
        let of_unit = device.log().into_iter().filter(|query| query.unit == unit);
        of_unit.map(|query| (query.address(), query.count())).collect::<BTreeSet<_>>()
    };
    assert_eq!(asked(1), BTreeSet::from([(0, 1), (20, 5)]));
    assert_eq!(asked(2), BTreeSet::from([(0, 21), (24, 1)]));
}

#[tokio::test]
async fn an_order_on_a_lost_connection_does_not_go_past_the_question() {
    // The box shows itself once, then closes on the order's first read; what answers afterwards is another.
    let mut shown = 0;
    let (device, _bank) = peer(move |query, _| match (query.address(), query.connection) {
        (TYPE, _) => {
            shown += 1;
            let word = if shown == 1 { 0x44 } else { 0x50 };
            Some(vec![reply(query, &[3, 2, 0x51, word])])
        }
        (_, 0) => Some(vec![crate::device::Act::Close]),
        (_, _) => None,
    })
    .await;
    let mut field = boxes(&device, 1);
    field.devices[0].identity =
        Some(Identity::Words { table: Table::Holding, address: TYPE, words: vec![0x5144] });
    let handle = start(field, Access::Command);
    handle.send(order(half()));
    assert!(matches!(first_report(&handle).await, WriteResult::NotSent(_)));
    until(&handle, |h| (h.freeze()[0].fault == Some(Reason::WrongDevice)).then_some(())).await;
    assert_eq!(device.writes(), Vec::new());
}
