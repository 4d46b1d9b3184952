//! From parsed values to Rust types, telling everything whose shape is wrong, each at its own key.
//!
//! Serde stops at the first error. So that the others are told as well, what is wrong is told, a stand-in of another type
//! is put in its place, and the whole is looked at again. The stand-ins never leave here, but with [`Sheet::join`]: who
//! checks on may then have them, and what he says of them is dropped, for the key has been told.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::{Sheet, Spot, Step, nearest, plain};

/// Most looks at one value: far more than any has keys.
const LOOKS: usize = 500;

/// What may stand in for a value that is none, one after the other until one fits: a number, a text, a truth, a moment,
/// a list, a table, lists of so many numbers.
const STAND_INS: [&str; 9] =
    ["0", "\"\"", "false", "1970-01-01T00:00:00", "[]", "{}", "[0]", "[0, 0]", "[0, 0, 0]"];

/// A value being looked at.
struct Look<'s, 'a> {
    spot: &'s Spot<'a>,
    value: Spanned<DeValue<'a>>,
    /// Paths below the spot by number: each value and its key bear theirs in place of their span.
    paths: Vec<Vec<Step>>,
    /// Where something stands in, and how many stand-ins have been tried there.
    mended: Vec<(Vec<Step>, usize)>,
    /// Nothing but unknown keys was told.
    sound: bool,
}

impl<'a> Spot<'a> {
    /// The value here as a `T`, whatever is wrong with it told; `None` when it is wrong or missing. What of it stands in
    /// for something wrong is given on by joined sheets.
    pub fn read<T: Deserialize<'a>>(&self) -> Option<T> {
        self.shape(self.sheet.find(&self.steps).0?)
    }

    /// Makes a `T` of `value`, complaining about every key it does not know and whatever else is wrong.
    pub(super) fn shape<T: Deserialize<'a>>(&self, value: &Spanned<DeValue<'a>>) -> Option<T> {
        let mut paths = Vec::new();
        let value = numbered(value.clone(), &[], &mut paths);
        let mut look = Look { spot: self, value, paths, mended: Vec::new(), sound: true };
        for _ in 0..LOOKS {
            match T::deserialize(ValueDeserializer::from(look.value.clone())) {
                Ok(shaped) => return (look.sound || self.sheet.mends).then_some(shaped),
                Err(error) => look.take(&error)?,
            }
        }
        None
    }

    /// The table here, less `left_out`, as a `T` that is told by its key `tag` which of several it is; `None` when it is
    /// wrong, which has been said of each key. Such a `T` cannot say which key is wrong: each is tried alone.
    pub fn tagged<T: Deserialize<'a>>(&self, tag: &str, left_out: &[&str]) -> Option<T> {
        let whole = self.sheet.find(&self.steps).0?;
        let DeValue::Table(all) = whole.get_ref() else { return None };
        let wanted = |key: &str| !left_out.contains(&key);
        let only = |keys: &[&str]| {
            let kept = all.iter().filter(|(key, _)| keys.contains(&key.get_ref().as_ref()));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect::<DeTable<'a>>()
        };
        let shaped = |table: DeTable<'a>| {
            T::deserialize(ValueDeserializer::from(Spanned::new(whole.span(), DeValue::Table(table))))
        };
        // Whether a table is wrong with more than that something is missing, and how.
        let wrong = |table: DeTable<'a>| {
            shaped(table).err().map(|error| error.message().to_owned()).filter(|text| missing(text).is_none())
        };
        if let Some(message) = wrong(only(&[tag])) {
            self.key(tag).misshapen(&message);
            return None;
        }
        let mut keys = all.keys().map(|key| (key.span().start, key.get_ref().as_ref())).collect::<Vec<_>>();
        keys.sort_unstable();
        let keys = keys.into_iter().map(|(_, key)| key).filter(|key| *key != tag && wanted(key));
        let mut good = vec![tag];
        let mut sound = true;
        for key in keys {
            match wrong(only(&[tag, key])) {
                None => good.push(key),
                Some(message) => {
                    sound = false;
                    match unknown_key(&message) {
                        Some((_, known)) => self.key(key).unknown(key, &known),
                        None => self.key(key).misshapen(&message),
                    }
                }
            }
        }
        let mut table = only(&good);
        for _ in 0..LOOKS {
            let message = match shaped(table.clone()) {
                Ok(shaped) => return sound.then_some(shaped),
                Err(error) => error.message().to_owned(),
            };
            let Some(key) = missing(&message) else {
                self.complain(plain(&message), "correct it");
                return None;
            };
            if !all.contains_key(key.as_str()) {
                self.key(&key).complain("is missing", "give it");
            }
            sound = false;
            let fits = |value: &DeValue<'a>| {
                let mut alone = only(&[tag]);
                alone.insert(Spanned::new(0..0, key.clone().into()), Spanned::new(0..0, value.clone()));
                wrong(alone).is_none()
            };
            let value = (0..STAND_INS.len()).filter_map(|at| stand_in(at, &message)).find(fits)?;
            table.insert(Spanned::new(0..0, key.into()), Spanned::new(0..0, value));
        }
        None
    }

    fn misshapen(&self, message: &str) {
        let (what, remedy) = phrased(message);
        self.complain(what, remedy);
    }

    fn unknown(&self, key: &str, known: &[String]) {
        let remedy = match nearest(key, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None if known.is_empty() => "remove it".to_owned(),
            None => format!("remove it; keys here are {}", known.join(", ")),
        };
        self.complain("no such key", remedy);
    }
}

