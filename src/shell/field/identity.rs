//! Whether the device that answers is the one of the configuration. Asked after each connect, before anything else of
//! it is believed or sent: an address given twice, or a box put in another's place, moves the wrong gate.

use std::time::Duration;

use tokio::time::Instant;
use tokio_modbus::{Request, Response};

use super::error::FieldError;
use super::link::Actor;
use crate::control::quality::Reason;
use crate::points::{DeviceId, Identity, Table};

/// A device that is not the one is asked again after this, service time.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The same, real time at least.
const ASK_AGAIN_LEAST: Duration = Duration::from_secs(1);

/// What is known of a device on the present connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing yet.
    Open,
    /// It is the one, or need not show it.
    Right,
    /// It is another.
    Wrong,
}

impl Actor {
    /// A device that has yet to show itself and may be asked.
    pub(super) fn due_identity(&self, real: Instant) -> Option<usize> {
        self.units
            .iter()
            .position(|unit| unit.proof != Proof::Right && unit.not_before.is_none_or(|until| until <= real))
    }

    /// Forgets what was shown on an earlier connection.
    pub(super) fn forget_identities(&mut self) {
        for unit in &mut self.units {
            let asked =
                self.shared.field.devices.get(unit.device.0).and_then(|device| device.identity.as_ref());
            unit.proof = if asked.is_some() { Proof::Open } else { Proof::Right };
        }
    }

    /// Asks a device who it is.
    pub(super) async fn identify(&mut self, at: usize) {
        let Some(device) = self.units.get(at).map(|unit| unit.device) else { return };
        let Some(spec) = self.shared.field.devices.get(device.0).cloned() else { return };
        let Some(identity) = &spec.identity else { return };
        let answer = self.engine.request(spec.unit, &question(identity)).await;
        let proof = match &answer {
            Ok(reply) if is_answered(identity, reply) => Proof::Right,
            // It speaks, and it is not what it should be.
            Ok(_) | Err(FieldError::Mismatch { .. }) => Proof::Wrong,
            Err(FieldError::Refused { code, .. }) if !matches!(code, 5 | 6 | 0x0A | 0x0B) => Proof::Wrong,
            Err(_) => Proof::Open,
        };
        self.note(device, answer.as_ref().err());
        let wait = (proof == Proof::Wrong).then(|| self.ask_again());
        if let Some(unit) = self.units.get_mut(at) {
            unit.proof = proof;
            unit.not_before = wait.or(unit.not_before);
        }
        match proof {
            Proof::Wrong => self.disown(device, &spec.id, answer.as_ref().ok()),
            // Busy is no silence: without a pause it would be asked without end.
            Proof::Open if self.engine.is_connected() => {
                let until = self.shared.clock.real_deadline(self.timeout);
                if let Some(unit) = self.units.get_mut(at) {
                    unit.not_before = unit.not_before.max(Some(until));
                }
                self.shared.image.lost(self.points_of(device));
            }
            Proof::Open | Proof::Right => {}
        }
    }

    fn ask_again(&self) -> Instant {
        let real = self.shared.clock.pause_of(ASK_AGAIN).max(ASK_AGAIN_LEAST);
        self.shared.clock.real_deadline(real)
    }

    fn disown(&self, device: DeviceId, id: &str, shown: Option<&Response>) {
        tracing::error!(
            device = id,
            ?shown,
            "another device answers in its place: nothing of it is used or sent"
        );
        let now = self.shared.clock.mono();
        let points = self.points_of(device).map(|id| (id, Err(Reason::WrongDevice)));
        self.shared.image.update(now, points);
        self.shared.with_health(self.link, |health| {
            health.last_error = Some(format!("{id}: another device answers in its place"));
        });
    }
}

/// The request that asks who a device is.
pub(in crate::shell) fn question(identity: &Identity) -> Request<'static> {
    match identity {
        Identity::Words { table, address, words } => {
            let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
            match table {
                Table::Input => Request::ReadInputRegisters(*address, count),
                Table::Holding | Table::Coil | Table::Discrete => {
                    Request::ReadHoldingRegisters(*address, count)
                }
            }
        }
        // Basic stream of objects from the first. The library has it as a type it does not export.
        Identity::Objects(_) => Request::Custom(0x2B, (&[0x0E, 1, 0][..]).into()),
    }
}

/// What a device said about itself, as text.
pub(in crate::shell) fn shown(reply: &Response) -> String {
    if let Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) = reply {
        return words.iter().map(|word| format!("0x{word:04x}")).collect::<Vec<_>>().join(" ");
    }
    let Response::ReadDeviceIdentification(shown) = reply else { return format!("{reply:?}") };
    let texts = shown.device_id_objects.iter().filter_map(|object| object.value_as_str());
    texts.map(str::to_owned).collect::<Vec<_>>().join(" / ")
}

/// Whether the reply is that of the device of the configuration.
pub(in crate::shell) fn is_answered(identity: &Identity, reply: &Response) -> bool {
    match (identity, reply) {
        (
            Identity::Words { words, .. },
            Response::ReadHoldingRegisters(shown) | Response::ReadInputRegisters(shown),
        ) => words == shown,
        (Identity::Objects(wanted), Response::ReadDeviceIdentification(shown)) => {
            wanted.iter().all(|(number, text)| {
                let objects = &shown.device_id_objects;
                objects.iter().any(|object| object.id == *number && object.value_as_str() == Some(text))
            })
        }
        (_, _) => false,
    }
}
