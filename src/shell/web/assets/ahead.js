// What the calendar brings next, for the strips of the overview: asked for when the calendar in force changes, and now and then.

import { load } from "./api.js";
import { flow, positionUnit } from "./format.js";
import { named, t } from "./i18n.js";

/** Asked for again at least so often, real time: the window moves. */
const SILENT_MS = 300000;
const AHEAD_S = 48 * 3600;

/** What an entry asks for, in words. */
export function valueWords(gate, row) {
  if (row.kind === "opening") return gate ? positionUnit(gate, Number(row.opening_pct) / 100) : `${row.opening_pct} %`;
  if (row.kind === "level") return `${row.level_m} m`;
  if (row.kind === "flow" || row.kind === "floor") return `${row.kind === "floor" ? "≥ " : ""}${flow(Number(row.flow_m3s ?? row.floor_m3s))} m³/s`;
  return t(`schedule.kinds.${row.kind}`);
}

/** Entries of the next two days: `update(state)` asks where needed, `list(now_s)` gives them by their begin. */
export function buildAhead(basin) {
  let doc = null;
  let seen = null;
  let asked = -Infinity;

  async function ask() {
    asked = performance.now();
    // Nothing is said of what cannot be read: the screen of the calendar does.
    doc = await load("/api/v1/schedule").catch(() => doc);
  }

  function list(now_s) {
    if (!doc) return [];
    const rows = new Map([...doc.in_file, ...(doc.active?.entries ?? [])].map((row) => [row.id, row]));
    const coming = doc.blocks.filter((block) => block.to_s > now_s && block.from_s < now_s + AHEAD_S && rows.has(block.entry));
    return coming.map((block) => {
      const gate = basin.gates.find((one) => one.id === block.element);
      const section = basin.sections.find((one) => one.id === block.element);
      return { ...block, gate, section, name: named((gate ?? section)?.name) || block.element, words: valueWords(gate, rows.get(block.entry)) };
    }).sort((a, b) => a.from_s - b.from_s);
  }

  return {
    list,
    /** A mark of what is known: it differs when there may be something else to show. */
    mark: () => `${doc?.now_s}`,
    update(state) {
      const version = state.calendar?.version ?? null;
      if (version === null && basin.schedules.gates.length === 0) return;
      if (version !== seen || performance.now() - asked > SILENT_MS) {
        seen = version;
        ask();
      }
    },
  };
}
