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
use std::time::Duration;

use qindan::points::{Field, LinkId, Transport};
use qindan::shell::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::world::{SharedWorld, World, lock};
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

    /// How much later an answer comes now, real time.
    fn delay(&self, world: &World) -> Duration {
        let timeout = self.field.links.get(self.link.0).map_or(0.0, |link| link.timeout_s);
        world.delay(self.link, Duration::try_from_secs_f64(timeout).unwrap_or_default())
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
    let (stream, out) = stream.into_split();
    let mut stream = BufReader::new(stream);
    let mut out = Out::AtOnce(out);
    // Ends with the connection.
    let mut late = JoinSet::new();
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
        let (answer, delay) = {
            let mut world = lock(&line.world);
            if world.devices.is_cut(line.link) {
                return Ok(());
            }
            let answer = pdu::answer(&mut world, &line.field, line.link, unit, &pdu);
            (answer, line.delay(&world))
        };
        let Answer::Reply(reply) = answer else { continue };
        let [l1, l0] = u16::try_from(reply.len() + 1).unwrap_or(0).to_be_bytes();
        let mut frame = vec![t1, t0, 0, 0, l1, l0, unit];
        frame.extend(reply);
        out = out.send(frame, delay, &mut late).await?;
    }
}

/// Where the answers of one connection go.
enum Out {
    /// To the connection.
    AtOnce(OwnedWriteHalf),
    /// To who keeps them for a while: the link has been slow once. In order, and each as late as its own request.
    Late(mpsc::UnboundedSender<(Instant, Vec<u8>)>),
}

impl Out {
    async fn send(self, frame: Vec<u8>, delay: Duration, late: &mut JoinSet<()>) -> std::io::Result<Self> {
        let sender = match self {
            Self::AtOnce(mut stream) if delay.is_zero() => {
                stream.write_all(&frame).await?;
                return Ok(Self::AtOnce(stream));
            }
            Self::AtOnce(stream) => {
                let (sender, frames) = mpsc::unbounded_channel();
                late.spawn(keep(stream, frames));
                sender
            }
            Self::Late(sender) => sender,
        };
        let due = Clock::real().real_deadline(delay);
        // Fails with the connection, which its reading side then tells.
        let _ = sender.send((due, frame));
        Ok(Self::Late(sender))
    }
}

/// Writes each frame when it is due.
async fn keep(mut stream: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>) {
    while let Some((due, frame)) = frames.recv().await {
        tokio::time::sleep_until(due).await;
        if let Err(error) = stream.write_all(&frame).await {
            tracing::debug!(%error, "a late answer was not wanted any more");
            return;
        }
    }
}

#[cfg(test)]
mod tests;
