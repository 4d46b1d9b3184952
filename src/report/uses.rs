//! Reservoirs, intakes, wetlands and transfers on a day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::day::Day;
use super::document::{Cell, Column, Table};
use super::{Ground, Samples, signal, words};
use crate::aggregate::Signal;
use crate::basin::{MeterId, Name, Priority, ReservoirKind};
use crate::units::{Discharge, Stage};

/// m³ in the volume unit of reports, 10⁴ m³.
const WAN: f64 = 1e4;
/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Water since the begin of the year, by point: m³ that passed while it was known, and the share of the time that is.
pub type ToDate = BTreeMap<String, (Option<f64>, f64)>;

/// Points whose water counts from the begin of the year on.
pub fn yearly_points(ground: Ground<'_>) -> Vec<String> {
    let basin = &ground.config.basin;
    let meters = basin.intakes.iter().map(|intake| intake.meter);
    let meters = meters.chain(basin.transfers.iter().map(|transfer| transfer.meter)).flatten();
    meters.filter_map(|meter| ground.point_of(meter)).map(str::to_owned).collect()
}

/// Points of all users, for the account of a year.
pub fn account_points(ground: Ground<'_>) -> Vec<String> {
    let meters = ground.config.basin.wetlands.iter().filter_map(|wetland| wetland.flow_meter);
    let wetlands = meters.filter_map(|meter| ground.point_of(meter)).map(str::to_owned);
    yearly_points(ground).into_iter().chain(wetlands).collect()
}

/// A user of the year: plan, permit or quota in m³.
struct Planned<'a> {
    rank: Priority,
    id: &'a str,
    name: &'a Name,
    meter: Option<MeterId>,
    plan: Option<f64>,
    permit: Option<f64>,
}

/// What every metered user took in a year beside what its plan asks for on the days that are over, in order of rank: of intakes
/// without turns their monthly rates, of transfers their shares, of wetlands their design demand. No rows without `water`.
pub fn of_year(ground: Ground<'_>, dates: &BTreeSet<Date>, water: Option<&ToDate>) -> Table {
    let basin = &ground.config.basin;
    let days = |rate: &dyn Fn(Date) -> f64| dates.iter().map(|date| rate(*date) * DAY_S).sum::<f64>();
    let monthly = |rates: &[Discharge; 12], date: Date| {
        usize::try_from(date.month() - 1).ok().and_then(|at| rates.get(at)).map_or(0.0, |rate| rate.get())
    };
    let mut uses = Vec::new();
    for intake in &basin.intakes {
        uses.push(Planned {
            rank: intake.priority,
            id: &intake.id,
            name: &intake.name,
            meter: intake.meter,
            plan: (!intake.by_turns).then(|| days(&|date| monthly(&intake.monthly_use, date))),
            permit: Some(intake.permit_m3),
        });
    }
    for transfer in &basin.transfers {
        let rate = transfer.shares.iter().map(|share| share.rate.get()).sum::<f64>();
        uses.push(Planned {
            rank: transfer.shares.iter().map(|share| share.priority).min().unwrap_or(Priority::Amenity),
            id: &transfer.id,
            name: &transfer.name,
            meter: transfer.meter,
            plan: Some(days(&|_| rate.min(transfer.capacity.get()))),
            permit: Some(transfer.quota_m3),
        });
    }
    for wetland in &basin.wetlands {
        uses.push(Planned {
            rank: Priority::Ecology,
            id: &wetland.id,
            name: &wetland.name,
            meter: wetland.flow_meter,
            plan: Some(days(&|_| wetland.design.get())),
            permit: None,
        });
    }
    uses.sort_by_key(|planned| planned.rank);
    let row = |planned: &Planned<'_>, water: &ToDate| {
        let point = planned.meter.and_then(|meter| ground.point_of(meter));
        let (taken, known) = point.and_then(|point| water.get(point)).copied().unwrap_or_default();
        let (zh, en) = words::rank(planned.rank);
        vec![
            Cell::Plain(planned.id.to_owned()),
            Cell::text(zh, en),
            Cell::Name(planned.name.clone()),
            Cell::Number(planned.plan.map(|m3| m3 / WAN), 1),
            Cell::Number(taken.map(|m3| m3 / WAN), 1),
            Cell::Number(planned.permit.map(|m3| m3 / WAN), 0),
            Cell::Share(taken.zip(planned.permit).map(|(taken, permit)| taken / permit)),
            Cell::Share(Some(known)),
        ]
    };
    let rows = water.map_or_else(Vec::new, |water| uses.iter().map(|planned| row(planned, water)).collect());
    Table {
        id: "uses",
        head: ("各用户年用水（按次序）", "Uses of the year in order of rank"),
        columns: vec![
            Column::hidden("use"),
            Column::new("rank", ("次序", "Rank"), ""),
            Column::new("name", ("用户", "Use"), ""),
            Column::new("plan_1e4_m3", ("计划需水", "Planned"), "10⁴ m³"),
            Column::new("taken_1e4_m3", ("实测用水", "Measured"), "10⁴ m³"),
            Column::new("permit_1e4_m3", ("许可或指标", "Permit, quota"), "10⁴ m³"),
            Column::new("of_permit", ("占许可", "Of it"), "%"),
            Column::new("known", ("已知时间", "Known"), "%"),
        ],
        rows,
        most: 30,
        is_half: false,
        may_miss: true,
    }
}

