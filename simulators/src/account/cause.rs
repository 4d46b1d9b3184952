//! Why a use was short in an hour, from the truth of the plant.

use std::time::Duration;

use qindan::basin::{Basin, Place, Priority, Reservoir, ReservoirId, ReservoirKind, WetlandId};
use qindan::units::Discharge;

use super::{Book, Cause, Hour, Net, Use, User, inlets};
use crate::plant::{Plant, Volumes};
use crate::score::LATE;

/// Relative error of a metered flow that a canal head is left with: the class of its meter twice, as `FLOW_BAND` of the rules.
pub(super) const BAND: f64 = 0.05;
/// Over the level of its cut a rank is cut in steps, within so many m.
const STEPS_M: f64 = 0.11;
/// What is missing less than this is no shortage, m³/s: a litre a second.
pub(super) const LEAST: f64 = 0.001;
/// A surprise counts at least this long: a canal head moves twice an hour.
const AT_LEAST_H: f64 = 2.0;

/// What the causes of an hour are told from.
pub(super) struct Look<'a> {
    pub(super) basin: &'a Basin,
    pub(super) plant: &'a Plant,
    /// Volumes of the hour.
    pub(super) passed: &'a Volumes,
    pub(super) net: &'a Net,
    /// When something became visible that nobody could know.
    pub(super) surprises: &'a [Duration],
    /// End of the hour.
    pub(super) now: Duration,
}

impl Look<'_> {
    /// Why a user was short in `hour`, the one after all of `book`; `None` when it was not.
    pub(super) fn cause(&self, book: &Book, hour: &Hour, at: usize) -> Option<Cause> {
        let user = book.users.get(at)?;
        let short = hour.wants[at] - hour.gets[at];
        if !user.wants() || short <= LEAST {
            return None;
        }
        Some(match user.of {
            Use::Floor(_) => self.of_river(book, hour, user),
            Use::Intake(_) | Use::Share(..) => match user.place {
                Place::Reservoir(store) => self.of_store(book, hour, user, (store, short)),
                Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => {
                    self.of_river(book, hour, user)
                }
            },
            Use::Survival(id) | Use::Design(id) => self.of_wetland(user, id, short, hour.seconds),
            Use::Release(_) | Use::Filling(_) => return None,
        })
    }

    /// Fed by a reservoir alone: cut with its rank, held within a band, or not brought.
    fn of_store(&self, book: &Book, hour: &Hour, user: &User, (store, short): (ReservoirId, f64)) -> Cause {
        let Some(body) = self.basin.reservoirs.get(store.0) else { return Cause::Natural };
        let lowest = lowest(book, hour, store, user.delay_h);
        if is_cut(body, user.rank, lowest) {
            return Cause::LowStore;
        }
        if self.is_surprise(user.delay_h) {
            return Cause::Surprise;
        }
        // The band is that of all that the canal carries.
        let same = book.users.iter().zip(&hour.wants).filter(|(other, _)| other.place == user.place);
        let carries = same.map(|(_, wants)| wants).sum::<f64>();
        if short <= BAND * carries { Cause::Band } else { Cause::Avoidable }
    }

    /// On a river: a reservoir above could have given more, unless it was empty or nobody could know.
    fn of_river(&self, book: &Book, hour: &Hour, user: &User) -> Cause {
        let stores = self.basin.reservoirs.iter().enumerate();
        let stores =
            stores.filter(|(_, body)| body.kind == ReservoirKind::Reservoir).filter_map(|(at, body)| {
                let id = ReservoirId(at);
                let hours = self.net.hours(Place::Reservoir(id), user.place)?;
                super::river_gates(self.basin, id).next().map(|_| (id, body, hours))
            });
        let stores = stores.collect::<Vec<_>>();
        if stores.is_empty() {
            return Cause::Natural;
        }
        let empty = |(id, body, hours): &(ReservoirId, &Reservoir, f64)| {
            let dead = body.dead_level.map_or(f64::NEG_INFINITY, qindan::units::Stage::get);
            lowest(book, hour, *id, *hours) <= dead
        };
        if stores.iter().all(empty) {
            return Cause::LowStore;
        }
        let soonest = stores.iter().map(|(.., hours)| *hours).fold(f64::INFINITY, f64::min);
        if self.is_surprise(soonest) { Cause::Surprise } else { Cause::Avoidable }
    }

    /// By a gate from a river or a pond; without a gate it takes what comes.
    fn of_wetland(&self, user: &User, id: WetlandId, short: f64, seconds: f64) -> Cause {
        let own = inlets(self.basin, id).collect::<Vec<_>>();
        if own.is_empty() {
            return Cause::Natural;
        }
        let passes_by = match user.place {
            Place::Reservoir(body) => {
                let gates = self.basin.gates.iter().enumerate();
                let others = gates
                    .filter(|(at, gate)| gate.from == user.place && !own.iter().any(|inlet| inlet.0 == *at));
                let others = others.map(|(at, _)| self.passed.gates[at]).sum::<f64>();
                let fixed = self.basin.fixed_openings.iter().enumerate();
                let fixed = fixed.filter(|(_, fixed)| fixed.from == body);
                let fixed = fixed.map(|(at, _)| self.passed.fixed[at]).sum::<f64>();
                (others + fixed + self.passed.spill[body.0]) / seconds
            }
            Place::Node(_) | Place::Along { .. } => self.plant.place_flow(user.place),
            Place::Wetland(_) | Place::Outside => 0.0,
        };
        if passes_by < short {
            return Cause::Natural;
        }
        let design = self.basin.wetlands.get(id.0).map_or(0.0, |wetland| Discharge::get(wetland.design));
        if short <= BAND * design { Cause::Band } else { Cause::Avoidable }
    }

    /// Whether something nobody could know became visible within what help from so many hours away takes.
    fn is_surprise(&self, hours: f64) -> bool {
        let reach = Duration::from_secs_f64((LATE * hours).max(AT_LEAST_H) * 3600.0);
        self.surprises.iter().any(|at| *at <= self.now && self.now <= *at + reach)
    }
}

/// Lowest level of a reservoir over the last `hours` and one, m.
fn lowest(book: &Book, hour: &Hour, id: ReservoirId, hours: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hours")]
    let back = (LATE * hours).ceil() as usize + 1;
    let before = book.hours.iter().rev().take(back).map(|hour| &hour.levels);
    let levels = before.chain([&hour.levels]).filter_map(|levels| levels.get(id.0));
    levels.copied().fold(f64::INFINITY, f64::min)
}

/// Whether a reservoir at `level` gives a rank less than all.
fn is_cut(body: &Reservoir, rank: Priority, level: f64) -> bool {
    body.cut_below(rank).is_some_and(|cut| level < cut.get() + STEPS_M)
}
