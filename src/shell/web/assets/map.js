// The rivers as the configuration joins them: every reach, node, reservoir, gate, intake and wetland; another basin draws itself.

import { h, panel, renew, s, text } from "./dom.js";
import { flow, known, showValue } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { hrefOf } from "./nav.js";
import { gaugeAt, short } from "./network.js";

/** Height of a row without gates, room for the names of the rivers, and for a column at least, px. */
const ROW = 84;
const LEFT = 112;
const COLUMN = 78;

/**
 * Where each node stands: the main stem of a river is a row; what joins it, chain by chain, stands in the rows below it, ending
 * one column before where it joins. Nothing overlaps; a chain goes into the first row with room.
 */
function layoutOf(basin) {
  const edges = basin.reaches.map((reach, i) => ({ from: reach.from, to: reach.to, reach: i }));
  const outlet = (body, to) => {
    const from = basin.reservoirs[body]?.at;
    if (from !== undefined && to !== undefined && from !== to && !edges.some((edge) => edge.from === from && edge.to === to)) edges.push({ from, to, body });
  };
  for (const way of basin.gates) if (way.from?.reservoir !== undefined) outlet(way.from.reservoir, way.to?.node);
  for (const way of basin.fixed_openings) outlet(way.from, way.to?.node);
  const joined = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const place = new Map();
  const rows = [];
  /** Puts a chain of nodes into columns from `first` on, in the first row from `from` on with room. */
  const put = (chain, first, from) => {
    const last = first + chain.length - 1;
    let k = from;
    while (rows[k] && (rows[k].taken.some(([a, b]) => first <= b + 1 && last >= a - 1) || rows[k].main)) k += 1;
    rows[k] ??= { taken: [], river: null, main: false };
    rows[k].taken.push([first, last]);
    chain.forEach((i, n) => place.set(i, { row: k, column: first + n }));
    return rows[k];
  };
  for (const river of basin.rivers) {
    const ours = basin.nodes.map((_, i) => i).filter((i) => basin.nodes[i].river === river.id && joined.has(i));
    const main = ours.filter((i) => known(basin.nodes[i].km)).sort((a, b) => basin.nodes[a].km - basin.nodes[b].km || Number(edges.some((e) => e.from === b && e.to === a)) - Number(edges.some((e) => e.from === a && e.to === b)));
    // A reservoir at its head belongs to it.
    for (let up = true; up && main.length > 0;) {
      up = edges.find((edge) => edge.to === main[0] && edge.body !== undefined && ours.includes(edge.from) && !main.includes(edge.from));
      if (up) main.unshift(up.from);
    }
    if (main.length > 0) {
      const row = put(main, 0, rows.length);
      row.main = true;
      row.river = river;
    }
    const below = rows.length;
    const left = new Set(ours.filter((i) => !place.has(i)));
    while (left.size > 0) {
      // The longest chain of what is left, walked up from its mouth.
      const up = (i, seen) => {
        const ways = edges.filter((edge) => edge.to === i && left.has(edge.from) && !seen.has(edge.from)).map((edge) => up(edge.from, new Set([...seen, edge.from])));
        return [...ways.reduce((a, b) => (b.length > a.length ? b : a), []), i];
      };
      const mouths = [...left].filter((i) => !edges.some((edge) => edge.from === i && left.has(edge.to)));
      const chains = (mouths.length ? mouths : [...left]).map((i) => up(i, new Set([i])));
      const chain = chains.reduce((a, b) => (b.length > a.length ? b : a));
      const to = edges.find((edge) => edge.from === chain.at(-1) && place.has(edge.to))?.to;
      put(chain, (to === undefined ? 0 : place.get(to).column) - (to === undefined ? 0 : chain.length), below);
      for (const i of chain) left.delete(i);
    }
    if (rows[below] && !rows[below - 1]?.main) rows[below].river = river;
  }
  const first = Math.min(0, ...[...place.values()].map((at) => at.column));
  for (const at of place.values()) at.column -= first;
  return { edges, rows, place, columns: 1 + Math.max(0, ...[...place.values()].map((at) => at.column)) };
}