/// Meters the tables of a day read.
pub fn meters(ground: Ground<'_>) -> Vec<MeterId> {
    let basin = &ground.config.basin;
    let reservoirs = basin.reservoirs.iter().flat_map(|body| {
        let into = basin.inflows.iter().filter(|inflow| enters(inflow, body.at));
        into.map(|inflow| inflow.meter).chain([body.level_meter])
    });
    let wetlands = basin.wetlands.iter().flat_map(|wetland| [wetland.level_meter, wetland.flow_meter]);
    let intakes = basin.intakes.iter().map(|intake| intake.meter);
    let transfers = basin.transfers.iter().map(|transfer| transfer.meter);
    reservoirs.chain(wetlands).chain(intakes).chain(transfers).flatten().collect()
}

fn enters(inflow: &crate::basin::Inflow, node: crate::basin::NodeId) -> bool {
    inflow.into.iter().any(|(place, _)| *place == crate::basin::Place::Node(node))
}

struct Seen<'a> {
    ground: Ground<'a>,
    samples: &'a Samples,
}

impl Seen<'_> {
    fn of(&self, meter: Option<MeterId>) -> Signal {
        signal(self.samples, meter.and_then(|meter| self.ground.point_of(meter)))
    }

    /// The same since the begin of the year.
    fn so_far(&self, to_date: &ToDate, meter: Option<MeterId>) -> (Option<f64>, f64) {
        let point = meter.and_then(|meter| self.ground.point_of(meter));
        point.and_then(|point| to_date.get(point)).copied().unwrap_or_default()
    }

    /// Water that passed while it was known, m³, and the share of the span that is known.
    fn passed(&self, meter: Option<MeterId>, from: Timestamp, to: Timestamp) -> (Option<f64>, f64) {
        let whole = self.of(meter).over(from, to);
        (whole.mean.map(|mean| mean * whole.covered_s), whole.completeness())
    }
}

