//! The scripts of the page as one file, which is a quarter smaller compressed than its thirty parts and one request: part of the
//! build, and of the library for its tests.
//!
//! Modules stand one after the other in the order a browser would run them, in one scope: what two of them declare at their top
//! must have two names, and the build says where it has not. Our own because the bundler of Rust that is well kept (rolldown)
//! brings 277 crates and a newer compiler than ours into the build, and of ours one form of import is all that is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Scripts by their name.
pub(crate) type Scripts = BTreeMap<String, String>;

/// `scripts` with all that `entry` imports in one, called like it; those that are loaded later stay files of their own and
/// import from that one.
///
/// # Errors
/// What cannot be read, or is declared twice, with its file.
pub(crate) fn bundled(entry: &str, scripts: &Scripts) -> Result<Scripts, String> {
    let mut order = Vec::new();
    follow(entry, scripts, &mut BTreeSet::new(), &mut order)?;
    let (mut one, mut owners) = (String::new(), BTreeMap::<&str, &str>::new());
    for name in &order {
        for line in scripts.get(*name).map(String::as_str).unwrap_or_default().lines() {
            if import(name, line)?.is_some() {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            if let Some(declared) = declared(line)
                && let Some(other) = owners.insert(declared, name)
            {
                return Err(format!("{name}: {declared} is declared in {other} too; give it another name"));
            }
            one.push_str(line);
            one.push('\n');
        }
    }
    let (mut out, mut lent) = (Scripts::new(), BTreeSet::new());
    for (name, text) in scripts {
        let mut own = String::new();
        let is_inside = order.contains(&name.as_str());
        for line in text.lines() {
            match import(name, line)? {
                Some((wanted, from)) if order.contains(&from) => {
                    for one in &wanted {
                        if owners.get(one) != Some(&from) {
                            return Err(format!("{name}: {from} declares no {one}"));
                        }
                    }
                    if !is_inside {
                        let _ = writeln!(own, "import {{ {} }} from \"./{entry}\";", wanted.join(", "));
                        lent.extend(wanted);
                    }
                }
                Some(_) | None => {
                    own.push_str(line);
                    own.push('\n');
                }
            }
        }
        if !is_inside {
            out.insert(name.clone(), own);
        }
    }
    let lent: Vec<_> = lent.into_iter().collect();
    if !lent.is_empty() {
        let _ = writeln!(one, "export {{ {} }};", lent.join(", "));
    }
    out.insert(entry.to_owned(), one);
    Ok(out)
}

/// `name` behind all that it imports.
fn follow<'a>(
    name: &'a str,
    scripts: &'a Scripts,
    met: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<(), String> {
    if !met.insert(name) {
        return Ok(());
    }
    let text = scripts.get(name).ok_or_else(|| format!("{name}: no such script"))?;
    for line in text.lines() {
        if let Some((_, from)) = import(name, line)? {
            follow(from, scripts, met, order)?;
        }
    }
    order.push(name);
    Ok(())
}

/// What a line imports, and from which file.
fn import<'a>(name: &str, line: &'a str) -> Result<Option<(Vec<&'a str>, &'a str)>, String> {
    let Some(rest) = line.strip_prefix("import ") else { return Ok(None) };
    let read = || {
        let (names, from) = rest.strip_prefix("{ ")?.strip_suffix("\";")?.split_once(" } from \"./")?;
        let names: Vec<_> = names.split(", ").collect();
        names.iter().all(|one| is_name(one)).then_some((names, from))
    };
    read().map(Some).ok_or_else(|| format!("{name}: write import {{ a, b }} from \"./c.js\"; not {line}"))
}

/// What a line declares for the whole file: such lines begin at the margin.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = ["function ", "const ", "let ", "class "].iter().find_map(|word| line.strip_prefix(word))?;
    let end = rest.find(|letter: char| !is_letter(letter)).unwrap_or(rest.len());
    rest.get(..end)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_letter)
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(of: &[(&str, &str)]) -> Scripts {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn parts_stand_in_the_order_they_run_and_what_is_loaded_later_asks_the_whole() {
        let all = scripts(&[
            ("app.js", "import { a } from \"./a.js\";\nimport { b } from \"./b.js\";\n\na(b);\n"),
            // These two ask each other: a browser runs the one it meets last first.
            ("a.js", "import { b } from \"./b.js\";\nexport function a(x) {\n  return b + x;\n}\n"),
            ("b.js", "import { a } from \"./a.js\";\nexport const b = 1;\nexport const c = () => a(2);\n"),
            ("later.js", "import { c } from \"./b.js\";\nexport function go() {\n  c();\n}\n"),
            ("en.js", "export default {\n};\n"),
        ]);
        let expected = scripts(&[
            (
                "app.js",
                "const b = 1;\nconst c = () => a(2);\nfunction a(x) {\n  return b + x;\n}\n\na(b);\nexport { c };\n",
            ),
            ("en.js", "export default {\n};\n"),
            ("later.js", "import { c } from \"./app.js\";\nexport function go() {\n  c();\n}\n"),
        ]);
        assert_eq!(bundled("app.js", &all), Ok(expected));
    }

    #[test]
    fn what_would_change_its_meaning_is_refused() {
        let cases = [
            (
                "import { a } from \"./a.js\";\nconst x = 1;\n",
                "const x = 2;\nexport const a = 3;\n",
                "app.js: x is declared in a.js too",
            ),
            ("import { b } from \"./a.js\";\n", "export const a = 3;\n", "app.js: a.js declares no b"),
            ("import { a as b } from \"./a.js\";\n", "export const a = 3;\n", "app.js: write import"),
            ("import * as a from \"./a.js\";\n", "", "app.js: write import"),
            ("import { a } from \"./c.js\";\n", "", "c.js: no such script"),
        ];
        for (app, other, why) in cases {
            let said = bundled("app.js", &scripts(&[("app.js", app), ("a.js", other)])).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
    }
}
