//! Acts and does not think: all that is async, all that can fail outside.

pub mod clock;
pub mod data_dir;
pub mod field;
pub mod journal;
pub mod trend;
pub mod web;
