// Emergency tickets of a gate that is shut by season: one asks, another signs, and for some time people may open it.

import { openDialog } from "./confirm.js";
import { h, renew } from "./dom.js";
import { age } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** The ticket of `gate` on its faceplate. */
export function buildTicket(basin, i) {
  const gate = basin.gates[i];
  const el = h("div", { class: "ticket", tid: "ticket" });
  const most = gate.lock.max_minutes;
  const title = (word) => `${t(`ticket.${word}`)}${t("colon")}${named(gate.name)}`;

  function askDialog() {
    openDialog(title("ask"), null, { body: (close) => {
      const minutes = h("input", { type: "number", min: "1", max: String(most), value: String(Math.min(60, most)), required: true, tid: "ticket-minutes" });
      const reason = h("input", { type: "text", maxlength: "200", required: true, tid: "ticket-reason", placeholder: t("reason_placeholder") });
      const form = h("form", { class: "select", novalidate: true, on: { submit: (event) => {
        event.preventDefault();
        if (!form.reportValidity()) return;
        const order = { order: "ask_ticket", gate: gate.id, minutes: Number(minutes.value), reason: reason.value.trim() };
        close();
        openDialog(title("ask"), order, { about: t("ticket.ask_about", { n: gate.lock.signatures, min: order.minutes, reason: order.reason }), what: t("ticket.ask") });
      } } }, h("label", {}, h("span", {}, t("ticket.minutes", { most })), minutes), h("label", {}, h("span", {}, t("reason")), reason),
      h("div", { class: "row" }, h("button", { type: "submit", class: "command primary", tid: "ticket-next" }, t("preview"))));
      return form;
    } });
  }

  function update(state) {
    const ticket = state.tickets.find((one) => one.gate === i);
    const key = JSON.stringify([ticket && [ticket.id, ticket.in_force, ticket.signed, Math.floor(ticket.left_s / 60)], state.flood_season, lang()]);
    renew(el, key, () => {
      if (state.flood_season && !ticket) return [];
      const act = (word, extra) => h("button", { type: "button", class: "command", tid: `ticket-${word}`, on: { click: () =>
        openDialog(title(word), { order: `${word}_ticket`, gate: gate.id, ticket: ticket.id }, { about: `${ticket.reason} · ${t(`ticket.${word}_about`)}`, what: t(`ticket.${word}`) }) } }, t(`ticket.${word}_button`), extra);
      if (!ticket) return [h("h3", {}, t("ticket.title")), h("p", { class: "quiet" }, t("ticket.none", { n: gate.lock.signatures, most })), h("div", { class: "row" }, h("button", { type: "button", class: "command", tid: "ticket-ask", on: { click: askDialog } }, t("ticket.ask_button")))];
      return [h("h3", {}, t("ticket.title")), h("p", { class: ticket.in_force ? "in-force" : "", tid: "ticket-state" }, t(ticket.in_force ? "ticket.in_force" : "ticket.waits", { id: ticket.id, min: ticket.minutes, left: age(ticket.left_s), signed: ticket.signed.join(t("comma")), reason: ticket.reason, report: gate.lock.notify })),
        h("div", { class: "row" }, !ticket.in_force && act("sign"), act("end"))];
    });
  }
  return { el, update };
}
