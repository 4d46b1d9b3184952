// One section with everything that reaches it: what flows, what is on its way, which gates matter and when, what binds.

import { flag, h, panel, renew, text } from "./dom.js";
import { flow, known, level, moment, percent, position, positionUnit, qualityText, showValue, signed, span, strokeOf } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { hrefOf, reachesOf } from "./nav.js";
import { gaugeAt, hoursBetween, kmOf, lineOf, short, sidesOf } from "./network.js";
import { buildPens } from "./pens.js";
import { because, limit, nameOf } from "./reasons.js";
import { sectionValue } from "./sections.js";

const GATE_PENS = 3;

/** What lies on the way down to a section, in order: gates, tributaries, intakes, gauges, each `{km, kind, …}`. */
function itemsOf(basin, line, end) {
  const items = [];
  const put = (km, kind, more) => {
    if (km !== null && km <= end + 1e-9) items.push({ km, kind, ...more });
  };
  basin.gates.forEach((gate, i) => {
    // Where its water joins the river counts, not where it is taken.
    const km = kmOf(basin, line, gate.to) ?? null;
    if (km !== null && (gate.from?.reservoir !== undefined || gate.from?.node !== undefined)) put(km, "gate", { gate: i, name: gate.name });
  });
  for (const side of sidesOf(basin, line)) put(side.km, side.kind, { name: side.name, sign: side.sign, read: side.read });
  for (const { i, km } of line.nodes) {
    const meter = gaugeAt(basin, [i]);
    if (meter >= 0) put(km, "gauge", { meter, name: basin.meters[meter].name });
  }
  const order = { gauge: 0, gate: 1, in: 2, out: 3 };
  return items.sort((a, b) => a.km - b.km || order[a.kind] - order[b.kind]);
}

