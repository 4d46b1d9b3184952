//! Filings 报备 people entered on the page: a record each, and a record for what another person says of it. The journal is all there is
//! of them; no sample and no other record is changed by one.
//!
//! ```text
//!  entered ──> open ──approved──> approved ──rejected──> rejected
//!               └────────────rejected──────────────────────^
//! ```

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::data_dir::Identity;
use super::journal::{ACTIONS, Reader, Record};
use super::reports::ReportError;
use crate::basin::{Basin, Name};
use crate::config::reports::{Exemption, Filing, Standing};
use crate::control::record::Kind;

/// Longest text of a filing, characters.
pub const TEXT_MOST: usize = 200;
/// Longest time one filing is about, seconds: a year and a day.
const SPAN_MOST_S: i64 = 366 * 86_400;
/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// What is filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Sections it is about.
    pub sections: Vec<String>,
    /// Kind of reason.
    pub kind: Exemption,
    /// Begin, Unix seconds.
    pub from_s: i64,
    /// End, Unix seconds, after the begin.
    pub to_s: i64,
    /// Number or place of the document that proves it, kept elsewhere.
    pub document: String,
    /// SHA-256 of that document, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Reason in words.
    pub reason: String,
}

impl Claim {
    /// The claim as it is kept.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn checked(mut self, basin: &Basin) -> Result<Self, String> {
        let mut wrong = Vec::new();
        self.sections.sort_unstable();
        self.sections.dedup();
        if self.sections.is_empty() {
            wrong.push("sections: must name one at least".to_owned());
        }
        for id in self.sections.iter().filter(|id| basin.section(id).is_none()) {
            wrong.push(format!("sections: {id}: no such section; names are in /api/v1/basin"));
        }
        let times = Timestamp::from_second(self.from_s).ok().zip(Timestamp::from_second(self.to_s).ok());
        if times.is_none() {
            wrong.push("from_s, to_s: must be Unix seconds".to_owned());
        } else if self.to_s <= self.from_s {
            wrong.push("to_s: must be after from_s".to_owned());
        } else if self.to_s.saturating_sub(self.from_s) > SPAN_MOST_S {
            wrong.push("to_s: must be within 366 days of from_s; file the rest by itself".to_owned());
        }
        for (key, text) in [("document", &mut self.document), ("reason", &mut self.reason)] {
            *text = text.trim().chars().filter(|c| !c.is_control()).collect();
            if text.is_empty() || text.chars().count() > TEXT_MOST {
                wrong.push(format!("{key}: must have 1 to {TEXT_MOST} characters"));
            }
        }
        self.sha256 =
            self.sha256.map(|hash| hash.trim().to_ascii_lowercase()).filter(|hash| !hash.is_empty());
        let is_hash =
            |hash: &String| hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.sha256.as_ref().is_some_and(|hash| !is_hash(hash)) {
            wrong.push(format!("sha256: must have {DIGITS} hexadecimal digits, as sha256sum prints them"));
        }
        if wrong.is_empty() { Ok(self) } else { Err(wrong.join("; ")) }
    }
}

/// What another person says of a filing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is right and proven.
    Approved,
    /// It is not; of an approved one: no longer.
    Rejected,
}

/// What a record of a filing tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Told {
    /// It was entered; its number is that of this record.
    Entered {
        /// It.
        claim: Claim,
    },
    /// Somebody judged it.
    Judged {
        /// Its number.
        filing: u64,
        /// How.
        verdict: Verdict,
        /// Why; may be empty of an approval.
        note: String,
    },
}

/// What was said of a filing last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub note: String,
}

/// A filing on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filed {
    /// Number of the record that entered it.
    pub number: u64,
    /// Who entered it.
    pub by: String,
    /// When, the time it counts as filed.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub claim: Claim,
    /// How it stands.
    pub standing: Standing,
    /// What was said of it last.
    pub judged: Option<Judged>,
}

impl Filed {
    /// Takes what somebody says of it.
    ///
    /// # Errors
    /// When that person may not, or it can no longer be said; nothing has changed then.
    pub fn judge(&mut self, verdict: Verdict, judged: Judged) -> Result<(), String> {
        let number = self.number;
        if judged.by == self.by {
            return Err(format!("filing {number}: who entered it cannot judge it; ask another shift leader"));
        }
        self.standing = match (self.standing, verdict) {
            (Standing::Open, Verdict::Approved) => Standing::Approved,
            (Standing::Open | Standing::Approved, Verdict::Rejected) => Standing::Rejected,
            (Standing::Approved, Verdict::Approved) => {
                return Err(format!("filing {number}: is approved already"));
            }
            (Standing::Rejected | Standing::Listed, Verdict::Approved | Verdict::Rejected) => {
                return Err(format!("filing {number}: was rejected; enter a new one with better proof"));
            }
        };
        self.judged = Some(judged);
        Ok(())
    }

