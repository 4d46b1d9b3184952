//! The account of a run as a document of the service's reports: one page to print, and the same numbers as CSV.
//!
//! Volumes in 10⁴ m³. The closing line is made of the uses, apart from the balance the plant keeps of itself.

use qindan::basin::{Basin, Name};
use qindan::report::document::{Document, Part, Word, minute};
use qindan::report::{Lang, csv, html};

use super::closing::Closing;
use super::order::Breach;
use super::tables::{months_of, order, ranks, stores, transfers, uses, water, wetlands};
use super::{Book, Edge};

/// m³ in the volume unit of reports.
pub(super) const WAN: f64 = 1e4;
/// The style that brings a year on one page.
const DENSE: &str = "\
body { font-size: 6.5pt; line-height: 1.12; padding: 7mm 9mm; }
@page { size: A4; margin: 7mm 9mm; }
h1 { font-size: 12pt; } h2 { font-size: 7.4pt; margin: 0 0 .2mm; }
header { padding-bottom: .8mm; }
section { margin-top: 1.1mm; } .bench { margin-bottom: 1mm; }
th { font-size: 6.2pt; padding: .1mm .8mm .1mm 0; } th small { display: inline; font-size: 5.6pt; padding-left: .6mm; }
td { padding: .1mm .8mm .1mm 0; white-space: nowrap; }
th.n, td.n { padding-right: .9mm; }
section.half td { white-space: normal; }
.notes { font-size: 5.9pt; } footer { margin-top: 1.4mm; font-size: 6.6pt; }
dl { font-size: 6.2pt; grid-template-columns: auto auto auto auto; }
@media print { body { zoom: .98; } body:lang(en) { zoom: .95; } }
";

/// What the page is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// Its scenario.
    pub name: &'a Name,
    /// Identifier of it.
    pub scenario: &'a str,
    /// Digest of the configuration.
    pub config: &'a str,
    /// What happened.
    pub book: &'a Book,
    /// Who was out of order.
    pub breaches: &'a [Breach],
}

/// The page in one language.
pub fn page(document: &Document, lang: Lang) -> String {
    html::html(document, lang).replacen("</style>", &format!("{DENSE}</style>"), 1)
}

/// The same as CSV.
pub fn table(document: &Document, lang: Lang) -> String {
    csv::csv(document, lang)
}

pub(super) fn name(zh: impl Into<String>, en: impl Into<String>) -> Name {
    Name { zh: zh.into(), en: en.into() }
}

/// The account.
pub fn document(of: Subject<'_>) -> Document {
    let (basin, book) = (of.basin, of.book);
    let span = |edge: Option<&Edge>| edge.map_or_else(String::new, |edge| minute(edge.utc, &basin.zone));
    let (from, to) = (span(book.edges.first()), span(book.edges.last()));
    let closing = Closing::of(basin, book);
    let short = of.config.get(..12).unwrap_or(of.config);
    let kept = !of.breaches.iter().any(Breach::counts);
    let facts: Vec<(Word, Name)> = vec![
        (
            ("情景", "Scenario"),
            name(format!("{}（{}）", of.name.zh, of.scenario), format!("{} ({})", of.name.en, of.scenario)),
        ),
        (("时段", "Span"), name(format!("{from} – {to}"), format!("{from} – {to}"))),
        (("单位", "Unit"), name("万 m³（另注者除外）", "10⁴ m³ unless said otherwise")),
        (("配置", "Configuration"), name(short, short)),
        (
            ("闭合差", "Closing error"),
            name(
                format!("{:.1e} m³，占来水 {:.1e}", closing.error_m3, closing.share()),
                format!("{:.1e} m³, {:.1e} of the inflow", closing.error_m3, closing.share()),
            ),
        ),
        (
            ("用水次序", "Order of uses"),
            if kept {
                name("未见违反", "kept")
            } else {
                name("有违反，见下表", "broken, see below")
            },
        ),
    ];
    let mut notes = vec![closing.line()];
    notes.extend(how());
    Document {
        title: name(format!("{}水量账", basin.name.zh), format!("{}: account of water", basin.name.en)),
        facts,
        is_bench: true,
        is_wide: false,
        parts: vec![
            Part::Table(water(basin, book)),
            Part::Table(uses(book)),
            Part::Table(ranks(book)),
            Part::Table(wetlands(basin, book)),
            Part::Table(stores(basin, book)),
            Part::Table(transfers(basin, book)),
            Part::Table(order(book, of.breaches)),
            Part::Table(months_of(book)),
            Part::Notes(("平衡与算法", "Balance, and how it is computed"), notes),
        ],
        signatures: vec![("编制", "Prepared by"), ("审核", "Checked by"), ("批准", "Approved by")],
        zone: basin.zone.clone(),
    }
}

fn how() -> Vec<Name> {
    vec![
        name(
            "需水：断面按下限，取水口按情景与用水计划，调水按各份额流量，湿地按生存、设计需水（高于上限水位时只计生存）。供水按逐时体积，缺水为逐时不足之和，大于需水的供水不抵。",
            "Wanted: floors of sections, plans of intakes, rates of shares, survival and design demand of wetlands (survival only above their upper level). Shortages are summed by the hour; what is served beyond what is wanted makes up for nothing.",
        ),
        name(
            "原因：低库压减 = 所属水库低于该次序的压减水位或死水位；天然不足 = 取水处无水且上游无水库可放，或无闸可引；突发 = 无预告的变化，来不及补到；计量误差带 = 渠首计量与调节的 ±5 % 以内；可避免 = 有水而未送到。前四项为不可避免。",
            "Causes: low store = its reservoir below the level at which the rank is cut, or dead; natural = no water where it takes it and no reservoir above, or no gate; surprise = could not be known in time; band = within ±5 % of what the canal head carries; avoidable = there was water and it was not brought.",
        ),
        name(
            "用水次序由独立程序据逐时供需与配置传播时间核对，不用调度程序：较低次序在用水而较高次序缺水、且该水按时可达（0.8–1.2 倍传播时间内一直在用，缺水先一小时已显现），即为违反。",
            "The order is checked apart from dispatch, by hourly wants and supplies and configured travel times: broken when a lower use was served while a higher one was short, its water would have come in time (served throughout 0.8 to 1.2 travel times) and the shortage had shown an hour before.",
        ),
    ]
}
