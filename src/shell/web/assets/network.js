// What the strip draws, read from the basin: rivers as straight lines of nodes, and what joins or leaves on the way.

import { known } from "./format.js";

/** Nodes of a river with a distance, downstream in order. */
export function nodesOf(basin, river) {
  const nodes = basin.nodes.map((node, i) => ({ node, i })).filter(({ node }) => node.river === river && known(node.km));
  return nodes.sort((a, b) => a.node.km - b.node.km);
}

/** The part of a river that is controlled: from its first node to its last section with a floor. */
export function controlledNodes(basin, river) {
  const nodes = nodesOf(basin, river);
  const last = nodes.findLastIndex(({ i }) => basin.sections.some((s) => s.at?.node === i && known(s.floor_m3s)));
  return last < 1 ? nodes : nodes.slice(0, last + 1);
}

/** Rivers with a floor come first and large; the others with at least two placed nodes that do not end in one of
 * those are drawn small. */
export function riversOf(basin) {
  const floored = new Set(basin.sections.filter((s) => known(s.floor_m3s)).map((s) => s.river));
  const main = basin.rivers.filter((river) => floored.has(river.id) && nodesOf(basin, river.id).length >= 2);
  const mains = new Set(main.map((river) => river.id));
  const joins = (river) => basin.reaches.some((r) => r.river === river.id && mains.has(basin.nodes[r.to].river));
  const rest = basin.rivers.filter((river) => !mains.has(river.id) && nodesOf(basin, river.id).length >= 2);
  return { main, small: rest.filter((river) => !joins(river)) };
}

/** Wave travel time of a reach at a flow, h: straight between the rows of its table. */
export function lagOf(reach, flow) {
  const rows = reach.lags;
  if (rows.length === 0) return 0;
  const at = known(flow) ? flow : rows[0][0];
  const after = rows.findIndex(([q]) => q >= at);
  if (after === 0) return rows[0][1];
  if (after < 0) return rows.at(-1)[1];
  const [[q0, h0], [q1, h1]] = [rows[after - 1], rows[after]];
  return h0 + ((h1 - h0) * (at - q0)) / (q1 - q0);
}

/** Reaches from one node to another going downstream; null when there is no way. */
export function wayBetween(basin, from, to) {
  const way = [];
  let at = from;
  while (at !== to) {
    const reach = basin.reaches.find((r) => r.from === at && r.kind === "river" && !way.includes(r));
    if (!reach) return null;
    way.push(reach);
    at = reach.to;
  }
  return way;
}

/**
 * Position of a place on the line of `nodes`, as 1.5 for half way between the second and the third node;
 * null when it lies elsewhere.
 */
export function placeOn(basin, nodes, place) {
  if (!place) return null;
  if (place.node !== undefined) {
    const at = nodes.findIndex(({ i }) => i === place.node);
    return at < 0 ? null : at;
  }
  if (place.reach === undefined) return null;
  const reach = basin.reaches[place.reach];
  const from = nodes.findIndex(({ i }) => i === reach.from);
  const to = nodes.findIndex(({ i }) => i === reach.to);
  if (from < 0 || to < 0) return null;
  return from + (to - from) * Math.min(1, Math.max(0, place.km / reach.length_km));
}

/** Everything measured or estimated that joins or leaves a river: `{at, name, sign, read(state)}`. */
export function sidesOf(basin, river, nodes) {
  const sides = [];
  const meterOf = (meter) => (state) => state.meters[meter];
  for (const inflow of basin.inflows) {
    if (inflow.kind === "diffuse" || inflow.kind === "headwater" || inflow.into.length === 0 || !known(inflow.meter)) continue;
    const at = placeOn(basin, nodes, inflow.into[0][0]);
    if (at !== null) sides.push({ at, name: inflow.name, sign: 1, read: meterOf(inflow.meter), kind: "in" });
  }
  for (const reach of basin.reaches) {
    if (reach.river === river.id || reach.kind !== "river") continue;
    const at = placeOn(basin, nodes, { node: reach.to });
    const name = basin.rivers.find((r) => r.id === reach.river)?.name;
    if (at === null || !name) continue;
    const gauge = basin.meters.findIndex((m) => m.kind === "river_flow" && m.at &&
      (m.at.node === reach.from || (m.at.reach !== undefined && basin.reaches[m.at.reach] === reach)));
    const read = gauge >= 0 ? meterOf(gauge) : (state) => state.nodes[reach.from];
    sides.push({ at, name, sign: 1, read, kind: "in" });
  }
  for (const intake of basin.intakes) {
    const at = placeOn(basin, nodes, intake.from);
    if (at !== null && known(intake.meter)) sides.push({ at, name: intake.name, sign: -1, read: meterOf(intake.meter), kind: "out" });
  }
  for (const wetland of basin.wetlands) {
    const at = placeOn(basin, nodes, wetland.source);
    if (at !== null && known(wetland.flow_meter)) sides.push({ at, name: wetland.name, sign: -1, read: meterOf(wetland.flow_meter), kind: "out" });
  }
  return sides.sort((a, b) => a.at - b.at);
}
