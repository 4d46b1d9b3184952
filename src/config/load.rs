//! From a folder to a checked configuration, or to the list of everything that is wrong with it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use super::check::calendar::{self, Against};
use super::check::field::{self as field_check, FieldNames};
use super::check::layouts::{Layouts, Maps, Overrides};
use super::check::names::Names;
use super::check::wiring::{self, Elements, Rated, Whole};
use super::check::{control, graph, network, rating, roles, service, structure, transport, uses, water};
use super::files::{self, FILES, RATINGS, Source, Sources};
use super::problem::{Problem, Problems};
use super::raw::network::RawReach;
use super::raw::site::{RawNamed, RawSeason, RawSite};
use super::sheet::{Entry, Sheet, Spot};
use super::{Config, Schedules, Service};
use crate::basin::{Basin, Name, Rating, Season};
use crate::points::{Field, PointId};

/// Top-level keys of each.
const BASIN_KEYS: [&str; 17] = [
    "basin",
    "river",
    "office",
    "season",
    "control",
    "node",
    "reach",
    "reservoir",
    "inflow",
    "meter",
    "section",
    "gate",
    "fixed_opening",
    "station",
    "intake",
    "wetland",
    "transfer",
];
const DEVICES_KEYS: [&str; 6] = ["link", "device", "class", "layout", "wire", "point"];
const SCHEDULES_KEYS: [&str; 3] = ["turn", "gate", "entry"];
const SERVICE_KEYS: [&str; 1] = ["service"];
const RATINGS_KEYS: [&str; 1] = ["rating"];
/// Top-level keys of a device template.
const TEMPLATE_KEYS: [&str; 1] = ["layout"];

/// Loads and checks a configuration folder.
///
/// # Errors
///
/// Everything that is wrong with it, at once. A folder with a problem is never partly used or corrected.
pub fn load(folder: &Path) -> Result<Config, Problems> {
    if !folder.is_dir() {
        let problem = Problem {
            file: folder.display().to_string(),
            line: None,
            key: String::new(),
            value: None,
            what: "is no folder".into(),
            remedy: format!("name the folder that has {}", FILES.join(", ")),
        };
        return Err(Problems::new(vec![problem], Vec::new()));
    }
    let problems = RefCell::new(Vec::new());
    let Sources { files, ratings, templates, digest } = files::read(folder, &problems);
    let sheets: [Sheet<'_>; 4] = files.each_ref().map(|file| sheet(file, &problems));
    let none = || Source { name: RATINGS.into(), text: Some(String::new()) };
    let ratings = ratings.unwrap_or_else(none);
    let ratings = sheet(&ratings, &problems);
    let templates: Vec<Sheet<'_>> = templates.iter().map(|file| sheet(file, &problems)).collect();
    let mut unchecked = Vec::new();
    let parts = check(&sheets, &ratings, &templates, &mut unchecked);
    let found = problems.take();
    match parts {
        Some((basin, field, schedules, service)) if found.is_empty() => Ok(Config {
            basin: Arc::new(basin),
            field: Arc::new(field),
            schedules: Arc::new(schedules),
            service,
            digest,
        }),
        Some(_) | None => Err(Problems::new(found, unchecked)),
    }
}

fn sheet<'a>(source: &'a Source, problems: &'a RefCell<Vec<Problem>>) -> Sheet<'a> {
    Sheet::parse(&source.name, source.text.as_deref(), problems)
}

type Parts = (Basin, Field, Schedules, Service);

fn check<'a>(
    sheets: &'a [Sheet<'a>; 4],
    ratings: &'a Sheet<'a>,
    templates: &'a [Sheet<'a>],
    unchecked: &mut Vec<&'static str>,
) -> Option<Parts> {
    let [basin, devices, schedules, service] = sheets;
    basin.only(&BASIN_KEYS);
    devices.only(&DEVICES_KEYS);
    schedules.only(&SCHEDULES_KEYS);
    service.only(&SERVICE_KEYS);
    ratings.only(&RATINGS_KEYS);
    for template in templates {
        template.only(&TEMPLATE_KEYS);
    }
    let settings = service
        .single("service", "add [service] with listen, bench, history_days and start_mode")
        .and_then(|(raw, spot)| service::service(raw, &spot));
    let (names, elements) = elements(basin);
    let zone = elements.site.as_ref().map(|site| site.zone.clone());
    let (calendar, entries) = zone.map_or((None, Vec::new()), |zone| {
        let against =
            Against { names: &names, zone: &zone, intakes: &elements.intakes, gates: &elements.gates };
        let (turns, gates) = (schedules.entries("turn"), schedules.entries("gate"));
        calendar::schedules(&against, turns, gates, schedules.entries("entry"))
    });
    let bench = settings.as_ref().map(|settings: &Service| settings.bench);
    let rated = rating::rated(&names, ratings);
    let curves = rating::ratings(&names, &elements.meters, ratings.entries("rating"));
    let field = field((devices, templates), basin, &names, &elements, (bench, &rated), unchecked);
    let checked = elements.complete(curves);
    match &checked {
        Some(whole) => {
            graph::network(whole, basin);
            roles::together(whole, basin);
            water::twins(whole, basin);
        }
        None => unchecked.push("the river network as a whole (basin.toml)"),
    }
    let basin = checked?;
    calendar::entries(&basin, &entries, schedules);
    let field = derived(field?, &basin);
    Some((basin, field, calendar?, settings?))
}

