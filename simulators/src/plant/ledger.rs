//! The water ledger of the basin: what came in, what went out, what is stored, of the whole and of each of its parts.
//!
//! Every volume is written down twice: by what it was for (an inflow, an intake, a share, a bed) and in the account of
//! each part it left and came to. So the whole balance can be made from the uses alone, and every node, reach, body and
//! wetland has one of its own.

use qindan::basin::{Basin, ReachKind};

use super::Plant;
use super::site::Site;

/// A sum of many small numbers beside large ones, kept with its rounding error (Neumaier 1974).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, x: f64) {
        let next = self.total + x;
        self.lost +=
            if self.total.abs() >= x.abs() { (self.total - next) + x } else { (x - next) + self.total };
        self.total = next;
    }

    pub(crate) fn get(self) -> f64 {
        self.total + self.lost
    }
}

/// What came to a part of the basin and left it, m³ since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) came: Sum,
    pub(crate) went: Sum,
    /// Stored at the start, m³.
    at_start: f64,
}

impl Account {
    /// Came − went − stored more than at the start, m³: rounding, nothing else.
    fn gap(&self, stored: f64) -> f64 {
        self.came.get() - self.went.get() - (stored - self.at_start)
    }
}

/// All water since the start, m³; lists in the order of the basin.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    /// Inflows, and what joined unmetered.
    pub(crate) inflow: Sum,
    /// To users and over the border.
    pub(crate) outside: Sum,
    /// Into the river bed.
    pub(crate) bed: Sum,
    /// From water bodies into the air, and used by wetlands.
    pub(crate) evaporation: Sum,
    pub(crate) nodes: Vec<Account>,
    pub(crate) reaches: Vec<Account>,
    pub(crate) bodies: Vec<Account>,
    pub(crate) wetlands: Vec<Account>,
    pub(crate) inflows: Vec<Sum>,
    /// Joined from the side, or through gates from outside.
    pub(crate) joined: Sum,
    /// Taken from the side, by nobody the basin knows.
    pub(crate) abstracted: Sum,
    pub(crate) gates: Vec<Sum>,
    pub(crate) fixed: Vec<Sum>,
    pub(crate) spill: Vec<Sum>,
    /// Got and wanted.
    pub(crate) intakes: Vec<[Sum; 2]>,
    /// By transfer, in the order of its shares.
    pub(crate) shares: Vec<Vec<Sum>>,
    /// Used by plants and air.
    pub(crate) consumed: Vec<Sum>,
    /// Over the outlets of wetlands.
    pub(crate) returned: Vec<Sum>,
    pub(crate) evaporated: Vec<Sum>,
    pub(crate) seeped: Vec<Sum>,
    pub(crate) beds: Vec<Sum>,
    /// Over the border, by node.
    pub(crate) ends: Vec<Sum>,
}

/// All water of the basin since the start, m³.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Balance {
    /// Came in.
    pub inflow_m3: f64,
    /// Went out: over the border, to users, into the bed, into the air.
    pub outflow_m3: f64,
    /// Of which lost into the bed.
    pub bed_loss_m3: f64,
    /// Of which evaporated or consumed by wetlands.
    pub evaporation_m3: f64,
    /// Stored now more than at the start.
    pub storage_change_m3: f64,
    /// Inflow − outflow − storage change: rounding, nothing else.
    pub error_m3: f64,
}

/// The part of the basin whose own balance closes worst.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    /// As `node runcheng`.
    pub element: String,
    /// Came − went − storage change, m³.
    pub error_m3: f64,
    /// Parts looked at: nodes, reaches, reservoirs, wetlands.
    pub parts: usize,
}

/// Volumes since the start by what they were for, m³; lists in the order of the basin. Those of two moments can be taken
/// from each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volumes {
    /// By inflow.
    pub inflows: Vec<f64>,
    /// Joined from the side, or through gates from outside the basin.
    pub joined: f64,
    /// Taken from the side by nobody the basin knows.
    pub abstracted: f64,
    /// Through each gate.
    pub gates: Vec<f64>,
    /// Through each fixed opening.
    pub fixed: Vec<f64>,
    /// Over each dam.
    pub spill: Vec<f64>,
    /// Got, by intake.
    pub intakes: Vec<f64>,
    /// Wanted, by intake.
    pub wanted: Vec<f64>,
    /// Delivered, by transfer and share.
    pub shares: Vec<Vec<f64>>,
    /// Came to each wetland.
    pub supplied: Vec<f64>,
    /// Went back to the river over its outlet.
    pub returned: Vec<f64>,
    /// Used by its plants and the air.
    pub consumed: Vec<f64>,
    /// From each reservoir or pond into the air.
    pub evaporated: Vec<f64>,
    /// Through the ground of each.
    pub seeped: Vec<f64>,
    /// Into the bed of each reach.
    pub beds: Vec<f64>,
    /// Over the border, by node.
    pub ends: Vec<f64>,
    /// Into the ground outside the basin, by reservoir or pond.
    pub lost: Vec<f64>,
    /// Stored in each reservoir or pond.
    pub bodies: Vec<f64>,
    /// Stored in each wetland.
    pub wetlands: Vec<f64>,
    /// Stored in rivers, pipes and at nodes.
    pub channels: f64,
}

