//! `qindan-sim rerun`: recorded decisions made again by this build, and compared to the bit.
//!
//! The service keeps the exact inputs of every decision with what was decided (`qindan::shell::snapshots`). From the newest
//! state before the time asked for, the same `decide` is called with the same inputs; commands, records, answers and, in every
//! control cycle, the published picture have to come out the same, and at the begin of every further file so has everything
//! the controller remembers. From there it goes on with the recorded memory: one difference does not make every later hour
//! differ too.

mod compare;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use qindan::basin::Basin;
use qindan::config::Config;
use qindan::control::{Controller, Now};
use qindan::shell::snapshots::{self, Closing, Moment, NamedFile, Opened, Step, Tail};

use crate::crew::Progress;
use crate::vary::{self, Change};

pub use compare::{Difference, What};

/// Differences shown; all are counted.
const SHOWN: usize = 10;

/// What to make again.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Data folder of a service, folder of a demonstration, or folder of a scenario written by `replay --record`.
    pub data: PathBuf,
    /// Civil time of the basin, or an instant; from the first decision on when not given.
    pub from: Option<String>,
    /// The same; to the last decision when not given.
    pub to: Option<String>,
    /// Configuration folder it ran with.
    pub config: Option<PathBuf>,
    /// Changes of the configuration.
    pub set: Vec<String>,
    /// Go on although the configuration is another one.
    pub other_config: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Rerun {
    /// First and last decision compared.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Decisions compared.
    pub ticks: u64,
    /// Of them control cycles, whose published picture was compared too.
    pub cycles: u64,
    /// States compared.
    pub states: u64,
    /// Commands and records that had to come out the same.
    pub told: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many of each kind.
    pub counts: BTreeMap<What, u64>,
    /// Decisions that cannot be made again: why.
    pub gaps: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

impl Rerun {
    /// All differences.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    fn differ(&mut self, differences: impl IntoIterator<Item = Difference>) {
        for difference in differences {
            *self.counts.entry(difference.what).or_default() += 1;
            if self.differences.len() < SHOWN {
                self.differences.push(difference);
            }
        }
    }
}

/// Runs the order and prints what came of it; true when nothing differs.
///
/// # Errors
/// When it cannot be done: no such days, another configuration, a damaged file.
pub fn rerun(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let config = configuration(order)?;
    let done = of(order, &config)?;
    write!(out, "{}", text(&done))?;
    if done.count() > 0 {
        return Ok(false);
    }
    if !done.gaps.is_empty() {
        bail!(
            "what could be made again is equal, but something is missing; see above, and choose --from and --to around it"
        );
    }
    Ok(true)
}

/// The folder of the stream in what was named, which may also be the folder of a demonstration or the stream's own.
fn stream_in(given: &Path) -> PathBuf {
    let own = snapshots::folder(given);
    let places = [own.clone(), snapshots::folder(&given.join("data")), given.to_path_buf()];
    let holds = |dir: &PathBuf| snapshots::files(dir).is_ok_and(|files| !files.is_empty());
    places.into_iter().find(holds).unwrap_or(own)
}

fn configuration(order: &Order) -> anyhow::Result<Config> {
    // A demonstration keeps its own.
    let beside = Some(order.data.join("config")).filter(|folder| folder.is_dir());
    let folder = order.config.clone().or(beside).or_else(|| crate::scenario::above("config"));
    let folder = folder.unwrap_or_else(|| PathBuf::from("config"));
    let changes = order.set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
    if changes.is_empty() {
        return Ok(qindan::config::load(&folder)?);
    }
    let copy = tempfile::tempdir()?;
    vary::copy(&folder, copy.path(), &changes)?;
    Ok(qindan::config::load(copy.path())?)
}

