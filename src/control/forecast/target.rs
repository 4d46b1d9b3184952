//! What can be foretold, by name.

use serde::{Deserialize, Serialize};

use crate::basin::{Basin, InflowId, IntakeId, MeterId, MeterKind};

/// A flow this many times the largest monthly mean of an inflow is no flow of it. Assumed: the design flood of the
/// largest dam is 40 times its largest monthly mean.
const FLOOD: f64 = 100.0;

/// What a forecast foretells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A boundary inflow, tributary or outfall as a whole.
    Inflow(InflowId),
    /// What a flow meter will show, where it is not the meter of one inflow.
    Meter(MeterId),
    /// What an intake will take.
    Intake(IntakeId),
}

impl Target {
    /// The target written as `inflow:ID`, `meter:ID` or `intake:ID`; `None` when there is none of this name, or the
    /// meter shows no flow.
    pub fn named(text: &str, basin: &Basin) -> Option<Self> {
        match text.split_once(':')? {
            ("inflow", id) => basin.inflows.iter().position(|it| it.id == id).map(InflowId).map(Self::Inflow),
            ("intake", id) => basin.intakes.iter().position(|it| it.id == id).map(IntakeId).map(Self::Intake),
            ("meter", id) => {
                let flows = |kind| matches!(kind, MeterKind::RiverFlow | MeterKind::StructureFlow);
                let meter = basin.meter(id)?;
                let kind = basin.meters.get(meter.0)?.kind;
                flows(kind).then(|| Self::of_meter(meter, basin))
            }
            _ => None,
        }
    }

    /// The target of what a meter shows: the inflow at whose mouth it stands, or the meter itself.
    pub fn of_meter(meter: MeterId, basin: &Basin) -> Self {
        let at = basin.inflows.iter().position(|inflow| inflow.meter == Some(meter));
        at.map_or(Self::Meter(meter), |at| Self::Inflow(InflowId(at)))
    }

    /// As [`Self::named`] reads it.
    pub fn name(self, basin: &Basin) -> String {
        let (kind, id) = match self {
            Self::Inflow(id) => ("inflow", basin.inflows.get(id.0).map(|it| &it.id)),
            Self::Meter(id) => ("meter", basin.meters.get(id.0).map(|it| &it.id)),
            Self::Intake(id) => ("intake", basin.intakes.get(id.0).map(|it| &it.id)),
        };
        format!("{kind}:{}", id.map_or("", String::as_str))
    }

    /// Every target there is, for whoever wrote another.
    pub fn names(basin: &Basin) -> Vec<String> {
        let inflows = (0..basin.inflows.len()).map(|at| Self::Inflow(InflowId(at)));
        let intakes = (0..basin.intakes.len()).map(|at| Self::Intake(IntakeId(at)));
        let meters = (0..basin.meters.len()).map(MeterId);
        let meters = meters.map(Self::Meter).filter(|it| Self::named(&it.name(basin), basin) == Some(*it));
        inflows.chain(intakes).chain(meters).map(|target| target.name(basin)).collect()
    }

    /// Flow above which a forecast is not believed, m³/s: what the intake can take, what the meter can show, a hundred
    /// times the largest monthly mean of the inflow.
    pub fn highest(self, basin: &Basin) -> f64 {
        let shown = |id: MeterId| basin.meters.get(id.0).map_or(0.0, |meter| meter.max);
        match self {
            Self::Inflow(id) => basin.inflows.get(id.0).map_or(0.0, |inflow| {
                let months = inflow.monthly_normal.iter().chain(&inflow.monthly_dry);
                let mean = months.map(|flow| flow.get()).fold(0.0, f64::max);
                (FLOOD * mean).max(inflow.meter.map_or(0.0, shown))
            }),
            Self::Meter(id) => shown(id),
            Self::Intake(id) => basin.intakes.get(id.0).map_or(0.0, |intake| intake.max_rate.get()),
        }
    }
}
