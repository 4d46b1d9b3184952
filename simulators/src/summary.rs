//! `summary.json` of a run.
//!
//! Keys bear their units. `wall_s`, `days_per_s`, `cost` and `plan` hold real time: they differ from run to run, and no
//! digest covers them. What only [`bound`](crate) knows is left out until it has been worked out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use qindan::basin::{Basin, GateId, ReservoirId};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Closing, Served};
use crate::bound::{Bound, Depth};
use crate::inflow::instant;
use crate::plant::{Balance, Gap};
use crate::run::Run;
use crate::scenario::Outcome;
use crate::score::Score;
use crate::series::Series;

/// What a balance may miss, as a share of the inflow: rounding.
const CLOSED: f64 = 1e-6;

/// Flow, volume and time are in m³/s, m³ and minutes; see the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its name in English.
    #[serde(default)]
    pub name_en: String,
    /// Its name in Chinese.
    #[serde(default)]
    pub name_zh: String,
    /// Its purpose.
    pub purpose: String,
    /// Seed of the noise.
    pub seed: u64,
    /// Values of the configuration that were changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// SHA-256 over the configuration.
    pub config: String,
    /// Begin of scoring, after the spin-up.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Length of the part that is not scored, h.
    pub spin_up_h: f64,
    /// Real time the run took, s.
    pub wall_s: f64,
    /// Simulated days per second of real time.
    pub days_per_s: f64,
    /// Where that real time went.
    #[serde(default)]
    pub cost: Cost,
    /// Distance of two rows of `series.csv`, s.
    #[serde(default)]
    pub row_s: u64,
    /// Ticks decided.
    pub ticks: u64,
    /// By section with a floor.
    pub sections: BTreeMap<String, SectionSummary>,
    /// Of the dam.
    pub water: WaterSummary,
    /// By reservoir or pond.
    pub reservoirs: BTreeMap<String, ReservoirSummary>,
    /// By gate that moved or could have.
    pub gates: BTreeMap<String, GateSummary>,
    /// Water made or lost by the arithmetic of the plant over the whole run, m³.
    pub mass_balance_error_m3: f64,
    /// All water of the basin over the whole run.
    pub balance: Balance,
    /// The node, reach, reservoir or wetland whose own balance closes worst.
    #[serde(default)]
    pub gap: Gap,
    /// Wanted, got and missing in the scored time, by use.
    #[serde(default)]
    pub uses: BTreeMap<String, UseSummary>,
    /// Lower uses that were served while a higher one was short and could have been helped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<OrderSummary>,
    /// Commands given over the whole run.
    pub actions: usize,
    /// Plans of the optimiser, when it was at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanSummary>,
    /// Scored hours on each rung of the ladder.
    #[serde(default)]
    pub rungs_h: BTreeMap<String, f64>,
    /// Times dispatch fell to a lower rung in them.
    #[serde(default)]
    pub falls: u64,
    /// How they ended.
    pub outcomes: BTreeMap<String, usize>,
    /// How often each alarm was raised over the whole run, by `ID:ELEMENT`.
    pub alarms: BTreeMap<String, usize>,
    /// SHA-256 over the commands at register resolution.
    pub digest: String,
    /// What was odd in the records, and how it was handled.
    pub notes: Vec<String>,
    /// What the scenario expects and the run did not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
}

/// What a section got, by true flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionSummary {
    /// Its floor.
    pub floor_m3s: f64,
    /// Minutes below floor − max(1 L/s, 0.5 %).
    pub minutes_below: f64,
    /// Of which could have been avoided when their cause became visible.
    pub minutes_below_avoidable: f64,
    /// Of which no release could have avoided, by the bound with perfect foresight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavoidable_minutes_below: Option<f64>,
    /// Water missing in those minutes.
    pub deficit_m3: f64,
    /// Least flow.
    pub min_m3s: f64,
    /// When.
    pub min_at: Timestamp,
    /// Mean flow.
    pub mean_m3s: f64,
    /// Days, scored for twelve hours at least, whose mean was below.
    #[serde(default)]
    pub days_below: usize,
    /// Mean of the set point the service held it by, less its floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_m3s: Option<f64>,
}

