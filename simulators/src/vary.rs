//! Copies of a configuration folder with some values changed, everything else as it stands.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use qindan::config::TEMPLATES;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A change that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum VaryError {
    /// Not `key=value`.
    #[error(
        "--set {given}: write key=value, as control.min_interval_s=900 or 'gate.\"zf.eco.v1\".stroke_s=90'"
    )]
    Form {
        /// As given.
        given: String,
    },
    /// No such key in any file.
    #[error(
        "--set {key}: no file of {folder} has this key{near}; looked into {files}; only values that stand in a file can be changed"
    )]
    Unknown {
        /// The key.
        key: String,
        /// The folder.
        folder: String,
        /// The keys that are spelt most like it, in words.
        near: Near,
        /// The files looked into.
        files: String,
    },
    /// The key names a table.
    #[error("--set {key}: this is a table, not a value; add one of {inside}")]
    Table {
        /// The key.
        key: String,
        /// Keys of the table.
        inside: String,
    },
    /// A file cannot be read, or is no TOML.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

/// Keys that stand in the files and are spelt much like the one asked for, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Near(pub Vec<Key>);

impl std::fmt::Display for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, key) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "; nearest are " } else { ", " })?;
            write!(f, "{} = {} ({})", key.key, key.value, key.file)?;
        }
        Ok(())
    }
}

/// A value that stands in a file and can be changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Key {
    /// Its keys from the top of the file, as `--set` takes them.
    pub key: String,
    /// Its value as written.
    pub value: String,
    /// Its file.
    pub file: String,
}

/// One change: the keys from the top of the file, and the value as TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    keys: Vec<String>,
    value: String,
}

impl Change {
    /// From `key=value`. A value that is no TOML is a text.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn parse(given: &str) -> Result<Self, VaryError> {
        let form = || VaryError::Form { given: given.into() };
        // An id may hold a = in quotes; the first one outside of quotes separates.
        let mut quoted = false;
        let at = given.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == '=' && !quoted
        });
        let (key, value) = given.split_at(at.ok_or_else(form)?.0);
        let (key, value) = (key.trim(), value.trim_start_matches('=').trim());
        let is_toml = |value: &str| format!("x = {value}").parse::<toml::Table>().is_ok();
        let value =
            if is_toml(value) { value.to_owned() } else { toml::Value::String(value.into()).to_string() };
        let mut keys = Vec::new();
        let mut table = format!("{key} = 0").parse::<toml::Table>().map_err(|_| form())?;
        while let Some((key, inner)) = table.into_iter().next() {
            keys.push(key);
            table = if let toml::Value::Table(inner) = inner { inner } else { toml::Table::new() };
        }
        Ok(Self { keys, value })
    }

    /// The keys and a number.
    pub fn number(keys: &[&str], value: f64) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Self { keys, value: format!("{value:?}") }
    }

    /// The keys and the value, the value written as a text.
    pub fn text(keys: &[&str], value: &str) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Self { keys, value: toml::Value::String(value.into()).to_string() }
    }
}

/// Copies the TOML files of `folder`, device templates included, into `into` (made if need be) with `changes`.
///
/// # Errors
/// When a file cannot be read or written, or a key stands in none.
pub fn copy(folder: &Path, into: &Path, changes: &[Change]) -> Result<(), VaryError> {
    let mut files = read(folder)?;
    for change in changes {
        let mut found = false;
        for (path, _, text) in &mut files {
            if let Some(span) = find(path, text, &change.keys)? {
                text.replace_range(span, &change.value);
                found = true;
            }
        }
        if !found {
            return Err(unknown(folder, &files, &change.keys));
        }
    }
    for (_, name, text) in files {
        let target = into.join(name);
        let inside = target.parent().unwrap_or(into);
        fs::create_dir_all(inside).map_err(failed(inside))?;
        fs::write(&target, text).map_err(failed(&target))?;
    }
    Ok(())
}

/// A file: its path, its path within the folder, its text.
type Sheet = (PathBuf, PathBuf, String);

