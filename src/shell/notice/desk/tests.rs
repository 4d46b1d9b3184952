use std::time::Duration;

use super::*;
use crate::basin::Name;
use crate::config::notify::{Language, Receiver, Way};

const NOON: Time = Time::constant(12, 0, 0, 0);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn receiver(id: &str) -> Receiver {
    let name = Name { zh: id.into(), en: id.into() };
    Receiver { id: id.into(), name, language: Language::En, way: Way::Mail(format!("{id}@example.org")) }
}

fn route(id: &str, priorities: &[u8], chain: &[usize]) -> Route {
    Route {
        id: id.into(),
        priorities: priorities.to_vec(),
        alarms: Vec::new(),
        rivers: Vec::new(),
        chain: chain.to_vec(),
        after: Duration::from_secs(600),
        quiet: None,
    }
}

/// Duty, then the leader, then the chief, ten minutes apart; 12 messages an hour.
fn rules() -> Notify {
    Notify {
        on_bench: false,
        per_hour: 12,
        page: None,
        mail: None,
        receivers: ["duty", "leader", "chief"].map(receiver).to_vec(),
        routes: vec![route("all", &[1, 2, 3, 4], &[0, 1, 2])],
    }
}

fn alarm(key: &str, priority: u8, since: i64) -> Seen {
    let (id, element) = key.split_once(':').unwrap();
    Seen {
        key: key.into(),
        id: id.into(),
        element: element.into(),
        priority,
        since: at(since),
        rivers: Vec::new(),
        detail: Value::Null,
    }
}

/// A desk whose messages are taken at once.
struct Play {
    desk: Desk,
    rules: Notify,
}

impl Play {
    fn new(rules: Notify) -> Self {
        Self { desk: Desk::default(), rules }
    }

    /// `seconds` later with these alarms at `time`: messages as receiver and keys.
    fn at(&mut self, seconds: f64, alarms: &[Seen], time: Time) -> Vec<(String, Vec<String>)> {
        self.desk.pass(seconds, seconds);
        assert_eq!(self.desk.look(&self.rules, alarms, time), []);
        let (messages, told) = self.desk.due(&self.rules);
        assert_eq!(told, []);
        for message in &messages {
            let told = self.desk.done(&message.to, message.number, Outcome::Sent, 0.5).unwrap();
            assert_eq!((told.what, told.message), ("sent", Some(message.number)));
        }
        let keys = |message: Message| message.news.into_iter().map(|news| news.key).collect();
        messages.into_iter().map(|message| (message.to.clone(), keys(message))).collect()
    }

    fn later(&mut self, seconds: f64, alarms: &[Seen]) -> Vec<(String, Vec<String>)> {
        self.at(seconds, alarms, NOON)
    }
}

fn to(receiver: &str, keys: &[&str]) -> (String, Vec<String>) {
    (receiver.into(), keys.iter().map(|key| (*key).to_owned()).collect())
}

#[test]
fn what_nobody_acknowledges_goes_up_the_chain() {
    let mut play = Play::new(rules());
    let alarms = [alarm("A05:v1", 2, 0)];
    let rows: [(f64, Option<&str>); 7] = [
        (0.0, Some("duty")),
        (599.0, None),
        (1.0, Some("leader")),
        (599.0, None),
        (1.0, Some("chief")),
        (600.0, None),
        (86_400.0, None),
    ];
    for (at, (seconds, told)) in rows.into_iter().enumerate() {
        let wanted: Vec<_> = told.map(|who| to(who, &["A05:v1"])).into_iter().collect();
        assert_eq!(play.later(seconds, &alarms), wanted, "row {at}");
    }
}

#[test]
fn what_is_acknowledged_over_or_put_aside_goes_no_further_and_is_told_anew_when_it_comes_again() {
    let mut play = Play::new(rules());
    assert_eq!(play.later(0.0, &[alarm("A05:v1", 2, 0)]), [to("duty", &["A05:v1"])]);
    // All of these are an alarm that is not among those that stand and nobody has seen.
    assert_eq!(play.later(300.0, &[]), []);
    assert_eq!(play.later(3600.0, &[]), []);
    assert_eq!(play.later(1.0, &[alarm("A05:v1", 2, 3901)]), [to("duty", &["A05:v1"])]);
    // A new event in place of the old one, between two looks.
    assert_eq!(play.later(400.0, &[alarm("A05:v1", 2, 4100)]), [to("duty", &["A05:v1"])]);
    assert_eq!(play.later(599.0, &[alarm("A05:v1", 2, 4100)]), []);
    assert_eq!(play.later(1.0, &[alarm("A05:v1", 2, 4100)]), [to("leader", &["A05:v1"])]);
}

