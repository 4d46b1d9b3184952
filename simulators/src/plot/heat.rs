//! The space–time picture: distance along a river over time, shaded by flow.
//!
//! Flows fall into classes whose shades grow darker with the flow, so that the picture reads in black and white; cells
//! of one class that follow each other in time become one rectangle.

use jiff::tz::TimeZone;

use super::axis::{self, Scale};
use super::svg::{Drawing, Path, Svg};

/// Shades there are.
const SHADES: usize = 12;
/// Columns at most: more could not be seen.
const COLUMNS: usize = 240;

const LEFT: f64 = 110.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 34.0;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Name of its file.
    pub name: String,
    /// Heading in English and Chinese.
    pub title: (String, String),
    /// Width of the whole.
    pub width: f64,
    /// Height of the picture proper.
    pub height: f64,
    /// Begin and end, s since 1970.
    pub time: (f64, f64),
    /// Zone of the site.
    pub zone: TimeZone,
    /// Distances of the rows, km, ascending.
    pub km: Vec<f64>,
    /// Places to name: km and name.
    pub places: Vec<(f64, String)>,
    /// By time, ascending: flows at `km`.
    pub flows: Vec<(f64, Vec<f64>)>,
}

/// Upper ends of the classes: round values between the least and the largest flow.
fn classes(flows: &[(f64, Vec<f64>)]) -> Vec<f64> {
    let mut all =
        flows.iter().flat_map(|(_, row)| row.iter().copied()).filter(|q| q.is_finite()).collect::<Vec<_>>();
    all.sort_by(f64::total_cmp);
    let (Some(least), Some(largest)) = (all.first(), all.last()) else { return Vec::new() };
    if *largest > 6.0 * least.max(0.05) && *largest > 5.0 {
        // By ratio, as floods are.
        let low = least.max(0.2);
        let growth = (largest / low).powf(1.0 / 11.0);
        let mut ends = (1..=11).map(|n| round(low * growth.powi(n))).collect::<Vec<_>>();
        ends.dedup();
        return ends;
    }
    let span = (largest - least).max(0.05);
    let steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0];
    let step = steps.into_iter().find(|step| span / step <= 11.0).unwrap_or(span / 11.0);
    let first = (least / step).floor() * step + step;
    (0..11_i32).map(|n| first + f64::from(n) * step).take_while(|end| *end < largest + step).collect()
}

/// Two digits.
fn round(q: f64) -> f64 {
    let power = 10_f64.powf(q.abs().max(1e-9).log10().floor() - 1.0);
    (q / power).round() * power
}

impl Heat {
    /// Draws it.
    pub fn draw(&self) -> Drawing {
        let mut svg = Svg::new(self.width);
        let ends = classes(&self.flows);
        self.legend(&mut svg, &ends);
        let x = Scale::linear(self.time, (LEFT, self.width - RIGHT));
        let farthest = self.km.last().copied().unwrap_or(1.0);
        let y = Scale::linear((0.0, farthest), (TOP, TOP + self.height));
        self.cells(&mut svg, &ends, &x, &y);
        for tick in axis::time_ticks(self.time.0, self.time.1, &self.zone, 12) {
            svg.line((x.at(tick.at), TOP), (x.at(tick.at), TOP + self.height), "now");
            axis::time_label(&mut svg, &x, &tick, TOP + self.height + 13.0);
        }
        let mut lowest = f64::NEG_INFINITY;
        let last = self.places.last().map_or(f64::INFINITY, |(km, _)| y.at(*km));
        for (km, name) in &self.places {
            let at = y.at(*km);
            svg.line((x.begin - 3.0, at), (x.begin, at), "tick");
            // The last one is the one that counts.
            if at - lowest >= 10.0 && (last - at >= 10.0 || at >= last) {
                svg.text(x.begin - 5.0, at + 3.5, "s e", &format!("{name}  {km:.0}"));
                lowest = at;
            }
        }
        svg.rect((x.begin, TOP), (x.end - x.begin, self.height), "frame");
        svg.finish(&self.name, &self.title.0, TOP + self.height + 20.0)
    }

    fn legend(&self, svg: &mut Svg, ends: &[f64]) {
        svg.text(0.0, 12.0, "h", &self.title.0);
        let zh = super::svg::text_width(&self.title.0, 12.0) + 12.0;
        svg.text(zh, 12.0, "s", &self.title.1);
        svg.text(0.0, TOP - 6.0, "s", "km");
        let mut x = LEFT;
        for class in 0..=ends.len() {
            svg.rect((x, TOP - 13.0), (14.0, 9.0), shade(class, ends.len()));
            x += 14.0;
            let end = ends.get(class).filter(|_| class % 2 == 0 || ends.len() < 7);
            if let Some(end) = end {
                let decimals = if *end < 10.0 { 2 } else { 0 };
                let label = format!("{end:.decimals$}");
                svg.text(x + 2.0, TOP - 5.0, "s", &label);
                x += super::svg::text_width(&label, 10.0) + 5.0;
            }
        }
        svg.text(x + 3.0, TOP - 5.0, "s", "m³/s");
    }

