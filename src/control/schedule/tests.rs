//! Times by hand: weekdays and days of summer time from the calendar of 2026.

use jiff::civil::date;
use proptest::prelude::*;

use super::row::Row;
use super::steps::Memory;
use super::*;
use crate::basin::{Duty, Gate, GateKind};
use crate::control::testing;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An entry that opens gate `g`, by the cells of a row.
fn entry(id: &str, pct: u8, cells: &[(&str, &str)], zone: &TimeZone) -> Entry {
    let mut row = Row { id: id.into(), kind: "opening".into(), element: "g".into(), ..Row::default() };
    row.opening_pct = pct.to_string();
    for (column, text) in cells {
        (*text).clone_into(row.column(column).unwrap());
    }
    row.entry(zone).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn span(from: &str, to: &str) -> Span {
    Span { from: at(from), to: at(to) }
}

/// A supply gate `g` in the time zone `name`.
fn basin(name: &str) -> Basin {
    let gate = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 702.0);
    Basin { zone: zone(name), ..testing::basin(Gate { duty: Duty::Supply, ..gate }) }
}

/// 2026-05-01 is a Friday; Shanghai has UTC+8 all year.
#[test]
fn a_weekly_entry_runs_over_midnight_and_belongs_to_the_day_it_begins_on() {
    let shanghai = zone("Asia/Shanghai");
    let night = entry("n", 30, &[("days", "fri"), ("begin", "22:00"), ("end", "06:00")], &shanghai);
    let friday = Some(span("2026-05-01T14:00:00Z", "2026-05-01T22:00:00Z"));
    assert_eq!(night.when.span_at(&shanghai, at("2026-05-01T13:59:59Z")), None);
    assert_eq!(night.when.span_at(&shanghai, at("2026-05-01T14:00:00Z")), friday);
    // 05:59 on Saturday.
    assert_eq!(night.when.span_at(&shanghai, at("2026-05-01T21:59:59Z")), friday);
    assert_eq!(night.when.span_at(&shanghai, at("2026-05-01T22:00:00Z")), None);
    // Saturday night is none of its nights.
    assert_eq!(night.when.span_at(&shanghai, at("2026-05-02T15:00:00Z")), None);
    let window = Span { from: at("2026-05-01T20:00:00Z"), to: at("2026-05-15T20:00:00Z") };
    assert_eq!(night.when.spans(&shanghai, window).len(), 3, "1, 8 and 15 May");
}

#[test]
fn a_whole_day_begins_and_ends_at_midnight() {
    let shanghai = zone("Asia/Shanghai");
    let day = entry("d", 30, &[("days", "fri"), ("begin", "00:00"), ("end", "24:00")], &shanghai);
    assert_eq!(
        day.when.span_at(&shanghai, at("2026-05-01T03:00:00Z")),
        Some(span("2026-04-30T16:00:00Z", "2026-05-01T16:00:00Z"))
    );
}

#[test]
fn a_season_runs_over_the_new_year_with_its_last_day() {
    let shanghai = zone("Asia/Shanghai");
    let winter = entry("w", 10, &[("season_from", "11-15"), ("season_to", "03-15")], &shanghai);
    let whole = Some(span("2025-11-14T16:00:00Z", "2026-03-15T16:00:00Z"));
    for inside in ["2025-11-14T16:00:00Z", "2026-01-01T00:00:00Z", "2026-03-15T15:59:59Z"] {
        assert_eq!(winter.when.span_at(&shanghai, at(inside)), whole, "{inside}");
    }
    assert_eq!(winter.when.span_at(&shanghai, at("2026-03-15T16:00:00Z")), None);
    // Only for one winter, which its validity cuts short.
    let once = entry(
        "o",
        10,
        &[
            ("season_from", "11-15"),
            ("season_to", "03-15"),
            ("valid_from", "2026-01-01"),
            ("valid_to", "2026-12-01"),
        ],
        &shanghai,
    );
    let window = Span { from: at("2025-01-01T00:00:00Z"), to: at("2028-01-01T00:00:00Z") };
    assert_eq!(
        once.when.spans(&shanghai, window),
        [
            Span { from: at("2025-12-31T16:00:00Z"), to: at("2026-03-15T16:00:00Z") },
            Span { from: at("2026-11-14T16:00:00Z"), to: at("2026-12-01T16:00:00Z") },
        ]
    );
}

