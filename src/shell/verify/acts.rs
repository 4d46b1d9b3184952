//! What the bodies of records say about each other: intents and outcomes, service time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Verdict;
use crate::control::record::Kind;
use crate::shell::journal::{Brief, Chain, Record, is_hex_of};

/// What the bodies say about each other.
#[derive(Default)]
pub(super) struct Acts {
    /// Intents without an outcome: sequence by command, and their start.
    pub(super) open: BTreeMap<u64, (u64, Arc<str>)>,
    /// First record seen: what it refers to before that was trimmed.
    oldest: u64,
    boot: Arc<str>,
    mono_us: u64,
}

impl Acts {
    /// Takes in record `seq`, which follows the hash `prev`; `whole` where its detail counts.
    pub(super) fn note(
        &mut self,
        seq: u64,
        record: &Brief,
        whole: Option<&Record>,
        prev: &Chain,
    ) -> Vec<(Verdict, String)> {
        let mut found = Vec::new();
        if self.oldest == 0 {
            self.oldest = seq;
        }
        if !is_hex_of(&record.prev, prev) {
            found.push((Verdict::Chain, format!("record {seq}: names another record before it")));
        }
        if *record.boot != *self.boot {
            self.boot = Arc::from(&*record.boot);
        } else if record.mono_us < self.mono_us {
            found.push((Verdict::Chain, format!("record {seq}: service time runs backwards")));
        }
        self.mono_us = record.mono_us;
        match (record.kind, record.command) {
            (Kind::Intent | Kind::LateIntent, Some(command)) => {
                if let Some((before, _)) = self.open.insert(command.0, (seq, Arc::clone(&self.boot))) {
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
            (Kind::Recovered, _) => self.taken_up(whole),
            (Kind::Intent | Kind::LateIntent, None) => {
                found.push((Verdict::Unmatched, format!("record {seq}: intent without a command number")));
            }
            _ => {}
        }
        found
    }

    /// A start names the open intents of the one before that it goes on with: they are its own from now on.
    fn taken_up(&mut self, record: Option<&Record>) {
        let detail = record.and_then(|record| record.detail.as_ref());
        let commands = detail.and_then(|detail| detail["commands"].as_array());
        for command in commands.into_iter().flatten().filter_map(serde_json::Value::as_u64) {
            if let Some((_, boot)) = self.open.get_mut(&command) {
                *boot = Arc::clone(&self.boot);
            }
        }
    }

    /// Intents left open: natural in the newest start, a fault when a later start did not take them up. `upto`: the
    /// record after which the log was not read, where more may be said of them.
    pub(super) fn ends(&self, upto: Option<u64>) -> Vec<(Verdict, String)> {
        let told = |(command, (seq, boot)): (&u64, &(u64, Arc<str>))| {
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
