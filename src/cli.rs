//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use qindan::config::import::First;
use qindan::control::record::Kind;
use qindan::points::Table;
use qindan::shell::store::Query;

use crate::cli_backup::{Backup, Restore};
use crate::cli_notify::Notify;
use crate::cli_people::{Token, User};
use crate::cli_report::Report;

/// Supervisory service that keeps the Qin and Dan rivers flowing.
///
/// It reads gates, valves, stations and meters over Modbus, decides how much water each structure passes, writes
/// down every command with its reasons before it leaves, and shows operators one page. Gate controllers on site keep
/// their own limits and stay safe without it.
#[derive(Debug, Parser)]
#[command(name = "qindan", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  qindan check config                              every problem of the configuration, or a summary
  qindan check config --addresses                  every point with its Modbus address
  qindan import-registers box.csv --layout my_box  a device template of a register list
  qindan init --data /var/lib/qindan               once, before the first start
  qindan user add li.ming --role operator --data /var/lib/qindan
  qindan run --data /var/lib/qindan                the service; page at the address in service.toml
  qindan run --data /var/lib/qindan --observe      reads, shows and records, cannot write to the field
  qindan log tail --data /var/lib/qindan           what was done last, and why
  qindan log verify --data /var/lib/qindan         whether the record is whole and unchanged
  qindan report daily --data /var/lib/qindan > today.html   the bulletin of the last whole day
  qindan backup --data /var/lib/qindan --to /var/backups/qindan
                                                   a copy beside the running service
  qindan restore --from /var/backups/qindan --to /var/lib/qindan
                                                   proves the copy and puts it in place
  qindan ecoflow runcheng.csv                      ecological flows proposed from a flow record

Exit codes:
  0    done; for `log verify` and `check`: all right
  1    not done, with the reason on standard error; for `check`: problems were found
  2-8  `log verify`: 2 damaged, 3 records missing, 4 chain broken or a checkpoint not signed by us, 5 intents and
       outcomes do not match, 6 the view differs, 8 a chain head kept elsewhere is not in the log
  64   wrong usage
  134  a panic: the process ended at once, gates stay with their own controllers

Environment:
  RUST_LOG     what goes to the system log, as `info` (default), `debug` or `warn,qindan::shell::field=debug`";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data folder: identity, journal, reserve. Nothing else ever makes one.
    Init {
        /// Folder to make; an existing one must be empty.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        config: Configuration,
    },
    /// Check a configuration folder and print every problem with file, line, key and remedy.
    Check(Check),
    /// Run the service until SIGTERM or SIGINT.
    Run(Run),
    /// Read the action log of a data folder, also while the service runs or after it died.
    #[command(subcommand)]
    Log(Log),
    /// Read the samples of a data folder.
    #[command(subcommand)]
    History(History),
    /// Copy a data folder and its configuration, also beside a running service.
    Backup(Backup),
    /// Put a backup into a new data folder, after proving it.
    Restore(Restore),
    /// Who may sign in, in which role.
    #[command(subcommand, after_help = crate::cli_people::USER_NOTES)]
    User(User),
    /// Tokens for programs: monitors, senders of forecasts.
    #[command(subcommand, after_help = crate::cli_people::TOKEN_NOTES)]
    Token(Token),
    /// Notices of alarms by mail and webhook.
    #[command(subcommand, after_help = crate::cli_notify::NOTES)]
    Notify(Notify),
    /// Make a device template of a register list in CSV.
    ImportRegisters(ImportRegisters),
    /// Bulletins and attainment of a data folder as HTML to print and CSV, also while the service runs or after it died.
    #[command(subcommand, after_help = crate::cli_report::NOTES)]
    Report(Report),
    /// Propose ecological flows from a flow record, with the methods named.
    Ecoflow(Ecoflow),
    /// Read registers of one device and show them in every byte order, or lead through its point test.
    Probe(Probe),
}

