//! The engineers' workbench: a virtual river with its devices, served over Modbus or run in virtual time.
//!
//! [`plant`] is the river, non-linear and written apart from the model the service decides with; [`devices`] are the registers
//! that show it; [`serve`] puts them behind Modbus TCP. [`scenario`] says what happens to the river, [`run`] closes the loop with
//! the service's own controller in virtual time, [`replay`] scores it.

pub mod account;
pub mod bound;
pub mod compare;
pub mod crew;
pub mod decisions;
pub mod demo;
pub mod devices;
pub mod forecast;
pub mod identify;
pub mod inflow;
pub mod live;
pub mod need;
pub mod plan;
pub mod plant;
pub mod play;
pub mod plot;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod rerun;
pub mod run;
pub mod rungs;
pub mod scenario;
pub mod score;
pub mod scores;
pub mod series;
pub mod serve;
pub mod studio;
pub mod summary;
pub mod sweep;
pub mod travel;
pub mod vary;
pub mod wire;
pub mod world;
pub mod wrong;

#[cfg(test)]
mod testing;
