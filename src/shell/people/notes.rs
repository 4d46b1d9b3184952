//! Notes of a shift: words of a person, kept in the record and shown to whoever takes over.

use serde_json::json;

use super::Person;
use super::door::People;
use crate::control::record::{Entry, Kind};

/// Longest note, characters.
pub const NOTE_MOST: usize = 2000;

impl People {
    /// Keeps a note in the record, about a gate, a section or nothing in particular.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn note(
        &self,
        person: &Person,
        text: &str,
        (gate, section): (Option<String>, Option<String>),
        address: &str,
    ) -> Result<(), String> {
        let plain = |c: &char| !c.is_control() || *c == '\n';
        let text: String = text.trim().chars().filter(plain).collect();
        let length = text.chars().count();
        if length == 0 || length > NOTE_MOST {
            return Err(format!("text: must have 1 to {NOTE_MOST} characters, not {length}"));
        }
        let mut entry = Entry::new(Kind::Note, format!("operator:{}", person.name));
        entry.gate = gate;
        entry.detail =
            Some(json!({ "text": text, "section": section, "role": person.role, "address": address }));
        (self.settings.sink)(entry);
        Ok(())
    }
}
