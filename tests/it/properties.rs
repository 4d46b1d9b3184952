//! What holds whatever comes in: `decide` has an answer to everything, and the same one twice; what is not seen lowers no release; a
//! fuller reservoir gives no use less, and none before one that ranks higher; more water makes no plan shorter.
//!
//! Few cases here; `ops/long properties` asks for a million of each, of the plans for a hundredth of that.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;
use qindan::basin::{Basin, GateId, Priority, ReservoirId};
use qindan::config::{self, Config};
use qindan::control::command::{CommandId, WriteReport, WriteResult};
use qindan::control::gate::GateMemory;
use qindan::control::operator::{Authority, Mode, OperatorAct, Order};
use qindan::control::quality::{Reason, Sample};
use qindan::control::reason::Because;
use qindan::control::schedule::steps::Memory;
use qindan::control::status::Rung;
use qindan::control::{Controller, Now, Settings, Snapshot, rules};
use qindan::units::Opening;

use crate::core::Core;
use crate::fixture::SHUT_AT_REST;
use crate::river::{Benchmark, Goal};

static SHIPPED: LazyLock<Config> = LazyLock::new(|| {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    config::load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
});

/// `few`, or a share of what `PROPTEST_CASES` asks for.
fn cases(few: u32, share: u32) -> Cases {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse::<u32>().ok());
    let cases = asked.map_or(few, |asked| (asked / share).max(few));
    Cases { cases, failure_persistence: None, ..Cases::default() }
}

/// What a point shows.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// A number read now.
    Number(f64),
    /// A number read so many seconds ago.
    Old(f64, u32),
    /// Nothing, for a reason; what was read before is kept.
    Fault(Reason),
    /// Never anything.
    Never,
}

fn shown() -> impl Strategy<Value = Shown> {
    let number = prop_oneof![
        8 => 0.0..5.0,
        4 => 0.0..100.0,
        2 => 700.0..760.0,
        1 => proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e9, -0.0, 65_535.0]),
    ];
    let reasons = vec![Reason::CommError, Reason::Sentinel, Reason::NeverRead];
    prop_oneof![
        12 => number.clone().prop_map(Shown::Number),
        2 => (number, 0_u32..100_000).prop_map(|(value, age)| Shown::Old(value, age)),
        2 => proptest::sample::select(reasons).prop_map(Shown::Fault),
        1 => Just(Shown::Never),
    ]
}

fn orders() -> impl Strategy<Value = Option<Order>> {
    let gate = (0_usize..80).prop_map(GateId);
    let opening = (0.0..=1.0).prop_map(Opening::clamped);
    let all = [Authority::Automatic, Authority::Advice, Authority::Manual, Authority::Observe];
    let authority = proptest::sample::select(all.to_vec());
    prop_oneof![
        12 => Just(None),
        1 => Just(Some(Order::HoldAll)),
        1 => Just(Some(Order::ReleaseHold)),
        1 => proptest::sample::select(vec![Mode::Automatic, Mode::Manual, Mode::Advice, Mode::Observe])
            .prop_map(|mode| Some(Order::SetMode { mode })),
        1 => gate.clone().prop_map(|gate| Some(Order::StopGate { gate })),
        2 => (gate.clone(), authority).prop_map(|(gate, authority)| Some(Order::SetAuthority { gate, authority })),
        1 => (gate, opening)
            .prop_map(|(gate, opening)| Some(Order::SetPoint { gate, opening, reason: "a test".into() })),
    ]
}

/// A tick: seconds since the one before, what the wall clock jumps by, what points show (repeated with a stride over all of them), what
/// people ask, what is reported, and whether the record can be written.
type Moment = (u64, i64, Vec<Shown>, Option<Order>, Option<u64>, bool);

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    let step = proptest::sample::select(vec![1_u64, 1, 1, 2, 60, 60, 300, 3600, 86_400]);
    let jump = prop_oneof![12 => Just(0_i64), 1 => -100_000_i64..100_000];
    let shown = proptest::collection::vec(shown(), 1..24);
    let report = prop_oneof![4 => Just(None), 1 => (0_u64..40).prop_map(Some)];
    let moment = (step, jump, shown, orders(), report, proptest::bool::weighted(0.9));
    proptest::collection::vec(moment, 1..24)
}

