//! `qindan-sim compare A B`: two runs side by side.
//!
//! A side is a folder that `replay --out` wrote, a folder with a configuration, or a scenario; the latter two are run.

mod page;
mod rows;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::bound::Depth;
use crate::crew::{self, Progress};
use crate::decisions::Line;
use crate::replay;
use crate::summary::Summary;
use crate::sweep::METRICS;
use crate::vary::Change;

pub use page::page;

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Both sides.
    pub sides: [String; 2],
    /// Changes of the configuration of a side that is run.
    pub set: [Vec<String>; 2],
    /// Scenario for a side that is a configuration.
    pub scenario: String,
    /// Configuration folder for a side that is a scenario.
    pub config: Option<PathBuf>,
    /// Another seed, for sides that are run.
    pub seed: Option<u64>,
    /// How hard the perfect-foresight optimum is searched for, for sides that are run.
    pub bound: Option<Depth>,
    /// Folder for compare.html, and for the files of sides that are run.
    pub out: Option<PathBuf>,
}

/// A run that is over, by its files.
#[derive(Clone, Debug)]
pub struct Side {
    /// For people: what was asked for.
    pub label: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its summary.
    pub summary: Summary,
}

impl Side {
    /// From a folder that `replay --out` wrote.
    ///
    /// # Errors
    /// When there is no summary in it, or one of another version.
    pub fn read(label: &str, folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("summary.json");
        let text = fs::read(&file).with_context(|| {
            format!("{}: cannot be read; give a folder written by replay --out", file.display())
        })?;
        let summary = serde_json::from_slice(&text)
            .with_context(|| format!("{}: not a summary of this version; run it again", file.display()))?;
        Ok(Self { label: label.into(), folder: folder.into(), summary })
    }
}

/// Compares; the text goes to `out`. True when both sides passed.
///
/// # Errors
/// What is wrong with a side; what the disk says.
pub fn compare(order: &Order, out: &mut impl Write) -> anyhow::Result<bool> {
    let scratch = tempfile::tempdir()?;
    let into = order.out.as_deref().unwrap_or(scratch.path());
    let names = ["a", "b"];
    let jobs = [0_usize, 1];
    let mut cases = Vec::new();
    for at in jobs {
        cases.push(case(order, at)?);
    }
    let against = order.bound.map(|depth| replay::Against { depth, cache: None });
    let length = |case: &crate::scenario::Case| replay::work(case.scenario.duration, against);
    let progress = Progress::new(cases.iter().flatten().map(length));
    let sides = crew::each(&jobs, crew::size(None, 2), |at| -> anyhow::Result<Side> {
        let (Some(wanted), Some(set), Some(name)) =
            (order.sides.get(*at), order.set.get(*at), names.get(*at))
        else {
            anyhow::bail!("a comparison has two sides");
        };
        let Some(case) = cases.get(*at).and_then(Option::as_ref) else {
            return Side::read(wanted, Path::new(wanted));
        };
        let folder = into.join(name);
        let seed = order.seed.unwrap_or(case.scenario.seed);
        replay::play_one(
            case,
            seed,
            set,
            Some(replay::Folder { path: &folder, record: false }),
            against,
            &progress,
            &format!("{name} {}", case.scenario.id),
        )?;
        let label = if set.is_empty() { wanted.clone() } else { format!("{wanted} {}", set.join(" ")) };
        Side::read(&label, &folder)
    });
    progress.end();
    let mut sides = sides.into_iter();
    let (Some(a), Some(b)) = (sides.next(), sides.next()) else {
        anyhow::bail!("a comparison has two sides")
    };
    let (a, b) = (a?, b?);
    let first = first_difference(&a, &b)?;
    write!(out, "{}", text(&a, &b, first.as_ref()))?;
    if let Some(folder) = &order.out {
        fs::create_dir_all(folder)?;
        let file = folder.join("compare.html");
        fs::write(&file, page(&a, &b, first.as_ref())?)
            .with_context(|| format!("{}: cannot be written", file.display()))?;
        writeln!(out, "\nplots in {}", file.display())?;
    }
    Ok(a.summary.passes() && b.summary.passes())
}

