//! Acts and does not think: all that is async, all that can fail outside.

pub mod clock;
pub mod data_dir;
pub mod field;
pub mod history;
pub mod journal;
pub mod log;
pub mod log_text;
pub mod record;
pub mod refill;
pub mod rows;
pub mod store;
pub mod trend;
pub mod web;
