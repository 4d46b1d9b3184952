// Causes, limits and ends of commands in words. Elements come by position from the state, by identifier from the log.

import { age, flow, known, level, percent, positionUnit, signed, who } from "./format.js";
import { has, named, t } from "./i18n.js";

const withUnit = (v) => (known(v) ? `${flow(v)} m³/s` : "–");
const share = (v) => (known(v) ? `${(v * 100).toFixed(1)} %` : "–");
const change = (v) => (known(v) ? `${signed(v)} m³/s` : "–");

/** Name of an element of a list of the basin, by position or identifier. */
export function nameOf(list, ref) {
  const found = typeof ref === "number" ? list[ref] : list.find((element) => element.id === ref);
  return found ? named(found.name) : String(ref ?? "–");
}

/** Name of whatever an identifier means; a wetland may have that of its pond, and goes before it, as in reports. */
export function elementName(basin, id) {
  if (!id) return "";
  for (const list of [basin.gates, basin.sections, basin.meters, basin.intakes, basin.wetlands, basin.reservoirs, basin.stations, basin.transfers]) {
    const found = list.find((element) => element.id === id);
    if (found) return named(found.name);
  }
  return id;
}

/** When polluted water arrives, of hours from now. */
export function arrives(hours) {
  return !known(hours) ? t("incident.unknown") : hours > 0 ? t("incident.in_h", { h: hours.toFixed(1) }) : t("incident.here");
}

/** A cause as a sentence. */
export function because(basin, cause) {
  const c = cause || {};
  const key = `reasons_text.${c.because}`;
  if (!has(key)) return String(c.because || "–");
  return t(key, {
    section: nameOf(basin.sections, c.section), unit: nameOf(basin.gates, c.unit), intake: nameOf(basin.intakes, c.intake),
    need: withUnit(c.need), setpoint: withUnit(c.setpoint), inflow: withUnit(c.inflow), intakes: withUnit(c.intakes), losses: withUnit(c.losses),
    lag: known(c.lag_h) ? c.lag_h.toFixed(c.lag_h < 10 ? 1 : 0) : "–", lost: withUnit(c.lost), error: change(c.error), flow: withUnit(c.flow), owed: withUnit(c.owed), comes: withUnit(c.comes),
    left: known(c.hours_left) ? c.hours_left.toFixed(c.hours_left < 10 ? 1 : 0) : "–",
    level: `${level(c.level_m)} m`, target: `${level(c.target_m)} m`, asked: withUnit(c.asked), entry: c.entry, by: c.order ? ` (${c.order})` : "", who: who(c.who), reason: c.reason, change: change(c.change), margin: percent(c.margin),
    at: share(c.at), to: share(c.to), incident: c.incident, ticket: c.ticket, arrives: arrives(c.arrives_h),
  });
}

/** A limit as a phrase; openings in the unit of `gate`. */
export function limit(basin, found, gate) {
  const l = found || {};
  const key = `limit.${l.limit}`;
  if (!has(key)) return String(l.limit || "–");
  const at = (opening) => (gate && known(opening) ? positionUnit(gate, opening) : known(opening) ? `${(opening * 100).toFixed(1)} %` : "–");
  return t(key, {
    lowest: at(l.lowest), highest: at(l.highest), opening: at(l.opening), section: nameOf(basin.sections, l.section), meter: nameOf(basin.meters, l.meter),
    flow: withUnit(l.flow), owed: withUnit(l.owed), per_hour: l.per_hour, left: known(l.left_s) ? age(l.left_s) : "–",
  });
}

/** How a command ended: `{key, words}`; `key` is open while it runs. */
export function outcome(end) {
  if (!end || !end.state) return { key: "open", words: t("outcome.open") };
  const words = t(`outcome.${end.state}`);
  return { key: end.state, words: end.why ? `${words} · ${t(`fail.${end.why}`)}` : words };
}

/** Sign that goes with an end, so that words and shape say the same. */
export function outcomeSign(key) {
  return { verified: "✓", taken: "✓", open: "…", failed: "✗", refused: "✗", expired: "–", superseded: "–", abandoned: "–" }[key] || "–";
}
