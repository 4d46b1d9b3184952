//! Settings of the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::raw::Given;
use super::super::raw::site::{RawService, RawTls};
use super::super::sheet::Spot;
use crate::config::{Service, Tls};
use crate::control::operator::Mode;

/// Days of minutes when the file says nothing. Chosen: a year and the month after it, so that any month lies beside that of the
/// year before.
const MINUTES_DAYS: u32 = 400;

/// Days of hours when the file says nothing. Chosen: ten years, the length of record that flow statistics ask for at least.
const HOURS_DAYS: u32 = 3660;

/// Most room for samples, minutes and hours when the file says nothing, MB. Chosen: a tenth of the disk of a small server.
const HISTORY_MB: u32 = 20_000;

/// Days of exact inputs when the file says nothing. Chosen: a month in which any decision can be made again.
const SNAPSHOT_DAYS: u32 = 30;

/// Most room for them when the file says nothing, MB. Chosen: over twice the 730 MB of a month of the Qin-Dan basin.
const SNAPSHOT_MB: u32 = 2000;

/// Least room for them, MB. Chosen: below it they end before anybody has looked at them.
const LEAST_MB: u32 = 100;

/// Days whose bulletins are made good when the file says nothing. Chosen: a month.
const BULLETIN_DAYS: u32 = 30;

/// Minutes between the end of a day and its bulletin when the file says nothing. Chosen: the last commands of the day have
/// ended, and the bulletin is there well before 09:00.
const BULLETIN_AFTER_MIN: u32 = 10;

/// Hours after which an unused session ends when the file says nothing. Chosen: a shift of twelve hours; an open page is use,
/// so a wall display does not end by it.
const IDLE_H: u32 = 12;

/// Days a session lasts when the file says nothing. Chosen: a month of a wall display; moving a gate asks for the
/// password much more often, see the operate lease.
const SESSION_DAYS: u32 = 30;

pub(in crate::config) fn service(mut raw: RawService, at: &Spot<'_>) -> Option<Service> {
    let page = page(&mut raw, at);
    let remedy = "say true for simulators on this machine, false for a river";
    let bench = at.need("bench", raw.bench, remedy);
    let remedy = "give the days of history to keep, at least 1";
    let history_days = at.need("history_days", raw.history_days, remedy);
    if history_days == Some(0) {
        at.key("history_days").complain("keeps nothing", remedy);
    }
    let remedy = "give the days to keep, at least 1, or remove the key";
    let minutes_days = at.may("minutes_days", raw.minutes_days, remedy).unwrap_or(MINUTES_DAYS);
    let hours_days = at.may("hours_days", raw.hours_days, remedy).unwrap_or(HOURS_DAYS);
    for (key, days) in [("minutes_days", minutes_days), ("hours_days", hours_days)] {
        if days == 0 {
            at.key(key).complain("keeps nothing", remedy);
        }
    }
    let remedy = "give the most room for samples, minutes and hours on the disk in MB, at least 100";
    let history_mb = at.may("history_mb", raw.history_mb, remedy).unwrap_or(HISTORY_MB);
    if history_mb < LEAST_MB {
        at.key("history_mb").complain("is less than a day or two may take", remedy);
    }
    let remedy = "give the days whose decisions can be made again, at least 1";
    let snapshot_days = at.may("snapshot_days", raw.snapshot_days, remedy).unwrap_or(SNAPSHOT_DAYS);
    if snapshot_days == 0 {
        at.key("snapshot_days").complain("keeps nothing", remedy);
    }
    let remedy = "give the most room for them on the disk in MB, at least 100: a day or two of a large basin";
    let snapshot_mb = at.may("snapshot_mb", raw.snapshot_mb, remedy).unwrap_or(SNAPSHOT_MB);
    if snapshot_mb < LEAST_MB {
        at.key("snapshot_mb").complain("is less than a day or two may take", remedy);
    }
    let remedy = "give the room in MB that is kept free for the record, at least 100, or remove the key";
    let free_mb = at.may("free_mb", raw.free_mb, remedy);
    if free_mb.is_some_and(|free| free < LEAST_MB) {
        at.key("free_mb").complain("leaves the record no room", remedy);
    }
    let remedy = "say observe, advice, automatic or manual";
    let start_mode = at.need("start_mode", raw.start_mode, remedy);
    if bench == Some(false) && start_mode == Some(Mode::Automatic) {
        let what = "would move gates of a real river right after the first start";
        at.key("start_mode").complain(what, "start in observe, advice or manual; people change the mode");
    }
    let remedy = "give the absolute path of the folder forecasts are put into, or remove the key";
    let folder = at.may("forecast_folder", raw.forecast_folder, remedy).map(PathBuf::from);
    if folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
        at.key("forecast_folder").complain("is no absolute path", remedy);
    }
    let remedy = "give the absolute path of the folder the backups are made in, or remove the key";
    let backups = at.may("backup_folder", raw.backup_folder, remedy).map(PathBuf::from);
    if backups.as_ref().is_some_and(|folder| !folder.is_absolute()) {
        at.key("backup_folder").complain("is no absolute path", remedy);
    }
    let remedy = "give the days whose missing bulletins are made good, at most 400; 0 makes none";
    let bulletin_days = at.may("bulletin_days", raw.bulletin_days, remedy).unwrap_or(BULLETIN_DAYS);
    if bulletin_days > 400 {
        at.key("bulletin_days").complain("is more than a year and the month after it", remedy);
    }
    let remedy = "give the minutes after the end of a day, 1 to 720";
    let after = at.may("bulletin_after_min", raw.bulletin_after_min, remedy).unwrap_or(BULLETIN_AFTER_MIN);
    if !(1..=720).contains(&after) {
        at.key("bulletin_after_min").complain("must be 1 to 720", remedy);
    }
    let Page { listen, names, tls, open_view, session_idle_h, session_days } = page;
    Some(Service {
        listen: listen?,
        bench: bench?,
        history_days: history_days?,
        minutes_days,
        hours_days,
        history_mb,
        snapshot_days,
        snapshot_mb,
        free_mb,
        start_mode: start_mode?,
        forecast_folder: folder,
        backup_folder: backups,
        bulletin_days,
        bulletin_after_min: after,
        names,
        tls,
        open_view,
        session_idle_h,
        session_days,
    })
}