/// The `basin` table and what hangs on it.
struct Site {
    id: String,
    name: Name,
    zone: jiff::tz::TimeZone,
}

/// Elements in file order; `None` where one cannot be made.
struct Parsed {
    site: Option<Site>,
    rivers: Vec<Option<(String, Name)>>,
    season: Option<Season>,
    control: Option<crate::basin::ControlParameters>,
    nodes: Vec<Option<crate::basin::Node>>,
    reaches: Vec<Option<crate::basin::Reach>>,
    reservoirs: Vec<Option<crate::basin::Reservoir>>,
    inflows: Vec<Option<crate::basin::Inflow>>,
    meters: Vec<Option<crate::basin::Meter>>,
    sections: Vec<Option<crate::basin::Section>>,
    gates: Vec<Option<crate::basin::Gate>>,
    fixed_openings: Vec<Option<crate::basin::FixedOpening>>,
    stations: Vec<Option<crate::basin::PowerStation>>,
    intakes: Vec<Option<crate::basin::Intake>>,
    wetlands: Vec<Option<crate::basin::Wetland>>,
    transfers: Vec<Option<crate::basin::Transfer>>,
}

fn elements<'a>(sheet: &'a Sheet<'a>) -> (Names, Parsed) {
    let reaches: Vec<Entry<'_, RawReach>> = sheet.entries("reach");
    let names = Names::collect(sheet, &reaches, sheet.entries("office"));
    let rivers = sheet
        .entries::<RawNamed>("river")
        .into_iter()
        .map(|river| {
            let raw = river.raw?;
            Some((river.id, river.spot.name(raw.name_zh, raw.name_en)?))
        })
        .collect();
    let each = Each { names: &names };
    let parsed = Parsed {
        site: sheet.single("basin", "add [basin] with id, name_zh, name_en and zone").and_then(site),
        rivers,
        season: season(sheet),
        control: sheet
            .single("control", "add [control] with the numbers of the loops")
            .and_then(|(raw, spot)| control::control(raw, &spot)),
        nodes: each.of(sheet.entries("node"), network::node),
        reaches: each.of(reaches, network::reach),
        reservoirs: each.of(sheet.entries("reservoir"), water::reservoir),
        inflows: each.of(sheet.entries("inflow"), network::inflow),
        meters: each.of(sheet.entries("meter"), water::meter),
        sections: each.of(sheet.entries("section"), network::section),
        gates: each.of(sheet.entries("gate"), structure::gate),
        fixed_openings: each.of(sheet.entries("fixed_opening"), structure::fixed_opening),
        stations: each.of(sheet.entries("station"), structure::station),
        intakes: each.of(sheet.entries("intake"), uses::intake),
        wetlands: each.of(sheet.entries("wetland"), uses::wetland),
        transfers: each.of(sheet.entries("transfer"), uses::transfer),
    };
    for (kind, count) in
        [("river", names.rivers.len()), ("node", names.nodes.len()), ("inflow", names.inflows.len())]
    {
        if count == 0 && sheet.whole {
            sheet.top().key(kind).complain("is missing", format!("a basin has at least one [{kind}.NAME]"));
        }
    }
    (names, parsed)
}

/// Checks entries one by one.
struct Each<'n> {
    names: &'n Names,
}

impl Each<'_> {
    fn of<'a, R, T>(
        &self,
        entries: Vec<Entry<'a, R>>,
        check: impl Fn(&Names, &str, R, &Spot<'a>) -> Option<T>,
    ) -> Vec<Option<T>> {
        entries.into_iter().map(|entry| check(self.names, &entry.id, entry.raw?, &entry.spot)).collect()
    }
}