/// Water released into the river.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaterSummary {
    /// All of it.
    pub released_m3: f64,
    /// Without hours of spill.
    pub released_without_spill_m3: f64,
    /// Steady need of each day, summed over the same hours.
    pub need_m3: f64,
    /// Released beyond the need, as a share of it.
    pub above_need: Option<f64>,
    /// The same of the worst day.
    pub above_need_worst_day: Option<f64>,
    /// That day.
    pub worst_day: Option<jiff::civil::Date>,
    /// Hours of spill, left out.
    pub spill_h: f64,
    /// Least release that keeps the floors as well as can be, by the bound with perfect foresight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum_m3: Option<f64>,
    /// Released beyond that, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess_pct: Option<f64>,
    /// What the search for the optimum still hopes to save of it, %; an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum_gap_pct: Option<f64>,
    /// Whether that search has converged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum_converged: Option<bool>,
    /// How hard was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum_depth: Option<Depth>,
}

/// What a use wanted and got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UseSummary {
    /// Its rank, as the configuration writes it.
    pub rank: String,
    /// Its sums.
    #[serde(flatten)]
    pub served: Served,
}

/// Two uses out of order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The use that was short.
    pub higher: String,
    /// The one of a lower rank that was served.
    pub lower: String,
    /// Travel time of the water between them.
    pub travel_h: f64,
    /// Hours in which the water of the lower use would have helped, and the shortage had shown in time.
    pub hours: usize,
    /// Hours in which their reservoir could have helped itself.
    pub store_hours: usize,
    /// Further hours in which the shortage had not shown in time; no breach.
    pub unforeseen_hours: usize,
    /// What the lower use could have given.
    pub could_m3: f64,
    /// Begin of the first hour.
    pub first: Timestamp,
}

impl OrderSummary {
    /// In words.
    fn line(&self) -> String {
        format!(
            "order of uses: {} was short and {} was served for {} h in which its water would have helped and {} h in which \
             the reservoir could have ({:.0} m³, {:.1} h of travel, first {})",
            self.higher, self.lower, self.hours, self.store_hours, self.could_m3, self.travel_h, self.first
        )
    }

    /// Whether it is more than hindsight.
    pub const fn counts(&self) -> bool {
        self.hours + self.store_hours > 0
    }
}

/// Real time by what it was spent on, s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// River, devices and registers.
    pub plant_s: f64,
    /// Deciding.
    pub decide_s: f64,
    /// Scores, the steady need of each day above all.
    #[serde(default)]
    pub score_s: f64,
    /// Rows and files.
    pub output_s: f64,
    /// The perfect-foresight optimum; not part of `wall_s`.
    #[serde(default)]
    pub bound_s: f64,
}

/// The optimiser's plans; none is made without `follow_plan`. Times are those of the decisions that made them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Plans made.
    pub count: u64,
    /// Half of them took at most this long, ms of real time.
    pub median_ms: f64,
    /// All but one in a hundred took at most this long, ms of real time.
    pub p99_ms: f64,
    /// Times dispatch fell from a plan to the rule because there was none to follow any more.
    pub fallbacks: u64,
}

impl PlanSummary {
    /// Of plans that took so long.
    fn of((took, fallbacks): (&[std::time::Duration], u64)) -> Self {
        let mut sorted = took.iter().map(|took| 1e3 * took.as_secs_f64()).collect::<Vec<_>>();
        sorted.sort_by(f64::total_cmp);
        // The least that so many hundredths do not exceed.
        let rank = |hundredths: usize| {
            let rank = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
            sorted.get(rank).copied().unwrap_or(0.0)
        };
        Self { count: sorted.len() as u64, median_ms: rank(50), p99_ms: rank(99), fallbacks }
    }
}

/// Level of a reservoir.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReservoirSummary {
    /// When scoring began.
    pub level_begin_m: f64,
    /// At the end.
    pub level_end_m: f64,
}

