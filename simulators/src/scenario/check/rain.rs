//! Rain of a scenario.

use qindan::basin::MeterKind;
use qindan::config::sheet::{Entry, Sheet, Spot};

use super::super::raw::{RawFall, RawRain};
use super::flows::{above_zero, not_negative};
use super::{Scope, find, known};
use crate::inflow::{Fall, Rain, Source};

impl Scope<'_> {
    /// Rain by gauge; `inflows` may have storms.
    pub(super) fn rain(&self, sheet: &Sheet<'_>, inflows: &[Source]) -> Vec<Rain> {
        let one = |entry: Entry<'_, RawRain>| {
            let gauges = self.basin.meters.iter().filter(|meter| meter.kind == MeterKind::Rain);
            known(&entry, "rain gauge", gauges.map(|meter| meter.id.as_str()))?;
            let meter = self.basin.meters.iter().position(|meter| meter.id == entry.id)?;
            let raw = entry.raw?;
            let storms = self.storms_of(&entry.spot, &raw, inflows);
            let fall = |(at, raw)| self.fall(&entry.spot.key("falls").item(at), raw);
            let falls = raw.falls.iter().enumerate().map(fall).collect::<Vec<_>>();
            Some(Rain { meter, storms: storms?, falls: falls.into_iter().collect::<Option<_>>()? })
        };
        sheet.entries("rain").into_iter().filter_map(one).collect()
    }

    /// Inflow whose storms bring the rain, and how much; `None` when that is wrong, which has been said.
    #[expect(clippy::option_option, reason = "wrong, not there, there")]
    fn storms_of(&self, spot: &Spot<'_>, raw: &RawRain, inflows: &[Source]) -> Option<Option<(usize, f64)>> {
        let (id, mm) = match (&raw.storms_of, raw.storm_mm) {
            (Some(id), Some(mm)) => (id, mm),
            (None, None) => {
                if raw.falls.is_empty() {
                    spot.complain("has no rain", "give storms_of with storm_mm, or falls");
                }
                return Some(None);
            }
            (Some(_), None) | (None, Some(_)) => {
                spot.complain("needs both of storms_of and storm_mm", "give both, or neither");
                return None;
            }
        };
        let ids = self.basin.inflows.iter().map(|inflow| inflow.id.as_str());
        let at = find(&spot.key("storms_of"), "inflow", id, ids);
        let sound = not_negative(spot, "storm_mm", mm);
        if inflows.get(at?).is_some_and(|source| source.storms.is_none()) {
            spot.key("storms_of")
                .complain("has no storms", format!("give [inflow.{id}] storms, or another inflow"));
            return None;
        }
        sound.then_some(Some((at?, mm)))
    }

    fn fall(&self, spot: &Spot<'_>, raw: &RawFall) -> Option<Fall> {
        let begin = self.second(&spot.key("begin"), &raw.begin);
        let sound = above_zero(spot, "lasts_h", raw.lasts_h) & not_negative(spot, "mm", raw.mm);
        let fall = Fall { begin: begin?, lasts: raw.lasts_h * 3600.0, mm: raw.mm };
        sound.then_some(fall)
    }
}
