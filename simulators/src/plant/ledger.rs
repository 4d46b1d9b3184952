//! The water ledger of the whole basin: what came in, what went out, what is stored.

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

/// Where water crossed the border of the basin, m³ since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    /// Inflows, and what joined unmetered.
    pub(crate) inflow: Sum,
    /// To users and over the border.
    pub(crate) outside: Sum,
    /// Into the river bed.
    pub(crate) bed: Sum,
    /// From water bodies into the air, and used by wetlands.
    pub(crate) evaporation: Sum,
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

impl Ledger {
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
}
