// The sections with a floor: what flows, how far from the floor, what was and what is expected.

import { load } from "./api.js";
import { flag, glyph, h, panel, renew, text } from "./dom.js";
import { flow, known, moment, percent, qualityText, showValue } from "./format.js";
import { named, t } from "./i18n.js";
import { sectionTrend } from "./trend.js";
import { warningMark } from "./warnings.js";

/** Trends are fetched again when this much service time has passed, and not more often than every 5 s. */
const TREND_EVERY_S = 60;
const TREND_PAUSE_MS = 5000;

/** The value control uses: the meter while it may be used, otherwise the estimate. */
export function sectionValue(section) {
  const r = section.reading;
  const usable = known(r.v) && ["good", "simulated", "substituted", "stale"].includes(r.q);
  return usable ? { ...r, measured: true } : { ...section.estimate, q: known(section.estimate.v) ? "substituted" : "bad", last: r.last, at: r.at, measured: false };
}

export function buildSections(basin) {
  const floored = basin.sections.map((section, i) => ({ section, i })).filter(({ section }) => known(section.floor_m3s));
  const shown = floored.length > 0 ? floored : basin.sections.map((section, i) => ({ section, i }));
  const cards = shown.map(({ section, i }) => card(basin, section, i));
  let fetched = { utc_s: -Infinity, at: -Infinity };

  async function trends(now_s) {
    fetched = { utc_s: now_s, at: performance.now() };
    try {
      const names = shown.map(({ section }) => `section:${section.id}`);
      const { series } = await load(`/api/v1/trends?hours=24&points=360&series=${names.map(encodeURIComponent).join(",")}`);
      cards.forEach((c, k) => c.past(series[names[k]]));
    } catch {
      // The values themselves come by the stream; a missing trend is seen as a gap and asked for again.
    }
  }
  return {
    els: cards.map((c) => c.el),
    update(state) {
      const now_s = state.utc_ms / 1000;
      for (const c of cards) c.update(state);
      const due = Math.abs(now_s - fetched.utc_s) >= TREND_EVERY_S && performance.now() - fetched.at >= TREND_PAUSE_MS;
      if (due) trends(now_s);
    },
    drop: () => cards.forEach((c) => c.drop()),
  };
}

