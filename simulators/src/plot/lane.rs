//! What stands in a lane of a chart, and which values its axis has.

use super::Pen;
use super::axis::{self, Scale, Spacing};
use super::thin::Sample;

/// How values between two samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A straight line.
    Straight,
    /// The old value until the next sample.
    Steps,
}

/// A line of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// For the legend; empty for none.
    pub label: String,
    /// Its look.
    pub pen: Pen,
    /// Between samples.
    pub shape: Shape,
    /// s since 1970, and the value if there is one.
    pub samples: Vec<Sample>,
}

/// The values a lane shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// All values of its lines, at least this span.
    Values(f64),
    /// All flows of its lines; by ratio when the largest is above 5 and six times the least; no further down than a
    /// thousandth of it.
    Flows,
    /// Shares of a whole in %, at least ten of them.
    Percent,
}

/// A short stroke at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// s since 1970.
    pub at: f64,
    /// Drawn bold: what ended badly.
    pub bad: bool,
}

/// Where the name of a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// On a line of its own, with the legend.
    Above,
    /// Small and above it, without a legend.
    Small,
}

/// One lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// Unit of its values.
    pub unit: String,
    /// Height of the plot proper.
    pub height: f64,
    /// Where the name stands.
    pub heading: Heading,
    /// Its lines, later ones on top.
    pub lines: Vec<Line>,
    /// Values that are limits all the time, with their names.
    pub limits: Vec<(f64, String)>,
    /// Commands.
    pub ticks: Vec<Tick>,
    /// What happened, with its words.
    pub events: Vec<(f64, String)>,
    /// What it shows.
    pub range: Range,
    /// Paints what is missing between the true flow and the floor.
    pub shortage: bool,
}

impl Lane {
    /// A lane without lines.
    pub fn new(en: &str, zh: &str, unit: &str, height: f64, range: Range) -> Self {
        Self {
            en: en.into(),
            zh: zh.into(),
            unit: unit.into(),
            height,
            heading: Heading::Above,
            lines: Vec::new(),
            limits: Vec::new(),
            ticks: Vec::new(),
            events: Vec::new(),
            range,
            shortage: false,
        }
    }

    /// The values of its axis.
    pub(super) fn scale(&self, top: f64) -> Scale {
        let px = (top + self.height, top);
        // Meters may show anything: they widen the axis, but not beyond what the rest has twice.
        let span = |wanted: fn(Pen) -> bool| {
            let lines = self.lines.iter().filter(|line| wanted(line.pen));
            let values = lines.flat_map(|line| line.samples.iter().filter_map(|(_, y)| *y));
            values.fold(None, |span: Option<(f64, f64)>, y| {
                Some(span.map_or((y, y), |(low, high)| (low.min(y), high.max(y))))
            })
        };
        let others = span(|pen| pen != Pen::Seen);
        let (mut low, mut high) = others.or_else(|| span(|_| true)).unwrap_or((0.0, 1.0));
        if let (Some(seen), Some(_)) = (span(|pen| pen == Pen::Seen), others) {
            let room = (high - low).max(0.1 * high.abs());
            (low, high) = (low.min(seen.0.max(low - room)), high.max(seen.1.min(high + room)));
        }
        let (low, high) = match self.range {
            Range::Flows if low > 0.0 && high > 6.0 * low && high > 5.0 => {
                let scale = Scale::linear((0.9 * low.max(1e-3 * high), 1.15 * high), px);
                return Scale { spacing: Spacing::Logarithmic, ..scale };
            }
            Range::Flows => {
                let (bottom, top) = axis::roomy(low, high, (0.15 * high.abs()).max(0.05));
                (if low >= 0.0 { bottom.max(-0.02 * top) } else { bottom }, top)
            }
            Range::Values(least) => axis::roomy(low, high, least),
            Range::Percent => {
                let (bottom, top) = axis::roomy(low, high, 10.0);
                (bottom.max(-4.0), top.min(104.0))
            }
        };
        Scale::linear((low, high), px)
    }
}
