// The last actions from the record: who moved what, why, and how it ended.

import { load, wording } from "./api.js";
import { h, panel, renew } from "./dom.js";
import { age, civil, known, moment, positionUnit, who } from "./format.js";
import { has, lang, named, t } from "./i18n.js";
import { because, limit, outcome, outcomeSign } from "./reasons.js";

const ROWS = 30;
/** Asked for again when something moved, at most every 2 s, and at least every 20 s, real time. */
const PAUSE_MS = 2000;
const LONGEST_MS = 20000;

/** What a person asked for, from the detail of an `operator` row. */
function orderWords(basin, row) {
  const order = row.detail?.order ?? { ...row.detail, order: row.detail?.what };
  if (!has(`order.${order.order}`)) return row.kind;
  const gate = basin.gates.find((g) => g.id === row.gate);
  return t(`order.${order.order}`, {
    mode: t(`mode.${order.mode}`), authority: t(`authority.${order.authority}`), alarm: order.alarm, n: order.alarms?.length, ticket: order.ticket, version: order.version, entry: order.entry, warning: order.warning, incident: order.incident ?? "", grade: has(`warning.grade.${order.grade}`) ? t(`warning.grade.${order.grade}`) : "",
    value: order.value, meter: named(basin.meters.find((m) => m.id === order.meter)?.name) || order.meter,
    to: gate && known(order.opening) ? positionUnit(gate, order.opening) : "–",
  });
}

/** A row in words: gate, what, end and why. */
export function rowWords(basin, row) {
  const gate = basin.gates.find((g) => g.id === row.gate);
  const at = (v) => (known(v) ? (gate ? positionUnit(gate, v) : `${(v * 100).toFixed(1)} %`) : "–");
  const operator = row.kind === "operator" || row.kind === "schedule";
  const what = operator ? orderWords(basin, row) : known(row.to) ? t("moved", { from: at(row.from), to: at(row.to) }) : t("stop_gate");
  const refused = row.kind === "refusal" || (operator && row.detail?.accepted === false) || row.detail?.what === "missed";
  const end = refused ? { key: "refused", words: t("outcome.refused") } : operator ? { key: "taken", words: t("outcome.taken") } : outcome(row.outcome);
  const causes = (Array.isArray(row.because) ? row.because : []).map((cause) => because(basin, cause));
  const limits = (Array.isArray(row.limits) ? row.limits : []).map((found) => limit(basin, found, gate));
  const said = operator && refused && row.detail.answer && limits.length === 0 ? [wording({ detail: row.detail.answer, detail_zh: row.detail.answer_zh })] : [];
  return { gate: gate ? named(gate.name) : row.gate || "", what, end, why: [...causes, ...limits.map((l) => `${t("limited")} ${l}`), ...said].join("；") };
}

export function buildActions(basin, onRows) {
  const body = h("ol", { class: "action-list" });
  const problem = h("p", { class: "quiet", role: "status" });
  const el = panel("actions", t("actions"), null, h("span", { class: "note" }, t("actions_note")), h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("actions") }, body, problem));
  let rows = [];
  let asked = -Infinity;
  let seen = null;
  let busy = false;

  async function fetchRows(now_s) {
    busy = true;
    asked = performance.now();
    try {
      rows = (await load(`/api/v1/actions?limit=${ROWS}`)).actions;
      problem.textContent = rows.length === 0 ? t("no_actions") : "";
      onRows(rows);
    } catch (error) {
      problem.textContent = t("actions_failed", { error: error.message });
    } finally {
      busy = false;
    }
    draw(now_s);
  }

  function draw(now_s) {
    const key = JSON.stringify([rows.map((row) => [row.seq, row.outcome]), lang(), civil(now_s).date]);
    renew(body, key, () => rows.map((row) => {
      const say = rowWords(basin, row);
      const about = [who(row.actor), known(row.took_ms) ? age(row.took_ms / 1000) : "", say.why].filter(Boolean).join(t("sep"));
      return h("li", { title: about, tid: `action-${row.seq}` },
        h("div", { class: "action-line" }, h("span", { class: "time" }, moment(Date.parse(row.utc) / 1000, now_s)), h("span", { class: "gate" }, say.gate),
          h("span", { class: "what" }, say.what), h("span", { class: `end ${say.end.key}` }, `${outcomeSign(say.end.key)} ${say.end.words}`)),
        h("div", { class: "action-why" }, about));
    }));
  }

  return { el, rows: () => rows, update(state) {
    const now_s = state.utc_ms / 1000;
    const mark = JSON.stringify([state.mode, state.hold_all, state.why[0]?.utc_s, state.gates.map((g) => [g.state, g.in_flight?.id, g.authority]), state.alarms.map((a) => a.acknowledged)]);
    const since = performance.now() - asked;
    if (!busy && ((mark !== seen && since > PAUSE_MS) || since > LONGEST_MS)) {
      seen = mark;
      fetchRows(now_s);
    }
  } };
}
