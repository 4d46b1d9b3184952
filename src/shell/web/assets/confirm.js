// Acts in two steps: a preview of what would happen, then a confirmation held for one second within its life.

import { act, requestId, sayLimits, wording } from "./api.js";
import { flag, h, longPress, text } from "./dom.js";
import { age, flow, known, percent, position, positionUnit, showValue, signed, span, strokeOf } from "./format.js";
import { named, t } from "./i18n.js";
import { limit } from "./reasons.js";
import { controlDialog } from "./people.js";
import { sectionValue } from "./sections.js";

/** The newest state and the basin, for previews. */
const now = { basin: null, state: null };

export function setNow(basin, state) {
  now.basin = basin;
  now.state = state;
  sayLimits((limits) => limits.map((found) => limit(basin, found)).join(t("sep")));
}

/**
 * Shows the preview of `order` in `host` and takes its confirmation. `options`: `about` and `what` in words,
 * `onEnd(done)` when it is over.
 */
export function confirmFlow(host, order, { about, what, onEnd }) {
  const note = h("p", { class: "flow-note", role: "status", tid: "flow-note" });
  const shown = h("div", { class: "flow-preview" });
  const left = h("b", { tid: "preview-left" });
  const bar = h("i", { class: "fill" });
  const life = h("div", { class: "life" }, h("span", {}, `${t("expires")} `, left), h("span", { class: "bar" }, bar));
  const cancel = h("button", { type: "button", tid: "cancel", on: { click: () => end(false) } }, t("cancel"));
  const again = h("button", { type: "button", tid: "again", hidden: true, on: { click: () => ask() } }, t("again"));
  const go = h("button", { type: "button", class: "go command", tid: "confirm", disabled: true }, t("confirm_hold", { what }));
  const password = h("input", { type: "password", tid: "own-password", autocomplete: "current-password", maxlength: 200 });
  const why = h("input", { type: "text", tid: "mode-reason", maxlength: 200 });
  const own = h("label", {}, t("people.password"), " ", password);
  const fields = h("div", { class: "again-fields", hidden: true }, h("label", {}, t("reason"), " ", why), own);
  const take = h("button", { type: "button", tid: "take-first", hidden: true, on: { click: () => controlDialog(() => ask()) } }, t("people.take_first"));
  host.replaceChildren(note, about ? h("p", { class: "about" }, about) : "", shown, fields, take, h("div", { class: "flow-foot" }, life, cancel, again, go));
  let token = null;
  let until = 0;
  let lasts = 30;
  let over = false;
  longPress(go, () => send());
  const timer = setInterval(tick, 200);

  function end(done) {
    if (over) return;
    over = true;
    clearInterval(timer);
    onEnd(done);
  }

  function tick() {
    if (token === null) return;
    const rest = (until - performance.now()) / 1000;
    text(left, t("in_s", { s: Math.max(0, Math.ceil(rest)) }));
    bar.style.width = `${Math.max(0, (rest / lasts) * 100)}%`;
    if (rest <= 0) spoil(t("expired"));
  }

  /** The preview can no longer be confirmed; a new one may be asked for. */
  function spoil(why) {
    token = null;
    go.disabled = true;
    again.hidden = false;
    life.hidden = true;
    text(note, why);
  }

  async function ask() {
    text(note, t("preview_busy"));
    const answer = await act("preview", order);
    if (over) return;
    if (!answer.ok) return spoil(wording(answer.body));
    show(answer.body, "");
  }

  function show(body, words) {
    token = body.token;
    lasts = body.expires_in_s;
    until = performance.now() + lasts * 1000;
    const blocked = body.preview.blocked_by.length > 0;
    const lacking = body.needs_control.length > 0;
    go.disabled = blocked || lacking;
    fields.hidden = !body.needs_reason;
    own.hidden = !body.needs_password;
    take.hidden = !lacking;
    again.hidden = true;
    life.hidden = false;
    text(note, words || (lacking ? t("people.needs_control") : ""));
    shown.replaceChildren(...describe(order, body.preview));
    tick();
  }

  async function send() {
    if (token === null) return;
    const used = token;
    token = null;
    go.disabled = true;
    text(note, t("sending"));
    const extra = { ...(fields.hidden ? {} : { reason: why.value }), ...(own.hidden ? {} : { password: password.value }) };
    const answer = await act("confirm", { request: requestId(), token: used, ...extra });
    if (over) return;
    if (answer.ok) {
      const { tick: at, record } = answer.body.taken;
      shown.replaceChildren(h("p", { class: "done", tid: "taken" }, `✓ ${t(known(record) ? "taken" : "taken_unrecorded", { tick: at, record })}`));
      text(note, "");
      life.hidden = true;
      go.hidden = true;
      again.hidden = true;
      text(cancel, t("close"));
      cancel.focus();
    } else if (answer.status === 409 && answer.body.renewed) show(answer.body.renewed, t("changed"));
    // The preview is good still: the password was wrong, or somebody else has control by now.
    else if ([403, 422, 423, 429].includes(answer.status)) {
      token = used;
      take.hidden = answer.status !== 423;
      go.disabled = answer.status === 423;
      text(note, `${t("refused")}${t("colon")}${wording(answer.body)}`);
    } else if (answer.status === 410) spoil(t("expired"));
    else spoil(answer.body.limits ? wording(answer.body) : `${t("refused")}${t("colon")}${wording(answer.body)}`);
  }

  ask();
  return { end, offer: again };
}

