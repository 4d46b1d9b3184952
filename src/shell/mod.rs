//! Acts and does not think: all that is async, all that can fail outside.

pub mod data_dir;
pub mod journal;
pub mod trend;
pub mod web;
