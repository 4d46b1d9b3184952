//! What dispatch makes of the forecasts of tributaries: verified hour by hour at the gauge, relied on as far as they proved
//! themselves, and no further.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::arrival::When;
use super::estimate::{River, Scene};
use super::forecast::{Expected, Forecast, LEADS_H, Standing, Target, Trust};
use super::outlook::Outlook;
use super::reason::Because;
use super::routing::{LateralSource, Pace, Path};
use crate::basin::{Basin, ControlParameters, MeterId};
use crate::units::Discharge;

/// Hours before and after a moment whose least counts: a storm comes an hour or two earlier or later than foretold, and the
/// water of the dam is no more punctual. Assumed; the spread of a travel time of a day.
const AROUND_H: usize = 2;

/// An issue older than this is stale, whatever end it names, s: a day. Assumed.
const STALE_S: i64 = 86_400;

/// A look that is older than this says nothing any more, h: the bins come every ten minutes. Assumed.
const LOOK_H: f64 = 1.0;

/// Change of what joins a path from which a decision names the forecast, m³/s. Assumed.
const WORTH_TELLING: f64 = 0.01;

/// Share of what the ponds can still stand in for that is not staked on forecasts. Assumed.
const KEPT: f64 = 0.5;

/// Half of the hour a flow is the mean of, h.
const HALF_H: f64 = 0.5;

/// What the forecast in force foretells from the end of a bin on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Foretold {
    /// When it was issued.
    issued: Timestamp,
    /// When it ends.
    ends: Timestamp,
    /// End of the bin.
    since: Timestamp,
    /// Its middle by hour from then on, as far as it goes: the least of [`AROUND_H`] hours around.
    hours: Vec<f64>,
}

impl Foretold {
    /// Of an issue; `None` when it may not be used or is stale.
    fn of(issue: &Forecast, now: Timestamp) -> Option<Self> {
        let stale = issue.issued().checked_add(SignedDuration::from_secs(STALE_S)).ok()?;
        let ends = issue.expires().min(stale);
        if !issue.is_valid(now) || now >= ends {
            return None;
        }
        let last = LEADS_H.into_iter().max().unwrap_or(0);
        let reach = (0..=last).count() + AROUND_H;
        let leads = (0_u32..).map(f64::from).take(reach);
        let flows = leads.map_while(|lead| Some(issue.at(now, lead)?.mid)).collect::<Vec<_>>();
        let hours = (0..flows.len().saturating_sub(AROUND_H)).map(|at| {
            let around = flows.get(at.saturating_sub(AROUND_H)..=at + AROUND_H).unwrap_or(&[]);
            around.iter().copied().fold(f64::INFINITY, f64::min)
        });
        Some(Self { issued: issue.issued(), ends, since: now, hours: hours.collect() })
    }

    /// What is foretold `ahead_h` hours after `since`, straight between two hours.
    fn at(&self, ahead_h: f64) -> Option<f64> {
        let place = ahead_h.max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let at = place.floor().min(1e6) as usize;
        let (part, here) = (place - place.floor(), *self.hours.get(at)?);
        let next = if part > 0.0 { *self.hours.get(at + 1)? } else { here };
        Some(here + part * (next - here))
    }
}

/// Which view of what comes is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// On the safe side, whatever is foretold.
    Cautious,
    /// As expected, whatever is foretold.
    Fair,
    /// As expected, with what is relied on of foretold rises.
    Foretold,
}

impl Sight {
    fn of(self, outlook: &Outlook, lead: f64, control: &ControlParameters) -> f64 {
        match self {
            Self::Cautious => outlook.cautious(lead, control),
            Self::Fair | Self::Foretold => outlook.fair(lead, control),
        }
    }
}

impl River {
    /// Flow of a tributary `lead` hours from now.
    pub(super) fn comes(
        &self,
        scene: &Scene<'_>,
        (meter, outlook): (MeterId, &Outlook),
        sight: Sight,
        lead: f64,
    ) -> f64 {
        let control = &scene.basin.control;
        let anyhow = sight.of(outlook, lead, control);
        match sight {
            Sight::Cautious | Sight::Fair => return anyhow,
            Sight::Foretold => {}
        }
        let Some(foretold) = self.foretold_now(scene, meter) else { return anyhow };
        let since_h = scene.utc.duration_since(foretold.since).as_secs_f64() / 3600.0;
        let (Some(mid), Some(trust)) = (foretold.at(lead + since_h), self.trust.get(&meter)) else {
            return anyhow;
        };
        anyhow + trust.risen(lead, mid - anyhow)
    }

    /// What is relied on of the inflow that others foretell for path `at` beyond what is expected here, as it counts at the section
    /// when water arrives that leaves now at `release`, m³/s.
    pub fn rise(&self, scene: &Scene<'_>, paths: &[Path], at: usize, release: f64) -> f64 {
        let Some(path) = paths.get(at) else { return 0.0 };
        self.rise_by(scene, path, &self.pace(scene, (path, at), release))
    }

