//! The tables of the account.

use qindan::basin::{Basin, Duty, InflowKind, Name, Place, Priority, ReservoirId, ReservoirKind, WetlandId};
use qindan::report::document::{Cell, Column, Table, Word};
use qindan::report::words::rank;

use super::closing::Closing;
use super::order::Breach;
use super::page::{WAN, name};
use super::{Book, Cause, Edge, Served, Use, river_gates};
use crate::plant::Volumes;

/// Months a page has columns for.
const MOST: usize = 14;

/// A month of the year, for the head of a column.
const MONTHS: [Word; 12] = [
    ("1月", "Jan"),
    ("2月", "Feb"),
    ("3月", "Mar"),
    ("4月", "Apr"),
    ("5月", "May"),
    ("6月", "Jun"),
    ("7月", "Jul"),
    ("8月", "Aug"),
    ("9月", "Sep"),
    ("10月", "Oct"),
    ("11月", "Nov"),
    ("12月", "Dec"),
];

const KEYS: [&str; MOST] = [
    "month_1", "month_2", "month_3", "month_4", "month_5", "month_6", "month_7", "month_8", "month_9",
    "month_10", "month_11", "month_12", "month_13", "month_14",
];

/// Columns of a table by month, with the sum at their end.
fn by_month(months: &[(i16, i8)]) -> Vec<Column> {
    let word = |month: i8| usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied();
    let shown = months.iter().zip(KEYS);
    let columns = shown.map(|((_, month), key)| Column::new(key, word(*month).unwrap_or(("", "")), ""));
    columns.chain([Column::new("sum", ("合计", "Sum"), "")]).collect()
}

fn wan(m3: f64, decimals: i32) -> Cell {
    Cell::Number(Some(m3 / WAN), decimals)
}

/// A row of volumes by month, and their sum.
fn row(id: &str, words: Name, by_month: &[f64]) -> Vec<Cell> {
    let months = by_month.iter().take(MOST).map(|m3| wan(*m3, 1));
    let head = [Cell::Plain(id.to_owned()), Cell::Name(words)];
    head.into_iter().chain(months).chain([wan(by_month.iter().sum(), 1)]).collect()
}

/// What came, where it went, what is stored, by month.
pub(super) fn water(basin: &Basin, book: &Book) -> Table {
    let months = book.months();
    let each = |of: &dyn Fn(&Volumes) -> f64| months.iter().map(|(_, v)| of(v)).collect::<Vec<_>>();
    let kind = |wanted: InflowKind| {
        each(&move |v: &Volumes| {
            let some = basin.inflows.iter().zip(&v.inflows).filter(|(inflow, _)| inflow.kind == wanted);
            some.map(|(_, came)| came).sum()
        })
    };
    let closing = |of: fn(&Closing) -> f64| each(&move |v: &Volumes| of(&Closing::between(basin, v)));
    let mut rows = vec![
        row("headwater", name("来水：源头", "In: headwaters"), &kind(InflowKind::Headwater)),
        row("tributary", name("　　　支流", "　tributaries"), &kind(InflowKind::Tributary)),
        row("diffuse", name("　　　区间", "　diffuse"), &kind(InflowKind::Diffuse)),
        row(
            "outfall",
            name("　　　退水、再生水与矿井水", "　works and mine water"),
            &kind(InflowKind::Outfall),
        ),
    ];
    // What there was none of takes no line.
    let some = |values: &[f64]| values.iter().any(|m3| m3.abs() > 0.0);
    let joined = each(&|v| v.joined);
    if some(&joined) {
        rows.push(row("joined", name("　　　其他汇入", "　other"), &joined));
    }
    rows.push(row("inflow", name("来水合计", "All that came"), &closing(|sums| sums.inflow_m3)));
    rows.extend(led(basin, &months));
    rows.push(row("wetlands", name("湿地补水", "Supplied to wetlands"), &each(&|v| v.supplied.iter().sum())));
    rows.extend([
        row("used", name("去水：用户取用", "Out: taken by users"), &closing(|sums| sums.used_m3)),
        row("air", name("　　　水面蒸发与湿地耗水", "　air and wetlands"), &closing(|sums| sums.air_m3)),
        row("bed", name("　　　河床与库底渗漏", "　bed and ground"), &closing(|sums| sums.bed_m3)),
    ]);
    let unknown = closing(|sums| sums.unknown_m3);
    if some(&unknown) {
        rows.push(row("unknown", name("　　　无主取水", "　taken by unknown"), &unknown));
    }
    rows.extend([
        row("left", name("　　　下游出境", "　out at the lower ends"), &closing(|sums| sums.left_m3)),
        row("stored", name("蓄变（末减初）", "Storage change"), &closing(|sums| sums.stored_m3)),
    ]);
    let level = |at: usize, edge: &Edge| wan(edge.volumes.bodies[at], 0);
    for (at, body) in basin.reservoirs.iter().enumerate().filter(|(_, b)| b.kind == ReservoirKind::Reservoir)
    {
        let words = name(format!("{}月末蓄水", body.name.zh), format!("{}: stored at the end", body.name.en));
        let head = [Cell::Plain(format!("{}.stored", body.id)), Cell::Name(words)];
        let ends = book.edges.iter().skip(1).take(MOST).map(|edge| level(at, edge));
        let last = book.edges.last().map(|edge| level(at, edge));
        rows.push(head.into_iter().chain(ends).chain(last).collect());
    }
    // Zero is told as such: what is left is rounding.
    let error = closing(|sums| sums.error_m3);
    let head = [Cell::Plain("error".into()), Cell::text("闭合差", "Closing error")];
    let errors = error.iter().take(MOST).map(|m3| wan(*m3, 6)).chain([wan(error.iter().sum(), 6)]);
    rows.push(head.into_iter().chain(errors).collect());
    let keys = months.iter().map(|(month, _)| *month).collect::<Vec<_>>();
    Table {
        id: "water",
        head: ("水量平衡（逐月）", "Water balance by month"),
        columns: head_of("row", by_month(&keys)),
        rows,
        most: 60,
        is_half: false,
        may_miss: false,
    }
}

