//! Copies of a configuration folder with some values changed, everything else as it stands.

use std::fs;
use std::ops::Range;
use std::path::Path;

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
    #[error("--set {key}: no file of {folder} has this key; only values that stand in a file can be changed")]
    Unknown {
        /// The key.
        key: String,
        /// The folder.
        folder: String,
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
    let failed = |file: &Path| {
        let file = file.display().to_string();
        move |error: std::io::Error| VaryError::File { file, why: error.to_string() }
    };
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
    for change in changes {
        let mut found = false;
        for (path, _, text) in &mut files {
            if let Some(span) = find(path, text, &change.keys)? {
                text.replace_range(span, &change.value);
                found = true;
            }
        }
        if !found {
            let folder = folder.display().to_string();
            return Err(VaryError::Unknown { key: change.keys.join("."), folder });
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
