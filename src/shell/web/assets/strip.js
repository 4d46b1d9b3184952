// The river as a straight line, flow to the right: nodes, what joins and leaves, and the water on its way.

import { flag, h, panel, renew, s, text } from "./dom.js";
import { known, moment, showValue, signed, span } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { controlledNodes, lagOf, nodesOf, placeOn, riversOf, sidesOf, wayBetween } from "./network.js";

const SIDE_ROW = 29;

/** Symbols: a diamond where a floor holds, a bar at a weir, a circle elsewhere. */
function symbol(kind) {
  const shape = {
    section: () => s("path", { d: "M9 1 17 9 9 17 1 9z" }),
    weir: () => s("rect", { x: 5, y: 1, width: 8, height: 16 }),
    node: () => s("circle", { cx: 9, cy: 9, r: 5 }),
  }[kind];
  return s("svg", { class: "symbol", viewBox: "0 0 18 18", "aria-hidden": "true" }, shape());
}

let ruler = null;
function widthOf(words) {
  ruler = ruler || document.createElement("canvas").getContext("2d");
  ruler.font = `12px ${getComputedStyle(document.documentElement).fontFamily}`;
  return ruler.measureText(words).width;
}

/**
 * Puts labels into at most `most` rows so that none covers another; where all rows are full, a label moves right.
 * `spans` are [from, to] in order and are moved in place; returns the row of each.
 */
function rowsFor(spans, most) {
  const ends = [];
  return spans.map((label) => {
    let row = ends.findIndex((end) => end + 6 <= label[0]);
    if (row < 0) row = ends.length < most ? ends.length : ends.indexOf(Math.min(...ends));
    const push = Math.max(0, (ends[row] ?? -Infinity) + 6 - label[0]);
    label[0] += push;
    label[1] += push;
    ends[row] = label[1];
    return row;
  });
}

export function buildStrips(basin) {
  const { main, small } = riversOf(basin);
  return { main: main.map((river) => mainStrip(basin, river)), small: small.map((river) => smallStrip(basin, river)) };
}