#[test]
fn an_alarm_goes_every_way_that_leads_it() {
    let floors = Route { alarms: vec!["A01".into()], ..route("floors", &[1], &[2]) };
    let qin = Route { rivers: vec!["qin".into()], ..route("qin", &[1, 2], &[0]) };
    let low = route("low", &[3, 4], &[1]);
    let rules = Notify { routes: vec![floors, qin, low], ..rules() };
    let about = |rivers: &[&str], alarm: Seen| Seen {
        rivers: rivers.iter().map(|river| (*river).to_owned()).collect(),
        ..alarm
    };
    let rows: [(Seen, &[&str]); 7] = [
        (about(&["qin"], alarm("A01:runcheng", 1, 0)), &["duty", "chief"]),
        (about(&["dan"], alarm("A01:dan1", 1, 0)), &["chief"]),
        (about(&["dan", "qin"], alarm("A04:v1", 2, 0)), &["duty"]),
        (about(&["dan"], alarm("A04:v2", 2, 0)), &[]),
        (alarm("A20:", 2, 0), &["duty"]),
        (alarm("A10:box", 3, 0), &["leader"]),
        (alarm("A27:", 4, 0), &["leader"]),
    ];
    for (alarm, wanted) in rows {
        let told = Play::new(rules.clone()).later(0.0, std::slice::from_ref(&alarm));
        let told: Vec<_> = told.iter().map(|(to, _)| to.as_str()).collect();
        assert_eq!(told, wanted, "{}", alarm.key);
    }
}

#[test]
fn quiet_hours_hold_back_what_can_wait_until_the_morning() {
    let time = |hour, minute| Time::constant(hour, minute, 0, 0);
    let night = (time(22, 0), time(6, 0));
    let rows = [(21, 59, false), (22, 0, true), (23, 59, true), (0, 0, true), (5, 59, true), (6, 0, false)];
    for (hour, minute, is_quiet) in rows {
        assert_eq!(within(night, time(hour, minute)), is_quiet, "{hour}:{minute}");
    }
    assert!(
        within((time(12, 0), time(13, 0)), time(12, 30)) && !within((time(12, 0), time(13, 0)), time(13, 0))
    );
    let quiet = Route { quiet: Some(night), ..route("all", &[1, 2, 3, 4], &[0, 1]) };
    let mut play = Play::new(Notify { routes: vec![quiet], ..rules() });
    let alarms = [alarm("A10:box", 3, 0), alarm("A05:v1", 2, 0)];
    assert_eq!(play.at(0.0, &alarms, time(23, 0)), [to("duty", &["A05:v1"])]);
    assert_eq!(play.at(600.0, &alarms, time(23, 10)), [to("leader", &["A05:v1"])]);
    assert_eq!(play.at(24_540.0, &alarms, time(5, 59)), []);
    assert_eq!(play.at(60.0, &alarms, time(6, 0)), [to("duty", &["A10:box"])]);
    assert_eq!(play.at(599.0, &alarms, time(6, 9)), []);
    assert_eq!(play.at(1.0, &alarms, time(6, 10)), [to("leader", &["A10:box"])]);
}

#[test]
fn the_second_half_of_the_hour_is_spaced_out_and_priority_one_does_not_wait_for_it() {
    // Two at once, then half an hour apart: 3600 s / (4 − 2).
    let rules = Notify { per_hour: 4, routes: vec![route("all", &[1, 2], &[0])], ..rules() };
    let mut play = Play::new(rules);
    let all = [
        alarm("A05:a", 2, 0),
        alarm("A05:b", 2, 1),
        alarm("A05:c", 2, 2),
        alarm("A05:d", 2, 3),
        alarm("A01:e", 1, 4),
        alarm("A01:f", 1, 5),
    ];
    assert_eq!(play.later(0.0, &all[..1]), [to("duty", &["A05:a"])]);
    assert_eq!(play.later(1.0, &all[..2]), [to("duty", &["A05:b"])]);
    assert_eq!(play.later(1.0, &all[..4]), []);
    assert_eq!(play.later(1798.0, &all[..4]), []);
    assert_eq!(play.later(1.0, &all[..4]), [to("duty", &["A05:c", "A05:d"])]);
    assert_eq!(play.later(1.0, &all[..5]), [to("duty", &["A01:e"])]);
    // Four in this hour: not even that one, until the first is an hour old.
    assert_eq!(play.later(1797.0, &all), []);
    assert_eq!(play.later(1.0, &all), [to("duty", &["A01:f"])]);
}

