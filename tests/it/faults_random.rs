//! Random faults, thousands of commands: each is on the wire once, each ends, none is called accepted that is not in.
//!
//! The task of a link runs as it does in the service, against a gate box that loses, delays and invents replies, echoes
//! what it does not do and does what it does not answer. What the box has really done decides.
//!
//! `QINDAN_FAULT_SEED` repeats a run as far as real sockets let it, `QINDAN_FAULT_RUNS` sets the number of commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use qindan::basin::Gate;
use qindan::control::command::{Action, CommandId, Terminal, WriteReport, WriteResult};
use qindan::control::gate::{GateFacts, GateMemory, InFlight, VALID_S, deadline};
use qindan::control::quality::{Quality, Reading, Sample};
use qindan::shell::clock::Clock;
use qindan::shell::field::{self, Access, FieldHandle};
use qindan::units::Opening;

use crate::device::{Act, Bank, Device, Query};
use crate::faulty::{Deed, Fault, Faulty};
use crate::fixture;
use crate::modbus::{COMMAND, ECHO, POSITION, SEQUENCE, TARGET, basin, boxes, order_numbered, until};

const RUNS: u64 = 10_000;
const SEED: u64 = 7;
/// Boxes commanded at the same time, each over a link of its own.
const BOXES: u64 = 125;
/// Service seconds in a real one: a gate's deadline of some five minutes passes in a second.
const SPEED: f64 = 400.0;
/// Time-out of a request, real time.
const TIMEOUT_MS: u16 = 30;
/// Where the target stands in a box whose registers cannot be written together.
const TARGET_APART: u16 = 40;
const GO: u16 = 4;

/// What a box has seen and done.
#[derive(Debug, Default)]
struct Truth {
    /// Frames that have arrived with a sequence number, and frames with "go" after them.
    numbered: BTreeMap<u16, (u32, u32)>,
    last: u16,
    /// Frames that have arrived with a target, and commands given with that target.
    aimed: BTreeMap<u16, u32>,
    given: BTreeMap<u16, u32>,
    /// Targets that have stood in the register.
    held: BTreeSet<u16>,
    /// Sequence numbers carried out.
    done: BTreeSet<u16>,
    /// Positions since the last command was given, the present one last.
    visited: Vec<u16>,
    faults: u64,
}

impl Truth {
    /// Counts a write that has arrived.
    fn note(&mut self, query: &Query, target_at: u16) {
        for (address, value) in words(query) {
            if address == SEQUENCE {
                self.last = value;
                let frames = &mut self.numbered.entry(value).or_default().0;
                *frames += 1;
                assert!(*frames == 1, "command {value} has been on the wire {frames} times");
            }
            if address == target_at {
                let (frames, given) = (self.aimed.entry(value).or_default(), self.given.get(&value));
                *frames += 1;
                assert!(
                    given.is_some_and(|given| *frames <= *given),
                    "target {value} on the wire {frames} times"
                );
            }
        }
        if words(query).any(|word| word == (COMMAND, GO)) {
            let frames = &mut self.numbered.entry(self.last).or_default().1;
            *frames += 1;
            assert!(*frames == 1, "\"go\" of command {} has been on the wire {frames} times", self.last);
        }
    }

    /// Carries out a request as a gate box does that goes at once where it is told.
    fn carry_out(&mut self, query: &Query, bank: &mut Bank, target_at: u16) -> Vec<u8> {
        let pdu = bank.serve(query);
        self.held.extend(words(query).filter(|(address, _)| *address == target_at).map(|(_, value)| value));
        if words(query).any(|word| word == (COMMAND, GO)) {
            let (position, sequence) = (bank.get(query.unit, target_at), bank.get(query.unit, SEQUENCE));
            bank.set(query.unit, POSITION, position);
            bank.set(query.unit, ECHO, sequence);
            self.done.insert(sequence);
            self.visited.push(position);
        }
        pdu
    }
}

/// Addresses and values of a write of registers.
fn words(query: &Query) -> impl Iterator<Item = (u16, u16)> {
    let single = (query.function() == 6).then(|| (query.address(), query.count()));
    let many = if query.function() == 16 { query.count() } else { 0 };
    let many = (0..many).map(|at| (query.address() + at, query.word(6 + 2 * usize::from(at))));
    single.into_iter().chain(many)
}

