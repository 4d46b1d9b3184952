//! The open channels: a diffusive wave over the whole network, on cells of stored water.
//!
//! State is the wetted area of each cell, so that what leaves one cell enters the next and water is kept to
//! rounding. A step has two halves. [`River::plan`] fixes the flux through every face from the state at its
//! beginning; [`River::settle`] moves the water at its end. In between the outflow of every reach is a known constant
//! and its inflow is only counted, so that gates above may move in steps of a second while the river takes one
//! of a minute.
//!
//! Momentum without inertia: F = K(A)·√S with S the slope of the *water*, bed slope and the fall of depth between two
//! cells; backwater, drawdown and the flattening of waves follow from it, and the flow turns round where the water falls
//! the other way. The two things that a change of depth does are taken apart:
//!
//! - it moves on, through K(A): explicit, second order in space and time with a limited slope (van Leer 1974), so that the
//!   scheme adds next to no diffusion of its own. Steps are cut to Courant numbers below [`COURANT`], also of a
//!   front about to enter;
//! - it levels out, through S: implicit, F = K·S/√S⁰ with S at the end of the step (the slope at its begin linearises the
//!   root, which cannot overshoot level water), for all reaches and the ponds at their ends at once. In deep still water
//!   this is what would need steps of a second otherwise.
//!
//! The network falls together like a tree: every cell has one neighbour below. Its matrix is solved without fill by going
//! down once and up once (Hines 1984; Thomas's method on a chain).

mod span;
mod tree;

use qindan::basin::{Basin, ReachId, ReachKind};

use super::channel::{Carried, Channel, DRY_M2};
pub(crate) use span::Pool;
use span::{Mouth, Span};
use tree::Tree;

/// Largest Courant number of a step; a cell then loses less than nine tenths of its water.
const COURANT: f64 = 0.8;
/// An inflow higher than this multiple of the flow in the cell at the head is a front that limits the step. Below it the
/// celerity of the head differs by less than what [`COURANT`] leaves free.
const AHEAD: f64 = 1.05;
/// Below this slope of the water, m/m, its root is drawn straight to zero: a millimetre in a kilometre.
const FLAT: f64 = 1e-6;
/// A cell gives away at most this share of its water in a step, whatever the faces say.
const GIVES: f64 = 0.9;

/// All open channels of a basin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct River {
    /// By [`ReachId`]; `None` for pipes.
    spans: Vec<Option<Span>>,
    /// Spans, each after those that flow into it.
    order: Vec<usize>,
    /// Span of each cell.
    owner: Vec<usize>,
    /// Wetted area, m².
    area: Vec<f64>,
    /// What the section carries at `area`, of the present step.
    carried: Vec<Carried>,
    /// Cube root of the hydraulic radius, as last worked out.
    root: Vec<f64>,
    /// Slope of the water over the lower face at the begin of the step, and its root with its sign.
    slope: Vec<f64>,
    driven: Vec<f64>,
    /// Conveyance of the lower face, m³/s.
    face: Vec<f64>,
    /// Flux through the lower face during the step, before the bed's share, m³/s; negative upstream.
    flux: Vec<f64>,
    /// Added from the side, less what was taken, since the step began, m³.
    side: Vec<f64>,
    /// The same during the step before, m³/s.
    joins: Vec<f64>,
    /// May still be taken during the step, m³.
    spare: Vec<f64>,
    tree: Tree,
}

impl River {
    pub(crate) fn new(basin: &Basin) -> Self {
        let mut cells = 0;
        let spans = basin.reaches.iter().map(|reach| {
            let ReachKind::River = reach.kind else { return None };
            let (span, next) = Span::new(basin, reach, cells);
            cells = next;
            Some(span)
        });
        let spans: Vec<Option<Span>> = spans.collect();
        let owner = spans
            .iter()
            .enumerate()
            .flat_map(|(at, span)| std::iter::repeat_n(at, span.as_ref().map_or(0, |span| span.cells.len())));
        let order = span::flow_order(&spans);
        Self {
            owner: owner.collect(),
            tree: Tree::new(cells, basin.reservoirs.len()),
            order,
            spans,
            area: vec![0.0; cells],
            carried: vec![Carried::default(); cells],
            root: vec![0.0; cells],
            slope: vec![0.0; cells],
            driven: vec![0.0; cells],
            face: vec![0.0; cells],
            flux: vec![0.0; cells],
            side: vec![0.0; cells],
            joins: vec![0.0; cells],
            spare: vec![0.0; cells],
        }
    }