#[test]
fn a_flood_of_alarms_is_few_messages_and_none_of_it_is_lost() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let per_hour = random.u32(1..=20);
        let rules = Notify { per_hour, routes: vec![route("all", &[1, 2, 3, 4], &[0])], ..rules() };
        let mut play = Play::new(rules);
        let (mut now, mut standing, mut sent, mut told) = (0.0, Vec::new(), Vec::new(), BTreeSet::new());
        while told.len() < 500 {
            while standing.len() < 500 && random.f64() < 0.7 {
                let number = standing.len();
                let since = i64::try_from(number).unwrap();
                standing.push(alarm(&format!("A05:g{number}"), random.u8(1..=4), since));
            }
            let step = f64::from(random.u32(1..=60));
            now += step;
            for (_, keys) in play.later(step, &standing) {
                sent.push(now);
                told.extend(keys);
            }
            assert!(now < 4.0 * 3600.0, "seed {seed}: {} told", told.len());
        }
        for begin in &sent {
            let hour = sent.iter().filter(|at| (*begin..*begin + 3600.0).contains(*at)).count();
            assert!(hour <= per_hour as usize, "seed {seed}: {hour} of {per_hour} from {begin}");
        }
    }
}

#[test]
fn pauses_double_up_to_ten_minutes_and_are_moved_by_up_to_half() {
    let middle = [3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0, 600.0, 600.0];
    for (tries, wanted) in (1..).zip(middle) {
        let pauses = [0.0, 0.5, 1.0].map(|jitter| pause_s(tries, jitter));
        let by_hand = [wanted / 2.0, wanted, wanted * 1.5];
        let apart = pauses.iter().zip(by_hand).map(|(pause, hand)| (pause - hand).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-9, "after {tries}: {pauses:?}");
    }
}

/// Tries and gives the outcome until nothing is due any more; how often it was tried, and the last word.
fn fail(play: &mut Play, alarms: &[Seen], outcome: &Outcome) -> (u32, Option<Told>) {
    let (mut tries, mut last) = (0, None);
    for _ in 0..100 {
        play.desk.pass(0.0, 700.0);
        play.desk.look(&play.rules, alarms, NOON);
        for message in play.desk.due(&play.rules).0.into_iter().filter(|message| message.to == "duty") {
            tries += 1;
            last = play.desk.done("duty", message.number, outcome.clone(), 0.0);
        }
    }
    (tries, last)
}

#[test]
fn a_receiver_that_cannot_be_reached_is_given_up_and_the_next_is_told_at_once() {
    let mut play = Play::new(rules());
    let alarms = [alarm("A05:v1", 2, 0)];
    let (tries, last) = fail(&mut play, &alarms, &Outcome::Again("no answer".into()));
    let last = last.unwrap();
    assert_eq!((tries, last.what, last.tries), (TRIES, "failed", TRIES));
    assert_eq!(
        (last.why.as_deref(), last.alarms.as_slice()),
        (Some("no answer"), &["A05:v1".to_owned()][..])
    );
    // No service time has passed: the leader was told because the duty could not be.
    let numbers = play.desk.numbers();
    assert_eq!((numbers.failed, numbers.deaf, numbers.sent), (1, 1, 0));
    assert!(play.desk.trays["leader"].flight.is_some() && !play.desk.trays.contains_key("chief"));
    // Heard of again, and not deaf any more.
    let again = [alarm("A31:u1", 2, 100)];
    play.desk.trays.remove("leader");
    assert_eq!(play.later(0.0, &again), [to("duty", &["A31:u1"])]);
    assert_eq!(play.desk.numbers().deaf, 0);
    let (tries, last) = fail(&mut Play::new(rules()), &alarms, &Outcome::Never("answered 410".into()));
    assert_eq!((tries, last.unwrap().what), (1, "failed"));
}

#[test]
fn three_failures_make_a_receiver_deaf_before_it_is_given_up_and_a_day_without_a_try_ends_that() {
    let mut play = Play::new(rules());
    let alarms = [alarm("A05:v1", 2, 0)];
    for tries in 1..=5 {
        play.desk.pass(0.0, 700.0);
        play.desk.look(&play.rules, &alarms, NOON);
        let (messages, _) = play.desk.due(&play.rules);
        assert_eq!(messages.len(), 1);
        assert_eq!(play.desk.numbers().deaf, u32::from(tries > 3), "try {tries}");
        play.desk.done("duty", 1, Outcome::Again("no answer".into()), 0.5);
    }
    play.desk.trays.get_mut("duty").unwrap().flight = None;
    play.desk.trays.get_mut("duty").unwrap().deaf_s = Some(0.0);
    play.desk.pass(0.0, 86_399.0);
    assert_eq!(play.desk.numbers().deaf, 1);
    play.desk.pass(0.0, 1.0);
    assert_eq!(play.desk.numbers().deaf, 0);
}

