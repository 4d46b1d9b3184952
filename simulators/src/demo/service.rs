//! The service as a second process: built if need be, on a configuration of its own, paced by us.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use qindan::basin::Basin;
use qindan::config::Schedules;
use qindan::points::ScanClass;
use qindan::shell::pace::Pace;
use qindan::shell::people::secret;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use crate::scenario::Case;
use crate::vary::{self, Change};

/// Where everything of one demonstration lies.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    /// The configuration of this demonstration.
    pub(super) config: PathBuf,
    /// The data folder of the service.
    pub(super) data: PathBuf,
    /// What the service says.
    pub(super) log: PathBuf,
}

impl Folders {
    /// The folders below `root`.
    pub(super) fn below(root: &Path) -> Self {
        Self { config: root.join("config"), data: root.join("data"), log: root.join("service.log") }
    }
}

/// Whether `cargo run` tells its program by this variable of which package it is. Build scripts of dependencies watch these (that of
/// ring does): handed on, they and all above them would be compiled again, here and by the next `cargo demo`.
fn tells_our_package(variable: &OsStr) -> bool {
    let tells = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    variable.to_str().is_some_and(|name| tells.iter().any(|tells| name.starts_with(tells)))
}

/// The program `qindan` beside this one. Run by cargo, it is built first: cargo builds the workbench alone, and the
/// service must be of the same source.
///
/// # Errors
/// When it cannot be built, or is not there.
pub(super) async fn program(say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program lies")?;
    let sibling = own.with_file_name("qindan").with_extension(std::env::consts::EXE_EXTENSION);
    let manifest =
        crate::scenario::above("simulators").and_then(|folder| Some(folder.parent()?.join("Cargo.toml")));
    if let (Some(cargo), Some(manifest)) = (std::env::var_os("CARGO"), manifest) {
        say(
            "building the service beside the workbench: what both share is compiled already (cargo build --bin qindan)",
        );
        let mut build = Command::new(cargo);
        // With the workbench, or the dependencies would be compiled again with the features the service alone has of them.
        build
            .args(["build", "--quiet", "--package", "qindan", "--package", "qindan-sim", "--bin", "qindan"])
            .arg("--manifest-path")
            .arg(manifest);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| tells_our_package(variable)) {
            build.env_remove(variable);
        }
        // Cargo puts a profile's programs into a folder of its name, but for the first.
        if let Some(profile) = own.parent().and_then(Path::file_name).filter(|folder| *folder != "debug") {
            build.arg("--profile").arg(profile);
        }
        // Where cargo puts the sibling is where it has put us.
        if let Some(target) = own.parent().and_then(Path::parent) {
            build.arg("--target-dir").arg(target);
        }
        let done = build.status().await.context("cargo cannot be started")?;
        if !done.success() {
            bail!("the service could not be built ({done}); its messages are above");
        }
    }
    if !sibling.is_file() {
        bail!(
            "{}: no service there; build it with `cargo build --package qindan`, or start with `cargo demo`",
            sibling.display()
        );
    }
    Ok(sibling)
}

/// Where a demonstration listens, and how fine its time is.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    /// Addresses of the links.
    pub(super) links: Vec<SocketAddr>,
    /// Address of the page.
    pub(super) page: SocketAddr,
    /// Simulated time between two steps of the river, s: its registers show nothing newer in between.
    pub(super) step_s: f64,
}

/// Makes the configuration of a demonstration: the folder the scenario runs on, with its own addresses, the scenario's mode
/// and its announced turns. Pauses that only a serial line needs are left out, and no reading is stale before the river
/// has been stepped three times: its registers show nothing newer in between.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn configure(
    case: &Case,
    from: &Path,
    changes: &[Change],
    into: &Path,
    bench: &Bench,
) -> Result<()> {
    let mut changes = changes.to_vec();
    for (link, address) in case.config.field.links.iter().zip(&bench.links) {
        changes.push(Change::text(&["link", &link.id, "address"], &address.to_string()));
        changes.push(Change::number(&["link", &link.id, "gap_s"], 0.0));
    }
    changes.push(Change::text(&["service", "listen"], &bench.page.to_string()));
    let mode = serde_json::to_value(case.scenario.mode).unwrap_or_default();
    changes.push(Change::text(&["service", "start_mode"], mode.as_str().unwrap_or("automatic")));
    vary::copy(from, into, &changes)?;
    rewrite(&into.join("devices.toml"), |text| patient(text, &case.config.field.classes, bench.step_s))?;
    rewrite(&into.join("service.toml"), open_to_look)?;
    rewrite(&into.join("schedules.toml"), |text| announce(text, &case.config.schedules, &case.config.basin))
}

fn rewrite(file: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let of = || file.display().to_string();
    let text = fs::read_to_string(file).with_context(of)?;
    fs::write(file, change(&text).with_context(of)?).with_context(of)
}

/// The settings in `text`, with which everybody on this machine may look; acts need a person all the same.
fn open_to_look(text: &str) -> Result<String> {
    let mut file = text.parse::<toml::Table>()?;
    let table = file.get_mut("service").and_then(toml::Value::as_table_mut);
    table.context("no [service]")?.insert("open_view".into(), true.into());
    Ok(toml::to_string(&file)?)
}

/// The devices in `text`, no reading of which is stale before the river has been stepped three times, every `step_s`.
fn patient(text: &str, classes: &[ScanClass], step_s: f64) -> Result<String> {
    let mut file = text.parse::<toml::Table>()?;
    for class in classes {
        let table =
            file.get_mut("class").and_then(|all| all.get_mut(&class.id)).and_then(toml::Value::as_table_mut);
        let stale_s = class.stale_s.max(ScanClass::STALE_SCANS * step_s);
        table.with_context(|| format!("no class {}", class.id))?.insert("stale_s".into(), stale_s.into());
    }
    Ok(toml::to_string(&file)?)
}