export function buildMap(basin, { pick }) {
  const { edges, rows, place, columns } = layoutOf(basin);
  const gatesAt = (i) => {
    const body = basin.reservoirs.findIndex((one) => one.at === i);
    return basin.gates.map((gate, g) => ({ gate, g })).filter(({ gate }) => (body >= 0 && gate.from?.reservoir === body) || gate.from?.node === i);
  };
  // Each row is as high as the gates of its fullest node need.
  const tops = [];
  let height = 24;
  rows.forEach((_, k) => {
    tops[k] = height;
    const most = Math.max(0, ...[...place].filter(([, at]) => at.row === k).map(([i]) => gatesAt(i).length));
    height += ROW + 24 * Math.max(0, Math.ceil(most / 3) - 1) + (most > 0 ? 12 : 0);
  });
  const canvas = h("div", { class: "map-canvas" });
  const svg = s("svg", { class: "map-lines", "aria-hidden": "true" });
  const names = rows.map((row, k) => {
    const el = h("div", { class: "map-river" }, row.river ? named(row.river.name) : "");
    el.style.top = `${tops[k] - 8}px`;
    return el;
  });
  const marks = [...place.keys()].map((i) => {
    const node = basin.nodes[i];
    const body = basin.reservoirs.findIndex((one) => one.at === i);
    const section = basin.sections.find((one) => one.at?.node === i && known(one.floor_m3s));
    const meter = gaugeAt(basin, [i]);
    const value = h("span", { class: "map-value", tid: `map-${node.id}` });
    const name = short(named(body >= 0 ? basin.reservoirs[body].name : node.name));
    const shape = section ? s("path", { d: "M9 1 17 9 9 17 1 9z" }) : body >= 0 ? s("path", { d: "M1 3h16L13 16H5z" }) : s("circle", { cx: 9, cy: 9, r: 4.5 });
    const label = section ? h("a", { href: hrefOf("reach", section.id) }, name) : meter >= 0 ? h("a", { href: hrefOf("meters", basin.meters[meter].id) }, name) : h("span", {}, name);
    const dots = gatesAt(i).map(({ gate, g }) => ({ g, gate, el: h("button", { type: "button", class: "map-gate", tid: `map-gate-${gate.id}`, title: named(gate.name), "aria-label": named(gate.name), on: { click: () => pick(g) } }) }));
    const intakes = basin.intakes.map((intake, k) => ({ intake, k })).filter(({ intake }) => intake.from?.node === i || (intake.from?.reach !== undefined && basin.reaches[intake.from.reach].from === i) || (body >= 0 && intake.from?.reservoir === body));
    const taken = intakes.length ? h("span", { class: "map-taken", title: intakes.map(({ intake }) => named(intake.name)).join(", ") }) : null;
    const el = h("div", { class: `map-node${section ? " section" : ""}` }, s("svg", { class: "symbol", viewBox: "0 0 18 18", "aria-hidden": "true" }, shape), h("div", { class: "map-name" }, label), value, h("div", { class: "map-gates" }, dots.map((dot) => dot.el)), taken);
    return { i, body, meter, value, dots, intakes, taken, el };
  });
  canvas.append(svg, ...names, ...marks.map((mark) => mark.el));
  canvas.style.height = `${height}px`;
  canvas.style.minWidth = `${LEFT + columns * COLUMN}px`;
  const key = h("ul", { class: "legend" }, [["section", "M9 1 17 9 9 17 1 9z"], ["reservoir", "M1 3h16L13 16H5z"]].map(([word, d]) => h("li", {}, s("svg", { class: "symbol", viewBox: "0 0 18 18", "aria-hidden": "true" }, s("path", { d })), t(`map.${word}`))), h("li", {}, h("i", { class: "map-gate sample" }), t("map.gate")), h("li", {}, h("span", { class: "map-taken" }, "↑"), t("map.intake")));
  const el = panel("map-panel", t("map.title"), t("map.note"), null, key, h("div", { class: "map-host", tabindex: "0", role: "region", "aria-label": t("map.title"), tid: "map" }, canvas));
  let width = 0;

  function x(i) {
    const step = (width - LEFT - 50) / Math.max(1, columns - 1);
    return LEFT + place.get(i).column * step;
  }
  const y = (i) => tops[place.get(i).row];

  function layout() {
    width = Math.max(canvas.clientWidth, LEFT + columns * COLUMN);
    for (const mark of marks) {
      mark.el.style.left = `${x(mark.i)}px`;
      mark.el.style.top = `${y(mark.i) - 9}px`;
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(...edges.filter(({ from, to }) => place.has(from) && place.has(to)).map(({ from, to, reach }) => {
      const [x0, y0, x1, y1] = [x(from), y(from), x(to), y(to)];
      const middle = (y0 + y1) / 2;
      const bend = y0 === y1 ? `H${x1}` : x1 < x0 + 30 ? `C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}` : `H${x1 - 26} C${x1 - 8} ${y0} ${x1} ${y0 + (y1 - y0) * 0.4} ${x1} ${y1}`;
      const pipe = reach !== undefined && basin.reaches[reach].kind === "pipe";
      return s("path", { d: `M${x0} ${y0} ${bend}`, class: pipe ? "map-pipe" : "map-reach" });
    }));
  }
  const resized = new ResizeObserver(layout);
  resized.observe(canvas);

  function update(state, ctx) {
    for (const mark of marks) {
      const body = mark.body >= 0 ? basin.reservoirs[mark.body] : null;
      if (body && known(body.level_meter)) showValue(mark.value, state.meters[body.level_meter], ctx.clock, { show: (v) => v.toFixed(2), unit: "m" });
      else showValue(mark.value, mark.meter >= 0 ? state.meters[mark.meter] : state.nodes[mark.i], ctx.clock, { unit: "" });
      for (const dot of mark.dots) {
        const gate = state.gates[dot.g];
        const open = known(gate.opening) && gate.opening > dot.gate.tolerance;
        const kind = ctx.alarms.has(dot.gate.id) ? "alarmed" : !known(gate.opening) ? "unknown" : open ? "open" : "shut";
        renew(dot.el, `${kind}|${lang()}`, () => {
          dot.el.className = `map-gate ${kind}`;
          return h("span", {}, kind === "alarmed" ? "!" : kind === "unknown" ? "?" : "");
        });
      }
      if (mark.taken) {
        const sum = mark.intakes.map(({ intake }) => (known(intake.meter) ? state.meters[intake.meter].v : null)).filter(known).reduce((a, b) => a + b, 0);
        text(mark.taken, `↑ ${flow(sum)}`);
      }
    }
  }
  return { els: [el], update, drop: () => resized.disconnect() };
}
