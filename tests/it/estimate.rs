//! The coarse river against sums by hand, on the invented basin: 10 km to the mouth of a brook, 20 km more to the ford,
//! 0.2 % of the flow lost per kilometre, a mill 5 km below the mouth.

use qindan::basin::IntakeId;
use qindan::config::{Schedules, Turn};
use qindan::control::estimate::{River, Scene};
use qindan::control::learnt::Learnt;
use qindan::control::routing;

use crate::fixture::{q, small_basin, utc};

/// Water that must pass a node for a section: the rest of the way loses a share, the mill takes, the brook brings.
#[test]
fn what_is_owed_at_a_node_is_what_the_way_below_it_takes() {
    let basin = small_basin();
    let paths = routing::paths(&basin);
    let at = paths.iter().position(|path| basin.sections[path.section.0].id == "ford").unwrap();
    let path = &paths[at];
    let turn =
        Turn { id: "mill".into(), intake: IntakeId(0), from: utc(-3600), to: utc(10 * 86_400), rate: q(0.3) };
    let schedules = Schedules { turns: vec![turn], ..Schedules::default() };
    let scene = Scene::new(&basin, &schedules, utc(0));
    assert_eq!(path.segments.len(), 1, "no gauge between");
    let owed = |left: usize, learnt: Learnt| {
        let mut river = River::new(&basin, &paths);
        river.by_path[at].segments[0].learnt = learnt;
        river.owed_at_node(&scene, (path, at), left, 1.6).unwrap()
    };
    let lent = |left: usize, learnt: Learnt| owed(left, learnt).lent.get();
    let owed = |left: usize, learnt: Learnt| owed(left, learnt).passed.get();
    let none = Learnt { primed: true, ..Learnt::default() };
    // At the ford itself, the set point.
    assert!((owed(0, none) - 1.6).abs() < 1e-12);
    // At the mouth, 20 km above: the mill's 0.3, taken 15 km above the ford, is missed there by 0.998^15 of it.
    // (1.6 + 0.3 · 0.97042) / 0.96075 = 1.96838. The brook has joined already.
    assert!((owed(1, none) - 1.968_38).abs() < 1e-4, "{}", owed(1, none));
    // At the outlet the brook's 0.2 of a dry year still comes: (1.6 + 0.29113 − 0.19215) / (0.98018 · 0.96075).
    assert!((owed(2, none) - 1.804_14).abs() < 1e-4, "{}", owed(2, none));
    // A loss nobody metered is spread over the way: half of 0.1 below the mouth. A surplus is not relied on.
    let loss = Learnt { unexplained: -0.1, lasting: -0.1, ..none };
    assert!((owed(1, loss) - 1.968_38 - 0.05 / 0.960_75).abs() < 1e-4, "{}", owed(1, loss));
    let surplus = Learnt { unexplained: 0.1, lasting: 0.1, ..none };
    assert!((owed(1, surplus) - owed(1, none)).abs() < 1e-12);
    // A pond gives what is missing as expected, and there one that has lasted counts: half of 0.1.
    assert!((lent(1, none) - 1.968_38).abs() < 1e-4, "{}", lent(1, none));
    assert!((lent(1, surplus) - 1.968_38 + 0.05 / 0.960_75).abs() < 1e-4, "{}", lent(1, surplus));
}
