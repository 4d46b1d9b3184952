// What the strip draws, read from the basin: rivers as straight lines of stops, and what joins or leaves on the way.

import { known } from "./format.js";

/** A stop that nothing measures must lie this far from its neighbours to be worth its place, km. */
const LONELY_KM = 3;

/** Nodes of a river with a distance, downstream in order. */
function nodesOf(basin, river) {
  const nodes = basin.nodes.map((node, i) => ({ i, km: node.km })).filter(({ i, km }) => basin.nodes[i].river === river && known(km));
  return nodes.sort((a, b) => a.km - b.km || Number(releases(basin, b.i, a.i)) - Number(releases(basin, a.i, b.i)));
}

/** Whether the water body at one node lets its water out into the other. */
function releases(basin, from, to) {
  return basin.reservoirs.some((body, b) => body.at === from &&
    [...basin.gates.filter((gate) => gate.from?.reservoir === b), ...basin.fixed_openings.filter((opening) => opening.from === b)].some((way) => way.to?.node === to));
}

/** Rivers with a floor come first and large; the others are drawn small. */
export function riversOf(basin) {
  const floored = new Set(basin.sections.filter((s) => known(s.floor_m3s)).map((s) => s.river));
  const drawn = basin.rivers.filter((river) => nodesOf(basin, river.id).length >= 2);
  return { main: drawn.filter((river) => floored.has(river.id)), small: drawn.filter((river) => !floored.has(river.id)) };
}

/**
 * A river as a line: `{nodes, stops}`. Nodes are `{i, km}`; of a river with floors only those down to its last section
 * with one. A stop is `{km, nodes, name, kind, section, body}`: nodes at the same km, a pond and the toe of its weir, are one.
 */
export function lineOf(basin, river) {
  const all = nodesOf(basin, river.id);
  const floors = basin.sections.filter((s) => known(s.floor_m3s));
  const last = all.findLastIndex(({ i }) => floors.some((s) => s.at?.node === i));
  const nodes = last < 1 ? all : all.slice(0, last + 1);
  const stops = [];
  for (const { i, km } of nodes) {
    const before = stops.at(-1);
    if (before && before.km === km) before.nodes.push(i);
    else stops.push({ km, nodes: [i] });
  }
  for (const stop of stops) {
    const body = basin.reservoirs.find((r) => stop.nodes.includes(r.at));
    stop.section = floors.find((s) => stop.nodes.includes(s.at?.node)) || null;
    stop.kind = stop.section ? "section" : body ? "weir" : "node";
    stop.name = (body && !stop.section ? body : basin.nodes[stop.nodes.at(-1)]).name;
    // The level a weir holds back, where it is measured.
    stop.body = !stop.section && body && known(body.level_meter) ? body : null;
    stop.metered = gaugeAt(basin, stop.nodes) >= 0;
  }
  const worth = (stop, k) => stop.kind !== "node" || stop.metered || k === 0 || k === stops.length - 1 ||
    (stop.km - stops[k - 1].km >= LONELY_KM && stops[k + 1].km - stop.km >= LONELY_KM);
  return { nodes, stops: stops.filter(worth) };
}

/** The gauge of river flow at one of some nodes, the lowest first; -1 when there is none. */
export function gaugeAt(basin, nodes) {
  for (const i of [...nodes].reverse()) {
    const found = basin.meters.findIndex((meter) => meter.kind === "river_flow" && meter.at?.node === i);
    if (found >= 0) return found;
  }
  return -1;
}

/** Wave travel time of a reach at a flow, h: a power law through the nearest rows of its table, as control counts. */
function lagOf(reach, flow) {
  const rows = reach.lags;
  if (rows.length < 2 || reach.kind === "pipe") return rows[0]?.[1] ?? 0;
  const q = Math.max(known(flow) ? flow : rows[0][0], 0.1);
  const above = rows.findIndex(([row]) => row >= q);
  const upper = Math.max(1, above < 0 ? rows.length - 1 : above);
  const [[q0, h0], [q1, h1]] = [rows[upper - 1], rows[upper]];
  return h0 * (q / q0) ** (Math.log(h1 / h0) / Math.log(q1 / q0));
}

/** Hours of the wave between two neighbouring nodes of a line; a pond passes it on at once. */
export function hoursBetween(basin, state, from, to) {
  const reach = basin.reaches.find((r) => r.from === from && r.to === to);
  return reach ? lagOf(reach, state.nodes[from]?.v ?? state.nodes[to]?.v) : 0;
}

/** Distance of a place along a line, km; null when it lies elsewhere. */
export function kmOf(basin, line, place) {
  if (!place) return null;
  const km = (i) => line.nodes.find((node) => node.i === i)?.km ?? null;
  if (place.node !== undefined) return km(place.node);
  if (place.reservoir !== undefined) return km(basin.reservoirs[place.reservoir].at);
  if (place.reach === undefined) return null;
  const reach = basin.reaches[place.reach];
  const [from, to] = [km(reach.from), km(reach.to)];
  if (from === null || to === null) return null;
  return from + (to - from) * Math.min(1, Math.max(0, place.km / reach.length_km));
}

/** Everything measured or estimated that joins or leaves a river: `{km, name, sign, kind, read(state)}`. */
export function sidesOf(basin, line) {
  const sides = [];
  const put = (place, name, sign, meter) => {
    const km = kmOf(basin, line, place);
    if (km !== null && known(meter) && meter >= 0) sides.push({ km, name, sign, kind: sign > 0 ? "in" : "out", read: (state) => state.meters[meter] });
  };
  for (const inflow of basin.inflows) {
    if (inflow.kind === "tributary" || inflow.kind === "outfall") put(inflow.into[0]?.[0], inflow.name, 1, inflow.meter);
  }
  for (const reach of basin.reaches) {
    const inside = line.nodes.some(({ i }) => i === reach.from);
    if (!inside && reach.kind === "river") put({ node: reach.to }, reach.name, 1, gaugeUp(basin, reach));
  }
  for (const intake of basin.intakes) put(intake.from, intake.name, -1, intake.meter);
  for (const wetland of basin.wetlands) put(wetland.source, wetland.name, -1, wetland.flow_meter);
  return sides.sort((a, b) => a.km - b.km);
}

/** The nearest gauge of river flow on a tributary, from its mouth up; -1 when it has none. */
function gaugeUp(basin, mouth) {
  const seen = new Set();
  for (let reach = mouth; reach && !seen.has(reach); reach = basin.reaches.find((r) => r.to === reach.from)) {
    seen.add(reach);
    const here = basin.meters.findIndex((meter) => meter.kind === "river_flow" && meter.at?.reach !== undefined && basin.reaches[meter.at.reach] === reach);
    const found = here >= 0 ? here : gaugeAt(basin, [reach.from]);
    if (found >= 0) return found;
  }
  return -1;
}

/** A name without what stands in brackets, for narrow places. */
export function short(name) {
  return name.split(/\s*[（(]/)[0];
}
