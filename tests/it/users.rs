//! An administrator changes users and tokens: what may be, what may not, what is told, and what nobody gets to see.

use std::collections::BTreeSet;
use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::people::{Book, Role, path};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::door::{self, PASSWORD, USER};
use crate::fixture;
use crate::live::{open, sign_in};
use crate::page::TURN;
use crate::running::{self, Folder};
use crate::site::{self, Drive, Site};
use crate::web::{Bench, answer, small_bench};

const USERS: &str = "/api/v1/users";

fn administrator() -> Bench {
    let bench = small_bench();
    bench.is_now(Role::Administrator);
    bench
}

async fn change(bench: &Bench, change: &str, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "change": change, "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.post(USERS, body).await
}

async fn listed(bench: &Bench) -> Value {
    let (status, body) = answer(bench.get(USERS).await).await;
    assert_eq!(status, StatusCode::OK);
    body
}

fn user<'a>(list: &'a Value, name: &str) -> &'a Value {
    list["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap_or(&Value::Null)
}

async fn form(bench: &Bench, path: &str, body: String) -> StatusCode {
    let request = Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("origin", "http://127.0.0.1:8080")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    bench.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap().status()
}

fn user_of(bench: &Bench, name: &str) -> qindan::shell::people::User {
    Book::load(bench.data.path()).unwrap().users[name].clone()
}

