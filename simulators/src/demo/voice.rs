//! What a demonstration says: a live line on a terminal, a line now and then elsewhere, and the summary.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qindan::basin::GateId;
use qindan::shell::clock::{Clock, Mark};

use super::ask::Seen;
use crate::live::Live;
use crate::plant::Plant;
use crate::scenario::Case;
use crate::score::Score;
use crate::world::lock;

/// Real time between two lines where there is no terminal.
const SPARSE: Duration = Duration::from_secs(10);
/// Water is set beside the need over this time at least, s: a release is given a day and a half before its need.
const LONG_S: f64 = 4.0 * 86_400.0;
/// Steps of the progress display.
const STEPS: u64 = 1000;

/// The voice of a demonstration.
pub(super) struct Voice {
    bar: ProgressBar,
    terminal: bool,
    clock: Clock,
    last: Mutex<Mark>,
}

impl Voice {
    /// On standard error.
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let clock = Clock::real();
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            terminal,
            last: Mutex::new(clock.mark()),
            clock,
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            // Whoever listened may have gone.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// The live line; `share` of the run is over.
    pub(super) fn show(&self, live: &Live, score: &Score, seen: &Seen, speed: f64, share: Option<f64>) {
        let text = text(live, score, seen, speed);
        if !self.terminal {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= SPARSE {
                *last = self.clock.mark();
                self.say(&text);
            }
            return;
        }
        let style = match share {
            Some(share) => {
                self.bar.set_length(STEPS);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a thousand"
                )]
                self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
                "{msg}\n[{wide_bar}] {percent} %, {elapsed} gone, about {eta} left"
            }
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(text);
        self.bar.tick();
    }
}

/// Simulated time, flows against floors, level, release, mode, alarms, speed.
fn text(live: &Live, score: &Score, seen: &Seen, speed: f64) -> String {
    let (case, now) = (live.case(), live.now());
    let basin = &case.config.basin;
    let date = basin.date_at(now.utc);
    let civil = basin.zone.to_datetime(now.utc).strftime("%m-%d %H:%M").to_string();
    let world = lock(live.world());
    let mut parts = vec![civil];
    for (at, section) in basin.sections.iter().enumerate().rev() {
        if let Some(floor) = section.floor_on(date) {
            let flow = world.plant.section_flow(qindan::basin::SectionId(at));
            let mark = if flow < floor.get() { " BELOW" } else { "" };
            parts.push(format!("{} {flow:.2}/{:.2}{mark}", section.name.en, floor.get()));
        }
    }
    let release = score.release(&world.plant);
    let wanted = seen.release.map_or_else(|| "-".into(), |wanted| format!("{wanted:.2}"));
    parts.push(format!("release {release:.2} of {wanted} m³/s"));
    if let Some((at, body)) = basin.reservoirs.iter().enumerate().next() {
        let level = world.plant.reservoir_level(qindan::basin::ReservoirId(at));
        parts.push(format!("{} {level:.2} m", body.name.en));
    }
    drop(world);
    parts.push(if seen.ready { seen.mode.clone() } else { "service away".into() });
    parts.push(match seen.alarms {
        1 => "1 alarm".into(),
        alarms => format!("{alarms} alarms"),
    });
    parts.push(format!("× {speed:.0}"));
    parts.join("  ")
}

/// Says what the run was worth; true when every floor was kept where it could be.
pub(super) fn summary(voice: &Voice, case: &Case, score: &Score, plant: &Plant, restarts: u32) -> bool {
    voice.bar.finish_and_clear();
    let basin = &case.config.basin;
    let mut kept = true;
    voice.say(&format!("{:.1} days of the river", score.seconds / 86_400.0));
    for (section, of) in basin.sections.iter().zip(&score.sections) {
        let (Some(floor), Some((least, at))) = (of.floor, of.least) else { continue };
        kept &= of.avoidable_s <= 0.0;
        let civil = basin.zone.to_datetime(at).strftime("%m-%d %H:%M").to_string();
        voice.say(&format!(
            "{}: {:.1} min below the floor of {floor:.2} m³/s ({:.1} of them avoidable), least {least:.2} on {civil}",
            section.name.en,
            of.below_s / 60.0,
            of.avoidable_s / 60.0
        ));
    }
    let (released, need) = score.water();
    let above = if need > 0.0 && score.seconds >= LONG_S {
        format!(", {:+.1} % beside the steady need", 100.0 * (released / need - 1.0))
    } else {
        String::new()
    };
    voice.say(&format!("released {:.0} m³{above}", score.released));
    for (at, gate) in basin.gates.iter().enumerate() {
        let (starts, travel, worst) = score.wear(plant, GateId(at));
        if starts > 0 && gate.is_dispatched() {
            voice.say(&format!(
                "{}: {starts} starts, at most {worst} a day, {travel:.1} strokes",
                gate.name.en
            ));
        }
    }
    if restarts > 0 {
        voice.say(&format!("the service was started again {restarts} times"));
    }
    kept
}
