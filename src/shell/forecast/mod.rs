//! Forecasts on their way in: from a text, CSV or JSON, to checked issues, or everything that is wrong with it.

mod csv;
mod folder;
mod json;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::journal::hex;
use crate::basin::Basin;
use crate::control::forecast::{Draft, Flaw, Forecast, Offer, Spot, Target, Verdict};

pub(super) use folder::watch;

/// Longest text, bytes: the largest forecast of a dozen targets fits.
pub const TEXT_MOST: usize = 1024 * 1024;
/// Most mistakes that are listed of one text.
const LISTED: usize = 20;

/// What the cycle says about forecasts it took: the tick, and what became of each issue, older ones first.
pub type Weighed = (u64, Vec<Verdict>);

/// Forecasts on their way to the cycle, with the place for the answer.
pub type OfferRequest = (Offer, oneshot::Sender<Weighed>);

/// Where forecasts are handed to the cycle.
pub type Offers = mpsc::Sender<OfferRequest>;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Columns `target`, `issued`, `expires`, `time`, then one per member.
    Csv,
    /// `{"forecasts": [{target, issued, expires, begin, step_s, members_m3s}]}`.
    Json,
}

/// Reads a text.
///
/// # Errors
/// Every mistake in it, with its place, value and remedy.
pub fn read(text: &[u8], form: Form, basin: &Basin) -> Result<Vec<Forecast>, Vec<String>> {
    if text.len() > TEXT_MOST {
        let what = format!("{} bytes, more than {TEXT_MOST}", text.len());
        return Err(vec![format!("{what}: send fewer targets, members or values at once")]);
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        vec![format!("byte {}: no UTF-8: save the text as UTF-8", error.valid_up_to() + 1)]
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut faults = Faults::default();
    let issues = match form {
        Form::Csv => csv::read(text, basin, &mut faults),
        Form::Json => json::read(text, basin, &mut faults),
    };
    faults.end(issues)
}

/// Reads a text from somewhere as an offer.
pub fn offer(text: &[u8], form: Form, basin: &Basin, source: &str, from: &str) -> Offer {
    let digest = hex(&Sha256::digest(text));
    Offer { source: source.into(), from: from.into(), digest, issues: read(text, form, basin) }
}

/// Mistakes in the order of the text, the first ones in words.
#[derive(Debug, Default)]
struct Faults {
    said: Vec<String>,
    more: usize,
}

impl Faults {
    fn add(&mut self, place: &str, what: &str, remedy: &str) {
        if self.said.len() < LISTED {
            self.said.push(format!("{place}: {what}: {remedy}"));
        } else {
            self.more += 1;
        }
    }

    fn is_none(&self) -> bool {
        self.said.is_empty()
    }

    fn end(mut self, issues: Vec<Forecast>) -> Result<Vec<Forecast>, Vec<String>> {
        if self.more > 0 {
            self.said.push(format!("and {} more", self.more));
        }
        if self.said.is_empty() { Ok(issues) } else { Err(self.said) }
    }

    /// The target of a name, or a mistake at `place`.
    fn target(&mut self, place: &str, name: &str, basin: &Basin) -> Option<Target> {
        let found = Target::named(name, basin);
        if found.is_none() {
            let names = Target::names(basin);
            let remedy = match crate::config::sheet::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "name inflow:ID, intake:ID or meter:ID of the basin; a meter must show a flow".into(),
            };
            self.add(place, &format!("there is no {name:?} to foretell"), &remedy);
        }
        found
    }

    /// The instant of a text, or a mistake at `place`.
    fn instant(&mut self, place: &str, text: &str) -> Option<jiff::Timestamp> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let remedy = "write date, time and offset, as 2026-05-01T08:00:00+08:00";
            self.add(place, &format!("{text:?} is no time"), remedy);
        }
        parsed
    }

    /// A checked issue, or its mistakes at the places `place` gives them.
    fn issue(&mut self, draft: Draft, basin: &Basin, place: impl Fn(Spot) -> String) -> Option<Forecast> {
        match Forecast::new(draft, basin) {
            Ok(issue) => Some(issue),
            Err(flaws) => {
                for Flaw { spot, what, remedy } in flaws {
                    self.add(&place(spot), &what, &remedy);
                }
                None
            }
        }
    }
}
