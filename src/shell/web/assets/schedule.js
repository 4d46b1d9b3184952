// What runs by the calendar: announced turns of intakes, entries for gates and floors, season locks. Who may change it has a draft
// besides: a form for each entry, what stands against it, the seven days, and the activation in two steps.

import { valueWords } from "./ahead.js";
import { load, requestId, send, wording } from "./api.js";
import { openDialog } from "./confirm.js";
import { flag, h, longPress, onlyLooks, panel, renew, text } from "./dom.js";
import { flow, known, moment, positionUnit } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { me } from "./people.js";
import { entryForm, whenWords } from "./scheduleform.js";

/** Asked for again when the calendar in force changed, and at least so often, real time. */
const STALE_MS = 60000;
const API = "/api/v1/schedule";

export function buildSchedule(basin, { pick }) {
  const gates = new Map(basin.gates.map((gate) => [gate.id, gate]));
  const sections = new Map(basin.sections.map((section) => [section.id, section]));
  const chart = h("div", { class: "gantt", tid: "gantt" });
  const lanes = panel("schedule-chart", t("schedule.title"), t("schedule.note"), null, chart);
  const note = h("p", { class: "flow-note", role: "status", tid: "schedule-said" });
  const tools = h("div", { class: "row schedule-tools" });
  const entries = h("tbody", { tid: "entries" });
  const head = ["what", "when", "rate", "order", "state"].map((key) => h("th", { scope: "col", class: key === "rate" ? "n" : "" }, t(`schedule.${key}`)));
  const list = panel("schedule-list", t("schedule.entries"), null, null, tools, note, h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("schedule.entries") },
    h("table", { class: "rows" }, h("thead", {}, h("tr", {}, head)), entries)));
  const locks = h("tbody", { tid: "locks" });
  const season = h("p", { class: "season-line", tid: "schedule-season" });
  const locked = basin.gates.map((gate, i) => ({ gate, i })).filter(({ gate }) => gate.lock || gate.duty === "season_lock");
  const lockPanel = panel("schedule-locks", t("schedule.locks"), null, null, season, locked.length === 0 ? h("p", { class: "quiet" }, t("schedule.no_locks")) : h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["gate", "position", "rule", "responsible"].map((key) => h("th", { scope: "col", class: key === "position" ? "n" : "" }, t(`schedule.${key}`))))), locks));
  const turns = basin.schedules.turns.map((turn) => ({ ...turn, element: `turn:${turn.intake}`, name: named(basin.intakes[turn.intake].name), words: `${flow(turn.rate_m3s)} m³/s` }));

  let doc = null;
  let asked = -Infinity;
  let seen = null;
  let now_s = 0;
  let state = null;
  let gone = false;

  const elementName = (id) => named((gates.get(id) ?? sections.get(id))?.name) || id;
  const valueOf = (row) => valueWords(gates.get(row.element), row);
  const rowsOf = (own) => new Map([...(doc?.in_file ?? []), ...own].map((row) => [row.id, row]));
  const draft = () => doc?.draft ?? null;

  async function ask() {
    asked = performance.now();
    try {
      doc = await load(API);
    } catch (error) {
      text(note, error.message);
    }
    if (!gone && state) draw();
  }

  /** Sends something that changes the draft; true when it was taken. */
  async function change(path, body, done) {
    const answer = await send("POST", `${API}/${path}`, body);
    text(note, answer.ok ? done : wording(answer.body));
    await ask();
    return answer;
  }

  /** The entries a change begins with. */
  const base = () => (draft() ?? doc?.active)?.entries ?? [];
  const saveAll = (rows) => change("draft", { base: draft()?.hash ?? null, entries: rows }, t("schedule.saved"));

  function edit(row) {
    const taken = new Set([...base(), ...(doc?.in_file ?? [])].map((other) => other.id));
    let free = 1;
    while (taken.has(`e${free}`)) free += 1;
    const save = (next) => {
      const at = row ? base().findIndex((other) => other.id === row.id) : -1;
      return saveAll(at < 0 ? [...base(), next] : base().with(at, next));
    };
    openDialog(t(row ? "schedule.edit" : "schedule.add"), null, { body: (close) => entryForm(basin, row ?? { id: `e${free}`, kind: "opening" }, save, close) });
  }

  function said(conflict) {
    const words = t(`schedule.found.${conflict.finding}`, { ...conflict, section: elementName(conflict.section), permitted: flow(conflict.permitted_m3s), floor: flow(conflict.floor_m3s), left: flow(conflict.left_m3s),
      not_before: conflict.not_before ? moment(Date.parse(conflict.not_before) / 1000, now_s) : "" });
    return h("p", { class: conflict.refused ? "conflict refused" : "conflict", tid: `conflict-${conflict.entry}` }, `${conflict.refused ? "✗" : "·"} `, known(conflict.at_s) ? `${moment(conflict.at_s, now_s)} ` : "", words);
  }

  async function preview() {
    const answer = await send("POST", `${API}/preview`, {});
    if (!answer.ok) {
      text(note, wording(answer.body));
      return;
    }
    const { body } = answer;
    const { added, changed, removed } = body.changes;
    const rows = new Map([...(doc?.in_file ?? []), ...body.entries].map((row) => [row.id, row]));
    openDialog(t("schedule.preview"), null, { body: (close) => {
      const end = h("p", { role: "status", tid: "activate-said" });
      const go = h("button", { type: "button", class: "go command", tid: "activate", disabled: !body.token }, t("confirm_hold", { what: t("schedule.activate") }));
      longPress(go, async () => {
        go.disabled = true;
        const done = await send("POST", `${API}/activate`, { request: requestId(), token: body.token });
        text(end, done.ok ? `✓ ${t("schedule.activated", { n: done.body.version })}` : `${t("refused")}${t("colon")}${wording(done.body)}`);
        await ask();
      });
      const gantt = h("div", { class: "gantt" }, ...chartOf(lanesOf([], body.blocks, rows)));
      return h("div", { class: "dialog-body" }, h("p", { tid: "preview-changes" }, t("schedule.changes", { added: added.join(", ") || "–", changed: changed.join(", ") || "–", removed: removed.join(", ") || "–" })),
        body.conflicts.map((conflict) => h("div", {}, h("b", {}, conflict.entry), said(conflict))), gantt, end,
        h("div", { class: "flow-foot" }, h("button", { type: "button", on: { click: close } }, t("close")), go));
    } });
  }

  async function bring(file) {
    const answer = await fetch(`${API}/import`, { method: "POST", headers: { "content-type": "text/csv", "x-qindan": "1" }, body: file }).catch(() => null);
    const body = (await answer?.json().catch(() => null)) ?? {};
    note.replaceChildren(...(answer?.ok ? [t("schedule.saved")] : [h("b", {}, t("refused")), ...(body.problems ?? [{ what: wording(body) }]).map((p) => h("div", {}, [p.line ? t("schedule.at_line", { line: p.line }) : "", p.column, p.value && `= ${p.value}`, ["what", "remedy"].filter((key) => p[key]).map((key) => wording(p, key)).join(t("stop") === "。" ? "；" : "; ")].filter(Boolean).join(" ")))]));
    await ask();
  }

  function drawTools() {
    const button = (key, act, more) => h("button", { type: "button", tid: `schedule-${key}`, on: { click: act }, ...more }, t(`schedule.${key}`));
    const csv = (of) => h("a", { href: `${API}.csv?of=${of}`, download: `schedule-${of}.csv`, tid: `export-${of}` }, t("schedule.export", { of: t(`schedule.of.${of}`) }));
    if (!me.may.schedule || onlyLooks()) {
      tools.replaceChildren(csv("active"));
      return;
    }
    const file = h("input", { type: "file", accept: ".csv,text/csv", tid: "import-file", class: "unseen", tabindex: "-1", "aria-hidden": "true" });
    file.addEventListener("change", () => file.files[0] && bring(file.files[0]));
    const on = draft() !== null;
    tools.replaceChildren(button("add", () => edit(null)), ...(on ? [button("preview", preview), button("discard", () => change("discard", { hash: draft().hash }, t("schedule.discarded")))] : []),
      button("import", () => file.click()), file, csv("active"), ...(on ? [csv("draft")] : []));
  }

  /** Lanes by element: what is in force as full blocks, what the draft would change as outlined ones. */
  function lanesOf(now, next, rows) {
    const all = new Map();
    const add = (block, kind) => {
      if (!all.has(block.element)) all.set(block.element, []);
      all.get(block.element).push({ ...block, kind });
    };
    const key = (b) => `${b.element}|${b.entry}|${b.from_s}|${b.to_s}|${JSON.stringify(b.row)}`;
    const mine = now.map((b) => ({ ...b, row: rowsOf(doc?.active?.entries ?? []).get(b.entry) }));
    const theirs = next.map((b) => ({ ...b, row: rows.get(b.entry) }));
    const known = new Set(mine.map(key));
    mine.forEach((b) => add(b, "now"));
    theirs.filter((b) => !known.has(key(b))).forEach((b) => add(b, "draft"));
    return [...all].map(([element, blocks]) => ({ name: elementName(element), blocks: blocks.map((b) => ({ ...b, words: b.row ? valueOf(b.row) : b.entry })) }));
  }

  function chartOf(rows) {
    const [from, to] = [doc.from_s, doc.to_s];
    const place = (at) => `${Math.max(0, Math.min(1, (at - from) / (to - from))) * 100}%`;
    const at = (el, a, b) => {
      el.style.left = place(a);
      if (b !== undefined) el.style.width = `calc(${place(b)} - ${place(a)})`;
      return el;
    };
    const days = [];
    for (let day = Math.ceil((from + state.offset_s) / 86400) * 86400 - state.offset_s; day < to; day += 86400) days.push(day);
    const scale = h("div", { class: "gantt-row gantt-scale" }, h("span", {}), h("div", { class: "gantt-lane" }, days.map((day) => at(h("span", { class: "gantt-day" }, moment(day, now_s + 1e9).slice(0, 5)), day))));
    return [scale, ...rows.map(({ name, blocks }) => h("div", { class: "gantt-row" }, h("span", { class: "gantt-name" }, name), h("div", { class: "gantt-lane" }, blocks.map((b) => {
      const runs = b.from_s <= now_s && now_s < b.to_s;
      const how = b.kind === "draft" ? "draft" : b.to_s <= now_s ? "over" : runs ? "runs" : "";
      return at(h("span", { class: `gantt-block ${how}`, title: `${b.entry ?? ""} ${b.words} ${moment(b.from_s, now_s)} – ${moment(b.to_s, now_s)}` }, b.words), b.from_s, b.to_s);
    }), at(h("i", { class: "gantt-now" }), now_s))))];
  }

  function draw() {
    const shown = turns.filter((turn) => turn.to_s > doc?.from_s && turn.from_s < doc?.to_s);
    const names = [...new Set(shown.map((turn) => turn.name))];
    const rows = doc ? [...lanesOf(doc.blocks, draft()?.blocks ?? [], rowsOf(draft()?.entries ?? [])), ...names.map((name) => ({ name, blocks: shown.filter((turn) => turn.name === name).map((turn) => ({ ...turn, entry: turn.id })) }))] : [];
    chart.replaceChildren(...(rows.length === 0 ? [h("p", { class: "quiet" }, t("schedule.nothing", { d: 7 }))] : chartOf(rows)));
    drawTools();
    if (!doc) return;
    const running = new Map(state.calendar.running.map((step) => [step.entry, step]));
    const active = doc.active?.entries ?? [];
    const made = draft() ? draft().entries : active;
    const found = draft()?.conflicts ?? [];
    const list = [...made.map((row) => ({ row, own: true })), ...active.filter((row) => !made.some((other) => other.id === row.id)).map((row) => ({ row, own: true, off: true })), ...doc.in_file.map((row) => ({ row, own: false }))];
    const lines = list.map(({ row, own, off }) => {
      const step = running.get(row.id);
      const is = JSON.stringify(active.find((other) => other.id === row.id)) === JSON.stringify(row);
      const key = off ? "removed" : own && !is ? "drafted" : step ? (step.cut ? "cut" : step.state) : own ? "active" : "in_file";
      const acts = own && !off && me.may.schedule && !onlyLooks() ? h("span", { class: "row-acts" },
        h("button", { type: "button", tid: `edit-${row.id}`, "aria-label": `${t("schedule.edit")} ${row.id}`, on: { click: () => edit(row) } }, "✎"),
        h("button", { type: "button", tid: `remove-${row.id}`, "aria-label": `${t("schedule.remove")} ${row.id}`, on: { click: () => saveAll(base().filter((other) => other.id !== row.id)) } }, "✕")) : null;
      const order = [row.order_number, row.order_giver && `${row.order_giver} → ${row.order_receiver ?? "–"}`, row.order_given, row.order_basis].filter(Boolean);
      return h("tr", { tid: `entry-${row.id}`, class: off ? "over" : "" }, h("th", { scope: "row" }, elementName(row.element), h("small", {}, ` ${row.id}${row.name ? ` · ${row.name}` : ""}`), found.filter((conflict) => conflict.entry === row.id && !off).map(said)),
        h("td", {}, whenWords(row)), h("td", { class: "n" }, h("b", { class: "live" }, valueOf(row))), h("td", { title: order.slice(1).join(t("sep")) }, order[0] ?? ""),
        h("td", {}, h("span", { class: step ? "outline" : "word" }, t(`schedule.states.${key}`)), acts));
    });
    const about = [doc.active && t("schedule.version", { n: doc.active.version, by: doc.active.by, at: moment(doc.active.since_s, now_s) }), draft() && t("schedule.draft_by", { by: draft().by, at: moment(draft().at_s, now_s) })].filter(Boolean).join(t("sep"));
    const words = turns.filter((turn) => turn.to_s > now_s).map((turn) => h("tr", {}, h("th", { scope: "row" }, turn.name, h("small", {}, ` ${turn.id}`)), h("td", {}, `${moment(turn.from_s, now_s)} – ${moment(turn.to_s, now_s)}`), h("td", { class: "n" }, h("b", { class: "live" }, turn.words)), h("td", {}), h("td", {}, h("span", { class: "word" }, t("schedule.states.turn")))));
    entries.replaceChildren(...(about ? [h("tr", {}, h("td", { colspan: 5, class: "quiet", tid: "schedule-about" }, about))] : []), ...(lines.length + words.length === 0 ? [h("tr", {}, h("td", { colspan: 5, class: "quiet" }, t("schedule.no_entries")))] : [...lines, ...words]));
  }

  function update(next) {
    state = next;
    now_s = state.utc_ms / 1000;
    const key = JSON.stringify([state.calendar, Math.floor(now_s / 600), lang()]);
    if (key !== seen || performance.now() - asked > STALE_MS) {
      seen = key;
      ask();
    }
    const { from: a, to: b } = basin.flood_season;
    const md = ([month, day]) => `${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
    renew(season, `${lang()}${state.flood_season}${state.season_days}`, () => [h("b", {}, t(state.flood_season ? "flood" : "dry")), ` ${known(state.season_days) ? t(state.flood_season ? "to_dry" : "to_flood", { days: state.season_days }) : ""}`, h("span", { class: "quiet" }, ` ${t("schedule.season", { from: md(a), to: md(b) })}`)]);
    renew(locks, JSON.stringify([locked.map(({ i }) => state.gates[i].opening), lang(), state.flood_season]), () => locked.map(({ gate, i }) => h("tr", {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "row-name", on: { click: () => pick(i) } }, named(gate.name))), h("td", { class: "n" }, known(state.gates[i].opening) ? positionUnit(gate, state.gates[i].opening) : "–"),
      h("td", {}, lockWords(gate)), h("td", {}, named(gate.responsible.unit)))));
    flag(lanes, "waiting", doc === null);
  }

  function lockWords(gate) {
    const rule = t(state.flood_season ? "schedule.may_open" : "schedule.must_shut");
    const more = gate.lock ? t("schedule.unlock", { n: gate.lock.signatures, min: gate.lock.max_minutes }) : "";
    return [rule, more].filter(Boolean).join(t("sep"));
  }
  return { els: [lanes, h("div", { class: "schedule-rest" }, list, lockPanel)], update, drop() {
    gone = true;
  } };
}
