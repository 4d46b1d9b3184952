//! Which records are checked.

/// Records by their numbers, first and last inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    from: u64,
    to: u64,
}

impl Part {
    /// All of the log.
    pub const WHOLE: Self = Self { from: 1, to: u64::MAX };

    /// From and to a record, each of them optional; `None` when no number lies between them. Numbers begin with 1.
    pub fn of(from: Option<u64>, to: Option<u64>) -> Option<Self> {
        let (from, to) = (from.unwrap_or(1).max(1), to.unwrap_or(u64::MAX));
        (from <= to).then_some(Self { from, to })
    }

    /// The first number.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The last number; the largest there is when the part goes on to the end.
    pub fn to(&self) -> u64 {
        self.to
    }

    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// Whether a record of this number is checked.
    pub fn holds(&self, seq: u64) -> bool {
        (self.from..=self.to).contains(&seq)
    }

    /// As said in the output: `5 to 9`, or `5 to the end`.
    pub(super) fn said(&self) -> String {
        if self.to == u64::MAX {
            format!("{} to the end", self.from)
        } else {
            format!("{} to {}", self.from, self.to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_without_a_number_in_it_is_none() {
        assert_eq!(Part::of(Some(6), Some(5)), None);
        assert_eq!(Part::of(None, Some(0)), None);
        assert_eq!(Part::of(None, None), Some(Part::WHOLE));
        assert_eq!(
            Part::of(Some(5), Some(5)).map(|part| (part.from(), part.to(), part.is_whole())),
            Some((5, 5, false))
        );
        assert_eq!(Part::of(Some(5), None).map(|part| part.said()), Some("5 to the end".into()));
    }
}
