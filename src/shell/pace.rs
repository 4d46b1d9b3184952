//! The pace of a demonstration: lines that say what time it is and how fast it runs, from a plant that runs beside.

use std::io::BufRead;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::clock::Clock;

/// Without a line for this long the clock stands still, real time. Three times what a plant leaves between two lines:
/// a plant that gets no processor time does not answer for its devices either, and they must not go silent for that.
const SILENCE: Duration = Duration::from_millis(60);

/// Most a clock is ahead or behind, s: that of a scenario.
const AHEAD_MOST_S: f64 = 366.0 * 86_400.0;

/// One line: `{"utc":"2026-05-01T00:00:00Z","speed":600.0}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Civil time at the moment the line is written.
    pub utc: Timestamp,
    /// Service seconds in a real one from then on.
    pub speed: f64,
    /// By how much the civil time of the service is ahead of `utc`, s: a wall clock that was set wrong. At most 366 days
    /// either way.
    #[serde(default)]
    pub ahead_s: f64,
}

impl Pace {
    /// Civil time as the service has it.
    pub fn civil(&self) -> Timestamp {
        let ahead = SignedDuration::try_from_secs_f64(self.ahead_s).unwrap_or(SignedDuration::ZERO);
        self.utc.saturating_add(ahead).unwrap_or(self.utc)
    }
}

/// A line that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "pace: {line:?}: {why}; write {{\"utc\":\"2026-05-01T00:00:00Z\",\"speed\":600.0}}, speed from 0 to 100000"
)]
pub struct BadPace {
    /// What was read.
    line: String,
    /// What is wrong with it.
    why: String,
}

/// Lines of a pace, in order; ends with their source.
pub type Paces = mpsc::Receiver<Result<Pace, BadPace>>;

/// Reads lines on a thread of its own until `input` ends or a line is wrong.
///
/// # Errors
/// When the system gives no thread.
pub fn read(input: impl BufRead + Send + 'static) -> std::io::Result<Paces> {
    let (sender, paces) = mpsc::channel(16);
    std::thread::Builder::new().name("pace".into()).spawn(move || {
        for line in input.lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            let pace = parse(&line);
            let last = pace.is_err();
            if sender.blocking_send(pace).is_err() || last {
                break;
            }
        }
    })?;
    Ok(paces)
}

fn parse(line: &str) -> Result<Pace, BadPace> {
    let bad = |why: String| BadPace { line: line.to_owned(), why };
    let pace: Pace = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
    if !(0.0..=100_000.0).contains(&pace.speed) {
        return Err(bad("speed out of range".into()));
    }
    // Also what is no number.
    if !(-AHEAD_MOST_S..=AHEAD_MOST_S).contains(&pace.ahead_s) {
        return Err(bad("ahead_s out of range".into()));
    }
    Ok(pace)
}

/// Sets `clock` by `paces` until they end. `first` is the line the clock started with.
///
/// # Errors
/// A wrong line.
pub async fn follow(clock: &Clock, first: Pace, mut paces: Paces) -> Result<(), BadPace> {
    let mut pace = Some(first);
    loop {
        if let Some(pace) = pace {
            let since = Duration::try_from(pace.utc.duration_since(first.utc)).unwrap_or(Duration::ZERO);
            clock.pace(since, pace.civil(), pace.speed);
        }
        pace = match tokio::time::timeout(SILENCE, paces.recv()).await {
            Ok(Some(line)) => Some(line?),
            Ok(None) => return Ok(()),
            Err(_) => {
                if clock.speed() > 0.0 {
                    let now = clock.now();
                    clock.pace(now.mono, now.utc, 0.0);
                    tracing::debug!("no pace, the clock waits for the plant");
                }
                None
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_time_and_speed_and_anything_else_is_refused() {
        let pace = parse(r#"{"utc":"2026-05-01T00:00:00Z","speed":600.0}"#).unwrap();
        assert_eq!((pace.utc.as_second(), pace.speed, pace.ahead_s), (1_777_593_600, 600.0, 0.0));
        let far = parse(r#"{"utc":"2026-05-01T00:00:00Z","speed":1,"ahead_s":1e9}"#).unwrap_err().to_string();
        assert!(far.contains("ahead_s out of range"), "{far}");
        for line in
            ["600", r#"{"utc":"2026-05-01T00:00:00Z"}"#, r#"{"utc":"2026-05-01T00:00:00Z","speed":-1}"#]
        {
            let why = parse(line).unwrap_err().to_string();
            assert!(why.contains("speed from 0"), "{why}");
        }
    }

    #[tokio::test]
    async fn service_time_is_the_time_since_the_first_line() {
        let text = "{\"utc\":\"2026-05-01T00:00:00Z\",\"speed\":0}\n\n{\"utc\":\"2026-05-01T00:10:00Z\",\"speed\":0}\n";
        let mut paces = read(text.as_bytes()).unwrap();
        let first = paces.recv().await.unwrap().unwrap();
        let clock = Clock::paced(first.civil());
        follow(&clock, first, paces).await.unwrap();
        assert_eq!(clock.now().mono, Duration::from_secs(600));
        assert_eq!(clock.now().utc.as_second(), 1_777_594_200);
    }

    /// Between the two lines 600 s pass and the wall clock is set back by an hour: 00:10 is taken for 23:10 the day before.
    #[tokio::test]
    async fn a_wall_clock_that_is_set_steps_civil_time_alone() {
        let text = "{\"utc\":\"2026-05-01T00:10:00Z\",\"speed\":0,\"ahead_s\":-3600}\n";
        let first = parse(r#"{"utc":"2026-05-01T00:00:00Z","speed":0}"#).unwrap();
        let clock = Clock::paced(first.civil());
        assert_eq!(clock.now().utc.as_second(), 1_777_593_600);
        follow(&clock, first, read(text.as_bytes()).unwrap()).await.unwrap();
        let now = clock.now();
        assert_eq!((now.mono, now.utc.as_second()), (Duration::from_secs(600), 1_777_590_600));
        let step = clock.take_step().unwrap();
        assert_eq!((step.by, step.at), (SignedDuration::from_hours(-1), now));
        assert_eq!(clock.take_step(), None);
    }
}
