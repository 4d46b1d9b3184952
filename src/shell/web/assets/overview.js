// The overview: are both sections safe, now and for the next travel time, and does anybody have to do anything.

import { h } from "./dom.js";
import { buildGroups } from "./gates.js";
import { buildSections } from "./sections.js";
import { buildStrips } from "./strip.js";
import { buildReservoir, buildWetlands } from "./water.js";
import { buildWhy } from "./why.js";

/** Alarms and last actions live around the screens; here they are shown. */
export function buildOverview(basin, { pick, alarms, actions }) {
  const sections = buildSections(basin);
  const why = buildWhy(basin, pick);
  const strips = buildStrips(basin);
  const reservoir = buildReservoir(basin, pick);
  const wetlands = buildWetlands(basin, strips.small);
  const groups = buildGroups(basin, pick);
  const parts = [sections, why, ...strips.main, reservoir, wetlands, ...groups].filter(Boolean);
  const water = h("div", { class: "water" }, reservoir?.el ?? "", h("div", { class: "rivers" }, strips.main.map((strip) => strip.el), wetlands?.el ?? ""));
  const els = [
    h("div", { class: "left-side" }, h("div", { class: "sections" }, sections.els), water, h("div", { class: "groups" }, groups.map((group) => group.el))),
    h("div", { class: "right-side" }, h("div", { class: "right-inner" }, why.el, alarms.el, actions.el)),
  ];
  return {
    els,
    update: (state, ctx) => parts.forEach((part) => part.update(state, ctx)),
    drop: () => parts.forEach((part) => part.drop?.()),
  };
}
