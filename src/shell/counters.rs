//! What the cycle counts and measures about itself, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::field::Monitor;
use super::field::health::{LinkState, UnitState};
use super::notice::desk;
use super::room::Room;
use super::store::Store;
use super::web::{Health, HealthSource, LagRow, LinkRow, Metric, MetricKind, UnitRow};
use crate::config::Config;
use crate::control::command::Terminal;

/// How long something takes, real time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    count: u64,
    sum: Duration,
    longest: Duration,
}

impl Timing {
    pub(super) fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum += took;
        self.longest = self.longest.max(took);
    }
}

/// All numbers since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) ticks: u64,
    /// Ticks left out because the one before ended too late.
    pub(super) skipped: u64,
    /// How far behind its due time the newest tick began, service time.
    pub(super) lateness: Duration,
    pub(super) behind: bool,
    pub(super) decide: Timing,
    pub(super) append: Timing,
    /// Commands handed to the field, and those kept back because their intent could not be recorded.
    pub(super) sent: u64,
    pub(super) withheld: u64,
    pub(super) acts: u64,
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    pub(super) records: u64,
    pub(super) kept: u64,
    pub(super) history_dropped: u64,
    pub(super) snapshots_dropped: u64,
    pub(super) saves_failed: u64,
    pub(super) notices: desk::Numbers,
}

impl Numbers {
    pub(super) fn ended(&mut self, terminal: &Terminal) {
        let name = match terminal {
            Terminal::Verified => "verified",
            Terminal::Failed { .. } => "failed",
            Terminal::Expired => "expired",
            Terminal::Superseded => "superseded",
            Terminal::Abandoned => "abandoned",
        };
        *self.outcomes.entry(name).or_default() += 1;
    }
}

/// Numbers shared by the cycle, which writes them, and `/metrics`, which shows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Mutex<Numbers>>);

