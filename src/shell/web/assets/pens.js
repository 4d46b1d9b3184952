// Trends over windows from an hour to a month: pens with their extremes, limits as lines, gaps as gaps, the same numbers as a
// table and as a file.

/* global uPlot */

import { load } from "./api.js";
import { flag, h, renew, text } from "./dom.js";
import { civil, known, moment } from "./format.js";
import { lang, t } from "./i18n.js";
import { family } from "./trend.js";

/** Windows, h. Longer than three days is told by the hour. */
const WINDOWS = [1, 6, 24, 72, 168, 720];
const POINTS = 480;
/** Rows of the table at most. */
const TABLE_ROWS = 60;
/** Pens: told apart by dash as well as by shade. */
const DASHES = [[], [7, 3], [2, 3], [10, 3, 2, 3], [], [7, 3], [2, 3], [10, 3, 2, 3]];
const DRAW_PAUSE_MS = 5000;

function penColours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { text: get("--soft"), line: get("--text"), grid: get("--grid"), panel: get("--panel"), band: get("--band"), pens: [get("--pen"), get("--pen-ahead"), get("--fill"), get("--soft")] };
}

/** `24 h`, `7 d`. */
function spanName(hours) {
  return hours > 72 ? t("days_short", { n: hours / 24 }) : `${hours} h`;
}

/**
 * A panel's body of trends. `pens`: `[{series, name, unit, show, scale}]`; those with `steps` (openings) get a lane of their own
 * below. `lines(state)`: `[{name, value}]` across the first plot. `ahead(state)`: `{hours, mid: [[h, v]], band: [[lo, hi]]}`.
 */