impl<'a> Look<'_, 'a> {
    /// Tells an error and mends its place; `None` when that cannot be done.
    fn take(&mut self, error: &Error) -> Option<()> {
        let message = error.message();
        let path = error.span().and_then(|span| self.paths.get(span.start)).cloned().unwrap_or_default();
        if let Some((key, known)) = unknown_key(message) {
            let path = if path.last() == Some(&Step::Key(key.clone())) { path } else { below(&path, &key) };
            self.place(&path).unknown(&key, &known);
            return self.parent(&path)?.remove(key.as_str()).map(|_| ());
        }
        if let Some(key) = missing(message) {
            let path = below(&path, &key);
            self.place(&path).complain("is missing", "give it");
            let number = self.paths.len();
            self.paths.push(path.clone());
            let value = Spanned::new(number..number, stand_in(0, message)?);
            self.parent(&path)?.insert(Spanned::new(number..number, key.into()), value);
            self.note(path, 1);
            return Some(());
        }
        let tried = self.mended.iter_mut().find(|(mended, _)| *mended == path);
        let at = if let Some((_, tried)) = tried {
            *tried += 1;
            *tried - 1
        } else {
            self.place(&path).misshapen(message);
            self.note(path.clone(), 1);
            0
        };
        // The whole of it has another shape: nothing can stand in for that.
        if path.is_empty() {
            return None;
        }
        let value = stand_in(at, message)?;
        *self.value_at(&path)?.get_mut() = value;
        Some(())
    }

    fn note(&mut self, path: Vec<Step>, tried: usize) {
        self.sound = false;
        self.spot.sheet.wrong.borrow_mut().push(self.place(&path).steps);
        self.mended.push((path, tried));
    }

    fn place(&self, path: &[Step]) -> Spot<'a> {
        let steps = self.spot.steps.iter().chain(path).cloned().collect();
        Spot { sheet: self.spot.sheet, steps }
    }

    fn value_at(&mut self, path: &[Step]) -> Option<&mut Spanned<DeValue<'a>>> {
        let mut value = &mut self.value;
        for step in path {
            value = match (step, value.get_mut()) {
                (Step::Key(key) | Step::Name(key), DeValue::Table(table)) => table.get_mut(key.as_str())?,
                (Step::At(at), DeValue::Array(list)) => list.get_mut(*at)?,
                (_, _) => return None,
            };
        }
        Some(value)
    }

    /// The table that the last key of `path` stands in.
    fn parent(&mut self, path: &[Step]) -> Option<&mut DeTable<'a>> {
        match self.value_at(path.split_last()?.1)?.get_mut() {
            DeValue::Table(table) => Some(table),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => None,
        }
    }
}

impl Sheet<'_> {
    /// Whether something else stands in for what stands, or should stand, here or above.
    pub(super) fn is_mended(&self, steps: &[Step]) -> bool {
        self.wrong.borrow().iter().any(|wrong| steps.starts_with(wrong))
    }
}

fn below(path: &[Step], key: &str) -> Vec<Step> {
    path.iter().cloned().chain([Step::Key(key.into())]).collect()
}

/// The value with numbers in place of spans; `paths` then has the path of each.
fn numbered<'a>(
    value: Spanned<DeValue<'a>>,
    path: &[Step],
    paths: &mut Vec<Vec<Step>>,
) -> Spanned<DeValue<'a>> {
    let number = paths.len();
    paths.push(path.to_vec());
    let value = match value.into_inner() {
        DeValue::Table(table) => {
            let mut new = DeTable::new();
            for (key, value) in table {
                let path = below(path, key.get_ref());
                let number = paths.len();
                paths.push(path.clone());
                new.insert(Spanned::new(number..number, key.into_inner()), numbered(value, &path, paths));
            }
            DeValue::Table(new)
        }
        DeValue::Array(list) => {
            let item = |(at, value)| {
                let path = path.iter().cloned().chain([Step::At(at)]).collect::<Vec<_>>();
                numbered(value, &path, paths)
            };
            DeValue::Array(list.into_iter().enumerate().map(item).collect())
        }
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(number..number, value)
}

