//! A service without a field, for a browser: the router on a port of its own and a cycle that obeys.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use qindan::config::Config;
use qindan::control::operator::{Authority, OperatorAct, Order};
use qindan::control::quality::{Quality, Reading};
use qindan::control::schedule::steps::Active;
use qindan::control::status::{AlarmStatus, AsideStatus, Status};
use qindan::control::ticket::Ticket;
use qindan::control::warning::Issued;
use qindan::shell::clock::Clock;
use qindan::shell::people::{Book, People, Role};
use qindan::shell::trend::Series;
use qindan::shell::web::{ActAnswer, ActRequest, ActionRow, Actions, RealTime, serve};
use qindan::units::Opening;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::browser::Browser;
use crate::running::Folder;
use crate::{archived, door, fixture, web};

const SECOND: Duration = Duration::from_secs(1);

/// A service without a field: the router on a port of its own, and a cycle that publishes a status each second and
/// obeys. It runs on a runtime of its own, so that it can be killed with all its connections.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    status: watch::Sender<Arc<Status>>,
    acts: Arc<Mutex<Vec<OperatorAct>>>,
    cycle: Option<oneshot::Sender<()>>,
    _folder: Folder,
    data: Arc<tempfile::TempDir>,
    pub(crate) people: Arc<People>,
}

impl Service {
    pub(crate) fn start(config: Config, status: Status) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), config, status)
    }

    pub(crate) fn start_on(address: SocketAddr, config: Config, status: Status) -> Self {
        Self::beside(None, address, config, status)
    }

    /// Beside the control of a virtual river.
    pub(crate) fn beside(
        river: Option<SocketAddr>,
        address: SocketAddr,
        config: Config,
        status: Status,
    ) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Book::edit(data.path(), |book| {
            book.add(door::USER, (Role::ShiftLeader, None), door::PASSWORD, fixture::utc(0))
        })
        .unwrap();
        Self::with(river, address, (config, status), data)
    }

    /// Another process on the same data folder and address.
    pub(crate) fn again(&self, config: Config, status: Status) -> Self {
        Self::with(None, self.address, (config, status), Arc::clone(&self.data))
    }

    fn with(
        river: Option<SocketAddr>,
        address: SocketAddr,
        (config, status): (Config, Status),
        data: Arc<tempfile::TempDir>,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Clock::real();
        let (mut web, status, taken) =
            web::state(config, status, RealTime::new(move || clock.now()), data.path());
        web.simulated_river = river;
        let people = Arc::clone(&web.people);
        history(&web);
        let (folder, archive) = archived::filled(&web.config);
        web.archive = Some(archive);
        let rows = rows(&web.config);
        web.actions = Arc::new(move |limit| {
            let rows: Vec<_> = rows.iter().take(limit).cloned().collect();
            async move { Ok(Actions { rows, view: None }) }.boxed()
        });
        let acts = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(cycle(status.clone(), taken, acts.clone(), stopped));
        let (told, at) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            serve(listener, None, web, std::future::pending()).await.unwrap();
        });
        Self {
            address: at.recv().unwrap(),
            runtime: Some(runtime),
            status,
            acts,
            cycle: Some(stop),
            _folder: folder,
            data,
            people,
        }
    }

    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| change(Arc::make_mut(status)));
    }

    pub(crate) fn acts(&self) -> Vec<Order> {
        self.acts.lock().unwrap().iter().map(|act| act.order.clone()).collect()
    }

    /// Who acted, in order.
    pub(crate) fn actors(&self) -> Vec<(String, String)> {
        self.acts.lock().unwrap().iter().map(|act| (act.who.clone(), act.role.clone())).collect()
    }

    /// Adds a user with the usual password.
    pub(crate) fn add(&self, name: &str, role: Role) {
        Book::edit(self.data.path(), |book| book.add(name, (role, None), door::PASSWORD, fixture::utc(0)))
            .unwrap();
    }

    /// Ends the process, as far as a browser can tell.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// The cycle publishes nothing any more; the page is still served.
    pub(crate) fn stop_cycle(&mut self) {
        self.cycle.take();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Publishes each second and obeys acts, until told to stop.
async fn cycle(
    status: watch::Sender<Arc<Status>>,
    mut taken: mpsc::Receiver<ActRequest>,
    acts: Arc<Mutex<Vec<OperatorAct>>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut ticks = tokio::time::interval(SECOND);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = ticks.tick() => status.send_modify(|status| tick(Arc::make_mut(status))),
            Some((act, reply)) = taken.recv() => {
                status.send_modify(|status| obey(Arc::make_mut(status), &act.order));
                acts.lock().unwrap().push(act);
                let _ = reply.send(Ok(ActAnswer { tick: 884_214, record: Some(4711) }));
            }
        }
    }
}

