//! What a checked configuration amounts to, for people: the answer of `check` when nothing is wrong.

use std::fmt::{self, Write as _};

use super::Config;
use crate::basin::{Basin, InflowKind, MeterKind, Place, ReservoirKind, Section};
use crate::control::routing::{self, LateralSource, Path};
use crate::points::{Element, Field, LinkId};
use crate::shell::field::plan;
use crate::units::Discharge;

/// Base flows at which travel times are shown, m³/s.
const FLOWS: [f64; 3] = [1.0, 1.5, 3.0];

/// A summary of a checked configuration: counts, links, sections with floors, paths with travel times.
pub fn report(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut text, config);
    text
}

fn write(out: &mut String, config: &Config) -> fmt::Result {
    let basin = &config.basin;
    writeln!(out, "{} {} ({})", basin.name.zh, basin.name.en, basin.id)?;
    let bench = if config.service.bench { ", bench" } else { "" };
    writeln!(out, "digest {}, page on {}{bench}", short(&config.digest), config.service.listen)?;
    writeln!(out)?;
    counts(out, config)?;
    writeln!(out)?;
    sections(out, basin)?;
    writeln!(out)?;
    links(out, &config.field)
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn counts(out: &mut String, config: &Config) -> fmt::Result {
    let basin = &config.basin;
    let of_kind = |kind: ReservoirKind| basin.reservoirs.iter().filter(|body| body.kind == kind).count();
    let outfalls = basin.inflows.iter().filter(|inflow| inflow.kind == InflowKind::Outfall).count();
    let flows =
        basin.meters.iter().filter(|m| matches!(m.kind, MeterKind::RiverFlow | MeterKind::StructureFlow));
    writeln!(
        out,
        "network   {} nodes, {} reaches, {} reservoirs, {} ponds, {} inflows, {outfalls} of them outfalls",
        basin.nodes.len(),
        basin.reaches.len(),
        of_kind(ReservoirKind::Reservoir),
        of_kind(ReservoirKind::Pond),
        basin.inflows.len(),
    )?;
    let driven = basin.gates.iter().filter(|gate| gate.is_driven()).count();
    let dispatched = basin.gates.iter().filter(|gate| gate.is_dispatched()).count();
    writeln!(
        out,
        "gates     {}, {driven} take commands, automatic control may move {dispatched}",
        basin.gates.len()
    )?;
    writeln!(
        out,
        "uses      {} intakes, {} wetlands, {} transfers, {} power stations",
        basin.intakes.len(),
        basin.wetlands.len(),
        basin.transfers.len(),
        basin.stations.len()
    )?;
    writeln!(
        out,
        "calendar  {} announced turns, {} entries",
        config.schedules.turns.len(),
        config.schedules.entries.len()
    )?;
    let field = &config.field;
    let shown = field.points.iter().filter(|point| point.element == Element::None).count();
    let requests: usize = plan::plans(field).iter().map(|plan| plan.blocks.len()).sum();
    writeln!(
        out,
        "field     {} meters ({} of flow), {} links, {} devices, {} points ({shown} shown only), {requests} requests",
        basin.meters.len(),
        flows.count(),
        field.links.len(),
        field.devices.len(),
        field.points.len()
    )
}

fn sections(out: &mut String, basin: &Basin) -> fmt::Result {
    let paths = routing::paths(basin);
    writeln!(out, "sections")?;
    for (at, section) in basin.sections.iter().enumerate() {
        let meter = basin.meters.get(section.meter.0).map_or("", |meter| meter.id.as_str());
        writeln!(out, "  {:<14} {:<16} by {meter}", section.id, floor(section))?;
        let Some(path) = paths.iter().find(|path| path.section.0 == at) else { continue };
        let dam = basin.reservoirs.get(path.source.0).map_or("", |body| body.id.as_str());
        if path.way.is_empty() {
            writeln!(out, "  {:<14} held by {dam}, right below the dam", "")?;
            continue;
        }
        let times = FLOWS.map(|q| format!("{:.1} h at {q}", path.lag_h(basin, Discharge::lossy(q))));
        writeln!(
            out,
            "  {:<14} held by {dam}, {:.0} km above: {} m³/s; {:.0} % arrives; {}",
            "",
            length_km(basin, path),
            times.join(", "),
            path.gain * 100.0,
            joins(basin, path)
        )?;
    }
    Ok(())
}

fn floor(section: &Section) -> String {
    match (section.floor, section.seasonal_floors.len()) {
        (Some(floor), 0) => format!("floor {} m³/s", floor.get()),
        (Some(floor), n) => format!("floor {} m³/s and {n} by season", floor.get()),
        (None, 0) => "observed only".into(),
        (None, n) => format!("{n} floors by season"),
    }
}

fn length_km(basin: &Basin, path: &Path) -> f64 {
    path.way.iter().filter_map(|s| Some(s.share * basin.reaches.get(s.reach.0)?.length_km)).sum()
}

/// What joins and what is taken on the way.
fn joins(basin: &Basin, path: &Path) -> String {
    let metered = path.laterals.iter().filter(|l| matches!(l.source, LateralSource::Meter(_))).count();
    let draws = path.draws.iter().filter_map(|draw| basin.intakes.get(draw.intake.0));
    let taken = draws.filter(|intake| intake.to == Place::Outside).count();
    format!("{metered} metered inflows join, {} unmetered, {taken} intakes", path.laterals.len() - metered)
}

fn links(out: &mut String, field: &Field) -> fmt::Result {
    writeln!(out, "links")?;
    for (at, link) in field.links.iter().enumerate() {
        let devices = field.devices.iter().filter(|device| device.link == LinkId(at)).count();
        let plan = plan::plan(field, LinkId(at), plan::TURNAROUND);
        let points: usize = plan.blocks.iter().map(|block| block.points.len()).sum();
        writeln!(
            out,
            "  {:<14} {:<21} {devices} devices, {points} points in {} requests",
            link.id,
            link.transport.to_string(),
            plan.blocks.len()
        )?;
    }
    Ok(())
}
