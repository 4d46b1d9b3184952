//! One test per failure of meters, seen through the registers. Numbers by hand.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use qindan::basin::MeterId;
use qindan::points::{ByteOrder, DataType, Element, Point, Role, Table};

use super::tests::{BOX, LOGGER, Site, site, site_of};
use crate::plant::{Event, Signal};
use crate::testing;

const OUTLET: MeterId = MeterId(0);

fn meter() -> String {
    "q.outlet".into()
}

/// The float of the outlet's meter, high word first.
fn shown(site: &Site) -> f32 {
    float(&words(site))
}

fn words(site: &Site) -> Vec<u16> {
    site.devices.read(LOGGER, Table::Input, 0, 2).unwrap()
}

fn float(words: &[u16]) -> f32 {
    f32::from_bits(u32::from(words[0]) << 16 | u32::from(words[1]))
}

/// A site whose outlet meter shows 2.5 m³/s whatever flows.
fn at(value: f64) -> Site {
    let mut site = site();
    site.happens(&Event::MeterBias { meter: meter(), add: value, factor: 0.0 });
    assert!((f64::from(shown(&site)) - value).abs() < 1e-6);
    site
}

/// Mean and standard deviation of what it shows over `n` seconds.
fn watch(site: &mut Site, n: u16) -> (f64, f64) {
    let values = (0..n).map(|_| {
        site.wait(1);
        f64::from(shown(site))
    });
    let values = values.collect::<Vec<_>>();
    let mean = values.iter().sum::<f64>() / f64::from(n);
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / f64::from(n);
    (mean, square.sqrt())
}

#[test]
fn stuck() {
    let mut site = site();
    site.happens(&Event::MeterStuck { meter: meter(), value: 1.25 });
    site.wait(300);
    assert_eq!(words(&site), [0x3FA0, 0]);
    site.happens(&Event::MeterNormal { meter: meter() });
    assert_ne!(words(&site), [0x3FA0, 0]);
}

#[test]
fn spikes_come_and_go() {
    let mut site = site();
    site.wait(60);
    let before = shown(&site);
    site.happens(&Event::MeterSpike { meter: meter(), add: 50.0, every_s: 30.0, for_s: 2.0 });
    let high = (0..60).filter(|_| {
        site.wait(1);
        shown(&site) > before + 40.0
    });
    // Seconds 1, 30, 31 and 60: two of thirty, the first of them as the event came.
    assert_eq!(high.count(), 4);
}

#[test]
fn noise_beyond_its_class() {
    let mut site = site();
    site.wait(60);
    let (_, quiet) = watch(&mut site, 200);
    site.happens(&Event::MeterNoise { meter: meter(), deviation: 0.4 });
    let (_, loud) = watch(&mut site, 200);
    assert!(quiet < 0.1 && (0.33..0.48).contains(&loud), "{quiet} {loud}");
}

#[test]
fn another_unit_is_believed_beyond_the_range() {
    let mut site = at(2.5);
    site.happens(&Event::MeterUnit { meter: meter(), factor: 3600.0 });
    // 9000 m³/h are 0x460C_A000; the meter ends at 4000 m³/s.
    assert_eq!(words(&site), [0x460C, 0xA000]);
}

#[test]
fn words_in_another_order() {
    let mut site = at(2.5);
    site.happens(&Event::MeterWordOrder { meter: meter(), order: ByteOrder::Cdab });
    assert_eq!(words(&site), [0, 0x4020]);
    site.happens(&Event::MeterWordOrder { meter: meter(), order: ByteOrder::Badc });
    assert_eq!(words(&site), [0x2040, 0]);
    site.happens(&Event::MeterNormal { meter: meter() });
    site.happens(&Event::MeterBias { meter: meter(), add: 2.5, factor: 0.0 });
    assert_eq!(words(&site), [0x4020, 0]);
}

#[test]
fn a_reversed_sign_in_types_with_and_without_one() {
    let mut site = at(2.5);
    site.happens(&Event::MeterReversed { meter: meter() });
    assert_eq!(words(&site), [0xC020, 0]);
    // The level of the lake in an unsigned register: zero.
    site.happens(&Event::MeterReversed { meter: "z.lake".into() });
    assert_eq!(site.devices.read(LOGGER, Table::Holding, 0, 2).unwrap(), [0, 0]);
}

/// The small field with a counter in m³ at input 10, and one in two parts at 12 (10⁸ m³) and 14.
fn counters() -> Site {
    let mut config = testing::small();
    let field = Arc::get_mut(&mut config.field).unwrap();
    let total = |address, scale| Point {
        id: format!("total {address}"),
        table: Table::Input,
        unit: "m3".into(),
        scale,
        ..testing::point(
            2,
            Element::Meter(MeterId(usize::from(address / 10 - 1))),
            Role::Other,
            address,
            DataType::U32,
        )
    };
    // Addresses 10.. count for the outlet; the parts at 20 and 22 for the section.
    field.points.extend([total(10, 1.0), total(20, 1e8), total(22, 1.0)]);
    site_of(&config)
}

