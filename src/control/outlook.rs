//! Where a metered flow is heading, worked out once per bin and asked many times: what tributaries will bring
//! and intakes will take when today's release passes them.

use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::basin::ControlParameters;

/// Hours over which a receding tributary's trend is taken and carried on.
const TREND_H: f64 = 24.0;

/// Least share of a flow that is left after a day of recession: surface runoff keeps at least a fifth. Source: Nathan
/// and `McMahon` 1990, daily recession constants of 0.2 to 0.8 for surface runoff.
const FASTEST_DAY: f64 = 0.2;

/// Times its least of the recent days that a flow without a wave reaches. Assumed: a daily wave is up to a third of the mean.
const CALM: f64 = 1.5;

/// Times what came in the last six hours that the mean of a day counts at most: a wave of a day stands at its foot then. Assumed.
const RISEN: f64 = 1.2;

/// Hours of which the least mean is sought: one hour of a gauge of small flows is mostly noise. Assumed.
const MEAN_H: usize = 6;

/// The same, h.
const SIX_H: f64 = 6.0;

/// Newest hours that do not count as "before" when a flow is compared with its recent past.
const RECENT_H: usize = 12;

/// What the memory of one flow says about its next days, m³/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Outlook {
    /// Mean of the last hour, across gaps the nearest older value; `None` when nothing was ever seen.
    pub(super) now: Option<f64>,
    /// Largest hour of the last day.
    pub(super) day_high: Option<f64>,
    /// Mean of the last day.
    #[serde(default)]
    day: f64,
    /// The same as a share of the day before, at most 1.
    #[serde(default)]
    daily: f64,
    /// Mean of the last six hours.
    #[serde(default)]
    lately: f64,
    /// The same as a share of the six hours before, where less came: `None` where more did.
    #[serde(default)]
    fell: Option<f64>,
    /// Least mean of six hours in the window, never above `now`.
    least: f64,
    /// Share of its flow that is left after a day, where it has been falling all along; `None` elsewhere.
    recession: Option<f64>,
}

impl Outlook {
    /// Of a flow's memory now.
    pub(super) fn of(series: &Series, control: &ControlParameters) -> Self {
        let day = series.window(0.0, 24.0);
        let day_high = day.map(|(_, _, high)| high);
        let Some(now) = series.around(0.0) else { return Self { day_high, ..Self::default() } };
        let means = series.means(MEAN_H, bins_to_hours(control.tributary_window_s)).enumerate();
        let (least, older) = means.fold((now, f64::INFINITY), |(least, older), (nth, mean)| {
            (least.min(mean), if nth * MEAN_H < RECENT_H { older } else { older.min(mean) })
        });
        let mut hours = series.means(MEAN_H, 2 * MEAN_H);
        let lately = hours.next().unwrap_or(now);
        let fell = hours.next().filter(|before| *before > lately).map(|before| lately / before);
        let falling = older >= now && older.is_finite();
        let recession = falling.then(|| {
            let before = series.window(TREND_H - 1.0, TREND_H + 1.0).map_or(now, |(_, mean, _)| mean);
            let daily = if before > 0.0 { (now / before).clamp(FASTEST_DAY, 1.0) } else { 1.0 };
            // A wave that stood here a day ago is gone; how it went says nothing of what is left. That falls as it fell lately,
            // or slower.
            if before > CALM * older { daily.max(fell.map_or(1.0, a_day_of)) } else { daily }
        });
        let day = day.map_or(now, |(_, mean, _)| mean);
        let before = series.window(TREND_H, 2.0 * TREND_H).map_or(day, |(_, mean, _)| mean);
        let daily = if before > 0.0 { (day / before).min(1.0) } else { 1.0 };
        Self { now: Some(now), day_high, day, daily, lately, fell, least, recession }
    }

    /// The flow `lead` hours from now as expected: on days without a wave what the last day brought, less by as much as it fell
    /// from the day before, and at most a little more than what came lately; behind a wave what falls as it fell in the last hours
    /// (a recession slows down, so this is less than what comes); while a wave rises the cautious side is what is expected.
    pub(super) fn fair(&self, lead: f64, control: &ControlParameters) -> f64 {
        let cautious = self.cautious(lead, control);
        let is_calm = self.now.is_some_and(|now| now.max(self.day) <= CALM * self.least);
        if !is_calm {
            let falls = |share: f64| self.lately * share.powf((lead + 0.5 * SIX_H) / SIX_H);
            return self.fell.map_or(cautious, |share| cautious.max(falls(share)));
        }
        let carried_on = self.day * self.daily.powf((lead + 0.5 * TREND_H) / TREND_H);
        cautious.max(carried_on.min(RISEN * self.lately))
    }

    /// The flow `lead` hours from now, on the cautious side: from its present value it falls to the least of the
    /// recent days; when it is already below all of them, its recession goes on.
    pub(super) fn cautious(&self, lead: f64, control: &ControlParameters) -> f64 {
        let Some(now) = self.now else { return 0.0 };
        let decay = (-lead * 3600.0 / control.tributary_decay_s).exp();
        let fallen = self.least + (now - self.least) * decay;
        let receding = self.recession.map_or(f64::INFINITY, |daily| now * daily.powf(lead / TREND_H));
        fallen.min(receding).max(0.0)
    }
}

/// Share left after a day of what keeps `share` in six hours.
fn a_day_of(share: f64) -> f64 {
    share.powf(TREND_H / SIX_H)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "hours of a window, bounded by the memory"
)]
fn bins_to_hours(seconds: f64) -> usize {
    (seconds / 3600.0).clamp(1.0, 120.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::GateKind;
    use crate::control::series::BIN_S;
    use crate::control::testing;

    /// What is to be expected a day after two and a half days of a flow by hours before now.
    fn in_a_day(flow: impl Fn(f64) -> f64) -> f64 {
        let gate = testing::gate(GateKind::Plane { width_m: 1.0, height_m: 1.0 }, 0.0);
        let control = testing::basin(gate).control;
        let mut series = Series::default();
        for bin in (0..360).rev() {
            series.add(Some(flow((f64::from(bin) + 0.5) * BIN_S / 3600.0)));
            series.close();
        }
        Outlook::of(&series, &control).cautious(24.0, &control)
    }

    #[test]
    fn a_wave_that_is_gone_says_nothing_of_what_is_left() {
        // A storm of half a day, gone for 18 h; since then 0.24, and 0.23 in the last six hours, less than ever before. A day has
        // four times six hours: 0.23 · (0.23 / 0.24)⁴ = 0.194. Before, a day as the last one left a fifth: 0.046.
        let storm = |ago: f64| match ago {
            ..6.0 => 0.23,
            ..18.0 => 0.24,
            ..30.0 => 3.0,
            _ => 0.25,
        };
        assert!((in_a_day(storm) - 0.194).abs() < 2e-3, "{}", in_a_day(storm));
        // What has not fallen since is expected to stay.
        let since = |ago: f64| if ago < 18.0 { 0.235 } else { storm(ago) };
        assert!((in_a_day(since) - 0.235).abs() < 2e-3, "{}", in_a_day(since));
    }

    #[test]
    fn a_recession_goes_on_as_it_is() {
        // A half, and a fifth, of its flow is left after a day.
        for (left, after) in [(0.5, 0.1), (0.2, 0.04)] {
            let flow = |ago: f64| 0.2 * f64::powf(left, -ago / 24.0);
            assert!((in_a_day(flow) - after).abs() < 5e-3, "{left}: {}", in_a_day(flow));
        }
    }
}
