//! Register layouts from device templates and `devices.toml`, and what devices and instances override of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::{Error as PlainError, StrDeserializer};

use super::super::raw::Given;
use super::super::raw::field::{RawDevice, RawLayout, RawPoint, RawWire};
use super::super::sheet::{Entry, Sheet, Spot, nearest};
use super::field::FieldNames;
use crate::points::{DeviceId, Role};

/// The layouts of a folder, checked as far as they can be without an instance.
pub(in crate::config) struct Layouts<'a> {
    list: BTreeMap<String, Vec<Described<'a>>>,
    /// Every point of every layout could be taken up.
    whole: bool,
    /// False when a file has damaged parts: a layout that is not found may stand there.
    known: bool,
}

/// A point of a layout.
pub(in crate::config) struct Described<'a> {
    pub(in crate::config) name: String,
    pub(in crate::config) role: Role,
    pub(in crate::config) raw: RawPoint,
    pub(in crate::config) spot: Spot<'a>,
}

impl<'a> Layouts<'a> {
    /// Those of the templates and of `devices.toml`; a name that stands in two files is noted.
    pub(in crate::config) fn new(devices: &'a Sheet<'a>, templates: &'a [Sheet<'a>]) -> Self {
        let mut layouts = Self { list: BTreeMap::new(), whole: true, known: true };
        let mut files: BTreeMap<String, &str> = BTreeMap::new();
        for sheet in templates.iter().chain([devices]) {
            layouts.known &= sheet.whole;
            for entry in sheet.entries::<RawLayout>("layout") {
                if let Some(first) = files.get(&entry.id) {
                    let what = format!("{first} has a layout of this name too");
                    entry.spot.complain(what, "rename or remove one of the two");
                }
                let points = entry.raw.and_then(|raw| described(raw, &entry.spot));
                layouts.whole &= points.is_some();
                files.insert(entry.id.clone(), sheet.name());
                layouts.list.insert(entry.id, points.unwrap_or_default());
            }
        }
        layouts
    }

    /// The points of the layout called `name`.
    pub(in crate::config) fn find(&self, spot: &Spot<'_>, name: &str) -> Option<&[Described<'a>]> {
        let found = self.list.get(name);
        if found.is_none() && self.known {
            let remedy = match nearest(name, self.list.keys().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if self.list.is_empty() => {
                    "add a device template to the folder devices, or [layout.NAME] to this file".into()
                }
                None => {
                    let known = self.list.keys().map(String::as_str).collect::<Vec<_>>();
                    format!("name one of {}, or add a device template", known.join(", "))
                }
            };
            spot.complain("no layout of this name", remedy);
        }
        found.map(Vec::as_slice)
    }
}

/// What stands behind the wires: layouts, and what units say differently.
#[derive(Clone, Copy)]
pub(in crate::config) struct Maps<'m, 'a> {
    pub(in crate::config) layouts: &'m Layouts<'a>,
    pub(in crate::config) overrides: &'m Overrides<'a>,
}

impl Maps<'_, '_> {
    /// Whether nothing in them was wrong.
    pub(in crate::config) fn are_whole(&self) -> bool {
        self.layouts.whole && self.overrides.whole
    }
}

fn described<'a>(raw: RawLayout, at: &Spot<'a>) -> Option<Vec<Described<'a>>> {
    at.need("about", raw.about, "say what device has this layout");
    let given = at.need("points", raw.points, "give the points: position = { table = …, address = … }, …")?;
    let here = at.key("points");
    let one = |(name, point): (String, Given<RawPoint>)| {
        let spot = here.key(&name);
        let raw = here.need(&name, point, "correct the point")?;
        let role = role_of(&name, raw.role, &spot)?;
        Some(Described { name, role, raw, spot })
    };
    let points = given.into_iter().map(one).collect::<Vec<_>>();
    points.into_iter().collect()
}

/// The role a key names, unless the point says one itself.
fn role_of(key: &str, given: Option<Role>, at: &Spot<'_>) -> Option<Role> {
    let role = given.or(role_named(key));
    if role.is_none() {
        let remedy = match nearest(key, ROLES.into_iter()) {
            Some(near) => format!("did you mean {near}? Say role = \"other\" for what is shown only"),
            None => "use the name of a role, or say role = \"other\" for what is shown only".into(),
        };
        at.complain("names no role", remedy);
    }
    role
}

