use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A09 has an on delay of 60 s and an off delay of 30 s.
fn step(alarms: &mut Alarms, on: bool, seconds: u64) -> Vec<&'static str> {
    let conditions = if on { vec![Condition::new("A09", "q.x", json!({}))] } else { Vec::new() };
    words(alarms.advance(conditions, Duration::from_secs(seconds), Timestamp::UNIX_EPOCH))
}

fn words(changes: Vec<Change>) -> Vec<&'static str> {
    changes.into_iter().map(|change| change.change).collect()
}

/// One that has been raised.
fn raised() -> Alarms {
    let mut alarms = Alarms::default();
    step(&mut alarms, true, 5);
    assert_eq!(step(&mut alarms, true, 60), ["raised"]);
    alarms
}

#[test]
fn an_alarm_lives_its_life() {
    let mut alarms = Alarms::default();
    assert!(step(&mut alarms, true, 5).is_empty());
    assert!(step(&mut alarms, true, 59).is_empty());
    assert_eq!(step(&mut alarms, true, 1), ["raised"]);
    assert_eq!(alarms.acknowledge("A09:q.x").map(|c| c.change), Some("acknowledged"));
    assert!(alarms.acknowledge("A09:q.x").is_none());
    assert!(step(&mut alarms, false, 10).is_empty());
    assert_eq!(step(&mut alarms, false, 30), ["ended"]);
    assert!(alarms.status().is_empty());
}

#[test]
fn a_short_condition_raises_nothing_and_a_short_break_ends_nothing() {
    let mut alarms = Alarms::default();
    step(&mut alarms, true, 5);
    step(&mut alarms, true, 40);
    step(&mut alarms, false, 5);
    assert!(step(&mut alarms, true, 50).is_empty());
    let mut alarms = raised();
    assert!(step(&mut alarms, false, 5).is_empty());
    assert!(step(&mut alarms, false, 29).is_empty());
    assert!(step(&mut alarms, true, 5).is_empty());
    assert_eq!(alarms.status().len(), 1);
}

#[test]
fn what_returned_unseen_stays_until_it_is_seen() {
    let mut alarms = raised();
    step(&mut alarms, false, 5);
    assert_eq!(step(&mut alarms, false, 30), ["returned"]);
    let [alarm] = &alarms.status()[..] else { panic!() };
    assert!(!alarm.active && !alarm.acknowledged);
    alarms.acknowledge("A09:q.x");
    assert!(alarms.status().is_empty());
}

#[test]
fn within_its_dead_band_an_alarm_stays_and_none_is_raised() {
    let mut alarms = Alarms::default();
    let band = |alarms: &mut Alarms, seconds| {
        let condition = Condition { in_band: true, ..Condition::new("A09", "q.x", json!({})) };
        words(alarms.advance(vec![condition], Duration::from_secs(seconds), Timestamp::UNIX_EPOCH))
    };
    assert!(band(&mut alarms, 1000).is_empty() && alarms == Alarms::default());
    step(&mut alarms, true, 5);
    // On its way to be raised it is not kept on it.
    assert!(band(&mut alarms, 5).is_empty());
    assert!(step(&mut alarms, true, 59).is_empty());
    assert_eq!(step(&mut alarms, true, 60), ["raised"]);
    assert!(band(&mut alarms, 5).is_empty());
    assert!(band(&mut alarms, 3600).is_empty());
    assert_eq!(alarms.status().len(), 1);
    step(&mut alarms, false, 5);
    assert_eq!(step(&mut alarms, false, 30), ["returned"]);
}