/// Something in place of a value that `message` complains of: a word it asks for, or the stand-in of this number.
fn stand_in<'a>(at: usize, message: &str) -> Option<DeValue<'a>> {
    if let Some(word) = words(message).into_iter().flatten().next() {
        return Some(DeValue::String(word.into()));
    }
    DeValue::parse(STAND_INS.get(at)?).ok().map(Spanned::into_inner)
}

/// The words that serde's message about an unknown one asks for.
fn words(message: &str) -> Option<Vec<String>> {
    let (_, known) = message.strip_prefix("unknown variant ")?.split_once(", expected")?;
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The key that serde's message says is missing.
fn missing(message: &str) -> Option<String> {
    message.strip_prefix("missing field `")?.split('`').next().map(str::to_owned)
}

/// The key and the known keys of serde's message about an unknown one.
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

/// What serde's message says is wrong, and what to do.
fn phrased(message: &str) -> (String, String) {
    if let Some(known) = words(message).filter(|known| !known.is_empty()) {
        let given = message.split('`').nth(1).unwrap_or_default();
        let remedy = match nearest(given, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("give one of {}", known.join(", ")),
        };
        return ("is no word known here".to_owned(), remedy);
    }
    let text = plain(message);
    match text.split_once("; ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (text, "correct it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Dry,
        Wet,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    #[serde(deny_unknown_fields)]
    struct Inner {
        size: f64,
        pair: [f64; 2],
        from: toml::value::Datetime,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    #[serde(deny_unknown_fields)]
    struct Outer {
        word: Word,
        name: String,
        count: Option<u8>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
    enum Tagged {
        Big { name: String, size: f64, on: bool },
        None {},
    }

    const DAMAGED: &str = "[a]\nword = \"dri\"\nname = 3\ncount = 300\nextra = 1\n\
                           [[a.list]]\nsize = \"x\"\npair = [1.0, \"y\"]\nfrom = 2026-01-01\n\
                           [[a.list]]\nsiez = 1.0\npair = [1.0]\n[a.nothing]\nx = 1\n";

    const TOLD: [&str; 11] = [
        "f:2  a.word = \"dri\": is no word known here; did you mean dry?",
        "f:3  a.name = 3: must not be integer `3`; a text in quotes is needed",
        "f:4  a.count = 300: must not be integer `300`; a whole number from 0 to 255 is needed",
        "f:5  a.extra = 1: no such key; remove it; keys here are word, name, count, list",
        "f:7  a.list[0].size = \"x\": must not be string \"x\"; a number is needed",
        "f:8  a.list[0].pair[1] = \"y\": must not be string \"y\"; a number is needed",
        "f:10  a.list[1].from: is missing; give it",
        "f:10  a.list[1].size: is missing; give it",
        "f:11  a.list[1].siez = 1.0: no such key; remove it; keys here are size, pair, from",
        "f:12  a.list[1].pair = [1.0]: invalid length 1, expected an array of length 2; correct it",
        "f:13  a.nothing: no such key; remove it; keys here are word, name, count, list",
    ];

    /// The messages as told, sorted by line as a list of problems is.
    fn told(problems: &RefCell<Vec<super::super::Problem>>) -> Vec<String> {
        let mut list = problems.borrow().clone();
        list.sort();
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_wrong_shape_is_told_at_its_own_key() {
        let problems = RefCell::new(Vec::new());
        let sheet = Sheet::parse("f", Some(DAMAGED), &problems);
        assert!(sheet.single::<Outer>("a", "").is_none());
        assert_eq!(told(&problems), TOLD);
    }

    #[test]
    fn each_key_of_a_tagged_table_is_tried() {
        let problems = RefCell::new(Vec::new());
        let text = "[e]\nkind = \"big\"\nat = 7\nname = 1\nsize = \"x\"\nsiz = 2\n[n]\nkind = \"none\"\non = true\n\
                    [w]\nkind = \"bigg\"\n";
        let sheet = Sheet::parse("f", Some(text), &problems);
        for entry in ["e", "n", "w"] {
            assert!(sheet.top().key(entry).tagged::<Tagged>("kind", &["at"]).is_none());
        }
        assert_eq!(
            told(&problems),
            [
                "f:1  e.on: is missing; give it",
                "f:4  e.name = 1: must not be integer `1`; a text in quotes is needed",
                "f:5  e.size = \"x\": must not be string \"x\"; a number is needed",
                "f:6  e.siz = 2: no such key; did you mean size?",
                "f:9  n.on = true: no such key; remove it",
                "f:11  w.kind = \"bigg\": is no word known here; did you mean big?",
            ]
        );
    }

    #[test]
    fn serdes_message_about_a_key_gives_the_known_ones() {
        let (key, known) = unknown_key("unknown field `a`, expected one of `b`, `c`").unwrap();
        assert_eq!((key.as_str(), known), ("a", vec!["b".to_owned(), "c".to_owned()]));
    }
}
