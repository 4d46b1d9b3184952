//! Grades of warnings 预警等级 and the thresholds of a section or wetland.

use serde::{Deserialize, Serialize};

/// Grade of a warning, from the slightest to the worst: 蓝, 黄, 橙, 红.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// 蓝色.
    Blue,
    /// 黄色.
    Yellow,
    /// 橙色.
    Orange,
    /// 红色.
    Red,
}

impl Grade {
    /// All of them, the slightest first.
    pub const ALL: [Self; 4] = [Self::Blue, Self::Yellow, Self::Orange, Self::Red];

    /// As the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }
}

/// When a section is warned of. Source: product notes, decision 15, unless a number says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowGrades {
    /// Blue: a breach of the floor is foretold within so many hours, positive.
    pub blue_within_h: f64,
    /// Yellow: the same, sooner.
    pub yellow_within_h: f64,
    /// Orange: mean of an hour below this share of the floor.
    pub orange: f64,
    /// Red: mean of an hour below this share of the floor.
    pub red: f64,
    /// Red too: mean of the day so far below this share of the floor.
    pub red_day: f64,
    /// How far above a threshold a grade ends, share of the threshold. Source: dead band of alarm A01.
    pub band: f64,
    /// How long a worse grade must hold before it is proposed, s. Source: on delay of alarm A01.
    pub raise_s: f64,
    /// How long a better one, s. Assumed.
    pub clear_s: f64,
}

impl Default for FlowGrades {
    fn default() -> Self {
        Self {
            blue_within_h: 48.0,
            yellow_within_h: 24.0,
            orange: 1.0,
            red: 0.8,
            red_day: 1.0,
            band: 0.03,
            raise_s: 600.0,
            clear_s: 3600.0,
        }
    }
}

/// When a wetland is warned of: levels as shares of the height from its lowest to its target level, 0 the lowest (survival),
/// below 0 under it. Assumed: the plan names wetlands and grades none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelGrades {
    /// Level below which it is blue, yellow, orange, red; falling.
    pub below: [f64; 4],
    /// How far above a threshold a grade ends, m. Source: dead band of alarm A39.
    pub band_m: f64,
    /// How long a worse grade must hold before it is proposed, s. Source: on delay of alarm A39.
    pub raise_s: f64,
    /// How long a better one, s. As `raise_s`.
    pub clear_s: f64,
}

impl Default for LevelGrades {
    fn default() -> Self {
        Self { below: [0.5, 0.25, 0.0, -0.25], band_m: 0.02, raise_s: 3600.0, clear_s: 3600.0 }
    }
}
