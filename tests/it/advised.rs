//! What people do with what dispatch proposes, and readings they enter in place of a meter: stories of dry days of May on the
//! shipped basin, as those of `ladder`.

use std::time::Duration;

use qindan::control::operator::{Mode, OperatorAct, Order};
use qindan::control::reason::Because;
use qindan::control::record::Kind;
use simulators::run::Run;

use crate::ladder::{HOUR, NO_TURNS, PUMP, case, day, tell};

/// An act of Li, with a request of its own.
fn act(run: &mut Run, number: &mut u32, order: Order) {
    *number += 1;
    run.ask(OperatorAct {
        request: format!("request-{number}"),
        who: "li".into(),
        role: String::new(),
        address: "test".into(),
        order,
        reason: None,
    });
}

/// In advice nothing is written by itself: a turn of the pump that was announced is proposed, with the causes of dispatch, and the
/// gates of the dam stand where they stood.
#[test]
fn what_nobody_accepts_is_not_sent() {
    let mut number = 0;
    let mut proposed = 0;
    let told = tell(case(6, PUMP, &[]), |run| {
        if run.now() >= day(3) && number == 0 {
            act(run, &mut number, Order::SetMode { mode: Mode::Advice });
        }
        let open = run.controller().advice().open();
        proposed = proposed.max(open.len());
        assert!(open.iter().all(|proposal| !proposal.because.is_empty()), "{open:?}");
    });
    assert!(proposed > 0, "the pump asks for more water, and nothing was proposed");
    let late = told.run.given().iter().filter(|given| given.at > day(3) + HOUR).collect::<Vec<_>>();
    assert!(late.is_empty(), "{late:?}");
    let tallies = told.run.controller().advice().tallies();
    assert!(tallies.iter().all(|tally| tally.accepted == 0 && tally.rejected == 0));
    assert!(tallies.iter().any(|tally| tally.lapsed > 0), "{tallies:?}");
}

/// Whoever accepts at once what is proposed keeps both floors, as automatic would; every movement bears their name and the causes
/// of dispatch, and the gate stays with dispatch.
#[test]
fn whoever_accepts_what_is_proposed_keeps_the_floors() {
    let mut number = 0;
    let told = tell(case(7, PUMP, &[]), |run| {
        if run.now() < day(3) {
            return;
        }
        if number == 0 {
            act(run, &mut number, Order::SetMode { mode: Mode::Advice });
        }
        let orders = run.controller().advice().open().iter().map(|open| Order::Accept {
            gate: open.gate,
            proposal: open.id,
            opening: open.to,
            second: false,
        });
        for order in orders.collect::<Vec<_>>() {
            act(run, &mut number, order);
        }
    });
    assert_eq!((told.short("zf_out"), told.short("runcheng")), ((0.0, 0.0), (0.0, 0.0)));
    let late = told.run.given().iter().filter(|given| given.at > day(3) + HOUR).collect::<Vec<_>>();
    assert!(!late.is_empty());
    for given in late {
        assert_eq!(given.actor, "operator:li", "{given:?}");
        let [Because::Advice { who }, _, ..] = given.because.as_slice() else { panic!("{given:?}") };
        assert_eq!(who, "li");
    }
    let tallies = told.run.controller().advice().tallies();
    let [accepted, rejected] =
        [tallies.iter().map(|t| t.accepted).sum::<u32>(), tallies.iter().map(|t| t.rejected).sum()];
    assert!(accepted > 0 && rejected == 0, "{tallies:?}");
}