/// A second passes: what is read well is read again.
fn tick(status: &mut Status) {
    status.tick += 1;
    status.mono += SECOND;
    status.utc += SECOND;
    let again = |reading: &mut Reading| {
        if reading.quality == Quality::Good {
            reading.taken_at = reading.taken_at.map(|at| at + SECOND);
        }
    };
    let mut image = status.image.to_vec();
    image.iter_mut().for_each(again);
    status.image = image.into();
    status.sections.iter_mut().map(|section| &mut section.reading).for_each(again);
    status.gates.iter_mut().map(|gate| &mut gate.position).for_each(again);
}

fn obey(status: &mut Status, order: &Order) {
    match order {
        Order::HoldAll => status.hold_all = Some("console".into()),
        Order::ReleaseHold => status.hold_all = None,
        Order::SetMode { mode } => status.mode = *mode,
        Order::SetAuthority { gate, authority } => status.gates[gate.0].authority = *authority,
        Order::SetPoint { gate, opening, .. } => {
            status.gates[gate.0].target = Some(*opening);
            status.gates[gate.0].authority = Authority::Manual;
        }
        Order::StopGate { gate } => status.gates[gate.0].authority = Authority::Manual,
        Order::Accept { gate, proposal, opening, .. } => {
            status.gates[gate.0].target = Some(*opening);
            status.proposals.retain(|open| open.id != *proposal);
        }
        Order::AskTicket { gate, minutes, reason, permit } => {
            let ticket = fixture::ticket(*gate, *minutes, reason);
            status.tickets.push(Ticket { permit: permit.clone(), ..ticket });
        }
        Order::SignTicket { ticket, .. } => {
            status.tickets.iter_mut().filter(|open| open.id == *ticket).for_each(|open| open.in_force = true);
        }
        Order::EndTicket { ticket, .. } => status.tickets.retain(|open| open.id != *ticket),
        Order::Reject { proposal, .. } => status.proposals.retain(|open| open.id != *proposal),
        Order::Acknowledge { alarm } => {
            status.alarms.iter_mut().filter(|a| a.key == *alarm).for_each(|a| a.acknowledged = true);
        }
        Order::AcknowledgeMany { alarms } => {
            status.alarms.iter_mut().filter(|a| alarms.contains(&a.key)).for_each(|a| a.acknowledged = true);
        }
        Order::Shelve { alarm, minutes, reason } => {
            let Some(at) = status.alarms.iter().position(|a| a.key == *alarm) else { return };
            let shelf = fixture::shelf(reason, *minutes);
            let alarm = status.alarms.remove(at);
            status.aside.push(AsideStatus { alarm, shelf: Some(shelf), parent: None });
        }
        Order::ActivateSchedule { version, hash, entries } => {
            let (hash, entries, since) = (hash.clone(), entries.clone(), status.utc);
            let active = Active { version: *version, hash, by: "li".into(), since, entries };
            status.calendar.active = Some(Arc::new(active));
        }
        Order::Unshelve { alarm } => {
            let Some(at) = status.aside.iter().position(|a| a.alarm.key == *alarm) else { return };
            let back = status.aside.remove(at).alarm;
            status.alarms.push(AlarmStatus { acknowledged: true, ..back });
        }
        Order::Enter { meter, value, minutes, reason } => {
            status.entered.retain(|entry| entry.meter != *meter);
            status.entered.push(fixture::entered(meter, *value, (*minutes, reason)));
        }
        Order::IssueWarning { element, grade, cause, measure } => {
            let at = status.utc;
            if let Some(watch) = status.warnings.iter_mut().find(|watch| watch.element == *element) {
                let (cause, measure) = (cause.clone(), measure.clone());
                let by = "console".to_owned();
                watch.issued =
                    Some(Issued { id: 1, grade: *grade, at, by, cause, measure, found: watch.found });
            }
        }
        Order::OpenIncident { .. } => {}
        Order::CloseIncident { incident, .. } => status.incidents.retain(|open| open.id != *incident),
        Order::CancelWarning { element, .. } => {
            status
                .warnings
                .iter_mut()
                .filter(|watch| watch.element == *element)
                .for_each(|watch| watch.issued = None);
        }
        Order::Withdraw { meter } => status.entered.retain(|entry| entry.meter != *meter),
    }
}

