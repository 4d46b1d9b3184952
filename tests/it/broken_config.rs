//! Folders that are wrong: each fault is named with file, line, key, value and remedy, all of them at once, and no
//! damage of any kind makes the loader fall over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use qindan::config::{self, Problem};
use serde::Deserialize;
use tempfile::TempDir;

/// Files by their path inside the folder.
type Texts = BTreeMap<String, Vec<u8>>;

/// Set to `write` to make the messages anew.
const REGENERATE: &str = "QINDAN_GOLDEN";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// Edits that are right, for cases to stand on.
    base: BTreeMap<String, Vec<Edit>>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The base it stands on, when not the shipped folder as it is.
    on: Option<String>,
    edit: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    under: Option<String>,
    /// Nothing makes the file anew.
    find: Option<String>,
    put: String,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with `texts` in place of its files.
fn folder(texts: &Texts) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("devices")).unwrap();
    for (file, text) in texts {
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

fn shipped() -> Texts {
    let mut texts = Texts::new();
    for inside in ["", "devices/"] {
        for entry in fs::read_dir(root("config").join(inside)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let name = path.file_name().unwrap().to_str().unwrap();
                texts.insert(format!("{inside}{name}"), fs::read(&path).unwrap());
            }
        }
    }
    texts
}

impl Edit {
    /// Replaces `find` once: inside the block that `under` begins, or where it stands alone.
    fn apply(&self, texts: &mut Texts) {
        let Some(find) = &self.find else {
            assert!(
                texts.insert(self.file.clone(), self.put.clone().into_bytes()).is_none(),
                "{}",
                self.file
            );
            return;
        };
        let bytes = texts.get_mut(&self.file).unwrap_or_else(|| panic!("no {}", self.file));
        let mut text = String::from_utf8(std::mem::take(bytes)).unwrap();
        let (from, to) = match &self.under {
            Some(header) => {
                let from = text.find(&format!("\n{header}")).unwrap_or_else(|| panic!("no {header}")) + 1;
                let to = text[from + 1..].find("\n[").map_or(text.len(), |at| from + 1 + at);
                (from, to)
            }
            None => (0, text.len()),
        };
        let block = &text[from..to];
        assert_eq!(block.matches(find).count(), 1, "{find} under {:?}", self.under);
        let changed = block.replace(find, &self.put);
        text.replace_range(from..to, &changed);
        *bytes = text.into_bytes();
    }
}

/// Problems of a folder with `texts`, and the whole message.
fn problems(texts: &Texts) -> (Vec<Problem>, String) {
    let folder = folder(texts);
    match config::load(folder.path()) {
        Ok(_) => (Vec::new(), "no problems".into()),
        Err(problems) => {
            let place = format!("{}/", folder.path().display());
            let named = |problem: &Problem| Problem {
                file: problem.file.replace(&place, ""),
                what: problem.what.replace(&place, ""),
                ..problem.clone()
            };
            (problems.list().iter().map(named).collect(), problems.to_string().replace(&place, "config/"))
        }
    }
}

/// The text of the line a problem names.
fn line<'t>(texts: &'t Texts, problem: &Problem) -> &'t str {
    let text = std::str::from_utf8(&texts[&problem.file]).unwrap();
    problem.line.map_or("", |line| text.lines().nth(line - 1).unwrap_or_default().trim())
}

/// The shipped files, with the edits of a base.
fn based(on: Option<&str>, base: &BTreeMap<String, Vec<Edit>>) -> Texts {
    let mut texts = shipped();
    for edit in on.iter().flat_map(|on| &base[*on]) {
        edit.apply(&mut texts);
    }
    texts
}

/// The shipped basin with the flow at Duanshi from a rating, as the cases have it.
pub(crate) fn rated() -> TempDir {
    folder(&based(Some("rating"), &cases().base))
}

fn cases() -> Cases {
    toml::from_str(&fs::read_to_string(root("tests/golden/config/cases.toml")).unwrap()).unwrap()
}

/// What `check` says to a case. In place of its number, which moves with every edit of the shipped files, each problem
/// shows the line itself.
fn answer(case: &Case, base: &BTreeMap<String, Vec<Edit>>) -> String {
    let mut texts = based(case.on.as_deref(), base);
    for edit in &case.edit {
        edit.apply(&mut texts);
    }
    let (list, message) = problems(&texts);
    assert!(!list.is_empty(), "{}: nothing was found", case.name);
    let mut out = String::new();
    for (shown, problem) in message.lines().zip(&list) {
        let number = problem.line.map_or(String::new(), |line| format!(":{line}"));
        writeln!(out, "{}", shown.replacen(&number, "", 1)).unwrap();
        writeln!(out, "    | {}", line(&texts, problem)).unwrap();
    }
    for rest in message.lines().skip(list.len()) {
        writeln!(out, "{rest}").unwrap();
    }
    out
}

