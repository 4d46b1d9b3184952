//! What a notice says, as text in the language of its receiver and as JSON for programs. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::desk::{Message, News};
use crate::basin::{Basin, Name};
use crate::config::notify::{Language, Notify, Receiver, Way};
use crate::report::alarms::title;
use crate::report::words::element;

/// Alarms listed in a text; the others are counted. Chosen: what is still read on a telephone.
const LISTED: usize = 20;
/// Alarms in the JSON of one notice.
const LISTED_JSON: usize = 200;

/// What a notice is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Alarms.
    Alarms(Message),
    /// Nothing: somebody tries whether it gets through.
    Test,
}

/// A notice as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Lines of plain text.
    pub body: String,
}

/// What a text is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Names of elements, and the zone.
    pub basin: &'a Basin,
    /// Address of the page.
    pub rules: &'a Notify,
    /// A bench installation: what is told is not true.
    pub bench: bool,
}

fn of(language: Language, name: &Name) -> &str {
    match language {
        Language::Zh => &name.zh,
        Language::En => &name.en,
    }
}

const fn word(language: Language, (zh, en): (&'static str, &'static str)) -> &'static str {
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}

fn moment(zone: &TimeZone, utc: Timestamp) -> String {
    utc.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M (%:z)").to_string()
}

/// Title, element and the numbers of an alarm.
fn line(setting: Setting<'_>, language: Language, news: &News) -> String {
    let title = title(&news.id).map_or(news.id.as_str(), |title| word(language, title));
    let name = if news.element.is_empty() {
        String::new()
    } else {
        let (colon, name) = (word(language, ("：", ": ")), element(setting.basin, &news.element));
        format!("{colon}{}", of(language, &name))
    };
    let numbers = [
        ("flow_m3s", ("流量", "flow"), "m³/s"),
        ("floor_m3s", ("下限", "floor"), "m³/s"),
        ("owed_m3s", ("应泄", "owed"), "m³/s"),
        ("level_m", ("水位", "level"), "m"),
        ("limit_m", ("限", "limit"), "m"),
        ("lowest_m", ("最低", "lowest"), "m"),
    ];
    let number = |(key, words, unit): &(&str, (&'static str, &'static str), &str)| {
        let value = news.detail.get(*key)?.as_f64()?;
        Some(format!("{} {value:.2} {unit}", word(language, *words)))
    };
    let numbers: Vec<_> = numbers.iter().filter_map(number).collect();
    let comma = word(language, ("，", ", "));
    let numbers = if numbers.is_empty() { String::new() } else { format!("{comma}{}", numbers.join(comma)) };
    format!("{} {title}{name}{numbers}", news.id)
}

/// The text of a notice for a receiver.
pub fn text(setting: Setting<'_>, receiver: &Receiver, about: &About) -> Text {
    let language = receiver.language;
    let say = |words| word(language, words);
    let basin = of(language, &setting.basin.name);
    let bench = if setting.bench { say(("（试验台）", " (bench)")) } else { "" };
    let mut lines = Vec::new();
    let subject = match about {
        About::Test => {
            lines.push(
                say(("这是一条测试通知，不是报警。", "This is a test of notices; it is no alarm."))
                    .to_owned(),
            );
            format!("{basin}{bench}{}", say(("：测试通知", ": test of notices")))
        }
        About::Alarms(message) => {
            let number = message.news.len();
            let head = if number == 1 {
                say(("有一条报警无人确认：", "An alarm nobody has acknowledged:")).to_owned()
            } else {
                format!("{number}{}", say((" 条报警无人确认：", " alarms nobody has acknowledged:")))
            };
            lines.push(head);
            for news in message.news.iter().take(LISTED) {
                let since = moment(&setting.basin.zone, news.since);
                let (priority, line) = (news.priority, line(setting, language, news));
                let since = format!("{}{since}", say(("，自 ", ", since ")));
                lines.push(format!("- [{}{priority}] {line}{since}", say(("级别 ", "priority "))));
            }
            if let Some(more) = number.checked_sub(LISTED).filter(|more| *more > 0) {
                lines.push(format!("- {}{more}{}", say(("另有 ", "and ")), say((" 条", " more"))));
            }
            if message.gone > 0 {
                let words = (" 条其间已恢复或已确认", " more came and were over or acknowledged since");
                lines.push(format!("{}{}", message.gone, say(words)));
            }
            if message.dropped > 0 {
                let words = (
                    " 条因过多未列入，请看页面",
                    " more were left out, there were too many: look at the page",
                );
                lines.push(format!("{}{}", message.dropped, say(words)));
            }
            if message.news.iter().any(|news| news.step > 0) {
                let words = (
                    "此前已通知的人未在规定时间内确认。",
                    "Those told before have not acknowledged in time.",
                );
                lines.push(say(words).to_owned());
            }
            let first = message.news.first();
            let priority = first.map_or(4, |news| news.priority);
            let first = first.map(|news| line(setting, language, news)).unwrap_or_default();
            let more = if number > 1 { format!(" (+{})", number - 1) } else { String::new() };
            format!("[{}{priority}] {first}{more} – {basin}{bench}", say(("级别 ", "priority ")))
        }
    };
    if let Some(page) = &setting.rules.page {
        lines.push(format!("{}{page}", say(("控制页面：", "The page: "))));
    }
    if setting.bench {
        lines
            .push(say(("试验台：所示并非真实河流。", "A bench: what it shows is no real river.")).to_owned());
    }
    Text { subject, body: lines.join("\n") + "\n" }
}

