//! What an act needs of whoever asks for it: role, control of rivers, the own password.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use super::App;
use super::acts::Answer;
use crate::control::operator::Order;
use crate::shell::people::{Caller, Need, Person};

/// Whether this person may give this order at all: role, and the gates the person is here for.
pub(super) fn permit(app: &App, person: &Person, address: &str, order: &Order) -> Result<(), Answer> {
    let (need, gate, is_all) = match order {
        Order::HoldAll
        | Order::StopGate { .. }
        | Order::Acknowledge { .. }
        | Order::AcknowledgeMany { .. }
        | Order::Shelve { .. }
        | Order::Unshelve { .. }
        | Order::Enter { .. }
        | Order::Withdraw { .. }
        | Order::OpenIncident { .. } => (Need::Operate, None, false),
        Order::ReleaseHold => (Need::Operate, None, true),
        // Closing an incident gives back whatever gates were shut for it.
        Order::SetMode { .. } | Order::CloseIncident { .. } => (Need::Lead, None, true),
        Order::IssueWarning { .. } | Order::CancelWarning { .. } => (Need::Lead, None, false),
        // The second of two people.
        Order::SignTicket { gate, .. } | Order::Accept { gate, second: true, .. } => {
            (Need::Lead, Some(*gate), false)
        }
        Order::ActivateSchedule { .. } => (Need::Schedule, None, false),
        Order::SetAuthority { gate, .. }
        | Order::SetPoint { gate, .. }
        | Order::Accept { gate, .. }
        | Order::Reject { gate, .. }
        | Order::AskTicket { gate, .. }
        | Order::EndTicket { gate, .. } => (Need::Operate, Some(*gate), false),
    };
    let named = gate.and_then(|gate| app.web.config.basin.gates.get(gate.0)).map(|gate| gate.id.as_str());
    let own = person.gates.as_ref().is_none_or(|gates| !is_all && named.is_none_or(|id| gates.contains(id)));
    if person.role.may(need) && own {
        return Ok(());
    }
    let why = if own {
        format!("not with your role; this needs {}", need.words())
    } else {
        "not among the gates you are here for".to_owned()
    };
    let asked =
        serde_json::to_value(order).unwrap_or_default()["order"].as_str().unwrap_or_default().to_owned();
    let asked = named.map_or_else(|| asked.clone(), |gate| format!("{asked} {gate}"));
    app.web.people.tell_refused(&Caller::Person(person.clone()), &asked, need.words(), address);
    Err(Answer::refused(StatusCode::FORBIDDEN, &why))
}

/// Rivers whose control an order needs; stopping, holding and what concerns an alarm alone need none.
pub(super) fn rivers(app: &App, order: &Order) -> Vec<String> {
    match order {
        Order::HoldAll
        | Order::StopGate { .. }
        | Order::Acknowledge { .. }
        | Order::AcknowledgeMany { .. }
        | Order::Shelve { .. }
        | Order::Unshelve { .. }
        | Order::IssueWarning { .. }
        | Order::CancelWarning { .. }
        | Order::OpenIncident { .. }
        | Order::ActivateSchedule { .. }
        // Who signs is another person than who has control.
        | Order::Accept { second: true, .. }
        | Order::SignTicket { .. } => Vec::new(),
        // What is entered may change a release anywhere below or above.
        Order::ReleaseHold | Order::SetMode { .. } | Order::Enter { .. } | Order::Withdraw { .. } => {
            app.web.people.rivers()
        }
        Order::CloseIncident { incident, .. } => {
            let status = app.web.status.borrow();
            let taken = status.incidents.iter().filter(|open| open.id == *incident).flat_map(|open| &open.taken);
            let basin = &app.web.config.basin;
            let rivers = taken.filter_map(|gate| basin.river_of(basin.gate(gate)?));
            rivers.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
        }
        Order::SetAuthority { gate, .. }
        | Order::SetPoint { gate, .. }
        | Order::Accept { gate, .. }
        | Order::Reject { gate, .. }
        | Order::AskTicket { gate, .. }
        | Order::EndTicket { gate, .. } => {
            app.web.config.basin.river_of(*gate).map(str::to_owned).into_iter().collect()
        }
    }
}

/// Whether an order needs the own password, and a reason.
pub(super) fn needs_password(order: &Order) -> bool {
    match order {
        Order::SetMode { .. } | Order::SignTicket { .. } | Order::Accept { second: true, .. } => true,
        Order::HoldAll
        | Order::ReleaseHold
        | Order::SetAuthority { .. }
        | Order::SetPoint { .. }
        | Order::StopGate { .. }
        | Order::Accept { .. }
        | Order::Reject { .. }
        | Order::AskTicket { .. }
        | Order::EndTicket { .. }
        | Order::Acknowledge { .. }
        | Order::AcknowledgeMany { .. }
        | Order::Shelve { .. }
        | Order::Unshelve { .. }
        | Order::Enter { .. }
        | Order::Withdraw { .. }
        | Order::IssueWarning { .. }
        | Order::CancelWarning { .. }
        | Order::OpenIncident { .. }
        | Order::CloseIncident { .. }
        | Order::ActivateSchedule { .. } => false,
    }
}

/// Whether an order needs a reason that has no place in itself: why a gate no longer protects by itself.
pub(super) fn needs_reason(order: &Order) -> bool {
    matches!(order, Order::SetAuthority { authority, .. } if !authority.protects())
}
