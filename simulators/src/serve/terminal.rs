//! The devices of a link on a pseudo terminal: RTU frames in place of TCP, as behind a serial port.
//!
//! A request is taken when its check is right, whatever came with it is dropped after a silence. Unit 0 is for all and
//! answers nothing; a unit that is not there is silence, not an exception: no gateway speaks on a line.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use qindan::points::{Device, DeviceId, Field, LinkId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio_serial::{SerialPort, SerialStream};

use super::pdu::{self, Answer, GATEWAY_TARGET_FAILED, address};
use super::{Line, Serving};
use crate::world::{SharedWorld, World, lock};

/// Silence after which the rest of a broken frame is dropped. Chosen: longer than a master takes to hand over a frame,
/// shorter than any response time-out.
const SILENCE: Duration = Duration::from_millis(20);
/// The unit that is every unit.
const BROADCAST: u8 = 0;

/// A terminal cannot be made or named.
#[derive(Debug, thiserror::Error)]
#[error("link {link}: no terminal at {}: {source}; give a folder that may be written, with no other file of this name", path.display())]
pub struct TerminalError {
    /// The link.
    link: String,
    /// The name it should have.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

/// The name of a terminal, removed with it.
#[derive(Debug)]
pub(super) struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // It may have been removed already; it leads nowhere either way.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Serving {
    /// Serves each link of `field` on a terminal as well, named `DIR/LINK`; gives the names in the order of the links.
    ///
    /// # Errors
    ///
    /// The folder is missing or may not be written, or a name in it is taken by something that is no link.
    pub fn terminals(
        &mut self,
        field: &Arc<Field>,
        world: &SharedWorld,
        folder: &Path,
    ) -> Result<Vec<PathBuf>, TerminalError> {
        let mut paths = Vec::new();
        for (at, link) in field.links.iter().enumerate() {
            let path = folder.join(&link.id);
            let line = Line { field: Arc::clone(field), world: Arc::clone(world), link: LinkId(at) };
            let name = open(&path, line, &mut self.tasks);
            let failed = |source| TerminalError { link: link.id.clone(), path: path.clone(), source };
            self.names.push(name.map_err(failed)?);
            paths.push(path);
        }
        Ok(paths)
    }
}

fn open(path: &Path, line: Line, tasks: &mut JoinSet<()>) -> io::Result<Name> {
    // Of an earlier run; anything but a link stays, and the new one is refused.
    if path.is_symlink() {
        std::fs::remove_file(path)?;
    }
    let (ours, theirs) = SerialStream::pair()?;
    let device = theirs.name().ok_or_else(|| io::Error::other("the terminal has no name"))?;
    std::os::unix::fs::symlink(device, path)?;
    tasks.spawn(async move {
        if let Err(error) = answer_all(ours, &line).await {
            tracing::warn!(%error, link = line.link.0, "a terminal ended");
        }
        // Held until now: with its last reader a terminal hangs up.
        drop(theirs);
    });
    Ok(Name(path.to_owned()))
}

async fn answer_all(mut port: SerialStream, line: &Line) -> io::Result<()> {
    let mut input = Vec::new();
    loop {
        tokio::select! {
            read = port.read_buf(&mut input) => if read? == 0 { return Ok(()) },
            () = tokio::time::sleep(SILENCE), if !input.is_empty() => input.clear(),
        }
        while let Some(length) = whole(&input) {
            let frame = input.drain(..length).collect::<Vec<_>>();
            if let Some(reply) = answer(line, &frame) {
                let delay = line.delay(&lock(&line.world));
                // A line carries one request at a time: the next waits until this is answered.
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                port.write_all(&reply).await?;
            }
        }
    }
}

/// Length of the request at the head of `input`, once it is there with a right check.
fn whole(input: &[u8]) -> Option<usize> {
    let length = match *input.get(1)? {
        1..=6 => 8,
        15 | 16 => 9 + usize::from(*input.get(6)?),
        22 => 10,
        23 => 13 + usize::from(*input.get(10)?),
        43 => 7,
        _ => return None,
    };
    (crc(input.get(..length)?) == 0).then_some(length)
}

