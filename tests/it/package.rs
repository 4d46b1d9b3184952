//! The Debian package: what is in it, with which modes, and that no script of it touches the record.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Files below a folder of the repository by their names there.
fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root().join(folder)).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn is(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == ending)
}

/// Packs the program as the tests have it.
fn packed(out: &Path) -> PathBuf {
    let arguments = ["--binary", env!("CARGO_BIN_EXE_qindan"), "--out", out.to_str().unwrap(), "--fast"];
    let said = said("ops/package", &arguments);
    let (file, _) = said.lines().last().unwrap().split_once(": ").unwrap();
    PathBuf::from(file)
}

#[test]
fn the_package_holds_what_it_should_with_the_right_modes() {
    let out = tempfile::tempdir().unwrap();
    let package = packed(out.path());
    let package = package.to_str().unwrap();
    let listed = said("dpkg-deb", &["--contents", package]);
    let mut found = BTreeMap::new();
    for line in listed.lines() {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next().unwrap(), words.next().unwrap());
        let path = words.next_back().unwrap().trim_start_matches('.');
        assert_eq!(owner, "root/root", "{line}");
        if mode.starts_with('d') {
            assert_eq!(mode, "drwxr-xr-x", "{line}");
        } else {
            found.insert(path.to_owned(), mode.to_owned());
        }
    }
    let (plain, program) = ("-rw-r--r--", "-rwxr-xr-x");
    let mut expected = BTreeMap::from([("/usr/bin/qindan".to_owned(), program.to_owned())]);
    let mut expect = |path: String, mode: &str| expected.insert(path, mode.to_owned());
    let configuration = below("config").into_iter().filter(|name| is(name, "toml"));
    let configuration: Vec<_> = configuration.map(|name| format!("/etc/qindan/{name}")).collect();
    for name in &configuration {
        expect(name.clone(), plain);
    }
    for unit in ["qindan.service", "qindan-backup.service", "qindan-backup.timer"] {
        expect(format!("/lib/systemd/system/{unit}"), plain);
    }
    expect("/usr/share/man/man1/qindan.1.gz".into(), plain);
    let documents = [
        "CHANGELOG.md.gz",
        "alarms.md",
        "changelog.gz",
        "configuration.md",
        "copyright",
        "golive.md",
        "golive.zh.md",
        "licences.txt.gz",
        "manual.md",
        "runbook.md",
        "examples/qindan-serial.conf",
    ];
    for name in documents {
        expect(format!("/usr/share/doc/qindan/{name}"), plain);
    }
    for script in ["verify-export", "shadow"] {
        expect(format!("/usr/share/doc/qindan/examples/{script}"), program);
    }
    for name in below("ops/pictures") {
        expect(format!("/usr/share/doc/qindan/pictures/{name}"), plain);
    }
    for folder in ["client", "prometheus", "grafana"] {
        for name in below(&format!("ops/{folder}")) {
            let runs = folder == "client" && !is(&name, "md");
            let mode = if runs { program } else { plain };
            expect(format!("/usr/share/doc/qindan/examples/{folder}/{name}"), mode);
        }
    }
    assert_eq!(found, expected);

    let files = tempfile::tempdir().unwrap();
    said("dpkg-deb", &["--raw-extract", package, files.path().to_str().unwrap()]);
    let read = |name: &str| fs::read_to_string(files.path().join(name)).unwrap();
    // A file of the configuration that is not named here would be written over by an upgrade.
    assert_eq!(read("DEBIAN/conffiles").lines().collect::<Vec<_>>(), configuration);
    let control = read("DEBIAN/control");
    let version = format!("Version: {}", env!("CARGO_PKG_VERSION"));
    assert!(control.contains(&version) && control.contains("Depends: adduser, libc6"), "{control}");
    let rights = read("usr/share/doc/qindan/copyright");
    for part in ["tokio ", "axum ", "sled ", "ring "] {
        assert!(rights.lines().any(|line| line.trim_start().starts_with(part)), "{part}: {rights}");
    }
    let check = files.path().join("etc/qindan");
    let checked = Command::new(files.path().join("usr/bin/qindan")).arg("check").arg(check).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// What installs, upgrades and removes starts nothing that did not run, and deletes nothing.
#[test]
fn no_script_of_the_package_deletes_or_starts() {
    for script in ["postinst", "prerm", "postrm"] {
        let path = root().join("ops/debian").join(script);
        said("sh", &["-n", path.to_str().unwrap()]);
        let text = fs::read_to_string(path).unwrap();
        let commands = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '"']));
        for line in commands.filter(|line| !line.starts_with("echo")) {
            for word in line.split_whitespace() {
                let forbidden = ["rm", "rmdir", "deluser", "userdel", "mv", "start", "restart", "enable"];
                assert!(!forbidden.contains(&word), "{script}: {line}");
            }
        }
    }
}

/// A manual that is read over a telephone line too: each picture it shows is there, below 150 kB, all below 1.2 MB.
#[test]
fn pictures_of_the_guides_are_there_and_small() {
    let mut shown = BTreeMap::new();
    for file in ["README.md", "ops/manual.md", "ops/runbook.md", "ops/golive.md", "ops/golive.zh.md"] {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split([')', '#']).next().unwrap();
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let target = path.parent().unwrap().join(link);
            assert!(target.exists(), "{file}: {link} is not there");
            if target.extension().is_some_and(|ending| ending == "png") {
                let bytes = fs::metadata(&target).unwrap().len();
                shown.insert(target.canonicalize().unwrap(), bytes);
            }
        }
    }
    for (picture, bytes) in &shown {
        assert!(*bytes < 150_000, "{}: {bytes} bytes", picture.display());
    }
    assert!(shown.values().sum::<u64>() < 1_200_000, "{shown:?}");
    let kept: Vec<_> = below("ops/pictures");
    assert_eq!(kept.len(), shown.len(), "a picture nobody shows: {kept:?}");
}

/// The units let their programs see little. Looked at where systemd is installed; it need not run.
#[test]
fn the_units_are_hardened() {
    for (unit, most) in [("qindan.service", 2.0), ("qindan-backup.service", 1.0)] {
        let path = format!("ops/{unit}");
        let arguments = ["security", "--offline=true", "--no-pager", path.as_str()];
        let looked = Command::new("systemd-analyze").args(arguments).current_dir(root()).output();
        let Ok(looked) = looked else {
            println!("no systemd-analyze here: {unit} was not looked at");
            return;
        };
        let said = String::from_utf8_lossy(&looked.stdout).into_owned();
        let (_, level) = said.split_once("Overall exposure level").unwrap_or_else(|| panic!("{said}"));
        let level: f64 = level.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        println!("{unit}: exposure {level}, at most {most}");
        assert!(level <= most, "{said}");
    }
}
