// Numbers, times and the grammar of values: a number is never alone, and never plain when it is not good.

import { h, renew } from "./dom.js";
import { has, lang, t } from "./i18n.js";

/** Zone of the site and its offset now, set once the basin and the state are known. */
const site = { zone: null, offset_s: 0, formats: new Map() };

export function setSite(zone, offset_s) {
  site.zone = zone;
  site.offset_s = offset_s;
}

/** Civil date and time at the site of a Unix time. */
export function civil(utc_s) {
  if (!site.zone) {
    const d = new Date((utc_s + site.offset_s) * 1000);
    const [date, time] = d.toISOString().split("T");
    return { date, md: date.slice(5), time: time.slice(0, 8), hm: time.slice(0, 5), weekday: d.getUTCDay() };
  }
  if (!site.formats.has(site.zone)) {
    const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", weekday: "short" };
    site.formats.set(site.zone, new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: site.zone, hourCycle: "h23" }));
  }
  const p = Object.fromEntries(site.formats.get(site.zone).formatToParts(new Date(utc_s * 1000)).map((x) => [x.type, x.value]));
  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  return { date: `${p.year}-${p.month}-${p.day}`, md: `${p.month}-${p.day}`, time: `${p.hour}:${p.minute}:${p.second}`,
    hm: `${p.hour}:${p.minute}`, weekday: days.indexOf(p.weekday) };
}

export function weekday(index) {
  const names = lang() === "zh" ? ["周日", "周一", "周二", "周三", "周四", "周五", "周六"] : ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  return names[index] || "";
}

/** `18:10` today, `05-19 18:10` on another day. */
export function moment(utc_s, now_s) {
  const at = civil(utc_s);
  return at.date === civil(now_s).date ? at.hm : `${at.md} ${at.hm}`;
}

/** `18:10–21:40`, the second date only where it differs. */
export function span(from_s, to_s, now_s) {
  const same = civil(from_s).date === civil(to_s).date;
  return `${moment(from_s, now_s)}–${same ? civil(to_s).hm : moment(to_s, now_s)}`;
}

/** Offset of the site as `+08:00`. */
export function offset() {
  const minutes = Math.round(Math.abs(site.offset_s) / 60);
  const two = (n) => String(n).padStart(2, "0");
  return `${site.offset_s < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** An age or duration in the largest unit that keeps it below 120: `4 s`, `12 min`, `5 h`, `3 d`. */
export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function fixed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  // No minus before a zero.
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** Flow: two decimals below 10, one below 100, none above. */
export function flow(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  return fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

export function level(value) {
  return known(value) ? fixed(value, 2) : "–";
}

/** With its sign, also when positive. */
export function signed(value, show = flow) {
  if (!known(value)) return "–";
  const text = show(value);
  return value > 0 && !/^0(\.0+)?$/.test(text) ? `+${text}` : text;
}

/** A share as whole per cent with sign. */
export function percent(share) {
  return known(share) ? `${signed(share * 100, (v) => fixed(v, 0))} %` : "–";
}

/** Volume in the unit people say: 亿 m³ and 万 m³ in Chinese, million m³ in English. */
export function volume(m3) {
  if (!known(m3)) return "–";
  if (lang() === "zh") return m3 >= 1e8 ? `${(m3 / 1e8).toFixed(3)} 亿 m³` : `${(m3 / 1e4).toFixed(m3 < 1e6 ? 1 : 0)} 万 m³`;
  return m3 >= 1e6 ? `${(m3 / 1e6).toFixed(m3 >= 1e8 ? 1 : 2)} M m³` : `${Math.round(m3)} m³`;
}

/** How positions of a gate are shown: millimetres as centimetres. */
export function strokeOf(gate) {
  const { unit, shut_at, open_at } = gate.stroke;
  const scale = unit === "mm" ? 0.1 : 1;
  return { unit: unit === "mm" ? "cm" : unit === "deg" ? "°" : unit, shut: shut_at * scale, open: open_at * scale, scale };
}

/** An opening (0..1) as position in the gate's unit, without it. */
export function position(gate, opening) {
  if (!known(opening)) return "–";
  const { shut, open } = strokeOf(gate);
  return fixed(shut + opening * (open - shut), 1);
}

/** The same with its unit. */
export function positionUnit(gate, opening) {
  const { unit } = strokeOf(gate);
  return `${position(gate, opening)}${unit === "°" ? "" : " "}${unit}`;
}

/** Why a value is not good, in words. */
export function reason(r) {
  if (r === null || r === undefined) return "";
  if (typeof r === "object") return t("why_bad.exception", { code: Object.values(r)[0] });
  return has(`why_bad.${r}`) ? t(`why_bad.${r}`) : String(r);
}

/** `好 · 4 s`, `过期 · 22 min · 超过 3 次扫描未更新`. */
export function qualityText(reading, at) {
  const parts = [t(`quality.${reading.q || "bad"}`)];
  if (known(reading.at)) parts.push(age(at - reading.at));
  if (reading.r && reading.q !== "good") parts.push(reason(reading.r));
  return parts.join(t("sep"));
}

/**
 * Shows `reading` ({v, q, r, at, last} or {v, q, r}) in `el`:
 * good plain, substituted with `est`, stale hatched with its age, suspect outlined with `?`, bad as a dash with the
 * last good number small. `clock` is {at, utc_s} of the state.
 */
export function showValue(el, reading, clock, { show = flow, unit = "m³/s", scale = 1 } = {}) {
  const r = reading || {};
  const q = r.q || "bad";
  const number = known(r.v) ? show(r.v * scale) : null;
  const old = known(r.at) ? age(clock.at - r.at) : null;
  const last = number === null && known(r.last) ? show(r.last * scale) : null;
  const when = last !== null && known(r.at) ? moment(clock.utc_s - (clock.at - r.at), clock.utc_s) : null;
  const tag = { substituted: r.r === "manual" ? "manual" : "substituted", simulated: "simulated" }[q];
  const key = [number, q, q === "stale" ? old : "", r.r && q !== "good" ? JSON.stringify(r.r) : "", last, when, unit, lang()].join("|");
  el.classList.add("val");
  el.dataset.q = number === null ? "bad" : q;
  renew(el, key, () => {
    el.title = q === "good" ? "" : qualityText(r, clock.at);
    const kids = [h("b", {}, number === null ? "—" : number)];
    if (q === "suspect" && number !== null) kids.push(h("i", { class: "tag" }, "?"));
    if (unit) kids.push(h("span", { class: "unit" }, unit));
    if (tag && number !== null) kids.push(h("i", { class: "tag" }, t(`tag.${tag}`)));
    if (q === "stale" && number !== null && old) kids.push(h("strong", { class: "age" }, old));
    if (number === null) kids.push(h("small", {}, last === null ? t("never") : `(${when ? t("last_at", { v: last, when }) : last})`));
    return kids;
  });
}

/** Who did it, in words. */
export function who(actor) {
  const name = String(actor || "").replace(/^operator:/, "");
  return has(`actor.${name}`) ? t(`actor.${name}`) : name;
}
