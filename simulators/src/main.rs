//! The workbench.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use simulators::{demo, replay};

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
    /// Virtual river on Modbus sockets, the service in a second process, and its page; accelerated
    Demo(Demo),
    /// Only the river and its devices, for any Modbus client
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Replay {
    /// Names (see `list`) or files; all of them when none is given
    scenarios: Vec<String>,
    /// Write summary.json, series.csv and actions.csv of each scenario below this folder
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
  read the record        target/release/qindan log tail --data FOLDER/data";

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
            let Replay { scenarios, out, set, seed, config, jobs } = args;
            let order = replay::Order { scenarios, out, set, seed, config, jobs };
            replay::replay(&order, &mut std::io::stdout().lock())
        }
        Command::List => list(),
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

fn list() -> anyhow::Result<bool> {
    use std::io::Write;
    write!(std::io::stdout(), "{}", replay::list()?)?;
    Ok(true)
}
