//! Acts and does not think: all that is async, all that can fail outside.

pub mod clock;
mod counters;
mod cycle;
pub mod data_dir;
pub mod field;
pub mod forecast;
pub mod history;
pub mod journal;
mod lock;
pub mod log;
pub mod log_text;
mod memory;
pub mod notify;
pub mod pace;
pub mod point_test;
pub mod probe;
pub mod record;
pub mod refill;
pub mod rows;
pub mod service;
pub mod snapshots;
mod start;
pub mod starts;
pub mod store;
pub mod telemetry;
pub mod trend;
pub mod web;