    pub(crate) fn span(&self, reach: ReachId) -> Option<&Span> {
        self.spans.get(reach.0)?.as_ref()
    }

    /// The cell of a reach that holds the point `km` below its upper end.
    pub(crate) fn cell(&self, reach: ReachId, km: f64) -> Option<usize> {
        let span = self.span(reach)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let at = (km * 1000.0 / span.dx).max(0.0) as usize;
        Some(span.cells.start + at.min(span.cells.len() - 1))
    }

    /// Lets `inflow` run steadily through the reach, with `side` (m³/s by cell of the whole river): fluxes only,
    /// [`River::lie`] finds the depths.
    pub(crate) fn fill(&mut self, reach: ReachId, inflow: f64, extra_loss: f64, side: &[f64]) {
        let Some(span) = self.spans.get_mut(reach.0).and_then(Option::as_mut) else { return };
        span.set_loss(extra_loss);
        span.inflow = inflow;
        let mut q = inflow;
        for cell in span.cells.clone() {
            q = (q + side[cell]).max(0.0);
            self.flux[cell] = q;
            self.joins[cell] = side[cell];
            q *= 1.0 - span.loss;
        }
        span.outflow = q;
    }

    /// Depths at which the fluxes of [`River::fill`] run steadily: the backwater curve, from each mouth up.
    pub(crate) fn lie(&mut self, pools: &[Pool]) {
        for turn in (0..self.order.len()).rev() {
            let at = self.order[turn];
            let Some(span) = &self.spans[at] else { continue };
            for cell in span.cells.clone().rev() {
                let slope = |depth: f64| self.water_slope(span, cell, depth, pools);
                self.area[cell] = if self.flux[cell] > 0.0 {
                    span.channel.area_at_slope(self.flux[cell], slope)
                } else {
                    // Nothing runs: level with what lies below, `slope` being straight in the depth.
                    let (dry, metre) = (slope(0.0), slope(1.0));
                    let level = if dry < 0.0 { -dry / (metre - dry).max(FLAT) } else { 0.0 };
                    span.channel.area_at(level)
                };
                self.carried[cell] = span.channel.carried(self.area[cell], &mut self.root[cell]);
            }
        }
    }

    /// Slope of the water over the lower face of `cell` if it stands `depth` deep, from what [`River::carried`] holds below.
    fn water_slope(&self, span: &Span, cell: usize, depth: f64, pools: &[Pool]) -> f64 {
        let bed = span.channel.slope;
        if cell + 1 < span.cells.end {
            return bed + (depth - self.carried[cell + 1].depth) / span.dx;
        }
        match span.mouth {
            Mouth::Free => bed,
            Mouth::Reach(below) => self.spans[below].as_ref().map_or(bed, |next| {
                let over = 0.5 * (span.dx + next.dx);
                let falls = 0.5 * (bed * span.dx + next.channel.slope * next.dx);
                (falls + depth - self.carried[next.cells.start].depth) / over
            }),
            Mouth::Pool(body) => {
                let stands = pools.get(body).map_or(0.0, |pool| pool.stands);
                bed.min(bed + (depth - stands) / (0.5 * span.dx))
            }
        }
    }

