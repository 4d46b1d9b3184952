//! The table as pictures: a line for each scenario, or for each wrong river, with a mark for each hand.

use super::{AS_CONFIGURED, Hand, Row};
use crate::plot::Drawing;
use crate::plot::axis::Scale;
use crate::plot::svg::{Path, Svg};
use crate::wrong::Wrong;

const WIDTH: f64 = 860.0;
const NAMES: f64 = 190.0;
const TOP: f64 = 48.0;
const LINE: f64 = 15.0;
/// Gap between the two panels.
const GAP: f64 = 34.0;
/// Beyond this, %, a mark stands at the edge.
const MOST_PCT: f64 = 60.0;

/// A line of the picture.
struct Line {
    name: String,
    /// Hand, water beyond the optimum or, without one, beyond the need, %; share of time below, %.
    marks: Vec<(Hand, Option<f64>, f64)>,
}

/// What there is to be drawn.
pub(super) fn all(rows: &[Row]) -> Vec<Drawing> {
    let mut drawings = Vec::new();
    let of = |row: &Row| (row.by, row.excess_pct.or(row.above_need_pct), row.below_pct);
    let mut base: Vec<Line> = Vec::new();
    for row in rows.iter().filter(|row| row.river == AS_CONFIGURED) {
        match base.iter_mut().find(|line| line.name == row.scenario) {
            Some(line) => line.marks.push(of(row)),
            None => base.push(Line { name: row.scenario.clone(), marks: vec![of(row)] }),
        }
    }
    if !base.is_empty() {
        drawings.push(draw("scenarios", "Water and floors by scenario", &base));
    }
    let wrong = Wrong::ALL.iter().map(|wrong| Line {
        name: wrong.name().into(),
        marks: rows.iter().filter(|row| row.river == wrong.name()).map(of).collect(),
    });
    let wrong = wrong.filter(|line| !line.marks.is_empty()).collect::<Vec<_>>();
    if !wrong.is_empty() {
        drawings.push(draw("wrong", "Water and floors where the model is wrong", &wrong));
    }
    drawings
}

fn draw(name: &str, title: &str, lines: &[Line]) -> Drawing {
    let mut svg = Svg::new(WIDTH);
    #[expect(clippy::cast_precision_loss, reason = "some dozen lines")]
    let bottom = TOP + LINE * lines.len() as f64;
    let middle = NAMES + 0.62 * (WIDTH - NAMES);
    let water = Scale::linear((-10.0, MOST_PCT), (NAMES, middle));
    let below = Scale::linear((0.0, 3.0), (middle + GAP, WIDTH - 14.0));
    svg.text(0.0, 12.0, "h", title);
    svg.text(NAMES, 38.0, "s", "released beyond the optimum (or the need), % 多放水");
    svg.text(middle + GAP, 38.0, "s", "of the time below a floor, % 欠流");
    for (at, hand) in Hand::ALL.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "three hands")]
        let x = WIDTH - 280.0 + 95.0 * at as f64;
        mark(&mut svg, *hand, (x, 8.0));
        svg.text(x + 8.0, 12.0, "s", hand.name());
    }
    for (scale, limit) in [(&water, 15.0), (&below, 1.0)] {
        svg.rect((scale.begin, TOP), (scale.end - scale.begin, bottom - TOP), "ground");
        let (values, decimals) = scale.ticks(7);
        for value in values {
            svg.line((scale.at(value), TOP), (scale.at(value), bottom), "grid");
            svg.text(scale.at(value), bottom + 13.0, "s m", &format!("{value:.decimals$}"));
        }
        svg.line((scale.at(limit), TOP), (scale.at(limit), bottom), "limit");
        svg.rect((scale.begin, TOP), (scale.end - scale.begin, bottom - TOP), "frame");
    }
    for (at, line) in lines.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "some dozen lines")]
        let y = TOP + LINE * (at as f64 + 0.5);
        svg.text(NAMES - 6.0, y + 3.5, "s e", &line.name);
        for (hand, excess, share) in &line.marks {
            if let Some(excess) = excess {
                mark(&mut svg, *hand, (water.at(excess.clamp(-10.0, MOST_PCT)), y));
            }
            if *share > 0.0 {
                mark(&mut svg, *hand, (below.at(share.min(3.0)), y));
            }
        }
    }
    svg.finish(name, title, bottom + 22.0)
}

/// A mark of its own shape for each hand.
fn mark(svg: &mut Svg, hand: Hand, (x, y): (f64, f64)) {
    let mut path = Path::default();
    let class = match hand {
        Hand::Rule => {
            path.through(&[(x - 4.0, y), (x, y - 4.0), (x + 4.0, y), (x, y + 4.0)]);
            path.close();
            "dot"
        }
        Hand::Plan => {
            path.through(&[(x - 3.5, y - 3.5), (x + 3.5, y - 3.5), (x + 3.5, y + 3.5), (x - 3.5, y + 3.5)]);
            path.close();
            "l n1"
        }
        Hand::Constant => {
            path.through(&[(x, y - 5.0), (x, y + 5.0)]);
            "tick bad"
        }
    };
    svg.path(&path.into_d(), class, None);
}
