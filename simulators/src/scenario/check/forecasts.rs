//! Forecasts of a scenario: where they come from and how far they are off.

use std::fs;
use std::time::Duration;

use jiff::SignedDuration;
use qindan::config::sheet::{Sheet, Spot};
use qindan::control::forecast::{Draft, MEMBERS_MOST, STEP_S, Target, VALUES_MOST};
use qindan::shell::forecast::{Form, read};

use super::super::raw::{RawAlarm, RawBlur, RawForecast};
use super::{Scope, beside, find, span, stamp};
use crate::forecast::{Alarm, Blur, Errors, Foretold, Made, Origin};

impl Scope<'_> {
    /// The entries of `forecast`.
    pub(super) fn forecasts(&self, sheet: &Sheet<'_>) -> Vec<Foretold> {
        let entries = sheet.entries::<RawForecast>("forecast");
        entries.into_iter().filter_map(|entry| self.forecast(&entry.spot, &entry.id, &entry.raw?)).collect()
    }

    fn forecast(&self, spot: &Spot<'_>, id: &str, raw: &RawForecast) -> Option<Foretold> {
        let names = Target::names(self.basin);
        let target = Target::named(&raw.target, self.basin);
        if target.is_none() {
            find(&spot.key("target"), "target", &raw.target, names.iter().map(String::as_str));
        }
        let origin = match &raw.file {
            Some(file) => self.filed(spot, file, raw, target),
            None => Self::made(spot, raw, target),
        };
        let errors = Self::errors(spot, id, raw);
        Some(Foretold { id: id.to_owned(), target: target?, origin: origin?, errors: errors? })
    }

    /// The issues of a file for the target, moved so that the first is made at `at`.
    fn filed(
        &self,
        spot: &Spot<'_>,
        file: &str,
        raw: &RawForecast,
        target: Option<Target>,
    ) -> Option<Origin> {
        let own = [
            ("every", raw.every.is_some()),
            ("horizon", raw.horizon.is_some()),
            ("step", raw.step.is_some()),
            ("valid_for", raw.valid_for.is_some()),
            ("members", raw.members.is_some()),
        ];
        for (key, _) in own.iter().filter(|(_, given)| *given) {
            spot.key(key).complain("is given by the file", "remove it, or remove file");
        }
        let at = match &raw.at {
            Some(at) => Some(stamp(&spot.key("at"), at, self.basin)?),
            None => None,
        };
        let complain = |what: String, remedy: &str| spot.key("file").complain(what, remedy);
        let text = match fs::read(beside(&spot.key("file"), file)) {
            Ok(text) => text,
            Err(error) => {
                complain(format!("{file}: cannot be read: {error}"), "name an existing file beside this one");
                return None;
            }
        };
        let issues = match read(&text, Form::Csv, self.basin) {
            Ok(issues) => issues,
            Err(mistakes) => {
                for mistake in mistakes {
                    let (what, remedy) = mistake.rsplit_once(": ").unwrap_or((&mistake, "correct the file"));
                    complain(format!("{file}: {what}"), remedy);
                }
                return None;
            }
        };
        let target = target?;
        let mut drafts = issues.into_iter().map(qindan::control::forecast::Forecast::into_draft);
        let mut drafts = drafts.by_ref().filter(|draft| draft.target == target).collect::<Vec<_>>();
        drafts.sort_by_key(|draft| draft.issued);
        let Some(first) = drafts.first().map(|draft| draft.issued) else {
            complain(format!("{file}: has no issue of {}", raw.target), "name a target of the file");
            return None;
        };
        let shift = at.map_or(SignedDuration::ZERO, |at| at.duration_since(first));
        let moved = |draft: Draft| {
            let to = |time: jiff::Timestamp| time.saturating_add(shift).unwrap_or(time);
            Draft { issued: to(draft.issued), expires: to(draft.expires), begin: to(draft.begin), ..draft }
        };
        Some(Origin::File(drafts.into_iter().map(moved).collect()))
    }

    fn made(spot: &Spot<'_>, raw: &RawForecast, target: Option<Target>) -> Option<Origin> {
        if matches!(target, Some(Target::Meter(_))) {
            let remedy = "give a file, or foretell an inflow or an intake";
            spot.key("target").complain("what a meter will show is not known beforehand", remedy);
        }
        if raw.at.is_some() {
            spot.key("at").complain("moves a file, and there is none", "remove it, or give file");
        }
        let length = |key: &str, given: &Option<String>| {
            let remedy = "write every, horizon, step and valid_for as \"6h\", or give file";
            if given.is_none() {
                spot.key(key).complain("is missing", remedy);
            }
            given.as_ref().and_then(|text| span(&spot.key(key), text))
        };
        let every = length("every", &raw.every);
        let horizon = length("horizon", &raw.horizon);
        let step = length("step", &raw.step);
        let valid_for = length("valid_for", &raw.valid_for);
        let members = raw.members.unwrap_or(1);
        if !(1..=MEMBERS_MOST).contains(&members) {
            spot.key("members").complain("is no size of an ensemble", "give 1 to 100");
        }
        for (key, length) in [("every", every), ("valid_for", valid_for)] {
            if length.is_some_and(|length| length < Duration::from_secs(60)) {
                spot.key(key).complain("is shorter than a minute", "give a minute or more");
            }
        }
        let whole = |step: Duration| {
            let within = |step| (STEP_S.0..=STEP_S.1).contains(&step);
            step.subsec_nanos() == 0 && u32::try_from(step.as_secs()).is_ok_and(within)
        };
        if step.is_some_and(|step| !whole(step)) {
            spot.key("step").complain("is no step of a forecast", "give a minute to a day, in whole seconds");
        }
        let (every, horizon, valid_for) = (every?, horizon?, valid_for?);
        let step = step.filter(|step| whole(*step))?;
        let steps = horizon.as_secs() / step.as_secs();
        if !(1..VALUES_MOST as u64).contains(&steps) {
            let what = format!("makes {} values of each member", steps + 1);
            spot.key("horizon").complain(what, "give 1 to 1499 steps");
        }
        Some(Origin::Truth(Made { every, horizon, step, valid_for, members }))
    }

    fn errors(spot: &Spot<'_>, id: &str, raw: &RawForecast) -> Option<Errors> {
        let bias = raw.bias.unwrap_or(1.0);
        if !(0.0..=10.0).contains(&bias) {
            spot.key("bias").complain("is no factor", "give 0 to 10, as 1.2");
        }
        let lag_h = raw.lag_h.unwrap_or(0.0);
        if !(-240.0..=240.0).contains(&lag_h) {
            spot.key("lag_h").complain("is no lag", "give -240 to 240 hours; negative is too early");
        }
        let noise = raw.noise.as_ref().map(|noise| blur(&spot.key("noise"), id, noise));
        let common = raw.common.as_ref().map(|common| blur(&spot.key("common"), id, common));
        let alarm = raw.false_alarm.as_ref().map(|raw| alarm(&spot.key("false_alarm"), raw));
        let stale_after = raw.stale_after.as_ref().map(|text| span(&spot.key("stale_after"), text));
        let lag = SignedDuration::try_from_secs_f64(3600.0 * lag_h).unwrap_or_default();
        Some(Errors {
            bias,
            lag,
            noise: sound(noise)?,
            common: sound(common)?,
            alarm: sound(alarm)?,
            stale_after: sound(stale_after)?,
        })
    }
}

/// What was given must be sound; `None` when it is not.
#[expect(clippy::option_option, reason = "not given, given and sound, given and not sound")]
fn sound<T>(given: Option<Option<T>>) -> Option<Option<T>> {
    given.map_or(Some(None), |found| found.map(Some))
}

fn alarm(spot: &Spot<'_>, raw: &RawAlarm) -> Option<Alarm> {
    let after = span(&spot.key("after"), &raw.after);
    let ahead = span(&spot.key("ahead"), &raw.ahead);
    let sound = super::flows::above_zero(spot, "flow_m3s", raw.flow_m3s);
    let (after, ahead) = (after?, ahead?);
    sound.then_some(Alarm { after, ahead, flow: raw.flow_m3s })
}

fn blur(spot: &Spot<'_>, id: &str, raw: &RawBlur) -> Option<Blur> {
    let sound = super::flows::share(spot, "share", raw.share)
        & super::flows::above_zero(spot, "correlation_h", raw.correlation_h);
    let stream = raw.stream.clone().unwrap_or_else(|| id.to_owned());
    sound.then_some(Blur { share: raw.share, correlation: 3600.0 * raw.correlation_h, stream })
}
