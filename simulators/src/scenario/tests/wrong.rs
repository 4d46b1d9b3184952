//! Files with faults: each is told, at its own line, whatever else is wrong.

use std::collections::BTreeSet;

use super::*;

/// What is told of an entry, without its place.
fn told(text: &str) -> Vec<String> {
    problems(text).iter().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
}

/// Faults in the head, in what happens and in a part that is included: none hides another.
#[test]
fn every_fault_of_a_file_and_of_its_parts_is_told_at_once() {
    let own = "include = [\"parts/may.toml\"]\n\
               [scenario]\n\
               name_zh = \"试\"\n\
               name_en = 7\n\
               purpose = \"a test\"\n\
               seed = \"seven\"\n\
               start = \"2026-05-11\"\n\
               duration = \"5x\"\n\
               spin_up = \"1d\"\n\
               year = \"dri\"\n\
               mode = \"automatik\"\n\
               tag = [\"long\"]\n\
               [event.trip]\n\
               at = \"30d\"\n\
               event = \"trip\"\n\
               gate = \"zf.hp.u9\"\n\
               [event.late]\n\
               at = 3\n\
               event = \"tripp\"\n\
               gate = \"zf.hp.u1\"\n\
               [event.bias]\n\
               at = \"1h\"\n\
               event = \"meter_bias\"\n\
               meter = \"q.runcheng\"\n\
               factor = \"much\"\n\
               [expect]\n\
               kept = \"runcheng\"\n\
               raised = [\"A1\"]\n";
    let part = "[inflow.longqu]\n\
                recession = [{ flow_m3s = \"x\", constant_d = 0.0 }]\n\
                drought = { begin = \"1d\", end = \"3d\", to_share = 2.0 }\n\
                [inflow.longqi]\n\
                constant_m3s = 1.0\n\
                [event.note]\n\
                at = \"1 h\"\n\
                note = 5\n";
    let said = load_in(folder(&[("s.toml", own), ("parts/may.toml", part)]).path()).unwrap_err();
    let wanted = [
        "parts/may.toml:2  inflow longqu.recession[0].constant_d = 0.0: is not above 0; give a positive number",
        "parts/may.toml:2  inflow longqu.recession[0].flow_m3s = \"x\": must not be string \"x\"; a number is needed",
        "parts/may.toml:3  inflow longqu.drought.to_share = 2.0: is no share; give 0 to 1, as 0.3",
        "parts/may.toml:4  inflow longqi: the configuration has no inflow \"longqi\"; did you mean longqu?",
        "parts/may.toml:8  event note.note = 5: is no text; write one line in quotes",
        "s.toml:4  scenario.name_en = 7: must not be integer `7`; a text in quotes is needed",
        "s.toml:6  scenario.seed = \"seven\": must not be string \"seven\"; a whole number from 0 is needed",
        "s.toml:7  scenario.start = \"2026-05-11\": must not be string \"2026-05-11\"; a date without quotes is needed",
        "s.toml:8  scenario.duration = \"5x\": is no length of time; write it as \"7d\", \"36h\" or \"2d 6h 30min\"",
        "s.toml:10  scenario.year = \"dri\": is no word known here; did you mean dry?",
        "s.toml:11  scenario.mode = \"automatik\": is no word known here; did you mean automatic?",
        "s.toml:12  scenario.tag = [\"long\"]: no such key; did you mean tags?",
        "s.toml:16  event trip.gate = \"zf.hp.u9\": the configuration has no gate \"zf.hp.u9\"; did you mean zf.hp.u1?",
        "s.toml:18  event late.at = 3: is no moment; write it as \"2d 6h\" after the start, or as an instant",
        "s.toml:19  event late.event = \"tripp\": is no word known here; did you mean trip?",
        "s.toml:25  event bias.factor = \"much\": must not be string \"much\"; a number is needed",
        "s.toml:27  expect.kept = \"runcheng\": must not be string \"runcheng\"; a list in [ ] is needed",
        "s.toml:28  expect.raised[0] = \"A1\": is no alarm; write its number, as \"A31\", or with its element, as \
         \"A31:zf.hp.u1\"",
        "18 problems; nothing was run",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}

/// A wrong value for each generator of a flow, each in an entry of its own.
#[test]
fn a_wrong_value_of_any_generator_is_told() {
    let cases = [
        ("constant_m3s = \"x\"", "constant_m3s = \"x\": must not be string \"x\"; a number is needed"),
        (
            "monthly_m3s = [1.0, 2.0]",
            "monthly_m3s = [1.0, 2.0]: is no list of twelve flows; give one per month",
        ),
        ("year = \"moist\"", "year = \"moist\": is no word known here; give one of dry, normal, wet"),
        (
            "csv = { file = 3, values = \"daily_mean\" }",
            "csv.file = 3: must not be integer `3`; a text in quotes is needed",
        ),
        ("scale = \"x\"", "scale = \"x\": must not be string \"x\"; a number is needed"),
        ("scale = nan", "scale = nan: is no factor; give a number, as 1.5"),
        (
            "shape = { file = 3, values = \"daily_mean\" }",
            "shape.file = 3: must not be integer `3`; a text in quotes is needed",
        ),
        ("daily = [1.0]", "daily = [1.0]: is no list of 24 factors; give one per hour of the civil day"),
        (
            "recession = [{ flow_m3s = -1.0, constant_d = 2.0 }]",
            "recession[0].flow_m3s = -1.0: is negative; give 0 or more",
        ),
        (
            "snow_melt = [{ begin = \"1d\", end = \"2d\", peak_m3s = 1.0, daily_share = 0.2, top_h = 25.0 }]",
            "snow_melt[0].top_h = 25.0: is no hour of a day; give 0 to 24, as 16.0",
        ),
        (
            "drought = { begin = \"2d\", end = \"1d\", to_share = 0.5 }",
            "drought.end = \"1d\": does not lie after begin; put begin before end",
        ),
        (
            "flood = [{ begin = \"1d\", peak_m3s = -5.0, to_peak_h = 6.0 }]",
            "flood[0].peak_m3s = -5.0: is negative; give 0 or more",
        ),
        (
            "storms = { interval_d = 0.0, peak_m3s = 2.0, to_peak_h = 8.0 }",
            "storms.interval_d = 0.0: is not above 0; give a positive number",
        ),
        (
            "hydropeaking = [{ blocks_h = [[7.0, 11.0]], on_m3s = nan, off_m3s = 0.0, ramp_h = 0.5 }]",
            "hydropeaking[0].on_m3s = nan: is no flow; give a number, in m³/s",
        ),
        (
            "hydropeaking = [{ blocks_h = [[7.0, 11.0]], on_m3s = 1.0, off_m3s = 0.0, ramp_h = 0.5, days = [\"mo\"] }]",
            "hydropeaking[0].days[0] = \"mo\": is no word known here; did you mean mon?",
        ),
        (
            "noise = { share = 0.2, correlation_h = 0.0 }",
            "noise.correlation_h = 0.0: is not above 0; give a positive number",
        ),
        ("noise = { correlation_h = 3.0 }", "noise: needs one strength; give share or deviation_m3s"),
        ("rain = 3", "rain = 3: no such key; remove it; keys here are"),
    ];
    for (text, wanted) in cases {
        let told = told(&format!("[inflow.longqu]\n{text}\n"));
        let [one] = told.as_slice() else { panic!("{text}: {told:?}") };
        assert!(one.starts_with(&format!("inflow longqu.{wanted}")), "{text}: {one}");
    }
}

/// By event: what is given beside `at`, and what is told of it, behind the place of the entry.
const EVENTS: [(&str, &str, &str); 51] = [
    ("trip", "gate = \"zf.hp.u9\"", ".gate = \"zf.hp.u9\": the configuration has no gate"),
    ("reset_trip", "gate = 1", ".gate = 1: must not be integer `1`; a text in quotes is needed"),
    ("stick", "gat = \"zf.hp.u1\"", ".gat = \"zf.hp.u1\": no such key; did you mean gate?"),
    ("free", "gate = \"zf.hp.u9\"", ".gate = \"zf.hp.u9\": the configuration has no gate"),
    (
        "local",
        "gate = [\"zf.hp.u1\"]",
        ".gate = [\"zf.hp.u1\"]: must not be sequence; a text in quotes is needed",
    ),
    ("remote", "", ".gate: is missing; give it"),
    (
        "estop",
        "gate = \"zf.hp.u1\"\non = \"yes\"",
        ".on = \"yes\": must not be string \"yes\"; true or false is needed",
    ),
    (
        "move_on_site",
        "gate = \"zf.hp.u1\"\nopening = 40.0",
        ".opening = 40.0: is no opening; give a fraction from 0 to 1",
    ),
    ("foreign_target", "gate = \"zf.hp.u1\"\nopening = -0.1", ".opening = -0.1: is no opening"),
    ("restart", "gate = \"zf.hp.u1\"\nopening = 2", ".opening = 2: is no opening"),
    (
        "second_master",
        "gate = \"zf.hp.u1\"\nopening = 0.2\nevery_s = 0.1",
        ".every_s = 0.1: cannot be; give 1 s to a day",
    ),
    ("second_master_gone", "gate = \"zf.hp.u9\"", ".gate = \"zf.hp.u9\": the configuration has no gate"),
    (
        "wear",
        "gate = \"zf.hp.u1\"\nbacklash = 0.9",
        ".backlash = 0.9: cannot be; give 0 to 0.5 of the stroke",
    ),
    (
        "limit_switch",
        "gate = \"zf.hp.u1\"\nend = \"topp\"",
        ".end = \"topp\": is no word known here; did you mean top?",
    ),
    ("position_frozen", "gate = \"zf.hp.u9\"", ".gate = \"zf.hp.u9\": the configuration has no gate"),
    ("position_offset", "gate = \"zf.hp.u1\"\nby = 3.0", ".by = 3.0: cannot be; give -1 to 1 of the stroke"),
    (
        "position_noise",
        "gate = \"zf.hp.u1\"\ndeviation = 1.5",
        ".deviation = 1.5: cannot be; give 0 to 1 of the stroke",
    ),
    ("position_normal", "gate = \"zf.hp.u9\"", ".gate = \"zf.hp.u9\": the configuration has no gate"),
    (
        "meter_frozen",
        "meter = \"q.runchen\"",
        ".meter = \"q.runchen\": the configuration has no meter \"q.runchen\"; did you mean q.runcheng?",
    ),
    (
        "meter_bias",
        "meter = \"q.runcheng\"\nadd = \"x\"",
        ".add = \"x\": must not be string \"x\"; a number is needed",
    ),
    (
        "meter_drift",
        "meter = \"q.runcheng\"\nper_day = true",
        ".per_day = true: must not be boolean `true`; a number is needed",
    ),
    ("meter_stuck", "meter = \"q.runcheng\"", ".value: is missing; give it"),
    (
        "meter_spike",
        "meter = \"q.runcheng\"\nadd = 1.0\nevery_s = 60.0\nfor_s = 90.0",
        ".for_s = 90.0: cannot be; give 0 to every_s",
    ),
    ("meter_noise", "meter = \"q.runcheng\"\ndeviation = \"x\"", ".deviation = \"x\": must not be string"),
    ("meter_unit", "meter = \"q.runcheng\"\nfactor = \"m3/h\"", ".factor = \"m3/h\": must not be string"),
    (
        "meter_word_order",
        "meter = \"q.runcheng\"\norder = \"ABDC\"",
        ".order = \"ABDC\": is no word known here; give one of ABCD, CDAB, BADC, DCBA",
    ),
    ("meter_reversed", "meter = \"q\"", ".meter = \"q\": the configuration has no meter"),
    ("meter_total", "meter = \"q.runcheng\"\nm3 = -1.0", ".m3 = -1.0: cannot be; give 0 to 1e15 m³"),
    ("meter_zero", "meter = \"q\"", ".meter = \"q\": the configuration has no meter"),
    ("meter_late", "meter = \"q.runcheng\"\nby_s = -5.0", ".by_s = -5.0: cannot be; give 0 s to a day"),
    (
        "meter_weather",
        "meter = \"q.runcheng\"\nrain_mm_h = 500.0",
        ".rain_mm_h = 500.0: cannot be; give 0 to 300 mm/h",
    ),
    ("meter_ice", "meter = \"q.runcheng\"\nrise_m = 9.0", ".rise_m = 9.0: cannot be; give 0 to 5 m"),
    ("meter_weed", "meter = \"q.runcheng\"\nshare = -0.1", ".share = -0.1: cannot be; give 0 to 5"),
    (
        "meter_backwater",
        "meter = \"q.runcheng\"\nsubmergence = 1.0",
        ".submergence = 1.0: cannot be; give 0 to 0.95",
    ),
    ("meter_air", "meter = \"q.runcheng\"\nshare = 1.0", ".share = 1.0: cannot be; give 0 to 0.9"),
    ("meter_sentinel", "meter = \"q\"", ".meter = \"q\": the configuration has no meter"),
    ("meter_normal", "meter = \"q\"", ".meter = \"q\": the configuration has no meter"),
    ("unplug", "device = \"x\"", ".device = \"x\": the configuration has no device"),
    ("plug", "device = 7", ".device = 7: must not be integer `7`; a text in quotes is needed"),
    (
        "cut_link",
        "link = \"dem\"",
        ".link = \"dem\": the configuration has no link \"dem\"; did you mean dam?",
    ),
    (
        "mend_link",
        "link = \"dem\"",
        ".link = \"dem\": the configuration has no link \"dem\"; did you mean dam?",
    ),
    ("lossy", "device = \"@\"\nshare = 1.1", ".share = 1.1: cannot be; give 0 to 1"),
    ("shared_unit", "device = \"@\"\nwith = \"@\"", ": cannot be; give another device of the same link"),
    ("own_unit", "device = \"x\"", ".device = \"x\": the configuration has no device"),
    ("inflows", "factor = -1.0", ".factor = -1.0: cannot be; give 0 to 1000"),
    (
        "wave",
        "inflow = \"longqu\"\npeak_m3s = 10.0\nto_peak_h = 0.0",
        ".to_peak_h = 0.0: cannot be; give 0.01 to 1000 h",
    ),
    ("ebb", "gate = \"zf.hp.u1\"", ".gate = \"zf.hp.u1\": no such key; remove it"),
    (
        "peaking",
        "station = \"hp.yuchi\"\non = 1",
        ".on = 1: must not be integer `1`; true or false is needed",
    ),
    (
        "meter_weather",
        "meter = \"q.runcheng\"\nwind_ms = 99.0",
        ".wind_ms = 99.0: cannot be; give -60 to 60 m/s",
    ),
    (
        "wave",
        "inflow = \"longq\"\npeak_m3s = 10.0\nto_peak_h = 5.0",
        ".inflow = \"longq\": the configuration has no inflow",
    ),
    ("inflows", "factor = 0.5\nover_h = -1.0", ".over_h = -1.0: cannot be; give 0 to 10000 h"),
];

/// A wrong value for every event there is, each alone; the list of events is that of the schema.
#[test]
fn a_wrong_value_of_any_event_is_told() {
    let device = shipped().field.devices[0].id.clone();
    let mut others = Vec::new();
    for (event, rest, wanted) in EVENTS {
        let rest = rest.replace('@', &device);
        let told = told(&format!("[event.x]\nat = \"1d\"\nevent = \"{event}\"\n{rest}\n"));
        let missing = |line: &&String| line.ends_with(": is missing; give it");
        let is_told = told.iter().any(|line| line.starts_with("event x") && line.contains(wanted));
        if !is_told || told.iter().filter(|line| !missing(line)).count() > 1 {
            others.push((event, wanted, told));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    let schema = serde_json::to_value(schemars::schema_for!(Event)).unwrap();
    let kinds = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["properties"]["event"]["const"].as_str().unwrap());
    let covered = EVENTS.iter().map(|(event, ..)| *event).collect::<BTreeSet<_>>();
    assert_eq!(kinds.collect::<BTreeSet<_>>(), covered);
}

/// What is no event: acts, demands, steps of the clock, slow links, notes, and what brings an entry about.
#[test]
fn a_wrong_value_of_anything_else_that_happens_is_told() {
    let cases = [
        ("at = \"1d\"\nact = \"hold\"", ".act = \"hold\": is no word known here; give one of hold_all,"),
        (
            "at = \"1d\"\nact = \"hold_all\"\ngate = \"zf.hp.u1\"",
            ".gate = \"zf.hp.u1\": no such key; remove it",
        ),
        ("at = \"1d\"\nact = \"release_hold\"\nx = 1", ".x = 1: no such key; remove it"),
        ("at = \"1d\"\nact = \"set_mode\"\nmode = \"manuel\"", ".mode = \"manuel\": is no word known here"),
        (
            "at = \"1d\"\nact = \"set_authority\"\ngate = \"zf.hp.u1\"\nauthority = \"nobody\"",
            ".authority = \"nobody\": is no word known here",
        ),
        (
            "at = \"1d\"\nact = \"set_point\"\ngate = \"zf.hp.u1\"\nopening = 7.0\nreason = \"x\"",
            ".opening = 7.0: is no opening; give a fraction from 0 to 1",
        ),
        (
            "at = \"1d\"\nact = \"stop_gate\"\ngate = \"zf.hp.u9\"",
            ".gate = \"zf.hp.u9\": the configuration has no gate",
        ),
        ("at = \"1d\"\nact = \"acknowledge\"", ".alarm: is missing; give it"),
        (
            "at = \"1d\"\nact = \"hold_all\"\nwho = 7",
            ".who = 7: is no name; give a name of 1 to 40 characters",
        ),
        (
            "at = \"1d\"\nact = \"sign_ticket\"\ngate = \"zf.tunnel.g9\"",
            ".gate = \"zf.tunnel.g9\": the configuration has no gate",
        ),
        (
            "at = \"1d\"\nact = \"ask_ticket\"\ngate = \"zf.eco.v1\"\npermit = \"season\"\nminutes = 60\nreason = \"x\"",
            ".permit = \"season\": cannot be: zf.eco.v1: is not locked by season; it needs no ticket",
        ),
        (
            "at = \"1d\"\nact = \"ask_ticket\"\ngate = \"zf.tunnel.g1\"\npermit = \"order\"\nnumber = \"12\"\nminutes = 60\nreason = \"x\"",
            ".giver: is missing; give it",
        ),
        (
            "at = \"1d\"\nact = \"ask_ticket\"\ngate = \"zf.eco.v1\"\npermit = \"starts\"\nflow_m3s = 2.0\nminutes = 60\nreason = \"x\"",
            ".flow_m3s = 2.0: is of another permit; remove it",
        ),
        (
            "at = \"1d\"\nact = \"ask_ticket\"\ngate = \"zf.eco.v1\"\npermit = \"starts\"\nminutes = 600\nreason = \"x\"",
            ".minutes = 600: is no such time; give 1 to 120",
        ),
        (
            "at = \"1d\"\nact = \"issue_warning\"\nelement = \"duanshi\"\ngrade = \"blue\"\ncause = \"x\"\nmeasure = \"y\"",
            ".element = \"duanshi\": the configuration has no section with a floor or wetland",
        ),
        (
            "at = \"1d\"\nact = \"open_incident\"\nreach = \"R4\"\nkm = 11.0\nhappened = \"12h\"\nlasts_min = 10\nwhat = \"x\"",
            ": is no incident: R4: km = 11: must be from 0 to 10",
        ),
        (
            "at = \"1d\"\nwant = \"in.duanshi\"\nrate_m3s = 0.2",
            ".want = \"in.duanshi\": the configuration has no intake",
        ),
        (
            "at = \"1d\"\nwant = \"in.duanshi_irr\"\nrate_m3s = -0.2",
            ".rate_m3s = -0.2: is no such number; give 0 to 10000",
        ),
        ("at = \"1d\"\nclock_step_s = \"x\"", ".clock_step_s = \"x\": is no such number"),
        (
            "at = \"1d\"\nslow_link = \"dem\"\nby_s = 1.0",
            ".slow_link = \"dem\": the configuration has no link",
        ),
        ("at = \"1d\"\nslow_link = \"dam\"\nby_s = 900.0", ".by_s = 900.0: is no such number; give 0 to 600"),
        ("at = \"1d\"\nnote = true", ".note = true: is no text; write one line in quotes"),
        ("at = \"1x\"\nnote = \"a\"", ".at = \"1x\": is no length of time"),
        ("after = 3\nnote = \"a\"", ".after = 3: is no name"),
        (
            "when = { section = \"runcheng\", below_m3s = \"x\" }\nnote = \"a\"",
            ".when.below_m3s = \"x\": must not be string",
        ),
        (
            "when = { section = \"runchen\", below_m3s = 1.0 }\nnote = \"a\"",
            ".when.section = \"runchen\": the configuration has no section",
        ),
        (
            "when = { section = \"runcheng\", below_m3s = 1.0, for = \"x\" }\nnote = \"a\"",
            ".when.for = \"x\": is no length",
        ),
        ("at = \"1d\"\nevery = 3\nnote = \"a\"", ".every = 3: is no length of time"),
        ("at = \"1d\"\ndelay = \"1h\"\nnote = \"a\"", ".delay = \"1h\": follows nothing"),
        ("at = \"1d\"\nlasts = \"1h\"\nnote = \"a\"", ".lasts = \"1h\": is only for a demand"),
    ];
    for (text, wanted) in cases {
        let told = told(&format!("[event.x]\n{text}\n"));
        let [one] = told.as_slice() else { panic!("{text}: {told:?}") };
        assert!(one.starts_with(&format!("event x{wanted}")), "{text}: {one}");
    }
}

/// What stands beside flows and happenings.
#[test]
fn a_wrong_value_of_anything_else_is_told() {
    let cases = [
        (
            "[intake.\"in.duanshi_irr\"]\nturns = [{ from = \"1d\", to = \"2d\", rate_m3s = -1.0 }]",
            "turns[0].rate_m3s = -1.0: is negative",
        ),
        (
            "[intake.\"in.duanshi_irr\"]\nturns = [{ from = \"2d\", to = \"1d\", rate_m3s = 1.0 }]",
            "turns[0]: ends before it begins",
        ),
        (
            "[intake.\"in.duanshi_irr\"]\nflow = { constant_m3s = true }",
            "flow.constant_m3s = true: must not be boolean",
        ),
        (
            "[lateral.a]\nreach = \"R1\"\nkm = -1.0\nflow = { constant_m3s = 1.0 }",
            "km = -1.0: lies outside the reach",
        ),
        (
            "[lateral.a]\nnode = \"nowhere\"\nflow = { constant_m3s = 1.0 }",
            "node = \"nowhere\": the configuration has no node",
        ),
        ("[loss]\nextra_per_km = 2.0", "extra_per_km = 2.0: is no share per km"),
        ("[reservoir.zhangfeng]\nlevel_m = 1.0", "level_m = 1.0: lies outside the table"),
        ("[reservoir.zhangfeng]\nlevel_m = nan", "level_m = nan: is no level"),
        ("[expect]\nkept = [\"x\"]", "kept[0] = \"x\": the configuration has no section with a floor"),
        ("[expect]\nhappened = [1]", "happened[0] = 1: must not be integer `1`; a text in quotes is needed"),
        ("[weather]\nrain = 1", "weather: no such key"),
    ];
    for (text, wanted) in cases {
        let told = told(&format!("{text}\n"));
        let [one] = told.as_slice() else { panic!("{text}: {told:?}") };
        assert!(one.contains(wanted), "{text}: {one}");
    }
}

/// Nothing is held against a head that is missing; the rest is told.
#[test]
fn a_file_without_a_head_has_its_other_faults_told() {
    let text = "[event.x]\nat = \"9d\"\nevery = \"1d\"\nevent = \"trip\"\ngate = \"zf.hp.u9\"\n";
    let said = load_in(folder(&[("s.toml", text)]).path()).unwrap_err();
    let wanted = [
        "s.toml:1  scenario: is missing; write [scenario] with name, seed, start and duration",
        "s.toml:5  event x.gate = \"zf.hp.u9\": the configuration has no gate \"zf.hp.u9\"; did you mean zf.hp.u1?",
        "2 problems; nothing was run",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
