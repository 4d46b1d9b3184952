//! Registers by hand, and what writes do to the drives behind them.

use std::time::Duration;

use qindan::basin::MeterId;
use qindan::config::Config;
use qindan::points::{DeviceId, Table};

use super::{Devices, ModbusException};
use crate::plant::{Event, Forcing, Plant};
use crate::testing;

pub(super) const BOX: DeviceId = DeviceId(0);
pub(super) const UNIT: DeviceId = DeviceId(1);
pub(super) const LOGGER: DeviceId = DeviceId(2);

pub(super) struct Site {
    pub(super) plant: Plant,
    pub(super) devices: Devices,
    pub(super) forcing: Forcing,
}

pub(super) fn site() -> Site {
    site_of(&testing::small())
}

pub(super) fn site_of(config: &Config) -> Site {
    let forcing = Forcing::dry(&config.basin, 5);
    let mut plant = Plant::new(config, 7, testing::start(), &forcing);
    let mut devices = Devices::new(config);
    devices.refresh(&mut plant);
    Site { plant, devices, forcing }
}

impl Site {
    pub(super) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.plant.advance(Duration::from_secs(1), &self.forcing);
            self.devices.refresh(&mut self.plant);
        }
    }

    pub(super) fn happens(&mut self, event: &Event) {
        self.plant.apply(event).unwrap();
        self.devices.refresh(&mut self.plant);
    }

    pub(super) fn holding(&self, address: u16, count: u16) -> Vec<u16> {
        self.devices.read(BOX, Table::Holding, address, count).unwrap()
    }

    pub(super) fn write(
        &mut self,
        device: DeviceId,
        address: u16,
        words: &[u16],
    ) -> Result<(), ModbusException> {
        self.devices.write(&mut self.plant, device, Table::Holding, address, words)
    }
}

#[test]
fn a_gate_box_shows_its_valve_in_tenths_of_a_per_cent() {
    let site = site();
    // 30 % open: 300; remote and nothing else: bit 0; target as it stands.
    assert_eq!(site.holding(1, 1), [300]);
    assert_eq!(site.holding(11, 1), [0b0000_0001]);
    assert_eq!(site.holding(20, 5), [300, 0, 0, 0, 0]);
}

#[test]
fn meters_show_floats_in_their_word_order() {
    let mut site = site();
    site.happens(&Event::MeterBias { meter: "q.outlet".into(), add: 2.5, factor: 0.0 });
    site.happens(&Event::MeterBias { meter: "q.section".into(), add: -12.5, factor: 0.0 });
    site.happens(&Event::MeterBias { meter: "z.lake".into(), add: 742.15, factor: 0.0 });
    // 2.5 is 0x4020_0000. −12.5 is below the range of its meter and so "no value": −9999.0 is 0xC61C_3C00, low word first.
    assert_eq!(site.devices.read(LOGGER, Table::Input, 0, 4).unwrap(), [0x4020, 0, 0x3C00, 0xC61C]);
    // 742.15 m in centimetres: 74 215 = 0x0001_21E7.
    assert_eq!(site.devices.read(LOGGER, Table::Holding, 0, 2).unwrap(), [0x0001, 0x21E7]);
}

#[test]
fn one_request_sets_the_valve_in_motion_and_its_sequence_is_echoed() {
    let mut site = site();
    site.write(BOX, 20, &[420, 4, 1, 77]).unwrap();
    site.wait(1);
    assert_eq!(site.holding(20, 5), [420, 4, 1, 77, 77]);
    assert_eq!(site.holding(11, 1), [0b0000_1001]);
    // 12 % of 180 s are 21.6 s.
    site.wait(22);
    assert_eq!((site.holding(1, 1), site.holding(11, 1)), (vec![419], vec![1]));
}

#[test]
fn a_target_alone_does_not_move_a_box_with_a_command_register() {
    let mut site = site();
    site.write(BOX, 20, &[420]).unwrap();
    site.wait(5);
    assert_eq!((site.holding(20, 1), site.holding(1, 1)), (vec![420], vec![300]));
    site.write(BOX, 21, &[4]).unwrap();
    site.wait(5);
    assert!(site.holding(1, 1)[0] > 320);
    site.write(BOX, 21, &[3]).unwrap();
    site.wait(1);
    let stopped = site.holding(1, 1);
    site.wait(5);
    assert_eq!(site.holding(1, 1), stopped);
}

