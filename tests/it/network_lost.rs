//! The whole field network goes and comes back: every gate holds, one alarm tells it, the links come back one by one, and
//! nothing is written before it has been read again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use qindan::config::Config;
use qindan::control::command::{NotSent, WriteResult};
use qindan::control::operator::Mode;
use qindan::control::quality::Quality;
use qindan::control::record::Kind;
use qindan::control::status::Status;
use qindan::points::{Device as Unit, DeviceId, Element, Field, Link, LinkId, Point, Role, Table};
use qindan::shell::clock::Clock;
use qindan::shell::field::health::LinkState;
use qindan::shell::field::{self, Access, FieldHandle};

use crate::device::Query;
use crate::half_open::Cable;
use crate::modbus::{TARGET, boxes_at, half, order, order_numbered, peer, until};
use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};

/// Links of the field by itself, each with a gate box.
const LINKS: usize = 200;
/// Links of the service; the first has the gate.
const SERVED: usize = 60;

/// As many links to one address as there are, each with a unit of its own and a register of it.
fn multiplied(field: &mut Field, links: usize) {
    let (link, unit) = (field.links[0].clone(), field.devices[0].clone());
    let plain = Point {
        table: Table::Holding,
        address: 0,
        scale: 1.0,
        element: Element::None,
        role: Role::Other,
        ..field.points[0].clone()
    };
    for at in 1..links {
        field.links.push(Link { id: format!("l{at}"), ..link.clone() });
        let id = format!("d{at}");
        field.devices.push(Unit {
            id: id.clone(),
            link: LinkId(at),
            unit: 2,
            watchdog_s: None,
            ..unit.clone()
        });
        field.points.push(Point { id: format!("{id}/0"), device: DeviceId(at), ..plain.clone() });
    }
}

fn in_state(handle: &FieldHandle, state: LinkState) -> usize {
    handle.health().iter().filter(|link| link.state == state).count()
}

/// A cycle: it sees, and is completed.
fn feed(handle: &FieldHandle) {
    handle.freeze();
    handle.feed();
}

