//! A path cut at the gauges it passes: what is lost or joins unseen is known by segment, and sooner.
//!
//! The first segment begins at the dam, each further one at a gauge of the river, the last ends at the section.

use super::routing::{self, Draw, Lateral, Path, Stretch};
use crate::basin::{Basin, MeterId, MeterKind, Place};

/// The river between two gauges.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The gauge it ends at.
    pub foot: MeterId,
    /// Stretches of the path below its foot.
    pub left: usize,
    /// Its own stretches.
    pub way: Vec<Stretch>,
    /// Share of what passes its head that arrives at its foot.
    pub gain: f64,
    /// Share of what passes its foot that arrives at the section.
    pub onward: f64,
    /// What joins within it, with the way to its foot.
    pub laterals: Vec<Lateral>,
    /// What is taken within it, with the way to its foot.
    pub draws: Vec<Draw>,
}

/// The segments of a path in flow direction; at least one, the last ending at the section.
pub fn of(basin: &Basin, path: &Path) -> Vec<Segment> {
    let section = basin.sections.get(path.section.0).map(|section| section.meter);
    let gauge = |node| {
        let here = |m: &crate::basin::Meter| m.kind == MeterKind::RiverFlow && m.at == Place::Node(node);
        basin.meters.iter().position(here).map(MeterId)
    };
    // A gauge beside which turbines lead the water of a pond round it does not see the river.
    let left_at = |node| path.nodes.iter().find(|(on_way, _)| *on_way == node).map(|(_, left)| *left);
    let bypassed = |left: usize| {
        basin.gates.iter().any(|gate| {
            let (Place::Reservoir(pond), Place::Node(to)) = (gate.from, gate.to) else { return false };
            let from = basin.reservoirs.get(pond.0).and_then(|pond| left_at(pond.at));
            from.zip(left_at(to)).is_some_and(|(from, to)| from >= left && left > to)
        })
    };
    let between =
        path.nodes.iter().filter(|(_, left)| *left > 0 && *left < path.way.len() && !bypassed(*left));
    let cuts = between.filter_map(|(node, left)| Some((gauge(*node)?, *left)));
    let mut above = path.way.len();
    let mut segments = Vec::new();
    for (foot, left) in cuts.chain(section.map(|meter| (meter, 0))) {
        segments.push(segment(basin, path, foot, (above, left)));
        above = left;
    }
    segments
}

/// The part of `path` from `above` stretches left to `left`; only the first one has what joins at its very head.
fn segment(basin: &Basin, path: &Path, foot: MeterId, (above, left): (usize, usize)) -> Segment {
    let all = path.way.len();
    let part = |way: &[Stretch]| way.get(..way.len().saturating_sub(left)).unwrap_or_default().to_vec();
    let within = |on_main: usize| on_main >= left && (on_main < above || above == all);
    let way = path.way.get(all - above..all - left).unwrap_or_default().to_vec();
    let joins = |l: &Lateral| l.passes(left) && (!l.passes(above) || above == all);
    let laterals = path.laterals.iter().filter(|l| joins(l)).map(|l| {
        let way = part(&l.way);
        Lateral { gain: routing::way_gain(basin, &way), way, ..l.clone() }
    });
    let draws = path.draws.iter().filter(|d| within(d.on_main)).map(|d| {
        let way = part(&d.way);
        Draw { gain: routing::way_gain(basin, &way), way, ..d.clone() }
    });
    Segment {
        foot,
        left,
        gain: routing::way_gain(basin, &way),
        onward: routing::way_gain(basin, path.way.get(all - left..).unwrap_or_default()),
        way,
        laterals: laterals.collect(),
        draws: draws.collect(),
    }
}
