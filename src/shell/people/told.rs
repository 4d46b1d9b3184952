//! What the record knows of users and tokens, and what has changed since: told with names and roles, never with a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::book::Book;
use super::role::{Role, Scope};
use super::writer::Writer;

/// What was last told of one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    role: Role,
    gates: Option<BTreeSet<String>>,
    enabled: bool,
    password_set: Timestamp,
}

/// What was last told of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    users: BTreeMap<String, Seen>,
    tokens: BTreeMap<String, BTreeSet<Scope>>,
}

impl Told {
    /// What the book says.
    pub(super) fn of(book: &Book) -> Self {
        let seen = |user: &super::User| Seen {
            role: user.role,
            gates: user.gates.clone(),
            enabled: user.enabled,
            password_set: user.password_set,
        };
        Self {
            users: book.users.iter().map(|(name, user)| (name.clone(), seen(user))).collect(),
            tokens: book.tokens.iter().map(|(name, token)| (name.clone(), token.scopes.clone())).collect(),
        }
    }

    pub(super) fn load(data: &Path) -> Self {
        let kept = std::fs::read(data.join("people").join("told.json")).ok();
        kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Without it changes are told again at the next start.
    pub(super) fn keep(&self, data: &Path, writer: &Writer) {
        if let Ok(bytes) = serde_json::to_vec(self) {
            writer.write(data.join("people").join("told.json"), bytes);
        }
    }

    /// Users whose sessions end: gone, disabled, or with another password.
    pub(super) fn put_out(&self, now: &Self) -> Vec<String> {
        let stays = |(name, before): &(&String, &Seen)| {
            now.users.get(*name).is_some_and(|now| now.enabled && now.password_set == before.password_set)
        };
        self.users.iter().filter(|user| !stays(user)).map(|(name, _)| name.clone()).collect()
    }

    /// Details for the record, one for each change.
    pub(super) fn changes(&self, now: &Self) -> Vec<Value> {
        let mut all = Vec::new();
        for (name, user) in &now.users {
            let about =
                |what: &str| json!({ "what": what, "user": name, "role": user.role, "gates": user.gates });
            let Some(before) = self.users.get(name) else {
                all.push(about("user_added"));
                continue;
            };
            if (before.role, &before.gates) != (user.role, &user.gates) {
                let mut detail = about("user_role");
                detail["before"] = json!({ "role": before.role, "gates": before.gates });
                all.push(detail);
            }
            if before.enabled != user.enabled {
                all.push(about(if user.enabled { "user_enabled" } else { "user_disabled" }));
            }
            if before.password_set != user.password_set {
                all.push(about("user_password"));
            }
        }
        let gone = self.users.keys().filter(|name| !now.users.contains_key(*name));
        all.extend(gone.map(|name| json!({ "what": "user_removed", "user": name })));
        let made = now.tokens.iter().filter(|(name, scopes)| self.tokens.get(*name) != Some(*scopes));
        all.extend(
            made.map(|(name, scopes)| json!({ "what": "token_added", "token": name, "scopes": scopes })),
        );
        let gone = self.tokens.keys().filter(|name| !now.tokens.contains_key(*name));
        all.extend(gone.map(|name| json!({ "what": "token_revoked", "token": name })));
        all
    }
}