/// Largest number of `times` within any `window`.
fn burst(times: &[Duration], window: Duration) -> usize {
    let within = |from: &Duration| times.iter().filter(|at| (*from..*from + window).contains(*at)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_come_back_one_by_one_and_are_read_before_they_are_written_to() {
    let (device, _bank) = peer(|_, _| None).await;
    let clock = Clock::real();
    let cable = Cable::timed(device.address, clock.clone()).await;
    let mut field = boxes_at(cable.address, 1);
    multiplied(&mut field, LINKS);
    for link in &mut field.links {
        (link.timeout_s, link.connect_timeout_s) = (0.4, 0.3);
    }
    field.devices[0].watchdog_s = Some(0.5);
    field.classes[0].period_s = 0.5;
    let handle = field::start(Arc::new(field), clock.clone(), Access::Command);
    until(&handle, |handle| (in_state(handle, LinkState::Up) == LINKS).then_some(())).await;
    feed(&handle);
    until(&handle, |handle| (handle.health()[0].watchdog_writes > 0).then_some(())).await;

    cable.pull();
    until(&handle, |handle| (in_state(handle, LinkState::Down) == LINKS).then_some(())).await;
    // Orders meanwhile are dropped, not kept for later. A second, in which every link tries again and waits longer.
    let gone = clock.mono();
    until(&handle, |_| (clock.mono() > gone + Duration::from_secs(1)).then_some(())).await;
    feed(&handle);
    handle.send(order(half()));
    let report = until(&handle, |handle| handle.take_reports().first().copied()).await;
    assert_eq!(report.result, WriteResult::NotSent(NotSent::LinkDown));
    let before = cable.arrivals().len();
    device.forget();

    cable.put_back();
    let back = clock.mono();
    // Orders at every moment until the gate's link has answered, as from a cycle that still believes what it read last.
    let mut number = 1;
    until(&handle, |handle| {
        if handle.health()[0].state != LinkState::Up {
            number += 1;
            handle.send(order_numbered(number, half(), clock.mono() + Duration::from_secs(60)));
        }
        (in_state(handle, LinkState::Up) == LINKS).then_some(())
    })
    .await;
    let came: Vec<_> = cable.arrivals()[before..].iter().map(|at| at.saturating_sub(back)).collect();
    // Each waits for half a second, a second or two, half of it by chance.
    let at_once = burst(&came, Duration::from_millis(100));
    println!("{} connects within {:?}, at most {at_once} within 0.1 s", came.len(), came.last().unwrap());
    assert!(came.len() >= LINKS && at_once <= came.len() / 3, "{at_once} of {}", came.len());
    feed(&handle);
    let fed = handle.health()[0].watchdog_writes;
    until(&handle, |handle| (handle.health()[0].watchdog_writes > fed).then_some(())).await;
    let log = device.log();
    for (at, query) in log.iter().enumerate().filter(|(_, query)| query.writes()) {
        // A scan: an order reads its target for itself, and nothing else before it writes.
        let own = |other: &Query| (other.address(), other.count()) == (TARGET, 1);
        let scan = |other: &Query| other.connection == query.connection && !other.writes() && !own(other);
        assert!(log[..at].iter().any(scan), "{query:?} came before anything was read");
    }
    let orders: Vec<_> = log.iter().filter(|query| query.writes() && query.function() == 16).collect();
    assert!(orders.len() <= 1, "{number} orders, at most the last of them after the first scan: {orders:?}");
}

fn config(address: SocketAddr) -> Config {
    let mut config = site::config_at(address, Mode::Automatic);
    let mut field = (*config.field).clone();
    multiplied(&mut field, SERVED);
    for link in &mut field.links {
        (link.timeout_s, link.connect_timeout_s) = (0.4, 0.3);
    }
    config.field = Arc::new(field);
    config
}

fn alarms(status: &Status) -> Vec<&str> {
    let about = |id: &str| ["A10", "A11", "A42"].contains(&id);
    status.alarms.iter().filter(|alarm| about(&alarm.id) && alarm.active).map(|a| a.key.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_network_is_one_alarm_and_every_gate_holds() {
    let folder = Folder::new();
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    let cable = Cable::timed(site.device.address, Clock::real()).await;
    let bench = Bench::start(folder.options(config(cable.address), 60.0)).await;
    let well =
        |status: &Status| status.image.iter().all(|r| r.quality == Quality::Good || r.taken_at.is_none());
    bench
        .until("well, and the floor held", |status| {
            let opened = status.gates[0].opening.is_some_and(|opening| opening.percent() > 15.0);
            well(status) && opened && at_rest(status)
        })
        .await;

    cable.pull();
    let status = bench.until("told", |status| !alarms(status).is_empty()).await;
    assert_eq!(alarms(&status), ["A42:"]);
    let alarm = status.alarms.iter().find(|alarm| alarm.id == "A42").unwrap();
    let silent = alarm.detail["silent"].as_u64().unwrap();
    assert!((3..=SERVED as u64).contains(&silent) && alarm.detail["links"] == SERVED, "{:?}", alarm.detail);
    let written = site.written();
    // Somebody opens less on site meanwhile: when the link is back there is something to do.
    site.set(site::POSITION, site::hundredths(12.0));
    site.set(site::OUTLET, 760);
    site.device.forget();
    let later = status.mono + Duration::from_secs(60);
    let status = bench.until("a minute", |status| status.mono > later).await;
    assert_eq!(alarms(&status), ["A42:"]);
    assert_eq!(site.device.log(), [], "nothing gets through");

    cable.put_back();
    let status = bench
        .until("back, and the floor held again", |status| {
            let opened = status.gates[0].opening.is_some_and(|opening| opening.percent() > 15.0);
            alarms(status).is_empty() && well(status) && opened
        })
        .await;
    assert_eq!(alarms(&status), Vec::<&str>::new());
    bench.end().await;

    // Of all alarms about devices, links and the network one was raised, one went.
    let changes = folder.of_kind(Kind::Alarm).into_iter().filter_map(|record| record.detail);
    let keys: Vec<_> = changes
        .map(|d| format!("{} {}", d["key"].as_str().unwrap(), d["change"].as_str().unwrap()))
        .collect();
    let about: Vec<_> =
        keys.iter().filter(|key| ["A10", "A11", "A42"].iter().any(|id| key.starts_with(id))).collect();
    assert_eq!(about, ["A42: raised", "A42: returned"]);

    // What was written then was decided then: after a scan had read the position again, once each, few.
    let log = site.device.log();
    let first = log.iter().position(Query::writes).unwrap();
    let scan = |query: &Query| {
        query.unit == 1 && query.function() == 3 && query.address() <= site::POSITION && query.count() > 1
    };
    assert!(log[..first].iter().any(scan), "{:?}", &log[..=first]);
    let after = &site.written()[written.len()..];
    let sequences: BTreeSet<_> = after.iter().map(|write| write.sequence).collect();
    assert!(sequences.len() == after.len() && after.iter().all(|write| write.recorded), "{after:?}");
    assert!((1..=3).contains(&after.len()), "no burst of commands: {after:?}");
    folder.verify();
}