/// The role of this name.
pub(in crate::config) fn role_named(name: &str) -> Option<Role> {
    Role::deserialize(StrDeserializer::<PlainError>::new(name)).ok()
}

/// Names of the roles a gate or meter can have, for suggestions.
pub(in crate::config) const ROLES: [&str; 20] = [
    "value",
    "position",
    "target",
    "command",
    "watchdog",
    "sequence",
    "sequence_echo",
    "remote",
    "estop",
    "moving_open",
    "moving_shut",
    "top_limit",
    "bottom_limit",
    "fault",
    "trip",
    "fallback",
    "flow",
    "level_up",
    "level_down",
    "load",
];

/// What is different about one point, and where that stands.
pub(in crate::config) struct Override<'a> {
    pub(in crate::config) raw: RawPoint,
    pub(in crate::config) spot: Spot<'a>,
}

/// Overrides by name of the point.
type ByName<'a> = BTreeMap<String, Override<'a>>;

fn by_name<'a>(given: BTreeMap<String, Given<RawPoint>>, here: &Spot<'a>) -> ByName<'a> {
    let one = |(key, point): (String, Given<RawPoint>)| {
        let raw = here.may(&key, point, "correct the point")?;
        let spot = here.key(&key);
        Some((key, Override { raw, spot }))
    };
    given.into_iter().filter_map(one).collect()
}

/// The overrides of one instance; what its layout does not have is noted.
pub(in crate::config) fn overrides<'a>(
    given: BTreeMap<String, Given<RawPoint>>,
    layout: &[Described<'_>],
    here: &Spot<'a>,
) -> ByName<'a> {
    let known = || layout.iter().map(|point| point.name.as_str());
    for key in given.keys().filter(|key| known().all(|name| name != key.as_str())) {
        let remedy = match nearest(key, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!(
                "name one of {}, or wire this one alone as [point.NAME]",
                known().collect::<Vec<_>>().join(", ")
            ),
        };
        here.key(key).complain("is no point of the layout", remedy);
    }
    by_name(given, here)
}

/// What units say differently, for every instance they serve.
pub(in crate::config) struct Overrides<'a> {
    /// By [`DeviceId`].
    list: Vec<ByName<'a>>,
    whole: bool,
}

impl<'a> Overrides<'a> {
    /// Takes the overrides out of the devices, which are in file order.
    pub(in crate::config) fn take(devices: &mut [Entry<'a, RawDevice>]) -> Self {
        let mut whole = true;
        let mut one = |entry: &mut Entry<'a, RawDevice>| {
            let given = entry.raw.as_mut().map(|raw| std::mem::take(&mut raw.r#override))?;
            let remedy = "give what is different at this unit: value = { order = … }";
            let spot = &entry.spot;
            let there = given.is_there();
            let given = spot.may("override", given, remedy);
            whole &= !there || given.is_some();
            Some(by_name(given?, &spot.key("override")))
        };
        let list = devices.iter_mut().map(|entry| one(entry).unwrap_or_default()).collect();
        Self { list, whole }
    }

    /// What `device` says about the point called `name`.
    pub(in crate::config) fn of(&self, device: DeviceId, name: &str) -> Option<&Override<'a>> {
        self.list.get(device.0)?.get(name)
    }

    /// Notes overrides of points that no layout wired to the unit has.
    pub(in crate::config) fn belong(
        &self,
        wires: &[Entry<'_, RawWire>],
        names: &FieldNames,
        layouts: &Layouts<'_>,
    ) {
        if !layouts.whole || !layouts.known {
            return;
        }
        for (device, own) in names.devices.iter().zip(&self.list) {
            let served = wires.iter().filter_map(|wire| wire.raw.as_ref()).filter_map(|wire| {
                let (Given::Value(of), Given::Value(layout)) = (&wire.device, &wire.layout) else {
                    return None;
                };
                (of == device).then(|| layouts.list.get(layout)).flatten()
            });
            let points: Vec<&str> = served.flatten().map(|point| point.name.as_str()).collect();
            for (name, over) in own.iter().filter(|(name, _)| !points.contains(&name.as_str())) {
                let remedy = match nearest(name, points.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if points.is_empty() => "wire a layout to this unit, or remove it".into(),
                    None => format!("name one of {}", points.join(", ")),
                };
                over.spot.complain("is no point of a layout wired to this unit", remedy);
            }
        }
    }
}
