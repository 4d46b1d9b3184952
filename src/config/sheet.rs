//! A configuration file as parsed, with the place of every key, and the list of what was found wrong. Several files may
//! be joined into one sheet; each key then still has its place in its own file.

mod shape;

use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Most characters of a value shown in a problem.
const SHOWN: usize = 60;

/// Most syntax errors reported of one file: after some, the rest is noise.
const SYNTAX_ERRORS: usize = 8;

/// The key of a table that takes the place of the one in an earlier file instead of joining it.
const REPLACE: &str = "replace";

/// One file, or several joined.
pub struct Sheet<'a> {
    /// At least one.
    files: Vec<File<'a>>,
    root: DeTable<'a>,
    problems: &'a RefCell<Vec<Problem>>,
    /// Keys whose value has a wrong shape, told once for all.
    wrong: RefCell<Vec<Vec<Step>>>,
    /// Something else stands in for what is wrong, so that the rest can be checked on.
    mends: bool,
    /// False when the file could not be read as TOML: whatever is missing in it may stand in the damaged part.
    pub whole: bool,
}

/// A file of a sheet.
struct File<'a> {
    /// As it is named in problems.
    name: &'a str,
    text: &'a str,
    /// Where its positions begin among those of the sheet.
    begin: usize,
}

/// A step of a key path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    /// Name of an entry of a table of entries.
    Name(String),
    At(usize),
}

/// A place in a file: the file and the keys from its top.
#[derive(Clone)]
pub struct Spot<'a> {
    sheet: &'a Sheet<'a>,
    steps: Vec<Step>,
}

/// A table or value of a file under its name.
pub struct Entry<'a, T> {
    /// Its name.
    pub id: String,
    /// What stands there; `None` when its shape is wrong, which has been said.
    pub raw: Option<T>,
    /// Where.
    pub spot: Spot<'a>,
}

impl<'a> Sheet<'a> {
    /// Parses `text`, `None` for a file that could not be read; syntax errors go to `problems`.
    pub fn parse(name: &'a str, text: Option<&'a str>, problems: &'a RefCell<Vec<Problem>>) -> Self {
        let (root, sound) = parsed(name, text.unwrap_or_default(), problems);
        let file = File { name, text: text.unwrap_or_default(), begin: 0 };
        let whole = text.is_some() && sound;
        Self { files: vec![file], root, problems, wrong: RefCell::default(), mends: false, whole }
    }

    /// Joins files, given as name and text, of which a later one adds to and overrides the earlier: tables are joined key by
    /// key, any other value takes the place of the earlier one, and so does a table with `replace = true`.
    pub fn join(files: &[(&'a str, &'a str)], problems: &'a RefCell<Vec<Problem>>) -> Self {
        let wrong = RefCell::default();
        let mut sheet =
            Self { files: Vec::new(), root: DeTable::new(), problems, wrong, mends: true, whole: true };
        let mut begin = 0;
        for (name, text) in files {
            let (root, sound) = parsed(name, text, problems);
            sheet.whole &= sound;
            lay_over(&mut sheet.root, moved_table(root, begin));
            sheet.files.push(File { name, text, begin });
            // Positions of two files never meet, not even at the end of one.
            begin += text.len() + 1;
        }
        sheet
    }

