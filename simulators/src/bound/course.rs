//! What a release came to, by hour of the scenario.

use std::ops::Range;
use std::time::Duration;

use super::script::{HOUR, Script, count, hours_before};
use crate::plant::Plant;
use crate::score;

/// What one section got.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Least flow of each hour, m³/s; infinite in hours nobody looked at.
    pub(super) least: Vec<f64>,
    /// Mean flow of each hour, m³/s.
    pub(super) mean: Vec<f64>,
    /// Missing in each hour to what the score tolerates, m³, from the begin of scoring to the end of the tail.
    pub(super) missing: Vec<f64>,
    /// Scored time below the floor, from and to after the start, joined.
    pub(super) below: Vec<(Duration, Duration)>,
    /// Missing in each scored hour to the floor while below it by more than the tolerance, m³.
    pub(super) deficit: Vec<f64>,
}

/// By hour of the scenario; hours that were not played hold nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    /// By section of the dam.
    pub(super) sections: Vec<Reach>,
    /// Through the outlets and around them, m³/s.
    pub(super) release: Vec<f64>,
    /// The same with what shut flood gates leak, m³.
    pub(super) released: Vec<f64>,
    /// Water went over the dam or through an open flood gate.
    pub(super) spills: Vec<bool>,
    /// In the reservoir at the end, m³.
    pub(super) volume: Vec<f64>,
}

impl Course {
    pub(super) fn new(script: &Script) -> Self {
        let none = vec![0.0; script.hours];
        let reach = Reach {
            least: vec![f64::INFINITY; script.hours],
            mean: none.clone(),
            missing: none.clone(),
            deficit: none.clone(),
            ..Reach::default()
        };
        Self {
            sections: vec![reach; script.dam.sections.len()],
            release: none.clone(),
            released: none.clone(),
            spills: vec![false; script.hours],
            volume: none,
        }
    }

    /// Takes in the river after a step that ended `now`, with `around` the flow that goes around the outlets, m³/s.
    pub(super) fn add(&mut self, script: &Script, plant: &Plant, around: f64, now: Duration, step: Duration) {
        let dt = step.as_secs_f64();
        let from = now.saturating_sub(step);
        let hour = hours_before(from + step / 2);
        if dt <= 0.0 || hour >= script.hours {
            return;
        }
        // A shut gate leaks; that is part of the release.
        let flows =
            |gates: &[qindan::basin::GateId]| gates.iter().map(|gate| plant.gate_flow(*gate)).sum::<f64>();
        let release = around + flows(&script.outlets);
        let open = script.flood.iter().any(|gate| plant.gate_opening(*gate) > 0.0);
        let leaks = if open { 0.0 } else { flows(&script.flood) };
        add_at(&mut self.release, hour, release * dt / HOUR.as_secs_f64());
        add_at(&mut self.released, hour, (release + leaks) * dt);
        if let Some(spills) = self.spills.get_mut(hour) {
            *spills |= open || plant.spill(script.dam.reservoir) > 0.0;
        }
        if let Some(volume) = self.volume.get_mut(hour) {
            *volume = plant.reservoir_volume(script.dam.reservoir);
        }
        for (at, (section, _)) in script.dam.sections.iter().enumerate() {
            if let Some(reach) = self.sections.get_mut(at) {
                let floor = script.floor(at, hour).filter(|_| hour >= script.scored);
                reach.add(plant.section_flow(*section), floor, (hour, script.counts(hour)), (from, now));
            }
        }
    }

    /// Takes the hours from `first` on from another.
    pub(super) fn join(&mut self, other: Self, first: usize) {
        for (reach, other) in self.sections.iter_mut().zip(other.sections) {
            splice(&mut reach.least, &other.least, first);
            splice(&mut reach.mean, &other.mean, first);
            splice(&mut reach.missing, &other.missing, first);
            splice(&mut reach.deficit, &other.deficit, first);
            let cut = HOUR * count(first);
            let before = reach.below.iter().map(|(from, to)| (*from, (*to).min(cut)));
            let after = other.below.iter().map(|(from, to)| ((*from).max(cut), *to));
            reach.below = before.chain(after).filter(|(from, to)| from < to).collect();
        }
        splice(&mut self.release, &other.release, first);
        splice(&mut self.released, &other.released, first);
        splice(&mut self.spills, &other.spills, first);
        splice(&mut self.volume, &other.volume, first);
    }