function mainStrip(basin, river) {
  const nodes = controlledNodes(basin, river.id);
  const sides = sidesOf(basin, river, nodes);
  const sectionAt = (i) => basin.sections.find((sec) => sec.at?.node === i && known(sec.floor_m3s));
  const pondAt = (i) => basin.reservoirs.find((body) => body.at === i && body.kind === "pond");
  const wave = h("span", { tid: `wave-${river.id}` });
  const line = h("div", { class: "line" });
  const lags = nodes.slice(1).map(() => h("span", { class: "lag" }));
  const stops = nodes.map(({ node, i }) => {
    const kind = sectionAt(i) ? "section" : pondAt(i) ? "weir" : "node";
    const value = h("div", { class: "node-flow", tid: `node-${node.id}` });
    const own = h("div", { class: "own-value", hidden: true });
    const el = h("div", { class: `stop at-${kind}` }, symbol(kind), h("div", { class: "node-name" }, named(node.name)), value, own, h("div", { class: "km" }, `km ${node.km}`));
    const meter = basin.meters.findIndex((m) => m.kind === "river_flow" && m.at?.node === i);
    return { el, i, value, own, meter };
  });
  const marks = sides.map((side) => {
    const value = h("b", {});
    const label = h("div", { class: "side-label" }, h("span", {}, named(side.name)), value);
    const stem = h("i", { class: `stem ${side.kind}` });
    return { ...side, value, label, stem };
  });
  const above = h("div", { class: "above" }, marks.flatMap((m) => [m.label, m.stem]));
  const rail = h("div", { class: "rail" }, line, ...lags, ...stops.map((stop) => stop.el));
  const transit = h("div", { class: "lane transit", tid: "transit" });
  const turns = h("div", { class: "lane turns", tid: "turns" });
  const inner = h("div", { class: "strip-inner" }, above, rail, transit, turns);
  const el = panel(`strip-panel`, t("strip"), `${named(river.name)}${t("sep")}${t("flow_dir")}`, wave, h("div", { class: "strip" }, inner));
  el.dataset.testid = `strip-${river.id}`;
  let x = () => 0;
  let last = null;

  function layout() {
    const width = Math.max(inner.clientWidth, 300);
    const edge = Math.min(64, width / (nodes.length * 2));
    const step = (width - 2 * edge) / Math.max(1, nodes.length - 1);
    x = (at) => edge + at * step;
    const spans = marks.map((m) => {
      const half = Math.max(Math.min(widthOf(named(m.name)), 96), 40) / 2 + 1;
      const middle = Math.min(Math.max(x(m.at), half), width - half);
      return [middle - half, middle + half];
    });
    const order = marks.map((_, k) => k).sort((a, b) => spans[a][0] - spans[b][0]);
    const placed = rowsFor(order.map((k) => spans[k]), width > 1000 ? 2 : 3);
    const rows = marks.length === 0 ? 0 : Math.max(...placed) + 1;
    above.style.height = `${rows * SIDE_ROW + (rows ? 14 : 4)}px`;
    order.forEach((k, n) => {
      const m = marks[k];
      // Row 0 stands next to the line, so that most stems are short.
      const top = (rows - 1 - placed[n]) * SIDE_ROW;
      m.label.style.left = `${(spans[k][0] + spans[k][1]) / 2}px`;
      m.label.style.top = `${top}px`;
      m.stem.style.left = `${x(m.at)}px`;
      m.stem.style.top = `${top + SIDE_ROW}px`;
      m.stem.style.height = `${rows * SIDE_ROW + 14 - top - SIDE_ROW}px`;
    });
    line.style.left = `${x(0)}px`;
    line.style.width = `${width - x(0) - 2}px`;
    stops.forEach((stop, k) => (stop.el.style.left = `${x(k)}px`));
    lags.forEach((lag, k) => (lag.style.left = `${x(k + 0.5)}px`));
    if (last) lanes(last);
  }
  new ResizeObserver(layout).observe(inner);

  /** Place on the line of a change that has done `progress` of the time to `to`. */
  function along(state, to, progress) {
    const end = nodes.findIndex(({ i }) => i === basin.sections[to].at?.node);
    if (end <= 0) return null;
    const hours = nodes.slice(0, end).map(({ i }, k) => hoursBetween(state, i, nodes[k + 1].i));
    let left = progress * hours.reduce((a, b) => a + b, 0);
    for (const [k, part] of hours.entries()) {
      if (left <= part) return k + (part > 0 ? left / part : 0);
      left -= part;
    }
    return end;
  }

  function hoursBetween(state, from, to) {
    const way = wayBetween(basin, from, to) || [];
    return way.reduce((sum, reach) => sum + lagOf(reach, state.nodes[reach.from]?.v), 0);
  }

  function lanes(state) {
    const now_s = state.utc_ms / 1000;
    const mine = state.transit.map((move) => ({ move, at: along(state, move.to, move.progress) })).filter(({ at }) => at !== null);
    const key = JSON.stringify([mine.map(({ move, at }) => [move.id, at.toFixed(2), move.change_m3s, move.arrives_in_h.map((v) => Math.round(v * 6))]), lang(), inner.clientWidth, Math.floor(now_s / 600)]);
    const target = mine.length > 0 ? basin.sections[mine[0].move.to] : null;
    renew(transit, key, () => [h("span", { class: "lane-name" }, t("transit"), target && h("small", {}, t("transit_to", { name: named(target.name) }))), ...(mine.length ? chips(mine, now_s) : [h("span", { class: "quiet" }, t("no_transit"))])]);
    const entries = basin.schedules.turns.filter((turn) => turn.to_s > now_s && turn.from_s < now_s + 48 * 3600)
      .map((turn) => ({ turn, at: placeOn(basin, nodes, basin.intakes[turn.intake].from) })).filter(({ at }) => at !== null);
    turns.hidden = entries.length === 0;
    renew(turns, JSON.stringify([entries.map(({ turn }) => turn.id), lang(), inner.clientWidth, Math.floor(now_s / 600)]), () => [
      h("span", { class: "lane-name" }, t("turns")),
      ...entries.slice(0, 3).map(({ turn }) => h("span", { class: "turn" }, t("turn_run", { name: named(basin.intakes[turn.intake].name),
        rate: signed(-turn.rate_m3s), from: moment(turn.from_s, now_s), to: moment(turn.to_s, now_s) }))),
    ]);
  }

  function chips(mine, now_s) {
    const several = new Set(mine.map(({ move }) => move.to)).size > 1;
    const lineWidth = inner.clientWidth;
    const made = mine.sort((a, b) => a.at - b.at).map(({ move, at }) => {
      const [first, full] = move.arrives_in_h;
      const when = full <= 0 ? t("arriving") : span(now_s + Math.max(0, first) * 3600, now_s + full * 3600, now_s);
      const size = Math.max(widthOf(when), 56) + 30;
      const left = Math.min(Math.max(x(at) - 10, 92), lineWidth - size);
      const el = h("span", { class: "chip", tid: `transit-${move.id}`, title: `${t("transit_to", { name: named(basin.sections[move.to].name) })} ${when}` },
        s("svg", { class: "chevron", viewBox: "0 0 14 16", "aria-hidden": "true" }, s("path", { d: "M1 1h6l6 7-6 7H1l6-7z" })),
        h("b", {}, `${signed(move.change_m3s)} `, several && h("small", {}, t("transit_to", { name: named(basin.sections[move.to].name) }))), h("span", {}, when));
      return { el, from: left, to: left + size };
    });
    const rows = rowsFor(made.map((m) => [m.from, m.to]), 2);
    made.forEach((m, k) => {
      m.el.style.left = `${m.from}px`;
      m.el.style.top = `${rows[k] * 31 + 2}px`;
    });
    transit.style.height = `${(Math.max(0, ...rows) + 1) * 31 + 3}px`;
    return made.map((m) => m.el);
  }

  function update(state) {
    last = state;
    const clock = { at: state.at, utc_s: state.utc_ms / 1000 };
    for (const stop of stops) {
      const reading = stop.meter >= 0 ? state.meters[stop.meter] : null;
      const node = state.nodes[stop.i];
      // A stale gauge is still the node's value: then it brings its age.
      showValue(stop.value, node.q === "stale" && reading?.q === "stale" ? reading : node, clock, { unit: "" });
      const odd = reading && node.q === "substituted" && (known(reading.v) || known(reading.last));
      stop.own.hidden = !odd;
      if (odd) showValue(stop.own, reading, clock, { unit: "" });
    }
    for (const m of marks) {
      const reading = m.read(state);
      if (reading) showValue(m.value, reading, clock, { unit: "", show: (v) => signed(m.sign * v) });
      flag(m.label, "zero", known(reading?.v) && Math.abs(reading.v) < 0.005);
    }
    lags.forEach((lag, k) => {
      const hours = hoursBetween(state, nodes[k].i, nodes[k + 1].i);
      text(lag, hours > 0 ? `${hours.toFixed(1)} h` : "");
    });
    const end = nodes.findLast(({ i }) => sectionAt(i)) || nodes.at(-1);
    const upto = nodes.slice(0, nodes.indexOf(end)).reduce((sum, { i }, k) => sum + hoursBetween(state, i, nodes[k + 1].i), 0);
    text(wave, upto > 0 ? t("wave", { from: named(nodes[0].node.name), to: named(end.node.name), h: Math.round(upto) }) : "");
    lanes(state);
  }
  return { el, update };
}

