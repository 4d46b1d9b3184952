//! What the contestants read from: plain devices, and a gateway. Both run in a process of their own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Header and PDU of a read.
const REQUEST: usize = 12;
/// Requests the gateway works on at once.
pub(crate) const IN_FLIGHT: usize = 4;
/// Time it takes for each.
pub(crate) const GATEWAY_DELAY: Duration = Duration::from_millis(5);

/// Ends this process when the one that started it is gone.
fn end_with_parent() {
    thread::spawn(|| {
        drop(std::io::stdin().read(&mut [0]));
        std::process::exit(0);
    });
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    println!("{}", listener.local_addr().unwrap());
    listener
}

/// Any number of devices that answer at once.
pub(crate) fn devices() {
    end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = listen();
    listener.set_nonblocking(true).unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream));
        }
    });
}

async fn serve(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut input, mut held, mut output) = ([0; 64 * REQUEST], 0, Vec::with_capacity(1024));
    loop {
        let came = stream.read(&mut input[held..]).await?;
        if came == 0 {
            return Ok(());
        }
        held += came;
        output.clear();
        let (requests, rest) = input[..held].as_chunks::<REQUEST>();
        for request in requests {
            answer(request, &mut output);
        }
        let (used, left) = (held - rest.len(), rest.len());
        input.copy_within(used..held, 0);
        held = left;
        stream.write_all(&output).await?;
    }
}

/// Appends the reply to a read of registers: even ones make floats with the odd ones after them, and the odd ones
/// change with every request.
fn answer(request: &[u8; REQUEST], output: &mut Vec<u8>) {
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    let (id, start, count) = (word(0), word(8), word(10));
    let bytes = u8::try_from(2 * count).unwrap();
    output.extend([request[0], request[1], 0, 0, 0, bytes + 3, request[6], request[7], bytes]);
    for address in start..start + count {
        let word = if address % 2 == 0 { 0x4148 } else { (address ^ id) & 0x7FFF };
        output.extend(word.to_be_bytes());
    }
}

/// A gateway that takes any number of requests, works on four at once and needs 5 ms for each. Threads, since the
/// timer of an event loop would make 6 ms of it.
pub(crate) fn gateway() {
    end_with_parent();
    for stream in listen().incoming() {
        let mut stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        let (queue, waiting) = channel::<[u8; REQUEST]>();
        let waiting = Arc::new(Mutex::new(waiting));
        let replies = Arc::new(Mutex::new(stream.try_clone().unwrap()));
        for _ in 0..IN_FLIGHT {
            let (waiting, replies) = (Arc::clone(&waiting), Arc::clone(&replies));
            thread::spawn(move || while work(&waiting, &replies).is_some() {});
        }
        thread::spawn(move || {
            let mut request = [0; REQUEST];
            while stream.read_exact(&mut request).is_ok() && queue.send(request).is_ok() {}
        });
    }
}

fn work(waiting: &Mutex<Receiver<[u8; REQUEST]>>, replies: &Mutex<TcpStream>) -> Option<()> {
    let request = waiting.lock().unwrap().recv().ok()?;
    thread::sleep(GATEWAY_DELAY);
    let mut output = Vec::new();
    answer(&request, &mut output);
    replies.lock().unwrap().write_all(&output).ok()
}
