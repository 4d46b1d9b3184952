//! Links that fail, over real sockets: readings, commands, watchdogs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::basin::{Basin, GateId, Stroke, StrokeUnit};
use qindan::control::command::{Action, CommandId, NotSent, WriteReport, WriteResult};
use qindan::control::gate::{GateFacts, GateMemory};
use qindan::control::interlock::{Allowed, Authorities, Purpose, Situation, Wish, review};
use qindan::control::operator::{Authority, Mode};
use qindan::control::quality::{Reason, Sample};
use qindan::control::ticket::Freed;
use qindan::points::{
    ByteOrder, ClassId, DataType, Device as Unit, DeviceId, Element, Field, GatePoints, Link, Point, PointId,
    Role, ScanClass, Table, Transport, Wiring,
};
use qindan::shell::clock::Clock;
use qindan::shell::field::health::{LinkHealth, LinkState, UnitState};
use qindan::shell::field::{self, Access, FieldHandle, WriteOrder};
use qindan::units::Opening;

use crate::device::{Act, Bank, Device, Query, frame, reply};
use crate::fixture;

/// Registers of the gate box: position, status, target, command, watchdog, sequence, its echo.
pub(crate) const POSITION: u16 = 0;
pub(crate) const TARGET: u16 = 20;
pub(crate) const COMMAND: u16 = 21;
const WATCHDOG: u16 = 22;
pub(crate) const SEQUENCE: u16 = 23;
pub(crate) const ECHO: u16 = 24;
/// Half of a stroke of 600 mm.
const HALF: u16 = 300;
/// Low 16 bits of the command number used throughout, 70 000.
const NUMBER: u16 = 4464;
const PATIENCE: Duration = Duration::from_secs(20);

fn point(device: usize, address: u16, role: Role) -> Point {
    Point {
        id: format!("d{device}/{address}"),
        device: DeviceId(device),
        table: Table::Holding,
        address,
        data_type: DataType::U16,
        order: ByteOrder::Abcd,
        bit: 0,
        scale: 1.0,
        offset: 0.0,
        sentinels: vec![65_535.0],
        min: None,
        max: None,
        unit: "mm".into(),
        class: Some(ClassId(0)),
        element: Element::Gate(GateId(0)),
        role,
    }
}

/// `units` gate boxes behind one peer, read every 0.1 s; the first is gate 0.
pub(crate) fn boxes(peer: &Device, units: u8) -> Field {
    boxes_at(peer.address, units)
}

pub(crate) fn boxes_at(address: SocketAddr, units: u8) -> Field {
    let unit = |at: u8| Unit {
        max_block: 125,
        max_gap: Some(3),
        watchdog_s: Some(5.0),
        ..fixture::unit(&format!("d{at}"), at + 1)
    };
    let roles = [
        (POSITION, Role::Position),
        (TARGET, Role::Target),
        (COMMAND, Role::Command),
        (WATCHDOG, Role::Watchdog),
        (SEQUENCE, Role::Sequence),
        (ECHO, Role::SequenceEcho),
    ];
    let mut points = Vec::new();
    for device in 0..usize::from(units) {
        points.extend(roles.map(|(address, role)| Point {
            class: (address <= TARGET || address == ECHO).then_some(ClassId(0)),
            ..point(device, address, role)
        }));
    }
    let at = |index: usize| Some(PointId(index));
    let gate = GatePoints {
        position: at(0),
        target: at(1),
        command: at(2),
        watchdog: at(3),
        sequence: at(4),
        sequence_echo: at(5),
        ..GatePoints::default()
    };
    Field {
        links: vec![Link {
            id: "l".into(),
            transport: Transport::Tcp(address),
            timeout_s: 0.2,
            connect_timeout_s: 5.0,
            window: 1,
            gap_s: 0.0,
        }],
        devices: (0..units).map(unit).collect(),
        points,
        derived: Vec::new(),
        classes: vec![ScanClass::new("fast", 0.1)],
        wiring: Wiring { meters: Vec::new(), gates: vec![gate] },
    }
}

