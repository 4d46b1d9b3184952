//! Records changed by someone who knows the format and makes the checksums right: all are found. A thousand changes, or as many
//! as `QINDAN_TAMPERED` says (`ops/long tampering`: ten thousand).

use std::fs;

use qindan::shell::checkpoint::anchors::Kept;
use qindan::shell::journal::{ACTIONS, Reader, chain_after, hex, segments};
use qindan::shell::log::Verdict;
use qindan::shell::verify::{self, Part};

use crate::evidence::Data;
use crate::journal::{intent, note, now, outcome};

/// Changes tried.
fn changes() -> usize {
    std::env::var("QINDAN_TAMPERED").map_or(1_000, |count| count.parse().unwrap())
}

/// Where frames lie in a segment: length u32, CRC u32, then kind, version, sequence, body, chain hash.
pub(crate) fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 64);
    while at + 4 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            break;
        }
        found.push((at, 8 + length));
        at += 8 + length;
    }
    found
}

/// Makes the checksum of a frame right.
pub(crate) fn seal(frame: &mut [u8]) {
    let mut covered = frame[..4].to_vec();
    covered.extend_from_slice(&frame[8..]);
    frame[4..8].copy_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
}

#[test]
fn changed_records_are_all_found() {
    let data = Data::new();
    let mut journal = data.journal();
    for second in 0..24 {
        let command = u64::from(second) + 1;
        journal.append(&[intent(command, 0.5), note("why"), outcome(command)], now(second)).unwrap();
        journal.checkpoint(now(second)).unwrap();
    }
    drop(journal);
    let newest = Reader::open(&data.journal_dir(), ACTIONS).unwrap().last(1, |_| true).unwrap().remove(0);
    // As it stands on a report: the very last record has nothing behind it that would tell.
    let kept = [Kept { line: 1, seq: newest.seq, head: hex(&newest.chain)[..12].to_owned() }];
    let report = verify::check(data.path(), &kept, Part::WHOLE);
    assert_eq!(report.verdict(), Verdict::Right, "{report:?}");

    let files = segments(&data.journal_dir(), ACTIONS).unwrap();
    let whole: Vec<_> = files.iter().map(|file| fs::read(&file.path).unwrap()).collect();
    assert!(files.len() > 4);
    let mut random = fastrand::Rng::with_seed(0x7a3e);
    let mut found = std::collections::BTreeMap::new();
    for round in 0..changes() {
        let which = random.usize(..files.len());
        let mut bytes = whole[which].clone();
        let places = frames(&bytes);
        let (at, size) = places[random.usize(..places.len())];
        let what = random.usize(..6);
        let body = at + 18..at + size - 32;
        match what {
            // A byte anywhere behind the checksum, checksum made right.
            0 => bytes[at + 8 + random.usize(..size - 8)] ^= random.u8(1..),
            // A byte anywhere, checksum left wrong.
            1 => bytes[at + random.usize(..size)] ^= random.u8(1..),
            // A byte of the body, the record's own hash and checksum made right.
            2 => bytes[random.usize(body.clone())] ^= random.u8(1..),
            // A digit of the body becomes another one: still JSON that can be read; hash and checksum made right.
            3 => {
                let digits: Vec<_> = body.clone().filter(|place| bytes[*place].is_ascii_digit()).collect();
                let place = digits[random.usize(..digits.len())];
                bytes[place] = b'0' + (bytes[place] - b'0' + random.u8(1..10)) % 10;
            }
            // A record taken out, what follows moved up.
            4 => {
                bytes.drain(at..at + size);
            }
            // A record put in twice.
            _ => {
                let twice = bytes[at..at + size].to_vec();
                bytes.splice(at..at, twice);
            }
        }
        if what == 2 || what == 3 {
            // The hash before it stands at the end of the frame before, or in the header of the segment.
            let prev: [u8; 32] =
                if at == 64 { bytes[24..56].try_into() } else { bytes[at - 32..at].try_into() }.unwrap();
            let seq = u64::from_be_bytes(bytes[at + 10..at + 18].try_into().unwrap());
            let chain = chain_after(&prev, seq, &bytes[body.clone()]);
            bytes[body.end..body.end + 32].copy_from_slice(&chain);
        }
        if matches!(what, 0 | 2 | 3) {
            seal(&mut bytes[at..at + size]);
        }
        fs::write(&files[which].path, &bytes).unwrap();
        let verdict = verify::check(data.path(), &kept, Part::WHOLE).verdict();
        assert_ne!(
            verdict,
            Verdict::Right,
            "round {round}: change {what} at byte {at} of {:?}",
            files[which].path
        );
        assert_ne!(verdict, Verdict::Usage, "round {round}: change {what} at byte {at}");
        *found.entry((what, verdict)).or_insert(0) += 1;
        fs::write(&files[which].path, &whole[which]).unwrap();
    }
    assert_eq!(verify::check(data.path(), &kept, Part::WHOLE).verdict(), Verdict::Right);
    assert_eq!(found.values().sum::<usize>(), changes(), "{found:?}");
    assert!(found.keys().any(|(_, verdict)| *verdict == Verdict::Chain), "{found:?}");
}
