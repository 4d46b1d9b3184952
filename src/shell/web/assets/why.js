// Why control does what it does: the newest decision in full, those before it in a line each.

import { buildAdvice } from "./advice.js";
import { h, panel, renew } from "./dom.js";
import { flow, known, moment, percent, positionUnit, showValue, signed, span, who } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { because, limit, nameOf, outcome, outcomeSign } from "./reasons.js";

const EARLIER = 6;
/** Gates outside of automatic that are named. */
const APART = 4;

export function buildWhy(basin, pick) {
  const rung = h("span", { class: "note", tid: "rung" });
  const release = h("div", { class: "release", tid: "release" });
  const newest = h("div", { class: "newest", tid: "why" });
  const earlier = h("ol", { class: "earlier" });
  const advice = buildAdvice(basin, pick);
  const apart = h("p", { class: "apart", tid: "not-automatic", hidden: true });
  const el = panel("why", t("why"), null, rung, release, apart, advice.el, newest, h("h3", { class: "quiet" }, t("earlier")), earlier);

  function headline(why, now_s) {
    const gate = known(why.gate) ? basin.gates[why.gate] : null;
    const time = h("b", {}, moment(why.utc_s, now_s));
    if (!gate) return h("p", { class: "headline" }, time, " ", h("b", {}, t("not_moved")), ` (${who(why.actor)})`);
    const from = known(why.from) ? positionUnit(gate, why.from) : "–";
    const end = outcome(why.outcome);
    const move = known(why.to) ? t("moved", { from, to: positionUnit(gate, why.to) }) : from;
    return h("p", { class: "headline" }, time, " ", h("button", { type: "button", class: "link", on: { click: () => pick(why.gate) } }, named(gate.name)), " ",
      h("b", { class: "live" }, move), ` (${who(why.actor)}${t("comma")}${end.words})`);
  }

  function full(why, now_s) {
    const gate = known(why.gate) ? basin.gates[why.gate] : null;
    const line = (key, words) => h("p", {}, h("b", {}, t(key)), " ", words);
    const causes = why.because.map((cause) => because(basin, cause));
    const expected = why.expect.map((e) => `${nameOf(basin.sections, e.section)} ${signed(e.change_m3s)} m³/s${t("comma")}${e.to_h < 0.05 ? t("arrives_at_once") : t("arrives", timesOf(why, e, now_s))}`);
    const limits = why.limits.map((l) => limit(basin, l, gate));
    return [
      headline(why, now_s),
      causes.length > 0 && line("because", causes.join(t("stop") === "。" ? "；" : "; ")),
      expected.length > 0 && line("expect", expected.join(t("stop") === "。" ? "；" : "; ")),
      limits.length > 0 && line("limited", limits.join(t("stop") === "。" ? "；" : "; ")),
    ];
  }

  function timesOf(why, e, now_s) {
    const [from, to] = span(why.utc_s + e.from_h * 3600, why.utc_s + e.to_h * 3600, now_s).split("–");
    return { from, to };
  }

  function short(why, now_s) {
    const gate = known(why.gate) ? basin.gates[why.gate] : null;
    const end = outcome(why.outcome);
    const first = why.because[0];
    const cause = first ? (first.because === "no_move" ? `${nameOf(basin.sections, first.section)} ${percent(first.margin)}` : because(basin, first)) : "";
    return h("li", { title: why.because.map((c) => because(basin, c)).join("\n") },
      h("span", { class: "time" }, moment(why.utc_s, now_s)),
      h("span", { class: "gate" }, gate ? named(gate.name) : t("not_moved")),
      h("b", {}, gate && known(why.to) ? t("moved", { from: known(why.from) ? positionUnit(gate, why.from) : "–", to: positionUnit(gate, why.to) }) : ""),
      h("span", { class: "end" }, gate ? `${outcomeSign(end.key)} ${end.words}` : ""),
      h("span", { class: "cause" }, cause));
  }

  /** Gates dispatch would move and does not: in automatic they are the exception, so each is named. */
  function notAutomatic(state) {
    const found = basin.gates.map((gate, i) => ({ gate, i, authority: state.gates[i].authority })).filter(({ gate, authority }) => gate.automatic && gate.actuation === "driven" && authority !== "automatic");
    apart.hidden = found.length === 0;
    renew(apart, JSON.stringify([found.map(({ i, authority }) => [i, authority]), lang()]), () => [h("b", {}, `${t("not_automatic")}${t("colon")}`),
      ...found.slice(0, APART).map(({ gate, i, authority }) => h("span", {}, h("button", { type: "button", class: "link", on: { click: () => pick(i) } }, named(gate.name)), " ", h("span", { class: "badge" }, t(`authority.${authority}`)), " ")),
      found.length > APART && h("span", {}, t("and_more", { n: found.length - APART }))]);
  }

  function update(state, ctx) {
    const now_s = state.utc_ms / 1000;
    advice.update(state);
    notAutomatic(state);
    renew(rung, `${state.rung}|${lang()}`, () => [h("b", {}, t(`rung.${state.rung}`))]);
    renew(release, JSON.stringify([state.release, lang()]), () => state.release.map((r) => {
      const actual = h("span", {});
      showValue(actual, r.actual, ctx.clock);
      return h("p", {}, `${nameOf(basin.reservoirs, r.reservoir)} ${t("release")}${t("colon")}${t("target")} `, h("b", { class: "live" }, flow(r.target_m3s)), ` ${t("actual")} `, actual);
    }));
    const day = Math.floor(now_s / 3600);
    const [first, ...rest] = state.why;
    // A running decision and the last move are both worth seeing in full.
    const lastMove = first && !known(first.gate) ? rest.find((why) => known(why.gate)) : null;
    renew(newest, JSON.stringify([first, lastMove?.utc_s, lastMove?.outcome, lang(), day]), () => {
      if (!first) return h("p", { class: "quiet" }, t("nothing_yet"));
      return [...full(first, now_s), ...(lastMove ? [h("hr", {}), ...full(lastMove, now_s)] : [])];
    });
    const others = rest.filter((why) => why !== lastMove).slice(0, EARLIER);
    el.querySelector("h3.quiet").hidden = others.length === 0;
    renew(earlier, JSON.stringify([others.map((why) => [why.utc_s, why.gate, why.outcome]), lang(), day]), () => others.map((why) => short(why, now_s)));
  }
  return { el, update };
}
