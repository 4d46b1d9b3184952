//! Flows of a scenario: what they begin with, and what generators make of it.

use jiff::Timestamp;
use qindan::config::sheet::Spot;
use toml::value::Datetime;

use super::super::raw::{
    RawCsv, RawDay, RawDrought, RawFlood, RawMelt, RawNoise, RawPeaking, RawRecession, RawStorms,
};
use super::{Scope, beside, stamp};
use crate::inflow::csv::{self, Spec};
use crate::inflow::{
    Base, Drought, Flood, Melt, Noise, Peaking, Recession, Record, Source, Storms, Strength, Stretch, seconds,
};

pub(super) use super::super::raw::RawSource;

const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

impl Scope<'_> {
    /// A flow of the element `id` that begins with `usual` when the file gives nothing else.
    pub(super) fn source(&self, spot: &Spot<'_>, id: &str, raw: &RawSource, usual: Base) -> Option<Source> {
        let given =
            [raw.constant_m3s.is_some(), raw.monthly_m3s.is_some(), raw.year.is_some(), raw.csv.is_some()];
        let several = given.iter().filter(|given| **given).count() > 1;
        if several {
            spot.complain(
                "begins with more than one flow",
                "keep one of constant_m3s, monthly_m3s, year, csv",
            );
        }
        // Each is looked at, whatever is wrong with the others, so that all that is wrong is told.
        let base = self.base(spot, raw, usual);
        let shape = one(spot, "shape", raw.shape.as_ref(), |spot, csv| self.record(spot, csv));
        let daily = one(spot, "daily", raw.daily.as_ref(), |spot, hours| {
            let hours = <[f64; 24]>::try_from(hours.as_slice()).ok().filter(|hours| finite(hours));
            if hours.is_none() {
                spot.complain("is no list of 24 factors", "give one per hour of the civil day");
            }
            hours
        });
        let recessions = each(spot, "recession", &raw.recession, |spot, raw| self.recession(spot, raw));
        let melts = each(spot, "snow_melt", &raw.snow_melt, |spot, raw| self.melt(spot, raw));
        let drought = one(spot, "drought", raw.drought.as_ref(), |spot, raw| self.drought(spot, raw));
        let floods = each(spot, "flood", &raw.flood, |spot, raw| self.flood(spot, raw));
        let storms = one(spot, "storms", raw.storms.as_ref(), |spot, raw| self.storms(spot, id, raw));
        let peaking = each(spot, "hydropeaking", &raw.hydropeaking, peaking);
        let noise = one(spot, "noise", raw.noise.as_ref(), |spot, raw| self.noise(spot, id, raw));
        let scale = raw.scale.unwrap_or(1.0);
        let scaled = scale.is_finite();
        if !scaled {
            spot.key("scale").complain("is no factor", "give a number, as 1.5");
        }
        if several || !scaled {
            return None;
        }
        let source = Source {
            shape: shape?,
            daily: daily?,
            recessions: recessions?,
            melts: melts?,
            drought: drought?,
            floods: floods?,
            storms: storms?,
            peaking: peaking?,
            noise: noise?,
            ..Source::of(base?)
        };
        Some(source.scaled(scale))
    }

    /// What a flow begins with.
    fn base(&self, spot: &Spot<'_>, raw: &RawSource, usual: Base) -> Option<Base> {
        let constant = match raw.constant_m3s {
            Some(flow) => a_flow(spot, "constant_m3s", flow).then_some(Some(Base::Constant(flow))),
            None => Some(None),
        };
        let monthly = one(spot, "monthly_m3s", raw.monthly_m3s.as_ref(), |spot, months| {
            let months = <[f64; 12]>::try_from(months.as_slice()).ok().filter(|months| finite(months));
            if months.is_none() {
                spot.complain("is no list of twelve flows", "give one per month");
            }
            months.map(Base::Monthly)
        });
        let record =
            one(spot, "csv", raw.csv.as_ref(), |spot, csv| Some(Base::Record(self.record(spot, csv)?)));
        Some(constant?.or(monthly?).or(record?).unwrap_or(usual))
    }

    fn recession(&self, spot: &Spot<'_>, raw: &RawRecession) -> Option<Recession> {
        let begin = match &raw.begin {
            Some(begin) => self.second(&spot.key("begin"), begin),
            None => Some(seconds(self.times.start)),
        };
        let sound =
            not_negative(spot, "flow_m3s", raw.flow_m3s) & above_zero(spot, "constant_d", raw.constant_d);
        sound.then_some(Recession { begin: begin?, flow: raw.flow_m3s, constant: raw.constant_d * DAY })
    }

    fn melt(&self, spot: &Spot<'_>, raw: &RawMelt) -> Option<Melt> {
        let stretch = self.stretch(spot, &raw.begin, &raw.end);
        let sound = not_negative(spot, "peak_m3s", raw.peak_m3s)
            & share(spot, "daily_share", raw.daily_share)
            & hour(spot, "top_h", raw.top_h);
        let (peak, daily_share, top_h) = (raw.peak_m3s, raw.daily_share, raw.top_h);
        let (begin, end) = stretch?;
        sound.then_some(Melt { begin, end, peak, daily_share, top_h })
    }

    fn drought(&self, spot: &Spot<'_>, raw: &RawDrought) -> Option<Drought> {
        let stretch = self.stretch(spot, &raw.begin, &raw.end);
        let sound = share(spot, "to_share", raw.to_share);
        let (begin, end) = stretch?;
        sound.then_some(Drought { begin, end, share: raw.to_share })
    }

    /// Begin and end in order, s since 1970.
    fn stretch(&self, spot: &Spot<'_>, begin: &toml::Value, end: &toml::Value) -> Option<(f64, f64)> {
        let (begin, end) = (self.second(&spot.key("begin"), begin), self.second(&spot.key("end"), end));
        let (begin, end) = (begin?, end?);
        if self.times.known && begin >= end {
            spot.key("end").complain("does not lie after begin", "put begin before end");
            return None;
        }
        Some((begin, end))
    }

    fn storms(&self, spot: &Spot<'_>, id: &str, raw: &RawStorms) -> Option<Storms> {
        let sound = above_zero(spot, "interval_d", raw.interval_d)
            & not_negative(spot, "peak_m3s", raw.peak_m3s)
            & above_zero(spot, "to_peak_h", raw.to_peak_h);
        let stream = raw.stream.as_deref().unwrap_or(id);
        let numbers = [raw.interval_d * DAY, raw.peak_m3s, raw.to_peak_h * HOUR];
        sound.then(|| Storms::new(self.seed, stream, numbers, self.run()))
    }

    fn noise(&self, spot: &Spot<'_>, id: &str, raw: &RawNoise) -> Option<Noise> {
        let strength = match (raw.share, raw.deviation_m3s) {
            (Some(part), None) => share(spot, "share", part).then_some(Strength::Share(part)),
            (None, Some(flow)) => not_negative(spot, "deviation_m3s", flow).then_some(Strength::Flow(flow)),
            (Some(_), Some(_)) | (None, None) => {
                spot.complain("needs one strength", "give share or deviation_m3s");
                None
            }
        };
        if !above_zero(spot, "correlation_h", raw.correlation_h) {
            return None;
        }
        let stream = raw.stream.as_deref().unwrap_or(id);
        Some(Noise::new(self.seed, stream, strength?, raw.correlation_h * HOUR, self.run()))
    }

    /// The stretch of the run.
    fn run(&self) -> Stretch {
        let from = seconds(self.times.start);
        Stretch { from, to: from + self.times.duration.as_secs_f64() }
    }

    fn flood(&self, spot: &Spot<'_>, raw: &RawFlood) -> Option<Flood> {
        let begin = self.second(&spot.key("begin"), &raw.begin);
        let sound =
            not_negative(spot, "peak_m3s", raw.peak_m3s) & above_zero(spot, "to_peak_h", raw.to_peak_h);
        let flood = Flood { begin: begin?, peak: raw.peak_m3s, to_peak: raw.to_peak_h * HOUR };
        sound.then_some(flood)
    }

    fn record(&self, spot: &Spot<'_>, raw: &RawCsv) -> Option<Record> {
        let instant_at = |key: &str, written: &Option<Datetime>| match written {
            Some(written) => stamp(&spot.key(key), written, self.basin).map(Some),
            None => Some(None),
        };
        let spec = Spec {
            file: beside(&spot.key("file"), &raw.file),
            shown: raw.file.clone(),
            column: raw.column.clone().unwrap_or_else(|| "flow_m3s".into()),
            scale: raw.scale.unwrap_or(1.0),
            offset: raw.offset_m3s.unwrap_or(0.0),
            window: (instant_at("from", &raw.from)?, instant_at("to", &raw.to)?),
            moved_to: instant_at("at", &raw.at)?,
            values: raw.values,
            on_gap: raw.on_gap,
            on_negative: raw.on_negative,
            on_bad_row: raw.on_bad_row,
            on_end: raw.on_end,
        };
        match csv::read(&spec) {
            Ok(read) => {
                self.notes.borrow_mut().extend(read.notes);
                self.covers(spot, raw, &read.record);
                Some(read.record)
            }
            Err(flaws) => {
                for flaw in flaws {
                    let line = flaw.line.map_or_else(String::new, |line| format!(" line {line}"));
                    spot.key("file").complain(format!("{}{line}: {}", raw.file, flaw.what), flaw.remedy);
                }
                None
            }
        }
    }

    fn covers(&self, spot: &Spot<'_>, raw: &RawCsv, record: &Record) {
        let (begin, end) = record.covers();
        let start = seconds(self.times.start);
        let needed = start + self.times.duration.as_secs_f64();
        let text = |t: f64| {
            let after = jiff::SignedDuration::try_from_secs_f64(t).unwrap_or_default();
            Timestamp::UNIX_EPOCH.saturating_add(after).unwrap_or_default().to_string()
        };
        if self.times.known && raw.on_end.is_none() && (begin > start || end < needed) {
            spot.complain(
                format!(
                    "covers {} to {}, the run goes from {} to {}",
                    text(begin),
                    text(end),
                    text(start),
                    text(needed)
                ),
                "move it with at, or say on_end = \"hold\" or \"repeat\"",
            );
        }
    }
}

