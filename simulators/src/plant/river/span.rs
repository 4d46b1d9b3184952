//! A reach of open channel: its cells, and what lies below its mouth.

use std::ops::Range;

use qindan::basin::{Basin, Reach};

use super::Channel;

/// Length of a cell aimed at, m. Chosen: a tenth of the way a wave at low flow makes in an hour; the fall of the bed over
/// it is a metre and more on the Qin, so that even a pond of two metres is seen by the cell above it.
const CELL_M: f64 = 500.0;

/// What a reach runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mouth {
    /// Nothing whose level it feels: the edge of the basin, or a node that parts its water.
    Free,
    /// The reach that goes on.
    Reach(usize),
    /// A reservoir or pond.
    Pool(usize),
}

/// A body of water at the mouth of reaches, as they feel it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pool {
    /// How far its level stands above the bed at their mouths, m. The table of a body holds the water up to where its
    /// normal level meets the bed, and there its reaches end: at normal level this is nothing.
    pub(crate) stands: f64,
    /// Area of its surface, m².
    pub(crate) area: f64,
    /// What left it less what reached it on other ways than these reaches, during the step before, m³/s.
    pub(crate) drawn: f64,
}

/// Which cells belong to a reach, and what crosses its ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// Its cells, upstream first.
    pub(crate) cells: Range<usize>,
    /// Length of a cell, m.
    pub(super) dx: f64,
    pub(super) channel: Channel,
    pub(super) mouth: Mouth,
    /// Spans whose mouth is this one's head.
    pub(super) above: Vec<usize>,
    /// Bed loss of the configuration, share per km.
    loss_per_km: f64,
    /// What was added to it when `loss` was worked out.
    extra_loss: Option<f64>,
    /// Share of the flux through a face that the bed takes over one cell, in the present step.
    pub(super) loss: f64,
    /// Counted in since the step began, m³.
    pub(super) entered: f64,
    /// What entered during the step before, m³/s.
    pub(super) inflow: f64,
    /// Nodes at its ends.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Leaves at the lower end during the step, m³/s.
    pub(crate) outflow: f64,
}

impl Span {
    /// The cells of `reach`, the first of them numbered `first`; and the number after its last.
    pub(super) fn new(basin: &Basin, reach: &Reach, first: usize) -> (Self, usize) {
        let length = reach.length_m();
        let count = (length / CELL_M).round().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let next = first + count as usize;
        let mouth = mouth(basin, reach);
        // A node with several reaches below it parts the water of all that end there; see `mouth`.
        let above = basin.reaches.iter().enumerate().filter(|(_, above)| match self::mouth(basin, above) {
            Mouth::Reach(below) => above.to == reach.from && basin.reaches[below].id == reach.id,
            Mouth::Free | Mouth::Pool(_) => false,
        });
        let span = Self {
            cells: first..next,
            dx: length / count,
            channel: Channel::of(reach),
            mouth,
            above: above.map(|(at, _)| at).collect(),
            loss_per_km: reach.loss_per_km,
            extra_loss: None,
            loss: 0.0,
            entered: 0.0,
            inflow: 0.0,
            from: reach.from.0,
            to: reach.to.0,
            outflow: 0.0,
        };
        (span, next)
    }

    #[expect(clippy::cast_precision_loss, reason = "some hundred cells")]
    pub(super) fn length_cells(&self) -> f64 {
        self.cells.len() as f64
    }

    /// Share lost over one cell: 1 − (1 − loss per km)^km, so that a whole reach keeps (1 − loss)^length.
    pub(super) fn set_loss(&mut self, extra: f64) {
        if self.extra_loss.is_some_and(|set| set.to_bits() == extra.to_bits()) {
            return;
        }
        self.extra_loss = Some(extra);
        let per_km = (self.loss_per_km + extra).clamp(0.0, 0.99);
        self.loss = 1.0 - (1.0 - per_km).powf(self.dx / 1000.0);
    }
}

fn mouth(basin: &Basin, reach: &Reach) -> Mouth {
    use qindan::basin::ReachKind::{Pipe, River};
    match reach.kind {
        River => {}
        Pipe { .. } => return Mouth::Free,
    }
    if let Some(body) = basin.reservoirs.iter().position(|body| body.at == reach.to) {
        return Mouth::Pool(body);
    }
    let mut on = basin.reaches.iter().enumerate().filter(|(_, next)| next.from == reach.to);
    match (on.next(), on.next()) {
        (Some((at, next)), None) if matches!(next.kind, River) => Mouth::Reach(at),
        (Some(_) | None, _) => Mouth::Free,
    }
}

/// Spans, each after those that flow into it. The configuration has no rings.
pub(super) fn flow_order(spans: &[Option<Span>]) -> Vec<usize> {
    fn visit(spans: &[Option<Span>], at: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[at], true) {
            return;
        }
        let Some(span) = &spans[at] else { return };
        for above in &span.above {
            visit(spans, *above, seen, order);
        }
        order.push(at);
    }
    let (mut seen, mut order) = (vec![false; spans.len()], Vec::new());
    for at in 0..spans.len() {
        visit(spans, at, &mut seen, &mut order);
    }
    order
}
