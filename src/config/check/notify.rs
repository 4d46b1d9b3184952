//! Receivers who can be told in one way, routes that lead to them, secrets that stand elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderName;
use jiff::civil::Time;

use super::super::raw::Given;
use super::super::raw::notify::{RawMail, RawNotify, RawReceiver, RawRoute, RawSecret};
use super::super::sheet::{Entry, Sheet, Spot};
use super::Rule;
use crate::basin::Basin;
use crate::config::notify::{Hook, Language, Mail, Notify, Receiver, Route, Secret, Security, Url, Way};
use crate::control::alarm;

/// Messages an hour when the file says nothing. Chosen: one in five minutes is about what a person on call still reads.
const PER_HOUR: u32 = 12;
/// Most messages an hour: more is no notice but a stream.
const PER_HOUR_MOST: u32 = 120;
/// Minutes until the next receiver.
const MINUTES: Rule = Rule { holds: |x| (1.0..=1440.0).contains(&x), must: "must be 1 to 1440" };
const SECRET: &str =
    "write { file = \"/path\" } or { env = \"NAME\" }; the secret itself stands there, never here";

pub(in crate::config) fn notify<'a>(basin: &Basin, sheet: &'a Sheet<'a>) -> Option<Notify> {
    let general = if sheet.has("notify") { sheet.single::<RawNotify>("notify", "") } else { None };
    let (raw, at) = general.unwrap_or_else(|| (RawNotify::default(), sheet.top().key("notify")));
    let remedy = "say true to send from a bench installation too";
    let on_bench = at.may("on_bench", raw.on_bench, remedy).unwrap_or(false);
    let remedy = "give the most messages one receiver gets in an hour; what is more is gathered";
    let per_hour = at.may("messages_per_hour", raw.messages_per_hour, remedy).unwrap_or(PER_HOUR);
    if !(1..=PER_HOUR_MOST).contains(&per_hour) {
        at.key("messages_per_hour").complain(format!("must be 1 to {PER_HOUR_MOST}"), remedy);
    }
    let page = at.may("page", raw.page, "give the address by which the page is opened, or remove the key");
    let has_mail = sheet.has("mail");
    let mail = if has_mail {
        sheet.single::<RawMail>("mail", "").and_then(|(raw, at)| mail(raw, &at))
    } else {
        None
    };
    let names = sheet.names("receiver");
    for (kind, count) in [("receiver", names.len()), ("route", sheet.names("route").len())] {
        if count == 0 && sheet.whole {
            let remedy = format!("add a [{kind}.NAME], or remove the file");
            sheet.top().key(kind).complain("is missing: nobody is told anything", remedy);
        }
    }
    let receivers = sheet.entries("receiver").into_iter().map(|entry| receiver(entry, has_mail));
    let receivers = receivers.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>();
    let routes = sheet.entries("route").into_iter().map(|entry| route(basin, &names, entry));
    let routes = routes.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>();
    if has_mail && mail.is_none() {
        return None;
    }
    Some(Notify { on_bench, per_hour, page, mail, receivers: receivers?, routes: routes? })
}

/// What must stand there and be more than blanks.
fn words(at: &Spot<'_>, key: &str, given: Given<String>, remedy: &str) -> Option<String> {
    let text = at.need(key, given, remedy)?;
    if text.trim().is_empty() {
        at.key(key).complain("must not be empty", remedy);
    }
    Some(text.trim().to_owned())
}

fn secret(at: &Spot<'_>, raw: RawSecret) -> Option<Secret> {
    let file = at.may("file", raw.file, SECRET).map(PathBuf::from);
    let variable = at.may("env", raw.env, SECRET);
    match (file, variable) {
        (Some(file), None) => {
            if !file.is_absolute() {
                at.key("file").complain("is no absolute path", "begin it with /");
            }
            Some(Secret::File(file))
        }
        (None, Some(name)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                let what = "is no name of a variable";
                at.key("env").complain(what, "use letters, digits and underscores, as QINDAN_MAIL_PASSWORD");
            }
            Some(Secret::Variable(name))
        }
        (Some(_), Some(_)) | (None, None) => {
            if at.is_shaped() {
                at.complain("names not one place", SECRET);
            }
            None
        }
    }
}

fn file(at: &Spot<'_>, key: &str, given: Given<String>) -> Option<PathBuf> {
    let remedy = "give the absolute path of a PEM file, or remove the key to trust what this machine trusts";
    let path = at.may(key, given, remedy).map(PathBuf::from)?;
    if !path.is_absolute() {
        at.key(key).complain("is no absolute path", "begin it with /");
    }
    Some(path)
}

fn address(at: &Spot<'_>, key: &str, text: &str) {
    if let Err(error) = text.parse::<lettre::Address>() {
        at.key(key).complain(format!("is no mail address ({error})"), "write it as duty@example.org");
    }
}

fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn mail(raw: RawMail, at: &Spot<'_>) -> Option<Mail> {
    let host = words(at, "host", raw.host, "give the name of the mail server");
    let port = at.need("port", raw.port, "give its port, as 465 for tls, 587 for starttls");
    let remedy = "say tls, starttls, or none for a relay on this machine";
    let security = at.need("security", raw.security, remedy);
    if security == Some(Security::None) && host.as_deref().is_some_and(|host| !is_here(host)) {
        let what = "would send alarms and password in the open to another machine";
        at.key("security").complain(what, "say tls or starttls");
    }
    let from = words(at, "from", raw.from, "give the address of the sender, as qindan@example.org");
    if let Some(from) = &from {
        address(at, "from", from);
    }
    let user = at.may("user", raw.user, "give the name to sign in with, or remove the key");
    let password = at.may("password", raw.password, SECRET);
    let password = password.map(|raw| secret(&at.key("password"), raw));
    let ca = file(at, "ca", raw.ca);
    let user = match (user, password) {
        (Some(user), Some(password)) => Some((user, password?)),
        (None, None) => None,
        (Some(_), None) => {
            at.key("password").complain("is missing: a user signs in with one", SECRET);
            return None;
        }
        (None, Some(_)) => {
            at.key("user").complain("is missing: a password is somebody's", "give the name to sign in with");
            return None;
        }
    };
    Some(Mail { host: host?, port: port?, security: security?, from: from?, user, ca })
}

fn receiver(entry: Entry<'_, RawReceiver>, has_mail: bool) -> Option<Receiver> {
    let (raw, at) = (entry.raw?, entry.spot);
    let name = at.name(raw.name_zh, raw.name_en);
    let language = at.may("language", raw.language, "say zh or en").unwrap_or(Language::Zh);
    let remedy = "give one of mail = \"duty@example.org\", url = \"https://…\" or url_from = { … }";
    let mail = at.may("mail", raw.mail, remedy);
    let url = at.may("url", raw.url, remedy);
    let kept = at.may("url_from", raw.url_from, SECRET);
    let kept = kept.map(|raw| secret(&at.key("url_from"), raw));
    let key = at.may("signature", raw.signature, SECRET);
    let key = key.map(|raw| secret(&at.key("signature"), raw));
    let ca = file(&at, "ca", raw.ca);
    let has_headers = raw.headers.is_there();
    let headers = headers(&at, raw.headers);
    let way = match (mail, url, kept) {
        (Some(mail), None, None) => {
            address(&at, "mail", &mail);
            if !has_mail {
                let remedy = "add [mail] with host, port, security and from";
                at.key("mail").complain("there is no mail server in this file", remedy);
            }
            if key.is_some() || ca.is_some() || has_headers {
                let what = "has signature, headers or ca, which are of a webhook";
                at.complain(what, "remove them; the ca of the mail server stands in [mail]");
            }
            Way::Mail(mail)
        }
        (None, Some(url), None) => {
            is_url(&at, &url);
            Way::Hook(Hook { url: Url::Plain(url), key: whole(key)?, headers: headers?, ca })
        }
        (None, None, Some(kept)) => {
            Way::Hook(Hook { url: Url::Kept(kept?), key: whole(key)?, headers: headers?, ca })
        }
        (_, _, _) => {
            if at.is_shaped() {
                at.complain("is told in no way, or in several", remedy);
            }
            return None;
        }
    };
    Some(Receiver { id: entry.id, name: name?, language, way })
}

/// `None` when something stood there and was wrong.
#[expect(clippy::option_option, reason = "not given, given and wrong, given and right")]
fn whole<T>(given: Option<Option<T>>) -> Option<Option<T>> {
    given.map_or(Some(None), |value| value.map(Some))
}

fn headers(at: &Spot<'_>, given: Given<BTreeMap<String, Given<RawSecret>>>) -> Option<Vec<(String, Secret)>> {
    let remedy = "write { Authorization = { env = \"NAME\" } }";
    let Some(list) = at.may("headers", given, remedy) else { return Some(Vec::new()) };
    let spot = at.key("headers");
    let one = |(name, given): (String, Given<RawSecret>)| {
        let spot = spot.key(&name);
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            spot.complain("is no name of a header", "use letters, digits and hyphens");
        }
        Some((name, secret(&spot, spot.value(given, SECRET)?)?))
    };
    list.into_iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// Notes what is wrong with the address of a webhook.
fn is_url(at: &Spot<'_>, url: &str) {
    if let Err(what) = url_of(url) {
        at.key("url").complain(what, "write it as https://host/path");
    }
}

/// An address notices may be posted to: by TLS, or on this machine.
///
/// # Errors
/// What is wrong with it, without what it says.
pub(crate) fn url_of(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.trim().parse().map_err(|_| "is no address of a webhook")?;
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return Err("names no host") };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("holds a name or password; put it into a header");
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here(host) => Ok(uri),
        Some("http") => Err("would send alarms in the open to another machine"),
        Some(_) | None => Err("is neither https nor, on this machine, http"),
    }
}