pub(crate) fn basin() -> Basin {
    let mut basin = fixture::small_basin();
    basin.gates[0].stroke = Stroke { unit: StrokeUnit::Millimetre, shut_at: 0.0, open_at: 600.0 };
    basin
}

/// A command for gate 0 that has passed the review.
pub(crate) fn order_numbered(id: u64, action: Action, valid_for: Duration) -> WriteOrder {
    let basin = basin();
    let facts = GateFacts { opening: None, ..fixture::SHUT_AT_REST };
    let memory = GateMemory::default();
    let service =
        Authorities { mode: Mode::Automatic, hold_all: false, record_ok: true, flood_season: false };
    let seen = Situation {
        basin: &basin,
        id: GateId(0),
        facts: &facts,
        memory: &memory,
        authority: Authority::Automatic,
        service,
        release: None,
        above: None,
        fallen_back: false,
        freed: Freed::default(),
        now: Duration::ZERO,
    };
    let wish = Wish {
        gate: GateId(0),
        action,
        purpose: Purpose::Protective,
        actor: "dispatch".into(),
        because: Vec::new(),
    };
    let cleared = review(&wish, &seen, &Allowed::everything(), CommandId(id), valid_for).unwrap();
    WriteOrder::from_cleared(&cleared, &basin).unwrap()
}

pub(crate) fn order(action: Action) -> WriteOrder {
    order_numbered(70_000, action, Duration::from_secs(1_000_000))
}

pub(crate) fn half() -> Action {
    Action::Goto(Opening::from_fraction(0.5).unwrap())
}

/// Waits for what is to happen, told of every step of the field.
pub(crate) async fn until<T>(handle: &FieldHandle, mut seen: impl FnMut(&FieldHandle) -> Option<T>) -> T {
    let mut progress = handle.progress();
    let wait = async {
        loop {
            progress.borrow_and_update();
            if let Some(found) = seen(handle) {
                return found;
            }
            progress.changed().await.unwrap();
        }
    };
    let Ok(found) = tokio::time::timeout(PATIENCE, wait).await else {
        panic!("did not happen; {:?}", handle.health());
    };
    found
}

pub(crate) async fn first_report(handle: &FieldHandle) -> WriteResult {
    let report = until(handle, |handle| handle.take_reports().first().copied()).await;
    assert_eq!((report.command, report.gate), (CommandId(70_000), GateId(0)));
    report.result
}

pub(crate) fn link(handle: &FieldHandle) -> LinkHealth {
    handle.health().remove(0)
}

pub(crate) fn value(handle: &FieldHandle, at: usize) -> Option<f64> {
    let Sample { good, fault } = handle.freeze()[at];
    good.filter(|_| fault.is_none()).map(|(value, _)| value)
}

/// A peer with registers; `before` may answer in its place.
pub(crate) async fn peer(
    mut before: impl FnMut(&Query, &mut Bank) -> Option<Vec<Act>> + Send + 'static,
) -> (Device, Arc<Mutex<Bank>>) {
    let bank = Arc::new(Mutex::new(Bank::default()));
    let registers = Arc::clone(&bank);
    let device = Device::start(move |query| {
        let mut bank = registers.lock().unwrap();
        if let Some(acts) = before(query, &mut bank) {
            return acts;
        }
        let answer = reply(query, &carry_out(query, &mut bank));
        vec![answer]
    })
    .await;
    (device, bank)
}

/// As a gate box does: the echo follows the sequence.
pub(crate) fn carry_out(query: &Query, bank: &mut Bank) -> Vec<u8> {
    let answer = bank.serve(query);
    if query.writes() && query.address() != WATCHDOG {
        let sequence = bank.get(query.unit, SEQUENCE);
        bank.set(query.unit, ECHO, sequence);
    }
    answer
}

