//! Acts in two steps: previews, their tokens, and confirmations that are refused.

use axum::http::StatusCode;
use qindan::control::advice::Proposal;
use qindan::control::operator::{Mode, Order};
use qindan::control::reason::{Because, Limit};
use qindan::control::status::Status;
use qindan::shell::people::Role;
use qindan::shell::web::preview;
use qindan::units::Opening;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::door;
use crate::fixture;
use crate::web::{answer, own, small_bench};

fn set_point(pct: f64) -> Value {
    json!({ "order": "set_point", "gate": "v1", "opening_pct": pct, "reason": "test of the valve" })
}

#[tokio::test]
async fn a_set_point_takes_preview_and_confirmation() {
    let mut bench = small_bench();
    let (status, shown) = bench.post("/api/v1/acts/preview", set_point(30.0)).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert_eq!(shown["expires_in_s"], 30);
    let seen = &shown["preview"];
    assert_eq!((&seen["from"], &seen["to"]), (&json!(0.24), &json!(0.3)));
    // 6 % of a stroke of 180 s.
    assert!((seen["travel_s"].as_f64().unwrap() - 10.8).abs() < 1e-9);
    // A valve passes in proportion to its opening: 1.11 · 30 / 24.
    assert!((seen["flow_then_m3s"].as_f64().unwrap() - 1.3875).abs() < 1e-9);
    assert_eq!(seen["takes_manual"], true);
    let sections = seen["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 2);
    assert_eq!(sections[0]["arrives_in_h"], json!([0.0, 0.0]));
    let token = shown["token"].as_str().unwrap();
    assert_eq!(token.len(), 32);

    let confirm = json!({ "request": "confirm-1", "token": token });
    let (status, first, act) = bench.post_taken("/api/v1/acts/confirm", confirm.clone()).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    let Order::SetPoint { gate, opening, reason } = act.unwrap().order else { panic!("another order") };
    assert_eq!((gate.0, opening, reason.as_str()), (0, Opening::clamped(0.3), "test of the valve"));

    let (status, second, act) = bench.post_taken("/api/v1/acts/confirm", confirm).await;
    assert_eq!((status, second, act), (StatusCode::OK, first, None), "equal request, first answer");
    let again = json!({ "request": "confirm-2", "token": token });
    assert_eq!(bench.post("/api/v1/acts/confirm", again).await.0, StatusCode::GONE, "a token works once");
}

/// Wave time from the reservoir to the ford, at the mean of 2.31 m³/s here and 1.6305 there, by the tables of the
/// fixture: (4 + 10) · 1.97025^(ln 0.5 / ln 20) = 11.9669 h; first response after 0.88 of it, all of it after 1.2.
#[tokio::test]
async fn a_preview_tells_the_arrival_window() {
    let (_, shown) = small_bench().post("/api/v1/acts/preview", set_point(30.0)).await;
    let window = &shown["preview"]["sections"][1]["arrives_in_h"];
    assert!((window[0].as_f64().unwrap() - 10.5309).abs() < 1e-3, "{window}");
    assert!((window[1].as_f64().unwrap() - 14.3603).abs() < 1e-3, "{window}");
}

/// Free flow under the plane gate of the fixture, 40 m above its sill: 0.6 · 4 m · 0.3 · 2.5 m · √(2 · 9.81 · 40)
/// = 50.4 m³/s; and from 24 to 30 % of the stroke a seen 1.2 m³/s grows in proportion to 1.5 m³/s.
#[test]
fn a_preview_foretells_the_flow_of_a_sluice_from_the_level_above() {
    let config = fixture::small();
    let mut status = fixture::status(&config);
    let g2 = config.basin.gate("g2").unwrap();
    let order =
        Order::SetPoint { gate: g2, opening: Opening::clamped(0.3), reason: "test of the gate".into() };
    status.gates[g2.0].flow.flow = Some(fixture::q(1.2));
    let flow = |status: &Status| preview::preview(&config, status, &order).flow_then_m3s.unwrap().get();
    assert!((flow(&status) - 1.5).abs() < 1e-9);
    status.gates[g2.0].opening = Some(Opening::SHUT);
    assert!((flow(&status) - 50.43).abs() < 0.01);
    status.image = vec![qindan::control::quality::Reading::NEVER; config.field.points.len()].into();
    assert_eq!(preview::preview(&config, &status, &order).flow_then_m3s, None, "no level, no flow");
}

#[tokio::test]
async fn a_preview_names_the_limit_a_set_point_would_break() {
    let bench = small_bench();
    bench.change(|s| {
        s.gates[0].permitted = (Opening::clamped(0.2), Opening::clamped(0.28));
        s.gates[0].permitted_by = (None, Some(Limit::RampUp { flow: fixture::q(3.1) }));
    });
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point(30.0)).await;
    assert_eq!(shown["preview"]["blocked_by"], json!([{ "limit": "ramp_up", "flow": 3.1 }]));
    assert_eq!(shown["preview"]["permitted"]["range"], json!([0.2, 0.28]));
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point(26.0)).await;
    assert_eq!(shown["preview"]["blocked_by"], json!([]));

    bench.change(|s| s.gates[0].blocked_by = vec![Limit::Manual, Limit::Mode]);
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point(26.0)).await;
    assert_eq!(shown["preview"]["blocked_by"], json!([{ "limit": "mode" }]), "advice sends nothing");
}

