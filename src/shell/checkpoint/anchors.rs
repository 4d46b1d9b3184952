//! Chain heads that were kept elsewhere: lines of the system log, or a list typed from daily reports. Pure.

use serde_json::Value;

use super::SHORT;

/// A chain head somebody kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Line of the file, from 1.
    pub line: usize,
    /// The record.
    pub seq: u64,
    /// Its chain hash, hex, or at least its first [`SHORT`] characters.
    pub head: String,
}

/// A line that means an anchor and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {why}; write the number of the record and at least {SHORT} characters of its chain head"
)]
pub struct BadAnchor {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// Anchors of a text: lines of the system log that tell of a checkpoint, as text (`… checkpoint seq=41 head=…`) or JSON, and
/// lines `SEQ HEAD` of a list kept by hand. `#` begins a remark; other lines of a system log are passed over.
///
/// # Errors
/// For a line of a list, or about a checkpoint, that has no number and head.
pub fn read(text: &str) -> Result<Vec<Kept>, BadAnchor> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let told = lines.filter_map(|(line, text)| Some((line, told(text)?)));
    told.map(|(line, (seq, head))| {
        let bad = |why| BadAnchor { line, why };
        let seq = seq.and_then(|seq| seq.parse().ok()).ok_or_else(|| bad("no number of a record"))?;
        let head = head.ok_or_else(|| bad("no chain head"))?.to_ascii_lowercase();
        if head.len() < SHORT || head.len() > 64 || !head.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad("no chain head"));
        }
        Ok(Kept { line, seq, head })
    })
    .collect()
}

type Told = (Option<String>, Option<String>);

/// Number and head as they stand in a line; `None` when the line is about something else.
fn told(line: &str) -> Option<Told> {
    let words = || line.split_whitespace();
    if line.starts_with(|first: char| first.is_ascii_digit()) && words().count() == 2 {
        return Some((words().next().map(str::to_owned), words().nth(1).map(str::to_owned)));
    }
    if line.starts_with('#') || !line.contains("checkpoint") {
        return None;
    }
    // What journald puts before a line of JSON is no part of it.
    let json = line.find('{').and_then(|at| serde_json::from_str::<Value>(line.get(at..)?).ok());
    if let Some(json) = json {
        let fields = json.get("fields").unwrap_or(&json);
        let text = |key: &str| {
            let value = fields.get(key)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        return (text("message").as_deref() == Some("checkpoint")).then(|| (text("seq"), text("head")));
    }
    let value = |key: &str| words().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let is_told = words().any(|word| word == "checkpoint") && value("head").is_some();
    let clean = |text: &str| text.trim_matches('"').to_owned();
    is_told.then(|| (value("seq").map(clean), value("head").map(clean)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_log_json_and_a_list_by_hand_are_read() {
        let head = "0123456789ab".repeat(5) + "cdef";
        let text = format!(
            "# kept by the inspector\n\n41 0123456789AB\n\
             2026-05-01T00:00:00Z  INFO qindan::shell::record: checkpoint seq=82 head={head} key=ff\n\
             May 01 dam qindan[7]: {{\"level\":\"INFO\",\"fields\":{{\"message\":\"checkpoint\",\"seq\":99,\"head\":\"{head}\"}}}}\n\
             2026-05-01T00:00:00Z  INFO qindan::shell::service: the service runs address=127.0.0.1:8080\n"
        );
        let kept = |line, seq, head: &str| Kept { line, seq, head: head.to_owned() };
        assert_eq!(
            read(&text).unwrap(),
            [kept(3, 41, "0123456789ab"), kept(4, 82, &head), kept(5, 99, &head)]
        );
    }

    #[test]
    fn a_head_too_short_or_mistyped_is_refused_with_its_line() {
        for (text, line) in [("1 0123456789ab\n2 0123456789a", 2), ("7 0123456789ax", 1)] {
            assert_eq!(read(text).unwrap_err(), BadAnchor { line, why: "no chain head" });
        }
        let long = format!("7 {}", "0".repeat(65));
        assert!(read(&long).is_err());
    }
}