/// What a line answers to a frame; nothing to a broadcast, and nothing for a unit that is away.
fn answer(line: &Line, frame: &[u8]) -> Option<Vec<u8>> {
    let (&unit, pdu) = (frame.first()?, frame.get(1..frame.len() - 2)?);
    let mut world = lock(&line.world);
    if world.devices.is_cut(line.link) {
        return None;
    }
    if unit == BROADCAST {
        let behind = line.field.devices.iter().filter(|device| device.link == line.link);
        // Reads for all are none: everybody would answer at once.
        if matches!(pdu.first(), Some(5 | 6 | 15 | 16)) {
            behind.for_each(|device| drop(pdu::answer(&mut world, &line.field, line.link, device.unit, pdu)));
        }
        return None;
    }
    match pdu::answer(&mut world, &line.field, line.link, unit, pdu) {
        Answer::Reply(reply) if reply.get(1) != Some(&GATEWAY_TARGET_FAILED) || !is_exception(&reply) => {
            let mut frame = vec![unit];
            frame.extend(reply);
            let check = crc(&frame);
            if collides(&world, line, unit, pdu) {
                // Two units speak at once: what arrives is neither's.
                frame.iter_mut().skip(1).for_each(|byte| *byte ^= 0x55);
            }
            frame.extend(check.to_le_bytes());
            Some(frame)
        }
        Answer::Reply(_) | Answer::Silence => None,
    }
}

/// Whether another unit of the same number answers at the same time.
fn collides(world: &World, line: &Line, unit: u8, pdu: &[u8]) -> bool {
    let here = |device: &Device| device.link == line.link && device.unit == unit;
    let Some(device) = line.field.devices.iter().position(here) else { return false };
    world.devices.collides(DeviceId(device), address(pdu)).is_some()
}

fn is_exception(reply: &[u8]) -> bool {
    reply.first().is_some_and(|function| function & 0x80 != 0)
}

/// CRC-16 of the serial line specification V1.02, 6.2.2; 0 over a frame with its check.
fn crc(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::plant::{Event, Forcing};
    use crate::testing;

    /// `11 03 00 6B 00 03` has the check `76 87`. Source: vectors of the field notes.
    #[test]
    fn a_request_is_whole_with_its_last_byte_and_a_right_check() {
        let request = [0x11, 3, 0, 0x6B, 0, 3, 0x76, 0x87];
        assert_eq!(whole(&request), Some(8));
        assert_eq!(whole(&[&request[..], &[0x11, 3]].concat()), Some(8));
        for length in 0..8 {
            assert_eq!(whole(&request[..length]), None, "{length}");
        }
        let mut damaged = request;
        damaged[3] ^= 1;
        assert_eq!(whole(&damaged), None);
    }

    #[test]
    fn two_units_of_one_number_spoil_each_others_replies() {
        let config = testing::small();
        let forcing = Forcing::dry(&config.basin, 5);
        let world = Arc::new(Mutex::new(World::new(&config, 7, testing::start(), &forcing)));
        let line = Line { field: Arc::clone(&config.field), world: Arc::clone(&world), link: LinkId(0) };
        // The position of the valve.
        let mut request = vec![1, 3, 0, 1, 0, 1];
        request.extend(crc(&request).to_le_bytes());
        let spoilt = |seconds: u64| {
            let ask = |_: &u64| {
                lock(&world).step(Duration::from_secs(1), &forcing);
                answer(&line, &request).is_some_and(|reply| crc(&reply) != 0)
            };
            (0..seconds).filter(ask).count()
        };
        assert_eq!(spoilt(20), 0);
        let other = Event::SharedUnit { device: "box".into(), with: "logger".into() };
        lock(&world).apply(&other).unwrap();
        // Every other one: 100 ± 7, four deviations.
        assert!((72..=128).contains(&spoilt(200)));
        lock(&world).apply(&Event::OwnUnit { device: "box".into() }).unwrap();
        assert_eq!(spoilt(20), 0);
    }
}
