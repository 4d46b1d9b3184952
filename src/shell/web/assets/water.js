// Water bodies: the reservoir with its gates, and the other rivers with their wetlands.

import { flag, h, panel, renew, text } from "./dom.js";
import { flow, known, level, showValue, signed, volume } from "./format.js";
import { gateTable, groupsOf, primary, sumFlow } from "./gates.js";
import { named, t } from "./i18n.js";
import { warningMark } from "./warnings.js";

/** Volume below a level by the table of the reservoir, straight between its rows. */
function volumeAt(curve, z) {
  if (!known(z) || curve.length < 2) return null;
  const at = Math.min(Math.max(curve.findIndex(([lv]) => lv >= z), 1), curve.length - 1);
  const upper = curve.at(-1)[0] < z ? curve.length - 1 : at;
  const [[z0, v0], [z1, v1]] = [curve[upper - 1], curve[upper]];
  return Math.max(0, v0 + ((v1 - v0) * (z - z0)) / (z1 - z0));
}

export function buildReservoir(basin, pick) {
  const index = primary(basin);
  const body = basin.reservoirs[index];
  if (!body) return null;
  const group = groupsOf(basin).find((g) => g.key === "dam");
  const gates = group?.gates || [];
  const table = gateTable(basin, gates, pick, named(body.name));
  const z = h("span", { class: "level", tid: "reservoir-level" });
  const fact = (key) => {
    const value = h("span", { class: "v" });
    const word = h("span", {}, t(key));
    return { el: h("span", { class: "fact" }, word, value), value, word };
  };
  const [stored, inflow, outflow, release, room] = ["storage", "inflow", "outflow", "release", "to_limit"].map(fact);
  const fill = h("i", { class: "fill" });
  const ticks = [[body.dead_level_m, "dead"], [body.normal_level_m, "normal"]].filter(([v]) => known(v));
  const low = known(body.dead_level_m) ? body.dead_level_m - 0.15 * ((body.normal_level_m ?? body.curve.at(-1)[0]) - body.dead_level_m) : body.curve[0][0];
  const high = body.curve.at(-1)[0];
  const share = (v) => `${Math.max(0, Math.min(100, ((v - low) / (high - low)) * 100))}%`;
  const limitMark = h("i", { class: "tick limit", hidden: true });
  const bar = h("div", { class: "level-bar", "aria-hidden": "true" }, fill, ticks.map(([v, name]) => {
    const mark = h("i", { class: `tick ${name}` });
    mark.style.left = share(v);
    return mark;
  }), limitMark);
  const el = panel("reservoir", named(body.name), null, z, bar,
    h("div", { class: "facts" }, stored.el, room.el, inflow.el, outflow.el, release.el), h("div", { class: "table-host" }, table.el));
  // What feeds the body: inflows into it or into its node, those with a meter.
  const feeding = basin.inflows.filter((f) => f.into.some(([p]) => p && (p.reservoir === index || p.node === body.at)));

  function update(state, ctx) {
    table.update(state, ctx);
    const reading = known(body.level_meter) ? state.meters[body.level_meter] : {};
    showValue(z, reading, ctx.clock, { show: level, unit: "m" });
    const v = ["good", "simulated", "substituted", "stale"].includes(reading.q) ? reading.v : null;
    fill.style.width = known(v) ? share(v) : "0";
    text(stored.value, volume(volumeAt(body.curve, v)));
    const limit = state.flood_limits_m[index];
    limitMark.hidden = !known(limit);
    if (known(limit)) limitMark.style.left = share(limit);
    const top = known(limit) ? limit : body.normal_level_m;
    text(room.word, t(known(limit) ? "to_limit" : "to_normal"));
    text(room.value, known(v) && known(top) ? `${signed(v - top, level)} m` : "–");
    flag(room.value, "low", known(limit) && known(v) && v > limit);
    const metered = feeding.every((f) => known(f.meter)) && feeding.length > 0;
    inflow.el.hidden = !metered;
    if (metered) {
      const flows = feeding.map((f) => state.meters[f.meter]);
      const all = flows.every((r) => known(r.v));
      showValue(inflow.value, { v: all ? flows.reduce((sum, r) => sum + r.v, 0) : null, q: flows.find((r) => r.q !== "good")?.q || "good", at: Math.min(...flows.map((r) => r.at ?? 0)) }, ctx.clock, { unit: "" });
    }
    const out = sumFlow(state, gates);
    showValue(outflow.value, out || { q: "bad", v: null }, ctx.clock, { unit: "" });
    const wanted = state.release.find((r) => r.reservoir === index);
    release.el.hidden = !wanted;
    if (wanted) renew(release.value, JSON.stringify([wanted.target_m3s, wanted.actual]), () => {
      const actual = h("span", {});
      showValue(actual, wanted.actual, ctx.clock, { unit: "" });
      return [`${t("target")} `, h("b", {}, flow(wanted.target_m3s)), ` ${t("actual")} `, actual];
    });
  }
  return { el, update };
}

