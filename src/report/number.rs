//! Numbers as they are shown: flows with three significant figures and at most three decimals, a last digit of exactly
//! five rounded to even 四舍六入五成双. Source: domain notes 3.7 (flow-measurement standard).

/// A flow, m³/s, as shown.
pub fn flow(value: f64) -> String {
    significant(value, 3, 3)
}

/// With so many significant figures, and at most so many decimals.
pub fn significant(value: f64, figures: i32, most_decimals: i32) -> String {
    let Some((_, exponent)) = digits(value) else { return fixed(value, most_decimals) };
    let decimals = |exponent: i32| (figures - 1 - exponent).min(most_decimals);
    let shown = fixed(value, decimals(exponent));
    // 9.996 becomes 10.0, not 10.00.
    let grown = shown.parse::<f64>().ok().and_then(digits).is_some_and(|(_, now)| now > exponent);
    if grown { fixed(value, decimals(exponent + 1)) } else { shown }
}

/// With so many decimals; fewer than none round to tens, hundreds and so on.
pub fn fixed(value: f64, decimals: i32) -> String {
    let Some((all, exponent)) = digits(value) else {
        return written(&[], 0, decimals, false);
    };
    let keep = exponent + 1 + decimals;
    let Ok(keep) = usize::try_from(keep) else { return written(&[], 0, decimals, false) };
    let mut kept: Vec<u8> = all.iter().copied().chain(std::iter::repeat(0)).take(keep).collect();
    let mut exponent = exponent;
    let next = all.get(keep).copied().unwrap_or(0);
    let more = all.iter().skip(keep + 1).any(|digit| *digit > 0);
    let odd = kept.last().is_some_and(|last| last % 2 == 1);
    if next > 5 || (next == 5 && (more || odd)) {
        let mut at = kept.len();
        loop {
            let Some(before) = at.checked_sub(1) else {
                kept.insert(0, 1);
                exponent += 1;
                break;
            };
            at = before;
            match kept.get_mut(at) {
                Some(digit) if *digit == 9 => *digit = 0,
                Some(digit) => {
                    *digit += 1;
                    break;
                }
                None => break,
            }
        }
    }
    written(&kept, exponent, decimals, value < 0.0)
}

/// Decimal digits of the shortest number that reads back as this one, and the power of ten of the first; `None` for zero and
/// what is no number.
fn digits(value: f64) -> Option<(Vec<u8>, i32)> {
    if !value.is_finite() || value == 0.0 {
        return None;
    }
    let text = format!("{:e}", value.abs());
    let (digits, exponent) = text.split_once('e')?;
    Some((digits.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect(), exponent.parse().ok()?))
}

/// Digits whose first stands at a power of ten, with so many decimals.
fn written(digits: &[u8], exponent: i32, decimals: i32, negative: bool) -> String {
    let at = |power: i32| {
        let index = usize::try_from(exponent - power).ok();
        char::from(b'0' + index.and_then(|index| digits.get(index)).copied().unwrap_or(0))
    };
    let mut text = String::new();
    if negative && digits.iter().any(|digit| *digit > 0) {
        text.push('-');
    }
    text.extend((0..=exponent.max(0)).rev().map(at));
    if decimals > 0 {
        text.push('.');
        text.extend((1..=decimals).map(|place| at(-place)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_have_three_figures_and_a_five_goes_to_the_even_digit() {
        // By hand, after the rule: below five dropped, above five raised, exactly five to even.
        for (value, shown) in [
            (1.1032, "1.10"),
            (1.145, "1.14"),
            (1.135, "1.14"),
            (1.1351, "1.14"),
            (12.35, "12.4"),
            (12.45, "12.4"),
            (123.5, "124"),
            (122.5, "122"),
            (1234.0, "1230"),
            (0.9996, "1.00"),
            (1.4995, "1.50"),
            (1.495, "1.50"),
            (1.485, "1.48"),
            (1.4949, "1.49"),
            (0.99949, "0.999"),
            (9.996, "10.0"),
            (0.0565, "0.056"),
            (0.0004, "0.000"),
            (0.0, "0.000"),
            (-0.125, "-0.125"),
            (99_999.0, "100000"),
        ] {
            assert_eq!(flow(value), shown, "{value}");
        }
    }

    #[test]
    fn decimals_are_kept_also_for_large_and_small_numbers() {
        assert_eq!(fixed(742.005, 2), "742.00");
        assert_eq!(fixed(742.015, 2), "742.02");
        assert_eq!(fixed(99.95, 1), "100.0");
        assert_eq!(fixed(0.5, 0), "0");
        assert_eq!(fixed(1.5, 0), "2");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(12_345.678, 2), "12345.68");
    }
}
