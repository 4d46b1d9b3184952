//! What `--sweep` is given.

/// A sweep that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Not of the form.
    #[error(
        "--sweep {given}: write key=a,b,c or key=from:to:step, as control.min_interval_s=600,900,1800 or control.dead_band_m3s=0.02:0.1:0.02"
    )]
    Form {
        /// As given.
        given: String,
    },
    /// The range does not lead from one end to the other.
    #[error(
        "--sweep {given}: a step of {step} does not lead from {from} to {to}; give it the other sign, or more than zero"
    )]
    Step {
        /// As given.
        given: String,
        /// Begin.
        from: String,
        /// End.
        to: String,
        /// Step.
        step: String,
    },
    /// Too many runs.
    #[error("--sweep: more than {most} runs; take fewer values")]
    Many {
        /// Allowed.
        most: usize,
    },
}

/// A key with the values it is given in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key, as `--set` takes it.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

impl Axis {
    /// From `key=a,b,c` or `key=from:to:step`; both ends are among the values of a range when the step leads there.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(given: &str) -> Result<Self, SweepError> {
        let form = || SweepError::Form { given: given.into() };
        let mut outside = Outside::default();
        let (at, _) = given.char_indices().find(|(_, c)| outside.see(*c) && *c == '=').ok_or_else(form)?;
        let (key, values) = given.split_at(at);
        let (key, values) = (key.trim(), values.trim_start_matches('=').trim());
        if key.is_empty() || values.is_empty() {
            return Err(form());
        }
        let values = match range(given, values)? {
            Some(values) => values,
            None => list(values),
        };
        if values.iter().any(String::is_empty) {
            return Err(form());
        }
        Ok(Self { key: key.into(), values })
    }

    /// The values as numbers, if all are.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(|value| value.parse().ok()).collect()
    }
}

/// Whether a sign stands outside of quotes and brackets.
#[derive(Debug, Default)]
struct Outside {
    quoted: bool,
    depth: usize,
}

impl Outside {
    fn see(&mut self, c: char) -> bool {
        match c {
            '"' => self.quoted = !self.quoted,
            '[' | '{' if !self.quoted => self.depth += 1,
            ']' | '}' if !self.quoted => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        !self.quoted && self.depth == 0
    }
}

fn list(values: &str) -> Vec<String> {
    let mut outside = Outside::default();
    values.split(|c| outside.see(c) && c == ',').map(|value| value.trim().to_owned()).collect()
}

/// The values of `from:to:step`, written with as many decimals as the ends and the step have; `None` when it is none.
fn range(given: &str, text: &str) -> Result<Option<Vec<String>>, SweepError> {
    let parts = text.split(':').map(str::trim).collect::<Vec<_>>();
    let [from, to, step] = parts.as_slice() else { return Ok(None) };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (Some(begin), Some(end), Some(by)) = (number(from), number(to), number(step)) else {
        return Ok(None);
    };
    let steps = ((end - begin) / by * (1.0 + 1e-12) + 1e-9).floor();
    if by == 0.0 || steps < 0.0 || !steps.is_finite() {
        let [from, to, step] = [from, to, step].map(|part| (*part).to_owned());
        return Err(SweepError::Step { given: given.into(), from, to, step });
    }
    if steps >= 5000.0 {
        return Err(SweepError::Many { most: super::MOST });
    }
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, part)| part.len());
    let digits = [from, step].into_iter().map(|part| decimals(part)).max().unwrap_or(0);
    let mut values = Vec::new();
    let mut at = 0.0;
    while at <= steps {
        values.push(format!("{:.digits$}", begin + at * by));
        at += 1.0;
    }
    Ok(Some(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(given: &str) -> Vec<String> {
        Axis::parse(given).unwrap().values
    }

    #[test]
    fn lists_and_ranges_are_taken() {
        assert_eq!(values("control.min_interval_s=600,900, 1800"), ["600", "900", "1800"]);
        assert_eq!(values("a=0.02:0.1:0.02"), ["0.02", "0.04", "0.06", "0.08", "0.10"]);
        assert_eq!(values("a=10:0:-5"), ["10", "5", "0"]);
        assert_eq!(values("a=1:1:1"), ["1"]);
        assert_eq!(values("a=[1,2],[3,4]"), ["[1,2]", "[3,4]"]);
        assert_eq!(values("mode=manual,automatic"), ["manual", "automatic"]);
        assert_eq!(Axis::parse("gate.\"a=b\".x=1,2").unwrap().key, "gate.\"a=b\".x");
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for bad in ["a", "a=", "=1", "a=1,,2", "a=0:1:0", "a=0:1:-1", "a=0:1e9:1"] {
            assert!(Axis::parse(bad).is_err(), "{bad}");
        }
        let two = [Axis::parse("a=1:100:1").unwrap(), Axis::parse("b=1:100:1").unwrap()];
        assert!(matches!(super::super::grid(&two, 1), Err(SweepError::Many { .. })));
    }

    #[test]
    fn several_axes_make_a_grid() {
        let two = [Axis::parse("a=1,2").unwrap(), Axis::parse("b=x,y").unwrap()];
        let grid = super::super::grid(&two, 1).unwrap();
        assert_eq!(grid, [["1", "x"], ["1", "y"], ["2", "x"], ["2", "y"]]);
    }
}
