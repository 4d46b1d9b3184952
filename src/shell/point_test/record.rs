//! The record of a point test: TOML that carries the hash of itself, and the same as text for the file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::control::quality::Quality;
use crate::points::{ByteOrder, DataType, Role, Table};
use crate::shell::journal::hex;

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Read, and the panel shows the same.
    Passed,
    /// Not readable, not usable, or the panel shows something else.
    Failed,
    /// Not asked, or left out by the person.
    NotTested,
    /// Never read: only the movement of its gate shows that it is right.
    WrittenOnly,
}

/// One point as it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// Name of the point.
    pub id: String,
    /// What it means to its element.
    pub role: Role,
    /// Table.
    pub table: Table,
    /// Zero-based address.
    pub address: u16,
    /// The address in the notation counted from 1.
    pub notation: String,
    /// Encoding.
    pub r#type: DataType,
    /// Bit of the register, for bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit: Option<u8>,
    /// Byte order.
    pub order: ByteOrder,
    /// value = raw · scale + offset.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// Registers or bits as they came, hexadecimal.
    pub raw: Vec<String>,
    /// The value they make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<f64>,
    /// Unit of the value.
    pub unit: String,
    /// How far control trusts it.
    pub quality: Quality,
    /// Why not fully.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the panel shows: the value itself where the person said "the same".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panel: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, where the verdict does not say it all.
    pub remark: String,
    /// When it was read, civil time of the site.
    pub at: String,
}

/// What became of a gate that was to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveVerdict {
    /// Out and back, arrived both times, and the person saw it.
    Passed,
    /// Did not arrive, or the person saw something else, or it was not taken back.
    Failed,
    /// Not moved: the interlocks or its own state forbid it.
    Refused,
    /// Left out by the person, or no room to move.
    NotTested,
}

/// Direction of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Away from where it stood: opening.
    Out,
    /// Back to where it stood.
    Back,
}

impl Way {
    /// As in the names of questions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Back => "back",
        }
    }
}

/// What the person at the gate saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Saw {
    /// It moved as it should.
    Ok,
    /// It did not.
    NotOk,
    /// Nobody was asked.
    NotAsked,
}

/// One movement of a gate. Positions are in its stroke unit, times in service time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Direction.
    pub way: Way,
    /// Position before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Position asked for.
    pub to: f64,
    /// When it was given, civil time of the site.
    pub at: String,
    /// Number of the command in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
    /// What came of the one write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// How the command ended, or why there was none.
    pub outcome: String,
    /// From command to end, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_s: Option<f64>,
    /// Measured speed, stroke units per second; absent when it was there within a scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_per_s: Option<f64>,
    /// Speed by its configured stroke time.
    pub expected_per_s: f64,
    /// Furthest beyond the position asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overshoot: Option<f64>,
    /// Target register read back at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back: Option<f64>,
    /// Position at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<f64>,
    /// What the person saw.
    pub saw: Saw,
    /// In their words.
    pub note: String,
}

impl Step {
    /// As a line for people.
    pub(super) fn said(&self, unit: &str) -> String {
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), shown);
        format!(
            "{} after {} s; {} {unit}/s (configured {}), overshoot {} {unit}, target reads back {} {unit}, stands at {} {unit}",
            self.outcome,
            number(self.took_s),
            number(self.speed_per_s),
            shown(self.expected_per_s),
            number(self.overshoot),
            number(self.read_back),
            number(self.ended_at)
        )
    }
}

/// One gate that was moved, or was to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movement {
    /// The gate.
    pub gate: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// Its English name.
    pub name_en: String,
    /// Unit of its positions.
    pub unit: String,
    /// Where it stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stood: Option<f64>,
    /// Where it was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<f64>,
    /// What became of it.
    pub verdict: MoveVerdict,
    /// Why, where the verdict does not say it all.
    pub remark: String,
    /// What its box does by itself some time after the test, when it has a watchdog: nobody feeds it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub afterwards: Option<String>,
    /// Civil time of the site.
    pub at: String,
    /// Out, and back.
    pub step: Vec<Step>,
}

