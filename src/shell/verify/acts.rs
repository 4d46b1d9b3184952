//! What the bodies of records say about each other: intents and outcomes, service time.

use std::collections::BTreeMap;

use super::Verdict;
use crate::control::record::Kind;
use crate::shell::journal::{Chain, Record, hex};

/// What the bodies say about each other.
#[derive(Default)]
pub(super) struct Acts {
    /// Intents without an outcome: sequence by command, and their start.
    pub(super) open: BTreeMap<u64, (u64, String)>,
    /// First record seen: what it refers to before that was trimmed.
    oldest: u64,
    boot: String,
    mono_us: u64,
}

impl Acts {
    pub(super) fn note(&mut self, record: &Record, prev: &Chain) -> Vec<(Verdict, String)> {
        let mut found = Vec::new();
        let seq = record.seq;
        if self.oldest == 0 {
            self.oldest = seq;
        }
        if record.prev != hex(prev) {
            found.push((Verdict::Chain, format!("record {seq}: names another record before it")));
        }
        if record.boot == self.boot && record.mono_us < self.mono_us {
            found.push((Verdict::Chain, format!("record {seq}: service time runs backwards")));
        }
        (self.boot, self.mono_us) = (record.boot.clone(), record.mono_us);
        match (record.kind, record.command) {
            (Kind::Intent | Kind::LateIntent, Some(command)) => {
                if let Some((before, _)) = self.open.insert(command.0, (seq, record.boot.clone())) {
                    let why =
                        format!("record {seq}: command {} was open already, by record {before}", command.0);
                    found.push((Verdict::Unmatched, why));
                }
            }
            (Kind::Outcome, command) => {
                let open = command.and_then(|command| self.open.remove(&command.0));
                let trimmed = record.of.is_some_and(|of| of < self.oldest);
                if !trimmed && open.as_ref().map(|(seq, _)| *seq) != record.of {
                    found.push((Verdict::Unmatched, format!("record {seq}: outcome of another intent")));
                } else if !trimmed && open.is_none() {
                    found.push((Verdict::Unmatched, format!("record {seq}: outcome without an open intent")));
                }
            }
            (Kind::Recovered, _) => self.taken_up(record),
            (Kind::Intent | Kind::LateIntent, None) => {
                found.push((Verdict::Unmatched, format!("record {seq}: intent without a command number")));
            }
            _ => {}
        }
        found
    }

    /// A start names the open intents of the one before that it goes on with: they are its own from now on.
    fn taken_up(&mut self, record: &Record) {
        let commands = record.detail.as_ref().and_then(|detail| detail["commands"].as_array());
        for command in commands.into_iter().flatten().filter_map(serde_json::Value::as_u64) {
            if let Some((_, boot)) = self.open.get_mut(&command) {
                boot.clone_from(&record.boot);
            }
        }
    }

    /// Intents left open: natural in the newest start, a fault when a later start did not take them up. `upto`: the
    /// record after which the log was not read, where more may be said of them.
    pub(super) fn ends(&self, upto: Option<u64>) -> Vec<(Verdict, String)> {
        let told = |(command, (seq, boot)): (&u64, &(u64, String))| {
            if let Some(upto) = upto {
                (
                    Verdict::Right,
                    format!("record {seq}: command {command} has no outcome up to record {upto}"),
                )
            } else if *boot == self.boot {
                (Verdict::Right, format!("record {seq}: command {command} is still open"))
            } else {
                (Verdict::Unmatched, format!("record {seq}: command {command} never got an outcome"))
            }
        };
        self.open.iter().map(told).collect()
    }
}
