// The page: reads the basin once, follows the state, and gives every part the newest of it.

import { buildActions } from "./actions.js";
import { alarmsByElement, buildAlarms } from "./alarms.js";
import { load } from "./api.js";
import { setNow } from "./confirm.js";
import { flag, h } from "./dom.js";
import { openFaceplate } from "./faceplate.js";
import { setSite } from "./format.js";
import { buildGroups } from "./gates.js";
import { buildBlind, buildHeader, setTheme } from "./header.js";
import { lang, setLang, t } from "./i18n.js";
import { loadMe } from "./people.js";
import { buildSections } from "./sections.js";
import { follow } from "./stream.js";
import { buildStrips } from "./strip.js";
import { buildReservoir, buildWetlands } from "./water.js";
import { buildWhy } from "./why.js";

const page = { basin: null, state: null, parts: [], sections: null, header: null, blind: null, faceplate: null, actions: null, wanted: null, live: "link" };

/** Makes the whole page anew: at the start, and when language or colours change. */
function build() {
  const { basin } = page;
  const chosen = page.faceplate?.i;
  page.faceplate?.close();
  for (const part of page.parts) part.drop?.();
  page.header = buildHeader(basin, build);
  page.blind = buildBlind();
  page.sections = buildSections(basin);
  page.actions = buildActions(basin, () => update());
  const why = buildWhy(basin, pick);
  const alarms = buildAlarms(basin, pick);
  const strips = buildStrips(basin);
  const reservoir = buildReservoir(basin, pick);
  const wetlands = buildWetlands(basin, strips.small);
  const groups = buildGroups(basin, pick);
  page.parts = [page.sections, page.actions, why, alarms, ...strips.main, reservoir, wetlands, ...groups].filter(Boolean);
  const water = h("div", { class: "water" }, reservoir?.el ?? "", h("div", { class: "rivers" }, strips.main.map((strip) => strip.el), wetlands?.el ?? ""));
  const head = h("div", { class: "head" }, page.header.el, page.header.banners);
  new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${head.offsetHeight}px`)).observe(head);
  document.body.replaceChildren(head, page.blind.el,
    h("main", {},
      h("div", { class: "left-side" }, h("div", { class: "sections" }, page.sections.els), water, h("div", { class: "groups" }, groups.map((group) => group.el))),
      h("div", { class: "right-side" }, h("div", { class: "right-inner" }, why.el, alarms.el, page.actions.el))));
  if (basin.simulated_river) simulated();
  if (page.state) update();
  live(page.live);
  if (chosen !== undefined) pick(chosen);
}

/** In a demonstration: the strip of its river, on the band that says so. */
async function simulated() {
  const { parts } = page;
  const { buildSimulated } = await import("./simulated.js");
  const strip = await buildSimulated();
  // The page may have been made anew meanwhile.
  if (parts !== page.parts) return strip.drop();
  parts.push(strip);
  page.header.banners.append(strip.el);
}

function pick(i) {
  // A gate chosen before the first state opens with it.
  page.wanted = page.state ? null : i;
  if (!page.state) return;
  page.faceplate?.close();
  page.faceplate = openFaceplate(page.basin, i, { now: page.state, rows: page.actions.rows, onClose: () => {
    page.faceplate = null;
    update();
  } });
  update();
}

function update() {
  const { state, basin } = page;
  if (!state) return;
  setSite(basin.zone, state.offset_s);
  setNow(basin, state);
  const ctx = { clock: { at: state.at, utc_s: state.utc_ms / 1000 }, alarms: alarmsByElement(state), picked: page.faceplate?.i };
  page.header.update(state);
  for (const part of page.parts) part.update(state, ctx);
  page.faceplate?.update(state, ctx);
  flag(document.body, "observing", state.observing);
}

function live(why) {
  page.live = why;
  flag(document.body, "blind", why !== null);
  page.blind.show(why, page.state);
}

/** Holding H anywhere but in a field is the same as pressing the button. */
function keys() {
  const typing = (event) => event.target.closest?.("input, textarea, select, dialog");
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "h" || event.ctrlKey || event.altKey || event.metaKey || typing(event)) return;
    if (!event.repeat && !page.header.hold.hidden && page.live === null) page.header.press.start();
  });
  addEventListener("keyup", (event) => event.key.toLowerCase() === "h" && page.header?.press.stop());
}

async function start() {
  setTheme();
  setLang(lang());
  for (;;) {
    try {
      page.basin = await load("/api/v1/basin");
      break;
    } catch (error) {
      document.body.replaceChildren(h("p", { class: "loading", role: "alert" }, t("load_failed", { error: error.message })));
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  await loadMe();
  build();
  keys();
  follow((state) => {
    page.state = state;
    if (page.wanted === null) update();
    else pick(page.wanted);
  }, live);
}

start();
