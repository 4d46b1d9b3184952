//! Reservoirs, ponds and wetlands: volume is the state, level follows from it.

use qindan::basin::{ReachId, Reservoir, Wetland};

use super::site::Site;

/// Seconds of a mean year.
const YEAR_S: f64 = 365.2425 * 86_400.0;
/// Length of dam crest that water runs over once a body is fuller than its table, m. Assumed.
const DAM_CREST_M: f64 = 50.0;
/// Width of an open side inlet of a wetland, m. Assumed.
const SIDE_INLET_M: f64 = 3.0;
/// Coefficient of broad crests, m^0.5/s.
const CREST: f64 = 1.7;

/// A level–volume table, straight between its rows and extended by its end slopes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    rows: Vec<(f64, f64)>,
}

impl Curve {
    fn new(reservoir: &Reservoir) -> Self {
        Self { rows: reservoir.curve.iter().map(|row| (row.level.get(), row.volume.get())).collect() }
    }

    fn segment(&self, upper: usize) -> ((f64, f64), (f64, f64)) {
        let upper = upper.clamp(1, self.rows.len() - 1);
        (self.rows[upper - 1], self.rows[upper])
    }

    /// Level at a volume, m, and the area there, m².
    pub(crate) fn level(&self, volume: f64) -> (f64, f64) {
        let ((l0, v0), (l1, v1)) = self.segment(self.rows.partition_point(|row| row.1 < volume));
        let area = (v1 - v0) / (l1 - l0);
        (l0 + (volume - v0) / area, area)
    }

    /// Volume at a level, m³, never negative.
    pub(crate) fn volume(&self, level: f64) -> f64 {
        let ((l0, v0), (l1, v1)) = self.segment(self.rows.partition_point(|row| row.0 < level));
        (v0 + (v1 - v0) * (level - l0) / (l1 - l0)).max(0.0)
    }

    /// Highest row, m.
    pub(crate) fn top(&self) -> f64 {
        self.rows[self.rows.len() - 1].0
    }

    /// Lowest row, m.
    pub(crate) fn bottom(&self) -> f64 {
        self.rows[0].0
    }
}

/// What draws on a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlet {
    Gate(usize),
    Fixed(usize),
}

/// A reservoir or pond.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) curve: Curve,
    /// Stored, m³.
    pub(crate) volume: f64,
    /// Level, m, and area, m², at that volume.
    pub(crate) level: f64,
    pub(crate) area: f64,
    /// On its way in during the step, m³.
    pub(crate) arriving: f64,
    /// Came in during the last step, m³/s.
    pub(crate) inflow: f64,
    /// Net evaporation, m/s.
    pub(crate) evaporation: f64,
    /// Seepage, m³/s, and where it comes back.
    pub(crate) seepage: f64,
    pub(crate) seepage_to: Option<Site>,
    /// Level at which it ends and the rivers that feed it begin, m.
    pub(crate) tail: f64,
    /// Rivers that feed it.
    pub(crate) mouths: Vec<ReachId>,
    /// What draws on it.
    pub(crate) outlets: Vec<Outlet>,
    /// Where water over the dam goes.
    pub(crate) spills_to: Site,
    /// Its level answers within minutes: outflows are taken at the end of the step.
    pub(crate) quick: bool,
}

impl Body {
    pub(crate) fn new(reservoir: &Reservoir, quick: bool) -> Self {
        let curve = Curve::new(reservoir);
        let mut body = Self {
            curve,
            volume: 0.0,
            level: 0.0,
            area: 0.0,
            arriving: 0.0,
            inflow: 0.0,
            evaporation: reservoir.net_evaporation_mm / 1000.0 / YEAR_S,
            seepage: reservoir.seepage.get(),
            seepage_to: None,
            tail: reservoir.normal_level.unwrap_or(reservoir.initial_level).get(),
            mouths: Vec::new(),
            outlets: Vec::new(),
            spills_to: Site::Outside,
            quick,
        };
        body.set_level(reservoir.initial_level.get());
        body
    }

