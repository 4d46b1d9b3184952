//! Writes without an answer over a target that stands already: the sequence register alone tells whether it is in.

use std::sync::Arc;
use std::time::Duration;

use qindan::control::command::{Action, WriteResult};
use qindan::points::{Field, Writes};
use qindan::shell::clock::Clock;
use qindan::shell::field::{self, Access, FieldHandle};
use qindan::units::Opening;

use crate::device::{Act, Bank, Device, Query, reply};
use crate::faulty::{Deed, Fault, Faulty};
use crate::modbus::{COMMAND, ECHO, SEQUENCE, TARGET, boxes, order_numbered, until};

/// Half of the stroke of 600 mm.
const HALF: u16 = 300;

/// A box that already holds the target of the command and loses every write; `lost` says which reads it loses too.
async fn box_that_loses_writes(lost: fn(&Query) -> bool) -> (Device, FieldHandle) {
    let mut bank = Bank::default();
    bank.set(1, TARGET, HALF);
    let device = Device::start(move |query: &Query| -> Vec<Act> {
        if query.writes() || lost(query) { Vec::new() } else { vec![reply(query, &bank.serve(query))] }
    })
    .await;
    let mut field = boxes(&device, 1);
    field.links[0].timeout_s = 0.1;
    (device, commanded(field))
}

/// A running link with an order to go to half.
fn commanded(field: Field) -> FieldHandle {
    let handle = field::start(Arc::new(field), Clock::real(), Access::Command);
    let half = Action::Goto(Opening::from_fraction(0.5).unwrap());
    handle.send(order_numbered(1, half, Duration::from_secs(1000)));
    handle
}

async fn results(handle: &FieldHandle, count: usize) -> Vec<WriteResult> {
    let mut results = Vec::new();
    until(handle, |handle| {
        results.extend(handle.take_reports().iter().map(|report| report.result));
        (results.len() >= count).then_some(())
    })
    .await;
    results
}

#[tokio::test]
async fn a_lost_write_of_the_same_target_is_not_done() {
    let (device, handle) = box_that_loses_writes(|_| false).await;
    assert_eq!(results(&handle, 2).await, [WriteResult::Unknown, WriteResult::NotDone]);
    assert_eq!(device.writes().len(), 1);
}

/// The echo is read alone when a write is looked at; a scan reads it with its neighbours.
#[tokio::test]
async fn a_lost_write_whose_sequence_cannot_be_asked_for_is_unknown() {
    let (device, handle) = box_that_loses_writes(|query| query.address() == ECHO && query.count() == 1).await;
    assert_eq!(results(&handle, 1).await, [WriteResult::Unknown]);
    assert_eq!(device.writes().len(), 1);
}

/// Without a sequence nothing tells an unanswered write over its own target from one that never arrived.
#[tokio::test]
async fn a_lost_write_of_the_same_target_is_unknown_where_no_sequence_tells() {
    let mut bank = Bank::default();
    bank.set(1, TARGET, HALF);
    let device = Device::start(move |query: &Query| -> Vec<Act> {
        if query.writes() { Vec::new() } else { vec![reply(query, &bank.serve(query))] }
    })
    .await;
    let mut field = boxes(&device, 1);
    field.links[0].timeout_s = 0.1;
    field.wiring.gates[0].sequence_echo = None;
    let handle = commanded(field);
    assert_eq!(results(&handle, 1).await, [WriteResult::Unknown]);
    // Ten scans later nothing else has been claimed.
    let replies = handle.health()[0].counters.replies + 10;
    until(&handle, |handle| (handle.health()[0].counters.replies >= replies).then_some(())).await;
    assert_eq!(handle.take_reports(), []);
    assert_eq!(device.writes().len(), 1);
}

/// A controller that knows one of the two functions gets every register by it, the watchdog too.
#[tokio::test]
async fn registers_are_written_by_the_functions_the_device_knows() {
    for (writes, known, addresses) in
        [(Writes::Single, 6, vec![TARGET, SEQUENCE, COMMAND]), (Writes::Multiple, 16, vec![TARGET])]
    {
        let mut bank = Bank::default();
        let device = Device::start(move |query: &Query| -> Vec<Act> {
            let taken = !query.writes() || query.function() == known;
            let refused = vec![query.function() | 0x80, 1];
            vec![reply(query, &if taken { bank.serve(query) } else { refused })]
        })
        .await;
        let mut field = boxes(&device, 1);
        field.devices[0].writes = writes;
        field.wiring.gates[0].sequence_echo = None;
        let handle = commanded(field);
        assert_eq!(results(&handle, 1).await, [WriteResult::Accepted], "{writes:?}");
        let sent = device.writes();
        assert!(sent.iter().all(|query| query.function() == known), "{writes:?}: {sent:?}");
        assert_eq!(sent.iter().map(Query::address).collect::<Vec<_>>(), addresses, "{writes:?}");
        let seen = |h: &FieldHandle| h.freeze()[0].fault.is_none().then_some(());
        until(&handle, seen).await;
        handle.feed();
        until(&handle, |handle| (handle.health()[0].watchdog_writes > 0).then_some(())).await;
        assert!(device.writes().iter().all(|query| query.function() == known), "{writes:?}");
    }
}

/// Target, sequence and command are written one by one; the target is taken up late and its write not answered, so the
/// others never leave. No sequence register tells.
#[tokio::test]
async fn a_target_without_its_go_is_not_done_when_it_is_found_later() {
    let mut faulty = Faulty::new(Bank::default(), |query, bank| bank.serve(query));
    let device = Device::start(move |query: &Query| -> Vec<Act> {
        let (fault, deed) =
            if query.writes() { (Fault::Lost, Deed::After(6)) } else { (Fault::None, Deed::Now) };
        faulty.answer(query, fault, deed)
    })
    .await;
    let mut field = boxes(&device, 1);
    field.links[0].timeout_s = 0.1;
    // Nothing but the command is read.
    field.classes[0].period_s = 1000.0;
    field.points[1].address = 40;
    field.wiring.gates[0].sequence_echo = None;
    let handle = commanded(field);
    assert_eq!(results(&handle, 2).await, [WriteResult::Unknown, WriteResult::NotDone]);
    assert_eq!(device.writes().iter().map(Query::address).collect::<Vec<_>>(), [40]);
}
