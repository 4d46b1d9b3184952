//! Point test of commissioning (点对点): every point of a device is read and compared by a person with what the local
//! panel shows; the outcome is a signed-off record. Reads through an engine that cannot write. Gates are moved only when
//! asked for, each step after the person has typed its name, through the record, interlocks and field tasks of the service.

mod answer;
mod hand;
mod moves;
mod plan;
mod record;
mod trace;

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_modbus::{Request, Response};

pub use hand::{MoveError, Moves};
pub use record::{Head, MoveVerdict, Movement, Record, RecordError, Saved, Saw, Step, Tested, Verdict, Way};

use super::clock::Clock;
use super::field::engine::Engine;
use super::field::error::FieldError;
use super::field::identity;
use super::field::plan::Block;
use super::probe;
use crate::config::Config;
use crate::config::addresses::notation;
use crate::control::grade::Grader;
use crate::control::quality::{Quality, Reading, Reason, Sample};
use crate::points::{ClassId, DataType, DeviceId, Point, PointId, Table};
use answer::Answer;

/// How to answer.
const HELP: &str = "\
Compare each value with the local panel, then:
  Enter    the panel shows the same        r        read again
  23.5     what the panel shows            s WHY    leave this point out
  on, off  the same for a switch           f WHY    wrong
  ?        this help                       q        stop here; the rest stays untested
";

/// A point test that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PointTestError {
    /// Terminal or file.
    #[error("the test cannot ask or be answered: {0}")]
    Io(#[from] io::Error),
    /// The movement of gates.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The file answers another question.
    #[error(
        "{file}:{line}: answers {found:?}, but {asked} is asked; give one line NAME ANSWER for each question, in order"
    )]
    OtherQuestion {
        /// The file.
        file: String,
        /// Its line.
        line: usize,
        /// What stands there.
        found: String,
        /// What is asked.
        asked: String,
    },
}

/// Where answers come from.
pub enum Answers {
    /// A person at a terminal.
    Typed {
        /// Lines as they come, `Ok(None)` at their end.
        lines: mpsc::UnboundedReceiver<io::Result<Option<String>>>,
        /// There are no more.
        ended: bool,
    },
    /// A file with a line `NAME ANSWER` for each question, in order; lines that begin with # are remarks.
    Given {
        /// Its name.
        file: String,
        /// Its lines with their numbers.
        lines: VecDeque<(usize, String)>,
    },
}

/// Says "stop" as if the person had typed it, for a signal.
#[derive(Clone, Debug)]
pub struct Stopper(mpsc::UnboundedSender<io::Result<Option<String>>>);

impl Stopper {
    /// Says it.
    pub fn stop(&self) {
        // Nobody listens any more: nothing moves.
        drop(self.0.send(Ok(Some("stop".into()))));
    }
}

impl Answers {
    /// What a person types into `input`, and a way to say stop in their place. A thread of its own reads: a gate that
    /// moves is watched while nothing is typed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn typed(input: impl BufRead + Send + 'static) -> io::Result<(Self, Stopper)> {
        let (sender, lines) = mpsc::unbounded_channel();
        let stopper = Stopper(sender.clone());
        std::thread::Builder::new().name("typed".into()).spawn(move || {
            for line in input.lines() {
                let failed = line.is_err();
                if sender.send(line.map(Some)).is_err() || failed {
                    return;
                }
            }
            drop(sender.send(Ok(None)));
        })?;
        Ok((Self::Typed { lines, ended: false }, stopper))
    }

    /// The answers of a file.
    pub fn given(file: &str, text: &str) -> Self {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim().to_owned()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
        Self::Given { file: file.into(), lines }
    }

    /// How they come, for the record.
    fn kind(&self) -> String {
        match self {
            Self::Typed { .. } => "typed".into(),
            Self::Given { file, .. } => format!("from file {file}"),
        }
    }

    /// What is said while something moves: what the person types, or the next line of the file when it is meant for it. A
    /// file without such a line says nothing. Cancel-safe.
    async fn interrupt(&mut self, asked: &str) -> Result<Option<String>, PointTestError> {
        if let Self::Given { lines, .. } = self
            && !lines.front().is_some_and(|(_, text)| {
                text.strip_prefix(asked).is_some_and(|rest| rest.starts_with(char::is_whitespace))
            })
        {
            return std::future::pending().await;
        }
        self.next(asked).await
    }

    /// The answer to a question; `None` when there are no more. Cancel-safe.
    async fn next(&mut self, asked: &str) -> Result<Option<String>, PointTestError> {
        match self {
            Self::Typed { lines, ended } => {
                let line = if *ended { None } else { lines.recv().await.transpose()?.flatten() };
                *ended = line.is_none();
                Ok(line)
            }
            Self::Given { file, lines } => {
                let Some((line, text)) = lines.pop_front() else { return Ok(None) };
                match text.strip_prefix(asked) {
                    Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
                        Ok(Some(rest.into()))
                    }
                    Some(_) | None => Err(PointTestError::OtherQuestion {
                        file: file.clone(),
                        line,
                        found: text,
                        asked: asked.into(),
                    }),
                }
            }
        }
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind())
    }
}