#[tokio::test]
async fn a_user_is_made_by_a_code_signs_in_and_is_disabled() {
    let bench = administrator();
    let (status, made) =
        change(&bench, "add", json!({ "name": "Wang", "role": "operator", "gates": ["v1"] })).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let code = made["secret"].as_str().unwrap();
    let wang = user(&made["people"], "wang");
    assert_eq!(
        (&wang["role"], &wang["gates"], &wang["rivers"]),
        (&json!("operator"), &json!(["v1"]), &json!(["alder"]))
    );
    assert_eq!(
        (&wang["enabled"], &wang["came_s"], &wang["sessions"]),
        (&json!(true), &Value::Null, &json!([]))
    );
    // The code alone opens nothing: it gives a password.
    let enter = async |more: &str| form(&bench, "/enter", format!("code={code}{more}")).await;
    assert_eq!(enter("").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(enter("&new=short&again=short").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(enter("&new=river+of+stones&again=river+of+sand").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(enter("&new=river+of+stones&again=river+of+stones").await, StatusCode::SEE_OTHER);
    assert_eq!(enter("&new=river+of+stones&again=river+of+stones").await, StatusCode::UNAUTHORIZED, "once");
    assert_eq!(
        form(&bench, "/login", "name=wang&password=river+of+stones".into()).await,
        StatusCode::SEE_OTHER
    );
    let list = listed(&bench).await;
    let wang = user(&list, "wang");
    assert_eq!(wang["sessions"].as_array().unwrap().len(), 2, "by the code, and by the password");
    assert!(wang["came_s"].as_i64().is_some());
    let session = wang["sessions"][0]["id"].as_str().unwrap();
    let (status, ended) = change(&bench, "end_session", json!({ "session": session })).await;
    assert_eq!(
        (status, user(&ended["people"], "wang")["sessions"].as_array().unwrap().len()),
        (StatusCode::OK, 1)
    );
    assert_eq!(change(&bench, "end_session", json!({ "session": session })).await.0, StatusCode::NOT_FOUND);
    let (_, off) = change(&bench, "disable", json!({ "name": "wang" })).await;
    assert_eq!(
        (&user(&off["people"], "wang")["enabled"], &user(&off["people"], "wang")["sessions"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(
        form(&bench, "/login", "name=wang&password=river+of+stones".into()).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(change(&bench, "enable", json!({ "name": "wang" })).await.0, StatusCode::OK);
    assert_eq!(
        form(&bench, "/login", "name=wang&password=river+of+stones".into()).await,
        StatusCode::SEE_OTHER
    );
    // A reset voids the password and ends the sessions at once.
    let (_, reset) = change(&bench, "reset", json!({ "name": "wang" })).await;
    assert_eq!(user(&reset["people"], "wang")["sessions"], json!([]));
    assert_eq!(
        form(&bench, "/login", "name=wang&password=river+of+stones".into()).await,
        StatusCode::UNAUTHORIZED
    );
    let code = reset["secret"].as_str().unwrap();
    let again = format!("code={code}&new=river+of+sand&again=river+of+sand");
    assert_eq!(form(&bench, "/enter", again).await, StatusCode::SEE_OTHER);
    let (_, role) = change(&bench, "role", json!({ "name": "wang", "role": "viewer" })).await;
    assert_eq!(
        (&user(&role["people"], "wang")["role"], &user(&role["people"], "wang")["gates"]),
        (&json!("viewer"), &Value::Null)
    );
}

#[tokio::test]
async fn nobody_locks_the_house_from_outside() {
    let bench = administrator();
    for (what, more) in
        [("disable", json!({ "name": USER })), ("role", json!({ "name": USER, "role": "shift_leader" }))]
    {
        let (status, answer) = change(&bench, what, more).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("make another administrator first"), "{answer}");
    }
    let (status, answer) = change(&bench, "reset", json!({ "name": USER })).await;
    assert!(
        status == StatusCode::UNPROCESSABLE_ENTITY && answer["error"].as_str().unwrap().contains("/account"),
        "{answer}"
    );
    // One who is disabled is none.
    assert_eq!(
        change(&bench, "add", json!({ "name": "zhao", "role": "administrator" })).await.0,
        StatusCode::OK
    );
    assert_eq!(change(&bench, "disable", json!({ "name": "zhao" })).await.0, StatusCode::OK);
    assert_eq!(change(&bench, "disable", json!({ "name": USER })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change(&bench, "enable", json!({ "name": "zhao" })).await.0, StatusCode::OK);
    assert_eq!(change(&bench, "role", json!({ "name": USER, "role": "viewer" })).await.0, StatusCode::OK);
    assert_eq!(bench.get(USERS).await.status(), StatusCode::FORBIDDEN, "counts at once");
    assert_eq!(
        change(&bench, "role", json!({ "name": USER, "role": "administrator" })).await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn no_change_without_the_own_password_and_no_field_more_than_there_are() {
    let bench = administrator();
    let before = fs::read_to_string(path(bench.data.path())).unwrap();
    for password in ["", "wrong password"] {
        let body = json!({ "change": "add", "password": password, "name": "eve", "role": "administrator" });
        assert_eq!(bench.post(USERS, body).await.0, StatusCode::FORBIDDEN, "{password:?}");
    }
    bench.wait(600);
    let rows = [
        ("add", json!({ "name": "eve", "role": "viewer", "enabled": true })),
        ("add", json!({ "name": "eve", "role": "viewer", "hash": "x" })),
        ("add", json!({ "name": "eve", "role": "emperor" })),
        ("add", json!({ "name": "e v e", "role": "viewer" })),
        ("add", json!({ "name": "eve", "role": "operator", "gates": ["v1", "nowhere"] })),
        ("add", json!({ "name": USER, "role": "viewer" })),
        ("role", json!({ "name": USER, "role": "administrator", "password_set": "2026-01-01T00:00:00Z" })),
        ("role", json!({ "name": "nobody", "role": "viewer" })),
        ("enable", json!({ "name": USER, "role": "administrator" })),
        ("disable", json!({ "name": "nobody" })),
        ("reset", json!({ "name": "nobody" })),
        ("reset", json!({ "name": USER, "new": "river of stones" })),
        ("add_token", json!({ "name": "m", "scopes": [] })),
        ("add_token", json!({ "name": "m", "scopes": ["operate"] })),
        ("add_token", json!({ "name": "m", "scopes": ["read"], "days": 0 })),
        ("add_token", json!({ "name": "m", "scopes": ["read"], "hash": "x" })),
        ("revoke_token", json!({ "name": "m" })),
        ("end_session", json!({ "session": "x", "user": USER })),
        ("promote", json!({ "name": USER })),
    ];
    for (what, more) in rows {
        let (status, answer) = change(&bench, what, more.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what} {more}: {answer}");
    }
    assert_eq!(fs::read_to_string(path(bench.data.path())).unwrap(), before);
    assert_eq!(user_of(&bench, USER).role, Role::Administrator);
}

#[tokio::test]
async fn a_token_is_shown_once_works_and_is_revoked() {
    let bench = administrator();
    let (status, made) =
        change(&bench, "add_token", json!({ "name": "monitor", "scopes": ["metrics"], "days": 30 })).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let token = made["secret"].as_str().unwrap().to_owned();
    let metrics = async || {
        let request = Request::get("/metrics").header("host", "127.0.0.1:8080");
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        bench.router.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(metrics().await, StatusCode::OK);
    let list = listed(&bench).await;
    let row = &list["tokens"][0];
    assert_eq!((&row["name"], &row["scopes"]), (&json!("monitor"), &json!(["metrics"])));
    assert_eq!(row["until_s"].as_i64().unwrap() - row["made_s"].as_i64().unwrap(), 30 * 86_400);
    let text = list.to_string();
    for secret in [token.as_str(), "argon2", "hash", door::SESSION] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(change(&bench, "revoke_token", json!({ "name": "monitor" })).await.0, StatusCode::OK);
    assert_eq!(metrics().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_whom_stands_in_the_record_and_no_secret_does() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    Book::edit(folder.root.path(), |book| {
        book.user(USER)?.role = Role::Administrator;
        Ok(())
    })
    .unwrap();
    let bench = running::Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    let send = async |change: &str, more: Value| {
        let mut body = json!({ "change": change, "password": PASSWORD });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = bench.page.post(USERS, body).await;
        assert_eq!(status, 200, "{answer}");
        answer["secret"].as_str().unwrap_or_default().to_owned()
    };
    let code = send("add", json!({ "name": "wang", "role": "operator" })).await;
    let token = send("add_token", json!({ "name": "monitor", "scopes": ["metrics"] })).await;
    send("disable", json!({ "name": "wang" })).await;
    bench.end().await;
    let records = folder.of_kind(Kind::Access);
    let asked: Vec<_> =
        records.iter().filter(|record| record.detail.as_ref().unwrap()["what"] == "administered").collect();
    let shown: Vec<_> = asked
        .iter()
        .map(|record| {
            let detail = record.detail.as_ref().unwrap();
            (record.actor.as_str(), detail["change"].as_str().unwrap(), detail["of"].as_str().unwrap())
        })
        .collect();
    let by = format!("operator:{USER}");
    assert_eq!(
        shown,
        [
            (by.as_str(), "add", "wang"),
            (by.as_str(), "add_token", "monitor"),
            (by.as_str(), "disable", "wang")
        ]
    );
    let what: BTreeSet<_> =
        records.iter().map(|record| record.detail.as_ref().unwrap()["what"].as_str().unwrap()).collect();
    for told in ["user_added", "token_added", "user_disabled"] {
        assert!(what.contains(told), "{told}: {what:?}");
    }
    for file in
        fs::read_dir(folder.journal()).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
    {
        let bytes = fs::read(file).unwrap();
        for secret in [code.as_str(), token.as_str(), PASSWORD, "argon2"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
    folder.verify();
}

#[tokio::test]
async fn the_page_of_users_is_an_administrators_and_shows_a_code_once() {
    let _turn = TURN.lock().await;
    let config = fixture::small();
    let status = fixture::status(&config);
    let (service, browser) = open(config, status).await;
    browser.open(&format!("{}account", service.page())).await;
    browser.wait("document.querySelector('[data-testid=sessions]')").await;
    assert!(!browser.sees("users").await, "the shift leader has no such page");
    service.add("sun", Role::Administrator);
    sign_in(&service, &browser, "sun", false).await;
    browser.open(&format!("{}account", service.page())).await;
    browser.click("users").await;
    browser.says("users", "sun").await;
    browser.says("users", "管理员").await;
    let form = |script: &str| {
        format!(
            "const form = [...document.forms].find((form) => form.elements.change?.value === 'add'); {script}"
        )
    };
    browser.run(&form(&format!("form.elements.name.value = 'wang'; form.elements.role.value = 'operator'; form.elements.password.value = '{PASSWORD}'"))).await;
    browser.click("add-user").await;
    browser.wait("document.querySelector('[data-testid=secret]')?.textContent.length === 32").await;
    browser.says("users", "wang").await;
    browser.open(&format!("{}users", service.page())).await;
    browser.says("users", "wang").await;
    assert!(!browser.sees("secret").await, "once");
    // Of somebody else the password may be made void, never the own one.
    let resets = browser.run("return document.querySelectorAll('[data-testid=reset]').length").await;
    assert_eq!(resets, json!(2), "li and wang, not sun");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_forms_of_the_page_do_what_json_does_and_nothing_more() {
    let bench = administrator();
    let post = async |body: &str| {
        let request = door::with_session(Request::post("/users"))
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        let response =
            bench.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let stored = response.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned());
        let (status, page) = answer(response).await;
        (status, stored, page.as_str().unwrap_or_default().to_owned())
    };
    let own = "password=sweet+water+7";
    let (status, stored, page) = post(&format!("change=add&name=wang&role=operator&gates=v1&{own}")).await;
    assert_eq!((status, stored.as_deref()), (StatusCode::OK, Some("no-store")), "{page}");
    assert!(page.contains("data-testid=\"secret\"") && page.contains("wang"), "{page}");
    assert_eq!(user_of(&bench, "wang").gates, Some(BTreeSet::from(["v1".to_owned()])));
    let rows = [
        (format!("change=disable&name=wang&{own}"), StatusCode::SEE_OTHER),
        (format!("change=add_token&name=monitor&metrics=yes&days=&{own}"), StatusCode::OK),
        (format!("change=add_token&name=other&days=7&{own}"), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("change=disable&name={USER}&{own}"), StatusCode::UNPROCESSABLE_ENTITY),
        (
            format!("change=role&name=wang&role=administrator&enabled=true&{own}"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("change=enable&name=wang&password=wrong".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
    ];
    for (body, wanted) in rows {
        assert_eq!(post(&body).await.0, wanted, "{body}");
    }
    assert!(!user_of(&bench, "wang").enabled && user_of(&bench, "wang").role == Role::Operator);
    let (_, _, shown) = post(&format!("change=enable&name=nobody&{own}")).await;
    assert!(shown.contains("nobody of this name"), "{shown}");
}