/// Where the page is served, to whom, and for how long somebody stays signed in.
struct Page {
    listen: Option<SocketAddr>,
    names: Vec<String>,
    tls: Option<Tls>,
    open_view: bool,
    session_idle_h: u32,
    session_days: u32,
}

fn page(raw: &mut RawService, at: &Spot<'_>) -> Page {
    let remedy = "give an address and port, as \"127.0.0.1:8080\"; beyond this machine add tls and names";
    let has_tls = raw.tls.is_there();
    let names =
        at.may("names", std::mem::take(&mut raw.names), "list host names, as [\"qindan.example.org\"]");
    let names: Vec<_> = names.unwrap_or_default().iter().map(|name| name.to_lowercase()).collect();
    for (number, name) in names.iter().enumerate().filter(|(_, name)| !is_host(name)) {
        let what = format!("{name:?} is no host name");
        at.key("names").item(number).complain(what, "write it without scheme, port and path");
    }
    let listen = at.need("listen", std::mem::take(&mut raw.listen), remedy).and_then(|text| {
        let address: Option<SocketAddr> = text.parse().ok();
        match address {
            None => at.key("listen").complain("is no address with a port", remedy),
            Some(address) if address.ip().is_loopback() => {}
            Some(_) if !has_tls => {
                let what =
                    "can be reached from other machines, where passwords and orders would go in the open";
                at.key("listen").complain(what, "add tls, or use 127.0.0.1 and a tunnel");
            }
            Some(_) if names.is_empty() => {
                let remedy = "give names = [\"...\"]: what people type to open the page; others are refused";
                at.key("names")
                    .complain("is missing, and the page can be reached from other machines", remedy);
            }
            Some(_) => {}
        }
        address
    });
    let remedy = "write { certificate = \"...\", key = \"...\" } or { generate = true }";
    let tls = at.may("tls", std::mem::take(&mut raw.tls), remedy).and_then(|raw| tls(raw, &at.key("tls")));
    let remedy = "say true to let everybody who reaches the page look without signing in";
    let open_view = at.may("open_view", std::mem::take(&mut raw.open_view), remedy).unwrap_or(false);
    let within = |key: &str, given: &mut Given<u32>, usual: u32, most: u32, remedy: &str| {
        let value = at.may(key, std::mem::take(given), remedy).unwrap_or(usual);
        if !(1..=most).contains(&value) {
            at.key(key).complain(format!("must be 1 to {most}"), remedy);
        }
        value
    };
    let remedy = "give the hours after which an unused session ends";
    let session_idle_h = within("session_idle_h", &mut raw.session_idle_h, IDLE_H, 168, remedy);
    let remedy = "give the days after which everybody signs in anew";
    let session_days = within("session_days", &mut raw.session_days, SESSION_DAYS, 366, remedy);
    Page { listen, names, tls, open_view, session_idle_h, session_days }
}

fn is_host(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !name.is_empty() && name.len() <= 253 && name.chars().all(plain)
}

fn tls(raw: RawTls, at: &Spot<'_>) -> Option<Tls> {
    let remedy = "write { certificate = \"...\", key = \"...\" } or { generate = true }";
    let generate = at.may("generate", raw.generate, remedy).unwrap_or(false);
    let certificate = at.may("certificate", raw.certificate, remedy).map(PathBuf::from);
    let key = at.may("key", raw.key, remedy).map(PathBuf::from);
    match (generate, certificate, key) {
        (true, None, None) => Some(Tls::Generate),
        (false, Some(certificate), Some(key)) => {
            if !certificate.is_absolute() || !key.is_absolute() {
                at.complain("names a file by no absolute path", "begin both paths with /");
            } else if let Err(why) = crate::shell::web::tls::files(&certificate, &key) {
                let remedy =
                    "name a PEM certificate with its chain and its key, mode 600, that the service may read";
                at.complain(format!("does not serve: {why}"), remedy);
            }
            Some(Tls::Files { certificate, key })
        }
        (true | false, _, _) => {
            at.complain("is neither two files nor generate = true", remedy);
            None
        }
    }
}
