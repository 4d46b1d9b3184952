//! The open channels: cells of stored water, moved on by a kinematic wave with the diffusion of the river.
//!
//! State is the wetted area of each cell, so that what leaves one cell enters the next and water is kept to
//! rounding. A step has two halves. [`River::plan`] fixes the flux through every face from the state at its
//! beginning; [`River::settle`] moves the water at its end. In between the outflow of every reach is a known constant
//! and its inflow is only counted, so that gates above may move in steps of a second while the river takes one
//! of a minute.
//!
//! Flux through a face, with A the area of the cell above it, c = dQ/dA and a limited slope δ (van Leer 1974):
//! F = Q(A) + c · ψ · (1 − Cr) · δ/2. With ψ = 1 this is second order and nearly free of diffusion, with ψ = 0 first-order
//! upwind, whose numerical diffusion is c·Δx·(1 − Cr)/2. The blend ψ = 1 − 2·D/(c·Δx·(1 − Cr)) leaves just the hydraulic
//! diffusivity D = Q/(2·T·S) (Cunge 1969: the Muskingum–Cunge matching, made non-oscillating by the limiter). Steps
//! are cut to Courant numbers below [`COURANT`], also of a front about to enter, where the scheme keeps every area
//! positive and makes no flow higher than those it came from.

use std::ops::Range;

use qindan::basin::{Basin, Reach, ReachId, ReachKind};

use super::channel::{Channel, DRY_M2, Uniform};

/// Length of a cell aimed at, m. Chosen: at 20 m³/s half of it times the celerity is still above the hydraulic
/// diffusivity of the Qin, so that the blend can match it from drought to small floods.
const CELL_M: f64 = 500.0;
/// Largest Courant number of a step; a cell then loses less than nine tenths of its water.
const COURANT: f64 = 0.8;
/// An inflow higher than this multiple of the flow in the cell at the head is a front that limits the step. Below it the
/// celerity of the head differs by less than what [`COURANT`] leaves free.
const AHEAD: f64 = 1.05;

/// Which cells belong to a reach, and what crosses its ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// Its cells, upstream first.
    pub(crate) cells: Range<usize>,
    /// Length of a cell, m.
    dx: f64,
    channel: Channel,
    /// Bed loss of the configuration, share per km.
    loss_per_km: f64,
    /// What was added to it when `loss` was worked out.
    extra_loss: Option<f64>,
    /// Share of the flux through a face that the bed takes over one cell, in the present step.
    loss: f64,
    /// Counted in since the step began, m³.
    entered: f64,
    /// What entered during the step before, m³/s.
    inflow: f64,
    /// Nodes at its ends.
    from: usize,
    to: usize,
    /// Leaves at the lower end during the step, m³/s.
    pub(crate) outflow: f64,
}

/// All open channels of a basin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct River {
    /// By [`ReachId`]; `None` for pipes.
    spans: Vec<Option<Span>>,
    /// Wetted area, m².
    area: Vec<f64>,
    /// Span of each cell.
    owner: Vec<usize>,
    /// Uniform flow at `area`, of the present step.
    uniform: Vec<Uniform>,
    /// Cube root of the hydraulic radius, as last worked out.
    root: Vec<f64>,
    /// Flux through the lower face during the step, before the bed's share, m³/s.
    flux: Vec<f64>,
    /// Added from the side, less what was taken, since the step began, m³.
    side: Vec<f64>,
    /// May still be taken during the step, m³.
    spare: Vec<f64>,
}

