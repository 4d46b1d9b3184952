//! The workbench.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use simulators::scores::{self, Hand};
use simulators::wrong::Wrong;
use simulators::{bound, compare, demo, identify, plan, replay, rerun, scenario, studio};

/// Virtual river, devices on Modbus, replay and demo.
#[derive(Debug, Parser)]
#[command(name = "qindan-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios in a closed loop in virtual time, without sockets; exit code 1 when a floor was undercut that
    /// could have been kept
    Replay(Replay),
    /// Put two runs side by side: scores, the first decision in which they differ, plots; a side is a folder written by
    /// `replay --out`, a configuration folder, or a scenario to be run
    Compare(Compare),
    /// The engineers' page on loopback: pick, change, run and compare scenarios
    Studio(Studio),
    /// What the dispatch is worth: scenarios under the rule, the plan and the safe constant, on the river as configured or on
    /// wrong ones, beside the optimum and the targets; exit code 1 when a target is missed
    Score(Score),
    /// The perfect-foresight optimum of scenarios on the plant's own river, and what of their shortage it cannot avoid
    Bound(Bound),
    /// Travel times of reaches from a record of two flows, by band of flow, as rows of the configuration
    Identify(Identify),
    /// Run a scenario to a moment and store the state of the controller then, for `plan`
    Snapshot(TakeSnapshot),
    /// One plan for a stored state: releases, moves with their arrival, flows expected, limits
    Plan(Plan),
    /// Recorded decisions of a service made again by this build, and the differences; exit code 1 on any, 2 when it cannot
    /// be done
    Rerun(Rerun),
    /// List the scenarios
    List,
    /// Travel times of water and waves from each dam to its sections by the virtual river, beside the configured ones
    Travel(Travel),
    /// Check scenarios without running them: every problem with file, line, key and remedy; exit code 1 on any
    Check(Check),
    /// Virtual river on Modbus sockets, the service in a second process, and its page; accelerated
    Demo(Demo),
    /// Only the river and its devices, for any Modbus client
    Serve(Serve),
}

/// The same, where there is something to search.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Foresight {
    /// Some trials
    Fast,
    /// Until nothing better is found
    Tight,
}

impl Foresight {
    fn depth(self) -> bound::Depth {
        match self {
            Self::Fast => bound::Depth::Fast,
            Self::Tight => bound::Depth::Tight,
        }
    }
}

/// How hard to search for the optimum.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Search {
    /// Not at all
    None,
    /// Some trials
    Fast,
    /// Until nothing better is found
    Tight,
}

impl Search {
    fn depth(self) -> Option<bound::Depth> {
        match self {
            Self::None => None,
            Self::Fast => Some(bound::Depth::Fast),
            Self::Tight => Some(bound::Depth::Tight),
        }
    }
}

#[derive(Debug, Args)]
struct Replay {
    /// Names (see `list`) or files; when none is given, all but the long ones and those ahead of the present dispatch
    scenarios: Vec<String>,
    /// Write report.html, the account of water, summary.json, series.csv, actions.csv, decisions.jsonl and plots of each
    /// scenario below this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Change a value of the configuration, as `control.min_interval_s=900`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run every value of a key, as `control.min_interval_s=600,900,1800` or `control.dead_band_m3s=0.02:0.1:0.02`;
    /// repeated, every combination; writes sweep.csv and sweep.html instead of the files of each run
    #[arg(long, value_name = "KEY=VALUES")]
    sweep: Vec<String>,
    /// How hard the perfect-foresight optimum is searched for, see `bound`: fast takes up to some three times as long as the
    /// run itself, tight a dozen times; fast when not given, none in a sweep
    #[arg(long, value_name = "DEPTH")]
    bound: Option<Search>,
    /// Keep the exact inputs of every decision in the folder of each scenario, for `rerun`
    #[arg(long, requires = "out", conflicts_with = "sweep")]
    record: bool,
    /// Use this seed instead of the scenarios' own
    #[arg(long)]
    seed: Option<u64>,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Scenarios at once; as many as there are cores when not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = SCORE_NOTES)]
