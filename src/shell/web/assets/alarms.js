// Open alarms: what, where, since when, why, what follows, what to do.

import { act, requestId, wording } from "./api.js";
import { flag, glyph, h, panel, renew, text } from "./dom.js";
import { flow, level, moment, positionUnit, reason, who } from "./format.js";
import { has, lang, named, t } from "./i18n.js";
import { buildHorn } from "./horn.js";
import { elementName } from "./reasons.js";

/** The texts of an alarm by part: title, cause, consequence, action. */
export function words(alarm) {
  const key = has(`alarm.${alarm.id}.title`) ? alarm.id : "unknown";
  return (part) => t(`alarm.${key}.${part}`, { id: alarm.id });
}

/** The numbers of an alarm as a phrase. */
export function detailOf(basin, alarm) {
  const gate = basin.gates.find((g) => g.id === alarm.element);
  const detail = alarm.detail && typeof alarm.detail === "object" ? alarm.detail : {};
  const show = {
    opening: (v) => (gate ? positionUnit(gate, v) : null), target: (v) => (gate ? positionUnit(gate, v) : null),
    flow_m3s: flow, floor_m3s: flow, owed_m3s: flow, last_m3s: flow, level_m: level, twin_m: level, twin: (v) => elementName(basin, v), limit_m: level, lowest_m: level,
    in_h: (v) => String(Math.round(v)), mode: (v) => t(`mode.${v}`), authority: (v) => t(`authority.${v}`), by: who, rung: (v) => t(`rung.${v}`), reason, why: (v) => t(`fail.${v}`), address: String, unit: String,
    estop: (v) => (v === true ? "" : null), entry: String, grade: (v) => t(`warning.grade.${v}`), warning: String, incident: String, km: String, silent: String, links: String, box: (v) => t(`box.${v}`),
  };
  const parts = Object.entries(detail).filter(([key, v]) => v !== null && show[key] && has(`detail.${key}`)).map(([key, v]) => {
    const shown = show[key](v);
    return shown === null ? null : t(`detail.${key}`, { v: shown });
  });
  return parts.filter(Boolean).join(t("sep"));
}

/** From this many on, alarms of one kind share an entry: a lost network must not bury the rest. */
const CROWD = 4;

/** What an alarm is about, by name. */
export function placeOf(basin, alarm) {
  if (alarm.detail?.name) return named(alarm.detail.name);
  const link = alarm.id === "A11" && basin.links.find((l) => l.id === alarm.element);
  if (!link) return elementName(basin, alarm.element);
  const names = link.devices.map(named);
  return names.length > 2 ? `${names[0]} +${names.length - 1}` : names.join(t("sep"));
}

/** Open alarms in the order of their entries: alone, or many of a kind. */
function entriesOf(alarms) {
  const entries = new Map();
  const kinds = Map.groupBy(alarms, (alarm) => alarm.id);
  for (const alarm of alarms) {
    const kind = kinds.get(alarm.id);
    if (kind.length < CROWD) entries.set(alarm.key, [alarm]);
    else entries.set(`${alarm.id}:*`, kind);
  }
  return entries;
}

/** Most in one act, as the service has it. */
const ACT_MOST = 100;

/** Acknowledges those of `alarms` that nobody has, as they were shown: what was raised anew since is not. Answers what went wrong. */
export async function acknowledgeAll(alarms) {
  const wanted = alarms.filter((a) => !a.acknowledged).map((a) => ({ alarm: a.key, since_s: a.since_s }));
  let left = 0;
  for (let k = 0; k < wanted.length; k += ACT_MOST) {
    const part = wanted.slice(k, k + ACT_MOST);
    const answer = await act("acknowledge", { request: requestId(), ...(part.length === 1 ? part[0] : { alarms: part }) });
    if (!answer.ok) return wording(answer.body);
    left += answer.body.left?.length ?? 0;
  }
  return left > 0 ? t("ack_left", { n: left }) : "";
}

