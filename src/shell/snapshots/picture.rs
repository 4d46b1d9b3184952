//! Fingerprints of the published picture, part by part: so that one that differs is named without storing the picture.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::basin::{Basin, SectionId};
use crate::control::status::{Rung, SectionStatus, Status};
use crate::units::Discharge;

/// What a control cycle comes to, kept in numbers so that a difference shows both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Rung of the dispatch.
    pub rung: Rung,
    /// Release wanted of each dispatched reservoir, by its position in the basin, m³/s.
    pub release: Vec<(usize, Discharge)>,
    /// Set point and present flow of each section, m³/s.
    pub section: Vec<(SectionId, Option<Discharge>, Option<Discharge>)>,
}

impl Figures {
    /// Those of a picture.
    pub fn of(status: &Status) -> Self {
        let section = |it: &SectionStatus| (it.section, it.setpoint, it.estimate.flow);
        Self {
            rung: status.rung,
            release: status.release.iter().map(|it| (it.reservoir, it.target)).collect(),
            section: status.sections.iter().map(section).collect(),
        }
    }
}

/// A part of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Mode, hold, rung and record.
    Service,
    /// Release of the dispatched reservoir at this position of the list.
    Release(usize),
    /// The section at this position.
    Section(usize),
    /// The gate at this position.
    Gate(usize),
    /// Estimated flows at the nodes.
    Nodes,
    /// Readings of all points.
    Readings,
    /// Changes on their way.
    Transit,
    /// Explanations.
    Why,
    /// Open alarms.
    Alarms,
}

impl Part {
    /// Its name, elements by their identifier.
    pub fn name(self, basin: &Basin, status: &Status) -> String {
        let of = |what: &str, id: Option<&String>| format!("{what} {}", id.map_or("?", String::as_str));
        match self {
            Self::Release(at) => {
                let reservoir = status.release.get(at).and_then(|it| basin.reservoirs.get(it.reservoir));
                of("release of", reservoir.map(|reservoir| &reservoir.id))
            }
            Self::Section(at) => {
                let section = status.sections.get(at).and_then(|it| basin.sections.get(it.section.0));
                of("section", section.map(|section| &section.id))
            }
            Self::Gate(at) => {
                let gate = status.gates.get(at).and_then(|it| basin.gates.get(it.gate.0));
                of("gate", gate.map(|gate| &gate.id))
            }
            Self::Service | Self::Nodes | Self::Readings | Self::Transit | Self::Why | Self::Alarms => {
                self.to_string()
            }
        }
    }

    /// It, as JSON.
    pub fn show(self, status: &Status) -> String {
        let text = match self {
            Self::Service => serde_json::to_string(&service(status)),
            Self::Release(at) => serde_json::to_string(&status.release.get(at)),
            Self::Section(at) => serde_json::to_string(&status.sections.get(at)),
            Self::Gate(at) => serde_json::to_string(&status.gates.get(at)),
            Self::Nodes => serde_json::to_string(&status.nodes),
            Self::Readings => serde_json::to_string(&status.image[..]),
            Self::Transit => serde_json::to_string(&status.transit),
            Self::Why => serde_json::to_string(&status.why),
            Self::Alarms => serde_json::to_string(&(&status.alarms, &status.aside, &status.flood)),
        };
        text.unwrap_or_default()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("state of the service"),
            Self::Release(at) => write!(f, "release {at}"),
            Self::Section(at) => write!(f, "section {at}"),
            Self::Gate(at) => write!(f, "gate {at}"),
            Self::Nodes => f.write_str("flows at the nodes"),
            Self::Readings => f.write_str("readings"),
            Self::Transit => f.write_str("changes on their way"),
            Self::Why => f.write_str("explanations"),
            Self::Alarms => f.write_str("alarms"),
        }
    }
}

fn service(status: &Status) -> impl Serialize + use<> {
    // Field by field: a new one has to be placed here or in a part of its own.
    let Status {
        tick,
        mono,
        utc,
        bench,
        observing,
        mode,
        mode_since,
        mode_by,
        hold_all,
        rung,
        record_ok,
        release: _,
        sections: _,
        gates: _,
        nodes: _,
        image: _,
        transit: _,
        why: _,
        alarms: _,
        aside: _,
        flood: _,
        // Parts that change only with what comes in or is answered; compared with the memory.
        forecasts: _,
        entered: _,
        tickets: _,
        warnings: _,
        incidents: _,
        proposals: _,
        answers: _,
        // As those; what it comes to shows in gates and alarms.
        calendar: _,
    } = status;
    let run = (*tick, *mono, *utc, *bench, *observing);
    (run, *mode, *mode_since, mode_by.clone(), hold_all.clone(), *rung, *record_ok)
}

/// The parts of a picture with the first eight bytes of the SHA-256 of their JSON, always in the same order.
pub fn parts(status: &Status) -> Vec<(Part, u64)> {
    let each = |count: usize, part: fn(usize) -> Part| (0..count).map(part);
    let all = std::iter::once(Part::Service)
        .chain(each(status.release.len(), Part::Release))
        .chain(each(status.sections.len(), Part::Section))
        .chain(each(status.gates.len(), Part::Gate))
        .chain([Part::Nodes, Part::Readings, Part::Transit, Part::Why, Part::Alarms]);
    all.map(|part| (part, fingerprint(part.show(status).as_bytes()))).collect()
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let hash = Sha256::digest(bytes);
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_begin_of_the_hash() {
        // FIPS 180-2, B.1: SHA-256("abc").
        assert_eq!(fingerprint(b"abc"), 0xba78_16bf_8f01_cfea);
    }
}
