//! Arguments, configuration, and what each command does; see `qindan --help`.

mod cli;
mod cli_backup;
#[cfg(test)]
mod cli_guides;
mod cli_notify;
mod cli_people;
mod cli_report;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;
use jiff::Timestamp;
use qindan::config::addresses::Addresses;
use qindan::config::import::{self, Wanted};
use qindan::config::{self, Config};
use qindan::ecoflow::{Reading, Record, Study, text};
use qindan::points::{DataType, DeviceId, Field};
use qindan::shell::checkpoint::{anchors, known_keys};
use qindan::shell::clock::Clock;
use qindan::shell::field::Access;
use qindan::shell::people::Book;
use qindan::shell::point_test::{self, Answers, Moves, Stopper};
use qindan::shell::service::{Options, Running, StartError, Stop, Time};
use qindan::shell::verify::Part;
use qindan::shell::{data_dir, history, log, pace, probe, telemetry, verify};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Check, Cli, Command, Ecoflow, History, ImportRegisters, Language, Log, LogForm, Pair, Probe, Run};

/// Wrong usage, as `sysexits.h` has it: 2 to 8 are verdicts on the log.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a closed terminal.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match act(cli.command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "qindan: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whoever read our output has had enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

fn act(command: Command) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut code = ExitCode::SUCCESS;
    match command {
        Command::Init { data, config } => init(&data, &config.config, &mut out)?,
        Command::Check(asked) => check(&asked, &mut out)?,
        Command::Run(run) => return serve(run).map(|()| code),
        Command::Log(Log::Tail { data, count, filter, span }) => match filter.decision {
            Some(seq) => log::decided(&data.data, seq, &mut out)?,
            None => log::tail(&data.data, &filter.query(count, &span), &mut out)?,
        },
        Command::Log(Log::Export { data, span }) => log::export(&data.data, span.from, span.to, &mut out)?,
        Command::Log(Log::Show { data, seq, config }) => {
            let config = config.map(|folder| load(&folder)).transpose()?;
            log::show(&data.data, seq, config.as_ref(), &mut out)?;
        }
        Command::Log(Log::Verify { data, anchors, from, to, json }) => {
            if let Some(part) = Part::of(from, to) {
                code = verify(&data.data, anchors.as_deref(), part, json, &mut out)?;
            } else {
                let (from, to) = (from.unwrap_or(1), to.unwrap_or_default());
                writeln!(
                    io::stderr(),
                    "qindan: --from {from} --to {to}: no record lies between; give the lower number first"
                )?;
                code = USAGE.into();
            }
        }
        Command::History(History::Export { data, span, point }) => {
            data_dir::Identity::read(&data.data)?;
            let points: Vec<_> = point.iter().map(String::as_str).collect();
            let (from, to) = (span.from.unwrap_or(Timestamp::MIN), span.to.unwrap_or(Timestamp::MAX));
            history::export(&data.data.join("journal"), &points, from, to, &mut out)?;
        }
        Command::Report(asked) => cli_report::report(&asked, load, &mut out)?,
        Command::Backup(asked) => asked.run(&mut out)?,
        Command::Restore(asked) => asked.run(&mut out)?,
        Command::User(asked) => asked.run(load, &mut out)?,
        Command::Token(asked) => asked.run(&mut out)?,
        Command::Notify(asked) => code = asked.run(load, &mut out)?,
        Command::ImportRegisters(asked) => import_registers(&asked, &mut out)?,
        Command::Ecoflow(asked) => propose(asked, &mut out)?,
        Command::Probe(asked) => match asked.by.as_deref().filter(|_| asked.point_test) {
            Some(by) => code = point_test(&asked, by, &mut out)?,
            None => explore(&asked, &mut out)?,
        },
    }
    out.flush()?;
    Ok(code)
}

fn load(folder: &Path) -> Result<Config> {
    config::load(folder).with_context(|| format!("{} cannot be used", folder.display()))
}

fn verify(
    data: &Path,
    anchors: Option<&Path>,
    part: Part,
    json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let mut kept = Vec::new();
    if let Some(file) = anchors {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
        kept = anchors::read(&text).with_context(|| shown.to_string())?;
        if kept.is_empty() {
            bail!(
                "{shown}: no chain heads in it; give lines of the system log that say checkpoint, or SEQ HEAD"
            );
        }
    }
    let report = verify::check(data, &kept, part);
    if json {
        report.print_json(out)?;
    } else {
        report.print(out)?;
    }
    Ok((report.verdict() as u8).into())
}

fn init(data: &Path, config: &Path, out: &mut dyn Write) -> Result<()> {
    let config = load(config)?;
    let identity = data_dir::init(data, &config.basin.id, Clock::machine_utc())?;
    writeln!(out, "{}: data folder of basin {}, store {}", data.display(), identity.basin, identity.store)?;
    let keys = known_keys(data)?;
    writeln!(out, "checkpoints are signed with {}; keep that number elsewhere", keys.join(", "))?;
    let code = Book::edit(data, Book::first_run)?;
    writeln!(out, "first-run code {code}: makes the first user on the page, once; or use `qindan user add`")?;
    Ok(())
}