#[test]
fn a_totaliser_counts_wraps_and_is_set_back() {
    let mut site = counters();
    let total = |site: &Site| {
        let words = site.devices.read(LOGGER, Table::Input, 10, 2).unwrap();
        u32::from(words[0]) << 16 | u32::from(words[1])
    };
    site.happens(&Event::MeterBias { meter: meter(), add: 2.5, factor: 0.0 });
    let begin = total(&site);
    site.wait(100);
    assert_eq!(total(&site) - begin, 250);
    // 96 m³ before the end of 32 bits.
    site.happens(&Event::MeterTotal { meter: meter(), m3: 4_294_967_200.0 });
    site.wait(100);
    assert_eq!(total(&site), 154);
    site.happens(&Event::MeterTotal { meter: meter(), m3: 0.0 });
    assert_eq!(total(&site), 0);
}

#[test]
fn a_total_in_two_parts_carries_at_a_hundred_million() {
    let mut site = counters();
    let parts = |site: &Site| {
        let words = site.devices.read(LOGGER, Table::Input, 20, 4).unwrap();
        let part = |at: usize| u32::from(words[at]) << 16 | u32::from(words[at + 1]);
        (part(0), part(2))
    };
    site.happens(&Event::MeterTotal { meter: "q.section".into(), m3: 199_999_950.0 });
    assert_eq!(parts(&site), (1, 99_999_950));
    site.happens(&Event::MeterBias { meter: "q.section".into(), add: 1.0, factor: 0.0 });
    site.wait(100);
    assert_eq!(parts(&site), (2, 50));
}

#[test]
fn no_value_is_its_pattern_and_with_one_failure_zero() {
    let mut site = site();
    site.happens(&Event::MeterSentinel { meter: meter() });
    // −9999.0 is 0xC61C_3C00.
    assert_eq!(words(&site), [0xC61C, 0x3C00]);
    site.happens(&Event::MeterZero { meter: meter() });
    assert_eq!(words(&site), [0, 0]);
    site.happens(&Event::MeterNormal { meter: meter() });
    assert!(shown(&site) > 0.1);
}

