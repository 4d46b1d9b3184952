//! What carries the frames of a link: only the keys its kind has, each with a value that can be.

use std::net::SocketAddr;
use std::path::Path;

use super::super::raw::Given;
use super::super::raw::field::{RawLink, RawTransport};
use super::super::sheet::Spot;
use super::NOT_NEGATIVE;
use crate::points::{Device, Link, Parity, SerialLine, TlsFiles, Transport};
use crate::shell::field::stream;

/// Baud rates a serial port may have.
const BAUDS: [u32; 10] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

/// Most units on a serial line. Source: serial line specification V1.02, 2.2.
const UNITS: std::ops::RangeInclusive<u8> = 1..=247;

/// The transport of a link; takes its keys out of `raw`.
pub(in crate::config) fn transport(
    at: &Spot<'_>,
    raw: &mut RawLink,
    bench: Option<bool>,
) -> Option<Transport> {
    let remedy = "write tcp, tls, rtu or rtu_over_tcp; tcp when left out";
    let kind = at.may("transport", std::mem::take(&mut raw.transport), remedy).unwrap_or(RawTransport::Tcp);
    let (address, path) = (std::mem::take(&mut raw.address), std::mem::take(&mut raw.path));
    let found = match kind {
        RawTransport::Tcp => self::address(at, address, bench).map(Transport::Tcp),
        RawTransport::Tls => {
            let (address, files) = (self::address(at, address, bench), tls(at, raw));
            Some(Transport::Tls { address: address?, files: Box::new(files?) })
        }
        RawTransport::RtuOverTcp => {
            let (address, line) = (self::address(at, address, bench), line(at, raw));
            Some(Transport::RtuOverTcp { address: address?, line: line? })
        }
        RawTransport::Rtu => {
            unused(at, "address", &address, "name the port with path");
            let (path, line) = (port(at, path, bench), line(at, raw));
            return Some(Transport::Rtu { path: path?, line: line? });
        }
    };
    unused(at, "path", &path, "it is for transport = \"rtu\"");
    found
}

/// Keys that say nothing about the link as it is. Called last: the keys it has are taken by then.
pub(in crate::config) fn leftovers(at: &Spot<'_>, raw: &RawLink) {
    let of_line = "it is for transport = \"rtu\" or \"rtu_over_tcp\"";
    unused(at, "baud", &raw.baud, of_line);
    unused(at, "parity", &raw.parity, of_line);
    unused(at, "stop_bits", &raw.stop_bits, of_line);
    unused(at, "local_echo", &raw.local_echo, of_line);
    unused(at, "plain_wire", &raw.plain_wire, of_line);
    unused(at, "quarantine_s", &raw.quarantine_s, of_line);
    for (key, given) in [
        ("tls_name", &raw.tls_name),
        ("tls_ca", &raw.tls_ca),
        ("tls_cert", &raw.tls_cert),
        ("tls_key", &raw.tls_key),
    ] {
        unused(at, key, given, "it is for transport = \"tls\"");
    }
}

fn unused<T>(at: &Spot<'_>, key: &str, given: &Given<T>, belongs: &str) {
    if !matches!(given, Given::Absent) {
        at.key(key).complain("says nothing about this link", format!("remove it: {belongs}"));
    }
}

fn address(at: &Spot<'_>, given: Given<String>, bench: Option<bool>) -> Option<SocketAddr> {
    let remedy = "give address and port, as \"10.20.0.15:502\"";
    let text = at.need("address", given, remedy)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        at.key("address").complain("is no address with a port; host names are not used in the field", remedy);
        return None;
    };
    if address.port() == 0 {
        at.key("address").complain("has port 0, which nobody listens on", remedy);
    }
    if bench == Some(true) && !address.ip().is_loopback() {
        let what = "is not on this machine, but service.toml says bench = true";
        at.key("address").complain(what, "use 127.0.0.1 on the bench, or set bench = false for a river");
    }
    Some(address)
}