#[tokio::test]
async fn a_token_dies_after_thirty_seconds() {
    let mut bench = small_bench();
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point(30.0)).await;
    bench.wait(31);
    let confirm = json!({ "request": "confirm-1", "token": shown["token"] });
    let (status, why, act) = bench.post_taken("/api/v1/acts/confirm", confirm).await;
    assert_eq!((status, act), (StatusCode::GONE, None), "{why}");
}

#[tokio::test]
async fn a_confirmation_is_refused_when_the_picture_changed() {
    type Change = fn(&mut Status);
    let changes: [(&str, Change); 6] = [
        ("opening", |s| s.gates[0].opening = Some(Opening::clamped(0.27))),
        ("key", |s| s.gates[0].remote = Some(false)),
        ("fault", |s| s.gates[0].fault = Some(true)),
        ("mode", |s| s.mode = Mode::Manual),
        ("hold", |s| s.hold_all = Some("operator:console".into())),
        ("section lost", |s| s.sections[1].reading = qindan::control::quality::Reading::NEVER),
    ];
    for (what, change) in changes {
        let mut bench = small_bench();
        let (_, shown) = bench.post("/api/v1/acts/preview", set_point(30.0)).await;
        bench.change(change);
        let confirm = json!({ "request": "confirm-1", "token": shown["token"] });
        let (status, body, act) = bench.post_taken("/api/v1/acts/confirm", confirm).await;
        assert_eq!((status, act), (StatusCode::CONFLICT, None), "{what}");
        let renewed = json!({ "request": "confirm-2", "token": body["renewed"]["token"] });
        let (status, _, act) = bench.post_taken("/api/v1/acts/confirm", renewed).await;
        assert_eq!(
            (status, act.is_some()),
            (StatusCode::OK, true),
            "{what}: the new preview may be confirmed"
        );
    }
}

#[tokio::test]
async fn noise_does_not_spoil_a_confirmation() {
    let mut bench = small_bench();
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point(30.0)).await;
    bench.change(|s| {
        s.tick += 5;
        s.gates[0].opening = Some(Opening::clamped(0.243));
        s.sections[1].reading = fixture::good(1.64, 0);
    });
    let confirm = json!({ "request": "confirm-1", "token": shown["token"] });
    let (status, _, act) = bench.post_taken("/api/v1/acts/confirm", confirm).await;
    assert_eq!((status, act.is_some()), (StatusCode::OK, true));
}

