// Meters: can this reading be trusted. All of them in a list; one in full, from its register to what control makes of it.

import { load } from "./api.js";
import { askFirst, lineInput, openDialog } from "./confirm.js";
import { flag, h, panel, renew, text } from "./dom.js";
import { age, civil, flow, known, level, moment, qualityText, showValue, who } from "./format.js";
import { elementName } from "./reasons.js";
import { lang, named, t } from "./i18n.js";
import { hrefOf } from "./nav.js";
import { buildPens } from "./pens.js";
import { sectionValue } from "./sections.js";

/** How long an entered reading may stand, min; the service takes no more than the last. */
const STAND_MINUTES = [30, 60, 120, 240];

const shownAs = (meter) => (meter.kind === "level" ? level : meter.kind === "rain" ? (v) => v.toFixed(1) : flow);
/** Reason of a reading that says which check it failed. */
const FAILED = { never_read: "reply", comm_error: "reply", exception: "reply", wrong_device: "reply", sentinel: "sentinel", config_error: "reply", out_of_range: "range", rate: "rate", frozen: "frozen", disagree: "twin", stale: "fresh", no_rating: "rating", rating_void: "rating", below_rating: "rating", above_rating: "rating" };

export function buildMeters(basin, id) {
  const at = basin.meters.findIndex((meter) => meter.id === id);
  return at < 0 ? listOf(basin) : oneOf(basin, at);
}

function where(basin, meter) {
  const place = meter.at;
  if (place?.node !== undefined) return named(basin.nodes[place.node].name);
  if (place?.reservoir !== undefined) return named(basin.reservoirs[place.reservoir].name);
  if (place?.reach !== undefined) return `${named(basin.reaches[place.reach].name)} km ${place.km.toFixed(1)}`;
  if (place?.wetland !== undefined) return named(basin.wetlands[place.wetland].name);
  return meter.of.map((element) => elementName(basin, element)).join(t("sep"));
}

function listOf(basin) {
  const search = h("input", { type: "search", tid: "meter-search", placeholder: t("meters.search"), "aria-label": t("meters.search"), on: { input: () => sift() } });
  const only = h("input", { type: "checkbox", tid: "meter-not-good", on: { change: () => sift() } });
  const sum = h("span", { class: "note", tid: "meters-sum" });
  const rows = basin.meters.map((meter) => {
    const value = h("td", { class: "n" });
    const quality = h("td", {});
    const el = h("tr", { tid: `meter-row-${meter.id}` }, h("th", { scope: "row" }, h("a", { href: hrefOf("meters", meter.id) }, named(meter.name)), h("small", {}, ` ${meter.id}`)), h("td", {}, t(`meters.kind.${meter.kind}`)), h("td", {}, where(basin, meter)), value, quality);
    return { meter, el, value, quality, good: true };
  });
  let key = "";
  function sift() {
    const words = search.value.trim().toLowerCase();
    for (const row of rows) row.el.hidden = (only.checked && row.good) || (words !== "" && !`${row.meter.id} ${named(row.meter.name)} ${where(basin, row.meter)}`.toLowerCase().includes(words));
  }
  const el = panel("meters-list", t("meters.title"), t("meters.note"), sum, h("div", { class: "filters", role: "search" }, search, h("label", { class: "check" }, only, t("meters.not_good"))),
    h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("meters.title") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["name", "kind_word", "place", "value", "quality"].map((word) => h("th", { scope: "col", class: word === "value" ? "n" : "" }, t(`meters.${word}`))))), h("tbody", {}, rows.map((row) => row.el)))));
  return { els: [el], update(state, ctx) {
    let good = 0;
    rows.forEach((row, i) => {
      const reading = state.meters[i];
      showValue(row.value, reading, ctx.clock, { show: shownAs(row.meter), unit: row.meter.unit });
      text(row.quality, qualityText(reading, state.at));
      row.good = ["good", "simulated"].includes(reading.q);
      good += Number(row.good);
      flag(row.el, "not-good", !row.good);
    });
    text(sum, t("data_good", { good, total: rows.length }));
    const next = rows.map((row) => row.good).join();
    if (next !== key) {
      key = next;
      sift();
    }
  }, drop() {} };
}

