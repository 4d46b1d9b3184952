//! Lanes of lines on a common time axis.

use jiff::tz::TimeZone;

use super::Pen;
use super::axis::{self, Scale, Spacing};
use super::svg::{Drawing, Path, Svg, text_width};
use super::thin::thin;

pub use super::lane::{Heading, Lane, Line, Range, Shape, Tick};

/// Left of the lanes, for the values; and right of them.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 10.0;
/// Height of a heading above a lane, and of the time axis.
const HEADING: f64 = 19.0;
const AXIS: f64 = 20.0;
/// Height of a legend that needs a line of its own, and of a small heading.
const LEGEND: f64 = 14.0;
const SMALL: f64 = 16.0;

/// Lanes on one time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Name of its file; letters, digits and hyphens.
    pub name: String,
    /// What it shows.
    pub label: String,
    /// Width of the whole.
    pub width: f64,
    /// Begin and end, s since 1970.
    pub time: (f64, f64),
    /// Zone of the site.
    pub zone: TimeZone,
    /// Until here nothing is scored.
    pub scored_from: Option<f64>,
    /// Parts of the time axis a line is thinned to.
    pub parts: usize,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
}

impl Chart {
    /// Draws it.
    pub fn draw(&self) -> Drawing {
        let mut svg = Svg::new(self.width);
        let x = Scale::linear(self.time, (LEFT, self.width - RIGHT));
        let mut top = 0.0;
        for (at, lane) in self.lanes.iter().enumerate() {
            match lane.heading {
                Heading::Above => {
                    let two = if legend_fits(lane, self.width) { 0.0 } else { LEGEND };
                    top += HEADING + two;
                    heading(&mut svg, lane, top - 6.0, two);
                }
                Heading::Small => {
                    top += SMALL;
                    let unit = if lane.unit.is_empty() { String::new() } else { format!(", {}", lane.unit) };
                    svg.text(x.begin, top - 4.0, "s b", &lane.en);
                    let zh = x.begin + text_width(&lane.en, 10.5) + 10.0;
                    svg.text(zh, top - 4.0, "s", &format!("{}{unit}", lane.zh));
                }
            }
            self.lane(&mut svg, lane, at, &x, top);
            top += lane.height;
        }
        for tick in axis::time_ticks(self.time.0, self.time.1, &self.zone, 12) {
            axis::time_label(&mut svg, &x, &tick, top + 13.0);
        }
        svg.finish(&self.name, &self.label, top + AXIS)
    }

    fn lane(&self, svg: &mut Svg, lane: &Lane, number: usize, x: &Scale, top: f64) {
        let bottom = top + lane.height;
        if lane.height <= 0.0 {
            return;
        }
        svg.rect((x.begin, top), (x.end - x.begin, lane.height), "ground");
        if let Some(from) = self.scored_from {
            svg.rect((x.begin, top), (x.at(from) - x.begin, lane.height), "away");
        }
        for tick in axis::time_ticks(self.time.0, self.time.1, &self.zone, 12) {
            svg.line((x.at(tick.at), top), (x.at(tick.at), bottom), "grid");
        }
        if lane.lines.is_empty() {
            happenings(svg, lane, x, top);
            svg.rect((x.begin, top), (x.end - x.begin, lane.height), "frame");
            return;
        }
        let y = lane.scale(top);
        let (values, decimals) = y.ticks(if lane.height < 60.0 { 2 } else { 5 });
        let mut labelled = f64::INFINITY;
        for value in values {
            let at = y.at(value);
            svg.line((x.begin, at), (x.end, at), "grid");
            if labelled - at >= 11.0 {
                let decimals =
                    if y.spacing == Spacing::Logarithmic { axis::decimals(value) } else { decimals };
                svg.text(x.begin - 5.0, at + 3.5, "s e", &format!("{value:.decimals$}"));
                labelled = at;
            }
        }
        let clip = format!("{}-{number}", self.name);
        let frame = [(x.begin, top), (x.end, top), (x.end, bottom), (x.begin, bottom)];
        svg.clip(&clip, &closed(&frame));
        for (value, label) in lane.limits.iter().filter(|(value, _)| (y.low..=y.high).contains(value)) {
            svg.line((x.begin, y.at(*value)), (x.end, y.at(*value)), "limit");
            // Above its line where there is room, else below.
            let at = y.at(*value);
            let at = if at - 12.0 < top { at + 11.0 } else { at - 3.0 };
            svg.text(x.end - 4.0, at, "s e halo", label);
        }
        if lane.shortage {
            self.shortage(svg, lane, &clip, x, &y);
        }
        for line in &lane.lines {
            svg.path(&self.curve(line, x, &y), line.pen.class(), Some(&clip));
        }
        for (bad, length, class) in [(false, 5.0, "tick"), (true, 9.0, "tick bad")] {
            let mut path = Path::default();
            let mut before = f64::NEG_INFINITY;
            for at in lane.ticks.iter().filter(|tick| tick.bad == bad).map(|tick| x.at(tick.at)) {
                // Two within half a px look like one.
                if at - before >= 0.5 {
                    path.through(&[(at, bottom), (at, bottom - length)]);
                    before = at;
                }
            }
            svg.path(&path.into_d(), class, None);
        }
        svg.rect((x.begin, top), (x.end - x.begin, lane.height), "frame");
    }

