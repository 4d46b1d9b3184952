//! A file system of its own below the data folder: a loop image with ext4, whose power is cut and which turns read-only. Ten
//! cuts, or as many as `QINDAN_IMAGE_CUTS` says (`ops/long crashes`: two hundred); `QINDAN_SEED` for another course.
//!
//! The power is cut as xfstests does it (`godown`; `_scratch_shutdown` in its `common/rc`): the ioctl `EXT4_IOC_SHUTDOWN` with
//! `EXT4_GOING_FLAGS_NOLOGFLUSH` (`fs/ext4/ioctl.c` of Linux). From that moment nothing more reaches the image, neither data nor
//! the file system's own journal, and every later call fails with EIO. What was not synced is gone when the image is mounted again,
//! but for what the kernel had written of itself by then. The cache of a disk is not part of it: what of the sectors written
//! since the last sync are there is tried in `crash_power`.
//!
//! One thing is not as with a machine that loses its power: the program lives while the ioctl works, and a sync under way may come
//! back without an error though its bytes are gone (seen with nothing but `pwrite` and `fdatasync` too: once in 200 cuts after
//! the ioctl had begun, never before it). So what the program says after that moment is not taken as an acknowledgement, and at
//! most one write may reach the field on the word of such a sync.
//!
//! Some services die in the moment of the cut, as with a whole machine. Others outlive it, as with a disk that fails: they must
//! end or hold, with nothing acknowledged and nothing sent without an intent that is found again.
//!
//! It needs root, loop devices, `mkfs.ext4` and `python3`; `ops/test` tells where these tests are not run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use qindan::control::record::Kind;
use qindan::shell::clock::Clock;
use qindan::shell::data_dir;
use qindan::shell::log::{self, Verdict};
use qindan::shell::verify::{self, Part};
use serde_json::{Value, json};

use crate::crash_lab::{Ground, Lab, Moment, synced};
use crate::crash_power::number;
use crate::door;
use crate::process::spawn_child;
use crate::running::{PATIENCE, Page};
use crate::site::{self, Drive, Site};

/// Bytes of an image; what nothing is written to takes no room. Chosen: the reserve, a segment of each stream, and samples.
const BYTES: u64 = 512 << 20;
/// Tries until a folder counts as held. One is let go of within a few milliseconds: a child of another test that was forked and
/// has not started its program yet holds what the test has open.
const TRIES: u32 = 200;

const REMEDY: &str = "these tests mount a file system of their own: run them as root where loop devices, mkfs.ext4 (e2fsprogs) and \
                      python3 are there, or leave them out with `cargo test -- --skip crash_image` and say so";

/// Waits for the word in a process of its own: no unsafe code for one ioctl.
const CUT: &str = "
import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
at = os.open(sys.argv[1], os.O_RDONLY)
print('ready', flush=True)
if sys.stdin.readline():
    fcntl.ioctl(at, EXT4_IOC_SHUTDOWN, struct.pack('I', NOLOGFLUSH))
    print('cut', flush=True)
";

/// Runs a program to its end: what it printed, or what it complained of.
fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(args).env("PATH", path).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = || format!("{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(complaint()) }
}

/// The hand at the switch.
struct Switch(Child, BufReader<ChildStdout>);

impl Switch {
    fn of(folder: &str) -> Self {
        let python = Command::new("python3")
            .args(["-c", CUT, folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut python = python.unwrap_or_else(|error| panic!("python3: {error}; {REMEDY}"));
        let lines = BufReader::new(python.stdout.take().unwrap());
        let mut switch = Self(python, lines);
        assert_eq!(switch.line(), "ready\n", "{REMEDY}");
        switch
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line
    }

    fn cut(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(self.line(), "cut\n", "this kernel shuts no ext4 down; {REMEDY}");
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A mounted image in a temporary folder, taken off and freed at the end, also that of a test that failed.
pub(crate) struct Image {
    root: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let image = Self { root };
        File::create_new(image.path("image")).unwrap().set_len(BYTES).unwrap();
        fs::create_dir(image.path("on")).unwrap();
        run("mkfs.ext4", &["-q", "-F", &image.path("image")])
            .unwrap_or_else(|error| panic!("{error}; {REMEDY}"));
        image.mount();
        image
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).to_str().unwrap().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("on/data")
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", &self.path("image"), &self.path("on")])
            .unwrap_or_else(|error| panic!("{error}; {REMEDY}"));
    }

    /// Takes it off and waits until its loop device is free: mounted before that, the dead one would be there again.
    fn unmount(&self) -> Result<(), String> {
        let mut taken_off = Err(String::new());
        for _ in 0..TRIES {
            taken_off = run("umount", &[&self.path("on")]);
            if taken_off.is_ok() {
                break;
            }
        }
        taken_off?;
        for _ in 0..TRIES {
            if run("losetup", &["-j", &self.path("image")])?.is_empty() {
                return Ok(());
            }
        }
        Err(format!(
            "{} keeps its loop device: another mount namespace may hold the mount (findmnt -N PID; mount --make-rshared / before it was made)",
            self.path("image")
        ))
    }

    /// What `errors=remount-ro` does when ext4 finds something wrong: read-only though files are open for writing.
    fn turn_read_only(&self) {
        run("mount", &["-o", "remount,abort", &self.path("on")]).unwrap();
    }

    /// As a person does after that: taken off, checked, mounted.
    fn repair(&self) {
        self.unmount().unwrap();
        let checked = Command::new("/sbin/e2fsck").args(["-p", "-f", &self.path("image")]).output().unwrap();
        // 1: errors were corrected; that it was aborted is one.
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{checked:?}");
        self.mount();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("{error}");
            // Whoever still holds something of it lets go with its own end.
            let _ = run("umount", &["-l", &self.path("on")]);
        }
    }
}

/// A file written right before each cut and not synced.
const UNSYNCED: &str = "on/unsynced";

/// An image whose power is cut at the end of every life.
struct Cuts {
    image: Image,
    switch: Arc<Mutex<Option<Switch>>>,
}

impl Ground for Cuts {
    fn data(&self) -> PathBuf {
        self.image.data()
    }

