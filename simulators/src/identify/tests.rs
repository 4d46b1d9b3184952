use std::time::Duration;

use qindan::basin::Place;

use super::fit::Random;
use super::*;
use crate::plant::{Forcing, Plant};

/// Sections at the ends of reach R3, 26 km without a weir, under a release that changes by the hour; means over ten minutes.
fn through_the_plant(hours: usize, release: impl Fn(usize) -> f64) -> Pair {
    let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
    let sections = ["zhengzhuang", "duanshi"].map(|id| config.basin.section(id).unwrap());
    let outlet = crate::need::dams(&config.basin)[0].outlet;
    let shut =
        ["zf.eco.v1", "zf.eco.v2", "zf.hp.u1", "zf.hp.u2"].map(|id| (config.basin.gate(id).unwrap(), 0.0));
    let with = |q: f64| {
        let mut forcing = Forcing::dry(&config.basin, 5);
        forcing.lateral_extra.push((Place::Node(outlet), q));
        forcing
    };
    let start = "2026-05-01T00:00:00Z".parse().unwrap();
    let mut plant = Plant::new(&config, 1, start, &with(release(0)));
    plant.adopt_openings(&shut, &with(release(0)));
    let mut flows = [Vec::new(), Vec::new()];
    for hour in 0..hours {
        let forcing = with(release(hour));
        for _ in 0..6 {
            plant.advance(Duration::from_mins(10), &forcing);
            for (list, section) in flows.iter_mut().zip(sections) {
                list.push(Some(plant.section_flow(section)));
            }
        }
    }
    let [up, down] = flows;
    Pair { begin: start, step_h: 1.0 / 6.0, up, down }
}

/// Travel time of a small pulse, from the plant alone: distance of the centres of what passes beyond the river without it.
fn true_travel_h(base: f64) -> f64 {
    let with = through_the_plant(72, |hour| if (6..12).contains(&hour) { base + 0.1 } else { base });
    let without = through_the_plant(72, |_| base);
    let centre = |with: &[Option<f64>], without: &[Option<f64>]| {
        let gained = with.iter().zip(without).enumerate();
        let gained = gained.map(|(k, (a, b))| (float(k) / 6.0, a.unwrap() - b.unwrap()));
        let (moment, sum) = gained.fold((0.0, 0.0), |(m, s), (t, q)| (m + t * q, s + q));
        moment / sum
    };
    centre(&with.down, &without.down) - centre(&with.up, &without.up)
}

/// A fortnight of routine changes of the release, with meters of 1 % noise: what is identified is what a pulse needs, within
/// the uncertainty that is told.
#[test]
fn the_travel_time_of_the_plant_is_identified_within_its_uncertainty() {
    let mut random = Random(11);
    let mut uniform = move || f64::from(u32::try_from(random.next() >> 40).unwrap()) / f64::from(1_u32 << 24);
    let levels: Vec<f64> = (0..30).map(|_| 1.45 + 0.35 * uniform()).collect();
    let mut pair = through_the_plant(14 * 24, |hour| levels[hour / 12]);
    for flow in pair.up.iter_mut().chain(&mut pair.down).flatten() {
        // Sum of three uniform numbers: nearly normal, standard deviation 0.5.
        let noise = uniform() + uniform() + uniform() - 1.5;
        *flow *= 1.0 + 0.02 * noise;
    }
    let found = bands(&pair, 5);
    let fitted: Vec<Band> = found.iter().filter_map(|(_, band)| band.clone().ok()).collect();
    assert!(!fitted.is_empty(), "{found:?}");
    for band in fitted {
        // The release that makes the flow of the band: what joins above the reach is the difference.
        let joins = pair.up[0].unwrap() - levels[0];
        let truth = true_travel_h(band.flow - joins);
        assert!((band.travel_h.0..=band.travel_h.1).contains(&truth), "{truth} h, {band:?}");
        assert!(band.travel_h.1 - band.travel_h.0 < 0.35 * truth, "{band:?}");
    }
}

