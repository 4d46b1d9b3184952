//! A thousand resets at random moments: each time the link is found again within a bounded time, and no task ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use qindan::control::command::{Action, WriteResult};
use qindan::shell::clock::Clock;
use qindan::shell::field::health::LinkState;
use qindan::shell::field::{self, Access, FieldHandle};
use qindan::units::Opening;

use crate::device::{Act, Bank, Device, Query, frame};
use crate::modbus::{ECHO, SEQUENCE, boxes, order_numbered, until};

const LINKS: u64 = 20;
const RESETS_EACH: u64 = 50;
const SEED: u64 = 11;
/// Longest time from a reset to the next reading. A link that had answered is tried again at once; one that is reset
/// before its first reply waits for up to half a second, a second, two. The rest is for a busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

/// Whether the next reply is to be cut, and after how many bytes.
type Cut = Arc<Mutex<Option<usize>>>;

async fn peer(cut: Cut) -> Device {
    let mut bank = Bank::default();
    Device::start(move |query: &Query| {
        let reply = frame(query.id, query.unit, &bank.serve(query));
        if query.writes() {
            let sequence = bank.get(query.unit, SEQUENCE);
            bank.set(query.unit, ECHO, sequence);
        }
        match cut.lock().unwrap().take() {
            Some(bytes) => vec![Act::Send(reply[..reply.len().min(bytes)].to_vec()), Act::Reset],
            None => vec![Act::Send(reply)],
        }
    })
    .await
}

fn connects(handle: &FieldHandle) -> u64 {
    handle.health()[0].counters.connects
}

/// Waits for a reply on a connection later than the n-th.
async fn recovered(handle: &FieldHandle, after: u64) {
    until(handle, |handle| (connects(handle) > after).then_some(())).await;
    let replies = handle.health()[0].counters.replies;
    until(handle, |handle| {
        let health = &handle.health()[0];
        (health.counters.replies > replies && health.state == LinkState::Up).then_some(())
    })
    .await;
}

/// Waits for a reply on the connection that is open now, and gives its number: the peer has accepted it, so that a reset
/// reaches it. One still in the queue of the listener would be missed.
async fn answering(handle: &FieldHandle) -> u64 {
    loop {
        let before = handle.health()[0].counters;
        let after = until(handle, |handle| {
            Some(handle.health()[0].counters).filter(|after| after.replies > before.replies)
        });
        if after.await.connects == before.connects {
            return before.connects;
        }
    }
}

/// Resets one link again and again; gives the time each recovery took.
async fn reset_at_random(seed: u64) -> Vec<Duration> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let cut = Cut::default();
    let device = peer(Arc::clone(&cut)).await;
    let mut field = boxes(&device, 1);
    field.classes[0].period_s = 0.01;
    let clock = Clock::real();
    let handle = field::start(Arc::new(field), clock.clone(), Access::Command);
    recovered(&handle, 0).await;
    let mut took = Vec::new();
    for _ in 0..RESETS_EACH {
        let mut progress = handle.progress();
        for _ in 0..rng.u8(0..8) {
            progress.changed().await.unwrap();
        }
        let before = answering(&handle).await;
        let since = clock.mark();
        match rng.u8(0..4) {
            0 => *cut.lock().unwrap() = Some(rng.usize(0..60)),
            1 => {
                device.reset();
                until(&handle, |handle| (connects(handle) > before).then_some(())).await;
                // Once more, as soon as it has connected.
                device.reset();
            }
            _ => device.reset(),
        }
        recovered(&handle, before).await;
        took.push(since.elapsed());
    }
    // Whatever is still under way has happened ten replies later.
    let replies = handle.health()[0].counters.replies;
    until(&handle, |handle| (handle.health()[0].counters.replies >= replies + 10).then_some(())).await;
    let action = Action::Goto(Opening::from_fraction(0.5).unwrap());
    handle.send(order_numbered(1, action, clock.now().mono + Duration::from_secs(120)));
    let report = until(&handle, |handle| handle.take_reports().first().copied()).await;
    assert_eq!(report.result, WriteResult::Accepted, "the task still carries out orders");
    assert_eq!(device.writes().len(), 1);
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_resets_are_each_recovered_from() {
    let links = (0..LINKS).map(|at| tokio::spawn(reset_at_random(SEED + at))).collect::<Vec<_>>();
    let mut took = Vec::new();
    for link in join_all(links).await {
        took.extend(link.unwrap());
    }
    took.sort_unstable();
    assert_eq!(took.len() as u64, LINKS * RESETS_EACH);
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("recovered after: median {:?}, 99 of 100 {:?}, longest {:?}", at(50), at(99), at(100));
    assert!(at(100) <= RECOVERED_WITHIN, "{:?}", at(100));
}