/// What was tested, by whom, when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Head {
    /// Device as named in devices.toml.
    pub device: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// Its English name.
    pub name_en: String,
    /// Basin it belongs to.
    pub basin: String,
    /// The link it is behind.
    pub link: String,
    /// Where that goes.
    pub peer: String,
    /// Unit identifier.
    pub unit: u8,
    /// Simulators, not a site.
    pub bench: bool,
    /// Digest of the configuration tested.
    pub configuration: String,
    /// Version of the program.
    pub program: String,
    /// Who compared the values with the panel.
    pub by: String,
    /// Whether that person signed.
    pub signed: bool,
    /// How the answers came: typed, or from a file.
    pub answers: String,
    /// Begin, civil time of the site.
    pub started: String,
    /// End, civil time of the site.
    pub ended: String,
    /// Points that passed.
    pub passed: usize,
    /// Points that failed.
    pub failed: usize,
    /// Points that were not tested.
    pub not_tested: usize,
    /// Points that are never read.
    pub written_only: usize,
    /// What the device said when asked who it is, where the configuration asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// A record, not yet sealed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// What was tested, by whom, when.
    pub test: Head,
    /// The points, in the order they were asked.
    pub point: Vec<Tested>,
    /// The gates that were moved, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub movement: Vec<Movement>,
    /// Whether the person stopped before the last point.
    #[serde(skip)]
    pub was_stopped: bool,
}

/// Where a record was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The record.
    pub record: PathBuf,
    /// The same as text, to print and sign.
    pub text: PathBuf,
}

/// A record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The operating system refused.
    #[error("{}: cannot be made: {source}; name a folder with --out that can be written", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// A value that TOML does not hold.
    #[error("the record of {device} cannot be written down: {why}")]
    Form {
        /// The device.
        device: String,
        /// Why.
        why: String,
    },
}

