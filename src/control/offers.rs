//! Forecasts that come in are judged, kept and recorded; one that ends without a successor is told.

use std::sync::Arc;

use serde_json::json;

use super::alarm::Condition;
use super::controller::Controller;
use super::forecast::{Answer, Forecast, Forecasts, Held, Offer, Verdict};
use super::record::{Entry, Kind};
use super::{Decision, Now};

impl Controller {
    /// The forecasts in force, and those that have ended.
    pub fn forecasts(&self) -> &Forecasts {
        &self.forecasts
    }

    /// Judges what came in, issue by issue, older ones first; what changes nothing is answered and not recorded.
    pub(super) fn weigh(&mut self, offers: &[Offer], decision: &mut Decision, now: Now) {
        for offer in offers {
            let mut verdicts = Vec::new();
            match &offer.issues {
                Err(why) => {
                    decision.entries.push(entry(offer, None, why));
                    verdicts.push(Verdict { target: String::new(), answer: Answer::Refused(why.clone()) });
                }
                Ok(issues) => {
                    let mut issues = issues.iter().collect::<Vec<_>>();
                    issues.sort_by_key(|issue| issue.issued());
                    verdicts.extend(issues.into_iter().map(|issue| self.judge(offer, issue, decision, now)));
                }
            }
            decision.verdicts.push(verdicts);
        }
    }

    fn judge(&mut self, offer: &Offer, issue: &Forecast, decision: &mut Decision, now: Now) -> Verdict {
        let held = Held {
            forecast: issue.clone(),
            source: offer.source.clone(),
            from: offer.from.clone(),
            digest: offer.digest.clone(),
        };
        let answer = Arc::make_mut(&mut self.forecasts).take(held, now.utc);
        match &answer {
            Answer::Taken => decision.entries.push(entry(offer, Some(issue), &[])),
            Answer::Refused(why) => decision.entries.push(entry(offer, Some(issue), why)),
            Answer::Known => {}
        }
        Verdict { target: issue.name().to_owned(), answer }
    }

    /// A forecast that has ended is as good as none: whoever sends them has to know.
    pub(super) fn foretold(&mut self, out: &mut Vec<Condition>, now: Now) {
        if self.forecasts.has_forgettable(now.utc) {
            Arc::make_mut(&mut self.forecasts).tidy(&self.basin, now.utc);
        }
        for issue in self.forecasts.ended(now.utc) {
            let (_, element) = issue.name().split_once(':').unwrap_or_default();
            let detail =
                json!({ "forecast": issue.name(), "issued": issue.issued(), "expired": issue.expires() });
            out.push(Condition::new("A45", element, detail));
        }
    }
}

/// What the record keeps of an issue, or of an offer that could not be read.
fn entry(offer: &Offer, issue: Option<&Forecast>, why: &[String]) -> Entry {
    let mut entry = Entry::new(Kind::Forecast, format!("forecast:{}", offer.source));
    let mut detail = json!({ "accepted": why.is_empty(), "from": offer.from, "digest": offer.digest });
    if let (Some(issue), Some(parts)) = (issue, detail.as_object_mut()) {
        parts.extend([
            ("target".to_owned(), json!(issue.name())),
            ("issued".to_owned(), json!(issue.issued())),
            ("expires".to_owned(), json!(issue.expires())),
            ("begin".to_owned(), json!(issue.begin())),
            ("step_s".to_owned(), json!(issue.step_s())),
            ("values".to_owned(), json!(issue.values())),
            ("members".to_owned(), json!(issue.members())),
        ]);
    }
    if let (false, Some(parts)) = (why.is_empty(), detail.as_object_mut()) {
        parts.insert("why".to_owned(), json!(why));
    }
    entry.detail = Some(detail);
    entry
}
