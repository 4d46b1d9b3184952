//! Whether field and record say the same after a crash.

use std::collections::BTreeMap;
use std::time::Duration;

use qindan::control::command::{CommandId, FailReason, Terminal, WriteResult};
use qindan::control::record::Kind;
use qindan::shell::journal::Record;

use crate::crash_lab::{Ground, Lab};

/// Service time after a restart within which every intent has its outcome.
pub(crate) const SETTLED: Duration = Duration::from_secs(60);

pub(crate) type Told<'a> = (&'a Record, Option<&'a Record>);

/// Intents with their outcomes.
pub(crate) fn intents(records: &[Record]) -> BTreeMap<CommandId, Told<'_>> {
    let mut found: BTreeMap<CommandId, Told<'_>> = BTreeMap::new();
    for record in records {
        let Some(command) = record.command else { continue };
        if record.kind == Kind::Intent {
            assert!(found.insert(command, (record, None)).is_none(), "{command:?}: two intents");
        } else if record.kind == Kind::Outcome {
            let before = found.get_mut(&command).unwrap().1.replace(record);
            assert!(before.is_none(), "{command:?}: two outcomes");
        }
    }
    found
}

/// Whether the log says of a command that it never left the machine: an outcome with a write that was not sent; one that
/// expired or failed as not sent; or one told after a restart as not done, since the register held what stood there before.
/// Every other outcome says that it was sent, once: verified, refused, not done though answered, foreign, without arrival,
/// superseded or abandoned behind its write.
fn never_sent(outcome: &Record) -> bool {
    let recovered = outcome.detail.as_ref().is_some_and(|detail| detail["recovered"] == true);
    if matches!(outcome.write, Some(WriteResult::NotSent(_))) {
        return true;
    }
    match outcome.outcome.as_ref().unwrap() {
        Terminal::Expired | Terminal::Failed { why: FailReason::NotSent } => true,
        Terminal::Failed { why: FailReason::NotDone } => recovered,
        Terminal::Verified | Terminal::Superseded | Terminal::Abandoned | Terminal::Failed { .. } => false,
    }
}

/// Field and record say the same: one write for each intent that was sent, none for the others.
pub(crate) fn told_and_written<G: Ground>(lab: &Lab<G>) {
    let mut of_intent: BTreeMap<CommandId, usize> = BTreeMap::new();
    let mut written = lab.field.written();
    written.retain(|write| !lab.unproved.contains(write));
    for write in &written {
        *of_intent.entry(lab.intent_of(write).unwrap()).or_default() += 1;
    }
    let intents = intents(&lab.records);
    let unsent = intents.values().filter(|(_, outcome)| never_sent(outcome.unwrap())).count();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for (command, (intent, outcome)) in &intents {
        let outcome = outcome.unwrap();
        let expected = usize::from(!never_sent(outcome));
        let writes = of_intent.get(command).copied().unwrap_or_default();
        assert_eq!(writes, expected, "seed {}: {intent:#?} {outcome:#?} {written:?}", lab.seed);
        let recovered = if outcome.detail.is_some() { ", told after a restart" } else { "" };
        *outcomes.entry(format!("{:?}{recovered}", outcome.outcome.as_ref().unwrap())).or_default() += 1;
    }
    assert_eq!(written.len(), intents.len() - unsent);
    let records = lab.records.len();
    let (acts, writes) = (lab.acknowledged.len(), written.len());
    eprintln!(
        "{records} records, {acts} acts acknowledged, {} intents, {unsent} never sent, {writes} writes seen by the field",
        intents.len()
    );
    eprintln!("{outcomes:#?}");
}

/// What a start finds open has its outcome within a minute of service time, where that start lived so long.
pub(crate) fn settled_in_time<G>(lab: &Lab<G>) {
    let (mut taken_up, mut looked) = (0, 0);
    for (boot, lived) in lab.boots.values() {
        let told =
            lab.records.iter().find(|record| record.kind == Kind::Boot && record.boot == *boot).unwrap();
        let open = told.detail.as_ref().unwrap()["open_intents"].as_array().unwrap();
        taken_up += open.len();
        if *lived < SETTLED {
            continue;
        }
        for command in open.iter().map(|command| CommandId(command.as_u64().unwrap())) {
            looked += 1;
            let ended = lab.records.iter().find(|record| {
                record.kind == Kind::Outcome && record.command == Some(command) && record.boot == *boot
            });
            let at = ended.map(|record| Duration::from_micros(record.mono_us));
            assert!(at.is_some_and(|at| at <= SETTLED), "seed {}: {command:?} {at:?}", lab.seed);
        }
    }
    eprintln!(
        "{taken_up} intents taken up by a start, {looked} of them by one that lived for a minute or longer"
    );
}