    /// Takes the hours before `until` from another.
    pub(super) fn begin_with(&mut self, other: &Self, until: usize) {
        let own = std::mem::replace(self, other.clone());
        self.join(own, until);
    }

    /// Goes on to the last hour as in its last day before `end`.
    pub(super) fn go_on_from(&mut self, end: usize) {
        let begin = end.saturating_sub(24);
        for reach in &mut self.sections {
            for list in [&mut reach.least, &mut reach.mean] {
                repeat(list, begin, end);
            }
        }
        let day = self.release.get(begin..end).unwrap_or_default();
        let mean = day.iter().sum::<f64>() / super::respond::float(day.len().max(1));
        self.release.iter_mut().skip(end).for_each(|hour| *hour = mean);
        let volume = end.checked_sub(1).and_then(|last| self.volume.get(last)).copied().unwrap_or(0.0);
        self.volume.iter_mut().skip(end).for_each(|hour| *hour = volume);
    }

    /// Released in `hours` that are neither before nor after the score nor left out, m³.
    pub(super) fn water(&self, script: &Script, left_out: &[bool]) -> f64 {
        let counts = |hour: &usize| script.counts(*hour) && !left_out.get(*hour).copied().unwrap_or(false);
        self.released.iter().enumerate().filter(|(hour, _)| counts(hour)).map(|(_, water)| water).sum()
    }

    /// Released in all of `hours`, m³.
    pub(super) fn released_in(&self, hours: Range<usize>) -> f64 {
        self.released.get(hours).map_or(0.0, |hours| hours.iter().sum())
    }

    /// Missing in `hours` to what the score tolerates, all sections, m³.
    pub(super) fn missing_in(&self, hours: Range<usize>) -> f64 {
        let of =
            |reach: &Reach| reach.missing.get(hours.clone()).map_or(0.0, |hours| hours.iter().sum::<f64>());
        self.sections.iter().map(of).sum()
    }
}

impl Reach {
    /// Takes in a flow that lasted `from..to` in an hour that is scored or not.
    fn add(
        &mut self,
        flow: f64,
        floor: Option<f64>,
        (hour, counts): (usize, bool),
        (from, to): (Duration, Duration),
    ) {
        let dt = to.saturating_sub(from).as_secs_f64();
        add_at(&mut self.mean, hour, flow * dt / HOUR.as_secs_f64());
        if let Some(least) = self.least.get_mut(hour) {
            *least = least.min(flow);
        }
        let Some(floor) = floor else { return };
        let tolerated = score::tolerated(floor);
        add_at(&mut self.missing, hour, (tolerated - flow).max(0.0) * dt);
        if flow < tolerated && counts {
            add_at(&mut self.deficit, hour, (floor - flow) * dt);
            match self.below.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                Some(_) | None => self.below.push((from, to)),
            }
        }
    }
}

/// The values of `begin..end` over and over behind them.
fn repeat(list: &mut [f64], begin: usize, end: usize) {
    let day = list.get(begin..end).unwrap_or_default().to_vec();
    list.iter_mut().skip(end).zip(day.iter().cycle()).for_each(|(hour, then)| *hour = *then);
}

fn splice<T: Copy>(list: &mut [T], from: &[T], first: usize) {
    for (to, from) in list.iter_mut().zip(from).skip(first) {
        *to = *from;
    }
}

fn add_at(list: &mut [f64], at: usize, value: f64) {
    if let Some(sum) = list.get_mut(at) {
        *sum += value;
    }
}