struct Score {
    /// Names (see `list`) or files; when none is given every one there is, the year included, with --wrong those of at most ten
    /// days
    scenarios: Vec<String>,
    /// Write SCORES.md, scores.csv, optimum.csv and plots/ into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Who releases: rule, plan, constant; may be repeated, all three when not given
    #[arg(long, value_name = "HAND", value_parser = hand)]
    by: Vec<Hand>,
    /// Only rivers on which the service's model is wrong, instead of the configured one: a name of the list below, or all;
    /// may be repeated
    #[arg(long, value_name = "WHAT", value_parser = wrong)]
    wrong: Vec<Wrongs>,
    /// Search for the perfect-foresight optimum of each river, fast or tight, see `bound`; the recorded ones are taken when not
    /// given
    #[arg(long, value_name = "DEPTH", default_value = "none")]
    bound: Search,
    /// Put the rows into the tables of the repository too, beside the scenarios: SCORES.md, scores.csv, optimum.csv
    #[arg(long)]
    keep: bool,
    /// Change a value of the configuration, as `control.min_interval_s=900`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Use this seed instead of the scenarios' own
    #[arg(long)]
    seed: Option<u64>,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Runs at once; as many as there are cores when not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

/// One wrong river, or all of them.
#[derive(Clone, Debug)]
struct Wrongs(Vec<Wrong>);

fn hand(text: &str) -> Result<Hand, String> {
    let found = Hand::ALL.into_iter().find(|hand| hand.name() == text);
    found.ok_or_else(|| "write rule, plan or constant".to_owned())
}

fn wrong(text: &str) -> Result<Wrongs, String> {
    if text == "all" {
        return Ok(Wrongs(Wrong::ALL.into()));
    }
    let names = Wrong::ALL.map(Wrong::name).join(", ");
    Wrong::parse(text).map(|wrong| Wrongs(vec![wrong])).ok_or_else(|| format!("write all or one of {names}"))
}

/// What a score is.
const SCORE_NOTES: &str = "\
Each scenario runs once for each hand: the arrival-time rule as shipped (F2), the plan above it (control.follow_plan=true, F0 and F1),
and the safe constant (F3: the meters of the far sections are silent from the begin of scoring on). The table says what was short
and how much of that was avoidable, what water was spent beyond the optimum and beyond the steady need, how often a gate was
started, which rungs of the ladder were used, and which targets are met.

Wrong models. The configuration stays, with all the service predicts with; the virtual river or its meters change:
  lags+30, lags-30            waves travel 30 % longer, shorter
  roughness+20, roughness-20  Manning's n of every bed
  loss-0.2                    0.2 m³/s taken just above the last section, metered by nobody
  meters+5, meters-5          the meters of the sections show 5 % too much, too little
  dead-tributary              the gauge of the largest metered tributary is dead

The optimum belongs to a river, not to who releases. It is searched for around the run of the rule, is an upper estimate, takes a
dozen times as long as the run when tight, and is kept in simulators/scenarios/optimum.csv; the lesser of two finds stands.

Examples:
  qindan-sim score may_dry january_dry
  qindan-sim score --wrong lags+30 --wrong loss-0.2 --by rule --out out/wrong
  qindan-sim score --keep                                  the tables of the repository
  qindan-sim score --by rule --bound tight --keep          with the optima searched for anew
  qindan-sim score --wrong all --by rule --keep            the part of the wrong models";

#[derive(Debug, Args)]
struct Compare {
    /// One side
    a: String,
    /// The other side
    b: String,
    /// Write compare.html, and the files of sides that are run, into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Change a value of the configuration of A, when it is run
    #[arg(long, value_name = "KEY=VALUE")]
    set_a: Vec<String>,
    /// Change a value of the configuration of B, when it is run
    #[arg(long, value_name = "KEY=VALUE")]
    set_b: Vec<String>,
    /// Scenario for a side that is a configuration folder
    #[arg(long, value_name = "S", default_value = "may_dry")]
    scenario: String,
    /// Use this seed instead of the scenarios' own
    #[arg(long)]
    seed: Option<u64>,
    /// Use this configuration folder for sides that are scenarios
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Check {
    /// Names (see `list`) or files; all of them when none is given
    scenarios: Vec<String>,
    /// Check against this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Travel {
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Studio {
    /// Port on loopback; a free one is taken if this one is not
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Folder for the runs; nothing is written anywhere else
    #[arg(long, value_name = "DIR", default_value = "out/studio")]
    data: PathBuf,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Runs at once; as many as there are cores when not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = BOUND_NOTES)]
struct Bound {
    /// Names (see `list`) or files
    #[arg(required = true)]
    scenarios: Vec<String>,
    /// Write bound.json and optimum.csv of each scenario below this folder, and take from it what is already known
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How hard to search
    #[arg(long, value_name = "DEPTH", default_value = "tight")]
    depth: Foresight,
    /// Use this seed instead of the scenarios' own
    #[arg(long)]
    seed: Option<u64>,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

/// How the optimum is found.
const BOUND_NOTES: &str = "\
The scenario runs in closed loop once. From the begin of scoring on, the release of the dam is then free by hour, within the
outlets' capacity, the ramps, the siren limit and the water above the dead level; weather, users and events are as in that run, and
the rules move all other gates. A programme proposes the release with the least shortage and then the least water, the loop runs
it, what came of it tells how the sections answer to the release, and so on; in a long scenario stretch by stretch. Fast: four
trials, two in each later stretch, more only to mend a shortage. Tight: twelve, and constant releases beside. All figures are
of such loops, the run itself among them: the optimum is an upper estimate and never above the run. A shortage that is left is
unavoidable as far as was found. Not converged means that the programme still hopes for something, or that the river is left
short after the end.

Examples:
  qindan-sim bound may_dry
  qindan-sim bound drought_kalgan_1977 --out out";

#[derive(Debug, Args)]
#[command(after_help = IDENTIFY_NOTES)]
struct Identify {
    /// CSV with a column time (with an offset) and the two flows in m³/s, as series.csv of a replay
    #[arg(value_name = "RECORD.csv")]
    record: PathBuf,
    /// Column with the upstream flow
    #[arg(long, value_name = "COLUMN")]
    up: String,
    /// Column with the downstream flow
    #[arg(long, value_name = "COLUMN")]
    down: String,
    /// Reach between them; repeat for several in a row, their travel time is shared out as it is now
    #[arg(long, value_name = "ID", required = true)]
    reach: Vec<String>,
    /// Configuration with the reaches
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Seed of the resampling that gives the uncertainty
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How travel times are found.
const IDENTIFY_NOTES: &str = "\
A delay and a store are fitted to how the downstream flow follows the upstream one, by band of flow, robust against gaps and
outliers; slow changes and a daily wave of other inflows are taken off. The 90 % range comes from resampled errors. A band in which
upstream hardly changes, or downstream does not follow, is not fitted, with the reason.

Example:
  qindan-sim identify out/may_dry/series.csv --up section.zhengzhuang_m3s --down section.duanshi_m3s --reach R3";

#[derive(Debug, Args)]
struct TakeSnapshot {
    /// Name (see `list`) or file
    scenario: String,
    /// Civil time of the basin, as "2026-05-15 08:00"
    #[arg(long, value_name = "TIME")]
    at: String,
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "snapshot.json")]
    out: PathBuf,
    /// Use this seed instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Plan {
    /// A file written by `snapshot`
    #[arg(value_name = "SNAPSHOT.json")]
    snapshot: PathBuf,
    /// Use this configuration folder; it must be the one the snapshot was taken with
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = RERUN_NOTES)]
struct Rerun {
    /// Data folder of a service, running or not; folder of a demonstration; or folder of a scenario written by
    /// `replay --out DIR --record`
    #[arg(value_name = "FOLDER", required_unless_present = "data")]
    folder: Option<PathBuf>,
    /// The same, for scripts that name everything
    #[arg(long, value_name = "FOLDER", conflicts_with = "folder")]
    data: Option<PathBuf>,
    /// Civil time of the basin, as "2026-05-15 08:00", or an instant; from the first decision kept when not given
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Civil time of the basin, or an instant; to the last decision kept when not given
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Configuration folder the service ran with; that of the demonstration, or the one of this checkout when not given
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Change of the configuration it ran with, as `control.min_interval_s=900`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Go on although the configuration is another one: what it would have decided on the same inputs
    #[arg(long)]
    other_config: bool,
}

/// What is compared.
const RERUN_NOTES: &str = "\
The service keeps the exact inputs of every decision for snapshot_days (service.toml), and every hour all that its controller
remembers. Here every decision is made again from them: commands, records and answers have to come out the same to the bit, in
every control cycle the published picture too, and every hour the memory. After an hour that differs the next one begins with
the recorded memory, so that one difference is not told for ever.

Exit code 0: equal. 1: differences; the first ones are shown with their moment, what differs, and both values, and all are
counted. 2: it cannot be done, with the reason: nothing kept of that time, decisions missing, another configuration, a damaged
file with the place of the damage, another build's form. Nothing is written to the folder.

What it is good for: an incident, to see with a debugger or more output why the service decided as it did; an update, to see on
recorded days what the new build would do otherwise; a setting, the same with --set and --other-config.

Examples:
  qindan-sim rerun /var/lib/qindan --config /etc/qindan
  qindan-sim rerun /var/lib/qindan --from \"2026-05-15 00:00\" --to \"2026-05-16 00:00\" --config /etc/qindan
  qindan-sim replay may_dry --out out --record && qindan-sim rerun out/may_dry
  qindan-sim rerun out/may_dry --set control.min_interval_s=1800 --other-config";

/// What to try on a running demonstration.
const TRY: &str = "\
To try while it runs (the first lines it prints name the address of the river, here 127.0.0.1:PORT, and the folder of the run):
  pull a device's plug   curl -d '{\"event\":\"unplug\",\"device\":\"m.q.runcheng\"}' -H content-type:application/json 127.0.0.1:PORT/fault
  put it back            the same with \"plug\"
  trip a turbine         {\"event\":\"trip\",\"gate\":\"zf.hp.u1\"}, and \"reset_trip\"
  stick a gate           {\"event\":\"stick\",\"gate\":\"zf.eco.v1\"}, and \"free\"
  everything else        curl 127.0.0.1:PORT/events lists what can happen; the page has five of them as buttons
  kill the service       pkill -9 -f 'qindan run'; it is started again and adopts the gates where they stand
  see what is true       curl 127.0.0.1:PORT/truth
  read the record        target/demo/qindan log tail --data FOLDER/data";

#[derive(Debug, Args)]
#[command(after_help = TRY)]
struct Demo {
    /// Simulated seconds in a real one: 600 makes a week of 17 minutes
    #[arg(long, value_name = "N", default_value_t = 600.0, value_parser = speed)]
    speed: f64,
    /// Name (see `list`) or file
    #[arg(long, value_name = "S", default_value = "may_dry")]
    scenario: String,
    /// End after this much simulated time, as 2d or 36h; until interrupted when not given
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
    /// Folder for configuration, data and log of this demonstration; a fresh temporary one when not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the page on loopback; a free one is taken if this one is not
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Change a value of the configuration, as `control.min_interval_s=900`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Use this seed instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct Serve {
    /// Simulated seconds in a real one
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Name (see `list`) or file
    #[arg(long, value_name = "S", default_value = "may_dry")]
    scenario: String,
    /// The river stands until a client lets it go on: POST /advance {"ms":1000} at the control
    #[arg(long, conflicts_with = "speed")]
    lock_step: bool,
    /// Address of the control on loopback: POST /fault, GET /events, GET /truth, POST /advance
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15000")]
    control: SocketAddr,
    /// Use this configuration folder
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Serve each link on a pseudo terminal too, as Modbus RTU; its name appears in this folder
    #[arg(long, value_name = "DIR")]
    pty: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (1.0..=10_000.0).contains(speed));
    speed.ok_or_else(|| "give a number from 1 to 10000".to_owned())
}

fn length(text: &str) -> Result<Duration, String> {
    let length = simulators::scenario::words(text).filter(|length| !length.is_zero());
    length.ok_or_else(|| "write it as 2d, 36h or \"1d 6h\"".to_owned())
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replay(args) => {
            let Replay { scenarios, out, set, sweep, bound, record, seed, config, jobs } = args;
            let usual = if sweep.is_empty() { Search::Fast } else { Search::None };
            let bound = bound.unwrap_or(usual).depth();
            let order = replay::Order { scenarios, out, set, sweep, bound, record, seed, config, jobs };
            replay::replay(&order, &mut std::io::stdout().lock())
        }
        Command::Compare(args) => {
            let Compare { a, b, out, set_a, set_b, scenario, seed, config } = args;
            let bound = Some(bound::Depth::Fast);
            let order =
                compare::Order { sides: [a, b], set: [set_a, set_b], scenario, config, seed, bound, out };
            compare::compare(&order, &mut std::io::stdout().lock())
        }
        Command::Score(args) => {
            let Score { scenarios, out, by, wrong, bound, keep, set, seed, config, jobs } = args;
            let wrong = wrong.into_iter().flat_map(|wrongs| wrongs.0).collect();
            let bound = bound.depth();
            let order = scores::Order { scenarios, out, by, wrong, bound, keep, set, seed, config, jobs };
            scores::score(&order, &mut std::io::stdout().lock())
        }
        Command::Studio(args) => {
            let Studio { port, data, config, jobs } = args;
            studio::studio(&studio::Order { port, data, config, jobs })
        }
        Command::Bound(args) => {
            let Bound { scenarios, out, depth, seed, config } = args;
            let order = bound::Order { scenarios, out, depth: depth.depth(), seed, config };
            bound::bound(&order, &mut std::io::stdout().lock())
        }
        Command::Identify(args) => {
            let Identify { record, up, down, reach, config, seed } = args;
            let order = identify::Order { record, up, down, reaches: reach, config, seed };
            identify::identify(&order, &mut std::io::stdout().lock())
        }
        Command::Snapshot(args) => {
            let TakeSnapshot { scenario, at, out, seed, config } = args;
            plan::take(&plan::Take { scenario, at, out, seed, config }, &mut std::io::stdout().lock())
        }
        Command::Plan(args) => {
            let Plan { snapshot, config, json } = args;
            plan::plan(&plan::Order { snapshot, config, json }, &mut std::io::stdout().lock())
        }
        Command::Rerun(args) => {
            let Rerun { folder, data, from, to, config, set, other_config } = args;
            let data = folder.or(data).unwrap_or_default();
            let order = rerun::Order { data, from, to, config, set, other_config };
            rerun::rerun(&order, &mut std::io::stdout().lock())
        }
        Command::List => list(),
        Command::Travel(args) => travel(args.config),
        Command::Check(Check { scenarios, config }) => {
            scenario::check_all(&scenarios, config.as_deref(), &mut std::io::stdout().lock())
        }
        Command::Demo(args) => {
            let Demo { speed, scenario, length, data, port, config, set, seed } = args;
            demo::demo(&demo::Order { scenario, speed, length, data, port, config, set, seed })
        }
        Command::Serve(args) => {
            let Serve { speed, scenario, lock_step, control, config, pty } = args;
            demo::alone(&demo::Alone { scenario, speed, control, config, pty, lock_step })
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            use std::io::Write;
            // Nobody reads a closed pipe.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

fn travel(folder: Option<PathBuf>) -> anyhow::Result<bool> {
    use std::io::Write;
    let folder = folder.or_else(|| simulators::scenario::above("config"));
    let config = qindan::config::load(&folder.unwrap_or_else(|| PathBuf::from("config")))?;
    write!(std::io::stdout(), "{}", simulators::travel::table(&config))?;
    Ok(true)
}

fn list() -> anyhow::Result<bool> {
    use std::io::Write;
    write!(std::io::stdout(), "{}", replay::list()?)?;
    Ok(true)
}

#[cfg(test)]
#[path = "../../src/cli_guides.rs"]
mod cli_guides;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn documents_name_commands_there_are() {
        cli_guides::check("qindan-sim", &Cli::command());
    }
}
