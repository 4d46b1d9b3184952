//! The balance of a span, made of the uses alone.

use qindan::basin::{Basin, Name, Place};

use super::Book;
use super::page::{WAN, name};
use crate::plant::Volumes;

/// The balance of the whole span, of uses alone, m³.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Closing {
    /// Came in.
    pub inflow_m3: f64,
    /// Taken by users and led out of the basin.
    pub used_m3: f64,
    /// Left over the lower ends.
    pub left_m3: f64,
    /// Into bed and ground.
    pub bed_m3: f64,
    /// Into the air and through wetlands.
    pub air_m3: f64,
    /// Taken by nobody the basin knows.
    pub unknown_m3: f64,
    /// Stored at the end more than at the begin.
    pub stored_m3: f64,
    /// What is left of the sum.
    pub error_m3: f64,
}

impl Closing {
    /// Of the whole book.
    pub fn of(basin: &Basin, book: &Book) -> Self {
        let (Some(first), Some(last)) = (book.edges.first(), book.edges.last()) else {
            return Self::default();
        };
        Self::between(basin, &last.volumes.since(&first.volumes))
    }

    pub(super) fn between(basin: &Basin, passed: &Volumes) -> Self {
        let out = |place: Place| place == Place::Outside;
        let intakes = basin.intakes.iter().zip(&passed.intakes).filter(|(intake, _)| out(intake.to));
        let shares = basin.transfers.iter().zip(&passed.shares);
        let shares = shares.flat_map(|(transfer, got)| transfer.shares.iter().zip(got));
        let shares = shares.filter(|(share, _)| out(share.to)).map(|(_, got)| got).sum::<f64>();
        let gates = basin.gates.iter().zip(&passed.gates).filter(|(gate, _)| out(gate.to));
        let fixed = basin.fixed_openings.iter().zip(&passed.fixed).filter(|(fixed, _)| out(fixed.to));
        let straight = basin.inflows.iter().zip(&passed.inflows).map(|(inflow, came)| {
            inflow.into.iter().filter(|(place, _)| out(*place)).map(|(_, share)| share * came).sum::<f64>()
        });
        let over = basin.wetlands.iter().zip(&passed.returned);
        let over = over.filter(|(wetland, _)| wetland.returns_to.is_none_or(out)).map(|(_, went)| went);
        let mut sums = Self {
            inflow_m3: passed.inflows.iter().sum::<f64>() + passed.joined,
            used_m3: intakes.map(|(_, got)| got).sum::<f64>() + shares,
            left_m3: passed.ends.iter().sum::<f64>()
                + gates.map(|(_, went)| went).sum::<f64>()
                + fixed.map(|(_, went)| went).sum::<f64>()
                + straight.sum::<f64>()
                + over.sum::<f64>(),
            bed_m3: passed.beds.iter().sum::<f64>() + passed.lost.iter().sum::<f64>(),
            air_m3: passed.evaporated.iter().sum::<f64>() + passed.consumed.iter().sum::<f64>(),
            unknown_m3: passed.abstracted,
            stored_m3: passed.stored(),
            error_m3: 0.0,
        };
        sums.error_m3 = sums.inflow_m3
            - sums.used_m3
            - sums.left_m3
            - sums.bed_m3
            - sums.air_m3
            - sums.unknown_m3
            - sums.stored_m3;
        sums
    }

    /// The error as a share of the inflow.
    pub fn share(&self) -> f64 {
        self.error_m3.abs() / self.inflow_m3.max(1.0)
    }

    pub(super) fn line(&self) -> Name {
        let of = |m3: f64| format!("{:.2}", m3 / WAN);
        let [inflow, used, left, bed, air, stored] =
            [self.inflow_m3, self.used_m3, self.left_m3, self.bed_m3, self.air_m3, self.stored_m3].map(of);
        let (unknown, error) = (of(self.unknown_m3), format!("{:.1e}", self.error_m3 / WAN));
        name(
            format!(
                "来水 {inflow} = 取用 {used} + 下游出境 {left} + 渗漏 {bed} + 蒸发与湿地耗水 {air} + 无主取水 {unknown} + 蓄变 {stored} + 闭合差 {error}（万 m³）。"
            ),
            format!(
                "Inflow {inflow} = used {used} + out at the lower ends {left} + into bed and ground {bed} + air and wetlands {air} + taken by unknown {unknown} + storage change {stored} + error {error} (10⁴ m³)."
            ),
        )
    }
}
