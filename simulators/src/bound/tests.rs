use super::script::Script;
use super::search::{Worth, windows};
use super::*;
use crate::inflow::{Base, Source};
use qindan::basin::Place;

/// The dry May cut to `days`, of which the first is not scored, without its events.
fn dry_may(days: u64) -> Case {
    let mut case = crate::replay::load("may_dry", None, &[]).unwrap();
    case.scenario.spin_up = Duration::from_hours(24);
    case.scenario.duration = Duration::from_hours(24 * days);
    case.scenario.happenings.clear();
    case
}

/// By the definition of the bound: less shortage beats any water, and of two as full the one with less water is better.
#[test]
fn no_water_buys_a_shortage() {
    let worth = |water, missing| Worth { water, missing };
    let full = worth(1000.0, 0.0);
    assert!(full.saved_by(worth(1.0, 0.001)) < 0.0);
    assert!((full.saved_by(worth(900.0, 0.0)) - 100.0).abs() < 1e-9);
    assert!(worth(900.0, 1.0).saved_by(worth(2000.0, 0.0)) > 0.0);
}

/// 45 days less one of spin-up are 1056 h: three stretches of 352 h, each looking on as far as the scenario does.
#[test]
fn a_long_scenario_is_cut_into_equal_stretches_that_overlap() {
    let script = Script::of(&dry_may(45)).unwrap();
    let cut = windows(&script, STRETCH_H);
    let tail = script.hours - script.end;
    assert_eq!(
        cut.iter().map(|window| (window.first, window.core)).collect::<Vec<_>>(),
        [(24, 376), (376, 728), (728, 1080)]
    );
    assert!(cut.iter().all(|window| window.until == window.core + tail));
    // 1.5 times the 32 h to Runcheng at its floor of 1.5 m³/s (domain notes), and six hours.
    assert!((50..60).contains(&tail), "{tail}");
}

/// A river of nothing but lag and loss: of a release r, 0.95 r − 0.3 m³/s arrive. Then the least release that keeps a floor f
/// is (f + 0.3) / 0.95, for Runcheng with 1.5 m³/s less the half per cent the score tolerates 1.887 m³/s; from 2.5 that is
/// within one trust region of 1 m³/s. What leaves too late to be judged is not asked for.
#[test]
fn the_least_release_of_a_river_of_lag_and_loss_is_need_and_loss() {
    let script = Script::of(&dry_may(10)).unwrap();
    let mut seen = Course::new(&script);
    seen.release.fill(2.5);
    seen.volume.fill(4e8);
    for (reach, (_, lag_h)) in seen.sections.iter_mut().zip(&script.dam.sections) {
        let flow = if *lag_h < 0.5 { 2.5 } else { 0.95 * 2.5 - 0.3 };
        reach.least.fill(flow);
        reach.mean.fill(flow);
    }
    let limits = Limits::of(&script);
    let window = windows(&script, STRETCH_H)[0];
    let search = Search { script: &script, limits };
    let proposal = program::solve(&search.task(window), &seen, &Answers::prior(&script), 1.0).unwrap();
    let steady = &proposal.release[window.first + 24..window.until - 96];
    let expected = (1.4925 + 0.3) / 0.95;
    let mean = steady.iter().sum::<f64>() / respond::float(steady.len());
    assert!((mean / expected - 1.0).abs() < 0.01, "{mean} {expected}");
    assert!(proposal.missing < 1.0, "{}", proposal.missing);
}

/// The steady need of this month without the pump is 1.61 m³/s (domain notes 2.3); of it the river, full from the spin-up,
/// gives a part for a day. Never above the run, and a trial keeps the floors; the same bits on any thread and however many;
/// cached equals computed.
#[test]
fn the_optimum_is_not_above_the_run_and_the_same_on_any_thread() {
    let case = dry_may(2);
    let record = Record::of(&case, 1).unwrap();
    let twice =
        crate::crew::each(&[(), ()], 2, |()| of(&record, 1, Depth::Fast, |_| ControlFlow::Continue(())));
    let [Some(bound), Some(again)] = &twice[..] else { panic!("{twice:?}") };
    assert_eq!(bound, again);
    assert_eq!(bound.depth, Depth::Fast);
    assert!(bound.optimum_m3 <= bound.run_m3, "{bound:?}");
    assert!(bound.rounds[0].iter().any(|round| round.missing_m3 <= 0.0), "{bound:?}");
    assert!(bound.sections.values().all(|section| section.unavoidable_minutes_below <= 0.0), "{bound:?}");
    let mean = bound.optimum_m3 / 86_400.0;
    assert!((1.0..2.0).contains(&mean), "{mean}");
    let folder = tempfile::tempdir().unwrap();
    let tight = Bound { depth: Depth::Tight, ..bound.clone() };
    let cached = |seed, depth, compute: &dyn Fn() -> Option<Bound>| {
        show::cached(&case, seed, depth, folder.path(), compute).unwrap()
    };
    cached(1, Depth::Fast, &|| Some(bound.clone()));
    assert_eq!(cached(1, Depth::Fast, &|| panic!("computed again")).as_ref(), Some(bound));
    // Another seed is another bound, and a fast one does not serve where a tight one is asked for, but the other way round.
    assert_eq!(cached(4, Depth::Fast, &|| None), None);
    assert_eq!(cached(1, Depth::Tight, &|| Some(tight.clone())), Some(tight.clone()));
    assert_eq!(cached(1, Depth::Fast, &|| panic!("computed again")), Some(tight.clone()));
}

/// From the begin of scoring somebody takes 0.8 m³/s just above the last section, more than it has to spare. Whatever is
/// released then arrives a travel time of more than a day later, and the day is over: all of the shortage is unavoidable. The
/// ponds on the way do not lend here: what they give is no release.
#[test]
fn what_cannot_arrive_in_time_is_unavoidable() {
    let mut case = dry_may(2);
    for body in &mut std::sync::Arc::make_mut(&mut case.config.basin).reservoirs {
        body.lends_above = None;
    }
    let basin = &case.config.basin;
    let section = basin.section("runcheng").unwrap();
    let Place::Node(node) = basin.sections[section.0].at else { panic!("a section at a node") };
    let begin = crate::inflow::seconds(instant(case.scenario.start, case.scenario.spin_up));
    let take = crate::inflow::Record::new(vec![(begin - 1.0, 0.0), (begin, 0.8)], (begin - 1.0, 1.0), None);
    case.scenario.laterals.push((Place::Node(node), Source::of(Base::Record(take)), -1.0));
    let record = Record::of(&case, 1).unwrap();
    let bound = of(&record, 1, Depth::Fast, |_| ControlFlow::Continue(())).unwrap();
    let found = &bound.sections["runcheng"];
    let short_h = found.unavoidable_minutes_below / 60.0;
    assert!((12.0..24.5).contains(&short_h), "{bound:?}");
    assert!(found.run_minutes_below >= found.unavoidable_minutes_below - 1.0, "{found:?}");
    assert!(bound.optimum_m3 <= bound.run_m3 || found.run_avoidable_minutes_below > 0.0, "{bound:?}");
}