#[derive(Debug, Args)]
#[command(after_help = CHECK_NOTES)]
pub(crate) struct Check {
    /// The folder.
    #[arg(value_name = "CONFIG", default_value = "config")]
    pub(crate) config: PathBuf,
    /// Print the address table instead of the summary: of all devices, or of one device, gate, meter or point.
    #[arg(long, value_name = "DEVICE|ELEMENT", num_args = 0..=1, default_missing_value = "")]
    pub(crate) addresses: Option<String>,
    /// Print the rating curves instead of the summary: versions, validity, range, and how far each gauging lies off.
    #[arg(long, conflicts_with = "addresses")]
    pub(crate) ratings: bool,
    /// The address table as CSV with one line of headers.
    #[arg(long, requires = "addresses")]
    pub(crate) csv: bool,
}

const CHECK_NOTES: &str = "\
The address table is what layouts, bases and overrides come to. Each point has its zero-based address, as it goes over
the wire, and the notation counted from 1 with the digit of its table: 0x coils, 1x discrete inputs, 3x input registers,
4x holding registers, so that 4x00021 is the holding register with address 20. Compare it line by line with the register
list of the site. A value is raw x scale + offset; order says how the bytes of a value of several registers stand, with
ABCD high word and high byte first.

Examples:
  qindan check config
  qindan check config --addresses box.zf.eco.v1
  qindan check config --addresses zf.eco.v1 --csv > addresses.csv
  qindan check config --ratings";

#[derive(Debug, Args)]
#[command(after_help = IMPORT_NOTES)]
pub(crate) struct ImportRegisters {
    /// The list: UTF-8, columns separated by commas or semicolons, headers in its first line.
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// Name of the layout, as wires will call it.
    #[arg(long, value_name = "NAME")]
    pub(crate) layout: String,
    /// What device has these registers.
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
    /// The number by which the list calls the first register of a table.
    #[arg(long, value_name = "N", value_enum)]
    pub(crate) first_address: Option<FirstAddress>,
    /// Template to make, as config/devices/NAME.toml; without it, to standard output.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FirstAddress {
    /// The list counts as the wire does.
    #[value(name = "0")]
    Zero,
    /// The list counts from one.
    #[value(name = "1")]
    One,
}

impl From<FirstAddress> for First {
    fn from(first: FirstAddress) -> Self {
        match first {
            FirstAddress::Zero => Self::Zero,
            FirstAddress::One => Self::One,
        }
    }
}

const IMPORT_NOTES: &str = "\
Columns, in any order:
  name          the point: a role, as position, or what the list calls it, with a role
  address       4x00021 or 400021 (digit of the table, number from 1), or a number with a table and --first-address
  type          u16, i16, u32, i32, u64, i64, f32, f64, bcd16, bcd32, bit
  table         coil, discrete, input, holding; not needed with the notation
  bit           0 to 15, for type bit in a register
  order         ABCD, CDAB, BADC, DCBA; needed for values of several registers
  scale, offset value = raw x scale + offset
  unit          as m3/s, m, mm, %, deg
  role          as value, position, target; other for what is shown only; not needed when the name is a role
  min, max      least and largest credible value
  sentinels     raw values that mean \"no value\", separated by spaces
  written_only  true for a register that is never read
  remark        goes into the template as a comment

Nothing is guessed: an address that can be read in two ways, a byte order that is not given, a column nobody knows are
problems. All problems of the list are reported at once with line, column, value and remedy, and nothing is written.

Examples:
  qindan import-registers meter.csv --layout site_meter --out config/devices/site_meter.toml
  qindan import-registers box.csv --layout site_box --first-address 1 --about \"Gate box of the site\"";

#[derive(Debug, Args)]
pub(crate) struct Configuration {
    /// Configuration folder.
    #[arg(long, value_name = "DIR", default_value = "config")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = RUN_NOTES)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: Configuration,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Read, show and record only: no function that writes can leave for the field.
    #[arg(long)]
    pub(crate) observe: bool,
    /// Address of the page in place of the configured one; beyond this machine only with TLS.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Bench only: service seconds in a real one. Polls, cycles, travel and expiry follow; socket time-outs stay real.
    #[arg(long, value_name = "N", conflicts_with = "pace")]
    pub(crate) time_scale: Option<f64>,
    /// Bench only: civil time to begin in; without it now, or after a restart where the last run was.
    #[arg(long, value_name = "UTC", conflicts_with = "pace")]
    pub(crate) start: Option<Timestamp>,
    /// Bench only: take time and speed from standard input, one {"utc":"…","speed":600.0} a line; stop with it.
    #[arg(long)]
    pub(crate) pace: bool,
    /// Bench only: address of the control of a virtual river on loopback; the page then offers its disturbances.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) simulated_river: Option<SocketAddr>,
    /// Form of the system log on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: LogForm,
}

