// Who is signed in, and who has control of which river: the corner of the top bar, its dialog, and the band when somebody asks.

import { load, send, wording } from "./api.js";
import { openDialog } from "./confirm.js";
import { flag, h, renew, text } from "./dom.js";
import { civil } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** The person at this page, as the service says. */
export const me = { user: null, role: null, session: null, may: { operate: false, lead: false, diagnose: false, schedule: false } };

/** Asks the service who this is; without an answer nobody who may do anything. */
export async function loadMe() {
  const seen = await load("/api/v1/session").catch(() => ({}));
  Object.assign(me, { user: null, role: null, session: null, may: { operate: false, lead: false, diagnose: false, schedule: false } }, seen);
  flag(document.body, "viewing", !me.may.operate);
}

const riverName = (row) => named(row.name) || row.river;
// A patch of the state takes null keys away.
const holder = (row) => row.held ?? null;
const isMine = (row) => me.session !== null && holder(row)?.session === me.session;

/** Who has control, in one line: the name alone where one person has all. */
function inControl(rows) {
  const names = rows.map((row) => holder(row)?.by ?? "–");
  if (new Set(names).size <= 1) return names[0] ?? "–";
  return rows.map((row, i) => `${riverName(row)} ${names[i]}`).join(t("sep"));
}

/** The cell of the top bar with `switches` in it, and its band; `update(state)` with every state. */
export function buildPeople(switches) {
  const control = h("button", { type: "button", class: "plain control", tid: "control", on: { click: () => controlDialog() } });
  const out = me.user === null
    ? h("a", { href: "/login", tid: "sign-in" }, t("people.sign_in"))
    : h("button", { type: "button", class: "plain", tid: "sign-out", on: { click: async () => {
      await send("DELETE", "/api/v1/session", {});
      location.assign("/login");
    } } }, t("people.sign_out"));
  const role = me.user === null ? "" : t(`people.role.${me.role}`);
  const name = me.user === null ? h("span", { tid: "user" }, t("people.nobody"))
    : h("a", { href: "/account", tid: "user", title: `${me.user}${t("sep")}${role}` }, h("b", {}, me.user), " ", h("span", { class: "role" }, role));
  const el = h("div", { class: "cell people-cell" }, h("span", { class: "who" }, name, " ", out), h("span", { class: "who" }, control, ...switches));
  const band = h("p", { class: "banner asked", tid: "asked", role: "status", hidden: true });
  function update(state) {
    const rows = state.control ?? [];
    renew(control, `${JSON.stringify(rows)}|${lang()}`, () => [`${t("people.control")} `, h("b", {}, inControl(rows))]);
    control.title = `${t("people.control_title")}${t("colon")}${rows.map((row) => `${riverName(row)} ${holder(row)?.by ?? "–"}`).join(t("sep"))}`;
    control.disabled = !me.may.operate;
    const asked = rows.filter((row) => isMine(row) && (row.held.asked_by ?? null) !== null);
    band.hidden = asked.length === 0;
    renew(band, `${JSON.stringify(asked)}|${lang()}`, () => asked.flatMap((row) => [
      t("people.asks", { who: row.held.asked_by, river: riverName(row) }), " ",
      h("button", { type: "button", class: "plain", tid: `hand-over-${row.river}`, on: { click: () => send("POST", "/api/v1/control/hand-over", { rivers: [row.river] }) } }, t("people.hand_over")), " ",
    ]));
    newest = rows;
  }
  return { el, band, update };
}

let newest = [];

/** Takes control, asks for it or gives it back; `onTaken()` once it was taken. */
export function controlDialog(onTaken) {
  openDialog(t("people.control"), null, { body: (close) => {
    const password = h("input", { type: "password", tid: "control-password", autocomplete: "current-password", maxlength: 200 });
    const note = h("p", { class: "flow-note", role: "alert", tid: "control-note" });
    const others = newest.filter((row) => holder(row) !== null && !isMine(row));
    const free = newest.filter((row) => holder(row) === null);
    const mine = newest.filter(isMine);
    const rivers = (rows) => rows.map((row) => row.river);
    async function go(what, body) {
      text(note, t("sending"));
      const answer = await send("POST", `/api/v1/control/${what}`, body);
      if (!answer.ok) return text(note, wording(answer.body));
      newest = answer.body.control;
      close();
      if (what === "take") onTaken?.();
    }
    const button = (tid, words, on) => h("button", { type: "button", tid, on: { click: on } }, words);
    const typed = () => ({ password: password.value });
    const reason = h("input", { type: "text", tid: "force-reason", maxlength: 200 });
    const may = others.length > 0 && me.may.lead;
    const force = () => go("take", { rivers: rivers(others), ...typed(), force: reason.value });
    queueMicrotask(() => password.focus());
    return h("div", { class: "control-dialog" },
      h("p", { class: "about" }, t("people.about"), " ", h("a", { href: "/shift", target: "_blank", rel: "noopener", tid: "shift" }, t("records.shift"))),
      h("ul", { class: "modes" }, newest.map((row) => h("li", {}, h("b", {}, riverName(row)), h("span", {}, holder(row) === null ? t("people.free")
        : t(isMine(row) ? "people.yours" : "people.theirs", { who: row.held.by, when: civil(row.held.until_s).time.slice(0, 5) }))))),
      h("label", {}, t("people.password"), " ", password),
      may && h("label", {}, t("people.force_reason"), " ", reason), note,
      h("div", { class: "flow-foot" },
        free.length + mine.length > 0 && button("take-control", t("people.take"), () => go("take", { rivers: rivers([...free, ...mine]), ...typed() })),
        others.length > 0 && button("ask-control", t("people.ask"), () => go("ask", { rivers: rivers(others), ...typed() })),
        may && button("force-control", t("people.force"), force),
        mine.length > 0 && button("release-control", t("people.release"), () => go("release", { rivers: rivers(mine) }))));
  } });
}