/// A day of history with a gap, so that trends have something to show.
fn history(web: &qindan::shell::web::WebState) {
    let status = web.status.borrow().clone();
    let minutes = || (-24 * 60..0_i64).filter(|m| !(-600..-560).contains(m));
    for (i, section) in status.sections.iter().enumerate() {
        let flow = section.reading.value.unwrap_or(2.0);
        let values = minutes().map(|m| {
            let t = m as f64;
            let noise = 0.012 * ((t * 1.7).sin() + (t * 0.61).cos());
            (fixture::utc(m * 60), flow + 0.04 * (t / 260.0).sin() + noise - 0.00003 * t)
        });
        web.trends.preload(Series::Section(i), values);
    }
    for (i, gate) in status.gates.iter().enumerate() {
        let at = gate.opening.map_or(0.0, Opening::fraction);
        let values =
            minutes().map(|m| (fixture::utc(m * 60), if m < -252 { (at - 0.03).max(0.0) } else { at }));
        web.trends.preload(Series::Gate(i), values);
    }
}

fn rows(config: &Config) -> Vec<ActionRow> {
    let basin = &config.basin;
    let row = |seq: u64, ago_s: i64, gate: usize, from: f64, to: f64, outcome: Value| ActionRow {
        seq,
        utc: fixture::utc(-ago_s),
        kind: "intent".into(),
        actor: "dispatch".into(),
        gate: Some(basin.gates[gate % basin.gates.len()].id.clone()),
        from: Some(from),
        to: Some(to),
        because: json!([{ "because": "outlet_floor", "section": basin.sections[0].id, "setpoint": 1.06 }]),
        limits: json!([]),
        outcome,
        took_ms: Some(48_000),
        detail: Value::Null,
    };
    let act = |seq: u64, ago_s: i64, order: Value| ActionRow {
        kind: "operator".into(),
        actor: "operator:console".into(),
        gate: None,
        from: None,
        to: None,
        because: json!([]),
        outcome: Value::Null,
        took_ms: None,
        detail: json!({ "order": order, "accepted": true, "answer": "mode set" }),
        ..row(seq, ago_s, 0, 0.0, 0.0, Value::Null)
    };
    let v1 = basin.gates.iter().position(|g| g.duty == qindan::basin::Duty::Trim).unwrap_or(0);
    vec![
        row(4710, 180, v1 + 1, 0.024, 0.03, json!({ "state": "verified" })),
        row(4705, 380, v1 + 2, 0.01, 0.02, json!({ "state": "failed", "why": "no_arrival" })),
        row(4702, 15_100, v1, 0.21, 0.24, json!({ "state": "verified" })),
        act(4699, 28_800, json!({ "order": "set_mode", "mode": "automatic" })),
        row(4690, 37_000, v1, 0.19, 0.21, json!({ "state": "verified" })),
        row(4688, 52_000, v1, 0.18, 0.19, json!({ "state": "superseded" })),
    ]
}

/// A page on `config`, open, live and of ordinary size.
pub(crate) async fn open(config: Config, status: Status) -> (Service, Browser) {
    let service = Service::start(config, status);
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    sign_in(&service, &browser, door::USER, true).await;
    (service, browser)
}

/// Signs in by the form, as a person does, with control of the river or without, and waits for the page.
pub(crate) async fn sign_in(service: &Service, browser: &Browser, user: &str, with_control: bool) {
    browser.open(&format!("{}login", service.page())).await;
    browser.fill("name", user).await;
    browser.fill("password", door::PASSWORD).await;
    if with_control {
        browser.click("with-control").await;
    }
    browser.click("sign-in").await;
    browser.says("clock", ":").await;
}
