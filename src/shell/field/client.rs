//! The engine as a client of tokio-modbus: its typed calls work on top.

use std::io;

use tokio_modbus::client::Client;
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{ExceptionCode, Request, Response};

use super::engine::Engine;
use super::error::FieldError;

impl SlaveContext for Engine {
    fn set_slave(&mut self, slave: Slave) {
        self.address_to(slave.into());
    }
}

#[async_trait::async_trait]
impl Client for Engine {
    async fn call(&mut self, request: Request<'_>) -> tokio_modbus::Result<Response> {
        let unit = self.addressed();
        match self.request(unit, &request).await {
            Ok(response) => Ok(Ok(response)),
            Err(FieldError::Refused { code, .. }) => Ok(Err(ExceptionCode::new(code))),
            Err(error) => Err(tokio_modbus::Error::Transport(transport(&error))),
        }
    }

    async fn disconnect(&mut self) -> io::Result<()> {
        self.end().await
    }
}

fn transport(error: &FieldError) -> io::Error {
    let kind = match error {
        FieldError::Silent { .. } => io::ErrorKind::TimedOut,
        FieldError::Refused { .. } | FieldError::Mismatch { .. } => io::ErrorKind::InvalidData,
        FieldError::Broken { .. } => io::ErrorKind::ConnectionAborted,
        FieldError::Unsent { .. } => io::ErrorKind::NotConnected,
        FieldError::ReadOnly { .. } => io::ErrorKind::PermissionDenied,
    };
    io::Error::new(kind, error.to_string())
}
