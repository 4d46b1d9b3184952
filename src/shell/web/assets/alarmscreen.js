// Alarms: what stands, since when and what to do within what time; what was put aside; what happened; and how good the alarm
// system itself is.

import { acknowledgeAll, detailOf, placeOf, words } from "./alarms.js";
import { load } from "./api.js";
import { askFirst, lineInput, openDialog } from "./confirm.js";
import { flag, glyph, h, panel, renew, text } from "./dom.js";
import { known, moment, who } from "./format.js";
import { lang, named, t } from "./i18n.js";

const JOURNAL_ROWS = 100;
const ASK_MS = 10000;
const SHELF_MINUTES = [30, 60, 120, 240, 480];

/** Within what time somebody has to act, by alarm; the words are `within.*`. The same table stands in ops/alarms.md. */
export const WITHIN = {
  A01: "now", A03: "hour", A04: "now", A05: "hour", A06: "shift", A08: "hour", A09: "hour", A10: "shift", A11: "hour", A12: "hour", A13: "shift", A14: "hour",
  A15: "hour", A20: "now", A21: "day", A22: "shift", A27: "day", A30: "hour", A31: "hour", A32: "now", A33: "hour", A34: "hour", A36: "hour", A39: "shift", A40: "hour", A41: "now",
  A42: "now", A43: "hour", A44: "shift", A45: "day", A46: "shift", A51: "hour", A52: "shift", A53: "shift", A54: "hour", A55: "now", A56: "now", A57: "hour", A58: "shift",
  A59: "shift",
};

/** The device an alarm speaks of, or that serves what it speaks of, with its link: what fails together. */
function siteOf(basin, alarm) {
  const device = basin.device_of[alarm.element] ?? alarm.element;
  const link = basin.links.find((one) => one.id === alarm.element || one.device_ids.includes(device));
  return link ? { id: link.id, name: link.devices.map(named).slice(0, 2).join(t("sep")) + (link.devices.length > 2 ? " …" : "") } : { id: "", name: t("alarmpage.no_site") };
}