/// The flow of a station that follows demand.
fn peaking(spot: &Spot<'_>, raw: &RawPeaking) -> Option<Peaking> {
    let mut sound = not_negative(spot, "ramp_h", raw.ramp_h)
        & a_flow(spot, "on_m3s", raw.on_m3s)
        & a_flow(spot, "off_m3s", raw.off_m3s);
    if raw.blocks_h.is_empty() {
        spot.key("blocks_h").complain("has no block", "give at least one, as [[7.0, 11.0]]");
        sound = false;
    }
    for (at, [from, to]) in raw.blocks_h.iter().enumerate() {
        if !(0.0 <= *from && *from + raw.ramp_h <= *to && *to <= 24.0) {
            let remedy =
                "give two hours of one day, 0 to 24, at least ramp_h apart; past midnight, give two blocks";
            spot.key("blocks_h").item(at).complain("is no block", remedy);
            sound = false;
        }
    }
    let day = |day: RawDay| match day {
        RawDay::Mon => 0,
        RawDay::Tue => 1,
        RawDay::Wed => 2,
        RawDay::Thu => 3,
        RawDay::Fri => 4,
        RawDay::Sat => 5,
        RawDay::Sun => 6,
    };
    let on =
        |number: usize| raw.days.as_ref().is_none_or(|days| days.iter().any(|named| day(*named) == number));
    let blocks = raw.blocks_h.iter().map(|[from, to]| (*from, *to)).collect();
    let days = std::array::from_fn(on);
    sound.then_some(Peaking { blocks, on: raw.on_m3s, off: raw.off_m3s, ramp_h: raw.ramp_h, days })
}

