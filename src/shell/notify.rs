//! Tells systemd that the service is up, that its cycle lives, and that it stops. Silent where there is no systemd.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::clock::{Clock, Mark};

/// Most often the watchdog is fed, real time.
const SPACING: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    clock: Clock,
    fed: Option<Mark>,
}

impl Notify {
    /// As the environment says (`NOTIFY_SOCKET`).
    pub fn from_environment(clock: &Clock) -> Self {
        let socket = env::var("NOTIFY_SOCKET").ok().filter(|path| !path.is_empty()).and_then(|path| {
            connect(&path)
                .inspect_err(|error| tracing::warn!(%error, path, "the service manager cannot be told"))
                .ok()
        });
        Self { socket, clock: clock.clone(), fed: None }
    }

    /// The first cycle is complete.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// A cycle in which every step was done is complete.
    pub fn alive(&mut self) {
        if self.socket.is_some() && self.fed.is_none_or(|fed| fed.elapsed() >= SPACING) {
            self.fed = Some(self.clock.mark());
            self.tell("WATCHDOG=1");
        }
    }

    /// The service ends in order.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(what.as_bytes())) {
            tracing::warn!(%error, what, "the service manager was not told");
        }
    }
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_each_word_once() {
        let name = format!("qindan-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut notify =
            Notify { socket: Some(connect(&format!("@{name}")).unwrap()), clock: Clock::real(), fed: None };
        notify.ready();
        notify.alive();
        notify.alive();
        notify.stopping();
        let hear = || {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!([hear(), hear(), hear()], ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
    }
}
