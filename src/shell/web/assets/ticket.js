// Tickets, what takes two persons: one asks, another signs, and for some time people may do with a gate what its plan, its duty or
// its motor otherwise forbids, or the dam of a trim gate releases what an incident needs.

import { askFirst, lineInput, openDialog } from "./confirm.js";
import { h, renew } from "./dom.js";
import { age, flow } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** Longest times and signatures where the gate has none of its own; as in control/ticket.rs, which checks them. */
const TERMS = { order: { signatures: 2, max_minutes: 720 }, starts: { signatures: 2, max_minutes: 120 }, release: { signatures: 2, max_minutes: 1440 } };

/** The ticket of `gate` on its faceplate. */
export function buildTicket(basin, i) {
  const gate = basin.gates[i];
  const el = h("div", { class: "ticket", tid: "ticket" });
  const title = (word) => `${t(`ticket.${word}`)}${t("colon")}${named(gate.name)}`;
  const terms = (kind) => TERMS[kind] ?? gate.lock;
  let dilution = null;
  const kindOf = ({ permit, flow_m3s }) => (flow_m3s ? "release" : permit);
  const inWords = (permit) => (permit.number ? t("ticket.by_order", permit) : permit.flow_m3s ? `${t(`ticket.${permit.permit}`)} ${flow(permit.flow_m3s)} m³/s${t("stop")}` : "");

  function ask(kind) {
    const { signatures: n, max_minutes: most } = terms(kind);
    const minutes = h("input", { type: "number", min: "1", max: String(most), value: String(Math.min(60, most)), required: true, tid: "ticket-minutes" });
    const reason = lineInput("ticket-reason");
    const [number, giver] = ["number", "giver"].map((key) => h("input", { type: "text", required: true, maxlength: "80", tid: `ticket-${key}` }));
    const act = h("select", { tid: "ticket-act" }, ["hold", "dilute"].map((word) => h("option", { value: word, selected: word === "dilute" && Boolean(dilution?.dilute_m3s) }, t(`ticket.${word}`))));
    const amount = h("input", { type: "number", min: "0.01", step: "0.01", value: (dilution?.dilute_m3s ?? dilution?.hold_m3s)?.toFixed(2), required: true, tid: "ticket-flow" });
    const more = { order: [[t("ticket.number"), number], [t("ticket.giver"), giver]], release: [[t("ticket.act"), act], ["m³/s", amount]] };
    const permit = () => (kind === "order" ? { permit: kind, number: number.value.trim(), giver: giver.value.trim() } : kind === "release" ? { permit: act.value, flow_m3s: Number(amount.value) } : { permit: kind });
    askFirst(title("ask"), "ticket", [...(more[kind] ?? []), [t("ticket.minutes", { most }), minutes], [t("reason"), reason]],
      () => ({ order: "ask_ticket", gate: gate.id, minutes: Number(minutes.value), reason: reason.value.trim(), permit: permit() }),
      (order) => `${inWords(order.permit)} ${t("ticket.ask_about", { n, min: order.minutes, then: t(`ticket.then.${kind}`, { min: order.minutes }), reason: order.reason })}`.trim());
  }

  /** What may be asked for now. */
  function wanted(state) {
    if (gate.lock) return state.flood_season ? [] : ["season"];
    if (gate.duty === "flood" || gate.duty === "emergency") return ["order"];
    return [dilution && "release", state.gates[i].starts[0] >= gate.max_starts_per_hour && "starts"].filter(Boolean);
  }

  function update(state) {
    const ticket = state.tickets.find((one) => one.gate === i);
    dilution = state.incidents.map((one) => one.dilution).find((one) => one?.gate === i);
    const kinds = ticket ? [kindOf(ticket.of)] : wanted(state);
    const key = JSON.stringify([ticket && [ticket.id, ticket.in_force, ticket.signed, Math.floor(ticket.left_s / 60)], kinds, lang()]);
    renew(el, key, () => kinds.flatMap((kind) => {
      const button = (word, click) => h("button", { type: "button", class: "command", tid: `ticket-${word}`, on: { click } }, t(`ticket.${word}_button`));
      const head = h("h3", {}, t(`ticket.title.${kind}`));
      const { signatures: n, max_minutes: most } = terms(kind);
      if (!ticket) return [head, h("p", { class: "quiet" }, t(`ticket.none.${kind}`, { n, most })), h("div", { class: "row" }, button("ask", () => ask(kind)))];
      const act = (word) => button(word, () =>
        openDialog(title(word), { order: `${word}_ticket`, gate: gate.id, ticket: ticket.id }, { about: [ticket.reason, inWords(ticket.of), t(`ticket.${word}_about.${kind}`)].filter(Boolean).join(t("sep")), what: t(`ticket.${word}`) }));
      const report = ticket.in_force && kind === "season" && gate.lock.notify && t("ticket.report", { report: gate.lock.notify });
      const about = { id: ticket.id, min: ticket.minutes, left: age(ticket.left_s), signed: ticket.signed.join(t("comma")), reason: ticket.reason };
      return [head, h("p", { class: ticket.in_force ? "in-force" : "", tid: "ticket-state" }, [t(ticket.in_force ? "ticket.in_force" : "ticket.waits", about), inWords(ticket.of), report].filter(Boolean).join(" ")),
        h("div", { class: "row" }, !ticket.in_force && act("sign"), act("end"))];
    }));
  }
  return { el, update };
}
