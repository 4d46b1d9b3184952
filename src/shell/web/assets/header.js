// The top bar: basin, mode, hold, season, alarms, data, clock, hold-all; and the banners below it.

import { act, requestId, wording } from "./api.js";
import { openDialog } from "./confirm.js";
import { flag, glyph, h, longPress, onlyLooks, renew, text } from "./dom.js";
import { age, civil, moment, offset, weekday, who } from "./format.js";
import { lang, named, setLang, t } from "./i18n.js";
import { buildPeople, me } from "./people.js";

const MODES = ["observe", "advice", "automatic", "manual"];

export function buildHeader(basin, rebuild) {
  const mode = h("button", { class: "mode", tid: "mode", type: "button", title: t("change_mode"), on: { click: () => modeDialog() } });
  const modeSince = h("span", { tid: "mode-since" });
  const season = h("b", { tid: "season" });
  const seasonLeft = h("span", {});
  const counts = [1, 2, 3, 4].map((p) => {
    const n = h("b", { tid: `count-${p}` }, "0");
    return { el: h("span", { class: "count" }, glyph(p, `${t("alarms_word")} ${p}`), n), n };
  });
  const unacked = h("span", { class: "new", tid: "unacked" });
  const data = h("b", { tid: "data" });
  const record = h("strong", { class: "badge", tid: "record-lost", hidden: true }, t("record_lost"));
  const clock = h("b", { class: "clock", tid: "clock" });
  const date = h("span", { tid: "date" });
  const hold = h("button", { class: "hold", type: "button", tid: "hold-all", title: t("hold_all_title") }, t("hold_all"));
  const held = h("strong", { class: "badge held", tid: "held", hidden: true });
  const release = h("button", { type: "button", class: "command", tid: "release-hold", hidden: true, on: {
    click: () => openDialog(t("do_release_hold"), { order: "release_hold" }, { about: t("about.release_hold"), what: t("do_release_hold") }),
  } }, t("release_hold"));
  const said = h("span", { class: "said", role: "status", tid: "hold-answer" });
  const press = longPress(hold, async () => {
    const answer = await act("hold-all", { request: requestId() });
    text(said, answer.ok ? t("hold_sent") : wording(answer.body));
    setTimeout(() => text(said, ""), 6000);
  });
  const language = h("button", { class: "plain", type: "button", tid: "language", lang: lang() === "zh" ? "en" : "zh-CN",
    title: t("switch_language_label"), "aria-label": t("switch_language_label"), on: { click: async () => {
      await setLang(lang() === "zh" ? "en" : "zh");
      rebuild();
    } } }, t("switch_language"));
  const theme = h("button", { class: "plain", type: "button", tid: "theme", title: t("switch_theme"), "aria-label": t("switch_theme"), on: { click: () => {
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    rebuild();
  } } }, "◐");
  const people = buildPeople([language, theme]);
  const cell = (name, ...kids) => h("div", { class: `cell ${name}` }, ...kids);
  const el = h("header", { class: "top", tid: "header" },
    cell("name", h("h1", {}, named(basin.name))),
    cell("mode-cell", mode, modeSince),
    cell("season-cell", h("span", {}, t("season")), h("span", {}, season, " ", seasonLeft)),
    cell("alarm-cell", ...counts.map((c) => c.el), unacked),
    h("span", { class: "grow" }),
    cell("data-cell", h("span", {}, t("data")), h("span", {}, data, record)),
    cell("clock-cell", clock, date),
    cell("act-cell", hold, held, release, said),
    people.el);
  const banners = h("div", { class: "banners" },
    h("p", { class: "banner", tid: "bench", hidden: !basin.bench }, t("bench")),
    h("p", { class: "banner", tid: "observing", hidden: true }, t("observe_banner")));
  const observing = banners.lastChild;
  banners.append(h("p", { class: "banner looks-banner", tid: "only-looks" }, t("only_looks")));
  banners.append(people.band);
  let current = null;

  function modeDialog() {
    if (onlyLooks()) return;
    const choose = (next) => openDialog(`${t("mode_change")}${t("colon")}${t(`mode.${next}`)}`, { order: "set_mode", mode: next },
      { about: t(`mode_about.${next}`), what: t("do_mode", { mode: t(`mode.${next}`) }) });
    openDialog(t("mode_change"), null, { body: (close) => h("ul", { class: "modes" }, MODES.map((next) => h("li", {},
      h("button", { type: "button", tid: `mode-${next}`, disabled: next === current, on: { click: () => {
        close();
        choose(next);
      } } }, t(`mode.${next}`)),
      h("span", {}, t(`mode_about.${next}`), next === current ? h("b", {}, ` (${t("mode_now")})`) : ""))) ) });
  }

  function update(state) {
    current = state.mode;
    people.update(state);
    mode.disabled = !me.may.lead;
    const now_s = state.utc_ms / 1000;
    text(mode, t(`mode.${state.mode}`));
    flag(mode, "inverse", state.mode !== "automatic");
    text(modeSince, t("since_by", { when: moment(state.mode_since_s, now_s), who: who(state.mode_by) }));
    const holding = state.hold_all !== null && state.hold_all !== undefined;
    flag(el, "holding", holding);
    hold.hidden = holding;
    for (const part of [held, release]) part.hidden = !holding;
    text(held, holding ? t("holding") : "");
    held.title = holding ? t("hold_by", { who: who(state.hold_all) }) : "";
    text(season, t(state.flood_season ? "flood" : "dry"));
    const days = state.season_days;
    text(seasonLeft, days === null || days === undefined ? "" : t(state.flood_season ? "to_dry" : "to_flood", { days }));
    for (const [i, count] of counts.entries()) {
      const n = state.alarms.filter((alarm) => alarm.priority === i + 1).length;
      text(count.n, String(n));
      flag(count.el, "none", n === 0);
    }
    const fresh = state.alarms.filter((alarm) => !alarm.acknowledged).length;
    text(unacked, fresh > 0 ? t("unacked", { n: fresh }) : "");
    const { good, total, at } = state.data;
    const newest = at === null || at === undefined ? "–" : age(state.at - at);
    text(data, `${newest}${t("sep")}${t("data_good", { good, total })}`);
    record.hidden = state.record_ok;
    const here = civil(now_s);
    text(clock, here.time);
    text(date, `${here.date} ${weekday(here.weekday)} ${offset()}`);
    observing.hidden = !state.observing;
    const most = state.alarms.find((alarm) => !alarm.acknowledged);
    document.title = `${most ? `(${fresh}) ` : ""}${named(basin.name)}`;
  }
  return { el, banners, update, hold, press };
}

/** The colours: what the person chose, otherwise what the machine prefers. */
export function setTheme(next) {
  if (next) localStorage.setItem("theme", next);
  const chosen = localStorage.getItem("theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

/** The banner of a page that must not be believed. */
export function buildBlind() {
  const title = h("strong", { tid: "blind-title" });
  const since = h("span", { tid: "blind-since" });
  const what = h("span", {});
  const el = h("div", { class: "blind-banner", role: "alert", tid: "blind", hidden: true }, title, since, what);
  return {
    el,
    show(why, state) {
      el.hidden = why === null;
      if (why === null) return;
      renew(el, `${why}|${state ? state.seq : ""}|${lang()}`, () => {
        text(title, state ? t(`blind_${why}`) : t("blind_load"));
        text(since, state ? t("blind_since", { when: civil(state.utc_ms / 1000).time }) : "");
        text(what, state || why === "cycle" ? t(`blind_${why}_do`) : "");
        return [title, since, what];
      });
    },
  };
}
