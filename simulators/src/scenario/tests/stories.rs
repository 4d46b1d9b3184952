//! What people do in a scenario reaches the service, and shipped stories show what their heads say.

use qindan::control::incident::Arrival;

use super::*;

/// Hours from the spill until the first, the earliest and the latest peak and the last of its water at an element.
fn window(run: &Run, element: &str) -> Option<[f64; 4]> {
    let [incident] = run.controller().incidents().open() else { panic!("one incident") };
    let at = |arrival: &&Arrival| arrival.reached.element == element;
    let window = incident.arrivals.iter().find(at)?.window?;
    let hours = |time: jiff::Timestamp| time.duration_since(incident.report.happened).as_secs_f64() / 3600.0;
    Some([window.first, window.peak.0, window.peak.1, window.over].map(hours))
}

/// The spill in the Luwei by hand, at its mean of May, 0.4045 m³/s: 0.1278 m deep in 8 m with side slopes of 2, n 0.05, 6 per mille,
/// v = 0.3834 m/s. Six kilometres to the inlet take 4.348 h: its first comes after 0.89 of it, its slowest peak after 1.8 of it. Another
/// 1.5 km take 1.088 h; the last kilometre, 20 m wide with side slopes of 2.5 at 3.5 per mille, is 0.265 m deep at 2.6 m³/s and moves at
/// 0.476 m/s: 0.583 h, so the peak is at Runcheng after 6.02 h. Meters are off by a tenth, velocity goes with the 0.4th power of it.
#[test]
fn the_water_of_the_luwei_arrives_when_it_was_worked_out() {
    let case = crate::replay::load("incident_luwei", None, &[]).unwrap();
    let seed = case.scenario.seed;
    let mut run = Run::new(case, seed);
    run.until(Duration::from_hours(34) + Duration::from_mins(25), |_, _| {});
    let near = |found: f64, wanted: f64| (found - wanted).abs() < 0.06 * wanted;
    let [first, peak, late, over] = window(&run, "lw.inlet").unwrap();
    assert!(near(first, 3.870) && near(peak, 4.348) && near(late, 7.826), "{first} {peak} {late}");
    // 10⁶ times the unit peak of a cloud of 7.83 h, 1025 · 7.83^−0.887 = 165.2, so 2·10⁶ / 165.2 s = 3.363 h; with 0.89 · 7.83 h before
    // them and the half hour of the spill.
    assert!(near(over, 10.83), "{over}");
    let [_, peak, ..] = window(&run, "runcheng").unwrap();
    assert!(near(peak, 6.02), "{peak}");
    assert!(window(&run, "in.runcheng_lift").is_none(), "it lies above the mouth");
}

/// What nobody knows before, the numbers of tickets and warnings, is looked up when somebody acts; without one nothing is asked.
#[test]
fn people_sign_and_cancel_what_there_is() {
    let ask = "act = \"ask_ticket\"\nwho = \"li\"\ngate = \"zf.eco.v1\"\npermit = \"starts\"\nminutes = 60\nreason = \"test\"\n";
    let sign = "act = \"sign_ticket\"\nwho = \"wang\"\ngate = \"zf.eco.v1\"\n";
    let warn = "act = \"issue_warning\"\nwho = \"li\"\nelement = \"luwei\"\ngrade = \"blue\"\ncause = \"c\"\nmeasure = \"m\"\n";
    let cancel = "act = \"cancel_warning\"\nwho = \"li\"\nelement = \"luwei\"\nreason = \"r\"\n";
    let end = "act = \"end_ticket\"\nwho = \"li\"\ngate = \"zf.eco.v1\"\n";
    let acts = [
        ("early", 1, sign),
        ("ask", 2, ask),
        ("own", 3, &sign.replace("wang", "li")),
        ("sign", 4, sign),
        ("end", 5, end),
        ("again", 6, end),
        ("nothing", 7, cancel),
        ("warn", 8, warn),
        ("cancel", 9, cancel),
    ];
    let text = acts.map(|(id, minute, act)| format!("[event.{id}]\nat = \"{minute}min\"\n{act}")).concat();
    let case = loaded(&text);
    let mut run = Run::new(case, 7);
    run.until(Duration::from_mins(10), |_, _| {});
    let refused: Vec<_> =
        run.answers().iter().filter(|(_, answer)| answer.is_err()).map(|(id, _)| id.as_str()).collect();
    assert_eq!(refused, ["again", "early", "nothing", "own"], "{:?}", run.answers());
    assert_eq!(run.answers().len(), acts.len());
    assert_eq!(run.alarms().get("A06:zf.eco.v1"), Some(&1));
    assert_eq!(run.alarms().get("A52:luwei"), Some(&1));
}

/// Shipped stories that run in seconds and stand for what takes two persons: each shows what its head expects of it.
#[test]
fn stories_of_two_persons_show_what_they_are_for() {
    for name in ["overflow_december", "flood_ordered", "wetland_warning", "incident_luwei"] {
        let case = crate::replay::load(name, None, &[]).unwrap();
        let seed = case.scenario.seed;
        let played = crate::play::play(case, seed, &[], None, false, |_| std::ops::ControlFlow::Continue(()));
        let played = played.unwrap().unwrap();
        assert!(played.summary.unmet.is_empty(), "{name}: {:?}", played.summary.unmet);
    }
}