/// Asks through all points of `device`; `by` is who compares them. A point the device does not give is a failed point, not
/// the end of the test. With `moves` its gates are moved afterwards, unless the person has stopped before.
///
/// # Errors
/// When nobody can be asked, or gates are to be moved and record or field do not allow it.
pub async fn test(
    config: &Config,
    device: DeviceId,
    by: &str,
    answers: &mut Answers,
    out: &mut dyn Write,
    moves: Option<&Moves>,
) -> Result<Record, PointTestError> {
    let started = Clock::machine_utc();
    let field = &config.field;
    let ids = (0..field.points.len()).map(PointId);
    let own = |id: &PointId| field.points.get(id.0).is_some_and(|point| point.device == device);
    let ids: Vec<PointId> = ids.filter(own).collect();
    let mut head = head(config, device, by, answers.kind());
    writeln!(out, "{}  {} / {}", head.device, head.name_zh, head.name_en)?;
    writeln!(out, "link {} {}, unit {}, {} points\n\n{HELP}", head.link, head.peer, head.unit, ids.len())?;
    let mut reader = Reader { config, device, engine: None };
    head.identity = reader.identity().await;
    if let Some(shown) = &head.identity {
        writeln!(out, "identity: {shown}\n")?;
    }
    let mut tested = Vec::new();
    let mut going = true;
    for (number, id) in ids.iter().enumerate() {
        let Some(point) = field.points.get(id.0) else { continue };
        let asked = Asked { id: *id, point, number: number + 1, of: ids.len() };
        let done = if going { ask(&mut reader, &asked, answers, out).await? } else { None };
        going = going && done.is_some();
        let left = || Tested::untested(point, "the test was stopped before", "-");
        tested.push(done.unwrap_or_else(left));
    }
    // Some gateways serve one connection only: that of the reading ends before that of the moving begins.
    drop(reader);
    let mut movement = Vec::new();
    if let Some(moves) = moves.filter(|_| going) {
        let done = moves::run(config, moves, device, by, answers, out).await?;
        (movement, going) = (done.movements, !done.was_stopped);
    }
    let count = |verdict| tested.iter().filter(|point| point.verdict == verdict).count();
    head.passed = count(Verdict::Passed);
    head.failed = count(Verdict::Failed);
    head.not_tested = count(Verdict::NotTested);
    head.written_only = count(Verdict::WrittenOnly);
    let ended = Clock::machine_utc();
    head.started = record::civil(started, &config.basin.zone);
    head.ended = record::civil(ended, &config.basin.zone);
    writeln!(out, "\n{} passed, {} failed, {} not tested", head.passed, head.failed, head.not_tested)?;
    for moved in &movement {
        writeln!(out, "{}: movement {:?} {}", moved.gate, moved.verdict, moved.remark)?;
    }
    write!(out, "To sign, type your name as given ({by}); Enter leaves the record unsigned> ")?;
    out.flush()?;
    head.signed = answers.next("sign").await?.is_some_and(|name| name.trim() == by);
    writeln!(out)?;
    Ok(Record { test: head, point: tested, movement, was_stopped: !going })
}

fn head(config: &Config, device: DeviceId, by: &str, answers: String) -> Head {
    let unit = config.field.devices.get(device.0);
    let link = unit.and_then(|unit| config.field.links.get(unit.link.0));
    Head {
        device: unit.map(|unit| unit.id.clone()).unwrap_or_default(),
        name_zh: unit.map(|unit| unit.name.zh.clone()).unwrap_or_default(),
        name_en: unit.map(|unit| unit.name.en.clone()).unwrap_or_default(),
        basin: config.basin.id.clone(),
        link: link.map(|link| link.id.clone()).unwrap_or_default(),
        peer: link.map(|link| link.transport.to_string()).unwrap_or_default(),
        unit: unit.map_or(0, |unit| unit.unit),
        bench: config.service.bench,
        configuration: config.digest.clone(),
        program: env!("CARGO_PKG_VERSION").into(),
        by: by.into(),
        signed: false,
        answers,
        started: String::new(),
        ended: String::new(),
        passed: 0,
        failed: 0,
        not_tested: 0,
        written_only: 0,
        identity: None,
    }
}