/// All items of a list, or `None` when one of them is wrong, which has been said of each.
fn each<R, T>(
    spot: &Spot<'_>,
    key: &str,
    list: &[R],
    make: impl Fn(&Spot<'_>, &R) -> Option<T>,
) -> Option<Vec<T>> {
    let all = list.iter().enumerate().map(|(at, raw)| make(&spot.key(key).item(at), raw));
    // Not cut short by the first that is wrong.
    all.collect::<Vec<_>>().into_iter().collect()
}

/// What there is, or `None` when it is wrong, which has been said.
#[expect(clippy::option_option, reason = "wrong, not there, there")]
fn one<R, T>(
    spot: &Spot<'_>,
    key: &str,
    raw: Option<&R>,
    make: impl Fn(&Spot<'_>, &R) -> Option<T>,
) -> Option<Option<T>> {
    raw.map_or(Some(None), |raw| make(&spot.key(key), raw).map(Some))
}

fn finite(list: &[f64]) -> bool {
    list.iter().all(|value| value.is_finite())
}

pub(super) fn above_zero(spot: &Spot<'_>, key: &str, value: f64) -> bool {
    let sound = value > 0.0 && value.is_finite();
    if !sound {
        spot.key(key).complain("is not above 0", "give a positive number");
    }
    sound
}

pub(super) fn not_negative(spot: &Spot<'_>, key: &str, value: f64) -> bool {
    let sound = value >= 0.0 && value.is_finite();
    if !sound {
        spot.key(key).complain("is negative", "give 0 or more");
    }
    sound
}

/// A flow that may be negative: less than there would be.
fn a_flow(spot: &Spot<'_>, key: &str, value: f64) -> bool {
    if !value.is_finite() {
        spot.key(key).complain("is no flow", "give a number, in m³/s");
    }
    value.is_finite()
}

fn share(spot: &Spot<'_>, key: &str, value: f64) -> bool {
    let sound = (0.0..=1.0).contains(&value);
    if !sound {
        spot.key(key).complain("is no share", "give 0 to 1, as 0.3");
    }
    sound
}

fn hour(spot: &Spot<'_>, key: &str, value: f64) -> bool {
    let sound = (0.0..=24.0).contains(&value);
    if !sound {
        spot.key(key).complain("is no hour of a day", "give 0 to 24, as 16.0");
    }
    sound
}
