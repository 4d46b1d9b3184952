// Communications: is every link alive, how quick is it, what went wrong on it, and what went over the wire last.

import { load } from "./api.js";
import { flag, h, panel, renew, text } from "./dom.js";
import { age, known } from "./format.js";
import { lang, named, t } from "./i18n.js";
import { hrefOf } from "./nav.js";
import { me } from "./people.js";

const LINKS_ASK_MS = 2000;
/** A link is as good as mute when nothing came for so long, s. */
const OLD_S = 30;
const COUNTERS = ["state", "reply", "p50", "p99", "requests", "timeouts", "exceptions", "mismatches", "broken", "connects", "writes", "lag"];

export function buildLinks(basin, id) {
  const sum = h("span", { class: "note", tid: "links-sum" });
  const problem = h("p", { class: "said", role: "status" });
  const body = h("tbody", { tid: "links" });
  const table = h("table", { class: "rows links-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("links.link")), COUNTERS.map((key) => h("th", { scope: "col", class: key === "state" ? "" : "n", title: t(`links.about.${key}`) }, t(`links.${key}`))))), body);
  const list = panel("links-panel", t("links.title"), t("links.note"), sum, problem, h("div", { class: "table-host", tabindex: "0", role: "region", "aria-label": t("links.title") }, table));
  const one = h("div", { class: "link-detail", tid: "link-detail" });
  const chosen = basin.links.find((link) => link.id === id) ?? null;
  const els = [list, chosen ? one : h("p", { class: "quiet hint" }, t("links.choose"))];
  const trace = h("pre", { class: "frames", tabindex: "0", role: "region", "aria-label": t("links.frames"), tid: "frames" });
  const units = h("tbody", {});
  const facts = h("p", { class: "facts" });
  if (chosen) {
    const fetchTrace = async () => {
      if (!me.may.diagnose) return text(trace, t("links.frames_who"));
      try {
        const response = await fetch(`/api/v1/links/${encodeURIComponent(chosen.id)}/trace`);
        text(trace, response.ok ? (await response.text()) || t("links.no_frames") : `${response.status} ${response.statusText}`);
      } catch (error) {
        text(trace, error.message);
      }
    };
    fetchTrace();
    one.append(panel("link-units", named(chosen.devices[0]) || chosen.id, `${chosen.id}${t("sep")}${chosen.address}`, h("a", { class: "button", href: hrefOf("links") }, t("close")), facts,
      h("table", { class: "rows" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("links.device")), h("th", { scope: "col", class: "n" }, t("links.unit")), h("th", { scope: "col" }, t("links.state")), h("th", { scope: "col", class: "n" }, t("links.reply")), h("th", { scope: "col", class: "n" }, t("links.failures")))), units)),
    panel("link-frames", t("links.frames"), t("links.frames_note"), h("button", { type: "button", tid: "frames-again", on: { click: fetchTrace } }, t("links.again")), trace));
  }
  let timer = null;
  let over = false;
  let rows = new Map();

  function row(link) {
    const cells = COUNTERS.map((key) => h("td", { class: key === "state" ? "" : "n" }));
    const about = basin.links.find((known_) => known_.id === link.id);
    const names = about?.devices.map(named) ?? [];
    const el = h("tr", { class: link.id === id ? "picked" : "", tid: `link-${link.id}` }, h("th", { scope: "row" }, h("a", { href: hrefOf("links", link.id) }, names.length > 2 ? `${names[0]} +${names.length - 1}` : names.join(t("sep")) || link.id), h("small", {}, ` ${about?.address ?? ""}`)), cells);
    return { el, show(now) {
      const codes = now.codes.map(([code, count]) => `${code === 0 ? "?" : code}×${count}`).join(" ");
      const say = {
        state: t(`links.states.${now.state}`), reply: known(now.reply_age_s) ? age(now.reply_age_s) : "–",
        p50: ms(now.p50_ms), p99: ms(now.p99_ms), requests: now.requests, timeouts: now.timeouts + (now.late ? ` (${now.late} ${t("links.late")})` : ""),
        exceptions: codes || String(now.exceptions), mismatches: now.mismatches, broken: now.broken, connects: Math.max(0, now.connects - 1),
        writes: now.writes + (now.watchdog_writes ? ` (${now.watchdog_writes} wd)` : ""), lag: known(now.lag_s) ? `${now.lag_s.toFixed(1)} s` : "–",
      };
      COUNTERS.forEach((key, k) => {
        if (key === "state") renew(cells[k], `${now.state}|${lang()}`, () => h("span", { class: now.state === "up" ? "word" : "badge" }, say.state));
        else text(cells[k], String(say[key]));
      });
      flag(cells[1], "strong", known(now.reply_age_s) && now.reply_age_s > OLD_S);
      el.title = now.error ?? "";
    } };
  }

  async function ask() {
    try {
      const { links } = await load("/api/v1/links");
      if (over) return;
      text(problem, "");
      const next = new Map(links.map((link) => [link.id, rows.get(link.id) ?? row(link)]));
      if ([...next.keys()].join() !== [...rows.keys()].join()) body.replaceChildren(...[...next.values()].map((each) => each.el));
      rows = next;
      for (const link of links) rows.get(link.id).show(link);
      const up = links.filter((link) => link.state === "up").length;
      const silent = links.flatMap((link) => link.units).filter((unit) => unit.state === "down").length;
      text(sum, t("links.sum", { up, total: links.length, silent }));
      const mine = links.find((link) => link.id === id);
      if (mine) detail(mine);
    } catch (error) {
      if (!over) text(problem, t("links.failed", { error: error.message }));
    } finally {
      if (!over) timer = setTimeout(ask, LINKS_ASK_MS);
    }
  }

  function detail(link) {
    text(facts, [t("links.fact_bytes", { in: bytes(link.bytes_in), out: bytes(link.bytes_out) }), link.error ? `${t("links.last_error")}${t("colon")}${link.error}` : ""].filter(Boolean).join(t("sep")));
    const about = basin.links.find((each) => each.id === link.id);
    renew(units, JSON.stringify([link.units.map((unit) => [unit.device, unit.state, unit.failures, Math.round(unit.reply_age_s ?? -1)]), lang()]), () => link.units.map((unit) => h("tr", {},
      h("th", { scope: "row" }, named(about?.devices[about.device_ids.indexOf(unit.device)]) || unit.device, h("small", {}, ` ${unit.device}`)), h("td", { class: "n" }, String(unit.unit)),
      h("td", {}, h("span", { class: unit.state === "ok" ? "word" : "badge" }, t(`links.units.${unit.state}`))), h("td", { class: "n" }, known(unit.reply_age_s) ? age(unit.reply_age_s) : "–"), h("td", { class: "n" }, String(unit.failures)))));
  }

  ask();
  return { els, update() {}, drop() {
    over = true;
    clearTimeout(timer);
  } };
}

function ms(value) {
  return known(value) ? (value < 10 ? value.toFixed(1) : value < 10000 ? String(Math.round(value)) : "> 10000") : "–";
}

function bytes(n) {
  return n < 10240 ? `${n} B` : n < 10485760 ? `${Math.round(n / 1024)} kB` : `${Math.round(n / 1048576)} MB`;
}
