// Warnings of sections and wetlands: what the service finds and proposes, what is in force, and what was.

import { load } from "./api.js";
import { openDialog } from "./confirm.js";
import { glyph, h, panel, renew, text } from "./dom.js";
import { flow, level, moment, who } from "./format.js";
import { lang, t } from "./i18n.js";
import { elementName } from "./reasons.js";

const ROWS = 50;
const PRIORITY = { blue: 4, yellow: 3, orange: 2, red: 1 };
const GRADES = Object.keys(PRIORITY);
const gradeWord = (grade) => t(`warning.grade.${grade ?? "none"}`);
const sign = (grade) => (grade ? glyph(PRIORITY[grade]) : "");

/** The mark of an element on the overview: what is in force, else what is proposed. */
export function warningMark(id) {
  const el = h("a", { class: "warn-mark", href: "#/warnings", hidden: true, tid: `warning-${id}` });
  return { el, update(state) {
    const watch = state.warnings.find((one) => one.element === id);
    const issued = watch?.issued?.grade;
    const grade = issued ?? watch?.proposed?.grade;
    el.hidden = !grade;
    if (grade) renew(el, `${grade} ${issued} ${lang()}`, () => [sign(grade), h("b", {}, t(issued ? "warning.mark" : "warning.mark_proposed", { grade: gradeWord(grade) }))]);
  } };
}

/** What a grade stands on, in words. */
function findingWords(found, now_s) {
  if (!found) return t("warning.no_data");
  const show = found.sign === "level" ? (v) => `${level(v)} m` : (v) => `${flow(v)} m³/s`;
  const when = found.in_h === null ? "" : moment(now_s + found.in_h * 3600, now_s);
  return [`${t(`warning.sign.${found.sign}`)} ${show(found.value)}`, `${t("warning.limit")} ${show(found.limit)}`, when, t(`warning.basis.${found.basis}`)].filter(Boolean).join(t("sep"));
}

export function buildWarnings(basin, { state: newest }) {
  const body = h("tbody", { tid: "warnings" });
  const head = ["element", "found", "in_force", "act"].map((key) => h("th", { scope: "col" }, t(`warning.${key}`)));
  const now = panel("warnings-now", t("warning.title"), t("warning.note"), null, h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("warning.title") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, head)), body)));
  const past = h("tbody", { tid: "warnings-past" });
  const said = h("p", { class: "quiet", role: "status" });
  const then = panel("warnings-then", t("warning.history"), t("warning.history_note"), null, h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("warning.history") }, h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ["time", "what", "element", "by", "why"].map((key) => h("th", { scope: "col" }, t(`warning.${key}`))))), past)), said);
  let asked = "";

  function dialog(title, order, inputs, about) {
    openDialog(title, null, { body: (close) => {
      const form = h("form", { class: "select", novalidate: true, on: { submit: (event) => {
        event.preventDefault();
        if (!form.reportValidity()) return;
        const whole = { ...order, ...Object.fromEntries(inputs.map(([key, input]) => [key, input.value.trim()])) };
        close();
        openDialog(title, whole, { about: about(whole), what: title });
      } } }, inputs.map(([key, input]) => h("label", {}, h("span", {}, t(`warning.field.${key}`)), input)),
      h("div", { class: "row" }, h("button", { type: "submit", class: "command primary", tid: "warning-next" }, t("preview"))));
      return form;
    } });
  }

  const line = (key) => h("input", { type: "text", maxlength: "200", required: true, tid: `warning-${key}` });

  function issue(watch) {
    const grade = h("select", { tid: "warning-grade" }, GRADES.filter((one) => one !== watch.issued?.grade).map((one) => h("option", { value: one, selected: one === watch.proposed?.grade }, gradeWord(one))));
    dialog(t("warning.issue"), { order: "issue_warning", element: watch.element }, [["grade", grade], ["cause", line("cause")], ["measure", line("measure")]],
      (order) => t("warning.issue_about", { grade: gradeWord(order.grade), element: elementName(basin, watch.element), cause: order.cause, measure: order.measure }));
  }

  function cancel(watch) {
    dialog(t("warning.cancel"), { order: "cancel_warning", element: watch.element, warning: watch.issued.id }, [["reason", line("reason")]],
      (order) => t("warning.cancel_about", { grade: gradeWord(watch.issued.grade), element: elementName(basin, watch.element), reason: order.reason }));
  }

  function row(watch, now_s) {
    const { proposed, issued } = watch;
    const waits = proposed && t(proposed.grade ? "warning.proposed" : "warning.cancel_proposed", { grade: gradeWord(proposed.grade), when: moment(proposed.since_s, now_s) });
    return h("tr", { tid: `watch-${watch.element}` }, h("th", { scope: "row" }, elementName(basin, watch.element)),
      h("td", {}, h("p", {}, sign(watch.grade), " ", h("b", {}, watch.known ? gradeWord(watch.grade) : "–"), waits && h("span", { class: "badge" }, waits)), h("p", { class: "quiet" }, findingWords(watch.found, now_s))),
      h("td", {}, issued ? [h("p", {}, sign(issued.grade), " ", h("b", {}, gradeWord(issued.grade)), ` ${t("warning.issued_line", { id: issued.id, when: moment(issued.at_s, now_s), who: who(`operator:${issued.by}`) })}`), h("p", { class: "quiet" }, [findingWords(issued.found, issued.at_s), issued.cause, issued.measure].join(t("sep")))] : "–"),
      h("td", {}, h("div", { class: "row" }, h("button", { type: "button", class: "command", tid: `issue-${watch.element}`, on: { click: () => issue(watch) } }, t("warning.issue_button")), issued && h("button", { type: "button", class: "command", tid: `cancel-${watch.element}`, on: { click: () => cancel(watch) } }, t("warning.cancel_button")))));
  }

  async function ask() {
    try {
      const { records } = await load(`/api/v1/records?kind=warnings&limit=${ROWS}`);
      const now_s = newest().utc_ms / 1000;
      past.replaceChildren(...records.map(({ utc, actor, detail: one }) => h("tr", {}, h("td", { class: "time" }, moment(Date.parse(utc) / 1000, now_s)), h("td", {}, sign(one.grade), ` ${gradeWord(one.grade ?? "cancel")} ${t(`warning.was.${one.warning_was}`)}`), h("th", { scope: "row" }, elementName(basin, one.element)), h("td", {}, who(actor)),
        h("td", { class: "why-cell" }, [one.warning && `${t("warning.number")} ${one.warning}`, one.cause, one.measure, one.reason].filter(Boolean).join(t("sep"))))));
      text(said, records.length === 0 ? t("warning.no_history") : "");
    } catch (error) {
      text(said, t("actions_failed", { error: error.message }));
    }
  }

  return { els: [now, then], update(state) {
    const now_s = state.utc_ms / 1000;
    renew(body, JSON.stringify([state.warnings, lang()]), () => state.warnings.map((watch) => row(watch, now_s)));
    const mark = JSON.stringify(state.warnings.map(({ element, proposed, issued }) => [element, proposed, issued?.id]));
    if (mark === asked) return;
    asked = mark;
    ask();
  } };
}
