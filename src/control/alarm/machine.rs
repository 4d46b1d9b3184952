//! The states of one alarm and every step between them (after ISA-18.2).
//!
//! ```text
//! Normal ──on──> Unacknowledged ──ack──> Acknowledged ──off──> Normal
//!                      └──off──> Returned ──ack──> Normal
//!                                    └──on──> Unacknowledged, a new event
//! Unacknowledged, Acknowledged, Returned ──shelve──> Shelved ──unshelve──> Acknowledged
//!                                                       ├──expire──> Unacknowledged
//!                                                       └──lapse, its condition has gone──> Normal
//! Normal, Unacknowledged, Acknowledged, Returned ──suppress──> Suppressed ──release──> Unacknowledged
//!                                                                   └──off──> Normal
//! ```

use serde::{Deserialize, Serialize};

/// State of one alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// At rest.
    Normal,
    /// Raised, seen by nobody.
    Unacknowledged,
    /// Raised and seen.
    Acknowledged,
    /// Its condition has gone, seen by nobody.
    Returned,
    /// Put aside by a person for some hours.
    Shelved,
    /// Left out by design: its parent says more.
    Suppressed,
}

/// What happens to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Its condition has held for the on delay.
    On,
    /// Its condition has been gone for the off delay.
    Off,
    /// A person has seen it.
    Acknowledge,
    /// A person puts it aside.
    Shelve,
    /// A person takes it back; its condition holds.
    Unshelve,
    /// The time on the shelf is over; its condition holds.
    Expire,
    /// A person takes it back, or its time is over; its condition has gone.
    Lapse,
    /// Its condition holds and its parent stands.
    Suppress,
    /// Its condition holds and its parent stands no more.
    Release,
}

/// The table: every pair, none left to a wildcard.
pub(super) const fn next(state: State, event: Event) -> State {
    match (state, event) {
        (State::Normal | State::Returned | State::Unacknowledged, Event::On)
        | (State::Suppressed, Event::Release)
        | (State::Shelved, Event::Expire)
        | (State::Unacknowledged, Event::Unshelve | Event::Expire | Event::Lapse | Event::Release) => {
            State::Unacknowledged
        }
        (State::Unacknowledged, Event::Acknowledge)
        | (State::Shelved, Event::Unshelve)
        | (
            State::Acknowledged,
            Event::On | Event::Acknowledge | Event::Unshelve | Event::Expire | Event::Lapse | Event::Release,
        ) => State::Acknowledged,
        (State::Unacknowledged | State::Returned, Event::Off)
        | (State::Returned, Event::Unshelve | Event::Expire | Event::Lapse | Event::Release) => {
            State::Returned
        }
        (State::Unacknowledged | State::Acknowledged | State::Returned, Event::Shelve)
        | (
            State::Shelved,
            Event::On | Event::Off | Event::Acknowledge | Event::Shelve | Event::Suppress | Event::Release,
        ) => State::Shelved,
        (State::Normal | State::Unacknowledged | State::Acknowledged | State::Returned, Event::Suppress)
        | (
            State::Suppressed,
            Event::On
            | Event::Acknowledge
            | Event::Shelve
            | Event::Unshelve
            | Event::Expire
            | Event::Lapse
            | Event::Suppress,
        ) => State::Suppressed,
        (State::Acknowledged | State::Normal | State::Suppressed, Event::Off)
        | (State::Normal | State::Returned, Event::Acknowledge)
        | (State::Shelved, Event::Lapse)
        | (State::Normal, Event::Shelve | Event::Unshelve | Event::Expire | Event::Lapse | Event::Release) => {
            State::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Acknowledge, Expire, Lapse, Off, On, Release, Shelve, Suppress, Unshelve};
    use super::State::{Acknowledged, Normal, Returned, Shelved, Suppressed, Unacknowledged};
    use super::*;

    const STATES: [State; 6] = [Normal, Unacknowledged, Acknowledged, Returned, Shelved, Suppressed];
    const EVENTS: [Event; 9] = [On, Off, Acknowledge, Shelve, Unshelve, Expire, Lapse, Suppress, Release];

    /// The edges of the diagram above, and no others: any other pair leaves the state as it is.
    const EDGES: [(State, Event, State); 19] = [
        (Normal, On, Unacknowledged),
        (Returned, On, Unacknowledged),
        (Unacknowledged, Acknowledge, Acknowledged),
        (Returned, Acknowledge, Normal),
        (Unacknowledged, Off, Returned),
        (Acknowledged, Off, Normal),
        (Unacknowledged, Shelve, Shelved),
        (Acknowledged, Shelve, Shelved),
        (Returned, Shelve, Shelved),
        (Shelved, Unshelve, Acknowledged),
        (Shelved, Expire, Unacknowledged),
        (Shelved, Lapse, Normal),
        (Normal, Suppress, Suppressed),
        (Unacknowledged, Suppress, Suppressed),
        (Acknowledged, Suppress, Suppressed),
        (Returned, Suppress, Suppressed),
        (Suppressed, Release, Unacknowledged),
        (Suppressed, Off, Normal),
        (Unacknowledged, On, Unacknowledged),
    ];

    #[test]
    fn every_edge_leads_where_the_diagram_says_and_there_is_no_other() {
        for state in STATES {
            for event in EVENTS {
                let drawn = EDGES.iter().find(|(from, on, _)| (*from, *on) == (state, event));
                let wanted = drawn.map_or(state, |(.., to)| *to);
                assert_eq!(next(state, event), wanted, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn what_a_person_takes_off_the_shelf_was_seen_and_what_comes_off_by_itself_was_not() {
        assert_eq!(next(Shelved, Unshelve), Acknowledged);
        assert_eq!(next(Shelved, Expire), Unacknowledged);
    }
}
