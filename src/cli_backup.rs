//! `qindan backup` and `qindan restore`: their arguments, and what they say.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use qindan::shell::backup::{self, Done, Order, Problems, Progress, Restored, Stream};
use qindan::shell::checkpoint::short;
use qindan::shell::clock::Clock;

use crate::cli::{Configuration, Data};

#[derive(Debug, Args)]
#[command(after_help = BACKUP_NOTES)]
pub(crate) struct Backup {
    #[command(flatten)]
    data: Data,
    /// Folder of the backup, on another disk; made when it is not there.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    config: Configuration,
}

const BACKUP_NOTES: &str = "\
Copies the journal (actions and samples, every acknowledged record), identity, state, public keys and the configuration, also
beside a running service, which it does not disturb. Segments that never change again are copied once. The manifest is written
last: until then the backup is the last one, whole. Snapshots, the view and the secret key are not copied.

It refuses a folder whose record has lost or changed what the last backup holds, and leaves that backup as it is.

Examples:
  qindan backup --data /var/lib/qindan --config /etc/qindan --to /var/backups/qindan
  systemctl enable --now qindan-backup.timer       once an hour, see ops/runbook.md";

#[derive(Debug, Args)]
#[command(after_help = RESTORE_NOTES)]
pub(crate) struct Restore {
    /// Folder of the backup.
    #[arg(long, value_name = "BACKUP")]
    from: PathBuf,
    /// Data folder to make; an existing one must be empty.
    #[arg(long, value_name = "NEWDIR")]
    to: PathBuf,
    /// Put it in place although `log verify` finds problems, which the old folder must have had; they are printed.
    #[arg(long)]
    with_problems: bool,
}

const RESTORE_NOTES: &str = "\
Before anything is put in place the copy is proved in a scratch folder inside of the new one: SHA-256 of every file, chain,
counts, a view made anew that answers as the journal does, and all of `log verify`. A damaged file is named.

Records made after the backup may have been acknowledged and are lost with the old folder. None of their numbers is given
twice: the journal goes on in the next epoch, at least 1 000 000 000 numbers later, and its first record says that it was
restored. The first start comes up in hold, since what people ordered after the backup is not known. Never start the old
folder again beside the new one.

Examples:
  qindan restore --from /var/backups/qindan --to /var/lib/qindan
  qindan restore --from /mnt/copy --to /tmp/drill && qindan log verify --data /tmp/drill";

impl Backup {
    /// Makes the copy and says what it holds.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<()> {
        let Self { data, to, config } = self;
        let order = Order { data: &data.data, config: &config.config, to };
        let done = with_progress(|told| backup::make(order, Clock::machine_utc(), told))?;
        let Done { manifest, copied, bytes, kept, notes } = done;
        for note in notes {
            writeln!(out, "note: {note}")?;
        }
        writeln!(
            out,
            "{}: {copied} files copied ({}), {kept} sealed segments were there",
            to.display(),
            size(bytes)
        )?;
        writeln!(out, "  actions: {}", stream(manifest.actions.as_ref()))?;
        writeln!(out, "  samples: {}", stream(manifest.samples.as_ref()))?;
        Ok(())
    }
}

impl Restore {
    /// Puts the copy back and says how it goes on.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<()> {
        let Self { from, to, with_problems } = self;
        let problems = if *with_problems { Problems::Accept } else { Problems::Refuse };
        let done = with_progress(|told| backup::restore(from, to, problems, Clock::machine_utc(), told))?;
        let Restored { manifest, record, epoch, proof, config } = done;
        write!(out, "{proof}")?;
        writeln!(
            out,
            "{}: basin {}, as of {}, proved and in place",
            to.display(),
            manifest.basin,
            manifest.made
        )?;
        writeln!(out, "  actions: {}", stream(manifest.actions.as_ref()))?;
        if let Some(record) = record {
            writeln!(
                out,
                "  goes on in epoch {epoch} with record {record}; the first start comes up in hold"
            )?;
        }
        if let Some(config) = config {
            writeln!(out, "  configuration of that time: {}", config.display())?;
        }
        Ok(())
    }
}

fn stream(stream: Option<&Stream>) -> String {
    stream.map_or_else(
        || "none".to_owned(),
        |Stream { first, last, records, head, .. }| {
            format!("{records} records, {first} to {last}, chain head {}", short(head))
        },
    )
}

fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// Shows how far it is on a terminal, in one line that is gone at the end.
fn with_progress<T, E>(act: impl FnOnce(&mut dyn FnMut(&Progress)) -> Result<T, E>) -> Result<T, E> {
    let mut shown = io::stderr();
    let is_terminal = shown.is_terminal();
    let mut line = move |text: &str| {
        if is_terminal {
            // What cannot be shown is not worth ending for.
            drop(write!(shown, "\r\x1b[K{text}").and_then(|()| shown.flush()));
        }
    };
    let done = act(&mut |progress| {
        let Progress { doing, file, done, total } = progress;
        let share =
            if *total == 0 { String::new() } else { format!(" {} %", done * 100 / (*total).max(*done)) };
        line(&format!("{doing}{share}  {file}"));
    });
    line("");
    done
}