fn route(basin: &Basin, receivers: &[String], entry: Entry<'_, RawRoute>) -> Option<Route> {
    let (raw, at) = (entry.raw?, entry.spot);
    let remedy = "list priorities of 1 to 4, as [1, 2]";
    let priorities = at.need("priorities", raw.priorities, remedy).and_then(|list| {
        let spot = at.key("priorities");
        if list.is_empty() {
            spot.complain("names no priority", remedy);
        }
        let one = |(index, given): (usize, Given<u8>)| {
            let spot = spot.item(index);
            let priority = spot.value(given, remedy)?;
            if !(1..=4).contains(&priority) {
                spot.complain("must be 1 to 4", remedy);
            }
            Some(priority)
        };
        list.into_iter().enumerate().map(one).collect::<Vec<_>>().into_iter().collect::<Option<Vec<u8>>>()
    });
    let known: Vec<String> = alarm::LIST.iter().map(|(id, ..)| (*id).to_owned()).collect();
    let alarms = listed(&at, "alarms", raw.alarms, (&known, "alarm of the list in ops/alarms.md"));
    let known: Vec<String> = basin.rivers.iter().map(|(id, _)| id.clone()).collect();
    let rivers = listed(&at, "rivers", raw.rivers, (&known, "river of the basin"));
    if !raw.to.is_there() {
        at.key("to").complain("is missing", "list receivers, the first one first");
    }
    let to = listed(&at, "to", raw.to, (receivers, "receiver of this file"))?;
    let chain: Vec<usize> =
        to.iter().filter_map(|id| receivers.iter().position(|known| known == id)).collect();
    if to.is_empty() {
        at.key("to").complain("names nobody", "list receivers, the first one first");
    }
    if chain.iter().collect::<BTreeSet<_>>().len() < chain.len() {
        at.key("to").complain("names somebody twice", "name each receiver once");
    }
    let remedy = "give the minutes without an acknowledgement until the next one is told";
    let after = if to.len() > 1 || raw.after_min.is_there() {
        at.number("after_min", raw.after_min, MINUTES, remedy)
    } else {
        Some(1440.0)
    };
    let quiet = quiet(&at, raw.quiet_from, raw.quiet_to)?;
    let priorities = priorities?;
    if quiet.is_some() && !priorities.iter().any(|priority| *priority >= 3) {
        let what = "quiet hours hold back priorities 3 and 4 only, and this route has neither";
        at.key("quiet_from").complain(what, "remove them");
    }
    let after = Duration::try_from_secs_f64(after? * 60.0).ok()?;
    Some(Route { id: entry.id, priorities, alarms: alarms?, rivers: rivers?, chain, after, quiet })
}

/// A list of names that are known; empty when it is not there.
fn listed(
    at: &Spot<'_>,
    key: &str,
    given: Given<Vec<Given<String>>>,
    (known, what): (&[String], &str),
) -> Option<Vec<String>> {
    let remedy = format!("list some of {}", known.join(", "));
    let Some(list) = at.may(key, given, &remedy) else { return Some(Vec::new()) };
    let spot = at.key(key);
    let one = |(index, given): (usize, Given<String>)| {
        let spot = spot.item(index);
        let name: String = spot.value(given, &remedy)?;
        if !known.contains(&name) {
            spot.complain(format!("is no {what}"), remedy.as_str());
        }
        Some(name)
    };
    list.into_iter().enumerate().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// Quiet hours; the outer `None` when they are wrong.
#[expect(clippy::option_option, reason = "not given, given and wrong, given and right")]
fn quiet(at: &Spot<'_>, from: Given<String>, to: Given<String>) -> Option<Option<(Time, Time)>> {
    let remedy = "give both as civil times of the site, \"22:00\" and \"06:00\"";
    let time = |key: &str, given: Given<String>| {
        let text = at.need(key, given, remedy)?;
        let time = Time::strptime("%H:%M", text.trim()).ok();
        if time.is_none() {
            at.key(key).complain("is no time of day", remedy);
        }
        time
    };
    if !from.is_there() && !to.is_there() {
        return Some(None);
    }
    let (from, to) = (time("quiet_from", from), time("quiet_to", to));
    let (from, to) = from.zip(to)?;
    if from == to {
        at.key("quiet_to").complain("is the time they begin", remedy);
    }
    Some(Some((from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_reached_by_tls_or_stands_on_this_machine() {
        for right in
            ["https://example.org/x?key=1", "http://127.0.0.1:8/", "http://[::1]/", "http://localhost/"]
        {
            assert!(url_of(right).is_ok(), "{right}");
        }
        for wrong in
            ["", "example.org", "http://example.org/", "ftp://127.0.0.1/", "https://me:pw@example.org/"]
        {
            assert!(url_of(wrong).is_err(), "{wrong}");
        }
    }
}