fn failed(file: &Path) -> impl Fn(std::io::Error) -> VaryError + use<> {
    let file = file.display().to_string();
    move |error| VaryError::File { file: file.clone(), why: error.to_string() }
}

/// The TOML files of a folder, device templates included.
fn read(folder: &Path) -> Result<Vec<Sheet>, VaryError> {
    let mut files = Vec::new();
    // Device templates stand in a folder of their own; not every basin has one.
    for part in [Path::new(""), Path::new(TEMPLATES)] {
        let inside = folder.join(part);
        if part != Path::new("") && !inside.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&inside).map_err(failed(&inside))? {
            let entry = entry.map_err(failed(&inside))?;
            let path = entry.path();
            if path.is_file() && path.extension().is_some_and(|ending| ending == "toml") {
                let text = fs::read_to_string(&path).map_err(failed(&path))?;
                files.push((path, part.join(entry.file_name()), text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// All values of a folder that can be changed, in order of file and key.
///
/// # Errors
/// When a file cannot be read or is no TOML.
pub fn keys(folder: &Path) -> Result<Vec<Key>, VaryError> {
    let mut all = Vec::new();
    for (path, name, text) in read(folder)? {
        collect(&path, &name, &text, &mut all)?;
    }
    all.sort_by(|a, b| (&a.file, &a.key).cmp(&(&b.file, &b.key)));
    Ok(all)
}

fn collect(path: &Path, name: &Path, text: &str, all: &mut Vec<Key>) -> Result<(), VaryError> {
    let root = DeTable::parse(text).map_err(|error| VaryError::File {
        file: path.display().to_string(),
        why: error.message().to_owned(),
    })?;
    let file = name.display().to_string();
    let mut open = vec![(String::new(), root.get_ref())];
    while let Some((above, table)) = open.pop() {
        for (key, value) in table {
            let key = quoted(key.get_ref());
            let key = if above.is_empty() { key } else { format!("{above}.{key}") };
            if let Some(table) = value.get_ref().as_table() {
                open.push((key, table));
            } else {
                let value = text.get(value.span()).unwrap_or_default().to_owned();
                all.push(Key { key, value, file: file.clone() });
            }
        }
    }
    Ok(())
}

/// A key as TOML wants it: in quotes when it holds more than letters, digits, underscores and hyphens.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { toml::Value::String(key.into()).to_string() }
}

/// What is wrong with a key that stands nowhere.
fn unknown(folder: &Path, files: &[Sheet], keys: &[String]) -> VaryError {
    let key = keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(".");
    let mut all = Vec::new();
    for (path, name, text) in files {
        if let Err(error) = collect(path, name, text, &mut all) {
            return error;
        }
    }
    let within = format!("{key}.");
    let mut inside =
        all.iter().filter_map(|known| known.key.strip_prefix(&within)).map(str::to_owned).collect::<Vec<_>>();
    if !inside.is_empty() {
        inside.sort();
        inside.dedup();
        inside.truncate(20);
        return VaryError::Table { key, inside: inside.join(", ") };
    }
    // Quotes are what is forgotten most; they do not count.
    let plain = |key: &str| key.replace('"', "");
    let wanted = plain(&key);
    let far = |known: &Key| strsim::osa_distance(&wanted, &plain(&known.key));
    let mut near = all.iter().map(|known| (far(known), known)).collect::<Vec<_>>();
    near.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.key.cmp(&b.1.key)));
    let most = (wanted.chars().count() / 3).max(3);
    let near = near.into_iter().filter(|(far, _)| *far <= most).take(3).map(|(_, known)| known.clone());
    // Templates are many; their folder says enough.
    let (templates, own): (Vec<_>, Vec<_>) =
        files.iter().partition(|(_, name, _)| name.starts_with(TEMPLATES));
    let mut files = own.iter().map(|(_, name, _)| name.display().to_string()).collect::<Vec<_>>();
    if !templates.is_empty() {
        files.push(format!("{} files of {TEMPLATES}/", templates.len()));
    }
    let files = files.join(", ");
    VaryError::Unknown { key, folder: folder.display().to_string(), near: Near(near.collect()), files }
}

/// Where the value of `keys` stands in a file.
fn find(file: &Path, text: &str, keys: &[String]) -> Result<Option<Range<usize>>, VaryError> {
    let root = DeTable::parse(text).map_err(|error| VaryError::File {
        file: file.display().to_string(),
        why: error.message().to_owned(),
    })?;
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for (depth, key) in keys.iter().enumerate() {
        let table = match value.map(Spanned::get_ref) {
            None if depth == 0 => root.get_ref(),
            Some(DeValue::Table(table)) => table,
            Some(_) | None => return Ok(None),
        };
        value = table.get(key.as_str());
    }
    Ok(value.filter(|value| !value.get_ref().is_table()).map(Spanned::span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes() {
        let text = "# head\n[gate.\"a.v1\"]\nstroke_s = 180 # why\nname = \"x\"\n";
        let change = Change::parse("gate.\"a.v1\".stroke_s=90").unwrap();
        let span = find(Path::new("x"), text, &change.keys).unwrap().unwrap();
        let mut changed = text.to_owned();
        changed.replace_range(span, &change.value);
        assert_eq!(changed, text.replace("180", "90"));
    }

    #[test]
    fn what_is_no_number_is_a_text() {
        assert_eq!(Change::parse("service.start_mode=manual").unwrap().value, "\"manual\"");
        assert_eq!(Change::parse("control.siren_above = 5.0").unwrap().value, "5.0");
        assert!(Change::parse("control").is_err());
    }

    #[test]
    fn a_key_that_stands_nowhere_is_told() {
        let from = tempfile::tempdir().unwrap();
        fs::write(from.path().join("a.toml"), "[a]\nb = 1\n").unwrap();
        let into = tempfile::tempdir().unwrap();
        let change = [Change::parse("a.c=2").unwrap()];
        assert!(copy(from.path(), into.path(), &change).unwrap_err().to_string().contains("a.c"));
        copy(from.path(), into.path(), &[Change::parse("a.b=2").unwrap()]).unwrap();
        assert_eq!(fs::read_to_string(into.path().join("a.toml")).unwrap(), "[a]\nb = 2\n");
    }

    #[test]
    fn a_misspelt_key_is_told_its_nearest() {
        let from = tempfile::tempdir().unwrap();
        let text = "[control]\nmin_interval_s = 900\ntick_s = 1\n[gate.\"zf.eco.v1\"]\nstroke_s = 90\n";
        fs::write(from.path().join("basin.toml"), text).unwrap();
        let into = tempfile::tempdir().unwrap();
        let told = |given: &str| {
            let change = [Change::parse(given).unwrap()];
            copy(from.path(), into.path(), &change).unwrap_err().to_string()
        };
        let misspelt = told("control.min_intervall_s=1");
        assert!(misspelt.contains("nearest are control.min_interval_s = 900 (basin.toml)"), "{misspelt}");
        // The commonest slip: an id with dots, without its quotes.
        let unquoted = told("gate.zf.eco.v1.stroke_s=1");
        assert!(unquoted.contains("gate.\"zf.eco.v1\".stroke_s = 90"), "{unquoted}");
        assert!(told("gate.\"zf.eco.v1\"=1").contains("add one of stroke_s"));
        assert!(!told("quite.another=1").contains("nearest"));
    }

    #[test]
    fn device_templates_are_copied_and_changed_too() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("devices")).unwrap();
        fs::write(from.path().join("devices/box.toml"), "[layout.box]\nscale = 1.0\n").unwrap();
        let into = tempfile::tempdir().unwrap();
        copy(from.path(), into.path(), &[Change::parse("layout.box.scale=0.1").unwrap()]).unwrap();
        let text = fs::read_to_string(into.path().join("devices/box.toml")).unwrap();
        assert_eq!(text, "[layout.box]\nscale = 0.1\n");
    }
}