impl Volumes {
    /// What lies between an earlier moment and this one; of what is stored, the change.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let each = |now: &[f64], then: &[f64]| -> Vec<f64> {
            now.iter().enumerate().map(|(at, x)| x - then.get(at).copied().unwrap_or(0.0)).collect()
        };
        Self {
            inflows: each(&self.inflows, &earlier.inflows),
            joined: self.joined - earlier.joined,
            abstracted: self.abstracted - earlier.abstracted,
            gates: each(&self.gates, &earlier.gates),
            fixed: each(&self.fixed, &earlier.fixed),
            spill: each(&self.spill, &earlier.spill),
            intakes: each(&self.intakes, &earlier.intakes),
            wanted: each(&self.wanted, &earlier.wanted),
            shares: self
                .shares
                .iter()
                .enumerate()
                .map(|(at, now)| each(now, earlier.shares.get(at).map_or(&[], Vec::as_slice)))
                .collect(),
            supplied: each(&self.supplied, &earlier.supplied),
            returned: each(&self.returned, &earlier.returned),
            consumed: each(&self.consumed, &earlier.consumed),
            evaporated: each(&self.evaporated, &earlier.evaporated),
            seeped: each(&self.seeped, &earlier.seeped),
            beds: each(&self.beds, &earlier.beds),
            ends: each(&self.ends, &earlier.ends),
            lost: each(&self.lost, &earlier.lost),
            bodies: each(&self.bodies, &earlier.bodies),
            wetlands: each(&self.wetlands, &earlier.wetlands),
            channels: self.channels - earlier.channels,
        }
    }

    /// All that is stored, or its change.
    pub fn stored(&self) -> f64 {
        self.bodies.iter().sum::<f64>() + self.wetlands.iter().sum::<f64>() + self.channels
    }
}

impl Ledger {
    pub(crate) fn new(basin: &Basin) -> Self {
        let sums = |count: usize| vec![Sum::default(); count];
        let accounts = |count: usize| vec![Account::default(); count];
        Self {
            nodes: accounts(basin.nodes.len()),
            reaches: accounts(basin.reaches.len()),
            bodies: accounts(basin.reservoirs.len()),
            wetlands: accounts(basin.wetlands.len()),
            inflows: sums(basin.inflows.len()),
            gates: sums(basin.gates.len()),
            fixed: sums(basin.fixed_openings.len()),
            spill: sums(basin.reservoirs.len()),
            intakes: vec![[Sum::default(); 2]; basin.intakes.len()],
            shares: basin.transfers.iter().map(|transfer| sums(transfer.shares.len())).collect(),
            consumed: sums(basin.wetlands.len()),
            returned: sums(basin.wetlands.len()),
            evaporated: sums(basin.reservoirs.len()),
            seeped: sums(basin.reservoirs.len()),
            beds: sums(basin.reaches.len()),
            ends: sums(basin.nodes.len()),
            ..Self::default()
        }
    }

    pub(crate) fn balance(&self, storage_change: f64) -> Balance {
        let inflow = self.inflow.get();
        let (bed, evaporation) = (self.bed.get(), self.evaporation.get());
        let outflow = self.outside.get() + bed + evaporation;
        Balance {
            inflow_m3: inflow,
            outflow_m3: outflow,
            bed_loss_m3: bed,
            evaporation_m3: evaporation,
            storage_change_m3: storage_change,
            error_m3: inflow - outflow - storage_change,
        }
    }

    /// Water that comes to `site`; `reach` is that of its cell.
    pub(crate) fn came(&mut self, site: Site, reach: usize, volume: f64) {
        if let Some(account) = self.account(site, reach) {
            account.came.add(volume);
        }
    }

    /// Water that leaves it.
    pub(crate) fn went(&mut self, site: Site, reach: usize, volume: f64) {
        if let Some(account) = self.account(site, reach) {
            account.went.add(volume);
        }
    }

