//! Plots as SVG: hydrographs on a common time axis, a space–time picture, curves over a value.
//!
//! Written here and not with a plotting crate: `plotters` measures text with the fonts of the machine, so the same run
//! would give other files elsewhere, knows neither gaps nor step lines nor print styles, and repeats every style at
//! every element; crates that wrap a script library cannot draw without one. What is needed is lines, ticks and
//! labels, and those few are small: a month of a basin is some 200 KB.
//!
//! Three rules: what is missing stays a gap, what is thinned keeps its extremes, and no line is told apart by its
//! colour alone.

pub mod axis;
pub mod heat;
mod lane;
pub mod svg;
pub mod thin;
pub mod time;
pub mod xy;

pub use svg::Drawing;

/// Styles of all plots, inside an SVG file or once in a page around many.
pub const STYLE: &str = include_str!("plot.css");

/// How a line looks; each differs from the others in width, dash or shade too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pen {
    /// What really flowed.
    True,
    /// What a meter showed.
    Seen,
    /// A floor.
    Floor,
    /// A set point.
    SetPoint,
    /// What was wanted.
    Wanted,
    /// One of several lines of equal rank; counted from zero, the seventh looks like the first.
    Nth(usize),
}

impl Pen {
    /// Class of its lines.
    pub const fn class(self) -> &'static str {
        match self {
            Self::True => "l true",
            Self::Seen => "l seen",
            Self::Floor => "l floor",
            Self::SetPoint => "l setpoint",
            Self::Wanted => "l wanted",
            Self::Nth(at) => match at % 6 {
                0 => "l n0",
                1 => "l n1",
                2 => "l n2",
                3 => "l n3",
                4 => "l n4",
                _ => "l n5",
            },
        }
    }
}