#[test]
fn every_fault_is_named_with_its_place_and_remedy() {
    let cases = cases();
    assert!(cases.case.len() >= 30);
    let mut said = String::new();
    for case in &cases.case {
        writeln!(said, "== {}\n{}", case.name, answer(case, &cases.base)).unwrap();
    }
    let golden = root("tests/golden/config/messages.txt");
    if std::env::var_os(REGENERATE).is_some_and(|value| value == "write") {
        fs::write(&golden, &said).unwrap();
    }
    let wanted = fs::read_to_string(&golden).unwrap_or_default();
    let differs = said.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| said.lines().count().min(wanted.lines().count()));
    assert!(
        said == wanted,
        "line {} of messages.txt differs ({REGENERATE}=write makes it anew):\n  now   {}\n  file  {}",
        at + 1,
        said.lines().nth(at).unwrap_or("(end)"),
        wanted.lines().nth(at).unwrap_or("(end)"),
    );
}

#[test]
fn a_missing_file_is_named_and_what_stands_in_it_is_not_missed() {
    let folder = folder(&shipped());
    fs::remove_file(folder.path().join("service.toml")).unwrap();
    let problems = config::load(folder.path()).unwrap_err();
    let [only] = problems.list() else { panic!("{problems}") };
    assert!(only.file.ends_with("service.toml") && only.line.is_none(), "{problems}");
    assert!(only.what.contains("there is no such file"), "{problems}");
}

#[test]
fn a_folder_that_is_not_there_is_one_problem() {
    let problems = config::load(Path::new("no/such/basin")).unwrap_err().to_string();
    let wanted = "no/such/basin  is no folder; name the folder that has basin.toml, devices.toml, schedules.toml, \
                  service.toml\n1 problem; nothing was started";
    assert_eq!(problems, wanted);
}

#[test]
fn text_that_is_not_utf_8_is_named_with_its_line() {
    let mut texts = shipped();
    let text = texts.get_mut("service.toml").unwrap();
    let at = text.windows(4).position(|part| part == b"true").unwrap();
    text[at] = 0xff;
    let problems = config::load(folder(&texts).path()).unwrap_err();
    let broken = problems.list().iter().find(|problem| problem.what.contains("UTF-8")).unwrap();
    assert_eq!(broken.line, Some(5), "{problems}");
}

#[test]
fn a_template_that_cannot_be_read_is_named_and_its_layouts_are_not_missed() {
    let folder = folder(&shipped());
    let template = folder.path().join("devices/gate_box.toml");
    fs::remove_file(&template).unwrap();
    fs::create_dir(&template).unwrap();
    let problems = config::load(folder.path()).unwrap_err();
    let [only] = problems.list() else { panic!("{problems}") };
    assert!(only.file.ends_with("devices/gate_box.toml") && only.line.is_none(), "{problems}");
    assert_eq!(only.what, "cannot be read (it is a folder)");
    assert_eq!(only.remedy, "make it a readable file of [layout.NAME] tables, or remove it");
}

#[test]
fn templates_that_are_no_folder_are_one_problem_more() {
    let folder = folder(&Texts::new());
    for (file, text) in shipped().iter().filter(|(file, _)| !file.starts_with("devices/")) {
        fs::write(folder.path().join(file), text).unwrap();
    }
    fs::remove_dir(folder.path().join("devices")).unwrap();
    fs::write(folder.path().join("devices"), "").unwrap();
    let problems = config::load(folder.path()).unwrap_err();
    let first = problems.list().first().unwrap();
    assert!(first.file.ends_with("/devices"), "{problems}");
    assert_eq!(first.what, "cannot be read (it is no folder)");
}

/// One thing that can happen to the bytes of a file.
#[derive(Clone, Debug)]
enum Damage {
    Byte { at: prop::sample::Index, to: u8 },
    Cut { at: prop::sample::Index, length: usize },
    Twice { at: prop::sample::Index, length: usize },
    End { at: prop::sample::Index },
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, to)| Damage::Byte { at, to }),
        (any::<prop::sample::Index>(), 1..40_usize).prop_map(|(at, length)| Damage::Cut { at, length }),
        (any::<prop::sample::Index>(), 1..200_usize).prop_map(|(at, length)| Damage::Twice { at, length }),
        any::<prop::sample::Index>().prop_map(|at| Damage::End { at }),
    ]
}

fn hurt(text: &mut Vec<u8>, damage: &Damage) {
    if text.is_empty() {
        return;
    }
    match damage {
        Damage::Byte { at, to } => {
            let at = at.index(text.len());
            text[at] = *to;
        }
        Damage::Cut { at, length } => {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.drain(at..end);
        }
        Damage::Twice { at, length } => {
            let at = at.index(text.len());
            let part = text[at..(at + length).min(text.len())].to_vec();
            text.splice(at..at, part);
        }
        Damage::End { at } => text.truncate(at.index(text.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_the_loader_fall_over(file: prop::sample::Index, damages in prop::collection::vec(damage(), 1..4)) {
        let mut texts = shipped();
        let at = file.index(texts.len());
        let text = texts.values_mut().nth(at).unwrap();
        for damage in &damages {
            hurt(text, damage);
        }
        let folder = folder(&texts);
        if let Err(problems) = config::load(folder.path()) {
            prop_assert!(!problems.list().is_empty());
            for problem in problems.list() {
                prop_assert!(!problem.what.is_empty() && !problem.remedy.is_empty(), "{problem}");
            }
        }
    }
}
