// Advice: what dispatch would do now, for a person to accept or reject.

import { askFirst, lineInput, openDialog } from "./confirm.js";
import { h, renew } from "./dom.js";
import { known, percent, positionUnit } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { because, limit } from "./reasons.js";

/** The list of open proposals, with how those before were answered; hidden where nothing is in advice. */
export function buildAdvice(basin, pick) {
  const el = h("div", { class: "advice", tid: "advice", hidden: true });

  function row(proposal) {
    const gate = basin.gates[proposal.gate];
    const name = named(gate.name);
    const move = t("moved", { from: known(proposal.from) ? positionUnit(gate, proposal.from) : "–", to: positionUnit(gate, proposal.to) });
    const causes = [...proposal.because.map((cause) => because(basin, cause)), ...proposal.limits.map((found) => `${t("limited")} ${limit(basin, found, gate)}`)];
    return h("li", { tid: `proposal-${gate.id}` },
      h("p", { class: "headline" }, h("button", { type: "button", class: "link", on: { click: () => pick(proposal.gate) } }, name), " ", h("b", { class: "live" }, move), proposal.protective && h("span", { class: "badge" }, t("advice.urgent"))),
      proposal.signed?.length > 0 && h("p", { tid: `signed-${gate.id}` }, t("advice.signed", { signed: proposal.signed.join(t("comma")) })),
      h("p", { class: "cause" }, causes.join(t("stop") === "。" ? "；" : "; ")),
      h("div", { class: "row" },
        h("button", { type: "button", class: "command primary", tid: `accept-${gate.id}`, on: { click: () => openDialog(`${t("advice.accept")}${t("colon")}${name}`, { order: "accept", gate: gate.id, proposal: proposal.id }, { about: t(known(proposal.incident) ? "advice.incident_about" : "advice.accept_about"), what: t("advice.accept") }) } }, t("advice.accept_button")),
        h("button", { type: "button", class: "command", tid: `reject-${gate.id}`, on: { click: () => reject(gate, name, proposal) } }, t("advice.reject_button"))));
  }

  function reject(gate, name, proposal) {
    const reason = lineInput("reject-reason");
    askFirst(`${t("advice.reject")}${t("colon")}${name}`, "reject", [[t("reason"), reason]], () => ({ order: "reject", gate: gate.id, proposal: proposal.id, reason: reason.value.trim() }), (order) => t("advice.reject_about", { reason: order.reason }));
  }

  function score(answers) {
    const sum = (key) => answers.reduce((all, one) => all + one[key], 0);
    const [accepted, rejected, lapsed] = ["accepted", "rejected", "lapsed"].map(sum);
    const share = accepted + rejected > 0 ? percent(accepted / (accepted + rejected)).replace("+", "") : "–";
    return t("advice.score", { share, accepted, rejected, lapsed });
  }

  return { el, update(state) {
    el.hidden = state.mode !== "advice" && state.proposals.length === 0 && (state.mode === "observe" || !state.gates.some((now) => now.authority === "advice"));
    if (el.hidden) return;
    renew(el, JSON.stringify([state.proposals, state.answers, lang()]), () => [
      h("h3", {}, t("advice.title")),
      state.proposals.length === 0 ? h("p", { class: "quiet" }, t("advice.none")) : h("ol", {}, state.proposals.map(row)),
      h("p", { class: "quiet", tid: "advice-score" }, score(state.answers)),
    ]);
  } };
}