#[test]
fn the_29th_of_february_is_a_day_of_leap_years_alone() {
    let utc = TimeZone::UTC;
    let spring = entry("s", 10, &[("season_from", "02-29"), ("season_to", "03-10")], &utc);
    assert_eq!(
        spring.when.span_at(&utc, at("2026-03-05T00:00:00Z")),
        Some(span("2026-03-01T00:00:00Z", "2026-03-11T00:00:00Z"))
    );
    assert_eq!(
        spring.when.span_at(&utc, at("2028-03-05T00:00:00Z")),
        Some(span("2028-02-29T00:00:00Z", "2028-03-11T00:00:00Z"))
    );
    let to = entry("t", 10, &[("season_from", "02-01"), ("season_to", "02-29")], &utc);
    assert_eq!(
        to.when.span_at(&utc, at("2026-02-05T00:00:00Z")),
        Some(span("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"))
    );
}

/// Berlin goes from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
#[test]
fn where_the_clocks_jump_forward_a_time_that_is_missing_means_as_much_later() {
    let berlin = zone("Europe/Berlin");
    let day = Span { from: at("2026-03-28T23:00:00Z"), to: at("2026-03-29T22:00:00Z") };
    let that_day = |begin: &str, end: &str| {
        let entry = entry("e", 10, &[("days", "sun"), ("begin", begin), ("end", end)], &berlin);
        entry.when.spans(&berlin, day)
    };
    let one = |from: &str, to: &str| vec![Span { from: at(from), to: at(to) }];
    assert_eq!(that_day("02:30", "04:00"), one("2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"));
    assert_eq!(that_day("02:15", "02:45"), one("2026-03-29T01:15:00Z", "2026-03-29T01:45:00Z"));
    // What lasts an hour lasts one.
    assert_eq!(that_day("01:30", "02:30"), one("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"));
    // 03:30 to 03:15: nothing is left.
    assert_eq!(that_day("02:30", "03:15"), Vec::new());
}

/// Berlin goes from 03:00 back to 02:00 on 25 October 2026, at 01:00 UTC.
#[test]
fn where_the_clocks_are_put_back_a_time_that_comes_twice_means_the_first() {
    let berlin = zone("Europe/Berlin");
    let short = entry("s", 10, &[("begin", "02:15"), ("end", "02:45")], &berlin);
    let first = Some(span("2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z"));
    assert_eq!(short.when.span_at(&berlin, at("2026-10-25T00:30:00Z")), first);
    assert_eq!(short.when.span_at(&berlin, at("2026-10-25T01:30:00Z")), None, "it is half past two again");
    let long = entry("l", 10, &[("begin", "01:00"), ("end", "03:00")], &berlin);
    assert_eq!(
        long.when.span_at(&berlin, at("2026-10-25T01:30:00Z")),
        Some(span("2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z"))
    );
}

#[test]
fn a_one_off_counts_before_a_weekly_entry_and_that_before_a_season() {
    let basin = basin("Asia/Shanghai");
    let zone = &basin.zone;
    let all = [
        entry("season", 10, &[("season_from", "05-01"), ("season_to", "05-31")], zone),
        entry("weekly", 20, &[("begin", "06:00"), ("end", "18:00")], zone),
        entry("once", 30, &[("from", "2026-05-04T08:00"), ("to", "2026-05-04T10:00")], zone),
    ];
    let counts = |utc: &str, left_out: &str| {
        let running = of_gate(&all, &basin, GateId(0), at(utc), |running| running.entry.id == left_out);
        running.map(|running| running.entry.id.as_str())
    };
    assert_eq!(counts("2026-05-04T01:00:00Z", ""), Some("once"));
    assert_eq!(counts("2026-05-04T01:00:00Z", "once"), Some("weekly"), "what is left out gives way");
    assert_eq!(counts("2026-05-04T02:00:00Z", ""), Some("weekly"), "its end is not in it");
    assert_eq!(counts("2026-05-04T12:00:00Z", ""), Some("season"));
    assert_eq!(counts("2026-06-01T12:00:00Z", ""), None);
    // 4 May, midnight to midnight at the site.
    let window = Span { from: at("2026-05-03T16:00:00Z"), to: at("2026-05-04T16:00:00Z") };
    let blocks = blocks(&all, zone, window);
    let shown: Vec<_> =
        blocks.iter().map(|block| (block.entry.as_str(), zone.to_datetime(block.span.to).hour())).collect();
    assert_eq!(shown, [("season", 6), ("weekly", 8), ("once", 10), ("weekly", 18), ("season", 0)]);
}