/** A preview in words and a small table. */
function describe(order, preview) {
  const { basin, state } = now;
  const gate = known(preview.gate) ? basin.gates[preview.gate] : null;
  const moves = order.order === "set_point" || order.order === "accept";
  const kids = [];
  if (gate && known(preview.to)) kids.push(...movement(basin, state, gate, preview));
  if (preview.blocked_by.length > 0) {
    kids.push(h("div", { class: "limits blocked", tid: "blocked" }, h("b", {}, `${t("blocked")} `), h("ul", {}, preview.blocked_by.map((found) => h("li", {}, limit(basin, found, gate))))));
  } else if (moves) kids.push(limitsBox(basin, gate, preview));
  if (moves) kids.push(inputsBox(basin, preview));
  if (preview.unprotected) kids.push(h("p", { class: "limits blocked", tid: "unprotected" }, h("b", {}, t("unprotected"))));
  const notes = [preview.takes_manual && t("takes_manual"), moves && t("if_failed")].filter(Boolean);
  if (notes.length > 0) kids.push(h("p", { class: "quiet" }, notes.join(" ")));
  return kids;
}

/** The way of the gate and what changes at it and at each section below. */
export function movement(basin, state, gate, preview) {
  const now_s = state.utc_ms / 1000;
  const { unit } = strokeOf(gate);
  const step = known(preview.from) ? (preview.to - preview.from) * (strokeOf(gate).open - strokeOf(gate).shut) : null;
  const head = h("p", { class: "from-to", tid: "from-to" }, h("b", { class: "live" }, position(gate, preview.from)), " → ", h("b", {}, `${position(gate, preview.to)} ${unit}`),
    h("span", {}, known(step) ? ` ${signed(step, (v) => (v < 0 ? `−${Math.abs(v).toFixed(1)}` : v.toFixed(1)))} ${unit}` : ""));
  const pair = (before, after) => [flow(before), " → ", h("b", { class: "live" }, known(after) ? flow(after) : t("unknown_flow"))];
  const rows = [h("tr", {}, h("th", { scope: "row" }, t("at_gate")), h("td", {}, pair(preview.flow_now_m3s, preview.flow_then_m3s)), h("td", {}),
    h("td", {}, known(preview.travel_s) ? t("travel", { s: age(preview.travel_s) }) : ""))];
  for (const reached of preview.sections) {
    const section = basin.sections[reached.section];
    const [first, full] = reached.arrives_in_h;
    const without = forecastAt(state.sections[reached.section], full) ?? reached.now_m3s;
    const after = known(without) && known(reached.change_m3s) ? Math.max(0, without + reached.change_m3s) : null;
    const share = known(after) && known(reached.floor_m3s) && reached.floor_m3s > 0 ? (after - reached.floor_m3s) / reached.floor_m3s : null;
    const when = full < 0.05 ? t("arrives_at_once") : span(now_s + first * 3600, now_s + full * 3600, now_s);
    rows.push(h("tr", { class: share !== null && share < 0 ? "breach" : "", tid: `reached-${section.id}` },
      h("th", { scope: "row" }, named(section.name), known(reached.floor_m3s) && h("small", {}, ` ${t("floor")} ${flow(reached.floor_m3s)}`)),
      h("td", {}, pair(without, after)), h("td", {}, h("b", {}, percent(share))), h("td", {}, when)));
  }
  const cols = ["expected_flow", "without_with", "margin", "arrival"].map((key) => h("th", { scope: "col" }, t(key)));
  return [head, h("table", { class: "effect" }, h("thead", {}, h("tr", {}, cols)), h("tbody", {}, rows))];
}