fn check(asked: &Check, out: &mut dyn Write) -> Result<()> {
    let folder = asked.config.as_path();
    if let Some(of) = &asked.addresses {
        let table = Addresses::new(&load(folder)?, Some(of.as_str()).filter(|of| !of.is_empty()))?;
        let text = if asked.csv { table.csv() } else { table.text() };
        return Ok(out.write_all(text.as_bytes())?);
    }
    if asked.ratings {
        return Ok(out.write_all(config::ratings::text(&load(folder)?).as_bytes())?);
    }
    let Config { basin, field, schedules, service, digest } = load(folder)?;
    writeln!(out, "{}: basin {} ({}), all right", folder.display(), basin.id, basin.name.en)?;
    let driven = basin.gates.iter().filter(|gate| gate.is_driven()).count();
    writeln!(
        out,
        "  {} sections, {} reaches, {} reservoirs and ponds, {} gates ({driven} driven), {} meters, {} intakes",
        basin.sections.len(),
        basin.reaches.len(),
        basin.reservoirs.len(),
        basin.gates.len(),
        basin.meters.len(),
        basin.intakes.len()
    )?;
    writeln!(
        out,
        "  {} links, {} devices, {} points",
        field.links.len(),
        field.devices.len(),
        field.points.len()
    )?;
    writeln!(out, "  {} turns, {} entries in the calendar", schedules.turns.len(), schedules.entries.len())?;
    if let Some(line) = config::ratings::summary(&basin) {
        writeln!(out, "  {line}")?;
    }
    let reports = config::reports::load(folder, &basin)?;
    writeln!(out, "  {} rules and {} filings of the reports", reports.rules.len(), reports.filings.len())?;
    let notify = config::notify::load(folder, &basin)?;
    for line in cli_notify::summary(notify.as_ref(), service.bench) {
        writeln!(out, "  {line}")?;
    }
    let bench = if service.bench { ", bench" } else { "" };
    let scheme = if service.tls.is_some() { "https" } else { "http" };
    writeln!(
        out,
        "  page at {scheme}://{}{bench}, history of {} days in at most {} MB",
        service.listen, service.history_days, service.history_mb
    )?;
    if !service.names.is_empty() {
        writeln!(out, "  page is called {}", service.names.join(", "))?;
    }
    if service.open_view {
        writeln!(out, "  open_view: everybody who reaches the page may look without signing in")?;
    }
    writeln!(
        out,
        "  decisions of {} days can be made again, in at most {} MB",
        service.snapshot_days, service.snapshot_mb
    )?;
    writeln!(out, "  digest {digest}")?;
    Ok(())
}

fn import_registers(asked: &ImportRegisters, out: &mut dyn Write) -> Result<()> {
    let shown = asked.file.display();
    let bytes = std::fs::read(&asked.file).with_context(|| format!("{shown}: cannot be read"))?;
    let name = asked.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wanted = Wanted {
        file: &name,
        layout: &asked.layout,
        about: asked.about.as_deref(),
        first: asked.first_address.map(Into::into),
    };
    let template = match import::template(&bytes, wanted) {
        Ok(template) => template,
        Err(problems) => {
            let list = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let s = if problems.len() == 1 { "" } else { "s" };
            bail!("{shown} makes no template\n{list}\n{} problem{s}; nothing was written", problems.len());
        }
    };
    match &asked.out {
        Some(path) => {
            let made =
                std::fs::File::create_new(path).and_then(|mut file| file.write_all(template.as_bytes()));
            made.with_context(|| {
                format!("{}: cannot be made; name a file that is not there yet", path.display())
            })?;
            writeln!(
                out,
                "{}: layout {}; name it in a wire and run qindan check",
                path.display(),
                asked.layout
            )?;
        }
        None => out.write_all(template.as_bytes())?,
    }
    Ok(())
}

/// Ecological flows from a record.
fn propose(asked: Ecoflow, out: &mut dyn Write) -> Result<()> {
    let shown = asked.record.display().to_string();
    let bytes = std::fs::read(&asked.record).with_context(|| format!("{shown}: cannot be read"))?;
    let table = String::from_utf8(bytes).with_context(|| format!("{shown}: not UTF-8; save it as such"))?;
    let reading = Reading { column: asked.column, scale: asked.scale, missing: asked.missing };
    let record = Record::read(&shown, &table, &reading)?;
    let study = Study::of(&record, asked.year_begins);
    let study =
        study.with_context(|| format!("{shown}: no day has enough values; nothing can be proposed"))?;
    let lang = match asked.lang {
        Language::Zh => text::Lang::Zh,
        Language::En => text::Lang::En,
    };
    let printed = if asked.csv { text::csv(&study) } else { text::text(&shown, &record, &study, lang) };
    Ok(out.write_all(printed.as_bytes())?)
}

