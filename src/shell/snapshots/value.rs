//! Integers of any size, and the value of a point, as few bytes as it takes and exact to the bit. Pure.

/// Steps of registers, in the order of their forms from [`FIRST_STEP`] on: a value that is a whole number of one of them is
/// stored as that number's change.
const STEPS: [f64; 5] = [1.0, 0.1, 0.01, 0.001, 1.0 / 3600.0];
/// All 64 bits.
const WHOLE: u8 = 0;
/// The 32 bits of a single.
const SINGLE: u8 = 1;
/// Form of the first of [`STEPS`].
const FIRST_STEP: u8 = 2;

/// Bytes that end too early, or that no encoder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

const SHORT: Malformed = Malformed("a moment is cut short");

/// Appends an unsigned number, seven bits a byte, lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u128) {
    loop {
        let low = (number & 0x7F) as u8;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a signed number: 0, −1, 1, −2 … become 0, 1, 2, 3 …
pub(super) fn put_signed(out: &mut Vec<u8>, number: i128) {
    put_number(out, (number.cast_unsigned() << 1) ^ (number >> 127).cast_unsigned());
}

/// Appends a length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u128);
    out.extend_from_slice(bytes);
}

/// What is left to read.
#[derive(Debug)]
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u128, Malformed> {
        let mut number = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let low = u128::from(byte & 0x7F);
            if low << shift >> shift != low {
                break;
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed("a number has more than 128 bits"))
    }

    pub(super) fn signed(&mut self) -> Result<i128, Malformed> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A number of things that take a byte each at least, so that damage cannot ask for more room than there are bytes.
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count <= self.0.len() { Ok(count) } else { Err(SHORT) }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// Appends `value` as its difference from `before`, and gives the form it took.
pub(super) fn put_value(out: &mut Vec<u8>, value: f64, before: f64) -> u8 {
    for (form, step) in (FIRST_STEP..).zip(STEPS) {
        if let Some(number) = steps(value, step) {
            put_signed(out, i128::from(number) - i128::from(nearest(before, step)));
            return form;
        }
    }
    if let Some(bits) = single(value) {
        out.extend_from_slice(&bits.to_be_bytes());
        return SINGLE;
    }
    out.extend_from_slice(&value.to_bits().to_be_bytes());
    WHOLE
}

/// Reads what [`put_value`] wrote.
pub(super) fn take_value(rest: &mut Rest<'_>, form: u8, before: f64) -> Result<f64, Malformed> {
    match form {
        WHOLE => Ok(f64::from_bits(u64::from_be_bytes(rest.array()?))),
        SINGLE => Ok(f64::from(f32::from_bits(u32::from_be_bytes(rest.array()?)))),
        form => {
            let step =
                STEPS.get(usize::from(form - FIRST_STEP)).ok_or(Malformed("unknown form of a value"))?;
            let number = i128::from(nearest(before, *step)).checked_add(rest.signed()?);
            let number = number.and_then(|number| i64::try_from(number).ok());
            Ok(whole(number.ok_or(Malformed("a value is too large for its form"))?, *step))
        }
    }
}

/// `value` as so many steps, when that gives the same bits.
fn steps(value: f64, step: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = nearest(value, step);
    let same = whole(number, step).to_bits() == value.to_bits();
    (same && (value / step).abs() < EXACT).then_some(number)
}

#[expect(clippy::cast_precision_loss, reason = "what is not exact is found by comparing the bits")]
fn whole(number: i64, step: f64) -> f64 {
    number as f64 * step
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and nothing is nothing")]
fn nearest(value: f64, step: f64) -> i64 {
    (value / step).round() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "what is not exact is found by comparing the bits")]
fn single(value: f64) -> Option<u32> {
    let single = value as f32;
    (f64::from(single).to_bits() == value.to_bits()).then(|| single.to_bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(value: f64, before: f64) -> (f64, usize) {
        let mut bytes = Vec::new();
        let form = put_value(&mut bytes, value, before);
        assert!(form < 8);
        let mut rest = Rest(&bytes);
        let read = take_value(&mut rest, form, before).unwrap();
        assert!(rest.0.is_empty());
        (read, bytes.len())
    }

    #[test]
    fn a_register_that_moves_a_little_takes_a_byte() {
        // 1234 and 1237 steps of a millimetre, as a register gives them.
        assert_eq!(there_and_back(1237.0 * 0.001, 1234.0 * 0.001), (1237.0 * 0.001, 1));
        assert_eq!(there_and_back(64.0, 0.0), (64.0, 2));
    }

    #[test]
    fn numbers_are_written_as_dwarf_writes_them() {
        // DWARF 4, figure 22: 2, 127, 128, 12857.
        let written = |number| {
            let mut out = Vec::new();
            put_number(&mut out, number);
            out
        };
        assert_eq!([2, 127, 128, 12857].map(written), [vec![2], vec![127], vec![0x80, 1], vec![0xB9, 0x64]]);
    }

    proptest! {
        #[test]
        fn every_value_comes_back_to_the_bit(bits: u64, before: u64, number in -70_000_i32..70_000, step in 0..5_usize, single in prop::num::f32::ANY) {
            let (value, before) = (f64::from_bits(bits), f64::from_bits(before));
            // The payload of a signalling NaN may change on its way through a register of the processor.
            prop_assume!(!value.is_nan() && !before.is_nan() && !single.is_nan());
            prop_assert_eq!(there_and_back(value, before).0.to_bits(), bits);
            let register = f64::from(number) * STEPS[step];
            prop_assert_eq!(there_and_back(register, before).0.to_bits(), register.to_bits());
            let single = f64::from(single);
            prop_assert_eq!(there_and_back(single, before).0.to_bits(), single.to_bits());
        }

        #[test]
        fn every_number_comes_back(number: u128, signed: i128) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, signed);
            let mut rest = Rest(&out);
            prop_assert_eq!((rest.number().unwrap(), rest.signed().unwrap()), (number, signed));
        }
    }
}
