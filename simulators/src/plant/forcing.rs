//! What the world does to the river.

use qindan::basin::{Basin, InflowKind, Place};

/// What enters and what users want during one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forcing {
    /// Whole inflow by [`qindan::basin::InflowId`], m³/s; the plant splits it by the shares of `into`.
    pub inflows: Vec<f64>,
    /// Wanted by the users, by [`qindan::basin::IntakeId`], m³/s; at most what is there is taken.
    pub intakes: Vec<f64>,
    /// Added to `loss_per_km` of every river reach, share per km, ≥ 0; for runs with a wrong model, usually 0.
    pub extra_loss: f64,
    /// Unmetered water that joins at a place, m³/s; negative is unmetered abstraction.
    pub lateral_extra: Vec<(Place, f64)>,
}

impl Forcing {
    /// The dry year's monthly means: every inflow and every usual intake rate of `month` (1..=12).
    pub fn dry(basin: &Basin, month: i8) -> Self {
        Self::monthly(basin, month, true)
    }

    /// The normal year's monthly means.
    pub fn normal(basin: &Basin, month: i8) -> Self {
        Self::monthly(basin, month, false)
    }

    fn monthly(basin: &Basin, month: i8, dry: bool) -> Self {
        let at = usize::try_from(month.clamp(1, 12) - 1).unwrap_or(0);
        let inflows = basin.inflows.iter().map(|inflow| {
            // What works discharge does not depend on the year.
            let dry = dry && inflow.kind != InflowKind::Outfall;
            let months = if dry { &inflow.monthly_dry } else { &inflow.monthly_normal };
            months[at].get()
        });
        let intakes = basin.intakes.iter().map(|intake| intake.monthly_use[at].get());
        Self {
            inflows: inflows.collect(),
            intakes: intakes.collect(),
            extra_loss: 0.0,
            lateral_extra: Vec::new(),
        }
    }
}
