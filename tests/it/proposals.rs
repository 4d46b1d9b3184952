//! What dispatch proposes and what an opening would do, on the page in a headless Chromium.

use std::time::Duration;

use qindan::basin::GateId;
use qindan::control::operator::{Mode, Order};
use qindan::control::reason::Because;
use qindan::units::Opening;

use crate::fixture;
use crate::page::{TURN, small_page};

#[tokio::test]
async fn a_proposal_is_accepted_or_rejected_with_a_reason() {
    let _turn = TURN.lock().await;
    let (service, browser, config) = small_page().await;
    assert!(!browser.sees("advice").await, "nothing is proposed in automatic");
    let proposal = |id: u64, to: f64| qindan::control::advice::Proposal {
        id,
        gate: GateId(0),
        from: Some(Opening::clamped(0.24)),
        to: Opening::clamped(to),
        protective: false,
        because: vec![Because::OutletFloor {
            section: fixture::far_section(&config),
            setpoint: fixture::q(1.6),
        }],
        limits: Vec::new(),
        made: Duration::from_secs(1),
        until: Duration::from_secs(1_000_000),
        incident: None,
        signed: Vec::new(),
    };
    service.change(|s| {
        s.mode = Mode::Advice;
        s.proposals = vec![proposal(7, 0.3)];
    });
    browser.says("proposal-v1", "24.0 % → 30.0 %").await;
    browser.says("proposal-v1", "1.60").await;
    browser.click("accept-v1").await;
    // As for a set-point of the same opening: 1.11 · 30 / 24.
    browser.says("dialog", "1.11 → 1.39").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "884214").await;
    browser.run("document.querySelector('dialog').close()").await;
    let opening = Opening::clamped(0.3);
    assert_eq!(service.acts(), [Order::Accept { gate: GateId(0), proposal: 7, opening, second: false }]);

    service.change(|s| s.proposals = vec![proposal(8, 0.35)]);
    browser.click("reject-v1").await;
    browser.click("reject-next").await;
    assert!(browser.sees("reject-reason").await, "not without a reason");
    browser.fill("reject-reason", "下游有人").await;
    browser.click("reject-next").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "4711").await;
    let reason = "下游有人".to_owned();
    assert_eq!(service.acts()[1], Order::Reject { gate: GateId(0), proposal: 8, reason });
    browser.says("advice-score", "–").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn dragging_an_opening_tells_what_it_would_do_and_sends_nothing() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    browser.click("gate-v1").await;
    browser.run("document.querySelector('[data-testid=what-if-box]').open = true").await;
    browser.says("what-if-at", "24.0").await;
    let drag = "const slide = document.querySelector('[data-testid=what-if]');
        for (const at of [25, 27, 30]) { slide.value = at; slide.dispatchEvent(new Event('input', { bubbles: true })); }";
    browser.run(drag).await;
    browser.says("what-if-at", "30.0").await;
    // As in the preview of the same set-point: 1.11 · 30 / 24, and 0.28 more at the outlet.
    browser.says("what-if-effect", "1.11 → 1.39").await;
    browser.says("what-if-effect", "2.31 → 2.59").await;
    assert_eq!(service.acts(), []);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn one_gate_is_put_into_advice_with_a_reason_and_named_on_the_overview() {
    let _turn = TURN.lock().await;
    let (service, browser, _) = small_page().await;
    assert!(!browser.sees("not-automatic").await);
    browser.click("gate-v1").await;
    browser.click("gate-mode").await;
    browser.click("give-advice").await;
    browser.says("unprotected", "下限").await;
    browser.wait("document.querySelector('dialog [data-testid=confirm]')?.disabled === false").await;
    browser.fill("mode-reason", "与老系统并行").await;
    assert!(!browser.sees("own-password").await, "a gate takes no password");
    browser.press("confirm", Duration::from_millis(1300)).await;
    browser.says("taken", "884214").await;
    browser.run("document.querySelector('dialog').close()").await;
    let authority = qindan::control::operator::Authority::Advice;
    assert_eq!(service.acts(), [Order::SetAuthority { gate: GateId(0), authority }]);
    browser.says("badges-v1", "建").await;
    browser.says("not-automatic", "建议").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
