//! Five hundred alarms within a minute: the engine counts them as a flood and remembers the first; the page stays usable.

use std::time::Duration;

use qindan::control::alarm::{Alarms, Condition, LIST};
use qindan::control::operator::Order;
use qindan::control::status::{AlarmStatus, FloodStatus};
use serde_json::{Value, json};

use crate::core::Core;
use crate::fixture;
use crate::live::open;
use crate::page::{TURN, basins};
use crate::screens;

const MANY: usize = 500;

/// Alarm `k` of the flood: of many kinds, at as many elements as it takes.
fn of_flood(k: usize) -> (&'static str, u8, String) {
    let (id, priority, ..) = LIST[k % LIST.len()];
    (id, priority, format!("e{}", k / LIST.len()))
}

#[test]
fn the_engine_takes_five_hundred_in_a_minute_and_remembers_the_first() {
    let mut alarms = Alarms::default();
    let mut conditions = Vec::new();
    let mut second = 0;
    let mut advance = |alarms: &mut Alarms, conditions: &[Condition]| {
        second += 5;
        alarms.advance(conditions.to_vec(), Duration::from_secs(5), fixture::utc(second))
    };
    let (mut raised, mut flood) = (Vec::new(), None);
    // All come within a minute; the slowest kind waits for hours until it is believed.
    for step in 0..12 * 60 * 6 {
        let until = ((step + 1) * MANY / 12).min(MANY);
        for k in conditions.len()..until {
            let (id, _, element) = of_flood(k);
            conditions.push(Condition::new(id, element, json!({ "number": k })));
        }
        let changes = advance(&mut alarms, &conditions);
        raised
            .extend(changes.into_iter().filter(|change| change.change == "raised").map(|change| change.key));
        flood = flood.or_else(|| alarms.flood());
    }
    assert_eq!(raised.len(), MANY, "each was raised once");
    assert_eq!(flood.expect("a flood").first, raised[0]);
    let open = alarms.status();
    assert_eq!(open.len(), MANY, "none is lost");
    let order: Vec<_> = open.iter().map(|alarm| alarm.priority).collect();
    assert!(order.is_sorted(), "the urgent ones first");
    // All are seen and gone again: a quiet engine, and no flood.
    for alarm in &open {
        alarms.acknowledge(&alarm.key).unwrap();
    }
    for _ in 0..12 * 60 * 6 {
        advance(&mut alarms, &[]);
    }
    assert!(alarms.status().is_empty() && alarms.flood().is_none());
}

/// All that stand are seen in one tick and with one act, each with its record; what does not stand changes nothing.
#[test]
fn many_alarms_are_acknowledged_in_one_act() {
    let mut core = Core::automatic(0.4, 2.0);
    core.plugged(false);
    core.fails("q.ford");
    core.ticks(3600);
    let keys = core.alarms();
    assert!(keys.len() >= 2, "{keys:?}");
    core.entries.clear();
    let alarms = keys.iter().cloned().chain(["A05:nowhere".to_owned()]).collect::<Vec<_>>();
    core.order(Order::AcknowledgeMany { alarms: alarms.clone() });
    core.tick();
    let status = core.status();
    assert!(keys.iter().all(|key| status.alarms.iter().any(|open| open.key == *key && open.acknowledged)));
    let by_person = |core: &Core| -> Vec<Value> {
        let own = core.entries.iter().filter(|entry| entry.actor == "operator:console");
        own.map(|entry| entry.detail.clone().unwrap()).collect()
    };
    let told = by_person(&core);
    let seen: Vec<_> = told.iter().filter(|detail| detail["change"] == "acknowledged").collect();
    assert_eq!(seen.iter().map(|detail| detail["key"].as_str().unwrap()).collect::<Vec<_>>(), keys);
    let act = told.iter().find(|detail| detail["accepted"] == true).unwrap();
    assert_eq!(act["order"], json!({ "order": "acknowledge_many", "alarms": alarms }));
    assert_eq!(told.len(), keys.len() + 1);
    // A second time there is nothing to see.
    core.entries.clear();
    core.order(Order::AcknowledgeMany { alarms });
    core.tick();
    let told = by_person(&core);
    assert_eq!((told.len(), &told[0]["accepted"]), (1, &json!(false)), "{told:?}");
}

