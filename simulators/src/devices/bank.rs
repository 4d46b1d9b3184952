//! The registers of one unit: only where its points are, with the gaps that reading together allows.

/// A run of registers (or bits) without a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    start: u32,
    words: Vec<u16>,
}

/// One table of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bank {
    runs: Vec<Run>,
}

impl Bank {
    /// A table with registers at `spans` (first, count); holes up to `gap` read as zero.
    pub(super) fn new(mut spans: Vec<(u16, u16)>, gap: u16) -> Self {
        spans.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for (first, count) in spans {
            let (start, end) = (u32::from(first), u32::from(first) + u32::from(count));
            let joined = runs.last_mut().filter(|run| start <= run.end() + u32::from(gap));
            match joined {
                Some(run) if end > run.end() => run.words.resize((end - run.start) as usize, 0),
                Some(_) => {}
                None => runs.push(Run { start, words: vec![0; usize::from(count)] }),
            }
        }
        Self { runs }
    }

    fn run(&self, first: u16, count: usize) -> Option<(usize, usize)> {
        let start = u32::from(first);
        let at = self.runs.partition_point(|run| run.end() <= start);
        let run = self.runs.get(at)?;
        let offset = start.checked_sub(run.start)? as usize;
        (offset + count <= run.words.len()).then_some((at, offset))
    }

    /// The words from `first` on; `None` when the unit does not have all of them.
    pub(super) fn get(&self, first: u16, count: usize) -> Option<&[u16]> {
        let (at, offset) = self.run(first, count)?;
        self.runs.get(at)?.words.get(offset..offset + count)
    }

    /// Sets words that the unit has.
    pub(super) fn set(&mut self, first: u16, words: &[u16]) {
        if let Some((at, offset)) = self.run(first, words.len())
            && let Some(place) =
                self.runs.get_mut(at).and_then(|run| run.words.get_mut(offset..offset + words.len()))
        {
            place.copy_from_slice(words);
        }
    }

    /// Sets one bit of a register that the unit has.
    pub(super) fn set_bit(&mut self, address: u16, bit: u8, on: bool) {
        let Some(&[word]) = self.get(address, 1) else { return };
        let mask = 1_u16.checked_shl(u32::from(bit)).unwrap_or(0);
        self.set(address, &[if on { word | mask } else { word & !mask }]);
    }
}

impl Run {
    fn end(&self) -> u32 {
        self.start + u32::try_from(self.words.len()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_only_the_registers_of_its_points_and_small_gaps() {
        let mut bank = Bank::new(vec![(20, 2), (0, 2), (4, 1)], 8);
        bank.set(4, &[7]);
        assert_eq!(bank.get(0, 5), Some(&[0, 0, 0, 0, 7][..]));
        assert_eq!(bank.get(20, 2), Some(&[0, 0][..]));
        assert_eq!((bank.get(0, 6), bank.get(19, 2), bank.get(21, 2)), (None, None, None));
    }

    #[test]
    fn the_last_address_can_be_read() {
        let bank = Bank::new(vec![(65_534, 2)], 0);
        assert_eq!(bank.get(65_534, 2), Some(&[0, 0][..]));
        assert_eq!(bank.get(65_535, 2), None);
    }

    #[test]
    fn bits_share_a_register() {
        let mut bank = Bank::new(vec![(11, 1), (11, 1)], 0);
        bank.set_bit(11, 0, true);
        bank.set_bit(11, 5, true);
        bank.set_bit(11, 0, false);
        assert_eq!(bank.get(11, 1), Some(&[0x20][..]));
    }
}
