// Pollution incidents: where the water of a marked point goes and when, and what to shut; what the dam releases for it is a ticket on
// the faceplate of its gate.

import { buildAdvice } from "./advice.js";
import { askFirst, lineInput } from "./confirm.js";
import { h, panel, renew } from "./dom.js";
import { flow, known, moment, percent, who } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { arrives, elementName } from "./reasons.js";

const word = (key, values) => t(`incident.${key}`, values);
const ARRIVAL_COLUMNS = ["where", "first", "peak", "over", "share", "mg_l", "call"];

export function buildIncident(basin, { pick, state: newest }) {
  const list = h("div", { tid: "incidents" });
  const advice = buildAdvice(basin, pick);
  const el = panel("incident-panel", word("title"), word("note"), h("button", { type: "button", class: "command primary", tid: "incident-open", on: { click: openForm } }, `${word("open")}…`), advice.el, list);
  const rivers = basin.reaches.filter((reach) => reach.kind === "river");

  function openForm() {
    const { utc_ms, offset_s } = newest();
    const local = new Date(utc_ms + offset_s * 1000).toISOString().slice(0, 16);
    const number = (key, props) => h("input", { type: "number", min: "0", step: "any", tid: `incident-${key}`, ...props });
    const reach = h("select", { tid: "incident-reach" }, rivers.map((one) => h("option", { value: one.id }, `${named(one.name)} ${one.length_km} km`)));
    const [km, lasts, mass, limit] = [number("km", { value: "0", required: true }), number("lasts", { min: "1", max: "10080", step: "1", value: "60", required: true }), number("mass"), number("limit")];
    const when = h("input", { type: "datetime-local", value: local, max: local, required: true, tid: "incident-when" });
    const what = lineInput("incident-what", "");
    const value = (field) => (field.value === "" ? null : Number(field.value));
    askFirst(word("open"), "incident", [[word("reach"), reach], ["km", km], [word("when"), when], [word("lasts"), lasts], [word("what"), what], [word("mass"), mass], [word("limit"), limit]],
      () => ({ order: "open_incident", reach: reach.value, km: value(km), happened_s: Date.parse(`${when.value}:00Z`) / 1000 - offset_s, lasts_min: value(lasts), what: what.value.trim(), mass_kg: value(mass), limit_mg_l: value(limit) }),
      (order) => `${named(rivers.find((one) => one.id === order.reach).name)} km ${order.km}${t("sep")}${order.what}${t("sep")}${word("open_about")}`);
  }

  function closeForm(one) {
    const reason = lineInput("incident-reason");
    askFirst(word("close"), "incident", [[t("reason"), reason]], () => ({ order: "close_incident", incident: one.id, reason: reason.value.trim() }), (order) => `${word("close_about", { gates: taken(one) })} ${order.reason}`);
  }

  const taken = (one) => one.taken.map((id) => elementName(basin, id)).join(t("comma")) || "–";

  function row(arrival, now_s) {
    const time = (s) => (known(s) ? moment(s, now_s) : "–");
    const isKnown = known(arrival.first_s);
    const state = isKnown && now_s > arrival.over_s ? word("passed") : arrives(isKnown ? (arrival.first_s - now_s) / 3600 : null);
    const whom = [basin.intakes, basin.wetlands, basin.sections, basin.gates].flat().find((one) => one.id === arrival.element)?.responsible;
    const cells = [time(arrival.first_s), arrival.peak_s?.map(time).join(" – ") ?? "–", time(arrival.over_s), known(arrival.share) ? percent(arrival.share).replace("+", "") : "–", known(arrival.peak_mg_l) ? arrival.peak_mg_l.toPrecision(2) : "–", whom ? `${named(whom.unit)} ${whom.person}` : ""];
    return h("tr", { tid: `arrival-${arrival.element}` }, h("th", { scope: "row" }, elementName(basin, arrival.element), " ", h("small", {}, state)), cells.map((cell) => h("td", {}, cell)));
  }

  function incident(one, now_s) {
    const { dilution } = one;
    const facts = [named(basin.reaches.find((found) => found.id === one.reach)?.name), `km ${one.km}`, moment(one.happened_s, now_s), `${one.lasts_min} min`, known(one.mass_kg) && `${one.mass_kg} kg`, known(one.limit_mg_l) && `≤ ${one.limit_mg_l} mg/L`, who(`operator:${one.by}`)].filter(Boolean);
    return h("article", { tid: `incident-${one.id}` }, h("h3", {}, `${one.id}${t("sep")}${one.what}`), h("p", { class: "quiet" }, facts.join(t("sep"))),
      h("div", { class: "row" }, dilution && h("button", { type: "button", tid: `incident-dam-${one.id}`, on: { click: () => pick(dilution.gate) } }, word("dam", { now: flow(dilution.hold_m3s), flow: flow(dilution.dilute_m3s) })), h("button", { type: "button", class: "command", tid: `incident-close-${one.id}`, on: { click: () => closeForm(one) } }, `${word("close")}…`), h("a", { href: `/api/v1/incident-log?incident=${one.id}`, download: true, tid: `incident-log-${one.id}` }, "CSV")),
      one.taken.length > 0 && h("p", {}, word("taken", { gates: taken(one) })),
      h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": word("title") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ARRIVAL_COLUMNS.map((key) => h("th", { scope: "col" }, word(key))))), h("tbody", {}, one.arrivals.map((arrival) => row(arrival, now_s))))));
  }

  return { els: [el], update(state, ctx) {
    const now_s = state.utc_ms / 1000;
    renew(list, JSON.stringify([state.incidents, Math.floor(now_s / 60), lang()]), () => (state.incidents.length === 0 ? h("p", { class: "quiet" }, word("none")) : state.incidents.map((one) => incident(one, now_s))));
    advice.update(state, ctx);
  } };
}