/** A river without a floor: one line with its flows. */
function smallStrip(basin, river) {
  const nodes = nodesOf(basin, river.id);
  const sides = sidesOf(basin, river, nodes);
  const items = [
    ...nodes.map(({ node, i }, k) => ({ at: k, name: node.name, read: (state) => state.nodes[i], sign: 1, kind: "node" })),
    ...sides.map((side) => ({ ...side, at: side.at + 0.01 })),
  ].sort((a, b) => a.at - b.at);
  const stops = items.map((item) => {
    const value = h("div", { class: "node-flow" });
    return { item, value, el: h("li", { class: `small-stop ${item.kind}` }, h("span", { class: "small-name" }, named(item.name)), symbol("node"), value) };
  });
  const el = h("div", { class: "small-strip", tid: `strip-${river.id}` }, h("h3", {}, named(river.name)), h("ol", {}, stops.map((stop) => stop.el)));
  return {
    el,
    river,
    update(state) {
      const clock = { at: state.at, utc_s: state.utc_ms / 1000 };
      for (const { item, value } of stops) {
        const r = item.read(state);
        if (item.kind === "node") showValue(value, r, clock, { unit: "" });
        else if (r) showValue(value, r, clock, { unit: "", show: (v) => signed(item.sign * v) });
      }
    },
  };
}
