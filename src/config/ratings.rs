//! The rating curves of a checked configuration, for an engineer to look at: versions, ranges, and how far the
//! gaugings lie off.

use std::fmt::{self, Write as _};

use super::Config;
use crate::basin::{Basin, Between, Curve, Gauging, Rating, Version};
use crate::control::rating::on_curve;

/// The ratings as text.
pub fn text(config: &Config) -> String {
    let basin = &config.basin;
    if basin.ratings.is_empty() {
        return "no rating curves: every flow meter brings its flow itself\n".into();
    }
    let mut out = String::new();
    for rating in &basin.ratings {
        // Writing to a text cannot fail.
        let _ = write(&mut out, basin, rating);
    }
    out
}

/// One line of what there is, for the summary of a check; `None` without ratings.
pub fn summary(basin: &Basin) -> Option<String> {
    let versions = || basin.ratings.iter().flat_map(|rating| &rating.versions);
    let gaugings: usize = versions().map(|version| version.gaugings.len()).sum();
    let outside = versions().flat_map(|version| version.gaugings.iter().map(move |each| (version, each)));
    let outside = outside.filter(|(version, gauging)| Residual::of(version, gauging).is_outside()).count();
    (!basin.ratings.is_empty()).then(|| {
        let rest = match outside {
            0 => String::new(),
            n => format!(", {n} of them outside the uncertainty (look with --ratings)"),
        };
        let (ratings, versions) = (basin.ratings.len(), versions().count());
        format!("{ratings} rating curves in {versions} versions, {gaugings} gaugings{rest}")
    })
}

/// How far a gauging lies off its curve.
struct Residual {
    /// By the curve, m³/s.
    curve: f64,
    /// Gauged over computed flow less one.
    off: f64,
    /// Uncertainty of curve and gauging together, 95 %.
    both: f64,
}

impl Residual {
    fn of(version: &Version, gauging: &Gauging) -> Self {
        let curve = on_curve(&version.curve, gauging.level).map_or(f64::NAN, crate::units::Discharge::get);
        let both = version.uncertainty.hypot(gauging.uncertainty);
        Self { curve, off: gauging.flow.get() / curve - 1.0, both }
    }

    fn is_outside(&self) -> bool {
        self.off.abs() > self.both
    }
}

fn write(out: &mut String, basin: &Basin, rating: &Rating) -> fmt::Result {
    let id = |at: usize| basin.meters.get(at).map_or("", |meter| meter.id.as_str());
    let (flow, level) = (id(rating.flow.0), id(rating.level.0));
    writeln!(out, "{}  {} / {}\n  {flow} from {level}", rating.id, rating.name.zh, rating.name.en)?;
    if let Some(note) = &rating.note {
        writeln!(out, "  {} / {}", note.zh, note.en)?;
    }
    for void in &rating.void {
        let ((m1, d1), (m2, d2)) = (void.season.from, void.season.to);
        writeln!(out, "  void {m1:02}-{d1:02} to {m2:02}-{d2:02}: {} / {}", void.why.zh, void.why.en)?;
    }
    for (at, version) in rating.versions.iter().enumerate() {
        let next = rating.versions.get(at + 1).map(|next| next.from);
        write_version(out, version, next)?;
    }
    writeln!(out)
}

fn write_version(out: &mut String, version: &Version, next: Option<jiff::civil::Date>) -> fmt::Result {
    let until = match (version.to, next) {
        (Some(to), _) => format!("until {to}"),
        (None, Some(next)) => format!("before {next}"),
        (None, None) => "open".into(),
    };
    let (low, high) = range(&version.curve);
    writeln!(
        out,
        "\n  from {}, {until}; levels {low:.2} to {high:.2} m; ±{:.1} %",
        version.from,
        version.uncertainty * 100.0
    )?;
    curve(out, &version.curve)?;
    if let Some(highest) = version.highest() {
        writeln!(
            out,
            "    highest gauging {:.3} m³/s at {:.2} m ({}); read off up to {:.3} m³/s",
            highest.flow.get(),
            highest.level.get(),
            highest.date,
            version.limit().get()
        )?;
    }
    writeln!(out, "    gauging       level m  flow m³/s  curve m³/s     off %   within %  by")?;
    let mut squares = 0.0;
    for gauging in &version.gaugings {
        let residual = Residual::of(version, gauging);
        squares += residual.off.powi(2);
        writeln!(
            out,
            "    {}  {:>9.2}  {:>9.3}  {:>10.3}  {:>+8.1}  {:>9.1}  {}{}",
            gauging.date,
            gauging.level.get(),
            gauging.flow.get(),
            residual.curve,
            residual.off * 100.0,
            residual.both * 100.0,
            gauging.who,
            if residual.is_outside() { "  !" } else { "" }
        )?;
    }
    let count = version.gaugings.len();
    // A list of gaugings is short enough for its length to be a float.
    #[expect(clippy::cast_precision_loss, reason = "tens of gaugings")]
    let scatter = (squares / count.max(1) as f64).sqrt();
    writeln!(out, "    {count} gaugings, {:.1} % off in the quadratic mean", scatter * 100.0)
}

fn range(curve: &Curve) -> (f64, f64) {
    match curve {
        Curve::Branches(list) => (
            list.first().map_or(f64::NAN, |branch| branch.from.get()),
            list.last().map_or(f64::NAN, |branch| branch.to.get()),
        ),
        Curve::Table { rows, .. } => (
            rows.first().map_or(f64::NAN, |(level, _)| level.get()),
            rows.last().map_or(f64::NAN, |(level, _)| level.get()),
        ),
    }
}

fn curve(out: &mut String, curve: &Curve) -> fmt::Result {
    match curve {
        Curve::Branches(list) => list.iter().try_for_each(|branch| {
            writeln!(
                out,
                "    {:>7.2} to {:>7.2} m  Q = {} · (H − {})^{}",
                branch.from.get(),
                branch.to.get(),
                branch.factor,
                branch.zero.get(),
                branch.exponent
            )
        }),
        Curve::Table { rows, zero, between } => {
            let paper = match between {
                Between::Linear => "plain",
                Between::Log => "logarithmic",
            };
            let dry = zero.map_or(String::new(), |zero| format!(", no flow at {} m", zero.get()));
            writeln!(out, "    table of {} rows, straight on {paper} paper{dry}", rows.len())
        }
    }
}
