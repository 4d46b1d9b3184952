// The river as a straight line, flow to the right: nodes, what joins and leaves, and the water on its way.

import { buildAhead } from "./ahead.js";
import { flag, h, panel, renew, s, text } from "./dom.js";
import { known, level, moment, showValue, signed, span } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { gaugeAt, hoursBetween, kmOf, lineOf, riversOf, short, sidesOf } from "./network.js";

const SIDE_ROW = 29;
/** What is announced, as far as it is told on a strip; all of it stands on the screen of the calendar. */
const TURNS = 3;

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
  const ahead = buildAhead(basin);
  const lines = main.map((river) => lineOf(basin, river));
  const on = (line, { gate, section }) => [gate?.from, gate?.to, section?.at].some((place) => kmOf(basin, line, place) !== null);
  // What lies on none of them stands on the first.
  const mine = (k) => (block) => on(lines[k], block) || (k === 0 && !lines.some((line) => on(line, block)));
  return { main: main.map((river, k) => mainStrip(basin, river, lines[k], ahead, mine(k))), small: small.map((river) => smallStrip(basin, river)) };
}

function mainStrip(basin, river, line, ahead, isMine) {
  const sides = sidesOf(basin, line);
  const wave = h("span", { class: "note", tid: `wave-${river.id}` });
  const track = h("div", { class: "line" });
  const lags = line.stops.slice(1).map(() => h("span", { class: "lag" }));
  const stops = line.stops.map((stop) => {
    const value = h("div", { class: "node-flow", tid: `node-${basin.nodes[stop.nodes.at(-1)].id}` });
    const own = h("div", { class: "own-value", hidden: true });
    const pond = h("span", {});
    const name = named(stop.name);
    const el = h("div", { class: `stop at-${stop.kind}`, title: name }, symbol(stop.kind), h("div", { class: "node-name" }, short(name)), value, own, h("div", { class: "km" }, stop.body ? pond : `km ${+stop.km.toFixed(1)}`));
    return { ...stop, el, value, own, pond, meter: gaugeAt(basin, stop.nodes) };
  });
  const marks = sides.map((side) => {
    const value = h("b", {});
    const label = h("div", { class: "side-label", title: named(side.name) }, h("span", {}, short(named(side.name))), value);
    const stem = h("i", { class: `stem ${side.kind}` });
    return { ...side, value, label, stem };
  });
  const above = h("div", { class: "above" }, marks.flatMap((m) => [m.stem, m.label]));
  const rail = h("div", { class: "rail" }, track, ...lags, ...stops.map((stop) => stop.el));
  const transit = h("div", { class: "lane transit", tid: "transit" });
  const turns = h("div", { class: "lane turns", tid: "turns" });
  const inner = h("div", { class: "strip-inner" }, above, rail, transit, turns);
  const el = panel("strip-panel", t("strip"), `${named(river.name)}${t("sep")}${t("flow_dir")}`, wave, h("div", { class: "strip", tabindex: "0", role: "region", "aria-label": `${t("strip")} ${named(river.name)}` }, inner));
  el.dataset.testid = `strip-${river.id}`;
  let x = () => 0;
  let last = null;

  function layout() {
    const width = Math.max(inner.clientWidth, 300);
    const edge = Math.min(60, width / (stops.length * 2));
    const step = (width - 2 * edge) / Math.max(1, stops.length - 1);
    // Stops stand evenly, since names need room where kilometres do not give it; between them the scale is straight.
    x = (km) => {
      const k = Math.max(1, Math.min(stops.length - 1, stops.findIndex((stop) => stop.km >= km)));
      const [a, b] = [stops[k - 1].km, stops[k].km];
      return edge + (k - 1 + Math.min(1, Math.max(0, (km - a) / (b - a)))) * step;
    };
    const spans = marks.map((m) => {
      const half = Math.max(Math.min(widthOf(short(named(m.name))), 96), 40) / 2 + 1;
      const middle = Math.min(Math.max(x(m.km), half), width - half);
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
      m.stem.style.left = `${x(m.km)}px`;
      m.stem.style.top = `${top + SIDE_ROW}px`;
      m.stem.style.height = `${rows * SIDE_ROW + 14 - top - SIDE_ROW}px`;
    });
    track.style.left = `${edge}px`;
    track.style.width = `${width - edge - 2}px`;
    stops.forEach((stop, k) => {
      stop.el.style.left = `${edge + k * step}px`;
      stop.el.style.maxWidth = `${step - 4}px`;
    });
    lags.forEach((lag, k) => (lag.style.left = `${edge + (k + 0.5) * step}px`));
    if (last) lanes(last);
  }
  new ResizeObserver(layout).observe(inner);

  /** Hours of the wave from the first node down to each. */
  function hoursDown(state) {
    let sum = 0;
    return line.nodes.map(({ i }, k) => (sum += k === 0 ? 0 : hoursBetween(basin, state, line.nodes[k - 1].i, i)));
  }

  /** Where a change is that has done `progress` of the time to a section, km. */
  function along(down, to, progress) {
    const end = line.nodes.findIndex(({ i }) => i === basin.sections[to].at?.node);
    if (end <= 0) return null;
    const gone = progress * down[end];
    const k = Math.max(1, down.findIndex((hours) => hours >= gone));
    const part = down[k] - down[k - 1];
    return line.nodes[k - 1].km + (part > 0 ? (gone - down[k - 1]) / part : 1) * (line.nodes[k].km - line.nodes[k - 1].km);
  }

  function lanes(state) {
    const now_s = state.utc_ms / 1000;
    const down = hoursDown(state);
    const mine = state.transit.map((move) => ({ move, km: along(down, move.to, move.progress) })).filter(({ km }) => km !== null);
    const key = JSON.stringify([mine.map(({ move, km }) => [move.id, km.toFixed(1), move.change_m3s, move.arrives_in_h.map((v) => Math.round(v * 6))]), lang(), inner.clientWidth, Math.floor(now_s / 600)]);
    const target = mine.length > 0 ? basin.sections[mine[0].move.to] : null;
    renew(transit, key, () => [h("span", { class: "lane-name" }, t("transit"), target && h("small", {}, t("transit_to", { name: short(named(target.name)) }))),
      ...(mine.length ? chips(mine, now_s) : [h("span", { class: "quiet" }, t("no_transit"))])]);
    const entries = basin.schedules.turns.filter((turn) => turn.to_s > now_s && turn.from_s < now_s + 48 * 3600)
      .filter((turn) => kmOf(basin, line, basin.intakes[turn.intake].from) !== null);
    renew(turns, JSON.stringify([entries.map((turn) => turn.id), ahead.mark(), lang(), Math.floor(now_s / 600)]), () => {
      const times = (one) => ({ from: moment(one.from_s, now_s), to: moment(one.to_s, now_s) });
      const all = [...entries.map((turn) => ({ ...turn, words: t("turn_run", { name: named(basin.intakes[turn.intake].name), rate: signed(-turn.rate_m3s), ...times(turn) }) })),
        ...ahead.list(now_s).filter(isMine).map((block) => ({ ...block, words: t("turn_run", { name: block.name, rate: block.words, ...times(block) }) }))].sort((a, b) => a.from_s - b.from_s);
      return [h("span", { class: "lane-name" }, t("turns")),
        all.length === 0 && h("span", { class: "quiet" }, t("no_turns")),
        ...all.slice(0, TURNS).map((one) => h("span", { class: "turn" }, one.words)),
        all.length > TURNS && h("a", { class: "turn", href: "#/schedule" }, t("and_more", { n: all.length - TURNS }))];
    });
  }

  function chips(mine, now_s) {
    const several = new Set(mine.map(({ move }) => move.to)).size > 1;
    const width = inner.clientWidth;
    const made = mine.sort((a, b) => a.km - b.km).map(({ move, km }) => {
      const [first, full] = move.arrives_in_h;
      const when = full <= 0 ? t("arriving") : span(now_s + Math.max(0, first) * 3600, now_s + full * 3600, now_s);
      const to = t("transit_to", { name: named(basin.sections[move.to].name) });
      const size = Math.max(widthOf(when), several ? widthOf(to) + 40 : 0, 56) + 26;
      const left = Math.min(Math.max(x(km) - 10, 92), width - size);
      const el = h("span", { class: "chip", tid: `transit-${move.id}`, title: `${to} ${when}` },
        s("svg", { class: "chevron", viewBox: "0 0 14 16", "aria-hidden": "true" }, s("path", { d: "M1 1h6l6 7-6 7H1l6-7z" })),
        h("b", {}, `${signed(move.change_m3s)} `, several && h("small", {}, to)), h("span", {}, when));
      return { el, place: [left, left + size] };
    });
    const rows = rowsFor(made.map((m) => m.place), 2);
    made.forEach((m, k) => {
      m.el.style.left = `${m.place[0]}px`;
      m.el.style.top = `${rows[k] * 31 + 2}px`;
    });
    return made.map((m) => m.el);
  }

  function update(state) {
    last = state;
    ahead.update(state);
    const clock = { at: state.at, utc_s: state.utc_ms / 1000 };
    for (const stop of stops) {
      const reading = stop.meter >= 0 ? state.meters[stop.meter] : null;
      // Water below a weir speaks for the weir; what lies above it is the pond's.
      const node = stop.nodes.map((i) => state.nodes[i]).findLast((n) => known(n?.v)) || state.nodes[stop.nodes.at(-1)];
      // A stale gauge is still the node's value: then it brings its age.
      showValue(stop.value, node.q === "stale" && reading?.q === "stale" ? reading : node, clock, { unit: "" });
      const odd = reading && node.q === "substituted" && reading.q !== "good" && (known(reading.v) || known(reading.last));
      stop.own.hidden = !odd;
      if (odd) showValue(stop.own, reading, clock, { unit: "" });
      if (stop.body) showValue(stop.pond, state.meters[stop.body.level_meter], clock, { show: level, unit: "m" });
    }
    for (const m of marks) {
      const reading = m.read(state);
      showValue(m.value, reading, clock, { unit: "", show: (v) => signed(m.sign * v) });
      flag(m.label, "zero", known(reading.v) && Math.abs(reading.v) < 0.005);
    }
    const down = hoursDown(state);
    const at = (stop) => down[line.nodes.findIndex(({ i }) => i === stop.nodes.at(-1))];
    lags.forEach((lag, k) => {
      const hours = at(line.stops[k + 1]) - at(line.stops[k]);
      text(lag, hours > 0 ? `${hours.toFixed(1)} h` : "");
    });
    const end = line.stops.at(-1);
    text(wave, at(end) > 0 ? t("wave", { from: short(named(line.stops[0].name)), to: short(named(end.name)), h: Math.round(at(end)) }) : "");
    lanes(state);
  }
  return { el, update };
}

