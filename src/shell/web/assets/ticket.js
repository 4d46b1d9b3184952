// Tickets, what takes two persons: one asks, another signs, and for some time people may do with a gate what its plan, its duty or
// its motor otherwise forbids.

import { openDialog } from "./confirm.js";
import { h, renew } from "./dom.js";
import { age } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** Longest times and signatures where the gate has none of its own; as in control/ticket.rs, which checks them. */
const TERMS = { order: { signatures: 2, max_minutes: 720 }, starts: { signatures: 2, max_minutes: 120 } };

/** The ticket of `gate` on its faceplate. */
export function buildTicket(basin, i) {
  const gate = basin.gates[i];
  const kind = gate.lock ? "season" : gate.duty === "flood" || gate.duty === "emergency" ? "order" : "starts";
  const { signatures, max_minutes: most, notify } = gate.lock || TERMS[kind];
  const el = h("div", { class: "ticket", tid: "ticket" });
  const title = (word) => `${t(`ticket.${word}`)}${t("colon")}${named(gate.name)}`;

  function askDialog() {
    openDialog(title("ask"), null, { body: (close) => {
      const field = (tid, more) => h("input", { type: "text", required: true, tid, ...more });
      const minutes = h("input", { type: "number", min: "1", max: String(most), value: String(Math.min(60, most)), required: true, tid: "ticket-minutes" });
      const reason = field("ticket-reason", { maxlength: "200", placeholder: t("reason_placeholder") });
      const [number, giver] = [field("ticket-number", { maxlength: "80" }), field("ticket-giver", { maxlength: "80" })];
      const row = (words, input) => h("label", {}, h("span", {}, words), input);
      const form = h("form", { class: "select", novalidate: true, on: { submit: (event) => {
        event.preventDefault();
        if (!form.reportValidity()) return;
        const permit = kind === "order" ? { permit: kind, number: number.value.trim(), giver: giver.value.trim() } : { permit: kind };
        const order = { order: "ask_ticket", gate: gate.id, minutes: Number(minutes.value), reason: reason.value.trim(), permit };
        close();
        openDialog(title("ask"), order, { about: t(`ticket.ask_about.${kind}`, { n: signatures, min: order.minutes, reason: order.reason, number: permit.number, giver: permit.giver }), what: t("ticket.ask") });
      } } }, kind === "order" && [row(t("ticket.number"), number), row(t("ticket.giver"), giver)], row(t("ticket.minutes", { most }), minutes), row(t("reason"), reason),
      h("div", { class: "row" }, h("button", { type: "submit", class: "command primary", tid: "ticket-next" }, t("preview"))));
      return form;
    } });
  }

  /** Whether there is something to ask for now. */
  function isWanted(state) {
    if (kind === "season") return !state.flood_season;
    return kind === "order" || state.gates[i].starts[0] >= gate.max_starts_per_hour;
  }

  function update(state) {
    const ticket = state.tickets.find((one) => one.gate === i);
    const wanted = isWanted(state);
    const key = JSON.stringify([ticket && [ticket.id, ticket.in_force, ticket.signed, Math.floor(ticket.left_s / 60)], wanted, lang()]);
    renew(el, key, () => {
      if (!wanted && !ticket) return [];
      // Another kind may have been asked for by the API.
      const of = ticket?.of?.permit ?? kind;
      const act = (word) => h("button", { type: "button", class: "command", tid: `ticket-${word}`, on: { click: () =>
        openDialog(title(word), { order: `${word}_ticket`, gate: gate.id, ticket: ticket.id }, { about: `${ticket.reason} · ${t(`ticket.${word}_about.${of}`)}`, what: t(`ticket.${word}`) }) } }, t(`ticket.${word}_button`));
      const head = h("h3", {}, t(`ticket.title.${of}`));
      if (!ticket) return [head, h("p", { class: "quiet" }, t(`ticket.none.${kind}`, { n: signatures, most })), h("div", { class: "row" }, h("button", { type: "button", class: "command", tid: "ticket-ask", on: { click: askDialog } }, t("ticket.ask_button")))];
      const order = ticket.of?.number ? t("ticket.by_order", ticket.of) : "";
      const report = notify && of === "season" ? t("ticket.report", { report: notify }) : "";
      const about = { id: ticket.id, min: ticket.minutes, left: age(ticket.left_s), signed: ticket.signed.join(t("comma")), reason: ticket.reason };
      return [head, h("p", { class: ticket.in_force ? "in-force" : "", tid: "ticket-state" }, [t(ticket.in_force ? "ticket.in_force" : "ticket.waits", about), order, ticket.in_force && report].filter(Boolean).join(" ")),
        h("div", { class: "row" }, !ticket.in_force && act("sign"), act("end"))];
    });
  }
  return { el, update };
}
