// Tickets of a gate: one asks, another signs, and for some time people may open one that is shut by season, or the dam of a trim gate
// releases what an incident needs.

import { askFirst, lineInput, openDialog } from "./confirm.js";
import { h, renew } from "./dom.js";
import { age, flow } from "./format.js";
import { lang, named, t } from "./i18n.js";

/** The ticket of `gate` on its faceplate. */
export function buildTicket(basin, i) {
  const gate = basin.gates[i];
  const el = h("div", { class: "ticket", tid: "ticket" });
  const [most, n] = gate.lock ? [gate.lock.max_minutes, gate.lock.signatures] : [1440, 2];
  const title = (word) => `${t(`ticket.${word}`)}${t("colon")}${named(gate.name)}`;
  const releaseWords = (release) => `${t(`ticket.${release.act}`)} ${flow(release.flow_m3s)} m³/s`;

  function askDialog(dilution) {
    const minutes = h("input", { type: "number", min: "1", max: String(most), value: String(Math.min(60, most)), required: true, tid: "ticket-minutes" });
    const reason = lineInput("ticket-reason");
    const act = h("select", { tid: "ticket-act" }, ["hold", "dilute"].map((word) => h("option", { value: word, selected: Boolean(dilution?.dilute_m3s) && word === "dilute" }, t(`ticket.${word}`))));
    const amount = h("input", { type: "number", min: "0.01", step: "0.01", value: (dilution?.dilute_m3s ?? dilution?.hold_m3s)?.toFixed(2), required: true, tid: "ticket-flow" });
    const release = () => (dilution ? { release: { act: act.value, flow_m3s: Number(amount.value) } } : {});
    askFirst(title("ask"), "ticket", [...(dilution ? [[t("ticket.release"), act], ["m³/s", amount]] : []), [t("ticket.minutes", { most }), minutes], [t("reason"), reason]],
      () => ({ order: "ask_ticket", gate: gate.id, minutes: Number(minutes.value), reason: reason.value.trim(), ...release() }),
      (order) => (order.release ? `${releaseWords(order.release)}${t("sep")}${t("ticket.release_about", { min: order.minutes, reason: order.reason })}` : t("ticket.ask_about", { n, min: order.minutes, reason: order.reason })));
  }

  function update(state) {
    const ticket = state.tickets.find((one) => one.gate === i);
    const dilution = gate.lock ? null : state.incidents.map((one) => one.dilution).find((one) => one?.gate === i);
    const key = JSON.stringify([ticket && [ticket.id, ticket.in_force, ticket.signed, Math.floor(ticket.left_s / 60)], Boolean(dilution), state.flood_season, lang()]);
    renew(el, key, () => {
      if (!ticket && (gate.lock ? state.flood_season : !dilution)) return [];
      const act = (word, extra) => h("button", { type: "button", class: "command", tid: `ticket-${word}`, on: { click: () =>
        openDialog(title(word), { order: `${word}_ticket`, gate: gate.id, ticket: ticket.id }, { about: `${ticket.reason} · ${ticket.release ? releaseWords(ticket.release) : t(`ticket.${word}_about`)}`, what: t(`ticket.${word}`) }) } }, t(`ticket.${word}_button`), extra);
      if (!ticket) return [h("h3", {}, t("ticket.title")), h("p", { class: "quiet" }, t(gate.lock ? "ticket.none" : "ticket.release", { n, most })), h("div", { class: "row" }, h("button", { type: "button", class: "command", tid: "ticket-ask", on: { click: () => askDialog(dilution) } }, t("ticket.ask_button")))];
      return [h("h3", {}, t("ticket.title")), h("p", { class: ticket.in_force ? "in-force" : "", tid: "ticket-state" }, t(ticket.in_force ? "ticket.in_force" : "ticket.waits", { id: ticket.id, min: ticket.minutes, left: age(ticket.left_s), signed: ticket.signed.join(t("comma")), reason: ticket.reason, report: gate.lock?.notify ?? "–" }), ticket.release && ` ${releaseWords(ticket.release)}`),
        h("div", { class: "row" }, !ticket.in_force && act("sign"), act("end"))];
    });
  }
  return { el, update };
}