    /// As the reports take it; `None` when none of its sections is in the basin any more.
    pub fn filing(&self, basin: &Basin) -> Option<Filing> {
        let sections: Vec<_> = self.claim.sections.iter().filter_map(|id| basin.section(id)).collect();
        let (from, to) = (self.claim.from_s, self.claim.to_s);
        let (from, to) = Timestamp::from_second(from).ok().zip(Timestamp::from_second(to).ok())?;
        let hash = self.claim.sha256.as_deref().and_then(|hash| hash.get(..16));
        let hash = hash.map_or_else(String::new, |begin| format!(" (SHA-256 {begin}…)"));
        let approved = self.judged.as_ref().filter(|_| self.standing == Standing::Approved);
        let reason = &self.claim.reason;
        (!sections.is_empty()).then(|| Filing {
            id: format!("#{}", self.number),
            sections,
            kind: self.claim.kind,
            from,
            to,
            filed: self.at,
            document: format!("{}{hash}", self.claim.document),
            approved_by: approved.map(|judged| judged.by.clone()),
            reason: Name { zh: reason.clone(), en: reason.clone() },
            standing: self.standing,
        })
    }
}

/// The filings of some records, in order of their numbers.
pub fn of(records: &[Record]) -> Vec<Filed> {
    let mut records: Vec<_> = records.iter().filter(|record| record.kind == Kind::Filing).collect();
    records.sort_by_key(|record| record.seq);
    let mut filed: Vec<Filed> = Vec::new();
    for record in records {
        let by = record.actor.strip_prefix("operator:").unwrap_or(&record.actor).to_owned();
        // A record of a later build says something this one does not know.
        match record.detail.clone().map(serde_json::from_value) {
            Some(Ok(Told::Entered { claim })) => filed.push(Filed {
                number: record.seq,
                by,
                at: record.utc,
                claim,
                standing: Standing::Open,
                judged: None,
            }),
            Some(Ok(Told::Judged { filing, verdict, note })) => {
                let about = filed.iter_mut().find(|filed| filed.number == filing);
                // What could not be said has no effect, whoever wrote it.
                drop(about.map(|about| about.judge(verdict, Judged { by, at: record.utc, note })));
            }
            Some(Err(_)) | None => {}
        }
    }
    filed
}

/// The filings in the record of a data folder, as reports take them.
///
/// # Errors
/// When the folder or its journal cannot be opened. Damage further on is told by the report.
pub fn recorded(data: &Path, basin: &Basin) -> Result<Vec<Filing>, ReportError> {
    Identity::read(data)?;
    let mut records = Vec::new();
    for frame in Reader::open(&data.join("journal"), ACTIONS)?.records(0) {
        let Ok(frame) = frame else { break };
        if frame.kind == Kind::Filing as u8
            && let Ok(record) = Record::of(&frame)
        {
            records.push(record);
        }
    }
    Ok(of(&records).iter().filter_map(|filed| filed.filing(basin)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Filed {
        let claim = Claim {
            sections: vec!["ford".into()],
            kind: Exemption::Maintenance,
            from_s: 0,
            to_s: 60,
            document: "D-1".into(),
            sha256: None,
            reason: "grease".into(),
        };
        let at = Timestamp::UNIX_EPOCH;
        Filed { number: 7, by: "wang".into(), at, claim, standing: Standing::Open, judged: None }
    }

    #[test]
    fn another_person_approves_or_rejects_and_what_was_approved_can_be_rejected() {
        use Standing::{Approved, Open, Rejected};
        let said = |by: &str| Judged { by: by.into(), at: Timestamp::UNIX_EPOCH, note: String::new() };
        for (standing, verdict, then) in [
            (Open, Verdict::Approved, Some(Approved)),
            (Open, Verdict::Rejected, Some(Rejected)),
            (Approved, Verdict::Rejected, Some(Rejected)),
            (Approved, Verdict::Approved, None),
            (Rejected, Verdict::Approved, None),
            (Rejected, Verdict::Rejected, None),
        ] {
            let mut filed = Filed { standing, ..open() };
            assert!(filed.judge(verdict, said("wang")).unwrap_err().contains("another"), "the same person");
            assert_eq!((filed.standing, &filed.judged), (standing, &None));
            assert_eq!(filed.judge(verdict, said("li")).is_ok(), then.is_some(), "{standing:?} {verdict:?}");
            assert_eq!(filed.standing, then.unwrap_or(standing));
        }
    }
}