    /// Each row a band, each class one path of rectangles.
    fn cells(&self, svg: &mut Svg, ends: &[f64], x: &Scale, y: &Scale) {
        let columns = self.columns();
        let mut paths: Vec<Path> = (0..=ends.len()).map(|_| Path::default()).collect();
        let middles = |at: usize| Some((self.km.get(at)? + self.km.get(at + 1)?) / 2.0);
        for (row, km) in self.km.iter().enumerate() {
            let above = row.checked_sub(1).and_then(middles).unwrap_or(0.0);
            let (above, below) = (y.at(above), y.at(middles(row).unwrap_or(*km)));
            let class = |flow: f64| ends.partition_point(|end| *end <= flow);
            let mut from = 0;
            while let Some((begin, flows)) = columns.get(from) {
                let here = flows.get(row).copied().flatten().map(class);
                let run = columns.iter().skip(from);
                let run =
                    run.take_while(|(_, flows)| flows.get(row).copied().flatten().map(class) == here).count();
                let to = from + run.max(1);
                let end = columns.get(to).map_or(self.time.1, |(at, _)| *at);
                if let Some(path) = here.and_then(|class| paths.get_mut(class)) {
                    let (left, right) = (x.at(*begin), x.at(end));
                    // A hair over the edge, or the seams would show as white lines.
                    path.through(&[
                        (left, above),
                        (right + 0.2, above),
                        (right + 0.2, below + 0.2),
                        (left, below + 0.2),
                    ]);
                    path.close();
                }
                from = to;
            }
        }
        for (class, path) in paths.into_iter().enumerate() {
            svg.path(&path.into_d(), shade(class, ends.len()), None);
        }
    }

    /// Equal parts of the time, each with the largest flows in it: a wave is not lost.
    fn columns(&self) -> Vec<(f64, Vec<Option<f64>>)> {
        let count = self.flows.len().clamp(1, COLUMNS);
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let per = (self.time.1 - self.time.0) / count as f64;
        let mut rest = self.flows.iter().peekable();
        (0..count)
            .map(|at| {
                #[expect(clippy::cast_precision_loss, reason = "some hundred")]
                let begin = self.time.0 + at as f64 * per;
                let mut most = vec![None; self.km.len()];
                while let Some((_, flows)) = rest.next_if(|(at, _)| *at < begin + per) {
                    for (most, flow) in most.iter_mut().zip(flows) {
                        *most = Some(most.map_or(*flow, |most: f64| most.max(*flow)));
                    }
                }
                (begin, most)
            })
            .collect()
    }
}

/// Class of the shade of a class of `of + 1`: light to dark over the whole range of shades.
fn shade(class: usize, of: usize) -> &'static str {
    const NAMES: [&str; SHADES] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11"];
    let at = if of < SHADES - 1 { class * 9 / of.max(1) } else { class };
    NAMES.get(at.min(SHADES - 1)).copied().unwrap_or("q0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_round_ends() {
        let flows = vec![(0.0, vec![1.02, 2.51])];
        assert_eq!(classes(&flows).first().map(|end| (end * 100.0).round()), Some(120.0));
        let flood = classes(&[(0.0, vec![1.5, 150.0])]);
        assert_eq!((flood.len(), flood.last().copied()), (11, Some(150.0)));
    }

    /// Four moments of one place in two classes are three rectangles: low, high, low.
    #[test]
    fn what_stays_in_its_class_is_one_rectangle() {
        let q = [1.0, 1.0, 3.0, 1.0];
        let flows = q.iter().zip([0.0, 10.0, 20.0, 30.0]).map(|(q, at)| (at, vec![*q])).collect();
        let heat = Heat {
            name: "transit".into(),
            title: ("Flow".into(), "流量".into()),
            width: 800.0,
            height: 100.0,
            time: (0.0, 40.0),
            zone: TimeZone::UTC,
            km: vec![0.0],
            places: Vec::new(),
            flows,
        };
        let file = heat.draw().file();
        let rectangles: usize = file
            .split("<path d=\"")
            .filter(|part| part.contains("class=\"q"))
            .map(|part| part.split('"').next().unwrap_or_default().matches('z').count())
            .sum();
        assert_eq!(rectangles, 3);
    }
}
