//! What the world does to the river.

use qindan::basin::{Basin, InflowKind, Place};

use crate::inflow::Flood;

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
    /// Rain since the day of rain began by [`qindan::basin::MeterId`], mm; none where there is no entry.
    pub rain: Vec<f64>,
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
            rain: Vec::new(),
        }
    }
}

/// What events have made of the inflows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weather {
    /// Factor on natural inflows: from, to, since (s), over (s).
    factor: (f64, f64, f64, f64),
    /// Inflow, and its wave in seconds of the plant.
    waves: Vec<(usize, Flood)>,
}

impl Default for Weather {
    fn default() -> Self {
        Self { factor: (1.0, 1.0, 0.0, 0.0), waves: Vec::new() }
    }
}

impl Weather {
    fn factor_at(&self, now: f64) -> f64 {
        let (from, to, since, over) = self.factor;
        if now - since >= over { to } else { from + (to - from) * ((now - since) / over).max(0.0) }
    }

    /// From now on the natural inflows go to `factor` times their own, within `over` s.
    pub(crate) fn go_to(&mut self, factor: f64, now: f64, over: f64) {
        self.factor = (self.factor_at(now), factor, now, over);
    }

    pub(crate) fn rise(&mut self, inflow: usize, peak: f64, now: f64, to_peak: f64) {
        self.waves.push((inflow, Flood { begin: now, peak, to_peak }));
    }

    pub(crate) fn ebb(&mut self) {
        self.waves.clear();
    }

    /// Makes of what the scenario has at second `now` what there is.
    pub(crate) fn change(&self, forcing: &mut Forcing, basin: &Basin, now: f64) {
        let factor = self.factor_at(now);
        if factor.to_bits() != 1.0_f64.to_bits() {
            for (flow, inflow) in forcing.inflows.iter_mut().zip(&basin.inflows) {
                // What works discharge does not depend on the weather.
                if inflow.kind != InflowKind::Outfall {
                    *flow *= factor;
                }
            }
        }
        for (at, wave) in &self.waves {
            if let Some(flow) = forcing.inflows.get_mut(*at) {
                *flow += wave.at(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_drought_comes_slowly_and_spares_what_works_discharge() {
        let basin = testing::small_basin();
        let natural = basin.inflows.iter().position(|i| i.kind != InflowKind::Outfall).unwrap();
        let outfall = basin.inflows.iter().position(|i| i.kind == InflowKind::Outfall);
        let mut weather = Weather::default();
        weather.go_to(0.5, 1000.0, 7200.0);
        let at = |weather: &Weather, now: f64| {
            let mut forcing = Forcing { inflows: vec![2.0; basin.inflows.len()], ..Forcing::default() };
            weather.change(&mut forcing, &basin, now);
            forcing.inflows
        };
        // A quarter of the way after half an hour: 2 · (1 − 0.5/4) = 1.75.
        assert!((at(&weather, 2800.0)[natural] - 1.75).abs() < 1e-12);
        assert!((at(&weather, 1e6)[natural] - 1.0).abs() < 1e-12);
        if let Some(outfall) = outfall {
            assert!((at(&weather, 1e6)[outfall] - 2.0).abs() < 1e-12);
        }
        weather.rise(natural, 30.0, 1e6, 3600.0);
        assert!((at(&weather, 1e6 + 3600.0)[natural] - 31.0).abs() < 1e-9);
        weather.ebb();
        weather.go_to(1.0, 2e6, 0.0);
        assert!((at(&weather, 2e6)[natural] - 2.0).abs() < 1e-12);
    }
}
