// The engineers' page: orders runs, follows them, shows their reports. It has no command to any plant.

const WORDS = {
  en: {
    pick: "Scenario and changes", scenario: "Scenario", changes: "Changes of the configuration", add: "Add a change", seed: "Seed (empty: the scenario's own)",
    run: "Run", runs: "Runs", compare: "Compare A and B", none: "no run yet", report: "Report", empty: "choose a run that is done", blind: "no connection to the studio; what is shown may be old",
    key: "key, as control.min_interval_s", value: "value", now: "now", remove: "remove this change", days: "d", show: "Report", cancel: "Cancel", again: "Take over", language: "中文",
    waiting: "waiting", running: "running", passed: "passed", failed_floor: "failed", broken: "broken off", cancelled: "cancelled", below: "min below floor", need: "above need", lost: "the studio does not answer; is it still running?",
    file: "file",
  },
  zh: {
    pick: "情景与改动", scenario: "情景", changes: "配置改动", add: "添加改动", seed: "种子（空：用情景自己的）",
    run: "运行", runs: "运行列表", compare: "对比 A 与 B", none: "还没有运行", report: "报告", empty: "请选择一次已完成的运行", blind: "与工作台失去连接，所示可能过时",
    key: "键，如 control.min_interval_s", value: "值", now: "现为", remove: "去掉这项改动", days: "天", show: "报告", cancel: "取消", again: "沿用", language: "English",
    waiting: "排队", running: "运行中", passed: "通过", failed_floor: "未通过", broken: "中断", cancelled: "已取消", below: "分钟低于下限", need: "超出需求", lost: "工作台没有应答，它还在运行吗？",
    file: "文件",
  },
};
const FILES = ["summary.json", "series.csv", "actions.csv", "decisions.jsonl"];
const at = (id) => document.getElementById(id);
const state = { language: navigator.language.startsWith("zh") ? "zh" : "en", keys: new Map(), stories: [], rows: [], a: null, b: null, shown: null };
const t = (key) => WORDS[state.language][key];

/** An element with properties and children; text only, never markup. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Asks the studio; an order is sent as the JSON text it is. */
async function ask(path, order) {
  const options = order === undefined ? {} : { method: "POST", headers: { "content-type": "application/json", "x-qindan": "1" }, body: order };
  const answer = await fetch(path, options);
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const text = await answer.text();
  let words = text;
  try { words = JSON.parse(text).error ?? text; } catch { /* plain text */ }
  throw new Error(words || `${answer.status}`);
}

function tell(words) {
  at("error").textContent = words;
  at("error").hidden = !words;
}

async function attempt(work) {
  try { await work(); tell(""); } catch (error) { tell(error instanceof TypeError ? t("lost") : error.message); }
}

function translate() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  at("language").textContent = t("language");
  for (const row of at("changes").children) name(row);
  purpose();
  list();
}

function purpose() {
  const story = state.stories.find((known) => known.id === at("scenario").value);
  at("purpose").textContent = story ? `${story.days.toFixed(0)} ${t("days")} · ${story.purpose}` : "";
}

function name(row) {
  const [key, value, remove] = row.children;
  key.placeholder = t("key"); key.ariaLabel = t("key");
  const known = state.keys.get(key.value.trim());
  value.placeholder = known ? `${t("now")} ${known.value}` : t("value"); value.ariaLabel = t("value");
  remove.ariaLabel = t("remove"); remove.title = t("remove");
}

function addChange(set = "") {
  // The first = outside of quotes separates: an id may hold one.
  let quoted = false;
  const split = [...set].findIndex((c) => { if (c === '"') quoted = !quoted; return c === "=" && !quoted; });
  const key = make("input", { value: split < 0 ? set : set.slice(0, split), autocomplete: "off", spellcheck: false });
  key.setAttribute("list", "keys");
  const value = make("input", { value: split < 0 ? "" : set.slice(split + 1), autocomplete: "off", spellcheck: false });
  const remove = make("button", { type: "button", textContent: "×" });
  const row = make("div", { className: "change" }, key, value, remove);
  key.addEventListener("input", () => name(row));
  remove.addEventListener("click", () => { row.remove(); at("add").focus(); });
  at("changes").append(row);
  name(row);
  return key;
}

function changes() {
  return [...at("changes").children]
    .map((row) => [row.children[0].value.trim(), row.children[1].value.trim()])
    .filter(([key, value]) => key || value)
    .map(([key, value]) => `${key}=${value}`);
}

function words(row) {
  if (row.state === "done") return row.passed ? ["good", t("passed")] : ["bad", t("failed_floor")];
  if (row.state === "failed") return ["bad", t("broken")];
  return ["", t(row.state)];
}