export function buildAlarms(basin, pick) {
  const list = h("ol", { class: "alarm-list" });
  const count = h("span", { class: "note", tid: "alarm-total" });
  const said = h("p", { class: "said", role: "status" });
  const urgent = h("p", { class: "unseen", "aria-live": "assertive" });
  const horn = buildHorn();
  const el = panel("alarms", t("alarms"), null, h("span", { class: "alarm-aside" }, horn.el, count), list, said);
  let shown = new Map();
  // Once a second for all together: an animation of the style sheet would redraw sixty times.
  const blink = setInterval(() => flag(el, "pale", !el.classList.contains("pale")), 500);

  const acknowledge = async (alarms) => text(said, await acknowledgeAll(alarms));

  function item(key, [alarm]) {
    const say = words(alarm);
    let now = [alarm];
    const place = h("span", {});
    const since = h("span", { class: "since" });
    const detail = h("p", { class: "detail" });
    const ack = h("button", { type: "button", class: "command", tid: `ack-${key}`, on: { click: () => acknowledge(now) } });
    const gate = basin.gates.findIndex((g) => g.id === alarm.element);
    const open = h("button", { type: "button", on: { click: () => pick(gate) } }, t("faceplate"));
    const more = h("details", {}, h("summary", {}, h("h3", {}, say("title"), place), since),
      h("div", { class: "more" }, detail, ...["consequence", "cause"].filter((part) => say(part) !== "–")
        .map((part) => h("p", {}, h("span", {}, `${t(part)}${t("colon")}`), say(part)))));
    const node = h("li", { class: "alarm", tid: `alarm-${key}` }, glyph(alarm.priority, `${t("alarms_word")} ${alarm.priority}`), more,
      h("p", { class: "do" }, h("b", {}, say("action")), h("span", {}, open, ack)));
    let fresh = null;
    return { node, update(alarms, now_s) {
      now = alarms;
      const unseen = alarms.filter((a) => !a.acknowledged).length;
      const alone = alarms.length === 1;
      const where = alone ? placeOf(basin, alarms[0]) : t("places", { n: alarms.length });
      text(place, where ? `${t("sep")}${where}` : "");
      const state = t(unseen > 0 ? (alarms.some((a) => a.active) ? "new_alarm" : "returned") : "acked");
      text(since, `${moment(Math.max(...alarms.map((a) => a.since_s)), now_s)}${t("sep")}${state}`);
      const numbers = alone ? detailOf(basin, alarms[0]) : alarms.map((a) => placeOf(basin, a)).join(lang() === "zh" ? "、" : ", ");
      flag(detail, "places", !alone);
      detail.hidden = numbers === "";
      text(detail, numbers);
      open.hidden = !alone || gate < 0;
      ack.hidden = unseen === 0;
      text(ack, alone ? t("ack") : t("ack_all", { n: unseen }));
      // What nobody has seen yet lies open; what was seen may be opened again.
      if (fresh !== unseen > 0) more.open = unseen > 0;
      fresh = unseen > 0;
      flag(node, "fresh", fresh);
      flag(node, "over", !alarms.some((a) => a.active));
    } };
  }

  function update(state) {
    horn.update(state);
    const now_s = state.utc_ms / 1000;
    const entries = entriesOf(state.alarms);
    const next = new Map([...entries].map(([key, alarms]) => [key, shown.get(key) || item(key, alarms)]));
    const order = [...next.keys()].join("|");
    if (list.dataset.order !== order) {
      list.dataset.order = order;
      list.replaceChildren(...[...next.values()].map((entry) => entry.node));
    }
    for (const [key, alarms] of entries) next.get(key).update(alarms, now_s);
    shown = next;
    flag(el, "empty", state.alarms.length === 0);
    text(count, state.alarms.length === 0 ? t("no_alarms") : t("alarm_count", { n: state.alarms.length }));
    // Priority 1 is spoken at once; the rest is read by who looks.
    const first = state.alarms.find((alarm) => alarm.priority === 1 && !alarm.acknowledged);
    renew(urgent, `${first?.key}|${lang()}`, () => (first ? `${words(first)("title")} ${placeOf(basin, first)}` : ""));
  }
  return { el, urgent, update, drop() {
    clearInterval(blink);
    horn.drop();
  } };
}

/** Highest priority of the open alarms of each element. */
export function alarmsByElement(state) {
  const found = new Map();
  for (const alarm of state.alarms) {
    if (!alarm.element) continue;
    found.set(alarm.element, Math.min(alarm.priority, found.get(alarm.element) ?? 9));
  }
  return found;
}

