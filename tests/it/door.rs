//! People for the tests: users in a data folder, and a session that was open before the service started.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::http::request::Builder;
use qindan::config::Config;
use qindan::shell::clock::Clock;
use qindan::shell::people::{Book, Caller, People, Person, Role, Settings};
use qindan::shell::web::RealTime;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::fixture;

/// The shift leader whose session is open.
pub(crate) const USER: &str = "li";
pub(crate) const PASSWORD: &str = "sweet water 7";
/// Value of the cookie of that session.
pub(crate) const SESSION: &str = "00112233445566778899aabbccddeeff";

/// Makes the shift leader and the open session in a data folder, as a run before would have left them.
pub(crate) fn furnish(data: &Path) {
    Book::edit(data, |book| book.add(USER, (Role::ShiftLeader, None), PASSWORD, fixture::utc(0))).unwrap();
    reopen(data);
    // The record knows of the user.
    let seen =
        json!({ "role": "shift_leader", "gates": null, "enabled": true, "password_set": fixture::utc(0) });
    fs::write(data.join("people/told.json"), json!({ "users": { USER: seen }, "tokens": {} }).to_string())
        .unwrap();
}

/// The open session alone, once more.
pub(crate) fn reopen(data: &Path) {
    let hash = Sha256::digest(SESSION).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let now = now();
    let session = json!({ "id": "5e551011", "user": USER, "made": now, "seen": now, "address": "127.0.0.1", "agent": "test" });
    fs::write(data.join("people/sessions.json"), json!({ hash: session }).to_string()).unwrap();
}

/// The time of the machine: sessions are real.
pub(crate) fn now() -> jiff::Timestamp {
    Clock::real().now().utc
}

/// The cookie that goes with it, for an installation whose identifier begins with `instance`.
pub(crate) fn cookie(instance: &str) -> String {
    format!("qindan-{}={SESSION}", &instance[..8.min(instance.len())])
}

/// A request with that session.
pub(crate) fn with_session(request: Builder) -> Builder {
    request.header("cookie", cookie("test"))
}

/// The people of a data folder, with nobody to write the record.
pub(crate) fn people(data: &Path, config: &Config, time: RealTime) -> Arc<People> {
    let settings = Settings {
        rivers: config.basin.commanded_rivers(),
        limits: config.service.session_limits(),
        time,
        sink: Arc::new(|_| {}),
        instance: "test".into(),
    };
    Arc::new(People::open(data, settings).unwrap())
}

/// The shift leader, with control of every river.
pub(crate) fn in_control(people: &People) -> Person {
    let Caller::Person(person) = people.caller(Some(SESSION), None) else {
        panic!("the session is not open")
    };
    people.take(&person, &people.rivers(), None, "test").unwrap();
    person
}