    /// Lines of a sampled line in px.
    fn pixels(&self, line: &Line, x: &Scale, y: &Scale) -> Vec<Vec<(f64, f64)>> {
        let lines = thin(line.samples.iter().copied(), self.time.0, self.time.1, self.parts);
        let place = |points: Vec<(f64, f64)>| match line.shape {
            Shape::Straight => points.into_iter().map(|(at, value)| (x.at(at), y.at(value))).collect(),
            Shape::Steps => {
                let mut stairs: Vec<(f64, f64)> = Vec::with_capacity(2 * points.len());
                for (at, value) in points {
                    let corner = (x.at(at), y.at(value));
                    if let Some((_, before)) = stairs.last().copied() {
                        stairs.push((corner.0, before));
                    }
                    stairs.push(corner);
                }
                stairs
            }
        };
        lines.into_iter().map(place).map(straightened).collect()
    }

    fn curve(&self, line: &Line, x: &Scale, y: &Scale) -> String {
        let mut path = Path::default();
        for points in self.pixels(line, x, y) {
            path.through(&points);
        }
        path.into_d()
    }

    /// Paints the true flow's side of the floor: the area between both, seen only below the floor.
    fn shortage(&self, svg: &mut Svg, lane: &Lane, clip: &str, x: &Scale, y: &Scale) {
        let of = |pen: Pen| lane.lines.iter().find(|line| line.pen == pen);
        let (Some(flow), Some(floor)) = (of(Pen::True), of(Pen::Floor)) else { return };
        let mut below = Path::default();
        for points in self.pixels(floor, x, y) {
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            below.through(&points);
            below.line_to(last.0, y.begin);
            below.line_to(first.0, y.begin);
            below.close();
        }
        let name = format!("{clip}-below");
        svg.clip(&name, &below.into_d());
        let top = y.end;
        let mut area = Path::default();
        for points in self.pixels(flow, x, y) {
            // Only where it matters: the rest would be clipped away.
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            area.through(&points);
            area.line_to(last.0, top);
            area.line_to(first.0, top);
            area.close();
        }
        svg.path(&area.into_d(), "short", Some(&name));
    }
}

fn closed(points: &[(f64, f64)]) -> String {
    let mut path = Path::default();
    path.through(points);
    path.close();
    path.into_d()
}

/// Without the points in the middle of a level or plumb stretch.
fn straightened(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    let same = |a: f64, b: f64| (a - b).abs() < 0.05;
    for point in points {
        if let [.., a, b] = kept.as_mut_slice() {
            let level = same(a.1, b.1) && same(b.1, point.1);
            let onward = (b.0 - a.0) * (point.0 - b.0) >= 0.0;
            let plumb = same(a.0, b.0) && same(b.0, point.0) && (b.1 - a.1) * (point.1 - b.1) >= 0.0;
            if (level && onward) || plumb {
                *b = point;
                continue;
            }
        }
        kept.push(point);
    }
    kept
}

/// Lines with a label and a value.
fn named(lane: &Lane) -> impl DoubleEndedIterator<Item = &Line> {
    lane.lines.iter().filter(|line| !line.label.is_empty() && line.samples.iter().any(|(_, y)| y.is_some()))
}

/// Name in both languages with the unit, and where the second part begins.
fn title(lane: &Lane) -> (f64, String) {
    let unit = if lane.unit.is_empty() { String::new() } else { format!(", {}", lane.unit) };
    (text_width(&lane.en, 12.0) + 12.0, format!("{}{unit}", lane.zh))
}

fn legend_fits(lane: &Lane, width: f64) -> bool {
    let (begin, rest) = title(lane);
    let legend: f64 = named(lane).map(|line| text_width(&line.label, 10.0) + 40.0).sum();
    begin + text_width(&rest, 10.0) + legend + 20.0 <= width - RIGHT
}

