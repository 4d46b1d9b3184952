// Records and reports: what was done and decided, by whom and why, each with its inputs; bulletins to open; samples to take away.

import { rowWords } from "./actions.js";
import { load, wording } from "./api.js";
import { h, panel, renew, text } from "./dom.js";
import { age, civil, known, moment, who } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { outcomeSign } from "./reasons.js";
import { words } from "./alarms.js";

const AT_ONCE = 50;
const KINDS = ["acts", "moves", "refusals", "people", "warnings", "incidents", "notes", "filings", "decisions", "alarms", "service"];

/** A civil time of an input as Unix seconds at the site; null when empty. */
function instant(value, offset_s) {
  if (!value) return null;
  const utc = Date.parse(`${value}:00Z`);
  return Number.isNaN(utc) ? null : utc / 1000 - offset_s;
}

export function buildRecords(basin, { state: newest }) {
  let state = newest();
  const select = (tid, label, options) => h("select", { tid, "aria-label": label }, options.map(([value, name]) => h("option", { value }, name)));
  const kind = select("records-kind", t("records.kind"), KINDS.map((key) => [key, t(`records.kinds.${key}`)]));
  const gate = select("records-gate", t("gate"), [["", t("records.all_gates")], ...basin.gates.map((g) => [g.id, named(g.name)])]);
  const actor = h("input", { type: "search", tid: "records-who", placeholder: t("records.who"), "aria-label": t("records.who"), maxlength: "60" });
  const from = h("input", { type: "datetime-local", tid: "records-from", "aria-label": t("records.from") });
  const to = h("input", { type: "datetime-local", tid: "records-to", "aria-label": t("records.to") });
  const form = h("form", { class: "filters", role: "search", tid: "records-filter", on: { submit: (event) => {
    event.preventDefault();
    stack = [];
    page(null);
  } } }, kind, gate, actor, h("label", { class: "check" }, t("records.from"), from), h("label", { class: "check" }, t("records.to"), to), h("button", { type: "submit", class: "primary", tid: "records-find" }, t("records.find")));
  for (const field of [kind, gate]) field.addEventListener("change", () => form.requestSubmit());
  const body = h("tbody", { tid: "records" });
  const said = h("p", { class: "quiet", role: "status", tid: "records-said" });
  const newer = h("button", { type: "button", tid: "records-newer", disabled: true, on: { click: () => {
    stack.pop();
    page(stack.at(-1) ?? null, true);
  } } }, t("records.newer"));
  const older = h("button", { type: "button", tid: "records-older", disabled: true, on: { click: () => {
    stack.push(next);
    page(next, true);
  } } }, t("records.older"));
  const log = panel("records-panel", t("records.title"), t("records.note"), null, form, said,
    h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("records.title") }, h("table", { class: "rows records-table" }, h("thead", {}, h("tr", {}, ["number", "time", "who", "what", "end", "why"].map((key) => h("th", { scope: "col", class: key === "number" ? "n" : "" }, t(`records.${key}`))))), body)),
    h("div", { class: "row paging" }, newer, older));
  let stack = [];
  let next = null;
  let ticket = 0;
  let opened = null;

  async function page(before, paging = false) {
    const mine = (ticket += 1);
    if (!paging) stack = [];
    const asked = new URLSearchParams({ kind: kind.value, limit: String(AT_ONCE) });
    const offset = state?.offset_s ?? 0;
    if (gate.value) asked.set("gate", gate.value);
    if (actor.value.trim()) asked.set("who", actor.value.trim());
    const [a, b] = [instant(from.value, offset), instant(to.value, offset)];
    if (a !== null) asked.set("from_s", String(a));
    if (b !== null) asked.set("to_s", String(b));
    if (before !== null) asked.set("before", String(before));
    text(said, t("records.busy"));
    try {
      const answer = await load(`/api/v1/records?${asked}`);
      if (mine !== ticket) return;
      next = answer.next_before;
      older.disabled = next === null;
      newer.disabled = stack.length === 0;
      text(said, answer.rows.length === 0 ? t("records.none") : t("records.count", { n: answer.rows.length, from: answer.rows.at(-1).seq, to: answer.rows[0].seq }));
      opened = null;
      body.replaceChildren(...answer.rows.flatMap(row));
    } catch (error) {
      if (mine === ticket) text(said, t("actions_failed", { error: error.message }));
    }
  }

  /** What a row says; records of other kinds than commands and acts say what they noted. */
  function sayOf(one) {
    if (["intent", "late-intent", "refusal", "operator"].includes(one.kind)) {
      const say = rowWords(basin, one);
      return { what: [say.gate, say.what].filter(Boolean).join(t("sep")), end: `${outcomeSign(say.end.key)} ${say.end.words}`, key: say.end.key, why: say.why };
    }
    if (one.kind === "alarm" && one.detail?.key) {
      const [id, ...rest] = one.detail.key.split(":");
      return { what: `${words({ id })("title")}${t("sep")}${rest.join(":")}`, end: t(`alarmpage.changes.${one.detail.change}`), key: "", why: "" };
    }
    if (one.kind === "note") return { what: [t("records.kind_of.note"), one.gate ?? one.detail?.section].filter(Boolean).join(t("sep")), end: "", key: "", why: one.detail?.text ?? "" };
    const say = rowWords(basin, one);
    return { what: [t(`records.kind_of.${one.kind}`), say.gate].filter(Boolean).join(t("sep")), end: "", key: "", why: say.why || brief({ ...one.detail, ...one.detail?.claim }) };
  }

  function row(one) {
    const say = sayOf(one);
    const now_s = (state?.utc_ms ?? Date.now()) / 1000;
    const utc_s = Date.parse(one.utc) / 1000;
    const more = h("tr", { class: "more-row", hidden: true });
    const button = h("button", { type: "button", class: "row-name", "aria-expanded": "false", tid: `record-${one.seq}`, on: { click: () => {
      const open = more.hidden;
      if (opened && opened !== more) opened.shut();
      more.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
      opened = open ? more : null;
      if (open) fill(more, one);
    } } }, say.what);
    more.shut = () => {
      more.hidden = true;
      button.setAttribute("aria-expanded", "false");
    };
    return [h("tr", {}, h("td", { class: "n" }, String(one.seq)), h("td", { class: "time" }, `${moment(utc_s, now_s)}:${civil(utc_s).time.slice(6)}`), h("td", { class: "who" }, who(one.actor)), h("th", { scope: "row" }, button),
      h("td", { class: `end ${say.key}` }, say.end, known(one.took_ms) ? h("small", {}, ` ${age(one.took_ms / 1000)}`) : ""), h("td", { class: "why-cell" }, say.why)), more];
  }

  async function fill(more, one) {
    const pre = h("pre", { class: "frames", tabindex: "0", tid: `record-text-${one.seq}`, lang: "en" }, t("records.busy"));
    more.replaceChildren(h("td", { colspan: 6 }, sayOf(one).why ? h("p", {}, h("b", {}, `${t("because")}${t("colon")}`), sayOf(one).why) : "", h("p", { class: "quiet" }, t("records.full")), pre));
    try {
      const response = await fetch(`/api/v1/records/${one.seq}`);
      const said = await response.text();
      text(pre, response.ok ? said : wording(JSON.parse(said)));
    } catch (error) {
      text(pre, error.message);
    }
  }

  // Reports
  const reports = h("div", { class: "reports", tid: "reports" });
  const reportPanel = panel("reports-panel", t("records.reports"), t("records.reports_note"), h("span", {}, h("a", { href: "/filings", tid: "filings" }, t("records.kinds.filings")), " ", h("a", { href: "/shift", tid: "shift" }, t("records.shift"))), reports);
  async function listReports() {
    try {
      const { reports: files } = await load("/api/v1/reports");
      renew(reports, JSON.stringify([files.map((file) => file.name), lang()]), () => reportList(files));
    } catch (error) {
      text(reports, t("actions_failed", { error: error.message }));
    }
  }

  // Files of samples
  const series = h("select", { tid: "csv-series", "aria-label": t("records.series") }, [["section", basin.sections], ["meter", basin.meters], ["gate", basin.gates.filter((g) => g.actuation === "driven")]].map(([word, list]) =>
    h("optgroup", { label: t(`records.series_of.${word}`) }, list.map((one) => h("option", { value: `${word}:${one.id}` }, named(one.name))))));
  const span = select("csv-span", t("pens.window"), [["1", t("days_short", { n: 1 })], ["7", t("days_short", { n: 7 })], ["30", t("days_short", { n: 30 })], ["365", t("days_short", { n: 365 })]]);
  const by = select("csv-by", t("records.fineness"), [["samples", t("records.by.samples")], ["minutes", t("records.by.minutes")], ["hours", t("records.by.hours")]]);
  const link = h("a", { class: "button primary", download: "", tid: "csv-link" }, t("records.take"));
  const aim = () => {
    const now_s = Math.floor((state?.utc_ms ?? Date.now()) / 1000);
    if (Number(span.value) > 30) by.value = "hours";
    link.href = `/api/v1/history?series=${encodeURIComponent(series.value)}&from_s=${now_s - Number(span.value) * 86400}&to_s=${now_s + 1}&by=${by.value}`;
  };
  for (const field of [series, span, by]) field.addEventListener("change", aim);
  link.addEventListener("pointerdown", aim);
  link.addEventListener("focus", aim);
  aim();
  const csv = panel("csv-panel", t("records.samples"), t("records.samples_note"), null, h("div", { class: "filters" }, series, span, by, link));

  page(null);
  listReports();
  const timer = setInterval(listReports, 60000);
  return { els: [h("div", { class: "records-left" }, log), h("div", { class: "records-right" }, reportPanel, csv)], update(now) {
    state = now;
  }, drop: () => clearInterval(timer) };
}

