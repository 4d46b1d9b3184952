use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{Place, Priority, ReachId, ReservoirId, SectionId};
use qindan::control::Now;
use qindan::report::Lang;

use super::order::{Breach, breaches};
use super::page::Subject;
use super::*;
use crate::inflow::instant;
use crate::testing::{config, small_basin};

/// One hour after the other with nothing wanted and nothing got.
fn quiet(users: &[User], hours: usize) -> Book {
    let count = users.len();
    let hour = |at: usize| Hour {
        begin: Timestamp::from_second(i64::try_from(at).unwrap() * 3600).unwrap(),
        month: (2026, 5),
        seconds: HOUR_S,
        wants: vec![0.0; count],
        gets: vec![0.0; count],
        nets: vec![0.0; count],
        causes: vec![None; count],
        holds: vec![true, true],
        levels: vec![742.0, 535.0],
    };
    Book { users: users.to_vec(), hours: (0..hours).map(hour).collect(), edges: Vec::new() }
}

fn find(users: &[User], id: &str) -> usize {
    users.iter().position(|user| user.id == id).unwrap()
}

/// `of` wants `wants` and gets `gets` in `hours`, short for `cause`.
fn fill(book: &mut Book, of: usize, hours: std::ops::Range<usize>, flows: [f64; 2], cause: Option<Cause>) {
    for hour in &mut book.hours[hours] {
        (hour.wants[of], hour.gets[of], hour.nets[of]) = (flows[0], flows[1], flows[1]);
        hour.causes[of] = cause;
    }
}

/// The section at the end wants 1.0 and gets 0.8 from hour 20 to 49.
fn thirsty() -> (Book, Net) {
    let basin = small_basin();
    let users = users(&basin);
    let mut book = quiet(&users, 60);
    let section = find(&users, "section");
    fill(&mut book, section, 0..60, [1.0, 1.0], None);
    fill(&mut book, section, 20..50, [1.0, 0.8], Some(Cause::Avoidable));
    (book, Net::new(&basin))
}

fn of<'a>(found: &'a [Breach], book: &Book, lower: &str) -> Option<&'a Breach> {
    found.iter().find(|breach| book.users[breach.lower].id == lower)
}

/// The basin of tests travels 2.3 km an hour: 18 km of reach A and 15 of reach B are 14.35 h.
#[test]
fn water_reaches_what_lies_below_it_and_nothing_else() {
    let net = Net::new(&small_basin());
    let along = |reach, km| Place::Along { reach: ReachId(reach), km };
    let node = |node| Place::Node(NodeId(node));
    let lake = Place::Reservoir(ReservoirId(0));
    let near = |found: Option<f64>, by_hand: f64| (found.unwrap() - by_hand).abs() < 1e-9;
    assert!(near(net.hours(along(0, 12.0), node(4)), 33.0 / 2.3));
    assert!(near(net.hours(along(0, 12.0), along(0, 20.0)), 8.0 / 2.3));
    assert!(near(net.hours(lake, node(1)), 0.0));
    assert!(near(net.hours(lake, node(4)), 45.0 / 2.3));
    // The pipe is full: ten minutes.
    assert!(near(net.hours(node(5), node(6)), 1.0 / 6.0));
    assert_eq!(net.hours(along(0, 12.0), node(1)), None);
    assert_eq!(net.hours(node(5), node(4)), None);
    // Upstream of a lake nobody knows when the water comes out.
    assert_eq!(net.hours(node(0), node(4)), None);
    // What only a supply gate feeds hangs on the lake.
    let users = users(&small_basin());
    assert_eq!(users[find(&users, "transfer/2")].place, lake);
    assert!(users.windows(2).all(|pair| pair[0].rank <= pair[1].rank));
}

