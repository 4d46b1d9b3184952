//! Who moves each gate: dispatch, people, or nobody from here; and who gave it so, when and why.
//!
//! A gate is never freer than the mode of the service. In advice what dispatch wants of it is proposed
//! ([`super::advice`]); in observe nothing is sent to it at all. Neither moves by itself to protect: of the outlets of a
//! dam such a valve counts where it stands, and those that do move by themselves carry the floor
//! ([`super::outlets`]). Where none of them does, nothing from here holds the floor. Alarm A08 stands for each that does not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::controller::Controller;
use super::operator::{Authority, Mode};
use crate::basin::{Basin, Gate, GateId};

/// How a gate came to its authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Identifier of the gate: it outlives a change of the configuration.
    pub gate: String,
    /// To whom.
    pub authority: Authority,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why, where a reason was given.
    pub reason: Option<String>,
}

/// Authorities by gate, of what is remembered by name.
pub(super) fn by_name(basin: &Basin, given: &[Given]) -> Vec<Authority> {
    let of = |id: &str| given.iter().find(|given| given.gate == id).map(|given| given.authority);
    basin.gates.iter().map(|gate| of(&gate.id).unwrap_or_default()).collect()
}

/// What was remembered by place alone, by name.
pub(super) fn named(basin: &Basin, authorities: &[Authority], since: Timestamp) -> Vec<Given> {
    let each =
        basin.gates.iter().zip(authorities).filter(|(_, authority)| **authority != Authority::default());
    let one = |(gate, authority): (&Gate, &Authority)| {
        let (gate, by) = (gate.id.clone(), "service".to_owned());
        Given { gate, authority: *authority, since, by, reason: None }
    };
    each.map(one).collect()
}

impl Controller {
    /// Who moves a gate.
    pub(super) fn authority(&self, gate: GateId) -> Authority {
        self.carry.authorities.get(gate.0).copied().unwrap_or(Authority::Manual)
    }

    /// Whether dispatch moves by itself what trims the release of a reservoir: only then what passes is held to what was asked.
    pub(super) fn dispatches(&self, source: usize) -> bool {
        let mut outlets = self.outlets.iter().filter(|outlets| outlets.source.0 == source);
        self.carry.mode == Mode::Automatic && outlets.all(|one| one.is_dispatched(&self.carry.authorities))
    }

    /// How a gate came to its authority.
    pub(super) fn given(&self, gate: GateId) -> Option<&Given> {
        let id = &self.basin.gates.get(gate.0)?.id;
        self.carry.given.iter().find(|given| given.gate == *id)
    }

    /// A person gives a gate to somebody. No movement comes of it: what moves next begins where the gate stands.
    pub(super) fn give(
        &mut self,
        gate: GateId,
        to: Authority,
        by: (&str, Option<&str>),
    ) -> Result<String, String> {
        let from = *self.carry.authorities.get(gate.0).ok_or("no such gate")?;
        let moves = self.gates.get(gate.0).is_some_and(|memory| memory.in_flight.is_some());
        if to == Authority::Observe && moves {
            return Err(
                "a command to it is not over, and nothing could stop it: stop the gate first, or wait".into(),
            );
        }
        self.entrust(gate, to, by);
        let is_back = match (from, to) {
            (_, Authority::Automatic) | (Authority::Manual | Authority::Observe, Authority::Advice) => true,
            (Authority::Automatic | Authority::Advice, Authority::Advice)
            | (_, Authority::Manual | Authority::Observe) => false,
        };
        // Giving a gate back to dispatch settles what was held against it: a person has looked.
        if let Some(memory) = self.gates.get_mut(gate.0).filter(|_| is_back) {
            memory.absolve();
            self.give_back_box(gate);
        }
        Ok("authority set".into())
    }

    /// A person moves or stops a gate: it is in manual from then on.
    pub(super) fn take_by_hand(&mut self, gate: GateId, (by, reason): (&str, &str)) -> Result<(), String> {
        match *self.carry.authorities.get(gate.0).ok_or("no such gate")? {
            Authority::Observe => {
                Err("this gate is only watched: nothing is sent to it until it is taken out of observe"
                    .into())
            }
            Authority::Automatic | Authority::Advice => {
                self.entrust(gate, Authority::Manual, (by, Some(reason)));
                Ok(())
            }
            Authority::Manual => Ok(()),
        }
    }

    /// Remembers to whom a gate is given.
    pub(super) fn entrust(&mut self, gate: GateId, to: Authority, (by, reason): (&str, Option<&str>)) {
        let Some(id) = self.basin.gates.get(gate.0).map(|gate| gate.id.clone()) else { return };
        if let Some(authority) = self.carry.authorities.get_mut(gate.0) {
            *authority = to;
        }
        let since = self.last.map_or(self.carry.stored, |now| now.utc);
        let reason = reason.map(str::to_owned).filter(|reason| !reason.is_empty());
        let given = Given { gate: id, authority: to, since, by: by.to_owned(), reason };
        match self.carry.given.iter_mut().find(|old| old.gate == given.gate) {
            Some(old) => *old = given,
            None => self.carry.given.push(given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::GateKind;
    use crate::control::controller::Settings;
    use crate::control::testing;

    #[test]
    fn what_is_asked_of_a_dam_counts_while_dispatch_moves_its_valve() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let mut controller = Controller::new(&config, Settings::default(), None, Timestamp::UNIX_EPOCH);
        let (valve, stand_by) =
            (config.basin.gate("zf.eco.v1").unwrap(), config.basin.gate("zf.eco.v2").unwrap());
        let dam = controller.outlets.iter().find(|outlets| outlets.has(valve)).unwrap().source.0;
        controller.carry.mode = Mode::Automatic;
        assert!(controller.dispatches(dam));
        controller.entrust(stand_by, Authority::Advice, ("li", None));
        assert!(controller.dispatches(dam), "the stand-by trims nothing");
        for authority in [Authority::Advice, Authority::Manual, Authority::Observe] {
            controller.entrust(valve, authority, ("li", None));
            assert!(!controller.dispatches(dam), "{authority:?}");
        }
        controller.entrust(valve, Authority::Automatic, ("li", None));
        controller.carry.mode = Mode::Manual;
        assert!(!controller.dispatches(dam));
    }

    #[test]
    fn a_gate_is_found_by_its_name_wherever_it_stands() {
        let gate = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.8 }, 702.0);
        let mut basin = testing::basin(gate.clone());
        basin.gates = ["a", "b", "c"].map(|id| Gate { id: id.into(), ..gate.clone() }).into();
        let placed = [Authority::Automatic, Authority::Observe, Authority::Manual];
        let given = named(&basin, &placed, Timestamp::UNIX_EPOCH);
        assert_eq!(given.iter().map(|given| given.gate.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(by_name(&basin, &given), placed);
        basin.gates.reverse();
        basin.gates.push(Gate { id: "d".into(), ..gate });
        assert_eq!(
            by_name(&basin, &given),
            [Authority::Manual, Authority::Observe, Authority::Automatic, Authority::Automatic]
        );
    }
}
