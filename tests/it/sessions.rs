//! Signing in, sessions, and what ends them: what must not be learnt, guessed or kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use axum::body::Body;
use axum::http::StatusCode;
use qindan::shell::people::{Book, Role, path};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::door::{self, PASSWORD, USER};
use crate::security::{add, fair, pair, send, sign_in};
use crate::web::{Bench, answer, small_bench};

#[tokio::test]
async fn two_installations_know_nothing_of_each_other() {
    let (one, other) = (small_bench(), small_bench());
    let (status, cookie, _) = sign_in(&one, USER, PASSWORD).await;
    let cookie = pair(&cookie.unwrap());
    assert_eq!(status, StatusCode::OK);
    let get = |bench: &Bench| {
        let request = fair("GET", "/api/v1/state").header("cookie", &cookie).body(Body::empty()).unwrap();
        bench.router.clone().oneshot(request)
    };
    assert_eq!(get(&one).await.unwrap().status(), StatusCode::OK);
    assert_eq!(get(&other).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_in_tells_nothing_of_what_was_wrong() {
    let bench = small_bench();
    add(&bench, "wang", Role::Operator);
    Book::edit(bench.data.path(), |book| {
        book.user("wang")?.enabled = false;
        book.add("zhao", (Role::Viewer, None), "another sentence", door::now())
    })
    .unwrap();
    let clock = qindan::shell::clock::Clock::real();
    let (mut seen, mut bodies) = (Vec::new(), None);
    for (name, password) in [
        (USER, "wrong password"),
        ("nobody", PASSWORD),
        ("wang", PASSWORD),
        // The right password of somebody else.
        ("zhao", PASSWORD),
        (USER, ""),
    ] {
        let mark = clock.mark();
        let (status, cookie, body) = sign_in(&bench, name, password).await;
        seen.push((name, mark.elapsed()));
        assert_eq!((status, cookie), (StatusCode::UNAUTHORIZED, None), "{name}");
        assert_eq!(body["detail"], "name or password is wrong", "{name}");
        // The same to the letter for each.
        assert_eq!(*bodies.get_or_insert_with(|| body.clone()), body, "{name}");
    }
    // The same work for each; a look-up alone would take a hundredth of it.
    let least = seen.iter().map(|(_, took)| *took).min().unwrap();
    let most = seen.iter().map(|(_, took)| *took).max().unwrap();
    println!("sign-ins refused: {seen:?}");
    assert!(least * 20 > most, "{seen:?}");
}

#[tokio::test]
async fn a_session_is_a_new_secret_at_each_sign_in_and_ends_when_told() {
    let bench = small_bench();
    let (_, first, _) = sign_in(&bench, USER, PASSWORD).await;
    let first = first.unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(first.contains(word), "{first}");
    }
    assert!(!first.contains("Secure") && !first.contains("Domain"), "{first}");
    let value = pair(&first).split_once('=').unwrap().1.to_owned();
    assert_eq!(value.len(), 32, "128 bits");
    let status_of = async |cookie: &str| {
        send(&bench, fair("GET", "/api/v1/state").header("cookie", pair(cookie)), "").await.status()
    };
    // Signing in anew from the same browser: another secret, and the old one is worth nothing.
    let body = json!({ "name": USER, "password": PASSWORD }).to_string();
    let again = send(&bench, fair("POST", "/api/v1/session").header("cookie", pair(&first)), &body).await;
    let second = again.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert_ne!(pair(&first), pair(&second));
    assert_eq!(status_of(&first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_of(&second).await, StatusCode::OK);
    let out = send(&bench, fair("DELETE", "/api/v1/session").header("cookie", pair(&second)), "{}").await;
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status_of(&second).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn people_end_their_sessions_and_an_administrator_everybodys() {
    let bench = small_bench();
    add(&bench, "wang", Role::Operator);
    let (_, wang, _) = sign_in(&bench, "wang", PASSWORD).await;
    let wang = pair(&wang.unwrap());
    let page = async |cookie: &str| {
        let response = send(&bench, fair("GET", "/account").header("cookie", cookie), "").await;
        answer(response).await.1.as_str().unwrap().to_owned()
    };
    let mine = page(&wang).await;
    assert_eq!(mine.matches("name=\"session\"").count(), 1, "{mine}");
    let own_id = mine.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let end = async |cookie: &str, id: &str| {
        let request = fair("POST", "/account/end").header("cookie", cookie);
        send(&bench, request, &format!("session={id}")).await.status()
    };
    let leader = door::cookie("test");
    assert_eq!(end(&leader, &own_id).await, StatusCode::NOT_FOUND, "not his");
    bench.is_now(Role::Administrator);
    assert_eq!(page(&leader).await.matches("name=\"session\"").count(), 2);
    assert_eq!(end(&leader, &own_id).await, StatusCode::SEE_OTHER);
    assert_eq!(
        send(&bench, fair("GET", "/account").header("cookie", &wang), "").await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn another_password_ends_all_sessions_of_the_person() {
    let bench = small_bench();
    let leader = door::cookie("test");
    let change = async |form: &str| {
        let request = fair("POST", "/account/password").header("cookie", &leader);
        send(&bench, request, form).await.status()
    };
    let wrong = "old=not+it&new=sweet+water+8&again=sweet+water+8";
    assert_eq!(change(wrong).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change("old=sweet+water+7&new=short&again=short").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        change("old=sweet+water+7&new=sweet+water+8&again=sweet+water+9").await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // Nobody makes himself administrator by a further field.
    let more = "old=sweet+water+7&new=sweet+water+8&again=sweet+water+8&role=administrator";
    assert_eq!(change(more).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        change("old=sweet+water+7&new=sweet+water+8&again=sweet+water+8").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(bench.get("/api/v1/state").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&bench, USER, "sweet water 8").await.0, StatusCode::OK);
    assert_eq!(Book::load(bench.data.path()).unwrap().users[USER].role, Role::ShiftLeader);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_with_the_stream_too() {
    let bench = small_bench();
    let stream = bench.get("/api/v1/stream").await;
    assert_eq!(stream.status(), StatusCode::OK);
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.enabled = false;
        Ok(())
    })
    .unwrap();
    assert_eq!(bench.get("/api/v1/state").await.status(), StatusCode::UNAUTHORIZED);
    // Ends instead of going on for ever.
    let rest = axum::body::to_bytes(stream.into_body(), 1 << 20);
    tokio::time::timeout(std::time::Duration::from_secs(10), rest).await.expect("the stream ends").unwrap();
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.enabled = true;
        Ok(())
    })
    .unwrap();
    assert_eq!(
        bench.get("/api/v1/state").await.status(),
        StatusCode::UNAUTHORIZED,
        "the session is gone for good"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_and_nobody_is_locked_out() {
    let bench = small_bench();
    for _ in 0..5 {
        assert_eq!(sign_in(&bench, "nobody1", "wrong password").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(sign_in(&bench, "nobody2", "wrong password").await.0, StatusCode::UNAUTHORIZED);
    }
    let body = json!({ "name": USER, "password": PASSWORD }).to_string();
    let slowed = send(&bench, fair("POST", "/api/v1/session"), &body).await;
    assert_eq!(slowed.status(), StatusCode::TOO_MANY_REQUESTS);
    // 2 s after ten failures.
    assert_eq!(slowed.headers()["retry-after"], "2");
    assert_eq!(bench.web.people.failures(), 10);
    bench.wait(2);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
    bench.wait(300);
    assert_eq!(bench.web.people.failures(), 0);
}

#[tokio::test]
async fn there_is_no_account_before_the_first_run_code_was_used() {
    let bench = small_bench();
    fs::remove_file(path(bench.data.path())).unwrap();
    let code = Book::edit(bench.data.path(), Book::first_run).unwrap();
    for (name, password) in
        [("admin", "admin"), ("admin", "123456"), ("admin", ""), ("root", "root"), (USER, PASSWORD), ("", "")]
    {
        assert_eq!(sign_in(&bench, name, password).await.0, StatusCode::UNAUTHORIZED, "{name}");
    }
    bench.wait(600);
    let shown = send(&bench, fair("GET", "/"), "").await;
    assert_eq!(shown.status(), StatusCode::UNAUTHORIZED);
    assert!(answer(shown).await.1.as_str().unwrap().contains("action=\"/first-run\""));
    let first = async |code: &str, password: &str| {
        let form = format!("code={code}&name=Zhang.San&password={password}");
        send(&bench, fair("POST", "/first-run"), &form).await
    };
    assert_eq!(first("0123456789abcdef", "sweet+water+7").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(first(&code, "short").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let made = first(&code, "sweet+water+7").await;
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    let cookie = pair(made.headers()["set-cookie"].to_str().unwrap());
    assert_eq!(
        send(&bench, fair("GET", "/account").header("cookie", cookie), "").await.status(),
        StatusCode::OK
    );
    assert_eq!(Book::load(bench.data.path()).unwrap().users["zhang.san"].role, Role::Administrator);
    let again = first(&code, "sweet+water+7").await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "once");
    assert_eq!(send(&bench, fair("GET", "/first-run"), "").await.headers()["location"], "/login");
}

#[tokio::test]
async fn a_link_signs_in_once_and_by_the_button_only() {
    let bench = small_bench();
    let code = Book::edit(bench.data.path(), |book| book.link(USER, door::now())).unwrap();
    for _ in 0..3 {
        let shown = send(&bench, fair("GET", "/enter").uri(format!("/enter?code={code}")), "").await;
        assert_eq!(
            (shown.status(), shown.headers().get("set-cookie")),
            (StatusCode::OK, None),
            "looking uses nothing up"
        );
    }
    let enter = async || send(&bench, fair("POST", "/enter"), &format!("code={code}")).await;
    assert_eq!(enter().await.status(), StatusCode::SEE_OTHER);
    assert_eq!(enter().await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hash_made_with_older_numbers_is_made_anew_at_the_next_sign_in() {
    let bench = small_bench();
    // Argon2id of "sweet water 7" with 4 MiB and three passes, made with the reference library (argon2-cffi 25.1).
    let old = "$argon2id$v=19$m=4096,t=3,p=1$c2FsdCBvZiB0aGUgdGVzdA$";
    let file = path(bench.data.path());
    let mut book: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let now = book["users"][USER]["password"].as_str().unwrap().to_owned();
    assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
    book["users"][USER]["password"] = json!(format!("{old}{}", OLD_HASH));
    fs::write(&file, book.to_string()).unwrap();
    assert_eq!(sign_in(&bench, USER, "wrong password").await.0, StatusCode::UNAUTHORIZED);
    assert!(fs::read_to_string(&file).unwrap().contains(old), "only the right password makes it anew");
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(old) && text.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
}

const OLD_HASH: &str = "gEY65kPcQDFTF/FI/nICT9Jmnj7VjrPS6FUG80tQaPk";