fn seen(at: Duration, number: usize, (_, _, shown, order, report, record_ok): &Moment) -> Snapshot {
    let sample = |point: usize| {
        // A stride that is prime to every length below it: each tick deals them out anew.
        let shown = shown.get((point * 31 + number * 7) % shown.len()).copied().unwrap_or(Shown::Never);
        match shown {
            Shown::Number(value) => Sample { good: Some((value, at)), fault: None },
            Shown::Old(value, age) => Sample {
                good: Some((value, at.saturating_sub(Duration::from_secs(age.into())))),
                fault: None,
            },
            Shown::Fault(reason) => Sample { good: Some((1.0, Duration::ZERO)), fault: Some(reason) },
            Shown::Never => Sample { good: None, fault: Some(Reason::NeverRead) },
        }
    };
    let acts = order.iter().map(|order| OperatorAct {
        request: format!("request-{number}"),
        who: "console".into(),
        role: "operator".into(),
        address: "test".into(),
        reason: None,
        order: order.clone(),
    });
    let write = report.map(|command| WriteReport {
        command: CommandId(command),
        gate: GateId(usize::try_from(command % 7).unwrap()),
        result: if command % 2 == 0 { WriteResult::Accepted } else { WriteResult::Unknown },
        at,
    });
    Snapshot {
        samples: (0..SHIPPED.field.points.len()).map(sample).collect(),
        writes: write.into_iter().collect(),
        acts: acts.collect(),
        offers: Vec::new(),
        recovered: Vec::new(),
        record_ok: *record_ok,
        refused_sign_ins: 0,
        deaf_receivers: 0,
    }
}

proptest! {
    #![proptest_config(cases(12, 1))]

    /// Every stream of inputs, numbers that are none and clocks that jump included, has its decisions: no panic, no overflow; and a
    /// second controller gives the same to the last digit.
    #[test]
    fn decide_answers_everything_and_always_the_same(moments in moments(), plans in any::<bool>()) {
        let mut config = SHIPPED.clone();
        std::sync::Arc::make_mut(&mut config.basin).control.follow_plan = plans;
        let start = Timestamp::from_second(1_778_428_800).unwrap();
        let controller = || Controller::new(&config, Settings { observing: false, bench: true }, None, start);
        let mut twins = [controller(), controller()];
        let (mut mono, mut utc) = (Duration::ZERO, start);
        for (number, moment) in moments.iter().enumerate() {
            mono += Duration::from_secs(moment.0);
            utc += jiff::SignedDuration::from_secs(moment.1 + i64::try_from(moment.0).unwrap());
            let (seen, now) = (seen(mono, number, moment), Now { mono, utc });
            let [one, other] = &mut twins;
            let (first, second) = (one.decide(&seen, now), other.decide(&seen, now));
            prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
            for cleared in &first.commands {
                // Nothing is sent that has expired before it leaves.
                prop_assert!(cleared.valid_until() > mono);
            }
        }
        let now = Now { mono, utc };
        let [one, other] = twins.map(|controller| serde_json::to_string(&controller.status(now)).unwrap());
        prop_assert_eq!(one, other);
    }

    /// From the moment on at which the section far down counts as lost, its dam releases no less than before, whatever else is
    /// lost with it and whatever the other meters show.
    #[test]
    fn a_section_that_is_not_seen_lowers_no_release(
        flows in (0.8_f64..4.0, 0.5_f64..4.0), opening in 0.05_f64..0.6, learnt in 0_u64..240,
        also_lost in proptest::collection::vec(proptest::sample::select(vec!["q.outlet"]), 0..2),
        later in 0.8_f64..4.0,
    ) {
        let mut core = Core::automatic(opening, flows.0);
        core.meter("q.ford", flows.1);
        let minutes = |core: &mut Core, count: u64| {
            let mut targets = Vec::new();
            for _ in 0..count {
                core.second += 59;
                core.tick();
                let status = core.status();
                targets.extend(status.release.first().map(|release| (status.rung, release.target.get())));
            }
            targets
        };
        minutes(&mut core, learnt);
        core.fails("q.ford");
        for meter in &also_lost {
            core.fails(meter);
        }
        if also_lost.is_empty() {
            core.meter("q.outlet", later);
        }
        let targets = minutes(&mut core, 240);
        // A service that has just begun stands there too, until it has seen the section.
        let seen = targets.iter().rposition(|(rung, _)| *rung != Rung::F3).map_or(0, |last| last + 1);
        let blind = &targets[seen..];
        prop_assert!(blind.len() >= 100, "{targets:?}");
        for pair in blind.windows(2) {
            prop_assert!(pair[1].0 == Rung::F3 && pair[1].1 >= pair[0].1 - 1e-9, "{pair:?}");
        }
    }
}

