// All gates in groups: where each stands, where it goes, what it passes, who moves it and what is wrong with it.

import { flag, glyph, h, panel, renew, text } from "./dom.js";
import { flow, known, level, position, showValue, strokeOf } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { lineOf, riversOf } from "./network.js";

/** Who may move a gate, from the freest on. */
export const AUTHORITIES = ["automatic", "advice", "manual", "observe"];

/** Groups of gates in the order of the page: `{key, title, gates: [position]}`. */
export function groupsOf(basin) {
  const inlets = new Set(basin.wetlands.flatMap((w) => [w.inlet, ...(w.more_inlets || [])]).filter((g) => known(g)));
  const wet = (place) => place && place.wetland !== undefined;
  const pondAt = (place) => (place && place.reservoir !== undefined ? basin.reservoirs[place.reservoir] : null);
  const groups = new Map();
  const put = (key, title, gate) => {
    if (!groups.has(key)) groups.set(key, { key, title, gates: [] });
    groups.get(key).gates.push(gate);
  };
  basin.gates.forEach((gate, i) => {
    const body = pondAt(gate.from);
    if (gate.lock || gate.duty === "season_lock") put("locked", t("group_locked"), i);
    else if (gate.duty === "wetland_inlet" || inlets.has(i) || wet(gate.from) || wet(gate.to)) put("wetlands", t("group_wetlands"), i);
    else if (body && gate.from.reservoir === primary(basin)) put("dam", named(body.name), i);
    else if (gate.duty === "supply") put("supply", t("group_supply"), i);
    else if (gate.kind === "turbine") put("stations", t("group_stations"), i);
    else if (body || gate.duty === "pass_on" || gate.duty === "level") put("weirs", t("group_weirs"), i);
    else put("other", t("group_other"), i);
  });
  const order = ["dam", "weirs", "stations", "wetlands", "supply", "locked", "other"];
  return [...groups.values()].sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
}

/** The reservoir that decides most: the first with a gate that trims, otherwise the first that stores. */
export function primary(basin) {
  const trims = basin.gates.find((gate) => gate.duty === "trim" && gate.from?.reservoir !== undefined);
  if (trims) return trims.from.reservoir;
  return Math.max(0, basin.reservoirs.findIndex((body) => body.kind === "reservoir"));
}

/** A table of gates; `pick(gate)` when one is chosen. */
export function gateTable(basin, indices, pick, label) {
  const rows = indices.map((i) => gateRow(basin, i, pick));
  const head = ["gate", "col_position", "col_flow", "col_state"].map((key) => h("th", { scope: "col", class: key }, t(key)));
  const el = h("table", { class: "gates", "aria-label": label }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map((row) => row.el)));
  return { el, update: (state, ctx) => rows.forEach((row) => row.update(state, ctx)) };
}

function gateRow(basin, i, pick) {
  const gate = basin.gates[i];
  const fill = h("i", { class: "fill" });
  const aim = h("i", { class: "aim" });
  const where = h("span", { class: "pos", tid: `pos-${gate.id}` });
  const aimed = h("span", { class: "aimed", tid: `target-${gate.id}` });
  const passes = h("td", { class: "flow", tid: `gate-flow-${gate.id}` });
  const badges = h("span", { class: "badges", tid: `badges-${gate.id}` });
  const name = h("button", { type: "button", class: "row-name", on: { click: () => pick(i) }, title: `${named(gate.name)}${t("sep")}${gate.id}` }, named(gate.name));
  const el = h("tr", { tid: `gate-${gate.id}`, on: { click: (event) => event.target.closest("button") || pick(i) } },
    h("th", { scope: "row" }, name),
    h("td", { class: "opening" }, h("span", { class: "bar", "aria-hidden": "true" }, fill, aim), where, aimed),
    passes, h("td", { class: "marks" }, badges));

  function update(state, ctx) {
    const now = state.gates[i];
    const clock = ctx.clock;
    const { unit, scale } = strokeOf(gate);
    showValue(where, now.position, clock, { show: (v) => v.toFixed(1), unit, scale });
    fill.style.width = known(now.opening) ? `${Math.max(2 * (now.opening > 0.001), now.opening * 100)}%` : "0";
    const off = known(now.target) && known(now.opening) && Math.abs(now.target - now.opening) > gate.tolerance;
    aim.hidden = !known(now.target) || gate.actuation !== "driven";
    if (!aim.hidden) aim.style.left = `${now.target * 100}%`;
    flag(aimed.parentElement, "off", off);
    text(aimed, off ? `→ ${position(gate, now.target)}` : "");
    showValue(passes, now.flow, clock, { unit: "" });
    const marks = marksOf(gate, now, ctx.alarms.get(gate.id));
    renew(badges, `${marks.map((m) => m.join(":")).join("|")}|${lang()}`, () => marks.map(badge));
    flag(el, "picked", ctx.picked === i);
  }
  return { el, update };
}