#[test]
fn a_box_without_a_command_register_follows_its_target() {
    let mut site = site();
    // 50.0 is 0x4248_0000, low word first.
    site.write(UNIT, 0, &[0x0000, 0x4248]).unwrap();
    site.wait(31);
    assert_eq!(site.devices.read(UNIT, Table::Input, 0, 1).unwrap(), [499]);
    site.happens(&Event::Trip { gate: "u1".into() });
    assert_eq!(site.devices.read(UNIT, Table::Discrete, 0, 1).unwrap(), [1]);
}

#[test]
fn values_a_box_does_not_take_change_nothing() {
    let mut site = site();
    for (address, words, why) in [
        (20, vec![1_001], ModbusException::IllegalValue),
        (20, vec![420, 9], ModbusException::IllegalValue),
        (1, vec![400], ModbusException::IllegalAddress),
        (20, vec![420, 4, 1, 77, 77], ModbusException::IllegalAddress),
        (30, vec![1], ModbusException::IllegalAddress),
    ] {
        assert_eq!(site.write(BOX, address, &words), Err(why), "{address} {words:?}");
    }
    let input = site.devices.write(&mut site.plant, LOGGER, Table::Input, 0, &[1]);
    assert_eq!(input, Err(ModbusException::IllegalFunction));
    site.wait(3);
    assert_eq!(site.holding(20, 5), [300, 0, 0, 0, 0]);
    assert_eq!(
        site.devices.read(BOX, Table::Holding, 12, 9),
        Ok(vec![0; 8].into_iter().chain([300]).collect())
    );
    assert_eq!(site.devices.read(BOX, Table::Holding, 24, 2), Err(ModbusException::IllegalAddress));
}

#[test]
fn a_box_on_local_answers_and_does_not_obey() {
    let mut site = site();
    site.happens(&Event::Local { gate: "v1".into() });
    site.write(BOX, 20, &[420, 4, 1, 77]).unwrap();
    site.wait(30);
    assert_eq!((site.holding(1, 1), site.holding(20, 2)), (vec![300], vec![300, 0]));
    assert_eq!((site.holding(24, 1), site.holding(11, 1)), (vec![0], vec![0]));
}

#[test]
fn an_emergency_stop_takes_the_target_but_no_sequence() {
    let mut site = site();
    site.happens(&Event::Estop { gate: "v1".into(), on: true });
    site.write(BOX, 20, &[420, 4, 1, 77]).unwrap();
    site.wait(30);
    assert_eq!(
        (site.holding(1, 1), site.holding(24, 1), site.holding(11, 1)),
        (vec![300], vec![0], vec![0b101])
    );
}

#[test]
fn a_foreign_target_shows_in_the_register() {
    let mut site = site();
    site.write(BOX, 20, &[320, 4, 1, 5]).unwrap();
    site.happens(&Event::ForeignTarget { gate: "v1".into(), opening: 0.6 });
    assert_eq!(site.holding(20, 1), [600]);
    // Somebody at the box moves the valve; the target register does not know.
    site.happens(&Event::MoveOnSite { gate: "v1".into(), opening: 0.35 });
    site.wait(60);
    assert_eq!((site.holding(20, 1), site.holding(1, 1)), (vec![600], vec![349]));
}

#[test]
fn a_box_that_restarts_stands_with_its_first_set_point() {
    let mut site = site();
    site.write(BOX, 20, &[900, 4, 1, 5]).unwrap();
    site.wait(18);
    site.happens(&Event::Restart { gate: "v1".into(), opening: 0.1 });
    // From 30 % for 18 s less the 0.3 s to break loose, of a stroke of 180 s: 9.83 %; then nothing drives it.
    site.wait(60);
    assert_eq!((site.holding(20, 1), site.holding(1, 1)), (vec![100], vec![398]));
    site.write(BOX, 20, &[500, 4, 1, 6]).unwrap();
    site.wait(60);
    assert_eq!((site.holding(20, 1), site.holding(1, 1)), (vec![500], vec![499]));
}