    fn account(&mut self, site: Site, reach: usize) -> Option<&mut Account> {
        match site {
            Site::Node(node) => self.nodes.get_mut(node),
            Site::Cell(_) => self.reaches.get_mut(reach),
            Site::Body(body) => self.bodies.get_mut(body),
            Site::Wetland(marsh) => self.wetlands.get_mut(marsh),
            Site::Outside => None,
        }
    }
}

/// The current value of each.
fn all(sums: &[Sum]) -> Vec<f64> {
    sums.iter().map(|sum| sum.get()).collect()
}

impl Plant {
    /// What every part of the basin holds, m³: nodes, reaches, reservoirs, wetlands.
    fn stores(&self) -> [Vec<f64>; 4] {
        let elapsed = self.time.saturating_sub(self.river_step.0).as_secs_f64();
        let elapsed = if self.time < self.river_step.1 { elapsed } else { 0.0 };
        let reach = |at: usize| match &self.pipes[at] {
            Some(pipe) => pipe.storage(),
            None => self.river.storage_of(at, elapsed),
        };
        [
            self.inbox.clone(),
            (0..self.basin.reaches.len()).map(reach).collect(),
            self.bodies.iter().map(|body| body.volume).collect(),
            self.marshes.iter().map(|marsh| marsh.volume).collect(),
        ]
    }

    /// Starts the ledger anew from what is stored now.
    pub(super) fn open_ledger(&mut self) {
        let mut ledger = Ledger::new(&self.basin);
        let accounts = [&mut ledger.nodes, &mut ledger.reaches, &mut ledger.bodies, &mut ledger.wetlands];
        for (accounts, stores) in accounts.into_iter().zip(self.stores()) {
            for (account, stored) in accounts.iter_mut().zip(stores) {
                account.at_start = stored;
            }
        }
        self.ledger = ledger;
    }

    /// The part of the basin whose own balance since the start closes worst.
    pub fn worst_gap(&self) -> Gap {
        let basin = &self.basin;
        let kind = |at: usize| match basin.reaches.get(at).map(|reach| reach.kind) {
            Some(ReachKind::Pipe { .. }) => "pipe",
            Some(ReachKind::River) | None => "reach",
        };
        let ledger = &self.ledger;
        let [nodes, reaches, bodies, wetlands] = self.stores();
        let mut gaps = Vec::new();
        for (at, (account, stored)) in ledger.nodes.iter().zip(nodes).enumerate() {
            gaps.push((format!("node {}", basin.nodes[at].id), account.gap(stored)));
        }
        for (at, (account, stored)) in ledger.reaches.iter().zip(reaches).enumerate() {
            gaps.push((format!("{} {}", kind(at), basin.reaches[at].id), account.gap(stored)));
        }
        for (at, (account, stored)) in ledger.bodies.iter().zip(bodies).enumerate() {
            gaps.push((format!("reservoir {}", basin.reservoirs[at].id), account.gap(stored)));
        }
        for (at, (account, stored)) in ledger.wetlands.iter().zip(wetlands).enumerate() {
            gaps.push((format!("wetland {}", basin.wetlands[at].id), account.gap(stored)));
        }
        let parts = gaps.len();
        let worst = gaps.into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let (element, error_m3) = worst.unwrap_or_default();
        Gap { element, error_m3, parts }
    }

    /// All volumes since the start, by what they were for.
    pub fn volumes(&self) -> Volumes {
        let ledger = &self.ledger;
        let [nodes, reaches, bodies, wetlands] = self.stores();
        let lost = self.bodies.iter().zip(&ledger.seeped);
        let lost = lost.map(|(body, seeped)| if body.seepage_to.is_none() { seeped.get() } else { 0.0 });
        Volumes {
            inflows: all(&ledger.inflows),
            joined: ledger.joined.get(),
            abstracted: ledger.abstracted.get(),
            gates: all(&ledger.gates),
            fixed: all(&ledger.fixed),
            spill: all(&ledger.spill),
            intakes: ledger.intakes.iter().map(|[got, _]| got.get()).collect(),
            wanted: ledger.intakes.iter().map(|[_, wanted]| wanted.get()).collect(),
            shares: ledger.shares.iter().map(|shares| all(shares)).collect(),
            supplied: ledger.wetlands.iter().map(|account| account.came.get()).collect(),
            returned: all(&ledger.returned),
            consumed: all(&ledger.consumed),
            evaporated: all(&ledger.evaporated),
            seeped: all(&ledger.seeped),
            beds: all(&ledger.beds),
            ends: all(&ledger.ends),
            lost: lost.collect(),
            bodies,
            wetlands,
            channels: reaches.iter().sum::<f64>() + nodes.iter().sum::<f64>(),
        }
    }
}
