//! Changes of depth over a network that falls together like a tree, solved exactly in two passes.
//!
//! A row, with a the rows above it and b the one below: room·Δh = Σ keeps·(F + G·(Δhₐ − Δh))·dt − (F + G·(Δh − Δhᵦ))·dt + source.
//! Every row has one below it, and rows are handed over from the springs down; eliminating in that order makes no new
//! entries (Hines 1984, Int. J. Bio-Medical Computing 15). The diagonal outweighs its row, so that nothing is divided by
//! less than the room of a cell.

use super::Pool;

/// The system of one step. Cells first, then the pools.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    cells: usize,
    /// Row below, in the order of `sequence`.
    below: Vec<Option<usize>>,
    /// Diagonal, m² (m³ per m), and right side, m³.
    diagonal: Vec<f64>,
    right: Vec<f64>,
    /// G of the lower face, m²/s, and G·dt, m².
    gain: Vec<f64>,
    link: Vec<f64>,
    /// Share of what passes the lower face that arrives below.
    keeps: Vec<f64>,
    /// Cells from the springs down.
    sequence: Vec<usize>,
    /// Change of depth, m.
    change: Vec<f64>,
}

impl Tree {
    pub(super) fn new(cells: usize, pools: usize) -> Self {
        let rows = cells + pools;
        Self {
            cells,
            below: vec![None; cells],
            diagonal: vec![0.0; rows],
            right: vec![0.0; rows],
            gain: vec![0.0; cells],
            link: vec![0.0; cells],
            keeps: vec![1.0; cells],
            sequence: Vec::with_capacity(cells),
            change: vec![0.0; rows],
        }
    }

    /// Row of a pool.
    pub(super) fn pool(&self, body: usize) -> usize {
        self.cells + body
    }

    pub(super) fn begin(&mut self, pools: &[Pool], dt: f64) {
        self.sequence.clear();
        self.right.fill(0.0);
        for (body, row) in (self.cells..self.diagonal.len()).enumerate() {
            let pool = pools.get(body).copied().unwrap_or_default();
            self.diagonal[row] = pool.area.max(1.0);
            self.right[row] = -pool.drawn * dt;
        }
    }

    /// Surface of a cell, m², and what joins it from the side, m³.
    pub(super) fn room(&mut self, cell: usize, surface: f64, joins: f64) {
        self.diagonal[cell] = surface;
        self.right[cell] += joins;
    }

    /// What enters a cell beside its faces and sides, m³.
    pub(super) fn source(&mut self, cell: usize, enters: f64) {
        self.right[cell] += enters;
    }

    /// The lower face of a cell, after all faces above it.
    pub(super) fn face(
        &mut self,
        cell: usize,
        below: Option<usize>,
        flux: f64,
        gain: f64,
        keeps: f64,
        dt: f64,
    ) {
        let link = gain * dt;
        self.right[cell] -= flux * dt;
        self.diagonal[cell] += link;
        if let Some(below) = below {
            self.right[below] += keeps * flux * dt;
            self.diagonal[below] += keeps * link;
        }
        (self.below[cell], self.gain[cell], self.link[cell], self.keeps[cell]) = (below, gain, link, keeps);
        self.sequence.push(cell);
    }

    pub(super) fn solve(&mut self) {
        for cell in &self.sequence {
            if let Some(below) = self.below[*cell] {
                let carried = self.keeps[*cell] * self.link[*cell] / self.diagonal[*cell];
                self.right[below] += carried * self.right[*cell];
                self.diagonal[below] -= carried * self.link[*cell];
            }
        }
        for row in self.cells..self.diagonal.len() {
            self.change[row] = self.right[row] / self.diagonal[row];
        }
        for cell in self.sequence.iter().rev() {
            let from_below = self.below[*cell].map_or(0.0, |below| self.link[*cell] * self.change[below]);
            self.change[*cell] = (self.right[*cell] + from_below) / self.diagonal[*cell];
        }
    }

    /// By how much the flux over the lower face of a cell changes, m³/s.
    pub(super) fn change(&self, cell: usize) -> f64 {
        self.below[cell].map_or(0.0, |below| self.gain[cell] * (self.change[cell] - self.change[below]))
    }
}