/// The case of a side that has to be run; none for a folder with results.
fn case(order: &Order, at: usize) -> anyhow::Result<Option<crate::scenario::Case>> {
    let (Some(wanted), Some(set)) = (order.sides.get(at), order.set.get(at)) else { return Ok(None) };
    let path = Path::new(wanted);
    if path.join("summary.json").is_file() {
        anyhow::ensure!(
            set.is_empty(),
            "{wanted}: has been run already, --set cannot change it; name its scenario"
        );
        return Ok(None);
    }
    let changes = set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
    let case = if path.join("basin.toml").is_file() {
        replay::load(&order.scenario, Some(path), &changes)
    } else if path.is_dir() {
        anyhow::bail!(
            "{wanted}: holds neither summary.json nor basin.toml; give a folder of results or a configuration"
        );
    } else {
        replay::load(wanted, order.config.as_deref(), &changes)
    };
    Ok(Some(case.with_context(|| format!("side {}", if at == 0 { "A" } else { "B" }))?))
}

/// The first decision in which two runs differ: that of each, if it had one more.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Decisions before it, the same on both sides.
    pub same: usize,
    /// Of A.
    pub a: Option<Line>,
    /// Of B.
    pub b: Option<Line>,
}

/// Looks for the first difference, reading both records line by line; none when they are the same to the end.
///
/// # Errors
/// When a record cannot be read.
pub fn first_difference(a: &Side, b: &Side) -> anyhow::Result<Option<Difference>> {
    let (mut left, mut right) = (lines(a)?, lines(b)?);
    let mut same = 0;
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) if a.is_same(&b) => same += 1,
            (a, b) => return Ok(Some(Difference { same, a, b })),
        }
    }
}

fn lines(side: &Side) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Line>>> {
    let file = side.folder.join("decisions.jsonl");
    let name = file.display().to_string();
    let open = File::open(&file).with_context(|| format!("{name}: cannot be read"))?;
    let lines = BufReader::new(open).lines().enumerate();
    Ok(lines.map(move |(at, line): (usize, io::Result<String>)| {
        let line = line.with_context(|| format!("{name}: line {}", at + 1))?;
        serde_json::from_str(&line).with_context(|| format!("{name}: line {} is no decision", at + 1))
    }))
}

/// A score of both sides, in text; the difference when both are numbers.
pub(crate) fn scores(a: &Summary, b: &Summary) -> Vec<[String; 4]> {
    let number = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.2}"));
    let mut rows = METRICS
        .iter()
        .map(|(name, of)| {
            let (left, right) = (of(a), of(b));
            let change =
                left.zip(right).map_or_else(String::new, |(left, right)| format!("{:+.2}", right - left));
            [(*name).to_owned(), number(left), number(right), change]
        })
        .collect::<Vec<_>>();
    for (id, left) in &a.sections {
        let Some(right) = b.sections.get(id) else { continue };
        rows.push([
            format!("{id}: least m³/s"),
            format!("{:.3}", left.min_m3s),
            format!("{:.3}", right.min_m3s),
            format!("{:+.3}", right.min_m3s - left.min_m3s),
        ]);
        rows.push([
            format!("{id}: below_min"),
            format!("{:.1}", left.minutes_below),
            format!("{:.1}", right.minutes_below),
            format!("{:+.1}", right.minutes_below - left.minutes_below),
        ]);
    }
    let of = |text: &str| text.get(..12).unwrap_or(text).to_owned();
    let differs = |same: bool| if same { "same" } else { "differs" }.to_owned();
    rows.push(["configuration".into(), of(&a.config), of(&b.config), differs(a.config == b.config)]);
    rows.push(["seed".into(), a.seed.to_string(), b.seed.to_string(), differs(a.seed == b.seed)]);
    rows.push(["commands' digest".into(), of(&a.digest), of(&b.digest), differs(a.digest == b.digest)]);
    rows
}