    /// Looks at every cell before a step; gives the longest step it may take, s. `rise`, by node, is by how much what
    /// flows in there from outside is about to rise, m³/s; the rise of what the reaches bring is added to it.
    pub(crate) fn survey(&mut self, extra_loss: f64, rise: &mut [f64], pools: &[Pool]) -> f64 {
        for span in self.spans.iter_mut().flatten() {
            span.set_loss(extra_loss);
            for cell in span.cells.clone() {
                self.carried[cell] = span.channel.carried(self.area[cell], &mut self.root[cell]);
            }
        }
        let mut fastest = 0.0_f64;
        for span in self.spans.iter().flatten() {
            let bed = span.channel.slope;
            let cells = span.cells.clone();
            let mut most = 0.0_f64;
            for cell in cells.clone() {
                let depth = self.carried[cell].depth;
                let slope = if cell + 1 < cells.end {
                    bed + (depth - self.carried[cell + 1].depth) / span.dx
                } else {
                    self.water_slope(span, cell, depth, pools)
                };
                let driven = slope / slope.abs().max(FLAT).sqrt();
                (self.slope[cell], self.driven[cell]) = (slope, driven);
                // Where it runs upstream it comes from the cell below.
                let from = if slope < 0.0 && cell + 1 < cells.end { cell + 1 } else { cell };
                most = most.max(driven.abs() * self.carried[from].celerity);
            }
            fastest = fastest.max(most / span.dx);
            let last = cells.end - 1;
            let leaves = (self.driven[last] * self.carried[last].conveyance).max(0.0) * (1.0 - span.loss);
            rise[span.to] += (leaves - span.outflow).max(0.0);
        }
        // A front about to enter is faster than the water it runs into.
        for span in self.spans.iter().flatten() {
            let enters = span.inflow + rise[span.from];
            let head = span.cells.start;
            if enters > AHEAD * self.driven[head] * self.carried[head].conveyance {
                let front = span.channel.uniform(span.channel.area_for(enters));
                fastest = fastest.max(front.celerity / span.dx);
            }
        }
        COURANT / fastest
    }

    /// Begins a step of `dt` seconds, no longer than [`River::survey`] allows: fixes every flux.
    pub(crate) fn plan(&mut self, dt: f64, pools: &[Pool]) {
        self.explicit_fluxes(dt);
        self.level_out(dt, pools);
        self.bound(dt);
    }

    /// Fluxes from the state at the begin of the step.
    fn explicit_fluxes(&mut self, dt: f64) {
        for span in self.spans.iter().flatten() {
            let cells = span.cells.clone();
            let mut before: Option<f64> = None;
            for cell in cells.clone() {
                let a = self.area[cell];
                let rise = before.replace(a).map_or(0.0, |before| a - before);
                let driven = self.driven[cell];
                self.face[cell] = if driven < 0.0 {
                    // Upstream over the face: first order. Nothing comes back out of what lies below a reach.
                    if cell + 1 < cells.end { self.carried[cell + 1].conveyance } else { 0.0 }
                } else {
                    let at = &self.carried[cell];
                    // The last cell has no neighbour to bound its slope, and a slope drawn out from above would let more
                    // leave than ever came.
                    let slope =
                        if cell + 1 < cells.end { van_leer(rise, self.area[cell + 1] - a) } else { 0.0 };
                    let free = 1.0 - driven * at.celerity * dt / span.dx;
                    (at.conveyance + 0.5 * at.celerity * free * slope.clamp(-a, a)).max(0.0)
                };
                self.flux[cell] = driven * self.face[cell];
            }
        }
    }

