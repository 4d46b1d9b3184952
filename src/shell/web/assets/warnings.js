// Warnings of sections and wetlands: what the service finds and proposes, and what is in force; what was is among the records.

import { askFirst, lineInput } from "./confirm.js";
import { glyph, h, panel, renew } from "./dom.js";
import { flow, known, level, moment, who } from "./format.js";
import { lang, t } from "./i18n.js";
import { elementName } from "./reasons.js";

const PRIORITY = { blue: 4, yellow: 3, orange: 2, red: 1 };
const gradeWord = (grade) => t(`warning.grade.${grade ?? "none"}`);
const graded = (grade, words) => [grade ? glyph(PRIORITY[grade]) : "", " ", h("b", {}, words ?? gradeWord(grade))];

/** The mark of an element on the overview: what is in force, else what is proposed. */
export function warningMark(id) {
  const el = h("a", { class: "warn-mark", href: "#/warnings", hidden: true, tid: `warning-${id}` });
  return { el, update(state) {
    const watch = state.warnings.find((one) => one.element === id);
    const issued = watch?.issued?.grade;
    const grade = issued ?? watch?.proposed?.grade;
    el.hidden = !grade;
    if (grade) renew(el, `${grade} ${issued} ${lang()}`, () => graded(grade, t(issued ? "warning.mark" : "warning.mark_proposed", { grade: gradeWord(grade) })));
  } };
}

/** What a grade stands on, in words. */
function findingWords(found, now_s) {
  if (!found) return t("warning.no_data");
  const show = found.sign === "level" ? (v) => `${level(v)} m` : (v) => `${flow(v)} m³/s`;
  return [`${t(`warning.sign.${found.sign}`)} ${show(found.value)}`, `${t("limit_word")} ${show(found.limit)}`, known(found.in_h) ? moment(now_s + found.in_h * 3600, now_s) : "", t(`warning.basis.${found.basis}`)].filter(Boolean).join(t("sep"));
}

export function buildWarnings(basin) {
  const body = h("tbody", { tid: "warnings" });
  const el = panel("warnings-now", t("warning.title"), t("warning.note"), h("a", { href: "#/records" }, t("warning.history")), h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("warning.title") }, h("table", { class: "rows" }, body)));

  function issue(watch, name) {
    const grade = h("select", { tid: "warning-grade" }, Object.keys(PRIORITY).filter((one) => one !== watch.issued?.grade).map((one) => h("option", { value: one, selected: one === watch.proposed?.grade }, gradeWord(one))));
    const [cause, measure] = [lineInput("warning-cause"), lineInput("warning-measure", "")];
    askFirst(t("warning.issue"), "warning", [[t("warning.grade_of"), grade], [t("cause"), cause], [t("warning.measure"), measure]],
      () => ({ order: "issue_warning", element: watch.element, grade: grade.value, cause: cause.value.trim(), measure: measure.value.trim() }), (order) => [name, gradeWord(order.grade), order.cause, order.measure, t("warning.issue_about")].join(t("sep")));
  }

  function cancel(watch, name) {
    const reason = lineInput("warning-reason");
    askFirst(t("warning.cancel"), "warning", [[t("reason"), reason]], () => ({ order: "cancel_warning", element: watch.element, warning: watch.issued.id, reason: reason.value.trim() }), (order) => [name, gradeWord(watch.issued.grade), order.reason].join(t("sep")));
  }

  function row(watch, now_s) {
    const { proposed, issued } = watch;
    const name = elementName(basin, watch.element);
    const button = (word, act) => h("button", { type: "button", class: "command", tid: `${word}-${watch.element}`, on: { click: () => act(watch, name) } }, `${t(`warning.${word}`)}…`);
    return h("tr", { tid: `watch-${watch.element}` }, h("th", { scope: "row" }, name),
      h("td", {}, graded(watch.grade, watch.known ? null : "–"), " ", proposed && h("span", { class: "badge" }, t("warning.proposed", { grade: gradeWord(proposed.grade ?? "cancel"), when: moment(proposed.since_s, now_s) })), h("p", { class: "quiet" }, findingWords(watch.found, now_s))),
      h("td", {}, issued && [...graded(issued.grade), ` ${t("warning.issued", { id: issued.id, when: moment(issued.at_s, now_s), who: who(`operator:${issued.by}`) })}`, h("p", { class: "quiet" }, [findingWords(issued.found, issued.at_s), issued.cause, issued.measure].join(t("sep")))]),
      h("td", {}, h("div", { class: "row" }, button("issue", issue), issued && button("cancel", cancel))));
  }

  return { els: [el], update(state) {
    renew(body, JSON.stringify([state.warnings, lang()]), () => state.warnings.map((watch) => row(watch, state.utc_ms / 1000)));
  } };
}
