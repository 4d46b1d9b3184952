// Open alarms: what, where, since when, why, what follows, what to do.

import { act, requestId } from "./api.js";
import { flag, glyph, h, panel, renew, text } from "./dom.js";
import { flow, level, moment, positionUnit, reason, who } from "./format.js";
import { has, lang, named, t } from "./i18n.js";
import { elementName } from "./reasons.js";

function words(alarm) {
  const key = has(`alarm.${alarm.id}.title`) ? alarm.id : "unknown";
  return (part) => t(`alarm.${key}.${part}`, { id: alarm.id });
}

/** The numbers of an alarm as a phrase. */
export function detailOf(basin, alarm) {
  const gate = basin.gates.find((g) => g.id === alarm.element);
  const detail = alarm.detail && typeof alarm.detail === "object" ? alarm.detail : {};
  const show = {
    opening: (v) => (gate ? positionUnit(gate, v) : null), target: (v) => (gate ? positionUnit(gate, v) : null),
    flow_m3s: flow, floor_m3s: flow, owed_m3s: flow, last_m3s: flow, level_m: level, limit_m: level, lowest_m: level,
    in_h: (v) => String(Math.round(v)), mode: (v) => t(`mode.${v}`), by: who, rung: (v) => t(`rung.${v}`), reason, address: String, unit: String,
    estop: (v) => (v === true ? "" : null),
  };
  const parts = Object.entries(detail).filter(([key, v]) => v !== null && show[key] && has(`detail.${key}`)).map(([key, v]) => {
    const shown = show[key](v);
    return shown === null ? null : t(`detail.${key}`, { v: shown });
  });
  return parts.filter(Boolean).join(t("sep"));
}

export function buildAlarms(basin, pick) {
  const list = h("ol", { class: "alarm-list" });
  const count = h("span", { class: "note", tid: "alarm-total" });
  const said = h("p", { class: "said", role: "status" });
  const urgent = h("p", { class: "unseen", "aria-live": "assertive" });
  const el = panel("alarms", t("alarms"), null, count, list, said, urgent);
  let shown = new Map();

  async function acknowledge(alarm) {
    const answer = await act("acknowledge", { request: requestId(), alarm: alarm.key });
    text(said, answer.ok ? "" : answer.body.error || t("refused"));
  }

  function item(alarm) {
    const say = words(alarm);
    const gate = basin.gates.findIndex((g) => g.id === alarm.element);
    const named_ = alarm.detail?.name ? named(alarm.detail.name) : elementName(basin, alarm.element);
    const since = h("span", { class: "since" });
    const detail = h("p", { class: "detail" });
    const state = h("span", {});
    const ack = h("button", { type: "button", class: "command", tid: `ack-${alarm.key}`, on: { click: () => acknowledge(alarm) } }, t("ack"));
    const open = gate >= 0 && h("button", { type: "button", on: { click: () => pick(gate) } }, t("faceplate"));
    const more = h("details", {}, h("summary", {}, h("h3", {}, say("title"), named_ && h("span", {}, `${t("sep")}${named_}`)), since),
      h("div", { class: "more" }, detail, ...["consequence", "cause"].filter((part) => say(part) !== "–")
        .map((part) => h("p", {}, h("span", {}, `${t(part)}${t("colon")}`), say(part)))));
    const node = h("li", { class: "alarm", tid: `alarm-${alarm.key}` }, glyph(alarm.priority, `${t("alarms_word")} ${alarm.priority}`), more,
      h("p", { class: "do" }, h("b", {}, say("action")), h("span", {}, open, ack)));
    let fresh = null;
    return { node, update(now, now_s) {
      text(since, `${moment(now.since_s, now_s)}${t("sep")}`);
      since.append(state);
      text(state, t(!now.active ? "returned" : now.acknowledged ? "acked" : "new_alarm"));
      const numbers = detailOf(basin, now);
      detail.hidden = numbers === "";
      text(detail, numbers);
      ack.hidden = now.acknowledged;
      // What nobody has seen yet lies open; what was seen may be opened again.
      if (fresh !== !now.acknowledged) more.open = !now.acknowledged;
      fresh = !now.acknowledged;
      flag(node, "fresh", fresh);
      flag(node, "over", !now.active);
    } };
  }

  function update(state) {
    const now_s = state.utc_ms / 1000;
    const next = new Map(state.alarms.map((alarm) => [alarm.key, shown.get(alarm.key) || item(alarm)]));
    const order = [...next.keys()].join("|");
    if (list.dataset.order !== order) {
      list.dataset.order = order;
      list.replaceChildren(...[...next.values()].map((entry) => entry.node));
    }
    for (const alarm of state.alarms) next.get(alarm.key).update(alarm, now_s);
    shown = next;
    flag(el, "empty", state.alarms.length === 0);
    text(count, state.alarms.length === 0 ? t("no_alarms") : t("alarm_count", { n: state.alarms.length }));
    // Priority 1 is spoken at once; the rest is read by who looks.
    const first = state.alarms.find((alarm) => alarm.priority === 1 && !alarm.acknowledged);
    renew(urgent, `${first?.key}|${lang()}`, () => (first ? `${words(first)("title")} ${elementName(basin, first.element)}` : ""));
  }
  return { el, update };
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

