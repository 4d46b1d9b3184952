// The form of one entry of the calendar, and its time in words.

import { h, text } from "./dom.js";
import { named, t } from "./i18n.js";
import { wording } from "./api.js";

const VALUE = { opening: "opening_pct", flow: "flow_m3s", level: "level_m", floor: "floor_m3s" };
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const BY_DAM = ["trim", "standby", "base", "flood", "emergency"];

/** When an entry holds. */
export function whenWords(row) {
  const plain = (at) => at.replace("T", " ");
  if (row.from) return `${plain(row.from)} – ${plain(row.to)}`;
  const days = t("schedule.days").split(",");
  const on = row.days && row.days.split(" ").length < 7 ? row.days.split(" ").map((day) => days[DAYS.indexOf(day)] ?? day).join(t("schedule.days_sep")) : t("schedule.daily");
  return [row.begin && `${on} ${row.begin}–${row.end}`, row.season_from && `${row.season_from} … ${row.season_to}`, (row.valid_from || row.valid_to) && `${row.valid_from ?? ""} → ${row.valid_to ?? ""}`].filter(Boolean).join(t("sep"));
}

/** The form for `row`; `save(next)` resolves to the answer, `close()` ends the dialog. */
export function entryForm(basin, row, save, close) {
  const note = h("div", { role: "alert", tid: "form-said" });
  const input = (name, type, more) => {
    const el = h("input", { name, type, maxlength: 120, tid: `f-${name}`, ...more });
    el.value = row[name] ?? "";
    return h("label", {}, h("span", {}, t(`schedule.col.${name}`)), el);
  };
  const select = (name, label, options, value) => {
    const el = h("select", { name, tid: `f-${name}` }, options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
    el.value = value;
    return [h("label", {}, h("span", {}, label), el), el];
  };
  const [kindField, kind] = select("kind", t("schedule.col.kind"), ["opening", "flow", "level", "shut", "stay", "floor"].map((key) => [key, t(`schedule.kinds.${key}`)]), row.kind);
  const host = h("span", { class: "element-host" });
  const value = h("fieldset", { class: "plain" });
  const mode = row.from ? "once" : row.begin ? "weekly" : row.season_from || row.valid_from ? "season" : "once";
  const [modeField, how] = select("", t("schedule.when"), ["once", "weekly", "season"].map((key) => [key, t(`schedule.modes.${key}`)]), mode);
  how.dataset.testid = "f-mode";
  const chosen = (row.days ?? DAYS.join(" ")).split(" ");
  const days = h("span", { class: "days", role: "group", "aria-label": t("schedule.col.days") }, DAYS.map((day, i) => {
    const box = h("input", { type: "checkbox", name: "day", value: day, tid: `f-${day}` });
    box.checked = chosen.includes(day);
    return h("label", {}, box, t("schedule.days").split(",")[i]);
  }));
  const groups = {
    once: h("fieldset", { class: "plain" }, input("from", "datetime-local"), input("to", "datetime-local")),
    weekly: h("fieldset", { class: "plain" }, days, input("begin", "time"), input("end", "time")),
    within: h("fieldset", { class: "plain" }, input("season_from", "text", { placeholder: "06-01", size: 6 }), input("season_to", "text", { placeholder: "09-30", size: 6 }), input("valid_from", "date"), input("valid_to", "date")),
  };
  const [missedField] = select("if_missed", t("schedule.col.if_missed"), [["late", t("schedule.missed.late")], ["skip", t("schedule.missed.skip")]], row.if_missed ?? "late");
  const order = h("details", {}, h("summary", {}, t("schedule.order")), h("fieldset", { class: "plain" }, input("order_number", "text"), input("order_giver", "text"), input("order_receiver", "text"), input("order_given", "datetime-local"), input("order_basis", "text")));
  order.open = Boolean(row.order_number);
  const form = h("form", { class: "entry-form", tid: "entry-form" }, kindField, host, value, modeField, groups.once, groups.weekly, groups.within, missedField, input("name", "text"), order, note,
    h("div", { class: "flow-foot" }, h("button", { type: "button", on: { click: close } }, t("cancel")), h("button", { type: "submit", class: "go", tid: "form-save" }, t("schedule.save"))));

  function fit() {
    const own = kind.value === "floor" ? basin.sections.filter((section) => section.floor_m3s !== null) : basin.gates.filter((gate) => gate.automatic && gate.actuation === "driven" && !BY_DAM.includes(gate.duty));
    const before = host.querySelector("select")?.value ?? row.element;
    const at = own.some((element) => element.id === before) ? before : own[0]?.id;
    host.replaceChildren(select("element", t(kind.value === "floor" ? "schedule.section" : "schedule.gate"), own.map((element) => [element.id, named(element.name)]), at)[0]);
    value.replaceChildren(...(VALUE[kind.value] ? [input(VALUE[kind.value], "number", { step: "any", min: 0, required: true })] : []));
    const shown = { once: how.value === "once", weekly: how.value === "weekly", within: how.value !== "once" };
    for (const [name, group] of Object.entries(groups)) group.disabled = group.hidden = !shown[name];
  }
  kind.addEventListener("change", fit);
  how.addEventListener("change", fit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const next = { id: row.id };
    const data = new FormData(form);
    for (const [name, given] of data) if (name && name !== "day" && given !== "" && !(name === "if_missed" && given === "late")) next[name] = given;
    if (how.value === "weekly") next.days = data.getAll("day").join(" ");
    const answer = await save(next);
    if (answer.ok) return close();
    const mine = (answer.body.problems ?? []).filter((problem) => problem.what);
    note.replaceChildren(...(mine.length ? mine.map((problem) => h("p", { class: "conflict refused" }, `✗ ${t(`schedule.col.${problem.column}`)}${t("colon")}${["what", "remedy"].map((key) => wording(problem, key)).join(t("stop") === "。" ? "；" : "; ")}`)) : [h("p", { class: "conflict refused" }, wording(answer.body))]));
    for (const el of form.elements) el.setAttribute("aria-invalid", String(mine.some((problem) => problem.column === el.name)));
  });
  fit();
  text(note, "");
  return form;
}