/// Civil time of the site, to the second, with its offset.
pub(super) fn civil(utc: Timestamp, zone: &TimeZone) -> String {
    utc.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

impl Record {
    /// Whether every point that is read and every gate that was to be moved passed, and a person signed.
    pub fn is_clean(&self) -> bool {
        let moved = self.movement.iter().all(|movement| movement.verdict == MoveVerdict::Passed);
        self.test.signed && self.test.failed == 0 && self.test.not_tested == 0 && moved
    }

    /// The record as TOML; its last two lines hold the SHA-256 of all bytes before them.
    ///
    /// # Errors
    /// When a value cannot be written down.
    pub fn sealed(&self) -> Result<String, RecordError> {
        let body = toml::to_string(self).map_err(|error| RecordError::Form {
            device: self.test.device.clone(),
            why: error.to_string(),
        })?;
        let body = format!(
            "# Point test (点对点). To verify: the SHA-256 of all lines but the last two (head -n -2) is in the last.\n\n\
             {body}\n"
        );
        let sum = hex(&Sha256::digest(body.as_bytes()));
        Ok(format!("{body}[seal]\nsha256 = \"{sum}\"\n"))
    }

    /// Writes the record and its text into `folder`, never over what is there.
    ///
    /// # Errors
    /// When the folder or a file cannot be made.
    pub fn save(&self, folder: &Path, utc: Timestamp) -> Result<Saved, RecordError> {
        let sealed = self.sealed()?;
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| RecordError::Io { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let device: String = self.test.device.chars().map(plain).collect();
        let name = format!("point-test_{device}_{}", utc.strftime("%Y%m%dT%H%M%SZ"));
        let put = |ending: &str, text: &str| {
            let path = folder.join(format!("{name}.{ending}"));
            let made = File::create_new(&path).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
            made.map_err(failed(&path)).map(|()| path)
        };
        Ok(Saved { record: put("toml", &sealed)?, text: put("txt", &self.text(&sealed))? })
    }

    /// The record to print, with a line for the signature; `sealed` is what its hash is taken from.
    fn text(&self, sealed: &str) -> String {
        let test = &self.test;
        let bench = if test.bench { "\nBENCH: simulated devices, no site" } else { "" };
        let mut out = format!(
            "Point test record  点对点测试记录{bench}\n\n\
             device         {}  {}  {}\nbasin          {}\nlink           {}  {}  unit {}\nconfiguration  {}\n\
             program        qindan {}\nidentity       {}\nfrom           {}\nto             {}\nanswers        {}\n\n",
            test.device,
            test.name_zh,
            test.name_en,
            test.basin,
            test.link,
            test.peer,
            test.unit,
            test.configuration,
            test.program,
            test.identity.as_deref().unwrap_or("not asked by the configuration"),
            test.started,
            test.ended,
            test.answers,
        );
        let mut rows =
            vec![["point", "address", "raw", "seen", "panel", "quality", "verdict"].map(str::to_owned)];
        rows.extend(self.point.iter().map(Tested::row));
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (at, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
            let remark =
                at.checked_sub(1).and_then(|at| self.point.get(at)).map_or("", |point| point.remark.as_str());
            if !remark.is_empty() {
                let _ = writeln!(out, "    {remark}");
            }
        }
        let signed = if test.signed {
            format!("signed by {} at {}", test.by, test.ended)
        } else {
            "NOT SIGNED".into()
        };
        let _ = writeln!(
            out,
            "\n{} passed, {} failed, {} not tested, {} written only\n{}\n{signed}\n\n\
             signature ____________________   date ____________________\n\nSHA-256 of the record file  {}",
            test.passed,
            test.failed,
            test.not_tested,
            test.written_only,
            self.movements(),
            hex(&Sha256::digest(sealed.as_bytes()))
        );
        out
    }
}

impl Record {
    /// The movements to print.
    fn movements(&self) -> String {
        if self.movement.is_empty() {
            return "movement of gates is not part of this test\n".into();
        }
        let mut out = String::from("\nmovement  闸门动作\n");
        for Movement {
            gate, name_zh, name_en, unit, stood, left, verdict, remark, afterwards, step, ..
        } in &self.movement
        {
            let number = |value: &Option<f64>| value.map_or_else(|| "-".into(), shown);
            let verdict = match verdict {
                MoveVerdict::Passed => "passed",
                MoveVerdict::Failed => "FAILED",
                MoveVerdict::Refused => "refused",
                MoveVerdict::NotTested => "not tested",
            };
            // Writing to a text cannot fail.
            let _ = writeln!(
                out,
                "{gate}  {name_zh}  {name_en}: {verdict}; stood at {} {unit}, left at {} {unit}  {remark}",
                number(stood),
                number(left)
            );
            if let Some(afterwards) = afterwards {
                let _ = writeln!(out, "    after the test, by its own watchdog: {afterwards}");
            }
            for step in step {
                let (saw, way, note) = (step.saw, step.way.name(), &step.note);
                let saw = match saw {
                    Saw::Ok => "seen ok",
                    Saw::NotOk => "SEEN WRONG",
                    Saw::NotAsked => "not asked",
                };
                let command = step.command.map_or_else(|| "-".into(), |command| command.to_string());
                let _ = writeln!(
                    out,
                    "    {way} to {} {unit}, command {command}: {}; {saw} {note}",
                    shown(step.to),
                    step.said(unit)
                );
            }
        }
        out
    }
}

impl Tested {
    fn row(&self) -> [String; 7] {
        let number = |value: Option<f64>| {
            value.map(|value| {
                if self.unit.is_empty() { shown(value) } else { format!("{} {}", shown(value), self.unit) }
            })
        };
        let quality = format!("{:?}", self.quality).to_lowercase();
        let verdict = match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::NotTested => "not tested",
            Verdict::WrittenOnly => "written only",
        };
        [
            self.id.clone(),
            self.notation.clone(),
            self.raw.join(" "),
            number(self.seen).unwrap_or_else(|| "-".into()),
            number(self.panel).unwrap_or_else(|| "-".into()),
            quality,
            verdict.into(),
        ]
    }
}

/// A value with the digits a person compares.
pub(super) fn shown(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}