    /// Adds to every flux what the levelling of the water during the step does to it.
    fn level_out(&mut self, dt: f64, pools: &[Pool]) {
        self.tree.begin(pools, dt);
        for span in self.spans.iter().flatten() {
            // What joins at the node above beside the reaches that end there, as during the step before.
            let mut joins = span.inflow;
            for above in &span.above {
                joins -= self.spans[*above].as_ref().map_or(0.0, |above| above.outflow);
            }
            self.tree.source(span.cells.start, joins * dt);
            for cell in span.cells.clone() {
                self.tree.room(cell, self.carried[cell].top * span.dx, self.joins[cell] * dt);
            }
        }
        for turn in 0..self.order.len() {
            let Some(span) = &self.spans[self.order[turn]] else { continue };
            for cell in span.cells.clone() {
                let slope = self.slope[cell];
                let (below, distance) = self.below(span, cell);
                // A pool that stands lower than the river takes it as it comes.
                let feels = !(slope >= span.channel.slope && matches!(span.mouth, Mouth::Pool(_)))
                    || cell + 1 < span.cells.end;
                let gain = match below {
                    Some(_) if feels => self.face[cell] / slope.abs().max(FLAT).sqrt() / distance,
                    Some(_) | None => 0.0,
                };
                // The bed takes its share of what runs down.
                let keeps = if self.flux[cell] > 0.0 { 1.0 - span.loss } else { 1.0 };
                self.tree.face(cell, below, self.flux[cell], gain, keeps, dt);
            }
        }
        self.tree.solve();
        for cell in 0..self.flux.len() {
            self.flux[cell] += self.tree.change(cell);
        }
    }

    /// Row of the tree below a cell, and the distance to it, m.
    fn below(&self, span: &Span, cell: usize) -> (Option<usize>, f64) {
        if cell + 1 < span.cells.end {
            return (Some(cell + 1), span.dx);
        }
        match span.mouth {
            Mouth::Free => (None, span.dx),
            Mouth::Reach(below) => self.spans[below]
                .as_ref()
                .map_or((None, span.dx), |next| (Some(next.cells.start), 0.5 * (span.dx + next.dx))),
            Mouth::Pool(body) => (Some(self.tree.pool(body)), 0.5 * span.dx),
        }
    }

    /// No cell gives more than it has, nothing runs back over the end of a reach.
    fn bound(&mut self, dt: f64) {
        for span in self.spans.iter_mut().flatten() {
            let cells = span.cells.clone();
            let last = cells.end - 1;
            self.flux[last] = self.flux[last].max(0.0);
            let mut back = 0.0;
            for cell in cells.clone() {
                let ahead = self.flux[cell].max(0.0);
                let holds = GIVES * self.area[cell] * span.dx;
                let gives = (ahead + back) * dt;
                if gives > holds {
                    let scale = holds / gives;
                    if ahead > 0.0 {
                        self.flux[cell] *= scale;
                    }
                    if back > 0.0 {
                        self.flux[cell - 1] *= scale;
                    }
                }
                back = (-self.flux[cell]).max(0.0);
            }
            let mut back = 0.0;
            for cell in cells.clone() {
                self.side[cell] = 0.0;
                let leaves = (self.flux[cell].max(0.0) + back) * dt;
                self.spare[cell] = (self.area[cell] * span.dx - leaves).max(0.0);
                back = (-self.flux[cell]).max(0.0);
            }
            span.outflow = self.flux[last] * (1.0 - span.loss);
        }
    }

    /// Begins at rest: the fluxes of [`River::fill`] stand, nothing has been counted.
    pub(crate) fn rest(&mut self) {
        for span in self.spans.iter_mut().flatten() {
            span.entered = 0.0;
            for cell in span.cells.clone() {
                self.spare[cell] = self.area[cell] * span.dx;
            }
        }
        self.side.fill(0.0);
    }

    /// Added from the side since the step began, m³ by cell.
    pub(crate) fn side(&self) -> &[f64] {
        &self.side
    }

    /// Holds the water still: outflows as they stand, plenty to take. For the search of the steady state only.
    pub(crate) fn plan_still(&mut self) {
        for span in self.spans.iter_mut().flatten() {
            span.entered = 0.0;
        }
        self.side.fill(0.0);
        self.spare.fill(f64::MAX);
    }

    /// Counts water that enters the head of a reach, m³.
    pub(crate) fn enter(&mut self, reach: ReachId, volume: f64) {
        if let Some(span) = self.spans.get_mut(reach.0).and_then(Option::as_mut) {
            span.entered += volume;
        }
    }