#[test]
fn a_late_meter_shows_what_a_prompt_one_has_shown() {
    let (mut prompt, mut late) = (site(), site());
    late.happens(&Event::MeterLate { meter: meter(), by_s: 20.0 });
    let mut told = vec![words(&prompt)];
    for second in 1..60 {
        prompt.wait(1);
        late.wait(1);
        told.push(words(&prompt));
        // For as long as it is late it has nothing older to show.
        assert_eq!(words(&late), told[second.max(20) - 20], "{second}");
    }
    assert!(told.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn lost_frames_are_silence_to_their_share() {
    let mut site = site();
    site.happens(&Event::Lossy { device: "logger".into(), share: 0.3 });
    let lost = (0..1000).filter(|_| {
        site.wait(1);
        site.devices.read(LOGGER, Table::Input, 0, 2).is_err()
    });
    // Binomial: 300 ± 14.5; four deviations.
    let lost = lost.count();
    assert!((242..=358).contains(&lost), "{lost}");
    site.happens(&Event::Lossy { device: "logger".into(), share: 0.0 });
    assert!((0..100).all(|_| {
        site.wait(1);
        site.devices.read(LOGGER, Table::Input, 0, 2).is_ok()
    }));
}

#[test]
fn two_devices_of_one_number_answer_by_turns_and_both_obey() {
    let mut site = site();
    site.happens(&Event::SharedUnit { device: "unit".into(), with: "box".into() });
    // The position of the box is a holding register at 1; the unit has none there.
    let answers = (0..400).filter(|_| {
        site.wait(1);
        site.devices.read(super::tests::UNIT, Table::Holding, 1, 1) == Ok(vec![300])
    });
    let answers = answers.count();
    assert!((140..=260).contains(&answers), "{answers}");
    site.happens(&Event::OwnUnit { device: "unit".into() });
    site.happens(&Event::SharedUnit { device: "box".into(), with: "unit".into() });
    // A write to the box alone is heard by the other too, which has no such register.
    site.write(BOX, 20, &[420, 4]).unwrap();
    site.wait(60);
    site.happens(&Event::OwnUnit { device: "box".into() });
    assert_eq!(site.holding(1, 1), [419]);
    let other = Event::SharedUnit { device: "box".into(), with: "box".into() };
    assert!(site.plant.apply(&other).unwrap_err().to_string().contains("another device of the same link"));
}

/// What acts on the principle: its effect is shown with the principle; here that it comes through and goes again.
#[test]
fn ice_weed_backwater_wind_and_air_come_through_and_go() {
    for (principle, event) in [
        ("rating_curve", Event::MeterIce { meter: meter(), rise_m: 0.2 }),
        ("rating_curve", Event::MeterWeed { meter: meter(), share: 0.3 }),
        ("parshall", Event::MeterBackwater { meter: meter(), submergence: 0.9 }),
        ("transit_time", Event::MeterAir { meter: meter(), share: 0.2 }),
        ("radar_velocity", Event::MeterWeather { meter: meter(), wind_ms: 10.0, rain_mm_h: 0.0 }),
    ] {
        let mut config = testing::small();
        let basin = Arc::get_mut(&mut config.basin).unwrap();
        basin.meters[0] =
            qindan::basin::Meter { principle: principle.into(), accuracy: 0.0, ..basin.meters[0].clone() };
        let mut site = site_of(&config);
        site.wait(600);
        let (before, _) = watch(&mut site, 10);
        site.happens(&event);
        site.wait(600);
        let (during, _) = watch(&mut site, 10);
        assert!(during > 1.1 * before, "{event:?}: {before} {during}");
        site.happens(&Event::MeterNormal { meter: meter() });
        site.wait(1200);
        let (after, _) = watch(&mut site, 10);
        assert!((after / before - 1.0).abs() < 0.03, "{event:?}: {before} {after}");
    }
}

#[test]
fn sizes_that_are_none_are_refused_with_what_may_be() {
    let mut site = site();
    for (event, what) in [
        (Event::Lossy { device: "box".into(), share: 1.5 }, "share is 1.5; give 0 to 1"),
        (Event::MeterAir { meter: meter(), share: -0.1 }, "share is -0.1; give 0 to 0.9"),
        (
            Event::MeterSpike { meter: meter(), add: 1.0, every_s: 0.0, for_s: 0.0 },
            "every_s is 0; give 1 s to a day",
        ),
        (Event::MeterIce { meter: meter(), rise_m: f64::NAN }, "rise_m is NaN; give 0 to 5 m"),
    ] {
        let before = words(&site);
        let error = site.plant.apply(&event).unwrap_err().to_string();
        assert!(error.ends_with(what), "{error}");
        assert_eq!(words(&site), before);
    }
}

fn any_fault() -> impl Strategy<Value = Event> {
    let size = -100.0..100.0_f64;
    let small = 0.0..0.9_f64;
    prop_oneof![
        Just(Event::MeterFrozen { meter: meter() }),
        size.clone().prop_map(|value| Event::MeterStuck { meter: meter(), value }),
        (size.clone(), size.clone()).prop_map(|(add, factor)| Event::MeterBias {
            meter: meter(),
            add,
            factor
        }),
        size.clone().prop_map(|per_day| Event::MeterDrift { meter: meter(), per_day }),
        size.clone().prop_map(|add| Event::MeterSpike { meter: meter(), add, every_s: 10.0, for_s: 5.0 }),
        small.clone().prop_map(|deviation| Event::MeterNoise { meter: meter(), deviation }),
        size.prop_map(|factor| Event::MeterUnit { meter: meter(), factor }),
        Just(Event::MeterReversed { meter: meter() }),
        Just(Event::MeterLate { meter: meter(), by_s: 5.0 }),
        Just(Event::MeterTotal { meter: meter(), m3: 5.0 }),
        Just(Event::MeterWeather { meter: meter(), wind_ms: -4.0, rain_mm_h: 20.0 }),
        small.clone().prop_map(|rise_m| Event::MeterIce { meter: meter(), rise_m }),
        small.clone().prop_map(|share| Event::MeterWeed { meter: meter(), share }),
        small.clone().prop_map(|submergence| Event::MeterBackwater { meter: meter(), submergence }),
        small.prop_map(|share| Event::MeterAir { meter: meter(), share }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A radar in water too slow for it shows nothing, and no failure but `meter_zero` makes a number of that.
    #[test]
    fn no_fault_makes_a_number_of_a_missing_value(faults in prop::collection::vec(any_fault(), 1..4)) {
        let mut config = testing::small();
        let basin = Arc::get_mut(&mut config.basin).unwrap();
        basin.meters[0] = qindan::basin::Meter {
            principle: "radar_velocity".into(),
            ..basin.meters[0].clone()
        };
        for gate in &mut basin.gates {
            gate.initial = qindan::units::Opening::SHUT;
        }
        let mut site = site_of(&config);
        prop_assert_eq!(words(&site), vec![0xC61C, 0x3C00]);
        for fault in &faults {
            site.happens(fault);
            site.plant.advance(Duration::from_secs(7), &site.forcing);
            site.devices.refresh(&mut site.plant);
            let nothing = matches!(site.plant.sense(OUTLET), Signal::Nothing { .. });
            prop_assert!(nothing);
            prop_assert_eq!(words(&site), vec![0xC61C, 0x3C00]);
        }
    }
}
