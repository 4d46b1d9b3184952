//! Links, devices, scan classes.

use super::super::raw::Given;
use super::super::raw::field::{RawClass, RawDevice, RawLink};
use super::super::sheet::{Entry, Spot, nearest, quoted};
use super::{NOT_NEGATIVE, POSITIVE, Rule, bounds, transport};
use crate::points::{ClassId, Device, DeviceId, Link, LinkId, ScanClass, Transport};

/// A time-out: half a minute is no time-out any more.
const TIMEOUT: Rule = Rule { holds: |x| x > 0.0 && x <= 30.0, must: "must be above 0 and at most 30" };

/// Most registers one read may ask for.
const MOST_REGISTERS: u16 = 125;

/// Names of the field, in file order.
pub(in crate::config) struct FieldNames {
    pub(in crate::config) links: Vec<String>,
    pub(in crate::config) devices: Vec<String>,
    pub(in crate::config) classes: Vec<String>,
}

impl FieldNames {
    pub(in crate::config) fn find(spot: &Spot<'_>, kind: &str, list: &[String], name: &str) -> Option<usize> {
        let at = list.iter().position(|known| known == name);
        if at.is_none() {
            let remedy = match nearest(name, list.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("name one of this file, or add [{kind}.{}]", quoted(name)),
            };
            spot.complain(format!("no {kind} of this name"), remedy);
        }
        at
    }

    /// The device `key` names.
    pub(in crate::config) fn device(&self, spot: &Spot<'_>, given: Given<String>) -> Option<DeviceId> {
        let name = spot.need("device", given, "name the device it is read from")?;
        Self::find(&spot.key("device"), "device", &self.devices, &name).map(DeviceId)
    }

    /// The scan class called `name`.
    pub(in crate::config) fn class(&self, spot: &Spot<'_>, name: &str) -> Option<ClassId> {
        Self::find(spot, "class", &self.classes, name).map(ClassId)
    }
}

/// Peers taken so far, each with the link that has it.
type Peers = Vec<(String, String)>;

/// Units taken so far, each with the device that has it.
type Units = Vec<((LinkId, u8), String)>;

pub(in crate::config) fn links(entries: Vec<Entry<'_, RawLink>>, bench: Option<bool>) -> Option<Vec<Link>> {
    let mut seen = Peers::new();
    let list = entries.into_iter().map(|e| link(e.id, e.raw?, &e.spot, bench, &mut seen)).collect::<Vec<_>>();
    list.into_iter().collect()
}

fn link(id: String, mut raw: RawLink, at: &Spot<'_>, bench: Option<bool>, seen: &mut Peers) -> Option<Link> {
    let transport = transport::transport(at, &mut raw, bench);
    transport::leftovers(at, &raw);
    if let Some(transport) = &transport {
        let (peer, key) =
            (transport.to_string(), if transport.address().is_some() { "address" } else { "path" });
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == peer) {
            let what = format!("is the {key} of link {other} too");
            at.key(key).complain(what, "one link per peer: move the devices to one of them");
        }
        seen.push((peer, id.clone()));
    }
    let timeout_s = at.number("timeout_s", raw.timeout_s, TIMEOUT, "give the response time-out in seconds");
    let remedy = "give the connect time-out in seconds";
    let connect_timeout_s = at.number("connect_timeout_s", raw.connect_timeout_s, TIMEOUT, remedy);
    let remedy = "give the requests open at once, 1 to 16; 1 for a serial gateway";
    let window = at.need("window", raw.window, remedy);
    if window.is_some_and(|window| !(1..=16).contains(&window)) {
        at.key("window").complain("must be 1 to 16", remedy);
    }
    if window != Some(1) && transport.as_ref().is_some_and(Transport::is_serial) {
        at.key("window").complain("a serial line has one request open", "write 1");
    }
    let remedy = "give the pause between requests in seconds, 0 for none";
    let gap_s = at.number("gap_s", raw.gap_s, NOT_NEGATIVE, remedy);
    Some(Link {
        id,
        transport: transport?,
        timeout_s: timeout_s?,
        connect_timeout_s: connect_timeout_s?,
        window: window?,
        gap_s: gap_s?,
    })
}

pub(in crate::config) fn devices(
    names: &FieldNames,
    links: Option<&[Link]>,
    entries: Vec<Entry<'_, RawDevice>>,
) -> Option<Vec<Device>> {
    let mut seen = Units::new();
    let list = entries
        .into_iter()
        .map(|e| device(names, links, e.id, e.raw?, &e.spot, &mut seen))
        .collect::<Vec<_>>();
    list.into_iter().collect()
}

