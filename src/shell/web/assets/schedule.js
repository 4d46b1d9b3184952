// What runs by the calendar today: announced turns of intakes, entries for gates, season locks. Read only: it is changed in the
// configuration.

import { h, panel, renew } from "./dom.js";
import { flow, known, moment, positionUnit } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** Days shown ahead of now and behind it. */
const AHEAD_D = 7;
const BEHIND_D = 1;

export function buildSchedule(basin, { pick }) {
  const chart = h("div", { class: "gantt", tid: "gantt" });
  const lanes = panel("schedule-chart", t("schedule.title"), t("schedule.note"), null, chart);
  const entries = h("tbody", {});
  const list = panel("schedule-list", t("schedule.entries"), null, null, h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("schedule.entries") },
    h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["what", "from", "to", "rate", "state"].map((key) => h("th", { scope: "col", class: key === "rate" ? "n" : "" }, t(`schedule.${key}`))))), entries)));
  const locks = h("tbody", { tid: "locks" });
  const season = h("p", { class: "season-line", tid: "schedule-season" });
  const locked = basin.gates.map((gate, i) => ({ gate, i })).filter(({ gate }) => gate.lock || gate.duty === "season_lock");
  const lockPanel = panel("schedule-locks", t("schedule.locks"), null, null, season, locked.length === 0 ? h("p", { class: "quiet" }, t("schedule.no_locks")) : h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["gate", "position", "rule", "responsible"].map((key) => h("th", { scope: "col", class: key === "position" ? "n" : "" }, t(`schedule.${key}`))))), locks));
  const all = [
    ...basin.schedules.turns.map((turn) => ({ ...turn, name: named(basin.intakes[turn.intake].name), words: `${flow(turn.rate_m3s)} m³/s` })),
    ...basin.schedules.gates.map((entry) => ({ ...entry, name: named(basin.gates[entry.gate].name), words: positionUnit(basin.gates[entry.gate], entry.opening) })),
  ].sort((a, b) => a.from_s - b.from_s);

  function update(state) {
    const now_s = state.utc_ms / 1000;
    const [from, to] = [now_s - BEHIND_D * 86400, now_s + AHEAD_D * 86400];
    const key = JSON.stringify([Math.floor(now_s / 600), lang(), state.flood_season]);
    const place = (at) => `${(Math.max(0, Math.min(1, (at - from) / (to - from)))) * 100}%`;
    const stateOf = (entry) => (entry.to_s <= now_s ? "over" : entry.from_s <= now_s ? "runs" : "comes");
    renew(chart, key, () => {
      const shown = all.filter((entry) => entry.to_s > from && entry.from_s < to);
      const names = [...new Set(shown.map((entry) => entry.name))];
      const days = [];
      for (let at = Math.ceil((from + state.offset_s) / 86400) * 86400 - state.offset_s; at < to; at += 86400) days.push(at);
      const scale = h("div", { class: "gantt-row gantt-scale" }, h("span", {}), h("div", { class: "gantt-lane" }, days.map((at) => {
        const mark = h("span", { class: "gantt-day" }, moment(at, now_s + 1e9).slice(0, 5));
        mark.style.left = place(at);
        return mark;
      })));
      const rows = names.map((name) => h("div", { class: "gantt-row" }, h("span", { class: "gantt-name" }, name), h("div", { class: "gantt-lane" }, shown.filter((entry) => entry.name === name).map((entry) => {
        const block = h("span", { class: `gantt-block ${stateOf(entry)}`, title: `${entry.words} ${moment(entry.from_s, now_s)} – ${moment(entry.to_s, now_s)}` }, entry.words);
        block.style.left = place(entry.from_s);
        block.style.width = `calc(${place(entry.to_s)} - ${place(entry.from_s)})`;
        return block;
      }), nowLine(place(now_s)))));
      return shown.length === 0 ? h("p", { class: "quiet" }, t("schedule.nothing", { d: AHEAD_D })) : [scale, ...rows];
    });
    renew(entries, key, () => (all.length === 0 ? h("tr", {}, h("td", { colspan: 5, class: "quiet" }, t("schedule.no_entries"))) : all.map((entry) => h("tr", { class: stateOf(entry) },
      h("th", { scope: "row" }, entry.name, h("small", {}, ` ${entry.id}`)), h("td", { class: "time" }, moment(entry.from_s, now_s)), h("td", { class: "time" }, moment(entry.to_s, now_s)), h("td", { class: "n" }, h("b", { class: "live" }, entry.words)),
      h("td", {}, h("span", { class: stateOf(entry) === "runs" ? "outline" : "word" }, t(`schedule.states.${stateOf(entry)}`)))))));
    const { from: a, to: b } = basin.flood_season;
    const md = ([month, day]) => `${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
    renew(season, `${key}${state.season_days}`, () => [h("b", {}, t(state.flood_season ? "flood" : "dry")), ` ${known(state.season_days) ? t(state.flood_season ? "to_dry" : "to_flood", { days: state.season_days }) : ""}`, h("span", { class: "quiet" }, ` ${t("schedule.season", { from: md(a), to: md(b) })}`)]);
    renew(locks, JSON.stringify([locked.map(({ i }) => state.gates[i].opening), lang(), state.flood_season]), () => locked.map(({ gate, i }) => h("tr", {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "row-name", on: { click: () => pick(i) } }, named(gate.name))), h("td", { class: "n" }, known(state.gates[i].opening) ? positionUnit(gate, state.gates[i].opening) : "–"),
      h("td", {}, lockWords(gate, state)), h("td", {}, named(gate.responsible.unit)))));
  }

  function lockWords(gate, state) {
    const rule = t(state.flood_season ? "schedule.may_open" : "schedule.must_shut");
    const more = gate.lock ? t("schedule.unlock", { n: gate.lock.signatures, min: gate.lock.max_minutes }) : "";
    return [rule, more].filter(Boolean).join(t("sep"));
  }
  return { els: [lanes, h("div", { class: "schedule-rest" }, list, lockPanel)], update, drop() {} };
}

function nowLine(left) {
  const line = h("i", { class: "gantt-now" });
  line.style.left = left;
  return line;
}