/// What reservoirs release and transfers bring to rivers, by month.
fn led(basin: &Basin, months: &[((i16, i8), Volumes)]) -> Vec<Vec<Cell>> {
    let each = |of: &dyn Fn(&Volumes) -> f64| months.iter().map(|(_, v)| of(v)).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for (at, body) in basin.reservoirs.iter().enumerate() {
        let id = ReservoirId(at);
        if body.kind != ReservoirKind::Reservoir || river_gates(basin, id).next().is_none() {
            continue;
        }
        let river = each(&|v: &Volumes| river_gates(basin, id).map(|gate| v.gates[gate]).sum());
        let others = each(&|v: &Volumes| {
            let river = river_gates(basin, id).collect::<Vec<_>>();
            let gates = basin.gates.iter().enumerate();
            let flood = gates.filter(|(gate, spec)| {
                spec.from == Place::Reservoir(id) && !river.contains(gate) && spec.duty != Duty::Supply
            });
            flood.map(|(gate, _)| v.gates[gate]).sum::<f64>() + v.spill[at]
        });
        let supply = each(&|v: &Volumes| {
            let gates = basin.gates.iter().enumerate();
            let some =
                gates.filter(|(_, gate)| gate.from == Place::Reservoir(id) && gate.duty == Duty::Supply);
            some.map(|(gate, _)| v.gates[gate]).sum()
        });
        let (zh, en) = (&body.name.zh, &body.name.en);
        rows.push(row(
            &format!("{}.river", body.id),
            name(format!("{zh}下泄河道"), format!("{en}: to the river")),
            &river,
        ));
        if others.iter().any(|m3| *m3 > 0.0) {
            let words = name(format!("{zh}泄洪"), format!("{en}: flood gates, spill"));
            rows.push(row(&format!("{}.flood", body.id), words, &others));
        }
        if supply.iter().any(|m3| *m3 > 0.0) {
            let words = name(format!("{zh}渠首供水"), format!("{en}: canal head"));
            rows.push(row(&format!("{}.supply", body.id), words, &supply));
        }
    }
    for (at, transfer) in basin.transfers.iter().enumerate() {
        let led = each(&|v: &Volumes| {
            let some = transfer.shares.iter().zip(v.shares.get(at).map_or(&[][..], Vec::as_slice));
            some.filter(|(share, _)| share.to != Place::Outside).map(|(_, got)| got).sum()
        });
        let led_to = transfer.shares.iter().find(|share| share.to != Place::Outside);
        if let Some(share) = led_to {
            let words = name(format!("　其中{}", share.name.zh), format!("　of it {}", share.name.en));
            rows.push(row(&format!("{}.supplement", transfer.id), words, &led));
        }
    }
    rows
}

/// An identifier, its words, and what follows.
fn head_of(id: &'static str, rest: Vec<Column>) -> Vec<Column> {
    [Column::hidden(id), Column::new("name", ("项目", "Item"), "")].into_iter().chain(rest).collect()
}