    fn end(&mut self) -> Box<dyn FnMut() + Send> {
        let switch = Switch::of(&self.image.path("on"));
        *self.switch.lock().unwrap() = Some(switch);
        let (switch, unsynced) = (Arc::clone(&self.switch), self.image.path(UNSYNCED));
        Box::new(move || {
            if let Some(switch) = switch.lock().unwrap_or_else(PoisonError::into_inner).take() {
                fs::write(&unsynced, "unsynced").unwrap();
                switch.cut();
            }
        })
    }

    /// See above: one, since the record has one thread that syncs.
    fn false_syncs(&self) -> usize {
        1
    }

    fn outlived(&self, random: &mut fastrand::Rng) -> bool {
        random.u32(..3) == 0
    }

    fn mend(&mut self) {
        // One whose life ended in order keeps its power.
        drop(self.switch.lock().unwrap().take());
        self.image.unmount().unwrap();
        self.image.mount();
        // Its name may be there, by the sync of another file. That its content is not shows that the power was cut. It goes, since
        // ext4 writes of itself what replaces the content of a file (`auto_da_alloc` in ext4(5)).
        let path = self.image.path(UNSYNCED);
        if let Ok(unsynced) = fs::read(&path) {
            assert!(unsynced.is_empty(), "what was not synced outlived the cut");
            fs::remove_file(path).unwrap();
        }
    }

