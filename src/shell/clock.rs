//! Real time enters the program here, and nowhere else.
//!
//! A [`Clock`] gives service time (since the start, never steps) and civil time together. Normally both run
//! at the speed of the wall clock. On a bench service time may run faster; a demonstration may set its pace
//! from outside. Time-outs of sockets stay in real time whatever the speed: see [`Clock::real_deadline`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::control::Now;

/// A step of civil time larger than this is told; smaller ones are the slewing of a time service. Chosen:
/// above what a slew makes between two looks, below what would matter to a schedule.
const STEP: SignedDuration = SignedDuration::from_secs(2);

/// Longest single wait, real time; a longer one is waited for in parts.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A jump of civil time against service time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockStep {
    /// How far civil time jumped; positive when set forward.
    pub by: SignedDuration,
    /// When it was noticed, after the jump.
    pub at: Now,
}

/// A pair of service and civil time that belonged together at a real instant, and the speed since.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    real: Instant,
    mono: Duration,
    utc: Timestamp,
    speed: f64,
}

impl Anchor {
    /// Service time at a real instant not before the anchor's.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "to the nanosecond for 104 days at other speeds, whole at the speed of the wall; casts saturate"
    )]
    fn mono_at(&self, real: Instant) -> Duration {
        let passed = real.saturating_duration_since(self.real);
        if self.speed.to_bits() == 1.0_f64.to_bits() {
            return self.mono.saturating_add(passed);
        }
        let scaled = passed.as_nanos() as f64 * self.speed;
        self.mono.saturating_add(Duration::from_nanos(scaled as u64))
    }

    /// Civil time that belongs to a service time, when civil time runs with it.
    fn utc_at(&self, mono: Duration) -> Timestamp {
        let ahead = SignedDuration::try_from(mono).unwrap_or(SignedDuration::MAX)
            - SignedDuration::try_from(self.mono).unwrap_or(SignedDuration::ZERO);
        self.utc.saturating_add(ahead).unwrap_or(self.utc)
    }
}

#[derive(Debug)]
struct Shared {
    /// Civil time is the machine's, not a function of service time.
    civil: bool,
    anchor: watch::Sender<Anchor>,
    /// Service time last given out, ns: the next is never before it.
    given_ns: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Civil minus service time when last looked.
    offset: Option<SignedDuration>,
    step: Option<ClockStep>,
}

/// Handle to the clock; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Shared>);

#[expect(clippy::disallowed_methods, reason = "real time enters the program here")]
fn real_now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "civil time enters the program here")]
fn civil_now() -> Timestamp {
    Timestamp::now()
}

impl Clock {
    fn new(civil: bool, utc: Timestamp, speed: f64) -> Self {
        let anchor = Anchor { real: real_now(), mono: Duration::ZERO, utc, speed: valid(speed) };
        Self(Arc::new(Shared {
            civil,
            anchor: watch::Sender::new(anchor),
            given_ns: AtomicU64::new(0),
            seen: Mutex::default(),
        }))
    }

    /// The time of the machine: service time from now, civil time as the system has it.
    pub fn real() -> Self {
        Self::new(true, civil_now(), 1.0)
    }

    /// Service time at `speed` times real time (at least 0), civil time running with it from `utc_start`.
    pub fn scaled(speed: f64, utc_start: Timestamp) -> Self {
        Self::new(false, utc_start, speed)
    }

    /// As [`Clock::scaled`], standing still until the first [`Clock::pace`].
    pub fn paced(utc_start: Timestamp) -> Self {
        Self::new(false, utc_start, 0.0)
    }

    /// Puts service time at `mono` (with `utc`), running on at `speed`. Service time already given out is
    /// never taken back: a pace that lies behind it holds the clock until it has caught up. No effect on the
    /// time of the machine.
    pub fn pace(&self, mono: Duration, utc: Timestamp, speed: f64) {
        if !self.0.civil {
            self.0.anchor.send_replace(Anchor { real: real_now(), mono, utc, speed: valid(speed) });
        }
    }