/** A river without a floor: one line with its flows. */
function smallStrip(basin, river) {
  const line = lineOf(basin, river);
  const items = [
    ...line.stops.map((stop) => ({ km: stop.km, name: stop.name, sign: 1, kind: "node", read: (state) => stop.nodes.map((i) => state.nodes[i]).findLast((n) => known(n?.v)) || {} })),
    ...sidesOf(basin, line),
  ].sort((a, b) => a.km - b.km);
  const stops = items.map((item) => {
    const value = h("div", { class: "node-flow" });
    const name = named(item.name);
    return { item, value, el: h("li", { class: `small-stop ${item.kind}`, title: name }, h("span", { class: "small-name" }, short(name)), symbol("node"), value) };
  });
  const el = h("div", { class: "small-strip", tabindex: "0", role: "region", "aria-label": named(river.name), tid: `strip-${river.id}` }, h("h3", {}, named(river.name)), h("ol", {}, stops.map((stop) => stop.el)));
  return {
    el,
    river,
    update(state) {
      const clock = { at: state.at, utc_s: state.utc_ms / 1000 };
      for (const { item, value } of stops) {
        showValue(value, item.read(state), clock, { unit: "", show: item.kind === "node" ? undefined : (v) => signed(item.sign * v) });
      }
    },
  };
}