/// A user in words.
pub fn words(book: &Book, user: usize) -> Name {
    let Some(user) = book.users.get(user) else { return name("?", "?") };
    let (zh, en) = match user.of {
        Use::Floor(_) => ("生态流量下限", "floor"),
        Use::Survival(_) => ("生存", "survival"),
        Use::Design(_) => ("设计", "design"),
        Use::Release(_) => ("下泄河道", "release to the river"),
        Use::Filling(_) => ("蓄水", "filling"),
        Use::Intake(_) | Use::Share(..) => return user.name.clone(),
    };
    name(format!("{}·{zh}", user.name.zh), format!("{}, {en}", user.name.en))
}

/// Every use with what it wanted, got and missed, in order of rank.
pub(super) fn uses(book: &Book) -> Table {
    let rows = book.users.iter().enumerate().filter(|(_, user)| user.wants()).map(|(at, user)| {
        let sums = book.served(at, |_| true);
        let missing = sums.missing_m3();
        let met = (sums.wanted_m3 > 0.0).then(|| 1.0 - missing / sums.wanted_m3);
        let got = taken(book, at, &sums);
        let head = [
            Cell::Plain(user.id.clone()),
            Cell::text(rank(user.rank).0, rank(user.rank).1),
            Cell::Name(words(book, at)),
            wan(sums.wanted_m3, 1),
            wan(sums.got_m3, 1),
            wan(missing, 2),
            Cell::Share(met),
            Cell::Number(Some(sums.short_h), 0),
        ];
        let causes = Cause::ALL.map(|cause| wan(sums.short_m3.get(&cause).copied().unwrap_or(0.0), 2));
        let permit = [
            Cell::Number(user.permit_m3.map(|m3| m3 / WAN), 0),
            Cell::Share(user.permit_m3.map(|m3| got / m3)),
        ];
        head.into_iter().chain(causes).chain(permit).collect()
    });
    Table {
        id: "uses",
        head: (
            "各用户供需（按次序；缺水按原因，可避免者单列）",
            "Uses in order of priority; shortages by cause",
        ),
        columns: vec![
            Column::hidden("use"),
            Column::new("rank", ("次序", "Rank"), ""),
            Column::new("name", ("用户", "Use"), ""),
            Column::new("wanted_1e4_m3", ("需水", "Wanted"), ""),
            Column::new("got_1e4_m3", ("供水", "Got"), ""),
            Column::new("missing_1e4_m3", ("缺水", "Missing"), ""),
            Column::new("met", ("满足", "Met"), "%"),
            Column::new("short_h", ("缺水时长", "Short"), "h"),
            Column::new("low_store_1e4_m3", ("低库压减", "Low store"), ""),
            Column::new("natural_1e4_m3", ("天然不足", "Natural"), ""),
            Column::new("surprise_1e4_m3", ("突发", "Surprise"), ""),
            Column::new("band_1e4_m3", ("计量误差带", "Band"), ""),
            Column::new("avoidable_1e4_m3", ("可避免", "Avoidable"), ""),
            Column::new("permit_1e4_m3", ("许可", "Permit"), ""),
            Column::new("of_permit", ("占许可", "Of it"), "%"),
        ],
        rows: rows.collect(),
        most: 40,
        is_half: false,
        may_miss: false,
    }
}

/// All that an intake took, m³; of others what they got of what they wanted.
fn taken(book: &Book, user: usize, sums: &Served) -> f64 {
    let (Some(first), Some(last)) = (book.edges.first(), book.edges.last()) else { return sums.got_m3 };
    match book.users.get(user).map(|user| user.of) {
        Some(Use::Intake(id)) => last.volumes.intakes[id.0] - first.volumes.intakes[id.0],
        Some(
            Use::Floor(_)
            | Use::Share(..)
            | Use::Survival(_)
            | Use::Design(_)
            | Use::Release(_)
            | Use::Filling(_),
        )
        | None => sums.got_m3,
    }
}