fn port(at: &Spot<'_>, given: Given<String>, bench: Option<bool>) -> Option<String> {
    let path = at.need("path", given, "name the port, as \"/dev/serial/by-id/usb-...\"")?;
    if !Path::new(&path).is_absolute() {
        at.key("path").complain("is no absolute path", "name the port, as \"/dev/serial/by-id/usb-...\"");
    }
    // A real port may lead to a real gate; a pseudo terminal leads to a simulator.
    let leads_to = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone().into());
    if bench == Some(true) && !leads_to.starts_with("/dev/pts") {
        let what = "is no pseudo terminal, but service.toml says bench = true";
        at.key("path").complain(what, "use a pseudo terminal on the bench, or set bench = false for a river");
    }
    Some(path)
}

fn line(at: &Spot<'_>, raw: &mut RawLink) -> Option<SerialLine> {
    let usual = SerialLine::default();
    let remedy = format!("give one of {}", BAUDS.map(|baud| baud.to_string()).join(", "));
    let baud = at.need("baud", std::mem::take(&mut raw.baud), &remedy);
    if baud.is_some_and(|baud| !BAUDS.contains(&baud)) {
        at.key("baud").complain("is no usual baud rate", &remedy);
    }
    let parity =
        at.may("parity", std::mem::take(&mut raw.parity), "write even, odd or none; even when left out");
    let parity = parity.unwrap_or(usual.parity);
    let remedy = "write 1 or 2; left out it is 2 without parity, else 1";
    let stop_bits = at.may("stop_bits", std::mem::take(&mut raw.stop_bits), remedy);
    let stop_bits = stop_bits.unwrap_or(if parity == Parity::None { 2 } else { 1 });
    if !(1..=2).contains(&stop_bits) {
        at.key("stop_bits").complain("must be 1 or 2", remedy);
    }
    let remedy = "write true or false; false when left out";
    let echo = at.may("local_echo", std::mem::take(&mut raw.local_echo), remedy).unwrap_or(usual.echo);
    let plain = at.may("plain_wire", std::mem::take(&mut raw.plain_wire), remedy).unwrap_or(usual.plain_wire);
    let remedy = "give the silence after a time-out in seconds; the response time-out when left out";
    let quarantine_s =
        at.optional("quarantine_s", std::mem::take(&mut raw.quarantine_s), NOT_NEGATIVE, remedy);
    Some(SerialLine { baud: baud?, parity, stop_bits, echo, plain_wire: plain, quarantine_s })
}

fn tls(at: &Spot<'_>, raw: &mut RawLink) -> Option<TlsFiles> {
    let name =
        at.need("tls_name", std::mem::take(&mut raw.tls_name), "give the name in the peer's certificate");
    let remedy = "name a PEM file with the certificates that may have signed the peer's";
    let ca = at.need("tls_ca", std::mem::take(&mut raw.tls_ca), remedy);
    let cert = at.need("tls_cert", std::mem::take(&mut raw.tls_cert), "name a PEM file with our certificate");
    let key = at.need("tls_key", std::mem::take(&mut raw.tls_key), "name a PEM file with its private key");
    let files = TlsFiles { name: name?, ca: ca?, cert: cert?, key: key? };
    if let Err(why) = stream::tls(&files) {
        let remedy = "name PEM files by absolute paths that the service may read";
        at.key("tls_ca").complain(format!("the files of this link do not serve: {why}"), remedy);
    }
    Some(files)
}

/// Units a serial line does not have: 0 is for all, 248 to 255 are reserved.
pub(in crate::config) fn units<'a>(links: &[Link], devices: &[Device], place: impl Fn(&str) -> Spot<'a>) {
    for device in devices {
        let is_serial = links.get(device.link.0).is_some_and(|link| link.transport.is_serial());
        if is_serial && !UNITS.contains(&device.unit) {
            place(&device.id).key("unit").complain("is no unit of a serial line", "give 1 to 247");
        }
    }
}