/// What was rejected is not proposed again for half an hour; an answer to what is no longer open is refused, and so is one in another
/// mode.
#[test]
fn what_was_rejected_is_left_alone_for_half_an_hour() {
    let mut number = 0;
    let mut rejected = None;
    let mut again = None;
    let mut refused = Vec::new();
    let mut run = Run::new(case(6, PUMP, &[]), 7);
    while !run.is_over() && again.is_none() {
        if run.now() >= day(3) && number == 0 {
            act(&mut run, &mut number, Order::SetMode { mode: Mode::Advice });
        }
        let open = run.controller().advice().open().first().cloned();
        match (open, rejected) {
            (Some(open), None) => {
                let order = |reason: &str| Order::Reject {
                    gate: open.gate,
                    proposal: open.id,
                    reason: reason.into(),
                };
                // The second of the two comes too late.
                act(&mut run, &mut number, order("the crew works there"));
                act(&mut run, &mut number, order("the same"));
                rejected = Some((run.now(), open.gate, open.to));
            }
            (_, Some((at, gate, to))) => {
                let open = run.controller().advice().open().iter();
                let same = |by: f64| (by - to.fraction()).abs() < 0.05;
                let mut found = open.filter(|open| open.gate == gate && same(open.to.fraction()));
                if run.now() > at + Duration::from_secs(60) && found.next().is_some() {
                    again = Some(run.now().saturating_sub(at));
                }
            }
            (None, None) => {}
        }
        let tick = run.tick(day(6));
        refused.extend(tick.decision.answers.into_iter().filter_map(|(_, answer)| answer.err()));
    }
    let again = again.expect("proposed again, since the pump still asks for it");
    assert!(again >= Duration::from_secs(1800), "{again:?}");
    assert!(matches!(refused.as_slice(), [why] if why.contains("no longer open")), "{refused:?}");
}

/// Two days without the meter of Runcheng, and somebody reads the staff gauge every three hours and enters what is there, good for four: dispatch
/// goes on (the constant of F3 is never taken up), nothing is missing, and no gate is wound up by a number that does not move.
#[test]
fn a_staff_gauge_read_every_three_hours_stands_in_for_the_meter() {
    let (from, to) = (day(3), day(5));
    let text = format!(
        "{NO_TURNS}[event.dead]\nat = \"3d\"\nevent = \"unplug\"\ndevice = \"m.q.runcheng\"\nsilent = true\n\
         [event.back]\nat = \"5d\"\nevent = \"plug\"\ndevice = \"m.q.runcheng\"\n"
    );
    let mut number = 0;
    let mut next = from + HOUR;
    let told = tell(case(6, &text, &[]), |run| {
        if run.now() < next || run.now() >= to {
            return;
        }
        next += 3 * HOUR;
        let runcheng = run.case().config.basin.section("runcheng").unwrap();
        // As read off a staff gauge: to the centimetre per second and no better.
        let value = (run.plant().section_flow(runcheng) * 50.0).round() / 50.0;
        let (meter, reason) = ("q.runcheng".to_owned(), "staff gauge".to_owned());
        act(run, &mut number, Order::Enter { meter, value, minutes: 240, reason });
    });
    let rungs = told.rungs.iter().filter(|(at, _)| *at >= from).collect::<Vec<_>>();
    assert!(rungs.is_empty(), "{rungs:?}");
    assert_eq!((told.short("zf_out"), told.short("runcheng")), ((0.0, 0.0), (0.0, 0.0)));
}

/// Every answer to a proposal stands in the record with what was proposed, why, and who answered.
#[test]
fn answers_to_proposals_stand_in_the_record() {
    let mut number = 0;
    let mut run = Run::new(case(5, PUMP, &[]), 7);
    let mut told = Vec::new();
    while !run.is_over() {
        if run.now() >= day(3) && number == 0 {
            act(&mut run, &mut number, Order::SetMode { mode: Mode::Advice });
        }
        if let (Some(open), 1) = (run.controller().advice().open().first().cloned(), number) {
            let (gate, proposal, opening) = (open.gate, open.id, open.to);
            act(&mut run, &mut number, Order::Accept { gate, proposal, opening, second: false });
        }
        let tick = run.tick(day(5));
        told.extend(tick.decision.entries.into_iter().filter_map(|entry| {
            let was = entry.detail.as_ref()?.get("proposal_was")?.as_str()?.to_owned();
            assert_eq!(entry.kind, Kind::Decision);
            assert!(entry.gate.is_some() && entry.action.is_some() && !entry.because.is_empty(), "{entry:?}");
            Some((was, entry.actor))
        }));
    }
    assert_eq!(told.first(), Some(&("made".to_owned(), "dispatch".to_owned())));
    assert!(told.contains(&("accepted".to_owned(), "operator:li".to_owned())), "{told:?}");
}