/// A fault for `query`, more often none, and whether it is carried out.
fn draw(rng: &mut fastrand::Rng, query: &Query) -> (Fault, Deed) {
    let chance = rng.u8(0..10);
    let deed = if !query.writes() || chance < 6 {
        Deed::Now
    } else if chance < 8 {
        Deed::Never
    } else {
        Deed::After(rng.u8(1..=8))
    };
    if rng.f64() > if query.writes() { 0.5 } else { 0.08 } {
        return (Fault::None, deed);
    }
    let cut = if rng.u8(0..4) == 0 { 255 } else { rng.u8(0..14) };
    // A box that refuses the address of its sequence echo is taken for one that has none: not one of the faults.
    let first = if query.address() == ECHO && !query.writes() { 3 } else { 0 };
    let code = rng.choice(&[1, 2, 3, 4, 5, 6, 0x0A, 0x0B][first..]).copied().unwrap();
    let own = if query.writes() {
        [Fault::EchoAddress, Fault::EchoValue, Fault::EchoShort]
    } else {
        [Fault::OneTooFew, Fault::OneTooMany, Fault::ByteCount]
    };
    let any = [
        Fault::Lost,
        Fault::Lost,
        Fault::Late,
        Fault::Late,
        Fault::LateOnNextConnection,
        Fault::Slow(rng.u16(5..3 * TIMEOUT_MS)),
        Fault::Slow(rng.u16(5..3 * TIMEOUT_MS)),
        Fault::Slow(TIMEOUT_MS),
        Fault::OtherUnit,
        Fault::OtherUnitFirst,
        Fault::OtherTransaction,
        Fault::TwoStaleFirst,
        Fault::StaleBehind,
        Fault::Duplicate,
        Fault::OtherFunction,
        Fault::FunctionAlone,
        Fault::Exception(code),
        Fault::Exception(code),
        Fault::LongException(code),
        Fault::ExceptionOfOther,
        Fault::CloseAfter(cut),
        Fault::CloseAfter(cut),
        Fault::ResetAfter(cut),
        Fault::ResetAfter(cut),
        Fault::Protocol,
        Fault::Length(rng.u16(..)),
        Fault::LengthBy(rng.i8(-3..=3)),
        Fault::Half,
        Fault::Drip,
        Fault::Cut(cut),
        Fault::Noise,
        Fault::Mute,
        Fault::Deaf,
    ];
    (rng.choice([&own[..], &any].concat()).unwrap(), deed)
}

/// One box, the task of its link, and what is known of its gate.
struct Bench {
    device: Device,
    handle: FieldHandle,
    clock: Clock,
    truth: Arc<Mutex<Truth>>,
    gate: Gate,
    memory: GateMemory,
    rng: fastrand::Rng,
    target: u16,
    /// Target and reports of each command.
    commands: BTreeMap<u64, (u16, Vec<WriteResult>)>,
}

impl Bench {
    async fn start(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let target_at = if rng.u8(0..3) == 0 { TARGET_APART } else { TARGET };
        let truth = Arc::new(Mutex::new(Truth { visited: vec![POSITION], ..Truth::default() }));
        let (on_wire, carried) = (Arc::clone(&truth), Arc::clone(&truth));
        let hand =
            move |query: &Query, bank: &mut Bank| carried.lock().unwrap().carry_out(query, bank, target_at);
        let mut faulty = Faulty::new(Bank::default(), hand);
        let mut chance = rng.fork();
        let device = Device::start(move |query: &Query| -> Vec<Act> {
            let (fault, deed) = draw(&mut chance, query);
            let mut truth = on_wire.lock().unwrap();
            truth.note(query, target_at);
            truth.faults += u64::from((fault, deed) != (Fault::None, Deed::Now));
            drop(truth);
            faulty.answer(query, fault, deed)
        })
        .await;
        let mut field = boxes(&device, 1);
        field.points[1].address = target_at;
        field.links[0].timeout_s = f64::from(TIMEOUT_MS) / 1000.0;
        field.links[0].connect_timeout_s = 1.0;
        field.classes[0].period_s = 15.0;
        let clock = Clock::scaled(SPEED, fixture::utc(0));
        let handle = field::start(Arc::new(field), clock.clone(), Access::Command);
        let gate = basin().gates.remove(0);
        let memory = GateMemory::default();
        Self { device, handle, clock, truth, gate, memory, rng, target: 0, commands: BTreeMap::new() }
    }

    /// Gives one command and waits until the gate's memory knows its end.
    async fn command(&mut self, id: u64) -> Terminal {
        // Now and then where it stands already.
        if self.target == 0 || self.rng.u8(0..6) > 0 {
            self.target = self.rng.u16(1..540);
        }
        let target = self.target;
        let action = Action::Goto(Opening::from_fraction(f64::from(target) / 600.0).unwrap());
        {
            let mut truth = self.truth.lock().unwrap();
            *truth.given.entry(target).or_default() += 1;
            truth.visited = truth.visited.last().copied().into_iter().collect();
        }
        self.commands.insert(id, (target, Vec::new()));
        let now = self.clock.now().mono;
        let before = facts(&self.handle.freeze(), &self.gate).opening;
        let command = InFlight {
            id: CommandId(id),
            action,
            before,
            set_points: Vec::new(),
            since: now,
            deadline: deadline(&self.gate, before, action, now),
            write: None,
            because: Vec::new(),
            actor: "dispatch".into(),
        };
        self.memory.command(command, &self.gate, now);
        self.handle.send(order_numbered(id, action, now + Duration::from_secs(VALID_S)));
        let Self { handle, clock, truth, gate, memory, commands, .. } = self;
        let ended = until(handle, |handle| {
            for report in handle.take_reports() {
                take(report, commands, truth);
                memory.report(report.command, report.result);
            }
            memory.advance(gate, &facts(&handle.freeze(), gate), clock.now().mono)
        })
        .await;
        assert_eq!(ended.command.id, CommandId(id));
        if ended.terminal == Terminal::Verified {
            let truth = self.truth.lock().unwrap();
            // Tolerance: a hundredth of the stroke.
            let near = truth.visited.iter().any(|at| at.abs_diff(target) <= 6);
            assert!(near, "command {id} to {target} is called verified: {truth:?}");
        }
        ended.terminal
    }

