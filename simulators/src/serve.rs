//! The devices behind Modbus TCP: one listener per link, all its units behind it, as a gateway has them. On demand each
//! link is a serial line as well.
//!
//! Serving never steps the river; whoever holds the [`SharedWorld`] does that at his own pace. Registers are those of the
//! last step, as a device answers from its last cycle.

pub mod http;
mod pdu;
mod terminal;
pub mod tricks;

use std::net::SocketAddr;
use std::sync::Arc;

use qindan::points::{Field, LinkId, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::{SharedWorld, lock};
use pdu::Answer;
pub use terminal::TerminalError;

/// Why the devices cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A link is not plain Modbus TCP.
    #[error(
        "link {link} ({peer}) is not Modbus TCP, the only kind that is served; give it transport = \"tcp\""
    )]
    NotTcp {
        /// The link.
        link: String,
        /// Its address or port.
        peer: String,
    },
    /// A simulated device must not listen where real ones may be looked for.
    #[error(
        "{link}: {address} is not a loopback address; simulated devices listen on 127.0.0.0/8 or ::1 only"
    )]
    NotLoopback {
        /// The link.
        link: String,
        /// Its address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("{link}: cannot listen on {address}: {source}; is another simulation running?")]
    Bind {
        /// The link.
        link: String,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Where the links listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Where the configuration says.
    AsConfigured,
    /// On free loopback ports the system chooses.
    FreePorts,
}

/// Running Modbus servers; dropping them ends them and closes their connections.
#[derive(Debug)]
pub struct Serving {
    field: Field,
    tasks: JoinSet<()>,
    /// Of terminals, by link; empty without.
    names: Vec<terminal::Name>,
}

impl Serving {
    /// Listens for every link of `field`.
    ///
    /// # Errors
    ///
    /// An address is not loopback or cannot be listened on; nothing is left running then.
    pub async fn start(field: &Arc<Field>, world: &SharedWorld, bind: Bind) -> Result<Self, ServeError> {
        let mut served = Field::clone(field);
        let mut tasks = JoinSet::new();
        for (at, link) in served.links.iter_mut().enumerate() {
            let Transport::Tcp(configured) = link.transport else {
                let peer = link.transport.to_string();
                return Err(ServeError::NotTcp { link: link.id.clone(), peer });
            };
            let address = match bind {
                Bind::FreePorts => SocketAddr::from(([127, 0, 0, 1], 0)),
                Bind::AsConfigured => configured,
            };
            if !address.ip().is_loopback() {
                return Err(ServeError::NotLoopback { link: link.id.clone(), address });
            }
            let refused = |source| ServeError::Bind { link: link.id.clone(), address, source };
            let listener = TcpListener::bind(address).await.map_err(refused)?;
            link.transport = Transport::Tcp(listener.local_addr().map_err(refused)?);
            tasks.spawn(listen(
                listener,
                Line { field: Arc::clone(field), world: Arc::clone(world), link: LinkId(at) },
            ));
        }
        Ok(Self { field: served, tasks, names: Vec::new() })
    }

    /// Where each link listens, by [`LinkId`].
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.field.links.iter().filter_map(|link| link.transport.address()).collect()
    }

    /// The field with the addresses as served, for a client.
    pub fn field(&self) -> &Field {
        &self.field
    }
}

/// One link.
#[derive(Clone)]
struct Line {
    field: Arc<Field>,
    world: SharedWorld,
    link: LinkId,
}

impl Line {
    fn is_cut(&self) -> bool {
        lock(&self.world).devices.is_cut(self.link)
    }
}

async fn listen(listener: TcpListener, line: Line) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                while connections.try_join_next().is_some() {}
                if line.is_cut() {
                    continue;
                }
                tracing::debug!(%peer, link = line.link.0, "connected");
                connections.spawn(converse(stream, line.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, link = line.link.0, "a connection was not accepted");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Answers the requests of one connection, in order, until it ends.
async fn converse(stream: TcpStream, line: Line) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no low delay on this connection");
    }
    if let Err(error) = answer_all(stream, &line).await {
        tracing::debug!(%error, link = line.link.0, "connection ended");
    }
}

/// Frames: transaction, protocol (0), length of what follows, unit, PDU. A frame that is none ends the connection.
async fn answer_all(stream: TcpStream, line: &Line) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = [0_u8; 7];
        stream.read_exact(&mut head).await?;
        let [t1, t0, p1, p0, l1, l0, unit] = head;
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        if (p1, p0) != (0, 0) || !(2..=254).contains(&length) {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "not a Modbus TCP frame"));
        }
        let mut pdu = vec![0; length - 1];
        stream.read_exact(&mut pdu).await?;
        let answer = {
            let mut world = lock(&line.world);
            if world.devices.is_cut(line.link) {
                return Ok(());
            }
            pdu::answer(&mut world, &line.field, line.link, unit, &pdu)
        };
        let Answer::Reply(reply) = answer else { continue };
        let [l1, l0] = u16::try_from(reply.len() + 1).unwrap_or(0).to_be_bytes();
        let mut frame = vec![t1, t0, 0, 0, l1, l0, unit];
        frame.extend(reply);
        stream.get_mut().write_all(&frame).await?;
    }
}

#[cfg(test)]
mod tests;
