//! Who may do what: seven roles, and the few things a route can need.

use serde::{Deserialize, Serialize};

/// What a person is here for. A person has one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks: navigate, trends, print.
    Viewer,
    /// Looks at what was done and whether the floors were kept.
    Inspector,
    /// The duty operator: acknowledges, holds, stops, and with the operate lease moves gates.
    Operator,
    /// As the operator; changes the mode and may take control from another.
    ShiftLeader,
    /// Makes schedules and hands in forecasts.
    Scheduler,
    /// Looks into the field and hands in forecasts.
    Engineer,
    /// Makes and changes users and tokens, ends sessions; moves no gate.
    Administrator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Viewer,
        Self::Inspector,
        Self::Operator,
        Self::ShiftLeader,
        Self::Scheduler,
        Self::Engineer,
        Self::Administrator,
    ];

    /// As written in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Inspector => "inspector",
            Self::Operator => "operator",
            Self::ShiftLeader => "shift_leader",
            Self::Scheduler => "scheduler",
            Self::Engineer => "engineer",
            Self::Administrator => "administrator",
        }
    }

    /// The role called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether this role is enough for `need`.
    pub fn may(self, need: Need) -> bool {
        match need {
            Need::Public | Need::View | Need::Person | Need::Metrics => true,
            Need::Diagnose => matches!(self, Self::Engineer | Self::Administrator),
            Need::Forecast => matches!(self, Self::ShiftLeader | Self::Scheduler | Self::Engineer),
            Need::Schedule => matches!(self, Self::ShiftLeader | Self::Scheduler),
            Need::Operate => matches!(self, Self::Operator | Self::ShiftLeader),
            Need::Lead => matches!(self, Self::ShiftLeader),
            Need::Administer => matches!(self, Self::Administrator),
        }
    }
}

/// What a route, or an act on it, needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Nothing: signing in, and whether the service lives.
    Public,
    /// Looking: any role, a token with `read`, and where `open_view` is set everybody.
    View,
    /// A person who has signed in, whatever the role.
    Person,
    /// Numbers for a monitor: any role, or a token with `metrics`.
    Metrics,
    /// Frames of the field: engineer, administrator.
    Diagnose,
    /// Handing in a forecast: scheduler, engineer, shift leader, or a token with `forecast`.
    Forecast,
    /// Drafts and activations of the calendar of gates: scheduler, shift leader.
    Schedule,
    /// Operator or shift leader.
    Operate,
    /// Shift leader.
    Lead,
    /// Administrator.
    Administer,
}

impl Need {
    /// As told to people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Public => "nobody in particular",
            Self::View | Self::Person | Self::Metrics => "somebody who has signed in",
            Self::Diagnose => "an engineer or administrator",
            Self::Forecast => "a scheduler, engineer or shift leader",
            Self::Schedule => "a scheduler or shift leader",
            Self::Operate => "an operator or shift leader",
            Self::Lead => "a shift leader",
            Self::Administer => "an administrator",
        }
    }
}

/// What an API token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// State, stream, trends, actions.
    Read,
    /// Handing in forecasts.
    Forecast,
    /// `/metrics`.
    Metrics,
}

impl Scope {
    /// As written in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Forecast => "forecast",
            Self::Metrics => "metrics",
        }
    }

    /// Whether this scope is enough for `need`.
    pub fn may(self, need: Need) -> bool {
        match need {
            Need::Public => true,
            Need::View => self == Self::Read,
            Need::Metrics => self == Self::Metrics,
            Need::Forecast => self == Self::Forecast,
            Need::Person
            | Need::Diagnose
            | Need::Schedule
            | Need::Operate
            | Need::Lead
            | Need::Administer => false,
        }
    }
}