#[test]
fn a_raised_floor_is_the_highest_that_holds_in_the_time_looked_at() {
    let utc = TimeZone::UTC;
    let floor = |id: &str, flow: f64, from: &str, to: &str| Entry {
        target: Target::Floor { section: "s".into(), floor: Discharge::new(flow).unwrap() },
        ..entry(id, 0, &[("from", from), ("to", to)], &utc)
    };
    let all = [
        floor("a", 2.0, "2026-05-04T06:00", "2026-05-04T12:00"),
        floor("b", 2.5, "2026-05-04T10:00", "2026-05-04T11:00"),
    ];
    let raised = |from: &str, to: &str| {
        raised(&all, &utc, "s", (at(from), at(to))).map(|(flow, entry)| (flow.get(), entry.id.as_str()))
    };
    assert_eq!(raised("2026-05-04T09:00:00Z", "2026-05-04T09:00:00Z"), Some((2.0, "a")));
    assert_eq!(raised("2026-05-04T09:00:00Z", "2026-05-04T10:30:00Z"), Some((2.5, "b")));
    assert_eq!(raised("2026-05-04T12:00:00Z", "2026-05-04T12:00:00Z"), None);
}

/// What the memory makes of looking at `utc` with one entry for 10:00 to 12:00; whether it is found missed just then.
fn look(memory: &mut Memory, entry: &Entry, utc: &str) -> bool {
    let (zone, utc) = (TimeZone::UTC, at(utc));
    let counts: Vec<_> = entry
        .when
        .span_at(&zone, utc)
        .map(|span| Running { entry, span })
        .filter(|running| !memory.leaves_out(running))
        .into_iter()
        .collect();
    let holds = |_: &str, begin| entry.when.span_at(&zone, utc).is_some_and(|span| span.from == begin);
    !memory.turn(&counts, holds, utc).is_empty()
}

fn morning(if_missed: &str) -> Entry {
    let cells = [("from", "2026-05-04T10:00"), ("to", "2026-05-04T12:00"), ("if_missed", if_missed)];
    entry("m", 30, &cells, &TimeZone::UTC)
}

#[test]
fn an_entry_is_missed_five_minutes_after_it_was_due_and_then_late_or_left_out() {
    for (if_missed, left_out) in [("late", false), ("skip", true)] {
        let (entry, mut memory) = (morning(if_missed), Memory::default());
        assert!(!look(&mut memory, &entry, "2026-05-04T09:59:30Z"));
        assert!(!look(&mut memory, &entry, "2026-05-04T10:00:30Z"));
        assert!(!look(&mut memory, &entry, "2026-05-04T10:04:30Z"));
        assert!(look(&mut memory, &entry, "2026-05-04T10:05:30Z"));
        assert!(!look(&mut memory, &entry, "2026-05-04T10:06:30Z"), "told once");
        let span = Span { from: at("2026-05-04T10:00:00Z"), to: at("2026-05-04T12:00:00Z") };
        assert_eq!(memory.leaves_out(&Running { entry: &entry, span }), left_out);
        assert!(memory.steps["m"].missed);
        look(&mut memory, &entry, "2026-05-04T12:00:30Z");
        assert!(memory.steps.is_empty(), "it is over");
    }
}