#[test]
fn a_watchdog_that_runs_out_stops_the_valve() {
    let mut site = site();
    site.write(BOX, 22, &[1]).unwrap();
    site.write(BOX, 20, &[900, 4]).unwrap();
    // Three periods of 10 s after the last new value.
    site.wait(20);
    site.write(BOX, 22, &[1]).unwrap();
    site.wait(12);
    let stopped = site.holding(1, 1)[0];
    assert!((300 + 31 * 1000 / 180 - 10..300 + 32 * 1000 / 180 + 10).contains(&stopped), "{stopped}");
    site.wait(20);
    // Remote, and it acts by itself until somebody feeds it.
    assert_eq!((site.holding(1, 1)[0], site.holding(11, 1)), (stopped, vec![1 | 1 << 13]));
    site.write(BOX, 22, &[2]).unwrap();
    site.wait(1);
    assert_eq!((site.holding(1, 1)[0], site.holding(11, 1)), (stopped, vec![1]));
}

#[test]
fn a_watchdog_nobody_ever_fed_lets_the_valve_be() {
    let mut site = site();
    site.write(BOX, 20, &[900, 4]).unwrap();
    site.wait(120);
    assert_eq!(site.holding(1, 1), [899]);
}

#[test]
fn an_unplugged_device_is_reported_by_its_gateway() {
    let mut site = site();
    site.happens(&Event::Unplug { device: "box".into(), silent: false });
    let gone = Err(ModbusException::GatewayTargetFailed);
    assert_eq!(site.devices.read(BOX, Table::Holding, 1, 1), gone);
    assert_eq!(site.write(BOX, 20, &[420]).map(|()| vec![]), gone);
    assert!(!site.devices.is_plugged(BOX) && site.devices.is_plugged(LOGGER));
    site.happens(&Event::Plug { device: "box".into() });
    assert_eq!(site.holding(1, 1), [300]);
}

#[test]
fn a_device_waits_when_nobody_asks_it_in_time() {
    let Site { plant, mut devices, .. } = site();
    let config = testing::small();
    let s = Duration::from_secs;
    let period = |point: &qindan::points::Point| Some(config.field.classes[point.class?.0].period_s);
    let slowest = config.field.points.iter().filter_map(period).fold(0.0, f64::max);
    let periods = |count: f64| Duration::from_secs_f64(count * slowest);
    for id in 0..config.field.devices.len() {
        devices.note_asked(DeviceId(id), plant.now().0);
    }
    assert!(!devices.wait(plant.now().0, s(0)));
    assert!(devices.wait(periods(2.1), s(0)));
    // Whoever asks no more often than every hour is in time with that.
    assert!(!devices.wait(periods(2.1), s(3600)));
    // After an hour without a request nobody scans it at all.
    assert!(!devices.wait(periods(61.0), s(0)));
}

#[test]
fn a_day_of_readings_is_unbiased_within_its_class() {
    let mut site = site();
    // ±5 % is two standard deviations; the mean of a day (UTC) is much closer.
    let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
    let truth = site.plant.meter_truth(MeterId(1));
    for _ in 0..24 * 60 {
        site.plant.advance(Duration::from_secs(60), &site.forcing);
        let crate::plant::Signal::Value(value) = site.plant.sense(MeterId(1)) else { continue };
        let error = value / site.plant.meter_truth(MeterId(1)) - 1.0;
        (sum, squares, n) = (sum + error, squares + error * error, n + 1.0);
    }
    assert!(n > 1400.0 && (site.plant.meter_truth(MeterId(1)) / truth - 1.0).abs() < 0.02);
    let (mean, deviation) = (sum / n, f64::sqrt(squares / n));
    assert!(f64::abs(mean) < 0.002, "{mean}");
    assert!((0.015..0.035).contains(&deviation), "{deviation}");
}

#[test]
fn a_frozen_meter_shows_its_last_value_and_a_drifting_one_leaves_it() {
    let mut site = site();
    let shown = |site: &Site| site.devices.read(LOGGER, Table::Input, 0, 2).unwrap();
    site.happens(&Event::MeterFrozen { meter: "q.outlet".into() });
    let before = shown(&site);
    site.wait(600);
    assert_eq!(shown(&site), before);
    site.happens(&Event::MeterDrift { meter: "q.outlet".into(), per_day: 50.0 });
    site.wait(600);
    assert_ne!(shown(&site), before);
}
