//! Alerts and dashboard: every metric and label they name is one the running service gives, and the dashboard is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use qindan::control::operator::Mode;
use serde_json::Value;

use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};

const RULES: &str = "ops/prometheus/qindan.rules.yml";
const DASHBOARD: &str = "ops/grafana/qindan.json";

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Metrics named in a text, each with the labels asked of it in braces right behind it.
fn named(text: &str) -> BTreeSet<(String, Vec<String>)> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("qindan_") {
        if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &text[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let asked =
            rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(l, _)| l);
        // In JSON quotes stand behind a backslash.
        let labels = asked.replace('\\', "");
        let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty());
        // Prometheus itself adds where it comes from.
        let labels = labels.filter(|label| !label.starts_with("instance=")).map(str::to_owned).collect();
        found.insert((rest[..end].to_owned(), labels));
    }
    found
}

/// What the service gives: of each family the labels of its rows.
fn given(metrics: &str) -> BTreeMap<String, Vec<String>> {
    let mut families = BTreeMap::new();
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            families.entry(rest.split(' ').next().unwrap().to_owned()).or_insert_with(Vec::new);
        } else if !line.starts_with('#') {
            let (name, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            families.get_mut(name).expect(name).push(labels.trim_end_matches('}').to_owned());
        }
    }
    families
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboard_name_what_the_service_gives() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Automatic);
    let copies = tempfile::tempdir().unwrap();
    config.service.backup_folder = Some(copies.path().to_path_buf());
    let bench = Bench::start(folder.options(config, 20.0)).await;
    bench.until("at rest", at_rest).await;
    let metrics = loop {
        let (code, metrics) = bench.page.get("/metrics").await;
        assert_eq!(code, 200);
        // The disks are looked at beside everything else.
        if metrics.contains("qindan_disk_free_bytes ") {
            break metrics;
        }
    };
    bench.end().await;
    // No copy has ever been made there.
    assert!(metrics.contains("\nqindan_backup_timestamp_seconds 0\n"), "{metrics}");
    let families = given(&metrics);
    for file in [RULES, DASHBOARD] {
        let named = named(&read(file));
        assert!(named.len() > 20, "{file}: {named:?}");
        for (name, labels) in named {
            let rows = families.get(&name).unwrap_or_else(|| panic!("{file}: {name} is not in /metrics"));
            // How commands ended has rows only once some have.
            for label in labels.iter().filter(|_| name != "qindan_commands_ended_total") {
                assert!(
                    rows.iter().any(|row| row.contains(label.as_str())),
                    "{file}: {name}{{{label}}}: {rows:?}"
                );
            }
        }
    }
    // And what groups, joins or is told by a label names one that is there.
    let text = read(RULES);
    let told = text.split("$labels.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        &rest[..end]
    });
    let known: BTreeSet<_> = ["instance", "section", "link", "gate"].into();
    let told: BTreeSet<_> = told.collect();
    assert!(told.is_subset(&known), "{told:?}");
}

#[test]
fn the_dashboard_is_one_that_can_be_read_in() {
    let board: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut places = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let at = |key: &str| place[key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(places.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}
