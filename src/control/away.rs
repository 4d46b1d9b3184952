//! Devices and links of which nothing is heard, and the network when that is most of them: then one alarm speaks for all.

use std::time::Duration;

use serde_json::json;

use super::alarm::Condition;
use super::controller::Controller;
use super::quality::{Quality, Reading, Reason};
use crate::points::LinkId;

/// Alarm of a device, of a link with all its devices, of the network.
const DEVICE: &str = "A10";
const LINK: &str = "A11";
const NETWORK: &str = "A42";
/// Fewer silent links are no network. Chosen: two may share a mast.
const LEAST: usize = 3;

/// Whether the device behind a reading has not answered: one that says "no value" has.
fn is_silent(reading: &Reading) -> bool {
    /// A gateway whose device does not answer.
    const GATEWAY: [Option<Reason>; 2] = [Some(Reason::Exception(0x0A)), Some(Reason::Exception(0x0B))];
    let unheard = [None, Some(Reason::NeverRead), Some(Reason::CommError), Some(Reason::Stale)];
    matches!(reading.quality, Quality::Bad | Quality::Stale)
        && (unheard.contains(&reading.reason) || GATEWAY.contains(&reading.reason))
}

/// What is heard of a device or a link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Heard {
    /// Whether anything of it is read, and whether all of that is silent.
    silent: Option<bool>,
    /// Its newest good reply, service time.
    last: Option<Duration>,
}

impl Heard {
    fn with(self, other: Self) -> Self {
        let silent = match (self.silent, other.silent) {
            (Some(one), Some(two)) => Some(one && two),
            (one, two) => one.or(two),
        };
        Self { silent, last: self.last.max(other.last) }
    }

    fn is_silent(&self) -> bool {
        self.silent == Some(true)
    }
}

/// Silent links, when they are most of those that are known: the last sign of them tells from when on the others must
/// have been heard to count as alive. A link that is read once a minute is neither, for a minute.
fn lost(links: &[Heard]) -> Option<usize> {
    let last = links.iter().filter(|link| link.is_silent()).map(|link| link.last).max()?;
    let silent = links.iter().filter(|link| link.is_silent()).count();
    let alive = links.iter().filter(|link| link.silent == Some(false) && link.last > last).count();
    (silent >= LEAST && silent >= alive).then_some(silent)
}

impl Controller {
    /// Devices of which nothing is good any more; a whole link speaks for its devices, the network for its links. What
    /// has been raised before the network was lost stays; nothing is added to it until the network has been back for
    /// a while.
    pub(super) fn away(&self, out: &mut Vec<Condition>) {
        let devices = self.heard();
        if !devices.iter().any(Heard::is_silent) {
            return;
        }
        let of_link = |at: usize| {
            let all = self.field.devices.iter().zip(&devices);
            all.filter(move |(device, _)| device.link == LinkId(at))
        };
        let mut links = vec![Heard::default(); self.field.links.len()];
        for (device, heard) in self.field.devices.iter().zip(&devices) {
            if let Some(link) = links.get_mut(device.link.0) {
                *link = link.with(*heard);
            }
        }
        let lost = lost(&links);
        if let Some(silent) = lost {
            out.push(Condition::new(NETWORK, "", json!({ "silent": silent, "links": links.len() })));
        }
        let quiet = lost.is_some() || self.carry.alarms.stands(&format!("{NETWORK}:"));
        let mut raise = |id: &'static str, element: &str, detail| {
            if !quiet || self.carry.alarms.is_open(&format!("{id}:{element}")) {
                out.push(Condition::new(id, element, detail));
            }
        };
        for (at, link) in self.field.links.iter().enumerate() {
            let alone = of_link(at).count() == 1;
            if !alone
                && links.get(at).is_some_and(Heard::is_silent)
                && of_link(at).all(|(_, h)| h.is_silent())
            {
                raise(LINK, &link.id, json!({ "address": link.transport.to_string() }));
                continue;
            }
            for (device, _) in of_link(at).filter(|(_, heard)| heard.is_silent()) {
                raise(DEVICE, &device.id, json!({ "unit": device.unit, "name": device.name }));
            }
        }
    }

    /// By device.
    fn heard(&self) -> Vec<Heard> {
        let mut heard = vec![Heard::default(); self.field.devices.len()];
        let scanned = self.field.points.iter().zip(&self.readings).filter(|(point, _)| point.class.is_some());
        for (point, reading) in scanned {
            if let Some(device) = heard.get_mut(point.device.0) {
                let here = Heard { silent: Some(is_silent(reading)), last: reading.taken_at };
                *device = device.with(here);
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(silent: &[u64], heard: &[u64]) -> Vec<Heard> {
        let of = |silent: bool| {
            move |at: &u64| Heard { silent: Some(silent), last: Some(Duration::from_secs(*at)) }
        };
        silent.iter().map(of(true)).chain(heard.iter().map(of(false))).collect()
    }

    #[test]
    fn the_network_is_lost_when_most_of_what_is_known_is_silent() {
        assert_eq!(lost(&links(&[], &[100; 9])), None);
        // Two links share a mast.
        assert_eq!(lost(&links(&[100, 100], &[])), None);
        assert_eq!(lost(&links(&[100, 101, 102], &[120, 120, 120])), Some(3));
        assert_eq!(lost(&links(&[100, 101, 102], &[120, 120, 120, 120])), None);
        // Others were last heard before: they are read seldom, and nobody knows.
        assert_eq!(lost(&links(&[100, 101, 102], &[70, 80, 90, 102, 60, 50])), Some(3));
        // Nothing was ever heard of them.
        let never = [Heard { silent: Some(true), last: None }; 3];
        assert_eq!(lost(&never), Some(3));
        assert_eq!(lost(&[links(&[], &[1, 2, 3, 4]), never.to_vec()].concat()), None);
    }

    #[test]
    fn a_link_is_silent_when_all_its_devices_are() {
        let device = |silent, last| Heard { silent, last: Some(Duration::from_secs(last)) };
        let both = device(Some(true), 5).with(device(Some(false), 9));
        assert_eq!(both, device(Some(false), 9));
        // One of which nothing is read says nothing.
        assert_eq!(Heard::default().with(device(Some(true), 5)), device(Some(true), 5));
    }
}
