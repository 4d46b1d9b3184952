//! Answers that say what was wrong and what to do, as problem details (RFC 9457), with a code that stays and the words in
//! Chinese beside the English ones (`problems.toml`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::markup::Markup;

/// What an answer of this form is called.
pub(super) const MEDIA: &str = "application/problem+json";
/// Before a code it is the name of a kind of problem (RFC 9457, 3.1.1: any URI will do, it need not lead anywhere).
const KIND: &str = "urn:qindan:problem:";
/// Values that have words of their own.
const INNER: [&str; 3] = ["what", "remedy", "first"];
/// Values that may hold several sentences; a name or a number ends before the next of several mistakes.
const LONG: [&str; 6] = ["what", "remedy", "first", "why", "value", "limits"];

/// `problems.toml`.
#[derive(Default, Deserialize)]
struct Table {
    problem: BTreeMap<String, (String, String)>,
    part: BTreeMap<String, String>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("problems.toml")).unwrap_or_default());

/// A text of the service as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The code of its kind.
    pub(super) code: &'static str,
    /// The same in Chinese.
    pub(super) zh: String,
}

/// An answer that says what was wrong and what to do.
pub(super) fn failure(status: StatusCode, why: &str) -> Response {
    response(status, document(status, why, &Value::Null))
}

/// The same with further members.
pub(super) fn response(status: StatusCode, document: Value) -> Response {
    let mut response = (status, Json(document)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA));
    response
}

/// The body of such an answer; `more` are its further members. `error` is `detail` under the name it had first.
pub(super) fn document(status: StatusCode, why: &str, more: &Value) -> Value {
    let known = known(why);
    let mut body = more.as_object().cloned().unwrap_or_default();
    let title = match &known {
        Some(known) => known.code.replace('-', " "),
        None => status.canonical_reason().unwrap_or("refused").to_lowercase(),
    };
    let kind =
        known.as_ref().map_or_else(|| "about:blank".to_owned(), |known| format!("{KIND}{}", known.code));
    for (key, value) in [
        ("type", kind.into()),
        ("title", title.into()),
        ("status", status.as_u16().into()),
        ("detail", why.into()),
        ("error", why.into()),
    ] {
        body.insert(key.to_owned(), value);
    }
    if let Some(known) = known {
        if let Some(limits) = limits(why) {
            body.insert("limits".to_owned(), limits);
        }
        body.insert("code".to_owned(), known.code.into());
        body.insert("detail_zh".to_owned(), known.zh.into());
    }
    Value::Object(body)
}

/// The limits an answer of the controller names: the page has words for them, with their numbers.
pub(super) fn limits(why: &str) -> Option<Value> {
    let found = why.strip_prefix("refused: ").and_then(|text| serde_json::from_str(text).ok());
    found.filter(|found: &Value| found.is_array())
}

/// What of the record could not be read.
pub(super) const UNREADABLE: &str = "the record cannot be read now; the system log says why";

/// What of the inside failed goes to the log; who asked is told that it did.
pub(super) fn inner(what: &str, why: &str) -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, outward(what, why))
}

/// `why`, where it is meant for whoever asks: it names a remedy and nothing of the inside. Else it goes to the log and `what` is told.
pub(super) fn outward<'a>(what: &'a str, why: &'a str) -> &'a str {
    if known(why).is_some() {
        return why;
    }
    tracing::error!(error = why, "{what}");
    what
}

/// A refusal on a page made by the server, in both languages.
pub(super) fn markup(why: &str) -> Markup {
    match known(why) {
        Some(known) => Markup::default().both(&known.zh, why),
        None => Markup::default().text(why),
    }
}

/// The code and the Chinese of a text: of the template that says most of it; several joined by semicolons bear the code of the first.
pub(super) fn known(text: &str) -> Option<Known> {
    let whole = TABLE.problem.iter().filter_map(|(code, (en, zh))| {
        let values = matched(en, text)?;
        let said = text.len() - values.iter().map(|(_, value)| value.len()).sum::<usize>();
        Some((said, Known { code, zh: filled(zh, &values) }))
    });
    let best = whole.max_by_key(|(said, _)| *said).map(|(_, known)| known);
    best.or_else(|| {
        let (first, rest) = text.split_once("; ")?;
        let (first, rest) = (known(first)?, known(rest)?);
        Some(Known { code: first.code, zh: format!("{}；{}", first.zh, rest.zh) })
    })
}