    pub(crate) fn set_level(&mut self, level: f64) {
        self.volume = self.curve.volume(level);
        self.look();
    }

    /// Level and area at the present volume.
    pub(crate) fn look(&mut self) {
        (self.level, self.area) = self.curve.level(self.volume);
    }

    /// Takes up to `wanted` m³ out.
    pub(crate) fn take(&mut self, wanted: f64) -> f64 {
        let got = wanted.clamp(0.0, self.volume);
        self.volume -= got;
        got
    }

    /// Flow over the dam at `level`, m³/s.
    pub(crate) fn over_the_dam(&self, level: f64) -> f64 {
        let head = (level - self.curve.top()).max(0.0);
        CREST * DAM_CREST_M * head * head.sqrt()
    }
}

/// A wetland: a basin with vertical banks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marsh {
    floor: f64,
    area: f64,
    /// Stored, m³.
    pub(crate) volume: f64,
    pub(crate) arriving: f64,
    /// Came in during the last step, m³/s.
    pub(crate) inflow: f64,
    /// Consumption, m³/s.
    pub(crate) consumption: f64,
    /// Crest of its outlet, and the flow that stands `rated_head` above it.
    crest: f64,
    rated: f64,
    rated_head: f64,
    /// Highest wanted level.
    high: f64,
    pub(crate) returns_to: Site,
    /// Source of an open side inlet, and the river depth it begins to run at.
    pub(crate) side_inlet: Option<(Site, f64)>,
}

impl Marsh {
    /// The outlet weir keeps the target level at the design flow, with its crest half-way to the lowest wanted level; a
    /// wetland that returns nothing only spills above its highest wanted level. Both assumed.
    pub(crate) fn new(wetland: &Wetland, returns_to: Option<Site>) -> Self {
        let [low, target, high] = wetland.level_band.map(qindan::units::Stage::get);
        let floor = wetland.floor_level.get();
        let (crest, rated_head) = match returns_to {
            Some(_) => (f64::midpoint(low, target), (0.5 * (target - low)).max(0.02)),
            None => (high, 0.1),
        };
        Self {
            floor,
            area: wetland.area_m2,
            volume: ((target - floor) * wetland.area_m2).max(0.0),
            arriving: 0.0,
            inflow: 0.0,
            consumption: wetland.consumption_mm_d / 1000.0 / 86_400.0 * wetland.area_m2,
            crest,
            rated: wetland.design.get(),
            rated_head,
            high,
            returns_to: returns_to.unwrap_or(Site::Outside),
            side_inlet: None,
        }
    }

    /// Level, m.
    pub(crate) fn level(&self) -> f64 {
        self.floor + self.volume / self.area
    }

    /// Flow over its outlet, m³/s.
    pub(crate) fn outflow(&self) -> f64 {
        let share = ((self.level() - self.crest) / self.rated_head).max(0.0);
        self.rated * share * share.sqrt()
    }

    /// Fills it to where its outlet passes what comes and is not used. One without an outlet stays as it is.
    pub(crate) fn settle(&mut self) {
        if self.returns_to == Site::Outside {
            return;
        }
        let share = (self.inflow - self.consumption).max(0.0) / self.rated;
        let level = self.crest + self.rated_head * share.cbrt() * share.cbrt();
        self.volume = ((level - self.floor) * self.area).max(0.0);
    }

    /// What an open side inlet takes from a river of `depth` m, m³/s.
    pub(crate) fn side_inflow(&self, depth: f64) -> f64 {
        let Some((_, sill)) = self.side_inlet else { return 0.0 };
        let head = (depth - sill).max(0.0);
        if self.level() >= self.high { 0.0 } else { CREST * SIDE_INLET_M * head * head.sqrt() }
    }

    /// Takes up to `wanted` m³ out.
    pub(crate) fn take(&mut self, wanted: f64) -> f64 {
        let got = wanted.clamp(0.0, self.volume);
        self.volume -= got;
        got
    }
}
