//! What a device must not be asked, and how it is known.

use std::collections::BTreeMap;

use super::super::raw::Given;
use super::super::raw::field::{RawDevice, RawIdentity};
use super::super::sheet::Spot;
use crate::points::{Identity, Range, Table};

/// Most words of an identity.
const WORDS: usize = 16;

/// Bounds of one device.
pub(in crate::config) struct Bounds {
    pub(in crate::config) boundary: Option<u16>,
    pub(in crate::config) forbidden: Vec<Range>,
    pub(in crate::config) identity: Option<Identity>,
}

/// The bounds of a device; takes their keys out of `raw`.
pub(in crate::config) fn bounds(at: &Spot<'_>, raw: &mut RawDevice) -> Bounds {
    let remedy = "give the number of registers whose multiples no read may cross, as 40";
    let boundary = at.may("boundary", std::mem::take(&mut raw.boundary), remedy);
    if boundary == Some(0) {
        at.key("boundary").complain("must be 1 or more", remedy);
    }
    let forbidden = forbidden(at, std::mem::take(&mut raw.forbidden));
    let remedy = "give table, address and words, or vendor, product and revision as the device tells them";
    let identity = at.may("identity", std::mem::take(&mut raw.identity), remedy);
    Bounds {
        boundary,
        forbidden,
        identity: identity.and_then(|raw| identified(&at.key("identity"), raw, remedy)),
    }
}

fn forbidden(at: &Spot<'_>, given: Given<BTreeMap<Table, Vec<[u16; 2]>>>) -> Vec<Range> {
    let remedy = "give first and last address by table, as { holding = [[100, 199]] }";
    let tables = at.may("forbidden", given, remedy).unwrap_or_default();
    let ranges = tables.into_iter().flat_map(|(table, list)| list.into_iter().map(move |ends| (table, ends)));
    let ranges = ranges.map(|(table, [from, to])| Range { table, from, to }).collect::<Vec<_>>();
    for range in ranges.iter().filter(|range| range.from > range.to) {
        let what = format!("range {} to {} runs backwards", range.from, range.to);
        at.key("forbidden").complain(what, remedy);
    }
    ranges
}

fn identified(at: &Spot<'_>, raw: RawIdentity, remedy: &str) -> Option<Identity> {
    let objects = [(0, raw.vendor), (1, raw.product), (2, raw.revision)];
    let objects = objects.into_iter().filter_map(|(object, text)| Some((object, text?))).collect::<Vec<_>>();
    match (raw.table, raw.address, raw.words) {
        (None, None, None) if !objects.is_empty() => Some(Identity::Objects(objects)),
        (Some(table @ (Table::Input | Table::Holding)), Some(address), Some(words))
            if objects.is_empty() && (1..=WORDS).contains(&words.len()) =>
        {
            Some(Identity::Words { table, address, words })
        }
        (_, _, _) => {
            at.complain(
                "is neither fixed words of registers (at most 16) nor texts of a device identification",
                remedy,
            );
            None
        }
    }
}