function card(basin, section, i) {
  const meter = basin.meters[section.meter];
  const big = h("div", { class: "big", tid: `flow-${section.id}` });
  const quality = h("span", { class: "note", tid: `quality-${section.id}` });
  const own = h("div", { class: "own", hidden: true, tid: `own-${section.id}` });
  const margin = h("b", { tid: `margin-${section.id}` });
  const below = h("span", { class: "below", hidden: true, tid: `below-${section.id}` }, glyph(1), h("b", {}, t("below_floor")));
  const fill = h("i", { class: "fill" });
  const floorMark = h("i", { class: "floor-mark" });
  const setMark = h("i", { class: "set-mark" });
  const high = h("span", {});
  const floorText = h("span", { class: "floor-text" });
  const setText = h("span", { tid: `setpoint-${section.id}` });
  const plotHost = h("div", { class: "plot-host" });
  const aheadHead = h("span", {});
  const pastHead = h("span", {}, t("past"));
  const trend = sectionTrend(plotHost, named(section.name));
  const foot = (key) => {
    const value = h("span", { class: "v", tid: `${key}-${section.id}` });
    return { el: h("span", { class: "stat" }, h("span", {}, t(key, { h: 48 })), value), value };
  };
  const day = foot("day_mean");
  const hour = foot("hour_mean");
  const least = foot("forecast_min");
  const warning = warningMark(section.id);
  const river = basin.rivers.find((r) => r.id === section.river);
  const note = [named(river?.name), known(section.km) ? `km ${section.km}` : "", meter && known(meter.accuracy) && meter.accuracy > 0 ? `±${+(meter.accuracy * 100).toFixed(1)} %` : ""];
  const el = panel(`section s-${i}`, named(section.name), note.filter(Boolean).join(t("sep")), [warning.el, quality],
    h("div", { class: "section-body" },
      h("div", { class: "left" }, big, own,
        h("div", { class: "margin" }, h("span", {}, t("margin")), margin, below, h("span", { class: "set" }, setText)),
        h("div", { class: "gauge", "aria-hidden": "true" }, fill, floorMark, setMark),
        h("div", { class: "gauge-text" }, h("span", {}, "0"), floorText, high)),
      h("div", { class: "right" }, h("div", { class: "plot-head" }, pastHead, aheadHead), plotHost)),
    h("footer", {}, day.el, hour.el, least.el, h("span", { class: "unit" }, "m³/s")));
  el.dataset.testid = `section-${section.id}`;

  function update(state) {
    const now = state.sections[i];
    const now_s = state.utc_ms / 1000;
    const clock = { at: state.at, utc_s: now_s };
    const value = sectionValue(now);
    showValue(big, value, clock);
    warning.update(state);
    text(quality, qualityText(now.reading, state.at));
    own.hidden = value.measured || (!known(now.reading.v) && !known(now.reading.last));
    if (!own.hidden) {
      renew(own, "own", () => [h("span", {}, t("meter_says")), h("span", { class: "own-value" })]);
      showValue(own.lastChild, now.reading, clock);
    }
    const floor = now.floor_m3s;
    const share = known(value.v) && known(floor) && floor > 0 ? (value.v - floor) / floor : null;
    text(margin, percent(share));
    flag(margin, "est", !value.measured || value.q === "stale");
    below.hidden = share === null || share >= 0;
    flag(el, "breach", share !== null && share < 0);
    const top = scaleTop(value.v, floor);
    const at = (v) => `${Math.max(0, Math.min(100, (v / top) * 100))}%`;
    fill.style.width = known(value.v) ? at(value.v) : "0";
    floorMark.hidden = !known(floor);
    setMark.hidden = !known(now.setpoint_m3s);
    if (known(floor)) {
      floorMark.style.left = at(floor);
      floorText.style.left = at(floor);
    }
    if (known(now.setpoint_m3s)) setMark.style.left = at(now.setpoint_m3s);
    text(high, flow(top));
    text(floorText, known(floor) ? `${t("floor")} ${flow(floor)}` : "");
    text(setText, known(now.setpoint_m3s) ? `▼ ${t("setpoint")} ${flow(now.setpoint_m3s)}` : "");
    for (const [stat, v] of [[day, now.day_mean_m3s], [hour, now.hour_mean_m3s]]) {
      renew(stat.value, flow(v), () => h("b", {}, flow(v)));
      flag(stat.value, "low", known(v) && known(floor) && v < floor);
    }
    const min = now.forecast_min;
    const hours = now.forecast.length ? Math.round(now.forecast.at(-1)[0]) : 0;
    text(least.el.firstChild, t("forecast_min", { h: hours || 48 }));
    const when = min ? (min[0] < 0.5 ? t("now") : moment(now_s + min[0] * 3600, now_s)) : "";
    renew(least.value, min ? `${flow(min[1])}|${when}` : t("no_forecast"), () => (min ? [h("b", {}, flow(min[1])), " ", h("small", {}, when)] : t("no_forecast")));
    flag(least.value, "low", min && known(floor) && min[1] < floor);
    // Both words stand beside the line of now, which divides the plot right of its axis (38 px).
    pastHead.style.width = `calc(38px + (100% - 44px) * ${24 / (24 + Math.max(hours, 0.5))})`;
    text(aheadHead, hours ? t("ahead", { h: hours }) : t("no_forecast"));
    trend.show(now, now_s);
  }
  return { el, update, past: trend.past, drop: trend.drop };
}

/** A round end of the bar that keeps floor and value on it. */
function scaleTop(value, floor) {
  const wanted = Math.max(2 * (known(floor) ? floor : 0), 1.15 * (known(value) ? value : 0), 0.1);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((m) => m * power).find((v) => v >= wanted - 1e-9);
}