    /// Ends the link and looks back at all its commands.
    async fn end(self) -> (BTreeMap<u64, (u16, Vec<WriteResult>)>, u64) {
        let Self { device, handle, truth, mut commands, .. } = self;
        for report in handle.shutdown().await {
            take(report, &mut commands, &truth);
        }
        device.stop().await;
        let truth = truth.lock().unwrap();
        for (id, (_, results)) in &commands {
            let (last, before) = results.split_last().unwrap_or_else(|| panic!("command {id} has no report"));
            assert!(before.iter().all(|r| *r == WriteResult::Unknown), "command {id}: {results:?}");
            let sent = truth.numbered.contains_key(&CommandId(*id).register());
            let kept = matches!(last, WriteResult::NotSent(_));
            assert!(!(kept && sent), "command {id} is called not sent and has been on the wire");
        }
        (commands, truth.faults)
    }
}

/// Takes a report up; what it calls accepted the box must have done.
fn take(report: WriteReport, commands: &mut BTreeMap<u64, (u16, Vec<WriteResult>)>, truth: &Mutex<Truth>) {
    let id = report.command.0;
    let (target, results) = commands.get_mut(&id).unwrap();
    results.push(report.result);
    if report.result == WriteResult::Accepted {
        let truth = truth.lock().unwrap();
        // Its registers, as anybody can read them; where it has gone is for the gate's memory to see.
        let done = truth.done.contains(&report.command.register()) && truth.held.contains(target);
        assert!(done, "command {id} to {target} is called accepted after {results:?}: {truth:?}");
    }
}

/// What the image says about the gate.
fn facts(samples: &[Sample], gate: &Gate) -> GateFacts {
    let good = |at: usize| samples[at].good.filter(|_| samples[at].fault.is_none());
    let position = good(0);
    GateFacts {
        opening: position.map(|(value, _)| gate.stroke.opening(value)),
        position: Reading {
            value: position.map(|(value, _)| value),
            quality: if position.is_some() { Quality::Good } else { Quality::Bad },
            reason: samples[0].fault,
            taken_at: samples[0].good.map(|(_, at)| at),
            last_good: samples[0].good.map(|(value, _)| value),
        },
        target: good(1).map(|(value, at)| (gate.stroke.opening(value), at)),
        ..fixture::SHUT_AT_REST
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_commands_are_each_sent_once_and_each_end() {
    let (seed, runs) = (setting("QINDAN_FAULT_SEED", SEED), setting("QINDAN_FAULT_RUNS", RUNS));
    println!("QINDAN_FAULT_SEED={seed} QINDAN_FAULT_RUNS={runs}");
    let clock = Clock::real();
    let begin = clock.mark();
    let benches = (0..BOXES).map(|at| {
        tokio::spawn(async move {
            let mut bench = Bench::start(seed.wrapping_mul(1_000_003).wrapping_add(at)).await;
            let mut ends = Vec::new();
            for id in 1..=runs / BOXES + u64::from(at < runs % BOXES) {
                ends.push(bench.command(id).await);
            }
            let (commands, faults) = bench.end().await;
            (ends, commands, faults)
        })
    });
    let mut ended: BTreeMap<String, u64> = BTreeMap::new();
    let mut reported: BTreeMap<String, u64> = BTreeMap::new();
    let (mut all, mut faults) = (0, 0);
    for bench in join_all(benches.collect::<Vec<_>>()).await {
        let (ends, commands, drawn) = bench.unwrap();
        faults += drawn;
        for end in ends {
            *ended.entry(format!("{end:?}")).or_default() += 1;
            all += 1;
        }
        for (_, results) in commands.values() {
            *reported.entry(format!("{results:?}")).or_default() += 1;
        }
    }
    assert_eq!(all, runs);
    println!("{runs} commands, {faults} faults, {:.1} s", begin.elapsed().as_secs_f64());
    println!("ended {ended:#?}\nreported {reported:#?}");
}