/// One question.
struct Asked<'p> {
    id: PointId,
    point: &'p Point,
    number: usize,
    of: usize,
}

/// Reads a point and asks until it has a verdict; `None` when the person stops.
async fn ask(
    reader: &mut Reader<'_>,
    asked: &Asked<'_>,
    answers: &mut Answers,
    out: &mut dyn Write,
) -> Result<Option<Tested>, PointTestError> {
    let Asked { id, point, number, of } = *asked;
    let bit = if point.data_type == DataType::Bit { format!(" {}", point.bit) } else { String::new() };
    writeln!(
        out,
        "[{number:>2}/{of}] {}  {:?} {} ({}), {:?}{bit}, x {} + {}",
        point.id,
        point.table,
        point.address,
        notation(point.table, point.address),
        point.data_type,
        point.scale,
        point.offset
    )?;
    if point.class.is_none() {
        writeln!(out, "        written only: neither read nor asked")?;
        return Ok(Some(Tested { verdict: Verdict::WrittenOnly, ..Tested::untested(point, "", "-") }));
    }
    loop {
        let seen = reader.read(id, point).await;
        writeln!(out, "        {}", seen.shown(point))?;
        let answer = loop {
            write!(out, "        panel> ")?;
            out.flush()?;
            let Some(text) = answers.next(&point.id).await? else { break Answer::Stop };
            let answer = answer::parse(&text);
            if answer != Answer::Unclear {
                break answer;
            }
            write!(out, "{HELP}")?;
        };
        let judged = match (seen.reading.value, &answer) {
            (_, Answer::Stop) => return Ok(None),
            (Some(value), answer) => answer::judge(point, value, seen.reading.quality, answer),
            (None, Answer::LeftOut(remark)) => Some((Verdict::NotTested, remark.clone())),
            (None, Answer::Wrong(remark)) => Some((Verdict::Failed, remark.clone())),
            (None, Answer::Same | Answer::Panel { .. }) => Some((Verdict::Failed, seen.trouble.clone())),
            (None, Answer::Again | Answer::Unclear) => None,
        };
        let Some((verdict, remark)) = judged else { continue };
        let panel = match answer {
            Answer::Same => seen.reading.value,
            Answer::Panel { value, .. } => Some(value),
            Answer::Wrong(_) | Answer::LeftOut(_) | Answer::Again | Answer::Stop | Answer::Unclear => None,
        };
        writeln!(out, "        {verdict:?} {remark}")?;
        let at = record::civil(Clock::machine_utc(), &reader.config.basin.zone);
        return Ok(Some(Tested {
            raw: seen.raw,
            seen: seen.reading.value,
            quality: seen.reading.quality,
            reason: seen.reading.reason.map(|reason| format!("{reason:?}")),
            panel,
            verdict,
            ..Tested::untested(point, &remark, &at)
        }));
    }
}

impl Tested {
    /// A point nobody has looked at.
    fn untested(point: &Point, remark: &str, at: &str) -> Self {
        let register = matches!(point.table, Table::Input | Table::Holding);
        Self {
            id: point.id.clone(),
            role: point.role,
            table: point.table,
            address: point.address,
            notation: notation(point.table, point.address),
            r#type: point.data_type,
            bit: (register && point.data_type == DataType::Bit).then_some(point.bit),
            order: point.order,
            scale: point.scale,
            offset: point.offset,
            raw: Vec::new(),
            seen: None,
            unit: point.unit.clone(),
            quality: Quality::Bad,
            reason: None,
            panel: None,
            verdict: Verdict::NotTested,
            remark: remark.into(),
            at: at.into(),
        }
    }
}

/// What a point said.
struct Seen {
    raw: Vec<String>,
    reading: Reading,
    /// Why there is no value.
    trouble: String,
}

