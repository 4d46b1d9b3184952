//! What can go wrong with one request.

use std::sync::Arc;
use std::time::Duration;

/// How a peer is named: its address, or the path of its port.
pub type Peer = Arc<str>;

/// What went wrong with one request.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// No reply in time; the request may have been carried out.
    #[error("{device}: no answer within {waited:?}; check the device and its line, or raise timeout_s")]
    Silent {
        /// Peer.
        device: Peer,
        /// How long was waited.
        waited: Duration,
    },
    /// The device answered with an exception.
    #[error("{device}: unit {unit} refused with exception {code}")]
    Refused {
        /// Peer.
        device: Peer,
        /// Unit.
        unit: u8,
        /// Exception code.
        code: u8,
    },
    /// A whole reply that does not fit the request; its data are not used, the connection stays.
    #[error("{device}: unit {unit} answered with {what}")]
    Mismatch {
        /// Peer.
        device: Peer,
        /// Unit.
        unit: u8,
        /// How it differs.
        what: String,
    },
    /// The connection ended after the request had left; it may have been carried out.
    #[error("{device}: connection ended: {why}")]
    Broken {
        /// Peer.
        device: Peer,
        /// Why.
        why: String,
    },
    /// Nothing of the request left this machine.
    #[error("{device}: not sent: {why}")]
    Unsent {
        /// Peer.
        device: Peer,
        /// Why.
        why: String,
    },
    /// The connection was opened for reading only.
    #[error("{device}: function {function} writes, and this connection only reads")]
    ReadOnly {
        /// Peer.
        device: Peer,
        /// Function code.
        function: u8,
    },
}

impl FieldError {
    /// Whether the request may have been carried out although there is no answer.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Broken { .. } | Self::Mismatch { .. } => true,
            // A gateway that got no answer from its device says nothing about what the device did.
            Self::Refused { code, .. } => *code == 0x0B,
            Self::Unsent { .. } | Self::ReadOnly { .. } => false,
        }
    }
}