export function buildReach(basin, id, { pick }) {
  const found = basin.sections.findIndex((section) => section.id === id);
  const i = found >= 0 ? found : basin.sections.indexOf(reachesOf(basin)[0]);
  const section = basin.sections[i];
  const river = basin.rivers.find((r) => r.id === section.river);
  const line = lineOf(basin, river);
  const end = kmOf(basin, line, section.at) ?? section.km ?? 0;
  const items = itemsOf(basin, line, end);
  const meter = basin.meters[section.meter];

  // What it is now
  const big = h("div", { class: "big", tid: "reach-flow" });
  const own = h("div", { class: "own", hidden: true });
  const quality = h("span", { class: "note" });
  const facts = h("dl", { class: "reach-facts" });
  const fact = (key) => {
    const value = h("dd", { tid: `reach-${key}` });
    facts.append(h("div", {}, h("dt", {}, t(key, { h: 48 })), value));
    return value;
  };
  const [margin, floor, setpoint, estimate, day, hour, least] = ["margin", "floor", "setpoint", "estimate", "day_mean", "hour_mean", "forecast_min"].map(fact);
  const now = panel("reach-now", named(section.name), [named(river?.name), known(section.km) ? `km ${section.km}` : ""].filter(Boolean).join(t("sep")), quality,
    h("div", { class: "reach-head" }, h("div", {}, big, own), facts),
    h("p", { class: "links-row" }, h("a", { href: hrefOf("meters", meter.id), tid: "to-meter" }, `${t("to_meter")}${t("colon")}${named(meter.name)}`)));

  // Trends
  const gates = items.filter((item) => item.kind === "gate" && basin.gates[item.gate].actuation === "driven" && basin.gates[item.gate].automatic && !basin.gates[item.gate].lock);
  const pens = buildPens({
    name: named(section.name),
    pens: [
      { series: `section:${section.id}`, name: named(section.name), unit: "m³/s", show: flow },
      ...gates.slice(0, GATE_PENS).map(({ gate }) => {
        const one = basin.gates[gate];
        const { unit, shut, open } = strokeOf(one);
        return { series: `gate:${one.id}`, name: named(one.name), unit, steps: true, scale: open - shut, offset: shut, show: (v) => `${v.toFixed(1)} ${unit}` };
      }),
    ],
    lines: (state) => {
      const s = state.sections[i];
      return [{ name: `${t("floor")} ${flow(s.floor_m3s)}`, value: s.floor_m3s }, { name: `${t("setpoint")} ${flow(s.setpoint_m3s)}`, value: s.setpoint_m3s }];
    },
    ahead: (state) => (state.sections[i].forecast.length ? { mid: state.sections[i].forecast, band: state.sections[i].forecast_band } : null),
  });
  const trend = panel("reach-trend", t("reach.trend"), t("reach.trend_note"), null, pens.el);

  // In order
  const rows = items.map((item) => {
    const value = h("td", { class: "n" });
    const at = h("td", { class: "n" });
    const arrives = h("td", {});
    const opens = item.kind === "gate";
    const label = opens ? h("button", { type: "button", class: "row-name", tid: `reach-gate-${basin.gates[item.gate].id}`, on: { click: () => pick(item.gate) } }, named(item.name))
      : item.kind === "gauge" ? h("a", { href: hrefOf("meters", basin.meters[item.meter].id) }, named(item.name)) : named(item.name);
    const el = h("tr", { class: `row-${item.kind}` }, h("td", { class: "n" }, item.km.toFixed(1)), h("td", {}, t(`reach.kind.${item.kind}`)), h("th", { scope: "row" }, label), at, value, arrives);
    return { item, el, value, at, arrives };
  });
  const heads = ["km", "what", "name", "position", "flow", "arrives"];
  const ordered = panel("reach-order", t("reach.order"), t("reach.order_note"), null,
    h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("reach.order") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, heads.map((key) => h("th", { scope: "col", class: ["km", "position", "flow"].includes(key) ? "n" : "" }, t(`reach.${key}`))))), h("tbody", {}, rows.map((row) => row.el)))));

  // What binds, what is on its way, what does not add up
  const slack = h("tbody", {});
  const bound = panel("reach-slack", t("reach.slack"), t("reach.slack_note"), null,
    h("div", { class: "table-host" }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("reach.limit")), h("th", { scope: "col", class: "n" }, t("reach.is")), h("th", { scope: "col", class: "n" }, t("reach.bound")), h("th", { scope: "col", class: "n" }, t("reach.room")))), slack)));
  const cause = h("p", { class: "quiet", tid: "reach-because" });
  bound.append(cause);
  const transit = h("ul", { class: "plain-list", tid: "reach-transit" });
  const way = panel("reach-transit-panel", t("transit"), null, null, transit);
  const residual = h("tbody", {});
  const promise = h("p", { class: "quiet" });
  const balance = panel("reach-balance", t("reach.balance"), t("reach.balance_note"), null,
    h("table", { class: "rows" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("reach.foot")), ["unexplained", "lasting", "missed"].map((key) => h("th", { scope: "col", class: "n" }, t(`reach.${key}`))))), residual), promise);

  const els = [h("div", { class: "reach-left" }, now, trend, ordered), h("div", { class: "reach-right" }, bound, way, balance)];

  /** Hours of the wave from a place on the line to the section. */
  function hoursTo(state, km) {
    const nodes = line.nodes.filter((node) => node.km <= end + 1e-9);
    let sum = 0;
    for (let k = nodes.length - 1; k > 0; k -= 1) {
      const [from, to] = [nodes[k - 1], nodes[k]];
      const hours = hoursBetween(basin, state, from.i, to.i);
      if (km >= to.km) break;
      const part = km <= from.km ? 1 : (to.km - km) / Math.max(to.km - from.km, 1e-9);
      sum += hours * part;
    }
    return sum;
  }

  function limits(state) {
    const s = state.sections[i];
    const value = sectionValue(s).v;
    const list = [];
    const put = (name, is, bounds, show, unit, low = true) => {
      if (!known(is) || !known(bounds)) return;
      const room = low ? is - bounds : bounds - is;
      list.push({ name, is: `${show(is)} ${unit}`, bounds: `${low ? "≥" : "≤"} ${show(bounds)} ${unit}`, room: `${signed(room, show)} ${unit}`, share: room / Math.max(Math.abs(bounds), 1e-6), short: room < 0 });
    };
    put(t("reach.floor_now"), value, s.floor_m3s, flow, "m³/s");
    put(t("reach.setpoint_now"), value, s.setpoint_m3s, flow, "m³/s");
    if (s.forecast_min) put(`${t("reach.floor_ahead")} (${moment(state.utc_ms / 1000 + s.forecast_min[0] * 3600, state.utc_ms / 1000)})`, s.forecast_min[1], s.floor_m3s, flow, "m³/s");
    put(t("reach.floor_day"), s.day_mean_m3s, s.floor_m3s, flow, "m³/s");
    for (const release of state.release) {
      const body = basin.reservoirs[release.reservoir];
      if (kmOf(basin, line, { reservoir: release.reservoir }) === null && !feeds(release.reservoir)) continue;
      put(`${named(body.name)}${t("sep")}${t("reach.siren")}`, release.actual.v, basin.control.siren_above_m3s, flow, "m³/s", false);
      const z = known(body.level_meter) ? state.meters[body.level_meter].v : null;
      put(`${named(body.name)}${t("sep")}${t("to_dead")}`, z, body.dead_level_m, level, "m");
      put(`${named(body.name)}${t("sep")}${t("to_limit")}`, z, state.flood_limits_m[release.reservoir], level, "m", false);
    }
    for (const { gate } of gates) {
      const [one, g] = [basin.gates[gate], state.gates[gate]];
      if (!known(g.opening)) continue;
      const [low, high] = g.permitted;
      const why = g.permitted_by.map((found) => (found ? limit(basin, found, one) : ""));
      const { unit, shut, open } = strokeOf(one);
      // No sign before a zero; a gate that stands beyond has no way to go there.
      const way = (sign, share) => {
        const text = (Math.max(0, share) * Math.abs(open - shut)).toFixed(1);
        return Number(text) === 0 ? text : `${sign}${text}`;
      };
      list.push({ name: named(one.name), is: positionUnit(one, g.opening), bounds: low <= high ? `${position(one, low)}–${positionUnit(one, high)}` : t("limit.conflict"),
        room: low <= high ? `${way("−", g.opening - low)} / ${way("+", high - g.opening)} ${unit}` : "–", why: [...new Set(why.filter(Boolean))].join("；"), share: 10 + Math.min(g.opening - low, high - g.opening), short: low > high });
    }
    return list.sort((a, b) => a.share - b.share);
  }

  const feeds = (reservoir) => gates.some(({ gate }) => basin.gates[gate].from?.reservoir === reservoir);

  function update(state, ctx) {
    const s = state.sections[i];
    const now_s = state.utc_ms / 1000;
    const value = sectionValue(s);
    showValue(big, value, ctx.clock);
    text(quality, qualityText(s.reading, state.at));
    own.hidden = value.measured || (!known(s.reading.v) && !known(s.reading.last));
    if (!own.hidden) {
      renew(own, `own${lang()}`, () => [h("span", {}, t("meter_says")), h("span", { class: "own-value" })]);
      showValue(own.lastChild, s.reading, ctx.clock);
    }
    const share = known(value.v) && known(s.floor_m3s) && s.floor_m3s > 0 ? (value.v - s.floor_m3s) / s.floor_m3s : null;
    flag(now, "breach", share !== null && share < 0);
    text(margin, percent(share));
    const plain = (el, v) => renew(el, `${flow(v)}|${lang()}`, () => [h("b", {}, flow(v)), known(v) ? h("small", {}, " m³/s") : ""]);
    plain(floor, s.floor_m3s);
    plain(setpoint, s.setpoint_m3s);
    showValue(estimate, s.estimate, ctx.clock);
    plain(day, s.day_mean_m3s);
    plain(hour, s.hour_mean_m3s);
    renew(least, JSON.stringify([s.forecast_min, lang(), Math.floor(now_s / 600)]), () => (s.forecast_min ? [h("b", {}, flow(s.forecast_min[1])), h("small", {}, ` ${s.forecast_min[0] < 0.5 ? t("now") : moment(now_s + s.forecast_min[0] * 3600, now_s)}`)] : t("no_forecast")));
    pens.update(state);

    for (const row of rows) {
      const { item } = row;
      const hours = hoursTo(state, item.km);
      text(row.arrives, end - item.km < 0.05 ? t("arrives_at_once") : `${hours.toFixed(hours < 10 ? 1 : 0)} h ${t("sep")}${moment(now_s + hours * 3600, now_s)}`);
      if (item.kind === "gate") {
        const g = state.gates[item.gate];
        showValue(row.value, g.flow, ctx.clock, { unit: "" });
        const one = basin.gates[item.gate];
        text(row.at, known(g.opening) ? positionUnit(one, g.opening) : "–");
      } else if (item.kind === "gauge") showValue(row.value, state.meters[item.meter], ctx.clock, { unit: "" });
      else showValue(row.value, item.read(state), ctx.clock, { unit: "", show: (v) => signed(item.sign * v) });
    }

    const list = limits(state);
    renew(slack, JSON.stringify([list, lang()]), () => list.map((one) => h("tr", { class: one.short ? "short" : "", title: one.why || null },
      h("th", { scope: "row" }, one.name, one.why ? h("small", { class: "why-line" }, one.why) : ""), h("td", { class: "n" }, one.is), h("td", { class: "n" }, one.bounds), h("td", { class: "n" }, h("b", {}, one.short ? `▼ ${one.room}` : one.room)))));
    const decided = state.release.filter((release) => feeds(release.reservoir));
    renew(cause, JSON.stringify([decided, lang()]), () => decided.map((release) => `${nameOf(basin.reservoirs, release.reservoir)} ${t("release")} ${flow(release.target_m3s)} m³/s${t("colon")}${release.because.map((c) => because(basin, c)).join("；")}`).join(" "));

    const mine = state.transit.filter((move) => move.to === i);
    renew(transit, JSON.stringify([mine.map((move) => [move.id, move.change_m3s, move.arrives_in_h.map((v) => Math.round(v * 6))]), lang(), Math.floor(now_s / 300)]), () => (mine.length === 0 ? h("li", { class: "quiet" }, t("no_transit")) : mine.map((move) => {
      const [from, to] = move.arrives_in_h.map((hours) => now_s + hours * 3600);
      return h("li", {}, h("b", { class: "live" }, `${signed(move.change_m3s)} m³/s`), h("span", { class: "progress", role: "img", "aria-label": `${Math.round(move.progress * 100)} %` }, bar(move.progress)), h("span", {}, span(from, to, now_s)));
    })));
    renew(residual, JSON.stringify([s.balance, lang()]), () => (s.balance.length === 0 ? h("tr", {}, h("td", { colspan: 4, class: "quiet" }, t("reach.no_balance"))) : s.balance.map((one) => h("tr", {},
      h("th", { scope: "row" }, short(named(basin.meters[one.foot].name))), h("td", { class: "n" }, h("b", { class: "live" }, one.primed ? signed(one.unexplained_m3s) : "–")), h("td", { class: "n" }, one.primed ? signed(one.lasting_m3s) : "–"), h("td", { class: "n" }, one.primed ? `±${flow(one.error_m3s)}` : "–")))));
    text(promise, known(s.promise_error_m3s) ? t("reach.promise", { v: flow(s.promise_error_m3s) }) : "");
  }
  return { els, update, drop: () => pens.drop() };
}

function bar(share) {
  const fill = h("i", { class: "fill" });
  fill.style.width = `${Math.max(0, Math.min(100, share * 100))}%`;
  return h("span", { class: "bar" }, fill);
}
