// The page: reads the basin once, follows the state, and gives every part the newest of it. What stands around every screen
// (header, rail, list of alarms for the ear) is made once; the screen itself follows the address behind the #.

import { buildActions } from "./actions.js";
import { buildAlarmScreen } from "./alarmscreen.js";
import { alarmsByElement, buildAlarms } from "./alarms.js";
import { load } from "./api.js";
import { setNow } from "./confirm.js";
import { flag, h, onlyLooks, whenLooks } from "./dom.js";
import { openFaceplate } from "./faceplate.js";
import { setSite } from "./format.js";
import { buildBlind, buildHeader, setTheme } from "./header.js";
import { lang, named, setLang, t } from "./i18n.js";
import { buildIncident } from "./incident.js";
import { buildLinks } from "./links.js";
import { buildMap } from "./map.js";
import { buildMeters } from "./meters.js";
import { buildNav, routeOf } from "./nav.js";
import { buildOverview } from "./overview.js";
import { loadMe } from "./people.js";
import { buildReach } from "./reach.js";
import { buildRecords } from "./records.js";
import { buildSchedule } from "./schedule.js";
import { follow } from "./stream.js";
import { buildWarnings } from "./warnings.js";

const page = { basin: null, state: null, around: [], screen: null, route: null, header: null, nav: null, blind: null, faceplate: null, actions: null, alarms: null, host: null, wanted: null, live: "link" };

/** The screens by the first word of the address. Each is `{els, update(state, ctx), drop()}`. */
const SCREENS = {
  overview: () => buildOverview(page.basin, { pick, alarms: page.alarms, actions: page.actions }),
  reach: (id) => buildReach(page.basin, id, { pick }),
  alarms: () => buildAlarmScreen(page.basin, { pick, state: () => page.state }),
  incident: () => buildIncident(page.basin, { pick, state: () => page.state }),
  warnings: () => buildWarnings(page.basin),
  schedule: () => buildSchedule(page.basin, { pick }),
  map: () => buildMap(page.basin, { pick }),
  meters: (id) => buildMeters(page.basin, id),
  links: (id) => buildLinks(page.basin, id),
  records: () => buildRecords(page.basin, { state: () => page.state }),
};

/** Makes the whole page anew: at the start, and when language or colours change. */
function build() {
  const { basin } = page;
  flag(document.body, "looks", onlyLooks());
  const chosen = page.faceplate?.i;
  page.faceplate?.close();
  page.screen?.drop?.();
  page.screen = null;
  for (const part of page.around) part.drop?.();
  page.header = buildHeader(basin, build);
  page.blind = buildBlind();
  page.actions = buildActions(basin, () => update());
  page.alarms = buildAlarms(basin, pick);
  page.nav = buildNav(basin);
  page.around = [page.actions, page.alarms];
  const head = h("div", { class: "head" }, page.header.el, page.header.banners);
  new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${head.offsetHeight}px`)).observe(head);
  page.host = h("main", { id: "main", tabindex: "-1" });
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main", on: { click: (event) => {
      event.preventDefault();
      page.host.focus();
    } } }, t("skip")),
    head, page.blind.el, h("div", { class: "frame" }, page.nav.el, page.host), page.alarms.urgent);
  if (basin.simulated_river) simulated();
  show();
  live(page.live);
  if (chosen !== undefined) pick(chosen);
}

/** Puts the screen of the address in its place. */
function show() {
  const route = routeOf(location.hash);
  const name = SCREENS[route.name] ? route.name : "overview";
  page.screen?.drop?.();
  page.route = { ...route, name };
  page.screen = SCREENS[name](route.id);
  page.host.className = `screen scr-${name}`;
  page.host.replaceChildren(...page.screen.els);
  page.nav.mark(page.route);
  scrollTo(0, 0);
  if (page.state) update();
}

/** In a demonstration: the strip of its river, on the band that says so. */
async function simulated() {
  const { around } = page;
  const { buildSimulated } = await import("./simulated.js");
  const strip = await buildSimulated();
  // The page may have been made anew meanwhile.
  if (around !== page.around) return strip.drop();
  around.push(strip);
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
  page.nav.update(state, ctx);
  for (const part of page.around) part.update(state, ctx);
  page.screen?.update(state, ctx);
  page.faceplate?.update(state, ctx);
  flag(document.body, "observing", state.observing);
  const where = page.nav.title(page.route);
  if (where && page.route.name !== "overview") document.title = `${document.title.split(" – ")[0]} – ${where}`;
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
    if (!event.repeat && !page.header.hold.hidden && page.live === null && !onlyLooks()) page.header.press.start();
  });
  addEventListener("keyup", (event) => event.key.toLowerCase() === "h" && page.header?.press.stop());
}

async function start() {
  setTheme();
  await setLang(lang());
  for (;;) {
    try {
      page.basin = await load("/api/v1/basin");
      break;
    } catch (error) {
      document.body.replaceChildren(h("p", { class: "loading", role: "alert" }, t("load_failed", { error: error.message })));
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  document.title = named(page.basin.name);
  await loadMe();
  build();
  keys();
  whenLooks(build);
  addEventListener("hashchange", () => {
    if (location.hash === "#main") return;
    page.faceplate?.close();
    show();
    page.host.focus({ preventScroll: true });
  });
  follow((state) => {
    page.state = state;
    if (page.wanted === null) update();
    else pick(page.wanted);
  }, live);
}

start();