function item(row) {
  const [look, word] = words(row);
  const line = make("li", {}, make("span", { className: "name", textContent: `${row.id} · ${row.scenario}` }), make("span", { className: look, textContent: word }));
  const set = [...row.set, ...(row.seed === null ? [] : [`seed ${row.seed}`])].join(", ");
  if (set) line.append(make("span", { className: "set", textContent: set }));
  const acts = make("span", { className: "acts" });
  if (row.state === "done") {
    const need = row.above_need_pct === null ? "–" : `${row.above_need_pct >= 0 ? "+" : "−"}${Math.abs(row.above_need_pct).toFixed(1)} %`;
    line.append(make("span", { className: "set", textContent: `${row.below_min.toFixed(0)} ${t("below")} · ${need} ${t("need")}` }));
    const show = make("button", { type: "button", textContent: t("show") });
    show.addEventListener("click", () => open(row.id));
    acts.append(show);
    for (const side of ["a", "b"]) {
      const choose = make("button", { type: "button", textContent: side.toUpperCase() });
      choose.setAttribute("aria-pressed", String(state[side] === row.id));
      choose.addEventListener("click", () => { state[side] = state[side] === row.id ? null : row.id; list(); });
      acts.append(choose);
    }
  } else if (row.state === "waiting" || row.state === "running") {
    acts.append(make("progress", { max: 1000, value: row.permille, ariaLabel: `${row.permille / 10} %` }));
    const cancel = make("button", { type: "button", textContent: t("cancel") });
    cancel.addEventListener("click", () => attempt(() => ask(`/api/runs/${row.id}/cancel`, "{}")));
    acts.append(cancel);
  } else if (row.why) {
    line.append(make("span", { className: "set", textContent: row.why }));
  }
  const again = make("button", { type: "button", textContent: t("again") });
  again.addEventListener("click", () => take(row));
  acts.append(again);
  acts.querySelectorAll("button").forEach((button, order) => { button.dataset.act = `${row.id}-${order}`; });
  line.append(acts);
  if (state.shown === row.id) line.setAttribute("aria-current", "true");
  return line;
}

function list() {
  // The focus stays where it was, though the buttons are new.
  const focused = document.activeElement?.dataset?.act;
  at("rows").replaceChildren(...state.rows.map(item));
  if (focused) document.querySelector(`[data-act="${focused}"]`)?.focus();
  at("none").hidden = state.rows.length > 0;
  at("compare").disabled = state.a === null || state.b === null || state.a === state.b;
}

/** Puts the scenario and changes of a run into the form. */
function take(row) {
  at("scenario").value = row.scenario;
  at("changes").replaceChildren();
  row.set.forEach((set) => addChange(set));
  at("seed").value = row.seed ?? "";
  purpose();
  at("run").focus();
}

function frame(address) {
  at("frame").src = address;
  at("frame").hidden = false;
  at("empty").hidden = true;
}

/** What is shown stands in the address too, so that it can be kept and sent round. */
function open(id) {
  state.shown = id;
  history.replaceState(null, "", `#${id}`);
  frame(`/runs/${id}/report.html`);
  const links = ["report.html", ...FILES].map((file) => make("a", { href: `/runs/${id}/${file}`, target: "_blank", rel: "noopener", textContent: file }));
  at("files").replaceChildren(...links);
  list();
}

function compare() {
  state.shown = null;
  history.replaceState(null, "", `#${state.a},${state.b}`);
  frame(`/compare?a=${state.a}&b=${state.b}`);
  at("files").replaceChildren(make("a", { href: `/compare?a=${state.a}&b=${state.b}`, target: "_blank", rel: "noopener", textContent: "compare.html" }));
  list();
}

async function start() {
  const [stories, keys] = await Promise.all([ask("/api/scenarios"), ask("/api/keys")]);
  state.stories = stories;
  at("scenario").replaceChildren(...stories.map((story) => make("option", { value: story.id, textContent: story.id })));
  if (stories.some((story) => story.id === "may_dry")) at("scenario").value = "may_dry";
  keys.forEach((key) => state.keys.set(key.key, key));
  at("keys").replaceChildren(...keys.map((key) => make("option", { value: key.key, label: `${key.value} · ${key.file}` })));
  translate();
  const [first, second] = location.hash.slice(1).split(",").map((id) => (/^[0-9]+$/.test(id) ? Number(id) : null));
  if (second) { state.a = first; state.b = second; compare(); } else if (first) open(first);
  const stream = new EventSource("/api/stream");
  stream.addEventListener("runs", (event) => { state.rows = JSON.parse(event.data); at("blind").hidden = true; list(); });
  stream.addEventListener("error", () => { at("blind").hidden = false; });
  stream.addEventListener("open", () => { at("blind").hidden = true; });
}

at("scenario").addEventListener("change", purpose);
at("add").addEventListener("click", () => addChange().focus());
at("compare").addEventListener("click", compare);
at("language").addEventListener("click", () => { state.language = state.language === "zh" ? "en" : "zh"; translate(); });
at("order").addEventListener("submit", (event) => {
  event.preventDefault();
  const seed = at("seed").value.trim();
  // Written by hand: a seed may be larger than the numbers of a script.
  const tail = /^[0-9]+$/.test(seed) ? `,"seed":${BigInt(seed)}` : "";
  attempt(() => ask("/api/runs", `{"scenario":${JSON.stringify(at("scenario").value)},"set":${JSON.stringify(changes())}${tail}}`));
});
translate();
attempt(start);
