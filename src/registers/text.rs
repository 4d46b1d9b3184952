//! Names in registers: two characters each. A name tells which device answers; it is no reading.

/// Which half of a register holds the first of its two characters. The registers themselves stand in the order of
/// the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CharOrder {
    /// The high byte: "ABC" is 4142 4300.
    #[default]
    HighFirst,
    /// The low byte: "ABC" is 4241 0043.
    LowFirst,
}

/// What stands in the registers is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "character {at} is 0x{byte:02X}, which is not printable ASCII; check the address and the order of characters"
)]
pub struct NotText {
    /// Position of the character, from 1.
    pub at: usize,
    /// What stands there.
    pub byte: u8,
}

/// The name in `words`: up to the first zero byte (what stands behind it is left over from longer names), without
/// spaces at its ends. Empty where nothing is written.
///
/// # Errors
///
/// A character outside 0x20 to 0x7E before the end of the name: half a name would pass for another device.
pub fn text(words: &[u16], order: CharOrder) -> Result<String, NotText> {
    let bytes = words.iter().flat_map(|word| match order {
        CharOrder::HighFirst => word.to_be_bytes(),
        CharOrder::LowFirst => word.to_le_bytes(),
    });
    let mut name = String::with_capacity(2 * words.len());
    for (before, byte) in bytes.take_while(|byte| *byte != 0).enumerate() {
        if !matches!(byte, b' '..=b'~') {
            return Err(NotText { at: before + 1, byte });
        }
        name.push(char::from(byte));
    }
    Ok(name.trim_matches(' ').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Characters two by two, a zero byte after an odd number.
    fn packed(name: &str, order: CharOrder) -> Vec<u16> {
        let pair = |two: &[u8]| {
            let (first, second) = (u16::from(two[0]), two.get(1).map_or(0, |byte| u16::from(*byte)));
            match order {
                CharOrder::HighFirst => 256 * first + second,
                CharOrder::LowFirst => first + 256 * second,
            }
        };
        name.as_bytes().chunks(2).map(pair).collect()
    }

    proptest! {
        #[test]
        fn a_name_reads_as_it_was_written(name in "[!-~]([ -~]{0,30}[!-~])?", padding in 0_usize..8, fill in any::<bool>()) {
            for order in [CharOrder::HighFirst, CharOrder::LowFirst] {
                let mut words = packed(&name, order);
                let blank = if fill && name.len() % 2 == 0 { 0x2020 } else { 0 };
                words.extend(std::iter::repeat_n(blank, padding));
                prop_assert_eq!(text(&words, order), Ok(name.clone()));
            }
        }

        #[test]
        fn whatever_stands_there_is_printable_or_refused(words in prop::collection::vec(any::<u16>(), 0..20)) {
            for order in [CharOrder::HighFirst, CharOrder::LowFirst] {
                if let Ok(name) = text(&words, order) {
                    prop_assert!(name.chars().all(|char| (' '..='~').contains(&char)) && name.trim() == name);
                }
            }
        }
    }

    #[test]
    fn a_zero_byte_ends_the_name() {
        assert_eq!(text(&[0x4700, 0x0742], CharOrder::HighFirst).as_deref(), Ok("G"));
        assert_eq!(text(&[0, 0x4142], CharOrder::HighFirst).as_deref(), Ok(""));
        assert_eq!(text(&[], CharOrder::HighFirst).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_not_printable_is_no_name() {
        assert_eq!(text(&[0xFFFF, 0xFFFF], CharOrder::HighFirst), Err(NotText { at: 1, byte: 0xFF }));
        assert_eq!(text(&[0x4142, 0x4307], CharOrder::HighFirst), Err(NotText { at: 4, byte: 7 }));
        let message = text(&[0x41E5], CharOrder::HighFirst).unwrap_err().to_string();
        assert_eq!(
            message,
            "character 2 is 0xE5, which is not printable ASCII; check the address and the order of characters"
        );
    }
}
