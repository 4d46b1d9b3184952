//! Names of all elements in file order, and how a name becomes an index.

use std::collections::BTreeMap;

use super::super::raw::network::RawReach;
use super::super::raw::site::RawNamed;
use super::super::raw::{Given, RawPlace, RawResponsible};
use super::super::sheet::{Entry, Sheet, Spot, nearest, quoted};
use super::Noted;
use crate::basin::{
    GateId, IntakeId, MeterId, Name, NodeId, Place, ReachId, ReservoirId, Responsible, WetlandId,
};

/// Everything another key may refer to. An entry whose own values are wrong keeps its name.
#[derive(Default)]
pub(in crate::config) struct Names {
    pub(in crate::config) rivers: Vec<String>,
    pub(in crate::config) nodes: Vec<String>,
    pub(in crate::config) reaches: Vec<String>,
    /// Length of each reach, km, where it is known.
    lengths: Vec<Option<f64>>,
    pub(in crate::config) reservoirs: Vec<String>,
    pub(in crate::config) meters: Vec<String>,
    pub(in crate::config) gates: Vec<String>,
    sections: Vec<String>,
    pub(in crate::config) inflows: Vec<String>,
    pub(in crate::config) intakes: Vec<String>,
    pub(in crate::config) wetlands: Vec<String>,
    pub(in crate::config) transfers: Vec<String>,
    offices: BTreeMap<String, Option<Name>>,
    /// False when the file has damaged parts: a name that is not found may stand there.
    pub(in crate::config) whole: bool,
}

impl Names {
    /// Collects the names of `sheet`; identifiers that stand for two things are noted.
    pub(in crate::config) fn collect<'a>(
        sheet: &'a Sheet<'a>,
        reaches: &[Entry<'a, RawReach>],
        offices: Vec<Entry<'a, RawNamed>>,
    ) -> Self {
        let lengths = reaches
            .iter()
            .map(|reach| match reach.raw.as_ref().map(|raw| &raw.length_km) {
                Some(Given::Value(km)) => Some(*km),
                Some(Given::Absent | Given::Wrong(_)) | None => None,
            })
            .collect();
        let offices = offices
            .into_iter()
            .map(|office| {
                let name = office.raw.and_then(|raw| office.spot.name(raw.name_zh, raw.name_en));
                (office.id, name)
            })
            .collect();
        let names = Self {
            rivers: sheet.names("river"),
            nodes: sheet.names("node"),
            reaches: sheet.names("reach"),
            lengths,
            reservoirs: sheet.names("reservoir"),
            meters: sheet.names("meter"),
            gates: sheet.names("gate"),
            sections: sheet.names("section"),
            inflows: sheet.names("inflow"),
            intakes: sheet.names("intake"),
            wetlands: sheet.names("wetland"),
            transfers: sheet.names("transfer"),
            offices,
            whole: sheet.whole,
        };
        names.tell_apart(sheet);
        names
    }