pub(crate) fn start(field: Field, access: Access) -> FieldHandle {
    field::start(Arc::new(field), Clock::real(), access)
}

pub(crate) async fn commanding(
    before: impl FnMut(&Query, &mut Bank) -> Option<Vec<Act>> + Send + 'static,
) -> (Device, Arc<Mutex<Bank>>, FieldHandle) {
    let (device, bank) = peer(before).await;
    let handle = start(boxes(&device, 1), Access::Command);
    (device, bank, handle)
}

#[tokio::test]
async fn values_arrive_with_their_time_and_their_faults() {
    let (device, bank, handle) = commanding(|_, _| None).await;
    bank.lock().unwrap().set(1, POSITION, 120);
    until(&handle, |h| (value(h, 0) == Some(120.0)).then_some(())).await;
    bank.lock().unwrap().set(1, POSITION, 65_535);
    let sample = until(&handle, |h| Some(h.freeze()[0]).filter(|s| s.fault == Some(Reason::Sentinel))).await;
    assert_eq!(sample.good.map(|(value, _)| value), Some(120.0), "the last good value is kept");
    bank.lock().unwrap().set(1, POSITION, 0);
    until(&handle, |h| (value(h, 0) == Some(0.0)).then_some(())).await;
    assert_eq!(link(&handle).state, LinkState::Up);
    assert_eq!(device.writes(), Vec::new());
}

#[tokio::test]
async fn a_command_is_one_write_over_all_its_registers_and_read_back() {
    let (device, bank, handle) = commanding(|_, _| None).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    let writes = device.writes();
    assert_eq!(writes.len(), 1);
    let words = [HALF, 4, 1, NUMBER].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    assert_eq!(writes[0].pdu, [&[16, 0, 20, 0, 4, 8], &words[..]].concat());
    assert_eq!(bank.lock().unwrap().get(1, TARGET), HALF);
}

#[tokio::test]
async fn registers_that_do_not_join_are_written_with_the_command_last() {
    let (device, _bank) = peer(|_, _| None).await;
    let mut field = boxes(&device, 1);
    field.points[1].address = 40;
    let handle = start(field, Access::Command);
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    let writes = device.writes().iter().map(|w| (w.function(), w.address(), w.count())).collect::<Vec<_>>();
    assert_eq!(writes, [(6, 40, HALF), (6, SEQUENCE, NUMBER), (6, COMMAND, 4)]);
}

#[tokio::test]
async fn a_stop_writes_the_command_register_alone() {
    let (device, _bank, handle) = commanding(|_, _| None).await;
    handle.send(order(Action::Stop));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    assert_eq!(device.writes().iter().map(|w| w.pdu.clone()).collect::<Vec<_>>(), [[6, 0, 21, 0, 3]]);
}

/// The device carries the write out but answers after the time-out.
#[tokio::test]
async fn a_write_answered_late_is_sent_once_and_found_by_reading_back() {
    for action in [half(), Action::Stop] {
        let mut late: Option<Act> = None;
        let (device, _bank, handle) = commanding(move |query, bank| {
            let answer = reply(query, &carry_out(query, bank));
            if query.writes() {
                late = Some(answer);
                return Some(Vec::new());
            }
            Some(late.take().into_iter().chain([answer]).collect())
        })
        .await;
        handle.send(order(action));
        assert_eq!(first_report(&handle).await, WriteResult::Accepted, "{action:?}");
        assert_eq!(device.writes().len(), 1, "{action:?}");
        until(&handle, |h| (link(h).counters.late == 1).then_some(())).await;
        assert_eq!(link(&handle).counters.connects, 1);
    }
}

#[tokio::test]
async fn a_write_lost_in_silence_is_unknown_first_then_not_done_and_never_sent_again() {
    let (device, _bank, handle) = commanding(|query, _| query.writes().then(Vec::new)).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Unknown);
    assert_eq!(first_report(&handle).await, WriteResult::NotDone);
    assert_eq!(device.writes().len(), 1);
}