fn text(a: &Side, b: &Side, first: Option<&Difference>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "A: {}\nB: {}\n", a.label, b.label);
    if a.summary.scenario != b.summary.scenario {
        let _ = writeln!(text, "the scenarios differ: {} and {}\n", a.summary.scenario, b.summary.scenario);
    }
    let _ = writeln!(text, "{:<24} {:>16} {:>16} {:>12}", "score", "A", "B", "B − A");
    for [name, left, right, change] in scores(&a.summary, &b.summary) {
        let _ = writeln!(text, "{name:<24} {left:>16} {right:>16} {change:>12}");
    }
    let _ = writeln!(text, "\n{}", difference_text(first));
    text
}

/// The first difference in words.
pub(crate) fn difference_text(first: Option<&Difference>) -> String {
    let Some(Difference { same, a, b }) = first else { return "both decided the same all the time".into() };
    let begin = [a, b].into_iter().flatten().map(|line| line.at_s).fold(f64::INFINITY, f64::min);
    let side = |name: &str, line: Option<&Line>| match line {
        None => format!("  {name}: nothing, to the end"),
        Some(line) if line.at_s > begin => {
            format!("  {name}: nothing then; next {} {}\n     because {}", line.local, line.what(), line.why)
        }
        Some(line) => {
            let limits = if line.limited_by.is_empty() {
                String::new()
            } else {
                format!("; limited by {}", line.limited_by)
            };
            format!("  {name}: {} {}\n     because {}{limits}", line.local, line.what(), line.why)
        }
    };
    format!(
        "first differing decision, after {same} the same:\n{}\n{}",
        side("A", a.as_ref()),
        side("B", b.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use qindan::control::record::Kind;

    use super::*;

    fn line(at_s: f64, flow: f64) -> Line {
        Line {
            utc: "2026-05-11T00:00:00Z".parse().unwrap(),
            local: "2026-05-11T08:00:00+08:00".into(),
            at_s,
            kind: Kind::Decision,
            actor: "dispatch".into(),
            gate: None,
            action: None,
            from_pct: None,
            flow_m3s: Some(flow),
            why: format!("runcheng needs {flow}"),
            limited_by: String::new(),
            because: serde_json::Value::Null,
            limits: serde_json::Value::Null,
            detail: None,
        }
    }

    fn side(folder: &Path, lines: &[Line]) -> Side {
        let text = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>();
        fs::write(folder.join("decisions.jsonl"), text).unwrap();
        Side { label: "x".into(), folder: folder.into(), summary: crate::summary::example() }
    }

    #[test]
    fn a_planted_difference_is_found() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = [line(0.0, 2.0), line(60.0, 2.1), line(120.0, 2.2)];
        let left = side(a.path(), &base);
        assert_eq!(first_difference(&left, &side(b.path(), &base)).unwrap(), None);
        let mut planted = base.clone();
        planted[1] = line(60.0, 1.9);
        let found = first_difference(&left, &side(b.path(), &planted)).unwrap().unwrap();
        assert_eq!((found.same, found.b.as_ref()), (1, Some(&planted[1])));
        let words = difference_text(Some(&found));
        assert!(words.contains("needs 2.1") && words.contains("needs 1.9"), "{words}");
        let shorter = first_difference(&left, &side(b.path(), &base[..2])).unwrap().unwrap();
        assert_eq!((shorter.same, shorter.a.as_ref(), shorter.b), (2, Some(&base[2]), None));
    }

    #[test]
    fn a_folder_without_results_is_told() {
        let empty = tempfile::tempdir().unwrap();
        let told = format!("{:#}", Side::read("x", empty.path()).unwrap_err());
        assert!(told.contains("summary.json") && told.contains("replay --out"), "{told}");
    }
}