    /// Gates, meters, inflows, intakes and transfers are named side by side (`of`, wiring, log): no name twice.
    fn tell_apart<'a>(&self, sheet: &'a Sheet<'a>) {
        let mut seen = BTreeMap::new();
        let kinds = [
            ("gate", &self.gates),
            ("meter", &self.meters),
            ("inflow", &self.inflows),
            ("intake", &self.intakes),
            ("transfer", &self.transfers),
        ];
        for (kind, names) in kinds {
            for name in names {
                if let Some(other) = seen.insert(name.clone(), kind) {
                    let what = format!("there is also a {other} of this name");
                    sheet.entry(kind, name).complain(what, "give one of them another name");
                }
            }
        }
    }

    fn find(&self, spot: &Spot<'_>, kind: &str, list: &[String], name: &str) -> Option<usize> {
        let at = list.iter().position(|known| known == name);
        if at.is_none() && self.whole {
            let remedy = match nearest(name, list.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if kind.contains(' ') => format!("name a {kind} of the basin"),
                None => format!("name one of the basin, or add [{kind}.{}]", quoted(name)),
            };
            spot.complain(format!("no {kind} of this name"), remedy);
        }
        at
    }

    fn named(
        &self,
        spot: &Spot<'_>,
        key: &str,
        given: Given<String>,
        kind: &str,
        list: &[String],
    ) -> Option<usize> {
        let name = spot.need(key, given, &format!("name the {kind}"))?;
        self.find(&spot.key(key), kind, list, &name)
    }

    /// The river `key` names.
    pub(in crate::config) fn river(&self, spot: &Spot<'_>, given: Given<String>) -> Option<String> {
        let at = self.named(spot, "river", given, "river", &self.rivers)?;
        self.rivers.get(at).cloned()
    }

    /// The node `key` names.
    pub(in crate::config) fn node(&self, spot: &Spot<'_>, key: &str, given: Given<String>) -> Option<NodeId> {
        self.named(spot, key, given, "node", &self.nodes).map(NodeId)
    }

    /// The reservoir `key` names.
    pub(in crate::config) fn reservoir(
        &self,
        spot: &Spot<'_>,
        key: &str,
        given: Given<String>,
    ) -> Option<ReservoirId> {
        self.named(spot, key, given, "reservoir", &self.reservoirs).map(ReservoirId)
    }

    /// The intake `key` names.
    pub(in crate::config) fn intake(&self, spot: &Spot<'_>, given: Given<String>) -> Option<IntakeId> {
        self.named(spot, "intake", given, "intake", &self.intakes).map(IntakeId)
    }

    /// The gate called `name`.
    pub(in crate::config) fn gate(&self, spot: &Spot<'_>, name: &str) -> Option<GateId> {
        self.find(spot, "gate", &self.gates, name).map(GateId)
    }

    /// Whether there is a section called `name`; it is told when not.
    pub(in crate::config) fn section(&self, spot: &Spot<'_>, name: &str) -> bool {
        self.find(spot, "section", &self.sections, name).is_some()
    }

    /// The meter `key` names, if it names one.
    pub(in crate::config) fn meter(
        &self,
        spot: &Spot<'_>,
        key: &str,
        given: Given<String>,
    ) -> Result<Option<MeterId>, Noted> {
        if !given.is_there() {
            return Ok(None);
        }
        let at = self.named(spot, key, given, "meter", &self.meters).ok_or(Noted)?;
        Ok(Some(MeterId(at)))
    }

    /// What a meter's `of` may name: gate, intake, inflow or transfer.
    pub(in crate::config) fn metered(&self, spot: &Spot<'_>, name: &str) -> Option<()> {
        let all = [&self.gates, &self.intakes, &self.inflows, &self.transfers];
        let list = all.into_iter().flatten().cloned().collect::<Vec<_>>();
        self.find(spot, "gate, intake, inflow or transfer", &list, name).map(|_| ())
    }

    /// The place at `spot`.
    pub(in crate::config) fn place(&self, spot: &Spot<'_>, raw: &RawPlace) -> Option<Place> {
        const REMEDY: &str = "give one of { node = }, { reach =, km = }, { reservoir = }, { wetland = }, \
                              { outside = true }";
        let given = [
            raw.node.is_some(),
            raw.reach.is_some(),
            raw.reservoir.is_some(),
            raw.wetland.is_some(),
            raw.outside.is_some(),
        ];
        if given.into_iter().filter(|there| *there).count() != 1 {
            spot.complain("must be one place", REMEDY);
            return None;
        }
        if raw.km.is_some() && raw.reach.is_none() {
            spot.key("km").complain("belongs to a place along a reach only", "remove it");
        }
        if let Some(node) = &raw.node {
            return self.find(&spot.key("node"), "node", &self.nodes, node).map(|at| Place::Node(NodeId(at)));
        }
        if let Some(reach) = &raw.reach {
            return self.along(spot, reach, raw.km);
        }
        if let Some(body) = &raw.reservoir {
            let at = self.find(&spot.key("reservoir"), "reservoir", &self.reservoirs, body)?;
            return Some(Place::Reservoir(ReservoirId(at)));
        }
        if let Some(wetland) = &raw.wetland {
            let at = self.find(&spot.key("wetland"), "wetland", &self.wetlands, wetland)?;
            return Some(Place::Wetland(WetlandId(at)));
        }
        if raw.outside != Some(true) {
            spot.key("outside").complain("can only be true", REMEDY);
            return None;
        }
        Some(Place::Outside)
    }

    fn along(&self, spot: &Spot<'_>, reach: &str, km: Option<f64>) -> Option<Place> {
        let at = self.find(&spot.key("reach"), "reach", &self.reaches, reach);
        let Some(km) = km else {
            spot.key("km").complain("is missing", "give the distance from the upper end of the reach");
            return None;
        };
        let at = at?;
        let length = self.lengths.get(at).copied().flatten();
        if let Some(length) = length.filter(|length| !(0.0..=*length).contains(&km)) {
            let what = format!("does not lie on the reach, which is {length} km long");
            spot.key("km").complain(what, "count from the upper end of the reach");
            return None;
        }
        Some(Place::Along { reach: ReachId(at), km })
    }

    /// The place `key` names.
    pub(in crate::config) fn place_at(
        &self,
        spot: &Spot<'_>,
        key: &str,
        given: Given<RawPlace>,
        remedy: &str,
    ) -> Option<Place> {
        let raw = spot.need(key, given, remedy)?;
        self.place(&spot.key(key), &raw)
    }

    /// Who answers for the element at `spot`.
    pub(in crate::config) fn responsible(
        &self,
        spot: &Spot<'_>,
        given: Given<RawResponsible>,
    ) -> Option<Responsible> {
        let remedy = "give { office = \"…\", person = \"…\" }: the unit and the person or post to call";
        let raw = spot.need("responsible", given, remedy)?;
        let here = spot.key("responsible");
        if raw.person.trim().is_empty() {
            here.key("person").complain("must not be empty", "name the person or post to call");
        }
        let office = self.office(&here.key("office"), &raw.office)?;
        Some(Responsible { unit: office.clone()?, person: raw.person })
    }

    /// The name of an office; `None`, and told at `spot`, where there is none of this identifier.
    pub(in crate::config) fn office(&self, spot: &Spot<'_>, id: &str) -> Option<&Option<Name>> {
        let office = self.offices.get(id);
        if office.is_none() {
            let list = self.offices.keys().cloned().collect::<Vec<_>>();
            self.find(spot, "office", &list, id);
        }
        office
    }
}
