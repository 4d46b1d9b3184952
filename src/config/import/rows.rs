//! Comma- or semicolon-separated text as rows with the line each begins on.

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Line it begins on, counted from 1.
    pub(crate) line: usize,
    /// Its cells, without the space around them.
    pub(crate) cells: Vec<String>,
}

/// Why a text is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTable {
    /// Nothing in it.
    Empty,
    /// The first line has no separator, or both.
    Separator,
    /// A quote on this line is never closed.
    Quote(usize),
}

/// The rows that have any text, the headers first.
pub(crate) fn rows(text: &str) -> Result<Vec<Row>, NoTable> {
    let header = text.lines().find(|line| !line.trim().is_empty()).ok_or(NoTable::Empty)?;
    let separator = match (header.contains(','), header.contains(';')) {
        (true, false) => ',',
        (false, true) => ';',
        (true, true) | (false, false) => return Err(NoTable::Separator),
    };
    let mut list = Vec::new();
    let mut row = Row { line: 1, cells: Vec::new() };
    let mut cell = String::new();
    let mut line = 1;
    // Line of the quote the text is inside of.
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('"', Some(_)) if letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            ('"', Some(_)) => quote = None,
            ('"', None) if cell.trim().is_empty() => {
                cell.clear();
                quote = Some(line);
            }
            ('\r', None) => {}
            ('\n', None) => {
                row.cells.push(std::mem::take(&mut cell));
                line += 1;
                list.push(std::mem::replace(&mut row, Row { line, cells: Vec::new() }));
            }
            (letter, None) if letter == separator => row.cells.push(std::mem::take(&mut cell)),
            (letter, _) => {
                line += usize::from(letter == '\n');
                cell.push(letter);
            }
        }
    }
    if let Some(line) = quote {
        return Err(NoTable::Quote(line));
    }
    row.cells.push(cell);
    list.push(row);
    for cell in list.iter_mut().flat_map(|row| &mut row.cells) {
        *cell = cell.trim().to_owned();
    }
    list.retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: usize, cells: [&str; 2]) -> Row {
        Row { line, cells: cells.map(str::to_owned).to_vec() }
    }

    #[test]
    fn a_row_knows_its_line_and_quotes_hold_separators_and_lines() {
        let wanted =
            vec![row(2, ["a", "b"]), row(4, ["1,5", "x \"y\""]), row(5, ["p\nq", ""]), row(7, ["2", "3"])];
        assert_eq!(rows("\na , b\r\n,\n\"1,5\",\"x \"\"y\"\"\"\n\"p\nq\",\n2,3"), Ok(wanted));
        assert_eq!(rows("a;b\n1,5;2"), Ok(vec![row(1, ["a", "b"]), row(2, ["1,5", "2"])]));
    }

    #[test]
    fn what_is_no_table_is_told() {
        assert_eq!(rows("\n \n"), Err(NoTable::Empty));
        assert_eq!(rows("a\tb\n"), Err(NoTable::Separator));
        assert_eq!(rows("a,b;c\n"), Err(NoTable::Separator));
        assert_eq!(rows("a,b\n1,\"2\n"), Err(NoTable::Quote(2)));
    }
}