/// The pump takes 0.35 all the time. Its water is 11 to 18 h (0.8 to 1.2 of 14.35) on the way, the shortage shows from
/// hour 20 on: what was taken from hour 21 on, an hour later, is missed from hour 39 on: 11 hours to the end at 49, of at most
/// 0.2 m³/s. The 19 hours before only a prophet could have helped.
#[test]
fn a_lower_use_upstream_is_found_when_its_water_would_have_come_in_time() {
    let (mut book, net) = thirsty();
    let pump = find(&book.users, "pump");
    fill(&mut book, pump, 0..60, [0.35, 0.35], None);
    let found = breaches(&book, &net);
    let breach = of(&found, &book, "pump").unwrap();
    assert_eq!((breach.hours, breach.store_hours, breach.unforeseen_hours), (11, 0, 19));
    assert!((breach.could_m3 - 11.0 * 0.2 * 3600.0).abs() < 1e-6, "{breach:?}");
    assert_eq!(breach.first.as_second(), 39 * 3600);
    // It stops at hour 25: what was missed until hour 35 left it before anybody could know.
    fill(&mut book, pump, 25..60, [0.35, 0.0], None);
    let found = breaches(&book, &net);
    let breach = of(&found, &book, "pump").unwrap();
    assert_eq!((breach.hours, breach.store_hours, breach.unforeseen_hours), (0, 0, 16));
    assert!(!breach.counts());
}

/// Households rank before the floor, and the town at node 3 is no help to a section above it.
#[test]
fn a_higher_use_may_be_served_and_so_may_one_below() {
    let (mut book, net) = thirsty();
    let city = find(&book.users, "transfer/2");
    fill(&mut book, city, 0..60, [0.5, 0.5], None);
    let outlet = find(&book.users, "outlet");
    fill(&mut book, outlet, 0..60, [1.0, 0.5], Some(Cause::Avoidable));
    let town = find(&book.users, "town");
    fill(&mut book, town, 0..60, [0.02, 0.02], None);
    let found = breaches(&book, &net);
    assert!(of(&found, &book, "transfer/2").is_none(), "{found:?}");
    assert!(found.iter().all(|breach| breach.higher != outlet), "{found:?}");
    assert!(of(&found, &book, "town").is_some());
}

/// The supplement draws on the lake, 19.57 h above the section: 15 to 24 h, so from hour 45 on. While the lake has water
/// it is the lake that should have given more; once it is at its end, what was taken from it is missed.
#[test]
fn what_draws_on_a_reservoir_is_told_from_what_the_reservoir_could_have_given() {
    let (mut book, net) = thirsty();
    let supplement = find(&book.users, "transfer/1");
    fill(&mut book, supplement, 0..60, [1.09, 1.09], None);
    let found = breaches(&book, &net);
    let breach = of(&found, &book, "transfer/1").unwrap();
    assert_eq!((breach.hours, breach.store_hours), (0, 5));
    let section = find(&book.users, "section");
    fill(&mut book, section, 20..50, [1.0, 0.8], Some(Cause::LowStore));
    let found = breaches(&book, &net);
    let breach = of(&found, &book, "transfer/1").unwrap();
    assert_eq!((breach.hours, breach.store_hours), (5, 0));
}

/// The reeds give back above the section what they take at the pond: only what they keep is missed.
#[test]
fn what_a_wetland_gives_back_in_time_is_not_taken() {
    let (mut book, net) = thirsty();
    let reeds = find(&book.users, "reeds/design");
    fill(&mut book, reeds, 0..60, [0.19, 0.19], None);
    for hour in &mut book.hours {
        hour.nets[reeds] = 0.004;
    }
    assert!(of(&breaches(&book, &net), &book, "reeds/design").is_none());
    for hour in &mut book.hours {
        hour.nets[reeds] = 0.1;
    }
    assert!(of(&breaches(&book, &net), &book, "reeds/design").is_some_and(Breach::counts));
}

/// Two days of the small basin over the end of a month; the pump has a turn of one day.
fn played() -> (Case, Account) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("days.toml");
    let text = "[scenario]\nname_zh = \"两天\"\nname_en = \"two days\"\npurpose = \"two days over the end of a month\"\nseed = 7\n\
                start = 2026-04-30T00:00:00\nduration = \"2d\"\nspin_up = \"0h\"\nyear = \"dry\"\n\
                [intake.pump]\nturns = [{ from = 2026-04-30T12:00:00, to = 2026-05-01T12:00:00, rate_m3s = 0.35 }]\n";
    std::fs::write(&file, text).unwrap();
    let (scenario, config) = crate::scenario::load(&file, |_| Ok(config(small_basin()))).unwrap();
    let case = Case::new(scenario, config);
    let mut plant = case.river(7);
    let mut account = Account::new(&case.config);
    let minute = Duration::from_secs(60);
    for at in 0..=2 * 24 * 60 {
        let now = minute * at;
        let forcing = case.forcing(now.saturating_sub(minute / 2));
        let dt = if at == 0 { Duration::ZERO } else { minute };
        plant.advance(dt, &forcing);
        let step =
            Step { now: Now { mono: now, utc: instant(case.scenario.start, now) }, dt, forcing: &forcing };
        account.add(&case, &plant, step);
        if at == 2 * 24 * 60 {
            account.finish(&case, &plant, step);
        }
    }
    (case, account)
}