/// Share that a use of this rank gets of what it asks for from the canal of the dam with the reservoir at `level`.
fn share(rank: Priority, level: f64) -> f64 {
    let mut basin = Basin::clone(&SHIPPED.basin);
    basin.intakes.iter_mut().for_each(|intake| intake.priority = rank);
    basin
        .transfers
        .iter_mut()
        .flat_map(|transfer| &mut transfer.shares)
        .for_each(|share| share.priority = rank);
    let canal = basin.gate("zf.canal.g1").unwrap();
    let lake = basin.reservoirs.iter().position(|body| body.id == "zhangfeng").unwrap();
    let level_meter = basin.reservoirs[lake].level_meter;
    let meter = |id| Some(if Some(id) == level_meter { level } else { 0.0 });
    let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
    facts[canal.0].opening = Some(Opening::clamped(0.3));
    let scene = rules::Scene {
        basin: &basin,
        schedules: &SHIPPED.schedules,
        calendar: &Memory::default(),
        meter: &meter,
        owed: &|_: ReservoirId| None,
        facts: &facts,
        gates: &vec![GateMemory::default(); basin.gates.len()],
        now: Duration::from_secs(86_400),
        utc: "2026-05-15T04:00:00Z".parse().unwrap(),
        flood_season: false,
        tickets: &qindan::control::ticket::Tickets::default(),
    };
    let wish = rules::wishes(&scene).into_iter().find(|wish| wish.gate == canal);
    match wish.as_ref().and_then(|wish| wish.because.first()) {
        Some(Because::Cut { asked, flow, .. }) => flow.get() / asked.get(),
        Some(Because::Demand { .. }) => 1.0,
        // Next to nothing is given, and next to nothing flows.
        None => 0.0,
        Some(other) => panic!("{other:?}"),
    }
}

/// In the order of the law (domain notes 2.7).
const RANKS: [Priority; 7] = [
    Priority::Safety,
    Priority::Domestic,
    Priority::Ecology,
    Priority::Industry,
    Priority::Irrigation,
    Priority::Amenity,
    Priority::Power,
];

proptest! {
    #![proptest_config(cases(64, 1))]

    /// At every level a use gets at least the share of one that ranks below it, and at a higher level at least what it got at a lower.
    #[test]
    fn no_use_is_cut_before_one_that_ranks_below_it(
        ranks in (0_usize..7, 0_usize..7), level in 728.0_f64..740.0, more in 0.0_f64..5.0,
    ) {
        let (first, last) = (RANKS[ranks.0.min(ranks.1)], RANKS[ranks.0.max(ranks.1)]);
        let (high, low) = (share(first, level), share(last, level));
        prop_assert!(high >= low - 1e-9, "{first:?} {high}, {last:?} {low} at {level}");
        for rank in [first, last] {
            let fuller = share(rank, level + more);
            prop_assert!(fuller >= share(rank, level) - 1e-9, "{rank:?}: {fuller} at {level} and {more} more");
        }
    }
}

proptest! {
    #![proptest_config(cases(4, 100))]

    /// More water from the tributary, whenever it comes, and a fuller store leave no more shortage to the best plan of the benchmark's
    /// river, but for what the solver's tolerance and its price of water make of it: a thousandth, and 1 m³.
    #[test]
    fn more_water_makes_no_plan_shorter(
        share in 0.3_f64..1.0, from in 0_usize..288, lasts in 1_usize..288, more in 0.0_f64..0.5, stored in 0.0_f64..50_000.0,
    ) {
        // A drier river than that of the file, so that there is a shortage to speak of.
        let mut dry = Benchmark::read();
        dry.dry_up(share);
        let mut wet = dry.clone();
        wet.add_water(from..(from + lasts).min(wet.steps), more, stored);
        let goal = Goal { block: 4, ..Goal::WEIGHTED };
        let [dry, wet] = [dry, wet].map(|river| river.run(&river.plan(goal, 1).unwrap().0).shortage_m3);
        prop_assert!(wet <= 1.001 * dry + 1.0, "{dry} m³ and with more water {wet}");
    }
}