#[test]
fn a_clock_that_steps_makes_nothing_due_twice_and_nothing_due_at_once() {
    let entry = morning("skip");
    // Forward, over the begin: it has been due since ten, and that is too long ago.
    let mut memory = Memory::default();
    look(&mut memory, &entry, "2026-05-04T09:00:00Z");
    assert!(look(&mut memory, &entry, "2026-05-04T10:40:00Z"));
    // Back, within it: what has started is not begun anew.
    let mut memory = Memory::default();
    look(&mut memory, &entry, "2026-05-04T10:00:30Z");
    memory.steps.get_mut("m").unwrap().started = true;
    look(&mut memory, &entry, "2026-05-04T11:00:00Z");
    assert!(!look(&mut memory, &entry, "2026-05-04T10:01:00Z"));
    assert!(memory.steps["m"].started);
    // Back, from after it: it holds again and is due now, not in the future and not long ago.
    let mut memory = Memory::default();
    look(&mut memory, &entry, "2026-05-04T13:00:00Z");
    assert!(!look(&mut memory, &entry, "2026-05-04T10:30:00Z"));
    assert_eq!(memory.steps["m"].due, at("2026-05-04T10:30:00Z"));
    // Forward over all of it: nothing is made up for.
    let mut memory = Memory::default();
    look(&mut memory, &entry, "2026-05-04T09:00:00Z");
    assert!(!look(&mut memory, &entry, "2026-05-05T09:00:00Z"));
    assert!(memory.steps.is_empty());
}

#[test]
fn a_hash_tells_one_calendar_from_another() {
    let utc = TimeZone::UTC;
    let one = entry("a", 10, &[("begin", "06:00"), ("end", "07:00")], &utc);
    let other = entry("a", 11, &[("begin", "06:00"), ("end", "07:00")], &utc);
    let same = entry("a", 10, &[("begin", "06:00"), ("end", "07:00")], &utc);
    assert_eq!(hash(std::slice::from_ref(&one)), hash(&[same]));
    assert_ne!(hash(&[one]), hash(&[other]));
    // SHA-256 of the two characters "[]", by sha256sum.
    assert_eq!(hash(&[]), "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
}

/// Any time of an entry, in minutes of May 2026 or of the day.
fn any_when() -> impl Strategy<Value = When> {
    let start = at("2026-05-01T00:00:00Z");
    let later = move |minutes: i64| start.saturating_add(SignedDuration::from_mins(minutes)).unwrap();
    let once = (0_i64..30_000, 1_i64..3000)
        .prop_map(move |(from, long)| When::Once { from: later(from), to: later(from + long) });
    let time = |minute: i16| {
        jiff::civil::Time::new(i8::try_from(minute / 60).unwrap(), i8::try_from(minute % 60).unwrap(), 0, 0)
            .unwrap()
    };
    let weekly = (1_u8..128, 0_i16..1440, 0_i16..1440).prop_map(move |(days, begin, end)| When::Weekly {
        days: Days::of((1..=7).filter(|day| days & (1 << (day - 1)) != 0)).unwrap(),
        begin: time(begin),
        end: time(end),
        within: Within::default(),
    });
    let season = (1_i8..28, 1_i8..28).prop_map(|(from, to)| When::Season {
        within: Within {
            season: Some(crate::basin::Season { from: (5, from), to: (5, to) }),
            first: Some(date(2026, 1, 1)),
            last: Some(date(2026, 12, 31)),
        },
    });
    prop_oneof![once, weekly, season]
}

proptest! {
    /// At most one entry counts, none outside its time, and none while a higher one holds; what is shown for seven days is what
    /// will count.
    #[test]
    fn what_is_shown_is_what_counts(whens in prop::collection::vec(any_when(), 1..6), minute in 0_i64..10_080) {
        let basin = basin("Europe/Berlin");
        let entries: Vec<_> = whens
            .into_iter()
            .enumerate()
            .map(|(at, when)| Entry { id: at.to_string(), when, ..morning("late") })
            .collect();
        let from = at("2026-05-11T00:00:00Z");
        let after = |minutes| from.saturating_add(SignedDuration::from_mins(minutes)).unwrap();
        let (utc, window) = (after(minute), Span { from, to: after(10_080) });
        let counts = of_gate(&entries, &basin, GateId(0), utc, |_| false);
        let holding: Vec<_> =
            entries.iter().filter(|entry| entry.when.span_at(&basin.zone, utc).is_some()).collect();
        prop_assert_eq!(counts.is_some(), !holding.is_empty());
        if let Some(running) = counts {
            prop_assert!(running.span.contains(utc));
            prop_assert!(holding.iter().all(|entry| entry.when.rank() <= running.entry.when.rank()));
        }
        let shown = blocks(&entries, &basin.zone, window);
        let here: Vec<_> = shown.iter().filter(|block| block.span.contains(utc)).map(|block| &block.entry).collect();
        prop_assert!(here.len() <= 1);
        prop_assert_eq!(here.first().copied(), counts.map(|running| &running.entry.id));
    }
}
