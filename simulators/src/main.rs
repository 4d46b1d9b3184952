//! The workbench.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use simulators::replay;

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
    /// List the scenarios
    List,
}

#[derive(Debug, Args)]
struct Replay {
    /// Names (see `list`) or files; all of them when none is given
    scenarios: Vec<String>,
    /// Write summary.json, series.csv, actions.csv and report.html of each scenario below this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Change a value of the configuration, as `control.min_interval_s=900`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
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

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replay(args) => {
            let Replay { scenarios, out, set, seed, config, jobs } = args;
            let order = replay::Order { scenarios, out, set, seed, config, jobs };
            replay::replay(&order, &mut std::io::stdout().lock())
        }
        Command::List => list(),
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

fn list() -> anyhow::Result<bool> {
    use std::io::Write;
    write!(std::io::stdout(), "{}", replay::list()?)?;
    Ok(true)
}