export function buildPens({ pens, lines = () => [], ahead = () => null, start = 24, name, download = true }) {
  const flows = pens.filter((pen) => !pen.steps);
  const lanes = pens.filter((pen) => pen.steps);
  const box = h("div", { class: "plot", role: "img", tid: "pens-plot" });
  const laneBox = h("div", { class: "plot lane-plot", "aria-hidden": "true" });
  const legend = h("ul", { class: "legend", tid: "pens-legend" });
  const readout = h("span", { class: "readout-line", "aria-hidden": "true" });
  const table = h("div", { class: "pens-table table-host", tabindex: "0", role: "region", "aria-label": t("pens.table_of", { name }), hidden: true, tid: "pens-table" });
  const problem = h("p", { class: "quiet", role: "status", hidden: true });
  const file = h("a", { class: "button", tid: "pens-csv", download: "" }, t("pens.csv"));
  const asTable = h("button", { type: "button", "aria-pressed": "false", tid: "pens-as-table", on: { click: () => {
    shown = !shown;
    asTable.setAttribute("aria-pressed", String(shown));
    flag(asTable, "inverse", shown);
    table.hidden = !shown;
    plots.hidden = shown;
    if (!shown) draw();
    else tabulate();
  } } }, t("pens.as_table"));
  const buttons = WINDOWS.map((hours) => h("button", { type: "button", "aria-pressed": String(hours === start), tid: `window-${hours}`, on: { click: () => pick(hours) } }, spanName(hours)));
  const plots = h("div", { class: `plots${lanes.length ? " with-lane" : ""}` }, h("div", { class: "plot-host" }, box), lanes.length ? h("div", { class: "plot-host lane-host" }, laneBox) : "");
  const el = h("div", { class: "pens" },
    h("div", { class: "pens-bar" }, h("div", { class: "windows", role: "group", "aria-label": t("pens.window") }, buttons), h("span", { class: "grow" }), readout, asTable, download ? file : ""),
    legend, plots, table, problem);
  let hours = start;
  let shown = false;
  let answer = null;
  let state = null;
  let asked = { utc_s: -Infinity, at: -Infinity };
  let drawn = [];
  let over = false;
  let took = null;

  function pick(next) {
    hours = next;
    buttons.forEach((button, k) => {
      button.setAttribute("aria-pressed", String(WINDOWS[k] === next));
      flag(button, "inverse", WINDOWS[k] === next);
    });
    answer = null;
    ask();
  }

  async function ask() {
    if (!state) return;
    const now_s = state.utc_ms / 1000;
    const wanted = hours;
    asked = { utc_s: now_s, at: performance.now() };
    try {
      const names = pens.map((pen) => encodeURIComponent(pen.series));
      const before = performance.now();
      const found = await load(`/api/v1/trends?hours=${wanted}&points=${POINTS}&series=${names.join(",")}`);
      if (over || wanted !== hours) return;
      took = performance.now() - before;
      answer = found;
      problem.hidden = true;
    } catch (error) {
      if (over) return;
      problem.hidden = false;
      text(problem, t("pens.failed", { error: error.message }));
      return;
    }
    file.href = `/api/v1/history?series=${pens.map((pen) => encodeURIComponent(pen.series)).join(",")}&from_s=${Math.floor(now_s - wanted * 3600)}&to_s=${Math.floor(now_s) + 1}&by=${wanted > 72 ? "hours" : "samples"}`;
    redraw();
  }

  function redraw() {
    if (shown) tabulate();
    else draw();
  }

  /** Columns on the bins of the first pen, then the hours ahead. */
  function columns() {
    const first = answer.series[pens[0].series];
    const x = first.mean.map((_, k) => first.from_s + (k + 0.5) * first.step_s);
    const now_s = state.utc_ms / 1000;
    const told = hours >= 6 && hours <= 72 ? ahead(state) : null;
    const later = told?.mid.filter(([at]) => at >= 0 && at <= Math.max(hours, 12)) ?? [];
    return { x, later, told, now_s };
  }

  const of = (pen, key, k) => {
    const v = answer.series[pen.series]?.[key][k];
    return known(v) ? v * (pen.scale ?? 1) + (pen.offset ?? 0) : null;
  };

  function draw() {
    for (const plot of drawn) plot.destroy();
    drawn = [];
    if (!answer || !state || box.clientWidth < 60) return;
    const began = performance.now();
    const { x, later, told, now_s } = columns();
    const c = penColours();
    const xs = [...x, ...later.map(([at]) => now_s + at * 3600)];
    const pad = (list) => [...list, ...later.map(() => null)];
    const limits = [now_s - hours * 3600, later.length ? now_s + later.at(-1)[0] * 3600 : now_s + hours * 36];
    const data = [xs];
    const series = [{}];
    const bands = [];
    const put = (values, extra) => {
      data.push(values);
      series.push({ width: 1.5, points: { show: false }, spanGaps: false, ...extra });
    };
    flows.forEach((pen, n) => {
      const stroke = c.pens[n % c.pens.length];
      const estimated = new Set(answer.series[pen.series]?.estimated ?? []);
      const k = x.map((_, at) => at);
      if (flows.length <= 2) {
        put(pad(k.map((at) => of(pen, "min", at))), { stroke: null, width: 0 });
        put(pad(k.map((at) => of(pen, "max", at))), { stroke: null, width: 0 });
        bands.push({ series: [data.length - 1, data.length - 2], fill: c.band });
      }
      put(pad(k.map((at) => (estimated.has(at) ? null : of(pen, "mean", at)))), { stroke, dash: DASHES[n] });
      if (estimated.size > 0) put(pad(k.map((at) => (estimated.has(at) || estimated.has(at + 1) || estimated.has(at - 1) ? of(pen, "mean", at) : null))), { stroke, dash: [3, 3] });
    });
    if (later.length > 0) {
      const band = new Map(told.mid.map(([at], k) => [at, told.band[k]]));
      const after = (pickOne) => [...x.map(() => null), ...later.map(pickOne)];
      put(after(([at]) => band.get(at)?.[0] ?? null), { stroke: null, width: 0 });
      put(after(([at]) => band.get(at)?.[1] ?? null), { stroke: null, width: 0 });
      bands.push({ series: [data.length - 1, data.length - 2], fill: c.band });
      put(after(([, v]) => v), { stroke: c.pens[1], dash: [5, 3] });
    }
    const across = lines(state).filter((line) => known(line.value));
    const font = `11px ${family()}`;
    const axes = (size, decimals) => [
      { stroke: c.text, font, size: 20, gap: 2, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, space: 70, splits: timeSplits, values: (_, at) => at.map(timeLabel) },
      { stroke: c.text, font, size, gap: 4, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, space: 28, values: (_, at, __, ___, step) => at.map((v) => v.toFixed(decimals ?? (step < 0.0095 ? 3 : step < 0.095 ? 2 : step < 0.95 ? 1 : 0))) },
    ];
    const sync = { key: `pens-${name}` };
    const common = { padding: [8, 20, 0, 0], legend: { show: false }, bands: [] };
    drawn.push(new uPlot({
      ...common, width: box.clientWidth, height: box.clientHeight, bands, series, axes: axes(44),
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync },
      scales: { x: { time: true, range: () => limits }, y: { range: (_, low, high) => yRange([low, high, ...across.map((line) => line.value)]) } },
      hooks: { draw: [(u) => marks(u, c, across, now_s)], setCursor: [(u) => point(u, x, now_s)] },
    }, data, box));
    if (lanes.length > 0 && laneBox.clientHeight > 30) {
      const laneData = [x, ...lanes.map((pen) => x.map((_, k) => of(pen, "mean", k)))];
      drawn.push(new uPlot({
        ...common, width: laneBox.clientWidth, height: laneBox.clientHeight,
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync },
        scales: { x: { time: true, range: () => limits }, y: { range: (_, low, high) => yRange([low, high]) } }, axes: axes(44),
        series: [{}, ...lanes.map((pen, n) => ({ stroke: c.pens[n % c.pens.length], width: 1.5, dash: DASHES[n], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }))],
      }, laneData, laneBox));
    }
    box.setAttribute("aria-label", t("pens.picture_of", { name, span: spanName(hours) }));
    box.dataset.drewMs = String(Math.round(performance.now() - began));
    box.dataset.fetchMs = took === null ? "" : String(Math.round(took));
    box.dataset.hours = String(hours);
    key(c);
  }

  function key(c) {
    renew(legend, JSON.stringify([pens.map((pen) => pen.name), lang(), c.pens]), () => [
      ...flows.map((pen, n) => h("li", {}, sample(c.pens[n % c.pens.length], DASHES[n]), pen.name, pen.unit ? h("small", {}, ` ${pen.unit}`) : "")),
      ...lanes.map((pen, n) => h("li", {}, sample(c.pens[n % c.pens.length], DASHES[n]), pen.name, pen.unit ? h("small", {}, ` ${pen.unit}`) : "")),
    ]);
  }

  function yRange(values) {
    const all = values.filter(known);
    if (all.length === 0) return [0, 1];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.01, 0.02);
    return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  }

  function timeSplits(u, _, from, to) {
    const span = to - from;
    const wide = Math.max(1, Math.floor(u.width / 70));
    const steps = [300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 345600, 604800];
    const step = steps.find((one) => span / one <= wide) ?? 1209600;
    const splits = [];
    // Civil midnight, not that of Greenwich, is where days begin.
    const shift = dayShift(from);
    for (let at = Math.ceil((from + shift) / step) * step - shift; at <= to; at += step) splits.push(at);
    return splits;
  }

  function dayShift(at) {
    const [hh, mm] = civil(at).hm.split(":").map(Number);
    const since = hh * 3600 + mm * 60;
    const utc = ((at % 86400) + 86400) % 86400;
    return since - Math.floor(utc / 60) * 60;
  }

  const timeLabel = (at) => (hours > 72 || civil(at).hm === "00:00" ? civil(at).md : civil(at).hm);

  function marks(u, c, across, now_s) {
    const { left, top, width, height } = u.bbox;
    const k = devicePixelRatio;
    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = c.line;
    across.forEach((line, n) => {
      const y = Math.round(u.valToPos(line.value, "y", true)) + 0.5;
      ctx.beginPath();
      ctx.setLineDash(n === 0 ? [] : [k, 3 * k]);
      ctx.lineWidth = (n === 0 ? 1.5 : 1) * k;
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      ctx.font = `600 ${11 * k}px ${family()}`;
      ctx.textAlign = "left";
      const w = ctx.measureText(line.name).width;
      const at = left + 4 * k + n * 130 * k;
      const below = y + 16 * k < top + height && n === 0;
      ctx.globalAlpha = 0.8;
      ctx.fillStyle = c.panel;
      ctx.fillRect(at - 2 * k, below ? y + 2 * k : y - 14 * k, w + 4 * k, 12 * k);
      ctx.globalAlpha = 1;
      ctx.fillStyle = c.line;
      ctx.fillText(line.name, at, below ? y + 12 * k : y - 4 * k);
    });
    const x = Math.round(u.valToPos(now_s, "x", true)) + 0.5;
    ctx.beginPath();
    ctx.setLineDash([]);
    ctx.lineWidth = k;
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.restore();
  }

  function point(u, x, now_s) {
    const at = u.cursor.idx;
    if (at === null || at === undefined || at >= x.length) return text(readout, "");
    const said = pens.map((pen) => [pen, of(pen, "mean", at)]).filter(([, v]) => known(v)).map(([pen, v]) => `${pens.length > 1 ? `${pen.name} ` : ""}${pen.show(v)}`);
    text(readout, said.length ? `${moment(x[at], now_s)}  ${said.join(t("sep"))}` : `${moment(x[at], now_s)}  ${t("pens.gap")}`);
  }

  function tabulate() {
    if (!answer || !state) return;
    const { x } = columns();
    const now_s = state.utc_ms / 1000;
    const every = Math.max(1, Math.ceil(x.length / TABLE_ROWS));
    const picked = x.map((_, k) => k).filter((k) => (x.length - 1 - k) % every === 0).reverse();
    const cell = (pen, k) => {
      const from = Math.max(0, k - every + 1);
      const all = [...Array(k - from + 1)].map((_, n) => from + n);
      const lows = all.map((at) => of(pen, "min", at)).filter(known);
      const highs = all.map((at) => of(pen, "max", at)).filter(known);
      const mean = of(pen, "mean", k);
      if (lows.length === 0) return h("td", {}, "—");
      const est = answer.series[pen.series].estimated.includes(k) ? h("i", { class: "tag" }, t("tag.substituted")) : "";
      return h("td", {}, known(mean) ? h("b", { class: "live" }, pen.show(mean)) : "—", est, h("small", {}, ` ${pen.show(Math.min(...lows))}–${pen.show(Math.max(...highs))}`));
    };
    table.replaceChildren(h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("pens.time")), pens.map((pen) => h("th", { scope: "col" }, pen.name, h("small", {}, ` ${pen.unit ?? ""}`))))),
      h("tbody", {}, picked.map((k) => h("tr", {}, h("th", { scope: "row" }, moment(x[k], now_s)), pens.map((pen) => cell(pen, k)))))));
  }

  const resized = new ResizeObserver(() => !shown && draw());
  resized.observe(box);
  buttons.forEach((button, k) => flag(button, "inverse", WINDOWS[k] === start));
  return {
    el,
    update(next) {
      state = next;
      const now_s = next.utc_ms / 1000;
      const every = Math.max(30, hours * 7);
      if (Math.abs(now_s - asked.utc_s) >= every && performance.now() - asked.at >= DRAW_PAUSE_MS) ask();
    },
    drop() {
      over = true;
      resized.disconnect();
      for (const plot of drawn) plot.destroy();
    },
  };
}

/** A short line as the pen draws it. */
function sample(stroke, dash) {
  const canvas = h("canvas", { width: 44, height: 8, class: "pen-sample", "aria-hidden": "true" });
  const ctx = canvas.getContext("2d");
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 3;
  ctx.setLineDash(dash.map((d) => d * 2));
  ctx.beginPath();
  ctx.moveTo(0, 4);
  ctx.lineTo(44, 4);
  ctx.stroke();
  return canvas;
}