/// The JSON of a notice for a webhook; its form is told in `config/README.md`.
pub fn json(setting: Setting<'_>, receiver: &Receiver, about: &About, id: &str) -> Value {
    let Text { subject, body } = text(setting, receiver, about);
    let (kind, alarms, more, gone) = match about {
        About::Test => ("test", Vec::new(), 0, 0),
        About::Alarms(message) => {
            let one = |news: &News| {
                let title = title(&news.id).unwrap_or(("", ""));
                json!({
                    "key": news.key, "id": news.id, "element": news.element, "priority": news.priority,
                    "since": news.since, "told_before": news.step, "detail": news.detail,
                    "title": { "zh": title.0, "en": title.1 },
                    "name": (!news.element.is_empty()).then(|| element(setting.basin, &news.element)),
                })
            };
            let listed: Vec<_> = message.news.iter().take(LISTED_JSON).map(one).collect();
            let left_out = u64::try_from(message.news.len() - listed.len()).unwrap_or_default();
            ("alarms", listed, left_out + message.dropped, message.gone)
        }
    };
    json!({
        "version": 1, "id": id, "kind": kind, "basin": setting.basin.id, "bench": setting.bench,
        "to": receiver.id, "subject": subject, "text": body, "alarms": alarms, "more": more, "gone": gone,
        "page": setting.rules.page,
    })
}

/// A way as it may be shown: a mail address without most of its name, of a webhook nothing.
pub fn shown(way: &Way) -> String {
    match way {
        Way::Mail(address) => {
            let (name, host) = address.split_once('@').unwrap_or((address, ""));
            let first: String = name.chars().take(1).collect();
            format!("mail to {first}…@{host}")
        }
        Way::Hook(_) => "webhook".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(id: &str, element: &str, priority: u8, step: usize) -> News {
        News {
            key: format!("{id}:{element}"),
            id: id.into(),
            element: element.into(),
            priority,
            since: "2026-05-18T06:32:07Z".parse().unwrap(),
            detail: json!({ "flow_m3s": 0.934, "floor_m3s": 1.0 }),
            route: "all".into(),
            step,
            age_s: 0.0,
        }
    }

    #[test]
    fn a_text_says_what_where_since_when_and_how_much() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let basin = crate::config::load(&folder).unwrap().basin;
        let page = Some("https://qindan.example.org/".to_owned());
        let rules = Notify {
            on_bench: false,
            per_hour: 12,
            page,
            mail: None,
            receivers: Vec::new(),
            routes: Vec::new(),
        };
        let setting = Setting { basin: &basin, rules: &rules, bench: false };
        let name = Name { zh: "值班员".into(), en: "Duty".into() };
        let way = Way::Mail("duty@example.org".into());
        let mut receiver = Receiver { id: "duty".into(), name, language: Language::En, way };
        let all = [news("A01", "zf_out", 1, 1), news("A20", "", 2, 0)];
        let message = |news: &[News]| {
            About::Alarms(Message { number: 7, to: "duty".into(), news: news.to_vec(), gone: 3, dropped: 0 })
        };
        let Text { subject, body } = text(setting, &receiver, &message(&all));
        let name = element(&basin, "zf_out").en;
        let line = format!("A01 Flow at a section below its floor: {name}, flow 0.93 m³/s, floor 1.00 m³/s");
        assert_eq!(subject, format!("[priority 1] {line} (+1) – {}", basin.name.en));
        assert_eq!(
            body,
            format!(
                "2 alarms nobody has acknowledged:\n- [priority 1] {line}, since 2026-05-18 14:32 (+08:00)\n- [priority 2] A20 \
                 The record cannot be written, flow 0.93 m³/s, floor 1.00 m³/s, since 2026-05-18 14:32 (+08:00)\n3 more came and \
                 were over or acknowledged since\nThose told before have not acknowledged in time.\nThe page: \
                 https://qindan.example.org/\n"
            )
        );
        receiver.language = Language::Zh;
        let zh = text(setting, &receiver, &message(&all[..1]));
        assert!(
            zh.body.starts_with("有一条报警无人确认：\n- [级别 1] A01 断面流量低于下限：沁河张峰"),
            "{}",
            zh.body
        );
        let many: Vec<_> = (0..500).map(|_| news("A10", "box", 3, 0)).collect();
        let text = text(setting, &receiver, &message(&many));
        assert!(text.body.contains("- 另有 480 条\n") && text.body.lines().count() < 30, "{}", text.body);
        let json = json(setting, &receiver, &message(&many), "i-7");
        assert_eq!((json["alarms"].as_array().unwrap().len(), &json["more"]), (200, &json!(300)));
        assert_eq!((&json["kind"], &json["id"], &json["gone"]), (&json!("alarms"), &json!("i-7"), &json!(3)));
        assert_eq!(shown(&receiver.way), "mail to d…@example.org");
    }
}