/** Forecast of a section some hours ahead, straight between its rows. */
function forecastAt(section, hours) {
  const rows = section?.forecast || [];
  const after = rows.findIndex(([at]) => at >= hours);
  if (after < 0) return null;
  if (after === 0) return sectionValue(section).v;
  const [[h0, q0], [h1, q1]] = [rows[after - 1], rows[after]];
  return q0 + ((q1 - q0) * (hours - h0)) / (h1 - h0);
}

function limitsBox(basin, gate, preview) {
  const p = preview.permitted;
  if (!p) return "";
  const by = p.by.filter(Boolean).map((found) => limit(basin, found, gate));
  return h("div", { class: "limits" }, h("b", {}, `${t("permitted")} `), `${position(gate, p.range[0])}–${positionUnit(gate, p.range[1])}`, by.length ? `${t("sep")}${[...new Set(by)].join("；")}` : "");
}

function inputsBox(basin, preview) {
  const bad = preview.inputs.filter((input) => input.quality !== "good" && input.quality !== "simulated").length;
  const total = preview.inputs.length;
  const rows = preview.inputs.map((input) => {
    const [kind, id] = input.of.split(/:(.*)/);
    const gate = basin.gates.find((g) => kind === "gate" && g.id === id);
    const section = basin.sections.find((s) => kind === "section" && s.id === id);
    const value = h("td", {});
    const reading = { v: input.value, q: input.quality, r: input.reason, at: known(input.age_s) ? -input.age_s : undefined };
    const utc_s = now.state.utc_ms / 1000;
    if (gate) showValue(value, reading, { at: 0, utc_s }, { show: (v) => position(gate, v), unit: strokeOf(gate).unit });
    else showValue(value, reading, { at: 0, utc_s });
    return h("tr", {}, h("th", { scope: "row" }, named((gate || section)?.name) || id), value, h("td", {}, t(`quality.${input.quality}`)), h("td", {}, known(input.age_s) ? age(input.age_s) : "–"));
  });
  return h("table", { class: "inputs" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("inputs")), h("th", { scope: "col", colspan: 3, class: "sum" }, bad === 0 ? t("inputs_all_good", { n: total }) : t("inputs_not_good", { good: total - bad, bad })))), h("tbody", {}, rows));
}

/** A dialog over the page: a flow of two steps for `order`, or any `body(close)`. */
export function openDialog(title, order, { about, what, body } = {}) {
  const box = h("div", { class: "dialog-body" });
  const close = () => dialog.close();
  const shut = h("button", { type: "button", class: "shut", "aria-label": t("close"), on: { click: close } }, "✕");
  const dialog = h("dialog", { tid: "dialog", "aria-label": title }, h("header", {}, h("h2", {}, title), shut), box);
  let running = null;
  dialog.addEventListener("close", () => {
    running?.end(false);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  if (body) box.append(body(close));
  else running = confirmFlow(box, order, { about, what, onEnd: close });
  flag(dialog, "wide", Boolean(body));
  return dialog;
}

/** Asks for `fields` ([label, input]) first, then goes on with the act `order()` makes of them, told by `about(order)`. */
export function askFirst(title, tid, fields, order, about) {
  openDialog(title, null, { body: (close) => {
    const form = h("form", { class: "select", novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      if (!form.reportValidity()) return;
      const whole = order();
      close();
      openDialog(title, whole, { about: about(whole), what: title.split(t("colon"))[0] });
    } } }, fields.map(([label, input]) => h("label", {}, h("span", {}, label), input)), h("div", { class: "row" }, h("button", { type: "submit", class: "command primary", tid: `${tid}-next` }, t("preview"))));
    return form;
  } });
}

/** A line of text for an act, 1 to 200 characters. */
export function lineInput(tid, placeholder = t("reason_placeholder")) {
  return h("input", { type: "text", maxlength: "200", required: true, tid, placeholder });
}
