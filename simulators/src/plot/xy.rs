//! Values over a value: what a sweep shows.

use super::Pen;
use super::axis::{self, Scale};
use super::svg::{Drawing, Path, Svg, text_width};

const LEFT: f64 = 60.0;
const RIGHT: f64 = 14.0;

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// For the legend.
    pub label: String,
    /// Points, x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Curves over one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Xy {
    /// Name of its file.
    pub name: String,
    /// Heading, with the unit.
    pub title: String,
    /// Words of the lower axis.
    pub under: String,
    /// Names of places on the lower axis, when it has no numbers.
    pub names: Vec<(f64, String)>,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Size of the whole.
    pub size: (f64, f64),
}

impl Xy {
    /// Draws it.
    pub fn draw(&self) -> Drawing {
        let (width, height) = self.size;
        let mut svg = Svg::new(width);
        let (top, bottom) = (22.0, height - 34.0);
        let span = |of: fn(&(f64, f64)) -> f64| {
            let all = || self.curves.iter().flat_map(|curve| curve.points.iter().map(of));
            (all().reduce(f64::min).unwrap_or(0.0), all().reduce(f64::max).unwrap_or(1.0))
        };
        let ((left, right), (low, high)) = (span(|p| p.0), span(|p| p.1));
        let x = Scale::linear(axis::roomy(left, right, 1e-6), (LEFT, width - RIGHT));
        let y = Scale::linear(axis::roomy(low, high, (0.02 * high.abs()).max(0.01)), (bottom, top));
        svg.text(0.0, 12.0, "h", &self.title);
        svg.rect((LEFT, top), (x.end - LEFT, bottom - top), "ground");
        let (values, decimals) = y.ticks(5);
        for value in values {
            svg.line((LEFT, y.at(value)), (x.end, y.at(value)), "grid");
            svg.text(LEFT - 5.0, y.at(value) + 3.5, "s e", &format!("{value:.decimals$}"));
        }
        if self.names.is_empty() {
            let (values, decimals) = x.ticks(8);
            for value in values {
                svg.line((x.at(value), top), (x.at(value), bottom), "grid");
                svg.text(x.at(value), bottom + 13.0, "s m", &format!("{value:.decimals$}"));
            }
        }
        for (at, name) in &self.names {
            svg.line((x.at(*at), top), (x.at(*at), bottom), "grid");
            svg.text(x.at(*at), bottom + 13.0, "s m", name);
        }
        svg.text(f64::midpoint(LEFT, x.end), height - 6.0, "s m", &self.under);
        for (at, curve) in self.curves.iter().enumerate() {
            let points = curve.points.iter().map(|(a, b)| (x.at(*a), y.at(*b))).collect::<Vec<_>>();
            let mut path = Path::default();
            path.through(&points);
            svg.path(&path.into_d(), Pen::Nth(at).class(), None);
            for (x, y) in points {
                let mut dot = Path::default();
                dot.through(&[(x - 3.0, y), (x, y - 3.0), (x + 3.0, y), (x, y + 3.0)]);
                dot.close();
                svg.path(&dot.into_d(), "dot", None);
            }
        }
        let mut at = x.end;
        for (number, curve) in
            self.curves.iter().enumerate().rev().filter(|(_, curve)| !curve.label.is_empty())
        {
            at -= text_width(&curve.label, 10.0);
            svg.text(at, 12.0, "s", &curve.label);
            svg.line((at - 28.0, 8.5), (at - 5.0, 8.5), Pen::Nth(number).class());
            at -= 40.0;
        }
        svg.rect((LEFT, top), (x.end - LEFT, bottom - top), "frame");
        svg.finish(&self.name, &self.title, height)
    }
}
