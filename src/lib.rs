//! Supervisory service that keeps the rivers of a basin flowing.
//!
//! ```text
//!  readings  ─┐                                        ┌─> journal   (synced first)
//!  plan      ─┼─> Snapshot ─> decide(&seen, now) ─> Decision ─> field tasks (Modbus writes)
//!  operators ─┘   frozen      pure: no I/O, no clock   └─> page, metrics, then the watchdog
//! ```
//!
//! `control` thinks and cannot act; `shell` acts and does not think. [`basin`] and [`points`] are what
//! [`config`] makes of the configuration folder. Units are types ([`units`]); signs: discharge is positive
//! downstream, stage positive upwards, opening 0 shut to 1 open.

pub mod aggregate;
pub mod basin;
#[cfg(test)]
mod bundle;
pub mod config;
pub mod control;
pub mod ecoflow;
pub mod points;
pub mod registers;
pub mod report;
pub mod shell;
#[cfg(test)]
mod squeeze;
pub mod units;
