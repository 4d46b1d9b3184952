//! For tests: every command a document names is one there is, with the options it is given.

use std::fs;
use std::path::Path;

use clap::Command;

/// What is read; the folders whole.
const DOCUMENTS: &[&str] = &["README.md", "config/README.md", "simulators/README.md", "ops"];
/// What may stand before a command.
const BEFORE: &[&str] =
    &["sudo -u qindan ", "runuser -u qindan -- ", "/usr/bin/", "ExecStart=", "ExecStartPre=", "echo \"  "];

/// Panics with every place that names a command of `program`, or an option of one, that `command` does not have.
pub(crate) fn check(program: &str, command: &Command) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root =
        own.ancestors().find(|folder| folder.join("ops/runbook.md").is_file()).expect("the repository");
    let mut found = 0;
    let mut wrong = Vec::new();
    for file in DOCUMENTS.iter().flat_map(|name| files(&root.join(name))) {
        let text = fs::read_to_string(&file).unwrap();
        for span in spans(&text, file.extension().is_some_and(|ending| ending == "md")) {
            for part in span.split(" && ").flat_map(|part| part.split(" | ")) {
                let words = plain(part);
                if words.first() != Some(&program) || words.len() < 2 {
                    continue;
                }
                found += 1;
                if let Err(why) = known(command, &words[1..]) {
                    wrong.push(format!("{}: {span}: {why}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{found} mentions of commands of {program}");
    assert!(found > 10, "{found}");
}

/// Documents, units and scripts of the package.
fn files(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    let is_read = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("md" | "service" | "timer")) || path.ends_with("debian/postinst")
    };
    below.filter(|path| is_read(path)).collect()
}

/// Lines of blocks of code, and what stands in backquotes; of other files all lines.
fn spans(text: &str, is_document: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 1 || !is_document {
            found.extend(part.lines().map(|line| line.trim_end_matches('"').to_owned()));
        } else {
            let words = part.split_whitespace().collect::<Vec<_>>().join(" ");
            found.extend(words.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The words of a command, without what stands before it and after it.
fn plain(text: &str) -> Vec<&str> {
    let mut text = text.trim_start();
    while let Some(rest) = BEFORE.iter().find_map(|before| text.strip_prefix(before)) {
        text = rest;
    }
    let words = text.split_whitespace().take_while(|word| !word.starts_with(['>', '<', '#', ';']));
    words.map(|word| word.trim_matches(['[', ']', ',', '.', '"'])).collect()
}

/// Whether the command has what is asked of it; words after a slash are in place of the one before it.
fn known(command: &Command, words: &[&str]) -> Result<(), String> {
    let (mut parent, mut at) = (command, command);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if *word == "/" {
            let Some(next) = words.next() else { break };
            at = parent.find_subcommand(next).ok_or_else(|| format!("there is no {next}"))?;
        } else if let Some(option) = word.strip_prefix("--") {
            let option = option.split('=').next().unwrap_or_default();
            let is_there = at.get_arguments().any(|argument| argument.get_long() == Some(option));
            if !(is_there || ["help", "version", ""].contains(&option)) {
                return Err(format!("{} has no --{option}", at.get_name()));
            }
        } else if word.starts_with('-') && word.len() == 2 {
            let short = word.chars().nth(1);
            if !at.get_arguments().any(|argument| argument.get_short() == short) {
                return Err(format!("{} has no {word}", at.get_name()));
            }
        } else if at.has_subcommands() && *word != "…" {
            parent = at;
            at = at.find_subcommand(word).ok_or_else(|| format!("there is no {word}"))?;
        }
    }
    Ok(())
}