#[test]
fn what_is_over_before_it_got_through_is_not_tried_again() {
    let mut play = Play::new(rules());
    let alarms = [alarm("A05:v1", 2, 0)];
    play.desk.look(&play.rules, &alarms, NOON);
    assert_eq!(play.desk.due(&play.rules).0.len(), 1);
    play.desk.done("duty", 1, Outcome::Again("no answer".into()), 0.5);
    play.desk.pass(2.0, 2.0);
    play.desk.look(&play.rules, &[], NOON);
    assert_eq!(play.desk.due(&play.rules), (Vec::new(), Vec::new()), "not before its time");
    play.desk.pass(1.0, 1.0);
    let (messages, told) = play.desk.due(&play.rules);
    assert_eq!((messages.len(), told.len()), (0, 1));
    assert_eq!((told[0].what, told[0].message), ("withdrawn", Some(1)));
    // A late answer is about nothing any more.
    assert_eq!(play.desk.done("duty", 1, Outcome::Sent, 0.5), None);
}

#[test]
fn what_came_and_went_while_it_waited_is_counted_in_the_next_message() {
    let rules = Notify { per_hour: 1, routes: vec![route("all", &[2], &[0])], ..rules() };
    let mut play = Play::new(rules);
    assert_eq!(play.later(0.0, &[alarm("A05:a", 2, 0)]).len(), 1);
    assert_eq!(play.later(1.0, &[alarm("A05:b", 2, 1), alarm("A05:c", 2, 1)]), []);
    assert_eq!(play.later(1.0, &[alarm("A05:c", 2, 1)]), []);
    play.desk.pass(3600.0, 3600.0);
    play.desk.look(&play.rules, &[alarm("A05:c", 2, 1)], NOON);
    let (messages, _) = play.desk.due(&play.rules);
    assert_eq!((messages[0].news.len(), messages[0].gone, messages[0].dropped), (1, 1, 0));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut play = Play::new(rules());
    let alarms = [alarm("A05:v1", 2, 0)];
    assert_eq!(play.later(0.0, &alarms), [to("duty", &["A05:v1"])]);
    // Leader: under way when the service ends.
    play.desk.pass(600.0, 600.0);
    play.desk.look(&play.rules, &alarms, NOON);
    let before = play.desk.due(&play.rules).0;
    assert_eq!(before.len(), 1);
    assert!(play.desk.take_changed() && !play.desk.take_changed());
    let stored = serde_json::to_vec(&play.desk).unwrap();
    let mut desk: Desk = serde_json::from_slice(&stored).unwrap();
    desk.pass(30.0, 30.0);
    desk.look(&play.rules, &alarms, NOON);
    let after = desk.due(&play.rules).0;
    assert_eq!((after.len(), after[0].number, after[0].to.as_str()), (1, before[0].number, "leader"));
    assert_eq!(desk.done("leader", after[0].number, Outcome::Sent, 0.5).unwrap().tries, 2);
    // The time since the leader was told goes on over the restart.
    let mut play = Play { desk, rules: rules() };
    assert_eq!(play.later(569.0, &alarms), []);
    assert_eq!(play.later(1.0, &alarms), [to("chief", &["A05:v1"])]);
    // A route that is not configured any more is forgotten, and nobody is told twice by it.
    play.rules.routes[0].id = "other".into();
    play.rules.receivers.truncate(1);
    play.rules.routes[0].chain = vec![0];
    play.desk.fit(&play.rules);
    assert_eq!(play.desk.trays.keys().collect::<Vec<_>>(), ["duty"]);
    assert!(play.desk.chains.is_empty());
}

#[test]
fn what_there_is_no_room_for_is_counted_and_told_and_the_urgent_stays() {
    let rules = Notify { per_hour: 1, routes: vec![route("all", &[1, 4], &[0])], ..rules() };
    let mut play = Play::new(rules);
    assert_eq!(play.later(0.0, &[alarm("A05:first", 4, 0)]).len(), 1);
    let mut many: Vec<_> =
        (0..WAITING_MOST + 4).map(|number| alarm(&format!("A05:g{number:04}"), 4, 1)).collect();
    many.push(alarm("A01:urgent", 1, 2));
    let told = play.desk.look(&play.rules, &many, NOON);
    assert_eq!((told.len(), told[0].what, told[0].alarms.len()), (1, "dropped", 5));
    assert!(!told[0].alarms.contains(&"A01:urgent".to_owned()));
    assert_eq!(play.desk.numbers().dropped, 5);
    play.desk.pass(3600.0, 3600.0);
    play.desk.look(&play.rules, &many, NOON);
    let (messages, _) = play.desk.due(&play.rules);
    assert_eq!((messages[0].news.len(), messages[0].dropped), (WAITING_MOST, 5));
    assert_eq!(messages[0].news[0].key, "A01:urgent");
}
