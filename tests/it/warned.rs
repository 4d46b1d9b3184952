//! Warnings of sections 预警: found from what the meters show, proposed, issued and cancelled by people, on the small basin (the
//! ford with its floor of 1.5 m³/s).

use std::time::Duration;

use qindan::basin::Grade;
use qindan::control::operator::Order;
use qindan::control::record::Kind;
use qindan::control::warning::{Basis, Finding, Proposed, Sign, Watch};

use crate::core::Core;
use crate::page::{TURN, small_page};

fn ford(core: &Core) -> Watch {
    core.status().warnings.into_iter().find(|watch| watch.element == "ford").unwrap()
}

/// What the record says of warnings at the ford.
fn told(core: &Core) -> Vec<(String, serde_json::Value)> {
    let of = core.entries.iter().filter(|entry| entry.kind == Kind::Warning);
    let details = of.filter_map(|entry| entry.detail.clone()).filter(|detail| detail["element"] == "ford");
    details.map(|detail| (detail["warning_was"].as_str().unwrap().to_owned(), detail)).collect()
}

fn issue(grade: Grade) -> Order {
    let (cause, measure) = ("上游取水".to_owned(), "削减灌溉".to_owned());
    Order::IssueWarning { element: "ford".into(), grade, cause, measure }
}

/// 1.8 m³/s, then 1.35: five of six bins at 1.35 make an hour of 1.425, below the floor and above 0.8 of it, so orange; it is
/// proposed ten minutes later. The warning a person issues stands as alarm A54 until a person cancels it.
#[test]
fn a_warning_is_proposed_issued_and_cancelled() {
    let mut core = Core::automatic(0.24, 1.9);
    core.ticks(1200);
    assert!(ford(&core).known);
    core.meter("q.ford", 1.35);
    // Six bins, ten minutes, and the bin it began in.
    core.ticks(3600 + 600 + 600 + 10);
    let watch = ford(&core);
    assert_eq!(watch.grade, Some(Grade::Orange));
    let found = watch.found.unwrap();
    assert_eq!((found.sign, found.basis, found.limit), (Sign::HourMean, Basis::Measured, 1.5));
    assert!((1.3..1.5).contains(&found.value), "{found:?}");
    assert_eq!(watch.proposed.unwrap().grade, Some(Grade::Orange));
    assert!(core.alarms().contains(&"A51:ford".to_owned()), "{:?}", core.alarms());
    assert!(watch.issued.is_none() && !core.alarms().contains(&"A54:ford".to_owned()));

    core.order(issue(Grade::Orange));
    core.ticks(10);
    let issued = ford(&core).issued.unwrap();
    assert_eq!(
        (issued.grade, issued.by.as_str(), issued.cause.as_str()),
        (Grade::Orange, "console", "上游取水")
    );
    assert!(
        core.alarms().contains(&"A54:ford".to_owned()) && !core.alarms().contains(&"A51:ford".to_owned())
    );
    // The same again is refused, another grade takes its place.
    core.order(issue(Grade::Orange));
    core.order(issue(Grade::Red));
    core.ticks(10);
    assert_eq!(ford(&core).issued.unwrap().grade, Grade::Red);
    assert!(
        core.alarms().contains(&"A55:ford".to_owned()) && !core.alarms().contains(&"A54:ford".to_owned())
    );

    // Water comes back: the warning stands, an end of it, or a slighter grade, is proposed after an hour above the band.
    core.meter("q.ford", 1.8);
    core.ticks(3600 + 600 + 3600 + 10);
    let watch = ford(&core);
    assert!(watch.grade < Some(Grade::Orange), "{watch:?}");
    assert_eq!(watch.proposed.unwrap().grade, watch.grade);
    assert_eq!(watch.issued.as_ref().unwrap().grade, Grade::Red);
    let id = watch.issued.unwrap().id;
    let cancel =
        |id: u64| Order::CancelWarning { element: "ford".into(), warning: id, reason: "水回来了".into() };
    core.order(cancel(id + 1));
    core.order(cancel(id));
    core.ticks(10);
    assert!(ford(&core).issued.is_none() && !core.alarms().contains(&"A55:ford".to_owned()));
    let words: Vec<_> = told(&core)
        .into_iter()
        .map(|(was, _)| was)
        .filter(|was| !["proposed", "withdrawn"].contains(&was.as_str()))
        .collect();
    assert_eq!(words, ["issued", "replaced", "issued", "cancelled"]);
    let all = told(&core);
    let (_, first) = all.iter().find(|(was, _)| was == "issued").unwrap();
    assert_eq!(
        (first["grade"].as_str(), first["measure"].as_str(), first["found"]["limit"].as_f64()),
        (Some("orange"), Some("削减灌溉"), Some(1.5))
    );
}

/// A meter that never had a value gives no grade and no number, and proposes nothing; a person may warn all the same.
#[test]
fn without_data_nothing_is_proposed_and_people_may_warn() {
    let mut core = Core::automatic(0.24, 1.9);
    core.fails("q.ford");
    core.ticks(1);
    core.ticks(4000);
    let watch = ford(&core);
    assert!(!watch.known || watch.found.is_some_and(|found| found.basis != Basis::Measured), "{watch:?}");
    if !watch.known {
        assert_eq!((watch.grade, watch.found, watch.proposed), (None, None, None));
    }
    core.order(issue(Grade::Blue));
    core.ticks(10);
    assert_eq!(ford(&core).issued.unwrap().grade, Grade::Blue);
    assert!(core.alarms().contains(&"A52:ford".to_owned()));
}

/// What is proposed stands on the overview; on its screen a shift leader issues it with cause and measure, and cancels it.
#[tokio::test]
async fn a_warning_is_issued_and_cancelled_on_its_screen() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    assert!(!browser.sees("warning-ford").await, "nothing to warn of");
    service.change(|s| {
        let since = s.utc;
        let watch = s.warnings.iter_mut().find(|watch| watch.element == "ford").unwrap();
        (watch.known, watch.grade) = (true, Some(Grade::Orange));
        watch.found = Some(Finding {
            sign: Sign::HourMean,
            basis: Basis::Estimated,
            value: 1.42,
            limit: 1.5,
            in_h: None,
        });
        watch.proposed = Some(Proposed { grade: Some(Grade::Orange), since });
    });
    browser.says("warning-ford", "拟橙色预警").await;
    browser.run("location.hash = '#/warnings'").await;
    browser.says("watch-ford", "1.42").await;
    browser.says("watch-ford", "估计").await;
    browser.says("watch-outlet", "无数据").await;
    browser.click("issue-ford").await;
    browser.click("warning-next").await;
    assert!(browser.sees("warning-cause").await, "not without a cause");
    browser.fill("warning-cause", "上游取水").await;
    browser.fill("warning-measure", "削减灌溉").await;
    browser.click("warning-next").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    browser.run("document.querySelector('dialog').close()").await;
    assert_eq!(service.acts(), [issue(Grade::Orange)]);
    browser.says("watch-ford", "削减灌溉").await;
    browser.click("cancel-ford").await;
    browser.fill("warning-reason", "水回来了").await;
    browser.click("warning-next").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    let reason = "水回来了".to_owned();
    assert_eq!(service.acts()[1], Order::CancelWarning { element: "ford".into(), warning: 1, reason });
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