/// Silence, the old value at every read-back, and the device moves after all.
#[tokio::test]
async fn a_write_carried_out_much_later_is_found_by_later_reads() {
    let (device, bank, handle) = commanding(|query, _| query.writes().then(Vec::new)).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Unknown);
    {
        let mut bank = bank.lock().unwrap();
        bank.set(1, TARGET, HALF);
        bank.set(1, ECHO, NUMBER);
    }
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn a_connection_cut_behind_a_write_leaves_one_write_and_its_result() {
    let (device, _bank, handle) = commanding(|query, bank| {
        query.writes().then(|| {
            let answer = frame(query.id, query.unit, &carry_out(query, bank));
            vec![Act::Send(answer[..5].to_vec()), Act::Close]
        })
    })
    .await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    assert_eq!(device.writes().len(), 1);
    until(&handle, |h| value(h, 0)).await;
}

#[tokio::test]
async fn a_register_that_keeps_its_old_value_is_not_done() {
    let (device, _bank, handle) =
        commanding(|query, _| query.writes().then(|| vec![reply(query, &query.pdu[..5])])).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::NotDone);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn a_sequence_the_device_does_not_take_up_is_not_done() {
    let (device, _bank, handle) =
        commanding(|query, bank| query.writes().then(|| vec![reply(query, &bank.serve(query))])).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::NotDone);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn a_strangers_value_on_reading_back_is_foreign() {
    let (device, _bank, handle) = commanding(|query, bank| {
        query.writes().then(|| {
            let answer = reply(query, &carry_out(query, bank));
            bank.set(query.unit, TARGET, 77);
            vec![answer]
        })
    })
    .await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Foreign);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn a_busy_device_ends_the_command_refused() {
    let (device, _bank, handle) =
        commanding(|query, _| query.writes().then(|| vec![reply(query, &[query.function() | 0x80, 6])]))
            .await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Refused(6));
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn a_device_too_busy_to_tell_its_target_is_not_written_to() {
    let (device, _bank, handle) = commanding(|query, _| {
        (query.address() == TARGET && query.count() == 1).then(|| vec![reply(query, &[0x83, 6])])
    })
    .await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Refused(6));
    assert_eq!(device.writes(), Vec::new());
}

/// Exception 5: accepted and running. It is not repeated; the register tells.
#[tokio::test]
async fn an_acknowledged_write_is_read_back_not_repeated() {
    let (device, _bank, handle) = commanding(|query, bank| {
        query.writes().then(|| {
            carry_out(query, bank);
            vec![reply(query, &[query.function() | 0x80, 5])]
        })
    })
    .await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn an_echo_of_another_write_is_not_trusted() {
    let (device, _bank, handle) =
        commanding(|query, _| query.writes().then(|| vec![reply(query, &[16, 0, 20, 0, 3])])).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Unknown);
    assert_eq!(device.writes().len(), 1);
}

#[tokio::test]
async fn observing_sends_nothing_that_writes() {
    let (device, _bank) = peer(|_, _| None).await;
    let handle = start(boxes(&device, 2), Access::Observe);
    handle.feed();
    for action in [half(), Action::Stop] {
        handle.send(order(action));
        assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::Observing));
    }
    until(&handle, |h| (link(h).counters.replies > 20).then_some(())).await;
    assert_eq!(device.writes(), Vec::new());
    assert_eq!((link(&handle).counters.writes, link(&handle).watchdog_writes), (0, 0));
}

#[tokio::test]
async fn an_order_past_its_time_is_dropped_not_sent() {
    let (device, _bank, handle) = commanding(|_, _| None).await;
    until(&handle, |h| value(h, 0)).await;
    for action in [half(), Action::Stop] {
        handle.send(order_numbered(70_000, action, Duration::ZERO));
        assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::Expired));
    }
    assert_eq!(device.writes(), Vec::new());
}

