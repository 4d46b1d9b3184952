//! Acts and does not think: all that is async, all that can fail outside.

pub mod trend;
pub mod web;
