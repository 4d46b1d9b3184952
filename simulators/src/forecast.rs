//! Forecasts that the world sends to the service: made of what the scenario will bring, or as they stand in a file, both
//! with the errors the scenario gives them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qindan::basin::Basin;
use qindan::control::forecast::{Draft, Forecast, Offer, Target};
use sha2::{Digest, Sha256};

use crate::inflow::{Noise, Strength, Stretch, instant, seconds};
use crate::run::hex;
use crate::scenario::Case;

/// Noise of a forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Blur {
    /// Standard deviation as a share of the flow.
    pub share: f64,
    /// Time in which the correlation falls to 37 %, s.
    pub correlation: f64,
    /// Forecasts of one stream have the same noise.
    pub stream: String,
}

/// A flow that is always about to come, and never does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// After the start: issues before that are without.
    pub after: Duration,
    /// From so long after its issue on each foretells at least that flow.
    pub ahead: Duration,
    /// The flow, m³/s.
    pub flow: f64,
}

/// How far a forecast is off.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// Factor on every flow.
    pub bias: f64,
    /// By how much what comes is foretold too late; negative: too early.
    pub lag: SignedDuration,
    /// Another one for each member of each issue.
    pub noise: Option<Blur>,
    /// One for all members of an issue.
    pub common: Option<Blur>,
    /// What is foretold though it never comes.
    pub alarm: Option<Alarm>,
    /// No issue comes later than this after the start.
    pub stale_after: Option<Duration>,
}

/// Issues made of what will come.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// From issue to issue; the first comes at the start.
    pub every: Duration,
    /// How far each goes.
    pub horizon: Duration,
    /// From value to value.
    pub step: Duration,
    /// When each ends, after it was issued.
    pub valid_for: Duration,
    /// Members.
    pub members: usize,
}

/// Where the issues come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// From what the scenario will bring to its inflow or intake.
    Truth(Made),
    /// From a file, in the order of their issue.
    File(Vec<Draft>),
}

/// Forecasts of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    /// Name in the scenario.
    pub id: String,
    /// What they foretell.
    pub target: Target,
    /// Where they come from.
    pub origin: Origin,
    /// How far they are off.
    pub errors: Errors,
}

impl Foretold {
    /// When issue `number`, counted from 0, comes, after the start; `None` when there is none any more.
    pub fn due(&self, number: usize, start: Timestamp) -> Option<Duration> {
        let at = match &self.origin {
            Origin::Truth(made) => made.every.checked_mul(u32::try_from(number).ok()?)?,
            // What was issued before the start is there at the start.
            Origin::File(drafts) => {
                Duration::try_from(drafts.get(number)?.issued.duration_since(start)).unwrap_or_default()
            }
        };
        self.errors.stale_after.is_none_or(|last| at <= last).then_some(at)
    }

    /// Issue `number` as it is sent.
    pub fn issue(&self, number: usize, case: &Case) -> Option<Draft> {
        let (basin, start) = (&case.config.basin, case.scenario.start);
        let lag = self.errors.lag;
        let mut draft = match &self.origin {
            Origin::File(drafts) => {
                let draft = drafts.get(number)?.clone();
                Draft { begin: draft.begin.saturating_add(lag).ok()?, ..draft }
            }
            Origin::Truth(made) => {
                let issued = instant(start, self.due(number, start)?);
                let step_s = u32::try_from(made.step.as_secs()).ok()?;
                let last = u32::try_from(made.horizon.as_nanos() / made.step.as_nanos().max(1)).ok()?;
                let truth = |at: u32| {
                    let utc = instant(issued, made.step * at).saturating_sub(lag).ok()?;
                    case.scenario.comes(self.target, utc, basin)
                };
                let flows = (0..=last).map(truth).collect::<Option<Vec<_>>>()?;
                let expires = instant(issued, made.valid_for);
                let members = vec![flows; made.members];
                Draft { target: self.target, issued, expires, begin: issued, step_s, members }
            }
        };
        self.spoil(&mut draft, number, case.scenario.seed, basin);
        let after = self.due(number, start)?;
        self.alarm(&mut draft, after);
        Some(draft)
    }

    /// Puts bias and noise on a draft; what it foretells stays a flow that can be.
    fn spoil(&self, draft: &mut Draft, number: usize, seed: u64, basin: &Basin) {
        let from = seconds(draft.begin);
        let step = f64::from(draft.step_s);
        let highest = self.target.highest(basin);
        let key = |blur: &Blur| format!("forecast {} {number}", blur.stream);
        for (member, flows) in draft.members.iter_mut().enumerate() {
            let times = (0_u32..).map(|at| from + step * f64::from(at));
            let to = times.clone().nth(flows.len()).unwrap_or(from);
            let noise = |blur: &Blur, stream: &str| {
                Noise::new(seed, stream, Strength::Share(blur.share), blur.correlation, Stretch { from, to })
            };
            let own = self.errors.noise.as_ref().map(|it| noise(it, &format!("{} {member}", key(it))));
            let common = self.errors.common.as_ref().map(|it| noise(it, &format!("{} all", key(it))));
            for (flow, t) in flows.iter_mut().zip(times) {
                let biased = self.errors.bias * *flow;
                let with = |flow: f64, noise: &Option<Noise>| noise.as_ref().map_or(flow, |it| it.on(flow, t));
                *flow = with(with(biased, &common).max(0.0), &own).clamp(0.0, highest);
            }
        }
    }

    /// Puts what never comes into an issue made so long `after` the start.
    fn alarm(&self, draft: &mut Draft, after: Duration) {
        let Some(alarm) = self.errors.alarm.filter(|alarm| after >= alarm.after) else { return };
        let step = Duration::from_secs(u64::from(draft.step_s));
        for flows in &mut draft.members {
            let ahead = (0_u32..).map(|at| step.saturating_mul(at));
            let later = flows.iter_mut().zip(ahead).filter(|(_, ahead)| *ahead >= alarm.ahead);
            later.for_each(|(flow, _)| *flow = flow.max(alarm.flow));
        }
    }
}

/// What has been sent so far.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// By entry of the scenario: number of the next issue.
    next: Vec<usize>,
}

impl Post {
    /// What is due `after` the start.
    pub fn due(&mut self, case: &Case, after: Duration) -> Vec<Offer> {
        let all = &case.scenario.forecasts;
        self.next.resize(all.len(), 0);
        let mut offers = Vec::new();
        for (foretold, next) in all.iter().zip(&mut self.next) {
            while foretold.due(*next, case.scenario.start).is_some_and(|at| at <= after) {
                offers.extend(
                    foretold.issue(*next, case).map(|draft| offer(foretold, draft, &case.config.basin)),
                );
                *next += 1;
            }
        }
        offers
    }
}

fn offer(foretold: &Foretold, draft: Draft, basin: &Basin) -> Offer {
    let digest = hex(&Sha256::digest(format!("{draft:?}").as_bytes()));
    let issues = Forecast::new(draft, basin).map(|issue| vec![issue]);
    let issues = issues.map_err(|flaws| flaws.into_iter().map(|flaw| flaw.what).collect());
    Offer { source: "scenario".into(), from: foretold.id.clone(), digest, issues }
}