const RUN_NOTES: &str = "\
A start explains what the last run left open, adopts gates where they stand and goes on; the third start within
ten minutes (of real time) that no orderly stop preceded comes up in hold until a person releases it.

Examples:
  qindan run --data data
  qindan run --data data --listen 127.0.0.1:8090 --observe
  qindan run --data bench --time-scale 60 --start 2026-05-01T00:00:00Z";

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogForm {
    /// One line of text for people and journald.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// The newest records, one line each: all, or those of a gate, a kind, a person, a time, a decision.
    #[command(after_help = TAIL_NOTES)]
    Tail {
        #[command(flatten)]
        data: Data,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        span: Span,
    },
    /// Records as JSON lines with their hashes, for anyone to verify.
    #[command(after_help = EXPORT_NOTES)]
    Export {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        span: Span,
    },
    /// Check frames, chain, gaps, intents and outcomes, signed checkpoints, mark and view; changes nothing.
    #[command(after_help = VERIFY_NOTES)]
    Verify {
        #[command(flatten)]
        data: Data,
        /// Chain heads kept elsewhere: lines of the system log, or a list of `SEQ HEAD`, 12 characters at least.
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
        /// Only records from this number on; the first is proved against the record before it.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        from: Option<u64>,
        /// Only records up to this number.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        to: Option<u64>,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// One record in full, for an intent what became of it, for a decision its inputs.
    #[command(after_help = SHOW_NOTES)]
    Show {
        #[command(flatten)]
        data: Data,
        /// Its number.
        seq: u64,
        /// Configuration that was in force: names the points of exact inputs.
        #[arg(long, value_name = "DIR")]
        config: Option<PathBuf>,
    },
}

const EXPORT_NOTES: &str = "\
One piece of the chain, from the first record of the time asked for to the last one. `hash` is the SHA-256 of `prev` (32 bytes),
`seq` (8 bytes, big-endian) and the bytes of `body` as they stand in the line; `prev` is the hash of the line before, of the first
record of all the SHA-256 of the store id. Times are UTC.

Examples:
  qindan log export --data /var/lib/qindan > log.jsonl
  qindan log export --data /var/lib/qindan --from 2026-05-01T00:00:00Z --to 2026-06-01T00:00:00Z > may.jsonl
  ops/verify-export may.jsonl                      with Python 3 alone, on any machine";

const VERIFY_NOTES: &str = "\
A chain shows a change only to someone who knows a later hash. So the service tells the system log every hour, and after each
segment, the chain head it has signed; and 12 characters of it stand on the daily report. --anchors takes either.

With --from or --to only records of those numbers are checked, and anchors and view there. What only the whole log tells is a
note then: an intent whose outcome may stand behind the range, records that are not there before it.

Exit codes: 0 right, 1 no data folder, not readable or no record in the range, 2 damaged, 3 records missing, 4 chain broken or a checkpoint not signed
by us, 5 intents and outcomes do not match, 6 the view differs, 8 a head kept elsewhere is not in the log. The smallest counts.

Examples:
  qindan log verify --data /var/lib/qindan
  journalctl -u qindan -o cat > kept.txt && qindan log verify --data /var/lib/qindan --anchors kept.txt
  qindan log verify --data /var/lib/qindan --from 120000 --to 130000
  qindan log verify --data /var/lib/qindan --json";

const TAIL_NOTES: &str = "\
Records are read from the journal, beside a running service too. What a line says in short, `qindan log show` says in full.

Examples:
  qindan log tail -n 200 --gate zf.valve1 --data /var/lib/qindan
  qindan log tail --actor operator:li.ming --from 2026-05-01T00:00:00Z --to 2026-05-02T00:00:00Z --data /var/lib/qindan
  qindan log tail --kind alarm --kind refusal --data /var/lib/qindan
  qindan log tail --decision 1234 --data /var/lib/qindan";

const SHOW_NOTES: &str = "\
The exact inputs of a decision are kept in snapshots/ for the days configured; after that the samples kept last before it are
shown, with their quality. `qindan-sim rerun` makes the decision again.

Examples:
  qindan log show 1234 --data /var/lib/qindan --config /etc/qindan";

#[derive(Debug, Subcommand)]
pub(crate) enum History {
    /// Samples as CSV with their quality: time,point,value,quality.
    Export {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        span: Span,
        /// A point, as `q.runcheng/value`; may be repeated. Without it all points.
        #[arg(long, value_name = "ID")]
        point: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = ECOFLOW_NOTES)]
pub(crate) struct Ecoflow {
    /// The record: UTF-8, headers in its first line, a column time or date, and a column with the flow.
    #[arg(value_name = "RECORD.csv")]
    pub(crate) record: PathBuf,
    /// Column with the flow; without it `flow_m3s`, or the only one beside the time.
    #[arg(long, value_name = "NAME")]
    pub(crate) column: Option<String>,
    /// Factor that makes m³/s of a value, as 0.001 for litres a second.
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pub(crate) scale: Option<f64>,
    /// Number that marks a missing value, as -9999; may be repeated.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) missing: Vec<f64>,
    /// Month a year begins with, so that no low-water season is cut in two; without it the wettest of the record.
    #[arg(long, value_name = "MONTH", value_parser = clap::value_parser!(i8).range(1..=12))]
    pub(crate) year_begins: Option<i8>,
    /// Language of the text.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) lang: Language,
    /// The proposals as CSV instead of the text.
    #[arg(long)]
    pub(crate) csv: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "give a number above 0".to_owned())
}