/// A part of a text in Chinese: a fault, a remedy, who may.
pub(super) fn part(text: &str) -> Option<String> {
    if let Some(zh) = TABLE.part.get(text) {
        return Some(zh.clone());
    }
    let mut by_pattern = TABLE.part.iter().filter(|(en, _)| en.contains('{'));
    let found = by_pattern.find_map(|(en, zh)| Some(filled(zh, &matched(en, text)?)));
    found.or_else(|| known(text).map(|known| known.zh))
}

/// What the names in braces of `template` stand for in `text`, each the shortest that fits.
fn matched<'a>(template: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut values = Vec::new();
    let mut rest = text;
    let (mut literal, mut ahead) = template.split_once('{').unwrap_or((template, ""));
    loop {
        rest = rest.strip_prefix(literal)?;
        let Some((name, after)) = ahead.split_once('}') else {
            return rest.is_empty().then_some(values);
        };
        (literal, ahead) = after.split_once('{').unwrap_or((after, ""));
        let end = match (literal.is_empty(), ahead.is_empty()) {
            (true, _) => rest.len(),
            (false, true) => rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal))?,
            (false, false) => rest.find(literal)?,
        };
        let (value, after) = rest.split_at_checked(end)?;
        if value.is_empty() || (value.contains("; ") && !LONG.contains(&name)) {
            return None;
        }
        values.push((name, value));
        rest = after;
    }
}

fn filled(words: &str, values: &[(&str, &str)]) -> String {
    let mut out = words.to_owned();
    for (name, value) in values {
        let said = if INNER.contains(name) { part(value) } else { None };
        out = out.replacen(&format!("{{{name}}}"), said.as_deref().unwrap_or(value), 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn zh(text: &str) -> String {
        known(text).map_or_else(String::new, |known| known.zh)
    }

    #[test]
    fn a_text_has_its_code_and_its_numbers_in_chinese() {
        assert!(TABLE.problem.len() > 150 && TABLE.part.len() > 90, "problems.toml can be read");
        let found = known("g1: opening_pct = 120: must be from 0 to 100").unwrap();
        assert_eq!(found.code, "gate-opening-range");
        assert_eq!(found.zh, "g1：opening_pct = 120，须为 0 至 100");
        assert_eq!(zh("not with your role; this needs a shift leader"), "您的角色不能做此事，须由值班长");
        assert_eq!(
            zh("entry a: is held by no dam; name a section below a dispatched dam"),
            "条目 a：没有大坝保证它；请写受调度大坝下游的断面"
        );
        let line = "line 2, column to = \"2026: 5\": is not after the begin; give an end after the begin; nothing was saved";
        assert!(zh(line).ends_with("；未保存"), "{}", zh(line));
        assert_eq!(
            zh("line 2, column to = \"x\": is no time; give a later day; nothing was saved"),
            "第 2 行 to 列 = \"x\"：不是时间；写更晚的日期；未保存"
        );
        assert_eq!(known("g9: no such gate; names are in /api/v1/basin").unwrap().code, "no-such-gate");
        // Two mistakes of one form.
        assert_eq!(
            zh("title: must have 1 to 200 characters; document: must have 1 to 200 characters"),
            "title 须为 1 至 200 字；document 须为 1 至 200 字"
        );
        for unknown in ["", "a tree", "the password ", "alarm  does not stand asid"] {
            assert_eq!(known(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_word_of_the_table_leads_back_to_itself() {
        for (code, (en, zh)) in &TABLE.problem {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{code}");
            let example = en.replace('{', "<").replace('}', ">");
            // In its Chinese only names the program reads and values stay as they are.
            let found = known(&example).unwrap_or_else(|| panic!("{code}: {example}"));
            assert_eq!(found.code, code, "{example}");
            assert!(!zh.is_ascii(), "{code}: {zh}");
        }
        for (en, zh) in &TABLE.part {
            assert!(!zh.is_ascii(), "{en}: {zh}");
        }
    }

    #[test]
    fn the_document_is_a_problem_detail() {
        let limits = document(StatusCode::CONFLICT, "refused: [{\"limit\":\"record_lost\"}]", &Value::Null);
        assert_eq!(limits["type"], "urn:qindan:problem:limits");
        assert_eq!((&limits["title"], &limits["status"]), (&json!("limits"), &json!(409)));
        assert_eq!(limits["limits"], json!([{ "limit": "record_lost" }]));
        let unknown = document(StatusCode::CONFLICT, "a tree", &json!({ "renewed": 1 }));
        assert_eq!(
            unknown,
            json!({ "type": "about:blank", "title": "conflict", "status": 409, "detail": "a tree", "error": "a tree", "renewed": 1 })
        );
    }
}
