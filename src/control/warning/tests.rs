use super::judge::{Flows, flow, level};
use super::*;
use crate::basin::{FlowGrades, LevelGrades};
use crate::units::Stage;

/// Floor 1.5 m³/s, as the plan has it for Runcheng.
fn seen(hour: f64, day: Option<f64>, ahead: &[(f64, f64)]) -> Flows {
    Flows { floor: 1.5, hour: (hour, Basis::Measured), day, ahead: ahead.to_vec(), sure: 0.1 }
}

fn grades(seen: &Flows) -> (Option<Grade>, Option<Grade>) {
    let judged = flow(&FlowGrades::default(), seen);
    (judged.strict, judged.eased)
}

#[test]
fn a_section_is_graded_as_the_product_has_it() {
    // Blue within 48 h, yellow within 24 h, orange below the floor, red below 0.8 of it (1.2) or the day below it.
    let none = grades(&seen(1.7, Some(1.7), &[(3.0, 1.6), (30.0, 1.55)]));
    assert_eq!(none, (None, None));
    let cases = [
        (seen(1.7, Some(1.7), &[(3.0, 1.6), (30.0, 1.39)]), Grade::Blue),
        (seen(1.7, Some(1.7), &[(23.5, 1.39)]), Grade::Yellow),
        (seen(1.499, Some(1.7), &[]), Grade::Orange),
        (seen(1.199, Some(1.7), &[]), Grade::Red),
        (seen(1.7, Some(1.499), &[]), Grade::Red),
    ];
    for (seen, grade) in cases {
        assert_eq!(grades(&seen).0, Some(grade), "{seen:?}");
    }
}

#[test]
fn a_grade_ends_three_per_cent_above_where_it_began() {
    // 1.5 × 1.03 = 1.545; 1.2 × 1.03 = 1.236.
    assert_eq!(grades(&seen(1.54, None, &[])), (None, Some(Grade::Orange)));
    assert_eq!(grades(&seen(1.55, None, &[])), (None, None));
    assert_eq!(grades(&seen(1.23, None, &[])), (Some(Grade::Orange), Some(Grade::Red)));
    // A dip foretold begins 0.1 below the floor and ends at it.
    assert_eq!(grades(&seen(1.7, None, &[(20.0, 1.45)])), (None, Some(Grade::Yellow)));
}

#[test]
fn a_finding_says_what_was_held_against_what() {
    let of = |seen: &Flows| flow(&FlowGrades::default(), seen).found;
    let red = of(&seen(1.1, None, &[]));
    assert_eq!((red.sign, red.basis, red.value), (Sign::HourMean, Basis::Measured, 1.1));
    assert!((red.limit - 1.2).abs() < 1e-12);
    let day = of(&seen(1.7, Some(1.4), &[]));
    assert_eq!((day.sign, day.value, day.limit), (Sign::DayMean, 1.4, 1.5));
    let ahead = of(&seen(1.7, None, &[(12.0, 1.45), (12.5, 1.3)]));
    assert_eq!(
        (ahead.sign, ahead.basis, ahead.value, ahead.in_h),
        (Sign::Forecast, Basis::Foretold, 1.3, Some(12.5))
    );
}

#[test]
fn a_wetland_is_graded_by_the_height_above_its_lowest_level() {
    // Lowest 10.0, target 10.4: blue below 10.2, yellow below 10.1, orange below 10.0, red below 9.9; each ends 2 cm higher.
    let band = [10.0, 10.4, 10.6].map(Stage::lossy);
    let of = |at: f64| {
        let judged = level(&LevelGrades::default(), band, (at, Basis::Measured));
        (judged.strict, judged.eased)
    };
    assert_eq!(of(10.25), (None, None));
    assert_eq!(of(10.21), (None, Some(Grade::Blue)));
    assert_eq!(of(10.19), (Some(Grade::Blue), Some(Grade::Blue)));
    assert_eq!(of(10.09), (Some(Grade::Yellow), Some(Grade::Yellow)));
    assert_eq!(of(10.01), (Some(Grade::Yellow), Some(Grade::Orange)));
    assert_eq!(of(9.95), (Some(Grade::Orange), Some(Grade::Orange)));
    assert_eq!(of(9.85), (Some(Grade::Red), Some(Grade::Red)));
}

/// Lets `watch` see the same for so many bins of ten minutes.
fn hold(watch: &mut Watch, judged: Option<Judged>, bins: u32) {
    for _ in 0..bins {
        watch.see(judged, (600.0, 3600.0), 600.0);
    }
}

#[test]
fn a_grade_comes_after_ten_minutes_and_goes_after_an_hour() {
    let rules = FlowGrades::default();
    let judged = |hour: f64| Some(flow(&rules, &seen(hour, None, &[])));
    let mut watch = Watch::new("runcheng");
    // The first look begins the time.
    hold(&mut watch, judged(1.4), 1);
    assert_eq!((watch.known, watch.grade), (true, None));
    hold(&mut watch, judged(1.4), 1);
    assert_eq!(watch.grade, Some(Grade::Orange));
    // Within the band it stays for ever, above it for an hour.
    hold(&mut watch, judged(1.52), 50);
    assert_eq!(watch.grade, Some(Grade::Orange));
    hold(&mut watch, judged(1.6), 6);
    assert_eq!(watch.grade, Some(Grade::Orange));
    // A dip begins the hour anew.
    hold(&mut watch, judged(1.49), 1);
    hold(&mut watch, judged(1.6), 6);
    assert_eq!(watch.grade, Some(Grade::Orange));
    hold(&mut watch, judged(1.6), 1);
    assert_eq!(watch.grade, None);
}

#[test]
fn without_data_there_is_no_grade_and_no_number() {
    let mut watch = Watch::new("runcheng");
    hold(&mut watch, Some(flow(&FlowGrades::default(), &seen(1.0, None, &[]))), 2);
    assert_eq!(watch.grade, Some(Grade::Red));
    hold(&mut watch, None, 1);
    assert_eq!((watch.known, watch.grade, watch.found), (false, None, None));
}