/// Makes the decisions again.
///
/// # Errors
/// As [`rerun`].
pub fn of(order: &Order, config: &Config) -> anyhow::Result<Rerun> {
    let dir = stream_in(&order.data);
    let files = snapshots::files(&dir).with_context(|| {
        format!(
            "{}: no recorded decisions; name the data folder of a service, the folder of a demonstration, or that of a \
             scenario written by `replay --out DIR --record`",
            dir.display()
        )
    })?;
    let Some(first) = files.first() else {
        bail!("{}: no recorded decisions yet; they begin with the first one of a service", dir.display());
    };
    let from = instant(order.from.as_deref(), "--from", &config.basin)?;
    let to = instant(order.to.as_deref(), "--to", &config.basin)?;
    let begins_at = first.name.utc;
    if let Some(from) = from.filter(|from| begins_at > *from) {
        bail!(
            "--from {from}: what is kept begins at {begins_at}; decisions before it cannot be made again, name a later time"
        );
    }
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        bail!("--to {to}: not after --from {from}");
    }
    // The first whose successor begins too late to hold it.
    let holds =
        |at: &usize| from.is_none_or(|from| files.get(at + 1).is_none_or(|next| next.name.utc > from));
    let oldest = (0..files.len()).find(holds).unwrap_or_default();
    let chosen: Vec<_> =
        files.into_iter().skip(oldest).filter(|file| to.is_none_or(|to| file.name.utc < to)).collect();
    let Some(opening) = chosen.first() else {
        bail!("--to: what is kept begins at {begins_at}; name a later time");
    };
    let length = last_of(&chosen).duration_since(opening.name.utc);
    let length = Duration::try_from(length).unwrap_or_default();
    let progress = Progress::new([length]);
    let mut bar = progress.begin("rerun", length);
    let opening_utc = opening.name.utc;
    let mut replica = Replica { config, order, from, to, done: Rerun::default(), run: None };
    for file in &chosen {
        replica.file(file, |utc| {
            // Nothing can be broken off here.
            let _go_on = bar.at(Duration::try_from(utc.duration_since(opening_utc)).unwrap_or_default());
        })?;
    }
    let done = replica.finish();
    bar.end(&format!("{} decisions", done.ticks));
    progress.end();
    if done.ticks == 0 {
        bail!("nothing is kept of the time between --from and --to; name another one");
    }
    Ok(done)
}

fn last_of(files: &[NamedFile]) -> Timestamp {
    // An hour in a file, at most.
    let hour = jiff::SignedDuration::from_hours(1);
    let last = files.iter().map(|file| file.name.utc).max().unwrap_or_default();
    last.saturating_add(hour).unwrap_or(last)
}

/// A civil time of the basin, or an instant with an offset.
fn instant(given: Option<&str>, key: &str, basin: &Basin) -> anyhow::Result<Option<Timestamp>> {
    let Some(given) = given else { return Ok(None) };
    if let Ok(instant) = given.parse::<Timestamp>() {
        return Ok(Some(instant));
    }
    let civil: DateTime = given.parse().with_context(|| {
        format!("{key} {given}: write a civil time of the basin, as \"2026-05-15 08:00\", or an instant, as 2026-05-15T00:00:00Z")
    })?;
    Ok(Some(basin.zone.to_ambiguous_timestamp(civil).compatible()?))
}

/// The service made again.
struct Replica<'a> {
    config: &'a Config,
    order: &'a Order,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    done: Rerun,
    run: Option<Running>,
}

/// One start of the service, as far as it has been made again.
struct Running {
    boot: String,
    number: u64,
    controller: Controller,
    last: Option<Now>,
    closed: bool,
}

