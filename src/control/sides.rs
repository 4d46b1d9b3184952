//! What joins a path on its way and what is taken from it, now and when the water that leaves the dam today passes by.

use super::arrival::{Band, When, arriving};
use super::estimate::{River, Scene, hours_to_s};
use super::foretold::Sight;
use super::outlook::Outlook;
use super::routing::{self, Draw, Lateral, LateralSource, Pace, Path};
use super::series::{BIN_S, Series};
use crate::basin::{Intake, IntakeId, MeterId};

impl River {
    /// Where a meter's flow is heading; after a restart it is worked out on the way until the first bin closes.
    fn outlook(&self, scene: &Scene<'_>, meter: MeterId) -> Outlook {
        self.outlooks.get(&meter).copied().unwrap_or_else(|| {
            self.meters.get(&meter).map_or_else(Outlook::default, |s| Outlook::of(s, &scene.basin.control))
        })
    }

    pub(super) fn lateral(&self, scene: &Scene<'_>, lateral: &Lateral, pace: &Pace, when: When) -> Band {
        self.lateral_by(Sight::Cautious, scene, lateral, pace, when)
    }

    /// What joins and what is taken, as they count at the section, when the water that leaves now arrives there: by a cautious
    /// view.
    pub(super) fn met(&self, scene: &Scene<'_>, path: &Path, pace: &Pace) -> (f64, f64) {
        let when = When::With(pace.over(&path.way));
        let inflow = path.laterals.iter().map(|l| l.gain * self.lateral(scene, l, pace, when).mid);
        let intakes = path.draws.iter().map(|d| d.gain * self.draw(scene, d, pace, when).high);
        (inflow.sum(), intakes.sum())
    }

    /// The same as expected.
    pub(super) fn met_fairly(&self, scene: &Scene<'_>, path: &Path, pace: &Pace) -> (f64, f64) {
        let when = When::With(pace.over(&path.way));
        let intakes = path.draws.iter().map(|d| d.gain * self.draw(scene, d, pace, when).mid);
        (self.joins(Sight::Fair, scene, path, pace), intakes.sum())
    }

    /// What joins, as it counts at the section when the water that leaves now arrives there.
    pub(super) fn joins(&self, sight: Sight, scene: &Scene<'_>, path: &Path, pace: &Pace) -> f64 {
        let when = When::With(pace.over(&path.way));
        path.laterals.iter().map(|l| l.gain * self.lateral_by(sight, scene, l, pace, when).mid).sum()
    }

    pub(super) fn lateral_by(
        &self,
        sight: Sight,
        scene: &Scene<'_>,
        lateral: &Lateral,
        pace: &Pace,
        when: When,
    ) -> Band {
        match lateral.source {
            LateralSource::Meter(meter) => {
                let Some(series) = self.meters.get(&meter) else { return Band::default() };
                let outlook = self.outlook(scene, meter);
                let future = |lead: f64| Band::sure(self.comes(scene, (meter, &outlook), sight, lead));
                arriving(pace, &lateral.way, when, series, future).unwrap_or_default()
            }
            LateralSource::Table(inflow, share) => {
                Band::sure(routing::table_rate(scene.basin, inflow, share, scene.month()).get())
            }
            LateralSource::Pond(pond) => self.given(pond, &lateral.way, pace, when),
        }
    }

    pub(super) fn draw(&self, scene: &Scene<'_>, draw: &Draw, pace: &Pace, when: When) -> Band {
        let Some(intake) = scene.basin.intakes.get(draw.intake.0) else { return Band::default() };
        let seen = intake.meter.and_then(|meter| self.meters.get(&meter));
        let future = |lead: f64| self.announced(scene, (draw.intake, intake), seen, lead);
        let empty = Series::default();
        arriving(pace, &draw.way, when, seen.unwrap_or(&empty), future)
            .unwrap_or_else(|| future(when.hours()))
    }

    /// Rate an intake is expected to take `lead` hours from now: its announced turn, or what it was `seen` to take at that
    /// time of day.
    fn announced(
        &self,
        scene: &Scene<'_>,
        (id, intake): (IntakeId, &Intake),
        seen: Option<&Series>,
        lead: f64,
    ) -> Band {
        let outlook = || intake.meter.map_or_else(Outlook::default, |meter| self.outlook(scene, meter));
        if !intake.by_turns {
            // A new month may take more than the old one: its users are on their way up already.
            let usual = |hours: f64| {
                let month = usize::try_from(scene.month_in(hours) - 1).unwrap_or(0);
                intake.monthly_use.get(month).map_or(0.0, |rate| rate.get())
            };
            let rise = (usual(lead) - usual(0.0)).max(0.0);
            let most = intake.max_rate.get();
            let Some(day) = seen.and_then(|series| series.same_hour(lead)) else {
                return Band::sure((outlook().day_high.unwrap_or_else(|| usual(0.0)) + rise).min(most));
            };
            let taken = |rate: f64| (rate + rise).min(most);
            return Band { low: taken(day.0), mid: taken(day.1), high: taken(day.2) };
        }
        // The mean of the last hour would have a turn go on for half of it.
        let now = seen.and_then(Series::latest).or_else(|| outlook().now);
        let turn = |hours: f64| turn_rate(scene, id, hours);
        // A pump that runs though nothing is announced is taken to run on: nobody knows until when. What is known of
        // it is the mean of a bin that may have begun two bins ago, in a turn that has ended since.
        let noticed = 0.2 * intake.max_rate.get();
        let extra = now.filter(|now| *now > noticed).map_or(0.0, |now| {
            let lately = [0.0, 1.0, 2.0].map(|bins| turn(-bins * BIN_S / 3600.0));
            now - lately.into_iter().fold(0.0, f64::max)
        });
        let extra = if extra > noticed { extra } else { 0.0 };
        Band::sure((turn(lead) + extra).min(intake.max_rate.get()))
    }
}

/// Sum of the announced turns of an intake `lead` hours from now.
fn turn_rate(scene: &Scene<'_>, id: IntakeId, lead: f64) -> f64 {
    let at = scene.utc.as_second() + hours_to_s(lead);
    scene
        .schedules
        .turns
        .iter()
        .filter(|turn| turn.intake == id && turn.from.as_second() <= at && at < turn.to.as_second())
        .map(|turn| turn.rate.get())
        .sum()
}
