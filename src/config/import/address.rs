//! Addresses as register lists write them. Two readings of one text are never weighed against each other: the list
//! has to say which it means.

use crate::points::Table;

/// From which number a list counts the registers of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The first register is 0, as on the wire.
    Zero,
    /// The first register is 1.
    One,
}

/// What is wrong with an address, and what to do.
pub(super) type Refused = (String, String);

/// Table and zero-based address of `text`: `4x00021`, `400021`, or a plain number with its table and `first`.
pub(super) fn parse(text: &str, table: Option<Table>, first: Option<First>) -> Result<(Table, u16), Refused> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((digit, number)) = text.split_once(['x', 'X'])
        && digits(number)
        && number.len() == 5
    {
        return in_notation(digit, number, table);
    }
    if digits(text) && text.len() == 6 {
        let (digit, number) = text.split_at(1);
        return in_notation(digit, number, table);
    }
    if !digits(text) || text.len() > 6 {
        let remedy = "write 4x00021, or a decimal number with its table and --first-address";
        return Err(("is no address".into(), remedy.into()));
    }
    plain(text.parse().unwrap_or(u32::MAX), table, first)
}

/// Digit of the table and number counted from 1.
fn in_notation(digit: &str, number: &str, table: Option<Table>) -> Result<(Table, u16), Refused> {
    let own = match digit {
        "0" => Table::Coil,
        "1" => Table::Discrete,
        "3" => Table::Input,
        "4" => Table::Holding,
        _ => {
            let remedy = "begin with 0 for coils, 1 for discrete inputs, 3 for input registers, 4 for holding registers";
            return Err(("begins with no table".into(), remedy.into()));
        }
    };
    if let Some(table) = table.filter(|table| *table != own) {
        let what = format!("begins with the digit of another table than {table:?}");
        return Err((what, "correct the table or the address".into()));
    }
    let number = number.parse::<u32>().unwrap_or(0);
    if let Some(Ok(address)) = number.checked_sub(1).map(u16::try_from) {
        return Ok((own, address));
    }
    Err(("must count from 1 to 65536".into(), "correct the number".into()))
}

fn plain(number: u32, table: Option<Table>, first: Option<First>) -> Result<(Table, u16), Refused> {
    let Some(table) = table else {
        let remedy = "say coil, discrete, input or holding for the table, or write the address as 4x00021";
        return Err(("is a number without its table".into(), remedy.into()));
    };
    // The range in which the old five-digit notation of the table would stand too.
    let digit = match table {
        Table::Coil => None,
        Table::Discrete => Some(1),
        Table::Input => Some(3),
        Table::Holding => Some(4),
    };
    if let Some(digit) = digit.filter(|digit| (digit * 10_000 + 1..(digit + 1) * 10_000).contains(&number)) {
        let what = "may be an address or the old five-digit notation".to_owned();
        let zero = number + 1 - u32::from(first == Some(First::One));
        let remedy = format!(
            "write {digit}x{:05} for the notation, {digit}x{zero:05} for the address",
            number - digit * 10_000
        );
        return Err((what, remedy));
    }
    let Some(first) = first else {
        let remedy =
            "say with --first-address whether the list counts from 0 or 1, or write the address as 4x00021";
        return Err(("does not say from which number the list counts".into(), remedy.into()));
    };
    let zero_based = match first {
        First::Zero => Some(number),
        First::One => number.checked_sub(1),
    };
    if let Some(Ok(address)) = zero_based.map(u16::try_from) {
        return Ok((table, address));
    }
    let range = if first == First::Zero { "0 to 65535" } else { "1 to 65536" };
    Err((format!("must be {range}"), "correct it, or --first-address".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDING: Option<Table> = Some(Table::Holding);

    #[test]
    fn a_notation_says_table_and_number() {
        assert_eq!(parse("4x00021", None, None), Ok((Table::Holding, 20)));
        assert_eq!(parse("400021", None, Some(First::Zero)), Ok((Table::Holding, 20)));
        assert_eq!(parse("3X65536", Some(Table::Input), None), Ok((Table::Input, 65_535)));
        assert_eq!(parse("0x00001", None, None), Ok((Table::Coil, 0)));
        for (wrong, table) in
            [("2x00001", None), ("4x00000", None), ("4x65537", None), ("400000", None), ("3x00001", HOLDING)]
        {
            assert!(parse(wrong, table, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plain_number_needs_its_table_and_its_origin() {
        assert_eq!(parse("20", HOLDING, Some(First::Zero)), Ok((Table::Holding, 20)));
        assert_eq!(parse("21", HOLDING, Some(First::One)), Ok((Table::Holding, 20)));
        assert_eq!(parse("65536", HOLDING, Some(First::One)), Ok((Table::Holding, 65_535)));
        for (wrong, table, first) in [
            ("20", None, Some(First::Zero)),
            ("20", HOLDING, None),
            ("0", HOLDING, Some(First::One)),
            ("65536", HOLDING, Some(First::Zero)),
            ("0x1D", HOLDING, Some(First::Zero)),
            ("-1", HOLDING, Some(First::Zero)),
            ("4000021", None, None),
            ("", HOLDING, Some(First::Zero)),
        ] {
            assert!(parse(wrong, table, first).is_err(), "{wrong}");
        }
    }

    /// 40021 is the 21st holding register in the old notation and holding register 40021 or 40020 otherwise.
    #[test]
    fn what_could_be_the_old_notation_is_refused() {
        let (what, remedy) = parse("40021", HOLDING, Some(First::Zero)).unwrap_err();
        assert_eq!(what, "may be an address or the old five-digit notation");
        assert_eq!(remedy, "write 4x00021 for the notation, 4x40022 for the address");
        let (_, remedy) = parse("40021", HOLDING, Some(First::One)).unwrap_err();
        assert_eq!(remedy, "write 4x00021 for the notation, 4x40021 for the address");
        assert_eq!(parse("40021", Some(Table::Input), Some(First::Zero)), Ok((Table::Input, 40_021)));
    }
}