    /// Both times, read together.
    pub fn now(&self) -> Now {
        if !self.0.civil {
            let anchor = *self.0.anchor.borrow();
            let mono = self.give(anchor.mono_at(real_now()));
            return Now { mono, utc: anchor.utc_at(mono) };
        }
        // Both are read under the lock: a pair torn apart by another look would be taken for a step.
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Now { mono: self.mono(), utc: civil_now() };
        seen.notice(now);
        now
    }

    /// Service time alone: for who needs no civil time, at a third of the price of [`Clock::now`].
    pub fn mono(&self) -> Duration {
        self.look().mono
    }

    /// Service time and the instant of real time it was read at: one look for due times and time-outs alike.
    pub fn look(&self) -> Moment {
        let real = real_now();
        let mono = self.give(self.0.anchor.borrow().mono_at(real));
        Moment { mono, real: real.into() }
    }

    /// `mono`, or what was given out last when that is later.
    fn give(&self, mono: Duration) -> Duration {
        let ns = u64::try_from(mono.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.given_ns.fetch_max(ns, Ordering::AcqRel).max(ns))
    }

    /// Service seconds in a real one.
    pub fn speed(&self) -> f64 {
        self.0.anchor.borrow().speed
    }

    /// A step of civil time since the last call, if there was one.
    pub fn take_step(&self) -> Option<ClockStep> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).step.take()
    }

    /// Waits until service time has reached `mono`; follows changes of pace. Cancel-safe.
    pub async fn sleep_until(&self, mono: Duration) {
        let mut pace = self.0.anchor.subscribe();
        loop {
            // Before the time is read: a pace set between the two would be taken for seen and wake nobody.
            let anchor = *pace.borrow_and_update();
            let left = mono.saturating_sub(self.now().mono);
            if left.is_zero() {
                return;
            }
            let real = wait_for(&anchor, left);
            tokio::select! {
                () = tokio::time::sleep_until(self.real_deadline(real)) => {}
                // The sender lives in `self`, so this ends only with a change of pace.
                _ = pace.changed() => {}
            }
        }
    }

    /// The instant `after` from now in real time: for time-outs, which no speed shortens.
    #[expect(clippy::disallowed_methods, reason = "real time enters the program here")]
    pub fn real_deadline(&self, after: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + after.min(LONGEST_WAIT)
    }

    /// The civil time of the machine, whatever the speed of this clock: for what outlives a run.
    pub fn machine_utc() -> Timestamp {
        civil_now()
    }

    /// Changes of pace, for who has computed an instant of real time from a service time; `None` at the speed of the
    /// wall, which never changes.
    pub fn paces(&self) -> Option<Paces> {
        (!self.0.civil).then(|| Paces(self.0.anchor.subscribe()))
    }

    /// A mark on real time, to measure how long something took.
    pub fn mark(&self) -> Mark {
        Mark(real_now())
    }

    /// The real time in which `service` passes at the present speed; at most an hour.
    pub fn real_time_of(&self, service: Duration) -> Duration {
        wait_for(&self.0.anchor.borrow(), service)
    }

    /// The same for a pause that is over at an instant of real time, whatever the speed becomes meanwhile: never more than
    /// `service` itself, or one that begins while the clock stands would last an hour.
    pub fn pause_of(&self, service: Duration) -> Duration {
        self.real_time_of(service).min(service)
    }
}

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Service time.
    pub mono: Duration,
    /// Real time, for time-outs.
    pub real: tokio::time::Instant,
}

/// Tells of changes of pace.
#[derive(Debug)]
pub struct Paces(watch::Receiver<Anchor>);