    fn rise_by(&self, scene: &Scene<'_>, path: &Path, pace: &Pace) -> f64 {
        if self.foretold.is_empty() {
            return 0.0;
        }
        let [foretold, fair] = [Sight::Foretold, Sight::Fair].map(|sight| self.joins(sight, scene, path, pace));
        (foretold - fair).max(0.0)
    }

    /// The part of it that a release may be less by: the ponds on the way, which can stand in for `left` more, stand behind every
    /// drop that is only foretold. A forecast that fails costs their water and no floor.
    pub(super) fn staked(&self, scene: &Scene<'_>, path: &Path, pace: &Pace, left: f64) -> f64 {
        let most = (1.0 - KEPT) * left;
        if most > 0.0 { self.rise_by(scene, path, pace).min(most) } else { 0.0 }
    }

    /// What is foretold of a meter, while it may be used.
    fn foretold_now(&self, scene: &Scene<'_>, meter: MeterId) -> Option<&Foretold> {
        let foretold = self.foretold.get(&meter)?;
        let since_h = scene.utc.duration_since(foretold.since).as_secs_f64() / 3600.0;
        (scene.utc < foretold.ends && (0.0..=LOOK_H).contains(&since_h)).then_some(foretold)
    }

    /// Closes a bin of every forecast: what came is held against what was foretold, and what is foretold now is looked at. Of a
    /// gauge that is silent nothing is foretold: nobody could tell whether it comes.
    pub(super) fn close_forecasts(&mut self, scene: &Scene<'_>, paths: &[Path]) {
        self.foretold.clear();
        for meter in metered(paths) {
            let Some(series) = self.meters.get(&meter) else { continue };
            let is_seen = series.window(0.0, 2.0 * HALF_H).is_some();
            let issue = scene.forecast(Target::of_meter(meter, scene.basin));
            let foretold = issue.filter(|_| is_seen).and_then(|issue| Foretold::of(issue, scene.utc));
            if foretold.is_none() && !self.trust.contains_key(&meter) {
                continue;
            }
            let seen = series.hour(HALF_H);
            let outlook = self.outlooks.get(&meter).copied().unwrap_or_default();
            let control = &scene.basin.control;
            self.trust.entry(meter).or_default().pass(seen, |lead| {
                let lead = f64::from(lead);
                let mid = foretold.as_ref()?.at(lead)?;
                Some(Expected { fair: outlook.fair(lead, control), mid })
            });
            if let Some(foretold) = foretold {
                self.foretold.insert(meter, foretold);
            }
        }
        self.trust.retain(|_, trust| !trust.is_empty());
    }

    /// Notes that the service was away.
    pub(super) fn skip_forecasts(&mut self) {
        self.foretold.clear();
        self.trust.values_mut().for_each(Trust::forget);
    }

    /// How far forecasts are relied on, by name of the target.
    pub(super) fn standings(&self, basin: &Basin) -> BTreeMap<String, Vec<Standing>> {
        let one = |(meter, trust): (&MeterId, &Trust)| {
            (Target::of_meter(*meter, basin).name(basin), trust.standing().collect::<Vec<_>>())
        };
        self.trust.iter().map(one).collect()
    }

    /// Forecasts that a release decided at `release` relies on for a path, by what of it is `staked` on each.
    pub(super) fn relied_on(
        &self,
        scene: &Scene<'_>,
        (path, at): (&Path, usize),
        (release, staked): (f64, f64),
    ) -> Vec<Because> {
        if staked <= 0.0 {
            return Vec::new();
        }
        let pace = self.pace(scene, (path, at), release);
        let when = When::With(pace.over(&path.way));
        let rise = self.rise_by(scene, path, &pace);
        let part = if rise > 0.0 { (staked / rise).min(1.0) } else { 0.0 };
        let told = metered(std::slice::from_ref(path)).into_iter().filter_map(|meter| {
            let issued = self.foretold_now(scene, meter)?.issued;
            let ways = || path.laterals.iter().filter(|it| it.source == LateralSource::Meter(meter));
            let sum = |sight| -> f64 {
                ways().map(|it| it.gain * self.lateral_by(sight, scene, it, &pace, when).mid).sum()
            };
            let change = Discharge::lossy(part * (sum(Sight::Foretold) - sum(Sight::Fair)));
            (change.get() >= WORTH_TELLING).then_some(Because::Foretold { meter, issued, change })
        });
        told.collect()
    }
}

/// Gauges of what joins the paths.
fn metered(paths: &[Path]) -> BTreeSet<MeterId> {
    let laterals = paths.iter().flat_map(|path| &path.laterals);
    let meters = laterals.filter_map(|lateral| match lateral.source {
        LateralSource::Meter(meter) => Some(meter),
        LateralSource::Table(..) | LateralSource::Pond(_) => None,
    });
    meters.collect()
}
