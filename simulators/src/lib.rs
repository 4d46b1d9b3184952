//! The engineers' workbench: a virtual river with its devices, served over Modbus or run in virtual time.
//!
//! [`plant`] is the river, non-linear and written apart from the model the service decides with.

pub mod devices;
pub mod plant;

#[cfg(test)]
mod testing;