function brief(detail) {
  if (!detail || typeof detail !== "object") return "";
  return Object.entries(detail).filter(([, v]) => v !== null && typeof v !== "object").map(([k, v]) => `${k} ${v}`).join(t("sep"));
}

/** Report files by what they are and when: each once, with its page and its table in the language of the page first. */
function reportList(files) {
  const found = new Map();
  for (const { name } of files) {
    const parts = name.match(/^([a-z]+)_(.+)\.(zh|en)\.(html|csv)$/);
    if (!parts) continue;
    const [, kind, when, language, type] = parts;
    const key = `${kind}_${when}`;
    if (!found.has(key)) found.set(key, { kind, when, files: {} });
    found.get(key).files[`${language}.${type}`] = name;
  }
  if (found.size === 0) return h("p", { class: "quiet" }, t("records.no_reports"));
  const months = new Map();
  for (const report of [...found.values()].sort((a, b) => (a.when < b.when ? 1 : a.when > b.when ? -1 : 0))) {
    const month = report.when.match(/\d{4}-\d{2}/)?.[0] ?? report.when.slice(0, 4);
    if (!months.has(month)) months.set(month, []);
    months.get(month).push(report);
  }
  const href = (name) => `/api/v1/reports/${encodeURIComponent(name)}`;
  const first = lang();
  const other = first === "zh" ? "en" : "zh";
  return [...months].map(([month, list], k) => h("details", { open: k === 0 }, h("summary", {}, h("b", {}, month), h("span", { class: "quiet" }, ` ${list.length}`)),
    h("ul", { class: "plain-list" }, list.map((report) => {
      const [date, begins] = report.when.split(/_(?=\d{4}$)/);
      const words = [t(`records.report.${report.kind}`), date.replaceAll("_", " – "), begins ? `${begins.slice(0, 2)}:${begins.slice(2)}` : ""].filter(Boolean).join(" ");
      const page = report.files[`${first}.html`] ?? report.files[`${other}.html`];
      const others = [[`${other}.html`, other === "en" ? "EN" : "中文"], [`${first}.csv`, "CSV"]].filter(([key]) => report.files[key]);
      return h("li", { class: "report-row" }, page ? h("a", { href: href(page), target: "_blank", rel: "noopener", tid: `report-${page}` }, words) : h("span", {}, words), others.map(([key, label]) => h("a", { class: "small-link", href: href(report.files[key]), target: key.endsWith("html") ? "_blank" : null, rel: "noopener", "aria-label": `${words} ${label}` }, label)));
    }))));
}