#[tokio::test]
async fn the_page_stays_usable_in_a_flood_of_five_hundred() {
    let _turn = TURN.lock().await;
    let config = basins().pop().unwrap();
    let (service, browser) = open(config.clone(), fixture::status(&config)).await;
    screens::go(&browser, "#/overview").await;
    let gates: Vec<_> = config.basin.gates.iter().map(|gate| gate.id.clone()).collect();
    let keys = |k: usize| {
        let (id, priority, _) = of_flood(k);
        let element = gates[(k / LIST.len()) % gates.len()].clone();
        (format!("{id}:{element}"), id, priority, element)
    };
    service.change(|s| {
        let alarms = (0..MANY).map(keys).map(|(key, id, priority, element)| AlarmStatus {
            key,
            id: id.into(),
            element,
            priority,
            active: true,
            acknowledged: false,
            since: fixture::utc(-20),
            detail: json!({}),
        });
        let mut alarms: Vec<_> = alarms.collect();
        alarms.sort_by_key(|alarm| alarm.priority);
        alarms.dedup_by(|a, b| a.key == b.key);
        s.alarms = alarms;
        s.flood = Some(FloodStatus { since: fixture::utc(-20), first: keys(0).0 });
    });
    browser.says("alarm-total", "500").await;
    // The overview has one entry for each kind, however many there are of it.
    let entries =
        browser.run("return document.querySelectorAll('.alarm-list > li').length").await.as_u64().unwrap();
    assert!(entries <= LIST.len() as u64 * 3, "{entries}");
    let before = browser.script_s().await;
    let ticks = "window.counted ??= 0; window.last ??= ''; const clock = document.querySelector('[data-testid=clock]').textContent;
                 if (clock !== window.last) { window.last = clock; window.counted += 1; } return window.counted >= 6 || null";
    browser.wait(&format!("(() => {{ {ticks} }})()")).await;
    let per_state = (browser.script_s().await - before) * 1000.0 / 6.0;
    println!("script a second on the overview in a flood of {MANY}: {per_state:.1} ms");
    screens::go(&browser, "#/alarms").await;
    browser.says("alarm-shown", "500 / 500").await;
    browser.says("flood", "报警泛滥").await;
    browser.says(&format!("page-alarm-{}", keys(0).0), "首发").await;
    let heads = browser.run("return document.querySelectorAll('.group-head').length").await.as_u64().unwrap();
    assert!((2..40).contains(&heads), "{heads}");
    let before = browser.script_s().await;
    browser.run("window.counted = 0").await;
    browser.wait(&format!("(() => {{ {ticks} }})()")).await;
    let per_state = (browser.script_s().await - before) * 1000.0 / 6.0;
    println!("script a second on the list of alarms in a flood of {MANY}: {per_state:.1} ms");
    // A filter answers: from the press to the list drawn.
    let filter =
        "const began = performance.now(); const box = document.querySelector('[data-testid=filter-words]');
        box.value = 'A05'; box.dispatchEvent(new Event('input'));
        return [performance.now() - began, document.querySelector('[data-testid=alarm-shown]').textContent]";
    let answer: Value = browser.run(filter).await;
    println!("a filter on {MANY}: {:.0} ms, {}", answer[0], answer[1]);
    // Half of what a person takes for slow; a slow machine has it too.
    assert!(answer[0].as_f64().unwrap() < 500.0, "{answer}");
    browser.run("const box = document.querySelector('[data-testid=filter-words]'); box.value = ''; box.dispatchEvent(new Event('input'))").await;
    // What is acknowledged is what was on the page: all of it, a hundred in each act.
    browser.click("filter-p4").await;
    browser.click("filter-p3").await;
    browser.click("ack-page").await;
    browser.click("ack-page-go").await;
    browser.wait("!document.querySelector('dialog')").await;
    let urgent = (0..MANY).map(keys).filter(|(_, _, priority, _)| *priority <= 2).count();
    let acts = service.acts();
    let counts = acts.iter().map(|act| {
        let Order::AcknowledgeMany { alarms } = act else { panic!("{act:?}") };
        alarms.len()
    });
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts.iter().sum::<usize>(), urgent, "{counts:?}");
    assert_eq!(counts.len(), urgent.div_ceil(100), "{counts:?}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
