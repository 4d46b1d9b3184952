//! Fewer points for the same picture: no extreme is lost, no gap is closed, no point is made up.

/// A point of a line; `None` where there is no value.
pub type Sample = (f64, Option<f64>);

/// First, least, largest and last point of what fell into one bucket.
#[derive(Clone, Copy, Debug)]
struct Kept {
    points: [(usize, (f64, f64)); 4],
}

impl Kept {
    fn new(at: usize, point: (f64, f64)) -> Self {
        Self { points: [(at, point); 4] }
    }

    fn add(&mut self, at: usize, point: (f64, f64)) {
        let [_, least, largest, newest] = &mut self.points;
        if point.1 < least.1.1 {
            *least = (at, point);
        }
        if point.1 > largest.1.1 {
            *largest = (at, point);
        }
        *newest = (at, point);
    }

    fn put(mut self, into: &mut Vec<(f64, f64)>) {
        self.points.sort_by_key(|(at, _)| *at);
        let mut before = None;
        for (at, point) in self.points {
            if before != Some(at) {
                into.push(point);
            }
            before = Some(at);
        }
    }
}

/// The lines through `samples` (x ascending), with at most eight points in each of `buckets` equal parts of `from..=to`.
///
/// Each part keeps its first, least, largest and last value. A gap begins a new line; of several gaps within one part
/// the first does, and a part without any value always does.
pub fn thin(
    samples: impl IntoIterator<Item = Sample>,
    from: f64,
    to: f64,
    buckets: usize,
) -> Vec<Vec<(f64, f64)>> {
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let per = (to - from).max(f64::MIN_POSITIVE) / buckets.max(1) as f64;
    let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut line: Vec<(f64, f64)> = Vec::new();
    let mut kept: Option<Kept> = None;
    let mut bucket = f64::NEG_INFINITY;
    let mut broken_in = f64::NEG_INFINITY;
    for (at, (x, y)) in samples.into_iter().enumerate() {
        let here = ((x - from) / per).floor();
        if here > bucket {
            bucket = here;
            if let Some(kept) = kept.take() {
                kept.put(&mut line);
            }
        }
        match (y, &mut kept) {
            (Some(y), Some(kept)) => kept.add(at, (x, y)),
            (Some(y), None) => kept = Some(Kept::new(at, (x, y))),
            (None, _) if broken_in < here => {
                broken_in = here;
                if let Some(kept) = kept.take() {
                    kept.put(&mut line);
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
            }
            (None, _) => {}
        }
    }
    if let Some(kept) = kept {
        kept.put(&mut line);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series() -> impl Strategy<Value = Vec<Sample>> {
        let value = prop_oneof![9 => (-1e3..1e3_f64).prop_map(Some), 1 => Just(None)];
        proptest::collection::vec(value, 1..2000).prop_map(|values| {
            values
                .into_iter()
                .enumerate()
                .map(|(at, value)| (f64::from(u32::try_from(at).unwrap()), value))
                .collect()
        })
    }

    proptest! {
        /// Whatever the series, its least and its largest value are drawn, and nothing that was not in it.
        #[test]
        fn extremes_are_kept_and_nothing_is_made_up(series in series(), buckets in 1_usize..300) {
            let to = f64::from(u32::try_from(series.len()).unwrap());
            let lines = thin(series.clone(), 0.0, to, buckets);
            let drawn = lines.concat();
            prop_assert!(drawn.len() <= 8 * buckets);
            for point in &drawn {
                prop_assert!(series.contains(&(point.0, Some(point.1))));
            }
            let values = || series.iter().filter_map(|(_, y)| *y);
            let of = |pick: fn(f64, f64) -> f64| (values().reduce(pick), drawn.iter().map(|p| p.1).reduce(pick));
            let (least, drawn_least) = of(f64::min);
            let (largest, drawn_largest) = of(f64::max);
            prop_assert_eq!((least, largest), (drawn_least, drawn_largest));
        }

        /// No line crosses a part of the axis in which there is no value at all.
        #[test]
        fn a_gap_of_a_part_or_more_stays_a_gap(before in 1_usize..50, gap in 20_usize..60, after in 1_usize..50) {
            let values = (0..before + gap + after).map(|at| {
                let x = f64::from(u32::try_from(at).unwrap());
                (x, (at < before || at >= before + gap).then_some(1.0))
            });
            let to = f64::from(u32::try_from(before + gap + after).unwrap());
            let lines = thin(values, 0.0, to, (before + gap + after) / 10);
            prop_assert_eq!(lines.len(), 2);
        }
    }

    #[test]
    fn a_single_missing_value_breaks_the_line() {
        let lines = thin([(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(3.0))], 0.0, 4.0, 100);
        assert_eq!(lines, vec![vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 3.0)]]);
    }
}