/// Missing water of each rank by month, and what it got.
pub(super) fn ranks(book: &Book) -> Table {
    let months = book.months().into_iter().map(|(month, _)| month).collect::<Vec<_>>();
    let all =
        [Priority::Domestic, Priority::Ecology, Priority::Industry, Priority::Irrigation, Priority::Amenity];
    let mut rows = Vec::new();
    for of in all {
        let users = book.users.iter().enumerate().filter(|(_, user)| user.wants() && user.rank == of);
        let users = users.map(|(at, _)| at).collect::<Vec<_>>();
        let sums = |value: fn(&Served) -> f64| {
            let each = |month: &(i16, i8)| -> f64 {
                users.iter().map(|at| value(&book.served(*at, |m| m == *month))).sum()
            };
            months.iter().map(each).collect::<Vec<_>>()
        };
        let (zh, en) = rank(of);
        let key = of.name();
        rows.push(row(
            &format!("{key}.got"),
            name(format!("{zh}：供水"), format!("{en}: got")),
            &sums(|served| served.got_m3),
        ));
        rows.push(row(
            &format!("{key}.missing"),
            name(format!("{zh}：缺水"), format!("{en}: missing")),
            &sums(Served::missing_m3),
        ));
    }
    Table {
        id: "ranks",
        head: ("各次序逐月供水与缺水", "Got and missing by rank and month"),
        columns: head_of("row", by_month(&months)),
        rows,
        most: 20,
        is_half: false,
        may_miss: false,
    }
}

/// Transfers against their quota, and what they brought to other rivers.
pub(super) fn transfers(basin: &Basin, book: &Book) -> Table {
    let passed = book.edges.first().zip(book.edges.last());
    let passed = passed.map(|(first, last)| last.volumes.since(&first.volumes)).unwrap_or_default();
    let rows = basin.transfers.iter().zip(&passed.shares).map(|(transfer, got)| {
        let led = transfer.shares.iter().zip(got).filter(|(share, _)| share.to != Place::Outside);
        let all = got.iter().sum::<f64>();
        vec![
            Cell::Plain(transfer.id.clone()),
            Cell::Name(transfer.name.clone()),
            wan(all, 1),
            wan(transfer.quota_m3, 0),
            Cell::Share(Some(all / transfer.quota_m3)),
            wan(led.map(|(_, got)| got).sum(), 1),
        ]
    });
    Table {
        id: "transfers",
        head: ("调水与补水", "Transfer and supplement"),
        columns: vec![
            Column::hidden("transfer"),
            Column::new("name", ("调水工程", "Transfer"), ""),
            Column::new("delivered_1e4_m3", ("送达", "Delivered"), ""),
            Column::new("quota_1e4_m3", ("年度指标", "Quota"), ""),
            Column::new("of_quota", ("占指标", "Of it"), "%"),
            Column::new("supplement_1e4_m3", ("其中补河", "To rivers"), ""),
        ],
        rows: rows.collect(),
        most: 4,
        is_half: true,
        may_miss: true,
    }
}

/// Supply, return and use of each wetland.
pub(super) fn wetlands(basin: &Basin, book: &Book) -> Table {
    let passed = book.edges.first().zip(book.edges.last());
    let passed = passed.map(|(first, last)| last.volumes.since(&first.volumes)).unwrap_or_default();
    let met = |of: Use| {
        let at = book.users.iter().position(|user| user.of == of)?;
        let sums = book.served(at, |_| true);
        (sums.wanted_m3 > 0.0).then(|| 1.0 - sums.missing_m3() / sums.wanted_m3)
    };
    let value = |list: &[f64], at: usize| list.get(at).copied().unwrap_or(0.0);
    let rows = basin.wetlands.iter().enumerate().map(|(at, wetland)| {
        vec![
            Cell::Plain(wetland.id.clone()),
            Cell::Name(wetland.name.clone()),
            wan(value(&passed.supplied, at), 1),
            wan(value(&passed.returned, at), 1),
            wan(value(&passed.consumed, at), 1),
            wan(value(&passed.wetlands, at), 2),
            Cell::Share(met(Use::Survival(WetlandId(at)))),
            Cell::Share(met(Use::Design(WetlandId(at)))),
        ]
    });
    Table {
        id: "wetlands",
        head: ("湿地", "Wetlands"),
        columns: vec![
            Column::hidden("wetland"),
            Column::new("name", ("湿地", "Wetland"), ""),
            Column::new("supplied_1e4_m3", ("补水", "Supplied"), ""),
            Column::new("returned_1e4_m3", ("退水", "Returned"), ""),
            Column::new("consumed_1e4_m3", ("耗水", "Consumed"), ""),
            Column::new("stored_1e4_m3", ("蓄变", "Stored"), ""),
            Column::new("survival_met", ("生存满足", "Survival"), "%"),
            Column::new("design_met", ("设计满足", "Design"), "%"),
        ],
        rows: rows.collect(),
        most: 12,
        is_half: true,
        may_miss: true,
    }
}