/// Level, storage and its change, flood limit.
pub fn reservoirs(ground: Ground<'_>, day: Day, samples: &Samples) -> Table {
    let seen = Seen { ground, samples };
    let basin = &ground.config.basin;
    let bodies = basin.reservoirs.iter().filter(|body| body.kind == ReservoirKind::Reservoir);
    let rows = bodies.map(|body| {
        let level = seen.of(body.level_meter);
        // The last value of the day stands at its end too.
        let at = |utc: Timestamp| level.at(utc).and_then(Stage::new);
        let (begin, end) = (at(day.from), at(day.to));
        let volume = |level: Stage| body.volume_at(level).get() / WAN;
        let (before, after) = (begin.map(volume), end.map(volume));
        let limit = body.flood_limit_on(day.date);
        let mut into = basin.inflows.iter().filter(|inflow| enters(inflow, body.at)).peekable();
        let is_metered = into.peek().is_some();
        let inflow = into
            .map(|inflow| seen.of(inflow.meter).over(day.from, day.to).mean_if(0.8))
            .try_fold(0.0, |sum, mean| Some(sum + mean?))
            .filter(|_| is_metered);
        vec![
            Cell::Plain(body.id.clone()),
            Cell::Name(body.name.clone()),
            Cell::Number(end.map(Stage::get), 2),
            Cell::Number(after, 1),
            Cell::Number(after.zip(before).map(|(after, before)| after - before), 2),
            Cell::Flow(inflow),
            Cell::Number(limit.map(Stage::get), 2),
            Cell::Number(end.zip(limit).map(|(level, limit)| (level - limit).get()), 2),
        ]
    });
    Table {
        id: "reservoirs",
        head: ("水库", "Reservoirs"),
        columns: vec![
            Column::hidden("reservoir"),
            Column::new("name", ("水库", "Reservoir"), ""),
            Column::new("reservoir_level_m", ("库水位", "Level"), "m"),
            Column::new("storage_1e4_m3", ("蓄水量", "Storage"), "10⁴ m³"),
            Column::new("storage_change_1e4_m3", ("日蓄变量", "Change"), "10⁴ m³"),
            Column::new("inflow_m3s", ("入库流量", "Inflow"), "m³/s"),
            Column::new("flood_limit_level_m", ("汛限水位", "Flood limit"), "m"),
            Column::new("above_flood_limit_m", ("汛限差", "Above limit"), "m"),
        ],
        rows: rows.collect(),
        most: 8,
        is_half: false,
        may_miss: true,
    }
}

/// Water taken on the day and since the begin of the year, against the permit.
pub fn intakes(ground: Ground<'_>, day: Day, to_date: &ToDate, samples: &Samples) -> Table {
    let seen = Seen { ground, samples };
    let rows = ground.config.basin.intakes.iter().map(|intake| {
        let (today, known) = seen.passed(intake.meter, day.from, day.to);
        let (so_far, known_so_far) = seen.so_far(to_date, intake.meter);
        vec![
            Cell::Plain(intake.id.clone()),
            Cell::Name(intake.name.clone()),
            Cell::Flow(Some(intake.max_rate.get())),
            Cell::Number(today.map(|m3| m3 / WAN), 3),
            Cell::Share(Some(known)),
            Cell::Number(so_far.map(|m3| m3 / WAN), 2),
            Cell::Share(so_far.map(|m3| m3 / intake.permit_m3)),
            Cell::Share(Some(known_so_far)),
        ]
    });
    Table {
        id: "intakes",
        head: ("取水口", "Intakes"),
        columns: vec![
            Column::hidden("intake"),
            Column::new("name", ("取水口", "Intake"), ""),
            Column::new("permit_rate_m3s", ("许可流量", "Permit"), "m³/s"),
            Column::new("day_volume_1e4_m3", ("日取水", "Day"), "10⁴ m³"),
            Column::hidden("day_known"),
            Column::new("year_volume_1e4_m3", ("年累计", "Year"), "10⁴ m³"),
            Column::new("year_share", ("占许可", "Of permit"), "%"),
            Column::new("year_known", ("已知时间", "Known"), "%"),
        ],
        rows: rows.collect(),
        most: 12,
        is_half: true,
        may_miss: true,
    }
}