/// A delay of 5 h and a store of 3 h made by hand, with a gap, a tenth of wild values and a daily wave of something else.
fn made(gain: f64) -> Pair {
    let steps = 12 * 24 * 6;
    let mut random = Random(3);
    let mut draw = move || f64::from(u32::try_from(random.next() >> 40).unwrap()) / f64::from(1_u32 << 24);
    let levels: Vec<f64> = (0..=steps / 60).map(|_| 2.05 + 0.3 * draw()).collect();
    let up: Vec<f64> = (0..steps).map(|k| levels[k / 60]).collect();
    let mut stored = up[0];
    let down = (0..steps).map(|k| {
        let x = up[k.saturating_sub(30)];
        stored += (1.0 / 6.0) / (3.0 + 1.0 / 6.0) * (x - stored);
        let wild = if k % 10 == 0 { 0.3 } else { 0.0 };
        let daily = 0.03 * (float(k) / 144.0 * std::f64::consts::TAU).sin();
        Some(gain * stored + 2.3 * (1.0 - gain) + daily + wild).filter(|_| !(700..800).contains(&k))
    });
    let down = down.collect();
    Pair {
        begin: "2026-05-01T00:00:00Z".parse().unwrap(),
        step_h: 1.0 / 6.0,
        up: up.into_iter().map(Some).collect(),
        down,
    }
}

#[test]
fn a_made_record_gives_back_what_it_was_made_with() {
    let found = bands(&made(0.9), 1);
    let fitted: Vec<Band> = found.iter().filter_map(|(_, band)| band.clone().ok()).collect();
    assert!(!fitted.is_empty(), "{found:?}");
    for band in fitted {
        assert!((band.fit.travel_h() - 8.0).abs() < 0.3, "{band:?}");
        assert!((band.travel_h.0..=band.travel_h.1).contains(&8.0), "{band:?}");
        assert!((band.fit.gain - 0.9).abs() < 0.05, "{band:?}");
    }
    // Same seed, same bits.
    assert_eq!(bands(&made(0.9), 1), found);
}

#[test]
fn a_record_without_information_is_refused() {
    let still = Pair { up: vec![Some(2.0); 2000], down: vec![Some(2.0); 2000], ..made(1.0) };
    let told = bands(&still, 1).remove(0).1.unwrap_err();
    assert!(told.contains("no information"), "{told}");
    // Downstream of its own mind.
    let own = made(0.0);
    assert!(bands(&own, 1).iter().all(|(_, band)| band.is_err()));
}

#[test]
fn the_block_is_one_the_configuration_takes() {
    let folder = crate::scenario::above("config").unwrap();
    let basin = qindan::config::load(&folder).unwrap().basin;
    let fit = Fit { delay_h: 6.0, store_h: 2.0, gain: 0.9, explained: 0.9, steps: 100 };
    let band = |flow: f64, travel: f64| Band {
        flows: (flow, flow),
        flow,
        fit: Fit { delay_h: travel - 2.0, ..fit },
        travel_h: (travel, travel),
    };
    let names = ["R1".to_owned(), "R2".to_owned()];
    let ids = reaches(&basin, &names).unwrap();
    let text = block(&basin, &ids, &[band(1.0, 14.5), band(2.0, 11.24)], &("q.csv".into(), 7));
    // The configuration has 2.29 and 4.96 h at 1 m³/s, 1.78 and 3.84 at 2: twice of both.
    assert!(
        text.contains("[reach.R1]\nlags_m3s_h = [[1.00, 4.58], [2.00, 3.56]] # identified: q.csv, seed 7"),
        "{text}"
    );
    assert!(text.contains("[reach.R2]\nlags_m3s_h = [[1.00, 9.92], [2.00, 7.68]]"), "{text}");
    assert!(text.parse::<toml::Table>().is_ok());
    assert!(reaches(&basin, &["R99".to_owned()]).unwrap_err().to_string().contains("known are R1"));
}
