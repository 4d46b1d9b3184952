//! What people do in a scenario, as far as it is known before.

use qindan::config::sheet::Spot;
use qindan::control::incident::{self, Report};
use qindan::control::operator::Order;
use qindan::control::ticket::Permit;
use qindan::units::{Discharge, Opening};
use toml::Table;

use super::super::deed::{Deed, Does};
use super::super::raw::{RawAct, RawPermit};
use super::{Scope, find};
use crate::inflow::instant;

/// Longest name of a person, characters. Chosen: as users have it.
const NAME_MOST: usize = 40;

/// Who acts; `Some(None)`: whoever is on duty.
#[expect(clippy::option_option, reason = "wrong, not given, given")]
pub(super) fn who(spot: &Spot<'_>, raw: &Table) -> Option<Option<String>> {
    let Some(who) = raw.get("who") else { return Some(None) };
    let name = who.as_str().filter(|name| (1..=NAME_MOST).contains(&name.chars().count()));
    if name.is_none() {
        let remedy = format!("give a name of 1 to {NAME_MOST} characters in quotes");
        spot.key("who").complain("is no name", remedy);
    }
    Some(Some(name?.to_owned()))
}

impl Scope<'_> {
    /// An act, checked against the configuration as far as the service will check it; gates and reaches are known by now.
    pub(super) fn deed(&self, spot: &Spot<'_>, who: Option<String>, act: RawAct) -> Option<Deed> {
        let gate = |id: &str| self.basin.gate(id);
        let does = match act {
            RawAct::HoldAll {} => Does::Order(Order::HoldAll),
            RawAct::ReleaseHold {} => Does::Order(Order::ReleaseHold),
            RawAct::SetMode { mode } => Does::Order(Order::SetMode { mode }),
            RawAct::SetAuthority { gate: id, authority } => {
                Does::Order(Order::SetAuthority { gate: gate(&id)?, authority })
            }
            RawAct::StopGate { gate: id } => Does::Order(Order::StopGate { gate: gate(&id)? }),
            RawAct::SetPoint { gate: id, opening, reason } => {
                let (gate, opening) = (gate(&id)?, Opening::from_fraction(opening)?);
                Does::Order(Order::SetPoint { gate, opening, reason })
            }
            RawAct::Acknowledge { alarm } => Does::Order(Order::Acknowledge { alarm }),
            RawAct::Accept { gate: id } => Does::Accept(gate(&id)?),
            RawAct::AskTicket { gate: id, minutes, reason, permit, number, giver, flow_m3s } => {
                let permit = permitted(spot, permit, (number, giver), flow_m3s)?;
                let gate = gate(&id)?;
                self.basin.gates.get(gate.0).and_then(|it| match permit.terms(self.basin, it) {
                    Ok((_, most)) if (1..=most).contains(&minutes) => Some(()),
                    Ok((_, most)) => {
                        spot.key("minutes").complain("is no such time", format!("give 1 to {most}"));
                        None
                    }
                    Err(why) => {
                        spot.key("permit")
                            .complain(format!("cannot be: {why}"), "give another permit or gate");
                        None
                    }
                })?;
                Does::Order(Order::AskTicket { gate, minutes, reason, permit })
            }
            RawAct::SignTicket { gate: id } => Does::SignTicket(gate(&id)?),
            RawAct::EndTicket { gate: id } => Does::EndTicket(gate(&id)?),
            RawAct::IssueWarning { element, grade, cause, measure } => {
                self.warned(spot, &element)?;
                Does::Order(Order::IssueWarning { element, grade, cause, measure })
            }
            RawAct::CancelWarning { element, reason } => {
                self.warned(spot, &element)?;
                Does::CancelWarning { element, reason }
            }
            RawAct::OpenIncident { reach, km, happened, lasts_min, what, mass_kg, limit_mg_l } => {
                let after = self.moment(&spot.key("happened"), &happened)?;
                let happened = instant(self.times.start, after);
                let report = Report { reach, km, happened, lasts_min, what, mass_kg, limit_mg_l };
                if let Err(why) = incident::check(self.basin, &report, happened) {
                    spot.complain(format!("is no incident: {why}"), "mend it");
                    return None;
                }
                Does::Order(Order::OpenIncident { report })
            }
            RawAct::CloseIncident { reach, reason } => Does::CloseIncident { reach, reason },
        };
        Some(Deed { who, does })
    }

    /// Complains about what no warning is given of.
    fn warned(&self, spot: &Spot<'_>, element: &str) -> Option<usize> {
        let known = qindan::control::warning::unseen(self.basin);
        let known = known.iter().map(|watch| watch.element.as_str());
        find(&spot.key("element"), "section with a floor or wetland", element, known)
    }
}

/// What a ticket permits, with what this kind of it needs and nothing else.
fn permitted(
    spot: &Spot<'_>,
    kind: RawPermit,
    (number, giver): (Option<String>, Option<String>),
    flow_m3s: Option<f64>,
) -> Option<Permit> {
    let by_order = kind == RawPermit::Order;
    let releases = matches!(kind, RawPermit::Hold | RawPermit::Dilute);
    let keys = [
        ("number", number.is_some(), by_order),
        ("giver", giver.is_some(), by_order),
        ("flow_m3s", flow_m3s.is_some(), releases),
    ];
    for (key, is_there, belongs) in keys {
        if is_there && !belongs {
            spot.key(key).complain("is of another permit", "remove it");
        } else if belongs && !is_there {
            spot.key(key).complain("is missing", "give it");
        }
    }
    let flow = || {
        let flow = flow_m3s.and_then(Discharge::new);
        if flow.is_none() && flow_m3s.is_some() {
            spot.key("flow_m3s").complain("is no flow", "give a positive number");
        }
        flow
    };
    Some(match kind {
        RawPermit::Season => Permit::Season,
        RawPermit::Starts => Permit::Starts,
        RawPermit::Order => Permit::Order { number: number?, giver: giver? },
        RawPermit::Hold => Permit::Hold { flow_m3s: flow()? },
        RawPermit::Dilute => Permit::Dilute { flow_m3s: flow()? },
    })
}
