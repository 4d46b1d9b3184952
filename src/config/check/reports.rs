//! Rules of the reports in order of their dates, filings about sections there are, with what proves them.

use jiff::SignedDuration;

use super::super::raw::reports::{RawFiling, RawRule};
use super::super::sheet::{Entry, Spot};
use super::calendar::{instant, span};
use super::rating::date;
use super::{NOT_NEGATIVE, PERCENT, Rule as Must};
use crate::basin::{Basin, Name, SectionId};
use crate::config::reports::{Exemption, Filing, Rule, Standing};

/// A share that some of a day can reach.
const SHARE: Must = Must { holds: |x| x > 0.0 && x <= 100.0, must: "must be above 0, at most 100" };

pub(in crate::config) fn rules(entries: Vec<Entry<'_, RawRule>>) -> Option<Vec<Rule>> {
    let mut before = None;
    let rules = entries.into_iter().map(|entry| {
        let rule = rule(&entry.id, entry.raw?, &entry.spot)?;
        if before.is_some_and(|before| before >= rule.valid_from) {
            let what = "does not begin after the rule before";
            entry.spot.key("valid_from").complain(what, "put the rules in order of their first days");
        }
        before = Some(rule.valid_from);
        Some(rule)
    });
    rules.collect::<Vec<_>>().into_iter().collect()
}

fn rule(id: &str, raw: RawRule, at: &Spot<'_>) -> Option<Rule> {
    let share = |key: &str, given, must| {
        at.number(key, given, must, "give the share of time in %").map(|percent| percent / 100.0)
    };
    let hours = |key: &str, given| {
        let hours = at.number(key, given, NOT_NEGATIVE, "give the time in hours")?;
        SignedDuration::try_from_secs_f64(hours * 3600.0).ok()
    };
    let valid_from = date(at, "valid_from", raw.valid_from);
    let hour_valid = share("hour_valid_pct", raw.hour_valid_pct, SHARE);
    let day_valid = share("day_valid_pct", raw.day_valid_pct, SHARE);
    let remedy = "give how far below its target a mean still passes; the plan says not lower than: 0.0";
    let tolerance = at.flow("tolerance_m3s", raw.tolerance_m3s, NOT_NEGATIVE, remedy);
    let episode = hours("episode_h", raw.episode_h);
    let exempt = share("exempt_pct", raw.exempt_pct, PERCENT);
    let filing_within = hours("filing_within_h", raw.filing_within_h);
    let remedy = "list the kinds that exempt a day, as [\"flood_order\", \"maintenance\"], or none as []";
    let list = at.need("exemptions", raw.exemptions, remedy);
    let spot = at.key("exemptions");
    let exemptions = list.and_then(|list| {
        let kinds = list.into_iter().enumerate().map(|(index, kind)| spot.item(index).value(kind, remedy));
        kinds.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()
    });
    Some(Rule {
        id: id.into(),
        valid_from: valid_from?,
        hour_valid: hour_valid?,
        day_valid: day_valid?,
        tolerance: tolerance?,
        episode: episode?,
        exempt: exempt?,
        filing_within: filing_within?,
        exemptions: exemptions?,
    })
}

pub(in crate::config) fn filings(basin: &Basin, entries: Vec<Entry<'_, RawFiling>>) -> Option<Vec<Filing>> {
    let filings = entries.into_iter().map(|entry| filing(basin, entry.id, entry.raw?, &entry.spot));
    filings.collect::<Vec<_>>().into_iter().collect()
}

fn filing(basin: &Basin, id: String, raw: RawFiling, at: &Spot<'_>) -> Option<Filing> {
    let sections = sections(basin, &raw, at);
    let remedy = format!("say one of {}", Exemption::ALL.map(Exemption::key).join(", "));
    let kind = at.need("kind", raw.kind, &remedy);
    let span = span(at, raw.from, raw.to, &basin.zone);
    let filed = instant(at, "filed", raw.filed, &basin.zone);
    let text = |key: &str, given, remedy: &str| {
        let text: String = at.need(key, given, remedy)?;
        if text.trim().is_empty() {
            at.key(key).complain("must not be empty", remedy);
        }
        Some(text)
    };
    let document = text("document", raw.document, "give the number of the document that proves it");
    let zh = text("reason_zh", raw.reason_zh, "give the reason in Chinese");
    let en = text("reason_en", raw.reason_en, "give the reason in English");
    let remedy = "name who approved the maintenance";
    let approved_by = at.may("approved_by", raw.approved_by, remedy).filter(|who| !who.trim().is_empty());
    if kind == Some(Exemption::Maintenance) && approved_by.is_none() {
        at.key("approved_by").complain("is missing: maintenance counts with an approval only", remedy);
    }
    let (from, to) = span?;
    Some(Filing {
        id,
        sections: sections?,
        kind: kind?,
        from,
        to,
        filed: filed?,
        document: document?,
        approved_by,
        reason: Name { zh: zh?, en: en? },
        standing: Standing::Listed,
    })
}

fn sections(basin: &Basin, raw: &RawFiling, at: &Spot<'_>) -> Option<Vec<SectionId>> {
    let known = basin.sections.iter().map(|section| section.id.as_str()).collect::<Vec<_>>().join(", ");
    let remedy = format!("list sections of {known}");
    let list = at.need("sections", raw.sections.clone(), &remedy)?;
    let spot = at.key("sections");
    if list.is_empty() {
        spot.complain("names no section", remedy.as_str());
    }
    let sections = list.into_iter().enumerate().map(|(index, name)| {
        let spot = spot.item(index);
        let id = spot.value(name, &remedy)?;
        let found = basin.section(&id);
        if found.is_none() {
            spot.complain("is no section of the basin", remedy.as_str());
        }
        found
    });
    sections.collect::<Vec<_>>().into_iter().collect()
}
