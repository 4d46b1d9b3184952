//! The river beside EPA SWMM 5.2, which solves the dynamic wave, inertia and all, on the same channel.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use qindan::basin::{Place, ReachId};
use serde::{Deserialize, Serialize};

use super::Plant;
use crate::testing::{self, chain, config, reach, steady};

/// A channel whose inflow steps up after some hours; see `tests/peers/swmm_channel.py`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Channel {
    km: f64,
    slope: f64,
    width: f64,
    side: f64,
    manning: f64,
    low: f64,
    high: f64,
    hours_low: u32,
    hours_high: u32,
}

#[derive(Debug, Deserialize)]
struct Found {
    /// Minute by minute, m³/s.
    outflow: Vec<f64>,
    depth_low: f64,
    depth_high: f64,
}

fn python() -> PathBuf {
    const REMEDY: &str =
        "run ops/test once, or: python3 -m venv target/peers && target/peers/bin/pip install pyswmm==2.2.0";
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let python = target.join("peers/bin/python");
    let has = Command::new(&python).args(["-c", "import pyswmm"]).output();
    assert!(has.is_ok_and(|has| has.status.success()), "pyswmm is missing: {REMEDY}");
    python
}

fn swmm(channel: &Channel) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/swmm_channel.py");
    let mut asked = Command::new(python())
        .arg(script)
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let question = serde_json::to_vec(channel).unwrap();
    asked.stdin.take().unwrap().write_all(&question).unwrap();
    let answer = asked.wait_with_output().unwrap();
    assert!(answer.status.success(), "{answer:?}");
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn plant(channel: &Channel) -> Found {
    let shape = [channel.slope, channel.width, channel.side, channel.manning, 0.0];
    let basin = chain(vec![reach("A", 0, 1, channel.km, shape)]);
    let mut plant = Plant::new(&config(basin), 1, testing::start(), &steady(channel.low));
    let middle = Place::Along { reach: ReachId(0), km: 0.5 * channel.km };
    let (mut outflow, mut depth_low) = (Vec::new(), 0.0);
    for minute in 0..60 * (channel.hours_low + channel.hours_high) {
        let low = minute < 60 * channel.hours_low;
        plant.advance(Duration::from_secs(60), &steady(if low { channel.low } else { channel.high }));
        outflow.push(plant.reach_outflow(ReachId(0)));
        if low {
            depth_low = plant.depth(middle);
        }
    }
    Found { outflow, depth_low, depth_high: plant.depth(middle) }
}

/// Centre of gravity of the arrival, hours after the step.
fn arrival(channel: &Channel, found: &Found) -> f64 {
    let after = found.outflow.iter().skip(60 * channel.hours_low as usize);
    let missing = after.map(|flow| 1.0 - (flow - channel.low) / (channel.high - channel.low));
    missing.sum::<f64>() / 60.0
}

/// Travel time within 10 %, depths within 3 %, volume that left within 0.1 %.
#[test]
fn a_step_arrives_when_swmm_says() {
    let qin = |low, high, hours_high| Channel {
        km: 26.0,
        slope: 0.0033,
        width: 18.0,
        side: 2.5,
        manning: 0.052,
        low,
        high,
        hours_low: 24,
        hours_high,
    };
    // The low flows of R3, a flood on it, and a gentle lowland river, where backwater counts.
    let gentle = Channel { slope: 0.0004, width: 30.0, manning: 0.035, km: 20.0, ..qin(20.0, 40.0, 72) };
    for channel in [qin(1.0, 1.5, 72), qin(2.0, 3.0, 48), qin(50.0, 80.0, 48), gentle] {
        let (theirs, ours) = (swmm(&channel), plant(&channel));
        let (late, early) = (arrival(&channel, &ours), arrival(&channel, &theirs));
        assert!((late / early - 1.0).abs() < 0.1, "{channel:?}: {late:.3} h, SWMM {early:.3} h");
        for (depth, other) in [(ours.depth_low, theirs.depth_low), (ours.depth_high, theirs.depth_high)] {
            assert!((depth / other - 1.0).abs() < 0.03, "{channel:?}: {depth} m, SWMM {other} m");
        }
        let volumes = [&ours, &theirs].map(|found| 60.0 * found.outflow.iter().sum::<f64>());
        assert!((volumes[0] / volumes[1] - 1.0).abs() < 1e-3, "{channel:?}: {volumes:?} m³");
    }
}
