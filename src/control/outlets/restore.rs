//! What an outlet cannot wait for: a tripped unit, the floor at risk.

use super::super::interlock::{Purpose, Wish};
use super::super::operator::Authority;
use super::super::reason::Because;
use super::{ALONE_S, Outlets, View};
use crate::basin::GateId;
use crate::units::{Discharge, Opening, Stage};

impl Outlets {
    /// A fall the outlet cannot wait for: a tripped unit, or the floor at risk for whatever cause. Where the meter shows less
    /// than can be believed of it, the stand-by carries the floor: it holds whichever of meter and valve is wrong.
    pub(super) fn restore(&self, view: &View<'_>, target: f64, level: Stage, wishes: &mut Vec<Wish>) {
        let tripped = self.base.iter().find(|id| view.facts.get(id.0).is_some_and(|f| f.trip == Some(true)));
        let short = view.flow.is_some_and(|q| q < view.floor) && self.quiet(view, 60.0);
        if tripped.is_none() && !short {
            return;
        }
        let control = &view.basin.control;
        let target = target.max(view.setpoint);
        let heading = |id: GateId| {
            let to = view.gates.get(id.0).zip(view.facts.get(id.0)).and_then(|(m, f)| m.heading(f));
            self.flow_at(view.basin, id, to.unwrap_or(Opening::SHUT), level)
        };
        let units: f64 = self.base.iter().map(|id| self.flow_or_gone(view, *id, level)).sum();
        let others = units + self.standby.iter().map(|id| heading(*id)).sum::<f64>();
        let valves: f64 = self.trim.iter().map(|id| heading(*id)).sum();
        let lost = (target - others - valves).max(0.0);
        // A floor that is missed although the equations promise enough is missed by what the meter shows.
        let shown = if tripped.is_none() { view.setpoint - view.flow.unwrap_or(view.setpoint) } else { 0.0 };
        let missing = lost.max(shown.min(Self::believable(view, target, others + valves)));
        let is_doubtful = shown > missing + control.min_action.get();
        if missing < control.min_action.get() && !is_doubtful {
            return;
        }
        let why = match tripped {
            Some(unit) => Because::UnitTrip { unit: *unit, lost: Discharge::lossy(missing) },
            None => Because::Trim { error: Discharge::lossy(-shown.max(missing)) },
        };
        let mut left = missing;
        let (fixed, trim): (Vec<GateId>, Vec<GateId>) =
            self.trim.iter().partition(|id| Self::is_astray(view, **id) || !Self::protects(view, **id));
        for id in &trim {
            let room = self.flow_at(view.basin, *id, Opening::FULL, level) - heading(*id);
            let part = left.min(room);
            if part > 0.0 && (part >= control.min_action.get() || !is_doubtful) {
                wishes.push(self.flow_wish(
                    view,
                    *id,
                    heading(*id) + part,
                    level,
                    Purpose::Protective,
                    why.clone(),
                ));
                left -= part;
            }
        }
        let stand = fixed.iter().map(|id| self.flow_or_gone(view, *id, level)).sum::<f64>();
        let reached =
            units + stand + trim.iter().map(|id| self.reach(view, *id, level, ALONE_S)).sum::<f64>();
        let doubted = if is_doubtful { view.setpoint } else { 0.0 };
        let helps = left.max((view.setpoint - reached).max(0.0)).max(doubted);
        if helps > control.min_action.get() {
            for id in self.standby.iter().filter(|id| heading(**id) < helps) {
                wishes.push(self.flow_wish(view, *id, helps, level, Purpose::Protective, why.clone()));
            }
        }
        // Nothing moves by itself: then at least it is proposed.
        if wishes.iter().all(|wish| !Self::protects(view, wish.gate)) {
            let advised = fixed.iter().filter(|id| !Self::is_astray(view, **id) && left > 0.0);
            let each = advised.map(|id| {
                self.flow_wish(view, *id, heading(*id) + left, level, Purpose::Protective, why.clone())
            });
            wishes.extend(each);
        }
    }

    /// A gate that went astray stands where it is until a person has settled it.
    fn is_astray(view: &View<'_>, id: GateId) -> bool {
        view.gates.get(id.0).is_some_and(|memory| memory.astray.is_some())
    }

    /// Whether protection moves a gate by itself: one in advice or in observe stands where it is, as far as the floor is
    /// concerned.
    fn protects(view: &View<'_>, id: GateId) -> bool {
        view.authorities.get(id.0).is_some_and(|authority| authority.protects())
    }

    /// Whether dispatch moves a gate by itself.
    pub(super) fn obeys(view: &View<'_>, id: GateId) -> bool {
        view.authorities.get(id.0) == Some(&Authority::Automatic)
    }

    /// Whether dispatch moves all that trim the release by itself.
    pub fn is_dispatched(&self, authorities: &[Authority]) -> bool {
        self.trim.iter().all(|id| authorities.get(id.0) == Some(&Authority::Automatic))
    }
}