/// What is stored at both ends.
pub(super) fn stores(basin: &Basin, book: &Book) -> Table {
    let ends = book.edges.first().zip(book.edges.last());
    let entry = |id: &str, words: Name, of: &dyn Fn(&Volumes) -> f64, level: Option<[f64; 2]>| {
        let (begin, end) = ends.map_or((0.0, 0.0), |(first, last)| (of(&first.volumes), of(&last.volumes)));
        vec![
            Cell::Plain(id.to_owned()),
            Cell::Name(words),
            wan(begin, 1),
            wan(end, 1),
            wan(end - begin, 1),
            Cell::Number(level.map(|[begin, _]| begin), 2),
            Cell::Number(level.map(|[_, end]| end), 2),
        ]
    };
    let is_store = |at: &usize| basin.reservoirs[*at].kind == ReservoirKind::Reservoir;
    let all = || 0..basin.reservoirs.len();
    let mut rows = Vec::new();
    for at in all().filter(is_store) {
        let body = &basin.reservoirs[at];
        let level = |volumes: &Volumes| {
            let volume = qindan::units::Volume::lossy(volumes.bodies[at]);
            body.level_at(volume).get()
        };
        let levels = ends.map(|(first, last)| [level(&first.volumes), level(&last.volumes)]);
        rows.push(entry(&body.id, body.name.clone(), &|v| v.bodies[at], levels));
    }
    let ponds = |v: &Volumes| all().filter(|at| !is_store(at)).map(|at| v.bodies[at]).sum::<f64>();
    rows.push(entry("ponds", name("堰塘", "Ponds"), &ponds, None));
    rows.push(entry("wetlands", name("湿地", "Wetlands"), &|v| v.wetlands.iter().sum(), None));
    rows.push(entry("channels", name("河道与管道", "Rivers and pipes"), &|v| v.channels, None));
    Table {
        id: "stores",
        head: ("蓄水", "Storage"),
        columns: vec![
            Column::hidden("store"),
            Column::new("name", ("水体", "Body"), ""),
            Column::new("begin_1e4_m3", ("初", "Begin"), ""),
            Column::new("end_1e4_m3", ("末", "End"), ""),
            Column::new("change_1e4_m3", ("变化", "Change"), ""),
            Column::new("begin_level_m", ("初水位", "Level, begin"), "m"),
            Column::new("end_level_m", ("末水位", "end"), "m"),
        ],
        rows,
        most: 12,
        is_half: true,
        may_miss: false,
    }
}

/// Which month the columns by month are, for the CSV alone.
pub(super) fn months_of(book: &Book) -> Table {
    let months = book.months().into_iter().zip(KEYS);
    let rows = months.map(|(((year, month), _), key)| {
        vec![Cell::Plain(key.to_owned()), Cell::Plain(format!("{year:04}-{month:02}"))]
    });
    Table {
        id: "months",
        head: ("月份", "Months"),
        columns: ["column", "month"].map(Column::hidden).to_vec(),
        rows: rows.collect(),
        most: 0,
        is_half: false,
        may_miss: false,
    }
}

/// Pairs of uses out of order.
pub(super) fn order(book: &Book, breaches: &[Breach]) -> Table {
    let rows = breaches.iter().filter(|breach| breach.counts()).map(|breach| {
        vec![
            Cell::Name(words(book, breach.higher)),
            Cell::Name(words(book, breach.lower)),
            Cell::Count(breach.hours),
            Cell::Count(breach.store_hours),
            wan(breach.could_m3, 2),
            Cell::Number(Some(breach.travel_h), 1),
            Cell::Count(breach.unforeseen_hours),
            Cell::Time(Some(breach.first)),
        ]
    });
    Table {
        id: "order",
        head: ("用水次序核对", "Order of uses: findings"),
        columns: vec![
            Column::new("higher", ("缺水者（较高次序）", "Short (higher)"), ""),
            Column::new("lower", ("用水者（较低次序）", "Served (lower)"), ""),
            Column::new("hours", ("其水可补", "Its water"), "h"),
            Column::new("store_hours", ("水库可补", "Reservoir"), "h"),
            Column::new("could_1e4_m3", ("可补水量", "Could give"), ""),
            Column::hidden("travel_h"),
            Column::hidden("unforeseen_hours"),
            Column::hidden("first"),
        ],
        rows: rows.collect(),
        most: 4,
        is_half: true,
        may_miss: false,
    }
}