/// By hand: 2.5 m³/s come in, 21.6 · 10⁴ m³ a day. The pump wants 0.35 for twelve hours of each day, 15 120 m³, and gets
/// it; floors of 1.0 twice, 86 400 m³ each a day; the city wants 0.5.
#[test]
fn the_account_of_two_days_is_the_one_made_by_hand() {
    let (case, account) = played();
    let basin = &case.config.basin;
    let book = &account.book;
    let near = |found: f64, by_hand: f64| {
        assert!((found - by_hand).abs() < 1e-6 * by_hand.max(1.0), "{found} for {by_hand}");
    };
    assert_eq!(book.hours.len(), 48);
    let months = book.months();
    assert_eq!(months.iter().map(|(month, _)| *month).collect::<Vec<_>>(), [(2026, 4), (2026, 5)]);
    for (_, passed) in &months {
        near(passed.inflows.iter().sum(), 216_000.0);
        near(passed.intakes[0], 15_120.0);
    }
    let sums = |id: &str| book.served(find(&book.users, id), |_| true);
    for (id, wanted) in
        [("pump", 30_240.0), ("outlet", 172_800.0), ("section", 172_800.0), ("transfer/2", 86_400.0)]
    {
        let sums = sums(id);
        near(sums.wanted_m3, wanted);
        near(sums.got_m3 + sums.missing_m3(), wanted);
    }
    near(sums("pump").got_m3, 30_240.0);
    near(book.served(find(&book.users, "pump"), |month| month == (2026, 5)).got_m3, 15_120.0);
    near(sums("reeds/survival").wanted_m3, 0.06 * 172_800.0);
    let closing = Closing::of(basin, book);
    near(closing.inflow_m3, 432_000.0);
    assert!(closing.share() < 1e-9, "{closing:?}");

    let breaches = account.breaches();
    let document = super::page::document(Subject {
        basin,
        name: &case.scenario.name,
        scenario: &case.scenario.id,
        config: &case.config.digest,
        book,
        breaches: &breaches,
    });
    let csv = super::page::table(&document, Lang::En);
    let row = |begin: &str| {
        let line = csv.lines().find(|line| line.starts_with(begin)).unwrap();
        line.split(',').filter_map(|field| field.parse::<f64>().ok()).collect::<Vec<_>>()
    };
    for (begin, by_hand) in [
        ("water,inflow,", vec![21.6, 21.6, 43.2]),
        ("ranks,irrigation.missing,", vec![0.0; 3]),
        // Wanted, got, missing, met, hours short, five causes, permit, share of it.
        ("uses,pump,", vec![3.024, 3.024, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 320.0, 3.024 / 320.0]),
    ] {
        let found = row(begin);
        assert_eq!(found.len(), by_hand.len(), "{begin}: {found:?}");
        assert!(found.iter().zip(&by_hand).all(|(a, b)| (a - b).abs() < 1e-6), "{begin}: {found:?}");
    }
    for lang in [Lang::Zh, Lang::En] {
        let page = super::page::page(&document, lang);
        assert!(
            page.contains(">43.2<") && page.contains(lang.word(("水量账", "account of water"))),
            "{page}"
        );
        for outside in ["http", "<script", "<link", "src=", "href="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}

#[test]
fn a_rank_has_a_word_for_every_use() {
    let users = users(&small_basin());
    let ranks = users.iter().map(|user| user.rank).collect::<std::collections::BTreeSet<_>>();
    let served = [Priority::Domestic, Priority::Ecology, Priority::Irrigation, Priority::Amenity];
    assert!(served.iter().all(|rank| ranks.contains(rank)));
    assert_eq!(users.iter().filter(|user| user.of == Use::Floor(SectionId(1))).count(), 1);
}
