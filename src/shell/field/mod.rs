//! The field over Modbus TCP.

pub mod engine;
pub mod error;
mod pdu;