/** Other rivers as lines, transfers, and every wetland with its level between its bounds. */
export function buildWetlands(basin, strips) {
  if (basin.wetlands.length === 0 && strips.length === 0 && basin.transfers.length === 0) return null;
  const ponds = basin.wetlands.map((wetland) => wetlandCell(wetland));
  const transfers = basin.transfers.map((transfer) => {
    const value = h("span", {});
    return { transfer, value, el: h("span", { class: "transfer" }, named(transfer.name), " ", value, " ", h("small", {}, t("capacity", { q: flow(transfer.capacity_m3s) }))) };
  });
  const title = [...strips.map((strip) => named(strip.river.name)), basin.wetlands.length ? t("wetlands") : ""].filter(Boolean).slice(0, 3).join(t("sep"));
  const el = panel("wetlands", title || t("transfers"), null, h("span", { class: "transfers" }, transfers.map((x) => x.el)),
    strips.map((strip) => strip.el), h("div", { class: "ponds-row" }, ponds.map((p) => p.el)));
  return { el, update(state, ctx) {
    for (const strip of strips) strip.update(state);
    for (const p of ponds) p.update(state, ctx);
    for (const { transfer, value } of transfers) showValue(value, known(transfer.meter) ? state.meters[transfer.meter] : { q: "bad" }, ctx.clock);
  } };
}

function wetlandCell(wetland) {
  const [least, wanted, most] = wetland.level_band_m;
  const room = Math.max((most - least) * 0.3, 0.02);
  const share = (v) => `${Math.max(0, Math.min(100, ((v - (least - room)) / (most - least + 2 * room)) * 100))}%`;
  const fill = h("i", { class: "fill" });
  const marks = [[least, "least"], [wanted, "wanted"], [most, "most"]].map(([v, name]) => {
    const mark = h("i", { class: `tick ${name}` });
    mark.style.bottom = share(v);
    return mark;
  });
  const warning = warningMark(wetland.id);
  const z = h("span", { tid: `level-${wetland.id}` });
  const q = h("span", {}, "–");
  const el = h("div", { class: "wetland", tid: `wetland-${wetland.id}` }, h("span", { class: "tank", "aria-hidden": "true" }, fill, marks),
    h("span", { class: "wet-name" }, named(wetland.name), " ", warning.el), h("span", { class: "wet-level" }, z),
    h("span", { class: "wet-flow", title: `${t("intake")} / ${t("survival")} / ${t("design")} m³/s` }, q, h("small", {}, ` / ${flow(wetland.survival_m3s)} / ${flow(wetland.design_m3s)}`)));
  return { el, update(state, ctx) {
    const reading = known(wetland.level_meter) ? state.meters[wetland.level_meter] : {};
    warning.update(state);
    showValue(z, reading, ctx.clock, { show: level, unit: "m" });
    fill.style.height = known(reading.v) ? share(reading.v) : "0";
    flag(el, "low", known(reading.v) && reading.v < least);
    // A wetland open to its river has no inlet to measure.
    const inflow = known(wetland.flow_meter) ? state.meters[wetland.flow_meter] : known(wetland.inlet) ? state.gates[wetland.inlet].flow : null;
    if (inflow) showValue(q, inflow, ctx.clock, { unit: "" });
  } };
}
