//! The engineers' workbench: a virtual river with its devices, served over Modbus or run in virtual time.
//!
//! [`plant`] is the river, non-linear and written apart from the model the service decides with; [`devices`] are the registers
//! that show it; [`serve`] puts them behind Modbus TCP.

pub mod devices;
pub mod plant;
pub mod serve;
pub mod world;

#[cfg(test)]
mod testing;