/// The calendar in `text` with the turns of `schedules` in place of its own.
fn announce(text: &str, schedules: &Schedules, basin: &Basin) -> Result<String> {
    let mut file = text.parse::<toml::Table>()?;
    file.remove("turn");
    let mut text = toml::to_string(&file)?;
    let civil = |utc| basin.zone.to_datetime(utc).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    for (number, turn) in schedules.turns.iter().enumerate() {
        let Some(intake) = basin.intakes.get(turn.intake.0) else { continue };
        let _ = write!(
            text,
            "\n[turn.scenario_{}]\nintake = {:?}\nfrom = {}\nto = {}\nrate_m3s = {:?}\n",
            number + 1,
            intake.id,
            civil(turn.from),
            civil(turn.to),
            turn.rate.get()
        );
    }
    Ok(text)
}

/// How a demonstration is entered.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Path of the page that signs the operator in, once.
    pub(super) link: String,
    /// The operator's password, which taking control again asks for.
    pub(super) password: String,
    /// Token of the line below: state and metrics.
    pub(super) token: String,
}

/// The operator of a demonstration.
pub(super) const OPERATOR: &str = "demo";

/// The running service.
pub(super) struct Service {
    child: Child,
    pace: Option<ChildStdin>,
}

impl Service {
    /// Makes the data folder; nothing else ever makes one.
    ///
    /// # Errors
    /// What `qindan init` says.
    pub(super) async fn init(program: &Path, folders: &Folders) -> Result<()> {
        let mut init = Command::new(program);
        init.arg("init").arg("--data").arg(&folders.data).arg("--config").arg(&folders.config);
        let done = init.output().await.with_context(|| program.display().to_string())?;
        if !done.status.success() {
            bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    }

    /// Makes the operator of the demonstration, as anybody would at the command line.
    ///
    /// # Errors
    /// What `qindan user` and `qindan token` say.
    pub(super) async fn keys(program: &Path, folders: &Folders) -> Result<Keys> {
        let password = secret()?.chars().take(10).collect::<String>();
        let add = ["user", "add", OPERATOR, "--role", "shift_leader", "--stdin"];
        say(program, folders, &add, &password).await?;
        let link = say(program, folders, &["user", "link", OPERATOR], "").await?;
        let scopes = ["token", "add", "demo-line", "--scope", "read", "--scope", "metrics"];
        let token = say(program, folders, &scopes, "").await?;
        Ok(Keys { link, password, token })
    }

    /// Starts the service with its clock in our hand; it waits for the first pace. Its page offers the disturbances of the
    /// river whose control listens at `river`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(program: &Path, folders: &Folders, river: SocketAddr) -> Result<Self> {
        let log = File::options().create(true).append(true).open(&folders.log);
        let log = log.with_context(|| folders.log.display().to_string())?;
        let mut run = Command::new(program);
        run.arg("run").arg("--config").arg(&folders.config).arg("--data").arg(&folders.data).arg("--pace");
        run.arg("--simulated-river").arg(river.to_string());
        run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = run.spawn().with_context(|| program.display().to_string())?;
        let pace = child.stdin.take();
        Ok(Self { child, pace })
    }

    /// Its process id.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Tells it the time. One that has just died does not listen; that is found out by [`Service::ended`].
    pub(super) async fn pace(&mut self, pace: Pace) {
        let Some(stdin) = &mut self.pace else { return };
        let Ok(mut line) = serde_json::to_string(&pace) else { return };
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            self.pace = None;
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Lets it stop in order: its pace ends.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn stop(mut self) -> std::io::Result<ExitStatus> {
        self.pace = None;
        self.child.wait().await
    }
}

/// Runs a command on the data folder with something on its standard input; what it prints.
async fn say(program: &Path, folders: &Folders, args: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).arg("--data").arg(&folders.data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| program.display().to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let done = child.wait_with_output().await?;
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Lets the service verify its own record; its verdict and what it says.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn verify(program: &Path, folders: &Folders) -> Result<(bool, String)> {
    let mut verify = Command::new(program);
    verify.args(["log", "verify"]).arg("--data").arg(&folders.data);
    let done = verify.output().await.with_context(|| program.display().to_string())?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    let complained = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Ok((done.status.success(), if said.is_empty() { complained } else { said }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_tells_of_this_package_is_not_told_to_the_next_build() {
        // "Environment variables Cargo sets for crates" and those it reads, Cargo book.
        let is_told = |name: &str| tells_our_package(OsStr::new(name));
        let of_us = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_BIN_NAME"];
        let read = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "CARGO_BUILD_JOBS", "PATH"];
        assert!(of_us.into_iter().all(is_told) && !read.into_iter().any(is_told));
    }

    #[test]
    fn announced_turns_replace_those_of_the_folder() {
        let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
        let mut schedules = Schedules::clone(&config.schedules);
        schedules.turns.truncate(1);
        let text = "# a remark\n[turn.old]\nintake = \"x\"\n";
        let made = announce(text, &schedules, &config.basin).unwrap();
        assert!(!made.contains("old") && made.contains("intake = \"in.duanshi_irr\""), "{made}");
        // 4 May, 06:00 in the time of the site.
        assert!(made.contains("from = 2026-05-04T06:00:00") && made.contains("rate_m3s = 0.35"), "{made}");
    }
}
