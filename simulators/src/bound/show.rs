//! The command: table, files and cache.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use qindan::shell::clock::Clock;
use sha2::{Digest, Sha256};

use super::{Bound, Depth};
use crate::inflow::instant;
use crate::replay;
use crate::run::hex;
use crate::scenario::Case;

/// What to bound, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names or files.
    pub scenarios: Vec<String>,
    /// Folder for `bound.json` and `optimum.csv`, one below it per scenario; also the cache.
    pub out: Option<PathBuf>,
    /// How hard to search.
    pub depth: Depth,
    /// Another seed than the scenarios'.
    pub seed: Option<u64>,
    /// Another configuration folder than the scenarios'.
    pub config: Option<PathBuf>,
}

/// Runs the order and prints a table; always true, since a bound is neither good nor bad.
///
/// # Errors
/// What is wrong with scenarios, configuration or the folder for the files.
pub fn bound(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let clock = Clock::real();
    for name in &order.scenarios {
        let case = replay::load(name, order.config.as_deref(), &[])?;
        let seed = order.seed.unwrap_or(case.scenario.seed);
        let bar = bar(&case);
        let mark = clock.mark();
        let compute = || {
            super::of(&super::Record::of(&case, seed)?, seed, order.depth, |share| {
                bar.set_position(percent(share));
                ControlFlow::Continue(())
            })
        };
        let found = match &order.out {
            Some(folder) => super::cached(&case, seed, order.depth, folder, compute)?,
            None => compute(),
        };
        let took = mark.elapsed();
        bar.finish_and_clear();
        let found = found.with_context(|| {
            format!("{name}: no bound: the basin has no dispatched dam above a section with a floor")
        })?;
        if let Some(folder) = &order.out {
            write(&case, &found, &folder.join(&case.scenario.id))?;
        }
        writeln!(out, "{}\n  {:.1} s", text(&found), took.as_secs_f64())?;
    }
    Ok(true)
}

fn bar(case: &Case) -> ProgressBar {
    let bar = ProgressBar::new(100);
    if let Ok(style) = ProgressStyle::with_template(
        "{prefix:<28} [{wide_bar}] {percent:>3} %  {elapsed} gone, about {eta} left",
    ) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(case.scenario.id.clone());
    bar
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 100")]
fn percent(share: f64) -> u64 {
    (100.0 * share.clamp(0.0, 1.0)) as u64
}

/// Reads the bound of a case, or computes it and keeps it. One that was searched for harder serves as well.
pub(super) fn cached(
    case: &Case,
    seed: u64,
    depth: Depth,
    cache: &Path,
    compute: impl FnOnce() -> Option<Bound>,
) -> anyhow::Result<Option<Bound>> {
    let key = key(case, seed)?;
    let file = |depth: Depth| cache.join(format!("bound-{key}-{}.json", depth.name()));
    for known in [Depth::Tight, Depth::Fast].into_iter().filter(|known| *known >= depth) {
        // A file cut short by a power cut is computed again.
        if let Ok(text) = fs::read_to_string(file(known))
            && let Ok(bound) = serde_json::from_str(&text)
        {
            return Ok(Some(bound));
        }
    }
    let Some(bound) = compute() else { return Ok(None) };
    let file = file(depth);
    let failed = || format!("{}: cannot be written", file.display());
    fs::create_dir_all(cache).with_context(failed)?;
    fs::write(&file, serde_json::to_vec(&bound)?).with_context(failed)?;
    Ok(Some(bound))
}

/// SHA-256 of this program's file, which holds both the river and the rules; read once.
fn program() -> anyhow::Result<[u8; 32]> {
    static PROGRAM: OnceLock<[u8; 32]> = OnceLock::new();
    if let Some(digest) = PROGRAM.get() {
        return Ok(*digest);
    }
    let file = std::env::current_exe().context("this program has no file")?;
    let bytes = fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
    Ok(*PROGRAM.get_or_init(|| Sha256::digest(&bytes).into()))
}

/// SHA-256 over scenario, configuration, seed and program; shortened.
fn key(case: &Case, seed: u64) -> anyhow::Result<String> {
    let mut scenario = case.scenario.clone();
    scenario.file = PathBuf::new();
    let mut digest = Sha256::new();
    digest.update(program()?);
    digest.update(case.config.digest.as_bytes());
    digest.update(seed.to_be_bytes());
    digest.update(format!("{scenario:?} {:?}", case.truth).as_bytes());
    Ok(hex(&digest.finalize()).chars().take(16).collect())
}

/// Writes `bound.json` and `optimum.csv` (begin of the hour, release in m³).
///
/// # Errors
/// What the disk says.
pub fn write(case: &Case, bound: &Bound, folder: &Path) -> anyhow::Result<()> {
    let failed = || format!("{}: cannot be written", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let mut json = serde_json::to_vec_pretty(bound)?;
    json.push(b'\n');
    fs::write(folder.join("bound.json"), json).with_context(failed)?;
    let mut csv = String::from("time,release_m3\n");
    let zone = &case.config.basin.zone;
    for (hour, water) in bound.release_m3.iter().enumerate() {
        let utc = instant(bound.from, super::script::HOUR * super::script::count(hour));
        let time = utc.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        writeln!(csv, "{time},{water:.1}")?;
    }
    fs::write(folder.join("optimum.csv"), csv).with_context(failed)?;
    Ok(())
}

/// What was found, for people.
fn text(bound: &Bound) -> String {
    let mut text = String::new();
    let excess = bound.excess_pct(bound.run_m3);
    let excess = excess.map_or_else(|| "-".to_owned(), |excess| format!("{excess:+.1} %"));
    let _ = writeln!(
        text,
        "{}: least release that keeps what can be kept, from {} to {} ({} hours of spill left out)",
        bound.scenario, bound.from, bound.to, bound.spill_h
    );
    let _ = writeln!(
        text,
        "  water      optimum {:>10.0} m³, closed loop {:>10.0} m³, {excess} above the optimum",
        bound.optimum_m3, bound.run_m3
    );
    for (id, section) in &bound.sections {
        let _ = writeln!(
            text,
            "  {id:<10} unavoidable {:>7.1} min, {:>7.0} m³; closed loop {:>7.1} min below, of which {:>7.1} avoidable; \
             least {:.3} m³/s, lag {:.1} h",
            section.unavoidable_minutes_below,
            section.unavoidable_deficit_m3,
            section.run_minutes_below,
            section.run_avoidable_minutes_below,
            section.min_m3s,
            section.lag_h
        );
    }
    for (stretch, rounds) in bound.rounds.iter().enumerate() {
        for round in rounds {
            let _ = writeln!(
                text,
                "  stretch {:<2} {:>10.0} m³, {:>7.1} m³ missing, {:>7.1} expected; within {:.2} m³/s; {}",
                stretch + 1,
                round.water_m3,
                round.missing_m3,
                round.expected_m3,
                round.trust_m3s,
                if round.better { "better" } else { "not better" }
            );
        }
    }
    let _ = write!(
        text,
        "  {}, {}: the programme hopes for another {:.2} %; {:.0} m³ missing after the end; {} days of river played",
        bound.depth.name(),
        if bound.converged { "converged" } else { "not converged" },
        bound.gap_pct,
        bound.after_m3,
        bound.played_h / 24
    );
    text
}