fn find_device(field: &Field, name: &str) -> Result<DeviceId> {
    let Some(at) = field.devices.iter().position(|device| device.id == name) else {
        let known: Vec<_> = field.devices.iter().map(|device| device.id.as_str()).collect();
        bail!("{name}: no such device; known are {}", known.join(", "));
    };
    Ok(DeviceId(at))
}

/// The point test of one device or of all; a device that stops the person stops the rest too.
fn point_test(asked: &Probe, by: &str, out: &mut dyn Write) -> Result<ExitCode> {
    let config = load(&asked.config.config)?;
    let devices = match asked.device.as_str() {
        "all" => (0..config.field.devices.len()).map(DeviceId).collect(),
        name => vec![find_device(&config.field, name)?],
    };
    let mut typed = None;
    let mut answers = if let Some(file) = &asked.answers {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Answers::given(&name, &text)
    } else {
        let (answers, stopper) = Answers::typed(io::BufReader::new(io::stdin()))?;
        typed = Some(stopper);
        answers
    };
    let moves = match (&asked.data, asked.moving) {
        (Some(data), true) => {
            // Only a person beside the gate may say that it may move.
            if !config.service.bench && (asked.answers.is_some() || !io::stdin().is_terminal()) {
                bail!(
                    "--move: gates are moved by a person at a terminal only; run it there, without --answers. A bench \
                     configuration (bench = true) may be answered from a file or a pipe"
                );
            }
            let (gate, clock) = (asked.gate.as_deref(), Clock::real());
            Some(Moves::take(&config, data, gate, asked.step_pct, clock)?)
        }
        (Some(_) | None, _) => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(stopper) = typed.filter(|_| moves.is_some()) {
        runtime.spawn(stop_on_interrupt(stopper));
    }
    let (mut clean, mut went) = (true, false);
    for device in devices {
        let record =
            runtime.block_on(point_test::test(&config, device, by, &mut answers, out, moves.as_ref()))?;
        let saved = record.save(&asked.out, Clock::machine_utc())?;
        writeln!(out, "{}\n{}", saved.record.display(), saved.text.display())?;
        clean &= record.is_clean();
        went |= !record.movement.is_empty();
        if record.was_stopped {
            break;
        }
    }
    if moves.is_some() && !went {
        bail!("no gate was there to be moved; name the device that has its target register");
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C while gates are moved is the word "stop", not the end of the one who could send it.
async fn stop_on_interrupt(stopper: Stopper) {
    while tokio::signal::ctrl_c().await.is_ok() {
        stopper.stop();
    }
}

fn explore(asked: &Probe, out: &mut dyn Write) -> Result<()> {
    let config = load(&asked.config.config)?;
    let field = &config.field;
    let device = find_device(field, &asked.device)?;
    let spans = match asked.start {
        Some(start) => vec![probe::Span { table: asked.table.into(), start, count: asked.count }],
        None => probe::spans(field, device),
    };
    let pair = match asked.pair {
        Pair::F32 => DataType::F32,
        Pair::U32 => DataType::U32,
        Pair::I32 => DataType::I32,
        Pair::Bcd32 => DataType::Bcd32,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(probe::read(field, device, &spans, pair))?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

fn serve(run: Run) -> Result<()> {
    telemetry::start(match run.log {
        LogForm::Text => telemetry::Form::Text,
        LogForm::Json => telemetry::Form::Json,
    })?;
    telemetry::end_on_panic();
    let config = load(&run.config.config)?;
    let time = match (run.time_scale, run.start, run.pace) {
        (Some(speed), start, _) => Time::Scaled { speed, start },
        (None, Some(_), _) => return Err(StartError::StartAlone.into()),
        (None, None, true) => {
            Time::Paced(pace::read(io::BufReader::new(io::stdin())).context("read the pace")?)
        }
        (None, None, false) => Time::Real,
    };
    let options = Options {
        config: Arc::new(config),
        data: run.data.data,
        access: if run.observe { Access::Observe } else { Access::Command },
        listen: run.listen,
        simulated_river: run.simulated_river,
        time,
        reports: Some(run.config.config),
        fault: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let stop = Stop::default();
        tokio::spawn(signals(stop.clone()));
        Running::start(options, stop).await?.ended().await;
        Ok::<_, StartError>(())
    });
    // Pages that are still open end with the process.
    runtime.shutdown_background();
    Ok(done?)
}

/// The first signal stops in order, the second at once.
async fn signals(stop: Stop) {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::error!("signals cannot be heard; only SIGKILL ends this process");
        return;
    };
    for round in 0.. {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => "SIGHUP",
        };
        if round > 0 {
            tracing::error!(name, "told twice, ending at once");
            std::process::exit(1);
        }
        tracing::info!(name, "stopping in order");
        stop.now(name);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn documents_name_commands_there_are() {
        cli_guides::check("qindan", &Cli::command());
    }
}