/// Wear of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateSummary {
    /// Commands given to it over the whole run; none for units and flaps that have a will of their own.
    #[serde(default)]
    pub commands: usize,
    /// Motor starts.
    pub starts: u64,
    /// Travel, strokes.
    pub travel: f64,
    /// Most starts on one civil day.
    pub starts_worst_day: u64,
}

impl Summary {
    /// Sums up a run that is over; `score` is finished.
    pub fn new(run: &Run, score: &Score, seed: u64, set: &[String], wall_s: f64) -> Self {
        let case = run.case();
        let (basin, scenario) = (&case.config.basin, &case.scenario);
        let sections =
            basin.sections.iter().zip(&score.sections).enumerate().filter_map(|(at, (section, score_of))| {
                let (least, min_at) = score_of.least?;
                let summary = SectionSummary {
                    floor_m3s: score_of.floor?,
                    minutes_below: score_of.below_s / 60.0,
                    minutes_below_avoidable: score_of.avoidable_s / 60.0,
                    unavoidable_minutes_below: None,
                    deficit_m3: score_of.deficit,
                    min_m3s: least,
                    min_at,
                    mean_m3s: score_of.volume / score.seconds.max(1.0),
                    days_below: score.days_below(at),
                    margin_m3s: None,
                };
                Some((section.id.clone(), summary))
            });
        let gates = basin.gates.iter().enumerate().filter_map(|(at, gate)| {
            let (starts, travel, starts_worst_day) = score.wear(run.plant(), GateId(at));
            let commands = run.given().iter().filter(|act| act.gate == GateId(at)).count();
            (gate.is_driven() || starts > 0)
                .then(|| (gate.id.clone(), GateSummary { commands, starts, travel, starts_worst_day }))
        });
        let reservoirs = basin.reservoirs.iter().zip(&score.levels_at_begin).enumerate();
        let reservoirs = reservoirs.map(|(at, (body, begin))| {
            let level_end_m = run.plant().reservoir_level(ReservoirId(at));
            (body.id.clone(), ReservoirSummary { level_begin_m: *begin, level_end_m })
        });
        let sections = sections.collect::<BTreeMap<_, _>>();
        let unmet = scenario.expect.judge(&Outcome {
            below: &sections.iter().map(|(id, section)| (id.clone(), section.minutes_below)).collect(),
            alarms: run.alarms(),
            happened: &run.happened().iter().map(|happening| happening.id.clone()).collect::<Vec<_>>(),
            answers: run.answers(),
        });
        let mut outcomes = BTreeMap::new();
        for act in run.given() {
            let end = match &act.outcome {
                None => "running".to_owned(),
                Some(end) => serde_json::to_value(end)
                    .ok()
                    .and_then(|end| Some(end.get("state")?.as_str()?.to_owned()))
                    .unwrap_or_default(),
            };
            *outcomes.entry(end).or_insert(0) += 1;
        }
        let balance = run.plant().balance();
        let days = scenario.duration.as_secs_f64() / 86_400.0;
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            scenario: scenario.id.clone(),
            name_en: scenario.name.en.clone(),
            name_zh: scenario.name.zh.clone(),
            purpose: scenario.purpose.clone(),
            seed,
            set: set.to_vec(),
            config: case.config.digest.clone(),
            from: instant(scenario.start, scenario.spin_up),
            to: instant(scenario.start, run.now()),
            spin_up_h: scenario.spin_up.as_secs_f64() / 3600.0,
            wall_s,
            days_per_s: if wall_s > 0.0 { days / wall_s } else { 0.0 },
            cost: Cost::default(),
            row_s: crate::series::every(scenario.duration).as_secs(),
            ticks: run.ticks(),
            sections,
            water: WaterSummary::new(score),
            reservoirs: reservoirs.collect(),
            gates: gates.collect(),
            mass_balance_error_m3: balance.error_m3,
            balance,
            gap: run.plant().worst_gap(),
            uses: BTreeMap::new(),
            order: Vec::new(),
            actions: run.given().len(),
            plan: Some(PlanSummary::of(run.planning())),
            rungs_h: run.rungs().0,
            falls: run.rungs().1,
            outcomes,
            alarms: run.alarms().clone(),
            digest: run.digest(),
            notes: scenario.notes.clone(),
            unmet,
        }
    }

    /// Takes the margins the service held its sections with from the rows of the run.
    pub fn note_margins(&mut self, series: &Series, basin: &Basin) {
        for (at, section) in basin.sections.iter().enumerate() {
            let Some(summary) = self.sections.get_mut(&section.id) else { continue };
            let rows =
                series.rows.iter().filter(|row| row.utc > self.from).filter_map(|row| row.sections.get(at));
            let margins = rows.filter_map(|row| Some(row.setpoint? - row.floor?));
            let (sum, count) = margins.fold((0.0, 0.0), |(sum, count), margin| (sum + margin, count + 1.0));
            summary.margin_m3s = (count > 0.0).then(|| sum / count);
        }
    }

    /// Takes in who wanted how much water, who got it, and whether in the order of uses; and the closing of that book.
    pub fn note_account(&mut self, account: &Account, run: &Run) {
        let book = &account.book;
        let id = |at: usize| book.users.get(at).map(|user| user.id.clone()).unwrap_or_default();
        let uses = book.users.iter().enumerate().filter(|(_, user)| user.wants());
        let uses = uses.map(|(at, user)| {
            let served = book.served(at, |_| true);
            (user.id.clone(), UseSummary { rank: user.rank.name().into(), served })
        });
        self.uses = uses.collect();
        let order = account.breaches().into_iter().map(|breach| OrderSummary {
            higher: id(breach.higher),
            lower: id(breach.lower),
            travel_h: breach.travel_h,
            hours: breach.hours,
            store_hours: breach.store_hours,
            unforeseen_hours: breach.unforeseen_hours,
            could_m3: breach.could_m3,
            first: breach.first,
        });
        self.order = order.collect();
        let closing = Closing::of(&run.case().config.basin, book);
        if closing.share() > CLOSED {
            self.unmet.push(format!("the account does not close: {:.3e} m³ are missing", closing.error_m3));
        }
        let broken = self.order.iter().filter(|order| order.counts()).map(OrderSummary::line);
        let told = broken.collect::<Vec<_>>();
        self.unmet.extend(run.case().scenario.expect.judge_order(&told));
    }

    /// What the check of the order of uses found, a line each.
    pub fn order_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.order.iter().filter(|order| order.counts()).map(OrderSummary::line)
    }

    /// Holds the run against the perfect-foresight optimum of its scenario.
    pub fn hold_against(&mut self, optimum: Option<&Bound>) {
        let Some(optimum) = optimum else { return };
        for (id, section) in &mut self.sections {
            section.unavoidable_minutes_below = optimum.unavoidable_minutes(id);
        }
        self.water.optimum_m3 = Some(optimum.optimum_m3);
        // Whole hours with spill are left out on both sides.
        self.water.excess_pct = optimum.excess_pct(optimum.run_m3);
        self.water.optimum_gap_pct = Some(optimum.gap_pct);
        self.water.optimum_converged = Some(optimum.converged);
        self.water.optimum_depth = Some(optimum.depth);
    }

    /// The score against the perfect-foresight optimum, a line for people.
    pub fn against_optimum(&self) -> String {
        let water = &self.water;
        let (Some(optimum), Some(excess)) = (water.optimum_m3, water.excess_pct) else {
            return "not scored against the perfect-foresight optimum".into();
        };
        let unavoidable = self.sections.values().filter_map(|section| section.unavoidable_minutes_below);
        let gap = water.optimum_gap_pct.unwrap_or(0.0);
        let depth = water.optimum_depth.map_or("", Depth::name);
        let end = if water.optimum_converged == Some(true) {
            "converged".to_owned()
        } else {
            format!("not converged, {gap:.1} % may be left")
        };
        format!(
            "{excess:+.1} % beside the perfect-foresight optimum of {optimum:.0} m³ ({depth}, {end}), \
             {:.0} min below a floor unavoidable",
            unavoidable.sum::<f64>()
        )
    }

    /// Minutes below a floor that could have been avoided, all sections.
    pub fn avoidable_minutes(&self) -> f64 {
        self.sections.values().map(|section| section.minutes_below_avoidable).sum()
    }

    /// The gate with most starts on one day among those the service moved.
    pub fn busiest(&self) -> Option<(&str, &GateSummary)> {
        let moved = self.gates.iter().filter(|(_, gate)| gate.commands > 0);
        moved.max_by_key(|(_, gate)| gate.starts_worst_day).map(|(id, gate)| (id.as_str(), gate))
    }

    /// Mass balance error as a share of the inflow.
    pub fn imbalance(&self) -> f64 {
        self.mass_balance_error_m3.abs() / self.balance.inflow_m3.max(1.0)
    }

    /// Whether the floors were kept where they could be, no water was made or lost, and the run showed what it should.
    pub fn passes(&self) -> bool {
        let closed =
            self.imbalance().max(self.gap.error_m3.abs() / self.balance.inflow_m3.max(1.0)) <= CLOSED;
        self.avoidable_minutes() <= 0.0 && closed && self.unmet.is_empty()
    }
}