/// Language of a text.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Language {
    /// Chinese.
    Zh,
    /// English.
    #[default]
    En,
}

const ECOFLOW_NOTES: &str = "\
Methods: Tennant's shares of the mean annual flow by season, the driest month that 90 and 95 % of the years reach (by rank and
by Pearson III), the driest month of the last ten years, and 7Q10 (by rank and by log-Pearson III). Formulas, the years they
stand on, completeness and warnings are printed with them. Missing days are never filled: an empty cell, NaN or a number given
with --missing is no value.

Examples:
  qindan ecoflow runcheng.csv
  qindan ecoflow runcheng.csv --lang zh
  qindan ecoflow runcheng.csv --column q_ls --scale 0.001 --missing -9999 --csv > proposals.csv";

#[derive(Debug, Args)]
pub(crate) struct Span {
    /// From this moment on, as 2026-05-01T00:00:00Z.
    #[arg(long, value_name = "UTC")]
    pub(crate) from: Option<Timestamp>,
    /// Before this moment.
    #[arg(long, value_name = "UTC")]
    pub(crate) to: Option<Timestamp>,
}

/// Which records.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// About this gate, by its identifier.
    #[arg(long, value_name = "ID")]
    gate: Option<String>,
    /// Of this kind, as intent, outcome, decision, alarm, operator; may be given more than once.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// By whoever has this in the name: dispatch, operator:LI, failsafe, recovery, service; outcomes belong to their intents and stay.
    #[arg(long, value_name = "TEXT")]
    actor: Option<String>,
    /// What was decided together with this record, from the same inputs, and what became of its commands.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["gate", "kinds", "actor", "from", "to", "count"])]
    pub(crate) decision: Option<u64>,
}

impl Filter {
    /// As a query for the newest `count` of a time.
    pub(crate) fn query(self, count: usize, span: &Span) -> Query {
        let timed = span.from.is_some() || span.to.is_some();
        let utc = timed.then(|| (span.from.unwrap_or(Timestamp::MIN), span.to.unwrap_or(Timestamp::MAX)));
        Query { gate: self.gate, kinds: self.kinds, actor: self.actor, utc, ..Query::newest(count) }
    }
}