    /// As it is named in problems; of several joined files the last.
    pub fn name(&self) -> &'a str {
        self.files.last().map_or("", |file| file.name)
    }

    /// The file a position lies in.
    fn file_at(&self, place: usize) -> Option<&File<'a>> {
        self.files.iter().rfind(|file| file.begin <= place)
    }

    /// The top of the file.
    pub fn top(&'a self) -> Spot<'a> {
        Spot { sheet: self, steps: Vec::new() }
    }

    /// The place of the entry `id` of the table of entries `kind`.
    pub fn entry(&'a self, kind: &str, id: &str) -> Spot<'a> {
        Spot { sheet: self, steps: vec![Step::Key(kind.into()), Step::Name(id.into())] }
    }

    /// Complains about top-level keys that are not among `known`.
    pub fn only(&'a self, known: &[&str]) {
        for key in self.root.keys().map(|key| key.get_ref().as_ref()) {
            if !known.contains(&key) {
                let remedy = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("remove it; the file has {}", known.join(", ")),
                };
                self.top().key(key).complain("no such key", remedy);
            }
        }
    }

    /// Whether `kind` stands in the file.
    pub fn has(&self, kind: &str) -> bool {
        self.root.get(kind).is_some()
    }

    /// Names in the table `kind`, in file order.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let mut keys: Vec<_> = match self.root.get(kind).map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table.keys().collect(),
            Some(_) | None => Vec::new(),
        };
        keys.sort_by_key(|key| key.span().start);
        keys.into_iter().map(|key| key.get_ref().to_string()).collect()
    }

    /// The texts that stand under `key` in the entries of the table `kind`, whatever else is wrong with them.
    pub fn texts(&self, kind: &str, key: &str) -> Vec<String> {
        let Some(DeValue::Table(entries)) = self.root.get(kind).map(Spanned::get_ref) else {
            return Vec::new();
        };
        let text = |entry: &Spanned<DeValue<'a>>| {
            let DeValue::Table(table) = entry.get_ref() else { return None };
            table.get(key)?.get_ref().as_str().map(str::to_owned)
        };
        entries.values().filter_map(text).collect()
    }

    /// The entries of the table of tables `kind`, in file order.
    pub fn entries<T: Deserialize<'a>>(&'a self, kind: &str) -> Vec<Entry<'a, T>> {
        let Some(value) = self.root.get(kind) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.top().key(kind).complain(
                format!("must be a table of named entries, not {}", value.get_ref().type_str()),
                format!("write [{kind}.NAME] and its keys below"),
            );
            return Vec::new();
        };
        let mut list: Vec<_> = table.iter().collect();
        list.sort_by_key(|(key, _)| key.span().start);
        list.into_iter()
            .map(|(key, value)| {
                let id = key.get_ref().to_string();
                let spot = self.entry(kind, &id);
                Entry { raw: spot.shape(value), id, spot }
            })
            .collect()
    }

    /// The one table `kind`; `None` when it is missing or its shape is wrong, which has been said.
    pub fn single<T: Deserialize<'a>>(&'a self, kind: &str, remedy: &str) -> Option<(T, Spot<'a>)> {
        let spot = self.top().key(kind);
        let Some(value) = self.root.get(kind) else {
            if self.whole {
                spot.complain("is missing", remedy);
            }
            return None;
        };
        Some((spot.shape(value)?, spot))
    }

    /// The value at a path and the place of its last key, or of the nearest key above it.
    fn find(&self, steps: &[Step]) -> (Option<&Spanned<DeValue<'a>>>, usize) {
        let mut place = 0;
        let mut value: Option<&Spanned<DeValue<'a>>> = None;
        for (depth, step) in steps.iter().enumerate() {
            let table = match (depth, value.map(Spanned::get_ref)) {
                (0, _) => Some(&self.root),
                (_, Some(DeValue::Table(table))) => Some(table),
                (_, _) => None,
            };
            let next = match step {
                Step::Key(key) | Step::Name(key) => {
                    table.and_then(|t| t.get_key_value(key.as_str())).map(|(key, v)| (key.span(), v))
                }
                Step::At(at) => match value.map(Spanned::get_ref) {
                    Some(DeValue::Array(list)) => list.get(*at).map(|v| (v.span(), v)),
                    Some(_) | None => None,
                },
            };
            let Some((span, found)) = next else { return (None, place) };
            place = span.start;
            value = Some(found);
        }
        (value, place)
    }
}

