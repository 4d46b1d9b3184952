// The rail: the same entries in the same place on every screen; a bar at the foot of a narrow one.

import { flag, h, renew, s, text } from "./dom.js";
import { known } from "./format.js";
import { named, t } from "./i18n.js";
import { short } from "./network.js";

/** `#/reach/runcheng` as `{name, id}`. */
export function routeOf(hash) {
  const [name, ...rest] = hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: name || "overview", id: rest.join("/") || null };
}

/** The address of a screen. */
export function hrefOf(name, id) {
  return `#/${[name, id].filter(Boolean).map(encodeURIComponent).join("/")}`;
}

const ICONS = {
  overview: ["M2 2h7v7H2z", "M11 2h7v7h-7z", "M2 11h7v7H2z", "M11 11h7v7h-7z"],
  reach: ["M1 6c3-3 6-3 9 0s6 3 9 0", "M1 13c3-3 6-3 9 0s6 3 9 0"],
  alarms: ["M10 2 19 18H1z", "M10 8v5", "M10 15v1"],
  incident: ["M10 2c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z", "M10 9v4", "M10 15v1"],
  warnings: ["M4 3v16", "M4 3h12l-3 4 3 4H4"],
  map: ["M3 2c0 6 7 4 7 9s6 3 7 7", "M17 2c-1 5-5 5-7 9"],
  schedule: ["M2 4h16v14H2z", "M2 8h16", "M6 2v4", "M14 2v4"],
  meters: ["M2 14a8 8 0 0 1 16 0z", "M10 14l4-5"],
  links: ["M10 11v7", "M6 9a6 6 0 0 1 8 0", "M3 6a10 10 0 0 1 14 0", "M9 11h2v2H9z"],
  records: ["M4 2h9l4 4v12H4z", "M7 9h7", "M7 12h7", "M7 15h5"],
};

/** Whether there is anything of a schedule to show. */
export function hasSchedule(basin) {
  return basin.schedules.turns.length > 0 || basin.schedules.gates.length > 0 || basin.gates.some((gate) => gate.lock || gate.duty === "season_lock" || (gate.automatic && gate.actuation === "driven"));
}

/** Sections that have a screen: those with a floor, otherwise all. */
export function reachesOf(basin) {
  const floored = basin.sections.filter((section) => known(section.floor_m3s));
  return floored.length > 0 ? floored : basin.sections;
}

export function buildNav(basin) {
  const entry = (name, id, words, full) => {
    const mark = h("span", { class: "nav-mark", hidden: true });
    const el = h("a", { href: hrefOf(name, id), tid: `nav-${id ? `${name}-${id}` : name}`, title: full ?? words },
      s("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, ...ICONS[name].map((d) => s("path", { d }))), h("span", { class: "nav-name" }, words), mark);
    return { name, id, words: full ?? words, el, mark };
  };
  const entries = [
    entry("overview", null, t("nav.overview")),
    ...reachesOf(basin).map((section) => entry("reach", section.id, short(named(section.name)).replace(/\s*(断面|section)$/i, ""), named(section.name))),
    entry("alarms", null, t("nav.alarms")),
    entry("warnings", null, t("nav.warnings")),
    entry("incident", null, t("nav.incident"), t("incident.title")),
    entry("map", null, t("nav.map")),
    ...(hasSchedule(basin) ? [entry("schedule", null, t("nav.schedule"))] : []),
    entry("meters", null, t("nav.meters")),
    entry("links", null, t("nav.links"), t("links.title")),
    entry("records", null, t("nav.records"), t("records.title")),
  ];
  const el = h("nav", { class: "rail-nav", "aria-label": t("nav.label"), tid: "nav" }, h("ul", {}, entries.map((one) => h("li", {}, one.el))));
  const of = (route) => entries.find((one) => one.name === route.name && (one.id === null || one.id === route.id));
  return {
    el,
    title: (route) => of(route)?.words ?? "",
    mark(route) {
      for (const one of entries) {
        const here = one === of(route);
        flag(one.el, "here", here);
        if (here) one.el.setAttribute("aria-current", "page");
        else one.el.removeAttribute("aria-current");
      }
      of(route)?.el.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
    update(state) {
      for (const one of entries) {
        if (one.name === "alarms") {
          const fresh = state.alarms.filter((alarm) => !alarm.acknowledged).length;
          one.mark.hidden = fresh === 0;
          renew(one.mark, String(fresh), () => [h("span", { "aria-hidden": "true" }, String(fresh)), h("span", { class: "unseen" }, t("unacked", { n: fresh }))]);
        } else if (one.name === "warnings") {
          const waits = state.warnings.filter((watch) => watch.proposed).length;
          one.mark.hidden = waits === 0;
          text(one.mark, String(waits));
        } else if (one.name === "incident") {
          one.mark.hidden = state.incidents.length === 0;
          text(one.mark, String(state.incidents.length));
        } else if (one.name === "reach") {
          const i = basin.sections.findIndex((section) => section.id === one.id);
          const low = below(state.sections[i]);
          one.mark.hidden = !low;
          text(one.mark, low ? "▼" : "");
        }
      }
    },
  };
}

function below(section) {
  const v = section?.reading?.v ?? section?.estimate?.v;
  return known(v) && known(section.floor_m3s) && v < section.floor_m3s;
}