fn site((raw, at): (RawSite, Spot<'_>)) -> Option<Site> {
    let remedy = "give the identifier of the basin, as \"qindan\"";
    let id = at.need("id", raw.id, remedy);
    let plain = |id: &String| id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if id.as_ref().is_some_and(|id| id.is_empty() || !plain(id)) {
        at.key("id").complain("must be small letters, digits and hyphens", remedy);
    }
    let name = at.name(raw.name_zh, raw.name_en);
    let remedy = "give the civil time of the site, as \"Asia/Shanghai\"";
    let zone = at.need("zone", raw.zone, remedy).and_then(|text| {
        let zone = jiff::tz::TimeZone::get(&text).ok();
        if zone.is_none() {
            at.key("zone").complain("is no time zone", remedy);
        }
        zone
    });
    Some(Site { id: id?, name: name?, zone: zone? })
}

fn season<'a>(sheet: &'a Sheet<'a>) -> Option<Season> {
    let seasons = sheet.entries::<RawSeason>("season");
    if !seasons.iter().any(|season| season.id == "flood") && sheet.whole {
        let remedy = "add [season.flood] with from and to, as \"06-01\" and \"09-30\"";
        sheet.top().key("season").key("flood").complain("is missing", remedy);
    }
    let mut flood = None;
    for season in seasons {
        let Some(raw) = season.raw else { continue };
        let at = season.spot;
        if season.id != "flood" {
            at.complain("is no season the service knows", "the one season is flood");
            continue;
        }
        let remedy = "write month and day as \"06-01\"";
        let (from, to) = (at.need("from", raw.from, remedy), at.need("to", raw.to, remedy));
        flood = from.zip(to).and_then(|(from, to)| at.season(&from, &to));
    }
    flood
}

impl Parsed {
    /// The basin when every element could be made.
    fn complete(self, ratings: Option<Vec<Rating>>) -> Option<Basin> {
        fn all<T>(list: Vec<Option<T>>) -> Option<Vec<T>> {
            list.into_iter().collect()
        }
        let site = self.site?;
        Some(Basin {
            id: site.id,
            name: site.name,
            rivers: all(self.rivers)?,
            zone: site.zone,
            nodes: all(self.nodes)?,
            reaches: all(self.reaches)?,
            reservoirs: all(self.reservoirs)?,
            inflows: all(self.inflows)?,
            meters: all(self.meters)?,
            ratings: ratings?,
            sections: all(self.sections)?,
            gates: all(self.gates)?,
            fixed_openings: all(self.fixed_openings)?,
            stations: all(self.stations)?,
            intakes: all(self.intakes)?,
            wetlands: all(self.wetlands)?,
            transfers: all(self.transfers)?,
            flood_season: self.season?,
            control: self.control?,
        })
    }
}

fn field<'a>(
    (sheet, templates): (&'a Sheet<'a>, &'a [Sheet<'a>]),
    basin: &'a Sheet<'a>,
    names: &Names,
    parsed: &Parsed,
    (bench, rated): (Option<bool>, &Rated),
    unchecked: &mut Vec<&'static str>,
) -> Option<Field> {
    let field_names = FieldNames {
        links: sheet.names("link"),
        devices: sheet.names("device"),
        classes: sheet.names("class"),
    };
    let links = field_check::links(sheet.entries("link"), bench);
    let layouts = Layouts::new(sheet, templates);
    let mut devices = sheet.entries("device");
    let overrides = Overrides::take(&mut devices);
    let devices = field_check::devices(&field_names, links.as_deref(), devices);
    let classes = field_check::classes(sheet.entries("class"));
    let elements = Elements { names, gates: &parsed.gates, meters: &parsed.meters };
    let points = wiring::points(
        elements,
        &field_names,
        devices.as_deref(),
        Maps { layouts: &layouts, overrides: &overrides },
        sheet.entries("wire"),
        sheet.entries("point"),
    );
    let (Some(points), Some(devices)) = (points, devices) else {
        unchecked.push("which elements have their points (devices.toml)");
        return None;
    };
    let wiring = wiring::wiring(names.gates.len(), names.meters.len(), &points);
    let classes = classes?;
    let links = links?;
    transport::units(&links, &devices, |id| sheet.entry("device", id));
    let whole = Whole {
        elements,
        links: &links,
        wiring: &wiring,
        devices: &devices,
        classes: &classes,
        points: &points,
        basin,
        field: sheet,
        rated,
    };
    whole.complete();
    let points = points.into_iter().map(|(point, _)| point).collect();
    Some(Field { links, devices, points, derived: Vec::new(), classes, wiring })
}

/// The field with the values that come from ratings behind those of its points.
fn derived(mut field: Field, basin: &Basin) -> Field {
    for rating in &basin.ratings {
        let id = PointId(field.points.len() + field.derived.len());
        if let Some(slot) = field.wiring.meters.get_mut(rating.flow.0) {
            *slot = Some(id);
        }
        let meter = basin.meters.get(rating.flow.0).map_or("", |meter| meter.id.as_str());
        field.derived.push(format!("{meter}/value"));
    }
    field
}