impl Paces {
    /// Waits for the next; `false` when the clock is gone. Cancel-safe.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// An instant of real time.
#[derive(Clone, Copy, Debug)]
pub struct Mark(Instant);

impl Mark {
    /// Real time since the mark.
    pub fn elapsed(self) -> Duration {
        real_now().saturating_duration_since(self.0)
    }
}

impl Seen {
    fn notice(&mut self, now: Now) {
        let service = SignedDuration::try_from(now.mono).unwrap_or(SignedDuration::MAX);
        let offset = now.utc.as_duration() - service;
        if let Some(before) = self.offset {
            let by = offset - before;
            if by.abs() >= STEP {
                self.step = Some(ClockStep { by, at: now });
            }
        }
        self.offset = Some(offset);
    }
}

/// Real time until `service` has passed: at least what the clock can tell, at most [`LONGEST_WAIT`].
fn wait_for(anchor: &Anchor, service: Duration) -> Duration {
    if anchor.speed <= 0.0 {
        return LONGEST_WAIT;
    }
    Duration::try_from_secs_f64(service.as_secs_f64() / anchor.speed)
        .unwrap_or(LONGEST_WAIT)
        .min(LONGEST_WAIT)
}

fn valid(speed: f64) -> f64 {
    if speed.is_finite() { speed.max(0.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_779_085_927, 0);

    #[test]
    fn an_anchor_runs_on_at_its_speed() {
        let real = real_now();
        let anchor = Anchor { real, mono: Duration::from_secs(100), utc: START, speed: 600.0 };
        let mono = anchor.mono_at(real + Duration::from_millis(500));
        assert_eq!(mono, Duration::from_secs(400));
        assert_eq!(anchor.utc_at(mono), START + Duration::from_secs(300));
    }

    #[test]
    fn service_time_never_goes_back() {
        let clock = Clock::paced(START);
        assert_eq!(clock.now(), Now { mono: Duration::ZERO, utc: START });
        clock.pace(Duration::from_secs(50), START + Duration::from_secs(50), 0.0);
        assert_eq!(clock.now().mono, Duration::from_secs(50));
        clock.pace(Duration::from_secs(20), START + Duration::from_secs(20), 0.0);
        assert_eq!(clock.now(), Now { mono: Duration::from_secs(50), utc: START + Duration::from_secs(50) });
    }

    #[test]
    fn a_pause_that_begins_while_the_clock_stands_lasts_no_longer_than_itself() {
        let clock = Clock::paced(START);
        let two = Duration::from_secs(2);
        assert_eq!((clock.real_time_of(two), clock.pause_of(two)), (LONGEST_WAIT, two));
        clock.pace(Duration::ZERO, START, 500.0);
        assert_eq!(clock.pause_of(two), Duration::from_millis(4));
        assert_eq!(Clock::real().pause_of(two), two);
    }

    #[test]
    fn a_step_of_civil_time_is_told_once() {
        let mut seen = Seen::default();
        let at = |mono: u64, utc: i64| Now {
            mono: Duration::from_secs(mono),
            utc: START + SignedDuration::from_secs(utc),
        };
        seen.notice(at(0, 0));
        seen.notice(at(10, 11));
        assert_eq!(seen.step, None);
        seen.notice(at(20, 3621));
        let step = seen.step.take();
        assert_eq!(step.map(|step| step.by), Some(SignedDuration::from_secs(3600)));
        seen.notice(at(30, 3631));
        assert_eq!(seen.step, None);
    }

    #[tokio::test]
    async fn a_new_pace_wakes_who_waits() {
        let clock = Clock::paced(START);
        let waiter = clock.clone();
        let wait = tokio::spawn(async move { waiter.sleep_until(Duration::from_secs(3600)).await });
        clock.pace(Duration::from_secs(3600), START, 0.0);
        tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    }

    /// A pace that fell between the look at the clock and the wait used to be lost: once in some hundred thousand.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_pace_is_lost_however_it_falls() {
        let clock = Clock::paced(START);
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        let waiter = clock.clone();
        tokio::spawn(async move {
            for second in 1..=200_000 {
                waiter.sleep_until(Duration::from_secs(second)).await;
                woken.send(second).unwrap();
            }
        });
        for second in 1..=200_000 {
            clock.pace(Duration::from_secs(second), START, 0.0);
            let woke = tokio::time::timeout(Duration::from_secs(5), wakes.recv()).await;
            assert_eq!(woke.expect("woken"), Some(second));
        }
    }
}