#[tokio::test]
async fn impossible_set_points_are_named() {
    let bench = small_bench();
    for (body, word) in [
        (set_point(101.0), "0 to 100"),
        (set_point(95.0), "0 to 90"),
        (set_point(-1.0), "0 to 100"),
        (
            json!({ "order": "set_point", "gate": "g2", "opening_pct": 10.0, "reason": "x" }),
            "cannot be commanded",
        ),
        (json!({ "order": "set_point", "gate": "v9", "opening_pct": 10.0, "reason": "x" }), "no such gate"),
        (json!({ "order": "set_point", "gate": "v1", "opening_pct": 10.0, "reason": "  " }), "reason"),
    ] {
        let (status, answer) = bench.post("/api/v1/acts/preview", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[tokio::test]
async fn an_act_the_cycle_refuses_says_why() {
    let mut bench = small_bench();
    let (_, shown) =
        bench.post("/api/v1/acts/preview", json!({ "order": "set_mode", "mode": "advice" })).await;
    assert_eq!(shown["needs_password"], true);
    let confirm = json!({
        "request": "confirm-1", "token": shown["token"], "reason": "low water", "password": door::PASSWORD });
    let request = bench.router.clone().oneshot(own("/api/v1/acts/confirm", &confirm));
    let cycle = async {
        let (act, reply) = bench.acts.recv().await.unwrap();
        assert_eq!(act.order, Order::SetMode { mode: Mode::Advice });
        assert_eq!((act.who.as_str(), act.role.as_str()), (door::USER, "shift_leader"));
        assert_eq!(act.reason.as_deref(), Some("low water"));
        reply.send(Err("the record cannot be written".into())).unwrap();
    };
    let (response, ()) = tokio::join!(request, cycle);
    let (status, body) = answer(response.unwrap()).await;
    assert_eq!((status, &body["error"]), (StatusCode::CONFLICT, &json!("the record cannot be written")));
}

/// A gate that is to be left alone by protection takes a reason, kept with the act; it does not take the password.
#[tokio::test]
async fn why_a_gate_no_longer_protects_by_itself_is_asked() {
    let mut bench = small_bench();
    for authority in ["advice", "observe"] {
        let asked = json!({ "order": "set_authority", "gate": "v1", "authority": authority });
        let (_, shown) = bench.post("/api/v1/acts/preview", asked).await;
        assert_eq!((&shown["needs_reason"], &shown["needs_password"]), (&json!(true), &json!(false)));
        // v1 is the one valve of its dam.
        assert_eq!(shown["preview"]["unprotected"], true, "{shown}");
        let bare = json!({ "request": format!("{authority}-1"), "token": shown["token"] });
        let (status, why, act) = bench.post_taken("/api/v1/acts/confirm", bare).await;
        assert_eq!((status, act), (StatusCode::UNPROCESSABLE_ENTITY, None), "{why}");
        let told =
            json!({ "request": format!("{authority}-2"), "token": shown["token"], "reason": "crew at work" });
        let (status, _, act) = bench.post_taken("/api/v1/acts/confirm", told).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(act.unwrap().reason.as_deref(), Some("crew at work"));
    }
    let manual = json!({ "order": "set_authority", "gate": "v1", "authority": "manual" });
    let (_, shown) = bench.post("/api/v1/acts/preview", manual).await;
    assert_eq!((&shown["needs_reason"], &shown["preview"]["unprotected"]), (&json!(false), &json!(false)));
}

/// A warning goes out under the name of a shift leader, whatever an operator asks; who issues it needs no control of a river.
#[tokio::test]
async fn a_warning_is_issued_by_a_shift_leader_alone() {
    let bench = small_bench();
    let issue = |element: &str, cause: &str| json!({ "order": "issue_warning", "element": element, "grade": "orange", "cause": cause, "measure": "cut the mill" });
    let (status, shown) = bench.post("/api/v1/acts/preview", issue("ford", "low water")).await;
    assert_eq!((status, &shown["needs_password"]), (StatusCode::OK, &json!(false)), "{shown}");
    assert_eq!(shown["needs_control"], json!([]));
    for (body, word) in [
        (issue("nowhere", "low water"), "no warning is given of it"),
        (issue("ford", " "), "cause: must have"),
        (
            json!({ "order": "cancel_warning", "element": "ford", "warning": 1, "reason": "x" }),
            "not in force",
        ),
    ] {
        let (status, answer) = bench.post("/api/v1/acts/preview", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
    bench.is_now(Role::Operator);
    let (status, _) = bench.post("/api/v1/acts/preview", issue("ford", "low water")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

/// Any operator marks an incident; the second of two who accept what is proposed for it is a shift leader with the own password, and
/// has control of nothing.
#[tokio::test]
async fn what_is_proposed_for_an_incident_takes_a_second_person() {
    let bench = small_bench();
    let proposal = |signed: &[&str]| Proposal {
        id: 4,
        gate: qindan::basin::GateId(0),
        from: Some(Opening::clamped(0.24)),
        to: Opening::SHUT,
        protective: false,
        because: vec![Because::Pollution { incident: 1, arrives_h: Some(1.5) }],
        limits: Vec::new(),
        made: std::time::Duration::from_secs(1),
        until: std::time::Duration::from_secs(1_000_000),
        incident: Some(1),
        signed: signed.iter().map(|name| (*name).to_owned()).collect(),
    };
    let accept = || json!({ "order": "accept", "gate": "v1", "proposal": 4 });
    bench.change(|status| status.proposals = vec![proposal(&[])]);
    bench.is_now(Role::Operator);
    let (status, shown) = bench.post("/api/v1/acts/preview", accept()).await;
    assert_eq!((status, &shown["needs_password"]), (StatusCode::OK, &json!(false)), "{shown}");
    bench.change(|status| status.proposals = vec![proposal(&["wang"])]);
    assert_eq!(bench.post("/api/v1/acts/preview", accept()).await.0, StatusCode::FORBIDDEN);
    bench.is_now(Role::ShiftLeader);
    let (status, shown) = bench.post("/api/v1/acts/preview", accept()).await;
    assert_eq!((status, &shown["needs_password"]), (StatusCode::OK, &json!(true)), "{shown}");
    assert_eq!(shown["needs_control"], json!([]));

    bench.is_now(Role::Operator);
    let mark = |km: f64, ago_s: i64| {
        json!({
            "order": "open_incident", "reach": "A2", "km": km, "happened_s": fixture::NOW - ago_s, "lasts_min": 30, "what": "oil" })
    };
    assert_eq!(bench.post("/api/v1/acts/preview", mark(5.0, 60)).await.0, StatusCode::OK);
    for (body, word) in [(mark(20.1, 60), "from 0 to 20"), (mark(5.0, -60), "within the last")] {
        let (status, answer) = bench.post("/api/v1/acts/preview", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
    let close = json!({ "order": "close_incident", "incident": 1, "reason": "x" });
    let (status, answer) = bench.post("/api/v1/acts/preview", close).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}