#[tokio::test]
async fn an_order_without_link_or_register_is_dropped_at_once() {
    let (device, _bank) = peer(|_, _| None).await;
    let field = boxes(&device, 1);
    let mut bare = field.clone();
    bare.wiring.gates[0].target = None;
    device.stop().await;
    let handle = start(field, Access::Command);
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::LinkDown));
    let handle = start(bare, Access::Command);
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::ReadOnly));
}

#[tokio::test]
async fn a_newer_order_takes_the_place_of_one_that_waits() {
    // Both arrive before the task has had its first turn: this runtime has one thread.
    let (device, _bank, handle) = commanding(|_, _| None).await;
    handle.send(order_numbered(1, half(), PATIENCE));
    handle.send(order_numbered(2, Action::Stop, PATIENCE));
    let mut reports: Vec<WriteReport> = Vec::new();
    until(&handle, |h| {
        reports.extend(h.take_reports());
        (reports.len() >= 2).then_some(())
    })
    .await;
    let results = reports.iter().map(|r| (r.command.0, r.result)).collect::<Vec<_>>();
    assert_eq!(results, [(1, WriteResult::NotSent(NotSent::Superseded)), (2, WriteResult::Accepted)]);
    assert_eq!(device.writes().iter().map(|w| w.pdu.clone()).collect::<Vec<_>>(), [[6, 0, 21, 0, 3]]);
}

#[tokio::test]
async fn a_dead_unit_does_not_delay_the_others() {
    let (device, _bank) = peer(|query, _| (query.unit == 2).then(Vec::new)).await;
    let handle = start(boxes(&device, 3), Access::Command);
    until(&handle, |h| (link(h).units[1].state == UnitState::Down).then_some(())).await;
    assert_eq!(handle.freeze()[6].fault, Some(Reason::CommError));
    let before = device.log().len();
    until(&handle, |h| (link(h).counters.requests > 200).then_some(())).await;
    let asked = device.log()[before..].iter().filter(|query| query.unit == 2).count();
    let others = device.log()[before..].len() - asked;
    assert!(asked * 10 <= others, "{asked} requests to the dead unit against {others}");
    let health = link(&handle);
    assert_eq!((health.units[0].state, health.units[2].state), (UnitState::Ok, UnitState::Ok));
    assert_eq!(health.state, LinkState::Up);
    assert!(value(&handle, 0).is_some() && value(&handle, 12).is_some());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let (device, bank, handle) = commanding(|_, _| None).await;
    bank.lock().unwrap().set(1, POSITION, 55);
    until(&handle, |h| (value(h, 0) == Some(55.0)).then_some(())).await;
    let address = device.address;
    device.stop().await;
    let sample = until(&handle, |h| {
        let sample = h.freeze()[0];
        (link(h).state == LinkState::Down && sample.fault == Some(Reason::CommError)).then_some(sample)
    })
    .await;
    assert_eq!(sample.good.map(|(value, _)| value), Some(55.0));
    let mut bank = Bank::default();
    bank.set(1, POSITION, 66);
    let _device = Device::start_at(address, move |query| vec![reply(query, &bank.serve(query))]);
    until(&handle, |h| (value(h, 0) == Some(66.0)).then_some(())).await;
    assert_eq!(link(&handle).state, LinkState::Up);
}

#[tokio::test]
async fn a_peer_killed_in_the_middle_of_a_reply_costs_one_read() {
    let mut asked = 0;
    let (_device, _bank, handle) = commanding(move |query, bank| {
        asked += 1;
        (asked == 3).then(|| {
            let answer = frame(query.id, query.unit, &bank.serve(query));
            vec![Act::Send(answer[..answer.len() - 3].to_vec()), Act::Reset]
        })
    })
    .await;
    until(&handle, |h| (link(h).counters.connects == 2 && link(h).counters.replies > 4).then_some(())).await;
    until(&handle, |h| value(h, 0)).await;
}