    /// Adds water from the side, m³.
    pub(crate) fn add(&mut self, cell: usize, volume: f64) {
        self.side[cell] += volume;
        self.spare[cell] += volume;
    }

    /// Takes up to `wanted` m³ from a cell; gives what it got.
    pub(crate) fn take(&mut self, cell: usize, wanted: f64) -> f64 {
        let got = wanted.clamp(0.0, self.spare[cell]);
        self.side[cell] -= got;
        self.spare[cell] -= got;
        got
    }

    /// Ends the step of `dt` seconds: moves the water. Tells what the bed of each reach took, m³.
    pub(crate) fn settle(&mut self, dt: f64, mut takes: impl FnMut(usize, f64)) {
        for (at, span) in self.spans.iter_mut().enumerate() {
            let Some(span) = span else { continue };
            let mut lost = 0.0;
            let mut entering = std::mem::take(&mut span.entered);
            span.inflow = entering / dt;
            for cell in span.cells.clone() {
                let leaving = self.flux[cell] * dt;
                let to_bed = leaving.max(0.0) * span.loss;
                let volume = self.area[cell] * span.dx + (entering + self.side[cell] - leaving);
                self.area[cell] = volume.max(0.0) / span.dx;
                self.joins[cell] = self.side[cell] / dt;
                lost += to_bed;
                entering = leaving - to_bed;
            }
            takes(at, lost);
        }
        self.side.fill(0.0);
    }

    /// Water in the channels `elapsed` seconds into the step, m³, with what the bed will be charged at its end.
    pub(crate) fn storage(&self, elapsed: f64) -> f64 {
        (0..self.spans.len()).map(|at| self.storage_of(at, elapsed)).sum()
    }

    /// The same of one reach; 0 for a pipe.
    pub(crate) fn storage_of(&self, reach: usize, elapsed: f64) -> f64 {
        let Some(span) = self.spans.get(reach).and_then(Option::as_ref) else { return 0.0 };
        let cells = span.cells.clone();
        let still = cells.clone().map(|cell| self.area[cell]).sum::<f64>() * span.dx;
        let side = cells.map(|cell| self.side[cell]).sum::<f64>();
        still + side + span.entered - span.outflow * elapsed
    }

    /// The reach of a cell.
    pub(crate) fn reach_of(&self, cell: usize) -> usize {
        self.owner.get(cell).copied().unwrap_or(usize::MAX)
    }

    /// Water in a reach at the begin of the step, m³.
    pub(crate) fn volume(&self, reach: ReachId) -> f64 {
        self.span(reach).map_or(0.0, |span| self.area[span.cells.clone()].iter().sum::<f64>() * span.dx)
    }

    /// Flow through a point of a reach, m³/s: the fluxes of the faces around it, straight between them;
    /// `entering` is the flow at the head.
    pub(crate) fn flow_at(&self, reach: ReachId, km: f64, entering: f64) -> f64 {
        let Some(span) = self.span(reach) else { return entering };
        let face = (km * 1000.0 / span.dx).clamp(0.0, span.length_cells());
        let below = (face.ceil()).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let lower = span.cells.start + below as usize - 1;
        let above = if lower == span.cells.start { entering } else { self.flux[lower - 1] };
        above + (self.flux[lower] - above) * (face - (below - 1.0))
    }

    /// Depth of a cell, m.
    pub(crate) fn depth(&self, cell: usize) -> f64 {
        let span = self.owner.get(cell).and_then(|owner| self.spans[*owner].as_ref());
        span.map_or(0.0, |span| span.channel.depth(self.area[cell]))
    }

    /// Mean velocity of a cell, m/s.
    pub(crate) fn velocity(&self, cell: usize) -> f64 {
        if self.area[cell] > DRY_M2 { self.flux[cell] / self.area[cell] } else { 0.0 }
    }
}

/// Harmonic mean of two slopes, zero where they disagree in sign.
fn van_leer(left: f64, right: f64) -> f64 {
    let product = left * right;
    if product > 0.0 { 2.0 * product / (left + right) } else { 0.0 }
}