impl Replica<'_> {
    fn counts(&self, utc: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= utc) && self.to.is_none_or(|to| utc < to)
    }

    fn file(&mut self, file: &NamedFile, mut show: impl FnMut(Timestamp)) -> anyhow::Result<()> {
        let Some(mut opened) = Opened::read(&file.path)? else {
            let shown = file.path.display();
            self.done.notes.push(format!("{shown}: begun and not written, the service was ended meanwhile"));
            return Ok(());
        };
        let controller = self.woken(file, &opened)?;
        self.join(file, &opened)?;
        let head = opened.head();
        let boot = head.boot.clone();
        let mut run = Running { boot, number: file.name.number, controller, last: None, closed: false };
        while let Some(step) = opened.step()? {
            match step {
                Step::Moment(moment, now) => {
                    show(now.utc);
                    self.decide(&mut run.controller, &moment, now);
                    run.last = Some(now);
                }
                Step::Close(closing) => {
                    self.close(&mut run.controller, &closing);
                    run.closed = true;
                }
            }
        }
        if let Some(Tail::Torn(bytes)) = opened.tail() {
            let shown = file.path.display();
            self.done.notes.push(format!(
                "{shown}: ends with {bytes} bytes of an unfinished moment, left out: its service was ended, or runs"
            ));
        }
        self.run = Some(run);
        Ok(())
    }

    /// The controller as it was at the begin of a file.
    fn woken(&mut self, file: &NamedFile, opened: &Opened) -> anyhow::Result<Controller> {
        let (head, shown) = (opened.head(), file.path.display());
        let ours = &self.config.digest;
        if head.basin != self.config.basin.id {
            bail!(
                "{shown}: of basin {}, the configuration is of {}; name its folder with --config",
                head.basin,
                self.config.basin.id
            );
        }
        if head.config != *ours && !self.order.other_config {
            bail!(
                "{shown}: decided with configuration {}, this is {ours}; name the folder it ran with as --config and its \
                 changes as --set, or see with --other-config what this one would have decided",
                head.config
            );
        }
        let build = env!("CARGO_PKG_VERSION");
        if head.build != build {
            self.note(format!("decided by build {}, made again by build {build}", head.build));
        }
        if head.config != *ours {
            self.note(format!("decided with configuration {}, made again with {ours}", head.config));
        }
        let schedules = head.schedules(self.config);
        let schedules = schedules
            .with_context(|| format!("{shown}: an intake of its turns is not in this configuration"))?;
        let config = Config { schedules: Arc::new(schedules), ..self.config.clone() };
        Controller::remembering(&config, head.settings, opened.state()?).with_context(|| {
            format!(
                "{shown}: its memory does not fit this configuration; name the one it ran with as --config"
            )
        })
    }

    fn note(&mut self, note: String) {
        if !self.done.notes.contains(&note) {
            self.done.notes.push(note);
        }
    }

    /// Looks whether a file goes on where the one before ended.
    fn join(&mut self, file: &NamedFile, opened: &Opened) -> anyhow::Result<()> {
        let Some(before) = self.run.take() else { return Ok(()) };
        let head = opened.head();
        let until = before.last.map_or_else(|| "its begin".to_owned(), |last| last.utc.to_string());
        if file.name.number > before.number + 1 {
            let (first, last) = (before.number + 1, file.name.number - 1);
            self.done
                .gaps
                .push(format!("files {first} to {last} are missing, between {until} and {}", head.now.utc));
            return Ok(());
        }
        if head.boot != before.boot || head.ticks == 0 {
            let how = if before.closed { "stopped in order" } else { "was ended without a word" };
            self.note(format!("the service {how} after {until} and began again at {}", head.now.utc));
            return Ok(());
        }
        let state = before.controller.state();
        let missing = head.ticks.saturating_sub(state.ticks());
        if missing > 0 {
            self.done.gaps.push(format!(
                "{missing} decisions after {until} were not kept: the disk was full, slow or failed"
            ));
            return Ok(());
        }
        if self.counts(head.now.utc) {
            self.done.states += 1;
            self.done.differ(compare::states(&opened.state()?, &state, head.now));
        }
        Ok(())
    }

    fn decide(&mut self, controller: &mut Controller, moment: &Moment, now: Now) {
        let decision = controller.decide(&moment.seen, now);
        if !self.counts(now.utc) {
            return;
        }
        self.done.ticks += 1;
        let first = self.done.span.map_or(now.utc, |(first, _)| first);
        self.done.span = Some((first, now.utc));
        self.done.told += (decision.commands.len() + decision.entries.len()) as u64;
        let basin = &self.config.basin;
        let status = decision.cycle.then(|| controller.status(now));
        let told = snapshots::told(&decision, status.as_ref());
        if told != moment.told {
            self.done.differ(compare::told(basin, &moment.told, &told, now));
        }
        if let Some(status) = status.filter(|_| !moment.picture.is_empty()) {
            self.done.cycles += 1;
            self.done.differ(compare::picture(basin, &moment.picture, &status, now));
        }
    }

    fn close(&mut self, controller: &mut Controller, closing: &Closing) {
        let entries = controller.close(&closing.reports, closing.now);
        if self.counts(closing.now.utc) {
            self.done.told += entries.len() as u64;
            let found = compare::entries(&closing.entries, &entries, closing.now);
            self.done.differ(found);
        }
    }

    fn finish(mut self) -> Rerun {
        if let (Some(to), Some((_, last))) = (self.to, self.done.span) {
            let cycle = self.config.basin.control.cycle_s;
            if to.duration_since(last).as_secs_f64() > cycle {
                self.done.gaps.push(format!(
                    "nothing is kept from {last} to {to}: the service did not run, or kept nothing"
                ));
            }
        }
        self.done
    }
}

/// What came of it, for people.
pub fn text(done: &Rerun) -> String {
    let mut out = String::new();
    for note in &done.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for gap in &done.gaps {
        let _ = writeln!(out, "missing: {gap}");
    }
    if let Some((first, last)) = done.span {
        let _ = writeln!(
            out,
            "{} decisions made again, {first} to {last}: {} control cycles with their picture, {} commands and records, {} states",
            done.ticks, done.cycles, done.told, done.states
        );
    }
    for (at, difference) in done.differences.iter().enumerate() {
        let _ = writeln!(out, "{}{difference}", if at == 0 { "first difference: " } else { "" });
    }
    match done.count() {
        0 => out.push_str("no difference\n"),
        all => {
            let counts = done.counts.iter().map(|(what, count)| format!("{what} {count}"));
            let counts = counts.collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "{all} differences: {counts}");
        }
    }
    out
}