    /// Whatever the cut left, the service that has started on it stands on a record that is right.
    fn taken_up(&self) {
        let program = Command::new(env!("CARGO_BIN_EXE_qindan"))
            .args(["log", "verify", "--data"])
            .arg(self.data())
            .output();
        let said = program.unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_of_the_real_disk_takes_nothing_that_was_acknowledged() {
    let cuts = number("QINDAN_IMAGE_CUTS", 10);
    let took = Clock::real().mark();
    let ground = Cuts { image: Image::new(), switch: Arc::default() };
    let mut lab = Lab::new(ground, 0x696d_6167).await;
    // What a record that was found not right after a cut needs: that a later start tells what it mended.
    let (mut torn, mut views) = (Vec::new(), 0);
    for _ in 0..cuts {
        let moment = Moment::draw(&mut lab.random);
        lab.round(moment).await;
        let data = lab.data();
        // The view may be damaged: its library panics on a thread of its own then, which is caught.
        let found =
            tokio::task::spawn_blocking(move || verify::check(&data, &[], Part::WHOLE)).await.unwrap();
        let verdict = found.verdict();
        if verdict == Verdict::ViewDiffers {
            views += 1;
        } else if verdict != Verdict::Right {
            torn.push((lab.records.len(), format!("{verdict:?}: {:?}", found.problems)));
        }
    }
    lab.last_life().await;
    for (at, why) in &torn {
        let told = lab.records[*at..].iter().any(|record| record.kind == Kind::Recovered);
        assert!(told, "seed {}: after record {at}: {why}, and nothing tells of it", lab.seed);
    }
    let (all, between) = lab.ends.values().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1));
    let (held, ended) = lab.outlived;
    let (doubtful, unproved) = (lab.in_doubt.len(), lab.unproved.len());
    eprintln!(
        "{doubtful} acts answered while the power went, {unproved} writes sent on the word of a false sync"
    );
    eprintln!("{all} power cuts, {between} between an intent and its outcome; {:?}", lab.ends);
    eprintln!("{held} services outlived their disk and held, {ended} ended of themselves");
    eprintln!(
        "{views} views made anew, {} records with a torn end: {torn:?}; in all {:?}",
        torn.len(),
        took.elapsed()
    );
}

/// The published state, once it is as asked.
async fn until(page: &Page, what: &str, seen: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let (status, text) = page.get("/api/v1/state").await;
            assert_eq!(status, 200, "{text}");
            let state: Value = serde_json::from_str(&text).unwrap();
            if seen(&state) {
                return state;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Nothing is in flight, and the valve is seen at so many percent.
fn rests_at(percent: f64) -> impl Fn(&Value) -> bool {
    move |state: &Value| {
        let gate = &state["gates"][0];
        let seen = gate["opening"].as_f64().is_some_and(|opening| (opening * 100.0 - percent).abs() < 0.1);
        seen && gate["state"] == "idle" && gate["in_flight"].is_null()
    }
}

/// The valve has arrived where it was sent.
fn arrive(site: &Site) {
    site.set(site::POSITION, site.get(site::TARGET));
    site.set(site::MOVING_OPEN, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_turns_read_only_stops_what_can_wait_and_lets_protection_through() {
    let image = Image::new();
    let (data, log) = (image.data(), image.root.path().join("log"));
    data_dir::init(&data, "alder", Timestamp::UNIX_EPOCH).unwrap();
    door::furnish(&data);
    synced(&data);
    let site = Site::start(24.0, Drive::Slow, &data.join("journal")).await;
    let (mut child, page) = spawn_child(&data, &site.device, File::create(&log).unwrap().into());
    until(&page, "at rest", rests_at(24.0)).await;
    let (status, first) = page.set_point(27.0, "set-point-1").await;
    assert_eq!(status, 200, "{first}");
    site.until_written(1).await;
    arrive(&site);
    until(&page, "arrived", rests_at(27.0)).await;
    let flow = site.get(site::OUTLET);

    image.turn_read_only();
    // As long as nobody knows, the set-point is taken, without a number, and its intent fails. Nothing is sent in either case.
    let (status, second) = page.set_point(30.0, "set-point-2").await;
    let refused = status == 409 && second["error"].as_str().unwrap().contains("record_lost");
    assert!((status == 200 && second["taken"]["record"].is_null()) || refused, "{status} {second}");
    let alarmed =
        |state: &Value| state["alarms"].as_array().unwrap().iter().any(|alarm| alarm["id"] == "A20");
    let state = until(&page, "alarmed", |state| alarmed(state) && rests_at(27.0)(state)).await;
    assert_eq!(state["record_ok"], false);
    assert_eq!(page.get("/readyz").await.0, 503);
    let (status, third) = page.set_point(31.0, "set-point-3").await;
    assert_eq!(status, 409, "{third}");
    assert_eq!(site.written().len(), 1, "what can wait has waited");
    // The outlet falls below its floor: protection goes on, and the system log has what the record cannot take.
    site.set(site::OUTLET, 900);
    site.until_written(2).await;
    let protecting = site.written()[1];
    assert_eq!((protecting.command, protecting.recorded), (site::GO, false));
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("unrecorded intent") && said.contains("v1"), "{said}");
    // Polling, page and cycle go on for a minute of service time.
    site.set(site::OUTLET, flow);
    arrive(&site);
    let (asked, at) = (site.device.log().len(), state["at"].as_f64().unwrap());
    until(&page, "a minute later", |state| state["at"].as_f64().unwrap() > at + 60.0).await;
    assert!(site.device.log().len() > asked);
    assert_eq!(page.get("/healthz").await.0, 200);
    assert_eq!(child.0.try_wait().unwrap(), None, "it lives");
    drop(child);

    image.repair();
    let (child, page) = spawn_child(&data, &site.device, File::create(&log).unwrap().into());
    let state = until(&page, "at rest", rests_at(f64::from(site.get(site::TARGET)) / 100.0)).await;
    assert_eq!(state["record_ok"], true);
    let record = first["taken"]["record"].as_u64().unwrap();
    let act = site::records(&data.join("journal")).remove(record as usize - 1);
    assert_eq!((act.kind, &act.detail.unwrap()["request"]), (Kind::Operator, &json!("set-point-1")));
    let (status, fourth) = page.set_point(25.0, "set-point-4").await;
    assert_eq!(status, 200, "{fourth}");
    assert!(fourth["taken"]["record"].as_u64() > Some(record), "{fourth}");
    site.until_written(3).await;
    assert!(site.written()[2].recorded);
    arrive(&site);
    until(&page, "arrived", rests_at(25.0)).await;
    drop(child);
    let mut said = Vec::new();
    assert_eq!(log::verify(&data, &mut said).unwrap(), Verdict::Right, "{}", String::from_utf8_lossy(&said));
}
