// One gate in full: where it stands, what binds it, what it did, and what a person may do with it.

import { act, load, requestId, wording } from "./api.js";
import { confirmFlow, openDialog } from "./confirm.js";
import { flag, h, renew, text } from "./dom.js";
import { known, moment, position, positionUnit, showValue, strokeOf, who } from "./format.js";
import { rowWords } from "./actions.js";
import { AUTHORITIES, marksOf } from "./gates.js";
import { lang, named, t } from "./i18n.js";
import { limit, outcomeSign } from "./reasons.js";
import { stepTrend } from "./trend.js";
import { buildTicket } from "./ticket.js";
import { buildWhatIf } from "./whatif.js";

const COMMANDS = 10;

/** Opens the faceplate of gate `i`, which stands as in the state `now`; `rows()` are the newest rows of the action log. */
export function openFaceplate(basin, i, { now, rows, onClose }) {
  const gate = basin.gates[i];
  const { unit, shut, open } = strokeOf(gate);
  const driven = gate.actuation === "driven";
  const byOrder = gate.duty === "flood" || gate.duty === "emergency";
  const before = document.activeElement;
  const badges = h("span", { class: "badges" });
  const shutButton = h("button", { type: "button", class: "shut", tid: "faceplate-close", "aria-label": t("close"), on: { click: () => close() } }, "✕");
  const fill = h("i", { class: "fill" });
  const range = h("i", { class: "range" });
  const aim = h("i", { class: "aim" });
  const scale = [1, 0.75, 0.5, 0.25, 0].map((f) => h("span", {}, (shut + f * (open - shut)).toFixed(Math.abs(open - shut) < 10 ? 1 : 0)));
  const fact = (key, tid) => {
    const value = h("dd", { tid });
    return { value, els: [h("dt", {}, t(key)), value] };
  };
  const [pos, target, passes] = [fact("position", "face-position"), fact("target", "face-target"), fact("col_flow", "face-flow")];
  const permitted = fact("permitted", "face-permitted");
  const bound = h("p", { class: "bound", tid: "face-limits" });
  const checks = h("ul", { class: "checks", tid: "checks" });
  const starts = h("p", { class: "quiet" });
  const commands = h("ol", { class: "commands", tid: "face-commands" });
  const trendHost = h("div", { class: "small-plot" });
  const work = h("div", { class: "work" });
  const ticket = driven ? buildTicket(basin, i) : null;
  const steps = h("ol", { class: "steps" }, ["step_select", "step_preview", "step_confirm"].map((key, k) => h("li", {}, h("span", {}, String(k + 1)), t(key))));
  const loss = gate.on_link_loss?.action ? t(`link_loss.${gate.on_link_loss.action}`, { p: known(gate.on_link_loss.opening) ? positionUnit(gate, gate.on_link_loss.opening) : "" }) : "";
  const title = [t(`kind.${gate.kind}`), t(`duty.${gate.duty}`), loss].filter(Boolean).join(t("sep"));
  const el = h("aside", { class: "faceplate", role: "dialog", "aria-label": named(gate.name), tid: "faceplate", tabindex: "-1" },
    h("header", {}, h("h2", {}, named(gate.name)), h("span", { class: "note" }, gate.id), h("span", { class: "grow" }), badges, shutButton),
    h("p", { class: "note" }, title), bound,
    h("div", { class: "face-body" },
      h("div", { class: "face-left" },
        h("div", { class: "face-bar" }, h("div", { class: "scale", "aria-hidden": "true" }, scale), h("div", { class: "column", "aria-hidden": "true" }, fill, range, aim),
          h("dl", {}, pos.els, target.els, passes.els, permitted.els)),
        h("h3", {}, t("checks")), checks, starts,
        h("h3", {}, t("last_commands")), commands,
        h("h3", {}, t("opening_6h"), h("span", { class: "grow" }), unit), trendHost,
        h("p", { class: "quiet" }, `${t("responsible")}${t("colon")}${named(gate.responsible.unit)}${t("sep")}${gate.responsible.person}`)),
      h("div", { class: "face-right" }, driven && steps, work, ticket?.el, driven && buildWhatIf(basin, gate, () => state))));
  let flowing = null;
  let moves = null;
  let stage = 0;
  let plot = null;
  let state = now;
  let kept = [];

  function close() {
    flowing?.end(false);
    plot?.destroy();
    el.remove();
    onClose();
    if (before?.isConnected) before.focus();
  }
  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  /** First step: what is wanted. */
  function select() {
    setStage(0);
    flowing = null;
    const value = h("input", { type: "number", step: "0.1", tid: "set-point", required: true, inputmode: "decimal", "aria-label": t("new_position") });
    value.min = String(Math.min(shut + gate.lowest * (open - shut), shut + gate.highest * (open - shut)).toFixed(1));
    value.max = String(Math.max(shut + gate.lowest * (open - shut), shut + gate.highest * (open - shut)).toFixed(1));
    if (known(state?.gates[i].opening)) value.value = position(gate, state.gates[i].opening).replace("−", "-");
    const options = h("datalist", { id: "reasons" }, reasonsList());
    const reason = h("input", { type: "text", tid: "reason", list: "reasons", maxlength: "200", required: true, placeholder: t("reason_placeholder"), "aria-label": t("reason") });
    const nudge = (share) => h("button", { type: "button", on: { click: () => {
      const next = Number(value.value) + share;
      value.value = Math.min(Number(value.max), Math.max(Number(value.min), next)).toFixed(1);
    } } }, `${share > 0 ? "+" : "−"}${Math.abs(share)}`);
    const small = Math.max(0.1, Number((Math.abs(open - shut) * Math.max(gate.min_step, 0.01)).toFixed(1)));
    const form = h("form", { class: "select", tid: "select", novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      if (!form.reportValidity()) return;
      const opening = (Number(value.value) - shut) / (open - shut);
      preview({ order: "set_point", gate: gate.id, opening_pct: Math.round(opening * 1e6) / 1e4, reason: reason.value.trim() }, `${Number(value.value).toFixed(1)} ${unit}`);
    } } },
      h("h3", {}, t("set_point")),
      h("label", {}, h("span", {}, t("new_position")), h("span", { class: "entry" }, nudge(-5 * small), nudge(-small), value, h("b", {}, unit), nudge(small), nudge(5 * small))),
      h("label", {}, h("span", {}, t("reason")), reason, options),
      h("div", { class: "row" }, h("button", { type: "submit", class: "command primary", tid: "preview" }, t("preview"))));
    const authority = h("div", { class: "row", tid: "authority" });
    const stop = h("button", { type: "button", class: "command", tid: "stop", title: t("stop_gate_title"), on: { click: () => stopGate() } }, t("stop_gate"));
    const said = h("p", { class: "said", role: "status", tid: "face-answer" });
    work.replaceChildren(form, h("hr", {}), authority, h("div", { class: "row" }, stop, h("span", { class: "quiet" }, t("stop_gate_title"))), said);
    async function stopGate() {
      const answer = await act("stop", { request: requestId(), gate: gate.id });
      text(said, answer.ok ? `✓ ${t(known(answer.body.taken?.record) ? "taken" : "taken_unrecorded", answer.body.taken)}` : wording(answer.body));
    }
  }

  function reasonsList() {
    return ["0", "1", "2", "3", "4"].map((k) => h("option", { value: t(`reasons.${k}`) }));
  }

  /** Second and third step: the preview, held to confirm. */
  function preview(order, what) {
    setStage(1);
    const box = h("div", { class: "flow-box" });
    work.replaceChildren(box);
    flowing = confirmFlow(box, order, { what, onEnd: () => (el.isConnected ? select() : null) });
  }

  function setStage(next) {
    stage = next;
    [...steps.children].forEach((step, k) => {
      flag(step, "on", k === stage);
      if (k === stage) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
  }

  function authorityButtons(now) {
    const host = work.querySelector("[data-testid=authority]");
    if (!host) return;
    renew(host, `${now.authority}|${now.given?.since_s}|${lang()}`, () => {
      const next = now.authority === "automatic" ? "manual" : "automatic";
      const button = h("button", { type: "button", class: "command", tid: `take-${next}`, on: { click: () => give(next) } }, t(next === "automatic" ? "give_back" : "take_manual"));
      const other = h("button", { type: "button", class: "command", tid: "gate-mode", on: { click: () => choose(now.authority) } }, t("authority_other"));
      const { by, since_s, reason } = now.given || {};
      return [h("span", {}, `${t("col_authority")}${t("colon")}`, h("b", {}, t(`authority.${now.authority}`))), (next === "manual" || gate.automatic) && button, other,
        by && h("p", { class: "quiet", tid: "given" }, [t("given", { when: moment(since_s, state.utc_ms / 1000), who: who(by) }), reason].filter(Boolean).join(t("sep")))];
    });
  }

  function give(next) {
    openDialog(`${named(gate.name)}${t("colon")}${t(`do_${next}`)}`, { order: "set_authority", gate: gate.id, authority: next }, { about: t(`about.set_authority_${next}`), what: t(`do_${next}`) });
  }

  /** The four of them with what each means; dispatch has nothing to say of a gate it does not move. */
  function choose(current) {
    const offered = AUTHORITIES.filter((one) => gate.automatic || one === "manual" || one === "observe");
    openDialog(`${named(gate.name)}${t("colon")}${t("col_authority")}`, null, { body: (close) => h("ul", { class: "modes" }, offered.map((next) => h("li", {},
      h("button", { type: "button", tid: `give-${next}`, disabled: next === current, on: { click: () => {
        close();
        give(next);
      } } }, t(`authority.${next}`)),
      h("span", {}, t(`about.set_authority_${next}`), next === current ? h("b", {}, ` (${t("mode_now")})`) : "")))) });
  }

  function checkList(now) {
    const flown = (ok, key, note) => ({ ok, words: t(key), note });
    const settled = now.state === "idle" && !now.in_flight;
    return [
      flown(now.remote, "check_remote", now.remote === false ? t("local") : ""),
      flown(known(now.estop) || typeof now.estop === "boolean" ? !now.estop : null, "check_estop", ""),
      flown(typeof now.fault === "boolean" ? !now.fault : null, "check_fault", ""),
      flown(known(now.opening) && now.position.q !== "bad", "check_position", t(`quality.${now.position.q}`)),
      flown(settled, "check_state", settled ? "" : t(`state.${now.state}`)),
      flown(now.starts[0] < gate.max_starts_per_hour, "check_starts", `${now.starts[0]} / ${gate.max_starts_per_hour}`),
    ].sort((a, b) => Number(a.ok === true) - Number(b.ok === true));
  }

  function update(next, ctx) {
    state = next;
    const now = next.gates[i];
    const percentOf = (v) => `${Math.max(0, Math.min(100, v * 100))}%`;
    const { scale: factor } = strokeOf(gate);
    showValue(pos.value, now.position, ctx.clock, { show: (v) => v.toFixed(1), unit, scale: factor });
    text(target.value, known(now.target) ? positionUnit(gate, now.target) : "–");
    showValue(passes.value, now.flow, ctx.clock);
    fill.style.height = known(now.opening) ? percentOf(now.opening) : "0";
    aim.hidden = !known(now.target);
    if (known(now.target)) aim.style.bottom = percentOf(now.target);
    const [low, high] = now.permitted;
    text(permitted.value, low <= high ? `${position(gate, low)}–${positionUnit(gate, high)}` : t("limit.conflict"));
    range.style.bottom = percentOf(Math.min(low, high));
    range.style.height = percentOf(Math.max(0, high - low));
    const by = [...now.blocked_by, ...now.permitted_by.filter((l) => l && l.limit !== "travel")].map((l) => limit(basin, l, gate));
    flag(bound, "blocked", now.blocked_by.length > 0);
    text(bound, by.length ? `${t("limits_now")}${t("colon")}${[...new Set(by)].join("；")}` : `${t("limits_now")}${t("colon")}${t("no_limit")}`);
    const marks = marksOf(gate, now, ctx.alarms.get(gate.id)).filter(([kind]) => kind !== "alarm" && kind !== "auto");
    renew(badges, `${marks.join("|")}|${now.authority}|${now.remote}|${lang()}`, () => [
      ...marks.filter(([, , name]) => !AUTHORITIES.includes(name) && name !== "local").map(([kind, words]) => h("span", { class: kind }, words)),
      driven && h("span", { class: now.authority === "automatic" ? "outline" : "badge" }, t(`authority.${now.authority}`)),
      driven && h("span", { class: now.remote === false ? "badge" : "outline" }, t(now.remote === false ? "local" : now.remote === true ? "remote" : "key_unknown")),
    ]);
    const list = checkList(now);
    renew(checks, JSON.stringify([list, lang()]), () => list.map((check) => h("li", { class: check.ok === true ? "" : "not" }, h("b", {}, check.ok === true ? "✓" : check.ok === false ? "✗" : "?"), h("span", {}, check.words), h("span", { class: "note" }, check.note || ""))));
    text(starts, t("starts", { hour: now.starts[0], day: now.starts[1], max: gate.max_starts_per_hour }));
    listCommands();
    const may = driven && (!byOrder || next.tickets.some((one) => one.gate === i && one.in_force && one.of.permit === "order"));
    if (may !== moves) allow(may);
    authorityButtons(now);
    ticket?.update(next);
  }

  /** The newest of the whole record come with the page; those of a gate that moves seldom are asked for. */
  async function older() {
    const asked = new URLSearchParams({ kind: "moves", gate: gate.id, limit: String(COMMANDS) });
    kept = (await load(`/api/v1/records?${asked}`).catch(() => ({ rows: [] }))).rows;
    if (el.isConnected) listCommands();
  }

  function listCommands() {
    const now_s = state.utc_ms / 1000;
    const newest = [...kept, ...rows()].filter((row) => row.gate === gate.id && row.kind !== "outcome");
    const mine = [...new Map(newest.map((row) => [row.seq, row])).values()].sort((a, b) => b.seq - a.seq).slice(0, COMMANDS);
    renew(commands, JSON.stringify([mine.map((row) => [row.seq, row.outcome]), lang()]), () => (mine.length === 0 ? h("li", { class: "quiet" }, t("none_yet")) : mine.map((row) => {
      const say = rowWords(basin, row);
      return h("li", { title: [who(row.actor), say.why].filter(Boolean).join(t("sep")) }, h("span", {}, moment(Date.parse(row.utc) / 1000, now_s)), h("b", { class: "live" }, say.what), h("span", {}, `${outcomeSign(say.end.key)} ${say.end.words}`));
    })));
  }

  async function history() {
    try {
      const { series } = await load(`/api/v1/trends?hours=6&points=240&series=${encodeURIComponent(`gate:${gate.id}`)}`);
      if (el.isConnected) plot = stepTrend(trendHost, series[`gate:${gate.id}`], (v) => shut + v * (open - shut));
    } catch (error) {
      text(trendHost, error.message);
    }
  }
  /** A flood or maintenance gate takes set-points while an order for it is in force. */
  function allow(may) {
    flowing?.end(false);
    moves = may;
    steps.hidden = !may;
    if (may) select();
    else work.replaceChildren(h("p", { class: "quiet" }, t(driven ? "only_order" : "cannot_command")));
  }

  document.body.append(el);
  allow(driven && !byOrder);
  history();
  older();
  el.focus();
  return { el, update, close, i };
}