impl<'a> Spot<'a> {
    /// The place of `key` below.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step::Key(key.into()));
        Self { sheet: self.sheet, steps }
    }

    /// The place of item `at` of the list here.
    #[must_use]
    pub fn item(&self, at: usize) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step::At(at));
        Self { sheet: self.sheet, steps }
    }

    /// Whether what stands here has its shape, as far as it has been looked at.
    pub fn is_shaped(&self) -> bool {
        !self.sheet.is_mended(&self.steps)
    }

    /// Name of the file it stands in; of the last one when it stands in none.
    pub fn file(&self) -> &'a str {
        let (_, place) = self.sheet.find(&self.steps);
        self.sheet.file_at(place).map_or("", |file| file.name)
    }

    /// Notes a problem here; the value is shown as it stands in the file.
    pub fn complain(&self, what: impl Into<String>, remedy: impl Into<String>) {
        if self.sheet.is_mended(&self.steps) {
            return;
        }
        let (value, place) = self.sheet.find(&self.steps);
        let Some(file) = self.sheet.file_at(place) else { return };
        let shown = value.filter(|value| !value.get_ref().is_table()).and_then(|value| {
            let span = value.span();
            let text =
                file.text.get(span.start.checked_sub(file.begin)?..span.end.checked_sub(file.begin)?)?;
            Some(shortened(text))
        });
        self.sheet.problems.borrow_mut().push(Problem {
            file: file.name.into(),
            line: Some(line_of(file.text, place.saturating_sub(file.begin))),
            key: self.to_string(),
            value: shown,
            what: what.into(),
            remedy: remedy.into(),
        });
    }
}

/// As `gate "zf.eco.v1".on_link_loss` or `reach R4.lags_m3s_h[2]`.
impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.steps.iter().enumerate() {
            match step {
                Step::At(at) => write!(f, "[{at}]")?,
                Step::Name(name) => write!(f, " {}", quoted(name))?,
                Step::Key(key) if depth == 0 => f.write_str(&quoted(key))?,
                Step::Key(key) => write!(f, ".{}", quoted(key))?,
            }
        }
        Ok(())
    }
}

/// The top table of a text and whether it is sound TOML; syntax errors go to `problems`.
fn parsed<'a>(name: &str, text: &'a str, problems: &RefCell<Vec<Problem>>) -> (DeTable<'a>, bool) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut twice: Option<usize> = None;
    for error in errors.iter().take(SYNTAX_ERRORS) {
        let at = error.span().map_or(0, |span| span.start);
        let shown = shortened(line_text(text, at));
        let duplicate = error.message().starts_with("duplicate key");
        // A table given twice repeats its keys too: the header says it all.
        let same_table = |first: usize| text.get(first..at).is_some_and(|part| !part.contains("\n["));
        if duplicate && twice.is_some_and(same_table) {
            continue;
        }
        twice = duplicate.then_some(at);
        let (what, remedy) = if duplicate {
            ("this name stands here a second time".into(), format!("rename or remove one: {shown}"))
        } else {
            (format!("not TOML: {}", error.message().trim()), format!("correct the line: {shown}"))
        };
        problems.borrow_mut().push(Problem {
            file: name.into(),
            line: Some(line_of(text, at)),
            key: String::new(),
            value: None,
            what,
            remedy,
        });
    }
    (root.into_inner(), errors.is_empty())
}

/// The table with all its positions `by` further on.
fn moved_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let further = |span: std::ops::Range<usize>| span.start + by..span.end + by;
    table
        .into_iter()
        .map(|(key, value)| {
            let key = Spanned::new(further(key.span()), key.into_inner());
            (key, moved(value, by))
        })
        .collect()
}

fn moved(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span().start + by..value.span().end + by;
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(list) => DeValue::Array(list.into_iter().map(|item| moved(item, by)).collect()),
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(span, value)
}