/// Demand, supply and level.
pub fn wetlands(ground: Ground<'_>, day: Day, samples: &Samples) -> Table {
    let seen = Seen { ground, samples };
    let rows = ground.config.basin.wetlands.iter().map(|wetland| {
        let supplied = seen.of(wetland.flow_meter).over(day.from, day.to).mean_if(0.8);
        let level = seen.of(wetland.level_meter).at(day.to);
        let [lowest, target, _] = wetland.level_band.map(Stage::get);
        let shown = Cell::Number(level, 2);
        vec![
            Cell::Plain(wetland.id.clone()),
            Cell::Name(wetland.name.clone()),
            Cell::Flow(Some(Discharge::get(wetland.survival))),
            Cell::Flow(Some(Discharge::get(wetland.design))),
            Cell::Flow(supplied),
            shown,
            Cell::Number(Some(target), 2),
            match level {
                Some(level) if level < lowest => {
                    Cell::Marked(super::name("低于生存水位", "below survival level"))
                }
                Some(_) => Cell::text("", ""),
                None => Cell::text("水位缺测", "level missing"),
            },
        ]
    });
    Table {
        id: "wetlands",
        head: ("湿地补水", "Wetland water supply"),
        columns: vec![
            Column::hidden("wetland"),
            Column::new("name", ("湿地", "Wetland"), ""),
            Column::new("survival_m3s", ("生存需水", "Survival"), "m³/s"),
            Column::new("design_m3s", ("设计需水", "Design"), "m³/s"),
            Column::new("supplied_m3s", ("实供", "Supplied"), "m³/s"),
            Column::new("level_m", ("水位", "Level"), "m"),
            Column::new("target_level_m", ("目标", "Target"), "m"),
            Column::new("remark", ("备注", "Remark"), ""),
        ],
        rows: rows.collect(),
        most: 10,
        is_half: true,
        may_miss: true,
    }
}

/// Water transferred on the day and since the begin of the year, against the quota.
pub fn transfers(ground: Ground<'_>, day: Day, to_date: &ToDate, samples: &Samples) -> Table {
    let seen = Seen { ground, samples };
    let rows = ground.config.basin.transfers.iter().map(|transfer| {
        let mean = seen.of(transfer.meter).over(day.from, day.to).mean_if(0.8);
        let (today, _) = seen.passed(transfer.meter, day.from, day.to);
        let (so_far, known) = seen.so_far(to_date, transfer.meter);
        vec![
            Cell::Plain(transfer.id.clone()),
            Cell::Name(transfer.name.clone()),
            Cell::Flow(mean),
            Cell::Number(today.map(|m3| m3 / WAN), 2),
            Cell::Number(so_far.map(|m3| m3 / WAN), 1),
            Cell::Share(so_far.map(|m3| m3 / transfer.quota_m3)),
            Cell::Share(Some(known)),
        ]
    });
    Table {
        id: "transfers",
        head: ("调水", "Transfers"),
        columns: vec![
            Column::hidden("transfer"),
            Column::new("name", ("调水工程", "Transfer"), ""),
            Column::new("day_mean_flow_m3s", ("日均流量", "Day mean"), "m³/s"),
            Column::new("day_volume_1e4_m3", ("日水量", "Day"), "10⁴ m³"),
            Column::new("year_volume_1e4_m3", ("年累计", "Year"), "10⁴ m³"),
            Column::new("year_share", ("占年度指标", "Of quota"), "%"),
            Column::new("year_known", ("已知时间", "Known"), "%"),
        ],
        rows: rows.collect(),
        most: 4,
        is_half: false,
        may_miss: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// The coal-bed intake of the shipped basin: 0.06 m³/s in January, February and December (90 days of 2026), 0.079 on the
    /// other 275: 466 560 + 1 877 040 m³. It took 1.0 of its 2.5 million m³.
    #[test]
    fn a_year_of_uses_is_held_against_plan_and_permit() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let reports = crate::config::reports::load(&folder, &config.basin).unwrap();
        let ground = Ground { config: &config, reports: &reports };
        let dates: BTreeSet<_> = date(2026, 1, 1).series(jiff::ToSpan::days(1)).take(365).collect();
        let intake = config.basin.intakes.iter().find(|intake| intake.id == "in.coalbed").unwrap();
        let point = ground.point_of(intake.meter.unwrap()).unwrap().to_owned();
        assert!(account_points(ground).contains(&point));
        let water = ToDate::from([(point, (Some(1e6), 0.5))]);
        let table = of_year(ground, &dates, Some(&water));
        let row = table.rows.iter().find(|row| row[0] == Cell::Plain("in.coalbed".into())).unwrap();
        let number = |at: usize| match &row[at] {
            Cell::Number(Some(value), _) | Cell::Share(Some(value)) => *value,
            other => panic!("{other:?}"),
        };
        let found = [3, 4, 5, 6, 7].map(number);
        let by_hand = [234.36, 100.0, 250.0, 0.4, 0.5];
        assert!(found.iter().zip(by_hand).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        assert!(of_year(ground, &dates, None).rows.is_empty());
    }
}