/// A kind by its name in the record.
fn kind(name: &str) -> Result<Kind, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
#[command(after_help = PROBE_NOTES)]
pub(crate) struct Probe {
    /// Device as named in devices.toml; with --point-test also all.
    pub(crate) device: String,
    /// Go through every point with a person at the local panel, and write a signed-off record.
    #[arg(long, requires = "by", conflicts_with = "start")]
    pub(crate) point_test: bool,
    /// Who compares the values with the panel, and signs.
    #[arg(long, value_name = "NAME", requires = "point_test")]
    pub(crate) by: Option<String>,
    /// Folder for the records.
    #[arg(long, value_name = "DIR", default_value = ".", requires = "point_test")]
    pub(crate) out: PathBuf,
    /// Take the answers from a file, one line NAME ANSWER for each question in order; the record says so.
    #[arg(long, value_name = "FILE", requires = "point_test")]
    pub(crate) answers: Option<PathBuf>,
    /// Move the gates of the device too: a small step and back, each after the person has typed the gate's name.
    #[arg(long = "move", requires_all = ["point_test", "data"], conflicts_with = "observe")]
    pub(crate) moving: bool,
    /// Move this gate only.
    #[arg(long, value_name = "ID", requires = "moving")]
    pub(crate) gate: Option<String>,
    /// Step in % of the stroke, at most 10; without it 2 % or 20 mm of travel, whichever is smaller.
    #[arg(long, value_name = "PCT", requires = "moving")]
    pub(crate) step_pct: Option<f64>,
    /// Data folder: held while gates are moved, so that no service commands beside, and every movement is recorded in it.
    #[arg(long, value_name = "DIR", requires = "moving")]
    pub(crate) data: Option<PathBuf>,
    /// Nothing may be written, as always without --move; refused together with it.
    #[arg(long)]
    pub(crate) observe: bool,
    #[command(flatten)]
    pub(crate) config: Configuration,
    /// Table to read; without --start the configured points of the device.
    #[arg(long, value_enum, default_value = "holding", requires = "start")]
    pub(crate) table: TableName,
    /// First address, zero based.
    #[arg(long)]
    pub(crate) start: Option<u16>,
    /// How many addresses.
    #[arg(long, default_value_t = 16, requires = "start", value_parser = clap::value_parser!(u16).range(1..=125))]
    pub(crate) count: u16,
    /// How to read pairs of registers.
    #[arg(long = "as", value_enum, default_value_t)]
    pub(crate) pair: Pair,
}

const PROBE_NOTES: &str = "\
The point test is part of commissioning. For each point it shows address, registers, value, unit and quality, and
asks what the local panel shows. A value agrees when it is within one unit of the last digit typed and one step of its
register. Without --move nothing is written to the device, and registers that are written only are not part of it.

With --move each gate of the device then makes a small step up and back, through the same interlocks, record and single
write as a command of the service: never below two arrival tolerances, for a smaller step could not be seen to arrive. Each
step is made only when its gate is on remote, without fault, at rest, with a fresh position, and when the person has
typed the name of the gate; \"stop\", Ctrl-C or the end of the input stop it and end the test. Time, speed, overshoot, read-back and
what the person saw go into the record. It needs a terminal (a bench configuration also takes answers from a file: NAME/out
NAME, NAME/out/seen ok, NAME/back NAME, NAME/back/seen ok, and NAME/moving stop), and a data folder that no service uses.

For each device a record is made, never over another one: point-test_DEVICE_TIME.toml, whose last two lines hold the
SHA-256 of all lines before them, and the same as .txt to print and sign. To verify a record:
  head -n -2 RECORD.toml | sha256sum
The exit code is 0 when every point of every device passed, every gate that was to be moved too, and every record was signed.

A serial gateway may serve one connection only: stop the service meanwhile, or test while it does not run yet.

Examples:
  qindan probe zf.outlet.rtu
  qindan probe zf.outlet.rtu --table input --start 0 --count 20 --as u32
  qindan probe box.zf.eco.v1 --point-test --by \"Li Ming\" --out commissioning
  qindan probe box.zf.eco.v1 --point-test --by \"Li Ming\" --move --data /var/lib/qindan";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TableName {
    Coil,
    Discrete,
    Input,
    Holding,
}

impl From<TableName> for Table {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Coil => Self::Coil,
            TableName::Discrete => Self::Discrete,
            TableName::Input => Self::Input,
            TableName::Holding => Self::Holding,
        }
    }
}

/// Meaning of two registers.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Pair {
    /// IEEE 754 single.
    #[default]
    F32,
    /// Unsigned.
    U32,
    /// Signed.
    I32,
    /// Eight decimal digits.
    Bcd32,
}