impl Counters {
    pub(super) fn update<T>(&self, act: impl FnOnce(&mut Numbers) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `/metrics` shows of cycle, field, view and disks.
    pub(super) fn health_source(
        &self,
        config: &Arc<Config>,
        monitor: Monitor,
        view: Store,
        room: Option<Room>,
    ) -> HealthSource {
        let (counters, config) = (self.clone(), Arc::clone(config));
        Arc::new(move || {
            let numbers = families(&counters.update(|numbers| numbers.clone()));
            let disks = room.as_ref().map(of_disks).unwrap_or_default();
            Health { links: links(&config, &monitor), counters: [numbers, of_view(&view), disks].concat() }
        })
    }
}

fn links(config: &Config, monitor: &Monitor) -> Vec<LinkRow> {
    let lag = |lag: &super::field::health::Lag| LagRow {
        class: config.field.classes.get(lag.class.0).map(|class| class.id.clone()).unwrap_or_default(),
        newest_s: lag.newest.as_secs_f64(),
        most_s: lag.most.as_secs_f64(),
        skipped: lag.skipped,
    };
    let unit = |unit: &super::field::health::UnitHealth| {
        let device = config.field.devices.get(unit.device.0)?;
        Some(UnitRow {
            device: device.id.clone(),
            unit: device.unit,
            state: unit.state,
            failures: unit.failures,
            last_reply_s: unit.last_reply.map(|at| at.as_secs_f64()),
        })
    };
    let row = |health: super::field::health::LinkHealth| LinkRow {
        id: config.field.links.get(health.link.0).map(|link| link.id.clone()).unwrap_or_default(),
        up: health.state == LinkState::Up,
        counters: health.counters,
        lags: health.lags.iter().map(lag).collect(),
        units_down: health.units.iter().filter(|unit| unit.state == UnitState::Down).count(),
        state: health.state,
        since_s: health.since.as_secs_f64(),
        last_error: health.last_error,
        watchdog_writes: health.watchdog_writes,
        units: health.units.iter().filter_map(unit).collect(),
    };
    monitor.health().into_iter().map(row).collect()
}

fn families(now: &Numbers) -> Vec<Metric> {
    let outcomes = now.outcomes.iter().map(|(name, n)| (Some(("outcome", *name)), count(*n)));
    let seconds = |name, help, of: Timing| {
        let rows = vec![
            (Some(("stat", "sum")), of.sum.as_secs_f64()),
            (Some(("stat", "count")), count(of.count)),
            (Some(("stat", "longest")), of.longest.as_secs_f64()),
        ];
        Metric { name, kind: MetricKind::Gauge, help, rows }
    };
    vec![
        Metric::counter(
            "qindan_ticks_skipped_total",
            "Ticks left out because one was late",
            count(now.skipped),
        ),
        Metric::gauge(
            "qindan_tick_lateness_seconds",
            "Service time by which the newest tick began late",
            now.lateness.as_secs_f64(),
        ),
        Metric::gauge(
            "qindan_cycle_behind",
            "The cycle does not keep up with its clock",
            f64::from(u8::from(now.behind)),
        ),
        seconds("qindan_decide_seconds", "Real time of the decisions", now.decide),
        seconds("qindan_journal_append_seconds", "Real time until records were durable", now.append),
        Metric::counter("qindan_commands_sent_total", "Commands handed to the field", count(now.sent)),
        Metric::counter(
            "qindan_commands_withheld_total",
            "Commands not sent because their intent could not be recorded",
            count(now.withheld),
        ),
        Metric {
            name: "qindan_commands_ended_total",
            kind: MetricKind::Counter,
            help: "Commands by how they ended",
            rows: outcomes.collect(),
        },
        Metric::counter("qindan_acts_total", "Acts of people taken", count(now.acts)),
        Metric::gauge("qindan_records", "Number of the last record", count(now.records)),
        Metric::gauge("qindan_records_kept", "Records in memory until the disk takes them", count(now.kept)),
        Metric::counter(
            "qindan_history_dropped_total",
            "Rounds of samples left out for the disk",
            count(now.history_dropped),
        ),
        Metric::counter(
            "qindan_snapshots_dropped_total",
            "Decisions whose inputs were not kept, so that they cannot be made again",
            count(now.snapshots_dropped),
        ),
        Metric::counter(
            "qindan_memory_saves_failed_total",
            "Times the memory for the next start could not be stored",
            count(now.saves_failed),
        ),
    ]
    .into_iter()
    .chain(of_notices(&now.notices))
    .collect()
}

fn of_notices(now: &desk::Numbers) -> Vec<Metric> {
    vec![
        Metric::counter(
            "qindan_notices_sent_total",
            "Messages about alarms taken by the servers of receivers",
            count(now.sent),
        ),
        Metric::counter("qindan_notices_failed_total", "Messages about alarms given up", count(now.failed)),
        Metric::counter(
            "qindan_notices_dropped_total",
            "Alarms left out of messages because too many waited",
            count(now.dropped),
        ),
        Metric::gauge(
            "qindan_notices_waiting",
            "Alarms that wait to be told to receivers",
            count(u64::try_from(now.waiting).unwrap_or(u64::MAX)),
        ),
        Metric::gauge(
            "qindan_notices_oldest_seconds",
            "Real time the oldest of them has waited",
            now.oldest_s,
        ),
        Metric::gauge("qindan_notices_deaf_receivers", "Receivers that cannot be told", f64::from(now.deaf)),
    ]
}

fn of_view(view: &Store) -> Vec<Metric> {
    vec![
        Metric::gauge(
            "qindan_view_stale",
            "Queries of the log read the journal, since its view is behind or being made",
            f64::from(u8::from(view.is_stale())),
        ),
        Metric::gauge("qindan_view_records", "Number of the last record in the view", count(view.applied())),
        Metric::counter(
            "qindan_view_rebuilds_total",
            "Times the view was found wrong and made anew",
            count(view.rebuilds()),
        ),
    ]
}

/// What has not been seen is not there.
fn of_disks(room: &Room) -> Vec<Metric> {
    let seen = room.seen();
    let space = seen.space.into_iter().flat_map(|space| {
        [
            Metric::gauge(
                "qindan_disk_free_bytes",
                "Room left on the disk of the data folder",
                count(space.free),
            ),
            Metric::gauge("qindan_disk_size_bytes", "Size of that disk", count(space.total)),
        ]
    });
    let backup = seen.backup_s.map(|at| {
        let at = count(u64::try_from(at).unwrap_or_default());
        Metric::gauge(
            "qindan_backup_timestamp_seconds",
            "When the newest backup was finished, Unix time; 0: there is none",
            at,
        )
    });
    space.chain(backup).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double by definition")]
fn count(number: u64) -> f64 {
    number as f64
}
