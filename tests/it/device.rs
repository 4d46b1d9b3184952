//! A Modbus TCP peer that does what a test tells it, right or wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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

    pub(crate) fn word(&self, at: usize) -> u16 {
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
    /// Does nothing for a while, real time; the connection is not read meanwhile.
    Pause(Duration),
    /// Keeps the connection and never reads it again: as far as the other side sees, a cable that is out.
    Deaf,
}

/// The right reply.
pub(crate) fn reply(query: &Query, pdu: &[u8]) -> Act {
    Act::Send(frame(query.id, query.unit, pdu))
}

/// Registers that read back what was written; unset ones hold their own address. Coil n is bit n mod 16 of register
/// n / 16, so that bits read elsewhere are seen to be wrong as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank(std::collections::BTreeMap<(u8, u16), u16>);

impl Bank {
    pub(crate) fn set(&mut self, unit: u8, address: u16, value: u16) {
        self.0.insert((unit, address), value);
    }

    pub(crate) fn get(&self, unit: u8, address: u16) -> u16 {
        self.0.get(&(unit, address)).copied().unwrap_or(address)
    }

    fn bit(&self, unit: u8, address: u16) -> bool {
        self.get(unit, address / 16) >> (address % 16) & 1 == 1
    }

    fn set_bit(&mut self, unit: u8, address: u16, on: bool) {
        let (register, bit) = (address / 16, 1 << (address % 16));
        let word = self.get(unit, register);
        self.set(unit, register, if on { word | bit } else { word & !bit });
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
                    let on = self.bit(query.unit, query.address() + i);
                    bits[usize::from(i / 8)] |= u8::from(on) << (i % 8);
                }
                [&[query.function(), u8::try_from(bytes).unwrap()], &bits[..]].concat()
            }
            5 => {
                self.set_bit(query.unit, query.address(), query.count() == 0xFF00);
                query.pdu.clone()
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
            15 => {
                for i in 0..query.count() {
                    let on = query.pdu[6 + usize::from(i / 8)] >> (i % 8) & 1 == 1;
                    self.set_bit(query.unit, query.address() + i, on);
                }
                query.pdu[..5].to_vec()
            }
            22 => {
                let (and, or) = (query.word(3), query.word(5));
                let word = (self.get(query.unit, query.address()) & and) | (or & !and);
                self.set(query.unit, query.address(), word);
                query.pdu.clone()
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
    resets: watch::Sender<u64>,
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
        let resets = watch::Sender::new(0);
        let (kept, cut) = (Arc::clone(&log), resets.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let served =
                    serve(stream, number, Arc::clone(&behaviour), Arc::clone(&kept), cut.subscribe());
                connections.spawn(served);
                number += 1;
            }
        });
        Self { address, log, resets, task }
    }

    pub(crate) fn log(&self) -> Vec<Query> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn writes(&self) -> Vec<Query> {
        self.log().into_iter().filter(Query::writes).collect()
    }

    /// Keeps nothing of what was asked so far.
    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    /// Resets all open connections, whatever they are in the middle of.
    pub(crate) fn reset(&self) {
        self.resets.send_modify(|count| *count += 1);
    }

    /// Ends the peer and all its connections.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// How the peer ends a connection.
#[derive(PartialEq)]
enum End {
    Closed,
    Reset,
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    behaviour: Arc<Mutex<Behaviour>>,
    log: Arc<Mutex<Vec<Query>>>,
    mut resets: watch::Receiver<u64>,
) {
    stream.set_nodelay(true).unwrap();
    let end = tokio::select! {
        Ok(()) = resets.changed() => End::Reset,
        end = converse(&mut stream, connection, &behaviour, &log) => end,
    };
    if end == End::Reset {
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

async fn converse(
    stream: &mut TcpStream,
    connection: usize,
    behaviour: &Mutex<Behaviour>,
    log: &Mutex<Vec<Query>>,
) -> End {
    loop {
        let mut head = [0_u8; 7];
        if stream.read_exact(&mut head).await.is_err() {
            return End::Closed;
        }
        let length = usize::from(u16::from_be_bytes([head[4], head[5]])) - 1;
        let mut pdu = vec![0; length];
        if stream.read_exact(&mut pdu).await.is_err() {
            return End::Closed;
        }
        let query = Query { connection, id: u16::from_be_bytes([head[0], head[1]]), unit: head[6], pdu };
        let acts = behaviour.lock().unwrap()(&query);
        log.lock().unwrap().push(query);
        for act in acts {
            let done = match act {
                Act::Send(bytes) => stream.write_all(&bytes).await,
                Act::Drip(bytes) => drip(stream, &bytes).await,
                Act::Close => return End::Closed,
                Act::Reset => return End::Reset,
                Act::Pause(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Act::Deaf => std::future::pending().await,
            };
            if done.is_err() {
                return End::Closed;
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