#[test]
fn what_is_put_aside_comes_back_by_itself_unseen() {
    let mut alarms = raised();
    let hour = Duration::from_secs(3600);
    let change = alarms.shelve("A09:q.x", hour, ("li", "meter under repair"), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((change.change, &change.detail["shelf_reason"]), ("shelved", &json!("meter under repair")));
    assert!(alarms.status().is_empty());
    let aside = alarms.aside();
    let shelf = aside[0].shelf.as_ref().unwrap();
    assert_eq!((shelf.by.as_str(), shelf.until), ("li", at(3600)));
    assert!(alarms.stands("A09:q.x"), "a parent put aside is one still");
    assert!(step(&mut alarms, true, 3599).is_empty());
    // The clock stands: its own time counts.
    assert_eq!(step(&mut alarms, true, 1), ["unshelved"]);
    let [alarm] = &alarms.status()[..] else { panic!() };
    assert!(alarm.active && !alarm.acknowledged);
}

#[test]
fn a_clock_set_ahead_ends_the_time_aside_too() {
    let mut alarms = raised();
    let hour = Duration::from_secs(3600);
    alarms.shelve("A09:q.x", hour, ("li", "x"), Timestamp::UNIX_EPOCH).unwrap();
    let on = vec![Condition::new("A09", "q.x", json!({}))];
    assert_eq!(words(alarms.advance(on, Duration::from_secs(5), at(4000))), ["unshelved"]);
}

#[test]
fn what_a_person_takes_back_counts_as_seen() {
    let mut alarms = raised();
    let (hour, epoch) = (Duration::from_secs(3600), Timestamp::UNIX_EPOCH);
    alarms.shelve("A09:q.x", hour, ("li", "x"), epoch).unwrap();
    assert!(alarms.shelve("A09:q.x", hour, ("li", "x"), epoch).is_err(), "it stands aside already");
    assert!(alarms.acknowledge("A09:q.x").is_none());
    assert_eq!(alarms.unshelve("A09:q.x").unwrap().change, "unshelved");
    assert!(alarms.unshelve("A09:q.x").is_err());
    let [alarm] = &alarms.status()[..] else { panic!() };
    assert!(alarm.active && alarm.acknowledged);
}

#[test]
fn what_has_gone_while_it_stood_aside_does_not_come_back() {
    for by_hand in [true, false] {
        let mut alarms = raised();
        alarms.shelve("A09:q.x", Duration::from_secs(3600), ("li", "x"), Timestamp::UNIX_EPOCH).unwrap();
        step(&mut alarms, false, 5);
        assert!(step(&mut alarms, false, 30).is_empty());
        assert!(!alarms.stands("A09:q.x") && alarms.aside().len() == 1);
        if by_hand {
            assert_eq!(alarms.unshelve("A09:q.x").unwrap().change, "ended");
        } else {
            assert_eq!(step(&mut alarms, false, 3600), ["ended"]);
        }
        assert!(alarms.status().is_empty() && alarms.aside().is_empty());
    }
}

#[test]
fn an_alarm_is_put_aside_for_eight_hours_at_most_and_never_one_of_the_first_priority() {
    let mut alarms = raised();
    let shelve = |alarms: &mut Alarms, key: &str, minutes: u64| {
        alarms.shelve(key, Duration::from_secs(60 * minutes), ("li", "x"), Timestamp::UNIX_EPOCH)
    };
    assert!(shelve(&mut alarms, "A09:q.x", 0).is_err());
    assert!(shelve(&mut alarms, "A09:q.x", 481).is_err());
    assert!(shelve(&mut alarms, "A09:q.y", 60).is_err());
    assert!(shelve(&mut alarms, "A09:q.x", 480).is_ok());
    let flood = vec![Condition::new("A32", "lake", json!({}))];
    assert_eq!(words(alarms.advance(flood, Duration::from_secs(5), Timestamp::UNIX_EPOCH)), ["raised"]);
    assert!(shelve(&mut alarms, "A32:lake", 60).unwrap_err().contains("priority 1"));
}

#[test]
fn while_its_parent_stands_an_alarm_is_left_out() {
    let mut alarms = Alarms::default();
    let advance = |alarms: &mut Alarms, parent: bool, child: bool, seconds| {
        let child = child.then(|| Condition::new("A03", "s", json!({})).under("A01:s".into()));
        let parent = parent.then(|| Condition::new("A01", "s", json!({})));
        let conditions = child.into_iter().chain(parent).collect();
        words(alarms.advance(conditions, Duration::from_secs(seconds), Timestamp::UNIX_EPOCH))
    };
    // A03: 300 s on, 600 s off. A01: 600 s on, 60 s off.
    advance(&mut alarms, true, true, 5);
    assert_eq!(advance(&mut alarms, true, true, 300), ["raised"]);
    assert_eq!(advance(&mut alarms, true, true, 300), ["raised", "suppressed"]);
    assert_eq!(alarms.status().len(), 1);
    assert_eq!(alarms.aside()[0].parent.as_deref(), Some("A01:s"));
    advance(&mut alarms, false, true, 5);
    assert_eq!(advance(&mut alarms, false, true, 60), ["returned", "raised"]);
    assert!(alarms.aside().is_empty());
    // Left out from the start, and gone without ever having been told.
    let mut alarms = Alarms::default();
    advance(&mut alarms, true, false, 5);
    assert_eq!(advance(&mut alarms, true, true, 600), ["raised"]);
    assert_eq!(advance(&mut alarms, true, true, 300), ["suppressed"]);
    advance(&mut alarms, true, false, 5);
    assert_eq!(advance(&mut alarms, true, false, 600), ["ended"]);
    assert!(alarms.aside().is_empty());
}

#[test]
fn ten_new_ones_in_ten_minutes_are_a_flood_until_fewer_than_five_are() {
    let mut alarms = Alarms::default();
    let mut up = Vec::new();
    let mut second = 0;
    let mut advance = |alarms: &mut Alarms, up: &[String], seconds: i64| {
        second += seconds;
        let conditions = up.iter().map(|gate| Condition::new("A05", gate, json!({}))).collect();
        alarms.advance(conditions, Duration::from_secs(seconds.unsigned_abs()), at(second));
    };
    // One a minute: the tenth comes nine minutes after the first.
    for gate in 0..9 {
        up.push(format!("g{gate}"));
        advance(&mut alarms, &up, 60);
        assert!(alarms.flood().is_none(), "{gate}");
    }
    up.push("g9".to_owned());
    advance(&mut alarms, &up, 59);
    let flood = alarms.flood().unwrap();
    assert_eq!((flood.since, flood.first.as_str()), (at(9 * 60 + 59), "A05:g0"));
    // The fifth came at 300 s, so 600 s later five are left, the sixth's time being 360 s.
    advance(&mut alarms, &up, 301);
    assert!(alarms.flood().is_some(), "five are left");
    advance(&mut alarms, &up, 60);
    assert!(alarms.flood().is_none(), "four are left");
}

#[test]
fn what_an_older_service_remembered_is_understood() {
    let old = json!({ "open": { "A09:q.x": { "id": "A09", "element": "q.x", "priority": 2, "state": "Acknowledged",
        "held_s": 700.0, "present": true, "since": "1970-01-01T00:00:00Z", "detail": {} } } });
    let mut alarms: Alarms = serde_json::from_value(old).unwrap();
    assert!(step(&mut alarms, true, 5).is_empty());
    assert!(alarms.status()[0].active && alarms.status()[0].acknowledged);
}