/// Lays `over` over `under`; see [`Sheet::join`].
fn lay_over<'a>(under: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, mut value) in over {
        let replaces = match value.get_mut() {
            DeValue::Table(table) => {
                let said = table.get(REPLACE).is_some_and(|said| said.get_ref().as_bool() == Some(true));
                if said {
                    table.remove(REPLACE);
                }
                said
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => true,
        };
        let earlier = under.remove(key.get_ref().as_ref());
        if let (false, Some(mut earlier)) = (replaces, earlier)
            && let (DeValue::Table(below), DeValue::Table(above)) = (earlier.get_mut(), value.get_mut())
        {
            lay_over(below, std::mem::take(above));
            std::mem::swap(below, above);
        }
        under.insert(key, value);
    }
}

/// A key as TOML wants it: bare when it can be.
pub(super) fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.into() } else { format!("{key:?}") }
}

/// Line of a byte position, counted from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn line_text(text: &str, at: usize) -> &str {
    text.lines().nth(line_of(text, at) - 1).unwrap_or_default().trim()
}

/// At most [`SHOWN`] characters of one line.
fn shortened(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= SHOWN {
        return flat;
    }
    flat.chars().take(SHOWN - 1).chain(['…']).collect()
}

/// Serde's message in the words of the file.
pub fn plain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    [
        ("invalid type: ", "must not be "),
        ("invalid value: ", "must not be "),
        (", expected f64", "; a number is needed"),
        (", expected a string", "; a text in quotes is needed"),
        (", expected a TOML datetime", "; a date without quotes is needed"),
        (", expected a boolean", "; true or false is needed"),
        (", expected a sequence", "; a list in [ ] is needed"),
        (", expected u8", "; a whole number from 0 to 255 is needed"),
        (", expected u16", "; a whole number from 0 to 65535 is needed"),
        (", expected u64", "; a whole number from 0 is needed"),
        (", expected u32", "; a whole number from 0 is needed"),
        (", expected usize", "; a whole number from 0 is needed"),
        ("unknown variant", "no such word:"),
        (", expected one of", "; it must be one of"),
    ]
    .into_iter()
    .fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The candidate one would have meant by `name`: at most a third of its letters differ.
pub fn nearest<'n>(name: &str, among: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = (name.chars().count() / 3).max(1);
    among
        .map(|candidate| (distance(name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let next = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("stroke", ["stroke_s", "sill_m"].into_iter()), Some("stroke_s"));
        assert_eq!(nearest("runchengg", ["runcheng", "duanshi"].into_iter()), Some("runcheng"));
        assert_eq!(nearest("runcheng", ["duanshi"].into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn serde_messages_are_put_into_plain_words() {
        assert_eq!(
            plain("invalid type: string \"x\", expected f64"),
            "must not be string \"x\"; a number is needed"
        );
    }

    #[test]
    fn a_later_file_adds_to_and_overrides_an_earlier_one() {
        let problems = RefCell::new(Vec::new());
        let below = "[a]\nx = 1\nlist = [1, 2]\n[b]\nold = 1\n[c]\nkept = true\n";
        let above = "# head\n[a]\ny = 3\nlist = [4]\n[b]\nreplace = true\nnew = 2\n";
        let sheet = Sheet::join(&[("below", below), ("above", above)], &problems);
        let read = |kind: &str| sheet.single::<toml::Table>(kind, "").unwrap().0.to_string();
        assert_eq!(read("a"), "list = [4]\nx = 1\ny = 3\n");
        assert_eq!(read("b"), "new = 2\n");
        assert_eq!(read("c"), "kept = true\n");
        let spot = sheet.top().key("a");
        spot.key("x").complain("small", "more");
        spot.key("y").complain("large", "less");
        let told = problems.borrow().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told, ["below:2  a.x = 1: small; more", "above:3  a.y = 3: large; less"]);
        assert_eq!((spot.key("x").file(), spot.key("y").file()), ("below", "above"));
    }
}
