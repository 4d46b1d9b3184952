// Trends on a canvas: the past as a line with its extremes, estimates dashed, the forecast dashed in its band.

/* global uPlot */

import { civil, flow, known, moment } from "./format.js";
import { h, text } from "./dom.js";
import { t } from "./i18n.js";

/** The typeface of the page. */
export function family() {
  return getComputedStyle(document.documentElement).fontFamily;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { text: get("--soft"), grid: get("--grid"), pen: get("--pen"), ahead: get("--pen-ahead"), band: get("--band"), line: get("--text"), panel: get("--panel"), future: get("--future") };
}

/** Columns of `/api/v1/trends` as points of a plot. */
function pastOf(column) {
  if (!column) return { x: [], mean: [], est: [], min: [], max: [] };
  const estimated = new Set(column.estimated);
  const x = column.mean.map((_, i) => column.from_s + (i + 0.5) * column.step_s);
  // A line leads from the last measured point into an estimated stretch, so that the two join.
  const mean = column.mean.map((v, i) => (estimated.has(i) ? null : v));
  const est = column.mean.map((v, i) => (estimated.has(i) || estimated.has(i + 1) || estimated.has(i - 1) ? v : null));
  return { x, mean, est, min: column.min, max: column.max };
}

/** A plot of a section's flow, 24 h back and the forecast ahead. */
export function sectionTrend(host, name) {
  const readout = h("span", { class: "readout", "aria-hidden": "true" });
  const box = h("div", { class: "plot", role: "img" });
  host.append(box, readout);
  let plot = null;
  let past = pastOf(null);
  let lines = { floor: null, setpoint: null, now: 0 };
  let limits = [0, 1];

  function options(width, height) {
    const c = colours();
    const font = `11px ${family()}`;
    const pen = (stroke, extra) => ({ stroke, width: 1.5, points: { show: false }, ...extra });
    return {
      width, height, padding: [8, 6, 0, 0], legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "sections" } },
      scales: { x: { time: true, range: () => limits }, y: { range: (_, min, max) => yRange(min, max) } },
      axes: [
        { stroke: c.text, font, size: 20, gap: 2, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, splits: daySplits, values: (_, at) => at.map(axisLabel) },
        { stroke: c.text, font, size: 34, gap: 4, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, space: 26, values: (_, at, __, ___, step) => at.map((v) => flowTick(v, step)) },
      ],
      series: [{}, pen(null, { width: 0 }), pen(null, { width: 0 }), pen(c.pen), pen(c.pen, { dash: [3, 3] }),
        pen(null, { width: 0 }), pen(null, { width: 0 }), pen(c.ahead, { dash: [5, 3] })],
      bands: [{ series: [2, 1], fill: c.band }, { series: [6, 5], fill: c.band }],
      hooks: {
        drawClear: [(u) => shade(u, c)],
        draw: [(u) => marks(u, c)],
        setCursor: [(u) => point(u)],
      },
    };
  }

  function yRange(min, max) {
    const all = [min, max, lines.floor, lines.setpoint].filter(known);
    if (all.length === 0) return [0, 1];
    const low = Math.min(...all);
    const high = Math.max(...all);
    const room = Math.max((high - low) * 0.12, 0.06);
    const top = high + room;
    // Below the floor there is room for its name.
    const share = Math.min(0.4, 20 / Math.max(box.clientHeight - 24, 40));
    const under = known(lines.floor) ? lines.floor - ((top - lines.floor) * share) / (1 - share) : low;
    return [Math.max(0, Math.min(low - room, under)), top];
  }

  function daySplits(u, _, from, to) {
    const step = to - from > 36 * 3600 && u.width < 330 ? 24 : 12;
    const splits = [];
    for (let at = Math.ceil(from / 3600) * 3600; at <= to; at += 3600) {
      if (Number(civil(at).hm.slice(0, 2)) % step === 0 && civil(at).hm.endsWith("00")) splits.push(at);
    }
    return splits;
  }
  const axisLabel = (at) => {
    const c = civil(at);
    return c.hm === "00:00" ? c.md : c.hm;
  };
  const flowTick = (v, step) => v.toFixed(step < 0.095 ? 2 : step < 0.95 ? 1 : 0);

  function shade(u, c) {
    const { left, top, width, height } = u.bbox;
    const x = Math.round(u.valToPos(lines.now, "x", true));
    u.ctx.save();
    u.ctx.fillStyle = c.future;
    u.ctx.fillRect(x, top, left + width - x, height);
    u.ctx.restore();
  }

  function marks(u, c) {
    const { left, top, width, height } = u.bbox;
    const k = devicePixelRatio;
    const ctx = u.ctx;
    ctx.save();
    const across = (value, dash, w) => {
      const y = Math.round(u.valToPos(value, "y", true)) + 0.5;
      ctx.beginPath();
      ctx.setLineDash(dash.map((d) => d * k));
      ctx.lineWidth = w * k;
      ctx.strokeStyle = c.line;
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      return y;
    };
    const label = (words, x, y, align, weight = "") => {
      ctx.font = `${weight} ${11 * k}px ${family()}`;
      ctx.textAlign = align;
      const w = ctx.measureText(words).width;
      ctx.fillStyle = c.panel;
      ctx.globalAlpha = 0.75;
      ctx.fillRect(align === "left" ? x - 2 * k : x - w - 2 * k, y - 10 * k, w + 4 * k, 13 * k);
      ctx.globalAlpha = 1;
      ctx.fillStyle = c.line;
      ctx.fillText(words, x, y);
    };
    if (known(lines.setpoint)) across(lines.setpoint, [1, 3], 1);
    if (known(lines.floor)) {
      const y = across(lines.floor, [], 1.5);
      const below = y + 15 * k < top + height;
      label(`${t("floor")} ${flow(lines.floor)}`, left + 4 * k, below ? y + 12 * k : y - 4 * k, "left", "600");
    }
    const x = Math.round(u.valToPos(lines.now, "x", true)) + 0.5;
    ctx.beginPath();
    ctx.setLineDash([]);
    ctx.lineWidth = k;
    ctx.strokeStyle = c.line;
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.restore();
  }

  function point(u) {
    const i = u.cursor.idx;
    const values = i === null || i === undefined ? [] : [3, 4, 7].map((s) => u.data[s][i]).filter(known);
    text(readout, values.length === 0 ? "" : `${moment(u.data[0][i], lines.now)}  ${flow(values[0])}`);
  }

  function data(section, now_s) {
    const ahead = section.forecast || [];
    const band = section.forecast_band || [];
    const x = [...past.x.filter((at) => at <= now_s)];
    const n = x.length;
    const pad = (list) => [...list.slice(0, n), ...ahead.map(() => null)];
    const after = (pick) => [...Array(n).fill(null), ...ahead.map(pick)];
    return [
      [...x, ...ahead.map(([hours]) => now_s + hours * 3600)],
      pad(past.min), pad(past.max), pad(past.mean), pad(past.est),
      after((_, i) => band[i]?.[0] ?? null), after((_, i) => band[i]?.[1] ?? null), after(([, q]) => q),
    ];
  }

  let drawn = null;
  let seen = "";
  /** Draws anew once a minute of service time, and when forecast or limits changed. */
  function show(section, now_s) {
    const ends = [section.forecast?.[0], section.forecast?.at(-1), section.forecast_min];
    const key = JSON.stringify([Math.floor(now_s / 60), section.floor_m3s, section.setpoint_m3s, ends]);
    if (key !== seen) draw(section, now_s);
    seen = key;
  }
  function draw(section, now_s) {
    const hours = section.forecast?.length ? section.forecast.at(-1)[0] : 0;
    limits = [now_s - 24 * 3600, now_s + Math.max(hours, 0.5) * 3600];
    lines = { floor: section.floor_m3s, setpoint: section.setpoint_m3s, now: now_s };
    drawn = [section, now_s];
    const width = box.clientWidth;
    const height = box.clientHeight;
    if (width < 60 || height < 40) return;
    if (plot === null) plot = new uPlot(options(width, height), data(section, now_s), box);
    else {
      if (plot.width !== width || plot.height !== height) plot.setSize({ width, height });
      plot.setData(data(section, now_s));
    }
    box.setAttribute("aria-label", t("trend_of", { name, floor: flow(section.floor_m3s) }));
  }
  const resized = new ResizeObserver(() => drawn && draw(...drawn));
  resized.observe(box);
  return {
    show,
    past(column) {
      past = pastOf(column);
      if (drawn) draw(...drawn);
    },
    drop() {
      resized.disconnect();
      plot?.destroy();
    },
  };
}

/** A small plot of one trend as steps: the opening of a gate over the last hours. */
export function stepTrend(host, column, toPosition) {
  const c = colours();
  const font = `11px ${family()}`;
  const x = column.mean.map((_, i) => column.from_s + (i + 0.5) * column.step_s);
  const y = column.mean.map((v) => (known(v) ? toPosition(v) : null));
  const seen = y.filter(known);
  const low = seen.length ? Math.min(...seen) : 0;
  const high = seen.length ? Math.max(...seen) : 1;
  const room = Math.max((high - low) * 0.15, 1);
  return new uPlot({
    width: Math.max(host.clientWidth, 120), height: 96, padding: [6, 6, 0, 0], legend: { show: false }, cursor: { show: false },
    scales: { y: { range: [Math.max(0, low - room), high + room] } },
    axes: [
      { stroke: c.text, font, size: 20, gap: 2, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, space: 60, values: (_, at) => at.map((v) => civil(v).hm) },
      { stroke: c.text, font, size: 34, gap: 4, grid: { stroke: c.grid, width: 1 }, ticks: { show: false }, space: 24 },
    ],
    series: [{}, { stroke: c.pen, width: 1.5, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }],
  }, [x, y], host);
}
