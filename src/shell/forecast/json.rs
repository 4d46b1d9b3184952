//! Forecasts in JSON.

use serde::Deserialize;

use super::Faults;
use crate::basin::Basin;
use crate::control::forecast::{Draft, Forecast, Spot};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    forecasts: Vec<RawIssue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssue {
    target: String,
    issued: String,
    expires: String,
    begin: String,
    step_s: u32,
    members_m3s: Vec<Vec<f64>>,
}

/// The issues of a text; mistakes go to `faults`.
pub(super) fn read(text: &str, basin: &Basin, faults: &mut Faults) -> Vec<Forecast> {
    let raw: Raw = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            // Serde's message ends with the place, which stands in front here.
            let message = error.to_string();
            let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            let place = format!("line {}, column {}", error.line(), error.column());
            faults.add(&place, what, "see /api/v1/openapi.json for the form");
            return Vec::new();
        }
    };
    if raw.forecasts.is_empty() {
        faults.add("forecasts", "is empty", "give at least one");
    }
    let all = raw.forecasts.into_iter().enumerate();
    all.filter_map(|(at, raw)| issue(&format!("forecasts[{at}]"), raw, basin, faults)).collect()
}

fn issue(path: &str, raw: RawIssue, basin: &Basin, faults: &mut Faults) -> Option<Forecast> {
    let target = faults.target(&format!("{path}.target"), &raw.target, basin);
    let issued = faults.instant(&format!("{path}.issued"), &raw.issued);
    let expires = faults.instant(&format!("{path}.expires"), &raw.expires);
    let begin = faults.instant(&format!("{path}.begin"), &raw.begin);
    let (step_s, members) = (raw.step_s, raw.members_m3s);
    let draft = Draft { target: target?, issued: issued?, expires: expires?, begin: begin?, step_s, members };
    faults.issue(draft, basin, |spot| match spot {
        Spot::Issue => path.to_owned(),
        Spot::Expires => format!("{path}.expires"),
        Spot::Member(member) => format!("{path}.members_m3s[{member}]"),
        Spot::Value(member, value) => format!("{path}.members_m3s[{member}][{value}]"),
    })
}