/// A peer that accepts and never answers has a state of its own.
#[tokio::test]
async fn a_mute_peer_is_told_apart() {
    let (_device, _bank, handle) = commanding(|_, _| Some(Vec::new())).await;
    until(&handle, |h| (link(h).state == LinkState::Mute && link(h).counters.connects >= 2).then_some(()))
        .await;
    assert_eq!(handle.freeze()[0], Sample { good: None, fault: Some(Reason::CommError) });
}

/// The device refuses register 20 wherever it is asked for: only that value is lost.
#[tokio::test]
async fn one_refused_register_does_not_cost_its_neighbours() {
    let (_device, _bank, handle) = commanding(|query, _| {
        let refused = (query.address()..query.address() + query.count()).contains(&TARGET);
        refused.then(|| vec![reply(query, &[0x83, 2])])
    })
    .await;
    until(&handle, |h| (h.freeze()[1].fault == Some(Reason::ConfigError)).then_some(())).await;
    until(&handle, |h| (value(h, 5) == Some(f64::from(ECHO))).then_some(())).await;
    assert_eq!(value(&handle, 0), Some(0.0));
}

/// Watchdog every 5 s of service time, while the cycle lives and ten seconds longer.
#[tokio::test]
async fn watchdogs_are_fed_only_while_the_cycle_lives() {
    let (device, _bank) = peer(|_, _| None).await;
    let utc = fixture::utc(0);
    let clock = Clock::paced(utc);
    let handle = field::start(Arc::new(boxes(&device, 1)), clock.clone(), Access::Command);
    let at = |s: u64| clock.pace(Duration::from_secs(s), utc, 0.0);
    until(&handle, |h| value(h, 0)).await;
    at(1);
    until(&handle, |h| (link(h).counters.replies >= 2).then_some(())).await;
    assert_eq!(device.writes(), Vec::new(), "no cycle has been completed yet");
    handle.feed();
    at(2);
    until(&handle, |h| (link(h).watchdog_writes == 1).then_some(())).await;
    at(8);
    until(&handle, |h| (link(h).watchdog_writes == 2).then_some(())).await;
    // Fed at 1 s: at 12 s that is more than ten seconds ago.
    at(12);
    let replies = link(&handle).counters.replies;
    until(&handle, |h| (link(h).counters.replies >= replies + 2).then_some(())).await;
    at(20);
    until(&handle, |h| (link(h).counters.replies >= replies + 4).then_some(())).await;
    let writes = device.writes().iter().map(|w| (w.function(), w.address(), w.count())).collect::<Vec<_>>();
    assert_eq!(writes, [(6, WATCHDOG, 1), (6, WATCHDOG, 2)]);
    handle.feed();
    at(21);
    until(&handle, |h| (link(h).watchdog_writes == 3).then_some(())).await;
}

/// A link that cannot keep up leaves scans out and says so.
#[tokio::test]
async fn a_link_that_cannot_keep_up_skips_and_counts() {
    let (device, _bank) = peer(|_, _| None).await;
    let clock = Clock::scaled(100_000.0, fixture::utc(0));
    let handle = field::start(Arc::new(boxes(&device, 2)), clock, Access::Command);
    until(&handle, |h| (link(h).counters.replies >= 50).then_some(())).await;
    let health = link(&handle);
    assert!(health.skipped() > 50 && health.lags[0].most > Duration::from_millis(100), "{health:?}");
    assert!(value(&handle, 0).is_some() && value(&handle, 6).is_some());
}

#[tokio::test]
async fn shutdown_ends_the_tasks_and_answers_what_waits() {
    let (device, _bank, handle) = commanding(|_, _| None).await;
    until(&handle, |h| value(h, 0)).await;
    let mut progress = handle.progress();
    handle.shutdown().await;
    progress.borrow_and_update();
    assert!(progress.changed().await.is_err(), "nobody is left to make progress");
    assert_eq!(device.writes(), Vec::new());
}