export function buildAlarmScreen(basin, { pick, state: newest }) {
  const filter = { priorities: new Set([1, 2, 3, 4]), state: "all", words: "" };
  const list = h("ol", { class: "alarm-list", tid: "alarm-list" });
  const total = h("span", { class: "note", tid: "alarm-shown" });
  const said = h("p", { class: "said", role: "status", tid: "alarm-said" });
  const none = h("p", { class: "quiet" });
  const flood = h("p", { class: "flood-banner", role: "alert", tid: "flood", hidden: true });
  const ackPage = h("button", { type: "button", class: "command", tid: "ack-page", on: { click: () => acknowledgePage() } }, t("alarmpage.ack_page"));
  const boxes = [1, 2, 3, 4].map((p) => {
    const box = h("input", { type: "checkbox", checked: true, tid: `filter-p${p}`, "aria-label": `${t("alarmpage.priority")} ${p}`, on: { change: () => {
      if (box.checked) filter.priorities.add(p);
      else filter.priorities.delete(p);
      redraw();
    } } });
    return h("label", { class: "check" }, box, glyph(p));
  });
  const states = h("select", { tid: "filter-state", "aria-label": t("alarmpage.state"), on: { change: () => {
    filter.state = states.value;
    redraw();
  } } }, ["all", "new", "acked", "returned"].map((key) => h("option", { value: key }, t(`alarmpage.states.${key}`))));
  const search = h("input", { type: "search", tid: "filter-words", placeholder: t("alarmpage.search"), "aria-label": t("alarmpage.search"), on: { input: () => {
    filter.words = search.value.trim().toLowerCase();
    redraw();
  } } });
  const open = panel("alarm-open", t("alarmpage.open"), null, total,
    flood, h("div", { class: "filters", role: "search" }, boxes, states, search, h("span", { class: "grow" }), ackPage), said, none, list);
  const aside = h("ul", { class: "plain-list", tid: "alarm-aside" });
  const asidePanel = panel("alarm-aside-panel", t("alarmpage.aside"), t("alarmpage.aside_note"), null, aside);
  const numbers = h("div", { class: "numbers", tid: "alarm-numbers" });
  const spans = [24, 168, 720].map((hours) => h("button", { type: "button", tid: `kpi-${hours}`, "aria-pressed": String(hours === 24), on: { click: () => {
    journalHours = hours;
    spans.forEach((button, k) => {
      button.setAttribute("aria-pressed", String([24, 168, 720][k] === hours));
      flag(button, "inverse", [24, 168, 720][k] === hours);
    });
    ask();
  } } }, hours === 24 ? "24 h" : t("days_short", { n: hours / 24 })));
  flag(spans[0], "inverse", true);
  const kpi = panel("alarm-kpi", t("alarmpage.numbers"), null, h("span", { class: "windows", role: "group", "aria-label": t("pens.window") }, spans), numbers);
  const journal = h("tbody", {});
  const journalSaid = h("p", { class: "quiet", role: "status" });
  const journalPanel = panel("alarm-journal", t("alarmpage.journal"), t("alarmpage.journal_note"), null,
    h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("alarmpage.journal") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["time", "change", "alarm", "by"].map((key) => h("th", { scope: "col" }, t(`alarmpage.${key}`))))), h("tbody", {}), journal)), journalSaid);
  journalPanel.querySelector("tbody").remove();
  const els = [h("div", { class: "alarms-left" }, open), h("div", { class: "alarms-right" }, kpi, asidePanel, journalPanel)];
  const blink = setInterval(() => flag(open, "pale", !open.classList.contains("pale")), 500);
  let shown = new Map();
  let state = null;
  let journalHours = 24;
  let asked = -Infinity;
  let mark = "";
  let over = false;

  const stateOf = (alarm) => (alarm.acknowledged ? "acked" : alarm.active ? "new" : "returned");

  function passes(alarm) {
    if (!filter.priorities.has(alarm.priority)) return false;
    if (filter.state !== "all" && stateOf(alarm) !== filter.state) return false;
    if (!filter.words) return true;
    return `${alarm.key} ${words(alarm)("title")} ${placeOf(basin, alarm)}`.toLowerCase().includes(filter.words);
  }

  /** Lists what is covered: what stands on the screen now, as it stands there, and nothing else. */
  function acknowledgePage() {
    const covered = [...shown.values()].map((entry) => entry.alarm()).filter((alarm) => !alarm.acknowledged);
    openDialog(t("alarmpage.ack_page_title"), null, { body: (close) => {
      const problem = h("p", { class: "said", role: "status" });
      const go = h("button", { type: "button", class: "command primary", tid: "ack-page-go", disabled: covered.length === 0, on: { click: async () => {
        go.disabled = true;
        const wrong = await acknowledgeAll(covered);
        if (wrong) text(problem, wrong);
        else close();
      } } }, t("ack_all", { n: covered.length }));
      return h("div", { class: "ack-page" }, h("p", {}, t(covered.length ? "alarmpage.ack_covers" : "alarmpage.ack_none", { n: covered.length })),
        h("ul", { class: "plain-list covered", tid: "ack-covered", tabindex: "0" }, covered.map((alarm) => h("li", {}, glyph(alarm.priority, `${t("alarmpage.priority")} ${alarm.priority}`), h("b", {}, words(alarm)("title")), h("span", {}, placeOf(basin, alarm)), h("span", { class: "since" }, moment(alarm.since_s, newest().utc_ms / 1000))))),
        problem, h("div", { class: "flow-foot" }, h("button", { type: "button", on: { click: close } }, t("cancel")), go));
    } });
  }

  function shelve(alarm) {
    const minutes = h("select", { tid: "shelf-minutes" }, SHELF_MINUTES.map((m) => h("option", { value: m, selected: m === 60 }, m < 60 ? `${m} min` : `${m / 60} h`)));
    const reason = lineInput("shelf-reason");
    askFirst(`${t("alarmpage.shelve")}${t("colon")}${words(alarm)("title")}${t("sep")}${placeOf(basin, alarm) || alarm.key}`, "shelf", [[t("alarmpage.shelve_for"), minutes], [t("reason"), reason]],
      () => ({ order: "shelve", alarm: alarm.key, minutes: Number(minutes.value), reason: reason.value.trim() }), (order) => t("alarmpage.shelve_about", { for: minutes.selectedOptions[0].textContent, reason: order.reason }));
  }

  function unshelve(alarm) {
    const name = `${words(alarm)("title")}${t("sep")}${placeOf(basin, alarm) || alarm.key}`;
    openDialog(`${t("alarmpage.unshelve")}${t("colon")}${name}`, { order: "unshelve", alarm: alarm.key }, { about: t("alarmpage.unshelve_about"), what: t("alarmpage.unshelve") });
  }

  function item(first) {
    let alarm = first;
    const say = words(alarm);
    const place = h("span", { class: "place" });
    const since = h("span", { class: "since" });
    const badge = h("span", {});
    const detail = h("p", { class: "detail" });
    const gate = basin.gates.findIndex((g) => g.id === alarm.element);
    const meter = basin.meters.find((m) => m.id === alarm.element);
    const ack = h("button", { type: "button", class: "command", tid: `page-ack-${alarm.key}`, on: { click: async () => text(said, await acknowledgeAll([alarm])) } }, t("ack"));
    const shelf = h("button", { type: "button", class: "command", tid: `page-shelve-${alarm.key}`, on: { click: () => shelve(alarm) } }, t("alarmpage.shelve_button"));
    const face = gate >= 0 ? h("button", { type: "button", on: { click: () => pick(gate) } }, t("faceplate")) : meter ? h("a", { class: "button", href: `#/meters/${encodeURIComponent(meter.id)}` }, t("meter_word")) : "";
    const row = (key, value, more) => h("div", {}, h("dt", {}, t(key)), h("dd", more ?? {}, value));
    const node = h("li", { class: `alarm wide-alarm rank-${alarm.priority}`, tid: `page-alarm-${alarm.key}` }, glyph(alarm.priority, `${t("alarmpage.priority")} ${alarm.priority}`),
      h("div", { class: "alarm-body" },
        h("div", { class: "alarm-head" }, h("h3", {}, say("title")), place, badge, h("span", { class: "grow" }), since, h("code", {}, alarm.id)),
        detail,
        h("dl", { class: "alarm-facts" }, row("action", say("action"), { class: "strong" }), row("alarmpage.within", t(`within.${WITHIN[alarm.id] ?? "shift"}`), { class: "strong" }), row("consequence", say("consequence")), row("cause", say("cause"))),
        h("div", { class: "row alarm-acts" }, face, ack, shelf)));
    return { node, alarm: () => alarm, update(next, now_s, ctx) {
      alarm = next;
      text(place, placeOf(basin, alarm));
      text(since, `${moment(alarm.since_s, now_s)}`);
      const kind = stateOf(alarm);
      renew(badge, `${kind}|${ctx.first}|${lang()}`, () => [h("span", { class: kind === "new" ? "badge" : "outline" }, t({ new: "new_alarm", acked: "acked", returned: "returned" }[kind])), ctx.first ? h("span", { class: "outline" }, t("alarmpage.first_out")) : ""]);
      const numbersOf = detailOf(basin, alarm);
      detail.hidden = numbersOf === "";
      text(detail, numbersOf);
      ack.hidden = alarm.acknowledged;
      shelf.hidden = alarm.priority === 1;
      flag(node, "fresh", !alarm.acknowledged);
      flag(node, "over", !alarm.active);
    } };
  }

  /** In a flood the list groups by what fails together; the first two priorities stay apart, above. */
  function groupsOf(alarms) {
    if (!state.flood) return [{ key: "", head: null, alarms }];
    const urgent = alarms.filter((alarm) => alarm.priority <= 2);
    const groups = new Map();
    for (const alarm of alarms.filter((one) => one.priority > 2)) {
      const site = siteOf(basin, alarm);
      if (!groups.has(site.id)) groups.set(site.id, { key: site.id, head: site.name, alarms: [] });
      groups.get(site.id).alarms.push(alarm);
    }
    return [{ key: "urgent", head: t("alarmpage.urgent"), alarms: urgent }, ...groups.values()].filter((group) => group.alarms.length > 0);
  }

  function redraw() {
    if (!state) return;
    const now_s = state.utc_ms / 1000;
    const groups = groupsOf(state.alarms.filter(passes));
    const kept = groups.flatMap((group) => group.alarms);
    const next = new Map(kept.map((alarm) => [alarm.key, shown.get(alarm.key) || item(alarm)]));
    const order = JSON.stringify([groups.map((group) => [group.key, group.alarms.map((alarm) => alarm.key)])]);
    if (list.dataset.order !== order) {
      list.dataset.order = order;
      list.replaceChildren(...groups.flatMap((group) => [...(group.head ? [h("li", { class: "group-head" }, h("h3", {}, `${group.head}${t("sep")}${group.alarms.length}`))] : []), ...group.alarms.map((alarm) => next.get(alarm.key).node)]));
    }
    for (const alarm of kept) next.get(alarm.key).update(alarm, now_s, { first: state.flood?.first === alarm.key });
    shown = next;
    text(total, t("alarmpage.shown", { n: kept.length, of: state.alarms.length }));
    text(none, state.alarms.length === 0 ? t("no_alarms") : kept.length === 0 ? t("alarmpage.none_pass") : "");
    none.hidden = none.textContent === "";
    ackPage.disabled = !kept.some((alarm) => !alarm.acknowledged);
    flag(list, "flooded", state.flood);
    flood.hidden = !state.flood;
    if (state.flood) text(flood, t("alarmpage.flood", { when: moment(state.flood.since_s, now_s), n: state.alarms.filter((alarm) => !alarm.acknowledged).length, first: state.flood.first }));
    const asides = state.aside;
    renew(aside, JSON.stringify([asides.map((one) => [one.key, one.shelf, one.parent, one.active]), lang(), Math.floor(now_s / 60)]), () => (asides.length === 0 ? h("li", { class: "quiet" }, t("alarmpage.no_aside")) : asides.map((alarm) => h("li", { class: "aside-row", tid: `aside-${alarm.key}` },
      glyph(alarm.priority, `${t("alarmpage.priority")} ${alarm.priority}`),
      h("div", {}, h("b", {}, words(alarm)("title")), ` ${placeOf(basin, alarm)} `, h("span", { class: "outline" }, t(alarm.shelf ? "alarmpage.shelved" : "alarmpage.suppressed")), h("span", { class: "quiet" }, ` ${t(alarm.active ? "alarmpage.holds" : "alarmpage.gone")}`),
        h("p", { class: "quiet" }, alarm.shelf ? t("alarmpage.shelf_line", { until: moment(alarm.shelf.until_s, now_s), who: who(alarm.shelf.by), reason: alarm.shelf.reason }) : t("alarmpage.parent_line", { parent: parentWords(alarm.parent) }))),
      alarm.shelf ? h("button", { type: "button", class: "command", tid: `unshelve-${alarm.key}`, on: { click: () => unshelve(alarm) } }, t("alarmpage.unshelve_button")) : ""))));
  }

  function parentWords(key) {
    const [id, ...rest] = String(key).split(":");
    const parent = { id, element: rest.join(":"), key };
    return [words(parent)("title"), placeOf(basin, parent)].filter(Boolean).join(t("sep"));
  }

  async function ask() {
    asked = performance.now();
    const wanted = journalHours;
    try {
      const log = await load(`/api/v1/alarms?hours=${wanted}&limit=${JOURNAL_ROWS}`);
      if (over || wanted !== journalHours) return;
      draw(log);
    } catch (error) {
      if (!over) text(journalSaid, t("actions_failed", { error: error.message }));
    }
  }

  function draw(log) {
    const n = log.numbers;
    const whole = Math.max(1, n.raised);
    const wanted = [5, 15, 80];
    const shares = [n.by_priority[0], n.by_priority[1], n.by_priority[2] + n.by_priority[3]].map((count) => Math.round((count / whole) * 100));
    const configured = [1, 2, 3].map((p) => basin.alarm_list.filter((one) => (p < 3 ? one.priority === p : one.priority >= 3)).length);
    const all = configured.reduce((a, b) => a + b, 0);
    const figure = (value, key, aim, off) => h("div", { class: `figure${off ? " off" : ""}` }, h("b", {}, value), h("span", {}, t(`alarmpage.${key}`)), h("small", {}, aim));
    renew(numbers, JSON.stringify([n, lang()]), () => [
      figure(n.per_ten_minutes.toFixed(2), "rate", t("alarmpage.aim_rate"), n.per_ten_minutes > 1),
      figure(String(n.most_in_ten_minutes), "most", t("alarmpage.aim_most"), n.most_in_ten_minutes >= 10),
      figure(String(n.floods), "floods", t("alarmpage.aim_floods"), n.floods > 0),
      figure(String(n.raised), "raised", n.hours >= 48 ? t("days_short", { n: Math.round(n.hours / 24) }) : `${Math.round(n.hours)} h`, false),
      h("table", { class: "rows shares" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("alarmpage.priority")), ["1", "2", "3–4"].map((p) => h("th", { scope: "col", class: "n" }, p)))), h("tbody", {},
        h("tr", {}, h("th", { scope: "row" }, t("alarmpage.shares_raised")), shares.map((share) => h("td", { class: "n" }, n.raised ? `${share} %` : "–"))),
        h("tr", {}, h("th", { scope: "row" }, t("alarmpage.shares_list")), configured.map((count) => h("td", { class: "n" }, `${Math.round((count / all) * 100)} %`))),
        h("tr", {}, h("th", { scope: "row" }, t("alarmpage.shares_aim")), wanted.map((share) => h("td", { class: "n" }, `${share} %`))))),
    ]);
    const now_s = (newest()?.utc_ms ?? Date.now()) / 1000;
    renew(journal, JSON.stringify([log.rows.map((row) => row.seq), lang()]), () => log.rows.map((row) => {
      const [id, ...rest] = row.key.split(":");
      const alarm = { id, element: rest.join(":"), key: row.key, detail: row.detail };
      return h("tr", {}, h("td", { class: "time" }, moment(Date.parse(row.utc) / 1000, now_s)), h("td", {}, t(`alarmpage.changes.${row.change}`)),
        h("th", { scope: "row" }, glyph(known(row.priority) ? row.priority : 4, `${t("alarmpage.priority")} ${row.priority}`), ` ${words(alarm)("title")} `, h("small", {}, placeOf(basin, alarm))), h("td", {}, who(row.actor)));
    }));
    text(journalSaid, log.rows.length === 0 ? t("alarmpage.no_journal") : "");
  }

  return {
    els,
    update(next) {
      state = next;
      redraw();
      const now = JSON.stringify(next.alarms.map((alarm) => [alarm.key, alarm.acknowledged, alarm.active]).concat(next.aside.map((one) => [one.key])));
      const since = performance.now() - asked;
      if ((now !== mark && since > 2000) || since > ASK_MS) {
        mark = now;
        ask();
      }
    },
    drop() {
      over = true;
      clearInterval(blink);
    },
  };
}