function oneOf(basin, at) {
  const meter = basin.meters[at];
  const show = shownAs(meter);
  const big = h("div", { class: "big", tid: "meter-value" });
  const quality = h("span", { class: "note", tid: "meter-quality" });
  const facts = h("dl", { class: "reach-facts" });
  const fact = (key, tid) => {
    const value = h("dd", { tid });
    facts.append(h("div", {}, h("dt", {}, t(`meters.${key}`)), value));
    return value;
  };
  const raw = fact("raw", "meter-raw");
  const scaling = fact("scaling");
  const register = fact("register", "meter-register");
  const device = fact("device");
  const lastGood = fact("last_good", "meter-last");
  const accuracy = fact("accuracy");
  const charge = fact("responsible_word");
  text(accuracy, [meter.accuracy > 0 ? `±${+(meter.accuracy * 100).toFixed(1)} %` : "", meter.accuracy_abs > 0 ? `±${meter.accuracy_abs} ${meter.unit}` : "", t(`meters.principles.${meter.principle}`).replace(/^meters\.principles\./, "")].filter(Boolean).join(t("sep")));
  text(charge, `${named(meter.responsible.unit)}${t("sep")}${meter.responsible.person}`);
  const now = panel("meter-now", named(meter.name), `${meter.id}${t("sep")}${where(basin, meter)}`, quality, h("div", { class: "reach-head" }, big, facts));
  const used = h("p", { class: "substitution", tid: "meter-substitution" });
  const entry = h("p", { class: "note", tid: "meter-entered", hidden: true });
  const enter = h("button", { type: "button", class: "command", tid: "meter-enter", on: { click: () => enterDialog() } }, t("meters.enter_button"));
  const withdraw = h("button", { type: "button", class: "command", tid: "meter-withdraw", hidden: true, on: { click: () =>
    openDialog(`${t("meters.withdraw")}${t("colon")}${named(meter.name)}`, { order: "withdraw", meter: meter.id }, { about: t("meters.withdraw_about"), what: t("meters.withdraw") }) } }, t("meters.withdraw_button"));
  const checks = h("ul", { class: "checks", tid: "meter-checks" });
  const checkPanel = panel("meter-checks-panel", t("meters.checks"), t("meters.checks_note"), null, checks, h("h3", { class: "sub" }, t("meters.substitution")), used, entry, h("div", { class: "row" }, enter, withdraw));
  const strip = h("div", { class: "quality-strip", role: "img", "aria-label": t("meters.history"), tid: "quality-strip" });
  const legend = h("ul", { class: "legend" }, ["good", "stale", "suspect", "bad"].map((q) => h("li", {}, h("i", { class: `q-${q}` }), t(`quality.${q}`))));
  const runs = h("tbody", {});
  const qualities = panel("meter-history", t("meters.history"), t("meters.history_note"), null, strip, h("div", { class: "strip-scale" }, h("span", {}, "−24 h"), h("span", {}, "−12 h"), h("span", {}, t("now"))), legend,
    h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("meters.history") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["since", "lasted", "quality", "value"].map((key) => h("th", { scope: "col", class: key === "value" || key === "lasted" ? "n" : "" }, t(`meters.${key}`))))), runs)));
  const pens = buildPens({ name: named(meter.name), pens: [{ series: `meter:${meter.id}`, name: named(meter.name), unit: meter.unit, show }], lines: limitsOf });
  const trend = panel("meter-trend", t("meters.trend"), null, null, pens.el);
  let about = null;
  let asked = -Infinity;
  let over = false;

  function limitsOf(state) {
    const section = basin.sections.findIndex((one) => one.meter === at);
    return section >= 0 ? [{ name: `${t("floor")} ${flow(state.sections[section].floor_m3s)}`, value: state.sections[section].floor_m3s }] : [];
  }

  async function ask() {
    asked = performance.now();
    try {
      about = await load(`/api/v1/meters/${encodeURIComponent(meter.id)}`);
    } catch {
      // Asked again with the next look; what is static stays a dash until then.
    }
  }

  function update(state, ctx) {
    const reading = state.meters[at];
    const now_s = state.utc_ms / 1000;
    showValue(big, reading, ctx.clock, { show, unit: meter.unit });
    text(quality, qualityText(reading, state.at));
    const when = known(reading.at) ? `${moment(now_s - (state.at - reading.at), now_s)} (${age(state.at - reading.at)})` : t("never");
    text(lastGood, known(reading.v) || known(reading.last) ? `${show(known(reading.v) ? reading.v : reading.last)} ${meter.unit}${t("sep")}${when}` : when);
    const p = about?.point;
    const seen = known(reading.v) ? reading.v : reading.last;
    text(raw, p && known(seen) && p.scale ? `${+((seen - p.offset) / p.scale).toFixed(p.type.startsWith("f") ? 4 : 0)}` : about?.derived ? t("meters.derived") : "–");
    text(scaling, p ? `× ${p.scale}${p.offset ? ` ${p.offset > 0 ? "+" : "−"} ${Math.abs(p.offset)}` : ""} → ${p.unit || meter.unit}` : "–");
    text(register, p ? `${p.table} ${p.address}${t("sep")}${p.type}${["u16", "i16", "bit"].includes(p.type) ? "" : ` ${p.order}`}` : "–");
    text(device, about?.device ? `${named(about.device.name)}${t("sep")}${about.device.id}${t("sep")}${t("links.unit")} ${about.device.unit}` : "–");
    checkList(state, reading);
    substitution(state, reading, ctx);
    const stands = state.entered.find((one) => one.meter === at);
    entry.hidden = withdraw.hidden = !stands;
    if (stands) text(entry, t("meters.entered_line", { value: `${show(stands.value)} ${meter.unit}`, who: who(stands.by), at: moment(stands.at_s, now_s), until: moment(stands.until_s, now_s), reason: stands.reason }));
    drawQualities(now_s);
    pens.update(state);
    if (performance.now() - asked > (about ? 30000 : 3000)) ask();
  }

  function enterDialog() {
    const value = h("input", { type: "number", step: "any", required: true, tid: "enter-value", ...(about && known(about.min) ? { min: about.min } : {}), ...(about && known(about.max) ? { max: about.max } : {}) });
    const minutes = h("select", { tid: "enter-minutes" }, STAND_MINUTES.map((m) => h("option", { value: m, selected: m === 60 }, m < 60 ? `${m} min` : `${m / 60} h`)));
    const reason = lineInput("enter-reason", t("meters.enter_reason"));
    askFirst(`${t("meters.enter")}${t("colon")}${named(meter.name)}`, "enter", [[`${t("meters.value")}, ${meter.unit}`, value], [t("meters.enter_for"), minutes], [t("reason"), reason]],
      () => ({ order: "enter", meter: meter.id, value: Number(value.value), minutes: Number(minutes.value), reason: reason.value.trim() }),
      (order) => t("meters.enter_about", { value: `${show(order.value)} ${meter.unit}`, for: minutes.selectedOptions[0].textContent, reason: order.reason }));
  }

  function checkList(state, reading) {
    if (!about) return;
    const reason = typeof reading.r === "object" && reading.r ? "exception" : reading.r;
    const failed = FAILED[reason];
    const rating = basin.meters[at] && state.ratings.find((one) => one.meter === at);
    const list = [
      ["reply", ""],
      ["fresh", `≤ ${known(about.stale_s) ? age(about.stale_s) : "–"}${t("sep")}${t("meters.hold", { s: age(about.hold_s ?? 0) })}`],
      ["range", `${known(about.min) ? about.min : "–"} … ${known(about.max) ? about.max : "–"} ${meter.unit}`],
      known(about.max_rate_per_min) && ["rate", `≤ ${about.max_rate_per_min} ${meter.unit}/min`],
      about.point?.sentinels.length > 0 && ["sentinel", about.point.sentinels.join(", ")],
      known(about.twin) && ["twin", named(basin.meters[about.twin].name)],
      rating && ["rating", [named(rating.name) || rating.id, rating.valid_from ? t("meters.valid_from", { date: rating.valid_from }) : "", known(rating.limit_m3s) ? `≤ ${flow(rating.limit_m3s)} m³/s` : ""].filter(Boolean).join(t("sep"))],
    ].filter(Boolean);
    const order = list.map(([key, note]) => ({ key, note, ok: failed === key ? false : failed === "reply" && key !== "reply" ? null : true })).sort((a, b) => Number(a.ok === true) - Number(b.ok === true));
    renew(checks, JSON.stringify([order, lang()]), () => order.map((check) => h("li", { class: check.ok === true ? "" : "not" }, h("b", {}, check.ok === true ? "✓" : check.ok === false ? "✗" : "?"), h("span", {}, t(`meters.check.${check.key}`)), h("span", { class: "note" }, check.note))));
  }

  function substitution(state, reading, ctx) {
    const section = basin.sections.findIndex((one) => one.meter === at);
    const usable = known(reading.v) && ["good", "simulated", "substituted", "stale"].includes(reading.q);
    const key = `${section}|${usable}|${reading.q}|${reading.r}|${lang()}`;
    renew(used, key, () => [h("span", {}, usable ? t(reading.r === "manual" ? "meters.sub_entered" : reading.q === "substituted" ? "meters.sub_manual" : reading.q === "stale" ? "meters.sub_stale" : "meters.sub_none") : section >= 0 ? `${t("meters.sub_estimate")} ` : t("meters.sub_nothing")), h("span", { class: "sub-value" })]);
    if (!usable && section >= 0) showValue(used.lastChild, sectionValue(state.sections[section]), ctx.clock);
  }

  function drawQualities(now_s) {
    if (!about) return;
    const list = about.qualities ?? [];
    renew(strip, JSON.stringify([list.length, list.at(-1)?.s, Math.floor(now_s / 60), lang()]), () => {
      const span = about.quality_hours * 3600;
      const from = now_s - span;
      strip.setAttribute("aria-label", list.length ? t("meters.history_of", { n: list.length }) : t("meters.no_history"));
      return list.map((run, k) => {
        const begins = Math.max(run.s, from);
        const ends = list[k + 1]?.s ?? now_s;
        const piece = h("i", { class: `q-${["good", "simulated", "substituted"].includes(run.q) ? "good" : run.q}` });
        piece.style.left = `${((begins - from) / span) * 100}%`;
        piece.style.width = `${(Math.max(0, ends - begins) / span) * 100}%`;
        return piece;
      });
    });
    renew(runs, JSON.stringify([list.length, list.at(-1)?.s, Math.floor(now_s / 60), lang()]), () => (list.length === 0 ? h("tr", {}, h("td", { colspan: 4, class: "quiet" }, t("meters.no_history"))) : list.map((run, k) => ({ run, ends: list[k + 1]?.s ?? now_s })).reverse().slice(0, 40).map(({ run, ends }) => h("tr", {},
      h("td", { class: "time" }, `${moment(run.s, now_s)}:${civil(run.s).time.slice(6)}`), h("td", { class: "n" }, age(ends - run.s)), h("td", {}, t(`quality.${run.q}`)), h("td", { class: "n" }, known(run.v) ? `${show(run.v)} ${meter.unit}` : "—")))));
  }

  ask();
  return { els: [h("div", { class: "meter-left" }, now, trend), h("div", { class: "meter-right" }, checkPanel, qualities)], update, drop() {
    over = true;
    pens.drop();
  } };
}
