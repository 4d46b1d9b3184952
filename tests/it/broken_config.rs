//! Folders that are wrong: each fault is named with file, line, key, value and remedy, all of them at once, and no
//! damage of any kind makes the loader fall over.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use qindan::config::{self, Problem};
use serde::Deserialize;
use tempfile::TempDir;

const FILES: [&str; 4] = ["basin.toml", "devices.toml", "schedules.toml", "service.toml"];

/// Set to `write` to make the messages anew.
const REGENERATE: &str = "QINDAN_GOLDEN";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    edit: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    under: Option<String>,
    find: String,
    put: String,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with `texts` in place of the four files.
fn folder(texts: &[Vec<u8>; 4]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in FILES.iter().zip(texts) {
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

fn shipped() -> [String; 4] {
    FILES.map(|file| fs::read_to_string(root("config").join(file)).unwrap())
}

impl Edit {
    /// Replaces `find` once: inside the block that `under` begins, or where it stands alone.
    fn apply(&self, text: &mut String) {
        let (from, to) = match &self.under {
            Some(header) => {
                let from = text.find(&format!("\n{header}")).unwrap_or_else(|| panic!("no {header}")) + 1;
                let to = text[from + 1..].find("\n[").map_or(text.len(), |at| from + 1 + at);
                (from, to)
            }
            None => (0, text.len()),
        };
        let block = &text[from..to];
        assert_eq!(block.matches(&self.find).count(), 1, "{} under {:?}", self.find, self.under);
        let changed = block.replace(&self.find, &self.put);
        text.replace_range(from..to, &changed);
    }
}

/// Problems of a folder with `texts`, and the whole message.
fn problems(texts: &[String; 4]) -> (Vec<Problem>, String) {
    let folder = folder(&texts.clone().map(String::into_bytes));
    match config::load(folder.path()) {
        Ok(_) => (Vec::new(), "no problems".into()),
        Err(problems) => {
            let place = format!("{}/", folder.path().display());
            (problems.list().to_vec(), problems.to_string().replace(&place, "config/"))
        }
    }
}

/// The text of the line a problem names.
fn line<'t>(texts: &'t [String; 4], problem: &Problem) -> &'t str {
    let file = FILES.iter().position(|file| problem.file.ends_with(file)).unwrap();
    problem.line.map_or("", |line| texts[file].lines().nth(line - 1).unwrap_or_default().trim())
}

/// What `check` says to a case. In place of its number, which moves with every edit of the shipped files, each problem
/// shows the line itself.
fn answer(case: &Case) -> String {
    let mut texts = shipped();
    for edit in &case.edit {
        let at = FILES.iter().position(|file| *file == edit.file).unwrap();
        edit.apply(&mut texts[at]);
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
    let cases: Cases =
        toml::from_str(&fs::read_to_string(root("tests/golden/config/cases.toml")).unwrap()).unwrap();
    assert!(cases.case.len() >= 30);
    let mut said = String::new();
    for case in &cases.case {
        writeln!(said, "== {}\n{}", case.name, answer(case)).unwrap();
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
    let texts = shipped();
    let folder = folder(&texts.map(String::into_bytes));
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
    let mut texts = shipped().map(String::into_bytes);
    let at = texts[3].windows(4).position(|part| part == b"true").unwrap();
    texts[3][at] = 0xff;
    let problems = config::load(folder(&texts).path()).unwrap_err();
    let broken = problems.list().iter().find(|problem| problem.what.contains("UTF-8")).unwrap();
    assert_eq!(broken.line, Some(5), "{problems}");
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
    fn no_damage_makes_the_loader_fall_over(file in 0..4_usize, damages in prop::collection::vec(damage(), 1..4)) {
        let mut texts = shipped().map(String::into_bytes);
        for damage in &damages {
            hurt(&mut texts[file], damage);
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
