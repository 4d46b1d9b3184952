//! What no lint sees: who may name what, how long a file may be, which documents must keep up with the code.

use std::fs;
use std::path::{Path, PathBuf};

use qindan::control::alarm;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` that end in `ending`, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} files below {folder}");
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Lines of code that contain one of `words`, as `file:line: text`; comments do not count.
fn lines_with(files: &[PathBuf], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (at, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{}: {}", name(file), at + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn what_decides_does_no_input_or_output() {
    let files = files("src/control", ".rs");
    let words =
        ["tokio", "std::fs", "std::io", "std::net", "std::env", "sled", "axum", "tracing::", "crate::shell"];
    assert_eq!(lines_with(&files, &words), Vec::<String>::new());
}

#[test]
fn what_is_remembered_is_written_whole() {
    // A field left out of the stored state is a decision that comes out differently when it is made again.
    // But for the hours of a series, which are found again from its bins when it is read.
    let mut files = files("src/control", ".rs");
    files.retain(|file| !file.ends_with("series.rs"));
    let words = ["serde(skip)", " skip)", "skip_serializing)", "skip_serializing,", "skip_deserializing"];
    assert_eq!(lines_with(&files, &words), Vec::<String>::new());
}

#[test]
fn the_plant_shares_no_equation_with_the_controller() {
    let files = files("simulators/src/plant", ".rs");
    assert_eq!(lines_with(&files, &["control::", "::control", "shell::"]), Vec::<String>::new());
}

#[test]
fn one_file_names_the_store() {
    let files = files("src", ".rs");
    let named = lines_with(&files, &["sled::"]);
    let elsewhere: Vec<_> =
        named.into_iter().filter(|line| !line.starts_with("src/shell/store/view.rs")).collect();
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn no_file_is_two_ideas_long() {
    let all = [files("src", ".rs"), files("simulators/src", ".rs")].concat();
    let long: Vec<_> = all
        .iter()
        .map(|file| (fs::read_to_string(file).unwrap().lines().count(), name(file)))
        .filter(|(lines, _)| *lines > 600)
        .collect();
    assert_eq!(long, Vec::<(usize, String)>::new());
}

#[test]
fn every_alarm_is_explained_as_it_is_configured() {
    let text = fs::read_to_string(root().join("ops/alarms.md")).unwrap();
    for (id, priority, on, off) in alarm::LIST {
        let row = format!("| {id} | {priority} | {on} / {off} |");
        assert!(text.contains(&row), "ops/alarms.md has no row starting with {row}");
    }
}

#[test]
fn the_top_level_holds_what_it_should() {
    const PERMITTED: &[&str] = &[
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "clippy.toml",
        "config",
        "ops",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "simulators",
        "src",
        "tests",
    ];
    let mut found: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target" && !name.starts_with("target-"))
        .filter(|name| name != "demo-data" && name != "out")
        .collect();
    found.sort();
    let surplus: Vec<_> = found.iter().filter(|name| !PERMITTED.contains(&name.as_str())).collect();
    assert_eq!(surplus, Vec::<&String>::new());
}

#[test]
fn the_service_does_not_depend_on_the_simulators() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    for table in ["dependencies", "build-dependencies"] {
        let names = manifest[table].as_table().unwrap();
        assert!(!names.contains_key("qindan-sim"), "[{table}] names the simulators");
    }
}