impl WaterSummary {
    fn new(score: &Score) -> Self {
        let (released, need) = score.water();
        let worst = score
            .days
            .iter()
            // A day that was scored for less than an hour says nothing.
            .filter(|day| day.counted_s >= 3600.0)
            .filter_map(|day| Some((day.above_need()?, day.date)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let spill_s: f64 = score.days.iter().map(|day| day.seconds - day.counted_s).sum();
        Self {
            released_m3: score.released,
            released_without_spill_m3: released,
            need_m3: need,
            above_need: (need > 0.0).then(|| released / need - 1.0),
            above_need_worst_day: worst.map(|(share, _)| share),
            worst_day: worst.map(|(_, date)| date),
            spill_h: spill_s / 3600.0,
            optimum_m3: None,
            excess_pct: None,
            optimum_gap_pct: None,
            optimum_converged: None,
            optimum_depth: None,
        }
    }
}

/// A summary without sections, for tests.
#[cfg(test)]
pub(crate) fn example() -> Summary {
    let at = Timestamp::UNIX_EPOCH;
    Summary {
        version: "0".into(),
        scenario: "example".into(),
        name_en: "Example".into(),
        name_zh: "示例".into(),
        purpose: "a test".into(),
        seed: 1,
        set: Vec::new(),
        config: "00".into(),
        from: at,
        to: at,
        spin_up_h: 0.0,
        wall_s: 0.0,
        days_per_s: 0.0,
        cost: Cost::default(),
        row_s: 60,
        ticks: 0,
        sections: BTreeMap::new(),
        water: WaterSummary {
            released_m3: 0.0,
            released_without_spill_m3: 0.0,
            need_m3: 0.0,
            above_need: None,
            above_need_worst_day: None,
            worst_day: None,
            spill_h: 0.0,
            optimum_m3: None,
            excess_pct: None,
            optimum_gap_pct: None,
            optimum_converged: None,
            optimum_depth: None,
        },
        reservoirs: BTreeMap::new(),
        gates: BTreeMap::new(),
        mass_balance_error_m3: 0.0,
        balance: Balance::default(),
        gap: Gap::default(),
        uses: BTreeMap::new(),
        order: Vec::new(),
        actions: 0,
        plan: None,
        rungs_h: BTreeMap::new(),
        falls: 0,
        outcomes: BTreeMap::new(),
        alarms: BTreeMap::new(),
        digest: "00".into(),
        notes: Vec::new(),
        unmet: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only the bound knows is not written before it is known, and a file without it is read.
    #[test]
    fn a_summary_is_read_back_as_it_was_written() {
        let text = serde_json::to_string(&example()).unwrap();
        assert!(!text.contains("optimum_m3") && !text.contains("\"plan\""), "{text}");
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), example());
    }
}