/** What there is to say about a gate beside its position: [class, text, test id]. */
export function marksOf(gate, now, priority) {
  const marks = [];
  if (priority) marks.push(["alarm", String(priority), "alarm"]);
  const arrow = { 1: " ▲", [-1]: " ▼" }[now.moving] || "";
  if (now.state === "travelling" || now.state === "commanded" || now.state === "adopting") marks.push(["word", t(`state.${now.state}`) + arrow, now.state]);
  else if (arrow) marks.push(["word", t(now.moving === 1 ? "opening" : "shutting") + arrow, "moving"]);
  if (now.state === "stuck") marks.push(["box", t("state.stuck"), "stuck"]);
  if (now.fault === true) marks.push(["box", t("fault"), "fault"]);
  if (now.estop === true) marks.push(["badge", t("estop"), "estop"]);
  if (gate.actuation === "passive") marks.push(["quiet", t("passive"), "passive"]);
  else if (gate.actuation === "monitor_only") marks.push(["quiet", t("monitor_only"), "monitor"]);
  else {
    if (now.remote === false) marks.push(["badge", t("local"), "local"]);
    if (now.state !== "adopting" && (now.remote === null || now.remote === undefined)) marks.push(["quiet", t("key_unknown"), "key"]);
    if (gate.duty === "flood" || gate.duty === "emergency") marks.push(["quiet", t("by_order"), "order"]);
    else if (gate.lock && now.opening === 0) marks.push(["quiet", t("locked"), "lock"]);
    else if (now.authority !== "automatic") marks.push(["badge", t(`authority_short.${now.authority}`), now.authority]);
    else if (gate.automatic && !marks.some(([kind]) => kind === "badge" || kind === "box")) marks.push(["auto", t("authority_short.automatic"), "automatic"]);
  }
  return marks;
}

function badge([kind, words, name]) {
  if (kind === "alarm") return glyph(Number(words), `${t("alarms_word")} ${words}`);
  const title = AUTHORITIES.includes(name) ? t(`authority.${name}`) : null;
  return h("span", { class: kind, title, "data-mark": name }, words);
}

/** Cards of all groups but that of the dam; small groups share a card. Water bodies bring their levels. */
export function buildGroups(basin, pick) {
  const groups = groupsOf(basin).filter((group) => group.key !== "dam");
  const tallest = Math.max(0, ...groups.map((group) => group.gates.length));
  const cards = [];
  for (const group of groups) {
    const last = cards.at(-1);
    const rows = (last || []).reduce((sum, g) => sum + g.gates.length + 2, 0);
    if (last && rows + group.gates.length <= tallest) last.push(group);
    else cards.push([group]);
  }
  return cards.map((card) => groupCard(basin, card, pick));
}

function groupCard(basin, groups, pick) {
  const parts = groups.map((group) => {
    const table = gateTable(basin, group.gates, pick, group.title);
    table.el.classList.add("wide");
    const facts = group.key === "weirs" ? levelsOf(basin, group) : group.key === "stations" ? owedOf(basin) : [];
    return { group, table, facts, ponds: h("span", { class: "ponds" }, facts.map((fact) => fact.el)) };
  });
  const [first, ...rest] = parts;
  const el = panel(`group g-${first.group.key}`, first.group.title, null, null, first.ponds, h("div", { class: "table-host" }, first.table.el),
    ...rest.flatMap(({ group, table, ponds }) => [h("h3", {}, group.title), ponds, h("div", { class: "table-host" }, table.el)]));
  return { el, update(state, ctx) {
    for (const { table, facts } of parts) {
      table.update(state, ctx);
      for (const fact of facts) fact.update(state, ctx);
    }
  } };
}

/** Levels of the water bodies the gates of a group hold, but for those the strip shows. */
function levelsOf(basin, group) {
  const bodies = new Set(group.gates.map((g) => basin.gates[g].from?.reservoir).filter(known));
  const drawn = new Set(riversOf(basin).main.flatMap((river) => lineOf(basin, river).stops.map((stop) => stop.body)));
  return [...bodies].filter((b) => known(basin.reservoirs[b].level_meter) && !drawn.has(basin.reservoirs[b])).map((b) => {
    const value = h("span", {});
    const el = h("span", { class: "pond" }, named(basin.reservoirs[b].name), " ", value);
    return { el, update: (state, ctx) => showValue(value, state.meters[basin.reservoirs[b].level_meter], ctx.clock, { show: level, unit: "m" }) };
  });
}

/** What flows below the weir of each station, against the minimum it owes. */
function owedOf(basin) {
  return basin.stations.map((station) => {
    const value = h("span", {});
    const el = h("span", { class: "pond", tid: `station-${station.id}` }, named(station.name), " ", value, ` / ${flow(station.min_release_m3s)}`);
    return { el, update(state, ctx) {
      const passes = state.nodes[station.weir_toe];
      showValue(value, passes, ctx.clock, { unit: "" });
      flag(el, "low", known(passes.v) && passes.v < station.min_release_m3s);
    } };
  });
}

/** Sum of the flow of gates: `{v, q}`; null when one of them is not known. */
export function sumFlow(state, indices) {
  let sum = 0;
  let q = "good";
  for (const i of indices) {
    const f = state.gates[i].flow;
    if (!known(f?.v)) return null;
    sum += f.v;
    if (f.q !== "good") q = "substituted";
  }
  return { v: sum, q };
}