fn device(
    names: &FieldNames,
    links: Option<&[Link]>,
    id: String,
    mut raw: RawDevice,
    at: &Spot<'_>,
    seen: &mut Units,
) -> Option<Device> {
    let bounds = bounds::bounds(at, &mut raw);
    let name = at.name(raw.name_zh, raw.name_en);
    let link = at
        .need("link", raw.link, "name the link it is behind")
        .and_then(|link| FieldNames::find(&at.key("link"), "link", &names.links, &link).map(LinkId));
    let unit = at.need("unit", raw.unit, "give the unit identifier, 0 to 255");
    if let (Some(link), Some(unit)) = (link, unit) {
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == (link, unit)) {
            let what = format!("is the unit of {other} on the same link");
            at.key("unit").complain(what, "give every device of a link its own unit");
        }
        seen.push(((link, unit), id.clone()));
    }
    let remedy = "give the most registers one read may ask for, 1 to 125";
    let max_block = at.need("max_block", raw.max_block, remedy);
    if max_block.is_some_and(|most| !(1..=MOST_REGISTERS).contains(&most)) {
        at.key("max_block").complain("must be 1 to 125", remedy);
    }
    let remedy = "give the largest run of unused registers read along, 0 for none, or leave it out";
    let max_gap = at.may("max_gap", raw.max_gap, remedy);
    if let (Some(gap), Some(block)) = (max_gap, max_block)
        && gap >= block
    {
        at.key("max_gap").complain(format!("is not below max_block ({block})"), remedy);
    }
    let remedy = "write both, single (function 6 alone) or multiple (function 16 alone)";
    let writes = at.may("writes", raw.writes, remedy).unwrap_or_default();
    let remedy = "name the other unit identifiers it answers with, as [0, 255]; not on a serial line";
    let accept_unit_ids = at.may("accept_unit_ids", raw.accept_unit_ids, remedy).unwrap_or_default();
    let behind = link.and_then(|link| links?.get(link.0));
    if !accept_unit_ids.is_empty() && behind.is_some_and(|link| link.transport.is_serial()) {
        let what = "a serial line tells its units apart by nothing but this number";
        at.key("accept_unit_ids").complain(what, "leave it out");
    }
    if let (Some(link), Some(most)) = (behind, max_block)
        && let Some(line) = link.transport.line()
    {
        let least = line.least_timeout(most).as_secs_f64();
        if link.timeout_s <= least {
            let what = format!(
                "takes {least:.3} s at {} baud with an adapter's delay, and link {} waits {} s for it",
                line.baud, link.id, link.timeout_s
            );
            at.key("max_block").complain(what, "read less at once, or raise the link's timeout_s");
        }
    }
    let remedy = "give the period of watchdog writes in seconds";
    let watchdog_s = at.optional("watchdog_s", raw.watchdog_s, POSITIVE, remedy);
    let remedy = "write operator (a person gives its gates back) or auto (when it obeys again)";
    let watchdog_return = at.may("watchdog_return", raw.watchdog_return, remedy);
    Some(Device {
        id,
        name: name?,
        link: link?,
        unit: unit?,
        max_block: max_block?,
        max_gap,
        writes,
        accept_unit_ids,
        boundary: bounds.boundary,
        forbidden: bounds.forbidden,
        identity: bounds.identity,
        watchdog_s,
        watchdog_return,
    })
}

pub(in crate::config) fn classes(entries: Vec<Entry<'_, RawClass>>) -> Option<Vec<ScanClass>> {
    let class = |entry: Entry<'_, RawClass>| {
        let remedy = "give the scan period in seconds";
        let raw = entry.raw?;
        let period_s = entry.spot.number("period_s", raw.period_s, POSITIVE, remedy)?;
        let remedy = "give the age in seconds at which a reading is stale, or leave it out: three periods";
        let stale_s = entry.spot.optional("stale_s", raw.stale_s, POSITIVE, remedy);
        let class = ScanClass::new(entry.id, period_s);
        let stale_s = stale_s.unwrap_or(class.stale_s);
        if stale_s < period_s {
            entry.spot.key("stale_s").complain(format!("is shorter than the period of {period_s} s"), remedy);
        }
        Some(ScanClass { stale_s, ..class })
    };
    let list = entries.into_iter().map(class).collect::<Vec<_>>();
    list.into_iter().collect()
}