impl River {
    pub(crate) fn new(basin: &Basin) -> Self {
        let mut cells = 0;
        let spans = basin.reaches.iter().map(|reach| {
            let ReachKind::River = reach.kind else { return None };
            let (span, next) = Span::new(reach, cells);
            cells = next;
            Some(span)
        });
        let spans: Vec<Option<Span>> = spans.collect();
        let owner = spans
            .iter()
            .enumerate()
            .flat_map(|(at, span)| std::iter::repeat_n(at, span.as_ref().map_or(0, |span| span.cells.len())));
        Self {
            owner: owner.collect(),
            spans,
            area: vec![0.0; cells],
            uniform: vec![Uniform::default(); cells],
            root: vec![0.0; cells],
            flux: vec![0.0; cells],
            side: vec![0.0; cells],
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

    /// Fills the reach with uniform flow: `inflow` at its head and `side` (m³/s by cell of the whole river).
    pub(crate) fn fill(&mut self, reach: ReachId, inflow: f64, extra_loss: f64, side: &[f64]) {
        let Some(span) = self.spans.get_mut(reach.0).and_then(Option::as_mut) else { return };
        span.set_loss(extra_loss);
        let mut q = inflow;
        for cell in span.cells.clone() {
            q = (q + side[cell]).max(0.0);
            self.area[cell] = span.channel.area_for(q);
            self.flux[cell] = q;
            q *= 1.0 - span.loss;
        }
        span.outflow = q;
    }

    /// Looks at every cell before a step; gives the longest step it may take, s. `rise`, by node, is by how much what
    /// flows in there from outside is about to rise, m³/s; the rise of what the reaches bring is added to it.
    pub(crate) fn survey(&mut self, extra_loss: f64, rise: &mut [f64]) -> f64 {
        let mut fastest = 0.0_f64;
        for span in self.spans.iter_mut().flatten() {
            span.set_loss(extra_loss);
            let mut most = 0.0_f64;
            let cells = span.cells.clone();
            let state = self.area[cells.clone()].iter().zip(&mut self.root[cells.clone()]);
            for ((area, root), uniform) in state.zip(&mut self.uniform[cells.clone()]) {
                *uniform = span.channel.uniform_near(*area, root);
                most = most.max(uniform.celerity);
            }
            fastest = fastest.max(most / span.dx);
            let leaves = self.uniform[cells.end - 1].discharge * (1.0 - span.loss);
            rise[span.to] += (leaves - span.outflow).max(0.0);
        }
        // A front about to enter is faster than the water it runs into.
        for span in self.spans.iter().flatten() {
            let enters = span.inflow + rise[span.from];
            if enters > AHEAD * self.uniform[span.cells.start].discharge {
                let front = span.channel.uniform(span.channel.area_for(enters));
                fastest = fastest.max(front.celerity / span.dx);
            }
        }
        COURANT / fastest
    }

    /// Begins a step of `dt` seconds, no longer than [`River::survey`] allows: fixes every flux.
    pub(crate) fn plan(&mut self, dt: f64) {
        for span in self.spans.iter_mut().flatten() {
            let cells = span.cells.clone();
            let (area, uniform) = (&self.area[cells.clone()], &self.uniform[cells.clone()]);
            span.faces(area, uniform, dt, &mut self.flux[cells.clone()]);
            self.side[cells.clone()].fill(0.0);
            let state = area.iter().zip(&self.flux[cells.clone()]);
            for ((area, flux), spare) in state.zip(&mut self.spare[cells]) {
                *spare = (area * span.dx - flux * dt).max(0.0);
            }
        }
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

    /// Ends the step of `dt` seconds: moves the water. Gives what the bed took, m³.
    pub(crate) fn settle(&mut self, dt: f64) -> f64 {
        let mut lost = 0.0;
        for span in self.spans.iter_mut().flatten() {
            let mut entering = std::mem::take(&mut span.entered);
            span.inflow = entering / dt;
            let cells = span.cells.clone();
            let moved = self.flux[cells.clone()].iter().zip(&self.side[cells.clone()]);
            for (area, (flux, side)) in self.area[cells].iter_mut().zip(moved) {
                let leaving = flux * dt;
                let to_bed = leaving * span.loss;
                let volume = *area * span.dx + (entering + side - leaving);
                *area = volume.max(0.0) / span.dx;
                lost += to_bed;
                entering = leaving - to_bed;
            }
        }
        self.side.fill(0.0);
        lost
    }

    /// Water in the channels `elapsed` seconds into the step, m³, with what the bed will be charged at its end.
    pub(crate) fn storage(&self, elapsed: f64) -> f64 {
        let in_span = |span: &Span| {
            let cells = span.cells.clone();
            let still = cells.clone().map(|cell| self.area[cell]).sum::<f64>() * span.dx;
            let side = cells.map(|cell| self.side[cell]).sum::<f64>();
            still + side + span.entered - span.outflow * elapsed
        };
        self.spans.iter().flatten().map(in_span).sum()
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
        if self.area[cell] > DRY_M2 { self.uniform[cell].discharge / self.area[cell] } else { 0.0 }
    }
}

impl Span {
    fn new(reach: &Reach, first: usize) -> (Self, usize) {
        let length = reach.length_m();
        let count = (length / CELL_M).round().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let next = first + count as usize;
        let span = Self {
            cells: first..next,
            dx: length / count,
            channel: Channel::of(reach),
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
    fn length_cells(&self) -> f64 {
        self.cells.len() as f64
    }

    /// Share lost over one cell: 1 − (1 − loss per km)^km, so that a whole reach keeps (1 − loss)^length.
    fn set_loss(&mut self, extra: f64) {
        if self.extra_loss.is_some_and(|set| set.to_bits() == extra.to_bits()) {
            return;
        }
        self.extra_loss = Some(extra);
        let per_km = (self.loss_per_km + extra).clamp(0.0, 0.99);
        self.loss = 1.0 - (1.0 - per_km).powf(self.dx / 1000.0);
    }

    /// Fluxes through the lower faces of the cells for a step of `dt` seconds.
    fn faces(&mut self, area: &[f64], uniform: &[Uniform], dt: f64, flux: &mut [f64]) {
        let mut above = None;
        for (i, ((&a, at), flux)) in area.iter().zip(uniform).zip(flux.iter_mut()).enumerate() {
            let before = above.replace(a);
            if at.celerity <= 0.0 {
                *flux = 0.0;
                continue;
            }
            let rise = before.map_or(0.0, |before| a - before);
            // The last cell has no neighbour to bound its slope, and a slope drawn out from above would let more leave
            // than ever came.
            let slope = area.get(i + 1).map_or(0.0, |below| van_leer(rise, below - a));
            let free = 1.0 - at.celerity * dt / self.dx;
            // 2·D/(c·Δx·(1 − Cr)) with D = Q/(2·T·S).
            let diffusive = at.discharge / (at.top * self.channel.slope * at.celerity * self.dx * free);
            let share = (1.0 - diffusive).max(0.0) * free;
            *flux = (at.discharge + 0.5 * at.celerity * share * slope.clamp(-a, a)).max(0.0);
        }
        self.outflow = flux.last().copied().unwrap_or(0.0) * (1.0 - self.loss);
    }
}

/// Harmonic mean of two slopes, zero where they disagree in sign.
fn van_leer(left: f64, right: f64) -> f64 {
    let product = left * right;
    if product > 0.0 { 2.0 * product / (left + right) } else { 0.0 }
}