impl Seen {
    fn shown(&self, point: &Point) -> String {
        let quality = format!("{:?}", self.reading.quality).to_lowercase();
        let reason = self.reading.reason.map_or(String::new(), |reason| format!(", {reason:?}"));
        let raw = if self.raw.is_empty() { "-".into() } else { self.raw.join(" ") };
        match self.reading.value {
            Some(value) => {
                format!("raw {raw}  value {} {}  {quality}{reason}", record::shown(value), point.unit)
            }
            None => {
                format!("raw {raw}  no value  {quality}{reason}  {}; Enter notes it as failed", self.trouble)
            }
        }
    }
}

/// Reads points of one device one by one.
struct Reader<'c> {
    config: &'c Config,
    device: DeviceId,
    engine: Option<Engine>,
}

impl Reader<'_> {
    /// The point, graded as control would grade it.
    async fn read(&mut self, id: PointId, point: &Point) -> Seen {
        let field = &self.config.field;
        let unit = field.devices.get(self.device.0).map_or(0, |device| device.unit);
        let bits = matches!(point.table, Table::Coil | Table::Discrete);
        let block = Block {
            device: self.device,
            unit,
            table: point.table,
            class: point.class.unwrap_or(ClassId(0)),
            start: point.address,
            count: if bits { 1 } else { point.data_type.registers() },
            points: vec![id],
        };
        let (raw, value, trouble) = match self.request(&block).await {
            Ok(reply) => match block.value(point, &reply) {
                Ok(value) => (words(&reply), Ok(value), String::new()),
                Err(reason) => {
                    (words(&reply), Err(reason), format!("the registers hold no value ({reason:?})"))
                }
            },
            Err(error) => {
                let reason = match error {
                    FieldError::Refused { code: 2 | 3, .. } => Reason::ConfigError,
                    FieldError::Refused { code, .. } => Reason::Exception(code),
                    FieldError::Silent { .. }
                    | FieldError::Mismatch { .. }
                    | FieldError::Broken { .. }
                    | FieldError::Unsent { .. }
                    | FieldError::ReadOnly { .. } => Reason::CommError,
                };
                (Vec::new(), Err(reason), error.to_string())
            }
        };
        Seen { raw, reading: self.grade(id, value), trouble }
    }

    async fn request(&mut self, block: &Block) -> Result<Response, FieldError> {
        let kept = self.engine.is_some();
        let answer = self.once(block).await;
        // A person thinks longer than some devices keep an idle connection: what did not leave is asked once more.
        if kept && matches!(answer, Err(FieldError::Unsent { .. })) {
            return self.once(block).await;
        }
        answer
    }

    async fn once(&mut self, block: &Block) -> Result<Response, FieldError> {
        self.send(block.unit, &block.request()).await
    }

    async fn send(&mut self, unit: u8, request: &Request<'_>) -> Result<Response, FieldError> {
        let mut engine = match self.engine.take() {
            Some(engine) if engine.is_connected() => engine,
            Some(_) | None => probe::connect(&self.config.field, self.device).await?,
        };
        let answer = engine.request(unit, request).await;
        self.engine = Some(engine);
        answer
    }

    /// What the device says when asked who it is; `None` where the configuration does not ask.
    async fn identity(&mut self) -> Option<String> {
        let spec = self.config.field.devices.get(self.device.0)?;
        let identity = spec.identity.as_ref()?;
        Some(match self.send(spec.unit, &identity::question(identity)).await {
            Ok(reply) => {
                let verdict =
                    if identity::is_answered(identity, &reply) { "as configured" } else { "ANOTHER DEVICE" };
                format!("{verdict}: {}", identity::shown(&reply))
            }
            Err(error) => format!("no answer: {error}"),
        })
    }

    fn grade(&self, id: PointId, value: Result<f64, Reason>) -> Reading {
        let now = Duration::from_secs(1);
        let sample = match value {
            Ok(value) => Sample { good: Some((value, now)), fault: None },
            Err(reason) => Sample { good: None, fault: Some(reason) },
        };
        let mut samples = vec![Sample::default(); self.config.field.points.len()];
        if let Some(slot) = samples.get_mut(id.0) {
            *slot = sample;
        }
        let mut readings = Vec::new();
        Grader::new(&self.config.basin, &self.config.field).grade(&samples, now, &mut readings);
        readings.get(id.0).copied().unwrap_or(Reading::NEVER)
    }
}

/// Registers and bits of a reply, hexadecimal.
fn words(reply: &Response) -> Vec<String> {
    if let Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) = reply {
        return bits.iter().take(1).map(|bit| u8::from(*bit).to_string()).collect();
    }
    let (Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) = reply else {
        return Vec::new();
    };
    words.iter().map(|word| format!("0x{word:04x}")).collect()
}
