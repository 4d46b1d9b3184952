//! A Modbus TCP peer that does what a test tells it, right or wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) id: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

impl Query {
    pub(crate) fn function(&self) -> u8 {
        self.pdu[0]
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.pdu[at], self.pdu[at + 1]])
    }

    pub(crate) fn address(&self) -> u16 {
        self.word(1)
    }

    /// Quantity, or the value of a single write.
    pub(crate) fn count(&self) -> u16 {
        self.word(3)
    }

    pub(crate) fn writes(&self) -> bool {
        !matches!(self.function(), 1..=4)
    }
}

/// A frame with a correct header.
pub(crate) fn frame(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap();
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

/// What the peer does on a request, in order.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes one by one, each in a segment of its own.
    Drip(Vec<u8>),
    /// Closes in order.
    Close,
    /// Closes with a reset.
    Reset,
}

/// The right reply.
pub(crate) fn reply(query: &Query, pdu: &[u8]) -> Act {
    Act::Send(frame(query.id, query.unit, pdu))
}

/// Registers that read back what was written; unset ones hold their own address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank(std::collections::BTreeMap<(u8, u16), u16>);

impl Bank {
    pub(crate) fn set(&mut self, unit: u8, address: u16, value: u16) {
        self.0.insert((unit, address), value);
    }

    pub(crate) fn get(&self, unit: u8, address: u16) -> u16 {
        self.0.get(&(unit, address)).copied().unwrap_or(address)
    }

    /// Carries out a request and makes its reply PDU.
    pub(crate) fn serve(&mut self, query: &Query) -> Vec<u8> {
        match query.function() {
            3 | 4 => {
                let words =
                    (0..query.count()).flat_map(|i| self.get(query.unit, query.address() + i).to_be_bytes());
                let words = words.collect::<Vec<_>>();
                [&[query.function(), u8::try_from(words.len()).unwrap()], &words[..]].concat()
            }
            1 | 2 => {
                let bytes = usize::from(query.count().div_ceil(8));
                let mut bits = vec![0_u8; bytes];
                for i in 0..query.count() {
                    if self.get(query.unit, query.address() + i) & 1 == 1 {
                        bits[usize::from(i / 8)] |= 1 << (i % 8);
                    }
                }
                [&[query.function(), u8::try_from(bytes).unwrap()], &bits[..]].concat()
            }
            6 => {
                self.set(query.unit, query.address(), query.count());
                query.pdu.clone()
            }
            16 => {
                for i in 0..query.count() {
                    self.set(query.unit, query.address() + i, query.word(6 + 2 * usize::from(i)));
                }
                query.pdu[..5].to_vec()
            }
            other => vec![other | 0x80, 1],
        }
    }
}

type Behaviour = Box<dyn FnMut(&Query) -> Vec<Act> + Send>;

/// A running peer on a port of its own.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Query>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Device {
    pub(crate) async fn start(behaviour: impl FnMut(&Query) -> Vec<Act> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::on(listener, address, Box::new(behaviour))
    }

    /// Listens where another peer was.
    pub(crate) fn start_at(
        address: SocketAddr,
        behaviour: impl FnMut(&Query) -> Vec<Act> + Send + 'static,
    ) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Self::on(socket.listen(16).unwrap(), address, Box::new(behaviour))
    }

    fn on(listener: TcpListener, address: SocketAddr, behaviour: Behaviour) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let behaviour = Arc::new(Mutex::new(behaviour));
        let kept = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, number, Arc::clone(&behaviour), Arc::clone(&kept)));
                number += 1;
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn log(&self) -> Vec<Query> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn writes(&self) -> Vec<Query> {
        self.log().into_iter().filter(Query::writes).collect()
    }

    /// Ends the peer and all its connections.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    behaviour: Arc<Mutex<Behaviour>>,
    log: Arc<Mutex<Vec<Query>>>,
) {
    stream.set_nodelay(true).unwrap();
    loop {
        let mut head = [0_u8; 7];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = usize::from(u16::from_be_bytes([head[4], head[5]])) - 1;
        let mut pdu = vec![0; length];
        if stream.read_exact(&mut pdu).await.is_err() {
            return;
        }
        let query = Query { connection, id: u16::from_be_bytes([head[0], head[1]]), unit: head[6], pdu };
        let acts = behaviour.lock().unwrap()(&query);
        log.lock().unwrap().push(query);
        for act in acts {
            let done = match act {
                Act::Send(bytes) => stream.write_all(&bytes).await,
                Act::Drip(bytes) => drip(&mut stream, &bytes).await,
                Act::Close => return,
                Act::Reset => {
                    let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
                    return;
                }
            };
            if done.is_err() {
                return;
            }
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}