/// Name and legend; the legend on its own line, so much lower, when `below` is not zero.
fn heading(svg: &mut Svg, lane: &Lane, y: f64, below: f64) {
    let (begin, rest) = title(lane);
    svg.text(0.0, y - below, "h", &lane.en);
    svg.text(begin, y - below, "s", &rest);
    let mut x = svg.width() - RIGHT;
    for line in named(lane).rev() {
        x -= text_width(&line.label, 10.0);
        svg.text(x, y, "s", &line.label);
        svg.line((x - 28.0, y - 3.5), (x - 5.0, y - 3.5), line.pen.class());
        x -= 40.0;
    }
}

/// What happened, as diamonds with words, in as many rows as have room.
fn happenings(svg: &mut Svg, lane: &Lane, x: &Scale, top: f64) {
    const ROW: f64 = 14.0;
    let mut ends: Vec<f64> = Vec::new();
    for (at, words) in &lane.events {
        let here = x.at(*at);
        let width = text_width(words, 10.0) + 16.0;
        let left = here + width > x.end;
        let (begin, end) = if left { (here - width, here + 6.0) } else { (here - 6.0, here + width) };
        let row = ends.iter().position(|taken| *taken <= begin).unwrap_or(ends.len());
        let Some(y) = rows(row, lane.height, ROW).map(|y| top + y) else { continue };
        match ends.get_mut(row) {
            Some(taken) => *taken = end,
            None => ends.push(end),
        }
        let diamond = [(here - 4.0, y), (here, y - 4.0), (here + 4.0, y), (here, y + 4.0)];
        svg.path(&closed(&diamond), "mark", None);
        if left {
            svg.text(here - 7.0, y + 3.5, "s e", words);
        } else {
            svg.text(here + 7.0, y + 3.5, "s", words);
        }
    }
}

/// Middle of a row within a lane, if it has that many.
fn rows(row: usize, height: f64, each: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let y = (row as f64 + 0.6) * each;
    (y + 4.0 <= height).then_some(y)
}

#[cfg(test)]
mod tests {
    use super::super::thin::Sample;
    use super::*;

    fn chart(samples: Vec<Sample>, shape: Shape) -> Chart {
        let mut lane = Lane::new("Flow", "流量", "m³/s", 100.0, Range::Values(1.0));
        lane.lines.push(Line { label: "true".into(), pen: Pen::True, shape, samples });
        Chart {
            name: "flow".into(),
            label: "flow".into(),
            width: 860.0,
            time: (0.0, 800.0),
            zone: TimeZone::UTC,
            scored_from: None,
            parts: 800,
            lanes: vec![lane],
        }
    }

    /// The path of the one line: how often it starts anew.
    fn starts(drawing: &Drawing) -> usize {
        let file = drawing.file();
        let path = file.split("<path d=\"").find(|part| part.contains("class=\"l true\" clip")).unwrap();
        path.split('"').next().unwrap().matches('M').count()
    }

    #[test]
    fn missing_samples_leave_a_gap() {
        let at = |n: i32| f64::from(n) * 10.0;
        let whole = (0..80).map(|n| (at(n), Some(f64::from(n % 7)))).collect::<Vec<_>>();
        let mut torn = whole.clone();
        torn[40].1 = None;
        for shape in [Shape::Straight, Shape::Steps] {
            assert_eq!(starts(&chart(whole.clone(), shape).draw()), 1);
            assert_eq!(starts(&chart(torn.clone(), shape).draw()), 2);
        }
    }

    #[test]
    fn a_level_stretch_keeps_its_ends_only() {
        let points = vec![(0.0, 5.0), (1.0, 5.0), (2.0, 5.0), (2.0, 7.0), (2.0, 6.0), (3.0, 6.0)];
        assert_eq!(straightened(points), [(0.0, 5.0), (2.0, 5.0), (2.0, 7.0), (2.0, 6.0), (3.0, 6.0)]);
    }

    /// A wave of 12 m³/s over a floor of 1.5 needs ratios, or the floor would be a line at the bottom.
    #[test]
    fn floods_are_drawn_by_ratio() {
        let lane = |high: f64| {
            let mut lane = Lane::new("", "", "", 100.0, Range::Flows);
            let samples = vec![(0.0, Some(1.5)), (1.0, Some(high))];
            lane.lines.push(Line { label: String::new(), pen: Pen::True, shape: Shape::Straight, samples });
            lane.scale(0.0).spacing
        };
        assert_eq!((lane(12.0), lane(4.0)), (Spacing::Logarithmic, Spacing::Linear));
    }
}
